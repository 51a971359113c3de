/* SPDX-License-Identifier: MIT */
/* Finishing is a journalled step: hr_ring_header_settle writes down what the
 * counters will be, then counts, and then the tail moves. A process killed in
 * between leaves enough to finish it, so that the ledger of a dead process is
 * exact too. */
#include "ring/batch.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/config.h"

hr_status
hr_ring_batch_init(hr_ring_batch *batch, size_t room)
{
    *batch = (hr_ring_batch){.room = room};
    batch->events = hr_alloc_zeroed(room, sizeof(*batch->events));
    return batch->events != NULL ? HR_OK : HR_NO_MEMORY;
}

void
hr_ring_batch_fini(hr_ring_batch *batch)
{
    hr_alloc_free(batch->events);
    *batch = (hr_ring_batch){0};
}

/* The next record of the ring, wherever it begins. */
static hr_status
next_record(hr_ring_batch *batch, const hr_ring *ring, bool salvage,
            hr_span *record, uint64_t *start, uint64_t *next)
{
    if (salvage) {
        return hr_ring_salvage(ring, ring->taken, record, start, next,
                               &batch->torn);
    }
    *start = ring->taken;
    return hr_ring_look(ring, ring->taken, record, next);
}

void
hr_ring_batch_take(hr_ring_batch *batch, hr_ring *ring, size_t limit,
                   bool salvage)
{
    assert(batch->count == 0 || batch->ring == ring);
    if (batch->count == 0) {
        batch->ring = ring;
        batch->end = ring->taken;
    }
    if (limit > batch->room) {
        limit = batch->room;
    }
    while (batch->count < limit && batch->bytes < HR_BATCH_BYTES_MAX) {
        hr_span record;
        uint64_t start;
        uint64_t next;
        hr_status status =
            next_record(batch, ring, salvage, &record, &start, &next);
        if (status == HR_ABSENT && salvage) {
            batch->end = ring->taken = hr_ring_head(ring);
        }
        if (status != HR_OK) {
            return;
        }
        hr_ring_batch_event *taken = &batch->events[batch->count++];
        *taken = (hr_ring_batch_event){.sequence = start};
        if (hr_ring_event_read(record, &taken->event) == HR_OK) {
            batch->waiting++;
        } else {
            taken->state = HR_RING_BATCH_REJECTED;
        }
        batch->bytes += record.len;
        batch->end = ring->taken = next;
    }
}

void
hr_ring_batch_reset(hr_ring_batch *batch)
{
    batch->count = 0;
    batch->waiting = 0;
    batch->bytes = 0;
}

void
hr_ring_batch_settle(hr_ring_batch *batch, size_t index,
                     hr_ring_batch_state state)
{
    assert(batch->events[index].state == HR_RING_BATCH_WAITING);
    batch->events[index].state = state;
    batch->waiting--;
}

void
hr_ring_batch_expire(hr_ring_batch *batch, int64_t oldest_ms)
{
    for (size_t i = 0; i < batch->count; i++) {
        hr_ring_batch_event *event = &batch->events[i];
        if (event->state == HR_RING_BATCH_WAITING &&
            event->event.time_ms < oldest_ms) {
            hr_ring_batch_settle(batch, i, HR_RING_BATCH_EXPIRED);
        }
    }
}

uint64_t
hr_ring_batch_finish(hr_ring_batch *batch)
{
    assert(batch->waiting == 0);
    if (batch->ring == NULL) {
        return 0;
    }
    uint64_t delivered = 0;
    uint64_t expired = 0;
    uint64_t rejected = 0;
    for (size_t i = 0; i < batch->count; i++) {
        hr_ring_batch_state state = batch->events[i].state;
        delivered += state == HR_RING_BATCH_DELIVERED;
        expired += state == HR_RING_BATCH_EXPIRED;
        rejected += state == HR_RING_BATCH_REJECTED;
    }
    hr_ring_header_settle(batch->ring->header, batch->end, delivered, expired,
                          rejected);
    hr_ring_release(batch->ring, batch->end);
    batch->count = 0;
    batch->bytes = 0;
    return delivered;
}
