/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "base/alloc.h"
#include "base/config.h"
#include "path/filter.h"

#define RULES_TOP 16

/* "label:rule label:rule": the rules of one case, separated by one space. */
static size_t
split_rules(hr_span spec, hr_path_filter_rule rules[RULES_TOP])
{
    size_t count = 0;
    while (spec.len != 0) {
        const char *blank = memchr(spec.ptr, ' ', spec.len);
        size_t len = blank == NULL ? spec.len : (size_t)(blank - spec.ptr);
        const char *colon = memchr(spec.ptr, ':', len);
        size_t word = (size_t)(colon - spec.ptr);
        rules[count].label = guarded((hr_span){spec.ptr, word});
        rules[count++].text = guarded((hr_span){colon + 1, len - word - 1});
        spec = hr_span_from(spec, blank == NULL ? len : len + 1);
    }
    return count;
}

static const struct {
    const char *why;
    hr_span rules;
    hr_span path;
    hr_span want;
} LABELS[] = {
    {"no rules: the fallback", HR_SPAN(""), HR_SPAN("/"), HR_SPAN("track")},
    {"exact", HR_SPAN("skip:=/f"), HR_SPAN("/f"), HR_SPAN("skip")},
    {"exact is no prefix", HR_SPAN("skip:=/f"), HR_SPAN("/fx"),
     HR_SPAN("track")},
    {"exact is whole", HR_SPAN("skip:=/f"), HR_SPAN("/"), HR_SPAN("track")},
    {"prefix", HR_SPAN("api:/api/"), HR_SPAN("/api/x"), HR_SPAN("api")},
    {"prefix itself", HR_SPAN("api:/api/"), HR_SPAN("/api/"), HR_SPAN("api")},
    {"prefix without its slash", HR_SPAN("api:/api/"), HR_SPAN("/api"),
     HR_SPAN("track")},
    {"a prefix is bytes, not segments", HR_SPAN("api:/api"), HR_SPAN("/apix"),
     HR_SPAN("api")},
    {"case counts", HR_SPAN("api:/api/"), HR_SPAN("/API/"), HR_SPAN("track")},
    {"never normalised", HR_SPAN("api:/api/"), HR_SPAN("//api/"),
     HR_SPAN("track")},
    {"dots stay", HR_SPAN("skip:/static/"), HR_SPAN("/static/../api/"),
     HR_SPAN("skip")},
    {"suffix", HR_SPAN("skip:*.map"), HR_SPAN("/a/b.map"), HR_SPAN("skip")},
    {"suffix is the whole path", HR_SPAN("skip:*/a"), HR_SPAN("/a"),
     HR_SPAN("skip")},
    {"suffix cut off", HR_SPAN("skip:*.map"), HR_SPAN("/b.ma"),
     HR_SPAN("track")},
    {"a lone star is everything", HR_SPAN("skip:*"), HR_SPAN(""),
     HR_SPAN("skip")},
    {"longest suffix", HR_SPAN("skip:*.js api:*.min.js"), HR_SPAN("/a.min.js"),
     HR_SPAN("api")},
    {"one segment", HR_SPAN("own:/shop/*/cart"), HR_SPAN("/shop/7/cart"),
     HR_SPAN("own")},
    {"a segment is not empty", HR_SPAN("own:/shop/*/cart"),
     HR_SPAN("/shop//cart"), HR_SPAN("track")},
    {"a segment is only one", HR_SPAN("own:/shop/*/cart"),
     HR_SPAN("/shop/7/8/cart"), HR_SPAN("track")},
    {"nothing follows", HR_SPAN("own:/shop/*/cart"), HR_SPAN("/shop/7/cart/"),
     HR_SPAN("track")},
    {"last segment", HR_SPAN("own:/shop/*"), HR_SPAN("/shop/7"),
     HR_SPAN("own")},
    {"last segment is not empty", HR_SPAN("own:/shop/*"), HR_SPAN("/shop/"),
     HR_SPAN("track")},
    {"empty segments are literal", HR_SPAN("own:/a//*"), HR_SPAN("/a//b"),
     HR_SPAN("own")},
    {"final slash", HR_SPAN("own:/shop/*/"), HR_SPAN("/shop/7/"),
     HR_SPAN("own")},
    {"rest", HR_SPAN("own:/docs/**"), HR_SPAN("/docs/a/b"), HR_SPAN("own")},
    {"rest, empty", HR_SPAN("own:/docs/**"), HR_SPAN("/docs/"),
     HR_SPAN("own")},
    {"rest keeps its slash", HR_SPAN("own:/docs/**"), HR_SPAN("/docsx"),
     HR_SPAN("track")},
    {"segment and rest", HR_SPAN("own:/u/*/p/**"), HR_SPAN("/u/1/p/"),
     HR_SPAN("own")},
    {"segment and rest, long", HR_SPAN("own:/u/*/p/**"), HR_SPAN("/u/1/p/2/3"),
     HR_SPAN("own")},
    {"segment and rest, cut", HR_SPAN("own:/u/*/p/**"), HR_SPAN("/u/1/p"),
     HR_SPAN("track")},
    {"longer prefix wins", HR_SPAN("skip:/a/ api:/a/b/"), HR_SPAN("/a/b/c"),
     HR_SPAN("api")},
    {"shorter prefix after a dead end", HR_SPAN("skip:/a/ api:/a/bcd/"),
     HR_SPAN("/a/bcx"), HR_SPAN("skip")},
    {"exact wins over all", HR_SPAN("skip:/ api:=/a/b own:/a/* x:*/b"),
     HR_SPAN("/a/b"), HR_SPAN("api")},
    {"more literals behind a star", HR_SPAN("skip:/a/*/cc api:/a/b/*"),
     HR_SPAN("/a/b/cc"), HR_SPAN("skip")},
    {"wild inside prefix", HR_SPAN("skip:/a/ api:/a/*"), HR_SPAN("/a/x"),
     HR_SPAN("api")},
    {"... and the prefix beyond it", HR_SPAN("skip:/a/ api:/a/*"),
     HR_SPAN("/a/x/y"), HR_SPAN("skip")},
    {"fixed inside rest", HR_SPAN("skip:/*/a/** api:/*/a/*"),
     HR_SPAN("/x/a/y"), HR_SPAN("api")},
    {"more literals, not inside", HR_SPAN("skip:/static/ api:*.json"),
     HR_SPAN("/static/x.json"), HR_SPAN("skip")},
    {"more literals, suffix", HR_SPAN("skip:/a/ api:*.json"),
     HR_SPAN("/a/x.json"), HR_SPAN("api")},
    {"back out of a literal branch", HR_SPAN("skip:/a/b/x api:/*/b/y/z"),
     HR_SPAN("/a/b/y/z"), HR_SPAN("api")},
    {"characters are counted, not bytes",
     HR_SPAN("skip:/\xC3\xA9\xC3\xA9/ api:*abcde"),
     HR_SPAN("/\xC3\xA9\xC3\xA9/abcde"), HR_SPAN("api")},
    {"NUL bytes", HR_SPAN("skip:/a\0b"), HR_SPAN("/a\0bc"), HR_SPAN("skip")},
    {"same rule twice, same label", HR_SPAN("skip:/a/ skip:/a/**"),
     HR_SPAN("/a/"), HR_SPAN("skip")},
};

