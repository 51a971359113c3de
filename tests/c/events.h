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

/* Puts an event into the ring; answers its sequence, 0 when there was no
 * room. */
__attribute__((unused)) static uint64_t
put_event(hr_ring *ring, int64_t time_ms, const hr_ring_event_field *fields,
          size_t count, uint32_t flags)
{
    hr_ring_event_plan plan;
    uint64_t position;
    char *record;
    if (hr_ring_event_measure(HR_SPAN("visit"), fields, count, &plan) !=
            HR_OK ||
        hr_ring_reserve(ring, plan.size, ring->units, &position, &record) !=
            HR_OK) {
        return 0;
    }
    hr_ring_event_write(record, &plan, HR_SPAN("visit"), fields, count,
                        time_ms, flags);
    hr_ring_counters_raise(&ring->header->stats.accepted, 1);
    hr_ring_commit(ring, position, record, plan.size);
    return position;
}

/* An event of one field, n. */
__attribute__((unused)) static uint64_t
put_number(hr_ring *ring, int64_t time_ms, const char *n)
{
    hr_ring_event_field field = {.name = HR_SPAN("n"),
                                 .value = {n, strlen(n)}};
    return put_event(ring, time_ms, &field, 1, 0);
}

/* An event that touches the session of `fingerprint`. */
__attribute__((unused)) static uint64_t
put_touch(hr_ring *ring, int64_t time_ms, const char *fingerprint,
          const char *path, const char *user)
{
    hr_ring_event_field fields[] = {
        {.name = HR_SPAN("fingerprint"),
         .value = {fingerprint, strlen(fingerprint)}},
        {.name = HR_SPAN("path"), .value = {path, path ? strlen(path) : 0}},
        {.name = HR_SPAN("user"), .value = {user, user ? strlen(user) : 0}},
    };
    return put_event(ring, time_ms, fields, 3, HR_RING_EVENT_SESSION);
}

#endif
