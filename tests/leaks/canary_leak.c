/* SPDX-License-Identifier: MIT */
/* Planted leaks: a heap type whose objects never give back their type, a
 * function that forgets a Python object, and one that forgets a C block. The
 * leak tests must find all three, or they find nothing. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>

static void
leaky_dealloc(PyObject *self)
{
    Py_TYPE(self)->tp_free(self); /* the bug: the type is not released */
}

static PyType_Slot leaky_slots[] = {
    {Py_tp_dealloc, leaky_dealloc},
    {0, NULL},
};

static PyType_Spec leaky_spec = {
    .name = "canary_leak.Leaky",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = leaky_slots,
};

static PyObject *
forget_object(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *lost = PyBytes_FromStringAndSize(NULL, 100); /* the bug */
    if (lost == NULL) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
forget_block(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    volatile char *lost = malloc(100); /* the bug */
    if (lost == NULL) {
        return PyErr_NoMemory();
    }
    lost[0] = 1;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {.ml_name = "forget_object",
     .ml_meth = forget_object,
     .ml_flags = METH_NOARGS},
    {.ml_name = "forget_block",
     .ml_meth = forget_block,
     .ml_flags = METH_NOARGS},
    {0},
};

static int
module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &leaky_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int status = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return status;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "canary_leak",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit_canary_leak(void)
{
    return PyModuleDef_Init(&definition);
}
