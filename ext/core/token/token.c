/* SPDX-License-Identifier: MIT */
/* The block of a token, in this order: the struct, the index, the text, the
 * payload, the key id. */
#include "token/token.h"

#include <string.h>

#include "base/alloc.h"

/* A copy of `bytes` at `*to`, which moves on; an absent span stays absent. */
static hr_span
place(char **to, hr_span bytes)
{
    if (bytes.ptr == NULL) {
        return HR_NO_SPAN;
    }
    hr_span copy = {*to, bytes.len};
    if (bytes.len != 0) {
        memcpy(*to, bytes.ptr, bytes.len);
    }
    *to += bytes.len;
    return copy;
}

hr_token *
hr_token_new(const hr_token *parts)
{
    size_t index_size = parts->member_count * sizeof(*parts->members);
    size_t size = sizeof(*parts) + index_size + parts->text.len +
                  parts->payload.len + parts->key_id.len;
    hr_token *token = hr_alloc(size);
    if (token == NULL) {
        return NULL;
    }
    *token = *parts;
    atomic_init(&token->references, 1);
    token->size = size;
    char *to = (char *)(token + 1);
    if (index_size != 0) {
        memcpy(to, parts->members, index_size);
    }
    token->members = (const hr_json_member *)(const void *)to;
    to += index_size;
    token->text = place(&to, parts->text);
    token->header = (hr_span){token->text.ptr, parts->header.len};
    token->payload = place(&to, parts->payload);
    token->key_id = place(&to, parts->key_id);
    return token;
}

hr_token *
hr_token_retain(hr_token *token)
{
    atomic_fetch_add_explicit(&token->references, 1, memory_order_relaxed);
    return token;
}

void
hr_token_release(hr_token *token)
{
    if (token == NULL ||
        atomic_fetch_sub_explicit(&token->references, 1,
                                  memory_order_acq_rel) != 1) {
        return;
    }
    /* What it held is personal. */
    explicit_bzero((char *)token->text.ptr,
                   token->size - (size_t)(token->text.ptr - (char *)token));
    hr_alloc_free(token);
}

const hr_json_member *
hr_token_find(const hr_token *token, hr_span name)
{
    return hr_json_find(token->payload.ptr, token->members,
                        token->member_count, name);
}

hr_status
hr_token_claim_text(const hr_token *token, hr_span name, char *buffer,
                    size_t size, hr_span *out)
{
    const hr_json_member *member = hr_token_find(token, name);
    if (member == NULL ||
        (member->kind != HR_JSON_STRING && member->kind != HR_JSON_INTEGER)) {
        return HR_ABSENT;
    }
    hr_span text = {token->payload.ptr + member->value, member->value_len};
    if ((member->flags & HR_JSON_ESCAPED) == 0) {
        *out = text;
        return text.len <= size ? HR_OK : HR_ABSENT;
    }
    if (text.len > size) {
        /* Resolved it may fit, but only just: escapes shrink. */
        char *room = hr_alloc(text.len);
        if (room == NULL) {
            return HR_ABSENT;
        }
        size_t len = hr_json_text_unescape(text, room);
        if (len <= size) {
            memcpy(buffer, room, len);
            *out = (hr_span){buffer, len};
        }
        hr_alloc_free(room);
        return len <= size ? HR_OK : HR_ABSENT;
    }
    *out = (hr_span){buffer, hr_json_text_unescape(text, buffer)};
    return HR_OK;
}
