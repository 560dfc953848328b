/* Workflow: one active instance as a machine. Pure: events in, effects out.
 *
 *             loaded            work           picked            history
 *   LOADING ---------> READY ---------> QUEUED -------> FETCHING --------+
 *      ^                 ^  |              |                             v
 *      |                 |  |              +---------------------> RUNNING (at a worker)
 *      | conflict        |  | engine's own turn (suspend, …)             | actions
 *      |                 |  v                                            |
 *      +------------- COMMITTING <---------------------------------------+
 *                        |  committed: outbox released, READY again or gone when ended
 *
 *   A control (suspend, resume, terminate) takes QUEUED, FETCHING and RUNNING back to
 *   READY: the turn at the worker is abandoned, its completion will be ignored.
 *
 * In every state but LOADING the cached fields equal the stored rows as of
 * `metadata.last`, COMMITTING excepted, where they may already be older. Inputs are
 * kept until the commit that consumes them is known good; so an abandoned or failed
 * turn loses nothing.
 *
 * A turn's id is drawn when it is dispatched and becomes the id of its commit.
 */
#ifndef PAWL_ACTORS_WORKFLOW_H
#define PAWL_ACTORS_WORKFLOW_H

#include "actors/envelope.h"
#include "actors/node_internal.h"
#include "actors/origin.h"
#include "actors/stalled.h"
#include "actors/turn.h"

enum pawl_workflow_state {
    PAWL_WORKFLOW_LOADING,
    PAWL_WORKFLOW_READY,
    PAWL_WORKFLOW_QUEUED,
    PAWL_WORKFLOW_FETCHING,
    PAWL_WORKFLOW_RUNNING,
    PAWL_WORKFLOW_COMMITTING,
    PAWL_WORKFLOW_STATES_COUNT,
};

_Static_assert(PAWL_WORKFLOW_STATES_COUNT <= PAWL_WORKFLOW_STATES_MAX, "room to count them");

/* An operation that was scheduled and is not resolved. */
struct pawl_pending_op {
    struct pawl_op op; /* kind 0: resolved, to be compacted */
    uint64_t nonce;
    bool delivered;              /* its result waits in the inbox */
    bool taken;                  /* resolved by the turn that is being built */
    uint32_t attempts;           /* activity: dispatches that are known of, see attempts.h */
    int64_t fire_at_ms;          /* timer */
    struct pawl_bytes child;     /* child: instance id, owned */
    struct pawl_bytes child_app; /* … and its app, owned; absent: the own */
    enum pawl_parent_close_policy parent_close;
};

/* Something that the next turn is told. */
struct pawl_input {
    struct pawl_list link;
    bool durable;            /* an inbox row; else known to this process only */
    uint32_t index;          /* of the row */
    struct pawl_id delivery; /* of the row */
    uint32_t gen;            /* result: which generation's operation; 0: external */
    uint64_t nonce;
    enum pawl_event_kind kind;
    int32_t ref;
    struct pawl_bytes event;   /* encoded event, behind the struct */
    struct pawl_bytes seed;    /* … and the seed; absent: none */
    bool is_settled;           /* the seed is, see pawl_seed_is_settled */
    struct pawl_origin origin; /* told when it is consumed */
};

/* A management call that changes the status: done by a turn of the engine's own. */
struct pawl_control {
    struct pawl_list link;
    enum pawl_request_op op;   /* SUSPEND RESUME TERMINATE */
    struct pawl_bytes payload; /* owned */
    bool recursive;
    uint64_t request_token;
    struct pawl_call *then; /* unsent: goes out when the instance has ended; NULL: none */
    struct pawl_id inc;     /* only this one; zero: whichever has the id */
};

/* An activity that has lost too many workers, until its instance is stalled for it. */
struct pawl_poison {
    struct pawl_op_ref ref;   /* op.kind 0: there is none */
    struct pawl_bytes result; /* owned */
    struct pawl_origin origin;
    bool is_reread; /* the instance, since it came */
};

struct pawl_workflow {
    struct pawl_bytes id; /* owned */
    struct pawl_partition *partition;
    uint8_t state;
    struct pawl_metadata metadata; /* strings owned */
    struct pawl_parent parent;     /* decoded from metadata.parent */

    uint32_t ops_count; /* with resolved ones */
    uint32_t ops_resolved;
    uint32_t ops_capacity;
    uint32_t activities_open;    /* of the operations */
    struct pawl_pending_op *ops; /* by id */

    struct pawl_list inputs; /* pawl_input, in order of arrival */
    uint32_t inputs_count;
    uint32_t terminates_count; /* inputs that end the instance */
    struct pawl_list controls;
    bool reload;     /* COMMITTING: read again afterwards, somebody else has delivered */
    bool clear_wake; /* the store holds a wake-up for which there is nothing to do */

