/* SPDX-License-Identifier: MIT */
/* Growth is by doubling, so appending n bytes costs O(n) in all. No sum of
 * sizes is formed before it is known not to wrap. */
#include "buf.h"

#include "alloc.h"

void
ps_buf_init(ps_buf *buf, size_t max)
{
    *buf = (ps_buf){NULL, 0, 0, max};
}

void
ps_buf_fini(ps_buf *buf)
{
    ps_free(buf->ptr);
    *buf = (ps_buf){NULL, 0, 0, buf->max};
}

ps_status
ps_buf_reserve(ps_buf *buf, size_t more)
{
    if (more <= buf->cap - buf->len) {
        return PS_OK;
    }
    if (more > buf->max - buf->len) {
        return PS_TOO_BIG;
    }
    size_t need = buf->len + more;
    size_t cap = buf->cap < 256 ? 256 : buf->cap;
    while (cap < need) {
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    }
    if (cap > buf->max) {
        cap = buf->max;
    }
    char *grown = ps_realloc(buf->ptr, cap);
    if (grown == NULL) {
        return PS_NO_MEMORY;
    }
    buf->ptr = grown;
    buf->cap = cap;
    return PS_OK;
}

ps_status
ps_buf_add(ps_buf *buf, ps_span bytes)
{
    ps_status status = ps_buf_reserve(buf, bytes.len);
    if (status == PS_OK && bytes.len != 0) {
        ps_buf_put(buf, bytes.ptr, bytes.len);
    }
    return status;
}

size_t
ps_buf_format_number(char out[20], uint64_t number)
{
    char reversed[20];
    size_t len = 0;
    do {
        reversed[len++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (size_t i = 0; i < len; i++) {
        out[i] = reversed[len - 1 - i];
    }
    return len;
}

void
ps_buf_put_number(ps_buf *buf, uint64_t number)
{
    buf->len += ps_buf_format_number(buf->ptr + buf->len, number);
}
