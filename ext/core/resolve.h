/* SPDX-License-Identifier: MIT */
/* Name resolution with a deadline: getaddrinfo has none, so it runs on a
 * thread of its own that may be left behind. */
#ifndef HR_RESOLVE_H
#define HR_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

#include "status.h"
#include "wake.h"

typedef struct hr_resolve hr_resolve;

/* Starts to look up `host`. NO_MEMORY, SYSTEM. */
HR_CHECKED hr_status hr_resolve_new(const char *host, uint16_t port,
                                    hr_resolve **resolve);

/* Waits for the answer. OK: `*addresses` are owned by `resolve`. RESOLVE: the
 * name has none. TIMEOUT: no answer yet, ask again. CLOSED: as in wake.h. */
HR_CHECKED hr_status hr_resolve_wait(hr_resolve *resolve, hr_wake *wake,
                                     int64_t deadline_ns,
                                     const struct addrinfo **addresses);

/* Lets go; where the thread is still at it, it cleans up. NULL is fine. */
void hr_resolve_free(hr_resolve *resolve);

#endif
