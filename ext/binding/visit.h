/* SPDX-License-Identifier: MIT */
/* The struct behind Gate and Visit, shared by gate.c, visit.c and
 * the parts of these two only. */
#ifndef HR_BINDING_VISIT_H
#define HR_BINDING_VISIT_H

#include "arguments.h"
#include "request.h"
#include "types.h"

#include "gate/gate.h"

/* Fields that Visit.add takes: with those of the request they stay below
 * HR_EVENT_FIELDS_MAX. */
#define HR_VISIT_FIELDS_MAX 40

typedef struct GateObject {
    PyObject_HEAD
    hr_gate *gate;          /* owned; borrows from the four parts below */
    PyObject *verifier;     /* TokenVerifier or None */
    PyObject *paths;        /* PathFilter or None */
    PyObject *fingerprint;  /* FingerprintCookie or None */
    PyObject *sink;         /* EventSink or None */
    PyObject *words;        /* tuple of str: the label of each number */
    PyObject *token_from;   /* tuple of str: the name of each source */
    PyObject *token_header; /* str: the header that carries it */
    PyObject *token_key;    /* its key in an environ; NULL: the usual one */
    bool required[HR_LABELS_MAX]; /* by label: 401 without a token */
    hr_gate_mode mode;
} GateObject;

typedef struct VisitObject {
    PyObject_HEAD
    hr_gate_visit visit;
    GateObject *gate;       /* strong */
    PyObject *source;       /* environ or scope; NULL once finished */
    PyObject *method;       /* owners of visit.method and visit.path, */
    PyObject *path;         /* NULL where those are static */
    PyObject *token;        /* Token or None, made when first asked for */
    PyObject *fingerprint;  /* Fingerprint or None, likewise */
    PyObject *fields;       /* dict of added fields, or NULL */
    PyObject *route;        /* str or NULL */
    PyObject *event_path;   /* str that stands in for the path, or NULL */
    PyObject *request_id;   /* str or NULL */
    PyObject *session_user; /* str: who the framework has logged in; NULL */
    /* What every front asks for: as members that hold an object they are read
     * without a call. */
    PyObject *refusal;       /* str or None */
    PyObject *has_candidate; /* bool */
    bool is_scope;
    bool secure;
    bool path_is_altered; /* the path had a lone surrogate */
} VisitObject;

/* A new visit with nothing in it but `gate` and `source`; the caller lets
 * hr_gate_enter fill in `visit` at once. NULL with MemoryError. */
VisitObject *visit_new(core_state *state, GateObject *gate, PyObject *source);

/* What can be said once hr_gate_enter has filled in `visit`. */
void visit_entered(VisitObject *self);

/* Which header the gate looks for a token in. */
header_name gate_token_header(const GateObject *self);

/* Names that Visit.add refuses: those of every event and of `request` events.
 */
bool visit_fields_is_reserved(hr_span name);

/* Visit.add: METH_O. */
PyObject *visit_fields_add(PyObject *op, PyObject *dict);
extern const char visit_fields_add_doc[];

/* Visit.respond and Visit.finish: METH_FASTCALL | METH_KEYWORDS. */
PyObject *visit_respond(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames);
extern const char visit_respond_doc[];
PyObject *visit_finish(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames);
extern const char visit_finish_doc[];

/* Fills in a zeroed gate from the arguments of Gate(). -1 with TypeError or
 * ValueError that names the setting. */
int gate_configure(GateObject *self, core_state *state, PyObject *args,
                   PyObject *kwargs);
extern const argument_table gate_table;
extern const char gate_doc[];

/* "cookie", "derived", "off" or None (`fallback`). -1 with ValueError. */
int mode_from_object(PyObject *object, const char *setting,
                     hr_gate_mode fallback, hr_gate_mode *mode);

#endif
