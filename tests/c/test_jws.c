/* SPDX-License-Identifier: MIT */
#include "jwt.h"

#include "../../ext/core/alloc.h"
#include "../../ext/core/jws.h"

#define S PS_SPAN

static const struct {
    const char *why;
    ps_span text;
    ps_status want;
    size_t header, payload, signature; /* their lengths */
} SPLITS[] = {
    {"three segments", S("aa.bbb.c"), PS_OK, 2, 3, 1},
    {"an empty payload", S("aa..c"), PS_OK, 2, 0, 1},
    {"an empty signature", S("aa.bbb."), PS_OK, 2, 3, 0},
    {"no alphabet is checked", S("\x01\xff. .="), PS_OK, 2, 1, 1},
    {"nothing", S(""), PS_MALFORMED, 0, 0, 0},
    {"no dot", S("aa"), PS_MALFORMED, 0, 0, 0},
    {"one dot", S("aa.b"), PS_MALFORMED, 0, 0, 0},
    {"three dots", S("a.b.c.d"), PS_MALFORMED, 0, 0, 0},
    {"a dot at the end", S("a.b.c."), PS_MALFORMED, 0, 0, 0},
    {"an empty header", S(".b.c"), PS_MALFORMED, 0, 0, 0},
    {"dots alone", S(".."), PS_MALFORMED, 0, 0, 0},
};

static bool
lies_inside(ps_span part, ps_span whole)
{
    return part.ptr >= whole.ptr &&
           part.ptr + part.len <= whole.ptr + whole.len;
}

static void
segments(void)
{
    for (size_t i = 0; i < sizeof(SPLITS) / sizeof(SPLITS[0]); i++) {
        ps_span text = guarded(SPLITS[i].text);
        ps_jws jws;
        ps_status got = ps_jws_split(text, &jws);
        bool right = got == SPLITS[i].want;
        if (right && got == PS_OK) {
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
        ok(right, "split: %s: %s", SPLITS[i].why, ps_status_word(got));
    }
}

/* What else a header is refused for stands in test_verifier.c. */
static const struct {
    const char *why;
    ps_span header;
    ps_span type;
    ps_status want;
} HEADERS[] = {
    {"any type", S("{\"alg\":\"ES256\",\"typ\":\"x\"}"), {NULL, 0}, PS_OK},
    {"the type", S("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"), S("at+jwt"),
     PS_OK},
    {"in capitals", S("{\"alg\":\"ES256\",\"typ\":\"AT+JWT\"}"), S("at+jwt"),
     PS_OK},
    {"with its prefix",
     S("{\"alg\":\"ES256\",\"typ\":\"application/at+jwt\"}"), S("at+jwt"),
     PS_OK},
    {"expected with its prefix", S("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"),
     S("application/at+jwt"), PS_OK},
    {"a prefix before a slash",
     S("{\"alg\":\"ES256\",\"typ\":\"application/a/b\"}"), S("a/b"), PS_TYPE},
    {"another type", S("{\"alg\":\"ES256\",\"typ\":\"JWT\"}"), S("at+jwt"),
     PS_TYPE},
    {"longer than the type", S("{\"alg\":\"ES256\",\"typ\":\"at+jwt2\"}"),
     S("at+jwt"), PS_TYPE},
    {"no type", S("{\"alg\":\"ES256\"}"), S("at+jwt"), PS_TYPE},
    {"an escaped value",
     S("{\"alg\":\"ES\\u0032\\u00356\"}"),
     {NULL, 0},
     PS_OK},
    {"a name twice, escaped",
     S("{\"alg\":\"ES256\",\"\\u0061lg\":\"ES256\"}"),
     {NULL, 0},
     PS_HEADER},
    {"a name twice below",
     S("{\"alg\":\"ES256\",\"x\":{\"a\":1,\"a\":1}}"),
     {NULL, 0},
     PS_HEADER},
    {"not UTF-8",
     S("{\"alg\":\"ES256\",\"x\":\"\xff\"}"),
     {NULL, 0},
     PS_HEADER},
    {"a byte order mark",
     S("\xef\xbb\xbf{\"alg\":\"ES256\"}"),
     {NULL, 0},
     PS_HEADER},
    {"nothing", S(""), {NULL, 0}, PS_HEADER},
};

static ps_span
encoded(ps_span bytes)
{
    static char text[4096];
    ps_base64url_encode(bytes.ptr, bytes.len, text);
    return guarded((ps_span){text, ps_base64url_encoded_size(bytes.len)});
}

static void
headers(void)
{
    for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++) {
        ps_jose jose;
        ps_status got = ps_jws_read_header(encoded(HEADERS[i].header),
                                           HEADERS[i].type, &jose);
        ok(got == HEADERS[i].want &&
               (got != PS_OK || jose.algorithm == PS_ES256),
           "header: %s: %s", HEADERS[i].why, ps_status_word(got));
    }
}

