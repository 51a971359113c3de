/* SPDX-License-Identifier: MIT */
/* What a memory target keeps, and that it stays where it is. */
#include "events.h"

#include "../../ext/core/alloc.h"
#include "../../ext/core/target_memory.h"

static ps_wake wake;

static void
make_batch(ps_ring *ring, ps_batch *batch)
{
    make_ring(ring);
    if (ps_batch_init(batch, 8) != PS_OK) {
        printf("Bail out! no batch\n");
        exit(2);
    }
    put_number(ring, 1, "1");
    put_number(ring, 2, "2");
    ps_batch_take(batch, ring, 8, false);
}

int
main(void)
{
    ps_ring ring;
    ps_batch batch;
    ps_target *target = NULL;
    make_batch(&ring, &batch);
    ok(ps_target_memory_new(&target) == PS_OK &&
           ps_target_memory_count(target) == 0,
       "an empty one");
    ps_batch_settle(&batch, 0, PS_EVENT_EXPIRED);
    ok(target->ops->deliver(target, &batch, &wake) == PS_OK &&
           batch.waiting == 0 && ps_target_memory_count(target) == 1,
       "keeps what was waiting");
    const ps_kept_event *kept = ps_target_memory_at(target, 0);
    ps_span rest = kept->event.body;
    ps_field field;
    ok(kept->event.time_ms == 2 &&
           kept->sequence == batch.events[1].sequence &&
           ps_event_next_field(&rest, &field) &&
           ps_span_equal(field.value, PS_SPAN("2")),
       "as it was");
    memset(ring.data, 0, 256);
    ok(ps_span_equal(field.value, PS_SPAN("2")),
       "a copy: the ring goes its own way");
    ps_batch_reset(&batch);
    for (int i = 0; i < 300; i++) {
        put_number(&ring, 3, "3");
        ps_batch_reset(&batch);
        ring.taken = ps_ring_head(&ring) - 6;
        ps_batch_take(&batch, &ring, 1, true);
        if (batch.waiting != 0) {
            (void)!target->ops->deliver(target, &batch, &wake);
        }
    }
    ok(ps_target_memory_at(target, 0) == kept,
       "what a reader was given stays where it is");
    ps_target_report report;
    target->ops->report(target, &report);
    ok(strcmp(report.delivery, "exactly-once") == 0, "says so");
    target->ops->close(target);
    target->ops->free(target);
    ps_batch_fini(&batch);
    ps_ring_file_unmap(&ring);
#ifdef PS_ALLOC_TEST
    size_t n = 0;
    ps_status status;
    make_batch(&ring, &batch);
    do {
        target = NULL;
        ps_alloc_fail_at(++n, 0);
        status = ps_target_memory_new(&target);
        if (status == PS_OK) {
            status = target->ops->deliver(target, &batch, &wake);
            target->ops->free(target);
        }
        ps_alloc_fail_at(0, 0);
    } while (status == PS_NO_MEMORY && n < 20);
    ok(status == PS_OK && n == 5, "memory: none at %zu places", n - 1);
    ps_batch_fini(&batch);
    ps_ring_file_unmap(&ring);
#endif
    return done_testing();
}
