/* SPDX-License-Identifier: MIT */
/* A growing run of bytes with a cap. Init cannot fail; a failed call leaves
 * the content as it was. */
#ifndef PS_BUF_H
#define PS_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "span.h"
#include "status.h"

typedef struct ps_buf {
    char *ptr;  /* owned */
    size_t len; /* bytes in use */
    size_t cap; /* bytes there are */
    size_t max; /* it never grows past this */
} ps_buf;

/* An empty buffer that holds at most `max` bytes. */
void ps_buf_init(ps_buf *buf, size_t max);

/* Gives the memory back. A zeroed buffer is fine; so is twice. */
void ps_buf_fini(ps_buf *buf);

/* Makes room for `more` bytes behind the content. TOO_BIG past the cap,
 * NO_MEMORY. */
PS_CHECKED ps_status ps_buf_reserve(ps_buf *buf, size_t more);

/* Appends a copy. TOO_BIG, NO_MEMORY. */
PS_CHECKED ps_status ps_buf_add(ps_buf *buf, ps_span bytes);

/* Appends into room that ps_buf_reserve made. */
static inline void
ps_buf_put(ps_buf *buf, const char *bytes, size_t len)
{
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
}

/* As ps_buf_put: `number` in decimal, at most 20 bytes. */
void ps_buf_put_number(ps_buf *buf, uint64_t number);

/* Writes `number` in decimal at `out`; answers how many bytes. */
size_t ps_buf_format_number(char out[20], uint64_t number);

#endif
