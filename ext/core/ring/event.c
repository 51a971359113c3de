/* SPDX-License-Identifier: MIT */
/* A field is written once, into the body: there it is cut, and there its place
 * is noted when it was altered. The ring is asked for the bytes that the body
 * has, and the body is copied.
 *
 * Reading trusts nothing: a ring file may have been written by anybody. */
#include "ring/event.h"

static const hr_span ALTERED = {"altered", 7};

_Static_assert(HR_RING_EVENT_HEADER + 1 +
                       sizeof(((hr_ring_event_body *)NULL)->bytes) <=
                   HR_RING_EVENT_RECORD_MAX,
               "every body has a record");

hr_span
hr_ring_event_cut(hr_span text, size_t max)
{
    if (text.len <= max) {
        return text;
    }
    size_t end = max;
    /* At most three continuation bytes precede a boundary in UTF-8; bytes
     * that are no UTF-8 are cut where they stand. */
    for (int i = 0; i < 4 && end > 0; i++) {
        if (((unsigned char)text.ptr[end] & 0xC0) != 0x80) {
            return (hr_span){text.ptr, end};
        }
        end--;
    }
    return (hr_span){text.ptr, max};
}

void
hr_ring_event_body_add_altered(hr_ring_event_body *body, hr_span name,
                               hr_span value)
{
    size_t start = body->length;
    hr_ring_event_body_add(body, name,
                           hr_ring_event_cut(value, HR_FIELD_VALUE_MAX));
    if (body->altered_count == HR_RING_EVENT_BODY_FIELDS_MAX) {
        body->too_big = true;
    } else if (body->length != start) {
        body->altered[body->altered_count++] = (uint16_t)start;
    }
}

void
hr_ring_event_body_append(hr_ring_event_body *body,
                          const hr_ring_event_body *more)
{
    if (more->too_big || !hr_ring_event_body_has_room(body, more->length) ||
        body->altered_count + more->altered_count >
            HR_RING_EVENT_BODY_FIELDS_MAX) {
        body->too_big = true;
        return;
    }
    for (unsigned i = 0; i < more->altered_count; i++) {
        body->altered[body->altered_count++] =
            (uint16_t)(body->length + more->altered[i]);
    }
    memcpy(body->bytes + body->length, more->bytes, more->length);
    body->length += more->length;
    body->field_count += more->field_count;
}

/* The name of the field that begins at `start`. */
static hr_span
name_at(const hr_ring_event_body *body, size_t start)
{
    return (hr_span){body->bytes + start + 3,
                     (unsigned char)body->bytes[start]};
}

/* This list may be longer than another value. */
static void
add_list_of_altered(hr_ring_event_body *body)
{
    size_t list = body->altered_count - 1; /* the commas */
    for (unsigned i = 0; i < body->altered_count; i++) {
        list += name_at(body, body->altered[i]).len;
    }
    if (!hr_ring_event_body_has_room(body, 3 + ALTERED.len + list)) {
        body->too_big = true;
        return;
    }
    char *at =
        hr_ring_event_put_head(body->bytes + body->length, ALTERED.len, list);
    at = hr_ring_event_put_bytes(at, ALTERED);
    for (unsigned i = 0; i < body->altered_count; i++) {
        if (i != 0) {
            *at++ = ',';
        }
        at = hr_ring_event_put_bytes(at, name_at(body, body->altered[i]));
    }
    body->length = (size_t)(at - body->bytes);
    body->field_count++;
}

hr_status
hr_ring_event_body_finish(hr_ring_event_body *body, hr_span kind)
{
    if (kind.len > HR_KIND_MAX ||
        body->field_count > HR_RING_EVENT_BODY_FIELDS_MAX) {
        return HR_TOO_BIG;
    }
    if (body->altered_count != 0) {
        add_list_of_altered(body);
    }
    size_t text = kind.len + body->length - 3 * (size_t)body->field_count;
    return body->too_big || text > HR_EVENT_MAX ? HR_TOO_BIG : HR_OK;
}

void
hr_ring_event_write(char *record, hr_span kind, const hr_ring_event_body *body,
                    int64_t time_ms, uint32_t flags)
{
    uint64_t head = ((uint64_t)time_ms & 0xFFFFFFFFFFFFU) |
                    (uint64_t)(flags & 0xFF) << 48 |
                    (uint64_t)body->field_count << 56;
    memcpy(record + 16, &head, 8);
    char *at = record + HR_RING_EVENT_HEADER;
    *at++ = (char)(unsigned char)kind.len;
    at = hr_ring_event_put_bytes(at, kind);
    memcpy(at, body->bytes, body->length);
}

bool
hr_ring_event_next_field(hr_span *rest, hr_ring_event_field *field)
{
    if (rest->len < 3) {
        return false;
    }
    uint16_t value;
    size_t name = (unsigned char)rest->ptr[0];
    memcpy(&value, rest->ptr + 1, 2);
    if (rest->len - 3 < name || rest->len - 3 - name < value) {
        return false;
    }
    field->name = (hr_span){rest->ptr + 3, name};
    field->value = (hr_span){rest->ptr + 3 + name, value};
    *rest = hr_span_from(*rest, 3 + name + value);
    return true;
}

hr_status
hr_ring_event_read(hr_span record, hr_ring_event *event)
{
    if (record.len < HR_RING_EVENT_HEADER + 1 ||
        record.len > HR_RING_EVENT_RECORD_MAX) {
        return HR_MALFORMED;
    }
    uint64_t head;
    memcpy(&head, record.ptr + 16, 8);
    hr_span rest = hr_span_from(record, HR_RING_EVENT_HEADER);
    size_t kind = (unsigned char)rest.ptr[0];
    if (kind > HR_KIND_MAX || rest.len - 1 < kind) {
        return HR_MALFORMED;
    }
    hr_ring_event read = {
        .time_ms = (int64_t)(head & 0xFFFFFFFFFFFFU),
        .flags = (uint32_t)(head >> 48 & 0xFF),
        .field_count = (unsigned)(head >> 56),
        .kind = {rest.ptr + 1, kind},
        .body = hr_span_from(rest, 1 + kind),
    };
    hr_span fields = read.body;
    hr_ring_event_field field;
    for (unsigned i = 0; i < read.field_count; i++) {
        if (!hr_ring_event_next_field(&fields, &field)) {
            return HR_MALFORMED;
        }
    }
    if (fields.len != 0) {
        return HR_MALFORMED;
    }
    *event = read;
    return HR_OK;
}

hr_span
hr_ring_event_find(const hr_ring_event *event, hr_span name)
{
    hr_span rest = event->body;
    hr_ring_event_field field;
    while (hr_ring_event_next_field(&rest, &field)) {
        if (hr_span_equal(field.name, name)) {
            return field.value;
        }
    }
    return HR_NO_SPAN;
}
