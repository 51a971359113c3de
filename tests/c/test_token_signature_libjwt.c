/* SPDX-License-Identifier: MIT */
/* Left out where the core is built without libjwt. */
#include "jwt.h"
#include "keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/alloc.h"
#include "token/keyring.h"
#include "token/signature.h"

#define S HR_SPAN
#define LONG_SECRET \
    S("a secret of sixty-four bytes, enough for each of the hashes.....")

/* A token of RSA_SPKI. */
static const hr_span RS_TOKEN =
    S("eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.Z2tT6SX8PCE42_AZykqrFEaBdVJP_93F"
      "s4MCfbL-M72KzfC3pMVSt3lSjrik6ikHmqrqjuZDRxU5oTSUDr-ZHRdedsYtAifS"
      "q57l2zL4BBQr7zH2I9htdHQyPv3_hPOzqjtEK7EOZ6LMj2ertGMiZ0LXjzAvcZ6D"
      "Xdhl3SpkI7GZ2kFr6tH8sAl8Prhnc-WA1X8WeCzp-"
      "k4QCL3AP4RL_KiNxK7PFi7toFUiicYlCMexi4XSBcB84TXfJZDhGEOAEl3Bhd1Wv"
      "PTTiEeA38uVVpV3vsQTfFa24XbdCd4pBI277nGOmZdeKUg7sYpjnwYwk09Ld-"
      "urv-_TNeEnCZawNQ");

/* RFC 7515 A.3. */
static const hr_span ES_KEY =
    S("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\","
      "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
static const hr_span ES_TOKEN =
    S("eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
      "mNvbS9pc19yb290Ijp0cnVlfQ."
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
      "KTUJqPP3-Kg6NU1Q");

/* What prepare answers for a key of that algorithm. */
static const struct {
    hr_token_jws_algorithm algorithm;
    hr_span pem; /* empty: a secret */
    hr_status want;
} KEYS[] = {
    {HR_HS256, S(""), HR_OK},
    {HR_HS384, S(""), HR_OK},
    {HR_HS512, S(""), HR_OK},
    {HR_RS256, S(RSA_SPKI), HR_OK},
    {HR_RS384, S(RSA_SPKI), HR_OK},
    {HR_RS512, S(RSA_SPKI), HR_OK},
    {HR_ES256, S(EC_SPKI), HR_OK},
    {HR_ES384, S(EC_384), HR_OK},
    {HR_PS256, S(RSA_SPKI), HR_KEY_ALGORITHM},
    {HR_PS384, S(RSA_SPKI), HR_KEY_ALGORITHM},
    {HR_PS512, S(RSA_SPKI), HR_KEY_ALGORITHM},
    {HR_EdDSA, S(ED25519), HR_KEY_ALGORITHM},
};

static void
prepare_each(void)
{
    const hr_token_signature_engine *engine = hr_token_signature_libjwt();
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        hr_token_keyring_key *key = NULL;
        hr_token_signature_prepared *prepared = NULL;
        hr_status status =
            KEYS[i].pem.len == 0
                ? hr_token_keyring_key_from_secret(
                      LONG_SECRET, KEYS[i].algorithm, HR_NO_SPAN, false, &key)
                : hr_token_keyring_pem_read(KEYS[i].pem, KEYS[i].algorithm,
                                            HR_NO_SPAN, &key);
        ok(status == HR_OK && engine->prepare(key, &prepared) == KEYS[i].want,
           "prepare: %s", hr_token_jws_algorithm_name(KEYS[i].algorithm).ptr);
        engine->free(prepared);
        hr_token_keyring_key_release(key);
    }
    engine->free(NULL);
}

/* Verifies as the verifier does, by a key that is prepared for it. */
static hr_status
verify(const hr_token_keyring_key *key, hr_span text)
{
    const hr_token_signature_engine *engine = hr_token_signature_libjwt();
    hr_token_signature_prepared *prepared = NULL;
    hr_token_jws jws;
    char signature[HR_SIGNATURE_MAX];
    hr_status status = engine->prepare(key, &prepared);
    if (status != HR_OK) {
        return status;
    }
    if (hr_token_jws_split(text, &jws) != HR_OK ||
        hr_base64url_decode(jws.signature, signature) != HR_OK) {
        status = HR_MALFORMED;
    } else {
        status = engine->verify(prepared, text, &jws,
                                (hr_span){signature, hr_base64url_decoded_size(
                                                         jws.signature.len)});
    }
    engine->free(prepared);
    return status;
}

static hr_token_keyring_key *
hmac_key(hr_span secret, hr_token_jws_algorithm algorithm)
{
    hr_token_keyring_key *key = NULL;
    return hr_token_keyring_key_from_secret(secret, algorithm, HR_NO_SPAN,
                                            false, &key) == HR_OK
               ? key
               : NULL;
}

