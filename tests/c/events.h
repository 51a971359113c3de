/* SPDX-License-Identifier: MIT */
/* A ring in private memory with events of the test's own. */
#ifndef HR_TEST_EVENTS_H
#define HR_TEST_EVENTS_H

#include "tap.h"

#include "ring/batch.h"
#include "ring/file.h"

#define TEST_TARGET "0123456789abcdef"

__attribute__((unused)) static void
make_ring(hr_ring *ring)
{
    if (hr_ring_file_create(ring, "", TEST_TARGET, HR_RING_BYTES_MIN) !=
        HR_OK) {
        printf("Bail out! no ring\n");
        exit(2);
    }
    /* What a test expects byte by byte must not depend on chance. */
    memcpy(ring->header->label.producer, "00000000000000aa",
           HR_RING_PRODUCER_SIZE);
}

/* Puts an event into the ring, whose body it finishes; returns its sequence,
 * 0 when there was no room. */
__attribute__((unused)) static uint64_t
put_event(hr_ring *ring, int64_t time_ms, hr_ring_event_body *body,
          uint32_t flags)
{
    const hr_span kind = HR_SPAN("visit");
    uint64_t position;
    char *record;
    if (hr_ring_event_body_finish(body, kind) != HR_OK) {
        return 0;
    }
    size_t size = hr_ring_event_size(kind, body);
    if (hr_ring_reserve(ring, size, ring->units, &position, &record) !=
        HR_OK) {
        return 0;
    }
    hr_ring_event_write(record, kind, body, time_ms, flags);
    hr_ring_counters_raise(&ring->header->stats.accepted, 1);
    hr_ring_commit(ring, position, record, size);
    return position;
}

/* An event of one field. */
__attribute__((unused)) static uint64_t
put_field(hr_ring *ring, int64_t time_ms, hr_span name, hr_span value)
{
    hr_ring_event_body body;
    hr_ring_event_body_init(&body);
    hr_ring_event_body_add(&body, name, value);
    return put_event(ring, time_ms, &body, 0);
}

/* An event of one field, n. */
__attribute__((unused)) static uint64_t
put_number(hr_ring *ring, int64_t time_ms, const char *n)
{
    return put_field(ring, time_ms, HR_SPAN("n"), (hr_span){n, strlen(n)});
}

/* An event that touches the session of `fingerprint`. */
__attribute__((unused)) static uint64_t
put_touch(hr_ring *ring, int64_t time_ms, const char *fingerprint,
          const char *path, const char *user)
{
    hr_ring_event_body body;
    hr_ring_event_body_init(&body);
    hr_ring_event_body_add(&body, HR_SPAN("fingerprint"),
                           (hr_span){fingerprint, strlen(fingerprint)});
    hr_ring_event_body_add(&body, HR_SPAN("path"),
                           (hr_span){path, path ? strlen(path) : 0});
    hr_ring_event_body_add(&body, HR_SPAN("user"),
                           (hr_span){user, user ? strlen(user) : 0});
    return put_event(ring, time_ms, &body, HR_RING_EVENT_SESSION);
}

#endif
