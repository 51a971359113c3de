/* SPDX-License-Identifier: MIT */
/* What the files of EventSink share. */
#ifndef HR_BINDING_EVENT_SINK_H
#define HR_BINDING_EVENT_SINK_H

#include "types.h"

/* The most seconds that a timeout may have: a year. */
#define LONGEST_S 31536000.0

/* EventSink.__new__: reads the arguments, makes target and sink. */
PyObject *event_sink_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
extern const char event_sink_doc[];

/* Target, counters and latencies as a new dict. */
PyObject *event_sink_stats(EventSinkObject *sink);

/* The ledger and the other counters into `dict`. -1 with an exception. */
int event_sink_set_counters(core_state *state, PyObject *dict,
                            const hr_ring_counters *stats);

/* Puts a new reference into the dict; NULL is an error already set. */
int event_sink_set_steal(PyObject *dict, const char *key, PyObject *value);

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
