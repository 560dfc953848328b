/* Request check: every rule at its edge, and a message that names the field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "samples.h"

static struct pawl_arena arena;

static int setup(void **state)
{
    (void)state;
    pawl_arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pawl_arena_deinit(&arena);
    return 0;
}

static void assert_passes(const struct pawl_request *request)
{
    struct pawl_bytes message = PAWL_BYTES_LITERAL("untouched");
    assert_int_equal(pawl_request_check(request, &arena, &message), PAWL_OK);
    assert_true(pawl_bytes_is_str(message, "untouched"));
}

static void assert_refused(const struct pawl_request *request, pawl_err err, const char *expected)
{
    struct pawl_bytes message = PAWL_BYTES_ABSENT;
    assert_int_equal(pawl_request_check(request, &arena, &message), err);
    assert_false(pawl_bytes_is_absent(message));
    if (!strstr((const char *)message.data, expected))
        assert_string_equal((const char *)message.data, expected);
}

static struct pawl_bytes letters(size_t size)
{
    uint8_t *data = pawl_arena_alloc(&arena, size);
    memset(data, 'x', size);
    return pawl_bytes_make(data, size);
}

static void a_good_request_of_each_op_passes(void **state)
{
    (void)state;
    for (int op = PAWL_REQUEST_START; op <= PAWL_REQUEST_RERUN; op++) {
        struct pawl_request request = pawl_sample_request(op);
        assert_passes(&request);
    }
}

static void an_unknown_op_is_refused(void **state)
{
    (void)state;
    struct pawl_request request = { .op = (enum pawl_request_op)0 };
    assert_refused(&request, PAWL_E_INVALID, "op is 0; 1 (start) to 17 (import) are known");
    request.op = (enum pawl_request_op)18;
    assert_refused(&request, PAWL_E_INVALID, "op is 18");
}

static void every_op_but_start_and_list_needs_an_instance(void **state)
{
    (void)state;
    for (int op = PAWL_REQUEST_START; op <= PAWL_REQUEST_RERUN; op++) {
        struct pawl_request request = pawl_sample_request(op);
        request.instance = PAWL_BYTES_ABSENT;
        if (op == PAWL_REQUEST_START || op == PAWL_REQUEST_LIST)
            assert_passes(&request);
        else
            assert_refused(&request, PAWL_E_INVALID, "instance is missing");
    }
}

static void an_instance_id_has_1_to_256_bytes(void **state)
{
    (void)state;
    for (int op = PAWL_REQUEST_START; op <= PAWL_REQUEST_RERUN; op++) {
        if (op == PAWL_REQUEST_LIST) continue;
        struct pawl_request request = pawl_sample_request(op);
        request.instance = letters(PAWL_INSTANCE_ID_SIZE_MAX);
        assert_passes(&request);
        request.instance = letters(PAWL_INSTANCE_ID_SIZE_MAX + 1);
        assert_refused(&request, PAWL_E_INVALID, "instance has 257 bytes; 1 to 256 bytes");
        request.instance = PAWL_BYTES_LITERAL("");
        assert_refused(&request, PAWL_E_INVALID, "instance is empty");
    }
}

static void an_instance_id_is_utf8_without_control_characters(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_GET);
    request.instance = PAWL_BYTES_LITERAL("Zürich/ñ|€ {1} \xf0\x9f\x90\xbe");
    assert_passes(&request);
    request.instance = PAWL_BYTES_LITERAL("a\nb");
    assert_refused(&request, PAWL_E_INVALID, "instance contains a control character");
    request.instance = PAWL_BYTES_LITERAL("a\0b");
    assert_refused(&request, PAWL_E_INVALID, "instance contains a control character");
    request.instance = PAWL_BYTES_LITERAL("a\xff");
    assert_refused(&request, PAWL_E_INVALID, "instance is not valid UTF-8");
}

static void a_start_needs_a_name(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_START);
    request.name = PAWL_BYTES_ABSENT;
    assert_refused(&request, PAWL_E_INVALID, "name is missing");
    request.name = letters(PAWL_NAME_SIZE_MAX);
    assert_passes(&request);
    request.name = letters(PAWL_NAME_SIZE_MAX + 1);
    assert_refused(&request, PAWL_E_INVALID, "name has 257 bytes");
}

static void a_start_checks_its_other_fields(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_START);
    request.version = letters(PAWL_NAME_SIZE_MAX + 1);
    assert_refused(&request, PAWL_E_INVALID, "version has 257 bytes");

    request = pawl_sample_request(PAWL_REQUEST_START);
    request.request_id = letters(PAWL_REQUEST_ID_SIZE_MAX);
    assert_passes(&request);
    request.request_id = letters(PAWL_REQUEST_ID_SIZE_MAX + 1);
    assert_refused(&request, PAWL_E_INVALID, "request_id has 129 bytes; 1 to 128");

    request = pawl_sample_request(PAWL_REQUEST_START);
    request.extra = letters(PAWL_EXTRA_SIZE_MAX);
    assert_passes(&request);
    request.extra = letters(PAWL_EXTRA_SIZE_MAX + 1);
    assert_refused(&request, PAWL_E_TOO_LARGE, "extra has 4097 bytes");

    request = pawl_sample_request(PAWL_REQUEST_START);
    request.start_at_ms = -1;
    assert_refused(&request, PAWL_E_INVALID, "start_at_ms is -1");
    request.start_at_ms = 0;
    request.reuse = (enum pawl_reuse)4;
    assert_refused(&request, PAWL_E_INVALID, "reuse is 4; 0 to 3 are allowed");

    request = (struct pawl_request){ .op = PAWL_REQUEST_START, .name = letters(1) };
    assert_passes(&request);
}

static void a_payload_may_have_4_mib(void **state)
{
    (void)state;
    static const struct {
        enum pawl_request_op op;
        const char *message;
    } cases[] = {
        { PAWL_REQUEST_START, "input has 4194305 bytes; at most 4194304 are allowed" },
        { PAWL_REQUEST_RAISE, "event payload has 4194305 bytes" },
        { PAWL_REQUEST_SUSPEND, "reason has 4194305 bytes" },
        { PAWL_REQUEST_RESUME, "reason has 4194305 bytes" },
        { PAWL_REQUEST_TERMINATE, "output has 4194305 bytes" },
        { PAWL_REQUEST_RERUN, "input has 4194305 bytes" },
    };
    struct pawl_bytes large = letters(PAWL_PAYLOAD_SIZE_MAX + 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pawl_request request = pawl_sample_request((int)cases[i].op);
        request.payload = pawl_bytes_make(large.data, PAWL_PAYLOAD_SIZE_MAX);
        assert_passes(&request);
        request.payload = large;
        assert_refused(&request, PAWL_E_TOO_LARGE, cases[i].message);
    }
}

static void a_wait_says_for_what_and_how_long(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_WAIT);
    request.wait_for = PAWL_WAIT_STARTED;
    request.timeout_ms = 0;
    assert_passes(&request);
    request.timeout_ms = PAWL_WAIT_MS_MAX;
    assert_passes(&request);
    request.timeout_ms = PAWL_WAIT_MS_MAX + INT64_C(1);
    assert_refused(&request, PAWL_E_INVALID, "timeout_ms is 3600001; 0 to 3600000 are allowed");
    request.timeout_ms = -1;
    assert_refused(&request, PAWL_E_INVALID, "timeout_ms is -1");
    request.timeout_ms = 0;
    request.wait_for = (enum pawl_wait_for)0;
    assert_refused(&request, PAWL_E_INVALID, "wait_for is 0; 1 to 2 are allowed");
    request.wait_for = (enum pawl_wait_for)3;
    assert_refused(&request, PAWL_E_INVALID, "wait_for is 3");
}

static void a_raised_event_needs_a_name(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_RAISE);
    request.request_id = PAWL_BYTES_ABSENT;
    request.payload = PAWL_BYTES_ABSENT;
    assert_passes(&request);
    request.name = PAWL_BYTES_ABSENT;
    assert_refused(&request, PAWL_E_INVALID, "event name is missing");
    request.name = PAWL_BYTES_LITERAL("a\tb");
    assert_refused(&request, PAWL_E_INVALID, "event name contains a control character");
    request = pawl_sample_request(PAWL_REQUEST_RAISE);
    request.request_id = PAWL_BYTES_LITERAL("");
    assert_refused(&request, PAWL_E_INVALID, "request_id is empty");
}

static void a_list_checks_filters_and_limit(void **state)
{
    (void)state;
    struct pawl_request request = { .op = PAWL_REQUEST_LIST };
    assert_passes(&request);
    request.prefix = PAWL_BYTES_LITERAL("");
    assert_passes(&request);
    request.limit = PAWL_QUERY_ITEMS_MAX;
    request.status_mask = (1u << PAWL_STATUS_COUNT) - 1;
    assert_passes(&request);
    request.limit = PAWL_QUERY_ITEMS_MAX + 1;
    assert_refused(&request, PAWL_E_INVALID, "limit is 1001; 0 to 1000 are allowed");
    request.limit = 0;
    request.status_mask = 1u << PAWL_STATUS_COUNT;
    assert_refused(&request, PAWL_E_INVALID, "status_mask is 512; 0 to 511 are allowed");
    request.status_mask = 0;
    request.prefix = letters(PAWL_INSTANCE_ID_SIZE_MAX + 1);
    assert_refused(&request, PAWL_E_INVALID, "prefix has 257 bytes");
    request.prefix = PAWL_BYTES_ABSENT;
    request.name = PAWL_BYTES_LITERAL("");
    assert_refused(&request, PAWL_E_INVALID, "name is empty");
    request.name = PAWL_BYTES_ABSENT;
    request.cursor = letters(PAWL_CURSOR_SIZE_MAX);
    assert_passes(&request);
    request.cursor = letters(PAWL_CURSOR_SIZE_MAX + 1);
    assert_refused(&request, PAWL_E_INVALID, "cursor has 1025 bytes");
}

static void a_list_checks_its_times(void **state)
{
    (void)state;
    struct pawl_request request = { .op = PAWL_REQUEST_LIST, .created_from_ms = 5 };
    assert_passes(&request);
    request.created_to_ms = 6;
    assert_passes(&request);
    request.created_to_ms = 5;
    assert_refused(&request, PAWL_E_INVALID, "created_to_ms is 5, not after created_from_ms (5)");
    request.created_to_ms = -1;
    assert_refused(&request, PAWL_E_INVALID, "created_to_ms is -1");
    request.created_from_ms = -7;
    assert_refused(&request, PAWL_E_INVALID, "created_from_ms is -7");
}

static void a_filter_checks_its_tags_and_all_its_times(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_COUNT);
    assert_passes(&request);
    request.completed_to_ms = request.completed_from_ms;
    assert_refused(&request, PAWL_E_INVALID, "not after completed_from_ms");
    request.completed_to_ms = 0;
    request.updated_to_ms = 1;
    assert_refused(&request, PAWL_E_INVALID, "updated_to_ms is 1, not after");
    request.updated_to_ms = 0;
    request.order = (enum pawl_list_order)9;
    assert_refused(&request, PAWL_E_INVALID, "order is 9");
    request.order = PAWL_LIST_DEFAULT;
    request.tags = PAWL_BYTES_LITERAL("no tags");
    assert_refused(&request, PAWL_E_INVALID, "tags cannot be read");
    request = pawl_sample_request(PAWL_REQUEST_START);
    request.tags = PAWL_BYTES_LITERAL("no tags");
    assert_refused(&request, PAWL_E_INVALID, "tags cannot be read");
}

static void a_batch_without_any_filter_must_mean_all(void **state)
{
    (void)state;
    struct pawl_request request = { .op = PAWL_REQUEST_BATCH, .batch_op = PAWL_REQUEST_TERMINATE };
    assert_refused(&request, PAWL_E_INVALID, "matches every instance");
    request.status_mask = (1u << PAWL_STATUS_COUNT) - 1;
    assert_refused(&request, PAWL_E_INVALID, "matches every instance");
    request.all = true;
    assert_passes(&request);
    request.all = false;
    request.status_mask = 1u << PAWL_STATUS_RUNNING;
    assert_passes(&request);
    request.status_mask = 0;
    request.prefix = PAWL_BYTES_LITERAL("a");
    assert_passes(&request);
    request.prefix = PAWL_BYTES_ABSENT;
    request.completed_to_ms = 7;
    assert_passes(&request);
}

static void a_batch_checks_what_it_does(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_BATCH);
    assert_passes(&request);
    request.event_name = PAWL_BYTES_ABSENT;
    assert_refused(&request, PAWL_E_INVALID, "event name is missing");
    request.batch_op = PAWL_REQUEST_START;
    assert_refused(&request, PAWL_E_INVALID, "batch_op is 1; terminate, suspend, resume, purge");
    request.batch_op = PAWL_REQUEST_PURGE;
    assert_passes(&request);
    assert_int_equal(pawl_request_batch_mask(&request),
                     1u << PAWL_STATUS_COMPLETED | 1u << PAWL_STATUS_FAILED
                         | 1u << PAWL_STATUS_CANCELED | 1u << PAWL_STATUS_TERMINATED);
    request.force = true;
    assert_int_equal(pawl_request_batch_mask(&request), 0);
    request.batch_op = PAWL_REQUEST_RESUME;
    assert_int_equal(pawl_request_batch_mask(&request),
                     1u << PAWL_STATUS_SUSPENDED | 1u << PAWL_STATUS_STALLED);
}

static void a_history_page_has_at_most_512_events(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_HISTORY);
    request.limit = 0;
    request.from = UINT32_MAX;
    assert_passes(&request);
    request.limit = PAWL_LOAD_HISTORY_MAX;
    assert_passes(&request);
    request.limit = PAWL_LOAD_HISTORY_MAX + 1;
    assert_refused(&request, PAWL_E_INVALID, "limit is 513; 0 to 512 are allowed");
}

static void a_rerun_checks_the_new_instance(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_RERUN);
    request.new_instance = PAWL_BYTES_ABSENT;
    request.payload = PAWL_BYTES_ABSENT;
    assert_passes(&request);
    request.new_instance = letters(PAWL_INSTANCE_ID_SIZE_MAX + 1);
    assert_refused(&request, PAWL_E_INVALID, "new_instance has 257 bytes");
}

static void the_first_problem_is_the_one_told(void **state)
{
    (void)state;
    struct pawl_request request = pawl_sample_request(PAWL_REQUEST_WAIT);
    request.instance = PAWL_BYTES_LITERAL("");
    request.timeout_ms = -1;
    assert_refused(&request, PAWL_E_INVALID, "instance is empty");
}

static void ops_have_names(void **state)
{
    (void)state;
    assert_string_equal(pawl_request_op_name(PAWL_REQUEST_START), "start");
    assert_string_equal(pawl_request_op_name(PAWL_REQUEST_RAISE), "raise-event");
    assert_null(pawl_request_op_name(0));
    assert_string_equal(pawl_request_op_name(PAWL_REQUEST_BATCH), "batch");
    assert_string_equal(pawl_request_op_name(PAWL_REQUEST_REWIND), "rewind");
    assert_string_equal(pawl_request_op_name(PAWL_REQUEST_IMPORT), "import");
    assert_null(pawl_request_op_name(18));
}

static void an_import_is_of_a_workflow_and_of_no_schedule(void **state)
{
    (void)state;
    struct pawl_request request = { .op = PAWL_REQUEST_IMPORT,
                                    .instance = PAWL_BYTES_LITERAL("i"),
                                    .payload = letters(PAWL_SEED_SIZE_MAX) };
    assert_refused(&request, PAWL_E_INVALID, "name is missing");
    request.name = PAWL_BYTES_LITERAL("pawl.Schedule");
    assert_refused(&request, PAWL_E_INVALID, "a schedule cannot be imported");
    request.name = PAWL_BYTES_LITERAL("W");
    struct pawl_bytes message = PAWL_BYTES_ABSENT;
    assert_int_equal(pawl_request_check(&request, &arena, &message), PAWL_OK);
    request.payload = letters(PAWL_SEED_SIZE_MAX + 1);
    assert_refused(&request, PAWL_E_TOO_LARGE, "the history has 16777217 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_request_of_each_op_passes),
        cmocka_unit_test(an_unknown_op_is_refused),
        cmocka_unit_test(every_op_but_start_and_list_needs_an_instance),
        cmocka_unit_test(an_instance_id_has_1_to_256_bytes),
        cmocka_unit_test(an_instance_id_is_utf8_without_control_characters),
        cmocka_unit_test(a_start_needs_a_name),
        cmocka_unit_test(a_start_checks_its_other_fields),
        cmocka_unit_test(a_payload_may_have_4_mib),
        cmocka_unit_test(a_wait_says_for_what_and_how_long),
        cmocka_unit_test(a_raised_event_needs_a_name),
        cmocka_unit_test(a_list_checks_filters_and_limit),
        cmocka_unit_test(a_list_checks_its_times),
        cmocka_unit_test(a_filter_checks_its_tags_and_all_its_times),
        cmocka_unit_test(a_batch_without_any_filter_must_mean_all),
        cmocka_unit_test(a_batch_checks_what_it_does),
        cmocka_unit_test(a_history_page_has_at_most_512_events),
        cmocka_unit_test(a_rerun_checks_the_new_instance),
        cmocka_unit_test(the_first_problem_is_the_one_told),
        cmocka_unit_test(ops_have_names),
        cmocka_unit_test(an_import_is_of_a_workflow_and_of_no_schedule),
    };
    return cmocka_run_group_tests_name("request", tests, setup, teardown);
}
