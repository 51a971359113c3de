/* SPDX-License-Identifier: MIT */
/* Counters are added to with relaxed atomics: each is exact by itself, and
 * the ledger asks for no order between them but the one that ps_stats_pending
 * reads them in. */
#include "stats.h"

_Static_assert(sizeof(ps_stats) % sizeof(uint64_t) == 0,
               "ps_stats is a run of counters");

static _Atomic uint64_t *
slot(_Atomic uint64_t counters[PS_STATUS_SLOTS], ps_status reason)
{
    unsigned i = (unsigned)reason;
    return &counters[i < PS_STATUS_SLOTS ? i : PS_INTERNAL];
}

void
ps_stats_token(ps_stats *stats, ps_status reason)
{
    if (stats != NULL) {
        ps_count(slot(stats->token, reason), 1);
    }
}

void
ps_stats_cookie(ps_stats *stats, ps_status reason, uint32_t times)
{
    if (stats != NULL && times != 0) {
        ps_count(slot(stats->cookie, reason), times);
    }
}

void
ps_stats_minted(ps_stats *stats)
{
    if (stats != NULL) {
        ps_count(&stats->minted, 1);
    }
}

void
ps_stats_request(ps_stats *stats, uint64_t duration_us)
{
    if (stats != NULL) {
        ps_histogram_add(&stats->request, duration_us);
    }
}

void
ps_stats_stage(ps_stats *stats, ps_stage stage, int64_t ns)
{
    ps_histogram_add(&stats->stage[stage], ns > 0 ? (uint64_t)ns : 0);
}

void
ps_stats_refused(ps_stats *stats, ps_status reason)
{
    ps_count(slot(stats->refused, reason), 1);
}

void
ps_stats_dropped(ps_stats *stats, ps_status reason, uint64_t times)
{
    ps_count(slot(stats->dropped, reason), times);
}

/* 0, 1, 2, 3 have a bucket each; from 4 on, a power of two is split in four
 * by the two bits below its highest one. */
size_t
ps_histogram_index(uint64_t value)
{
    if (value < 4) {
        return (size_t)value;
    }
    unsigned power = 63U - (unsigned)__builtin_clzll(value);
    size_t index =
        (size_t)(power - 1) * 4 + (size_t)(value >> (power - 2) & 3);
    return index < PS_HISTOGRAM_BUCKETS ? index : PS_HISTOGRAM_BUCKETS - 1;
}

uint64_t
ps_histogram_upper(size_t index)
{
    if (index < 4) {
        return index;
    }
    if (index >= PS_HISTOGRAM_BUCKETS - 1) {
        return UINT64_MAX;
    }
    unsigned power = (unsigned)(index / 4) + 1;
    uint64_t step = (uint64_t)1 << (power - 2);
    return ((uint64_t)1 << power) + (index % 4 + 1) * step - 1;
}

void
ps_histogram_add(ps_histogram *histogram, uint64_t value)
{
    ps_count(&histogram->bucket[ps_histogram_index(value)], 1);
    ps_count(&histogram->sum, value);
    ps_count(&histogram->count, 1);
}

void
ps_stats_add(ps_stats *into, const ps_stats *from)
{
    _Atomic uint64_t *sum = (_Atomic uint64_t *)(void *)into;
    const _Atomic uint64_t *add = (const _Atomic uint64_t *)(const void *)from;
    for (size_t i = 0; i < sizeof(ps_stats) / sizeof(uint64_t); i++) {
        uint64_t times = ps_counted(&add[i]);
        if (times != 0) {
            ps_count(&sum[i], times);
        }
    }
}

uint64_t
ps_stats_sum(const _Atomic uint64_t counters[PS_STATUS_SLOTS])
{
    uint64_t sum = 0;
    for (size_t i = 0; i < PS_STATUS_SLOTS; i++) {
        sum += ps_counted(&counters[i]);
    }
    return sum;
}

uint64_t
ps_stats_pending(const ps_stats *stats)
{
    uint64_t settled =
        atomic_load_explicit(&stats->delivered, memory_order_acquire) +
        ps_stats_sum(stats->dropped);
    atomic_thread_fence(memory_order_acquire);
    return ps_counted(&stats->accepted) - settled;
}
