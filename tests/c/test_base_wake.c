/* SPDX-License-Identifier: MIT */
/* Every way in which a wait ends. */
#include "tap.h"

#include <poll.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/wake.h"

#define SECOND INT64_C(1000000000)

static int64_t
in_ms(int64_t ms)
{
    return hr_clock_steady_ns() + ms * 1000000;
}

static void *
call_later(void *context)
{
    usleep(20000);
    hr_wake_call(context);
    return NULL;
}

static void *
stop_later(void *context)
{
    hr_wake *wake = context;
    usleep(20000);
    atomic_store(&wake->stop, true);
    hr_wake_call(wake);
    return NULL;
}

static hr_status
wait_while(void *(*other)(void *), hr_wake *wake)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, other, wake) != 0) {
        printf("Bail out! no thread\n");
        exit(2);
    }
    hr_status status = hr_wake_wait(wake, -1, 0, in_ms(20000));
    pthread_join(thread, NULL);
    return status;
}

int
main(void)
{
    int ends[2];
    hr_wake wake = {.fd = -1};
    ok(hr_wake_init(&wake) == HR_OK && wake.fd >= 0, "init");
    ok(hr_wake_wait(&wake, -1, 0, in_ms(5)) == HR_TIMEOUT, "wait: a deadline");
    ok(hr_wake_wait(&wake, -1, 0, 0) == HR_TIMEOUT,
       "wait: a deadline that has passed");
    hr_wake_call(&wake);
    hr_wake_call(&wake);
    ok(hr_wake_wait(&wake, -1, 0, in_ms(20000)) == HR_ABSENT,
       "wait: called before it began");
    ok(hr_wake_wait(&wake, -1, 0, in_ms(5)) == HR_TIMEOUT,
       "wait: two calls end one wait");
    ok(wait_while(call_later, &wake) == HR_ABSENT, "wait: called meanwhile");
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1) {
        printf("Bail out! no pipe\n");
        return 2;
    }
    ok(hr_wake_wait(&wake, ends[0], POLLIN, in_ms(20000)) == HR_OK,
       "wait: the descriptor is ready");
    hr_wake_call(&wake);
    ok(hr_wake_wait(&wake, ends[0], POLLIN, in_ms(20000)) == HR_OK,
       "wait: ready goes before called");
    ok(hr_wake_wait(&wake, -1, 0, in_ms(20000)) == HR_ABSENT,
       "wait: and the call is not lost");
    ok(wait_while(stop_later, &wake) == HR_CLOSED, "wait: to leave");
    ok(hr_wake_wait(&wake, ends[0], POLLIN, in_ms(20000)) == HR_CLOSED,
       "wait: to leave goes before all");
    hr_wake_forget(&wake);
    ok(wake.fd == -1, "forget: closed");
    hr_wake_fini(&wake);
    hr_wake_fini(&wake);
    ok(1, "fini: twice is fine");
    close(ends[0]);
    close(ends[1]);
    return done_testing();
}
