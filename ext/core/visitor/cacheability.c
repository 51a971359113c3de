/* SPDX-License-Identifier: MIT */
/* Cache-Control (RFC 9111 5.2), its CDN and surrogate cousins, and Expires.
 * Where a header is ambiguous the answer is "may keep": a cookie handed out
 * one response later costs nothing, one handed to everybody costs all. */
#include "visitor/cacheability.h"

/* The next comma-separated directive of `*rest`, quotes respected; false at
 * the end. `*argument` is absent without "="; `*broken` is set where a quote
 * is never closed. */
static bool
next_directive(hr_span *rest, hr_span *name, hr_span *argument, bool *broken)
{
    if (rest->len == 0) {
        return false;
    }
    size_t end = 0;
    bool quoted = false;
    while (end < rest->len && (quoted || rest->ptr[end] != ',')) {
        if (quoted && rest->ptr[end] == '\\' && end + 1 < rest->len) {
            end++;
        } else if (rest->ptr[end] == '"') {
            quoted = !quoted;
        }
        end++;
    }
    *broken = *broken || quoted;
    hr_span directive = hr_span_trim((hr_span){rest->ptr, end});
    *rest = hr_span_from(*rest, end < rest->len ? end + 1 : end);
    const char *equals =
        directive.len ? memchr(directive.ptr, '=', directive.len) : NULL;
    *name = directive;
    *argument = HR_NO_SPAN;
    if (equals != NULL) {
        size_t at = (size_t)(equals - directive.ptr);
        *name = hr_span_trim((hr_span){directive.ptr, at});
        *argument = hr_span_trim(hr_span_from(directive, at + 1));
    }
    return true;
}

/* A max-age that is surely 0: digits, perhaps quoted, all of them zero. */
static bool
is_zero(hr_span argument)
{
    if (argument.len >= 2 && argument.ptr[0] == '"' &&
        argument.ptr[argument.len - 1] == '"') {
        argument = (hr_span){argument.ptr + 1, argument.len - 2};
    }
    for (size_t i = 0; i < argument.len; i++) {
        if (argument.ptr[i] != '0') {
            return false;
        }
    }
    return argument.len != 0;
}

/* `private` and `no-store` count without an argument only: private="X" keeps
 * one header private, not the response. */
static bool
is_private(hr_span name, hr_span argument)
{
    return argument.ptr == NULL &&
           (hr_span_equal_nocase(name, HR_SPAN("private")) ||
            hr_span_equal_nocase(name, HR_SPAN("no-store")));
}

/* "public;max-age=60": no directive, but somebody meant one. */
static bool
looks_shared(hr_span name)
{
    return hr_span_contains_nocase(name, HR_SPAN("public")) ||
           hr_span_contains_nocase(name, HR_SPAN("max-age")) ||
           hr_span_contains_nocase(name, HR_SPAN("s-maxage"));
}

static void
see_cache_control(hr_visitor_cacheability *seen, hr_span value)
{
    hr_span name;
    hr_span argument;
    bool broken = false;
    while (next_directive(&value, &name, &argument, &broken)) {
        if (hr_span_equal_nocase(name, HR_SPAN("public")) ||
            hr_span_equal_nocase(name, HR_SPAN("s-maxage"))) {
            seen->shared = true;
        } else if (hr_span_equal_nocase(name, HR_SPAN("max-age"))) {
            seen->lives = seen->lives || !is_zero(argument);
        } else if (is_private(name, argument)) {
            seen->kept_private = true;
        } else if (looks_shared(name)) {
            seen->shared = true;
        }
    }
    seen->shared = seen->shared || broken;
}

static void
see_cdn(hr_visitor_cacheability *seen, hr_span value)
{
    hr_span name;
    hr_span argument;
    bool broken = false;
    while (next_directive(&value, &name, &argument, &broken)) {
        if (is_private(name, argument)) {
            return;
        }
    }
    seen->cdn = true;
}

/* An Expires that is no date is in the past (RFC 9111 5.3), but not every
 * cache reads dates as strictly as we do: only what looks like a number is
 * taken for one that nobody can read. */
static bool
is_past(hr_span expires, int64_t now)
{
    int64_t date = hr_visitor_cacheability_http_date(expires);
    if (date != INT64_MIN) {
        return date <= now;
    }
    hr_span text = hr_span_trim(expires);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '-' && (text.ptr[i] < '0' || text.ptr[i] > '9')) {
            return false;
        }
    }
    return true;
}

