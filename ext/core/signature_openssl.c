/* SPDX-License-Identifier: MIT */
/* Signatures with the API that OpenSSL >= 3.0 and AWS-LC share. HMAC is
 * explained in signature_openssl_sha256.h.
 *
 * RSA and Ed25519 keys keep a few contexts that are ready to verify, since
 * making one costs OpenSSL 3 a microsecond or two of look-ups. A thread takes
 * one out with an atomic exchange and puts it back; who finds none makes
 * another. A context is used by one thread at a time, and a fork in the middle
 * costs the child one context, no more. */
#include "signature_openssl_sha256.h"

#include <stdatomic.h>

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

#include "alloc.h"
#include "keyring.h"

#define SHA512_BLOCK 128

/* Of SHA-256 or SHA-512 (which SHA-384 shares). */
typedef union hash_state {
    SHA256_CTX small;
    SHA512_CTX large;
} hash_state;

static void
hash_init(hr_algorithm algorithm, hash_state *hash)
{
    switch (hr_algorithm_hash_size(algorithm)) {
    case 32:
        SHA256_Init(&hash->small);
        break;
    case 48:
        SHA384_Init(&hash->large);
        break;
    default:
        SHA512_Init(&hash->large);
        break;
    }
}

static inline void
hash_update(size_t size, hash_state *hash, const void *bytes, size_t len)
{
    if (size == 32) {
        SHA256_Update(&hash->small, bytes, len);
    } else {
        SHA512_Update(&hash->large, bytes, len);
    }
}

static inline void
hash_final(size_t size, hash_state *hash, uint8_t *out)
{
    if (size == 32) {
        SHA256_Final(out, &hash->small);
    } else if (size == 48) {
        SHA384_Final(out, &hash->large);
    } else {
        SHA512_Final(out, &hash->large);
    }
}

#define SPARE_CONTEXTS 4

struct hr_prepared {
    hr_algorithm algorithm;
    size_t hash_size;
    /* HMAC: the states after the inner and the outer padding block. */
    hash_state inner;
    hash_state outer;
    /* Else: borrowed from the key, and contexts nobody uses just now:
     * EVP_MD_CTX for EdDSA, EVP_PKEY_CTX for RSA. */
    EVP_PKEY *public_key;
    EC_KEY *ec;  /* for ECDSA: the same key; owned */
    size_t size; /* as in hr_key */
#ifdef OPENSSL_IS_AWSLC
    uint8_t ed25519[ED25519_PUBLIC_KEY_LEN]; /* for EdDSA, in place of it */
#else
    bool again; /* EdDSA: a used context may be used again as it is */
#endif
    _Atomic(void *) spare[SPARE_CONTEXTS];
};

