/* SPDX-License-Identifier: MIT */
/* Tokens made on the spot: HS256 under SECRET, of any header and payload. */
#ifndef HR_TEST_JWT_H
#define HR_TEST_JWT_H

#include <stdint.h>

#include "tap.h"

#include "base/base64url.h"
#include "base/secret.h"

#define SECRET HR_SPAN("a secret of thirty-two bytes....")
#define HS256 HR_SPAN("{\"alg\":\"HS256\",\"typ\":\"JWT\"}")

/* header.payload.signature, a guarded input. */
__attribute__((unused)) static hr_span
make_token(hr_span header, hr_span payload, hr_span secret)
{
    size_t head = hr_base64url_encoded_size(header.len);
    size_t body = hr_base64url_encoded_size(payload.len);
    char *text = malloc(head + body + 64);
    hr_secret_hmac key;
    uint8_t mac[HR_SECRET_SHA256_SIZE];
    if (text == NULL || hr_secret_hmac_init(&key, secret) != HR_OK) {
        printf("Bail out! no memory\n");
        exit(2);
    }
    hr_base64url_encode(header.ptr, header.len, text);
    text[head] = '.';
    hr_base64url_encode(payload.ptr, payload.len, text + head + 1);
    hr_span input = {text, head + 1 + body};
    hr_secret_hmac_sign(&key, &input, 1, mac);
    text[input.len] = '.';
    hr_base64url_encode(mac, sizeof(mac), text + input.len + 1);
    hr_span token = guarded((hr_span){text, input.len + 1 + 43});
    free(text);
    return token;
}

#endif
