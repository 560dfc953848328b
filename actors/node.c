#include "actors/node.h"

#include <stdarg.h>
#include <stdio.h>

#include "actors/activity.h"
#include "actors/call.h"
#include "actors/directory.h"
#include "actors/job.h"
#include "actors/keeper.h"
#include "actors/limit.h"
#include "actors/news.h"
#include "actors/node_internal.h"
#include "actors/outbox.h"
#include "actors/pace.h"
#include "actors/partition.h"
#include "actors/places.h"
#include "actors/presence.h"
#include "actors/request.h"
#include "actors/retention.h"
#include "actors/router.h"
#include "actors/run.h"
#include "actors/schedule.h"
#include "actors/watch.h"
#include "actors/worker.h"
#include "actors/workflow.h"
#include "base/cover.h"
#include "base/hash.h"
#include "base/mutant.h"

#ifdef PAWL_MUTANTS
enum pawl_mutant pawl_mutant_active = PAWL_MUTANT_NONE;
unsigned long pawl_cover_counts[PAWL_COVER_COUNT];
#endif

const double pawl_histogram_bounds[PAWL_HISTOGRAM_BUCKETS - 1] = { 0.001, 0.002, 0.005, 0.01, 0.025,
                                                                   0.05,  0.1,   0.25,  0.5,  1,
                                                                   5,     30,    300 };

int64_t pawl_node_rest_ms(struct pawl_node *node, uint32_t attempts)
{
    PAWL_ASSERT(attempts >= 2);
    uint32_t doublings = attempts < 10 ? attempts - 2 : 8;
    int64_t rest_ms = (int64_t)PAWL_TURN_RETRY_MS_MIN << doublings;
    if (rest_ms > PAWL_TURN_RETRY_MS_MAX) rest_ms = PAWL_TURN_RETRY_MS_MAX;
    return rest_ms + (int64_t)pawl_rng_below(&node->rng, (uint64_t)rest_ms / 2 + 1);
}

void pawl_histogram_add(struct pawl_histogram *histogram, int64_t ms)
{
    double seconds = (double)(ms > 0 ? ms : 0) / 1000.0;
    uint32_t bucket = 0;
    while (bucket < PAWL_HISTOGRAM_BUCKETS - 1 && seconds > pawl_histogram_bounds[bucket]) bucket++;
    histogram->buckets[bucket]++;
    histogram->count++;
    histogram->sum_seconds += seconds;
}

struct pawl_bytes pawl_bytes_dup(struct pawl_bytes bytes)
{
    if (pawl_bytes_is_absent(bytes)) return PAWL_BYTES_ABSENT;
    uint8_t *copy = pawl_mem_alloc(bytes.size ? bytes.size : 1);
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    return pawl_bytes_make(copy, bytes.size);
}

void pawl_bytes_free(struct pawl_bytes bytes)
{
    union {
        const uint8_t *shown;
        void *owned;
    } memory = { bytes.data };
    pawl_mem_free(memory.owned);
}

struct pawl_partition *pawl_node_partition(struct pawl_node *node, struct pawl_bytes instance)
{
    return &node->partitions[pawl_hash_partition(instance, node->config.partitions)];
}

/* Alarms ---------------------------------------------------------------------------------- */

void pawl_alarm_clear(struct pawl_node *node, struct pawl_alarm *alarm)
{
    pawl_heap_remove(&node->alarms, &alarm->node);
}

void pawl_alarm_set(struct pawl_node *node, struct pawl_alarm *alarm, int64_t due_ms)
{
    pawl_alarm_clear(node, alarm);
    pawl_heap_insert(&node->alarms, &alarm->node, due_ms);
}

