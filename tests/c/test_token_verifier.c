/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "jwt.h"

#include "base/alloc.h"
#include "token/verifier.h"

#define S HR_SPAN
#define NOW 1700000000.0

static const hr_span EXP[] = {{"exp", 3}};

static hr_token_verifier *
make_verifier(size_t cache_size)
{
    hr_token_keyring_key *key;
    hr_token_verifier *verifier;
    hr_token_verifier_error error;
    if (hr_token_keyring_key_from_secret(SECRET, HR_HS256, HR_NO_SPAN, false,
                                         &key) != HR_OK) {
        return NULL;
    }
    hr_token_verifier_settings settings = {
        .keys = &key,
        .key_count = 1,
        .claims = {.require = EXP, .require_count = 1, .max_lifetime = -1},
        .max_bytes = HR_TOKEN_MAX_BYTES,
        .cache_size = cache_size,
        .engine = hr_token_signature_openssl(),
    };
    hr_status status = hr_token_verifier_new(&settings, &verifier, &error);
    hr_token_keyring_key_release(key);
    return status == HR_OK ? verifier : NULL;
}

static hr_status
verify(hr_token_verifier *verifier, hr_span text)
{
    hr_token *token = NULL;
    hr_status status =
        hr_token_verifier_verify(verifier, text, NOW, NULL, &token);
    hr_token_release(token);
    return status;
}

static const struct {
    const char *why;
    hr_span text;
    hr_status want;
} SHAPES[] = {
    {"empty", S(""), HR_MALFORMED},
    {"no dot", S("abc"), HR_MALFORMED},
    {"one dot", S("abc.def"), HR_MALFORMED},
    {"three dots", S("a.b.c.d"), HR_MALFORMED},
    {"five segments (JWE)", S("a.b.c.d.e"), HR_MALFORMED},
    {"only dots", S(".."), HR_MALFORMED},
    {"no header", S(".e30.AAAA"), HR_MALFORMED},
    {"no payload", S("e30..AAAA"), HR_MALFORMED},
    {"no signature", S("e30.e30."), HR_MALFORMED},
    {"JSON", S("{\"a\":1}"), HR_MALFORMED},
    {"padding", S("e30.e30.AA=="), HR_BASE64},
    {"plus in the payload", S("e30.+A.AAAA"), HR_BASE64},
    {"slash in the header", S("e3/.e30.AAAA"), HR_BASE64},
    {"newline in the signature", S("e30.e30.AA\nA"), HR_MALFORMED},
    {"space at the end", S("e30.e30.AAAA "), HR_MALFORMED},
    {"scheme left in", S("Bearer e30.e30.AAAA"), HR_MALFORMED},
    {"NUL", S("e30.e3\0.AAAA"), HR_MALFORMED},
    {"not ASCII", S("e30.e30.AA\xc3\xa9"), HR_MALFORMED},
    {"unused bits in the signature", S("e30.e30.AB"), HR_BASE64},
};

