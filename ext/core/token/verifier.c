/* SPDX-License-Identifier: MIT */
/* The order of work is the order of cost, and nothing of a payload is looked
 * at before its signature has verified:
 *
 *   length -> cache -> shape and alphabet -> header -> signature -> payload
 *   -> claims
 *
 * `current`, the keyset, is guarded by a lock that is held for a load and an
 * increment. The lock lies in memory that is wiped in a forked child, so that
 * none is inherited locked. */
#include "token/verifier.h"

#include <math.h>
#include <sched.h>

#include "base/alloc.h"
#include "base/base64url.h"
#include "base/clock.h"
#include "base/fork_guard.h"
#include "token/verifier_keyset.h"
#include "token/verifier_settings.h"

/* Payloads up to this many bytes are decoded and indexed on the stack. */
#define PAYLOAD_ON_STACK 2048

struct hr_token_verifier {
    _Atomic uint64_t epoch; /* of `current`; read without the lock */
    hr_token_verifier_keyset *current; /* guarded by *lock */
    atomic_uint *lock;                 /* on a page that is wiped on fork */
    const hr_token_signature_engine *engine;
    hr_token_cache *cache;        /* NULL: none */
    hr_token_claims_rules claims; /* points into `arena` */
    hr_span type;                 /* the same */
    char *arena;
    size_t max_bytes;
};

static void
take_lock(atomic_uint *lock)
{
    while (atomic_exchange_explicit(lock, 1, memory_order_acquire) != 0) {
        sched_yield();
    }
}

static void
give_lock(atomic_uint *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}

static hr_token_verifier_keyset *
current_keyset(hr_token_verifier *verifier)
{
    take_lock(verifier->lock);
    hr_token_verifier_keyset *set = verifier->current;
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    give_lock(verifier->lock);
    return set;
}

hr_status
hr_token_verifier_new(const hr_token_verifier_settings *settings,
                      hr_token_verifier **verifier,
                      hr_token_verifier_error *error)
{
    *error = (hr_token_verifier_error){0};
    hr_status status = hr_token_verifier_settings_check(settings, error);
    if (status != HR_OK) {
        return status;
    }
    hr_token_verifier *fresh = hr_alloc_zeroed(1, sizeof(*fresh));
    if (fresh == NULL) {
        return HR_NO_MEMORY;
    }
    fresh->engine = settings->engine;
    fresh->max_bytes = settings->max_bytes;
    fresh->arena = hr_token_verifier_settings_copy_rules(
        settings, &fresh->claims, &fresh->type);
    /* Where the kernel cannot wipe the lock on a fork, a child might inherit
     * it locked. The forking thread holds the GIL, so no other thread can hold
     * this lock. */
    bool wiped;
    fresh->lock = hr_fork_guard_page_new(sizeof(*fresh->lock), &wiped);
    if (fresh->arena == NULL || fresh->lock == NULL) {
        status = fresh->arena == NULL ? HR_NO_MEMORY : HR_SYSTEM;
        goto fail;
    }
    if (settings->cache_size != 0) {
        error->setting = "cache_size";
        status = hr_token_cache_new(settings->cache_size, &fresh->cache);
        if (status != HR_OK) {
            goto fail;
        }
    }
    status = hr_token_verifier_keyset_new(fresh->engine, settings->keys,
                                          settings->key_count, &fresh->current,
                                          error);
    if (status != HR_OK) {
        goto fail;
    }
    *verifier = fresh;
    return HR_OK;
fail:
    hr_token_verifier_free(fresh);
    return status;
}

void
hr_token_verifier_free(hr_token_verifier *verifier)
{
    if (verifier == NULL) {
        return;
    }
    hr_token_verifier_keyset_release(verifier->current);
    hr_token_cache_free(verifier->cache);
    hr_fork_guard_page_free(verifier->lock, sizeof(*verifier->lock));
    hr_alloc_free(verifier->arena);
    hr_alloc_free(verifier);
}

hr_status
hr_token_verifier_replace_keys(hr_token_verifier *verifier,
                               hr_token_keyring_key *const *keys, size_t count,
                               hr_token_verifier_error *error)
{
    hr_token_verifier_keyset *fresh;
    hr_status status = hr_token_verifier_keyset_new(verifier->engine, keys,
                                                    count, &fresh, error);
    if (status != HR_OK) {
        return status;
    }
    take_lock(verifier->lock);
    hr_token_verifier_keyset *old = verifier->current;
    fresh->epoch = old->epoch + 1;
    verifier->current = fresh;
    atomic_store(&verifier->epoch, fresh->epoch);
    give_lock(verifier->lock);
    hr_token_verifier_keyset_release(old);
    hr_token_verifier_cache_clear(
        verifier); /* not needed, but gives memory back */
    return HR_OK;
}

