/* SPDX-License-Identifier: MIT */
/* FingerprintCookie: reads, mints and writes fingerprints. */
#include "arguments.h"
#include "types.h"

#include <math.h>

#include "base/clock.h"

/* A str or bytes that the caller keeps alive; a str must be UTF-8. */
static int
span_of(PyObject *text, const char *what, hr_span *span)
{
    Py_ssize_t size;
    if (PyBytes_Check(text)) {
        *span =
            (hr_span){PyBytes_AS_STRING(text), (size_t)PyBytes_GET_SIZE(text)};
        return 0;
    }
    if (!PyUnicode_Check(text)) {
        raise_wrong_type(what, text);
        return -1;
    }
    span->ptr = PyUnicode_AsUTF8AndSize(text, &size);
    if (span->ptr == NULL) {
        return -1; /* a UnicodeEncodeError is a ValueError */
    }
    span->len = (size_t)size;
    return 0;
}

/* Seconds since the epoch: an int, a float, or the clock's for None. */
static int
parse_now(PyObject *now, int64_t *seconds)
{
    if (now == NULL || now == Py_None) {
        *seconds = hr_clock_wall_ms() / 1000;
        return 0;
    }
    if (!PyLong_Check(now) && !PyFloat_Check(now)) {
        raise_wrong_type("now: an int or float", now);
        return -1;
    }
    double value = PyFloat_AsDouble(now);
    if (value == -1.0 && PyErr_Occurred()) {
        return -1; /* OverflowError, of an int beyond all times */
    }
    if (!isfinite(value) || fabs(value) > 1e15) {
        PyErr_SetString(PyExc_ValueError,
                        "now: seconds since the epoch, below 1e15");
        return -1;
    }
    *seconds = (int64_t)floor(value);
    return 0;
}

/* The keys as spans into the items of `fast`, a list or tuple. */
static int
parse_keys(PyObject *fast, hr_span keys[HR_FINGERPRINT_KEYS_MAX],
           size_t *count)
{
    Py_ssize_t size = PySequence_Fast_GET_SIZE(fast);
    *count = (size_t)size; /* too many: the core says so, and reads none */
    for (Py_ssize_t i = 0; i < size && i < HR_FINGERPRINT_KEYS_MAX; i++) {
        if (span_of(PySequence_Fast_GET_ITEM(fast, i),
                    "keys: a key is a str or bytes", &keys[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
cookie_from_settings(PyTypeObject *type,
                     const hr_visitor_fingerprint_settings *settings)
{
    hr_visitor_fingerprint_cookie *cookie;
    const char *why;
    hr_status status =
        hr_visitor_fingerprint_cookie_new(settings, &cookie, &why);
    if (status == HR_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (status != HR_OK) {
        PyErr_SetString(PyExc_ValueError,
                        why != NULL ? why : hr_status_text(status));
        return NULL;
    }
    FingerprintCookieObject *self =
        (FingerprintCookieObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        hr_visitor_fingerprint_cookie_free(cookie);
        return NULL;
    }
    self->cookie = cookie;
    return (PyObject *)self;
}

static PyObject *
cookie_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {
        "name",     "keys",        "max_age",         "path", "domain",
        "samesite", "partitioned", "accept_unsigned", NULL};
    PyObject *name = NULL;
    PyObject *keys = NULL;
    PyObject *path = NULL;
    PyObject *domain = NULL;
    PyObject *samesite = NULL;
    long long max_age = 30 * 86400;
    int partitioned = 0;
    int accept_unsigned = 0;
    hr_span spans[HR_FINGERPRINT_KEYS_MAX];
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "|UOLUOOpp:FingerprintCookie", names, &name, &keys,
            &max_age, &path, &domain, &samesite, &partitioned,
            &accept_unsigned)) {
        return NULL;
    }
    if (keys == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "FingerprintCookie() needs the argument 'keys'");
        return NULL;
    }
    hr_visitor_fingerprint_settings settings = {
        .name = HR_SPAN("device_fp"),
        .keys = spans,
        .max_age = max_age,
        .path = HR_SPAN("/"),
        .domain = HR_NO_SPAN,
        .samesite = HR_SPAN("Lax"),
        .partitioned = partitioned != 0,
        .accept_unsigned = accept_unsigned != 0,
    };
    if (samesite == Py_None) {
        PyErr_SetString(PyExc_ValueError,
                        "samesite: 'Lax', 'Strict' or 'None'");
        return NULL;
    }
    if ((name != NULL && span_of(name, "name: a str", &settings.name) < 0) ||
        (path != NULL && span_of(path, "path: a str", &settings.path) < 0) ||
        (domain != NULL && domain != Py_None &&
         span_of(domain, "domain: a str or None", &settings.domain) < 0) ||
        (samesite != NULL &&
         span_of(samesite, "samesite: a str", &settings.samesite) < 0)) {
        return NULL;
    }
    if (PyUnicode_Check(keys) || PyBytes_Check(keys)) {
        /* one key in place of a list of them: its letters are no keys */
        return raise_wrong_type("keys: a list of str or bytes", keys);
    }
    PyObject *fast = PySequence_Fast(keys, "keys: a list of str or bytes");
    if (fast == NULL) {
        return NULL;
    }
    PyObject *self = NULL;
    if (parse_keys(fast, spans, &settings.key_count) == 0) {
        self = cookie_from_settings(type, &settings);
    }
    Py_DECREF(fast);
    return self;
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
    {
        .ml_name = "read",
        .ml_meth = (PyCFunction)(void (*)(void))cookie_read,
        .ml_flags = METH_FASTCALL | METH_KEYWORDS,
        .ml_doc = PyDoc_STR("read($self, header, now=None)\n--\n\n"
                            "The fingerprint in raw Cookie headers, or None."),
    },
    {
        .ml_name = "mint",
        .ml_meth = (PyCFunction)(void (*)(void))cookie_mint,
        .ml_flags = METH_FASTCALL | METH_KEYWORDS,
        .ml_doc = PyDoc_STR("mint($self, now=None)\n--\n\n"
                            "A fingerprint with a new random id."),
    },
    {
        .ml_name = "header",
        .ml_meth = (PyCFunction)(void (*)(void))cookie_header,
        .ml_flags = METH_FASTCALL | METH_KEYWORDS,
        .ml_doc =
            PyDoc_STR("header($self, fingerprint, secure=True, now=None)\n"
                      "--\n\nThe Set-Cookie value that hands it out."),
    },
    {NULL},
};

static PyGetSetDef cookie_getset[] = {
    {
        .name = "name",
        .get = cookie_name,
        .doc = PyDoc_STR("The cookie's name."),
    },
    {NULL},
};

static PyType_Slot cookie_slots[] = {
    {Py_tp_doc,
     PyDoc_STR("FingerprintCookie(name='device_fp', *, keys, "
               "max_age=2592000, path='/', domain=None, samesite='Lax', "
               "partitioned=False, accept_unsigned=False)\n\n"
               "The signed cookie that holds a visitor's id; immutable.")},
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
    return add_type(module, &cookie_spec,
                    &state_of_module(module)->fingerprint_cookie_type);
}
