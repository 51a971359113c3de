/* SPDX-License-Identifier: MIT */
/* Visit.respond: the response in, the cookie out. Visit.finish: the event
 * recorded. */
#include "visit.h"

#include "arguments.h"
#include "event_fields.h"
#include "request.h"

#include "base/clock.h"
#include "visitor/cacheability.h"

static bool
is_text(PyObject *object)
{
    return PyUnicode_Check(object) || PyBytes_Check(object);
}

/* What the response headers say about our cookie. */
typedef struct seen_headers {
    hr_visitor_cacheability cacheability;
    hr_span cookie; /* its name */
    int64_t now;
    bool is_set; /* the application sets or deletes it itself */
} seen_headers;

/* Is `value` of Set-Cookie one of the cookie of that name? */
static bool
is_cookie(hr_span value, hr_span name)
{
    value = hr_span_trim(value);
    return value.len > name.len && hr_span_starts_with(value, name) &&
           value.ptr[name.len] == '=';
}

/* Takes one response header into account; false when it is no pair of str or
 * bytes. */
static bool
see_pair(PyObject *pair, seen_headers *seen)
{
    PyObject *fast = PySequence_Fast(pair, "a header is a pair");
    if (fast == NULL || PySequence_Fast_GET_SIZE(fast) != 2) {
        Py_XDECREF(fast);
        return false;
    }
    PyObject *name = PySequence_Fast_GET_ITEM(fast, 0);
    PyObject *value = PySequence_Fast_GET_ITEM(fast, 1);
    bool readable = is_text(name) && is_text(value);
    if (readable) {
        hr_span name_text = text_bytes(name);
        hr_span value_text = text_bytes(value);
        hr_visitor_cacheability_see(&seen->cacheability, name_text, value_text,
                                    seen->now);
        if (name_text.len == 10 &&
            hr_span_contains_nocase(name_text, HR_SPAN("set-cookie")) &&
            is_cookie(value_text, seen->cookie)) {
            seen->is_set = true;
        }
    }
    Py_DECREF(fast);
    return readable;
}

/* May our cookie go onto a response with these headers (a mapping, or pairs)?
 * Not where a shared cache may keep it, the application sets it itself, or
 * the headers cannot be read. */
static bool
may_add_cookie(VisitObject *self, PyObject *headers)
{
    seen_headers seen = {
        .cookie = hr_visitor_fingerprint_cookie_name(
            ((FingerprintCookieObject *)self->gate->fingerprint)->cookie),
        .now = hr_clock_wall_ms() / 1000,
    };
    PyObject *pairs = NULL;
    bool readable = true;
    if (PyDict_Check(headers)) {
        pairs = PyDict_Items(headers);
    } else if (PyList_Check(headers) || PyTuple_Check(headers)) {
        pairs = Py_NewRef(headers);
    } else if (PyObject_HasAttrString(headers, "items")) {
        pairs = PyObject_CallMethod(headers, "items", NULL);
    } else {
        pairs = Py_NewRef(headers);
    }
    PyObject *iterator = pairs != NULL ? PyObject_GetIter(pairs) : NULL;
    if (iterator != NULL) {
        PyObject *pair;
        while (readable && (pair = PyIter_Next(iterator)) != NULL) {
            readable = see_pair(pair, &seen);
            Py_DECREF(pair);
        }
    }
    Py_XDECREF(iterator);
    Py_XDECREF(pairs);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        readable = false;
    }
    return readable && iterator != NULL && !seen.is_set &&
           !hr_visitor_cacheability_may_keep(&seen.cacheability);
}

/* [("Set-Cookie", value)], or [(b"set-cookie", value)] for ASGI. */
static PyObject *
set_cookie_list(VisitObject *self, const char *value, size_t length)
{
    PyObject *pair =
        self->is_scope ? Py_BuildValue("(y#y#)", "set-cookie", (Py_ssize_t)10,
                                       value, (Py_ssize_t)length)
                       : Py_BuildValue("(s#s#)", "Set-Cookie", (Py_ssize_t)10,
                                       value, (Py_ssize_t)length);
    if (pair == NULL) {
        return NULL;
    }
    PyObject *list = PyList_New(1);
    if (list == NULL) {
        Py_DECREF(pair);
        return NULL;
    }
    PyList_SET_ITEM(list, 0, pair); /* steals */
    return list;
}

/* The text of a user's key: str as it is, anything else through str(). A new
 * reference, or NULL without an exception when there is none. */
static PyObject *
user_text(PyObject *user)
{
    if (user == NULL || user == Py_None) {
        return NULL;
    }
    PyObject *text =
        PyUnicode_Check(user) ? Py_NewRef(user) : PyObject_Str(user);
    if (text == NULL) {
        PyErr_Clear();
    } else if (PyUnicode_GET_LENGTH(text) == 0) {
        Py_CLEAR(text); /* nobody */
    }
    return text;
}

/* UTF-8 of a str; absent for NULL and for what UTF-8 cannot hold. */
static hr_span
utf8_of(PyObject *text)
{
    Py_ssize_t size;
    if (text == NULL) {
        return HR_NO_SPAN;
    }
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &size);
    if (bytes == NULL) {
        PyErr_Clear();
        return HR_NO_SPAN;
    }
    return (hr_span){bytes, (size_t)size};
}

/* --- respond ------------------------------------------------------------- */

/* The list of headers to add. First what may run Python code (the user's
 * str(), the headers' iterator, during which another thread, or this one, may
 * finish), then what runs none. */
