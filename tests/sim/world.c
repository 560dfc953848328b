/* The world: a queue of things that happen, in virtual time. */
#include "tests/sim/world.h"

#include <stdio.h>

#include "base/hash.h"
#include "state/copy.h"

bool sim_chance(struct pawl_rng *rng, uint32_t permille)
{
    return pawl_rng_below(rng, 1000) < permille;
}

int64_t sim_draw_ms(struct pawl_rng *rng, uint32_t max_ms)
{
    return 1 + (int64_t)pawl_rng_below(rng, max_ms ? max_ms : 1);
}

struct item *sim_item_new(enum item_kind kind, uint32_t target, uint64_t life)
{
    struct item *item = PAWL_NEW(struct item);
    item->kind = kind;
    item->target = target;
    item->life = life;
    pawl_arena_init(&item->arena);
    return item;
}

void sim_item_free(struct item *item)
{
    pawl_arena_deinit(&item->arena);
    pawl_mem_free(item);
}

void sim_item_at(struct sim *sim, struct item *item, int64_t at_ms)
{
    pawl_heap_insert(&sim->queue, &item->node, at_ms);
}

/* Store --------------------------------------------------------------------------------------- */

static void store_submit(struct sim *sim, uint32_t target, const struct pawl_store_request *request)
{
    struct node *node = &sim->nodes[target];
    const struct sim_faults *faults = &sim->faults;
    bool calm = sim->calm;
    struct item *item = sim_item_new(ITEM_STORE_APPLY, target, node->life);
    pawl_store_request_copy(&item->arena, request, &item->request);

    int64_t apply_ms = sim->now_ms + sim_draw_ms(&sim->network, faults->store_ms_max);
    if (apply_ms < node->apply_ms) apply_ms = node->apply_ms;
    node->apply_ms = apply_ms;

    if (!calm && sim_chance(&sim->network, faults->store_refuse)) {
        item->kind = ITEM_STORE_REPLY;
        item->reply = (struct pawl_store_reply){ .token = request->token,
                                                 .op = request->op,
                                                 .partition = request->partition,
                                                 .err = PAWL_E_UNAVAILABLE };
        sim_item_at(sim, item, apply_ms);
        return;
    }
    if (!calm && sim_chance(&sim->network, faults->request_twice)) {
        struct item *twice = sim_item_new(ITEM_STORE_APPLY, target, 0);
        pawl_store_request_copy(&twice->arena, request, &twice->request);
        twice->silent = true;
        sim_item_at(sim, twice, apply_ms + sim_draw_ms(&sim->network, 3000));
    }
    bool is_lost = !calm && sim_chance(&sim->network, faults->request_lost);
    bool is_late = !calm && sim_chance(&sim->network, faults->request_late);
    if (is_lost || is_late) {
        struct item *reply = sim_item_new(ITEM_STORE_REPLY, target, node->life);
        reply->lost = true;
        reply->reply = (struct pawl_store_reply){ .token = request->token,
                                                  .op = request->op,
                                                  .partition = request->partition,
                                                  .err = PAWL_E_UNKNOWN };
        sim_item_at(sim, reply, apply_ms + sim_draw_ms(&sim->network, 500));
        if (is_lost) {
            sim_item_free(item);
            return;
        }
        item->silent = true;
        sim_item_at(sim, item, apply_ms + sim_draw_ms(&sim->network, 3000));
        return;
    }
    item->lost = !calm && sim_chance(&sim->network, faults->reply_lost);
    sim_item_at(sim, item, apply_ms);
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
        sim_item_free(item);
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
    int64_t at_ms = sim->now_ms + sim_draw_ms(&sim->network, sim->faults.store_ms_max);
    if (at_ms < node->reply_ms) at_ms = node->reply_ms;
    node->reply_ms = at_ms;
    sim_item_at(sim, item, at_ms);
}

/* Nodes ---------------------------------------------------------------------------------------- */

static void app_send(struct sim *sim, uint32_t target, const struct pawl_frame *frame)
{
    struct node *node = &sim->nodes[target];
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct item *item = sim_item_new(ITEM_TO_APP, target, node->app.life);
    item->frame = pawl_arena_copy(&item->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    int64_t at_ms = sim->now_ms + sim_draw_ms(&sim->network, sim->faults.link_ms_max);
    if (at_ms < node->app.to_app_ms) at_ms = node->app.to_app_ms;
    node->app.to_app_ms = at_ms;
    sim_item_at(sim, item, at_ms);
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
            sim_client_on_answer(sim, effect->answer.token, effect->answer.answer->err);
            break;
        case PAWL_EFFECT_PEER_SEND: break;
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
        sim_item_at(sim, sim_item_new(ITEM_WAKE, target, node->life),
                    at_ms > sim->now_ms ? at_ms : sim->now_ms);
    }
}

