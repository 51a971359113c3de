/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/cookie.h"

static const struct {
    const char *why;
    ps_span header;
    ps_cookie_text text;
    ps_span want; /* the values found, each with "|" after it */
} FOUND[] = {
    {"no header", PS_SPAN(""), PS_COOKIE_UTF8, PS_SPAN("")},
    {"only semicolons", PS_SPAN(";;;"), PS_COOKIE_UTF8, PS_SPAN("")},
    {"only an equals sign", PS_SPAN("="), PS_COOKIE_UTF8, PS_SPAN("")},
    {"a name without a value", PS_SPAN("fp"), PS_COOKIE_UTF8, PS_SPAN("")},
    {"a value without a name", PS_SPAN("=fp"), PS_COOKIE_UTF8, PS_SPAN("")},
    {"alone", PS_SPAN("fp=1"), PS_COOKIE_UTF8, PS_SPAN("1|")},
    {"empty value", PS_SPAN("fp="), PS_COOKIE_UTF8, PS_SPAN("|")},
    {"last pair, no semicolon", PS_SPAN("x=1; fp=abc"), PS_COOKIE_UTF8,
     PS_SPAN("abc|")},
    {"name is a suffix of another", PS_SPAN("xfp=1"), PS_COOKIE_UTF8,
     PS_SPAN("")},
    {"name is a prefix of another", PS_SPAN("fp2=1"), PS_COOKIE_UTF8,
     PS_SPAN("")},
    {"case counts", PS_SPAN("FP=1"), PS_COOKIE_UTF8, PS_SPAN("")},
    {"name inside a value", PS_SPAN("x=fp=1"), PS_COOKIE_UTF8, PS_SPAN("")},
    {"equals signs in the value", PS_SPAN("fp=a=b="), PS_COOKIE_UTF8,
     PS_SPAN("a=b=|")},
    {"commas do not separate", PS_SPAN("x=1,fp=2"), PS_COOKIE_UTF8,
     PS_SPAN("")},
    {"duplicates, in order", PS_SPAN("fp=1; fp=2;fp=3"), PS_COOKIE_UTF8,
     PS_SPAN("1|2|3|")},
    {"white space around all", PS_SPAN(" \t fp \v=\f 1 \r\n; x"),
     PS_COOKIE_UTF8, PS_SPAN("1|")},
    {"separators of ASCII are white space",
     PS_SPAN("\x1c"
             "fp\x1f=\x1e"
             "1"),
     PS_COOKIE_UTF8, PS_SPAN("1|")},
    {"NUL is none", PS_SPAN("fp\0=1; fp=\0"), PS_COOKIE_UTF8, PS_SPAN("\0|")},
    {"quotes stay", PS_SPAN("fp=\"a b\""), PS_COOKIE_UTF8,
     PS_SPAN("\"a b\"|")},
    {"a semicolon ends a quoted value", PS_SPAN("fp=\"a;b\""), PS_COOKIE_UTF8,
     PS_SPAN("\"a|")},
    {"no-break space, UTF-8",
     PS_SPAN("\xC2\xA0"
             "fp=1\xC2\x85"),
     PS_COOKIE_UTF8, PS_SPAN("1|")},
    {"no-break space, latin-1",
     PS_SPAN("\xA0"
             "fp=1\x85"),
     PS_COOKIE_LATIN1, PS_SPAN("1|")},
    {"... is no UTF-8", PS_SPAN("fp=1\x85"), PS_COOKIE_UTF8,
     PS_SPAN("1\x85|")},
    {"... and UTF-8 is no latin-1", PS_SPAN("fp=1\xC2\x85"), PS_COOKIE_LATIN1,
     PS_SPAN("1\xC2|")},
    {"wide spaces",
     PS_SPAN("\xE1\x9A\x80"
             "fp\xE2\x80\x8A=\xE2\x81\x9F"
             "1\xE3\x80\x80"),
     PS_COOKIE_UTF8, PS_SPAN("1|")},
    {"zero-width space is none", PS_SPAN("fp=1\xE2\x80\x8B"), PS_COOKIE_UTF8,
     PS_SPAN("1\xE2\x80\x8B|")},
    {"a cut-off wide space", PS_SPAN("fp=1\xE2\x80"), PS_COOKIE_UTF8,
     PS_SPAN("1\xE2\x80|")},
};

