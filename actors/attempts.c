#include "actors/attempts.h"

#include "actors/activity.h"
#include "actors/pace.h"
#include "actors/workflow_state.h"
#include "base/codec.h"
#include "base/cover.h"

/* As stored: [turn, id, count, id, count, …] ----------------------------------------------- */

struct pawl_bytes pawl_attempts_pack(struct pawl_arena *arena, const struct pawl_attempts *attempts)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, 16 + 12 * (size_t)PAWL_ATTEMPTS_OPS_MAX);
    pawl_write_array(&buf, 1 + 2 * attempts->ops_count);
    pawl_write_uint(&buf, attempts->turn);
    for (uint32_t i = 0; i < attempts->ops_count; i++) {
        pawl_write_uint(&buf, attempts->ops[i].id);
        pawl_write_uint(&buf, attempts->ops[i].count);
    }
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct pawl_bytes packed = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return packed;
}

pawl_err pawl_attempts_unpack(struct pawl_bytes bytes, struct pawl_attempts *ret_attempts)
{
    struct pawl_attempts attempts = { .turn = 0 };
    *ret_attempts = attempts;
    if (bytes.size == 0) return PAWL_OK;
    struct pawl_reader reader;
    pawl_reader_init(&reader, bytes);
    uint32_t count = pawl_read_array(&reader, 1 + 2 * PAWL_ATTEMPTS_OPS_MAX);
    if (count % 2 == 0) return PAWL_E_CORRUPT;
    attempts.turn = (uint32_t)pawl_read_uint(&reader, UINT32_MAX);
    for (uint32_t i = 0; i < (count - 1) / 2; i++) {
        attempts.ops[i].id = (uint32_t)pawl_read_uint(&reader, INT32_MAX);
        attempts.ops[i].count = (uint32_t)pawl_read_uint(&reader, UINT32_MAX);
        attempts.ops_count++;
    }
    if (pawl_reader_finish(&reader) != PAWL_OK) return PAWL_E_CORRUPT;
    *ret_attempts = attempts;
    return PAWL_OK;
}

uint32_t pawl_attempts_of_op(const struct pawl_attempts *attempts, uint32_t id)
{
    for (uint32_t i = 0; i < attempts->ops_count; i++)
        if (attempts->ops[i].id == id) return attempts->ops[i].count;
    return 0;
}

/* Commits ----------------------------------------------------------------------------------- */

static bool turn_resolves(const struct pawl_turn_draft *turn, struct pawl_op op)
{
    for (uint32_t i = 0; i < turn->resolved_count; i++)
        if (turn->resolved[i].kind == op.kind && turn->resolved[i].id == op.id) return true;
    return false;
}

static void attempts_collect(const struct pawl_workflow *workflow,
                             const struct pawl_turn_draft *turn, struct pawl_attempts *ret_attempts)
{
    ret_attempts->turn = turn->is_record ? workflow->attempts_stored : 0;
    ret_attempts->ops_count = 0;
    for (uint32_t i = 0; i < workflow->ops_count; i++) {
        const struct pawl_pending_op *op = &workflow->ops[i];
        if (op->op.kind != 'a' || op->attempts < 2 || turn_resolves(turn, op->op)) continue;
        if (ret_attempts->ops_count == PAWL_ATTEMPTS_OPS_MAX) return;
        ret_attempts->ops[ret_attempts->ops_count].id = op->op.id;
        ret_attempts->ops[ret_attempts->ops_count].count = op->attempts;
        ret_attempts->ops_count++;
    }
}

struct pawl_bytes pawl_attempts_seal(struct pawl_workflow *workflow,
                                     const struct pawl_turn_draft *turn)
{
    bool is_concerned = workflow->has_attempts || workflow->attempts_changed || turn->is_record;
    if (!is_concerned) return PAWL_BYTES_ABSENT;
    workflow->attempts_changed = false;
    struct pawl_bytes none = workflow->has_attempts ? PAWL_BYTES_LITERAL("") : PAWL_BYTES_ABSENT;
    bool ends = turn->continued || pawl_status_is_terminal(turn->status);
    if (ends || turn->forgets_attempts) return none;
    struct pawl_attempts attempts;
    attempts_collect(workflow, turn, &attempts);
    if (attempts.turn == 0 && attempts.ops_count == 0) return none;
    return pawl_attempts_pack(&turn->call->arena, &attempts);
}

