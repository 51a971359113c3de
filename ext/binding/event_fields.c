/* SPDX-License-Identifier: MIT */
/* Everything that can fail or allocate happens here, before the ring is
 * touched. Values are borrowed: only a str with a lone surrogate has to be
 * written anew, and numbers are printed into the struct. */
#include "event_fields.h"

#include <stdio.h>

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
read_altered_text(event_fields *out, PyObject *value,
                  hr_ring_event_field *field)
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
    out->owned[out->owned_count++] = raw;
    field->value = (hr_span){(char *)bytes, (size_t)size};
    field->altered = true;
    return 0;
}

static int
read_text(event_fields *out, PyObject *value, hr_ring_event_field *field)
{
    Py_ssize_t size;
    const char *bytes = event_utf8_of(value, &size);
    if (bytes != NULL) {
        field->value = (hr_span){bytes, (size_t)size};
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        return -1;
    }
    PyErr_Clear();
    return read_altered_text(out, value, field);
}

static int
read_big_int(event_fields *out, PyObject *value, hr_ring_event_field *field)
{
    PyObject *text = PyLong_Type.tp_repr(value);
    if (text == NULL) {
        return -1; /* over sys.set_int_max_str_digits: a ValueError */
    }
    out->owned[out->owned_count++] = text;
    return read_text(out, text, field);
}

/* Decimal digits; `buffer` has room for any long long. */
static size_t
print_int(char *buffer, long long number)
{
    size_t sign = 0;
    if (number >= 0 && number < 10) {
        buffer[0] = (char)('0' + number);
        return 1;
    }
    unsigned long long rest = (unsigned long long)number;
    if (number < 0) {
        buffer[0] = '-';
        sign = 1;
        rest = 0ULL - rest;
    }
    return sign + hr_buf_format_number(buffer + sign, rest);
}

static int
read_number(event_fields *out, PyObject *value, hr_ring_event_field *field)
{
    char *buffer = out->numbers[out->count];
    size_t room = sizeof(out->numbers[0]);
    size_t length;
    if (PyLong_Check(value)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow != 0) {
            return read_big_int(out, value, field);
        }
        length = print_int(buffer, number);
    } else {
        char *text = PyOS_double_to_string(PyFloat_AS_DOUBLE(value), 'r', 0,
                                           Py_DTSF_ADD_DOT_0, NULL);
        if (text == NULL) {
            return -1;
        }
        length = (size_t)snprintf(buffer, room, "%s", text);
        PyMem_Free(text);
    }
    field->value = (hr_span){buffer, length};
    return 0;
}

/* What is no plain text. */
static __attribute__((noinline)) int
read_odd_value(event_fields *out, PyObject *value, hr_ring_event_field *field)
{
    if (PyBool_Check(value)) {
        field->value = value == Py_True ? HR_SPAN("1") : HR_SPAN("0");
        return 0;
    }
    if (PyLong_CheckExact(value)) {
        return read_number(out, value, field);
    }
    if (PyUnicode_Check(value)) {
        return read_text(out, value, field);
    }
    if (PyBytes_Check(value)) {
        field->value = (hr_span){PyBytes_AS_STRING(value),
                                 (size_t)PyBytes_GET_SIZE(value)};
        return 0;
    }
    if (PyLong_Check(value) || PyFloat_Check(value)) {
        return read_number(out, value, field);
    }
    PyErr_Format(PyExc_TypeError,
                 "an event field is str, bytes, int, float, bool or None, "
                 "not %.100s",
                 Py_TYPE(value)->tp_name);
    return -1;
}

static inline __attribute__((always_inline)) int
read_fields(event_fields *out, PyObject *dict,
            bool (*is_reserved)(hr_span name))
{
    out->count = 0;
    out->owned_count = 0;
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
    PyObject *name;
    PyObject *value;
    while (PyDict_Next(dict, &at, &name, &value)) {
        hr_ring_event_field *field = &out->fields[out->count];
        field->altered = false;
        if (read_name(name, is_reserved, &field->name) < 0) {
            goto fail;
        }
        if (__builtin_expect(is_plain(value), 1)) {
            field->value = plain_span(value);
        } else if (value == Py_None) {
            continue;
        } else if (read_odd_value(out, value, field) < 0) {
            goto fail;
        }
        out->count++;
    }
    return 0;
fail:
    event_fields_clear(out);
    return -1;
}

/* The sink's own names are looked at in place. */
int
event_fields_read(event_fields *out, PyObject *dict,
                  bool (*is_reserved)(hr_span name))
{
    return is_reserved == event_field_is_reserved
               ? read_fields(out, dict, is_own)
               : read_fields(out, dict, is_reserved);
}

void
event_fields_clear(event_fields *fields)
{
    for (size_t i = 0; i < fields->owned_count; i++) {
        Py_DECREF(fields->owned[i]);
    }
    fields->owned_count = 0;
}
