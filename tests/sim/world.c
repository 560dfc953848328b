/* The world: a queue of things that happen, in virtual time. */
#include <stdio.h>

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/mutant.h"
#include "state/copy.h"
#include "tests/sim/sim.h"

enum item_kind {
    ITEM_STORE_APPLY = 1,
    ITEM_STORE_REPLY,
    ITEM_TO_APP,
    ITEM_TO_NODE,
    ITEM_WAKE,
    ITEM_NODE_START,
    ITEM_APP_CONNECT,
    ITEM_ACTIVITY_END,
    ITEM_CLIENT,
    ITEM_FAULTS,
    ITEM_OWN,
};

/* Something that happens at a time. Owns its arena. */
struct item {
    struct pawl_heap_node node;
    enum item_kind kind;
    uint32_t target; /* node or client */
    uint64_t life;   /* of the target when it was sent: another one is not meant */
    uint32_t partition;
    uint64_t version;
    bool silent; /* apply, but nobody hears of it */
    bool lost;   /* STORE_REPLY: what arrives is UNKNOWN */
    struct pawl_arena arena;
    struct pawl_store_request request;
    struct pawl_store_reply reply;
    struct pawl_bytes frame;
    pawl_err err;
};

/* What an app's process remembers of an instance. */
struct held {
    struct pawl_list link;
    struct pawl_bytes instance; /* owned */
    struct pawl_id turn;
    uint32_t count;
    uint32_t capacity;
    struct pawl_bytes *events; /* owned each */
};

/* The app beside a node: one worker connection, one cache. */
struct app {
    uint64_t life; /* of the connection; 0: away */
    struct pawl_list held;
    struct pawl_arena past; /* HISTORY frames of the next turn */
    uint32_t past_count;
    struct pawl_bytes *past_events;
    int64_t to_node_ms; /* links keep order */
    int64_t to_app_ms;
};

struct node {
    uint64_t life; /* 0: dead */
    struct pawl_node *node;
    struct pawl_effects effects;
    int64_t wake_ms; /* of the last WAKE put in the queue */
    int64_t apply_ms;
    int64_t reply_ms;
    struct app app;
};

enum client_state {
    CLIENT_START,
    CLIENT_RAISE,
    CLIENT_SUSPEND,
    CLIENT_RESUME,
    CLIENT_TERMINATE,
    CLIENT_DONE
};

/* A client that starts one root and raises its events, each until it is answered. */
struct client {
    char instance[32];
    uint64_t seed;
    enum client_state state;
    uint32_t events_wanted;
    uint32_t events_raised;
    uint64_t attempt; /* token of the present one */
    bool will_suspend;
    bool will_terminate;
    bool started;
};

struct sim {
    uint64_t seed;
    bool verbose;
    bool calm; /* the liveness phase */
    int64_t now_ms;
    uint64_t trace;
    uint64_t lives;
    struct pawl_heap queue;
    struct pawl_rng world, network, workload;
    struct sim_faults faults;
    struct sim_coverage *coverage;
    struct pawl_mem *mem;
    struct sim_check *check;
    struct node nodes[SIM_NODES];
    uint32_t owner[SIM_PARTITIONS];
    uint64_t table_version;
    uint32_t clients_count;
    struct client clients[SIM_ROOTS_MAX];
};

static bool chance(struct pawl_rng *rng, uint32_t permille)
{
    return pawl_rng_below(rng, 1000) < permille;
}

static int64_t draw_ms(struct pawl_rng *rng, uint32_t max_ms)
{
    return 1 + (int64_t)pawl_rng_below(rng, max_ms ? max_ms : 1);
}

static struct item *item_new(enum item_kind kind, uint32_t target, uint64_t life)
{
    struct item *item = PAWL_NEW(struct item);
    item->kind = kind;
    item->target = target;
    item->life = life;
    pawl_arena_init(&item->arena);
    return item;
}

static void item_free(struct item *item)
{
    pawl_arena_deinit(&item->arena);
    pawl_mem_free(item);
}

static void item_at(struct sim *sim, struct item *item, int64_t at_ms)
{
    pawl_heap_insert(&sim->queue, &item->node, at_ms);
}

/* Store --------------------------------------------------------------------------------------- */

