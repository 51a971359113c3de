/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "base/alloc.h"
#include "token/token.h"
#include "token/cache.h"

#define S HR_SPAN

static hr_json_member MEMBERS[16];
static uint32_t HEADS[32];

/* A token of `payload`, made of parts that end at an unreadable page. */
static hr_token *
make(hr_span payload, hr_span key_id)
{
    hr_json_scratch scratch = {MEMBERS, HEADS, 16};
    size_t count = 0;
    unsigned flags;
    hr_span text = guarded(S("head.payload.signature"));
    payload = guarded(payload);
    if (hr_json_index(payload, &scratch, &count, &flags) != HR_OK) {
        return NULL;
    }
    hr_token parts = {
        .algorithm = HR_HS256,
        .text = text,
        .header = {text.ptr, 4},
        .payload = payload,
        .key_id = key_id,
        .member_count = count,
        .members = MEMBERS,
    };
    return hr_token_new(&parts);
}

static const struct {
    const char *why;
    hr_span payload;
    hr_status want;
    hr_span text;
} CLAIMS[] = {
    {"a string", S("{\"a\":\"xyz\"}"), HR_OK, S("xyz")},
    {"an empty string", S("{\"a\":\"\"}"), HR_OK, S("")},
    {"a number", S("{\"a\":42}"), HR_OK, S("42")},
    {"a negative one", S("{\"a\":-7}"), HR_OK, S("-7")},
    {"escapes", S("{\"a\":\"x\\u0079\\n\"}"), HR_OK, S("xy\n")},
    {"an escaped name", S("{\"\\u0061\":\"x\"}"), HR_OK, S("x")},
    {"wide characters", S("{\"a\":\"\xc3\xa9\"}"), HR_OK, S("\xc3\xa9")},
    {"the room is full", S("{\"a\":\"12345678\"}"), HR_OK, S("12345678")},
    {"longer than the room", S("{\"a\":\"123456789\"}"), HR_ABSENT, S("")},
    {"escapes that shrink into the room",
     S("{\"a\":\"\\u0031\\u0032\\u0033\"}"), HR_OK, S("123")},
    {"escapes that do not", S("{\"a\":\"\\u00311234567890\"}"), HR_ABSENT,
     S("")},
    {"a float", S("{\"a\":1.5}"), HR_ABSENT, S("")},
    {"null", S("{\"a\":null}"), HR_ABSENT, S("")},
    {"true", S("{\"a\":true}"), HR_ABSENT, S("")},
    {"a list", S("{\"a\":[\"x\"]}"), HR_ABSENT, S("")},
    {"an object", S("{\"a\":{\"a\":\"x\"}}"), HR_ABSENT, S("")},
    {"of another name", S("{\"A\":\"x\",\"aa\":\"x\"}"), HR_ABSENT, S("")},
    {"nothing", S("{}"), HR_ABSENT, S("")},
};

static void
claims_as_text(void)
{
    for (size_t i = 0; i < sizeof(CLAIMS) / sizeof(CLAIMS[0]); i++) {
        hr_token *token = make(CLAIMS[i].payload, HR_NO_SPAN);
        char buffer[8];
        hr_span out = HR_NO_SPAN;
        hr_status got =
            hr_token_claim_text(token, guarded(S("a")), buffer, 8, &out);
        ok(got == CLAIMS[i].want &&
               (got != HR_OK || hr_span_equal(out, CLAIMS[i].text)),
           "claim text: %s: %s", CLAIMS[i].why, hr_status_word(got));
        hr_token_release(token);
    }
}

