/* SPDX-License-Identifier: MIT */
/* One pass from the left, every part cut off by the character that ends it.
 * Nothing is guessed: what is not in the grammar is refused, since a typing
 * error in a URL would otherwise send events to another database. */
#include "redis/url.h"

#include <stddef.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/secret.h"

/* Cuts `*rest` at the first `stop`; false, and all stays, without one. */
static bool
cut(hr_span *rest, char stop, hr_span *before)
{
    const char *found =
        rest->len != 0 ? memchr(rest->ptr, stop, rest->len) : NULL;
    if (found == NULL) {
        return false;
    }
    size_t len = (size_t)(found - rest->ptr);
    *before = (hr_span){rest->ptr, len};
    *rest = hr_span_from(*rest, len + 1);
    return true;
}

/* A copy without percent-encoding. URL: not well-formed, or a NUL. */
static hr_status
decode(hr_span text, char **out, size_t *out_len)
{
    char *copy = hr_alloc(text.len + 1);
    if (copy == NULL) {
        return HR_NO_MEMORY;
    }
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high =
                text.len - i > 2 ? hr_span_hex_digit(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? hr_span_hex_digit(text.ptr[i + 2]) : -1;
            if (low < 0) {
                hr_alloc_free(copy);
                return HR_URL;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0') {
            hr_alloc_free(copy);
            return HR_URL;
        }
        copy[len++] = c;
    }
    copy[len] = '\0';
    *out = copy;
    *out_len = len;
    return HR_OK;
}

/* A whole decimal number up to `top`; no sign, no blank. */
static bool
number(hr_span text, uint32_t top, uint32_t *out)
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

static hr_status
parse_credentials(hr_span text, hr_redis_url *url, const char **why)
{
    size_t user_len;
    hr_span user;
    *why = "the user or password is not well percent-encoded";
    if (!cut(&text, ':', &user)) {
        *why = "the password follows a colon: redis://:password@host";
        return HR_URL;
    }
    if (user.len != 0) {
        hr_status status = decode(user, &url->user, &user_len);
        if (status != HR_OK) {
            return status;
        }
    }
    return decode(text, &url->password, &url->password_len);
}

static hr_status
parse_host(hr_span text, hr_redis_url *url, const char **why)
{
    hr_span host = text;
    hr_span port = HR_NO_SPAN;
    if (text.len != 0 && text.ptr[0] == '[') {
        text = hr_span_from(text, 1);
        if (!cut(&text, ']', &host)) {
            *why = "the bracket of the IPv6 address is not closed";
            return HR_URL;
        }
        if (text.len != 0) {
            if (text.ptr[0] != ':') {
                *why = "only a port may follow the IPv6 address";
                return HR_URL;
            }
            port = hr_span_from(text, 1);
        }
    } else if (cut(&text, ':', &host)) {
        port = text;
    }
    uint32_t value = 6379;
    if (port.ptr != NULL && (!number(port, 65535, &value) || value == 0)) {
        *why = "the port is not a number from 1 to 65535";
        return HR_URL;
    }
    url->port = (uint16_t)value;
    if (host.len == 0 || host.len > HR_HOST_MAX) {
        *why = "the host name is missing or over 255 bytes";
        return HR_URL;
    }
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '%' || c == '\\') {
            *why = "the host name has characters that no host name has";
            return HR_URL;
        }
    }
    url->host = hr_alloc_copy(host);
    return url->host != NULL ? HR_OK : HR_NO_MEMORY;
}

static hr_status
parse_query(hr_span query, hr_redis_url *url, const char **why)
{
    if (!hr_span_starts_with(query, HR_SPAN("db=")) ||
        !number(hr_span_from(query, 3), INT32_MAX, &url->database)) {
        *why = "the only parameter is db, a number";
        return HR_URL;
    }
    return HR_OK;
}

