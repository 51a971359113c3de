/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "jwt.h"

#include "../../ext/core/alloc.h"
#include "../../ext/core/verifier.h"

#define S PS_SPAN
#define NOW 1700000000.0

static const ps_span EXP[] = {{"exp", 3}};

static ps_verifier *
make_verifier(size_t cache_size)
{
    ps_key *key;
    ps_verifier *verifier;
    ps_verifier_error error;
    if (ps_key_from_secret(SECRET, PS_HS256, PS_NO_SPAN, false, &key) !=
        PS_OK) {
        return NULL;
    }
    ps_verifier_settings settings = {
        .keys = &key,
        .key_count = 1,
        .claims = {.require = EXP, .require_count = 1, .max_lifetime = -1},
        .max_bytes = PS_TOKEN_MAX_BYTES,
        .cache_size = cache_size,
        .engine = ps_engine_openssl(),
    };
    ps_status status = ps_verifier_new(&settings, &verifier, &error);
    ps_key_release(key);
    return status == PS_OK ? verifier : NULL;
}

static ps_status
verify(ps_verifier *verifier, ps_span text)
{
    ps_token *token = NULL;
    ps_status status = ps_verifier_verify(verifier, text, NOW, NULL, &token);
    ps_token_release(token);
    return status;
}

static const struct {
    const char *why;
    ps_span text;
    ps_status want;
} SHAPES[] = {
    {"empty", S(""), PS_MALFORMED},
    {"no dot", S("abc"), PS_MALFORMED},
    {"one dot", S("abc.def"), PS_MALFORMED},
    {"three dots", S("a.b.c.d"), PS_MALFORMED},
    {"five segments (JWE)", S("a.b.c.d.e"), PS_MALFORMED},
    {"only dots", S(".."), PS_MALFORMED},
    {"no header", S(".e30.AAAA"), PS_MALFORMED},
    {"no payload", S("e30..AAAA"), PS_MALFORMED},
    {"no signature", S("e30.e30."), PS_MALFORMED},
    {"JSON", S("{\"a\":1}"), PS_MALFORMED},
    {"padding", S("e30.e30.AA=="), PS_BASE64},
    {"plus in the payload", S("e30.+A.AAAA"), PS_BASE64},
    {"slash in the header", S("e3/.e30.AAAA"), PS_BASE64},
    {"newline in the signature", S("e30.e30.AA\nA"), PS_MALFORMED},
    {"space at the end", S("e30.e30.AAAA "), PS_MALFORMED},
    {"scheme left in", S("Bearer e30.e30.AAAA"), PS_MALFORMED},
    {"NUL", S("e30.e3\0.AAAA"), PS_MALFORMED},
    {"not ASCII", S("e30.e30.AA\xc3\xa9"), PS_MALFORMED},
    {"unused bits in the signature", S("e30.e30.AB"), PS_BASE64},
};

