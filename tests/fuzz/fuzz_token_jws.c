/* SPDX-License-Identifier: MIT */
/* Any bytes as a token, by way of the whole verifier. What follows the first
 * byte is taken as it is, or (by that byte) as header and payload that are
 * signed first, so that the fuzzer gets behind the signature. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/base64url.h"
#include "base/secret.h"
#include "token/verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1700000000.0
static const char SECRET[] = "a secret of thirty-two bytes....";

static hr_token_verifier *
make_verifier(void)
{
    hr_token_keyring_key *key;
    hr_token_verifier *verifier;
    hr_token_verifier_error error;
    hr_status status =
        hr_token_keyring_key_from_secret((hr_span){SECRET, sizeof(SECRET) - 1},
                                         HR_HS256, HR_NO_SPAN, false, &key);
    assert(status == HR_OK);
    hr_token_verifier_settings settings = {
        .keys = &key,
        .key_count = 1,
        .claims = {.max_lifetime = -1},
        .max_bytes = HR_TOKEN_MAX_BYTES,
        .cache_size = 16,
        .engine = hr_token_signature_openssl(),
    };
    status = hr_token_verifier_new(&settings, &verifier, &error);
    assert(status == HR_OK);
    hr_token_keyring_key_release(key);
    return verifier;
}

/* `header` NUL `payload`, encoded and signed, on the heap. */
static hr_span
sign(hr_span input)
{
    const char *nul = input.len ? memchr(input.ptr, '\0', input.len) : NULL;
    hr_span header = {input.ptr,
                      nul != NULL ? (size_t)(nul - input.ptr) : input.len};
    hr_span payload =
        nul != NULL ? hr_span_from(input, header.len + 1) : HR_SPAN("{}");
    size_t head = hr_base64url_encoded_size(header.len);
    size_t body = hr_base64url_encoded_size(payload.len);
    char *text = malloc(head + body + 45);
    hr_secret_hmac key;
    uint8_t mac[HR_SECRET_SHA256_SIZE];
    assert(text != NULL);
    hr_status status =
        hr_secret_hmac_init(&key, (hr_span){SECRET, sizeof(SECRET) - 1});
    assert(status == HR_OK);
    hr_base64url_encode(header.ptr, header.len, text);
    text[head] = '.';
    hr_base64url_encode(payload.ptr, payload.len, text + head + 1);
    hr_span signed_text = {text, head + 1 + body};
    hr_secret_hmac_sign(&key, &signed_text, 1, mac);
    text[signed_text.len] = '.';
    hr_base64url_encode(mac, sizeof(mac), text + signed_text.len + 1);
    return (hr_span){text, signed_text.len + 44};
}

static void
use_token(const hr_token *token)
{
    for (size_t i = 0; i < token->member_count; i++) {
        const hr_json_member *m = &token->members[i];
        char buffer[64];
        hr_span out;
        assert(m->value + m->value_len <= token->payload.len);
        assert(m->name + m->name_len <= token->payload.len);
        hr_span name = {token->payload.ptr + m->name, m->name_len};
        if (hr_token_claim_text(token, name, buffer, sizeof(buffer), &out) ==
            HR_OK) {
            assert(out.len <= sizeof(buffer));
        }
    }
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
    bool signs = (data[0] & 1) != 0;
    hr_span text = signs ? sign(input) : input;
    hr_status first = HR_OK;
    for (int again = 0; again < 2; again++) {
        hr_token *token = NULL;
        hr_status status =
            hr_token_verifier_verify(verifier, text, NOW, NULL, &token);
        assert(again == 0 || status == first); /* anew and cached agree */
        first = status;
        if (status == HR_OK) {
            use_token(token);
        }
        assert((status == HR_OK) == (token != NULL));
        hr_token_release(token);
    }
    char *payload = NULL;
    size_t payload_size = 0;
    if (hr_token_verifier_verify_jws(verifier, text, NULL, &payload,
                                     &payload_size) == HR_OK) {
        hr_alloc_free(payload);
    }
    if (signs) {
        free((char *)text.ptr);
    }
    return 0;
}