/* One verification under way. */
typedef struct work {
    hr_token_verifier *verifier;
    hr_token_verifier_keyset *set;
    const hr_token_verifier_slow_section *slow;
    bool judge; /* the claims too, not only that they are an object */
    hr_span text;
    hr_token_jws jws;
    hr_token_jws_header jose;
    hr_span signature; /* decoded */
    char *payload;     /* decoded; `buffer` or of hr_alloc() */
    size_t payload_size;
    hr_token_jws_algorithm algorithm;
    hr_span key_id; /* absent without one */
    char signature_bytes[HR_SIGNATURE_MAX];
    char buffer[PAYLOAD_ON_STACK];
} work;

/* Ends a work; answers its status, or a better one. */
static hr_status
work_fini(work *w, hr_status status)
{
    if (w->payload != w->buffer) {
        hr_alloc_free(w->payload);
    }
    hr_token_verifier_keyset_release(w->set);
    return status == HR_BASE64 ? hr_token_jws_why_not_base64(w->text) : status;
}

/* Splits the text and decodes signature and payload. */
static hr_status
read_segments(work *w)
{
    hr_status status = hr_token_jws_split(w->text, &w->jws);
    if (status != HR_OK || w->jws.signature.len == 0) {
        return HR_MALFORMED;
    }
    size_t size = hr_base64url_decoded_size(w->jws.signature.len);
    if (size > sizeof(w->signature_bytes)) {
        return HR_SIGNATURE; /* longer than any algorithm's */
    }
    if (hr_base64url_decode(w->jws.signature, w->signature_bytes) != HR_OK) {
        return HR_BASE64;
    }
    w->signature = (hr_span){w->signature_bytes, size};
    w->payload_size = hr_base64url_decoded_size(w->jws.payload.len);
    if (w->payload_size > sizeof(w->buffer)) {
        w->payload = hr_alloc(w->payload_size);
        if (w->payload == NULL) {
            w->payload = w->buffer;
            return HR_NO_MEMORY;
        }
    }
    if (hr_base64url_decode(w->jws.payload, w->payload) != HR_OK) {
        return HR_BASE64;
    }
    return HR_OK;
}

/* Tries one key. */
static hr_status
try_key(work *w, size_t place)
{
    hr_token_signature_prepared *prepared = w->set->prepared[place];
    bool slow = w->slow != NULL && w->slow->enter != NULL &&
                w->set->ring->keys[place]->public_key != NULL;
    if (slow) {
        w->slow->enter(w->slow->context);
    }
    hr_status status =
        w->set->engine->verify(prepared, w->text, &w->jws, w->signature);
    if (slow) {
        w->slow->leave(w->slow->context);
    }
#ifdef HR_FUZZ_SKIP_SIGNATURE /* fuzz_token_verifier's own build, and no \
                                 other */
    status = status == HR_SIGNATURE ? HR_OK : status;
#endif
    return status;
}

static hr_status
try_keys(work *w, const uint16_t *places, size_t count)
{
    hr_status status = HR_SIGNATURE;
    for (size_t i = 0; i < count && status == HR_SIGNATURE; i++) {
        status = try_key(w, places[i]);
    }
    return status;
}

/* Header and signature. */
static hr_status
check_signature(work *w)
{
    const hr_token_jws_known_header *known =
        hr_token_jws_header_table_find(w->set->known, w->jws.header);
    if (known != NULL) {
        w->algorithm = known->algorithm;
        w->key_id = known->has_key_id
                        ? (hr_span){known->key_id, known->key_id_size}
                        : HR_NO_SPAN;
        return try_keys(w, known->keys, known->key_count);
    }
    uint16_t places[HR_KEYS_MAX];
    size_t count;
    hr_status status =
        hr_token_jws_read_header(w->jws.header, w->verifier->type, &w->jose);
    if (status != HR_OK) {
        return status;
    }
    status = hr_token_keyring_select(w->set->ring, &w->jose, places, &count);
    if (status != HR_OK) {
        return status;
    }
    w->algorithm = w->jose.algorithm;
    w->key_id = w->jose.has_key_id ? w->jose.key_id : HR_NO_SPAN;
    status = try_keys(w, places, count);
    if (status == HR_OK) {
        hr_token_jws_header_table_add(w->set->known, w->jws.header, &w->jose,
                                      places, count);
    }
    return status;
}

/* Makes the token of a work whose payload has been indexed. */
static hr_status
make_token(work *w, const hr_json_member *members, size_t count,
           const hr_token_claims_times *times, uint64_t hash, hr_token **token)
{
    bool cached = hash != 0 && w->text.len <= HR_TOKEN_CACHED_MAX;
    hr_token parts = {
        .references = 1, /* these two are hr_token_new()'s, but clearing a */
        .size = 0,       /* part of the struct costs more than filling it */
        .algorithm = w->algorithm,
        .epoch = w->set->epoch,
        .hash = cached ? hash : 0,
        .times = *times,
        .text = cached ? w->text : w->jws.header,
        .header = w->jws.header,
        .payload = {w->payload, w->payload_size},
        .key_id = w->key_id,
        .member_count = count,
        .members = members,
    };
    *token = hr_token_new(&parts);
    return *token != NULL ? HR_OK : HR_NO_MEMORY;
}

