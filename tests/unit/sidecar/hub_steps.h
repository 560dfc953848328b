/* What clients and workers do in tests of the taskhub, on hub_world.h: one workflow W with
 * activities A. Each call returns its reply. */
#ifndef PAWL_TESTS_HUB_STEPS_H
#define PAWL_TESTS_HUB_STEPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "hub_world.h"

#define IS(data, text) assert_true(hub_is((data), (text)))

static inline struct grpc_reply *start(struct hub_world *world, const char *instance)
{
    Pawl__CreateInstanceRequest request = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    Pawl__Text input = PAWL__TEXT__INIT;
    request.instance_id = hub_text(instance);
    request.name = hub_text("W");
    input.value = hub_text("1");
    request.input = &input;
    return hub_world_call(world, "StartInstance", &request.base);
}

static inline const char *complete_rpc(const struct hub_world *world)
{
    return world->dialect == PAWL_DIALECT_DAPR ? "CompleteWorkflowTask"
                                               : "CompleteOrchestratorTask";
}

/* Answer a turn; `token` NULL: as the SDKs do that do not send it back. */
static inline struct grpc_reply *turn_done(struct hub_world *world, const Pawl__WorkItem *item,
                                           const ProtobufCBinaryData *token, size_t count,
                                           Pawl__Action **actions)
{
    Pawl__WorkflowResponse response = PAWL__WORKFLOW_RESPONSE__INIT;
    response.instance_id = item->workflow->instance_id;
    if (token) response.completion_token = *token;
    response.n_actions = count;
    response.actions = actions;
    return hub_world_call(world, complete_rpc(world), &response.base);
}

static inline struct grpc_reply *complete(struct hub_world *world, const Pawl__WorkItem *item,
                                          const ProtobufCBinaryData *token)
{
    Pawl__CompleteWorkflow end = PAWL__COMPLETE_WORKFLOW__INIT;
    Pawl__Text result = PAWL__TEXT__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *actions[] = { &action };
    end.status = PAWL_STATUS_COMPLETED;
    result.value = hub_text("done");
    end.result = &result;
    action.kind_case = PAWL__ACTION__KIND_COMPLETE_WORKFLOW;
    action.complete_workflow = &end;
    return turn_done(world, item, token, 1, actions);
}

static inline struct grpc_reply *schedule(struct hub_world *world, const Pawl__WorkItem *item,
                                          int32_t id)
{
    Pawl__ScheduleTask task = PAWL__SCHEDULE_TASK__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *actions[] = { &action };
    Pawl__Text input = PAWL__TEXT__INIT;
    task.name = hub_text("A");
    input.value = hub_text("2");
    task.input = &input;
    action.id = id;
    action.kind_case = PAWL__ACTION__KIND_SCHEDULE_TASK;
    action.schedule_task = &task;
    return turn_done(world, item, &item->completion_token, 1, actions);
}

static inline struct grpc_reply *activity_done(struct hub_world *world, const Pawl__WorkItem *item,
                                               const ProtobufCBinaryData *token)
{
    Pawl__ActivityResponse response = PAWL__ACTIVITY_RESPONSE__INIT;
    Pawl__Text result = PAWL__TEXT__INIT;
    response.instance_id = item->activity->instance->instance_id;
    response.task_id = item->activity->task_id;
    response.result = &result;
    result.value = hub_text("3");
    if (token) response.completion_token = *token;
    return hub_world_call(world, "CompleteActivityTask", &response.base);
}

static inline void call_instance(struct hub_world *world, const char *rpc, const char *instance,
                                 int status)
{
    Pawl__SuspendRequest request = PAWL__SUSPEND_REQUEST__INIT; /* all begin with the id */
    request.instance_id = hub_text(instance);
    assert_int_equal(hub_world_call(world, rpc, &request.base)->status, status);
}

#endif /* PAWL_TESTS_HUB_STEPS_H */
