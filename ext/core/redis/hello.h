/* SPDX-License-Identifier: MIT */
/* The first words on a connection: who we are, and what this server lets us
 * do. */
#ifndef HR_REDIS_HELLO_H
#define HR_REDIS_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include "redis/link.h"
#include "redis/url.h"
#include "ring/ring.h"
#include "base/status.h"

typedef struct hr_redis_hello_peer {
    uint64_t client_id; /* ours, on this connection; 0: unknown */
    char run_id[HR_RING_RUN_ID_SIZE]; /* the server process; zeroed: unknown */
    char version[16];                 /* "7.0.15"; "" unknown */
    bool may_evict; /* it may throw keys away when memory is short */
    bool may_kill;  /* CLIENT KILL ID is allowed */
    bool may_read;  /* GET of our markers is allowed */
    bool may_multi; /* MULTI and EXEC are allowed */
    bool may_eval;  /* EVAL is allowed */
} hr_redis_hello_peer;

/* Logs in, names the connection, selects the database and asks; `prefix` is
 * that of our markers. AUTH, SERVER
 * (`*error` is the server's text, borrowed from the link), PROTOCOL and
 * whatever an exchange answers. */
HR_CHECKED hr_status hr_redis_hello(hr_redis_link *link, hr_wake *wake,
                                    const hr_redis_url *url,
                                    hr_span client_name, hr_span prefix,
                                    hr_redis_hello_peer *peer, hr_span *error);

/* The text behind `name` and a colon at the start of a line of INFO's answer;
 * absent when there is no such line. */
hr_span hr_redis_hello_info_field(hr_span info, hr_span name);

#endif
