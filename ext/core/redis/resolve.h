/* SPDX-License-Identifier: MIT */
/* Name resolution with a deadline: getaddrinfo has none, so it runs on a
 * thread of its own that may be left behind. */
#ifndef HR_REDIS_RESOLVE_H
#define HR_REDIS_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

#include "base/status.h"
#include "base/wake.h"

typedef struct hr_redis_resolve hr_redis_resolve;

/* Starts to look up `host`. NO_MEMORY, SYSTEM. */
HR_CHECKED hr_status hr_redis_resolve_new(const char *host, uint16_t port,
                                          hr_redis_resolve **resolve);

/* Waits for the answer. OK: `*addresses` are owned by `resolve`. RESOLVE: the
 * name has none. TIMEOUT: no answer yet, ask again. CLOSED: as in base/wake.h.
 */
HR_CHECKED hr_status hr_redis_resolve_wait(hr_redis_resolve *resolve,
                                           hr_wake *wake, int64_t deadline_ns,
                                           const struct addrinfo **addresses);

/* Lets go; where the thread is still at it, it cleans up. NULL is fine. */
void hr_redis_resolve_free(hr_redis_resolve *resolve);

#endif
