/* SPDX-License-Identifier: MIT */
/* The arguments of TokenVerifier, read into the core's settings. */
#ifndef HR_BINDING_TOKEN_SETTINGS_H
#define HR_BINDING_TOKEN_SETTINGS_H

#include "state.h"

#include "token/verifier.h"

/* Settings and what their spans point into. */
typedef struct token_settings {
    hr_token_verifier_settings settings;
    PyObject *alive;             /* list: the objects that spans point into */
    hr_token_keyring_key **keys; /* PyMem, borrowed keys */
    hr_span *audience;
    hr_span *issuer;
    hr_span *require;
    hr_token_claims_expected *expect; /* PyMem, with the values of each */
} token_settings;

/* The objects as given; NULL where not. */
typedef struct token_arguments {
    PyObject *keys;
    PyObject *audience;
    PyObject *issuer;
    PyObject *subject;
    PyObject *expect;
    PyObject *leeway;
    PyObject *require;
    PyObject *type;
    PyObject *max_lifetime;
    Py_ssize_t max_bytes;
    Py_ssize_t cache_size;
    const char *engine;
} token_arguments;

/* Zeroed settings are read into; fini is called whatever comes out. -1 with
 * TypeError or ValueError that names the setting. */
int token_settings_read(core_state *state, const token_arguments *arguments,
                        token_settings *settings);
void token_settings_fini(token_settings *settings);

/* The core keys of an iterable of Key; `*keys` is PyMem. The objects go into
 * the list `alive`. -1 with an exception set. */
int keys_from_object(core_state *state, PyObject *object, PyObject *alive,
                     hr_token_keyring_key ***keys, size_t *count);

#endif
