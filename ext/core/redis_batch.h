/* SPDX-License-Identifier: MIT */
/* A batch as commands. What the replies to them mean is delivery.c's. */
#ifndef PS_REDIS_BATCH_H
#define PS_REDIS_BATCH_H

#include <stdint.h>

#include "batch.h"
#include "buf.h"
#include "session_touch.h"
#include "span.h"
#include "status.h"

typedef enum ps_session_mode {
    PS_SESSION_SCRIPT, /* one EVAL */
    PS_SESSION_PLAIN,  /* plain commands in order, where EVAL is refused */
    PS_SESSION_OFF     /* these are refused too */
} ps_session_mode;

typedef struct ps_redis_form {
    ps_span stream;
    uint64_t max_length; /* 0: not trimmed */
    ps_session_mode sessions;
} ps_redis_form;

/* What was written: the order of the replies. */
typedef struct ps_redis_written {
    size_t events;   /* an XADD for each waiting event, in order */
    size_t sessions; /* commands for the sessions, behind them */
} ps_redis_written;

/* What is told of a marker that is no bare number. */
#define PS_MARKER_UNKNOWN \
    "MARKER of another format than 1: the version that wrote it must deliver"

/* The key of a ring's marker as one argument. */
PS_CHECKED ps_status ps_redis_batch_marker(const ps_ring *ring, ps_buf *out);

/* The waiting events and the sessions as plain commands. TOO_BIG, NO_MEMORY;
 * so do the others. */
PS_CHECKED ps_status ps_redis_batch_plain(const ps_redis_form *form,
                                          const ps_batch *batch,
                                          const ps_session_touches *touches,
                                          ps_buf *out,
                                          ps_redis_written *written);

/* The same between MULTI and EXEC, with the marker as the last command. */
PS_CHECKED ps_status ps_redis_batch_transaction(
    const ps_redis_form *form, const ps_batch *batch,
    const ps_session_touches *touches, ps_buf *out, ps_redis_written *written);

/* One EVAL that skips what the marker says is there. Its answer is an array
 * with an element for each waiting event: the id, "dup", or an error; and the
 * number of sessions that failed as the last one. */
PS_CHECKED ps_status ps_redis_batch_script(const ps_redis_form *form,
                                           const ps_batch *batch,
                                           const ps_session_touches *touches,
                                           ps_buf *out,
                                           ps_redis_written *written);

#endif
