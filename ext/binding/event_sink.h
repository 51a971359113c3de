/* SPDX-License-Identifier: MIT */
/* What the files of EventSink share. */
#ifndef PS_BINDING_EVENT_SINK_H
#define PS_BINDING_EVENT_SINK_H

#include "types.h"

/* The most seconds that a timeout may have: a year. */
#define LONGEST_S 31536000.0

/* EventSink.__new__: reads the arguments, makes target and sink. */
PyObject *event_sink_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
extern const char event_sink_doc[];

/* Target, counters and latencies as a new dict. */
PyObject *event_sink_stats(EventSinkObject *sink);

/* The counters of all processes of the target as a new dict. */
PyObject *event_sink_totals(EventSinkObject *sink);

#endif
