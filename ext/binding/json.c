/* SPDX-License-Identifier: MIT */
/* The texts were accepted by the core's reader, so nothing here checks
 * grammar or encoding again. Names of top members are kept in the module's
 * state: the next token of the same kind finds its keys made, with their
 * hashes. Short values are kept with the names of a whole object, since many
 * are the same in every token (`iss`, `aud`, `token_type`). */
#include "json.h"

/* Longer names, and longer values, are not kept. */
#define NAME_KEPT_MAX 64
#define VALUE_KEPT_MAX 20
/* Longer numbers go through the heap. */
#define NUMBER_ON_STACK 64
/* Digits that fit a long long whatever they are. */
#define DIGITS_SMALL 18

static PyObject *
make_string(hr_span text, unsigned flags)
{
    if (flags == 0) {
        PyObject *string = PyUnicode_New((Py_ssize_t)text.len, 127);
        if (string != NULL) {
            memcpy(PyUnicode_1BYTE_DATA(string), text.ptr, text.len);
        }
        return string;
    }
    if ((flags & HR_JSON_ESCAPED) == 0) {
        return PyUnicode_DecodeUTF8(text.ptr, (Py_ssize_t)text.len, NULL);
    }
    char *plain = PyMem_Malloc(text.len);
    if (plain == NULL) {
        return PyErr_NoMemory();
    }
    size_t len = hr_json_text_unescape(text, plain);
    PyObject *string = PyUnicode_DecodeUTF8(plain, (Py_ssize_t)len, NULL);
    PyMem_Free(plain);
    return string;
}

static PyObject *
number_from_text(const char *text, hr_json_kind kind)
{
    if (kind == HR_JSON_INTEGER) {
        return PyLong_FromString(text, NULL, 10);
    }
    double value = PyOS_string_to_double(text, NULL, NULL);
    return value == -1.0 && PyErr_Occurred() ? NULL
                                             : PyFloat_FromDouble(value);
}

