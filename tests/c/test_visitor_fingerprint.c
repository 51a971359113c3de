/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "base/alloc.h"
#include "base/base64url.h"
#include "visitor/fingerprint.h"

#define NOW 1795000000
#define MONTH (30 * 86400)

static const hr_span KEYS[] = {HR_SPAN("new secret"), HR_SPAN("old secret")};

static hr_visitor_fingerprint_settings
settings(const hr_span *keys, size_t count)
{
    return (hr_visitor_fingerprint_settings){
        .name = HR_SPAN("device_fp"),
        .keys = keys,
        .key_count = count,
        .max_age = MONTH,
        .path = HR_SPAN("/"),
        .domain = HR_NO_SPAN,
        .samesite = HR_SPAN("Lax"),
    };
}

static hr_visitor_fingerprint_cookie *
make(const hr_visitor_fingerprint_settings *wanted)
{
    hr_visitor_fingerprint_cookie *cookie = NULL;
    const char *why;
    if (hr_visitor_fingerprint_cookie_new(wanted, &cookie, &why) != HR_OK) {
        printf("Bail out! cookie not made: %s\n", why);
        exit(2);
    }
    return cookie;
}

static hr_visitor_fingerprint
mint(hr_visitor_fingerprint_cookie *cookie, int64_t now)
{
    hr_visitor_fingerprint fingerprint;
    if (hr_visitor_fingerprint_cookie_mint(cookie, now, &fingerprint) !=
        HR_OK) {
        printf("Bail out! no randomness\n");
        exit(2);
    }
    return fingerprint;
}

/* Reads "a=1; <name>=<value>; b=2" and says what happened: OK, the one reason
 * counted, or ABSENT when nothing was. */
static hr_status
read_value(const hr_visitor_fingerprint_cookie *cookie, hr_span value,
           int64_t now, hr_visitor_fingerprint *fingerprint)
{
    char header[512];
    hr_span name = hr_visitor_fingerprint_cookie_name(cookie);
    int length = snprintf(header, sizeof(header), "a=1; %.*s=%.*s; b=2",
                          (int)name.len, name.ptr, (int)value.len, value.ptr);
    hr_span span = guarded((hr_span){header, (size_t)length});
    hr_visitor_fingerprint_counts counts = {0};
    if (hr_visitor_fingerprint_cookie_read(cookie, &span, 1,
                                           HR_VISITOR_COOKIE_UTF8, now,
                                           fingerprint, &counts) == HR_OK) {
        return HR_OK;
    }
    if (counts.malformed + counts.signature + counts.expired + counts.key_id !=
        1) {
        return HR_ABSENT;
    }
    return counts.malformed   ? HR_MALFORMED
           : counts.signature ? HR_SIGNATURE
           : counts.expired   ? HR_EXPIRED
                              : HR_KEY_ID;
}

static hr_span
value_of(const hr_visitor_fingerprint *fingerprint)
{
    return (hr_span){fingerprint->value, fingerprint->value_len};
}

static void
test_round_trip(void)
{
    hr_visitor_fingerprint_settings wanted = settings(KEYS, 2);
    hr_visitor_fingerprint_cookie *cookie = make(&wanted);
    hr_visitor_fingerprint first = mint(cookie, NOW);
    hr_visitor_fingerprint second = mint(cookie, NOW);
    hr_visitor_fingerprint got;
    ok(memcmp(first.id, second.id, sizeof(first.id)) != 0,
       "two ids are not the same");
    ok(first.value_len == 51 && !first.reissue, "a value of 51 characters");
    ok(read_value(cookie, value_of(&first), NOW, &got) == HR_OK &&
           memcmp(got.id, first.id, sizeof(got.id)) == 0 &&
           memcmp(got.id_text, first.id_text, sizeof(got.id_text)) == 0 &&
           got.issued_at == NOW && !got.reissue &&
           hr_span_equal(value_of(&got), value_of(&first)),
       "what was minted is read");
    char quoted[64];
    int length = snprintf(quoted, sizeof(quoted), "\"%.51s\"", first.value);
    ok(read_value(cookie, (hr_span){quoted, (size_t)length}, NOW, &got) ==
           HR_OK,
       "in quotes too");
    static const struct {
        const char *why;
        int64_t after;
        hr_status want;
    } ages[] = {
        {"in its last second", MONTH - 1, HR_OK},
        {"at its end", MONTH, HR_EXPIRED},
        {"long after", (int64_t)1 << 62, HR_EXPIRED},
        {"from a clock ahead", -300, HR_OK},
        {"from the future", -301, HR_EXPIRED},
        {"before the epoch", -((int64_t)1 << 62), HR_EXPIRED},
    };
    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        ok(read_value(cookie, value_of(&first), NOW + ages[i].after, &got) ==
               ages[i].want,
           "age: %s", ages[i].why);
    }
    hr_visitor_fingerprint_cookie_free(cookie);
}

