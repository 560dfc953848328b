#include "tests/unit/base/expect.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"

struct item {
    char key[16];
    struct item *prev; /* the model: a list in insertion order */
    struct item *next;
    bool is_in;
};

struct model {
    struct item *items;
    uint32_t items_count;
    struct item head;
    uint32_t count;
};

static struct pawl_bytes item_key(const struct item *item)
{
    return pawl_bytes_str(item->key);
}

static void model_init(struct model *model, uint32_t items_count)
{
    *model = (struct model){ .items_count = items_count };
    model->items = (struct item *)pawl_mem_alloc(items_count * sizeof(struct item));
    for (uint32_t i = 0; i < items_count; i++) {
        snprintf(model->items[i].key, sizeof model->items[i].key, "key-%u", i);
    }
    model->head.next = &model->head;
    model->head.prev = &model->head;
}

static void insert(struct model *model, struct pawl_map *map, struct item *item)
{
    pawl_map_insert(map, item_key(item), item);
    item->prev = model->head.prev;
    item->next = &model->head;
    item->prev->next = item;
    model->head.prev = item;
    item->is_in = true;
    model->count++;
}

static void remove_item(struct model *model, struct pawl_map *map, struct item *item)
{
    assert_ptr_equal(pawl_map_remove(map, item_key(item)), item);
    item->prev->next = item->next;
    item->next->prev = item->prev;
    item->is_in = false;
    model->count--;
}

/* The map holds what the model holds, in the same order. */
static void expect_same(const struct model *model, const struct pawl_map *map)
{
    assert_int_equal(map->count, model->count);
    uint32_t cursor = 0;
    for (const struct item *item = model->head.next; item != &model->head; item = item->next) {
        assert_ptr_equal(pawl_map_next(map, &cursor), item);
    }
    assert_null(pawl_map_next(map, &cursor));
    assert_null(pawl_map_next(map, &cursor)); /* the end stays the end */
}

static void remove_some_while_iterating(struct model *model, struct pawl_map *map,
                                        struct pawl_rng *rng, uint64_t one_in)
{
    uint32_t cursor = 0;
    const struct item *expected = model->head.next;
    for (;;) {
        struct item *item = (struct item *)pawl_map_next(map, &cursor);
        if (!item) break;
        assert_ptr_equal(item, expected);
        expected = item->next;
        if (pawl_rng_below(rng, one_in) == 0) remove_item(model, map, item);
    }
    assert_ptr_equal(expected, &model->head);
}

static void any_mix_of_operations_agrees_with_a_plain_list(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct model model;
        struct pawl_map map;
        struct pawl_rng rng;
        pawl_rng_init(&rng, seed);
        pawl_map_init(&map, pawl_rng_next(&rng));
        model_init(&model, seed % 3 == 0 ? 12 : 600);
        for (int step = 0; step < 6000; step++) {
            struct item *item = &model.items[pawl_rng_below(&rng, model.items_count)];
            assert_ptr_equal(pawl_map_find(&map, item_key(item)), item->is_in ? item : NULL);
            if (!item->is_in) {
                insert(&model, &map, item);
            } else if (pawl_rng_below(&rng, 4) != 0) {
                remove_item(&model, &map, item);
                assert_null(pawl_map_remove(&map, item_key(item)));
            }
            if (step % 97 == 0) expect_same(&model, &map);
            if (step % 701 == 0) remove_some_while_iterating(&model, &map, &rng, 1 + seed % 4);
        }
        expect_same(&model, &map);
        remove_some_while_iterating(&model, &map, &rng, 1);
        assert_int_equal(map.count, 0);
        pawl_map_deinit(&map);
        pawl_mem_free(model.items);
    }
}

static void an_empty_map_answers_every_question(void **state)
{
    (void)state;
    struct pawl_map map;
    pawl_map_init(&map, 1);
    uint32_t cursor = 0;
    assert_null(pawl_map_find(&map, PAWL_BYTES_LITERAL("x")));
    assert_null(pawl_map_remove(&map, PAWL_BYTES_LITERAL("x")));
    assert_null(pawl_map_next(&map, &cursor));
    pawl_map_deinit(&map);
}

