/* SPDX-License-Identifier: MIT */
/* Reading one cookie out of raw Cookie headers, exactly as Django reads the
 * same bytes (django.http.cookie.parse_cookie), without decoding or copying
 * the rest. */
#ifndef PS_COOKIE_H
#define PS_COOKIE_H

#include <stdbool.h>
#include <stddef.h>

#include "span.h"
#include "status.h"

/* As what Django decodes a Cookie header before it strips white space: under
 * WSGI as UTF-8, under ASGI as latin-1. It decides which bytes beyond ASCII
 * are white space, nothing else. */
typedef enum ps_cookie_text {
    PS_COOKIE_UTF8,
    PS_COOKIE_LATIN1
} ps_cookie_text;

/* Finds the next cookie called `name` in `*rest` and moves `*rest` past it.
 * `*value` is what stands after the first "=", stripped, quotes and all; it
 * points into the input. False when there is none, then `*rest` is empty. The
 * name is compared byte by byte and has no white space. Linear, any thread. */
bool ps_cookie_next(ps_span *rest, ps_span name, ps_cookie_text text,
                    ps_span *value);

/* Takes the quotes and backslashes off a value as Python's http.cookies does,
 * into `out`. OK, or TOO_LONG where it does not fit into `size` bytes. */
PS_CHECKED ps_status ps_cookie_unquote(ps_span value, char *out, size_t size,
                                       size_t *length);

/* The one cookie called `name` in the headers: OK or ABSENT. Quotes around it
 * are taken off. MALFORMED where it has backslashes inside quotes, which
 * cannot be taken off without a copy, and where there are two: whose is the
 * one that the application reads? Points into the input. Any thread. */
PS_CHECKED ps_status ps_cookie_only(const ps_span *headers, size_t count,
                                    ps_span name, ps_cookie_text text,
                                    ps_span *value);

#endif
