/* SPDX-License-Identifier: MIT */
/* The compact serialisation (RFC 7515 section 7.1): its three segments, the
 * rules of the JOSE header, and the table of headers that are known already.
 */
#ifndef HR_TOKEN_JWS_H
#define HR_TOKEN_JWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/span.h"
#include "base/status.h"

/* Every algorithm: name (RFC 7518, RFC 8037), family, hash bits. */
#define HR_TOKEN_JWS_ALGORITHM_LIST(X) \
    X(HS256, HMAC, 256)                \
    X(HS384, HMAC, 384)                \
    X(HS512, HMAC, 512)                \
    X(RS256, RSA, 256)                 \
    X(RS384, RSA, 384)                 \
    X(RS512, RSA, 512)                 \
    X(PS256, PSS, 256)                 \
    X(PS384, PSS, 384)                 \
    X(PS512, PSS, 512)                 \
    X(ES256, EC, 256)                  \
    X(ES384, EC, 384)                  \
    X(ES512, EC, 512)                  \
    X(EdDSA, OKP, 0)

typedef enum hr_token_jws_algorithm {
#define X(name, family, bits) HR_##name,
    HR_TOKEN_JWS_ALGORITHM_LIST(X)
#undef X
        HR_ALGORITHMS
} hr_token_jws_algorithm;

typedef enum hr_token_jws_family {
    HR_TOKEN_JWS_FAMILY_HMAC,
    HR_TOKEN_JWS_FAMILY_RSA,
    HR_TOKEN_JWS_FAMILY_PSS,
    HR_TOKEN_JWS_FAMILY_EC,
    HR_TOKEN_JWS_FAMILY_OKP
} hr_token_jws_family;

/* "HS256" and so on, exactly; ALGORITHM for any other name. */
HR_CHECKED hr_status
hr_token_jws_algorithm_find(hr_span name, hr_token_jws_algorithm *algorithm);
hr_span hr_token_jws_algorithm_name(hr_token_jws_algorithm algorithm);
hr_token_jws_family
hr_token_jws_algorithm_family(hr_token_jws_algorithm algorithm);
/* The hash in bytes: 32, 48, 64; 0 for EdDSA. */
size_t hr_token_jws_algorithm_hash_size(hr_token_jws_algorithm algorithm);

/* Where the parts of a token lie. */
typedef struct hr_token_jws {
    hr_span header;
    hr_span payload;
    hr_span signature;
    hr_span signed_text; /* header, dot, payload */
} hr_token_jws;

/* Finds the two dots. MALFORMED: not exactly two, or an empty header. Payload
 * and signature may be empty; no alphabet is checked. */
HR_CHECKED hr_status hr_token_jws_split(hr_span text, hr_token_jws *jws);

/* Why did the base64 of a token fail? MALFORMED when `text` holds a space, a
 * control character or a byte over 126, which no damage to base64 explains;
 * else BASE64. */
hr_status hr_token_jws_why_not_base64(hr_span text);

/* What a header says, once its rules hold. */
typedef struct hr_token_jws_header {
    hr_token_jws_algorithm algorithm;
    bool has_key_id;
    hr_span key_id; /* points into key_id_bytes */
    char key_id_bytes[HR_KEY_ID_MAX];
} hr_token_jws_header;

/* Decodes and judges a header segment. `type` is the expected `typ` (absent:
 * any). BASE64. HEADER: not a JSON object within the
 * caps, a name twice, `typ` not a string, `cty` of a nested token, `zip`.
 * KEY_ID: not a string, too long, or with control characters. CRITICAL: any
 * `crit` (no extension is known here), or `b64`. ALGORITHM: absent, not a
 * string, or not one of the list. TYPE: not the expected one. */
HR_CHECKED hr_status hr_token_jws_read_header(hr_span segment, hr_span type,
                                              hr_token_jws_header *jose);

/* A header that was seen on a token whose signature verified: its segment and
 * the keys that it leads to. */
typedef struct hr_token_jws_known_header {
    size_t size; /* of segment */
    hr_token_jws_algorithm algorithm;
    size_t key_id_size;
    bool has_key_id;
    size_t key_count;
    const uint16_t *keys; /* places in the keyring */
    const char *key_id;
    const char *segment;
} hr_token_jws_known_header;

typedef struct hr_token_jws_header_table hr_token_jws_header_table;

/* An empty table; NULL without memory. */
hr_token_jws_header_table *hr_token_jws_header_table_new(void);
/* NULL is fine. */
void hr_token_jws_header_table_free(hr_token_jws_header_table *table);

/* The entry of exactly this segment, or NULL. Borrowed: lives as long as the
 * table. Any thread. */
const hr_token_jws_known_header *
hr_token_jws_header_table_find(const hr_token_jws_header_table *table,
                               hr_span segment);

/* Keeps a copy while there is room: entries are never replaced, so that a
 * reader needs no lock. Only for headers of tokens that verified. Any thread.
 */
void hr_token_jws_header_table_add(hr_token_jws_header_table *table,
                                   hr_span segment,
                                   const hr_token_jws_header *jose,
                                   const uint16_t *keys, size_t key_count);

#endif
