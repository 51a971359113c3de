/* SPDX-License-Identifier: MIT */
/* TokenVerifier: the core's verifier, called with Python's text and answered
 * with a Token or an exception. The GIL is let go of around RSA, EC and EdDSA
 * only: an HMAC takes less time than taking the GIL again. */
#include "types.h"

#include <math.h>

#include "arguments.h"
#include "errors.h"
#include "json.h"
#include "slow_section.h"
#include "token_settings.h"

#include "base/alloc.h"
#include "base/base64url.h"

static hr_token_verifier *
verifier_of(PyObject *op)
{
    return ((TokenVerifierObject *)op)->verifier;
}

/* Sets the exception for a refused verifier or key ring. */
static void
raise_verifier_error(core_state *state, hr_status status,
                     const hr_token_verifier_error *error)
{
    if (error->setting == NULL || strcmp(error->setting, "keys") != 0) {
        raise_setting_error(state, status, error->setting, error->why);
        return;
    }
    if (status == HR_KEY_EMPTY) {
        raise_setting_error(state, status, "keys",
                            "at least one key is needed");
        return;
    }
    char what[64];
    PyOS_snprintf(what, sizeof(what), "keys[%zu]", error->key);
    raise_key_error(state, status, what);
}

static PyObject *
token_verifier_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {
        "keys",       "audience", "issuer", "subject",      "expect",
        "leeway",     "require",  "type",   "max_lifetime", "max_bytes",
        "cache_size", "engine",   NULL};
    core_state *state = state_of_type(type);
    token_arguments a = {
        .max_bytes = HR_TOKEN_MAX_BYTES,
        .cache_size = HR_TOKEN_CACHE_DEFAULT,
        .engine = "openssl",
    };
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "O|$OOOOOOOOnns:TokenVerifier", names, &a.keys,
            &a.audience, &a.issuer, &a.subject, &a.expect, &a.leeway,
            &a.require, &a.type, &a.max_lifetime, &a.max_bytes, &a.cache_size,
            &a.engine)) {
        return NULL;
    }
    token_settings settings = {0};
    hr_token_verifier *verifier;
    hr_token_verifier_error error;
    TokenVerifierObject *self = NULL;
    if (token_settings_read(state, &a, &settings) == 0) {
        hr_status status =
            hr_token_verifier_new(&settings.settings, &verifier, &error);
        if (status != HR_OK) {
            raise_verifier_error(state, status, &error);
        } else {
            self = (TokenVerifierObject *)type->tp_alloc(type, 0);
            if (self == NULL) {
                hr_token_verifier_release(verifier);
            } else {
                self->verifier = verifier;
            }
        }
    }
    token_settings_fini(&settings);
    return (PyObject *)self;
}

static void
token_verifier_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    hr_token_verifier_release(verifier_of(op));
    type->tp_free(op);
    Py_DECREF(type);
}

/* The bytes of a token. What is no ASCII is no token, but is refused like
 * one, not raised as an error of the caller. */
static inline int
read_token(PyObject *object, hr_span *text)
{
    if (PyUnicode_Check(object)) {
        if (PyUnicode_IS_COMPACT_ASCII(object)) {
            *text = (hr_span){PyUnicode_DATA(object),
                              (size_t)PyUnicode_GET_LENGTH(object)};
            return 0;
        }
        Py_ssize_t size = 0;
        text->ptr = PyUnicode_AsUTF8AndSize(object, &size);
        text->len = (size_t)size;
        if (text->ptr == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                return -1;
            }
            PyErr_Clear();
            *text = HR_SPAN("\xff"); /* a lone surrogate */
        }
        return 0;
    }
    if (PyBytes_Check(object)) {
        *text = (hr_span){PyBytes_AS_STRING(object),
                          (size_t)PyBytes_GET_SIZE(object)};
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "text: a str or bytes, not %.100s",
                 Py_TYPE(object)->tp_name);
    return -1;
}