/* How far the coarse clock may lag behind the exact one, with much to spare;
 * in seconds. */
#define COARSE_LAG 0.05

/* The coarse clock is late, never early, and costs a quarter of the exact one.
 * Is what it lets pass sure to pass by the exact one too? All but the last
 * moment before exp is. */
static bool
coarse_is_enough(const hr_token_claims_times *times, double leeway,
                 double coarse)
{
    return !times->has_expires ||
           (double)times->expires > coarse + COARSE_LAG - leeway;
}

static hr_status
judge_claims(const work *w, const hr_json_member *members, size_t count,
             unsigned flags, double now, hr_token_claims_times *times,
             hr_span *claim)
{
    const hr_token_claims_rules *rules = &w->verifier->claims;
    bool by_clock = isnan(now);
    if (by_clock) {
        now = (double)hr_clock_wall_ms() * 1e-3;
    }
    hr_status status = hr_token_claims_check(rules, w->payload, members, count,
                                             flags, now, times, claim);
    if (by_clock &&
        (status != HR_OK || !coarse_is_enough(times, rules->leeway, now))) {
        status =
            hr_token_claims_check(rules, w->payload, members, count, flags,
                                  hr_clock_wall_seconds(), times, claim);
    }
    return status;
}

/* Payload and claims, with room to index in. */
static hr_status
check_payload(work *w, const hr_json_scratch *scratch, double now,
              uint64_t hash, hr_token **token, hr_span *claim)
{
    size_t count;
    unsigned flags;
    hr_token_claims_times times = {0};
    hr_span payload = {w->payload, w->payload_size};
    if (hr_json_index(payload, scratch, &count, &flags) != HR_OK) {
        return HR_PAYLOAD;
    }
    hr_status status = HR_OK;
    if (w->judge) {
        status = judge_claims(w, scratch->members, count, flags, now, &times,
                              claim);
    }
    return status != HR_OK
               ? status
               : make_token(w, scratch->members, count, &times, hash, token);
}

static __attribute__((noinline)) hr_status
check_large_payload(work *w, double now, uint64_t hash, hr_token **token,
                    hr_span *claim)
{
    size_t capacity = HR_JSON_SCRATCH_SIZE(w->payload_size);
    hr_json_scratch scratch = {
        .members = hr_alloc_zeroed(capacity, sizeof(*scratch.members)),
        .heads = hr_alloc_zeroed(2 * capacity, sizeof(*scratch.heads)),
        .capacity = capacity,
    };
    hr_status status = HR_NO_MEMORY;
    if (scratch.members != NULL && scratch.heads != NULL) {
        status = check_payload(w, &scratch, now, hash, token, claim);
    }
    hr_alloc_free(scratch.members);
    hr_alloc_free(scratch.heads);
    return status;
}

static hr_status
check_small_payload(work *w, double now, uint64_t hash, hr_token **token,
                    hr_span *claim)
{
    hr_json_member members[HR_JSON_SCRATCH_SIZE(PAYLOAD_ON_STACK)];
    uint32_t heads[2 * HR_JSON_SCRATCH_SIZE(PAYLOAD_ON_STACK)];
    hr_json_scratch scratch = {members, heads,
                               HR_JSON_SCRATCH_SIZE(PAYLOAD_ON_STACK)};
    return check_payload(w, &scratch, now, hash, token, claim);
}

static void
work_init(work *w, hr_token_verifier *verifier, hr_span text,
          const hr_token_verifier_slow_section *slow)
{
    w->verifier = verifier;
    w->set = current_keyset(verifier);
    w->slow = slow;
    w->judge = true;
    w->text = text;
    w->payload = w->buffer;
}

/* A verification that the cache could not answer. */
static __attribute__((noinline)) hr_status
verify_anew(hr_token_verifier *verifier, hr_span text, double now,
            const hr_token_verifier_slow_section *slow, bool judge,
            uint64_t hash, hr_token **token, hr_span *claim)
{
    work w;
    work_init(&w, verifier, text, slow);
    w.judge = judge;
    hr_status status = read_segments(&w);
    if (status == HR_OK && w.jws.payload.len == 0) {
        status = HR_MALFORMED;
    }
    if (status == HR_OK) {
        status = check_signature(&w);
    }
    if (status != HR_OK && status != HR_ENGINE) {
        return work_fini(&w, status);
    }
    /* The signature is good, also where the engine refuses the token: then
     * our own reason, if we have one, says more. */
    bool engine_refuses = status == HR_ENGINE;
    hr_token *made = NULL;
    status = w.payload == w.buffer
                 ? check_small_payload(&w, now, hash, &made, claim)
                 : check_large_payload(&w, now, hash, &made, claim);
    if (status == HR_OK && engine_refuses) {
        hr_token_release(made);
        status = HR_ENGINE;
    } else if (status == HR_OK) {
        *token = made;
        if (hash != 0) {
            hr_token_cache_add(verifier->cache, made);
        }
    }
    return work_fini(&w, status);
}

