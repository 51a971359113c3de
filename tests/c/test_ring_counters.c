/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "ring/counters.h"

static hr_ring_counters stats;
static hr_ring_counters total;

int
main(void)
{
    int ordered = 1;
    int holds = 1;
    for (uint64_t us = 0; us < 100000; us++) {
        size_t index = hr_ring_counters_histogram_index(us);
        holds &= us <= hr_ring_counters_histogram_upper(index);
        holds &=
            index == 0 || us > hr_ring_counters_histogram_upper(index - 1);
        ordered &= index <= hr_ring_counters_histogram_index(us + 1);
    }
    ok(holds, "histogram: a value lies in its bucket and in no other");
    ok(ordered, "histogram: buckets grow with the values");
    ok(hr_ring_counters_histogram_index(UINT64_MAX) ==
           HR_RING_COUNTERS_BUCKETS - 1,
       "histogram: the last bucket takes the rest");
    ok(hr_ring_counters_histogram_upper(HR_RING_COUNTERS_BUCKETS - 1) ==
           UINT64_MAX,
       "histogram: and says so");

    hr_ring_counters_token(NULL, HR_EXPIRED);
    hr_ring_counters_token(&stats, HR_EXPIRED);
    hr_ring_counters_cookie(&stats, HR_SIGNATURE, 3);
    hr_ring_counters_minted(&stats);
    hr_ring_counters_request(&stats, 70);
    hr_ring_counters_refused(&stats, HR_FULL);
    hr_ring_counters_refused(&stats, (hr_status)4711);
    hr_ring_counters_dropped(&stats, HR_REJECTED, 2);
    hr_ring_counters_raise(&stats.accepted, 10);
    hr_ring_counters_raise(&stats.delivered, 5);
    ok(hr_ring_counters_read(&stats.token[HR_EXPIRED]) == 1, "stats: token");
    ok(hr_ring_counters_read(&stats.cookie[HR_SIGNATURE]) == 3,
       "stats: cookie");
    ok(hr_ring_counters_read(&stats.request.count) == 1 &&
           hr_ring_counters_read(&stats.request.sum) == 70,
       "stats: request");
    ok(hr_ring_counters_read(&stats.refused[HR_INTERNAL]) == 1,
       "stats: a number outside the list has a place");
    ok(hr_ring_counters_sum(stats.refused) == 2, "stats: sum");
    ok(hr_ring_counters_pending(&stats) == 3, "stats: pending");
    int measured = 0;
    int first = hr_ring_counters_measures(&stats);
    for (int n = 1; n < 10 * HR_RING_COUNTERS_STAGE_EVERY; n++) {
        measured += hr_ring_counters_measures(&stats);
    }
    ok(first && measured == 9, "stages: of one request in %d",
       HR_RING_COUNTERS_STAGE_EVERY);
    hr_ring_counters_stage_add(&stats, HR_RING_COUNTERS_STAGE_TOKEN, 700);
    hr_ring_counters_stage_add(&stats, HR_RING_COUNTERS_STAGE_TOKEN, -1);
    ok(hr_ring_counters_read(
           &stats.stage[HR_RING_COUNTERS_STAGE_TOKEN].count) == 2 &&
           hr_ring_counters_read(
               &stats.stage[HR_RING_COUNTERS_STAGE_TOKEN].sum) == 700,
       "stages: a clock that went back adds nothing");
    hr_ring_counters_add(&total, &stats);
    hr_ring_counters_add(&total, &stats);
    ok(hr_ring_counters_read(&total.accepted) == 20 &&
           hr_ring_counters_pending(&total) == 6 &&
           hr_ring_counters_read(&total.minted) == 2,
       "stats: added up");
    return done_testing();
}
