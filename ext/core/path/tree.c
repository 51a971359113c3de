/* SPDX-License-Identifier: MIT */
/* Radix trees, built breadth first: a node's children are appended together
 * when the node is taken up, so they lie side by side without being moved.
 * While a tree is built, `work` holds for each of its nodes the run of sorted
 * keys below it and how many of their bytes lie above it. */
#include "path/tree.h"

#include <assert.h>
#include <stdbool.h>

#include "base/alloc.h"

/* Bytes behind `heads` that a search for a child may read. */
#define HEADS_SPARE 8

typedef struct work_item {
    size_t from; /* keys[from .. to) are below this node */
    size_t to;
    size_t depth; /* bytes of these keys that lie above the node's edge */
} work_item;

typedef struct work_list {
    work_item *items;
    size_t count;
    size_t room;
} work_list;

static hr_status
grow_nodes(hr_path_tree *trees)
{
    size_t room = trees->room == 0 ? 16 : trees->room * 2;
    if (room > UINT32_MAX) {
        return HR_NO_MEMORY;
    }
    hr_path_tree_node *nodes =
        hr_alloc_resize(trees->nodes, room * sizeof(*trees->nodes));
    if (nodes == NULL) {
        return HR_NO_MEMORY;
    }
    trees->nodes = nodes;
    uint8_t *heads = hr_alloc_resize(trees->heads, room + HEADS_SPARE);
    if (heads == NULL) {
        return HR_NO_MEMORY;
    }
    memset(heads + trees->count, 0, room + HEADS_SPARE - trees->count);
    trees->heads = heads;
    trees->room = room;
    return HR_OK;
}

static hr_status
add_node(hr_path_tree *trees, work_list *work, work_item item, uint8_t head)
{
    if (trees->count == trees->room && grow_nodes(trees) != HR_OK) {
        return HR_NO_MEMORY;
    }
    if (work->count == work->room) {
        size_t room = work->room == 0 ? 16 : work->room * 2;
        work_item *items = hr_alloc_resize(work->items, room * sizeof(*items));
        if (items == NULL) {
            return HR_NO_MEMORY;
        }
        work->items = items;
        work->room = room;
    }
    trees->nodes[trees->count] = (hr_path_tree_node){.text = 0};
    trees->heads[trees->count] = head;
    trees->count++;
    work->items[work->count++] = item;
    return HR_OK;
}

static hr_status
add_text(hr_path_tree *trees, hr_span text, uint32_t *offset)
{
    if (trees->texts == NULL ||
        text.len > trees->text_room - trees->text_count) {
        size_t room = trees->text_room == 0 ? 256 : trees->text_room;
        while (room - trees->text_count < text.len) {
            room *= 2;
        }
        if (room > UINT32_MAX) {
            return HR_NO_MEMORY;
        }
        char *texts = hr_alloc_resize(trees->texts, room);
        if (texts == NULL) {
            return HR_NO_MEMORY;
        }
        trees->texts = texts;
        trees->text_room = room;
    }
    *offset = (uint32_t)trees->text_count;
    if (text.len != 0) {
        memcpy(trees->texts + trees->text_count, text.ptr, text.len);
    }
    trees->text_count += text.len;
    return HR_OK;
}

/* How many bytes sorted keys share: those of the first and the last one. */
static size_t
common_length(hr_span first, hr_span last)
{
    size_t least = first.len < last.len ? first.len : last.len;
    size_t shared = 0;
    while (shared < least && first.ptr[shared] == last.ptr[shared]) {
        shared++;
    }
    return shared;
}

static hr_status
fill_node(hr_path_tree *trees, size_t node, const hr_path_tree_key *keys,
          work_item item, work_list *work)
{
    hr_span first = keys[item.from].text;
    size_t end = common_length(first, keys[item.to - 1].text);
    hr_span edge = {first.ptr + item.depth, end - item.depth};
    assert(edge.len <= UINT16_MAX);
    hr_path_tree_node filled = {.text_len = (uint16_t)edge.len};
    if (add_text(trees, edge, &filled.text) != HR_OK) {
        return HR_NO_MEMORY;
    }
    if (first.len == end) {
        filled.exact = keys[item.from].exact;
        filled.beginning = keys[item.from].beginning;
        item.from++;
    }
    filled.children = (uint32_t)trees->count;
    while (item.from < item.to) {
        char head = keys[item.from].text.ptr[end];
        size_t to = item.from + 1;
        while (to < item.to && keys[to].text.ptr[end] == head) {
            to++;
        }
        work_item child = {item.from, to, end};
        if (add_node(trees, work, child, (uint8_t)head) != HR_OK) {
            return HR_NO_MEMORY;
        }
        filled.count++;
        item.from = to;
    }
    trees->nodes[node] = filled;
    return HR_OK;
}

hr_status
hr_path_tree_add(hr_path_tree *trees, const hr_path_tree_key *keys,
                 size_t count, uint32_t *root)
{
    assert(count > 0);
    work_list work = {.items = NULL};
    size_t start = trees->count;
    hr_status status = add_node(trees, &work, (work_item){0, count, 0}, 0);
    for (size_t i = 0; status == HR_OK && i < work.count; i++) {
        status = fill_node(trees, start + i, keys, work.items[i], &work);
    }
    hr_alloc_free(work.items);
    if (status == HR_OK) {
        *root = (uint32_t)start;
    }
    return status;
}

