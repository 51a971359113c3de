/* SPDX-License-Identifier: MIT */
/* Gate: its settings checked and compiled once, and the two `enter` calls.
 * All policy is in the core's gate/gate.c, into which this file turns Python
 * objects. */
#include "visit.h"

#include <structmember.h>

#include "request.h"
#include "arguments.h"
#include "slow_section.h"

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
    type->tp_free(op);
    Py_DECREF(type);
}

/* --- enter ------------------------------------------------------------- */

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
    if (!PyBytes_Check(visit->path)) {
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

/* What both `enter` calls take after the environ or scope. */
typedef struct enter_arguments {
    PyObject *path; /* str, or NULL */
    PyObject *secure;
    hr_gate_mode mode;
} enter_arguments;

/* The environ or scope, borrowed; NULL with TypeError or ValueError. */
static PyObject *
read_enter(const GateObject *self, const char *function, const char *first,
           PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
           enter_arguments *given)
{
    const char *const names[] = {first, "path", "secure", "mode"};
    PyObject *values[4] = {NULL, NULL, NULL, NULL};
    if (read_named_arguments(function, names, 4, 1, 1, args, nargs, kwnames,
                             values) < 0) {
        return NULL;
    }
    if (!PyDict_Check(values[0])) {
        return PyErr_Format(PyExc_TypeError, "%s: a dict, not %.100s", first,
                            Py_TYPE(values[0])->tp_name);
    }
    given->path = values[1] != Py_None ? values[1] : NULL;
    given->secure = values[2];
    if (given->path != NULL && !PyUnicode_Check(given->path)) {
        return raise_wrong_type("path: a str or None", given->path);
    }
    return mode_from_object(values[3], "mode", self->mode, &given->mode) == 0
               ? values[0]
               : NULL;
}

PyDoc_STRVAR(
    gate_enter_doc,
    "enter($self, /, environ, *, path=None, secure=None, mode=None)\n--\n\n"
    "Look at a request before its view; answer its Visit.\n\n"
    "environ is a PEP 3333 environ, or Django's request.META together with\n"
    "path=request.path_info, the already decoded path. Without path,\n"
    "PATH_INFO is decoded as Django does. secure says whether the request\n"
    "came over https; None takes wsgi.url_scheme. mode ('cookie', 'derived'\n"
    "or 'off') stands in for the gate's own. Never raises because of what a\n"
    "client sent.");

/* Both calls: the environ or scope is the argument `first`. */
static PyObject *
enter_with(PyObject *op, const char *function, const char *first,
           PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    GateObject *self = (GateObject *)op;
    core_state *state = state_of(op);
    bool is_scope = *first == 's';
    enter_arguments given = {NULL, NULL, self->mode};
    PyObject *from =
        read_enter(self, function, first, args, nargs, kwnames, &given);
    if (from == NULL) {
        return NULL;
    }
    request_source source;
    hr_gate_request request;
    (is_scope ? request_from_scope : request_from_environ)(
        state, from, gate_token_header(self), &source, &request);
    VisitObject *visit = visit_new(state, self, from);
    if (visit == NULL) {
        request_source_fini(&source);
        return NULL;
    }
    visit->is_scope = is_scope;
    hr_span path;
    PyObject *text = Py_XNewRef(given.path);
    if (read_secure(given.secure, &request, &visit->secure) < 0 ||
        (text != NULL ? path_from_text(text, &visit->path, &path)
         : is_scope
             ? path_from_scope(state, from, &visit->path, &path)
             : path_from_environ(state, from, &visit->path, &path)) < 0) {
        goto fail;
    }
    if (text == NULL && is_scope && visit->path != NULL &&
        PyBytes_Check(visit->path)) {
        text = PyUnicode_DecodeUTF8(path.ptr, (Py_ssize_t)path.len,
                                    "surrogatepass");
        if (text == NULL) {
            goto fail;
        }
    }
    if (text != NULL && repair_path(visit, text) < 0) {
        goto fail;
    }
    Py_XDECREF(text);
    PyObject *method = request_lookup(
        from, is_scope ? state->name_method : state->name_REQUEST_METHOD);
    visit->method = Py_XNewRef(method);
    PyThreadState *thread = NULL; /* while the GIL is let go */
    hr_token_verifier_slow_section slow = {slow_section_enter,
                                           slow_section_leave, &thread};
    hr_gate_enter(self->gate, &request, text_bytes(method), path, given.mode,
                  visit->secure, &slow, &visit->visit);
    visit_entered(visit);
    request_source_fini(&source);
    PyObject_GC_Track((PyObject *)visit);
    return (PyObject *)visit;
fail:
    Py_XDECREF(text);
    request_source_fini(&source);
    Py_DECREF(visit);
    return NULL;
}

static PyObject *
gate_enter(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames)
{
    return enter_with(op, "enter", "environ", args, nargs, kwnames);
}

PyDoc_STRVAR(gate_enter_scope_doc,
             "enter_scope($self, /, scope, *, path=None, secure=None, "
             "mode=None)\n--\n\n"
             "Look at a request by its ASGI http or websocket scope; see\n"
             "enter. Without path, it is scope['path'] without\n"
             "scope['root_path'].");

static PyObject *
gate_enter_scope(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    return enter_with(op, "enter_scope", "scope", args, nargs, kwnames);
}

/* --- attributes -------------------------------------------------------- */

static PyObject *
get_mode(PyObject *op, void *Py_UNUSED(closure))
{
    hr_span word = hr_gate_mode_word(((GateObject *)op)->mode);
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
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef gate_getset[] = {
    {"mode", get_mode, NULL, "\"cookie\", \"derived\" or \"off\".", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef gate_methods[] = {
    METHOD("enter", gate_enter, METH_FASTCALL | METH_KEYWORDS, gate_enter_doc),
    METHOD("enter_scope", gate_enter_scope, METH_FASTCALL | METH_KEYWORDS,
           gate_enter_scope_doc),
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
    return signature_add_type(
        module, &gate_spec, &state_of_module(module)->gate_type, &gate_table);
}
