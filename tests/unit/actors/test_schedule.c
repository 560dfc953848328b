/* Schedule: the engine starts runs by itself, each once, also when it dies in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "sdk/schedule.h"
#include "tests/unit/actors/fixture.h"

#define WORKER    7u
#define MINUTE_MS 60000

/* The fixture's time begins 40 s after a full minute. */
#define FIRST_MS  1020000
#define FIRST_RUN "s-19700101T001700Z"
#define NEXT_RUN  "s-19700101T001800Z"

static struct fixture *new_fixture(void)
{
    struct pawl_node_config config = { .partitions = 2 };
    return fixture_new(&config);
}

static pawl_err create(struct fixture *fixture, const struct pawl_schedule_spec *spec)
{
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .reuse = PAWL_REUSE_TERMINAL,
                                    .instance = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_PREFIX "s"),
                                    .name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME),
                                    .payload = pawl_schedule_spec_pack(&fixture->arena, spec) };
    fixture_call(fixture, &request);
    return fixture_last_err(fixture);
}

static void create_every_minute(struct fixture *fixture, enum pawl_overlap_policy overlap)
{
    struct pawl_schedule_spec spec = { .workflow = PAWL_BYTES_LITERAL("W"),
                                       .input = PAWL_BYTES_LITERAL("in"),
                                       .every_ms = MINUTE_MS,
                                       .overlap = overlap };
    assert_int_equal(create(fixture, &spec), PAWL_OK);
}

static pawl_err raise(struct fixture *fixture, const char *event, const char *request_id)
{
    struct pawl_request request = { .op = PAWL_REQUEST_RAISE,
                                    .instance = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_PREFIX "s"),
                                    .name = pawl_bytes_str(event),
                                    .request_id = pawl_bytes_str(request_id) };
    fixture_call(fixture, &request);
    return fixture_last_err(fixture);
}

static pawl_err control(struct fixture *fixture, enum pawl_request_op op, const char *instance)
{
    struct pawl_request request = { .op = op, .instance = pawl_bytes_str(instance), .force = true };
    fixture_call(fixture, &request);
    return fixture_last_err(fixture);
}

static struct pawl_schedule_state state_of(struct fixture *fixture)
{
    struct pawl_schedule_state schedule;
    assert_int_equal(fixture_status(fixture, PAWL_SCHEDULE_PREFIX "s"), PAWL_STATUS_RUNNING);
    assert_int_equal(pawl_schedule_state_unpack(fixture->answer_custom_status, &schedule), PAWL_OK);
    return schedule;
}

static bool is_there(struct fixture *fixture, const char *instance)
{
    return control(fixture, PAWL_REQUEST_GET, instance) == PAWL_OK;
}

/* The run is given to the worker and ends. */
static void complete_run(struct fixture *fixture, const char *instance)
{
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    assert_true(pawl_bytes_is_str(turn->turn.instance, instance));
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, 0);
    end.status = PAWL_STATUS_COMPLETED;
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &end);
}

static void runs_start_at_their_times_without_any_worker(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_ALLOW);
    fixture_pass(fixture, FIRST_MS - 1 - fixture->now_ms);
    assert_false(is_there(fixture, FIRST_RUN));
    fixture_pass(fixture, 1);
    assert_true(is_there(fixture, FIRST_RUN));
    assert_false(is_there(fixture, NEXT_RUN));
    fixture_pass(fixture, MINUTE_MS);
    assert_true(is_there(fixture, NEXT_RUN));
    struct pawl_schedule_state schedule = state_of(fixture);
    assert_int_equal(schedule.started, 2);
    assert_int_equal(schedule.next_ms, FIRST_MS + 2 * MINUTE_MS);
    assert_int_equal(schedule.recent[1].run.time_ms, FIRST_MS);
    fixture_free(fixture);
}

static void a_run_is_an_instance_like_any_other(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10);
    create_every_minute(fixture, PAWL_OVERLAP_SKIP);
    fixture_pass(fixture, MINUTE_MS);
    complete_run(fixture, FIRST_RUN);
    assert_int_equal(fixture_status(fixture, FIRST_RUN), PAWL_STATUS_COMPLETED);
    fixture_pass(fixture, MINUTE_MS);
    complete_run(fixture, NEXT_RUN);
    assert_int_equal(state_of(fixture).skipped, 0);
    fixture_free(fixture);
}

