/* SPDX-License-Identifier: MIT */
/* The fields that a site adds to the event of a request. */
#include "visit.h"

#include "event_fields.h"

bool
visit_fields_is_reserved(hr_span name)
{
    return hr_gate_event_has_field(name) || event_field_is_reserved(name);
}

const char visit_fields_add_doc[] = PyDoc_STR(
    "add($self, fields, /)\n--\n\n"
    "Add fields to this request's event, as EventSink.emit takes them.");

PyObject *
visit_fields_add(PyObject *op, PyObject *dict)
{
    VisitObject *self = (VisitObject *)op;
    hr_ring_event_body checked;
    hr_ring_event_body_init(&checked);
    if (event_fields_read(&checked, dict, visit_fields_is_reserved) < 0) {
        return NULL;
    }
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
