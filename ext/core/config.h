/* SPDX-License-Identifier: MIT */
/* Every cap of the core in one place: no buffer, count or depth of ours is
 * bounded by anything that does not stand here. */
#ifndef PS_CONFIG_H
#define PS_CONFIG_H

/* Tokens (RFC 7515 compact serialisation). */
#define PS_TOKEN_MAX_BYTES 8192        /* default of TokenVerifier.max_bytes */
#define PS_TOKEN_MAX_BYTES_TOP 1048576 /* largest max_bytes we take */
#define PS_TOKEN_CACHED_MAX 4096       /* longer tokens are never cached */
#define PS_JOSE_HEADER_MAX 1024        /* decoded bytes of a JOSE header */
#define PS_JOSE_MEMBERS_MAX 64         /* members of a JOSE header */
#define PS_KEY_ID_MAX 256              /* bytes of a `kid` */
#define PS_JSON_DEPTH_MAX 32           /* nesting of arrays and objects */
#define PS_SIGNATURE_MAX 1024          /* bytes: RSA up to 8192 bits */
#define PS_KEYS_MAX 256                /* keys in one keyring */
#define PS_SECRET_MAX 4096             /* bytes of an HMAC secret */

/* Cookies and fingerprints. */
#define PS_COOKIE_NAME_MAX 128
#define PS_COOKIE_HEADERS_MAX \
    100 /* `cookie` headers looked at in one request */
#define PS_FINGERPRINT_KEYS_MAX 16
#define PS_FINGERPRINT_VALUE_MAX 64
#define PS_SET_COOKIE_MAX 1024

/* Path rules. */
#define PS_LABEL_MAX 64           /* bytes of a label */
#define PS_LABELS_MAX 64          /* labels of one filter */
#define PS_PATH_RULES_MAX 1000000 /* rules of one filter */

/* Events. */
#define PS_EVENT_MAX 8192       /* bytes of one event, names and values */
#define PS_EVENT_FIELDS_MAX 64  /* fields of one event */
#define PS_FIELD_NAME_MAX 64    /* bytes of a field's name */
#define PS_FIELD_VALUE_MAX 2048 /* bytes of a value; longer ones are cut */
#define PS_KIND_MAX 64          /* bytes of an event's kind */

/* The ring. */
#define PS_RING_BYTES_MIN 65536
#define PS_RING_BYTES_DEFAULT (4U << 20)
#define PS_RING_BYTES_TOP (1U << 30)

#endif
