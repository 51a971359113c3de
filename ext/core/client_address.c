/* SPDX-License-Identifier: MIT */
/* Address literals are parsed by inet_pton; nothing else of a header is
 * believed. */
#include "client_address.h"

#include <arpa/inet.h>
#include <stdio.h>

/* `text` as a NUL-terminated string for inet_pton, without an IPv6 zone. */
static bool
copy_literal(ps_span text, char out[PS_ADDRESS_MAX])
{
    const char *zone = text.len ? memchr(text.ptr, '%', text.len) : NULL;
    if (zone != NULL) {
        text.len = (size_t)(zone - text.ptr);
    }
    if (text.len == 0 || text.len >= PS_ADDRESS_MAX ||
        memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

/* "192.0.2.1:80" -> "192.0.2.1", "[2001:db8::1]:80" -> "2001:db8::1". */
static ps_span
without_port(ps_span entry)
{
    if (entry.len >= 2 && entry.ptr[0] == '[') {
        const char *close = memchr(entry.ptr, ']', entry.len);
        return close == NULL
                   ? entry
                   : (ps_span){entry.ptr + 1, (size_t)(close - entry.ptr) - 1};
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

static bool
is_address(ps_span text)
{
    char literal[PS_ADDRESS_MAX];
    unsigned char binary[16];
    return copy_literal(text, literal) &&
           (inet_pton(AF_INET, literal, binary) == 1 ||
            inet_pton(AF_INET6, literal, binary) == 1);
}

ps_span
ps_client_address(ps_span peer, ps_span forwarded_for, unsigned proxies)
{
    if (proxies == 0) {
        return peer;
    }
    size_t end = forwarded_for.len;
    for (unsigned n = 1;; n++) {
        size_t start = end;
        while (start > 0 && forwarded_for.ptr[start - 1] != ',') {
            start--;
        }
        if (n == proxies) {
            ps_span entry = without_port(ps_span_trim(
                (ps_span){forwarded_for.ptr + start, end - start}));
            return is_address(entry) ? entry : PS_NO_SPAN;
        }
        if (start == 0) {
            return PS_NO_SPAN; /* fewer hops than proxies: somebody lies */
        }
        end = start - 1;
    }
}

ps_span
ps_address_prefix(ps_span address, char out[PS_ADDRESS_MAX + 4])
{
    static const unsigned char MAPPED[12] = {[10] = 0xff, [11] = 0xff};
    char literal[PS_ADDRESS_MAX];
    unsigned char binary[16];
    if (!copy_literal(address, literal)) {
        return PS_NO_SPAN;
    }
    const unsigned char *v4 = NULL;
    if (inet_pton(AF_INET, literal, binary) == 1) {
        v4 = binary;
    } else if (inet_pton(AF_INET6, literal, binary) != 1) {
        return PS_NO_SPAN;
    } else if (memcmp(binary, MAPPED, sizeof(MAPPED)) == 0) {
        v4 = binary + 12;
    }
    int length;
    if (v4 != NULL) {
        length = snprintf(out, PS_ADDRESS_MAX + 4, "%u.%u.%u.0/24",
                          (unsigned)v4[0], (unsigned)v4[1], (unsigned)v4[2]);
    } else {
        memset(binary + 6, 0, 10);
        char text[PS_ADDRESS_MAX];
        if (inet_ntop(AF_INET6, binary, text, sizeof(text)) == NULL) {
            return PS_NO_SPAN;
        }
        length = snprintf(out, PS_ADDRESS_MAX + 4, "%s/48", text);
    }
    return (ps_span){out, (size_t)length};
}
