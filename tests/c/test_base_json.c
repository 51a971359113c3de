/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "base/json.h"

#define S HR_SPAN

static const struct {
    const char *why;
    hr_span text;
    int members; /* -1: refused */
} OBJECTS[] = {
    {"empty object", S("{}"), 0},
    {"white space everywhere", S(" \t\r\n{ \"a\" : 1 , \"b\" : [ ] } \n"), 2},
    {"every kind",
     S("{\"a\":null,\"b\":true,\"c\":false,\"d\":-1.5e+3,"
       "\"e\":\"\",\"f\":[1,[2]],\"g\":{\"h\":{}}}"),
     7},
    {"the same name at two levels", S("{\"a\":{\"a\":1},\"b\":{\"a\":1}}"), 2},
    {"a name that is another's start", S("{\"a\":1,\"ab\":2}"), 2},
    {"empty text", S(""), -1},
    {"white space only", S("  "), -1},
    {"an array", S("[1]"), -1},
    {"a string", S("\"a\""), -1},
    {"a number", S("1"), -1},
    {"null", S("null"), -1},
    {"not closed", S("{\"a\":1"), -1},
    {"a comma at the end", S("{\"a\":1,}"), -1},
    {"a comma at the start", S("{,\"a\":1}"), -1},
    {"no comma", S("{\"a\":1 \"b\":2}"), -1},
    {"no colon", S("{\"a\" 1}"), -1},
    {"no value", S("{\"a\":}"), -1},
    {"a name without quotes", S("{a:1}"), -1},
    {"a number as name", S("{1:1}"), -1},
    {"single quotes", S("{'a':1}"), -1},
    {"closed twice", S("{}}"), -1},
    {"closed by the wrong bracket", S("{\"a\":[1}"), -1},
    {"a second value behind", S("{} {}"), -1},
    {"NUL behind", S("{}\0"), -1},
    {"NUL and more behind", S("{\"a\":1}\0{\"a\":2}"), -1},
    {"a byte order mark", S("\xef\xbb\xbf{}"), -1},
    {"UTF-16", S("{\0}\0"), -1},
    {"a comment", S("{/**/}"), -1},
    {"NaN", S("{\"a\":NaN}"), -1},
    {"Infinity", S("{\"a\":Infinity}"), -1},
    {"-Infinity", S("{\"a\":-Infinity}"), -1},
    {"a word in capitals", S("{\"a\":True}"), -1},
    {"half a word", S("{\"a\":tru}"), -1},
    {"more than a word", S("{\"a\":nullx}"), -1},
    {"a plus sign", S("{\"a\":+1}"), -1},
    {"a zero in front", S("{\"a\":01}"), -1},
    {"minus alone", S("{\"a\":-}"), -1},
    {"no digit before the point", S("{\"a\":.5}"), -1},
    {"no digit behind the point", S("{\"a\":1.}"), -1},
    {"no digit in the exponent", S("{\"a\":1e}"), -1},
    {"hexadecimal", S("{\"a\":0x1}"), -1},
    {"a tab in a string", S("{\"a\":\"\t\"}"), -1},
    {"a newline in a string", S("{\"a\":\"12345678\n\"}"), -1},
    {"NUL in a string", S("{\"a\":\"\0\"}"), -1},
    {"DEL in a string is fine", S("{\"a\":\"\x7f\"}"), 1},
    {"an escaped NUL is fine", S("{\"a\":\"\\u0000\"}"), 1},
    {"an unknown escape", S("{\"a\":\"\\x41\"}"), -1},
    {"an escape cut off", S("{\"a\":\"\\"), -1},
    {"a short unicode escape", S("{\"a\":\"\\u12\"}"), -1},
    {"a unicode escape with a sign", S("{\"a\":\"\\u+123\"}"), -1},
    {"a lone high surrogate", S("{\"a\":\"\\ud800\"}"), -1},
    {"a lone low surrogate", S("{\"a\":\"\\udc00\"}"), -1},
    {"a high surrogate and a character", S("{\"a\":\"\\ud800\\u0041\"}"), -1},
    {"two high surrogates", S("{\"a\":\"\\ud800\\ud800\"}"), -1},
    {"a pair of surrogates", S("{\"a\":\"\\ud83d\\ude00\"}"), 1},
    {"two, three and four bytes",
     S("{\"a\":\"\xc3\xa9\xe2\x82\xac"
       "\xf0\x9f\x98\x80\"}"),
     1},
    {"a lone continuation byte", S("{\"a\":\"\x80\"}"), -1},
    {"overlong, two bytes", S("{\"a\":\"\xc0\x80\"}"), -1},
    {"overlong, three bytes", S("{\"a\":\"\xe0\x80\x80\"}"), -1},
    {"overlong, four bytes", S("{\"a\":\"\xf0\x80\x80\x80\"}"), -1},
    {"a surrogate in UTF-8", S("{\"a\":\"\xed\xa0\x80\"}"), -1},
    {"over U+10FFFF", S("{\"a\":\"\xf4\x90\x80\x80\"}"), -1},
    {"cut off in a character", S("{\"a\":\"\xe2\x82"), -1},
    {"bad UTF-8 in a name", S("{\"\xff\":1}"), -1},
    {"a name twice", S("{\"a\":1,\"b\":2,\"a\":3}"), -1},
    {"a name twice, once escaped", S("{\"a\":1,\"\\u0061\":2}"), -1},
    {"a name twice, both escaped", S("{\"\\u0061\":1,\"\\u0061\":2}"), -1},
    {"a long name twice, once escaped",
     S("{\"abcdefghij\":1,\"abcdefgh\\u0069j\":2}"), -1},
    {"a name twice, the second spaced", S("{\"a\":1, \"a\":2}"), -1},
    {"a name twice, around an array", S("{\"a\":1,\"b\":[],\"a\":2}"), -1},
    {"plain, then spaced, then plain", S("{\"a\":1,\"b\": 2,\"c\":3}"), 3},
    {"plain, then nothing after a comma", S("{\"a\":1,}"), -1},
    {"plain, then a second number", S("{\"a\":1 2}"), -1},
    {"plain, then a closing bracket", S("{\"a\":1]"), -1},
    {"plain, not closed", S("{\"a\":1"), -1},
    {"plain, cut off after a comma", S("{\"a\":\"b\","), -1},
    {"plain, cut off after a name", S("{\"a\":1,\"b\""), -1},
    {"plain, cut off after a colon", S("{\"a\":1,\"b\":"), -1},
    {"plain, a semicolon", S("{\"a\":1;\"b\":2}"), -1},
    {"plain, a zero in front", S("{\"a\":1,\"b\":02}"), -1},
    {"plain, a letter in a number", S("{\"a\":1,\"b\":2x}"), -1},
    {"a name twice, inside", S("{\"x\":[{\"a\":1,\"a\":1}]}"), -1},
    {"the empty name twice", S("{\"\":1,\"\":1}"), -1},
};

