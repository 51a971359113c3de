/* SPDX-License-Identifier: MIT */
#include "token/verifier_keyset.h"

#include "base/alloc.h"

void
hr_token_verifier_keyset_release(hr_token_verifier_keyset *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1,
                                                 memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; set->prepared != NULL && i < set->ring->count; i++) {
        set->engine->free(set->prepared[i]);
    }
    hr_alloc_free(set->prepared);
    hr_token_keyring_free(set->ring);
    hr_token_jws_header_table_free(set->known);
    hr_alloc_free(set);
}

hr_status
hr_token_verifier_keyset_new(const hr_token_signature_engine *engine,
                             hr_token_keyring_key *const *keys, size_t count,
                             hr_token_verifier_keyset **out,
                             hr_token_verifier_error *error)
{
    *error = (hr_token_verifier_error){.setting = "keys"};
    hr_token_verifier_keyset *set = hr_alloc_zeroed(1, sizeof(*set));
    if (set == NULL) {
        return HR_NO_MEMORY;
    }
    atomic_init(&set->references, 1);
    set->engine = engine;
    hr_status status =
        hr_token_keyring_new(keys, count, &set->ring, &error->key);
    if (status != HR_OK) {
        goto fail;
    }
    status = HR_NO_MEMORY;
    set->prepared = hr_alloc_zeroed(count, sizeof(*set->prepared));
    set->known = hr_token_jws_header_table_new();
    if (set->prepared == NULL || set->known == NULL) {
        goto fail;
    }
    for (size_t i = 0; i < count; i++) {
        status = engine->prepare(keys[i], &set->prepared[i]);
        if (status != HR_OK) {
            error->key = i;
            error->why = status == HR_KEY_ALGORITHM
                             ? "the engine does not have its algorithm"
                             : NULL;
            goto fail;
        }
    }
    *out = set;
    return HR_OK;
fail:
    hr_token_verifier_keyset_release(set);
    return status;
}
