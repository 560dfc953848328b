#include "tests/unit/actors/cluster.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "placement/ring.h"

static const char *const names[CLUSTER_HOSTS] = { "x1", "x2", "y1" };

static const char *app_of(uint32_t host)
{
    return host == Y1 ? "y" : "x";
}

/* On its way to a node: a reply of the store, or a frame. */
struct cluster_item {
    struct cluster_item *next;
    struct pawl_arena arena;
    uint32_t to;
    bool is_reply;
    struct pawl_store_reply reply;
    uint32_t from;
    bool is_down; /* instead of a frame */
    struct pawl_bytes frame;
};

static struct cluster_item *item_new(struct cluster *cluster, uint32_t to)
{
    struct cluster_item *item = PAWL_NEW(struct cluster_item);
    pawl_arena_init(&item->arena);
    item->to = to;
    if (cluster->last)
        cluster->last->next = item;
    else
        cluster->first = item;
    cluster->last = item;
    return item;
}

static struct cluster_item *item_take(struct cluster *cluster)
{
    struct cluster_item *item = cluster->first;
    if (!item) return NULL;
    cluster->first = item->next;
    if (!cluster->first) cluster->last = NULL;
    return item;
}

static void item_free(struct cluster_item *item)
{
    pawl_arena_deinit(&item->arena);
    pawl_mem_free(item);
}

/* Effects -------------------------------------------------------------------------------- */

static void keep_frame(struct cluster *cluster, uint32_t host, const struct pawl_frame *frame)
{
    struct cluster_node *node = &cluster->nodes[host];
    PAWL_ASSERT(node->frames_count < CLUSTER_FRAMES_MAX);
    struct pawl_buf buf;
    pawl_buf_init(&buf, UINT32_MAX);
    pawl_frame_encode(&buf, frame);
    struct pawl_bytes bytes = pawl_arena_copy(&cluster->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    struct pawl_frame *copy = PAWL_ARENA_NEW(&cluster->arena, struct pawl_frame);
    pawl_err err = pawl_frame_decode(bytes, &cluster->arena, copy);
    PAWL_ASSERT(err == PAWL_OK);
    node->frames[node->frames_count++] = copy;
}

static void keep_answer(struct cluster *cluster, uint64_t token, const struct pawl_answer *answer)
{
    PAWL_ASSERT(cluster->answers_count < CLUSTER_ANSWERS_MAX);
    struct cluster_answer *kept = &cluster->answers[cluster->answers_count++];
    *kept = (struct cluster_answer){ .token = token,
                                     .err = answer->err,
                                     .reached = answer->reached,
                                     .cursor = pawl_arena_copy(&cluster->arena, answer->cursor),
                                     .events_count = answer->events_count,
                                     .message = pawl_arena_copy(&cluster->arena, answer->message) };
    if (answer->states_count == 0) return;
    kept->status = answer->states[0].status;
    kept->output = pawl_arena_copy(&cluster->arena, answer->states[0].output);
    kept->waiting_for = pawl_arena_copy(&cluster->arena, answer->states[0].waiting_for);
}

static void ask_store(struct cluster *cluster, uint32_t host,
                      const struct pawl_store_request *request)
{
    struct cluster_item *item = item_new(cluster, host);
    item->is_reply = true;
    pawl_mem_store_apply(cluster->mems[host == Y1], request, &item->arena, &item->reply);
    if (request->op == PAWL_STORE_PURGE) {
        cluster->last_purge = request->purge;
        cluster->last_purge.instance = pawl_arena_copy(&cluster->arena, request->purge.instance);
    }
    if (cluster->unknown[request->op] == 0) return;
    cluster->unknown[request->op]--;
    item->reply = (struct pawl_store_reply){ .token = request->token,
                                             .op = request->op,
                                             .partition = request->partition,
                                             .err = PAWL_E_UNKNOWN };
}

static uint32_t host_named(struct pawl_bytes name)
{
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++)
        if (pawl_bytes_is_str(name, names[i])) return i;
    PAWL_UNREACHABLE("frames go to hosts of the list");
}