static const struct {
    const char *why;
    hr_span rules;
    hr_status want;
} REFUSED[] = {
    {"empty", HR_SPAN("skip:"), HR_RULE},
    {"no slash", HR_SPAN("skip:static/"), HR_RULE},
    {"exact without slash", HR_SPAN("skip:=static"), HR_RULE},
    {"exact with star", HR_SPAN("skip:=/a/*"), HR_RULE},
    {"star in a segment", HR_SPAN("skip:/a*/b"), HR_RULE},
    {"star after text", HR_SPAN("skip:/a/b*"), HR_RULE},
    {"two stars inside", HR_SPAN("skip:/a/**/b"), HR_RULE},
    {"two stars without slash", HR_SPAN("skip:/a**"), HR_RULE},
    {"three stars", HR_SPAN("skip:/a/***"), HR_RULE},
    {"suffix with two stars", HR_SPAN("skip:*.a*"), HR_RULE},
    {"label empty", HR_SPAN(":/a"), HR_SETTING},
    {"label with a control byte", HR_SPAN("a\nb:/a"), HR_SETTING},
    {"same prefix", HR_SPAN("skip:/a/ api:/a/"), HR_RULE_TIE},
    {"same exact", HR_SPAN("skip:=/a api:=/a"), HR_RULE_TIE},
    {"same wild", HR_SPAN("skip:/*/a api:/*/a"), HR_RULE_TIE},
    {"same set, other spelling", HR_SPAN("skip:/a/ api:/a/**"), HR_RULE_TIE},
    {"prefix and suffix", HR_SPAN("skip:/api/ api:*.json"), HR_RULE_TIE},
    {"... of more characters", HR_SPAN("skip:/abc/ api:*.json x:*.html"),
     HR_RULE_TIE},
    {"crossed stars", HR_SPAN("skip:/a/* api:/*/b"), HR_RULE_TIE},
    {"... that never meet", HR_SPAN("skip:/a/* api:/b/*"), HR_OK},
    {"... of other lengths", HR_SPAN("skip:/a/* api:/*/b/"), HR_OK},
    {"wild and prefix", HR_SPAN("skip:/a/*/b api:/a/xy"), HR_RULE_TIE},
    {"... that part", HR_SPAN("skip:/b/*/b api:/a/xy"), HR_OK},
    {"wild and suffix", HR_SPAN("skip:/a/* api:*abc"), HR_RULE_TIE},
    {"... that never meet", HR_SPAN("skip:/a/*/b api:*abcde"), HR_OK},
    {"... with an empty segment", HR_SPAN("skip:/a/* api:*//a"), HR_OK},
    {"rest and suffix", HR_SPAN("skip:/*/** api:*ab"), HR_RULE_TIE},
    {"rest and fixed", HR_SPAN("skip:/a/*/** api:/*/b/c"), HR_OK},
    {"rest and fixed that meet", HR_SPAN("skip:/a/*/** api:/*/b/*"),
     HR_RULE_TIE},
};

