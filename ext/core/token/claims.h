/* SPDX-License-Identifier: MIT */
/* The rules about claims, over an indexed payload. */
#ifndef HR_TOKEN_CLAIMS_H
#define HR_TOKEN_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/span.h"
#include "base/status.h"

/* One value that an expected claim may have. */
typedef struct hr_token_claims_value {
    hr_json_kind kind; /* STRING, INTEGER, FLOAT, TRUE, FALSE, NULL */
    hr_span text;      /* STRING: UTF-8 without escapes; numbers: as in JSON */
} hr_token_claims_value;

typedef struct hr_token_claims_expected {
    hr_span name;
    const hr_token_claims_value *values; /* any of them will do */
    size_t count;
} hr_token_claims_expected;

/* What a verifier demands. All spans are borrowed. */
typedef struct hr_token_claims_rules {
    const hr_span *audience; /* any of them; count 0: the token has none */
    size_t audience_count;
    const hr_span *issuer; /* any of them; count 0: not looked at */
    size_t issuer_count;
    hr_span subject; /* absent: only that it is a string */
    const hr_token_claims_expected *expect;
    size_t expect_count;
    const hr_span *require;
    size_t require_count;
    double leeway;       /* seconds, >= 0 */
    double max_lifetime; /* seconds; below 0: any */
} hr_token_claims_rules;

/* The times of a token, whole seconds since the epoch, fractions cut off. */
typedef struct hr_token_claims_times {
    int64_t expires;
    int64_t not_before;
    int64_t issued;
    bool has_expires;
    bool has_not_before;
    bool has_issued;
} hr_token_claims_times;

/* Judges an indexed payload: `text`, its `count` top `members` and the flags
 * that hr_json_index() gave. The first rule that fails decides, in this order:
 * required claims, iat, nbf, exp, iss, aud, sub, jti, expected values,
 * lifetime, numbers out of range. OK: `*times` is filled in. Otherwise the
 * reason, and `*claim` is the name of the claim (borrowed from the rules or
 * static). Times are numbers from 0 on, below 2^63. */
HR_CHECKED hr_status hr_token_claims_check(
    const hr_token_claims_rules *rules, const char *text,
    const hr_json_member *members, size_t count, unsigned flags, double now,
    hr_token_claims_times *times, hr_span *claim);

/* The rules that time can change, alone: iat, nbf, exp. */
HR_CHECKED hr_status
hr_token_claims_check_times(const hr_token_claims_times *times, double leeway,
                            double now, hr_span *claim);

#endif
