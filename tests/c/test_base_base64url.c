/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdint.h>

#include "base/base64url.h"

#define S HR_SPAN

static const struct {
    const char *why;
    hr_span input;
    hr_status want;
    hr_span bytes;
} CASES[] = {
    {"empty", S(""), HR_OK, S("")},
    {"one byte", S("Zg"), HR_OK, S("f")},
    {"two bytes", S("Zm8"), HR_OK, S("fo")},
    {"three bytes", S("Zm9v"), HR_OK, S("foo")},
    {"seven bytes", S("Zm9vYmFyIQ"), HR_OK, S("foobar!")},
    {"both url characters", S("-_-_"), HR_OK, S("\xfb\xff\xbf")},
    {"all ones", S("____"), HR_OK, S("\xff\xff\xff")},
    {"a length that no text has", S("Zm9vY"), HR_BASE64, S("")},
    {"one character", S("Z"), HR_BASE64, S("")},
    {"unused bits, two characters", S("Zh"), HR_BASE64, S("")},
    {"unused bits, three characters", S("Zm9"), HR_BASE64, S("")},
    {"padding, one", S("Zm8="), HR_BASE64, S("")},
    {"padding, two", S("Zg=="), HR_BASE64, S("")},
    {"padding alone", S("===="), HR_BASE64, S("")},
    {"plus", S("+m9v"), HR_BASE64, S("")},
    {"slash", S("Z/9v"), HR_BASE64, S("")},
    {"newline at the end", S("Zm9v\n"), HR_BASE64, S("")},
    {"newline inside", S("Zm\n9"), HR_BASE64, S("")},
    {"space", S("Zm 9"), HR_BASE64, S("")},
    {"NUL", S("Zm9\0"), HR_BASE64, S("")},
    {"a byte over 127", S("Zm9\xff"), HR_BASE64, S("")},
    {"foreign, first of a short group", S("Zm9v.g"), HR_BASE64, S("")},
    {"foreign, last of a short group", S("Zm9vZm."), HR_BASE64, S("")},
};

static void
every_length_comes_back(void)
{
    uint8_t bytes[200];
    char text[300];
    uint8_t again[200];
    int same = 1;
    for (size_t len = 0; len < sizeof(bytes); len++) {
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)(i * 151 + len * 7);
        }
        size_t size = hr_base64url_encoded_size(len);
        hr_base64url_encode(bytes, len, text);
        hr_span input = guarded((hr_span){text, size});
        /* What is decoded ends where `again` does: not a byte beyond. */
        uint8_t *out = again + sizeof(again) - len;
        same &= hr_base64url_decoded_size(size) == len &&
                hr_base64url_decode(input, out) == HR_OK &&
                memcmp(bytes, out, len) == 0;
    }
    ok(same, "encode, decode: every length to 199 comes back");
}

/* Every byte value at every place of texts of several lengths: taken exactly
 * when encoding what was decoded gives the same text. */
static void
only_canonical_text_is_taken(void)
{
    char text[100];
    uint8_t out[75];
    char again[100];
    int right = 1;
    static const size_t LENGTHS[] = {2, 3, 4, 7, 16, 20, 31, 34, 39, 66, 99};
    for (size_t l = 0; l < sizeof(LENGTHS) / sizeof(LENGTHS[0]); l++) {
        size_t len = LENGTHS[l];
        for (size_t at = 0; at < len; at++) {
            for (int value = 0; value < 256; value++) {
                memset(text, 'A', len);
                text[at] = (char)value;
                hr_span input = {text, len};
                int taken = hr_base64url_decode(input, out) == HR_OK;
                int canonical = 0;
                if (taken) {
                    hr_base64url_encode(out, hr_base64url_decoded_size(len),
                                        again);
                    canonical = memcmp(text, again, len) == 0;
                }
                int known = value != 0 &&
                            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
                                   "pqrstuvwxyz0123456789-_",
                                   value) != NULL;
                right &= !taken || (canonical && known);
                if (known && (at + 1 < len || len % 4 == 0)) {
                    right &= taken;
                }
            }
        }
    }
    ok(right, "decode: taken exactly when canonical");
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        uint8_t out[64];
        hr_status got = hr_base64url_decode(guarded(CASES[i].input), out);
        ok(got == CASES[i].want &&
               (got != HR_OK ||
                memcmp(out, CASES[i].bytes.ptr, CASES[i].bytes.len) == 0),
           "decode: %s: %s", CASES[i].why, hr_status_word(got));
    }
    every_length_comes_back();
    only_canonical_text_is_taken();
    return done_testing();
}
