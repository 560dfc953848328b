#include "actors/turn_children.h"

#include "actors/directory.h"
#include "actors/workflow.h"
#include "base/mutant.h"

static void turn_terminate_child(struct pawl_node *node, const struct pawl_workflow *workflow,
                                 struct pawl_turn_draft *turn, const struct pawl_pending_op *op,
                                 const struct pawl_history_event *terminated)
{
    bool is_own = pawl_directory_is_own_app(node, op->child_app);
    struct pawl_message_body body = {
        .kind = PAWL_MESSAGE_TERMINATE,
        .app = op->child_app,
        .instance = op->child,
        .parent = { .app = is_own ? PAWL_BYTES_ABSENT : pawl_bytes_str(node->app),
                    .instance = workflow->id,
                    .inc = workflow->metadata.inc,
                    .gen = workflow->metadata.gen,
                    .op_id = op->op.id,
                    .nonce = op->nonce },
        .event = pawl_history_event_pack(&turn->call->arena, terminated),
    };
    pawl_turn_tell(turn, "te", op->op.id, &body);
}

static void turn_withdraw_message(struct pawl_turn_draft *turn, struct pawl_id id)
{
    for (uint32_t i = 0; i < turn->messages_count; i++) {
        if (!pawl_id_is_equal(turn->messages[i].id, id)) continue;
        turn->messages_count--;
        memmove(&turn->messages[i], &turn->messages[i + 1],
                (turn->messages_count - i) * sizeof *turn->messages);
        return;
    }
}

static void turn_withdraw_start(const struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                                const struct pawl_turn_op *op)
{
    struct pawl_op_ref call =
        pawl_workflow_op_ref(workflow, workflow->metadata.gen, op->op, op->nonce);
    turn_withdraw_message(turn, pawl_turn_child_message_id(&call));
}

/* What this very turn would start is not started. One that a rewind starts again may run since
 * before. */
void pawl_turn_close_children(struct pawl_node *node, const struct pawl_workflow *workflow,
                              struct pawl_turn_draft *turn,
                              const struct pawl_history_event *terminated, bool all)
{
    for (uint32_t i = 0; i < workflow->ops_count; i++) {
        const struct pawl_pending_op *op = &workflow->ops[i];
        bool is_to_end = all || op->parent_close == PAWL_PARENT_CLOSE_TERMINATE;
        if (op->op.kind != 'c' || op->delivered || !is_to_end) continue;
        turn_terminate_child(node, workflow, turn, op, terminated);
    }
    for (uint32_t i = 0; i < turn->ops_count; i++) {
        const struct pawl_turn_op *op = &turn->ops[i];
        if (op->op.kind != 'c' || op->parent_close != PAWL_PARENT_CLOSE_TERMINATE) continue;
        struct pawl_pending_op added = {
            .op = op->op, .nonce = op->nonce, .child = op->child, .child_app = op->child_app
        };
        if (i < turn->reopened_count && !op->refused)
            turn_terminate_child(node, workflow, turn, &added, terminated);
        else
            turn_withdraw_start(workflow, turn, op);
    }
}

void pawl_turn_leave_children(struct pawl_node *node, const struct pawl_workflow *workflow,
                              struct pawl_turn_draft *turn)
{
    struct pawl_history_event terminated =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_TERMINATED, turn->now_ms);
    if (PAWL_MUTANT(CLOSE_IGNORED)) return;
    pawl_turn_close_children(node, workflow, turn, &terminated, false);
}
