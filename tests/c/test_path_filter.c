/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/alloc.h"
#include "../../ext/core/config.h"
#include "../../ext/core/path_filter.h"

#define RULES_TOP 16

/* "label:rule label:rule": the rules of one case, separated by one space. */
static size_t
split_rules(ps_span spec, ps_path_rule rules[RULES_TOP])
{
    size_t count = 0;
    while (spec.len != 0) {
        const char *blank = memchr(spec.ptr, ' ', spec.len);
        size_t len = blank == NULL ? spec.len : (size_t)(blank - spec.ptr);
        const char *colon = memchr(spec.ptr, ':', len);
        size_t word = (size_t)(colon - spec.ptr);
        rules[count].label = guarded((ps_span){spec.ptr, word});
        rules[count++].text = guarded((ps_span){colon + 1, len - word - 1});
        spec = ps_span_from(spec, blank == NULL ? len : len + 1);
    }
    return count;
}

static const struct {
    const char *why;
    ps_span rules;
    ps_span path;
    ps_span want;
} LABELS[] = {
    {"no rules: the fallback", PS_SPAN(""), PS_SPAN("/"), PS_SPAN("track")},
    {"exact", PS_SPAN("skip:=/f"), PS_SPAN("/f"), PS_SPAN("skip")},
    {"exact is no prefix", PS_SPAN("skip:=/f"), PS_SPAN("/fx"),
     PS_SPAN("track")},
    {"exact is whole", PS_SPAN("skip:=/f"), PS_SPAN("/"), PS_SPAN("track")},
    {"prefix", PS_SPAN("api:/api/"), PS_SPAN("/api/x"), PS_SPAN("api")},
    {"prefix itself", PS_SPAN("api:/api/"), PS_SPAN("/api/"), PS_SPAN("api")},
    {"prefix without its slash", PS_SPAN("api:/api/"), PS_SPAN("/api"),
     PS_SPAN("track")},
    {"a prefix is bytes, not segments", PS_SPAN("api:/api"), PS_SPAN("/apix"),
     PS_SPAN("api")},
    {"case counts", PS_SPAN("api:/api/"), PS_SPAN("/API/"), PS_SPAN("track")},
    {"never normalised", PS_SPAN("api:/api/"), PS_SPAN("//api/"),
     PS_SPAN("track")},
    {"dots stay", PS_SPAN("skip:/static/"), PS_SPAN("/static/../api/"),
     PS_SPAN("skip")},
    {"suffix", PS_SPAN("skip:*.map"), PS_SPAN("/a/b.map"), PS_SPAN("skip")},
    {"suffix is the whole path", PS_SPAN("skip:*/a"), PS_SPAN("/a"),
     PS_SPAN("skip")},
    {"suffix cut off", PS_SPAN("skip:*.map"), PS_SPAN("/b.ma"),
     PS_SPAN("track")},
    {"a lone star is everything", PS_SPAN("skip:*"), PS_SPAN(""),
     PS_SPAN("skip")},
    {"longest suffix", PS_SPAN("skip:*.js api:*.min.js"), PS_SPAN("/a.min.js"),
     PS_SPAN("api")},
    {"one segment", PS_SPAN("own:/shop/*/cart"), PS_SPAN("/shop/7/cart"),
     PS_SPAN("own")},
    {"a segment is not empty", PS_SPAN("own:/shop/*/cart"),
     PS_SPAN("/shop//cart"), PS_SPAN("track")},
    {"a segment is only one", PS_SPAN("own:/shop/*/cart"),
     PS_SPAN("/shop/7/8/cart"), PS_SPAN("track")},
    {"nothing follows", PS_SPAN("own:/shop/*/cart"), PS_SPAN("/shop/7/cart/"),
     PS_SPAN("track")},
    {"last segment", PS_SPAN("own:/shop/*"), PS_SPAN("/shop/7"),
     PS_SPAN("own")},
    {"last segment is not empty", PS_SPAN("own:/shop/*"), PS_SPAN("/shop/"),
     PS_SPAN("track")},
    {"empty segments are literal", PS_SPAN("own:/a//*"), PS_SPAN("/a//b"),
     PS_SPAN("own")},
    {"final slash", PS_SPAN("own:/shop/*/"), PS_SPAN("/shop/7/"),
     PS_SPAN("own")},
    {"rest", PS_SPAN("own:/docs/**"), PS_SPAN("/docs/a/b"), PS_SPAN("own")},
    {"rest, empty", PS_SPAN("own:/docs/**"), PS_SPAN("/docs/"),
     PS_SPAN("own")},
    {"rest keeps its slash", PS_SPAN("own:/docs/**"), PS_SPAN("/docsx"),
     PS_SPAN("track")},
    {"segment and rest", PS_SPAN("own:/u/*/p/**"), PS_SPAN("/u/1/p/"),
     PS_SPAN("own")},
    {"segment and rest, long", PS_SPAN("own:/u/*/p/**"), PS_SPAN("/u/1/p/2/3"),
     PS_SPAN("own")},
    {"segment and rest, cut", PS_SPAN("own:/u/*/p/**"), PS_SPAN("/u/1/p"),
     PS_SPAN("track")},
    {"longer prefix wins", PS_SPAN("skip:/a/ api:/a/b/"), PS_SPAN("/a/b/c"),
     PS_SPAN("api")},
    {"shorter prefix after a dead end", PS_SPAN("skip:/a/ api:/a/bcd/"),
     PS_SPAN("/a/bcx"), PS_SPAN("skip")},
    {"exact wins over all", PS_SPAN("skip:/ api:=/a/b own:/a/* x:*/b"),
     PS_SPAN("/a/b"), PS_SPAN("api")},
    {"more literals behind a star", PS_SPAN("skip:/a/*/cc api:/a/b/*"),
     PS_SPAN("/a/b/cc"), PS_SPAN("skip")},
    {"wild inside prefix", PS_SPAN("skip:/a/ api:/a/*"), PS_SPAN("/a/x"),
     PS_SPAN("api")},
    {"... and the prefix beyond it", PS_SPAN("skip:/a/ api:/a/*"),
     PS_SPAN("/a/x/y"), PS_SPAN("skip")},
    {"fixed inside rest", PS_SPAN("skip:/*/a/** api:/*/a/*"),
     PS_SPAN("/x/a/y"), PS_SPAN("api")},
    {"more literals, not inside", PS_SPAN("skip:/static/ api:*.json"),
     PS_SPAN("/static/x.json"), PS_SPAN("skip")},
    {"more literals, suffix", PS_SPAN("skip:/a/ api:*.json"),
     PS_SPAN("/a/x.json"), PS_SPAN("api")},
    {"back out of a literal branch", PS_SPAN("skip:/a/b/x api:/*/b/y/z"),
     PS_SPAN("/a/b/y/z"), PS_SPAN("api")},
    {"characters are counted, not bytes",
     PS_SPAN("skip:/\xC3\xA9\xC3\xA9/ api:*abcde"),
     PS_SPAN("/\xC3\xA9\xC3\xA9/abcde"), PS_SPAN("api")},
    {"NUL bytes", PS_SPAN("skip:/a\0b"), PS_SPAN("/a\0bc"), PS_SPAN("skip")},
    {"same rule twice, same label", PS_SPAN("skip:/a/ skip:/a/**"),
     PS_SPAN("/a/"), PS_SPAN("skip")},
};

