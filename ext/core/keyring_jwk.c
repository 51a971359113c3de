/* SPDX-License-Identifier: MIT */
/* Keys from JWK and JWK Set (RFC 7517, 7518 section 6, 8037). A JWK becomes
 * either a secret or a SubjectPublicKeyInfo, which keyring_pem.c judges like
 * any other. */
#include "keyring.h"

#include <openssl/crypto.h>

#include "alloc.h"
#include "base64url.h"
#include "json.h"

/* A JWK while it is read. */
typedef struct jwk {
    const char *text;
    const ps_json_member *members;
    size_t count;
} jwk;

static const ps_json_member *
find(const jwk *j, const char *name)
{
    return ps_json_find(j->text, j->members, j->count,
                        (ps_span){name, strlen(name)});
}

/* The text of a string member without escapes; absent when it is not there.
 * False when it is there and anything else: no value that we look for needs
 * an escape. */
static bool
get_text(const jwk *j, const char *name, ps_span *text)
{
    const ps_json_member *member = find(j, name);
    *text = PS_NO_SPAN;
    if (member == NULL) {
        return true;
    }
    if (member->kind != PS_JSON_STRING ||
        (member->flags & PS_JSON_ESCAPED) != 0) {
        return false;
    }
    *text = (ps_span){j->text + member->value, member->value_len};
    return true;
}

/* A base64url member as bytes in `buffer`. */
static bool
get_bytes(const jwk *j, const char *name, char *buffer, size_t size,
          ps_span *bytes)
{
    ps_span text;
    if (!get_text(j, name, &text) || text.ptr == NULL ||
        ps_base64url_decoded_size(text.len) > size ||
        ps_base64url_decode(text, buffer) != PS_OK) {
        return false;
    }
    *bytes = (ps_span){buffer, ps_base64url_decoded_size(text.len)};
    return true;
}

/* `use` must be "sig" and `key_ops` hold "verify", where they are there. */
static ps_status
check_use(const jwk *j, bool *skip)
{
    ps_span use;
    if (!get_text(j, "use", &use)) {
        return PS_KEY_FORMAT;
    }
    if (use.ptr != NULL && !ps_span_equal(use, PS_SPAN("sig"))) {
        *skip = true;
        return PS_KEY_USE;
    }
    const ps_json_member *ops = find(j, "key_ops");
    if (ops == NULL) {
        return PS_OK;
    }
    if (ops->kind != PS_JSON_ARRAY) {
        return PS_KEY_FORMAT;
    }
    ps_json json;
    ps_json_init(&json, (ps_span){j->text + ops->value, ops->value_len});
    (void)ps_json_next(&json);
    bool verifies = false;
    ps_json_kind kind;
    while ((kind = ps_json_next(&json)) != PS_JSON_CLOSE) {
        if (kind != PS_JSON_STRING) {
            return PS_KEY_FORMAT;
        }
        verifies |= ps_span_equal(json.text, PS_SPAN("verify"));
    }
    *skip = !verifies;
    return verifies ? PS_OK : PS_KEY_USE;
}

/* The algorithm that `kty` and `crv` allow, of those that `wanted` is one of;
 * KEY_ALGORITHM otherwise. */
static ps_status
check_kind(const jwk *j, ps_algorithm wanted)
{
    ps_span kty, crv, want_kty, want_crv = PS_NO_SPAN;
    if (!get_text(j, "kty", &kty) || kty.ptr == NULL ||
        !get_text(j, "crv", &crv)) {
        return PS_KEY_FORMAT;
    }
    switch (ps_algorithm_family(wanted)) {
    case PS_FAMILY_HMAC:
        want_kty = PS_SPAN("oct");
        break;
    case PS_FAMILY_EC:
        want_kty = PS_SPAN("EC");
        want_crv = wanted == PS_ES256   ? PS_SPAN("P-256")
                   : wanted == PS_ES384 ? PS_SPAN("P-384")
                                        : PS_SPAN("P-521");
        break;
    case PS_FAMILY_OKP:
        want_kty = PS_SPAN("OKP");
        want_crv = PS_SPAN("Ed25519");
        break;
    default:
        want_kty = PS_SPAN("RSA");
        break;
    }
    if (!ps_span_equal(kty, want_kty)) {
        return PS_KEY_ALGORITHM;
    }
    if (want_crv.ptr == NULL) {
        return PS_OK;
    }
    if (crv.ptr == NULL) {
        return PS_KEY_FORMAT;
    }
    if (ps_span_equal(crv, want_crv)) {
        return PS_OK;
    }
    return ps_algorithm_family(wanted) == PS_FAMILY_EC ? PS_KEY_CURVE
                                                       : PS_KEY_ALGORITHM;
}

/* A curve that none of our algorithms uses (secp256k1, X25519, Ed448, ...):
 * such a key is for somebody else, whatever its `alg` says. */
