/* SPDX-License-Identifier: MIT */
/* Gate: its settings checked and compiled once, and the two `enter` calls.
 * All policy is in core/gate.c; this file turns Python objects into it. */
#include "visit.h"

#include <structmember.h>

#include "arguments.h"
#include "request.h"
#include "slow_section.h"

PyDoc_STRVAR(
    gate_doc,
    "Gate(*, verifier=None, paths=None, fingerprint=None, sink=None,\n"
    "     require_token=(), user_claims=('user_id', 'sub'),\n"
    "     token_from=('bearer',), treat_as=None, event_fields=(),\n"
    "     hash_ids=False, mode='cookie', gpc='derived', trusted_proxies=0,\n"
    "     token_header=None, metrics=False)\n"
    "--\n\n"
    "The one entry point: enter before the view, Visit.finish after it.\n\n"
    "verifier, paths, fingerprint and sink are a TokenVerifier, PathFilter,\n"
    "FingerprintCookie and EventSink; with None that step is off. Raises\n"
    "TypeError or ValueError naming the setting.");

static PyObject *
gate_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    GateObject *self = (GateObject *)type->tp_alloc(type, 0);
    if (self != NULL &&
        gate_configure(self, state_of_type(type), args, kwargs) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int
gate_traverse(PyObject *op, visitproc visit, void *arg)
{
    GateObject *self = (GateObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->verifier);
    Py_VISIT(self->paths);
    Py_VISIT(self->fingerprint);
    Py_VISIT(self->sink);
    Py_VISIT(self->words);
    Py_VISIT(self->token_from);
    Py_VISIT(self->require_token);
    Py_VISIT(self->user_claims);
    Py_VISIT(self->event_fields);
    Py_VISIT(self->token_header);
    return 0;
}

/* No tp_clear: the parts are immutable and hold no gate, so a gate is never
 * the object that keeps a cycle alive, and the core borrows from them. */
static void
gate_dealloc(PyObject *op)
{
    GateObject *self = (GateObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    hr_gate_free(self->gate);
    Py_CLEAR(self->verifier);
    Py_CLEAR(self->paths);
    Py_CLEAR(self->fingerprint);
    Py_CLEAR(self->sink);
    Py_CLEAR(self->words);
    Py_CLEAR(self->token_from);
    Py_CLEAR(self->token_header);
    Py_CLEAR(self->token_key);
    Py_CLEAR(self->require_token);
    Py_CLEAR(self->user_claims);
    Py_CLEAR(self->event_fields);
    type->tp_free(op);
    Py_DECREF(type);
}

/* --- enter ------------------------------------------------------------- */

static void
enter(VisitObject *visit, const hr_gate_request *request, hr_span method,
      hr_span path, hr_gate_mode mode)
{
    PyThreadState *thread = NULL; /* while the GIL is let go */
    hr_token_verifier_slow_section slow = {slow_section_enter,
                                           slow_section_leave, &thread};
    hr_gate_enter(visit->gate->gate, request, method, path, mode,
                  visit->secure, &slow, &visit->visit);
    visit_entered(visit);
}

/* `secure` as given, else what the scheme says. */
static int
read_secure(PyObject *given, const hr_gate_request *request, bool *secure)
{
    if (given == NULL || given == Py_None) {
        hr_span scheme =
            request->detail(request->source, HR_GATE_REQUEST_DETAIL_SCHEME);
        *secure = hr_span_equal_nocase(scheme, HR_SPAN("https")) ||
                  hr_span_equal_nocase(scheme, HR_SPAN("wss"));
        return 0;
    }
    int truth = PyObject_IsTrue(given);
    *secure = truth == 1;
    return truth < 0 ? -1 : 0;
}

/* The event's form of a path that has a lone surrogate: U+FFFD for each. */
static int
repair_path(VisitObject *visit, PyObject *text)
{
    if (!PyBytes_Check(visit->path) || text == NULL) {
        return 0;
    }
    PyObject *raw =
        PyUnicode_AsEncodedString(text, "utf-16-le", "surrogatepass");
    if (raw == NULL) {
        return -1;
    }
    visit->event_path = PyUnicode_Decode(
        PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), "utf-16-le", "replace");
    Py_DECREF(raw);
    visit->path_is_altered = visit->event_path != NULL;
    return visit->event_path != NULL ? 0 : -1;
}

static PyObject *
checked_dict(PyObject *object, const char *function, const char *what)
{
    if (!PyDict_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s() takes %s (a dict), not %.100s",
                     function, what, Py_TYPE(object)->tp_name);
        return NULL;
    }
    return object;
}

