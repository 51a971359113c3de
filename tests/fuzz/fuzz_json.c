/* SPDX-License-Identifier: MIT */
/* Any bytes as JSON: every item lies inside the text, the index lists what
 * the reader gives, and no name of it comes twice. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../ext/core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_inside(ps_span part, ps_span whole)
{
    return part.ptr >= whole.ptr &&
           part.ptr + part.len <= whole.ptr + whole.len;
}

static void
check_string(ps_span raw, unsigned flags)
{
    char *plain = malloc(raw.len + 1);
    assert(plain != NULL);
    size_t len = ps_json_unescape(raw, plain);
    assert(len <= raw.len);
    assert(ps_json_same_string(raw, flags, (ps_span){plain, len}));
    free(plain);
}

static void
check_number(ps_span number)
{
    int64_t whole;
    assert(ps_json_same_number(number, number));
    (void)!ps_json_whole(number, &whole);
}

/* Reads item by item; is the whole text one value? */
static bool
read_all(ps_span text)
{
    ps_json json;
    ps_json_init(&json, text);
    for (;;) {
        ps_json_kind kind = ps_json_next(&json);
        assert(json.at >= text.ptr && json.at <= json.end);
        assert(json.depth <= PS_JSON_DEPTH_MAX);
        switch (kind) {
        case PS_JSON_ERROR:
            assert(ps_json_next(&json) == PS_JSON_ERROR);
            return false;
        case PS_JSON_END:
            return true;
        case PS_JSON_STRING:
        case PS_JSON_NAME:
            assert(is_inside(json.text, text));
            check_string(json.text, json.flags);
            break;
        case PS_JSON_INTEGER:
        case PS_JSON_FLOAT:
            assert(is_inside(json.text, text));
            check_number(json.text);
            break;
        default:
            assert(is_inside(json.text, text));
            break;
        }
    }
}

static void
check_members(ps_span text, const ps_json_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const ps_json_member *m = &members[i];
        ps_span name = {text.ptr + m->name, m->name_len};
        ps_span value = {text.ptr + m->value, m->value_len};
        assert(is_inside(name, text) && is_inside(value, text));
        char *plain = malloc(name.len + 1);
        assert(plain != NULL);
        size_t len = ps_json_unescape(name, plain);
        assert(ps_json_hash((ps_span){plain, len}) == m->hash);
        assert(ps_json_find(text.ptr, members, count, (ps_span){plain, len}) ==
               m);
        free(plain);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ps_span text = {(const char *)data, size};
    size_t capacity = PS_JSON_SCRATCH_SIZE(size), count;
    unsigned flags;
    ps_json_scratch scratch = {
        .members = calloc(capacity, sizeof(*scratch.members)),
        .heads = calloc(2 * capacity, sizeof(*scratch.heads)),
        .capacity = capacity,
    };
    assert(scratch.members != NULL && scratch.heads != NULL);
    bool whole = read_all(text);
    if (ps_json_index(text, &scratch, &count, &flags) == PS_OK) {
        assert(whole);
        check_members(text, scratch.members, count);
    }
    free(scratch.members);
    free(scratch.heads);
    return 0;
}
