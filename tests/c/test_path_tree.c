/* SPDX-License-Identifier: MIT */
/* Trees of generated keys against a loop over the keys. */
#include "tap.h"

#include <stdint.h>

#include "path/rule.h"
#include "path/tree.h"

#define KEYS_TOP 300
#define KEY_MAX 40

static uint32_t seed = 1;

/* A linear congruential generator: the same keys in every run. */
static uint32_t
next(uint32_t below)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % below;
}

static char texts[KEYS_TOP][KEY_MAX];
static hr_path_tree_key keys[KEYS_TOP];

static int
compare(const void *a, const void *b)
{
    return hr_path_rule_compare(((const hr_path_tree_key *)a)->text,
                                ((const hr_path_tree_key *)b)->text);
}

/* Sorted keys without doubles, of letters from an alphabet that large. */
static size_t
make_keys(size_t wanted, uint32_t letters, uint32_t longest)
{
    for (size_t i = 0; i < wanted; i++) {
        uint32_t len = next(longest + 1);
        for (uint32_t k = 0; k < len; k++) {
            texts[i][k] = (char)(0x80 + next(letters));
        }
        keys[i] = (hr_path_tree_key){
            .text = {texts[i], len},
            .exact = next(2) == 0 ? 0 : 1 + next(1000),
            .beginning = next(2) == 0 ? 0 : 1 + next(1000),
        };
    }
    qsort(keys, wanted, sizeof(*keys), compare);
    size_t count = 0;
    for (size_t i = 0; i < wanted; i++) {
        if (count == 0 || !hr_span_equal(keys[count - 1].text, keys[i].text)) {
            keys[count++] = keys[i];
        }
    }
    return count;
}

/* What the whole of `text` answers, by looking at every key. */
static uint64_t
find_slowly(size_t count, hr_span text)
{
    uint64_t best = 0;
    for (size_t i = 0; i < count; i++) { /* longer ones come later */
        if (keys[i].exact != 0 && hr_span_equal(keys[i].text, text)) {
            return keys[i].exact;
        }
        if (keys[i].beginning != 0 &&
            hr_span_starts_with(text, keys[i].text)) {
            best = keys[i].beginning;
        }
    }
    return best;
}

static uint64_t
find_backward_slowly(size_t count, hr_span text)
{
    uint64_t best = 0;
    for (size_t i = 0; i < count; i++) {
        if (keys[i].beginning != 0 &&
            hr_span_starts_with(text, keys[i].text)) {
            best = keys[i].beginning;
        }
    }
    return best;
}

static uint64_t
find_exact_slowly(size_t count, hr_span text)
{
    for (size_t i = 0; i < count; i++) {
        if (hr_span_equal(keys[i].text, text)) {
            return keys[i].exact;
        }
    }
    return 0;
}

static int
check_text(const hr_path_tree *trees, uint32_t root, size_t count,
           hr_span text)
{
    char turned[KEY_MAX + 4];
    char segment[KEY_MAX + 8];
    for (size_t i = 0; i < text.len; i++) {
        turned[i] = text.ptr[text.len - 1 - i];
    }
    memcpy(segment, text.ptr, text.len);
    memcpy(segment + text.len, "/x", 2);
    hr_span whole = {segment, text.len + 2};
    uint64_t exact = find_exact_slowly(count, text);
    int wrong =
        hr_path_tree_find(trees, root, text) != find_slowly(count, text);
    wrong +=
        hr_path_tree_find_backward(trees, root, (hr_span){turned, text.len}) !=
        find_backward_slowly(count, text);
    wrong += hr_path_tree_find_segment(trees, root, &whole) != exact;
    if (exact != 0) {
        wrong += !hr_span_equal(whole, HR_SPAN("/x"));
    }
    hr_span alone = text;
    wrong += hr_path_tree_find_segment(trees, root, &alone) != exact;
    return wrong;
}

static int
check_tree(size_t wanted, uint32_t letters, uint32_t longest)
{
    hr_path_tree trees = {.nodes = NULL};
    uint32_t root = 0;
    size_t count = make_keys(wanted, letters, longest);
    if (hr_path_tree_add(&trees, keys, count, &root) != HR_OK) {
        return 1;
    }
    int wrong = 0;
    for (int i = 0; i < 2000; i++) {
        char text[KEY_MAX + 4];
        hr_span base = keys[next((uint32_t)count)].text;
        size_t len = next(3) == 0 ? next(longest + 1) : base.len;
        len = len < base.len ? len : base.len;
        if (len != 0) {
            memcpy(text, base.ptr, len);
        }
        for (uint32_t more = next(4); more > 0; more--) {
            text[len++] = (char)(0x80 + next(letters));
        }
        wrong += check_text(&trees, root, count, (hr_span){text, len});
    }
    hr_path_tree_fini(&trees);
    return wrong;
}

int
main(void)
{
    static const struct {
        const char *why;
        size_t keys;
        uint32_t letters;
        uint32_t longest;
    } trees[] = {
        {"one key", 1, 2, 3},
        {"the empty key", 1, 1, 0},
        {"two letters, deep", 60, 2, 8},
        {"one letter: each key inside the next", 30, 1, 30},
        {"eight children", 40, 8, 2},
        {"nine children, two words", 60, 9, 2},
        {"more than 32 children", 200, 60, 2},
        {"all bytes above ASCII", 300, 128, 1},
        {"long edges", 10, 60, 36},
        {"many keys", 300, 4, 6},
    };
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        int wrong = 0;
        for (int run = 0; run < 10; run++) {
            wrong +=
                check_tree(trees[i].keys, trees[i].letters, trees[i].longest);
        }
        ok(wrong == 0, "tree: %s (%d wrong)", trees[i].why, wrong);
    }
    return done_testing();
}
