#include "actors/lane.h"

#include "actors/limit.h"
#include "actors/worker.h"
#include "base/version.h"

/* Empty queues of a lane that are kept, so that one which is used all the time is not
 * made anew each time. */
#define QUEUES_KEPT 16u

static struct pawl_map *lanes_of(struct pawl_node *node, bool is_task)
{
    return is_task ? &node->task_lanes : &node->turn_lanes;
}

/* Who serves what ------------------------------------------------------------------------- */

static bool rule_allows(const struct pawl_worker *worker, struct pawl_bytes version)
{
    switch (worker->match) {
    case PAWL_MATCH_ANY: return true;
    case PAWL_MATCH_STRICT: return pawl_bytes_is_equal(version, worker->match_version);
    case PAWL_MATCH_CURRENT_OR_OLDER:
        return pawl_version_compare(version, worker->match_version) <= 0;
    }
    PAWL_UNREACHABLE("not a rule");
}

bool pawl_serving_fits(const struct pawl_serving *serving, struct pawl_bytes version)
{
    bool is_task = serving->lane->is_task;
    if (!is_task && !rule_allows(serving->worker, version)) return false;
    if (serving->any) return true;
    if (pawl_bytes_is_absent(version)) return is_task || serving->latest;
    for (uint32_t i = 0; i < serving->versions_count; i++)
        if (pawl_bytes_is_equal(serving->versions[i], version)) return true;
    return false;
}

static struct pawl_serving *serving_of(const struct pawl_list *link)
{
    return PAWL_CONTAINER_OF(link, struct pawl_serving, of_lane);
}

static struct pawl_queue *queue_of(const struct pawl_list *link)
{
    return PAWL_CONTAINER_OF(link, struct pawl_queue, of_lane);
}

static uint32_t lane_count_servers(const struct pawl_lane *lane, struct pawl_bytes version)
{
    uint32_t count = 0;
    for (const struct pawl_list *link = lane->servings.next; link != &lane->servings;
         link = link->next)
        if (pawl_serving_fits(serving_of(link), version)) count++;
    return count;
}

bool pawl_lanes_serve(const struct pawl_map *lanes, struct pawl_bytes name,
                      struct pawl_bytes version)
{
    const struct pawl_lane *lane = pawl_map_find(lanes, name);
    return lane && lane_count_servers(lane, version) > 0;
}

/* Lines ----------------------------------------------------------------------------------- */

static struct pawl_line *line_of(const struct pawl_list *link)
{
    return PAWL_CONTAINER_OF(link, struct pawl_line, of_queue);
}

static struct pawl_line *queue_line(struct pawl_queue *queue, struct pawl_bytes key)
{
    struct pawl_line *line = pawl_map_find(&queue->lines_of, key);
    if (line) return line;
    line = pawl_mem_alloc(sizeof *line + key.size);
    uint8_t *copy = (uint8_t *)(line + 1);
    if (key.size) memcpy(copy, key.data, key.size);
    line->key = pawl_bytes_make(copy, key.size);
    pawl_list_init(&line->waiting);
    pawl_list_push_tail(&queue->lines, &line->of_queue);
    pawl_map_insert(&queue->lines_of, line->key, line);
    return line;
}

static void line_free(struct pawl_queue *queue, struct pawl_line *line)
{
    (void)pawl_map_remove(&queue->lines_of, line->key);
    pawl_list_remove(&line->of_queue);
    pawl_mem_free(line);
}

struct pawl_list *pawl_queue_first(struct pawl_queue *queue)
{
    while (!pawl_list_is_empty(&queue->lines)) {
        struct pawl_line *line = line_of(queue->lines.next);
        if (!pawl_list_is_empty(&line->waiting)) return line->waiting.next;
        line_free(queue, line);
    }
    return NULL;
}

/* Lanes and queues ------------------------------------------------------------------------ */

