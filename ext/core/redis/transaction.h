/* SPDX-License-Identifier: MIT */
/* A batch as commands. What the replies to them mean is redis/outcome.c's. */
#ifndef HR_REDIS_TRANSACTION_H
#define HR_REDIS_TRANSACTION_H

#include <stdint.h>

#include "ring/batch.h"
#include "base/buf.h"
#include "redis/session.h"
#include "base/span.h"
#include "base/status.h"

typedef struct hr_redis_transaction_form {
    hr_span prefix;      /* of every other key; up to HR_PREFIX_MAX bytes */
    hr_span stream;      /* the whole key */
    uint64_t max_length; /* 0: not trimmed */
    hr_redis_session_mode sessions;
} hr_redis_transaction_form;

/* How a batch is written. */
typedef enum hr_redis_transaction_kind {
    /* Each event and session a command, between MULTI and EXEC with the
     * marker as the last one. */
    HR_REDIS_TRANSACTION_MULTI,
    /* One EVAL that skips what the marker says is there. It returns an array:
     * for each waiting event the id, "dup" or an error; and the number of
     * sessions that failed as the last element. */
    HR_REDIS_TRANSACTION_SCRIPT,
    HR_REDIS_TRANSACTION_PLAIN /* as MULTI, without it and the marker */
} hr_redis_transaction_kind;

/* What was written: the order of the replies. */
typedef struct hr_redis_transaction_written {
    hr_redis_transaction_kind kind;
    size_t events;   /* an XADD for each waiting event, in order */
    size_t sessions; /* commands for the sessions, behind them */
    size_t touches;  /* visitors whom these are about */
    size_t replies;  /* to all of it */
    uint64_t last;   /* the last event's sequence */
} hr_redis_transaction_written;

/* What is told of a marker that is no bare number. */
#define HR_REDIS_TRANSACTION_MARKER_UNKNOWN \
    "MARKER of another format than 1: the version that wrote it must deliver"

/* The key of a ring's marker as one argument. */
void hr_redis_transaction_marker(hr_span prefix, const hr_ring *ring,
                                 hr_buf *out);

/* Appends the waiting events and the sessions. TOO_BIG, NO_MEMORY. */
HR_CHECKED hr_status hr_redis_transaction_write(
    hr_redis_transaction_kind kind, const hr_redis_transaction_form *form,
    const hr_ring_batch *batch, const hr_redis_session_touches *touches,
    hr_buf *out, hr_redis_transaction_written *written);

#endif
