/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "../../ext/core/claims.h"

#define S PS_SPAN
#define NOW 1000.0

static const ps_span A_OR_B[] = {{"a", 1}, {"b", 1}};
static const ps_span EXP_AND_X[] = {{"exp", 3}, {"x", 1}};
static const ps_expected_value ACCESS[] = {
    {PS_JSON_STRING, {"access", 6}},
    {PS_JSON_STRING, {"sliding", 7}},
};
static const ps_expected_value ONE[] = {{PS_JSON_INTEGER, {"1", 1}}};
static const ps_expected_value TRUE_OR_NULL[] = {
    {PS_JSON_TRUE, {"true", 4}},
    {PS_JSON_NULL, {"null", 4}},
};
static const ps_expected EXPECT[] = {{{"type", 4}, ACCESS, 2}};
static const ps_expected EXPECT_ONE[] = {{{"n", 1}, ONE, 1}};
static const ps_expected EXPECT_TRUE[] = {{{"n", 1}, TRUE_OR_NULL, 2}};

/* Field by field, so that the table below stays short. */
static const ps_claim_rules NONE = {.max_lifetime = -1};
static const ps_claim_rules AUDIENCE = {
    .audience = A_OR_B, .audience_count = 2, .max_lifetime = -1};
static const ps_claim_rules ISSUER = {
    .issuer = A_OR_B, .issuer_count = 2, .max_lifetime = -1};
static const ps_claim_rules SUBJECT = {.subject = {"s", 1},
                                       .max_lifetime = -1};
static const ps_claim_rules REQUIRE = {
    .require = EXP_AND_X, .require_count = 2, .max_lifetime = -1};
static const ps_claim_rules LEEWAY = {.leeway = 5, .max_lifetime = -1};
static const ps_claim_rules LIFETIME = {.max_lifetime = 60};
static const ps_claim_rules TYPE = {
    .expect = EXPECT, .expect_count = 1, .max_lifetime = -1};
static const ps_claim_rules NUMBER = {
    .expect = EXPECT_ONE, .expect_count = 1, .max_lifetime = -1};
static const ps_claim_rules TRUTH = {
    .expect = EXPECT_TRUE, .expect_count = 1, .max_lifetime = -1};

