/* SPDX-License-Identifier: MIT */
/* TokenVerifier: the core's verifier, called with Python's text and answered
 * with a Token or an exception. The GIL is let go of around RSA, EC and EdDSA
 * only: an HMAC takes less time than taking the GIL again. */
#include "types.h"

#include "errors.h"
#include "json.h"
#include "arguments.h"
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
    core_state *state = state_of_type(type);
    hr_token_verifier_settings settings = {0};
    argument_reading reading;
    hr_token_verifier_error error;
    TokenVerifierObject *self = NULL;
    if (arguments_read(&reading, &token_settings_table, "TokenVerifier", state,
                       args, kwargs, &settings) == 0) {
        self = (TokenVerifierObject *)type->tp_alloc(type, 0);
    }
    if (self != NULL) {
        hr_status status =
            hr_token_verifier_new(&settings, &self->verifier, &error);
        if (status != HR_OK) {
            raise_verifier_error(state, status, &error);
            Py_CLEAR(self);
        }
    }
    arguments_fini(&reading);
    return (PyObject *)self;
}

static void
token_verifier_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    hr_token_verifier_free(verifier_of(op));
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
    raise_wrong_type("text: a str or bytes", object);
    return -1;
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
               read_now(values[1], HR_TOKEN_VERIFIER_BY_CLOCK, &now) < 0) {
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
        return raise_claim_error(state_of(op), status, HR_NO_SPAN);
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
                           : raise_claim_error(state, status, HR_NO_SPAN);
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
        return raise_claim_error(state, hr_token_jws_why_not_base64(text),
                                 HR_NO_SPAN);
    }
    return bytes;
}

/* The dict of an object; NULL with `reason` where the bytes are none. */
static PyObject *
object_of(core_state *state, PyObject *bytes, hr_status reason)
{
    hr_span text = {PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
    if (reason == HR_HEADER && text.len > HR_JOSE_HEADER_MAX) {
        return raise_claim_error(state, reason, HR_NO_SPAN);
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
        raise_claim_error(state, reason, HR_NO_SPAN);
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
        return raise_claim_error(state, HR_TOO_LONG, HR_NO_SPAN);
    }
    if (hr_token_jws_split(text, &jws) != HR_OK) {
        return raise_claim_error(state, HR_MALFORMED, HR_NO_SPAN);
    }
    const hr_span segments[] = {jws.header, jws.payload, jws.signature};
    PyObject *parts[4] = {NULL}; /* bytes of each, and the header's dict */
    PyObject *result = NULL;
    for (size_t i = 0; i < 3 && !PyErr_Occurred(); i++) {
        parts[i] = segment_bytes(state, segments[i], text);
    }
    if (!PyErr_Occurred()) {
        parts[3] = object_of(state, parts[0], HR_HEADER);
    }
    if (parts[3] != NULL) {
        result = PyTuple_Pack(3, parts[3], parts[1], parts[2]);
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(parts); i++) {
        Py_XDECREF(parts[i]);
    }
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
    const hr_token_signature_engine *one = hr_token_signature_openssl();
    const hr_token_signature_engine *other = hr_token_signature_libjwt();
    return other == NULL
               ? Py_BuildValue("{s:s}", one->name, one->version())
               : Py_BuildValue("{s:s,s:s}", one->name, one->version(),
                               other->name, other->version());
}

static PyObject *
token_verifier_replace_keys(PyObject *op, PyObject *object)
{
    core_state *state = state_of(op);
    hr_token_verifier_settings settings = {0};
    argument_reading reading;
    PyObject *result = NULL;
    PyObject *args = PyTuple_Pack(1, object); /* as TokenVerifier(keys) */
    if (args == NULL) {
        return NULL;
    }
    if (arguments_read(&reading, &token_settings_table, "replace_keys", state,
                       args, NULL, &settings) == 0) {
        hr_token_verifier_error error;
        hr_status status = hr_token_verifier_replace_keys(
            verifier_of(op), settings.keys, settings.key_count, &error);
        if (status == HR_OK) {
            result = Py_NewRef(Py_None);
        } else {
            raise_verifier_error(state, status, &error);
        }
    }
    arguments_fini(&reading);
    Py_DECREF(args);
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
    METHOD("verify", token_verifier_verify, METH_FASTCALL | METH_KEYWORDS,
           PyDoc_STR("verify($self, text, now=None)\n--\n\n"
                     "The Token of `text`; raises a subclass of "
                     "InvalidTokenError.")),
    METHOD("verify_jws", token_verifier_verify_jws, METH_O,
           PyDoc_STR("verify_jws($self, text, /)\n--\n\n"
                     "The payload of any JWS: signature and header "
                     "rules only.")),
    METHOD("_decode", token_verifier_decode, METH_O,
           PyDoc_STR("_decode($self, text, /)\n--\n\n"
                     "The Token of `text`, its claims not judged.")),
    METHOD("_read_unverified", token_verifier_read_unverified,
           METH_O | METH_CLASS,
           PyDoc_STR("_read_unverified($type, text, /)\n--\n\n"
                     "(header, payload, signature), not verified.")),
    METHOD("_read_object", token_verifier_read_object, METH_O | METH_CLASS,
           PyDoc_STR("_read_object($type, payload, /)\n--\n\n"
                     "The dict of a JSON object, strictly read.")),
    METHOD("_engines", token_verifier_engines, METH_NOARGS | METH_CLASS,
           PyDoc_STR("_engines($type, /)\n--\n\n"
                     "The engines built in: name to version.")),
    METHOD("replace_keys", token_verifier_replace_keys, METH_O,
           PyDoc_STR("replace_keys($self, keys, /)\n--\n\n"
                     "Other keys from now on; what was cached under "
                     "the old ones is gone.")),
    METHOD("cache_info", token_verifier_cache_info, METH_NOARGS,
           PyDoc_STR("cache_info($self, /)\n--\n\n"
                     "hits, misses, size, capacity, bytes; of this "
                     "process.")),
    METHOD("cache_clear", token_verifier_cache_clear, METH_NOARGS,
           PyDoc_STR("cache_clear($self, /)\n--\n\n"
                     "Forgets every cached token.")),
    {NULL},
};

static PyType_Slot token_verifier_slots[] = {
    {Py_tp_doc, (void *)token_settings_doc},
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

int
token_verifier_setup(PyObject *module)
{
    core_state *state = state_of_module(module);
    state->cache_info_type = (PyTypeObject *)arguments_evaluate(
        "__import__('collections').namedtuple('CacheInfo', "
        "'hits misses size capacity bytes', module='headrace')");
    if (state->cache_info_type == NULL ||
        PyModule_AddObjectRef(module, "CacheInfo",
                              (PyObject *)state->cache_info_type) < 0) {
        return -1;
    }
    return signature_add_type(module, &token_verifier_spec,
                              &state->token_verifier_type,
                              &token_settings_table);
}
