/* SPDX-License-Identifier: MIT */
/* A header is read at most once: after its token's signature has verified,
 * the segment goes into a small table with what it said, and from then on
 * comparing bytes replaces decoding and parsing. An entry is made in full,
 * then published with one atomic store, and stays until the table is freed;
 * so readers take no lock, and since forged tokens never get that far, nobody
 * without a key can fill the table. */
#include "jws.h"

#include <stdatomic.h>

#include "alloc.h"
#include "base64url.h"
#include "json.h"

static const struct {
    ps_span name;
    ps_family family;
    size_t hash_size;
} ALGORITHMS[PS_ALGORITHMS] = {
#define X(name, family, bits) \
    {{#name, sizeof(#name) - 1}, PS_FAMILY_##family, (bits) / 8},
    PS_ALGORITHM_LIST(X)
#undef X
};

ps_status
ps_algorithm_find(ps_span name, ps_algorithm *algorithm)
{
    for (size_t i = 0; i < PS_ALGORITHMS; i++) {
        if (ps_span_equal(name, ALGORITHMS[i].name)) {
            *algorithm = (ps_algorithm)i;
            return PS_OK;
        }
    }
    return PS_ALGORITHM;
}

ps_span
ps_algorithm_name(ps_algorithm algorithm)
{
    return ALGORITHMS[algorithm].name;
}

ps_family
ps_algorithm_family(ps_algorithm algorithm)
{
    return ALGORITHMS[algorithm].family;
}

size_t
ps_algorithm_hash_size(ps_algorithm algorithm)
{
    return ALGORITHMS[algorithm].hash_size;
}

ps_status
ps_jws_split(ps_span text, ps_jws *jws)
{
    const char *end = text.ptr + text.len;
    const char *first = text.len != 0 ? memchr(text.ptr, '.', text.len) : NULL;
    if (first == NULL || first == text.ptr) {
        return PS_MALFORMED;
    }
    const char *payload = first + 1;
    const char *second = memchr(payload, '.', (size_t)(end - payload));
    if (second == NULL) {
        return PS_MALFORMED;
    }
    const char *signature = second + 1;
    if (memchr(signature, '.', (size_t)(end - signature)) != NULL) {
        return PS_MALFORMED;
    }
    jws->header = (ps_span){text.ptr, (size_t)(first - text.ptr)};
    jws->payload = (ps_span){payload, (size_t)(second - payload)};
    jws->signature = (ps_span){signature, (size_t)(end - signature)};
    jws->signed_text = (ps_span){text.ptr, (size_t)(second - text.ptr)};
    return PS_OK;
}

ps_status
ps_jws_why_not_base64(ps_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c > '~') {
            return PS_MALFORMED;
        }
    }
    return PS_BASE64;
}

/* A header while it is read: its bytes and its members. */
typedef struct header {
    const char *text;
    const ps_json_member *members;
    size_t count;
} header;

static const ps_json_member *
find(const header *h, ps_span name)
{
    return ps_json_find(h->text, h->members, h->count, name);
}

static ps_span
raw_value(const header *h, const ps_json_member *member)
{
    return (ps_span){h->text + member->value, member->value_len};
}

/* Compares `typ` or `cty` as RFC 7515 4.1.9 wants it: without case, with
 * "application/" left out where no other slash follows. */
static bool
same_media_type(ps_span a, ps_span b)
{
    static const ps_span PREFIX = {"application/", 12};
    ps_span *both[] = {&a, &b};
    for (int i = 0; i < 2; i++) {
        ps_span *t = both[i];
        if (t->len > PREFIX.len &&
            ps_span_equal_nocase((ps_span){t->ptr, PREFIX.len}, PREFIX) &&
            memchr(t->ptr + PREFIX.len, '/', t->len - PREFIX.len) == NULL) {
            *t = ps_span_from(*t, PREFIX.len);
        }
    }
    return ps_span_equal_nocase(a, b);
}

/* The resolved text of a string member in `buffer`, which is as large as the
 * header. */
static ps_span
resolve(const header *h, const ps_json_member *member, char *buffer)
{
    return (ps_span){buffer, ps_json_unescape(raw_value(h, member), buffer)};
}

static ps_status
read_key_id(const header *h, ps_jose *jose)
{
    const ps_json_member *kid = find(h, PS_SPAN("kid"));
    jose->has_key_id = kid != NULL;
    jose->key_id = (ps_span){jose->key_id_bytes, 0};
    if (kid == NULL) {
        return PS_OK;
    }
    char buffer[PS_JOSE_HEADER_MAX];
    if (kid->kind != PS_JSON_STRING) {
        return PS_KEY_ID;
    }
    ps_span text = resolve(h, kid, buffer);
    if (text.len > PS_KEY_ID_MAX) {
        return PS_KEY_ID;
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f) {
            return PS_KEY_ID;
        }
    }
    memcpy(jose->key_id_bytes, text.ptr, text.len);
    jose->key_id.len = text.len;
    return PS_OK;
}

