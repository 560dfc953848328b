/* Durabletask: events, actions and states on their way to and from gRPC clients. What is
 * written is read again from its bytes, as a client would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "base/tags.h"
#include "sidecar/durabletask.h"

#define TEXT(literal) PAWL_BYTES_LITERAL(literal)
#define INSTANCE      TEXT("i")

static int setup(void **state)
{
    static struct pawl_arena arena;
    pawl_arena_init(&arena);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    pawl_arena_deinit(*state);
    return 0;
}

static struct pawl_durabletask dapr(struct pawl_arena *arena)
{
    return (struct pawl_durabletask){ .arena = arena,
                                      .dialect = PAWL_DIALECT_DAPR,
                                      .app = TEXT("shop") };
}

static struct pawl_durabletask microsoft(struct pawl_arena *arena)
{
    return (struct pawl_durabletask){ .arena = arena,
                                      .dialect = PAWL_DIALECT_MICROSOFT,
                                      .app = TEXT("shop") };
}

static bool is_text(ProtobufCBinaryData data, const char *text)
{
    return data.len == strlen(text) && memcmp(data.data, text, data.len) == 0;
}

static struct pawl_id id_of(uint8_t byte)
{
    struct pawl_id id;
    memset(id.bytes, byte, sizeof id.bytes);
    return id;
}

static struct pawl_history_event event_of(enum pawl_event_kind kind)
{
    struct pawl_history_event event = pawl_history_event_make(kind, 1700000000123);
    event.name = TEXT("name");
    event.payload = TEXT("payload");
    event.id = 5;
    event.ref = 3;
    event.fire_at_ms = 1700000000500;
    return event;
}

/* One event, over the wire; NULL when it is left out. */
static Pawl__HistoryEvent *carried(struct pawl_durabletask *with,
                                   const struct pawl_history_event *event)
{
    struct pawl_durabletask_history history = { .for_clients = true, .is_suspended = true };
    struct pawl_bytes packed = pawl_history_event_pack(with->arena, event);
    assert_int_equal(pawl_durabletask_add_event(with, &history, INSTANCE, packed), PAWL_OK);
    if (history.count == 0) return NULL;
    struct pawl_bytes wire = pawl_protobuf_pack(with->arena, &history.events[0]->base);
    Pawl__HistoryEvent *out = NULL;
    assert_int_equal(
        pawl_protobuf_unpack(&pawl__history_event__descriptor, with->arena, wire, &out), PAWL_OK);
    assert_int_equal(out->timestamp->seconds, 1700000000);
    assert_int_equal(out->timestamp->nanos, 123000000);
    return out;
}

