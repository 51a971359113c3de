/* SPDX-License-Identifier: MIT */
/* A growing run of bytes with a cap. Init cannot fail. The first failure is
 * remembered: from then on nothing is added, the content stays as it was, and
 * hr_buf_status returns it. So a text is written without a question at each
 * piece, and asked about once. */
#ifndef HR_BASE_BUF_H
#define HR_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"
#include "base/status.h"

typedef struct hr_buf {
    char *ptr;         /* owned */
    size_t len;        /* bytes in use */
    size_t cap;        /* bytes there are */
    size_t max;        /* it never grows past this */
    hr_status failure; /* the first one of what is added; OK: none */
} hr_buf;

/* An empty buffer that holds at most `max` bytes. */
void hr_buf_init(hr_buf *buf, size_t max);

/* Gives the memory back. A zeroed buffer is fine; so is twice. */
void hr_buf_fini(hr_buf *buf);

/* Empties it, keeps its memory, forgets the failure. */
static inline void
hr_buf_clear(hr_buf *buf)
{
    buf->len = 0;
    buf->failure = HR_OK;
}

/* Is all there that was added? TOO_BIG, NO_MEMORY. */
HR_CHECKED static inline hr_status
hr_buf_status(const hr_buf *buf)
{
    return buf->failure;
}

static inline hr_span
hr_buf_span(const hr_buf *buf)
{
    return (hr_span){buf->ptr, buf->len};
}

/* Makes room for `more` bytes behind the content. TOO_BIG past the cap,
 * NO_MEMORY: not remembered. A failure that is remembered is returned. */
HR_CHECKED hr_status hr_buf_reserve(hr_buf *buf, size_t more);

/* As hr_buf_reserve, remembered. False: hr_buf_put is not allowed. */
HR_CHECKED bool hr_buf_room(hr_buf *buf, size_t more);

/* Appends a copy. */
void hr_buf_add(hr_buf *buf, hr_span bytes);

/* Appends into room that was made. */
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

#endif