static const struct {
    const char *why;
    ps_span header;
    ps_status want;
} HEADERS[] = {
    {"HS256", S("{\"alg\":\"HS256\"}"), PS_OK},
    {"more members", S("{\"alg\":\"HS256\",\"x\":{\"y\":[1]}}"), PS_OK},
    {"an escaped name", S("{\"\\u0061lg\":\"HS256\"}"), PS_OK},
    {"a key id that no key has: keys without one",
     S("{\"alg\":\"HS256\","
       "\"kid\":\"1\"}"),
     PS_OK},
    {"a jwk is not looked at", S("{\"alg\":\"HS256\",\"jwk\":{}}"), PS_OK},
    {"none", S("{\"alg\":\"none\"}"), PS_ALGORITHM},
    {"small letters", S("{\"alg\":\"hs256\"}"), PS_ALGORITHM},
    {"a space behind", S("{\"alg\":\"HS256 \"}"), PS_ALGORITHM},
    {"empty algorithm", S("{\"alg\":\"\"}"), PS_ALGORITHM},
    {"another hash", S("{\"alg\":\"HS512\"}"), PS_ALGORITHM},
    {"another family", S("{\"alg\":\"RS256\"}"), PS_ALGORITHM},
    {"no algorithm", S("{\"typ\":\"JWT\"}"), PS_ALGORITHM},
    {"null algorithm", S("{\"alg\":null}"), PS_ALGORITHM},
    {"a list of algorithms", S("{\"alg\":[\"HS256\"]}"), PS_ALGORITHM},
    {"two algorithms", S("{\"alg\":\"HS256\",\"alg\":\"HS256\"}"), PS_HEADER},
    {"an array", S("[\"HS256\"]"), PS_HEADER},
    {"no JSON", S("HS256"), PS_HEADER},
    {"NUL behind", S("{\"alg\":\"HS256\"}\0"), PS_HEADER},
    {"crit", S("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}"),
     PS_CRITICAL},
    {"empty crit", S("{\"alg\":\"HS256\",\"crit\":[]}"), PS_CRITICAL},
    {"b64", S("{\"alg\":\"HS256\",\"b64\":false}"), PS_CRITICAL},
    {"b64 true", S("{\"alg\":\"HS256\",\"b64\":true}"), PS_CRITICAL},
    {"a number as key id", S("{\"alg\":\"HS256\",\"kid\":1}"), PS_KEY_ID},
    {"null as key id", S("{\"alg\":\"HS256\",\"kid\":null}"), PS_KEY_ID},
    {"a key id with a newline", S("{\"alg\":\"HS256\",\"kid\":\"\\n\"}"),
     PS_KEY_ID},
    {"zip", S("{\"alg\":\"HS256\",\"zip\":\"DEF\"}"), PS_HEADER},
    {"a nested token", S("{\"alg\":\"HS256\",\"cty\":\"jwt\"}"), PS_HEADER},
    {"typ not a string", S("{\"alg\":\"HS256\",\"typ\":1}"), PS_HEADER},
};

static const struct {
    const char *why;
    ps_span payload;
    ps_status want;
} PAYLOADS[] = {
    {"not expired", S("{\"exp\":1700000001}"), PS_OK},
    {"expires now", S("{\"exp\":1700000000}"), PS_EXPIRED},
    {"no exp", S("{}"), PS_MISSING_CLAIM},
    {"exp null", S("{\"exp\":null}"), PS_MISSING_CLAIM},
    {"exp a string", S("{\"exp\":\"1800000000\"}"), PS_CLAIM_TYPE},
    {"exp true", S("{\"exp\":true}"), PS_CLAIM_TYPE},
    {"exp negative", S("{\"exp\":-1}"), PS_CLAIM_TYPE},
    {"exp over 64 bits", S("{\"exp\":9223372036854775808}"), PS_CLAIM_TYPE},
    {"exp infinite", S("{\"exp\":1e400}"), PS_CLAIM_TYPE},
    {"exp with a fraction is cut", S("{\"exp\":1700000000.9}"), PS_EXPIRED},
    {"exp as a float", S("{\"exp\":1.8e9}"), PS_OK},
    {"exp with an escaped name", S("{\"\\u0065xp\":1}"), PS_EXPIRED},
    {"nbf in the future", S("{\"exp\":1800000000,\"nbf\":1700000001}"),
     PS_NOT_YET_VALID},
    {"nbf now", S("{\"exp\":1800000000,\"nbf\":1700000000}"), PS_OK},
    {"iat in the future", S("{\"exp\":1800000000,\"iat\":1700000001}"),
     PS_ISSUED_IN_FUTURE},
    {"iat in the future and expired", S("{\"exp\":1,\"iat\":1700000001}"),
     PS_ISSUED_IN_FUTURE},
    {"an audience that nobody expects",
     S("{\"exp\":1800000000,"
       "\"aud\":\"x\"}"),
     PS_AUDIENCE},
    {"sub a number", S("{\"exp\":1800000000,\"sub\":1}"), PS_SUBJECT},
    {"jti a number", S("{\"exp\":1800000000,\"jti\":1}"), PS_JTI},
    {"an array", S("[1]"), PS_PAYLOAD},
    {"two exp", S("{\"exp\":1800000000,\"exp\":1800000000}"), PS_PAYLOAD},
    {"NUL behind", S("{\"exp\":1800000000}\0"), PS_PAYLOAD},
    {"NaN", S("{\"exp\":1800000000,\"a\":NaN}"), PS_PAYLOAD},
    {"an infinite number", S("{\"exp\":1800000000,\"a\":[1e999]}"),
     PS_PAYLOAD},
};

