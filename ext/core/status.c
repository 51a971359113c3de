/* SPDX-License-Identifier: MIT */
/* The words and texts of status.h, by number. */
#include "status.h"

const char *
ps_status_word(ps_status status)
{
    switch (status) {
#define X(number, name, word, text) \
    case PS_##name:                 \
        return word;
        PS_STATUS_LIST(X)
#undef X
    }
    return "unknown";
}

const char *
ps_status_text(ps_status status)
{
    switch (status) {
#define X(number, name, word, text) \
    case PS_##name:                 \
        return text;
        PS_STATUS_LIST(X)
#undef X
    }
    return "unknown";
}
