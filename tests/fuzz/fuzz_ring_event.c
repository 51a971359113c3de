/* SPDX-License-Identifier: MIT */
/* Any bytes as a record: what is read lies inside it, a line of JSON made of
 * it is one line, and what is written of its fields reads back: each whole,
 * or cut and listed in `altered`. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sink/file.h"

/* Is `name` in the list `altered`? */
static bool
is_listed(hr_span altered, hr_span name)
{
    for (size_t i = 0; i + name.len <= altered.len; i++) {
        if (hr_span_starts_with(hr_span_from(altered, i), name)) {
            return true;
        }
    }
    return false;
}

static void
write_anew(const hr_ring_event *event)
{
    hr_ring_event_body body;
    hr_ring_event_field field;
    hr_span rest = event->body;
    size_t text = event->kind.len;
    bool is_refused = event->field_count > HR_RING_EVENT_BODY_FIELDS_MAX;
    hr_ring_event_body_init(&body);
    while (hr_ring_event_next_field(&rest, &field)) {
        hr_ring_event_body_add(&body, field.name, field.value);
        is_refused |= field.name.len > HR_FIELD_NAME_MAX;
        text += field.name.len +
                hr_ring_event_cut(field.value, HR_FIELD_VALUE_MAX).len;
    }
    is_refused |= text > HR_EVENT_MAX;
    if (hr_ring_event_body_finish(&body, event->kind) != HR_OK) {
        assert(is_refused || body.altered_count != 0);
        return;
    }
    assert(!is_refused);
    size_t size = hr_ring_event_size(event->kind, &body);
    char *record = malloc(size); /* its end is watched */
    hr_ring_event again;
    if (record == NULL) {
        return;
    }
    hr_ring_event_write(record, event->kind, &body, event->time_ms,
                        event->flags);
    assert(hr_ring_event_read((hr_span){record, size}, &again) == HR_OK);
    assert(hr_span_equal(again.kind, event->kind) &&
           again.time_ms == event->time_ms && again.flags == event->flags);
    hr_span left = again.body;
    hr_span altered = HR_NO_SPAN;
    if (body.altered_count != 0) {
        hr_span last = again.body;
        while (hr_ring_event_next_field(&last, &field)) {
            altered = field.value;
        }
    }
    rest = event->body;
    while (hr_ring_event_next_field(&rest, &field)) {
        hr_ring_event_field written;
        assert(hr_ring_event_next_field(&left, &written));
        assert(hr_span_equal(written.name, field.name) &&
               hr_span_starts_with(field.value, written.value));
        assert(written.value.len == field.value.len ||
               (field.value.len > HR_FIELD_VALUE_MAX &&
                written.value.len > HR_FIELD_VALUE_MAX - 4 &&
                is_listed(altered, field.name)));
    }
    assert((left.len != 0) == (body.altered_count != 0));
    free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size != 0 ? size : 1);
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, data, size);
    hr_span record = {copy, size};
    hr_ring_batch_event taken = {.sequence = 7};
    if (hr_ring_event_read(record, &taken.event) == HR_OK) {
        hr_span rest = taken.event.body;
        hr_ring_event_field field;
        unsigned fields = 0;
        while (hr_ring_event_next_field(&rest, &field)) {
            fields++;
            assert(field.name.ptr >= copy &&
                   field.value.ptr + field.value.len <= copy + size);
        }
        assert(fields == taken.event.field_count);
        write_anew(&taken.event);
        hr_ring_header *header = calloc(1, sizeof(*header) + 64);
        hr_buf line;
        hr_buf_init(&line, 1 << 20);
        if (header != NULL) {
            uintptr_t at = ((uintptr_t)header + 63) & ~(uintptr_t)63;
            hr_ring ring = {.header = (hr_ring_header *)at};
            hr_sink_file_line(&line, &ring, &taken);
            assert(hr_buf_status(&line) == HR_OK);
            for (size_t i = 0; i + 1 < line.len; i++) {
                unsigned char c = (unsigned char)line.ptr[i];
                /* the producer's sixteen zero bytes stand at 7 */
                assert((i >= 7 && i < 23) || (c >= 0x20 && c != 0x7F));
            }
            assert(line.ptr[line.len - 1] == '\n');
        }
        hr_buf_fini(&line);
        free(header);
    }
    free(copy);
    return 0;
}
