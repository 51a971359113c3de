/* SPDX-License-Identifier: MIT */
/* Tokens made on the spot: HS256 under SECRET, of any header and payload. */
#ifndef PS_TEST_JWT_H
#define PS_TEST_JWT_H

#include <stdint.h>

#include "tap.h"

#include "../../ext/core/base64url.h"
#include "../../ext/core/signature.h"

#define SECRET PS_SPAN("a secret of thirty-two bytes....")
#define HS256 PS_SPAN("{\"alg\":\"HS256\",\"typ\":\"JWT\"}")

/* header.payload.signature, a guarded input. */
__attribute__((unused)) static ps_span
make_token(ps_span header, ps_span payload, ps_span secret)
{
    size_t head = ps_base64url_encoded_size(header.len);
    size_t body = ps_base64url_encoded_size(payload.len);
    char *text = malloc(head + body + 64);
    ps_hmac key;
    uint8_t mac[PS_SHA256_SIZE];
    if (text == NULL || ps_hmac_init(&key, secret) != PS_OK) {
        printf("Bail out! no memory\n");
        exit(2);
    }
    ps_base64url_encode(header.ptr, header.len, text);
    text[head] = '.';
    ps_base64url_encode(payload.ptr, payload.len, text + head + 1);
    ps_span input = {text, head + 1 + body};
    ps_hmac_sign(&key, &input, 1, mac);
    text[input.len] = '.';
    ps_base64url_encode(mac, sizeof(mac), text + input.len + 1);
    ps_span token = guarded((ps_span){text, input.len + 1 + 43});
    free(text);
    return token;
}

#endif