static struct pawl_lane *lane_get(struct pawl_node *node, bool is_task, struct pawl_bytes name)
{
    struct pawl_map *lanes = lanes_of(node, is_task);
    struct pawl_lane *lane = pawl_map_find(lanes, name);
    if (lane) return lane;
    lane = PAWL_NEW(struct pawl_lane);
    lane->name = pawl_bytes_dup(name);
    lane->gate = pawl_limits_gate(node, is_task, name);
    lane->is_task = is_task;
    pawl_list_init(&lane->queues);
    pawl_list_init(&lane->servings);
    pawl_map_insert(lanes, lane->name, lane);
    return lane;
}

static void queue_free(struct pawl_queue *queue)
{
    pawl_list_remove(&queue->of_lane);
    while (!pawl_list_is_empty(&queue->lines)) line_free(queue, line_of(queue->lines.next));
    pawl_map_deinit(&queue->lines_of);
    pawl_bytes_free(queue->version);
    pawl_mem_free(queue);
}

static struct pawl_queue *lane_queue(struct pawl_node *node, struct pawl_lane *lane,
                                     struct pawl_bytes version)
{
    uint32_t empty_count = 0;
    struct pawl_queue *unused = NULL;
    for (struct pawl_list *link = lane->queues.next; link != &lane->queues; link = link->next) {
        struct pawl_queue *queue = queue_of(link);
        if (pawl_bytes_is_equal(queue->version, version)) return queue;
        if (pawl_queue_first(queue)) continue;
        empty_count++;
        unused = queue;
    }
    if (empty_count >= QUEUES_KEPT) queue_free(unused);
    struct pawl_queue *queue = PAWL_NEW(struct pawl_queue);
    queue->lane = lane;
    queue->version = pawl_bytes_dup(version);
    pawl_list_init(&queue->lines);
    pawl_map_init(&queue->lines_of, node->config.seed);
    queue->servers_count = lane_count_servers(lane, version);
    pawl_list_push_tail(&lane->queues, &queue->of_lane);
    return queue;
}

void pawl_lanes_put(struct pawl_node *node, bool is_task, struct pawl_bytes name,
                    struct pawl_bytes version, struct pawl_bytes key, struct pawl_list *link)
{
    struct pawl_queue *queue = lane_queue(node, lane_get(node, is_task, name), version);
    pawl_list_push_tail(&queue_line(queue, key)->waiting, link);
}

static void lane_free(struct pawl_map *lanes, struct pawl_lane *lane)
{
    while (!pawl_list_is_empty(&lane->queues)) queue_free(queue_of(lane->queues.next));
    pawl_map_remove(lanes, lane->name);
    pawl_bytes_free(lane->name);
    pawl_mem_free(lane);
}

void pawl_lane_free_if_unused(struct pawl_map *lanes, struct pawl_lane *lane)
{
    if (!pawl_list_is_empty(&lane->servings)) return;
    for (struct pawl_list *link = lane->queues.next; link != &lane->queues; link = link->next)
        if (pawl_queue_first(queue_of(link))) return;
    lane_free(lanes, lane);
}

void pawl_lanes_deinit(struct pawl_map *lanes)
{
    uint32_t cursor = 0;
    for (struct pawl_lane *lane; (lane = pawl_map_next(lanes, &cursor)) != NULL;)
        lane_free(lanes, lane);
    pawl_map_deinit(lanes);
}

/* Workers come and go --------------------------------------------------------------------- */

static struct pawl_serving *serving_find(struct pawl_serving *servings, uint32_t count,
                                         const struct pawl_lane *lane)
{
    for (uint32_t i = 0; i < count; i++)
        if (servings[i].lane == lane) return &servings[i];
    return NULL;
}

static void serving_add(struct pawl_serving *serving, uint32_t versions_max,
                        const struct pawl_registration *registration)
{
    if (registration->latest) serving->latest = true;
    if (pawl_bytes_is_absent(registration->version)) {
        serving->any = true;
        return;
    }
    if (!serving->versions)
        serving->versions = pawl_mem_alloc(versions_max * sizeof *serving->versions);
    serving->versions[serving->versions_count++] = pawl_bytes_dup(registration->version);
}

static void lane_recount(struct pawl_lane *lane)
{
    for (struct pawl_list *link = lane->queues.next; link != &lane->queues; link = link->next) {
        struct pawl_queue *queue = queue_of(link);
        queue->servers_count = lane_count_servers(lane, queue->version);
        if (queue->servers_count) queue->orphaned_ms = 0;
    }
}

