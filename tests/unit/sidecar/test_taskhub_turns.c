/* Taskhub: what of a history a turn brings to workers of both dialects, and how. */
#include <stdio.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "hub_steps.h"
#include "sidecar/grpc_held.h"

static int64_t time_of(const Pawl__HistoryEvent *event)
{
    assert_non_null(event->timestamp);
    return event->timestamp->seconds * 1000 + event->timestamp->nanos / 1000000;
}

/* An item's events, all of which must have a time, and none an earlier one than the event
 * before it. The time of the last of the past is written to *ret_past. */
static void check_times(const Pawl__WorkflowRequest *turn, int64_t *ret_past)
{
    int64_t last = 0;
    for (size_t i = 0; i < turn->n_past_events + turn->n_new_events; i++) {
        const Pawl__HistoryEvent *event = i < turn->n_past_events
                                              ? turn->past_events[i]
                                              : turn->new_events[i - turn->n_past_events];
        assert_true(time_of(event) >= last);
        last = time_of(event);
        if (i < turn->n_past_events) *ret_past = last;
    }
}

static void times_are_told_of_every_event_and_never_go_back(void **state)
{
    (void)state;
    for (int dialect = PAWL_DIALECT_DAPR; dialect <= PAWL_DIALECT_MICROSOFT; dialect++) {
        struct hub_world world;
        int64_t past = 0, again = 0;
        Pawl__RaiseEventRequest raise = PAWL__RAISE_EVENT_REQUEST__INIT;
        hub_world_init(&world, (enum pawl_dialect)dialect);
        start(&world, "i");
        hub_world_pass(&world, 1000);
        struct grpc_reply *work = hub_world_work(&world, 0, 0);
        const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
        check_times(turn->workflow, &past); /* the start is older than the turn */
        hub_world_pass(&world, 1000);
        schedule(&world, turn, 0);
        raise.instance_id = hub_text("i");
        raise.name = hub_text("e");
        hub_world_call(&world, "RaiseEvent", &raise.base);
        turn = hub_world_item(&world, work, 2); /* takes the event */
        assert_int_equal(turn->workflow->new_events[1]->kind_case,
                         PAWL__HISTORY_EVENT__KIND_EVENT_RAISED);
        hub_world_pass(&world, 1000);
        const Pawl__WorkItem *activity = hub_world_item(&world, work, 1);
        activity_done(&world, activity, &activity->completion_token);
        hub_world_pass(&world, 1000); /* the result is a second old when its turn begins */
        turn_done(&world, turn, &turn->completion_token, 0, NULL);
        turn = hub_world_item(&world, work, 3);
        check_times(turn->workflow, &past);
        /* Told again, each event has the same time: it is what workflow code sees. */
        call_instance(&world, "SuspendInstance", "i", PAWL_GRPC_OK);
        call_instance(&world, "ResumeInstance", "i", PAWL_GRPC_OK);
        turn = hub_world_item(&world, work, 4);
        assert_non_null(turn);
        check_times(turn->workflow, &again);
        assert_true(again >= past);
        hub_world_deinit(&world);
    }
}

/* A stream of a worker with these capabilities. */
static struct grpc_reply *work_of(struct hub_world *world, size_t count, int32_t *capabilities)
{
    Pawl__GetWorkItemsRequest request = PAWL__GET_WORK_ITEMS_REQUEST__INIT;
    if (world->dialect == PAWL_DIALECT_DAPR) {
        request.dapr_capabilities = capabilities;
        request.n_dapr_capabilities = count;
    } else {
        request.microsoft_capabilities = capabilities;
        request.n_microsoft_capabilities = count;
    }
    return hub_world_call(world, "GetWorkItems", &request.base);
}

static void a_dapr_worker_that_knows_pings_is_pinged(void **state)
{
    struct hub_world world;
    int32_t capabilities[] = { 2, 3 };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *work = work_of(&world, 2, capabilities);
    hub_world_pass(&world, PAWL_GRPC_HEALTH_PING_MS + 1);
    assert_int_equal(hub_world_item(&world, work, 0)->request_case,
                     PAWL__WORK_ITEM__REQUEST_DAPR_HEALTH_PING);
    hub_world_deinit(&world);
}

