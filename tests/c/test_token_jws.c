/* SPDX-License-Identifier: MIT */
#include "jwt.h"

#include "base/alloc.h"
#include "token/jws.h"

#define S HR_SPAN

static const struct {
    const char *why;
    hr_span text;
    hr_status want;
    size_t header, payload, signature; /* their lengths */
} SPLITS[] = {
    {"three segments", S("aa.bbb.c"), HR_OK, 2, 3, 1},
    {"an empty payload", S("aa..c"), HR_OK, 2, 0, 1},
    {"an empty signature", S("aa.bbb."), HR_OK, 2, 3, 0},
    {"no alphabet is checked", S("\x01\xff. .="), HR_OK, 2, 1, 1},
    {"nothing", S(""), HR_MALFORMED, 0, 0, 0},
    {"no dot", S("aa"), HR_MALFORMED, 0, 0, 0},
    {"one dot", S("aa.b"), HR_MALFORMED, 0, 0, 0},
    {"three dots", S("a.b.c.d"), HR_MALFORMED, 0, 0, 0},
    {"a dot at the end", S("a.b.c."), HR_MALFORMED, 0, 0, 0},
    {"an empty header", S(".b.c"), HR_MALFORMED, 0, 0, 0},
    {"dots alone", S(".."), HR_MALFORMED, 0, 0, 0},
};

static bool
lies_inside(hr_span part, hr_span whole)
{
    return part.ptr >= whole.ptr &&
           part.ptr + part.len <= whole.ptr + whole.len;
}

static void
segments(void)
{
    for (size_t i = 0; i < sizeof(SPLITS) / sizeof(SPLITS[0]); i++) {
        hr_span text = guarded(SPLITS[i].text);
        hr_token_jws jws;
        hr_status got = hr_token_jws_split(text, &jws);
        bool right = got == SPLITS[i].want;
        if (right && got == HR_OK) {
            right =
                jws.header.len == SPLITS[i].header &&
                jws.payload.len == SPLITS[i].payload &&
                jws.signature.len == SPLITS[i].signature &&
                lies_inside(jws.header, text) &&
                lies_inside(jws.payload, text) &&
                lies_inside(jws.signature, text) &&
                jws.signed_text.ptr == text.ptr &&
                jws.signed_text.len == jws.header.len + 1 + jws.payload.len;
        }
        ok(right, "split: %s: %s", SPLITS[i].why, hr_status_word(got));
    }
}

/* What else a header is refused for stands in test_token_verifier.c. */
static const struct {
    const char *why;
    hr_span header;
    hr_span type;
    hr_status want;
} HEADERS[] = {
    {"any type", S("{\"alg\":\"ES256\",\"typ\":\"x\"}"), {NULL, 0}, HR_OK},
    {"the type", S("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"), S("at+jwt"),
     HR_OK},
    {"in capitals", S("{\"alg\":\"ES256\",\"typ\":\"AT+JWT\"}"), S("at+jwt"),
     HR_OK},
    {"with its prefix",
     S("{\"alg\":\"ES256\",\"typ\":\"application/at+jwt\"}"), S("at+jwt"),
     HR_OK},
    {"expected with its prefix", S("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"),
     S("application/at+jwt"), HR_OK},
    {"a prefix before a slash",
     S("{\"alg\":\"ES256\",\"typ\":\"application/a/b\"}"), S("a/b"), HR_TYPE},
    {"another type", S("{\"alg\":\"ES256\",\"typ\":\"JWT\"}"), S("at+jwt"),
     HR_TYPE},
    {"longer than the type", S("{\"alg\":\"ES256\",\"typ\":\"at+jwt2\"}"),
     S("at+jwt"), HR_TYPE},
    {"no type", S("{\"alg\":\"ES256\"}"), S("at+jwt"), HR_TYPE},
    {"an escaped value",
     S("{\"alg\":\"ES\\u0032\\u00356\"}"),
     {NULL, 0},
     HR_OK},
    {"a name twice, escaped",
     S("{\"alg\":\"ES256\",\"\\u0061lg\":\"ES256\"}"),
     {NULL, 0},
     HR_HEADER},
    {"a name twice below",
     S("{\"alg\":\"ES256\",\"x\":{\"a\":1,\"a\":1}}"),
     {NULL, 0},
     HR_HEADER},
    {"not UTF-8",
     S("{\"alg\":\"ES256\",\"x\":\"\xff\"}"),
     {NULL, 0},
     HR_HEADER},
    {"a byte order mark",
     S("\xef\xbb\xbf{\"alg\":\"ES256\"}"),
     {NULL, 0},
     HR_HEADER},
    {"nothing", S(""), {NULL, 0}, HR_HEADER},
};

static hr_span
encoded(hr_span bytes)
{
    static char text[4096];
    hr_base64url_encode(bytes.ptr, bytes.len, text);
    return guarded((hr_span){text, hr_base64url_encoded_size(bytes.len)});
}

