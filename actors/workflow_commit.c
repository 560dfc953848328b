/* What follows from a commit, and results on their way in. Part of the workflow
 * machine (workflow.h). */
#include "actors/attempts.h"
#include "actors/outbox.h"
#include "actors/pace.h"
#include "actors/partition.h"
#include "actors/request.h"
#include "actors/run.h"
#include "actors/schedule.h"
#include "actors/watch.h"
#include "actors/worker.h"
#include "actors/workflow.h"
#include "actors/workflow_state.h"
#include "base/cover.h"
#include "base/mutant.h"

/* Deliver: a result that cannot be folded now becomes an inbox row --------------------------- */

static void result_on_delivered(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply)
{
    const struct pawl_origin *origin = call->context;
    if (reply->err == PAWL_E_BUSY || reply->err == PAWL_E_CORRUPT) {
        /* Not taken. The message's or the activity's reminder tries again. */
        pawl_origin_release(node, *origin);
        return;
    }
    pawl_origin_done(node, *origin);
    if (reply->err == PAWL_OK)
        pawl_workflow_on_delivered(node, call->instance, reply->deliver.index,
                                   call->request.deliver.delivery, call->request.deliver.body);
}

static void result_deliver(struct pawl_node *node, const struct pawl_op_ref *ref,
                           struct pawl_bytes event, struct pawl_origin origin)
{
    struct pawl_call *call =
        pawl_call_new(node, PAWL_STORE_DELIVER, pawl_node_partition(node, ref->instance)->index,
                      result_on_delivered);
    struct pawl_origin *kept = PAWL_ARENA_NEW(&call->arena, struct pawl_origin);
    *kept = origin;
    call->context = kept;
    call->instance = pawl_arena_copy(&call->arena, ref->instance);
    struct pawl_inbox_body body = { .gen = ref->gen, .nonce = ref->nonce, .event = event };
    call->request.deliver = pawl_deliver_make(&call->arena, call->instance, &body,
                                              pawl_rng_id(&node->rng), node->now_ms);
    call->request.deliver.inc = ref->inc;
    call->request.deliver.gen = ref->gen;
    call->request.deliver.op = ref->op;
    call->request.deliver.nonce = ref->nonce;
    pawl_call_send(node, call);
    if (PAWL_MUTANT(ACK_BEFORE_DURABLE)) pawl_origin_done(node, origin);
}

static char event_op_kind(struct pawl_bytes event)
{
    struct pawl_history_event decoded;
    if (pawl_history_event_decode(event, &decoded) != PAWL_OK) return 0;
    switch (decoded.kind) {
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_FAILED: return 'a';
    case PAWL_EVENT_CHILD_COMPLETED:
    case PAWL_EVENT_CHILD_FAILED: return 'c';
    default: return 0;
    }
}

/* Results known only here cannot wait for an instance that does not run: store them. */
static void workflow_store_results(struct pawl_node *node, struct pawl_workflow *workflow)
{
    struct pawl_list *link = workflow->inputs.next;
    while (link != &workflow->inputs) {
        struct pawl_input *input = PAWL_CONTAINER_OF(link, struct pawl_input, link);
        link = link->next;
        if (input->durable) continue;
        struct pawl_op op = { event_op_kind(input->event), (uint32_t)input->ref };
        struct pawl_op_ref ref = pawl_workflow_op_ref(workflow, input->gen, op, input->nonce);
        result_deliver(node, &ref, input->event, input->origin);
        pawl_workflow_remove_input(workflow, input);
    }
}

static bool workflow_can_fold(struct pawl_node *node, const struct pawl_workflow *workflow)
{
    if (workflow->state == PAWL_WORKFLOW_LOADING) return true; /* judged when taken */
    if (workflow->metadata.status != PAWL_STATUS_RUNNING
        && workflow->metadata.status != PAWL_STATUS_PENDING)
        return false;
    return node->turn_workers > 0;
}

