/* SPDX-License-Identifier: MIT */
/* Signatures with the API that OpenSSL >= 3.0 and AWS-LC share.
 * HMAC-SHA256 is that of base/secret; the longer hashes go the same way.
 *
 * RSA and Ed25519 keys keep a few contexts that are ready to verify, since
 * making one costs OpenSSL 3 a microsecond or two of look-ups. A thread takes
 * one out with an atomic exchange and puts it back; who finds none makes
 * another. A context is used by one thread at a time, and a fork in the middle
 * costs the child one context, no more. */
#define OPENSSL_SUPPRESS_DEPRECATED /* as in base/secret.c */

#include "token/signature.h"

#include <stdatomic.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#ifdef OPENSSL_IS_AWSLC
#include <openssl/curve25519.h>
#endif
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "token/keyring.h"

#define SHA512_BLOCK 128
#define IPAD 0x36
#define OPAD 0x5c

/* The states of SHA-384 and SHA-512 after HMAC's padding blocks. */
typedef struct long_hmac {
    SHA512_CTX inner;
    SHA512_CTX outer;
} long_hmac;

static void
hash_init(size_t size, SHA512_CTX *hash)
{
    if (size == 48) {
        SHA384_Init(hash);
    } else {
        SHA512_Init(hash);
    }
}

static void
hash_final(size_t size, SHA512_CTX *hash, uint8_t *out)
{
    if (size == 48) {
        SHA384_Final(out, hash);
    } else {
        SHA512_Final(out, hash);
    }
}

#define SPARE_CONTEXTS 4

struct hr_token_signature_prepared {
    hr_token_jws_family family;
    size_t hash_size;
    union {
        hr_secret_hmac hmac; /* HMAC with SHA-256 */
        long_hmac long_hmac; /* HMAC with the longer hashes */
    };
    /* Else: borrowed from the key, and contexts nobody uses just now:
     * EVP_MD_CTX for EdDSA, EVP_PKEY_CTX for RSA. */
    EVP_PKEY *public_key;
    EC_KEY *ec;  /* for ECDSA: the same key; owned */
    size_t size; /* as in hr_token_keyring_key */
#ifdef OPENSSL_IS_AWSLC
    uint8_t ed25519[ED25519_PUBLIC_KEY_LEN]; /* for EdDSA, in place of it */
#else
    bool again; /* EdDSA: a used context may be used again as it is */
#endif
    _Atomic(void *) spare[SPARE_CONTEXTS];
};

static hr_status
prepare_hmac(const hr_token_keyring_key *key,
             hr_token_signature_prepared *prepared)
{
    size_t size = prepared->hash_size;
    if (size == HR_SECRET_SHA256_SIZE) {
        return hr_secret_hmac_init(&prepared->hmac, key->secret);
    }
    uint8_t block[SHA512_BLOCK] = {0};
    long_hmac *hmac = &prepared->long_hmac;
    if (key->secret.len <= SHA512_BLOCK) {
        memcpy(block, key->secret.ptr, key->secret.len);
    } else {
        SHA512_CTX hash;
        hash_init(size, &hash);
        SHA512_Update(&hash, key->secret.ptr, key->secret.len);
        hash_final(size, &hash, block);
        hr_secret_wipe(&hash, sizeof(hash));
    }
    for (size_t i = 0; i < SHA512_BLOCK; i++) {
        block[i] ^= IPAD;
    }
    hash_init(size, &hmac->inner);
    SHA512_Update(&hmac->inner, block, SHA512_BLOCK);
    for (size_t i = 0; i < SHA512_BLOCK; i++) {
        block[i] ^= IPAD ^ OPAD;
    }
    hash_init(size, &hmac->outer);
    SHA512_Update(&hmac->outer, block, SHA512_BLOCK);
    hr_secret_wipe(block, sizeof(block));
    return HR_OK;
}

/* hr_secret_equal() for the size of a hash, a word at a time. The barrier
 * keeps the compiler from ending early. */
static inline bool
same_mac(const uint8_t *a, const char *b, size_t size)
{
    uint64_t differ = 0;
    for (size_t at = 0; at < size; at += sizeof(differ)) {
        uint64_t x, y;
        memcpy(&x, a + at, sizeof(x));
        memcpy(&y, b + at, sizeof(y));
        differ |= x ^ y;
        __asm__("" : "+r"(differ));
    }
    return differ == 0;
}

