/* SPDX-License-Identifier: MIT */
/* The JSON reader is a pull parser: its whole state is the place in the text,
 * one bit a level (array or object) and what the grammar allows next, so that
 * depth costs no stack.
 *
 * Duplicate names are looked for when an object closes. The names of all
 * objects that are open lie on one stack (the scratch): at the close, the top
 * of the stack is exactly the closing object's names, and what remains at the
 * end is the index of the outermost one. Up to FEW names are compared with
 * each other, more go through an open-addressing table, so that the cost is
 * linear in the text. */
#include "json.h"

#include <assert.h>

#ifdef __SSE2__ /* every x86-64 has it */
#include <emmintrin.h>
#endif

#define FEW 16

/* What the grammar allows next. */
enum {
    VALUE,          /* a value */
    VALUE_OR_CLOSE, /* after '[' */
    NAME_OR_CLOSE,  /* after '{' */
    COMMA_OR_CLOSE, /* after a value inside an array or object */
    NOTHING,        /* after the outermost value */
    FAILED
};

void
ps_json_init(ps_json *json, ps_span text)
{
    *json = (ps_json){
        .at = text.ptr,
        .end = text.ptr + text.len,
        .expects = VALUE,
    };
}

static ps_json_kind
fail(ps_json *json)
{
    json->expects = FAILED;
    return PS_JSON_ERROR;
}

static inline void
skip_space(ps_json *json)
{
    while (json->at < json->end && (*json->at == ' ' || *json->at == '\n' ||
                                    *json->at == '\r' || *json->at == '\t')) {
        json->at++;
    }
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hex digits at `p`, or -1. */
static int32_t
hex4(const char *p, const char *end)
{
    int32_t value = 0;
    if (end - p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* The length of the escape at `p` (a backslash), 0 when it is none. A pair of
 * surrogates is one escape; half a pair is none. */
static size_t
escape_length(const char *p, const char *end)
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
    int32_t unit = hex4(p + 2, end);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
        return 0;
    }
    if (unit < 0xd800 || unit > 0xdbff) {
        return 6;
    }
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u') {
        return 0;
    }
    int32_t low = hex4(p + 8, end);
    return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

/* The length of the UTF-8 sequence of two or more bytes at `p`, 0 when it is
 * none (overlong, a surrogate, over U+10FFFF, cut off). */
static size_t
utf8_length(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    if (u[0] >= 0xc2 && u[0] <= 0xdf) {
        return left >= 2 && (u[1] & 0xc0) == 0x80 ? 2 : 0;
    }
    if (u[0] >= 0xe0 && u[0] <= 0xef) {
        unsigned char low = u[0] == 0xe0 ? 0xa0 : 0x80;
        unsigned char high = u[0] == 0xed ? 0x9f : 0xbf;
        return left >= 3 && u[1] >= low && u[1] <= high &&
                       (u[2] & 0xc0) == 0x80
                   ? 3
                   : 0;
    }
    if (u[0] >= 0xf0 && u[0] <= 0xf4) {
        unsigned char low = u[0] == 0xf0 ? 0x90 : 0x80;
        unsigned char high = u[0] == 0xf4 ? 0x8f : 0xbf;
        return left >= 4 && u[1] >= low && u[1] <= high &&
                       (u[2] & 0xc0) == 0x80 && (u[3] & 0xc0) == 0x80
                   ? 4
                   : 0;
    }
    return 0;
}

/* The first byte from `p` on that is not plain inside a string: a quote, a
 * backslash, a control character or a byte over 127. */
static inline const char *
find_special(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(' ');
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i marks = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
                         _mm_cmpeq_epi8(bytes, slash)),
            _mm_cmplt_epi8(bytes, space)); /* over 127 counts as below 0 */
        unsigned mask = (unsigned)_mm_movemask_epi8(marks);
        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (signed char)*p >= 0x20) {
        p++;
    }
    return p;
}

/* Reads the string whose first byte after the quote is json->at. */
static inline bool
read_string(ps_json *json)
{
    const char *p = json->at;
    json->flags = 0;
    json->text.ptr = p;
    for (;;) {
        p = find_special(p, json->end);
        if (p == json->end) {
            return false;
        }
        if (*p == '"') {
            break;
        }
        size_t length;
        if (*p == '\\') {
            length = escape_length(p, json->end);
            json->flags |= PS_JSON_ESCAPED;
        } else {
            length = utf8_length(p, json->end);
            json->flags |= PS_JSON_WIDE;
        }
        if (length == 0) {
            return false;
        }
        p += length;
    }
    json->text.len = (size_t)(p - json->text.ptr);
    json->at = p + 1;
    return true;
}