static hr_status
build(hr_span spec, hr_path_filter **filter, hr_path_filter_error *error)
{
    hr_path_filter_rule rules[RULES_TOP];
    size_t count = split_rules(spec, rules);
    return hr_path_filter_new(rules, count, HR_SPAN("track"), filter, error);
}

static void
test_tables(void)
{
    hr_path_filter *filter = NULL;
    hr_path_filter_error error;
    for (size_t i = 0; i < sizeof(LABELS) / sizeof(LABELS[0]); i++) {
        if (!ok(build(LABELS[i].rules, &filter, &error) == HR_OK, "builds: %s",
                LABELS[i].why)) {
            continue;
        }
        unsigned number =
            hr_path_filter_label(filter, guarded(LABELS[i].path));
        hr_span word = hr_path_filter_word(filter, number);
        ok(hr_span_equal(word, LABELS[i].want), "label: %s (%.*s)",
           LABELS[i].why, (int)word.len, word.ptr);
        hr_path_filter_free(filter);
    }
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
        hr_status status = build(REFUSED[i].rules, &filter, &error);
        ok(status == REFUSED[i].want, "construction: %s (%s)", REFUSED[i].why,
           hr_status_word(status));
        if (status == HR_OK) {
            hr_path_filter_free(filter);
        }
    }
    hr_status status =
        build(HR_SPAN("skip:/x a:/a/* b:/y b:/*/b"), &filter, &error);
    ok(status == HR_RULE_TIE && error.other == 1 && error.rule == 3,
       "a tie names both rules");
}

