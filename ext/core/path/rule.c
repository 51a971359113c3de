/* SPDX-License-Identifier: MIT */
/* Path rules as sets of paths. Which rule wins is decided by two facts about
 * these sets, and both are proved on paper, not searched for:
 *
 * 1. If A lies inside B, A has at least as many literal characters as B: take
 *    the path of A whose wildcards hold one character that stands nowhere in
 *    B, and B's literals must all fall on literals of A.
 * 2. With equally many, A lies strictly inside B only where A is exact, or A
 *    is FIXED and B is a PREFIX or REST that ends where A's last segment
 *    begins ("/a/" and "/a/x" with `*` for x).
 *
 * So the rank is (literals, shape), and a tie needs equal literals, different
 * labels, a path in both, and not the second case. */
#include "path/rule.h"

#include <stdlib.h>

static bool
is_star(hr_span segment)
{
    return segment.len == 1 && segment.ptr[0] == '*';
}

static bool
has_star(hr_span text)
{
    return text.len != 0 && memchr(text.ptr, '*', text.len) != NULL;
}

hr_span
hr_path_rule_segment(hr_span *rest)
{
    hr_span segment = *rest;
    const char *slash =
        rest->len == 0 ? NULL : memchr(rest->ptr, '/', rest->len);
    if (slash == NULL) {
        *rest = HR_NO_SPAN;
        return segment;
    }
    segment.len = (size_t)(slash - rest->ptr);
    *rest = hr_span_from(*rest, segment.len + 1);
    return segment;
}

