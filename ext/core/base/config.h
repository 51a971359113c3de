/* SPDX-License-Identifier: MIT */
/* Every cap of the core in one place: no buffer, count or depth of ours is
 * bounded by anything that does not stand here. */
#ifndef HR_BASE_CONFIG_H
#define HR_BASE_CONFIG_H

/* Tokens (RFC 7515 compact serialisation). */
#define HR_TOKEN_MAX_BYTES 8192        /* default of TokenVerifier.max_bytes */
#define HR_TOKEN_MAX_BYTES_TOP 1048576 /* largest max_bytes we take */
#define HR_TOKEN_CACHED_MAX 4096       /* longer tokens are never cached */
#define HR_TOKEN_CACHE_DEFAULT 4096    /* default of cache_size */
#define HR_TOKEN_CACHE_TOP 1048576     /* largest cache_size we take */
#define HR_TOKEN_CACHE_SET_BYTES 24576 /* kept for each 16 tokens */
#define HR_JOSE_HEADER_MAX 1024        /* decoded bytes of a JOSE header */
#define HR_JOSE_MEMBERS_MAX 64         /* members of a JOSE header */
#define HR_KEY_ID_MAX 256              /* bytes of a `kid` */
#define HR_JSON_DEPTH_MAX 32           /* nesting of arrays and objects */
#define HR_JSON_MEMBERS_MAX 4096       /* members of one object */
#define HR_JSON_DIGITS_MAX 4300        /* digits of an integer, as in Python */
#define HR_SIGNATURE_MAX 1024          /* bytes: RSA up to 8192 bits */
#define HR_KEYS_MAX 256                /* keys in one keyring */
#define HR_SECRET_MAX 4096             /* bytes of an HMAC secret */
#define HR_PEM_MAX 65536               /* bytes of a PEM text */
#define HR_JWKS_MAX 1048576            /* bytes of a JWK or JWK Set */

/* Cookies and fingerprints. */
#define HR_COOKIE_NAME_MAX 128
#define HR_FORWARDED_MAX 16 /* X-Forwarded-For headers: the last count */
#define HR_COOKIE_HEADERS_MAX \
    100 /* `cookie` headers looked at in one request */
#define HR_FINGERPRINT_KEYS_MAX 16
#define HR_FINGERPRINT_VALUE_MAX 64
#define HR_SET_COOKIE_MAX 1024
#define HR_COOKIE_PATH_MAX 256
#define HR_COOKIE_DOMAIN_MAX 254

/* The gate. */
#define HR_TOKEN_SOURCES_MAX 8 /* places where a token is looked for */
#define HR_USER_CLAIMS_MAX 16  /* claims that may name the user */
#define HR_PROXIES_MAX 100     /* largest trusted_proxies */

/* Path rules. */
#define HR_LABEL_MAX 64           /* bytes of a label */
#define HR_LABELS_MAX 64          /* labels of one filter */
#define HR_PATH_RULES_MAX 1000000 /* rules of one filter */
#define HR_PATH_RULE_MAX 4096     /* bytes of one rule */
#define HR_PATH_SEGMENTS_MAX 64   /* segments of a rule with `*` segments */
#define HR_PATH_BYTES_MAX (256U << 20) /* bytes of all rules of one filter */

/* Events. */
#define HR_EVENT_MAX 8192       /* bytes of one event, names and values */
#define HR_EVENT_FIELDS_MAX 64  /* fields of one event */
#define HR_FIELD_NAME_MAX 64    /* bytes of a field's name */
#define HR_FIELD_VALUE_MAX 2048 /* bytes of a value; longer ones are cut */
#define HR_KIND_MAX 64          /* bytes of an event's kind */

/* The ring. */
#define HR_RING_BYTES_MIN 65536
#define HR_RING_BYTES_DEFAULT 4194304
#define HR_RING_BYTES_TOP (1U << 30)
#define HR_RING_RESERVES_MAX 8     /* kinds with headroom of their own */
#define HR_IDENTITY_KEPT 128       /* bytes of a target's name in files */
#define HR_FOLDER_PATH_MAX 472     /* bytes of a folder's path, with its NUL */
#define HR_RING_PATH_MAX 512       /* bytes of a ring file's path */
#define HR_RINGS_MAX 256           /* dead rings kept for one target */
#define HR_RING_STALE_MS 518400000 /* 6 days: then a dead ring is dropped */
#define HR_TOTALS_KEPT_S 604800    /* 7 days: then totals nobody adds to go */
#define HR_ADOPT_EVERY_MS 5000     /* how often dead rings are looked for */

/* Series of metrics, in the header of the ring. */
#define HR_METRIC_SLOTS 1024     /* of a table */
#define HR_METRIC_SERIES_MAX 448 /* that one process names */
#define HR_METRIC_NAME_MAX 112   /* bytes of a name; longer ones are cut */

/* What Redis holds. */
#define HR_PREFIX_MAX 64       /* bytes of what every key begins with */
#define HR_STREAM_MAX 512      /* bytes of the stream's name */
#define HR_CLIENT_NAME_MAX 128 /* bytes of a connection's name */

/* The sink. */
#define HR_BATCH_MAX 4096          /* events of one batch */
#define HR_WAIT_MAX_S 31536000     /* the longest wait that is taken: a year */
#define HR_BATCH_BYTES_MAX 262144  /* bytes of records of one batch */
#define HR_SINK_STACK_BYTES 262144 /* the thread's stack */
#define HR_SINK_QUIET_MS 1000      /* empty that long: deep idle */
#define HR_SINK_PARK_MS 50         /* waited for a thread that must stop */
#define HR_SINK_RETRY_MS 1000      /* before a failed start is tried again */
#define HR_SINK_NOTICE_MS 60000    /* one log line in that time */
#define HR_NOTICE_MAX 512          /* bytes of a log line */
#define HR_SESSION_TTL_S 1800      /* life of a session hash */
#define HR_MARKER_TTL_S 604800     /* life of a marker: 7 days */
#define HR_REJECT_TRIES 3          /* of an event that makes Redis fail */

/* The connection. */
#define HR_URL_MAX 2048               /* bytes of a target's URL */
#define HR_HOST_MAX 255               /* bytes of a host name */
#define HR_COMMAND_BYTES_MAX 4194304  /* one batch as commands */
#define HR_REPLY_NODES_MAX 65536      /* elements of the replies to a batch */
#define HR_REPLY_BYTES_MAX 1048576    /* bytes of the replies to a batch */
#define HR_REPLY_TEXT_MAX 262144      /* bytes of strings kept of those */
#define HR_MEMORY_EVENTS_MAX 1000000  /* events a memory target keeps */
#define HR_MEMORY_BYTES_MAX 268435456 /* and their bytes */

#endif