static void store_submit(struct sim *sim, uint32_t target, const struct pawl_store_request *request)
{
    struct node *node = &sim->nodes[target];
    const struct sim_faults *faults = &sim->faults;
    bool calm = sim->calm;
    struct item *item = item_new(ITEM_STORE_APPLY, target, node->life);
    pawl_store_request_copy(&item->arena, request, &item->request);

    int64_t apply_ms = sim->now_ms + draw_ms(&sim->network, faults->store_ms_max);
    if (apply_ms < node->apply_ms) apply_ms = node->apply_ms;
    node->apply_ms = apply_ms;

    if (!calm && chance(&sim->network, faults->store_refuse)) {
        item->kind = ITEM_STORE_REPLY;
        item->reply = (struct pawl_store_reply){ .token = request->token,
                                                 .op = request->op,
                                                 .partition = request->partition,
                                                 .err = PAWL_E_UNAVAILABLE };
        item_at(sim, item, apply_ms);
        return;
    }
    if (!calm && chance(&sim->network, faults->request_twice)) {
        struct item *twice = item_new(ITEM_STORE_APPLY, target, 0);
        pawl_store_request_copy(&twice->arena, request, &twice->request);
        twice->silent = true;
        item_at(sim, twice, apply_ms + draw_ms(&sim->network, 3000));
    }
    bool is_lost = !calm && chance(&sim->network, faults->request_lost);
    bool is_late = !calm && chance(&sim->network, faults->request_late);
    if (is_lost || is_late) {
        struct item *reply = item_new(ITEM_STORE_REPLY, target, node->life);
        reply->lost = true;
        reply->reply = (struct pawl_store_reply){ .token = request->token,
                                                  .op = request->op,
                                                  .partition = request->partition,
                                                  .err = PAWL_E_UNKNOWN };
        item_at(sim, reply, apply_ms + draw_ms(&sim->network, 500));
        if (is_lost) {
            item_free(item);
            return;
        }
        item->silent = true;
        item_at(sim, item, apply_ms + draw_ms(&sim->network, 3000));
        return;
    }
    item->lost = !calm && chance(&sim->network, faults->reply_lost);
    item_at(sim, item, apply_ms);
}

static void store_apply(struct sim *sim, struct item *item)
{
    sim_check_applying(sim->check, &item->request);
    pawl_mem_store_apply(sim->mem, &item->request, &item->arena, &item->reply);
    sim_check_applied(sim->check, &item->request, &item->reply);
    if (item->request.op == PAWL_STORE_COMMIT) {
        if (item->reply.err == PAWL_OK) sim->coverage->commits++;
        if (item->reply.err == PAWL_OK && item->request.commit.carry_count)
            sim->coverage->continued++;
        if (item->reply.err == PAWL_E_CONFLICT) sim->coverage->conflicts++;
    }
    if (item->reply.err == PAWL_E_FENCED) sim->coverage->fenced++;
    if (item->reply.err == PAWL_E_DUPLICATE) sim->coverage->duplicates++;
    if (item->request.op == PAWL_STORE_CREATE && item->request.create.parent.size
        && item->reply.err == PAWL_OK)
        sim->coverage->children++;
    if (item->silent) {
        item_free(item);
        return;
    }
    struct node *node = &sim->nodes[item->target];
    item->kind = ITEM_STORE_REPLY;
    if (item->lost) {
        item->reply = (struct pawl_store_reply){ .token = item->request.token,
                                                 .op = item->request.op,
                                                 .partition = item->request.partition,
                                                 .err = PAWL_E_UNKNOWN };
    }
    int64_t at_ms = sim->now_ms + draw_ms(&sim->network, sim->faults.store_ms_max);
    if (at_ms < node->reply_ms) at_ms = node->reply_ms;
    node->reply_ms = at_ms;
    item_at(sim, item, at_ms);
}

/* Nodes ---------------------------------------------------------------------------------------- */

static void client_on_answer(struct sim *sim, uint64_t token, pawl_err err);

