/* SPDX-License-Identifier: MIT */
/* Verified tokens, so that the second look costs a comparison. Bounded in
 * entries and bytes. See docs/internals/token-cache.md. */
#ifndef HR_TOKEN_CACHE_H
#define HR_TOKEN_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/status.h"
#include "token/token.h"

typedef struct hr_token_cache hr_token_cache;

/* A cache of `capacity` tokens, at least 1. SETTING: over
 * HR_TOKEN_CACHE_TOP. NO_MEMORY; SYSTEM: no page, no randomness. */
HR_CHECKED hr_status hr_token_cache_new(size_t capacity,
                                        hr_token_cache **cache);
/* NULL is fine. Nobody uses the cache any more. */
void hr_token_cache_free(hr_token_cache *cache);

/* The token of exactly this text, verified under `epoch`: a new reference, or
 * NULL. `signature` is the text's last segment. `*hash` is for
 * hr_token_cache_add(). Counts a hit or a miss. Any thread. */
hr_token *hr_token_cache_find(hr_token_cache *cache, hr_span text,
                              hr_span signature, uint64_t epoch,
                              uint64_t *hash);

/* Keeps a token that has just verified (its text is whole, its hash is the
 * one that find gave), in place of others when there is no room; takes a
 * reference of its own. Any thread. */
void hr_token_cache_add(hr_token_cache *cache, hr_token *token);

/* Takes out this very token, if it is there. Any thread. */
void hr_token_cache_remove(hr_token_cache *cache, const hr_token *token);

/* Takes out all tokens. The counters stay. Any thread. */
void hr_token_cache_clear(hr_token_cache *cache);

typedef struct hr_token_cache_info {
    uint64_t hits;
    uint64_t misses;
    size_t size;     /* tokens kept */
    size_t capacity; /* tokens at most */
    size_t bytes;    /* of the tokens kept */
} hr_token_cache_info;

/* Of this process: a forked child starts from 0. The first leaves out what
 * has to be counted: size and bytes. Any thread. */
hr_token_cache_info hr_token_cache_counts(hr_token_cache *cache);
hr_token_cache_info hr_token_cache_look(hr_token_cache *cache);

#endif