/* The turn at `at`; then a step, so that another follows at at + 2. */
static const Pawl__WorkItem *turn_and_step(struct hub_world *world, const struct grpc_reply *work,
                                           uint32_t at)
{
    const Pawl__WorkItem *turn = hub_world_item(world, work, at);
    assert_non_null(turn);
    schedule(world, turn, (int32_t)at);
    const Pawl__WorkItem *activity = hub_world_item(world, work, at + 1);
    activity_done(world, activity, &activity->completion_token);
    return turn;
}

static size_t history_size(struct hub_world *world, const char *rpc, const char *instance)
{
    Pawl__HistoryRequest request = PAWL__HISTORY_REQUEST__INIT;
    request.instance_id = hub_text(instance);
    struct grpc_reply *reply = hub_world_call(world, rpc, &request.base);
    size_t events = 0;
    for (uint32_t i = 0; i < grpc_reply_messages_count(reply); i++) {
        const Pawl__HistoryChunk *chunk =
            hub_world_message(world, reply, i, &pawl__history_chunk__descriptor);
        events += chunk->n_events;
    }
    return events;
}

static void a_worker_that_holds_histories_is_sent_the_rest(void **state)
{
    struct hub_world world;
    int32_t capability = 2;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *work = work_of(&world, 1, &capability);
    start(&world, "i");
    assert_null(turn_and_step(&world, work, 0)->workflow->cached_history);
    const Pawl__WorkflowRequest *second = turn_and_step(&world, work, 2)->workflow;
    assert_null(second->cached_history); /* it had no past before */
    assert_int_equal(second->n_past_events, 3);
    const Pawl__WorkflowRequest *third = turn_and_step(&world, work, 4)->workflow;
    assert_int_equal(third->cached_history->event_count, 3);
    assert_int_equal(third->n_past_events, 3); /* started, completed, scheduled */
    assert_int_equal(third->past_events[1]->kind_case, PAWL__HISTORY_EVENT__KIND_TASK_COMPLETED);
    assert_int_equal(third->past_events[2]->task_scheduled->name.len, 1);
    assert_int_equal(third->execution_id->value.len, 36);
    assert_memory_equal(third->execution_id->value.data, second->execution_id->value.data, 36);

    /* What it would be told if it had lost it is as long, also after a stop in between. */
    call_instance(&world, "SuspendInstance", "i", PAWL_GRPC_OK);
    call_instance(&world, "ResumeInstance", "i", PAWL_GRPC_OK);
    uint32_t last = 6;
    while (hub_world_item(&world, work, last + 1)) last++;
    const Pawl__WorkItem *turn = hub_world_item(&world, work, last);
    size_t known = (size_t)turn->workflow->cached_history->event_count;
    assert_true(known >= 6);
    assert_int_equal(history_size(&world, "GetInstanceHistory", "i"),
                     known + turn->workflow->n_past_events);

    /* Another stream holds nothing. */
    grpc_client_cancel(&world.link->client, work);
    hub_world_run(&world);
    work = work_of(&world, 1, &capability);
    turn = hub_world_item(&world, work, 0);
    assert_null(turn->workflow->cached_history);
    assert_int_equal(history_size(&world, "GetInstanceHistory", "i"),
                     turn->workflow->n_past_events);
    complete(&world, turn, &turn->completion_token);

    /* Nor is anything held of an execution that is over. */
    start(&world, "i");
    turn = hub_world_item(&world, work, 1);
    assert_int_equal(turn->workflow->n_past_events, 0);
    assert_null(turn->workflow->cached_history);
    hub_world_deinit(&world);
}

