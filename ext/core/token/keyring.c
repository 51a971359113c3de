/* SPDX-License-Identifier: MIT */
/* The life of keys, HMAC secrets, and the ring. Public keys come from
 * token/keyring_pem.c and token/keyring_jwk.c. */
#include "token/keyring.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/alloc.h"

hr_token_keyring_key *
hr_token_keyring_key_retain(hr_token_keyring_key *key)
{
    atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
    return key;
}

void
hr_token_keyring_key_release(hr_token_keyring_key *key)
{
    if (key == NULL || atomic_fetch_sub_explicit(&key->references, 1,
                                                 memory_order_acq_rel) != 1) {
        return;
    }
    if (key->secret.ptr != NULL) {
        OPENSSL_cleanse((char *)key->secret.ptr, key->secret.len);
    }
    EVP_PKEY_free(key->public_key);
    hr_alloc_free((char *)key->secret.ptr);
    hr_alloc_free((char *)key->der.ptr);
    hr_alloc_free((char *)key->key_id.ptr);
    hr_alloc_free(key);
}

bool
hr_token_keyring_key_id_is_usable(hr_span key_id)
{
    if (key_id.len > HR_KEY_ID_MAX) {
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
copy_span(hr_span text, hr_span *copy)
{
    if (text.ptr == NULL) {
        *copy = HR_NO_SPAN;
        return true;
    }
    *copy = (hr_span){hr_alloc_copy(text), text.len};
    return copy->ptr != NULL;
}

hr_status
hr_token_keyring_key_new(hr_token_jws_algorithm algorithm, hr_span key_id,
                         hr_span secret, hr_span der,
                         hr_token_keyring_key **key)
{
    if (!hr_token_keyring_key_id_is_usable(key_id)) {
        return HR_KEY_FORMAT;
    }
    hr_token_keyring_key *fresh = hr_alloc_zeroed(1, sizeof(*fresh));
    if (fresh == NULL) {
        return HR_NO_MEMORY;
    }
    atomic_init(&fresh->references, 1);
    fresh->algorithm = algorithm;
    fresh->has_key_id = key_id.ptr != NULL;
    if (!copy_span(key_id, &fresh->key_id) ||
        !copy_span(secret, &fresh->secret) || !copy_span(der, &fresh->der)) {
        hr_token_keyring_key_release(fresh);
        return HR_NO_MEMORY;
    }
    *key = fresh;
    return HR_OK;
}

hr_status
hr_token_keyring_key_from_secret(hr_span secret,
                                 hr_token_jws_algorithm algorithm,
                                 hr_span key_id, bool short_too,
                                 hr_token_keyring_key **key)
{
    if (hr_token_jws_algorithm_family(algorithm) != HR_TOKEN_JWS_FAMILY_HMAC) {
        return HR_KEY_ALGORITHM;
    }
    if (secret.len == 0) {
        return HR_KEY_EMPTY;
    }
    if (secret.len > HR_SECRET_MAX) {
        return HR_KEY_TOO_LONG;
    }
    if (hr_token_keyring_material_is_known(secret)) {
        return HR_KEY_NOT_SECRET;
    }
    if (secret.len < hr_token_jws_algorithm_hash_size(algorithm) &&
        !short_too) {
        return HR_KEY_TOO_SHORT;
    }
    return hr_token_keyring_key_new(algorithm, key_id, secret, HR_NO_SPAN,
                                    key);
}

hr_status
hr_token_keyring_new(hr_token_keyring_key *const *keys, size_t count,
                     hr_token_keyring **ring, size_t *at)
{
    *at = 0;
    if (count == 0) {
        return HR_KEY_EMPTY;
    }
    if (count > HR_KEYS_MAX) {
        return HR_KEY_TOO_LONG;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i && keys[i]->has_key_id; j++) {
            if (keys[j]->has_key_id &&
                hr_span_equal(keys[i]->key_id, keys[j]->key_id)) {
                *at = i;
                return HR_KEY_DUPLICATE;
            }
        }
    }
    hr_token_keyring *fresh = hr_alloc_zeroed(1, sizeof(*fresh));
    hr_token_keyring_key **copy = hr_alloc_zeroed(count, sizeof(*copy));
    if (fresh == NULL || copy == NULL) {
        hr_alloc_free(fresh);
        hr_alloc_free(copy);
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        copy[i] = hr_token_keyring_key_retain(keys[i]);
    }
    *fresh = (hr_token_keyring){.count = count, .keys = copy};
    *ring = fresh;
    return HR_OK;
}

void
hr_token_keyring_free(hr_token_keyring *ring)
{
    if (ring == NULL) {
        return;
    }
    for (size_t i = 0; i < ring->count; i++) {
        hr_token_keyring_key_release(ring->keys[i]);
    }
    hr_alloc_free(ring->keys);
    hr_alloc_free(ring);
}

hr_status
hr_token_keyring_select(const hr_token_keyring *ring,
                        const hr_token_jws_header *jose,
                        uint16_t places[HR_KEYS_MAX], size_t *count)
{
    bool by_id = false;
    for (size_t i = 0; i < ring->count && jose->has_key_id && !by_id; i++) {
        by_id = ring->keys[i]->has_key_id &&
                hr_span_equal(ring->keys[i]->key_id, jose->key_id);
    }
    size_t found = 0, candidates = 0;
    for (size_t i = 0; i < ring->count; i++) {
        const hr_token_keyring_key *key = ring->keys[i];
        if (by_id ? !(key->has_key_id &&
                      hr_span_equal(key->key_id, jose->key_id))
                  : jose->has_key_id && key->has_key_id) {
            continue;
        }
        candidates++;
        if (key->algorithm == jose->algorithm) {
            places[found++] = (uint16_t)i;
        }
    }
    if (candidates == 0) {
        return HR_KEY_ID;
    }
    if (found == 0) {
        return HR_ALGORITHM;
    }
    *count = found;
    return HR_OK;
}
