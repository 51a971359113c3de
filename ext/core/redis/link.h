/* SPDX-License-Identifier: MIT */
/* One connection to Redis: TCP, Unix socket or TLS, never blocking, every
 * wait with a deadline. It sends bytes and reads exactly so many replies; any
 * surprise closes it. hiredis parses the replies, nothing more.
 *
 * All of it belongs to the sink thread, but hr_redis_link_forget. */
#ifndef HR_REDIS_LINK_H
#define HR_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "redis/url.h"
#include "base/span.h"
#include "base/status.h"
#include "base/wake.h"

typedef struct hr_redis_link hr_redis_link;

/* What a link is made of; strings are borrowed for its whole life. */
typedef struct hr_redis_link_settings {
    const hr_redis_url *url;
    int64_t connect_timeout_ns; /* name, connection and TLS together */
    int64_t command_timeout_ns; /* from the first byte sent to the last read */
    const char *ca_file;        /* TLS; NULL: the system's */
    const char *certificate;    /* TLS; NULL: none */
    const char *private_key;    /* TLS; NULL: in `certificate` */
} hr_redis_link_settings;

typedef enum hr_redis_link_reply_type {
    HR_REDIS_LINK_NIL,
    HR_REDIS_LINK_STATUS,
    HR_REDIS_LINK_ERROR,
    HR_REDIS_LINK_INTEGER,
    HR_REDIS_LINK_STRING,
    HR_REDIS_LINK_ARRAY /* its elements are the next nodes */
} hr_redis_link_reply_type;

/* One node of the replies, in the order in which they came. */
typedef struct hr_redis_link_reply {
    hr_redis_link_reply_type type;
    uint32_t elements; /* of an array; arrays do not nest */
    uint32_t text;     /* offset of a status, error or string */
    uint32_t text_len;
    int64_t integer;
} hr_redis_link_reply;

/* All nodes of an exchange, and the bytes that they point into. */
typedef struct hr_redis_link_received {
    const hr_redis_link_reply *nodes;
    size_t count;
    const char *texts;
} hr_redis_link_received;

/* How long an exchange took, on the steady clock. */
typedef struct hr_redis_link_times {
    int64_t first_sent_ns; /* 0: nothing was sent */
    int64_t last_sent_ns;  /* 0: not all was sent */
    int64_t first_read_ns; /* 0: nothing was read */
    int64_t last_read_ns;
} hr_redis_link_times;

/* A link that is not connected yet; opens nothing. NO_MEMORY. */
HR_CHECKED hr_status hr_redis_link_new(const hr_redis_link_settings *settings,
                                       hr_redis_link **link);

/* Closes it. NULL is fine. */
void hr_redis_link_free(hr_redis_link *link);

/* Resolves, connects, shakes hands. RESOLVE, CONNECT, TLS, TIMEOUT,
 * NO_MEMORY; CLOSED as in base/wake.h. A link that is open is closed first. */
HR_CHECKED hr_status hr_redis_link_open(hr_redis_link *link, hr_wake *wake);

void hr_redis_link_close(hr_redis_link *link);

/* The socket, or -1. When it can be read while no exchange is going on, the
 * server has closed it or is talking out of turn: close it. */
int hr_redis_link_fd(const hr_redis_link *link);

/* Sends `commands` and reads exactly `count` replies, which then stand in
 * hr_redis_link_read. `times` may be NULL. TIMEOUT, DISCONNECTED, PROTOCOL
 * (garbage, too many, too large or nested replies), NO_MEMORY, CLOSED: the
 * connection is closed, and what was sent may or may not have been executed
 * (not, when times->first_sent_ns is 0). */
HR_CHECKED hr_status hr_redis_link_exchange(hr_redis_link *link, hr_wake *wake,
                                            hr_span commands, size_t count,
                                            hr_redis_link_times *times);

/* The nodes of the last exchange. Borrowed until the next one. */
hr_redis_link_received hr_redis_link_read(const hr_redis_link *link);

/* The text of a node; "" where it has none. Borrowed like the nodes. */
static inline hr_span
hr_redis_link_text(const hr_redis_link_received *received,
                   const hr_redis_link_reply *node)
{
    return node->text_len == 0
               ? HR_SPAN("")
               : (hr_span){received->texts + node->text, node->text_len};
}

/* The errno, TLS or protocol detail of the last failure, for people; "" when
 * there is none. Static or owned by the link. */
const char *hr_redis_link_detail(const hr_redis_link *link);

/* In a forked child: closes the descriptor, sends nothing, frees nothing.
 * Async-signal-safe. */
void hr_redis_link_forget(hr_redis_link *link);

#endif