static void app_send(struct sim *sim, uint32_t target, const struct pawl_frame *frame)
{
    struct node *node = &sim->nodes[target];
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct item *item = item_new(ITEM_TO_APP, target, node->app.life);
    item->frame = pawl_arena_copy(&item->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    int64_t at_ms = sim->now_ms + draw_ms(&sim->network, sim->faults.link_ms_max);
    if (at_ms < node->app.to_app_ms) at_ms = node->app.to_app_ms;
    node->app.to_app_ms = at_ms;
    item_at(sim, item, at_ms);
}

static void node_carry_out(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    for (uint32_t i = 0; i < node->effects.count; i++) {
        const struct pawl_effect *effect = &node->effects.items[i];
        switch (effect->type) {
        case PAWL_EFFECT_STORE: store_submit(sim, target, effect->store); break;
        case PAWL_EFFECT_SEND:
            if (effect->send.frame->type == PAWL_FRAME_ACTIVITY)
                sim_check_activity(sim->check, &effect->send.frame->activity);
            if (effect->send.worker == node->app.life) app_send(sim, target, effect->send.frame);
            break;
        case PAWL_EFFECT_ANSWER:
            client_on_answer(sim, effect->answer.token, effect->answer.answer->err);
            break;
        case PAWL_EFFECT_LOG:
            if (sim->verbose)
                printf("[%8lld] node %u: %.*s\n", (long long)(sim->now_ms - SIM_START_MS), target,
                       PAWL_BYTES_FMT(effect->log.text));
            break;
        }
    }
    if (node->effects.wake_at_ms && node->effects.wake_at_ms != node->wake_ms) {
        int64_t at_ms = node->effects.wake_at_ms;
        node->wake_ms = at_ms;
        item_at(sim, item_new(ITEM_WAKE, target, node->life),
                at_ms > sim->now_ms ? at_ms : sim->now_ms);
    }
}

static void node_step(struct sim *sim, uint32_t target, struct pawl_node_event event)
{
    struct node *node = &sim->nodes[target];
    event.now_ms = sim->now_ms;
    pawl_node_step(node->node, &event, &node->effects);
    sim->coverage->steps++;
    node_carry_out(sim, target);
}

static void app_drop_all(struct app *app);

static void app_disconnect(struct sim *sim, uint32_t target, bool process_dies)
{
    struct node *node = &sim->nodes[target];
    uint64_t gone = node->app.life;
    if (!gone) return;
    node->app.life = 0;
    if (process_dies) app_drop_all(&node->app);
    pawl_arena_reset(&node->app.past);
    node->app.past_count = 0;
    if (node->life)
        node_step(sim, target,
                  (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CLOSED, .worker = gone });
    item_at(sim, item_new(ITEM_APP_CONNECT, target, node->life),
            sim->now_ms + draw_ms(&sim->world, 2000));
}

static void node_crash(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    if (!node->life) return;
    node->life = 0;
    node->app.life = 0;
    pawl_arena_reset(&node->app.past);
    node->app.past_count = 0;
    pawl_node_free(node->node);
    node->node = NULL;
    node->wake_ms = 0;
    sim->coverage->node_crashes++;
    item_at(sim, item_new(ITEM_NODE_START, target, 0), sim->now_ms + draw_ms(&sim->world, 3000));
}

static void node_own(struct sim *sim, uint32_t target, uint32_t partition, uint64_t version)
{
    node_step(sim, target,
              (struct pawl_node_event){ .type = PAWL_NODE_OWN, .own = { partition, version } });
}

static void node_start(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    struct pawl_node_config config = { .app = "sim",
                                       .host = "node",
                                       .partitions = SIM_PARTITIONS,
                                       .seed = pawl_rng_next(&sim->world),
                                       .instance_idle_ms = 2000,
                                       /* Innocent ones must survive any storm. */
                                       .turn_attempts_max = UINT32_MAX,
                                       .activity_attempts_max = UINT32_MAX };
    node->life = ++sim->lives;
    node->node = pawl_node_new(&config);
    node->wake_ms = 0;
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        if (sim->owner[i] == target) node_own(sim, target, i, sim->table_version);
    item_at(sim, item_new(ITEM_APP_CONNECT, target, node->life),
            sim->now_ms + draw_ms(&sim->world, 500));
}

/* Ownership moves; the old owner hears of it later, or only from the store. */
static void churn(struct sim *sim)
{
    uint32_t partition = (uint32_t)pawl_rng_below(&sim->world, SIM_PARTITIONS);
    uint32_t from = sim->owner[partition];
    uint32_t to = (uint32_t)pawl_rng_below(&sim->world, SIM_NODES);
    if (to == from) return;
    sim->owner[partition] = to;
    sim->table_version++;
    struct item *item = item_new(ITEM_OWN, from, 0);
    item->partition = partition;
    item_at(sim, item, sim->now_ms + draw_ms(&sim->world, 3000));
    struct item *gain = item_new(ITEM_OWN, to, 0);
    gain->partition = partition;
    item_at(sim, gain, sim->now_ms + draw_ms(&sim->world, 1000));
}

/* A node learns whether it owns a partition, as of now. */
static void own_on_news(struct sim *sim, const struct item *item)
{
    struct node *node = &sim->nodes[item->target];
    if (!node->life) return;
    if (sim->owner[item->partition] == item->target) {
        node_own(sim, item->target, item->partition, sim->table_version);
        return;
    }
    struct pawl_node_event event = { .type = PAWL_NODE_DISOWN };
    event.own.partition = item->partition;
    node_step(sim, item->target, event);
}

/* Apps -------------------------------------------------------------------------------------------
 */

static struct held *held_find(struct app *app, struct pawl_bytes instance)
{
    for (struct pawl_list *link = app->held.next; link != &app->held; link = link->next) {
        struct held *held = PAWL_CONTAINER_OF(link, struct held, link);
        if (pawl_bytes_is_equal(held->instance, instance)) return held;
    }
    return NULL;
}

static uint8_t *bytes_own(struct pawl_bytes bytes)
{
    uint8_t *copy = pawl_mem_alloc(bytes.size);
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static void held_clear(struct held *held)
{
    for (uint32_t i = 0; i < held->count; i++)
        pawl_mem_free((void *)(uintptr_t)held->events[i].data);
    held->count = 0;
}

static void held_free(struct held *held)
{
    held_clear(held);
    pawl_mem_free(held->events);
    pawl_mem_free((void *)(uintptr_t)held->instance.data);
    pawl_list_remove(&held->link);
    pawl_mem_free(held);
}

static void app_drop_all(struct app *app)
{
    while (!pawl_list_is_empty(&app->held))
        held_free(PAWL_CONTAINER_OF(app->held.next, struct held, link));
}

static void held_add(struct held *held, struct pawl_bytes event)
{
    if (held->count == held->capacity) {
        held->capacity = held->capacity ? held->capacity * 2 : 8;
        held->events = pawl_mem_resize(held->events, held->capacity * sizeof *held->events);
    }
    held->events[held->count++] = pawl_bytes_make(bytes_own(event), event.size);
}

static struct held *held_get(struct app *app, struct pawl_bytes instance)
{
    struct held *held = held_find(app, instance);
    if (held) return held;
    held = PAWL_NEW(struct held);
    held->instance = pawl_bytes_make(bytes_own(instance), instance.size);
    pawl_list_push_tail(&app->held, &held->link);
    return held;
}

static void app_reply(struct sim *sim, uint32_t target, const struct pawl_frame *frame)
{
    struct node *node = &sim->nodes[target];
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct item *item = item_new(ITEM_TO_NODE, target, node->app.life);
    item->frame = pawl_arena_copy(&item->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    int64_t at_ms = sim->now_ms + draw_ms(&sim->network, sim->faults.link_ms_max);
    if (at_ms < node->app.to_node_ms) at_ms = node->app.to_node_ms;
    node->app.to_node_ms = at_ms;
    item_at(sim, item, at_ms);
}

static void app_grant(struct sim *sim, uint32_t target, uint32_t turns, uint32_t activities)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_CREDIT };
    frame.credit = (struct pawl_credit){ turns, activities };
    app_reply(sim, target, &frame);
}

/* The events that the worker will find in the history after its turn: what its actions
 * become. It holds them so that the next turn needs only what is new. */
static void held_add_actions(struct held *held, const struct pawl_turn_done *done)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    for (uint32_t i = 0; i < done->actions_count; i++) {
        const struct pawl_action *action = &done->actions[i];
        struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TASK_SCHEDULED, 0);
        event.id = action->id;
        event.ref = action->ref;
        switch (action->kind) {
        case PAWL_ACTION_ACTIVITY: break;
        case PAWL_ACTION_TIMER: event.kind = PAWL_EVENT_TIMER_CREATED; break;
        case PAWL_ACTION_CHILD: event.kind = PAWL_EVENT_CHILD_CREATED; break;
        case PAWL_ACTION_CANCEL_TIMER: event.kind = PAWL_EVENT_TIMER_CANCELLED; break;
        default: continue;
        }
        held_add(held, pawl_history_event_pack(&arena, &event));
    }
    pawl_arena_deinit(&arena);
}