static void every_kind_of_event_has_its_number_or_is_left_out(void **state)
{
    struct pawl_durabletask with[2] = { dapr(*state), microsoft(*state) };
    for (int i = 0; i < 2; i++) {
        bool is_dapr = i == 0;
#define X(kind, number, text)                                          \
    {                                                                  \
        struct pawl_history_event event = event_of(PAWL_EVENT_##kind); \
        Pawl__HistoryEvent *out = carried(&with[i], &event);           \
        bool is_daprs = (number) == 31 || (number) == 32;              \
        bool is_here = (number) != 30 && (!is_daprs || is_dapr);       \
        bool is_known = (number) < 100 && is_here;                     \
        assert_int_equal(out != NULL, is_known);                       \
        if (out) assert_int_equal(out->kind_case, (number));           \
        if (out) assert_int_equal(out->router != NULL, is_dapr);       \
    }
        PAWL_EVENT_KIND_MAP(X)
#undef X
    }
}

static void a_started_event_says_who_and_whose_child(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    struct pawl_history_event event = event_of(PAWL_EVENT_EXECUTION_STARTED);
    event.id = -1;
    event.execution = id_of(0xab);
    event.parent = (struct pawl_parent){ .app = TEXT("bank"), .instance = TEXT("p"), .op_id = 9 };
    Pawl__HistoryEvent *out = carried(&with, &event);
    assert_int_equal(out->event_id, -1);
    assert_true(is_text(out->execution_started->instance->instance_id, "i"));
    assert_true(is_text(out->execution_started->instance->execution_id->value,
                        "abababab-abab-abab-abab-abababababab"));
    assert_true(is_text(out->execution_started->parent->instance->instance_id, "p"));
    assert_int_equal(out->execution_started->parent->task_scheduled_id, 9);
    assert_true(is_text(out->router->source_app, "bank"));
    assert_true(is_text(out->router->target_app, "shop"));
}

static void absent_and_empty_texts_stay_apart(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    struct pawl_history_event event = event_of(PAWL_EVENT_TASK_COMPLETED);
    event.payload = PAWL_BYTES_ABSENT;
    assert_null(carried(&with, &event)->task_completed->result);
    event.payload = TEXT("");
    assert_non_null(carried(&with, &event)->task_completed->result);
    event.payload = pawl_bytes_make("a\0b", 3);
    assert_int_equal(carried(&with, &event)->task_completed->result->value.len, 3);
    assert_false(with.is_not_text);
    event.payload = pawl_bytes_make("a\xff", 2);
    assert_true(is_text(carried(&with, &event)->task_completed->result->value, "a?"));
    assert_true(with.is_not_text);
}

static void field_five_of_a_scheduled_task_is_each_dialects_own(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    struct pawl_history_event event = event_of(PAWL_EVENT_TASK_SCHEDULED);
    event.task_execution = id_of(0x11);
    Pawl__Tag tag = PAWL__TAG__INIT, *tags[] = { &tag };
    tag.key = (ProtobufCBinaryData){ 1, (uint8_t *)"k" };
    tag.value = (ProtobufCBinaryData){ 1, (uint8_t *)"v" };
    Pawl__Extra extra = PAWL__EXTRA__INIT;
    extra.n_tags = 1;
    extra.tags = tags;
    event.extra = pawl_protobuf_pack(*state, &extra.base);
    Pawl__TaskScheduled *out = carried(&with, &event)->task_scheduled;
    assert_int_equal(out->n_tags_or_task_execution, 1);
    assert_true(is_text(out->tags_or_task_execution[0], "11111111-1111-1111-1111-111111111111"));

    struct pawl_durabletask other = microsoft(*state);
    out = carried(&other, &event)->task_scheduled;
    assert_int_equal(out->n_tags_or_task_execution, 1);
    Pawl__Tag *back = NULL;
    assert_int_equal(pawl_protobuf_unpack(&pawl__tag__descriptor, *state,
                                          pawl_protobuf_bytes(out->tags_or_task_execution[0]),
                                          &back),
                     PAWL_OK);
    assert_true(is_text(back->key, "k"));
    assert_true(is_text(back->value, "v"));
}

static void calls_of_a_rerun_name_their_source_to_dapr(void **state)
{
    struct pawl_durabletask with = dapr(*state), other = microsoft(*state);
    struct pawl_history_event event = event_of(PAWL_EVENT_TASK_SCHEDULED);
    event.rerun_of = TEXT("source");
    assert_true(
        is_text(carried(&with, &event)->task_scheduled->rerun_parent->instance_id, "source"));
    assert_null(carried(&other, &event)->task_scheduled->rerun_parent);
    event.kind = PAWL_EVENT_TIMER_CREATED;
    assert_true(
        is_text(carried(&with, &event)->timer_created->rerun_parent->instance_id, "source"));
    event.kind = PAWL_EVENT_CHILD_CREATED;
    Pawl__ChildCreated *child = carried(&with, &event)->child_created;
    assert_int_equal(child->n_tags_or_rerun_parent, 1);
    Pawl__SourceInstance *back = NULL;
    assert_int_equal(pawl_protobuf_unpack(&pawl__source_instance__descriptor, *state,
                                          pawl_protobuf_bytes(child->tags_or_rerun_parent[0]),
                                          &back),
                     PAWL_OK);
    assert_true(is_text(back->instance_id, "source"));
    assert_int_equal(carried(&other, &event)->child_created->n_tags_or_rerun_parent, 0);
    event.rerun_of = PAWL_BYTES_ABSENT;
    assert_int_equal(carried(&with, &event)->child_created->n_tags_or_rerun_parent, 0);
}

static void a_resume_that_ends_no_suspension_is_not_told(void **state)
{
    struct pawl_durabletask with = microsoft(*state);
    struct pawl_durabletask_history history = { .count = 0 };
    static const enum pawl_event_kind kinds[] = { PAWL_EVENT_EXECUTION_STALLED,
                                                  PAWL_EVENT_EXECUTION_RESUMED,
                                                  PAWL_EVENT_EXECUTION_SUSPENDED,
                                                  PAWL_EVENT_EXECUTION_RESUMED };
    for (size_t i = 0; i < 4; i++) {
        struct pawl_history_event event = pawl_history_event_make(kinds[i], 1);
        assert_int_equal(pawl_durabletask_add_event(&with, &history, INSTANCE,
                                                    pawl_history_event_pack(*state, &event)),
                         PAWL_OK);
    }
    assert_int_equal(history.count, 2);
    assert_int_equal(history.events[0]->kind_case, PAWL__HISTORY_EVENT__KIND_EXECUTION_SUSPENDED);
    assert_int_equal(history.events[1]->kind_case, PAWL__HISTORY_EVENT__KIND_EXECUTION_RESUMED);
    assert_int_equal(pawl_durabletask_add_event(&with, &history, INSTANCE, TEXT("x")),
                     PAWL_E_CORRUPT);
}

static void times_are_rounded_up_and_kept_in_range(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    Pawl__Timestamp timestamp = PAWL__TIMESTAMP__INIT;
    assert_int_equal(pawl_durabletask_timestamp_ms(NULL), 0);
    timestamp.seconds = 5;
    timestamp.nanos = 1;
    assert_int_equal(pawl_durabletask_timestamp_ms(&timestamp), 5001);
    timestamp.nanos = 2000000;
    assert_int_equal(pawl_durabletask_timestamp_ms(&timestamp), 5002);
    timestamp.nanos = -7;
    assert_int_equal(pawl_durabletask_timestamp_ms(&timestamp), 5000);
    timestamp.seconds = -1;
    assert_int_equal(pawl_durabletask_timestamp_ms(&timestamp), 0);
    timestamp.seconds = 253402300799; /* the end of the year 9999 */
    timestamp.nanos = 999999999;
    int64_t end_ms = pawl_durabletask_timestamp_ms(&timestamp);
    assert_int_equal(end_ms, INT64_C(253402300799999));
    timestamp.seconds = INT64_MAX;
    assert_int_equal(pawl_durabletask_timestamp_ms(&timestamp), end_ms);
    assert_int_equal(pawl_durabletask_timestamp(&with, end_ms)->seconds, 253402300799);
    assert_null(pawl_durabletask_timestamp(&with, 0));
}

static void uuids_come_back_as_they_were(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    struct pawl_bytes text = TEXT("00112233-4455-6677-8899-aabbccddeeff");
    struct pawl_bytes upper = TEXT("00112233-4455-6677-8899-AABBCCDDEEFF");
    assert_true(
        pawl_bytes_is_equal(pawl_durabletask_uuid_text(&with, pawl_durabletask_uuid(text)), text));
    assert_true(pawl_id_is_equal(pawl_durabletask_uuid(text), pawl_durabletask_uuid(upper)));
    assert_true(pawl_id_is_zero(pawl_durabletask_uuid(PAWL_BYTES_ABSENT)));
    assert_true(
        pawl_id_is_equal(pawl_durabletask_uuid(TEXT("odd")), pawl_durabletask_uuid(TEXT("odd"))));
    assert_false(
        pawl_id_is_equal(pawl_durabletask_uuid(TEXT("odd")), pawl_durabletask_uuid(TEXT("even"))));
}

static void failures_keep_their_causes(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    Pawl__Failure levels[3] = { PAWL__FAILURE__INIT, PAWL__FAILURE__INIT, PAWL__FAILURE__INIT };
    Pawl__Text stack = PAWL__TEXT__INIT;
    char names[3][2] = { "a", "b", "c" };
    for (int i = 0; i < 3; i++) {
        levels[i].type = (ProtobufCBinaryData){ 1, (uint8_t *)names[i] };
        if (i < 2) levels[i].inner = &levels[i + 1];
    }
    levels[1].stack_trace = &stack;
    levels[2].non_retriable = true;
    struct pawl_failure_view view = pawl_durabletask_failure_view(&with, &levels[0]);
    struct pawl_bytes packed = pawl_failure_pack(*state, &view);
    struct pawl_failure_view stored;
    assert_int_equal(pawl_failure_decode(packed, &stored), PAWL_OK);
    Pawl__Failure *back = pawl_durabletask_failure(&with, &stored);
    assert_true(is_text(back->type, "a"));
    assert_null(back->stack_trace);
    assert_true(is_text(back->inner->type, "b"));
    assert_non_null(back->inner->stack_trace);
    assert_int_equal(back->inner->stack_trace->value.len, 0);
    assert_true(is_text(back->inner->inner->type, "c"));
    assert_true(back->inner->inner->non_retriable);
    assert_null(back->inner->inner->inner);
    assert_null(pawl_durabletask_failure(&with, &(struct pawl_failure_view){ .present = false }));
}

/* What Microsoft's SDKs say of an exception besides. */
static void failures_keep_their_properties(void **state)
{
    struct pawl_durabletask with = microsoft(*state);
    Pawl__Failure failure = PAWL__FAILURE__INIT;
    Pawl__Property code = PAWL__PROPERTY__INIT, odd = PAWL__PROPERTY__INIT;
    Pawl__Property nested = PAWL__PROPERTY__INIT, *all[] = { &code, &odd, &nested };
    Pawl__Property inner = PAWL__PROPERTY__INIT, *inners[] = { &inner };
    Pawl__Value number = PAWL__VALUE__INIT, text = PAWL__VALUE__INIT, object = PAWL__VALUE__INIT;
    Pawl__Properties properties = PAWL__PROPERTIES__INIT;
    code.key = (ProtobufCBinaryData){ 4, (uint8_t *)(uintptr_t) "code" };
    code.value = &number;
    number.kind_case = PAWL__VALUE__KIND_NUMBER;
    number.number = 42.5;
    odd.key = (ProtobufCBinaryData){ 3, (uint8_t *)(uintptr_t) "odd" };
    odd.value = &text;
    text.kind_case = PAWL__VALUE__KIND_TEXT;
    text.text = (ProtobufCBinaryData){ 1, (uint8_t *)(uintptr_t) "\xff" };
    nested.key = (ProtobufCBinaryData){ 6, (uint8_t *)(uintptr_t) "nested" };
    nested.value = &object;
    object.kind_case = PAWL__VALUE__KIND_PROPERTIES;
    object.properties = &properties;
    properties.items = inners;
    properties.n_items = 1;
    inner.key = code.key;
    inner.value = &number;
    failure.properties = all;
    failure.n_properties = 3;
    struct pawl_failure_view view = pawl_durabletask_failure_view(&with, &failure), stored;
    assert_int_equal(pawl_failure_decode(pawl_failure_pack(*state, &view), &stored), PAWL_OK);
    const Pawl__Failure *back = pawl_durabletask_failure(&with, &stored);
    assert_int_equal(back->n_properties, 2); /* one would be refused by every client */
    assert_true(is_text(back->properties[0]->key, "code"));
    assert_true(back->properties[0]->value->number > 42);
    assert_true(is_text(back->properties[1]->value->properties->items[0]->key, "code"));
    with.dialect = PAWL_DIALECT_DAPR; /* does not know them */
    assert_int_equal(pawl_durabletask_failure(&with, &stored)->n_properties, 0);
}

/* Actions ---------------------------------------------------------------------------------- */

static ProtobufCBinaryData data(const char *text)
{
    return (ProtobufCBinaryData){ strlen(text), (uint8_t *)(uintptr_t)text };
}

static struct pawl_turn_done done_of(struct pawl_durabletask *with, size_t count,
                                     Pawl__Action **actions)
{
    Pawl__WorkflowResponse response = PAWL__WORKFLOW_RESPONSE__INIT;
    response.n_actions = count;
    response.actions = actions;
    struct pawl_bytes wire = pawl_protobuf_pack(with->arena, &response.base);
    Pawl__WorkflowResponse *back = NULL;
    assert_int_equal(
        pawl_protobuf_unpack(&pawl__workflow_response__descriptor, with->arena, wire, &back),
        PAWL_OK);
    struct pawl_turn_done done;
    pawl_durabletask_turn_done(with, back, INSTANCE, &done);
    return done;
}

static Pawl__Action schedule(Pawl__ScheduleTask *task, int32_t id)
{
    *task = (Pawl__ScheduleTask)PAWL__SCHEDULE_TASK__INIT;
    task->name = data("activity");
    Pawl__Action action = PAWL__ACTION__INIT;
    action.id = id;
    action.kind_case = PAWL__ACTION__KIND_SCHEDULE_TASK;
    action.schedule_task = task;
    return action;
}

static Pawl__Action complete(Pawl__CompleteWorkflow *body, enum pawl_status status)
{
    *body = (Pawl__CompleteWorkflow)PAWL__COMPLETE_WORKFLOW__INIT;
    body->status = (int32_t)status;
    Pawl__Action action = PAWL__ACTION__INIT;
    action.id = 0;
    action.kind_case = PAWL__ACTION__KIND_COMPLETE_WORKFLOW;
    action.complete_workflow = body;
    return action;
}

static void actions_are_brought_into_order_and_the_end_comes_last(void **state)
{
    struct pawl_durabletask with = microsoft(*state);
    static const int32_t ids[] = { 4, 1, 9, 3, 7 };
    Pawl__ScheduleTask tasks[5];
    Pawl__Action actions[6], *list[6];
    Pawl__CompleteWorkflow end;
    actions[0] = complete(&end, PAWL_STATUS_COMPLETED);
    for (size_t i = 0; i < 5; i++) actions[i + 1] = schedule(&tasks[i], ids[i]);
    for (size_t i = 0; i < 6; i++) list[i] = &actions[i];
    struct pawl_turn_done done = done_of(&with, 6, list);
    assert_int_equal(done.err, PAWL_OK);
    static const int32_t sorted[] = { 1, 3, 4, 7, 9 };
    for (size_t i = 0; i < 5; i++) assert_int_equal(done.actions[i].id, sorted[i]);
    assert_int_equal(done.actions[5].kind, PAWL_ACTION_COMPLETE);
    assert_true(done.custom_status_set);
    assert_true(pawl_bytes_is_absent(done.custom_status));
}

static void a_daprs_task_goes_where_its_router_says(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    Pawl__ScheduleTask task;
    Pawl__Action action = schedule(&task, 1), *list[] = { &action };
    Pawl__TaskRouter router = PAWL__TASK_ROUTER__INIT;
    router.source_app = data("shop");
    router.target_app = data("bank");
    struct pawl_bytes packed = pawl_protobuf_pack(*state, &router.base);
    action.rewind_or_router =
        (ProtobufCBinaryData){ packed.size, (uint8_t *)(uintptr_t)packed.data };
    task.trace_or_task_execution = data("00112233-4455-6677-8899-aabbccddeeff");
    struct pawl_turn_done done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_OK);
    assert_true(pawl_bytes_is_str(done.actions[0].target_app, "bank"));
    assert_int_equal(done.actions[0].task_execution.bytes[1], 0x11);

    router.target_app = data("shop"); /* itself */
    packed = pawl_protobuf_pack(*state, &router.base);
    action.rewind_or_router =
        (ProtobufCBinaryData){ packed.size, (uint8_t *)(uintptr_t)packed.data };
    done = done_of(&with, 1, list);
    assert_true(pawl_bytes_is_absent(done.actions[0].target_app));

    /* Microsoft means something else by it. */
    struct pawl_durabletask other = microsoft(*state);
    done = done_of(&other, 1, list);
    assert_int_equal(done.err, PAWL_OK);
    assert_true(pawl_bytes_is_absent(done.actions[0].target_app));
}