void pawl_workflow_on_result(struct pawl_node *node, const struct pawl_op_ref *ref,
                             struct pawl_bytes event, struct pawl_origin origin)
{
    if (pawl_poison_is(event)) {
        pawl_poison_take(node, ref, event, origin);
        return;
    }
    struct pawl_workflow *workflow = pawl_workflow_find(node, ref->instance);
    if (!workflow || !workflow_can_fold(node, workflow)) {
        result_deliver(node, ref, event, origin);
        return;
    }
    if (workflow->state != PAWL_WORKFLOW_LOADING && !PAWL_MUTANT(NO_DEDUPLICATION)) {
        const struct pawl_pending_op *pending = pawl_workflow_op_find(workflow, ref->op);
        bool is_waited_for =
            pending && pending->nonce == ref->nonce && ref->gen == workflow->metadata.gen
            && pawl_id_is_equal(ref->inc, workflow->metadata.inc) && !pending->delivered;
        if (!is_waited_for && PAWL_MUTANT(CACHE_ACKNOWLEDGES)) {
            pawl_origin_done(node, origin);
            return;
        }
        /* That nobody waits for it is for the store to say: this cache may be a former
         * owner's, who has not noticed yet. */
        if (!is_waited_for && !PAWL_MUTANT(OLD_GENERATION_MATCHES)) {
            result_deliver(node, ref, event, origin);
            return;
        }
    }
    pawl_err err = pawl_workflow_add_result(workflow, ref->gen, ref->nonce, event, origin);
    PAWL_ASSERT(err == PAWL_OK); /* encoded by this engine */
    pawl_workflow_advance(node, workflow);
}

static bool row_is_rewind(struct pawl_bytes body)
{
    struct pawl_inbox_body unpacked;
    return pawl_inbox_body_unpack(body, &unpacked) == PAWL_OK && unpacked.seed.size > 0;
}

void pawl_workflow_on_delivered(struct pawl_node *node, struct pawl_bytes id, uint32_t index,
                                struct pawl_id delivery, struct pawl_bytes body)
{
    struct pawl_workflow *workflow = pawl_workflow_find(node, id);
    if (!workflow) {
        (void)pawl_workflow_activate(node, id); /* not owned: its owner's poll finds the row */
        return;
    }
    /* Rows came that did not pass through here; or it has failed without this sidecar's knowing,
     * and what a worker holds of it is of before. */
    bool is_behind =
        workflow->state != PAWL_WORKFLOW_LOADING && index != workflow->metadata.inbox_tail;
    if (is_behind || row_is_rewind(body)) {
        workflow->reload = true;
        pawl_workflow_advance(node, workflow);
        return;
    }
    pawl_err err = pawl_workflow_add_row(workflow, index, delivery, body);
    PAWL_ASSERT(err == PAWL_OK); /* encoded by this engine */
    if (workflow->state != PAWL_WORKFLOW_LOADING) workflow->metadata.inbox_tail = index + 1;
    struct pawl_inbox_body unpacked;
    struct pawl_history_event event;
    if (pawl_inbox_body_unpack(body, &unpacked) == PAWL_OK && unpacked.gen != 0
        && pawl_history_event_decode(unpacked.event, &event) == PAWL_OK) {
        struct pawl_op op = { event_op_kind(unpacked.event), (uint32_t)event.ref };
        struct pawl_pending_op *pending = pawl_workflow_op_find(workflow, op);
        if (pending && pending->nonce == unpacked.nonce) {
            pending->delivered = true;
            struct pawl_op_ref ref =
                pawl_workflow_op_ref(workflow, unpacked.gen, op, unpacked.nonce);
            pawl_run_done(node, &ref);
        }
    }
    pawl_workflow_advance(node, workflow);
}

/* A load that is under way may have read the call of before. An end that is just being committed
 * tells that call, which nobody waits for any more; the parent asks again. */
void pawl_workflow_on_rebound(struct pawl_node *node, struct pawl_bytes id,
                              struct pawl_bytes parent)
{
    struct pawl_workflow *workflow = pawl_workflow_find(node, id);
    if (!workflow || pawl_bytes_is_equal(workflow->metadata.parent, parent)) return;
    if (workflow->state == PAWL_WORKFLOW_LOADING)
        workflow->reload = true;
    else
        pawl_workflow_set_parent(workflow, parent);
}

/* Controls and reminders -------------------------------------------------------------------- */

