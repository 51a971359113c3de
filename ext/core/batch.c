/* SPDX-License-Identifier: MIT */
/* Finishing is a journalled step: the counters as they will be are written
 * down first, then counted, then the tail moves. A process killed in between
 * leaves enough to finish it, so that the ledger of a dead process is exact
 * too. */
#include "batch.h"

#include <assert.h>

#include "alloc.h"
#include "config.h"

hr_status
hr_batch_init(hr_batch *batch, size_t room)
{
    *batch = (hr_batch){.room = room};
    batch->events = hr_calloc(room, sizeof(*batch->events));
    return batch->events != NULL ? HR_OK : HR_NO_MEMORY;
}

void
hr_batch_fini(hr_batch *batch)
{
    hr_free(batch->events);
    *batch = (hr_batch){0};
}

/* The next record of the ring, wherever it begins. */
static hr_status
next_record(hr_batch *batch, const hr_ring *ring, bool salvage,
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
hr_batch_take(hr_batch *batch, hr_ring *ring, size_t limit, bool salvage)
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
        hr_batch_event *taken = &batch->events[batch->count++];
        *taken = (hr_batch_event){.sequence = start};
        if (hr_event_read(record, &taken->event) == HR_OK) {
            batch->waiting++;
        } else {
            taken->state = HR_EVENT_REJECTED;
        }
        batch->bytes += record.len;
        batch->end = ring->taken = next;
    }
}

void
hr_batch_reset(hr_batch *batch)
{
    batch->count = 0;
    batch->waiting = 0;
    batch->bytes = 0;
}

void
hr_batch_settle(hr_batch *batch, size_t index, hr_event_state state)
{
    assert(batch->events[index].state == HR_EVENT_WAITING);
    batch->events[index].state = state;
    batch->waiting--;
}

void
hr_batch_expire(hr_batch *batch, int64_t oldest_ms)
{
    for (size_t i = 0; i < batch->count; i++) {
        hr_batch_event *event = &batch->events[i];
        if (event->state == HR_EVENT_WAITING &&
            event->event.time_ms < oldest_ms) {
            hr_batch_settle(batch, i, HR_EVENT_EXPIRED);
        }
    }
}

uint64_t
hr_batch_finish(hr_batch *batch)
{
    assert(batch->waiting == 0);
    if (batch->ring == NULL) {
        return 0;
    }
    hr_ring_header *header = batch->ring->header;
    hr_stats *stats = &header->stats;
    uint64_t delivered = 0;
    uint64_t expired = 0;
    uint64_t rejected = 0;
    for (size_t i = 0; i < batch->count; i++) {
        hr_event_state state = batch->events[i].state;
        delivered += state == HR_EVENT_DELIVERED;
        expired += state == HR_EVENT_EXPIRED;
        rejected += state == HR_EVENT_REJECTED;
    }
    hr_ring_journal *journal = &header->journal;
    atomic_store(&journal->delivered,
                 hr_counted(&stats->delivered) + delivered);
    atomic_store(&journal->expired,
                 hr_counted(&stats->dropped[HR_EXPIRED]) + expired);
    atomic_store(&journal->rejected,
                 hr_counted(&stats->dropped[HR_REJECTED]) + rejected);
    atomic_store(&journal->end, batch->end);
    hr_count(&stats->dropped[HR_EXPIRED], expired);
    hr_count(&stats->dropped[HR_REJECTED], rejected);
    atomic_fetch_add_explicit(&stats->delivered, delivered,
                              memory_order_release);
    hr_ring_release(batch->ring, batch->end);
    batch->count = 0;
    batch->bytes = 0;
    return delivered;
}
