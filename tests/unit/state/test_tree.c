/* Tree: after any sequence of calls it holds what a plain array would, in order. */
#include "world.h"

#include "base/rng.h"
#include "state/tree.h"

#define KEYS 300u

struct item {
    struct pawl_tree_node node;
    uint32_t key;
    bool is_in;
};

static int by_key(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    uint32_t x = PAWL_CONTAINER_OF(a, const struct item, node)->key;
    uint32_t y = PAWL_CONTAINER_OF(b, const struct item, node)->key;
    return x < y ? -1 : x > y;
}

static struct item *item_of(struct pawl_tree_node *node)
{
    return node ? PAWL_CONTAINER_OF(node, struct item, node) : NULL;
}

static struct item *next_in(struct item *items, uint32_t from)
{
    while (from < KEYS && !items[from].is_in) from++;
    return from < KEYS ? &items[from] : NULL;
}

static void assert_same_as_array(const struct pawl_tree *tree, struct item *items)
{
    uint32_t count = 0;
    struct pawl_tree_node *node = pawl_tree_first(tree), *last = NULL;
    for (struct item *item = next_in(items, 0); item; item = next_in(items, item->key + 1)) {
        assert_ptr_equal(item_of(node), item);
        assert_ptr_equal(pawl_tree_prev(node), last);
        last = node;
        node = pawl_tree_next(node);
        count++;
    }
    assert_null(node);
    assert_ptr_equal(pawl_tree_last(tree), last);
    assert_int_equal(tree->count, count);
}

static void a_tree_holds_what_a_sorted_array_would(void **state)
{
    (void)state;
    static struct item items[KEYS];
    struct pawl_tree tree;
    struct pawl_rng rng;
    pawl_tree_init(&tree, by_key);
    pawl_rng_init(&rng, 3);
    for (uint32_t i = 0; i < KEYS; i++) items[i].key = i;

    for (int step = 0; step < 20000; step++) {
        struct item *item = &items[pawl_rng_below(&rng, KEYS)];
        struct item probe = { .key = item->key };
        assert_ptr_equal(item_of(pawl_tree_find(&tree, &probe.node)), item->is_in ? item : NULL);
        assert_ptr_equal(item_of(pawl_tree_lower(&tree, &probe.node)), next_in(items, item->key));
        if (item->is_in)
            pawl_tree_remove(&tree, &item->node);
        else
            pawl_tree_insert(&tree, &item->node);
        item->is_in = !item->is_in;
        if (step % 100 == 0) assert_same_as_array(&tree, items);
    }
    assert_same_as_array(&tree, items);
}

static uint32_t depth(const struct pawl_tree_node *node)
{
    if (!node) return 0;
    uint32_t left = depth(node->child[0]), right = depth(node->child[1]);
    return 1 + (left > right ? left : right);
}

static void sorted_insertion_stays_shallow(void **state)
{
    (void)state;
    static struct item items[10000];
    struct pawl_tree tree;
    pawl_tree_init(&tree, by_key);
    for (uint32_t i = 0; i < 10000; i++) {
        items[i].key = i;
        pawl_tree_insert(&tree, &items[i].node);
    }
    assert_true(depth(tree.root) < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_holds_what_a_sorted_array_would),
        cmocka_unit_test(sorted_insertion_stays_shallow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
