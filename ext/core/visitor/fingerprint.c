/* SPDX-License-Identifier: MIT */
/* The fingerprint cookie. The signature covers the cookie's name, so that a
 * value cannot be moved to another cookie of the same keys, and is checked
 * before anything inside the value is believed. For names of up to 21 bytes
 * what is signed fits one block of SHA-256.
 *
 * Immutable but for the random store, which guards itself: any thread. */
#include "visitor/fingerprint.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/base64url.h"
#include "visitor/cookie.h"
#include "base/random.h"
#include "base/secret.h"

#define VERSION 1
#define SIGNED_SIZE 22    /* version, key id, issued-at, id */
#define SIGNATURE_SIZE 16 /* of HMAC-SHA256, RFC 2104 section 5 */
#define VALUE_SIZE (SIGNED_SIZE + SIGNATURE_SIZE)
#define VALUE_LENGTH 51 /* characters of base64url */

/* A host whose clock is this far ahead of ours may still have signed it. */
#define CLOCK_SKEW 300
#define ISSUED_AT_TOP UINT32_MAX

#define SIGNATURE_LABEL "headrace fp"
#define HASH_LABEL "headrace id"
#define KEY_ID_LABEL "headrace key id"

typedef struct signing_key {
    hr_secret_hmac hmac;
    uint8_t id;
} signing_key;

struct hr_visitor_fingerprint_cookie {
    hr_span name;   /* inside `prefix` */
    hr_span prefix; /* label || len(name) || name; owned */
    char *path;     /* owned */
    char *domain;   /* owned, NULL: host-only */
    const char *samesite;
    int64_t max_age;
    bool partitioned;
    bool accept_unsigned;
    bool needs_secure;
    hr_random *random; /* NULL: every id asks the kernel */
    size_t key_count;
    signing_key keys[HR_FINGERPRINT_KEYS_MAX];
};

/* --- construction ------------------------------------------------------ */

/* A token of RFC 6265 section 4.1.1 (RFC 9110 section 5.6.2). */
static bool
is_token(hr_span text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
              (c >= 'a' && c <= 'z') ||
              (c != '\0' && strchr(others, c) != NULL))) {
            return false;
        }
    }
    return text.len != 0;
}

static bool
is_path(hr_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < 0x20 || c > 0x7E || c == ';') {
            return false;
        }
    }
    return text.len <= HR_COOKIE_PATH_MAX &&
           hr_span_starts_with(text, HR_SPAN("/"));
}

static bool
is_domain(hr_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
              (c >= 'a' && c <= 'z') || c == '-' || c == '.')) {
            return false;
        }
    }
    return text.len != 0 && text.len <= HR_COOKIE_DOMAIN_MAX;
}

static const char *
find_samesite(hr_span text)
{
    static const char *const words[] = {"Lax", "Strict", "None"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        hr_span word = {words[i], strlen(words[i])};
        if (hr_span_equal_nocase(text, word)) {
            return words[i];
        }
    }
    return NULL;
}

/* Browsers know the prefixes of cookie names without regard to case. */
static bool
has_prefix(hr_span name, hr_span prefix)
{
    return name.len >= prefix.len &&
           hr_span_equal_nocase((hr_span){name.ptr, prefix.len}, prefix);
}

/* Python's http.cookies, and so Django, refuses cookies of these names. */
static bool
is_attribute(hr_span name)
{
    static const char *const WORDS[] = {
        "expires", "path",    "comment",  "domain",      "max-age",
        "secure",  "version", "httponly", "partitioned", "samesite"};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (hr_span_equal_nocase(name,
                                 (hr_span){WORDS[i], strlen(WORDS[i])})) {
            return true;
        }
    }
    return false;
}