static void send_frame(struct cluster *cluster, uint32_t from, uint32_t to,
                       const struct pawl_peer_frame *frame)
{
    struct pawl_buf buf;
    cluster->sent[frame->type]++;
    if (frame->type == PAWL_PEER_MESSAGE_DONE) {
        cluster->last_message_done = frame->message_done.err;
        cluster->answered += frame->message_done.event.size > 0;
    }
    if (cluster->lose[frame->type]) return;
    if (cluster->nodes[to].is_dead) {
        struct cluster_item *down = item_new(cluster, from);
        down->is_down = true;
        down->from = to;
        return;
    }
    struct cluster_item *item = item_new(cluster, to);
    item->from = from;
    pawl_buf_init(&buf, UINT32_MAX);
    pawl_peer_frame_encode(&buf, frame);
    item->frame = pawl_arena_copy(&item->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
}

static void step_once(struct cluster *cluster, uint32_t host, struct pawl_node_event event)
{
    struct cluster_node *node = &cluster->nodes[host];
    event.now_ms = cluster->now_ms;
    pawl_node_step(node->node, &event, &node->effects);
    node->wake_at_ms = node->effects.wake_at_ms;
    for (uint32_t i = 0; i < node->effects.count; i++) {
        const struct pawl_effect *effect = &node->effects.items[i];
        switch (effect->type) {
        case PAWL_EFFECT_STORE: ask_store(cluster, host, effect->store); break;
        case PAWL_EFFECT_SEND: keep_frame(cluster, host, effect->send.frame); break;
        case PAWL_EFFECT_ANSWER:
            keep_answer(cluster, effect->answer.token, effect->answer.answer);
            break;
        case PAWL_EFFECT_PEER_SEND:
            send_frame(cluster, host, host_named(effect->peer.host), effect->peer.frame);
            break;
        case PAWL_EFFECT_LOG:
            if (effect->log.level == PAWL_LOG_ERROR) node->errors_logged++;
            break;
        }
    }
}

static void item_run(struct cluster *cluster, struct cluster_item *item)
{
    struct pawl_node_event event = { .type = PAWL_NODE_STORE_REPLY, .store_reply = &item->reply };
    struct pawl_peer_frame frame;
    if (cluster->nodes[item->to].is_dead) return;
    if (!item->is_reply) {
        event = (struct pawl_node_event){ .type = PAWL_NODE_PEER_DOWN };
        event.peer.host = pawl_bytes_str(names[item->from]);
        event.peer.app = pawl_bytes_str(app_of(item->from));
    }
    if (!item->is_reply && !item->is_down) {
        pawl_err err = pawl_peer_frame_decode(item->frame, &item->arena, &frame);
        PAWL_ASSERT(err == PAWL_OK);
        event.type = PAWL_NODE_PEER_FRAME;
        event.peer.frame = &frame;
    }
    step_once(cluster, item->to, event);
}

void cluster_step(struct cluster *cluster, enum cluster_host host, struct pawl_node_event event)
{
    step_once(cluster, host, event);
    for (struct cluster_item *item; (item = item_take(cluster)) != NULL;) {
        item_run(cluster, item);
        item_free(item);
    }
}

void cluster_forge(struct cluster *cluster, enum cluster_host from, enum cluster_host to,
                   const struct pawl_peer_frame *frame)
{
    send_frame(cluster, from, to, frame);
    cluster_step(cluster, to, (struct pawl_node_event){ .type = PAWL_NODE_TICK });
}

/* Time ----------------------------------------------------------------------------------- */

static uint32_t wake_first(const struct cluster *cluster)
{
    uint32_t first = CLUSTER_HOSTS;
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++) {
        const struct cluster_node *node = &cluster->nodes[i];
        if (node->is_dead || node->wake_at_ms == 0) continue;
        if (first == CLUSTER_HOSTS || node->wake_at_ms < cluster->nodes[first].wake_at_ms)
            first = i;
    }
    return first;
}