static void app_on_turn(struct sim *sim, uint32_t target, const struct pawl_turn *turn,
                        struct pawl_arena *arena)
{
    struct app *app = &sim->nodes[target].app;
    struct held *held = held_get(app, turn->instance);
    bool is_delta = !pawl_id_is_zero(turn->base);
    if (is_delta) {
        bool holds = held->count > 0 && pawl_id_is_equal(held->turn, turn->base);
        if (!holds || (!sim->calm && chance(&sim->network, sim->faults.cache_drop))) {
            struct pawl_frame need = { .type = PAWL_FRAME_NEED_HISTORY };
            need.need_history =
                (struct pawl_need_history){ .turn = turn->turn, .instance = turn->instance };
            held_free(held);
            sim->coverage->need_history++;
            app_reply(sim, target, &need);
            app_grant(sim, target, 1, 0);
            return;
        }
    } else {
        held_clear(held);
        for (uint32_t i = 0; i < app->past_count; i++) held_add(held, app->past_events[i]);
    }
    pawl_arena_reset(&app->past);
    app->past_count = 0;
    for (uint32_t i = 0; i < turn->events_count; i++) held_add(held, turn->events[i]);

    struct pawl_frame done = { .type = PAWL_FRAME_TURN_DONE };
    sim_program_run(turn, held->count, held->events, arena, &done.turn_done);
    done.turn_done.cached = true;
    held->turn = turn->turn;
    app_reply(sim, target, &done);
    held_add_actions(held, &done.turn_done);
    app_grant(sim, target, 1, 0);
}

static void app_on_history(struct app *app, const struct pawl_history_chunk *chunk)
{
    struct pawl_bytes *grown =
        PAWL_ARENA_ARRAY(&app->past, struct pawl_bytes, app->past_count + chunk->events_count);
    if (app->past_count) memcpy(grown, app->past_events, app->past_count * sizeof *grown);
    app->past_events = grown;
    for (uint32_t i = 0; i < chunk->events_count; i++)
        app->past_events[app->past_count++] = pawl_arena_copy(&app->past, chunk->events[i]);
}

