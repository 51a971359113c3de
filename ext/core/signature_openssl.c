/* SPDX-License-Identifier: MIT */
/* Signatures with the API that OpenSSL >= 3.0 and AWS-LC share.
 *
 * HMAC runs on the SHA-2 contexts themselves: the states after the inner and
 * the outer padding block are made once for a key and copied for each use,
 * which takes a fifth of a microsecond for a token where HMAC() takes one and
 * a half. These functions are marked deprecated in OpenSSL 3 but are part of
 * it, hence the macro before the include. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "signature.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#define SHA256_BLOCK 64
#define IPAD 0x36
#define OPAD 0x5c

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((ps_hmac *)0)->inner),
               "a prepared state does not fit");

bool
ps_secret_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void
ps_wipe(void *block, size_t size)
{
    OPENSSL_cleanse(block, size);
}

ps_status
ps_hmac_init(ps_hmac *key, ps_span secret)
{
    if (secret.len == 0) {
        return PS_KEY_EMPTY;
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
    ps_wipe(block, sizeof(block));
    ps_wipe(&hash, sizeof(hash));
    return PS_OK;
}

void
ps_hmac_sign(const ps_hmac *key, const ps_span *parts, size_t count,
             uint8_t out[PS_SHA256_SIZE])
{
    SHA256_CTX hash;
    uint8_t inner[PS_SHA256_SIZE];
    memcpy(&hash, key->inner, sizeof(hash));
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len != 0) {
            SHA256_Update(&hash, parts[i].ptr, parts[i].len);
        }
    }
    SHA256_Final(inner, &hash);
    memcpy(&hash, key->outer, sizeof(hash));
    SHA256_Update(&hash, inner, sizeof(inner));
    SHA256_Final(out, &hash);
}
