/* SPDX-License-Identifier: MIT */
/* Key: made by its class methods only, each of which parses once. */
#include "types.h"

#include "arguments.h"
#include "errors.h"

static PyObject *
key_from_core_steal(core_state *state, hr_token_keyring_key *key)
{
    PyTypeObject *type = state->key_type;
    KeyObject *self = (KeyObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        hr_token_keyring_key_release(key);
        return NULL;
    }
    self->key = key;
    return (PyObject *)self;
}

static void
key_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    hr_token_keyring_key_release(((KeyObject *)op)->key);
    type->tp_free(op);
    Py_DECREF(type);
}

/* The bytes of a str (as UTF-8) or bytes. InvalidKeyError for a lone
 * surrogate. */
static int
read_data(argument_reading *reading, PyObject *value, void *member)
{
    if (PyBytes_Check(value)) {
        *(hr_span *)member = (hr_span){PyBytes_AS_STRING(value),
                                       (size_t)PyBytes_GET_SIZE(value)};
        return 0;
    }
    int result = argument_utf8(reading, value, member);
    if (result < 0 && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        raise_key_error(reading->state, HR_KEY_FORMAT,
                        reading->argument->name);
    }
    return result;
}

static int
read_key_id(argument_reading *reading, PyObject *value, void *member)
{
    hr_span *key_id = member;
    *key_id = HR_NO_SPAN;
    if (value == Py_None) {
        return 0;
    }
    if (!PyUnicode_Check(value) || read_data(reading, value, member) < 0) {
        return PyErr_Occurred() ? -1 : argument_wrong_type(reading, value);
    }
    if (!hr_token_keyring_key_id_is_usable(*key_id)) {
        raise_key_error(reading->state, HR_KEY_FORMAT, "key_id");
        return -1;
    }
    return 0;
}

typedef struct key_arguments {
    hr_span data;
    hr_token_jws_algorithm algorithm;
    hr_span key_id;
} key_arguments;

static int
read_algorithm(argument_reading *reading, PyObject *value, void *member)
{
    hr_span name;
    if (argument_utf8(reading, value, &name) < 0) {
        return -1;
    }
    if (hr_token_jws_algorithm_find(name, member) != HR_OK) {
        raise_key_error(reading->state, HR_KEY_ALGORITHM, "algorithm");
        return -1;
    }
    return 0;
}

#define ARGUMENTS_INTO key_arguments
#define KEY_ARGUMENTS(REQUIRED, OPTIONAL, LAST, STAR)              \
    REQUIRED("data", "a str or bytes", read_data, data)            \
    STAR REQUIRED("algorithm", "a str", read_algorithm, algorithm) \
        LAST("key_id", "None", "a str or None", read_key_id, key_id)

static const argument KEY_ROWS[] = {ARGUMENTS_ROWS(KEY_ARGUMENTS)};
static const argument_table KEY_ARGUMENT_TABLE =
    ARGUMENTS_TABLE(KEY_ARGUMENTS, KEY_ROWS, KEY_TABLE);
#undef ARGUMENTS_INTO

static PyObject *
key_result(core_state *state, hr_status status, hr_token_keyring_key *key,
           const char *what)
{
    return status == HR_OK ? key_from_core_steal(state, key)
                           : raise_key_error(state, status, what);
}

static PyObject *
make_key(const char *function, PyObject *type, PyObject *args,
         PyObject *kwargs)
{
    core_state *state = state_of_type((PyTypeObject *)type);
    argument_reading reading;
    key_arguments read;
    hr_token_keyring_key *key = NULL;
    PyObject *result = NULL;
    if (arguments_read(&reading, &KEY_ARGUMENT_TABLE, function, state, args,
                       kwargs, &read) == 0) {
        hr_status status =
            strcmp(function, "pem") == 0
                ? hr_token_keyring_pem_read(read.data, read.algorithm,
                                            read.key_id, &key)
                : hr_token_keyring_key_from_secret(
                      read.data, read.algorithm, read.key_id,
                      strcmp(function, "_short_secret") == 0, &key);
        result = key_result(state, status, key, "data");
    }
    arguments_fini(&reading);
    return result;
}