/* `size` bytes of header: one long member. */
static ps_status
read_header_of(size_t size)
{
    static char text[2048];
    size_t len = (size_t)sprintf(text, "{\"alg\":\"ES256\",\"x\":\"");
    memset(text + len, 'x', size - len - 2);
    memcpy(text + size - 2, "\"}", 2);
    ps_jose jose;
    return ps_jws_read_header(encoded((ps_span){text, size}), PS_NO_SPAN,
                              &jose);
}

static ps_status
read_header_with_members(int count)
{
    static char text[2048];
    size_t len = (size_t)sprintf(text, "{\"alg\":\"ES256\"");
    for (int i = 1; i < count; i++) {
        len += (size_t)sprintf(text + len, ",\"%d\":1", i);
    }
    text[len++] = '}';
    ps_jose jose;
    return ps_jws_read_header(encoded((ps_span){text, len}), PS_NO_SPAN,
                              &jose);
}

static void
caps(void)
{
    ok(read_header_of(PS_JOSE_HEADER_MAX) == PS_OK &&
           read_header_of(PS_JOSE_HEADER_MAX + 1) == PS_HEADER,
       "header: as long as the cap, and one byte over");
    ok(read_header_with_members(PS_JOSE_MEMBERS_MAX) == PS_OK &&
           read_header_with_members(PS_JOSE_MEMBERS_MAX + 1) == PS_HEADER,
       "header: as many members as the cap, and one more");
    static char text[2048], id[PS_KEY_ID_MAX + 2];
    ps_jose jose;
    for (size_t more = 0; more < 2; more++) {
        memset(id, 'k', sizeof(id));
        int len = sprintf(text, "{\"alg\":\"ES256\",\"kid\":\"%.*s\"}",
                          (int)(PS_KEY_ID_MAX + more), id);
        ps_status got = ps_jws_read_header(
            encoded((ps_span){text, (size_t)len}), PS_NO_SPAN, &jose);
        ok(more == 0 ? got == PS_OK && jose.has_key_id &&
                           jose.key_id.len == PS_KEY_ID_MAX
                     : got == PS_KEY_ID,
           "header: a key id as long as the cap, and %zu more", more);
    }
}

static void
algorithms(void)
{
    bool right = true;
    for (int i = 0; i < PS_ALGORITHMS; i++) {
        ps_algorithm found;
        ps_span name = ps_algorithm_name((ps_algorithm)i);
        right &= ps_algorithm_find(guarded(name), &found) == PS_OK &&
                 found == (ps_algorithm)i &&
                 ps_algorithm_find((ps_span){name.ptr, name.len - 1},
                                   &found) == PS_ALGORITHM;
    }
    ok(right, "algorithms: each is found by its name, and by no shorter one");
}

/* The table of known headers: full, then asked again; without memory. */
static void
known_headers(void)
{
    ps_header_table *table = ps_header_table_new();
    ps_jose jose = {.algorithm = PS_ES256, .has_key_id = true};
    const uint16_t keys[] = {3, 1};
    char segment[16];
    jose.key_id = S("id");
    for (int i = 0; i < 100; i++) {
        int len = sprintf(segment, "h%d", i);
        ps_header_table_add(table, (ps_span){segment, (size_t)len}, &jose,
                            keys, 2);
    }
    const ps_known_header *found =
        ps_header_table_find(table, guarded(S("h0")));
    ok(found != NULL && found->algorithm == PS_ES256 &&
           found->key_count == 2 && found->keys[0] == 3 &&
           found->keys[1] == 1 &&
           ps_span_equal((ps_span){found->key_id, found->key_id_size},
                         S("id")),
       "table: an entry says what the header did");
    ok(ps_header_table_find(table, S("h")) == NULL &&
           ps_header_table_find(table, S("h00")) == NULL &&
           ps_header_table_find(table, S("h99")) == NULL,
       "table: other bytes are another header, a full table takes no more");
    ps_header_table_free(table);
    ps_alloc_fail_at(1, 0);
    table = ps_header_table_new();
    ok(table == NULL, "table: no memory");
    ps_alloc_fail_at(0, 0);
    table = ps_header_table_new();
    ps_alloc_fail_at(1, 0);
    ps_header_table_add(table, S("h"), &jose, keys, 2);
    ps_alloc_fail_at(0, 0);
    ok(ps_header_table_find(table, S("h")) == NULL,
       "table: without memory for an entry the header stays unknown");
    ps_header_table_free(table);
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
