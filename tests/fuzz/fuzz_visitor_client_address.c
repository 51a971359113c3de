/* SPDX-License-Identifier: MIT */
/* Any bytes as X-Forwarded-For behind 0 to 3 proxies, and as an address. */
#include <assert.h>
#include <stdint.h>

#include "visitor/client_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hr_span header = {(const char *)data, size};
    char out[HR_VISITOR_CLIENT_ADDRESS_MAX + 4];
    const hr_span lines[] = {{header.ptr, size / 2},
                             hr_span_from(header, size / 2)};
    for (unsigned proxies = 0; proxies < 4; proxies++) {
        hr_span address =
            hr_visitor_client_address(HR_SPAN("192.0.2.1"), lines, 2, proxies);
        if (proxies == 0) {
            assert(hr_span_equal(address, HR_SPAN("192.0.2.1")));
        } else if (address.ptr != NULL) {
            assert(address.ptr >= header.ptr &&
                   address.ptr + address.len <= header.ptr + header.len);
            hr_span prefix = hr_visitor_client_address_prefix(address, out);
            assert(prefix.ptr == out && prefix.len < sizeof(out));
            assert(memchr(out, '/', prefix.len) != NULL);
        }
    }
    hr_span prefix = hr_visitor_client_address_prefix(header, out);
    assert(prefix.ptr == NULL || prefix.len < sizeof(out));
    return 0;
}
