/* SPDX-License-Identifier: MIT */
/* A growing run of bytes with a cap. Init cannot fail; a failed call leaves
 * the content as it was. */
#ifndef HR_BASE_BUF_H
#define HR_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"
#include "base/status.h"

typedef struct hr_buf {
    char *ptr;  /* owned */
    size_t len; /* bytes in use */
    size_t cap; /* bytes there are */
    size_t max; /* it never grows past this */
} hr_buf;

/* An empty buffer that holds at most `max` bytes. */
void hr_buf_init(hr_buf *buf, size_t max);

/* Gives the memory back. A zeroed buffer is fine; so is twice. */
void hr_buf_fini(hr_buf *buf);

/* Makes room for `more` bytes behind the content. TOO_BIG past the cap,
 * NO_MEMORY. */
HR_CHECKED hr_status hr_buf_reserve(hr_buf *buf, size_t more);

/* Appends a copy. TOO_BIG, NO_MEMORY. */
HR_CHECKED hr_status hr_buf_add(hr_buf *buf, hr_span bytes);

/* Appends into room that hr_buf_reserve made. */
static inline void
hr_buf_put(hr_buf *buf, const char *bytes, size_t len)
{
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
}

/* As hr_buf_put: `number` in decimal, at most 20 bytes. */
void hr_buf_put_number(hr_buf *buf, uint64_t number);

/* Writes `number` in decimal at the end of `room`; returns the digits. */
hr_span hr_buf_number_text(char room[20], uint64_t number);

/* Writes `number` in decimal at `out`; answers how many bytes. */
size_t hr_buf_format_number(char out[20], uint64_t number);

#endif
