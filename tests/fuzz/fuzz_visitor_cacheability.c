/* SPDX-License-Identifier: MIT */
/* Any bytes as response headers: name, ":", value, a line each. What is said
 * can only ever add to "may keep", but for `private` and `no-store`. */
#include <assert.h>
#include <stdint.h>

#include "visitor/cacheability.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static hr_span
take_until(hr_span *rest, char stop)
{
    const char *at = rest->len ? memchr(rest->ptr, stop, rest->len) : NULL;
    size_t length = at != NULL ? (size_t)(at - rest->ptr) : rest->len;
    hr_span taken = {rest->ptr, length};
    *rest = hr_span_from(*rest, length + (at != NULL));
    return taken;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hr_span rest = {(const char *)data, size};
    hr_visitor_cacheability seen = {0};
    while (rest.len != 0) {
        hr_span value = take_until(&rest, '\n');
        hr_span name = take_until(&value, ':');
        hr_visitor_cacheability before = seen;
        hr_visitor_cacheability_see(&seen, name, value, 1700000000);
        assert(seen.shared >= before.shared && seen.lives >= before.lives &&
               seen.cdn >= before.cdn &&
               seen.kept_private >= before.kept_private);
        int64_t date = hr_visitor_cacheability_http_date(value);
        assert(date == INT64_MIN ||
               (date > INT64_C(-62200000000) && date < INT64_C(253500000000)));
    }
    assert(!(seen.shared || seen.cdn) ||
           hr_visitor_cacheability_may_keep(&seen));
    return 0;
}
