/* Why an instance does not go on: for want of the right code, or because its turns kill
 * their workers. Part of the workflow machine (workflow.h). */
#include "actors/seed.h"
#include "actors/worker.h"
#include "actors/workflow.h"
#include "actors/workflow_state.h"
#include "base/cover.h"

/* Causes and versions -------------------------------------------------------------------------- */

static void set_stall(struct pawl_workflow *workflow, enum pawl_stall stall, struct pawl_bytes text)
{
    struct pawl_bytes kept = pawl_bytes_dup(text); /* it may be a view of the old one */
    pawl_bytes_free(workflow->stall_text);
    workflow->stall = stall;
    workflow->stall_text = kept;
    if (!pawl_stall_is_curable(stall)) workflow->try_stalled = false;
}

void pawl_workflow_load_cause(struct pawl_workflow *workflow, const struct pawl_snapshot *snapshot)
{
    struct pawl_failure_view failure = { .present = false };
    if (snapshot->metadata.status != PAWL_STATUS_STALLED) {
        set_stall(workflow, PAWL_STALL_NONE, PAWL_BYTES_ABSENT);
        return;
    }
    if (pawl_failure_decode(snapshot->payloads.failure, &failure) != PAWL_OK)
        failure = (struct pawl_failure_view){ .present = false };
    set_stall(workflow, pawl_stall_of_name(failure.type), failure.message);
}

/* The version that the first turn of this generation chose for its code. Only controls and
 * stalls can be before it. */
struct pawl_bytes pawl_workflow_history_version(const struct pawl_bytes *events, uint32_t count)
{
    struct pawl_history_event event;
    for (uint32_t i = 0; i < count; i++) {
        if (pawl_history_event_decode(events[i], &event) != PAWL_OK) break;
        if (event.kind == PAWL_EVENT_WORKFLOW_STARTED) return event.version;
    }
    return PAWL_BYTES_ABSENT;
}

/* The same for an instance that is to begin with another one's history. */
void pawl_workflow_take_seeds_version(struct pawl_node *node, struct pawl_workflow *workflow)
{
    const struct pawl_input *first = pawl_workflow_first_input(workflow);
    struct pawl_seed seed;
    if (!first || !first->seed.size || !pawl_bytes_is_absent(workflow->code_version)) return;
    if (pawl_seed_unpack(&node->effects->arena, first->seed, &seed) != PAWL_OK) return;
    pawl_workflow_set_code_version(workflow,
                                   pawl_workflow_history_version(seed.events, seed.past_count));
}

/* Said once: a try that ends where the last one did changes nothing. */
static bool workflow_stalls_again(const struct pawl_workflow *workflow, enum pawl_stall stall,
                                  struct pawl_bytes why)
{
    return workflow->metadata.status == PAWL_STATUS_STALLED && workflow->stall == stall
           && pawl_bytes_is_equal(workflow->stall_text, why);
}

void pawl_workflow_stall(struct pawl_node *node, struct pawl_workflow *workflow,
                         enum pawl_stall stall, struct pawl_bytes why)
{
    PAWL_ASSERT(workflow->state == PAWL_WORKFLOW_READY);
    workflow->try_stalled = false;
    if (workflow_stalls_again(workflow, stall, why)) {
        PAWL_COVER(STALLED_AGAIN);
        pawl_workflow_advance(node, workflow);
        return;
    }
    struct pawl_turn_draft *turn = pawl_workflow_new_turn(node, workflow);
    const char *cause = pawl_stall_name(stall);
    pawl_workflow_add_control_event(turn, PAWL_EVENT_EXECUTION_STALLED, pawl_bytes_str(cause), why);
    struct pawl_failure_view failure = { .present = true,
                                         .type = pawl_bytes_str(cause),
                                         .message = why };
    turn->payloads.failure = pawl_failure_pack(&turn->call->arena, &failure);
    turn->status = PAWL_STATUS_STALLED;
    set_stall(workflow, stall, why);
    turn->takes_poison = workflow->poison.ref.op.kind != 0 && stall == PAWL_STALL_WORKER_LOST;
    pawl_node_log(node, PAWL_LOG_WARN, "instance %.*s is stalled (%s): %.*s",
                  PAWL_BYTES_FMT(workflow->id), cause, PAWL_BYTES_FMT(why));
    pawl_workflow_commit(node, workflow, turn);
}

void pawl_workflow_try_stalled(struct pawl_node *node, struct pawl_bytes id)
{
    struct pawl_workflow *workflow = pawl_workflow_activate(node, id);
    if (!workflow) return;        /* its reminder comes */
    workflow->try_stalled = true; /* until it is known that this is no cure */
    if (workflow->state == PAWL_WORKFLOW_READY) pawl_workflow_advance(node, workflow);
}

/* Whether a stalled instance is to be tried now. */
bool pawl_workflow_judge_try(struct pawl_node *node, struct pawl_workflow *workflow)
{
    struct pawl_bytes version = pawl_bytes_is_absent(workflow->metadata.version)
                                    ? workflow->code_version
                                    : workflow->metadata.version;
    bool is_hopeful = pawl_stall_is_curable(workflow->stall)
                      && pawl_worker_can_run(node, workflow->metadata.name, version);
    if (!is_hopeful) workflow->try_stalled = false;
    return workflow->try_stalled;
}