/* The time rules again, for a token from the cache. */
static hr_status
check_again(const hr_token_verifier *verifier, const hr_token *token,
            double now, hr_span *claim)
{
    double leeway = verifier->claims.leeway;
    if (isnan(now)) {
        double early = (double)hr_clock_wall_ms() * 1e-3;
        hr_span ignored;
        if (hr_token_claims_check_times(&token->times, leeway, early,
                                        &ignored) == HR_OK &&
            coarse_is_enough(&token->times, leeway, early)) {
            return HR_OK;
        }
        now = hr_clock_wall_seconds();
    }
    return hr_token_claims_check_times(&token->times, leeway, now, claim);
}

/* The last segment; everything when there is no dot. */
static hr_span
last_segment(hr_span text)
{
    const char *dot = memrchr(text.ptr, '.', text.len);
    return dot != NULL ? hr_span_from(text, (size_t)(dot + 1 - text.ptr))
                       : text;
}

hr_status
hr_token_verifier_explain(hr_token_verifier *verifier, hr_span text,
                          double now,
                          const hr_token_verifier_slow_section *slow,
                          hr_token **token, hr_span *claim)
{
    uint64_t hash = 0;
    if (text.len > verifier->max_bytes) {
        return HR_TOO_LONG;
    }
    if (verifier->cache != NULL && text.len != 0 &&
        text.len <= HR_TOKEN_CACHED_MAX) {
        uint64_t epoch =
            atomic_load_explicit(&verifier->epoch, memory_order_acquire);
        hr_token *found = hr_token_cache_find(
            verifier->cache, text, last_segment(text), epoch, &hash);
        if (found != NULL) {
            hr_status status = check_again(verifier, found, now, claim);
            if (status == HR_OK) {
                *token = found;
                return HR_OK;
            }
            if (status == HR_EXPIRED) {
                hr_token_cache_remove(verifier->cache, found);
            }
            hr_token_release(found);
            return status;
        }
    }
    return verify_anew(verifier, text, now, slow, true, hash, token, claim);
}

hr_status
hr_token_verifier_verify(hr_token_verifier *verifier, hr_span text, double now,
                         const hr_token_verifier_slow_section *slow,
                         hr_token **token)
{
    hr_span claim;
    return hr_token_verifier_explain(verifier, text, now, slow, token, &claim);
}

hr_status
hr_token_verifier_decode(hr_token_verifier *verifier, hr_span text,
                         const hr_token_verifier_slow_section *slow,
                         hr_token **token)
{
    hr_span claim;
    if (text.len > verifier->max_bytes) {
        return HR_TOO_LONG;
    }
    return verify_anew(verifier, text, HR_TOKEN_VERIFIER_BY_CLOCK, slow, false,
                       0, token, &claim);
}

hr_status
hr_token_verifier_verify_jws(hr_token_verifier *verifier, hr_span text,
                             const hr_token_verifier_slow_section *slow,
                             char **payload, size_t *size)
{
    if (text.len > verifier->max_bytes) {
        return HR_TOO_LONG;
    }
    work w;
    work_init(&w, verifier, text, slow);
    hr_status status = read_segments(&w);
    if (status == HR_OK) {
        status = check_signature(&w);
    }
    if (status == HR_OK) {
        char *copy = hr_alloc(w.payload_size);
        if (copy == NULL) {
            status = HR_NO_MEMORY;
        } else {
            memcpy(copy, w.payload, w.payload_size);
            *payload = copy;
            *size = w.payload_size;
        }
    }
    return work_fini(&w, status);
}

hr_token_cache_info
hr_token_verifier_cache_info(hr_token_verifier *verifier)
{
    return verifier->cache != NULL ? hr_token_cache_look(verifier->cache)
                                   : (hr_token_cache_info){0};
}

hr_token_cache_info
hr_token_verifier_cache_counts(hr_token_verifier *verifier)
{
    return verifier->cache != NULL ? hr_token_cache_counts(verifier->cache)
                                   : (hr_token_cache_info){0};
}

void
hr_token_verifier_cache_clear(hr_token_verifier *verifier)
{
    if (verifier->cache != NULL) {
        hr_token_cache_clear(verifier->cache);
    }
}
