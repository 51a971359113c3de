/* SPDX-License-Identifier: MIT */
/* Everything that can fail or allocate happens here, before the ring is
 * touched. The body copies each value at once, so nothing that is made for a
 * value outlives its field. */
#include "event_fields.h"

#include "base/buf.h"

static inline bool
is_own(hr_span name)
{
    switch (name.len) {
    case 2:
        return memcmp(name.ptr, "id", 2) == 0;
    case 4:
        return memcmp(name.ptr, "kind", 4) == 0 ||
               memcmp(name.ptr, "time", 4) == 0;
    case 7:
        return memcmp(name.ptr, "altered", 7) == 0;
    default:
        return false;
    }
}

bool
event_field_is_reserved(hr_span name)
{
    return is_own(name);
}

/* A str that is its own UTF-8: nearly every name and text. */
static inline bool
is_plain(PyObject *text)
{
    return PyUnicode_CheckExact(text) && PyUnicode_IS_COMPACT_ASCII(text);
}

/* The bytes of a str for which is_plain answered true. */
static inline hr_span
plain_span(PyObject *text)
{
    return (hr_span){(const char *)((PyASCIIObject *)text + 1),
                     (size_t)((PyASCIIObject *)text)->length};
}

/* Any name at all: those that are not plain, and those to be refused. */
static __attribute__((noinline)) int
read_odd_name(PyObject *name, bool (*is_reserved)(hr_span), hr_span *out)
{
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError,
                     "names of event fields are str, not %.100s",
                     Py_TYPE(name)->tp_name);
        return -1;
    }
    Py_ssize_t size;
    const char *bytes = event_utf8_of(name, &size);
    if (bytes == NULL) {
        return -1; /* UnicodeEncodeError is a ValueError */
    }
    *out = (hr_span){bytes, (size_t)size};
    if (size == 0 || size > HR_FIELD_NAME_MAX) {
        PyErr_Format(PyExc_ValueError,
                     "an event field's name has 1 to %d bytes, not %zd",
                     HR_FIELD_NAME_MAX, size);
        return -1;
    }
    if (is_reserved(*out)) {
        PyErr_Format(PyExc_ValueError, "the event field %R is reserved", name);
        return -1;
    }
    return 0;
}

static inline int
read_name(PyObject *name, bool (*is_reserved)(hr_span), hr_span *out)
{
    if (__builtin_expect(is_plain(name), 1)) {
        *out = plain_span(name);
        if (__builtin_expect(
                out->len - 1 < HR_FIELD_NAME_MAX && !is_reserved(*out), 1)) {
            return 0;
        }
    }
    return read_odd_name(name, is_reserved, out);
}

/* U+FFFD for every lone surrogate. */
static int
add_repaired_text(hr_ring_event_body *body, hr_span name, PyObject *value)
{
    PyObject *raw = PyUnicode_AsEncodedString(value, "utf-8", "surrogatepass");
    if (raw == NULL) {
        return -1;
    }
    /* a surrogate is ED A0..BF xx: three bytes, as many as U+FFFD has */
    unsigned char *bytes = (unsigned char *)PyBytes_AS_STRING(raw);
    Py_ssize_t size = PyBytes_GET_SIZE(raw);
    for (Py_ssize_t i = 0; i + 2 < size; i++) {
        if (bytes[i] == 0xed && bytes[i + 1] >= 0xa0) {
            memcpy(bytes + i, "\xef\xbf\xbd", 3);
        }
    }
    hr_ring_event_body_add_altered(body, name,
                                   (hr_span){(char *)bytes, (size_t)size});
    Py_DECREF(raw);
    return 0;
}

static int
add_text(hr_ring_event_body *body, hr_span name, PyObject *value)
{
    Py_ssize_t size;
    const char *bytes = event_utf8_of(value, &size);
    if (bytes != NULL) {
        hr_ring_event_body_add(body, name, (hr_span){bytes, (size_t)size});
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        return -1;
    }
    PyErr_Clear();
    return add_repaired_text(body, name, value);
}

