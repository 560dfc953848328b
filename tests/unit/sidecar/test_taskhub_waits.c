/* Taskhub: who waits for an instance, before it is there, too; and what about one that is run
 * again or ended in a batch. */
#include <stdio.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "hub_steps.h"

static struct grpc_reply *ask_wait(struct hub_world *world, const char *rpc, const char *instance,
                                   const char *const *headers)
{
    Pawl__GetInstanceRequest request = PAWL__GET_INSTANCE_REQUEST__INIT;
    char path[64];
    request.instance_id = hub_text(instance);
    request.with_payloads = true;
    snprintf(path, sizeof path, "/TaskHubSidecarService/%s", rpc);
    struct grpc_reply *reply = grpc_client_call(
        &world->link->client, path, pawl_protobuf_pack(&world->arena, &request.base), headers);
    grpc_world_run(&world->wire);
    hub_world_run(world);
    return reply;
}

static const Pawl__GetInstanceResponse *told(struct hub_world *world,
                                             const struct grpc_reply *reply)
{
    assert_true(reply->is_over);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    return hub_world_message(world, reply, 0, &pawl__get_instance_response__descriptor);
}

static void daprs_clients_may_wait_for_what_is_not_there_yet(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *started = ask_wait(&world, "WaitForInstanceStart", "i", NULL);
    struct grpc_reply *ended = ask_wait(&world, "WaitForInstanceCompletion", "i", NULL);
    hub_world_pass(&world, 2 * (int64_t)PAWL_WAIT_MS_MAX + 1000); /* no deadline: for ever */
    assert_false(started->is_over);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    struct grpc_reply *start_reply = start(&world, "i");
    assert_false(started->is_over); /* it is there, and PENDING */
    const Pawl__WorkItem *turn = hub_world_item(&world, work, 0);
    schedule(&world, turn, 0);
    assert_true(start_reply->is_over);
    assert_int_equal(told(&world, started)->state->status, PAWL_STATUS_RUNNING);
    IS(told(&world, started)->state->input->value, "1");
    assert_false(ended->is_over);
    const Pawl__WorkItem *activity = hub_world_item(&world, work, 1);
    activity_done(&world, activity, &activity->completion_token);
    turn = hub_world_item(&world, work, 2);
    complete(&world, turn, &turn->completion_token);
    assert_int_equal(told(&world, ended)->state->status, PAWL_STATUS_COMPLETED);
    hub_world_deinit(&world);
}

static void a_wait_in_vain_ends_with_its_deadline_and_leaves_nothing(void **state)
{
    static const char *const headers[] = { "grpc-timeout", "5S", NULL };
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *reply = ask_wait(&world, "WaitForInstanceStart", "i", headers);
    hub_world_pass(&world, 4000);
    assert_false(reply->is_over);
    hub_world_pass(&world, 2000);
    assert_int_equal(reply->status, PAWL_GRPC_DEADLINE_EXCEEDED);
    assert_null(world.calls);
    reply = ask_wait(&world, "WaitForInstanceCompletion", "i", NULL);
    assert_non_null(world.calls);
    grpc_client_cancel(&world.link->client, reply);
    grpc_world_run(&world.wire);
    hub_world_run(&world);
    assert_null(world.calls);
    hub_world_deinit(&world);
}

static void microsofts_clients_are_told_at_once_that_it_is_not_there(void **state)
{
    struct hub_world world;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    assert_false(told(&world, ask_wait(&world, "WaitForInstanceStart", "i", NULL))->exists);
    assert_false(told(&world, ask_wait(&world, "WaitForInstanceCompletion", "i", NULL))->exists);
    hub_world_deinit(&world);
}

/* As a start does: the status is RUNNING when the call returns. */
static void a_rerun_returns_when_it_has_started(void **state)
{
    struct hub_world world;
    Pawl__RerunRequest rerun = PAWL__RERUN_REQUEST__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    struct grpc_reply *work = hub_world_work(&world, 0, 0);
    start(&world, "i");
    schedule(&world, hub_world_item(&world, work, 0), 0);
    call_instance(&world, "TerminateInstance", "i", PAWL_GRPC_OK);
    rerun.instance_id = hub_text("i");
    rerun.new_instance_id = hub_text("j");
    struct grpc_reply *reply = hub_world_call(&world, "RerunWorkflowFromEvent", &rerun.base);
    assert_int_equal(hub_world_status(&world, "j"), PAWL_STATUS_PENDING);
    assert_false(reply->is_over);
    schedule(&world, hub_world_item(&world, work, 2), 0);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    const Pawl__InstanceResponse *response =
        hub_world_message(&world, reply, 0, &pawl__instance_response__descriptor);
    IS(response->instance_id, "j");
    assert_int_equal(hub_world_status(&world, "j"), PAWL_STATUS_RUNNING);
    hub_world_deinit(&world);
}