void cluster_pass(struct cluster *cluster, int64_t ms)
{
    int64_t end_ms = cluster->now_ms + ms;
    for (uint32_t host; (host = wake_first(cluster)) != CLUSTER_HOSTS;) {
        if (cluster->nodes[host].wake_at_ms > end_ms) break;
        if (cluster->nodes[host].wake_at_ms > cluster->now_ms)
            cluster->now_ms = cluster->nodes[host].wake_at_ms;
        cluster_step(cluster, (enum cluster_host)host,
                     (struct pawl_node_event){ .type = PAWL_NODE_TICK });
    }
    cluster->now_ms = end_ms;
}

/* Hosts ---------------------------------------------------------------------------------- */

static struct pawl_member member_of(const struct cluster *cluster, uint32_t host)
{
    const struct cluster_node *node = &cluster->nodes[host];
    return (struct pawl_member){ .host = pawl_bytes_str(names[host]),
                                 .app = pawl_bytes_str(app_of(host)),
                                 .address = PAWL_BYTES_LITERAL("tcp://127.0.0.1:1"),
                                 .partitions = CLUSTER_PARTITIONS,
                                 .leaving = node->is_leaving,
                                 .runs_activities = pawl_node_runs_activities(node->node),
                                 .runs_workflows = pawl_node_runs_workflows(node->node) };
}

void cluster_tell_alone(struct cluster *cluster, enum cluster_host host, uint64_t version)
{
    struct pawl_member item = member_of(cluster, host);
    struct pawl_members members = { .version = version, .items = &item, .count = 1 };
    cluster_step(cluster, host,
                 (struct pawl_node_event){ .type = PAWL_NODE_MEMBERS, .members = &members });
}

void cluster_tell_members(struct cluster *cluster)
{
    struct pawl_member items[CLUSTER_HOSTS];
    struct pawl_members members = { .version = ++cluster->version, .items = items };
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++) {
        if (cluster->nodes[i].is_dead) continue;
        items[members.count] = member_of(cluster, i);
        cluster->nodes[i].has_turns = items[members.count++].runs_workflows;
    }
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++)
        if (!cluster->nodes[i].is_dead && !cluster->nodes[i].is_deaf)
            cluster_step(
                cluster, (enum cluster_host)i,
                (struct pawl_node_event){ .type = PAWL_NODE_MEMBERS, .members = &members });
}

struct cluster *cluster_new(void)
{
    return cluster_new_limited(0, NULL);
}

struct cluster *cluster_new_limited(uint32_t count, const struct pawl_limit_rule *rules)
{
    struct cluster *cluster = PAWL_NEW(struct cluster);
    cluster->now_ms = 1000000;
    pawl_arena_init(&cluster->arena);
    for (uint32_t i = 0; i < 2; i++) cluster->mems[i] = pawl_mem_store_new();
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++) {
        struct pawl_node_config config = { .app = app_of(i),
                                           .host = names[i],
                                           .partitions = CLUSTER_PARTITIONS,
                                           .placed = true,
                                           .limits_count = count,
                                           .limits = rules,
                                           .seed = 1 + i };
        cluster->nodes[i].node = pawl_node_new(&config);
        pawl_effects_init(&cluster->nodes[i].effects);
    }
    cluster_tell_members(cluster);
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++)
        PAWL_ASSERT(pawl_node_is_ready(cluster->nodes[i].node));
    return cluster;
}

void cluster_free(struct cluster *cluster)
{
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++) {
        pawl_node_free(cluster->nodes[i].node);
        pawl_effects_deinit(&cluster->nodes[i].effects);
    }
    for (uint32_t i = 0; i < 2; i++) pawl_mem_store_free(cluster->mems[i]);
    pawl_arena_deinit(&cluster->arena);
    pawl_mem_free(cluster);
}

static void tell_down(struct cluster *cluster, enum cluster_host to, enum cluster_host peer)
{
    struct pawl_node_event event = { .type = PAWL_NODE_PEER_DOWN };
    event.peer.host = pawl_bytes_str(names[peer]);
    event.peer.app = pawl_bytes_str(app_of(peer));
    cluster_step(cluster, to, event);
}

void cluster_kill(struct cluster *cluster, enum cluster_host host)
{
    cluster->nodes[host].is_dead = true;
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++)
        if (!cluster->nodes[i].is_dead) tell_down(cluster, (enum cluster_host)i, host);
}

