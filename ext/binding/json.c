/* SPDX-License-Identifier: MIT */
/* The texts were accepted by the core's reader, so nothing here checks
 * grammar or encoding again. Names of top members are kept in the module's
 * state: the next token of the same kind finds its keys made, with their
 * hashes. */
#include "json.h"

/* Longer names are not kept. */
#define NAME_KEPT_MAX 64
/* Longer numbers go through the heap. */
#define NUMBER_ON_STACK 64
/* Digits that fit a long long whatever they are. */
#define DIGITS_SMALL 18

static PyObject *
make_string(ps_span text, unsigned flags)
{
    if (flags == 0) {
        PyObject *string = PyUnicode_New((Py_ssize_t)text.len, 127);
        if (string != NULL) {
            memcpy(PyUnicode_1BYTE_DATA(string), text.ptr, text.len);
        }
        return string;
    }
    if ((flags & PS_JSON_ESCAPED) == 0) {
        return PyUnicode_DecodeUTF8(text.ptr, (Py_ssize_t)text.len, NULL);
    }
    char *plain = PyMem_Malloc(text.len);
    if (plain == NULL) {
        return PyErr_NoMemory();
    }
    size_t len = ps_json_unescape(text, plain);
    PyObject *string = PyUnicode_DecodeUTF8(plain, (Py_ssize_t)len, NULL);
    PyMem_Free(plain);
    return string;
}

static PyObject *
number_from_text(const char *text, ps_json_kind kind)
{
    if (kind == PS_JSON_INTEGER) {
        return PyLong_FromString(text, NULL, 10);
    }
    double value = PyOS_string_to_double(text, NULL, NULL);
    return value == -1.0 && PyErr_Occurred() ? NULL
                                             : PyFloat_FromDouble(value);
}