static void of_a_batch_those_that_are_left_alone_are_named(void **state)
{
    struct hub_world world;
    Pawl__SkipGracefulRequest request = PAWL__SKIP_GRACEFUL_REQUEST__INIT;
    Pawl__InstanceBatch batch = PAWL__INSTANCE_BATCH__INIT;
    ProtobufCBinaryData ids[] = { hub_text("a"), hub_text("ended"), hub_text("nobody") };
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    start(&world, "a");
    start(&world, "ended");
    call_instance(&world, "TerminateInstance", "ended", PAWL_GRPC_OK);
    request.batch = &batch;
    batch.instance_ids = ids;
    batch.n_instance_ids = 3;
    const Pawl__SkipGracefulResponse *response = hub_world_message(
        &world, hub_world_call(&world, "SkipGracefulOrchestrationTerminations", &request.base), 0,
        &pawl__skip_graceful_response__descriptor);
    assert_int_equal(hub_world_status(&world, "a"), PAWL_STATUS_TERMINATED);
    assert_int_equal(response->n_unterminated_ids, 2);
    IS(response->unterminated_ids[0], "ended");
    IS(response->unterminated_ids[1], "nobody");
    request.batch = NULL;
    assert_int_equal(
        hub_world_call(&world, "SkipGracefulOrchestrationTerminations", &request.base)->status,
        PAWL_GRPC_OK);
    hub_world_deinit(&world);
}

static void a_task_hub_is_there_and_is_not_emptied(void **state)
{
    struct hub_world world;
    Pawl__CreateTaskHubRequest request = PAWL__CREATE_TASK_HUB_REQUEST__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    assert_int_equal(hub_world_call(&world, "CreateTaskHub", &request.base)->status, PAWL_GRPC_OK);
    request.recreate = true;
    assert_int_equal(hub_world_call(&world, "CreateTaskHub", &request.base)->status,
                     PAWL_GRPC_UNIMPLEMENTED);
    assert_int_equal(hub_world_call(&world, "DeleteTaskHub", NULL)->status,
                     PAWL_GRPC_UNIMPLEMENTED);
    hub_world_deinit(&world);
}

static void a_state_says_when_it_was_to_start(void **state)
{
    struct hub_world world;
    Pawl__CreateInstanceRequest request = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    Pawl__Timestamp at = PAWL__TIMESTAMP__INIT;
    Pawl__GetInstanceRequest get = PAWL__GET_INSTANCE_REQUEST__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    request.instance_id = get.instance_id = hub_text("i");
    request.name = hub_text("W");
    request.scheduled_start = &at;
    at.seconds = world.wire.now_ms / 1000 + 60;
    hub_world_call(&world, "StartInstance", &request.base);
    const Pawl__GetInstanceResponse *response =
        told(&world, hub_world_call(&world, "GetInstance", &get.base));
    assert_non_null(response->state->scheduled_start);
    assert_int_equal(response->state->scheduled_start->seconds, at.seconds);
    start(&world, "j");
    get.instance_id = hub_text("j");
    response = told(&world, hub_world_call(&world, "GetInstance", &get.base));
    assert_null(response->state->scheduled_start);
    hub_world_deinit(&world);
}

/* More than a page of them, and no time for it. */
static void a_purge_that_runs_out_of_time_says_so(void **state)
{
    struct hub_world world;
    Pawl__PurgeRequest purge = PAWL__PURGE_REQUEST__INIT;
    Pawl__PurgeFilter filter = PAWL__PURGE_FILTER__INIT;
    Pawl__Timestamp timeout = PAWL__TIMESTAMP__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_MICROSOFT);
    start(&world, "i");
    call_instance(&world, "TerminateInstance", "i", PAWL_GRPC_OK);
    purge.filter = &filter;
    filter.timeout = &timeout;
    timeout.nanos = 1000000;
    world.store_slow_ms = 10;
    const Pawl__PurgeResponse *purged =
        hub_world_message(&world, hub_world_call(&world, "PurgeInstances", &purge.base), 0,
                          &pawl__purge_response__descriptor);
    assert_false(purged->is_complete->value);
    assert_int_equal(purged->deleted_count, 0);
    timeout.seconds = 60;
    purged = hub_world_message(&world, hub_world_call(&world, "PurgeInstances", &purge.base), 0,
                               &pawl__purge_response__descriptor);
    assert_true(purged->is_complete->value);
    assert_int_equal(purged->deleted_count, 1);
    hub_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(daprs_clients_may_wait_for_what_is_not_there_yet),
        cmocka_unit_test(a_wait_in_vain_ends_with_its_deadline_and_leaves_nothing),
        cmocka_unit_test(microsofts_clients_are_told_at_once_that_it_is_not_there),
        cmocka_unit_test(a_rerun_returns_when_it_has_started),
        cmocka_unit_test(of_a_batch_those_that_are_left_alone_are_named),
        cmocka_unit_test(a_task_hub_is_there_and_is_not_emptied),
        cmocka_unit_test(a_state_says_when_it_was_to_start),
        cmocka_unit_test(a_purge_that_runs_out_of_time_says_so),
    };
    return cmocka_run_group_tests_name("taskhub waits", tests, NULL, NULL);
}