static void attempts_forget(struct pawl_node *node, struct pawl_workflow *workflow)
{
    for (uint32_t i = 0; i < workflow->ops_count; i++) workflow->ops[i].attempts = 0;
    pawl_origin_done(node, workflow->poison.origin);
    pawl_poison_drop(workflow);
    /* What was given up is begun again as everything is that an instance is loaded with. */
    workflow->reload = true;
}

void pawl_attempts_on_committed(struct pawl_node *node, struct pawl_workflow *workflow,
                                const struct pawl_turn_draft *turn)
{
    struct pawl_bytes stored = turn->call->request.commit.attempts;
    if (!pawl_bytes_is_absent(stored)) workflow->has_attempts = stored.size > 0;
    if (turn->is_record) return;
    workflow->attempts = 0;
    workflow->attempts_stored = 0;
    workflow->is_watched = false;
    workflow->not_before_ms = 0;
    if (turn->takes_poison) {
        pawl_origin_done(node, workflow->poison.origin);
        pawl_poison_drop(workflow);
    }
    if (turn->forgets_attempts) attempts_forget(node, workflow);
}

static void attempts_commit(struct pawl_node *node, struct pawl_workflow *workflow)
{
    PAWL_COVER(ATTEMPT_STORED);
    struct pawl_turn_draft *turn = pawl_workflow_new_turn(node, workflow);
    turn->is_record = true;
    pawl_workflow_commit(node, workflow, turn);
}

/* Turns -------------------------------------------------------------------------------------- */

static bool is_old(const struct pawl_node *node, int64_t since_ms)
{
    return node->now_ms >= pawl_limit_at_ms(since_ms, PAWL_ATTEMPT_OLD_MS);
}

/* What the next turn is for could have been done long ago. */
static bool workflow_is_late(const struct pawl_node *node, const struct pawl_workflow *workflow)
{
    const struct pawl_input *first = pawl_workflow_first_input(workflow);
    struct pawl_history_event event;
    if (!first) return is_old(node, pawl_workflow_next_timer_ms(workflow));
    if (pawl_history_event_decode(first->event, &event) != PAWL_OK) return false;
    bool is_ahead = workflow->metadata.start_at_ms > event.timestamp_ms;
    return is_old(node, is_ahead ? workflow->metadata.start_at_ms : event.timestamp_ms);
}

void pawl_attempts_on_loaded(struct pawl_node *node, struct pawl_workflow *workflow,
                             const struct pawl_attempts *attempts)
{
    workflow->attempts = attempts->turn;
    workflow->attempts_stored = attempts->turn;
    if (attempts->turn > 0 || !workflow_is_late(node, workflow)) return;
    workflow->attempts = 1;
    workflow->is_watched = true;
}

bool pawl_attempts_hold_turn(struct pawl_node *node, struct pawl_workflow *workflow)
{
    bool is_suspect = workflow->attempts >= (workflow->is_watched ? 1u : 2u);
    if (!is_suspect || workflow->attempts < workflow->attempts_stored) return false;
    if (node->turn_workers == 0) {
        pawl_pace_release(node, workflow);
        pawl_alarm_set(node, &workflow->alarm, node->now_ms + PAWL_ATTEMPT_WORKER_MS);
        return true;
    }
    workflow->attempts_stored = workflow->attempts + 1;
    attempts_commit(node, workflow);
    return true;
}

/* Activities ---------------------------------------------------------------------------------- */

bool pawl_attempts_store(struct pawl_node *node, struct pawl_workflow *workflow)
{
    if (!workflow->attempts_changed) return false;
    attempts_commit(node, workflow);
    return true;
}

/* The operation that is meant, as far as this cache knows. */
static struct pawl_pending_op *ref_find(const struct pawl_workflow *workflow,
                                        const struct pawl_op_ref *ref)
{
    struct pawl_pending_op *op = pawl_workflow_op_find(workflow, ref->op);
    bool is_it = op && op->nonce == ref->nonce && !op->delivered
                 && ref->gen == workflow->metadata.gen
                 && pawl_id_is_equal(ref->inc, workflow->metadata.inc);
    return is_it ? op : NULL;
}

