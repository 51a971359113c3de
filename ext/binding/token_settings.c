/* SPDX-License-Identifier: MIT */
/* Every argument is checked for its type here and for its range in the core.
 * Text that a span points into stays alive in a list until the verifier has
 * copied it. */
#include "token_settings.h"

#include "errors.h"
#include "types.h"

#include <math.h>

static int
wrong_type(const char *setting, const char *want, PyObject *got)
{
    PyErr_Format(PyExc_TypeError, "%s: %s, not %.100s", setting, want,
                 Py_TYPE(got)->tp_name);
    return -1;
}

/* The UTF-8 of a str, kept alive. */
static int
read_str(PyObject *alive, PyObject *text, const char *setting,
         const char *want, hr_span *span)
{
    if (!PyUnicode_Check(text)) {
        return wrong_type(setting, want, text);
    }
    Py_ssize_t size;
    span->ptr = PyUnicode_AsUTF8AndSize(text, &size);
    if (span->ptr == NULL) {
        return -1; /* UnicodeEncodeError, a ValueError */
    }
    span->len = (size_t)size;
    return PyList_Append(alive, text);
}

/* A list, also of a tuple, a set or any other iterable. New reference. */
static PyObject *
as_list(PyObject *object, const char *setting, const char *want)
{
    if (PyUnicode_Check(object) || PyBytes_Check(object)) {
        wrong_type(setting, want, object);
        return NULL;
    }
    PyObject *list = PySequence_List(object);
    if (list == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
        wrong_type(setting, want, object);
    }
    return list;
}

/* An iterable of str; `*spans` is PyMem. */
static int
read_strs(PyObject *alive, PyObject *object, const char *setting,
          const char *want, hr_span **spans, size_t *count)
{
    PyObject *list = as_list(object, setting, want);
    if (list == NULL) {
        return -1;
    }
    Py_ssize_t size = PyList_GET_SIZE(list);
    int result = 0;
    *spans = PyMem_Calloc((size_t)size + 1, sizeof(**spans));
    if (*spans == NULL) {
        PyErr_NoMemory();
        result = -1;
    }
    for (Py_ssize_t i = 0; result == 0 && i < size; i++) {
        result = read_str(alive, PyList_GET_ITEM(list, i), setting, want,
                          &(*spans)[i]);
    }
    *count = (size_t)size;
    Py_DECREF(list);
    return result;
}

