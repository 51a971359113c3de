/* SPDX-License-Identifier: MIT */
#include "keys.h"
#include "tap.h"

#include "token/keyring.h"

#define S HR_SPAN

static const struct {
    const char *why;
    hr_span pem;
    hr_token_jws_algorithm algorithm;
    hr_status want;
    size_t size; /* of a good one */
} PEMS[] = {
    {"RSA", S(RSA_SPKI), HR_RS256, HR_OK, 256},
    {"RSA for PSS", S(RSA_SPKI), HR_PS512, HR_OK, 256},
    {"PKCS#1", S(RSA_PKCS1), HR_RS384, HR_OK, 256},
    {"P-256", S(EC_SPKI), HR_ES256, HR_OK, 32},
    {"P-256, compressed", S(EC_COMPRESSED), HR_ES256, HR_OK, 32},
    {"P-384", S(EC_384), HR_ES384, HR_OK, 48},
    {"Ed25519", S(ED25519), HR_EdDSA, HR_OK, 32},
    {"a certificate", S(CERTIFICATE), HR_ES256, HR_OK, 32},
    {"text around the block", S("key:\n" EC_SPKI "end\n"), HR_ES256, HR_OK,
     32},
    {"empty", S(""), HR_ES256, HR_KEY_EMPTY, 0},
    {"no block", S("no key at all\n"), HR_ES256, HR_KEY_FORMAT, 0},
    {"two blocks", S(EC_SPKI EC_SPKI), HR_ES256, HR_KEY_FORMAT, 0},
    {"an unknown label",
     S("-----BEGIN DSA PARAMETERS-----\nMAMCAQE=\n"
       "-----END DSA PARAMETERS-----\n"),
     HR_ES256, HR_KEY_FORMAT, 0},
    {"a private key (SEC 1)", S(EC_SEC1_PRIVATE), HR_ES256, HR_KEY_PRIVATE, 0},
    {"a private key (PKCS#8)", S(PKCS8_PRIVATE), HR_ES256, HR_KEY_PRIVATE, 0},
    {"a public and a private key", S(EC_SPKI PKCS8_PRIVATE), HR_ES256,
     HR_KEY_FORMAT, 0},
    {"for HMAC", S(RSA_SPKI), HR_HS256, HR_KEY_ALGORITHM, 0},
    {"RSA for EC", S(RSA_SPKI), HR_ES256, HR_KEY_ALGORITHM, 0},
    {"PKCS#1 for EC", S(RSA_PKCS1), HR_ES256, HR_KEY_ALGORITHM, 0},
    {"EC for RSA", S(EC_SPKI), HR_RS256, HR_KEY_ALGORITHM, 0},
    {"EC for EdDSA", S(EC_SPKI), HR_EdDSA, HR_KEY_ALGORITHM, 0},
    {"a certificate for RSA", S(CERTIFICATE), HR_RS256, HR_KEY_ALGORITHM, 0},
    {"another curve", S(EC_SPKI), HR_ES384, HR_KEY_CURVE, 0},
    {"off the curve", S(EC_OFF_CURVE), HR_ES256, HR_KEY_CURVE, 0},
    {"the point at infinity", S(EC_INFINITY), HR_ES256, HR_KEY_CURVE, 0},
    {"a hybrid point", S(EC_HYBRID), HR_ES256, HR_KEY_CURVE, 0},
    {"a byte behind", S(EC_TRAILING), HR_ES256, HR_KEY_FORMAT, 0},
    {"Ed25519 of small order", S(ED_SMALL_ORDER), HR_EdDSA, HR_KEY_WEAK, 0},
    {"Ed25519, a byte short", S(ED_SHORT), HR_EdDSA, HR_KEY_FORMAT, 0},
    {"RSA of 1024 bits", S(RSA_1024), HR_RS256, HR_KEY_WEAK, 0},
    {"RSA, exponent 1", S(RSA_E1), HR_RS256, HR_KEY_WEAK, 0},
    {"RSA, an even exponent", S(RSA_EVEN_E), HR_RS256, HR_KEY_WEAK, 0},
    {"RSA, a long exponent", S(RSA_LONG_E), HR_RS256, HR_KEY_WEAK, 0},
    {"RSA, an even modulus", S(RSA_EVEN_N), HR_RS256, HR_KEY_WEAK, 0},
    {"RSA, ROCA", S(RSA_ROCA), HR_RS256, HR_KEY_WEAK, 0},
};