/* What somebody can mend without starting the instance anew. */
enum pawl_stall pawl_workflow_turn_done_stalls(const struct pawl_workflow *workflow, pawl_err err)
{
    switch (err) {
    case PAWL_E_NONDETERMINISM: return PAWL_STALL_NONDETERMINISM;
    case PAWL_E_VERSION: return PAWL_STALL_VERSION_NOT_AVAILABLE;
    case PAWL_E_LIMIT: return PAWL_STALL_PAYLOAD_TOO_LARGE;
    case PAWL_E_NOT_REGISTERED:
        return workflow->metadata.turn > 0 ? PAWL_STALL_NOT_REGISTERED : PAWL_STALL_NONE;
    default: return PAWL_STALL_NONE;
    }
}

/* The worker has not the code. True: somebody else may have it, and is asked. */
bool pawl_workflow_ask_others(struct pawl_node *node, struct pawl_workflow *workflow,
                              uint64_t worker)
{
    PAWL_ASSERT(workflow->state == PAWL_WORKFLOW_READY);
    workflow->sticky_worker = 0;
    if (workflow->refusals_count == PAWL_REFUSALS_MAX) return false;
    workflow->refusals[workflow->refusals_count++] = worker;
    if (!pawl_worker_may_have_code(node, workflow)) return false;
    node->metrics.turns_retried_total++;
    pawl_workflow_advance(node, workflow);
    return true;
}

/* The next one is another worker's, when there is one; else the same one has it again. */
void pawl_workflow_on_turn_returned(struct pawl_node *node, uint64_t worker,
                                    const struct pawl_need_history *returned)
{
    struct pawl_workflow *workflow =
        pawl_workflow_of_turn(node, worker, returned->instance, returned->turn);
    if (!workflow) return;
    pawl_workflow_abandon_turn(node, workflow);
    workflow->returns++;
    if (workflow->returns >= PAWL_TURN_RETURNS_MAX) {
        workflow->returns = 0;
        pawl_workflow_stall(
            node, workflow, PAWL_STALL_TURN_RETURNED,
            PAWL_BYTES_LITERAL(
                "its workers have given it back each time, which they do with a version "
                "that they have no code for; start one that has it, or resume it"));
        return;
    }
    if (pawl_workflow_ask_others(node, workflow, worker)) return;
    workflow->refusals_count = 0;
    node->metrics.turns_retried_total++;
    pawl_workflow_advance(node, workflow);
}

static struct pawl_bytes workflow_lack_text(struct pawl_node *node,
                                            const struct pawl_workflow *workflow,
                                            enum pawl_code_lack lack)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_bytes name = workflow->metadata.name;
    struct pawl_bytes version = pawl_bytes_is_absent(workflow->metadata.version)
                                    ? workflow->code_version
                                    : workflow->metadata.version;
    if (lack == PAWL_CODE_NAME_UNKNOWN || lack == PAWL_CODE_NAME_MISSING)
        return pawl_arena_printf(arena,
                                 "no connected worker of app '%s' has registered a workflow named "
                                 "'%.*s'",
                                 node->app, PAWL_BYTES_FMT(name));
    if (pawl_bytes_is_absent(version))
        return pawl_arena_printf(arena,
                                 "the connected workers of app '%s' run workflow '%.*s' in certain "
                                 "versions only, and this instance was started without one",
                                 node->app, PAWL_BYTES_FMT(name));
    return pawl_arena_printf(arena,
                             "no connected worker of app '%s' runs workflow '%.*s' in version "
                             "'%.*s'",
                             node->app, PAWL_BYTES_FMT(name), PAWL_BYTES_FMT(version));
}

void pawl_workflow_on_not_registered(struct pawl_node *node, struct pawl_workflow *workflow,
                                     enum pawl_code_lack lack)
{
    struct pawl_bytes text = workflow_lack_text(node, workflow, lack);
    workflow->workers_seen = node->workers_opened;
    pawl_workflow_abandon_turn(node, workflow);
    if (lack == PAWL_CODE_NAME_MISSING || lack == PAWL_CODE_VERSION_MISSING) {
        bool is_name = lack == PAWL_CODE_NAME_MISSING;
        pawl_workflow_stall(node, workflow,
                            is_name ? PAWL_STALL_NOT_REGISTERED : PAWL_STALL_VERSION_NOT_AVAILABLE,
                            text);
        return;
    }
    struct pawl_turn_draft *turn = pawl_workflow_new_turn(node, workflow);
    pawl_turn_take_inputs(node, workflow, turn);
    pawl_turn_fail(node, workflow, turn,
                   lack == PAWL_CODE_NAME_UNKNOWN ? "WorkflowNotRegistered" : "VersionMismatch",
                   pawl_arena_copy(&turn->call->arena, text));
    pawl_workflow_commit(node, workflow, turn);
}
