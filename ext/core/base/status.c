/* SPDX-License-Identifier: MIT */
/* The words and texts of base/status.h, by number. */
#include "base/status.h"

const char *
hr_status_word(hr_status status)
{
    switch (status) {
#define X(number, name, word, text) \
    case HR_##name:                 \
        return word;
        HR_STATUS_LIST(X)
#undef X
    }
    return "unknown";
}

const char *
hr_status_text(hr_status status)
{
    switch (status) {
#define X(number, name, word, text) \
    case HR_##name:                 \
        return text;
        HR_STATUS_LIST(X)
#undef X
    }
    return "unknown";
}
