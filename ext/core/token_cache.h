/* SPDX-License-Identifier: MIT */
/* Verified tokens, so that the second look costs a comparison. Bounded in
 * entries and bytes. See docs/internals/token-cache.md. */
#ifndef PS_TOKEN_CACHE_H
#define PS_TOKEN_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "span.h"
#include "status.h"
#include "token.h"

typedef struct ps_token_cache ps_token_cache;

/* A cache of `capacity` tokens, at least 1. SETTING: over
 * PS_TOKEN_CACHE_TOP. NO_MEMORY; SYSTEM: no page, no randomness. */
PS_CHECKED ps_status ps_token_cache_new(size_t capacity,
                                        ps_token_cache **cache);
/* NULL is fine. Nobody uses the cache any more. */
void ps_token_cache_free(ps_token_cache *cache);

/* The token of exactly this text, verified under `epoch`: a new reference, or
 * NULL. `signature` is the text's last segment. `*hash` is for
 * ps_token_cache_add(). Counts a hit or a miss. Any thread. */
ps_token *ps_token_cache_find(ps_token_cache *cache, ps_span text,
                              ps_span signature, uint64_t epoch,
                              uint64_t *hash);

/* Keeps a token that has just verified (its text is whole, its hash is the
 * one that find gave), in place of others when there is no room; takes a
 * reference of its own. Any thread. */
void ps_token_cache_add(ps_token_cache *cache, ps_token *token);

/* Takes out this very token, if it is there. Any thread. */
void ps_token_cache_remove(ps_token_cache *cache, const ps_token *token);

/* Takes out all tokens. The counters stay. Any thread. */
void ps_token_cache_clear(ps_token_cache *cache);

typedef struct ps_token_cache_info {
    uint64_t hits;
    uint64_t misses;
    size_t size;     /* tokens kept */
    size_t capacity; /* tokens at most */
    size_t bytes;    /* of the tokens kept */
} ps_token_cache_info;

/* Of this process: a forked child starts from 0. The first leaves out what
 * has to be counted: size and bytes. Any thread. */
ps_token_cache_info ps_token_cache_counts(ps_token_cache *cache);
ps_token_cache_info ps_token_cache_look(ps_token_cache *cache);

#endif