static void
test_every_changed_bit_is_refused(void)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
                                   "klmnopqrstuvwxyz0123456789-_";
    hr_visitor_fingerprint_settings wanted = settings(KEYS, 2);
    hr_visitor_fingerprint_cookie *cookie = make(&wanted);
    hr_visitor_fingerprint minted = mint(cookie, NOW);
    hr_visitor_fingerprint got;
    size_t accepted = 0;
    for (size_t at = 0; at < minted.value_len; at++) {
        for (size_t c = 0; c < sizeof(alphabet) - 1; c++) {
            char text[64];
            memcpy(text, minted.value, minted.value_len);
            text[at] = alphabet[c];
            hr_span span = {text, minted.value_len};
            hr_visitor_fingerprint_counts counts = {0};
            char header[128];
            int length = snprintf(header, sizeof(header), "device_fp=%.*s",
                                  (int)span.len, span.ptr);
            hr_span one = {header, (size_t)length};
            accepted += hr_visitor_fingerprint_cookie_read(
                            cookie, &one, 1, HR_VISITOR_COOKIE_UTF8, NOW, &got,
                            &counts) == HR_OK;
        }
    }
    ok(accepted == minted.value_len,
       "of all values one character away, none is taken (%zu)", accepted);
    size_t cut = 0;
    for (size_t length = 0; length < minted.value_len; length++) {
        cut += read_value(cookie, (hr_span){minted.value, length}, NOW,
                          &got) == HR_MALFORMED;
    }
    ok(cut == minted.value_len, "every truncated value is malformed");
    hr_visitor_fingerprint_cookie_free(cookie);
}

static void
test_keys(void)
{
    hr_visitor_fingerprint got;
    hr_visitor_fingerprint_settings wanted = settings(KEYS, 2);
    hr_visitor_fingerprint_cookie *both = make(&wanted);
    wanted = settings(KEYS + 1, 1);
    hr_visitor_fingerprint_cookie *old = make(&wanted);
    wanted.name = HR_SPAN("other_fp");
    hr_visitor_fingerprint_cookie *other = make(&wanted);
    hr_visitor_fingerprint minted = mint(old, NOW);
    ok(read_value(both, value_of(&minted), NOW + 5, &got) == HR_OK &&
           got.reissue && got.issued_at == NOW &&
           memcmp(got.id, minted.id, sizeof(got.id)) == 0,
       "rotation: an old key's value keeps id and issued-at");
    hr_visitor_fingerprint again;
    ok(!hr_span_equal(value_of(&got), value_of(&minted)) &&
           read_value(both, value_of(&got), NOW + 5, &again) == HR_OK &&
           !again.reissue,
       "rotation: and is signed anew with the first key");
    ok(read_value(old, value_of(&got), NOW, &again) == HR_KEY_ID,
       "rotation: which who has only the old key does not know");
    ok(read_value(other, value_of(&minted), NOW, &got) == HR_SIGNATURE,
       "a value of another cookie's name is refused");
    hr_visitor_fingerprint_cookie_free(both);
    hr_visitor_fingerprint_cookie_free(old);
    hr_visitor_fingerprint_cookie_free(other);
}

