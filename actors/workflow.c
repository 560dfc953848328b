#include "actors/workflow.h"

#include <stdio.h>

#include "actors/attempts.h"
#include "actors/limit.h"
#include "actors/outbox.h"
#include "actors/pace.h"
#include "actors/partition.h"
#include "actors/request.h"
#include "actors/request_import.h"
#include "actors/run.h"
#include "actors/schedule.h"
#include "actors/seed.h"
#include "actors/worker.h"
#include "actors/workflow_state.h"
#include "base/cover.h"
#include "base/fsm.h"
#include "base/mutant.h"

#define LOAD_ATTEMPTS_MAX 3u

#define ALLOW(state) PAWL_FSM_BIT(PAWL_WORKFLOW_##state)
static const struct pawl_fsm_state workflow_states[PAWL_WORKFLOW_STATES_COUNT] = {
    [PAWL_WORKFLOW_LOADING] = { "loading", ALLOW(READY) },
    [PAWL_WORKFLOW_READY] = { "ready", ALLOW(QUEUED) | ALLOW(COMMITTING) | ALLOW(LOADING) },
    [PAWL_WORKFLOW_QUEUED] = { "queued", ALLOW(FETCHING) | ALLOW(RUNNING) | ALLOW(READY) },
    [PAWL_WORKFLOW_FETCHING] = { "fetching", ALLOW(RUNNING) | ALLOW(READY) },
    [PAWL_WORKFLOW_RUNNING] = { "running", ALLOW(COMMITTING) | ALLOW(READY) },
    [PAWL_WORKFLOW_COMMITTING] = { "committing", ALLOW(READY) },
};
#undef ALLOW

static bool workflow_is_at_worker(enum pawl_workflow_state state)
{
    return state == PAWL_WORKFLOW_FETCHING || state == PAWL_WORKFLOW_RUNNING;
}

/* What its gate counts follows from its state. */
static void workflow_count(struct pawl_node *node, struct pawl_workflow *workflow,
                           enum pawl_workflow_state state)
{
    node->workflows_in[state]++;
    if (state == PAWL_WORKFLOW_QUEUED) {
        workflow->gate = pawl_limits_gate(node, false, workflow->metadata.name);
        pawl_gate_wait(node, workflow->gate);
    }
    if (workflow_is_at_worker(state)) pawl_gate_enter(node, workflow->gate);
}

static void workflow_uncount(struct pawl_node *node, struct pawl_workflow *workflow)
{
    node->workflows_in[workflow->state]--;
    if (workflow->state == PAWL_WORKFLOW_QUEUED) pawl_gate_unwait(node, workflow->gate);
    if (workflow_is_at_worker(workflow->state)) pawl_gate_leave(node, workflow->gate);
}

static void workflow_move(struct pawl_node *node, struct pawl_workflow *workflow,
                          enum pawl_workflow_state state)
{
    bool is_turn_over = state == PAWL_WORKFLOW_READY && workflow->state != PAWL_WORKFLOW_LOADING;
    if (is_turn_over) pawl_pace_release(node, workflow);
    workflow_uncount(node, workflow);
    pawl_fsm_move(workflow_states, &workflow->state, (uint8_t)state);
    workflow_count(node, workflow, state);
}

void pawl_workflow_set_ready(struct pawl_node *node, struct pawl_workflow *workflow)
{
    workflow_move(node, workflow, PAWL_WORKFLOW_READY);
}

/* Directory ------------------------------------------------------------------------------ */

struct pawl_workflow *pawl_workflow_find(const struct pawl_node *node, struct pawl_bytes id)
{
    return pawl_map_find(&node->workflows, id);
}

static void workflow_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    pawl_workflow_advance(node, PAWL_CONTAINER_OF(alarm, struct pawl_workflow, alarm));
}

static bool workflow_may_add(struct pawl_node *node, struct pawl_bytes id)
{
    return pawl_partition_is_owned(pawl_node_partition(node, id))
           && node->workflows.count < node->config.instances_max;
}

static struct pawl_workflow *workflow_add(struct pawl_node *node, struct pawl_bytes id)
{
    struct pawl_workflow *workflow = pawl_workflow_state_new(node, id);
    workflow->alarm.fire = workflow_on_alarm;
    workflow_count(node, workflow, workflow->state);
    pawl_map_insert(&node->workflows, workflow->id, workflow);
    return workflow;
}

static void workflow_on_loaded(struct pawl_node *node, struct pawl_call *call,
                               const struct pawl_store_reply *reply);

/* Payloads may be large: they are read only of stalled instances, for the cause. */
static void workflow_load(struct pawl_node *node, struct pawl_workflow *workflow, bool with_cause)
{
    PAWL_ASSERT(workflow->state == PAWL_WORKFLOW_LOADING);
    struct pawl_call *call =
        pawl_call_new(node, PAWL_STORE_LOAD, workflow->partition->index, workflow_on_loaded);
    call->instance = pawl_arena_copy(&call->arena, workflow->id);
    call->attempts_max = LOAD_ATTEMPTS_MAX;
    uint32_t want = PAWL_LOAD_PENDING | PAWL_LOAD_INBOX | PAWL_LOAD_HISTORY | PAWL_LOAD_FENCED;
    call->request.load = (struct pawl_load){
        .fence = workflow->partition->fence,
        .want = with_cause ? want | PAWL_LOAD_PAYLOADS : want,
        .instance = call->instance,
        .history_max = PAWL_LOAD_HISTORY_MAX,
        .history_size_max = PAWL_LOAD_HISTORY_SIZE_MAX,
    };
    pawl_call_send(node, call);
}