    struct pawl_turn_draft *turn;    /* FETCHING RUNNING COMMITTING */
    struct pawl_scheduler *schedule; /* the engine's own code; NULL: a worker runs it */
    uint64_t sticky_worker;          /* holds the instance at metadata.last; 0: none */
    uint64_t past_worker;            /* holds the past, as it says, but must be told it if not */
    struct pawl_past *past;          /* whole history, right after a load; NULL: not at hand */
    struct pawl_list lane_link;      /* on a lane, worker.sticky or worker.turns */
    struct pawl_gate *gate;          /* QUEUED FETCHING RUNNING: of its name */
    struct pawl_list pace_link;      /* in line for a place, see actors/pace.h */
    bool has_place;
    int64_t place_ms;               /* since when */
    struct pawl_bytes code_version; /* owned; chosen by its first turn, when its start
                                       asked for none */
    enum pawl_stall stall;          /* STALLED: why; set by loading, too */
    struct pawl_bytes stall_text;   /* owned; the same for a person */
    bool try_stalled;               /* STALLED: it runs a turn all the same, to find out */
    uint32_t workers_seen;          /* node.workers_opened when its last turn was decided */
    uint32_t refusals_count;        /* workers that have not its code, since the last commit */
    uint64_t refusals[PAWL_REFUSALS_MAX];
    uint32_t returns;         /* turns given back in a row */
    uint32_t attempts;        /* turns lost in a row */
    uint32_t attempts_stored; /* … as the store knows it, with the one to begin; 0: not at all */
    bool is_watched;          /* a turn may have been lost with its sidecar */
    bool has_attempts;        /* the store holds counts of it */
    bool attempts_changed;    /* … and newer ones of activities are to be stored */
    struct pawl_poison poison;
    int64_t not_before_ms; /* retry */
    int64_t coalesce_ms;   /* first input of a wide fan-out arrived then; 0: none */
    int64_t active_ms;     /* last time it had something to do */
    struct pawl_alarm alarm;
};

/* The pending operation with this key, or NULL. */
struct pawl_pending_op *pawl_workflow_op_find(const struct pawl_workflow *workflow,
                                              struct pawl_op op);

/* How activities and results name an operation of it. */
struct pawl_op_ref pawl_workflow_op_ref(const struct pawl_workflow *workflow, uint32_t gen,
                                        struct pawl_op op, uint64_t nonce);

/* True when any pending operation has this id, but for one that the turn at hand has
 * resolved: the kinds share one sequence, and some SDKs repeat a failed call under its id. */
bool pawl_workflow_op_is_known(const struct pawl_workflow *workflow, uint32_t id);

/* The active instance, or NULL. */
struct pawl_workflow *pawl_workflow_find(const struct pawl_node *node, struct pawl_bytes id);

/* Make it active: find it or start loading it. NULL when its partition is not owned, or
 * when as many instances are active as may be: what is stored waits for its reminder. */
struct pawl_workflow *pawl_workflow_activate(struct pawl_node *node, struct pawl_bytes id);

/* An instance that CREATE has just made, without reading it back. `body` is the inbox
 * row, as created. */
void pawl_workflow_on_created(struct pawl_node *node, struct pawl_bytes id,
                              const struct pawl_metadata *metadata, struct pawl_id delivery,
                              struct pawl_bytes body);

/* CREATE has found it running and given it this parent, packed: another call of the same one. */
void pawl_workflow_on_rebound(struct pawl_node *node, struct pawl_bytes id,
                              struct pawl_bytes parent);

/* A row was delivered to its inbox: tell the active one, or activate it. */
void pawl_workflow_on_delivered(struct pawl_node *node, struct pawl_bytes id, uint32_t index,
                                struct pawl_id delivery, struct pawl_bytes body);

/* The result of an operation has arrived. It is folded into the next turn's commit when
 * the instance can run, else delivered to the inbox. `origin` is told when the result is
 * durable or final. */
void pawl_workflow_on_result(struct pawl_node *node, const struct pawl_op_ref *ref,
                             struct pawl_bytes event, struct pawl_origin origin);

/* Suspend, resume or terminate; the call is answered when it has happened. */
void pawl_workflow_on_control(struct pawl_node *node, const struct pawl_request *request,
                              uint64_t request_token);

/* Terminate this incarnation, and send `then`, an unsent call that answers, when it has
 * ended. Another one under the id is left alone: what shall follow may have happened
 * already, by an attempt whose answer was lost. */
void pawl_workflow_end_then(struct pawl_node *node, struct pawl_bytes id, struct pawl_id inc,
                            uint64_t request_token, struct pawl_call *then);

/* Poll found a reminder of it. */
void pawl_workflow_on_reminder(struct pawl_node *node, const struct pawl_reminder *reminder);

/* From the worker side. */
void pawl_workflow_dispatch(struct pawl_node *node, struct pawl_workflow *workflow,
                            struct pawl_worker *worker);
void pawl_workflow_on_turn_done(struct pawl_node *node, uint64_t worker,
                                const struct pawl_turn_done *done);
void pawl_workflow_on_need_history(struct pawl_node *node, uint64_t worker,
                                   const struct pawl_need_history *need);
void pawl_workflow_on_worker_lost(struct pawl_node *node, struct pawl_workflow *workflow);
/* Given back undone: another worker may have it, or the same one later. */
void pawl_workflow_on_turn_returned(struct pawl_node *node, uint64_t worker,
                                    const struct pawl_need_history *returned);

/* No connected worker has the code for it. */
enum pawl_code_lack {
    PAWL_CODE_NAME_UNKNOWN,    /* a start of a name that nobody has: it fails */
    PAWL_CODE_NAME_MISSING,    /* it stalls */
    PAWL_CODE_VERSION_MISSING, /* … the name is there, in other versions */
    PAWL_CODE_VERSION_REFUSED, /* … and who has it wants it to fail */
};
void pawl_workflow_on_not_registered(struct pawl_node *node, struct pawl_workflow *workflow,
                                     enum pawl_code_lack lack);

/* See whether a stalled instance can go on now; harmless for any other. */
void pawl_workflow_try_stalled(struct pawl_node *node, struct pawl_bytes id);

/* Decide what follows; harmless at any time. */
void pawl_workflow_advance(struct pawl_node *node, struct pawl_workflow *workflow);

/* Drop an instance from memory: its partition is lost, or it was purged. Controls are
 * answered with `err`. */
void pawl_workflow_forget(struct pawl_node *node, struct pawl_workflow *workflow, pawl_err err);

void pawl_workflows_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_WORKFLOW_H */
