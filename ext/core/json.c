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

#include "json_text.h"

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
            length = ps_json_escape_length(p, json->end);
            json->flags |= PS_JSON_ESCAPED;
        } else {
            length = ps_json_utf8_length(p, json->end);
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

/* The same, for a number of ten digits at once. */
static inline const char *
skip_digits_at_once(const char *p, const char *end)
{
#ifdef __SSE2__
    if (end - p >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i digits =
            _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('0' - 1)),
                          _mm_cmplt_epi8(bytes, _mm_set1_epi8('9' + 1)));
        unsigned mask = (unsigned)_mm_movemask_epi8(digits);
        if (mask != 0xffff) {
            return p + __builtin_ctz(~mask);
        }
        p += 16;
    }
#endif
    return skip_digits(p, end);
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
    if (kind == PS_JSON_FLOAT && ps_json_is_huge(json->text)) {
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

static bool
same_name(const char *text, const ps_json_member *a, const ps_json_member *b)
{
    ps_span x = {text + a->name, a->name_len};
    ps_span y = {text + b->name, b->name_len};
    if (((a->name_flags | b->name_flags) & PS_JSON_ESCAPED) == 0) {
        return ps_span_equal(x, y);
    }
    return ps_json_same_escaped(x, y);
}

/* Names that happen to be there lead to a place or two each; who needs more
 * steps than these was given names that were made to lead to the same one. */
#define STEPS_A_NAME 32

/* Does any name come twice among many, or would it take too long to tell? */
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
    size_t steps = STEPS_A_NAME * count;
    memset(heads, 0, size * sizeof(*heads));
    for (size_t i = 0; i < count; i++) {
        size_t at = members[i].hash & (size - 1);
        while (heads[at] != 0) {
            const ps_json_member *other = &members[heads[at] - 1];
            if (steps-- == 0) {
                return true;
            }
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

/* Are the hashes of a few names all different? True is sure, false is not. */
static inline bool
surely_differ(const ps_json_member *members, size_t count)
{
    uint64_t low = 0, high = 0; /* sets of six bits of each hash */
    bool differ = true;
    for (size_t i = 0; i < count; i++) {
        uint64_t in_low = (uint64_t)1 << (members[i].hash & 63);
        uint64_t in_high = (uint64_t)1 << (members[i].hash >> 26);
        differ &= (low & in_low) == 0 || (high & in_high) == 0;
        low |= in_low;
        high |= in_high;
    }
    return differ;
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
    if (surely_differ(members, count)) {
        return false;
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
                       : ps_json_hash_escaped(json->text);
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

/* Reads members of the outermost object as long as they are written the way
 * nearly all are: no space, and a string without escapes or wide characters
 * or a short whole number as the value. What is written in any other way is
 * left to next(). Answers how many members there are now, with those of
 * before. */
static inline size_t
read_plain_members(ps_json *json, const char *start, ps_json_member *members,
                   size_t top)
{
    const char *p = json->at, *end = json->end;
    for (;;) {
        if (json->expects == COMMA_OR_CLOSE) {
            if (p == end || *p != ',') {
                return top;
            }
            p++;
        }
        if (p == end || *p != '"') {
            return top;
        }
        const char *name = p + 1;
        const char *close = find_special(name, end);
        if (end - close < 3 || close[0] != '"' || close[1] != ':') {
            return top;
        }
        ps_span text = {name, (size_t)(close - name)};
        const char *value = close + 2, *past;
        bool string = *value == '"';
        if (string) {
            value++;
            past = find_special(value, end);
            if (past == end || *past != '"') {
                return top;
            }
        } else {
            past = skip_digits_at_once(value, end);
            if (past == value || past == end ||
                (*value == '0' && past - value > 1) ||
                past - value > PS_JSON_DIGITS_MAX ||
                (*past != ',' && *past != '}')) {
                return top;
            }
        }
        members[top++] = (ps_json_member){
            .name = (uint32_t)(name - start),
            .name_len = (uint32_t)text.len,
            .value = (uint32_t)(value - start),
            .value_len = (uint32_t)(past - value),
            .hash = ps_json_hash(text),
            .kind = string ? PS_JSON_STRING : PS_JSON_INTEGER,
        };
        p = past + string;
        json->at = p;
        json->expects = COMMA_OR_CLOSE;
    }
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
    top = read_plain_members(&json, text.ptr, members, 0);
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
                top = read_plain_members(&json, text.ptr, members, top);
            }
            break;
        }
        default:
            seen |= json.flags & PS_JSON_HUGE;
            if (json.depth == 1) {
                note_value(&members[top - 1], &json, kind, text.ptr);
                top = read_plain_members(&json, text.ptr, members, top);
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
