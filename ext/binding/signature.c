/* SPDX-License-Identifier: MIT */
/* A descriptor that turns the signature of a table into inspect's. It imports
 * inspect only when it is read. */
#include "arguments.h"

typedef struct SignatureObject {
    PyObject_HEAD
    const char *text; /* static */
} SignatureObject;

static PyObject *
signature_get(PyObject *op, PyObject *Py_UNUSED(instance),
              PyObject *Py_UNUSED(type))
{
    PyObject *text =
        PyUnicode_FromFormat("lambda %s: None", ((SignatureObject *)op)->text);
    PyObject *function =
        text != NULL ? arguments_evaluate(PyUnicode_AsUTF8(text)) : NULL;
    PyObject *signature =
        function != NULL
            ? call_imported("inspect", "signature", "(O)", function)
            : NULL;
    Py_XDECREF(function);
    Py_XDECREF(text);
    return signature;
}

static PyType_Slot signature_slots[] = {
    {Py_tp_descr_get, signature_get},
    {0, NULL},
};

static PyType_Spec signature_spec = {
    .name = "headrace._core._Signature",
    .basicsize = sizeof(SignatureObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = signature_slots,
};

int
signature_setup(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &signature_spec, NULL);
    state_of_module(module)->signature_type = (PyTypeObject *)type;
    return type != NULL ? 0 : -1;
}

int
signature_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **slot,
                   const argument_table *table)
{
    PyTypeObject *type = state_of_module(module)->signature_type;
    PyObject *signature = type->tp_alloc(type, 0);
    if (signature == NULL) {
        return -1;
    }
    ((SignatureObject *)signature)->text = table->signature;
    int result = add_type(module, spec, slot);
    if (result == 0) { /* nobody has seen the type, so nothing is cached */
        result =
            PyDict_SetItemString((*slot)->tp_dict, "__signature__", signature);
        PyType_Modified(*slot);
    }
    Py_DECREF(signature);
    return result;
}