static hr_status
parse(hr_span text, hr_redis_url *url, const char **why)
{
    hr_span query = HR_NO_SPAN;
    hr_span before;
    bool local = false;
    if (hr_span_starts_with(text, HR_SPAN("redis://"))) {
        text = hr_span_from(text, 8);
    } else if (hr_span_starts_with(text, HR_SPAN("rediss://"))) {
        text = hr_span_from(text, 9);
        url->tls = true;
    } else if (hr_span_starts_with(text, HR_SPAN("unix://"))) {
        text = hr_span_from(text, 7);
        local = true;
    } else {
        *why = "begins with redis://, rediss://, unix://, file: or memory:";
        return HR_URL;
    }
    if (text.len > HR_URL_MAX) {
        *why = "it is over 2048 bytes";
        return HR_URL;
    }
    if (cut(&text, '?', &before)) {
        query = text;
        text = before;
    }
    hr_status status;
    hr_span path = HR_NO_SPAN;
    if (memchr(text.ptr, '#', text.len) != NULL) {
        *why = "a # in a password is written %23";
        return HR_URL;
    }
    /* The authority ends at the first slash; in unix:// it may be empty. */
    hr_span authority = text;
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    if (slash != NULL) {
        authority.len = (size_t)(slash - text.ptr);
        path = hr_span_from(text, authority.len);
    }
    if (cut(&authority, '@', &before)) {
        if (authority.len != 0 &&
            memchr(authority.ptr, '@', authority.len) != NULL) {
            *why = "an @ in a password is written %40";
            return HR_URL;
        }
        status = parse_credentials(before, url, why);
        if (status != HR_OK) {
            return status;
        }
    }
    if (local) {
        size_t len;
        if (authority.len != 0 || path.len < 2) {
            *why = "the path of the socket is absolute: unix:///run/x.sock";
            return HR_URL;
        }
        *why = "the path is not well percent-encoded";
        status = decode(path, &url->path, &len);
        if (status == HR_OK && len >= 108) {
            *why = "the path of a Unix socket has at most 107 bytes";
            status = HR_URL;
        }
    } else {
        status = parse_host(authority, url, why);
        if (status == HR_OK && path.len > 1 &&
            !number(hr_span_from(path, 1), INT32_MAX, &url->database)) {
            *why = "the database behind the slash is not a number";
            status = HR_URL;
        }
    }
    if (status == HR_OK && query.ptr != NULL) {
        status = parse_query(query, url, why);
    }
    return status;
}

hr_status
hr_redis_url_parse(hr_span text, hr_redis_url *url, const char **why)
{
    *url = (hr_redis_url){0};
    hr_status status = parse(text, url, why);
    if (status != HR_OK) {
        hr_redis_url_fini(url);
    }
    return status;
}

void
hr_redis_url_fini(hr_redis_url *url)
{
    hr_alloc_free(url->host);
    hr_alloc_free(url->path);
    hr_alloc_free(url->user);
    if (url->password != NULL) {
        hr_secret_wipe(url->password, url->password_len);
        hr_alloc_free(url->password);
    }
    *url = (hr_redis_url){0};
}

void
hr_redis_url_identity(const hr_redis_url *url, hr_buf *out)
{
    const char *place = url->path != NULL ? url->path : url->host;
    if (!hr_buf_room(out, strlen(place) + 64)) {
        return;
    }
    hr_span scheme = url->path != NULL ? HR_SPAN("unix://")
                     : url->tls        ? HR_SPAN("rediss://")
                                       : HR_SPAN("redis://");
    hr_buf_put(out, scheme.ptr, scheme.len);
    if (url->path != NULL) {
        hr_buf_put(out, place, strlen(place));
        hr_buf_put(out, "?db=", 4);
    } else {
        bool bracket = strchr(place, ':') != NULL;
        hr_buf_put(out, "[", bracket);
        hr_buf_put(out, place, strlen(place));
        hr_buf_put(out, "]", bracket);
        hr_buf_put(out, ":", 1);
        hr_buf_put_number(out, url->port);
        hr_buf_put(out, "/", 1);
    }
    hr_buf_put_number(out, url->database);
}
