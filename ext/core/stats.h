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
#ifndef HR_STATS_H
#define HR_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Buckets of a histogram: four to each power of two, up to some 2^32. */
#define HR_HISTOGRAM_BUCKETS 128

/* How long something took, in microseconds (stages: in nanoseconds). Any
 * thread; relaxed. */
typedef struct hr_histogram {
    _Atomic uint64_t count;
    _Atomic uint64_t sum;
    _Atomic uint64_t bucket[HR_HISTOGRAM_BUCKETS];
} hr_histogram;

/* Where the time of a request goes. */
#define HR_STAGES(X)                                                    \
    X(LABEL, "label")             /* path to label */                   \
    X(TOKEN, "token")             /* found and verified */              \
    X(FINGERPRINT, "fingerprint") /* cookie read, or a candidate */     \
    X(APPLICATION, "application") /* from the end of enter to finish */ \
    X(EVENT, "event")             /* finish: cookie and event */

typedef enum hr_stage {
#define X(name, word) HR_STAGE_##name,
    HR_STAGES(X)
#undef X
        HR_STAGE_COUNT
} hr_stage;

/* One request of so many has its stages measured: a clock is some 25 ns. */
#define HR_STAGE_EVERY 16

typedef struct hr_stats {
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
    hr_histogram request;                      /* a request, as the gate saw */
    hr_histogram queue;      /* from emit until its batch is sent */
    hr_histogram server;     /* from the last byte sent to the first reply */
    hr_histogram round_trip; /* from the first byte sent to the last reply */
    hr_histogram stage[HR_STAGE_COUNT]; /* in ns; of the measured requests */
} hr_stats;

/* Counts one token outcome (OK, or the reason it was refused), and so on.
 * `stats` may be NULL: then nothing is counted. Relaxed; any thread. */
void hr_stats_token(hr_stats *stats, hr_status reason);
void hr_stats_cookie(hr_stats *stats, hr_status reason, uint32_t times);
void hr_stats_minted(hr_stats *stats);

/* Request duration into the histogram of requests. */
void hr_stats_request(hr_stats *stats, uint64_t duration_us);

/* One more event refused, or `times` more dropped, for `reason`. */
void hr_stats_refused(hr_stats *stats, hr_status reason);
void hr_stats_dropped(hr_stats *stats, hr_status reason, uint64_t times);

/* Is it this request's turn to have its stages measured? The first one's, and
 * then every HR_STAGE_EVERY-th. Two threads at once may count as one: no
 * locked instruction for what only picks. */
static inline bool
hr_stats_measures(hr_stats *stats)
{
    uint64_t turn = atomic_load_explicit(&stats->turn, memory_order_relaxed);
    atomic_store_explicit(&stats->turn, turn + 1, memory_order_relaxed);
    return turn % HR_STAGE_EVERY == 0;
}

/* How long one stage of a measured request took. */
void hr_stats_stage(hr_stats *stats, hr_stage stage, int64_t ns);

void hr_histogram_add(hr_histogram *histogram, uint64_t value);

/* The bucket that holds `value`, and the largest value that a bucket holds. */
size_t hr_histogram_index(uint64_t value);
uint64_t hr_histogram_upper(size_t index);

/* Adds every counter of `from` to `into` (which nobody else is writing). */
void hr_stats_add(hr_stats *into, const hr_stats *from);

/* All dropped, all refused. */
uint64_t hr_stats_sum(const _Atomic uint64_t counters[HR_STATUS_SLOTS]);

/* Accepted, but neither delivered nor dropped yet. */
uint64_t hr_stats_pending(const hr_stats *stats);

static inline void
hr_count(_Atomic uint64_t *counter, uint64_t times)
{
    atomic_fetch_add_explicit(counter, times, memory_order_relaxed);
}

static inline uint64_t
hr_counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