static inline __attribute__((always_inline)) PyObject *
respond(VisitObject *self, int status, PyObject *headers, PyObject *user)
{
    PyObject *text = user_text(user);
    hr_gate_response response = {
        .status = status,
        .secure = self->secure,
        .has_user = text != NULL || self->session_user != NULL,
    };
    response.hand_out = self->has_candidate == Py_True && headers != NULL &&
                        headers != Py_None &&
                        hr_gate_may_set_cookie(self->gate->gate, &self->visit,
                                               status, response.has_user) &&
                        may_add_cookie(self, headers);
    if (text != NULL && !self->visit.finished) {
        Py_XSETREF(self->session_user, text);
    } else {
        Py_XDECREF(text);
    }
    char set_cookie[HR_SET_COOKIE_MAX];
    size_t length =
        hr_gate_respond(self->gate->gate, &self->visit, &response, set_cookie);
    return length == 0 ? PyList_New(0)
                       : set_cookie_list(self, set_cookie, length);
}

static const char *const NAMES[] = {"status", "headers", "user", "route"};

/* Reads the arguments of respond and finish, which are the same; takes the
 * route. `*status` is -1 for None. -1 with an exception. */
static inline __attribute__((always_inline)) int
read_response(VisitObject *self, const char *method, Py_ssize_t required,
              PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
              PyObject *values[4], int *status)
{
    if (read_arguments(method, NAMES, 4, required, args, nargs, kwnames,
                       values) < 0 ||
        (values[3] != NULL && values[3] != Py_None &&
         set_optional_text(&self->route, values[3], "route") < 0)) {
        return -1;
    }
    *status = -1;
    if (values[0] == NULL || values[0] == Py_None) {
        return 0;
    }
    long number = PyLong_AsLong(values[0]);
    if (number == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return -1;
        }
        PyErr_Clear();
    }
    *status = number >= 0 && number <= 999 ? (int)number : 0;
    return 0;
}

const char visit_respond_doc[] = PyDoc_STR(
    "respond($self, /, status, headers=None, user=None, route=None)\n--\n\n"
    "Note the response; return the response headers to add, as pairs. May be\n"
    "called again until the first byte leaves.");

PyObject *
visit_respond(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    VisitObject *self = (VisitObject *)op;
    PyObject *values[4] = {NULL, NULL, NULL, NULL};
    int status;
    if (read_response(self, "respond", 1, args, nargs, kwnames, values,
                      &status) < 0) {
        return NULL;
    }
    return respond(self, status < 0 ? 0 : status, values[1], values[2]);
}

/* --- finish -------------------------------------------------------------- */

/* What belongs to the visit, held for the length of one finish: nothing that
 * it borrows from may change under it. */
typedef struct held_visit {
    PyObject *source;
    PyObject *fields;
    PyObject *route;
    PyObject *event_path;
    PyObject *request_id;
    PyObject *session_user;
} held_visit;

/* False when another finish was there first. */
static bool
take_visit(VisitObject *self, held_visit *held)
{
    if (self->visit.finished || self->source == NULL) {
        return false;
    }
    held->source = self->source; /* the reference moves */
    self->source = NULL;
    held->fields = Py_XNewRef(self->fields);
    held->route = Py_XNewRef(self->route);
    held->event_path = Py_XNewRef(self->event_path);
    held->request_id = Py_XNewRef(self->request_id);
    held->session_user = Py_XNewRef(self->session_user);
    return true;
}

static void
drop_visit(held_visit *held)
{
    Py_DECREF(held->source);
    Py_XDECREF(held->fields);
    Py_XDECREF(held->route);
    Py_XDECREF(held->event_path);
    Py_XDECREF(held->request_id);
    Py_XDECREF(held->session_user);
}

/* Runs no Python code. */
static void
record(VisitObject *self, const held_visit *held)
{
    core_state *state = state_of((PyObject *)self);
    hr_gate_outcome outcome = {
        .user = utf8_of(held->session_user),
        .route = utf8_of(held->route),
        .path = utf8_of(held->event_path),
        .path_is_altered = self->path_is_altered,
    };
    hr_ring_event_body fields;
    if (held->fields != NULL) {
        hr_ring_event_body_init(&fields);
        outcome.fields = &fields;
        if (event_fields_read(&fields, held->fields,
                              visit_fields_is_reserved) < 0) {
            PyErr_Clear(); /* checked when added; only memory can be short */
            outcome.fields = NULL;
        }
    }
    request_source source;
    hr_gate_request request;
    if (self->is_scope) {
        request_from_scope(state, held->source, gate_token_header(self->gate),
                           &source, &request);
    } else {
        request_from_environ(state, held->source,
                             gate_token_header(self->gate), &source, &request);
    }
    request.request_id = utf8_of(held->request_id);
    hr_gate_finish(self->gate->gate, &self->visit, &request, &outcome);
    request_source_fini(&source);
}

const char visit_finish_doc[] = PyDoc_STR(
    "finish($self, /, status=None, headers=None, user=None, route=None)\n"
    "--\n\n"
    "Record the event, once, at the end of the body; what respond takes and\n"
    "returns where there was no respond before it. Else status takes the\n"
    "place of the one noted there.");

PyObject *
visit_finish(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    VisitObject *self = (VisitObject *)op;
    PyObject *values[4] = {NULL, NULL, NULL, NULL};
    int status;
    if (read_response(self, "finish", 0, args, nargs, kwnames, values,
                      &status) < 0) {
        return NULL;
    }
    PyObject *added = NULL;
    if (status >= 0 && !self->visit.responded) {
        added = respond(self, status, values[1], values[2]);
    } else {
        if (status >= 0) {
            self->visit.status = status;
        }
        added = PyList_New(0);
    }
    held_visit held;
    if (added != NULL && take_visit(self, &held)) {
        record(self, &held);
        drop_visit(&held);
        if (self->gate->sink != Py_None) {
            event_sink_log((EventSinkObject *)self->gate->sink);
        }
    }
    return added;
}
