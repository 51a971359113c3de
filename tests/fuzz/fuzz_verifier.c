/* SPDX-License-Identifier: MIT */
/* What lies behind the signature, for every algorithm: this program has the
 * verifier with -DPS_FUZZ_SKIP_SIGNATURE, in which a signature is looked at,
 * but a wrong one is taken for good. The input is a token, or (by its first
 * byte) header NUL payload NUL signature, to be encoded. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../ext/core/alloc.h"
#include "../../ext/core/base64url.h"
#include "../../ext/core/verifier.h"

#ifndef PS_FUZZ_SKIP_SIGNATURE
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
document_of(ps_algorithm algorithm)
{
    switch (algorithm) {
    case PS_ES256:
        return P256;
    case PS_ES384:
        return P384;
    case PS_ES512:
        return P521;
    case PS_EdDSA:
        return ED25519;
    default:
        return RSA;
    }
}

static ps_key *
make_key(ps_algorithm algorithm)
{
    ps_key *key = NULL;
    bool skip;
    const char *document = document_of(algorithm);
    ps_status status =
        ps_algorithm_family(algorithm) == PS_FAMILY_HMAC
            ? ps_key_from_secret(PS_SPAN(SECRET), algorithm, PS_NO_SPAN, false,
                                 &key)
            : ps_key_from_jwk((ps_span){document, strlen(document)},
                              &algorithm, &key, &skip);
    assert(status == PS_OK);
    return key;
}

/* One key for each algorithm. */
static ps_verifier *
make_verifier(void)
{
    ps_key *keys[PS_ALGORITHMS];
    ps_verifier *verifier;
    ps_verifier_error error;
    for (int i = 0; i < PS_ALGORITHMS; i++) {
        keys[i] = make_key((ps_algorithm)i);
    }
    ps_verifier_settings settings = {
        .keys = keys,
        .key_count = PS_ALGORITHMS,
        .claims = {.max_lifetime = -1},
        .max_bytes = PS_TOKEN_MAX_BYTES,
        .cache_size = 16,
        .engine = ps_engine_openssl(),
    };
    ps_status status = ps_verifier_new(&settings, &verifier, &error);
    assert(status == PS_OK);
    for (int i = 0; i < PS_ALGORITHMS; i++) {
        ps_key_release(keys[i]);
    }
    return verifier;
}

/* The bytes up to the next NUL, which `*rest` begins after. */
static ps_span
take_part(ps_span *rest)
{
    const char *nul =
        rest->len != 0 ? memchr(rest->ptr, '\0', rest->len) : NULL;
    ps_span part = *rest;
    if (nul == NULL) {
        *rest = PS_SPAN("");
        return part;
    }
    part.len = (size_t)(nul - part.ptr);
    *rest = ps_span_from(*rest, part.len + 1);
    return part;
}

/* The three parts as a token, on the heap; the last one is all the rest. */
static ps_span
encode(ps_span input)
{
    ps_span parts[3] = {take_part(&input), take_part(&input), input};
    char *text = malloc(2 * (parts[0].len + parts[1].len + parts[2].len) + 16);
    size_t len = 0;
    assert(text != NULL);
    for (int i = 0; i < 3; i++) {
        ps_base64url_encode(parts[i].ptr, parts[i].len, text + len);
        len += ps_base64url_encoded_size(parts[i].len);
        text[len++] = '.';
    }
    return (ps_span){text, len - 1};
}

/* What was taken keeps the rules, and the other calls take it too. */
static void
check_taken(ps_verifier *verifier, ps_span text, const ps_token *token)
{
    assert(token->algorithm < PS_ALGORITHMS);
    assert(!token->times.has_expires || (double)token->times.expires > NOW);
    assert(!token->times.has_not_before ||
           (double)token->times.not_before <= NOW);
    for (size_t i = 0; i < token->member_count; i++) {
        const ps_json_member *m = &token->members[i];
        ps_span name = {token->payload.ptr + m->name, m->name_len};
        assert(m->name + m->name_len <= m->value);
        assert(m->value + m->value_len <= token->payload.len);
        assert((m->name_flags & PS_JSON_ESCAPED) != 0 ||
               ps_token_find(token, name) == m);
    }
    char *payload = NULL;
    size_t size = 0;
    ps_status status =
        ps_verifier_verify_jws(verifier, text, NULL, &payload, &size);
    assert(status == PS_OK && size == token->payload.len);
    assert(memcmp(payload, token->payload.ptr, size) == 0);
    ps_free(payload);
    ps_token *decoded = NULL;
    status = ps_verifier_decode(verifier, text, NULL, &decoded);
    assert(status == PS_OK && decoded->member_count == token->member_count);
    ps_token_release(decoded);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ps_verifier *verifier; /* the fuzzer's own, made once */
    if (verifier == NULL) {
        verifier = make_verifier();
    }
    if (size == 0) {
        return 0;
    }
    ps_span input = {(const char *)data + 1, size - 1};
    bool parts = (data[0] & 1) != 0;
    ps_span text = parts ? encode(input) : input;
    ps_status first = PS_OK;
    for (int again = 0; again < 2; again++) {
        ps_token *token = NULL;
        ps_status status =
            ps_verifier_verify(verifier, text, NOW, NULL, &token);
        assert((status == PS_OK) == (token != NULL));
        assert(again == 0 || status == first); /* anew and cached agree */
        first = status;
        if (status == PS_OK) {
            check_taken(verifier, text, token);
        }
        ps_token_release(token);
    }
    if (parts) {
        free((char *)text.ptr);
    }
    return 0;
}
