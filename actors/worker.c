#include "actors/worker.h"

#include "actors/activity.h"
#include "actors/limit.h"
#include "actors/presence.h"
#include "actors/stalled.h"
#include "actors/workflow.h"

static struct pawl_bytes worker_key(const struct pawl_worker *worker)
{
    return pawl_bytes_make(worker->key, sizeof worker->key);
}

struct pawl_worker *pawl_worker_find(const struct pawl_node *node, uint64_t id)
{
    if (id == 0) return NULL;
    return pawl_map_find(&node->workers, pawl_bytes_make(&id, sizeof id));
}

/* Queues ----------------------------------------------------------------------------------- */

/* The version of its code: what it was started with, or else what its first turn chose. */
static struct pawl_bytes turn_version(const struct pawl_workflow *workflow)
{
    return pawl_bytes_is_absent(workflow->metadata.version) ? workflow->code_version
                                                            : workflow->metadata.version;
}

static void worker_aim(struct pawl_worker *worker, struct pawl_workflow *workflow)
{
    pawl_list_push_tail(&worker->sticky, &workflow->lane_link);
}

static bool worker_has_refused(const struct pawl_workflow *workflow, uint64_t worker)
{
    for (uint32_t i = 0; i < workflow->refusals_count; i++)
        if (workflow->refusals[i] == worker) return true;
    return false;
}

static bool worker_fits(const struct pawl_worker *worker, struct pawl_bytes name,
                        struct pawl_bytes version)
{
    for (uint32_t i = 0; i < worker->turn_servings_count; i++) {
        const struct pawl_serving *serving = &worker->turn_servings[i];
        if (pawl_bytes_is_equal(serving->lane->name, name))
            return pawl_serving_fits(serving, version);
    }
    return worker->any_name;
}

/* A worker that may have the code, and has not said that it has not. */
static struct pawl_worker *worker_untried(struct pawl_node *node,
                                          const struct pawl_workflow *workflow)
{
    uint32_t cursor = 0;
    for (struct pawl_worker *worker; (worker = pawl_map_next(&node->workers, &cursor)) != NULL;) {
        if (worker->leaving || worker_has_refused(workflow, worker->id)) continue;
        if (worker_fits(worker, workflow->metadata.name, turn_version(workflow))) return worker;
    }
    return NULL;
}

/* Who had its last turn, unless others are free and that one is not. */
static struct pawl_worker *worker_with_past(struct pawl_node *node,
                                            const struct pawl_workflow *workflow)
{
    if (pawl_gate_is_named(workflow->gate)) return NULL; /* it waits in a lane */
    struct pawl_worker *worker = pawl_worker_find(node, workflow->past_worker);
    return worker && !worker->leaving && worker->turn_credit > 0 ? worker : NULL;
}

bool pawl_worker_may_have_code(struct pawl_node *node, const struct pawl_workflow *workflow)
{
    return worker_untried(node, workflow) != NULL;
}

void pawl_worker_put_turn(struct pawl_node *node, struct pawl_workflow *workflow)
{
    struct pawl_worker *worker = pawl_worker_find(node, workflow->sticky_worker);
    bool is_there = worker && !worker->leaving;
    /* In a lane nobody has to walk past what waits for a place of its name. */
    if (is_there && !pawl_gate_is_named(workflow->gate)) {
        worker_aim(worker, workflow);
        return;
    }
    if (!is_there) workflow->sticky_worker = 0;
    worker = workflow->refusals_count ? worker_untried(node, workflow)
                                      : worker_with_past(node, workflow);
    if (worker) {
        worker_aim(worker, workflow);
        return;
    }
    pawl_lanes_put(node, false, workflow->metadata.name, turn_version(workflow),
                   PAWL_BYTES_LITERAL(""), &workflow->lane_link);
}

void pawl_worker_put_activity(struct pawl_node *node, struct pawl_activity *activity)
{
    pawl_lanes_put(node, true, activity->scheduled.name, activity->scheduled.version,
                   activity->ref.instance, &activity->link);
}

bool pawl_worker_can_run(const struct pawl_node *node, struct pawl_bytes name,
                         struct pawl_bytes version)
{
    return node->any_workers > 0 || pawl_lanes_serve(&node->turn_lanes, name, version);
}

/* What no rule names passes the limits for all, and so does all else. */
static bool worker_may_take(const struct pawl_node *node, const struct pawl_worker *worker,
                            bool is_task)
{
    uint32_t credit = is_task ? worker->task_credit : worker->turn_credit;
    return credit > 0 && !worker->leaving
           && pawl_gate_is_open(node, node->limits.gate_for_all[is_task]);
}

