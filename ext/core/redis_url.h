/* SPDX-License-Identifier: MIT */
/* redis://, rediss:// and unix:// addresses. */
#ifndef PS_REDIS_URL_H
#define PS_REDIS_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "span.h"
#include "status.h"

typedef struct ps_redis_url {
    bool tls;
    uint16_t port;     /* 0 for a Unix socket */
    uint32_t database; /* SELECT */
    char *host;        /* owned; NULL for a Unix socket */
    char *path;        /* owned; of the Unix socket, else NULL */
    char *user;        /* owned; NULL: none */
    char *password;    /* owned, wiped; NULL: none */
    size_t password_len;
} ps_redis_url;

/* Parses
 *     redis[s]://[[user]:password@]host[:port][/database]
 *     unix://[[user]:password@]/path[?db=database]
 * with percent-encoding in user, password and path, IPv6 hosts in brackets,
 * and `db` as a query for all of them. URL: it cannot be parsed; then `*why`
 * is a static phrase that quotes nothing of it. NO_MEMORY. */
PS_CHECKED ps_status ps_redis_url_parse(ps_span text, ps_redis_url *url,
                                        const char **why);

/* Wipes the password. A zeroed one is fine. */
void ps_redis_url_fini(ps_redis_url *url);

/* Appends what names the target, without credentials: scheme, host and port
 * or path, database. NO_MEMORY, TOO_BIG. */
PS_CHECKED ps_status ps_redis_url_identity(const ps_redis_url *url,
                                           ps_buf *out);

#endif
