/* SPDX-License-Identifier: MIT */
/* The event: one record of fixed field order and bounded size, as it lies in
 * the ring.
 *
 *   0   u64  commit    position ^ the ring's seal, stored last
 *   8   u32  size      bytes of the record, without padding
 *   12  u32  checksum  CRC32C of the position, the size and bytes 16 to the
 *                      end, seeded with the ring's secret
 *   16  u64  time in ms (48 bits), flags (8), number of fields (8)
 *   24  kind:  u8 length, bytes
 *       field: u8 length of the name, u16 length of the value, name, value
 *       ... as many as there are fields
 *
 * Numbers are in the byte order of the machine: a ring never leaves it. The
 * fields come in the caller's order; then `altered`, a comma-separated list
 * of the names whose values were cut or repaired, where there are any. */
#ifndef HR_RING_EVENT_H
#define HR_RING_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/span.h"
#include "base/status.h"

/* One field of an event. Names are checked by the caller (the binding raises
 * ValueError for bad ones); values over HR_FIELD_VALUE_MAX are cut by the
 * writer on a character boundary and their names listed in `altered`. */
typedef struct hr_ring_event_field {
    hr_span name;
    hr_span value; /* absent (NULL): the field is left out */
    bool altered;  /* the caller already changed the value (a surrogate) */
} hr_ring_event_field;

/* Flags of an event. */
#define HR_RING_EVENT_SESSION                     \
    1U /* has fingerprint: the session is touched \
        */

#define HR_RING_EVENT_HEADER 24U
/* The largest record: every field of the largest event, its lengths and the
 * header. A multiple of 8. */
#define HR_RING_EVENT_RECORD_MAX 8576U

/* What measuring found; the writer needs it. */
typedef struct hr_ring_event_plan {
    size_t size;          /* bytes of the record */
    unsigned field_count; /* fields in the record, `altered` included */
    size_t altered_bytes; /* length of the value of `altered`; 0: none */
    bool plain;           /* every field goes in as it is */
} hr_ring_event_plan;

/* Measures the record of an event. TOO_BIG: kind, names and values together
 * are over HR_EVENT_MAX, or a name, the kind or the number of fields is over
 * its own cap. Any thread. */
HR_CHECKED hr_status hr_ring_event_measure(hr_span kind,
                                           const hr_ring_event_field *fields,
                                           size_t count,
                                           hr_ring_event_plan *plan);

/* Names and values are mostly short: for these a call of memcpy costs more
 * than the copy, which is two overlapping moves of a fixed size. */
static inline char *
hr_ring_event_put_bytes(char *at, hr_span bytes)
{
    const char *from = bytes.ptr;
    size_t len = bytes.len;
    if (len > 32) {
        memcpy(at, from, len);
    } else if (len >= 16) {
        memcpy(at, from, 16);
        memcpy(at + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(at, from, 8);
        memcpy(at + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(at, from, 4);
        memcpy(at + len - 4, from + len - 4, 4);
    } else if (len != 0) {
        at[0] = from[0];
        at[len / 2] = from[len / 2];
        at[len - 1] = from[len - 1];
    }
    return at + len;
}

static inline char *
hr_ring_event_put_field_head(char *at, size_t name, size_t value)
{
    uint16_t length = (uint16_t)value;
    *at = (char)(unsigned char)name;
    memcpy(at + 1, &length, 2);
    return at + 3;
}

/* Writes one field of a record; answers where the next one goes. The name has
 * at most HR_FIELD_NAME_MAX bytes, the value HR_FIELD_VALUE_MAX. */
static inline char *
hr_ring_event_put_field(char *at, hr_span name, hr_span value)
{
    at = hr_ring_event_put_field_head(at, name.len, value.len);
    at = hr_ring_event_put_bytes(at, name);
    return hr_ring_event_put_bytes(at, value);
}

/* Bytes of the record of `kind` with fields that have `body` bytes. */
static inline size_t
hr_ring_event_size(hr_span kind, size_t body)
{
    return HR_RING_EVENT_HEADER + 1 + kind.len + body;
}

/* hr_ring_event_write() for fields that are written already: `body` is what
 * hr_ring_event_put_field() wrote, for `field_count` fields. Any thread. */
void hr_ring_event_write_body(char *record, hr_span kind, hr_span body,
                              unsigned field_count, int64_t time_ms,
                              uint32_t flags);

/* Writes all of the record but its first 16 bytes (the ring's part). `record`
 * has plan->size bytes. Any thread. */
void hr_ring_event_write(char *record, const hr_ring_event_plan *plan,
                         hr_span kind, const hr_ring_event_field *fields,
                         size_t count, int64_t time_ms, uint32_t flags);

/* A record read back: borrowed from its bytes. */
typedef struct hr_ring_event {
    int64_t time_ms;
    uint32_t flags;
    unsigned field_count;
    hr_span kind;
    hr_span body; /* the fields */
} hr_ring_event;

/* Reads a record of any bytes, from offset 0. MALFORMED: the lengths in it do
 * not add up. After OK exactly field_count fields can be read. Any thread. */
HR_CHECKED hr_status hr_ring_event_read(hr_span record, hr_ring_event *event);

/* Takes the next field off `rest` (at first event->body). False at the end.
 * Only after hr_ring_event_read answered OK. */
bool hr_ring_event_next_field(hr_span *rest, hr_ring_event_field *field);

/* The value of the field `name`, absent when there is none. */
hr_span hr_ring_event_find(const hr_ring_event *event, hr_span name);

/* The longest prefix of `text` of at most `max` bytes that does not end
 * inside a UTF-8 sequence. */
hr_span hr_ring_event_cut(hr_span text, size_t max);

#endif
