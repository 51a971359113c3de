/* SPDX-License-Identifier: MIT */
/* Keys from JWK and JWK Set (RFC 7517, 7518 section 6, 8037). A JWK becomes
 * either a secret or a SubjectPublicKeyInfo, which token/keyring_pem.c judges
 * like any other. */
#include "token/keyring.h"

#include <openssl/crypto.h>

#include "base/alloc.h"
#include "base/base64url.h"
#include "base/json.h"

/* A JWK while it is read. */
typedef struct jwk {
    const char *text;
    const hr_json_member *members;
    size_t count;
} jwk;

static const hr_json_member *
find(const jwk *j, const char *name)
{
    return hr_json_find(j->text, j->members, j->count,
                        (hr_span){name, strlen(name)});
}

/* The text of a string member without escapes; absent when it is not there.
 * False when it is there and anything else: no value that we look for needs
 * an escape. */
static bool
get_text(const jwk *j, const char *name, hr_span *text)
{
    const hr_json_member *member = find(j, name);
    *text = HR_NO_SPAN;
    if (member == NULL) {
        return true;
    }
    if (member->kind != HR_JSON_STRING ||
        (member->flags & HR_JSON_ESCAPED) != 0) {
        return false;
    }
    *text = (hr_span){j->text + member->value, member->value_len};
    return true;
}

/* A base64url member as bytes in `buffer`. */
static bool
get_bytes(const jwk *j, const char *name, char *buffer, size_t size,
          hr_span *bytes)
{
    hr_span text;
    if (!get_text(j, name, &text) || text.ptr == NULL ||
        hr_base64url_decoded_size(text.len) > size ||
        hr_base64url_decode(text, buffer) != HR_OK) {
        return false;
    }
    *bytes = (hr_span){buffer, hr_base64url_decoded_size(text.len)};
    return true;
}

/* `use` must be "sig" and `key_ops` hold "verify", where they are there. */
static hr_status
check_use(const jwk *j, bool *skip)
{
    hr_span use;
    if (!get_text(j, "use", &use)) {
        return HR_KEY_FORMAT;
    }
    if (use.ptr != NULL && !hr_span_equal(use, HR_SPAN("sig"))) {
        *skip = true;
        return HR_KEY_USE;
    }
    const hr_json_member *ops = find(j, "key_ops");
    if (ops == NULL) {
        return HR_OK;
    }
    if (ops->kind != HR_JSON_ARRAY) {
        return HR_KEY_FORMAT;
    }
    hr_json json;
    hr_json_init(&json, (hr_span){j->text + ops->value, ops->value_len});
    (void)hr_json_next(&json);
    bool verifies = false;
    hr_json_kind kind;
    while ((kind = hr_json_next(&json)) != HR_JSON_CLOSE) {
        if (kind != HR_JSON_STRING) {
            return HR_KEY_FORMAT;
        }
        verifies |= hr_span_equal(json.text, HR_SPAN("verify"));
    }
    *skip = !verifies;
    return verifies ? HR_OK : HR_KEY_USE;
}

/* The algorithm that `kty` and `crv` allow, of those that `wanted` is one of;
 * KEY_ALGORITHM otherwise. */
static hr_status
check_kind(const jwk *j, hr_token_jws_algorithm wanted)
{
    hr_span kty, crv, want_kty, want_crv = HR_NO_SPAN;
    if (!get_text(j, "kty", &kty) || kty.ptr == NULL ||
        !get_text(j, "crv", &crv)) {
        return HR_KEY_FORMAT;
    }
    switch (hr_token_jws_algorithm_family(wanted)) {
    case HR_TOKEN_JWS_FAMILY_HMAC:
        want_kty = HR_SPAN("oct");
        break;
    case HR_TOKEN_JWS_FAMILY_EC:
        want_kty = HR_SPAN("EC");
        want_crv = wanted == HR_ES256   ? HR_SPAN("P-256")
                   : wanted == HR_ES384 ? HR_SPAN("P-384")
                                        : HR_SPAN("P-521");
        break;
    case HR_TOKEN_JWS_FAMILY_OKP:
        want_kty = HR_SPAN("OKP");
        want_crv = HR_SPAN("Ed25519");
        break;
    default:
        want_kty = HR_SPAN("RSA");
        break;
    }
    if (!hr_span_equal(kty, want_kty)) {
        return HR_KEY_ALGORITHM;
    }
    if (want_crv.ptr == NULL) {
        return HR_OK;
    }
    if (crv.ptr == NULL) {
        return HR_KEY_FORMAT;
    }
    if (hr_span_equal(crv, want_crv)) {
        return HR_OK;
    }
    return hr_token_jws_algorithm_family(wanted) == HR_TOKEN_JWS_FAMILY_EC
               ? HR_KEY_CURVE
               : HR_KEY_ALGORITHM;
}

