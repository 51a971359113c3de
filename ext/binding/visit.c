/* SPDX-License-Identifier: MIT */
/* Visit: what `enter` found about one request. Python objects for token and
 * fingerprint are made when asked for: most requests never do. A visit holds
 * its environ or scope, which may hold the visit: the garbage collector knows,
 * and `finish` lets go of it. */
#include "visit.h"

#include <structmember.h>

#include "arguments.h"

#include "base/clock.h"

/* Memory of a visit that was freed, as a new object; NULL when there is none.
 * A request makes one visit and frees it: for that the allocator and what the
 * collector counts are a tenth of the gate's cost. */
static VisitObject *
take_spare(core_state *state)
{
#ifndef Py_GIL_DISABLED
    if (state->spare_visit_count != 0) {
        VisitObject *self = state->spare_visits[--state->spare_visit_count];
        return (VisitObject *)PyObject_Init((PyObject *)self,
                                            state->visit_type);
    }
#else
    (void)state;
#endif
    return NULL;
}

/* False when there are enough of them, or the module is being cleared: their
 * memory is given back by way of their type. */
static bool
keep_spare(core_state *state, VisitObject *self)
{
#ifndef Py_GIL_DISABLED
    if (state->visit_type != NULL && state->spare_visit_count < SPARE_VISITS) {
        state->spare_visits[state->spare_visit_count++] = self;
        return true;
    }
#else
    (void)state;
    (void)self;
#endif
    return false;
}

void
visit_free_spares(core_state *state)
{
    while (state->spare_visit_count != 0) {
        PyObject_GC_Del(state->spare_visits[--state->spare_visit_count]);
    }
}

VisitObject *
visit_new(core_state *state, GateObject *gate, PyObject *source)
{
    VisitObject *self = take_spare(state);
    if (self == NULL) {
        self = PyObject_GC_New(VisitObject, state->visit_type);
    }
    if (self == NULL) {
        return NULL;
    }
    self->visit.token = NULL;
    self->visit.user_text = NULL;
    self->visit.finished = false;
    self->gate = (GateObject *)Py_NewRef((PyObject *)gate);
    self->source = Py_NewRef(source);
    self->method = NULL;
    self->path = NULL;
    self->token = NULL;
    self->fingerprint = NULL;
    self->fields = NULL;
    self->route = NULL;
    self->event_path = NULL;
    self->request_id = NULL;
    self->session_user = NULL;
    self->refusal = NULL;
    self->has_candidate = NULL;
    self->is_scope = false;
    self->secure = false;
    self->path_is_altered = false;
    return self;
}

static int
visit_traverse(PyObject *op, visitproc visit, void *arg)
{
    VisitObject *self = (VisitObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)self->gate);
    Py_VISIT(self->source);
    Py_VISIT(self->method);
    Py_VISIT(self->path);
    Py_VISIT(self->token);
    Py_VISIT(self->fingerprint);
    Py_VISIT(self->fields);
    Py_VISIT(self->route);
    Py_VISIT(self->event_path);
    Py_VISIT(self->request_id);
    Py_VISIT(self->session_user);
    Py_VISIT(self->refusal);
    Py_VISIT(self->has_candidate);
    return 0;
}

/* The gate and the owners of spans stay until dealloc: other objects of a
 * cycle may still read the visit while the collector takes it apart. */
static int
visit_clear(PyObject *op)
{
    VisitObject *self = (VisitObject *)op;
    Py_CLEAR(self->source);
    Py_CLEAR(self->token);
    Py_CLEAR(self->fingerprint);
    Py_CLEAR(self->fields);
    return 0;
}

static void
visit_dealloc(PyObject *op)
{
    VisitObject *self = (VisitObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)visit_clear(op);
    hr_gate_visit_fini(&self->visit);
    Py_CLEAR(self->method);
    Py_CLEAR(self->path);
    Py_CLEAR(self->route);
    Py_CLEAR(self->event_path);
    Py_CLEAR(self->request_id);
    Py_CLEAR(self->session_user);
    Py_CLEAR(self->refusal);
    Py_CLEAR(self->has_candidate);
    Py_CLEAR(self->gate);
    if (!keep_spare(state_of_type(type), self)) {
        type->tp_free(op);
    }
    Py_DECREF(type);
}

