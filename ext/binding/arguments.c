/* SPDX-License-Identifier: MIT */
/* Sorts the arguments of a call by name, and reads those of constructors one
 * by one into a struct. */
#include "arguments.h"

#include <math.h>
#include <stddef.h>

#define ARGUMENTS_MAX 24 /* of one constructor */

/* ---- by name ------------------------------------------------------------ */

/* Five times as fast as PyUnicode_CompareWithASCIIString(). */
static bool
is_named(PyObject *name, const char *wanted)
{
    return PyUnicode_IS_ASCII(name) &&
           strcmp((const char *)PyUnicode_1BYTE_DATA(name), wanted) == 0 &&
           strlen(wanted) == (size_t)PyUnicode_GET_LENGTH(name);
}

static int
place_positional(const char *function, Py_ssize_t positional,
                 PyObject *const *args, Py_ssize_t nargs, PyObject **values)
{
    if (nargs > positional) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most %zd positional arguments (%zd given)",
                     function, positional, nargs);
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        values[i] = args[i];
    }
    return 0;
}

static int
place_named(const char *function, const char *const *names, Py_ssize_t count,
            PyObject *name, PyObject *value, PyObject **values)
{
    Py_ssize_t i = 0;
    while (i < count && !is_named(name, names[i])) {
        i++;
    }
    if (i == count) {
        PyErr_Format(PyExc_TypeError,
                     "%s() got an unexpected keyword argument %R", function,
                     name);
        return -1;
    }
    if (values[i] != NULL) {
        PyErr_Format(PyExc_TypeError,
                     "%s() got multiple values for argument '%s'", function,
                     names[i]);
        return -1;
    }
    values[i] = value;
    return 0;
}

static int
raise_missing(const char *function, const char *name)
{
    PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'",
                 function, name);
    return -1;
}