static int
add_big_int(hr_ring_event_body *body, hr_span name, PyObject *value)
{
    PyObject *text = PyLong_Type.tp_repr(value);
    if (text == NULL) {
        return -1; /* over sys.set_int_max_str_digits: a ValueError */
    }
    int result = add_text(body, name, text);
    Py_DECREF(text);
    return result;
}

static int
add_int(hr_ring_event_body *body, hr_span name, PyObject *value)
{
    char room[21]; /* a sign and 20 digits */
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow != 0) {
        return add_big_int(body, name, value);
    }
    bool negative = number < 0;
    unsigned long long rest = (unsigned long long)number;
    hr_span digits = hr_buf_number_text(room + 1, negative ? 0 - rest : rest);
    if (negative) {
        room[20 - digits.len] = '-';
        digits = (hr_span){digits.ptr - 1, digits.len + 1};
    }
    hr_ring_event_body_add(body, name, digits);
    return 0;
}

static int
add_float(hr_ring_event_body *body, hr_span name, PyObject *value)
{
    char *text = PyOS_double_to_string(PyFloat_AS_DOUBLE(value), 'r', 0,
                                       Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL) {
        return -1;
    }
    hr_ring_event_body_add(body, name, (hr_span){text, strlen(text)});
    PyMem_Free(text);
    return 0;
}

/* Values that are not ASCII str. */
static __attribute__((noinline)) int
add_odd_value(hr_ring_event_body *body, hr_span name, PyObject *value)
{
    if (PyBool_Check(value)) {
        hr_ring_event_body_add(body, name,
                               value == Py_True ? HR_SPAN("1") : HR_SPAN("0"));
        return 0;
    }
    if (PyLong_Check(value)) {
        return add_int(body, name, value);
    }
    if (PyUnicode_Check(value)) {
        return add_text(body, name, value);
    }
    if (PyBytes_Check(value)) {
        hr_ring_event_body_add(body, name,
                               (hr_span){PyBytes_AS_STRING(value),
                                         (size_t)PyBytes_GET_SIZE(value)});
        return 0;
    }
    if (PyFloat_Check(value)) {
        return add_float(body, name, value);
    }
    PyErr_Format(PyExc_TypeError,
                 "an event field is str, bytes, int, float, bool or None, "
                 "not %.100s",
                 Py_TYPE(value)->tp_name);
    return -1;
}

static inline __attribute__((always_inline)) int
read_fields(hr_ring_event_body *body, PyObject *dict,
            bool (*is_reserved)(hr_span name))
{
    if (!PyDict_Check(dict)) {
        PyErr_Format(PyExc_TypeError, "event fields are a dict, not %.100s",
                     Py_TYPE(dict)->tp_name);
        return -1;
    }
    if (PyDict_GET_SIZE(dict) > HR_EVENT_FIELDS_MAX) {
        PyErr_Format(PyExc_ValueError,
                     "an event has at most %d fields, not %zd",
                     HR_EVENT_FIELDS_MAX, PyDict_GET_SIZE(dict));
        return -1;
    }
    Py_ssize_t at = 0;
    PyObject *key;
    PyObject *value;
    while (PyDict_Next(dict, &at, &key, &value)) {
        hr_span name;
        if (read_name(key, is_reserved, &name) < 0) {
            return -1;
        }
        if (__builtin_expect(is_plain(value), 1)) {
            hr_ring_event_body_add(body, name, plain_span(value));
        } else if (value != Py_None && add_odd_value(body, name, value) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The sink's own names are looked at in place. */
int
event_fields_read(hr_ring_event_body *body, PyObject *dict,
                  bool (*is_reserved)(hr_span name))
{
    return is_reserved == event_field_is_reserved
               ? read_fields(body, dict, is_own)
               : read_fields(body, dict, is_reserved);
}