static const struct {
    const char *why;
    const ps_claim_rules *rules;
    ps_span payload;
    ps_status want;
    ps_span claim; /* at fault */
} CASES[] = {
    {"nothing asked", &NONE, S("{}"), PS_OK, S("")},
    {"exp later", &NONE, S("{\"exp\":1001}"), PS_OK, S("")},
    {"exp now", &NONE, S("{\"exp\":1000}"), PS_EXPIRED, S("exp")},
    {"exp by a fraction", &NONE, S("{\"exp\":1000.9}"), PS_EXPIRED, S("exp")},
    {"exp with an exponent", &NONE, S("{\"exp\":1.1e3}"), PS_OK, S("")},
    {"exp 0", &NONE, S("{\"exp\":0}"), PS_EXPIRED, S("exp")},
    {"exp -0", &NONE, S("{\"exp\":-0}"), PS_EXPIRED, S("exp")},
    {"exp negative", &NONE, S("{\"exp\":-1}"), PS_CLAIM_TYPE, S("exp")},
    {"exp a little negative", &NONE, S("{\"exp\":-0.5}"), PS_CLAIM_TYPE,
     S("exp")},
    {"exp 2^63 - 1", &NONE, S("{\"exp\":9223372036854775807}"), PS_OK, S("")},
    {"exp 2^63", &NONE, S("{\"exp\":9223372036854775808}"), PS_CLAIM_TYPE,
     S("exp")},
    {"exp of 18 digits", &NONE, S("{\"exp\":999999999999999999}"), PS_OK,
     S("")},
    {"exp 1e400", &NONE, S("{\"exp\":1e400}"), PS_CLAIM_TYPE, S("exp")},
    {"exp a string", &NONE, S("{\"exp\":\"2000\"}"), PS_CLAIM_TYPE, S("exp")},
    {"exp true", &NONE, S("{\"exp\":true}"), PS_CLAIM_TYPE, S("exp")},
    {"exp null", &NONE, S("{\"exp\":null}"), PS_CLAIM_TYPE, S("exp")},
    {"exp a list", &NONE, S("{\"exp\":[2000]}"), PS_CLAIM_TYPE, S("exp")},
    {"exp escaped", &NONE, S("{\"\\u0065\\u0078\\u0070\":1}"), PS_EXPIRED,
     S("exp")},
    {"a name that begins with exp", &NONE, S("{\"expo\":1}"), PS_OK, S("")},
    {"nbf now", &NONE, S("{\"nbf\":1000}"), PS_OK, S("")},
    {"nbf later", &NONE, S("{\"nbf\":1001}"), PS_NOT_YET_VALID, S("nbf")},
    {"nbf false", &NONE, S("{\"nbf\":false}"), PS_CLAIM_TYPE, S("nbf")},
    {"iat later", &NONE, S("{\"iat\":1001}"), PS_ISSUED_IN_FUTURE, S("iat")},
    {"iat before nbf before exp", &NONE,
     S("{\"exp\":1,\"nbf\":2000,\"iat\":2000}"), PS_ISSUED_IN_FUTURE,
     S("iat")},
    {"nbf before exp", &NONE, S("{\"exp\":1,\"nbf\":2000}"), PS_NOT_YET_VALID,
     S("nbf")},
    {"leeway, exp", &LEEWAY, S("{\"exp\":996}"), PS_OK, S("")},
    {"leeway, exp at its end", &LEEWAY, S("{\"exp\":995}"), PS_EXPIRED,
     S("exp")},
    {"leeway, nbf and iat", &LEEWAY, S("{\"nbf\":1005,\"iat\":1005}"), PS_OK,
     S("")},
    {"leeway, nbf beyond", &LEEWAY, S("{\"nbf\":1006}"), PS_NOT_YET_VALID,
     S("nbf")},
    {"aud where none is expected", &NONE, S("{\"aud\":\"a\"}"), PS_AUDIENCE,
     S("aud")},
    {"aud empty where none is expected", &NONE, S("{\"aud\":\"\"}"),
     PS_AUDIENCE, S("aud")},
    {"aud null where none is expected", &NONE, S("{\"aud\":null}"), PS_OK,
     S("")},
    {"aud", &AUDIENCE, S("{\"aud\":\"b\"}"), PS_OK, S("")},
    {"aud escaped", &AUDIENCE, S("{\"aud\":\"\\u0062\"}"), PS_OK, S("")},
    {"aud in a list", &AUDIENCE, S("{\"aud\":[\"x\",\"a\"]}"), PS_OK, S("")},
    {"aud another", &AUDIENCE, S("{\"aud\":\"c\"}"), PS_AUDIENCE, S("aud")},
    {"aud a prefix", &AUDIENCE, S("{\"aud\":\"ab\"}"), PS_AUDIENCE, S("aud")},
    {"aud missing", &AUDIENCE, S("{}"), PS_MISSING_CLAIM, S("aud")},
    {"aud an empty list", &AUDIENCE, S("{\"aud\":[]}"), PS_AUDIENCE, S("aud")},
    {"aud with a number in its list", &AUDIENCE, S("{\"aud\":[\"a\",1]}"),
     PS_AUDIENCE, S("aud")},
    {"aud with a list in its list", &AUDIENCE, S("{\"aud\":[[\"a\"]]}"),
     PS_AUDIENCE, S("aud")},
    {"aud an object", &AUDIENCE, S("{\"aud\":{\"a\":1}}"), PS_AUDIENCE,
     S("aud")},
    {"iss", &ISSUER, S("{\"iss\":\"a\"}"), PS_OK, S("")},
    {"iss another", &ISSUER, S("{\"iss\":\"A\"}"), PS_ISSUER, S("iss")},
    {"iss a part", &ISSUER, S("{\"iss\":\"\"}"), PS_ISSUER, S("iss")},
    {"iss a list", &ISSUER, S("{\"iss\":[\"a\"]}"), PS_ISSUER, S("iss")},
    {"iss missing", &ISSUER, S("{}"), PS_MISSING_CLAIM, S("iss")},
    {"iss not asked for", &NONE, S("{\"iss\":1}"), PS_OK, S("")},
    {"sub", &SUBJECT, S("{\"sub\":\"s\"}"), PS_OK, S("")},
    {"sub another", &SUBJECT, S("{\"sub\":\"t\"}"), PS_SUBJECT, S("sub")},
    {"sub missing", &SUBJECT, S("{}"), PS_MISSING_CLAIM, S("sub")},
    {"sub a number", &NONE, S("{\"sub\":1}"), PS_SUBJECT, S("sub")},
    {"sub null", &NONE, S("{\"sub\":null}"), PS_SUBJECT, S("sub")},
    {"jti", &NONE, S("{\"jti\":\"1\"}"), PS_OK, S("")},
    {"jti a number", &NONE, S("{\"jti\":1}"), PS_JTI, S("jti")},
    {"required", &REQUIRE, S("{\"exp\":2000,\"x\":0}"), PS_OK, S("")},
    {"required, null", &REQUIRE, S("{\"exp\":2000,\"x\":null}"),
     PS_MISSING_CLAIM, S("x")},
    {"required, missing", &REQUIRE, S("{\"exp\":2000}"), PS_MISSING_CLAIM,
     S("x")},
    {"required comes first", &REQUIRE, S("{\"exp\":1}"), PS_MISSING_CLAIM,
     S("x")},
    {"lifetime", &LIFETIME, S("{\"iat\":990,\"exp\":1050}"), PS_OK, S("")},
    {"lifetime too long", &LIFETIME, S("{\"iat\":990,\"exp\":1051}"),
     PS_LIFETIME, S("exp")},
    {"lifetime without exp", &LIFETIME, S("{\"iat\":990}"), PS_MISSING_CLAIM,
     S("exp")},
    {"lifetime without iat", &LIFETIME, S("{\"exp\":1010}"), PS_MISSING_CLAIM,
     S("iat")},
    {"lifetime without iat, too long", &LIFETIME, S("{\"exp\":1061}"),
     PS_LIFETIME, S("exp")},
    {"expected", &TYPE, S("{\"type\":\"sliding\"}"), PS_OK, S("")},
    {"expected, escaped", &TYPE, S("{\"typ\\u0065\":\"acces\\u0073\"}"), PS_OK,
     S("")},
    {"expected, another", &TYPE, S("{\"type\":\"refresh\"}"),
     PS_UNEXPECTED_VALUE, S("type")},
    {"expected, a list", &TYPE, S("{\"type\":[\"access\"]}"),
     PS_UNEXPECTED_VALUE, S("type")},
    {"expected, missing", &TYPE, S("{}"), PS_MISSING_CLAIM, S("type")},
    {"a number, spelled otherwise", &NUMBER, S("{\"n\":10e-1}"), PS_OK, S("")},
    {"a number, as a string", &NUMBER, S("{\"n\":\"1\"}"), PS_UNEXPECTED_VALUE,
     S("n")},
    {"a number, as true", &NUMBER, S("{\"n\":true}"), PS_UNEXPECTED_VALUE,
     S("n")},
    {"true", &TRUTH, S("{\"n\":true}"), PS_OK, S("")},
    {"null", &TRUTH, S("{\"n\":null}"), PS_OK, S("")},
    {"false", &TRUTH, S("{\"n\":false}"), PS_UNEXPECTED_VALUE, S("n")},
    {"a number that no double holds", &NONE, S("{\"a\":[1e999]}"), PS_PAYLOAD,
     S("")},
};

