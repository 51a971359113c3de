/* SPDX-License-Identifier: MIT */
/* The two span operations that are loops, not one-liners. */
#include "base/span.h"

bool
hr_span_contains_nocase(hr_span text, hr_span lower)
{
    if (lower.len == 0) {
        return true;
    }
    if (text.len < lower.len) {
        return false;
    }
    size_t last = text.len - lower.len;
    for (size_t start = 0; start <= last; start++) {
        size_t i = 0;
        while (i < lower.len && hr_span_lower(text.ptr[start + i]) ==
                                    (unsigned char)lower.ptr[i]) {
            i++;
        }
        if (i == lower.len) {
            return true;
        }
    }
    return false;
}

hr_span
hr_span_trim(hr_span text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = hr_span_from(text, 1);
    }
    while (text.len > 0 &&
           (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

size_t
hr_span_utf8_length(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    if (u[0] >= 0xc2 && u[0] <= 0xdf) {
        return left >= 2 && (u[1] & 0xc0) == 0x80 ? 2 : 0;
    }
    if (u[0] >= 0xe0 && u[0] <= 0xef) {
        unsigned char low = u[0] == 0xe0 ? 0xa0 : 0x80;
        unsigned char high = u[0] == 0xed ? 0x9f : 0xbf;
        return left >= 3 && u[1] >= low && u[1] <= high &&
                       (u[2] & 0xc0) == 0x80
                   ? 3
                   : 0;
    }
    if (u[0] >= 0xf0 && u[0] <= 0xf4) {
        unsigned char low = u[0] == 0xf0 ? 0x90 : 0x80;
        unsigned char high = u[0] == 0xf4 ? 0x8f : 0xbf;
        return left >= 4 && u[1] >= low && u[1] <= high &&
                       (u[2] & 0xc0) == 0x80 && (u[3] & 0xc0) == 0x80
                   ? 4
                   : 0;
    }
    return 0;
}