int
read_named_arguments(const char *function, const char *const *names,
                     Py_ssize_t count, Py_ssize_t positional,
                     Py_ssize_t required, PyObject *const *args,
                     Py_ssize_t nargs, PyObject *kwnames, PyObject **values)
{
    if (place_positional(function, positional, args, nargs, values) < 0) {
        return -1;
    }
    Py_ssize_t named = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t k = 0; k < named; k++) {
        if (place_named(function, names, count, PyTuple_GET_ITEM(kwnames, k),
                        args[nargs + k], values) < 0) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < required; i++) {
        if (values[i] == NULL) {
            return raise_missing(function, names[i]);
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
read_now(PyObject *value, double usual, double *now)
{
    *now = usual;
    if (value == NULL || value == Py_None) {
        return 0;
    }
    if (PyBool_Check(value) ||
        (!PyFloat_Check(value) && !PyLong_Check(value))) {
        raise_wrong_type("now: an int or float", value);
        return -1;
    }
    *now = PyFloat_AsDouble(value);
    if (*now == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (!isfinite(*now) || fabs(*now) > 1e15) {
        PyErr_SetString(PyExc_ValueError,
                        "now: seconds since the epoch, below 1e15");
        return -1;
    }
    return 0;
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

/* ---- tables ------------------------------------------------------------- */

PyObject *
arguments_evaluate(const char *text)
{
    PyObject *names = PyDict_New();
    PyObject *value =
        names != NULL ? PyRun_String(text, Py_eval_input, names, names) : NULL;
    Py_XDECREF(names);
    if (value == NULL && !PyErr_Occurred()) {
        PyErr_NoMemory(); /* the compiler may not say so */
    }
    return value;
}

/* The table's defaults as a tuple: borrowed from the state. */
static PyObject *
defaults_of(core_state *state, const argument_table *table)
{
    PyObject **slot = &state->argument_defaults[table->number];
    if (*slot == NULL) {
        *slot = arguments_evaluate(table->defaults);
    }
    return *slot;
}

int
arguments_read(argument_reading *reading, const argument_table *table,
               const char *function, core_state *state, PyObject *args,
               PyObject *kwargs, void *into)
{
    const char *names[ARGUMENTS_MAX];
    const argument *rows[ARGUMENTS_MAX];
    PyObject *values[ARGUMENTS_MAX] = {NULL};
    Py_ssize_t count = 0;
    Py_ssize_t positional = -1;
    *reading = (argument_reading){.state = state, .into = into};
    PyObject *defaults = defaults_of(state, table);
    if (defaults == NULL) {
        return -1;
    }
    for (size_t i = 0; i < table->length; i++) {
        if (table->arguments[i].read == NULL) {
            positional = count;
            continue;
        }
        assert(count < ARGUMENTS_MAX);
        rows[count] = &table->arguments[i];
        names[count++] = table->arguments[i].name;
    }
    assert(PyTuple_GET_SIZE(defaults) == count);
    if (place_positional(function, positional < 0 ? count : positional,
                         PySequence_Fast_ITEMS(args), PyTuple_GET_SIZE(args),
                         values) < 0) {
        return -1;
    }
    Py_ssize_t at = 0;
    PyObject *name;
    PyObject *value;
    while (kwargs != NULL && PyDict_Next(kwargs, &at, &name, &value)) {
        if (place_named(function, names, count, name, value, values) < 0) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (values[i] == NULL && rows[i]->required) {
            return raise_missing(function, names[i]);
        }
        reading->argument = rows[i];
        reading->fallback = PyTuple_GET_ITEM(defaults, i);
        if (rows[i]->read(reading,
                          values[i] != NULL ? values[i] : reading->fallback,
                          (char *)into + rows[i]->member) < 0) {
            return -1;
        }
    }
    return 0;
}

void
arguments_fini(argument_reading *reading)
{
    Py_CLEAR(reading->kept);
}

/* ---- readers ------------------------------------------------------------ */

int
argument_wrong_type(const argument_reading *reading, PyObject *value)
{
    PyErr_Format(PyExc_TypeError, "%s: %s, not %.100s",
                 reading->argument->name, reading->argument->want,
                 Py_TYPE(value)->tp_name);
    return -1;
}

int
argument_refuse(const argument_reading *reading, const char *why)
{
    PyErr_Format(PyExc_ValueError, "%s: %s", reading->argument->name, why);
    return -1;
}

int
argument_keep_steal(argument_reading *reading, PyObject *object_steal)
{
    if (object_steal == NULL) {
        return -1;
    }
    if (reading->kept == NULL) {
        reading->kept = PyList_New(0);
    }
    int result = reading->kept != NULL
                     ? PyList_Append(reading->kept, object_steal)
                     : -1;
    Py_DECREF(object_steal);
    return result;
}

/* What bytes hold is aligned for all that is kept there. */
_Static_assert(offsetof(PyBytesObject, ob_sval) % _Alignof(hr_span) == 0,
               "the content of bytes is not aligned");

void *
argument_memory(argument_reading *reading, size_t count, size_t size)
{
    if (count > (size_t)PY_SSIZE_T_MAX / 2 / size) {
        PyErr_NoMemory();
        return NULL;
    }
    PyObject *bytes =
        PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * size + 1));
    if (argument_keep_steal(reading, bytes) < 0) {
        return NULL;
    }
    return memset(PyBytes_AS_STRING(bytes), 0, count * size + 1);
}

PyObject *
argument_items(argument_reading *reading, PyObject *value)
{
    if (PyUnicode_Check(value) || PyBytes_Check(value)) {
        argument_wrong_type(reading, value);
        return NULL; /* one in place of several: its letters are none */
    }
    PyObject *list = PySequence_List(value);
    if (list == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
        argument_wrong_type(reading, value);
    }
    return argument_keep_steal(reading, list) == 0 ? list : NULL;
}

int
argument_utf8(const argument_reading *reading, PyObject *value, hr_span *text)
{
    if (!PyUnicode_Check(value)) {
        return argument_wrong_type(reading, value);
    }
    Py_ssize_t size;
    const char *bytes = PyUnicode_AsUTF8AndSize(value, &size);
    if (bytes == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            argument_refuse(reading, "a lone surrogate");
        }
        return -1;
    }
    *text = (hr_span){bytes, (size_t)size};
    return 0;
}

int
argument_str(argument_reading *reading, PyObject *value, void *member)
{
    *(PyObject **)member = value;
    return PyUnicode_Check(value) ? 0 : argument_wrong_type(reading, value);
}

int
argument_dict(argument_reading *reading, PyObject *value, void *member)
{
    *(PyObject **)member = value;
    return value == Py_None || PyDict_Check(value)
               ? 0
               : argument_wrong_type(reading, value);
}

int
argument_text(argument_reading *reading, PyObject *value, void *member)
{
    return argument_utf8(reading, value, member);
}

int
argument_optional_text(argument_reading *reading, PyObject *value,
                       void *member)
{
    *(hr_span *)member = HR_NO_SPAN;
    return value == Py_None ? 0 : argument_utf8(reading, value, member);
}

int
argument_texts(argument_reading *reading, PyObject *value, void *member)
{
    PyObject *items = argument_items(reading, value);
    if (items == NULL) {
        return -1;
    }
    Py_ssize_t count = PyList_GET_SIZE(items);
    hr_span *texts = argument_memory(reading, (size_t)count, sizeof(*texts));
    if (texts == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (argument_utf8(reading, PyList_GET_ITEM(items, i), &texts[i]) < 0) {
            return -1;
        }
    }
    *(const hr_span **)member = texts;
    *(size_t *)((char *)reading->into + reading->argument->count) =
        (size_t)count;
    return 0;
}

int
argument_bool(argument_reading *reading, PyObject *value, void *member)
{
    if (!PyLong_Check(value)) {
        return argument_wrong_type(reading, value);
    }
    *(bool *)member = PyObject_IsTrue(value) == 1;
    return 0;
}

int
argument_integer(argument_reading *reading, PyObject *value, void *member)
{
    PyObject *index = PyIndex_Check(value) ? PyNumber_Index(value) : NULL;
    if (index == NULL) {
        return PyErr_Occurred() ? -1 : argument_wrong_type(reading, value);
    }
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    *(int64_t *)member = overflow == 0  ? number
                         : overflow < 0 ? INT64_MIN
                                        : INT64_MAX;
    return 0;
}

int
argument_size(argument_reading *reading, PyObject *value, void *member)
{
    int64_t number = 0;
    if (argument_integer(reading, value, &number) < 0) {
        return -1;
    }
    *(size_t *)member = number < 0 ? SIZE_MAX : (size_t)number;
    return 0;
}

int
argument_number(argument_reading *reading, PyObject *value, void *member)
{
    double number = PyFloat_AsDouble(value);
    if (number == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear(); /* an int that no double can hold */
            number = (double)INFINITY;
        } else {
            return PyErr_ExceptionMatches(PyExc_TypeError)
                       ? argument_wrong_type(reading, value)
                       : -1;
        }
    }
    *(double *)member = number;
    return 0;
}

