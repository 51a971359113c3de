/* SPDX-License-Identifier: MIT */
/* What lies behind the signature, for every algorithm: this program has the
 * verifier with -DHR_FUZZ_SKIP_SIGNATURE, in which a signature is looked at,
 * but a wrong one is taken for good. The input is a token, or (by its first
 * byte) header NUL payload NUL signature, to be encoded. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/base64url.h"
#include "token/verifier.h"

#ifndef HR_FUZZ_SKIP_SIGNATURE
#error "would stop at the first wrong signature"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1700000000.0
#define SECRET \
    "a secret of sixty-four bytes, as long as the longest of hashes.."

/* RFC 7515 appendix A and RFC 8037; for P-384 a point of our own. */
static const char RSA[] =
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTb"
    "ji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-p"
    "CgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS"
    "5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3q"
    "Co5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs9"
    "1kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}";
static const char P256[] =
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMz"
    "V76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI"
    "5a0\"}";
static const char P384[] =
    "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"eunh2xFgeUxwwe8HG-UZH2xmJA"
    "9GCPvopE7NNsPtXbl1APLk2E4_tFhQ_W9DAzAr\",\"y\":\"2KwhREzYDSQVONgDSzm"
    "aDe42NutcsAuUmdBhpXHbDxS7R-15RTlI7WPzpsy79udP\"}";
static const char P521[] =
    "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSr"
    "DCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y"
    "\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4"
    "Kkd0AZMaZmh9ubmf63e3kyMj2\"}";
static const char ED25519[] =
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7"
    "hcvPapiMlrwIaaPcHURo\"}";

static const char *
document_of(hr_token_jws_algorithm algorithm)
{
    switch (algorithm) {
    case HR_ES256:
        return P256;
    case HR_ES384:
        return P384;
    case HR_ES512:
        return P521;
    case HR_EdDSA:
        return ED25519;
    default:
        return RSA;
    }
}

static hr_token_keyring_key *
make_key(hr_token_jws_algorithm algorithm)
{
    hr_token_keyring_key *key = NULL;
    bool skip;
    const char *document = document_of(algorithm);
    hr_status status =
        hr_token_jws_algorithm_family(algorithm) == HR_TOKEN_JWS_FAMILY_HMAC
            ? hr_token_keyring_key_from_secret(HR_SPAN(SECRET), algorithm,
                                               HR_NO_SPAN, false, &key)
            : hr_token_keyring_jwk_read((hr_span){document, strlen(document)},
                                        &algorithm, &key, &skip);
    assert(status == HR_OK);
    return key;
}

/* One key for each algorithm. */
static hr_token_verifier *
make_verifier(void)
{
    hr_token_keyring_key *keys[HR_ALGORITHMS];
    hr_token_verifier *verifier;
    hr_token_verifier_error error;
    for (int i = 0; i < HR_ALGORITHMS; i++) {
        keys[i] = make_key((hr_token_jws_algorithm)i);
    }
    hr_token_verifier_settings settings = {
        .keys = keys,
        .key_count = HR_ALGORITHMS,
        .claims = {.max_lifetime = -1},
        .max_bytes = HR_TOKEN_MAX_BYTES,
        .cache_size = 16,
        .engine = hr_token_signature_openssl(),
    };
    hr_status status = hr_token_verifier_new(&settings, &verifier, &error);
    assert(status == HR_OK);
    for (int i = 0; i < HR_ALGORITHMS; i++) {
        hr_token_keyring_key_release(keys[i]);
    }
    return verifier;
}

/* The bytes up to the next NUL, which `*rest` begins after. */
static hr_span
take_part(hr_span *rest)
{
    const char *nul =
        rest->len != 0 ? memchr(rest->ptr, '\0', rest->len) : NULL;
    hr_span part = *rest;
    if (nul == NULL) {
        *rest = HR_SPAN("");
        return part;
    }
    part.len = (size_t)(nul - part.ptr);
    *rest = hr_span_from(*rest, part.len + 1);
    return part;
}

/* The three parts as a token, on the heap; the last one is all the rest. */
static hr_span
encode(hr_span input)
{
    hr_span parts[3] = {take_part(&input), take_part(&input), input};
    char *text = malloc(2 * (parts[0].len + parts[1].len + parts[2].len) + 16);
    size_t len = 0;
    assert(text != NULL);
    for (int i = 0; i < 3; i++) {
        hr_base64url_encode(parts[i].ptr, parts[i].len, text + len);
        len += hr_base64url_encoded_size(parts[i].len);
        text[len++] = '.';
    }
    return (hr_span){text, len - 1};
}

/* What was taken keeps the rules, and the other calls take it too. */
static void
check_taken(hr_token_verifier *verifier, hr_span text, const hr_token *token)
{
    assert(token->algorithm < HR_ALGORITHMS);
    assert(!token->times.has_expires || (double)token->times.expires > NOW);
    assert(!token->times.has_not_before ||
           (double)token->times.not_before <= NOW);
    for (size_t i = 0; i < token->member_count; i++) {
        const hr_json_member *m = &token->members[i];
        hr_span name = {token->payload.ptr + m->name, m->name_len};
        assert(m->name + m->name_len <= m->value);
        assert(m->value + m->value_len <= token->payload.len);
        assert((m->name_flags & HR_JSON_ESCAPED) != 0 ||
               hr_token_find(token, name) == m);
    }
    char *payload = NULL;
    size_t size = 0;
    hr_status status =
        hr_token_verifier_verify_jws(verifier, text, NULL, &payload, &size);
    assert(status == HR_OK && size == token->payload.len);
    assert(memcmp(payload, token->payload.ptr, size) == 0);
    hr_alloc_free(payload);
    hr_token *decoded = NULL;
    status = hr_token_verifier_decode(verifier, text, NULL, &decoded);
    assert(status == HR_OK && decoded->member_count == token->member_count);
    hr_token_release(decoded);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hr_token_verifier *verifier; /* the fuzzer's own, made once */
    if (verifier == NULL) {
        verifier = make_verifier();
    }
    if (size == 0) {
        return 0;
    }
    hr_span input = {(const char *)data + 1, size - 1};
    bool parts = (data[0] & 1) != 0;
    hr_span text = parts ? encode(input) : input;
    hr_status first = HR_OK;
    for (int again = 0; again < 2; again++) {
        hr_token *token = NULL;
        hr_status status =
            hr_token_verifier_verify(verifier, text, NOW, NULL, &token);
        assert((status == HR_OK) == (token != NULL));
        assert(again == 0 || status == first); /* anew and cached agree */
        first = status;
        if (status == HR_OK) {
            check_taken(verifier, text, token);
        }
        hr_token_release(token);
    }
    if (parts) {
        free((char *)text.ptr);
    }
    return 0;
}