static void skip_leaves_out_what_overlaps(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_SKIP);
    fixture_pass(fixture, 3 * MINUTE_MS);
    assert_true(is_there(fixture, FIRST_RUN));
    assert_false(is_there(fixture, NEXT_RUN));
    assert_int_equal(state_of(fixture).skipped, 2);
    assert_int_equal(control(fixture, PAWL_REQUEST_TERMINATE, FIRST_RUN), PAWL_OK);
    fixture_pass(fixture, MINUTE_MS);
    assert_int_equal(state_of(fixture).started, 2);
    fixture_free(fixture);
}

static void buffer_starts_the_next_as_soon_as_the_last_has_ended(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_BUFFER_ONE);
    fixture_pass(fixture, 3 * MINUTE_MS + 5000);
    assert_int_equal(state_of(fixture).buffered.time_ms, FIRST_MS + MINUTE_MS);
    assert_int_equal(control(fixture, PAWL_REQUEST_TERMINATE, FIRST_RUN), PAWL_OK);
    assert_true(is_there(fixture, NEXT_RUN)); /* at once, not at the next poll */
    fixture_free(fixture);
}

static void terminate_ends_the_last_run_first(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_TERMINATE);
    fixture_pass(fixture, 2 * MINUTE_MS);
    assert_int_equal(fixture_status(fixture, FIRST_RUN), PAWL_STATUS_TERMINATED);
    assert_int_equal(fixture_status(fixture, NEXT_RUN), PAWL_STATUS_PENDING);
    fixture_free(fixture);
}

static void a_schedule_outlives_its_sidecar(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_ALLOW);
    fixture_restart(fixture);
    fixture_pass(fixture, MINUTE_MS);
    assert_true(is_there(fixture, FIRST_RUN));
    /* What came due while nobody was there is made up for. */
    fixture->now_ms += 2 * MINUTE_MS;
    fixture_restart(fixture);
    fixture_pass(fixture, 2000);
    assert_int_equal(state_of(fixture).started, 3);
    fixture_free(fixture);
}

static void a_start_whose_answer_was_lost_happens_once(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_ALLOW);
    fixture_pass(fixture, FIRST_MS - 1 - fixture->now_ms);
    fixture->reply_lost = PAWL_STORE_CREATE;
    fixture_pass(fixture, 1);
    fixture_restart(fixture); /* it has asked, and not heard */
    fixture_pass(fixture, 5000);
    struct pawl_schedule_state schedule = state_of(fixture);
    assert_int_equal(schedule.started, 1);
    assert_int_equal(schedule.failed, 0);
    assert_int_equal(schedule.starting.time_ms, 0);
    fixture_free(fixture);
}

static void a_store_that_is_away_delays_a_run_and_loses_none(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_ALLOW);
    fixture->store_away = true;
    fixture_pass(fixture, MINUTE_MS);
    fixture->store_away = false;
    fixture_pass(fixture, 15000);
    assert_true(is_there(fixture, FIRST_RUN));
    assert_int_equal(state_of(fixture).started, 1);
    fixture_free(fixture);
}

static void an_id_that_is_in_use_is_told_and_not_touched(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_start(fixture, FIRST_RUN);
    create_every_minute(fixture, PAWL_OVERLAP_SKIP);
    fixture_pass(fixture, 2 * MINUTE_MS);
    struct pawl_schedule_state schedule = state_of(fixture);
    assert_int_equal(schedule.failed, 1);
    assert_int_equal(schedule.started, 1);
    assert_int_equal(schedule.recent[1].outcome, PAWL_SCHEDULE_FAILED);
    assert_true(schedule.recent[1].message.size > 0);
    fixture_free(fixture);
}

static void pause_resume_and_trigger_are_durable(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_ALLOW);
    assert_int_equal(raise(fixture, PAWL_SCHEDULE_PAUSE, "p"), PAWL_OK);
    fixture_restart(fixture);
    fixture_pass(fixture, 2 * MINUTE_MS);
    assert_true(state_of(fixture).paused);
    assert_int_equal(state_of(fixture).started, 0);
    assert_int_equal(raise(fixture, PAWL_SCHEDULE_TRIGGER, "t"), PAWL_OK);
    assert_int_equal(raise(fixture, PAWL_SCHEDULE_TRIGGER, "t"), PAWL_OK); /* the same one */
    assert_int_equal(state_of(fixture).started, 1);
    assert_int_equal(raise(fixture, PAWL_SCHEDULE_RESUME, "r"), PAWL_OK);
    fixture_pass(fixture, MINUTE_MS);
    struct pawl_schedule_state schedule = state_of(fixture);
    assert_int_equal(schedule.started, 2);
    assert_int_equal(schedule.missed, 0);
    fixture_free(fixture);
}