/* Alarms set for now while firing wait for the next step, so a step ends. */
static void node_fire_alarms(struct pawl_node *node)
{
    uint64_t end = node->alarms.next_order;
    for (struct pawl_heap_node *due; (due = pawl_heap_peek(&node->alarms)) != NULL;) {
        if (due->due_ms > node->now_ms || due->order >= end) return;
        struct pawl_alarm *alarm = PAWL_CONTAINER_OF(due, struct pawl_alarm, node);
        pawl_alarm_clear(node, alarm);
        alarm->fire(node, alarm);
    }
}

/* Answers, sends, log ------------------------------------------------------------------------ */

void pawl_node_send(struct pawl_node *node, uint64_t worker, const struct pawl_frame *frame)
{
    struct pawl_effect *effect = pawl_effects_push(node->effects, PAWL_EFFECT_SEND);
    effect->send.worker = worker;
    effect->send.frame = frame;
}

void pawl_node_answer(struct pawl_node *node, uint64_t token, const struct pawl_answer *answer)
{
    if (token == 0) return;
    if (pawl_router_owns(token)) {
        pawl_router_on_answer(node, token, answer);
        return;
    }
    if (answer->err != PAWL_OK) node->metrics.requests_failed_total++;
    struct pawl_effect *effect = pawl_effects_push(node->effects, PAWL_EFFECT_ANSWER);
    effect->answer.token = token;
    effect->answer.answer = answer;
}

static struct pawl_bytes node_vprintf(struct pawl_node *node, const char *format, va_list args)
{
    char text[PAWL_MESSAGE_SIZE_MAX];
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): both callers have started it */
    int size = vsnprintf(text, sizeof text, format, args);
    if (size < 0) size = 0;
    if ((size_t)size >= sizeof text) size = (int)sizeof text - 1;
    return pawl_arena_copy(&node->effects->arena, pawl_bytes_make(text, (size_t)size));
}

void pawl_node_answer_err(struct pawl_node *node, uint64_t token, pawl_err err, const char *format,
                          ...)
{
    struct pawl_answer *answer = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_answer);
    va_list args;
    va_start(args, format);
    answer->err = err;
    if (err != PAWL_OK) answer->message = node_vprintf(node, format, args);
    va_end(args);
    pawl_node_answer(node, token, answer);
}

void pawl_node_log(struct pawl_node *node, enum pawl_log_level level, const char *format, ...)
{
    struct pawl_effect *effect = pawl_effects_push(node->effects, PAWL_EFFECT_LOG);
    va_list args;
    va_start(args, format);
    effect->log.level = (int)level;
    effect->log.text = node_vprintf(node, format, args);
    va_end(args);
}

/* Life ------------------------------------------------------------------------------------------
 */

static char *node_copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(pawl_mem_alloc(size), text, size);
}

struct pawl_node *pawl_node_new(const struct pawl_node_config *config)
{
    PAWL_ASSERT(config->partitions >= 1 && config->partitions <= PAWL_PARTITIONS_MAX);
    struct pawl_node *node = PAWL_NEW(struct pawl_node);
    node->app = node_copy_text(config->app);
    node->host = node_copy_text(config->host);
    node->config = *config;
    node->config.app = node->app;
    node->config.host = node->host;
    if (node->config.instance_idle_ms == 0) node->config.instance_idle_ms = PAWL_INSTANCE_IDLE_MS;
    if (node->config.instances_max == 0) node->config.instances_max = PAWL_INSTANCES_MAX;
    if (node->config.wakes_max == 0) node->config.wakes_max = PAWL_WAKES_MAX;
    if (node->config.activities_kept_max == 0)
        node->config.activities_kept_max = PAWL_ACTIVITIES_KEPT_MAX;
    if (node->config.turn_attempts_max == 0)
        node->config.turn_attempts_max = PAWL_TURN_ATTEMPTS_MAX;
    if (node->config.activity_attempts_max == 0)
        node->config.activity_attempts_max = PAWL_ACTIVITY_ATTEMPTS_MAX;
    pawl_rng_init(&node->rng, config->seed);
    pawl_heap_init(&node->alarms);
    pawl_list_init(&node->calls_unused);
    pawl_list_init(&node->calls_finished);
    pawl_list_init(&node->acks);
    struct pawl_map *maps[] = { &node->workflows,  &node->workers,    &node->turn_lanes,
                                &node->task_lanes, &node->activities, &node->activities_token,
                                &node->messages,   &node->waiters,    &node->waiters_token,
                                &node->runs,       &node->runs_id,    &node->activities_run,
                                &node->asks,       &node->asks_asker };
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        pawl_map_init(maps[i], pawl_rng_next(&node->rng));
    pawl_runs_init(node);
    pawl_list_init(&node->asks_parked);
    pawl_list_init(&node->schedule_asks);
    pawl_list_init(&node->jobs);
    pawl_limits_init(node);
    pawl_places_init(node);
    pawl_keeper_init(node);
    pawl_outbox_init(node);
    pawl_workers_init(node);
    pawl_directory_init(node);
    pawl_presence_init(node);
    pawl_partitions_init(node);
    pawl_pace_init(node);
    pawl_retention_init(node);
    pawl_watches_init(node);
    pawl_news_init(node);
    return node;
}

