/* SPDX-License-Identifier: MIT */
/* Any bytes as a Cookie header, under both encodings. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "visitor/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void
use(hr_span value, const char *from, size_t size)
{
    assert(value.ptr >= from && value.len <= size &&
           value.ptr + value.len <= from + size);
    for (size_t i = 0; i < value.len; i++) {
        sink = (unsigned char)(sink ^ value.ptr[i]);
    }
}

static void
read_all(hr_span header, hr_visitor_cookie_text text)
{
    hr_span rest = header;
    hr_span value;
    size_t before = rest.len + 1;
    while (hr_visitor_cookie_next(&rest, HR_SPAN("fp"), text, &value)) {
        use(value, header.ptr, header.len);
        assert(rest.len < before); /* always forward */
        before = rest.len;
        char out[64];
        size_t length = sizeof(out) + 1;
        if (hr_visitor_cookie_unquote(value, out, sizeof(out), &length) ==
            HR_OK) {
            assert(length <= sizeof(out) && length <= value.len);
            use((hr_span){out, length}, out, sizeof(out));
        }
    }
    assert(rest.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hr_span header = {(const char *)data, size};
    hr_span value;
    read_all(header, HR_VISITOR_COOKIE_UTF8);
    read_all(header, HR_VISITOR_COOKIE_LATIN1);
    if (hr_visitor_cookie_only(&header, 1, HR_SPAN("fp"),
                               HR_VISITOR_COOKIE_LATIN1, &value) == HR_OK) {
        use(value, header.ptr, header.len);
    }
    return 0;
}