/* NULL: it cannot be active here; the call is answered. */
static struct pawl_control *workflow_add_control(struct pawl_node *node, struct pawl_bytes id,
                                                 uint64_t request_token,
                                                 struct pawl_workflow **ret_workflow)
{
    struct pawl_workflow *workflow = *ret_workflow = pawl_workflow_activate(node, id);
    if (!workflow) {
        bool is_owned = pawl_partition_is_owned(pawl_node_partition(node, id));
        pawl_node_answer_err(node, request_token, is_owned ? PAWL_E_BUSY : PAWL_E_UNAVAILABLE,
                             is_owned ? "as many workflows are active as this sidecar may hold; "
                                        "try again"
                                      : "this sidecar does not own the workflow's partition yet; "
                                        "try again");
        return NULL;
    }
    struct pawl_control *control = PAWL_NEW(struct pawl_control);
    control->request_token = request_token;
    pawl_list_push_tail(&workflow->controls, &control->link);
    return control;
}

void pawl_workflow_on_control(struct pawl_node *node, const struct pawl_request *request,
                              uint64_t request_token)
{
    struct pawl_workflow *workflow;
    struct pawl_control *control =
        workflow_add_control(node, request->instance, request_token, &workflow);
    if (!control) return;
    control->op = request->op;
    control->payload = pawl_bytes_dup(request->payload);
    control->recursive = request->recursive;
    pawl_workflow_advance(node, workflow);
}

void pawl_workflow_end_then(struct pawl_node *node, struct pawl_bytes id, struct pawl_id inc,
                            uint64_t request_token, struct pawl_call *then)
{
    struct pawl_workflow *workflow;
    struct pawl_control *control = workflow_add_control(node, id, request_token, &workflow);
    if (!control) {
        pawl_call_drop(node, then);
        return;
    }
    control->op = PAWL_REQUEST_TERMINATE;
    control->recursive = true;
    control->then = then;
    control->inc = inc;
    pawl_workflow_advance(node, workflow);
}

/* Ask again for a child of which nothing has been heard: the same message under the
 * same id; its store recognises it, and an ended child tells its result again. */
static void workflow_ask_child(struct pawl_node *node, const struct pawl_reminder *reminder);

void pawl_workflow_on_reminder(struct pawl_node *node, const struct pawl_reminder *reminder)
{
    struct pawl_workflow *workflow = pawl_workflow_find(node, reminder->instance);
    if (reminder->kind == PAWL_REMINDER_CHILD) {
        workflow_ask_child(node, reminder);
        return;
    }
    if (!workflow) {
        workflow = pawl_workflow_activate(node, reminder->instance);
        if (workflow) pawl_pace_take(node, workflow);
        if (workflow && reminder->kind == PAWL_REMINDER_WAKE) workflow->clear_wake = true;
        return;
    }
    if (workflow->state != PAWL_WORKFLOW_READY) return; /* busy with it, or soon will be */
    bool is_expected = workflow->inputs_count > 0;
    if (reminder->kind == PAWL_REMINDER_TIMER)
        is_expected = pawl_workflow_op_find(workflow, reminder->op) != NULL;
    if (reminder->kind == PAWL_REMINDER_WAKE) workflow->clear_wake = true;
    /* The store may know something that the cache does not, such as a row that came
     * through another sidecar: read it again. Activities that run here go on. */
    if (!is_expected) workflow->reload = true;
    pawl_workflow_advance(node, workflow);
}

static void child_on_loaded(struct pawl_node *node, struct pawl_call *call,
                            const struct pawl_store_reply *reply)
{
    if (reply->err != PAWL_OK) return; /* the reminder comes again */
    const struct pawl_reminder *reminder = call->context;
    const struct pawl_snapshot *snapshot = &reply->load.snapshot;
    for (uint32_t i = 0; i < snapshot->pending_count; i++) {
        const struct pawl_pending *pending = &snapshot->pending[i];
        if (pending->op.kind != 'c' || pending->op.id != reminder->op.id) continue;
        if (pending->nonce != reminder->nonce || pending->state != PAWL_PENDING_OPEN) return;
        struct pawl_history_event created;
        if (pawl_history_event_decode(pending->event, &created) != PAWL_OK) return;
        PAWL_COVER(CHILD_ASKED);
        struct pawl_workflow parent = { .id = call->instance, .metadata = snapshot->metadata };
        struct pawl_message_body body;
        pawl_turn_child_message(node, &parent, &call->arena, pending->op.id, pending->nonce,
                                &created, &body);
        body.asks = true;
        struct pawl_op_ref ref =
            pawl_workflow_op_ref(&parent, parent.metadata.gen, pending->op, pending->nonce);
        pawl_outbox_pump(node, call->request.partition, pawl_turn_child_message_id(&ref),
                         pawl_message_body_pack(&call->arena, &body));
        return;
    }
}

