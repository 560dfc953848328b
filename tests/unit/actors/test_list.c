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
#include "sdk/schedule.h"
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

/* Orders, counts and batches ----------------------------------------------------------------- */

static void terminate(struct fixture *fixture, const char *id)
{
    fixture->answers_count = 0;
    struct pawl_request request = { .op = PAWL_REQUEST_TERMINATE, .instance = pawl_bytes_str(id) };
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answers_count, 1);
    assert_int_equal(fixture->answer_errs[0], PAWL_OK);
}

/* "a0" … "a9"; those with an even number have ended, the highest first. */
static struct fixture *half_ended(void)
{
    struct pawl_node_config config = { .partitions = 3 };
    struct fixture *fixture = fixture_new(&config);
    for (int i = 0; i < 10; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "a%d", i);
        fixture_start(fixture, id);
        fixture_pass(fixture, 1);
    }
    for (int i = 8; i >= 0; i -= 2) {
        char id[16];
        (void)snprintf(id, sizeof id, "a%d", i);
        terminate(fixture, id);
        fixture_pass(fixture, 1);
    }
    return fixture;
}

static void assert_listed(struct fixture *fixture, const struct pawl_request *asked,
                          const char *expected)
{
    char got[128] = "";
    struct pawl_request request = *asked;
    do {
        fixture->answers_count = 0;
        fixture_call(fixture, &request);
        assert_int_equal(fixture->answer_errs[0], PAWL_OK);
        for (uint32_t i = 0; i < fixture->listed_count; i++) {
            size_t used = strlen(got);
            (void)snprintf(got + used, sizeof got - used, "%.*s ",
                           PAWL_BYTES_FMT(fixture->listed[i]));
        }
        request.cursor = fixture->cursor;
    } while (request.cursor.size);
    assert_string_equal(got, expected);
}

static void lists_come_in_the_order_that_their_filter_asks_for(void **state)
{
    (void)state;
    struct fixture *fixture = half_ended();
    for (uint32_t limit = 1; limit <= 10; limit += 3) {
        struct pawl_request request = { .op = PAWL_REQUEST_LIST, .limit = limit };
        request.order = PAWL_LIST_COMPLETED;
        assert_listed(fixture, &request, "a0 a2 a4 a6 a8 ");
        request.order = PAWL_LIST_DEFAULT;
        request.completed_from_ms = 1;
        assert_listed(fixture, &request, "a0 a2 a4 a6 a8 ");
        request.completed_from_ms = 0;
        request.updated_from_ms = 1; /* what has not ended, then what has */
        assert_listed(fixture, &request, "a9 a7 a5 a3 a1 a0 a2 a4 a6 a8 ");
        request.status_mask = 1u << PAWL_STATUS_TERMINATED;
        assert_listed(fixture, &request, "a0 a2 a4 a6 a8 ");
        request = (struct pawl_request){ .op = PAWL_REQUEST_LIST, .limit = limit };
        request.order = PAWL_LIST_ID;
        assert_listed(fixture, &request, "a9 a8 a7 a6 a5 a4 a3 a2 a1 a0 ");
    }
    fixture_free(fixture);
}

static void a_cursor_of_another_order_is_refused(void **state)
{
    (void)state;
    struct fixture *fixture = half_ended();
    static const char *const wrong[] = { "c12|a1", "e12|a1", "x12|a1", "12|a1", "i|a1", "i0", "" };
    for (size_t i = 0; wrong[i][0]; i++) {
        struct pawl_request request = { .op = PAWL_REQUEST_LIST,
                                        .order = PAWL_LIST_ID,
                                        .cursor = pawl_bytes_str(wrong[i]) };
        fixture->answers_count = 0;
        fixture_call(fixture, &request);
        assert_int_equal(fixture->answer_errs[0], PAWL_E_INVALID);
    }
    fixture_free(fixture);
}

static void tags_stay_with_an_instance_and_find_it(void **state)
{
    (void)state;
    struct fixture *fixture = half_ended();
    struct pawl_request start = { .op = PAWL_REQUEST_START,
                                  .instance = PAWL_BYTES_LITERAL("tagged"),
                                  .name = PAWL_BYTES_LITERAL("w"),
                                  .tags = PAWL_BYTES_LITERAL("\x92\xa1t\xa1x") };
    fixture_call(fixture, &start);
    struct pawl_request request = { .op = PAWL_REQUEST_LIST, .tags = start.tags };
    assert_listed(fixture, &request, "tagged ");
    fixture_free(fixture);
}

#define LIVE  (1u << PAWL_STATUS_PENDING | 1u << PAWL_STATUS_RUNNING)
#define ENDED (1u << PAWL_STATUS_TERMINATED)

static void assert_counted(struct fixture *fixture, struct pawl_request request, uint32_t mask,
                           uint64_t expected)
{
    request.op = PAWL_REQUEST_COUNT;
    fixture->answers_count = 0;
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answer_errs[0], PAWL_OK);
    uint64_t count = 0;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        if (mask >> i & 1) count += fixture->answer_counts[i];
    assert_int_equal(count, expected);
}

