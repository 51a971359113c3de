/* SPDX-License-Identifier: MIT */
/* What sink.c (called by other threads) and sink_thread.c (the thread) share.
 *
 * Who may touch what:
 *   atomic members     anybody
 *   "lock"             under `lock`
 *   "thread"           the sink thread, or whoever delivers in its place
 *   "fixed"            never changes after ps_sink_new
 *   "start"            changes while `page->up` is 0, under `lock`
 * Lock order: `lock`, then the fork guard's. */
#ifndef PS_SINK_PRIVATE_H
#define PS_SINK_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "batch.h"
#include "fork_guard.h"
#include "sink.h"
#include "wake.h"

/* How fast the thread will see a committed event. The order matters: from
 * DEEP_IDLE on, emit does something about it. */
enum {
    PS_THREAD_AWAKE,     /* it looks at the ring within one linger */
    PS_THREAD_DEEP_IDLE, /* it sleeps until it is called */
    PS_THREAD_MISSING    /* it could not be started */
};

/* One page that a forked child finds zeroed (MADV_WIPEONFORK), whatever
 * way it was forked. */
typedef struct ps_sink_page {
    _Atomic uint32_t up;     /* the ring takes events in this process */
    _Atomic uint32_t mapped; /* the ring's memory is there */
} ps_sink_page;

typedef struct ps_sink_limit {
    ps_span kind;   /* owned */
    uint64_t units; /* of the ring that this kind may fill */
} ps_sink_limit;

struct ps_sink {
    ps_sink_page *page; /* fixed; mapped, owned */
    ps_ring ring;       /* start */
    uint64_t units;     /* fixed: what an ordinary kind may fill */
    ps_sink_limit limits[PS_RING_RESERVES_MAX]; /* fixed */
    size_t limit_count;                         /* fixed */
    uint64_t sample_below; /* fixed: kept when a random number is below */
    char sample_text[24];  /* fixed: the field `sample`; "" keep all */
    size_t ring_bytes;     /* fixed */
    char *ring_dir;        /* fixed; owned; NULL: the default */
    char *identity;        /* fixed; owned */
    char *greeting;        /* fixed; owned; NULL: none */
    char target_name[PS_PRODUCER_SIZE]; /* fixed: hash of identity */
    ps_sink_settings settings;          /* fixed; its spans are not used */
    ps_target *target;                  /* fixed; owned; used by "thread" */
    void *own_stats_block;              /* fixed; owned; holds own_stats */
    ps_stats *own_stats;                /* fixed; without a ring */
    _Atomic unsigned references;
    _Atomic uint64_t sampled; /* events asked about */
    char apart[64];           /* what the thread writes is on other lines */

    _Atomic int thread_state;
    _Atomic int notice_ready;
    _Atomic uint64_t flush_to; /* a flush waits for this position */
    _Atomic int state;         /* ps_sink_state */
    _Atomic int error;         /* ps_status */
    _Atomic uint64_t failures;
    ps_wake wake; /* its call: anybody */

    pthread_mutex_t lock;
    pthread_cond_t changed;     /* with lock: tail moved, or the thread left */
    bool closed;                /* lock */
    bool running;               /* lock: the thread exists in this process */
    bool delivering;            /* lock: somebody delivers without a thread */
    unsigned waiters;           /* lock: how many wait for `changed` */
    int64_t retry_at_ns;        /* lock: next try to get a ring or a thread */
    ps_target_report report;    /* lock */
    char notice[PS_NOTICE_MAX]; /* lock */
    int64_t noticed_ns;         /* lock: when the last one was made */
    bool greeted;               /* lock */
    ps_fork_entry fork;

    ps_batch batch;         /* thread */
    ps_batch adopted_batch; /* thread */
    ps_ring adopted;        /* thread */
    uint64_t random;        /* thread: state of the jitter */
};

/* The thread's body; `context` is the sink, one reference of it is the
 * thread's. */
void *ps_sink_thread(void *context);

/* Takes and delivers until the ring is empty or the target fails; for sinks
 * without a thread. With `delivering` set. */
void ps_sink_drain(ps_sink *sink);

/* Tells those who wait in flush and close. */
void ps_sink_announce(ps_sink *sink);

/* Makes `text` the next log line, unless there was one within a minute and
 * `always` is not set. */
void ps_sink_notify(ps_sink *sink, const char *text, bool always);

#endif