struct pawl_workflow *pawl_workflow_activate(struct pawl_node *node, struct pawl_bytes id)
{
    struct pawl_workflow *workflow = pawl_workflow_find(node, id);
    if (workflow) return workflow;
    if (!workflow_may_add(node, id)) return NULL;
    workflow = workflow_add(node, id);
    workflow_load(node, workflow, false);
    return workflow;
}

/* Read again: what is cached may be older than what is stored. Results and controls
 * that are known only here stay. */
static void workflow_reload(struct pawl_node *node, struct pawl_workflow *workflow)
{
    PAWL_ASSERT(workflow->state == PAWL_WORKFLOW_READY);
    PAWL_COVER(INSTANCE_RELOADED);
    pawl_pace_release(node, workflow);
    struct pawl_list *link = workflow->inputs.next;
    while (link != &workflow->inputs) {
        struct pawl_input *input = PAWL_CONTAINER_OF(link, struct pawl_input, link);
        link = link->next;
        if (input->durable) pawl_workflow_remove_input(workflow, input);
    }
    pawl_workflow_clear_ops(workflow);
    pawl_workflow_drop_past(node, workflow);
    workflow->reload = false;
    workflow_move(node, workflow, PAWL_WORKFLOW_LOADING);
    workflow_load(node, workflow, false);
}

void pawl_workflow_answer_controls(struct pawl_node *node, struct pawl_list *controls, pawl_err err,
                                   const char *text)
{
    while (!pawl_list_is_empty(controls)) {
        struct pawl_control *control = PAWL_CONTAINER_OF(controls->next, struct pawl_control, link);
        pawl_list_remove(&control->link);
        bool has_ended = err == PAWL_OK || err == PAWL_E_TERMINAL || err == PAWL_E_NOT_FOUND;
        if (control->then && has_ended) {
            pawl_call_send(node, control->then);
        } else {
            if (control->then) pawl_call_drop(node, control->then);
            pawl_node_answer_err(node, control->request_token, err, "%s", text);
        }
        pawl_bytes_free(control->payload);
        pawl_mem_free(control);
    }
}

static void workflow_unlink(struct pawl_workflow *workflow)
{
    if (pawl_list_is_linked(&workflow->lane_link)) pawl_list_remove(&workflow->lane_link);
}

/* A turn that was given to a worker and never reached it takes none of its credit. */
static void workflow_unspend(struct pawl_node *node, const struct pawl_workflow *workflow)
{
    if (workflow->state != PAWL_WORKFLOW_FETCHING) return;
    pawl_worker_on_credit(node, workflow->turn->worker, (struct pawl_credit){ .turns = 1 });
}

/* Ready again with all its inputs; the turn, if any, never happened. */
void pawl_workflow_abandon_turn(struct pawl_node *node, struct pawl_workflow *workflow)
{
    PAWL_ASSERT(workflow->state != PAWL_WORKFLOW_COMMITTING);
    workflow_unspend(node, workflow);
    workflow_unlink(workflow);
    if (workflow->turn) pawl_turn_drop(node, workflow->turn);
    workflow->turn = NULL;
    workflow_move(node, workflow, PAWL_WORKFLOW_READY);
}

/* What a client is told whose control came too late, or too early. */
static const char *workflow_forget_text(struct pawl_node *node,
                                        const struct pawl_workflow *workflow, pawl_err err)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_bytes id = workflow->id, text;
    if (err == PAWL_E_NOT_FOUND)
        text =
            pawl_arena_printf(arena, "unable to find workflow with the provided instance ID: %.*s",
                              PAWL_BYTES_FMT(id));
    else if (err == PAWL_E_TERMINAL)
        text = pawl_arena_printf(arena, "workflow instance '%.*s' has already ended",
                                 PAWL_BYTES_FMT(id));
    else
        text = pawl_arena_printf(arena, "workflow instance '%.*s': %s", PAWL_BYTES_FMT(id),
                                 pawl_err_text(err));
    return (const char *)text.data;
}

void pawl_workflow_forget(struct pawl_node *node, struct pawl_workflow *workflow, pawl_err err)
{
    const char *text = workflow_forget_text(node, workflow, err);
    workflow_unspend(node, workflow);
    workflow_unlink(workflow);
    pawl_alarm_clear(node, &workflow->alarm);
    pawl_pace_release(node, workflow);
    workflow_uncount(node, workflow);
    /* It was to be tried, or a commit that stalls it may still arrive. */
    if (workflow->try_stalled || workflow->turn) workflow->partition->look_for_stalled = true;
    if (workflow->turn && workflow->state == PAWL_WORKFLOW_COMMITTING) {
        /* The commit is on its way and belongs to its call. */
        pawl_workflow_answer_controls(node, &workflow->turn->controls,
                                      err == PAWL_E_FENCED ? PAWL_E_UNKNOWN : err, text);
    } else if (workflow->turn) {
        pawl_turn_drop(node, workflow->turn);
    }
    pawl_workflow_answer_controls(node, &workflow->controls, err, text);
    for (struct pawl_input *input; (input = pawl_workflow_first_input(workflow)) != NULL;) {
        bool is_final = err == PAWL_E_NOT_FOUND || err == PAWL_E_TERMINAL;
        if (is_final)
            pawl_origin_done(node, input->origin);
        else
            pawl_origin_release(node, input->origin);
        pawl_workflow_remove_input(workflow, input);
    }
    /* Who relied on hearing from here reads for himself. */
    if (err != PAWL_E_TERMINAL) pawl_request_on_forgotten(node, workflow->id);
    pawl_map_remove(&node->workflows, workflow->id);
    pawl_workflow_drop_past(node, workflow);
    pawl_poison_drop(workflow);
    pawl_workflow_state_free(workflow);
}

