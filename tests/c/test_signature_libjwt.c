/* SPDX-License-Identifier: MIT */
/* Left out where the core is built without libjwt. */
#include "jwt.h"
#include "keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "../../ext/core/alloc.h"
#include "../../ext/core/keyring.h"

#define S PS_SPAN
#define LONG_SECRET \
    S("a secret of sixty-four bytes, enough for each of the hashes.....")

/* A token of RSA_SPKI. */
static const ps_span RS_TOKEN =
    S("eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.Z2tT6SX8PCE42_AZykqrFEaBdVJP_93F"
      "s4MCfbL-M72KzfC3pMVSt3lSjrik6ikHmqrqjuZDRxU5oTSUDr-ZHRdedsYtAifS"
      "q57l2zL4BBQr7zH2I9htdHQyPv3_hPOzqjtEK7EOZ6LMj2ertGMiZ0LXjzAvcZ6D"
      "Xdhl3SpkI7GZ2kFr6tH8sAl8Prhnc-WA1X8WeCzp-"
      "k4QCL3AP4RL_KiNxK7PFi7toFUiicYlCMexi4XSBcB84TXfJZDhGEOAEl3Bhd1Wv"
      "PTTiEeA38uVVpV3vsQTfFa24XbdCd4pBI277nGOmZdeKUg7sYpjnwYwk09Ld-"
      "urv-_TNeEnCZawNQ");

/* RFC 7515 A.3. */
static const ps_span ES_KEY =
    S("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\","
      "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
static const ps_span ES_TOKEN =
    S("eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
      "mNvbS9pc19yb290Ijp0cnVlfQ."
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
      "KTUJqPP3-Kg6NU1Q");

/* What prepare answers for a key of that algorithm. */
static const struct {
    ps_algorithm algorithm;
    ps_span pem; /* empty: a secret */
    ps_status want;
} KEYS[] = {
    {PS_HS256, S(""), PS_OK},
    {PS_HS384, S(""), PS_OK},
    {PS_HS512, S(""), PS_OK},
    {PS_RS256, S(RSA_SPKI), PS_OK},
    {PS_RS384, S(RSA_SPKI), PS_OK},
    {PS_RS512, S(RSA_SPKI), PS_OK},
    {PS_ES256, S(EC_SPKI), PS_OK},
    {PS_ES384, S(EC_384), PS_OK},
    {PS_PS256, S(RSA_SPKI), PS_KEY_ALGORITHM},
    {PS_PS384, S(RSA_SPKI), PS_KEY_ALGORITHM},
    {PS_PS512, S(RSA_SPKI), PS_KEY_ALGORITHM},
    {PS_EdDSA, S(ED25519), PS_KEY_ALGORITHM},
};

static void
prepare_each(void)
{
    const ps_engine *engine = ps_engine_libjwt();
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        ps_key *key = NULL;
        ps_prepared *prepared = NULL;
        ps_status status =
            KEYS[i].pem.len == 0
                ? ps_key_from_secret(LONG_SECRET, KEYS[i].algorithm,
                                     PS_NO_SPAN, false, &key)
                : ps_key_from_pem(KEYS[i].pem, KEYS[i].algorithm, PS_NO_SPAN,
                                  &key);
        ok(status == PS_OK && engine->prepare(key, &prepared) == KEYS[i].want,
           "prepare: %s", ps_algorithm_name(KEYS[i].algorithm).ptr);
        engine->free(prepared);
        ps_key_release(key);
    }
    engine->free(NULL);
}

/* Verifies as the verifier does, by a key that is prepared for it. */
static ps_status
verify(const ps_key *key, ps_span text)
{
    const ps_engine *engine = ps_engine_libjwt();
    ps_prepared *prepared = NULL;
    ps_jws jws;
    char signature[PS_SIGNATURE_MAX];
    ps_status status = engine->prepare(key, &prepared);
    if (status != PS_OK) {
        return status;
    }
    if (ps_jws_split(text, &jws) != PS_OK ||
        ps_base64url_decode(jws.signature, signature) != PS_OK) {
        status = PS_MALFORMED;
    } else {
        status = engine->verify(prepared, text, &jws,
                                (ps_span){signature, ps_base64url_decoded_size(
                                                         jws.signature.len)});
    }
    engine->free(prepared);
    return status;
}

static ps_key *
hmac_key(ps_span secret, ps_algorithm algorithm)
{
    ps_key *key = NULL;
    return ps_key_from_secret(secret, algorithm, PS_NO_SPAN, false, &key) ==
                   PS_OK
               ? key
               : NULL;
}

