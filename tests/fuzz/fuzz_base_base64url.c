/* SPDX-License-Identifier: MIT */
/* Any bytes as base64url: what is taken is the one text of its bytes, and the
 * wide decoder agrees with one character at a time. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/base64url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char ALPHABET[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool
is_text(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\0' || strchr(ALPHABET, data[i]) == NULL) {
            return false;
        }
    }
    return size % 4 != 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t decoded = hr_base64url_decoded_size(size);
    char *bytes = malloc(decoded + 1);
    char *again = malloc(size + 1);
    hr_span text = {(const char *)data, size};
    assert(bytes != NULL && again != NULL);
    if (hr_base64url_decode(text, bytes) == HR_OK) {
        assert(is_text(data, size));
        assert(hr_base64url_encoded_size(decoded) == size);
        hr_base64url_encode(bytes, decoded, again);
        assert(size == 0 || memcmp(again, data, size) == 0);
    }
    size_t encoded = hr_base64url_encoded_size(size);
    char *forth = malloc(encoded + 1);
    char *back = malloc(size + 1);
    assert(forth != NULL && back != NULL);
    hr_base64url_encode(data, size, forth);
    assert(hr_base64url_decode((hr_span){forth, encoded}, back) == HR_OK);
    assert(size == 0 || memcmp(back, data, size) == 0);
    free(bytes);
    free(again);
    free(forth);
    free(back);
    return 0;
}