void pawl_attempts_on_dispatch(struct pawl_node *node, const struct pawl_op_ref *ref,
                               uint32_t count)
{
    struct pawl_workflow *workflow = pawl_workflow_find(node, ref->instance);
    struct pawl_pending_op *op = workflow ? ref_find(workflow, ref) : NULL;
    if (!op || op->attempts >= count) return;
    op->attempts = count;
    if (count < 2) return;
    workflow->attempts_changed = true;
    /* Nothing that is due is passed over: its commit, or the next look at it, stores this. */
    bool is_free = workflow->state == PAWL_WORKFLOW_READY && !workflow->reload
                   && pawl_list_is_empty(&workflow->controls);
    if (is_free) attempts_commit(node, workflow);
}

/* Poison ----------------------------------------------------------------------------------------
 */

struct pawl_bytes pawl_poison_pack(struct pawl_arena *arena,
                                   const struct pawl_history_event *scheduled, uint32_t count,
                                   int64_t now_ms)
{
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TASK_FAILED, now_ms);
    event.ref = scheduled->id;
    event.task_execution = scheduled->task_execution;
    event.status = PAWL_STATUS_STALLED;
    event.failure = (struct pawl_failure_view){
        .present = true,
        .non_retriable = true,
        .type = pawl_bytes_str(pawl_stall_name(PAWL_STALL_WORKER_LOST)),
        .message = pawl_arena_printf(arena,
                                     "the worker went away each of the %u times it ran activity "
                                     "'%.*s' (call %d); resume the workflow when the cause is "
                                     "mended",
                                     count, PAWL_BYTES_FMT(scheduled->name), (int)scheduled->id),
    };
    return pawl_history_event_pack(arena, &event);
}

bool pawl_poison_is(struct pawl_bytes result)
{
    struct pawl_history_event event;
    if (pawl_history_event_kind(result) != PAWL_EVENT_TASK_FAILED) return false;
    return pawl_history_event_decode(result, &event) == PAWL_OK
           && event.status == PAWL_STATUS_STALLED;
}

/* One at a time: others are told of again, and once it is stalled they need not be. */
void pawl_poison_take(struct pawl_node *node, const struct pawl_op_ref *ref,
                      struct pawl_bytes result, struct pawl_origin origin)
{
    struct pawl_workflow *workflow = pawl_workflow_activate(node, ref->instance);
    if (!workflow || workflow->poison.ref.op.kind) {
        pawl_origin_release(node, origin);
        return;
    }
    workflow->poison.ref = *ref;
    workflow->poison.ref.instance = workflow->id;
    workflow->poison.result = pawl_bytes_dup(result);
    workflow->poison.origin = origin;
    pawl_workflow_advance(node, workflow);
}

bool pawl_poison_is_due(const struct pawl_workflow *workflow)
{
    if (!workflow->poison.ref.op.kind) return false;
    if (workflow->metadata.status != PAWL_STATUS_STALLED)
        return workflow->metadata.status == PAWL_STATUS_RUNNING;
    /* Stalled for its code, which is tried with its next input: that one may never come. */
    return workflow->stall == PAWL_STALL_WORKER_LOST || workflow->inputs_count == 0;
}

void pawl_poison_work(struct pawl_node *node, struct pawl_workflow *workflow)
{
    struct pawl_poison poison = workflow->poison;
    struct pawl_history_event event;
    pawl_err err = pawl_history_event_decode(poison.result, &event);
    PAWL_ASSERT(err == PAWL_OK); /* seen when it came */
    bool is_stalled = workflow->metadata.status == PAWL_STATUS_STALLED;
    if (is_stalled && workflow->stall == PAWL_STALL_WORKER_LOST) {
        pawl_origin_done(node, poison.origin); /* it rests with the rest of the instance */
        pawl_poison_drop(workflow);
        pawl_workflow_advance(node, workflow);
        return;
    }
    if (ref_find(workflow, &poison.ref)) {
        PAWL_COVER(POISON_STALLED);
        pawl_workflow_stall(node, workflow, PAWL_STALL_WORKER_LOST, event.failure.message);
        return;
    }
    /* That nobody waits for it is for the store to say, as with every result; but there it
     * would be one like any other. What is read now knows the call, if it is still open. */
    if (!poison.is_reread) {
        PAWL_COVER(POISON_REREAD);
        workflow->poison.is_reread = true;
        workflow->reload = true;
    } else {
        pawl_origin_done(node, poison.origin);
        pawl_poison_drop(workflow);
    }
    pawl_workflow_advance(node, workflow);
}

void pawl_poison_drop(struct pawl_workflow *workflow)
{
    pawl_bytes_free(workflow->poison.result);
    workflow->poison = (struct pawl_poison){ .ref = { .gen = 0 } };
}
