/* Workflow state: the parts of an active instance that are plain data: its table of
 * pending operations, its mailbox of inputs, its strings. Used by workflow.c. */
#ifndef PAWL_ACTORS_WORKFLOW_STATE_H
#define PAWL_ACTORS_WORKFLOW_STATE_H

#include "actors/workflow.h"

struct pawl_workflow *pawl_workflow_state_new(struct pawl_node *node, struct pawl_bytes id);

/* Frees everything but the turn. No alarm may be set, no lane linked. */
void pawl_workflow_state_free(struct pawl_workflow *workflow);

/* Copy metadata in; its strings become owned. CORRUPT: the parent cannot be read. */
PAWL_MUST_USE pawl_err pawl_workflow_set_metadata(struct pawl_workflow *workflow,
                                                  const struct pawl_metadata *metadata);

/* The parent alone, packed; it is copied. */
void pawl_workflow_set_parent(struct pawl_workflow *workflow, struct pawl_bytes packed);

/* Copied. */
void pawl_workflow_set_code_version(struct pawl_workflow *workflow, struct pawl_bytes version);

/* Its bytes are copied. */
void pawl_workflow_add_op(struct pawl_workflow *workflow, const struct pawl_pending_op *op);

/* The same of one that is stored, and the event that scheduled it. */
void pawl_workflow_add_pending(struct pawl_workflow *workflow, const struct pawl_pending *pending,
                               const struct pawl_history_event *event);
void pawl_workflow_resolve_op(struct pawl_workflow *workflow, struct pawl_op op);
void pawl_workflow_clear_ops(struct pawl_workflow *workflow);

/* When the next timer is due; INT64_MAX: no timer. */
int64_t pawl_workflow_next_timer_ms(const struct pawl_workflow *workflow);

/* Append an input. `body` is copied. CORRUPT: not an inbox body, nothing added. */
PAWL_MUST_USE pawl_err pawl_workflow_add_row(struct pawl_workflow *workflow, uint32_t index,
                                             struct pawl_id delivery, struct pawl_bytes body);
PAWL_MUST_USE pawl_err pawl_workflow_add_result(struct pawl_workflow *workflow, uint32_t gen,
                                                uint64_t nonce, struct pawl_bytes event,
                                                struct pawl_origin origin);
void pawl_workflow_remove_input(struct pawl_workflow *workflow, struct pawl_input *input);
struct pawl_input *pawl_workflow_first_input(const struct pawl_workflow *workflow);

/* A status for an instance that runs again: PENDING as long as its start was never
 * consumed. */
enum pawl_status pawl_workflow_resumed_status(const struct pawl_workflow *workflow);

/* The inbox row that ends the instance, if one waits. */
struct pawl_input *pawl_workflow_find_terminate(const struct pawl_workflow *workflow);

/* Between workflow.c and workflow_commit.c. */
void pawl_workflow_on_committed(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply);
void pawl_workflow_set_ready(struct pawl_node *node, struct pawl_workflow *workflow);
void pawl_workflow_answer_controls(struct pawl_node *node, struct pawl_list *controls, pawl_err err,
                                   const char *text);

/* Ready again with all its inputs; the turn, if any, never happened. */
void pawl_workflow_abandon_turn(struct pawl_node *node, struct pawl_workflow *workflow);
struct pawl_turn_draft *pawl_workflow_new_turn(struct pawl_node *node,
                                               struct pawl_workflow *workflow);
void pawl_workflow_commit(struct pawl_node *node, struct pawl_workflow *workflow,
                          struct pawl_turn_draft *turn);
void pawl_workflow_add_control_event(struct pawl_turn_draft *turn, enum pawl_event_kind kind,
                                     struct pawl_bytes name, struct pawl_bytes payload);

/* The instance whose present turn this is; NULL: the turn was abandoned. */
struct pawl_workflow *pawl_workflow_of_turn(struct pawl_node *node, uint64_t worker,
                                            struct pawl_bytes instance, struct pawl_id turn);

/* Between workflow.c and workflow_stall.c. */

/* From a snapshot with payloads, when it is stalled. */
void pawl_workflow_load_cause(struct pawl_workflow *workflow, const struct pawl_snapshot *snapshot);

/* The version that the first turn in this history chose; absent: none. */
struct pawl_bytes pawl_workflow_history_version(const struct pawl_bytes *events, uint32_t count);

/* The same for an instance that is to begin with another one's history. */
void pawl_workflow_take_seeds_version(struct pawl_node *node, struct pawl_workflow *workflow);

/* READY: becomes STALLED, unless it is for exactly this already. */
void pawl_workflow_stall(struct pawl_node *node, struct pawl_workflow *workflow,
                         enum pawl_stall stall, struct pawl_bytes why);

/* STALLED: whether it is to be tried now. */
bool pawl_workflow_judge_try(struct pawl_node *node, struct pawl_workflow *workflow);

/* What a worker's refusal means for the instance; NONE: it fails. */
enum pawl_stall pawl_workflow_turn_done_stalls(const struct pawl_workflow *workflow, pawl_err err);

/* The worker has not the code. True: somebody else may have it, and is asked. */
bool pawl_workflow_ask_others(struct pawl_node *node, struct pawl_workflow *workflow,
                              uint64_t worker);

/* With room for so many events and bytes; it grows when that is not enough. */
struct pawl_past *pawl_past_new(uint32_t count, size_t size);
void pawl_past_add(struct pawl_past *past, struct pawl_bytes event); /* copied */
void pawl_past_free(struct pawl_past *past);                         /* NULL is fine */

/* Forget the past, if there is one. */
void pawl_workflow_drop_past(struct pawl_node *node, struct pawl_workflow *workflow);

#endif /* PAWL_ACTORS_WORKFLOW_STATE_H */
