/* SPDX-License-Identifier: MIT */
/* The path filter. Three finders over flat radix trees (path/tree.h) each
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
#include "path/filter.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/config.h"
#include "path/rule.h"
#include "path/tree.h"

#define LABEL_BITS 8
#define NONE UINT32_MAX

/* A node of the wild trie: the segments so far are those above it. */
typedef struct wild_node {
    uint32_t literals; /* root of the tree: segment -> node number + 1 */
    uint32_t star;     /* node after a non-empty segment, or NONE */
    uint64_t fixed;    /* answer when the path ends here, or 0 */
    uint64_t rest;     /* answer when a slash follows, or 0 */
} wild_node;

struct hr_path_filter {
    hr_path_tree trees;
    uint32_t forward;  /* root, or NONE */
    uint32_t backward; /* root, or NONE */
    wild_node *wild;   /* node 0 is the root; NULL without such rules */
    size_t wild_count;
    size_t rules;
    unsigned fallback;
    unsigned labels;
    char *words[HR_LABELS_MAX];
};

/* What construction works on, freed at its end. */
typedef struct builder {
    hr_path_filter *filter;
    hr_path_rule *patterns; /* sorted by compare_for_build */
    size_t count;
    hr_path_tree_key *keys; /* room for `count` */
    char *reversed;         /* the suffixes, turned round */
    size_t *runs;           /* of each wild node, first and end pattern */
} builder;

/* --- labels ------------------------------------------------------------ */