static hr_status
verify_hmac(const hr_token_signature_prepared *prepared, const hr_span *text,
            hr_span signature)
{
    size_t size = prepared->hash_size;
    if (signature.len != size) {
        return HR_SIGNATURE;
    }
    uint8_t mac[SHA512_DIGEST_LENGTH];
    if (size == HR_SECRET_SHA256_SIZE) {
        hr_secret_hmac_sign(&prepared->hmac, text, 1, mac);
    } else {
        SHA512_CTX hash = prepared->long_hmac.inner;
        SHA512_Update(&hash, text->ptr, text->len);
        hash_final(size, &hash, mac);
        hash = prepared->long_hmac.outer;
        SHA512_Update(&hash, mac, size);
        hash_final(size, &hash, mac);
    }
    return same_mac(mac, signature.ptr, size) ? HR_OK : HR_SIGNATURE;
}

/* Clearing the library's error queue costs as much as a short hash, and a
 * verification that succeeded has left it alone nearly always. */
static inline void
forget_errors(void)
{
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

static void *
take_spare(hr_token_signature_prepared *prepared)
{
    for (size_t i = 0; i < SPARE_CONTEXTS; i++) {
        if (atomic_load_explicit(&prepared->spare[i], memory_order_relaxed) !=
            NULL) {
            void *context = atomic_exchange(&prepared->spare[i], NULL);
            if (context != NULL) {
                return context;
            }
        }
    }
    return NULL;
}

/* False when there is no room: then the caller frees it. */
static bool
put_spare(hr_token_signature_prepared *prepared, void *context)
{
    for (size_t i = 0; i < SPARE_CONTEXTS; i++) {
        void *nothing = NULL;
        if (atomic_compare_exchange_strong(&prepared->spare[i], &nothing,
                                           context)) {
            return true;
        }
    }
    return false;
}

static const EVP_MD *
digest_of(size_t hash_size)
{
    return hash_size == 32   ? EVP_sha256()
           : hash_size == 48 ? EVP_sha384()
                             : EVP_sha512();
}

/* A context ready for EVP_PKEY_verify, NULL without memory. */
static EVP_PKEY_CTX *
new_context(const hr_token_signature_prepared *prepared)
{
    const EVP_MD *digest = digest_of(prepared->hash_size);
    hr_token_jws_family family = prepared->family;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(prepared->public_key, NULL);
    if (context == NULL || EVP_PKEY_verify_init(context) != 1) {
        goto fail;
    }
    if (family == HR_TOKEN_JWS_FAMILY_RSA &&
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1) {
        goto fail;
    }
    if (EVP_PKEY_CTX_set_signature_md(context, digest) != 1) {
        goto fail;
    }
    if (family == HR_TOKEN_JWS_FAMILY_PSS &&
        (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, (int)prepared->hash_size) !=
             1)) {
        goto fail;
    }
    return context;
fail:
    EVP_PKEY_CTX_free(context);
    return NULL;
}

static void
digest_text(const hr_token_signature_prepared *prepared, hr_span text,
            uint8_t *digest)
{
    size_t size = prepared->hash_size;
    if (size == HR_SECRET_SHA256_SIZE) {
        SHA256_CTX hash;
        SHA256_Init(&hash);
        SHA256_Update(&hash, text.ptr, text.len);
        SHA256_Final(digest, &hash);
    } else {
        SHA512_CTX hash;
        hash_init(size, &hash);
        SHA512_Update(&hash, text.ptr, text.len);
        hash_final(size, &hash, digest);
    }
}

static hr_status
verify_rsa(hr_token_signature_prepared *prepared, hr_span text,
           hr_span signature)
{
    uint8_t digest[SHA512_DIGEST_LENGTH];
    if (signature.len != prepared->size) {
        return HR_SIGNATURE;
    }
    digest_text(prepared, text, digest);
    EVP_PKEY_CTX *context = take_spare(prepared);
    if (context == NULL) {
        context = new_context(prepared);
    }
    if (context == NULL) {
        ERR_clear_error();
        return HR_NO_MEMORY;
    }
    int rc = EVP_PKEY_verify(context, (const uint8_t *)signature.ptr,
                             signature.len, digest, prepared->hash_size);
    forget_errors();
    if (!put_spare(prepared, context)) {
        EVP_PKEY_CTX_free(context);
    }
    return rc == 1 ? HR_OK : HR_SIGNATURE;
}