static hr_json_member members[4096];
static uint32_t heads[8192];
static const hr_json_scratch SCRATCH = {members, heads, 4096};

static int
index_of(hr_span text)
{
    size_t count;
    unsigned flags;
    return hr_json_index(text, &SCRATCH, &count, &flags) == HR_OK ? (int)count
                                                                  : -1;
}

static void
depth_is_bounded(void)
{
    char text[2 * HR_JSON_DEPTH_MAX + 16];
    for (int extra = 0; extra < 2; extra++) {
        size_t levels = HR_JSON_DEPTH_MAX - 1 + (size_t)extra, at = 5;
        memcpy(text, "{\"a\":", 5);
        memset(text + at, '[', levels);
        memset(text + at + levels, ']', levels);
        at += 2 * levels;
        text[at++] = '}';
        ok(index_of(guarded((hr_span){text, at})) == (extra ? -1 : 1),
           "index: %zu levels", levels + 1);
    }
}

/* Many names: none twice, then the last like the first. */
static void
many_names(void)
{
    static char text[32768];
    for (int twice = 0; twice < 2; twice++) {
        size_t at = 0;
        text[at++] = '{';
        for (int i = 0; i < 1000; i++) {
            at += (size_t)sprintf(text + at, "%s\"n%d\":%d", i ? "," : "",
                                  twice && i == 999 ? 0 : i, i);
        }
        text[at++] = '}';
        ok(index_of(guarded((hr_span){text, at})) == (twice ? -1 : 1000),
           "index: a thousand names%s", twice ? ", one twice" : "");
    }
}

