/* Taskhub: what clients and workers of both dialects are answered, over the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "hub_steps.h"
#include "sidecar/proto/dapr_runtime.pb-c.h"

/* Work --------------------------------------------------------------------------------------- */

static void a_workflow_runs_to_its_end_in_both_dialects(void **state)
{
    (void)state;
    for (int dialect = PAWL_DIALECT_DAPR; dialect <= PAWL_DIALECT_MICROSOFT; dialect++) {
        struct hub_world world;
        hub_world_init(&world, (enum pawl_dialect)dialect);
        struct grpc_reply *started = start(&world, "i");
        bool waits = dialect == PAWL_DIALECT_DAPR;
        assert_int_equal(started->is_over, !waits); /* Dapr's returns when it has started */
        struct grpc_reply *work = hub_world_work(&world, 0, 0);
        const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
        IS(turn->workflow->instance_id, "i");
        assert_int_equal(turn->workflow->n_past_events, 0);
        assert_int_equal(turn->workflow->n_new_events, 2);
        assert_int_equal(turn->workflow->new_events[0]->kind_case,
                         PAWL__HISTORY_EVENT__KIND_WORKFLOW_STARTED);
        IS(turn->workflow->new_events[1]->execution_started->input->value, "1");
        assert_int_equal(schedule(&world, turn, 0)->status, PAWL_GRPC_OK);
        assert_true(started->is_over);

        const Pawl__WorkItem *activity = hub_world_item(&world, work, 1);
        IS(activity->activity->name, "A");
        IS(activity->activity->input->value, "2");
        assert_int_equal(activity_done(&world, activity, &activity->completion_token)->status,
                         PAWL_GRPC_OK);
        turn = hub_world_item(&world, work, 2);
        assert_int_equal(turn->workflow->n_past_events, 3);
        IS(turn->workflow->past_events[1]->execution_started->instance->instance_id, "i");
        assert_int_equal(turn->workflow->past_events[2]->event_id, 0);
        assert_int_equal(turn->workflow->n_new_events, 2);
        IS(turn->workflow->new_events[1]->task_completed->result->value, "3");
        complete(&world, turn, &turn->completion_token);
        assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
        hub_world_deinit(&world);
    }
}

static void stale_answers_change_nothing(void **state)
{
    (void)state;
    for (int dialect = PAWL_DIALECT_DAPR; dialect <= PAWL_DIALECT_MICROSOFT; dialect++) {
        struct hub_world world;
        hub_world_init(&world, (enum pawl_dialect)dialect);
        int stale = dialect == PAWL_DIALECT_DAPR ? PAWL_GRPC_OK : PAWL_GRPC_NOT_FOUND;
        start(&world, "i");
        struct grpc_reply *work = hub_world_work(&world, 0, 0);
        const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
        ProtobufCBinaryData wrong = hub_text("00000000000000000000000000000001");
        ProtobufCBinaryData odd = hub_text("no token at all");
        assert_int_equal(complete(&world, turn, &wrong)->status, stale);
        assert_int_equal(complete(&world, turn, &odd)->status, stale);
        assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_PENDING);
        assert_int_equal(complete(&world, turn, &turn->completion_token)->status, PAWL_GRPC_OK);
        assert_int_equal(complete(&world, turn, &turn->completion_token)->status, stale);
        assert_int_equal(complete(&world, turn, NULL)->status, stale);
        assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
        hub_world_deinit(&world);
    }
}

