/* SPDX-License-Identifier: MIT */
/* Every argument is checked for its type here and for its range in the core.
 * What the settings point into is kept until the verifier has copied it. */
#include "token_settings.h"

#include "types.h"

#include <math.h>

static int
read_keys(argument_reading *reading, PyObject *value, void *member)
{
    PyObject *items = argument_items(reading, value);
    if (items == NULL) {
        return -1;
    }
    size_t count = (size_t)PyList_GET_SIZE(items);
    hr_token_keyring_key **keys =
        argument_memory(reading, count, sizeof(hr_token_keyring_key *));
    if (keys == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *key = PyList_GET_ITEM(items, (Py_ssize_t)i);
        if (!Py_IS_TYPE(key, reading->state->key_type)) {
            return argument_wrong_type(reading, key);
        }
        keys[i] = ((KeyObject *)key)->key;
    }
    *(hr_token_keyring_key *const **)member = keys;
    ((hr_token_verifier_settings *)reading->into)->key_count = count;
    return 0;
}

/* One str, or several of which any will do; None: none is expected. */
static int
read_any_of(argument_reading *reading, PyObject *value, void *member)
{
    if (value == Py_None) {
        return 0;
    }
    if (PyUnicode_Check(value)) {
        value = PyTuple_Pack(1, value);
        if (argument_keep_steal(reading, value) < 0) {
            return -1;
        }
    }
    if (argument_texts(reading, value, member) < 0) {
        return -1;
    }
    const hr_span *texts = *(const hr_span **)member;
    size_t count =
        *(size_t *)((char *)reading->into + reading->argument->count);
    for (size_t i = 0; i < count; i++) {
        if (texts[i].len == 0) {
            return argument_refuse(reading,
                                   "empty; None says that none is expected");
        }
    }
    return count != 0 ? 0 : argument_refuse(reading, "nothing to accept");
}

/* The text of a number as JSON writes it, kept alive. */
static int
read_number(argument_reading *reading, PyObject *number, hr_span *text)
{
    PyObject *repr = PyNumber_Check(number) && PyFloat_Check(number)
                         ? PyFloat_Type.tp_repr(number)
                         : PyLong_Type.tp_repr(number);
    return argument_keep_steal(reading, repr) < 0
               ? -1
               : argument_utf8(reading, repr, text);
}

static int
read_expected_value(argument_reading *reading, PyObject *object,
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
        return read_number(reading, object, &value->text);
    }
    if (PyFloat_Check(object)) {
        if (!isfinite(PyFloat_AS_DOUBLE(object))) {
            return argument_refuse(reading, "no claim can have this value");
        }
        value->kind = HR_JSON_FLOAT;
        return read_number(reading, object, &value->text);
    }
    value->kind = HR_JSON_STRING;
    return argument_utf8(reading, object, &value->text);
}

