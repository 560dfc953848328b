/* Taskhub: clients and workers that are wrong. Each gets a status and a text, and whatever
 * they send, nobody is ever sent a text that is not UTF-8: a gRPC client would refuse the
 * whole message. */
#include <stdio.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "hub_steps.h"

#define ODD "\xff\xfe"

/* Workers of the other dialect --------------------------------------------------------------- */

static struct grpc_reply *ask_work(struct hub_world *world,
                                   const Pawl__GetWorkItemsRequest *request,
                                   const char *const *headers)
{
    struct grpc_reply *reply =
        grpc_client_call(&world->link->client, "/TaskHubSidecarService/GetWorkItems",
                         pawl_protobuf_pack(&world->arena, &request->base), headers);
    grpc_world_run(&world->wire);
    hub_world_run(world);
    return reply;
}

static void expect_sent_away(const struct grpc_reply *reply, const char *to)
{
    assert_int_equal(reply->status, PAWL_GRPC_UNIMPLEMENTED);
    assert_non_null(strstr(reply->message, to));
}

static void a_worker_of_the_other_dialect_is_told_where_to_go(void **state)
{
    static const char *const scheduler[] = { "taskhub", "default", NULL };
    static const char *const agent[] = { "x-user-agent", "durabletask-js/0.4.0", NULL };
    Pawl__GetWorkItemsRequest request = PAWL__GET_WORK_ITEMS_REQUEST__INIT;
    Pawl__WorkItemFilters filters = PAWL__WORK_ITEM_FILTERS__INIT;
    int32_t capability = 2;
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    expect_sent_away(ask_work(&world, &request, scheduler), "--durabletask-port");
    expect_sent_away(ask_work(&world, &request, agent), "--durabletask-port");
    request.filters = &filters;
    expect_sent_away(ask_work(&world, &request, NULL), "--durabletask-port");
    assert_int_equal(pawl_grpc_workers_count(world.workers), 0);
    hub_world_deinit(&world);

    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    request.filters = NULL;
    request.dapr_capabilities = &capability;
    request.n_dapr_capabilities = 1;
    expect_sent_away(ask_work(&world, &request, NULL), "--grpc-port");
    assert_int_equal(pawl_grpc_workers_count(world.workers), 0);
    request.n_dapr_capabilities = 0;
    assert_false(ask_work(&world, &request, NULL)->is_over); /* nothing speaks against it */
    hub_world_deinit(&world);
}

static void calls_of_the_other_dialect_are_named(void **state)
{
    static const char *const daprs[] = { "CompleteWorkflowTask", "RerunWorkflowFromEvent",
                                         "ListInstanceIDs", "GetInstanceHistory",
                                         "/dapr.proto.runtime.v1.Dapr/StartWorkflowBeta1" };
    static const char *const microsofts[] = { "QueryInstances",
                                              "ListInstanceIds",
                                              "StreamInstanceHistory",
                                              "RestartInstance",
                                              "RewindInstance",
                                              "AbandonTaskActivityWorkItem",
                                              "SkipGracefulOrchestrationTerminations" };
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    for (size_t i = 0; i < sizeof daprs / sizeof *daprs; i++) {
        const struct grpc_reply *reply = hub_world_call(&world, daprs[i], NULL);
        assert_int_equal(reply->status, PAWL_GRPC_UNIMPLEMENTED);
        assert_non_null(strstr(reply->message, "Durable Task"));
    }
    hub_world_deinit(&world);
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    for (size_t i = 0; i < sizeof microsofts / sizeof *microsofts; i++) {
        const struct grpc_reply *reply = hub_world_call(&world, microsofts[i], NULL);
        assert_int_equal(reply->status, PAWL_GRPC_UNIMPLEMENTED);
        assert_non_null(strstr(reply->message, "Dapr"));
    }
    hub_world_deinit(&world);
}

/* Texts that are none ------------------------------------------------------------------------ */

