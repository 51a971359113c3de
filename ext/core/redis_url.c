/* SPDX-License-Identifier: MIT */
/* One pass from the left, every part cut off by the character that ends it.
 * Nothing is guessed: what is not in the grammar is refused, since a typing
 * error in a URL would otherwise send events to another database. */
#include "redis_url.h"

#include <stddef.h>

#include "alloc.h"
#include "config.h"
#include "signature.h"

/* Cuts `*rest` at the first `stop`; false, and all stays, without one. */
static bool
cut(ps_span *rest, char stop, ps_span *before)
{
    const char *found =
        rest->len != 0 ? memchr(rest->ptr, stop, rest->len) : NULL;
    if (found == NULL) {
        return false;
    }
    size_t len = (size_t)(found - rest->ptr);
    *before = (ps_span){rest->ptr, len};
    *rest = ps_span_from(*rest, len + 1);
    return true;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)ps_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A copy without percent-encoding. URL: not well-formed, or a NUL. */
static ps_status
decode(ps_span text, char **out, size_t *out_len)
{
    char *copy = ps_malloc(text.len + 1);
    if (copy == NULL) {
        return PS_NO_MEMORY;
    }
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
            if (low < 0) {
                ps_free(copy);
                return PS_URL;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0') {
            ps_free(copy);
            return PS_URL;
        }
        copy[len++] = c;
    }
    copy[len] = '\0';
    *out = copy;
    *out_len = len;
    return PS_OK;
}

/* A whole decimal number up to `top`; no sign, no blank. */
static bool
number(ps_span text, uint32_t top, uint32_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 10) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    if (value > top) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static ps_status
parse_credentials(ps_span text, ps_redis_url *url, const char **why)
{
    size_t user_len;
    ps_span user;
    *why = "the user or password is not well percent-encoded";
    if (!cut(&text, ':', &user)) {
        *why = "the password follows a colon: redis://:password@host";
        return PS_URL;
    }
    if (user.len != 0) {
        ps_status status = decode(user, &url->user, &user_len);
        if (status != PS_OK) {
            return status;
        }
    }
    return decode(text, &url->password, &url->password_len);
}

static ps_status
parse_host(ps_span text, ps_redis_url *url, const char **why)
{
    ps_span host = text;
    ps_span port = PS_NO_SPAN;
    if (text.len != 0 && text.ptr[0] == '[') {
        text = ps_span_from(text, 1);
        if (!cut(&text, ']', &host)) {
            *why = "the bracket of the IPv6 address is not closed";
            return PS_URL;
        }
        if (text.len != 0) {
            if (text.ptr[0] != ':') {
                *why = "only a port may follow the IPv6 address";
                return PS_URL;
            }
            port = ps_span_from(text, 1);
        }
    } else if (cut(&text, ':', &host)) {
        port = text;
    }
    uint32_t value = 6379;
    if (port.ptr != NULL && (!number(port, 65535, &value) || value == 0)) {
        *why = "the port is not a number from 1 to 65535";
        return PS_URL;
    }
    url->port = (uint16_t)value;
    if (host.len == 0 || host.len > PS_HOST_MAX) {
        *why = "the host name is missing or over 255 bytes";
        return PS_URL;
    }
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '%' || c == '\\') {
            *why = "the host name has characters that no host name has";
            return PS_URL;
        }
    }
    url->host = ps_dup(host);
    return url->host != NULL ? PS_OK : PS_NO_MEMORY;
}

static ps_status
parse_query(ps_span query, ps_redis_url *url, const char **why)
{
    if (!ps_span_starts_with(query, PS_SPAN("db=")) ||
        !number(ps_span_from(query, 3), INT32_MAX, &url->database)) {
        *why = "the only parameter is db, a number";
        return PS_URL;
    }
    return PS_OK;
}

