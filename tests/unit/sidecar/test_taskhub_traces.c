/* Taskhub: what traces and tags become on their way from a start to activities and children. */
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "hub_steps.h"

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define OWN    "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"

static void start_traced(struct hub_world *world, const char *instance, const char *parent,
                         const char *span)
{
    Pawl__CreateInstanceRequest request = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    Pawl__TraceContext trace = PAWL__TRACE_CONTEXT__INIT;
    Pawl__Text trace_state = PAWL__TEXT__INIT;
    request.instance_id = hub_text(instance);
    request.name = hub_text("W");
    trace.trace_parent = hub_text(parent);
    trace.span_id = hub_text(span);
    trace_state.value = hub_text("vendor=1");
    trace.trace_state = &trace_state;
    request.trace = &trace;
    hub_world_call(world, "StartInstance", &request.base);
}

static const Pawl__ExecutionStarted *started_of(const Pawl__WorkItem *turn)
{
    assert_int_equal(turn->workflow->new_events[1]->kind_case,
                     PAWL__HISTORY_EVENT__KIND_EXECUTION_STARTED);
    return turn->workflow->new_events[1]->execution_started;
}

static void begin_child(struct hub_world *world, const Pawl__WorkItem *item,
                        Pawl__CreateChild *child)
{
    Pawl__Action action = PAWL__ACTION__INIT, *actions[] = { &action };
    child->instance_id = hub_text("child");
    child->name = hub_text("W");
    action.id = 0;
    action.kind_case = PAWL__ACTION__KIND_CREATE_CHILD;
    action.create_child = child;
    turn_done(world, item, &item->completion_token, 1, actions);
}

static void a_starts_trace_reaches_the_workflow_and_what_it_calls(void **state)
{
    (void)state;
    for (int dialect = PAWL_DIALECT_DAPR; dialect <= PAWL_DIALECT_MICROSOFT; dialect++) {
        struct hub_world world;
        hub_world_init(&world, (enum pawl_dialect)dialect);
        struct grpc_reply *work = hub_world_work(&world, 0, 0);
        start_traced(&world, "i", PARENT, "");
        const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
        IS(started_of(turn)->trace->trace_parent, PARENT);
        IS(started_of(turn)->trace->trace_state->value, "vendor=1");
        schedule(&world, turn, 0);
        const Pawl__WorkItem *activity = hub_world_item(&world, work, 1);
        IS(activity->activity->trace->trace_parent, PARENT);
        activity_done(&world, activity, &activity->completion_token);
        turn = hub_world_item(&world, work, 2); /* its beginning is in the past */
        const Pawl__HistoryEvent *scheduled =
            turn->workflow->past_events[turn->workflow->n_past_events - 1];
        IS(scheduled->task_scheduled->trace->trace_parent, PARENT);
        Pawl__CreateChild child = PAWL__CREATE_CHILD__INIT;
        begin_child(&world, turn, &child);
        const Pawl__WorkItem *beginning = hub_world_item(&world, work, 3);
        IS(beginning->workflow->instance_id, "child");
        IS(started_of(beginning)->trace->trace_parent, PARENT);
        hub_world_deinit(&world);
    }
}

static void what_an_action_says_of_its_trace_goes_first(void **state)
{
    struct hub_world world;
    Pawl__TraceContext trace = PAWL__TRACE_CONTEXT__INIT;
    Pawl__CreateChild child = PAWL__CREATE_CHILD__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start_traced(&world, "i", PARENT, "");
    trace.trace_parent = hub_text(OWN);
    struct pawl_bytes packed = pawl_protobuf_pack(&world.arena, &trace.base);
    child.trace_or_router = (ProtobufCBinaryData){ packed.size, (uint8_t *)(uintptr_t)packed.data };
    begin_child(&world, hub_world_item(&world, work, 0), &child);
    IS(started_of(hub_world_item(&world, work, 1))->trace->trace_parent, OWN);
    hub_world_deinit(&world);
}

