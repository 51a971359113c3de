/* SPDX-License-Identifier: MIT */
/* Every cap of the core in one place: no buffer, count or depth of ours is
 * bounded by anything that does not stand here. */
#ifndef PS_CONFIG_H
#define PS_CONFIG_H

/* Tokens (RFC 7515 compact serialisation). */
#define PS_TOKEN_MAX_BYTES 8192        /* default of TokenVerifier.max_bytes */
#define PS_TOKEN_MAX_BYTES_TOP 1048576 /* largest max_bytes we take */
#define PS_TOKEN_CACHED_MAX 4096       /* longer tokens are never cached */
#define PS_TOKEN_CACHE_DEFAULT 4096    /* default of cache_size */
#define PS_TOKEN_CACHE_TOP 1048576     /* largest cache_size we take */
#define PS_TOKEN_CACHE_SET_BYTES 24576 /* kept for each 16 tokens */
#define PS_JOSE_HEADER_MAX 1024        /* decoded bytes of a JOSE header */
#define PS_JOSE_MEMBERS_MAX 64         /* members of a JOSE header */
#define PS_KEY_ID_MAX 256              /* bytes of a `kid` */
#define PS_JSON_DEPTH_MAX 32           /* nesting of arrays and objects */
#define PS_JSON_MEMBERS_MAX 4096       /* members of one object */
#define PS_JSON_DIGITS_MAX 4300        /* digits of an integer, as in Python */
#define PS_SIGNATURE_MAX 1024          /* bytes: RSA up to 8192 bits */
#define PS_KEYS_MAX 256                /* keys in one keyring */
#define PS_SECRET_MAX 4096             /* bytes of an HMAC secret */
#define PS_PEM_MAX 65536               /* bytes of a PEM text */
#define PS_JWKS_MAX 1048576            /* bytes of a JWK or JWK Set */

/* Cookies and fingerprints. */
#define PS_COOKIE_NAME_MAX 128
#define PS_FORWARDED_MAX 16 /* X-Forwarded-For headers: the last count */
#define PS_COOKIE_HEADERS_MAX \
    100 /* `cookie` headers looked at in one request */
#define PS_FINGERPRINT_KEYS_MAX 16
#define PS_FINGERPRINT_VALUE_MAX 64
#define PS_SET_COOKIE_MAX 1024
#define PS_COOKIE_PATH_MAX 256
#define PS_COOKIE_DOMAIN_MAX 254

/* Path rules. */
#define PS_LABEL_MAX 64           /* bytes of a label */
#define PS_LABELS_MAX 64          /* labels of one filter */
#define PS_PATH_RULES_MAX 1000000 /* rules of one filter */
#define PS_PATH_RULE_MAX 4096     /* bytes of one rule */
#define PS_PATH_SEGMENTS_MAX 64   /* segments of a rule with `*` segments */
#define PS_PATH_BYTES_MAX (256U << 20) /* bytes of all rules of one filter */

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
#define PS_RING_RESERVES_MAX 8     /* kinds with headroom of their own */
#define PS_IDENTITY_KEPT 128       /* bytes of a target's name in files */
#define PS_RING_PATH_MAX 512       /* bytes of a ring file's path */
#define PS_RINGS_MAX 256           /* dead rings kept for one target */
#define PS_RING_STALE_MS 518400000 /* 6 days: then a dead ring is dropped */
#define PS_TOTALS_KEPT_S 604800    /* 7 days: then totals nobody adds to go */
#define PS_ADOPT_EVERY_MS 5000     /* how often dead rings are looked for */

/* Series of metrics, in the header of the ring. */
#define PS_METRIC_SLOTS 1024     /* of a table */
#define PS_METRIC_SERIES_MAX 448 /* that one process names */
#define PS_METRIC_NAME_MAX 112   /* bytes of a name; longer ones are cut */

/* The sink. */
#define PS_BATCH_MAX 4096          /* events of one batch */
#define PS_BATCH_BYTES_MAX 262144  /* bytes of records of one batch */
#define PS_SINK_STACK_BYTES 262144 /* the thread's stack */
#define PS_SINK_QUIET_MS 1000      /* empty that long: deep idle */
#define PS_SINK_PARK_MS 50         /* waited for a thread that must stop */
#define PS_SINK_RETRY_MS 1000      /* before a failed start is tried again */
#define PS_SINK_NOTICE_MS 60000    /* one log line in that time */
#define PS_NOTICE_MAX 512          /* bytes of a log line */
#define PS_SESSION_TTL_S 1800      /* life of a session hash */
#define PS_MARKER_TTL_S 604800     /* life of a marker: 7 days */
#define PS_REJECT_TRIES 3          /* of an event that makes Redis fail */

/* The connection. */
#define PS_URL_MAX 2048               /* bytes of a target's URL */
#define PS_HOST_MAX 255               /* bytes of a host name */
#define PS_COMMAND_BYTES_MAX 4194304  /* one batch as commands */
#define PS_REPLY_NODES_MAX 65536      /* elements of the replies to a batch */
#define PS_REPLY_BYTES_MAX 1048576    /* bytes of the replies to a batch */
#define PS_REPLY_TEXT_MAX 262144      /* bytes of strings kept of those */
#define PS_MEMORY_EVENTS_MAX 1000000  /* events a memory target keeps */
#define PS_MEMORY_BYTES_MAX 268435456 /* and their bytes */

#endif
