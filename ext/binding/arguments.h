/* SPDX-License-Identifier: MIT */
/* Arguments of the calls on the request path, read without building a tuple
 * or a dict. */
#ifndef PS_BINDING_ARGUMENTS_H
#define PS_BINDING_ARGUMENTS_H

#include "state.h"

/* Sorts the arguments of a METH_FASTCALL | METH_KEYWORDS call into `values`
 * (borrowed; NULL where not given) by the `count` names in `names`, of which
 * the first `required` must be there. -1 with TypeError set. */
int read_arguments(const char *function, const char *const *names,
                   Py_ssize_t count, Py_ssize_t required,
                   PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                   PyObject **values);

/* Sets TypeError "<what>, not <the type of got>". Always NULL. */
PyObject *raise_wrong_type(const char *what, PyObject *got);

#endif
