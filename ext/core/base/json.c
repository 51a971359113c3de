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
#include "base/json.h"

#include <assert.h>

#include "base/json_text.h"

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
hr_json_init(hr_json *json, hr_span text)
{
    *json = (hr_json){
        .at = text.ptr,
        .end = text.ptr + text.len,
        .expects = VALUE,
    };
}

static hr_json_kind
fail(hr_json *json)
{
    json->expects = FAILED;
    return HR_JSON_ERROR;
}

static inline void
skip_space(hr_json *json)
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
read_string(hr_json *json)
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
            length = hr_json_text_escape_length(p, json->end);
            json->flags |= HR_JSON_ESCAPED;
        } else {
            length = hr_span_utf8_length(p, json->end);
            json->flags |= HR_JSON_WIDE;
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

static inline hr_json_kind
read_number(hr_json *json)
{
    const char *start = json->at, *end = json->end;
    const char *p = start + (*start == '-');
    json->flags = 0;
    const char *digits = p;
    p = skip_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1) ||
        p - digits > HR_JSON_DIGITS_MAX) {
        return fail(json);
    }
    hr_json_kind kind = HR_JSON_INTEGER;
    if (p < end && *p == '.') {
        kind = HR_JSON_FLOAT;
        const char *fraction = ++p;
        p = skip_digits(p, end);
        if (p == fraction) {
            return fail(json);
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        kind = HR_JSON_FLOAT;
        p++;
        p += p < end && (*p == '+' || *p == '-');
        const char *exponent = p;
        p = skip_digits(p, end);
        if (p == exponent) {
            return fail(json);
        }
    }
    json->text = (hr_span){start, (size_t)(p - start)};
    json->at = p;
    if (kind == HR_JSON_FLOAT && hr_json_text_is_huge(json->text)) {
        json->flags = HR_JSON_HUGE;
    }
    return kind;
}

static inline hr_json_kind
read_word(hr_json *json, hr_span word, hr_json_kind kind)
{
    hr_span rest = {json->at, (size_t)(json->end - json->at)};
    if (!hr_span_starts_with(rest, word)) {
        return fail(json);
    }
    json->text = (hr_span){json->at, word.len};
    json->flags = 0;
    json->at += word.len;
    return kind;
}

static inline bool
in_object(const hr_json *json)
{
    return (json->shape >> (json->depth - 1) & 1) != 0;
}

/* A value, an array or an object has ended: what may follow? */
static inline void
after_value(hr_json *json)
{
    json->expects = json->depth == 0 ? NOTHING : COMMA_OR_CLOSE;
}

static inline hr_json_kind
open_level(hr_json *json, bool object)
{
    if (json->depth == HR_JSON_DEPTH_MAX) {
        return fail(json);
    }
    uint32_t bit = (uint32_t)1 << json->depth;
    json->shape = object ? json->shape | bit : json->shape & ~bit;
    json->depth++;
    json->text = (hr_span){json->at, 1};
    json->flags = 0;
    json->at++;
    json->expects = object ? NAME_OR_CLOSE : VALUE_OR_CLOSE;
    return object ? HR_JSON_OBJECT : HR_JSON_ARRAY;
}

static inline hr_json_kind
close_level(hr_json *json)
{
    json->text = (hr_span){json->at, 1};
    json->at++;
    json->depth--;
    after_value(json);
    return HR_JSON_CLOSE;
}

static inline hr_json_kind
read_value(hr_json *json)
{
    hr_json_kind kind;
    switch (*json->at) {
    case '{':
        return open_level(json, true);
    case '[':
        return open_level(json, false);
    case '"':
        json->at++;
        kind = read_string(json) ? HR_JSON_STRING : fail(json);
        break;
    case 't':
        kind = read_word(json, HR_SPAN("true"), HR_JSON_TRUE);
        break;
    case 'f':
        kind = read_word(json, HR_SPAN("false"), HR_JSON_FALSE);
        break;
    case 'n':
        kind = read_word(json, HR_SPAN("null"), HR_JSON_NULL);
        break;
    default:
        kind = read_number(json);
        break;
    }
    if (kind != HR_JSON_ERROR) {
        after_value(json);
    }
    return kind;
}

static inline hr_json_kind
read_name(hr_json *json)
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
    return HR_JSON_NAME;
}