/* Loading ---------------------------------------------------------------------------------- */

/* With the attempts that are known of. What is stalled for its workers' sake rests until it
 * is resumed, which loads it again. */
static void workflow_load_activity(struct pawl_node *node, const struct pawl_workflow *workflow,
                                   const struct pawl_op_ref *ref, struct pawl_bytes event,
                                   struct pawl_history_event *scheduled, uint32_t attempts)
{
    if (workflow->stall == PAWL_STALL_WORKER_LOST) return;
    if (attempts) {
        scheduled->attempts = attempts;
        event = pawl_history_event_pack(&node->effects->arena, scheduled);
    }
    pawl_run_resume(node, ref, event);
}

static void workflow_load_op(struct pawl_node *node, struct pawl_workflow *workflow,
                             const struct pawl_pending *pending,
                             const struct pawl_attempts *attempts, bool is_first)
{
    struct pawl_history_event event = { .kind = 0 };
    if (pawl_history_event_decode(pending->event, &event) != PAWL_OK) {
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "instance %.*s: the history event of its operation %c:%u cannot be read; "
                      "the operation will not be repeated",
                      PAWL_BYTES_FMT(workflow->id), pending->op.kind, pending->op.id);
    }
    pawl_workflow_add_pending(workflow, pending, &event);
    if (PAWL_MUTANT(NO_RESEND_AFTER_LOAD)) return;
    if (pending->op.kind != 'a' || event.kind != PAWL_EVENT_TASK_SCHEDULED) return;
    struct pawl_op_ref ref =
        pawl_workflow_op_ref(workflow, workflow->metadata.gen, pending->op, pending->nonce);
    if (pending->state == PAWL_PENDING_DELIVERED) {
        pawl_run_done(node, &ref); /* however long the turn takes that reads its result */
        return;
    }
    uint32_t count = pawl_attempts_of_op(attempts, pending->op.id);
    pawl_workflow_op_find(workflow, pending->op)->attempts = count;
    bool is_old = node->now_ms >= pawl_limit_at_ms(event.timestamp_ms, PAWL_ATTEMPT_OLD_MS);
    if (count == 0 && is_first && is_old) count = 1;
    workflow_load_activity(node, workflow, &ref, pending->event, &event, count);
}

static void workflow_load_past(struct pawl_workflow *workflow, const struct pawl_snapshot *snapshot)
{
    if (snapshot->history_count != snapshot->metadata.history_count) return;
    workflow->past =
        pawl_past_new(snapshot->history_count, (size_t)snapshot->metadata.history_size);
    for (uint32_t i = 0; i < snapshot->history_count; i++)
        pawl_past_add(workflow->past, snapshot->history[i]);
}

/* What came while the snapshot was under way: rows that are in it are dropped, and so is a
 * row behind one that nobody here has heard of (its answer was lost, or is still to come);
 * another load then brings them in their order. Returns how many inputs stay. */
static uint32_t workflow_keep_later(struct pawl_workflow *workflow, uint32_t *inout_tail,
                                    struct pawl_list *later)
{
    uint32_t count = 0;
    for (struct pawl_input *input; (input = pawl_workflow_first_input(workflow)) != NULL;) {
        bool follows = !input->durable || input->index == *inout_tail;
        if (!follows) {
            if (input->index > *inout_tail) workflow->reload = true;
            pawl_workflow_remove_input(workflow, input);
            continue;
        }
        if (input->durable) ++*inout_tail;
        pawl_list_remove(&input->link);
        workflow->inputs_count--;
        pawl_list_push_tail(later, &input->link);
        count++;
    }
    return count;
}

/* Rows of the snapshot come first, then those delivered since, then what is known only
 * here. */
static pawl_err workflow_load_inbox(struct pawl_workflow *workflow,
                                    const struct pawl_snapshot *snapshot)
{
    struct pawl_list later;
    pawl_list_init(&later);
    uint32_t later_count = workflow_keep_later(workflow, &workflow->metadata.inbox_tail, &later);
    pawl_err err = PAWL_OK;
    for (uint32_t i = 0; i < snapshot->inbox_count && err == PAWL_OK; i++)
        err = pawl_workflow_add_row(workflow, snapshot->inbox[i].index, snapshot->inbox[i].delivery,
                                    snapshot->inbox[i].body);
    while (!pawl_list_is_empty(&later)) {
        struct pawl_list *link = later.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&workflow->inputs, link);
    }
    workflow->inputs_count += later_count;
    return err;
}

