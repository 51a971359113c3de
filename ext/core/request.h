/* SPDX-License-Identifier: MIT */
/* One request as the gate sees it, whichever front it came through. */
#ifndef PS_REQUEST_H
#define PS_REQUEST_H

#include <stddef.h>

#include "cookie.h"
#include "span.h"

/* The request headers that the gate may ask for. */
typedef enum ps_header {
    PS_HEADER_AUTHORIZATION,
    PS_HEADER_USER_AGENT,
    PS_HEADER_ACCEPT,
    PS_HEADER_ACCEPT_LANGUAGE,
    PS_HEADER_ACCEPT_ENCODING,
    PS_HEADER_SEC_FETCH_MODE,
    PS_HEADER_SEC_PURPOSE,
    PS_HEADER_PURPOSE,
    PS_HEADER_X_MOZ,
    PS_HEADER_SEC_GPC,
    PS_HEADER_HOST,
    PS_HEADER_REFERER,
    PS_HEADER_TRACEPARENT,
    PS_HEADER_COUNT
} ps_header;

/* What a server says about a request beside its headers. */
typedef enum ps_detail {
    PS_DETAIL_PEER,  /* the peer's address; absent for a Unix socket */
    PS_DETAIL_QUERY, /* without the "?" */
    PS_DETAIL_SCHEME
} ps_detail;

/* One request, seen through its front. The functions answer borrowed spans
 * that live as long as `source`; an absent header is an absent span. */
typedef struct ps_request {
    void *source;
    /* The first header of that name, and how many there are. */
    ps_span (*header)(void *source, ps_header which, size_t *count);
    /* All Cookie headers. */
    size_t (*cookies)(void *source, const ps_span **headers);
    /* The last X-Forwarded-For headers, in order. */
    size_t (*forwarded)(void *source, const ps_span **headers);
    ps_cookie_text cookie_text; /* as what the framework decodes them */
    /* What is no header: looked up when it is asked for. */
    ps_span (*detail)(void *source, ps_detail which);
    ps_span request_id; /* given by the front */
} ps_request;

/* The first header of that name; absent when there is none. */
static inline ps_span
ps_request_header(const ps_request *request, ps_header which)
{
    size_t count;
    return request->header(request->source, which, &count);
}

#endif