static inline const char *
skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p;
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
read_decimal(ps_span number)
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
static bool
is_huge(ps_span number)
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

static inline ps_json_kind
read_number(ps_json *json)
{
    const char *start = json->at, *end = json->end;
    const char *p = start + (*start == '-');
    json->flags = 0;
    const char *digits = p;
    p = skip_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1) ||
        p - digits > PS_JSON_DIGITS_MAX) {
        return fail(json);
    }
    ps_json_kind kind = PS_JSON_INTEGER;
    if (p < end && *p == '.') {
        kind = PS_JSON_FLOAT;
        const char *fraction = ++p;
        p = skip_digits(p, end);
        if (p == fraction) {
            return fail(json);
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        kind = PS_JSON_FLOAT;
        p++;
        p += p < end && (*p == '+' || *p == '-');
        const char *exponent = p;
        p = skip_digits(p, end);
        if (p == exponent) {
            return fail(json);
        }
    }
    json->text = (ps_span){start, (size_t)(p - start)};
    json->at = p;
    if (kind == PS_JSON_FLOAT && is_huge(json->text)) {
        json->flags = PS_JSON_HUGE;
    }
    return kind;
}

static inline ps_json_kind
read_word(ps_json *json, ps_span word, ps_json_kind kind)
{
    ps_span rest = {json->at, (size_t)(json->end - json->at)};
    if (!ps_span_starts_with(rest, word)) {
        return fail(json);
    }
    json->text = (ps_span){json->at, word.len};
    json->flags = 0;
    json->at += word.len;
    return kind;
}

static inline bool
in_object(const ps_json *json)
{
    return (json->shape >> (json->depth - 1) & 1) != 0;
}

/* A value, an array or an object has ended: what may follow? */
static inline void
after_value(ps_json *json)
{
    json->expects = json->depth == 0 ? NOTHING : COMMA_OR_CLOSE;
}

static inline ps_json_kind
open_level(ps_json *json, bool object)
{
    if (json->depth == PS_JSON_DEPTH_MAX) {
        return fail(json);
    }
    uint32_t bit = (uint32_t)1 << json->depth;
    json->shape = object ? json->shape | bit : json->shape & ~bit;
    json->depth++;
    json->text = (ps_span){json->at, 1};
    json->flags = 0;
    json->at++;
    json->expects = object ? NAME_OR_CLOSE : VALUE_OR_CLOSE;
    return object ? PS_JSON_OBJECT : PS_JSON_ARRAY;
}

static inline ps_json_kind
close_level(ps_json *json)
{
    json->text = (ps_span){json->at, 1};
    json->at++;
    json->depth--;
    after_value(json);
    return PS_JSON_CLOSE;
}

static inline ps_json_kind
read_value(ps_json *json)
{
    ps_json_kind kind;
    switch (*json->at) {
    case '{':
        return open_level(json, true);
    case '[':
        return open_level(json, false);
    case '"':
        json->at++;
        kind = read_string(json) ? PS_JSON_STRING : fail(json);
        break;
    case 't':
        kind = read_word(json, PS_SPAN("true"), PS_JSON_TRUE);
        break;
    case 'f':
        kind = read_word(json, PS_SPAN("false"), PS_JSON_FALSE);
        break;
    case 'n':
        kind = read_word(json, PS_SPAN("null"), PS_JSON_NULL);
        break;
    default:
        kind = read_number(json);
        break;
    }
    if (kind != PS_JSON_ERROR) {
        after_value(json);
    }
    return kind;
}

static inline ps_json_kind
read_name(ps_json *json)
{
    if (*json->at != '"') {
        return fail(json);
    }
    json->at++;
    if (!read_string(json)) {
        return fail(json);
    }
    skip_space(json);
    if (json->at == json->end || *json->at != ':') {
        return fail(json);
    }
    json->at++;
    json->expects = VALUE;
    return PS_JSON_NAME;
}

