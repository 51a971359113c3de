/* SPDX-License-Identifier: MIT */
/* RESP2 requests: `*<count>\r\n`, then `$<length>\r\n<bytes>\r\n` for each
 * argument. */
#include "redis_command.h"

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
        at += ps_buf_format_number(at, length);
    }
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

ps_status
ps_redis_command_begin(ps_buf *out, size_t arguments)
{
    ps_status status = ps_buf_reserve(out, NUMBER_ROOM);
    if (status == PS_OK) {
        char *end = put_length(out->ptr + out->len, '*', arguments);
        out->len = (size_t)(end - out->ptr);
    }
    return status;
}

ps_status
ps_redis_command_text(ps_buf *out, ps_span argument)
{
    ps_status status = ps_buf_reserve(out, NUMBER_ROOM + argument.len + 2);
    if (status == PS_OK) {
        char *at = put_length(out->ptr + out->len, '$', argument.len);
        if (argument.len != 0) {
            memcpy(at, argument.ptr, argument.len);
        }
        at += argument.len;
        *at++ = '\r';
        *at++ = '\n';
        out->len = (size_t)(at - out->ptr);
    }
    return status;
}

ps_status
ps_redis_command_number(ps_buf *out, uint64_t argument)
{
    char digits[20];
    size_t len = ps_buf_format_number(digits, argument);
    return ps_redis_command_text(out, (ps_span){digits, len});
}

ps_status
ps_redis_command_words(ps_buf *out, ps_span words)
{
    size_t count = 1;
    for (size_t i = 0; i < words.len; i++) {
        count += words.ptr[i] == ' ';
    }
    ps_status status = ps_redis_command_begin(out, count);
    while (status == PS_OK && count-- > 0) {
        const char *space = count != 0 ? memchr(words.ptr, ' ', words.len)
                                       : words.ptr + words.len;
        size_t len = (size_t)(space - words.ptr);
        status = ps_redis_command_text(out, (ps_span){words.ptr, len});
        words = ps_span_from(words, count != 0 ? len + 1 : len);
    }
    return status;
}
