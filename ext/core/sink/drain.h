/* SPDX-License-Identifier: MIT */
/* From the ring to the target: takes a batch, makes one attempt, tells what
 * became of it. The sink thread, or whoever delivers in its place. */
#ifndef HR_SINK_DRAIN_H
#define HR_SINK_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ring/batch.h"
#include "sink/sink.h"

/* One who delivers, and what is known since it began. */
typedef struct hr_sink_drain {
    hr_sink *sink;
    int64_t quiet_since_ns; /* no event since then */
    bool failing;           /* a failure was told, its end was not */
    bool warned;            /* that the server may evict was told */
} hr_sink_drain;

/* Takes what is in the sink's ring. False: the batch is empty. */
bool hr_sink_drain_gather(hr_sink_drain *drain);

/* One attempt. OK: the batch is settled, its room is free again, and
 * `*delivered` of its events are at the target. Else as
 * hr_sink_target_ops.deliver. */
HR_CHECKED hr_status hr_sink_drain_deliver(hr_sink_drain *drain,
                                           hr_ring_batch *batch,
                                           uint64_t *delivered);

/* Takes and delivers until the ring is empty or the target fails. With
 * `delivering` set. */
void hr_sink_drain_all(hr_sink *sink);

#endif
