/* SPDX-License-Identifier: MIT */
/* The counters. They lie in the ring file's header, so that any process can
 * read them, or in private memory where there is no ring. Every counter is
 * relaxed and only ever grows; the ledger
 *
 *   offered  = accepted + refused[reason]
 *   accepted = delivered + dropped[reason] + pending
 *
 * holds at every moment because an event is counted as accepted before it can
 * be delivered, and readers read `accepted` last. */
#ifndef HR_RING_COUNTERS_H
#define HR_RING_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Buckets of a histogram: four to each power of two, up to some 2^32. */
#define HR_RING_COUNTERS_BUCKETS 128

/* How long something took, in microseconds (stages: in nanoseconds). Any
 * thread; relaxed. */
typedef struct hr_ring_counters_histogram {
    _Atomic uint64_t count;
    _Atomic uint64_t sum;
    _Atomic uint64_t bucket[HR_RING_COUNTERS_BUCKETS];
} hr_ring_counters_histogram;

/* Where the time of a request goes. */
#define HR_RING_COUNTERS_STAGES(X)                                  \
    X(LABEL, "label")             /* path to label */               \
    X(TOKEN, "token")             /* found and verified */          \
    X(FINGERPRINT, "fingerprint") /* cookie read, or a candidate */ \
    X(APPLICATION, "application") /* from enter to respond */       \
    X(EVENT, "event")             /* finish */

typedef enum hr_ring_counters_stage {
#define X(name, word) HR_RING_COUNTERS_STAGE_##name,
    HR_RING_COUNTERS_STAGES(X)
#undef X
        HR_RING_COUNTERS_STAGE_COUNT
} hr_ring_counters_stage;

/* One request of so many has its stages measured: a clock is some 25 ns. */
#define HR_RING_COUNTERS_STAGE_EVERY 16

typedef struct hr_ring_counters {
    _Alignas(64) _Atomic uint64_t accepted; /* producers */
    _Atomic uint64_t turn; /* requests: whose stages are measured */
    _Alignas(64) _Atomic uint64_t delivered; /* the sink thread, as below */
    _Atomic uint64_t session_errors;
    _Atomic uint64_t adopted_rings;
    _Atomic uint64_t adopted_events;
    _Atomic uint64_t adopted_torn;
    _Atomic uint64_t rings_left_alone; /* files that could not be trusted */
    _Atomic uint64_t minted;
    _Atomic uint64_t cache_hits;   /* of the verifier; stored now and then */
    _Atomic uint64_t cache_misses; /* likewise */
    _Atomic uint64_t refused[HR_STATUS_SLOTS]; /* by reason */
    _Atomic uint64_t dropped[HR_STATUS_SLOTS]; /* by reason */
    _Atomic uint64_t token[HR_STATUS_SLOTS];   /* by outcome */
    _Atomic uint64_t cookie[HR_STATUS_SLOTS];  /* by reason */
    hr_ring_counters_histogram request;        /* a request, as the gate saw */
    hr_ring_counters_histogram queue; /* from emit until its batch is sent */
    hr_ring_counters_histogram
        server; /* from the last byte sent to the first reply */
    hr_ring_counters_histogram
        round_trip; /* from the first byte sent to the last reply */
    hr_ring_counters_histogram
        stage[HR_RING_COUNTERS_STAGE_COUNT]; /* in ns; of the measured requests
                                              */
} hr_ring_counters;

/* Counts one token outcome (OK, or the reason it was refused), and so on.
 * `stats` may be NULL: then nothing is counted. Relaxed; any thread. */
void hr_ring_counters_token(hr_ring_counters *stats, hr_status reason);
void hr_ring_counters_cookie(hr_ring_counters *stats, hr_status reason,
                             uint32_t times);
void hr_ring_counters_minted(hr_ring_counters *stats);

/* Request duration into the histogram of requests. */
void hr_ring_counters_request(hr_ring_counters *stats, uint64_t duration_us);

/* One more event refused, or `times` more dropped, for `reason`. */
void hr_ring_counters_refused(hr_ring_counters *stats, hr_status reason);
void hr_ring_counters_dropped(hr_ring_counters *stats, hr_status reason,
                              uint64_t times);

/* Is it this request's turn to have its stages measured? The first one's, and
 * then every HR_RING_COUNTERS_STAGE_EVERY-th. Two threads at once may count as
 * one: no locked instruction for what only picks. */
static inline bool
hr_ring_counters_measures(hr_ring_counters *stats)
{
    uint64_t turn = atomic_load_explicit(&stats->turn, memory_order_relaxed);
    atomic_store_explicit(&stats->turn, turn + 1, memory_order_relaxed);
    return turn % HR_RING_COUNTERS_STAGE_EVERY == 0;
}

/* How long one stage of a measured request took. */
void hr_ring_counters_stage_add(hr_ring_counters *stats,
                                hr_ring_counters_stage stage, int64_t ns);

void hr_ring_counters_histogram_add(hr_ring_counters_histogram *histogram,
                                    uint64_t value);

/* The bucket that holds `value`, and the largest value that a bucket holds. */
size_t hr_ring_counters_histogram_index(uint64_t value);
uint64_t hr_ring_counters_histogram_upper(size_t index);

/* Adds every counter of `from` to `into` (which nobody else is writing). */
void hr_ring_counters_add(hr_ring_counters *into,
                          const hr_ring_counters *from);

/* As hr_ring_counters_add, and `from` begins at zero again. Others may count
 * in both meanwhile: nothing is lost. */
void hr_ring_counters_move(hr_ring_counters *into, hr_ring_counters *from);

/* All dropped, all refused. */
uint64_t
hr_ring_counters_sum(const _Atomic uint64_t counters[HR_STATUS_SLOTS]);

/* Accepted, but neither delivered nor dropped yet. */
uint64_t hr_ring_counters_pending(const hr_ring_counters *stats);

static inline void
hr_ring_counters_raise(_Atomic uint64_t *counter, uint64_t times)
{
    atomic_fetch_add_explicit(counter, times, memory_order_relaxed);
}

static inline uint64_t
hr_ring_counters_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
