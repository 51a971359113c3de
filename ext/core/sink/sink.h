/* SPDX-License-Identifier: MIT */
/* The sink: a ring, and the thread that moves its events to the target.
 * See docs/internals/sink.md. */
#ifndef HR_SINK_SINK_H
#define HR_SINK_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "ring/event.h"
#include "ring/metrics.h"
#include "ring/ring.h"
#include "base/span.h"
#include "ring/counters.h"
#include "base/status.h"
#include "sink/target.h"

typedef struct hr_sink_state hr_sink; /* sink/state.h */

/* Headroom: this part of the ring is kept for one kind of event. */
typedef struct hr_sink_reserve {
    hr_span kind;
    double part; /* 0 to 1; all together below 1 */
} hr_sink_reserve;

typedef struct hr_sink_settings {
    hr_sink_target *target; /* the sink takes it over when it is made */
    hr_span identity;       /* names the target, without credentials; copied */
    bool threaded;          /* false: flush and a full ring deliver at once */
    size_t ring_bytes;      /* rounded down to a power of two */
    hr_span ring_dir;       /* absent: /dev/shm; empty: anonymous; copied */
    size_t batch;           /* the most events of one batch */
    int64_t linger_ns;      /* waited for a batch to fill */
    int64_t reconnect_first_ns;      /* first wait after a failure */
    int64_t reconnect_longest_ns;    /* the longest; both 0: the default */
    int64_t max_age_ms;              /* older events expire; 0: never */
    double sample;                   /* the part of events that is kept */
    const hr_sink_reserve *reserves; /* copied */
    size_t reserve_count;
    hr_span greeting; /* a log line at the first event, or absent; copied */
} hr_sink_settings;

/* A sink that has no ring, thread, socket or file yet: the first event brings
 * them. SETTING (`*why` names it), NO_MEMORY, SYSTEM. The caller owns one
 * reference. */
HR_CHECKED hr_status hr_sink_new(const hr_sink_settings *settings,
                                 hr_sink **sink, const char **why);

/* Puts one event into this process's ring; starts the thread on the first
 * one. Finishes `body`, after a field `sample` where the sink keeps only some
 * events: a body is emitted once. OK: the event is committed. FULL, TOO_BIG,
 * CLOSED, SAMPLED, and NO_MEMORY or SYSTEM where no ring can be had: refused
 * and counted. Never blocks, never touches a socket. Any thread. */
HR_CHECKED hr_status hr_sink_emit(hr_sink *sink, hr_span kind,
                                  hr_ring_event_body *body, uint32_t flags);

/* Counts an event that the caller itself refused. Any thread. */
void hr_sink_refuse(hr_sink *sink, hr_status reason);

/* Waits until all events that were committed before the call are settled, at
 * most until the steady clock shows `deadline_ns`. Answers how many events of
 * this process are still pending, 0 when those are settled. Blocks; any
 * thread. */
uint64_t hr_sink_flush(hr_sink *sink, int64_t deadline_ns);

/* Takes no more events, flushes, stops the thread. What is left stays in the
 * ring file for adoption. Answers as flush. Twice is fine. Blocks. */
uint64_t hr_sink_close(hr_sink *sink, int64_t deadline_ns);

bool hr_sink_is_closed(const hr_sink *sink);

/* This process's counters, valid until the next fork or the last release.
 * Any thread. */
hr_ring_counters *hr_sink_stats(hr_sink *sink);

/* This process's metrics; makes the ring when there is none. NULL where it is
 * closed or cannot be made. Valid as hr_sink_stats. Any thread. */
hr_ring_metrics *hr_sink_metrics(hr_sink *sink);

typedef enum hr_sink_phase {
    HR_SINK_IDLE,       /* no event yet in this process */
    HR_SINK_CONNECTING, /* no attempt has ended yet */
    HR_SINK_DELIVERING, /* the last attempt succeeded */
    HR_SINK_WAITING,    /* the last attempt failed; the next one will come */
    HR_SINK_CLOSED
} hr_sink_phase;

/* What stats() tells beside the counters. */
typedef struct hr_sink_report {
    hr_sink_phase state;
    hr_status error;   /* of the last failed attempt; OK: none since */
    uint64_t failures; /* attempts that failed, ever */
    hr_sink_target_report target;
    char producer[HR_RING_PRODUCER_SIZE + 1];
    char target_name[HR_RING_PRODUCER_SIZE +
                     1];              /* as in the ring's file name */
    char ring_path[HR_RING_PATH_MAX]; /* "" when anonymous or none */
    bool survives_kill;
    uint64_t ring_bytes;
    uint64_t ring_used;
} hr_sink_report;

/* Any thread; takes a lock that is only ever held briefly. */
void hr_sink_describe(hr_sink *sink, hr_sink_report *report);

/* The folder given for rings, NULL for the default one. Borrowed. */
const char *hr_sink_ring_dir(const hr_sink *sink);

/* The counters of all processes of this host and user that use the same
 * target, the ended ones included; `*rings` of them are alive or not yet
 * adopted. `metrics` may be NULL. SYSTEM where there is no folder for rings.
 * Any thread; reads files. */
HR_CHECKED hr_status hr_sink_totals(hr_sink *sink, hr_ring_counters *sum,
                                    size_t *rings, hr_ring_metrics *metrics);

/* Calls `look` while nobody delivers; for sinks without a thread. It must
 * need no lock of the caller's. */
void hr_sink_inspect(hr_sink *sink,
                     void (*look)(const hr_sink_target *target, void *context),
                     void *context);

/* A line for the log: at most one a minute. False when there is none; true
 * hands it out once. One relaxed load in the common case. Any thread. */
bool hr_sink_take_notice(hr_sink *sink, char notice[HR_NOTICE_MAX]);

/* Gives up the reference of hr_sink_new; the thread holds one of its own while
 * it runs, gates borrow. NULL is fine. */
void hr_sink_release(hr_sink *sink);

#endif