static bool
has_foreign_curve(const jwk *j)
{
    static const ps_span OURS[] = {
        {"P-256", 5}, {"P-384", 5}, {"P-521", 5}, {"Ed25519", 7}};
    ps_span kty, crv;
    if (!get_text(j, "kty", &kty) || !get_text(j, "crv", &crv) ||
        crv.ptr == NULL ||
        !(ps_span_equal(kty, PS_SPAN("EC")) ||
          ps_span_equal(kty, PS_SPAN("OKP")))) {
        return false;
    }
    for (size_t i = 0; i < sizeof(OURS) / sizeof(OURS[0]); i++) {
        if (ps_span_equal(crv, OURS[i])) {
            return false;
        }
    }
    return true;
}

/* The algorithm that the key is pinned to. */
static ps_status
pick_algorithm(const jwk *j, const ps_algorithm *fallback,
               ps_algorithm *algorithm, bool *skip)
{
    ps_span alg;
    if (!get_text(j, "alg", &alg)) {
        return PS_KEY_FORMAT;
    }
    if (has_foreign_curve(j)) {
        *skip = true;
        return PS_KEY_ALGORITHM;
    }
    if (alg.ptr == NULL) {
        if (fallback == NULL) {
            return PS_KEY_ALGORITHM;
        }
        *algorithm = *fallback;
        ps_status status = check_kind(j, *fallback);
        *skip = status == PS_KEY_ALGORITHM || status == PS_KEY_CURVE;
        return status;
    }
    if (ps_algorithm_find(alg, algorithm) != PS_OK) {
        *skip = true; /* RSA-OAEP, ES256K, ...: not for us */
        return PS_KEY_ALGORITHM;
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
static ps_span
strip_zeros(ps_span number)
{
    while (number.len > 0 && number.ptr[0] == 0) {
        number = ps_span_from(number, 1);
    }
    return number;
}

static ps_status
make_public(const jwk *j, ps_algorithm algorithm, ps_span key_id, ps_key **key)
{
    char a_bytes[PS_SIGNATURE_MAX + 8], b_bytes[PS_SIGNATURE_MAX + 8];
    ps_span a, b = PS_NO_SPAN;
    uint8_t der[PS_DER_MAX];
    size_t size = algorithm == PS_ES256 || algorithm == PS_EdDSA ? 32
                  : algorithm == PS_ES384                        ? 48
                                                                 : 66;
    if (is_private(j)) {
        return PS_KEY_PRIVATE;
    }
    switch (ps_algorithm_family(algorithm)) {
    case PS_FAMILY_EC:
        if (!get_bytes(j, "x", a_bytes, sizeof(a_bytes), &a) ||
            !get_bytes(j, "y", b_bytes, sizeof(b_bytes), &b)) {
            return PS_KEY_FORMAT;
        }
        if (a.len != size || b.len != size) {
            return PS_KEY_CURVE;
        }
        break;
    case PS_FAMILY_OKP:
        if (!get_bytes(j, "x", a_bytes, sizeof(a_bytes), &a) ||
            a.len != size) {
            return PS_KEY_FORMAT;
        }
        break;
    default:
        if (!get_bytes(j, "n", a_bytes, sizeof(a_bytes), &a) ||
            !get_bytes(j, "e", b_bytes, sizeof(b_bytes), &b)) {
            ps_span n;
            bool is_long = get_text(j, "n", &n) && n.ptr != NULL &&
                           ps_base64url_decoded_size(n.len) > sizeof(a_bytes);
            return is_long ? PS_KEY_TOO_LONG : PS_KEY_FORMAT;
        }
        a = strip_zeros(a);
        b = strip_zeros(b);
        if (a.len == 0 || b.len == 0) {
            return PS_KEY_WEAK;
        }
        break;
    }
    size = ps_key_parts_to_der(algorithm, a, b, der);
    if (size == 0) {
        return PS_KEY_TOO_LONG;
    }
    return ps_key_from_der((ps_span){(char *)der, size}, algorithm, key_id,
                           key);
}

static ps_status
make_secret(const jwk *j, ps_algorithm algorithm, ps_span key_id, ps_key **key)
{
    char bytes[PS_SECRET_MAX];
    ps_span secret;
    if (!get_bytes(j, "k", bytes, sizeof(bytes), &secret)) {
        return PS_KEY_FORMAT;
    }
    ps_status status =
        ps_key_from_secret(secret, algorithm, key_id, false, key);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return status;
}

static ps_status
from_members(const jwk *j, const ps_algorithm *fallback, ps_key **key,
             bool *skip)
{
    ps_algorithm algorithm;
    ps_span key_id = PS_NO_SPAN, kty;
    char kid[PS_KEY_ID_MAX + 1];
    const ps_json_member *member = find(j, "kid");
    if (!get_text(j, "kty", &kty) || kty.ptr == NULL) {
        return PS_KEY_FORMAT;
    }
    if (!ps_span_equal(kty, PS_SPAN("oct")) &&
        !ps_span_equal(kty, PS_SPAN("RSA")) &&
        !ps_span_equal(kty, PS_SPAN("EC")) &&
        !ps_span_equal(kty, PS_SPAN("OKP"))) {
        *skip = true;
        return PS_KEY_ALGORITHM;
    }
    ps_status status = check_use(j, skip);
    if (status != PS_OK) {
        return status;
    }
    status = pick_algorithm(j, fallback, &algorithm, skip);
    if (status != PS_OK) {
        return status;
    }
    if (member != NULL) {
        if (member->kind != PS_JSON_STRING ||
            member->value_len > PS_KEY_ID_MAX) {
            return PS_KEY_FORMAT;
        }
        key_id.ptr = kid;
        key_id.len = ps_json_unescape(
            (ps_span){j->text + member->value, member->value_len}, kid);
    }
    return ps_algorithm_family(algorithm) == PS_FAMILY_HMAC
               ? make_secret(j, algorithm, key_id, key)
               : make_public(j, algorithm, key_id, key);
}

/* Scratch for a document of `len` bytes; false without memory. */
static bool
scratch_init(ps_json_scratch *scratch, size_t len)
{
    scratch->capacity = PS_JSON_SCRATCH_SIZE(len);
    scratch->members = ps_calloc(scratch->capacity, sizeof(*scratch->members));
    scratch->heads = ps_calloc(2 * scratch->capacity, sizeof(*scratch->heads));
    return scratch->members != NULL && scratch->heads != NULL;
}

static void
scratch_fini(ps_json_scratch *scratch)
{
    ps_free(scratch->members);
    ps_free(scratch->heads);
}

ps_status
ps_key_from_jwk(ps_span document, const ps_algorithm *fallback, ps_key **key,
                bool *skip)
{
    *skip = false;
    if (document.len > PS_JWKS_MAX) {
        return PS_KEY_TOO_LONG;
    }
    ps_json_scratch scratch;
    ps_status status = PS_NO_MEMORY;
    unsigned flags;
    if (scratch_init(&scratch, document.len)) {
        jwk j = {.text = document.ptr, .members = scratch.members};
        status = ps_json_index(document, &scratch, &j.count, &flags) == PS_OK
                     ? from_members(&j, fallback, key, skip)
                     : PS_KEY_FORMAT;
    }
    scratch_fini(&scratch);
    return status;
}

/* A key set while it is read. */
typedef struct set {
    ps_key **keys;
    size_t count;
    size_t skipped;
    size_t at; /* the member being read */
} set;

/* May `key` stand beside those that are there? */
static ps_status
check_beside(const set *s, const ps_key *key)
{
    for (size_t i = 0; i < s->count; i++) {
        const ps_key *other = s->keys[i];
        if (other->has_key_id && key->has_key_id &&
            ps_span_equal(other->key_id, key->key_id)) {
            return PS_KEY_DUPLICATE;
        }
        if ((other->public_key == NULL) != (key->public_key == NULL)) {
            return PS_KEY_MIXED;
        }
    }
    return s->count == PS_KEYS_MAX ? PS_KEY_TOO_LONG : PS_OK;
}

static ps_status
read_set(ps_span array, const ps_algorithm *fallback, set *s)
{
    ps_json json;
    ps_json_init(&json, array);
    (void)ps_json_next(&json);
    for (s->at = 0;; s->at++) {
        ps_json_kind kind = ps_json_next(&json);
        if (kind == PS_JSON_CLOSE) {
            return PS_OK;
        }
        const char *start = json.text.ptr;
        if (kind != PS_JSON_OBJECT || !ps_json_skip(&json, kind)) {
            return PS_KEY_FORMAT;
        }
        ps_key *key;
        bool skip;
        ps_status status =
            ps_key_from_jwk((ps_span){start, (size_t)(json.at - start)},
                            fallback, &key, &skip);
        if (status != PS_OK && skip) {
            s->skipped++;
            continue;
        }
        if (status == PS_OK) {
            status = check_beside(s, key);
            if (status != PS_OK) {
                ps_key_release(key);
            }
        }
        if (status != PS_OK) {
            return status;
        }
        s->keys[s->count++] = key;
    }
}

ps_status
ps_keys_from_jwks(ps_span document, const ps_algorithm *fallback,
                  ps_key **keys, size_t *count, size_t *skipped, size_t *at)
{
    *at = 0;
    if (document.len > PS_JWKS_MAX) {
        return PS_KEY_TOO_LONG;
    }
    ps_json_scratch scratch;
    ps_status status = PS_NO_MEMORY;
    size_t members;
    unsigned flags;
    set s = {.keys = keys};
    if (scratch_init(&scratch, document.len)) {
        status = PS_KEY_FORMAT;
        const ps_json_member *list = NULL;
        if (ps_json_index(document, &scratch, &members, &flags) == PS_OK) {
            list = ps_json_find(document.ptr, scratch.members, members,
                                PS_SPAN("keys"));
        }
        if (list != NULL && list->kind == PS_JSON_ARRAY) {
            status = read_set(
                (ps_span){document.ptr + list->value, list->value_len},
                fallback, &s);
        }
    }
    scratch_fini(&scratch);
    if (status != PS_OK) {
        for (size_t i = 0; i < s.count; i++) {
            ps_key_release(keys[i]);
        }
        *at = s.at;
        return status;
    }
    *count = s.count;
    *skipped = s.skipped;
    return PS_OK;
}