static void workflow_take_snapshot(struct pawl_node *node, struct pawl_workflow *workflow,
                                   const struct pawl_snapshot *snapshot, bool has_cause)
{
    bool is_stalled = snapshot->metadata.status == PAWL_STATUS_STALLED;
    if (is_stalled && !has_cause) {
        workflow_load(node, workflow, true);
        return;
    }
    pawl_workflow_load_cause(workflow, snapshot);
    struct pawl_attempts attempts;
    if (pawl_attempts_unpack(snapshot->attempts, &attempts) != PAWL_OK)
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "instance %.*s: its counts of attempts cannot be read and begin anew",
                      PAWL_BYTES_FMT(workflow->id));
    workflow->has_attempts = snapshot->attempts.size > 0;
    bool is_first = workflow->metadata.gen == 0;
    /* What a worker holds stays good when nobody has committed since. */
    if (!pawl_id_is_equal(workflow->metadata.last, snapshot->metadata.last))
        workflow->sticky_worker = 0;
    pawl_err err = pawl_workflow_set_metadata(workflow, &snapshot->metadata);
    if (err == PAWL_OK) err = pawl_schedule_attach(workflow, snapshot->custom_status);
    if (err == PAWL_OK && pawl_status_is_terminal(snapshot->metadata.status)) {
        pawl_workflow_forget(node, workflow, PAWL_E_TERMINAL);
        return;
    }
    if (err == PAWL_OK) err = workflow_load_inbox(workflow, snapshot);
    if (err != PAWL_OK) {
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "instance %.*s: a stored row cannot be read; the instance rests until its "
                      "rows are repaired or it is purged",
                      PAWL_BYTES_FMT(workflow->id));
        pawl_workflow_forget(node, workflow, PAWL_E_CORRUPT);
        return;
    }
    for (uint32_t i = 0; i < snapshot->pending_count; i++)
        workflow_load_op(node, workflow, &snapshot->pending[i], &attempts, is_first);
    workflow_load_past(workflow, snapshot);
    pawl_workflow_set_code_version(
        workflow, pawl_workflow_history_version(snapshot->history, snapshot->history_count));
    workflow_move(node, workflow, PAWL_WORKFLOW_READY);
    workflow->active_ms = node->now_ms;
    if (is_first) pawl_attempts_on_loaded(node, workflow, &attempts);
    pawl_workflow_advance(node, workflow);
}

static void workflow_on_loaded(struct pawl_node *node, struct pawl_call *call,
                               const struct pawl_store_reply *reply)
{
    struct pawl_workflow *workflow = pawl_workflow_find(node, call->instance);
    if (!workflow || workflow->state != PAWL_WORKFLOW_LOADING) return;
    switch (reply->err) {
    case PAWL_OK:
        workflow_take_snapshot(node, workflow, &reply->load.snapshot,
                               (call->request.load.want & PAWL_LOAD_PAYLOADS) != 0);
        return;
    case PAWL_E_FENCED:
        pawl_partition_on_fenced(node, workflow->partition, &call->request.load.fence);
        return;
    case PAWL_E_NOT_FOUND: pawl_workflow_forget(node, workflow, PAWL_E_NOT_FOUND); return;
    case PAWL_E_UNAVAILABLE:
    case PAWL_E_UNKNOWN:
    case PAWL_E_TIMEOUT:
        /* The store is away. Nothing is lost: a reminder brings the instance back. */
        pawl_workflow_forget(node, workflow, PAWL_E_UNAVAILABLE);
        return;
    default:
        pawl_node_log(node, PAWL_LOG_ERROR, "instance %.*s cannot be loaded: %s (%.*s)",
                      PAWL_BYTES_FMT(call->instance), pawl_err_text(reply->err),
                      PAWL_BYTES_FMT(reply->message));
        pawl_workflow_forget(node, workflow, reply->err);
    }
}

void pawl_workflow_on_created(struct pawl_node *node, struct pawl_bytes id,
                              const struct pawl_metadata *metadata, struct pawl_id delivery,
                              struct pawl_bytes body)
{
    struct pawl_workflow *workflow = pawl_workflow_find(node, id);
    if (workflow) {
        /* Somebody asked for it before it was there: that load will tell. */
        if (workflow->state == PAWL_WORKFLOW_READY) workflow_reload(node, workflow);
        return;
    }
    /* While no worker is there, starts wait in the store; their reminders bring them. */
    bool is_futile =
        node->turn_workers == 0 && node->workflows_in[PAWL_WORKFLOW_QUEUED] >= PAWL_BACKLOG_MAX;
    if (is_futile || !workflow_may_add(node, id)) return;
    workflow = workflow_add(node, id);
    pawl_err err = pawl_workflow_set_metadata(workflow, metadata);
    if (err == PAWL_OK) err = pawl_schedule_attach(workflow, PAWL_BYTES_ABSENT);
    if (err == PAWL_OK) err = pawl_workflow_add_row(workflow, 0, delivery, body);
    PAWL_ASSERT(err == PAWL_OK); /* we have just encoded both */
    workflow_move(node, workflow, PAWL_WORKFLOW_READY);
    pawl_workflow_advance(node, workflow);
}

/* What follows ------------------------------------------------------------------------------ */

static bool workflow_is_runnable(const struct pawl_workflow *workflow)
{
    switch (workflow->metadata.status) {
    case PAWL_STATUS_RUNNING:
    case PAWL_STATUS_PENDING: return true;
    case PAWL_STATUS_STALLED: return workflow->try_stalled;
    default: return false;
    }
}

