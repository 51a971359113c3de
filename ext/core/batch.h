/* SPDX-License-Identifier: MIT */
/* A batch: events taken from one ring, in order, borrowed from its memory
 * until they are settled. The sink thread only. */
#ifndef PS_BATCH_H
#define PS_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "ring.h"
#include "status.h"

typedef enum ps_event_state {
    PS_EVENT_WAITING,
    PS_EVENT_DELIVERED,
    PS_EVENT_EXPIRED, /* older than max_age */
    PS_EVENT_REJECTED /* the target refused it for good */
} ps_event_state;

typedef struct ps_batch_event {
    uint64_t sequence; /* its position in the ring */
    ps_event event;
    ps_event_state state;
    unsigned tries; /* how often the target failed at this very event */
} ps_batch_event;

typedef struct ps_batch {
    ps_ring *ring;          /* borrowed */
    ps_batch_event *events; /* `room` of them; owned */
    size_t room;
    size_t count;
    size_t waiting; /* events in state WAITING */
    size_t bytes;   /* of their records */
    uint64_t end;   /* position behind the last one */
    uint64_t torn;  /* gaps skipped in a ring whose producers are dead */
} ps_batch;

/* Room for `room` events. NO_MEMORY. */
PS_CHECKED ps_status ps_batch_init(ps_batch *batch, size_t room);
/* A zeroed one is fine. */
void ps_batch_fini(ps_batch *batch);

/* Adds committed events of `ring` behind those taken already, up to the
 * batch's room and PS_BATCH_BYTES_MAX. With `salvage`, for a ring whose
 * producers are dead, what was never committed is skipped. */
void ps_batch_take(ps_batch *batch, ps_ring *ring, size_t limit, bool salvage);

/* Lets go of all events without settling them. */
void ps_batch_reset(ps_batch *batch);

/* Gives waiting events with a time before `oldest_ms` up as expired. */
void ps_batch_expire(ps_batch *batch, int64_t oldest_ms);

/* Moves a waiting event to its final state. */
void ps_batch_settle(ps_batch *batch, size_t index, ps_event_state state);

/* Counts what became of the events in the ring's own counters and frees
 * their bytes; the batch is empty then. Only when none is waiting. Answers
 * how many were delivered. */
uint64_t ps_batch_finish(ps_batch *batch);

#endif
