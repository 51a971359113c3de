/* SPDX-License-Identifier: MIT */
/* Address literals are parsed by inet_pton; nothing else of a header is
 * believed. */
#include "visitor/client_address.h"

#include <arpa/inet.h>
#include <stdio.h>

/* `text` as a NUL-terminated string for inet_pton. */
static bool
copy_literal(hr_span text, char out[HR_VISITOR_CLIENT_ADDRESS_MAX])
{
    if (text.len == 0 || text.len >= HR_VISITOR_CLIENT_ADDRESS_MAX ||
        memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

/* "192.0.2.1:80" -> "192.0.2.1", "[2001:db8::1]:80" -> "2001:db8::1". */
static hr_span
without_port(hr_span entry)
{
    if (entry.len >= 2 && entry.ptr[0] == '[') {
        const char *close = memchr(entry.ptr, ']', entry.len);
        return close == NULL
                   ? entry
                   : (hr_span){entry.ptr + 1, (size_t)(close - entry.ptr) - 1};
    }
    const char *colon = entry.len ? memchr(entry.ptr, ':', entry.len) : NULL;
    if (colon != NULL) {
        size_t at = (size_t)(colon - entry.ptr);
        if (memchr(colon + 1, ':', entry.len - at - 1) == NULL) {
            entry.len = at; /* one colon: not IPv6 */
        }
    }
    return entry;
}

/* "fe80::1%eth0" -> "fe80::1": a zone is any text, and of no use elsewhere. */
static hr_span
without_zone(hr_span address)
{
    const char *zone =
        address.len ? memchr(address.ptr, '%', address.len) : NULL;
    if (zone != NULL) {
        address.len = (size_t)(zone - address.ptr);
    }
    return address;
}

static bool
is_address(hr_span text)
{
    char literal[HR_VISITOR_CLIENT_ADDRESS_MAX];
    unsigned char binary[16];
    return copy_literal(text, literal) &&
           (inet_pton(AF_INET, literal, binary) == 1 ||
            inet_pton(AF_INET6, literal, binary) == 1);
}

/* The n-th entry from the right of one header; false when it has fewer, then
 * `*n` is how many are still to go. */
static bool
entry_from_right(hr_span header, unsigned *n, hr_span *entry)
{
    size_t end = header.len;
    for (;;) {
        size_t start = end;
        while (start > 0 && header.ptr[start - 1] != ',') {
            start--;
        }
        if (--*n == 0) {
            *entry = (hr_span){header.ptr + start, end - start};
            return true;
        }
        if (start == 0) {
            return false;
        }
        end = start - 1;
    }
}

hr_span
hr_visitor_client_address(hr_span peer, const hr_span *forwarded_for,
                          size_t count, unsigned proxies)
{
    if (proxies == 0) {
        return peer;
    }
    unsigned left = proxies;
    while (count-- > 0) {
        hr_span entry;
        if (forwarded_for[count].len != 0 &&
            entry_from_right(forwarded_for[count], &left, &entry)) {
            entry = without_zone(without_port(hr_span_trim(entry)));
            return is_address(entry) ? entry : HR_NO_SPAN;
        }
    }
    return HR_NO_SPAN; /* fewer hops than proxies: somebody lies */
}

hr_span
hr_visitor_client_address_prefix(hr_span address,
                                 char out[HR_VISITOR_CLIENT_ADDRESS_MAX + 4])
{
    static const unsigned char MAPPED[12] = {[10] = 0xff, [11] = 0xff};
    char literal[HR_VISITOR_CLIENT_ADDRESS_MAX];
    unsigned char binary[16];
    if (!copy_literal(without_zone(address), literal)) {
        return HR_NO_SPAN;
    }
    const unsigned char *v4 = NULL;
    if (inet_pton(AF_INET, literal, binary) == 1) {
        v4 = binary;
    } else if (inet_pton(AF_INET6, literal, binary) != 1) {
        return HR_NO_SPAN;
    } else if (memcmp(binary, MAPPED, sizeof(MAPPED)) == 0) {
        v4 = binary + 12;
    }
    int length;
    if (v4 != NULL) {
        length =
            snprintf(out, HR_VISITOR_CLIENT_ADDRESS_MAX + 4, "%u.%u.%u.0/24",
                     (unsigned)v4[0], (unsigned)v4[1], (unsigned)v4[2]);
    } else {
        memset(binary + 6, 0, 10);
        char text[HR_VISITOR_CLIENT_ADDRESS_MAX];
        if (inet_ntop(AF_INET6, binary, text, sizeof(text)) == NULL) {
            return HR_NO_SPAN;
        }
        length =
            snprintf(out, HR_VISITOR_CLIENT_ADDRESS_MAX + 4, "%s/48", text);
    }
    return (hr_span){out, (size_t)length};
}