static void workflow_ask_child(struct pawl_node *node, const struct pawl_reminder *reminder)
{
    struct pawl_call *call =
        pawl_call_new(node, PAWL_STORE_LOAD, pawl_node_partition(node, reminder->instance)->index,
                      child_on_loaded);
    struct pawl_reminder *kept = PAWL_ARENA_NEW(&call->arena, struct pawl_reminder);
    *kept = *reminder;
    call->instance = pawl_arena_copy(&call->arena, reminder->instance);
    kept->instance = call->instance;
    call->context = kept;
    call->request.load =
        (struct pawl_load){ .want = PAWL_LOAD_PENDING, .instance = call->instance };
    pawl_call_send(node, call);
}

/* Committed ----------------------------------------------------------------------------------- */

static void committed_consume(struct pawl_node *node, struct pawl_workflow *workflow,
                              const struct pawl_turn_draft *turn)
{
    for (uint32_t i = 0; i < turn->inputs_taken; i++) {
        struct pawl_input *input = pawl_workflow_first_input(workflow);
        PAWL_ASSERT(input != NULL);
        pawl_origin_done(node, input->origin);
        pawl_workflow_remove_input(workflow, input);
    }
}

/* The store has put the carried rows at the tail and moved the others behind them. */
static void committed_carry(struct pawl_workflow *workflow, const struct pawl_turn_draft *turn,
                            uint32_t head)
{
    struct pawl_list rest;
    uint32_t rest_count = workflow->inputs_count;
    pawl_list_init(&rest);
    while (!pawl_list_is_empty(&workflow->inputs)) {
        struct pawl_list *link = workflow->inputs.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&rest, link);
    }
    workflow->inputs_count = 0;
    uint32_t index = head;
    for (uint32_t i = 0; i < turn->carry_count; i++) {
        pawl_err err =
            pawl_workflow_add_row(workflow, index++, turn->carry[i].delivery, turn->carry[i].body);
        PAWL_ASSERT(err == PAWL_OK); /* encoded by this engine */
    }
    while (!pawl_list_is_empty(&rest)) {
        struct pawl_input *input = PAWL_CONTAINER_OF(rest.next, struct pawl_input, link);
        pawl_list_remove(&input->link);
        if (input->durable) input->index = index++;
        pawl_list_push_tail(&workflow->inputs, &input->link);
    }
    workflow->inputs_count += rest_count;
}

static void committed_forget(struct pawl_node *node, const struct pawl_workflow *workflow,
                             const struct pawl_turn_draft *turn, const struct pawl_pending_op *op)
{
    struct pawl_op_ref ref =
        pawl_workflow_op_ref(workflow, turn->call->request.commit.gen, op->op, op->nonce);
    pawl_run_forget(node, &ref);
}

/* A result that came through the store is news to who looks for somebody to run it. */
static void committed_done(struct pawl_node *node, const struct pawl_workflow *workflow,
                           const struct pawl_turn_draft *turn, struct pawl_op op)
{
    const struct pawl_pending_op *found = pawl_workflow_op_find(workflow, op);
    if (!found || op.kind != 'a') return;
    struct pawl_op_ref ref =
        pawl_workflow_op_ref(workflow, turn->call->request.commit.gen, op, found->nonce);
    pawl_run_done(node, &ref);
}

static void committed_ops(struct pawl_node *node, struct pawl_workflow *workflow,
                          const struct pawl_turn_draft *turn, bool ends)
{
    node->metrics.steps_total += turn->resolved_count;
    for (uint32_t i = 0; i < turn->cancelled_count; i++) {
        const struct pawl_pending_op *op = pawl_workflow_op_find(workflow, turn->cancelled[i]);
        if (op) committed_forget(node, workflow, turn, op);
    }
    for (uint32_t i = 0; i < turn->resolved_count; i++) {
        committed_done(node, workflow, turn, turn->resolved[i]);
        pawl_workflow_resolve_op(workflow, turn->resolved[i]);
    }
    if (ends) {
        for (uint32_t i = 0; i < workflow->ops_count; i++)
            if (workflow->ops[i].op.kind == 'a')
                committed_forget(node, workflow, turn, &workflow->ops[i]);
        pawl_workflow_clear_ops(workflow);
        return;
    }
    for (uint32_t i = 0; i < turn->ops_count; i++) {
        const struct pawl_turn_op *op = &turn->ops[i];
        if (op->given_up) continue;
        pawl_workflow_add_op(workflow,
                             &(struct pawl_pending_op){ .op = op->op,
                                                        .nonce = op->nonce,
                                                        .fire_at_ms = op->fire_at_ms,
                                                        .child = op->child,
                                                        .child_app = op->child_app,
                                                        .parent_close = op->parent_close });
    }
}

