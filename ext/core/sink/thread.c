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
#include "sink/private.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ring/file.h"
#include "ring/totals.h"

#define NS_PER_MS INT64_C(1000000)

typedef struct loop {
    hr_sink *sink;
    int64_t quiet_since_ns; /* no event since then */
    int64_t adopt_at_ns;    /* next look for dead rings */
    int64_t wait_ns;        /* before the next attempt; 0: the last was good */
    bool failing;           /* a failure was told, its end was not */
    bool warned;            /* that the server may evict was told */
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

static void
learn(hr_sink *sink)
{
    hr_sink_target_report report = {.delivery = ""};
    sink->target->ops->report(sink->target, &report);
    pthread_mutex_lock(&sink->lock);
    sink->report = report;
    pthread_mutex_unlock(&sink->lock);
    hr_ring_beacon *beacon = &sink->ring.header->beacon;
    memcpy(beacon->delivery, report.delivery, sizeof(beacon->delivery));
    memcpy(beacon->server, report.server, sizeof(beacon->server));
}

/* What became of the last attempt, for readers of the ring. */
static void
tell(hr_sink *sink, hr_sink_state state, hr_status error)
{
    hr_ring_beacon *beacon = &sink->ring.header->beacon;
    atomic_store(&beacon->state, (uint32_t)state);
    atomic_store(&beacon->error, (uint32_t)error);
    atomic_store(&beacon->failures, atomic_load(&sink->failures));
}

static void
note_success(loop *self)
{
    hr_sink *sink = self->sink;
    self->wait_ns = 0;
    atomic_store(&sink->ring.header->beacon.delivered_ms, hr_clock_wall_ms());
    if (atomic_load(&sink->state) == HR_SINK_DELIVERING) {
        return;
    }
    learn(sink);
    atomic_store(&sink->error, HR_OK);
    atomic_store(&sink->state, HR_SINK_DELIVERING);
    tell(sink, HR_SINK_DELIVERING, HR_OK);
    if (!self->warned && strstr(sink->report.delivery, "evict") != NULL) {
        char text[HR_NOTICE_MAX];
        snprintf(text, sizeof(text),
                 "%.300s may throw events away when its memory is short: its "
                 "maxmemory-policy is not noeviction",
                 sink->identity);
        hr_sink_notify(sink, text, true);
        self->warned = true;
    }
    if (self->failing) {
        char text[HR_NOTICE_MAX];
        snprintf(text, sizeof(text), "events reach %.300s again",
                 sink->identity);
        hr_sink_notify(sink, text, true);
        self->failing = false;
    }
}

static void
note_failure(loop *self, hr_status status)
{
    hr_sink *sink = self->sink;
    char text[HR_NOTICE_MAX];
    learn(sink);
    atomic_store(&sink->error, (int)status);
    atomic_fetch_add(&sink->failures, 1);
    atomic_store(&sink->state, HR_SINK_WAITING);
    tell(sink, HR_SINK_WAITING, status);
    snprintf(text, sizeof(text),
             "events do not reach %.200s: %s (%.150s); %llu are waiting",
             sink->identity, hr_status_text(status), sink->report.detail,
             (unsigned long long)hr_ring_counters_pending(
                 &sink->ring.header->stats));
    hr_sink_notify(sink, text, false);
    self->failing = true;
}

static void
expire(hr_sink *sink, hr_ring_batch *batch)
{
    if (sink->settings.max_age_ms != 0) {
        hr_ring_batch_expire(batch,
                             hr_clock_wall_ms() - sink->settings.max_age_ms);
    }
}

/* The clock is coarse: many events of a batch have the same time, and go into
 * the histogram together. */
static void
measure_queue(const hr_ring_batch *batch, size_t from)
{
    hr_ring_counters_histogram *queue = &batch->ring->header->stats.queue;
    int64_t now = hr_clock_wall_ms();
    for (size_t i = from; i < batch->count;) {
        int64_t time_ms = batch->events[i].event.time_ms;
        uint64_t us = now > time_ms ? (uint64_t)(now - time_ms) * 1000 : 0;
        uint64_t times = 0;
        for (; i < batch->count && batch->events[i].event.time_ms == time_ms;
             i++) {
            times++;
        }
        hr_ring_counters_raise(
            &queue->bucket[hr_ring_counters_histogram_index(us)], times);
        hr_ring_counters_raise(&queue->sum, us * times);
        hr_ring_counters_raise(&queue->count, times);
    }
}

/* One attempt. OK: the batch is settled and its room is free again. */
static hr_status
deliver(loop *self, hr_ring_batch *batch, uint64_t *delivered)
{
    hr_sink *sink = self->sink;
    hr_status status = HR_OK;
    expire(sink, batch);
    if (batch->waiting != 0) {
        status = sink->target->ops->deliver(sink->target, batch, &sink->wake);
    }
    if (status == HR_OK) {
        *delivered = hr_ring_batch_finish(batch);
        note_success(self);
        hr_sink_announce(sink);
    } else if (status != HR_CLOSED) {
        note_failure(self, status);
    }
    return status;
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

/* ---- rings of the dead -------------------------------------------------- */

static void
finish_adoption(loop *self)
{
    hr_sink *sink = self->sink;
    hr_ring_counters *stats = &sink->ring.header->stats;
    hr_ring_counters_raise(&stats->adopted_rings, 1);
    hr_ring_counters_raise(&stats->adopted_torn, sink->adopted_batch.torn);
    /* All that it held is settled. What was counted as accepted but never
     * committed was never answered either. */
    hr_ring_counters *theirs = &sink->adopted.header->stats;
    atomic_store(&theirs->accepted, hr_ring_counters_read(&theirs->delivered) +
                                        hr_ring_counters_sum(theirs->dropped));
    hr_ring_totals_retire(sink->ring_dir, &sink->adopted);
    hr_ring_file_unmap(&sink->adopted);
    sink->adopted_batch.torn = 0;
    sink->adopted_batch.ring = NULL;
    /* There may be more. */
    self->adopt_at_ns = 0;
}

/* A ring that nobody wrote to for six days (markers live for seven), and the
 * oldest ones when there are too many, are not delivered any more. */
static void
drop_stale(hr_sink *sink, size_t dead)
{
    hr_ring_header *header = sink->adopted.header;
    int64_t newest = atomic_load(&header->touched_ms);
    hr_ring_batch *batch = &sink->adopted_batch;
    uint64_t found = 0;
    uint64_t taken = sink->adopted.taken;
    do {
        hr_ring_batch_take(batch, &sink->adopted, sink->settings.batch, true);
        for (size_t i = 0; i < batch->count; i++) {
            if (batch->events[i].event.time_ms > newest) {
                newest = batch->events[i].event.time_ms;
            }
        }
        found += batch->count;
        hr_ring_batch_reset(batch);
    } while (sink->adopted.taken < hr_ring_head(&sink->adopted));
    sink->adopted.taken = taken;
    batch->torn = 0;
    if (dead > HR_RINGS_MAX ||
        newest < hr_clock_wall_ms() - (int64_t)HR_RING_STALE_MS) {
        hr_ring_counters_dropped(&header->stats, HR_STALE_RING, found);
        sink->adopted.taken = hr_ring_head(&sink->adopted);
        hr_ring_release(&sink->adopted, sink->adopted.taken);
    }
}

/* Rings that are not taken over, which a newer or older version may have
 * left: told when there are more of them than before. */
static void
note_left_alone(hr_sink *sink, size_t count)
{
    uint64_t before = atomic_exchange(
        &sink->ring.header->stats.rings_left_alone, (uint64_t)count);
    if (count > before) {
        char text[HR_NOTICE_MAX];
        snprintf(text, sizeof(text),
                 "%zu ring files beside %.200s are of another format, owner "
                 "or mode: they are left alone",
                 count, sink->ring.path);
        hr_sink_notify(sink, text, true);
    }
}

/* Looks for a dead ring when it is time to; takes its next batch. False:
 * there is nothing to adopt. */
static bool
take_adopted(loop *self)
{
    hr_sink *sink = self->sink;
    int64_t now = hr_clock_steady_ns();
    if (sink->adopted.header == NULL) {
        hr_ring_file_scan scan;
        if (now < self->adopt_at_ns || sink->ring.path[0] == '\0') {
            return false;
        }
        self->adopt_at_ns = now + HR_ADOPT_EVERY_MS * NS_PER_MS;
        atomic_store(&sink->ring.header->touched_ms, hr_clock_wall_ms());
        hr_status status = hr_ring_file_adopt(&sink->adopted, sink->ring_dir,
                                              sink->target_name, &scan);
        note_left_alone(sink, scan.left_alone);
        if (status != HR_OK) {
            return false;
        }
        drop_stale(sink, scan.dead);
    }
    hr_ring_batch_take(&sink->adopted_batch, &sink->adopted,
                       sink->settings.batch, true);
    return true;
}

/* One batch of a dead ring. */
static hr_status
adopt(loop *self)
{
    hr_sink *sink = self->sink;
    if (!take_adopted(self)) {
        return HR_ABSENT;
    }
    bool last = sink->adopted_batch.count == 0;
    uint64_t delivered = 0;
    hr_status status = deliver(self, &sink->adopted_batch, &delivered);
    if (status == HR_OK) {
        hr_ring_counters_raise(&sink->ring.header->stats.adopted_events,
                               delivered);
        if (last) {
            finish_adoption(self);
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
    uint64_t head = atomic_load(&sink->ring.header->head) & ~HR_RING_SEALED;
    if (head != sink->ring.taken) {
        /* Reserved, and committed within nanoseconds, unless that thread was
         * sent to sleep in between. */
        status = sleep_until(sink, hr_clock_steady_ns() + NS_PER_MS);
    } else if (!is_flushing(sink)) {
        int fd = ops->fd != NULL ? ops->fd(sink->target) : -1;
        int64_t until = self->adopt_at_ns;
        int64_t now = hr_clock_steady_ns();
        if (until < now + NS_PER_MS) {
            until = now + HR_ADOPT_EVERY_MS * NS_PER_MS;
        }
        status = hr_wake_wait(&sink->wake, fd, POLLIN, until);
        if (status == HR_OK) {
            ops->attend(sink->target);
        }
    }
    atomic_store(&sink->thread_state, HR_SINK_THREAD_AWAKE);
    return status;
}

/* Takes what is there; true when a batch should go out now. */
static bool
gather(loop *self)
{
    hr_sink *sink = self->sink;
    hr_ring_batch *batch = &sink->batch;
    size_t before = batch->count;
    hr_ring_batch_take(batch, &sink->ring, sink->settings.batch, false);
    measure_queue(batch, before);
    if (batch->count != before) {
        self->quiet_since_ns = hr_clock_steady_ns();
    }
    return batch->count != 0;
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
    if (sink->ring_bytes < (1U << 20) && linger_ns > 2 * NS_PER_MS) {
        return 2 * NS_PER_MS;
    }
    return linger_ns;
}

static hr_status
turn(loop *self)
{
    hr_sink *sink = self->sink;
    uint64_t delivered;
    hr_status status = HR_OK;
    if (!gather(self)) {
        status = adopt(self);
        if (status != HR_ABSENT) {
            return status;
        }
        if (hr_clock_steady_ns() - self->quiet_since_ns >
            HR_SINK_QUIET_MS * NS_PER_MS) {
            return sleep_deeply(self);
        }
        int64_t nap = linger(sink);
        return sleep_until(sink, hr_clock_steady_ns() +
                                     (nap > NS_PER_MS ? nap : NS_PER_MS));
    }
    if (!is_full(sink)) {
        status = sleep_until(sink, hr_clock_steady_ns() + linger(sink));
        if (status == HR_CLOSED) {
            return status;
        }
        gather(self);
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
    loop self = {.sink = sink, .quiet_since_ns = hr_clock_steady_ns()};
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
    hr_ring_file_abandon(&sink->adopted, false);
    hr_ring_file_unmap(&sink->adopted);
    pthread_mutex_lock(&sink->lock);
    sink->running = false;
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
    hr_sink_life_release(sink);
    return NULL;
}

void
hr_sink_thread_drain(hr_sink *sink)
{
    loop self = {.sink = sink};
    uint64_t delivered;
    while (gather(&self)) {
        if (deliver(&self, &sink->batch, &delivered) != HR_OK) {
            return;
        }
    }
}