static void of_a_long_history_only_the_new_part_is_sent(void **state)
{
    enum { TURNS = 200 };
    struct hub_world world;
    int32_t capability = 2;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *work = work_of(&world, 1, &capability);
    start(&world, "i");
    for (uint32_t n = 0; n < TURNS; n++) {
        const Pawl__WorkflowRequest *turn = turn_and_step(&world, work, 2 * n)->workflow;
        if (n < 2) continue; /* it had no past before */
        assert_int_equal(turn->cached_history->event_count, 3 * (n - 1));
        assert_int_equal(turn->n_past_events, 3);
    }
    assert_int_equal(history_size(&world, "GetInstanceHistory", "i"), 3 * TURNS);
    hub_world_deinit(&world);
}

/* The last item of a stream. */
static const Pawl__WorkItem *newest(struct hub_world *world, const struct grpc_reply *work)
{
    uint32_t count = grpc_reply_messages_count(work);
    assert_true(count > 0);
    return hub_world_item(world, work, count - 1);
}

static Pawl__WorkItem *wait_for_activity(struct hub_world *world, const struct grpc_reply *a,
                                         const struct grpc_reply *b)
{
    const struct grpc_reply *works[] = { a, b };
    for (size_t i = 0; i < 2; i++) {
        uint32_t count = grpc_reply_messages_count(works[i]);
        Pawl__WorkItem *item = count ? hub_world_item(world, works[i], count - 1) : NULL;
        if (item && item->request_case == PAWL__WORK_ITEM__REQUEST_ACTIVITY) return item;
    }
    fail_msg("no activity was given to either");
    return NULL;
}

static void of_two_workers_each_is_sent_what_it_lacks(void **state)
{
    struct hub_world world;
    Pawl__GetWorkItemsRequest one_turn = PAWL__GET_WORK_ITEMS_REQUEST__INIT;
    int32_t capability = 2;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    one_turn.max_workflows = 1;
    one_turn.dapr_capabilities = &capability;
    one_turn.n_dapr_capabilities = 1;
    struct grpc_reply *a = hub_world_call(&world, "GetWorkItems", &one_turn.base);
    start(&world, "i");
    (void)turn_and_step(&world, a, 0);
    const Pawl__WorkItem *turn = hub_world_item(&world, a, 2);
    start(&world, "j");        /* it is A's as soon as A has answered */
    schedule(&world, turn, 2); /* and A holds three events */
    const Pawl__WorkItem *of_j = hub_world_item(&world, a, 3);
    if (of_j->request_case != PAWL__WORK_ITEM__REQUEST_WORKFLOW)
        of_j = hub_world_item(&world, a, 4);
    IS(of_j->workflow->instance_id, "j");

    struct grpc_reply *b = hub_world_call(&world, "GetWorkItems", &one_turn.base);
    for (uint32_t at = 3; at <= 4; at++) {
        const Pawl__WorkItem *item = hub_world_item(&world, a, at);
        if (item->request_case == PAWL__WORK_ITEM__REQUEST_ACTIVITY)
            activity_done(&world, item, &item->completion_token);
    }
    turn = newest(&world, b); /* A has its hands full */
    IS(turn->workflow->instance_id, "i");
    assert_null(turn->workflow->cached_history);
    size_t whole = turn->workflow->n_past_events;
    assert_int_equal(whole, 6);
    schedule(&world, turn, 4);
    const Pawl__WorkItem *activity = wait_for_activity(&world, a, b);
    complete(&world, of_j, &of_j->completion_token);
    grpc_client_cancel(&world.link->client, b);
    hub_world_run(&world);
    if (hub_world_item(&world, a, 5)) activity = newest(&world, a); /* B had it: again */
    activity_done(&world, activity, &activity->completion_token);

    turn = newest(&world, a);
    IS(turn->workflow->instance_id, "i");
    assert_int_equal(turn->workflow->cached_history->event_count, 3);
    assert_int_equal(3 + turn->workflow->n_past_events,
                     history_size(&world, "GetInstanceHistory", "i"));
    assert_true(3 + turn->workflow->n_past_events > whole);
    hub_world_deinit(&world);
}