static bool
is_label(hr_span label)
{
    if (label.len == 0 || label.len > HR_LABEL_MAX) {
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
static hr_status
intern_label(hr_path_filter *filter, hr_span label, unsigned *number,
             const char **why)
{
    if (!is_label(label)) {
        *why = "a label is 1 to 64 bytes without control characters";
        return HR_SETTING;
    }
    for (unsigned i = 0; i < filter->labels; i++) {
        if (hr_span_equal(hr_path_filter_word(filter, i), label)) {
            *number = i;
            return HR_OK;
        }
    }
    if (filter->labels == HR_LABELS_MAX) {
        *why = "there are more than 64 labels";
        return HR_SETTING;
    }
    char *word = hr_alloc_copy(label);
    if (word == NULL) {
        return HR_NO_MEMORY;
    }
    filter->words[filter->labels] = word;
    *number = filter->labels++;
    return HR_OK;
}

/* --- construction ------------------------------------------------------ */

static uint64_t
answer_of(const hr_path_rule *pattern)
{
    return (uint64_t)hr_path_rule_rank(pattern) << LABEL_BITS | pattern->label;
}

static bool
is_wild(const hr_path_rule *pattern)
{
    return pattern->shape == HR_PATH_RULE_REST ||
           pattern->shape == HR_PATH_RULE_FIXED;
}

/* Segment by segment, so that what shares segments lies together. */
static int
compare_segments(hr_span a, hr_span b)
{
    while (a.ptr != NULL && b.ptr != NULL) {
        int order = hr_path_rule_compare(hr_path_rule_segment(&a),
                                         hr_path_rule_segment(&b));
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
    const hr_path_rule *a = left;
    const hr_path_rule *b = right;
    int part_a = is_wild(a) ? 2 : a->shape != HR_PATH_RULE_SUFFIX;
    int part_b = is_wild(b) ? 2 : b->shape != HR_PATH_RULE_SUFFIX;
    if (part_a != part_b) {
        return part_a - part_b;
    }
    return part_a == 2 ? compare_segments(a->text, b->text)
                       : hr_path_rule_compare(a->text, b->text);
}

static int
compare_keys(const void *left, const void *right)
{
    const hr_path_tree_key *a = left;
    const hr_path_tree_key *b = right;
    return hr_path_rule_compare(a->text, b->text);
}

/* Equal texts become one key; answers 0 where a key says nothing. */
static size_t
merge_keys(hr_path_tree_key *keys, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && hr_span_equal(keys[kept - 1].text, keys[i].text)) {
            keys[kept - 1].exact |= keys[i].exact;
            keys[kept - 1].beginning |= keys[i].beginning;
        } else {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}

static hr_status
build_forward(builder *b, size_t from, size_t to)
{
    if (from == to) {
        return HR_OK;
    }
    for (size_t i = from; i < to; i++) {
        const hr_path_rule *pattern = &b->patterns[i];
        bool exact = pattern->shape == HR_PATH_RULE_EXACT;
        b->keys[i - from] = (hr_path_tree_key){
            .text = pattern->text,
            .exact = exact ? answer_of(pattern) : 0,
            .beginning = exact ? 0 : answer_of(pattern),
        };
    }
    size_t count = merge_keys(b->keys, to - from);
    return hr_path_tree_add(&b->filter->trees, b->keys, count,
                            &b->filter->forward);
}

static hr_status
build_backward(builder *b, size_t to)
{
    if (to == 0) {
        return HR_OK;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < to; i++) {
        bytes += b->patterns[i].text.len;
    }
    b->reversed = hr_alloc(bytes);
    if (b->reversed == NULL) {
        return HR_NO_MEMORY;
    }
    char *out = b->reversed;
    for (size_t i = 0; i < to; i++) {
        hr_span text = b->patterns[i].text;
        for (size_t k = 0; k < text.len; k++) {
            out[k] = text.ptr[text.len - 1 - k];
        }
        b->keys[i] = (hr_path_tree_key){
            .text = {out, text.len},
            .beginning = answer_of(&b->patterns[i]),
        };
        out += text.len;
    }
    qsort(b->keys, to, sizeof(*b->keys), compare_keys);
    size_t count = merge_keys(b->keys, to);
    return hr_path_tree_add(&b->filter->trees, b->keys, count,
                            &b->filter->backward);
}

/* Segment number `depth` of a pattern that has it. */
static hr_span
segment_at(const hr_path_rule *pattern, size_t depth)
{
    hr_span rest = pattern->text;
    hr_span segment = hr_path_rule_segment(&rest);
    while (depth-- > 0) {
        segment = hr_path_rule_segment(&rest);
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
static hr_status
fill_wild_node(builder *b, size_t number, size_t depth)
{
    wild_node node = b->filter->wild[number];
    size_t from = b->runs[2 * number];
    size_t to = b->runs[2 * number + 1];
    while (from < to && b->patterns[from].segments == depth) {
        const hr_path_rule *own = &b->patterns[from++];
        if (own->shape == HR_PATH_RULE_FIXED) {
            node.fixed = answer_of(own);
        } else {
            node.rest = answer_of(own);
        }
    }
    size_t keys = 0;
    while (from < to) {
        hr_span segment = segment_at(&b->patterns[from], depth);
        size_t end = from + 1;
        while (end < to &&
               hr_span_equal(segment, segment_at(&b->patterns[end], depth))) {
            end++;
        }
        uint32_t child = add_wild_node(b, from, end);
        if (hr_span_equal(segment, HR_SPAN("*"))) {
            node.star = child;
        } else {
            b->keys[keys++] = (hr_path_tree_key){
                .text = segment,
                .exact = (uint64_t)child + 1,
            };
        }
        from = end;
    }
    b->filter->wild[number] = node;
    if (keys == 0) {
        return HR_OK;
    }
    return hr_path_tree_add(&b->filter->trees, b->keys, keys,
                            &b->filter->wild[number].literals);
}

/* Breadth first, so `depth` grows where the nodes of one level end. */
static hr_status
build_wild(builder *b, size_t from)
{
    if (from == b->count) {
        return HR_OK;
    }
    size_t room = 1;
    for (size_t i = from; i < b->count; i++) {
        room += b->patterns[i].segments;
    }
    b->filter->wild = hr_alloc_zeroed(room, sizeof(wild_node));
    b->runs = hr_alloc_zeroed(room, 2 * sizeof(size_t));
    if (b->filter->wild == NULL || b->runs == NULL) {
        return HR_NO_MEMORY;
    }
    (void)add_wild_node(b, from, b->count);
    size_t depth = 0;
    size_t level_end = 1;
    for (size_t i = 0; i < b->filter->wild_count; i++) {
        if (i == level_end) {
            depth++;
            level_end = b->filter->wild_count;
        }
        hr_status status = fill_wild_node(b, i, depth);
        if (status != HR_OK) {
            return status;
        }
    }
    assert(b->filter->wild_count <= room);
    return HR_OK;
}

/* Everything between the parsed rules and the finished filter. */
static hr_status
build(builder *b)
{
    qsort(b->patterns, b->count, sizeof(*b->patterns), compare_for_build);
    size_t forward = 0;
    while (forward < b->count &&
           b->patterns[forward].shape == HR_PATH_RULE_SUFFIX) {
        forward++;
    }
    size_t wild = forward;
    while (wild < b->count && !is_wild(&b->patterns[wild])) {
        wild++;
    }
    b->keys = hr_alloc_zeroed(b->count, sizeof(*b->keys));
    if (b->keys == NULL) {
        return HR_NO_MEMORY;
    }
    hr_status status = build_backward(b, forward);
    if (status == HR_OK) {
        status = build_forward(b, forward, wild);
    }
    if (status == HR_OK) {
        status = build_wild(b, wild);
    }
    return status;
}

static hr_status
parse_rules(builder *b, const hr_path_filter_rule *rules,
            hr_path_filter_error *error)
{
    size_t bytes = 0;
    b->patterns = hr_alloc_zeroed(b->count, sizeof(*b->patterns));
    if (b->patterns == NULL) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < b->count; i++) {
        hr_path_rule *pattern = &b->patterns[i];
        error->rule = i;
        hr_status status =
            hr_path_rule_parse(rules[i].text, pattern, &error->why);
        if (status != HR_OK) {
            return status;
        }
        bytes += rules[i].text.len;
        if (bytes > HR_PATH_BYTES_MAX) {
            error->why = "all rules together are over 256 MiB";
            return HR_RULE;
        }
        pattern->rule = i;
        status = intern_label(b->filter, rules[i].label, &pattern->label,
                              &error->why);
        if (status != HR_OK) {
            return status;
        }
    }
    if (hr_path_rule_tie(b->patterns, b->count, &error->other, &error->rule)) {
        return HR_RULE_TIE;
    }
    return HR_OK;
}

static hr_status
add_labels(hr_path_filter *filter, hr_span fallback, const char **why)
{
    static const hr_span built_in[] = {
        [HR_PATH_FILTER_SKIP] = {"skip", 4},
        [HR_PATH_FILTER_API] = {"api", 3},
        [HR_PATH_FILTER_TRACK] = {"track", 5},
    };
    unsigned number;
    for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
        hr_status status = intern_label(filter, built_in[i], &number, why);
        if (status != HR_OK) {
            return status;
        }
    }
    return intern_label(filter, fallback, &filter->fallback, why);
}

hr_status
hr_path_filter_new(const hr_path_filter_rule *rules, size_t count,
                   hr_span fallback, hr_path_filter **filter,
                   hr_path_filter_error *error)
{
    *error = (hr_path_filter_error){.rule = count, .other = count};
    if (count > HR_PATH_RULES_MAX) {
        error->why = "there are more than 1,000,000 rules";
        return HR_RULE;
    }
    builder b = {.filter = hr_alloc_zeroed(1, sizeof(*b.filter)),
                 .count = count};
    if (b.filter == NULL) {
        return HR_NO_MEMORY;
    }
    b.filter->rules = count;
    b.filter->forward = NONE;
    b.filter->backward = NONE;
    hr_status status = add_labels(b.filter, fallback, &error->why);
    if (status == HR_OK) {
        status = parse_rules(&b, rules, error);
    }
    if (status == HR_OK) {
        status = build(&b);
    }
    hr_alloc_free(b.patterns);
    hr_alloc_free(b.keys);
    hr_alloc_free(b.reversed);
    hr_alloc_free(b.runs);
    if (status != HR_OK) {
        hr_path_filter_free(b.filter);
        return status;
    }
    *filter = b.filter;
    return HR_OK;
}

void
hr_path_filter_free(hr_path_filter *filter)
{
    if (filter == NULL) {
        return;
    }
    hr_path_tree_fini(&filter->trees);
    hr_alloc_free(filter->wild);
    for (unsigned i = 0; i < filter->labels; i++) {
        hr_alloc_free(filter->words[i]);
    }
    hr_alloc_free(filter);
}

/* --- the request path -------------------------------------------------- */

static inline uint64_t
higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What follows a segment: the path behind the slash at rest[0], or absent
 * where the path ends. */
static inline hr_span
behind(hr_span rest)
{
    return rest.len == 0 ? HR_NO_SPAN : hr_span_from(rest, 1);
}

/* The best wild rule for `path`, or 0. */
static uint64_t
find_wild(const hr_path_filter *filter, hr_span path)
{
    struct {
        uint32_t node;
        hr_span rest;
    } waiting[HR_PATH_SEGMENTS_MAX];
    size_t depth = 0;
    uint64_t best = 0;
    if (path.len == 0 || path.ptr[0] != '/') {
        return 0;
    }
    uint32_t number = 0;
    hr_span rest = hr_span_from(path, 1);
    for (;;) {
        const wild_node *node = &filter->wild[number];
        number = NONE;
        if (rest.ptr == NULL) { /* the path ended above this node */
            best = higher(best, node->fixed);
        } else {
            best = higher(best, node->rest);
            if (node->star != NONE && rest.len != 0 && rest.ptr[0] != '/') {
                assert(depth < HR_PATH_SEGMENTS_MAX);
                waiting[depth].node = node->star;
                waiting[depth++].rest = rest; /* with the segment */
            }
            uint64_t child = node->literals == NONE
                                 ? 0
                                 : hr_path_tree_find_segment(
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
        (void)hr_path_rule_segment(&rest);
    }
}

unsigned
hr_path_filter_label(const hr_path_filter *filter, hr_span path)
{
    uint64_t best = 0;
    if (filter->forward != NONE) {
        best = hr_path_tree_find(&filter->trees, filter->forward, path);
        if (((best >> LABEL_BITS) & (HR_PATH_RULE_RANK_SHAPES - 1)) ==
            HR_PATH_RULE_RANK_EXACT) {
            return (unsigned)(best & ((1U << LABEL_BITS) - 1));
        }
    }
    if (filter->backward != NONE) {
        best = higher(best, hr_path_tree_find_backward(
                                &filter->trees, filter->backward, path));
    }
    if (filter->wild != NULL) {
        best = higher(best, find_wild(filter, path));
    }
    return best == 0 ? filter->fallback
                     : (unsigned)(best & ((1U << LABEL_BITS) - 1));
}

size_t
hr_path_filter_count(const hr_path_filter *filter)
{
    return filter->rules;
}

unsigned
hr_path_filter_labels(const hr_path_filter *filter)
{
    return filter->labels;
}

hr_span
hr_path_filter_word(const hr_path_filter *filter, unsigned number)
{
    const char *word = filter->words[number];
    return (hr_span){word, strlen(word)};
}
