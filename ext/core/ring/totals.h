/* SPDX-License-Identifier: MIT */
/* What the processes of a target have counted, the ended ones included: a
 * file beside the rings takes up the counters of every ring that goes. */
#ifndef HR_RING_TOTALS_H
#define HR_RING_TOTALS_H

#include <stdbool.h>
#include <stddef.h>

#include "ring/metrics.h"
#include "ring/ring.h"
#include "ring/counters.h"
#include "base/status.h"

/* Only tests call this: adds `stats` to the totals of `target`, under the
 * file's lock. SYSTEM where
 * there is no usable folder or file: then they are not kept. */
HR_CHECKED hr_status hr_ring_totals_add(
    const char *ring_dir, const char target[HR_RING_PRODUCER_SIZE],
    const hr_ring_counters *stats);

/* Sums the totals and the counters of every ring of `target` that is there
 * into `sum` (zeroed first), and their metrics into `metrics` unless that is
 * NULL; `*rings` is how many those are. A ring that goes
 * at the same time is counted once: the file's lock is held meanwhile.
 * SYSTEM, NO_MEMORY. */
HR_CHECKED hr_status hr_ring_totals_read(
    const char *ring_dir, const char target[HR_RING_PRODUCER_SIZE],
    hr_ring_counters *sum, size_t *rings, hr_ring_metrics *metrics);

/* What the ended processes of `target` have counted, without the lock and
 * without making anything: zeroes where there is no such file. A ring that
 * goes at the same time may be counted twice or not at all. `identity` is the
 * name of the target, "" where nobody said. Any thread. */
void hr_ring_totals_look(const char *ring_dir,
                         const char target[HR_RING_PRODUCER_SIZE],
                         hr_ring_counters *sum,
                         char identity[HR_IDENTITY_KEPT]);

/* Calls `see` with the name of each target that has such a file. */
void hr_ring_totals_each(const char *ring_dir,
                         bool (*see)(const char target[HR_RING_PRODUCER_SIZE],
                                     void *context),
                         void *context);

/* Adds a ring's counters and gives its file up, under one lock, so that no
 * reader sees both or neither. Also removes the totals of other targets that
 * have no ring and were not added to for HR_TOTALS_KEPT_S. */
void hr_ring_totals_retire(const char *ring_dir, hr_ring *ring);

#endif