static ps_status
check_types(const header *h, ps_span want)
{
    char buffer[PS_JOSE_HEADER_MAX];
    const ps_json_member *typ = find(h, PS_SPAN("typ"));
    const ps_json_member *cty = find(h, PS_SPAN("cty"));
    if (find(h, PS_SPAN("zip")) != NULL ||
        (typ != NULL && typ->kind != PS_JSON_STRING) ||
        (cty != NULL && cty->kind != PS_JSON_STRING)) {
        return PS_HEADER;
    }
    if (cty != NULL &&
        same_media_type(resolve(h, cty, buffer), PS_SPAN("JWT"))) {
        return PS_HEADER;
    }
    if (want.ptr != NULL &&
        (typ == NULL || !same_media_type(resolve(h, typ, buffer), want))) {
        return PS_TYPE;
    }
    return PS_OK;
}

static ps_status
read_algorithm(const header *h, ps_algorithm *algorithm)
{
    char buffer[PS_JOSE_HEADER_MAX];
    const ps_json_member *alg = find(h, PS_SPAN("alg"));
    if (alg == NULL || alg->kind != PS_JSON_STRING) {
        return PS_ALGORITHM;
    }
    return ps_algorithm_find(resolve(h, alg, buffer), algorithm);
}

ps_status
ps_jws_read_header(ps_span segment, ps_span type, ps_jose *jose)
{
    char text[PS_JOSE_HEADER_MAX];
    ps_json_member members[PS_JSON_SCRATCH_SIZE(PS_JOSE_HEADER_MAX)];
    uint32_t heads[2 * PS_JSON_SCRATCH_SIZE(PS_JOSE_HEADER_MAX)];
    ps_json_scratch scratch = {members, heads,
                               PS_JSON_SCRATCH_SIZE(PS_JOSE_HEADER_MAX)};
    size_t len = ps_base64url_decoded_size(segment.len);
    if (len > PS_JOSE_HEADER_MAX) {
        return PS_HEADER;
    }
    if (ps_base64url_decode(segment, text) != PS_OK) {
        return PS_BASE64;
    }
    unsigned flags;
    header h = {.text = text, .members = members};
    if (ps_json_index((ps_span){text, len}, &scratch, &h.count, &flags) !=
            PS_OK ||
        h.count > PS_JOSE_MEMBERS_MAX) {
        return PS_HEADER;
    }
    ps_status status = read_key_id(&h, jose);
    if (status != PS_OK) {
        return status;
    }
    if (find(&h, PS_SPAN("crit")) != NULL ||
        find(&h, PS_SPAN("b64")) != NULL) {
        return PS_CRITICAL;
    }
    status = read_algorithm(&h, &jose->algorithm);
    return status != PS_OK ? status : check_types(&h, type);
}

#define KNOWN_HEADERS 16

struct ps_header_table {
    /* Filled from the front; each is written once, with release. */
    _Atomic(ps_known_header *) entries[KNOWN_HEADERS];
};

ps_header_table *
ps_header_table_new(void)
{
    return ps_calloc(1, sizeof(ps_header_table));
}

void
ps_header_table_free(ps_header_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < KNOWN_HEADERS; i++) {
        ps_free(atomic_load(&table->entries[i]));
    }
    ps_free(table);
}

const ps_known_header *
ps_header_table_find(const ps_header_table *table, ps_span segment)
{
    for (size_t i = 0; i < KNOWN_HEADERS; i++) {
        const ps_known_header *entry =
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
ps_header_table_add(ps_header_table *table, ps_span segment,
                    const ps_jose *jose, const uint16_t *keys,
                    size_t key_count)
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
    ps_known_header *entry =
        ps_malloc(sizeof(*entry) + keys_size + jose->key_id.len + segment.len);
    if (entry == NULL) {
        return;
    }
    char *to = (char *)(entry + 1);
    memcpy(to, keys, keys_size);
    memcpy(to + keys_size, jose->key_id.ptr, jose->key_id.len);
    memcpy(to + keys_size + jose->key_id.len, segment.ptr, segment.len);
    *entry = (ps_known_header){
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
        ps_known_header *nobody = NULL;
        if (atomic_compare_exchange_strong(&table->entries[free_slot], &nobody,
                                           entry)) {
            return;
        }
    }
    ps_free(entry);
}
