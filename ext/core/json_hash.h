/* SPDX-License-Identifier: MIT */
/* The hash of a name, and the comparison of short texts: both are made some
 * ten times for each token, so they are inline. */
#ifndef PS_JSON_HASH_H
#define PS_JSON_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "span.h"

/* The next eight bytes into a hash. */
static inline uint64_t
ps_json_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 32;
}

/* `size` bytes, up to eight, as a number. */
static inline uint64_t
ps_json_load(const char *p, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, p, size);
    return word;
}

/* The hash of a name as the index holds it: words of eight bytes, the last
 * one of which may overlap, and the length. Not a keyed hash: names that agree
 * in it are told apart by comparing them, and there are PS_JSON_MEMBERS_MAX at
 * most. */
static inline uint32_t
ps_json_hash(ps_span name)
{
    uint64_t first = 0, last = 0;
    size_t len = name.len;
    if (len >= 8) {
        uint64_t hash = 0;
        for (size_t i = 0; i + 8 <= len; i += 8) {
            hash = ps_json_mix(hash, ps_json_load(name.ptr + i, 8));
        }
        last = ps_json_load(name.ptr + len - 8, 8);
        return (uint32_t)ps_json_mix(ps_json_mix(hash, last), len);
    }
    if (len >= 4) {
        first = ps_json_load(name.ptr, 4);
        last = ps_json_load(name.ptr + len - 4, 4);
    } else if (len >= 2) {
        first = ps_json_load(name.ptr, 2);
        last = ps_json_load(name.ptr + len - 2, 2);
    } else if (len == 1) {
        first = (unsigned char)name.ptr[0];
    }
    return (uint32_t)ps_json_mix(ps_json_mix(len, first), last);
}

/* Are `len` bytes at two places the same? */
static inline bool
ps_json_same_bytes(const char *a, const char *b, size_t len)
{
    if (len > 16) {
        return memcmp(a, b, len) == 0;
    }
    if (len >= 8) {
        return ((ps_json_load(a, 8) ^ ps_json_load(b, 8)) |
                (ps_json_load(a + len - 8, 8) ^
                 ps_json_load(b + len - 8, 8))) == 0;
    }
    if (len >= 4) {
        return ((ps_json_load(a, 4) ^ ps_json_load(b, 4)) |
                (ps_json_load(a + len - 4, 4) ^
                 ps_json_load(b + len - 4, 4))) == 0;
    }
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

#endif
