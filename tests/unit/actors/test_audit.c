/* Audit: each way in which a history, the pending operations and the inbox can disagree
 * is found by name; real runs have no findings; and what an instance waits for is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include "actors/audit.h"
#include "actors/envelope.h"
#include "base/bytes.h"
#include "state/audit_walk.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u
#define NOW_MS 5000

static char found[4096]; /* "RULE subject\n" each */
static struct pawl_arena arena;

static void on_finding(void *context, const struct pawl_finding *finding)
{
    (void)context;
    size_t used = strlen(found);
    int size = snprintf(found + used, sizeof found - used, "%s %.*s\n",
                        pawl_audit_rule_name(finding->rule), PAWL_BYTES_FMT(finding->subject));
    assert_true(size > 0 && (size_t)size < sizeof found - used);
    assert_true(finding->text.size > 10);
}

/* An instance made of rows ---------------------------------------------------------------- */

#define ROWS_MAX 16

struct rows {
    struct pawl_stored_instance stored;
    struct pawl_bytes history[ROWS_MAX];
    struct pawl_stored_pending pending[ROWS_MAX];
    struct pawl_stored_inbox inbox[ROWS_MAX];
};

static void rows_init(struct rows *rows)
{
    memset(rows, 0, sizeof *rows);
    rows->stored.is_there = true;
    rows->stored.metadata.gen = 1;
    rows->stored.metadata.status = PAWL_STATUS_RUNNING;
    rows->stored.history = rows->history;
    rows->stored.pending = rows->pending;
    rows->stored.inbox = rows->inbox;
}

static struct pawl_history_event event_of(enum pawl_event_kind kind, int32_t id, int32_t ref)
{
    struct pawl_history_event event = pawl_history_event_make(kind, 1000);
    event.id = id;
    event.ref = ref;
    event.name = PAWL_BYTES_LITERAL("n");
    event.instance = PAWL_BYTES_LITERAL("kid");
    return event;
}

static void add_event(struct rows *rows, const struct pawl_history_event *event)
{
    rows->history[rows->stored.history_count++] = pawl_history_event_pack(&arena, event);
    rows->stored.metadata.history_count++;
}

static void add(struct rows *rows, enum pawl_event_kind kind, int32_t id, int32_t ref)
{
    struct pawl_history_event event = event_of(kind, id, ref);
    add_event(rows, &event);
}

static void add_pending(struct rows *rows, char kind, uint32_t id, uint32_t index,
                        enum pawl_pending_state state)
{
    struct pawl_op op = { kind, id };
    rows->pending[rows->stored.pending_count++] = (struct pawl_stored_pending){
        .row = { .op = op, .nonce = 100 + id, .state = state, .history_index = index },
        .name = pawl_arena_printf(&arena, "%c:%u", kind, id),
        .has_reminder = true
    };
}

static void add_arrival(struct rows *rows, uint32_t gen, uint64_t nonce)
{
    struct pawl_history_event event = event_of(PAWL_EVENT_TASK_COMPLETED, -1, 0);
    const struct pawl_inbox_body body = { .gen = gen,
                                          .nonce = nonce,
                                          .event = pawl_history_event_pack(&arena, &event) };
    rows->inbox[rows->stored.inbox_count++] =
        (struct pawl_stored_inbox){ .row.body = pawl_inbox_body_pack(&arena, &body) };
    rows->stored.metadata.inbox_tail++;
}

static const char *audit(struct rows *rows)
{
    const struct pawl_audit to = { .report = on_finding, .arena = &arena, .now_ms = NOW_MS };
    struct pawl_instance_audit *instance = pawl_instance_audit_new();
    found[0] = 0;
    /* Twice: what the first one left behind must not matter. */
    pawl_instance_audit_page(instance, &to, PAWL_BYTES_LITERAL("i"), &rows->stored, true, true);
    found[0] = 0;
    pawl_instance_audit_page(instance, &to, PAWL_BYTES_LITERAL("i"), &rows->stored, true, true);
    pawl_instance_audit_free(instance);
    return found;
}

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

