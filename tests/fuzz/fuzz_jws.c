/* SPDX-License-Identifier: MIT */
/* Any bytes as a token, by way of the whole verifier. What follows the first
 * byte is taken as it is, or (by that byte) as header and payload that are
 * signed first, so that the fuzzer gets behind the signature. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../ext/core/alloc.h"
#include "../../ext/core/base64url.h"
#include "../../ext/core/verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1700000000.0
static const char SECRET[] = "a secret of thirty-two bytes....";

static ps_verifier *
make_verifier(void)
{
    ps_key *key;
    ps_verifier *verifier;
    ps_verifier_error error;
    ps_status status =
        ps_key_from_secret((ps_span){SECRET, sizeof(SECRET) - 1}, PS_HS256,
                           PS_NO_SPAN, false, &key);
    assert(status == PS_OK);
    ps_verifier_settings settings = {
        .keys = &key,
        .key_count = 1,
        .claims = {.max_lifetime = -1},
        .max_bytes = PS_TOKEN_MAX_BYTES,
        .cache_size = 16,
        .engine = ps_engine_openssl(),
    };
    status = ps_verifier_new(&settings, &verifier, &error);
    assert(status == PS_OK);
    ps_key_release(key);
    return verifier;
}

/* `header` NUL `payload`, encoded and signed, on the heap. */
static ps_span
sign(ps_span input)
{
    const char *nul = input.len ? memchr(input.ptr, '\0', input.len) : NULL;
    ps_span header = {input.ptr,
                      nul != NULL ? (size_t)(nul - input.ptr) : input.len};
    ps_span payload =
        nul != NULL ? ps_span_from(input, header.len + 1) : PS_SPAN("{}");
    size_t head = ps_base64url_encoded_size(header.len);
    size_t body = ps_base64url_encoded_size(payload.len);
    char *text = malloc(head + body + 45);
    ps_hmac key;
    uint8_t mac[PS_SHA256_SIZE];
    assert(text != NULL);
    ps_status status =
        ps_hmac_init(&key, (ps_span){SECRET, sizeof(SECRET) - 1});
    assert(status == PS_OK);
    ps_base64url_encode(header.ptr, header.len, text);
    text[head] = '.';
    ps_base64url_encode(payload.ptr, payload.len, text + head + 1);
    ps_span signed_text = {text, head + 1 + body};
    ps_hmac_sign(&key, &signed_text, 1, mac);
    text[signed_text.len] = '.';
    ps_base64url_encode(mac, sizeof(mac), text + signed_text.len + 1);
    return (ps_span){text, signed_text.len + 44};
}

static void
use_token(const ps_token *token)
{
    for (size_t i = 0; i < token->member_count; i++) {
        const ps_json_member *m = &token->members[i];
        char buffer[64];
        ps_span out;
        assert(m->value + m->value_len <= token->payload.len);
        assert(m->name + m->name_len <= token->payload.len);
        ps_span name = {token->payload.ptr + m->name, m->name_len};
        if (ps_token_claim_text(token, name, buffer, sizeof(buffer), &out) ==
            PS_OK) {
            assert(out.len <= sizeof(buffer));
        }
    }
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
    bool signs = (data[0] & 1) != 0;
    ps_span text = signs ? sign(input) : input;
    ps_status first = PS_OK;
    for (int again = 0; again < 2; again++) {
        ps_token *token = NULL;
        ps_status status =
            ps_verifier_verify(verifier, text, NOW, NULL, &token);
        assert(again == 0 || status == first); /* anew and cached agree */
        first = status;
        if (status == PS_OK) {
            use_token(token);
        }
        assert((status == PS_OK) == (token != NULL));
        ps_token_release(token);
    }
    char *payload = NULL;
    size_t payload_size = 0;
    if (ps_verifier_verify_jws(verifier, text, NULL, &payload,
                               &payload_size) == PS_OK) {
        ps_free(payload);
    }
    if (signs) {
        free((char *)text.ptr);
    }
    return 0;
}