static inline __attribute__((always_inline)) ps_json_kind
next(ps_json *json)
{
    skip_space(json);
    if (json->at == json->end) {
        return json->expects == NOTHING ? PS_JSON_END : fail(json);
    }
    char c = *json->at;
    switch (json->expects) {
    case COMMA_OR_CLOSE: {
        bool object = in_object(json);
        if (c == (object ? '}' : ']')) {
            return close_level(json);
        }
        if (c != ',') {
            return fail(json);
        }
        json->at++;
        skip_space(json);
        if (json->at == json->end) {
            return fail(json);
        }
        return object ? read_name(json) : read_value(json);
    }
    case NAME_OR_CLOSE:
        return c == '}' ? close_level(json) : read_name(json);
    case VALUE_OR_CLOSE:
        return c == ']' ? close_level(json) : read_value(json);
    case VALUE:
        return read_value(json);
    default:
        return fail(json);
    }
}

ps_json_kind
ps_json_next(ps_json *json)
{
    return next(json);
}

bool
ps_json_skip(ps_json *json, ps_json_kind kind)
{
    if (kind != PS_JSON_ARRAY && kind != PS_JSON_OBJECT) {
        return kind != PS_JSON_ERROR;
    }
    unsigned outside = json->depth - 1U;
    while (json->depth > outside) {
        if (next(json) == PS_JSON_ERROR) {
            return false;
        }
    }
    return true;
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
    uint32_t point = (uint32_t)hex4(at + 2, end);
    *p = at + 6;
    if (point >= 0xd800 && point <= 0xdbff) {
        uint32_t low = (uint32_t)hex4(at + 8, end);
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        *p = at + 12;
    }
    return put_utf8(point, out);
}

size_t
ps_json_unescape(ps_span text, char *out)
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

static bool
same_escaped(ps_span a, ps_span b)
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
ps_json_same_string(ps_span text, unsigned flags, ps_span plain)
{
    if ((flags & PS_JSON_ESCAPED) == 0) {
        return ps_span_equal(text, plain);
    }
    walker x = {.at = text.ptr, .end = text.ptr + text.len};
    for (size_t i = 0; i < plain.len; i++) {
        if (walk(&x) != (unsigned char)plain.ptr[i]) {
            return false;
        }
    }
    return walk(&x) < 0;
}

static inline uint64_t
mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 32;
}

static inline uint64_t
load(const char *p, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, p, size);
    return word;
}

/* The length, the first and the last eight bytes: names that agree in these
 * are told apart by comparing them, and there are PS_JSON_MEMBERS_MAX at
 * most. */
uint32_t
ps_json_hash(ps_span name)
{
    uint64_t first = 0, last = 0;
    size_t len = name.len;
    if (len >= 8) {
        first = load(name.ptr, 8);
        last = load(name.ptr + len - 8, 8);
    } else if (len >= 4) {
        first = load(name.ptr, 4);
        last = load(name.ptr + len - 4, 4);
    } else if (len >= 2) {
        first = load(name.ptr, 2);
        last = load(name.ptr + len - 2, 2);
    } else if (len == 1) {
        first = (unsigned char)name.ptr[0];
    }
    return (uint32_t)mix(mix(len, first), last);
}

/* The same for a name with escapes. */
static uint32_t
hash_escaped(ps_span name)
{
    walker w = {.at = name.ptr, .end = name.ptr + name.len};
    char ends[16]; /* the first eight bytes, the last eight */
    size_t len = 0;
    for (int byte; (byte = walk(&w)) >= 0; len++) {
        if (len < 16) {
            ends[len] = (char)byte;
        } else {
            memmove(ends + 8, ends + 9, 7);
            ends[15] = (char)byte;
        }
    }
    if (len <= 16) {
        return ps_json_hash((ps_span){ends, len});
    }
    return (uint32_t)mix(mix(len, load(ends, 8)), load(ends + 8, 8));
}

static bool
same_name(const char *text, const ps_json_member *a, const ps_json_member *b)
{
    ps_span x = {text + a->name, a->name_len};
    ps_span y = {text + b->name, b->name_len};
    if (((a->name_flags | b->name_flags) & PS_JSON_ESCAPED) == 0) {
        return ps_span_equal(x, y);
    }
    return same_escaped(x, y);
}