static void
claims_come_back(void)
{
    ps_verifier *verifier = make_verifier(16);
    ps_token *token = NULL;
    ps_span text = make_token(
        S("{\"alg\":\"HS256\",\"kid\":\"k\"}"),
        S("{\"exp\":1800000000,\"sub\":\"\\u00e9lan\",\"user_id\":17,"
          "\"x\":[],\"name\":\"plain\"}"),
        SECRET);
    ps_status status = ps_verifier_verify(verifier, text, NOW, NULL, &token);
    char buffer[8];
    ps_span out = PS_NO_SPAN;
    ok(status == PS_OK && token->times.expires == 1800000000 &&
           ps_span_equal(token->key_id, S("k")) &&
           token->algorithm == PS_HS256,
       "token: its facts");
    status = ps_token_claim_text(token, S("sub"), buffer, 8, &out);
    ok(status == PS_OK && ps_span_equal(out, S("\xc3\xa9lan")) &&
           out.ptr == buffer,
       "claim text: escapes are resolved");
    status = ps_token_claim_text(token, S("user_id"), buffer, 8, &out);
    ok(status == PS_OK && ps_span_equal(out, S("17")),
       "claim text: an integer");
    status = ps_token_claim_text(token, S("name"), buffer, 8, &out);
    ok(status == PS_OK && ps_span_equal(out, S("plain")) &&
           out.ptr > token->payload.ptr,
       "claim text: points into the token");
    ok(ps_token_claim_text(token, S("x"), buffer, 8, &out) == PS_ABSENT,
       "claim text: an array is none");
    ok(ps_token_claim_text(token, S("y"), buffer, 8, &out) == PS_ABSENT,
       "claim text: not there");
    ok(ps_token_claim_text(token, S("name"), buffer, 4, &out) == PS_ABSENT,
       "claim text: too long");
    ok(ps_token_claim_text(token, S("sub"), buffer, 5, &out) == PS_OK &&
           ps_span_equal(out, S("\xc3\xa9lan")),
       "claim text: fits once resolved");
    ps_token_release(token);
    ps_verifier_release(verifier);
}

/* What a forged token gives away must not depend on its payload. */
static void
payload_is_not_looked_at_before_the_signature(void)
{
    ps_verifier *verifier = make_verifier(0);
    ps_span other = S("another secret of thirty-two byte");
    ok(verify(verifier, make_token(HS256, S("{\"exp\":1}"), other)) ==
               PS_SIGNATURE &&
           verify(verifier, make_token(HS256, S("not JSON"), other)) ==
               PS_SIGNATURE,
       "verify: bad signature first, whatever the payload");
    ps_verifier_release(verifier);
}

static void
cache_counts_and_forgets(void)
{
    ps_verifier *verifier = make_verifier(16);
    ps_span text = make_token(HS256, S("{\"exp\":1700000010}"), SECRET);
    ps_token *token = NULL;
    int right =
        verify(verifier, text) == PS_OK && verify(verifier, text) == PS_OK;
    ps_token_cache_info info = ps_verifier_cache_info(verifier);
    ok(right && info.hits == 1 && info.misses == 1 && info.size == 1 &&
           info.capacity == 16 && info.bytes > text.len,
       "cache: a first look is a miss, the next one a hit");
    ok(ps_verifier_verify(verifier, text, 1700000010, NULL, &token) ==
           PS_EXPIRED,
       "cache: the time rules run again on a hit");
    ok(ps_verifier_cache_info(verifier).size == 0,
       "cache: an expired token goes");
    ok(verify(verifier, text) == PS_OK, "cache: an earlier now is fine");
    ps_key *key;
    ps_verifier_error error;
    ps_status status =
        ps_key_from_secret(S("another secret of thirty-two bytes"), PS_HS256,
                           PS_NO_SPAN, false, &key);
    ok(status == PS_OK &&
           ps_verifier_replace_keys(verifier, &key, 1, &error) == PS_OK,
       "replace_keys");
    ps_key_release(key);
    ok(verify(verifier, text) == PS_SIGNATURE,
       "cache: what old keys verified is gone");
    ps_verifier_release(verifier);
}

