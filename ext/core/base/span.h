/* SPDX-License-Identifier: MIT */
/* A borrowed run of bytes. Input is never assumed to end in NUL; results
 * point into the input. `ptr` is NULL where the thing is absent, which is
 * not the same as empty. */
#ifndef HR_BASE_SPAN_H
#define HR_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct hr_span {
    const char *ptr;
    size_t len;
} hr_span;

#define HR_SPAN(literal) ((hr_span){(literal), sizeof(literal) - 1})
#define HR_NO_SPAN ((hr_span){NULL, 0})

static inline bool
hr_span_equal(hr_span a, hr_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool
hr_span_starts_with(hr_span text, hr_span prefix)
{
    return text.len >= prefix.len &&
           (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool
hr_span_ends_with(hr_span text, hr_span suffix)
{
    return text.len >= suffix.len &&
           (suffix.len == 0 || memcmp(text.ptr + (text.len - suffix.len),
                                      suffix.ptr, suffix.len) == 0);
}

/* From `start` on; `start` is at most text.len. */
static inline hr_span
hr_span_from(hr_span text, size_t start)
{
    return (hr_span){text.ptr + start, text.len - start};
}

/* The ASCII lower case of one byte; other bytes stay. */
static inline unsigned char
hr_span_lower(char c)
{
    unsigned char u = (unsigned char)c;
    return (unsigned char)(u >= 'A' && u <= 'Z' ? u + ('a' - 'A') : u);
}

/* Equal without regard to ASCII case. */
static inline bool
hr_span_equal_nocase(hr_span a, hr_span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (hr_span_lower(a.ptr[i]) != hr_span_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* Is `lower` (already lower case) somewhere in `text`, ASCII case ignored? */
bool hr_span_contains_nocase(hr_span text, hr_span lower);

/* Without the ASCII spaces and tabs at both ends. */
hr_span hr_span_trim(hr_span text);

/* The length of the UTF-8 sequence of two or more bytes at `p`, 0 when it is
 * none (overlong, a surrogate, over U+10FFFF, cut off; RFC 3629). */
size_t hr_span_utf8_length(const char *p, const char *end);

/* FNV-1a: a name, not a proof. */
static inline uint64_t
hr_span_hash(hr_span text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* The value of a hex digit, or -1. */
static inline int
hr_span_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
