/* SPDX-License-Identifier: MIT */
/* A strict streaming reader of JSON (RFC 8259) that allocates nothing. UTF-8
 * only, no byte order mark, no lone surrogates, nothing after the value,
 * nesting up to HR_JSON_DEPTH_MAX, integers up to HR_JSON_DIGITS_MAX digits.
 *
 * hr_json_next() gives one item at a time and checks grammar and encoding;
 * hr_json_index() reads a whole object with it, refuses names that come twice
 * (at any depth, however they are spelled) and lists the top members. */
#ifndef HR_BASE_JSON_H
#define HR_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/json_hash.h"
#include "base/span.h"
#include "base/status.h"

typedef enum hr_json_kind {
    HR_JSON_ERROR, /* the text is not JSON; stays so */
    HR_JSON_END,   /* the whole text was one value */
    HR_JSON_NULL,
    HR_JSON_FALSE,
    HR_JSON_TRUE,
    HR_JSON_INTEGER, /* no fraction, no exponent */
    HR_JSON_FLOAT,
    HR_JSON_STRING,
    HR_JSON_ARRAY,  /* begins; its items follow, then CLOSE */
    HR_JSON_OBJECT, /* begins; NAME and value in turn, then CLOSE */
    HR_JSON_NAME,
    HR_JSON_CLOSE
} hr_json_kind;

/* Flags of a string, a name or a number. */
#define HR_JSON_ESCAPED 1U /* holds a backslash escape */
#define HR_JSON_WIDE 2U    /* holds a byte over 127 */
#define HR_JSON_HUGE 4U    /* a number that no double can hold */

typedef struct hr_json {
    const char *at; /* the next byte to read */
    const char *end;
    hr_span text;    /* of the last item: a number's digits, what stands
                        between the quotes of a string or a name */
    uint32_t shape;  /* bit n: level n is an object */
    uint8_t depth;   /* open arrays and objects */
    uint8_t expects; /* what the grammar allows next */
    uint8_t flags;   /* of the last item */
} hr_json;

/* Starts reading `text`, which must outlive the reader. */
void hr_json_init(hr_json *json, hr_span text);

/* The next item; its text and flags are in the reader. */
hr_json_kind hr_json_next(hr_json *json);

/* Reads over the value of `kind` whose first item was just given; false when
 * the text turns out not to be JSON. */
HR_CHECKED bool hr_json_skip(hr_json *json, hr_json_kind kind);

/* One member of an object. Offsets count from the start of the text. */
typedef struct hr_json_member {
    uint32_t name; /* between the quotes */
    uint32_t name_len;
    uint32_t value; /* between the quotes, or the whole value */
    uint32_t value_len;
    uint32_t hash;      /* hr_json_hash() of the name */
    uint8_t kind;       /* hr_json_kind of the value */
    uint8_t name_flags; /* ESCAPED, WIDE */
    uint8_t flags;      /* of the value */
} hr_json_member;

/* Room to work in. An array of HR_JSON_SCRATCH_SIZE(text.len) members and
 * twice as many heads is enough for any text. */
typedef struct hr_json_scratch {
    hr_json_member *members;
    uint32_t *heads;
    size_t capacity; /* of `members`; `heads` has twice as many */
} hr_json_scratch;

#define HR_JSON_SCRATCH_SIZE(len) ((len) / 4 + 1)

/* Reads `text`, which must be one object, and lists its members in order at
 * the start of scratch->members. OK: `*count` is how many, `*flags` has HUGE
 * when any number, at any depth, is. MALFORMED: not JSON, not an object, a
 * name twice, an object of more than HR_JSON_MEMBERS_MAX, or one with
 * over 64 names made to have the same hash. The text is
 * shorter than 4 GiB. */
HR_CHECKED hr_status hr_json_index(hr_span text,
                                   const hr_json_scratch *scratch,
                                   size_t *count, unsigned *flags);

/* The member of that name among `count`; NULL when there is none. Linear. */
const hr_json_member *hr_json_find(const char *text,
                                   const hr_json_member *members, size_t count,
                                   hr_span name);

/* Resolves the escapes of a string or name that the reader has accepted, as
 * UTF-8. Answers the length, which is at most text.len; `out` has room for
 * that. */
size_t hr_json_text_unescape(hr_span text, char *out);

/* The same two strings, once escapes are resolved? Both were accepted by the
 * reader; `plain` has no escapes. */
bool hr_json_text_same_string(hr_span text, unsigned flags, hr_span plain);

/* The whole part of an accepted number, towards zero; false when it does not
 * fit. */
HR_CHECKED bool hr_json_text_whole(hr_span number, int64_t *whole);

/* Are two accepted numbers the same decimal value, "1" and "1.0e0"? */
bool hr_json_text_same_number(hr_span a, hr_span b);

#endif
