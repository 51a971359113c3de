/* SPDX-License-Identifier: MIT */
/* base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strict:
 * each run of bytes has exactly one text that decodes to it. */
#ifndef HR_BASE_BASE64URL_H
#define HR_BASE_BASE64URL_H

#include <stddef.h>

#include "base/span.h"
#include "base/status.h"

/* How many bytes `len` characters stand for; for a `len` that is no length of
 * a text (1 more than a multiple of 4) the bytes of the whole groups. */
static inline size_t
hr_base64url_decoded_size(size_t len)
{
    return len / 4 * 3 + (len % 4 == 3 ? 2 : len % 4 == 2 ? 1 : 0);
}

/* How many characters `len` bytes become. Only tests call this: what we encode
 * has a fixed length. */
static inline size_t
hr_base64url_encoded_size(size_t len)
{
    return len / 3 * 4 + (len % 3 == 2 ? 3 : len % 3 == 1 ? 2 : 0);
}

/* Decodes `text` into `out`, which has room for hr_base64url_decoded_size
 * bytes and does not overlap it. BASE64: a character outside the alphabet
 * (padding, white space and NUL too), a length that no text has, or unused
 * bits that are not zero; then what `out` holds is undefined. Any thread. */
HR_CHECKED hr_status hr_base64url_decode(hr_span text, void *out);

/* Encodes `len` bytes into `out`, which has room for
 * hr_base64url_encoded_size characters; no NUL. Any thread. */
void hr_base64url_encode(const void *bytes, size_t len, char *out);

#endif
