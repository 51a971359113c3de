/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "visitor/cookie.h"

static const struct {
    const char *why;
    hr_span header;
    hr_visitor_cookie_text text;
    hr_span want; /* the values found, each with "|" after it */
} FOUND[] = {
    {"no header", HR_SPAN(""), HR_VISITOR_COOKIE_UTF8, HR_SPAN("")},
    {"only semicolons", HR_SPAN(";;;"), HR_VISITOR_COOKIE_UTF8, HR_SPAN("")},
    {"only an equals sign", HR_SPAN("="), HR_VISITOR_COOKIE_UTF8, HR_SPAN("")},
    {"a name without a value", HR_SPAN("fp"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("")},
    {"a value without a name", HR_SPAN("=fp"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("")},
    {"alone", HR_SPAN("fp=1"), HR_VISITOR_COOKIE_UTF8, HR_SPAN("1|")},
    {"empty value", HR_SPAN("fp="), HR_VISITOR_COOKIE_UTF8, HR_SPAN("|")},
    {"last pair, no semicolon", HR_SPAN("x=1; fp=abc"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("abc|")},
    {"name is a suffix of another", HR_SPAN("xfp=1"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("")},
    {"name is a prefix of another", HR_SPAN("fp2=1"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("")},
    {"case counts", HR_SPAN("FP=1"), HR_VISITOR_COOKIE_UTF8, HR_SPAN("")},
    {"name inside a value", HR_SPAN("x=fp=1"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("")},
    {"equals signs in the value", HR_SPAN("fp=a=b="), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("a=b=|")},
    {"commas do not separate", HR_SPAN("x=1,fp=2"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("")},
    {"duplicates, in order", HR_SPAN("fp=1; fp=2;fp=3"),
     HR_VISITOR_COOKIE_UTF8, HR_SPAN("1|2|3|")},
    {"white space around all", HR_SPAN(" \t fp \v=\f 1 \r\n; x"),
     HR_VISITOR_COOKIE_UTF8, HR_SPAN("1|")},
    {"separators of ASCII are white space",
     HR_SPAN("\x1c"
             "fp\x1f=\x1e"
             "1"),
     HR_VISITOR_COOKIE_UTF8, HR_SPAN("1|")},
    {"NUL is none", HR_SPAN("fp\0=1; fp=\0"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("\0|")},
    {"quotes stay", HR_SPAN("fp=\"a b\""), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("\"a b\"|")},
    {"a semicolon ends a quoted value", HR_SPAN("fp=\"a;b\""),
     HR_VISITOR_COOKIE_UTF8, HR_SPAN("\"a|")},
    {"no-break space, UTF-8",
     HR_SPAN("\xC2\xA0"
             "fp=1\xC2\x85"),
     HR_VISITOR_COOKIE_UTF8, HR_SPAN("1|")},
    {"no-break space, latin-1",
     HR_SPAN("\xA0"
             "fp=1\x85"),
     HR_VISITOR_COOKIE_LATIN1, HR_SPAN("1|")},
    {"... is no UTF-8", HR_SPAN("fp=1\x85"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("1\x85|")},
    {"... and UTF-8 is no latin-1", HR_SPAN("fp=1\xC2\x85"),
     HR_VISITOR_COOKIE_LATIN1, HR_SPAN("1\xC2|")},
    {"wide spaces",
     HR_SPAN("\xE1\x9A\x80"
             "fp\xE2\x80\x8A=\xE2\x81\x9F"
             "1\xE3\x80\x80"),
     HR_VISITOR_COOKIE_UTF8, HR_SPAN("1|")},
    {"zero-width space is none", HR_SPAN("fp=1\xE2\x80\x8B"),
     HR_VISITOR_COOKIE_UTF8, HR_SPAN("1\xE2\x80\x8B|")},
    {"a cut-off wide space", HR_SPAN("fp=1\xE2\x80"), HR_VISITOR_COOKIE_UTF8,
     HR_SPAN("1\xE2\x80|")},
};

static const struct {
    const char *why;
    hr_span value;
    hr_status status;
    hr_span want;
} UNQUOTED[] = {
    {"plain", HR_SPAN("abc"), HR_OK, HR_SPAN("abc")},
    {"empty", HR_SPAN(""), HR_OK, HR_SPAN("")},
    {"quoted", HR_SPAN("\"abc\""), HR_OK, HR_SPAN("abc")},
    {"empty quotes", HR_SPAN("\"\""), HR_OK, HR_SPAN("")},
    {"one quote", HR_SPAN("\""), HR_OK, HR_SPAN("\"")},
    {"only an opening quote", HR_SPAN("\"abc"), HR_OK, HR_SPAN("\"abc")},
    {"only a closing quote", HR_SPAN("abc\""), HR_OK, HR_SPAN("abc\"")},
    {"backslashes outside quotes", HR_SPAN("a\\054"), HR_OK,
     HR_SPAN("a\\054")},
    {"octal", HR_SPAN("\"a\\054b\""), HR_OK, HR_SPAN("a,b")},
    {"octal, highest", HR_SPAN("\"\\377\""), HR_OK, HR_SPAN("\xFF")},
    {"octal beyond a byte", HR_SPAN("\"\\477\""), HR_OK, HR_SPAN("477")},
    {"octal cut off", HR_SPAN("\"\\05\""), HR_OK, HR_SPAN("05")},
    {"escaped quote", HR_SPAN("\"a\\\"b\""), HR_OK, HR_SPAN("a\"b")},
    {"escaped backslash", HR_SPAN("\"a\\\\b\""), HR_OK, HR_SPAN("a\\b")},
    {"backslash at the end", HR_SPAN("\"a\\\""), HR_OK, HR_SPAN("a\\")},
    {"backslash before a line feed", HR_SPAN("\"\\\n\""), HR_OK,
     HR_SPAN("\\\n")},
    {"just fits", HR_SPAN("12345678"), HR_OK, HR_SPAN("12345678")},
    {"just fits in quotes", HR_SPAN("\"1234567\\070\""), HR_OK,
     HR_SPAN("12345678")},
    {"one too long", HR_SPAN("123456789"), HR_TOO_LONG, HR_SPAN("")},
    {"one too long in quotes", HR_SPAN("\"123456789\""), HR_TOO_LONG,
     HR_SPAN("")},
};

int
main(void)
{
    for (size_t i = 0; i < sizeof(FOUND) / sizeof(FOUND[0]); i++) {
        hr_span rest = guarded(FOUND[i].header);
        hr_span value;
        char got[64];
        size_t length = 0;
        while (hr_visitor_cookie_next(&rest, HR_SPAN("fp"), FOUND[i].text,
                                      &value)) {
            memcpy(got + length, value.ptr, value.len);
            length += value.len;
            got[length++] = '|';
        }
        ok(rest.len == 0 &&
               hr_span_equal((hr_span){got, length}, FOUND[i].want),
           "next: %s", FOUND[i].why);
    }
    for (size_t i = 0; i < sizeof(UNQUOTED) / sizeof(UNQUOTED[0]); i++) {
        char out[8];
        size_t length = 0;
        hr_status status = hr_visitor_cookie_unquote(
            guarded(UNQUOTED[i].value), out, sizeof(out), &length);
        ok(status == UNQUOTED[i].status &&
               (status != HR_OK ||
                hr_span_equal((hr_span){out, length}, UNQUOTED[i].want)),
           "unquote: %s", UNQUOTED[i].why);
    }
    hr_span value;
    const hr_span two[] = {guarded(HR_SPAN("x=1")),
                           guarded(HR_SPAN("y=2; fp=\"3\""))};
    ok(hr_visitor_cookie_only(two, 2, HR_SPAN("fp"), HR_VISITOR_COOKIE_UTF8,
                              &value) == HR_OK &&
           hr_span_equal(value, HR_SPAN("3")),
       "only: in the second header, without its quotes");
    ok(hr_visitor_cookie_only(two, 1, HR_SPAN("fp"), HR_VISITOR_COOKIE_UTF8,
                              &value) == HR_ABSENT,
       "only: absent");
    const hr_span twice = guarded(HR_SPAN("fp=3; x=1; fp=4"));
    ok(hr_visitor_cookie_only(&twice, 1, HR_SPAN("fp"), HR_VISITOR_COOKIE_UTF8,
                              &value) == HR_MALFORMED,
       "only: two of them");
    const hr_span escaped = guarded(HR_SPAN("fp=\"a\\054\""));
    ok(hr_visitor_cookie_only(&escaped, 1, HR_SPAN("fp"),
                              HR_VISITOR_COOKIE_UTF8, &value) == HR_MALFORMED,
       "only: escapes need a copy");
    return done_testing();
}
