/* SPDX-License-Identifier: MIT */
/* A table of sets of 16 places. A token's set and tag come from SipHash-1-3
 * of its signature segment under a random key; inside the set the tags are
 * compared, then all bytes of the text, in time that does not depend on where
 * they differ.
 *
 *   shared page (wiped in a forked child):  state, hash key, 64 locks
 *   sets:    [ 16 tags | 16 tokens | used lately, a bit each | hand | bytes ]
 *
 * Which token goes when a set is full is found by CLOCK: a hit sets the bit,
 * the hand takes the bits away and stops at a token without one. So only
 * tokens that verified can push out others, and those in use stay.
 *
 * Set n is guarded by lock n mod 64. The page of the locks is marked
 * MADV_WIPEONFORK: a child finds zeros there, so no lock is ever inherited in
 * a locked state, the hash key is drawn anew, and `state` says that the table
 * must be emptied first. A slot always holds NULL or a token that the table
 * has a reference to (taken before the store, given back after the next
 * one), so a child finds it whole whenever the fork came. */
#include "token/cache.h"

#include <errno.h>
#include <sched.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fork_guard.h"

#define WAYS 16
#define LOCKS 64

enum { STALE = 0, STARTING = 1, READY = 2 };

typedef struct lock {
    _Alignas(64) atomic_uint taken;
    uint64_t hits;   /* guarded by this lock, as the sets */
    uint64_t misses; /* the same */
} lock;

typedef struct shared_page {
    atomic_uint state;
    pid_t pid;       /* of the process that started it */
    uint64_t key[2]; /* written while STARTING only */
    lock locks[LOCKS];
} shared_page;

typedef struct set {
    uint32_t tags[WAYS]; /* 0: the place is free */
    hr_token *tokens[WAYS];
    uint32_t used;  /* bit n: hit since the hand last passed */
    uint8_t hand;   /* where the next search for room begins */
    uint8_t ways;   /* places in use; the last set may have fewer */
    uint32_t bytes; /* of all tokens in the set */
} set;

struct hr_token_cache {
    shared_page *page;
    set *sets;
    size_t set_count;
    size_t capacity;
    bool wiped; /* the kernel wipes the page on fork; else compare pids */
};

static inline uint64_t
rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

#define SIP_ROUND             \
    v0 += v1;                 \
    v2 += v3;                 \
    v1 = rotate(v1, 13) ^ v0; \
    v3 = rotate(v3, 16) ^ v2; \
    v0 = rotate(v0, 32);      \
    v2 += v1;                 \
    v0 += v3;                 \
    v1 = rotate(v1, 17) ^ v2; \
    v3 = rotate(v3, 21) ^ v0; \
    v2 = rotate(v2, 32)

/* SipHash-1-3 (Aumasson and Bernstein), whose output an attacker without the
 * key cannot steer. */
static uint64_t
siphash(const uint64_t key[2], hr_span text)
{
    uint64_t v0 = key[0] ^ 0x736f6d6570736575U;
    uint64_t v1 = key[1] ^ 0x646f72616e646f6dU;
    uint64_t v2 = key[0] ^ 0x6c7967656e657261U;
    uint64_t v3 = key[1] ^ 0x7465646279746573U;
    const char *p = text.ptr;
    size_t left = text.len;
    uint64_t word;
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        v3 ^= word;
        SIP_ROUND;
        v0 ^= word;
    }
    word = (uint64_t)text.len << 56;
    for (size_t i = 0; i < left; i++) {
        word |= (uint64_t)(unsigned char)p[i] << (8 * i);
    }
    v3 ^= word;
    SIP_ROUND;
    v0 ^= word;
    v2 ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

/* Equal bytes? The time depends on the length only. */
static bool
equal_text(const char *a, const char *b, size_t len)
{
    uint64_t differ = 0, x, y;
    size_t at = 0;
    for (; len - at >= 8; at += 8) {
        memcpy(&x, a + at, 8);
        memcpy(&y, b + at, 8);
        differ |= x ^ y;
    }
    for (; at < len; at++) {
        differ |= (uint64_t)(unsigned char)(a[at] ^ b[at]);
    }
    return differ == 0;
}

static inline void
take(lock *l)
{
    unsigned spins = 0;
    while (atomic_exchange_explicit(&l->taken, 1, memory_order_acquire) != 0) {
        /* The owner is inside for some tens of nanoseconds, unless it was
         * switched off the processor. */
        if (++spins % 64 == 0) {
            sched_yield();
        }
    }
}

static inline void
give(lock *l)
{
    atomic_store_explicit(&l->taken, 0, memory_order_release);
}

