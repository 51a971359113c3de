/* SPDX-License-Identifier: MIT */
/* Text -> token: size, cache, shape, header, signature, payload, claims, in
 * this order. */
#ifndef PS_VERIFIER_H
#define PS_VERIFIER_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "claims.h"
#include "keyring.h"
#include "signature.h"
#include "span.h"
#include "status.h"
#include "token.h"
#include "token_cache.h"

typedef struct ps_verifier ps_verifier;

/* Called around RSA, EC and EdDSA verification only, on the calling thread:
 * the binding lets go of the GIL there. Both may be NULL. */
typedef struct ps_slow_section {
    void (*enter)(void *context);
    void (*leave)(void *context);
    void *context;
} ps_slow_section;

typedef struct ps_verifier_settings {
    ps_key *const *keys; /* the caller's references stay the caller's */
    size_t key_count;
    ps_claim_rules claims; /* copied with all it points to */
    ps_span type;          /* the expected `typ`; absent: any */
    size_t max_bytes;
    size_t cache_size; /* 0: no cache */
    const ps_engine *engine;
} ps_verifier_settings;

/* What stands in the way of a new verifier. */
typedef struct ps_verifier_error {
    const char *setting; /* its name as in the Python API */
    const char *why;     /* static text; NULL: the status says it all */
    size_t key;          /* with setting "keys": which one */
} ps_verifier_error;

/* One reference. SETTING, NO_MEMORY, SYSTEM, and for the keys KEY_EMPTY,
 * KEY_DUPLICATE, KEY_TOO_LONG, KEY_ALGORITHM (the engine cannot do it); then
 * `error` is filled in. */
PS_CHECKED ps_status ps_verifier_new(const ps_verifier_settings *settings,
                                     ps_verifier **verifier,
                                     ps_verifier_error *error);

/* Shared by the Python object and every gate that uses it. */
ps_verifier *ps_verifier_retain(ps_verifier *verifier);
/* NULL is fine. */
void ps_verifier_release(ps_verifier *verifier);

/* Puts other keys in place of those there, all at once: a verification that
 * begins after this returns sees the new ones only, and nothing that was
 * cached under the old ones is found again. On failure the old ones stay.
 * Any thread. */
PS_CHECKED ps_status ps_verifier_replace_keys(ps_verifier *verifier,
                                              ps_key *const *keys,
                                              size_t count,
                                              ps_verifier_error *error);

/* For `now`: the verifier reads the clock, when and as exactly as the rules
 * need. */
#define PS_NOW_BY_CLOCK ((double)NAN)

/* Verifies `text` (without "Bearer "). OK: `*token` is a new reference.
 * Otherwise the reason. `now` in seconds since the epoch. Any thread. */
PS_CHECKED ps_status ps_verifier_verify(ps_verifier *verifier, ps_span text,
                                        double now,
                                        const ps_slow_section *slow,
                                        ps_token **token);

/* The same; where a claim is at fault, `*claim` is its name, borrowed from
 * the verifier. */
PS_CHECKED ps_status ps_verifier_explain(ps_verifier *verifier, ps_span text,
                                         double now,
                                         const ps_slow_section *slow,
                                         ps_token **token, ps_span *claim);

/* Everything but the rules about claims, and without the cache: for callers
 * with rules of their own. The token's times are not filled in. Any thread. */
PS_CHECKED ps_status ps_verifier_decode(ps_verifier *verifier, ps_span text,
                                        const ps_slow_section *slow,
                                        ps_token **token);

/* Verifies the signature and the header's rules of any JWS. OK: `*payload` is
 * a block of ps_malloc() with `*size` bytes, which may be none; the caller
 * frees it. Any thread. */
PS_CHECKED ps_status ps_verifier_verify_jws(ps_verifier *verifier,
                                            ps_span text,
                                            const ps_slow_section *slow,
                                            char **payload, size_t *size);

/* All zero without a cache. Any thread. */
ps_token_cache_info ps_verifier_cache_info(ps_verifier *verifier);
/* Hits, misses and capacity alone, which costs less. */
ps_token_cache_info ps_verifier_cache_counts(ps_verifier *verifier);
void ps_verifier_cache_clear(ps_verifier *verifier);

#endif