static const struct {
    const char *why;
    hr_span header;
    hr_status want;
} HEADERS[] = {
    {"HS256", S("{\"alg\":\"HS256\"}"), HR_OK},
    {"more members", S("{\"alg\":\"HS256\",\"x\":{\"y\":[1]}}"), HR_OK},
    {"an escaped name", S("{\"\\u0061lg\":\"HS256\"}"), HR_OK},
    {"a key id that no key has: keys without one",
     S("{\"alg\":\"HS256\","
       "\"kid\":\"1\"}"),
     HR_OK},
    {"a jwk is not looked at", S("{\"alg\":\"HS256\",\"jwk\":{}}"), HR_OK},
    {"none", S("{\"alg\":\"none\"}"), HR_ALGORITHM},
    {"small letters", S("{\"alg\":\"hs256\"}"), HR_ALGORITHM},
    {"a space behind", S("{\"alg\":\"HS256 \"}"), HR_ALGORITHM},
    {"empty algorithm", S("{\"alg\":\"\"}"), HR_ALGORITHM},
    {"another hash", S("{\"alg\":\"HS512\"}"), HR_ALGORITHM},
    {"another family", S("{\"alg\":\"RS256\"}"), HR_ALGORITHM},
    {"no algorithm", S("{\"typ\":\"JWT\"}"), HR_ALGORITHM},
    {"null algorithm", S("{\"alg\":null}"), HR_ALGORITHM},
    {"a list of algorithms", S("{\"alg\":[\"HS256\"]}"), HR_ALGORITHM},
    {"two algorithms", S("{\"alg\":\"HS256\",\"alg\":\"HS256\"}"), HR_HEADER},
    {"an array", S("[\"HS256\"]"), HR_HEADER},
    {"no JSON", S("HS256"), HR_HEADER},
    {"NUL behind", S("{\"alg\":\"HS256\"}\0"), HR_HEADER},
    {"crit", S("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}"),
     HR_CRITICAL},
    {"empty crit", S("{\"alg\":\"HS256\",\"crit\":[]}"), HR_CRITICAL},
    {"b64", S("{\"alg\":\"HS256\",\"b64\":false}"), HR_CRITICAL},
    {"b64 true", S("{\"alg\":\"HS256\",\"b64\":true}"), HR_CRITICAL},
    {"a number as key id", S("{\"alg\":\"HS256\",\"kid\":1}"), HR_KEY_ID},
    {"null as key id", S("{\"alg\":\"HS256\",\"kid\":null}"), HR_KEY_ID},
    {"a key id with a newline", S("{\"alg\":\"HS256\",\"kid\":\"\\n\"}"),
     HR_KEY_ID},
    {"zip", S("{\"alg\":\"HS256\",\"zip\":\"DEF\"}"), HR_HEADER},
    {"a nested token", S("{\"alg\":\"HS256\",\"cty\":\"jwt\"}"), HR_HEADER},
    {"typ not a string", S("{\"alg\":\"HS256\",\"typ\":1}"), HR_HEADER},
};

static const struct {
    const char *why;
    hr_span payload;
    hr_status want;
} PAYLOADS[] = {
    {"not expired", S("{\"exp\":1700000001}"), HR_OK},
    {"expires now", S("{\"exp\":1700000000}"), HR_EXPIRED},
    {"no exp", S("{}"), HR_MISSING_CLAIM},
    {"exp null", S("{\"exp\":null}"), HR_MISSING_CLAIM},
    {"exp a string", S("{\"exp\":\"1800000000\"}"), HR_CLAIM_TYPE},
    {"exp true", S("{\"exp\":true}"), HR_CLAIM_TYPE},
    {"exp negative", S("{\"exp\":-1}"), HR_CLAIM_TYPE},
    {"exp over 64 bits", S("{\"exp\":9223372036854775808}"), HR_CLAIM_TYPE},
    {"exp infinite", S("{\"exp\":1e400}"), HR_CLAIM_TYPE},
    {"exp with a fraction is cut", S("{\"exp\":1700000000.9}"), HR_EXPIRED},
    {"exp as a float", S("{\"exp\":1.8e9}"), HR_OK},
    {"exp with an escaped name", S("{\"\\u0065xp\":1}"), HR_EXPIRED},
    {"nbf in the future", S("{\"exp\":1800000000,\"nbf\":1700000001}"),
     HR_NOT_YET_VALID},
    {"nbf now", S("{\"exp\":1800000000,\"nbf\":1700000000}"), HR_OK},
    {"iat in the future", S("{\"exp\":1800000000,\"iat\":1700000001}"),
     HR_ISSUED_IN_FUTURE},
    {"iat in the future and expired", S("{\"exp\":1,\"iat\":1700000001}"),
     HR_ISSUED_IN_FUTURE},
    {"an audience that nobody expects",
     S("{\"exp\":1800000000,"
       "\"aud\":\"x\"}"),
     HR_AUDIENCE},
    {"sub a number", S("{\"exp\":1800000000,\"sub\":1}"), HR_SUBJECT},
    {"jti a number", S("{\"exp\":1800000000,\"jti\":1}"), HR_JTI},
    {"an array", S("[1]"), HR_PAYLOAD},
    {"two exp", S("{\"exp\":1800000000,\"exp\":1800000000}"), HR_PAYLOAD},
    {"NUL behind", S("{\"exp\":1800000000}\0"), HR_PAYLOAD},
    {"NaN", S("{\"exp\":1800000000,\"a\":NaN}"), HR_PAYLOAD},
    {"an infinite number", S("{\"exp\":1800000000,\"a\":[1e999]}"),
     HR_PAYLOAD},
};

