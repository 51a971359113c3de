/* SPDX-License-Identifier: MIT */
/* TLS over a connected socket of redis_link: the server's certificate and
 * name are always verified, there is no way to turn that off. */
#ifndef HR_REDIS_TLS_H
#define HR_REDIS_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"
#include "base/wake.h"

typedef struct hr_redis_tls hr_redis_tls;

typedef struct hr_redis_tls_settings {
    int fd;                  /* connected, non-blocking; stays the caller's */
    const char *host;        /* name or literal address to verify; SNI */
    const char *ca_file;     /* PEM, or a folder as `openssl rehash` makes it;
                              * NULL: what OpenSSL was built with */
    const char *certificate; /* PEM chain of the client; NULL: none */
    const char *private_key; /* PEM; NULL: it is in `certificate` */
} hr_redis_tls_settings;

/* Shakes hands. TLS, TIMEOUT, NO_MEMORY, CLOSED; `detail` says why. */
HR_CHECKED hr_status hr_redis_tls_open(const hr_redis_tls_settings *settings,
                                       hr_wake *wake, int64_t deadline_ns,
                                       hr_redis_tls **tls, char *detail,
                                       size_t detail_size);

/* Frees; sends nothing. NULL is fine. */
void hr_redis_tls_free(hr_redis_tls *tls);

/* Bytes moved; 0: none now, and what to wait for is added to `*events`
 * (POLLIN, POLLOUT); -1: broken. */
ssize_t hr_redis_tls_write(hr_redis_tls *tls, const char *bytes, size_t len,
                           short *events);
ssize_t hr_redis_tls_read(hr_redis_tls *tls, char *bytes, size_t len,
                          short *events);

/* Why the last call answered -1. */
const char *hr_redis_tls_error(const hr_redis_tls *tls);

#endif
