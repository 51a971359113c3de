/* SPDX-License-Identifier: MIT */
/* FingerprintCookie: reads, mints and writes fingerprints. */
#include "errors.h"
#include "arguments.h"
#include "types.h"

#include <math.h>

#include "base/clock.h"

/* Whole seconds since the epoch; the clock's for None. */
static int
parse_now(PyObject *now, int64_t *seconds)
{
    double value = (double)(hr_clock_wall_ms() / 1000);
    if (read_now(now, value, &value) < 0) {
        return -1;
    }
    *seconds = (int64_t)floor(value);
    return 0;
}

/* An iterable of str or bytes. */
static int
read_keys(argument_reading *reading, PyObject *value, void *member)
{
    PyObject *items = argument_items(reading, value);
    if (items == NULL) {
        return -1;
    }
    Py_ssize_t count = PyList_GET_SIZE(items);
    hr_span *keys = argument_memory(reading, (size_t)count, sizeof(*keys));
    if (keys == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *key = PyList_GET_ITEM(items, i);
        if (PyBytes_Check(key)) {
            keys[i] = (hr_span){PyBytes_AS_STRING(key),
                                (size_t)PyBytes_GET_SIZE(key)};
        } else if (argument_utf8(reading, key, &keys[i]) < 0) {
            return -1;
        }
    }
    *(const hr_span **)member = keys;
    ((hr_visitor_fingerprint_settings *)reading->into)->key_count =
        (size_t)count;
    return 0;
}

/* None is no word either: a cookie without SameSite is not made. */
static int
read_samesite(argument_reading *reading, PyObject *value, void *member)
{
    return PyUnicode_Check(value)
               ? argument_utf8(reading, value, member)
               : argument_refuse(reading, reading->argument->want);
}

#define ARGUMENTS_INTO hr_visitor_fingerprint_settings
/* clang-format off */
#define COOKIE_ARGUMENTS(REQUIRED, OPTIONAL, LAST, STAR) \
    OPTIONAL("name", "'device_fp'", "a str", argument_text, name) \
    STAR REQUIRED("keys", "an iterable of str or bytes", read_keys, keys) \
    OPTIONAL("max_age", "2592000", "an int", argument_integer, max_age) \
    OPTIONAL("path", "'/'", "a str", argument_text, path) \
    OPTIONAL("domain", "None", "a str or None", argument_optional_text, \
        domain) \
    OPTIONAL("samesite", "'Lax'", "'Lax', 'Strict' or 'None'", \
        read_samesite, samesite) \
    OPTIONAL("partitioned", "False", "a bool", argument_bool, partitioned) \
    LAST("accept_unsigned", "False", "a bool", argument_bool, accept_unsigned)
/* clang-format on */

static const argument ROWS[] = {ARGUMENTS_ROWS(COOKIE_ARGUMENTS)};
static const argument_table TABLE =
    ARGUMENTS_TABLE(COOKIE_ARGUMENTS, ROWS, FINGERPRINT_COOKIE_TABLE);

static PyObject *
cookie_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    core_state *state = state_of_type(type);
    hr_visitor_fingerprint_settings settings = {0};
    argument_reading reading;
    const char *why;
    FingerprintCookieObject *self = NULL;
    if (arguments_read(&reading, &TABLE, "FingerprintCookie", state, args,
                       kwargs, &settings) == 0) {
        self = (FingerprintCookieObject *)type->tp_alloc(type, 0);
    }
    if (self != NULL) {
        hr_status status =
            hr_visitor_fingerprint_cookie_new(&settings, &self->cookie, &why);
        if (status != HR_OK) {
            raise_setting_error(state, status, NULL, why);
            Py_CLEAR(self);
        }
    }
    arguments_fini(&reading);
    return (PyObject *)self;
}

static void
cookie_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    hr_visitor_fingerprint_cookie_free(
        ((FingerprintCookieObject *)op)->cookie);
    type->tp_free(op);
    Py_DECREF(type);
}

/* The raw headers of one request. */
typedef struct header_list {
    hr_span spans[HR_COOKIE_HEADERS_MAX];
    size_t count;
    hr_visitor_cookie_text text; /* of the first one */
} header_list;

/* Adds one header. A str is what WSGI makes of the bytes, latin-1; one that
 * cannot come from there holds no cookie of ours and is left out. */
static int
add_header(header_list *list, PyObject *header)
{
    hr_visitor_cookie_text text = HR_VISITOR_COOKIE_LATIN1;
    hr_span span;
    if (PyBytes_Check(header)) {
        span = (hr_span){PyBytes_AS_STRING(header),
                         (size_t)PyBytes_GET_SIZE(header)};
    } else if (PyUnicode_Check(header)) {
        if (PyUnicode_KIND(header) != PyUnicode_1BYTE_KIND) {
            return 0;
        }
        text = HR_VISITOR_COOKIE_UTF8;
        span = (hr_span){PyUnicode_DATA(header),
                         (size_t)PyUnicode_GET_LENGTH(header)};
    } else {
        raise_wrong_type("header: str, bytes, a list of either, or None",
                         header);
        return -1;
    }
    if (list->count == 0) {
        list->text = text;
    }
    if (list->count < HR_COOKIE_HEADERS_MAX) {
        list->spans[list->count++] = span;
    }
    return 0;
}