static const struct {
    const char *why;
    ps_span rules;
    ps_status want;
} REFUSED[] = {
    {"empty", PS_SPAN("skip:"), PS_RULE},
    {"no slash", PS_SPAN("skip:static/"), PS_RULE},
    {"exact without slash", PS_SPAN("skip:=static"), PS_RULE},
    {"exact with star", PS_SPAN("skip:=/a/*"), PS_RULE},
    {"star in a segment", PS_SPAN("skip:/a*/b"), PS_RULE},
    {"star after text", PS_SPAN("skip:/a/b*"), PS_RULE},
    {"two stars inside", PS_SPAN("skip:/a/**/b"), PS_RULE},
    {"two stars without slash", PS_SPAN("skip:/a**"), PS_RULE},
    {"three stars", PS_SPAN("skip:/a/***"), PS_RULE},
    {"suffix with two stars", PS_SPAN("skip:*.a*"), PS_RULE},
    {"label empty", PS_SPAN(":/a"), PS_SETTING},
    {"label with a control byte", PS_SPAN("a\nb:/a"), PS_SETTING},
    {"same prefix", PS_SPAN("skip:/a/ api:/a/"), PS_RULE_TIE},
    {"same exact", PS_SPAN("skip:=/a api:=/a"), PS_RULE_TIE},
    {"same wild", PS_SPAN("skip:/*/a api:/*/a"), PS_RULE_TIE},
    {"same set, other spelling", PS_SPAN("skip:/a/ api:/a/**"), PS_RULE_TIE},
    {"prefix and suffix", PS_SPAN("skip:/api/ api:*.json"), PS_RULE_TIE},
    {"... of more characters", PS_SPAN("skip:/abc/ api:*.json x:*.html"),
     PS_RULE_TIE},
    {"crossed stars", PS_SPAN("skip:/a/* api:/*/b"), PS_RULE_TIE},
    {"... that never meet", PS_SPAN("skip:/a/* api:/b/*"), PS_OK},
    {"... of other lengths", PS_SPAN("skip:/a/* api:/*/b/"), PS_OK},
    {"wild and prefix", PS_SPAN("skip:/a/*/b api:/a/xy"), PS_RULE_TIE},
    {"... that part", PS_SPAN("skip:/b/*/b api:/a/xy"), PS_OK},
    {"wild and suffix", PS_SPAN("skip:/a/* api:*abc"), PS_RULE_TIE},
    {"... that never meet", PS_SPAN("skip:/a/*/b api:*abcde"), PS_OK},
    {"... with an empty segment", PS_SPAN("skip:/a/* api:*//a"), PS_OK},
    {"rest and suffix", PS_SPAN("skip:/*/** api:*ab"), PS_RULE_TIE},
    {"rest and fixed", PS_SPAN("skip:/a/*/** api:/*/b/c"), PS_OK},
    {"rest and fixed that meet", PS_SPAN("skip:/a/*/** api:/*/b/*"),
     PS_RULE_TIE},
};