static hr_status
check_settings(const hr_visitor_fingerprint_settings *settings,
               const char **why)
{
    hr_span name = settings->name;
    if (!is_token(name) || name.len > HR_COOKIE_NAME_MAX) {
        *why = "name: a token of RFC 6265, at most 128 bytes";
        return HR_COOKIE_NAME;
    }
    if (is_attribute(name)) {
        *why = "name: an attribute of cookies is called so";
        return HR_COOKIE_NAME;
    }
    if (settings->key_count == 0 ||
        settings->key_count > HR_FINGERPRINT_KEYS_MAX) {
        *why = "keys: 1 to 16 of them";
        return HR_SETTING;
    }
    for (size_t i = 0; i < settings->key_count; i++) {
        if (settings->keys[i].len == 0) {
            *why = "keys: one is empty";
            return HR_KEY_EMPTY;
        }
        if (settings->keys[i].len > HR_SECRET_MAX) {
            *why = "keys: one is longer than 4,096 bytes";
            return HR_SETTING;
        }
    }
    if (settings->max_age < 1 || settings->max_age > INT32_MAX) {
        *why = "max_age: 1 to 2,147,483,647 seconds";
        return HR_SETTING;
    }
    if (!is_path(settings->path)) {
        *why = "path: begins with '/', printable ASCII without ';', at most "
               "256 bytes";
        return HR_SETTING;
    }
    if (settings->domain.ptr != NULL && !is_domain(settings->domain)) {
        *why = "domain: a host name in ASCII";
        return HR_SETTING;
    }
    if (find_samesite(settings->samesite) == NULL) {
        *why = "samesite: 'Lax', 'Strict' or 'None'";
        return HR_SETTING;
    }
    if (has_prefix(name, HR_SPAN("__host-")) &&
        (settings->domain.ptr != NULL || settings->path.len != 1)) {
        *why = "name: '__Host-' allows no domain, and only the path '/'";
        return HR_SETTING;
    }
    return HR_OK;
}

/* label || len(name) || name, allocated; absent without memory. */
static hr_span
make_prefix(hr_span name)
{
    const size_t label = sizeof(SIGNATURE_LABEL) - 1;
    char *prefix = hr_alloc(label + 1 + name.len);
    if (prefix == NULL) {
        return HR_NO_SPAN;
    }
    memcpy(prefix, SIGNATURE_LABEL, label);
    prefix[label] = (char)name.len;
    memcpy(prefix + label + 1, name.ptr, name.len);
    return (hr_span){prefix, label + 1 + name.len};
}

static hr_status
add_key(hr_visitor_fingerprint_cookie *cookie, hr_span secret)
{
    signing_key *key = &cookie->keys[cookie->key_count];
    hr_status status = hr_secret_hmac_init(&key->hmac, secret);
    if (status != HR_OK) {
        return status;
    }
    uint8_t digest[HR_SECRET_SHA256_SIZE];
    hr_secret_hmac_sign(&key->hmac, &HR_SPAN(KEY_ID_LABEL), 1, digest);
    key->id = digest[0];
    cookie->key_count++;
    return HR_OK;
}

hr_status
hr_visitor_fingerprint_cookie_new(
    const hr_visitor_fingerprint_settings *settings,
    hr_visitor_fingerprint_cookie **result, const char **why)
{
    *why = NULL;
    hr_status status = check_settings(settings, why);
    if (status != HR_OK) {
        return status;
    }
    hr_visitor_fingerprint_cookie *cookie =
        hr_alloc_zeroed(1, sizeof(*cookie));
    if (cookie == NULL) {
        return HR_NO_MEMORY;
    }
    cookie->prefix = make_prefix(settings->name);
    cookie->path = hr_alloc_copy(settings->path);
    if (settings->domain.ptr != NULL) {
        cookie->domain = hr_alloc_copy(settings->domain);
    }
    if (cookie->prefix.ptr == NULL || cookie->path == NULL ||
        (settings->domain.ptr != NULL && cookie->domain == NULL)) {
        hr_visitor_fingerprint_cookie_free(cookie);
        return HR_NO_MEMORY;
    }
    cookie->name =
        hr_span_from(cookie->prefix, cookie->prefix.len - settings->name.len);
    cookie->samesite = find_samesite(settings->samesite);
    cookie->max_age = settings->max_age;
    cookie->partitioned = settings->partitioned;
    cookie->accept_unsigned = settings->accept_unsigned;
    cookie->needs_secure = settings->partitioned ||
                           strcmp(cookie->samesite, "None") == 0 ||
                           has_prefix(settings->name, HR_SPAN("__host-")) ||
                           has_prefix(settings->name, HR_SPAN("__secure-")) ||
                           has_prefix(settings->name, HR_SPAN("__http-"));
    cookie->random = hr_random_new();
    for (size_t i = 0; i < settings->key_count; i++) {
        status = add_key(cookie, settings->keys[i]);
        if (status != HR_OK) {
            hr_visitor_fingerprint_cookie_free(cookie);
            return status;
        }
    }
    *result = cookie;
    return HR_OK;
}

