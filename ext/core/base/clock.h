/* SPDX-License-Identifier: MIT */
/* The clocks. Rules about time take `now` as an argument; only the callers at
 * the edge read a clock. */
#ifndef HR_BASE_CLOCK_H
#define HR_BASE_CLOCK_H

#include <stdint.h>

#define HR_CLOCK_NS_PER_MS INT64_C(1000000)

/* Wall clock, milliseconds since the epoch; a few ms coarse, ~5 ns. */
int64_t hr_clock_wall_ms(void);

/* Wall clock, seconds since the epoch, exact to the microsecond. */
double hr_clock_wall_seconds(void);

/* Steady clock for durations and deadlines, in nanoseconds; ~25 ns. */
int64_t hr_clock_steady_ns(void);

#endif