static PyObject *
key_secret(PyObject *type, PyObject *args, PyObject *kwargs)
{
    return make_key("secret", type, args, kwargs);
}

/* For headrace.jwt, where the option enforce_minimum_key_length is False. */
static PyObject *
key_short_secret(PyObject *type, PyObject *args, PyObject *kwargs)
{
    return make_key("_short_secret", type, args, kwargs);
}

static PyObject *
key_pem(PyObject *type, PyObject *args, PyObject *kwargs)
{
    return make_key("pem", type, args, kwargs);
}

typedef struct document_arguments {
    hr_span document;
    hr_token_jws_algorithm algorithm;
    const hr_token_jws_algorithm *fallback; /* it, or NULL */
} document_arguments;

/* JSON text: itself, or a mapping written by json.dumps(). */
static int
read_document(argument_reading *reading, PyObject *value, void *member)
{
    if (PyUnicode_Check(value) || PyBytes_Check(value)) {
        return read_data(reading, value, member);
    }
    if (!PyDict_Check(value) &&
        (!PyMapping_Check(value) || PySequence_Check(value))) {
        return argument_wrong_type(reading, value);
    }
    PyObject *copy = PyObject_CallOneArg((PyObject *)&PyDict_Type, value);
    PyObject *text =
        copy != NULL ? call_imported("json", "dumps", "(O)", copy) : NULL;
    Py_XDECREF(copy);
    if (text == NULL && (PyErr_ExceptionMatches(PyExc_TypeError) ||
                         PyErr_ExceptionMatches(PyExc_ValueError))) {
        PyErr_Format(PyErr_ExceptionMatches(PyExc_TypeError)
                         ? PyExc_TypeError
                         : PyExc_ValueError,
                     "document: JSON cannot hold it");
    }
    return argument_keep_steal(reading, text) < 0
               ? -1
               : read_data(reading, text, member);
}

static int
read_fallback(argument_reading *reading, PyObject *value, void *member)
{
    document_arguments *read = reading->into;
    read->fallback = value == Py_None ? NULL : &read->algorithm;
    return value == Py_None ? 0 : read_algorithm(reading, value, member);
}

#define ARGUMENTS_INTO document_arguments
#define DOCUMENT_ARGUMENTS(REQUIRED, OPTIONAL, LAST, STAR)                   \
    REQUIRED("document", "a mapping, str or bytes", read_document, document) \
    STAR LAST("algorithm", "None", "a str or None", read_fallback, algorithm)

static const argument DOCUMENT_ROWS[] = {ARGUMENTS_ROWS(DOCUMENT_ARGUMENTS)};
static const argument_table DOCUMENT_ARGUMENT_TABLE =
    ARGUMENTS_TABLE(DOCUMENT_ARGUMENTS, DOCUMENT_ROWS, DOCUMENT_TABLE);

static PyObject *
key_jwk(PyObject *type, PyObject *args, PyObject *kwargs)
{
    core_state *state = state_of_type((PyTypeObject *)type);
    argument_reading reading;
    document_arguments read;
    hr_token_keyring_key *key = NULL;
    PyObject *result = NULL;
    bool skip;
    if (arguments_read(&reading, &DOCUMENT_ARGUMENT_TABLE, "jwk", state, args,
                       kwargs, &read) == 0) {
        hr_status status = hr_token_keyring_jwk_read(
            read.document, read.fallback, &key, &skip);
        result = key_result(state, status, key, "document");
    }
    arguments_fini(&reading);
    return result;
}

/* One line for the operator: keys of another use or kind are no fault, but
 * worth knowing about. */
static int
log_skipped(size_t skipped)
{
    PyObject *logger =
        call_imported("logging", "getLogger", "(s)", "headrace");
    PyObject *done =
        logger != NULL
            ? PyObject_CallMethod(
                  logger, "info", "sn",
                  "JWK Set: %d keys of another use or kind were passed over",
                  (Py_ssize_t)skipped)
            : NULL;
    Py_XDECREF(logger);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static PyObject *
keys_to_list(core_state *state, hr_token_keyring_key **keys, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; i < count; i++) {
        PyObject *key =
            list != NULL ? key_from_core_steal(state, keys[i]) : NULL;
        if (key == NULL) {
            if (list == NULL) {
                hr_token_keyring_key_release(keys[i]);
            }
            Py_CLEAR(list);
            continue;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, key);
    }
    return list;
}