/* Among 300 keys some have one key id; their values must not be confused. */
static void
test_keys_of_one_key_id(void)
{
    static char names[300][8];
    static hr_visitor_fingerprint minted[300];
    hr_span keys[300];
    size_t a = 0;
    size_t b = 0;
    for (size_t i = 0; i < 300 && b == 0; i++) {
        int length = snprintf(names[i], sizeof(names[i]), "k%zu", i);
        keys[i] = (hr_span){names[i], (size_t)length};
        hr_visitor_fingerprint_settings wanted = settings(&keys[i], 1);
        hr_visitor_fingerprint_cookie *cookie = make(&wanted);
        minted[i] = mint(cookie, NOW);
        hr_visitor_fingerprint_cookie_free(cookie);
        uint8_t value[38];
        if (hr_base64url_decode(value_of(&minted[i]), value) != HR_OK) {
            break;
        }
        minted[i].reissue = false;
        minted[i].issued_at = value[1]; /* remembered for the search */
        for (size_t k = 0; k < i && b == 0; k++) {
            if (minted[k].issued_at == value[1]) {
                a = k;
                b = i;
            }
        }
    }
    const hr_span both[] = {keys[a], keys[b]};
    hr_visitor_fingerprint_settings wanted = settings(both, 2);
    hr_visitor_fingerprint_cookie *cookie = make(&wanted);
    hr_visitor_fingerprint got;
    ok(b != 0 &&
           read_value(cookie, value_of(&minted[a]), NOW, &got) == HR_OK &&
           !got.reissue &&
           read_value(cookie, value_of(&minted[b]), NOW, &got) == HR_OK &&
           got.reissue,
       "two keys of one key id: both are tried");
    hr_visitor_fingerprint_cookie_free(cookie);
    wanted = settings(both, 1);
    cookie = make(&wanted);
    ok(read_value(cookie, value_of(&minted[b]), NOW, &got) == HR_SIGNATURE,
       "... and the other one alone says signature");
    hr_visitor_fingerprint_cookie_free(cookie);
}

static void
test_duplicates(void)
{
    hr_visitor_fingerprint_settings wanted = settings(KEYS, 2);
    hr_visitor_fingerprint_cookie *cookie = make(&wanted);
    hr_visitor_fingerprint one = mint(cookie, NOW);
    hr_visitor_fingerprint two = mint(cookie, NOW);
    hr_visitor_fingerprint got;
    char header[256];
    int length = snprintf(header, sizeof(header),
                          "device_fp=forged; device_fp=%.51s; "
                          "device_fp=%.51s",
                          one.value, two.value);
    hr_span headers[2] = {HR_SPAN("device_fp=x; x=y"),
                          guarded((hr_span){header, (size_t)length})};
    hr_visitor_fingerprint_counts counts = {0};
    ok(hr_visitor_fingerprint_cookie_read(cookie, headers, 2,
                                          HR_VISITOR_COOKIE_UTF8, NOW, &got,
                                          &counts) == HR_OK &&
           memcmp(got.id, one.id, sizeof(got.id)) == 0 &&
           counts.malformed == 2,
       "the first valid one counts, over several headers");
    ok(hr_visitor_fingerprint_cookie_read(cookie, headers, 0,
                                          HR_VISITOR_COOKIE_UTF8, NOW, &got,
                                          NULL) == HR_ABSENT,
       "no headers at all");
    hr_visitor_fingerprint_cookie_free(cookie);
}

static const struct {
    const char *why;
    hr_span value;
    int taken;
} UNSIGNED[] = {
    {"32 hex digits", HR_SPAN("00112233445566778899aabbccddeeff"), 1},
    {"capital ones", HR_SPAN("00112233445566778899AABBCCDDEEFF"), 1},
    {"a UUID", HR_SPAN("00112233-4455-6677-8899-aabbccddeeff"), 1},
    {"a UUID cut elsewhere", HR_SPAN("0011223-34455-6677-8899-aabbccddeeff"),
     0},
    {"31 digits", HR_SPAN("00112233445566778899aabbccddeef"), 0},
    {"33 digits", HR_SPAN("00112233445566778899aabbccddeeff0"), 0},
    {"no hex digit", HR_SPAN("00112233445566778899aabbccddeefg"), 0},
    {"braces", HR_SPAN("{0011223344556677-8899-aabbccddeeff}"), 0},
};

