/* SPDX-License-Identifier: MIT */
/* Where rings live: files in shared memory, one a producer, each locked by
 * the process that owns it. A file that can be locked has lost its owner.
 * See docs/internals/ring.md. */
#ifndef HR_RING_FILE_H
#define HR_RING_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/ring.h"
#include "base/span.h"
#include "base/status.h"

/* 16 hex digits that name a target: rings of one name are adopted by one
 * another. */
void hr_ring_file_target(hr_span identity, char target[HR_RING_PRODUCER_SIZE]);

/* Makes, locks and maps a new ring of `data_bytes` (a power of two). Without
 * a usable folder, and where `ring_dir` is "", in anonymous memory: then
 * `ring->path` is "". NO_MEMORY, SYSTEM: no ring at all, `ring` is as hr_ring
 * zeroed with fd -1. One thread at a time for one `ring`. */
HR_CHECKED hr_status hr_ring_file_create(
    hr_ring *ring, const char *ring_dir,
    const char target[HR_RING_PRODUCER_SIZE], size_t data_bytes);

/* What a look through the folder found. */
typedef struct hr_ring_file_scan {
    size_t dead;       /* rings without an owner, the adopted one included */
    size_t left_alone; /* files with our name that cannot be trusted */
} hr_ring_file_scan;

/* Looks for a ring of `target` whose owner is dead, the oldest first, locks
 * and maps it. OK: it is ours to deliver; ABSENT: there is none. The file
 * keeps its name until hr_ring_file_abandon. */
HR_CHECKED hr_status hr_ring_file_adopt(
    hr_ring *ring, const char *ring_dir,
    const char target[HR_RING_PRODUCER_SIZE], hr_ring_file_scan *scan);

/* Does the open file hold a ring that this user made, of `target` (NULL: of
 * any)? Then `label` is what it says about itself. Reads, locks nothing. */
bool hr_ring_file_is_trusted(int fd, const char target[HR_RING_PRODUCER_SIZE],
                             hr_ring_header_label *label);

/* Gives up the lock, and the file too where `remove`; the mapping stays, for
 * threads that are still in it. Twice is fine. */
void hr_ring_file_abandon(hr_ring *ring, bool remove);

/* Takes the mapping away. Abandon first. A zeroed ring is fine. */
void hr_ring_file_unmap(hr_ring *ring);

/* In a forked child: closes the inherited descriptor (and with it this
 * child's share of the lock) and forgets the mapping, which was not
 * inherited. Async-signal-safe. */
void hr_ring_file_forget(hr_ring *ring);

#endif