void cluster_revive(struct cluster *cluster, enum cluster_host host)
{
    cluster->nodes[host].is_dead = false;
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++)
        if (i != host) tell_down(cluster, host, (enum cluster_host)i);
}

void cluster_connect(struct cluster *cluster, enum cluster_host host, enum cluster_worker worker)
{
    struct pawl_registration workflow = { .name = PAWL_BYTES_LITERAL("W") };
    struct pawl_registration activity = { .name = PAWL_BYTES_LITERAL("A") };
    struct pawl_hello hello = { .workflows_count = worker == TURNS,
                                .workflows = &workflow,
                                .activities_count = worker != TURNS,
                                .activities = &activity };
    if (worker == OLDER) activity.name = PAWL_BYTES_LITERAL("B");
    uint32_t room = worker == BUSY ? 0 : 10;
    cluster_step(cluster, host,
                 (struct pawl_node_event){
                     .type = PAWL_NODE_WORKER_OPENED, .worker = worker, .hello = &hello });
    cluster_step(cluster, host,
                 (struct pawl_node_event){
                     .type = PAWL_NODE_WORKER_CREDIT, .worker = worker, .credit = { room, room } });
}

void cluster_disconnect(struct cluster *cluster, enum cluster_host host, enum cluster_worker worker)
{
    cluster_step(cluster, host,
                 (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CLOSED, .worker = worker });
}

/* One of app x that may own something. */
static bool host_stays(const struct cluster *cluster, uint32_t host)
{
    return host != Y1 && !cluster->nodes[host].is_dead && !cluster->nodes[host].is_leaving;
}

static bool host_owns(const struct cluster *cluster, uint32_t host, struct pawl_bytes instance)
{
    if (host == Y1) return true;
    struct pawl_bytes hosts[CLUSTER_HOSTS];
    uint32_t numbers[CLUSTER_HOSTS], count = 0, owners[CLUSTER_PARTITIONS];
    bool one_has_turns = false;
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++)
        one_has_turns |= host_stays(cluster, i) && cluster->nodes[i].has_turns;
    for (uint32_t i = 0; i < CLUSTER_HOSTS; i++) {
        if (!host_stays(cluster, i) || (one_has_turns && !cluster->nodes[i].has_turns)) continue;
        numbers[count] = i;
        hosts[count++] = pawl_bytes_str(names[i]);
    }
    pawl_ring_assign(count, hosts, CLUSTER_PARTITIONS, owners);
    return numbers[owners[pawl_hash_partition(instance, CLUSTER_PARTITIONS)]] == host;
}

const char *cluster_instance(struct cluster *cluster, enum cluster_host host, uint32_t nth)
{
    for (uint32_t i = 0;; i++) {
        struct pawl_bytes id = pawl_arena_printf(&cluster->arena, "i%u%c", i, 0);
        const char *text = (const char *)id.data;
        if (host_owns(cluster, host, pawl_bytes_str(text)) && nth-- == 0) return text;
    }
}

/* Calls ---------------------------------------------------------------------------------- */

const struct cluster_answer *cluster_answer(const struct cluster *cluster, uint64_t token)
{
    for (uint32_t i = 0; i < cluster->answers_count; i++)
        if (cluster->answers[i].token == token) return &cluster->answers[i];
    return NULL;
}

uint64_t cluster_ask(struct cluster *cluster, enum cluster_host host,
                     const struct pawl_request *request)
{
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = ++cluster->last_token;
    event.request.request = request;
    cluster_step(cluster, host, event);
    return event.request.token;
}

pawl_err cluster_call(struct cluster *cluster, enum cluster_host host, enum pawl_request_op op,
                      const char *app, const char *instance)
{
    struct pawl_request request = { .op = op,
                                    .app = app ? pawl_bytes_str(app) : PAWL_BYTES_ABSENT,
                                    .reuse = PAWL_REUSE_TERMINAL,
                                    .with_payloads = true,
                                    .recursive = true,
                                    .instance = pawl_bytes_str(instance),
                                    .name = PAWL_BYTES_LITERAL("W") };
    const struct cluster_answer *answer =
        cluster_answer(cluster, cluster_ask(cluster, host, &request));
    PAWL_ASSERT(answer != NULL);
    return answer->err;
}

