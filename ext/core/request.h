/* SPDX-License-Identifier: MIT */
/* One request as the gate sees it, whichever front it came through. */
#ifndef HR_REQUEST_H
#define HR_REQUEST_H

#include <stddef.h>

#include "cookie.h"
#include "span.h"

/* The request headers that the gate may ask for. */
typedef enum hr_header {
    HR_HEADER_AUTHORIZATION,
    HR_HEADER_USER_AGENT,
    HR_HEADER_ACCEPT,
    HR_HEADER_ACCEPT_LANGUAGE,
    HR_HEADER_ACCEPT_ENCODING,
    HR_HEADER_SEC_FETCH_MODE,
    HR_HEADER_SEC_PURPOSE,
    HR_HEADER_PURPOSE,
    HR_HEADER_X_MOZ,
    HR_HEADER_SEC_GPC,
    HR_HEADER_HOST,
    HR_HEADER_REFERER,
    HR_HEADER_TRACEPARENT,
    HR_HEADER_COUNT
} hr_header;

/* What a server says about a request beside its headers. */
typedef enum hr_detail {
    HR_DETAIL_PEER,  /* the peer's address; absent for a Unix socket */
    HR_DETAIL_QUERY, /* without the "?" */
    HR_DETAIL_SCHEME
} hr_detail;

/* One request, seen through its front. The functions answer borrowed spans
 * that live as long as `source`; an absent header is an absent span. */
typedef struct hr_request {
    void *source;
    /* The first header of that name, and how many there are. */
    hr_span (*header)(void *source, hr_header which, size_t *count);
    /* All Cookie headers. */
    size_t (*cookies)(void *source, const hr_span **headers);
    /* The last X-Forwarded-For headers, in order. */
    size_t (*forwarded)(void *source, const hr_span **headers);
    hr_cookie_text cookie_text; /* as what the framework decodes them */
    /* What is no header: looked up when it is asked for. */
    hr_span (*detail)(void *source, hr_detail which);
    hr_span request_id; /* given by the front */
} hr_request;

/* The first header of that name; absent when there is none. */
static inline hr_span
hr_request_header(const hr_request *request, hr_header which)
{
    size_t count;
    return request->header(request->source, which, &count);
}

#endif