static void what_streams_are_thought_to_hold_is_bounded(void **state)
{
    struct pawl_grpc_held held;
    struct pawl_id inc = { { 1 } }, other = { { 2 } };
    struct pawl_grpc_past past = { .inc = inc, .gen = 1, .messages = 5 };
    char name[16];
    (void)state;
    pawl_grpc_held_init(&held, 1);
    for (uint32_t i = 0; i <= PAWL_GRPC_HELD_MAX; i++) {
        snprintf(name, sizeof name, "i%u", i);
        pawl_grpc_held_set(&held, pawl_bytes_str(name), &past);
    }
    assert_int_equal(held.by_instance.count, PAWL_GRPC_HELD_MAX);
    assert_null(pawl_grpc_held_find(&held, PAWL_BYTES_LITERAL("i0"), inc, 1)); /* the oldest */
    assert_int_equal(pawl_grpc_held_find(&held, PAWL_BYTES_LITERAL("i1"), inc, 1)->messages, 5);
    assert_null(pawl_grpc_held_find(&held, PAWL_BYTES_LITERAL("i1"), inc, 2));
    assert_null(pawl_grpc_held_find(&held, PAWL_BYTES_LITERAL("i1"), other, 1));
    past.messages = 6;
    pawl_grpc_held_set(&held, PAWL_BYTES_LITERAL("i1"), &past);
    assert_int_equal(pawl_grpc_held_find(&held, PAWL_BYTES_LITERAL("i1"), inc, 1)->messages, 6);
    pawl_grpc_held_remove(&held, PAWL_BYTES_LITERAL("i1"));
    assert_null(pawl_grpc_held_find(&held, PAWL_BYTES_LITERAL("i1"), inc, 1));
    pawl_grpc_held_deinit(&held);
}

