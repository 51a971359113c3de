/* SPDX-License-Identifier: MIT */
/* Measuring and writing are two passes over the same fields, so that the ring
 * can be asked for exactly the bytes that will be written; both must agree on
 * what is cut, which is why the cut is a function of the value alone.
 *
 * Reading trusts nothing: a ring file may have been written by anybody. */
#include "ring/event.h"

#include <string.h>

static const hr_span ALTERED = {"altered", 7};

/* Cut here, or repaired by the caller. */
static inline bool
is_altered(const hr_ring_event_field *field)
{
    return field->altered || field->value.len > HR_FIELD_VALUE_MAX;
}

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

/* For events in which a field is left out, cut or repaired. */
static hr_status
measure_uneven(hr_span kind, const hr_ring_event_field *fields, size_t count,
               hr_ring_event_plan *plan)
{
    size_t text = kind.len;
    size_t altered = 0;
    unsigned kept = 0;
    for (size_t i = 0; i < count; i++) {
        const hr_ring_event_field *field = &fields[i];
        if (field->value.ptr == NULL) {
            continue;
        }
        if (field->name.len > HR_FIELD_NAME_MAX) {
            return HR_TOO_BIG;
        }
        size_t value = field->value.len;
        if (is_altered(field)) {
            value = hr_ring_event_cut(field->value, HR_FIELD_VALUE_MAX).len;
            altered += field->name.len + (altered != 0);
        }
        text += field->name.len + value;
        kept++;
    }
    if (altered != 0) {
        text += ALTERED.len + altered;
        kept++;
    }
    if (text > HR_EVENT_MAX) {
        return HR_TOO_BIG;
    }
    *plan = (hr_ring_event_plan){
        .size = HR_RING_EVENT_HEADER + 1 + 3 * (size_t)kept + text,
        .field_count = kept,
        .altered_bytes = altered,
    };
    return HR_OK;
}

hr_status
hr_ring_event_measure(hr_span kind, const hr_ring_event_field *fields,
                      size_t count, hr_ring_event_plan *plan)
{
    /* One more than a caller's: the sink adds `sample`. */
    if (kind.len > HR_KIND_MAX || count > HR_EVENT_FIELDS_MAX + 1) {
        return HR_TOO_BIG;
    }
    /* Most events are plain; the first field that is not sends the event
     * the long way. */
    size_t text = kind.len;
    for (size_t i = 0; i < count; i++) {
        const hr_ring_event_field *field = &fields[i];
        if (__builtin_expect(field->value.ptr == NULL || is_altered(field) ||
                                 field->name.len > HR_FIELD_NAME_MAX,
                             0)) {
            return measure_uneven(kind, fields, count, plan);
        }
        text += field->name.len + field->value.len;
    }
    if (text > HR_EVENT_MAX) {
        return HR_TOO_BIG;
    }
    *plan = (hr_ring_event_plan){
        .size = HR_RING_EVENT_HEADER + 1 + 3 * count + text,
        .field_count = (unsigned)count,
        .plain = true,
    };
    return HR_OK;
}

static void
write_uneven(char *at, const hr_ring_event_plan *plan,
             const hr_ring_event_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].value.ptr != NULL) {
            at = hr_ring_event_put_field(
                at, fields[i].name,
                hr_ring_event_cut(fields[i].value, HR_FIELD_VALUE_MAX));
        }
    }
    if (plan->altered_bytes == 0) {
        return;
    }
    at = hr_ring_event_put_field_head(at, ALTERED.len, plan->altered_bytes);
    at = hr_ring_event_put_bytes(at, ALTERED);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].value.ptr == NULL || !is_altered(&fields[i])) {
            continue;
        }
        if (!first) {
            *at++ = ',';
        }
        at = hr_ring_event_put_bytes(at, fields[i].name);
        first = false;
    }
}

/* All that comes before the fields; answers where they go. */
static inline char *
write_head(char *record, hr_span kind, unsigned field_count, int64_t time_ms,
           uint32_t flags)
{
    uint64_t head = ((uint64_t)time_ms & 0xFFFFFFFFFFFFU) |
                    (uint64_t)(flags & 0xFF) << 48 |
                    (uint64_t)field_count << 56;
    memcpy(record + 16, &head, 8);
    char *at = record + HR_RING_EVENT_HEADER;
    *at++ = (char)(unsigned char)kind.len;
    return hr_ring_event_put_bytes(at, kind);
}

void
hr_ring_event_write_body(char *record, hr_span kind, hr_span body,
                         unsigned field_count, int64_t time_ms, uint32_t flags)
{
    char *at = write_head(record, kind, field_count, time_ms, flags);
    memcpy(at, body.ptr, body.len);
}

void
hr_ring_event_write(char *record, const hr_ring_event_plan *plan, hr_span kind,
                    const hr_ring_event_field *fields, size_t count,
                    int64_t time_ms, uint32_t flags)
{
    char *at = write_head(record, kind, plan->field_count, time_ms, flags);
    if (!plan->plain) {
        write_uneven(at, plan, fields, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        at = hr_ring_event_put_field(at, fields[i].name, fields[i].value);
    }
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
    field->altered = false;
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
