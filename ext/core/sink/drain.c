/* SPDX-License-Identifier: MIT */
#include "sink/drain.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "sink/state.h"

/* What became of the last attempt, for readers of the sink and of the ring. */
static void
note(hr_sink *sink, hr_sink_phase state, hr_status error)
{
    hr_ring_header_beacon *beacon =
        hr_ring_header_beacon_of(sink->ring.header);
    hr_sink_target_report report = {.delivery = ""};
    sink->target->ops->report(sink->target, &report);
    pthread_mutex_lock(&sink->lock);
    sink->report = report;
    pthread_mutex_unlock(&sink->lock);
    memcpy(beacon->delivery, report.delivery, sizeof(beacon->delivery));
    memcpy(beacon->server, report.server, sizeof(beacon->server));
    atomic_store(&sink->error, (int)error);
    atomic_store(&sink->state, (int)state);
    atomic_store(&beacon->state, (uint32_t)state);
    atomic_store(&beacon->error, (uint32_t)error);
    atomic_store(&beacon->failures, atomic_load(&sink->failures));
}

static void
note_success(hr_sink_drain *self)
{
    hr_sink *sink = self->sink;
    atomic_store(&hr_ring_header_beacon_of(sink->ring.header)->delivered_ms,
                 hr_clock_wall_ms());
    if (atomic_load(&sink->state) == HR_SINK_DELIVERING) {
        return;
    }
    note(sink, HR_SINK_DELIVERING, HR_OK);
    if (!self->warned && sink->report.may_evict) {
        hr_sink_state_notify(
            sink, true,
            "%.300s may throw events away when its memory is short: its "
            "maxmemory-policy is not noeviction",
            sink->identity);
        self->warned = true;
    }
    if (self->failing) {
        hr_sink_state_notify(sink, true, "events reach %.300s again",
                             sink->identity);
        self->failing = false;
    }
}

static void
note_failure(hr_sink_drain *self, hr_status status)
{
    hr_sink *sink = self->sink;
    atomic_fetch_add(&sink->failures, 1);
    note(sink, HR_SINK_WAITING, status);
    hr_sink_state_notify(
        sink, false,
        "events do not reach %.200s: %s (%.150s); %llu are waiting",
        sink->identity, hr_status_text(status), sink->report.detail,
        (unsigned long long)hr_ring_counters_pending(
            hr_sink_state_counters(sink)));
    self->failing = true;
}

/* The clock is coarse: many events of a batch have the same time, and go into
 * the histogram together. */
static void
measure_queue(const hr_ring_batch *batch, size_t from)
{
    hr_ring_counters_histogram *queue =
        &hr_ring_header_counters(batch->ring->header)->queue;
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

bool
hr_sink_drain_gather(hr_sink_drain *self)
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

hr_status
hr_sink_drain_deliver(hr_sink_drain *self, hr_ring_batch *batch,
                      uint64_t *delivered)
{
    hr_sink *sink = self->sink;
    hr_status status = HR_OK;
    if (sink->settings.max_age_ms != 0) {
        hr_ring_batch_expire(batch,
                             hr_clock_wall_ms() - sink->settings.max_age_ms);
    }
    if (batch->waiting != 0) {
        status = sink->target->ops->deliver(sink->target, batch, &sink->wake);
    }
    if (status == HR_OK) {
        *delivered = hr_ring_batch_finish(batch);
        note_success(self);
        hr_sink_state_announce(sink);
    } else if (status != HR_CLOSED) {
        note_failure(self, status);
    }
    return status;
}

void
hr_sink_drain_all(hr_sink *sink)
{
    hr_sink_drain self = {.sink = sink};
    uint64_t delivered;
    while (hr_sink_drain_gather(&self)) {
        if (hr_sink_drain_deliver(&self, &sink->batch, &delivered) != HR_OK) {
            return;
        }
    }
}