static void
members_are_where_they_are(void)
{
    hr_span text =
        guarded(S("{\"a\":\"x\\n\",\"\\u0062\":[1, {\"a\":2} ],\"c\":-0.5}"));
    ok(index_of(text) == 3, "index: three members");
    const hr_json_member *a = hr_json_find(text.ptr, members, 3, S("a"));
    const hr_json_member *b = hr_json_find(text.ptr, members, 3, S("b"));
    const hr_json_member *c = hr_json_find(text.ptr, members, 3, S("c"));
    ok(a != NULL && a->kind == HR_JSON_STRING && a->flags == HR_JSON_ESCAPED &&
           hr_span_equal((hr_span){text.ptr + a->value, a->value_len},
                         S("x\\n")),
       "index: a string, between its quotes");
    ok(b != NULL && b->kind == HR_JSON_ARRAY &&
           hr_span_equal((hr_span){text.ptr + b->value, b->value_len},
                         S("[1, {\"a\":2} ]")),
       "index: an array, whole, found by its resolved name");
    ok(c != NULL && c->kind == HR_JSON_FLOAT &&
           hr_span_equal((hr_span){text.ptr + c->value, c->value_len},
                         S("-0.5")),
       "index: a number");
    ok(hr_json_find(text.ptr, members, 3, S("d")) == NULL, "find: not there");
}

static const struct {
    hr_span raw;
    hr_span want;
} STRINGS[] = {
    {S("plain"), S("plain")},
    {S("\\\"\\\\\\/\\b\\f\\n\\r\\t"), S("\"\\/\b\f\n\r\t")},
    {S("\\u0041\\u00e9\\u20AC"), S("A\xc3\xa9\xe2\x82\xac")},
    {S("\\ud83d\\ude00!"), S("\xf0\x9f\x98\x80!")},
    {S("\xc3\xa9\\u0000"), S("\xc3\xa9\0")},
};

/* However an object is spaced, its members are the same. */
static void
spaces_change_nothing(void)
{
    static const char *const PLAIN[] = {
        "{\"a\":1}",
        "{\"exp\":4102444800,\"sub\":\"user-1\",\"n\":0,\"e\":\"\"}",
        "{\"a\":-1,\"b\":\"x\",\"c\":1.5,\"d\":2,\"e\":1e3,\"f\":\"y\"}",
        "{\"a\":[1,{\"a\":2}],\"b\":3,\"c\":{},\"d\":true,\"f\":\"g\"}",
        "{\"a\\u0062\":1,\"b\":\"\\n\",\"c\":\"d\",\"\xc3\xa9\":\"\xc3\xa9\","
        "\"z\":9}",
        "{\"a name of more than sixteen bytes\":\"a value of as "
        "many\",\"b\":1}",
    };
    static hr_json_member spaced[16];
    for (size_t i = 0; i < sizeof(PLAIN) / sizeof(PLAIN[0]); i++) {
        char text[256];
        size_t len = 0, plain_count, count;
        unsigned flags;
        for (const char *p = PLAIN[i]; *p != '\0'; p++) {
            text[len++] = *p;
            if (*p == ':' || *p == ',' || *p == '{') {
                text[len++] = ' ';
            }
        }
        hr_span a = {text, len}, b = {PLAIN[i], strlen(PLAIN[i])};
        int same = hr_json_index(a, &SCRATCH, &count, &flags) == HR_OK;
        memcpy(spaced, members, sizeof(spaced));
        same &= hr_json_index(b, &SCRATCH, &plain_count, &flags) == HR_OK &&
                count == plain_count;
        for (size_t m = 0; same && m < count; m++) {
            const hr_json_member *x = &spaced[m], *y = &members[m];
            same = x->kind == y->kind && x->flags == y->flags &&
                   x->hash == y->hash && x->name_flags == y->name_flags &&
                   hr_span_equal((hr_span){a.ptr + x->name, x->name_len},
                                 (hr_span){b.ptr + y->name, y->name_len}) &&
                   (x->kind == HR_JSON_ARRAY || x->kind == HR_JSON_OBJECT ||
                    hr_span_equal((hr_span){a.ptr + x->value, x->value_len},
                                  (hr_span){b.ptr + y->value, y->value_len}));
        }
        ok(same, "index: spaced or not: %s", PLAIN[i]);
    }
}

