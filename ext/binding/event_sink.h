/* SPDX-License-Identifier: MIT */
/* What the files of EventSink share. */
#ifndef HR_BINDING_EVENT_SINK_H
#define HR_BINDING_EVENT_SINK_H

#include "arguments.h"
#include "types.h"

/* What does not fit is the farthest that does, and NaN is the lowest. */
static inline int64_t
whole(double number)
{
    return number > 9.2e18    ? INT64_MAX
           : number > -9.2e18 ? (int64_t)number
                              : INT64_MIN;
}

static inline int64_t
to_ns(double seconds)
{
    return whole(seconds * 1e9);
}

/* EventSink.__new__: reads the arguments, makes target and sink. */
PyObject *event_sink_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
extern const argument_table event_sink_table;
extern const char event_sink_doc[];

/* Target, counters and latencies as a new dict. */
PyObject *event_sink_stats(EventSinkObject *sink);

/* The ledger and the other counters into `dict`. -1 with an exception. */
int event_sink_set_counters(core_state *state, PyObject *dict,
                            const hr_ring_counters *stats);

/* Puts a new reference into the dict; NULL is an error already set. */
int event_sink_set_steal(PyObject *dict, const char *key, PyObject *value);

/* Bytes that end at a NUL or at `size`; what is not printable is a "?". */
PyObject *event_sink_printable(const char *text, size_t size);

/* The word of a hr_sink_phase; "unknown" for another number. */
const char *event_sink_state_word(uint32_t state);

/* observe, metrics and _rings: see their doc strings. */
PyObject *event_sink_observe(EventSinkObject *sink, PyObject *args,
                             PyObject *kwargs);
PyObject *event_sink_metrics(EventSinkObject *sink, PyObject *args,
                             PyObject *kwargs);
PyObject *event_sink_rings(PyObject *type, PyObject *args, PyObject *kwargs);
extern const char event_sink_observe_doc[];
extern const char event_sink_metrics_doc[];
extern const char event_sink_rings_doc[];

/* The counters of all processes of the target as a new dict. */
PyObject *event_sink_totals(EventSinkObject *sink);

#endif
