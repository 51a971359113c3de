/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "jwt.h"

#include "base/alloc.h"
#include "token/cache.h"

#define S HR_SPAN
#define TOKENS 200
#define ROUNDS 4000
#define THREADS 4

static hr_span texts[TOKENS];

static hr_span
signature_of(hr_span text)
{
    return hr_span_from(text, text.len - 43);
}

/* A token of that text, as the verifier makes it. */
static hr_token *
new_token(hr_span text, uint64_t epoch, uint64_t hash)
{
    hr_token parts = {
        .epoch = epoch,
        .hash = hash,
        .text = text,
        .header = {text.ptr, 10},
        .payload = S("{}"),
    };
    return hr_token_new(&parts);
}

/* Finds the text, or adds it; answers whether it was found. */
static int
look(hr_token_cache *cache, hr_span text, uint64_t epoch)
{
    uint64_t hash;
    hr_token *token =
        hr_token_cache_find(cache, text, signature_of(text), epoch, &hash);
    int found = token != NULL;
    if (found) {
        found = hr_span_equal(token->text, text) && token->epoch == epoch;
    } else {
        token = new_token(text, epoch, hash);
        if (token != NULL) {
            hr_token_cache_add(cache, token);
        }
    }
    hr_token_release(token);
    return found;
}

static void
make_texts(void)
{
    for (int i = 0; i < TOKENS; i++) {
        char payload[32];
        int len = snprintf(payload, sizeof(payload), "{\"n\":%d}", i);
        texts[i] = make_token(HS256, (hr_span){payload, (size_t)len}, SECRET);
    }
}

static hr_token_cache *
new_cache(size_t capacity)
{
    hr_token_cache *cache = NULL;
    hr_status status = hr_token_cache_new(capacity, &cache);
    return status == HR_OK ? cache : NULL;
}

static void
one_thread(void)
{
    hr_token_cache *cache = new_cache(16);
    ok(!look(cache, texts[0], 1) && look(cache, texts[0], 1),
       "find: what was added");
    ok(!look(cache, texts[0], 2), "find: not under another epoch");
    ok(!look(cache, (hr_span){texts[0].ptr, texts[0].len}, 3) &&
           !look(cache, texts[1], 3),
       "find: not another text");
    hr_token_cache_clear(cache);
    hr_token_cache_info info = hr_token_cache_look(cache);
    ok(info.size == 0 && info.bytes == 0 && info.capacity == 16,
       "clear: empty");
    for (int i = 0; i < TOKENS; i++) {
        look(cache, texts[0], 1);
        look(cache, texts[i], 1);
    }
    ok(look(cache, texts[0], 1), "add: what is in use stays");
    info = hr_token_cache_look(cache);
    ok(info.size == 16, "add: full, never over");
    hr_token_cache_free(cache);
    ok(hr_token_cache_new(0, &cache) == HR_SETTING, "new: not of size 0");
}

/* The epoch of the token that is found, 0 for none; `*hash` as in find. */
static uint64_t
epoch_found(hr_token_cache *cache, uint64_t epoch, uint64_t *hash)
{
    hr_token *token = hr_token_cache_find(cache, texts[0],
                                          signature_of(texts[0]), epoch, hash);
    uint64_t found = token != NULL ? token->epoch : 0;
    hr_token_release(token);
    return found;
}

/* What one set of keys verified is nobody's under the next, not even where it
 * comes in after the next has begun. */
static void
epochs(void)
{
    hr_token_cache *cache = new_cache(16);
    uint64_t hash;
    look(cache, texts[0], 1);
    ok(epoch_found(cache, 1, &hash) == 1 && epoch_found(cache, 2, &hash) == 0,
       "epoch: an old token is not found under a new one");
    hr_token_cache_clear(cache);
    /* A verification looks under 1, then the keys change, then it adds. */
    ok(epoch_found(cache, 1, &hash) == 0, "epoch: cleared");
    uint64_t late = hash;
    hr_token_cache_clear(cache);
    ok(epoch_found(cache, 2, &hash) == 0, "epoch: a new one begins empty");
    hr_token *token = new_token(texts[0], 1, late);
    hr_token_cache_add(cache, token);
    hr_token_release(token);
    ok(hr_token_cache_look(cache).size == 1 &&
           epoch_found(cache, 2, &hash) == 0,
       "epoch: what comes late under the old one is not found");
    token = new_token(texts[0], 2, hash);
    hr_token_cache_add(cache, token);
    hr_token_release(token);
    ok(epoch_found(cache, 2, &hash) == 2,
       "epoch: nor does it keep the new one out");
    hr_token_cache_free(cache);
}

typedef struct job {
    hr_token_cache *cache;
    unsigned seed;
    atomic_int *wrong;
} job;

static void *
work(void *argument)
{
    job *j = argument;
    unsigned state = j->seed;
    for (int i = 0; i < ROUNDS; i++) {
        state = state * 1103515245U + 12345U;
        hr_span text = texts[(state >> 16) % TOKENS];
        uint64_t hash;
        hr_token *token =
            hr_token_cache_find(j->cache, text, signature_of(text), 1, &hash);
        if (token == NULL) {
            token = new_token(text, 1, hash);
            hr_token_cache_add(j->cache, token);
        } else if (!hr_span_equal(token->text, text)) {
            atomic_fetch_add(j->wrong, 1);
        }
        if (i % 97 == 0) {
            hr_token_cache_remove(j->cache, token);
        }
        if (i % 1999 == 0) {
            hr_token_cache_clear(j->cache);
        }
        hr_token_release(token);
    }
    return NULL;
}

static void
many_threads(void)
{
    hr_token_cache *cache = new_cache(64);
    atomic_int wrong = 0;
    pthread_t threads[THREADS];
    job jobs[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (job){cache, i + 1, &wrong};
        pthread_create(&threads[i], NULL, work, &jobs[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    hr_token_cache_info info = hr_token_cache_look(cache);
    ok(wrong == 0 && info.size <= 64, "threads: right tokens, in bounds");
    hr_token_cache_free(cache);
}

static void
forked(void)
{
    hr_token_cache *cache = new_cache(64);
    look(cache, texts[0], 1);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        hr_token_cache_info info = hr_token_cache_look(cache);
        int right = info.size == 0 && info.hits == 0 && info.misses == 0 &&
                    !look(cache, texts[0], 1) && look(cache, texts[0], 1);
        _exit(right ? 0 : 1);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    ok(status == 0 || emulated(), "fork: the child starts empty");
    ok(look(cache, texts[0], 1), "fork: the parent keeps its own");
    hr_token_cache_free(cache);
}

int
main(void)
{
    make_texts();
    one_thread();
    epochs();
    many_threads();
    forked();
    return done_testing();
}
