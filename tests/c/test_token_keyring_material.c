/* SPDX-License-Identifier: MIT */
/* Every kind of key in every dress is seen; secrets are not. */
#include "keys.h"
#include "tap.h"

#include "base/base64url.h"
#include "token/keyring.h"

#define S HR_SPAN
#define ROOM (8 * 1024)

static const struct {
    const char *why;
    hr_span pem; /* one block */
} KEYS[] = {
    {"RSA", S(RSA_SPKI)},      {"PKCS#1", S(RSA_PKCS1)},
    {"EC", S(EC_SPKI)},        {"EC, compressed", S(EC_COMPRESSED)},
    {"P-384", S(EC_384)},      {"Ed25519", S(ED25519)},
    {"X.509", S(CERTIFICATE)}, {"weak RSA", S(RSA_1024)},
};

/* What the lines between the armour stand for. */
static hr_span
der_of(hr_span pem, char *bytes)
{
    char text[ROOM];
    size_t size = 0;
    const char *at = memchr(pem.ptr, '\n', pem.len);
    for (at++; *at != '-'; at++) {
        if (*at != '\n' && *at != '=') {
            text[size++] = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
        }
    }
    if (hr_base64url_decode((hr_span){text, size}, bytes) != HR_OK) {
        return HR_NO_SPAN;
    }
    return (hr_span){bytes, hr_base64url_decoded_size(size)};
}

static hr_span
with_mark(hr_span from, char *to)
{
    memcpy(to, "\xef\xbb\xbf \t\r\n", 7);
    memcpy(to + 7, from.ptr, from.len);
    return (hr_span){to, 7 + from.len};
}

static hr_span
with_space_behind(hr_span from, char *to)
{
    memcpy(to, from.ptr, from.len);
    memcpy(to + from.len, "\r\n\0 ", 4);
    return (hr_span){to, from.len + 4};
}

static hr_span
as_base64(hr_span from, char *to)
{
    hr_base64url_encode(from.ptr, from.len, to);
    return (hr_span){to, hr_base64url_encoded_size(from.len)};
}

static hr_span
as_hex(hr_span from, char *to)
{
    for (size_t i = 0; i < from.len; i++) {
        snprintf(to + 2 * i, 3, "%02x", (unsigned char)from.ptr[i]);
    }
    return (hr_span){to, 2 * from.len};
}

static hr_span
as_hex_with_colons(hr_span from, char *to)
{
    for (size_t i = 0; i < from.len; i++) {
        snprintf(to + 3 * i, 4, "%02X:", (unsigned char)from.ptr[i]);
    }
    return (hr_span){to, 3 * from.len - 1};
}

static hr_span
as_utf16(hr_span from, char *to)
{
    for (size_t i = 0; i < from.len; i++) {
        to[2 * i] = from.ptr[i];
        to[2 * i + 1] = '\0';
    }
    return (hr_span){to, 2 * from.len};
}

static hr_span
with_text_in_front(hr_span from, char *to)
{
    memcpy(to, "key: ", 5);
    memcpy(to + 5, from.ptr, from.len);
    return (hr_span){to, 5 + from.len};
}

static const struct {
    const char *why;
    hr_span (*dress)(hr_span from, char *to);
    int text_only; /* it hides DER for good */
} DRESSES[] = {
    {"mark and space in front", with_mark, 0},
    {"space behind", with_space_behind, 0},
    {"base64", as_base64, 0},
    {"hexadecimal", as_hex, 0},
    {"hexadecimal with colons", as_hex_with_colons, 0},
    {"UTF-16", as_utf16, 1},
    {"text in front", with_text_in_front, 1},
};

static void
every_key_in_every_dress(void)
{
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        char bytes[ROOM], dressed[ROOM];
        hr_span pem = KEYS[i].pem, der = der_of(pem, bytes);
        ok(hr_token_keyring_material_is_known(guarded(pem)) &&
               hr_token_keyring_material_is_known(guarded(der)),
           "%s: plain", KEYS[i].why);
        for (size_t d = 0; d < sizeof(DRESSES) / sizeof(DRESSES[0]); d++) {
            hr_span text = DRESSES[d].dress(pem, dressed);
            int seen = hr_token_keyring_material_is_known(guarded(text));
            if (!DRESSES[d].text_only) {
                text = DRESSES[d].dress(der, dressed);
                seen &= hr_token_keyring_material_is_known(guarded(text));
            }
            ok(seen, "%s: %s", KEYS[i].why, DRESSES[d].why);
        }
    }
}

static const struct {
    const char *why;
    hr_span bytes;
    int material;
} OTHERS[] = {
    {"an SSH2 public key", S("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA"), 1},
    {"OpenSSH, Ed25519", S("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@here"), 1},
    {"OpenSSH, ECDSA", S("ecdsa-sha2-nistp256 AAAAE2VjZHNh"), 1},
    {"OpenSSH, the blob alone",
     S("AAAAC3NzaC1lZDI1NTE5AAAAIEmJkA0000000000000000000000000000000000"), 1},
    {"a private key", S(PKCS8_PRIVATE), 1},
    {"a JWK, kty last", S("{\"k\":\"AA\",\"kty\":\"oct\"}"), 1},
    {"a JWK with an escape", S("{\"\\u006bty\":\"oct\"}"), 1},
    {"a JWK in base64", S("eyJrdHkiOiJvY3QiLCJrIjoiQUEifQ"), 1},
    {"nothing", S(""), 0},
    {"one byte", S("0"), 0},
    {"base64 of random bytes",
     S("q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="), 0},
    {"hexadecimal of random bytes",
     S("abcdef1234567890abcdef1234567890abcdef1234567890abcdef1234567890"), 0},
    {"a passphrase", S("correct horse battery staple, thirty-two or more"), 0},
    {"zeros", S("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
     0},
    {"as DER begins, the length wrong",
     S("\x30\x30\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
       "0123456789abcdef0123456789abcdef"),
     0},
    {"DER of another kind",
     S("\x30\x2a\x04\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
       "0123456789abcdef0123456789abcdef"),
     0},
    {"a Django SECRET_KEY",
     S("django-insecure-5-x^1@q0v=$7h#kz!o(r2b&8m*e)w4n6c9t_y3u+jgdlfpsa"), 0},
};

int
main(void)
{
    every_key_in_every_dress();
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++) {
        ok(hr_token_keyring_material_is_known(guarded(OTHERS[i].bytes)) ==
               OTHERS[i].material,
           "%s", OTHERS[i].why);
    }
    return done_testing();
}