static void committed_refuse(struct pawl_node *node, struct pawl_workflow *workflow,
                             const struct pawl_turn_draft *turn, const struct pawl_turn_op *op)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_history_event event = pawl_history_event_make(
        op->op.kind == 'a' ? PAWL_EVENT_TASK_FAILED : PAWL_EVENT_CHILD_FAILED, turn->now_ms);
    event.ref = (int32_t)op->op.id;
    event.failure = (struct pawl_failure_view){
        .present = true,
        .non_retriable = true,
        .type = PAWL_BYTES_LITERAL("TargetAppUnreachable"),
        .message = pawl_arena_printf(
            arena, "app '%s' runs without placement and cannot reach other apps", node->app),
    };
    struct pawl_op_ref ref =
        pawl_workflow_op_ref(workflow, workflow->metadata.gen, op->op, op->nonce);
    pawl_workflow_on_result(node, &ref, pawl_history_event_pack(arena, &event), PAWL_ORIGIN_NONE);
}

/* Only now does anything leave: the outbox of the turn. */
static void committed_release(struct pawl_node *node, struct pawl_workflow *workflow,
                              const struct pawl_turn_draft *turn)
{
    uint32_t gen = turn->call->request.commit.gen;
    for (uint32_t i = 0; i < turn->ops_count; i++) {
        const struct pawl_turn_op *op = &turn->ops[i];
        struct pawl_op_ref ref = pawl_workflow_op_ref(workflow, gen, op->op, op->nonce);
        if (op->op.kind == 'a' && !op->refused && !op->given_up)
            pawl_run_spawn(node, &ref, turn->events[op->event_index]);
    }
    for (uint32_t i = 0; i < turn->messages_count; i++)
        pawl_outbox_pump(node, turn->call->request.partition, turn->messages[i].id,
                         turn->messages[i].body);
}

static void committed_metadata(struct pawl_node *node, struct pawl_workflow *workflow,
                               const struct pawl_turn_draft *turn,
                               const struct pawl_store_reply *reply)
{
    struct pawl_metadata *metadata = &workflow->metadata;
    metadata->last = turn->id;
    metadata->turn++;
    metadata->status = turn->status;
    metadata->updated_ms = turn->call->request.commit.now_ms;
    if (metadata->started_ms == 0) metadata->started_ms = metadata->updated_ms;
    if (pawl_bytes_is_absent(workflow->code_version))
        pawl_workflow_set_code_version(workflow, turn->code_version);
    if (turn->continued) {
        struct pawl_bytes version = pawl_bytes_dup(turn->new_version);
        pawl_bytes_free(metadata->version);
        metadata->version = version;
        pawl_workflow_set_code_version(workflow, PAWL_BYTES_ABSENT);
        metadata->gen++;
        metadata->history_count = 0;
        metadata->history_size = 0;
    } else {
        uint32_t before = metadata->history_count;
        metadata->history_count += turn->events_count;
        metadata->history_size += turn->events_size;
        if (before < PAWL_HISTORY_EVENTS_WARN
            && metadata->history_count >= PAWL_HISTORY_EVENTS_WARN)
            pawl_node_log(node, PAWL_LOG_WARN,
                          "instance %.*s has %u history events; at %u it fails. Let it continue as "
                          "new from time to time",
                          PAWL_BYTES_FMT(workflow->id), metadata->history_count,
                          PAWL_HISTORY_EVENTS_MAX);
    }
    metadata->inbox_head = reply->commit.inbox_head;
}

