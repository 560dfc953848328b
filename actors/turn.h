/* Turn: what one step of an instance changes, from the inputs it takes to the rows of
 * its commit.
 *
 * A turn is built in the arena of the store call that will commit it, so a commit
 * whose reply is lost can be sent again byte for byte.
 */
#ifndef PAWL_ACTORS_TURN_H
#define PAWL_ACTORS_TURN_H

#include "actors/call.h"
#include "actors/envelope.h"

struct pawl_input;
struct pawl_workflow;
struct pawl_seed;

/* A history read from the store, packed: many instances may hold one at a time. */
struct pawl_past {
    uint32_t count;
    uint32_t capacity;
    uint32_t *sizes; /* of each event */
    uint8_t *data;   /* one event behind the other */
    size_t size;
    size_t data_capacity;
    bool kept; /* from turn to turn: counts in node.pasts_size */
};

/* An operation that the turn schedules. */
struct pawl_turn_op {
    struct pawl_op op;
    uint64_t nonce;
    uint32_t event_index; /* in events */
    int64_t fire_at_ms;
    struct pawl_bytes child;
    struct pawl_bytes child_app;
    enum pawl_parent_close_policy parent_close;
    bool refused;  /* this sidecar knows no other apps: fails at once */
    bool given_up; /* a timer or activity that the same turn has cancelled again */
};

struct pawl_turn_draft {
    struct pawl_call *call; /* the commit; owns this struct */
    struct pawl_id id;
    uint32_t nth; /* commit of the incarnation, if it is committed */
    int64_t now_ms;
    uint64_t worker; /* 0: the engine's own turn */
    int64_t dispatched_ms;
    bool cached; /* the worker holds the instance at `id` */

    uint32_t inputs_taken; /* from the head of workflow.inputs */
    uint32_t inbox_consumed;
    uint32_t consumed_count; /* inbox rows: their deliveries */
    uint32_t consumed_capacity;
    struct pawl_id *consumed;
    uint32_t events_count;
    uint32_t events_capacity;
    struct pawl_bytes *events;
    size_t events_size;
    uint32_t inputs_events_count; /* the first events: what the worker is told */
    uint32_t past_count;          /* … of them as its past: the first turn of an instance that
                                     began with a seed */
    uint32_t reopened_count;      /* the first ops: calls of that past */
    const struct pawl_seed *seed; /* NULL: none taken */
    uint32_t resolved_count;
    uint32_t resolved_capacity;
    struct pawl_op *resolved;

    uint32_t cancelled_count; /* of the resolved: activities that the workflow gave up */
    uint32_t cancelled_capacity;
    struct pawl_op *cancelled;

    uint32_t ops_count;
    uint32_t ops_capacity;
    struct pawl_turn_op *ops;
    uint32_t messages_count;
    uint32_t messages_capacity;
    struct pawl_message_row *messages;

    enum pawl_status status;        /* after the commit */
    struct pawl_bytes code_version; /* the worker chose it in this turn; absent: it did not */
    bool continued;
    struct pawl_bytes new_name;
    struct pawl_bytes new_version;
    uint32_t carry_count;
    struct pawl_inbox_row *carry;
    struct pawl_payloads payloads;
    int64_t wake_at_ms; /* 0: as the inbox and the operations need it */
    bool is_schedule;   /* made by schedule.c */
    bool is_record;     /* nothing but counts of attempts */
    bool is_import;     /* the engine takes what was imported */
    bool takes_poison;  /* it stalls for an activity */
    bool forgets_attempts;
    bool custom_status_set;
    struct pawl_bytes custom_status;
    struct pawl_list controls; /* answered when committed */
};

/* A turn with nothing in it, about to be committed with `id`. */
struct pawl_turn_draft *pawl_turn_new(struct pawl_node *node, struct pawl_workflow *workflow,
                                      pawl_call_on_reply *on_committed);
void pawl_turn_drop(struct pawl_node *node, struct pawl_turn_draft *turn);

void pawl_turn_add_event(struct pawl_turn_draft *turn, const struct pawl_history_event *event);

/* Add a message to another instance; `what`, two letters, and `id` tell it from others of
 * the turn. */
void pawl_turn_tell(struct pawl_turn_draft *turn, const char *what, uint32_t id,
                    const struct pawl_message_body *body);

/* The next input of the workflow leaves the inbox with this turn. */
void pawl_turn_consume(struct pawl_turn_draft *turn, const struct pawl_input *input);

/* Take the inputs and due timers into the turn: WORKFLOW_STARTED and their events. What
 * answers no pending operation is consumed without an event. */
void pawl_turn_take_inputs(struct pawl_node *node, struct pawl_workflow *workflow,
                           struct pawl_turn_draft *turn);

/* What was imported and needs nobody's code (actors/import.h): one that has ended comes in
 * whole and ends; one that was suspended is so again, and takes its past when it is resumed. */
void pawl_turn_take_import(struct pawl_workflow *workflow, struct pawl_turn_draft *turn);

/* Add what the worker's actions say. A broken or oversize answer fails the instance. */
void pawl_turn_apply(struct pawl_node *node, struct pawl_workflow *workflow,
                     struct pawl_turn_draft *turn, const struct pawl_turn_done *done);

/* End the instance: FAILED with this reason. */
void pawl_turn_fail(struct pawl_node *node, struct pawl_workflow *workflow,
                    struct pawl_turn_draft *turn, const char *type, struct pawl_bytes message);

/* End the instance: TERMINATED. All children are told when `recursive`. */
void pawl_turn_terminate(struct pawl_node *node, struct pawl_workflow *workflow,
                         struct pawl_turn_draft *turn, struct pawl_bytes output, bool recursive);

/* The message that starts a child, from its CHILD_CREATED event: made by the turn, and
 * again whenever nothing has been heard of the child for a while. */
void pawl_turn_child_message(const struct pawl_node *node, const struct pawl_workflow *workflow,
                             struct pawl_arena *arena, uint32_t op_id, uint64_t nonce,
                             const struct pawl_history_event *created,
                             struct pawl_message_body *ret_body);
/* `call` is the parent's. */
struct pawl_id pawl_turn_child_message_id(const struct pawl_op_ref *call);

/* Fill the commit request from everything above. */
void pawl_turn_seal(struct pawl_node *node, struct pawl_workflow *workflow,
                    struct pawl_turn_draft *turn);

#endif /* PAWL_ACTORS_TURN_H */