int
argument_seconds(argument_reading *reading, PyObject *value, void *member)
{
    if (PyBool_Check(value)) {
        return argument_wrong_type(reading, value);
    }
    if (PyFloat_Check(value) || PyLong_Check(value)) {
        return argument_number(reading, value, member);
    }
    PyObject *total = PyObject_CallMethod(value, "total_seconds", NULL);
    if (total == NULL) {
        PyErr_Clear();
        return argument_wrong_type(reading, value);
    }
    int result = argument_number(reading, total, member);
    Py_DECREF(total);
    return result;
}

int
argument_path(argument_reading *reading, PyObject *value, void *member)
{
    PyObject *bytes = NULL;
    *(PyObject **)member = NULL;
    if (value == Py_None) {
        return 0;
    }
    if (PyUnicode_FSConverter(value, &bytes) == 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            return argument_wrong_type(reading, value);
        }
        if (PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Clear(); /* a NUL, or text that no path can have */
            return argument_refuse(reading, "not the text of a path");
        }
        return -1;
    }
    *(PyObject **)member = bytes;
    return argument_keep_steal(reading, bytes);
}

int
argument_part(argument_reading *reading, PyObject *value, void *member)
{
    PyTypeObject *type =
        *(PyTypeObject **)((char *)reading->state + reading->argument->type);
    if (value != Py_None && !Py_IS_TYPE(value, type)) {
        return argument_wrong_type(reading, value);
    }
    *(PyObject **)member = value;
    return 0;
}

int
argument_word(argument_reading *reading, PyObject *value, void *member)
{
    const char *text = PyUnicode_Check(value) ? PyUnicode_AsUTF8(value) : "";
    const char *at = reading->argument->want;
    if (text == NULL) {
        PyErr_Clear(); /* a lone surrogate is in no word */
        text = "";
    }
    for (int i = 0; (at = strchr(at, '\'')) != NULL; i++) {
        size_t length = strcspn(++at, "'");
        if (strlen(text) == length && memcmp(text, at, length) == 0) {
            *(int *)member = i;
            return 0;
        }
        at += length + 1;
    }
    return argument_refuse(reading, reading->argument->want);
}
