/* SPDX-License-Identifier: MIT */
/* For verifier.c: settings judged and copied. */
#ifndef PS_VERIFIER_SETTINGS_H
#define PS_VERIFIER_SETTINGS_H

#include "span.h"
#include "status.h"
#include "verifier.h"

/* SETTING, with `error` filled in, when one is out of its range. */
PS_CHECKED ps_status ps_verifier_check_settings(
    const ps_verifier_settings *settings, ps_verifier_error *error);

/* Copies rules and type; what they point to lies in one block of ps_malloc()
 * that is returned, NULL without memory. The caller frees it. */
char *ps_verifier_copy_rules(const ps_verifier_settings *settings,
                             ps_claim_rules *rules, ps_span *type);

#endif
