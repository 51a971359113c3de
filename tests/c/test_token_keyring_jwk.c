/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "token/keyring.h"

#define S HR_SPAN

/* RFC 7515 A.3, RFC 8037 A.2, and a modulus of 2048 bits. */
#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ED "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define N                                                          \
    "rI4DLIM8t6uCr8lEQgqIbSiPXD49Y5qY1HknRKsUf7x04uNL3rzb52obgD6k" \
    "_dtAxJls64uha8SIkA2YU_WStr9NcfmW0YAHwHUE1liJGfFBvRuMMX4MJ309" \
    "PGPvSUK7wr1Cu88yaahNWTHub7dnMB2TkvX0zcYRcVw8aDIVNns9uisbM6ek" \
    "BlDBeRM4_TgDLv-"                                              \
    "Z98VDncJaFq9cGY3i0N20TgEjmQNPuuZQUOuGx2FZ6MhxkUDjmdWQjS_h4aI" \
    "IqLAUDxp3nVbVTfl_zjg1WVJk1pIY1A3_MC6jygTeqpgFrbUd_YrwYEjW2zr" \
    "jaRwpZOlt2OgrbukGcOp23kWxLw"
#define K "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"

#define M(name, value) "\"" name "\":\"" value "\""
#define EC_OF(x, y) \
    M("kty", "EC") "," M("crv", "P-256") "," M("x", x) "," M("y", y)
#define EC EC_OF(X, Y)
#define OKP_OF(x) M("kty", "OKP") "," M("crv", "Ed25519") "," M("x", x)
#define OKP OKP_OF(ED)
#define RSA_OF(n, e) M("kty", "RSA") "," M("n", n) "," M("e", e)
#define RSA RSA_OF(N, "AQAB")
#define OCT_OF(k) M("kty", "oct") "," M("k", k)
#define ALG(name) "," M("alg", name)

#define NO_FALLBACK HR_ALGORITHMS

