/* SPDX-License-Identifier: MIT */
/* Public keys from PEM and DER. Whatever the wrapping, the key ends up as a
 * SubjectPublicKeyInfo that this file has taken apart itself: the algorithm
 * identifier is compared with the few that we know, byte by byte (so there
 * are no explicit curves and no parameters to interpret), and the numbers are
 * judged before the library sees them. d2i_PUBKEY then makes the EVP_PKEY and
 * checks that points lie on their curve. */
#include "token/keyring.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/alloc.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX (8 * HR_SIGNATURE_MAX)
#define EXPONENT_BITS_MAX 33

/* AlgorithmIdentifiers, whole (RFC 3279, 5480, 8410). */
#define ID_RSA "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
#define ID_P256                                                            \
    "\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce" \
    "\x3d\x03\x01\x07"
#define ID_P384                                                            \
    "\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00" \
    "\x22"
#define ID_P521                                                            \
    "\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00" \
    "\x23"
#define ID_ED25519 "\x30\x05\x06\x03\x2b\x65\x70"
/* What every EC key begins with: its identifier's own object. */
#define OID_EC "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"

#define ED25519_SIZE 32

static hr_span
identifier_of(hr_token_jws_algorithm algorithm)
{
    switch (algorithm) {
    case HR_ES256:
        return HR_SPAN(ID_P256);
    case HR_ES384:
        return HR_SPAN(ID_P384);
    case HR_ES512:
        return HR_SPAN(ID_P521);
    case HR_EdDSA:
        return HR_SPAN(ID_ED25519);
    default:
        return HR_SPAN(ID_RSA);
    }
}

static size_t
coordinate_size(hr_token_jws_algorithm algorithm)
{
    return algorithm == HR_ES256 ? 32 : algorithm == HR_ES384 ? 48 : 66;
}

/* Takes one DER element of `tag` off the front of `*rest`. */
static bool
take(hr_span *rest, unsigned char tag, hr_span *content)
{
    const unsigned char *p = (const unsigned char *)rest->ptr;
    size_t left = rest->len;
    if (left < 2 || p[0] != tag) {
        return false;
    }
    size_t size = p[1], head = 2;
    if (size >= 0x80) {
        size_t bytes = size & 0x7f;
        if (bytes == 0 || bytes > 3 || left < 2 + bytes || p[2] == 0) {
            return false;
        }
        size = 0;
        for (size_t i = 0; i < bytes; i++) {
            size = size << 8 | p[2 + i];
        }
        if (size < 0x80) {
            return false;
        }
        head += bytes;
    }
    if (left - head < size) {
        return false;
    }
    *content = (hr_span){rest->ptr + head, size};
    *rest = hr_span_from(*rest, head + size);
    return true;
}

/* A positive INTEGER, without the zero byte that keeps it positive. */
static bool
take_number(hr_span *rest, hr_span *number)
{
    if (!take(rest, 0x02, number) || number->len == 0 ||
        (number->ptr[0] & 0x80) != 0) {
        return false;
    }
    if (number->ptr[0] == 0) {
        *number = hr_span_from(*number, 1);
        return number->len == 0 || (number->ptr[0] & 0x80) != 0;
    }
    return true;
}

static size_t
bit_count(hr_span number)
{
    if (number.len == 0) {
        return 0;
    }
    unsigned top = (unsigned char)number.ptr[0];
    return 8 * (number.len - 1) + (32 - (size_t)__builtin_clz(top));
}

static unsigned
remainder_of(hr_span number, unsigned divisor)
{
    unsigned rest = 0;
    for (size_t i = 0; i < number.len; i++) {
        rest = (rest << 8 | (unsigned char)number.ptr[i]) % divisor;
    }
    return rest;
}

/* The fingerprint of CVE-2017-15361 (ROCA): modulo each of these primes, the
 * modulus is a power of 65537. */
static bool
has_roca_fingerprint(hr_span modulus)
{
    static const unsigned char PRIMES[] = {11,  13,  17,  19,  37, 53,
                                           61,  71,  73,  79,  97, 103,
                                           107, 109, 127, 151, 157};
    for (size_t i = 0; i < sizeof(PRIMES); i++) {
        unsigned prime = PRIMES[i];
        unsigned rest = remainder_of(modulus, prime), power = 1;
        bool is_power = false;
        for (unsigned n = 0; n < prime && !is_power; n++) {
            is_power = power == rest;
            power = power * 65537 % prime;
        }
        if (!is_power) {
            return false;
        }
    }
    return true;
}

