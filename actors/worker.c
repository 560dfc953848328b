#include "actors/worker.h"

#include "actors/activity.h"
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

/* Lanes ---------------------------------------------------------------------------------- */

struct pawl_lane *pawl_worker_lane(struct pawl_map *lanes, struct pawl_bytes name)
{
    struct pawl_lane *lane = pawl_map_find(lanes, name);
    if (lane) return lane;
    lane = PAWL_NEW(struct pawl_lane);
    lane->name = pawl_bytes_dup(name);
    pawl_list_init(&lane->waiting);
    pawl_map_insert(lanes, lane->name, lane);
    return lane;
}

static void lane_free(struct pawl_map *lanes, struct pawl_lane *lane)
{
    PAWL_ASSERT(pawl_list_is_empty(&lane->waiting));
    pawl_map_remove(lanes, lane->name);
    pawl_bytes_free(lane->name);
    pawl_mem_free(lane);
}

static void worker_join(struct pawl_map *lanes, const struct pawl_registration *registrations,
                        uint32_t count, struct pawl_lane ***ret_lanes, uint32_t *ret_count)
{
    struct pawl_lane **joined = pawl_mem_alloc(count * sizeof *joined);
    uint32_t joined_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_lane *lane = pawl_worker_lane(lanes, registrations[i].name);
        bool is_twice = false; /* one name in several versions is one lane */
        for (uint32_t j = 0; j < joined_count && !is_twice; j++) is_twice = joined[j] == lane;
        if (is_twice) continue;
        lane->workers_count++;
        joined[joined_count++] = lane;
    }
    *ret_lanes = joined;
    *ret_count = joined_count;
}

static void worker_leave(struct pawl_map *lanes, struct pawl_lane **joined, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        joined[i]->workers_count--;
        if (joined[i]->workers_count == 0 && pawl_list_is_empty(&joined[i]->waiting))
            lane_free(lanes, joined[i]);
    }
    pawl_mem_free(joined);
}

/* Connections ------------------------------------------------------------------------------ */

void pawl_worker_on_opened(struct pawl_node *node, uint64_t id, const struct pawl_hello *hello)
{
    PAWL_ASSERT(pawl_worker_find(node, id) == NULL);
    struct pawl_worker *worker = PAWL_NEW(struct pawl_worker);
    worker->id = id;
    memcpy(worker->key, &id, sizeof id);
    pawl_list_init(&worker->sticky);
    pawl_list_init(&worker->turns);
    pawl_list_init(&worker->activities);
    worker_join(&node->turn_lanes, hello->workflows, hello->workflows_count, &worker->turn_lanes,
                &worker->turn_lanes_count);
    worker_join(&node->task_lanes, hello->activities, hello->activities_count, &worker->task_lanes,
                &worker->task_lanes_count);
    worker->any_name = hello->any_name;
    worker->minor = hello->minor;
    if (worker->turn_lanes_count || worker->any_name) node->turn_workers++;
    if (worker->task_lanes_count || worker->any_name) node->task_workers++;
    if (worker->any_name) node->any_workers++;
    pawl_map_insert(&node->workers, worker_key(worker), worker);
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
        struct pawl_lane *lane = pawl_worker_lane(&node->turn_lanes, workflow->metadata.name);
        pawl_list_push_tail(&lane->waiting, &workflow->lane_link);
    }
}

void pawl_worker_on_closed(struct pawl_node *node, uint64_t id)
{
    struct pawl_worker *worker = pawl_worker_find(node, id);
    if (!worker) return;
    pawl_map_remove(&node->workers, worker_key(worker));
    if (worker->turn_lanes_count || worker->any_name) node->turn_workers--;
    if (worker->task_lanes_count || worker->any_name) node->task_workers--;
    if (worker->any_name) node->any_workers--;
    worker_release_sticky(node, worker);
    while (!pawl_list_is_empty(&worker->turns))
        pawl_workflow_on_worker_lost(node, turn_first(&worker->turns));
    while (!pawl_list_is_empty(&worker->activities))
        pawl_activity_on_worker_lost(
            node, PAWL_CONTAINER_OF(worker->activities.next, struct pawl_activity, link));
    worker_leave(&node->turn_lanes, worker->turn_lanes, worker->turn_lanes_count);
    worker_leave(&node->task_lanes, worker->task_lanes, worker->task_lanes_count);
    pawl_mem_free(worker);
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
    if (!worker) return;
    worker->leaving = true;
    worker_release_sticky(node, worker);
}

/* Pump --------------------------------------------------------------------------------------- */

static struct pawl_lane *worker_next_lane(struct pawl_lane **lanes, uint32_t count,
                                          uint32_t *cursor)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_lane *lane = lanes[(*cursor + i) % count];
        if (pawl_list_is_empty(&lane->waiting)) continue;
        *cursor = (*cursor + i + 1) % count;
        return lane;
    }
    return NULL;
}