static PyObject *
key_jwks(PyObject *type, PyObject *args, PyObject *kwargs)
{
    core_state *state = state_of_type((PyTypeObject *)type);
    argument_reading reading;
    document_arguments read;
    hr_token_keyring_key *keys[HR_KEYS_MAX];
    size_t count, skipped, at;
    if (arguments_read(&reading, &DOCUMENT_ARGUMENT_TABLE, "jwks", state, args,
                       kwargs, &read) < 0) {
        arguments_fini(&reading);
        return NULL;
    }
    hr_status status = hr_token_keyring_jwk_read_set(
        read.document, read.fallback, keys, &count, &skipped, &at);
    arguments_fini(&reading);
    if (status != HR_OK) {
        char what[64];
        PyOS_snprintf(what, sizeof(what), "document, key %zu", at);
        return raise_key_error(state, status, what);
    }
    PyObject *list = keys_to_list(state, keys, count);
    if (list != NULL && skipped != 0 && log_skipped(skipped) < 0) {
        Py_CLEAR(list);
    }
    return list;
}

static PyObject *
key_algorithm(PyObject *op, void *Py_UNUSED(closure))
{
    hr_span name =
        hr_token_jws_algorithm_name(((KeyObject *)op)->key->algorithm);
    return PyUnicode_FromStringAndSize(name.ptr, (Py_ssize_t)name.len);
}

static PyObject *
key_key_id(PyObject *op, void *Py_UNUSED(closure))
{
    const hr_token_keyring_key *key = ((KeyObject *)op)->key;
    if (!key->has_key_id) {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(key->key_id.ptr, (Py_ssize_t)key->key_id.len,
                                "replace");
}

static PyObject *
key_repr(PyObject *op)
{
    PyObject *key_id = key_key_id(op, NULL);
    if (key_id == NULL) {
        return NULL;
    }
    PyObject *repr = PyUnicode_FromFormat(
        "<Key: %s, key_id %R>",
        hr_token_jws_algorithm_name(((KeyObject *)op)->key->algorithm).ptr,
        key_id);
    Py_DECREF(key_id);
    return repr;
}

#define KEY_METHOD(name, function, list, text)                        \
    METHOD(name, function, METH_CLASS | METH_VARARGS | METH_KEYWORDS, \
           name "($type, " ARGUMENTS_TEXT(list) ")\n--\n\n" text)

static PyMethodDef key_methods[] = {
    KEY_METHOD("secret", key_secret, KEY_ARGUMENTS, "An HMAC secret."),
    KEY_METHOD("_short_secret", key_short_secret, KEY_ARGUMENTS,
               "An HMAC secret of any length."),
    KEY_METHOD("pem", key_pem, KEY_ARGUMENTS,
               "A public key from one PEM block."),
    KEY_METHOD("jwk", key_jwk, DOCUMENT_ARGUMENTS,
               "A key from a JWK (RFC 7517)."),
    KEY_METHOD("jwks", key_jwks, DOCUMENT_ARGUMENTS,
               "The keys of a JWK Set: a list."),
    {NULL},
};

static PyGetSetDef key_getset[] = {
    {"algorithm", key_algorithm, NULL, "The one algorithm it is for.", NULL},
    {"key_id", key_key_id, NULL, "Its `kid`, or None.", NULL},
    {NULL},
};

static PyType_Slot key_slots[] = {
    {Py_tp_doc, PyDoc_STR("A key, pinned to exactly one algorithm.")},
    {Py_tp_dealloc, key_dealloc},
    {Py_tp_repr, key_repr},
    {Py_tp_methods, key_methods},
    {Py_tp_getset, key_getset},
    {0, NULL},
};

static PyType_Spec key_spec = {
    .name = "headrace._core.Key",
    .basicsize = sizeof(KeyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = key_slots,
};

int
key_setup(PyObject *module)
{
    return add_type(module, &key_spec, &state_of_module(module)->key_type);
}
