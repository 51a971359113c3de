/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/stats.h"

static hr_stats stats;
static hr_stats total;

int
main(void)
{
    int ordered = 1;
    int holds = 1;
    for (uint64_t us = 0; us < 100000; us++) {
        size_t index = hr_histogram_index(us);
        holds &= us <= hr_histogram_upper(index);
        holds &= index == 0 || us > hr_histogram_upper(index - 1);
        ordered &= index <= hr_histogram_index(us + 1);
    }
    ok(holds, "histogram: a value lies in its bucket and in no other");
    ok(ordered, "histogram: buckets grow with the values");
    ok(hr_histogram_index(UINT64_MAX) == HR_HISTOGRAM_BUCKETS - 1,
       "histogram: the last bucket takes the rest");
    ok(hr_histogram_upper(HR_HISTOGRAM_BUCKETS - 1) == UINT64_MAX,
       "histogram: and says so");

    hr_stats_token(NULL, HR_EXPIRED);
    hr_stats_token(&stats, HR_EXPIRED);
    hr_stats_cookie(&stats, HR_SIGNATURE, 3);
    hr_stats_minted(&stats);
    hr_stats_request(&stats, 70);
    hr_stats_refused(&stats, HR_FULL);
    hr_stats_refused(&stats, (hr_status)4711);
    hr_stats_dropped(&stats, HR_REJECTED, 2);
    hr_count(&stats.accepted, 10);
    hr_count(&stats.delivered, 5);
    ok(hr_counted(&stats.token[HR_EXPIRED]) == 1, "stats: token");
    ok(hr_counted(&stats.cookie[HR_SIGNATURE]) == 3, "stats: cookie");
    ok(hr_counted(&stats.request.count) == 1 &&
           hr_counted(&stats.request.sum) == 70,
       "stats: request");
    ok(hr_counted(&stats.refused[HR_INTERNAL]) == 1,
       "stats: a number outside the list has a place");
    ok(hr_stats_sum(stats.refused) == 2, "stats: sum");
    ok(hr_stats_pending(&stats) == 3, "stats: pending");
    int measured = 0;
    int first = hr_stats_measures(&stats);
    for (int n = 1; n < 10 * HR_STAGE_EVERY; n++) {
        measured += hr_stats_measures(&stats);
    }
    ok(first && measured == 9, "stages: of one request in %d", HR_STAGE_EVERY);
    hr_stats_stage(&stats, HR_STAGE_TOKEN, 700);
    hr_stats_stage(&stats, HR_STAGE_TOKEN, -1);
    ok(hr_counted(&stats.stage[HR_STAGE_TOKEN].count) == 2 &&
           hr_counted(&stats.stage[HR_STAGE_TOKEN].sum) == 700,
       "stages: a clock that went back adds nothing");
    hr_stats_add(&total, &stats);
    hr_stats_add(&total, &stats);
    ok(hr_counted(&total.accepted) == 20 && hr_stats_pending(&total) == 6 &&
           hr_counted(&total.minted) == 2,
       "stats: added up");
    return done_testing();
}