static const struct {
    const char *why;
    ps_span value;
    ps_status status;
    ps_span want;
} UNQUOTED[] = {
    {"plain", PS_SPAN("abc"), PS_OK, PS_SPAN("abc")},
    {"empty", PS_SPAN(""), PS_OK, PS_SPAN("")},
    {"quoted", PS_SPAN("\"abc\""), PS_OK, PS_SPAN("abc")},
    {"empty quotes", PS_SPAN("\"\""), PS_OK, PS_SPAN("")},
    {"one quote", PS_SPAN("\""), PS_OK, PS_SPAN("\"")},
    {"only an opening quote", PS_SPAN("\"abc"), PS_OK, PS_SPAN("\"abc")},
    {"only a closing quote", PS_SPAN("abc\""), PS_OK, PS_SPAN("abc\"")},
    {"backslashes outside quotes", PS_SPAN("a\\054"), PS_OK,
     PS_SPAN("a\\054")},
    {"octal", PS_SPAN("\"a\\054b\""), PS_OK, PS_SPAN("a,b")},
    {"octal, highest", PS_SPAN("\"\\377\""), PS_OK, PS_SPAN("\xFF")},
    {"octal beyond a byte", PS_SPAN("\"\\477\""), PS_OK, PS_SPAN("477")},
    {"octal cut off", PS_SPAN("\"\\05\""), PS_OK, PS_SPAN("05")},
    {"escaped quote", PS_SPAN("\"a\\\"b\""), PS_OK, PS_SPAN("a\"b")},
    {"escaped backslash", PS_SPAN("\"a\\\\b\""), PS_OK, PS_SPAN("a\\b")},
    {"backslash at the end", PS_SPAN("\"a\\\""), PS_OK, PS_SPAN("a\\")},
    {"backslash before a line feed", PS_SPAN("\"\\\n\""), PS_OK,
     PS_SPAN("\\\n")},
    {"just fits", PS_SPAN("12345678"), PS_OK, PS_SPAN("12345678")},
    {"just fits in quotes", PS_SPAN("\"1234567\\070\""), PS_OK,
     PS_SPAN("12345678")},
    {"one too long", PS_SPAN("123456789"), PS_TOO_LONG, PS_SPAN("")},
    {"one too long in quotes", PS_SPAN("\"123456789\""), PS_TOO_LONG,
     PS_SPAN("")},
};

int
main(void)
{
    for (size_t i = 0; i < sizeof(FOUND) / sizeof(FOUND[0]); i++) {
        ps_span rest = guarded(FOUND[i].header);
        ps_span value;
        char got[64];
        size_t length = 0;
        while (ps_cookie_next(&rest, PS_SPAN("fp"), FOUND[i].text, &value)) {
            memcpy(got + length, value.ptr, value.len);
            length += value.len;
            got[length++] = '|';
        }
        ok(rest.len == 0 &&
               ps_span_equal((ps_span){got, length}, FOUND[i].want),
           "next: %s", FOUND[i].why);
    }
    for (size_t i = 0; i < sizeof(UNQUOTED) / sizeof(UNQUOTED[0]); i++) {
        char out[8];
        size_t length = 0;
        ps_status status = ps_cookie_unquote(guarded(UNQUOTED[i].value), out,
                                             sizeof(out), &length);
        ok(status == UNQUOTED[i].status &&
               (status != PS_OK ||
                ps_span_equal((ps_span){out, length}, UNQUOTED[i].want)),
           "unquote: %s", UNQUOTED[i].why);
    }
    ps_span value;
    const ps_span two[] = {guarded(PS_SPAN("x=1")),
                           guarded(PS_SPAN("y=2; fp=\"3\""))};
    ok(ps_cookie_only(two, 2, PS_SPAN("fp"), PS_COOKIE_UTF8, &value) ==
               PS_OK &&
           ps_span_equal(value, PS_SPAN("3")),
       "only: in the second header, without its quotes");
    ok(ps_cookie_only(two, 1, PS_SPAN("fp"), PS_COOKIE_UTF8, &value) ==
           PS_ABSENT,
       "only: absent");
    const ps_span twice = guarded(PS_SPAN("fp=3; x=1; fp=4"));
    ok(ps_cookie_only(&twice, 1, PS_SPAN("fp"), PS_COOKIE_UTF8, &value) ==
           PS_MALFORMED,
       "only: two of them");
    const ps_span escaped = guarded(PS_SPAN("fp=\"a\\054\""));
    ok(ps_cookie_only(&escaped, 1, PS_SPAN("fp"), PS_COOKIE_UTF8, &value) ==
           PS_MALFORMED,
       "only: escapes need a copy");
    return done_testing();
}