static void a_timer_brings_its_origin_back(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    Pawl__Timestamp fire_at = PAWL__TIMESTAMP__INIT;
    Pawl__TimerOrigin origin = PAWL__TIMER_ORIGIN__INIT;
    Pawl__CreateTimer timer = PAWL__CREATE_TIMER__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *list[] = { &action };
    fire_at.seconds = 1700000000;
    fire_at.nanos = 1;
    origin.name = data("approved");
    timer.fire_at = &fire_at;
    timer.origin_case = PAWL__CREATE_TIMER__ORIGIN_EXTERNAL_EVENT;
    timer.external_event = &origin;
    action.id = 2;
    action.kind_case = PAWL__ACTION__KIND_CREATE_TIMER;
    action.create_timer = &timer;
    struct pawl_turn_done done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_OK);
    assert_int_equal(done.actions[0].fire_at_ms, 1700000000001);
    assert_true(pawl_bytes_is_str(done.actions[0].name, "approved"));

    struct pawl_history_event event = event_of(PAWL_EVENT_TIMER_CREATED);
    event.extra = done.actions[0].extra;
    Pawl__TimerCreated *created = carried(&with, &event)->timer_created;
    assert_int_equal(created->origin_case, PAWL__TIMER_CREATED__ORIGIN_EXTERNAL_EVENT);
    assert_true(is_text(created->external_event->name, "approved"));
    assert_int_equal(created->fire_at->seconds, 1700000000);
    assert_int_equal(created->fire_at->nanos, 1); /* as it was asked for */
    struct pawl_durabletask other = microsoft(*state);
    created = carried(&other, &event)->timer_created;
    assert_int_equal(created->origin_case, PAWL__TIMER_CREATED__ORIGIN__NOT_SET);
}

