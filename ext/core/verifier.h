/* SPDX-License-Identifier: MIT */
/* Text -> token: size, cache, shape, header, signature, payload, claims, in
 * this order. */
#ifndef PS_VERIFIER_H
#define PS_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"
#include "status.h"

/* A verified JWT: immutable, reference-counted, shared by the cache. */
typedef struct ps_token ps_token;
typedef struct ps_verifier ps_verifier;

/* Called around RSA, EC and EdDSA verification only, on the calling thread:
 * the binding lets go of the GIL there. Both may be NULL. */
typedef struct ps_slow_section {
    void (*enter)(void *context);
    void (*leave)(void *context);
    void *context;
} ps_slow_section;

/* Verifies `text` (without "Bearer "). OK: `*token` is a new reference.
 * Otherwise the reason. `now` in seconds since the epoch. Any thread. */
PS_CHECKED ps_status ps_verifier_verify(ps_verifier *verifier, ps_span text,
                                        double now,
                                        const ps_slow_section *slow,
                                        ps_token **token);

ps_token *ps_token_retain(ps_token *token);
/* NULL is fine. */
void ps_token_release(ps_token *token);

/* A string or integer claim as text. OK: `*out` points into the token or
 * into `buffer` (where escapes had to be resolved). ABSENT: not there, of
 * another type, or longer than `size` once resolved. */
PS_CHECKED ps_status ps_token_claim_text(const ps_token *token, ps_span name,
                                         char *buffer, size_t size,
                                         ps_span *out);

#endif