void
visit_entered(VisitObject *self)
{
    const hr_gate_visit *visit = &self->visit;
    bool refused = self->gate->required[visit->label] &&
                   visit->token == NULL &&
                   !hr_span_equal(visit->method, HR_SPAN("OPTIONS"));
    bool candidate = visit->has_fingerprint &&
                     (visit->is_new || visit->fingerprint.reissue);
    self->refusal =
        Py_NewRef(refused ? state_of((PyObject *)self)->name_token : Py_None);
    self->has_candidate = Py_NewRef(candidate ? Py_True : Py_False);
}

PyDoc_STRVAR(visit_discard_doc, "discard($self, /)\n--\n\n"
                                "Record no event for this request.");

static PyObject *
visit_discard(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ((VisitObject *)op)->visit.discarded = true;
    Py_RETURN_NONE;
}

/* --- attributes -------------------------------------------------------- */

static PyObject *
get_label(PyObject *op, void *Py_UNUSED(closure))
{
    VisitObject *self = (VisitObject *)op;
    return Py_NewRef(
        PyTuple_GET_ITEM(self->gate->words, (Py_ssize_t)self->visit.label));
}

static PyObject *
get_token(PyObject *op, void *Py_UNUSED(closure))
{
    VisitObject *self = (VisitObject *)op;
    if (self->visit.token == NULL) {
        Py_RETURN_NONE;
    }
    if (self->token == NULL) {
        self->token = token_from_core_steal(
            state_of(op), hr_token_retain(self->visit.token));
    }
    return Py_XNewRef(self->token);
}

static PyObject *
get_token_source(PyObject *op, void *Py_UNUSED(closure))
{
    VisitObject *self = (VisitObject *)op;
    if (self->visit.source < 0) {
        Py_RETURN_NONE;
    }
    PyObject *word = PyTuple_GET_ITEM(self->gate->token_from,
                                      (Py_ssize_t)self->visit.source);
    if (PyUnicode_READ_CHAR(word, 0) != 'c') {
        return PyUnicode_FromString("bearer"); /* whatever it is spelt like */
    }
    return Py_NewRef(word);
}

static PyObject *
get_reason(PyObject *op, void *Py_UNUSED(closure))
{
    VisitObject *self = (VisitObject *)op;
    hr_status reason = self->visit.reason;
    if (reason == HR_OK || reason == HR_ABSENT) {
        Py_RETURN_NONE;
    }
    return Py_NewRef(state_of(op)->words[reason]);
}

