/* SPDX-License-Identifier: MIT */
/* The hash of a name, the comparison of short texts, and the value of digits:
 * all are wanted some ten times for each token, so they are inline. */
#ifndef HR_BASE_JSON_HASH_H
#define HR_BASE_JSON_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

/* The next eight bytes into a hash. */
static inline uint64_t
hr_json_hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 32;
}

/* `size` bytes, up to eight, as a number. */
static inline uint64_t
hr_json_hash_load(const char *p, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, p, size);
    return word;
}

/* The hash of a name as the index holds it: words of eight bytes, the last
 * one of which may overlap, and the length. Not a keyed hash: names that agree
 * in it are told apart by comparing them, and hr_json_index() bounds how often
 * it does so. */
static inline uint32_t
hr_json_hash(hr_span name)
{
    uint64_t first = 0, last = 0;
    size_t len = name.len;
    if (len > 16) {
        uint64_t hash = 0;
        for (size_t i = 0; i + 8 <= len; i += 8) {
            hash = hr_json_hash_mix(hash, hr_json_hash_load(name.ptr + i, 8));
        }
        last = hr_json_hash_load(name.ptr + len - 8, 8);
        return (uint32_t)hr_json_hash_mix(hr_json_hash_mix(hash, last), len);
    }
    if (len >= 8) {
        first = hr_json_hash_load(name.ptr, 8);
        last = hr_json_hash_load(name.ptr + len - 8, 8);
    } else if (len >= 4) {
        first = hr_json_hash_load(name.ptr, 4);
        last = hr_json_hash_load(name.ptr + len - 4, 4);
    } else if (len >= 2) {
        first = hr_json_hash_load(name.ptr, 2);
        last = hr_json_hash_load(name.ptr + len - 2, 2);
    } else if (len == 1) {
        first = (unsigned char)name.ptr[0];
    }
    return (uint32_t)hr_json_hash_mix(hr_json_hash_mix(len, first), last);
}

/* Are `len` bytes at two places the same? */
static inline bool
hr_json_hash_same_bytes(const char *a, const char *b, size_t len)
{
    if (len > 16) {
        return memcmp(a, b, len) == 0;
    }
    if (len >= 8) {
        return ((hr_json_hash_load(a, 8) ^ hr_json_hash_load(b, 8)) |
                (hr_json_hash_load(a + len - 8, 8) ^
                 hr_json_hash_load(b + len - 8, 8))) == 0;
    }
    if (len >= 4) {
        return ((hr_json_hash_load(a, 4) ^ hr_json_hash_load(b, 4)) |
                (hr_json_hash_load(a + len - 4, 4) ^
                 hr_json_hash_load(b + len - 4, 4))) == 0;
    }
    if (len >= 2) {
        return ((hr_json_hash_load(a, 2) ^ hr_json_hash_load(b, 2)) |
                (hr_json_hash_load(a + len - 2, 2) ^
                 hr_json_hash_load(b + len - 2, 2))) == 0;
    }
    return len == 0 || *a == *b;
}

/* The value of `len` ASCII digits, 18 at most. */
static inline uint64_t
hr_json_hash_digits(const char *p, size_t len)
{
    uint64_t value = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    /* Eight at once: pairs are added up, then pairs of pairs, then those. */
    for (; len >= 8; p += 8, len -= 8) {
        const uint64_t pairs = 0x000000ff000000ffU;
        uint64_t word = hr_json_hash_load(p, 8) - 0x3030303030303030U;
        word = word * 10 + (word >> 8);
        word = ((word & pairs) * 0x000f424000000064U +
                (word >> 16 & pairs) * 0x0000271000000001U) >>
               32;
        value = value * 100000000 + word;
    }
#endif
    for (; len != 0; p++, len--) {
        value = value * 10 + (uint64_t)(*p - '0');
    }
    return value;
}

#endif
