/* SPDX-License-Identifier: MIT */
/* A verified JWT: one immutable, reference-counted block that holds the text,
 * the payload, and an index of the payload's top members. */
#ifndef PS_TOKEN_H
#define PS_TOKEN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "claims.h"
#include "json.h"
#include "jws.h"
#include "span.h"
#include "status.h"

typedef struct ps_token {
    atomic_uint references;
    ps_algorithm algorithm;
    size_t size;    /* of the whole block */
    uint64_t epoch; /* of the keys that it was verified with */
    uint64_t hash;  /* the cache's */
    ps_times times;
    ps_span text;    /* all of it; where it is not for the cache, only the
                        header segment */
    ps_span header;  /* the header segment, inside text */
    ps_span payload; /* decoded */
    ps_span key_id;  /* of the header; absent without one */
    size_t member_count;
    const ps_json_member *members; /* of the payload */
} ps_token;

/* A block with copies of all that `parts` points to; one reference. NULL
 * without memory. */
ps_token *ps_token_new(const ps_token *parts);

ps_token *ps_token_retain(ps_token *token);
/* NULL is fine. The last one wipes the block. */
void ps_token_release(ps_token *token);

/* The member of that name; NULL when there is none. */
const ps_json_member *ps_token_find(const ps_token *token, ps_span name);

/* A string or integer claim as text. OK: `*out` points into the token or
 * into `buffer` (where escapes had to be resolved). ABSENT: not there, of
 * another type, or longer than `size` once resolved. */
PS_CHECKED ps_status ps_token_claim_text(const ps_token *token, ps_span name,
                                         char *buffer, size_t size,
                                         ps_span *out);

#endif
