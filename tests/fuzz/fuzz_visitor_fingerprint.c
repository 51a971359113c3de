/* SPDX-License-Identifier: MIT */
/* Any bytes as a Cookie header, or as the content of a value that is signed:
 * what is read back must be what was signed, and can be handed out again. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "visitor/fingerprint.h"

#define NOW 1795000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static hr_visitor_fingerprint_cookie *
make(bool accept_unsigned)
{
    static const hr_span keys[] = {{"new", 3}, {"old", 3}};
    const hr_visitor_fingerprint_settings settings = {
        .name = HR_SPAN("fp"),
        .keys = keys,
        .key_count = 2,
        .max_age = 86400,
        .path = HR_SPAN("/"),
        .samesite = HR_SPAN("Lax"),
        .accept_unsigned = accept_unsigned,
    };
    hr_visitor_fingerprint_cookie *cookie = NULL;
    const char *why;
    if (hr_visitor_fingerprint_cookie_new(&settings, &cookie, &why) != HR_OK) {
        abort();
    }
    return cookie;
}

/* What was read is well-formed, and its own header reads the same. */
static void
check(const hr_visitor_fingerprint_cookie *cookie,
      const hr_visitor_fingerprint *got)
{
    char out[HR_SET_COOKIE_MAX];
    size_t length =
        hr_visitor_fingerprint_cookie_header(cookie, got, true, NOW, out);
    assert(length > 0 && length < sizeof(out));
    hr_span header = {out, length};
    hr_visitor_fingerprint again;
    hr_status status = hr_visitor_fingerprint_cookie_read(
        cookie, &header, 1, HR_VISITOR_COOKIE_UTF8, NOW, &again, NULL);
    assert(status == HR_OK && !again.reissue);
    assert(memcmp(again.id, got->id, sizeof(again.id)) == 0);
    assert(memcmp(again.id_text, got->id_text, sizeof(again.id_text)) == 0);
    assert(again.issued_at == got->issued_at);
}

static void
read_header(const hr_visitor_fingerprint_cookie *cookie, hr_span header,
            hr_visitor_cookie_text text)
{
    hr_visitor_fingerprint got;
    hr_visitor_fingerprint_counts counts = {0};
    if (hr_visitor_fingerprint_cookie_read(cookie, &header, 1, text, NOW, &got,
                                           &counts) == HR_OK) {
        check(cookie, &got);
    }
    size_t refused = (size_t)counts.malformed + counts.signature +
                     counts.expired + counts.key_id;
    assert(refused <= header.len);
}

static void
sign_and_read(const hr_visitor_fingerprint_cookie *cookie, const uint8_t *data)
{
    hr_visitor_fingerprint made;
    hr_visitor_fingerprint_set_id(&made, data);
    memcpy(&made.issued_at, data + HR_VISITOR_FINGERPRINT_ID_SIZE,
           sizeof(made.issued_at));
    made.issued_at &= UINT32_MAX;
    hr_visitor_fingerprint_cookie_resign(cookie, &made);
    char out[HR_SET_COOKIE_MAX];
    hr_span header = {out, hr_visitor_fingerprint_cookie_header(
                               cookie, &made, false, made.issued_at, out)};
    hr_visitor_fingerprint got;
    hr_status status = hr_visitor_fingerprint_cookie_read(
        cookie, &header, 1, HR_VISITOR_COOKIE_UTF8, made.issued_at, &got,
        NULL);
    assert(status == HR_OK && got.issued_at == made.issued_at);
    assert(memcmp(got.id, made.id, sizeof(got.id)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hr_visitor_fingerprint_cookie *strict;
    static hr_visitor_fingerprint_cookie *lenient;
    if (strict == NULL) {
        strict = make(false);
        lenient = make(true);
    }
    hr_span header = {(const char *)data, size};
    read_header(strict, header, HR_VISITOR_COOKIE_UTF8);
    read_header(lenient, header, HR_VISITOR_COOKIE_LATIN1);
    if (size >= HR_VISITOR_FINGERPRINT_ID_SIZE + sizeof(int64_t)) {
        sign_and_read(strict, data);
    }
    return 0;
}