/* RFC 7515 A.3: a key and a token of it; RFC 7517 A.1: another key. */
static const ps_span EC_KEY =
    S("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\","
      "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
static const ps_span OTHER_EC_KEY =
    S("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\","
      "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
      "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}");
static const ps_span EC_TOKEN =
    S("eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
      "mNvbS9pc19yb290Ijp0cnVlfQ."
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
      "KTUJqPP3-Kg6NU1Q");

/* Other keys come in while the signature is looked at. */
static void
swap_keys(void *verifier)
{
    ps_key *key;
    bool skip;
    ps_verifier_error error;
    if (ps_key_from_jwk(OTHER_EC_KEY, NULL, &key, &skip) == PS_OK) {
        ok(ps_verifier_replace_keys(verifier, &key, 1, &error) == PS_OK,
           "swap: in the midst of a verification");
        ps_key_release(key);
    }
}

static void
do_nothing(void *context)
{
    (void)context;
}

static void
keys_change_meanwhile(void)
{
    ps_key *key;
    bool skip;
    ps_verifier *verifier = make_verifier(16);
    ps_verifier_error error;
    ps_token *token = NULL;
    ps_span text = guarded(EC_TOKEN);
    ps_slow_section swap = {swap_keys, do_nothing, verifier};
    ok(ps_key_from_jwk(EC_KEY, NULL, &key, &skip) == PS_OK &&
           ps_verifier_replace_keys(verifier, &key, 1, &error) == PS_OK,
       "swap: the first keys");
    ps_key_release(key);
    ok(ps_verifier_verify(verifier, text, 1300000000, &swap, &token) == PS_OK,
       "swap: what began before it goes by the old keys");
    ps_token_release(token);
    token = NULL;
    ok(ps_verifier_verify(verifier, text, 1300000000, NULL, &token) ==
           PS_SIGNATURE,
       "swap: what the old keys verified late is not found");
    ps_token_release(token);
    ps_verifier_release(verifier);
}

/* With the clock: anew and from the cache, on both sides of now. */
static void
clock_is_read(void)
{
    ps_verifier *verifier = make_verifier(16);
    long now = (long)time(NULL);
    static const struct {
        const char *claim;
        long offset;
        ps_status want;
    } TIMES[] = {
        {"exp", 600, PS_OK},     {"exp", -600, PS_EXPIRED},
        {"exp", -1, PS_EXPIRED}, {"nbf", 600, PS_NOT_YET_VALID},
        {"nbf", -1, PS_OK},      {"iat", 600, PS_ISSUED_IN_FUTURE},
        {"iat", 0, PS_OK},
    };
    for (size_t i = 0; i < sizeof(TIMES) / sizeof(TIMES[0]); i++) {
        char payload[128];
        int exp_too = strcmp(TIMES[i].claim, "exp") != 0;
        int len = snprintf(payload, sizeof(payload), "{\"%s\":%ld%s}",
                           TIMES[i].claim, now + TIMES[i].offset,
                           exp_too ? ",\"exp\":9999999999" : "");
        ps_span text =
            make_token(HS256, (ps_span){payload, (size_t)len}, SECRET);
        for (int again = 0; again < 2; again++) {
            ps_token *token = NULL;
            ps_status got = ps_verifier_verify(verifier, text, PS_NOW_BY_CLOCK,
                                               NULL, &token);
            ok(got == TIMES[i].want, "clock: %s %+ld: %s", TIMES[i].claim,
               TIMES[i].offset, ps_status_word(got));
            ps_token_release(token);
        }
    }
    ps_verifier_release(verifier);
}

static void
one_bit_is_enough(void)
{
    ps_verifier *verifier = make_verifier(16);
    ps_span text = make_token(HS256, S("{\"exp\":1700000010}"), SECRET);
    char copy[256];
    int refused = verify(verifier, text) == PS_OK;
    for (size_t at = 0; at < text.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(copy, text.ptr, text.len);
            copy[at] = (char)(copy[at] ^ 1 << bit);
            refused &= verify(verifier, (ps_span){copy, text.len}) != PS_OK;
        }
    }
    ok(refused, "cache: no token that differs in one bit is taken");
    ok(ps_verifier_cache_info(verifier).size == 1,
       "cache: no forged token gets in");
    ps_verifier_release(verifier);
}

