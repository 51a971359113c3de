/* SPDX-License-Identifier: MIT */
/* Keys, each pinned to exactly one algorithm when it is made, and the ring of
 * keys that a verifier holds. Weak and unfit keys are refused here, once, so
 * that verification never has to ask. */
#ifndef HR_TOKEN_KEYRING_H
#define HR_TOKEN_KEYRING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "token/jws.h"
#include "base/span.h"
#include "base/status.h"

/* One key. Immutable but for the count. */
typedef struct hr_token_keyring_key {
    atomic_uint references;
    hr_token_jws_algorithm algorithm;
    bool has_key_id;
    hr_span key_id;   /* owned */
    hr_span secret;   /* HMAC: owned, wiped when freed; else absent */
    hr_span der;      /* else: SubjectPublicKeyInfo, owned */
    void *public_key; /* else: the EVP_PKEY, owned */
    size_t size;      /* RSA: bytes of the modulus; EC: of a coordinate */
} hr_token_keyring_key;

/* Is it short enough, and without control characters? */
bool hr_token_keyring_key_id_is_usable(hr_span key_id);

/* A key of an HMAC secret. `key_id` may be absent. `short_too` takes a secret
 * shorter than the hash. KEY_ALGORITHM: not an HMAC one. KEY_EMPTY,
 * KEY_TOO_SHORT, KEY_TOO_LONG. KEY_NOT_SECRET: any encoding of key material
 * (PEM, DER, JWK, JWK Set, OpenSSH, or base64, hexadecimal or UTF-16 of one),
 * however it is dressed up.
 * KEY_FORMAT: the key_id has control characters or is too long. */
HR_CHECKED hr_status hr_token_keyring_key_from_secret(
    hr_span secret, hr_token_jws_algorithm algorithm, hr_span key_id,
    bool short_too, hr_token_keyring_key **key);

/* A key of one PEM block: SubjectPublicKeyInfo, PKCS#1 or an X.509
 * certificate (whose dates and chain are not looked at). KEY_PRIVATE,
 * KEY_FORMAT, and what hr_token_keyring_pem_read_der() answers. */
HR_CHECKED hr_status
hr_token_keyring_pem_read(hr_span pem, hr_token_jws_algorithm algorithm,
                          hr_span key_id, hr_token_keyring_key **key);

/* A key of a DER SubjectPublicKeyInfo. KEY_ALGORITHM: the key is of another
 * kind than the algorithm. KEY_WEAK: RSA under 2048 bits, with an exponent
 * that is even, 1 or over 2^33, an even modulus, or the ROCA fingerprint;
 * Ed25519 points of small order. KEY_TOO_LONG: RSA over 8192 bits. KEY_CURVE:
 * the wrong curve, or a point that is not on it. KEY_FORMAT. */
HR_CHECKED hr_status
hr_token_keyring_pem_read_der(hr_span der, hr_token_jws_algorithm algorithm,
                              hr_span key_id, hr_token_keyring_key **key);

/* The parts of a public key, big-endian, as a SubjectPublicKeyInfo in `der`,
 * which has room for HR_TOKEN_KEYRING_DER_MAX bytes; answers the length, 0
 * when it does not fit. RSA: modulus and exponent; EC: the coordinates, of the
 * curve's size; OKP: the point, and nothing. */
#define HR_TOKEN_KEYRING_DER_MAX 1200
size_t
hr_token_keyring_pem_parts_to_der(hr_token_jws_algorithm algorithm, hr_span a,
                                  hr_span b,
                                  uint8_t der[HR_TOKEN_KEYRING_DER_MAX]);

/* Is `bytes` some encoding of a public or private key? */
bool hr_token_keyring_material_is_known(hr_span bytes);

/* A key of one JWK. Its own `alg` pins it, else `fallback` (NULL: none).
 * `*skip` says whether a set passes over the key when it is refused: it is of
 * another use or kind, not weak or malformed. */
HR_CHECKED hr_status hr_token_keyring_jwk_read(
    hr_span document, const hr_token_jws_algorithm *fallback,
    hr_token_keyring_key **key, bool *skip);

/* The keys of a JWK Set, in order, into `keys` (HR_KEYS_MAX places), and how
 * many were passed over. On failure `*at` is the place of the bad key in the
 * set, and `keys` holds nothing. KEY_DUPLICATE, KEY_MIXED (secrets and public
 * keys), KEY_TOO_LONG (too many), and what a single key is refused for. */
HR_CHECKED hr_status hr_token_keyring_jwk_read_set(
    hr_span document, const hr_token_jws_algorithm *fallback,
    hr_token_keyring_key **keys, size_t *count, size_t *skipped, size_t *at);

/* For the three above: a key with copies of what it is given; the caller adds
 * public_key and size. KEY_FORMAT: the key id. NO_MEMORY. */
HR_CHECKED hr_status hr_token_keyring_key_new(hr_token_jws_algorithm algorithm,
                                              hr_span key_id, hr_span secret,
                                              hr_span der,
                                              hr_token_keyring_key **key);

hr_token_keyring_key *hr_token_keyring_key_retain(hr_token_keyring_key *key);
/* NULL is fine. The last one wipes the secret. */
void hr_token_keyring_key_release(hr_token_keyring_key *key);

/* The keys of a verifier; immutable. */
typedef struct hr_token_keyring {
    size_t count;
    hr_token_keyring_key **keys; /* one reference each */
} hr_token_keyring;

/* Retains the keys. KEY_EMPTY: none. KEY_DUPLICATE: two of one key id; `*at`
 * is the later one. KEY_TOO_LONG: more than HR_KEYS_MAX. NO_MEMORY. */
HR_CHECKED hr_status hr_token_keyring_new(hr_token_keyring_key *const *keys,
                                          size_t count,
                                          hr_token_keyring **ring, size_t *at);
/* NULL is fine. */
void hr_token_keyring_free(hr_token_keyring *ring);

/* The places of the keys to try for a header: with a key id those of that id,
 * else those without one; always those of the header's algorithm only. OK: at
 * least one. KEY_ID: no key has the id, and all have one. ALGORITHM: the keys
 * that come into question are of other algorithms. */
HR_CHECKED hr_status hr_token_keyring_select(const hr_token_keyring *ring,
                                             const hr_token_jws_header *jose,
                                             uint16_t places[HR_KEYS_MAX],
                                             size_t *count);

#endif