void pawl_workflow_commit(struct pawl_node *node, struct pawl_workflow *workflow,
                          struct pawl_turn_draft *turn)
{
    workflow_move(node, workflow, PAWL_WORKFLOW_COMMITTING);
    workflow->turn = turn;
    pawl_turn_seal(node, workflow, turn);
    pawl_call_send(node, turn->call);
}

struct pawl_turn_draft *pawl_workflow_new_turn(struct pawl_node *node,
                                               struct pawl_workflow *workflow)
{
    return pawl_turn_new(node, workflow, pawl_workflow_on_committed);
}

void pawl_workflow_add_control_event(struct pawl_turn_draft *turn, enum pawl_event_kind kind,
                                     struct pawl_bytes name, struct pawl_bytes payload)
{
    struct pawl_history_event event = pawl_history_event_make(kind, turn->now_ms);
    event.name = name;
    event.payload = payload;
    pawl_turn_add_event(turn, &event);
}

static void workflow_end(struct pawl_node *node, struct pawl_workflow *workflow,
                         struct pawl_turn_draft *turn, struct pawl_bytes output, bool recursive)
{
    pawl_turn_take_inputs(node, workflow, turn);
    pawl_turn_terminate(node, workflow, turn, output, recursive);
}

/* NULL: the control can be done, and is in the turn. "": it is done already. Else why not. */
static const char *workflow_build_control(struct pawl_node *node, struct pawl_workflow *workflow,
                                          struct pawl_turn_draft *turn,
                                          const struct pawl_control *control)
{
    enum pawl_status status = workflow->metadata.status;
    switch (control->op) {
    case PAWL_REQUEST_SUSPEND:
        if (status == PAWL_STATUS_SUSPENDED) return "";
        pawl_import_note_control(workflow, turn, PAWL_EVENT_EXECUTION_SUSPENDED, control->payload);
        turn->status = PAWL_STATUS_SUSPENDED;
        return NULL;
    case PAWL_REQUEST_RESUME:
        if (status != PAWL_STATUS_SUSPENDED && status != PAWL_STATUS_STALLED)
            return "there is nothing to resume";
        pawl_import_note_control(workflow, turn, PAWL_EVENT_EXECUTION_RESUMED, control->payload);
        if (status == PAWL_STATUS_STALLED) turn->payloads.failure = PAWL_BYTES_LITERAL("");
        turn->forgets_attempts = workflow->stall == PAWL_STALL_WORKER_LOST
                                 || workflow->poison.ref.op.kind != 0 || workflow->has_attempts;
        turn->status = pawl_workflow_resumed_status(workflow);
        return NULL;
    case PAWL_REQUEST_TERMINATE:
        if (!pawl_id_is_zero(control->inc)
            && !pawl_id_is_equal(control->inc, workflow->metadata.inc))
            return "";
        workflow_end(node, workflow, turn, control->payload, control->recursive);
        return NULL;
    default: PAWL_UNREACHABLE("not a control");
    }
}

static void workflow_run_control(struct pawl_node *node, struct pawl_workflow *workflow)
{
    if (workflow->state != PAWL_WORKFLOW_READY) pawl_workflow_abandon_turn(node, workflow);
    struct pawl_control *control =
        PAWL_CONTAINER_OF(workflow->controls.next, struct pawl_control, link);
    struct pawl_turn_draft *turn = pawl_workflow_new_turn(node, workflow);
    const char *refused = workflow_build_control(node, workflow, turn, control);

    struct pawl_list done;
    pawl_list_init(&done);
    pawl_list_remove(&control->link);
    if (refused) {
        pawl_turn_drop(node, turn);
        pawl_list_push_tail(&done, &control->link);
        char why[PAWL_INSTANCE_ID_SIZE_MAX + 128] = "";
        if (refused[0])
            (void)snprintf(why, sizeof why, "workflow instance '%.*s' is %s: %s",
                           PAWL_BYTES_FMT(workflow->id),
                           pawl_status_name((int)workflow->metadata.status), refused);
        pawl_workflow_answer_controls(node, &done, refused[0] ? PAWL_E_STATE : PAWL_OK, why);
        pawl_workflow_advance(node, workflow);
        return;
    }
    pawl_list_push_tail(&turn->controls, &control->link);
    pawl_workflow_commit(node, workflow, turn);
}

/* Nothing to do: sleep until the next timer, or leave memory when idle. */
static void workflow_rest(struct pawl_node *node, struct pawl_workflow *workflow)
{
    pawl_pace_release(node, workflow);
    int64_t idle_ms = workflow->active_ms + node->config.instance_idle_ms;
    bool is_runnable = workflow_is_runnable(workflow);
    int64_t timer_ms = is_runnable ? pawl_workflow_next_timer_ms(workflow) : INT64_MAX;
    bool is_idle = idle_ms <= node->now_ms && (!is_runnable || workflow->activities_open == 0);
    if (is_idle && timer_ms > node->now_ms + node->config.instance_idle_ms) {
        pawl_workflow_forget(node, workflow, PAWL_E_UNAVAILABLE);
        return;
    }
    int64_t wake_ms = idle_ms > node->now_ms && idle_ms < timer_ms ? idle_ms : timer_ms;
    if (wake_ms == INT64_MAX)
        pawl_alarm_clear(node, &workflow->alarm);
    else
        pawl_alarm_set(node, &workflow->alarm, wake_ms);
}