/* Together, of those that have registered the name; and of those that take any. */
static uint64_t task_credit_for(const struct pawl_node *node, struct pawl_bytes name,
                                struct pawl_bytes version)
{
    uint64_t credit = 0;
    const struct pawl_lane *lane = pawl_map_find(&node->task_lanes, name);
    for (const struct pawl_list *link = lane ? lane->servings.next : NULL;
         lane && link != &lane->servings; link = link->next) {
        const struct pawl_serving *serving = PAWL_CONTAINER_OF(link, struct pawl_serving, of_lane);
        bool takes = worker_may_take(node, serving->worker, true);
        if (takes && pawl_serving_fits(serving, version)) credit += serving->worker->task_credit;
    }
    uint32_t cursor = 0;
    const struct pawl_worker *worker;
    while (node->any_workers && (worker = pawl_map_next(&node->workers, &cursor)) != NULL)
        if (worker->any_name && worker_may_take(node, worker, true)) credit += worker->task_credit;
    return credit;
}

bool pawl_worker_is_free_for(struct pawl_node *node, struct pawl_bytes name,
                             struct pawl_bytes version)
{
    const struct pawl_gate *gate = pawl_limits_gate(node, true, name);
    return pawl_gate_is_open(node, gate) && task_credit_for(node, name, version) > gate->waiting;
}

/* Connections ------------------------------------------------------------------------------ */

static bool worker_runs_workflows(const struct pawl_worker *worker)
{
    return worker->turn_servings_count > 0 || worker->any_name;
}

void pawl_worker_on_opened(struct pawl_node *node, uint64_t id, const struct pawl_hello *hello)
{
    PAWL_ASSERT(pawl_worker_find(node, id) == NULL);
    struct pawl_worker *worker = PAWL_NEW(struct pawl_worker);
    worker->id = id;
    memcpy(worker->key, &id, sizeof id);
    pawl_list_init(&worker->sticky);
    pawl_list_init(&worker->turns);
    pawl_list_init(&worker->activities);
    worker->match = hello->match;
    worker->match_version = pawl_bytes_dup(hello->match_version);
    worker->mismatch_fails = hello->mismatch_fails;
    worker->turn_servings = pawl_lanes_join(node, false, worker, hello->workflows_count,
                                            hello->workflows, &worker->turn_servings_count);
    worker->task_servings = pawl_lanes_join(node, true, worker, hello->activities_count,
                                            hello->activities, &worker->task_servings_count);
    worker->any_name = hello->any_name;
    worker->filters = hello->filters;
    worker->holds_past = hello->holds_past;
    worker->minor = hello->minor;
    if (worker_runs_workflows(worker)) node->turn_workers++;
    if (worker->task_servings_count || worker->any_name) node->task_workers++;
    if (worker->any_name) node->any_workers++;
    if (worker->filters) node->filter_workers++;
    pawl_map_insert(&node->workers, worker_key(worker), worker);
    if (!worker_runs_workflows(worker)) return;
    pawl_stalled_on_worker(node);
    pawl_presence_look(node);
}

static void worker_free(struct pawl_worker *worker)
{
    pawl_bytes_free(worker->match_version);
    pawl_mem_free(worker);
}

static struct pawl_workflow *turn_first(const struct pawl_list *list)
{
    return PAWL_CONTAINER_OF(list->next, struct pawl_workflow, lane_link);
}

/* What waited for exactly this worker may now run anywhere. */
static void worker_release_sticky(struct pawl_node *node, struct pawl_worker *worker)
{
    while (!pawl_list_is_empty(&worker->sticky)) {
        struct pawl_workflow *workflow = turn_first(&worker->sticky);
        pawl_list_remove(&workflow->lane_link);
        workflow->sticky_worker = 0;
        pawl_worker_put_turn(node, workflow);
    }
}

void pawl_worker_on_closed(struct pawl_node *node, uint64_t id)
{
    struct pawl_worker *worker = pawl_worker_find(node, id);
    if (!worker) return;
    pawl_map_remove(&node->workers, worker_key(worker));
    if (worker_runs_workflows(worker)) node->turn_workers--;
    if (worker_runs_workflows(worker) && worker->leaving) node->turn_workers_leaving--;
    if (worker->task_servings_count || worker->any_name) node->task_workers--;
    if (worker->any_name) node->any_workers--;
    if (worker->filters) node->filter_workers--;
    worker_release_sticky(node, worker);
    while (!pawl_list_is_empty(&worker->turns))
        pawl_workflow_on_worker_lost(node, turn_first(&worker->turns));
    while (!pawl_list_is_empty(&worker->activities))
        pawl_activity_on_worker_lost(
            node, PAWL_CONTAINER_OF(worker->activities.next, struct pawl_activity, link));
    pawl_lanes_leave(node, false, worker->turn_servings, worker->turn_servings_count);
    pawl_lanes_leave(node, true, worker->task_servings, worker->task_servings_count);
    worker_free(worker);
    if (node->task_workers == 0) pawl_activities_on_workerless(node);
    pawl_presence_look(node);
}

