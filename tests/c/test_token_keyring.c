/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "base/alloc.h"
#include "token/keyring.h"

#define S HR_SPAN
#define SECRET32 "0123456789abcdef0123456789abcdef"

/* RFC 7515 A.3 and RFC 8037 A.2. */
#define EC_XY                                                \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\"," EC_XY "}"
#define OKP                                                                 \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"kid\":\"o\"," \
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define OCT                                       \
    "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"" \
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}"

static const struct {
    const char *why;
    hr_span document;
    hr_status want;
    int skip;
} JWKS[] = {
    {"EC", S(EC), HR_OK, 0},
    {"OKP", S(OKP), HR_OK, 0},
    {"oct", S(OCT), HR_OK, 0},
    {"empty", S(""), HR_KEY_FORMAT, 0},
    {"no object", S("[]"), HR_KEY_FORMAT, 0},
    {"no kty", S("{}"), HR_KEY_FORMAT, 0},
    {"another kty", S("{\"kty\":\"AKP\"}"), HR_KEY_ALGORITHM, 1},
    {"no algorithm", S("{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_XY "}"),
     HR_KEY_ALGORITHM, 0},
    {"another curve",
     S("{\"kty\":\"EC\",\"alg\":\"ES256\",\"crv\":\"P-384\"," EC_XY "}"),
     HR_KEY_CURVE, 0},
    {"for encryption",
     S("{\"kty\":\"EC\",\"alg\":\"ES256\",\"use\":\"enc\","
       "\"crv\":\"P-256\"," EC_XY "}"),
     HR_KEY_USE, 1},
    {"private",
     S("{\"kty\":\"EC\",\"alg\":\"ES256\",\"d\":\"AA\","
       "\"crv\":\"P-256\"," EC_XY "}"),
     HR_KEY_PRIVATE, 0},
    {"a short secret", S("{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AAAA\"}"),
     HR_KEY_TOO_SHORT, 0},
};

static const struct {
    const char *why;
    hr_span secret;
    int material;
} SECRETS[] = {
    {"random letters", S(SECRET32), 0},
    {"empty", S(""), 0},
    {"PEM", S("-----BEGIN PUBLIC KEY-----"), 1},
    {"OpenSSH", S("ssh-rsa AAAAB3NzaC1yc2E"), 1},
    {"JWK", S(EC), 1},
    {"JWK Set", S("{\"keys\":[]}"), 1},
    {"JSON of another kind", S("{\"a\":1}"), 0},
    {"broken JSON", S("{{{{{{{{{{"), 0},
    {"DER",
     S("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
       "0123456789abcdef0123456789abcdef"),
     1},
    {"hexadecimal of DER",
     S("302a300506032b6570032100"
       "3031323334353637383961626364656630313233343536373839616263646566"),
     1},
    {"the same with colons, in capitals",
     S("30:2A:30:05:06:03:2B:65:70:03:21:00:"
       "30:31:32:33:34:35:36:37:38:39:61:62:63:64:65:66:"
       "30:31:32:33:34:35:36:37:38:39:61:62:63:64:65:66\n"),
     1},
    {"hexadecimal of PEM", S("2d2d2d2d2d424547494e205055424c49432d"), 1},
    {"a secret in hexadecimal",
     S("3f2a300506032b6570032100303132333435363738396162636465663031323334"),
     0},
    {"UTF-16 of PEM", S("\xff\xfe-\0-\0-\0-\0-\0B\0E\0G\0I\0N\0 \0P\0U\0B\0"),
     1},
    {"the same, big-endian, without a mark",
     S("\0-\0-\0-\0-\0-\0B\0E\0G\0I\0N\0 \0P\0U\0B"), 1},
    {"UTF-16 of a JWK", S("{\0\"\0k\0t\0y\0\"\0:\0\"\0R\0\"\0}\0"), 1},
    {"UTF-16 of something else", S("a\0 \0s\0e\0c\0r\0e\0t\0 \0x\0y\0"), 0},
    {"DER cut off",
     S("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
       "0123456789abcdef0123456789abcde"),
     0},
};

