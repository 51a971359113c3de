/* SPDX-License-Identifier: MIT */
/* Any bytes as a key, in every form that a key can come in. */
#include <assert.h>
#include <stdint.h>

#include "../../ext/core/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    hr_span text = {(const char *)data + 1, size - 1};
    hr_algorithm algorithm = (hr_algorithm)(data[0] % HR_ALGORITHMS);
    hr_key *key = NULL;
    hr_key *keys[HR_KEYS_MAX];
    bool skip;
    size_t count, skipped, at;
    if (hr_key_from_secret(text, algorithm, HR_NO_SPAN, true, &key) == HR_OK) {
        assert(!hr_key_is_material(text));
        hr_key_release(key);
    }
    if (hr_key_from_pem(text, algorithm, HR_NO_SPAN, &key) == HR_OK) {
        assert(key->algorithm == algorithm && key->public_key != NULL);
        hr_key_release(key);
    }
    if (hr_key_from_der(text, algorithm, HR_NO_SPAN, &key) == HR_OK) {
        assert(hr_key_is_material(text));
        hr_key_release(key);
    }
    if (hr_key_from_jwk(text, &algorithm, &key, &skip) == HR_OK) {
        hr_key_release(key);
    }
    if (hr_keys_from_jwks(text, &algorithm, keys, &count, &skipped, &at) ==
        HR_OK) {
        for (size_t i = 0; i < count; i++) {
            hr_key_release(keys[i]);
        }
    }
    return 0;
}
