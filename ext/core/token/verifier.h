/* SPDX-License-Identifier: MIT */
/* Text -> token: size, cache, shape, header, signature, payload, claims, in
 * this order. */
#ifndef HR_TOKEN_VERIFIER_H
#define HR_TOKEN_VERIFIER_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/claims.h"
#include "token/keyring.h"
#include "token/signature.h"
#include "base/span.h"
#include "base/status.h"
#include "token/token.h"
#include "token/cache.h"

typedef struct hr_token_verifier hr_token_verifier;

/* Called around RSA, EC and EdDSA verification only, on the calling thread:
 * the binding lets go of the GIL there. Both may be NULL. */
typedef struct hr_token_verifier_slow_section {
    void (*enter)(void *context);
    void (*leave)(void *context);
    void *context;
} hr_token_verifier_slow_section;

typedef struct hr_token_verifier_settings {
    hr_token_keyring_key *const
        *keys; /* the caller's references stay the caller's */
    size_t key_count;
    hr_token_claims_rules claims; /* copied with all it points to */
    hr_span type;                 /* the expected `typ`; absent: any */
    size_t max_bytes;
    size_t cache_size; /* 0: no cache */
    const hr_token_signature_engine *engine;
} hr_token_verifier_settings;

/* What stands in the way of a new verifier. */
typedef struct hr_token_verifier_error {
    const char *setting; /* its name as in the Python API */
    const char *why;     /* static text; NULL: the status says it all */
    size_t key;          /* with setting "keys": which one */
} hr_token_verifier_error;

/* The caller frees it. SETTING, NO_MEMORY, SYSTEM, and for the keys KEY_EMPTY,
 * KEY_DUPLICATE, KEY_TOO_LONG, KEY_ALGORITHM (the engine cannot do it); then
 * `error` is filled in. */
HR_CHECKED hr_status hr_token_verifier_new(
    const hr_token_verifier_settings *settings, hr_token_verifier **verifier,
    hr_token_verifier_error *error);

/* Nobody uses it any more: gates borrow it. NULL is fine. */
void hr_token_verifier_free(hr_token_verifier *verifier);

/* Puts other keys in place of those there, all at once: a verification that
 * begins after this returns sees the new ones only, and nothing that was
 * cached under the old ones is found again. On failure the old ones stay.
 * Any thread. */
HR_CHECKED hr_status hr_token_verifier_replace_keys(
    hr_token_verifier *verifier, hr_token_keyring_key *const *keys,
    size_t count, hr_token_verifier_error *error);

/* For `now`: the verifier reads the clock, when and as exactly as the rules
 * need. */
#define HR_TOKEN_VERIFIER_BY_CLOCK ((double)NAN)

/* Verifies `text` (without "Bearer "). OK: `*token` is a new reference.
 * Otherwise the reason. `now` in seconds since the epoch. Any thread. */
HR_CHECKED hr_status hr_token_verifier_verify(
    hr_token_verifier *verifier, hr_span text, double now,
    const hr_token_verifier_slow_section *slow, hr_token **token);

/* The same; where a claim is at fault, `*claim` is its name, borrowed from
 * the verifier. */
HR_CHECKED hr_status hr_token_verifier_explain(
    hr_token_verifier *verifier, hr_span text, double now,
    const hr_token_verifier_slow_section *slow, hr_token **token,
    hr_span *claim);

/* Everything but the rules about claims, and without the cache: for callers
 * with rules of their own. The token's times are not filled in. Any thread. */
HR_CHECKED hr_status hr_token_verifier_decode(
    hr_token_verifier *verifier, hr_span text,
    const hr_token_verifier_slow_section *slow, hr_token **token);

/* Verifies the signature and the header's rules of any JWS. OK: `*payload` is
 * a block of hr_alloc() with `*size` bytes, which may be none; the caller
 * frees it. Any thread. */
HR_CHECKED hr_status hr_token_verifier_verify_jws(
    hr_token_verifier *verifier, hr_span text,
    const hr_token_verifier_slow_section *slow, char **payload, size_t *size);

/* All zero without a cache. Any thread. */
hr_token_cache_info hr_token_verifier_cache_info(hr_token_verifier *verifier);
/* Hits, misses and capacity alone, which costs less. */
hr_token_cache_info
hr_token_verifier_cache_counts(hr_token_verifier *verifier);
void hr_token_verifier_cache_clear(hr_token_verifier *verifier);

#endif