void
hr_path_tree_fini(hr_path_tree *trees)
{
    hr_alloc_free(trees->nodes);
    hr_alloc_free(trees->heads);
    hr_alloc_free(trees->texts);
    *trees = (hr_path_tree){.nodes = NULL};
}

/* --- walking ----------------------------------------------------------- */

/* Edges are a few bytes long, mostly: below this a call costs more than the
 * comparison. */
#define SHORT_EDGE 16

/* Is the node's edge, from its byte `from` on, where `at` points, with `left`
 * bytes to come? The first byte of all but a root's edge was compared in
 * `heads` already. */
static inline bool
on_edge(const hr_path_tree *trees, const hr_path_tree_node *node, size_t from,
        const char *at, size_t left)
{
    const char *edge = trees->texts + node->text;
    size_t len = node->text_len;
    if (len > left) {
        return false;
    }
    if (len > SHORT_EDGE) {
        return memcmp(edge, at, len) == 0;
    }
    for (size_t i = from; i < len; i++) {
        if (edge[i] != at[i]) {
            return false;
        }
    }
    return true;
}

/* The index of `head` among `count` different bytes, or `count`. A few are
 * compared eight at a time: a byte equal to `head` becomes zero, and the
 * lowest zero byte is found by the borrow that it makes. */
static inline size_t
find_head(const uint8_t *heads, size_t count, unsigned char head)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    if (count > 4 * HEADS_SPARE) {
        const uint8_t *hit = memchr(heads, head, count);
        return hit == NULL ? count : (size_t)(hit - heads);
    }
    for (size_t at = 0; at < count; at += HEADS_SPARE) {
        uint64_t word;
        memcpy(&word, heads + at, sizeof(word)); /* the spare bytes too */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word ^= ones * head;
        uint64_t zero = (word - ones) & ~word & (ones << 7);
        if (zero != 0) {
            at += (size_t)__builtin_ctzll(zero) / 8;
            return at < count ? at : count;
        }
    }
    return count;
}

/* The child whose edge begins with `head`, or NULL. */
static inline const hr_path_tree_node *
find_child(const hr_path_tree *trees, const hr_path_tree_node *node, char head)
{
    const uint8_t *heads = trees->heads + node->children;
    size_t at = node->count == 1
                    ? heads[0] != (unsigned char)head
                    : find_head(heads, node->count, (unsigned char)head);
    return at < node->count ? &trees->nodes[node->children + at] : NULL;
}

uint64_t
hr_path_tree_find(const hr_path_tree *trees, uint32_t root, hr_span text)
{
    uint64_t best = 0;
    const hr_path_tree_node *node = &trees->nodes[root];
    const char *at = text.ptr;
    const char *end = at + text.len;
    if (!on_edge(trees, node, 0, at, text.len)) {
        return 0;
    }
    do {
        at += node->text_len;
        if (node->beginning != 0) {
            best = node->beginning;
        }
        if (at == end) {
            return node->exact != 0 ? node->exact : best;
        }
        node = find_child(trees, node, *at);
    } while (node != NULL && on_edge(trees, node, 1, at, (size_t)(end - at)));
    return best;
}

/* The same with the text read backward from `end`. */
static inline bool
on_edge_backward(const hr_path_tree *trees, const hr_path_tree_node *node,
                 const char *end, size_t left)
{
    const char *edge = trees->texts + node->text;
    if (node->text_len > left) {
        return false;
    }
    for (size_t i = 0; i < node->text_len; i++) {
        if (edge[i] != *--end) {
            return false;
        }
    }
    return true;
}

uint64_t
hr_path_tree_find_backward(const hr_path_tree *trees, uint32_t root,
                           hr_span text)
{
    uint64_t best = 0;
    const hr_path_tree_node *node = &trees->nodes[root];
    const char *end = text.ptr + text.len;
    while (node != NULL &&
           on_edge_backward(trees, node, end, (size_t)(end - text.ptr))) {
        end -= node->text_len;
        if (node->beginning != 0) {
            best = node->beginning;
        }
        if (end == text.ptr) {
            break;
        }
        node = find_child(trees, node, end[-1]);
    }
    return best;
}

uint64_t
hr_path_tree_find_segment(const hr_path_tree *trees, uint32_t root,
                          hr_span *text)
{
    const hr_path_tree_node *node = &trees->nodes[root];
    const char *at = text->ptr;
    const char *end = at + text->len;
    if (!on_edge(trees, node, 0, at, text->len)) {
        return 0;
    }
    do {
        at += node->text_len;
        if (at == end || *at == '/') {
            *text = (hr_span){at, (size_t)(end - at)};
            return node->exact;
        }
        node = find_child(trees, node, *at);
    } while (node != NULL && on_edge(trees, node, 1, at, (size_t)(end - at)));
    return 0;
}
