/* Tree: an ordered, intrusive container (a treap with a fixed sequence of
 * priorities, so that the same calls always build the same tree).
 *
 * The node lives inside the item; one node per tree an item can be in. A search
 * takes a probe: an item of the same type of which only the key is filled.
 */
#ifndef PAWL_STATE_TREE_H
#define PAWL_STATE_TREE_H

#include "base/list.h"
#include "pawl/types.h"

struct pawl_tree_node {
    struct pawl_tree_node *parent;
    struct pawl_tree_node *child[2];
    uint32_t priority;
};

typedef int pawl_tree_compare(const struct pawl_tree_node *a, const struct pawl_tree_node *b);

struct pawl_tree {
    struct pawl_tree_node *root;
    pawl_tree_compare *compare;
    uint32_t count;
    uint32_t priorities; /* state of the sequence */
};

void pawl_tree_init(struct pawl_tree *tree, pawl_tree_compare *compare);

/* No node with an equal key may be in the tree. */
void pawl_tree_insert(struct pawl_tree *tree, struct pawl_tree_node *node);

/* The node must be in the tree. */
void pawl_tree_remove(struct pawl_tree *tree, struct pawl_tree_node *node);

/* The node with a key equal to the probe's, or NULL. */
struct pawl_tree_node *pawl_tree_find(const struct pawl_tree *tree,
                                      const struct pawl_tree_node *probe);

/* The first node with a key not below the probe's, or NULL. */
struct pawl_tree_node *pawl_tree_lower(const struct pawl_tree *tree,
                                       const struct pawl_tree_node *probe);

/* In key order; NULL: none. */
struct pawl_tree_node *pawl_tree_first(const struct pawl_tree *tree);
struct pawl_tree_node *pawl_tree_last(const struct pawl_tree *tree);
struct pawl_tree_node *pawl_tree_next(const struct pawl_tree_node *node);
struct pawl_tree_node *pawl_tree_prev(const struct pawl_tree_node *node);

#endif /* PAWL_STATE_TREE_H */
