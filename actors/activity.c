#include "actors/activity.h"

#include "actors/worker.h"
#include "actors/workflow.h"
#include "base/fsm.h"

#define ALLOW(state) PAWL_FSM_BIT(PAWL_ACTIVITY_##state)
static const struct pawl_fsm_state activity_states[PAWL_ACTIVITY_STATES_COUNT] = {
    [PAWL_ACTIVITY_QUEUED] = { "queued", ALLOW(RUNNING) },
    [PAWL_ACTIVITY_RUNNING] = { "running", ALLOW(QUEUED) },
};
#undef ALLOW

/* inc, gen, op id, then the instance. */
#define KEY_HEAD_SIZE (16u + 4u + 4u)

static struct pawl_bytes activity_key(struct pawl_arena *arena, struct pawl_bytes instance,
                                      struct pawl_id inc, uint32_t gen, struct pawl_op op)
{
    uint8_t *key = pawl_arena_alloc(arena, KEY_HEAD_SIZE + instance.size);
    memcpy(key, inc.bytes, 16);
    memcpy(key + 16, &gen, 4);
    memcpy(key + 20, &op.id, 4);
    memcpy(key + KEY_HEAD_SIZE, instance.data, instance.size);
    return pawl_bytes_make(key, KEY_HEAD_SIZE + instance.size);
}

static struct pawl_bytes activity_token_key(const struct pawl_activity *activity)
{
    return pawl_bytes_make(activity->token.bytes, sizeof activity->token.bytes);
}

static struct pawl_activity *activity_find(struct pawl_node *node, struct pawl_bytes instance,
                                           struct pawl_id inc, uint32_t gen, struct pawl_op op)
{
    return pawl_map_find(&node->activities,
                         activity_key(&node->effects->arena, instance, inc, gen, op));
}

static void activity_queue(struct pawl_node *node, struct pawl_activity *activity)
{
    struct pawl_lane *lane = pawl_worker_lane(&node->task_lanes, activity->scheduled.name);
    pawl_list_push_tail(&lane->waiting, &activity->link);
}

/* The struct, its key and its event are one allocation. */
static struct pawl_activity *activity_new(struct pawl_bytes key, struct pawl_bytes event)
{
    struct pawl_activity *activity = pawl_mem_alloc(sizeof *activity + key.size + event.size);
    uint8_t *bytes = (uint8_t *)(activity + 1);
    memcpy(bytes, key.data, key.size);
    memcpy(bytes + key.size, event.data, event.size);
    activity->key = pawl_bytes_make(bytes, key.size);
    activity->instance = pawl_bytes_make(bytes + KEY_HEAD_SIZE, key.size - KEY_HEAD_SIZE);
    activity->event = pawl_bytes_make(bytes + key.size, event.size);
    return activity;
}

void pawl_activity_spawn(struct pawl_node *node, struct pawl_bytes instance, struct pawl_id inc,
                         uint32_t gen, struct pawl_op op, uint64_t nonce, struct pawl_bytes event)
{
    if (activity_find(node, instance, inc, gen, op)) return;
    struct pawl_bytes key = activity_key(&node->effects->arena, instance, inc, gen, op);
    struct pawl_activity *activity = activity_new(key, event);
    activity->inc = inc;
    activity->gen = gen;
    activity->op = op;
    activity->nonce = nonce;
    pawl_err err = pawl_history_event_decode(activity->event, &activity->scheduled);
    PAWL_ASSERT(err == PAWL_OK); /* committed by this engine, or checked at load */
    pawl_map_insert(&node->activities, activity->key, activity);
    activity_queue(node, activity);
}

static void activity_free(struct pawl_node *node, struct pawl_activity *activity)
{
    if (pawl_list_is_linked(&activity->link)) pawl_list_remove(&activity->link);
    if (activity->state == PAWL_ACTIVITY_RUNNING)
        pawl_map_remove(&node->activities_token, activity_token_key(activity));
    pawl_map_remove(&node->activities, activity->key);
    pawl_mem_free(activity);
}

void pawl_activity_forget(struct pawl_node *node, struct pawl_bytes instance, struct pawl_id inc,
                          uint32_t gen, struct pawl_op op)
{
    struct pawl_activity *activity = activity_find(node, instance, inc, gen, op);
    if (activity && activity->state == PAWL_ACTIVITY_QUEUED) activity_free(node, activity);
}

