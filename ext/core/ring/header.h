/* SPDX-License-Identifier: MIT */
/* The header: everything that a process shows to others, in the first
 * HR_RING_HEADER_BYTES of its ring's memory. A process without a ring has a
 * private one.
 *
 * ring.c moves the positions, and view.c and totals.c read the headers of
 * others; all the others call functions. */
#ifndef HR_RING_HEADER_H
#define HR_RING_HEADER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "ring/counters.h"
#include "ring/metrics.h"
#include "base/span.h"

/* Of the file; the marker has its own, see parse_marker in redis/outcome.c.
 */
#define HR_RING_FORMAT 3U
#define HR_RING_HEADER_BYTES 294912U
/* At least HR_RING_EVENT_RECORD_MAX, whole pages. */
#define HR_RING_MIRROR 12288U
#define HR_RING_PRODUCER_SIZE 16 /* hex digits, no NUL */
#define HR_RING_RUN_ID_SIZE 40   /* a Redis server's run_id */

/* What the header says about itself. Written before the file gets its name,
 * never after; `checksum` covers the fields above it. */
typedef struct hr_ring_header_label {
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
} hr_ring_header_label;

/* What settling a batch will have counted, written before the counters and
 * the tail move: a process killed in between leaves it to the adopter. */
typedef struct hr_ring_header_journal {
    _Atomic uint64_t end; /* tail after settling */
    _Atomic uint64_t delivered;
    _Atomic uint64_t expired;
    _Atomic uint64_t rejected;
} hr_ring_header_journal;

/* How the sink is, for readers in other processes. Texts end in NUL and may be
 * found half written. */
typedef struct hr_ring_header_beacon {
    _Atomic uint32_t state; /* hr_sink_phase */
    _Atomic uint32_t error; /* of the last attempt that failed */
    _Atomic uint64_t failures;
    _Atomic int64_t delivered_ms;    /* when a batch was last acknowledged */
    char identity[HR_IDENTITY_KEPT]; /* the target, without credentials */
    char delivery[64];
    char server[48];
} hr_ring_header_beacon;

typedef struct hr_ring_header {
    hr_ring_header_label label;
    _Alignas(64) _Atomic uint64_t head; /* producers, by CAS */
    _Alignas(64) _Atomic uint64_t tail; /* the consumer: release */
    _Atomic int64_t touched_ms;         /* the consumer was alive then */
    hr_ring_header_journal journal;     /* the consumer */
    _Alignas(64) _Atomic uint64_t fence_client; /* CLIENT ID; 0: none */
    char fence_run_id[HR_RING_RUN_ID_SIZE];     /* of the server it is on */
    _Alignas(64) hr_ring_header_beacon beacon;
    _Alignas(64) hr_ring_counters stats;
    _Alignas(64) hr_ring_metrics metrics;
} hr_ring_header;

/* The one way to make a header: in the open file `fd`, with `data_bytes` of
 * data and its mirror mapped after it, absent in a forked child; or, with `fd`
 * -1 and without data, in private memory, zeroed, which a forked child finds
 * zeroed again. NULL: no memory. Freed with hr_ring_header_free. */
hr_ring_header *hr_ring_header_new(int fd, size_t data_bytes);

/* `data_bytes` as given to hr_ring_header_new. NULL is fine. */
void hr_ring_header_free(hr_ring_header *header, size_t data_bytes);

/* Writes the label and the first position: `label` has data_bytes, seal,
 * secret, producer and target, the rest is added. Before others see it. */
void hr_ring_header_begin(hr_ring_header *header,
                          const hr_ring_header_label *label);

/* Is this a whole label of this format, of a ring that can be? */
bool hr_ring_header_label_is_sound(const hr_ring_header_label *label);

/* Counts what became of the events before `end`, after noting it in the
 * journal; the caller then moves the tail there. The consumer only. */
void hr_ring_header_settle(hr_ring_header *header, uint64_t end,
                           uint64_t delivered, uint64_t expired,
                           uint64_t rejected);

/* Does what a process that died in hr_ring_header_settle left undone: `*tail`
 * is where the tail belongs. False: the journal cannot be. The adopter only.
 */
bool hr_ring_header_redo(hr_ring_header *header, uint64_t head,
                         uint64_t *tail);

/* The connection that may still act for this ring, when it is to the server
 * with that `run_id`; 0: none. The consumer only, as all of the fence. */
uint64_t hr_ring_header_fence_read(const hr_ring_header *header,
                                   const char run_id[HR_RING_RUN_ID_SIZE]);

/* Names the connection. A process killed in between leaves none. */
void hr_ring_header_fence_write(hr_ring_header *header,
                                const char run_id[HR_RING_RUN_ID_SIZE],
                                uint64_t client_id);

/* The sink thread writes it, or whoever delivers in its place. */
static inline hr_ring_header_beacon *
hr_ring_header_beacon_of(hr_ring_header *header)
{
    return &header->beacon;
}

static inline const hr_ring_header_label *
hr_ring_header_label_of(const hr_ring_header *header)
{
    return &header->label;
}

static inline hr_span
hr_ring_header_producer(const hr_ring_header *header)
{
    return (hr_span){header->label.producer, HR_RING_PRODUCER_SIZE};
}

static inline hr_ring_counters *
hr_ring_header_counters(hr_ring_header *header)
{
    return &header->stats;
}

static inline hr_ring_metrics *
hr_ring_header_metrics(hr_ring_header *header)
{
    return &header->metrics;
}

/* When the consumer was last known to be alive. */
static inline int64_t
hr_ring_header_touched_ms(const hr_ring_header *header)
{
    return atomic_load(&header->touched_ms);
}

static inline void
hr_ring_header_touch(hr_ring_header *header, int64_t now_ms)
{
    atomic_store(&header->touched_ms, now_ms);
}

#endif
