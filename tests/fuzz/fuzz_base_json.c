/* SPDX-License-Identifier: MIT */
/* Any bytes as JSON: every item lies inside the text, the index lists what
 * the reader gives, and no name of it comes twice. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_inside(hr_span part, hr_span whole)
{
    return part.ptr >= whole.ptr &&
           part.ptr + part.len <= whole.ptr + whole.len;
}

static void
check_string(hr_span raw, unsigned flags)
{
    char *plain = malloc(raw.len + 1);
    assert(plain != NULL);
    size_t len = hr_json_text_unescape(raw, plain);
    assert(len <= raw.len);
    assert(hr_json_text_same_string(raw, flags, (hr_span){plain, len}));
    free(plain);
}

static void
check_number(hr_span number)
{
    int64_t whole;
    assert(hr_json_text_same_number(number, number));
    (void)!hr_json_text_whole(number, &whole);
}

/* Reads item by item; is the whole text one value? */
static bool
read_all(hr_span text)
{
    hr_json json;
    hr_json_init(&json, text);
    for (;;) {
        hr_json_kind kind = hr_json_next(&json);
        assert(json.at >= text.ptr && json.at <= json.end);
        assert(json.depth <= HR_JSON_DEPTH_MAX);
        switch (kind) {
        case HR_JSON_ERROR:
            assert(hr_json_next(&json) == HR_JSON_ERROR);
            return false;
        case HR_JSON_END:
            return true;
        case HR_JSON_STRING:
        case HR_JSON_NAME:
            assert(is_inside(json.text, text));
            check_string(json.text, json.flags);
            break;
        case HR_JSON_INTEGER:
        case HR_JSON_FLOAT:
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
check_members(hr_span text, const hr_json_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const hr_json_member *m = &members[i];
        hr_span name = {text.ptr + m->name, m->name_len};
        hr_span value = {text.ptr + m->value, m->value_len};
        assert(is_inside(name, text) && is_inside(value, text));
        char *plain = malloc(name.len + 1);
        assert(plain != NULL);
        size_t len = hr_json_text_unescape(name, plain);
        assert(hr_json_hash((hr_span){plain, len}) == m->hash);
        assert(hr_json_find(text.ptr, members, count, (hr_span){plain, len}) ==
               m);
        free(plain);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hr_span text = {(const char *)data, size};
    size_t capacity = HR_JSON_SCRATCH_SIZE(size), count;
    unsigned flags;
    hr_json_scratch scratch = {
        .members = calloc(capacity, sizeof(*scratch.members)),
        .heads = calloc(2 * capacity, sizeof(*scratch.heads)),
        .capacity = capacity,
    };
    assert(scratch.members != NULL && scratch.heads != NULL);
    bool whole = read_all(text);
    if (hr_json_index(text, &scratch, &count, &flags) == HR_OK) {
        assert(whole);
        check_members(text, scratch.members, count);
    }
    free(scratch.members);
    free(scratch.heads);
    return 0;
}
