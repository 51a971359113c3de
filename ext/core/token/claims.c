/* SPDX-License-Identifier: MIT */
/* One pass over the members finds the seven registered claims (RFC 7519
 * section 4.1); the rules then run in the order of PyJWT, so that a token
 * with several faults is refused for the same one. Expired is
 * `exp <= now - leeway`; not yet valid is `nbf > now + leeway`, and so for
 * iat. */
#include "token/claims.h"

/* The registered claims, where they stand. */
typedef struct registered {
    const hr_json_member *exp;
    const hr_json_member *nbf;
    const hr_json_member *iat;
    const hr_json_member *iss;
    const hr_json_member *aud;
    const hr_json_member *sub;
    const hr_json_member *jti;
} registered;

#define CODE(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (c))

static inline void
note(registered *found, const char *name, const hr_json_member *member)
{
    const unsigned char *u = (const unsigned char *)name;
    switch (CODE(u[0], u[1], u[2])) {
    case CODE('e', 'x', 'p'):
        found->exp = member;
        break;
    case CODE('n', 'b', 'f'):
        found->nbf = member;
        break;
    case CODE('i', 'a', 't'):
        found->iat = member;
        break;
    case CODE('i', 's', 's'):
        found->iss = member;
        break;
    case CODE('a', 'u', 'd'):
        found->aud = member;
        break;
    case CODE('s', 'u', 'b'):
        found->sub = member;
        break;
    case CODE('j', 't', 'i'):
        found->jti = member;
        break;
    default:
        break;
    }
}

/* Three characters with escapes take at most this many bytes. */
#define ESCAPED_NAME_MAX (3 * 6)

static registered
find_registered(const char *text, const hr_json_member *members, size_t count)
{
    registered found = {0};
    for (size_t i = 0; i < count; i++) {
        const hr_json_member *member = &members[i];
        if ((member->name_flags & HR_JSON_ESCAPED) == 0) {
            if (member->name_len == 3) {
                note(&found, text + member->name, member);
            }
        } else if (member->name_len <= ESCAPED_NAME_MAX) {
            char name[ESCAPED_NAME_MAX];
            hr_span raw = {text + member->name, member->name_len};
            if (hr_json_text_unescape(raw, name) == 3) {
                note(&found, name, member);
            }
        }
    }
    return found;
}

static inline hr_span
value_of(const char *text, const hr_json_member *member)
{
    return (hr_span){text + member->value, member->value_len};
}

/* Digits that fit 64 bits whatever they are. */
#define PLAIN_DIGITS 18

/* A time: absent, or a number in range. */
static hr_status
read_time(const char *text, const hr_json_member *member, bool *has,
          int64_t *seconds)
{
    *has = member != NULL;
    *seconds = 0;
    if (member == NULL) {
        return HR_OK;
    }
    if (member->kind != HR_JSON_INTEGER && member->kind != HR_JSON_FLOAT) {
        return HR_CLAIM_TYPE;
    }
    hr_span number = value_of(text, member);
    if (member->kind == HR_JSON_INTEGER && number.len <= PLAIN_DIGITS &&
        number.ptr[0] != '-') {
        /* as nearly always */
        *seconds = (int64_t)hr_json_hash_digits(number.ptr, number.len);
        return HR_OK;
    }
    if ((member->flags & HR_JSON_HUGE) != 0 ||
        !hr_json_text_whole(number, seconds) || *seconds < 0 ||
        (number.ptr[0] == '-' &&
         !hr_json_text_same_number(number, HR_SPAN("0")))) {
        return HR_CLAIM_TYPE;
    }
    return HR_OK;
}

static bool
is_one_of(hr_span text, unsigned flags, const hr_span *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (hr_json_text_same_string(text, flags, list[i])) {
            return true;
        }
    }
    return false;
}

/* A string, or an array of strings; one of them is expected. */
static hr_status
check_audience(const hr_token_claims_rules *rules, const char *text,
               const hr_json_member *aud)
{
    bool none = aud == NULL || aud->kind == HR_JSON_NULL;
    if (rules->audience_count == 0) {
        return none ? HR_OK : HR_AUDIENCE;
    }
    if (none) {
        return HR_MISSING_CLAIM;
    }
    if (aud->kind == HR_JSON_STRING) {
        return is_one_of(value_of(text, aud), aud->flags, rules->audience,
                         rules->audience_count)
                   ? HR_OK
                   : HR_AUDIENCE;
    }
    if (aud->kind != HR_JSON_ARRAY) {
        return HR_AUDIENCE;
    }
    hr_json json;
    hr_json_init(&json, value_of(text, aud));
    (void)hr_json_next(&json);
    bool match = false;
    hr_json_kind kind;
    while ((kind = hr_json_next(&json)) == HR_JSON_STRING) {
        match |= is_one_of(json.text, json.flags, rules->audience,
                           rules->audience_count);
    }
    return match && kind == HR_JSON_CLOSE ? HR_OK : HR_AUDIENCE;
}

static hr_status
check_issuer(const hr_token_claims_rules *rules, const char *text,
             const hr_json_member *iss)
{
    if (rules->issuer_count == 0) {
        return HR_OK;
    }
    if (iss == NULL) {
        return HR_MISSING_CLAIM;
    }
    return iss->kind == HR_JSON_STRING &&
                   is_one_of(value_of(text, iss), iss->flags, rules->issuer,
                             rules->issuer_count)
               ? HR_OK
               : HR_ISSUER;
}

static hr_status
check_subject(const hr_token_claims_rules *rules, const char *text,
              const hr_json_member *sub)
{
    if (sub == NULL) {
        return rules->subject.ptr != NULL ? HR_MISSING_CLAIM : HR_OK;
    }
    if (sub->kind != HR_JSON_STRING) {
        return HR_SUBJECT;
    }
    return rules->subject.ptr == NULL ||
                   hr_json_text_same_string(value_of(text, sub), sub->flags,
                                            rules->subject)
               ? HR_OK
               : HR_SUBJECT;
}

