/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "token/claims.h"

#define S HR_SPAN
#define NOW 1000.0

static const hr_span A_OR_B[] = {{"a", 1}, {"b", 1}};
static const hr_span EXP_AND_X[] = {{"exp", 3}, {"x", 1}};
static const hr_token_claims_value ACCESS[] = {
    {HR_JSON_STRING, {"access", 6}},
    {HR_JSON_STRING, {"sliding", 7}},
};
static const hr_token_claims_value ONE[] = {{HR_JSON_INTEGER, {"1", 1}}};
static const hr_token_claims_value TRUE_OR_NULL[] = {
    {HR_JSON_TRUE, {"true", 4}},
    {HR_JSON_NULL, {"null", 4}},
};
static const hr_token_claims_expected EXPECT[] = {{{"type", 4}, ACCESS, 2}};
static const hr_token_claims_expected EXPECT_ONE[] = {{{"n", 1}, ONE, 1}};
static const hr_token_claims_expected EXPECT_TRUE[] = {
    {{"n", 1}, TRUE_OR_NULL, 2}};

/* Field by field, so that the table below stays short. */
static const hr_token_claims_rules NONE = {.max_lifetime = -1};
static const hr_token_claims_rules AUDIENCE = {
    .audience = A_OR_B, .audience_count = 2, .max_lifetime = -1};
static const hr_token_claims_rules ISSUER = {
    .issuer = A_OR_B, .issuer_count = 2, .max_lifetime = -1};
static const hr_token_claims_rules SUBJECT = {.subject = {"s", 1},
                                              .max_lifetime = -1};
static const hr_token_claims_rules REQUIRE = {
    .require = EXP_AND_X, .require_count = 2, .max_lifetime = -1};
static const hr_token_claims_rules LEEWAY = {.leeway = 5, .max_lifetime = -1};
static const hr_token_claims_rules LIFETIME = {.max_lifetime = 60};
static const hr_token_claims_rules TYPE = {
    .expect = EXPECT, .expect_count = 1, .max_lifetime = -1};
static const hr_token_claims_rules NUMBER = {
    .expect = EXPECT_ONE, .expect_count = 1, .max_lifetime = -1};
static const hr_token_claims_rules TRUTH = {
    .expect = EXPECT_TRUE, .expect_count = 1, .max_lifetime = -1};

