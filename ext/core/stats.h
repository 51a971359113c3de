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
#ifndef PS_STATS_H
#define PS_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Buckets of a histogram: four to each power of two, up to some 2^32. */
#define PS_HISTOGRAM_BUCKETS 128

/* How long something took, in microseconds (stages: in nanoseconds). Any
 * thread; relaxed. */
typedef struct ps_histogram {
    _Atomic uint64_t count;
    _Atomic uint64_t sum;
    _Atomic uint64_t bucket[PS_HISTOGRAM_BUCKETS];
} ps_histogram;

/* Where the time of a request goes. */
#define PS_STAGES(X)                                                    \
    X(LABEL, "label")             /* path to label */                   \
    X(TOKEN, "token")             /* found and verified */              \
    X(FINGERPRINT, "fingerprint") /* cookie read, or a candidate */     \
    X(APPLICATION, "application") /* from the end of enter to finish */ \
    X(EVENT, "event")             /* finish: cookie and event */

typedef enum ps_stage {
#define X(name, word) PS_STAGE_##name,
    PS_STAGES(X)
#undef X
        PS_STAGE_COUNT
} ps_stage;

/* One request of so many has its stages measured: a clock is some 25 ns. */
#define PS_STAGE_EVERY 16

typedef struct ps_stats {
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
    _Atomic uint64_t refused[PS_STATUS_SLOTS]; /* by reason */
    _Atomic uint64_t dropped[PS_STATUS_SLOTS]; /* by reason */
    _Atomic uint64_t token[PS_STATUS_SLOTS];   /* by outcome */
    _Atomic uint64_t cookie[PS_STATUS_SLOTS];  /* by reason */
    ps_histogram request;                      /* a request, as the gate saw */
    ps_histogram queue;      /* from emit until its batch is sent */
    ps_histogram server;     /* from the last byte sent to the first reply */
    ps_histogram round_trip; /* from the first byte sent to the last reply */
    ps_histogram stage[PS_STAGE_COUNT]; /* in ns; of the measured requests */
} ps_stats;

/* Counts one token outcome (OK, or the reason it was refused), and so on.
 * `stats` may be NULL: then nothing is counted. Relaxed; any thread. */
void ps_stats_token(ps_stats *stats, ps_status reason);
void ps_stats_cookie(ps_stats *stats, ps_status reason, uint32_t times);
void ps_stats_minted(ps_stats *stats);

/* Request duration into the histogram of requests. */
void ps_stats_request(ps_stats *stats, uint64_t duration_us);

/* One more event refused, or `times` more dropped, for `reason`. */
void ps_stats_refused(ps_stats *stats, ps_status reason);
void ps_stats_dropped(ps_stats *stats, ps_status reason, uint64_t times);

/* Is it this request's turn to have its stages measured? The first one's, and
 * then every PS_STAGE_EVERY-th. Two threads at once may count as one: no
 * locked instruction for what only picks. */
static inline bool
ps_stats_measures(ps_stats *stats)
{
    uint64_t turn = atomic_load_explicit(&stats->turn, memory_order_relaxed);
    atomic_store_explicit(&stats->turn, turn + 1, memory_order_relaxed);
    return turn % PS_STAGE_EVERY == 0;
}

/* How long one stage of a measured request took. */
void ps_stats_stage(ps_stats *stats, ps_stage stage, int64_t ns);

void ps_histogram_add(ps_histogram *histogram, uint64_t value);

/* The bucket that holds `value`, and the largest value that a bucket holds. */
size_t ps_histogram_index(uint64_t value);
uint64_t ps_histogram_upper(size_t index);

/* Adds every counter of `from` to `into` (which nobody else is writing). */
void ps_stats_add(ps_stats *into, const ps_stats *from);

/* All dropped, all refused. */
uint64_t ps_stats_sum(const _Atomic uint64_t counters[PS_STATUS_SLOTS]);

/* Accepted, but neither delivered nor dropped yet. */
uint64_t ps_stats_pending(const ps_stats *stats);

static inline void
ps_count(_Atomic uint64_t *counter, uint64_t times)
{
    atomic_fetch_add_explicit(counter, times, memory_order_relaxed);
}

static inline uint64_t
ps_counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
