/* SPDX-License-Identifier: MIT */
/* A planted bug: bytes that are not asked whether they are there. The tests
 * that take memory away must crash here, or they take nothing away. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *
unchecked(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, 1000);
    memset(PyBytes_AS_STRING(bytes), 'x', 1000); /* the bug */
    return bytes;
}

static PyMethodDef methods[] = {
    {.ml_name = "unchecked", .ml_meth = unchecked, .ml_flags = METH_NOARGS},
    {0},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "canary_no_memory",
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit_canary_no_memory(void)
{
    return PyModuleDef_Init(&definition);
}