void
hr_visitor_fingerprint_cookie_free(hr_visitor_fingerprint_cookie *cookie)
{
    if (cookie == NULL) {
        return;
    }
    hr_alloc_free((char *)cookie->prefix.ptr);
    hr_alloc_free(cookie->path);
    hr_alloc_free(cookie->domain);
    hr_random_free(cookie->random);
    hr_secret_wipe(cookie->keys, sizeof(cookie->keys));
    hr_alloc_free(cookie);
}

hr_span
hr_visitor_fingerprint_cookie_name(const hr_visitor_fingerprint_cookie *cookie)
{
    return cookie->name;
}

bool
hr_visitor_fingerprint_cookie_works_insecure(
    const hr_visitor_fingerprint_cookie *cookie)
{
    return !cookie->needs_secure;
}

/* --- writing ----------------------------------------------------------- */

/* The hex digits of four bytes, in memory order: one nibble a byte, then all
 * eight become characters at once. */
static inline uint64_t
hex_digits(uint32_t four)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    four = __builtin_bswap32(four);
#endif
    uint64_t x = four;
    x = (x | x << 16) & UINT64_C(0x0000FFFF0000FFFF);
    x = (x | x << 8) & UINT64_C(0x00FF00FF00FF00FF);
    x = (x >> 4 | x << 8) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    /* over 9: from '9' on to 'a' */
    uint64_t letters = (x + 6 * ones) >> 4 & ones;
    x += '0' * ones + ('a' - '9' - 1) * letters;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

void
hr_visitor_fingerprint_set_id(hr_visitor_fingerprint *fingerprint,
                              const uint8_t id[HR_VISITOR_FINGERPRINT_ID_SIZE])
{
    memcpy(fingerprint->id, id, HR_VISITOR_FINGERPRINT_ID_SIZE);
    for (size_t i = 0; i < HR_VISITOR_FINGERPRINT_ID_SIZE; i += 4) {
        uint32_t four;
        memcpy(&four, id + i, sizeof(four));
        uint64_t digits = hex_digits(four);
        memcpy(fingerprint->id_text + 2 * i, &digits, sizeof(digits));
    }
}

static void
sign(const hr_visitor_fingerprint_cookie *cookie, const signing_key *key,
     const uint8_t content[SIGNED_SIZE], uint8_t digest[HR_SECRET_SHA256_SIZE])
{
    const hr_span parts[] = {
        cookie->prefix,
        {(const char *)content, SIGNED_SIZE},
    };
    hr_secret_hmac_sign(&key->hmac, parts, 2, digest);
}

void
hr_visitor_fingerprint_cookie_resign(
    const hr_visitor_fingerprint_cookie *cookie,
    hr_visitor_fingerprint *fingerprint)
{
    uint8_t value[VALUE_SIZE];
    uint8_t digest[HR_SECRET_SHA256_SIZE];
    uint32_t issued_at = (uint32_t)fingerprint->issued_at;
    value[0] = VERSION;
    value[1] = cookie->keys[0].id;
    for (int i = 0; i < 4; i++) {
        value[2 + i] = (uint8_t)(issued_at >> (24 - 8 * i));
    }
    memcpy(value + 6, fingerprint->id, HR_VISITOR_FINGERPRINT_ID_SIZE);
    sign(cookie, &cookie->keys[0], value, digest);
    memcpy(value + SIGNED_SIZE, digest, SIGNATURE_SIZE);
    hr_base64url_encode(value, VALUE_SIZE, fingerprint->value);
    fingerprint->value_len = VALUE_LENGTH;
}

