/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <math.h>

#include "base/alloc.h"
#include "token/verifier_settings.h"

#define S HR_SPAN

/* Good settings, of which each row of the table changes one. */
static hr_token_verifier_settings
good(void)
{
    return (hr_token_verifier_settings){
        .claims = {.max_lifetime = -1},
        .max_bytes = HR_TOKEN_MAX_BYTES,
        .cache_size = HR_TOKEN_CACHE_DEFAULT,
        .engine = hr_token_signature_openssl(),
    };
}

static const struct {
    const char *why;
    double leeway;
    double max_lifetime;
    size_t max_bytes;
    size_t cache_size;
    const char *setting; /* the one at fault; NULL: all are good */
} RANGES[] = {
    {"the least", 0, -1, 1, 0, NULL},
    {"the most", 1e300, 1e300, HR_TOKEN_MAX_BYTES_TOP, HR_TOKEN_CACHE_TOP,
     NULL},
    {"leeway below 0", -0.001, -1, 1, 0, "leeway"},
    {"leeway without end", INFINITY, -1, 1, 0, "leeway"},
    {"leeway not a number", NAN, -1, 1, 0, "leeway"},
    {"lifetime without end", 0, INFINITY, 1, 0, "max_lifetime"},
    {"lifetime without a beginning", 0, -INFINITY, 1, 0, "max_lifetime"},
    {"lifetime not a number", 0, NAN, 1, 0, "max_lifetime"},
    {"no bytes", 0, -1, 0, 0, "max_bytes"},
    {"too many bytes", 0, -1, HR_TOKEN_MAX_BYTES_TOP + 1, 0, "max_bytes"},
    {"too large a cache", 0, -1, 1, HR_TOKEN_CACHE_TOP + 1, "cache_size"},
    {"two at fault: the first is named", -1, -1, 0, 0, "leeway"},
};

static void
ranges(void)
{
    for (size_t i = 0; i < sizeof(RANGES) / sizeof(RANGES[0]); i++) {
        hr_token_verifier_settings settings = good();
        hr_token_verifier_error error = {0};
        settings.claims.leeway = RANGES[i].leeway;
        settings.claims.max_lifetime = RANGES[i].max_lifetime;
        settings.max_bytes = RANGES[i].max_bytes;
        settings.cache_size = RANGES[i].cache_size;
        hr_status got = hr_token_verifier_settings_check(&settings, &error);
        const char *want = RANGES[i].setting;
        ok(want == NULL
               ? got == HR_OK && error.setting == NULL
               : got == HR_SETTING && error.setting != NULL &&
                     strcmp(error.setting, want) == 0 && error.why != NULL,
           "range: %s", RANGES[i].why);
    }
    hr_token_verifier_settings settings = good();
    hr_token_verifier_error error = {0};
    settings.engine = NULL;
    ok(hr_token_verifier_settings_check(&settings, &error) == HR_SETTING &&
           strcmp(error.setting, "engine") == 0,
       "range: no such engine");
}

/* Does `copy` say the same, from other bytes? */
static int
is_copy(hr_span copy, hr_span from)
{
    return hr_span_equal(copy, from) && copy.ptr != from.ptr;
}

static void
rules_are_copied(void)
{
    hr_span audience[] = {guarded(S("a")), guarded(S("")), guarded(S("ccc"))};
    hr_span issuer[] = {guarded(S("https://issuer.example"))};
    hr_span require[] = {guarded(S("exp")), guarded(S("sub"))};
    hr_token_claims_value values[] = {{HR_JSON_STRING, guarded(S("admin"))},
                                      {HR_JSON_INTEGER, guarded(S("17"))}};
    hr_token_claims_value other[] = {{HR_JSON_TRUE, HR_NO_SPAN}};
    hr_token_claims_expected expect[] = {{guarded(S("role")), values, 2},
                                         {guarded(S("verified")), other, 1}};
    hr_token_verifier_settings settings = good();
    settings.type = guarded(S("at+jwt"));
    settings.claims = (hr_token_claims_rules){
        .audience = audience,
        .audience_count = 3,
        .issuer = issuer,
        .issuer_count = 1,
        .subject = guarded(S("s")),
        .expect = expect,
        .expect_count = 2,
        .require = require,
        .require_count = 2,
        .leeway = 1.5,
        .max_lifetime = 60,
    };
    hr_token_claims_rules rules;
    hr_span type;
    char *block =
        hr_token_verifier_settings_copy_rules(&settings, &rules, &type);
    ok(block != NULL && rules.audience_count == 3 && rules.issuer_count == 1 &&
           rules.require_count == 2 && rules.expect_count == 2 &&
           rules.leeway == 1.5 && rules.max_lifetime == 60,
       "copy: counts and numbers");
    ok(rules.audience != audience && is_copy(rules.audience[0], audience[0]) &&
           is_copy(rules.audience[1], audience[1]) &&
           is_copy(rules.audience[2], audience[2]),
       "copy: audience");
    ok(is_copy(rules.issuer[0], issuer[0]) &&
           is_copy(rules.require[0], require[0]) &&
           is_copy(rules.require[1], require[1]) &&
           is_copy(rules.subject, settings.claims.subject) &&
           is_copy(type, settings.type),
       "copy: issuer, require, subject, type");
    const hr_token_claims_expected *role = &rules.expect[0],
                                   *verified = &rules.expect[1];
    ok(is_copy(role->name, expect[0].name) && role->values != values &&
           role->count == 2 && role->values[0].kind == HR_JSON_STRING &&
           is_copy(role->values[0].text, values[0].text) &&
           role->values[1].kind == HR_JSON_INTEGER &&
           is_copy(role->values[1].text, values[1].text),
       "copy: expected values");
    ok(is_copy(verified->name, expect[1].name) && verified->count == 1 &&
           verified->values[0].kind == HR_JSON_TRUE &&
           verified->values[0].text.ptr == NULL,
       "copy: an expected value without text");
    hr_alloc_free(block);
    (void)hr_alloc_fail_at(1, 0);
    ok(hr_token_verifier_settings_copy_rules(&settings, &rules, &type) == NULL,
       "copy: no memory");
    (void)hr_alloc_fail_at(0, 0);
    settings = good();
    block = hr_token_verifier_settings_copy_rules(&settings, &rules, &type);
    ok(block != NULL && rules.subject.ptr == NULL && type.ptr == NULL &&
           rules.expect_count == 0,
       "copy: absent stays absent");
    hr_alloc_free(block);
}

int
main(void)
{
    ranges();
    rules_are_copied();
    return done_testing();
}
