/* SPDX-License-Identifier: MIT */
/* The event of kind `request`: which fields, in which order. */
#ifndef HR_GATE_EVENT_H
#define HR_GATE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "visitor/agent.h"
#include "ring/event.h"
#include "gate/request.h"
#include "sink/sink.h"
#include "base/span.h"
#include "base/status.h"

/* Fields of `request` events beyond the fixed ones, in their fixed order. */
#define HR_GATE_EVENT_EXTRAS(X) \
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

typedef enum hr_gate_event_extra {
#define X(name, word) HR_GATE_EVENT_EXTRA_##name,
    HR_GATE_EVENT_EXTRAS(X)
#undef X
        HR_GATE_EVENT_EXTRA_COUNT
} hr_gate_event_extra;

/* What one event says. Absent spans are left out of it. */
typedef struct hr_gate_event {
    hr_span label;
    hr_span method;
    hr_span path;
    bool path_is_altered; /* repaired: listed in `altered` */
    hr_span route;
    unsigned status;
    uint64_t duration_us;
    hr_span user;
    hr_span fingerprint; /* present: the session is touched too */
    bool is_new;
    hr_status reason; /* of a refused token; OK or ABSENT: none */
    hr_visitor_agent agent;
    uint32_t extra_fields;            /* bits of hr_gate_event_extra */
    hr_span address;                  /* the client's */
    const hr_ring_event_body *fields; /* the caller's own, last; or NULL */
} hr_gate_event;

/* Hands the event to the sink, which counts it when it refuses it. Any
 * thread; never blocks. */
void hr_gate_event_emit(hr_sink *sink, const hr_gate_event *event,
                        const hr_gate_request *request);

/* Is `name` a field of `request` events, so that a caller's own field must
 * have another name? */
bool hr_gate_event_has_field(hr_span name);

#endif