static void
times_again(void)
{
    ps_times times = {.expires = 1000, .has_expires = true};
    ps_span claim;
    ok(ps_claims_check_times(&times, 0, 999.5, &claim) == PS_OK &&
           ps_claims_check_times(&times, 0, 1000, &claim) == PS_EXPIRED &&
           ps_claims_check_times(&times, 1, 1000, &claim) == PS_OK,
       "times: exp, on both sides of now and with leeway");
    ok(ps_claims_check_times(&times, 0, (double)__builtin_nan(""), &claim) ==
           PS_EXPIRED,
       "times: a now that is no number refuses");
    times = (ps_times){.expires = 0};
    ok(ps_claims_check_times(&times, 0, 1e18, &claim) == PS_OK,
       "times: those that are not there are not looked at");
}

int
main(void)
{
    static ps_json_member members[64];
    static uint32_t heads[128];
    const ps_json_scratch scratch = {members, heads, 64};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        ps_span text = guarded(CASES[i].payload);
        size_t count = 0;
        unsigned flags = 0;
        ps_times times;
        ps_span claim = PS_NO_SPAN;
        ps_status got = ps_json_index(text, &scratch, &count, &flags);
        if (got == PS_OK) {
            got = ps_claims_check(CASES[i].rules, text.ptr, members, count,
                                  flags, NOW, &times, &claim);
        }
        ok(got == CASES[i].want && (got == PS_OK || got == PS_PAYLOAD ||
                                    ps_span_equal(claim, CASES[i].claim)),
           "claims: %s: %s", CASES[i].why, ps_status_word(got));
    }
    times_again();
    return done_testing();
}