static const struct {
    const char *why;
    const hr_token_claims_rules *rules;
    hr_span payload;
    hr_status want;
    hr_span claim; /* at fault */
} CASES[] = {
    {"nothing asked", &NONE, S("{}"), HR_OK, S("")},
    {"exp later", &NONE, S("{\"exp\":1001}"), HR_OK, S("")},
    {"exp now", &NONE, S("{\"exp\":1000}"), HR_EXPIRED, S("exp")},
    {"exp by a fraction", &NONE, S("{\"exp\":1000.9}"), HR_EXPIRED, S("exp")},
    {"exp with an exponent", &NONE, S("{\"exp\":1.1e3}"), HR_OK, S("")},
    {"exp 0", &NONE, S("{\"exp\":0}"), HR_EXPIRED, S("exp")},
    {"exp -0", &NONE, S("{\"exp\":-0}"), HR_EXPIRED, S("exp")},
    {"exp negative", &NONE, S("{\"exp\":-1}"), HR_CLAIM_TYPE, S("exp")},
    {"exp a little negative", &NONE, S("{\"exp\":-0.5}"), HR_CLAIM_TYPE,
     S("exp")},
    {"exp 2^63 - 1", &NONE, S("{\"exp\":9223372036854775807}"), HR_OK, S("")},
    {"exp 2^63", &NONE, S("{\"exp\":9223372036854775808}"), HR_CLAIM_TYPE,
     S("exp")},
    {"exp of 18 digits", &NONE, S("{\"exp\":999999999999999999}"), HR_OK,
     S("")},
    {"exp 1e400", &NONE, S("{\"exp\":1e400}"), HR_CLAIM_TYPE, S("exp")},
    {"exp a string", &NONE, S("{\"exp\":\"2000\"}"), HR_CLAIM_TYPE, S("exp")},
    {"exp true", &NONE, S("{\"exp\":true}"), HR_CLAIM_TYPE, S("exp")},
    {"exp null", &NONE, S("{\"exp\":null}"), HR_CLAIM_TYPE, S("exp")},
    {"exp a list", &NONE, S("{\"exp\":[2000]}"), HR_CLAIM_TYPE, S("exp")},
    {"exp escaped", &NONE, S("{\"\\u0065\\u0078\\u0070\":1}"), HR_EXPIRED,
     S("exp")},
    {"a name that begins with exp", &NONE, S("{\"expo\":1}"), HR_OK, S("")},
    {"nbf now", &NONE, S("{\"nbf\":1000}"), HR_OK, S("")},
    {"nbf later", &NONE, S("{\"nbf\":1001}"), HR_NOT_YET_VALID, S("nbf")},
    {"nbf false", &NONE, S("{\"nbf\":false}"), HR_CLAIM_TYPE, S("nbf")},
    {"iat later", &NONE, S("{\"iat\":1001}"), HR_ISSUED_IN_FUTURE, S("iat")},
    {"iat before nbf before exp", &NONE,
     S("{\"exp\":1,\"nbf\":2000,\"iat\":2000}"), HR_ISSUED_IN_FUTURE,
     S("iat")},
    {"nbf before exp", &NONE, S("{\"exp\":1,\"nbf\":2000}"), HR_NOT_YET_VALID,
     S("nbf")},
    {"leeway, exp", &LEEWAY, S("{\"exp\":996}"), HR_OK, S("")},
    {"leeway, exp at its end", &LEEWAY, S("{\"exp\":995}"), HR_EXPIRED,
     S("exp")},
    {"leeway, nbf and iat", &LEEWAY, S("{\"nbf\":1005,\"iat\":1005}"), HR_OK,
     S("")},
    {"leeway, nbf beyond", &LEEWAY, S("{\"nbf\":1006}"), HR_NOT_YET_VALID,
     S("nbf")},
    {"aud where none is expected", &NONE, S("{\"aud\":\"a\"}"), HR_AUDIENCE,
     S("aud")},
    {"aud empty where none is expected", &NONE, S("{\"aud\":\"\"}"),
     HR_AUDIENCE, S("aud")},
    {"aud null where none is expected", &NONE, S("{\"aud\":null}"), HR_OK,
     S("")},
    {"aud", &AUDIENCE, S("{\"aud\":\"b\"}"), HR_OK, S("")},
    {"aud escaped", &AUDIENCE, S("{\"aud\":\"\\u0062\"}"), HR_OK, S("")},
    {"aud in a list", &AUDIENCE, S("{\"aud\":[\"x\",\"a\"]}"), HR_OK, S("")},
    {"aud another", &AUDIENCE, S("{\"aud\":\"c\"}"), HR_AUDIENCE, S("aud")},
    {"aud a prefix", &AUDIENCE, S("{\"aud\":\"ab\"}"), HR_AUDIENCE, S("aud")},
    {"aud missing", &AUDIENCE, S("{}"), HR_MISSING_CLAIM, S("aud")},
    {"aud an empty list", &AUDIENCE, S("{\"aud\":[]}"), HR_AUDIENCE, S("aud")},
    {"aud with a number in its list", &AUDIENCE, S("{\"aud\":[\"a\",1]}"),
     HR_AUDIENCE, S("aud")},
    {"aud with a list in its list", &AUDIENCE, S("{\"aud\":[[\"a\"]]}"),
     HR_AUDIENCE, S("aud")},
    {"aud an object", &AUDIENCE, S("{\"aud\":{\"a\":1}}"), HR_AUDIENCE,
     S("aud")},
    {"iss", &ISSUER, S("{\"iss\":\"a\"}"), HR_OK, S("")},
    {"iss another", &ISSUER, S("{\"iss\":\"A\"}"), HR_ISSUER, S("iss")},
    {"iss a part", &ISSUER, S("{\"iss\":\"\"}"), HR_ISSUER, S("iss")},
    {"iss a list", &ISSUER, S("{\"iss\":[\"a\"]}"), HR_ISSUER, S("iss")},
    {"iss missing", &ISSUER, S("{}"), HR_MISSING_CLAIM, S("iss")},
    {"iss not asked for", &NONE, S("{\"iss\":1}"), HR_OK, S("")},
    {"sub", &SUBJECT, S("{\"sub\":\"s\"}"), HR_OK, S("")},
    {"sub another", &SUBJECT, S("{\"sub\":\"t\"}"), HR_SUBJECT, S("sub")},
    {"sub missing", &SUBJECT, S("{}"), HR_MISSING_CLAIM, S("sub")},
    {"sub a number", &NONE, S("{\"sub\":1}"), HR_SUBJECT, S("sub")},
    {"sub null", &NONE, S("{\"sub\":null}"), HR_SUBJECT, S("sub")},
    {"jti", &NONE, S("{\"jti\":\"1\"}"), HR_OK, S("")},
    {"jti a number", &NONE, S("{\"jti\":1}"), HR_JTI, S("jti")},
    {"required", &REQUIRE, S("{\"exp\":2000,\"x\":0}"), HR_OK, S("")},
    {"required, null", &REQUIRE, S("{\"exp\":2000,\"x\":null}"),
     HR_MISSING_CLAIM, S("x")},
    {"required, missing", &REQUIRE, S("{\"exp\":2000}"), HR_MISSING_CLAIM,
     S("x")},
    {"required comes first", &REQUIRE, S("{\"exp\":1}"), HR_MISSING_CLAIM,
     S("x")},
    {"lifetime", &LIFETIME, S("{\"iat\":990,\"exp\":1050}"), HR_OK, S("")},
    {"lifetime too long", &LIFETIME, S("{\"iat\":990,\"exp\":1051}"),
     HR_LIFETIME, S("exp")},
    {"lifetime without exp", &LIFETIME, S("{\"iat\":990}"), HR_MISSING_CLAIM,
     S("exp")},
    {"lifetime without iat", &LIFETIME, S("{\"exp\":1010}"), HR_MISSING_CLAIM,
     S("iat")},
    {"lifetime without iat, too long", &LIFETIME, S("{\"exp\":1061}"),
     HR_LIFETIME, S("exp")},
    {"expected", &TYPE, S("{\"type\":\"sliding\"}"), HR_OK, S("")},
    {"expected, escaped", &TYPE, S("{\"typ\\u0065\":\"acces\\u0073\"}"), HR_OK,
     S("")},
    {"expected, another", &TYPE, S("{\"type\":\"refresh\"}"),
     HR_UNEXPECTED_VALUE, S("type")},
    {"expected, a list", &TYPE, S("{\"type\":[\"access\"]}"),
     HR_UNEXPECTED_VALUE, S("type")},
    {"expected, missing", &TYPE, S("{}"), HR_MISSING_CLAIM, S("type")},
    {"a number, spelled otherwise", &NUMBER, S("{\"n\":10e-1}"), HR_OK, S("")},
    {"a number, as a string", &NUMBER, S("{\"n\":\"1\"}"), HR_UNEXPECTED_VALUE,
     S("n")},
    {"a number, as true", &NUMBER, S("{\"n\":true}"), HR_UNEXPECTED_VALUE,
     S("n")},
    {"true", &TRUTH, S("{\"n\":true}"), HR_OK, S("")},
    {"null", &TRUTH, S("{\"n\":null}"), HR_OK, S("")},
    {"false", &TRUTH, S("{\"n\":false}"), HR_UNEXPECTED_VALUE, S("n")},
    {"a number that no double holds", &NONE, S("{\"a\":[1e999]}"), HR_PAYLOAD,
     S("")},
};

