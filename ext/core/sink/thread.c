/* SPDX-License-Identifier: MIT */
/* The thread: take, batch, deliver; sleep when there is nothing to do. It
 * never touches Python and never needs the GIL.
 *
 *   awake      looks at the ring at least every `linger`: producers do not
 *              have to call it
 *   deep idle  after a second without events: sleeps on its eventfd and the
 *              connection until the next event's producer calls it, once
 *
 * While the target fails, the batch stays as it is in the ring, and the wait
 * between attempts doubles up to the longest, with jitter. A flush ends a
 * wait early. */
#include "sink/thread.h"

#include <poll.h>

#include "base/clock.h"
#include "sink/adopt.h"
#include "sink/drain.h"
#include "sink/state.h"

typedef struct loop {
    hr_sink *sink;
    hr_sink_drain drain;
    int64_t wait_ns; /* before the next attempt; 0: the last was good */
} loop;

static hr_status
sleep_until(hr_sink *sink, int64_t deadline_ns)
{
    return hr_wake_wait(&sink->wake, -1, 0, deadline_ns);
}

static bool
is_flushing(const hr_sink *sink)
{
    return atomic_load(&sink->flush_to) > hr_ring_tail(&sink->ring);
}

/* The wait after another failure: twice the last, 25 % less to 50 % more. */
static int64_t
next_wait(loop *self)
{
    hr_sink *sink = self->sink;
    int64_t longest = sink->settings.reconnect_longest_ns;
    self->wait_ns = self->wait_ns == 0 ? sink->settings.reconnect_first_ns
                                       : self->wait_ns * 2;
    if (self->wait_ns > longest) {
        self->wait_ns = longest;
    }
    sink->random = sink->random * UINT64_C(6364136223846793005) +
                   UINT64_C(1442695040888963407);
    int64_t jitter = self->wait_ns / 4 * 3;
    return self->wait_ns - self->wait_ns / 4 +
           (int64_t)((double)(sink->random >> 33) / 2147483648.0 *
                     (double)jitter);
}

/* Waits for the next attempt. A flush may end the wait, but not twice. */
static hr_status
back_off(loop *self)
{
    hr_sink *sink = self->sink;
    int64_t until = hr_clock_steady_ns() + next_wait(self);
    uint64_t known = atomic_load(&sink->flush_to);
    for (;;) {
        hr_status status = sleep_until(sink, until);
        if (status == HR_CLOSED || status == HR_TIMEOUT ||
            atomic_load(&sink->flush_to) != known) {
            return status;
        }
    }
}

static hr_status
deliver(loop *self, hr_ring_batch *batch, uint64_t *delivered)
{
    hr_status status = hr_sink_drain_deliver(&self->drain, batch, delivered);
    if (status == HR_OK) {
        self->wait_ns = 0;
    }
    return status;
}

/* One batch of a dead ring. */
static hr_status
adopt(loop *self)
{
    hr_sink *sink = self->sink;
    if (!hr_sink_adopt_take(sink)) {
        return HR_ABSENT;
    }
    bool last = sink->adopted_batch.count == 0;
    uint64_t delivered = 0;
    hr_status status = deliver(self, &sink->adopted_batch, &delivered);
    if (status == HR_OK) {
        hr_ring_counters_raise(&hr_sink_state_counters(sink)->adopted_events,
                               delivered);
        if (last) {
            hr_sink_adopt_finish(sink);
        }
    }
    return status;
}

/* ---- the loop ----------------------------------------------------------- */

/* Nothing for a second: until somebody calls, the connection says something,
 * or it is time to look for dead rings. Writing the state and reading the
 * head, here, and moving the head and reading the state, in emit, are all
 * sequentially consistent: one of the two sees the other. */
