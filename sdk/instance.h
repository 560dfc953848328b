/* Instance: one workflow instance in memory, between and during its turns.
 *
 * History events go in, actions come out. Events are applied one by one: results end
 * tasks, raised events meet their waiters or are kept. At the end of a batch (all that
 * one turn brought) the workflow's coroutine runs once, if what it waits for is there,
 * up to its next wait. So the outcome depends on the history alone, not on whether the
 * instance was kept in memory or rebuilt, and a thousand results cost one switch.
 *
 * While the past is replayed, actions are not sent but wait in the same list to be
 * compared, in order, with what the history recorded (sdk/determinism.h).
 *
 * An instance that gave up (no memory, a mismatch, a limit) never runs again: its
 * coroutine is left where it is and the whole instance is dropped.
 */
#ifndef PAWL_SDK_INSTANCE_H
#define PAWL_SDK_INSTANCE_H

#include "base/list.h"
#include "pawl/workflow.h"
#include "sdk/coro.h"
#include "sdk/frames.h"
#include "sdk/pool.h"

/* What the surroundings lend to instances. */
struct pawl_instance_host {
    const struct pawl_allocator *allocator;
    size_t stack_size;
    void *stacks;
    void *(*stack_take)(void *stacks, bool *ret_guarded); /* NULL: no memory */
    void (*stack_give)(void *stacks, void *stack, bool guarded);
    pawl_log_fn *log;
    void *log_context;
};

enum pawl_task_kind {
    PAWL_TASK_ACTIVITY = 1,
    PAWL_TASK_CHILD,
    PAWL_TASK_TIMER,
    PAWL_TASK_EVENT,
};

/* Something that the code may wait for. */
struct pawl_task {
    enum pawl_task_kind kind;
    bool done;
    bool awaited;         /* counts in the instance's waiting_count */
    pawl_err err;         /* once done */
    uint64_t ended_order; /* once done: which ended first */
    struct pawl_bytes output;
    const struct pawl_failure *failure;
    /* The action that is under way for it: a try, the pause before the next one, the
     * timer itself, or the time limit of an event. -1: none. */
    int32_t op_id;
    bool pausing; /* activity, child: op_id is the pause before the next try */
    /* Activity, child: what is called, kept for the next try. */
    struct pawl_bytes name;
    struct pawl_bytes version;
    struct pawl_bytes app;
    struct pawl_bytes instance;
    struct pawl_bytes input; /* only with a retry policy */
    struct pawl_id task_execution;
    bool instance_chosen; /* by the user: the same for every try */
    int64_t start_within_ms;
    int64_t start_to_close_ms;
    int64_t heartbeat_ms;
    enum pawl_parent_close_policy parent_close;
    struct pawl_bytes progress; /* with a retry policy: what the last try said last */
    const struct pawl_retry *retry;
    uint32_t attempts;
    int64_t first_ms;
    /* Event. */
    struct pawl_event_name *event_name;
    struct pawl_list waiter; /* in event_name->waiters while pending */
    struct pawl_task *cancel_next;
};

/* All that is known of one event name (folded to lower case). */
struct pawl_event_name {
    struct pawl_event_name *next;
    struct pawl_bytes name;
    struct pawl_list waiters; /* tasks, first come first served */
    struct pawl_list kept;    /* events that nobody has waited for */
};

struct pawl_kept_event {
    struct pawl_list in_name;
    struct pawl_list in_order; /* over all names, for continue-as-new */
    struct pawl_bytes encoded;
    struct pawl_bytes payload;
};

struct pawl_deferred {
    struct pawl_deferred *next;
    void (*cleanup)(void *argument);
    void *argument;
};

#define PAWL_EVENT_BUCKETS 32u

struct pawl_workflow_ctx {
    const struct pawl_instance_host *host;
    struct pawl_pool pool; /* lives as long as the instance */
    struct pawl_pool turn; /* until the turn's answer is encoded */

    struct pawl_bytes id;
    struct pawl_bytes name;
    struct pawl_bytes version;       /* of its code */
    struct pawl_bytes version_asked; /* at the start: the next generation asks for it, too */
    bool version_is_news;            /* chosen in this turn: to be recorded */
    struct pawl_bytes parent;
    struct pawl_id inc;
    struct pawl_id execution;
    uint32_t gen;
    pawl_workflow_fn *run;
    void *user;

    struct pawl_coro coro;
    void *stack;  /* NULL: not begun */
    bool inside;  /* the coroutine is running */
    bool started; /* EXECUTION_STARTED was applied */
    bool returned;
    pawl_err result;
    struct pawl_bytes input;

    int64_t now_ms;
    bool replaying;
    bool dirty;             /* events were applied since the code last ran */
    uint32_t waiting_count; /* tasks that must end before the code can go on */
    uint32_t history_index; /* of the event being read */
    uint32_t applied_index; /* of the last one that was applied */
    uint64_t ended_count;
    uint64_t uuid_count;

    struct pawl_task **ops; /* by action id; NULL: answered, or needs no answer */
    uint32_t ops_count;     /* the next action id */
    uint32_t ops_capacity;

    struct pawl_event_name *event_names[PAWL_EVENT_BUCKETS];
    struct pawl_list kept_events;
    struct pawl_task *cancels; /* event tasks whose time limit is no longer needed */
    struct pawl_task **cancels_end;