static void committed_count(struct pawl_node *node, const struct pawl_workflow *workflow,
                            const struct pawl_turn_draft *turn)
{
    node->metrics.commits_total++;
    if (turn->worker) node->metrics.turns_total++;
    pawl_histogram_add(&node->metrics.commit_seconds, node->now_ms - turn->call->sent_ms);
    if (!pawl_status_is_terminal(turn->status)) return;
    if (turn->is_import) return; /* it ended elsewhere */
    node->metrics.ended_total[turn->status]++;
    pawl_histogram_add(&node->metrics.workflow_seconds,
                       node->now_ms - workflow->metadata.created_ms);
}

static void committed_evict(struct pawl_node *node, const struct pawl_workflow *workflow)
{
    if (!pawl_worker_find(node, workflow->sticky_worker)) return;
    struct pawl_frame *frame = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_frame);
    frame->type = PAWL_FRAME_EVICT;
    frame->evict.instance = pawl_arena_copy(&node->effects->arena, workflow->id);
    pawl_node_send(node, workflow->sticky_worker, frame);
}

/* A worker that caches nothing is sent the whole history in each turn. It is at hand now:
 * keep it for the next one rather than read it back, as long as there is room. */
static void committed_past(struct pawl_node *node, struct pawl_workflow *workflow,
                           const struct pawl_turn_draft *turn)
{
    struct pawl_past *past = workflow->past;
    if (turn->is_record) return; /* it has added nothing */
    bool is_whole = (past ? past->count : 0) == workflow->metadata.history_count;
    bool is_over = turn->continued || pawl_status_is_terminal(turn->status);
    if (turn->cached || !turn->worker || is_over || !is_whole
        || node->pasts_size + turn->events_size > PAWL_PASTS_SIZE_MAX) {
        pawl_workflow_drop_past(node, workflow);
        return;
    }
    if (!past) past = workflow->past = pawl_past_new(turn->events_count, turn->events_size);
    if (past->kept) node->pasts_size -= past->size;
    for (uint32_t i = 0; i < turn->events_count; i++) pawl_past_add(past, turn->events[i]);
    past->kept = true;
    node->pasts_size += past->size;
}

static uint64_t past_holder(const struct pawl_node *node, const struct pawl_turn_draft *turn)
{
    const struct pawl_worker *worker = pawl_worker_find(node, turn->worker);
    return worker && worker->holds_past ? worker->id : 0;
}

/* A worker that came while it was decided has not been asked. */
static void committed_stall(struct pawl_node *node, struct pawl_workflow *workflow,
                            const struct pawl_turn_draft *turn, enum pawl_status before)
{
    if (turn->is_record) return;
    if (turn->status == PAWL_STATUS_STALLED) {
        workflow->try_stalled = workflow->workers_seen != node->workers_opened;
        return;
    }
    workflow->try_stalled = false;
    if (before != PAWL_STATUS_STALLED || !turn->worker) return;
    PAWL_COVER(STALLED_CURED);
    pawl_node_log(node, PAWL_LOG_INFO,
                  "instance %.*s goes on: a worker that has the code for it is connected",
                  PAWL_BYTES_FMT(workflow->id));
}

static void workflow_on_commit_ok(struct pawl_node *node, struct pawl_workflow *workflow,
                                  struct pawl_turn_draft *turn,
                                  const struct pawl_store_reply *reply)
{
    bool is_terminal = pawl_status_is_terminal(turn->status);
    uint32_t tail_known = workflow->metadata.inbox_tail;
    enum pawl_status before = workflow->metadata.status;

    workflow->turn = NULL;
    workflow->returns = 0;
    workflow->refusals_count = 0;
    workflow->active_ms = node->now_ms;
    workflow->clear_wake = false;
    committed_past(node, workflow, turn);
    committed_count(node, workflow, turn);
    committed_metadata(node, workflow, turn, reply);
    committed_consume(node, workflow, turn);
    committed_ops(node, workflow, turn, turn->continued || is_terminal);
    pawl_workflow_answer_controls(node, &turn->controls, PAWL_OK, "");
    uint64_t held_by = turn->cached ? turn->worker : 0;
    if (is_terminal && !turn->worker) held_by = workflow->sticky_worker;
    workflow->sticky_worker = turn->continued ? 0 : held_by;
    workflow->past_worker = turn->continued ? 0 : past_holder(node, turn);
    if (turn->continued) {
        committed_carry(workflow, turn, reply->commit.inbox_head);
        tail_known += turn->carry_count + (tail_known - turn->call->request.commit.inbox_consumed);
    }
    workflow->metadata.inbox_tail = reply->commit.inbox_tail;
    if (!is_terminal) pawl_schedule_on_committed(workflow, turn);
    pawl_attempts_on_committed(node, workflow, turn);
    committed_release(node, workflow, turn);
    if (turn->status != before || is_terminal || workflow->metadata.turn == 1)
        pawl_request_on_status(node, workflow->id, turn->status);
    if (turn->status != before || turn->custom_status_set || turn->continued)
        pawl_watch_on_changed(node, workflow->partition->index);
    if (is_terminal) {
        committed_evict(node, workflow);
        pawl_workflow_forget(node, workflow, PAWL_E_TERMINAL);
        return;
    }
    pawl_workflow_set_ready(node, workflow);
    committed_stall(node, workflow, turn, before);
    if (reply->commit.inbox_tail != tail_known) workflow->reload = true;
    if (turn->status == PAWL_STATUS_SUSPENDED || turn->status == PAWL_STATUS_STALLED)
        workflow_store_results(node, workflow);
    for (uint32_t i = 0; !turn->continued && i < turn->ops_count; i++)
        if (turn->ops[i].refused) committed_refuse(node, workflow, turn, &turn->ops[i]);
    pawl_workflow_advance(node, workflow);
}