/* Whoever had a turn holds its past: it has the next one, too, as long as it is there. */
static void turns_go_back_to_the_worker_that_holds_the_past(void **state)
{
    struct hub_world world;
    int32_t capability = 2;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *works[] = { work_of(&world, 1, &capability),
                                   work_of(&world, 1, &capability) };
    start(&world, "i");
    int owner = grpc_reply_messages_count(works[0]) > 0 ? 0 : 1;
    enum { STEPS = 6 };
    for (int step = 0; step < STEPS; step++) {
        const Pawl__WorkItem *turn = newest(&world, works[owner]);
        assert_int_equal(turn->request_case, PAWL__WORK_ITEM__REQUEST_WORKFLOW);
        assert_int_equal(turn->workflow->cached_history != NULL, step >= 2);
        schedule(&world, turn, step);
        const Pawl__WorkItem *activity = wait_for_activity(&world, works[0], works[1]);
        activity_done(&world, activity, &activity->completion_token);
    }
    const Pawl__WorkItem *turn = newest(&world, works[owner]);
    assert_int_equal(turn->workflow->cached_history->event_count, 3 * (STEPS - 1));

    /* It dies with the turn in its hands: the other is told everything. */
    grpc_client_cancel(&world.link->client, works[owner]);
    hub_world_run(&world);
    turn = newest(&world, works[1 - owner]);
    assert_int_equal(turn->request_case, PAWL__WORK_ITEM__REQUEST_WORKFLOW);
    assert_null(turn->workflow->cached_history);
    assert_int_equal(turn->workflow->n_past_events, 3 * STEPS);
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

static struct grpc_reply *start_child(struct hub_world *world, const Pawl__WorkItem *turn)
{
    Pawl__CreateChild child = PAWL__CREATE_CHILD__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *actions[] = { &action };
    child.instance_id = hub_text("i:0001");
    child.name = hub_text("C");
    action.id = 1;
    action.kind_case = PAWL__ACTION__KIND_CREATE_CHILD;
    action.create_child = &child;
    return turn_done(world, turn, &turn->completion_token, 1, actions);
}

static const Pawl__ExecutionStarted *started_of(const Pawl__WorkItem *turn)
{
    assert_int_equal(turn->workflow->new_events[1]->kind_case,
                     PAWL__HISTORY_EVENT__KIND_EXECUTION_STARTED);
    return turn->workflow->new_events[1]->execution_started;
}

/* As ctx.ScheduleNewWorkflow of Dapr's SDKs. */
static void a_daprs_workflow_starts_another_that_has_no_parent(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start(&world, "i");
    Pawl__CreateDetached detached = PAWL__CREATE_DETACHED__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *actions[] = { &action };
    detached.instance_id = hub_text("i-0");
    detached.name = hub_text("C");
    action.kind_case = PAWL__ACTION__KIND_CREATE_DETACHED;
    action.create_detached = &detached;
    const Pawl__WorkItem *turn = newest(&world, work);
    turn_done(&world, turn, &turn->completion_token, 1, actions);
    const Pawl__WorkItem *other = newest(&world, work);
    IS(other->workflow->instance_id, "i-0");
    assert_null(started_of(other)->parent);
    complete(&world, other, &other->completion_token);
    assert_int_equal(hub_world_status(&world, "i-0"), PAWL_STATUS_COMPLETED);

    /* Nothing comes of its end; what is told of it stands in the past of the next turn. */
    assert_int_equal(grpc_reply_messages_count(work), 2);
    Pawl__RaiseEventRequest event = PAWL__RAISE_EVENT_REQUEST__INIT;
    event.instance_id = hub_text("i");
    event.name = hub_text("go");
    hub_world_call(&world, "RaiseEvent", &event.base);
    turn = newest(&world, work);
    IS(turn->workflow->instance_id, "i");
    const Pawl__HistoryEvent *last = turn->workflow->past_events[turn->workflow->n_past_events - 1];
    assert_int_equal(last->kind_case, PAWL__HISTORY_EVENT__KIND_DETACHED_CREATED);
    IS(last->detached_created->instance_id, "i-0");
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

static struct grpc_reply *fail_turn(struct hub_world *world, const Pawl__WorkItem *turn)
{
    Pawl__CompleteWorkflow end = PAWL__COMPLETE_WORKFLOW__INIT;
    Pawl__Failure failure = PAWL__FAILURE__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *actions[] = { &action };
    end.status = PAWL_STATUS_FAILED;
    end.failure = &failure;
    failure.type = hub_text("Oops");
    failure.message = hub_text("not this time");
    action.kind_case = PAWL__ACTION__KIND_COMPLETE_WORKFLOW;
    action.complete_workflow = &end;
    return turn_done(world, turn, &turn->completion_token, 1, actions);
}

/* Microsoft's Python schedules a failed child again under its old id, and with the same
 * instance id. */
static void a_failed_child_is_tried_again_under_its_ids(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start(&world, "i");
    start_child(&world, newest(&world, work));
    struct pawl_bytes first = PAWL_BYTES_ABSENT;
    for (int attempt = 0; attempt < 3; attempt++) {
        const Pawl__WorkItem *child = newest(&world, work);
        IS(child->workflow->instance_id, "i:0001");
        assert_int_equal(child->workflow->n_past_events, 0);
        const Pawl__ExecutionStarted *started = started_of(child);
        IS(started->parent->name->value, "W");
        IS(started->parent->instance->instance_id, "i");
        assert_int_equal(started->parent->task_scheduled_id, 1);
        struct pawl_bytes execution = pawl_protobuf_bytes(started->instance->execution_id->value);
        assert_int_equal(execution.size, 32); /* as Microsoft's service has them */
        assert_false(pawl_bytes_is_equal(execution, first));
        first = execution;
        if (attempt == 2) {
            complete(&world, child, &child->completion_token);
            break;
        }
        fail_turn(&world, child);
        start_child(&world, newest(&world, work));
    }
    const Pawl__WorkItem *turn = newest(&world, work);
    IS(turn->workflow->instance_id, "i");
    assert_int_equal(turn->workflow->new_events[1]->kind_case,
                     PAWL__HISTORY_EVENT__KIND_CHILD_COMPLETED);
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    assert_int_equal(hub_world_status(&world, "i:0001"), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

static Pawl__Text text_of(struct hub_world *world, size_t size)
{
    Pawl__Text text = PAWL__TEXT__INIT;
    text.value.len = size;
    text.value.data = pawl_arena_alloc(&world->arena, size);
    memset(text.value.data, 'x', size);
    return text;
}

static void a_turn_too_large_for_its_worker_waits_for_one_that_can(void **state)
{
    struct hub_world world;
    int32_t streaming = 1;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = work_of(&world, 0, NULL);
    Pawl__Text text = text_of(&world, 900 << 10);
    start(&world, "i");
    int steps = 0;
    while (steps == 0 || hub_world_status(&world, "i") == PAWL_STATUS_RUNNING) {
        const Pawl__WorkItem *turn = newest(&world, work);
        assert_true(steps < 10 && turn->request_case == PAWL__WORK_ITEM__REQUEST_WORKFLOW);
        schedule(&world, turn, steps++);
        const Pawl__WorkItem *activity = newest(&world, work);
        Pawl__ActivityResponse response = PAWL__ACTIVITY_RESPONSE__INIT;
        response.task_id = activity->activity->task_id;
        response.instance_id = hub_text("i");
        response.completion_token = activity->completion_token;
        response.result = &text;
        hub_world_call(&world, "CompleteActivityTask", &response.base);
    }
    assert_int_equal(steps, 5); /* 4.4 MiB */
    grpc_client_cancel(&world.link->client, work);
    hub_world_run(&world);
    work = work_of(&world, 1, &streaming);
    const Pawl__WorkItem *turn = newest(&world, work);
    assert_true(turn->workflow->requires_history_streaming);
    assert_int_equal(turn->workflow->n_past_events, 0);
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

static void a_long_past_is_streamed_to_a_worker_that_can(void **state)
{
    struct hub_world world;
    int32_t capability = 1;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = work_of(&world, 1, &capability);
    start(&world, "i");
    uint32_t at = 0;
    Pawl__Text text = text_of(&world, 600 << 10);
    enum { STEPS = 10 }; /* 6 MB: more than a message may have */
    for (int32_t i = 0; i < STEPS; i++) {
        const Pawl__WorkItem *turn = hub_world_item(&world, work, at++);
        bool is_long = i >= 2; /* results of two steps and more; the newest is not past */
        assert_int_equal(turn->workflow->requires_history_streaming, is_long);
        schedule(&world, turn, i);
        const Pawl__WorkItem *activity = hub_world_item(&world, work, at++);
        Pawl__ActivityResponse response = PAWL__ACTIVITY_RESPONSE__INIT;
        response.task_id = activity->activity->task_id;
        response.instance_id = hub_text("i");
        response.completion_token = activity->completion_token;
        response.result = &text;
        hub_world_call(&world, "CompleteActivityTask", &response.base);
    }
    const Pawl__WorkItem *last = hub_world_item(&world, work, at);
    assert_true(last->workflow->requires_history_streaming);
    assert_int_equal(last->workflow->n_past_events, 0);
    assert_int_equal(last->workflow->n_new_events, 2);
    assert_int_equal(history_size(&world, "StreamInstanceHistory", "i"), 3 * STEPS);
    complete(&world, last, &last->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_told_of_every_event_and_never_go_back),
        cmocka_unit_test(a_dapr_worker_that_knows_pings_is_pinged),
        cmocka_unit_test(a_worker_that_holds_histories_is_sent_the_rest),
        cmocka_unit_test(of_a_long_history_only_the_new_part_is_sent),
        cmocka_unit_test(of_two_workers_each_is_sent_what_it_lacks),
        cmocka_unit_test(what_streams_are_thought_to_hold_is_bounded),
        cmocka_unit_test(turns_go_back_to_the_worker_that_holds_the_past),
        cmocka_unit_test(a_failed_child_is_tried_again_under_its_ids),
        cmocka_unit_test(a_daprs_workflow_starts_another_that_has_no_parent),
        cmocka_unit_test(a_turn_too_large_for_its_worker_waits_for_one_that_can),
        cmocka_unit_test(a_long_past_is_streamed_to_a_worker_that_can),
    };
    return cmocka_run_group_tests_name("taskhub turns", tests, NULL, NULL);
}