/* Empties the table in a process that finds the page wiped (or a new one).
 * Every other thread is kept out by `state`. */
static bool
start(hr_token_cache *cache)
{
    shared_page *page = cache->page;
    unsigned stale = STALE;
    if (!atomic_compare_exchange_strong(&page->state, &stale, STARTING)) {
        return false;
    }
    int saved = errno;
    if (getrandom(page->key, sizeof(page->key), GRND_NONBLOCK) !=
        (ssize_t)sizeof(page->key)) {
        errno = saved;
        atomic_store(&page->state, STALE);
        return false;
    }
    page->pid = getpid();
    for (size_t i = 0; i < cache->set_count; i++) {
        set *s = &cache->sets[i];
        for (size_t way = 0; way < s->ways; way++) {
            hr_token_release(s->tokens[way]);
        }
        *s = (set){.ways = s->ways};
    }
    atomic_store_explicit(&page->state, READY, memory_order_release);
    return true;
}

/* May the table be used by this process now? */
static inline bool
ready(hr_token_cache *cache)
{
    shared_page *page = cache->page;
    if (atomic_load_explicit(&page->state, memory_order_acquire) != READY) {
        return start(cache);
    }
    if (!cache->wiped && page->pid != getpid()) {
        memset(page->locks, 0, sizeof(page->locks));
        atomic_store(&page->state, STALE);
        return start(cache);
    }
    return true;
}

hr_status
hr_token_cache_new(size_t capacity, hr_token_cache **cache)
{
    if (capacity == 0 || capacity > HR_TOKEN_CACHE_TOP) {
        return HR_SETTING;
    }
    hr_token_cache *fresh = hr_alloc_zeroed(1, sizeof(*fresh));
    if (fresh == NULL) {
        return HR_NO_MEMORY;
    }
    fresh->capacity = capacity;
    fresh->set_count = (capacity + WAYS - 1) / WAYS;
    fresh->sets = hr_alloc_zeroed(fresh->set_count, sizeof(*fresh->sets));
    fresh->page = hr_fork_guard_page_new(sizeof(*fresh->page), &fresh->wiped);
    if (fresh->sets == NULL || fresh->page == NULL) {
        hr_status status = fresh->sets == NULL ? HR_NO_MEMORY : HR_SYSTEM;
        hr_token_cache_free(fresh);
        return status;
    }
    for (size_t i = 0; i < fresh->set_count; i++) {
        size_t left = capacity - i * WAYS;
        fresh->sets[i].ways = (uint8_t)(left < WAYS ? left : WAYS);
    }
    *cache = fresh;
    return HR_OK;
}

void
hr_token_cache_free(hr_token_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; cache->sets != NULL && i < cache->set_count; i++) {
        for (size_t way = 0; way < WAYS; way++) {
            hr_token_release(cache->sets[i].tokens[way]);
        }
    }
    hr_fork_guard_page_free(cache->page, sizeof(*cache->page));
    hr_alloc_free(cache->sets);
    hr_alloc_free(cache);
}

/* The high half of the hash chooses the set, the low half is the tag. */
static inline size_t
set_of(const hr_token_cache *cache, uint64_t hash)
{
    return (size_t)((hash >> 32) * cache->set_count >> 32);
}

static inline uint32_t
tag_of(uint64_t hash)
{
    uint32_t tag = (uint32_t)hash;
    return tag != 0 ? tag : 1;
}

hr_token *
hr_token_cache_find(hr_token_cache *cache, hr_span text, hr_span signature,
                    uint64_t epoch, uint64_t *hash)
{
    *hash = 0;
    if (!ready(cache)) {
        return NULL;
    }
    uint64_t h = siphash(cache->page->key, signature);
    uint32_t tag = tag_of(h);
    size_t place = set_of(cache, h);
    set *s = &cache->sets[place];
    lock *l = &cache->page->locks[place % LOCKS];
    hr_token *found = NULL;
    *hash = h;
    take(l);
    for (size_t way = 0; way < s->ways; way++) {
        if (s->tags[way] != tag) {
            continue;
        }
        hr_token *token = s->tokens[way];
        if (token->epoch == epoch && token->text.len == text.len &&
            equal_text(token->text.ptr, text.ptr, text.len)) {
            found = hr_token_retain(token);
            s->used |= (uint32_t)1 << way;
            break;
        }
    }
    l->hits += found != NULL;
    l->misses += found == NULL;
    give(l);
    return found;
}

/* Empties one place, whose token the caller must release once the lock is
 * given back. */
