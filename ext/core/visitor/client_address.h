/* SPDX-License-Identifier: MIT */
/* Whose request it is, by address: the peer's, or the one that the n-th
 * trusted proxy from the right of X-Forwarded-For saw. */
#ifndef HR_VISITOR_CLIENT_ADDRESS_H
#define HR_VISITOR_CLIENT_ADDRESS_H

#include "base/span.h"

#define HR_VISITOR_CLIENT_ADDRESS_MAX 46 /* INET6_ADDRSTRLEN */

/* The client's address: `peer` with no trusted proxies; else the
 * `proxies`-th entry from the right of all X-Forwarded-For headers taken
 * together (a proxy may add a header of its own), without brackets, port and
 * zone; absent when there are fewer entries or it is no address literal. The
 * result points into the input. Never fails. */
hr_span hr_visitor_client_address(hr_span peer, const hr_span *forwarded_for,
                                  size_t count, unsigned proxies);

/* Writes the network of `address` (IPv4 /24, IPv6 /48; an IPv4-mapped IPv6
 * address counts as IPv4) as text, e.g. "192.0.2.0/24". Absent when it is no
 * address. */
hr_span
hr_visitor_client_address_prefix(hr_span address,
                                 char out[HR_VISITOR_CLIENT_ADDRESS_MAX + 4]);

#endif
