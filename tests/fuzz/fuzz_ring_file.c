/* SPDX-License-Identifier: MIT */
/* A ring file that anybody may have written: adopted, or left alone. The
 * input is a list of changes to a good file: two bytes of place, one of
 * length, bytes. With the first byte odd, the records are given the right
 * checksums afterwards, so that what is behind these is reached too. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/view.h"
#include "../c/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/dev/shm/hr-fuzz-XXXXXX";

static void
clean_up(void)
{
    char path[128];
    snprintf(path, sizeof(path), "rm -rf %s", folder);
    if (system(path) != 0) {
        /* then a few files stay in the temporary folder */
    }
}

/* The ring's own pages, mapped for changing. */
static void
change(hr_ring *ring, const uint8_t *data, size_t size)
{
    char *bytes = (char *)ring->header;
    size_t room = HR_RING_HEADER_BYTES + ring->units * 8;
    while (size > 3) {
        size_t at = ((size_t)data[0] << 8 | data[1]) * 8;
        size_t len = data[2];
        data += 3;
        size -= 3;
        len = len < size ? len : size;
        if (at < room && len <= room - at) {
            memcpy(bytes + at, data, len);
        }
        data += len;
        size -= len;
    }
}

static void
give_checksums(hr_ring *ring, const uint64_t *positions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *record = ring->data + positions[i] % ring->units * 8;
        uint32_t length;
        memcpy(&length, record + 8, 4);
        if (length >= HR_RING_EVENT_HEADER &&
            length <= HR_RING_EVENT_RECORD_MAX) {
            hr_ring_commit(ring, positions[i], record, length);
        }
    }
}

/* What a reader from outside is told keeps its promises. */
static bool
look_at(const hr_ring_view *view, const char *name, void *context)
{
    static hr_ring_metrics sum;
    const hr_ring_header_beacon *beacon = &view->header->beacon;
    assert(strlen(name) != 0);
    assert(view->used_bytes <= view->header->label.data_bytes);
    assert(memchr(beacon->identity, 0, sizeof(beacon->identity)) != NULL &&
           memchr(beacon->delivery, 0, sizeof(beacon->delivery)) != NULL &&
           memchr(beacon->server, 0, sizeof(beacon->server)) != NULL);
    hr_ring_metrics_add(&sum, &view->header->metrics);
    ++*(size_t *)context;
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    if (folder[sizeof(folder) - 2] == 'X') {
        if (mkdtemp(folder) == NULL) {
            abort();
        }
        atexit(clean_up);
    }
    hr_ring ring;
    hr_ring_file_scan scan;
    hr_ring_batch batch;
    uint64_t positions[8];
    if (hr_ring_file_create(&ring, folder, TEST_TARGET, HR_RING_BYTES_MIN) !=
            HR_OK ||
        ring.path[0] == '\0' || hr_ring_batch_init(&batch, 64) != HR_OK) {
        abort();
    }
    char path[HR_RING_PATH_MAX];
    memcpy(path, ring.path, sizeof(path));
    for (size_t i = 0; i < 8; i++) {
        positions[i] = put_touch(&ring, 1, "aa", "/path", "7");
    }
    change(&ring, data + 1, size - 1);
    if ((data[0] & 1) != 0) {
        give_checksums(&ring, positions, 8);
    }
    hr_ring_file_abandon(&ring, false);
    hr_ring_file_unmap(&ring);
    size_t seen = 0;
    size_t left_alone = 0;
    assert(hr_ring_view_each(folder, look_at, &seen, &left_alone) == HR_OK);
    assert(seen + left_alone == 1);
    if (hr_ring_file_adopt(&ring, folder, TEST_TARGET, &scan) == HR_OK) {
        uint64_t head = hr_ring_head(&ring);
        assert(head - ring.taken <= ring.units);
        do {
            hr_ring_batch_take(&batch, &ring, 64, true);
            for (size_t i = 0; i < batch.count; i++) {
                if (batch.events[i].state != HR_RING_BATCH_WAITING) {
                    continue;
                }
                hr_span rest = batch.events[i].event.body;
                hr_ring_event_field field;
                size_t fields = 0;
                while (hr_ring_event_next_field(&rest, &field)) {
                    assert(field.name.ptr >= ring.data);
                    assert(field.value.ptr + field.value.len <=
                           ring.data + ring.units * 8 + HR_RING_MIRROR);
                    fields++;
                }
                assert(fields == batch.events[i].event.field_count);
                hr_ring_batch_settle(&batch, i, HR_RING_BATCH_DELIVERED);
            }
            hr_ring_batch_finish(&batch);
        } while (ring.taken < head);
        assert(hr_ring_tail(&ring) == head);
        hr_ring_file_abandon(&ring, true);
        hr_ring_file_unmap(&ring);
    } else {
        assert(scan.left_alone == 1);
    }
    unlink(path);
    hr_ring_batch_fini(&batch);
    return 0;
}