static hr_status
sleep_deeply(loop *self)
{
    hr_sink *sink = self->sink;
    const hr_sink_target_ops *ops = sink->target->ops;
    hr_status status = HR_TIMEOUT;
    atomic_store(&sink->thread_state, HR_SINK_THREAD_DEEP_IDLE);
    uint64_t head = hr_ring_head_ordered(&sink->ring);
    if (head != sink->ring.taken) {
        /* Reserved, and committed within nanoseconds, unless that thread was
         * sent to sleep in between. */
        status = sleep_until(sink, hr_clock_steady_ns() + HR_CLOCK_NS_PER_MS);
    } else if (!is_flushing(sink)) {
        int fd = ops->fd != NULL ? ops->fd(sink->target) : -1;
        int64_t until = sink->adopt_at_ns;
        int64_t now = hr_clock_steady_ns();
        if (until < now + HR_CLOCK_NS_PER_MS) {
            until = now + HR_ADOPT_EVERY_MS * HR_CLOCK_NS_PER_MS;
        }
        status = hr_wake_wait(&sink->wake, fd, POLLIN, until);
        if (status == HR_OK) {
            ops->attend(sink->target);
        }
    }
    atomic_store(&sink->thread_state, HR_SINK_THREAD_AWAKE);
    return status;
}

static bool
is_full(const hr_sink *sink)
{
    return sink->batch.count == sink->settings.batch ||
           sink->batch.bytes >= HR_BATCH_BYTES_MAX || is_flushing(sink);
}

/* How long to wait for company: `linger`, but a small ring that fills faster
 * than that is looked at more often. */
static int64_t
linger(const hr_sink *sink)
{
    int64_t linger_ns = sink->settings.linger_ns;
    uint64_t used = hr_ring_head(&sink->ring) - hr_ring_tail(&sink->ring);
    if (used > sink->ring.units / 4) {
        return 0;
    }
    if (sink->ring_bytes < (1U << 20) && linger_ns > 2 * HR_CLOCK_NS_PER_MS) {
        return 2 * HR_CLOCK_NS_PER_MS;
    }
    return linger_ns;
}

static hr_status
turn(loop *self)
{
    hr_sink *sink = self->sink;
    uint64_t delivered;
    hr_status status = HR_OK;
    if (!hr_sink_drain_gather(&self->drain)) {
        status = adopt(self);
        if (status != HR_ABSENT) {
            return status;
        }
        if (hr_clock_steady_ns() - self->drain.quiet_since_ns >
            HR_SINK_QUIET_MS * HR_CLOCK_NS_PER_MS) {
            return sleep_deeply(self);
        }
        int64_t nap = linger(sink);
        return sleep_until(
            sink, hr_clock_steady_ns() +
                      (nap > HR_CLOCK_NS_PER_MS ? nap : HR_CLOCK_NS_PER_MS));
    }
    if (!is_full(sink)) {
        status = sleep_until(sink, hr_clock_steady_ns() + linger(sink));
        if (status == HR_CLOSED) {
            return status;
        }
        hr_sink_drain_gather(&self->drain);
    }
    status = deliver(self, &sink->batch, &delivered);
    if (status == HR_OK) {
        /* A busy sink takes turns with the rings of the dead. */
        status = adopt(self);
    }
    return status == HR_ABSENT ? HR_OK : status;
}

void *
hr_sink_thread(void *context)
{
    hr_sink *sink = context;
    loop self = {
        .sink = sink,
        .drain = {.sink = sink, .quiet_since_ns = hr_clock_steady_ns()},
    };
    pthread_setname_np(pthread_self(), "headrace-sink");
    hr_status status = HR_OK;
    while (status != HR_CLOSED) {
        status = turn(&self);
        if (status != HR_OK && status != HR_CLOSED && status != HR_TIMEOUT &&
            status != HR_ABSENT) {
            status = back_off(&self);
        }
    }
    sink->target->ops->close(sink->target);
    hr_sink_adopt_abandon(sink);
    pthread_mutex_lock(&sink->lock);
    sink->running = false;
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
    hr_sink_state_release(sink);
    return NULL;
}
