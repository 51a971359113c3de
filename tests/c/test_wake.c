/* SPDX-License-Identifier: MIT */
/* Every way in which a wait ends. */
#include "tap.h"

#include <poll.h>
#include <pthread.h>

#include "../../ext/core/clock.h"
#include "../../ext/core/wake.h"

#define SECOND INT64_C(1000000000)

static int64_t
in_ms(int64_t ms)
{
    return ps_clock_steady_ns() + ms * 1000000;
}

static void *
call_later(void *context)
{
    usleep(20000);
    ps_wake_call(context);
    return NULL;
}

static void *
stop_later(void *context)
{
    ps_wake *wake = context;
    usleep(20000);
    atomic_store(&wake->stop, true);
    ps_wake_call(wake);
    return NULL;
}

static ps_status
wait_while(void *(*other)(void *), ps_wake *wake)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, other, wake) != 0) {
        printf("Bail out! no thread\n");
        exit(2);
    }
    ps_status status = ps_wake_wait(wake, -1, 0, in_ms(20000));
    pthread_join(thread, NULL);
    return status;
}

int
main(void)
{
    int ends[2];
    ps_wake wake = {.fd = -1};
    ok(ps_wake_init(&wake) == PS_OK && wake.fd >= 0, "init");
    ok(ps_wake_wait(&wake, -1, 0, in_ms(5)) == PS_TIMEOUT, "wait: a deadline");
    ok(ps_wake_wait(&wake, -1, 0, 0) == PS_TIMEOUT,
       "wait: a deadline that has passed");
    ps_wake_call(&wake);
    ps_wake_call(&wake);
    ok(ps_wake_wait(&wake, -1, 0, in_ms(20000)) == PS_ABSENT,
       "wait: called before it began");
    ok(ps_wake_wait(&wake, -1, 0, in_ms(5)) == PS_TIMEOUT,
       "wait: two calls end one wait");
    ok(wait_while(call_later, &wake) == PS_ABSENT, "wait: called meanwhile");
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1) {
        printf("Bail out! no pipe\n");
        return 2;
    }
    ok(ps_wake_wait(&wake, ends[0], POLLIN, in_ms(20000)) == PS_OK,
       "wait: the descriptor is ready");
    ps_wake_call(&wake);
    ok(ps_wake_wait(&wake, ends[0], POLLIN, in_ms(20000)) == PS_OK,
       "wait: ready goes before called");
    ok(ps_wake_wait(&wake, -1, 0, in_ms(20000)) == PS_ABSENT,
       "wait: and the call is not lost");
    ok(wait_while(stop_later, &wake) == PS_CLOSED, "wait: to leave");
    ok(ps_wake_wait(&wake, ends[0], POLLIN, in_ms(20000)) == PS_CLOSED,
       "wait: to leave goes before all");
    ps_wake_forget(&wake);
    ok(wake.fd == -1, "forget: closed");
    ps_wake_fini(&wake);
    ps_wake_fini(&wake);
    ok(1, "fini: twice is fine");
    close(ends[0]);
    close(ends[1]);
    return done_testing();
}