static void a_history_that_follows_the_rules_has_no_findings(void **state)
{
    struct rows rows;
    (void)state;
    rows_init(&rows);
    add(&rows, PAWL_EVENT_WORKFLOW_STARTED, -1, -1);
    add(&rows, PAWL_EVENT_EXECUTION_STARTED, -1, -1);
    add(&rows, PAWL_EVENT_TASK_SCHEDULED, 0, -1);
    add(&rows, PAWL_EVENT_TIMER_CREATED, 1, -1);
    add(&rows, PAWL_EVENT_CHILD_CREATED, 2, -1);
    add(&rows, PAWL_EVENT_EVENT_SENT, 3, -1);
    add(&rows, PAWL_EVENT_DETACHED_CREATED, 4, -1);
    add(&rows, PAWL_EVENT_TASK_COMPLETED, -1, 0);
    add(&rows, PAWL_EVENT_TIMER_CANCELLED, -1, 1);
    add_pending(&rows, 'c', 2, 4, PAWL_PENDING_DELIVERED);
    add_arrival(&rows, 1, 102);
    assert_string_equal(audit(&rows), "");
}

static void what_happens_twice_or_out_of_order_is_found(void **state)
{
    struct rows rows;
    (void)state;
    rows_init(&rows);
    add(&rows, PAWL_EVENT_EXECUTION_STARTED, -1, -1);
    add(&rows, PAWL_EVENT_EXECUTION_STARTED, -1, -1);
    add(&rows, PAWL_EVENT_TASK_SCHEDULED, 0, -1);
    add(&rows, PAWL_EVENT_TASK_SCHEDULED, 0, -1);
    add(&rows, PAWL_EVENT_TASK_COMPLETED, -1, 0);
    add(&rows, PAWL_EVENT_TASK_FAILED, -1, 0);
    add(&rows, PAWL_EVENT_TIMER_FIRED, -1, 0); /* of another kind */
    add(&rows, PAWL_EVENT_TASK_COMPLETED, -1, 9);
    add(&rows, PAWL_EVENT_TASK_SCHEDULED, -1, -1);
    add(&rows, PAWL_EVENT_EXECUTION_COMPLETED, -1, -1);
    add(&rows, PAWL_EVENT_WORKFLOW_STARTED, -1, -1);
    assert_string_equal(audit(&rows), "ONCE history-000001\nONCE history-000003\n"
                                      "ONCE history-000005\nONCE history-000006\n"
                                      "ONCE history-000007\nONCE history-000008\n"
                                      "ONCE history-000010\n");
}

static void a_timer_that_fired_early_is_found(void **state)
{
    struct rows rows;
    (void)state;
    rows_init(&rows);
    struct pawl_history_event timer = event_of(PAWL_EVENT_TIMER_CREATED, 0, -1);
    timer.fire_at_ms = 1001;
    add_event(&rows, &timer);
    add(&rows, PAWL_EVENT_TIMER_FIRED, -1, 0); /* at 1000 */
    assert_string_equal(audit(&rows), "MATCH history-000001\n");
}

static void pending_operations_that_disagree_with_the_history_are_found(void **state)
{
    struct rows rows;
    (void)state;
    rows_init(&rows);
    add(&rows, PAWL_EVENT_TASK_SCHEDULED, 0, -1);
    add(&rows, PAWL_EVENT_TASK_SCHEDULED, 1, -1);
    add(&rows, PAWL_EVENT_TASK_SCHEDULED, 2, -1);
    add(&rows, PAWL_EVENT_TASK_SCHEDULED, 3, -1);
    add(&rows, PAWL_EVENT_TASK_SCHEDULED, 4, -1);
    add(&rows, PAWL_EVENT_TASK_COMPLETED, -1, 0);
    add_pending(&rows, 'a', 0, 0, PAWL_PENDING_OPEN);      /* has its result */
    add_pending(&rows, 'a', 1, 2, PAWL_PENDING_OPEN);      /* another row */
    add_pending(&rows, 'a', 2, 2, PAWL_PENDING_DELIVERED); /* nothing came */
    add_pending(&rows, 'a', 4, 4, PAWL_PENDING_DELIVERED); /* of an older generation */
    add_pending(&rows, 't', 2, 2, PAWL_PENDING_OPEN);      /* no such timer */
    add_arrival(&rows, 7, 104);
    assert_string_equal(audit(&rows),
                        "MATCH a:0\nMATCH a:1\nMATCH a:2\nMATCH a:4\nMATCH t:2\nMATCH a:3\n");
}

