/* SPDX-License-Identifier: MIT */
/* Keys, each pinned to exactly one algorithm when it is made, and the ring of
 * keys that a verifier holds. Weak and unfit keys are refused here, once, so
 * that verification never has to ask. */
#ifndef HR_KEYRING_H
#define HR_KEYRING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "jws.h"
#include "span.h"
#include "status.h"

/* One key. Immutable but for the count. */
typedef struct hr_key {
    atomic_uint references;
    hr_algorithm algorithm;
    bool has_key_id;
    hr_span key_id;   /* owned */
    hr_span secret;   /* HMAC: owned, wiped when freed; else absent */
    hr_span der;      /* else: SubjectPublicKeyInfo, owned */
    void *public_key; /* else: the EVP_PKEY, owned */
    size_t size;      /* RSA: bytes of the modulus; EC: of a coordinate */
} hr_key;

/* A key of an HMAC secret. `key_id` may be absent. `short_too` takes a secret
 * shorter than the hash. KEY_ALGORITHM: not an HMAC one. KEY_EMPTY,
 * KEY_TOO_SHORT, KEY_TOO_LONG. KEY_NOT_SECRET: any encoding of key material
 * (PEM, DER, JWK, JWK Set, OpenSSH, or base64, hexadecimal or UTF-16 of one),
 * however it is dressed up.
 * KEY_FORMAT: the key_id has control characters or is too long. */
HR_CHECKED hr_status hr_key_from_secret(hr_span secret, hr_algorithm algorithm,
                                        hr_span key_id, bool short_too,
                                        hr_key **key);

/* A key of one PEM block: SubjectPublicKeyInfo, PKCS#1 or an X.509
 * certificate (whose dates and chain are not looked at). KEY_PRIVATE,
 * KEY_FORMAT, and what hr_key_from_der() answers. */
HR_CHECKED hr_status hr_key_from_pem(hr_span pem, hr_algorithm algorithm,
                                     hr_span key_id, hr_key **key);

/* A key of a DER SubjectPublicKeyInfo. KEY_ALGORITHM: the key is of another
 * kind than the algorithm. KEY_WEAK: RSA under 2048 bits, with an exponent
 * that is even, 1 or over 2^33, an even modulus, or the ROCA fingerprint;
 * Ed25519 points of small order. KEY_TOO_LONG: RSA over 8192 bits. KEY_CURVE:
 * the wrong curve, or a point that is not on it. KEY_FORMAT. */
HR_CHECKED hr_status hr_key_from_der(hr_span der, hr_algorithm algorithm,
                                     hr_span key_id, hr_key **key);

/* The parts of a public key, big-endian, as a SubjectPublicKeyInfo in `der`,
 * which has room for HR_DER_MAX bytes; answers the length, 0 when it does not
 * fit. RSA: modulus and exponent; EC: the coordinates, of the curve's size;
 * OKP: the point, and nothing. */
#define HR_DER_MAX 1200
size_t hr_key_parts_to_der(hr_algorithm algorithm, hr_span a, hr_span b,
                           uint8_t der[HR_DER_MAX]);

/* Is `bytes` some encoding of a public or private key? */
bool hr_key_is_material(hr_span bytes);

/* A key of one JWK. Its own `alg` pins it, else `fallback` (NULL: none).
 * `*skip` says whether a set passes over the key when it is refused: it is of
 * another use or kind, not weak or malformed. */
HR_CHECKED hr_status hr_key_from_jwk(hr_span document,
                                     const hr_algorithm *fallback,
                                     hr_key **key, bool *skip);

/* The keys of a JWK Set, in order, into `keys` (HR_KEYS_MAX places), and how
 * many were passed over. On failure `*at` is the place of the bad key in the
 * set, and `keys` holds nothing. KEY_DUPLICATE, KEY_MIXED (secrets and public
 * keys), KEY_TOO_LONG (too many), and what a single key is refused for. */
HR_CHECKED hr_status hr_keys_from_jwks(hr_span document,
                                       const hr_algorithm *fallback,
                                       hr_key **keys, size_t *count,
                                       size_t *skipped, size_t *at);

/* For the three above: a key with copies of what it is given; the caller adds
 * public_key and size. KEY_FORMAT: the key id. NO_MEMORY. */
HR_CHECKED hr_status hr_key_new(hr_algorithm algorithm, hr_span key_id,
                                hr_span secret, hr_span der, hr_key **key);

hr_key *hr_key_retain(hr_key *key);
/* NULL is fine. The last one wipes the secret. */
void hr_key_release(hr_key *key);

/* The keys of a verifier; immutable. */
typedef struct hr_keyring {
    size_t count;
    hr_key **keys; /* one reference each */
} hr_keyring;

/* Retains the keys. KEY_EMPTY: none. KEY_DUPLICATE: two of one key id; `*at`
 * is the later one. KEY_TOO_LONG: more than HR_KEYS_MAX. NO_MEMORY. */
HR_CHECKED hr_status hr_keyring_new(hr_key *const *keys, size_t count,
                                    hr_keyring **ring, size_t *at);
/* NULL is fine. */
void hr_keyring_free(hr_keyring *ring);

/* The places of the keys to try for a header: with a key id those of that id,
 * else those without one; always those of the header's algorithm only. OK: at
 * least one. KEY_ID: no key has the id, and all have one. ALGORITHM: the keys
 * that come into question are of other algorithms. */
HR_CHECKED hr_status hr_keyring_select(const hr_keyring *ring,
                                       const hr_jose *jose,
                                       uint16_t places[HR_KEYS_MAX],
                                       size_t *count);

#endif
