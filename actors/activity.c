#include "actors/activity.h"

#include "actors/attempts.h"
#include "actors/limit.h"
#include "actors/partition.h"
#include "actors/run.h"
#include "actors/worker.h"
#include "actors/workflow.h"
#include "base/cover.h"
#include "base/fsm.h"
#include "base/mutant.h"

#define ALLOW(state) PAWL_FSM_BIT(PAWL_ACTIVITY_##state)
static const struct pawl_fsm_state activity_states[PAWL_ACTIVITY_STATES_COUNT] = {
    [PAWL_ACTIVITY_QUEUED] = { "queued", ALLOW(RUNNING) | ALLOW(DONE) },
    [PAWL_ACTIVITY_RUNNING] = { "running", ALLOW(QUEUED) | ALLOW(DONE) },
    [PAWL_ACTIVITY_DONE] = { "done", 0 },
};
#undef ALLOW

/* Keys and maps ------------------------------------------------------------------------------ */

#define KEY_HEAD_SIZE (16u + 4u + 8u)

struct pawl_bytes pawl_activity_key(struct pawl_arena *arena, const struct pawl_op_ref *ref)
{
    uint8_t *key = pawl_arena_alloc(arena, KEY_HEAD_SIZE + ref->instance.size);
    memcpy(key, ref->inc.bytes, 16);
    memcpy(key + 16, &ref->gen, 4);
    memcpy(key + 20, &ref->nonce, 8);
    memcpy(key + KEY_HEAD_SIZE, ref->instance.data, ref->instance.size);
    return pawl_bytes_make(key, KEY_HEAD_SIZE + ref->instance.size);
}

struct pawl_bytes pawl_activity_key_instance(struct pawl_bytes key)
{
    return pawl_bytes_make(key.data + KEY_HEAD_SIZE, key.size - KEY_HEAD_SIZE);
}

static struct pawl_bytes activity_token_key(const struct pawl_activity *activity)
{
    return pawl_bytes_make(activity->token.bytes, sizeof activity->token.bytes);
}

static struct pawl_bytes activity_run_key(const struct pawl_activity *activity)
{
    return pawl_bytes_make(activity->run.bytes, sizeof activity->run.bytes);
}

static struct pawl_activity *activity_find(const struct pawl_node *node, struct pawl_bytes key)
{
    return pawl_map_find(&node->activities, key);
}

static struct pawl_activity *activity_find_run(const struct pawl_node *node, struct pawl_id run)
{
    return pawl_map_find(&node->activities_run, pawl_bytes_make(run.bytes, sizeof run.bytes));
}

bool pawl_activity_is_known(const struct pawl_node *node, struct pawl_bytes key)
{
    return activity_find(node, key) != NULL;
}

/* Life ----------------------------------------------------------------------------------------- */

static void activity_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm);
static bool activity_judge(struct pawl_node *node, struct pawl_activity *activity);

static int64_t activity_start_by_ms(const struct pawl_activity *activity)
{
    return pawl_limit_at_ms(activity->scheduled.timestamp_ms, activity->scheduled.start_within_ms);
}

/* Begun too late is not begun at all; and with no worker here, others may have one. */
static void activity_watch_queue(struct pawl_node *node, struct pawl_activity *activity)
{
    int64_t watch_ms = 0;
    if (node->config.placed && node->task_workers == 0)
        watch_ms = node->now_ms + PAWL_WORKERLESS_MS;
    if (activity->scheduled.start_within_ms) {
        int64_t late_ms = activity_start_by_ms(activity);
        if (watch_ms == 0 || late_ms < watch_ms) watch_ms = late_ms;
    }
    if (watch_ms) pawl_alarm_set(node, &activity->alarm, watch_ms);
}

static void activity_queue(struct pawl_node *node, struct pawl_activity *activity)
{
    pawl_gate_wait(node, activity->gate);
    pawl_worker_put_activity(node, activity);
    activity_watch_queue(node, activity);
}