    struct pawl_action *actions; /* made and not yet sent or matched */
    uint32_t *actions_made_at;   /* applied_index when each was made */
    uint32_t actions_first;      /* those before are matched */
    uint32_t actions_count;
    uint32_t actions_capacity;

    /* Patches (sdk/patch.h), in the order of their first questions. */
    struct pawl_patch *patches;
    struct pawl_patch **patches_end;
    struct pawl_patch *patches_unmet; /* recorded, and not asked for yet */
    bool turn_is_recorded;            /* what was decided in this turn is known */
    uint32_t patches_new_count;
    struct pawl_bytes *patches_new; /* in the memory of the turn */

    bool custom_status_set;
    struct pawl_bytes custom_status;

    struct pawl_bytes output;
    const struct pawl_failure *failure;      /* chosen with pawl_fail */
    const struct pawl_failure *last_failure; /* of the last wait that failed */
    const struct pawl_task *last_failed;
    bool continued;
    bool continued_with_events;
    struct pawl_bytes continued_input;

    pawl_err given_up; /* PAWL_OK: it has not */
    const char *given_up_message;
    struct pawl_deferred *deferred;

    /* The cache's (sdk/replay.c). */
    struct pawl_id held; /* the turn whose outcome this is */
    struct pawl_list lru;
    struct pawl_workflow_ctx *bucket_next;
};

/* NULL: no memory. Identity from the TURN, behaviour from the registration. */
struct pawl_workflow_ctx *pawl_instance_new(const struct pawl_instance_host *host,
                                            const struct pawl_turn *turn, pawl_workflow_fn *run,
                                            void *user);

/* The version of its code, copied; false: no memory. */
bool pawl_instance_set_version(struct pawl_workflow_ctx *ctx, struct pawl_bytes version);

/* Drop it wherever it is: cleanups run, stack and memory go back. NULL is fine. */
void pawl_instance_free(struct pawl_workflow_ctx *ctx);

/* Apply one event. `encoded` are its bytes; neither outlives the call. Problems are
 * found in ctx->given_up. Events that record actions are not for this function. */
void pawl_instance_apply(struct pawl_workflow_ctx *ctx, const struct pawl_history_event *event,
                         struct pawl_bytes encoded);

/* The batch is complete: run the code if it can go on. */
void pawl_instance_run(struct pawl_workflow_ctx *ctx);

/* The rest is for the parts of an instance among each other. --------------------- */

/* Never run again, for this reason. From inside the coroutine it does not return. The
 * first reason stays. */
void pawl_instance_give_up(struct pawl_workflow_ctx *ctx, pawl_err err, const char *message);

void pawl_instance_give_up_for_memory(struct pawl_workflow_ctx *ctx);

/* Add an action; gives it the next id unless `id` is -1 already. Its views must live
 * until the turn's answer is sent. `task` is told of the answer; NULL: nobody. */
void pawl_instance_act(struct pawl_workflow_ctx *ctx, struct pawl_action action,
                       struct pawl_task *task);

/* Memory that is given up for when there is none; NULL only outside the coroutine. */
void *pawl_instance_alloc(struct pawl_workflow_ctx *ctx, struct pawl_pool *pool, size_t size);
struct pawl_bytes pawl_instance_copy(struct pawl_workflow_ctx *ctx, struct pawl_pool *pool,
                                     struct pawl_bytes bytes);

/* The id of a child or detached workflow that is started next, unless one is chosen:
 * "<instance>.<generation>.<number>". */
struct pawl_bytes pawl_instance_next_child_id(struct pawl_workflow_ctx *ctx);

/* Tasks (sdk/task.c). */
struct pawl_task *pawl_task_new(struct pawl_workflow_ctx *ctx, enum pawl_task_kind kind);
void pawl_task_end(struct pawl_workflow_ctx *ctx, struct pawl_task *task, pawl_err err);

/* Make the next try of an activity or child. */
void pawl_task_try(struct pawl_workflow_ctx *ctx, struct pawl_task *task, struct pawl_bytes input);

/* A result event for task->op_id. */
void pawl_task_on_result(struct pawl_workflow_ctx *ctx, struct pawl_task *task,
                         const struct pawl_history_event *event);

/* External events: raised, and waited for (timeout as in pawl_wait_for_event). */
void pawl_task_on_raised(struct pawl_workflow_ctx *ctx, const struct pawl_history_event *event,
                         struct pawl_bytes encoded);
void pawl_task_expect(struct pawl_workflow_ctx *ctx, struct pawl_task *task, struct pawl_bytes name,
                      int64_t timeout_ms);

/* Cancel the time limits of events that came; once per batch, so that a limit that was
 * reached in the same batch is not cancelled after the fact. */
void pawl_task_flush_cancels(struct pawl_workflow_ctx *ctx);

/* A deep copy in the instance's memory; NULL: no memory. */
const struct pawl_failure *pawl_failure_from_view(struct pawl_pool *pool,
                                                  const struct pawl_failure_view *view);

/* A view of `failure`, its cause encoded into `pool`. */
struct pawl_failure_view pawl_failure_to_view(struct pawl_pool *pool,
                                              const struct pawl_failure *failure);

/* The COMPLETE or CONTINUE action of code that returned (sdk/instance_end.c). */
void pawl_instance_end(struct pawl_workflow_ctx *ctx);

#endif /* PAWL_SDK_INSTANCE_H */
