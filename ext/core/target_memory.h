/* SPDX-License-Identifier: MIT */
/* The memory target: keeps events in this process, for tests. */
#ifndef HR_TARGET_MEMORY_H
#define HR_TARGET_MEMORY_H

#include <stddef.h>

#include "event.h"
#include "status.h"
#include "target.h"

/* One event that was kept. */
typedef struct hr_kept_event {
    char producer[HR_PRODUCER_SIZE];
    uint64_t sequence;
    hr_event event; /* points into the target's memory */
} hr_kept_event;

/* An empty one. NO_MEMORY. */
HR_CHECKED hr_status hr_target_memory_new(hr_target **target);

/* How many events it keeps, and the one at `index`. Not while deliver runs. */
size_t hr_target_memory_count(const hr_target *target);
const hr_kept_event *hr_target_memory_at(const hr_target *target,
                                         size_t index);

#endif
