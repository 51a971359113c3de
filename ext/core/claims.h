/* SPDX-License-Identifier: MIT */
/* The rules about claims, over an indexed payload. */
#ifndef PS_CLAIMS_H
#define PS_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "span.h"
#include "status.h"

/* One value that an expected claim may have. */
typedef struct ps_expected_value {
    ps_json_kind kind; /* STRING, INTEGER, FLOAT, TRUE, FALSE, NULL */
    ps_span text;      /* STRING: UTF-8 without escapes; numbers: as in JSON */
} ps_expected_value;

typedef struct ps_expected {
    ps_span name;
    const ps_expected_value *values; /* any of them will do */
    size_t count;
} ps_expected;

/* What a verifier demands. All spans are borrowed. */
typedef struct ps_claim_rules {
    const ps_span *audience; /* any of them; count 0: the token has none */
    size_t audience_count;
    const ps_span *issuer; /* any of them; count 0: not looked at */
    size_t issuer_count;
    ps_span subject; /* absent: only that it is a string */
    const ps_expected *expect;
    size_t expect_count;
    const ps_span *require;
    size_t require_count;
    double leeway;       /* seconds, >= 0 */
    double max_lifetime; /* seconds; below 0: any */
} ps_claim_rules;

/* The times of a token, whole seconds since the epoch, fractions cut off. */
typedef struct ps_times {
    int64_t expires;
    int64_t not_before;
    int64_t issued;
    bool has_expires;
    bool has_not_before;
    bool has_issued;
} ps_times;

/* Judges an indexed payload: `text`, its `count` top `members` and the flags
 * that ps_json_index() gave. The first rule that fails decides, in this order:
 * required claims, iat, nbf, exp, iss, aud, sub, jti, expected values,
 * lifetime, numbers out of range. OK: `*times` is filled in. Otherwise the
 * reason, and `*claim` is the name of the claim (borrowed from the rules or
 * static). Times are numbers from 0 on, below 2^63. */
PS_CHECKED ps_status ps_claims_check(const ps_claim_rules *rules,
                                     const char *text,
                                     const ps_json_member *members,
                                     size_t count, unsigned flags, double now,
                                     ps_times *times, ps_span *claim);

/* The rules that time can change, alone: iat, nbf, exp. */
PS_CHECKED ps_status ps_claims_check_times(const ps_times *times,
                                           double leeway, double now,
                                           ps_span *claim);

#endif