static void
large_tokens(void)
{
    ps_verifier *verifier = make_verifier(16);
    static char payload[6000];
    int head = sprintf(payload, "{\"exp\":1800000000,\"a\":\"");
    memset(payload + head, 'x', sizeof(payload) - (size_t)head - 2);
    memcpy(payload + sizeof(payload) - 2, "\"}", 2);
    ps_span text =
        make_token(HS256, (ps_span){payload, sizeof(payload)}, SECRET);
    ok(verify(verifier, text) == PS_OK, "large: verified");
    ok(ps_verifier_cache_info(verifier).size == 0, "large: never cached");
    static char long_text[PS_TOKEN_MAX_BYTES + 1];
    memset(long_text, 'a', sizeof(long_text));
    ok(verify(verifier, (ps_span){long_text, sizeof(long_text)}) ==
           PS_TOO_LONG,
       "large: over max_bytes");
    ps_verifier_release(verifier);
}

static void
any_jws(void)
{
    ps_verifier *verifier = make_verifier(0);
    char *payload = NULL;
    size_t size = 99;
    ps_status status = ps_verifier_verify_jws(
        verifier, make_token(HS256, S("foo"), SECRET), NULL, &payload, &size);
    ok(status == PS_OK && size == 3 && memcmp(payload, "foo", 3) == 0,
       "verify_jws: any payload");
    ps_free(payload);
    status = ps_verifier_verify_jws(verifier, make_token(HS256, S(""), SECRET),
                                    NULL, &payload, &size);
    ok(status == PS_OK && size == 0, "verify_jws: an empty payload");
    ps_free(payload);
    ps_verifier_release(verifier);
}

/* Fails each allocation in turn: every call answers NO_MEMORY or works. */
static void
without_memory(void)
{
    ps_span text = make_token(HS256, S("{\"exp\":1700000010}"), SECRET);
    int right = 1, whole = 0;
    for (size_t n = 1; n < 200 && !whole; n++) {
        ps_token *token = NULL;
        (void)ps_alloc_fail_at(n, 1);
        ps_verifier *verifier = make_verifier(16);
        if (verifier != NULL) {
            ps_status status =
                ps_verifier_verify(verifier, text, NOW, NULL, &token);
            right &= status == PS_OK || status == PS_NO_MEMORY;
            whole = status == PS_OK && ps_alloc_fail_at(0, 0) < n;
        }
        (void)ps_alloc_fail_at(0, 0);
        ps_token_release(token);
        ps_verifier_release(verifier);
    }
    ok(right && whole, "no memory: said so, nothing lost");
}

int
main(void)
{
    ps_verifier *verifier = make_verifier(0);
    for (size_t i = 0; i < sizeof(SHAPES) / sizeof(SHAPES[0]); i++) {
        ps_status got = verify(verifier, guarded(SHAPES[i].text));
        ok(got == SHAPES[i].want, "shape: %s: %s", SHAPES[i].why,
           ps_status_word(got));
    }
    for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++) {
        ps_span text =
            make_token(HEADERS[i].header, S("{\"exp\":1800000000}"), SECRET);
        ps_status got = verify(verifier, text);
        ok(got == HEADERS[i].want, "header: %s: %s", HEADERS[i].why,
           ps_status_word(got));
    }
    for (size_t i = 0; i < sizeof(PAYLOADS) / sizeof(PAYLOADS[0]); i++) {
        ps_span text = make_token(HS256, PAYLOADS[i].payload, SECRET);
        ps_status got = verify(verifier, text);
        ok(got == PAYLOADS[i].want, "payload: %s: %s", PAYLOADS[i].why,
           ps_status_word(got));
    }
    ps_verifier_release(verifier);
    claims_come_back();
    payload_is_not_looked_at_before_the_signature();
    cache_counts_and_forgets();
    clock_is_read();
    one_bit_is_enough();
    large_tokens();
    any_jws();
    keys_change_meanwhile();
    without_memory();
    return done_testing();
}
