/* SPDX-License-Identifier: MIT */
/* A header is read at most once: after its token's signature has verified,
 * the segment goes into a small table with what it said, and from then on
 * comparing bytes replaces decoding and parsing. An entry is made in full,
 * then published with one atomic store, and stays until the table is freed;
 * so readers take no lock, and since forged tokens never get that far, nobody
 * without a key can fill the table. */
#include "token/jws.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/base64url.h"
#include "base/json.h"

static const struct {
    hr_span name;
    hr_token_jws_family family;
    size_t hash_size;
} ALGORITHMS[HR_ALGORITHMS] = {
#define X(name, family, bits) \
    {{#name, sizeof(#name) - 1}, HR_TOKEN_JWS_FAMILY_##family, (bits) / 8},
    HR_TOKEN_JWS_ALGORITHM_LIST(X)
#undef X
};

hr_status
hr_token_jws_algorithm_find(hr_span name, hr_token_jws_algorithm *algorithm)
{
    for (size_t i = 0; i < HR_ALGORITHMS; i++) {
        if (hr_span_equal(name, ALGORITHMS[i].name)) {
            *algorithm = (hr_token_jws_algorithm)i;
            return HR_OK;
        }
    }
    return HR_ALGORITHM;
}

hr_span
hr_token_jws_algorithm_name(hr_token_jws_algorithm algorithm)
{
    return ALGORITHMS[algorithm].name;
}

hr_token_jws_family
hr_token_jws_algorithm_family(hr_token_jws_algorithm algorithm)
{
    return ALGORITHMS[algorithm].family;
}

size_t
hr_token_jws_algorithm_hash_size(hr_token_jws_algorithm algorithm)
{
    return ALGORITHMS[algorithm].hash_size;
}

hr_status
hr_token_jws_split(hr_span text, hr_token_jws *jws)
{
    const char *end = text.ptr + text.len;
    const char *first = text.len != 0 ? memchr(text.ptr, '.', text.len) : NULL;
    if (first == NULL || first == text.ptr) {
        return HR_MALFORMED;
    }
    const char *payload = first + 1;
    const char *second = memchr(payload, '.', (size_t)(end - payload));
    if (second == NULL) {
        return HR_MALFORMED;
    }
    const char *signature = second + 1;
    if (memchr(signature, '.', (size_t)(end - signature)) != NULL) {
        return HR_MALFORMED;
    }
    jws->header = (hr_span){text.ptr, (size_t)(first - text.ptr)};
    jws->payload = (hr_span){payload, (size_t)(second - payload)};
    jws->signature = (hr_span){signature, (size_t)(end - signature)};
    jws->signed_text = (hr_span){text.ptr, (size_t)(second - text.ptr)};
    return HR_OK;
}

hr_status
hr_token_jws_why_not_base64(hr_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c > '~') {
            return HR_MALFORMED;
        }
    }
    return HR_BASE64;
}

/* A header while it is read: its bytes and its members. */
typedef struct header {
    const char *text;
    const hr_json_member *members;
    size_t count;
} header;

static const hr_json_member *
find(const header *h, hr_span name)
{
    return hr_json_find(h->text, h->members, h->count, name);
}

static hr_span
raw_value(const header *h, const hr_json_member *member)
{
    return (hr_span){h->text + member->value, member->value_len};
}

/* Compares `typ` or `cty` as RFC 7515 4.1.9 wants it: without case, with
 * "application/" left out where no other slash follows. */
static bool
same_media_type(hr_span a, hr_span b)
{
    static const hr_span PREFIX = {"application/", 12};
    hr_span *both[] = {&a, &b};
    for (int i = 0; i < 2; i++) {
        hr_span *t = both[i];
        if (t->len > PREFIX.len &&
            hr_span_equal_nocase((hr_span){t->ptr, PREFIX.len}, PREFIX) &&
            memchr(t->ptr + PREFIX.len, '/', t->len - PREFIX.len) == NULL) {
            *t = hr_span_from(*t, PREFIX.len);
        }
    }
    return hr_span_equal_nocase(a, b);
}

/* The resolved text of a string member in `buffer`, which is as large as the
 * header. */
static hr_span
resolve(const header *h, const hr_json_member *member, char *buffer)
{
    return (hr_span){buffer,
                     hr_json_text_unescape(raw_value(h, member), buffer)};
}

static hr_status
read_key_id(const header *h, hr_token_jws_header *jose)
{
    const hr_json_member *kid = find(h, HR_SPAN("kid"));
    jose->has_key_id = kid != NULL;
    jose->key_id = (hr_span){jose->key_id_bytes, 0};
    if (kid == NULL) {
        return HR_OK;
    }
    char buffer[HR_JOSE_HEADER_MAX];
    if (kid->kind != HR_JSON_STRING) {
        return HR_KEY_ID;
    }
    hr_span text = resolve(h, kid, buffer);
    if (text.len > HR_KEY_ID_MAX) {
        return HR_KEY_ID;
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f) {
            return HR_KEY_ID;
        }
    }
    memcpy(jose->key_id_bytes, text.ptr, text.len);
    jose->key_id.len = text.len;
    return HR_OK;
}

