/* SPDX-License-Identifier: MIT */
/* Is a would-be HMAC secret really some encoding of a key? A public key that
 * is used as a secret lets everybody who has seen it sign (RFC 8725 2.1,
 * CVE-2022-29217 and its many successors), so every encoding counts, and so
 * does each way to dress one up: a byte order mark, indentation, bare
 * carriage returns, text in front, UTF-16, base64, hexadecimal. One dress over
 * another is not looked through. What looks like one by its outermost form
 * is refused without asking whether it parses: a real secret is random and
 * does not look like any of these. */
#include "token/keyring.h"
#include "base/secret.h"

#include "base/alloc.h"
#include "base/base64url.h"
#include "base/json.h"

static hr_span
without_mark_and_space(hr_span text)
{
    if (hr_span_starts_with(text, HR_SPAN("\xef\xbb\xbf"))) {
        text = hr_span_from(text, 3);
    }
    while (text.len > 0 && (text.ptr[0] == ' ' ||
                            (text.ptr[0] >= '\t' && text.ptr[0] <= '\r'))) {
        text = hr_span_from(text, 1);
    }
    while (text.len > 0) {
        char last = text.ptr[text.len - 1];
        if (last != ' ' && last != '\0' && (last < '\t' || last > '\r')) {
            break;
        }
        text.len--;
    }
    return text;
}

/* PEM armour, and the lines of OpenSSH. */
static bool
has_armour(hr_span text)
{
    static const char *const MARKS[] = {
        "-----begin",        "begin ssh2 public key",  "ssh-rsa aaaa",
        "ssh-dss aaaa",      "ssh-ed25519 aaaa",       "ecdsa-sha2-nistp",
        "-cert-v01@openssh", "sk-ssh-ed25519@openssh",
    };
    for (size_t i = 0; i < sizeof(MARKS) / sizeof(MARKS[0]); i++) {
        hr_span mark = {MARKS[i], strlen(MARKS[i])};
        if (hr_span_contains_nocase(text, mark)) {
            return true;
        }
    }
    return false;
}

/* One DER SEQUENCE, with nothing but space behind it, that begins with a
 * SEQUENCE (a SubjectPublicKeyInfo, a certificate) or an INTEGER (PKCS#1,
 * PKCS#8). Its own last byte may look like space. */
static bool
is_der(hr_span bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    if (bytes.len < 32 || p[0] != 0x30) {
        return false;
    }
    size_t size = p[1], head = 2;
    if (size >= 0x80) {
        size_t count = size & 0x7f;
        if (count == 0 || count > 3) {
            return false;
        }
        size = 0;
        for (size_t i = 0; i < count; i++) {
            size = size << 8 | p[2 + i];
        }
        head += count;
    }
    return bytes.len >= head + size &&
           without_mark_and_space(hr_span_from(bytes, head + size)).len == 0 &&
           (p[head] == 0x30 || p[head] == 0x02);
}

/* A JWK or a JWK Set. */
static bool
is_jwk(hr_span text)
{
    if (text.len == 0 || (text.ptr[0] != '{' && text.ptr[0] != '[')) {
        return false;
    }
    if (hr_span_contains_nocase(text, HR_SPAN("\"kty\""))) {
        return true;
    }
    size_t capacity = HR_JSON_SCRATCH_SIZE(HR_SECRET_MAX);
    hr_json_member *members = hr_alloc_zeroed(capacity, sizeof(*members));
    uint32_t *heads = hr_alloc_zeroed(2 * capacity, sizeof(*heads));
    bool found = members == NULL || heads == NULL;
    hr_json_scratch scratch = {members, heads, capacity};
    size_t count;
    unsigned flags;
    if (!found && hr_json_index(text, &scratch, &count, &flags) == HR_OK) {
        found =
            hr_json_find(text.ptr, members, count, HR_SPAN("kty")) != NULL ||
            hr_json_find(text.ptr, members, count, HR_SPAN("keys")) != NULL;
    }
    hr_alloc_free(members);
    hr_alloc_free(heads);
    return found;
}

/* Base64 of either alphabet, with or without line breaks and padding, of
 * DER, PEM, a JWK or an OpenSSH blob. */
static bool
is_base64_of_key(hr_span text)
{
    char plain[HR_SECRET_MAX];
    char bytes[HR_SECRET_MAX];
    size_t size = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\r' || c == '\n' || c == ' ' || c == '\t' || c == '=') {
            continue;
        }
        plain[size++] = (char)(c == '+' ? '-' : c == '/' ? '_' : c);
    }
    bool found = false;
    if (hr_base64url_decode((hr_span){plain, size}, bytes) == HR_OK) {
        hr_span decoded = {bytes, hr_base64url_decoded_size(size)};
        hr_span inside = without_mark_and_space(decoded);
        found = is_der(decoded) || has_armour(inside) || is_jwk(inside) ||
                (decoded.len > 11 && memcmp(decoded.ptr, "\0\0\0", 3) == 0 &&
                 (memcmp(decoded.ptr + 4, "ssh-", 4) == 0 ||
                  memcmp(decoded.ptr + 4, "ecdsa-", 6) == 0));
    }
    hr_secret_wipe(plain, size); /* mostly it is a secret */
    hr_secret_wipe(bytes, hr_base64url_decoded_size(size));
    return found;
}

/* Hexadecimal, with or without colons and space, of DER, PEM or a JWK. */
static bool
is_hex_of_key(hr_span text)
{
    char bytes[HR_SECRET_MAX];
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int value = hr_span_hex_digit(c);
        if (value >= 0) {
            char *byte = &bytes[digits / 2];
            *byte = (char)(digits % 2 == 0 ? value << 4 : *byte | value);
            digits++;
        } else if (c != ':' && c != ' ' && (c < '\t' || c > '\r')) {
            digits = 0;
            break;
        }
    }
    hr_span decoded = {bytes, digits / 2};
    hr_span inside = without_mark_and_space(decoded);
    bool found = is_der(decoded) || has_armour(inside) || is_jwk(inside);
    hr_secret_wipe(bytes, sizeof(bytes));
    return found;
}

static bool
looks_like_key(hr_span bytes)
{
    hr_span text = without_mark_and_space(bytes);
    hr_span to_end = {text.ptr, bytes.len - (size_t)(text.ptr - bytes.ptr)};
    return has_armour(text) || is_der(to_end) || is_base64_of_key(text) ||
           is_hex_of_key(text) || is_jwk(text);
}

/* UTF-16 or UTF-32: what is left when the zeros go, and the mark. */
static bool
is_wide_text_of_key(hr_span bytes)
{
    char narrow[HR_SECRET_MAX];
    size_t size = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (c != 0 && c < 0xfe) {
            narrow[size++] = (char)c;
        }
    }
    bool found = size >= 8 && size <= bytes.len / 2 &&
                 looks_like_key((hr_span){narrow, size});
    hr_secret_wipe(narrow, sizeof(narrow));
    return found;
}

bool
hr_token_keyring_material_is_known(hr_span bytes)
{
    return bytes.len <= HR_SECRET_MAX &&
           (looks_like_key(bytes) || is_wide_text_of_key(bytes));
}
