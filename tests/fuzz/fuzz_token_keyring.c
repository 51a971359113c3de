/* SPDX-License-Identifier: MIT */
/* Any bytes as a key, in every form that a key can come in. */
#include <assert.h>
#include <stdint.h>

#include "token/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    hr_span text = {(const char *)data + 1, size - 1};
    hr_token_jws_algorithm algorithm =
        (hr_token_jws_algorithm)(data[0] % HR_ALGORITHMS);
    hr_token_keyring_key *key = NULL;
    hr_token_keyring_key *keys[HR_KEYS_MAX];
    bool skip;
    size_t count, skipped, at;
    if (hr_token_keyring_key_from_secret(text, algorithm, HR_NO_SPAN, true,
                                         &key) == HR_OK) {
        assert(!hr_token_keyring_material_is_known(text));
        hr_token_keyring_key_release(key);
    }
    if (hr_token_keyring_pem_read(text, algorithm, HR_NO_SPAN, &key) ==
        HR_OK) {
        assert(key->algorithm == algorithm && key->public_key != NULL);
        hr_token_keyring_key_release(key);
    }
    if (hr_token_keyring_pem_read_der(text, algorithm, HR_NO_SPAN, &key) ==
        HR_OK) {
        assert(hr_token_keyring_material_is_known(text));
        hr_token_keyring_key_release(key);
    }
    if (hr_token_keyring_jwk_read(text, &algorithm, &key, &skip) == HR_OK) {
        hr_token_keyring_key_release(key);
    }
    if (hr_token_keyring_jwk_read_set(text, &algorithm, keys, &count, &skipped,
                                      &at) == HR_OK) {
        for (size_t i = 0; i < count; i++) {
            hr_token_keyring_key_release(keys[i]);
        }
    }
    return 0;
}