static void app_on_activity(struct sim *sim, uint32_t target, struct item *item,
                            const struct pawl_activity_item *activity)
{
    struct item *end = item_new(ITEM_ACTIVITY_END, target, item->life);
    struct pawl_frame done = { .type = PAWL_FRAME_ACTIVITY_DONE };
    done.activity_done.token = activity->token;
    bool failed = sim_activity_result(activity->payload, &end->arena, &done.activity_done.payload);
    if (failed) {
        done.activity_done.payload = PAWL_BYTES_ABSENT;
        done.activity_done.failure =
            (struct pawl_failure_view){ .present = true, .type = PAWL_BYTES_LITERAL("Unlucky") };
    }
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, &done);
    end->frame = pawl_arena_copy(&end->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    item_at(sim, end, sim->now_ms + draw_ms(&sim->network, sim->faults.activity_ms_max));
}

static void app_on_frame(struct sim *sim, struct item *item)
{
    struct node *node = &sim->nodes[item->target];
    if (!node->app.life || node->app.life != item->life) return;
    struct pawl_frame frame;
    pawl_err err = pawl_frame_decode(item->frame, &item->arena, &frame);
    PAWL_ASSERT(err == PAWL_OK);
    switch (frame.type) {
    case PAWL_FRAME_TURN: app_on_turn(sim, item->target, &frame.turn, &item->arena); break;
    case PAWL_FRAME_HISTORY: app_on_history(&node->app, &frame.history); break;
    case PAWL_FRAME_ACTIVITY: app_on_activity(sim, item->target, item, &frame.activity); break;
    case PAWL_FRAME_EVICT: {
        struct held *held = held_find(&node->app, frame.evict.instance);
        if (held) held_free(held);
        break;
    }
    default: PAWL_UNREACHABLE("the engine sends no other frame to a worker");
    }
}

static void app_connect(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    if (!node->life || node->app.life) return;
    struct pawl_registration program = { .name = PAWL_BYTES_LITERAL("Program") };
    struct pawl_registration work = { .name = PAWL_BYTES_LITERAL("Work") };
    struct pawl_hello hello = {
        .workflows_count = 1, .workflows = &program, .activities_count = 1, .activities = &work
    };
    node->app.life = ++sim->lives;
    node_step(sim, target,
              (struct pawl_node_event){
                  .type = PAWL_NODE_WORKER_OPENED, .worker = node->app.life, .hello = &hello });
    app_grant(sim, target, 4, 8);
}

static void node_on_frame(struct sim *sim, struct item *item)
{
    struct node *node = &sim->nodes[item->target];
    if (!node->life || !node->app.life || node->app.life != item->life) return;
    struct pawl_frame frame;
    pawl_err err = pawl_frame_decode(item->frame, &item->arena, &frame);
    PAWL_ASSERT(err == PAWL_OK);
    struct pawl_node_event event = { .worker = item->life };
    switch (frame.type) {
    case PAWL_FRAME_CREDIT:
        event.type = PAWL_NODE_WORKER_CREDIT;
        event.credit = frame.credit;
        break;
    case PAWL_FRAME_TURN_DONE:
        event.type = PAWL_NODE_TURN_DONE;
        event.turn_done = &frame.turn_done;
        break;
    case PAWL_FRAME_NEED_HISTORY:
        event.type = PAWL_NODE_NEED_HISTORY;
        event.need_history = frame.need_history;
        break;
    case PAWL_FRAME_ACTIVITY_DONE:
        event.type = PAWL_NODE_ACTIVITY_DONE;
        event.activity_done = &frame.activity_done;
        break;
    default: PAWL_UNREACHABLE("the model's app sends no other frame");
    }
    node_step(sim, item->target, event);
}

static void activity_end(struct sim *sim, struct item *item)
{
    struct node *node = &sim->nodes[item->target];
    if (!node->app.life || node->app.life != item->life) return;
    struct item *frame = item_new(ITEM_TO_NODE, item->target, item->life);
    frame->frame = pawl_arena_copy(&frame->arena, item->frame);
    item_at(sim, frame, sim->now_ms + draw_ms(&sim->network, sim->faults.link_ms_max));
    app_grant(sim, item->target, 0, 1);
}

/* Clients
 * ------------------------------------------------------------------------------------------ */

#define CLIENT_PATIENCE_MS 3000

static void client_again(struct sim *sim, uint32_t index, int64_t in_ms)
{
    struct item *item = item_new(ITEM_CLIENT, index, sim->clients[index].attempt);
    item_at(sim, item, sim->now_ms + in_ms);
}