static uint32_t credit_add(uint32_t credit, uint32_t more)
{
    return more > PAWL_CREDIT_MAX - credit ? PAWL_CREDIT_MAX : credit + more;
}

void pawl_worker_on_credit(struct pawl_node *node, uint64_t id, struct pawl_credit credit)
{
    struct pawl_worker *worker = pawl_worker_find(node, id);
    if (!worker) return;
    worker->turn_credit = credit_add(worker->turn_credit, credit.turns);
    worker->task_credit = credit_add(worker->task_credit, credit.activities);
}

void pawl_worker_on_bye(struct pawl_node *node, uint64_t id)
{
    struct pawl_worker *worker = pawl_worker_find(node, id);
    if (!worker || worker->leaving) return;
    worker->leaving = true;
    if (worker_runs_workflows(worker)) node->turn_workers_leaving++;
    worker_release_sticky(node, worker);
    pawl_presence_look(node);
}

/* Pump --------------------------------------------------------------------------------------- */

/* Those before it wait for places of their names. */
static struct pawl_list *worker_next_sticky(const struct pawl_node *node,
                                            const struct pawl_worker *worker)
{
    for (struct pawl_list *link = worker->sticky.next; link != &worker->sticky; link = link->next)
        if (pawl_gate_is_open(node, PAWL_CONTAINER_OF(link, struct pawl_workflow, lane_link)->gate))
            return link;
    return NULL;
}

static struct pawl_list *worker_next_turn(struct pawl_node *node, struct pawl_worker *worker)
{
    struct pawl_list *next = worker_next_sticky(node, worker);
    if (!next)
        next = pawl_lanes_next(node, worker->turn_servings, worker->turn_servings_count,
                               &worker->turn_cursor);
    if (next || !worker->any_name) return next;
    return pawl_lanes_next_open(node, false, &worker->turn_cursor);
}

static struct pawl_list *worker_next_task(struct pawl_node *node, struct pawl_worker *worker)
{
    struct pawl_list *next = pawl_lanes_next(node, worker->task_servings,
                                             worker->task_servings_count, &worker->task_cursor);
    if (next || !worker->any_name) return next;
    return pawl_lanes_next_open(node, true, &worker->task_cursor);
}

static bool worker_give_turn(struct pawl_node *node, struct pawl_worker *worker)
{
    if (!worker_may_take(node, worker, false)) return false;
    struct pawl_list *next = worker_next_turn(node, worker);
    if (!next) return false;
    worker->turn_credit--;
    pawl_workflow_dispatch(node, PAWL_CONTAINER_OF(next, struct pawl_workflow, lane_link), worker);
    return true;
}

static bool worker_give_task(struct pawl_node *node, struct pawl_worker *worker)
{
    if (!worker_may_take(node, worker, true)) return false;
    struct pawl_list *next = worker_next_task(node, worker);
    if (!next) return false;
    worker->task_credit--;
    pawl_activity_dispatch(node, PAWL_CONTAINER_OF(next, struct pawl_activity, link), worker);
    return true;
}

/* Workers are there, but none has the code: waiting could be for ever. A connection that
 * registered nothing is a client and says nothing about what the app can do. ----------- */

static void orphan_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    (void)node; /* the pump at the end of this step looks */
    (void)alarm;
}

/* A start of a name that nobody knows is a mistake in the start, unless there are other
 * sidecars, whose workers may be newer. */
static bool orphan_is_mistake(const struct pawl_node *node, const struct pawl_queue *queue,
                              const struct pawl_workflow *workflow)
{
    return workflow->metadata.turn == 0 && !node->config.placed
           && pawl_list_is_empty(&queue->lane->servings);
}

static void orphans_fail_mistakes(struct pawl_node *node, struct pawl_queue *queue)
{
    struct pawl_list *link = pawl_queue_first(queue);
    if (!link) return;
    /* Instances share one line. */
    const struct pawl_line *line = PAWL_CONTAINER_OF(queue->lines.next, struct pawl_line, of_queue);
    while (link != &line->waiting) {
        struct pawl_workflow *workflow = PAWL_CONTAINER_OF(link, struct pawl_workflow, lane_link);
        link = link->next;
        if (orphan_is_mistake(node, queue, workflow))
            pawl_workflow_on_not_registered(node, workflow, PAWL_CODE_NAME_UNKNOWN);
    }
}