static PyObject *
make_number(hr_span text, hr_json_kind kind)
{
    if (kind == HR_JSON_INTEGER && text.len <= DIGITS_SMALL) {
        bool negative = text.ptr[0] == '-';
        long long value = (long long)hr_json_hash_digits(text.ptr + negative,
                                                         text.len - negative);
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

static PyObject *read_item(hr_json *json, hr_json_kind kind);

static PyObject *
read_array(hr_json *json)
{
    PyObject *list = PyList_New(0);
    hr_json_kind kind;
    while (list != NULL && (kind = hr_json_next(json)) != HR_JSON_CLOSE) {
        PyObject *item = read_item(json, kind);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *
read_object(hr_json *json)
{
    PyObject *dict = PyDict_New();
    while (dict != NULL && hr_json_next(json) == HR_JSON_NAME) {
        PyObject *name = make_string(json->text, json->flags);
        PyObject *item =
            name != NULL ? read_item(json, hr_json_next(json)) : NULL;
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
read_item(hr_json *json, hr_json_kind kind)
{
    switch (kind) {
    case HR_JSON_NULL:
        return Py_NewRef(Py_None);
    case HR_JSON_TRUE:
        return Py_NewRef(Py_True);
    case HR_JSON_FALSE:
        return Py_NewRef(Py_False);
    case HR_JSON_INTEGER:
    case HR_JSON_FLOAT:
        return make_number(json->text, kind);
    case HR_JSON_STRING:
        return make_string(json->text, json->flags);
    case HR_JSON_ARRAY:
        return read_array(json);
    case HR_JSON_OBJECT:
        return read_object(json);
    default:
        PyErr_SetString(PyExc_SystemError, "headrace: JSON changed");
        return NULL;
    }
}

/* Is a str of plain ASCII this text? */
static inline bool
is_text(PyObject *string, hr_span text)
{
    return (size_t)PyUnicode_GET_LENGTH(string) == text.len &&
           hr_json_hash_same_bytes((const char *)PyUnicode_1BYTE_DATA(string),
                                   text.ptr, text.len);
}

PyObject *
json_value(const char *text, const hr_json_member *member)
{
    hr_span value = {text + member->value, member->value_len};
    switch ((hr_json_kind)member->kind) {
    case HR_JSON_STRING:
        return make_string(value, member->flags);
    case HR_JSON_INTEGER:
    case HR_JSON_FLOAT:
        return make_number(value, (hr_json_kind)member->kind);
    default: {
        hr_json json;
        hr_json_init(&json, value);
        return read_item(&json, hr_json_next(&json));
    }
    }
}

PyObject *
json_name(core_state *state, const char *text, const hr_json_member *member)
{
    hr_span name = {text + member->name, member->name_len};
    if (member->name_flags != 0 || name.len > NAME_KEPT_MAX) {
        return make_string(name, member->name_flags);
    }
#ifndef Py_GIL_DISABLED /* the slots are guarded by the GIL */
    PyObject **slot = &state->member_names[member->hash & (MEMBER_NAMES - 1)];
    if (*slot != NULL && is_text(*slot, name)) {
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
     const hr_json_member *members, size_t count)
{
    for (size_t i = 0; dict != NULL && i < count; i++) {
        PyObject *name = json_name(state, text, &members[i]);
        PyObject *value = name != NULL ? json_value(text, &members[i]) : NULL;
        if (value == NULL || PyDict_SetItem(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return dict;
}

#ifndef Py_GIL_DISABLED /* the shapes are guarded by the GIL */

/* Objects with more members are rare. */
#define SHAPE_MAX 64

/* Of all names, in order. */
static uint64_t
hash_names(const hr_json_member *members, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = (hash << 7 | hash >> 57) ^ members[i].hash;
    }
    return hr_json_hash_mix(hash, 0);
}

static bool
are_names(PyObject *items, const char *text, const hr_json_member *members,
          size_t count)
{
    if ((size_t)PyTuple_GET_SIZE(items) != 2 * count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(items, (Py_ssize_t)(2 * i));
        hr_span want = {text + members[i].name, members[i].name_len};
        if (members[i].name_flags != 0 || !is_text(name, want)) {
            return false;
        }
    }
    return true;
}

/* Has a shape this value already? */
static inline bool
is_same_value(PyObject *old, const char *text, const hr_json_member *member)
{
    hr_span value = {text + member->value, member->value_len};
    return member->kind == HR_JSON_STRING && member->flags == 0 &&
           PyUnicode_CheckExact(old) && PyUnicode_IS_COMPACT_ASCII(old) &&
           is_text(old, value);
}

/* A copy of a shape, with the values that are other ones. */
static PyObject *
fill_shape(const dict_shape *shape, const char *text,
           const hr_json_member *members, size_t count)
{
    PyObject *items = Py_NewRef(shape->items); /* a collection may run here */
    PyObject *dict = PyDict_Copy(shape->keys);
    for (size_t i = 0; dict != NULL && i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(items, (Py_ssize_t)(2 * i));
        PyObject *old = PyTuple_GET_ITEM(items, (Py_ssize_t)(2 * i + 1));
        if (is_same_value(old, text, &members[i])) {
            continue;
        }
        PyObject *value = json_value(text, &members[i]);
        if (value == NULL ||
            (value != old && PyDict_SetItem(dict, name, value) < 0)) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
    }
    Py_DECREF(items);
    return dict;
}

/* Is a value worth keeping with the names? */
static bool
is_kept_value(PyObject *value)
{
    return PyBool_Check(value) ||
           (PyUnicode_CheckExact(value) &&
            PyUnicode_GET_LENGTH(value) <= VALUE_KEPT_MAX);
}

/* Keeps the names of a dict, with the values that are kept anyway and None for
 * the others. All names must be plain ASCII. */
static int
keep_shape(dict_shape *shape, uint64_t hash, PyObject *dict)
{
    PyObject *keys = PyDict_New();
    PyObject *items = PyTuple_New(2 * PyDict_GET_SIZE(dict));
    PyObject *name, *value;
    Py_ssize_t at = 0, place = 0;
    if (keys == NULL || items == NULL) {
        goto fail;
    }
    while (PyDict_Next(dict, &at, &name, &value)) {
        PyObject *kept = is_kept_value(value) ? value : Py_None;
        if (PyDict_SetItem(keys, name, kept) < 0) {
            goto fail;
        }
        PyTuple_SET_ITEM(items, place++, Py_NewRef(name));
        PyTuple_SET_ITEM(items, place++, Py_NewRef(kept));
    }
    shape->hash = hash;
    Py_XSETREF(shape->keys, keys);
    Py_XSETREF(shape->items, items);
    return 0;
fail:
    Py_XDECREF(keys);
    Py_XDECREF(items);
    return -1;
}

static bool
all_plain(const hr_json_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].name_flags != 0) {
            return false;
        }
    }
    return true;
}

/* A dict of the same names in the same order as one made lately begins as a
 * copy of that: the table is large enough and the keys are in place. */
PyObject *
json_object(core_state *state, const char *text, const hr_json_member *members,
            size_t count)
{
    uint64_t hash = hash_names(members, count);
    dict_shape *shape = &state->shapes[hash & (DICT_SHAPES - 1)];
    if (shape->keys != NULL && shape->hash == hash &&
        are_names(shape->items, text, members, count)) {
        return fill_shape(shape, text, members, count);
    }
    PyObject *dict = fill(state, PyDict_New(), text, members, count);
    if (dict != NULL && count <= SHAPE_MAX && all_plain(members, count) &&
        keep_shape(shape, hash, dict) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

#else

PyObject *
json_object(core_state *state, const char *text, const hr_json_member *members,
            size_t count)
{
    return fill(state, PyDict_New(), text, members, count);
}

#endif
