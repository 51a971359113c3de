/* SPDX-License-Identifier: MIT */
/* The sink: a ring, and the thread that moves its events to the target.
 * See docs/internals/sink.md. */
#ifndef PS_SINK_H
#define PS_SINK_H

#include <stdint.h>

#include "event.h"
#include "span.h"
#include "stats.h"
#include "status.h"

typedef struct ps_sink ps_sink;

/* Puts one event into this process's ring; starts the thread on the first
 * one. OK: it is committed. FULL, TOO_BIG, CLOSED: refused and counted.
 * Never blocks, never touches a socket. Any thread. */
PS_CHECKED ps_status ps_sink_emit(ps_sink *sink, ps_span kind,
                                  const ps_field *fields, size_t count,
                                  uint32_t flags);

/* This process's counters, valid until the next fork or close. Any thread. */
ps_stats *ps_sink_stats(ps_sink *sink);

/* Shared by the Python object and every gate that uses it. */
ps_sink *ps_sink_retain(ps_sink *sink);
void ps_sink_release(ps_sink *sink);

#endif
