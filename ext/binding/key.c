/* SPDX-License-Identifier: MIT */
/* Key: made by its class methods only, each of which parses once. */
#include "types.h"

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

/* The bytes of a str (as UTF-8) or bytes. -1 with TypeError, or
 * InvalidKeyError for a lone surrogate: not UnicodeEncodeError, which would
 * carry the secret into a traceback. */
static int
read_text(core_state *state, PyObject *object, const char *what, hr_span *text)
{
    if (PyUnicode_Check(object)) {
        Py_ssize_t size = 0;
        text->ptr = PyUnicode_AsUTF8AndSize(object, &size);
        text->len = (size_t)size;
        if (text->ptr != NULL) {
            return 0;
        }
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            raise_key_error(state, HR_KEY_FORMAT, what);
        }
        return -1;
    }
    if (PyBytes_Check(object)) {
        *text = (hr_span){PyBytes_AS_STRING(object),
                          (size_t)PyBytes_GET_SIZE(object)};
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s: a str or bytes, not %.100s", what,
                 Py_TYPE(object)->tp_name);
    return -1;
}

static int
read_algorithm(core_state *state, PyObject *name,
               hr_token_jws_algorithm *algorithm)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == NULL) {
        return -1;
    }
    if (hr_token_jws_algorithm_find((hr_span){text, (size_t)size},
                                    algorithm) != HR_OK) {
        raise_key_error(state, HR_KEY_ALGORITHM, "algorithm");
        return -1;
    }
    return 0;
}

typedef struct key_arguments {
    hr_span data;
    hr_token_jws_algorithm algorithm;
    hr_span key_id;
} key_arguments;

/* (data, *, algorithm, key_id=None) */
static int
read_arguments_of(core_state *state, PyObject *args, PyObject *kwargs,
                  const char *format, key_arguments *read)
{
    static char *names[] = {"data", "algorithm", "key_id", NULL};
    PyObject *data, *algorithm = NULL, *key_id = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &data,
                                     &algorithm, &key_id)) {
        return -1;
    }
    if (algorithm == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "missing required keyword argument: 'algorithm'");
        return -1;
    }
    if (read_text(state, data, "data", &read->data) < 0 ||
        read_algorithm(state, algorithm, &read->algorithm) < 0) {
        return -1;
    }
    read->key_id = HR_NO_SPAN;
    if (key_id == Py_None) {
        return 0;
    }
    if (!PyUnicode_Check(key_id)) {
        PyErr_Format(PyExc_TypeError, "key_id: a str or None, not %.100s",
                     Py_TYPE(key_id)->tp_name);
        return -1;
    }
    return read_text(state, key_id, "key_id", &read->key_id);
}

static PyObject *
key_result(core_state *state, hr_status status, hr_token_keyring_key *key,
           const char *what)
{
    return status == HR_OK ? key_from_core_steal(state, key)
                           : raise_key_error(state, status, what);
}

static PyObject *
key_secret(PyObject *type, PyObject *args, PyObject *kwargs)
{
    core_state *state = state_of_type((PyTypeObject *)type);
    key_arguments read;
    hr_token_keyring_key *key = NULL;
    if (read_arguments_of(state, args, kwargs, "O|$UO:secret", &read) < 0) {
        return NULL;
    }
    hr_status status = hr_token_keyring_key_from_secret(
        read.data, read.algorithm, read.key_id, false, &key);
    return key_result(state, status, key, "secret");
}

/* For headrace.jwt, where the option enforce_minimum_key_length is False. */
static PyObject *
key_short_secret(PyObject *type, PyObject *args, PyObject *kwargs)
{
    core_state *state = state_of_type((PyTypeObject *)type);
    key_arguments read;
    hr_token_keyring_key *key = NULL;
    if (read_arguments_of(state, args, kwargs, "O|$UO:_short_secret", &read) <
        0) {
        return NULL;
    }
    hr_status status = hr_token_keyring_key_from_secret(
        read.data, read.algorithm, read.key_id, true, &key);
    return key_result(state, status, key, "secret");
}

static PyObject *
key_pem(PyObject *type, PyObject *args, PyObject *kwargs)
{
    core_state *state = state_of_type((PyTypeObject *)type);
    key_arguments read;
    hr_token_keyring_key *key = NULL;
    if (read_arguments_of(state, args, kwargs, "O|$UO:pem", &read) < 0) {
        return NULL;
    }
    hr_status status = hr_token_keyring_pem_read(read.data, read.algorithm,
                                                 read.key_id, &key);
    return key_result(state, status, key, "pem");
}

/* A document as JSON text: itself, or a mapping written by json.dumps(). New
 * reference. */