static const struct {
    const char *why;
    hr_span key_id;
    hr_status want;
} KEY_IDS[] = {
    {"plain", S("k-1"), HR_OK},
    {"empty", S(""), HR_OK},
    {"a line break", S("a\nb"), HR_KEY_FORMAT},
    {"a NUL", S("a\0b"), HR_KEY_FORMAT},
};

static void
sizes(void)
{
    static char text[HR_PEM_MAX + 1];
    hr_token_keyring_key *key;
    memset(text, '\n', sizeof(text));
    memcpy(text, EC_SPKI, sizeof(EC_SPKI) - 1);
    ok(hr_token_keyring_pem_read(guarded((hr_span){text, HR_PEM_MAX}),
                                 HR_ES256, HR_NO_SPAN, &key) == HR_OK,
       "size: the longest");
    hr_token_keyring_key_release(key);
    ok(hr_token_keyring_pem_read(guarded((hr_span){text, HR_PEM_MAX + 1}),
                                 HR_ES256, HR_NO_SPAN,
                                 &key) == HR_KEY_TOO_LONG,
       "size: a byte more");
    uint8_t der[HR_TOKEN_KEYRING_DER_MAX];
    memset(text, 0xff, sizeof(text));
    size_t size = hr_token_keyring_pem_parts_to_der(
        HR_RS256, (hr_span){text, 1025}, S("\1\0\1"), der);
    ok(size > 1025 && hr_token_keyring_pem_read_der(
                          (hr_span){(char *)der, size}, HR_RS256, HR_NO_SPAN,
                          &key) == HR_KEY_TOO_LONG,
       "size: RSA over 8192 bits");
    ok(hr_token_keyring_pem_parts_to_der(
           HR_RS256, (hr_span){text, HR_TOKEN_KEYRING_DER_MAX}, S("\1\0\1"),
           der) == 0,
       "size: parts that do not fit");
}

/* Whatever is cut off: refused, and nothing read beyond the end. */
static void
cut_off(hr_span pem, hr_token_jws_algorithm algorithm)
{
    hr_token_keyring_key *key;
    hr_token_keyring_key *none;
    if (!ok(hr_token_keyring_pem_read(pem, algorithm, HR_NO_SPAN, &key) ==
                HR_OK,
            "cut: whole")) {
        return;
    }
    int refused = 1;
    for (size_t len = 0; len < key->der.len; len++) {
        hr_span der = guarded((hr_span){key->der.ptr, len});
        refused &= hr_token_keyring_pem_read_der(der, algorithm, HR_NO_SPAN,
                                                 &none) != HR_OK;
    }
    ok(refused, "cut: %s anywhere",
       hr_token_jws_algorithm_name(algorithm).ptr);
    hr_token_keyring_key_release(key);
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(PEMS) / sizeof(PEMS[0]); i++) {
        hr_token_keyring_key *key = NULL;
        hr_status got = hr_token_keyring_pem_read(
            guarded(PEMS[i].pem), PEMS[i].algorithm, S("k"), &key);
        ok(got == PEMS[i].want &&
               (got != HR_OK ||
                (key->size == PEMS[i].size &&
                 key->algorithm == PEMS[i].algorithm && key->has_key_id &&
                 hr_span_equal(key->key_id, S("k")) &&
                 key->public_key != NULL && key->secret.ptr == NULL)),
           "pem: %s: %s", PEMS[i].why, hr_status_word(got));
        hr_token_keyring_key_release(key);
    }
    for (size_t i = 0; i < sizeof(KEY_IDS) / sizeof(KEY_IDS[0]); i++) {
        hr_token_keyring_key *key = NULL;
        hr_status got = hr_token_keyring_pem_read(
            S(ED25519), HR_EdDSA, guarded(KEY_IDS[i].key_id), &key);
        ok(got == KEY_IDS[i].want, "key id: %s: %s", KEY_IDS[i].why,
           hr_status_word(got));
        hr_token_keyring_key_release(key);
    }
    sizes();
    cut_off(S(EC_SPKI), HR_ES256);
    cut_off(S(RSA_SPKI), HR_RS256);
    cut_off(S(ED25519), HR_EdDSA);
    return done_testing();
}