static void client_request(struct sim *sim, uint32_t index, struct pawl_arena *arena,
                           struct pawl_request *ret_request)
{
    struct client *client = &sim->clients[index];
    struct pawl_request request = { .instance = pawl_bytes_str(client->instance) };
    switch (client->state) {
    case CLIENT_START:
        request.op = PAWL_REQUEST_START;
        request.name = PAWL_BYTES_LITERAL("Program");
        request.payload = sim_program_input(arena, client->seed);
        request.request_id = pawl_arena_printf(arena, "start-%u", index);
        break;
    case CLIENT_RAISE:
        request.op = PAWL_REQUEST_RAISE;
        request.name = PAWL_BYTES_LITERAL("event");
        request.payload = pawl_arena_printf(arena, "%u", client->events_raised);
        request.request_id = pawl_arena_printf(arena, "raise-%u-%u", index, client->events_raised);
        break;
    case CLIENT_SUSPEND: request.op = PAWL_REQUEST_SUSPEND; break;
    case CLIENT_RESUME: request.op = PAWL_REQUEST_RESUME; break;
    case CLIENT_TERMINATE:
        request.op = PAWL_REQUEST_TERMINATE;
        request.recursive = true;
        break;
    case CLIENT_DONE: PAWL_UNREACHABLE("a client that is done asks nothing");
    }
    *ret_request = request;
}

static void client_step(struct sim *sim, uint32_t index)
{
    struct client *client = &sim->clients[index];
    if (client->state == CLIENT_DONE) return;
    uint32_t target =
        sim->owner[pawl_hash_partition(pawl_bytes_str(client->instance), SIM_PARTITIONS)];
    client->attempt = (client->attempt / SIM_ROOTS_MAX + 1) * SIM_ROOTS_MAX + index;
    client_again(sim, index, CLIENT_PATIENCE_MS);
    if (!sim->nodes[target].life) return;
    struct pawl_arena arena;
    struct pawl_request request;
    pawl_arena_init(&arena);
    client_request(sim, index, &arena, &request);
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = client->attempt;
    event.request.request = &request;
    node_step(sim, target, event);
    pawl_arena_deinit(&arena);
}

static void client_next(struct sim *sim, struct client *client)
{
    switch (client->state) {
    case CLIENT_START:
        client->started = true;
        sim_check_acknowledged(sim->check, pawl_bytes_str(client->instance), 0);
        client->state = client->will_suspend ? CLIENT_SUSPEND : CLIENT_RAISE;
        break;
    case CLIENT_SUSPEND:
        client->state = CLIENT_RESUME;
        sim->coverage->suspended++;
        break;
    case CLIENT_RESUME: client->state = CLIENT_RAISE; break;
    case CLIENT_RAISE:
        client->events_raised++;
        sim->coverage->events++;
        break;
    case CLIENT_TERMINATE:
        client->state = CLIENT_DONE;
        sim->coverage->terminated++;
        break;
    case CLIENT_DONE: break;
    }
    if (client->state == CLIENT_RAISE && client->will_terminate
        && client->events_raised * 2 >= client->events_wanted)
        client->state = CLIENT_TERMINATE;
    if (client->state == CLIENT_RAISE && client->events_raised == client->events_wanted)
        client->state = CLIENT_DONE;
}

static void client_on_answer(struct sim *sim, uint64_t token, pawl_err err)
{
    uint32_t index = (uint32_t)(token % SIM_ROOTS_MAX);
    struct client *client = &sim->clients[index];
    if (client->attempt != token) return;
    if (!sim->calm && chance(&sim->network, sim->faults.answer_lost)) return;
    bool is_settled = err == PAWL_OK;
    /* An attempt whose answer was lost may have done it. */
    if (client->state == CLIENT_RESUME && err == PAWL_E_STATE) is_settled = true;
    if (client->state != CLIENT_START && err == PAWL_E_TERMINAL) {
        /* A workflow that waits for an event has not ended; but the last one may have been
         * taken by an attempt whose answer was lost. */
        bool is_last = client->events_raised + 1 == client->events_wanted;
        PAWL_ASSERT(client->state != CLIENT_RAISE || client->will_terminate || is_last);
        is_settled = true;
        client->state = CLIENT_TERMINATE;
    }
    PAWL_ASSERT(err != PAWL_E_NOT_FOUND || !client->started); /* acknowledged means there */
    PAWL_ASSERT(err != PAWL_E_EXISTS);
    PAWL_ASSERT(err != PAWL_E_INVALID);
    client->attempt = (client->attempt / SIM_ROOTS_MAX + 1) * SIM_ROOTS_MAX + index;
    if (is_settled) client_next(sim, client);
    client_again(sim, index, draw_ms(&sim->workload, is_settled ? 3000 : 500));
}

/* Faults
 * -------------------------------------------------------------------------------------------- */

static uint32_t draw_rate(struct pawl_rng *rng, uint32_t max)
{
    if (pawl_rng_below(rng, 2) == 0) return 0;
    uint32_t rate = 1;
    while (rate < max && pawl_rng_below(rng, 4) != 0) rate *= 2;
    return rate < max ? rate : max;
}

