/* SPDX-License-Identifier: MIT */
/* The file target: one JSON object a line, rotated by size. */
#ifndef HR_SINK_FILE_H
#define HR_SINK_FILE_H

#include <stdint.h>

#include "base/buf.h"
#include "ring/ring.h"
#include "base/span.h"
#include "base/status.h"
#include "sink/target.h"

#define HR_SINK_FILE_BYTES_DEFAULT 16777216
#define HR_SINK_FILE_KEPT 3 /* <path>.1 the newest, <path>.3 the oldest */

/* A target that opens nothing before its first batch; the folder is made when
 * it is missing, and one named .headrace ignores itself in git. The path is
 * copied; relative to where the process is then. NO_MEMORY. */
HR_CHECKED hr_status hr_sink_file_new(hr_span path, uint64_t max_bytes,
                                      hr_sink_target **target);

/* Appends an event as a line of JSON: id, kind and time (a number) first,
 * then the fields, all strings. Bytes that are no UTF-8 become U+FFFD;
 * nothing in a line can end it, or look like markup to a terminal. */
void hr_sink_file_line(hr_buf *out, const hr_ring *ring,
                       const hr_ring_batch_event *taken);

#endif
