/* SPDX-License-Identifier: MIT */
/* The one place that maps a hr_status to a Python exception. */
#ifndef HR_BINDING_ERRORS_H
#define HR_BINDING_ERRORS_H

#include "state.h"

#include "base/span.h"

/* Creates the exceptions and adds them to the module. */
int errors_setup(PyObject *module);

/* Sets the exception of a refused token: the class of its reason, with
 * `reason` (str) as attribute and the status text as message. Where a claim
 * is at fault, `claim` (absent: none) is its name, in the message and as the
 * attribute `claim`. Always NULL. */
PyObject *raise_claim_error(core_state *state, hr_status reason,
                            hr_span claim);

/* Sets InvalidKeyError with `.reason`, the text, and `what` (which key) in
 * front; MemoryError for NO_MEMORY. Always NULL. */
PyObject *raise_key_error(core_state *state, hr_status reason,
                          const char *what);

/* Sets ValueError "<setting>: <text>", or the text alone where `setting` is
 * NULL: it names the setting (MemoryError for NO_MEMORY, OSError for SYSTEM).
 * Always NULL. */
PyObject *raise_setting_error(core_state *state, hr_status status,
                              const char *setting, const char *why);

#endif
