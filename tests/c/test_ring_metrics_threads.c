/* SPDX-License-Identifier: MIT */
/* Many threads count under few names, and under too many: nothing is lost. */
#include "tap.h"

#include <pthread.h>

#include "ring/metrics.h"

#define THREADS 4
#define TIMES 20000

static hr_ring_metrics table;

static void *
count_all(void *own)
{
    unsigned seed = *(unsigned *)own;
    for (unsigned n = 0; n < TIMES; n++) {
        char text[32];
        /* every second one of a name that all threads make at once */
        unsigned number = n % 2 == 0 ? n / 2 : 100000 * seed + n % 7;
        int length = snprintf(text, sizeof(text), "task %u", number);
        hr_ring_metrics_name name = {
            .kind = HR_RING_METRICS_KIND_TASK,
            .outcome = HR_RING_METRICS_OUTCOME_SUCCESS,
            .text = {text, (size_t)length},
        };
        hr_ring_metrics_count(&table, &name, 1);
    }
    return NULL;
}

typedef struct summary {
    uint64_t times;
    size_t series;
} summary;

static bool
add_up(const hr_ring_metrics_name *name, const hr_ring_metrics_series *series,
       void *context)
{
    summary *sum = context;
    (void)name;
    sum->series++;
    for (size_t i = 0; i < HR_RING_METRICS_BUCKETS; i++) {
        sum->times += atomic_load(&series->bucket[i]);
    }
    return true;
}

int
main(void)
{
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i + 1;
        if (pthread_create(&threads[i], NULL, count_all, &seeds[i]) != 0) {
            printf("Bail out! no thread\n");
            return 2;
        }
    }
    summary during = {0, 0};
    hr_ring_metrics_each(&table, add_up, &during);
    ok(during.times <= (uint64_t)THREADS * TIMES,
       "a reader meanwhile sees no more than was counted");
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    summary after = {0, 0};
    hr_ring_metrics_each(&table, add_up, &after);
    ok(after.times == (uint64_t)THREADS * TIMES, "nothing is lost");
    ok(after.series <= HR_METRIC_SERIES_MAX + THREADS + 1,
       "the table is bounded: %zu series", after.series);
    return done_testing();
}
