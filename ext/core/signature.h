/* SPDX-License-Identifier: MIT */
/* What the two signature engines offer, and the three primitives that the
 * rest of the core needs of a crypto library: HMAC-SHA256 with a prepared
 * key, constant-time equality, and wiping. Implemented by
 * signature_openssl.c and signature_openssl_hmac.c (always built) and
 * signature_libjwt.c (optional). */
#ifndef PS_SIGNATURE_H
#define PS_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jws.h"
#include "span.h"
#include "status.h"

#define PS_SHA256_SIZE 32

/* A prepared HMAC-SHA256 key: the hash states after the inner and the outer
 * padding block. Plain bytes, no pointers: copy and wipe it freely. */
typedef struct ps_hmac {
    uint64_t inner[16];
    uint64_t outer[16];
} ps_hmac;

/* `secret` of any length above 0. KEY_EMPTY for an empty one. */
PS_CHECKED ps_status ps_hmac_init(ps_hmac *key, ps_span secret);

/* HMAC-SHA256 of the concatenated `parts`. Any thread. */
void ps_hmac_sign(const ps_hmac *key, const ps_span *parts, size_t count,
                  uint8_t out[PS_SHA256_SIZE]);

/* Equal bytes, in time that depends on `size` only. */
bool ps_secret_equal(const void *a, const void *b, size_t size);

/* Overwrites `size` bytes in a way the compiler keeps. */
void ps_wipe(void *block, size_t size);

/* A key as one engine wants it: parsed once, used by any number of threads.
 * The key stays alive for as long (the engine does not retain it). */
typedef struct ps_prepared ps_prepared;
typedef struct ps_key ps_key; /* keyring.h */

typedef struct ps_engine {
    const char *name;
    const char *(*version)(void); /* of the library that runs */
    /* KEY_ALGORITHM: this engine cannot do it. NO_MEMORY. */
    ps_status (*prepare)(const ps_key *key, ps_prepared **prepared);
    void (*free)(ps_prepared *prepared); /* NULL is fine */
    /* Does `signature` (decoded) sign jws->signed_text under this key, by the
     * key's own algorithm? `text` is the whole token. OK; SIGNATURE; ENGINE:
     * the engine refuses it for a reason of its own; NO_MEMORY. Leaves the
     * library's error queue empty. Any thread. */
    ps_status (*verify)(ps_prepared *prepared, ps_span text, const ps_jws *jws,
                        ps_span signature);
} ps_engine;

const ps_engine *ps_engine_openssl(void);

/* NULL where the core was built without libjwt. */
const ps_engine *ps_engine_libjwt(void);

#endif