static void
claims_come_back(void)
{
    hr_token_verifier *verifier = make_verifier(16);
    hr_token *token = NULL;
    hr_span text = make_token(
        S("{\"alg\":\"HS256\",\"kid\":\"k\"}"),
        S("{\"exp\":1800000000,\"sub\":\"\\u00e9lan\",\"user_id\":17,"
          "\"x\":[],\"name\":\"plain\"}"),
        SECRET);
    hr_status status =
        hr_token_verifier_verify(verifier, text, NOW, NULL, &token);
    char buffer[8];
    hr_span out = HR_NO_SPAN;
    ok(status == HR_OK && token->times.expires == 1800000000 &&
           hr_span_equal(token->key_id, S("k")) &&
           token->algorithm == HR_HS256,
       "token: its facts");
    status = hr_token_claim_text(token, S("sub"), buffer, 8, &out);
    ok(status == HR_OK && hr_span_equal(out, S("\xc3\xa9lan")) &&
           out.ptr == buffer,
       "claim text: escapes are resolved");
    status = hr_token_claim_text(token, S("user_id"), buffer, 8, &out);
    ok(status == HR_OK && hr_span_equal(out, S("17")),
       "claim text: an integer");
    status = hr_token_claim_text(token, S("name"), buffer, 8, &out);
    ok(status == HR_OK && hr_span_equal(out, S("plain")) &&
           out.ptr > token->payload.ptr,
       "claim text: points into the token");
    ok(hr_token_claim_text(token, S("x"), buffer, 8, &out) == HR_ABSENT,
       "claim text: an array is none");
    ok(hr_token_claim_text(token, S("y"), buffer, 8, &out) == HR_ABSENT,
       "claim text: not there");
    ok(hr_token_claim_text(token, S("name"), buffer, 4, &out) == HR_ABSENT,
       "claim text: too long");
    ok(hr_token_claim_text(token, S("sub"), buffer, 5, &out) == HR_OK &&
           hr_span_equal(out, S("\xc3\xa9lan")),
       "claim text: fits once resolved");
    hr_token_release(token);
    hr_token_verifier_free(verifier);
}

/* What a forged token gives away must not depend on its payload. */
static void
payload_is_not_looked_at_before_the_signature(void)
{
    hr_token_verifier *verifier = make_verifier(0);
    hr_span other = S("another secret of thirty-two byte");
    ok(verify(verifier, make_token(HS256, S("{\"exp\":1}"), other)) ==
               HR_SIGNATURE &&
           verify(verifier, make_token(HS256, S("not JSON"), other)) ==
               HR_SIGNATURE,
       "verify: bad signature first, whatever the payload");
    hr_token_verifier_free(verifier);
}

static void
cache_counts_and_forgets(void)
{
    hr_token_verifier *verifier = make_verifier(16);
    hr_span text = make_token(HS256, S("{\"exp\":1700000010}"), SECRET);
    hr_token *token = NULL;
    int right =
        verify(verifier, text) == HR_OK && verify(verifier, text) == HR_OK;
    hr_token_cache_info info = hr_token_verifier_cache_info(verifier);
    ok(right && info.hits == 1 && info.misses == 1 && info.size == 1 &&
           info.capacity == 16 && info.bytes > text.len,
       "cache: a first look is a miss, the next one a hit");
    ok(hr_token_verifier_verify(verifier, text, 1700000010, NULL, &token) ==
           HR_EXPIRED,
       "cache: the time rules run again on a hit");
    ok(hr_token_verifier_cache_info(verifier).size == 0,
       "cache: an expired token goes");
    ok(verify(verifier, text) == HR_OK, "cache: an earlier now is fine");
    hr_token_keyring_key *key;
    hr_token_verifier_error error;
    hr_status status = hr_token_keyring_key_from_secret(
        S("another secret of thirty-two bytes"), HR_HS256, HR_NO_SPAN, false,
        &key);
    ok(status == HR_OK &&
           hr_token_verifier_replace_keys(verifier, &key, 1, &error) == HR_OK,
       "replace_keys");
    hr_token_keyring_key_release(key);
    ok(verify(verifier, text) == HR_SIGNATURE,
       "cache: what old keys verified is gone");
    hr_token_verifier_free(verifier);
}