/* Decided on an old state: none of it happened. Controls wait for the next attempt. */
static void workflow_on_commit_stale(struct pawl_node *node, struct pawl_workflow *workflow,
                                     struct pawl_turn_draft *turn)
{
    node->metrics.commits_conflict_total++;
    while (!pawl_list_is_empty(&turn->controls)) {
        struct pawl_list *link = turn->controls.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&workflow->controls, link);
    }
    workflow->turn = NULL;
    pawl_workflow_set_ready(node, workflow);
    if (!PAWL_MUTANT(UNKNOWN_IS_LOST)) workflow->reload = true;
    pawl_workflow_advance(node, workflow);
}

/* Calls repeat an unknown commit until it is known, so this is a mutant's way only. */
static void workflow_on_commit_unknown(struct pawl_node *node, struct pawl_workflow *workflow,
                                       struct pawl_turn_draft *turn)
{
    if (!PAWL_MUTANT(UNKNOWN_IS_OK)) {
        workflow_on_commit_stale(node, workflow, turn);
        return;
    }
    struct pawl_store_reply reply = { .err = PAWL_OK };
    uint32_t remaining = workflow->metadata.inbox_tail - turn->inbox_consumed;
    reply.commit.inbox_head =
        turn->continued ? workflow->metadata.inbox_tail : turn->inbox_consumed;
    reply.commit.inbox_tail = turn->continued
                                  ? workflow->metadata.inbox_tail + turn->carry_count + remaining
                                  : workflow->metadata.inbox_tail;
    workflow_on_commit_ok(node, workflow, turn, &reply);
}

void pawl_workflow_on_committed(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply)
{
    struct pawl_turn_draft *turn = call->context;
    struct pawl_workflow *workflow = pawl_workflow_find(node, call->instance);
    if (!workflow || workflow->turn != turn) {
        /* Forgotten meanwhile; its controls were answered then. */
        PAWL_ASSERT(pawl_list_is_empty(&turn->controls));
        return;
    }
    PAWL_ASSERT(workflow->state == PAWL_WORKFLOW_COMMITTING);
    switch (reply->err) {
    case PAWL_OK: workflow_on_commit_ok(node, workflow, turn, reply); return;
    case PAWL_E_FENCED:
        pawl_partition_on_fenced(node, workflow->partition, &call->request.commit.fence);
        return;
    case PAWL_E_CONFLICT: workflow_on_commit_stale(node, workflow, turn); return;
    case PAWL_E_NOT_FOUND: pawl_workflow_forget(node, workflow, PAWL_E_NOT_FOUND); return;
    case PAWL_E_UNKNOWN:
    case PAWL_E_TIMEOUT: workflow_on_commit_unknown(node, workflow, turn); return;
    default:
        pawl_node_log(node, PAWL_LOG_ERROR, "instance %.*s: the store refused a commit: %s (%.*s)",
                      PAWL_BYTES_FMT(call->instance), pawl_err_text(reply->err),
                      PAWL_BYTES_FMT(reply->message));
        pawl_workflow_forget(node, workflow, reply->err);
    }
}
