/* SPDX-License-Identifier: MIT */
#include "sink/adopt.h"

#include <stdio.h>

#include "base/clock.h"
#include "ring/file.h"
#include "ring/totals.h"
#include "sink/state.h"

/* A ring that nobody wrote to for six days (markers live for seven), and the
 * oldest ones when there are too many, are not delivered any more. */
static void
drop_stale(hr_sink *sink, size_t dead)
{
    hr_ring_header *header = sink->adopted.header;
    int64_t newest = hr_ring_header_touched_ms(header);
    hr_ring_batch *batch = &sink->adopted_batch;
    uint64_t found = 0;
    uint64_t taken = sink->adopted.taken;
    do {
        hr_ring_batch_take(batch, &sink->adopted, sink->settings.batch, true);
        for (size_t i = 0; i < batch->count; i++) {
            if (batch->events[i].event.time_ms > newest) {
                newest = batch->events[i].event.time_ms;
            }
        }
        found += batch->count;
        hr_ring_batch_reset(batch);
    } while (sink->adopted.taken < hr_ring_head(&sink->adopted));
    sink->adopted.taken = taken;
    batch->torn = 0;
    if (dead > HR_RINGS_MAX ||
        newest < hr_clock_wall_ms() - (int64_t)HR_RING_STALE_MS) {
        hr_ring_counters_dropped(hr_ring_header_counters(header),
                                 HR_STALE_RING, found);
        sink->adopted.taken = hr_ring_head(&sink->adopted);
        hr_ring_release(&sink->adopted, sink->adopted.taken);
    }
}

/* Rings that are not taken over, which a newer or older version may have
 * left: told when there are more of them than before. */
static void
note_left_alone(hr_sink *sink, size_t count)
{
    uint64_t before = atomic_exchange(
        &hr_sink_state_counters(sink)->rings_left_alone, (uint64_t)count);
    if (count > before) {
        hr_sink_state_notify(
            sink, true,
            "%zu ring files beside %.200s are of another format, owner "
            "or mode: they are left alone",
            count, sink->ring.path);
    }
}

bool
hr_sink_adopt_take(hr_sink *sink)
{
    int64_t now = hr_clock_steady_ns();
    if (sink->adopted.header == NULL) {
        hr_ring_file_scan scan;
        if (now < sink->adopt_at_ns || sink->ring.path[0] == '\0') {
            return false;
        }
        sink->adopt_at_ns = now + HR_ADOPT_EVERY_MS * HR_CLOCK_NS_PER_MS;
        hr_ring_header_touch(sink->ring.header, hr_clock_wall_ms());
        hr_status status = hr_ring_file_adopt(&sink->adopted, sink->ring_dir,
                                              sink->target_name, &scan);
        note_left_alone(sink, scan.left_alone);
        if (status != HR_OK) {
            return false;
        }
        drop_stale(sink, scan.dead);
    }
    hr_ring_batch_take(&sink->adopted_batch, &sink->adopted,
                       sink->settings.batch, true);
    return true;
}

void
hr_sink_adopt_finish(hr_sink *sink)
{
    hr_ring_counters *stats = hr_sink_state_counters(sink);
    hr_ring_counters_raise(&stats->adopted_rings, 1);
    hr_ring_counters_raise(&stats->adopted_torn, sink->adopted_batch.torn);
    /* All that it held is settled. What was counted as accepted but never
     * committed was never answered either. */
    hr_ring_counters *theirs = hr_ring_header_counters(sink->adopted.header);
    atomic_store(&theirs->accepted, hr_ring_counters_read(&theirs->delivered) +
                                        hr_ring_counters_sum(theirs->dropped));
    hr_ring_totals_retire(sink->ring_dir, &sink->adopted);
    hr_ring_file_unmap(&sink->adopted);
    sink->adopted_batch.torn = 0;
    sink->adopted_batch.ring = NULL;
    /* There may be more. */
    sink->adopt_at_ns = 0;
}

void
hr_sink_adopt_abandon(hr_sink *sink)
{
    hr_ring_file_abandon(&sink->adopted, false);
    hr_ring_file_unmap(&sink->adopted);
}
