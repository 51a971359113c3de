/* SPDX-License-Identifier: MIT */
/* RESP2 requests: `*<count>\r\n`, then `$<length>\r\n<bytes>\r\n` for each
 * argument. */
#include "redis/command.h"

#include <string.h>

#define NUMBER_ROOM 24 /* a mark, 20 digits, CR and LF */

/* Nearly every length has one digit or two. */
static inline char *
put_length(char *at, char mark, size_t length)
{
    *at++ = mark;
    if (length < 10) {
        *at++ = (char)('0' + length);
    } else if (length < 100) {
        *at++ = (char)('0' + length / 10);
        *at++ = (char)('0' + length % 10);
    } else {
        char digits[20];
        hr_span text = hr_buf_number_text(digits, length);
        memcpy(at, text.ptr, text.len);
        at += text.len;
    }
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

void
hr_redis_command_begin(hr_buf *out, size_t arguments)
{
    if (hr_buf_room(out, NUMBER_ROOM)) {
        char *end = put_length(out->ptr + out->len, '*', arguments);
        out->len = (size_t)(end - out->ptr);
    }
}

static inline char *
put_bytes(char *at, hr_span bytes)
{
    if (bytes.len != 0) {
        memcpy(at, bytes.ptr, bytes.len);
    }
    return at + bytes.len;
}

void
hr_redis_command_text(hr_buf *out, hr_span argument)
{
    hr_redis_command_key(out, HR_NO_SPAN, HR_NO_SPAN, argument);
}

void
hr_redis_command_key(hr_buf *out, hr_span prefix, hr_span kind, hr_span name)
{
    size_t len = prefix.len + kind.len + name.len;
    if (hr_buf_room(out, NUMBER_ROOM + len + 2)) {
        char *at = put_length(out->ptr + out->len, '$', len);
        at = put_bytes(put_bytes(put_bytes(at, prefix), kind), name);
        *at++ = '\r';
        *at++ = '\n';
        out->len = (size_t)(at - out->ptr);
    }
}

void
hr_redis_command_number(hr_buf *out, uint64_t argument)
{
    char digits[20];
    hr_redis_command_text(out, hr_buf_number_text(digits, argument));
}

void
hr_redis_command_words(hr_buf *out, hr_span words)
{
    size_t count = 1;
    for (size_t i = 0; i < words.len; i++) {
        count += words.ptr[i] == ' ';
    }
    hr_redis_command_begin(out, count);
    while (count-- > 0) {
        const char *space = count != 0 ? memchr(words.ptr, ' ', words.len)
                                       : words.ptr + words.len;
        size_t len = (size_t)(space - words.ptr);
        hr_redis_command_text(out, (hr_span){words.ptr, len});
        words = hr_span_from(words, count != 0 ? len + 1 : len);
    }
}