/* Swarm: each fault may be off; a storm seed takes one to the extreme. */
static void faults_draw(struct sim *sim)
{
    struct pawl_rng *rng = &sim->world;
    struct sim_faults *faults = &sim->faults;
    *faults = (struct sim_faults){
        .node_crash = draw_rate(rng, 60),
        .app_crash = draw_rate(rng, 100),
        .link_cut = draw_rate(rng, 100),
        .churn = draw_rate(rng, 300),
        .store_refuse = draw_rate(rng, 50),
        .request_lost = draw_rate(rng, 50),
        .reply_lost = draw_rate(rng, 50),
        .request_late = draw_rate(rng, 30),
        .request_twice = draw_rate(rng, 50),
        .cache_drop = draw_rate(rng, 200),
        .answer_lost = draw_rate(rng, 300),
        .store_ms_max = 1 + (uint32_t)pawl_rng_below(rng, 40),
        .link_ms_max = 1 + (uint32_t)pawl_rng_below(rng, 20),
        .activity_ms_max = 1 + (uint32_t)pawl_rng_below(rng, 4000),
    };
    if (pawl_rng_below(rng, 4) != 0) return;
    uint32_t *storm[] = { &faults->node_crash, &faults->app_crash,    &faults->link_cut,
                          &faults->churn,      &faults->reply_lost,   &faults->request_late,
                          &faults->cache_drop, &faults->request_twice };
    *storm[pawl_rng_below(rng, sizeof storm / sizeof storm[0])] = 400;
}

static void faults_happen(struct sim *sim)
{
    sim_check_wake(sim->check);
    if (!sim->calm) {
        for (uint32_t i = 0; i < SIM_NODES; i++) {
            if (chance(&sim->world, sim->faults.node_crash)) node_crash(sim, i);
            if (chance(&sim->world, sim->faults.app_crash)) {
                sim->coverage->app_crashes++;
                app_disconnect(sim, i, true);
            }
            if (chance(&sim->world, sim->faults.link_cut)) app_disconnect(sim, i, false);
        }
        if (chance(&sim->world, sim->faults.churn)) churn(sim);
    }
    item_at(sim, item_new(ITEM_FAULTS, 0, 0), sim->now_ms + 1000);
}

/* Run
 * --------------------------------------------------------------------------------------------------
 */

static void item_run(struct sim *sim, struct item *item)
{
    struct node *node = item->kind == ITEM_CLIENT ? NULL : &sim->nodes[item->target];
    switch (item->kind) {
    case ITEM_STORE_APPLY: store_apply(sim, item); return; /* keeps or frees it */
    case ITEM_STORE_REPLY:
        if (node->life && node->life == item->life) {
            if (item->reply.err == PAWL_E_UNKNOWN) sim->coverage->unknown++;
            node_step(sim, item->target,
                      (struct pawl_node_event){ .type = PAWL_NODE_STORE_REPLY,
                                                .store_reply = &item->reply });
        }
        break;
    case ITEM_TO_APP: app_on_frame(sim, item); break;
    case ITEM_TO_NODE: node_on_frame(sim, item); break;
    case ITEM_WAKE:
        if (node->life && node->life == item->life) {
            node->wake_ms = 0;
            node_step(sim, item->target, (struct pawl_node_event){ .type = PAWL_NODE_TICK });
        }
        break;
    case ITEM_NODE_START:
        if (!node->life) node_start(sim, item->target);
        break;
    case ITEM_APP_CONNECT: app_connect(sim, item->target); break;
    case ITEM_ACTIVITY_END: activity_end(sim, item); break;
    case ITEM_CLIENT:
        if (sim->clients[item->target].attempt == item->life) client_step(sim, item->target);
        break;
    case ITEM_FAULTS: faults_happen(sim); break;
    case ITEM_OWN: own_on_news(sim, item); break;
    }
    item_free(item);
}

static void sim_init(struct sim *sim, uint64_t seed)
{
    struct pawl_rng seeds;
    pawl_rng_init(&seeds, seed);
    pawl_rng_init(&sim->world, pawl_rng_next(&seeds));
    pawl_rng_init(&sim->network, pawl_rng_next(&seeds));
    pawl_rng_init(&sim->workload, pawl_rng_next(&seeds));
    sim->now_ms = SIM_START_MS;
    sim->table_version = 1;
    pawl_heap_init(&sim->queue);
    sim->mem = pawl_mem_store_new();
    sim->check = sim_check_new(sim->mem);
    faults_draw(sim);
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        sim->owner[i] = (uint32_t)pawl_rng_below(&sim->world, SIM_NODES);
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        pawl_effects_init(&sim->nodes[i].effects);
        pawl_list_init(&sim->nodes[i].app.held);
        pawl_arena_init(&sim->nodes[i].app.past);
        node_start(sim, i);
    }
    sim->clients_count = 1 + (uint32_t)pawl_rng_below(&sim->workload, SIM_ROOTS_MAX);
    for (uint32_t i = 0; i < sim->clients_count; i++) {
        struct client *client = &sim->clients[i];
        struct pawl_arena arena;
        pawl_arena_init(&arena);
        snprintf(client->instance, sizeof client->instance, "root-%u", i);
        client->seed = pawl_rng_next(&sim->workload) >> 8;
        client->will_suspend = pawl_rng_below(&sim->workload, 5) == 0;
        client->will_terminate = pawl_rng_below(&sim->workload, 10) == 0;
        client->attempt = i;
        (void)sim_program_expected(&arena, client->seed, &client->events_wanted);
        pawl_arena_deinit(&arena);
        client_again(sim, i, draw_ms(&sim->workload, SIM_SAFETY_MS / 2));
    }
    item_at(sim, item_new(ITEM_FAULTS, 0, 0), sim->now_ms + 1000);
}

