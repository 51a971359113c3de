/* SPDX-License-Identifier: MIT */
/* Radix trees over bytes: what the path filter is made of. Many trees lie in
 * three flat arrays, so that a walk touches little memory. */
#ifndef HR_PATH_TREE_H
#define HR_PATH_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/status.h"

/* One node:
 *
 *      "sta" -+- "tic/"      edges carry runs of bytes; the children of a
 *             +- "ndard/"    node lie side by side, and so do the first bytes
 *                            of their edges, in `heads`, for one memchr */
typedef struct hr_path_tree_node {
    uint32_t text;      /* the edge into this node: offset in the texts */
    uint32_t children;  /* index of the first child */
    uint16_t text_len;  /* length of that edge */
    uint16_t count;     /* how many children */
    uint32_t unused;    /* keeps the values aligned, and their bytes known */
    uint64_t exact;     /* value of the key that ends here, or 0 */
    uint64_t beginning; /* value of what begins with the key, or 0 */
} hr_path_tree_node;

/* Zeroed is empty. Read-only once the last tree was added. */
typedef struct hr_path_tree {
    hr_path_tree_node *nodes;
    uint8_t *heads; /* of each node, the first byte of its edge */
    char *texts;
    size_t count; /* nodes in use */
    size_t room;
    size_t text_count; /* bytes in use */
    size_t text_room;
} hr_path_tree;

typedef struct hr_path_tree_key {
    hr_span text;
    uint64_t exact;     /* answered for the text itself; 0: nothing */
    uint64_t beginning; /* answered for what begins with it; 0: nothing */
} hr_path_tree_key;

/* Adds a tree of `count` > 0 keys, sorted by hr_path_rule_compare, no two
 * equal; the texts are copied. NO_MEMORY leaves `trees` fit to be freed. */
HR_CHECKED hr_status hr_path_tree_add(hr_path_tree *trees,
                                      const hr_path_tree_key *keys,
                                      size_t count, uint32_t *root);

/* Frees the arrays, not the struct. */
void hr_path_tree_fini(hr_path_tree *trees);

/* The value of the whole of `text`: the exact one, else that of the longest
 * key it begins with, else 0. */
uint64_t hr_path_tree_find(const hr_path_tree *trees, uint32_t root,
                           hr_span text);

/* The same with `text` read from its end, and only the keys' `beginning`. */
uint64_t hr_path_tree_find_backward(const hr_path_tree *trees, uint32_t root,
                                    hr_span text);

/* The exact value of the first segment of `*text`, which is moved to the
 * segment's end: to a slash, or empty. 0, and `*text` stays, when no key is
 * that segment. The keys hold no slash. */
uint64_t hr_path_tree_find_segment(const hr_path_tree *trees, uint32_t root,
                                   hr_span *text);

#endif