/* Off its lane or its worker, or neither, while it rests. */
static void activity_unlink(struct pawl_node *node, struct pawl_activity *activity)
{
    if (!pawl_list_is_linked(&activity->link)) return;
    pawl_list_remove(&activity->link);
    if (activity->state == PAWL_ACTIVITY_QUEUED) pawl_gate_unwait(node, activity->gate);
}

/* The struct, its key and its event are one allocation. NULL: not a schedule. */
static struct pawl_activity *activity_new(struct pawl_bytes key, const struct pawl_op_ref *ref,
                                          struct pawl_bytes event)
{
    struct pawl_activity *activity = pawl_mem_alloc(sizeof *activity + key.size + event.size);
    uint8_t *bytes = (uint8_t *)(activity + 1);
    memcpy(bytes, key.data, key.size);
    memcpy(bytes + key.size, event.data, event.size);
    activity->key = pawl_bytes_make(bytes, key.size);
    activity->ref = *ref;
    activity->ref.instance = pawl_activity_key_instance(activity->key);
    activity->event = pawl_bytes_make(bytes + key.size, event.size);
    activity->alarm.fire = activity_on_alarm;
    if (pawl_history_event_decode(activity->event, &activity->scheduled) != PAWL_OK
        || activity->scheduled.kind != PAWL_EVENT_TASK_SCHEDULED
        || activity->scheduled.progress.size > PAWL_PROGRESS_SIZE_MAX) {
        pawl_mem_free(activity);
        return NULL;
    }
    activity->progress = pawl_bytes_dup(activity->scheduled.progress);
    activity->attempts = activity->scheduled.attempts;
    return activity;
}

static struct pawl_activity *activity_add(struct pawl_node *node, struct pawl_bytes key,
                                          const struct pawl_op_ref *ref, struct pawl_bytes event)
{
    struct pawl_activity *activity = activity_new(key, ref, event);
    if (!activity) return NULL;
    activity->gate = pawl_limits_gate(node, true, activity->scheduled.name);
    pawl_map_insert(&node->activities, activity->key, activity);
    activity_queue(node, activity);
    return activity;
}

void pawl_activity_spawn(struct pawl_node *node, const struct pawl_op_ref *ref,
                         struct pawl_bytes event)
{
    struct pawl_bytes key = pawl_activity_key(&node->effects->arena, ref);
    if (activity_find(node, key)) return;
    struct pawl_activity *activity = activity_add(node, key, ref, event);
    PAWL_ASSERT(activity != NULL); /* committed by this engine, or checked at load */
    activity_judge(node, activity);
}

static void activity_free(struct pawl_node *node, struct pawl_activity *activity)
{
    activity_unlink(node, activity);
    pawl_alarm_clear(node, &activity->alarm);
    if (activity->state == PAWL_ACTIVITY_RUNNING)
        (void)pawl_map_remove(&node->activities_token, activity_token_key(activity));
    if (activity->state == PAWL_ACTIVITY_DONE) node->activities_done--;
    if (!pawl_id_is_zero(activity->run))
        (void)pawl_map_remove(&node->activities_run, activity_run_key(activity));
    (void)pawl_map_remove(&node->activities, activity->key);
    pawl_bytes_free(activity->app);
    pawl_bytes_free(activity->result);
    pawl_bytes_free(activity->progress);
    pawl_mem_free(activity);
}

static void activity_count_ended(struct pawl_node *node, const struct pawl_activity *activity)
{
    node->metrics.activities_running--;
    pawl_gate_leave(node, activity->gate);
}

/* Out of its worker's hands; its lane or its end is for the caller. */
static void activity_take_back(struct pawl_node *node, struct pawl_activity *activity)
{
    (void)pawl_map_remove(&node->activities_token, activity_token_key(activity));
    activity_unlink(node, activity);
    pawl_alarm_clear(node, &activity->alarm);
    pawl_fsm_move(activity_states, &activity->state, PAWL_ACTIVITY_QUEUED);
    activity->worker = 0;
    activity_count_ended(node, activity);
}

