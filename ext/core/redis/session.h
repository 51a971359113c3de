/* SPDX-License-Identifier: MIT */
/* What a batch says about visitors: one touch a fingerprint, whatever the
 * number of its events. The sink thread only. */
#ifndef HR_REDIS_SESSION_H
#define HR_REDIS_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "ring/batch.h"
#include "base/buf.h"
#include "base/span.h"
#include "base/status.h"

typedef enum hr_redis_session_mode {
    HR_REDIS_SESSION_SCRIPT, /* one EVAL */
    HR_REDIS_SESSION_PLAIN,  /* plain commands in order, where EVAL is refused
                              */
    HR_REDIS_SESSION_OFF     /* these are refused too */
} hr_redis_session_mode;

/* Spans point into the batch's ring. */
typedef struct hr_redis_session_touch {
    hr_span fingerprint;
    hr_span path; /* of the newest event that has one */
    hr_span user; /* likewise; absent: anonymous */
    int64_t first_ms;
    int64_t last_ms;
    uint64_t views;
} hr_redis_session_touch;

typedef struct hr_redis_session_touches {
    hr_redis_session_touch *touches; /* `room` of them; owned */
    uint32_t *slots;                 /* hash table of indexes + 1; owned */
    size_t room;
    size_t slot_mask;
    size_t count;
} hr_redis_session_touches;

/* Room for the touches of `room` events. NO_MEMORY. */
HR_CHECKED hr_status hr_redis_session_init(hr_redis_session_touches *touches,
                                           size_t room);
/* A zeroed one is fine. */
void hr_redis_session_fini(hr_redis_session_touches *touches);

/* Collects the touches of the batch's waiting events. Those from before
 * `oldest_ms` are left out: their session has expired, and an outage must not
 * bring it back. */
void hr_redis_session_collect(hr_redis_session_touches *touches,
                              const hr_ring_batch *batch, int64_t oldest_ms);

/* Appends one EVAL that applies all touches and returns how many of them
 * failed. Each key begins with `prefix`. */
void hr_redis_session_write_script(const hr_redis_session_touches *touches,
                                   hr_span prefix, hr_buf *out);

/* Appends HR_REDIS_SESSION_COMMANDS plain commands for each touch, in order.
 * They cannot keep last_seen from going back. */
void hr_redis_session_write_plain(const hr_redis_session_touches *touches,
                                  hr_span prefix, hr_buf *out);

#define HR_REDIS_SESSION_COMMANDS 4U

/* The Lua source of a function `touch(keys, from, argv, at)`, which applies
 * the touches of keys[from] and after; five arguments each in argv from `at`,
 * after the lifetime in seconds at argv[at - 1]. */
extern const char hr_redis_session_lua[];

/* Appends the key of a touch, and its five arguments. */
void hr_redis_session_write_key(const hr_redis_session_touch *touch,
                                hr_span prefix, hr_buf *out);
void hr_redis_session_write_arguments(const hr_redis_session_touch *touch,
                                      hr_buf *out);
#define HR_REDIS_SESSION_ARGUMENTS 5U

#endif
