/* SPDX-License-Identifier: MIT */
/* A WSGI environ, or an ASGI scope, seen as the gate's hr_gate_request. Only
 * look-ups and conversions of text: what the headers mean is the core's. */
#ifndef HR_BINDING_REQUEST_H
#define HR_BINDING_REQUEST_H

#include "state.h"

#include "gate/gate.h"

#define HR_SOURCE_HELD_MAX \
    (HR_COOKIE_HEADERS_MAX + HR_GATE_REQUEST_HEADER_COUNT)

/* Where the headers of one request are. Lives on the stack of `enter` and
 * `finish`. What a span was taken from is held where the span is used later:
 * the GIL is let go while a signature is verified, and another thread may
 * change an environ or a scope meanwhile. */
typedef struct request_source {
    core_state *state;
    PyObject *environ;   /* borrowed: for WSGI */
    PyObject *token_key; /* borrowed: the token's header in an environ */
    hr_span token_name;  /* and in a scope; absent: Authorization */
    PyObject *scope;     /* borrowed: for ASGI */
    hr_span first[HR_GATE_REQUEST_HEADER_COUNT]; /* ASGI: first header of the
                                                    name */
    size_t
        counts[HR_GATE_REQUEST_HEADER_COUNT]; /* ASGI: how many of that name */
    size_t cookie_count;
    hr_span cookies[HR_COOKIE_HEADERS_MAX];
    size_t forwarded_count;
    hr_span forwarded[HR_FORWARDED_MAX];
    PyObject *forwarded_held[HR_FORWARDED_MAX]; /* strong */
    size_t held_count;
    PyObject *held[HR_SOURCE_HELD_MAX]; /* strong */
} request_source;

/* Gives back what is held; once a source, after its last use. */
void request_source_fini(request_source *source);

/* Which header stands for HR_GATE_REQUEST_HEADER_AUTHORIZATION. */
typedef struct header_name {
    PyObject *key; /* borrowed: its key in an environ ("HTTP_X_TOKEN") */
    hr_span name;  /* its name in a scope; absent: "authorization" */
} header_name;

/* Fills in `source` and `request` from a PEP 3333 environ (or Django's
 * META). Never fails: what is not there or not text is absent. */
void request_from_environ(core_state *state, PyObject *environ,
                          header_name token, request_source *source,
                          hr_gate_request *request);

/* The same from an ASGI scope (a dict). */
void request_from_scope(core_state *state, PyObject *scope, header_name token,
                        request_source *source, hr_gate_request *request);

/* The value of an interned `name`, borrowed; NULL without an exception when it
 * is not there. */
PyObject *request_lookup(PyObject *dict, PyObject *name);

/* The bytes of a str (latin-1 where all characters fit, else UTF-8) or
 * bytes object, borrowed from it. Absent for anything else, and for a str
 * that UTF-8 cannot hold. Never fails. */
static inline hr_span text_bytes(PyObject *text);

/* text_bytes() of what is no ASCII str. */
hr_span text_bytes_of_any(PyObject *text);

static inline hr_span
text_bytes(PyObject *text)
{
    if (text == NULL) {
        return HR_NO_SPAN;
    }
    if (PyUnicode_CheckExact(text) && PyUnicode_IS_COMPACT_ASCII(text)) {
        return (hr_span){(const char *)PyUnicode_1BYTE_DATA(text),
                         (size_t)PyUnicode_GET_LENGTH(text)};
    }
    return text_bytes_of_any(text);
}

/* The decoded path of a request as UTF-8. `*owner` is a new reference to
 * what `*path` points into. Never -1 but without memory. */

/* `text` is what Django calls path_info: a str that is already decoded. */
int path_from_text(PyObject *text, PyObject **owner, hr_span *path);

/* PATH_INFO of a raw environ: bytes in latin-1 disguise, decoded as Django
 * does: UTF-8, bytes that are not UTF-8 percent-encoded; "/" when empty. */
int path_from_environ(core_state *state, PyObject *environ, PyObject **owner,
                      hr_span *path);

/* scope["path"] without scope["root_path"]. */
int path_from_scope(core_state *state, PyObject *scope, PyObject **owner,
                    hr_span *path);

#endif