static const struct {
    const char *why;
    hr_span header;
    hr_span payload;
    hr_span secret; /* that signs; the key's is SECRET */
    hr_status want;
} TOKENS[] = {
    {"good", HS256, S("{\"a\":1}"), SECRET, HR_OK},
    {"an empty object", HS256, S("{}"), SECRET, HR_OK},
    {"another secret", HS256, S("{\"a\":1}"),
     S("another secret of thirty-two bytes"), HR_SIGNATURE},
    {"a good signature, a payload that is no JSON", HS256, S("a"), SECRET,
     HR_ENGINE},
};

static void
hmac_tokens(void)
{
    hr_token_keyring_key *key = hmac_key(SECRET, HR_HS256);
    for (size_t i = 0; i < sizeof(TOKENS) / sizeof(TOKENS[0]); i++) {
        hr_status got =
            verify(key, make_token(TOKENS[i].header, TOKENS[i].payload,
                                   TOKENS[i].secret));
        ok(got == TOKENS[i].want, "HS256: %s: %s", TOKENS[i].why,
           hr_status_word(got));
    }
    static char payload[65536];
    memset(payload, 'x', sizeof(payload));
    memcpy(payload, "{\"a\":\"", 6);
    memcpy(payload + sizeof(payload) - 2, "\"}", 2);
    ok(verify(key, make_token(HS256, (hr_span){payload, sizeof(payload)},
                              SECRET)) == HR_ENGINE,
       "HS256: longer than its stack allows");
    ok(verify(key, guarded(S("eyJhbGciOiJub25lIn0.e30."))) == HR_SIGNATURE,
       "none: not under a key");
    hr_token_keyring_key_release(key);
}

/* The token chooses nothing: rightly signed by another hash, it is refused. */
static void
another_algorithm(void)
{
    char text[256];
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    size_t len = (size_t)snprintf(text, sizeof(text),
                                  "eyJhbGciOiJIUzM4NCJ9.eyJhIjoxfQ");
    hr_span secret = LONG_SECRET;
    HMAC(EVP_sha384(), secret.ptr, (int)secret.len,
         (const unsigned char *)text, len, mac, &size);
    text[len++] = '.';
    hr_base64url_encode(mac, size, text + len);
    len += hr_base64url_encoded_size(size);
    hr_span token = guarded((hr_span){text, len});
    hr_token_keyring_key *right = hmac_key(secret, HR_HS384);
    hr_token_keyring_key *wrong = hmac_key(secret, HR_HS256);
    ok(verify(right, token) == HR_OK, "algorithm: the key's own");
    ok(verify(wrong, token) == HR_SIGNATURE, "algorithm: the token's");
    hr_token_keyring_key_release(right);
    hr_token_keyring_key_release(wrong);
}

/* Good; with one bit of the signature changed; under another key. */
static void
public_key(const char *why, const hr_token_keyring_key *key, hr_span text)
{
    char changed[1024];
    ok(verify(key, guarded(text)) == HR_OK, "%s: good", why);
    memcpy(changed, text.ptr, text.len);
    char *at = &changed[text.len - 20];
    *at = *at == 'A' ? 'B' : 'A';
    ok(verify(key, guarded((hr_span){changed, text.len})) == HR_SIGNATURE,
       "%s: another signature", why);
}

static void
public_keys(void)
{
    hr_token_keyring_key *rsa = NULL, *ec = NULL, *other = NULL;
    bool skip;
    ok(hr_token_keyring_pem_read(S(RSA_SPKI), HR_RS256, HR_NO_SPAN, &rsa) ==
               HR_OK &&
           hr_token_keyring_jwk_read(ES_KEY, NULL, &ec, &skip) == HR_OK &&
           hr_token_keyring_pem_read(S(EC_SPKI), HR_ES256, HR_NO_SPAN,
                                     &other) == HR_OK,
       "public keys");
    public_key("RS256", rsa, RS_TOKEN);
    public_key("ES256", ec, ES_TOKEN);
    ok(verify(other, guarded(ES_TOKEN)) == HR_SIGNATURE, "ES256: another key");
    ok(verify(rsa, guarded(ES_TOKEN)) == HR_SIGNATURE, "RS256: a token of EC");
    hr_token_keyring_key_release(rsa);
    hr_token_keyring_key_release(ec);
    hr_token_keyring_key_release(other);
}

/* Each of our allocations fails once. */
static void
without_memory(void)
{
    hr_token_keyring_key *key = hmac_key(SECRET, HR_HS256);
    hr_span text = make_token(HS256, S("{}"), SECRET);
    int right = 1, whole = 0;
    size_t n = 1;
    for (; n < 200 && !whole; n++) {
        (void)hr_alloc_fail_at(n, 0);
        hr_status status = verify(key, text);
        whole = hr_alloc_fail_at(0, 0) < n;
        right &= status == (whole ? HR_OK : HR_NO_MEMORY);
    }
    ok(right && whole && n > 3, "no memory: said so, nothing lost");
    hr_token_keyring_key_release(key);
}

int
main(void)
{
    prepare_each();
    hmac_tokens();
    another_algorithm();
    public_keys();
    without_memory();
    return done_testing();
}
