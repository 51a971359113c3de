/* SPDX-License-Identifier: MIT */
/* The stores that threads share: of random bytes, and of the day's salt. */
#include "tap.h"

#include <pthread.h>
#include <stdint.h>

#include "visitor/derived.h"
#include "base/random.h"

#define THREADS 4
#define TAKES 2000
#define DAY 86400

static hr_random *store;
static hr_visitor_derived *derived;
static uint64_t taken[THREADS][TAKES];

static void *
take(void *own)
{
    uint64_t *out = own;
    for (size_t i = 0; i < TAKES; i++) {
        if (hr_random_take(store, &out[i], sizeof(out[i])) != HR_OK) {
            out[i] = 0;
        }
    }
    return NULL;
}

/* Crosses midnight in the middle, each thread at its own time. */
static void *
derive(void *own)
{
    size_t *failed = own;
    const hr_visitor_derived_client client = {.user_agent = HR_SPAN("x")};
    for (int i = 0; i < TAKES; i++) {
        hr_visitor_fingerprint got;
        int64_t now = (int64_t)20001 * DAY - TAKES / 2 + i;
        *failed += hr_visitor_derived_fingerprint(derived, &client, now,
                                                  &got) != HR_OK;
    }
    return NULL;
}

static void
run(void *(*work)(void *), void *first, size_t size)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work,
                           (char *)first + i * size) != 0) {
            printf("Bail out! no thread\n");
            exit(2);
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int
main(void)
{
    store = hr_random_new();
    run(take, taken, sizeof(taken[0]));
    hr_random_free(store);
    uint64_t *all = &taken[0][0];
    size_t doubles = 0;
    qsort(all, (size_t)THREADS * TAKES, sizeof(*all), compare);
    for (size_t i = 1; i < (size_t)THREADS * TAKES; i++) {
        doubles += all[i] == all[i - 1];
    }
    ok(doubles == 0 && all[0] != 0, "no two threads take the same bytes");

    char folder[64];
    char command[96];
    size_t failed[THREADS] = {0};
    (void)snprintf(folder, sizeof(folder), "/tmp/hr-threads-%ld",
                   (long)getpid());
    if (hr_visitor_derived_new(folder, &derived) != HR_OK) {
        printf("Bail out! no memory\n");
        return 2;
    }
    run(derive, failed, sizeof(failed[0]));
    hr_visitor_derived_free(derived);
    ok(failed[0] + failed[1] + failed[2] + failed[3] == 0,
       "threads derive ids over midnight");
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    ok(system(command) == 0, "tidied up");
    return done_testing();
}
