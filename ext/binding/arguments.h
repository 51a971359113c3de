/* SPDX-License-Identifier: MIT */
/* Arguments of the calls on the request path, read without building a tuple
 * or a dict. */
#ifndef HR_BINDING_ARGUMENTS_H
#define HR_BINDING_ARGUMENTS_H

#include "state.h"

/* Sorts the arguments of a METH_FASTCALL | METH_KEYWORDS call into `values`
 * (borrowed; NULL where not given) by the `count` names in `names`, of which
 * the first `required` must be there. -1 with TypeError set. */
static inline int read_arguments(const char *function,
                                 const char *const *names, Py_ssize_t count,
                                 Py_ssize_t required, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *kwnames,
                                 PyObject **values);

/* read_arguments() with keywords, or with what is wrong. */
int read_named_arguments(const char *function, const char *const *names,
                         Py_ssize_t count, Py_ssize_t required,
                         PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames, PyObject **values);

static inline int
read_arguments(const char *function, const char *const *names,
               Py_ssize_t count, Py_ssize_t required, PyObject *const *args,
               Py_ssize_t nargs, PyObject *kwnames, PyObject **values)
{
    if (kwnames != NULL || nargs < required || nargs > count) {
        return read_named_arguments(function, names, count, required, args,
                                    nargs, kwnames, values);
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        values[i] = args[i];
    }
    return 0;
}

/* Sets TypeError "<what>, not <the type of got>". Always NULL. */
PyObject *raise_wrong_type(const char *what, PyObject *got);

/* A str into `*slot`, or nothing for None (and del). -1 with TypeError. */
int set_optional_text(PyObject **slot, PyObject *value, const char *name);

#endif
