/* SPDX-License-Identifier: MIT */
/* Strict base64url. Where the processor can, sixteen or thirty-two characters
 * at a time; the rest, or all of it, character by character: each is looked up
 * in a table whose entries for foreign ones have the top bit set, and all
 * entries are gathered in one word that is looked at once, at the end. No
 * branch depends on the text before its last group. */
#include "base/base64url.h"

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

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

/* Room that one step writes beyond the bytes it gives. */
#define STEP_IN 16
#define STEP_OUT 12
#define STEP_WRITES 16

/* Sixteen characters (after Mula and Lemire, "Faster Base64 Encoding and
 * Decoding Using AVX2 Instructions", 2018): a character's two nibbles index
 * two tables whose entries have a bit in common exactly for foreign
 * characters, which `*bad` collects; its high nibble says what to add to get
 * its value. Writes twelve bytes, then four of zero. */
__attribute__((target("ssse3"), always_inline)) static inline void
decode_step(const uint8_t *in, uint8_t *out, __m128i *bad)
{
    const __m128i low_rows =
        _mm_setr_epi8(0x25, 0x21, 0x21, 0x21, 0x21, 0x21, 0x21, 0x21, 0x21,
                      0x21, 0x23, 0x3b, 0x3b, 0x3a, 0x3b, 0x33);
    const __m128i high_rows = _mm_setr_epi8(32, 32, 1, 2, 4, 8, 4, 16, 32, 32,
                                            32, 32, 32, 32, 32, 32);
    const __m128i shifts =
        _mm_setr_epi8(0, 0, 17, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i order =
        _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    const __m128i nibble = _mm_set1_epi8(0x0f);
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)in);
    __m128i low = _mm_and_si128(text, nibble);
    __m128i high = _mm_and_si128(_mm_srli_epi16(text, 4), nibble);
    *bad =
        _mm_or_si128(*bad, _mm_and_si128(_mm_shuffle_epi8(low_rows, low),
                                         _mm_shuffle_epi8(high_rows, high)));
    /* '_' lies among the capitals, 33 off. */
    __m128i underscore = _mm_cmpeq_epi8(text, _mm_set1_epi8('_'));
    __m128i shift = _mm_add_epi8(_mm_shuffle_epi8(shifts, high),
                                 _mm_and_si128(underscore, _mm_set1_epi8(33)));
    __m128i values = _mm_add_epi8(text, shift);
    __m128i pairs = _mm_maddubs_epi16(values, _mm_set1_epi32(0x01400140));
    __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00011000));
    _mm_storeu_si128((__m128i *)(void *)out, _mm_shuffle_epi8(fours, order));
}

/* Decodes the whole groups of four from `at` on; there are four at least, with
 * those before. The last step or two go by way of a buffer, since a step
 * writes more than it gives; the last one reads some characters again. Answers
 * how many characters were read; `*foreign` is set when one is no good. */
__attribute__((target("ssse3"), always_inline)) static inline size_t
decode_rest(const uint8_t *in, size_t len, size_t at, uint8_t *out,
            uint32_t *foreign)
{
    __m128i bad = _mm_setzero_si128();
    size_t whole = len & ~(size_t)3;
    for (; hr_base64url_decoded_size(whole - at) >= STEP_WRITES;
         at += STEP_IN) {
        decode_step(in + at, out + at / 4 * 3, &bad);
    }
    while (at < whole) {
        uint8_t last[STEP_WRITES];
        at = at < whole - STEP_IN ? at : whole - STEP_IN;
        decode_step(in + at, last, &bad);
        memcpy(out + at / 4 * 3, last, STEP_OUT);
        at += STEP_IN;
    }
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(bad, _mm_setzero_si128())) !=
        0xffff) {
        *foreign = BAD;
    }
    return whole;
}

__attribute__((target("ssse3"))) static size_t
decode_wide(const uint8_t *in, size_t len, uint8_t *out, uint32_t *foreign)
{
    return decode_rest(in, len, 0, out, foreign);
}

#define WIDER_IN 32
#define WIDER_OUT 24
#define WIDER_WRITES 32

/* decode_step() on both halves of a wider register. Writes twenty-four bytes,
 * then eight without meaning. */
__attribute__((target("avx2"), always_inline)) static inline void
decode_step_wider(const uint8_t *in, uint8_t *out, __m256i *bad)
{
    const __m256i low_rows = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0x25, 0x21, 0x21, 0x21, 0x21, 0x21, 0x21, 0x21, 0x21,
                      0x21, 0x23, 0x3b, 0x3b, 0x3a, 0x3b, 0x33));
    const __m256i high_rows = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        32, 32, 1, 2, 4, 8, 4, 16, 32, 32, 32, 32, 32, 32, 32, 32));
    const __m256i shifts = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 0, 17, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    const __m256i together = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)in);
    __m256i low = _mm256_and_si256(text, nibble);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(text, 4), nibble);
    *bad = _mm256_or_si256(
        *bad, _mm256_and_si256(_mm256_shuffle_epi8(low_rows, low),
                               _mm256_shuffle_epi8(high_rows, high)));
    __m256i underscore = _mm256_cmpeq_epi8(text, _mm256_set1_epi8('_'));
    __m256i shift =
        _mm256_add_epi8(_mm256_shuffle_epi8(shifts, high),
                        _mm256_and_si256(underscore, _mm256_set1_epi8(33)));
    __m256i values = _mm256_add_epi8(text, shift);
    __m256i pairs =
        _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    _mm256_storeu_si256((__m256i *)(void *)out,
                        _mm256_permutevar8x32_epi32(
                            _mm256_shuffle_epi8(fours, order), together));
}

__attribute__((target("avx2"))) static size_t
decode_wider(const uint8_t *in, size_t len, uint8_t *out, uint32_t *foreign)
{
    __m256i bad = _mm256_setzero_si256();
    size_t whole = len & ~(size_t)3, at = 0;
    for (; hr_base64url_decoded_size(whole - at) >= WIDER_WRITES;
         at += WIDER_IN) {
        decode_step_wider(in + at, out + at / 4 * 3, &bad);
    }
    if (!_mm256_testz_si256(bad, bad)) {
        *foreign = BAD;
    }
    return decode_rest(in, len, at, out, foreign);
}

static inline size_t
decode_start(const uint8_t *in, size_t len, uint8_t *out, uint32_t *foreign)
{
    if (len >= WIDER_IN && __builtin_cpu_supports("avx2")) {
        return decode_wider(in, len, out, foreign);
    }
    return len >= STEP_IN && __builtin_cpu_supports("ssse3")
               ? decode_wide(in, len, out, foreign)
               : 0;
}

#else

static inline size_t
decode_start(const uint8_t *in, size_t len, uint8_t *out, uint32_t *foreign)
{
    (void)in, (void)len, (void)out, (void)foreign;
    return 0;
}

#endif

hr_status
hr_base64url_decode(hr_span text, void *out)
{
    const uint8_t *in = (const uint8_t *)text.ptr;
    uint8_t *to = out;
    size_t left = text.len;
    uint32_t seen = 0;
    size_t done = decode_start(in, left, to, &seen);
    in += done;
    to += done / 4 * 3;
    left -= done;
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
        return HR_BASE64;
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
    return (seen & BAD) != 0 || unused != 0 ? HR_BASE64 : HR_OK;
}

void
hr_base64url_encode(const void *bytes, size_t len, char *out)
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
