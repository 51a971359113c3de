/* SPDX-License-Identifier: MIT */
/* Where rings live: files in shared memory, one a producer, each locked by
 * the process that owns it. A file that can be locked has lost its owner.
 * See docs/internals/ring.md. */
#ifndef PS_RING_FILE_H
#define PS_RING_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring.h"
#include "span.h"
#include "status.h"

/* Writes the path of this user's folder below `ring_dir` (NULL: /dev/shm)
 * and makes the folder where it is missing. SYSTEM: it cannot be made, or
 * what is there is not a folder of this user's own with mode 0700. */
PS_CHECKED ps_status ps_ring_file_folder(const char *ring_dir,
                                         char folder[PS_RING_PATH_MAX]);

/* Writes that path, and touches nothing. False: it is too long. */
bool ps_ring_file_name_folder(const char *ring_dir,
                              char folder[PS_RING_PATH_MAX]);

/* 16 hex digits that name a target: rings of one name are adopted by one
 * another. */
void ps_ring_file_target(ps_span identity, char target[PS_PRODUCER_SIZE]);

/* Makes, locks and maps a new ring of `data_bytes` (a power of two). Without
 * a usable folder, and where `ring_dir` is "", in anonymous memory: then
 * `ring->path` is "". NO_MEMORY, SYSTEM: no ring at all, `ring` is as ps_ring
 * zeroed with fd -1. One thread at a time for one `ring`. */
PS_CHECKED ps_status ps_ring_file_create(ps_ring *ring, const char *ring_dir,
                                         const char target[PS_PRODUCER_SIZE],
                                         size_t data_bytes);

/* What a look through the folder found. */
typedef struct ps_ring_scan {
    size_t dead;       /* rings without an owner, the adopted one included */
    size_t left_alone; /* files with our name that cannot be trusted */
} ps_ring_scan;

/* Looks for a ring of `target` whose owner is dead, the oldest first, locks
 * and maps it. OK: it is ours to deliver; ABSENT: there is none. The file
 * keeps its name until ps_ring_file_abandon. */
PS_CHECKED ps_status ps_ring_file_adopt(ps_ring *ring, const char *ring_dir,
                                        const char target[PS_PRODUCER_SIZE],
                                        ps_ring_scan *scan);

/* Does the open file hold a ring that this user made, of `target` (NULL: of
 * any)? Then `label` is what it says about itself. Reads, locks nothing. */
bool ps_ring_file_is_trusted(int fd, const char target[PS_PRODUCER_SIZE],
                             ps_ring_label *label);

/* Gives up the lock, and the file too where `remove`; the mapping stays, for
 * threads that are still in it. Twice is fine. */
void ps_ring_file_abandon(ps_ring *ring, bool remove);

/* Takes the mapping away. Abandon first. A zeroed ring is fine. */
void ps_ring_file_unmap(ps_ring *ring);

/* In a forked child: closes the inherited descriptor (and with it this
 * child's share of the lock) and forgets the mapping, which was not
 * inherited. Async-signal-safe. */
void ps_ring_file_forget(ps_ring *ring);

#endif