static void
parts_are_copied(void)
{
    hr_token *token = make(S("{\"a\":1}"), S("id"));
    char *end = (char *)token + token->size;
    ok(hr_span_equal(token->text, S("head.payload.signature")) &&
           hr_span_equal(token->header, S("head")) &&
           token->header.ptr == token->text.ptr &&
           hr_span_equal(token->payload, S("{\"a\":1}")) &&
           hr_span_equal(token->key_id, S("id")) &&
           token->key_id.ptr + 2 == end && token->members != MEMBERS,
       "new: copies, in one block");
    ok(hr_token_retain(token) == token, "retain: the same token");
    hr_token_release(token);
    ok(hr_span_equal(token->key_id, S("id")), "release: not the last one");
    hr_token_release(token);
    hr_token_release(NULL);
    token = make(S("{}"), HR_NO_SPAN);
    ok(token->key_id.ptr == NULL && token->member_count == 0 &&
           hr_token_find(token, S("a")) == NULL,
       "new: absent stays absent");
    hr_token_release(token);
}

static void
without_memory(void)
{
    hr_alloc_fail_at(1, 0);
    ok(make(S("{\"a\":1}"), HR_NO_SPAN) == NULL, "no memory: no token");
    hr_alloc_fail_at(0, 0);
    hr_token *token = make(S("{\"a\":\"\\u0031\\u0032\"}"), HR_NO_SPAN);
    char buffer[8];
    hr_span out;
    hr_alloc_fail_at(1, 0);
    ok(hr_token_claim_text(token, S("a"), buffer, 8, &out) == HR_ABSENT,
       "no memory: no text of a claim with escapes");
    hr_alloc_fail_at(0, 0);
    hr_token_release(token);
}

/* The token that is watched, and what it was like when it was freed. */
static const hr_token *watched;
static size_t watched_from, watched_to;
static int freed, wiped;

static void
look_at_free(const void *block)
{
    const char *bytes = block;
    if (block != watched) {
        return;
    }
    freed++;
    wiped = 1;
    for (size_t i = watched_from; i < watched_to; i++) {
        wiped &= bytes[i] == 0;
    }
}

/* From here on this token's text, payload and key id are watched. */
static void
watch(const hr_token *token)
{
    watched = token;
    watched_from = (size_t)(token->text.ptr - (const char *)token);
    watched_to = token->size;
    freed = wiped = 0;
}

/* A token that only the cache holds; it is watched. */
static void
keep(hr_token_cache *cache, uint64_t hash)
{
    hr_token *token = make(S("{\"a\":\"secret\"}"), S("id"));
    token->hash = hash;
    hr_token_cache_add(cache, token);
    watch(token);
    hr_token_release(token);
}

static void
bytes_are_wiped(void)
{
    hr_token_cache *cache;
    hr_alloc_on_free(look_at_free);
    hr_token *token = make(S("{\"a\":\"secret\"}"), S("id"));
    watch(token);
    hr_token_retain(token);
    hr_token_release(token);
    ok(!freed && hr_span_equal(token->key_id, S("id")),
       "wipe: not while somebody holds it");
    hr_token_release(token);
    ok(freed == 1 && wiped, "wipe: with the last reference");
    ok(hr_token_cache_new(1, &cache) == HR_OK, "wipe: a cache of one place");
    keep(cache, 1);
    const hr_token *first = watched;
    token = make(S("{\"a\":\"another\"}"), S("id"));
    token->hash = 2;
    ok(!freed, "wipe: the cache holds it");
    hr_token_cache_add(cache, token);
    ok(watched == first && freed == 1 && wiped, "wipe: pushed out");
    watch(token);
    hr_token_cache_remove(cache, token);
    ok(!freed, "wipe: taken out, still ours");
    hr_token_release(token);
    ok(freed == 1 && wiped, "wipe: taken out");
    keep(cache, 3);
    hr_token_cache_clear(cache);
    ok(freed == 1 && wiped, "wipe: cleared");
    keep(cache, 4);
    hr_token_cache_free(cache);
    ok(freed == 1 && wiped, "wipe: the cache itself goes");
    hr_alloc_on_free(NULL);
}

int
main(void)
{
    claims_as_text();
    parts_are_copied();
    without_memory();
    bytes_are_wiped();
    return done_testing();
}
