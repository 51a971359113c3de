/* SPDX-License-Identifier: MIT */
/* The block of a token, in this order: the struct, the index, the text, the
 * payload, the key id. */
#include "token.h"

#include <string.h>

#include "alloc.h"

/* A copy of `bytes` at `*to`, which moves on; an absent span stays absent. */
static ps_span
place(char **to, ps_span bytes)
{
    if (bytes.ptr == NULL) {
        return PS_NO_SPAN;
    }
    ps_span copy = {*to, bytes.len};
    if (bytes.len != 0) {
        memcpy(*to, bytes.ptr, bytes.len);
    }
    *to += bytes.len;
    return copy;
}

ps_token *
ps_token_new(const ps_token *parts)
{
    size_t index_size = parts->member_count * sizeof(*parts->members);
    size_t size = sizeof(*parts) + index_size + parts->text.len +
                  parts->payload.len + parts->key_id.len;
    ps_token *token = ps_malloc(size);
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
    token->members = (const ps_json_member *)(const void *)to;
    to += index_size;
    token->text = place(&to, parts->text);
    token->header = (ps_span){token->text.ptr, parts->header.len};
    token->payload = place(&to, parts->payload);
    token->key_id = place(&to, parts->key_id);
    return token;
}

ps_token *
ps_token_retain(ps_token *token)
{
    atomic_fetch_add_explicit(&token->references, 1, memory_order_relaxed);
    return token;
}

void
ps_token_release(ps_token *token)
{
    if (token == NULL ||
        atomic_fetch_sub_explicit(&token->references, 1,
                                  memory_order_acq_rel) != 1) {
        return;
    }
    /* What it held is personal. */
    explicit_bzero((char *)token->text.ptr,
                   token->size - (size_t)(token->text.ptr - (char *)token));
    ps_free(token);
}

const ps_json_member *
ps_token_find(const ps_token *token, ps_span name)
{
    return ps_json_find(token->payload.ptr, token->members,
                        token->member_count, name);
}

ps_status
ps_token_claim_text(const ps_token *token, ps_span name, char *buffer,
                    size_t size, ps_span *out)
{
    const ps_json_member *member = ps_token_find(token, name);
    if (member == NULL ||
        (member->kind != PS_JSON_STRING && member->kind != PS_JSON_INTEGER)) {
        return PS_ABSENT;
    }
    ps_span text = {token->payload.ptr + member->value, member->value_len};
    if ((member->flags & PS_JSON_ESCAPED) == 0) {
        *out = text;
        return text.len <= size ? PS_OK : PS_ABSENT;
    }
    if (text.len > size) {
        /* Resolved it may fit, but only just: escapes shrink. */
        char *room = ps_malloc(text.len);
        if (room == NULL) {
            return PS_ABSENT;
        }
        size_t len = ps_json_unescape(text, room);
        if (len <= size) {
            memcpy(buffer, room, len);
            *out = (ps_span){buffer, len};
        }
        ps_free(room);
        return len <= size ? PS_OK : PS_ABSENT;
    }
    *out = (ps_span){buffer, ps_json_unescape(text, buffer)};
    return PS_OK;
}
