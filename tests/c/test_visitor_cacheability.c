/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "visitor/cacheability.h"

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static const struct {
    const char *why;
    hr_span name;
    hr_span value;
    int keeps;
} CASES[] = {
    {"no directive", HR_SPAN("Cache-Control"), HR_SPAN(""), 0},
    {"public", HR_SPAN("Cache-Control"), HR_SPAN("public"), 1},
    {"public in capitals", HR_SPAN("CACHE-CONTROL"), HR_SPAN("PUBLIC"), 1},
    {"public beside private", HR_SPAN("Cache-Control"),
     HR_SPAN("private, public"), 1},
    {"s-maxage", HR_SPAN("cache-control"), HR_SPAN("s-maxage=60"), 1},
    {"max-age", HR_SPAN("Cache-Control"), HR_SPAN("max-age=60"), 1},
    {"max-age, private", HR_SPAN("Cache-Control"),
     HR_SPAN("max-age=60, Private"), 0},
    {"no-store", HR_SPAN("Cache-Control"), HR_SPAN("no-store,max-age=60"), 0},
    {"max-age 0", HR_SPAN("Cache-Control"), HR_SPAN("max-age=0"), 0},
    {"max-age 0 in quotes", HR_SPAN("Cache-Control"), HR_SPAN("max-age=\"0\""),
     0},
    {"max-age that is no number", HR_SPAN("Cache-Control"),
     HR_SPAN("max-age=soon"), 1},
    {"max-age without a value", HR_SPAN("Cache-Control"), HR_SPAN("max-age"),
     1},
    {"private for one field only", HR_SPAN("Cache-Control"),
     HR_SPAN("max-age=60, private=\"X-A, no-store\""), 1},
    {"never_cache of Django", HR_SPAN("Cache-Control"),
     HR_SPAN("max-age=0, no-cache, no-store, must-revalidate, private"), 0},
    {"an unclosed quote", HR_SPAN("Cache-Control"), HR_SPAN("a=\"public"), 1},
    {"a quote that hides the rest", HR_SPAN("Cache-Control"),
     HR_SPAN("private=\"x, public, max-age=600"), 1},
    {"a semicolon for a comma", HR_SPAN("Cache-Control"),
     HR_SPAN("public;max-age=10"), 1},
    {"Expires without a day's name", HR_SPAN("Expires"),
     HR_SPAN("01 Jan 2099 00:00:00 GMT"), 1},
    {"Expires -1", HR_SPAN("Expires"), HR_SPAN("-1"), 0},
    {"CDN header", HR_SPAN("CDN-Cache-Control"), HR_SPAN("max-age=60"), 1},
    {"CDN header with a name", HR_SPAN("Cloudflare-CDN-Cache-Control"),
     HR_SPAN("max-age=60"), 1},
    {"CDN header, no-store", HR_SPAN("CDN-Cache-Control"), HR_SPAN("no-store"),
     0},
    {"Surrogate-Control", HR_SPAN("Surrogate-Control"), HR_SPAN("max-age=9"),
     1},
    {"Surrogate-Control, private", HR_SPAN("Surrogate-Control"),
     HR_SPAN("private"), 0},
    {"Expires in the future", HR_SPAN("Expires"),
     HR_SPAN("Tue, 14 Nov 2023 22:13:21 GMT"), 1},
    {"Expires now", HR_SPAN("Expires"),
     HR_SPAN("Tue, 14 Nov 2023 22:13:20 GMT"), 0},
    {"Expires 0", HR_SPAN("Expires"), HR_SPAN("0"), 0},
    {"Vary alone", HR_SPAN("Vary"), HR_SPAN("Cookie"), 0},
};

static const struct {
    const char *text;
    int64_t want;
} DATES[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"Sun Nov  6 08:49:37 1994", 784111777},
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
    {"Sun, 06 Nov 94", INT64_MIN},
    {"-1", INT64_MIN},
    {"", INT64_MIN},
    {"Sun, 06 Foo 1994 08:49:37 GMT", INT64_MIN},
    {"Sun, 99 Nov 1994 08:49:37 GMT", INT64_MIN},
};

int
main(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        hr_visitor_cacheability seen = {0};
        hr_visitor_cacheability_see(&seen, guarded(CASES[i].name),
                                    guarded(CASES[i].value), NOW);
        ok(hr_visitor_cacheability_may_keep(&seen) == CASES[i].keeps, "%s",
           CASES[i].why);
    }
    hr_visitor_cacheability seen = {0};
    hr_visitor_cacheability_see(&seen, HR_SPAN("Expires"),
                                HR_SPAN("Wed, 15 Nov 2023 22:13:20 GMT"), NOW);
    hr_visitor_cacheability_see(&seen, HR_SPAN("Cache-Control"),
                                HR_SPAN("private"), NOW);
    ok(!hr_visitor_cacheability_may_keep(&seen),
       "two headers: Expires and private");
    for (size_t i = 0; i < sizeof(DATES) / sizeof(DATES[0]); i++) {
        hr_span text = {DATES[i].text, strlen(DATES[i].text)};
        ok(hr_visitor_cacheability_http_date(guarded(text)) == DATES[i].want,
           "date: %s", DATES[i].text);
    }
    return done_testing();
}
