/* SPDX-License-Identifier: MIT */
/* For verifier.c: a ring of keys, each prepared by the engine, with the
 * headers known to lead to them. It is immutable but for that table, counted,
 * and replaced as a whole; a verification holds on to the one that it began
 * with. */
#ifndef HR_VERIFIER_KEYSET_H
#define HR_VERIFIER_KEYSET_H

#include <stdatomic.h>

#include "verifier.h"

typedef struct hr_keyset {
    atomic_uint references;
    uint64_t epoch;
    const hr_engine *engine;
    hr_keyring *ring;
    hr_prepared **prepared; /* as many as keys */
    hr_header_table *known;
} hr_keyset;

/* With one reference, of epoch 0. The errors are those of hr_verifier_new()
 * about its keys, with `*error` filled in. */
HR_CHECKED hr_status hr_keyset_new(const hr_engine *engine,
                                   hr_key *const *keys, size_t count,
                                   hr_keyset **out, hr_verifier_error *error);
/* NULL is fine. */
void hr_keyset_release(hr_keyset *set);

#endif
