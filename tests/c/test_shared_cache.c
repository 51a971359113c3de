/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "../../ext/core/shared_cache.h"

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static const struct {
    const char *why;
    ps_span name;
    ps_span value;
    int keeps;
} CASES[] = {
    {"no directive", PS_SPAN("Cache-Control"), PS_SPAN(""), 0},
    {"public", PS_SPAN("Cache-Control"), PS_SPAN("public"), 1},
    {"public in capitals", PS_SPAN("CACHE-CONTROL"), PS_SPAN("PUBLIC"), 1},
    {"public beside private", PS_SPAN("Cache-Control"),
     PS_SPAN("private, public"), 1},
    {"s-maxage", PS_SPAN("cache-control"), PS_SPAN("s-maxage=60"), 1},
    {"max-age", PS_SPAN("Cache-Control"), PS_SPAN("max-age=60"), 1},
    {"max-age, private", PS_SPAN("Cache-Control"),
     PS_SPAN("max-age=60, Private"), 0},
    {"no-store", PS_SPAN("Cache-Control"), PS_SPAN("no-store,max-age=60"), 0},
    {"max-age 0", PS_SPAN("Cache-Control"), PS_SPAN("max-age=0"), 0},
    {"max-age 0 in quotes", PS_SPAN("Cache-Control"), PS_SPAN("max-age=\"0\""),
     0},
    {"max-age that is no number", PS_SPAN("Cache-Control"),
     PS_SPAN("max-age=soon"), 1},
    {"max-age without a value", PS_SPAN("Cache-Control"), PS_SPAN("max-age"),
     1},
    {"private for one field only", PS_SPAN("Cache-Control"),
     PS_SPAN("max-age=60, private=\"X-A, no-store\""), 1},
    {"never_cache of Django", PS_SPAN("Cache-Control"),
     PS_SPAN("max-age=0, no-cache, no-store, must-revalidate, private"), 0},
    {"an unclosed quote", PS_SPAN("Cache-Control"), PS_SPAN("a=\"public"), 1},
    {"a quote that hides the rest", PS_SPAN("Cache-Control"),
     PS_SPAN("private=\"x, public, max-age=600"), 1},
    {"a semicolon for a comma", PS_SPAN("Cache-Control"),
     PS_SPAN("public;max-age=10"), 1},
    {"Expires without a day's name", PS_SPAN("Expires"),
     PS_SPAN("01 Jan 2099 00:00:00 GMT"), 1},
    {"Expires -1", PS_SPAN("Expires"), PS_SPAN("-1"), 0},
    {"CDN header", PS_SPAN("CDN-Cache-Control"), PS_SPAN("max-age=60"), 1},
    {"CDN header with a name", PS_SPAN("Cloudflare-CDN-Cache-Control"),
     PS_SPAN("max-age=60"), 1},
    {"CDN header, no-store", PS_SPAN("CDN-Cache-Control"), PS_SPAN("no-store"),
     0},
    {"Surrogate-Control", PS_SPAN("Surrogate-Control"), PS_SPAN("max-age=9"),
     1},
    {"Surrogate-Control, private", PS_SPAN("Surrogate-Control"),
     PS_SPAN("private"), 0},
    {"Expires in the future", PS_SPAN("Expires"),
     PS_SPAN("Tue, 14 Nov 2023 22:13:21 GMT"), 1},
    {"Expires now", PS_SPAN("Expires"),
     PS_SPAN("Tue, 14 Nov 2023 22:13:20 GMT"), 0},
    {"Expires 0", PS_SPAN("Expires"), PS_SPAN("0"), 0},
    {"Vary alone", PS_SPAN("Vary"), PS_SPAN("Cookie"), 0},
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
        ps_shared_cache seen = {0};
        ps_shared_cache_see(&seen, guarded(CASES[i].name),
                            guarded(CASES[i].value), NOW);
        ok(ps_shared_cache_may_keep(&seen) == CASES[i].keeps, "%s",
           CASES[i].why);
    }
    ps_shared_cache seen = {0};
    ps_shared_cache_see(&seen, PS_SPAN("Expires"),
                        PS_SPAN("Wed, 15 Nov 2023 22:13:20 GMT"), NOW);
    ps_shared_cache_see(&seen, PS_SPAN("Cache-Control"), PS_SPAN("private"),
                        NOW);
    ok(!ps_shared_cache_may_keep(&seen), "two headers: Expires and private");
    for (size_t i = 0; i < sizeof(DATES) / sizeof(DATES[0]); i++) {
        ps_span text = {DATES[i].text, strlen(DATES[i].text)};
        ok(ps_http_date(guarded(text)) == DATES[i].want, "date: %s",
           DATES[i].text);
    }
    return done_testing();
}
