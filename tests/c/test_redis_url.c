/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "redis/url.h"

static const struct {
    const char *why;
    hr_span text;
    const char *identity; /* NULL: refused */
    const char *user;
    const char *password;
} CASES[] = {
    {"a host", HR_SPAN("redis://h"), "redis://h:6379/0", NULL, NULL},
    {"all parts", HR_SPAN("redis://u:p@h:1/2"), "redis://h:1/2", "u", "p"},
    {"a password alone", HR_SPAN("rediss://:p@h"), "rediss://h:6379/0", NULL,
     "p"},
    {"percent-encoding", HR_SPAN("redis://u%3A:p%40%2f@h"), "redis://h:6379/0",
     "u:", "p@/"},
    {"an IPv6 host", HR_SPAN("redis://[::1]:7/1"), "redis://[::1]:7/1", NULL,
     NULL},
    {"a slash and nothing", HR_SPAN("redis://h/"), "redis://h:6379/0", NULL,
     NULL},
    {"a query", HR_SPAN("redis://h?db=5"), "redis://h:6379/5", NULL, NULL},
    {"a socket", HR_SPAN("unix:///a/b.sock?db=3"), "unix:///a/b.sock?db=3",
     NULL, NULL},
    {"a socket with credentials", HR_SPAN("unix://u:p@/a"), "unix:///a?db=0",
     "u", "p"},
    {"an empty password", HR_SPAN("redis://u:@h"), "redis://h:6379/0", "u",
     ""},
    {"nothing", HR_SPAN(""), NULL, NULL, NULL},
    {"only a scheme", HR_SPAN("redis://"), NULL, NULL, NULL},
    {"another scheme", HR_SPAN("http://h"), NULL, NULL, NULL},
    {"a user without password", HR_SPAN("redis://u@h"), NULL, NULL, NULL},
    {"two at signs", HR_SPAN("redis://:p@q@h"), NULL, NULL, NULL},
    {"cut percent", HR_SPAN("redis://:p%4@h"), NULL, NULL, NULL},
    {"percent at the end", HR_SPAN("unix:///a%"), NULL, NULL, NULL},
    {"an encoded NUL", HR_SPAN("redis://:%00@h"), NULL, NULL, NULL},
    {"a NUL", HR_SPAN("redis://h\0x"), NULL, NULL, NULL},
    {"port 0", HR_SPAN("redis://h:0"), NULL, NULL, NULL},
    {"port 65536", HR_SPAN("redis://h:65536"), NULL, NULL, NULL},
    {"an empty port", HR_SPAN("redis://h:"), NULL, NULL, NULL},
    {"a long port", HR_SPAN("redis://h:00000006379"), NULL, NULL, NULL},
    {"a sign", HR_SPAN("redis://h:+1"), NULL, NULL, NULL},
    {"an open bracket", HR_SPAN("redis://[::1"), NULL, NULL, NULL},
    {"text behind a bracket", HR_SPAN("redis://[::1]x"), NULL, NULL, NULL},
    {"a database that is no number", HR_SPAN("redis://h/x"), NULL, NULL, NULL},
    {"two databases", HR_SPAN("redis://h/1/2"), NULL, NULL, NULL},
    {"an unknown parameter", HR_SPAN("redis://h?ssl=1"), NULL, NULL, NULL},
    {"an empty query", HR_SPAN("redis://h?"), NULL, NULL, NULL},
    {"a fragment", HR_SPAN("redis://:a#b@h"), NULL, NULL, NULL},
    {"a space", HR_SPAN("redis://h h"), NULL, NULL, NULL},
    {"a relative socket", HR_SPAN("unix://a/b"), NULL, NULL, NULL},
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
        hr_redis_url url;
        const char *why = NULL;
        hr_buf identity;
        hr_buf_init(&identity, 4096);
        hr_status status =
            hr_redis_url_parse(guarded(CASES[i].text), &url, &why);
        if (CASES[i].identity == NULL) {
            ok(status == HR_URL && why != NULL, "refused: %s", CASES[i].why);
            continue;
        }
        ok(status == HR_OK, "taken: %s", CASES[i].why);
        if (status != HR_OK) {
            continue;
        }
        hr_redis_url_identity(&url, &identity);
        ok(hr_buf_status(&identity) == HR_OK &&
               hr_span_equal(
                   (hr_span){identity.ptr, identity.len},
                   (hr_span){CASES[i].identity, strlen(CASES[i].identity)}),
           "identity: %s", CASES[i].why);
        ok(same(url.user, CASES[i].user) &&
               same(url.password, CASES[i].password),
           "credentials: %s", CASES[i].why);
        hr_buf_fini(&identity);
        hr_redis_url_fini(&url);
    }
    return done_testing();
}