#ifdef OPENSSL_IS_AWSLC
typedef size_t number_size;
#else
typedef int number_size;
#endif

/* r and s as numbers; NULL without memory. */
static ECDSA_SIG *
read_ecdsa(hr_span signature)
{
    const uint8_t *bytes = (const uint8_t *)signature.ptr;
    size_t half = signature.len / 2;
    BIGNUM *r = BN_bin2bn(bytes, (number_size)half, NULL);
    BIGNUM *s = BN_bin2bn(bytes + half, (number_size)half, NULL);
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    if (r == NULL || s == NULL || numbers == NULL ||
        ECDSA_SIG_set0(numbers, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(numbers);
        return NULL;
    }
    return numbers;
}

/* By way of the numbers: EVP_PKEY_verify() wants them as DER, which OpenSSL 3
 * parses, writes again and compares, for a microsecond. */
static hr_status
verify_ecdsa(hr_token_signature_prepared *prepared, hr_span text,
             hr_span signature)
{
    uint8_t digest[SHA512_DIGEST_LENGTH];
    if (signature.len != 2 * prepared->size) {
        return HR_SIGNATURE;
    }
    ECDSA_SIG *numbers = read_ecdsa(signature);
    if (numbers == NULL) {
        ERR_clear_error();
        return HR_NO_MEMORY;
    }
    digest_text(prepared, text, digest);
    int rc = ECDSA_do_verify(digest, (number_size)prepared->hash_size, numbers,
                             prepared->ec);
    forget_errors();
    ECDSA_SIG_free(numbers);
    return rc == 1 ? HR_OK : HR_SIGNATURE;
}

#ifdef OPENSSL_IS_AWSLC

/* AWS-LC has a function for it that needs no context. */
static hr_status
verify_eddsa(hr_token_signature_prepared *prepared, hr_span text,
             hr_span signature)
{
    if (signature.len != ED25519_SIGNATURE_LEN) {
        return HR_SIGNATURE;
    }
    int rc = ED25519_verify((const uint8_t *)text.ptr, text.len,
                            (const uint8_t *)signature.ptr, prepared->ed25519);
    forget_errors();
    return rc == 1 ? HR_OK : HR_SIGNATURE;
}

static bool
prepare_eddsa(hr_token_signature_prepared *prepared)
{
    size_t size = sizeof(prepared->ed25519);
    return EVP_PKEY_get_raw_public_key(prepared->public_key, prepared->ed25519,
                                       &size) == 1 &&
           size == sizeof(prepared->ed25519);
}

#else

/* Makes a context ready and verifies; -1 where that fails. */
static int
start_eddsa(EVP_MD_CTX *context, EVP_PKEY *key, hr_span text,
            hr_span signature)
{
    EVP_MD_CTX_reset(context);
    if (EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) != 1) {
        return -1;
    }
    return EVP_DigestVerify(context, (const uint8_t *)signature.ptr,
                            signature.len, (const uint8_t *)text.ptr,
                            text.len);
}

static hr_status
verify_eddsa(hr_token_signature_prepared *prepared, hr_span text,
             hr_span signature)
{
    if (signature.len != 2 * prepared->size) {
        return HR_SIGNATURE;
    }
    EVP_MD_CTX *context = take_spare(prepared);
    bool again = context != NULL && prepared->again;
    if (context == NULL) {
        context = EVP_MD_CTX_new();
    }
    if (context == NULL) {
        return HR_NO_MEMORY;
    }
    int rc = again
                 ? EVP_DigestVerify(context, (const uint8_t *)signature.ptr,
                                    signature.len, (const uint8_t *)text.ptr,
                                    text.len)
                 : start_eddsa(context, prepared->public_key, text, signature);
    if (rc != 1 && again && ERR_peek_error() != 0) {
        /* Not a bad signature: that leaves no error. */
        ERR_clear_error();
        rc = start_eddsa(context, prepared->public_key, text, signature);
    }
    forget_errors();
    if (rc < 0 || !put_spare(prepared, context)) {
        EVP_MD_CTX_free(context);
    }
    return rc == 1 ? HR_OK : HR_SIGNATURE;
}

/* Asks the library whether a context that was used may be used again as it is,
 * which saves half a microsecond: OpenSSL 3.0 to 3.3 allow it, later ones say
 * that it was finished. */