static void
prepare_hmac(const hr_key *key, hr_prepared *prepared)
{
    uint8_t block[SHA512_BLOCK] = {0};
    size_t size = prepared->hash_size;
    size_t block_size = size == 32 ? SHA256_BLOCK : SHA512_BLOCK;
    if (key->secret.len <= block_size) {
        memcpy(block, key->secret.ptr, key->secret.len);
    } else {
        hash_state hash;
        hash_init(key->algorithm, &hash);
        hash_update(size, &hash, key->secret.ptr, key->secret.len);
        hash_final(size, &hash, block);
        hr_wipe(&hash, sizeof(hash));
    }
    for (size_t i = 0; i < block_size; i++) {
        block[i] ^= IPAD;
    }
    hash_init(key->algorithm, &prepared->inner);
    hash_update(size, &prepared->inner, block, block_size);
    for (size_t i = 0; i < block_size; i++) {
        block[i] ^= IPAD ^ OPAD;
    }
    hash_init(key->algorithm, &prepared->outer);
    hash_update(size, &prepared->outer, block, block_size);
    hr_wipe(block, sizeof(block));
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
verify_hmac(const hr_prepared *prepared, hr_span text, hr_span signature)
{
    size_t size = prepared->hash_size;
    if (signature.len != size) {
        return HR_SIGNATURE;
    }
    uint8_t mac[SHA512_DIGEST_LENGTH];
    if (size == 32) {
        SHA256_CTX hash = prepared->inner.small;
        SHA256_Update(&hash, text.ptr, text.len);
        SHA256_Final(mac, &hash);
        outer_sha256(prepared->outer.small, mac);
    } else {
        hash_state hash = prepared->inner;
        hash_update(size, &hash, text.ptr, text.len);
        hash_final(size, &hash, mac);
        hash = prepared->outer;
        hash_update(size, &hash, mac, size);
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
take_spare(hr_prepared *prepared)
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
put_spare(hr_prepared *prepared, void *context)
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
new_context(const hr_prepared *prepared)
{
    const EVP_MD *digest = digest_of(prepared->hash_size);
    hr_family family = hr_algorithm_family(prepared->algorithm);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(prepared->public_key, NULL);
    if (context == NULL || EVP_PKEY_verify_init(context) != 1) {
        goto fail;
    }
    if (family == HR_FAMILY_RSA &&
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1) {
        goto fail;
    }
    if (EVP_PKEY_CTX_set_signature_md(context, digest) != 1) {
        goto fail;
    }
    if (family == HR_FAMILY_PSS &&
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
digest_text(const hr_prepared *prepared, hr_span text, uint8_t *digest)
{
    hash_state hash;
    hash_init(prepared->algorithm, &hash);
    hash_update(prepared->hash_size, &hash, text.ptr, text.len);
    hash_final(prepared->hash_size, &hash, digest);
}

static hr_status
verify_rsa(hr_prepared *prepared, hr_span text, hr_span signature)
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
verify_ecdsa(hr_prepared *prepared, hr_span text, hr_span signature)
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
verify_eddsa(hr_prepared *prepared, hr_span text, hr_span signature)
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
prepare_eddsa(hr_prepared *prepared)
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
verify_eddsa(hr_prepared *prepared, hr_span text, hr_span signature)
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
prepare_eddsa(hr_prepared *prepared)
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
openssl_free(hr_prepared *prepared)
{
    if (prepared == NULL) {
        return;
    }
    for (size_t i = 0; i < SPARE_CONTEXTS; i++) {
        void *context = atomic_load(&prepared->spare[i]);
        if (prepared->algorithm == HR_EdDSA) {
            EVP_MD_CTX_free(context);
        } else {
            EVP_PKEY_CTX_free(context);
        }
    }
    EC_KEY_free(prepared->ec);
    hr_wipe(prepared, sizeof(*prepared));
    hr_free(prepared);
}

static hr_status
openssl_prepare(const hr_key *key, hr_prepared **prepared)
{
    hr_prepared *fresh = hr_calloc(1, sizeof(*fresh));
    if (fresh == NULL) {
        return HR_NO_MEMORY;
    }
    fresh->algorithm = key->algorithm;
    fresh->hash_size = hr_algorithm_hash_size(key->algorithm);
    fresh->public_key = key->public_key;
    fresh->size = key->size;
    if (hr_algorithm_family(key->algorithm) == HR_FAMILY_HMAC) {
        prepare_hmac(key, fresh);
    } else if (key->algorithm == HR_EdDSA) {
        if (!prepare_eddsa(fresh)) {
            ERR_clear_error();
            openssl_free(fresh);
            return HR_NO_MEMORY;
        }
    } else if (hr_algorithm_family(key->algorithm) == HR_FAMILY_EC) {
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
openssl_verify(hr_prepared *prepared, hr_span text, const hr_jws *jws,
               hr_span signature)
{
    (void)text;
    switch (hr_algorithm_family(prepared->algorithm)) {
    case HR_FAMILY_HMAC:
        return verify_hmac(prepared, jws->signed_text, signature);
    case HR_FAMILY_RSA:
    case HR_FAMILY_PSS:
        return verify_rsa(prepared, jws->signed_text, signature);
    case HR_FAMILY_EC:
        return verify_ecdsa(prepared, jws->signed_text, signature);
    case HR_FAMILY_OKP:
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

const hr_engine *
hr_engine_openssl(void)
{
    static const hr_engine ITSELF = {
        .name = "openssl",
        .version = openssl_version,
        .prepare = openssl_prepare,
        .free = openssl_free,
        .verify = openssl_verify,
    };
    return &ITSELF;
}

#ifndef HR_HAVE_LIBJWT
const hr_engine *
hr_engine_libjwt(void)
{
    return NULL;
}
#endif
