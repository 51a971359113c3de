/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <openssl/hmac.h>

#include "base/secret.h"

#define S HR_SPAN

/* RFC 4231, test cases 1, 2, 6 and 7. */
static const struct {
    const char *why;
    hr_span secret;
    hr_span text;
    const char *want;
} MACS[] = {
    {"RFC 4231 case 1: short secret",
     S("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
       "\x0b\x0b\x0b"),
     S("Hi There"),
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"RFC 4231 case 2: very short secret", S("Jefe"),
     S("what do ya want for nothing?"),
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
};

static int
is_hex(const uint8_t *bytes, const char *hex)
{
    char text[2 * HR_SECRET_SHA256_SIZE + 1];
    for (size_t i = 0; i < HR_SECRET_SHA256_SIZE; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return strcmp(text, hex) == 0;
}

static void
long_secret_is_hashed_first(void)
{
    char secret[131];
    memset(secret, 0xaa, sizeof(secret));
    hr_secret_hmac key;
    uint8_t mac[HR_SECRET_SHA256_SIZE];
    hr_span text = S("Test Using Larger Than Block-Size Key - Hash Key First");
    int rc = hr_secret_hmac_init(&key, guarded((hr_span){secret, 131}));
    hr_secret_hmac_sign(&key, &text, 1, mac);
    ok(rc == HR_OK && is_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f"
                                  "8e0bc6213728c5140546040f0ee37f54"),
       "hmac: RFC 4231 case 6: a secret over one block");
}

static void
parts_are_concatenated(void)
{
    hr_secret_hmac key;
    uint8_t whole[HR_SECRET_SHA256_SIZE], split[HR_SECRET_SHA256_SIZE];
    hr_span text = S("header.payload");
    hr_span parts[] = {S("header"), HR_NO_SPAN, S("."), S("payload")};
    int rc = hr_secret_hmac_init(&key, S("secret"));
    hr_secret_hmac_sign(&key, &text, 1, whole);
    hr_secret_hmac_sign(&key, parts, 4, split);
    ok(rc == HR_OK && memcmp(whole, split, sizeof(whole)) == 0,
       "hmac: parts are concatenated, absent ones are empty");
}

/* Up to 55 bytes fit one block with what closes it, which goes another way. */
static void
every_length_agrees_with_the_library(void)
{
    char text[200];
    hr_secret_hmac key;
    int right = hr_secret_hmac_init(&key, S("secret")) == HR_OK;
    for (size_t len = 0; len < sizeof(text); len++) {
        uint8_t want[HR_SECRET_SHA256_SIZE], mac[HR_SECRET_SHA256_SIZE];
        text[len] = (char)len;
        hr_span parts[] = {{text, len / 3}, {text + len / 3, len - len / 3}};
        HMAC(EVP_sha256(), "secret", 6, (const uint8_t *)text, len, want,
             NULL);
        hr_secret_hmac_sign(&key, parts, 2, mac);
        right = right && memcmp(want, mac, sizeof(mac)) == 0;
    }
    ok(right, "hmac: every length up to 199 as the library has it");
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(MACS) / sizeof(MACS[0]); i++) {
        hr_secret_hmac key;
        uint8_t mac[HR_SECRET_SHA256_SIZE];
        hr_span text = guarded(MACS[i].text);
        int rc = hr_secret_hmac_init(&key, guarded(MACS[i].secret));
        hr_secret_hmac_sign(&key, &text, 1, mac);
        ok(rc == HR_OK && is_hex(mac, MACS[i].want), "hmac: %s", MACS[i].why);
    }
    long_secret_is_hashed_first();
    parts_are_concatenated();
    every_length_agrees_with_the_library();
    hr_secret_hmac key;
    ok(hr_secret_hmac_init(&key, S("")) == HR_KEY_EMPTY,
       "hmac: no empty secret");
    ok(hr_secret_equal("abc", "abc", 3), "equal: same bytes");
    ok(!hr_secret_equal("abc", "abd", 3), "equal: the last byte counts");
    ok(hr_secret_equal("abc", "xyz", 0), "equal: nothing equals nothing");
    char secret[] = "secret";
    hr_secret_wipe(secret, 6);
    ok(memcmp(secret, "\0\0\0\0\0\0", 6) == 0, "wipe: zeros remain");
    return done_testing();
}
