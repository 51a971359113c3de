/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/alloc.h"
#include "../../ext/core/token.h"
#include "../../ext/core/token_cache.h"

#define S PS_SPAN

static ps_json_member MEMBERS[16];
static uint32_t HEADS[32];

/* A token of `payload`, made of parts that end at an unreadable page. */
static ps_token *
make(ps_span payload, ps_span key_id)
{
    ps_json_scratch scratch = {MEMBERS, HEADS, 16};
    size_t count = 0;
    unsigned flags;
    ps_span text = guarded(S("head.payload.signature"));
    payload = guarded(payload);
    if (ps_json_index(payload, &scratch, &count, &flags) != PS_OK) {
        return NULL;
    }
    ps_token parts = {
        .algorithm = PS_HS256,
        .text = text,
        .header = {text.ptr, 4},
        .payload = payload,
        .key_id = key_id,
        .member_count = count,
        .members = MEMBERS,
    };
    return ps_token_new(&parts);
}

static const struct {
    const char *why;
    ps_span payload;
    ps_status want;
    ps_span text;
} CLAIMS[] = {
    {"a string", S("{\"a\":\"xyz\"}"), PS_OK, S("xyz")},
    {"an empty string", S("{\"a\":\"\"}"), PS_OK, S("")},
    {"a number", S("{\"a\":42}"), PS_OK, S("42")},
    {"a negative one", S("{\"a\":-7}"), PS_OK, S("-7")},
    {"escapes", S("{\"a\":\"x\\u0079\\n\"}"), PS_OK, S("xy\n")},
    {"an escaped name", S("{\"\\u0061\":\"x\"}"), PS_OK, S("x")},
    {"wide characters", S("{\"a\":\"\xc3\xa9\"}"), PS_OK, S("\xc3\xa9")},
    {"the room is full", S("{\"a\":\"12345678\"}"), PS_OK, S("12345678")},
    {"longer than the room", S("{\"a\":\"123456789\"}"), PS_ABSENT, S("")},
    {"escapes that shrink into the room",
     S("{\"a\":\"\\u0031\\u0032\\u0033\"}"), PS_OK, S("123")},
    {"escapes that do not", S("{\"a\":\"\\u00311234567890\"}"), PS_ABSENT,
     S("")},
    {"a float", S("{\"a\":1.5}"), PS_ABSENT, S("")},
    {"null", S("{\"a\":null}"), PS_ABSENT, S("")},
    {"true", S("{\"a\":true}"), PS_ABSENT, S("")},
    {"a list", S("{\"a\":[\"x\"]}"), PS_ABSENT, S("")},
    {"an object", S("{\"a\":{\"a\":\"x\"}}"), PS_ABSENT, S("")},
    {"of another name", S("{\"A\":\"x\",\"aa\":\"x\"}"), PS_ABSENT, S("")},
    {"nothing", S("{}"), PS_ABSENT, S("")},
};

static void
claims_as_text(void)
{
    for (size_t i = 0; i < sizeof(CLAIMS) / sizeof(CLAIMS[0]); i++) {
        ps_token *token = make(CLAIMS[i].payload, PS_NO_SPAN);
        char buffer[8];
        ps_span out = PS_NO_SPAN;
        ps_status got =
            ps_token_claim_text(token, guarded(S("a")), buffer, 8, &out);
        ok(got == CLAIMS[i].want &&
               (got != PS_OK || ps_span_equal(out, CLAIMS[i].text)),
           "claim text: %s: %s", CLAIMS[i].why, ps_status_word(got));
        ps_token_release(token);
    }
}

static void
parts_are_copied(void)
{
    ps_token *token = make(S("{\"a\":1}"), S("id"));
    char *end = (char *)token + token->size;
    ok(ps_span_equal(token->text, S("head.payload.signature")) &&
           ps_span_equal(token->header, S("head")) &&
           token->header.ptr == token->text.ptr &&
           ps_span_equal(token->payload, S("{\"a\":1}")) &&
           ps_span_equal(token->key_id, S("id")) &&
           token->key_id.ptr + 2 == end && token->members != MEMBERS,
       "new: copies, in one block");
    ok(ps_token_retain(token) == token, "retain: the same token");
    ps_token_release(token);
    ok(ps_span_equal(token->key_id, S("id")), "release: not the last one");
    ps_token_release(token);
    ps_token_release(NULL);
    token = make(S("{}"), PS_NO_SPAN);
    ok(token->key_id.ptr == NULL && token->member_count == 0 &&
           ps_token_find(token, S("a")) == NULL,
       "new: absent stays absent");
    ps_token_release(token);
}

static void
without_memory(void)
{
    ps_alloc_fail_at(1, 0);
    ok(make(S("{\"a\":1}"), PS_NO_SPAN) == NULL, "no memory: no token");
    ps_alloc_fail_at(0, 0);
    ps_token *token = make(S("{\"a\":\"\\u0031\\u0032\"}"), PS_NO_SPAN);
    char buffer[8];
    ps_span out;
    ps_alloc_fail_at(1, 0);
    ok(ps_token_claim_text(token, S("a"), buffer, 8, &out) == PS_ABSENT,
       "no memory: no text of a claim with escapes");
    ps_alloc_fail_at(0, 0);
    ps_token_release(token);
}

/* The token that is watched, and what it was like when it was freed. */
static const ps_token *watched;
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
watch(const ps_token *token)
{
    watched = token;
    watched_from = (size_t)(token->text.ptr - (const char *)token);
    watched_to = token->size;
    freed = wiped = 0;
}

/* A token that only the cache holds; it is watched. */
static void
keep(ps_token_cache *cache, uint64_t hash)
{
    ps_token *token = make(S("{\"a\":\"secret\"}"), S("id"));
    token->hash = hash;
    ps_token_cache_add(cache, token);
    watch(token);
    ps_token_release(token);
}

static void
bytes_are_wiped(void)
{
    ps_token_cache *cache;
    ps_alloc_on_free(look_at_free);
    ps_token *token = make(S("{\"a\":\"secret\"}"), S("id"));
    watch(token);
    ps_token_retain(token);
    ps_token_release(token);
    ok(!freed && ps_span_equal(token->key_id, S("id")),
       "wipe: not while somebody holds it");
    ps_token_release(token);
    ok(freed == 1 && wiped, "wipe: with the last reference");
    ok(ps_token_cache_new(1, &cache) == PS_OK, "wipe: a cache of one place");
    keep(cache, 1);
    const ps_token *first = watched;
    token = make(S("{\"a\":\"another\"}"), S("id"));
    token->hash = 2;
    ok(!freed, "wipe: the cache holds it");
    ps_token_cache_add(cache, token);
    ok(watched == first && freed == 1 && wiped, "wipe: pushed out");
    watch(token);
    ps_token_cache_remove(cache, token);
    ok(!freed, "wipe: taken out, still ours");
    ps_token_release(token);
    ok(freed == 1 && wiped, "wipe: taken out");
    keep(cache, 3);
    ps_token_cache_clear(cache);
    ok(freed == 1 && wiped, "wipe: cleared");
    keep(cache, 4);
    ps_token_cache_free(cache);
    ok(freed == 1 && wiped, "wipe: the cache itself goes");
    ps_alloc_on_free(NULL);
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
