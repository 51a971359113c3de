/* SPDX-License-Identifier: MIT */
/* Every outcome of the core, and every reason that a user can meet: one list.
 * The name is the stable word: the same in exceptions, counters, events and
 * docs. Numbers are stable too, since counters in a ring file are indexed by
 * them; a new one takes a free number of its block. */
#ifndef HR_BASE_STATUS_H
#define HR_BASE_STATUS_H

#define HR_STATUS_LIST(X)                                                     \
    /* 0-9: outcomes */                                                       \
    X(0, OK, "ok", "done")                                                    \
    X(1, ABSENT, "absent", "not there")                                       \
    X(2, NO_MEMORY, "no_memory", "out of memory")                             \
    X(3, TIMEOUT, "timeout", "the deadline passed")                           \
    X(4, SYSTEM, "system", "a system call failed; errno says why")            \
    X(5, INTERNAL, "internal", "an internal check failed")                    \
    /* 10-39: why a token, or a cookie, was refused */                        \
    X(10, MALFORMED, "malformed", "not of the expected shape")                \
    X(11, TOO_LONG, "too_long", "longer than max_bytes")                      \
    X(12, BASE64, "base64", "not canonical base64url (RFC 7515 section 2)")   \
    X(13, HEADER, "header", "the JOSE header is not a valid JSON object")     \
    X(14, ALGORITHM, "algorithm", "the algorithm is not one of the keys'")    \
    X(15, CRITICAL, "critical", "a critical header parameter is not known")   \
    X(16, KEY_ID, "key_id", "no key has this key id")                         \
    X(17, SIGNATURE, "signature", "signature verification failed")            \
    X(18, PAYLOAD, "payload", "the payload is not a valid JSON object")       \
    X(19, EXPIRED, "expired", "expired")                                      \
    X(20, NOT_YET_VALID, "not_yet_valid", "not yet valid (nbf)")              \
    X(21, ISSUED_IN_FUTURE, "issued_in_future", "issued in the future (iat)") \
    X(22, AUDIENCE, "audience", "audience doesn't match")                     \
    X(23, ISSUER, "issuer", "invalid issuer")                                 \
    X(24, SUBJECT, "subject", "invalid subject")                              \
    X(25, JTI, "jti", "the token id is not a string")                         \
    X(26, TYPE, "type", "the header's typ is not the expected one")           \
    X(27, MISSING_CLAIM, "missing_claim", "a required claim is missing")      \
    X(28, CLAIM_TYPE, "claim_type", "a claim has the wrong JSON type")        \
    X(29, UNEXPECTED_VALUE, "unexpected_value",                               \
      "a claim does not have the expected value")                             \
    X(30, LIFETIME, "lifetime", "the lifetime is longer than allowed")        \
    X(31, ENGINE, "engine", "refused by the signature engine")                \
    /* 40-59: why a key cannot be used */                                     \
    X(40, KEY_EMPTY, "key_empty", "the key is empty")                         \
    X(41, KEY_TOO_SHORT, "key_too_short",                                     \
      "the secret is shorter than the algorithm's hash (RFC 7518 3.2)")       \
    X(42, KEY_WEAK, "key_weak", "the key is too weak")                        \
    X(43, KEY_NOT_SECRET, "key_not_secret",                                   \
      "public key material given as an HMAC secret")                          \
    X(44, KEY_PRIVATE, "key_private",                                         \
      "a private key where a public one is meant")                            \
    X(45, KEY_FORMAT, "key_format", "the key cannot be parsed")               \
    X(46, KEY_CURVE, "key_curve", "the point or curve does not fit")          \
    X(47, KEY_ALGORITHM, "key_algorithm",                                     \
      "the algorithm is not known or does not fit the key")                   \
    X(48, KEY_DUPLICATE, "key_duplicate", "two keys have one key id")         \
    X(49, KEY_USE, "key_use", "the key is not meant for verification")        \
    X(50, KEY_TOO_LONG, "key_too_long", "the key is longer than we take")     \
    X(51, KEY_MIXED, "key_mixed", "secrets and public keys in one key set")   \
    /* 60-79: what became of an event */                                      \
    X(60, FULL, "full", "the ring is full")                                   \
    X(61, TOO_BIG, "too_big", "the event is over 8 KiB")                      \
    X(62, CLOSED, "closed", "the sink is closed")                             \
    X(63, REJECTED, "rejected", "the target refused the event for good")      \
    X(64, STALE_RING, "stale_ring", "the ring was left for over six days")    \
    X(65, SAMPLED, "sampled", "left out by the sample rate")                  \
    /* 80-99: settings */                                                     \
    X(80, RULE, "rule", "a path rule is not well-formed")                     \
    X(81, RULE_TIE, "rule_tie", "two rules of different labels tie")          \
    X(82, COOKIE_NAME, "cookie_name", "the cookie's name is not usable")      \
    X(83, SETTING, "setting", "a setting is out of its range")                \
    X(84, URL, "url", "the URL cannot be parsed")                             \
    /* 100-119: the link to the target */                                     \
    X(100, CONNECT, "connect", "cannot connect")                              \
    X(101, RESOLVE, "resolve", "the host name does not resolve")              \
    X(102, TLS, "tls", "the TLS handshake failed")                            \
    X(103, PROTOCOL, "protocol", "an unexpected reply")                       \
    X(104, DISCONNECTED, "disconnected", "the connection broke")              \
    X(105, SERVER, "server", "the server answered with an error")             \
    X(106, AUTH, "auth", "the server refused our credentials")

typedef enum hr_status {
#define X(number, name, word, text) HR_##name = (number),
    HR_STATUS_LIST(X)
#undef X
} hr_status;

/* Counters indexed by a status have this many slots. */
#define HR_STATUS_SLOTS 128

#if defined(__GNUC__)
#define HR_CHECKED __attribute__((warn_unused_result))
#else
#define HR_CHECKED
#endif

/* The stable word of `status`; "unknown" for a number not in the list. */
const char *hr_status_word(hr_status status);

/* One English phrase for people, without a full stop. */
const char *hr_status_text(hr_status status);

#endif