static int64_t
clamp_time(int64_t now)
{
    return now < 0 ? 0 : now > ISSUED_AT_TOP ? ISSUED_AT_TOP : now;
}

hr_status
hr_visitor_fingerprint_cookie_mint(hr_visitor_fingerprint_cookie *cookie,
                                   int64_t now,
                                   hr_visitor_fingerprint *fingerprint)
{
    uint8_t id[HR_VISITOR_FINGERPRINT_ID_SIZE];
    hr_status status = hr_random_take(cookie->random, id, sizeof(id));
    if (status != HR_OK) {
        return status;
    }
    hr_visitor_fingerprint_set_id(fingerprint, id);
    fingerprint->issued_at = clamp_time(now);
    fingerprint->reissue = false;
    hr_visitor_fingerprint_cookie_resign(cookie, fingerprint);
    return HR_OK;
}

void
hr_visitor_fingerprint_cookie_hash(
    const hr_visitor_fingerprint_cookie *cookie,
    const hr_visitor_fingerprint *fingerprint,
    char out[2 * HR_VISITOR_FINGERPRINT_ID_SIZE])
{
    uint8_t digest[HR_SECRET_SHA256_SIZE];
    hr_visitor_fingerprint hashed;
    const hr_span parts[] = {
        HR_SPAN(HASH_LABEL),
        {(const char *)fingerprint->id, HR_VISITOR_FINGERPRINT_ID_SIZE},
    };
    hr_secret_hmac_sign(&cookie->keys[0].hmac, parts, 2, digest);
    hr_visitor_fingerprint_set_id(&hashed, digest);
    memcpy(out, hashed.id_text, sizeof(hashed.id_text));
}

size_t
hr_visitor_fingerprint_cookie_header(
    const hr_visitor_fingerprint_cookie *cookie,
    const hr_visitor_fingerprint *fingerprint, bool secure, int64_t now,
    char out[HR_SET_COOKIE_MAX])
{
    if (fingerprint->value_len == 0) {
        return 0;
    }
    int64_t left = fingerprint->issued_at + cookie->max_age - clamp_time(now);
    if (left > cookie->max_age) {
        left = cookie->max_age;
    }
    if (left < 0) {
        left = 0;
    }
    /* The caps on name, path and domain keep this far below the buffer. */
    int length = snprintf(
        out, HR_SET_COOKIE_MAX,
        "%.*s=%.*s; Path=%s%s%s; Max-Age=%lld; HttpOnly; SameSite=%s%s%s",
        (int)cookie->name.len, cookie->name.ptr, (int)fingerprint->value_len,
        fingerprint->value, cookie->path,
        cookie->domain != NULL ? "; Domain=" : "",
        cookie->domain != NULL ? cookie->domain : "", (long long)left,
        cookie->samesite, secure || cookie->needs_secure ? "; Secure" : "",
        cookie->partitioned ? "; Partitioned" : "");
    return length < 0 ? 0 : (size_t)length;
}

/* --- reading ----------------------------------------------------------- */