static void a_child_without_an_id_gets_one_that_replays(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    Pawl__CreateChild child = PAWL__CREATE_CHILD__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *list[] = { &action };
    child.name = data("child");
    action.id = 26;
    action.kind_case = PAWL__ACTION__KIND_CREATE_CHILD;
    action.create_child = &child;
    struct pawl_turn_done done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_OK);
    assert_true(pawl_bytes_is_str(done.actions[0].instance, "i:001a"));
}

static void a_detached_workflow_is_daprs_alone_and_must_have_an_id(void **state)
{
    struct pawl_durabletask with = dapr(*state), other = microsoft(*state);
    Pawl__CreateDetached detached = PAWL__CREATE_DETACHED__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *list[] = { &action };
    Pawl__Timestamp at = PAWL__TIMESTAMP__INIT;
    Pawl__Tag tag = PAWL__TAG__INIT, *tags[] = { &tag };
    detached.name = data("spawned");
    detached.instance_id = data("i-0");
    detached.scheduled_start = &at;
    at.seconds = 1700000000;
    tag.key = data("team");
    tag.value = data("growth");
    detached.tags = tags;
    detached.n_tags = 1;
    action.id = 3;
    action.kind_case = PAWL__ACTION__KIND_CREATE_DETACHED;
    action.create_detached = &detached;
    struct pawl_turn_done done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_OK);
    assert_int_equal(done.actions[0].kind, PAWL_ACTION_DETACHED);
    assert_int_equal(done.actions[0].id, 3);
    assert_true(pawl_bytes_is_str(done.actions[0].name, "spawned"));
    assert_true(pawl_bytes_is_str(done.actions[0].instance, "i-0"));
    assert_int_equal(done.actions[0].start_at_ms, 1700000000000);
    struct pawl_tags read;
    assert_int_equal(pawl_tags_unpack(done.actions[0].tags, &read), PAWL_OK);
    assert_int_equal(read.count, 1);
    assert_true(pawl_bytes_is_str(read.items[0].value, "growth"));

    done = done_of(&other, 1, list);
    assert_int_equal(done.err, PAWL_E_INVALID);
    detached.instance_id = data("");
    done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_E_INVALID);
    detached.instance_id = data("i-0");
    tag.key = data("a=b");
    done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_E_INVALID);
}

