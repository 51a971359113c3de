/* SPDX-License-Identifier: MIT */
#include "keys.h"
#include "tap.h"

#include "../../ext/core/keyring.h"

#define S PS_SPAN

static const struct {
    const char *why;
    ps_span pem;
    ps_algorithm algorithm;
    ps_status want;
    size_t size; /* of a good one */
} PEMS[] = {
    {"RSA", S(RSA_SPKI), PS_RS256, PS_OK, 256},
    {"RSA for PSS", S(RSA_SPKI), PS_PS512, PS_OK, 256},
    {"PKCS#1", S(RSA_PKCS1), PS_RS384, PS_OK, 256},
    {"P-256", S(EC_SPKI), PS_ES256, PS_OK, 32},
    {"P-256, compressed", S(EC_COMPRESSED), PS_ES256, PS_OK, 32},
    {"P-384", S(EC_384), PS_ES384, PS_OK, 48},
    {"Ed25519", S(ED25519), PS_EdDSA, PS_OK, 32},
    {"a certificate", S(CERTIFICATE), PS_ES256, PS_OK, 32},
    {"text around the block", S("key:\n" EC_SPKI "end\n"), PS_ES256, PS_OK,
     32},
    {"empty", S(""), PS_ES256, PS_KEY_EMPTY, 0},
    {"no block", S("no key at all\n"), PS_ES256, PS_KEY_FORMAT, 0},
    {"two blocks", S(EC_SPKI EC_SPKI), PS_ES256, PS_KEY_FORMAT, 0},
    {"an unknown label",
     S("-----BEGIN DSA PARAMETERS-----\nMAMCAQE=\n"
       "-----END DSA PARAMETERS-----\n"),
     PS_ES256, PS_KEY_FORMAT, 0},
    {"a private key (SEC 1)", S(EC_SEC1_PRIVATE), PS_ES256, PS_KEY_PRIVATE, 0},
    {"a private key (PKCS#8)", S(PKCS8_PRIVATE), PS_ES256, PS_KEY_PRIVATE, 0},
    {"a public and a private key", S(EC_SPKI PKCS8_PRIVATE), PS_ES256,
     PS_KEY_FORMAT, 0},
    {"for HMAC", S(RSA_SPKI), PS_HS256, PS_KEY_ALGORITHM, 0},
    {"RSA for EC", S(RSA_SPKI), PS_ES256, PS_KEY_ALGORITHM, 0},
    {"PKCS#1 for EC", S(RSA_PKCS1), PS_ES256, PS_KEY_ALGORITHM, 0},
    {"EC for RSA", S(EC_SPKI), PS_RS256, PS_KEY_ALGORITHM, 0},
    {"EC for EdDSA", S(EC_SPKI), PS_EdDSA, PS_KEY_ALGORITHM, 0},
    {"a certificate for RSA", S(CERTIFICATE), PS_RS256, PS_KEY_ALGORITHM, 0},
    {"another curve", S(EC_SPKI), PS_ES384, PS_KEY_CURVE, 0},
    {"off the curve", S(EC_OFF_CURVE), PS_ES256, PS_KEY_CURVE, 0},
    {"the point at infinity", S(EC_INFINITY), PS_ES256, PS_KEY_CURVE, 0},
    {"a hybrid point", S(EC_HYBRID), PS_ES256, PS_KEY_CURVE, 0},
    {"a byte behind", S(EC_TRAILING), PS_ES256, PS_KEY_FORMAT, 0},
    {"Ed25519 of small order", S(ED_SMALL_ORDER), PS_EdDSA, PS_KEY_WEAK, 0},
    {"Ed25519, a byte short", S(ED_SHORT), PS_EdDSA, PS_KEY_FORMAT, 0},
    {"RSA of 1024 bits", S(RSA_1024), PS_RS256, PS_KEY_WEAK, 0},
    {"RSA, exponent 1", S(RSA_E1), PS_RS256, PS_KEY_WEAK, 0},
    {"RSA, an even exponent", S(RSA_EVEN_E), PS_RS256, PS_KEY_WEAK, 0},
    {"RSA, a long exponent", S(RSA_LONG_E), PS_RS256, PS_KEY_WEAK, 0},
    {"RSA, an even modulus", S(RSA_EVEN_N), PS_RS256, PS_KEY_WEAK, 0},
    {"RSA, ROCA", S(RSA_ROCA), PS_RS256, PS_KEY_WEAK, 0},
};

