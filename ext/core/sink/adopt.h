/* SPDX-License-Identifier: MIT */
/* Rings of the dead: a process that was killed leaves its ring, and any other
 * one with the same target delivers what is in it. The sink thread only. */
#ifndef HR_SINK_ADOPT_H
#define HR_SINK_ADOPT_H

#include <stdbool.h>

#include "base/status.h"
#include "sink/sink.h"

/* Looks for a dead ring when it is time to, and takes the next batch of the
 * one that is adopted into `adopted_batch`: an empty one when all is settled.
 * False: there is nothing to adopt. */
HR_CHECKED bool hr_sink_adopt_take(hr_sink *sink);

/* All that the ring held is settled: adds its counters to those of the ended
 * and removes it. */
void hr_sink_adopt_finish(hr_sink *sink);

/* Lets another process have the ring that is adopted, if there is one. */
void hr_sink_adopt_abandon(hr_sink *sink);

#endif
