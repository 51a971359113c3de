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
#include "ring/metrics.h"
#include "base/span.h"
#include "ring/counters.h"
#include "base/status.h"

/* Of the file; the marker has its own, see parse_marker in redis/outcome.c.
 */
#define HR_RING_FORMAT 3U
#define HR_RING_HEADER_BYTES 294912U
#define HR_RING_MIRROR \
    12288U /* at least HR_RING_EVENT_RECORD_MAX, whole pages */
#define HR_RING_SEALED                                            \
    (UINT64_C(1) << 63)          /* in head: nothing more goes in \
                                  */
#define HR_RING_PRODUCER_SIZE 16 /* hex digits, no NUL */
#define HR_RING_RUN_ID_SIZE 40   /* a Redis server's run_id */

/* What the header says about itself. Written before the file gets its name,
 * never after; `checksum` covers the fields above it. */
typedef struct hr_ring_label {
    char magic[8]; /* "headrace" */
    uint32_t format;
    uint32_t header_bytes;
    uint64_t data_bytes; /* a power of two */
    uint64_t first;      /* the first position */
    uint64_t seal;       /* random: marks a record as committed */
    uint64_t secret;     /* random: seeds the records' checksums */
    int64_t created_ms;
    char producer[HR_RING_PRODUCER_SIZE];
    char target[HR_RING_PRODUCER_SIZE];
    uint32_t pid;
    uint32_t checksum;
} hr_ring_label;

/* What settling a batch will have counted, written before the counters and
 * the tail move: a process killed in between leaves it to the adopter. */
typedef struct hr_ring_journal {
    _Atomic uint64_t end; /* tail after settling */
    _Atomic uint64_t delivered;
    _Atomic uint64_t expired;
    _Atomic uint64_t rejected;
} hr_ring_journal;

/* How the sink is, for readers in other processes. Texts end in NUL and may be
 * found half written. */
typedef struct hr_ring_beacon {
    _Atomic uint32_t state; /* hr_sink_phase */
    _Atomic uint32_t error; /* of the last attempt that failed */
    _Atomic uint64_t failures;
    _Atomic int64_t delivered_ms;    /* when a batch was last acknowledged */
    char identity[HR_IDENTITY_KEPT]; /* the target, without credentials */
    char delivery[64];
    char server[48];
} hr_ring_beacon;

/* The first HR_RING_HEADER_BYTES of the file. */
typedef struct hr_ring_header {
    hr_ring_label label;
    _Alignas(64) _Atomic uint64_t head; /* producers, by CAS */
    _Alignas(64) _Atomic uint64_t tail; /* the consumer: release */
    _Atomic int64_t touched_ms;         /* the consumer was alive then */
    hr_ring_journal journal;            /* the consumer */
    _Alignas(64) _Atomic uint64_t fence_client; /* CLIENT ID; 0: none */
    char fence_run_id[HR_RING_RUN_ID_SIZE];     /* of the server it is on */
    _Alignas(64) hr_ring_beacon beacon;
    _Alignas(64) hr_ring_counters stats;
    _Alignas(64) hr_ring_metrics metrics;
} hr_ring_header;

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

static inline uint64_t
hr_ring_tail(const hr_ring *ring)
{
    return atomic_load_explicit(&ring->header->tail, memory_order_acquire);
}

/* The checksum of a record. */
uint32_t hr_ring_checksum(const hr_ring *ring, uint64_t position,
                          hr_span record);

#endif
