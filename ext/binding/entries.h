/* SPDX-License-Identifier: MIT */
/* Entries of a stream as events, for whoever consumes them. */
#ifndef HR_BINDING_ENTRIES_H
#define HR_BINDING_ENTRIES_H

#include "state.h"

/* _read_entries(rows, event_type, other): a method of the module. */
PyObject *entries_read(PyObject *module, PyObject *const *args,
                       Py_ssize_t count);

#endif
