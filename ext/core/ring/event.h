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
#include <string.h>

#include "base/config.h"
#include "base/span.h"
#include "base/status.h"

/* Flag of an event that has a fingerprint: the session is touched. */
#define HR_RING_EVENT_SESSION 1U

#define HR_RING_EVENT_HEADER 24U
/* The largest record: every field of the largest event, its lengths and the
 * header. A multiple of 8. */
#define HR_RING_EVENT_RECORD_MAX 8576U
/* Fields of one body: a caller's, and one that the sink adds. */
#define HR_RING_EVENT_BODY_FIELDS_MAX (HR_EVENT_FIELDS_MAX + 1)

/* The fields of one event as they will lie in its record. It is in the
 * caller's storage, mostly on the stack, and owns nothing. Only
 * hr_ring_event_body_* touch its members. One thread at a time. */
typedef struct hr_ring_event_body {
    size_t length;          /* of what is written in `bytes` */
    unsigned field_count;   /* fields in `bytes` */
    unsigned altered_count; /* of these, the ones listed in `altered` */
    bool too_big;           /* a field was over a cap: there is no event */
    /* Where in `bytes` the fields begin that were cut or repaired. */
    uint16_t altered[HR_RING_EVENT_BODY_FIELDS_MAX];
    /* Not zeroed. Each field, `altered` too, has a head of three bytes. */
    char bytes[HR_EVENT_MAX + 3 * (HR_RING_EVENT_BODY_FIELDS_MAX + 1)];
} hr_ring_event_body;

/* Makes a body without fields. */
static inline void
hr_ring_event_body_init(hr_ring_event_body *body)
{
    body->length = 0;
    body->field_count = 0;
    body->altered_count = 0;
    body->too_big = false;
}

static inline bool
hr_ring_event_body_has_room(const hr_ring_event_body *body, size_t size)
{
    return size <= sizeof(body->bytes) - body->length;
}

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
hr_ring_event_put_head(char *at, size_t name, size_t value)
{
    uint16_t length = (uint16_t)value;
    *at = (char)(unsigned char)name;
    memcpy(at + 1, &length, 2);
    return at + 3;
}

/* Adds a field whose value the caller repaired, or one that is too long: it
 * is cut on a character boundary. Its name is listed in `altered`. Otherwise
 * as hr_ring_event_body_add. */
void hr_ring_event_body_add_altered(hr_ring_event_body *body, hr_span name,
                                    hr_span value);

/* Adds one field, a copy of both spans; nothing for an absent value. A value
 * over HR_FIELD_VALUE_MAX is cut. A field over another cap makes the body too
 * big, which hr_ring_event_body_finish returns. */
static inline void
hr_ring_event_body_add(hr_ring_event_body *body, hr_span name, hr_span value)
{
    if (__builtin_expect(value.len > HR_FIELD_VALUE_MAX, 0)) {
        hr_ring_event_body_add_altered(body, name, value);
        return;
    }
    if (value.ptr == NULL) {
        return;
    }
    size_t size = 3 + name.len + value.len;
    if (__builtin_expect(name.len > HR_FIELD_NAME_MAX ||
                             !hr_ring_event_body_has_room(body, size),
                         0)) {
        body->too_big = true;
        return;
    }
    char *at = hr_ring_event_put_head(body->bytes + body->length, name.len,
                                      value.len);
    at = hr_ring_event_put_bytes(at, name);
    hr_ring_event_put_bytes(at, value);
    body->length += size;
    body->field_count++;
}

/* Adds all fields of `more`, which is not finished. */
void hr_ring_event_body_append(hr_ring_event_body *body,
                               const hr_ring_event_body *more);

/* Adds the field `altered` where there is something to list; after it nothing
 * is added any more. TOO_BIG: kind, names and values together are over
 * HR_EVENT_MAX, or a name, the kind or the number of fields is over its own
 * cap. */
HR_CHECKED hr_status hr_ring_event_body_finish(hr_ring_event_body *body,
                                               hr_span kind);

/* Bytes of the record of a finished body. */
static inline size_t
hr_ring_event_size(hr_span kind, const hr_ring_event_body *body)
{
    return HR_RING_EVENT_HEADER + 1 + kind.len + body->length;
}

/* Writes all of the record but its first 16 bytes (the ring's part). `record`
 * has hr_ring_event_size() bytes. Any thread. */
void hr_ring_event_write(char *record, hr_span kind,
                         const hr_ring_event_body *body, int64_t time_ms,
                         uint32_t flags);

/* One field of a record, borrowed from its bytes. */
typedef struct hr_ring_event_field {
    hr_span name;
    hr_span value;
} hr_ring_event_field;

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