pawl_err cluster_start(struct cluster *cluster, enum cluster_host host, const char *instance)
{
    return cluster_call(cluster, host, PAWL_REQUEST_START, NULL, instance);
}

struct cluster_answer cluster_get(struct cluster *cluster, enum cluster_host host, const char *app,
                                  const char *instance)
{
    pawl_err err = cluster_call(cluster, host, PAWL_REQUEST_GET, app, instance);
    PAWL_ASSERT(err == PAWL_OK);
    return cluster->answers[cluster->answers_count - 1];
}

/* Workers -------------------------------------------------------------------------------- */

const struct pawl_frame *cluster_next(struct cluster *cluster, enum cluster_host host,
                                      enum pawl_frame_type type)
{
    struct cluster_node *node = &cluster->nodes[host];
    while (node->frames_seen < node->frames_count) {
        const struct pawl_frame *frame = node->frames[node->frames_seen++];
        if (frame->type == type) return frame;
    }
    return NULL;
}

void cluster_turn(struct cluster *cluster, enum cluster_host host, uint32_t actions_count,
                  struct pawl_action *actions)
{
    const struct pawl_frame *frame = cluster_next(cluster, host, PAWL_FRAME_TURN);
    PAWL_ASSERT(frame != NULL);
    struct pawl_turn_done done = { .turn = frame->turn.turn,
                                   .instance = frame->turn.instance,
                                   .cached = true,
                                   .actions_count = actions_count,
                                   .actions = actions };
    cluster_step(cluster, host,
                 (struct pawl_node_event){
                     .type = PAWL_NODE_TURN_DONE, .worker = TURNS, .turn_done = &done });
    cluster_step(cluster, host,
                 (struct pawl_node_event){
                     .type = PAWL_NODE_WORKER_CREDIT, .worker = TURNS, .credit = { 1, 0 } });
}

void cluster_complete(struct cluster *cluster, enum cluster_host host, const char *output)
{
    struct pawl_action end = { .kind = PAWL_ACTION_COMPLETE,
                               .id = -1,
                               .ref = -1,
                               .status = PAWL_STATUS_COMPLETED,
                               .payload = pawl_bytes_str(output) };
    cluster_turn(cluster, host, 1, &end);
}

struct pawl_failure_view cluster_failure(struct cluster *cluster, enum cluster_host host)
{
    const struct pawl_frame *frame = cluster_next(cluster, host, PAWL_FRAME_TURN);
    PAWL_ASSERT(frame != NULL);
    for (uint32_t i = 0; i < frame->turn.events_count; i++) {
        struct pawl_history_event event;
        pawl_err err = pawl_history_event_decode(frame->turn.events[i], &event);
        PAWL_ASSERT(err == PAWL_OK);
        if (event.failure.present) return event.failure;
    }
    PAWL_UNREACHABLE("the turn brings no failure");
}

void cluster_activity_done(struct cluster *cluster, enum cluster_host host,
                           const struct pawl_activity_item *item)
{
    struct pawl_activity_done done = { .token = item->token,
                                       .payload = PAWL_BYTES_LITERAL("done") };
    cluster_step(cluster, host,
                 (struct pawl_node_event){
                     .type = PAWL_NODE_ACTIVITY_DONE, .worker = TASKS, .activity_done = &done });
}

struct pawl_action cluster_activity(int32_t id, const char *target_app, int64_t start_within_ms)
{
    return (struct pawl_action){ .kind = PAWL_ACTION_ACTIVITY,
                                 .id = id,
                                 .ref = -1,
                                 .name = PAWL_BYTES_LITERAL("A"),
                                 .target_app =
                                     target_app ? pawl_bytes_str(target_app) : PAWL_BYTES_ABSENT,
                                 .start_within_ms = start_within_ms };
}

struct pawl_action cluster_child(int32_t id, const char *target_app, const char *instance)
{
    struct pawl_action action = cluster_activity(id, target_app, 0);
    action.kind = PAWL_ACTION_CHILD;
    action.name = PAWL_BYTES_LITERAL("W");
    action.instance = pawl_bytes_str(instance);
    return action;
}