static void rows_that_are_no_events_are_found_and_nothing_is_concluded_from_them(void **state)
{
    struct rows rows;
    (void)state;
    rows_init(&rows);
    rows.history[0] = PAWL_BYTES_LITERAL("\xc1");
    rows.stored.history_count = rows.stored.metadata.history_count = 1;
    add(&rows, PAWL_EVENT_TASK_COMPLETED, -1, 0);
    add_pending(&rows, 'a', 1, 0, PAWL_PENDING_OPEN);
    rows.inbox[0].row.body = PAWL_BYTES_LITERAL("?");
    rows.inbox[1].is_missing = true; /* told by others */
    rows.stored.inbox_count = rows.stored.metadata.inbox_tail = 2;
    assert_string_equal(audit(&rows), "STRUCT history-000000\nSTRUCT inbox-000000\n");
}

static void a_message_that_cannot_be_read_is_found(void **state)
{
    (void)state;
    const struct pawl_audit to = { .report = on_finding, .arena = &arena };
    struct pawl_stored_message message = { .row.body = PAWL_BYTES_LITERAL("?") };
    found[0] = 0;
    pawl_message_audit(&to, &message);
    assert_string_equal(found, "STRUCT outbox 00000000000000000000000000000000\n");
    found[0] = 0;
    const struct pawl_message_body body = { .kind = PAWL_MESSAGE_EVENT,
                                            .instance = PAWL_BYTES_LITERAL("i"),
                                            .event = PAWL_BYTES_LITERAL("e") };
    message.row.body = pawl_message_body_pack(&arena, &body);
    pawl_message_audit(&to, &message);
    assert_string_equal(found, "");
}

/* Real runs -------------------------------------------------------------------------------- */

struct look {
    struct pawl_instance_audit *instance;
    struct pawl_audit_walk walk;
    struct pawl_wait waits[8];
    uint32_t waits_count;
};

static void on_instance(void *context, struct pawl_bytes id,
                        const struct pawl_stored_instance *stored, bool is_first, bool is_last)
{
    struct look *look = context;
    pawl_instance_audit_page(look->instance, &look->walk.audit, id, stored, is_first, is_last);
    if (!is_last) return;
    const struct pawl_wait *waits;
    look->waits_count = pawl_instance_audit_waits(look->instance, look->walk.audit.now_ms, &waits);
    assert_true(look->waits_count <= 8);
    for (uint32_t i = 0; i < look->waits_count; i++) {
        look->waits[i] = waits[i];
        look->waits[i].name = pawl_arena_copy(&arena, waits[i].name);
        look->waits[i].text = pawl_arena_copy(&arena, waits[i].text);
        look->waits[i].instance = pawl_arena_copy(&arena, waits[i].instance);
    }
}

static void on_message(void *context, const struct pawl_stored_message *stored)
{
    struct look *look = context;
    pawl_message_audit(&look->walk.audit, stored);
}

/* Goes through everything; there must be no finding. */
static struct look look_at(struct fixture *fixture)
{
    struct look look = { .instance = pawl_instance_audit_new() };
    struct pawl_store_request request;
    found[0] = 0;
    pawl_audit_walk_init(&look.walk, 0, fixture->now_ms, on_finding, NULL, PAWL_BYTES_ABSENT);
    look.walk.visitor = (struct pawl_audit_visitor){ .context = &look,
                                                     .on_instance = on_instance,
                                                     .on_message = on_message };
    while (pawl_audit_walk_next(&look.walk, &request)) {
        struct pawl_store_reply reply;
        pawl_mem_store_apply(fixture->mem, &request, &arena, &reply);
        pawl_audit_walk_take(&look.walk, &reply);
    }
    pawl_audit_walk_deinit(&look.walk);
    pawl_instance_audit_free(look.instance);
    assert_string_equal(found, "");
    return look;
}

