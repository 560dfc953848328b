#include "state/tree.h"

void pawl_tree_init(struct pawl_tree *tree, pawl_tree_compare *compare)
{
    *tree = (struct pawl_tree){ .compare = compare, .priorities = 2463534242u };
}

static uint32_t priority_next(struct pawl_tree *tree)
{
    tree->priorities ^= tree->priorities << 13;
    tree->priorities ^= tree->priorities >> 17;
    tree->priorities ^= tree->priorities << 5;
    return tree->priorities;
}

static struct pawl_tree_node **slot_of(struct pawl_tree *tree, const struct pawl_tree_node *node)
{
    if (!node->parent) return &tree->root;
    return &node->parent->child[node->parent->child[1] == node];
}

/* Lift `node` above its parent; the order of keys stays. */
static void rotate_up(struct pawl_tree *tree, struct pawl_tree_node *node)
{
    struct pawl_tree_node *parent = node->parent;
    int side = parent->child[1] == node;
    struct pawl_tree_node *moved = node->child[!side];

    *slot_of(tree, parent) = node;
    node->parent = parent->parent;
    node->child[!side] = parent;
    parent->parent = node;
    parent->child[side] = moved;
    if (moved) moved->parent = parent;
}

void pawl_tree_insert(struct pawl_tree *tree, struct pawl_tree_node *node)
{
    struct pawl_tree_node **slot = &tree->root;
    struct pawl_tree_node *parent = NULL;
    while (*slot) {
        int order = tree->compare(node, *slot);
        PAWL_ASSERT(order != 0);
        parent = *slot;
        slot = &parent->child[order > 0];
    }
    *node = (struct pawl_tree_node){ .parent = parent, .priority = priority_next(tree) };
    *slot = node;
    tree->count++;
    while (node->parent && node->parent->priority < node->priority) rotate_up(tree, node);
}

void pawl_tree_remove(struct pawl_tree *tree, struct pawl_tree_node *node)
{
    while (node->child[0] && node->child[1])
        rotate_up(tree, node->child[node->child[1]->priority > node->child[0]->priority]);

    struct pawl_tree_node *only = node->child[0] ? node->child[0] : node->child[1];
    PAWL_ASSERT(*slot_of(tree, node) == node);
    *slot_of(tree, node) = only;
    if (only) only->parent = node->parent;
    *node = (struct pawl_tree_node){ .parent = NULL };
    tree->count--;
}

struct pawl_tree_node *pawl_tree_lower(const struct pawl_tree *tree,
                                       const struct pawl_tree_node *probe)
{
    struct pawl_tree_node *node = tree->root, *best = NULL;
    while (node) {
        int order = tree->compare(probe, node);
        if (order == 0) return node;
        if (order < 0) best = node;
        node = node->child[order > 0];
    }
    return best;
}

struct pawl_tree_node *pawl_tree_find(const struct pawl_tree *tree,
                                      const struct pawl_tree_node *probe)
{
    struct pawl_tree_node *node = tree->root;
    while (node) {
        int order = tree->compare(probe, node);
        if (order == 0) return node;
        node = node->child[order > 0];
    }
    return NULL;
}

static struct pawl_tree_node *outermost(struct pawl_tree_node *node, int side)
{
    while (node && node->child[side]) node = node->child[side];
    return node;
}

static struct pawl_tree_node *neighbour(const struct pawl_tree_node *node, int side)
{
    if (node->child[side]) return outermost(node->child[side], !side);
    while (node->parent && node->parent->child[side] == node) node = node->parent;
    return node->parent;
}

struct pawl_tree_node *pawl_tree_first(const struct pawl_tree *tree)
{
    return outermost(tree->root, 0);
}

struct pawl_tree_node *pawl_tree_last(const struct pawl_tree *tree)
{
    return outermost(tree->root, 1);
}

struct pawl_tree_node *pawl_tree_next(const struct pawl_tree_node *node)
{
    return neighbour(node, 1);
}

struct pawl_tree_node *pawl_tree_prev(const struct pawl_tree_node *node)
{
    return neighbour(node, 0);
}
