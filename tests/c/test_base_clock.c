/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <time.h>

#include "base/clock.h"

/* 2020 and 2200, in seconds: a clock that reads other units falls outside. */
#define EARLY 1577836800.0
#define LATE 7258118400.0

int
main(void)
{
    double seconds = hr_clock_wall_seconds();
    ok(seconds > EARLY && seconds < LATE, "wall: seconds since the epoch");
    double ms = (double)hr_clock_wall_ms();
    ok(ms > EARLY * 1000 && ms < LATE * 1000, "wall: milliseconds");

    int64_t last = hr_clock_steady_ns();
    int ordered = 1;
    for (int i = 0; i < 100000; i++) {
        int64_t next = hr_clock_steady_ns();
        ordered &= next >= last;
        last = next;
    }
    ok(ordered, "steady: never backwards");

    int64_t before = hr_clock_steady_ns();
    struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
    ok(hr_clock_steady_ns() - before >= 2000000, "steady: nanoseconds");
    return done_testing();
}
