/* SPDX-License-Identifier: MIT */
/* Derived ids: a visitor's id without a cookie, for one UTC day.
 *
 *   HMAC-SHA256(salt of the day, address prefix, user agent, accept headers)
 *
 * The salt is 32 random bytes in a file of mode 0600 that all processes of
 * one user share. When the day is over the file is unlinked and every copy
 * wiped: nobody can compute yesterday's ids. */
#ifndef HR_VISITOR_DERIVED_H
#define HR_VISITOR_DERIVED_H

#include <stdint.h>

#include "visitor/fingerprint.h"
#include "base/span.h"
#include "base/status.h"

typedef struct hr_visitor_derived hr_visitor_derived;

/* What a client says about itself; each part may be absent. Of the address
 * only the network counts: IPv4 /24, IPv6 /48. */
typedef struct hr_visitor_derived_client {
    hr_span address;
    hr_span user_agent;
    hr_span accept;
    hr_span accept_language;
    hr_span accept_encoding;
} hr_visitor_derived_client;

/* Remembers `folder`, which is looked at on first use only. NO_MEMORY. */
HR_CHECKED hr_status hr_visitor_derived_new(const char *folder,
                                            hr_visitor_derived **derived);

/* Wipes the salt. NULL is fine. */
void hr_visitor_derived_free(hr_visitor_derived *derived);

/* The client's id on the day of `now` (seconds since the epoch), with
 * value_len 0 and `now` as issued_at. Makes the folder (0700) and the file
 * where they are missing. SYSTEM when there is no salt: a folder or file of
 * another user, of another mode or kind, a link, a full disk; it is looked at
 * again after 10 s. No system call while the day lasts. Any thread. */
HR_CHECKED hr_status hr_visitor_derived_fingerprint(
    hr_visitor_derived *derived, const hr_visitor_derived_client *client,
    int64_t now, hr_visitor_fingerprint *fingerprint);

#endif
