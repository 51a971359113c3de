/* SPDX-License-Identifier: MIT */
/* Whose request it is, by address: the peer's, or the one that the n-th
 * trusted proxy from the right of X-Forwarded-For saw. */
#ifndef PS_CLIENT_ADDRESS_H
#define PS_CLIENT_ADDRESS_H

#include "span.h"

#define PS_ADDRESS_MAX 46 /* INET6_ADDRSTRLEN */

/* The client's address: `peer` with no trusted proxies; else the
 * `proxies`-th entry from the right of all X-Forwarded-For headers taken
 * together (a proxy may add a header of its own), without brackets, port and
 * zone; absent when there are fewer entries or it is no address literal. The
 * result points into the input. Never fails. */
ps_span ps_client_address(ps_span peer, const ps_span *forwarded_for,
                          size_t count, unsigned proxies);

/* Writes the network of `address` (IPv4 /24, IPv6 /48; an IPv4-mapped IPv6
 * address counts as IPv4) as text, e.g. "192.0.2.0/24". Absent when it is no
 * address. */
ps_span ps_address_prefix(ps_span address, char out[PS_ADDRESS_MAX + 4]);

#endif
