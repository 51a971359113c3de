/* SPDX-License-Identifier: MIT */
/* The path filter. Three finders over flat radix trees (path_tree.h) each
 * answer the best of their rules; the highest rank of the three wins:
 *
 *   forward    exact rules and prefixes, the path read from its beginning
 *   backward   suffixes, the path read from its end
 *   wild       rules with `*` segments: a trie of segments. Each node has a
 *              tree of its literal segments and one node for `*`
 *
 * An answer is rank << 8 | label, so that comparing numbers compares rules,
 * and 0 is "no rule". The wild trie is walked literal segment first; the node
 * for `*` waits on a stack that holds one entry a segment at most. What the
 * walk visits grows with the `*` in the rules, never with their number.
 *
 * Immutable once built: any thread may read. */
#include "path_filter.h"

#include <assert.h>
#include <stdlib.h>

#include "alloc.h"
#include "config.h"
#include "path_rule.h"
#include "path_tree.h"

#define LABEL_BITS 8
#define NONE UINT32_MAX

/* A node of the wild trie: the segments so far are those above it. */
typedef struct wild_node {
    uint32_t literals; /* root of the tree: segment -> node number + 1 */
    uint32_t star;     /* node after a non-empty segment, or NONE */
    uint64_t fixed;    /* answer when the path ends here, or 0 */
    uint64_t rest;     /* answer when a slash follows, or 0 */
} wild_node;

struct ps_path_filter {
    ps_path_trees trees;
    uint32_t forward;  /* root, or NONE */
    uint32_t backward; /* root, or NONE */
    wild_node *wild;   /* node 0 is the root; NULL without such rules */
    size_t wild_count;
    size_t rules;
    unsigned fallback;
    unsigned labels;
    char *words[PS_LABELS_MAX];
};

/* What construction works on, freed at its end. */
typedef struct builder {
    ps_path_filter *filter;
    ps_path_pattern *patterns; /* sorted by compare_for_build */
    size_t count;
    ps_path_key *keys; /* room for `count` */
    char *reversed;    /* the suffixes, turned round */
    size_t *runs;      /* of each wild node, first and end pattern */
} builder;

/* --- labels ------------------------------------------------------------ */

static bool
is_label(ps_span label)
{
    if (label.len == 0 || label.len > PS_LABEL_MAX) {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        unsigned char c = (unsigned char)label.ptr[i];
        if (c < 0x20 || c == 0x7F) {
            return false;
        }
    }
    return true;
}

/* The label's number, added when it is new. SETTING, NO_MEMORY. */
static ps_status
intern_label(ps_path_filter *filter, ps_span label, unsigned *number,
             const char **why)
{
    if (!is_label(label)) {
        *why = "a label is 1 to 64 bytes without control characters";
        return PS_SETTING;
    }
    for (unsigned i = 0; i < filter->labels; i++) {
        if (ps_span_equal(ps_path_filter_word(filter, i), label)) {
            *number = i;
            return PS_OK;
        }
    }
    if (filter->labels == PS_LABELS_MAX) {
        *why = "there are more than 64 labels";
        return PS_SETTING;
    }
    char *word = ps_dup(label);
    if (word == NULL) {
        return PS_NO_MEMORY;
    }
    filter->words[filter->labels] = word;
    *number = filter->labels++;
    return PS_OK;
}

/* --- construction ------------------------------------------------------ */

static uint64_t
answer_of(const ps_path_pattern *pattern)
{
    return (uint64_t)ps_path_pattern_rank(pattern) << LABEL_BITS |
           pattern->label;
}

static bool
is_wild(const ps_path_pattern *pattern)
{
    return pattern->shape == PS_PATH_REST || pattern->shape == PS_PATH_FIXED;
}

/* Segment by segment, so that what shares segments lies together. */
static int
compare_segments(ps_span a, ps_span b)
{
    while (a.ptr != NULL && b.ptr != NULL) {
        int order = ps_path_compare(ps_path_segment(&a), ps_path_segment(&b));
        if (order != 0) {
            return order;
        }
    }
    return (a.ptr != NULL) - (b.ptr != NULL);
}