/* The same against its will: the worker is told that it works for nothing. */
static void activity_call_off(struct pawl_node *node, struct pawl_activity *activity)
{
    const struct pawl_worker *worker = pawl_worker_find(node, activity->worker);
    if (worker && worker->minor >= 1) {
        struct pawl_frame *frame = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_frame);
        frame->type = PAWL_FRAME_ACTIVITY_CANCEL;
        frame->activity_cancel = activity->token;
        pawl_node_send(node, worker->id, frame);
    }
    activity_take_back(node, activity);
}

void pawl_activity_forget(struct pawl_node *node, struct pawl_bytes key)
{
    struct pawl_activity *activity = activity_find(node, key);
    if (!activity) return;
    if (activity->state == PAWL_ACTIVITY_RUNNING) {
        PAWL_COVER(ACTIVITY_CALLED_OFF);
        node->metrics.activities_cancelled_total++;
        activity_call_off(node, activity);
    }
    activity_free(node, activity);
}

/* Limits of an attempt ------------------------------------------------------------------------- */

static bool activity_has_limits(const struct pawl_activity *activity)
{
    return activity->scheduled.start_to_close_ms || activity->scheduled.heartbeat_ms;
}

static int64_t activity_close_by_ms(const struct pawl_activity *activity)
{
    int64_t limit_ms = activity->scheduled.start_to_close_ms;
    return limit_ms ? pawl_limit_at_ms(activity->begun_ms, limit_ms) : INT64_MAX;
}

static int64_t activity_beat_by_ms(const struct pawl_activity *activity)
{
    int64_t limit_ms = activity->scheduled.heartbeat_ms;
    return limit_ms ? pawl_limit_at_ms(activity->beat_ms, limit_ms) : INT64_MAX;
}

static void activity_watch_attempt(struct pawl_node *node, struct pawl_activity *activity)
{
    int64_t close_ms = activity_close_by_ms(activity);
    int64_t beat_ms = activity_beat_by_ms(activity);
    pawl_alarm_set(node, &activity->alarm, beat_ms < close_ms ? beat_ms : close_ms);
}

static void activity_begin(struct pawl_node *node, struct pawl_activity *activity)
{
    activity->begun_ms = node->now_ms;
    activity->beat_ms = node->now_ms;
    if (activity_has_limits(activity)) activity_watch_attempt(node, activity);
}

/* The alarm stays where it is: when it rings it looks again, so a heartbeat costs little. */
void pawl_activity_on_heartbeat(struct pawl_node *node, uint64_t worker,
                                const struct pawl_activity_beat *beat)
{
    struct pawl_activity *activity = pawl_map_find(
        &node->activities_token, pawl_bytes_make(beat->token.bytes, sizeof beat->token.bytes));
    if (!activity || activity->worker != worker) return; /* of an earlier dispatch */
    if (activity->begun_ms == 0) activity_begin(node, activity);
    activity->beat_ms = node->now_ms;
    if (pawl_bytes_is_absent(beat->progress)) return;
    pawl_bytes_free(activity->progress);
    activity->progress = pawl_bytes_dup(beat->progress);
}

/* Whoever owns the instance keeps count for the time when this sidecar is gone. */
static void activity_tell_attempts(struct pawl_node *node, const struct pawl_activity *activity)
{
    pawl_attempts_on_dispatch(node, &activity->ref, activity->attempts);
    if (pawl_id_is_zero(activity->run)) return;
    struct pawl_route route = pawl_directory_owner(node, activity->app, activity->ref.instance);
    if (route.kind != PAWL_ROUTE_PEER) return;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_ATTEMPT);
    frame->run_attempt =
        (struct pawl_peer_run_attempt){ .run = activity->run, .count = activity->attempts };
    pawl_node_peer_send(node, route.host, frame);
}

void pawl_activity_dispatch(struct pawl_node *node, struct pawl_activity *activity,
                            struct pawl_worker *worker)
{
    activity_unlink(node, activity);
    pawl_list_push_tail(&worker->activities, &activity->link);
    pawl_alarm_clear(node, &activity->alarm);
    pawl_fsm_move(activity_states, &activity->state, PAWL_ACTIVITY_RUNNING);
    activity->worker = worker->id;
    activity->token = pawl_rng_id(&node->rng);
    activity->attempts++;
    activity->dispatched_ms = node->now_ms;
    activity->begun_ms = 0;
    pawl_map_insert(&node->activities_token, activity_token_key(activity), activity);
    node->metrics.activities_running++;
    pawl_gate_enter(node, activity->gate);
    /* Such a worker says when a thread takes it up; of others nothing better is known. */
    if (worker->minor == 0) activity_begin(node, activity);