/* A lane that no worker has registered by its name. What is empty is in nobody's way and
 * goes, so that names which were used once are not walked over for ever. */
static struct pawl_lane *lanes_next_open(struct pawl_map *lanes, uint32_t *cursor)
{
    for (uint32_t round = 0; round < 2; round++) {
        for (struct pawl_lane *lane; (lane = pawl_map_next(lanes, cursor)) != NULL;) {
            if (lane->workers_count) continue;
            if (!pawl_list_is_empty(&lane->waiting)) return lane;
            lane_free(lanes, lane);
        }
        *cursor = 0;
    }
    return NULL;
}

static struct pawl_lane *worker_turn_lane(struct pawl_node *node, struct pawl_worker *worker)
{
    struct pawl_lane *lane =
        worker_next_lane(worker->turn_lanes, worker->turn_lanes_count, &worker->turn_lanes_cursor);
    if (lane || !worker->any_name) return lane;
    return lanes_next_open(&node->turn_lanes, &worker->turn_lanes_cursor);
}

static struct pawl_lane *worker_task_lane(struct pawl_node *node, struct pawl_worker *worker)
{
    struct pawl_lane *lane =
        worker_next_lane(worker->task_lanes, worker->task_lanes_count, &worker->task_lanes_cursor);
    if (lane || !worker->any_name) return lane;
    return lanes_next_open(&node->task_lanes, &worker->task_lanes_cursor);
}

static bool worker_give_turn(struct pawl_node *node, struct pawl_worker *worker)
{
    if (worker->turn_credit == 0 || worker->leaving) return false;
    uint32_t limit = node->config.turns_in_flight_max;
    uint32_t running =
        node->workflows_in[PAWL_WORKFLOW_FETCHING] + node->workflows_in[PAWL_WORKFLOW_RUNNING];
    if (limit && running >= limit) return false;
    const struct pawl_list *waiting = &worker->sticky;
    if (pawl_list_is_empty(waiting)) {
        struct pawl_lane *lane = worker_turn_lane(node, worker);
        if (!lane) return false;
        waiting = &lane->waiting;
    }
    worker->turn_credit--;
    pawl_workflow_dispatch(node, turn_first(waiting), worker);
    return true;
}

static bool worker_give_task(struct pawl_node *node, struct pawl_worker *worker)
{
    if (worker->task_credit == 0 || worker->leaving) return false;
    uint32_t limit = node->config.activities_in_flight_max;
    if (limit && node->metrics.activities_running >= limit) return false;
    struct pawl_lane *lane = worker_task_lane(node, worker);
    if (!lane) return false;
    worker->task_credit--;
    pawl_activity_dispatch(node, PAWL_CONTAINER_OF(lane->waiting.next, struct pawl_activity, link),
                           worker);
    return true;
}

/* Workers are there, but none knows the name: waiting would be for ever. A connection
 * that registered nothing is a client and says nothing about what the app can do. */
static void lanes_fail_unregistered(struct pawl_node *node)
{
    if (node->any_workers) return; /* it answers for whatever it does not have */
    uint32_t cursor = 0;
    for (struct pawl_lane *lane;
         node->turn_workers && (lane = pawl_map_next(&node->turn_lanes, &cursor)) != NULL;) {
        if (lane->workers_count) continue;
        while (!pawl_list_is_empty(&lane->waiting))
            pawl_workflow_on_not_registered(node, turn_first(&lane->waiting));
        lane_free(&node->turn_lanes, lane);
    }
    cursor = 0;
    for (struct pawl_lane *lane;
         node->task_workers && (lane = pawl_map_next(&node->task_lanes, &cursor)) != NULL;) {
        if (lane->workers_count) continue;
        while (!pawl_list_is_empty(&lane->waiting))
            pawl_activity_on_not_registered(
                node, PAWL_CONTAINER_OF(lane->waiting.next, struct pawl_activity, link));
        lane_free(&node->task_lanes, lane);
    }
}

void pawl_worker_pump(struct pawl_node *node)
{
    lanes_fail_unregistered(node);
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
    for (struct pawl_worker *worker; (worker = pawl_map_next(&node->workers, &cursor)) != NULL;) {
        pawl_mem_free(worker->turn_lanes);
        pawl_mem_free(worker->task_lanes);
        pawl_mem_free(worker);
    }
    struct pawl_map *lanes[] = { &node->turn_lanes, &node->task_lanes };
    for (size_t i = 0; i < 2; i++) {
        cursor = 0;
        for (struct pawl_lane *lane; (lane = pawl_map_next(lanes[i], &cursor)) != NULL;) {
            pawl_bytes_free(lane->name);
            pawl_mem_free(lane);
        }
        pawl_map_deinit(lanes[i]);
    }
    pawl_map_deinit(&node->workers);
}
