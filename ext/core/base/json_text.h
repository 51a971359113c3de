/* SPDX-License-Identifier: MIT */
/* For base/json.c: what it asks about characters, and about text that it has
 * accepted. */
#ifndef HR_BASE_JSON_TEXT_H
#define HR_BASE_JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* The four hex digits at `p`, or -1. */
static inline int32_t
hr_json_text_hex4(const char *p, const char *end)
{
    int32_t value = 0;
    if (end - p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hr_span_hex_digit(p[i]);
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* The length of the escape at `p` (a backslash), 0 when it is none. A pair of
 * surrogates is one escape; half a pair is none. */
size_t hr_json_text_escape_length(const char *p, const char *end);

/* Is a float beyond every double? */
bool hr_json_text_is_huge(hr_span number);

/* The same two strings, once the escapes of both are resolved? */
bool hr_json_text_same_escaped(hr_span a, hr_span b);

/* hr_json_hash() of a name with escapes, once they are resolved. */
uint32_t hr_json_text_hash_escaped(hr_span name);

#endif