static void names_that_are_no_text_are_refused(void **state)
{
    static const char *const by_instance[] = { "GetInstance",          "WaitForInstanceStart",
                                               "TerminateInstance",    "SuspendInstance",
                                               "ResumeInstance",       "PurgeInstances",
                                               "RestartInstance",      "RewindInstance",
                                               "StreamInstanceHistory" };
    struct hub_world world;
    Pawl__CreateInstanceRequest create = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    Pawl__RaiseEventRequest raise = PAWL__RAISE_EVENT_REQUEST__INIT;
    Pawl__Text version = PAWL__TEXT__INIT;
    Pawl__Tag tag = PAWL__TAG__INIT, *tags[] = { &tag };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    for (size_t i = 0; i < sizeof by_instance / sizeof *by_instance; i++)
        call_instance(&world, by_instance[i], ODD, PAWL_GRPC_INVALID_ARGUMENT);
    raise.instance_id = create.instance_id = hub_text("i");
    raise.name = hub_text(ODD);
    assert_int_equal(hub_world_call(&world, "RaiseEvent", &raise.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    create.name = hub_text(ODD);
    assert_int_equal(hub_world_call(&world, "StartInstance", &create.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    create.name = hub_text("W");
    version.value = hub_text(ODD);
    create.version = &version;
    assert_int_equal(hub_world_call(&world, "StartInstance", &create.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    create.version = NULL;
    tag.key = hub_text("k");
    tag.value = hub_text(ODD);
    create.tags = tags;
    create.n_tags = 1;
    assert_int_equal(hub_world_call(&world, "StartInstance", &create.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    assert_int_equal(hub_world_status(&world, "i"), -1);
    hub_world_deinit(&world);
}

/* What became of a call with such a text as its reason or output. */
static int say(struct hub_world *world, const char *rpc)
{
    Pawl__SuspendRequest request = PAWL__SUSPEND_REQUEST__INIT;
    Pawl__Text text = PAWL__TEXT__INIT;
    text.value = hub_text(ODD);
    request.instance_id = hub_text("i");
    request.reason = &text;
    const struct grpc_reply *reply = hub_world_call(world, rpc, &request.base);
    if (reply->status != PAWL_GRPC_OK) assert_non_null(strstr(reply->message, "not valid UTF-8"));
    return reply->status;
}

static void payloads_that_are_no_text_are_refused_and_disturb_nobody(void **state)
{
    struct hub_world world;
    Pawl__CreateInstanceRequest create = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    Pawl__RaiseEventRequest raise = PAWL__RAISE_EVENT_REQUEST__INIT;
    Pawl__Text text = PAWL__TEXT__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start(&world, "i");
    assert_int_equal(say(&world, "SuspendInstance"), PAWL_GRPC_INVALID_ARGUMENT);
    assert_int_equal(say(&world, "ResumeInstance"), PAWL_GRPC_INVALID_ARGUMENT);
    assert_int_equal(say(&world, "TerminateInstance"), PAWL_GRPC_INVALID_ARGUMENT);
    assert_int_equal(say(&world, "RewindInstance"), PAWL_GRPC_INVALID_ARGUMENT);
    text.value = hub_text(ODD);
    raise.instance_id = hub_text("i");
    raise.name = hub_text("e");
    raise.input = &text;
    assert_int_equal(hub_world_call(&world, "RaiseEvent", &raise.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    create.instance_id = hub_text("j");
    create.name = hub_text("W");
    create.input = &text;
    assert_int_equal(hub_world_call(&world, "StartInstance", &create.base)->status,
                     PAWL_GRPC_INVALID_ARGUMENT);
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    assert_int_equal(hub_world_status(&world, "j"), -1);
    hub_world_deinit(&world);
}

static void check_text(const ProtobufCMessage *message);

static void check_value(const ProtobufCFieldDescriptor *field, const void *value)
{
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        assert_true(pawl_utf8_is_valid(pawl_protobuf_bytes(*(const ProtobufCBinaryData *)value)));
    else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        check_text(*(ProtobufCMessage *const *)value);
}

/* Every text in it and in what it holds. */
static void check_text(const ProtobufCMessage *message)
{
    if (!message) return;
    const ProtobufCMessageDescriptor *type = message->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        const uint8_t *base = (const uint8_t *)message;
        bool is_one_of = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        uint32_t chosen;
        memcpy(&chosen, base + field->quantifier_offset, sizeof chosen);
        if (is_one_of && chosen != field->id) continue;
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            check_value(field, base + field->offset);
            continue;
        }
        bool is_bytes = field->type == PROTOBUF_C_TYPE_BYTES;
        if (!is_bytes && field->type != PROTOBUF_C_TYPE_MESSAGE) continue;
        size_t count, step = is_bytes ? sizeof(ProtobufCBinaryData) : sizeof(void *);
        const uint8_t *items;
        memcpy(&count, base + field->quantifier_offset, sizeof count);
        memcpy(&items, base + field->offset, sizeof items);
        for (size_t k = 0; k < count; k++) check_value(field, items + k * step);
    }
}

static void check_reply(struct hub_world *world, const struct grpc_reply *reply,
                        const ProtobufCMessageDescriptor *descriptor)
{
    for (uint32_t i = 0; i < grpc_reply_messages_count(reply); i++)
        check_text(hub_world_message(world, reply, i, descriptor));
}

/* What clients can read of it. */
static void check_shown(struct hub_world *world, const char *instance)
{
    bool is_dapr = world->dialect == PAWL_DIALECT_DAPR;
    Pawl__GetInstanceRequest get = PAWL__GET_INSTANCE_REQUEST__INIT;
    Pawl__HistoryRequest history = PAWL__HISTORY_REQUEST__INIT;
    get.instance_id = history.instance_id = hub_text(instance);
    get.with_payloads = true;
    check_reply(world, hub_world_call(world, "GetInstance", &get.base),
                &pawl__get_instance_response__descriptor);
    check_reply(world,
                hub_world_call(world, is_dapr ? "GetInstanceHistory" : "StreamInstanceHistory",
                               &history.base),
                &pawl__history_chunk__descriptor);
}

static void answer_oddly(struct hub_world *world, const Pawl__WorkItem *item, Pawl__Action *action)
{
    Pawl__WorkflowResponse response = PAWL__WORKFLOW_RESPONSE__INIT;
    Pawl__Text custom = PAWL__TEXT__INIT;
    custom.value = hub_text(ODD);
    response.instance_id = item->workflow->instance_id;
    response.completion_token = item->completion_token;
    response.custom_status = &custom;
    response.n_actions = 1;
    response.actions = &action;
    hub_world_call(world, complete_rpc(world), &response.base);
}

/* A workflow whose activity fails oddly, and that fails so itself. */
static void odd_life(struct hub_world *world, const struct grpc_reply *work)
{
    Pawl__ScheduleTask task = PAWL__SCHEDULE_TASK__INIT;
    Pawl__Action action = PAWL__ACTION__INIT;
    Pawl__Failure failure = PAWL__FAILURE__INIT, inner = PAWL__FAILURE__INIT;
    Pawl__ActivityResponse response = PAWL__ACTIVITY_RESPONSE__INIT;
    Pawl__Text stack = PAWL__TEXT__INIT;
    start(world, "i");
    task.name = hub_text("A");
    action.kind_case = PAWL__ACTION__KIND_SCHEDULE_TASK;
    action.schedule_task = &task;
    answer_oddly(world, hub_world_item(world, work, 0), &action);
    const Pawl__WorkItem *activity = hub_world_item(world, work, 1);
    stack.value = failure.type = failure.message = inner.message = hub_text(ODD);
    failure.stack_trace = &stack;
    failure.inner = &inner;
    response.instance_id = hub_text("i");
    response.completion_token = activity->completion_token;
    response.failure = &failure;
    hub_world_call(world, "CompleteActivityTask", &response.base);
    const Pawl__WorkItem *turn = hub_world_item(world, work, 2);
    Pawl__CompleteWorkflow end = PAWL__COMPLETE_WORKFLOW__INIT;
    end.status = PAWL_STATUS_FAILED;
    end.failure = &failure;
    action = (Pawl__Action)PAWL__ACTION__INIT;
    action.kind_case = PAWL__ACTION__KIND_COMPLETE_WORKFLOW;
    action.complete_workflow = &end;
    answer_oddly(world, turn, &action);
}

static void nobody_is_sent_what_is_no_text(void **state)
{
    (void)state;
    for (int dialect = PAWL_DIALECT_DAPR; dialect <= PAWL_DIALECT_MICROSOFT; dialect++) {
        struct hub_world world;
        hub_world_init(&world, (enum pawl_dialect)dialect);
        struct grpc_reply *work = hub_world_work(&world, 0, 0);
        odd_life(&world, work);
        assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_FAILED);
        check_shown(&world, "i");
        check_reply(&world, work, &pawl__work_item__descriptor);
        hub_world_deinit(&world);
    }
}

/* Actions ------------------------------------------------------------------------------------ */

static void expect_failed(struct hub_world *world, const char *instance, const char *why)
{
    Pawl__GetInstanceRequest get = PAWL__GET_INSTANCE_REQUEST__INIT;
    get.instance_id = hub_text(instance);
    get.with_payloads = true;
    const Pawl__GetInstanceResponse *response =
        hub_world_message(world, hub_world_call(world, "GetInstance", &get.base), 0,
                          &pawl__get_instance_response__descriptor);
    assert_int_equal(response->state->status, PAWL_STATUS_FAILED);
    const ProtobufCBinaryData *message = &response->state->failure->message;
    assert_non_null(memmem(message->data, message->len, why, strlen(why)));
}

static void an_action_with_texts_that_are_none_fails_its_instance_alone(void **state)
{
    struct hub_world world;
    Pawl__Action timer = PAWL__ACTION__INIT, task = PAWL__ACTION__INIT, *list;
    Pawl__CreateTimer create = PAWL__CREATE_TIMER__INIT;
    Pawl__TimerOrigin origin = PAWL__TIMER_ORIGIN__INIT;
    Pawl__ScheduleTask scheduled = PAWL__SCHEDULE_TASK__INIT;
    static uint8_t tag[] = { 0x0a, 1, 'k', 0x12, 2, 0xff, 0xfe };
    ProtobufCBinaryData tags[] = { { sizeof tag, tag } };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    origin.name = hub_text(ODD);
    create.origin_case = PAWL__CREATE_TIMER__ORIGIN_EXTERNAL_EVENT;
    create.external_event = &origin;
    timer.kind_case = PAWL__ACTION__KIND_CREATE_TIMER;
    timer.create_timer = &create;
    scheduled.name = hub_text("A");
    scheduled.tags_or_router = tags;
    scheduled.n_tags_or_router = 1;
    task.kind_case = PAWL__ACTION__KIND_SCHEDULE_TASK;
    task.schedule_task = &scheduled;
    start(&world, "i");
    list = &timer;
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    turn_done(&world, turn, &turn->completion_token, 1, &list);
    expect_failed(&world, "i", "not UTF-8");
    start(&world, "j");
    list = &task;
    turn = hub_world_item(&world, work, 1);
    turn_done(&world, turn, &turn->completion_token, 1, &list);
    expect_failed(&world, "j", "a tag of an action is malformed");
    start(&world, "k");
    turn = hub_world_item(&world, work, 2);
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(hub_world_status(&world, "k"), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

/* A worker answers what another one has in its hands, as SDKs do that send no token. */
static void an_answer_to_what_nobody_has_disturbs_nobody(void **state)
{
    struct hub_world world;
    Pawl__ActivityResponse response = PAWL__ACTIVITY_RESPONSE__INIT;
    Pawl__WorkflowResponse turn_response = PAWL__WORKFLOW_RESPONSE__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start(&world, "i");
    response.instance_id = turn_response.instance_id = hub_text("i");
    response.task_id = 7;
    assert_int_equal(hub_world_call(&world, "CompleteActivityTask", &response.base)->status,
                     PAWL_GRPC_NOT_FOUND);
    response.task_id = -5;
    assert_int_equal(hub_world_call(&world, "CompleteActivityTask", &response.base)->status,
                     PAWL_GRPC_NOT_FOUND);
    turn_response.instance_id = hub_text("another");
    assert_int_equal(hub_world_call(&world, complete_rpc(&world), &turn_response.base)->status,
                     PAWL_GRPC_NOT_FOUND);
    char *long_id = pawl_arena_alloc(&world.arena, 10000);
    memset(long_id, 'x', 9999);
    long_id[9999] = 0;
    turn_response.instance_id = hub_text(long_id);
    assert_int_equal(hub_world_call(&world, complete_rpc(&world), &turn_response.base)->status,
                     PAWL_GRPC_NOT_FOUND);
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(hub_world_status(&world, "i"), PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_of_the_other_dialect_is_told_where_to_go),
        cmocka_unit_test(calls_of_the_other_dialect_are_named),
        cmocka_unit_test(names_that_are_no_text_are_refused),
        cmocka_unit_test(payloads_that_are_no_text_are_refused_and_disturb_nobody),
        cmocka_unit_test(nobody_is_sent_what_is_no_text),
        cmocka_unit_test(an_action_with_texts_that_are_none_fails_its_instance_alone),
        cmocka_unit_test(an_answer_to_what_nobody_has_disturbs_nobody),
    };
    return cmocka_run_group_tests_name("taskhub hostile", tests, NULL, NULL);
}
