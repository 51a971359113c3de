/* SPDX-License-Identifier: MIT */
/* One pass over the members finds the seven registered claims (RFC 7519
 * section 4.1); the rules then run in the order of PyJWT, so that a token
 * with several faults is refused for the same one. Expired is
 * `exp <= now - leeway`; not yet valid is `nbf > now + leeway`, and so for
 * iat. */
#include "claims.h"

/* The registered claims, where they stand. */
typedef struct registered {
    const ps_json_member *exp;
    const ps_json_member *nbf;
    const ps_json_member *iat;
    const ps_json_member *iss;
    const ps_json_member *aud;
    const ps_json_member *sub;
    const ps_json_member *jti;
} registered;

#define CODE(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (c))

static inline void
note(registered *found, const char *name, const ps_json_member *member)
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
find_registered(const char *text, const ps_json_member *members, size_t count)
{
    registered found = {0};
    for (size_t i = 0; i < count; i++) {
        const ps_json_member *member = &members[i];
        if ((member->name_flags & PS_JSON_ESCAPED) == 0) {
            if (member->name_len == 3) {
                note(&found, text + member->name, member);
            }
        } else if (member->name_len <= ESCAPED_NAME_MAX) {
            char name[ESCAPED_NAME_MAX];
            ps_span raw = {text + member->name, member->name_len};
            if (ps_json_unescape(raw, name) == 3) {
                note(&found, name, member);
            }
        }
    }
    return found;
}

static inline ps_span
value_of(const char *text, const ps_json_member *member)
{
    return (ps_span){text + member->value, member->value_len};
}

/* Digits that fit 64 bits whatever they are. */
#define PLAIN_DIGITS 18

/* A time: absent, or a number in range. */
static ps_status
read_time(const char *text, const ps_json_member *member, bool *has,
          int64_t *seconds)
{
    *has = member != NULL;
    *seconds = 0;
    if (member == NULL) {
        return PS_OK;
    }
    if (member->kind != PS_JSON_INTEGER && member->kind != PS_JSON_FLOAT) {
        return PS_CLAIM_TYPE;
    }
    ps_span number = value_of(text, member);
    if (member->kind == PS_JSON_INTEGER && number.len <= PLAIN_DIGITS &&
        number.ptr[0] != '-') {
        /* as nearly always */
        *seconds = (int64_t)ps_json_digits(number.ptr, number.len);
        return PS_OK;
    }
    if ((member->flags & PS_JSON_HUGE) != 0 ||
        !ps_json_whole(number, seconds) || *seconds < 0 ||
        (number.ptr[0] == '-' && !ps_json_same_number(number, PS_SPAN("0")))) {
        return PS_CLAIM_TYPE;
    }
    return PS_OK;
}

static bool
is_one_of(ps_span text, unsigned flags, const ps_span *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ps_json_same_string(text, flags, list[i])) {
            return true;
        }
    }
    return false;
}

/* A string, or an array of strings; one of them is expected. */
static ps_status
check_audience(const ps_claim_rules *rules, const char *text,
               const ps_json_member *aud)
{
    bool none = aud == NULL || aud->kind == PS_JSON_NULL;
    if (rules->audience_count == 0) {
        return none ? PS_OK : PS_AUDIENCE;
    }
    if (none) {
        return PS_MISSING_CLAIM;
    }
    if (aud->kind == PS_JSON_STRING) {
        return is_one_of(value_of(text, aud), aud->flags, rules->audience,
                         rules->audience_count)
                   ? PS_OK
                   : PS_AUDIENCE;
    }
    if (aud->kind != PS_JSON_ARRAY) {
        return PS_AUDIENCE;
    }
    ps_json json;
    ps_json_init(&json, value_of(text, aud));
    (void)ps_json_next(&json);
    bool match = false;
    ps_json_kind kind;
    while ((kind = ps_json_next(&json)) == PS_JSON_STRING) {
        match |= is_one_of(json.text, json.flags, rules->audience,
                           rules->audience_count);
    }
    return match && kind == PS_JSON_CLOSE ? PS_OK : PS_AUDIENCE;
}

static ps_status
check_issuer(const ps_claim_rules *rules, const char *text,
             const ps_json_member *iss)
{
    if (rules->issuer_count == 0) {
        return PS_OK;
    }
    if (iss == NULL) {
        return PS_MISSING_CLAIM;
    }
    return iss->kind == PS_JSON_STRING &&
                   is_one_of(value_of(text, iss), iss->flags, rules->issuer,
                             rules->issuer_count)
               ? PS_OK
               : PS_ISSUER;
}

static ps_status
check_subject(const ps_claim_rules *rules, const char *text,
              const ps_json_member *sub)
{
    if (sub == NULL) {
        return rules->subject.ptr != NULL ? PS_MISSING_CLAIM : PS_OK;
    }
    if (sub->kind != PS_JSON_STRING) {
        return PS_SUBJECT;
    }
    return rules->subject.ptr == NULL ||
                   ps_json_same_string(value_of(text, sub), sub->flags,
                                       rules->subject)
               ? PS_OK
               : PS_SUBJECT;
}