/* Results of a wide fan-out trickle in: a short wait gathers many for one turn. */
static int64_t workflow_coalesce_until_ms(struct pawl_node *node, struct pawl_workflow *workflow)
{
    uint32_t pending = workflow->ops_count - workflow->ops_resolved;
    const struct pawl_input *first = pawl_workflow_first_input(workflow);
    if (pending < PAWL_COALESCE_OPS_MIN || !first || first->gen == 0) return 0;
    if (workflow->inputs_count >= pending / 2) return 0;
    if (workflow->coalesce_ms == 0) workflow->coalesce_ms = node->now_ms;
    return workflow->coalesce_ms + PAWL_COALESCE_MS;
}

static bool workflow_has_work(struct pawl_node *node, const struct pawl_workflow *workflow)
{
    if (workflow->inputs_count > 0) return true;
    int64_t timer_ms = pawl_workflow_next_timer_ms(workflow);
    if (PAWL_MUTANT(TIMER_EARLY)) return timer_ms != INT64_MAX;
    return timer_ms <= node->now_ms;
}

static void workflow_queue(struct pawl_node *node, struct pawl_workflow *workflow)
{
    workflow_move(node, workflow, PAWL_WORKFLOW_QUEUED);
    /* Who waits for a place of its name is in nobody's way meanwhile. */
    if (!pawl_gate_is_open(node, workflow->gate)) pawl_pace_release(node, workflow);
    workflow->coalesce_ms = 0;
    pawl_alarm_clear(node, &workflow->alarm);
    pawl_workflow_take_seeds_version(node, workflow);
    pawl_worker_put_turn(node, workflow);
}

static void workflow_advance_ready(struct pawl_node *node, struct pawl_workflow *workflow)
{
    const struct pawl_input *terminate = pawl_workflow_find_terminate(workflow);
    if (terminate) {
        struct pawl_history_event event;
        pawl_err err = pawl_history_event_decode(terminate->event, &event);
        PAWL_ASSERT(err == PAWL_OK); /* decoded when it was added */
        struct pawl_turn_draft *turn = pawl_workflow_new_turn(node, workflow);
        workflow_end(node, workflow, turn, event.payload, event.recursive);
        pawl_workflow_commit(node, workflow, turn);
        return;
    }
    if (pawl_attempts_store(node, workflow)) return;
    bool is_stalled = workflow->metadata.status == PAWL_STATUS_STALLED;
    if (!workflow_is_runnable(workflow)
        || (is_stalled && !pawl_workflow_judge_try(node, workflow))) {
        workflow_rest(node, workflow);
        return;
    }
    if (workflow->schedule) {
        pawl_schedule_advance(node, workflow);
        return;
    }
    if (!workflow_has_work(node, workflow)) {
        bool is_stale_wake = workflow->clear_wake && workflow->activities_open == 0;
        workflow->clear_wake = false;
        if (is_stale_wake) {
            pawl_workflow_commit(node, workflow, pawl_workflow_new_turn(node, workflow));
            return;
        }
        workflow_rest(node, workflow);
        return;
    }
    if (workflow->attempts >= node->config.turn_attempts_max) {
        pawl_workflow_stall(
            node, workflow, PAWL_STALL_WORKER_LOST,
            pawl_arena_printf(&node->effects->arena,
                              "the worker went away each of the %u times it ran this "
                              "workflow; resume it when the cause is mended",
                              workflow->attempts));
        return;
    }
    workflow->active_ms = node->now_ms;
    /* A start that lies far ahead has its row; no need to hold it in memory. */
    bool is_ahead = workflow->metadata.status == PAWL_STATUS_PENDING
                    && workflow->metadata.start_at_ms > node->now_ms;
    if (is_ahead && workflow->metadata.start_at_ms > node->now_ms + PAWL_LEASE_MS_MAX) {
        pawl_workflow_forget(node, workflow, PAWL_E_UNAVAILABLE);
        return;
    }
    int64_t wait_ms = workflow_coalesce_until_ms(node, workflow);
    if (workflow->not_before_ms > wait_ms) wait_ms = workflow->not_before_ms;
    if (is_ahead && workflow->metadata.start_at_ms > wait_ms)
        wait_ms = workflow->metadata.start_at_ms;
    if (wait_ms > node->now_ms) {
        pawl_pace_release(node, workflow);
        pawl_alarm_set(node, &workflow->alarm, wait_ms);
        return;
    }
    bool is_woken = workflow->inputs_count == 0; /* by a timer, and by nobody else */
    if (is_woken && !pawl_pace_take_or_wait(node, workflow)) {
        pawl_alarm_clear(node, &workflow->alarm);
        return;
    }
    if (!is_woken) pawl_pace_leave_line(workflow);
    if (pawl_attempts_hold_turn(node, workflow)) return;
    workflow_queue(node, workflow);
}