void
hr_visitor_cacheability_see(hr_visitor_cacheability *seen, hr_span name,
                            hr_span value, int64_t now)
{
    static const hr_span CDN = {"cdn-cache-control", 17};
    switch (name.len) {
    case 7:
        if (hr_span_equal_nocase(name, HR_SPAN("expires"))) {
            seen->lives = seen->lives || !is_past(value, now);
        }
        return;
    case 13:
        if (hr_span_equal_nocase(name, HR_SPAN("cache-control"))) {
            see_cache_control(seen, value);
        }
        return;
    default:
        break;
    }
    if (hr_span_equal_nocase(name, HR_SPAN("surrogate-control"))) {
        see_cdn(seen, value);
    } else if (name.len >= CDN.len &&
               hr_span_equal_nocase(hr_span_from(name, name.len - CDN.len),
                                    CDN)) {
        /* CDNs put their own name in front: Cloudflare-CDN-Cache-Control */
        see_cdn(seen, value);
    }
}

bool
hr_visitor_cacheability_may_keep(const hr_visitor_cacheability *seen)
{
    return seen->shared || seen->cdn || (seen->lives && !seen->kept_private);
}

/* --- HTTP-date --------------------------------------------------------- */

typedef struct date {
    int64_t year;
    int64_t month; /* 1-12 */
    int64_t day;
    int64_t hour;
    int64_t minute;
    int64_t second;
} date;

/* Takes 1 to `most` digits off the front. */
static bool
take_number(hr_span *text, size_t most, int64_t *number)
{
    int64_t value = 0;
    size_t i = 0;
    while (i < most && i < text->len && text->ptr[i] >= '0' &&
           text->ptr[i] <= '9') {
        value = value * 10 + (text->ptr[i] - '0');
        i++;
    }
    *number = value;
    *text = hr_span_from(*text, i);
    return i != 0;
}

static bool
take_byte(hr_span *text, char byte)
{
    if (text->len == 0 || text->ptr[0] != byte) {
        return false;
    }
    *text = hr_span_from(*text, 1);
    return true;
}

static void
take_spaces(hr_span *text)
{
    while (take_byte(text, ' ')) {
    }
}

static bool
take_month(hr_span *text, int64_t *month)
{
    static const char NAMES[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int64_t i = 0; text->len >= 3 && i < 12; i++) {
        if (hr_span_equal_nocase((hr_span){text->ptr, 3},
                                 (hr_span){NAMES + 3 * i, 3})) {
            *month = i + 1;
            *text = hr_span_from(*text, 3);
            return true;
        }
    }
    return false;
}

static bool
take_time(hr_span *text, date *when)
{
    return take_number(text, 2, &when->hour) && take_byte(text, ':') &&
           take_number(text, 2, &when->minute) && take_byte(text, ':') &&
           take_number(text, 2, &when->second);
}

/* Days from 1970-01-01 of a civil date (proleptic Gregorian). */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3; /* March is 0 */
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 -
           719468;
}

int64_t
hr_visitor_cacheability_http_date(hr_span text)
{
    date when = {0};
    text = hr_span_trim(text);
    while (text.len != 0 && text.ptr[0] != ',' && text.ptr[0] != ' ') {
        text = hr_span_from(text, 1); /* the day's name */
    }
    bool comma = take_byte(&text, ',');
    take_spaces(&text);
    bool read;
    if (comma) { /* "06 Nov 1994 08:49:37 GMT", "06-Nov-94 08:49:37 GMT" */
        read = take_number(&text, 2, &when.day);
        bool dashed = take_byte(&text, '-');
        take_spaces(&text);
        read = read && take_month(&text, &when.month);
        if (dashed) {
            read = read && take_byte(&text, '-');
        }
        take_spaces(&text);
        size_t before = text.len;
        read = read && take_number(&text, 4, &when.year);
        if (read && before - text.len == 2) {
            when.year += when.year < 70 ? 2000 : 1900;
        }
        take_spaces(&text);
        read = read && take_time(&text, &when);
    } else { /* "Nov  6 08:49:37 1994" */
        read = take_month(&text, &when.month);
        take_spaces(&text);
        read = read && take_number(&text, 2, &when.day);
        take_spaces(&text);
        read = read && take_time(&text, &when);
        take_spaces(&text);
        read = read && take_number(&text, 4, &when.year);
    }
    if (!read || when.day < 1 || when.day > 31 || when.hour > 23 ||
        when.minute > 59 || when.second > 60 || when.year < 1) {
        return INT64_MIN;
    }
    return days_of(when.year, when.month, when.day) * 86400 +
           when.hour * 3600 + when.minute * 60 + when.second;
}