/* One str, or several of which any will do. */
static int
read_one_or_several(PyObject *alive, PyObject *object, const char *setting,
                    hr_span **spans, size_t *count)
{
    static const char WANT[] = "a str, several str, or None";
    *count = 0;
    if (object == NULL || object == Py_None) {
        return 0;
    }
    if (PyUnicode_Check(object)) {
        *spans = PyMem_Calloc(1, sizeof(**spans));
        if (*spans == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        *count = 1;
        if (PyUnicode_GET_LENGTH(object) == 0) {
            PyErr_Format(PyExc_ValueError,
                         "%s: empty; None says that none is expected",
                         setting);
            return -1;
        }
        return read_str(alive, object, setting, WANT, *spans);
    }
    if (read_strs(alive, object, setting, WANT, spans, count) < 0) {
        return -1;
    }
    if (*count == 0) {
        PyErr_Format(PyExc_ValueError, "%s: nothing to accept", setting);
        return -1;
    }
    for (size_t i = 0; i < *count; i++) {
        if ((*spans)[i].len == 0) {
            PyErr_Format(PyExc_ValueError, "%s: one of them is empty",
                         setting);
            return -1;
        }
    }
    return 0;
}

/* Seconds: a number or a timedelta. */
static int
read_seconds(PyObject *object, const char *setting, double *seconds)
{
    static const char WANT[] = "seconds or a timedelta";
    if (PyBool_Check(object)) {
        return wrong_type(setting, WANT, object);
    }
    if (PyFloat_Check(object) || PyLong_Check(object)) {
        *seconds = PyFloat_AsDouble(object);
        if (*seconds == -1.0 && PyErr_Occurred()) {
            PyErr_Clear(); /* an int that no double can hold */
            *seconds = (double)INFINITY;
        }
        return 0;
    }
    PyObject *total = PyObject_CallMethod(object, "total_seconds", NULL);
    if (total == NULL) {
        PyErr_Clear();
        return wrong_type(setting, WANT, object);
    }
    *seconds = PyFloat_AsDouble(total);
    Py_DECREF(total);
    return *seconds == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* The text of a number as JSON writes it, kept alive. */
static int
read_number(PyObject *alive, PyObject *number, hr_span *text)
{
    PyObject *repr = PyNumber_Check(number) && PyFloat_Check(number)
                         ? PyFloat_Type.tp_repr(number)
                         : PyLong_Type.tp_repr(number);
    if (repr == NULL) {
        return -1;
    }
    int result = read_str(alive, repr, "expect", "a number", text);
    Py_DECREF(repr);
    return result;
}

static int
read_expected_value(PyObject *alive, PyObject *object,
                    hr_token_claims_value *value)
{
    *value = (hr_token_claims_value){.kind = HR_JSON_NULL, .text = HR_NO_SPAN};
    if (object == Py_None) {
        return 0;
    }
    if (PyBool_Check(object)) {
        value->kind = object == Py_True ? HR_JSON_TRUE : HR_JSON_FALSE;
        return 0;
    }
    if (PyLong_Check(object)) {
        value->kind = HR_JSON_INTEGER;
        return read_number(alive, object, &value->text);
    }
    if (PyFloat_Check(object)) {
        if (!isfinite(PyFloat_AS_DOUBLE(object))) {
            PyErr_SetString(PyExc_ValueError,
                            "expect: no claim can have this value");
            return -1;
        }
        value->kind = HR_JSON_FLOAT;
        return read_number(alive, object, &value->text);
    }
    value->kind = HR_JSON_STRING;
    return read_str(alive, object, "expect",
                    "values of str, int, float, bool or None, or a tuple of "
                    "them",
                    &value->text);
}

/* One claim: a value, or a tuple of values. */
static int
read_expected(PyObject *alive, PyObject *name, PyObject *wanted,
              hr_token_claims_expected *expected)
{
    bool several = PyTuple_Check(wanted);
    Py_ssize_t count = several ? PyTuple_GET_SIZE(wanted) : 1;
    if (read_str(alive, name, "expect", "names of str", &expected->name) < 0) {
        return -1;
    }
    if (count == 0) {
        PyErr_SetString(PyExc_ValueError, "expect: nothing to accept");
        return -1;
    }
    hr_token_claims_value *values =
        PyMem_Calloc((size_t)count, sizeof(*values));
    if (values == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    expected->values = values;
    expected->count = (size_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = several ? PyTuple_GET_ITEM(wanted, i) : wanted;
        if (read_expected_value(alive, value, &values[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
read_expect(token_settings *s, PyObject *object)
{
    if (object == NULL || object == Py_None) {
        return 0;
    }
    if (!PyMapping_Check(object) || PySequence_Check(object)) {
        if (!PyDict_Check(object)) {
            return wrong_type("expect", "a mapping or None", object);
        }
    }
    PyObject *items = PyMapping_Items(object);
    if (items == NULL) {
        return -1;
    }
    Py_ssize_t count = PyList_GET_SIZE(items);
    int result = 0;
    s->expect = PyMem_Calloc((size_t)count + 1, sizeof(*s->expect));
    if (s->expect == NULL) {
        PyErr_NoMemory();
        result = -1;
    }
    for (Py_ssize_t i = 0; result == 0 && i < count; i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
            result = wrong_type("expect", "pairs as items", item);
        } else {
            s->settings.claims.expect_count = (size_t)i + 1;
            result = read_expected(s->alive, PyTuple_GET_ITEM(item, 0),
                                   PyTuple_GET_ITEM(item, 1), &s->expect[i]);
        }
    }
    s->settings.claims.expect = s->expect;
    Py_DECREF(items);
    return result;
}

static int
read_max_lifetime(PyObject *object, double *seconds)
{
    *seconds = -1;
    if (object == NULL || object == Py_None) {
        return 0;
    }
    if (read_seconds(object, "max_lifetime", seconds) < 0) {
        return -1;
    }
    if (!(*seconds > 0) || !isfinite(*seconds)) {
        PyErr_SetString(PyExc_ValueError,
                        "max_lifetime: must be a finite number of seconds "
                        "above 0");
        return -1;
    }
    return 0;
}

static int
read_optional_str(PyObject *alive, PyObject *object, const char *setting,
                  hr_span *span)
{
    *span = HR_NO_SPAN;
    if (object == NULL || object == Py_None) {
        return 0;
    }
    return read_str(alive, object, setting, "a str or None", span);
}

int
keys_from_object(core_state *state, PyObject *object, PyObject *alive,
                 hr_token_keyring_key ***keys, size_t *count)
{
    PyObject *list = as_list(object, "keys", "an iterable of Key");
    if (list == NULL) {
        return -1;
    }
    Py_ssize_t size = PyList_GET_SIZE(list);
    int result = PyList_Append(alive, list);
    *keys = PyMem_Calloc((size_t)size + 1, sizeof(**keys));
    if (*keys == NULL) {
        PyErr_NoMemory();
        result = -1;
    }
    for (Py_ssize_t i = 0; result == 0 && i < size; i++) {
        PyObject *key = PyList_GET_ITEM(list, i);
        if (!Py_IS_TYPE(key, state->key_type)) {
            result = wrong_type("keys", "an iterable of Key", key);
        } else {
            (*keys)[i] = ((KeyObject *)key)->key;
        }
    }
    *count = (size_t)size;
    Py_DECREF(list);
    return result;
}

static int
read_engine(const char *name, const hr_token_signature_engine **engine)
{
    if (strcmp(name, "openssl") == 0) {
        *engine = hr_token_signature_openssl();
    } else if (strcmp(name, "libjwt") == 0) {
        *engine = hr_token_signature_libjwt();
    } else {
        PyErr_Format(PyExc_ValueError,
                     "engine: 'openssl' or 'libjwt', not '%.100s'", name);
        return -1;
    }
    return 0;
}

/* Sizes below 0 are out of range too. */
static int
read_size(Py_ssize_t value, const char *setting, size_t *size)
{
    if (value < 0) {
        PyErr_Format(PyExc_ValueError, "%s: must not be negative", setting);
        return -1;
    }
    *size = (size_t)value;
    return 0;
}

int
token_settings_read(core_state *state, const token_arguments *arguments,
                    token_settings *s)
{
    hr_token_claims_rules *claims = &s->settings.claims;
    static const hr_span EXP[] = {{"exp", 3}};
    s->alive = PyList_New(0);
    if (s->alive == NULL ||
        keys_from_object(state, arguments->keys, s->alive, &s->keys,
                         &s->settings.key_count) < 0 ||
        read_one_or_several(s->alive, arguments->audience, "audience",
                            &s->audience, &claims->audience_count) < 0 ||
        read_one_or_several(s->alive, arguments->issuer, "issuer", &s->issuer,
                            &claims->issuer_count) < 0 ||
        read_optional_str(s->alive, arguments->subject, "subject",
                          &claims->subject) < 0 ||
        read_optional_str(s->alive, arguments->type, "type",
                          &s->settings.type) < 0 ||
        read_expect(s, arguments->expect) < 0 ||
        read_max_lifetime(arguments->max_lifetime, &claims->max_lifetime) <
            0 ||
        read_size(arguments->max_bytes, "max_bytes", &s->settings.max_bytes) <
            0 ||
        read_size(arguments->cache_size, "cache_size",
                  &s->settings.cache_size) < 0 ||
        read_engine(arguments->engine, &s->settings.engine) < 0) {
        return -1;
    }
    if (arguments->leeway != NULL &&
        read_seconds(arguments->leeway, "leeway", &claims->leeway) < 0) {
        return -1;
    }
    claims->require = EXP;
    claims->require_count = 1;
    if (arguments->require != NULL) {
        if (read_strs(s->alive, arguments->require, "require",
                      "an iterable of str", &s->require,
                      &claims->require_count) < 0) {
            return -1;
        }
        claims->require = s->require;
    }
    claims->audience = s->audience;
    claims->issuer = s->issuer;
    s->settings.keys = s->keys;
    return 0;
}

void
token_settings_fini(token_settings *s)
{
    for (size_t i = 0;
         s->expect != NULL && i < s->settings.claims.expect_count; i++) {
        PyMem_Free((void *)s->expect[i].values);
    }
    PyMem_Free(s->expect);
    PyMem_Free(s->require);
    PyMem_Free(s->issuer);
    PyMem_Free(s->audience);
    PyMem_Free(s->keys);
    Py_XDECREF(s->alive);
}
