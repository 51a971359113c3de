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
#include "verifier.h"

#include <math.h>
#include <sched.h>
#include <sys/mman.h>

#include "alloc.h"
#include "base64url.h"
#include "clock.h"
#include "verifier_keyset.h"
#include "verifier_settings.h"

/* Payloads up to this many bytes are decoded and indexed on the stack. */
#define PAYLOAD_ON_STACK 2048

struct ps_verifier {
    atomic_uint references;
    _Atomic uint64_t epoch; /* of `current`; read without the lock */
    ps_keyset *current;     /* guarded by *lock */
    atomic_uint *lock;      /* on a page that is wiped on fork */
    const ps_engine *engine;
    ps_token_cache *cache; /* NULL: none */
    ps_claim_rules claims; /* points into `arena` */
    ps_span type;          /* the same */
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

static ps_keyset *
current_keyset(ps_verifier *verifier)
{
    take_lock(verifier->lock);
    ps_keyset *set = verifier->current;
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    give_lock(verifier->lock);
    return set;
}

/* The page of the lock. Where the kernel cannot wipe it on fork, a child
 * might inherit it locked; the binding's GIL forbids that, since a thread
 * that forks is not inside. */
static atomic_uint *
new_lock_page(void)
{
    void *page = mmap(NULL, sizeof(atomic_uint), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(page, sizeof(atomic_uint), MADV_WIPEONFORK);
    return page;
}

ps_status
ps_verifier_new(const ps_verifier_settings *settings, ps_verifier **verifier,
                ps_verifier_error *error)
{
    *error = (ps_verifier_error){0};
    ps_status status = ps_verifier_check_settings(settings, error);
    if (status != PS_OK) {
        return status;
    }
    ps_verifier *fresh = ps_calloc(1, sizeof(*fresh));
    if (fresh == NULL) {
        return PS_NO_MEMORY;
    }
    atomic_init(&fresh->references, 1);
    fresh->engine = settings->engine;
    fresh->max_bytes = settings->max_bytes;
    fresh->arena =
        ps_verifier_copy_rules(settings, &fresh->claims, &fresh->type);
    fresh->lock = new_lock_page();
    if (fresh->arena == NULL || fresh->lock == NULL) {
        status = fresh->arena == NULL ? PS_NO_MEMORY : PS_SYSTEM;
        goto fail;
    }
    if (settings->cache_size != 0) {
        error->setting = "cache_size";
        status = ps_token_cache_new(settings->cache_size, &fresh->cache);
        if (status != PS_OK) {
            goto fail;
        }
    }
    status = ps_keyset_new(fresh->engine, settings->keys, settings->key_count,
                           &fresh->current, error);
    if (status != PS_OK) {
        goto fail;
    }
    *verifier = fresh;
    return PS_OK;
fail:
    ps_verifier_release(fresh);
    return status;
}

ps_verifier *
ps_verifier_retain(ps_verifier *verifier)
{
    atomic_fetch_add_explicit(&verifier->references, 1, memory_order_relaxed);
    return verifier;
}

void
ps_verifier_release(ps_verifier *verifier)
{
    if (verifier == NULL ||
        atomic_fetch_sub_explicit(&verifier->references, 1,
                                  memory_order_acq_rel) != 1) {
        return;
    }
    ps_keyset_release(verifier->current);
    ps_token_cache_free(verifier->cache);
    if (verifier->lock != NULL) {
        munmap(verifier->lock, sizeof(*verifier->lock));
    }
    ps_free(verifier->arena);
    ps_free(verifier);
}

ps_status
ps_verifier_replace_keys(ps_verifier *verifier, ps_key *const *keys,
                         size_t count, ps_verifier_error *error)
{
    ps_keyset *fresh;
    ps_status status =
        ps_keyset_new(verifier->engine, keys, count, &fresh, error);
    if (status != PS_OK) {
        return status;
    }
    take_lock(verifier->lock);
    ps_keyset *old = verifier->current;
    fresh->epoch = old->epoch + 1;
    verifier->current = fresh;
    atomic_store(&verifier->epoch, fresh->epoch);
    give_lock(verifier->lock);
    ps_keyset_release(old);
    ps_verifier_cache_clear(verifier); /* not needed, but gives memory back */
    return PS_OK;
}

/* One verification under way. */
typedef struct work {
    ps_verifier *verifier;
    ps_keyset *set;
    const ps_slow_section *slow;
    bool judge; /* the claims too, not only that they are an object */
    ps_span text;
    ps_jws jws;
    ps_jose jose;
    ps_span signature; /* decoded */
    char *payload;     /* decoded; `buffer` or of ps_malloc() */
    size_t payload_size;
    ps_algorithm algorithm;
    ps_span key_id; /* absent without one */
    char signature_bytes[PS_SIGNATURE_MAX];
    char buffer[PAYLOAD_ON_STACK];
} work;

/* Ends a work; answers its status, or a better one. */
static ps_status
work_fini(work *w, ps_status status)
{
    if (w->payload != w->buffer) {
        ps_free(w->payload);
    }
    ps_keyset_release(w->set);
    return status == PS_BASE64 ? ps_jws_why_not_base64(w->text) : status;
}

/* Splits the text and decodes signature and payload. */
static ps_status
read_segments(work *w)
{
    ps_status status = ps_jws_split(w->text, &w->jws);
    if (status != PS_OK || w->jws.signature.len == 0) {
        return PS_MALFORMED;
    }
    size_t size = ps_base64url_decoded_size(w->jws.signature.len);
    if (size > sizeof(w->signature_bytes)) {
        return PS_SIGNATURE; /* longer than any algorithm's */
    }
    if (ps_base64url_decode(w->jws.signature, w->signature_bytes) != PS_OK) {
        return PS_BASE64;
    }
    w->signature = (ps_span){w->signature_bytes, size};
    w->payload_size = ps_base64url_decoded_size(w->jws.payload.len);
    if (w->payload_size > sizeof(w->buffer)) {
        w->payload = ps_malloc(w->payload_size);
        if (w->payload == NULL) {
            w->payload = w->buffer;
            return PS_NO_MEMORY;
        }
    }
    if (ps_base64url_decode(w->jws.payload, w->payload) != PS_OK) {
        return PS_BASE64;
    }
    return PS_OK;
}

/* Tries one key. */
static ps_status
try_key(work *w, size_t place)
{
    ps_prepared *prepared = w->set->prepared[place];
    bool slow = w->slow != NULL && w->slow->enter != NULL &&
                ps_algorithm_family(w->set->ring->keys[place]->algorithm) !=
                    PS_FAMILY_HMAC;
    if (slow) {
        w->slow->enter(w->slow->context);
    }
    ps_status status =
        w->set->engine->verify(prepared, w->text, &w->jws, w->signature);
    if (slow) {
        w->slow->leave(w->slow->context);
    }
#ifdef PS_FUZZ_SKIP_SIGNATURE /* fuzz_verifier's own build, and no other */
    status = status == PS_SIGNATURE ? PS_OK : status;
#endif
    return status;
}

static ps_status
try_keys(work *w, const uint16_t *places, size_t count)
{
    ps_status status = PS_SIGNATURE;
    for (size_t i = 0; i < count && status == PS_SIGNATURE; i++) {
        status = try_key(w, places[i]);
    }
    return status;
}

/* Header and signature. */
static ps_status
check_signature(work *w)
{
    const ps_known_header *known =
        ps_header_table_find(w->set->known, w->jws.header);
    if (known != NULL) {
        w->algorithm = known->algorithm;
        w->key_id = known->has_key_id
                        ? (ps_span){known->key_id, known->key_id_size}
                        : PS_NO_SPAN;
        return try_keys(w, known->keys, known->key_count);
    }
    uint16_t places[PS_KEYS_MAX];
    size_t count;
    ps_status status =
        ps_jws_read_header(w->jws.header, w->verifier->type, &w->jose);
    if (status != PS_OK) {
        return status;
    }
    status = ps_keyring_select(w->set->ring, &w->jose, places, &count);
    if (status != PS_OK) {
        return status;
    }
    w->algorithm = w->jose.algorithm;
    w->key_id = w->jose.has_key_id ? w->jose.key_id : PS_NO_SPAN;
    status = try_keys(w, places, count);
    if (status == PS_OK) {
        ps_header_table_add(w->set->known, w->jws.header, &w->jose, places,
                            count);
    }
    return status;
}

/* Makes the token of a work whose payload has been indexed. */
static ps_status
make_token(work *w, const ps_json_member *members, size_t count,
           const ps_times *times, uint64_t hash, ps_token **token)
{
    bool cached = hash != 0 && w->text.len <= PS_TOKEN_CACHED_MAX;
    ps_token parts = {
        .references = 1, /* these two are ps_token_new()'s, but clearing a */
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
    *token = ps_token_new(&parts);
    return *token != NULL ? PS_OK : PS_NO_MEMORY;
}

/* How far the coarse clock may lag behind the exact one, with much to spare;
 * in seconds. */
#define COARSE_LAG 0.05

/* The coarse clock is late, never early, and costs a quarter of the exact one.
 * Is what it lets pass sure to pass by the exact one too? All but the last
 * moment before exp is. */
static bool
coarse_is_enough(const ps_times *times, double leeway, double coarse)
{
    return !times->has_expires ||
           (double)times->expires > coarse + COARSE_LAG - leeway;
}

static ps_status
judge_claims(const work *w, const ps_json_member *members, size_t count,
             unsigned flags, double now, ps_times *times, ps_span *claim)
{
    const ps_claim_rules *rules = &w->verifier->claims;
    bool by_clock = isnan(now);
    if (by_clock) {
        now = (double)ps_clock_wall_ms() * 1e-3;
    }
    ps_status status = ps_claims_check(rules, w->payload, members, count,
                                       flags, now, times, claim);
    if (by_clock &&
        (status != PS_OK || !coarse_is_enough(times, rules->leeway, now))) {
        status = ps_claims_check(rules, w->payload, members, count, flags,
                                 ps_clock_wall_seconds(), times, claim);
    }
    return status;
}

/* Payload and claims, with room to index in. */
static ps_status
check_payload(work *w, const ps_json_scratch *scratch, double now,
              uint64_t hash, ps_token **token, ps_span *claim)
{
    size_t count;
    unsigned flags;
    ps_times times = {0};
    ps_span payload = {w->payload, w->payload_size};
    if (ps_json_index(payload, scratch, &count, &flags) != PS_OK) {
        return PS_PAYLOAD;
    }
    ps_status status = PS_OK;
    if (w->judge) {
        status = judge_claims(w, scratch->members, count, flags, now, &times,
                              claim);
    }
    return status != PS_OK
               ? status
               : make_token(w, scratch->members, count, &times, hash, token);
}

static __attribute__((noinline)) ps_status
check_large_payload(work *w, double now, uint64_t hash, ps_token **token,
                    ps_span *claim)
{
    size_t capacity = PS_JSON_SCRATCH_SIZE(w->payload_size);
    ps_json_scratch scratch = {
        .members = ps_calloc(capacity, sizeof(*scratch.members)),
        .heads = ps_calloc(2 * capacity, sizeof(*scratch.heads)),
        .capacity = capacity,
    };
    ps_status status = PS_NO_MEMORY;
    if (scratch.members != NULL && scratch.heads != NULL) {
        status = check_payload(w, &scratch, now, hash, token, claim);
    }
    ps_free(scratch.members);
    ps_free(scratch.heads);
    return status;
}

static ps_status
check_small_payload(work *w, double now, uint64_t hash, ps_token **token,
                    ps_span *claim)
{
    ps_json_member members[PS_JSON_SCRATCH_SIZE(PAYLOAD_ON_STACK)];
    uint32_t heads[2 * PS_JSON_SCRATCH_SIZE(PAYLOAD_ON_STACK)];
    ps_json_scratch scratch = {members, heads,
                               PS_JSON_SCRATCH_SIZE(PAYLOAD_ON_STACK)};
    return check_payload(w, &scratch, now, hash, token, claim);
}

static void
work_init(work *w, ps_verifier *verifier, ps_span text,
          const ps_slow_section *slow)
{
    w->verifier = verifier;
    w->set = current_keyset(verifier);
    w->slow = slow;
    w->judge = true;
    w->text = text;
    w->payload = w->buffer;
}

/* A verification that the cache could not answer. */
static __attribute__((noinline)) ps_status
verify_anew(ps_verifier *verifier, ps_span text, double now,
            const ps_slow_section *slow, bool judge, uint64_t hash,
            ps_token **token, ps_span *claim)
{
    work w;
    work_init(&w, verifier, text, slow);
    w.judge = judge;
    ps_status status = read_segments(&w);
    if (status == PS_OK && w.jws.payload.len == 0) {
        status = PS_MALFORMED;
    }
    if (status == PS_OK) {
        status = check_signature(&w);
    }
    if (status != PS_OK && status != PS_ENGINE) {
        return work_fini(&w, status);
    }
    /* The signature is good, also where the engine refuses the token: then
     * our own reason, if we have one, says more. */
    bool engine_refuses = status == PS_ENGINE;
    ps_token *made = NULL;
    status = w.payload == w.buffer
                 ? check_small_payload(&w, now, hash, &made, claim)
                 : check_large_payload(&w, now, hash, &made, claim);
    if (status == PS_OK && engine_refuses) {
        ps_token_release(made);
        status = PS_ENGINE;
    } else if (status == PS_OK) {
        *token = made;
        if (hash != 0) {
            ps_token_cache_add(verifier->cache, made);
        }
    }
    return work_fini(&w, status);
}

/* The time rules again, for a token from the cache. */
static ps_status
check_again(const ps_verifier *verifier, const ps_token *token, double now,
            ps_span *claim)
{
    double leeway = verifier->claims.leeway;
    if (isnan(now)) {
        double early = (double)ps_clock_wall_ms() * 1e-3;
        ps_span ignored;
        if (ps_claims_check_times(&token->times, leeway, early, &ignored) ==
                PS_OK &&
            coarse_is_enough(&token->times, leeway, early)) {
            return PS_OK;
        }
        now = ps_clock_wall_seconds();
    }
    return ps_claims_check_times(&token->times, leeway, now, claim);
}

/* The last segment; everything when there is no dot. */
static ps_span
last_segment(ps_span text)
{
    const char *dot = memrchr(text.ptr, '.', text.len);
    return dot != NULL ? ps_span_from(text, (size_t)(dot + 1 - text.ptr))
                       : text;
}

ps_status
ps_verifier_explain(ps_verifier *verifier, ps_span text, double now,
                    const ps_slow_section *slow, ps_token **token,
                    ps_span *claim)
{
    uint64_t hash = 0;
    if (text.len > verifier->max_bytes) {
        return PS_TOO_LONG;
    }
    if (verifier->cache != NULL && text.len != 0 &&
        text.len <= PS_TOKEN_CACHED_MAX) {
        uint64_t epoch =
            atomic_load_explicit(&verifier->epoch, memory_order_acquire);
        ps_token *found = ps_token_cache_find(
            verifier->cache, text, last_segment(text), epoch, &hash);
        if (found != NULL) {
            ps_status status = check_again(verifier, found, now, claim);
            if (status == PS_OK) {
                *token = found;
                return PS_OK;
            }
            if (status == PS_EXPIRED) {
                ps_token_cache_remove(verifier->cache, found);
            }
            ps_token_release(found);
            return status;
        }
    }
    return verify_anew(verifier, text, now, slow, true, hash, token, claim);
}

ps_status
ps_verifier_verify(ps_verifier *verifier, ps_span text, double now,
                   const ps_slow_section *slow, ps_token **token)
{
    ps_span claim;
    return ps_verifier_explain(verifier, text, now, slow, token, &claim);
}

ps_status
ps_verifier_decode(ps_verifier *verifier, ps_span text,
                   const ps_slow_section *slow, ps_token **token)
{
    ps_span claim;
    if (text.len > verifier->max_bytes) {
        return PS_TOO_LONG;
    }
    return verify_anew(verifier, text, PS_NOW_BY_CLOCK, slow, false, 0, token,
                       &claim);
}

ps_status
ps_verifier_verify_jws(ps_verifier *verifier, ps_span text,
                       const ps_slow_section *slow, char **payload,
                       size_t *size)
{
    if (text.len > verifier->max_bytes) {
        return PS_TOO_LONG;
    }
    work w;
    work_init(&w, verifier, text, slow);
    ps_status status = read_segments(&w);
    if (status == PS_OK) {
        status = check_signature(&w);
    }
    if (status == PS_OK) {
        char *copy = ps_malloc(w.payload_size);
        if (copy == NULL) {
            status = PS_NO_MEMORY;
        } else {
            memcpy(copy, w.payload, w.payload_size);
            *payload = copy;
            *size = w.payload_size;
        }
    }
    return work_fini(&w, status);
}

ps_token_cache_info
ps_verifier_cache_info(ps_verifier *verifier)
{
    return verifier->cache != NULL ? ps_token_cache_look(verifier->cache)
                                   : (ps_token_cache_info){0};
}

ps_token_cache_info
ps_verifier_cache_counts(ps_verifier *verifier)
{
    return verifier->cache != NULL ? ps_token_cache_counts(verifier->cache)
                                   : (ps_token_cache_info){0};
}

void
ps_verifier_cache_clear(ps_verifier *verifier)
{
    if (verifier->cache != NULL) {
        ps_token_cache_clear(verifier->cache);
    }
}
