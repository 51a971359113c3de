/* SPDX-License-Identifier: MIT */
/* Name resolution with a deadline: getaddrinfo has none, so it runs on a
 * thread of its own that may be left behind. */
#ifndef PS_RESOLVE_H
#define PS_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

#include "status.h"
#include "wake.h"

typedef struct ps_resolve ps_resolve;

/* Starts to look up `host`. NO_MEMORY, SYSTEM. */
PS_CHECKED ps_status ps_resolve_new(const char *host, uint16_t port,
                                    ps_resolve **resolve);

/* Waits for the answer. OK: `*addresses` are owned by `resolve`. RESOLVE: the
 * name has none. TIMEOUT: no answer yet, ask again. CLOSED: as in wake.h. */
PS_CHECKED ps_status ps_resolve_wait(ps_resolve *resolve, ps_wake *wake,
                                     int64_t deadline_ns,
                                     const struct addrinfo **addresses);

/* Lets go; where the thread is still at it, it cleans up. NULL is fine. */
void ps_resolve_free(ps_resolve *resolve);

#endif
