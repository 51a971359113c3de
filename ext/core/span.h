/* SPDX-License-Identifier: MIT */
/* A borrowed run of bytes. Input is never assumed to end in NUL; results
 * point into the input. `ptr` is NULL where the thing is absent, which is
 * not the same as empty. */
#ifndef PS_SPAN_H
#define PS_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct ps_span {
    const char *ptr;
    size_t len;
} ps_span;

#define PS_SPAN(literal) ((ps_span){(literal), sizeof(literal) - 1})
#define PS_NO_SPAN ((ps_span){NULL, 0})

static inline bool
ps_span_equal(ps_span a, ps_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool
ps_span_starts_with(ps_span text, ps_span prefix)
{
    return text.len >= prefix.len &&
           (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool
ps_span_ends_with(ps_span text, ps_span suffix)
{
    return text.len >= suffix.len &&
           (suffix.len == 0 || memcmp(text.ptr + (text.len - suffix.len),
                                      suffix.ptr, suffix.len) == 0);
}

/* From `start` on; `start` is at most text.len. */
static inline ps_span
ps_span_from(ps_span text, size_t start)
{
    return (ps_span){text.ptr + start, text.len - start};
}

/* The ASCII lower case of one byte; other bytes stay. */
static inline unsigned char
ps_lower(char c)
{
    unsigned char u = (unsigned char)c;
    return (unsigned char)(u >= 'A' && u <= 'Z' ? u + ('a' - 'A') : u);
}

/* Equal without regard to ASCII case. */
static inline bool
ps_span_equal_nocase(ps_span a, ps_span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ps_lower(a.ptr[i]) != ps_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* Is `lower` (already lower case) somewhere in `text`, ASCII case ignored? */
bool ps_span_contains_nocase(ps_span text, ps_span lower);

/* Without the ASCII spaces and tabs at both ends. */
ps_span ps_span_trim(ps_span text);

#endif