static ps_status
build(ps_span spec, ps_path_filter **filter, ps_path_error *error)
{
    ps_path_rule rules[RULES_TOP];
    size_t count = split_rules(spec, rules);
    return ps_path_filter_new(rules, count, PS_SPAN("track"), filter, error);
}

static void
test_tables(void)
{
    ps_path_filter *filter = NULL;
    ps_path_error error;
    for (size_t i = 0; i < sizeof(LABELS) / sizeof(LABELS[0]); i++) {
        if (!ok(build(LABELS[i].rules, &filter, &error) == PS_OK, "builds: %s",
                LABELS[i].why)) {
            continue;
        }
        unsigned number =
            ps_path_filter_label(filter, guarded(LABELS[i].path));
        ps_span word = ps_path_filter_word(filter, number);
        ok(ps_span_equal(word, LABELS[i].want), "label: %s (%.*s)",
           LABELS[i].why, (int)word.len, word.ptr);
        ps_path_filter_free(filter);
    }
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
        ps_status status = build(REFUSED[i].rules, &filter, &error);
        ok(status == REFUSED[i].want, "construction: %s (%s)", REFUSED[i].why,
           ps_status_word(status));
        if (status == PS_OK) {
            ps_path_filter_free(filter);
        }
    }
    ps_status status =
        build(PS_SPAN("skip:/x a:/a/* b:/y b:/*/b"), &filter, &error);
    ok(status == PS_RULE_TIE && error.other == 1 && error.rule == 3,
       "a tie names both rules");
}

