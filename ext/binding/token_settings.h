/* SPDX-License-Identifier: MIT */
/* The arguments of TokenVerifier, read into the core's settings. */
#ifndef HR_BINDING_TOKEN_SETTINGS_H
#define HR_BINDING_TOKEN_SETTINGS_H

#include "arguments.h"

#include "token/verifier.h"

/* Reads into hr_token_verifier_settings; the first one is the keys. */
extern const argument_table token_settings_table;
extern const char token_settings_doc[];

#endif