static void a_detached_workflow_belongs_to_the_trace_too(void **state)
{
    struct hub_world world;
    Pawl__TraceContext trace = PAWL__TRACE_CONTEXT__INIT;
    Pawl__CreateDetached detached[] = { PAWL__CREATE_DETACHED__INIT, PAWL__CREATE_DETACHED__INIT };
    Pawl__Action list[] = { PAWL__ACTION__INIT, PAWL__ACTION__INIT },
                 *actions[] = { &list[0], &list[1] };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start_traced(&world, "i", PARENT, "");
    trace.trace_parent = hub_text(OWN);
    struct pawl_bytes packed = pawl_protobuf_pack(&world.arena, &trace.base);
    for (int i = 0; i < 2; i++) {
        detached[i].instance_id = hub_text(i ? "b" : "a");
        detached[i].name = hub_text("W");
        list[i].id = i;
        list[i].kind_case = PAWL__ACTION__KIND_CREATE_DETACHED;
        list[i].create_detached = &detached[i];
    }
    detached[1].trace = (ProtobufCBinaryData){ packed.size, (uint8_t *)(uintptr_t)packed.data };
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    turn_done(&world, turn, &turn->completion_token, 2, actions);
    for (uint32_t i = 1; i < 3; i++) {
        const Pawl__WorkItem *first = hub_world_item(&world, work, i);
        bool is_a = hub_is(first->workflow->instance_id, "a");
        IS(started_of(first)->trace->trace_parent, is_a ? PARENT : OWN);
    }
    hub_world_deinit(&world);
}

