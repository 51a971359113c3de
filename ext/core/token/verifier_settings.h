/* SPDX-License-Identifier: MIT */
/* For token/verifier.c: settings judged and copied. */
#ifndef HR_TOKEN_VERIFIER_SETTINGS_H
#define HR_TOKEN_VERIFIER_SETTINGS_H

#include "base/span.h"
#include "base/status.h"
#include "token/verifier.h"

/* SETTING, with `error` filled in, when one is out of its range. */
HR_CHECKED hr_status
hr_token_verifier_settings_check(const hr_token_verifier_settings *settings,
                                 hr_token_verifier_error *error);

/* Copies rules and type; what they point to lies in one block of hr_alloc()
 * that is returned, NULL without memory. The caller frees it. */
char *hr_token_verifier_settings_copy_rules(
    const hr_token_verifier_settings *settings, hr_token_claims_rules *rules,
    hr_span *type);

#endif
