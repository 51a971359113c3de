/* SPDX-License-Identifier: MIT */
/* Invariants:
 *   tail <= head, head - tail <= capacity;
 *   a position between tail and head is inside exactly one reservation;
 *   a record is committed when its first word is position ^ seal. No bytes
 *   of an earlier lap can say so (their position was another one), nor can
 *   a client's (the seal is random and never leaves the file).
 *
 * Orders: reserve reads tail with acquire, which pairs with the consumer's
 * release, so that a record is overwritten only after it was read; commit
 * stores the first word with release, which pairs with look's acquire, so
 * that a record is read only after it was written. The CAS is sequentially
 * consistent, which costs nothing where it is one instruction with `lock`, so
 * that the sink can tell a sleeping consumer without a fence of its own. */
#include "ring/ring.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"

_Static_assert(HR_RING_MIRROR >= HR_RING_EVENT_RECORD_MAX,
               "no record is split");

static inline uint64_t
units_of(size_t size)
{
    return (uint64_t)(size + 7) / 8;
}

static inline char *
at(const hr_ring *ring, uint64_t position)
{
    return ring->data + (position & (ring->units - 1)) * 8;
}

static inline _Atomic uint64_t *
commit_word(char *record)
{
    return (_Atomic uint64_t *)(void *)record;
}

hr_status
hr_ring_reserve(hr_ring *ring, size_t size, uint64_t limit, uint64_t *position,
                char **record)
{
    hr_ring_header *header = ring->header;
    uint64_t need = units_of(size);
    uint64_t head = atomic_load_explicit(&header->head, memory_order_relaxed);
    do {
        if ((head & HR_RING_SEALED) != 0) {
            return HR_CLOSED;
        }
        uint64_t tail =
            atomic_load_explicit(&header->tail, memory_order_acquire);
        if (head + need - tail > limit) {
            return HR_FULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &header->head, &head, head + need, memory_order_seq_cst,
        memory_order_relaxed));
    *position = head;
    *record = at(ring, head);
    return HR_OK;
}

uint32_t
hr_ring_checksum(const hr_ring *ring, uint64_t position, hr_span record)
{
    /* The secret is the seed; position and size are below 2^48 and 2^16. */
    uint64_t secret = ring->header->label.secret;
    uint64_t head = (position ^ (uint64_t)record.len << 48) ^ secret;
    uint32_t crc = hr_crc32c((uint32_t)(secret >> 32), &head, sizeof(head));
    return hr_crc32c(crc, record.ptr + 16, record.len - 16);
}

void
hr_ring_commit(hr_ring *ring, uint64_t position, char *record, size_t size)
{
    assert(size >= HR_RING_EVENT_HEADER && size <= HR_RING_EVENT_RECORD_MAX);
    uint32_t length = (uint32_t)size;
    uint32_t checksum =
        hr_ring_checksum(ring, position, (hr_span){record, size});
    memcpy(record + 8, &length, 4);
    memcpy(record + 12, &checksum, 4);
    atomic_store_explicit(commit_word(record),
                          position ^ ring->header->label.seal,
                          memory_order_release);
}

/* The size field of the record at `position`, 0 when it is impossible. */
static size_t
size_at(const hr_ring *ring, uint64_t position, uint64_t head)
{
    uint32_t size;
    memcpy(&size, at(ring, position) + 8, 4);
    if (size < HR_RING_EVENT_HEADER || size > HR_RING_EVENT_RECORD_MAX ||
        units_of(size) > head - position) {
        return 0;
    }
    return size;
}

hr_status
hr_ring_look(const hr_ring *ring, uint64_t position, hr_span *record,
             uint64_t *next)
{
    uint64_t head = hr_ring_head(ring);
    if (position >= head) {
        return HR_ABSENT;
    }
    char *bytes = at(ring, position);
    uint64_t word =
        atomic_load_explicit(commit_word(bytes), memory_order_acquire);
    if (word != (position ^ ring->header->label.seal)) {
        return HR_TIMEOUT;
    }
    size_t size = size_at(ring, position, head);
    if (size == 0) {
        return HR_MALFORMED;
    }
    *record = (hr_span){bytes, size};
    *next = position + units_of(size);
    return HR_OK;
}

hr_status
hr_ring_salvage(const hr_ring *ring, uint64_t position, hr_span *record,
                uint64_t *start, uint64_t *next, uint64_t *torn)
{
    uint64_t head = hr_ring_head(ring);
    bool gap = false;
    for (uint64_t p = position; p < head; p++) {
        hr_span found;
        uint64_t behind;
        if (hr_ring_look(ring, p, &found, &behind) == HR_OK) {
            uint32_t checksum;
            memcpy(&checksum, found.ptr + 12, 4);
            if (checksum == hr_ring_checksum(ring, p, found)) {
                *torn += gap;
                *record = found;
                *start = p;
                *next = behind;
                return HR_OK;
            }
        }
        gap = true;
    }
    *torn += gap;
    return HR_ABSENT;
}

void
hr_ring_release(hr_ring *ring, uint64_t position)
{
    assert(position <= hr_ring_head(ring));
    atomic_store_explicit(&ring->header->tail, position, memory_order_release);
}

uint64_t
hr_ring_seal(hr_ring *ring)
{
    return atomic_fetch_or_explicit(&ring->header->head, HR_RING_SEALED,
                                    memory_order_acq_rel) &
           ~HR_RING_SEALED;
}