static const struct {
    const char *why;
    hr_span document;
    hr_token_jws_algorithm fallback;
    hr_status want;
    hr_token_jws_algorithm algorithm; /* of a good one; else not looked at */
    bool skip;                        /* of a bad one */
} JWKS[] = {
    /* Good ones. */
    {"RSA", S("{" RSA ALG("RS256") "}"), NO_FALLBACK, HR_OK, HR_RS256, 0},
    {"RSA for PSS", S("{" RSA ALG("PS384") "}"), NO_FALLBACK, HR_OK, HR_PS384,
     0},
    {"RSA, zeros in front of the exponent",
     S("{" RSA_OF(N, "AAEAAQ") ALG("RS256") "}"), NO_FALLBACK, HR_OK, HR_RS256,
     0},
    {"the fallback", S("{" EC "}"), HR_ES256, HR_OK, HR_ES256, 0},
    {"its own algorithm beats the fallback", S("{" RSA ALG("RS512") "}"),
     HR_RS256, HR_OK, HR_RS512, 0},
    {"use and key_ops",
     S("{" EC ALG("ES256") "," M("use", "sig") ",\"key_ops\":[\"sign\","
                                               "\"verify\"]}"),
     NO_FALLBACK, HR_OK, HR_ES256, 0},
    {"members that nobody knows", S("{\"x5c\":[{}]," OKP ALG("EdDSA") "}"),
     NO_FALLBACK, HR_OK, HR_EdDSA, 0},
    {"oct", S("{" OCT_OF(K) ALG("HS256") "}"), NO_FALLBACK, HR_OK, HR_HS256,
     0},
    /* Of another kind: a set passes over them. */
    {"an algorithm for encryption", S("{" RSA ALG("RSA-OAEP") "}"),
     NO_FALLBACK, HR_KEY_ALGORITHM, 0, 1},
    {"the algorithm none", S("{" RSA ALG("none") "}"), NO_FALLBACK,
     HR_KEY_ALGORITHM, 0, 1},
    {"the fallback is for another kind", S("{" EC "}"), HR_RS256,
     HR_KEY_ALGORITHM, 0, 1},
    {"the fallback is for HMAC", S("{" RSA "}"), HR_HS256, HR_KEY_ALGORITHM, 0,
     1},
    {"the fallback is of another curve", S("{" EC "}"), HR_ES384, HR_KEY_CURVE,
     0, 1},
    {"secp256k1",
     S("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" X "\",\"y\":\"" Y
       "\"" ALG("ES256") "}"),
     NO_FALLBACK, HR_KEY_ALGORITHM, 0, 1},
    {"X25519",
     S("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED
       "\"" ALG("EdDSA") "}"),
     NO_FALLBACK, HR_KEY_ALGORITHM, 0, 1},
    {"not to verify", S("{" EC ALG("ES256") ",\"key_ops\":[\"encrypt\"]}"),
     NO_FALLBACK, HR_KEY_USE, 0, 1},
    {"for no operation", S("{" EC ALG("ES256") ",\"key_ops\":[]}"),
     NO_FALLBACK, HR_KEY_USE, 0, 1},
    /* Bad ones. */
    {"its own algorithm is for another kind", S("{" EC ALG("RS256") "}"),
     NO_FALLBACK, HR_KEY_ALGORITHM, 0, 0},
    {"a public key as a secret", S("{" RSA ALG("HS256") "}"), NO_FALLBACK,
     HR_KEY_ALGORITHM, 0, 0},
    {"no curve", S("{\"kty\":\"EC\",\"x\":\"" X "\"" ALG("ES256") "}"),
     NO_FALLBACK, HR_KEY_FORMAT, 0, 0},
    {"kty is no text", S("{\"kty\":1}"), NO_FALLBACK, HR_KEY_FORMAT, 0, 0},
    {"alg is no text", S("{" EC ",\"alg\":256}"), HR_ES256, HR_KEY_FORMAT, 0,
     0},
    {"use is no text", S("{" EC ALG("ES256") ",\"use\":null}"), NO_FALLBACK,
     HR_KEY_FORMAT, 0, 0},
    {"use with an escape", S("{" EC ALG("ES256") ",\"use\":\"s\\u0069g\"}"),
     NO_FALLBACK, HR_KEY_FORMAT, 0, 0},
    {"key_ops is no list", S("{" EC ALG("ES256") ",\"key_ops\":\"verify\"}"),
     NO_FALLBACK, HR_KEY_FORMAT, 0, 0},
    {"key_ops of numbers", S("{" EC ALG("ES256") ",\"key_ops\":[1]}"),
     NO_FALLBACK, HR_KEY_FORMAT, 0, 0},
    {"kid is no text", S("{" EC ALG("ES256") ",\"kid\":1}"), NO_FALLBACK,
     HR_KEY_FORMAT, 0, 0},
    {"kid with a line break", S("{" EC ALG("ES256") ",\"kid\":\"a\\nb\"}"),
     NO_FALLBACK, HR_KEY_FORMAT, 0, 0},
    {"a name twice", S("{" EC ALG("ES256") ALG("ES256") "}"), NO_FALLBACK,
     HR_KEY_FORMAT, 0, 0},
    {"padded base64", S("{" EC_OF(X "=", Y) ALG("ES256") "}"), NO_FALLBACK,
     HR_KEY_FORMAT, 0, 0},
    {"x is not there",
     S("{\"kty\":\"OKP\",\"crv\":\"Ed25519\"" ALG("EdDSA") "}"), NO_FALLBACK,
     HR_KEY_FORMAT, 0, 0},
    {"a short coordinate", S("{" EC_OF("AAAA", Y) ALG("ES256") "}"),
     NO_FALLBACK, HR_KEY_CURVE, 0, 0},
    {"off the curve", S("{" EC_OF(Y, X) ALG("ES256") "}"), NO_FALLBACK,
     HR_KEY_CURVE, 0, 0},
    {"a short point", S("{" OKP_OF("AAAA") ALG("EdDSA") "}"), NO_FALLBACK,
     HR_KEY_FORMAT, 0, 0},
    {"a point of small order",
     S("{" OKP_OF("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
           ALG("EdDSA") "}"),
     NO_FALLBACK, HR_KEY_WEAK, 0, 0},
    {"a short modulus", S("{" RSA_OF("AQAB", "AQAB") ALG("RS256") "}"),
     NO_FALLBACK, HR_KEY_WEAK, 0, 0},
    {"a modulus of 0", S("{" RSA_OF("AAAA", "AQAB") ALG("RS256") "}"),
     NO_FALLBACK, HR_KEY_WEAK, 0, 0},
    {"an exponent of 1", S("{" RSA_OF(N, "AQ") ALG("RS256") "}"), NO_FALLBACK,
     HR_KEY_WEAK, 0, 0},
    {"an exponent of 0", S("{" RSA_OF(N, "AA") ALG("RS256") "}"), NO_FALLBACK,
     HR_KEY_WEAK, 0, 0},
    {"no exponent", S("{\"kty\":\"RSA\"," M("n", N) ALG("RS256") "}"),
     NO_FALLBACK, HR_KEY_FORMAT, 0, 0},
    {"too long a modulus", S("{" RSA_OF(N N N N N, "AQAB") ALG("RS256") "}"),
     NO_FALLBACK, HR_KEY_TOO_LONG, 0, 0},
    {"private RSA", S("{" RSA ALG("RS256") ",\"p\":\"AA\"}"), NO_FALLBACK,
     HR_KEY_PRIVATE, 0, 0},
    {"private OKP", S("{" OKP ALG("EdDSA") ",\"d\":null}"), NO_FALLBACK,
     HR_KEY_PRIVATE, 0, 0},
    {"oct without k", S("{\"kty\":\"oct\"" ALG("HS256") "}"), NO_FALLBACK,
     HR_KEY_FORMAT, 0, 0},
    {"oct, an empty k", S("{" OCT_OF("") ALG("HS256") "}"), NO_FALLBACK,
     HR_KEY_EMPTY, 0, 0},
    {"oct, short for its hash", S("{" OCT_OF(K) ALG("HS512") "}"), NO_FALLBACK,
     HR_KEY_TOO_SHORT, 0, 0},
    {"oct, PEM inside",
     S("{" OCT_OF("LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0gICAgICAgICAgICA")
           ALG("HS256") "}"),
     NO_FALLBACK, HR_KEY_NOT_SECRET, 0, 0},
    {"a byte behind", S("{" EC ALG("ES256") "}x"), NO_FALLBACK, HR_KEY_FORMAT,
     0, 0},
};

static const struct {
    const char *why;
    hr_span document;
    hr_status want;
    size_t count;
    size_t skipped;
    size_t at; /* of a bad one */
} SETS[] = {
    {"empty", S("{\"keys\":[]}"), HR_OK, 0, 0, 0},
    {"two", S("{\"keys\":[{" EC ALG("ES256") "},{" OKP ALG("EdDSA") "}]}"),
     HR_OK, 2, 0, 0},
    {"some are for others",
     S("{\"a\":1,\"keys\":[{\"kty\":\"AKP\"},{" EC ALG("ES256") "},{" RSA ALG(
         "RSA-OAEP") "}]}"),
     HR_OK, 1, 2, 0},
    {"no list", S("{\"keys\":{}}"), HR_KEY_FORMAT, 0, 0, 0},
    {"nothing", S("{}"), HR_KEY_FORMAT, 0, 0, 0},
    {"no object", S("[]"), HR_KEY_FORMAT, 0, 0, 0},
    {"a list inside", S("{\"keys\":[{" EC ALG("ES256") "},[]]}"),
     HR_KEY_FORMAT, 0, 0, 1},
    {"the third is bad",
     S("{\"keys\":[{" EC ALG("ES256") "},{\"kty\":\"AKP\"},{" EC_OF(Y, X)
           ALG("ES256") "}]}"),
     HR_KEY_CURVE, 0, 0, 2},
    {"an id twice",
     S("{\"keys\":[{" EC ALG("ES256") ",\"kid\":\"a\"},{" OKP ALG(
         "EdDSA") ",\"kid\":\"\\u0061\"}]}"),
     HR_KEY_DUPLICATE, 0, 0, 1},
    {"a secret among public keys",
     S("{\"keys\":[{" EC ALG("ES256") "},{" OCT_OF(K) ALG("HS256") "}]}"),
     HR_KEY_MIXED, 0, 0, 1},
};

static void
one_key(void)
{
    for (size_t i = 0; i < sizeof(JWKS) / sizeof(JWKS[0]); i++) {
        hr_token_keyring_key *key = NULL;
        bool skip = false;
        const hr_token_jws_algorithm *fallback = &JWKS[i].fallback;
        hr_status got = hr_token_keyring_jwk_read(
            guarded(JWKS[i].document),
            *fallback != NO_FALLBACK ? fallback : NULL, &key, &skip);
        ok(got == JWKS[i].want &&
               (got == HR_OK ? key->algorithm == JWKS[i].algorithm
                             : skip == JWKS[i].skip),
           "jwk: %s: %s", JWKS[i].why, hr_status_word(got));
        hr_token_keyring_key_release(key);
    }
}

static void
sets(void)
{
    for (size_t i = 0; i < sizeof(SETS) / sizeof(SETS[0]); i++) {
        hr_token_keyring_key *keys[HR_KEYS_MAX];
        size_t count = 0, skipped = 0, at = 0;
        hr_status got = hr_token_keyring_jwk_read_set(
            guarded(SETS[i].document), NULL, keys, &count, &skipped, &at);
        ok(got == SETS[i].want && count == SETS[i].count &&
               skipped == SETS[i].skipped &&
               (got == HR_OK || at == SETS[i].at),
           "set: %s: %s", SETS[i].why, hr_status_word(got));
        for (size_t k = 0; k < count; k++) {
            hr_token_keyring_key_release(keys[k]);
        }
    }
}

/* Whatever is cut off: refused, and nothing read beyond the end. */
static void
cut_off(void)
{
    hr_span whole = S("{\"keys\":[{" EC ALG("ES256") ",\"kid\":\"a\"}]}");
    int refused = 1;
    for (size_t len = 0; len < whole.len; len++) {
        hr_token_keyring_key *keys[HR_KEYS_MAX];
        size_t count, skipped, at;
        refused &= hr_token_keyring_jwk_read_set(
                       guarded((hr_span){whole.ptr, len}), NULL, keys, &count,
                       &skipped, &at) == HR_KEY_FORMAT;
    }
    ok(refused, "set: cut off anywhere");
}

/* As many secrets as fit, and one more. */
static void
full(void)
{
    static char text[(HR_KEYS_MAX + 1) * 128];
    static const char ONE[] = "{" OCT_OF(K) ALG("HS256") "},";
    hr_token_keyring_key *keys[HR_KEYS_MAX];
    size_t count = 0, skipped, at;
    for (size_t wanted = HR_KEYS_MAX; wanted <= HR_KEYS_MAX + 1; wanted++) {
        char *to = stpcpy(text, "{\"keys\":[");
        for (size_t i = 0; i < wanted; i++) {
            to = stpcpy(to, ONE);
        }
        to = stpcpy(to - 1, "]}");
        hr_status got = hr_token_keyring_jwk_read_set(
            guarded((hr_span){text, (size_t)(to - text)}), NULL, keys, &count,
            &skipped, &at);
        if (wanted == HR_KEYS_MAX) {
            ok(got == HR_OK && count == HR_KEYS_MAX, "set: full");
            for (size_t i = 0; i < count; i++) {
                hr_token_keyring_key_release(keys[i]);
            }
        } else {
            ok(got == HR_KEY_TOO_LONG && at == HR_KEYS_MAX, "set: one more");
        }
    }
}

int
main(void)
{
    one_key();
    sets();
    cut_off();
    full();
    return done_testing();
}