static void keys_are_compared_by_content_up_to_their_last_byte(void **state)
{
    (void)state;
    static const char *const keys[] = { "", "a", "aa", "ab", "b" };
    enum { COUNT = sizeof keys / sizeof keys[0] };
    int values[COUNT + 1];
    struct pawl_map map;
    pawl_map_init(&map, 2);
    for (int i = 0; i < COUNT; i++) pawl_map_insert(&map, pawl_bytes_str(keys[i]), &values[i]);
    pawl_map_insert(&map, PAWL_BYTES_LITERAL("a\0"), &values[COUNT]);
    char key[] = "ab"; /* another address */
    assert_ptr_equal(pawl_map_find(&map, pawl_bytes_str(key)), &values[3]);
    assert_ptr_equal(pawl_map_find(&map, PAWL_BYTES_LITERAL("a\0")), &values[COUNT]);
    for (int i = 0; i < COUNT; i++) {
        assert_ptr_equal(pawl_map_find(&map, pawl_bytes_str(keys[i])), &values[i]);
    }
    pawl_map_deinit(&map);
}

static void the_order_does_not_depend_on_the_seed(void **state)
{
    (void)state;
    struct model model;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct pawl_map map;
        pawl_map_init(&map, seed);
        model_init(&model, 100);
        for (uint32_t i = 0; i < 100; i++) insert(&model, &map, &model.items[i]);
        expect_same(&model, &map);
        pawl_map_deinit(&map);
        pawl_mem_free(model.items);
    }
}

/* Without a seed they have a hash of their own. */
static void numbers_and_ids_are_found(void **state)
{
    enum { COUNT = 5000 };
    static uint64_t keys[COUNT][2];
    struct pawl_map map;
    (void)state;
    for (size_t size = 8; size <= 16; size += 8) {
        pawl_map_init(&map, 0);
        for (uint32_t i = 0; i < COUNT; i++) {
            keys[i][0] = i % 2 ? i : (uint64_t)i << 32;
            keys[i][1] = i / 7;
            pawl_map_insert(&map, pawl_bytes_make(keys[i], size), keys[i]);
        }
        for (uint32_t i = 0; i < COUNT; i += 3)
            assert_ptr_equal(pawl_map_remove(&map, pawl_bytes_make(keys[i], size)), keys[i]);
        for (uint32_t i = 0; i < COUNT; i++) {
            const void *found = pawl_map_find(&map, pawl_bytes_make(keys[i], size));
            assert_ptr_equal(found, i % 3 ? keys[i] : NULL);
        }
        pawl_map_deinit(&map);
    }
}

static void a_queue_of_any_length_keeps_its_memory_small(void **state)
{
    (void)state;
    struct model model;
    struct pawl_map map;
    pawl_map_init(&map, 3);
    model_init(&model, 20000);
    /* Ten are in at any time: room for ten is what stays, however many pass. */
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t entries_before = map.entries_count;
        insert(&model, &map, &model.items[i]);
        if (map.entries_count <= entries_before) {
            /* Holes were closed: as many inserts again must be free of that. */
            assert_true(map.entries_capacity >= 2 * (map.count - 1));
        }
        if (i < 10) continue;
        uint32_t cursor = 0;
        struct item *oldest = (struct item *)pawl_map_next(&map, &cursor);
        assert_ptr_equal(oldest, &model.items[i - 10]);
        remove_item(&model, &map, oldest);
    }
    assert_true(map.entries_capacity <= 64);
    pawl_map_deinit(&map);
    pawl_mem_free(model.items);
}

static void a_map_grows_by_doubling_and_becomes_small_again(void **state)
{
    (void)state;
    struct model model;
    struct pawl_map map;
    pawl_map_init(&map, 4);
    model_init(&model, 5000);
    uint32_t rebuilds = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t capacity = map.entries_capacity;
        insert(&model, &map, &model.items[i]);
        if (map.entries_capacity == capacity) continue;
        rebuilds++;
    }
    assert_true(map.entries_capacity >= 5000);
    assert_in_range(rebuilds, 8, 14);
    for (uint32_t i = 0; i < 5000; i++) remove_item(&model, &map, &model.items[i]);
    for (uint32_t round = 0; round < 10000; round++) {
        insert(&model, &map, &model.items[0]);
        remove_item(&model, &map, &model.items[0]);
    }
    assert_true(map.entries_capacity <= 64);
    pawl_map_deinit(&map);
    pawl_mem_free(model.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_mix_of_operations_agrees_with_a_plain_list),
        cmocka_unit_test(an_empty_map_answers_every_question),
        cmocka_unit_test(keys_are_compared_by_content_up_to_their_last_byte),
        cmocka_unit_test(the_order_does_not_depend_on_the_seed),
        cmocka_unit_test(numbers_and_ids_are_found),
        cmocka_unit_test(a_queue_of_any_length_keeps_its_memory_small),
        cmocka_unit_test(a_map_grows_by_doubling_and_becomes_small_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
