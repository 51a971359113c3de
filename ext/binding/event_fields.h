/* SPDX-License-Identifier: MIT */
/* A caller's dict as event fields: for EventSink.emit and Visit.add. */
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

/* Fields whose spans are borrowed from the dict's own objects or point into
 * `numbers`; valid while the dict is not changed. */
typedef struct event_fields {
    size_t count;
    size_t owned_count;
    hr_ring_event_field fields[HR_EVENT_FIELDS_MAX];
    char numbers[HR_EVENT_FIELDS_MAX][32];
    PyObject *owned[HR_EVENT_FIELDS_MAX]; /* replaced str values */
} event_fields;

/* Reads `dict`: str keys; str, bytes, int, float, bool or None values of
 * exactly these types or subclasses (no code of the caller runs). 0, or -1
 * with TypeError or ValueError set; then nothing is to be cleared. Names for
 * which `is_reserved` answers true are a ValueError. */
int event_fields_read(event_fields *out, PyObject *dict,
                      bool (*is_reserved)(hr_span name));

/* Gives back what reading had to make. */
void event_fields_clear(event_fields *fields);

/* `id`, `kind`, `time`, `altered`: set by the sink for every event. */
bool event_field_is_reserved(hr_span name);

#endif
