/* List: pages over all partitions, newest first, each instance once, at a cost that goes
 * with the page and not with what there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "tests/unit/actors/fixture.h"

#define INSTANCES 600

/* Ages are not in the order of the ids, and some are the same. */
static struct fixture *filled(uint32_t partitions)
{
    struct pawl_node_config config = { .partitions = partitions };
    struct fixture *fixture = fixture_new(&config);
    for (int i = 0; i < INSTANCES; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%s%d", i % 3 ? "i" : "third-", i * 7 % INSTANCES);
        fixture_start(fixture, id);
        fixture->answers_count = 0;
        if (i % 4 == 0) fixture_pass(fixture, 1);
    }
    return fixture;
}

static void list(struct fixture *fixture, const char *prefix, uint32_t limit,
                 struct pawl_bytes cursor)
{
    fixture->answers_count = 0;
    struct pawl_request request = {
        .op = PAWL_REQUEST_LIST, .prefix = pawl_bytes_str(prefix), .limit = limit, .cursor = cursor
    };
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answers_count, 1);
    assert_int_equal(fixture->answer_errs[0], PAWL_OK);
}

/* All pages; the ids in the order in which they came. */
static uint32_t list_all(struct fixture *fixture, const char *prefix, uint32_t limit,
                         struct pawl_bytes *ids)
{
    uint32_t count = 0;
    struct pawl_bytes cursor = PAWL_BYTES_ABSENT;
    do {
        list(fixture, prefix, limit, cursor);
        assert_true(fixture->listed_count <= limit);
        for (uint32_t i = 0; i < fixture->listed_count; i++) {
            assert_true(count < INSTANCES);
            ids[count++] = fixture->listed[i];
        }
        cursor = fixture->cursor;
        if (cursor.size) assert_int_equal(fixture->listed_count, limit);
    } while (cursor.size);
    return count;
}

static void pages_of_any_size_give_the_same_list(void **state)
{
    (void)state;
    static const uint32_t partitions[] = { 1, 7, 128 }, limits[] = { 1000, 599, 600, 100, 17, 3 };
    static struct pawl_bytes whole[INSTANCES], paged[INSTANCES];
    for (size_t p = 0; p < 3; p++) {
        struct fixture *fixture = filled(partitions[p]);
        assert_int_equal(list_all(fixture, "", 1000, whole), INSTANCES);
        for (uint32_t i = 0; i < INSTANCES; i++)
            for (uint32_t j = 0; j < i; j++) assert_false(pawl_bytes_is_equal(whole[i], whole[j]));
        for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
            assert_int_equal(list_all(fixture, "", limits[l], paged), INSTANCES);
            for (uint32_t i = 0; i < INSTANCES; i++)
                assert_true(pawl_bytes_is_equal(paged[i], whole[i]));
        }
        assert_int_equal(list_all(fixture, "third-", 50, paged), INSTANCES / 3);
        assert_int_equal(list_all(fixture, "nobody-", 50, paged), 0);
        fixture_free(fixture);
    }
}

static void a_page_costs_about_two_questions_to_each_partition(void **state)
{
    (void)state;
    struct fixture *fixture = filled(16);
    uint64_t before = fixture_operations(fixture);
    list(fixture, "", 100, PAWL_BYTES_ABSENT);
    assert_in_range(fixture_operations(fixture) - before, 16, 2 * 16);
    fixture_free(fixture);
}

/* A partition that looks at a thousand instances and finds nothing is asked on. */
static void what_a_filter_wants_is_found_behind_thousands_that_it_does_not(void **state)
{
    (void)state;
    for (uint32_t partitions = 1; partitions <= 3; partitions++) {
        struct pawl_node_config config = { .partitions = partitions };
        struct fixture *fixture = fixture_new(&config);
        for (int i = 0; i < 7500; i++) {
            char id[24];
            (void)snprintf(id, sizeof id, "%s%d", i < 3 || i == 4000 ? "rare-" : "i", i);
            fixture_start(fixture, id);
            fixture->answers_count = 0;
            if (i % 100 == 0) fixture_pass(fixture, 1);
        }
        struct pawl_bytes found[4];
        assert_int_equal(list_all(fixture, "rare-", 50, found), 4);
        assert_true(pawl_bytes_is_equal(found[0], PAWL_BYTES_LITERAL("rare-4000")));
        list(fixture, "rare-", 2, PAWL_BYTES_ABSENT);
        assert_int_equal(fixture->listed_count, 2);
        list(fixture, "rare-", 2, fixture->cursor);
        assert_int_equal(fixture->listed_count, 2);
        assert_int_equal(fixture->cursor.size, 0);
        fixture_free(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_filter_wants_is_found_behind_thousands_that_it_does_not),
        cmocka_unit_test(pages_of_any_size_give_the_same_list),
        cmocka_unit_test(a_page_costs_about_two_questions_to_each_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
