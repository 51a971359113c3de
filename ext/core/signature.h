/* SPDX-License-Identifier: MIT */
/* What the two signature engines offer, and the three primitives that the
 * rest of the core needs of a crypto library: HMAC-SHA256 with a prepared
 * key, constant-time equality, and wiping. Implemented by
 * signature_openssl.c and signature_openssl_hmac.c (always built) and
 * signature_libjwt.c (optional). */
#ifndef HR_SIGNATURE_H
#define HR_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jws.h"
#include "span.h"
#include "status.h"

#define HR_SHA256_SIZE 32

/* A prepared HMAC-SHA256 key: the hash states after the inner and the outer
 * padding block. Plain bytes, no pointers: copy and wipe it freely. */
typedef struct hr_hmac {
    uint64_t inner[16];
    uint64_t outer[16];
} hr_hmac;

/* `secret` of any length above 0. KEY_EMPTY for an empty one. */
HR_CHECKED hr_status hr_hmac_init(hr_hmac *key, hr_span secret);

/* HMAC-SHA256 of the concatenated `parts`. Any thread. */
void hr_hmac_sign(const hr_hmac *key, const hr_span *parts, size_t count,
                  uint8_t out[HR_SHA256_SIZE]);

/* Equal bytes, in time that depends on `size` only. */
bool hr_secret_equal(const void *a, const void *b, size_t size);

/* Overwrites `size` bytes in a way the compiler keeps. */
void hr_wipe(void *block, size_t size);

/* A key as one engine wants it: parsed once, used by any number of threads.
 * The key stays alive for as long (the engine does not retain it). */
typedef struct hr_prepared hr_prepared;
typedef struct hr_key hr_key; /* keyring.h */

typedef struct hr_engine {
    const char *name;
    const char *(*version)(void); /* of the library that runs */
    /* KEY_ALGORITHM: this engine cannot do it. NO_MEMORY. */
    hr_status (*prepare)(const hr_key *key, hr_prepared **prepared);
    void (*free)(hr_prepared *prepared); /* NULL is fine */
    /* Does `signature` (decoded) sign jws->signed_text under this key, by the
     * key's own algorithm? `text` is the whole token. OK; SIGNATURE; ENGINE:
     * the engine refuses it for a reason of its own; NO_MEMORY. Leaves the
     * library's error queue empty. Any thread. */
    hr_status (*verify)(hr_prepared *prepared, hr_span text, const hr_jws *jws,
                        hr_span signature);
} hr_engine;

const hr_engine *hr_engine_openssl(void);

/* NULL where the core was built without libjwt. */
const hr_engine *hr_engine_libjwt(void);

#endif
