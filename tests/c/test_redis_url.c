/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/redis_url.h"

static const struct {
    const char *why;
    ps_span text;
    const char *identity; /* NULL: refused */
    const char *user;
    const char *password;
} CASES[] = {
    {"a host", PS_SPAN("redis://h"), "redis://h:6379/0", NULL, NULL},
    {"all parts", PS_SPAN("redis://u:p@h:1/2"), "redis://h:1/2", "u", "p"},
    {"a password alone", PS_SPAN("rediss://:p@h"), "rediss://h:6379/0", NULL,
     "p"},
    {"percent-encoding", PS_SPAN("redis://u%3A:p%40%2f@h"), "redis://h:6379/0",
     "u:", "p@/"},
    {"an IPv6 host", PS_SPAN("redis://[::1]:7/1"), "redis://[::1]:7/1", NULL,
     NULL},
    {"a slash and nothing", PS_SPAN("redis://h/"), "redis://h:6379/0", NULL,
     NULL},
    {"a query", PS_SPAN("redis://h?db=5"), "redis://h:6379/5", NULL, NULL},
    {"a socket", PS_SPAN("unix:///a/b.sock?db=3"), "unix:///a/b.sock?db=3",
     NULL, NULL},
    {"a socket with credentials", PS_SPAN("unix://u:p@/a"), "unix:///a?db=0",
     "u", "p"},
    {"an empty password", PS_SPAN("redis://u:@h"), "redis://h:6379/0", "u",
     ""},
    {"nothing", PS_SPAN(""), NULL, NULL, NULL},
    {"only a scheme", PS_SPAN("redis://"), NULL, NULL, NULL},
    {"another scheme", PS_SPAN("http://h"), NULL, NULL, NULL},
    {"a user without password", PS_SPAN("redis://u@h"), NULL, NULL, NULL},
    {"two at signs", PS_SPAN("redis://:p@q@h"), NULL, NULL, NULL},
    {"cut percent", PS_SPAN("redis://:p%4@h"), NULL, NULL, NULL},
    {"percent at the end", PS_SPAN("unix:///a%"), NULL, NULL, NULL},
    {"an encoded NUL", PS_SPAN("redis://:%00@h"), NULL, NULL, NULL},
    {"a NUL", PS_SPAN("redis://h\0x"), NULL, NULL, NULL},
    {"port 0", PS_SPAN("redis://h:0"), NULL, NULL, NULL},
    {"port 65536", PS_SPAN("redis://h:65536"), NULL, NULL, NULL},
    {"an empty port", PS_SPAN("redis://h:"), NULL, NULL, NULL},
    {"a long port", PS_SPAN("redis://h:00000006379"), NULL, NULL, NULL},
    {"a sign", PS_SPAN("redis://h:+1"), NULL, NULL, NULL},
    {"an open bracket", PS_SPAN("redis://[::1"), NULL, NULL, NULL},
    {"text behind a bracket", PS_SPAN("redis://[::1]x"), NULL, NULL, NULL},
    {"a database that is no number", PS_SPAN("redis://h/x"), NULL, NULL, NULL},
    {"two databases", PS_SPAN("redis://h/1/2"), NULL, NULL, NULL},
    {"an unknown parameter", PS_SPAN("redis://h?ssl=1"), NULL, NULL, NULL},
    {"an empty query", PS_SPAN("redis://h?"), NULL, NULL, NULL},
    {"a fragment", PS_SPAN("redis://:a#b@h"), NULL, NULL, NULL},
    {"a space", PS_SPAN("redis://h h"), NULL, NULL, NULL},
    {"a relative socket", PS_SPAN("unix://a/b"), NULL, NULL, NULL},
};

static int
same(const char *got, const char *want)
{
    return (got == NULL) == (want == NULL) &&
           (got == NULL || strcmp(got, want) == 0);
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        ps_redis_url url;
        const char *why = NULL;
        ps_buf identity;
        ps_buf_init(&identity, 4096);
        ps_status status =
            ps_redis_url_parse(guarded(CASES[i].text), &url, &why);
        if (CASES[i].identity == NULL) {
            ok(status == PS_URL && why != NULL, "refused: %s", CASES[i].why);
            continue;
        }
        ok(status == PS_OK, "taken: %s", CASES[i].why);
        if (status != PS_OK) {
            continue;
        }
        ok(ps_redis_url_identity(&url, &identity) == PS_OK &&
               ps_span_equal(
                   (ps_span){identity.ptr, identity.len},
                   (ps_span){CASES[i].identity, strlen(CASES[i].identity)}),
           "identity: %s", CASES[i].why);
        ok(same(url.user, CASES[i].user) &&
               same(url.password, CASES[i].password),
           "credentials: %s", CASES[i].why);
        ps_buf_fini(&identity);
        ps_redis_url_fini(&url);
    }
    return done_testing();
}
