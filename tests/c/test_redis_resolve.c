/* SPDX-License-Identifier: MIT */
/* Looking names up: literals at once, names on a thread that may be left. */
#include "tap.h"

#include <arpa/inet.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "redis/resolve.h"

static hr_wake wake;

static int64_t
soon(void)
{
    return hr_clock_steady_ns() + INT64_C(20000000000);
}

static const struct {
    const char *host;
    int family;
    hr_status want;
} CASES[] = {
    {"127.0.0.1", AF_INET, HR_OK}, {"::1", AF_INET6, HR_OK},
    {"localhost", 0, HR_OK},       {"no-such-name.invalid", 0, HR_RESOLVE},
    {"", 0, HR_RESOLVE},
};

static uint16_t
port_of(const struct addrinfo *address)
{
    const void *at = address->ai_addr;
    return address->ai_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *)at)->sin6_port)
               : ntohs(((const struct sockaddr_in *)at)->sin_port);
}

static void
test_cases(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        hr_redis_resolve *resolve = NULL;
        const struct addrinfo *found = NULL;
        hr_status status = hr_redis_resolve_new(CASES[i].host, 6379, &resolve);
        if (status == HR_OK) {
            status = hr_redis_resolve_wait(resolve, &wake, soon(), &found);
        }
        ok(status == CASES[i].want, "\"%s\": %s", CASES[i].host,
           hr_status_word(status));
        ok(status != HR_OK || ((CASES[i].family == 0 ||
                                found->ai_family == CASES[i].family) &&
                               port_of(found) == 6379),
           "\"%s\": family and port", CASES[i].host);
        hr_redis_resolve_free(resolve);
    }
}

/* Let go of while the thread is at it: whoever is last cleans up. */
static void
test_left_behind(void)
{
    for (int i = 0; i < 50; i++) {
        hr_redis_resolve *resolve = NULL;
        if (hr_redis_resolve_new("localhost", 1, &resolve) == HR_OK) {
            hr_redis_resolve_free(resolve);
        }
    }
    hr_redis_resolve_free(NULL);
    ok(1, "left behind: nothing leaks, nothing is freed twice");
    usleep(200000);
}

static void
test_to_leave(void)
{
    hr_redis_resolve *resolve = NULL;
    const struct addrinfo *found = NULL;
    ok(hr_redis_resolve_new("127.0.0.1", 1, &resolve) == HR_OK,
       "leave: a literal");
    atomic_store(&wake.stop, true);
    ok(hr_redis_resolve_wait(resolve, &wake, soon(), &found) == HR_OK,
       "leave: what is known needs no wait");
    hr_redis_resolve_free(resolve);
    atomic_store(&wake.stop, false);
}

int
main(void)
{
    if (hr_wake_init(&wake) != HR_OK) {
        printf("Bail out! no eventfd\n");
        return 2;
    }
    test_cases();
    test_left_behind();
    test_to_leave();
#ifdef HR_ALLOC_TEST
    hr_redis_resolve *resolve = NULL;
    hr_alloc_fail_at(1, 0);
    ok(hr_redis_resolve_new("127.0.0.1", 1, &resolve) == HR_NO_MEMORY,
       "memory: none is told");
    hr_alloc_fail_at(0, 0);
#endif
    hr_wake_fini(&wake);
    return done_testing();
}
