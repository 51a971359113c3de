/* SPDX-License-Identifier: MIT */
/* The memory target: keeps events in this process, for tests. */
#ifndef PS_TARGET_MEMORY_H
#define PS_TARGET_MEMORY_H

#include <stddef.h>

#include "event.h"
#include "status.h"
#include "target.h"

/* One event that was kept. */
typedef struct ps_kept_event {
    char producer[PS_PRODUCER_SIZE];
    uint64_t sequence;
    ps_event event; /* points into the target's memory */
} ps_kept_event;

/* An empty one. NO_MEMORY. */
PS_CHECKED ps_status ps_target_memory_new(ps_target **target);

/* How many events it keeps, and the one at `index`. Not while deliver runs. */
size_t ps_target_memory_count(const ps_target *target);
const ps_kept_event *ps_target_memory_at(const ps_target *target,
                                         size_t index);

#endif