static inline __attribute__((always_inline)) hr_json_kind
next(hr_json *json)
{
    skip_space(json);
    if (json->at == json->end) {
        return json->expects == NOTHING ? HR_JSON_END : fail(json);
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

hr_json_kind
hr_json_next(hr_json *json)
{
    return next(json);
}

bool
hr_json_skip(hr_json *json, hr_json_kind kind)
{
    if (kind != HR_JSON_ARRAY && kind != HR_JSON_OBJECT) {
        return kind != HR_JSON_ERROR;
    }
    unsigned outside = json->depth - 1U;
    while (json->depth > outside) {
        if (next(json) == HR_JSON_ERROR) {
            return false;
        }
    }
    return true;
}

static bool
same_name(const char *text, const hr_json_member *a, const hr_json_member *b)
{
    hr_span x = {text + a->name, a->name_len};
    hr_span y = {text + b->name, b->name_len};
    if (((a->name_flags | b->name_flags) & HR_JSON_ESCAPED) == 0) {
        return hr_span_equal(x, y);
    }
    return hr_json_text_same_escaped(x, y);
}

/* Names that happen to be there lead to a place or two each; who needs more
 * steps than these was given names that were made to lead to the same one. */
#define STEPS_A_NAME 32

/* Does any name come twice among many, or would it take too long to tell? */
static bool
many_twice(const char *text, const hr_json_member *members, size_t count,
           const hr_json_scratch *scratch)
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
            const hr_json_member *other = &members[heads[at] - 1];
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
surely_differ(const hr_json_member *members, size_t count)
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
any_twice(const char *text, const hr_json_member *members, size_t count,
          const hr_json_scratch *scratch)
{
    if (count > HR_JSON_MEMBERS_MAX) {
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
note_name(hr_json_member *member, const hr_json *json, const char *start)
{
    member->name = (uint32_t)(json->text.ptr - start);
    member->name_len = (uint32_t)json->text.len;
    member->name_flags = json->flags;
    member->hash = (json->flags & HR_JSON_ESCAPED) == 0
                       ? hr_json_hash(json->text)
                       : hr_json_text_hash_escaped(json->text);
}

static inline void
note_value(hr_json_member *member, const hr_json *json, hr_json_kind kind,
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
read_plain_members(hr_json *json, const char *start, hr_json_member *members,
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
        hr_span text = {name, (size_t)(close - name)};
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
                past - value > HR_JSON_DIGITS_MAX ||
                (*past != ',' && *past != '}')) {
                return top;
            }
        }
        members[top++] = (hr_json_member){
            .name = (uint32_t)(name - start),
            .name_len = (uint32_t)text.len,
            .value = (uint32_t)(value - start),
            .value_len = (uint32_t)(past - value),
            .hash = hr_json_hash(text),
            .kind = string ? HR_JSON_STRING : HR_JSON_INTEGER,
        };
        p = past + string;
        json->at = p;
        json->expects = COMMA_OR_CLOSE;
    }
}

hr_status
hr_json_index(hr_span text, const hr_json_scratch *scratch, size_t *count,
              unsigned *flags)
{
    hr_json json;
    hr_json_member *members = scratch->members;
    uint32_t base[HR_JSON_DEPTH_MAX + 1]; /* where each level's names begin */
    size_t top = 0;
    unsigned seen = 0;
    hr_json_init(&json, text);
    if (text.len == 0 || next(&json) != HR_JSON_OBJECT) {
        return HR_MALFORMED;
    }
    base[1] = 0;
    top = read_plain_members(&json, text.ptr, members, 0);
    for (;;) {
        hr_json_kind kind = next(&json);
        switch (kind) {
        case HR_JSON_ERROR:
            return HR_MALFORMED;
        case HR_JSON_NAME:
            assert(top < scratch->capacity);
            note_name(&members[top++], &json, text.ptr);
            break;
        case HR_JSON_OBJECT:
        case HR_JSON_ARRAY:
            if (json.depth == 2) {
                note_value(&members[top - 1], &json, kind, text.ptr);
            }
            base[json.depth] = (uint32_t)top;
            break;
        case HR_JSON_CLOSE: {
            uint32_t first = base[json.depth + 1];
            if (any_twice(text.ptr, members + first, top - first, scratch)) {
                return HR_MALFORMED;
            }
            if (json.depth == 0) {
                if (next(&json) != HR_JSON_END) {
                    return HR_MALFORMED;
                }
                *count = top;
                *flags = seen;
                return HR_OK;
            }
            top = first;
            if (json.depth == 1) {
                hr_json_member *member = &members[top - 1];
                member->value_len =
                    (uint32_t)(json.at - text.ptr) - member->value;
                top = read_plain_members(&json, text.ptr, members, top);
            }
            break;
        }
        default:
            seen |= json.flags & HR_JSON_HUGE;
            if (json.depth == 1) {
                note_value(&members[top - 1], &json, kind, text.ptr);
                top = read_plain_members(&json, text.ptr, members, top);
            }
            break;
        }
    }
}

const hr_json_member *
hr_json_find(const char *text, const hr_json_member *members, size_t count,
             hr_span name)
{
    uint32_t hash = hr_json_hash(name);
    for (size_t i = 0; i < count; i++) {
        const hr_json_member *member = &members[i];
        if (member->hash == hash &&
            hr_json_text_same_string(
                (hr_span){text + member->name, member->name_len},
                member->name_flags, name)) {
            return member;
        }
    }
    return NULL;
}