static void
times_again(void)
{
    hr_token_claims_times times = {.expires = 1000, .has_expires = true};
    hr_span claim;
    ok(hr_token_claims_check_times(&times, 0, 999.5, &claim) == HR_OK &&
           hr_token_claims_check_times(&times, 0, 1000, &claim) ==
               HR_EXPIRED &&
           hr_token_claims_check_times(&times, 1, 1000, &claim) == HR_OK,
       "times: exp, on both sides of now and with leeway");
    ok(hr_token_claims_check_times(&times, 0, (double)__builtin_nan(""),
                                   &claim) == HR_EXPIRED,
       "times: a now that is no number refuses");
    times = (hr_token_claims_times){.expires = 0};
    ok(hr_token_claims_check_times(&times, 0, 1e18, &claim) == HR_OK,
       "times: those that are not there are not looked at");
}

int
main(void)
{
    static hr_json_member members[64];
    static uint32_t heads[128];
    const hr_json_scratch scratch = {members, heads, 64};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        hr_span text = guarded(CASES[i].payload);
        size_t count = 0;
        unsigned flags = 0;
        hr_token_claims_times times;
        hr_span claim = HR_NO_SPAN;
        hr_status got = hr_json_index(text, &scratch, &count, &flags);
        if (got == HR_OK) {
            got = hr_token_claims_check(CASES[i].rules, text.ptr, members,
                                        count, flags, NOW, &times, &claim);
        }
        ok(got == CASES[i].want && (got == HR_OK || got == HR_PAYLOAD ||
                                    hr_span_equal(claim, CASES[i].claim)),
           "claims: %s: %s", CASES[i].why, hr_status_word(got));
    }
    times_again();
    return done_testing();
}
