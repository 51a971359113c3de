/* SPDX-License-Identifier: MIT */
/* Finishing is a journalled step: the counters as they will be are written
 * down first, then counted, then the tail moves. A process killed in between
 * leaves enough to finish it, so that the ledger of a dead process is exact
 * too. */
#include "batch.h"

#include <assert.h>

#include "alloc.h"
#include "config.h"

ps_status
ps_batch_init(ps_batch *batch, size_t room)
{
    *batch = (ps_batch){.room = room};
    batch->events = ps_calloc(room, sizeof(*batch->events));
    return batch->events != NULL ? PS_OK : PS_NO_MEMORY;
}

void
ps_batch_fini(ps_batch *batch)
{
    ps_free(batch->events);
    *batch = (ps_batch){0};
}

/* The next record of the ring, wherever it begins. */
static ps_status
next_record(ps_batch *batch, const ps_ring *ring, bool salvage,
            ps_span *record, uint64_t *start, uint64_t *next)
{
    if (salvage) {
        return ps_ring_salvage(ring, ring->taken, record, start, next,
                               &batch->torn);
    }
    *start = ring->taken;
    return ps_ring_look(ring, ring->taken, record, next);
}

void
ps_batch_take(ps_batch *batch, ps_ring *ring, size_t limit, bool salvage)
{
    assert(batch->count == 0 || batch->ring == ring);
    if (batch->count == 0) {
        batch->ring = ring;
        batch->end = ring->taken;
    }
    if (limit > batch->room) {
        limit = batch->room;
    }
    while (batch->count < limit && batch->bytes < PS_BATCH_BYTES_MAX) {
        ps_span record;
        uint64_t start;
        uint64_t next;
        ps_status status =
            next_record(batch, ring, salvage, &record, &start, &next);
        if (status == PS_ABSENT && salvage) {
            batch->end = ring->taken = ps_ring_head(ring);
        }
        if (status != PS_OK) {
            return;
        }
        ps_batch_event *taken = &batch->events[batch->count++];
        *taken = (ps_batch_event){.sequence = start};
        if (ps_event_read(record, &taken->event) == PS_OK) {
            batch->waiting++;
        } else {
            taken->state = PS_EVENT_REJECTED;
        }
        batch->bytes += record.len;
        batch->end = ring->taken = next;
    }
}

void
ps_batch_reset(ps_batch *batch)
{
    batch->count = 0;
    batch->waiting = 0;
    batch->bytes = 0;
}

void
ps_batch_settle(ps_batch *batch, size_t index, ps_event_state state)
{
    assert(batch->events[index].state == PS_EVENT_WAITING);
    batch->events[index].state = state;
    batch->waiting--;
}

void
ps_batch_expire(ps_batch *batch, int64_t oldest_ms)
{
    for (size_t i = 0; i < batch->count; i++) {
        ps_batch_event *event = &batch->events[i];
        if (event->state == PS_EVENT_WAITING &&
            event->event.time_ms < oldest_ms) {
            ps_batch_settle(batch, i, PS_EVENT_EXPIRED);
        }
    }
}

uint64_t
ps_batch_finish(ps_batch *batch)
{
    assert(batch->waiting == 0);
    if (batch->ring == NULL) {
        return 0;
    }
    ps_ring_header *header = batch->ring->header;
    ps_stats *stats = &header->stats;
    uint64_t delivered = 0;
    uint64_t expired = 0;
    uint64_t rejected = 0;
    for (size_t i = 0; i < batch->count; i++) {
        ps_event_state state = batch->events[i].state;
        delivered += state == PS_EVENT_DELIVERED;
        expired += state == PS_EVENT_EXPIRED;
        rejected += state == PS_EVENT_REJECTED;
    }
    ps_ring_journal *journal = &header->journal;
    atomic_store(&journal->delivered,
                 ps_counted(&stats->delivered) + delivered);
    atomic_store(&journal->expired,
                 ps_counted(&stats->dropped[PS_EXPIRED]) + expired);
    atomic_store(&journal->rejected,
                 ps_counted(&stats->dropped[PS_REJECTED]) + rejected);
    atomic_store(&journal->end, batch->end);
    ps_count(&stats->dropped[PS_EXPIRED], expired);
    ps_count(&stats->dropped[PS_REJECTED], rejected);
    atomic_fetch_add_explicit(&stats->delivered, delivered,
                              memory_order_release);
    ps_ring_release(batch->ring, batch->end);
    batch->count = 0;
    batch->bytes = 0;
    return delivered;
}
