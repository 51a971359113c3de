/* SPDX-License-Identifier: MIT */
/* The fields that a site adds to the event of a request. */
#include "visit.h"

#include "event_fields.h"

bool
visit_fields_is_reserved(hr_span name)
{
    static const hr_span NAMES[] = {{"label", 5},
                                    {"method", 6},
                                    {"path", 4},
                                    {"route", 5},
                                    {"status", 6},
                                    {"duration_us", 11},
                                    {"user", 4},
                                    {"fingerprint", 11},
                                    {"new", 3},
                                    {"reason", 6},
                                    {"agent", 5},
#define X(name, word) {word, sizeof(word) - 1},
                                    HR_GATE_EVENT_EXTRAS(X)
#undef X
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(NAMES); i++) {
        if (hr_span_equal(name, NAMES[i])) {
            return true;
        }
    }
    return event_field_is_reserved(name);
}

const char visit_fields_add_doc[] = PyDoc_STR(
    "add($self, fields, /)\n--\n\n"
    "Add fields to this request's event: a dict of str to str,\n"
    "bytes, int, float, bool or None. A later value of a name wins.\n"
    "Raises TypeError and ValueError as EventSink.emit does.");

PyObject *
visit_fields_add(PyObject *op, PyObject *dict)
{
    VisitObject *self = (VisitObject *)op;
    event_fields fields;
    if (event_fields_read(&fields, dict, visit_fields_is_reserved) < 0) {
        return NULL;
    }
    event_fields_clear(&fields);
    PyObject *merged =
        self->fields != NULL ? PyDict_Copy(self->fields) : PyDict_New();
    if (merged == NULL || PyDict_Update(merged, dict) < 0) {
        Py_XDECREF(merged);
        return NULL;
    }
    if (PyDict_GET_SIZE(merged) > HR_VISIT_FIELDS_MAX) {
        Py_DECREF(merged);
        PyErr_Format(PyExc_ValueError,
                     "a request's event takes at most %d added fields",
                     HR_VISIT_FIELDS_MAX);
        return NULL;
    }
    Py_XSETREF(self->fields, merged);
    Py_RETURN_NONE;
}
