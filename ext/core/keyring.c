/* SPDX-License-Identifier: MIT */
/* The life of keys, HMAC secrets, and the ring. Public keys come from
 * keyring_pem.c and keyring_jwk.c. */
#include "keyring.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "alloc.h"

ps_key *
ps_key_retain(ps_key *key)
{
    atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
    return key;
}

void
ps_key_release(ps_key *key)
{
    if (key == NULL || atomic_fetch_sub_explicit(&key->references, 1,
                                                 memory_order_acq_rel) != 1) {
        return;
    }
    if (key->secret.ptr != NULL) {
        OPENSSL_cleanse((char *)key->secret.ptr, key->secret.len);
    }
    EVP_PKEY_free(key->public_key);
    ps_free((char *)key->secret.ptr);
    ps_free((char *)key->der.ptr);
    ps_free((char *)key->key_id.ptr);
    ps_free(key);
}

static bool
usable_key_id(ps_span key_id)
{
    if (key_id.len > PS_KEY_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < key_id.len; i++) {
        if ((unsigned char)key_id.ptr[i] < ' ' || key_id.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* A copy of `text` in `*copy`; an absent one stays absent. */
static bool
copy_span(ps_span text, ps_span *copy)
{
    if (text.ptr == NULL) {
        *copy = PS_NO_SPAN;
        return true;
    }
    *copy = (ps_span){ps_dup(text), text.len};
    return copy->ptr != NULL;
}

ps_status
ps_key_new(ps_algorithm algorithm, ps_span key_id, ps_span secret, ps_span der,
           ps_key **key)
{
    if (!usable_key_id(key_id)) {
        return PS_KEY_FORMAT;
    }
    ps_key *fresh = ps_calloc(1, sizeof(*fresh));
    if (fresh == NULL) {
        return PS_NO_MEMORY;
    }
    atomic_init(&fresh->references, 1);
    fresh->algorithm = algorithm;
    fresh->has_key_id = key_id.ptr != NULL;
    if (!copy_span(key_id, &fresh->key_id) ||
        !copy_span(secret, &fresh->secret) || !copy_span(der, &fresh->der)) {
        ps_key_release(fresh);
        return PS_NO_MEMORY;
    }
    *key = fresh;
    return PS_OK;
}

ps_status
ps_key_from_secret(ps_span secret, ps_algorithm algorithm, ps_span key_id,
                   bool short_too, ps_key **key)
{
    if (ps_algorithm_family(algorithm) != PS_FAMILY_HMAC) {
        return PS_KEY_ALGORITHM;
    }
    if (secret.len == 0) {
        return PS_KEY_EMPTY;
    }
    if (secret.len > PS_SECRET_MAX) {
        return PS_KEY_TOO_LONG;
    }
    if (ps_key_is_material(secret)) {
        return PS_KEY_NOT_SECRET;
    }
    if (secret.len < ps_algorithm_hash_size(algorithm) && !short_too) {
        return PS_KEY_TOO_SHORT;
    }
    return ps_key_new(algorithm, key_id, secret, PS_NO_SPAN, key);
}

ps_status
ps_keyring_new(ps_key *const *keys, size_t count, ps_keyring **ring,
               size_t *at)
{
    *at = 0;
    if (count == 0) {
        return PS_KEY_EMPTY;
    }
    if (count > PS_KEYS_MAX) {
        return PS_KEY_TOO_LONG;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i && keys[i]->has_key_id; j++) {
            if (keys[j]->has_key_id &&
                ps_span_equal(keys[i]->key_id, keys[j]->key_id)) {
                *at = i;
                return PS_KEY_DUPLICATE;
            }
        }
    }
    ps_keyring *fresh = ps_calloc(1, sizeof(*fresh));
    ps_key **copy = ps_calloc(count, sizeof(*copy));
    if (fresh == NULL || copy == NULL) {
        ps_free(fresh);
        ps_free(copy);
        return PS_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        copy[i] = ps_key_retain(keys[i]);
    }
    *fresh = (ps_keyring){.count = count, .keys = copy};
    *ring = fresh;
    return PS_OK;
}

void
ps_keyring_free(ps_keyring *ring)
{
    if (ring == NULL) {
        return;
    }
    for (size_t i = 0; i < ring->count; i++) {
        ps_key_release(ring->keys[i]);
    }
    ps_free(ring->keys);
    ps_free(ring);
}

ps_status
ps_keyring_select(const ps_keyring *ring, const ps_jose *jose,
                  uint16_t places[PS_KEYS_MAX], size_t *count)
{
    bool by_id = false;
    for (size_t i = 0; i < ring->count && jose->has_key_id && !by_id; i++) {
        by_id = ring->keys[i]->has_key_id &&
                ps_span_equal(ring->keys[i]->key_id, jose->key_id);
    }
    size_t found = 0, candidates = 0;
    for (size_t i = 0; i < ring->count; i++) {
        const ps_key *key = ring->keys[i];
        if (by_id ? !(key->has_key_id &&
                      ps_span_equal(key->key_id, jose->key_id))
                  : jose->has_key_id && key->has_key_id) {
            continue;
        }
        candidates++;
        if (key->algorithm == jose->algorithm) {
            places[found++] = (uint16_t)i;
        }
    }
    if (candidates == 0) {
        return PS_KEY_ID;
    }
    if (found == 0) {
        return PS_ALGORITHM;
    }
    *count = found;
    return PS_OK;
}