    struct pawl_frame *frame = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_frame);
    frame->type = PAWL_FRAME_ACTIVITY;
    frame->activity =
        (struct pawl_activity_item){ .token = activity->token,
                                     .instance = activity->ref.instance,
                                     .task_execution = activity->scheduled.task_execution,
                                     .id = activity->scheduled.id,
                                     .attempt = activity->attempts,
                                     .name = activity->scheduled.name,
                                     .version = activity->scheduled.version,
                                     .payload = activity->scheduled.payload,
                                     .extra = activity->scheduled.extra,
                                     .takes_heartbeats = worker->minor >= 1,
                                     .start_to_close_ms = activity->scheduled.start_to_close_ms,
                                     .heartbeat_ms = activity->scheduled.heartbeat_ms,
                                     .progress = activity->progress };
    pawl_node_send(node, worker->id, frame);
    if (activity->attempts > 1) activity_tell_attempts(node, activity);
}

/* The end -------------------------------------------------------------------------------------- */

/* The result goes to the owner, who is here; this execution does not exist any more. */
static void activity_hand_in(struct pawl_node *node, struct pawl_activity *activity,
                             struct pawl_bytes event)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_op_ref ref = pawl_op_ref_copy(arena, &activity->ref);
    struct pawl_bytes kept = pawl_arena_copy(arena, event);
    activity_free(node, activity);
    pawl_workflow_on_result(node, &ref, kept, PAWL_ORIGIN_NONE);
}

static void activity_tell_peer(struct pawl_node *node, const struct pawl_activity *activity,
                               const struct pawl_host *host)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_RESULT);
    frame->run = (struct pawl_peer_run){ .run = activity->run,
                                         .instance = pawl_arena_copy(arena, activity->ref.instance),
                                         .inc = activity->ref.inc,
                                         .gen = activity->ref.gen,
                                         .op_id = activity->ref.op.id,
                                         .nonce = activity->ref.nonce,
                                         .event = pawl_arena_copy(arena, activity->result) };
    pawl_node_peer_send(node, host, frame);
}

/* The owner of the own app's instances may be away; its store is not. */
static void activity_tell(struct pawl_node *node, struct pawl_activity *activity)
{
    struct pawl_route route = pawl_directory_owner(node, activity->app, activity->ref.instance);
    bool is_own = pawl_directory_is_own_app(node, activity->app);
    bool is_unheard =
        route.kind == PAWL_ROUTE_PEER && is_own && (route.host->silent || activity->told > 1);
    if (is_unheard) PAWL_COVER(RESULT_TO_STORE);
    if (route.kind == PAWL_ROUTE_HERE) PAWL_COVER(RESULT_OF_OWN);
    if (activity->told > 0) PAWL_COVER(RESULT_REPEATED);
    if (route.kind == PAWL_ROUTE_HERE || is_unheard) {
        activity_hand_in(node, activity, activity->result);
        return;
    }
    if (route.kind == PAWL_ROUTE_PEER) activity_tell_peer(node, activity, route.host);
    int64_t again_ms = (int64_t)PAWL_RESULT_AGAIN_MS << (activity->told < 5 ? activity->told : 5);
    if (again_ms > PAWL_RESULT_AGAIN_MS_MAX) again_ms = PAWL_RESULT_AGAIN_MS_MAX;
    activity->told++;
    if (PAWL_MUTANT(RESULT_SENT_ONCE)) return;
    pawl_alarm_set(node, &activity->alarm, node->now_ms + again_ms);
}

