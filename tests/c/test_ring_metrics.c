/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "ring/metrics.h"

static hr_ring_metrics one;
static hr_ring_metrics two;
static hr_ring_metrics sum;

typedef struct found {
    size_t series;
    uint64_t times;
    uint64_t us;
    uint64_t others; /* of the series "other" */
} found;

static bool
add_up(const hr_ring_metrics_name *name, const hr_ring_metrics_series *series,
       void *context)
{
    found *all = context;
    uint64_t times = 0;
    for (size_t i = 0; i < HR_RING_METRICS_BUCKETS; i++) {
        times += atomic_load(&series->bucket[i]);
    }
    all->series++;
    all->times += times;
    all->us += atomic_load(&series->sum_us);
    if (hr_span_equal(name->text, HR_SPAN("other"))) {
        all->others += times;
    }
    return true;
}

static found
look(const hr_ring_metrics *metrics)
{
    found all = {0, 0, 0, 0};
    hr_ring_metrics_each(metrics, add_up, &all);
    return all;
}

static void
count_route(hr_ring_metrics *metrics, const char *prefix, unsigned number)
{
    char text[300];
    int length = snprintf(text, sizeof(text), "%s%u", prefix, number);
    hr_ring_metrics_name name = {
        .kind = HR_RING_METRICS_KIND_REQUEST,
        .method = HR_RING_METRICS_METHOD_GET,
        .outcome = HR_RING_METRICS_OUTCOME_2XX,
        .text = {text, (size_t)length},
    };
    hr_ring_metrics_count(metrics, &name, 1500);
}

static bool
stop(const hr_ring_metrics_name *name, const hr_ring_metrics_series *series,
     void *context)
{
    (void)name;
    (void)series;
    ++*(int *)context;
    return false;
}

int
main(void)
{
    ok(hr_ring_metrics_method_of(HR_SPAN("GET")) ==
               HR_RING_METRICS_METHOD_GET &&
           hr_ring_metrics_method_of(HR_SPAN("get")) ==
               HR_RING_METRICS_METHOD_OTHER &&
           hr_ring_metrics_method_of(HR_SPAN("other")) ==
               HR_RING_METRICS_METHOD_OTHER &&
           hr_ring_metrics_method_of(HR_NO_SPAN) ==
               HR_RING_METRICS_METHOD_OTHER,
       "method: those of HTTP, else other");
    ok(hr_ring_metrics_class_of(200) == HR_RING_METRICS_OUTCOME_2XX &&
           hr_ring_metrics_class_of(599) == HR_RING_METRICS_OUTCOME_5XX &&
           hr_ring_metrics_class_of(101) == HR_RING_METRICS_OUTCOME_1XX &&
           hr_ring_metrics_class_of(0) == HR_RING_METRICS_OUTCOME_NONE &&
           hr_ring_metrics_class_of(600) == HR_RING_METRICS_OUTCOME_NONE,
       "class of a status");

    for (unsigned n = 0; n < 3; n++) {
        count_route(&one, "shop/", 1);
    }
    count_route(&one, "shop/", 2);
    found all = look(&one);
    ok(all.series == 2 && all.times == 4 && all.us == 6000, "count: by name");
    hr_ring_metrics_name name = {
        HR_RING_METRICS_KIND_CACHE, HR_RING_METRICS_METHOD_NONE,
        HR_RING_METRICS_OUTCOME_HIT, HR_SPAN("shop/1")};
    hr_ring_metrics_count(&one, &name, 0);
    name.outcome = HR_RING_METRICS_OUTCOME_MISS;
    hr_ring_metrics_count(&one, &name, UINT32_MAX);
    ok(look(&one).series == 4, "count: kind and outcome are part of a name");
    ok(look(&two).series == 0, "each: what was never counted is not there");
    int seen = 0;
    hr_ring_metrics_each(&one, stop, &seen);
    ok(seen == 1, "each: ends when asked to");

    for (unsigned n = 0; n < 2000; n++) {
        count_route(&two, "another/", n);
        count_route(&two, "another/", 7);
    }
    all = look(&two);
    ok(all.times == 4000 && all.others == 2000 - HR_METRIC_SERIES_MAX &&
           all.series == HR_METRIC_SERIES_MAX + 1,
       "full: what has no place is counted as other (%llu)",
       (unsigned long long)all.others);
    hr_ring_metrics_add(&sum, &one);
    hr_ring_metrics_add(&sum, &two);
    hr_ring_metrics_add(&sum, &two);
    all = look(&sum);
    ok(all.series == 4 + HR_METRIC_SERIES_MAX + 1 && all.times == 8006,
       "add: the sum has all series of both");

    char prefix[200];
    memset(prefix, 'x', sizeof(prefix));
    prefix[199] = '\0';
    memset((void *)&one, 0, sizeof(one));
    count_route(&one, prefix, 1);
    count_route(&one, prefix, 2);
    ok(look(&one).series == 1, "name: a long one is cut");

    /* Of a file: any bytes at all. */
    uint64_t random = 1;
    unsigned char *bytes = (unsigned char *)(void *)&one;
    for (size_t i = 0; i < sizeof(one); i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        bytes[i] = (unsigned char)(random >> 56);
    }
    for (size_t i = 0; i < HR_METRIC_SLOTS; i += 2) {
        atomic_store(&one.slot[i].ready, 1);
        one.slot[i].kind %= HR_RING_METRICS_KIND_KIND_COUNT;
        one.slot[i].outcome %= HR_RING_METRICS_OUTCOME_COUNT;
    }
    memset((void *)&sum, 0, sizeof(sum));
    hr_ring_metrics_add(&sum, &one);
    ok(look(&sum).series <= HR_METRIC_SLOTS + 40,
       "add: any bytes are read, and what they are not is left out");
    return done_testing();
}