/* Suffixes, then what the forward tree holds, then wild rules. */
static int
compare_for_build(const void *left, const void *right)
{
    const ps_path_pattern *a = left;
    const ps_path_pattern *b = right;
    int part_a = is_wild(a) ? 2 : a->shape != PS_PATH_SUFFIX;
    int part_b = is_wild(b) ? 2 : b->shape != PS_PATH_SUFFIX;
    if (part_a != part_b) {
        return part_a - part_b;
    }
    return part_a == 2 ? compare_segments(a->text, b->text)
                       : ps_path_compare(a->text, b->text);
}

static int
compare_keys(const void *left, const void *right)
{
    const ps_path_key *a = left;
    const ps_path_key *b = right;
    return ps_path_compare(a->text, b->text);
}

/* Equal texts become one key; answers 0 where a key says nothing. */
static size_t
merge_keys(ps_path_key *keys, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && ps_span_equal(keys[kept - 1].text, keys[i].text)) {
            keys[kept - 1].exact |= keys[i].exact;
            keys[kept - 1].beginning |= keys[i].beginning;
        } else {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}

static ps_status
build_forward(builder *b, size_t from, size_t to)
{
    if (from == to) {
        return PS_OK;
    }
    for (size_t i = from; i < to; i++) {
        const ps_path_pattern *pattern = &b->patterns[i];
        bool exact = pattern->shape == PS_PATH_EXACT;
        b->keys[i - from] = (ps_path_key){
            .text = pattern->text,
            .exact = exact ? answer_of(pattern) : 0,
            .beginning = exact ? 0 : answer_of(pattern),
        };
    }
    size_t count = merge_keys(b->keys, to - from);
    return ps_path_trees_add(&b->filter->trees, b->keys, count,
                             &b->filter->forward);
}

static ps_status
build_backward(builder *b, size_t to)
{
    if (to == 0) {
        return PS_OK;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < to; i++) {
        bytes += b->patterns[i].text.len;
    }
    b->reversed = ps_malloc(bytes);
    if (b->reversed == NULL) {
        return PS_NO_MEMORY;
    }
    char *out = b->reversed;
    for (size_t i = 0; i < to; i++) {
        ps_span text = b->patterns[i].text;
        for (size_t k = 0; k < text.len; k++) {
            out[k] = text.ptr[text.len - 1 - k];
        }
        b->keys[i] = (ps_path_key){
            .text = {out, text.len},
            .beginning = answer_of(&b->patterns[i]),
        };
        out += text.len;
    }
    qsort(b->keys, to, sizeof(*b->keys), compare_keys);
    size_t count = merge_keys(b->keys, to);
    return ps_path_trees_add(&b->filter->trees, b->keys, count,
                             &b->filter->backward);
}

/* Segment number `depth` of a pattern that has it. */
static ps_span
segment_at(const ps_path_pattern *pattern, size_t depth)
{
    ps_span rest = pattern->text;
    ps_span segment = ps_path_segment(&rest);
    while (depth-- > 0) {
        segment = ps_path_segment(&rest);
    }
    return segment;
}

/* Appends a node for patterns [from, to). The arrays have room: a node needs
 * a segment of its own. */
static uint32_t
add_wild_node(builder *b, size_t from, size_t to)
{
    size_t node = b->filter->wild_count++;
    b->filter->wild[node] = (wild_node){.literals = NONE, .star = NONE};
    b->runs[2 * node] = from;
    b->runs[2 * node + 1] = to;
    return (uint32_t)node;
}

/* Fills the node, `depth` segments deep: takes its own patterns off the run,
 * then makes one child for each segment that comes next. */
static ps_status
fill_wild_node(builder *b, size_t number, size_t depth)
{
    wild_node node = b->filter->wild[number];
    size_t from = b->runs[2 * number];
    size_t to = b->runs[2 * number + 1];
    while (from < to && b->patterns[from].segments == depth) {
        const ps_path_pattern *own = &b->patterns[from++];
        if (own->shape == PS_PATH_FIXED) {
            node.fixed = answer_of(own);
        } else {
            node.rest = answer_of(own);
        }
    }
    size_t keys = 0;
    while (from < to) {
        ps_span segment = segment_at(&b->patterns[from], depth);
        size_t end = from + 1;
        while (end < to &&
               ps_span_equal(segment, segment_at(&b->patterns[end], depth))) {
            end++;
        }
        uint32_t child = add_wild_node(b, from, end);
        if (ps_span_equal(segment, PS_SPAN("*"))) {
            node.star = child;
        } else {
            b->keys[keys++] = (ps_path_key){
                .text = segment,
                .exact = (uint64_t)child + 1,
            };
        }
        from = end;
    }
    b->filter->wild[number] = node;
    if (keys == 0) {
        return PS_OK;
    }
    return ps_path_trees_add(&b->filter->trees, b->keys, keys,
                             &b->filter->wild[number].literals);
}

