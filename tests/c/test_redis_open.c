/* SPDX-License-Identifier: MIT */
/* From URLs to targets and what names them; and every allocation failing. */
#include "tap.h"

#include "base/alloc.h"
#include "redis/open.h"

static char folder[4096];

static const hr_redis_delivery_settings SETTINGS = {
    .connect_timeout_ns = 1,
    .command_timeout_ns = 1,
    .prefix = {"site:", 5},
    .stream = {"events", 6},
    .client_name = {"t", 1},
    .batch = 8,
};

static const struct {
    const char *why;
    const char *url;
    hr_status status;
    const char *identity;
    const char *greeting; /* begins so */
    int in_memory;
} CASES[] = {
    {"redis", "redis://u:secret@h/2", HR_OK, "redis://h:6379/2 site: events",
     "", 0},
    {"TLS", "rediss://h", HR_OK, "rediss://h:6379/0 site: events", "", 0},
    {"a Unix socket", "unix:///run/x.sock", HR_OK,
     "unix:///run/x.sock?db=0 site: events", "", 0},
    {"memory", "memory:", HR_OK, "memory:", "", 1},
    {"an absolute file", "file:/tmp/x.jsonl", HR_OK, "file:/tmp/x.jsonl",
     "events go to /tmp/x.jsonl; watch them with: headrace tail "
     "file:/tmp/x.jsonl",
     0},
    {"no path", "file:", HR_URL, NULL, NULL, 0},
    {"no scheme", "h:6379", HR_URL, NULL, NULL, 0},
    {"more than memory:", "memory:x", HR_URL, NULL, NULL, 0},
    {"a port that is none", "redis://h:x", HR_URL, NULL, NULL, 0},
};

static hr_span
span(const char *text)
{
    return (hr_span){text, strlen(text)};
}

static void
test_urls(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        hr_redis_open_result opened;
        const char *why;
        hr_status status = hr_redis_open_target(guarded(span(CASES[i].url)),
                                                &SETTINGS, &opened, &why);
        ok(status == CASES[i].status && (why == NULL) == (status == HR_OK) &&
               (opened.target != NULL) == (status == HR_OK),
           "url: %s: %s", CASES[i].why, hr_status_word(status));
        if (CASES[i].identity != NULL) {
            ok(hr_span_equal(hr_buf_span(&opened.identity),
                             span(CASES[i].identity)) &&
                   opened.in_memory == CASES[i].in_memory,
               "url: %s: its identity", CASES[i].why);
            ok(hr_span_equal(hr_buf_span(&opened.greeting),
                             span(CASES[i].greeting)),
               "url: %s: its greeting", CASES[i].why);
        }
        hr_redis_open_fini(&opened);
        hr_redis_open_fini(&opened);
    }
}

static void
test_relative(void)
{
    hr_redis_open_result opened;
    const char *why;
    char want[5000];
    snprintf(want, sizeof(want), "file:%s/logs/x.jsonl", folder);
    ok(hr_redis_open_target(HR_SPAN("file:logs/x.jsonl"), &SETTINGS, &opened,
                            &why) == HR_OK &&
           hr_span_equal(hr_buf_span(&opened.identity), span(want)),
       "relative: named in full");
    hr_redis_open_fini(&opened);
}

static void
test_tls(void)
{
    hr_redis_open_result opened;
    const char *why;
    hr_redis_delivery_settings settings = SETTINGS;
    settings.ca_file = HR_SPAN("/etc/ca.pem");
    ok(hr_redis_open_target(HR_SPAN("redis://h"), &settings, &opened, &why) ==
               HR_URL &&
           why != NULL && strstr(why, "rediss://") != NULL,
       "tls: authorities without TLS are a mistake");
    hr_redis_open_fini(&opened);
    ok(hr_redis_open_target(HR_SPAN("rediss://h"), &settings, &opened, &why) ==
           HR_OK,
       "tls: with it they are taken");
    hr_redis_open_fini(&opened);
    ok(hr_redis_open_is_tls(HR_SPAN("rediss://h")) &&
           !hr_redis_open_is_tls(HR_SPAN("redis://h")) &&
           !hr_redis_open_is_tls(HR_SPAN("rediss:")),
       "tls: only rediss:// asks for it");
}

static void
test_memory(void)
{
#ifdef HR_ALLOC_TEST
    static const char *const URLS[] = {"redis://u:p@h/2", "file:x", "memory:"};
    for (size_t i = 0; i < 3; i++) {
        hr_status status = HR_NO_MEMORY;
        size_t n = 0;
        while (status == HR_NO_MEMORY && n < 100) {
            hr_redis_open_result opened;
            const char *why;
            hr_alloc_fail_at(++n, 0);
            status =
                hr_redis_open_target(span(URLS[i]), &SETTINGS, &opened, &why);
            hr_alloc_fail_at(0, 0);
            hr_redis_open_fini(&opened);
        }
        ok(status == HR_OK && n > 2, "memory: %s: %zu places that may fail",
           URLS[i], n - 1);
    }
#endif
}

int
main(void)
{
    if (getcwd(folder, sizeof(folder)) == NULL) {
        printf("Bail out! no folder\n");
        return 2;
    }
    test_urls();
    test_relative();
    test_tls();
    test_memory();
    return done_testing();
}