static void answers_to_items_of_another_kind_or_dialect_change_nothing(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    start(&world, "i");
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);

    /* The turn's token for an activity. */
    Pawl__ActivityResponse odd = PAWL__ACTIVITY_RESPONSE__INIT;
    odd.instance_id = hub_text("i");
    odd.completion_token = turn->completion_token;
    assert_int_equal(hub_world_call(&world, "CompleteActivityTask", &odd.base)->status,
                     PAWL_GRPC_NOT_FOUND);

    /* From a client of the other port. */
    Pawl__WorkflowResponse foreign = PAWL__WORKFLOW_RESPONSE__INIT;
    foreign.instance_id = hub_text("i");
    foreign.completion_token = turn->completion_token;
    assert_int_equal(pawl_grpc_workers_turn_done(world.workers, PAWL_DIALECT_DAPR,
                                                 pawl_protobuf_pack(&world.arena, &foreign.base)),
                     PAWL_E_NOT_FOUND);

    schedule(&world, turn, 0);
    const Pawl__WorkItem *activity = hub_world_item(&world, work, 1);
    foreign.completion_token = activity->completion_token; /* the activity's for a turn */
    assert_int_equal(hub_world_call(&world, complete_rpc(&world), &foreign.base)->status,
                     PAWL_GRPC_NOT_FOUND);

    /* Nested without end: refused, and the item is still the worker's. */
    Pawl__Failure failures[200];
    for (size_t i = 0; i < 200; i++) {
        failures[i] = (Pawl__Failure)PAWL__FAILURE__INIT;
        failures[i].inner = i + 1 < 200 ? &failures[i + 1] : NULL;
    }
    odd.completion_token = activity->completion_token;
    odd.failure = &failures[0];
    struct grpc_reply *refused = hub_world_call(&world, "CompleteActivityTask", &odd.base);
    assert_int_equal(refused->status, PAWL_GRPC_INVALID_ARGUMENT);
    assert_non_null(strstr(refused->message, "nested too deeply"));
    assert_int_equal(activity_done(&world, activity, &activity->completion_token)->status,
                     PAWL_GRPC_OK);
    turn = hub_world_item(&world, work, 2);
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);

    /* Names that are no text. */
    Pawl__CreateInstanceRequest request = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    request.instance_id = hub_text("j");
    request.name = hub_text("\xff\xfe");
    assert_int_equal(hub_world_call(&world, "StartInstance", &request.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    request.instance_id = hub_text("\xc3");
    request.name = hub_text("W");
    assert_int_equal(hub_world_call(&world, "StartInstance", &request.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    hub_world_deinit(&world);
}

static void answers_without_tokens_belong_to_the_oldest_item(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    start(&world, "i");
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    const Pawl__WorkItem *first = hub_world_item(&world, work, 0);
    /* The engine gives the first turn up and dispatches it anew. */
    call_instance(&world, "SuspendInstance", "i", PAWL_GRPC_OK);
    call_instance(&world, "ResumeInstance", "i", PAWL_GRPC_OK);
    const Pawl__WorkItem *second = hub_world_item(&world, work, 1);
    assert_non_null(second);
    assert_int_equal(complete(&world, first, NULL)->status, PAWL_GRPC_OK); /* of the first */
    assert_int_not_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    assert_int_equal(complete(&world, second, NULL)->status, PAWL_GRPC_OK);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    assert_int_equal(complete(&world, second, NULL)->status, PAWL_GRPC_NOT_FOUND);
    hub_world_deinit(&world);
}

static void a_worker_holds_no_more_than_it_asked_for(void **state)
{
    struct hub_world world;
    const char *instances[] = { "a", "b", "c" };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 1, 1);
    for (size_t i = 0; i < 3; i++) start(&world, instances[i]);
    for (uint32_t i = 0; i < 3; i++) {
        const Pawl__WorkItem *item = hub_world_item(&world, work, i);
        assert_non_null(item);
        assert_null(hub_world_item(&world, work, i + 1));
        complete(&world, item, &item->completion_token);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(hub_world_status(&world, instances[i]), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

static void what_a_lost_stream_held_goes_to_another(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    start(&world, "i");
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    const Pawl__WorkItem *first = hub_world_item(&world, work, 0);
    grpc_client_cancel(&world.link->client, work);
    hub_world_run(&world);
    assert_int_equal(pawl_grpc_workers_count(world.workers), 0);
    assert_int_equal(complete(&world, first, &first->completion_token)->status,
                     PAWL_GRPC_NOT_FOUND);
    work = hub_world_work(&world, 0, 0);
    const Pawl__WorkItem *again = hub_world_item(&world, work, 0);
    assert_non_null(again);
    complete(&world, again, &again->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

static void an_abandoned_item_comes_again_after_a_while(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    start(&world, "i");
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    Pawl__AbandonRequest abandon = PAWL__ABANDON_REQUEST__INIT;
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    abandon.completion_token = turn->completion_token;
    assert_int_equal(
        hub_world_call(&world, "AbandonTaskOrchestratorWorkItem", &abandon.base)->status,
        PAWL_GRPC_OK);
    assert_null(hub_world_item(&world, work, 1));
    hub_world_pass(&world, PAWL_GRPC_ABANDON_MS);
    turn = hub_world_item(&world, work, 1);
    assert_non_null(turn);
    schedule(&world, turn, 0);
    const Pawl__WorkItem *activity = hub_world_item(&world, work, 2);
    abandon.completion_token = activity->completion_token;
    assert_int_equal(hub_world_call(&world, "AbandonTaskActivityWorkItem", &abandon.base)->status,
                     PAWL_GRPC_OK);
    hub_world_pass(&world, PAWL_GRPC_ABANDON_MS);
    activity = hub_world_item(&world, work, 3);
    assert_non_null(activity->activity);
    abandon.completion_token = hub_text("nothing");
    assert_int_equal(hub_world_call(&world, "AbandonTaskActivityWorkItem", &abandon.base)->status,
                     PAWL_GRPC_NOT_FOUND);
    hub_world_deinit(&world);
}

static void an_answer_may_come_in_parts(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    start(&world, "i");
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    for (int32_t part = 0; part < 3; part++) {
        Pawl__WorkflowResponse response = PAWL__WORKFLOW_RESPONSE__INIT;
        Pawl__ScheduleTask task = PAWL__SCHEDULE_TASK__INIT;
        Pawl__Action action = PAWL__ACTION__INIT, *actions[] = { &action };
        task.name = hub_text("A");
        action.id = part;
        action.kind_case = PAWL__ACTION__KIND_SCHEDULE_TASK;
        action.schedule_task = &task;
        response.instance_id = hub_text("i");
        response.completion_token = turn->completion_token;
        response.n_actions = 1;
        response.actions = actions;
        response.is_partial = part < 2;
        assert_int_equal(hub_world_call(&world, "CompleteOrchestratorTask", &response.base)->status,
                         PAWL_GRPC_OK);
        assert_int_equal(grpc_reply_messages_count(work), part < 2 ? 1 : 4);
    }
    hub_world_deinit(&world);
}

static void only_microsofts_workers_are_pinged(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    hub_world_pass(&world, PAWL_GRPC_HEALTH_PING_MS + 1);
    assert_int_equal(hub_world_item(&world, work, 0)->request_case,
                     PAWL__WORK_ITEM__REQUEST_HEALTH_PING);
    assert_null(hub_world_item(&world, work, 1));
    hub_world_deinit(&world);
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    work = hub_world_work(&world, 0, 0);
    hub_world_pass(&world, (int64_t)3 * PAWL_GRPC_HEALTH_PING_MS);
    assert_null(hub_world_item(&world, work, 0));
    hub_world_deinit(&world);
}

/* It may be one of several that share the names between them. */
static void what_no_filter_names_waits_for_its_worker(void **state)
{
    struct hub_world world;
    Pawl__GetWorkItemsRequest request = PAWL__GET_WORK_ITEMS_REQUEST__INIT;
    Pawl__Name name = PAWL__NAME__INIT, *names[] = { &name };
    Pawl__WorkItemFilters filters = PAWL__WORK_ITEM_FILTERS__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    name.name = hub_text("Other");
    filters.workflows = names;
    filters.n_workflows = 1;
    request.filters = &filters;
    struct grpc_reply *other = hub_world_call(&world, "GetWorkItems", &request.base);
    start(&world, "i");
    hub_world_pass(&world, 2 * PAWL_CODE_WAIT_MS);
    assert_int_equal(grpc_reply_messages_count(other), 0);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_PENDING);
    name.name = hub_text("W");
    struct grpc_reply *work = hub_world_call(&world, "GetWorkItems", &request.base);
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    schedule(&world, turn, 0); /* its activity is in no filter, either */
    hub_world_pass(&world, 2 * PAWL_CODE_WAIT_MS);
    struct grpc_reply *any = hub_world_work(&world, 0, 0);
    const Pawl__WorkItem *activity = hub_world_item(&world, any, 0);
    activity_done(&world, activity, &activity->completion_token);
    turn = hub_world_item(&world, work, 1);
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

static void a_worker_that_filters_gets_its_names_only(void **state)
{
    struct hub_world world;
    Pawl__GetWorkItemsRequest request = PAWL__GET_WORK_ITEMS_REQUEST__INIT;
    Pawl__WorkItemFilters filters = PAWL__WORK_ITEM_FILTERS__INIT;
    Pawl__Name name = PAWL__NAME__INIT, *names[] = { &name };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    name.name = hub_text("W");
    filters.workflows = names;
    filters.n_workflows = 1;
    request.filters = &filters;
    struct grpc_reply *filtered = hub_world_call(&world, "GetWorkItems", &request.base);
    struct grpc_reply *other = hub_world_work(&world, 0, 0);
    start(&world, "i");
    const Pawl__WorkItem *turn = hub_world_item(&world, filtered, 0);
    assert_non_null(turn);
    assert_null(hub_world_item(&world, other, 0));
    schedule(&world, turn, 0); /* nobody has registered the activity by its name */
    assert_non_null(hub_world_item(&world, other, 0)->activity);
    name.name = hub_text("a\nb");
    assert_int_equal(hub_world_call(&world, "GetWorkItems", &request.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    hub_world_deinit(&world);
}

static void what_a_worker_cannot_be_given_is_said_on_the_instance(void **state)
{
    struct hub_world world;
    Pawl__CreateInstanceRequest request = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    Pawl__Text input = PAWL__TEXT__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    request.name = hub_text("W");
    request.input = &input;

    /* Too much in one turn: somebody may mend it, so it waits. Microsoft's clients do not know
     * that word. */
    request.instance_id = hub_text("large");
    input.value.len = PAWL_PAYLOAD_SIZE_MAX;
    input.value.data = pawl_arena_alloc(&world.arena, PAWL_PAYLOAD_SIZE_MAX);
    memset(input.value.data, 'x', input.value.len);
    hub_world_call(&world, "StartInstance", &request.base);
    assert_int_equal(hub_world_status(&world, "large"), PAWL_STATUS_SUSPENDED);
    assert_null(hub_world_item(&world, work, 0));
    start(&world, "i"); /* the stream goes on */
    assert_non_null(hub_world_item(&world, work, 0));
    hub_world_deinit(&world);
}

/* Started by another front, or as here through Dapr's own API: its input may be any bytes. */
static void what_is_no_text_is_said_on_the_instance(void **state)
{
    struct hub_world world;
    Pawl__Dapr__StartRequest request = PAWL__DAPR__START_REQUEST__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    request.instance_id = hub_text("strange");
    request.name = hub_text("W");
    request.input = hub_text("\xff\xfe");
    hub_world_call(&world, "/dapr.proto.runtime.v1.Dapr/StartWorkflowBeta1", &request.base);
    assert_int_equal(hub_world_status(&world, "strange"), PAWL_STATUS_FAILED);
    assert_null(hub_world_item(&world, work, 0));
    hub_world_deinit(&world);
}

static void a_stopping_sidecar_ends_its_streams_well(void **state)
{
    struct hub_world world;
    (void)state;
    for (int dialect = PAWL_DIALECT_DAPR; dialect <= PAWL_DIALECT_MICROSOFT; dialect++) {
        hub_world_init(&world, (enum pawl_dialect)dialect);
        struct grpc_reply *work = hub_world_work(&world, 0, 0);
        pawl_grpc_workers_stop(world.workers);
        start(&world, "i");
        assert_null(hub_world_item(&world, work, 0)); /* nothing new */
        assert_int_equal(hub_world_work(&world, 0, 0)->status, PAWL_GRPC_UNAVAILABLE);
        pawl_grpc_workers_end_all(world.workers);
        hub_world_run(&world);
        assert_int_equal(work->status,
                         dialect == PAWL_DIALECT_DAPR ? PAWL_GRPC_OK : PAWL_GRPC_UNAVAILABLE);
        hub_world_deinit(&world);
    }
}

static void a_sidecar_that_does_not_serve_yet_sends_its_workers_away_for_a_while(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    pawl_grpc_workers_hold(world.workers, true);
    assert_int_equal(hub_world_work(&world, 0, 0)->status, PAWL_GRPC_UNAVAILABLE);
    assert_int_equal(pawl_grpc_workers_count(world.workers), 0);
    pawl_grpc_workers_hold(world.workers, false);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start(&world, "i");
    assert_non_null(hub_world_item(&world, work, 0));
    hub_world_deinit(&world);
}

/* Management --------------------------------------------------------------------------------- */

static void what_is_not_there_is_told_as_each_dialect_does(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    assert_int_equal(hub_world_status(&world, "nobody"), -1);
    call_instance(&world, "TerminateInstance", "nobody", PAWL_GRPC_NOT_FOUND);
    call_instance(&world, "SuspendInstance", "nobody", PAWL_GRPC_NOT_FOUND);
    call_instance(&world, "PurgeInstances", "nobody", PAWL_GRPC_NOT_FOUND);
    call_instance(&world, "GetInstanceHistory", "nobody", PAWL_GRPC_NOT_FOUND);
    call_instance(&world, "QueryInstances", "nobody", PAWL_GRPC_UNIMPLEMENTED); /* Microsoft's */
    call_instance(&world, "TerminateInstance", "", PAWL_GRPC_INVALID_ARGUMENT);
    hub_world_deinit(&world);
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    call_instance(&world, "PurgeInstances", "nobody", PAWL_GRPC_OK); /* and says: none */
    call_instance(&world, "RestartInstance", "nobody", PAWL_GRPC_NOT_FOUND);
    call_instance(&world, "RewindInstance", "nobody", PAWL_GRPC_NOT_FOUND);
    call_instance(&world, "SignalEntity", "@e@k", PAWL_GRPC_UNIMPLEMENTED);
    call_instance(&world, "GetInstanceHistory", "nobody", PAWL_GRPC_UNIMPLEMENTED); /* Dapr's */
    hub_world_deinit(&world);
}

static void garbage_is_refused_and_disturbs_nobody(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    static const char *const rpcs[] = { "StartInstance",        "GetInstance",
                                        "GetWorkItems",         "CompleteWorkflowTask",
                                        "CompleteActivityTask", "PurgeInstances" };
    for (size_t i = 0; i < sizeof rpcs / sizeof *rpcs; i++) {
        char path[64];
        snprintf(path, sizeof path, "/TaskHubSidecarService/%s", rpcs[i]);
        struct grpc_reply *reply =
            grpc_client_call(&world.link->client, path, PAWL_BYTES_LITERAL("\x0a\xff\xff"), NULL);
        grpc_world_run(&world.wire);
        hub_world_run(&world);
        assert_int_equal(reply->status, PAWL_GRPC_INVALID_ARGUMENT);
    }
    assert_int_equal(pawl_grpc_workers_count(world.workers), 0);
    assert_int_equal(hub_world_call(&world, "Hello", NULL)->status, PAWL_GRPC_OK);
    hub_world_deinit(&world);
}

static void an_id_in_use_is_refused_or_replaced_as_the_policy_says(void **state)
{
    struct hub_world world;
    Pawl__CreateInstanceRequest request = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    Pawl__ReusePolicy policy = PAWL__REUSE_POLICY__INIT;
    int32_t statuses[] = { PAWL_STATUS_RUNNING, PAWL_STATUS_PENDING, PAWL_STATUS_TERMINATED };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    assert_int_equal(start(&world, "i")->status, PAWL_GRPC_OK);
    assert_int_equal(start(&world, "i")->status, PAWL_GRPC_ALREADY_EXISTS);
    request.instance_id = hub_text("i");
    request.name = hub_text("W");
    request.reuse_policy = &policy;
    assert_int_equal(hub_world_call(&world, "StartInstance", &request.base)->status,
                     PAWL_GRPC_ALREADY_EXISTS); /* nothing may be replaced */
    policy.replaceable_status = statuses;
    policy.n_replaceable_status = 2;
    struct grpc_reply *refused = hub_world_call(&world, "StartInstance", &request.base);
    assert_int_equal(refused->status, PAWL_GRPC_INVALID_ARGUMENT);
    assert_non_null(strstr(refused->message, "Invalid reusable statuses"));
    policy.n_replaceable_status = 3;
    assert_int_equal(hub_world_call(&world, "StartInstance", &request.base)->status, PAWL_GRPC_OK);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_PENDING);
    call_instance(&world, "TerminateInstance", "i", PAWL_GRPC_OK);
    call_instance(&world, "TerminateInstance", "i", PAWL_GRPC_OK); /* too late is not wrong */
    policy.n_replaceable_status = 0;
    assert_int_equal(hub_world_call(&world, "StartInstance", &request.base)->status,
                     PAWL_GRPC_ALREADY_EXISTS);
    assert_int_equal(start(&world, "i")->status, PAWL_GRPC_OK); /* it has ended */
    hub_world_deinit(&world);
}

/* Field 2 of the policy, which newer clients do not have. */
static void microsofts_go_client_says_what_to_do_about_an_id_in_use(void **state)
{
    struct hub_world world;
    Pawl__CreateInstanceRequest request = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    Pawl__ReusePolicy policy = PAWL__REUSE_POLICY__INIT;
    int32_t pending = PAWL_STATUS_PENDING;
    uint8_t action = 1; /* ignore */
    ProtobufCMessageUnknownField field = { 2, PROTOBUF_C_WIRE_TYPE_VARINT, 1, &action };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    start(&world, "i");
    request.instance_id = hub_text("i");
    request.name = hub_text("V");
    request.reuse_policy = &policy;
    policy.replaceable_status = &pending;
    policy.n_replaceable_status = 1;
    policy.base.unknown_fields = &field;
    policy.base.n_unknown_fields = 1;
    Pawl__GetInstanceRequest get = PAWL__GET_INSTANCE_REQUEST__INIT;
    get.instance_id = hub_text("i");
    static const char *const names[] = { "W", "V" };
    for (action = 1; action <= 2; action++) { /* then: terminate */
        const struct grpc_reply *reply = hub_world_call(&world, "StartInstance", &request.base);
        assert_int_equal(reply->status, PAWL_GRPC_OK);
        const Pawl__GetInstanceResponse *got =
            hub_world_message(&world, hub_world_call(&world, "GetInstance", &get.base), 0,
                              &pawl__get_instance_response__descriptor);
        IS(got->state->name, names[action - 1]);
    }
    call_instance(&world, "SuspendInstance", "i", PAWL_GRPC_OK); /* none of the statuses */
    for (action = 1; action <= 2; action++) {
        const struct grpc_reply *reply = hub_world_call(&world, "StartInstance", &request.base);
        assert_int_equal(reply->status, PAWL_GRPC_ALREADY_EXISTS);
        assert_non_null(strstr(reply->message, "orchestration instance already exists"));
    }
    hub_world_deinit(&world);
}

static void instances_are_queried_and_purged_by_filter(void **state)
{
    struct hub_world world;
    const char *instances[] = { "a1", "a2", "b1" };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    for (size_t i = 0; i < 3; i++) start(&world, instances[i]);
    call_instance(&world, "TerminateInstance", "a1", PAWL_GRPC_OK);
    call_instance(&world, "TerminateInstance", "b1", PAWL_GRPC_OK);

    Pawl__QueryInstancesRequest request = PAWL__QUERY_INSTANCES_REQUEST__INIT;
    Pawl__InstanceQuery query = PAWL__INSTANCE_QUERY__INIT;
    Pawl__Text prefix = PAWL__TEXT__INIT;
    request.query = &query;
    prefix.value = hub_text("a");
    query.instance_id_prefix = &prefix;
    query.with_payloads = true;
    const Pawl__QueryInstancesResponse *found =
        hub_world_message(&world, hub_world_call(&world, "QueryInstances", &request.base), 0,
                          &pawl__query_instances_response__descriptor);
    assert_int_equal(found->n_states, 2);
    IS(found->states[0]->input->value, "1");
    assert_null(found->continuation_token);
    query.instance_id_prefix = NULL;
    query.with_payloads = false;
    query.max_count = 2;
    found = hub_world_message(&world, hub_world_call(&world, "QueryInstances", &request.base), 0,
                              &pawl__query_instances_response__descriptor);
    assert_int_equal(found->n_states, 2);
    assert_null(found->states[0]->input);
    query.continuation_token = found->continuation_token;
    found = hub_world_message(&world, hub_world_call(&world, "QueryInstances", &request.base), 0,
                              &pawl__query_instances_response__descriptor);
    assert_int_equal(found->n_states, 1);

    Pawl__ListInstanceIdsRequest list = PAWL__LIST_INSTANCE_IDS_REQUEST__INIT;
    int32_t terminated = PAWL_STATUS_TERMINATED;
    list.n_status = 1;
    list.status = &terminated;
    const Pawl__ListInstanceIdsResponse *ids =
        hub_world_message(&world, hub_world_call(&world, "ListInstanceIds", &list.base), 0,
                          &pawl__list_instance_ids_response__descriptor);
    assert_int_equal(ids->n_instance_ids, 2);
    Pawl__Timestamp early = PAWL__TIMESTAMP__INIT;
    early.seconds = 1;
    list.completed_to = &early;
    ids = hub_world_message(&world, hub_world_call(&world, "ListInstanceIds", &list.base), 0,
                            &pawl__list_instance_ids_response__descriptor);
    assert_int_equal(ids->n_instance_ids, 0);

    Pawl__PurgeRequest purge = PAWL__PURGE_REQUEST__INIT;
    Pawl__PurgeFilter filter = PAWL__PURGE_FILTER__INIT;
    purge.filter = &filter;
    const Pawl__PurgeResponse *purged =
        hub_world_message(&world, hub_world_call(&world, "PurgeInstances", &purge.base), 0,
                          &pawl__purge_response__descriptor);
    assert_int_equal(purged->deleted_count, 2);
    assert_true(purged->is_complete->value);
    assert_int_equal(hub_world_status(&world, "a1"), -1);
    assert_int_equal(hub_world_status(&world, "a2"), PAWL_STATUS_PENDING);
    hub_world_deinit(&world);
}

static void tags_come_back_with_the_instance(void **state)
{
    (void)state;
    for (int dialect = PAWL_DIALECT_DAPR; dialect <= PAWL_DIALECT_MICROSOFT; dialect++) {
        struct hub_world world;
        hub_world_init(&world, (enum pawl_dialect)dialect);
        Pawl__Tag tag = PAWL__TAG__INIT, *tags[] = { &tag, &tag };
        tag.key = (ProtobufCBinaryData){ 4, (uint8_t *)(uintptr_t) "team" };
        tag.value = (ProtobufCBinaryData){ 4, (uint8_t *)(uintptr_t) "blue" };
        Pawl__CreateInstanceRequest start = PAWL__CREATE_INSTANCE_REQUEST__INIT;
        start.instance_id = (ProtobufCBinaryData){ 1, (uint8_t *)(uintptr_t) "t" };
        start.name = (ProtobufCBinaryData){ 1, (uint8_t *)(uintptr_t) "w" };
        Pawl__Timestamp later = PAWL__TIMESTAMP__INIT;
        later.seconds = INT64_C(4000000000);
        start.scheduled_start = &later; /* so that nobody waits for it */
        start.tags = tags;
        start.n_tags = 2;
        struct grpc_reply *refused = hub_world_call(&world, "StartInstance", &start.base);
        assert_int_equal(refused->status, PAWL_GRPC_INVALID_ARGUMENT);
        start.n_tags = 1;
        (void)hub_world_call(&world, "StartInstance", &start.base);
        Pawl__GetInstanceRequest get = PAWL__GET_INSTANCE_REQUEST__INIT;
        get.instance_id = start.instance_id;
        const Pawl__GetInstanceResponse *got =
            hub_world_message(&world, hub_world_call(&world, "GetInstance", &get.base), 0,
                              &pawl__get_instance_response__descriptor);
        assert_int_equal(got->state->n_tags, 1);
        assert_int_equal(got->state->tags[0]->value.len, 4);
        assert_memory_equal(got->state->tags[0]->value.data, "blue", 4);
        hub_world_deinit(&world);
    }
}

static void a_history_is_read_whole_or_in_parts(void **state)
{
    (void)state;
    for (int dialect = PAWL_DIALECT_DAPR; dialect <= PAWL_DIALECT_MICROSOFT; dialect++) {
        struct hub_world world;
        hub_world_init(&world, (enum pawl_dialect)dialect);
        struct grpc_reply *work = hub_world_work(&world, 0, 0);
        start(&world, "i");
        enum { STEPS = 300 };
        uint32_t at = 0;
        for (int32_t i = 0; i < STEPS; i++) {
            schedule(&world, hub_world_item(&world, work, at++), i);
            const Pawl__WorkItem *activity = hub_world_item(&world, work, at++);
            activity_done(&world, activity, &activity->completion_token);
        }
        const Pawl__WorkItem *last = hub_world_item(&world, work, at);
        complete(&world, last, &last->completion_token);

        Pawl__HistoryRequest request = PAWL__HISTORY_REQUEST__INIT;
        request.instance_id = hub_text("i");
        bool is_dapr = dialect == PAWL_DIALECT_DAPR;
        struct grpc_reply *reply = hub_world_call(
            &world, is_dapr ? "GetInstanceHistory" : "StreamInstanceHistory", &request.base);
        assert_int_equal(reply->status, PAWL_GRPC_OK);
        size_t events = 0;
        for (uint32_t i = 0; i < grpc_reply_messages_count(reply); i++) {
            const Pawl__HistoryChunk *chunk =
                hub_world_message(&world, reply, i, &pawl__history_chunk__descriptor);
            events += chunk->n_events;
        }
        assert_int_equal(events, 2 + 3 * STEPS + 1); /* per step: scheduled, started, completed */
        hub_world_deinit(&world);
    }
}

static void an_instance_is_restarted_or_run_again(void **state)
{
    struct hub_world world;
    Pawl__RestartRequest restart = PAWL__RESTART_REQUEST__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    start(&world, "i");
    restart.instance_id = hub_text("i");
    assert_int_equal(hub_world_call(&world, "RestartInstance", &restart.base)->status,
                     PAWL_GRPC_FAILED_PRECONDITION);
    call_instance(&world, "TerminateInstance", "i", PAWL_GRPC_OK);
    assert_int_equal(hub_world_call(&world, "RestartInstance", &restart.base)->status,
                     PAWL_GRPC_OK);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_PENDING);
    Pawl__SuspendRequest rewind = PAWL__SUSPEND_REQUEST__INIT;
    rewind.instance_id = hub_text("i");
    assert_int_equal(hub_world_call(&world, "RewindInstance", &rewind.base)->status,
                     PAWL_GRPC_FAILED_PRECONDITION);
    rewind.instance_id = hub_text("nobody");
    assert_int_equal(hub_world_call(&world, "RewindInstance", &rewind.base)->status,
                     PAWL_GRPC_NOT_FOUND);
    hub_world_deinit(&world);

    Pawl__RerunRequest rerun = PAWL__RERUN_REQUEST__INIT;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    start(&world, "i");
    call_instance(&world, "TerminateInstance", "i", PAWL_GRPC_OK);
    rerun.instance_id = hub_text("i");
    rerun.new_instance_id = hub_text("j");
    rerun.event_id = 4; /* it never made a call */
    assert_int_equal(hub_world_call(&world, "RerunWorkflowFromEvent", &rerun.base)->status,
                     PAWL_GRPC_NOT_FOUND);
    rerun.new_instance_id = hub_text("i");
    assert_int_equal(hub_world_call(&world, "RerunWorkflowFromEvent", &rerun.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    start(&world, "k");
    rerun.instance_id = hub_text("k");
    assert_int_equal(hub_world_call(&world, "RerunWorkflowFromEvent", &rerun.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    rerun.instance_id = hub_text("nobody");
    assert_int_equal(hub_world_call(&world, "RerunWorkflowFromEvent", &rerun.base)->status,
                     PAWL_GRPC_NOT_FOUND);
    hub_world_deinit(&world);
}

static void a_client_that_goes_away_leaves_nothing_behind(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *waiting = start(&world, "i"); /* for a worker that never comes */
    assert_false(waiting->is_over);
    grpc_link_cut(world.link);
    hub_world_run(&world);
    assert_null(world.calls);
    hub_world_deinit(&world);
}

static void a_task_hub_of_another_app_is_not_served(void **state)
{
    struct hub_world world;
    const char *headers[] = { "taskhub", "bank", NULL };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work =
        grpc_client_call(&world.link->client, "/TaskHubSidecarService/GetWorkItems",
                         PAWL_BYTES_LITERAL(""), headers);
    grpc_world_run(&world.wire);
    assert_int_equal(work->status, PAWL_GRPC_NOT_FOUND);
    assert_non_null(strstr(work->message, "bank"));
    headers[1] = "shop";
    work = grpc_client_call(&world.link->client, "/TaskHubSidecarService/GetWorkItems",
                            PAWL_BYTES_LITERAL(""), headers);
    hub_world_run(&world);
    assert_int_equal(pawl_grpc_workers_count(world.workers), 1);
    hub_world_deinit(&world);
}

/* Dapr's own API ------------------------------------------------------------------------------- */

#define DAPR(rpc) "/dapr.proto.runtime.v1.Dapr/" rpc

static void daprs_own_calls_reach_the_same_instances(void **state)
{
    struct hub_world world;
    Pawl__Dapr__StartRequest request = PAWL__DAPR__START_REQUEST__INIT;
    Pawl__Dapr__InstanceRequest instance = PAWL__DAPR__INSTANCE_REQUEST__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    request.instance_id = hub_text("i");
    request.name = hub_text("W");
    request.input = hub_text("42");
    struct grpc_reply *reply = hub_world_call(&world, DAPR("StartWorkflowBeta1"), &request.base);
    assert_int_equal(reply->status, PAWL_GRPC_OK); /* it does not wait */
    const Pawl__Dapr__StartResponse *started =
        hub_world_message(&world, reply, 0, &pawl__dapr__start_response__descriptor);
    IS(started->instance_id, "i");
    instance.instance_id = hub_text("i");
    reply = hub_world_call(&world, DAPR("GetWorkflowAlpha1"), &instance.base);
    const Pawl__Dapr__GetResponse *got =
        hub_world_message(&world, reply, 0, &pawl__dapr__get_response__descriptor);
    IS(got->status, "PENDING");
    IS(got->properties[0]->key, "dapr.workflow.input");
    IS(got->properties[0]->value, "42");
    assert_int_equal(hub_world_call(&world, DAPR("PauseWorkflowBeta1"), &instance.base)->status,
                     PAWL_GRPC_OK);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_SUSPENDED);
    assert_int_equal(hub_world_call(&world, DAPR("PurgeWorkflowBeta1"), &instance.base)->status,
                     PAWL_GRPC_INTERNAL); /* as Dapr says it */
    assert_int_equal(hub_world_call(&world, DAPR("ResumeWorkflowBeta1"), &instance.base)->status,
                     PAWL_GRPC_OK);
    assert_int_equal(hub_world_call(&world, DAPR("TerminateWorkflowBeta1"), &instance.base)->status,
                     PAWL_GRPC_OK);
    assert_int_equal(hub_world_call(&world, DAPR("PurgeWorkflowBeta1"), &instance.base)->status,
                     PAWL_GRPC_OK);
    assert_int_equal(hub_world_call(&world, DAPR("GetWorkflowBeta1"), &instance.base)->status,
                     PAWL_GRPC_NOT_FOUND);
    reply = hub_world_call(&world, DAPR("GetMetadata"), NULL);
    const Pawl__Dapr__MetadataResponse *metadata =
        hub_world_message(&world, reply, 0, &pawl__dapr__metadata_response__descriptor);
    IS(metadata->app_id, "shop");
    IS(metadata->runtime_version, "1.2.3");
    Pawl__Dapr__Entry option = PAWL__DAPR__ENTRY__INIT, *options[] = { &option };
    option.key = hub_text("dapr.workflow.start_time");
    option.value = hub_text("tomorrow");
    request.options = options;
    request.n_options = 1;
    assert_int_equal(hub_world_call(&world, DAPR("StartWorkflowBeta1"), &request.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    hub_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_workflow_runs_to_its_end_in_both_dialects),
        cmocka_unit_test(stale_answers_change_nothing),
        cmocka_unit_test(answers_to_items_of_another_kind_or_dialect_change_nothing),
        cmocka_unit_test(answers_without_tokens_belong_to_the_oldest_item),
        cmocka_unit_test(a_worker_holds_no_more_than_it_asked_for),
        cmocka_unit_test(what_a_lost_stream_held_goes_to_another),
        cmocka_unit_test(an_abandoned_item_comes_again_after_a_while),
        cmocka_unit_test(an_answer_may_come_in_parts),
        cmocka_unit_test(only_microsofts_workers_are_pinged),
        cmocka_unit_test(what_no_filter_names_waits_for_its_worker),
        cmocka_unit_test(a_worker_that_filters_gets_its_names_only),
        cmocka_unit_test(what_a_worker_cannot_be_given_is_said_on_the_instance),
        cmocka_unit_test(what_is_no_text_is_said_on_the_instance),
        cmocka_unit_test(a_stopping_sidecar_ends_its_streams_well),
        cmocka_unit_test(a_sidecar_that_does_not_serve_yet_sends_its_workers_away_for_a_while),
        cmocka_unit_test(what_is_not_there_is_told_as_each_dialect_does),
        cmocka_unit_test(garbage_is_refused_and_disturbs_nobody),
        cmocka_unit_test(an_id_in_use_is_refused_or_replaced_as_the_policy_says),
        cmocka_unit_test(microsofts_go_client_says_what_to_do_about_an_id_in_use),
        cmocka_unit_test(instances_are_queried_and_purged_by_filter),
        cmocka_unit_test(tags_come_back_with_the_instance),
        cmocka_unit_test(a_history_is_read_whole_or_in_parts),
        cmocka_unit_test(an_instance_is_restarted_or_run_again),
        cmocka_unit_test(a_client_that_goes_away_leaves_nothing_behind),
        cmocka_unit_test(a_task_hub_of_another_app_is_not_served),
        cmocka_unit_test(daprs_own_calls_reach_the_same_instances),
    };
    return cmocka_run_group_tests_name("taskhub", tests, NULL, NULL);
}
