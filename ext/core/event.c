/* SPDX-License-Identifier: MIT */
/* Measuring and writing are two passes over the same fields, so that the ring
 * can be asked for exactly the bytes that will be written; both must agree on
 * what is cut, which is why the cut is a function of the value alone.
 *
 * Reading trusts nothing: a ring file may have been written by anybody. */
#include "event.h"

#include <string.h>

static const ps_span ALTERED = {"altered", 7};

/* Cut here, or repaired by the caller. */
static inline bool
is_altered(const ps_field *field)
{
    return field->altered || field->value.len > PS_FIELD_VALUE_MAX;
}

ps_span
ps_event_cut(ps_span text, size_t max)
{
    if (text.len <= max) {
        return text;
    }
    size_t end = max;
    /* At most three continuation bytes precede a boundary in UTF-8; bytes
     * that are no UTF-8 are cut where they stand. */
    for (int i = 0; i < 4 && end > 0; i++) {
        if (((unsigned char)text.ptr[end] & 0xC0) != 0x80) {
            return (ps_span){text.ptr, end};
        }
        end--;
    }
    return (ps_span){text.ptr, max};
}

/* For events in which a field is left out, cut or repaired. */
static ps_status
measure_uneven(ps_span kind, const ps_field *fields, size_t count,
               ps_event_plan *plan)
{
    size_t text = kind.len;
    size_t altered = 0;
    unsigned kept = 0;
    for (size_t i = 0; i < count; i++) {
        const ps_field *field = &fields[i];
        if (field->value.ptr == NULL) {
            continue;
        }
        if (field->name.len > PS_FIELD_NAME_MAX) {
            return PS_TOO_BIG;
        }
        size_t value = field->value.len;
        if (is_altered(field)) {
            value = ps_event_cut(field->value, PS_FIELD_VALUE_MAX).len;
            altered += field->name.len + (altered != 0);
        }
        text += field->name.len + value;
        kept++;
    }
    if (altered != 0) {
        text += ALTERED.len + altered;
        kept++;
    }
    if (text > PS_EVENT_MAX) {
        return PS_TOO_BIG;
    }
    *plan = (ps_event_plan){
        .size = PS_RECORD_HEADER + 1 + 3 * (size_t)kept + text,
        .field_count = kept,
        .altered_bytes = altered,
    };
    return PS_OK;
}

ps_status
ps_event_measure(ps_span kind, const ps_field *fields, size_t count,
                 ps_event_plan *plan)
{
    /* One more than a caller's: the sink adds `sample`. */
    if (kind.len > PS_KIND_MAX || count > PS_EVENT_FIELDS_MAX + 1) {
        return PS_TOO_BIG;
    }
    /* Most events are plain; the first field that is not sends the event
     * the long way. */
    size_t text = kind.len;
    for (size_t i = 0; i < count; i++) {
        const ps_field *field = &fields[i];
        if (__builtin_expect(field->value.ptr == NULL || is_altered(field) ||
                                 field->name.len > PS_FIELD_NAME_MAX,
                             0)) {
            return measure_uneven(kind, fields, count, plan);
        }
        text += field->name.len + field->value.len;
    }
    if (text > PS_EVENT_MAX) {
        return PS_TOO_BIG;
    }
    *plan = (ps_event_plan){
        .size = PS_RECORD_HEADER + 1 + 3 * count + text,
        .field_count = (unsigned)count,
        .plain = true,
    };
    return PS_OK;
}

static void
write_uneven(char *at, const ps_event_plan *plan, const ps_field *fields,
             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].value.ptr != NULL) {
            at = ps_event_put_field(
                at, fields[i].name,
                ps_event_cut(fields[i].value, PS_FIELD_VALUE_MAX));
        }
    }
    if (plan->altered_bytes == 0) {
        return;
    }
    at = ps_event_put_field_head(at, ALTERED.len, plan->altered_bytes);
    at = ps_event_put_bytes(at, ALTERED);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].value.ptr == NULL || !is_altered(&fields[i])) {
            continue;
        }
        if (!first) {
            *at++ = ',';
        }
        at = ps_event_put_bytes(at, fields[i].name);
        first = false;
    }
}

/* All that comes before the fields; answers where they go. */
static inline char *
write_head(char *record, ps_span kind, unsigned field_count, int64_t time_ms,
           uint32_t flags)
{
    uint64_t head = ((uint64_t)time_ms & 0xFFFFFFFFFFFFU) |
                    (uint64_t)(flags & 0xFF) << 48 |
                    (uint64_t)field_count << 56;
    memcpy(record + 16, &head, 8);
    char *at = record + PS_RECORD_HEADER;
    *at++ = (char)(unsigned char)kind.len;
    return ps_event_put_bytes(at, kind);
}

void
ps_event_write_body(char *record, ps_span kind, ps_span body,
                    unsigned field_count, int64_t time_ms, uint32_t flags)
{
    char *at = write_head(record, kind, field_count, time_ms, flags);
    memcpy(at, body.ptr, body.len);
}

void
ps_event_write(char *record, const ps_event_plan *plan, ps_span kind,
               const ps_field *fields, size_t count, int64_t time_ms,
               uint32_t flags)
{
    char *at = write_head(record, kind, plan->field_count, time_ms, flags);
    if (!plan->plain) {
        write_uneven(at, plan, fields, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        at = ps_event_put_field(at, fields[i].name, fields[i].value);
    }
}

bool
ps_event_next_field(ps_span *rest, ps_field *field)
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
    field->name = (ps_span){rest->ptr + 3, name};
    field->value = (ps_span){rest->ptr + 3 + name, value};
    field->altered = false;
    *rest = ps_span_from(*rest, 3 + name + value);
    return true;
}

ps_status
ps_event_read(ps_span record, ps_event *event)
{
    if (record.len < PS_RECORD_HEADER + 1 || record.len > PS_RECORD_MAX) {
        return PS_MALFORMED;
    }
    uint64_t head;
    memcpy(&head, record.ptr + 16, 8);
    ps_span rest = ps_span_from(record, PS_RECORD_HEADER);
    size_t kind = (unsigned char)rest.ptr[0];
    if (kind > PS_KIND_MAX || rest.len - 1 < kind) {
        return PS_MALFORMED;
    }
    ps_event read = {
        .time_ms = (int64_t)(head & 0xFFFFFFFFFFFFU),
        .flags = (uint32_t)(head >> 48 & 0xFF),
        .field_count = (unsigned)(head >> 56),
        .kind = {rest.ptr + 1, kind},
        .body = ps_span_from(rest, 1 + kind),
    };
    ps_span fields = read.body;
    ps_field field;
    for (unsigned i = 0; i < read.field_count; i++) {
        if (!ps_event_next_field(&fields, &field)) {
            return PS_MALFORMED;
        }
    }
    if (fields.len != 0) {
        return PS_MALFORMED;
    }
    *event = read;
    return PS_OK;
}

ps_span
ps_event_find(const ps_event *event, ps_span name)
{
    ps_span rest = event->body;
    ps_field field;
    while (ps_event_next_field(&rest, &field)) {
        if (ps_span_equal(field.name, name)) {
            return field.value;
        }
    }
    return PS_NO_SPAN;
}