int
hr_path_rule_compare(hr_span a, hr_span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Code points, not bytes, so that the count is the one a user sees. */
static uint32_t
count_characters(hr_span text)
{
    uint32_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
    return count;
}

/* "/a/<star>/b" and the like: splits, counts and checks the segments. */
static hr_status
parse_segments(hr_span rule, hr_path_rule *pattern, const char **why)
{
    hr_span rest = pattern->text;
    uint32_t count = 0;
    uint64_t stars = 0;
    while (rest.ptr != NULL) {
        if (count == HR_PATH_SEGMENTS_MAX) {
            *why = "it has more than 64 segments";
            return HR_RULE;
        }
        hr_span segment = hr_path_rule_segment(&rest);
        if (is_star(segment)) {
            stars |= (uint64_t)1 << count;
        } else if (has_star(segment)) {
            *why = "'*' is a whole segment, the first character, or a final "
                   "'/**'";
            return HR_RULE;
        }
        count++;
    }
    pattern->segments = count;
    pattern->stars = stars;
    uint32_t wild = 0;
    for (size_t i = 0; i < rule.len; i++) {
        wild += rule.ptr[i] == '*';
    }
    pattern->literals = count_characters(rule) - wild;
    return HR_OK;
}

hr_status
hr_path_rule_parse(hr_span rule, hr_path_rule *pattern, const char **why)
{
    *pattern = (hr_path_rule){.text = rule};
    if (rule.len == 0) {
        *why = "it is empty";
        return HR_RULE;
    }
    if (rule.len > HR_PATH_RULE_MAX) {
        *why = "it is longer than 4,096 bytes";
        return HR_RULE;
    }
    if (rule.ptr[0] == '*') {
        pattern->shape = HR_PATH_RULE_SUFFIX;
        pattern->text = hr_span_from(rule, 1);
    } else if (rule.ptr[0] == '=') {
        pattern->shape = HR_PATH_RULE_EXACT;
        pattern->text = hr_span_from(rule, 1);
    } else {
        pattern->shape = HR_PATH_RULE_PREFIX;
    }
    if (pattern->shape != HR_PATH_RULE_SUFFIX &&
        !hr_span_starts_with(pattern->text, HR_SPAN("/"))) {
        *why = "a path begins with '/'";
        return HR_RULE;
    }
    if (pattern->shape == HR_PATH_RULE_PREFIX && has_star(rule)) {
        bool open = hr_span_ends_with(rule, HR_SPAN("/**"));
        hr_span fixed = {rule.ptr, rule.len - (open ? 2 : 0)};
        if (has_star(fixed)) {
            pattern->shape = open ? HR_PATH_RULE_REST : HR_PATH_RULE_FIXED;
            pattern->text = hr_span_from(fixed, 1);
            pattern->text.len -= open ? 1 : 0;
            return parse_segments(rule, pattern, why);
        }
        pattern->text = fixed;
    }
    if (has_star(pattern->text)) {
        *why = "'*' is a whole segment, the first character, or a final '/**'";
        return HR_RULE;
    }
    pattern->literals = count_characters(pattern->text);
    return HR_OK;
}

uint32_t
hr_path_rule_rank(const hr_path_rule *pattern)
{
    uint32_t shape = pattern->shape == HR_PATH_RULE_EXACT
                         ? HR_PATH_RULE_RANK_EXACT
                     : pattern->shape == HR_PATH_RULE_FIXED ? 2
                                                            : 1;
    return pattern->literals * HR_PATH_RULE_RANK_SHAPES + shape;
}

/* Is there a path that begins with `prefix` and matches `wild`? */
static bool
meets_prefix(const hr_path_rule *wild, hr_span prefix)
{
    hr_span left = hr_span_from(prefix, 1); /* both begin with a slash */
    hr_span rest = wild->text;
    while (rest.ptr != NULL) {
        hr_span segment = hr_path_rule_segment(&rest);
        const char *slash =
            left.len == 0 ? NULL : memchr(left.ptr, '/', left.len);
        hr_span piece = left;
        if (slash != NULL) {
            piece.len = (size_t)(slash - left.ptr);
        }
        if (slash == NULL) { /* the prefix ends inside this segment */
            return is_star(segment) || hr_span_starts_with(segment, piece);
        }
        if (is_star(segment) ? piece.len == 0
                             : !hr_span_equal(segment, piece)) {
            return false;
        }
        left = hr_span_from(left, piece.len + 1);
    }
    return wild->shape == HR_PATH_RULE_REST;
}

/* Is there a path that ends with `suffix` and matches `wild`? */
static bool
meets_suffix(const hr_path_rule *wild, hr_span suffix)
{
    if (wild->shape == HR_PATH_RULE_REST) {
        return true;
    }
    hr_span text = wild->text;
    for (;;) { /* segments from the last to the first */
        size_t start = text.len;
        while (start > 0 && text.ptr[start - 1] != '/') {
            start--;
        }
        hr_span segment = hr_span_from(text, start);
        size_t cut = suffix.len;
        while (cut > 0 && suffix.ptr[cut - 1] != '/') {
            cut--;
        }
        hr_span piece = hr_span_from(suffix, cut);
        if (cut == 0) { /* the suffix begins inside this segment */
            return is_star(segment) || hr_span_ends_with(segment, piece);
        }
        if (is_star(segment) ? piece.len == 0
                             : !hr_span_equal(segment, piece)) {
            return false;
        }
        suffix.len = cut - 1;
        if (start == 0) { /* only the path's first slash is before it */
            return suffix.len == 0;
        }
        text.len = start - 1;
    }
}

/* Is there a path that matches both? Then `*inside` says whether every path
 * that matches `a` matches `b`. A REST rule asks for one segment more than it
 * lists, the rest after its last slash. */
static bool
meets_wild(const hr_path_rule *a, const hr_path_rule *b, bool *inside)
{
    bool open_a = a->shape == HR_PATH_RULE_REST;
    bool open_b = b->shape == HR_PATH_RULE_REST;
    uint32_t least_a = a->segments + open_a;
    uint32_t least_b = b->segments + open_b;
    if ((!open_a && least_a < least_b) || (!open_b && least_b < least_a)) {
        return false;
    }
    *inside = open_b ? least_a >= least_b : !open_a;
    hr_span rest_a = a->text;
    hr_span rest_b = b->text;
    while (rest_a.ptr != NULL && rest_b.ptr != NULL) {
        hr_span in_a = hr_path_rule_segment(&rest_a);
        hr_span in_b = hr_path_rule_segment(&rest_b);
        bool star_a = is_star(in_a);
        bool star_b = is_star(in_b);
        if (star_a   ? !star_b && in_b.len == 0
            : star_b ? in_a.len == 0
                     : !hr_span_equal(in_a, in_b)) {
            return false;
        }
        *inside = *inside && (star_b || !star_a);
    }
    return true;
}

/* Of two patterns with equally many literal characters, `a` REST or FIXED:
 * do they tie? */
static bool
ties(const hr_path_rule *a, const hr_path_rule *b)
{
    bool inside;
    switch (b->shape) {
    case HR_PATH_RULE_SUFFIX:
        return meets_suffix(a, b->text);
    case HR_PATH_RULE_PREFIX:
        /* inside: all its literals are the prefix, a last `*` follows */
        return meets_prefix(a, b->text) &&
               !(a->shape == HR_PATH_RULE_FIXED &&
                 b->text.len == a->text.len &&
                 memcmp(a->text.ptr, b->text.ptr + 1, a->text.len - 1) == 0);
    case HR_PATH_RULE_REST:
    case HR_PATH_RULE_FIXED:
        if (!meets_wild(a, b, &inside) || inside) {
            return false;
        }
        (void)meets_wild(b, a, &inside);
        return !inside;
    case HR_PATH_RULE_EXACT:
        break;
    }
    return false;
}

static int
compare_patterns(const void *left, const void *right)
{
    const hr_path_rule *a = left;
    const hr_path_rule *b = right;
    if (a->literals != b->literals) {
        return a->literals < b->literals ? -1 : 1;
    }
    if (a->shape != b->shape) {
        return a->shape < b->shape ? -1 : 1;
    }
    if (a->segments != b->segments) {
        return a->segments < b->segments ? -1 : 1;
    }
    if (a->stars != b->stars) {
        return a->stars < b->stars ? -1 : 1;
    }
    int order = hr_path_rule_compare(a->text, b->text);
    if (order != 0) {
        return order;
    }
    return (a->rule > b->rule) - (a->rule < b->rule);
}

/* The two ends of one kind of tie, both in `patterns`. */
typedef struct tie {
    const hr_path_rule *a;
    const hr_path_rule *b;
} tie;

/* Every prefix meets every suffix, and neither lies inside the other. */
static bool
find_prefix_suffix(const hr_path_rule *group, size_t suffixes, size_t prefixes,
                   tie *found)
{
    const hr_path_rule *prefix = group + suffixes;
    if (suffixes == 0 || prefixes == 0) {
        return false;
    }
    for (size_t i = 0; i < suffixes; i++) {
        if (group[i].label != prefix->label) {
            *found = (tie){&group[i], prefix};
            return true;
        }
    }
    for (size_t i = 1; i < prefixes; i++) {
        if (prefix[i].label != group->label) {
            *found = (tie){group, &prefix[i]};
            return true;
        }
    }
    return false;
}

/* One group of equally many literal characters, sorted by compare_patterns.
 * Two wild rules with the stars in the same places are equal or never meet,
 * so only rules of different places are compared pair by pair. */
static bool
find_in_group(const hr_path_rule *group, size_t count, tie *found)
{
    size_t suffixes = 0;
    size_t simple = 0; /* suffixes and prefixes */
    for (size_t i = 0; i < count; i++) {
        suffixes += group[i].shape == HR_PATH_RULE_SUFFIX;
        simple += group[i].shape <= HR_PATH_RULE_PREFIX;
        if (i > 0 && group[i].shape == group[i - 1].shape &&
            group[i].label != group[i - 1].label &&
            hr_span_equal(group[i].text, group[i - 1].text)) {
            *found = (tie){&group[i - 1], &group[i]};
            return true;
        }
    }
    if (find_prefix_suffix(group, suffixes, simple - suffixes, found)) {
        return true;
    }
    size_t run = simple; /* where the rules of the same places begin */
    for (size_t i = simple; i < count && group[i].shape != HR_PATH_RULE_EXACT;
         i++) {
        if (i > simple && (group[i].shape != group[i - 1].shape ||
                           group[i].segments != group[i - 1].segments ||
                           group[i].stars != group[i - 1].stars)) {
            run = i;
        }
        for (size_t k = 0; k < run; k++) {
            if (group[i].label != group[k].label &&
                ties(&group[i], &group[k])) {
                *found = (tie){&group[i], &group[k]};
                return true;
            }
        }
    }
    return false;
}

bool
hr_path_rule_tie(hr_path_rule *patterns, size_t count, size_t *a, size_t *b)
{
    if (count == 0) {
        return false;
    }
    qsort(patterns, count, sizeof(*patterns), compare_patterns);
    size_t start = 0;
    for (size_t i = 1; i <= count; i++) {
        if (i < count && patterns[i].literals == patterns[start].literals) {
            continue;
        }
        tie found;
        if (find_in_group(patterns + start, i - start, &found)) {
            size_t first = found.a->rule;
            size_t second = found.b->rule;
            *a = first < second ? first : second;
            *b = first < second ? second : first;
            return true;
        }
        start = i;
    }
    return false;
}
