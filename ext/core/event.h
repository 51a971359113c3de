/* SPDX-License-Identifier: MIT */
/* The event: one record of fixed field order and bounded size, as it lies in
 * the ring. */
#ifndef PS_EVENT_H
#define PS_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "span.h"
#include "status.h"

/* One field of an event. Names are checked by the caller (the binding raises
 * ValueError for bad ones); values over PS_FIELD_VALUE_MAX are cut by the
 * writer on a character boundary and their names listed in `altered`. */
typedef struct ps_field {
    ps_span name;
    ps_span value; /* absent (NULL): the field is left out */
    bool altered;  /* the caller already changed the value (a surrogate) */
} ps_field;

/* Flags of an event. */
#define PS_EVENT_SESSION 1U /* has fingerprint: the session is touched */

#endif
