/* SPDX-License-Identifier: MIT */
/* For verifier.c: settings judged and copied. */
#ifndef HR_VERIFIER_SETTINGS_H
#define HR_VERIFIER_SETTINGS_H

#include "span.h"
#include "status.h"
#include "verifier.h"

/* SETTING, with `error` filled in, when one is out of its range. */
HR_CHECKED hr_status hr_verifier_check_settings(
    const hr_verifier_settings *settings, hr_verifier_error *error);

/* Copies rules and type; what they point to lies in one block of hr_malloc()
 * that is returned, NULL without memory. The caller frees it. */
char *hr_verifier_copy_rules(const hr_verifier_settings *settings,
                             hr_claim_rules *rules, hr_span *type);

#endif
