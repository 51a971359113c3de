/* SPDX-License-Identifier: MIT */
/* The structs of all Python types, for the files that take one another's
 * objects (the gate takes all of them). */
#ifndef HR_BINDING_TYPES_H
#define HR_BINDING_TYPES_H

#include "state.h"

#include "visitor/fingerprint.h"
#include "token/keyring.h"
#include "path/filter.h"
#include "sink/sink.h"
#include "token/verifier.h"

typedef struct KeyObject {
    PyObject_HEAD
    hr_token_keyring_key *key; /* one reference */
} KeyObject;

typedef struct TokenVerifierObject {
    PyObject_HEAD
    hr_token_verifier *verifier; /* owned */
} TokenVerifierObject;

typedef struct TokenObject {
    PyObject_HEAD
    hr_token *token; /* one reference */
} TokenObject;

typedef struct PathFilterObject {
    PyObject_HEAD
    hr_path_filter *filter; /* owned */
    PyObject *words;        /* tuple: the label of each number, interned */
} PathFilterObject;

typedef struct FingerprintObject {
    PyObject_HEAD
    hr_visitor_fingerprint fingerprint;
} FingerprintObject;

typedef struct FingerprintCookieObject {
    PyObject_HEAD
    hr_visitor_fingerprint_cookie *cookie; /* owned */
} FingerprintCookieObject;

typedef struct EventSinkObject {
    PyObject_HEAD
    hr_sink *sink;       /* one reference */
    PyObject *weakrefs;  /* for the exit hook, which keeps none alive */
    double exit_timeout; /* seconds */
    bool captures;       /* the target is memory */
} EventSinkObject;

/* Hands the sink's log line, when there is one, to Python's logging. Never
 * fails. To be called after an event, where it costs one load. */
void event_sink_log(EventSinkObject *sink);

/* New Token around `token`, whose reference it takes over, on failure too. */
PyObject *token_from_core_steal(core_state *state, hr_token *token);

/* New Fingerprint, a copy. */
PyObject *fingerprint_from_core(core_state *state,
                                const hr_visitor_fingerprint *fingerprint);

#endif