static void instances_are_counted_by_status(void **state)
{
    (void)state;
    struct fixture *fixture = half_ended();
    assert_counted(fixture, (struct pawl_request){ .limit = 1 }, LIVE, 5);
    assert_counted(fixture, (struct pawl_request){ .limit = 1 }, ENDED, 5);
    assert_counted(fixture, (struct pawl_request){ .status_mask = LIVE }, LIVE, 5);
    assert_counted(fixture, (struct pawl_request){ .status_mask = LIVE }, ENDED, 0);
    assert_counted(fixture, (struct pawl_request){ .updated_from_ms = 1 }, LIVE, 5);
    assert_counted(fixture, (struct pawl_request){ .updated_from_ms = 1 }, ENDED, 5);
    struct pawl_request prefix = { .prefix = PAWL_BYTES_LITERAL("a8") };
    assert_counted(fixture, prefix, LIVE | ENDED, 1);
    fixture_free(fixture);
}

static void listed_are(struct fixture *fixture, struct pawl_request request, uint32_t count)
{
    request.op = PAWL_REQUEST_LIST;
    fixture->answers_count = 0;
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answer_errs[0], PAWL_OK);
    assert_int_equal(fixture->listed_count, count);
}

static void schedules_are_left_out_unless_they_are_asked_for(void **state)
{
    (void)state;
    struct pawl_node_config config = { .partitions = 3 };
    struct fixture *fixture = fixture_new(&config);
    for (int i = 0; i < 5; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "pawl.schedule:s%d", i);
        struct pawl_request request = { .op = PAWL_REQUEST_START,
                                        .instance = pawl_bytes_str(id),
                                        .name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME) };
        struct pawl_schedule_spec spec = { .workflow = PAWL_BYTES_LITERAL("W"),
                                           .every_ms = 3600000 };
        request.payload = pawl_schedule_spec_pack(&fixture->arena, &spec);
        fixture_call(fixture, &request);
        fixture_pass(fixture, 1);
        (void)snprintf(id, sizeof id, "pawl.s%d", i);
        fixture_start(fixture, id);
        fixture->answers_count = 0;
    }
    struct pawl_request any = { .limit = 2 };
    listed_are(fixture, any, 2);
    assert_true(fixture->cursor.size > 0);
    any.limit = 10;
    listed_are(fixture, any, 5);
    for (uint32_t i = 0; i < 5; i++) assert_true(fixture->listed[i].size == strlen("pawl.s0"));
    assert_counted(fixture, any, UINT32_MAX, 5);
    struct pawl_request prefixed = { .limit = 10, .prefix = PAWL_BYTES_LITERAL("pawl.") };
    listed_are(fixture, prefixed, 5);
    assert_counted(fixture, prefixed, UINT32_MAX, 5);
    prefixed.prefix = PAWL_BYTES_LITERAL("pawl.schedule:");
    listed_are(fixture, prefixed, 5);
    assert_counted(fixture, prefixed, UINT32_MAX, 5);
    struct pawl_request named = { .limit = 10, .name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME) };
    listed_are(fixture, named, 5);
    assert_counted(fixture, named, UINT32_MAX, 5);
    struct pawl_request updated = { .limit = 10, .updated_from_ms = 1 };
    listed_are(fixture, updated, 5);
    assert_counted(fixture, updated, UINT32_MAX, 5);
    fixture_free(fixture);
}

static void a_batch_goes_page_by_page_and_says_what_failed(void **state)
{
    (void)state;
    struct fixture *fixture = half_ended();
    struct pawl_request request = {
        .op = PAWL_REQUEST_BATCH, .batch_op = PAWL_REQUEST_TERMINATE, .all = true, .limit = 3
    };
    fixture->answers_count = 0;
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answer_errs[0], PAWL_OK);
    assert_int_equal(fixture->answer_batch.matched, 3);
    assert_int_equal(fixture->answer_batch.done, 3);
    request.cursor = fixture->cursor;
    fixture->answers_count = 0;
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answer_batch.matched, 2);
    assert_int_equal(fixture->cursor.size, 0);
    assert_counted(fixture, (struct pawl_request){ .limit = 1 }, ENDED, 10);

    request = (struct pawl_request){ .op = PAWL_REQUEST_BATCH,
                                     .batch_op = PAWL_REQUEST_SUSPEND,
                                     .status_mask = ENDED };
    fixture->answers_count = 0;
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answer_errs[0], PAWL_OK);
    assert_int_equal(fixture->answer_batch.matched, 10);
    assert_int_equal(fixture->answer_batch.failed, 10);
    request.batch_op = PAWL_REQUEST_PURGE;
    fixture->answers_count = 0;
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answer_batch.done, 10);
    assert_counted(fixture, (struct pawl_request){ .limit = 1 }, LIVE | ENDED, 0);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_filter_wants_is_found_behind_thousands_that_it_does_not),
        cmocka_unit_test(pages_of_any_size_give_the_same_list),
        cmocka_unit_test(a_page_costs_about_two_questions_to_each_partition),
        cmocka_unit_test(lists_come_in_the_order_that_their_filter_asks_for),
        cmocka_unit_test(a_cursor_of_another_order_is_refused),
        cmocka_unit_test(tags_stay_with_an_instance_and_find_it),
        cmocka_unit_test(instances_are_counted_by_status),
        cmocka_unit_test(schedules_are_left_out_unless_they_are_asked_for),
        cmocka_unit_test(a_batch_goes_page_by_page_and_says_what_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
