/* SPDX-License-Identifier: MIT */
/* Any bytes as a record: what is read lies inside it, and a line of JSON made
 * of it is one line. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sink/file.h"

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
        hr_ring_header *header = calloc(1, sizeof(*header) + 64);
        hr_buf line;
        hr_buf_init(&line, 1 << 20);
        if (header != NULL) {
            uintptr_t at = ((uintptr_t)header + 63) & ~(uintptr_t)63;
            hr_ring ring = {.header = (hr_ring_header *)at};
            assert(hr_sink_file_line(&line, &ring, &taken) == HR_OK);
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
