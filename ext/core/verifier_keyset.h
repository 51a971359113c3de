/* SPDX-License-Identifier: MIT */
/* For verifier.c: a ring of keys, each prepared by the engine, with the
 * headers known to lead to them. It is immutable but for that table, counted,
 * and replaced as a whole; a verification holds on to the one that it began
 * with. */
#ifndef PS_VERIFIER_KEYSET_H
#define PS_VERIFIER_KEYSET_H

#include <stdatomic.h>

#include "verifier.h"

typedef struct ps_keyset {
    atomic_uint references;
    uint64_t epoch;
    const ps_engine *engine;
    ps_keyring *ring;
    ps_prepared **prepared; /* as many as keys */
    ps_header_table *known;
} ps_keyset;

/* With one reference, of epoch 0. The errors are those of ps_verifier_new()
 * about its keys, with `*error` filled in. */
PS_CHECKED ps_status ps_keyset_new(const ps_engine *engine,
                                   ps_key *const *keys, size_t count,
                                   ps_keyset **out, ps_verifier_error *error);
/* NULL is fine. */
void ps_keyset_release(ps_keyset *set);

#endif
