/* SPDX-License-Identifier: MIT */
/* What the replies to a batch mean: a pure function of what was asked and
 * what came. redis/delivery.c acts on it.
 *
 * A reply is matched by type and shape, never just counted. Whatever is not
 * what was asked for ends the connection and leaves the batch in doubt: the
 * marker will tell. Only XADD's own reply decides an event. */
#ifndef HR_REDIS_OUTCOME_H
#define HR_REDIS_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/status.h"
#include "redis/link.h"
#include "redis/session.h"
#include "redis/transaction.h"

/* What became of one event. */
typedef enum hr_redis_outcome_event {
    HR_REDIS_OUTCOME_WAITING, /* nothing that is its own fault */
    HR_REDIS_OUTCOME_DELIVERED,
    HR_REDIS_OUTCOME_REJECTED,
    HR_REDIS_OUTCOME_AGAIN /* waits; one try more has failed at it */
} hr_redis_outcome_event;

typedef struct hr_redis_outcome_asked {
    hr_redis_transaction_written written;
    hr_redis_session_mode sessions; /* how the touches were written */
    bool needs_marker;     /* the level was asked for by name: never without */
    const unsigned *tries; /* of each event that was written, in order */
} hr_redis_outcome_asked;

typedef struct hr_redis_outcome {
    hr_status status;    /* OK: what still waits is sent again at once. Else as
                          * hr_sink_target_ops.deliver */
    bool hang_up;        /* the connection is not wanted any more */
    bool known;          /* the batch is not in doubt: applied or not at all */
    bool without_marker; /* the marker is refused: at least once from now on */
    hr_redis_session_mode sessions; /* how to write touches from now on */
    uint64_t session_errors;        /* touches that were not applied */
    const char *lead;               /* for people: this, then `text` */
    hr_span text;                   /* borrowed; both empty: nothing */
} hr_redis_outcome;

/* The outcome of a batch, and that of each event that was written, in order,
 * in `events`. */
hr_redis_outcome
hr_redis_outcome_of_batch(const hr_redis_outcome_asked *asked,
                          const hr_redis_link_received *received,
                          hr_redis_outcome_event *events);

/* The outcome of CLIENT KILL, where `killed`, and GET of a marker. OK:
 * `*marker` is the last sequence that was applied, unchanged where the key is
 * not there; the batch is not in doubt any more. */
hr_redis_outcome
hr_redis_outcome_of_marker(const hr_redis_link_received *received, bool killed,
                           uint64_t *marker);

#endif