void sim_node_step(struct sim *sim, uint32_t target, struct pawl_node_event event)
{
    struct node *node = &sim->nodes[target];
    event.now_ms = sim->now_ms;
    pawl_node_step(node->node, &event, &node->effects);
    sim->coverage->steps++;
    node_carry_out(sim, target);
}

static void app_disconnect(struct sim *sim, uint32_t target, bool process_dies)
{
    struct node *node = &sim->nodes[target];
    uint64_t gone = node->app.life;
    if (!gone) return;
    node->app.life = 0;
    if (process_dies) sim_app_drop_all(&node->app);
    pawl_arena_reset(&node->app.past);
    node->app.past_count = 0;
    if (node->life)
        sim_node_step(sim, target,
                      (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CLOSED, .worker = gone });
    sim_item_at(sim, sim_item_new(ITEM_APP_CONNECT, target, node->life),
                sim->now_ms + sim_draw_ms(&sim->world, 2000));
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
    sim_item_at(sim, sim_item_new(ITEM_NODE_START, target, 0),
                sim->now_ms + sim_draw_ms(&sim->world, 3000));
}

static void node_own(struct sim *sim, uint32_t target, uint32_t partition, uint64_t version)
{
    sim_node_step(sim, target,
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
    sim_item_at(sim, sim_item_new(ITEM_APP_CONNECT, target, node->life),
                sim->now_ms + sim_draw_ms(&sim->world, 500));
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
    struct item *item = sim_item_new(ITEM_OWN, from, 0);
    item->partition = partition;
    sim_item_at(sim, item, sim->now_ms + sim_draw_ms(&sim->world, 3000));
    struct item *gain = sim_item_new(ITEM_OWN, to, 0);
    gain->partition = partition;
    sim_item_at(sim, gain, sim->now_ms + sim_draw_ms(&sim->world, 1000));
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
    sim_node_step(sim, item->target, event);
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
            if (sim_chance(&sim->world, sim->faults.node_crash)) node_crash(sim, i);
            if (sim_chance(&sim->world, sim->faults.app_crash)) {
                sim->coverage->app_crashes++;
                app_disconnect(sim, i, true);
            }
            if (sim_chance(&sim->world, sim->faults.link_cut)) app_disconnect(sim, i, false);
        }
        if (sim_chance(&sim->world, sim->faults.churn)) churn(sim);
    }
    sim_item_at(sim, sim_item_new(ITEM_FAULTS, 0, 0), sim->now_ms + 1000);
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
            sim_node_step(sim, item->target,
                          (struct pawl_node_event){ .type = PAWL_NODE_STORE_REPLY,
                                                    .store_reply = &item->reply });
        }
        break;
    case ITEM_TO_APP: sim_app_on_frame(sim, item); break;
    case ITEM_TO_NODE: sim_node_on_frame(sim, item); break;
    case ITEM_WAKE:
        if (node->life && node->life == item->life) {
            node->wake_ms = 0;
            sim_node_step(sim, item->target, (struct pawl_node_event){ .type = PAWL_NODE_TICK });
        }
        break;
    case ITEM_NODE_START:
        if (!node->life) node_start(sim, item->target);
        break;
    case ITEM_APP_CONNECT: sim_app_connect(sim, item->target); break;
    case ITEM_ACTIVITY_END: sim_activity_end(sim, item); break;
    case ITEM_CLIENT:
        if (sim->clients[item->target].attempt == item->life) sim_client_step(sim, item->target);
        break;
    case ITEM_FAULTS: faults_happen(sim); break;
    case ITEM_OWN: own_on_news(sim, item); break;
    }
    sim_item_free(item);
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
        sim_client_again(sim, i, sim_draw_ms(&sim->workload, SIM_SAFETY_MS / 2));
    }
    sim_item_at(sim, sim_item_new(ITEM_FAULTS, 0, 0), sim->now_ms + 1000);
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
        sim_item_free(PAWL_CONTAINER_OF(node, struct item, node));
    }
    pawl_heap_deinit(&sim->queue);
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        pawl_node_free(sim->nodes[i].node);
        pawl_effects_deinit(&sim->nodes[i].effects);
        sim_app_drop_all(&sim->nodes[i].app);
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
