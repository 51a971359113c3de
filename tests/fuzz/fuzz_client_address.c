/* SPDX-License-Identifier: MIT */
/* Any bytes as X-Forwarded-For behind 0 to 3 proxies, and as an address. */
#include <assert.h>
#include <stdint.h>

#include "../../ext/core/client_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ps_span header = {(const char *)data, size};
    char out[PS_ADDRESS_MAX + 4];
    const ps_span lines[] = {{header.ptr, size / 2},
                             ps_span_from(header, size / 2)};
    for (unsigned proxies = 0; proxies < 4; proxies++) {
        ps_span address =
            ps_client_address(PS_SPAN("192.0.2.1"), lines, 2, proxies);
        if (proxies == 0) {
            assert(ps_span_equal(address, PS_SPAN("192.0.2.1")));
        } else if (address.ptr != NULL) {
            assert(address.ptr >= header.ptr &&
                   address.ptr + address.len <= header.ptr + header.len);
            ps_span prefix = ps_address_prefix(address, out);
            assert(prefix.ptr == out && prefix.len < sizeof(out));
            assert(memchr(out, '/', prefix.len) != NULL);
        }
    }
    ps_span prefix = ps_address_prefix(header, out);
    assert(prefix.ptr == NULL || prefix.len < sizeof(out));
    return 0;
}
