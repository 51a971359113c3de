/* SPDX-License-Identifier: MIT */
/* Counters are added to with relaxed atomics: each is exact by itself, and
 * the ledger asks for no order between them but the one that
 * hr_ring_counters_pending reads them in. */
#include "ring/counters.h"

_Static_assert(sizeof(hr_ring_counters) % sizeof(uint64_t) == 0,
               "hr_ring_counters is a run of counters");

static _Atomic uint64_t *
slot(_Atomic uint64_t counters[HR_STATUS_SLOTS], hr_status reason)
{
    unsigned i = (unsigned)reason;
    return &counters[i < HR_STATUS_SLOTS ? i : HR_INTERNAL];
}

void
hr_ring_counters_token(hr_ring_counters *stats, hr_status reason)
{
    if (stats != NULL) {
        hr_ring_counters_raise(slot(stats->token, reason), 1);
    }
}

void
hr_ring_counters_cookie(hr_ring_counters *stats, hr_status reason,
                        uint32_t times)
{
    if (stats != NULL && times != 0) {
        hr_ring_counters_raise(slot(stats->cookie, reason), times);
    }
}

void
hr_ring_counters_minted(hr_ring_counters *stats)
{
    if (stats != NULL) {
        hr_ring_counters_raise(&stats->minted, 1);
    }
}

void
hr_ring_counters_request(hr_ring_counters *stats, uint64_t duration_us)
{
    if (stats != NULL) {
        hr_ring_counters_histogram_add(&stats->request, duration_us);
    }
}

void
hr_ring_counters_stage_add(hr_ring_counters *stats,
                           hr_ring_counters_stage stage, int64_t ns)
{
    hr_ring_counters_histogram_add(&stats->stage[stage],
                                   ns > 0 ? (uint64_t)ns : 0);
}

void
hr_ring_counters_refused(hr_ring_counters *stats, hr_status reason)
{
    hr_ring_counters_raise(slot(stats->refused, reason), 1);
}

void
hr_ring_counters_dropped(hr_ring_counters *stats, hr_status reason,
                         uint64_t times)
{
    hr_ring_counters_raise(slot(stats->dropped, reason), times);
}

/* 0, 1, 2, 3 have a bucket each; from 4 on, a power of two is split in four
 * by the two bits below its highest one. */
size_t
hr_ring_counters_histogram_index(uint64_t value)
{
    if (value < 4) {
        return (size_t)value;
    }
    unsigned power = 63U - (unsigned)__builtin_clzll(value);
    size_t index =
        (size_t)(power - 1) * 4 + (size_t)(value >> (power - 2) & 3);
    return index < HR_RING_COUNTERS_BUCKETS ? index
                                            : HR_RING_COUNTERS_BUCKETS - 1;
}

uint64_t
hr_ring_counters_histogram_upper(size_t index)
{
    if (index < 4) {
        return index;
    }
    if (index >= HR_RING_COUNTERS_BUCKETS - 1) {
        return UINT64_MAX;
    }
    unsigned power = (unsigned)(index / 4) + 1;
    uint64_t step = (uint64_t)1 << (power - 2);
    return ((uint64_t)1 << power) + (index % 4 + 1) * step - 1;
}

void
hr_ring_counters_histogram_add(hr_ring_counters_histogram *histogram,
                               uint64_t value)
{
    hr_ring_counters_raise(
        &histogram->bucket[hr_ring_counters_histogram_index(value)], 1);
    hr_ring_counters_raise(&histogram->sum, value);
    hr_ring_counters_raise(&histogram->count, 1);
}

void
hr_ring_counters_add(hr_ring_counters *into, const hr_ring_counters *from)
{
    _Atomic uint64_t *sum = (_Atomic uint64_t *)(void *)into;
    const _Atomic uint64_t *add = (const _Atomic uint64_t *)(const void *)from;
    for (size_t i = 0; i < sizeof(hr_ring_counters) / sizeof(uint64_t); i++) {
        uint64_t times = hr_ring_counters_read(&add[i]);
        if (times != 0) {
            hr_ring_counters_raise(&sum[i], times);
        }
    }
}

void
hr_ring_counters_move(hr_ring_counters *into, hr_ring_counters *from)
{
    _Atomic uint64_t *to = (_Atomic uint64_t *)(void *)into;
    _Atomic uint64_t *old = (_Atomic uint64_t *)(void *)from;
    for (size_t i = 0; i < sizeof(hr_ring_counters) / sizeof(uint64_t); i++) {
        hr_ring_counters_raise(&to[i], atomic_exchange(&old[i], 0));
    }
}

uint64_t
hr_ring_counters_sum(const _Atomic uint64_t counters[HR_STATUS_SLOTS])
{
    uint64_t sum = 0;
    for (size_t i = 0; i < HR_STATUS_SLOTS; i++) {
        sum += hr_ring_counters_read(&counters[i]);
    }
    return sum;
}

uint64_t
hr_ring_counters_pending(const hr_ring_counters *stats)
{
    uint64_t settled =
        atomic_load_explicit(&stats->delivered, memory_order_acquire) +
        hr_ring_counters_sum(stats->dropped);
    atomic_thread_fence(memory_order_acquire);
    return hr_ring_counters_read(&stats->accepted) - settled;
}