static void a_retried_child_names_its_first_attempt(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    Pawl__CreateChild child = PAWL__CREATE_CHILD__INIT;
    Pawl__SourceInstance first = PAWL__SOURCE_INSTANCE__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *list[] = { &action };
    child.name = data("Child");
    child.instance_id = data("c2");
    child.retry_parent = &first;
    first.instance_id = data("c1");
    action.kind_case = PAWL__ACTION__KIND_CREATE_CHILD;
    action.create_child = &child;
    struct pawl_turn_done done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_OK);
    struct pawl_history_event created = pawl_history_event_make(PAWL_EVENT_CHILD_CREATED, 7);
    created.extra = done.actions[0].extra;
    struct pawl_durabletask_history history = { .count = 0 };
    assert_int_equal(pawl_durabletask_add_event(&with, &history, INSTANCE,
                                                pawl_history_event_pack(*state, &created)),
                     PAWL_OK);
    assert_true(is_text(history.events[0]->child_created->retry_parent->instance_id, "c1"));
}

static void a_history_that_is_to_go_along_is_refused(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    Pawl__ScheduleTask task;
    Pawl__Action action = schedule(&task, 1), *list[] = { &action };
    task.propagation = 1;
    assert_int_equal(done_of(&with, 1, list).err, PAWL_E_INVALID);
    task.propagation = 0;
    assert_int_equal(done_of(&with, 1, list).err, PAWL_OK);
    uint8_t scope = 2;
    ProtobufCMessageUnknownField field = { 6, PROTOBUF_C_WIRE_TYPE_VARINT, 1, &scope };
    Pawl__CreateChild child = PAWL__CREATE_CHILD__INIT;
    child.name = data("Child");
    child.base.unknown_fields = &field;
    child.base.n_unknown_fields = 1;
    action = (Pawl__Action)PAWL__ACTION__INIT;
    action.kind_case = PAWL__ACTION__KIND_CREATE_CHILD;
    action.create_child = &child;
    struct pawl_turn_done done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_E_INVALID);
    assert_non_null(strstr((const char *)done.message.data, "history"));
}