void pawl_workflow_advance(struct pawl_node *node, struct pawl_workflow *workflow)
{
    switch ((enum pawl_workflow_state)workflow->state) {
    case PAWL_WORKFLOW_LOADING:
    case PAWL_WORKFLOW_COMMITTING: return;
    case PAWL_WORKFLOW_READY:
        if (workflow->reload)
            workflow_reload(node, workflow);
        else if (pawl_import_is_due(workflow))
            pawl_import_take(node, workflow);
        else if (!pawl_list_is_empty(&workflow->controls))
            workflow_run_control(node, workflow);
        else if (pawl_poison_is_due(workflow))
            pawl_poison_work(node, workflow);
        else
            workflow_advance_ready(node, workflow);
        return;
    case PAWL_WORKFLOW_QUEUED:
    case PAWL_WORKFLOW_FETCHING:
    case PAWL_WORKFLOW_RUNNING:
        if (!pawl_list_is_empty(&workflow->controls)) {
            workflow_run_control(node, workflow);
        } else if (pawl_workflow_find_terminate(workflow)) {
            pawl_workflow_abandon_turn(node, workflow);
            workflow_advance_ready(node, workflow);
        } else if (pawl_poison_is_due(workflow)) {
            pawl_workflow_abandon_turn(node, workflow);
            pawl_poison_work(node, workflow);
        }
        return;
    case PAWL_WORKFLOW_STATES_COUNT: PAWL_UNREACHABLE("not a state");
    }
}

/* Dispatch ------------------------------------------------------------------------------------ */

static void workflow_send_chunk(struct pawl_node *node, const struct pawl_turn_draft *turn,
                                struct pawl_bytes *events, uint32_t count)
{
    struct pawl_frame *frame = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_frame);
    frame->type = PAWL_FRAME_HISTORY;
    frame->history.turn = turn->id;
    frame->history.events_count = count;
    frame->history.events = events;
    pawl_node_send(node, turn->worker, frame);
}

static void workflow_send_chunks(struct pawl_node *node, const struct pawl_turn_draft *turn,
                                 struct pawl_bytes *events, uint32_t count)
{
    uint32_t from = 0;
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += events[i].size;
        if (size < PAWL_HISTORY_CHUNK_SIZE && i + 1 < count) continue;
        workflow_send_chunk(node, turn, events + from, i + 1 - from);
        from = i + 1;
        size = 0;
    }
}

static void workflow_send_past(struct pawl_node *node, const struct pawl_turn_draft *turn,
                               const struct pawl_past *past)
{
    struct pawl_bytes *events =
        PAWL_ARENA_ARRAY(&node->effects->arena, struct pawl_bytes, past->count);
    const uint8_t *next = past->data;
    for (uint32_t i = 0; i < past->count; i++) {
        events[i] = pawl_bytes_make(next, past->sizes[i]);
        next += past->sizes[i];
    }
    workflow_send_chunks(node, turn, events, past->count);
}

static void workflow_send_turn(struct pawl_node *node, struct pawl_workflow *workflow)
{
    struct pawl_turn_draft *turn = workflow->turn;
    bool is_held = workflow->sticky_worker != 0;
    if (!is_held && workflow->past) workflow_send_past(node, turn, workflow->past);

    struct pawl_frame *frame = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_frame);
    frame->type = PAWL_FRAME_TURN;
    frame->turn = (struct pawl_turn){ .turn = turn->id,
                                      .inc = workflow->metadata.inc,
                                      .gen = workflow->metadata.gen,
                                      .instance = workflow->id,
                                      .name = workflow->metadata.name,
                                      .version = workflow->metadata.version,
                                      .past_count = turn->past_count,
                                      .events_count = turn->events_count,
                                      .events = turn->events };
    if (is_held) frame->turn.base = workflow->metadata.last;
    turn->dispatched_ms = node->now_ms;
    workflow_move(node, workflow, PAWL_WORKFLOW_RUNNING);
    pawl_node_send(node, turn->worker, frame);
}

static void workflow_on_fetched(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply);

static void workflow_fetch(struct pawl_node *node, struct pawl_workflow *workflow)
{
    struct pawl_call *call =
        pawl_call_new(node, PAWL_STORE_LOAD, workflow->partition->index, workflow_on_fetched);
    call->instance = pawl_arena_copy(&call->arena, workflow->id);
    struct pawl_id *turn_id = PAWL_ARENA_NEW(&call->arena, struct pawl_id);
    *turn_id = workflow->turn->id;
    call->context = turn_id;
    call->request.load = (struct pawl_load){ .fence = workflow->partition->fence,
                                             .want = PAWL_LOAD_HISTORY | PAWL_LOAD_FENCED,
                                             .instance = call->instance,
                                             .gen = workflow->metadata.gen,
                                             .history_from = workflow->past->count,
                                             .history_max = PAWL_LOAD_HISTORY_MAX,
                                             .history_size_max = PAWL_LOAD_HISTORY_SIZE_MAX };
    pawl_call_send(node, call);
}

static void workflow_on_fetched(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply)
{
    struct pawl_workflow *workflow = pawl_workflow_find(node, call->instance);
    if (!workflow || workflow->state != PAWL_WORKFLOW_FETCHING) return;
    if (!pawl_id_is_equal(workflow->turn->id, *(const struct pawl_id *)call->context)) return;
    if (reply->err == PAWL_E_FENCED) {
        pawl_partition_on_fenced(node, workflow->partition, &call->request.load.fence);
        return;
    }
    const struct pawl_snapshot *snapshot = &reply->load.snapshot;
    bool is_same = reply->err == PAWL_OK
                   && pawl_id_is_equal(snapshot->metadata.last, workflow->metadata.last)
                   && snapshot->history_count > 0;
    if (!is_same) {
        pawl_workflow_abandon_turn(node, workflow);
        workflow_reload(node, workflow);
        return;
    }
    for (uint32_t i = 0; i < snapshot->history_count; i++)
        pawl_past_add(workflow->past, snapshot->history[i]);
    if (workflow->past->count < workflow->metadata.history_count) {
        workflow_fetch(node, workflow);
        return;
    }
    workflow_send_turn(node, workflow);
}