static PyObject *
get_user(PyObject *op, void *Py_UNUSED(closure))
{
    VisitObject *self = (VisitObject *)op;
    if (self->visit.user.ptr == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(self->visit.user.ptr,
                                (Py_ssize_t)self->visit.user.len, "replace");
}

static PyObject *
get_fingerprint(PyObject *op, void *Py_UNUSED(closure))
{
    VisitObject *self = (VisitObject *)op;
    if (!self->visit.has_fingerprint) {
        Py_RETURN_NONE;
    }
    if (self->fingerprint == NULL) {
        self->fingerprint =
            fingerprint_from_core(state_of(op), &self->visit.fingerprint);
    }
    return Py_XNewRef(self->fingerprint);
}

static PyObject *
get_agent(PyObject *op, void *Py_UNUSED(closure))
{
    hr_span word = hr_visitor_agent_word(((VisitObject *)op)->visit.agent);
    if (word.ptr == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromStringAndSize(word.ptr, (Py_ssize_t)word.len);
}

static PyObject *
get_elapsed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(
        (double)hr_gate_visit_elapsed_ns(&((VisitObject *)op)->visit) * 1e-9);
}

static PyObject *
get_method(PyObject *op, void *Py_UNUSED(closure))
{
    hr_span method = ((VisitObject *)op)->visit.method;
    return PyUnicode_DecodeUTF8(method.ptr, (Py_ssize_t)method.len, "replace");
}

static PyObject *
get_path(PyObject *op, void *Py_UNUSED(closure))
{
    VisitObject *self = (VisitObject *)op;
    if (self->event_path != NULL) {
        return Py_NewRef(self->event_path);
    }
    hr_span path = self->visit.path;
    return PyUnicode_DecodeUTF8(path.ptr, (Py_ssize_t)path.len,
                                "surrogatepass");
}

static int
set_path(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    VisitObject *self = (VisitObject *)op;
    self->path_is_altered = false;
    return set_optional_text(&self->event_path, value, "path");
}

/* A str or None; the closure is its offset. */
static PyObject *
get_text(PyObject *op, void *offset)
{
    PyObject *text = *(PyObject **)((char *)op + (uintptr_t)offset);
    return Py_NewRef(text != NULL ? text : Py_None);
}

static int
set_route(PyObject *op, PyObject *value, void *Py_UNUSED(offset))
{
    return set_optional_text(&((VisitObject *)op)->route, value, "route");
}

static int
set_request_id(PyObject *op, PyObject *value, void *Py_UNUSED(offset))
{
    return set_optional_text(&((VisitObject *)op)->request_id, value,
                             "request_id");
}

static PyObject *
visit_repr(PyObject *op)
{
    VisitObject *self = (VisitObject *)op;
    /* neither user nor fingerprint: reprs end up in logs */
    return PyUnicode_FromFormat(
        "<headrace.Visit %R%s%s%s>",
        PyTuple_GET_ITEM(self->gate->words, (Py_ssize_t)self->visit.label),
        self->visit.token != NULL ? " token" : "",
        self->visit.has_fingerprint ? " fingerprint" : "",
        self->visit.finished ? " finished" : "");
}

static PyMethodDef visit_methods[] = {
    METHOD("respond", visit_respond, METH_FASTCALL | METH_KEYWORDS,
           visit_respond_doc),
    METHOD("finish", visit_finish, METH_FASTCALL | METH_KEYWORDS,
           visit_finish_doc),
    {"add", visit_fields_add, METH_O, visit_fields_add_doc},
    {"discard", visit_discard, METH_NOARGS, visit_discard_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef visit_getset[] = {
    {"label", get_label, NULL, "The path label: str.", NULL},
    {"token", get_token, NULL, "The verified Token, or None.", NULL},
    {"token_source", get_token_source, NULL,
     "\"bearer\" or \"cookie:<name>\": the first source that was present; "
     "None without one.",
     NULL},
    {"reason", get_reason, NULL,
     "Why the token was refused (a reason word); None when it was not, or "
     "when none was sent.",
     NULL},
    {"user", get_user, NULL,
     "The first of user_claims in the token, as str; else None.", NULL},
    {"fingerprint", get_fingerprint, NULL, "Fingerprint or None.", NULL},
    {"agent", get_agent, NULL, "\"bot\", \"prefetch\" or None.", NULL},
    {"elapsed", get_elapsed, NULL,
     "Seconds since enter, or from enter to respond: float.", NULL},
    {"method", get_method, NULL, "The request's method: str.", NULL},
    {"path", get_path, set_path,
     "The decoded path: str. Setting it changes the event only.", NULL},
    {"route", get_text, set_route,
     "The framework's route for the event: str or None.",
     (void *)offsetof(VisitObject, route)},
    {"request_id", get_text, set_request_id,
     "The request's id for the event: str or None.",
     (void *)offsetof(VisitObject, request_id)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef visit_members[] = {
    {"secure", T_BOOL, offsetof(VisitObject, secure), 0,
     "Whether the request came over https: bool. May be set before respond."},
    {"is_new", T_BOOL, offsetof(VisitObject, visit.is_new), READONLY,
     "True for a fingerprint that the visitor does not have yet."},
    {"refusal", T_OBJECT_EX, offsetof(VisitObject, refusal), READONLY,
     "\"token\" where the label requires a token and there is none: the front "
     "responds with 401; else None. Never for OPTIONS."},
    {"_has_candidate", T_OBJECT_EX, offsetof(VisitObject, has_candidate),
     READONLY,
     "For our fronts: whether respond may hand out a cookie; only then does "
     "it look at the response headers."},
    {"_gate", T_OBJECT_EX, offsetof(VisitObject, gate), READONLY,
     "For our fronts: the Gate that made this visit."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(visit_doc, "One request's verdict, made by Gate.enter and "
                        "Gate.enter_scope.");

static PyType_Slot visit_slots[] = {
    {Py_tp_doc, (void *)visit_doc},
    {Py_tp_dealloc, visit_dealloc},
    {Py_tp_traverse, visit_traverse},
    {Py_tp_clear, visit_clear},
    {Py_tp_repr, visit_repr},
    {Py_tp_methods, visit_methods},
    {Py_tp_getset, visit_getset},
    {Py_tp_members, visit_members},
    {0, NULL},
};

static PyType_Spec visit_spec = {
    .name = "headrace.Visit",
    .basicsize = sizeof(VisitObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = visit_slots,
};

int
visit_setup(PyObject *module)
{
    return add_type(module, &visit_spec, &state_of_module(module)->visit_type);
}