static hr_status
check_types(const header *h, hr_span want)
{
    char buffer[HR_JOSE_HEADER_MAX];
    const hr_json_member *typ = find(h, HR_SPAN("typ"));
    const hr_json_member *cty = find(h, HR_SPAN("cty"));
    if (find(h, HR_SPAN("zip")) != NULL ||
        (typ != NULL && typ->kind != HR_JSON_STRING) ||
        (cty != NULL && cty->kind != HR_JSON_STRING)) {
        return HR_HEADER;
    }
    if (cty != NULL &&
        same_media_type(resolve(h, cty, buffer), HR_SPAN("JWT"))) {
        return HR_HEADER;
    }
    if (want.ptr != NULL &&
        (typ == NULL || !same_media_type(resolve(h, typ, buffer), want))) {
        return HR_TYPE;
    }
    return HR_OK;
}

static hr_status
read_algorithm(const header *h, hr_token_jws_algorithm *algorithm)
{
    char buffer[HR_JOSE_HEADER_MAX];
    const hr_json_member *alg = find(h, HR_SPAN("alg"));
    if (alg == NULL || alg->kind != HR_JSON_STRING) {
        return HR_ALGORITHM;
    }
    return hr_token_jws_algorithm_find(resolve(h, alg, buffer), algorithm);
}

hr_status
hr_token_jws_read_header(hr_span segment, hr_span type,
                         hr_token_jws_header *jose)
{
    char text[HR_JOSE_HEADER_MAX];
    hr_json_member members[HR_JSON_SCRATCH_SIZE(HR_JOSE_HEADER_MAX)];
    uint32_t heads[2 * HR_JSON_SCRATCH_SIZE(HR_JOSE_HEADER_MAX)];
    hr_json_scratch scratch = {members, heads,
                               HR_JSON_SCRATCH_SIZE(HR_JOSE_HEADER_MAX)};
    size_t len = hr_base64url_decoded_size(segment.len);
    if (len > HR_JOSE_HEADER_MAX) {
        return HR_HEADER;
    }
    if (hr_base64url_decode(segment, text) != HR_OK) {
        return HR_BASE64;
    }
    unsigned flags;
    header h = {.text = text, .members = members};
    if (hr_json_index((hr_span){text, len}, &scratch, &h.count, &flags) !=
            HR_OK ||
        h.count > HR_JOSE_MEMBERS_MAX) {
        return HR_HEADER;
    }
    hr_status status = read_key_id(&h, jose);
    if (status != HR_OK) {
        return status;
    }
    if (find(&h, HR_SPAN("crit")) != NULL ||
        find(&h, HR_SPAN("b64")) != NULL) {
        return HR_CRITICAL;
    }
    status = read_algorithm(&h, &jose->algorithm);
    return status != HR_OK ? status : check_types(&h, type);
}

#define KNOWN_HEADERS 16

struct hr_token_jws_header_table {
    /* Filled from the front; each is written once, with release. */
    _Atomic(hr_token_jws_known_header *) entries[KNOWN_HEADERS];
};

hr_token_jws_header_table *
hr_token_jws_header_table_new(void)
{
    return hr_alloc_zeroed(1, sizeof(hr_token_jws_header_table));
}

void
hr_token_jws_header_table_free(hr_token_jws_header_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < KNOWN_HEADERS; i++) {
        hr_alloc_free(atomic_load(&table->entries[i]));
    }
    hr_alloc_free(table);
}

const hr_token_jws_known_header *
hr_token_jws_header_table_find(const hr_token_jws_header_table *table,
                               hr_span segment)
{
    for (size_t i = 0; i < KNOWN_HEADERS; i++) {
        const hr_token_jws_known_header *entry =
            atomic_load_explicit(&table->entries[i], memory_order_acquire);
        if (entry == NULL) {
            return NULL;
        }
        if (entry->size == segment.len &&
            memcmp(entry->segment, segment.ptr, segment.len) == 0) {
            return entry;
        }
    }
    return NULL;
}

void
hr_token_jws_header_table_add(hr_token_jws_header_table *table,
                              hr_span segment, const hr_token_jws_header *jose,
                              const uint16_t *keys, size_t key_count)
{
    size_t free_slot = 0;
    while (free_slot < KNOWN_HEADERS &&
           atomic_load(&table->entries[free_slot]) != NULL) {
        free_slot++;
    }
    if (free_slot == KNOWN_HEADERS) {
        return;
    }
    size_t keys_size = key_count * sizeof(*keys);
    hr_token_jws_known_header *entry =
        hr_alloc(sizeof(*entry) + keys_size + jose->key_id.len + segment.len);
    if (entry == NULL) {
        return;
    }
    char *to = (char *)(entry + 1);
    memcpy(to, keys, keys_size);
    memcpy(to + keys_size, jose->key_id.ptr, jose->key_id.len);
    memcpy(to + keys_size + jose->key_id.len, segment.ptr, segment.len);
    *entry = (hr_token_jws_known_header){
        .size = segment.len,
        .algorithm = jose->algorithm,
        .key_id_size = jose->key_id.len,
        .has_key_id = jose->has_key_id,
        .key_count = key_count,
        .keys = (const uint16_t *)(const void *)to,
        .key_id = to + keys_size,
        .segment = to + keys_size + jose->key_id.len,
    };
    /* Another thread may take the slot first: then the next one, so that the
     * table has no gaps. Twice the same header does no harm. */
    for (; free_slot < KNOWN_HEADERS; free_slot++) {
        hr_token_jws_known_header *nobody = NULL;
        if (atomic_compare_exchange_strong(&table->entries[free_slot], &nobody,
                                           entry)) {
            return;
        }
    }
    hr_alloc_free(entry);
}