static void continue_as_new_carries_raised_events(void **state)
{
    struct pawl_durabletask with = microsoft(*state);
    Pawl__CompleteWorkflow end;
    Pawl__Action action = complete(&end, PAWL_STATUS_CONTINUED_AS_NEW), *list[] = { &action };
    Pawl__EventRaised raised = PAWL__EVENT_RAISED__INIT;
    Pawl__HistoryEvent event = PAWL__HISTORY_EVENT__INIT, *events[] = { &event };
    Pawl__Text input = PAWL__TEXT__INIT;
    raised.name = data("e");
    raised.input = &input;
    event.kind_case = PAWL__HISTORY_EVENT__KIND_EVENT_RAISED;
    event.event_raised = &raised;
    end.n_carryover_events = 1;
    end.carryover_events = events;
    struct pawl_turn_done done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_OK);
    assert_int_equal(done.actions[0].kind, PAWL_ACTION_CONTINUE);
    assert_int_equal(done.actions[0].carry_count, 1);
    struct pawl_history_event back;
    assert_int_equal(pawl_history_event_decode(done.actions[0].carry[0], &back), PAWL_OK);
    assert_true(pawl_bytes_is_str(back.name, "e"));
    assert_int_equal(back.payload.size, 0);
    assert_non_null(back.payload.data);

    Pawl__TimerFired fired = PAWL__TIMER_FIRED__INIT;
    event.kind_case = PAWL__HISTORY_EVENT__KIND_TIMER_FIRED;
    event.timer_fired = &fired;
    done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_E_INVALID);
}

