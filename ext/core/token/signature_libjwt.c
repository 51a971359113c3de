/* SPDX-License-Identifier: MIT */
/* Signatures through libjwt 1.10's jwt_decode().
 *
 * Called on its own, that function takes any token under an empty key, lets
 * the token choose the algorithm, compares its name without case, drops what
 * follows the first bad character of base64, stops reading JSON at a NUL, and
 * copies the token onto the stack. None of this can be reached from here: a
 * key is never empty and fits one algorithm; the verifier has compared the
 * header's algorithm with it, byte by byte, and decoded all three segments
 * strictly; the length is bounded below; and the algorithm that libjwt says
 * it used is compared once more.
 *
 * jwt_decode() reads header and payload with its own JSON parser and has one
 * error for everything. Where it says no, the OpenSSL engine is asked too,
 * only for the reason: a good signature that libjwt refuses is ENGINE. */
#include "token/signature.h"

#include <errno.h>

#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "token/keyring.h"

/* jwt_decode() puts copies of a token on the stack. */
#define TOKEN_MAX 65536

struct hr_token_signature_prepared {
    hr_token_jws_algorithm algorithm;
    jwt_alg_t wanted;
    hr_span material;                    /* the secret or a PEM text, owned */
    hr_token_signature_prepared *second; /* the OpenSSL engine's */
};

static jwt_alg_t
libjwt_algorithm(hr_token_jws_algorithm algorithm)
{
    switch (algorithm) {
    case HR_HS256:
        return JWT_ALG_HS256;
    case HR_HS384:
        return JWT_ALG_HS384;
    case HR_HS512:
        return JWT_ALG_HS512;
    case HR_RS256:
        return JWT_ALG_RS256;
    case HR_RS384:
        return JWT_ALG_RS384;
    case HR_RS512:
        return JWT_ALG_RS512;
    case HR_ES256:
        return JWT_ALG_ES256;
    case HR_ES384:
        return JWT_ALG_ES384;
    case HR_ES512:
        return JWT_ALG_ES512;
    default:
        return JWT_ALG_NONE; /* PS*, EdDSA: it has none of them */
    }
}

static void
libjwt_free(hr_token_signature_prepared *prepared)
{
    if (prepared == NULL) {
        return;
    }
    if (prepared->material.ptr != NULL) {
        hr_secret_wipe((char *)prepared->material.ptr, prepared->material.len);
    }
    hr_alloc_free((char *)prepared->material.ptr);
    hr_token_signature_openssl()->free(prepared->second);
    hr_alloc_free(prepared);
}

/* The public key as a PEM text; absent without memory. */
static hr_span
pem_of(const hr_token_keyring_key *key)
{
    hr_span pem = HR_NO_SPAN;
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL && PEM_write_bio_PUBKEY(bio, key->public_key) == 1) {
        long size = BIO_get_mem_data(bio, &text);
        pem.ptr = hr_alloc_copy((hr_span){text, (size_t)size});
        pem.len = pem.ptr != NULL ? (size_t)size : 0;
    }
    BIO_free(bio);
    ERR_clear_error();
    return pem;
}

static hr_status
libjwt_prepare(const hr_token_keyring_key *key,
               hr_token_signature_prepared **prepared)
{
    jwt_alg_t wanted = libjwt_algorithm(key->algorithm);
    if (wanted == JWT_ALG_NONE) {
        return HR_KEY_ALGORITHM;
    }
    hr_token_signature_prepared *fresh = hr_alloc_zeroed(1, sizeof(*fresh));
    if (fresh == NULL) {
        return HR_NO_MEMORY;
    }
    fresh->algorithm = key->algorithm;
    fresh->wanted = wanted;
    if (key->secret.ptr != NULL) {
        fresh->material =
            (hr_span){hr_alloc_copy(key->secret), key->secret.len};
    } else {
        fresh->material = pem_of(key);
    }
    hr_status status = HR_NO_MEMORY;
    if (fresh->material.ptr != NULL) {
        status = hr_token_signature_openssl()->prepare(key, &fresh->second);
    }
    if (status != HR_OK) {
        libjwt_free(fresh);
        return status;
    }
    *prepared = fresh;
    return HR_OK;
}

static hr_status
libjwt_verify(hr_token_signature_prepared *prepared, hr_span text,
              const hr_token_jws *jws, hr_span signature)
{
    if (text.len > TOKEN_MAX) {
        return HR_ENGINE;
    }
    char *copy = hr_alloc_copy(text);
    if (copy == NULL) {
        return HR_NO_MEMORY;
    }
    jwt_t *token = NULL;
    int rc =
        jwt_decode(&token, copy, (const unsigned char *)prepared->material.ptr,
                   (int)prepared->material.len);
    bool good =
        rc == 0 && token != NULL && jwt_get_alg(token) == prepared->wanted;
    jwt_free(token);
    hr_alloc_free(copy);
    ERR_clear_error();
    if (good) {
        return HR_OK;
    }
    if (rc == ENOMEM) {
        return HR_NO_MEMORY;
    }
    hr_status status = hr_token_signature_openssl()->verify(
        prepared->second, text, jws, signature);
    return status == HR_OK ? HR_ENGINE : status;
}

static const char *
libjwt_version(void)
{
    return "libjwt 1.10 or later, which does not say";
}

const hr_token_signature_engine *
hr_token_signature_libjwt(void)
{
    static const hr_token_signature_engine ITSELF = {
        .name = "libjwt",
        .version = libjwt_version,
        .prepare = libjwt_prepare,
        .free = libjwt_free,
        .verify = libjwt_verify,
    };
    return &ITSELF;
}
