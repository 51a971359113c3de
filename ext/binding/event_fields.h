/* SPDX-License-Identifier: MIT */
/* A caller's dict as an event's body: for EventSink.emit and Visit.add. */
#ifndef HR_BINDING_EVENT_FIELDS_H
#define HR_BINDING_EVENT_FIELDS_H

#include "state.h"

#include "ring/event.h"

/* The UTF-8 of a str, borrowed from it; that of an ASCII one is where its
 * characters are. NULL with UnicodeEncodeError set. */
static inline const char *
event_utf8_of(PyObject *text, Py_ssize_t *size)
{
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        *size = PyUnicode_GET_LENGTH(text);
        return (const char *)PyUnicode_1BYTE_DATA(text);
    }
    return PyUnicode_AsUTF8AndSize(text, size);
}

/* Adds the fields of `dict` to `body`: str keys; str, bytes, int, float, bool
 * or None (left out) values of exactly these types or subclasses (no code of
 * the caller runs). 0, or -1 with TypeError or ValueError set; then `body` is
 * of no use. Names for which `is_reserved` returns true are a ValueError. */
int event_fields_read(hr_ring_event_body *body, PyObject *dict,
                      bool (*is_reserved)(hr_span name));

/* `id`, `kind`, `time`, `altered`: set by the sink for every event. */
bool event_field_is_reserved(hr_span name);

#endif