/* 32 hex digits, or the same as a UUID (8-4-4-4-12): an id from before. */
static bool
read_unsigned(hr_span text, uint8_t id[HR_VISITOR_FINGERPRINT_ID_SIZE])
{
    bool uuid = text.len == 36;
    if (text.len != 32 && !uuid) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < HR_VISITOR_FINGERPRINT_ID_SIZE; i++) {
        if (uuid && (i == 4 || i == 6 || i == 8 || i == 10) &&
            text.ptr[at++] != '-') {
            return false;
        }
        int high = hr_span_hex_digit(text.ptr[at++]);
        int low = hr_span_hex_digit(text.ptr[at++]);
        if (high < 0 || low < 0) {
            return false;
        }
        id[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* OK, or the reason why the value does not count. */
static hr_status
read_signed(const hr_visitor_fingerprint_cookie *cookie, hr_span text,
            int64_t now, hr_visitor_fingerprint *fingerprint)
{
    uint8_t value[VALUE_SIZE];
    if (text.len != VALUE_LENGTH ||
        hr_base64url_decode(text, value) != HR_OK || value[0] != VERSION) {
        return HR_MALFORMED;
    }
    hr_status status = HR_KEY_ID;
    size_t key = 0;
    for (; key < cookie->key_count; key++) {
        uint8_t digest[HR_SECRET_SHA256_SIZE];
        if (cookie->keys[key].id != value[1]) {
            continue;
        }
        sign(cookie, &cookie->keys[key], value, digest);
        if (hr_secret_equal(digest, value + SIGNED_SIZE, SIGNATURE_SIZE)) {
            status = HR_OK;
            break;
        }
        status = HR_SIGNATURE;
    }
    if (status != HR_OK) {
        return status;
    }
    int64_t issued_at = (int64_t)value[2] << 24 | (int64_t)value[3] << 16 |
                        (int64_t)value[4] << 8 | (int64_t)value[5];
    if (issued_at + cookie->max_age <= now || issued_at - CLOCK_SKEW > now) {
        return HR_EXPIRED;
    }
    hr_visitor_fingerprint_set_id(fingerprint, value + 6);
    fingerprint->issued_at = issued_at;
    fingerprint->reissue = key != 0;
    memcpy(fingerprint->value, text.ptr, text.len);
    fingerprint->value_len = VALUE_LENGTH;
    return HR_OK;
}

static void
count_reason(hr_visitor_fingerprint_counts *counts, hr_status reason)
{
    counts->malformed += reason == HR_MALFORMED;
    counts->signature += reason == HR_SIGNATURE;
    counts->expired += reason == HR_EXPIRED;
    counts->key_id += reason == HR_KEY_ID;
}

/* Looks through one header. OK: signed. ABSENT: nothing signed; then `*old`
 * says whether `fingerprint` holds the id of the first unsigned one. */
static hr_status
read_header(const hr_visitor_fingerprint_cookie *cookie, hr_span header,
            hr_visitor_cookie_text encoding, int64_t now,
            hr_visitor_fingerprint *fingerprint,
            hr_visitor_fingerprint_counts *counts, bool *old)
{
    hr_span value;
    while (hr_visitor_cookie_next(&header, cookie->name, encoding, &value)) {
        char buffer[HR_FINGERPRINT_VALUE_MAX];
        size_t length;
        hr_status status = HR_MALFORMED;
        if (hr_visitor_cookie_unquote(value, buffer, sizeof(buffer),
                                      &length) == HR_OK) {
            hr_span text = {buffer, length};
            uint8_t id[HR_VISITOR_FINGERPRINT_ID_SIZE];
            status = read_signed(cookie, text, now, fingerprint);
            if (status == HR_OK) {
                return HR_OK;
            }
            if (status == HR_MALFORMED && cookie->accept_unsigned &&
                read_unsigned(text, id)) {
                if (!*old) {
                    *old = true;
                    hr_visitor_fingerprint_set_id(fingerprint, id);
                }
                continue;
            }
        }
        count_reason(counts, status);
    }
    return HR_ABSENT;
}

hr_status
hr_visitor_fingerprint_cookie_read(const hr_visitor_fingerprint_cookie *cookie,
                                   const hr_span *headers, size_t header_count,
                                   hr_visitor_cookie_text encoding,
                                   int64_t now,
                                   hr_visitor_fingerprint *fingerprint,
                                   hr_visitor_fingerprint_counts *counts)
{
    hr_visitor_fingerprint_counts ignored = {0};
    hr_visitor_fingerprint found;
    bool old = false;
    hr_status status = HR_ABSENT;
    for (size_t i = 0; i < header_count && status != HR_OK; i++) {
        status = read_header(cookie, headers[i], encoding, now, &found,
                             counts != NULL ? counts : &ignored, &old);
    }
    if (status != HR_OK && !old) {
        return HR_ABSENT;
    }
    if (status != HR_OK) {
        found.issued_at = clamp_time(now);
        found.reissue = true;
    }
    if (found.reissue) {
        hr_visitor_fingerprint_cookie_resign(cookie, &found);
    }
    *fingerprint = found;
    return HR_OK;
}