void pawl_node_free(struct pawl_node *node)
{
    if (!node) return;
    struct pawl_effects effects;
    pawl_effects_init(&effects);
    node->effects = &effects;
    pawl_requests_deinit(node);
    pawl_watches_deinit(node);
    pawl_news_deinit(node);
    pawl_workflows_deinit(node);
    pawl_runs_deinit(node);
    pawl_activities_deinit(node);
    pawl_outbox_deinit(node);
    pawl_router_deinit(node);
    pawl_schedules_deinit(node);
    pawl_directory_deinit(node);
    pawl_workers_deinit(node);
    pawl_keeper_deinit(node);
    pawl_places_deinit(node);
    pawl_limits_deinit(node);
    pawl_presence_deinit(node);
    pawl_partitions_deinit(node);
    pawl_pace_deinit(node);
    pawl_retention_deinit(node);
    pawl_calls_deinit(node);
    pawl_jobs_deinit(node);
    pawl_heap_deinit(&node->alarms);
    pawl_effects_deinit(&effects);
    pawl_mem_free(node->app);
    pawl_mem_free(node->host);
    pawl_mem_free(node);
}

/* Steps -----------------------------------------------------------------------------------------
 */

static void node_dispatch(struct pawl_node *node, const struct pawl_node_event *event)
{
    switch (event->type) {
    case PAWL_NODE_TICK: return;
    case PAWL_NODE_OWN:
        pawl_partition_on_own(node, event->own.partition, event->own.table_version);
        return;
    case PAWL_NODE_DISOWN: pawl_partition_on_disown(node, event->own.partition); return;
    case PAWL_NODE_STORE_REPLY: pawl_call_on_store_reply(node, event->store_reply); return;
    case PAWL_NODE_STORE_BACK: pawl_calls_on_store_back(node); return;
    case PAWL_NODE_WORKER_OPENED: pawl_worker_on_opened(node, event->worker, event->hello); return;
    case PAWL_NODE_WORKER_CLOSED: pawl_worker_on_closed(node, event->worker); return;
    case PAWL_NODE_WORKER_CREDIT: pawl_worker_on_credit(node, event->worker, event->credit); return;
    case PAWL_NODE_WORKER_BYE: pawl_worker_on_bye(node, event->worker); return;
    case PAWL_NODE_TURN_DONE:
        pawl_workflow_on_turn_done(node, event->worker, event->turn_done);
        return;
    case PAWL_NODE_NEED_HISTORY:
        pawl_workflow_on_need_history(node, event->worker, &event->need_history);
        return;
    case PAWL_NODE_TURN_RETURNED:
        pawl_workflow_on_turn_returned(node, event->worker, &event->need_history);
        return;
    case PAWL_NODE_ACTIVITY_DONE:
        pawl_activity_on_done(node, event->worker, event->activity_done);
        return;
    case PAWL_NODE_ACTIVITY_RETURNED:
        pawl_activity_on_returned(node, event->worker, event->activity_returned);
        return;
    case PAWL_NODE_ACTIVITY_HEARTBEAT:
        pawl_activity_on_heartbeat(node, event->worker, event->activity_beat);
        return;
    case PAWL_NODE_REQUEST:
        pawl_router_on_request(node, event->request.token, event->request.request);
        return;
    case PAWL_NODE_REQUEST_GONE: pawl_router_on_gone(node, 0, event->request.token); return;
    case PAWL_NODE_MEMBERS: pawl_directory_on_members(node, event->members); return;
    case PAWL_NODE_PEER_FRAME:
        pawl_directory_on_frame(node, event->peer.host, event->peer.frame);
        return;
    case PAWL_NODE_PEER_DOWN: pawl_directory_on_down(node, event->peer.host); return;
    }
    PAWL_UNREACHABLE("not an event");
}

