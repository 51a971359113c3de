/* SPDX-License-Identifier: MIT */
/* Any bytes as a Cookie header, under both encodings. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../ext/core/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void
use(ps_span value, const char *from, size_t size)
{
    assert(value.ptr >= from && value.len <= size &&
           value.ptr + value.len <= from + size);
    for (size_t i = 0; i < value.len; i++) {
        sink = (unsigned char)(sink ^ value.ptr[i]);
    }
}

static void
read_all(ps_span header, ps_cookie_text text)
{
    ps_span rest = header;
    ps_span value;
    size_t before = rest.len + 1;
    while (ps_cookie_next(&rest, PS_SPAN("fp"), text, &value)) {
        use(value, header.ptr, header.len);
        assert(rest.len < before); /* always forward */
        before = rest.len;
        char out[64];
        size_t length = sizeof(out) + 1;
        if (ps_cookie_unquote(value, out, sizeof(out), &length) == PS_OK) {
            assert(length <= sizeof(out) && length <= value.len);
            use((ps_span){out, length}, out, sizeof(out));
        }
    }
    assert(rest.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ps_span header = {(const char *)data, size};
    ps_span value;
    read_all(header, PS_COOKIE_UTF8);
    read_all(header, PS_COOKIE_LATIN1);
    if (ps_cookie_only(&header, 1, PS_SPAN("fp"), PS_COOKIE_LATIN1, &value) ==
        PS_OK) {
        use(value, header.ptr, header.len);
    }
    return 0;
}
