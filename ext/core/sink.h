/* SPDX-License-Identifier: MIT */
/* The sink: a ring, and the thread that moves its events to the target.
 * See docs/internals/sink.md. */
#ifndef PS_SINK_H
#define PS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "event.h"
#include "metrics.h"
#include "ring.h"
#include "span.h"
#include "stats.h"
#include "status.h"
#include "target.h"

typedef struct ps_sink ps_sink;

/* Headroom: this part of the ring is kept for one kind of event. */
typedef struct ps_sink_reserve {
    ps_span kind;
    double part; /* 0 to 1; all together below 1 */
} ps_sink_reserve;

typedef struct ps_sink_settings {
    ps_target *target; /* the sink takes it over when it is made */
    ps_span identity;  /* names the target, without credentials; copied */
    bool threaded;     /* false: flush and a full ring deliver at once */
    size_t ring_bytes; /* rounded down to a power of two */
    ps_span ring_dir;  /* absent: /dev/shm; empty: anonymous; copied */
    size_t batch;      /* the most events of one batch */
    int64_t linger_ns; /* waited for a batch to fill */
    int64_t reconnect_first_ns;      /* first wait after a failure */
    int64_t reconnect_longest_ns;    /* the longest; both 0: the default */
    int64_t max_age_ms;              /* older events expire; 0: never */
    double sample;                   /* the part of events that is kept */
    const ps_sink_reserve *reserves; /* copied */
    size_t reserve_count;
    ps_span greeting; /* a log line at the first event, or absent; copied */
} ps_sink_settings;

/* A sink that has no ring, thread, socket or file yet: the first event brings
 * them. SETTING (`*why` names it), NO_MEMORY, SYSTEM. The caller owns one
 * reference. */
PS_CHECKED ps_status ps_sink_new(const ps_sink_settings *settings,
                                 ps_sink **sink, const char **why);

/* Puts one event into this process's ring; starts the thread on the first
 * one. OK: it is committed. FULL, TOO_BIG, CLOSED, SAMPLED, and NO_MEMORY or
 * SYSTEM where no ring can be had: refused and counted. Never blocks, never
 * touches a socket. Any thread. */
PS_CHECKED ps_status ps_sink_emit(ps_sink *sink, ps_span kind,
                                  const ps_field *fields, size_t count,
                                  uint32_t flags);

/* Does this sink keep only some events, and say so in each? */
bool ps_sink_is_sampling(const ps_sink *sink);

/* ps_sink_emit() for fields that are written already, as for
 * ps_event_write_body(): for a sink that is not sampling, and an event below
 * all caps. Any thread. */
PS_CHECKED ps_status ps_sink_emit_written(ps_sink *sink, ps_span kind,
                                          ps_span body, unsigned field_count,
                                          uint32_t flags);

/* Counts an event that the caller itself refused. Any thread. */
void ps_sink_refuse(ps_sink *sink, ps_status reason);

/* Waits until all events that were committed before the call are settled, at
 * most until the steady clock shows `deadline_ns`. Answers how many events of
 * this process are still pending, 0 when those are settled. Blocks; any
 * thread. */
uint64_t ps_sink_flush(ps_sink *sink, int64_t deadline_ns);

/* Takes no more events, flushes, stops the thread. What is left stays in the
 * ring file for adoption. Answers as flush. Twice is fine. Blocks. */
uint64_t ps_sink_close(ps_sink *sink, int64_t deadline_ns);

bool ps_sink_is_closed(const ps_sink *sink);

/* This process's counters, valid until the next fork or the last release.
 * Any thread. */
ps_stats *ps_sink_stats(ps_sink *sink);

/* This process's metrics; makes the ring when there is none. NULL where it is
 * closed or cannot be made. Valid as ps_sink_stats. Any thread. */
ps_metrics *ps_sink_metrics(ps_sink *sink);

typedef enum ps_sink_state {
    PS_SINK_IDLE,       /* no event yet in this process */
    PS_SINK_CONNECTING, /* no attempt has ended yet */
    PS_SINK_DELIVERING, /* the last attempt succeeded */
    PS_SINK_WAITING,    /* the last attempt failed; the next one will come */
    PS_SINK_CLOSED
} ps_sink_state;

/* What stats() tells beside the counters. */
typedef struct ps_sink_report {
    ps_sink_state state;
    ps_status error;   /* of the last failed attempt; OK: none since */
    uint64_t failures; /* attempts that failed, ever */
    ps_target_report target;
    char producer[PS_PRODUCER_SIZE + 1];
    char target_name[PS_PRODUCER_SIZE + 1]; /* as in the ring's file name */
    char ring_path[PS_RING_PATH_MAX];       /* "" when anonymous or none */
    bool survives_kill;
    uint64_t ring_bytes;
    uint64_t ring_used;
} ps_sink_report;

/* Any thread; takes a lock that is only ever held briefly. */
void ps_sink_describe(ps_sink *sink, ps_sink_report *report);

/* The folder given for rings, NULL for the default one. Borrowed. */
const char *ps_sink_ring_dir(const ps_sink *sink);

/* The counters of all processes of this host and user that use the same
 * target, the ended ones included; `*rings` of them are alive or not yet
 * adopted. `metrics` may be NULL. SYSTEM where there is no folder for rings.
 * Any thread; reads files. */
PS_CHECKED ps_status ps_sink_totals(ps_sink *sink, ps_stats *sum,
                                    size_t *rings, ps_metrics *metrics);

/* The target, for what is particular to it. Borrowed. */
ps_target *ps_sink_target(ps_sink *sink);

/* Calls `look` while nobody delivers; for sinks without a thread. It must
 * need no lock of the caller's. */
void ps_sink_inspect(ps_sink *sink,
                     void (*look)(const ps_target *target, void *context),
                     void *context);

/* A line for the log: at most one a minute. False when there is none; true
 * hands it out once. One relaxed load in the common case. Any thread. */
bool ps_sink_take_notice(ps_sink *sink, char notice[PS_NOTICE_MAX]);

/* Shared by the Python object and every gate that uses it. */
ps_sink *ps_sink_retain(ps_sink *sink);
void ps_sink_release(ps_sink *sink);

#endif
