/* SPDX-License-Identifier: MIT */
/* The event of kind `request`: which fields, in which order. */
#ifndef PS_REQUEST_EVENT_H
#define PS_REQUEST_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.h"
#include "event.h"
#include "request.h"
#include "sink.h"
#include "span.h"
#include "status.h"

/* Fields of `request` events beyond the fixed ones, in their fixed order. */
#define PS_EXTRA_FIELDS(X)      \
    X(SCHEME, "scheme")         \
    X(HOST, "host")             \
    X(REFERRER, "referrer")     \
    X(USER_AGENT, "user_agent") \
    X(LANGUAGE, "language")     \
    X(IP_PREFIX, "ip_prefix")   \
    X(IP, "ip")                 \
    X(QUERY, "query")           \
    X(TRACE_ID, "trace_id")     \
    X(REQUEST_ID, "request_id")

typedef enum ps_extra_field {
#define X(name, word) PS_EXTRA_##name,
    PS_EXTRA_FIELDS(X)
#undef X
        PS_EXTRA_COUNT
} ps_extra_field;

/* What one event says. Absent spans are left out of it. */
typedef struct ps_request_event {
    ps_span label;
    ps_span method;
    ps_span path;
    bool path_is_altered; /* repaired: listed in `altered` */
    ps_span route;
    int status;
    uint64_t duration_us;
    ps_span user;
    ps_span fingerprint; /* present: the session is touched too */
    bool is_new;
    ps_status reason; /* of a refused token; OK or ABSENT: none */
    ps_agent agent;
    uint32_t extra_fields;  /* bits of ps_extra_field */
    ps_span address;        /* the client's */
    const ps_field *fields; /* the caller's own, last */
    size_t field_count;     /* at most PS_EVENT_FIELDS_MAX */
} ps_request_event;

/* Hands the event to the sink, which counts it when it refuses it. Any
 * thread; never blocks. */
void ps_request_event_emit(ps_sink *sink, const ps_request_event *event,
                           const ps_request *request);

#endif
