/* SPDX-License-Identifier: MIT */
/* Lets a Python program under callgrind say what is to be counted. Outside of
 * valgrind the requests do nothing. */
#include <valgrind/callgrind.h>

void counting_start(void);
void counting_stop(const char *name);

/* From here on instructions are counted, from zero. */
__attribute__((visibility("default"))) void
counting_start(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

/* Writes what was counted into the next file of callgrind, with `name` as
 * what triggered it. */
__attribute__((visibility("default"))) void
counting_stop(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}
