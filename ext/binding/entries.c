/* SPDX-License-Identifier: MIT */
/* Not on the path of a request: it is here because a consumer is held against
 * a loop over what redis-py returns, which is a dict and no more, and because
 * an event with a dict of its own costs twice that in Python. What is not as
 * our sinks write it is left to the caller's function. */
#include "entries.h"

#include <stdbool.h>

/* As in headrace/events.py; tests/property/test_entries.py holds the two
 * together. */
#define ID_MAX_CHARS 64
#define TIME_DIGITS_MAX 15
#define TIME_MAX 253402300799999LL /* the last millisecond of 9999 */

/* What an entry holds beside its fields; borrowed from its list. */
typedef struct entry_head {
    PyObject *id, *kind;
    long long time; /* -1: none */
} entry_head;

static bool
is_word(PyObject *text, const char *word, size_t len)
{
    return (size_t)PyUnicode_GET_LENGTH(text) == len &&
           PyUnicode_IS_COMPACT_ASCII(text) &&
           memcmp(PyUnicode_1BYTE_DATA(text), word, len) == 0;
}

#define IS(text, word) is_word(text, word, sizeof(word) - 1)

static long long
read_time(PyObject *text)
{
    Py_ssize_t len = PyUnicode_GET_LENGTH(text);
    if (len == 0 || len > TIME_DIGITS_MAX ||
        !PyUnicode_IS_COMPACT_ASCII(text)) {
        return -1;
    }
    const Py_UCS1 *digits = PyUnicode_1BYTE_DATA(text);
    long long time = 0;
    for (Py_ssize_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return -1;
        }
        time = time * 10 + (digits[i] - '0');
    }
    return time <= TIME_MAX ? time : -1;
}

/* The fields as a new dict and the rest in `*head`; 0, or -1 with an
 * exception set, or 1 where the entry is not as we write them. */
static int
read_pairs(PyObject *pairs, entry_head *head, PyObject **fields)
{
    Py_ssize_t count = PyList_GET_SIZE(pairs);
    *head = (entry_head){NULL, NULL, -1};
    if (count % 2 != 0 || (*fields = PyDict_New()) == NULL) {
        return count % 2 != 0 ? 1 : -1;
    }
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < count; i += 2) {
        PyObject *name = PyList_GET_ITEM(pairs, i);
        PyObject *value = PyList_GET_ITEM(pairs, i + 1);
        if (!PyUnicode_CheckExact(name) || !PyUnicode_CheckExact(value) ||
            IS(name, "headrace_format") || IS(name, "dead_error")) {
            status = 1;
        } else if (IS(name, "id")) {
            head->id = value;
        } else if (IS(name, "kind")) {
            head->kind = value;
        } else if (IS(name, "time")) {
            head->time = read_time(value);
        } else {
            status = PyDict_SetItem(*fields, name, value);
        }
    }
    if (status == 0 &&
        (head->id == NULL || head->kind == NULL || head->time < 0 ||
         PyUnicode_GET_LENGTH(head->id) == 0 ||
         PyUnicode_GET_LENGTH(head->id) > ID_MAX_CHARS ||
         PyUnicode_GET_LENGTH(head->kind) == 0)) {
        status = 1;
    }
    if (status != 0) {
        Py_CLEAR(*fields);
    }
    return status;
}

/* The attributes of an event, in the order of `values` below. */
#define ATTRIBUTES 6
static const char *const ATTRIBUTE[ATTRIBUTES] = {
    "id", "kind", "time", "fields", "entry", "missing"};

/* One call of entries_read: `names` are the attributes' as str, new for it. */
typedef struct entry_reader {
    PyTypeObject *type;
    PyObject *other;
    PyObject *names[ATTRIBUTES];
} entry_reader;

/* Sets the attributes of a frozen dataclass, as its own __init__ does. */
static PyObject *
make_event(const entry_reader *self, PyObject *entry, const entry_head *head,
           PyObject *fields)
{
    PyObject *time = PyLong_FromLongLong(head->time);
    PyObject *missing = PyTuple_New(0);
    PyObject *event = time == NULL || missing == NULL
                          ? NULL
                          : self->type->tp_alloc(self->type, 0);
    PyObject *values[ATTRIBUTES] = {head->id, head->kind, time,
                                    fields,   entry,      missing};
    for (size_t i = 0; event != NULL && i < ATTRIBUTES; i++) {
        if (PyObject_GenericSetAttr(event, self->names[i], values[i]) < 0) {
            Py_CLEAR(event);
        }
    }
    Py_XDECREF(time);
    Py_XDECREF(missing);
    return event;
}

static PyObject *
read_entry(const entry_reader *self, PyObject *row)
{
    PyObject *pair = PySequence_Fast(row, "a row is an id and a list");
    if (pair == NULL) {
        return NULL;
    }
    PyObject *event = NULL;
    if (PySequence_Fast_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_ValueError, "a row is an id and a list");
    } else {
        PyObject *entry = PySequence_Fast_GET_ITEM(pair, 0);
        PyObject *pairs = PySequence_Fast_GET_ITEM(pair, 1);
        entry_head head;
        PyObject *fields = NULL;
        int status =
            PyList_CheckExact(pairs) ? read_pairs(pairs, &head, &fields) : 1;
        if (status == 0) {
            event = make_event(self, entry, &head, fields);
        } else if (status > 0) {
            event =
                PyObject_CallFunctionObjArgs(self->other, entry, pairs, NULL);
        }
        Py_XDECREF(fields);
    }
    Py_DECREF(pair);
    return event;
}

PyObject *
entries_read(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 3 || !PyList_Check(args[0]) || !PyType_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError,
                        "a list, a type and a function are wanted");
        return NULL;
    }
    entry_reader self = {(PyTypeObject *)args[1], args[2], {NULL}};
    PyObject *events = PyList_New(0);
    for (size_t i = 0; events != NULL && i < ATTRIBUTES; i++) {
        self.names[i] = PyUnicode_InternFromString(ATTRIBUTE[i]);
        if (self.names[i] == NULL) {
            Py_CLEAR(events);
        }
    }
    for (Py_ssize_t i = 0; events != NULL && i < PyList_GET_SIZE(args[0]);
         i++) {
        PyObject *row = Py_NewRef(PyList_GET_ITEM(args[0], i));
        PyObject *event = read_entry(&self, row);
        if (event == NULL || PyList_Append(events, event) < 0) {
            Py_CLEAR(events);
        }
        Py_XDECREF(event);
        Py_DECREF(row);
    }
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        Py_XDECREF(self.names[i]);
    }
    return events;
}
