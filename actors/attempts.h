/* Attempts: how often turns and activities of an instance have lost their workers, counted
 * so that neither a move of the instance nor a crash of its sidecar begins anew, and what
 * follows after too many: the instance stalls (WorkerLost) until a person resumes it.
 *
 * What has lost no worker costs nothing. The count is stored with the instance, by a commit
 * of the engine's own when no turn of it is about to be committed anyway:
 *
 *   activity  with its second dispatch and each further one
 *   turn      before its third dispatch and each further one
 *
 * A crash takes the count of a first attempt with it, when sidecar and worker die of it
 * together. So what was to be done PAWL_ATTEMPT_OLD_MS ago and is found undone when its
 * instance is loaded counts as tried once, and is stored from its next dispatch on.
 */
#ifndef PAWL_ACTORS_ATTEMPTS_H
#define PAWL_ACTORS_ATTEMPTS_H

#include "actors/workflow.h"

/* As stored. */
struct pawl_attempts {
    uint32_t turn; /* with the one that was about to begin; 0: nothing to tell */
    uint32_t ops_count;
    struct {
        uint32_t id;    /* of the activity's operation */
        uint32_t count; /* dispatches */
    } ops[PAWL_ATTEMPTS_OPS_MAX];
};

struct pawl_bytes pawl_attempts_pack(struct pawl_arena *arena,
                                     const struct pawl_attempts *attempts);

/* Absent bytes: none. CORRUPT: not what pack makes; *ret_attempts has none. */
PAWL_MUST_USE pawl_err pawl_attempts_unpack(struct pawl_bytes bytes,
                                            struct pawl_attempts *ret_attempts);

uint32_t pawl_attempts_of_op(const struct pawl_attempts *attempts, uint32_t id);

/* What the commit of this turn stores of them: absent, as it is; empty, none. */
struct pawl_bytes pawl_attempts_seal(struct pawl_workflow *workflow,
                                     const struct pawl_turn_draft *turn);

/* That commit is known good. */
void pawl_attempts_on_committed(struct pawl_node *node, struct pawl_workflow *workflow,
                                const struct pawl_turn_draft *turn);

/* READY, its operations and inputs are there, nothing of it was in memory before. */
void pawl_attempts_on_loaded(struct pawl_node *node, struct pawl_workflow *workflow,
                             const struct pawl_attempts *attempts);

/* READY, about to be given to a worker. True: the attempt is being stored, or waits for a
 * worker first; the instance will be advanced again. */
bool pawl_attempts_hold_turn(struct pawl_node *node, struct pawl_workflow *workflow);

/* READY. True: counts of activities are being stored. */
bool pawl_attempts_store(struct pawl_node *node, struct pawl_workflow *workflow);

/* An activity has been dispatched so often, wherever it runs. */
void pawl_attempts_on_dispatch(struct pawl_node *node, const struct pawl_op_ref *ref,
                               uint32_t count);

/* The result by which whoever runs an activity tells its owner that it has lost too many
 * workers; made instead of a failure of the activity. */
struct pawl_bytes pawl_poison_pack(struct pawl_arena *arena,
                                   const struct pawl_history_event *scheduled, uint32_t count,
                                   int64_t now_ms);
bool pawl_poison_is(struct pawl_bytes result);

/* Such a result has arrived: the instance stalls when it waits for this activity. `origin`
 * is told when that is stored. */
void pawl_poison_take(struct pawl_node *node, const struct pawl_op_ref *ref,
                      struct pawl_bytes result, struct pawl_origin origin);

/* One waits, and the instance is in a status in which it can be taken up. */
bool pawl_poison_is_due(const struct pawl_workflow *workflow);

/* READY and due: the instance stalls, or nobody waits for that activity any more. */
void pawl_poison_work(struct pawl_node *node, struct pawl_workflow *workflow);

/* It leaves memory; who told of a poison activity tells again. */
void pawl_poison_drop(struct pawl_workflow *workflow);

#endif /* PAWL_ACTORS_ATTEMPTS_H */