static void
test_unsigned(void)
{
    static const uint8_t want[] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
                                   0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
                                   0xcc, 0xdd, 0xee, 0xff};
    hr_visitor_fingerprint_settings wanted = settings(KEYS, 2);
    hr_visitor_fingerprint_cookie *strict = make(&wanted);
    wanted.accept_unsigned = true;
    hr_visitor_fingerprint_cookie *cookie = make(&wanted);
    hr_visitor_fingerprint got;
    for (size_t i = 0; i < sizeof(UNSIGNED) / sizeof(UNSIGNED[0]); i++) {
        hr_span value = UNSIGNED[i].value;
        if (!UNSIGNED[i].taken) {
            ok(read_value(cookie, value, NOW, &got) == HR_MALFORMED,
               "unsigned: %s is malformed", UNSIGNED[i].why);
            continue;
        }
        ok(read_value(cookie, value, NOW, &got) == HR_OK && got.reissue &&
               got.issued_at == NOW && memcmp(got.id, want, 16) == 0 &&
               got.value_len == 51,
           "unsigned: %s is taken over", UNSIGNED[i].why);
        ok(read_value(strict, value, NOW, &got) == HR_MALFORMED,
           "unsigned: %s is malformed by default", UNSIGNED[i].why);
    }
    hr_visitor_fingerprint minted = mint(cookie, NOW);
    char header[256];
    int length = snprintf(
        header, sizeof(header), "device_fp=%.*s; device_fp=%.51s",
        (int)UNSIGNED[0].value.len, UNSIGNED[0].value.ptr, minted.value);
    hr_span span = guarded((hr_span){header, (size_t)length});
    ok(hr_visitor_fingerprint_cookie_read(cookie, &span, 1,
                                          HR_VISITOR_COOKIE_UTF8, NOW, &got,
                                          NULL) == HR_OK &&
           memcmp(got.id, minted.id, 16) == 0 && !got.reissue,
       "unsigned: a signed one wins, wherever it stands");
    hr_visitor_fingerprint_cookie_free(cookie);
    hr_visitor_fingerprint_cookie_free(strict);
}

static void
check_refused(hr_visitor_fingerprint_settings wanted, hr_status want,
              const char *names)
{
    hr_visitor_fingerprint_cookie *cookie = NULL;
    const char *why = NULL;
    hr_status status =
        hr_visitor_fingerprint_cookie_new(&wanted, &cookie, &why);
    ok(status == want && why != NULL &&
           strncmp(why, names, strlen(names)) == 0,
       "setting refused: %s", why == NULL ? names : why);
}

static void
test_settings(void)
{
    static const hr_span empty[] = {HR_SPAN("k"), HR_SPAN("")};
    static const char *const names[] = {"",    "a b",      "a=b",  "a;b",
                                        "a\"", "\xC3\xA9", "a(b)", "a,b"};
    hr_visitor_fingerprint_settings s = settings(KEYS, 2);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        s.name = (hr_span){names[i], strlen(names[i])};
        check_refused(s, HR_COOKIE_NAME, "name");
    }
    s = settings(KEYS, 0);
    check_refused(s, HR_SETTING, "keys");
    s = settings(empty, 2);
    check_refused(s, HR_KEY_EMPTY, "keys");
    s = settings(KEYS, 17);
    check_refused(s, HR_SETTING, "keys");
    s = settings(KEYS, 2);
    s.max_age = 0;
    check_refused(s, HR_SETTING, "max_age");
    s = settings(KEYS, 2);
    s.path = HR_SPAN("/a;b");
    check_refused(s, HR_SETTING, "path");
    s.path = HR_SPAN("a");
    check_refused(s, HR_SETTING, "path");
    s.path = HR_SPAN("/a\r\nSet-Cookie: x=1");
    check_refused(s, HR_SETTING, "path");
    s = settings(KEYS, 2);
    s.domain = HR_SPAN("a b");
    check_refused(s, HR_SETTING, "domain");
    s = settings(KEYS, 2);
    s.samesite = HR_SPAN("no");
    check_refused(s, HR_SETTING, "samesite");
    s = settings(KEYS, 2);
    s.name = HR_SPAN("__Host-fp");
    s.path = HR_SPAN("/a");
    check_refused(s, HR_SETTING, "name");
    s = settings(KEYS, 2);
    s.name = HR_SPAN("__host-Http-fp");
    s.domain = HR_SPAN("a.b");
    check_refused(s, HR_SETTING, "name");
}

static void
check_header(hr_visitor_fingerprint_settings wanted, bool secure,
             int64_t after, const char *want)
{
    hr_visitor_fingerprint_cookie *cookie = make(&wanted);
    hr_visitor_fingerprint minted = mint(cookie, NOW);
    char out[HR_SET_COOKIE_MAX];
    char full[HR_SET_COOKIE_MAX];
    size_t length = hr_visitor_fingerprint_cookie_header(
        cookie, &minted, secure, NOW + after, out);
    int expected =
        snprintf(full, sizeof(full), "%.*s=%.51s%s", (int)wanted.name.len,
                 wanted.name.ptr, minted.value, want);
    ok(length == (size_t)expected && memcmp(out, full, length) == 0,
       "header: %.*s (%.*s)", (int)expected, full, (int)length, out);
    hr_visitor_fingerprint_cookie_free(cookie);
}