void pawl_node_step(struct pawl_node *node, const struct pawl_node_event *event,
                    struct pawl_effects *effects)
{
    PAWL_ASSERT(event->now_ms >= node->now_ms);
    node->now_ms = event->now_ms;
    node->effects = effects;
    pawl_calls_recycle(node);
    pawl_arena_reset(&effects->arena);
    effects->items = NULL;
    effects->count = 0;
    effects->capacity = 0;

    node_dispatch(node, event);
    node_fire_alarms(node);
    do {
        pawl_places_yield(node);
        pawl_worker_pump(node);
    } while (pawl_places_pump(node));
    pawl_outbox_flush(node);

    const struct pawl_heap_node *next = pawl_heap_peek(&node->alarms);
    effects->wake_at_ms = next ? next->due_ms : 0;
    node->effects = NULL;
}

/* Questions -------------------------------------------------------------------------------------
 */

const struct pawl_node_metrics *pawl_node_metrics(const struct pawl_node *node)
{
    /* Gauges are derived on demand; nothing else of the node changes. */
    union {
        const struct pawl_node *shown;
        struct pawl_node *owned;
    } self = { node };
    struct pawl_node_metrics *metrics = &self.owned->metrics;
    metrics->active_instances = node->workflows.count;
    metrics->turns_running =
        node->workflows_in[PAWL_WORKFLOW_FETCHING] + node->workflows_in[PAWL_WORKFLOW_RUNNING];
    metrics->turns_queued = node->workflows_in[PAWL_WORKFLOW_QUEUED];
    metrics->activities_queued =
        node->activities.count - node->activities_token.count - node->activities_done;
    metrics->activities_sent = node->runs.count;
    metrics->messages = node->messages.count;
    metrics->requests_waiting = node->waiters_token.count;
    metrics->workers = node->workers.count;
    metrics->partitions_owned = node->partitions_owned;
    metrics->limits_count = node->limits.count;
    metrics->limits = pawl_limits_metrics(self.owned);
    return metrics;
}

bool pawl_node_is_ready(const struct pawl_node *node)
{
    bool is_told = node->config.placed ? node->directory.self != NULL : node->partitions_wanted > 0;
    return is_told && node->partitions_owned == node->partitions_wanted;
}

bool pawl_node_is_quiet(const struct pawl_node *node)
{
    return node->calls_in_flight == 0 && node->workflows_in[PAWL_WORKFLOW_FETCHING] == 0
           && node->workflows_in[PAWL_WORKFLOW_RUNNING] == 0 && node->activities_token.count == 0
           && node->activities_done == 0;
}

bool pawl_node_runs_activities(const struct pawl_node *node)
{
    return node->task_workers > 0;
}

bool pawl_node_runs_workflows(const struct pawl_node *node)
{
    return pawl_presence_is_told(node);
}

uint64_t pawl_node_table_version(const struct pawl_node *node)
{
    return node->table_version_seen;
}
