/* SPDX-License-Identifier: MIT */
/* The three primitives of signature.h: what the rest of the core needs of a
 * crypto library. */
#include "signature_openssl_sha256.h"

#include <openssl/crypto.h>

#define SHA256_ONE_BLOCK 55 /* bytes before 0x80 and eight of length */

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((hr_hmac *)0)->inner),
               "a prepared state does not fit");

bool
hr_secret_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void
hr_wipe(void *block, size_t size)
{
    OPENSSL_cleanse(block, size);
}

hr_status
hr_hmac_init(hr_hmac *key, hr_span secret)
{
    if (secret.len == 0) {
        return HR_KEY_EMPTY;
    }
    uint8_t block[SHA256_BLOCK] = {0};
    if (secret.len <= SHA256_BLOCK) {
        memcpy(block, secret.ptr, secret.len);
    } else {
        SHA256((const uint8_t *)secret.ptr, secret.len, block);
    }
    memset(key, 0, sizeof(*key));
    SHA256_CTX hash;
    for (size_t i = 0; i < SHA256_BLOCK; i++) {
        block[i] ^= IPAD;
    }
    SHA256_Init(&hash);
    SHA256_Update(&hash, block, SHA256_BLOCK);
    memcpy(key->inner, &hash, sizeof(hash));
    for (size_t i = 0; i < SHA256_BLOCK; i++) {
        block[i] ^= IPAD ^ OPAD;
    }
    SHA256_Init(&hash);
    SHA256_Update(&hash, block, SHA256_BLOCK);
    memcpy(key->outer, &hash, sizeof(hash));
    hr_wipe(block, sizeof(block));
    hr_wipe(&hash, sizeof(hash));
    return HR_OK;
}

/* HMAC's inner hash, of a message that fits one block with what closes it;
 * false when it does not. The library's buffering costs as much as the
 * compression function. */
static inline bool
inner_sha256(SHA256_CTX *hash, const hr_span *parts, size_t count,
             uint8_t mac[HR_SHA256_SIZE])
{
    uint8_t block[SHA256_BLOCK] = {0};
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > SHA256_ONE_BLOCK - len) {
            return false;
        }
        if (parts[i].len != 0) {
            memcpy(block + len, parts[i].ptr, parts[i].len);
        }
        len += parts[i].len;
    }
    uint16_t bits = htobe16((uint16_t)((SHA256_BLOCK + len) * 8));
    block[len] = 0x80;
    memcpy(block + SHA256_BLOCK - sizeof(bits), &bits, sizeof(bits));
    SHA256_Transform(hash, block);
    write_state(hash, mac);
    return true;
}

void
hr_hmac_sign(const hr_hmac *key, const hr_span *parts, size_t count,
             uint8_t out[HR_SHA256_SIZE])
{
    SHA256_CTX hash;
    memcpy(&hash, key->inner, sizeof(hash));
    if (!inner_sha256(&hash, parts, count, out)) {
        for (size_t i = 0; i < count; i++) {
            if (parts[i].len != 0) {
                SHA256_Update(&hash, parts[i].ptr, parts[i].len);
            }
        }
        SHA256_Final(out, &hash);
    }
    memcpy(&hash, key->outer, sizeof(hash));
    outer_sha256(hash, out);
}