static PyObject *
document_text(PyObject *document)
{
    if (PyUnicode_Check(document) || PyBytes_Check(document)) {
        return Py_NewRef(document);
    }
    if (!PyMapping_Check(document) || PySequence_Check(document)) {
        if (!PyDict_Check(document)) {
            return PyErr_Format(
                PyExc_TypeError,
                "document: a mapping, str or bytes, not %.100s",
                Py_TYPE(document)->tp_name);
        }
    }
    PyObject *copy = PyObject_CallOneArg((PyObject *)&PyDict_Type, document);
    PyObject *json = copy != NULL ? PyImport_ImportModule("json") : NULL;
    PyObject *text = NULL;
    if (json != NULL) {
        text = PyObject_CallMethod(json, "dumps", "O", copy);
    }
    Py_XDECREF(json);
    Py_XDECREF(copy);
    return text;
}

/* (document, *, algorithm=None); `*text` is a new reference that `*span`
 * points into. */
static int
read_document(core_state *state, PyObject *args, PyObject *kwargs,
              const char *format, PyObject **text, hr_span *span,
              hr_token_jws_algorithm *algorithm,
              const hr_token_jws_algorithm **fallback)
{
    static char *names[] = {"document", "algorithm", NULL};
    PyObject *document, *name = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &document,
                                     &name)) {
        return -1;
    }
    *fallback = NULL;
    if (name != Py_None) {
        if (!PyUnicode_Check(name)) {
            PyErr_Format(PyExc_TypeError,
                         "algorithm: a str or None, not %.100s",
                         Py_TYPE(name)->tp_name);
            return -1;
        }
        if (read_algorithm(state, name, algorithm) < 0) {
            return -1;
        }
        *fallback = algorithm;
    }
    *text = document_text(document);
    if (*text == NULL) {
        return -1;
    }
    if (read_text(state, *text, "document", span) < 0) {
        Py_CLEAR(*text);
        return -1;
    }
    return 0;
}

static PyObject *
key_jwk(PyObject *type, PyObject *args, PyObject *kwargs)
{
    core_state *state = state_of_type((PyTypeObject *)type);
    PyObject *text;
    hr_span document;
    hr_token_jws_algorithm algorithm;
    const hr_token_jws_algorithm *fallback;
    hr_token_keyring_key *key = NULL;
    bool skip;
    if (read_document(state, args, kwargs, "O|$O:jwk", &text, &document,
                      &algorithm, &fallback) < 0) {
        return NULL;
    }
    hr_status status =
        hr_token_keyring_jwk_read(document, fallback, &key, &skip);
    Py_DECREF(text);
    return key_result(state, status, key, "JWK");
}

/* One line for the operator: keys of another use or kind are no fault, but
 * worth knowing about. */
static int
log_skipped(size_t skipped)
{
    PyObject *logging = PyImport_ImportModule("logging");
    PyObject *logger =
        logging != NULL
            ? PyObject_CallMethod(logging, "getLogger", "s", "headrace")
            : NULL;
    PyObject *done =
        logger != NULL
            ? PyObject_CallMethod(
                  logger, "info", "sn",
                  "JWK Set: %d keys of another use or kind were passed over",
                  (Py_ssize_t)skipped)
            : NULL;
    Py_XDECREF(logging);
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
    PyObject *text;
    hr_span document;
    hr_token_jws_algorithm algorithm;
    const hr_token_jws_algorithm *fallback;
    hr_token_keyring_key *keys[HR_KEYS_MAX];
    size_t count, skipped, at;
    if (read_document(state, args, kwargs, "O|$O:jwks", &text, &document,
                      &algorithm, &fallback) < 0) {
        return NULL;
    }
    hr_status status = hr_token_keyring_jwk_read_set(document, fallback, keys,
                                                     &count, &skipped, &at);
    Py_DECREF(text);
    if (status != HR_OK) {
        char what[64];
        PyOS_snprintf(what, sizeof(what), "JWK Set, key %zu", at);
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

#define KEY_METHOD(name_, function, text)                                   \
    {                                                                       \
        .ml_name = name_, .ml_meth = (PyCFunction)(void (*)(void))function, \
        .ml_flags = METH_CLASS | METH_VARARGS | METH_KEYWORDS,              \
        .ml_doc = PyDoc_STR(text),                                          \
    }

static PyMethodDef key_methods[] = {
    KEY_METHOD("secret", key_secret,
               "secret($type, data, *, algorithm, key_id=None)\n--\n\n"
               "An HMAC secret."),
    KEY_METHOD("_short_secret", key_short_secret,
               "_short_secret($type, data, *, algorithm, key_id=None)\n--\n\n"
               "An HMAC secret of any length."),
    KEY_METHOD("pem", key_pem,
               "pem($type, data, *, algorithm, key_id=None)\n--\n\n"
               "A public key from one PEM block."),
    KEY_METHOD("jwk", key_jwk,
               "jwk($type, document, *, algorithm=None)\n--\n\n"
               "A key from a JWK (RFC 7517)."),
    KEY_METHOD("jwks", key_jwks,
               "jwks($type, document, *, algorithm=None)\n--\n\n"
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
