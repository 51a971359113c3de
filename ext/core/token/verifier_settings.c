/* SPDX-License-Identifier: MIT */
/* A verifier's settings: their ranges, and a copy of the rules with all that
 * they point to, in one block. */
#include "token/verifier_settings.h"

#include <math.h>

#include "base/alloc.h"

/* Copies of a verifier's rules, all in one block: measured first with `base`
 * NULL, then filled. */
typedef struct arena {
    char *base;
    size_t used;
} arena;

static void *
arena_take(arena *a, size_t size, size_t align)
{
    a->used = (a->used + align - 1) / align * align;
    void *at = a->base != NULL ? a->base + a->used : NULL;
    a->used += size;
    return at;
}

static hr_span
arena_span(arena *a, hr_span text)
{
    if (text.ptr == NULL) {
        return HR_NO_SPAN;
    }
    char *copy = arena_take(a, text.len + 1, 1); /* never of no size */
    if (copy != NULL && text.len != 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return (hr_span){copy, text.len};
}

static const hr_span *
arena_list(arena *a, const hr_span *list, size_t count)
{
    hr_span *copy = arena_take(a, count * sizeof(*copy), _Alignof(hr_span));
    for (size_t i = 0; i < count; i++) {
        hr_span text = arena_span(a, list[i]);
        if (copy != NULL) {
            copy[i] = text;
        }
    }
    return copy;
}

static const hr_token_claims_value *
arena_values(arena *a, const hr_token_claims_expected *expect)
{
    hr_token_claims_value *copy = arena_take(a, expect->count * sizeof(*copy),
                                             _Alignof(hr_token_claims_value));
    for (size_t i = 0; i < expect->count; i++) {
        hr_span text = arena_span(a, expect->values[i].text);
        if (copy != NULL) {
            copy[i] = (hr_token_claims_value){expect->values[i].kind, text};
        }
    }
    return copy;
}

static void
copy_rules(arena *a, const hr_token_verifier_settings *settings,
           hr_token_claims_rules *rules, hr_span *type)
{
    *rules = settings->claims;
    rules->audience = arena_list(a, rules->audience, rules->audience_count);
    rules->issuer = arena_list(a, rules->issuer, rules->issuer_count);
    rules->require = arena_list(a, rules->require, rules->require_count);
    rules->subject = arena_span(a, rules->subject);
    *type = arena_span(a, settings->type);
    hr_token_claims_expected *expect =
        arena_take(a, rules->expect_count * sizeof(*expect),
                   _Alignof(hr_token_claims_expected));
    for (size_t i = 0; i < rules->expect_count; i++) {
        const hr_token_claims_expected *from = &settings->claims.expect[i];
        hr_span name = arena_span(a, from->name);
        const hr_token_claims_value *values = arena_values(a, from);
        if (expect != NULL) {
            expect[i] = (hr_token_claims_expected){name, values, from->count};
        }
    }
    rules->expect = expect;
}

hr_status
hr_token_verifier_settings_check(const hr_token_verifier_settings *settings,
                                 hr_token_verifier_error *error)
{
    const struct {
        const char *setting;
        bool good;
        const char *why;
    } checks[] = {
        {"leeway",
         isfinite(settings->claims.leeway) && settings->claims.leeway >= 0,
         "must be a finite number of seconds, 0 or more"},
        {"max_lifetime", isfinite(settings->claims.max_lifetime),
         "must be a finite number of seconds above 0"},
        {"max_bytes",
         settings->max_bytes >= 1 &&
             settings->max_bytes <= HR_TOKEN_MAX_BYTES_TOP,
         "must be from 1 to 1048576"},
        {"cache_size", settings->cache_size <= HR_TOKEN_CACHE_TOP,
         "must be from 0 to 1048576"},
        {"engine", settings->engine != NULL, "is not built in"},
    };
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (!checks[i].good) {
            *error =
                (hr_token_verifier_error){checks[i].setting, checks[i].why, 0};
            return HR_SETTING;
        }
    }
    return HR_OK;
}

char *
hr_token_verifier_settings_copy_rules(
    const hr_token_verifier_settings *settings, hr_token_claims_rules *rules,
    hr_span *type)
{
    arena a = {0};
    copy_rules(&a, settings, rules, type);
    a = (arena){.base = hr_alloc(a.used)};
    if (a.base != NULL) {
        copy_rules(&a, settings, rules, type);
    }
    return a.base;
}
