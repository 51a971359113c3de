/* SPDX-License-Identifier: MIT */
/* The sink's state: what the threads that call it (sink/sink.c) and its own
 * thread (sink/thread.c and what that calls) share. Nobody else knows it.
 *
 * Who may touch what:
 *   atomic members     anybody
 *   "lock"             under `lock`
 *   "thread"           the sink thread, or whoever delivers in its place
 *   "fixed"            never changes after hr_sink_state_new
 *   "start"            changes while `page->up` is 0, under `lock`
 * Lock order: `lock`, then the fork guard's. */
#ifndef HR_SINK_STATE_H
#define HR_SINK_STATE_H

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
typedef struct hr_sink_state_page {
    _Atomic uint32_t up; /* the ring takes events in this process */
    _Atomic(hr_ring_header *) header; /* the ring's; NULL: `own` */
} hr_sink_state_page;

typedef struct hr_sink_state_limit {
    hr_span kind;   /* owned */
    uint64_t units; /* of the ring that this kind may fill */
} hr_sink_state_limit;

struct hr_sink_state {
    hr_sink_state_page *page; /* fixed; mapped, owned */
    hr_ring ring;             /* start */
    uint64_t units;           /* fixed: what an ordinary kind may fill */
    hr_sink_state_limit limits[HR_RING_RESERVES_MAX]; /* fixed */
    size_t limit_count;                               /* fixed */
    uint64_t sample_below; /* fixed: kept when a random number is below */
    char sample_text[24];  /* fixed: the field `sample`; "" keep all */
    size_t ring_bytes;     /* fixed */
    char *ring_dir;        /* fixed; owned; NULL: the default */
    char *identity;        /* fixed; owned */
    char *greeting;        /* fixed; owned; NULL: none */
    char target_name[HR_RING_PRODUCER_SIZE]; /* fixed: hash of identity */
    hr_sink_settings settings; /* fixed; its spans are not used */
    hr_sink_target *target;    /* fixed; owned; used by "thread" */
    hr_ring_header *own;       /* fixed; owned; while there is no ring */
    _Atomic unsigned references;
    _Atomic uint64_t sampled; /* events asked about */
    char apart[64];           /* what the thread writes is on other lines */

    _Atomic int thread_state;
    _Atomic int notice_ready;
    _Atomic uint64_t flush_to; /* a flush waits for this position */
    _Atomic int state;         /* hr_sink_phase */
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
    int64_t adopt_at_ns;         /* thread: next look for dead rings */
    uint64_t random;             /* thread: state of the jitter */
};

/* What this process shows, whether it has a ring or not. Any thread. */
static inline hr_ring_header *
hr_sink_state_header(const hr_sink *sink)
{
    hr_ring_header *header =
        atomic_load_explicit(&sink->page->header, memory_order_acquire);
    return header != NULL ? header : sink->own;
}

static inline hr_ring_counters *
hr_sink_state_counters(const hr_sink *sink)
{
    return hr_ring_header_counters(hr_sink_state_header(sink));
}

/* As hr_sink_new, for settings that were checked. NO_MEMORY, SYSTEM. */
HR_CHECKED hr_status hr_sink_state_new(const hr_sink_settings *settings,
                                       hr_sink **sink);

/* Gives up one of `references`; the last one frees it. NULL is fine. */
void hr_sink_state_release(hr_sink *sink);

/* Under `lock`: waits for hr_sink_state_announce. False: the steady clock
 * shows `deadline_ns`. */
HR_CHECKED bool hr_sink_state_wait(hr_sink *sink, int64_t deadline_ns);

/* Tells those who wait that the tail has moved. Takes `lock`. */
void hr_sink_state_announce(hr_sink *sink);

/* Makes what is given, as for printf, the next log line, unless there was one
 * within a minute and `always` is not set. Takes `lock`. */
__attribute__((format(printf, 3, 4))) void
hr_sink_state_notify(hr_sink *sink, bool always, const char *format, ...);

#endif