static int
add_headers(header_list *list, PyObject *headers)
{
    if (headers == Py_None) {
        return 0;
    }
    if (!PyList_Check(headers) && !PyTuple_Check(headers)) {
        return add_header(list, headers);
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(headers); i++) {
        if (add_header(list, PySequence_Fast_GET_ITEM(headers, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
cookie_read(PyObject *op, PyObject *const *args, Py_ssize_t given,
            PyObject *keywords)
{
    static const char *const names[] = {"header", "now"};
    FingerprintCookieObject *self = (FingerprintCookieObject *)op;
    PyObject *out[2] = {NULL};
    header_list headers;
    hr_visitor_fingerprint fingerprint;
    int64_t now;
    headers.count = 0; /* the spans stay as they are: 1.6 KiB */
    headers.text = HR_VISITOR_COOKIE_UTF8;
    if (read_arguments("read", names, 2, 1, args, given, keywords, out) < 0 ||
        parse_now(out[1], &now) < 0 || add_headers(&headers, out[0]) < 0) {
        return NULL;
    }
    if (hr_visitor_fingerprint_cookie_read(self->cookie, headers.spans,
                                           headers.count, headers.text, now,
                                           &fingerprint, NULL) != HR_OK) {
        Py_RETURN_NONE;
    }
    return fingerprint_from_core(state_of(op), &fingerprint);
}

static PyObject *
cookie_mint(PyObject *op, PyObject *const *args, Py_ssize_t given,
            PyObject *keywords)
{
    static const char *const names[] = {"now"};
    FingerprintCookieObject *self = (FingerprintCookieObject *)op;
    PyObject *out[1] = {NULL};
    hr_visitor_fingerprint fingerprint;
    int64_t now;
    if (read_arguments("mint", names, 1, 0, args, given, keywords, out) < 0 ||
        parse_now(out[0], &now) < 0) {
        return NULL;
    }
    if (hr_visitor_fingerprint_cookie_mint(self->cookie, now, &fingerprint) !=
        HR_OK) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return fingerprint_from_core(state_of(op), &fingerprint);
}

static PyObject *
cookie_header(PyObject *op, PyObject *const *args, Py_ssize_t given,
              PyObject *keywords)
{
    static const char *const names[] = {"fingerprint", "secure", "now"};
    FingerprintCookieObject *self = (FingerprintCookieObject *)op;
    PyObject *out[3] = {NULL};
    int64_t now;
    char header[HR_SET_COOKIE_MAX];
    if (read_arguments("header", names, 3, 1, args, given, keywords, out) <
            0 ||
        parse_now(out[2], &now) < 0) {
        return NULL;
    }
    int secure = out[1] == NULL ? 1 : PyObject_IsTrue(out[1]);
    if (secure < 0) {
        return NULL;
    }
    if (!Py_IS_TYPE(out[0], state_of(op)->fingerprint_type)) {
        return raise_wrong_type("fingerprint: a Fingerprint", out[0]);
    }
    hr_visitor_fingerprint fingerprint =
        ((FingerprintObject *)out[0])->fingerprint;
    if (fingerprint.value_len == 0) {
        PyErr_SetString(PyExc_ValueError,
                        "fingerprint: a derived one has no cookie");
        return NULL;
    }
    /* it may come from a cookie of another name or other keys */
    hr_visitor_fingerprint_cookie_resign(self->cookie, &fingerprint);
    size_t length = hr_visitor_fingerprint_cookie_header(
        self->cookie, &fingerprint, secure != 0, now, header);
    return PyUnicode_FromStringAndSize(header, (Py_ssize_t)length);
}

static PyObject *
cookie_name(PyObject *op, void *Py_UNUSED(closure))
{
    hr_span name = hr_visitor_fingerprint_cookie_name(
        ((FingerprintCookieObject *)op)->cookie);
    return PyUnicode_FromStringAndSize(name.ptr, (Py_ssize_t)name.len);
}

static PyObject *
cookie_repr(PyObject *op)
{
    PyObject *name = cookie_name(op, NULL); /* and never the keys */
    if (name == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("<FingerprintCookie %R>", name);
    Py_DECREF(name);
    return text;
}

static PyMethodDef cookie_methods[] = {
    METHOD("read", cookie_read, METH_FASTCALL | METH_KEYWORDS,
           PyDoc_STR("read($self, header, now=None)\n--\n\n"
                     "The fingerprint in raw Cookie headers, or None.")),
    METHOD("mint", cookie_mint, METH_FASTCALL | METH_KEYWORDS,
           PyDoc_STR("mint($self, now=None)\n--\n\n"
                     "A fingerprint with a new random id.")),
    METHOD("header", cookie_header, METH_FASTCALL | METH_KEYWORDS,
           PyDoc_STR("header($self, fingerprint, secure=True, now=None)\n"
                     "--\n\nThe Set-Cookie value that hands it out.")),
    {NULL},
};

static PyGetSetDef cookie_getset[] = {
    GETTER("name", cookie_name, PyDoc_STR("The cookie's name.")),
    {NULL},
};

static PyType_Slot cookie_slots[] = {
    {Py_tp_doc, PyDoc_STR("FingerprintCookie(" ARGUMENTS_TEXT(
                    COOKIE_ARGUMENTS) ")\n--"
                                      "\n\n"
                                      "The signed cookie that holds a "
                                      "visitor's id; immutable.")},
    {Py_tp_new, cookie_new},
    {Py_tp_dealloc, cookie_dealloc},
    {Py_tp_repr, cookie_repr},
    {Py_tp_methods, cookie_methods},
    {Py_tp_getset, cookie_getset},
    {0, NULL},
};

static PyType_Spec cookie_spec = {
    .name = "headrace._core.FingerprintCookie",
    .basicsize = sizeof(FingerprintCookieObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = cookie_slots,
};

int
fingerprint_cookie_setup(PyObject *module)
{
    return signature_add_type(
        module, &cookie_spec,
        &state_of_module(module)->fingerprint_cookie_type, &TABLE);
}