static const struct {
    const char *why;
    ps_span header;
    ps_span payload;
    ps_span secret; /* that signs; the key's is SECRET */
    ps_status want;
} TOKENS[] = {
    {"good", HS256, S("{\"a\":1}"), SECRET, PS_OK},
    {"an empty object", HS256, S("{}"), SECRET, PS_OK},
    {"another secret", HS256, S("{\"a\":1}"),
     S("another secret of thirty-two bytes"), PS_SIGNATURE},
    {"a good signature, a payload that is no JSON", HS256, S("a"), SECRET,
     PS_ENGINE},
};

static void
hmac_tokens(void)
{
    ps_key *key = hmac_key(SECRET, PS_HS256);
    for (size_t i = 0; i < sizeof(TOKENS) / sizeof(TOKENS[0]); i++) {
        ps_status got =
            verify(key, make_token(TOKENS[i].header, TOKENS[i].payload,
                                   TOKENS[i].secret));
        ok(got == TOKENS[i].want, "HS256: %s: %s", TOKENS[i].why,
           ps_status_word(got));
    }
    static char payload[65536];
    memset(payload, 'x', sizeof(payload));
    memcpy(payload, "{\"a\":\"", 6);
    memcpy(payload + sizeof(payload) - 2, "\"}", 2);
    ok(verify(key, make_token(HS256, (ps_span){payload, sizeof(payload)},
                              SECRET)) == PS_ENGINE,
       "HS256: longer than its stack allows");
    ok(verify(key, guarded(S("eyJhbGciOiJub25lIn0.e30."))) == PS_SIGNATURE,
       "none: not under a key");
    ps_key_release(key);
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
    ps_span secret = LONG_SECRET;
    HMAC(EVP_sha384(), secret.ptr, (int)secret.len,
         (const unsigned char *)text, len, mac, &size);
    text[len++] = '.';
    ps_base64url_encode(mac, size, text + len);
    len += ps_base64url_encoded_size(size);
    ps_span token = guarded((ps_span){text, len});
    ps_key *right = hmac_key(secret, PS_HS384);
    ps_key *wrong = hmac_key(secret, PS_HS256);
    ok(verify(right, token) == PS_OK, "algorithm: the key's own");
    ok(verify(wrong, token) == PS_SIGNATURE, "algorithm: the token's");
    ps_key_release(right);
    ps_key_release(wrong);
}

/* Good; with one bit of the signature changed; under another key. */
static void
public_key(const char *why, const ps_key *key, ps_span text)
{
    char changed[1024];
    ok(verify(key, guarded(text)) == PS_OK, "%s: good", why);
    memcpy(changed, text.ptr, text.len);
    char *at = &changed[text.len - 20];
    *at = *at == 'A' ? 'B' : 'A';
    ok(verify(key, guarded((ps_span){changed, text.len})) == PS_SIGNATURE,
       "%s: another signature", why);
}

static void
public_keys(void)
{
    ps_key *rsa = NULL, *ec = NULL, *other = NULL;
    bool skip;
    ok(ps_key_from_pem(S(RSA_SPKI), PS_RS256, PS_NO_SPAN, &rsa) == PS_OK &&
           ps_key_from_jwk(ES_KEY, NULL, &ec, &skip) == PS_OK &&
           ps_key_from_pem(S(EC_SPKI), PS_ES256, PS_NO_SPAN, &other) == PS_OK,
       "public keys");
    public_key("RS256", rsa, RS_TOKEN);
    public_key("ES256", ec, ES_TOKEN);
    ok(verify(other, guarded(ES_TOKEN)) == PS_SIGNATURE, "ES256: another key");
    ok(verify(rsa, guarded(ES_TOKEN)) == PS_SIGNATURE, "RS256: a token of EC");
    ps_key_release(rsa);
    ps_key_release(ec);
    ps_key_release(other);
}

/* Each of our allocations fails once. */
static void
without_memory(void)
{
    ps_key *key = hmac_key(SECRET, PS_HS256);
    ps_span text = make_token(HS256, S("{}"), SECRET);
    int right = 1, whole = 0;
    size_t n = 1;
    for (; n < 200 && !whole; n++) {
        (void)ps_alloc_fail_at(n, 0);
        ps_status status = verify(key, text);
        whole = ps_alloc_fail_at(0, 0) < n;
        right &= status == (whole ? PS_OK : PS_NO_MEMORY);
    }
    ok(right && whole && n > 3, "no memory: said so, nothing lost");
    ps_key_release(key);
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