/* Breadth first, so `depth` grows where the nodes of one level end. */
static ps_status
build_wild(builder *b, size_t from)
{
    if (from == b->count) {
        return PS_OK;
    }
    size_t room = 1;
    for (size_t i = from; i < b->count; i++) {
        room += b->patterns[i].segments;
    }
    b->filter->wild = ps_calloc(room, sizeof(wild_node));
    b->runs = ps_calloc(room, 2 * sizeof(size_t));
    if (b->filter->wild == NULL || b->runs == NULL) {
        return PS_NO_MEMORY;
    }
    (void)add_wild_node(b, from, b->count);
    size_t depth = 0;
    size_t level_end = 1;
    for (size_t i = 0; i < b->filter->wild_count; i++) {
        if (i == level_end) {
            depth++;
            level_end = b->filter->wild_count;
        }
        ps_status status = fill_wild_node(b, i, depth);
        if (status != PS_OK) {
            return status;
        }
    }
    assert(b->filter->wild_count <= room);
    return PS_OK;
}

/* Everything between the parsed rules and the finished filter. */
static ps_status
build(builder *b)
{
    qsort(b->patterns, b->count, sizeof(*b->patterns), compare_for_build);
    size_t forward = 0;
    while (forward < b->count &&
           b->patterns[forward].shape == PS_PATH_SUFFIX) {
        forward++;
    }
    size_t wild = forward;
    while (wild < b->count && !is_wild(&b->patterns[wild])) {
        wild++;
    }
    b->keys = ps_calloc(b->count, sizeof(*b->keys));
    if (b->keys == NULL) {
        return PS_NO_MEMORY;
    }
    ps_status status = build_backward(b, forward);
    if (status == PS_OK) {
        status = build_forward(b, forward, wild);
    }
    if (status == PS_OK) {
        status = build_wild(b, wild);
    }
    return status;
}

static ps_status
parse_rules(builder *b, const ps_path_rule *rules, ps_path_error *error)
{
    size_t bytes = 0;
    b->patterns = ps_calloc(b->count, sizeof(*b->patterns));
    if (b->patterns == NULL) {
        return PS_NO_MEMORY;
    }
    for (size_t i = 0; i < b->count; i++) {
        ps_path_pattern *pattern = &b->patterns[i];
        error->rule = i;
        ps_status status =
            ps_path_pattern_parse(rules[i].text, pattern, &error->why);
        if (status != PS_OK) {
            return status;
        }
        bytes += rules[i].text.len;
        if (bytes > PS_PATH_BYTES_MAX) {
            error->why = "all rules together are over 256 MiB";
            return PS_RULE;
        }
        pattern->rule = i;
        status = intern_label(b->filter, rules[i].label, &pattern->label,
                              &error->why);
        if (status != PS_OK) {
            return status;
        }
    }
    if (ps_path_patterns_tie(b->patterns, b->count, &error->other,
                             &error->rule)) {
        return PS_RULE_TIE;
    }
    return PS_OK;
}

static ps_status
add_labels(ps_path_filter *filter, ps_span fallback, const char **why)
{
    static const ps_span built_in[] = {
        [PS_LABEL_SKIP] = {"skip", 4},
        [PS_LABEL_API] = {"api", 3},
        [PS_LABEL_TRACK] = {"track", 5},
    };
    unsigned number;
    for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
        ps_status status = intern_label(filter, built_in[i], &number, why);
        if (status != PS_OK) {
            return status;
        }
    }
    return intern_label(filter, fallback, &filter->fallback, why);
}

