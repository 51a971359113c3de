/* SPDX-License-Identifier: MIT */
/* One request as the gate sees it, whichever front it came through. */
#ifndef HR_GATE_REQUEST_H
#define HR_GATE_REQUEST_H

#include <stddef.h>

#include "visitor/cookie.h"
#include "base/span.h"

/* The request headers that the gate may ask for. */
typedef enum hr_gate_request_header_id {
    HR_GATE_REQUEST_HEADER_AUTHORIZATION,
    HR_GATE_REQUEST_HEADER_USER_AGENT,
    HR_GATE_REQUEST_HEADER_ACCEPT,
    HR_GATE_REQUEST_HEADER_ACCEPT_LANGUAGE,
    HR_GATE_REQUEST_HEADER_ACCEPT_ENCODING,
    HR_GATE_REQUEST_HEADER_SEC_FETCH_MODE,
    HR_GATE_REQUEST_HEADER_SEC_PURPOSE,
    HR_GATE_REQUEST_HEADER_PURPOSE,
    HR_GATE_REQUEST_HEADER_X_MOZ,
    HR_GATE_REQUEST_HEADER_SEC_GPC,
    HR_GATE_REQUEST_HEADER_HOST,
    HR_GATE_REQUEST_HEADER_REFERER,
    HR_GATE_REQUEST_HEADER_TRACEPARENT,
    HR_GATE_REQUEST_HEADER_COUNT
} hr_gate_request_header_id;

/* What a server says about a request beside its headers. */
typedef enum hr_gate_request_detail {
    HR_GATE_REQUEST_DETAIL_PEER,  /* the peer's address; absent for a Unix
                                     socket */
    HR_GATE_REQUEST_DETAIL_QUERY, /* without the "?" */
    HR_GATE_REQUEST_DETAIL_SCHEME
} hr_gate_request_detail;

/* One request, seen through its front. The functions answer borrowed spans
 * that live as long as `source`; an absent header is an absent span. */
typedef struct hr_gate_request {
    void *source;
    /* The first header of that name, and how many there are. */
    hr_span (*header)(void *source, hr_gate_request_header_id which,
                      size_t *count);
    /* All Cookie headers. */
    size_t (*cookies)(void *source, const hr_span **headers);
    /* The last X-Forwarded-For headers, in order. */
    size_t (*forwarded)(void *source, const hr_span **headers);
    hr_visitor_cookie_text
        cookie_text; /* as what the framework decodes them */
    /* What is no header: looked up when it is asked for. */
    hr_span (*detail)(void *source, hr_gate_request_detail which);
    hr_span request_id; /* given by the front */
} hr_gate_request;

/* The first header of that name; absent when there is none. */
static inline hr_span
hr_gate_request_header(const hr_gate_request *request,
                       hr_gate_request_header_id which)
{
    size_t count;
    return request->header(request->source, which, &count);
}

#endif