/* One claim: a value, or a tuple of values. */
static int
read_expected(argument_reading *reading, PyObject *name, PyObject *wanted,
              hr_token_claims_expected *expected)
{
    bool several = PyTuple_Check(wanted);
    Py_ssize_t count = several ? PyTuple_GET_SIZE(wanted) : 1;
    if (argument_utf8(reading, name, &expected->name) < 0) {
        return -1;
    }
    if (count == 0) {
        return argument_refuse(reading, "nothing to accept");
    }
    hr_token_claims_value *values =
        argument_memory(reading, (size_t)count, sizeof(*values));
    if (values == NULL) {
        return -1;
    }
    expected->values = values;
    expected->count = (size_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = several ? PyTuple_GET_ITEM(wanted, i) : wanted;
        if (read_expected_value(reading, value, &values[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
read_expect(argument_reading *reading, PyObject *value, void *member)
{
    if (value == Py_None) {
        return 0;
    }
    if (!PyDict_Check(value) &&
        (!PyMapping_Check(value) || PySequence_Check(value))) {
        return argument_wrong_type(reading, value);
    }
    PyObject *items = PyMapping_Items(value);
    if (argument_keep_steal(reading, items) < 0) {
        return -1;
    }
    Py_ssize_t count = PyList_GET_SIZE(items);
    hr_token_claims_expected *expect =
        argument_memory(reading, (size_t)count, sizeof(*expect));
    if (expect == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
            return argument_wrong_type(reading, item);
        }
        if (read_expected(reading, PyTuple_GET_ITEM(item, 0),
                          PyTuple_GET_ITEM(item, 1), &expect[i]) < 0) {
            return -1;
        }
    }
    *(const hr_token_claims_expected **)member = expect;
    ((hr_token_verifier_settings *)reading->into)->claims.expect_count =
        (size_t)count;
    return 0;
}

/* Below 0 is any lifetime to the core, which refuses a NaN. */
static int
read_max_lifetime(argument_reading *reading, PyObject *value, void *member)
{
    double *seconds = member;
    *seconds = -1;
    if (value == Py_None || argument_seconds(reading, value, member) < 0) {
        return value == Py_None ? 0 : -1;
    }
    if (*seconds <= 0) {
        *seconds = (double)NAN;
    }
    return 0;
}

/* NULL is an engine that is not built in: the core refuses it. */
static int
read_engine(argument_reading *reading, PyObject *value, void *member)
{
    int word = 0;
    if (argument_word(reading, value, &word) < 0) {
        return -1;
    }
    *(const hr_token_signature_engine **)member =
        word == 0 ? hr_token_signature_openssl() : hr_token_signature_libjwt();
    return 0;
}

#define ARGUMENTS_INTO hr_token_verifier_settings
#define COUNT(member) .count = offsetof(ARGUMENTS_INTO, member)
/* clang-format off */
#define TOKEN_ARGUMENTS(REQUIRED, OPTIONAL, LAST, STAR) \
    REQUIRED("keys", "an iterable of Key", read_keys, keys) \
    STAR OPTIONAL("audience", "None", "a str, several str, or None", \
        read_any_of, claims.audience, COUNT(claims.audience_count)) \
    OPTIONAL("issuer", "None", "a str, several str, or None", read_any_of, \
        claims.issuer, COUNT(claims.issuer_count)) \
    OPTIONAL("subject", "None", "a str or None", argument_optional_text, \
        claims.subject) \
    OPTIONAL("expect", "None", "a mapping of names to str, int, float, " \
        "bool, None or a tuple of them, or None", read_expect, claims.expect) \
    OPTIONAL("leeway", "0", "seconds or a timedelta", argument_seconds, \
        claims.leeway) \
    OPTIONAL("require", "('exp',)", "an iterable of str", argument_texts, \
        claims.require, COUNT(claims.require_count)) \
    OPTIONAL("type", "None", "a str or None", argument_optional_text, type) \
    OPTIONAL("max_lifetime", "None", "seconds, a timedelta or None", \
        read_max_lifetime, claims.max_lifetime) \
    OPTIONAL("max_bytes", ARGUMENT_SHOWN(HR_TOKEN_MAX_BYTES), "an int", \
        argument_size, max_bytes) \
    OPTIONAL("cache_size", ARGUMENT_SHOWN( HR_TOKEN_CACHE_DEFAULT), \
        "an int", argument_size, cache_size) \
    LAST("engine", "'openssl'", "'openssl' or 'libjwt'", read_engine, engine)
/* clang-format on */

static const argument ROWS[] = {ARGUMENTS_ROWS(TOKEN_ARGUMENTS)};
const argument_table token_settings_table =
    ARGUMENTS_TABLE(TOKEN_ARGUMENTS, ROWS, TOKEN_VERIFIER_TABLE);
const char token_settings_doc[] = PyDoc_STR("TokenVerifier(" ARGUMENTS_TEXT(
    TOKEN_ARGUMENTS) ")\n--\n\n"
                     "Verifies JWTs. Any thread may use it.");