/* A str, or NULL for None and for nothing; -1 with TypeError. */
static int
read_path(PyObject **path)
{
    if (*path == Py_None) {
        *path = NULL;
    }
    if (*path != NULL && !PyUnicode_Check(*path)) {
        PyErr_Format(PyExc_TypeError, "path is a str or None, not %.100s",
                     Py_TYPE(*path)->tp_name);
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(
    gate_enter_doc,
    "enter($self, /, environ, path=None, secure=None, mode=None)\n--\n\n"
    "Look at a request before its view; answer its Visit.\n\n"
    "environ is a PEP 3333 environ, or Django's request.META together with\n"
    "path=request.path_info, the already decoded path. Without path,\n"
    "PATH_INFO is decoded as Django does. secure says whether the request\n"
    "came over https; None takes wsgi.url_scheme. mode ('cookie', 'derived'\n"
    "or 'off') stands in for the gate's own. Never raises because of what a\n"
    "client sent.");

static PyObject *
gate_enter(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames)
{
    GateObject *self = (GateObject *)op;
    core_state *state = state_of(op);
    static const char *const NAMES[] = {"environ", "path", "secure", "mode"};
    PyObject *values[4] = {NULL, NULL, NULL, NULL};
    hr_gate_mode mode;
    if (read_arguments("enter", NAMES, 4, 1, args, nargs, kwnames, values) <
            0 ||
        checked_dict(values[0], "enter", "a WSGI environ") == NULL ||
        mode_from_object(values[3], "mode", self->mode, &mode) < 0) {
        return NULL;
    }
    PyObject *given = values[1];
    if (read_path(&given) < 0) {
        return NULL;
    }
    request_source source;
    hr_gate_request request;
    request_from_environ(state, values[0], gate_token_header(self), &source,
                         &request);
    VisitObject *visit = visit_new(state, self, values[0]);
    if (visit == NULL) {
        return NULL;
    }
    hr_span path;
    if (read_secure(values[2], &request, &visit->secure) < 0 ||
        (given != NULL
             ? path_from_text(given, &visit->path, &path) < 0 ||
                   repair_path(visit, given) < 0
             : path_from_environ(state, values[0], &visit->path, &path) < 0)) {
        Py_DECREF(visit);
        return NULL;
    }
    PyObject *method = request_lookup(values[0], state->name_REQUEST_METHOD);
    visit->method = Py_XNewRef(method);
    enter(visit, &request, text_bytes(method), path, mode);
    request_source_fini(&source);
    PyObject_GC_Track((PyObject *)visit);
    return (PyObject *)visit;
}

PyDoc_STRVAR(gate_enter_scope_doc,
             "enter_scope($self, /, scope, secure=None, mode=None, "
             "path=None)\n--\n\n"
             "Look at a request by its ASGI http or websocket scope; see\n"
             "enter. Without path, it is scope['path'] without\n"
             "scope['root_path'].");

static PyObject *
gate_enter_scope(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    GateObject *self = (GateObject *)op;
    core_state *state = state_of(op);
    static const char *const NAMES[] = {"scope", "secure", "mode", "path"};
    PyObject *values[4] = {NULL, NULL, NULL, NULL};
    hr_gate_mode mode;
    if (read_arguments("enter_scope", NAMES, 4, 1, args, nargs, kwnames,
                       values) < 0 ||
        checked_dict(values[0], "enter_scope", "an ASGI scope") == NULL ||
        mode_from_object(values[2], "mode", self->mode, &mode) < 0) {
        return NULL;
    }
    PyObject *given = values[3];
    if (read_path(&given) < 0) {
        return NULL;
    }
    request_source source;
    hr_gate_request request;
    request_from_scope(state, values[0], gate_token_header(self), &source,
                       &request);
    VisitObject *visit = visit_new(state, self, values[0]);
    if (visit == NULL) {
        request_source_fini(&source);
        return NULL;
    }
    visit->is_scope = true;
    hr_span path;
    if (read_secure(values[1], &request, &visit->secure) < 0 ||
        (given != NULL
             ? path_from_text(given, &visit->path, &path) < 0
             : path_from_scope(state, values[0], &visit->path, &path) < 0)) {
        goto fail;
    }
    if (visit->path != NULL && PyBytes_Check(visit->path)) {
        PyObject *text = PyUnicode_DecodeUTF8(path.ptr, (Py_ssize_t)path.len,
                                              "surrogatepass");
        if (text == NULL || repair_path(visit, text) < 0) {
            Py_XDECREF(text);
            goto fail;
        }
        Py_DECREF(text);
    }
    PyObject *method = request_lookup(values[0], state->name_method);
    visit->method = Py_XNewRef(method);
    enter(visit, &request, text_bytes(method), path, mode);
    request_source_fini(&source);
    PyObject_GC_Track((PyObject *)visit);
    return (PyObject *)visit;
fail:
    request_source_fini(&source);
    Py_DECREF(visit);
    return NULL;
}

/* --- attributes -------------------------------------------------------- */

static PyObject *
get_mode(PyObject *op, void *Py_UNUSED(closure))
{
    hr_span word = hr_gate_mode_word(((GateObject *)op)->mode);
    return PyUnicode_FromStringAndSize(word.ptr, (Py_ssize_t)word.len);
}

static PyObject *
get_gpc(PyObject *op, void *Py_UNUSED(closure))
{
    hr_span word = hr_gate_mode_word(((GateObject *)op)->gpc);
    return PyUnicode_FromStringAndSize(word.ptr, (Py_ssize_t)word.len);
}

static PyMemberDef gate_members[] = {
    {"verifier", T_OBJECT, offsetof(GateObject, verifier), READONLY,
     "TokenVerifier or None."},
    {"paths", T_OBJECT, offsetof(GateObject, paths), READONLY,
     "PathFilter or None."},
    {"fingerprint", T_OBJECT, offsetof(GateObject, fingerprint), READONLY,
     "FingerprintCookie or None."},
    {"sink", T_OBJECT, offsetof(GateObject, sink), READONLY,
     "EventSink or None."},
    {"require_token", T_OBJECT, offsetof(GateObject, require_token), READONLY,
     "Labels that are answered 401 without a valid token."},
    {"user_claims", T_OBJECT, offsetof(GateObject, user_claims), READONLY,
     "Claims that name the user, the first present one counts."},
    {"token_from", T_OBJECT, offsetof(GateObject, token_from), READONLY,
     "Where a token is looked for."},
    {"token_header", T_OBJECT, offsetof(GateObject, token_header), READONLY,
     "The header that carries it."},
    {"event_fields", T_OBJECT, offsetof(GateObject, event_fields), READONLY,
     "Further fields of `request` events."},
    {"hash_ids", T_BOOL, offsetof(GateObject, hash_ids), READONLY,
     "Events carry HMAC(id) in place of the id."},
    {"trusted_proxies", T_UINT, offsetof(GateObject, trusted_proxies),
     READONLY, "How many proxies stand in front."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef gate_getset[] = {
    {"mode", get_mode, NULL, "\"cookie\", \"derived\" or \"off\".", NULL},
    {"gpc", get_gpc, NULL, "The most that is done with Sec-GPC: 1.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef gate_methods[] = {
    {"enter", (PyCFunction)(void (*)(void))gate_enter,
     METH_FASTCALL | METH_KEYWORDS, gate_enter_doc},
    {"enter_scope", (PyCFunction)(void (*)(void))gate_enter_scope,
     METH_FASTCALL | METH_KEYWORDS, gate_enter_scope_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot gate_slots[] = {
    {Py_tp_doc, (void *)gate_doc}, {Py_tp_new, gate_new},
    {Py_tp_dealloc, gate_dealloc}, {Py_tp_traverse, gate_traverse},
    {Py_tp_members, gate_members}, {Py_tp_getset, gate_getset},
    {Py_tp_methods, gate_methods}, {0, NULL},
};

static PyType_Spec gate_spec = {
    .name = "headrace.Gate",
    .basicsize = sizeof(GateObject),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = gate_slots,
};

int
gate_setup(PyObject *module)
{
    return add_type(module, &gate_spec, &state_of_module(module)->gate_type);
}