static void ids_that_are_told_apart_are_joined(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start_traced(&world, "i", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    IS(started_of(hub_world_item(&world, work, 0))->trace->trace_parent, PARENT);
    hub_world_deinit(&world);
}

static void a_trace_that_could_not_be_passed_on_is_left_out(void **state)
{
    struct hub_world world;
    char *large = pawl_mem_alloc(PAWL_TRACE_TEXT_SIZE_MAX + 2);
    (void)state;
    memset(large, 'a', PAWL_TRACE_TEXT_SIZE_MAX + 1);
    large[PAWL_TRACE_TEXT_SIZE_MAX + 1] = 0;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    const char *const parents[] = { "", "\xff\xff", large };
    for (uint32_t i = 0; i < 3; i++) {
        char instance[] = { (char)('a' + i), 0 };
        start_traced(&world, instance, parents[i], "");
        assert_null(started_of(hub_world_item(&world, work, i))->trace);
    }
    pawl_mem_free(large);
    hub_world_deinit(&world);
}

static void each_generation_has_a_trace_of_its_own(void **state)
{
    struct hub_world world;
    Pawl__CompleteWorkflow again = PAWL__COMPLETE_WORKFLOW__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *actions[] = { &action };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    again.status = PAWL_STATUS_CONTINUED_AS_NEW;
    action.kind_case = PAWL__ACTION__KIND_COMPLETE_WORKFLOW;
    action.complete_workflow = &again;
    start_traced(&world, "i", PARENT, "");
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    turn_done(&world, turn, &turn->completion_token, 1, actions);
    turn = hub_world_item(&world, work, 1);
    const Pawl__TraceContext *second = started_of(turn)->trace;
    assert_non_null(second);
    assert_int_equal(second->trace_parent.len, strlen(PARENT));
    assert_memory_not_equal(second->trace_parent.data, PARENT, strlen(PARENT));
    schedule(&world, turn, 0);
    const Pawl__WorkItem *activity = hub_world_item(&world, work, 2);
    assert_memory_equal(activity->activity->trace->trace_parent.data, second->trace_parent.data,
                        strlen(PARENT));
    /* Who was not traced is not traced now. */
    start(&world, "j");
    turn = hub_world_item(&world, work, 3);
    turn_done(&world, turn, &turn->completion_token, 1, actions);
    assert_null(started_of(hub_world_item(&world, work, 4))->trace);
    hub_world_deinit(&world);
}

static void said_span(struct hub_world *world, const Pawl__WorkItem *item, const char *span_id,
                      Pawl__Action *action)
{
    Pawl__Span span = PAWL__SPAN__INIT;
    Pawl__Text text = PAWL__TEXT__INIT;
    Pawl__Timestamp started = PAWL__TIMESTAMP__INIT;
    Pawl__WorkflowResponse response = PAWL__WORKFLOW_RESPONSE__INIT;
    text.value = hub_text(span_id);
    span.span_id = &text;
    started.seconds = 7;
    span.started = &started;
    struct pawl_bytes packed = pawl_protobuf_pack(&world->arena, &span.base);
    response.instance_id = item->workflow->instance_id;
    response.completion_token = item->completion_token;
    response.span_or_version =
        (ProtobufCBinaryData){ packed.size, (uint8_t *)(uintptr_t)packed.data };
    response.n_actions = action ? 1 : 0;
    response.actions = &action;
    hub_world_call(world, "CompleteOrchestratorTask", &response.base);
}

static void raise(struct hub_world *world, const char *instance)
{
    Pawl__RaiseEventRequest request = PAWL__RAISE_EVENT_REQUEST__INIT;
    request.instance_id = hub_text(instance);
    request.name = hub_text("e");
    hub_world_call(world, "RaiseEvent", &request.base);
}

static void expect_span(struct hub_world *world, const Pawl__WorkItem *item, const char *span_id)
{
    Pawl__Span *span = NULL;
    assert_int_equal(pawl_protobuf_unpack(&pawl__span__descriptor, &world->arena,
                                          pawl_protobuf_bytes(item->workflow->span), &span),
                     PAWL_OK);
    IS(span->span_id->value, span_id);
    assert_int_equal(span->started->seconds, 7);
}

/* Microsoft's workers make one span of all turns so. */
static void what_a_worker_says_of_its_span_is_told_in_each_later_turn(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start_traced(&world, "i", PARENT, "");
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    assert_int_equal(turn->workflow->span.len, 0);
    said_span(&world, turn, "b7ad6b7169203331", NULL);
    for (uint32_t i = 1; i < 4; i++) {
        raise(&world, "i");
        turn = hub_world_item(&world, work, i);
        expect_span(&world, turn, "b7ad6b7169203331");
        said_span(&world, turn, "ffffffffffffffff", NULL); /* too late to be another one */
    }
    start(&world, "j");
    turn = hub_world_item(&world, work, 4);
    said_span(&world, turn, "\xff\xff", NULL); /* could not be told */
    raise(&world, "j");
    turn = hub_world_item(&world, work, 5);
    assert_int_equal(turn->workflow->span.len, 0);
    hub_world_deinit(&world);
}

static void the_tags_of_a_child_are_its_own(void **state)
{
    struct hub_world world;
    Pawl__CreateChild child = PAWL__CREATE_CHILD__INIT;
    Pawl__GetInstanceRequest get = PAWL__GET_INSTANCE_REQUEST__INIT;
    /* Field 6, a map: key and value of one entry. */
    static const uint8_t entry[] = { 0x0a, 1, 'k', 0x12, 1, 'v' };
    uint8_t data[sizeof entry + 1] = { sizeof entry };
    memcpy(data + 1, entry, sizeof entry);
    ProtobufCMessageUnknownField tag = { 6, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, sizeof data,
                                         data };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start(&world, "i");
    child.base.n_unknown_fields = 1;
    child.base.unknown_fields = &tag;
    begin_child(&world, hub_world_item(&world, work, 0), &child);
    const Pawl__ExecutionStarted *started = started_of(hub_world_item(&world, work, 1));
    assert_int_equal(started->n_tags, 1);
    IS(started->tags[0]->key, "k");
    get.instance_id = hub_text("child");
    const Pawl__GetInstanceResponse *response =
        hub_world_message(&world, hub_world_call(&world, "GetInstance", &get.base), 0,
                          &pawl__get_instance_response__descriptor);
    assert_int_equal(response->state->n_tags, 1);
    IS(response->state->tags[0]->value, "v");
    raise(&world, "i");
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 2);
    const Pawl__HistoryEvent *created = turn->workflow->past_events[2];
    assert_int_equal(created->kind_case, PAWL__HISTORY_EVENT__KIND_CHILD_CREATED);
    assert_int_equal(created->child_created->n_tags_or_rerun_parent, 1);
    hub_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_starts_trace_reaches_the_workflow_and_what_it_calls),
        cmocka_unit_test(what_an_action_says_of_its_trace_goes_first),
        cmocka_unit_test(a_detached_workflow_belongs_to_the_trace_too),
        cmocka_unit_test(ids_that_are_told_apart_are_joined),
        cmocka_unit_test(a_trace_that_could_not_be_passed_on_is_left_out),
        cmocka_unit_test(each_generation_has_a_trace_of_its_own),
        cmocka_unit_test(what_a_worker_says_of_its_span_is_told_in_each_later_turn),
        cmocka_unit_test(the_tags_of_a_child_are_its_own),
    };
    return cmocka_run_group_tests_name("taskhub traces", tests, NULL, NULL);
}
