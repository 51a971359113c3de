/* SPDX-License-Identifier: MIT */
#include "verifier_keyset.h"

#include "alloc.h"

void
ps_keyset_release(ps_keyset *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1,
                                                 memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; set->prepared != NULL && i < set->ring->count; i++) {
        set->engine->free(set->prepared[i]);
    }
    ps_free(set->prepared);
    ps_keyring_free(set->ring);
    ps_header_table_free(set->known);
    ps_free(set);
}

ps_status
ps_keyset_new(const ps_engine *engine, ps_key *const *keys, size_t count,
              ps_keyset **out, ps_verifier_error *error)
{
    *error = (ps_verifier_error){.setting = "keys"};
    ps_keyset *set = ps_calloc(1, sizeof(*set));
    if (set == NULL) {
        return PS_NO_MEMORY;
    }
    atomic_init(&set->references, 1);
    set->engine = engine;
    ps_status status = ps_keyring_new(keys, count, &set->ring, &error->key);
    if (status != PS_OK) {
        goto fail;
    }
    status = PS_NO_MEMORY;
    set->prepared = ps_calloc(count, sizeof(*set->prepared));
    set->known = ps_header_table_new();
    if (set->prepared == NULL || set->known == NULL) {
        goto fail;
    }
    for (size_t i = 0; i < count; i++) {
        status = engine->prepare(keys[i], &set->prepared[i]);
        if (status != PS_OK) {
            error->key = i;
            error->why = status == PS_KEY_ALGORITHM
                             ? "the engine does not have its algorithm"
                             : NULL;
            goto fail;
        }
    }
    *out = set;
    return PS_OK;
fail:
    ps_keyset_release(set);
    return status;
}
