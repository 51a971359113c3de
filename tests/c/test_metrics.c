/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/metrics.h"

static ps_metrics one;
static ps_metrics two;
static ps_metrics sum;

typedef struct found {
    size_t series;
    uint64_t times;
    uint64_t us;
    uint64_t others; /* of the series "other" */
} found;

static bool
add_up(const ps_metrics_name *name, const ps_metrics_series *series,
       void *context)
{
    found *all = context;
    uint64_t times = 0;
    for (size_t i = 0; i < PS_METRIC_BUCKETS; i++) {
        times += atomic_load(&series->bucket[i]);
    }
    all->series++;
    all->times += times;
    all->us += atomic_load(&series->sum_us);
    if (ps_span_equal(name->text, PS_SPAN("other"))) {
        all->others += times;
    }
    return true;
}

static found
look(const ps_metrics *metrics)
{
    found all = {0, 0, 0, 0};
    ps_metrics_each(metrics, add_up, &all);
    return all;
}

static void
count_route(ps_metrics *metrics, const char *prefix, unsigned number)
{
    char text[300];
    int length = snprintf(text, sizeof(text), "%s%u", prefix, number);
    ps_metrics_name name = {
        .kind = PS_METRIC_REQUEST,
        .method = PS_METHOD_GET,
        .outcome = PS_OUTCOME_2XX,
        .text = {text, (size_t)length},
    };
    ps_metrics_count(metrics, &name, 1500);
}

static bool
stop(const ps_metrics_name *name, const ps_metrics_series *series,
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
    ok(ps_metrics_method(PS_SPAN("GET")) == PS_METHOD_GET &&
           ps_metrics_method(PS_SPAN("get")) == PS_METHOD_OTHER &&
           ps_metrics_method(PS_SPAN("other")) == PS_METHOD_OTHER &&
           ps_metrics_method(PS_NO_SPAN) == PS_METHOD_OTHER,
       "method: those of HTTP, else other");
    ok(ps_metrics_class(200) == PS_OUTCOME_2XX &&
           ps_metrics_class(599) == PS_OUTCOME_5XX &&
           ps_metrics_class(101) == PS_OUTCOME_1XX &&
           ps_metrics_class(0) == PS_OUTCOME_NONE &&
           ps_metrics_class(600) == PS_OUTCOME_NONE,
       "class of a status");

    for (unsigned n = 0; n < 3; n++) {
        count_route(&one, "shop/", 1);
    }
    count_route(&one, "shop/", 2);
    found all = look(&one);
    ok(all.series == 2 && all.times == 4 && all.us == 6000, "count: by name");
    ps_metrics_name name = {PS_METRIC_CACHE, PS_METHOD_NONE, PS_OUTCOME_HIT,
                            PS_SPAN("shop/1")};
    ps_metrics_count(&one, &name, 0);
    name.outcome = PS_OUTCOME_MISS;
    ps_metrics_count(&one, &name, UINT32_MAX);
    ok(look(&one).series == 4, "count: kind and outcome are part of a name");
    ok(look(&two).series == 0, "each: what was never counted is not there");
    int seen = 0;
    ps_metrics_each(&one, stop, &seen);
    ok(seen == 1, "each: ends when asked to");

    for (unsigned n = 0; n < 2000; n++) {
        count_route(&two, "another/", n);
        count_route(&two, "another/", 7);
    }
    all = look(&two);
    ok(all.times == 4000 && all.others == 2000 - PS_METRIC_SERIES_MAX &&
           all.series == PS_METRIC_SERIES_MAX + 1,
       "full: what has no place is counted as other (%llu)",
       (unsigned long long)all.others);
    ps_metrics_add(&sum, &one);
    ps_metrics_add(&sum, &two);
    ps_metrics_add(&sum, &two);
    all = look(&sum);
    ok(all.series == 4 + PS_METRIC_SERIES_MAX + 1 && all.times == 8006,
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
    for (size_t i = 0; i < PS_METRIC_SLOTS; i += 2) {
        atomic_store(&one.slot[i].ready, 1);
        one.slot[i].kind %= PS_METRIC_KIND_COUNT;
        one.slot[i].outcome %= PS_OUTCOME_COUNT;
    }
    memset((void *)&sum, 0, sizeof(sum));
    ps_metrics_add(&sum, &one);
    ok(look(&sum).series <= PS_METRIC_SLOTS + 40,
       "add: any bytes are read, and what they are not is left out");
    return done_testing();
}
