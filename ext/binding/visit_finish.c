/* SPDX-License-Identifier: MIT */
/* Visit.finish: the response and the user in, the event recorded, the cookie
 * out. */
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

/* Takes one response header into account; false when it is no pair of str or
 * bytes. */
static bool
see_pair(PyObject *pair, hr_visitor_cacheability *seen, int64_t now)
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
        hr_visitor_cacheability_see(seen, text_bytes(name), text_bytes(value),
                                    now);
    }
    Py_DECREF(fast);
    return readable;
}

/* May a shared cache keep a response with these headers (a mapping, or
 * pairs)? Headers that cannot be read are taken for cacheable. */
static bool
shared_cache_may_keep(PyObject *headers)
{
    hr_visitor_cacheability seen = {0};
    int64_t now = hr_clock_wall_ms() / 1000;
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
            readable = see_pair(pair, &seen, now);
            Py_DECREF(pair);
        }
    }
    Py_XDECREF(iterator);
    Py_XDECREF(pairs);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        readable = false;
    }
    return !readable || iterator == NULL ||
           hr_visitor_cacheability_may_keep(&seen);
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

/* What belongs to the visit, held for the length of one finish: nothing that
 * it borrows from may change under it. */
typedef struct held_visit {
    PyObject *source;
    PyObject *fields;
    PyObject *route;
    PyObject *event_path;
    PyObject *request_id;
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
}

/* Runs no Python code. */
static size_t
record(VisitObject *self, const held_visit *held, hr_gate_outcome *outcome,
       char set_cookie[HR_SET_COOKIE_MAX])
{
    core_state *state = state_of((PyObject *)self);
    hr_ring_event_body fields;
    if (held->fields != NULL) {
        hr_ring_event_body_init(&fields);
        outcome->fields = &fields;
        if (event_fields_read(&fields, held->fields,
                              visit_fields_is_reserved) < 0) {
            PyErr_Clear(); /* checked when added; only memory can be short */
            outcome->fields = NULL;
        }
    }
    outcome->secure = self->secure;
    outcome->route = utf8_of(held->route);
    outcome->path = utf8_of(held->event_path);
    outcome->path_is_altered = self->path_is_altered;
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
    size_t length = hr_gate_finish(self->gate->gate, &self->visit, &request,
                                   outcome, set_cookie);
    request_source_fini(&source);
    return length;
}

/* First what may run Python code (the user's str(), the headers' iterator,
 * during which another thread, or this one, may finish too), then the taking
 * of the visit, then what runs none. */
static PyObject *
finish(VisitObject *self, int status, PyObject *headers, PyObject *user)
{
    PyObject *user_str = user_text(user);
    hr_gate_outcome outcome = {.status = status, .user = utf8_of(user_str)};
    outcome.hand_out =
        headers != NULL && headers != Py_None &&
        hr_gate_may_set_cookie(self->gate->gate, &self->visit, status,
                               outcome.user.ptr != NULL) &&
        !shared_cache_may_keep(headers);
    held_visit held;
    if (!take_visit(self, &held)) {
        Py_XDECREF(user_str);
        return PyList_New(0);
    }
    char set_cookie[HR_SET_COOKIE_MAX];
    size_t length = record(self, &held, &outcome, set_cookie);
    drop_visit(&held);
    Py_XDECREF(user_str);
    if (self->gate->sink != Py_None) {
        event_sink_log((EventSinkObject *)self->gate->sink);
    }
    return length == 0 ? PyList_New(0)
                       : set_cookie_list(self, set_cookie, length);
}

const char visit_finish_doc[] = PyDoc_STR(
    "finish($self, /, status, headers=None, user=None, route=None)\n--\n\n"
    "Record the event; answer the response headers to add.\n\n"
    "status is the HTTP status as int (499: the client went away). headers\n"
    "are those of the response, a mapping or pairs of str or bytes: without\n"
    "them no cookie is handed out. user is the key of the user whom the\n"
    "framework's session has logged in, route the framework's route. The\n"
    "answer is a list of pairs: str after Gate.enter, lower-case bytes names\n"
    "after Gate.enter_scope. A second call answers [] and records nothing.");

PyObject *
visit_finish(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    VisitObject *self = (VisitObject *)op;
    PyObject *values[4] = {NULL, NULL, NULL, NULL};
    static const char *const NAMES[] = {"status", "headers", "user", "route"};
    if (read_arguments("finish", NAMES, 4, 1, args, nargs, kwnames, values) <
            0 ||
        (values[3] != NULL && values[3] != Py_None &&
         set_optional_text(&self->route, values[3], "route") < 0)) {
        return NULL;
    }
    long status = PyLong_AsLong(values[0]);
    if (status == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return NULL;
        }
        PyErr_Clear();
        status = 0;
    }
    return finish(self, status >= 0 && status <= 999 ? (int)status : 0,
                  values[1], values[2]);
}
