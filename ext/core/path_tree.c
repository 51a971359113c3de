/* SPDX-License-Identifier: MIT */
/* Radix trees, built breadth first: a node's children are appended together
 * when the node is taken up, so they lie side by side without being moved.
 * While a tree is built, `work` holds for each of its nodes the run of sorted
 * keys below it and how many of their bytes lie above it. */
#include "path_tree.h"

#include <assert.h>

#include "alloc.h"

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

static ps_status
grow_nodes(ps_path_trees *trees)
{
    size_t room = trees->room == 0 ? 16 : trees->room * 2;
    if (room > UINT32_MAX) {
        return PS_NO_MEMORY;
    }
    ps_path_node *nodes =
        ps_realloc(trees->nodes, room * sizeof(*trees->nodes));
    if (nodes == NULL) {
        return PS_NO_MEMORY;
    }
    trees->nodes = nodes;
    uint8_t *heads = ps_realloc(trees->heads, room);
    if (heads == NULL) {
        return PS_NO_MEMORY;
    }
    trees->heads = heads;
    trees->room = room;
    return PS_OK;
}

static ps_status
add_node(ps_path_trees *trees, work_list *work, work_item item, uint8_t head)
{
    if (trees->count == trees->room && grow_nodes(trees) != PS_OK) {
        return PS_NO_MEMORY;
    }
    if (work->count == work->room) {
        size_t room = work->room == 0 ? 16 : work->room * 2;
        work_item *items = ps_realloc(work->items, room * sizeof(*items));
        if (items == NULL) {
            return PS_NO_MEMORY;
        }
        work->items = items;
        work->room = room;
    }
    trees->nodes[trees->count] = (ps_path_node){.text = 0};
    trees->heads[trees->count] = head;
    trees->count++;
    work->items[work->count++] = item;
    return PS_OK;
}

static ps_status
add_text(ps_path_trees *trees, ps_span text, uint32_t *offset)
{
    if (text.len > trees->text_room - trees->text_count) {
        size_t room = trees->text_room == 0 ? 256 : trees->text_room;
        while (room - trees->text_count < text.len) {
            room *= 2;
        }
        if (room > UINT32_MAX) {
            return PS_NO_MEMORY;
        }
        char *texts = ps_realloc(trees->texts, room);
        if (texts == NULL) {
            return PS_NO_MEMORY;
        }
        trees->texts = texts;
        trees->text_room = room;
    }
    *offset = (uint32_t)trees->text_count;
    if (text.len != 0) {
        memcpy(trees->texts + trees->text_count, text.ptr, text.len);
    }
    trees->text_count += text.len;
    return PS_OK;
}

/* How many bytes sorted keys share: those of the first and the last one. */
static size_t
common_length(ps_span first, ps_span last)
{
    size_t least = first.len < last.len ? first.len : last.len;
    size_t shared = 0;
    while (shared < least && first.ptr[shared] == last.ptr[shared]) {
        shared++;
    }
    return shared;
}

static ps_status
fill_node(ps_path_trees *trees, size_t node, const ps_path_key *keys,
          work_item item, work_list *work)
{
    ps_span first = keys[item.from].text;
    size_t end = common_length(first, keys[item.to - 1].text);
    ps_span edge = {first.ptr + item.depth, end - item.depth};
    assert(edge.len <= UINT16_MAX);
    ps_path_node filled = {.text_len = (uint16_t)edge.len};
    if (add_text(trees, edge, &filled.text) != PS_OK) {
        return PS_NO_MEMORY;
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
        if (add_node(trees, work, child, (uint8_t)head) != PS_OK) {
            return PS_NO_MEMORY;
        }
        filled.count++;
        item.from = to;
    }
    trees->nodes[node] = filled;
    return PS_OK;
}

ps_status
ps_path_trees_add(ps_path_trees *trees, const ps_path_key *keys, size_t count,
                  uint32_t *root)
{
    assert(count > 0);
    work_list work = {.items = NULL};
    size_t start = trees->count;
    ps_status status = add_node(trees, &work, (work_item){0, count, 0}, 0);
    for (size_t i = 0; status == PS_OK && i < work.count; i++) {
        status = fill_node(trees, start + i, keys, work.items[i], &work);
    }
    ps_free(work.items);
    if (status == PS_OK) {
        *root = (uint32_t)start;
    }
    return status;
}

void
ps_path_trees_fini(ps_path_trees *trees)
{
    ps_free(trees->nodes);
    ps_free(trees->heads);
    ps_free(trees->texts);
    *trees = (ps_path_trees){.nodes = NULL};
}

/* The child whose edge begins with `head`, or NULL. */
static inline const ps_path_node *
find_child(const ps_path_trees *trees, const ps_path_node *node, char head)
{
    if (node->count == 0) {
        return NULL;
    }
    const uint8_t *heads = trees->heads + node->children;
    const uint8_t *hit = memchr(heads, (unsigned char)head, node->count);
    return hit == NULL ? NULL : &trees->nodes[hit - trees->heads];
}

uint64_t
ps_path_tree_find(const ps_path_trees *trees, uint32_t root, ps_span text)
{
    uint64_t best = 0;
    const ps_path_node *node = &trees->nodes[root];
    while (node != NULL) {
        ps_span edge = {trees->texts + node->text, node->text_len};
        if (!ps_span_starts_with(text, edge)) {
            break;
        }
        text = ps_span_from(text, edge.len);
        if (node->beginning != 0) {
            best = node->beginning;
        }
        if (text.len == 0) {
            return node->exact != 0 ? node->exact : best;
        }
        node = find_child(trees, node, text.ptr[0]);
    }
    return best;
}

uint64_t
ps_path_tree_find_backward(const ps_path_trees *trees, uint32_t root,
                           ps_span text)
{
    uint64_t best = 0;
    const ps_path_node *node = &trees->nodes[root];
    while (node != NULL && node->text_len <= text.len) {
        const char *edge = trees->texts + node->text;
        size_t same = 0;
        while (same < node->text_len &&
               edge[same] == text.ptr[text.len - 1 - same]) {
            same++;
        }
        if (same < node->text_len) {
            break;
        }
        text.len -= same;
        if (node->beginning != 0) {
            best = node->beginning;
        }
        if (text.len == 0) {
            break;
        }
        node = find_child(trees, node, text.ptr[text.len - 1]);
    }
    return best;
}

uint64_t
ps_path_tree_find_exact(const ps_path_trees *trees, uint32_t root,
                        ps_span text)
{
    const ps_path_node *node = &trees->nodes[root];
    while (node != NULL) {
        ps_span edge = {trees->texts + node->text, node->text_len};
        if (!ps_span_starts_with(text, edge)) {
            return 0;
        }
        text = ps_span_from(text, edge.len);
        if (text.len == 0) {
            return node->exact;
        }
        node = find_child(trees, node, text.ptr[0]);
    }
    return 0;
}