static void
test_caps(void)
{
    static char text[HR_PATH_RULE_MAX + 1];
    hr_path_filter *filter = NULL;
    hr_path_filter_error error;
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    hr_path_filter_rule rule = {.text = {text, sizeof(text) - 1},
                                .label = HR_SPAN("skip")};
    ok(hr_path_filter_new(&rule, 1, HR_SPAN("track"), &filter, &error) ==
           HR_OK,
       "a rule of 4,096 bytes");
    ok(hr_path_filter_label(filter, guarded(rule.text)) == HR_PATH_FILTER_SKIP,
       "... matches");
    hr_path_filter_free(filter);
    rule.text.len++;
    ok(hr_path_filter_new(&rule, 1, HR_SPAN("track"), &filter, &error) ==
               HR_RULE &&
           error.why != NULL,
       "one byte more is refused");
    for (size_t i = 0; i < 128; i++) { /* 64 stars, the path with 64 too */
        text[i] = i % 2 == 0 ? '/' : '*';
    }
    rule.text.len = 128;
    ok(hr_path_filter_new(&rule, 1, HR_SPAN("track"), &filter, &error) ==
           HR_OK,
       "64 segments");
    ok(hr_path_filter_label(filter, guarded(rule.text)) == HR_PATH_FILTER_SKIP,
       "... match");
    hr_path_filter_free(filter);
    text[128] = '/';
    rule.text.len++;
    ok(hr_path_filter_new(&rule, 1, HR_SPAN("track"), &filter, &error) ==
           HR_RULE,
       "65 segments are refused");
    char words[HR_LABELS_MAX][4];
    hr_path_filter_rule many[HR_LABELS_MAX];
    for (int i = 0; i < HR_LABELS_MAX; i++) {
        int len = snprintf(words[i], sizeof(words[i]), "l%d", i);
        many[i].label = (hr_span){words[i], (size_t)len};
        many[i].text = HR_SPAN("/");
    }
    ok(hr_path_filter_new(many, HR_LABELS_MAX, HR_SPAN("track"), &filter,
                          &error) == HR_SETTING,
       "more than 64 labels are refused");
}

/* Every node of two star branches at every level is live: the walk's stack. */
static void
test_branches(void)
{
    hr_path_filter_rule rules[64];
    static char texts[64][16];
    for (size_t i = 0; i < 64; i++) {
        size_t at = 0;
        for (size_t bit = 0; bit < 6; bit++) {
            texts[i][at++] = '/';
            texts[i][at++] = (i >> bit & 1) != 0 ? '*' : 'a';
        }
        rules[i] = (hr_path_filter_rule){{texts[i], at}, HR_SPAN("skip")};
    }
    hr_path_filter *filter = NULL;
    hr_path_filter_error error;
    ok(hr_path_filter_new(rules, 64, HR_SPAN("track"), &filter, &error) ==
           HR_OK,
       "all branches: builds");
    ok(hr_path_filter_label(filter, guarded(HR_SPAN("/a/b/a/b/a/b"))) ==
           HR_PATH_FILTER_SKIP,
       "all branches: matches");
    ok(hr_path_filter_label(filter, guarded(HR_SPAN("/a/b/a/b/a/b/"))) ==
           HR_PATH_FILTER_TRACK,
       "all branches: no match");
    hr_path_filter_free(filter);
}

static void
test_out_of_memory(void)
{
    hr_span spec = HR_SPAN("skip:/static/ skip:=/f own:*.map api:*.js "
                           "x:/a/*/b y:/a/*/c/** skip:/docs/** z:/stand");
    hr_path_filter *filter = NULL;
    hr_path_filter_error error;
    (void)hr_alloc_fail_at(0, 0);
    if (build(spec, &filter, &error) != HR_OK) {
        ok(0, "torture: the rules build");
        return;
    }
    hr_path_filter_free(filter);
    size_t calls = hr_alloc_fail_at(0, 0);
    size_t failed = 0;
    for (size_t n = 1; n <= calls; n++) {
        (void)hr_alloc_fail_at(n, 1);
        failed += build(spec, &filter, &error) == HR_NO_MEMORY;
    }
    (void)hr_alloc_fail_at(0, 0);
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
    hr_path_filter_free(NULL);
    return done_testing();
}