static void
headers(void)
{
    for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++) {
        hr_token_jws_header jose;
        hr_status got = hr_token_jws_read_header(encoded(HEADERS[i].header),
                                                 HEADERS[i].type, &jose);
        ok(got == HEADERS[i].want &&
               (got != HR_OK || jose.algorithm == HR_ES256),
           "header: %s: %s", HEADERS[i].why, hr_status_word(got));
    }
}

/* `size` bytes of header: one long member. */
static hr_status
read_header_of(size_t size)
{
    static char text[2048];
    size_t len = (size_t)sprintf(text, "{\"alg\":\"ES256\",\"x\":\"");
    memset(text + len, 'x', size - len - 2);
    memcpy(text + size - 2, "\"}", 2);
    hr_token_jws_header jose;
    return hr_token_jws_read_header(encoded((hr_span){text, size}), HR_NO_SPAN,
                                    &jose);
}

static hr_status
read_header_with_members(int count)
{
    static char text[2048];
    size_t len = (size_t)sprintf(text, "{\"alg\":\"ES256\"");
    for (int i = 1; i < count; i++) {
        len += (size_t)sprintf(text + len, ",\"%d\":1", i);
    }
    text[len++] = '}';
    hr_token_jws_header jose;
    return hr_token_jws_read_header(encoded((hr_span){text, len}), HR_NO_SPAN,
                                    &jose);
}

static void
caps(void)
{
    ok(read_header_of(HR_JOSE_HEADER_MAX) == HR_OK &&
           read_header_of(HR_JOSE_HEADER_MAX + 1) == HR_HEADER,
       "header: as long as the cap, and one byte over");
    ok(read_header_with_members(HR_JOSE_MEMBERS_MAX) == HR_OK &&
           read_header_with_members(HR_JOSE_MEMBERS_MAX + 1) == HR_HEADER,
       "header: as many members as the cap, and one more");
    static char text[2048], id[HR_KEY_ID_MAX + 2];
    hr_token_jws_header jose;
    for (size_t more = 0; more < 2; more++) {
        memset(id, 'k', sizeof(id));
        int len = sprintf(text, "{\"alg\":\"ES256\",\"kid\":\"%.*s\"}",
                          (int)(HR_KEY_ID_MAX + more), id);
        hr_status got = hr_token_jws_read_header(
            encoded((hr_span){text, (size_t)len}), HR_NO_SPAN, &jose);
        ok(more == 0 ? got == HR_OK && jose.has_key_id &&
                           jose.key_id.len == HR_KEY_ID_MAX
                     : got == HR_KEY_ID,
           "header: a key id as long as the cap, and %zu more", more);
    }
}

static void
algorithms(void)
{
    bool right = true;
    for (int i = 0; i < HR_ALGORITHMS; i++) {
        hr_token_jws_algorithm found;
        hr_span name = hr_token_jws_algorithm_name((hr_token_jws_algorithm)i);
        right &= hr_token_jws_algorithm_find(guarded(name), &found) == HR_OK &&
                 found == (hr_token_jws_algorithm)i &&
                 hr_token_jws_algorithm_find((hr_span){name.ptr, name.len - 1},
                                             &found) == HR_ALGORITHM;
    }
    ok(right, "algorithms: each is found by its name, and by no shorter one");
}

/* The table of known headers: full, then asked again; without memory. */
static void
known_headers(void)
{
    hr_token_jws_header_table *table = hr_token_jws_header_table_new();
    hr_token_jws_header jose = {.algorithm = HR_ES256, .has_key_id = true};
    const uint16_t keys[] = {3, 1};
    char segment[16];
    jose.key_id = S("id");
    for (int i = 0; i < 100; i++) {
        int len = sprintf(segment, "h%d", i);
        hr_token_jws_header_table_add(table, (hr_span){segment, (size_t)len},
                                      &jose, keys, 2);
    }
    const hr_token_jws_known_header *found =
        hr_token_jws_header_table_find(table, guarded(S("h0")));
    ok(found != NULL && found->algorithm == HR_ES256 &&
           found->key_count == 2 && found->keys[0] == 3 &&
           found->keys[1] == 1 &&
           hr_span_equal((hr_span){found->key_id, found->key_id_size},
                         S("id")),
       "table: an entry says what the header did");
    ok(hr_token_jws_header_table_find(table, S("h")) == NULL &&
           hr_token_jws_header_table_find(table, S("h00")) == NULL &&
           hr_token_jws_header_table_find(table, S("h99")) == NULL,
       "table: other bytes are another header, a full table takes no more");
    hr_token_jws_header_table_free(table);
    hr_alloc_fail_at(1, 0);
    table = hr_token_jws_header_table_new();
    ok(table == NULL, "table: no memory");
    hr_alloc_fail_at(0, 0);
    table = hr_token_jws_header_table_new();
    hr_alloc_fail_at(1, 0);
    hr_token_jws_header_table_add(table, S("h"), &jose, keys, 2);
    hr_alloc_fail_at(0, 0);
    ok(hr_token_jws_header_table_find(table, S("h")) == NULL,
       "table: without memory for an entry the header stays unknown");
    hr_token_jws_header_table_free(table);
}

int
main(void)
{
    segments();
    headers();
    caps();
    algorithms();
    known_headers();
    return done_testing();
}
