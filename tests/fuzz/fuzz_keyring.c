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
    ps_span text = {(const char *)data + 1, size - 1};
    ps_algorithm algorithm = (ps_algorithm)(data[0] % PS_ALGORITHMS);
    ps_key *key = NULL;
    ps_key *keys[PS_KEYS_MAX];
    bool skip;
    size_t count, skipped, at;
    if (ps_key_from_secret(text, algorithm, PS_NO_SPAN, true, &key) == PS_OK) {
        assert(!ps_key_is_material(text));
        ps_key_release(key);
    }
    if (ps_key_from_pem(text, algorithm, PS_NO_SPAN, &key) == PS_OK) {
        assert(key->algorithm == algorithm && key->public_key != NULL);
        ps_key_release(key);
    }
    if (ps_key_from_der(text, algorithm, PS_NO_SPAN, &key) == PS_OK) {
        assert(ps_key_is_material(text));
        ps_key_release(key);
    }
    if (ps_key_from_jwk(text, &algorithm, &key, &skip) == PS_OK) {
        ps_key_release(key);
    }
    if (ps_keys_from_jwks(text, &algorithm, keys, &count, &skipped, &at) ==
        PS_OK) {
        for (size_t i = 0; i < count; i++) {
            ps_key_release(keys[i]);
        }
    }
    return 0;
}
