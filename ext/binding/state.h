/* SPDX-License-Identifier: MIT */
/* The module state: every Python object that the binding keeps. One per
 * module object, so one per interpreter; there is no static PyObject *. */
#ifndef HR_BINDING_STATE_H
#define HR_BINDING_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <assert.h>

#include "base/status.h"

/* Keys of an environ and of a scope, looked up by identity; and the word of
 * Visit.refusal. */
#define HR_REQUEST_NAMES(X) \
    X(REQUEST_METHOD)       \
    X(PATH_INFO)            \
    X(REMOTE_ADDR)          \
    X(QUERY_STRING)         \
    X(HTTP_AUTHORIZATION)   \
    X(HTTP_COOKIE)          \
    X(HTTP_USER_AGENT)      \
    X(HTTP_ACCEPT)          \
    X(HTTP_ACCEPT_LANGUAGE) \
    X(HTTP_ACCEPT_ENCODING) \
    X(HTTP_SEC_FETCH_MODE)  \
    X(HTTP_SEC_PURPOSE)     \
    X(HTTP_PURPOSE)         \
    X(HTTP_X_MOZ)           \
    X(HTTP_SEC_GPC)         \
    X(HTTP_HOST)            \
    X(HTTP_REFERER)         \
    X(HTTP_X_FORWARDED_FOR) \
    X(HTTP_TRACEPARENT)     \
    X(client)               \
    X(headers)              \
    X(path)                 \
    X(query_string)         \
    X(root_path)            \
    X(scheme)               \
    X(method)               \
    X(token)

/* Places for names of JSON members, and for the keys of whole objects; powers
 * of two. */
#define MEMBER_NAMES 256
#define DICT_SHAPES 16

#define SPARE_VISITS 16

/* The keys of an object seen lately, to begin the next one with. */
typedef struct dict_shape {
    uint64_t hash;   /* of the names, in order */
    PyObject *keys;  /* dict: each name with None, or with a value that is
                        often the same; NULL where none */
    PyObject *items; /* tuple: the same, name and value in turn */
} dict_shape;

/* Each table of arguments: see arguments.h. */
typedef enum argument_table_number {
    KEY_TABLE,
    DOCUMENT_TABLE,
    TOKEN_VERIFIER_TABLE,
    PATH_FILTER_TABLE,
    FINGERPRINT_COOKIE_TABLE,
    EVENT_SINK_TABLE,
    GATE_TABLE,
    ARGUMENT_TABLES
} argument_table_number;

typedef struct core_state {
    /* types, in the order of module_exec */
    PyTypeObject *key_type;
    PyTypeObject *token_type;
    PyTypeObject *token_verifier_type;
    PyTypeObject *cache_info_type; /* named tuple */
    PyTypeObject *path_filter_type;
    PyTypeObject *fingerprint_type;
    PyTypeObject *fingerprint_cookie_type;
    PyTypeObject *event_sink_type;
    PyTypeObject *gate_type;
    PyTypeObject *visit_type;
    PyTypeObject *signature_type;
    /* exceptions */
    PyObject *invalid_token_error;
    PyObject *invalid_key_error;
    PyObject *by_reason[HR_STATUS_SLOTS]; /* strong, NULL where none */
    /* names of JSON members seen lately, by hash; any may be NULL */
    PyObject *member_names[MEMBER_NAMES];
    dict_shape shapes[DICT_SHAPES];
    PyObject *argument_defaults[ARGUMENT_TABLES]; /* tuples; NULL: not yet */
    /* visits that were freed, for the next requests: memory, no objects */
    struct VisitObject *spare_visits[SPARE_VISITS];
    size_t spare_visit_count;
    /* interned strings */
    PyObject *words[HR_STATUS_SLOTS]; /* the word of each status, or NULL */
    PyObject *name_wsgi_url_scheme;   /* "wsgi.url_scheme" */
#define X(name) PyObject *name_##name;
    HR_REQUEST_NAMES(X)
#undef X
} core_state;

extern struct PyModuleDef core_module;

/* Named for what the caller holds. None of them can fail: types of this
 * module are IMMUTABLETYPE and not BASETYPE, so Py_TYPE(self) is the very
 * type that the module made. */
static inline core_state *
state_of_module(PyObject *module)
{
    core_state *state = PyModule_GetState(module);
    assert(state != NULL);
    return state;
}

static inline core_state *
state_of_type(PyTypeObject *type)
{
    core_state *state = PyType_GetModuleState(type);
    assert(state != NULL);
    return state;
}

static inline core_state *
state_of(PyObject *self)
{
    return state_of_type(Py_TYPE(self));
}

/* One Python type a file, one setup function a type: creates the type, keeps
 * it in the state and adds it to the module. -1 with an exception set. */
int signature_setup(PyObject *module);
int key_setup(PyObject *module);
int token_setup(PyObject *module);
int token_verifier_setup(PyObject *module);
int path_filter_setup(PyObject *module);
int fingerprint_setup(PyObject *module);
int fingerprint_cookie_setup(PyObject *module);
int event_sink_setup(PyObject *module);
int gate_setup(PyObject *module);
int visit_setup(PyObject *module);

/* Frees the visits that are kept for the next requests. */
void visit_free_spares(core_state *state);

/* Imports a module and calls its function; `format` builds a tuple. */
PyObject *call_imported(const char *module, const char *function,
                        const char *format, ...);

/* A row of a method table, a read-only one of a getset table. */
#define METHOD(name_, function, flags, doc)                                 \
    {                                                                       \
        .ml_name = name_, .ml_meth = (PyCFunction)(void (*)(void))function, \
        .ml_flags = flags, .ml_doc = doc                                    \
    }
#define GETTER(name_, function, doc_)               \
    {                                               \
        .name = name_, .get = function, .doc = doc_ \
    }

/* Creates the type from `spec`, keeps a strong reference in `*slot` and adds
 * it to the module under its own name. -1 with an exception set. */
int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **slot);

#endif