/* Does any name come twice among many? */
static bool
many_twice(const char *text, const ps_json_member *members, size_t count,
           const ps_json_scratch *scratch)
{
    size_t size = 1;
    while (size < 2 * count && 2 * size <= 2 * scratch->capacity) {
        size *= 2;
    }
    assert(size > count);
    uint32_t *heads = scratch->heads;
    memset(heads, 0, size * sizeof(*heads));
    for (size_t i = 0; i < count; i++) {
        size_t at = members[i].hash & (size - 1);
        while (heads[at] != 0) {
            const ps_json_member *other = &members[heads[at] - 1];
            if (other->hash == members[i].hash &&
                same_name(text, other, &members[i])) {
                return true;
            }
            at = (at + 1) & (size - 1);
        }
        heads[at] = (uint32_t)(i + 1);
    }
    return false;
}

static inline bool
any_twice(const char *text, const ps_json_member *members, size_t count,
          const ps_json_scratch *scratch)
{
    if (count > PS_JSON_MEMBERS_MAX) {
        return true; /* too many to be told apart */
    }
    if (count > FEW) {
        return many_twice(text, members, count, scratch);
    }
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (members[j].hash == members[i].hash &&
                same_name(text, &members[j], &members[i])) {
                return true;
            }
        }
    }
    return false;
}

static inline void
note_name(ps_json_member *member, const ps_json *json, const char *start)
{
    member->name = (uint32_t)(json->text.ptr - start);
    member->name_len = (uint32_t)json->text.len;
    member->name_flags = json->flags;
    member->hash = (json->flags & PS_JSON_ESCAPED) == 0
                       ? ps_json_hash(json->text)
                       : hash_escaped(json->text);
}

static inline void
note_value(ps_json_member *member, const ps_json *json, ps_json_kind kind,
           const char *start)
{
    member->value = (uint32_t)(json->text.ptr - start);
    member->value_len = (uint32_t)json->text.len;
    member->kind = (uint8_t)kind;
    member->flags = json->flags;
}

ps_status
ps_json_index(ps_span text, const ps_json_scratch *scratch, size_t *count,
              unsigned *flags)
{
    ps_json json;
    ps_json_member *members = scratch->members;
    uint32_t base[PS_JSON_DEPTH_MAX + 1]; /* where each level's names begin */
    size_t top = 0;
    unsigned seen = 0;
    ps_json_init(&json, text);
    if (text.len == 0 || next(&json) != PS_JSON_OBJECT) {
        return PS_MALFORMED;
    }
    base[1] = 0;
    for (;;) {
        ps_json_kind kind = next(&json);
        switch (kind) {
        case PS_JSON_ERROR:
            return PS_MALFORMED;
        case PS_JSON_NAME:
            assert(top < scratch->capacity);
            note_name(&members[top++], &json, text.ptr);
            break;
        case PS_JSON_OBJECT:
        case PS_JSON_ARRAY:
            if (json.depth == 2) {
                note_value(&members[top - 1], &json, kind, text.ptr);
            }
            base[json.depth] = (uint32_t)top;
            break;
        case PS_JSON_CLOSE: {
            uint32_t first = base[json.depth + 1];
            if (any_twice(text.ptr, members + first, top - first, scratch)) {
                return PS_MALFORMED;
            }
            if (json.depth == 0) {
                if (next(&json) != PS_JSON_END) {
                    return PS_MALFORMED;
                }
                *count = top;
                *flags = seen;
                return PS_OK;
            }
            top = first;
            if (json.depth == 1) {
                ps_json_member *member = &members[top - 1];
                member->value_len =
                    (uint32_t)(json.at - text.ptr) - member->value;
            }
            break;
        }
        default:
            seen |= json.flags & PS_JSON_HUGE;
            if (json.depth == 1) {
                note_value(&members[top - 1], &json, kind, text.ptr);
            }
            break;
        }
    }
}

const ps_json_member *
ps_json_find(const char *text, const ps_json_member *members, size_t count,
             ps_span name)
{
    uint32_t hash = ps_json_hash(name);
    for (size_t i = 0; i < count; i++) {
        const ps_json_member *member = &members[i];
        if (member->hash == hash &&
            ps_json_same_string(
                (ps_span){text + member->name, member->name_len},
                member->name_flags, name)) {
            return member;
        }
    }
    return NULL;
}

bool
ps_json_whole(ps_span number, int64_t *whole)
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
ps_json_same_number(ps_span a, ps_span b)
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