static void answers_that_make_no_sense_are_refused_with_a_reason(void **state)
{
    struct pawl_durabletask with = microsoft(*state);
    Pawl__ScheduleTask task;
    Pawl__Action action = schedule(&task, -1), *list[] = { &action };
    assert_int_equal(done_of(&with, 1, list).err, PAWL_E_INVALID);
    action.id = 1;
    task.name = data("");
    assert_int_equal(done_of(&with, 1, list).err, PAWL_E_INVALID);
    task.name = data("with\nnewline");
    assert_int_equal(done_of(&with, 1, list).err, PAWL_E_INVALID);
    task.name = data("fine");
    assert_int_equal(done_of(&with, 1, list).err, PAWL_OK);

    Pawl__Text large = PAWL__TEXT__INIT;
    large.value.len = PAWL_PAYLOAD_SIZE_MAX + 1;
    large.value.data = pawl_arena_alloc(*state, large.value.len);
    memset(large.value.data, 'x', large.value.len);
    task.input = &large;
    struct pawl_turn_done done = done_of(&with, 1, list);
    assert_int_equal(done.err, PAWL_E_TOO_LARGE);
    assert_int_equal(done.actions_count, 0);
    assert_false(done.custom_status_set);
    assert_true(done.message.size > 0);

    Pawl__CompleteWorkflow end;
    action = complete(&end, PAWL_STATUS_RUNNING);
    assert_int_equal(done_of(&with, 1, list).err, PAWL_E_INVALID);
    end.status = 77;
    assert_int_equal(done_of(&with, 1, list).err, PAWL_E_INVALID);
    end.status = PAWL_STATUS_FAILED;
    done = done_of(&with, 1, list);
    assert_true(done.actions[0].failure.present); /* although none was given */

    Pawl__Empty empty = PAWL__EMPTY__INIT;
    action = (Pawl__Action)PAWL__ACTION__INIT;
    assert_int_equal(done_of(&with, 1, list).err, PAWL_E_INVALID); /* of no kind */
    action.kind_case = PAWL__ACTION__KIND_SEND_ENTITY_MESSAGE;
    action.send_entity_message = &empty;
    assert_int_equal(done_of(&with, 1, list).err, PAWL_E_INVALID);
    action.kind_case = PAWL__ACTION__KIND_VERSION_NOT_AVAILABLE;
    action.version_not_available = &empty;
    assert_int_equal(done_of(&with, 1, list).err, PAWL_E_VERSION);
}

static void an_oversize_result_becomes_a_failure(void **state)
{
    struct pawl_durabletask with = microsoft(*state);
    Pawl__ActivityResponse response = PAWL__ACTIVITY_RESPONSE__INIT;
    Pawl__Text result = PAWL__TEXT__INIT;
    struct pawl_activity_done done;
    response.result = &result;
    pawl_durabletask_activity_done(&with, &response, &done);
    assert_false(done.failure.present);
    assert_non_null(done.payload.data);
    result.value.len = PAWL_PAYLOAD_SIZE_MAX + 1;
    result.value.data = pawl_arena_alloc(*state, result.value.len);
    pawl_durabletask_activity_done(&with, &response, &done);
    assert_true(done.failure.present && done.failure.non_retriable);
}

/* Bytes from anybody ----------------------------------------------------------------------- */

static void nesting_without_end_is_refused(void **state)
{
    enum { LEVELS = 100000 };
    struct pawl_arena *arena = *state;
    struct pawl_bytes inner = PAWL_BYTES_LITERAL("");
    /* Written from the inside out: field 4 (inner) with the length of what is in it. */
    uint8_t *bytes = pawl_arena_alloc(arena, LEVELS * 4);
    size_t at = LEVELS * 4;
    for (int level = 0; level < LEVELS; level++) {
        uint8_t head[6];
        size_t size = 0, left = inner.size;
        head[size++] = 4 << 3 | 2;
        do {
            head[size++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
            left >>= 7;
        } while (left);
        if (at < size) break;
        at -= size;
        memcpy(bytes + at, head, size);
        inner = pawl_bytes_make(bytes + at, LEVELS * 4 - at);
    }
    Pawl__Failure *failure = NULL;
    assert_int_equal(pawl_protobuf_unpack(&pawl__failure__descriptor, arena, inner, &failure),
                     PAWL_E_TOO_LARGE);
}

static void many_small_fields_do_not_take_the_memory(void **state)
{
    enum { SIZE = 16 << 20 };
    struct pawl_arena *arena = *state;
    uint8_t *bytes = pawl_arena_alloc(arena, SIZE);
    for (size_t i = 0; i < SIZE; i += 2) { /* empty actions */
        bytes[i] = 2 << 3 | 2;
        bytes[i + 1] = 0;
    }
    Pawl__WorkflowResponse *response = NULL;
    size_t before = arena->used;
    assert_int_equal(pawl_protobuf_unpack(&pawl__workflow_response__descriptor, arena,
                                          pawl_bytes_make(bytes, SIZE), &response),
                     PAWL_E_TOO_LARGE);
    assert_int_equal(arena->used, before);
}

static void what_is_no_message_is_refused(void **state)
{
    static const char *const broken[] = { "\x0a", "\x0a\x05x", "\xff\xff\xff\xff\xff\xff\xff\xff",
                                          "\x0b\x0c", "\x02\x01x" };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        Pawl__ActivityResponse *response = NULL;
        assert_int_equal(pawl_protobuf_unpack(&pawl__activity_response__descriptor, *state,
                                              pawl_bytes_str(broken[i]), &response),
                         PAWL_E_CORRUPT);
    }
    Pawl__Empty *empty = NULL;
    assert_int_equal(pawl_protobuf_unpack(&pawl__empty__descriptor, *state, TEXT(""), &empty),
                     PAWL_OK);
}

