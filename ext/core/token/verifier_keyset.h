/* SPDX-License-Identifier: MIT */
/* For token/verifier.c: a ring of keys, each prepared by the engine, with the
 * headers known to lead to them. It is immutable but for that table, counted,
 * and replaced as a whole; a verification holds on to the one that it began
 * with. */
#ifndef HR_TOKEN_VERIFIER_KEYSET_H
#define HR_TOKEN_VERIFIER_KEYSET_H

#include <stdatomic.h>

#include "token/verifier.h"

typedef struct hr_token_verifier_keyset {
    atomic_uint references;
    uint64_t epoch;
    const hr_token_signature_engine *engine;
    hr_token_keyring *ring;
    hr_token_signature_prepared **prepared; /* as many as keys */
    hr_token_jws_header_table *known;
} hr_token_verifier_keyset;

/* With one reference, of epoch 0. The errors are those of
 * hr_token_verifier_new() about its keys, with `*error` filled in. */
HR_CHECKED hr_status hr_token_verifier_keyset_new(
    const hr_token_signature_engine *engine, hr_token_keyring_key *const *keys,
    size_t count, hr_token_verifier_keyset **out,
    hr_token_verifier_error *error);
/* NULL is fine. */
void hr_token_verifier_keyset_release(hr_token_verifier_keyset *set);

#endif
