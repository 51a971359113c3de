/* SPDX-License-Identifier: MIT */
/* What a memory target keeps, and that it stays where it is. */
#include "events.h"

#include "base/alloc.h"
#include "sink/memory.h"

static hr_wake wake;

static void
make_batch(hr_ring *ring, hr_ring_batch *batch)
{
    make_ring(ring);
    if (hr_ring_batch_init(batch, 8) != HR_OK) {
        printf("Bail out! no batch\n");
        exit(2);
    }
    put_number(ring, 1, "1");
    put_number(ring, 2, "2");
    hr_ring_batch_take(batch, ring, 8, false);
}

int
main(void)
{
    hr_ring ring;
    hr_ring_batch batch;
    hr_sink_target *target = NULL;
    make_batch(&ring, &batch);
    ok(hr_sink_memory_new(&target) == HR_OK &&
           hr_sink_memory_count(target) == 0,
       "an empty one");
    hr_ring_batch_settle(&batch, 0, HR_RING_BATCH_EXPIRED);
    ok(target->ops->deliver(target, &batch, &wake) == HR_OK &&
           batch.waiting == 0 && hr_sink_memory_count(target) == 1,
       "keeps what was waiting");
    const hr_sink_memory_event *kept = hr_sink_memory_at(target, 0);
    hr_span rest = kept->event.body;
    hr_ring_event_field field;
    ok(kept->event.time_ms == 2 &&
           kept->sequence == batch.events[1].sequence &&
           hr_ring_event_next_field(&rest, &field) &&
           hr_span_equal(field.value, HR_SPAN("2")),
       "as it was");
    memset(ring.data, 0, 256);
    ok(hr_span_equal(field.value, HR_SPAN("2")),
       "a copy: the ring goes its own way");
    hr_ring_batch_reset(&batch);
    for (int i = 0; i < 300; i++) {
        put_number(&ring, 3, "3");
        hr_ring_batch_reset(&batch);
        ring.taken = hr_ring_head(&ring) - 6;
        hr_ring_batch_take(&batch, &ring, 1, true);
        if (batch.waiting != 0) {
            (void)!target->ops->deliver(target, &batch, &wake);
        }
    }
    ok(hr_sink_memory_at(target, 0) == kept,
       "what a reader was given stays where it is");
    hr_sink_target_report report;
    target->ops->report(target, &report);
    ok(strcmp(report.delivery, "exactly-once") == 0, "says so");
    target->ops->close(target);
    target->ops->free(target);
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
#ifdef HR_ALLOC_TEST
    size_t n = 0;
    hr_status status;
    make_batch(&ring, &batch);
    do {
        target = NULL;
        hr_alloc_fail_at(++n, 0);
        status = hr_sink_memory_new(&target);
        if (status == HR_OK) {
            status = target->ops->deliver(target, &batch, &wake);
            target->ops->free(target);
        }
        hr_alloc_fail_at(0, 0);
    } while (status == HR_NO_MEMORY && n < 20);
    ok(status == HR_OK && n == 5, "memory: none at %zu places", n - 1);
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
#endif
    return done_testing();
}
