/* SPDX-License-Identifier: MIT */
/* The rings of this user as somebody sees them who owns none: read, never
 * mapped (a file that shrinks is a short read then, not a SIGBUS), without a
 * lock, so that neither an owner nor an adopter notices. */
#ifndef HR_RING_VIEW_H
#define HR_RING_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/ring.h"
#include "base/status.h"

/* One ring at one moment. Whoever wrote the file may have meant harm: only
 * the label holds what it says, every other number may be any number. */
typedef struct hr_ring_view {
    uint64_t device; /* of the file, for /proc/locks: has it an owner? */
    uint64_t inode;
    uint64_t used_bytes;    /* at most the ring's size */
    int64_t oldest_ms;      /* of the first event that waits; 0: none, or it
                               is not to be seen */
    hr_ring_header *header; /* a copy, borrowed; texts end in NUL */
} hr_ring_view;

/* Calls `see` for every ring of this user below `ring_dir` (NULL: /dev/shm);
 * `name` is its file's. `*left_alone` counts files of such names that cannot
 * be trusted. `see` answers false to end. OK, also where there is no folder;
 * SYSTEM: what is there is not this user's own. NO_MEMORY. Any thread. */
HR_CHECKED hr_status hr_ring_view_each(const char *ring_dir,
                                       bool (*see)(const hr_ring_view *view,
                                                   const char *name,
                                                   void *context),
                                       void *context, size_t *left_alone);

#endif
