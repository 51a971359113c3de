/* SPDX-License-Identifier: MIT */
/* The first words on a connection: who we are, and what this server lets us
 * do. */
#ifndef PS_REDIS_HELLO_H
#define PS_REDIS_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include "redis_link.h"
#include "redis_url.h"
#include "ring.h"
#include "status.h"

typedef struct ps_redis_peer {
    uint64_t client_id;          /* ours, on this connection; 0: unknown */
    char run_id[PS_RUN_ID_SIZE]; /* the server process; zeroed: unknown */
    char version[16];            /* "7.0.15"; "" unknown */
    bool may_evict; /* it may throw keys away when memory is short */
    bool may_kill;  /* CLIENT KILL ID is allowed */
    bool may_read;  /* GET of our markers is allowed */
    bool may_multi; /* MULTI and EXEC are allowed */
    bool may_eval;  /* EVAL is allowed */
} ps_redis_peer;

/* Logs in, names the connection, selects the database and asks. AUTH, SERVER
 * (`*error` is the server's text, borrowed from the link), PROTOCOL and
 * whatever an exchange answers. */
PS_CHECKED ps_status ps_redis_hello(ps_redis_link *link, ps_wake *wake,
                                    const ps_redis_url *url,
                                    ps_span client_name, ps_redis_peer *peer,
                                    ps_span *error);

/* The text behind `name` and a colon at the start of a line of INFO's answer;
 * absent when there is no such line. */
ps_span ps_redis_info_field(ps_span info, ps_span name);

#endif