static hr_token *
drop(set *s, size_t way)
{
    hr_token *token = s->tokens[way];
    s->tags[way] = 0;
    s->tokens[way] = NULL;
    s->used &= ~((uint32_t)1 << way);
    s->bytes -= (uint32_t)token->size;
    return token;
}

/* The place of the token to go next. */
static size_t
find_victim(set *s)
{
    for (;;) {
        size_t way = s->hand % s->ways;
        uint32_t bit = (uint32_t)1 << way;
        s->hand = (uint8_t)(way + 1);
        if (s->tokens[way] == NULL) {
            continue;
        }
        if ((s->used & bit) == 0) {
            return way;
        }
        s->used &= ~bit;
    }
}

static size_t
find_free(const set *s)
{
    size_t way = 0;
    while (way < s->ways && s->tokens[way] != NULL) {
        way++;
    }
    return way;
}

/* Is a token of the same text and epoch there already? */
static bool
is_there(const set *s, const hr_token *token)
{
    for (size_t way = 0; way < s->ways; way++) {
        const hr_token *other = s->tokens[way];
        if (other != NULL && other->hash == token->hash &&
            other->epoch == token->epoch &&
            hr_span_equal(other->text, token->text)) {
            return true;
        }
    }
    return false;
}

void
hr_token_cache_add(hr_token_cache *cache, hr_token *token)
{
    /* A hash from before a fork, or without a key, finds nothing. */
    if (token->hash == 0 || token->size > HR_TOKEN_CACHE_SET_BYTES ||
        !ready(cache)) {
        return;
    }
    size_t place = set_of(cache, token->hash);
    set *s = &cache->sets[place];
    lock *l = &cache->page->locks[place % LOCKS];
    hr_token *gone[WAYS];
    size_t gone_count = 0;
    take(l);
    if (!is_there(s, token)) {
        size_t way = find_free(s);
        while (way == s->ways ||
               s->bytes + token->size > HR_TOKEN_CACHE_SET_BYTES) {
            way = find_victim(s);
            gone[gone_count++] = drop(s, way);
        }
        s->tokens[way] = hr_token_retain(token);
        s->tags[way] = tag_of(token->hash);
        s->bytes += (uint32_t)token->size;
    }
    give(l);
    for (size_t i = 0; i < gone_count; i++) {
        hr_token_release(gone[i]);
    }
}

void
hr_token_cache_remove(hr_token_cache *cache, const hr_token *token)
{
    if (token->hash == 0 || !ready(cache)) {
        return;
    }
    size_t place = set_of(cache, token->hash);
    set *s = &cache->sets[place];
    lock *l = &cache->page->locks[place % LOCKS];
    hr_token *gone = NULL;
    take(l);
    for (size_t way = 0; way < s->ways && gone == NULL; way++) {
        if (s->tokens[way] == token) {
            gone = drop(s, way);
        }
    }
    give(l);
    hr_token_release(gone);
}

void
hr_token_cache_clear(hr_token_cache *cache)
{
    if (!ready(cache)) {
        return;
    }
    for (size_t place = 0; place < cache->set_count; place++) {
        set *s = &cache->sets[place];
        lock *l = &cache->page->locks[place % LOCKS];
        hr_token *gone[WAYS];
        size_t gone_count = 0;
        take(l);
        for (size_t way = 0; way < s->ways; way++) {
            if (s->tokens[way] != NULL) {
                gone[gone_count++] = drop(s, way);
            }
        }
        give(l);
        for (size_t i = 0; i < gone_count; i++) {
            hr_token_release(gone[i]);
        }
    }
}

hr_token_cache_info
hr_token_cache_counts(hr_token_cache *cache)
{
    hr_token_cache_info info = {.capacity = cache->capacity};
    for (size_t i = 0; ready(cache) && i < LOCKS; i++) {
        lock *l = &cache->page->locks[i];
        take(l);
        info.hits += l->hits;
        info.misses += l->misses;
        give(l);
    }
    return info;
}

hr_token_cache_info
hr_token_cache_look(hr_token_cache *cache)
{
    hr_token_cache_info info = {.capacity = cache->capacity};
    if (!ready(cache)) {
        return info;
    }
    for (size_t place = 0; place < cache->set_count; place++) {
        const set *s = &cache->sets[place];
        lock *l = &cache->page->locks[place % LOCKS];
        take(l);
        for (size_t way = 0; way < s->ways; way++) {
            info.size += s->tokens[way] != NULL;
        }
        info.bytes += s->bytes;
        give(l);
    }
    hr_token_cache_info counts = hr_token_cache_counts(cache);
    info.hits = counts.hits;
    info.misses = counts.misses;
    return info;
}
