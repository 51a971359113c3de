/* SPDX-License-Identifier: MIT */
/* Every kind of key in every dress is seen; secrets are not. */
#include "keys.h"
#include "tap.h"

#include "../../ext/core/base64url.h"
#include "../../ext/core/keyring.h"

#define S PS_SPAN
#define ROOM (8 * 1024)

static const struct {
    const char *why;
    ps_span pem; /* one block */
} KEYS[] = {
    {"RSA", S(RSA_SPKI)},      {"PKCS#1", S(RSA_PKCS1)},
    {"EC", S(EC_SPKI)},        {"EC, compressed", S(EC_COMPRESSED)},
    {"P-384", S(EC_384)},      {"Ed25519", S(ED25519)},
    {"X.509", S(CERTIFICATE)}, {"weak RSA", S(RSA_1024)},
};

/* What the lines between the armour stand for. */
static ps_span
der_of(ps_span pem, char *bytes)
{
    char text[ROOM];
    size_t size = 0;
    const char *at = memchr(pem.ptr, '\n', pem.len);
    for (at++; *at != '-'; at++) {
        if (*at != '\n' && *at != '=') {
            text[size++] = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
        }
    }
    if (ps_base64url_decode((ps_span){text, size}, bytes) != PS_OK) {
        return PS_NO_SPAN;
    }
    return (ps_span){bytes, ps_base64url_decoded_size(size)};
}

static ps_span
with_mark(ps_span from, char *to)
{
    memcpy(to, "\xef\xbb\xbf \t\r\n", 7);
    memcpy(to + 7, from.ptr, from.len);
    return (ps_span){to, 7 + from.len};
}

static ps_span
with_space_behind(ps_span from, char *to)
{
    memcpy(to, from.ptr, from.len);
    memcpy(to + from.len, "\r\n\0 ", 4);
    return (ps_span){to, from.len + 4};
}

static ps_span
as_base64(ps_span from, char *to)
{
    ps_base64url_encode(from.ptr, from.len, to);
    return (ps_span){to, ps_base64url_encoded_size(from.len)};
}

static ps_span
as_hex(ps_span from, char *to)
{
    for (size_t i = 0; i < from.len; i++) {
        snprintf(to + 2 * i, 3, "%02x", (unsigned char)from.ptr[i]);
    }
    return (ps_span){to, 2 * from.len};
}

static ps_span
as_hex_with_colons(ps_span from, char *to)
{
    for (size_t i = 0; i < from.len; i++) {
        snprintf(to + 3 * i, 4, "%02X:", (unsigned char)from.ptr[i]);
    }
    return (ps_span){to, 3 * from.len - 1};
}

static ps_span
as_utf16(ps_span from, char *to)
{
    for (size_t i = 0; i < from.len; i++) {
        to[2 * i] = from.ptr[i];
        to[2 * i + 1] = '\0';
    }
    return (ps_span){to, 2 * from.len};
}

static ps_span
with_text_in_front(ps_span from, char *to)
{
    memcpy(to, "key: ", 5);
    memcpy(to + 5, from.ptr, from.len);
    return (ps_span){to, 5 + from.len};
}

static const struct {
    const char *why;
    ps_span (*dress)(ps_span from, char *to);
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
        ps_span pem = KEYS[i].pem, der = der_of(pem, bytes);
        ok(ps_key_is_material(guarded(pem)) &&
               ps_key_is_material(guarded(der)),
           "%s: plain", KEYS[i].why);
        for (size_t d = 0; d < sizeof(DRESSES) / sizeof(DRESSES[0]); d++) {
            ps_span text = DRESSES[d].dress(pem, dressed);
            int seen = ps_key_is_material(guarded(text));
            if (!DRESSES[d].text_only) {
                text = DRESSES[d].dress(der, dressed);
                seen &= ps_key_is_material(guarded(text));
            }
            ok(seen, "%s: %s", KEYS[i].why, DRESSES[d].why);
        }
    }
}

static const struct {
    const char *why;
    ps_span bytes;
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
        ok(ps_key_is_material(guarded(OTHERS[i].bytes)) == OTHERS[i].material,
           "%s", OTHERS[i].why);
    }
    return done_testing();
}
