/* SPDX-License-Identifier: MIT */
/* The counters. They lie in the ring file's header page, so that any process
 * can read them, or in private memory where there is no ring. */
#ifndef PS_STATS_H
#define PS_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "status.h"

typedef struct ps_stats ps_stats;

/* Counts one token outcome (OK, or the reason it was refused), and so on.
 * `stats` may be NULL: then nothing is counted. Relaxed; any thread. */
void ps_stats_token(ps_stats *stats, ps_status reason);
void ps_stats_cookie(ps_stats *stats, ps_status reason, uint32_t times);
void ps_stats_minted(ps_stats *stats);

/* Request duration into the histogram of requests. */
void ps_stats_request(ps_stats *stats, uint64_t duration_us);

#endif