static PyObject *
make_number(ps_span text, ps_json_kind kind)
{
    if (kind == PS_JSON_INTEGER && text.len <= DIGITS_SMALL) {
        bool negative = text.ptr[0] == '-';
        long long value = 0;
        for (size_t i = negative; i < text.len; i++) {
            value = value * 10 + (text.ptr[i] - '0');
        }
        return PyLong_FromLongLong(negative ? -value : value);
    }
    char small[NUMBER_ON_STACK];
    char *copy = text.len < sizeof(small) ? small : PyMem_Malloc(text.len + 1);
    if (copy == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    PyObject *number = number_from_text(copy, kind);
    if (copy != small) {
        PyMem_Free(copy);
    }
    return number;
}

static PyObject *read_item(ps_json *json, ps_json_kind kind);

static PyObject *
read_array(ps_json *json)
{
    PyObject *list = PyList_New(0);
    ps_json_kind kind;
    while (list != NULL && (kind = ps_json_next(json)) != PS_JSON_CLOSE) {
        PyObject *item = read_item(json, kind);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *
read_object(ps_json *json)
{
    PyObject *dict = PyDict_New();
    while (dict != NULL && ps_json_next(json) == PS_JSON_NAME) {
        PyObject *name = make_string(json->text, json->flags);
        PyObject *item =
            name != NULL ? read_item(json, ps_json_next(json)) : NULL;
        if (item == NULL || PyDict_SetItem(dict, name, item) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(name);
        Py_XDECREF(item);
    }
    return dict;
}

/* The value whose first item was just read. As deep as the text, which the
 * reader bounds. */
static PyObject *
read_item(ps_json *json, ps_json_kind kind)
{
    switch (kind) {
    case PS_JSON_NULL:
        return Py_NewRef(Py_None);
    case PS_JSON_TRUE:
        return Py_NewRef(Py_True);
    case PS_JSON_FALSE:
        return Py_NewRef(Py_False);
    case PS_JSON_INTEGER:
    case PS_JSON_FLOAT:
        return make_number(json->text, kind);
    case PS_JSON_STRING:
        return make_string(json->text, json->flags);
    case PS_JSON_ARRAY:
        return read_array(json);
    case PS_JSON_OBJECT:
        return read_object(json);
    default:
        PyErr_SetString(PyExc_SystemError, "penstock: JSON changed");
        return NULL;
    }
}

PyObject *
json_value(core_state *state, const char *text, const ps_json_member *member)
{
    (void)state;
    ps_span value = {text + member->value, member->value_len};
    switch ((ps_json_kind)member->kind) {
    case PS_JSON_STRING:
        return make_string(value, member->flags);
    case PS_JSON_INTEGER:
    case PS_JSON_FLOAT:
        return make_number(value, (ps_json_kind)member->kind);
    default: {
        ps_json json;
        ps_json_init(&json, value);
        return read_item(&json, ps_json_next(&json));
    }
    }
}

PyObject *
json_name(core_state *state, const char *text, const ps_json_member *member)
{
    ps_span name = {text + member->name, member->name_len};
    if (member->name_flags != 0 || name.len > NAME_KEPT_MAX) {
        return make_string(name, member->name_flags);
    }
#ifndef Py_GIL_DISABLED /* the table is guarded by the GIL */
    PyObject **slot = &state->member_names[member->hash & (MEMBER_NAMES - 1)];
    if (*slot != NULL && (size_t)PyUnicode_GET_LENGTH(*slot) == name.len &&
        memcmp(PyUnicode_1BYTE_DATA(*slot), name.ptr, name.len) == 0) {
        return Py_NewRef(*slot);
    }
    PyObject *fresh = make_string(name, 0);
    if (fresh != NULL) {
        Py_XSETREF(*slot, Py_NewRef(fresh));
    }
    return fresh;
#else
    (void)state;
    return make_string(name, 0);
#endif
}

static PyObject *
fill(core_state *state, PyObject *dict, const char *text,
     const ps_json_member *members, size_t count)
{
    for (size_t i = 0; dict != NULL && i < count; i++) {
        PyObject *name = json_name(state, text, &members[i]);
        PyObject *value =
            name != NULL ? json_value(state, text, &members[i]) : NULL;
        if (value == NULL || PyDict_SetItem(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return dict;
}

#ifndef Py_GIL_DISABLED /* the shapes are guarded by the GIL */

/* Objects with fewer members than these do not make a dict grow; larger ones
 * are rare. */
#define SHAPE_MIN 6
#define SHAPE_MAX 64

static uint64_t
hash_names(const ps_json_member *members, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ members[i].hash) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 32;
    }
    return hash;
}

/* A dict whose table is large enough, and whose keys, for a shape seen
 * before, are in place already: then filling it costs no growth. New
 * reference; `*shape` is where the finished dict's shape may be kept. */
static PyObject *
start_dict(core_state *state, const ps_json_member *members, size_t count,
           dict_shape **shape)
{
    uint64_t hash = hash_names(members, count);
    *shape = &state->shapes[hash & (DICT_SHAPES - 1)];
    if ((*shape)->keys != NULL && (*shape)->hash == hash) {
        return PyDict_Copy((*shape)->keys);
    }
    (*shape)->hash = hash;
    Py_CLEAR((*shape)->keys);
    return PyDict_New();
}

/* Keeps the keys of a dict, each with None. */
static int
keep_shape(dict_shape *shape, PyObject *dict)
{
    PyObject *keys = PyDict_Copy(dict);
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (keys != NULL && PyDict_Next(dict, &at, &name, &value)) {
        if (PyDict_SetItem(keys, name, Py_None) < 0) {
            Py_CLEAR(keys);
        }
    }
    Py_XSETREF(shape->keys, keys);
    return keys != NULL ? 0 : -1;
}

PyObject *
json_object(core_state *state, const char *text, const ps_json_member *members,
            size_t count)
{
    if (count < SHAPE_MIN || count > SHAPE_MAX) {
        return fill(state, PyDict_New(), text, members, count);
    }
    dict_shape *shape;
    PyObject *dict = start_dict(state, members, count, &shape);
    dict = fill(state, dict, text, members, count);
    if (dict != NULL && (size_t)PyDict_GET_SIZE(dict) != count) {
        /* other names of the same hash */
        Py_DECREF(dict);
        return fill(state, PyDict_New(), text, members, count);
    }
    if (dict != NULL && shape->keys == NULL && keep_shape(shape, dict) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

#else

PyObject *
json_object(core_state *state, const char *text, const ps_json_member *members,
            size_t count)
{
    return fill(state, PyDict_New(), text, members, count);
}

#endif