static bool
is_value(const char *text, const hr_json_member *member,
         const hr_token_claims_value *want)
{
    bool numbers =
        (member->kind == HR_JSON_INTEGER || member->kind == HR_JSON_FLOAT) &&
        (want->kind == HR_JSON_INTEGER || want->kind == HR_JSON_FLOAT);
    if (numbers) {
        return hr_json_text_same_number(value_of(text, member), want->text);
    }
    if (member->kind != want->kind) {
        return false;
    }
    return want->kind != HR_JSON_STRING ||
           hr_json_text_same_string(value_of(text, member), member->flags,
                                    want->text);
}

static hr_status
check_expected(const hr_token_claims_expected *expect, const char *text,
               const hr_json_member *members, size_t count)
{
    const hr_json_member *member =
        hr_json_find(text, members, count, expect->name);
    if (member == NULL) {
        return HR_MISSING_CLAIM;
    }
    for (size_t i = 0; i < expect->count; i++) {
        if (is_value(text, member, &expect->values[i])) {
            return HR_OK;
        }
    }
    return HR_UNEXPECTED_VALUE;
}

/* Without iat nobody can tell how long the token is meant to live: too long
 * if the rest alone is, else the claim is missing. */
static hr_status
check_lifetime(const hr_token_claims_rules *rules,
               const hr_token_claims_times *times, double now, hr_span *claim)
{
    if (rules->max_lifetime < 0) {
        return HR_OK;
    }
    *claim = HR_SPAN("exp");
    if (!times->has_expires) {
        return HR_MISSING_CLAIM;
    }
    double start = times->has_issued ? (double)times->issued : now;
    if ((double)times->expires - start > rules->max_lifetime) {
        return HR_LIFETIME;
    }
    *claim = HR_SPAN("iat");
    return times->has_issued ? HR_OK : HR_MISSING_CLAIM;
}

/* Worded so that a `now` which is no number refuses. */
hr_status
hr_token_claims_check_times(const hr_token_claims_times *times, double leeway,
                            double now, hr_span *claim)
{
    double latest = now + leeway, earliest = now - leeway;
    if (times->has_issued && !((double)times->issued <= latest)) {
        *claim = HR_SPAN("iat");
        return HR_ISSUED_IN_FUTURE;
    }
    if (times->has_not_before && !((double)times->not_before <= latest)) {
        *claim = HR_SPAN("nbf");
        return HR_NOT_YET_VALID;
    }
    if (times->has_expires && !((double)times->expires > earliest)) {
        *claim = HR_SPAN("exp");
        return HR_EXPIRED;
    }
    return HR_OK;
}

static hr_status
read_times(const char *text, const registered *found,
           hr_token_claims_times *times, hr_span *claim)
{
    *claim = HR_SPAN("iat");
    hr_status status =
        read_time(text, found->iat, &times->has_issued, &times->issued);
    if (status == HR_OK) {
        *claim = HR_SPAN("nbf");
        status = read_time(text, found->nbf, &times->has_not_before,
                           &times->not_before);
    }
    if (status == HR_OK) {
        *claim = HR_SPAN("exp");
        status =
            read_time(text, found->exp, &times->has_expires, &times->expires);
    }
    return status;
}

static hr_status
check_required(const hr_token_claims_rules *rules, const char *text,
               const registered *found, const hr_json_member *members,
               size_t count, hr_span *claim)
{
    for (size_t i = 0; i < rules->require_count; i++) {
        hr_span name = rules->require[i];
        const hr_json_member *member =
            hr_span_equal(name, HR_SPAN("exp"))
                ? found->exp
                : hr_json_find(text, members, count, name);
        if (member == NULL || member->kind == HR_JSON_NULL) {
            *claim = name;
            return HR_MISSING_CLAIM;
        }
    }
    return HR_OK;
}

hr_status
hr_token_claims_check(const hr_token_claims_rules *rules, const char *text,
                      const hr_json_member *members, size_t count,
                      unsigned flags, double now, hr_token_claims_times *times,
                      hr_span *claim)
{
    registered found = find_registered(text, members, count);
    hr_token_claims_times read;
    hr_status status =
        check_required(rules, text, &found, members, count, claim);
    if (status != HR_OK) {
        return status;
    }
    status = read_times(text, &found, &read, claim);
    if (status != HR_OK) {
        return status;
    }
    status = hr_token_claims_check_times(&read, rules->leeway, now, claim);
    if (status != HR_OK) {
        return status;
    }
    *claim = HR_SPAN("iss");
    status = check_issuer(rules, text, found.iss);
    if (status != HR_OK) {
        return status;
    }
    *claim = HR_SPAN("aud");
    status = check_audience(rules, text, found.aud);
    if (status != HR_OK) {
        return status;
    }
    *claim = HR_SPAN("sub");
    status = check_subject(rules, text, found.sub);
    if (status != HR_OK) {
        return status;
    }
    *claim = HR_SPAN("jti");
    if (found.jti != NULL && found.jti->kind != HR_JSON_STRING) {
        return HR_JTI;
    }
    for (size_t i = 0; i < rules->expect_count; i++) {
        *claim = rules->expect[i].name;
        status = check_expected(&rules->expect[i], text, members, count);
        if (status != HR_OK) {
            return status;
        }
    }
    status = check_lifetime(rules, &read, now, claim);
    if (status != HR_OK) {
        return status;
    }
    if ((flags & HR_JSON_HUGE) != 0) {
        return HR_PAYLOAD;
    }
    *times = read;
    return HR_OK;
}
