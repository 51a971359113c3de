/* SPDX-License-Identifier: MIT */
/* Keys, each pinned to exactly one algorithm when it is made, and the ring of
 * keys that a verifier holds. Weak and unfit keys are refused here, once, so
 * that verification never has to ask. */
#ifndef PS_KEYRING_H
#define PS_KEYRING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "jws.h"
#include "span.h"
#include "status.h"

/* One key. Immutable but for the count. */
typedef struct ps_key {
    atomic_uint references;
    ps_algorithm algorithm;
    bool has_key_id;
    ps_span key_id;   /* owned */
    ps_span secret;   /* HMAC: owned, wiped when freed; else absent */
    ps_span der;      /* else: SubjectPublicKeyInfo, owned */
    void *public_key; /* else: the EVP_PKEY, owned */
    size_t size;      /* RSA: bytes of the modulus; EC: of a coordinate */
} ps_key;

/* A key of an HMAC secret. `key_id` may be absent. `short_too` takes a secret
 * shorter than the hash. KEY_ALGORITHM: not an HMAC one. KEY_EMPTY,
 * KEY_TOO_SHORT, KEY_TOO_LONG. KEY_NOT_SECRET: any encoding of key material
 * (PEM, DER, JWK, JWK Set, OpenSSH, or base64, hexadecimal or UTF-16 of one),
 * however it is dressed up.
 * KEY_FORMAT: the key_id has control characters or is too long. */
PS_CHECKED ps_status ps_key_from_secret(ps_span secret, ps_algorithm algorithm,
                                        ps_span key_id, bool short_too,
                                        ps_key **key);

/* A key of one PEM block: SubjectPublicKeyInfo, PKCS#1 or an X.509
 * certificate (whose dates and chain are not looked at). KEY_PRIVATE,
 * KEY_FORMAT, and what ps_key_from_der() answers. */
PS_CHECKED ps_status ps_key_from_pem(ps_span pem, ps_algorithm algorithm,
                                     ps_span key_id, ps_key **key);

/* A key of a DER SubjectPublicKeyInfo. KEY_ALGORITHM: the key is of another
 * kind than the algorithm. KEY_WEAK: RSA under 2048 bits, with an exponent
 * that is even, 1 or over 2^33, an even modulus, or the ROCA fingerprint;
 * Ed25519 points of small order. KEY_TOO_LONG: RSA over 8192 bits. KEY_CURVE:
 * the wrong curve, or a point that is not on it. KEY_FORMAT. */
PS_CHECKED ps_status ps_key_from_der(ps_span der, ps_algorithm algorithm,
                                     ps_span key_id, ps_key **key);

/* The parts of a public key, big-endian, as a SubjectPublicKeyInfo in `der`,
 * which has room for PS_DER_MAX bytes; answers the length, 0 when it does not
 * fit. RSA: modulus and exponent; EC: the coordinates, of the curve's size;
 * OKP: the point, and nothing. */
#define PS_DER_MAX 1200
size_t ps_key_parts_to_der(ps_algorithm algorithm, ps_span a, ps_span b,
                           uint8_t der[PS_DER_MAX]);

/* Is `bytes` some encoding of a public or private key? */
bool ps_key_is_material(ps_span bytes);

/* A key of one JWK. Its own `alg` pins it, else `fallback` (NULL: none).
 * `*skip` says whether a set passes over the key when it is refused: it is of
 * another use or kind, not weak or malformed. */
PS_CHECKED ps_status ps_key_from_jwk(ps_span document,
                                     const ps_algorithm *fallback,
                                     ps_key **key, bool *skip);

/* The keys of a JWK Set, in order, into `keys` (PS_KEYS_MAX places), and how
 * many were passed over. On failure `*at` is the place of the bad key in the
 * set, and `keys` holds nothing. KEY_DUPLICATE, KEY_MIXED (secrets and public
 * keys), KEY_TOO_LONG (too many), and what a single key is refused for. */
PS_CHECKED ps_status ps_keys_from_jwks(ps_span document,
                                       const ps_algorithm *fallback,
                                       ps_key **keys, size_t *count,
                                       size_t *skipped, size_t *at);

/* For the three above: a key with copies of what it is given; the caller adds
 * public_key and size. KEY_FORMAT: the key id. NO_MEMORY. */
PS_CHECKED ps_status ps_key_new(ps_algorithm algorithm, ps_span key_id,
                                ps_span secret, ps_span der, ps_key **key);

ps_key *ps_key_retain(ps_key *key);
/* NULL is fine. The last one wipes the secret. */
void ps_key_release(ps_key *key);

/* The keys of a verifier; immutable. */
typedef struct ps_keyring {
    size_t count;
    ps_key **keys; /* one reference each */
} ps_keyring;

/* Retains the keys. KEY_EMPTY: none. KEY_DUPLICATE: two of one key id; `*at`
 * is the later one. KEY_TOO_LONG: more than PS_KEYS_MAX. NO_MEMORY. */
PS_CHECKED ps_status ps_keyring_new(ps_key *const *keys, size_t count,
                                    ps_keyring **ring, size_t *at);
/* NULL is fine. */
void ps_keyring_free(ps_keyring *ring);

/* The places of the keys to try for a header: with a key id those of that id,
 * else those without one; always those of the header's algorithm only. OK: at
 * least one. KEY_ID: no key has the id, and all have one. ALGORITHM: the keys
 * that come into question are of other algorithms. */
PS_CHECKED ps_status ps_keyring_select(const ps_keyring *ring,
                                       const ps_jose *jose,
                                       uint16_t places[PS_KEYS_MAX],
                                       size_t *count);

#endif
