/* SPDX-License-Identifier: MIT */
/* The memory target: keeps events in this process, for tests. */
#ifndef HR_SINK_MEMORY_H
#define HR_SINK_MEMORY_H

#include <stddef.h>

#include "ring/event.h"
#include "base/status.h"
#include "sink/target.h"

/* One event that was kept. */
typedef struct hr_sink_memory_event {
    char producer[HR_RING_PRODUCER_SIZE];
    uint64_t sequence;
    hr_ring_event event; /* points into the target's memory */
} hr_sink_memory_event;

/* An empty one. NO_MEMORY. */
HR_CHECKED hr_status hr_sink_memory_new(hr_sink_target **target);

/* How many events it keeps, and the one at `index`. Not while deliver runs. */
size_t hr_sink_memory_count(const hr_sink_target *target);
const hr_sink_memory_event *hr_sink_memory_at(const hr_sink_target *target,
                                              size_t index);

#endif