/* A curve that none of our algorithms uses (secp256k1, X25519, Ed448, ...):
 * such a key is for somebody else, whatever its `alg` says. */
static bool
has_foreign_curve(const jwk *j)
{
    static const hr_span OURS[] = {
        {"P-256", 5}, {"P-384", 5}, {"P-521", 5}, {"Ed25519", 7}};
    hr_span kty, crv;
    if (!get_text(j, "kty", &kty) || !get_text(j, "crv", &crv) ||
        crv.ptr == NULL ||
        !(hr_span_equal(kty, HR_SPAN("EC")) ||
          hr_span_equal(kty, HR_SPAN("OKP")))) {
        return false;
    }
    for (size_t i = 0; i < sizeof(OURS) / sizeof(OURS[0]); i++) {
        if (hr_span_equal(crv, OURS[i])) {
            return false;
        }
    }
    return true;
}

/* The algorithm that the key is pinned to. */
static hr_status
pick_algorithm(const jwk *j, const hr_token_jws_algorithm *fallback,
               hr_token_jws_algorithm *algorithm, bool *skip)
{
    hr_span alg;
    if (!get_text(j, "alg", &alg)) {
        return HR_KEY_FORMAT;
    }
    if (has_foreign_curve(j)) {
        *skip = true;
        return HR_KEY_ALGORITHM;
    }
    if (alg.ptr == NULL) {
        if (fallback == NULL) {
            return HR_KEY_ALGORITHM;
        }
        *algorithm = *fallback;
        hr_status status = check_kind(j, *fallback);
        *skip = status == HR_KEY_ALGORITHM || status == HR_KEY_CURVE;
        return status;
    }
    if (hr_token_jws_algorithm_find(alg, algorithm) != HR_OK) {
        *skip = true; /* RSA-OAEP, ES256K, ...: not for us */
        return HR_KEY_ALGORITHM;
    }
    return check_kind(j, *algorithm);
}