static struct fixture *one_partition(void)
{
    struct pawl_node_config config = { .partitions = 1 };
    return fixture_new(&config);
}

static void control(struct fixture *fixture, enum pawl_request_op op, const char *reason)
{
    struct pawl_request request = { .op = op,
                                    .instance = PAWL_BYTES_LITERAL("i"),
                                    .payload = pawl_bytes_str(reason) };
    fixture_call(fixture, &request);
}

static void what_an_instance_waits_for_is_told_at_each_stage(void **state)
{
    (void)state;
    struct fixture *fixture = one_partition();
    fixture_start(fixture, "i");
    struct look look = look_at(fixture);
    assert_int_equal(look.waits_count, 1);
    assert_int_equal(look.waits[0].kind, PAWL_WAIT_TURN);
    assert_int_equal(look.waits[0].count, 1);

    fixture_connect(fixture, WORKER, 1, 1);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action actions[] = { fixture_action(PAWL_ACTION_ACTIVITY, 0),
                                     fixture_action(PAWL_ACTION_TIMER, 1),
                                     fixture_action(PAWL_ACTION_TIMER, 2) };
    actions[1].fire_at_ms = fixture->now_ms + 60000;
    actions[2].fire_at_ms = fixture->now_ms + 70000;
    actions[2].name = PAWL_BYTES_LITERAL("retry");
    actions[2].payload = PAWL_BYTES_LITERAL("try 2 of 3 of activity 'B'");
    fixture_turn_done(fixture, WORKER, &turn->turn, 3, actions);
    const struct pawl_frame *activity = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    look = look_at(fixture);
    assert_int_equal(look.waits_count, 3);
    assert_int_equal(look.waits[0].kind, PAWL_WAIT_ACTIVITY);
    assert_true(pawl_bytes_is_str(look.waits[0].name, "A"));
    assert_int_equal(look.waits[1].kind, PAWL_WAIT_TIMER);
    assert_int_equal(look.waits[1].until_ms, actions[1].fire_at_ms);
    assert_int_equal(look.waits[2].kind, PAWL_WAIT_RETRY);
    assert_true(pawl_bytes_is_equal(look.waits[2].text, actions[2].payload));

    control(fixture, PAWL_REQUEST_SUSPEND, "stock count");
    look = look_at(fixture);
    assert_int_equal(look.waits_count, 1);
    assert_int_equal(look.waits[0].kind, PAWL_WAIT_SUSPENDED);
    assert_true(pawl_bytes_is_str(look.waits[0].text, "stock count"));
    control(fixture, PAWL_REQUEST_RESUME, "");

    fixture_activity_done(fixture, WORKER, &activity->activity);
    fixture_credit(fixture, WORKER, 1, 1);
    fixture_pass(fixture, 10);
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    struct pawl_action cancels[] = { { .kind = PAWL_ACTION_CANCEL_TIMER, .id = -1, .ref = 1 },
                                     { .kind = PAWL_ACTION_CANCEL_TIMER, .id = -1, .ref = 2 } };
    fixture_turn_done(fixture, WORKER, &turn->turn, 2, cancels);
    look = look_at(fixture);
    assert_int_equal(look.waits_count, 1);
    assert_int_equal(look.waits[0].kind, PAWL_WAIT_EVENT);
    control(fixture, PAWL_REQUEST_TERMINATE, "");
    look = look_at(fixture);
    assert_int_equal(look.waits_count, 0);
    fixture_free(fixture);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_history_that_follows_the_rules_has_no_findings),
        T(what_happens_twice_or_out_of_order_is_found),
        T(a_timer_that_fired_early_is_found),
        T(pending_operations_that_disagree_with_the_history_are_found),
        T(rows_that_are_no_events_are_found_and_nothing_is_concluded_from_them),
        T(a_message_that_cannot_be_read_is_found),
        T(what_an_instance_waits_for_is_told_at_each_stage),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
