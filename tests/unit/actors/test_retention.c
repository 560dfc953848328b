/* Retention: what has ended goes by itself, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */
#include <stdio.h>

#include "base/bytes.h"
#include "tests/unit/actors/fixture.h"

#define WORKER  7u
#define KEPT_MS 10000

static struct fixture *new_fixture(void)
{
    struct pawl_node_config config = { .partitions = 4 };
    config.retention_ms[PAWL_STATUS_COMPLETED] = KEPT_MS;
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 1000, 100);
    return fixture;
}

static bool is_there(struct fixture *fixture, const char *instance)
{
    struct pawl_request get = { .op = PAWL_REQUEST_GET, .instance = pawl_bytes_str(instance) };
    fixture_call(fixture, &get);
    return fixture->answer_errs[fixture->answers_count - 1] == PAWL_OK;
}

static void run(struct fixture *fixture, const char *instance, enum pawl_status status)
{
    fixture_start(fixture, instance);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    end.status = status;
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &end);
}

static void only_what_ended_so_is_purged_and_not_before_its_time(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    run(fixture, "done", PAWL_STATUS_COMPLETED);
    run(fixture, "failed", PAWL_STATUS_FAILED);
    fixture_start(fixture, "runs");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
    fixture_pass(fixture, KEPT_MS - 1000);
    assert_true(is_there(fixture, "done"));
    fixture_pass(fixture, 4000);
    assert_false(is_there(fixture, "done"));
    fixture_pass(fixture, 10 * KEPT_MS);
    assert_true(is_there(fixture, "failed"));
    assert_true(is_there(fixture, "runs"));
    fixture_free(fixture);
}

static void one_that_was_started_again_has_its_time_anew(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    run(fixture, "i", PAWL_STATUS_COMPLETED);
    fixture_pass(fixture, KEPT_MS - 2000);
    run(fixture, "i", PAWL_STATUS_COMPLETED);
    fixture_pass(fixture, KEPT_MS - 2000);
    assert_true(is_there(fixture, "i"));
    fixture_pass(fixture, 5000);
    assert_false(is_there(fixture, "i"));
    fixture_free(fixture);
}

static void many_go_a_few_at_a_time_also_past_a_store_that_was_away(void **state)
{
    struct fixture *fixture = new_fixture();
    char id[32];
    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "i%d", i);
        fixture->answers_count = 0;
        run(fixture, id, PAWL_STATUS_COMPLETED);
    }
    fixture->store_away = true;
    fixture_pass(fixture, KEPT_MS + 5000);
    fixture->store_away = false;
    fixture->answers_count = 0;
    assert_true(is_there(fixture, "i0"));
    fixture_pass(fixture, 10000);
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "i%d", i);
        fixture->answers_count = 0;
        assert_false(is_there(fixture, id));
    }
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_ended_so_is_purged_and_not_before_its_time),
        cmocka_unit_test(one_that_was_started_again_has_its_time_anew),
        cmocka_unit_test(many_go_a_few_at_a_time_also_past_a_store_that_was_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