static void
test_caps(void)
{
    static char text[PS_PATH_RULE_MAX + 1];
    ps_path_filter *filter = NULL;
    ps_path_error error;
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    ps_path_rule rule = {.text = {text, sizeof(text) - 1},
                         .label = PS_SPAN("skip")};
    ok(ps_path_filter_new(&rule, 1, PS_SPAN("track"), &filter, &error) ==
           PS_OK,
       "a rule of 4,096 bytes");
    ok(ps_path_filter_label(filter, guarded(rule.text)) == PS_LABEL_SKIP,
       "... matches");
    ps_path_filter_free(filter);
    rule.text.len++;
    ok(ps_path_filter_new(&rule, 1, PS_SPAN("track"), &filter, &error) ==
               PS_RULE &&
           error.why != NULL,
       "one byte more is refused");
    for (size_t i = 0; i < 128; i++) { /* 64 stars, the path with 64 too */
        text[i] = i % 2 == 0 ? '/' : '*';
    }
    rule.text.len = 128;
    ok(ps_path_filter_new(&rule, 1, PS_SPAN("track"), &filter, &error) ==
           PS_OK,
       "64 segments");
    ok(ps_path_filter_label(filter, guarded(rule.text)) == PS_LABEL_SKIP,
       "... match");
    ps_path_filter_free(filter);
    text[128] = '/';
    rule.text.len++;
    ok(ps_path_filter_new(&rule, 1, PS_SPAN("track"), &filter, &error) ==
           PS_RULE,
       "65 segments are refused");
    char words[PS_LABELS_MAX][4];
    ps_path_rule many[PS_LABELS_MAX];
    for (int i = 0; i < PS_LABELS_MAX; i++) {
        int len = snprintf(words[i], sizeof(words[i]), "l%d", i);
        many[i].label = (ps_span){words[i], (size_t)len};
        many[i].text = PS_SPAN("/");
    }
    ok(ps_path_filter_new(many, PS_LABELS_MAX, PS_SPAN("track"), &filter,
                          &error) == PS_SETTING,
       "more than 64 labels are refused");
}

/* Every node of two star branches at every level is live: the walk's stack. */
static void
test_branches(void)
{
    ps_path_rule rules[64];
    static char texts[64][16];
    for (size_t i = 0; i < 64; i++) {
        size_t at = 0;
        for (size_t bit = 0; bit < 6; bit++) {
            texts[i][at++] = '/';
            texts[i][at++] = (i >> bit & 1) != 0 ? '*' : 'a';
        }
        rules[i] = (ps_path_rule){{texts[i], at}, PS_SPAN("skip")};
    }
    ps_path_filter *filter = NULL;
    ps_path_error error;
    ok(ps_path_filter_new(rules, 64, PS_SPAN("track"), &filter, &error) ==
           PS_OK,
       "all branches: builds");
    ok(ps_path_filter_label(filter, guarded(PS_SPAN("/a/b/a/b/a/b"))) ==
           PS_LABEL_SKIP,
       "all branches: matches");
    ok(ps_path_filter_label(filter, guarded(PS_SPAN("/a/b/a/b/a/b/"))) ==
           PS_LABEL_TRACK,
       "all branches: no match");
    ps_path_filter_free(filter);
}

static void
test_out_of_memory(void)
{
    ps_span spec = PS_SPAN("skip:/static/ skip:=/f own:*.map api:*.js "
                           "x:/a/*/b y:/a/*/c/** skip:/docs/** z:/stand");
    ps_path_filter *filter = NULL;
    ps_path_error error;
    (void)ps_alloc_fail_at(0, 0);
    if (build(spec, &filter, &error) != PS_OK) {
        ok(0, "torture: the rules build");
        return;
    }
    ps_path_filter_free(filter);
    size_t calls = ps_alloc_fail_at(0, 0);
    size_t failed = 0;
    for (size_t n = 1; n <= calls; n++) {
        (void)ps_alloc_fail_at(n, 1);
        failed += build(spec, &filter, &error) == PS_NO_MEMORY;
    }
    (void)ps_alloc_fail_at(0, 0);
    ok(calls > 10 && failed == calls, "each of %zu allocations may fail",
       calls);
}

int
main(void)
{
    test_tables();
    test_caps();
    test_branches();
    test_out_of_memory();
    ps_path_filter_free(NULL);
    return done_testing();
}
