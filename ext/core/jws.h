/* SPDX-License-Identifier: MIT */
/* The compact serialisation (RFC 7515 section 7.1): its three segments, the
 * rules of the JOSE header, and the table of headers that are known already.
 */
#ifndef PS_JWS_H
#define PS_JWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "span.h"
#include "status.h"

/* Every algorithm: name (RFC 7518, RFC 8037), family, hash bits. */
#define PS_ALGORITHM_LIST(X) \
    X(HS256, HMAC, 256)      \
    X(HS384, HMAC, 384)      \
    X(HS512, HMAC, 512)      \
    X(RS256, RSA, 256)       \
    X(RS384, RSA, 384)       \
    X(RS512, RSA, 512)       \
    X(PS256, PSS, 256)       \
    X(PS384, PSS, 384)       \
    X(PS512, PSS, 512)       \
    X(ES256, EC, 256)        \
    X(ES384, EC, 384)        \
    X(ES512, EC, 512)        \
    X(EdDSA, OKP, 0)

typedef enum ps_algorithm {
#define X(name, family, bits) PS_##name,
    PS_ALGORITHM_LIST(X)
#undef X
        PS_ALGORITHMS
} ps_algorithm;

typedef enum ps_family {
    PS_FAMILY_HMAC,
    PS_FAMILY_RSA,
    PS_FAMILY_PSS,
    PS_FAMILY_EC,
    PS_FAMILY_OKP
} ps_family;

/* "HS256" and so on, exactly; ALGORITHM for any other name. */
PS_CHECKED ps_status ps_algorithm_find(ps_span name, ps_algorithm *algorithm);
ps_span ps_algorithm_name(ps_algorithm algorithm);
ps_family ps_algorithm_family(ps_algorithm algorithm);
/* The hash in bytes: 32, 48, 64; 0 for EdDSA. */
size_t ps_algorithm_hash_size(ps_algorithm algorithm);

/* Where the parts of a token lie. */
typedef struct ps_jws {
    ps_span header;
    ps_span payload;
    ps_span signature;
    ps_span signed_text; /* header, dot, payload */
} ps_jws;

/* Finds the two dots. MALFORMED: not exactly two, or an empty header. Payload
 * and signature may be empty; no alphabet is checked. */
PS_CHECKED ps_status ps_jws_split(ps_span text, ps_jws *jws);

/* Why did the base64 of a token fail? MALFORMED when `text` holds a space, a
 * control character or a byte over 126, which no damage to base64 explains;
 * else BASE64. */
ps_status ps_jws_why_not_base64(ps_span text);

/* What a header says, once its rules hold. */
typedef struct ps_jose {
    ps_algorithm algorithm;
    bool has_key_id;
    ps_span key_id; /* points into key_id_bytes */
    char key_id_bytes[PS_KEY_ID_MAX];
} ps_jose;

/* Decodes and judges a header segment. `type` is the expected `typ` (absent:
 * any). BASE64. HEADER: not a JSON object within the
 * caps, a name twice, `typ` not a string, `cty` of a nested token, `zip`.
 * KEY_ID: not a string, too long, or with control characters. CRITICAL: any
 * `crit` (no extension is known here), or `b64`. ALGORITHM: absent, not a
 * string, or not one of the list. TYPE: not the expected one. */
PS_CHECKED ps_status ps_jws_read_header(ps_span segment, ps_span type,
                                        ps_jose *jose);

/* A header that was seen on a token whose signature verified: its segment and
 * the keys that it leads to. */
typedef struct ps_known_header {
    size_t size; /* of segment */
    ps_algorithm algorithm;
    size_t key_id_size;
    bool has_key_id;
    size_t key_count;
    const uint16_t *keys; /* places in the keyring */
    const char *key_id;
    const char *segment;
} ps_known_header;

typedef struct ps_header_table ps_header_table;

/* An empty table; NULL without memory. */
ps_header_table *ps_header_table_new(void);
/* NULL is fine. */
void ps_header_table_free(ps_header_table *table);

/* The entry of exactly this segment, or NULL. Borrowed: lives as long as the
 * table. Any thread. */
const ps_known_header *ps_header_table_find(const ps_header_table *table,
                                            ps_span segment);

/* Keeps a copy while there is room: entries are never replaced, so that a
 * reader needs no lock. Only for headers of tokens that verified. Any thread.
 */
void ps_header_table_add(ps_header_table *table, ps_span segment,
                         const ps_jose *jose, const uint16_t *keys,
                         size_t key_count);

#endif