static void fields_that_the_schema_leaves_out_can_still_be_read(void **state)
{
    /* 4: true as a bool, then (Microsoft) a message; both under one number. */
    struct pawl_bytes wire = pawl_bytes_make("\x0a\x01i\x20\x01\x22\x03\x0a\x01x", 10);
    Pawl__PurgeRequest *request = NULL;
    uint32_t cursor = 0;
    assert_int_equal(pawl_protobuf_unpack(&pawl__purge_request__descriptor, *state, wire, &request),
                     PAWL_OK);
    assert_int_equal(pawl_protobuf_unknown_varint(&request->base, 4), 1);
    assert_int_equal(pawl_protobuf_unknown_varint(&request->base, 5), 0);
    struct pawl_bytes batch = pawl_protobuf_unknown_bytes(&request->base, 4, &cursor);
    assert_true(pawl_bytes_is_equal(batch, pawl_bytes_make("\x0a\x01x", 3)));
    assert_true(pawl_bytes_is_absent(pawl_protobuf_unknown_bytes(&request->base, 4, &cursor)));
}

/* Instances -------------------------------------------------------------------------------- */

static void a_state_shows_what_is_known_and_no_more(void **state)
{
    struct pawl_durabletask with = dapr(*state);
    struct pawl_instance_state instance = { .instance = INSTANCE,
                                            .name = TEXT("n"),
                                            .status = PAWL_STATUS_STALLED,
                                            .created_ms = 1,
                                            .updated_ms = 2,
                                            .output = TEXT("") };
    Pawl__WorkflowState *out = pawl_durabletask_state(&with, &instance);
    assert_int_equal(out->status, PAWL_STATUS_STALLED);
    assert_non_null(out->created);
    assert_null(out->completed);
    assert_null(out->input);
    assert_non_null(out->output);
    assert_null(out->custom_status);
    assert_null(out->failure);
    struct pawl_durabletask other = microsoft(*state);
    assert_int_equal(pawl_durabletask_state(&other, &instance)->status, PAWL_STATUS_SUSPENDED);
    static const int32_t statuses[] = { 1, 3, 99, -4 };
    assert_int_equal(pawl_durabletask_status_mask(4, statuses), 1u << 1 | 1u << 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_event_has_its_number_or_is_left_out),
        cmocka_unit_test(a_started_event_says_who_and_whose_child),
        cmocka_unit_test(absent_and_empty_texts_stay_apart),
        cmocka_unit_test(field_five_of_a_scheduled_task_is_each_dialects_own),
        cmocka_unit_test(calls_of_a_rerun_name_their_source_to_dapr),
        cmocka_unit_test(a_resume_that_ends_no_suspension_is_not_told),
        cmocka_unit_test(times_are_rounded_up_and_kept_in_range),
        cmocka_unit_test(uuids_come_back_as_they_were),
        cmocka_unit_test(failures_keep_their_causes),
        cmocka_unit_test(failures_keep_their_properties),
        cmocka_unit_test(actions_are_brought_into_order_and_the_end_comes_last),
        cmocka_unit_test(a_daprs_task_goes_where_its_router_says),
        cmocka_unit_test(a_timer_brings_its_origin_back),
        cmocka_unit_test(a_child_without_an_id_gets_one_that_replays),
        cmocka_unit_test(a_detached_workflow_is_daprs_alone_and_must_have_an_id),
        cmocka_unit_test(a_retried_child_names_its_first_attempt),
        cmocka_unit_test(a_history_that_is_to_go_along_is_refused),
        cmocka_unit_test(continue_as_new_carries_raised_events),
        cmocka_unit_test(answers_that_make_no_sense_are_refused_with_a_reason),
        cmocka_unit_test(an_oversize_result_becomes_a_failure),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(many_small_fields_do_not_take_the_memory),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(fields_that_the_schema_leaves_out_can_still_be_read),
        cmocka_unit_test(a_state_shows_what_is_known_and_no_more),
    };
    return cmocka_run_group_tests_name("durabletask", tests, setup, teardown);
}
