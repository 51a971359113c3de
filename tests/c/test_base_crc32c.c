/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "base/crc32c.h"

/* RFC 3720, appendix B.4. */
static const struct {
    const char *why;
    unsigned char first;
    signed char step;
    uint32_t want;
} VECTORS[] = {
    {"32 bytes of zeroes", 0x00, 0, 0x8A9136AA},
    {"32 bytes of ones", 0xFF, 0, 0x62A8AB43},
    {"32 bytes going up", 0x00, 1, 0x46DD794E},
    {"32 bytes going down", 0x1F, -1, 0x113FDB5C},
};

int
main(void)
{
    for (size_t i = 0; i < sizeof(VECTORS) / sizeof(VECTORS[0]); i++) {
        char bytes[32];
        for (int at = 0; at < 32; at++) {
            bytes[at] = (char)(VECTORS[i].first + at * VECTORS[i].step);
        }
        hr_span input = guarded((hr_span){bytes, sizeof(bytes)});
        ok(hr_crc32c(0, input.ptr, input.len) == VECTORS[i].want, "fast: %s",
           VECTORS[i].why);
        ok(hr_crc32c_portable(0, input.ptr, input.len) == VECTORS[i].want,
           "portable: %s", VECTORS[i].why);
    }
    ok(hr_crc32c(0, "123456789", 9) == 0xE3069283, "the check value");
    char text[67];
    int same = 1;
    int chains = 1;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i * 37 + 11);
    }
    for (size_t len = 0; len <= sizeof(text); len++) {
        uint32_t whole = hr_crc32c(7, text, len);
        same &= whole == hr_crc32c_portable(7, text, len);
        uint32_t part = hr_crc32c(7, text, len / 2);
        chains &= whole == hr_crc32c(part, text + len / 2, len - len / 2);
    }
    ok(same, "both agree at every length");
    ok(chains, "two halves give the whole");
    return done_testing();
}