struct pawl_serving *pawl_lanes_join(struct pawl_node *node, bool is_task,
                                     const struct pawl_worker *worker, uint32_t count,
                                     const struct pawl_registration *registrations,
                                     uint32_t *ret_count)
{
    struct pawl_serving *servings = pawl_mem_alloc(count * sizeof *servings);
    uint32_t servings_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_lane *lane = lane_get(node, is_task, registrations[i].name);
        /* One name in several versions is one serving. */
        struct pawl_serving *serving = serving_find(servings, servings_count, lane);
        if (!serving) {
            serving = &servings[servings_count++];
            serving->lane = lane;
            serving->worker = worker;
            pawl_list_push_tail(&lane->servings, &serving->of_lane);
        }
        serving_add(serving, count, &registrations[i]);
    }
    for (uint32_t i = 0; i < servings_count; i++) lane_recount(servings[i].lane);
    *ret_count = servings_count;
    return servings;
}

void pawl_lanes_leave(struct pawl_node *node, bool is_task, struct pawl_serving *servings,
                      uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        pawl_list_remove(&servings[i].of_lane);
        for (uint32_t j = 0; j < servings[i].versions_count; j++)
            pawl_bytes_free(servings[i].versions[j]);
        pawl_mem_free(servings[i].versions);
        lane_recount(servings[i].lane);
        pawl_lane_free_if_unused(lanes_of(node, is_task), servings[i].lane);
    }
    pawl_mem_free(servings);
}

/* Taking ---------------------------------------------------------------------------------- */

/* The queue goes to the end, and so does the line: the others come first next time. */
static struct pawl_list *queue_take(struct pawl_queue *queue)
{
    struct pawl_list *first = pawl_queue_first(queue);
    if (!first) return NULL;
    pawl_list_remove(&queue->of_lane);
    pawl_list_push_tail(&queue->lane->queues, &queue->of_lane);
    struct pawl_list *line = queue->lines.next;
    pawl_list_remove(line);
    pawl_list_push_tail(&queue->lines, line);
    return first;
}

static struct pawl_list *lane_next(const struct pawl_node *node, const struct pawl_serving *serving)
{
    const struct pawl_list *queues = &serving->lane->queues;
    if (!pawl_gate_is_open(node, serving->lane->gate)) return NULL;
    for (struct pawl_list *link = queues->next; link != queues; link = link->next) {
        struct pawl_queue *queue = queue_of(link);
        if (!pawl_serving_fits(serving, queue->version)) continue;
        struct pawl_list *first = queue_take(queue);
        if (first) return first;
    }
    return NULL;
}

struct pawl_list *pawl_lanes_next(const struct pawl_node *node, const struct pawl_serving *servings,
                                  uint32_t count, uint32_t *servings_cursor)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_list *first = lane_next(node, &servings[(*servings_cursor + i) % count]);
        if (!first) continue;
        *servings_cursor = (*servings_cursor + i + 1) % count;
        return first;
    }
    return NULL;
}

static struct pawl_list *lane_next_open(const struct pawl_node *node, const struct pawl_lane *lane)
{
    if (!pawl_gate_is_open(node, lane->gate)) return NULL;
    for (struct pawl_list *link = lane->queues.next; link != &lane->queues; link = link->next) {
        struct pawl_queue *queue = queue_of(link);
        struct pawl_list *first = queue->servers_count == 0 ? queue_take(queue) : NULL;
        if (first) return first;
    }
    return NULL;
}

/* What is empty is in nobody's way and goes, so that names which were used once are not
 * walked over for ever. */
struct pawl_list *pawl_lanes_next_open(struct pawl_node *node, bool is_task, uint32_t *cursor)
{
    struct pawl_map *lanes = lanes_of(node, is_task);
    for (uint32_t round = 0; round < 2; round++) {
        for (struct pawl_lane *lane; (lane = pawl_map_next(lanes, cursor)) != NULL;) {
            struct pawl_list *first = lane_next_open(node, lane);
            if (first) return first;
            pawl_lane_free_if_unused(lanes, lane);
        }
        *cursor = 0;
    }
    return NULL;
}