static hr_status
check_rsa(hr_span modulus, hr_span exponent)
{
    if (bit_count(modulus) > RSA_BITS_MAX) {
        return HR_KEY_TOO_LONG;
    }
    if (bit_count(modulus) < RSA_BITS_MIN || bit_count(exponent) < 2 ||
        bit_count(exponent) > EXPONENT_BITS_MAX ||
        (modulus.ptr[modulus.len - 1] & 1) == 0 ||
        (exponent.ptr[exponent.len - 1] & 1) == 0 ||
        has_roca_fingerprint(modulus)) {
        return HR_KEY_WEAK;
    }
    return HR_OK;
}

/* Points of order 1, 2, 4 and 8, and the ways to write them (the bit of the
 * sign left out). A signature by such a key can be made without a secret. */
static bool
has_small_order(hr_span point)
{
    static const char *const TEXTS[] = {
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0"
        "\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        "\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f"
        "\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
        "\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        "\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        "\xee\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    };
    char plain[ED25519_SIZE];
    memcpy(plain, point.ptr, ED25519_SIZE);
    plain[ED25519_SIZE - 1] = (char)(plain[ED25519_SIZE - 1] & 0x7f);
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        if (memcmp(plain, TEXTS[i], ED25519_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

/* Why does an identifier not fit the algorithm: another curve, or another
 * kind of key? */
static hr_status
why_not_fit(hr_span identifier, hr_token_jws_algorithm algorithm)
{
    bool ec =
        identifier.len > 2 &&
        hr_span_starts_with(hr_span_from(identifier, 2), HR_SPAN(OID_EC));
    return ec && hr_token_jws_algorithm_family(algorithm) ==
                       HR_TOKEN_JWS_FAMILY_EC
               ? HR_KEY_CURVE
               : HR_KEY_ALGORITHM;
}

/* A point as SEC 1 writes it, whole or compressed. Not the single byte of the
 * point at infinity, which d2i_PUBKEY() takes, and under which everybody can
 * sign; nor the hybrid form, which nobody writes. */
static bool
is_point(hr_span bits, size_t size)
{
    unsigned char form = (unsigned char)bits.ptr[0];
    return form == 0x04
               ? bits.len == 1 + 2 * size
               : (form == 0x02 || form == 0x03) && bits.len == 1 + size;
}

/* Judges a SubjectPublicKeyInfo; `*size` as in hr_token_keyring_key. */
static hr_status
check_der(hr_span der, hr_token_jws_algorithm algorithm, size_t *size)
{
    hr_span outer, content, rest, bits, modulus, exponent;
    if (!take(&der, 0x30, &outer) || der.len != 0) {
        return HR_KEY_FORMAT;
    }
    rest = outer;
    if (!take(&rest, 0x30, &content)) {
        return HR_KEY_FORMAT;
    }
    hr_span identifier = {outer.ptr, (size_t)(rest.ptr - outer.ptr)};
    if (!take(&rest, 0x03, &bits) || rest.len != 0 || bits.len < 2 ||
        bits.ptr[0] != 0) {
        return HR_KEY_FORMAT;
    }
    if (!hr_span_equal(identifier, identifier_of(algorithm))) {
        return why_not_fit(identifier, algorithm);
    }
    bits = hr_span_from(bits, 1);
    switch (hr_token_jws_algorithm_family(algorithm)) {
    case HR_TOKEN_JWS_FAMILY_RSA:
    case HR_TOKEN_JWS_FAMILY_PSS:
        if (!take(&bits, 0x30, &content) || bits.len != 0 ||
            !take_number(&content, &modulus) ||
            !take_number(&content, &exponent) || content.len != 0) {
            return HR_KEY_FORMAT;
        }
        *size = modulus.len;
        return check_rsa(modulus, exponent);
    case HR_TOKEN_JWS_FAMILY_EC:
        *size = coordinate_size(algorithm);
        return is_point(bits, *size) ? HR_OK : HR_KEY_CURVE;
    case HR_TOKEN_JWS_FAMILY_OKP:
        *size = ED25519_SIZE;
        if (bits.len != ED25519_SIZE) {
            return HR_KEY_FORMAT;
        }
        return has_small_order(bits) ? HR_KEY_WEAK : HR_OK;
    case HR_TOKEN_JWS_FAMILY_HMAC:
        break;
    }
    return HR_KEY_ALGORITHM;
}

hr_status
hr_token_keyring_pem_read_der(hr_span der, hr_token_jws_algorithm algorithm,
                              hr_span key_id, hr_token_keyring_key **key)
{
    if (hr_token_jws_algorithm_family(algorithm) == HR_TOKEN_JWS_FAMILY_HMAC) {
        return HR_KEY_ALGORITHM;
    }
    size_t size = 0;
    hr_status status = check_der(der, algorithm, &size);
    if (status != HR_OK) {
        return status;
    }
    const unsigned char *p = (const unsigned char *)der.ptr;
    EVP_PKEY *public_key = d2i_PUBKEY(NULL, &p, (long)der.len);
    ERR_clear_error();
    if (public_key == NULL || p != (const unsigned char *)der.ptr + der.len) {
        EVP_PKEY_free(public_key);
        return hr_token_jws_algorithm_family(algorithm) ==
                       HR_TOKEN_JWS_FAMILY_EC
                   ? HR_KEY_CURVE
                   : HR_KEY_FORMAT;
    }
    hr_token_keyring_key *fresh;
    status =
        hr_token_keyring_key_new(algorithm, key_id, HR_NO_SPAN, der, &fresh);
    if (status != HR_OK) {
        EVP_PKEY_free(public_key);
        return status;
    }
    fresh->public_key = public_key;
    fresh->size = size;
    *key = fresh;
    return HR_OK;
}

/* Writes DER back to front, since a length stands before its content. */
typedef struct writer {
    uint8_t *start;
    uint8_t *at;
    bool full;
} writer;

static void
put(writer *w, hr_span bytes)
{
    if ((size_t)(w->at - w->start) < bytes.len) {
        w->full = true;
        return;
    }
    w->at -= bytes.len;
    if (bytes.len != 0) {
        memcpy(w->at, bytes.ptr, bytes.len);
    }
}

static void
put_byte(writer *w, unsigned byte)
{
    char c = (char)byte;
    put(w, (hr_span){&c, 1});
}

/* The tag and length of all that was written since `end`. */
static void
put_head(writer *w, unsigned tag, const uint8_t *end)
{
    size_t size = (size_t)(end - w->at);
    unsigned bytes = 0;
    if (size >= 0x80) {
        for (size_t left = size; left != 0; left >>= 8) {
            put_byte(w, left & 0xff);
            bytes++;
        }
        put_byte(w, 0x80 | bytes);
    } else {
        put_byte(w, (unsigned)size);
    }
    put_byte(w, tag);
}

static void
put_number(writer *w, hr_span number)
{
    const uint8_t *end = w->at;
    while (number.len > 0 && number.ptr[0] == 0) {
        number = hr_span_from(number, 1);
    }
    put(w, number);
    if (number.len == 0 || (number.ptr[0] & 0x80) != 0) {
        put_byte(w, 0);
    }
    put_head(w, 0x02, end);
}

size_t
hr_token_keyring_pem_parts_to_der(hr_token_jws_algorithm algorithm, hr_span a,
                                  hr_span b,
                                  uint8_t der[HR_TOKEN_KEYRING_DER_MAX])
{
    const uint8_t *end = der + HR_TOKEN_KEYRING_DER_MAX;
    writer w = {.start = der, .at = der + HR_TOKEN_KEYRING_DER_MAX};
    hr_token_jws_family family = hr_token_jws_algorithm_family(algorithm);
    if (family == HR_TOKEN_JWS_FAMILY_RSA ||
        family == HR_TOKEN_JWS_FAMILY_PSS) {
        put_number(&w, b);
        put_number(&w, a);
        put_head(&w, 0x30, end);
    } else {
        put(&w, b);
        put(&w, a);
        if (family == HR_TOKEN_JWS_FAMILY_EC) {
            put_byte(&w, 0x04); /* an uncompressed point */
        }
    }
    put_byte(&w, 0); /* no unused bits */
    put_head(&w, 0x03, end);
    put(&w, identifier_of(algorithm));
    put_head(&w, 0x30, end);
    if (w.full) {
        return 0;
    }
    size_t size = (size_t)(end - w.at);
    memmove(der, w.at, size);
    return size;
}

static hr_status
from_pkcs1(hr_span der, hr_token_jws_algorithm algorithm, hr_span key_id,
           hr_token_keyring_key **key)
{
    hr_span content, modulus, exponent;
    uint8_t spki[HR_TOKEN_KEYRING_DER_MAX];
    hr_token_jws_family family = hr_token_jws_algorithm_family(algorithm);
    if (!take(&der, 0x30, &content) || der.len != 0 ||
        !take_number(&content, &modulus) ||
        !take_number(&content, &exponent) || content.len != 0) {
        return HR_KEY_FORMAT;
    }
    if (family != HR_TOKEN_JWS_FAMILY_RSA &&
        family != HR_TOKEN_JWS_FAMILY_PSS) {
        return HR_KEY_ALGORITHM;
    }
    size_t size =
        hr_token_keyring_pem_parts_to_der(algorithm, modulus, exponent, spki);
    if (size == 0) {
        return HR_KEY_TOO_LONG;
    }
    return hr_token_keyring_pem_read_der((hr_span){(char *)spki, size},
                                         algorithm, key_id, key);
}

static hr_status
from_certificate(hr_span der, hr_token_jws_algorithm algorithm, hr_span key_id,
                 hr_token_keyring_key **key)
{
    const unsigned char *p = (const unsigned char *)der.ptr;
    unsigned char *spki = NULL;
    hr_status status = HR_KEY_FORMAT;
    X509 *certificate = d2i_X509(NULL, &p, (long)der.len);
    if (certificate != NULL && p == (const unsigned char *)der.ptr + der.len) {
        int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
        if (size > 0) {
            status = hr_token_keyring_pem_read_der(
                (hr_span){(char *)spki, (size_t)size}, algorithm, key_id, key);
        }
    }
    OPENSSL_free(spki);
    X509_free(certificate);
    return status;
}

static hr_status
from_block(const char *label, hr_span der, hr_token_jws_algorithm algorithm,
           hr_span key_id, hr_token_keyring_key **key)
{
    if (strcmp(label, "PUBLIC KEY") == 0) {
        return hr_token_keyring_pem_read_der(der, algorithm, key_id, key);
    }
    if (strcmp(label, "RSA PUBLIC KEY") == 0) {
        return from_pkcs1(der, algorithm, key_id, key);
    }
    if (strcmp(label, "CERTIFICATE") == 0) {
        return from_certificate(der, algorithm, key_id, key);
    }
    return strstr(label, "PRIVATE KEY") != NULL ? HR_KEY_PRIVATE
                                                : HR_KEY_FORMAT;
}

hr_status
hr_token_keyring_pem_read(hr_span pem, hr_token_jws_algorithm algorithm,
                          hr_span key_id, hr_token_keyring_key **key)
{
    if (pem.len == 0) {
        return HR_KEY_EMPTY;
    }
    if (pem.len > HR_PEM_MAX) {
        return HR_KEY_TOO_LONG;
    }
    if (hr_token_jws_algorithm_family(algorithm) == HR_TOKEN_JWS_FAMILY_HMAC) {
        return HR_KEY_ALGORITHM;
    }
    hr_token_keyring_key *found = NULL;
    hr_status status = HR_KEY_FORMAT;
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (bio == NULL) {
        return HR_NO_MEMORY;
    }
    for (int blocks = 0;; blocks++) {
        char *label = NULL, *header = NULL;
        unsigned char *der = NULL;
        long size = 0;
        if (PEM_read_bio(bio, &label, &header, &der, &size) != 1) {
            break;
        }
        hr_span block = {(char *)der, (size_t)size};
        status = blocks == 0
                     ? from_block(label, block, algorithm, key_id, &found)
                     : HR_KEY_FORMAT; /* two blocks: which one is meant? */
        OPENSSL_cleanse(der, (size_t)size); /* it may be a private key */
        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_free(der);
        if (status != HR_OK) {
            break;
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    if (status != HR_OK) {
        hr_token_keyring_key_release(found);
        return status;
    }
    *key = found;
    return HR_OK;
}