static void
inline_helpers(void)
{
    const char *digits = "987654321098765432";
    int right = hr_json_hash_digits(digits, 0) == 0;
    uint64_t want = 0;
    for (size_t len = 1; len <= 18; len++) {
        want = want * 10 + (uint64_t)(digits[len - 1] - '0');
        right &= hr_json_hash_digits(guarded((hr_span){digits, len}).ptr,
                                     len) == want;
    }
    ok(right, "digits: every length to 18");
    right = 1;
    for (size_t len = 0; len <= 40; len++) {
        char a[40], b[40];
        memset(a, 'x', sizeof(a));
        memset(b, 'x', sizeof(b));
        right &= hr_json_hash_same_bytes(a, b, len);
        for (size_t at = 0; at < len; at++) {
            b[at] = 'y';
            right &= !hr_json_hash_same_bytes(a, b, len);
            b[at] = 'x';
        }
        memset(b + len, 'y', sizeof(b) - len);
        right &= hr_json_hash_same_bytes(a, b, len);
    }
    ok(right, "same bytes: one that differs, at every place of every length");
}

static const struct {
    hr_span number;
    int fits;
    int64_t whole;
} NUMBERS[] = {
    {S("0"), 1, 0},
    {S("-0"), 1, 0},
    {S("0.0e99999999999999999999"), 1, 0},
    {S("1.9"), 1, 1},
    {S("-1.9"), 1, -1},
    {S("1.5e1"), 1, 15},
    {S("1.25e1"), 1, 12},
    {S("150e-1"), 1, 15},
    {S("0.00012e5"), 1, 12},
    {S("1e-400"), 1, 0},
    {S("1700000000.999"), 1, 1700000000},
    {S("1.7e9"), 1, 1700000000},
    {S("9223372036854775807"), 1, INT64_MAX},
    {S("9223372036854775808"), 0, 0},
    {S("18446744073709551616"), 0, 0},
    {S("1e19"), 0, 0},
    {S("1e400"), 0, 0},
    {S("1e99999999999999999999"), 0, 0},
};

static const struct {
    hr_span a;
    hr_span b;
    int same;
} PAIRS[] = {
    {S("1"), S("1.0"), 1},         {S("1"), S("10e-1"), 1},
    {S("0"), S("-0.0"), 1},        {S("120"), S("1.2e2"), 1},
    {S("0.5"), S("5e-1"), 1},      {S("1"), S("-1"), 0},
    {S("1"), S("10"), 0},          {S("1"), S("1.01"), 0},
    {S("101"), S("1.01"), 0},      {S("0"), S("1e-5"), 0},
    {S("12.34"), S("1234e-2"), 1},
};

static const struct {
    hr_span number;
    int huge;
} FLOATS[] = {
    {S("1e308"), 0},
    {S("1.7976931348623157e308"), 0},
    {S("1.7976931348623158e308"), 0},
    {S("1.7976931348623159e308"), 1},
    {S("-1e309"), 1},
    {S("1e400"), 1},
    {S("0e400"), 0},
    {S("0.0001e312"), 0},
    {S("0.0001e313"), 1},
    {S("1e-400"), 0},
};

/* `size` names of 24 characters, all of one hash: what the first word leaves
 * is undone by the second. */
