/* SPDX-License-Identifier: MIT */
/* Growth is by doubling, so appending n bytes costs O(n) in all. No sum of
 * sizes is formed before it is known not to wrap. */
#include "base/buf.h"

#include "base/alloc.h"

void
hr_buf_init(hr_buf *buf, size_t max)
{
    *buf = (hr_buf){.max = max};
}

void
hr_buf_fini(hr_buf *buf)
{
    hr_alloc_free(buf->ptr);
    hr_buf_init(buf, buf->max);
}

hr_status
hr_buf_reserve(hr_buf *buf, size_t more)
{
    if (buf->failure != HR_OK || more <= buf->cap - buf->len) {
        return buf->failure;
    }
    if (more > buf->max - buf->len) {
        return HR_TOO_BIG;
    }
    size_t need = buf->len + more;
    size_t cap = buf->cap < 256 ? 256 : buf->cap;
    while (cap < need) {
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    }
    if (cap > buf->max) {
        cap = buf->max;
    }
    char *grown = hr_alloc_resize(buf->ptr, cap);
    if (grown == NULL) {
        return HR_NO_MEMORY;
    }
    buf->ptr = grown;
    buf->cap = cap;
    return HR_OK;
}

bool
hr_buf_room(hr_buf *buf, size_t more)
{
    buf->failure = hr_buf_reserve(buf, more);
    return buf->failure == HR_OK;
}

void
hr_buf_add(hr_buf *buf, hr_span bytes)
{
    if (hr_buf_room(buf, bytes.len) && bytes.len != 0) {
        hr_buf_put(buf, bytes.ptr, bytes.len);
    }
}

/* 00 to 99: two digits for each division. */
static const char PAIRS[] =
    "000102030405060708091011121314151617181920212223242526272829"
    "303132333435363738394041424344454647484950515253545556575859"
    "606162636465666768697071727374757677787980818283848586878889"
    "90919293949596979899";

hr_span
hr_buf_number_text(char room[20], uint64_t number)
{
    char *at = room + 20;
    while (number >= 100) {
        at -= 2;
        memcpy(at, PAIRS + 2 * (number % 100), 2);
        number /= 100;
    }
    if (number >= 10) {
        at -= 2;
        memcpy(at, PAIRS + 2 * number, 2);
    } else {
        *--at = (char)('0' + number);
    }
    return (hr_span){at, (size_t)(room + 20 - at)};
}

void
hr_buf_put_number(hr_buf *buf, uint64_t number)
{
    char room[20];
    hr_span text = hr_buf_number_text(room, number);
    hr_buf_put(buf, text.ptr, text.len);
}
