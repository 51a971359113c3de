/* SPDX-License-Identifier: MIT */
/* Reading one cookie out of raw Cookie headers, exactly as Django reads the
 * same bytes (django.http.cookie.parse_cookie), without decoding or copying
 * the rest. */
#ifndef HR_VISITOR_COOKIE_H
#define HR_VISITOR_COOKIE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "base/status.h"

/* As what Django decodes a Cookie header before it strips white space: under
 * WSGI as UTF-8, under ASGI as latin-1. It decides which bytes beyond ASCII
 * are white space, nothing else. */
typedef enum hr_visitor_cookie_text {
    HR_VISITOR_COOKIE_UTF8,
    HR_VISITOR_COOKIE_LATIN1
} hr_visitor_cookie_text;

/* Finds the next cookie called `name` in `*rest` and moves `*rest` past it.
 * `*value` is what stands after the first "=", stripped, quotes and all; it
 * points into the input. False when there is none, then `*rest` is empty. The
 * name is compared byte by byte and has no white space. Linear, any thread. */
bool hr_visitor_cookie_next(hr_span *rest, hr_span name,
                            hr_visitor_cookie_text text, hr_span *value);

/* Takes the quotes and backslashes off a value as Python's http.cookies does,
 * into `out`. OK, or TOO_LONG where it does not fit into `size` bytes. */
HR_CHECKED hr_status hr_visitor_cookie_unquote(hr_span value, char *out,
                                               size_t size, size_t *length);

/* The one cookie called `name` in the headers: OK or ABSENT. Quotes around it
 * are taken off. MALFORMED where it has backslashes inside quotes, which
 * cannot be taken off without a copy, and where there are two: whose is the
 * one that the application reads? Points into the input. Any thread. */
HR_CHECKED hr_status hr_visitor_cookie_only(const hr_span *headers,
                                            size_t count, hr_span name,
                                            hr_visitor_cookie_text text,
                                            hr_span *value);

#endif
