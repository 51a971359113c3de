/* SPDX-License-Identifier: MIT */
/* A ring in private memory with events of the test's own. */
#ifndef PS_TEST_EVENTS_H
#define PS_TEST_EVENTS_H

#include "tap.h"

#include "../../ext/core/batch.h"
#include "../../ext/core/ring_file.h"

#define TEST_TARGET "0123456789abcdef"

__attribute__((unused)) static void
make_ring(ps_ring *ring)
{
    if (ps_ring_file_create(ring, "", TEST_TARGET, PS_RING_BYTES_MIN) !=
        PS_OK) {
        printf("Bail out! no ring\n");
        exit(2);
    }
    /* What a test expects byte by byte must not depend on chance. */
    memcpy(ring->header->label.producer, "00000000000000aa", PS_PRODUCER_SIZE);
}

/* Puts an event into the ring; answers its sequence, 0 when there was no
 * room. */
__attribute__((unused)) static uint64_t
put_event(ps_ring *ring, int64_t time_ms, const ps_field *fields, size_t count,
          uint32_t flags)
{
    ps_event_plan plan;
    uint64_t position;
    char *record;
    if (ps_event_measure(PS_SPAN("visit"), fields, count, &plan) != PS_OK ||
        ps_ring_reserve(ring, plan.size, ring->units, &position, &record) !=
            PS_OK) {
        return 0;
    }
    ps_event_write(record, &plan, PS_SPAN("visit"), fields, count, time_ms,
                   flags);
    ps_count(&ring->header->stats.accepted, 1);
    ps_ring_commit(ring, position, record, plan.size);
    return position;
}

/* An event of one field, n. */
__attribute__((unused)) static uint64_t
put_number(ps_ring *ring, int64_t time_ms, const char *n)
{
    ps_field field = {.name = PS_SPAN("n"), .value = {n, strlen(n)}};
    return put_event(ring, time_ms, &field, 1, 0);
}

/* An event that touches the session of `fingerprint`. */
__attribute__((unused)) static uint64_t
put_touch(ps_ring *ring, int64_t time_ms, const char *fingerprint,
          const char *path, const char *user)
{
    ps_field fields[] = {
        {.name = PS_SPAN("fingerprint"),
         .value = {fingerprint, strlen(fingerprint)}},
        {.name = PS_SPAN("path"), .value = {path, path ? strlen(path) : 0}},
        {.name = PS_SPAN("user"), .value = {user, user ? strlen(user) : 0}},
    };
    return put_event(ring, time_ms, fields, 3, PS_EVENT_SESSION);
}

#endif