static void a_deleted_schedule_starts_nothing_and_its_id_is_free(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_ALLOW);
    assert_int_equal(control(fixture, PAWL_REQUEST_PURGE, PAWL_SCHEDULE_PREFIX "s"), PAWL_OK);
    fixture_pass(fixture, 3 * MINUTE_MS);
    assert_false(is_there(fixture, FIRST_RUN));
    assert_int_equal(raise(fixture, PAWL_SCHEDULE_TRIGGER, "t"), PAWL_E_NOT_FOUND);
    create_every_minute(fixture, PAWL_OVERLAP_ALLOW);
    fixture_pass(fixture, MINUTE_MS);
    assert_int_equal(state_of(fixture).started, 1);
    fixture_free(fixture);
}

static void a_schedule_that_was_suspended_goes_on_when_it_is_resumed(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    create_every_minute(fixture, PAWL_OVERLAP_ALLOW);
    assert_int_equal(control(fixture, PAWL_REQUEST_SUSPEND, PAWL_SCHEDULE_PREFIX "s"), PAWL_OK);
    fixture_pass(fixture, 10 * MINUTE_MS); /* it has left memory */
    assert_false(is_there(fixture, FIRST_RUN));
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME, PAWL_SCHEDULE_PREFIX "s"), PAWL_OK);
    fixture_pass(fixture, 1000);
    assert_true(is_there(fixture, FIRST_RUN));
    fixture_restart(fixture);
    uint64_t started = state_of(fixture).started;
    fixture_pass(fixture, 2 * MINUTE_MS);
    assert_int_equal(state_of(fixture).started, started + 2);
    fixture_free(fixture);
}

static void a_schedule_far_ahead_is_not_in_memory_and_costs_nothing(void **state)
{
    struct fixture *fixture = new_fixture();
    struct pawl_schedule_spec spec = { .workflow = PAWL_BYTES_LITERAL("W"),
                                       .cron = PAWL_BYTES_LITERAL("0 1 1 1 *") };
    (void)state;
    assert_int_equal(create(fixture, &spec), PAWL_OK);
    fixture_pass(fixture, 60000);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 0);
    uint64_t operations = fixture_operations(fixture);
    fixture_pass(fixture, 1200000);
    assert_int_equal(fixture_operations(fixture), operations);
    fixture_pass(fixture, 3600000 - fixture->now_ms);
    assert_true(is_there(fixture, "s-19700101T010000Z"));
    fixture_free(fixture);
}

static void a_zone_that_is_not_there_is_refused(void **state)
{
    struct fixture *fixture = new_fixture();
    struct pawl_schedule_spec spec = { .workflow = PAWL_BYTES_LITERAL("W"),
                                       .cron = PAWL_BYTES_LITERAL("0 0 2 1 *"),
                                       .timezone = PAWL_BYTES_LITERAL("Mars/Olympus") };
    (void)state;
    assert_int_equal(create(fixture, &spec), PAWL_E_INVALID);
    assert_false(is_there(fixture, PAWL_SCHEDULE_PREFIX "s"));
    fixture_free(fixture);
}

static void what_is_no_schedule_fails_and_says_so(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    /* Past the check of requests, as a child of some workflow comes. */
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .instance = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_PREFIX "bad"),
                                    .name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME),
                                    .payload = PAWL_BYTES_LITERAL("nonsense") };
    fixture_call(fixture, &request);
    assert_int_equal(fixture_status(fixture, PAWL_SCHEDULE_PREFIX "bad"), PAWL_STATUS_FAILED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "InvalidSchedule"));
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_start_at_their_times_without_any_worker),
        cmocka_unit_test(a_run_is_an_instance_like_any_other),
        cmocka_unit_test(skip_leaves_out_what_overlaps),
        cmocka_unit_test(buffer_starts_the_next_as_soon_as_the_last_has_ended),
        cmocka_unit_test(terminate_ends_the_last_run_first),
        cmocka_unit_test(a_schedule_outlives_its_sidecar),
        cmocka_unit_test(a_start_whose_answer_was_lost_happens_once),
        cmocka_unit_test(a_store_that_is_away_delays_a_run_and_loses_none),
        cmocka_unit_test(an_id_that_is_in_use_is_told_and_not_touched),
        cmocka_unit_test(pause_resume_and_trigger_are_durable),
        cmocka_unit_test(a_deleted_schedule_starts_nothing_and_its_id_is_free),
        cmocka_unit_test(a_schedule_that_was_suspended_goes_on_when_it_is_resumed),
        cmocka_unit_test(a_schedule_far_ahead_is_not_in_memory_and_costs_nothing),
        cmocka_unit_test(a_zone_that_is_not_there_is_refused),
        cmocka_unit_test(what_is_no_schedule_fails_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
