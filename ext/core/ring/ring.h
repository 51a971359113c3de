/* SPDX-License-Identifier: MIT */
/* The ring: many producers, one consumer, a bounded run of bytes. See
 * docs/internals/ring.md.
 *
 *        tail                     head
 *         |  taken, not settled    |
 *   ------+-----------+------------+---------------- positions, ever growing
 *         [ record ][ record ][ reserved ]    free
 *
 * A position counts 8-byte units ever reserved; the record at position p lies
 * at p modulo the capacity. The first HR_RING_MIRROR bytes are mapped once
 * more behind the end, so that no record is ever split. */
#ifndef HR_RING_RING_H
#define HR_RING_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "ring/event.h"
#include "ring/header.h"
#include "base/span.h"
#include "base/status.h"

#define HR_RING_SEALED                                   \
    (UINT64_C(1) << 63) /* in head: nothing more goes in \
                         */

/* One process's view of a ring. Made by ring/file.h. */
typedef struct hr_ring {
    hr_ring_header *header; /* NULL: no ring */
    char *data;
    uint64_t units; /* capacity in 8-byte units */
    int fd;         /* holds the lock; -1: anonymous memory */
    bool adopted;   /* the process that filled it is dead */
    uint64_t taken; /* consumer: position behind the last record taken */
    char path[HR_RING_PATH_MAX]; /* "" when anonymous */
} hr_ring;

/* Reserves `size` bytes with one CAS, as long as not more than `limit` units
 * are in use afterwards. OK: `*position` and `*record`, which the caller
 * fills from byte 16 on and then commits. FULL; CLOSED once sealed. Any
 * thread; no syscall; never waits. */
HR_CHECKED hr_status hr_ring_reserve(hr_ring *ring, size_t size,
                                     uint64_t limit, uint64_t *position,
                                     char **record);

/* Completes the record's first 16 bytes and makes it visible. `size` as
 * reserved. Any thread. */
void hr_ring_commit(hr_ring *ring, uint64_t position, char *record,
                    size_t size);

/* The record at `position` (at least tail). OK: `*record` is its bytes and
 * `*next` the position behind it. ABSENT: nothing reserved there. TIMEOUT:
 * reserved, not yet committed. MALFORMED: committed with an impossible size
 * (memory was overwritten). The consumer only. */
HR_CHECKED hr_status hr_ring_look(const hr_ring *ring, uint64_t position,
                                  hr_span *record, uint64_t *next);

/* As hr_ring_look, for a ring whose producers are dead: goes on at the next
 * position where commit word, size and checksum agree, and counts in `*torn`
 * each gap that it skipped. OK or ABSENT. */
HR_CHECKED hr_status hr_ring_salvage(const hr_ring *ring, uint64_t position,
                                     hr_span *record, uint64_t *start,
                                     uint64_t *next, uint64_t *torn);

/* Frees everything before `position` for the producers. The consumer only. */
void hr_ring_release(hr_ring *ring, uint64_t position);

/* From now on hr_ring_reserve answers CLOSED. Answers the head: every
 * position below it was reserved. Any thread. */
uint64_t hr_ring_seal(hr_ring *ring);

/* Every position below was reserved. */
static inline uint64_t
hr_ring_head(const hr_ring *ring)
{
    return atomic_load_explicit(&ring->header->head, memory_order_acquire) &
           ~HR_RING_SEALED;
}

/* As hr_ring_head, in one order with every reservation. */
static inline uint64_t
hr_ring_head_ordered(const hr_ring *ring)
{
    return atomic_load(&ring->header->head) & ~HR_RING_SEALED;
}

static inline uint64_t
hr_ring_tail(const hr_ring *ring)
{
    return atomic_load_explicit(&ring->header->tail, memory_order_acquire);
}

/* The checksum of a record. */
uint32_t hr_ring_checksum(const hr_ring *ring, uint64_t position,
                          hr_span record);

#endif
