/* SPDX-License-Identifier: MIT */
/* HMAC-SHA256 on the SHA-256 context itself. The states after the inner and
 * the outer padding block are made once for a key and copied for each use,
 * which takes a fifth of a microsecond for a token where HMAC() takes one and
 * a half. These functions are marked deprecated in OpenSSL 3 but are part of
 * it, hence the macro before the include. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/secret.h"

#include <endian.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#define SHA256_BLOCK 64
#define IPAD 0x36
#define OPAD 0x5c
#define SHA256_ONE_BLOCK 55 /* bytes before 0x80 and eight of length */

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((hr_secret_hmac *)0)->inner),
               "a prepared state does not fit");
_Static_assert(offsetof(SHA256_CTX, h) == 0, "a state begins with its words");

bool
hr_secret_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void
hr_secret_wipe(void *block, size_t size)
{
    OPENSSL_cleanse(block, size);
}

hr_status
hr_secret_hmac_init(hr_secret_hmac *key, hr_span secret)
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
    hr_secret_wipe(block, sizeof(block));
    hr_secret_wipe(&hash, sizeof(hash));
    return HR_OK;
}

static inline void
write_state(const SHA256_CTX *hash, uint8_t out[HR_SECRET_SHA256_SIZE])
{
    for (size_t i = 0; i < HR_SECRET_SHA256_SIZE / 4; i++) {
        uint32_t word = htobe32(hash->h[i]);
        memcpy(out + 4 * i, &word, sizeof(word));
    }
}

/* HMAC's outer hash. The inner hash stands at the start of `block`; the rest
 * of this one block is known beforehand. */
static inline void
outer_sha256(SHA256_CTX *hash, uint8_t block[SHA256_BLOCK],
             uint8_t mac[HR_SECRET_SHA256_SIZE])
{
    memset(block + HR_SECRET_SHA256_SIZE, 0,
           SHA256_BLOCK - HR_SECRET_SHA256_SIZE);
    block[HR_SECRET_SHA256_SIZE] = 0x80; /* then zeros, the length in bits */
    block[SHA256_BLOCK - 2] = (SHA256_BLOCK + HR_SECRET_SHA256_SIZE) * 8 >> 8;
    SHA256_Transform(hash, block);
    write_state(hash, mac);
}

/* HMAC's inner hash of `len` bytes that fit one block together with their
 * padding. The hash is written to the start of `block`. The library's
 * buffering costs as much as the compression function. */
static inline void
inner_sha256(SHA256_CTX *hash, const hr_span *parts, size_t count, size_t len,
             uint8_t block[SHA256_BLOCK])
{
    memset(block, 0, SHA256_BLOCK);
    uint8_t *at = block;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len != 0) {
            memcpy(at, parts[i].ptr, parts[i].len);
        }
        at += parts[i].len;
    }
    uint16_t bits = htobe16((uint16_t)((SHA256_BLOCK + len) * 8));
    *at = 0x80;
    memcpy(block + SHA256_BLOCK - sizeof(bits), &bits, sizeof(bits));
    SHA256_Transform(hash, block);
    write_state(hash, block);
}

void
hr_secret_hmac_sign(const hr_secret_hmac *key, const hr_span *parts,
                    size_t count, uint8_t out[HR_SECRET_SHA256_SIZE])
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += parts[i].len;
    }
    /* For whole blocks, only the words of the state are needed. */
    SHA256_CTX hash;
    uint8_t block[SHA256_BLOCK];
    if (len <= SHA256_ONE_BLOCK) {
        memcpy(hash.h, key->inner, sizeof(hash.h));
        inner_sha256(&hash, parts, count, len, block);
    } else {
        memcpy(&hash, key->inner, sizeof(hash));
        for (size_t i = 0; i < count; i++) {
            if (parts[i].len != 0) {
                SHA256_Update(&hash, parts[i].ptr, parts[i].len);
            }
        }
        SHA256_Final(block, &hash);
    }
    memcpy(hash.h, key->outer, sizeof(hash.h));
    outer_sha256(&hash, block, out);
}
