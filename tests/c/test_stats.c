/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/stats.h"

static ps_stats stats;
static ps_stats total;

int
main(void)
{
    int ordered = 1;
    int holds = 1;
    for (uint64_t us = 0; us < 100000; us++) {
        size_t index = ps_histogram_index(us);
        holds &= us <= ps_histogram_upper(index);
        holds &= index == 0 || us > ps_histogram_upper(index - 1);
        ordered &= index <= ps_histogram_index(us + 1);
    }
    ok(holds, "histogram: a value lies in its bucket and in no other");
    ok(ordered, "histogram: buckets grow with the values");
    ok(ps_histogram_index(UINT64_MAX) == PS_HISTOGRAM_BUCKETS - 1,
       "histogram: the last bucket takes the rest");
    ok(ps_histogram_upper(PS_HISTOGRAM_BUCKETS - 1) == UINT64_MAX,
       "histogram: and says so");

    ps_stats_token(NULL, PS_EXPIRED);
    ps_stats_token(&stats, PS_EXPIRED);
    ps_stats_cookie(&stats, PS_SIGNATURE, 3);
    ps_stats_minted(&stats);
    ps_stats_request(&stats, 70);
    ps_stats_refused(&stats, PS_FULL);
    ps_stats_refused(&stats, (ps_status)4711);
    ps_stats_dropped(&stats, PS_REJECTED, 2);
    ps_count(&stats.accepted, 10);
    ps_count(&stats.delivered, 5);
    ok(ps_counted(&stats.token[PS_EXPIRED]) == 1, "stats: token");
    ok(ps_counted(&stats.cookie[PS_SIGNATURE]) == 3, "stats: cookie");
    ok(ps_counted(&stats.request.count) == 1 &&
           ps_counted(&stats.request.sum) == 70,
       "stats: request");
    ok(ps_counted(&stats.refused[PS_INTERNAL]) == 1,
       "stats: a number outside the list has a place");
    ok(ps_stats_sum(stats.refused) == 2, "stats: sum");
    ok(ps_stats_pending(&stats) == 3, "stats: pending");
    int measured = 0;
    int first = ps_stats_measures(&stats);
    for (int n = 1; n < 10 * PS_STAGE_EVERY; n++) {
        measured += ps_stats_measures(&stats);
    }
    ok(first && measured == 9, "stages: of one request in %d", PS_STAGE_EVERY);
    ps_stats_stage(&stats, PS_STAGE_TOKEN, 700);
    ps_stats_stage(&stats, PS_STAGE_TOKEN, -1);
    ok(ps_counted(&stats.stage[PS_STAGE_TOKEN].count) == 2 &&
           ps_counted(&stats.stage[PS_STAGE_TOKEN].sum) == 700,
       "stages: a clock that went back adds nothing");
    ps_stats_add(&total, &stats);
    ps_stats_add(&total, &stats);
    ok(ps_counted(&total.accepted) == 20 && ps_stats_pending(&total) == 6 &&
           ps_counted(&total.minted) == 2,
       "stats: added up");
    return done_testing();
}
