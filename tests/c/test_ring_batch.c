/* SPDX-License-Identifier: MIT */
/* Taking, settling and finishing: what is counted, what is freed. */
#include "events.h"

#include "base/alloc.h"

static hr_ring ring;

static void
make_batch(hr_ring_batch *batch, size_t room)
{
    if (hr_ring_batch_init(batch, room) != HR_OK) {
        printf("Bail out! no batch\n");
        exit(2);
    }
}

static void
test_take(void)
{
    hr_ring_batch batch;
    make_ring(&ring);
    make_batch(&batch, 4);
    for (int i = 0; i < 6; i++) {
        put_number(&ring, i, "1");
    }
    hr_ring_batch_take(&batch, &ring, 3, false);
    ok(batch.count == 3 && batch.waiting == 3, "take: up to the limit");
    hr_ring_batch_take(&batch, &ring, 99, false);
    ok(batch.count == 4, "take: up to the room, behind those taken already");
    ok(batch.events[0].event.time_ms == 0 &&
           batch.events[3].event.time_ms == 3,
       "take: in order");
    ok(batch.events[1].sequence > batch.events[0].sequence &&
           batch.end == ring.taken,
       "take: sequences rise, the end is known");
    hr_ring_batch_reset(&batch);
    ok(batch.count == 0 && batch.waiting == 0 &&
           hr_ring_tail(&ring) < ring.taken,
       "reset: the ring keeps what was taken");
    hr_ring_batch_fini(&batch);
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
}

static void
test_take_by_bytes(void)
{
    static char text[HR_FIELD_VALUE_MAX];
    hr_ring_batch batch;
    make_ring(&ring);
    make_batch(&batch, 4096);
    memset(text, 'x', sizeof(text));
    size_t put = 0;
    while (put_field(&ring, 1, HR_SPAN("t"), (hr_span){text, sizeof(text)}) !=
               0 ||
           put == 0) {
        put++;
    }
    hr_ring_batch_take(&batch, &ring, 4096, false);
    ok(batch.count == put &&
           batch.bytes < HR_BATCH_BYTES_MAX + HR_RING_EVENT_RECORD_MAX,
       "bytes: a batch is bounded by them too");
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
}

static void
test_finish(void)
{
    hr_ring_batch batch;
    make_ring(&ring);
    make_batch(&batch, 16);
    for (int i = 0; i < 5; i++) {
        put_number(&ring, i < 2 ? 10 : 1000, "1");
    }
    hr_ring_batch_take(&batch, &ring, 16, false);
    hr_ring_batch_expire(&batch, 500);
    ok(batch.waiting == 3, "finish: two have expired");
    hr_ring_batch_settle(&batch, 2, HR_RING_BATCH_DELIVERED);
    hr_ring_batch_settle(&batch, 3, HR_RING_BATCH_REJECTED);
    hr_ring_batch_settle(&batch, 4, HR_RING_BATCH_DELIVERED);
    uint64_t end = batch.end;
    ok(hr_ring_batch_finish(&batch) == 2,
       "finish: answers what was delivered");
    hr_ring_counters *stats = &ring.header->stats;
    ok(hr_ring_counters_read(&stats->delivered) == 2 &&
           hr_ring_counters_read(&stats->dropped[HR_EXPIRED]) == 2 &&
           hr_ring_counters_read(&stats->dropped[HR_REJECTED]) == 1,
       "finish: each event is counted once");
    ok(hr_ring_counters_pending(stats) == 0, "finish: the ledger adds up");
    ok(hr_ring_tail(&ring) == end, "finish: their bytes are free");
    hr_ring_header_journal *journal = &ring.header->journal;
    ok(atomic_load(&journal->end) == end &&
           atomic_load(&journal->delivered) == 2 &&
           atomic_load(&journal->expired) == 2 &&
           atomic_load(&journal->rejected) == 1,
       "finish: the journal says what was counted");
    ok(batch.count == 0 && hr_ring_batch_finish(&batch) == 0,
       "finish: an empty one changes nothing");
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
}

/* A committed record whose lengths do not add up. */
static void
test_a_record_that_cannot_be_read(void)
{
    hr_ring_batch batch;
    uint64_t position;
    char *record;
    make_ring(&ring);
    make_batch(&batch, 4);
    put_number(&ring, 1, "1");
    ok(hr_ring_reserve(&ring, 40, ring.units, &position, &record) == HR_OK,
       "unreadable: reserved");
    memset(record + 16, 0xff, 24);
    hr_ring_counters_raise(&ring.header->stats.accepted, 1);
    hr_ring_commit(&ring, position, record, 40);
    put_number(&ring, 3, "3");
    hr_ring_batch_take(&batch, &ring, 4, false);
    ok(batch.count == 3 && batch.waiting == 2 &&
           batch.events[1].state == HR_RING_BATCH_REJECTED,
       "unreadable: rejected, and its neighbours are not");
    hr_ring_batch_settle(&batch, 0, HR_RING_BATCH_DELIVERED);
    hr_ring_batch_settle(&batch, 2, HR_RING_BATCH_DELIVERED);
    ok(hr_ring_batch_finish(&batch) == 2 &&
           hr_ring_counters_read(&ring.header->stats.dropped[HR_REJECTED]) ==
               1,
       "unreadable: counted as rejected");
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
}

/* What a dead producer had reserved and not committed is skipped. */
static void
test_salvage(void)
{
    hr_ring_batch batch;
    uint64_t position;
    char *record;
    make_ring(&ring);
    make_batch(&batch, 8);
    put_number(&ring, 1, "1");
    ok(hr_ring_reserve(&ring, 64, ring.units, &position, &record) == HR_OK,
       "salvage: one that is never committed");
    memset(record, 'x', 64);
    put_number(&ring, 2, "2");
    hr_ring_batch_take(&batch, &ring, 8, false);
    ok(batch.count == 1, "salvage: a living producer is waited for");
    hr_ring_batch_take(&batch, &ring, 8, true);
    ok(batch.count == 2 && batch.torn == 1 &&
           batch.events[1].event.time_ms == 2,
       "salvage: a dead one is not");
    ok(batch.end == hr_ring_head(&ring), "salvage: up to the head");
    hr_ring_batch_fini(&batch);
    hr_ring_file_unmap(&ring);
}

static void
test_memory(void)
{
#ifdef HR_ALLOC_TEST
    hr_ring_batch batch;
    hr_alloc_fail_at(1, 0);
    ok(hr_ring_batch_init(&batch, 8) == HR_NO_MEMORY, "memory: none is told");
    hr_ring_batch_fini(&batch);
    hr_alloc_fail_at(0, 0);
#endif
    hr_ring_batch zeroed = {0};
    hr_ring_batch_fini(&zeroed);
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