static bool
is_value(const char *text, const ps_json_member *member,
         const ps_expected_value *want)
{
    bool numbers =
        (member->kind == PS_JSON_INTEGER || member->kind == PS_JSON_FLOAT) &&
        (want->kind == PS_JSON_INTEGER || want->kind == PS_JSON_FLOAT);
    if (numbers) {
        return ps_json_same_number(value_of(text, member), want->text);
    }
    if (member->kind != want->kind) {
        return false;
    }
    return want->kind != PS_JSON_STRING ||
           ps_json_same_string(value_of(text, member), member->flags,
                               want->text);
}

static ps_status
check_expected(const ps_expected *expect, const char *text,
               const ps_json_member *members, size_t count)
{
    const ps_json_member *member =
        ps_json_find(text, members, count, expect->name);
    if (member == NULL) {
        return PS_MISSING_CLAIM;
    }
    for (size_t i = 0; i < expect->count; i++) {
        if (is_value(text, member, &expect->values[i])) {
            return PS_OK;
        }
    }
    return PS_UNEXPECTED_VALUE;
}

/* Without iat nobody can tell how long the token is meant to live: too long
 * if the rest alone is, else the claim is missing. */
static ps_status
check_lifetime(const ps_claim_rules *rules, const ps_times *times, double now,
               ps_span *claim)
{
    if (rules->max_lifetime < 0) {
        return PS_OK;
    }
    *claim = PS_SPAN("exp");
    if (!times->has_expires) {
        return PS_MISSING_CLAIM;
    }
    double start = times->has_issued ? (double)times->issued : now;
    if ((double)times->expires - start > rules->max_lifetime) {
        return PS_LIFETIME;
    }
    *claim = PS_SPAN("iat");
    return times->has_issued ? PS_OK : PS_MISSING_CLAIM;
}

/* Worded so that a `now` which is no number refuses. */
ps_status
ps_claims_check_times(const ps_times *times, double leeway, double now,
                      ps_span *claim)
{
    double latest = now + leeway, earliest = now - leeway;
    if (times->has_issued && !((double)times->issued <= latest)) {
        *claim = PS_SPAN("iat");
        return PS_ISSUED_IN_FUTURE;
    }
    if (times->has_not_before && !((double)times->not_before <= latest)) {
        *claim = PS_SPAN("nbf");
        return PS_NOT_YET_VALID;
    }
    if (times->has_expires && !((double)times->expires > earliest)) {
        *claim = PS_SPAN("exp");
        return PS_EXPIRED;
    }
    return PS_OK;
}

static ps_status
read_times(const char *text, const registered *found, ps_times *times,
           ps_span *claim)
{
    *claim = PS_SPAN("iat");
    ps_status status =
        read_time(text, found->iat, &times->has_issued, &times->issued);
    if (status == PS_OK) {
        *claim = PS_SPAN("nbf");
        status = read_time(text, found->nbf, &times->has_not_before,
                           &times->not_before);
    }
    if (status == PS_OK) {
        *claim = PS_SPAN("exp");
        status =
            read_time(text, found->exp, &times->has_expires, &times->expires);
    }
    return status;
}

static ps_status
check_required(const ps_claim_rules *rules, const char *text,
               const registered *found, const ps_json_member *members,
               size_t count, ps_span *claim)
{
    for (size_t i = 0; i < rules->require_count; i++) {
        ps_span name = rules->require[i];
        const ps_json_member *member =
            ps_span_equal(name, PS_SPAN("exp"))
                ? found->exp
                : ps_json_find(text, members, count, name);
        if (member == NULL || member->kind == PS_JSON_NULL) {
            *claim = name;
            return PS_MISSING_CLAIM;
        }
    }
    return PS_OK;
}

ps_status
ps_claims_check(const ps_claim_rules *rules, const char *text,
                const ps_json_member *members, size_t count, unsigned flags,
                double now, ps_times *times, ps_span *claim)
{
    registered found = find_registered(text, members, count);
    ps_times read;
    ps_status status =
        check_required(rules, text, &found, members, count, claim);
    if (status != PS_OK) {
        return status;
    }
    status = read_times(text, &found, &read, claim);
    if (status != PS_OK) {
        return status;
    }
    status = ps_claims_check_times(&read, rules->leeway, now, claim);
    if (status != PS_OK) {
        return status;
    }
    *claim = PS_SPAN("iss");
    status = check_issuer(rules, text, found.iss);
    if (status != PS_OK) {
        return status;
    }
    *claim = PS_SPAN("aud");
    status = check_audience(rules, text, found.aud);
    if (status != PS_OK) {
        return status;
    }
    *claim = PS_SPAN("sub");
    status = check_subject(rules, text, found.sub);
    if (status != PS_OK) {
        return status;
    }
    *claim = PS_SPAN("jti");
    if (found.jti != NULL && found.jti->kind != PS_JSON_STRING) {
        return PS_JTI;
    }
    for (size_t i = 0; i < rules->expect_count; i++) {
        *claim = rules->expect[i].name;
        status = check_expected(&rules->expect[i], text, members, count);
        if (status != PS_OK) {
            return status;
        }
    }
    status = check_lifetime(rules, &read, now, claim);
    if (status != PS_OK) {
        return status;
    }
    if ((flags & PS_JSON_HUGE) != 0) {
        return PS_PAYLOAD;
    }
    *times = read;
    return PS_OK;
}