void pawl_activity_dispatch(struct pawl_node *node, struct pawl_activity *activity,
                            struct pawl_worker *worker)
{
    pawl_list_remove(&activity->link);
    pawl_list_push_tail(&worker->activities, &activity->link);
    pawl_fsm_move(activity_states, &activity->state, PAWL_ACTIVITY_RUNNING);
    activity->worker = worker->id;
    activity->token = pawl_rng_id(&node->rng);
    activity->attempts++;
    activity->dispatched_ms = node->now_ms;
    pawl_map_insert(&node->activities_token, activity_token_key(activity), activity);
    node->metrics.activities_running++;

    struct pawl_frame *frame = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_frame);
    frame->type = PAWL_FRAME_ACTIVITY;
    frame->activity =
        (struct pawl_activity_item){ .token = activity->token,
                                     .instance = activity->instance,
                                     .task_execution = activity->scheduled.task_execution,
                                     .id = activity->scheduled.id,
                                     .attempt = activity->attempts,
                                     .name = activity->scheduled.name,
                                     .version = activity->scheduled.version,
                                     .payload = activity->scheduled.payload,
                                     .extra = activity->scheduled.extra };
    pawl_node_send(node, worker->id, frame);
}

/* The result goes to the owner; from here on this execution does not exist. */
static void activity_finish(struct pawl_node *node, struct pawl_activity *activity,
                            struct pawl_bytes payload, const struct pawl_failure_view *failure)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_history_event event = pawl_history_event_make(
        failure->present ? PAWL_EVENT_TASK_FAILED : PAWL_EVENT_TASK_COMPLETED, node->now_ms);
    event.ref = activity->scheduled.id;
    event.payload = payload;
    event.failure = *failure;
    event.task_execution = activity->scheduled.task_execution;
    struct pawl_bytes packed = pawl_history_event_pack(arena, &event);

    struct pawl_bytes instance = pawl_arena_copy(arena, activity->instance);
    struct pawl_activity gone = *activity;
    activity_free(node, activity);
    pawl_workflow_on_result(node, instance, gone.inc, gone.gen, gone.op, gone.nonce, packed,
                            (struct pawl_id){ { 0 } }, 0);
}

void pawl_activity_on_done(struct pawl_node *node, uint64_t worker,
                           const struct pawl_activity_done *done)
{
    struct pawl_activity *activity = pawl_map_find(
        &node->activities_token, pawl_bytes_make(done->token.bytes, sizeof done->token.bytes));
    if (!activity || activity->worker != worker) return; /* of an earlier dispatch */
    node->metrics.activities_running--;
    node->metrics.activities_total++;
    if (done->failure.present) node->metrics.activities_failed_total++;
    pawl_histogram_add(&node->metrics.activity_seconds, node->now_ms - activity->dispatched_ms);
    activity_finish(node, activity, done->payload, &done->failure);
}

static void activity_fail(struct pawl_node *node, struct pawl_activity *activity, const char *type,
                          struct pawl_bytes message)
{
    struct pawl_failure_view failure = {
        .present = true, .non_retriable = true, .type = pawl_bytes_str(type), .message = message
    };
    activity_finish(node, activity, PAWL_BYTES_ABSENT, &failure);
}

void pawl_activity_on_worker_lost(struct pawl_node *node, struct pawl_activity *activity)
{
    pawl_map_remove(&node->activities_token, activity_token_key(activity));
    pawl_list_remove(&activity->link);
    pawl_fsm_move(activity_states, &activity->state, PAWL_ACTIVITY_QUEUED);
    activity->worker = 0;
    node->metrics.activities_running--;
    node->metrics.activities_lost_total++;
    if (activity->attempts >= node->config.activity_attempts_max) {
        activity_fail(node, activity, "WorkerLost",
                      pawl_arena_printf(&node->effects->arena,
                                        "the worker went away each of the %u times it ran this "
                                        "activity",
                                        activity->attempts));
        return;
    }
    activity_queue(node, activity);
}

void pawl_activity_on_not_registered(struct pawl_node *node, struct pawl_activity *activity)
{
    activity_fail(
        node, activity, "ActivityNotRegistered",
        pawl_arena_printf(&node->effects->arena,
                          "no connected worker of app '%s' has registered an activity named '%.*s'",
                          node->app, PAWL_BYTES_FMT(activity->scheduled.name)));
}

void pawl_activities_deinit(struct pawl_node *node)
{
    uint32_t cursor = 0;
    for (struct pawl_activity *activity;
         (activity = pawl_map_next(&node->activities, &cursor)) != NULL;) {
        activity->link = (struct pawl_list){ NULL, NULL };
        activity_free(node, activity);
    }
    pawl_map_deinit(&node->activities);
    pawl_map_deinit(&node->activities_token);
}
