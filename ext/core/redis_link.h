/* SPDX-License-Identifier: MIT */
/* One connection to Redis: TCP, Unix socket or TLS, never blocking, every
 * wait with a deadline. It sends bytes and reads exactly so many replies; any
 * surprise closes it. hiredis parses the replies, nothing more.
 *
 * All of it belongs to the sink thread, but ps_redis_link_forget. */
#ifndef PS_REDIS_LINK_H
#define PS_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "redis_url.h"
#include "span.h"
#include "status.h"
#include "wake.h"

typedef struct ps_redis_link ps_redis_link;

/* What a link is made of; strings are borrowed for its whole life. */
typedef struct ps_redis_link_settings {
    const ps_redis_url *url;
    int64_t connect_timeout_ns; /* name, connection and TLS together */
    int64_t command_timeout_ns; /* from the first byte sent to the last read */
    const char *ca_file;        /* TLS; NULL: the system's */
    const char *certificate;    /* TLS; NULL: none */
    const char *private_key;    /* TLS; NULL: in `certificate` */
} ps_redis_link_settings;

typedef enum ps_reply_type {
    PS_REPLY_NIL,
    PS_REPLY_STATUS,
    PS_REPLY_ERROR,
    PS_REPLY_INTEGER,
    PS_REPLY_STRING,
    PS_REPLY_ARRAY /* its elements are the next nodes */
} ps_reply_type;

/* One node of the replies, in the order in which they came. */
typedef struct ps_reply {
    ps_reply_type type;
    uint32_t elements; /* of an array; arrays do not nest */
    uint32_t text;     /* offset of a status, error or string */
    uint32_t text_len;
    int64_t integer;
} ps_reply;

/* How long an exchange took, on the steady clock. */
typedef struct ps_redis_times {
    int64_t first_sent_ns; /* 0: nothing was sent */
    int64_t last_sent_ns;  /* 0: not all was sent */
    int64_t first_read_ns; /* 0: nothing was read */
    int64_t last_read_ns;
} ps_redis_times;

/* A link that is not connected yet; opens nothing. NO_MEMORY. */
PS_CHECKED ps_status ps_redis_link_new(const ps_redis_link_settings *settings,
                                       ps_redis_link **link);

/* Closes it. NULL is fine. */
void ps_redis_link_free(ps_redis_link *link);

/* Resolves, connects, shakes hands. RESOLVE, CONNECT, TLS, TIMEOUT,
 * NO_MEMORY; CLOSED as in wake.h. A link that is open is closed first. */
PS_CHECKED ps_status ps_redis_link_open(ps_redis_link *link, ps_wake *wake);

void ps_redis_link_close(ps_redis_link *link);

/* The socket, or -1. When it can be read while no exchange is going on, the
 * server has closed it or is talking out of turn: close it. */
int ps_redis_link_fd(const ps_redis_link *link);

/* Sends `commands` and reads exactly `count` replies, which then stand in
 * ps_redis_link_reply. `times` may be NULL. TIMEOUT, DISCONNECTED, PROTOCOL
 * (garbage, too many, too large or nested replies), NO_MEMORY, CLOSED: the
 * connection is closed, and what was sent may or may not have been executed
 * (not, when times->first_sent_ns is 0). */
PS_CHECKED ps_status ps_redis_link_exchange(ps_redis_link *link, ps_wake *wake,
                                            ps_span commands, size_t count,
                                            ps_redis_times *times);

/* The nodes of the last exchange. Borrowed until the next one. */
const ps_reply *ps_redis_link_replies(const ps_redis_link *link,
                                      size_t *nodes);

/* The text of a node. Borrowed until the next exchange. */
ps_span ps_redis_link_text(const ps_redis_link *link, const ps_reply *reply);

/* The errno, TLS or protocol detail of the last failure, for people; "" when
 * there is none. Static or owned by the link. */
const char *ps_redis_link_detail(const ps_redis_link *link);

/* In a forked child: closes the descriptor, sends nothing, frees nothing.
 * Async-signal-safe. */
void ps_redis_link_forget(ps_redis_link *link);

#endif