/* Every allocation fails once: no leak, no half-made key. */
static void
without_memory(void)
{
    hr_span set = S("{\"keys\":[" EC "," OKP "]}");
    int right = 1, whole = 0;
    for (size_t n = 1; n < 200 && !whole; n++) {
        hr_token_keyring_key *keys[HR_KEYS_MAX];
        hr_token_keyring *ring = NULL;
        size_t count = 0, skipped, at;
        (void)hr_alloc_fail_at(n, 0);
        hr_status status = hr_token_keyring_jwk_read_set(
            set, NULL, keys, &count, &skipped, &at);
        if (status == HR_OK) {
            status = hr_token_keyring_new(keys, count, &ring, &at);
        } else {
            count = 0;
        }
        whole = status == HR_OK && hr_alloc_fail_at(0, 0) < n;
        (void)hr_alloc_fail_at(0, 0);
        right &= status == HR_OK || status == HR_NO_MEMORY;
        hr_token_keyring_free(ring);
        for (size_t i = 0; i < count; i++) {
            hr_token_keyring_key_release(keys[i]);
        }
    }
    ok(right && whole, "no memory: said so, nothing lost");
}

static void
keys_are_selected(void)
{
    hr_token_keyring_key *keys[3];
    hr_token_keyring *ring;
    size_t at, count = 0;
    uint16_t places[HR_KEYS_MAX];
    int made =
        hr_token_keyring_key_from_secret(S(SECRET32 "1"), HR_HS256, S("a"),
                                         false, &keys[0]) == HR_OK &&
        hr_token_keyring_key_from_secret(S(SECRET32 "2"), HR_HS256, HR_NO_SPAN,
                                         false, &keys[1]) == HR_OK &&
        hr_token_keyring_key_from_secret(S(SECRET32 SECRET32), HR_HS512,
                                         S("c"), false, &keys[2]) == HR_OK &&
        hr_token_keyring_new(keys, 3, &ring, &at) == HR_OK;
    ok(made, "ring: made");
    hr_token_jws_header jose = {.algorithm = HR_HS256};
    ok(hr_token_keyring_select(ring, &jose, places, &count) == HR_OK &&
           count == 2 && places[0] == 0 && places[1] == 1,
       "select: without an id all of the algorithm");
    jose.has_key_id = true;
    jose.key_id = S("a");
    ok(hr_token_keyring_select(ring, &jose, places, &count) == HR_OK &&
           count == 1 && places[0] == 0,
       "select: by id");
    jose.key_id = S("x");
    ok(hr_token_keyring_select(ring, &jose, places, &count) == HR_OK &&
           count == 1 && places[0] == 1,
       "select: an unknown id, keys without one");
    jose.key_id = S("c");
    ok(hr_token_keyring_select(ring, &jose, places, &count) == HR_ALGORITHM,
       "select: an id of another algorithm");
    hr_token_keyring_free(ring);
    ok(hr_token_keyring_new(keys, 1, &ring, &at) == HR_OK, "ring: of one key");
    jose.key_id = S("x");
    ok(hr_token_keyring_select(ring, &jose, places, &count) == HR_KEY_ID,
       "select: nobody has the id");
    hr_token_keyring_free(ring);
    ok(hr_token_keyring_new(keys, 0, &ring, &at) == HR_KEY_EMPTY,
       "ring: no keys");
    for (int i = 0; i < 3; i++) {
        hr_token_keyring_key_release(keys[i]);
    }
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(JWKS) / sizeof(JWKS[0]); i++) {
        hr_token_keyring_key *key;
        bool skip;
        hr_status got = hr_token_keyring_jwk_read(guarded(JWKS[i].document),
                                                  NULL, &key, &skip);
        ok(got == JWKS[i].want && (got == HR_OK || skip == JWKS[i].skip),
           "jwk: %s: %s", JWKS[i].why, hr_status_word(got));
        if (got == HR_OK) {
            hr_token_keyring_key_release(key);
        }
    }
    for (size_t i = 0; i < sizeof(SECRETS) / sizeof(SECRETS[0]); i++) {
        ok(hr_token_keyring_material_is_known(guarded(SECRETS[i].secret)) ==
               SECRETS[i].material,
           "material: %s", SECRETS[i].why);
    }
    keys_are_selected();
    without_memory();
    return done_testing();
}