static void sim_until(struct sim *sim, int64_t end_ms, bool stop_when_finished)
{
    uint64_t events = 0;
    for (;;) {
        struct pawl_heap_node *next = pawl_heap_peek(&sim->queue);
        if (!next || next->due_ms > end_ms) break;
        struct item *item = PAWL_CONTAINER_OF(next, struct item, node);
        pawl_heap_remove(&sim->queue, next);
        sim->now_ms = item->node.due_ms;
        sim->trace =
            (sim->trace ^ ((uint64_t)sim->now_ms * 31 + (uint64_t)item->kind * 7 + item->target))
            * UINT64_C(1099511628211);
        item_run(sim, item);
        if (!stop_when_finished || ++events % 512) continue;
        struct pawl_arena arena;
        struct pawl_bytes why;
        pawl_arena_init(&arena);
        bool is_finished = sim_check_is_finished(sim->check, &arena, &why);
        for (uint32_t i = 0; i < sim->clients_count; i++)
            is_finished = is_finished && sim->clients[i].state == CLIENT_DONE;
        pawl_arena_deinit(&arena);
        if (is_finished) return;
    }
    sim->now_ms = end_ms;
}

static void sim_check_outputs(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->clients_count; i++) {
        const struct client *client = &sim->clients[i];
        struct pawl_arena arena;
        uint32_t events = 0;
        pawl_arena_init(&arena);
        struct pawl_bytes instance = pawl_bytes_str(client->instance);
        struct pawl_store_request request = { .op = PAWL_STORE_LOAD,
                                              .partition =
                                                  pawl_hash_partition(instance, SIM_PARTITIONS) };
        struct pawl_store_reply reply;
        request.load = (struct pawl_load){ .instance = instance, .want = PAWL_LOAD_PAYLOADS };
        pawl_mem_store_apply(sim->mem, &request, &arena, &reply);
        PAWL_ASSERT(reply.err == PAWL_OK);
        enum pawl_status status = reply.load.snapshot.metadata.status;
        bool may_be_terminated = client->will_terminate && status == PAWL_STATUS_TERMINATED;
        if (!may_be_terminated) {
            PAWL_ASSERT(status == PAWL_STATUS_COMPLETED);
            PAWL_ASSERT(pawl_bytes_is_equal(reply.load.snapshot.payloads.output,
                                            sim_program_expected(&arena, client->seed, &events)));
        }
        pawl_arena_deinit(&arena);
    }
}

static void sim_deinit(struct sim *sim)
{
    for (struct pawl_heap_node *node; (node = pawl_heap_peek(&sim->queue)) != NULL;) {
        pawl_heap_remove(&sim->queue, node);
        item_free(PAWL_CONTAINER_OF(node, struct item, node));
    }
    pawl_heap_deinit(&sim->queue);
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        pawl_node_free(sim->nodes[i].node);
        pawl_effects_deinit(&sim->nodes[i].effects);
        app_drop_all(&sim->nodes[i].app);
        pawl_arena_deinit(&sim->nodes[i].app.past);
    }
    sim_check_free(sim->check);
    pawl_mem_store_free(sim->mem);
}

uint64_t sim_run(uint64_t seed, bool verbose, struct sim_coverage *coverage)
{
    struct sim *sim = PAWL_NEW(struct sim);
    sim->seed = seed;
    sim->verbose = verbose;
    sim->coverage = coverage;
    sim_init(sim, seed);
    sim_until(sim, SIM_START_MS + SIM_SAFETY_MS, false);

    sim->calm = true;
    sim_until(sim, SIM_START_MS + SIM_SAFETY_MS + SIM_LIVENESS_MS, true);
    struct pawl_arena arena;
    struct pawl_bytes why;
    pawl_arena_init(&arena);
    if (!sim_check_is_finished(sim->check, &arena, &why)) {
        fprintf(stderr, "seed %llu did not finish: %.*s\n", (unsigned long long)seed,
                PAWL_BYTES_FMT(why));
        PAWL_ASSERT(!"everything ends when faults have stopped");
    }
    pawl_arena_deinit(&arena);
    sim_check_outputs(sim);
    uint64_t trace = sim->trace;
    sim_deinit(sim);
    pawl_mem_free(sim);
    return trace;
}
