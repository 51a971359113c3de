/* SPDX-License-Identifier: MIT */
/* What sink/sink.c (called by other threads) and sink/thread.c (the thread)
 * share.
 *
 * Who may touch what:
 *   atomic members     anybody
 *   "lock"             under `lock`
 *   "thread"           the sink thread, or whoever delivers in its place
 *   "fixed"            never changes after hr_sink_life_new
 *   "start"            changes while `page->up` is 0, under `lock`
 * Lock order: `lock`, then the fork guard's. */
#ifndef HR_SINK_PRIVATE_H
#define HR_SINK_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ring/batch.h"
#include "base/fork_guard.h"
#include "sink/sink.h"
#include "base/wake.h"

/* How fast the thread will see a committed event. The order matters: from
 * DEEP_IDLE on, emit does something about it. */
enum {
    HR_SINK_THREAD_AWAKE,     /* it looks at the ring within one linger */
    HR_SINK_THREAD_DEEP_IDLE, /* it sleeps until it is called */
    HR_SINK_THREAD_MISSING    /* it could not be started */
};

/* One page that a forked child finds zeroed (MADV_WIPEONFORK), whatever
 * way it was forked. */
typedef struct hr_sink_page {
    _Atomic uint32_t up;     /* the ring takes events in this process */
    _Atomic uint32_t mapped; /* the ring's memory is there */
} hr_sink_page;

typedef struct hr_sink_limit {
    hr_span kind;   /* owned */
    uint64_t units; /* of the ring that this kind may fill */
} hr_sink_limit;

struct hr_sink {
    hr_sink_page *page; /* fixed; mapped, owned */
    hr_ring ring;       /* start */
    uint64_t units;     /* fixed: what an ordinary kind may fill */
    hr_sink_limit limits[HR_RING_RESERVES_MAX]; /* fixed */
    size_t limit_count;                         /* fixed */
    uint64_t sample_below; /* fixed: kept when a random number is below */
    char sample_text[24];  /* fixed: the field `sample`; "" keep all */
    size_t ring_bytes;     /* fixed */
    char *ring_dir;        /* fixed; owned; NULL: the default */
    char *identity;        /* fixed; owned */
    char *greeting;        /* fixed; owned; NULL: none */
    char target_name[HR_RING_PRODUCER_SIZE]; /* fixed: hash of identity */
    hr_sink_settings settings;   /* fixed; its spans are not used */
    hr_sink_target *target;      /* fixed; owned; used by "thread" */
    void *own_stats_block;       /* fixed; owned; holds own_stats */
    hr_ring_counters *own_stats; /* fixed; without a ring */
    _Atomic unsigned references;
    _Atomic uint64_t sampled; /* events asked about */
    char apart[64];           /* what the thread writes is on other lines */

    _Atomic int thread_state;
    _Atomic int notice_ready;
    _Atomic uint64_t flush_to; /* a flush waits for this position */
    _Atomic int state;         /* hr_sink_state */
    _Atomic int error;         /* hr_status */
    _Atomic uint64_t failures;
    hr_wake wake; /* its call: anybody */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* with lock: tail moved, or the thread left */
    bool closed;            /* lock */
    bool running;           /* lock: the thread exists in this process */
    bool delivering;        /* lock: somebody delivers without a thread */
    unsigned waiters;       /* lock: how many wait for `changed` */
    int64_t retry_at_ns;    /* lock: next try to get a ring or a thread */
    hr_sink_target_report report; /* lock */
    char notice[HR_NOTICE_MAX];   /* lock */
    int64_t noticed_ns;           /* lock: when the last one was made */
    bool greeted;                 /* lock */
    hr_fork_guard_entry fork;

    hr_ring_batch batch;         /* thread */
    hr_ring_batch adopted_batch; /* thread */
    hr_ring adopted;             /* thread */
    uint64_t random;             /* thread: state of the jitter */
};

/* The thread's body; `context` is the sink, one reference of it is the
 * thread's. */
void *hr_sink_thread(void *context);

/* Takes and delivers until the ring is empty or the target fails; for sinks
 * without a thread. With `delivering` set. */
void hr_sink_thread_drain(hr_sink *sink);

/* Tells those who wait in flush and close. */
void hr_sink_announce(hr_sink *sink);

/* Makes `text` the next log line, unless there was one within a minute and
 * `always` is not set. */
void hr_sink_notify(hr_sink *sink, const char *text, bool always);

#endif