static struct pawl_bytes activity_result(struct pawl_node *node,
                                         const struct pawl_activity *activity,
                                         struct pawl_bytes payload,
                                         const struct pawl_failure_view *failure)
{
    struct pawl_history_event event = pawl_history_event_make(
        failure->present ? PAWL_EVENT_TASK_FAILED : PAWL_EVENT_TASK_COMPLETED, node->now_ms);
    event.ref = activity->scheduled.id;
    event.payload = payload;
    event.failure = *failure;
    if (failure->present) event.progress = activity->progress;
    event.task_execution = activity->scheduled.task_execution;
    return pawl_history_event_pack(&node->effects->arena, &event);
}

static void activity_end(struct pawl_node *node, struct pawl_activity *activity,
                         struct pawl_bytes result)
{
    if (node->activities_done >= PAWL_RESULTS_MAX) {
        /* At the bound: whoever waits for it finds it gone and runs it again. */
        activity_free(node, activity);
        return;
    }
    if (pawl_id_is_zero(activity->run)) {
        activity_hand_in(node, activity, result);
        return;
    }
    activity_unlink(node, activity);
    if (activity->state == PAWL_ACTIVITY_RUNNING)
        (void)pawl_map_remove(&node->activities_token, activity_token_key(activity));
    pawl_alarm_clear(node, &activity->alarm);
    pawl_fsm_move(activity_states, &activity->state, PAWL_ACTIVITY_DONE);
    node->activities_done++;
    activity->result = pawl_bytes_dup(result);
    activity_tell(node, activity);
}

static void activity_finish(struct pawl_node *node, struct pawl_activity *activity,
                            struct pawl_bytes payload, const struct pawl_failure_view *failure)
{
    activity_end(node, activity, activity_result(node, activity, payload, failure));
}

/* True: it has lost too many workers and is given up. */
static bool activity_judge(struct pawl_node *node, struct pawl_activity *activity)
{
    if (activity->attempts < node->config.activity_attempts_max) return false;
    activity_end(node, activity,
                 pawl_poison_pack(&node->effects->arena, &activity->scheduled, activity->attempts,
                                  node->now_ms));
    return true;
}

void pawl_activity_on_done(struct pawl_node *node, uint64_t worker,
                           const struct pawl_activity_done *done)
{
    struct pawl_activity *activity = pawl_map_find(
        &node->activities_token, pawl_bytes_make(done->token.bytes, sizeof done->token.bytes));
    if (!activity || activity->worker != worker) return; /* of an earlier dispatch */
    activity_count_ended(node, activity);
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

/* The attempt has failed; another try of the call may fare better. */
static void activity_time_out(struct pawl_node *node, struct pawl_activity *activity,
                              const char *type, struct pawl_bytes message)
{
    struct pawl_failure_view failure = { .present = true,
                                         .type = pawl_bytes_str(type),
                                         .message = message };
    PAWL_COVER(ACTIVITY_TIMED_OUT);
    node->metrics.activities_total++;
    node->metrics.activities_failed_total++;
    node->metrics.activities_timed_out_total++;
    pawl_histogram_add(&node->metrics.activity_seconds, node->now_ms - activity->dispatched_ms);
    activity_call_off(node, activity);
    activity_finish(node, activity, PAWL_BYTES_ABSENT, &failure);
}

void pawl_activity_on_returned(struct pawl_node *node, uint64_t worker, struct pawl_id token)
{
    struct pawl_activity *activity =
        pawl_map_find(&node->activities_token, pawl_bytes_make(token.bytes, sizeof token.bytes));
    if (!activity || activity->worker != worker) return; /* of an earlier dispatch */
    activity_take_back(node, activity);
    activity->attempts--;
    activity_queue(node, activity);
}

/* QUEUED, and on no lane: the alarm is for the end of the rest, or for a limit before it. */
static void activity_watch_rest(struct pawl_node *node, struct pawl_activity *activity)
{
    int64_t watch_ms = activity->rests_until_ms;
    if (activity->scheduled.start_within_ms && activity_start_by_ms(activity) < watch_ms)
        watch_ms = activity_start_by_ms(activity);
    pawl_alarm_set(node, &activity->alarm, watch_ms);
}

static void activity_rest(struct pawl_node *node, struct pawl_activity *activity)
{
    activity->rests_until_ms = node->now_ms + pawl_node_rest_ms(node, activity->attempts);
    activity_watch_rest(node, activity);
}

void pawl_activity_on_worker_lost(struct pawl_node *node, struct pawl_activity *activity)
{
    activity_take_back(node, activity);
    node->metrics.activities_lost_total++;
    if (activity_judge(node, activity)) return;
    activity_tell_attempts(node, activity);
    if (activity->attempts > 1)
        activity_rest(node, activity);
    else
        activity_queue(node, activity);
}

/* Others ----------------------------------------------------------------------------------------
 */

static void activity_refuse(struct pawl_node *node, const struct pawl_host *host,
                            struct pawl_id run, bool unregistered)
{
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_RUN_REFUSED);
    frame->run_refused = (struct pawl_peer_run_refused){ .run = run, .unregistered = unregistered };
    pawl_node_peer_send(node, host, frame);
}

