/* SPDX-License-Identifier: MIT */
/* Strict base64url. The decoder looks each character up in a table whose
 * entries for foreign characters have the top bit set, gathers all entries in
 * one word and looks at that word once, at the end: no branch depends on the
 * text before its last group. */
#include "base64url.h"

#include <stdint.h>

static const char ALPHABET[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#define BAD 0x80
#define BAD8 BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD
#define BAD64 BAD8, BAD8, BAD8, BAD8, BAD8, BAD8, BAD8, BAD8

static const uint8_t VALUES[256] = {
    /* clang-format off */
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 62, BAD, BAD,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, 0, 1, 2, 3, 4, 5, 6,
    7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
    19, 20, 21, 22, 23, 24, 25, BAD, BAD, BAD, BAD, 63,
    BAD, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36,
    37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
    49, 50, 51, BAD, BAD, BAD, BAD, BAD,
    BAD64, BAD64,
    /* clang-format on */
};

ps_status
ps_base64url_decode(ps_span text, void *out)
{
    const uint8_t *in = (const uint8_t *)text.ptr;
    uint8_t *to = out;
    size_t left = text.len;
    uint32_t seen = 0;
    for (; left >= 4; left -= 4, in += 4, to += 3) {
        uint32_t a = VALUES[in[0]], b = VALUES[in[1]];
        uint32_t c = VALUES[in[2]], d = VALUES[in[3]];
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        seen |= a | b | c | d;
        to[0] = (uint8_t)(bits >> 16);
        to[1] = (uint8_t)(bits >> 8);
        to[2] = (uint8_t)bits;
    }
    uint32_t unused = 0;
    if (left == 1) {
        return PS_BASE64;
    }
    if (left != 0) {
        uint32_t a = VALUES[in[0]], b = VALUES[in[1]];
        seen |= a | b;
        to[0] = (uint8_t)(a << 2 | b >> 4);
        unused = b & 0x0f;
        if (left == 3) {
            uint32_t c = VALUES[in[2]];
            seen |= c;
            to[1] = (uint8_t)(b << 4 | c >> 2);
            unused = c & 0x03;
        }
    }
    return (seen & BAD) != 0 || unused != 0 ? PS_BASE64 : PS_OK;
}

void
ps_base64url_encode(const void *bytes, size_t len, char *out)
{
    const uint8_t *in = bytes;
    for (; len >= 3; len -= 3, in += 3, out += 4) {
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        out[0] = ALPHABET[bits >> 18];
        out[1] = ALPHABET[bits >> 12 & 63];
        out[2] = ALPHABET[bits >> 6 & 63];
        out[3] = ALPHABET[bits & 63];
    }
    if (len != 0) {
        out[0] = ALPHABET[in[0] >> 2];
        if (len == 1) {
            out[1] = ALPHABET[(in[0] & 3) << 4];
        } else {
            out[1] = ALPHABET[(in[0] & 3) << 4 | in[1] >> 4];
            out[2] = ALPHABET[(in[1] & 15) << 2];
        }
    }
}