static void
make_names_of_one_hash(char *names, size_t size)
{
    const uint64_t aim = 0x0123456789abcdefU;
    uint64_t next = 1;
    for (size_t made = 0; made < size;) {
        char *name = names + 24 * made;
        bool plain = true;
        next = next * 6364136223846793005U + 1442695040888963407U;
        for (size_t i = 0; i < 8; i++) {
            name[i] = (char)('0' + (next >> (20 + 5 * i) & 31));
        }
        uint64_t second =
            hr_json_hash_mix(0, hr_json_hash_load(name, 8)) ^ aim;
        memcpy(name + 8, &second, sizeof(second));
        for (size_t i = 8; i < 16; i++) {
            plain &= name[i] > '#' && name[i] < '[';
        }
        memcpy(name + 16, "the same", 8);
        made += plain;
    }
}

#define MANY_ALIKE 400

static void
names_made_to_collide(void)
{
    static char names[24 * MANY_ALIKE], text[32 * MANY_ALIKE + 2];
    make_names_of_one_hash(names, MANY_ALIKE);
    bool alike = true;
    for (size_t i = 1; i < MANY_ALIKE; i++) {
        alike &= hr_json_hash((hr_span){names + 24 * i, 24}) ==
                 hr_json_hash((hr_span){names, 24});
    }
    ok(alike, "collide: the names have one hash");
    for (size_t count = 20; count <= MANY_ALIKE; count += 380) {
        size_t len = 1;
        text[0] = '{';
        for (size_t i = 0; i < count; i++) {
            len += (size_t)sprintf(text + len, "%s\"%.24s\":1",
                                   i == 0 ? "" : ",", names + 24 * i);
        }
        text[len++] = '}';
        hr_json_scratch scratch = {members, heads, 4096};
        size_t found;
        unsigned flags;
        hr_status got =
            hr_json_index((hr_span){text, len}, &scratch, &found, &flags);
        ok(got == (count == 20 ? HR_OK : HR_MALFORMED),
           "collide: %zu names of one hash: %s", count, hr_status_word(got));
    }
}

int
main(void)
{
    names_made_to_collide();
    for (size_t i = 0; i < sizeof(OBJECTS) / sizeof(OBJECTS[0]); i++) {
        ok(index_of(guarded(OBJECTS[i].text)) == OBJECTS[i].members,
           "index: %s", OBJECTS[i].why);
    }
    depth_is_bounded();
    many_names();
    members_are_where_they_are();
    spaces_change_nothing();
    inline_helpers();
    for (size_t i = 0; i < sizeof(STRINGS) / sizeof(STRINGS[0]); i++) {
        char out[64];
        hr_span raw = guarded(STRINGS[i].raw);
        size_t len = hr_json_text_unescape(raw, out);
        ok(hr_span_equal((hr_span){out, len}, STRINGS[i].want) &&
               hr_json_text_same_string(raw, HR_JSON_ESCAPED,
                                        STRINGS[i].want) &&
               !hr_json_text_same_string(raw, HR_JSON_ESCAPED, S("other")),
           "unescape: string %zu", i);
    }
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
        int64_t whole = 0;
        hr_span number = guarded(NUMBERS[i].number);
        int fits = hr_json_text_whole(number, &whole);
        ok(fits == NUMBERS[i].fits && whole == NUMBERS[i].whole, "whole: %s",
           NUMBERS[i].number.ptr);
    }
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++) {
        ok(hr_json_text_same_number(guarded(PAIRS[i].a),
                                    guarded(PAIRS[i].b)) == PAIRS[i].same &&
               hr_json_text_same_number(PAIRS[i].b, PAIRS[i].a) ==
                   PAIRS[i].same,
           "same number: %s and %s", PAIRS[i].a.ptr, PAIRS[i].b.ptr);
    }
    for (size_t i = 0; i < sizeof(FLOATS) / sizeof(FLOATS[0]); i++) {
        char text[64];
        size_t count, len;
        unsigned flags = 0;
        len = (size_t)sprintf(text, "{\"a\":[%s]}", FLOATS[i].number.ptr);
        hr_status st = hr_json_index(guarded((hr_span){text, len}), &SCRATCH,
                                     &count, &flags);
        ok(st == HR_OK && ((flags & HR_JSON_HUGE) != 0) == FLOATS[i].huge,
           "huge: %s", FLOATS[i].number.ptr);
    }
    return done_testing();
}
