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

PyObject *
call_imported(const char *module, const char *function, const char *format,
              ...)
{
    PyObject *imported = PyImport_ImportModule(module);
    PyObject *called =
        imported != NULL ? PyObject_GetAttrString(imported, function) : NULL;
    PyObject *result = NULL;
    if (called != NULL) {
        va_list list;
        va_start(list, format);
        PyObject *arguments = Py_VaBuildValue(format, list);
        va_end(list);
        result =
            arguments != NULL ? PyObject_CallObject(called, arguments) : NULL;
        Py_XDECREF(arguments);
    }
    Py_XDECREF(called);
    Py_XDECREF(imported);
    return result;
}
