/* SPDX-License-Identifier: MIT */
/* For signature_openssl.c and signature_openssl_hmac.c: HMAC-SHA256 on the
 * SHA-256 context itself. The states after the inner and the outer padding
 * block are made once for a key and copied for each use, which takes a fifth
 * of a microsecond for a token where HMAC() takes one and a half. These
 * functions are marked deprecated in OpenSSL 3 but are part of it, hence the
 * macro before the include. */
#ifndef HR_SIGNATURE_OPENSSL_SHA256_H
#define HR_SIGNATURE_OPENSSL_SHA256_H

#define OPENSSL_SUPPRESS_DEPRECATED

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include <openssl/sha.h>

#include "signature.h"

#define SHA256_BLOCK 64
#define IPAD 0x36
#define OPAD 0x5c

static inline void
write_state(const SHA256_CTX *hash, uint8_t out[HR_SHA256_SIZE])
{
    for (size_t i = 0; i < HR_SHA256_SIZE / 4; i++) {
        uint32_t word = htobe32(hash->h[i]);
        memcpy(out + 4 * i, &word, sizeof(word));
    }
}

/* HMAC's outer hash, of the inner one in `mac`: a single block, all of which
 * but the inner hash is known beforehand. */
static inline void
outer_sha256(SHA256_CTX hash, uint8_t mac[HR_SHA256_SIZE])
{
    uint8_t block[SHA256_BLOCK] = {0};
    memcpy(block, mac, HR_SHA256_SIZE);
    block[HR_SHA256_SIZE] = 0x80; /* then zeros, then the length in bits */
    block[SHA256_BLOCK - 2] = (SHA256_BLOCK + HR_SHA256_SIZE) * 8 >> 8;
    SHA256_Transform(&hash, block);
    write_state(&hash, mac);
}

#endif
