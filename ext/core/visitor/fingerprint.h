/* SPDX-License-Identifier: MIT */
/* The fingerprint: a visitor's id in a signed, versioned, rotating cookie.
 *
 * The value is base64url of
 *
 *   byte 0      version, 1
 *   byte 1      key id: first byte of SHA-256-HMAC(key, "headrace key id")
 *   bytes 2-5   issued-at, seconds since the epoch, big-endian
 *   bytes 6-21  the id: 128 random bits
 *   bytes 22-37 HMAC-SHA256(key, label || len(name) || name || bytes 0-21),
 *               its first 16 bytes
 *
 * 38 bytes, 51 characters. The label is "headrace fp", the length one byte. A
 * value counts from 300 s before its issued-at (another host's clock) until
 * max_age after it; outside of that it is `expired`. */
#ifndef HR_VISITOR_FINGERPRINT_H
#define HR_VISITOR_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "visitor/cookie.h"
#include "base/span.h"
#include "base/status.h"

#define HR_VISITOR_FINGERPRINT_ID_SIZE 16

typedef struct hr_visitor_fingerprint {
    uint8_t id[HR_VISITOR_FINGERPRINT_ID_SIZE];
    char id_text[2 *
                 HR_VISITOR_FINGERPRINT_ID_SIZE]; /* lower-case hex, no NUL */
    char value[HR_FINGERPRINT_VALUE_MAX]; /* the cookie's value, no NUL */
    uint8_t value_len;                    /* 0: no cookie (derived id) */
    bool reissue;      /* signed with an old key, or unsigned: hand out anew */
    int64_t issued_at; /* seconds since the epoch */
} hr_visitor_fingerprint;

typedef struct hr_visitor_fingerprint_cookie hr_visitor_fingerprint_cookie;

typedef struct hr_visitor_fingerprint_settings {
    hr_span name;        /* "device_fp" */
    const hr_span *keys; /* the first signs, all verify */
    size_t key_count;
    int64_t max_age; /* seconds, fixed from issued-at */
    hr_span path;
    hr_span domain;   /* absent: host-only */
    hr_span samesite; /* "Lax", "Strict", "None" */
    bool partitioned;
    bool accept_unsigned; /* take over ids of 32 hex digits or a UUID */
} hr_visitor_fingerprint_settings;

/* Copies what it needs. COOKIE_NAME, SETTING, KEY_EMPTY, NO_MEMORY; then
 * `*why` is a static English phrase that names the setting. */
HR_CHECKED hr_status hr_visitor_fingerprint_cookie_new(
    const hr_visitor_fingerprint_settings *settings,
    hr_visitor_fingerprint_cookie **cookie, const char **why);

/* Wipes the keys. NULL is fine. */
void hr_visitor_fingerprint_cookie_free(hr_visitor_fingerprint_cookie *cookie);

/* The cookie's name, borrowed. */
hr_span hr_visitor_fingerprint_cookie_name(
    const hr_visitor_fingerprint_cookie *cookie);

/* What reading saw: how often each reason stood in the way. */
typedef struct hr_visitor_fingerprint_counts {
    uint32_t malformed;
    uint32_t signature;
    uint32_t expired;
    uint32_t key_id;
} hr_visitor_fingerprint_counts;

/* Reads the raw Cookie headers: the first value of our name with a
 * valid signature counts, else the first unsigned id where these are accepted.
 * OK, or ABSENT when there is none; `counts`, to which is added, says what
 * stood there instead. Where `reissue` is set, `value` is already signed with
 * the first key. Linear, allocates nothing. `counts` may be NULL.
 * Any thread. */
HR_CHECKED hr_status hr_visitor_fingerprint_cookie_read(
    const hr_visitor_fingerprint_cookie *cookie, const hr_span *headers,
    size_t header_count, hr_visitor_cookie_text encoding, int64_t now,
    hr_visitor_fingerprint *fingerprint,
    hr_visitor_fingerprint_counts *counts);

/* A new id, signed with the first key. SYSTEM when there is no randomness. */
HR_CHECKED hr_status hr_visitor_fingerprint_cookie_mint(
    hr_visitor_fingerprint_cookie *cookie, int64_t now,
    hr_visitor_fingerprint *fingerprint);

/* The same id and issued-at, signed with the first key. */
void hr_visitor_fingerprint_cookie_resign(
    const hr_visitor_fingerprint_cookie *cookie,
    hr_visitor_fingerprint *fingerprint);

/* HMAC(first key, "headrace id" || id), its first 16 bytes in lower-case hex:
 * what events carry where ids are hashed. Another first key gives others. */
void hr_visitor_fingerprint_cookie_hash(
    const hr_visitor_fingerprint_cookie *cookie,
    const hr_visitor_fingerprint *fingerprint,
    char out[2 * HR_VISITOR_FINGERPRINT_ID_SIZE]);

/* Sets `id` and `id_text`, nothing else. */
void hr_visitor_fingerprint_set_id(
    hr_visitor_fingerprint *fingerprint,
    const uint8_t id[HR_VISITOR_FINGERPRINT_ID_SIZE]);

/* Writes the Set-Cookie value into `out`; answers its length, 0 for a derived
 * fingerprint. Max-Age is what is left of max_age at `now`. Secure is there
 * when `secure` is set or the cookie does not work without. */
size_t hr_visitor_fingerprint_cookie_header(
    const hr_visitor_fingerprint_cookie *cookie,
    const hr_visitor_fingerprint *fingerprint, bool secure, int64_t now,
    char out[HR_SET_COOKIE_MAX]);

/* Could this cookie be set over plain http? False for `__Host-`, `__Secure-`,
 * `__Host-Http-`, `__Http-` names, SameSite=None and Partitioned. */
bool hr_visitor_fingerprint_cookie_works_insecure(
    const hr_visitor_fingerprint_cookie *cookie);

#endif