static bool
prepare_eddsa(hr_token_signature_prepared *prepared)
{
    static const char NOTHING[64] = {0};
    const hr_span text = {NOTHING, 1};
    const hr_span signature = {NOTHING, 2 * prepared->size};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL) {
        return false;
    }
    ERR_clear_error();
    int first = start_eddsa(context, prepared->public_key, text, signature);
    int second =
        EVP_DigestVerify(context, (const uint8_t *)signature.ptr,
                         signature.len, (const uint8_t *)text.ptr, text.len);
    prepared->again = first == second && ERR_peek_error() == 0;
    ERR_clear_error();
    EVP_MD_CTX_free(context);
    return true;
}

#endif

static void
openssl_free(hr_token_signature_prepared *prepared)
{
    if (prepared == NULL) {
        return;
    }
    for (size_t i = 0; i < SPARE_CONTEXTS; i++) {
        void *context = atomic_load(&prepared->spare[i]);
        if (prepared->family == HR_TOKEN_JWS_FAMILY_OKP) {
            EVP_MD_CTX_free(context);
        } else {
            EVP_PKEY_CTX_free(context);
        }
    }
    EC_KEY_free(prepared->ec);
    hr_secret_wipe(prepared, sizeof(*prepared));
    hr_alloc_free(prepared);
}

static hr_status
openssl_prepare(const hr_token_keyring_key *key,
                hr_token_signature_prepared **prepared)
{
    hr_token_signature_prepared *fresh = hr_alloc_zeroed(1, sizeof(*fresh));
    if (fresh == NULL) {
        return HR_NO_MEMORY;
    }
    fresh->family = hr_token_jws_algorithm_family(key->algorithm);
    fresh->hash_size = hr_token_jws_algorithm_hash_size(key->algorithm);
    fresh->public_key = key->public_key;
    fresh->size = key->size;
    if (fresh->family == HR_TOKEN_JWS_FAMILY_HMAC) {
        hr_status status = prepare_hmac(key, fresh);
        if (status != HR_OK) {
            openssl_free(fresh);
            return status;
        }
    } else if (fresh->family == HR_TOKEN_JWS_FAMILY_OKP) {
        if (!prepare_eddsa(fresh)) {
            ERR_clear_error();
            openssl_free(fresh);
            return HR_NO_MEMORY;
        }
    } else if (fresh->family == HR_TOKEN_JWS_FAMILY_EC) {
        fresh->ec = EVP_PKEY_get1_EC_KEY(fresh->public_key);
        if (fresh->ec == NULL) {
            ERR_clear_error();
            openssl_free(fresh);
            return HR_NO_MEMORY;
        }
    } else {
        EVP_PKEY_CTX *context = new_context(fresh);
        ERR_clear_error();
        if (context == NULL) {
            openssl_free(fresh);
            return HR_NO_MEMORY;
        }
        atomic_store(&fresh->spare[0], context);
    }
    *prepared = fresh;
    return HR_OK;
}

static hr_status
openssl_verify(hr_token_signature_prepared *prepared, hr_span text,
               const hr_token_jws *jws, hr_span signature)
{
    (void)text;
    switch (prepared->family) {
    case HR_TOKEN_JWS_FAMILY_HMAC:
        return verify_hmac(prepared, &jws->signed_text, signature);
    case HR_TOKEN_JWS_FAMILY_RSA:
    case HR_TOKEN_JWS_FAMILY_PSS:
        return verify_rsa(prepared, jws->signed_text, signature);
    case HR_TOKEN_JWS_FAMILY_EC:
        return verify_ecdsa(prepared, jws->signed_text, signature);
    case HR_TOKEN_JWS_FAMILY_OKP:
        return verify_eddsa(prepared, jws->signed_text, signature);
    }
    return HR_INTERNAL;
}

static const char *
openssl_version(void)
{
#ifdef OPENSSL_IS_AWSLC
    return "AWS-LC " AWSLC_VERSION_NUMBER_STRING;
#else
    return OpenSSL_version(OPENSSL_VERSION);
#endif
}

const hr_token_signature_engine *
hr_token_signature_openssl(void)
{
    static const hr_token_signature_engine ITSELF = {
        .name = "openssl",
        .version = openssl_version,
        .prepare = openssl_prepare,
        .free = openssl_free,
        .verify = openssl_verify,
    };
    return &ITSELF;
}
