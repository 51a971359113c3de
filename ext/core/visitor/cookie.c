/* SPDX-License-Identifier: MIT */
/* A Cookie header is cut at every ";", each piece at its first "=", and both
 * sides are stripped of white space: Django's own three steps. A piece that
 * cannot be ours is left after its first byte, so the cost is one search for
 * the next ";". */
#include "visitor/cookie.h"

/* See blank_at_start: for what is no printable character of ASCII. */
static size_t
rare_blank_at_start(hr_span text, hr_visitor_cookie_text encoding)
{
    unsigned char c = (unsigned char)text.ptr[0];
    if (c < 0x80) {
        return c == ' ' || (c >= 0x09 && c <= 0x0D) ||
               (c >= 0x1C && c <= 0x1F);
    }
    if (encoding == HR_VISITOR_COOKIE_LATIN1) {
        return c == 0x85 || c == 0xA0;
    }
    unsigned char d = text.len > 1 ? (unsigned char)text.ptr[1] : 0;
    if (c == 0xC2) {
        return d == 0x85 || d == 0xA0 ? 2 : 0;
    }
    unsigned char e = text.len > 2 ? (unsigned char)text.ptr[2] : 0;
    switch (c) {
    case 0xE1: /* U+1680 */
        return d == 0x9A && e == 0x80 ? 3 : 0;
    case 0xE2: /* U+2000-200A, 2028, 2029, 202F, 205F */
        if (d == 0x80) {
            return (e >= 0x80 && e <= 0x8A) || e == 0xA8 || e == 0xA9 ||
                           e == 0xAF
                       ? 3
                       : 0;
        }
        return d == 0x81 && e == 0x9F ? 3 : 0;
    case 0xE3: /* U+3000 */
        return d == 0x80 && e == 0x80 ? 3 : 0;
    default:
        return 0;
    }
}

/* Bytes of the white space character that begins at text[0], as str.strip()
 * sees it; 0 when it is none. */
static inline size_t
blank_at_start(hr_span text, hr_visitor_cookie_text encoding)
{
    if (text.len == 0 || (text.ptr[0] > ' ' && text.ptr[0] < 0x7F)) {
        return 0;
    }
    return rare_blank_at_start(text, encoding);
}

/* The same at the end. The first byte of a UTF-8 character is never inside
 * another one, so looking back needs no context. */
static inline size_t
blank_at_end(hr_span text, hr_visitor_cookie_text encoding)
{
    if (text.len != 0 && text.ptr[text.len - 1] > ' ' &&
        text.ptr[text.len - 1] < 0x7F) {
        return 0;
    }
    for (size_t size = 1; size <= 3 && size <= text.len; size++) {
        hr_span tail = hr_span_from(text, text.len - size);
        if (blank_at_start(tail, encoding) == size) {
            return size;
        }
    }
    return 0;
}

static hr_span
strip(hr_span text, hr_visitor_cookie_text encoding)
{
    size_t size;
    while ((size = blank_at_start(text, encoding)) != 0) {
        text = hr_span_from(text, size);
    }
    while ((size = blank_at_end(text, encoding)) != 0) {
        text.len -= size;
    }
    return text;
}

/* What stands after "<name> =" in one piece; absent when it is not ours. */
static hr_span
value_of(hr_span piece, hr_span name, hr_visitor_cookie_text encoding)
{
    size_t size;
    while ((size = blank_at_start(piece, encoding)) != 0) {
        piece = hr_span_from(piece, size);
    }
    if (!hr_span_starts_with(piece, name)) {
        return HR_NO_SPAN;
    }
    piece = hr_span_from(piece, name.len);
    while ((size = blank_at_start(piece, encoding)) != 0) {
        piece = hr_span_from(piece, size);
    }
    if (piece.len == 0 || piece.ptr[0] != '=') {
        return HR_NO_SPAN;
    }
    return strip(hr_span_from(piece, 1), encoding);
}

bool
hr_visitor_cookie_next(hr_span *rest, hr_span name,
                       hr_visitor_cookie_text text, hr_span *value)
{
    while (rest->len != 0) {
        if (rest->ptr[0] == ';') { /* an empty piece */
            *rest = hr_span_from(*rest, 1);
            continue;
        }
        const char *semicolon = memchr(rest->ptr, ';', rest->len);
        hr_span piece = *rest;
        if (semicolon == NULL) {
            *rest = hr_span_from(*rest, rest->len);
        } else {
            piece.len = (size_t)(semicolon - rest->ptr);
            *rest = hr_span_from(*rest, piece.len + 1);
        }
        *value = value_of(piece, name, text);
        if (value->ptr != NULL) {
            return true;
        }
    }
    return false;
}

static bool
is_quoted(hr_span value)
{
    return value.len >= 2 && value.ptr[0] == '"' &&
           value.ptr[value.len - 1] == '"';
}

/* Three octal digits, the first at most 3, at text[0]: their number, or -1. */
static int
octal_at(hr_span text)
{
    if (text.len < 3 || text.ptr[0] < '0' || text.ptr[0] > '3' ||
        text.ptr[1] < '0' || text.ptr[1] > '7' || text.ptr[2] < '0' ||
        text.ptr[2] > '7') {
        return -1;
    }
    return (text.ptr[0] - '0') * 64 + (text.ptr[1] - '0') * 8 +
           (text.ptr[2] - '0');
}

hr_status
hr_visitor_cookie_unquote(hr_span value, char *out, size_t size,
                          size_t *length)
{
    if (!is_quoted(value)) {
        if (value.len > size) {
            return HR_TOO_LONG;
        }
        if (value.len != 0) {
            memcpy(out, value.ptr, value.len);
        }
        *length = value.len;
        return HR_OK;
    }
    value = (hr_span){value.ptr + 1, value.len - 2};
    size_t used = 0;
    while (value.len != 0) {
        char c = value.ptr[0];
        value = hr_span_from(value, 1);
        int octal = c == '\\' ? octal_at(value) : -1;
        if (octal >= 0) {
            c = (char)octal;
            value = hr_span_from(value, 3);
        } else if (c == '\\' && value.len != 0 && value.ptr[0] != '\n') {
            c = value.ptr[0];
            value = hr_span_from(value, 1);
        }
        if (used == size) {
            return HR_TOO_LONG;
        }
        out[used++] = c;
    }
    *length = used;
    return HR_OK;
}

hr_status
hr_visitor_cookie_only(const hr_span *headers, size_t count, hr_span name,
                       hr_visitor_cookie_text text, hr_span *value)
{
    hr_status status = HR_ABSENT;
    for (size_t i = 0; i < count; i++) {
        hr_span rest = headers[i];
        hr_span found;
        while (hr_visitor_cookie_next(&rest, name, text, &found)) {
            if (status != HR_ABSENT) {
                return HR_MALFORMED;
            }
            status = HR_OK;
            if (is_quoted(found)) {
                found = (hr_span){found.ptr + 1, found.len - 2};
                if (found.len != 0 && memchr(found.ptr, '\\', found.len)) {
                    return HR_MALFORMED;
                }
            }
            *value = found;
        }
    }
    return status;
}
