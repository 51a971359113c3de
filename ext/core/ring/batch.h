/* SPDX-License-Identifier: MIT */
/* A batch: events taken from one ring, in order, borrowed from its memory
 * until they are settled. The sink thread only. */
#ifndef HR_RING_BATCH_H
#define HR_RING_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "ring/event.h"
#include "ring/ring.h"
#include "base/status.h"

typedef enum hr_ring_batch_state {
    HR_RING_BATCH_WAITING,
    HR_RING_BATCH_DELIVERED,
    HR_RING_BATCH_EXPIRED, /* older than max_age */
    HR_RING_BATCH_REJECTED /* the target refused it for good */
} hr_ring_batch_state;

typedef struct hr_ring_batch_event {
    uint64_t sequence; /* its position in the ring */
    hr_ring_event event;
    hr_ring_batch_state state;
    unsigned tries; /* how often the target failed at this very event */
} hr_ring_batch_event;

typedef struct hr_ring_batch {
    hr_ring *ring;               /* borrowed */
    hr_ring_batch_event *events; /* `room` of them; owned */
    size_t room;
    size_t count;
    size_t waiting; /* events in state WAITING */
    size_t bytes;   /* of their records */
    uint64_t end;   /* position behind the last one */
    uint64_t torn;  /* gaps skipped in a ring whose producers are dead */
} hr_ring_batch;

/* Room for `room` events. NO_MEMORY. */
HR_CHECKED hr_status hr_ring_batch_init(hr_ring_batch *batch, size_t room);
/* A zeroed one is fine. */
void hr_ring_batch_fini(hr_ring_batch *batch);

/* Adds committed events of `ring` behind those taken already, up to the
 * batch's room and HR_BATCH_BYTES_MAX. With `salvage`, for a ring whose
 * producers are dead, what was never committed is skipped. */
void hr_ring_batch_take(hr_ring_batch *batch, hr_ring *ring, size_t limit,
                        bool salvage);

/* Lets go of all events without settling them. */
void hr_ring_batch_reset(hr_ring_batch *batch);

/* Gives waiting events with a time before `oldest_ms` up as expired. */
void hr_ring_batch_expire(hr_ring_batch *batch, int64_t oldest_ms);

/* Moves a waiting event to its final state. */
void hr_ring_batch_settle(hr_ring_batch *batch, size_t index,
                          hr_ring_batch_state state);

/* Counts what became of the events in the ring's own counters and frees
 * their bytes; the batch is empty then. Only when none is waiting. Answers
 * how many were delivered. */
uint64_t hr_ring_batch_finish(hr_ring_batch *batch);

#endif