/* Who asked for it is not remembered: the owner may be another by now, and finds out by
 * asking; or it is here, and took this execution for its own. A former owner that looked for
 * somebody would never hear how it ended, and look again and again. */
static bool activity_is_owned_here(struct pawl_node *node, const struct pawl_activity *activity)
{
    if (pawl_id_is_zero(activity->run) && PAWL_MUTANT(ACTIVITY_KEPT_LOST)) return true;
    return pawl_directory_is_own_app(node, activity->app)
           && pawl_partition_is_owned(pawl_node_partition(node, activity->ref.instance));
}

/* The owner looks for somebody else. */
static void activity_give_back(struct pawl_node *node, struct pawl_activity *activity,
                               bool unregistered)
{
    struct pawl_arena *arena = &node->effects->arena;
    if (!activity_is_owned_here(node, activity)) {
        struct pawl_route route = pawl_directory_owner(node, activity->app, activity->ref.instance);
        if (route.kind == PAWL_ROUTE_PEER && !pawl_id_is_zero(activity->run))
            activity_refuse(node, route.host, activity->run, unregistered);
        activity_free(node, activity);
        return;
    }
    struct pawl_op_ref ref = pawl_op_ref_copy(arena, &activity->ref);
    activity->scheduled.progress = activity->progress; /* the next one may go on from there */
    activity->scheduled.attempts = activity->attempts;
    struct pawl_bytes event = pawl_history_event_pack(arena, &activity->scheduled);
    activity_free(node, activity);
    if (unregistered)
        pawl_run_spawn_elsewhere(node, &ref, event);
    else
        pawl_run_spawn(node, &ref, event);
}

struct pawl_bytes pawl_activity_why_not_registered(struct pawl_node *node, struct pawl_bytes app,
                                                   struct pawl_bytes name)
{
    struct pawl_bytes id = app.size ? app : pawl_bytes_str(node->app);
    return pawl_arena_printf(
        &node->effects->arena,
        "no connected worker of app '%.*s' has registered an activity named '%.*s'",
        PAWL_BYTES_FMT(id), PAWL_BYTES_FMT(name));
}

void pawl_activity_on_not_registered(struct pawl_node *node, struct pawl_activity *activity)
{
    if (node->config.placed) {
        activity_give_back(node, activity, true);
        return;
    }
    activity_fail(
        node, activity, "ActivityNotRegistered",
        pawl_activity_why_not_registered(node, PAWL_BYTES_ABSENT, activity->scheduled.name));
}

/* Alarms --------------------------------------------------------------------------------------- */

static void activity_on_queue_alarm(struct pawl_node *node, struct pawl_activity *activity)
{
    int64_t within_ms = activity->scheduled.start_within_ms;
    if (within_ms && activity_start_by_ms(activity) <= node->now_ms) {
        activity_fail(node, activity, "ScheduleToStartTimeout",
                      pawl_arena_printf(&node->effects->arena,
                                        "not begun within the %lld ms that it may wait: no worker "
                                        "of app '%s' had room for it",
                                        (long long)within_ms, node->app));
        return;
    }
    bool is_resting = !pawl_list_is_linked(&activity->link);
    if (is_resting && activity->rests_until_ms > node->now_ms) {
        activity_watch_rest(node, activity);
        return;
    }
    if (is_resting) {
        activity_queue(node, activity);
        return;
    }
    bool is_workerless = node->config.placed && node->task_workers == 0;
    if (!is_workerless) {
        activity_watch_queue(node, activity);
        return;
    }
    PAWL_COVER(RUN_GIVEN_BACK);
    activity_give_back(node, activity, false);
}