static bool lane_has_failing_rule(const struct pawl_lane *lane)
{
    for (const struct pawl_list *link = lane->servings.next; link != &lane->servings;
         link = link->next)
        if (PAWL_CONTAINER_OF(link, struct pawl_serving, of_lane)->worker->mismatch_fails)
            return true;
    return false;
}

static void orphans_give_up(struct pawl_node *node, struct pawl_queue *queue)
{
    enum pawl_code_lack lack = PAWL_CODE_NAME_MISSING;
    if (!pawl_list_is_empty(&queue->lane->servings)) lack = PAWL_CODE_VERSION_MISSING;
    if (lane_has_failing_rule(queue->lane)) lack = PAWL_CODE_VERSION_REFUSED;
    for (struct pawl_list *first; (first = pawl_queue_first(queue)) != NULL;)
        pawl_workflow_on_not_registered(
            node, PAWL_CONTAINER_OF(first, struct pawl_workflow, lane_link), lack);
}

static void orphans_look(struct pawl_node *node, struct pawl_queue *queue)
{
    if (queue->servers_count) return;
    orphans_fail_mistakes(node, queue);
    if (!pawl_queue_first(queue)) {
        queue->orphaned_ms = 0;
        return;
    }
    if (queue->orphaned_ms == 0) queue->orphaned_ms = node->now_ms;
    int64_t give_up_ms = queue->orphaned_ms + PAWL_CODE_WAIT_MS;
    if (give_up_ms <= node->now_ms)
        orphans_give_up(node, queue);
    else if (!pawl_heap_node_is_linked(&node->orphans_alarm.node))
        pawl_alarm_set(node, &node->orphans_alarm, give_up_ms);
}

/* Under placement, too: which sidecar runs an activity does not follow from its name. */
static void orphans_fail_activities(struct pawl_node *node, struct pawl_queue *queue)
{
    if (queue->servers_count) return;
    for (struct pawl_list *first; (first = pawl_queue_first(queue)) != NULL;)
        pawl_activity_on_not_registered(node, PAWL_CONTAINER_OF(first, struct pawl_activity, link));
}

static void lanes_look(struct pawl_node *node, struct pawl_map *lanes,
                       void (*look)(struct pawl_node *node, struct pawl_queue *queue))
{
    uint32_t cursor = 0;
    for (struct pawl_lane *lane; (lane = pawl_map_next(lanes, &cursor)) != NULL;) {
        struct pawl_list *link = lane->queues.next;
        while (link != &lane->queues) {
            struct pawl_queue *queue = PAWL_CONTAINER_OF(link, struct pawl_queue, of_lane);
            link = link->next;
            look(node, queue);
        }
        pawl_lane_free_if_unused(lanes, lane);
    }
}

static void lanes_look_for_orphans(struct pawl_node *node)
{
    if (node->any_workers) return;    /* it answers for whatever it does not have */
    if (node->filter_workers) return; /* they share the names between them, and not all are here */
    if (node->turn_workers) lanes_look(node, &node->turn_lanes, orphans_look);
    if (node->task_workers) lanes_look(node, &node->task_lanes, orphans_fail_activities);
}

void pawl_workers_init(struct pawl_node *node)
{
    node->orphans_alarm.fire = orphan_on_alarm;
}

void pawl_worker_pump(struct pawl_node *node)
{
    lanes_look_for_orphans(node);
    /* Begin behind whoever was given something last, end when nobody takes anything. */
    for (uint32_t idle = 0; idle < node->workers.count;) {
        struct pawl_worker *worker = pawl_map_next(&node->workers, &node->workers_cursor);
        if (!worker) {
            node->workers_cursor = 0;
            continue;
        }
        bool gave = worker_give_turn(node, worker);
        if (worker_give_task(node, worker)) gave = true;
        idle = gave ? 0 : idle + 1;
    }
}

void pawl_workers_deinit(struct pawl_node *node)
{
    uint32_t cursor = 0;
    pawl_alarm_clear(node, &node->orphans_alarm);
    for (struct pawl_worker *worker; (worker = pawl_map_next(&node->workers, &cursor)) != NULL;) {
        pawl_lanes_leave(node, false, worker->turn_servings, worker->turn_servings_count);
        pawl_lanes_leave(node, true, worker->task_servings, worker->task_servings_count);
        worker_free(worker);
    }
    pawl_lanes_deinit(&node->turn_lanes);
    pawl_lanes_deinit(&node->task_lanes);
    pawl_map_deinit(&node->workers);
}