static const struct {
    const char *why;
    ps_span key_id;
    ps_status want;
} KEY_IDS[] = {
    {"plain", S("k-1"), PS_OK},
    {"empty", S(""), PS_OK},
    {"a line break", S("a\nb"), PS_KEY_FORMAT},
    {"a NUL", S("a\0b"), PS_KEY_FORMAT},
};

static void
sizes(void)
{
    static char text[PS_PEM_MAX + 1];
    ps_key *key;
    memset(text, '\n', sizeof(text));
    memcpy(text, EC_SPKI, sizeof(EC_SPKI) - 1);
    ok(ps_key_from_pem(guarded((ps_span){text, PS_PEM_MAX}), PS_ES256,
                       PS_NO_SPAN, &key) == PS_OK,
       "size: the longest");
    ps_key_release(key);
    ok(ps_key_from_pem(guarded((ps_span){text, PS_PEM_MAX + 1}), PS_ES256,
                       PS_NO_SPAN, &key) == PS_KEY_TOO_LONG,
       "size: a byte more");
    uint8_t der[PS_DER_MAX];
    memset(text, 0xff, sizeof(text));
    size_t size =
        ps_key_parts_to_der(PS_RS256, (ps_span){text, 1025}, S("\1\0\1"), der);
    ok(size > 1025 && ps_key_from_der((ps_span){(char *)der, size}, PS_RS256,
                                      PS_NO_SPAN, &key) == PS_KEY_TOO_LONG,
       "size: RSA over 8192 bits");
    ok(ps_key_parts_to_der(PS_RS256, (ps_span){text, PS_DER_MAX}, S("\1\0\1"),
                           der) == 0,
       "size: parts that do not fit");
}

/* Whatever is cut off: refused, and nothing read beyond the end. */
static void
cut_off(ps_span pem, ps_algorithm algorithm)
{
    ps_key *key;
    ps_key *none;
    if (!ok(ps_key_from_pem(pem, algorithm, PS_NO_SPAN, &key) == PS_OK,
            "cut: whole")) {
        return;
    }
    int refused = 1;
    for (size_t len = 0; len < key->der.len; len++) {
        ps_span der = guarded((ps_span){key->der.ptr, len});
        refused &= ps_key_from_der(der, algorithm, PS_NO_SPAN, &none) != PS_OK;
    }
    ok(refused, "cut: %s anywhere", ps_algorithm_name(algorithm).ptr);
    ps_key_release(key);
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(PEMS) / sizeof(PEMS[0]); i++) {
        ps_key *key = NULL;
        ps_status got = ps_key_from_pem(guarded(PEMS[i].pem),
                                        PEMS[i].algorithm, S("k"), &key);
        ok(got == PEMS[i].want &&
               (got != PS_OK ||
                (key->size == PEMS[i].size &&
                 key->algorithm == PEMS[i].algorithm && key->has_key_id &&
                 ps_span_equal(key->key_id, S("k")) &&
                 key->public_key != NULL && key->secret.ptr == NULL)),
           "pem: %s: %s", PEMS[i].why, ps_status_word(got));
        ps_key_release(key);
    }
    for (size_t i = 0; i < sizeof(KEY_IDS) / sizeof(KEY_IDS[0]); i++) {
        ps_key *key = NULL;
        ps_status got = ps_key_from_pem(S(ED25519), PS_EdDSA,
                                        guarded(KEY_IDS[i].key_id), &key);
        ok(got == KEY_IDS[i].want, "key id: %s: %s", KEY_IDS[i].why,
           ps_status_word(got));
        ps_key_release(key);
    }
    sizes();
    cut_off(S(EC_SPKI), PS_ES256);
    cut_off(S(RSA_SPKI), PS_RS256);
    cut_off(S(ED25519), PS_EdDSA);
    return done_testing();
}