static void activity_on_attempt_alarm(struct pawl_node *node, struct pawl_activity *activity)
{
    struct pawl_arena *arena = &node->effects->arena;
    const struct pawl_history_event *scheduled = &activity->scheduled;
    if (activity_close_by_ms(activity) <= node->now_ms)
        activity_time_out(node, activity, "StartToCloseTimeout",
                          pawl_arena_printf(arena,
                                            "attempt %u did not end within the %lld ms that it may "
                                            "take (start_to_close_ms)",
                                            activity->attempts,
                                            (long long)scheduled->start_to_close_ms));
    else if (activity_beat_by_ms(activity) <= node->now_ms)
        activity_time_out(node, activity, "HeartbeatTimeout",
                          pawl_arena_printf(arena,
                                            "attempt %u sent no heartbeat for %lld ms "
                                            "(heartbeat_ms)",
                                            activity->attempts,
                                            (long long)scheduled->heartbeat_ms));
    else
        activity_watch_attempt(node, activity);
}

static void activity_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct pawl_activity *activity = PAWL_CONTAINER_OF(alarm, struct pawl_activity, alarm);
    switch ((enum pawl_activity_state)activity->state) {
    case PAWL_ACTIVITY_QUEUED: activity_on_queue_alarm(node, activity); return;
    case PAWL_ACTIVITY_RUNNING: activity_on_attempt_alarm(node, activity); return;
    case PAWL_ACTIVITY_DONE: activity_tell(node, activity); return;
    default: return;
    }
}

/* Peers ---------------------------------------------------------------------------------------- */

static void activity_bind_run(struct pawl_node *node, struct pawl_activity *activity,
                              const struct pawl_host *host, struct pawl_id run)
{
    if (pawl_id_is_equal(activity->run, run)) return;
    if (!pawl_id_is_zero(activity->run)) {
        PAWL_COVER(RUN_REBOUND);
        (void)pawl_map_remove(&node->activities_run, activity_run_key(activity));
    }
    activity->run = run;
    pawl_map_insert(&node->activities_run, activity_run_key(activity), activity);
    pawl_bytes_free(activity->app);
    activity->app = pawl_directory_is_own_app(node, host->app->id) ? PAWL_BYTES_ABSENT
                                                                   : pawl_bytes_dup(host->app->id);
}

void pawl_activity_on_run(struct pawl_node *node, struct pawl_host *host,
                          const struct pawl_peer_run *run)
{
    const struct pawl_activity *other = activity_find_run(node, run->run);
    struct pawl_op_ref ref = pawl_op_ref_of_run(run);
    struct pawl_bytes key = pawl_activity_key(&node->effects->arena, &ref);
    struct pawl_activity *activity = activity_find(node, key);
    if (other && other != activity) return; /* a run id names one execution for ever */
    bool is_leaving = node->directory.self && node->directory.self->leaving;
    if (!activity && (node->task_workers == 0 || is_leaving)) {
        activity_refuse(node, host, run->run, false);
        return;
    }
    bool is_new = !activity;
    if (is_new) activity = activity_add(node, key, &ref, run->event);
    if (!activity) {
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "sidecar %.*s asked for an activity that cannot be read; ignored",
                      PAWL_BYTES_FMT(host->name));
        return;
    }
    activity_bind_run(node, activity, host, run->run);
    if (is_new && activity_judge(node, activity)) return;
    if (activity->state != PAWL_ACTIVITY_DONE) return;
    PAWL_COVER(RUN_DONE_ALREADY);
    activity_tell(node, activity);
}

void pawl_activity_on_result_done(struct pawl_node *node, struct pawl_id run)
{
    struct pawl_activity *activity = activity_find_run(node, run);
    if (activity && activity->state == PAWL_ACTIVITY_DONE) activity_free(node, activity);
}

