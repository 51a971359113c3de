/* SPDX-License-Identifier: MIT */
/* A verified JWT: one immutable, reference-counted block that holds the text,
 * the payload, and an index of the payload's top members. */
#ifndef HR_TOKEN_TOKEN_H
#define HR_TOKEN_TOKEN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "token/claims.h"
#include "base/json.h"
#include "token/jws.h"
#include "base/span.h"
#include "base/status.h"

typedef struct hr_token {
    atomic_uint references;
    hr_token_jws_algorithm algorithm;
    size_t size;    /* of the whole block */
    uint64_t epoch; /* of the keys that it was verified with */
    uint64_t hash;  /* the cache's */
    hr_token_claims_times times;
    hr_span text;    /* all of it; where it is not for the cache, only the
                        header segment */
    hr_span header;  /* the header segment, inside text */
    hr_span payload; /* decoded */
    hr_span key_id;  /* of the header; absent without one */
    size_t member_count;
    const hr_json_member *members; /* of the payload */
} hr_token;

/* A block with copies of all that `parts` points to; one reference. NULL
 * without memory. */
hr_token *hr_token_new(const hr_token *parts);

hr_token *hr_token_retain(hr_token *token);
/* NULL is fine. The last one wipes the block. */
void hr_token_release(hr_token *token);

/* The member of that name; NULL when there is none. */
const hr_json_member *hr_token_find(const hr_token *token, hr_span name);

/* A string or integer claim as text. OK: `*out` points into the token or
 * into `buffer` (where escapes had to be resolved). ABSENT: not there, of
 * another type, or longer than `size` once resolved. */
HR_CHECKED hr_status hr_token_claim_text(const hr_token *token, hr_span name,
                                         char *buffer, size_t size,
                                         hr_span *out);

#endif
