/* SPDX-License-Identifier: MIT */
/* Taking, settling and finishing: what is counted, what is freed. */
#include "events.h"

#include "../../ext/core/alloc.h"

static ps_ring ring;

static void
make_batch(ps_batch *batch, size_t room)
{
    if (ps_batch_init(batch, room) != PS_OK) {
        printf("Bail out! no batch\n");
        exit(2);
    }
}

static void
test_take(void)
{
    ps_batch batch;
    make_ring(&ring);
    make_batch(&batch, 4);
    for (int i = 0; i < 6; i++) {
        put_number(&ring, i, "1");
    }
    ps_batch_take(&batch, &ring, 3, false);
    ok(batch.count == 3 && batch.waiting == 3, "take: up to the limit");
    ps_batch_take(&batch, &ring, 99, false);
    ok(batch.count == 4, "take: up to the room, behind those taken already");
    ok(batch.events[0].event.time_ms == 0 &&
           batch.events[3].event.time_ms == 3,
       "take: in order");
    ok(batch.events[1].sequence > batch.events[0].sequence &&
           batch.end == ring.taken,
       "take: sequences rise, the end is known");
    ps_batch_reset(&batch);
    ok(batch.count == 0 && batch.waiting == 0 &&
           ps_ring_tail(&ring) < ring.taken,
       "reset: the ring keeps what was taken");
    ps_batch_fini(&batch);
    ps_batch_fini(&batch);
    ps_ring_file_unmap(&ring);
}

static void
test_take_by_bytes(void)
{
    static char text[PS_FIELD_VALUE_MAX];
    ps_batch batch;
    make_ring(&ring);
    make_batch(&batch, 4096);
    memset(text, 'x', sizeof(text));
    ps_field field = {.name = PS_SPAN("t"), .value = {text, sizeof(text)}};
    size_t put = 0;
    while (put_event(&ring, 1, &field, 1, 0) != 0 || put == 0) {
        put++;
    }
    ps_batch_take(&batch, &ring, 4096, false);
    ok(batch.count == put && batch.bytes < PS_BATCH_BYTES_MAX + PS_RECORD_MAX,
       "bytes: a batch is bounded by them too");
    ps_batch_fini(&batch);
    ps_ring_file_unmap(&ring);
}

static void
test_finish(void)
{
    ps_batch batch;
    make_ring(&ring);
    make_batch(&batch, 16);
    for (int i = 0; i < 5; i++) {
        put_number(&ring, i < 2 ? 10 : 1000, "1");
    }
    ps_batch_take(&batch, &ring, 16, false);
    ps_batch_expire(&batch, 500);
    ok(batch.waiting == 3, "finish: two have expired");
    ps_batch_settle(&batch, 2, PS_EVENT_DELIVERED);
    ps_batch_settle(&batch, 3, PS_EVENT_REJECTED);
    ps_batch_settle(&batch, 4, PS_EVENT_DELIVERED);
    uint64_t end = batch.end;
    ok(ps_batch_finish(&batch) == 2, "finish: answers what was delivered");
    ps_stats *stats = &ring.header->stats;
    ok(ps_counted(&stats->delivered) == 2 &&
           ps_counted(&stats->dropped[PS_EXPIRED]) == 2 &&
           ps_counted(&stats->dropped[PS_REJECTED]) == 1,
       "finish: each event is counted once");
    ok(ps_stats_pending(stats) == 0, "finish: the ledger adds up");
    ok(ps_ring_tail(&ring) == end, "finish: their bytes are free");
    ps_ring_journal *journal = &ring.header->journal;
    ok(atomic_load(&journal->end) == end &&
           atomic_load(&journal->delivered) == 2 &&
           atomic_load(&journal->expired) == 2 &&
           atomic_load(&journal->rejected) == 1,
       "finish: the journal says what was counted");
    ok(batch.count == 0 && ps_batch_finish(&batch) == 0,
       "finish: an empty one changes nothing");
    ps_batch_fini(&batch);
    ps_ring_file_unmap(&ring);
}

/* A committed record whose lengths do not add up. */
static void
test_a_record_that_cannot_be_read(void)
{
    ps_batch batch;
    uint64_t position;
    char *record;
    make_ring(&ring);
    make_batch(&batch, 4);
    put_number(&ring, 1, "1");
    ok(ps_ring_reserve(&ring, 40, ring.units, &position, &record) == PS_OK,
       "unreadable: reserved");
    memset(record + 16, 0xff, 24);
    ps_count(&ring.header->stats.accepted, 1);
    ps_ring_commit(&ring, position, record, 40);
    put_number(&ring, 3, "3");
    ps_batch_take(&batch, &ring, 4, false);
    ok(batch.count == 3 && batch.waiting == 2 &&
           batch.events[1].state == PS_EVENT_REJECTED,
       "unreadable: rejected, and its neighbours are not");
    ps_batch_settle(&batch, 0, PS_EVENT_DELIVERED);
    ps_batch_settle(&batch, 2, PS_EVENT_DELIVERED);
    ok(ps_batch_finish(&batch) == 2 &&
           ps_counted(&ring.header->stats.dropped[PS_REJECTED]) == 1,
       "unreadable: counted as rejected");
    ps_batch_fini(&batch);
    ps_ring_file_unmap(&ring);
}

/* What a dead producer had reserved and not committed is skipped. */
static void
test_salvage(void)
{
    ps_batch batch;
    uint64_t position;
    char *record;
    make_ring(&ring);
    make_batch(&batch, 8);
    put_number(&ring, 1, "1");
    ok(ps_ring_reserve(&ring, 64, ring.units, &position, &record) == PS_OK,
       "salvage: one that is never committed");
    memset(record, 'x', 64);
    put_number(&ring, 2, "2");
    ps_batch_take(&batch, &ring, 8, false);
    ok(batch.count == 1, "salvage: a living producer is waited for");
    ps_batch_take(&batch, &ring, 8, true);
    ok(batch.count == 2 && batch.torn == 1 &&
           batch.events[1].event.time_ms == 2,
       "salvage: a dead one is not");
    ok(batch.end == ps_ring_head(&ring), "salvage: up to the head");
    ps_batch_fini(&batch);
    ps_ring_file_unmap(&ring);
}

static void
test_memory(void)
{
#ifdef PS_ALLOC_TEST
    ps_batch batch;
    ps_alloc_fail_at(1, 0);
    ok(ps_batch_init(&batch, 8) == PS_NO_MEMORY, "memory: none is told");
    ps_batch_fini(&batch);
    ps_alloc_fail_at(0, 0);
#endif
    ps_batch zeroed = {0};
    ps_batch_fini(&zeroed);
    ok(1, "memory: a zeroed one can be let go of");
}

int
main(void)
{
    test_take();
    test_take_by_bytes();
    test_finish();
    test_a_record_that_cannot_be_read();
    test_salvage();
    test_memory();
    return done_testing();
}