ps_status
ps_path_filter_new(const ps_path_rule *rules, size_t count, ps_span fallback,
                   ps_path_filter **filter, ps_path_error *error)
{
    *error = (ps_path_error){.rule = count, .other = count};
    if (count > PS_PATH_RULES_MAX) {
        error->why = "there are more than 1,000,000 rules";
        return PS_RULE;
    }
    builder b = {.filter = ps_calloc(1, sizeof(*b.filter)), .count = count};
    if (b.filter == NULL) {
        return PS_NO_MEMORY;
    }
    b.filter->rules = count;
    b.filter->forward = NONE;
    b.filter->backward = NONE;
    ps_status status = add_labels(b.filter, fallback, &error->why);
    if (status == PS_OK) {
        status = parse_rules(&b, rules, error);
    }
    if (status == PS_OK) {
        status = build(&b);
    }
    ps_free(b.patterns);
    ps_free(b.keys);
    ps_free(b.reversed);
    ps_free(b.runs);
    if (status != PS_OK) {
        ps_path_filter_free(b.filter);
        return status;
    }
    *filter = b.filter;
    return PS_OK;
}

void
ps_path_filter_free(ps_path_filter *filter)
{
    if (filter == NULL) {
        return;
    }
    ps_path_trees_fini(&filter->trees);
    ps_free(filter->wild);
    for (unsigned i = 0; i < filter->labels; i++) {
        ps_free(filter->words[i]);
    }
    ps_free(filter);
}

/* --- the request path -------------------------------------------------- */

static inline uint64_t
higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What follows a segment: the path behind the slash at rest[0], or absent
 * where the path ends. */
static inline ps_span
behind(ps_span rest)
{
    return rest.len == 0 ? PS_NO_SPAN : ps_span_from(rest, 1);
}

/* The best wild rule for `path`, or 0. */
static uint64_t
find_wild(const ps_path_filter *filter, ps_span path)
{
    struct {
        uint32_t node;
        ps_span rest;
    } waiting[PS_PATH_SEGMENTS_MAX];
    size_t depth = 0;
    uint64_t best = 0;
    if (path.len == 0 || path.ptr[0] != '/') {
        return 0;
    }
    uint32_t number = 0;
    ps_span rest = ps_span_from(path, 1);
    for (;;) {
        const wild_node *node = &filter->wild[number];
        number = NONE;
        if (rest.ptr == NULL) { /* the path ended above this node */
            best = higher(best, node->fixed);
        } else {
            best = higher(best, node->rest);
            if (node->star != NONE && rest.len != 0 && rest.ptr[0] != '/') {
                assert(depth < PS_PATH_SEGMENTS_MAX);
                waiting[depth].node = node->star;
                waiting[depth++].rest = rest; /* with the segment */
            }
            uint64_t child = node->literals == NONE
                                 ? 0
                                 : ps_path_tree_find_segment(
                                       &filter->trees, node->literals, &rest);
            if (child != 0) {
                number = (uint32_t)(child - 1);
                rest = behind(rest);
            }
        }
        if (number != NONE) {
            continue;
        }
        if (depth == 0) {
            return best;
        }
        number = waiting[--depth].node;
        rest = waiting[depth].rest;
        (void)ps_path_segment(&rest);
    }
}

unsigned
ps_path_filter_label(const ps_path_filter *filter, ps_span path)
{
    uint64_t best = 0;
    if (filter->forward != NONE) {
        best = ps_path_tree_find(&filter->trees, filter->forward, path);
        if (((best >> LABEL_BITS) & (PS_PATH_RANK_SHAPES - 1)) ==
            PS_PATH_RANK_EXACT) {
            return (unsigned)(best & ((1U << LABEL_BITS) - 1));
        }
    }
    if (filter->backward != NONE) {
        best = higher(best, ps_path_tree_find_backward(
                                &filter->trees, filter->backward, path));
    }
    if (filter->wild != NULL) {
        best = higher(best, find_wild(filter, path));
    }
    return best == 0 ? filter->fallback
                     : (unsigned)(best & ((1U << LABEL_BITS) - 1));
}

size_t
ps_path_filter_count(const ps_path_filter *filter)
{
    return filter->rules;
}

unsigned
ps_path_filter_labels(const ps_path_filter *filter)
{
    return filter->labels;
}

ps_span
ps_path_filter_word(const ps_path_filter *filter, unsigned number)
{
    const char *word = filter->words[number];
    return (ps_span){word, strlen(word)};
}
