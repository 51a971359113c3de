/* SPDX-License-Identifier: MIT */
/* How a type comes into the state: every type file asks for this, and module.c
 * asks for every type. */
#include "state.h"

int
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **slot)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL) {
        return -1;
    }
    *slot = (PyTypeObject *)type; /* the state owns it */
    return PyModule_AddType(module, *slot);
}