static void
test_header(void)
{
    hr_visitor_fingerprint_settings s = settings(KEYS, 2);
    check_header(s, false, 0,
                 "; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
    check_header(s, true, 1000,
                 "; Path=/; Max-Age=2591000; HttpOnly; SameSite=Lax; Secure");
    check_header(s, false, -1000,
                 "; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
    check_header(s, false, INT64_MAX - NOW,
                 "; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    s.path = HR_SPAN("/shop");
    s.domain = HR_SPAN("example.com");
    s.samesite = HR_SPAN("strict");
    check_header(s, false, 0,
                 "; Path=/shop; Domain=example.com; Max-Age=2592000; "
                 "HttpOnly; SameSite=Strict");
    s = settings(KEYS, 2);
    s.samesite = HR_SPAN("None");
    s.partitioned = true;
    check_header(s, false, 0,
                 "; Path=/; Max-Age=2592000; HttpOnly; SameSite=None; "
                 "Secure; Partitioned");
    static const struct {
        hr_span name;
        bool insecure;
    } prefixes[] = {
        {HR_SPAN("device_fp"), true},       {HR_SPAN("__Hos-fp"), true},
        {HR_SPAN("__Host-fp"), false},      {HR_SPAN("__SECURE-fp"), false},
        {HR_SPAN("__Host-Http-fp"), false}, {HR_SPAN("__Http-fp"), false},
    };
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        s = settings(KEYS, 2);
        s.name = prefixes[i].name;
        hr_visitor_fingerprint_cookie *cookie = make(&s);
        ok(hr_visitor_fingerprint_cookie_works_insecure(cookie) ==
               prefixes[i].insecure,
           "%.*s over plain http", (int)s.name.len, s.name.ptr);
        hr_visitor_fingerprint_cookie_free(cookie);
    }
    s = settings(KEYS, 2);
    hr_visitor_fingerprint_cookie *cookie = make(&s);
    hr_visitor_fingerprint derived = mint(cookie, NOW);
    char out[HR_SET_COOKIE_MAX];
    derived.value_len = 0;
    ok(hr_visitor_fingerprint_cookie_header(cookie, &derived, true, NOW,
                                            out) == 0,
       "a derived fingerprint has no cookie");
    hr_visitor_fingerprint_cookie_free(cookie);
}

static void
test_hash(void)
{
    hr_visitor_fingerprint_settings s = settings(KEYS, 2);
    hr_visitor_fingerprint_cookie *one = make(&s);
    s = settings(KEYS + 1, 1);
    hr_visitor_fingerprint_cookie *two = make(&s);
    hr_visitor_fingerprint minted = mint(one, NOW);
    char a[32];
    char b[32];
    hr_visitor_fingerprint_cookie_hash(one, &minted, a);
    hr_visitor_fingerprint_cookie_hash(one, &minted, b);
    ok(memcmp(a, b, sizeof(a)) == 0 &&
           memcmp(a, minted.id_text, sizeof(a)) != 0,
       "a hashed id is stable, and not the id");
    hr_visitor_fingerprint_cookie_hash(two, &minted, b);
    ok(memcmp(a, b, sizeof(a)) != 0, "another key, another hash");
    hr_visitor_fingerprint_cookie_free(one);
    hr_visitor_fingerprint_cookie_free(two);
}

static void
test_out_of_memory(void)
{
    hr_visitor_fingerprint_settings s = settings(KEYS, 2);
    s.domain = HR_SPAN("example.com");
    (void)hr_alloc_fail_at(0, 0);
    hr_visitor_fingerprint_cookie_free(make(&s));
    size_t calls = hr_alloc_fail_at(0, 0);
    size_t failed = 0;
    for (size_t n = 1; n <= calls; n++) {
        hr_visitor_fingerprint_cookie *cookie = NULL;
        const char *why;
        (void)hr_alloc_fail_at(n, 0);
        failed += hr_visitor_fingerprint_cookie_new(&s, &cookie, &why) ==
                  HR_NO_MEMORY;
    }
    (void)hr_alloc_fail_at(0, 0);
    ok(calls >= 4 && failed == calls, "each of %zu allocations may fail",
       calls);
}

int
main(void)
{
    test_round_trip();
    test_every_changed_bit_is_refused();
    test_keys();
    test_keys_of_one_key_id();
    test_duplicates();
    test_unsigned();
    test_settings();
    test_header();
    test_hash();
    test_out_of_memory();
    hr_visitor_fingerprint_cookie_free(NULL);
    return done_testing();
}