static ps_status
parse(ps_span text, ps_redis_url *url, const char **why)
{
    ps_span query = PS_NO_SPAN;
    ps_span before;
    bool local = false;
    if (ps_span_starts_with(text, PS_SPAN("redis://"))) {
        text = ps_span_from(text, 8);
    } else if (ps_span_starts_with(text, PS_SPAN("rediss://"))) {
        text = ps_span_from(text, 9);
        url->tls = true;
    } else if (ps_span_starts_with(text, PS_SPAN("unix://"))) {
        text = ps_span_from(text, 7);
        local = true;
    } else {
        *why = "begins with redis://, rediss://, unix://, file: or memory:";
        return PS_URL;
    }
    if (text.len > PS_URL_MAX) {
        *why = "it is over 2048 bytes";
        return PS_URL;
    }
    if (cut(&text, '?', &before)) {
        query = text;
        text = before;
    }
    ps_status status;
    ps_span path = PS_NO_SPAN;
    if (memchr(text.ptr, '#', text.len) != NULL) {
        *why = "a # in a password is written %23";
        return PS_URL;
    }
    /* The authority ends at the first slash; in unix:// it may be empty. */
    ps_span authority = text;
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    if (slash != NULL) {
        authority.len = (size_t)(slash - text.ptr);
        path = ps_span_from(text, authority.len);
    }
    if (cut(&authority, '@', &before)) {
        if (authority.len != 0 &&
            memchr(authority.ptr, '@', authority.len) != NULL) {
            *why = "an @ in a password is written %40";
            return PS_URL;
        }
        status = parse_credentials(before, url, why);
        if (status != PS_OK) {
            return status;
        }
    }
    if (local) {
        size_t len;
        if (authority.len != 0 || path.len < 2) {
            *why = "the path of the socket is absolute: unix:///run/x.sock";
            return PS_URL;
        }
        *why = "the path is not well percent-encoded";
        status = decode(path, &url->path, &len);
        if (status == PS_OK && len >= 108) {
            *why = "the path of a Unix socket has at most 107 bytes";
            status = PS_URL;
        }
    } else {
        status = parse_host(authority, url, why);
        if (status == PS_OK && path.len > 1 &&
            !number(ps_span_from(path, 1), INT32_MAX, &url->database)) {
            *why = "the database behind the slash is not a number";
            status = PS_URL;
        }
    }
    if (status == PS_OK && query.ptr != NULL) {
        status = parse_query(query, url, why);
    }
    return status;
}

ps_status
ps_redis_url_parse(ps_span text, ps_redis_url *url, const char **why)
{
    *url = (ps_redis_url){0};
    ps_status status = parse(text, url, why);
    if (status != PS_OK) {
        ps_redis_url_fini(url);
    }
    return status;
}

void
ps_redis_url_fini(ps_redis_url *url)
{
    ps_free(url->host);
    ps_free(url->path);
    ps_free(url->user);
    if (url->password != NULL) {
        ps_wipe(url->password, url->password_len);
        ps_free(url->password);
    }
    *url = (ps_redis_url){0};
}

ps_status
ps_redis_url_identity(const ps_redis_url *url, ps_buf *out)
{
    const char *place = url->path != NULL ? url->path : url->host;
    ps_status status = ps_buf_reserve(out, strlen(place) + 64);
    if (status != PS_OK) {
        return status;
    }
    ps_span scheme = url->path != NULL ? PS_SPAN("unix://")
                     : url->tls        ? PS_SPAN("rediss://")
                                       : PS_SPAN("redis://");
    ps_buf_put(out, scheme.ptr, scheme.len);
    if (url->path != NULL) {
        ps_buf_put(out, place, strlen(place));
        ps_buf_put(out, "?db=", 4);
    } else {
        bool bracket = strchr(place, ':') != NULL;
        ps_buf_put(out, "[", bracket);
        ps_buf_put(out, place, strlen(place));
        ps_buf_put(out, "]", bracket);
        ps_buf_put(out, ":", 1);
        ps_buf_put_number(out, url->port);
        ps_buf_put(out, "/", 1);
    }
    ps_buf_put_number(out, url->database);
    return PS_OK;
}
