/* SPDX-License-Identifier: MIT */
/* May a shared cache keep this response? A Set-Cookie of ours never goes on
 * one that it may: every later visitor would be given the first one's id. */
#ifndef HR_VISITOR_CACHEABILITY_H
#define HR_VISITOR_CACHEABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* What the response headers seen so far say. Zeroed at the start. */
typedef struct hr_visitor_cacheability {
    bool shared;       /* public or s-maxage */
    bool lives;        /* max-age above 0, or Expires in the future */
    bool kept_private; /* private or no-store in Cache-Control */
    bool cdn;          /* CDN-Cache-Control or Surrogate-Control that allows */
} hr_visitor_cacheability;

/* Takes one response header into account; names in any case. `now` in seconds
 * since the epoch, for Expires. */
void hr_visitor_cacheability_see(hr_visitor_cacheability *seen, hr_span name,
                                 hr_span value, int64_t now);

/* True when a shared cache may keep the response: Cache-Control public or
 * s-maxage; max-age or Expires in the future without private or no-store; any
 * CDN-Cache-Control or Surrogate-Control without private or no-store. */
bool hr_visitor_cacheability_may_keep(const hr_visitor_cacheability *seen);

/* An HTTP-date (RFC 9110 5.6.7: IMF-fixdate, RFC 850 or asctime) as seconds
 * since the epoch; INT64_MIN when it is none. */
int64_t hr_visitor_cacheability_http_date(hr_span text);

#endif
