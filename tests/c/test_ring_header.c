/* SPDX-License-Identifier: MIT */
/* The header: where each field lies in the file, a private one across a fork,
 * and what a process leaves that dies while it settles. */
#include "events.h"

#include <sys/wait.h>

#include "base/alloc.h"

#define RUN_ID "0123456789012345678901234567890123456789"
#define OTHER_RUN_ID "9876543210987654321098765432109876543210"

/* A ring file of before is adopted by its positions in it. */
static void
test_the_layout_is_that_of_format_3(void)
{
    ok(HR_RING_FORMAT == 3 && sizeof(hr_ring_header_label) == 96 &&
           sizeof(hr_ring_header_beacon) == 264,
       "layout: format 3");
    ok(offsetof(hr_ring_header, head) == 128 &&
           offsetof(hr_ring_header, tail) == 192 &&
           offsetof(hr_ring_header, touched_ms) == 200 &&
           offsetof(hr_ring_header, journal) == 208,
       "layout: positions and journal");
    ok(offsetof(hr_ring_header, fence_client) == 256 &&
           offsetof(hr_ring_header, fence_run_id) == 264 &&
           offsetof(hr_ring_header, beacon) == 320,
       "layout: fence and beacon");
    ok(offsetof(hr_ring_header, stats) == 640 &&
           offsetof(hr_ring_header, metrics) == 14272,
       "layout: counters and metrics");
}

static void
test_a_private_one(void)
{
    hr_ring_header *header = hr_ring_header_new(-1, 0);
    if (!ok(header != NULL, "private: made")) {
        return;
    }
    hr_ring_counters *stats = hr_ring_header_counters(header);
    ok(hr_ring_header_producer(header).ptr[0] == '\0' &&
           hr_ring_counters_read(&stats->delivered) == 0 &&
           hr_ring_header_touched_ms(header) == 0,
       "private: zeroed");
    hr_ring_counters_refused(stats, HR_FULL);
    hr_ring_header_touch(header, 5);
    ok(hr_ring_header_touched_ms(header) == 5 &&
           hr_ring_counters_sum(stats->refused) == 1,
       "private: counts");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        _exit(hr_ring_counters_sum(stats->refused) == 0 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    ok(emulated() || status == 0, "private: zeroed in a forked child");
    hr_ring_header_free(header, 0);
    hr_ring_header_free(NULL, 0);
    hr_alloc_fail_at(1, 0);
    ok(hr_ring_header_new(-1, 0) == NULL, "private: no memory");
    hr_alloc_fail_at(0, 0);
    int ends[2];
    if (pipe(ends) == 0) {
        ok(hr_ring_header_new(ends[0], HR_RING_BYTES_MIN) == NULL,
           "file: one that cannot be mapped");
        close(ends[0]);
        close(ends[1]);
    }
}

static void
test_label(void)
{
    hr_ring_header *header = hr_ring_header_new(-1, 0);
    if (header == NULL) {
        return;
    }
    hr_ring_header_label given = {.data_bytes = HR_RING_BYTES_MIN,
                                  .secret = 7};
    memcpy(given.producer, "00000000000000aa", HR_RING_PRODUCER_SIZE);
    hr_ring_header_begin(header, &given);
    hr_ring_header_label label = *hr_ring_header_label_of(header);
    ok(hr_ring_header_label_is_sound(&label) && label.secret == 7 &&
           label.first == 1 && label.pid == (uint32_t)getpid(),
       "label: written whole");
    ok(hr_span_equal(hr_ring_header_producer(header),
                     HR_SPAN("00000000000000aa")),
       "label: the producer");
    ok(hr_ring_header_touched_ms(header) == label.created_ms,
       "label: alive when it was made");
    label.secret = 8;
    ok(!hr_ring_header_label_is_sound(&label), "label: one field changed");
    given.data_bytes = HR_RING_BYTES_MIN + 8;
    hr_ring_header_begin(header, &given);
    ok(!hr_ring_header_label_is_sound(hr_ring_header_label_of(header)),
       "label: a size that is not a power of two");
    hr_ring_header_free(header, 0);
}

static void
test_settling_twice_counts_once(void)
{
    hr_ring_header *header = hr_ring_header_new(-1, 0);
    if (header == NULL) {
        return;
    }
    hr_ring_counters *stats = hr_ring_header_counters(header);
    hr_ring_header_settle(header, 40, 3, 2, 1);
    uint64_t tail = 10;
    ok(hr_ring_header_redo(header, 50, &tail) && tail == 40,
       "redo: the tail had not moved");
    ok(hr_ring_counters_read(&stats->delivered) == 3 &&
           hr_ring_counters_read(&stats->dropped[HR_EXPIRED]) == 2 &&
           hr_ring_counters_read(&stats->dropped[HR_REJECTED]) == 1,
       "redo: what was counted is not counted again");
    atomic_store(&stats->delivered, 0);
    tail = 10;
    ok(hr_ring_header_redo(header, 50, &tail) &&
           hr_ring_counters_read(&stats->delivered) == 3,
       "redo: what was not counted is");
    atomic_store(&stats->delivered, 9);
    tail = 40;
    ok(hr_ring_header_redo(header, 50, &tail) && tail == 40 &&
           hr_ring_counters_read(&stats->delivered) == 9,
       "redo: the tail had moved");
    tail = 10;
    ok(!hr_ring_header_redo(header, 39, &tail) && tail == 10,
       "redo: a journal that leads past the head");
    hr_ring_header_free(header, 0);
}

static void
test_fence(void)
{
    hr_ring_header *header = hr_ring_header_new(-1, 0);
    if (header == NULL) {
        return;
    }
    ok(hr_ring_header_fence_read(header, RUN_ID) == 0, "fence: none");
    hr_ring_header_fence_write(header, RUN_ID, 77);
    ok(hr_ring_header_fence_read(header, RUN_ID) == 77, "fence: read");
    ok(hr_ring_header_fence_read(header, OTHER_RUN_ID) == 0,
       "fence: of another server");
    hr_ring_header_free(header, 0);
}

int
main(void)
{
    test_the_layout_is_that_of_format_3();
    test_a_private_one();
    test_label();
    test_settling_twice_counts_once();
    test_fence();
    return done_testing();
}