/* RFC 7515 A.3: a key and a token of it; RFC 7517 A.1: another key. */
static const hr_span EC_KEY =
    S("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\","
      "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
static const hr_span OTHER_EC_KEY =
    S("{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\","
      "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
      "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}");
static const hr_span EC_TOKEN =
    S("eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
      "mNvbS9pc19yb290Ijp0cnVlfQ."
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
      "KTUJqPP3-Kg6NU1Q");

/* Other keys come in while the signature is looked at. */
static void
swap_keys(void *verifier)
{
    hr_token_keyring_key *key;
    bool skip;
    hr_token_verifier_error error;
    if (hr_token_keyring_jwk_read(OTHER_EC_KEY, NULL, &key, &skip) == HR_OK) {
        ok(hr_token_verifier_replace_keys(verifier, &key, 1, &error) == HR_OK,
           "swap: in the midst of a verification");
        hr_token_keyring_key_release(key);
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
    hr_token_keyring_key *key;
    bool skip;
    hr_token_verifier *verifier = make_verifier(16);
    hr_token_verifier_error error;
    hr_token *token = NULL;
    hr_span text = guarded(EC_TOKEN);
    hr_token_verifier_slow_section swap = {swap_keys, do_nothing, verifier};
    ok(hr_token_keyring_jwk_read(EC_KEY, NULL, &key, &skip) == HR_OK &&
           hr_token_verifier_replace_keys(verifier, &key, 1, &error) == HR_OK,
       "swap: the first keys");
    hr_token_keyring_key_release(key);
    ok(hr_token_verifier_verify(verifier, text, 1300000000, &swap, &token) ==
           HR_OK,
       "swap: what began before it goes by the old keys");
    hr_token_release(token);
    token = NULL;
    ok(hr_token_verifier_verify(verifier, text, 1300000000, NULL, &token) ==
           HR_SIGNATURE,
       "swap: what the old keys verified late is not found");
    hr_token_release(token);
    hr_token_verifier_free(verifier);
}

/* With the clock: anew and from the cache, on both sides of now. */
static void
clock_is_read(void)
{
    hr_token_verifier *verifier = make_verifier(16);
    long now = (long)time(NULL);
    static const struct {
        const char *claim;
        long offset;
        hr_status want;
    } TIMES[] = {
        {"exp", 600, HR_OK},     {"exp", -600, HR_EXPIRED},
        {"exp", -1, HR_EXPIRED}, {"nbf", 600, HR_NOT_YET_VALID},
        {"nbf", -1, HR_OK},      {"iat", 600, HR_ISSUED_IN_FUTURE},
        {"iat", 0, HR_OK},
    };
    for (size_t i = 0; i < sizeof(TIMES) / sizeof(TIMES[0]); i++) {
        char payload[128];
        int exp_too = strcmp(TIMES[i].claim, "exp") != 0;
        int len = snprintf(payload, sizeof(payload), "{\"%s\":%ld%s}",
                           TIMES[i].claim, now + TIMES[i].offset,
                           exp_too ? ",\"exp\":9999999999" : "");
        hr_span text =
            make_token(HS256, (hr_span){payload, (size_t)len}, SECRET);
        for (int again = 0; again < 2; again++) {
            hr_token *token = NULL;
            hr_status got = hr_token_verifier_verify(
                verifier, text, HR_TOKEN_VERIFIER_BY_CLOCK, NULL, &token);
            ok(got == TIMES[i].want, "clock: %s %+ld: %s", TIMES[i].claim,
               TIMES[i].offset, hr_status_word(got));
            hr_token_release(token);
        }
    }
    hr_token_verifier_free(verifier);
}

static void
one_bit_is_enough(void)
{
    hr_token_verifier *verifier = make_verifier(16);
    hr_span text = make_token(HS256, S("{\"exp\":1700000010}"), SECRET);
    char copy[256];
    int refused = verify(verifier, text) == HR_OK;
    for (size_t at = 0; at < text.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(copy, text.ptr, text.len);
            copy[at] = (char)(copy[at] ^ 1 << bit);
            refused &= verify(verifier, (hr_span){copy, text.len}) != HR_OK;
        }
    }
    ok(refused, "cache: no token that differs in one bit is taken");
    ok(hr_token_verifier_cache_info(verifier).size == 1,
       "cache: no forged token gets in");
    hr_token_verifier_free(verifier);
}

static void
large_tokens(void)
{
    hr_token_verifier *verifier = make_verifier(16);
    static char payload[6000];
    int head = sprintf(payload, "{\"exp\":1800000000,\"a\":\"");
    memset(payload + head, 'x', sizeof(payload) - (size_t)head - 2);
    memcpy(payload + sizeof(payload) - 2, "\"}", 2);
    hr_span text =
        make_token(HS256, (hr_span){payload, sizeof(payload)}, SECRET);
    ok(verify(verifier, text) == HR_OK, "large: verified");
    ok(hr_token_verifier_cache_info(verifier).size == 0,
       "large: never cached");
    static char long_text[HR_TOKEN_MAX_BYTES + 1];
    memset(long_text, 'a', sizeof(long_text));
    ok(verify(verifier, (hr_span){long_text, sizeof(long_text)}) ==
           HR_TOO_LONG,
       "large: over max_bytes");
    hr_token_verifier_free(verifier);
}

static void
any_jws(void)
{
    hr_token_verifier *verifier = make_verifier(0);
    char *payload = NULL;
    size_t size = 99;
    hr_status status = hr_token_verifier_verify_jws(
        verifier, make_token(HS256, S("foo"), SECRET), NULL, &payload, &size);
    ok(status == HR_OK && size == 3 && memcmp(payload, "foo", 3) == 0,
       "verify_jws: any payload");
    hr_alloc_free(payload);
    status = hr_token_verifier_verify_jws(
        verifier, make_token(HS256, S(""), SECRET), NULL, &payload, &size);
    ok(status == HR_OK && size == 0, "verify_jws: an empty payload");
    hr_alloc_free(payload);
    hr_token_verifier_free(verifier);
}

/* Fails each allocation in turn: every call answers NO_MEMORY or works. */
static void
without_memory(void)
{
    hr_span text = make_token(HS256, S("{\"exp\":1700000010}"), SECRET);
    int right = 1, whole = 0;
    for (size_t n = 1; n < 200 && !whole; n++) {
        hr_token *token = NULL;
        (void)hr_alloc_fail_at(n, 1);
        hr_token_verifier *verifier = make_verifier(16);
        if (verifier != NULL) {
            hr_status status =
                hr_token_verifier_verify(verifier, text, NOW, NULL, &token);
            right &= status == HR_OK || status == HR_NO_MEMORY;
            whole = status == HR_OK && hr_alloc_fail_at(0, 0) < n;
        }
        (void)hr_alloc_fail_at(0, 0);
        hr_token_release(token);
        hr_token_verifier_free(verifier);
    }
    ok(right && whole, "no memory: said so, nothing lost");
}

int
main(void)
{
    hr_token_verifier *verifier = make_verifier(0);
    for (size_t i = 0; i < sizeof(SHAPES) / sizeof(SHAPES[0]); i++) {
        hr_status got = verify(verifier, guarded(SHAPES[i].text));
        ok(got == SHAPES[i].want, "shape: %s: %s", SHAPES[i].why,
           hr_status_word(got));
    }
    for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++) {
        hr_span text =
            make_token(HEADERS[i].header, S("{\"exp\":1800000000}"), SECRET);
        hr_status got = verify(verifier, text);
        ok(got == HEADERS[i].want, "header: %s: %s", HEADERS[i].why,
           hr_status_word(got));
    }
    for (size_t i = 0; i < sizeof(PAYLOADS) / sizeof(PAYLOADS[0]); i++) {
        hr_span text = make_token(HS256, PAYLOADS[i].payload, SECRET);
        hr_status got = verify(verifier, text);
        ok(got == PAYLOADS[i].want, "payload: %s: %s", PAYLOADS[i].why,
           hr_status_word(got));
    }
    hr_token_verifier_free(verifier);
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
