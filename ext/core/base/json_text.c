/* SPDX-License-Identifier: MIT */
/* Characters that the reader looks at one by one, and numbers and strings
 * that it has accepted, without allocation: a number is its digits and the
 * place of the point, a string with escapes is walked byte by byte. */
#include "base/json_text.h"

#include "base/json.h"

size_t
hr_json_text_escape_length(const char *p, const char *end)
{
    if (end - p < 2) {
        return 0;
    }
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return 2;
    case 'u':
        break;
    default:
        return 0;
    }
    int32_t unit = hr_json_text_hex4(p + 2, end);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
        return 0;
    }
    if (unit < 0xd800 || unit > 0xdbff) {
        return 6;
    }
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u') {
        return 0;
    }
    int32_t low = hr_json_text_hex4(p + 8, end);
    return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

/* A number without its sign as digits and the place of the point: the value
 * is 0.d1d2d3... times ten to the power `point`; no digits: zero. The digits
 * are those of `text` from `first` on, the '.' left out. */
typedef struct decimal {
    const char *first; /* the first digit that is not 0 */
    const char *end;   /* behind the last one that is not 0 */
    int64_t point;
    bool negative;
} decimal;

static decimal
read_decimal(hr_span number)
{
    const char *p = number.ptr, *end = number.ptr + number.len;
    decimal d = {.negative = *p == '-'};
    bool fraction = false;
    for (p += d.negative; p < end && (*p | 0x20) != 'e'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        if (*p != '0') {
            if (d.first == NULL) {
                d.first = p;
            }
            d.end = p + 1;
        }
        if (d.first != NULL && !fraction) {
            d.point++;
        } else if (d.first == NULL && fraction) {
            d.point--;
        }
    }
    if (p < end) {
        bool down = p[1] == '-';
        int64_t exponent = 0;
        for (p += 1 + (down || p[1] == '+'); p < end; p++) {
            if (exponent < 1000000000) { /* far beyond any text's length */
                exponent = exponent * 10 + (*p - '0');
            }
        }
        d.point += down ? -exponent : exponent;
    }
    return d;
}

/* A float is too large for a double from 2^1024 - 2^970 on; the first twenty
 * of its digits decide here. */
bool
hr_json_text_is_huge(hr_span number)
{
    static const char LIMIT[] = "17976931348623158079";
    decimal d = read_decimal(number);
    if (d.first == NULL || d.point != 309) {
        return d.first != NULL && d.point > 309;
    }
    size_t at = 0;
    for (const char *p = d.first; p < d.end && LIMIT[at] != '\0'; p++) {
        if (*p == '.') {
            continue;
        }
        if (*p != LIMIT[at]) {
            return *p > LIMIT[at];
        }
        at++;
    }
    return LIMIT[at] == '\0';
}

static size_t
put_utf8(uint32_t point, char *out)
{
    unsigned char *to = (unsigned char *)out;
    if (point < 0x80) {
        to[0] = (unsigned char)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (unsigned char)(0xc0 | point >> 6);
        to[1] = (unsigned char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (unsigned char)(0xe0 | point >> 12);
        to[1] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
        to[2] = (unsigned char)(0x80 | (point & 0x3f));
        return 3;
    }
    to[0] = (unsigned char)(0xf0 | point >> 18);
    to[1] = (unsigned char)(0x80 | (point >> 12 & 0x3f));
    to[2] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
    to[3] = (unsigned char)(0x80 | (point & 0x3f));
    return 4;
}

/* One character, or one byte of a wide one, of an accepted string from `*p`
 * on, as UTF-8 in `out`; answers how many bytes. */
static size_t
step(const char **p, const char *end, char out[4])
{
    const char *at = *p;
    if (*at != '\\') {
        out[0] = *at;
        *p = at + 1;
        return 1;
    }
    static const char NAMES[] = "bfnrt", BYTES[] = "\b\f\n\r\t";
    if (at[1] != 'u') {
        const char *name = strchr(NAMES, at[1]);
        out[0] = name != NULL ? BYTES[name - NAMES] : at[1];
        *p = at + 2;
        return 1;
    }
    uint32_t point = (uint32_t)hr_json_text_hex4(at + 2, end);
    *p = at + 6;
    if (point >= 0xd800 && point <= 0xdbff) {
        uint32_t low = (uint32_t)hr_json_text_hex4(at + 8, end);
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        *p = at + 12;
    }
    return put_utf8(point, out);
}

size_t
hr_json_text_unescape(hr_span text, char *out)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    char *to = out;
    while (p < end) {
        char bytes[4];
        size_t count = step(&p, end, bytes);
        memcpy(to, bytes, count);
        to += count;
    }
    return (size_t)(to - out);
}

