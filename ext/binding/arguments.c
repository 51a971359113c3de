/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <stdbool.h>
#include <string.h>

/* Five times as fast as PyUnicode_CompareWithASCIIString(). */
static bool
is_named(PyObject *name, const char *wanted)
{
    return PyUnicode_IS_ASCII(name) &&
           strcmp((const char *)PyUnicode_1BYTE_DATA(name), wanted) == 0 &&
           strlen(wanted) == (size_t)PyUnicode_GET_LENGTH(name);
}

int
read_named_arguments(const char *function, const char *const *names,
                     Py_ssize_t count, Py_ssize_t required,
                     PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames, PyObject **values)
{
    if (nargs > count) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most %zd arguments (%zd given)", function,
                     count, nargs);
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        values[i] = args[i];
    }
    Py_ssize_t named = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t k = 0; k < named; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        Py_ssize_t i = 0;
        while (i < count && !is_named(name, names[i])) {
            i++;
        }
        if (i == count) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got an unexpected keyword argument %R",
                         function, name);
            return -1;
        }
        if (values[i] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got multiple values for argument '%s'",
                         function, names[i]);
            return -1;
        }
        values[i] = args[nargs + k];
    }
    for (Py_ssize_t i = 0; i < required; i++) {
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() missing required argument: '%s'", function,
                         names[i]);
            return -1;
        }
    }
    return 0;
}

PyObject *
raise_wrong_type(const char *what, PyObject *got)
{
    return PyErr_Format(PyExc_TypeError, "%s, not %.100s", what,
                        Py_TYPE(got)->tp_name);
}

int
set_optional_text(PyObject **slot, PyObject *value, const char *name)
{
    if (value == NULL || value == Py_None) {
        Py_CLEAR(*slot);
        return 0;
    }
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s is a str or None, not %.100s", name,
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_XSETREF(*slot, Py_NewRef(value));
    return 0;
}