static bool
is_private(const jwk *j)
{
    static const char *const NAMES[] = {"d",  "p",  "q",  "dp",
                                        "dq", "qi", "oth"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (find(j, NAMES[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* The bytes of `number` without zeros in front. */
static hr_span
strip_zeros(hr_span number)
{
    while (number.len > 0 && number.ptr[0] == 0) {
        number = hr_span_from(number, 1);
    }
    return number;
}

static hr_status
make_public(const jwk *j, hr_token_jws_algorithm algorithm, hr_span key_id,
            hr_token_keyring_key **key)
{
    char a_bytes[HR_SIGNATURE_MAX + 8], b_bytes[HR_SIGNATURE_MAX + 8];
    hr_span a, b = HR_NO_SPAN;
    uint8_t der[HR_TOKEN_KEYRING_DER_MAX];
    size_t size = algorithm == HR_ES256 || algorithm == HR_EdDSA ? 32
                  : algorithm == HR_ES384                        ? 48
                                                                 : 66;
    if (is_private(j)) {
        return HR_KEY_PRIVATE;
    }
    switch (hr_token_jws_algorithm_family(algorithm)) {
    case HR_TOKEN_JWS_FAMILY_EC:
        if (!get_bytes(j, "x", a_bytes, sizeof(a_bytes), &a) ||
            !get_bytes(j, "y", b_bytes, sizeof(b_bytes), &b)) {
            return HR_KEY_FORMAT;
        }
        if (a.len != size || b.len != size) {
            return HR_KEY_CURVE;
        }
        break;
    case HR_TOKEN_JWS_FAMILY_OKP:
        if (!get_bytes(j, "x", a_bytes, sizeof(a_bytes), &a) ||
            a.len != size) {
            return HR_KEY_FORMAT;
        }
        break;
    default:
        if (!get_bytes(j, "n", a_bytes, sizeof(a_bytes), &a) ||
            !get_bytes(j, "e", b_bytes, sizeof(b_bytes), &b)) {
            hr_span n;
            bool is_long = get_text(j, "n", &n) && n.ptr != NULL &&
                           hr_base64url_decoded_size(n.len) > sizeof(a_bytes);
            return is_long ? HR_KEY_TOO_LONG : HR_KEY_FORMAT;
        }
        a = strip_zeros(a);
        b = strip_zeros(b);
        if (a.len == 0 || b.len == 0) {
            return HR_KEY_WEAK;
        }
        break;
    }
    size = hr_token_keyring_pem_parts_to_der(algorithm, a, b, der);
    if (size == 0) {
        return HR_KEY_TOO_LONG;
    }
    return hr_token_keyring_pem_read_der((hr_span){(char *)der, size},
                                         algorithm, key_id, key);
}

static hr_status
make_secret(const jwk *j, hr_token_jws_algorithm algorithm, hr_span key_id,
            hr_token_keyring_key **key)
{
    char bytes[HR_SECRET_MAX];
    hr_span secret;
    if (!get_bytes(j, "k", bytes, sizeof(bytes), &secret)) {
        return HR_KEY_FORMAT;
    }
    hr_status status = hr_token_keyring_key_from_secret(secret, algorithm,
                                                        key_id, false, key);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return status;
}

static hr_status
from_members(const jwk *j, const hr_token_jws_algorithm *fallback,
             hr_token_keyring_key **key, bool *skip)
{
    hr_token_jws_algorithm algorithm;
    hr_span key_id = HR_NO_SPAN, kty;
    char kid[HR_KEY_ID_MAX + 1];
    const hr_json_member *member = find(j, "kid");
    if (!get_text(j, "kty", &kty) || kty.ptr == NULL) {
        return HR_KEY_FORMAT;
    }
    if (!hr_span_equal(kty, HR_SPAN("oct")) &&
        !hr_span_equal(kty, HR_SPAN("RSA")) &&
        !hr_span_equal(kty, HR_SPAN("EC")) &&
        !hr_span_equal(kty, HR_SPAN("OKP"))) {
        *skip = true;
        return HR_KEY_ALGORITHM;
    }
    hr_status status = check_use(j, skip);
    if (status != HR_OK) {
        return status;
    }
    status = pick_algorithm(j, fallback, &algorithm, skip);
    if (status != HR_OK) {
        return status;
    }
    if (member != NULL) {
        if (member->kind != HR_JSON_STRING ||
            member->value_len > HR_KEY_ID_MAX) {
            return HR_KEY_FORMAT;
        }
        key_id.ptr = kid;
        key_id.len = hr_json_text_unescape(
            (hr_span){j->text + member->value, member->value_len}, kid);
    }
    return hr_token_jws_algorithm_family(algorithm) == HR_TOKEN_JWS_FAMILY_HMAC
               ? make_secret(j, algorithm, key_id, key)
               : make_public(j, algorithm, key_id, key);
}

/* Scratch for a document of `len` bytes; false without memory. */
static bool
scratch_init(hr_json_scratch *scratch, size_t len)
{
    scratch->capacity = HR_JSON_SCRATCH_SIZE(len);
    scratch->members =
        hr_alloc_zeroed(scratch->capacity, sizeof(*scratch->members));
    scratch->heads =
        hr_alloc_zeroed(2 * scratch->capacity, sizeof(*scratch->heads));
    return scratch->members != NULL && scratch->heads != NULL;
}

static void
scratch_fini(hr_json_scratch *scratch)
{
    hr_alloc_free(scratch->members);
    hr_alloc_free(scratch->heads);
}

hr_status
hr_token_keyring_jwk_read(hr_span document,
                          const hr_token_jws_algorithm *fallback,
                          hr_token_keyring_key **key, bool *skip)
{
    *skip = false;
    if (document.len > HR_JWKS_MAX) {
        return HR_KEY_TOO_LONG;
    }
    hr_json_scratch scratch;
    hr_status status = HR_NO_MEMORY;
    unsigned flags;
    if (scratch_init(&scratch, document.len)) {
        jwk j = {.text = document.ptr, .members = scratch.members};
        status = hr_json_index(document, &scratch, &j.count, &flags) == HR_OK
                     ? from_members(&j, fallback, key, skip)
                     : HR_KEY_FORMAT;
    }
    scratch_fini(&scratch);
    return status;
}

/* A key set while it is read. */
typedef struct set {
    hr_token_keyring_key **keys;
    size_t count;
    size_t skipped;
    size_t at; /* the member being read */
} set;

/* May `key` stand beside those that are there? */
static hr_status
check_beside(const set *s, const hr_token_keyring_key *key)
{
    for (size_t i = 0; i < s->count; i++) {
        const hr_token_keyring_key *other = s->keys[i];
        if (other->has_key_id && key->has_key_id &&
            hr_span_equal(other->key_id, key->key_id)) {
            return HR_KEY_DUPLICATE;
        }
        if ((other->public_key == NULL) != (key->public_key == NULL)) {
            return HR_KEY_MIXED;
        }
    }
    return s->count == HR_KEYS_MAX ? HR_KEY_TOO_LONG : HR_OK;
}

static hr_status
read_set(hr_span array, const hr_token_jws_algorithm *fallback, set *s)
{
    hr_json json;
    hr_json_init(&json, array);
    (void)hr_json_next(&json);
    for (s->at = 0;; s->at++) {
        hr_json_kind kind = hr_json_next(&json);
        if (kind == HR_JSON_CLOSE) {
            return HR_OK;
        }
        const char *start = json.text.ptr;
        if (kind != HR_JSON_OBJECT || !hr_json_skip(&json, kind)) {
            return HR_KEY_FORMAT;
        }
        hr_token_keyring_key *key;
        bool skip;
        hr_status status = hr_token_keyring_jwk_read(
            (hr_span){start, (size_t)(json.at - start)}, fallback, &key,
            &skip);
        if (status != HR_OK && skip) {
            s->skipped++;
            continue;
        }
        if (status == HR_OK) {
            status = check_beside(s, key);
            if (status != HR_OK) {
                hr_token_keyring_key_release(key);
            }
        }
        if (status != HR_OK) {
            return status;
        }
        s->keys[s->count++] = key;
    }
}

hr_status
hr_token_keyring_jwk_read_set(hr_span document,
                              const hr_token_jws_algorithm *fallback,
                              hr_token_keyring_key **keys, size_t *count,
                              size_t *skipped, size_t *at)
{
    *at = 0;
    if (document.len > HR_JWKS_MAX) {
        return HR_KEY_TOO_LONG;
    }
    hr_json_scratch scratch;
    hr_status status = HR_NO_MEMORY;
    size_t members;
    unsigned flags;
    set s = {.keys = keys};
    if (scratch_init(&scratch, document.len)) {
        status = HR_KEY_FORMAT;
        const hr_json_member *list = NULL;
        if (hr_json_index(document, &scratch, &members, &flags) == HR_OK) {
            list = hr_json_find(document.ptr, scratch.members, members,
                                HR_SPAN("keys"));
        }
        if (list != NULL && list->kind == HR_JSON_ARRAY) {
            status = read_set(
                (hr_span){document.ptr + list->value, list->value_len},
                fallback, &s);
        }
    }
    scratch_fini(&scratch);
    if (status != HR_OK) {
        for (size_t i = 0; i < s.count; i++) {
            hr_token_keyring_key_release(keys[i]);
        }
        *at = s.at;
        return status;
    }
    *count = s.count;
    *skipped = s.skipped;
    return HR_OK;
}