/* Walks an accepted string, escapes or not, as the bytes it stands for. */
typedef struct walker {
    const char *at;
    const char *end;
    char bytes[4];
    size_t have;
    size_t used;
} walker;

static int
walk(walker *w)
{
    if (w->used == w->have) {
        if (w->at == w->end) {
            return -1;
        }
        w->have = step(&w->at, w->end, w->bytes);
        w->used = 0;
    }
    return (unsigned char)w->bytes[w->used++];
}

bool
hr_json_text_same_escaped(hr_span a, hr_span b)
{
    walker x = {.at = a.ptr, .end = a.ptr + a.len};
    walker y = {.at = b.ptr, .end = b.ptr + b.len};
    int byte;
    do {
        byte = walk(&x);
        if (byte != walk(&y)) {
            return false;
        }
    } while (byte >= 0);
    return true;
}

bool
hr_json_text_same_string(hr_span text, unsigned flags, hr_span plain)
{
    if ((flags & HR_JSON_ESCAPED) == 0) {
        return hr_span_equal(text, plain);
    }
    walker x = {.at = text.ptr, .end = text.ptr + text.len};
    for (size_t i = 0; i < plain.len; i++) {
        if (walk(&x) != (unsigned char)plain.ptr[i]) {
            return false;
        }
    }
    return walk(&x) < 0;
}

uint32_t
hr_json_text_hash_escaped(hr_span name)
{
    walker w = {.at = name.ptr, .end = name.ptr + name.len};
    char start[16], last[8] = {0};
    uint64_t hash = 0;
    size_t len = 0;
    for (int byte; (byte = walk(&w)) >= 0;) {
        if (len < sizeof(start)) {
            start[len] = (char)byte;
        }
        memmove(last, last + 1, sizeof(last) - 1);
        last[sizeof(last) - 1] = (char)byte;
        len++;
        if (len % sizeof(last) == 0) {
            hash =
                hr_json_hash_mix(hash, hr_json_hash_load(last, sizeof(last)));
        }
    }
    if (len <= sizeof(start)) {
        return hr_json_hash((hr_span){start, len});
    }
    return (uint32_t)hr_json_hash_mix(
        hr_json_hash_mix(hash, hr_json_hash_load(last, sizeof(last))), len);
}

bool
hr_json_text_whole(hr_span number, int64_t *whole)
{
    decimal d = read_decimal(number);
    uint64_t value = 0;
    if (d.first != NULL && d.point > 19) {
        return false;
    }
    const char *p = d.first;
    for (int64_t place = 0; d.first != NULL && place < d.point; place++) {
        if (p < d.end && *p == '.') {
            p++;
        }
        uint64_t digit = p < d.end ? (uint64_t)(*p++ - '0') : 0;
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (value > INT64_MAX) {
        return false;
    }
    *whole = d.negative ? -(int64_t)value : (int64_t)value;
    return true;
}

bool
hr_json_text_same_number(hr_span a, hr_span b)
{
    decimal x = read_decimal(a), y = read_decimal(b);
    if (x.first == NULL || y.first == NULL) {
        return x.first == NULL && y.first == NULL;
    }
    if (x.negative != y.negative || x.point != y.point) {
        return false;
    }
    for (;;) {
        if (x.first < x.end && *x.first == '.') {
            x.first++;
        }
        if (y.first < y.end && *y.first == '.') {
            y.first++;
        }
        if (x.first == x.end || y.first == y.end) {
            return x.first == x.end && y.first == y.end;
        }
        if (*x.first++ != *y.first++) {
            return false;
        }
    }
}