void pawl_activity_on_cancel(struct pawl_node *node, struct pawl_id run)
{
    const struct pawl_activity *activity = activity_find_run(node, run);
    if (activity) pawl_activity_forget(node, activity->key);
}

static struct pawl_peer_frame *runs_answer(struct pawl_node *node, enum pawl_peer_frame_type type,
                                           uint32_t count)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, type);
    frame->runs.known = PAWL_ARENA_ARRAY(arena, struct pawl_id, count);
    frame->runs.unknown = PAWL_ARENA_ARRAY(arena, struct pawl_id, count);
    return frame;
}

static void runs_answer_add(struct pawl_peer_runs *runs, struct pawl_id run, bool is_known)
{
    if (is_known)
        runs->known[runs->known_count++] = run;
    else
        runs->unknown[runs->unknown_count++] = run;
}

void pawl_activity_on_ask(struct pawl_node *node, struct pawl_host *host,
                          const struct pawl_peer_runs *asked)
{
    struct pawl_peer_frame *frame = runs_answer(node, PAWL_PEER_ASKED, asked->known_count);
    for (uint32_t i = 0; i < asked->known_count; i++)
        runs_answer_add(&frame->runs, asked->known[i],
                        activity_find_run(node, asked->known[i]) != NULL);
    pawl_node_peer_send(node, host, frame);
}

/* NULL: it is not here. */
static struct pawl_activity *activity_find_for(struct pawl_node *node, struct pawl_host *host,
                                               const struct pawl_peer_find *find)
{
    struct pawl_op_ref ref = pawl_op_ref_of_find(find);
    struct pawl_bytes key = pawl_activity_key(&node->effects->arena, &ref);
    struct pawl_activity *activity = activity_find(node, key);
    const struct pawl_activity *other = activity_find_run(node, find->run);
    if (other && other != activity) return NULL; /* a run id names one execution for ever */
    if (activity) activity_bind_run(node, activity, host, find->run);
    return activity;
}

void pawl_activity_on_find(struct pawl_node *node, struct pawl_host *host,
                           const struct pawl_peer_finds *finds)
{
    struct pawl_peer_frame *frame = runs_answer(node, PAWL_PEER_FOUND, finds->count);
    for (uint32_t i = 0; i < finds->count; i++) {
        struct pawl_activity *activity = activity_find_for(node, host, &finds->items[i]);
        runs_answer_add(&frame->runs, finds->items[i].run, activity != NULL);
        if (activity && activity->state == PAWL_ACTIVITY_DONE) activity_tell(node, activity);
    }
    pawl_node_peer_send(node, host, frame);
}

void pawl_activities_tell_again(struct pawl_node *node)
{
    if (node->activities_done == 0) return;
    uint32_t cursor = 0;
    for (struct pawl_activity *activity;
         (activity = pawl_map_next(&node->activities, &cursor)) != NULL;) {
        if (activity->state != PAWL_ACTIVITY_DONE) continue;
        struct pawl_route route = pawl_directory_owner(node, activity->app, activity->ref.instance);
        bool is_foreign = !pawl_directory_is_own_app(node, activity->app);
        if (is_foreign && route.kind == PAWL_ROUTE_PEER && route.host->silent) continue;
        activity->told = 0; /* to somebody else, perhaps */
        activity_tell(node, activity);
    }
}

void pawl_activities_on_workerless(struct pawl_node *node)
{
    uint32_t cursor = 0;
    for (struct pawl_activity *activity;
         (activity = pawl_map_next(&node->activities, &cursor)) != NULL;) {
        bool is_in_line =
            activity->state == PAWL_ACTIVITY_QUEUED && pawl_list_is_linked(&activity->link);
        if (is_in_line) activity_watch_queue(node, activity);
    }
}

void pawl_activities_on_peer_down(struct pawl_node *node, const struct pawl_host *host)
{
    if (pawl_directory_is_own_app(node, host->app->id)) pawl_activities_tell_again(node);
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
    pawl_map_deinit(&node->activities_run);
}
