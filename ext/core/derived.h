/* SPDX-License-Identifier: MIT */
/* Derived ids: a visitor's id without a cookie, for one UTC day.
 *
 *   HMAC-SHA256(salt of the day, address prefix, user agent, accept headers)
 *
 * The salt is 32 random bytes in a file of mode 0600 that all processes of
 * one user share. When the day is over the file is unlinked and every copy
 * wiped: nobody can compute yesterday's ids. */
#ifndef PS_DERIVED_H
#define PS_DERIVED_H

#include <stdint.h>

#include "fingerprint.h"
#include "span.h"
#include "status.h"

typedef struct ps_derived ps_derived;

/* What a client says about itself; each part may be absent. Of the address
 * only the network counts: IPv4 /24, IPv6 /48. */
typedef struct ps_derived_client {
    ps_span address;
    ps_span user_agent;
    ps_span accept;
    ps_span accept_language;
    ps_span accept_encoding;
} ps_derived_client;

/* Remembers `folder`, which is looked at on first use only. NO_MEMORY. */
PS_CHECKED ps_status ps_derived_new(const char *folder, ps_derived **derived);

/* Wipes the salt. NULL is fine. */
void ps_derived_free(ps_derived *derived);

/* The client's id on the day of `now` (seconds since the epoch), with
 * value_len 0 and `now` as issued_at. Makes the folder (0700) and the file
 * where they are missing. SYSTEM when there is no salt: a folder or file of
 * another user, of another mode or kind, a link, a full disk; it is looked at
 * again after 10 s. No system call while the day lasts. Any thread. */
PS_CHECKED ps_status ps_derived_fingerprint(ps_derived *derived,
                                            const ps_derived_client *client,
                                            int64_t now,
                                            ps_fingerprint *fingerprint);

#endif
