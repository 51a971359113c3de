/* SPDX-License-Identifier: MIT */
/* redis://, rediss:// and unix:// addresses. */
#ifndef HR_REDIS_URL_H
#define HR_REDIS_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "base/status.h"

typedef struct hr_redis_url {
    bool tls;
    uint16_t port;     /* 0 for a Unix socket */
    uint32_t database; /* SELECT */
    char *host;        /* owned; NULL for a Unix socket */
    char *path;        /* owned; of the Unix socket, else NULL */
    char *user;        /* owned; NULL: none */
    char *password;    /* owned, wiped; NULL: none */
    size_t password_len;
} hr_redis_url;

/* Parses
 *     redis[s]://[[user]:password@]host[:port][/database]
 *     unix://[[user]:password@]/path[?db=database]
 * with percent-encoding in user, password and path, IPv6 hosts in brackets,
 * and `db` as a query for all of them. URL: it cannot be parsed; then `*why`
 * is a static phrase that quotes nothing of it. NO_MEMORY. */
HR_CHECKED hr_status hr_redis_url_parse(hr_span text, hr_redis_url *url,
                                        const char **why);

/* Wipes the password. A zeroed one is fine. */
void hr_redis_url_fini(hr_redis_url *url);

/* Appends what names the target, without credentials: scheme, host and port
 * or path, database. */
void hr_redis_url_identity(const hr_redis_url *url, hr_buf *out);

#endif