void pawl_workflow_dispatch(struct pawl_node *node, struct pawl_workflow *workflow,
                            struct pawl_worker *worker)
{
    PAWL_ASSERT(workflow->state == PAWL_WORKFLOW_QUEUED);
    workflow_unlink(workflow);
    if (workflow->sticky_worker != worker->id) workflow->sticky_worker = 0;
    workflow->turn = pawl_workflow_new_turn(node, workflow);
    workflow->turn->worker = worker->id;
    workflow->workers_seen = node->workers_opened;
    pawl_turn_take_inputs(node, workflow, workflow->turn);
    pawl_list_push_tail(&worker->turns, &workflow->lane_link);

    bool is_whole = workflow->past && workflow->past->count == workflow->metadata.history_count;
    if (workflow->sticky_worker || is_whole || workflow->metadata.history_count == 0) {
        workflow_send_turn(node, workflow);
        return;
    }
    pawl_workflow_drop_past(node, workflow);
    workflow->past =
        pawl_past_new(workflow->metadata.history_count, (size_t)workflow->metadata.history_size);
    workflow_move(node, workflow, PAWL_WORKFLOW_FETCHING);
    workflow_fetch(node, workflow);
}

struct pawl_workflow *pawl_workflow_of_turn(struct pawl_node *node, uint64_t worker,
                                            struct pawl_bytes instance, struct pawl_id turn)
{
    struct pawl_workflow *workflow = pawl_workflow_find(node, instance);
    if (!workflow || workflow->state != PAWL_WORKFLOW_RUNNING) return NULL;
    if (workflow->turn->worker != worker) return NULL;
    bool is_it = pawl_id_is_equal(workflow->turn->id, turn) || PAWL_MUTANT(TURN_OF_ANYBODY);
    return is_it ? workflow : NULL;
}

void pawl_workflow_on_turn_done(struct pawl_node *node, uint64_t worker,
                                const struct pawl_turn_done *done)
{
    struct pawl_workflow *workflow =
        pawl_workflow_of_turn(node, worker, done->instance, done->turn);
    if (!workflow) return; /* abandoned meanwhile */
    struct pawl_turn_draft *turn = workflow->turn;
    pawl_histogram_add(&node->metrics.turn_seconds, node->now_ms - turn->dispatched_ms);
    workflow_unlink(workflow);

    enum pawl_stall stall = pawl_workflow_turn_done_stalls(workflow, done->err);
    if (stall != PAWL_STALL_NONE) {
        struct pawl_bytes why = pawl_arena_copy(&node->effects->arena, done->message);
        pawl_workflow_abandon_turn(node, workflow);
        bool is_elsewhere =
            done->err == PAWL_E_VERSION && pawl_workflow_ask_others(node, workflow, worker);
        if (!is_elsewhere) pawl_workflow_stall(node, workflow, stall, why);
        return;
    }
    if (done->err != PAWL_OK) {
        const char *type = pawl_err_name(done->err);
        pawl_turn_fail(node, workflow, turn,
                       done->err == PAWL_E_NOT_REGISTERED ? "WorkflowNotRegistered" : type,
                       pawl_arena_copy(&turn->call->arena, done->message));
    } else {
        pawl_turn_apply(node, workflow, turn, done);
    }
#ifdef PAWL_MUTANTS
    for (uint32_t i = 0; PAWL_MUTANT(SEND_BEFORE_COMMIT) && i < turn->ops_count; i++) {
        const struct pawl_turn_op *op = &turn->ops[i];
        struct pawl_op_ref ref =
            pawl_workflow_op_ref(workflow, workflow->metadata.gen, op->op, op->nonce);
        if (op->op.kind == 'a') pawl_run_spawn(node, &ref, turn->events[op->event_index]);
    }
#endif
    pawl_workflow_commit(node, workflow, turn);
}

void pawl_workflow_on_need_history(struct pawl_node *node, uint64_t worker,
                                   const struct pawl_need_history *need)
{
    struct pawl_workflow *workflow =
        pawl_workflow_of_turn(node, worker, need->instance, need->turn);
    if (!workflow) return;
    node->metrics.turns_retried_total++;
    workflow->sticky_worker = 0;
    workflow->past_worker = 0;
    pawl_workflow_abandon_turn(node, workflow);
    pawl_workflow_advance(node, workflow);
}

/* Many instances share a worker, and one of them may have killed it: each waits longer
 * from attempt to attempt, so the innocent ones get through. */
void pawl_workflow_on_worker_lost(struct pawl_node *node, struct pawl_workflow *workflow)
{
    node->metrics.turns_retried_total++;
    workflow->sticky_worker = 0;
    pawl_workflow_abandon_turn(node, workflow);
    workflow->attempts++;
    if (workflow->attempts > 1)
        workflow->not_before_ms = node->now_ms + pawl_node_rest_ms(node, workflow->attempts);
    pawl_workflow_advance(node, workflow);
}