static int
read_now(PyObject *object, double *now)
{
    *now = HR_TOKEN_VERIFIER_BY_CLOCK;
    if (object == NULL || object == Py_None) {
        return 0;
    }
    if (PyBool_Check(object) ||
        (!PyFloat_Check(object) && !PyLong_Check(object))) {
        PyErr_Format(PyExc_TypeError, "now: an int or float, not %.100s",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    *now = PyFloat_AsDouble(object);
    if (*now == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (!isfinite(*now)) {
        PyErr_SetString(PyExc_ValueError, "now: must be finite");
        return -1;
    }
    return 0;
}

static PyObject *
token_verifier_verify(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    static const char *const names[] = {"text", "now"};
    PyObject *values[2] = {NULL, NULL};
    hr_span text, claim = HR_NO_SPAN;
    double now = HR_TOKEN_VERIFIER_BY_CLOCK;
    hr_token *token;
    if (nargs == 1 && kwnames == NULL) {
        values[0] = args[0]; /* as nearly always */
    } else if (read_arguments("verify", names, 2, 1, args, nargs, kwnames,
                              values) < 0 ||
               read_now(values[1], &now) < 0) {
        return NULL;
    }
    if (read_token(values[0], &text) < 0) {
        return NULL;
    }
    PyThreadState *thread = NULL;
    hr_token_verifier_slow_section slow = {slow_section_enter,
                                           slow_section_leave, &thread};
    hr_status status = hr_token_verifier_explain(verifier_of(op), text, now,
                                                 &slow, &token, &claim);
    core_state *state = state_of(op);
    return status == HR_OK ? token_from_core_steal(state, token)
                           : raise_claim_error(state, status, claim);
}

static PyObject *
token_verifier_verify_jws(PyObject *op, PyObject *object)
{
    hr_span text;
    char *payload;
    size_t size;
    if (read_token(object, &text) < 0) {
        return NULL;
    }
    PyThreadState *thread = NULL;
    hr_token_verifier_slow_section slow = {slow_section_enter,
                                           slow_section_leave, &thread};
    hr_status status = hr_token_verifier_verify_jws(verifier_of(op), text,
                                                    &slow, &payload, &size);
    if (status != HR_OK) {
        return raise_token_error(state_of(op), status, NULL);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(payload, (Py_ssize_t)size);
    hr_alloc_free(payload);
    return bytes;
}

/* For headrace.jwt, whose rules about claims are PyJWT's. */
static PyObject *
token_verifier_decode(PyObject *op, PyObject *object)
{
    hr_span text;
    hr_token *token;
    if (read_token(object, &text) < 0) {
        return NULL;
    }
    PyThreadState *thread = NULL;
    hr_token_verifier_slow_section slow = {slow_section_enter,
                                           slow_section_leave, &thread};
    hr_status status =
        hr_token_verifier_decode(verifier_of(op), text, &slow, &token);
    core_state *state = state_of(op);
    return status == HR_OK ? token_from_core_steal(state, token)
                           : raise_token_error(state, status, NULL);
}

/* A segment's bytes. New reference; NULL with DecodeError. */
static PyObject *
segment_bytes(core_state *state, hr_span segment, hr_span text)
{
    size_t size = hr_base64url_decoded_size(segment.len);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes != NULL &&
        hr_base64url_decode(segment, PyBytes_AS_STRING(bytes)) != HR_OK) {
        Py_DECREF(bytes);
        return raise_token_error(state, hr_token_jws_why_not_base64(text),
                                 NULL);
    }
    return bytes;
}

/* The dict of an object; NULL with `reason` where the bytes are none. */
static PyObject *
object_of(core_state *state, PyObject *bytes, hr_status reason)
{
    hr_span text = {PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
    if (reason == HR_HEADER && text.len > HR_JOSE_HEADER_MAX) {
        return raise_token_error(state, reason, NULL);
    }
    size_t capacity = HR_JSON_SCRATCH_SIZE(text.len), count;
    unsigned flags;
    hr_json_scratch scratch = {
        .members = PyMem_Calloc(capacity, sizeof(*scratch.members)),
        .heads = PyMem_Calloc(2 * capacity, sizeof(*scratch.heads)),
        .capacity = capacity,
    };
    PyObject *dict = NULL;
    if (scratch.members == NULL || scratch.heads == NULL) {
        PyErr_NoMemory();
    } else if (hr_json_index(text, &scratch, &count, &flags) != HR_OK ||
               (reason == HR_HEADER && count > HR_JOSE_MEMBERS_MAX)) {
        raise_token_error(state, reason, NULL);
    } else {
        dict = json_object(state, text.ptr, scratch.members, count);
    }
    PyMem_Free(scratch.members);
    PyMem_Free(scratch.heads);
    return dict;
}

/* For headrace.jwt: (header, payload, signature) of a token, nothing
 * verified. */
static PyObject *
token_verifier_read_unverified(PyObject *type, PyObject *object)
{
    core_state *state = state_of_type((PyTypeObject *)type);
    hr_span text;
    hr_token_jws jws;
    if (read_token(object, &text) < 0) {
        return NULL;
    }
    if (text.len > HR_TOKEN_MAX_BYTES_TOP) {
        return raise_token_error(state, HR_TOO_LONG, NULL);
    }
    if (hr_token_jws_split(text, &jws) != HR_OK) {
        return raise_token_error(state, HR_MALFORMED, NULL);
    }
    PyObject *header = segment_bytes(state, jws.header, text);
    PyObject *payload =
        header != NULL ? segment_bytes(state, jws.payload, text) : NULL;
    PyObject *signature =
        payload != NULL ? segment_bytes(state, jws.signature, text) : NULL;
    PyObject *result = NULL;
    if (signature != NULL) {
        PyObject *dict = object_of(state, header, HR_HEADER);
        if (dict != NULL) {
            result = PyTuple_Pack(3, dict, payload, signature);
            Py_DECREF(dict);
        }
    }
    Py_XDECREF(header);
    Py_XDECREF(payload);
    Py_XDECREF(signature);
    return result;
}

/* For headrace.jwt: the dict of a JSON object in bytes. */
static PyObject *
token_verifier_read_object(PyObject *type, PyObject *object)
{
    if (!PyBytes_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "payload: bytes");
        return NULL;
    }
    return object_of(state_of_type((PyTypeObject *)type), object, HR_PAYLOAD);
}

/* The engines that are built in, by name: the library's version. */
static PyObject *
token_verifier_engines(PyObject *Py_UNUSED(type), PyObject *Py_UNUSED(args))
{
    const hr_token_signature_engine *engines[] = {hr_token_signature_openssl(),
                                                  hr_token_signature_libjwt()};
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < 2; i++) {
        if (engines[i] == NULL) {
            continue;
        }
        PyObject *version = PyUnicode_FromString(engines[i]->version());
        if (version == NULL ||
            PyDict_SetItemString(dict, engines[i]->name, version) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(version);
    }
    return dict;
}

static PyObject *
token_verifier_replace_keys(PyObject *op, PyObject *object)
{
    core_state *state = state_of(op);
    PyObject *alive = PyList_New(0);
    hr_token_keyring_key **keys = NULL;
    size_t count;
    PyObject *result = NULL;
    if (alive != NULL &&
        keys_from_object(state, object, alive, &keys, &count) == 0) {
        hr_token_verifier_error error;
        hr_status status = hr_token_verifier_replace_keys(verifier_of(op),
                                                          keys, count, &error);
        if (status == HR_OK) {
            result = Py_NewRef(Py_None);
        } else {
            raise_verifier_error(state, status, &error);
        }
    }
    PyMem_Free(keys);
    Py_XDECREF(alive);
    return result;
}

static PyObject *
token_verifier_cache_info(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    hr_token_cache_info info = hr_token_verifier_cache_info(verifier_of(op));
    return PyObject_CallFunction(
        (PyObject *)state_of(op)->cache_info_type, "KKnnn",
        (unsigned long long)info.hits, (unsigned long long)info.misses,
        (Py_ssize_t)info.size, (Py_ssize_t)info.capacity,
        (Py_ssize_t)info.bytes);
}

static PyObject *
token_verifier_cache_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    hr_token_verifier_cache_clear(verifier_of(op));
    Py_RETURN_NONE;
}

static PyMethodDef token_verifier_methods[] = {
    {
        .ml_name = "verify",
        .ml_meth = (PyCFunction)(void (*)(void))token_verifier_verify,
        .ml_flags = METH_FASTCALL | METH_KEYWORDS,
        .ml_doc = PyDoc_STR("verify($self, text, now=None)\n--\n\n"
                            "The Token of `text`; raises a subclass of "
                            "InvalidTokenError."),
    },
    {
        .ml_name = "verify_jws",
        .ml_meth = token_verifier_verify_jws,
        .ml_flags = METH_O,
        .ml_doc = PyDoc_STR("verify_jws($self, text, /)\n--\n\n"
                            "The payload of any JWS: signature and header "
                            "rules only."),
    },
    {
        .ml_name = "_decode",
        .ml_meth = token_verifier_decode,
        .ml_flags = METH_O,
        .ml_doc = PyDoc_STR("_decode($self, text, /)\n--\n\n"
                            "The Token of `text`, its claims not judged."),
    },
    {
        .ml_name = "_read_unverified",
        .ml_meth = token_verifier_read_unverified,
        .ml_flags = METH_O | METH_CLASS,
        .ml_doc = PyDoc_STR("_read_unverified($type, text, /)\n--\n\n"
                            "(header, payload, signature), not verified."),
    },
    {
        .ml_name = "_read_object",
        .ml_meth = token_verifier_read_object,
        .ml_flags = METH_O | METH_CLASS,
        .ml_doc = PyDoc_STR("_read_object($type, payload, /)\n--\n\n"
                            "The dict of a JSON object, strictly read."),
    },
    {
        .ml_name = "_engines",
        .ml_meth = token_verifier_engines,
        .ml_flags = METH_NOARGS | METH_CLASS,
        .ml_doc = PyDoc_STR("_engines($type, /)\n--\n\n"
                            "The engines built in: name to version."),
    },
    {
        .ml_name = "replace_keys",
        .ml_meth = token_verifier_replace_keys,
        .ml_flags = METH_O,
        .ml_doc = PyDoc_STR("replace_keys($self, keys, /)\n--\n\n"
                            "Other keys from now on; what was cached under "
                            "the old ones is gone."),
    },
    {
        .ml_name = "cache_info",
        .ml_meth = token_verifier_cache_info,
        .ml_flags = METH_NOARGS,
        .ml_doc = PyDoc_STR("cache_info($self, /)\n--\n\n"
                            "hits, misses, size, capacity, bytes; of this "
                            "process."),
    },
    {
        .ml_name = "cache_clear",
        .ml_meth = token_verifier_cache_clear,
        .ml_flags = METH_NOARGS,
        .ml_doc = PyDoc_STR("cache_clear($self, /)\n--\n\n"
                            "Forgets every cached token."),
    },
    {NULL},
};

static PyType_Slot token_verifier_slots[] = {
    {Py_tp_doc,
     PyDoc_STR("TokenVerifier(keys, *, audience=None, issuer=None, "
               "subject=None, expect=None, leeway=0, require=('exp',), "
               "type=None, max_lifetime=None, max_bytes=8192, "
               "cache_size=4096, engine='openssl')\n--\n\n"
               "Verifies JWTs. Any thread may use it.")},
    {Py_tp_new, token_verifier_new},
    {Py_tp_dealloc, token_verifier_dealloc},
    {Py_tp_methods, token_verifier_methods},
    {0, NULL},
};

static PyType_Spec token_verifier_spec = {
    .name = "headrace._core.TokenVerifier",
    .basicsize = sizeof(TokenVerifierObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = token_verifier_slots,
};

/* CacheInfo, a named tuple. */
static int
cache_info_setup(core_state *state)
{
    PyObject *collections = PyImport_ImportModule("collections");
    if (collections == NULL) {
        return -1;
    }
    PyObject *factory = PyObject_GetAttrString(collections, "namedtuple");
    Py_DECREF(collections);
    PyObject *type =
        factory != NULL
            ? PyObject_CallFunction(factory, "s(sssss)", "CacheInfo", "hits",
                                    "misses", "size", "capacity", "bytes")
            : NULL;
    Py_XDECREF(factory);
    if (type == NULL) {
        return -1;
    }
    state->cache_info_type = (PyTypeObject *)type;
    PyObject *module = PyUnicode_FromString("headrace");
    int result = module != NULL
                     ? PyObject_SetAttrString(type, "__module__", module)
                     : -1;
    Py_XDECREF(module);
    return result;
}

int
token_verifier_setup(PyObject *module)
{
    core_state *state = state_of_module(module);
    if (cache_info_setup(state) < 0 ||
        PyModule_AddObjectRef(module, "CacheInfo",
                              (PyObject *)state->cache_info_type) < 0) {
        return -1;
    }
    return add_type(module, &token_verifier_spec, &state->token_verifier_type);
}
