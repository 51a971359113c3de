/* SPDX-License-Identifier: MIT */
/* The file target: one JSON object a line, rotated by size. */
#ifndef HR_TARGET_FILE_H
#define HR_TARGET_FILE_H

#include <stdint.h>

#include "buf.h"
#include "ring.h"
#include "span.h"
#include "status.h"
#include "target.h"

#define HR_FILE_BYTES_DEFAULT 16777216
#define HR_FILE_KEPT 3 /* <path>.1 the newest, <path>.3 the oldest */

/* A target that opens nothing before its first batch; the folder is made when
 * it is missing, and one named .headrace ignores itself in git. The path is
 * copied; relative to where the process is then. NO_MEMORY. */
HR_CHECKED hr_status hr_target_file_new(hr_span path, uint64_t max_bytes,
                                        hr_target **target);

/* Appends an event as a line of JSON: id, kind and time (a number) first,
 * then the fields, all strings. Bytes that are no UTF-8 become U+FFFD;
 * nothing in a line can end it, or look like markup to a terminal. NO_MEMORY,
 * TOO_BIG. */
HR_CHECKED hr_status hr_target_file_line(hr_buf *out, const hr_ring *ring,
                                         const hr_batch_event *taken);

#endif
