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
