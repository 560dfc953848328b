/* Stores: one per app. What is sent may be refused, lost, late or executed twice. */
#include "base/mutant.h"
#include "state/copy.h"
#include "tests/sim/world.h"

/* A start may be in the hands of somebody who stands still for long. There are few of them. */
static uint32_t twice_ms_max(enum pawl_store_op op)
{
    return op == PAWL_STORE_CREATE ? SIM_LATE_MS : 3000;
}

static uint32_t twice_chance(const struct sim_faults *faults, enum pawl_store_op op)
{
    return op == PAWL_STORE_CREATE ? faults->request_twice * 40 : faults->request_twice;
}

static bool is_refused(struct sim *sim, const struct item *item)
{
    if (sim->now_ms < sim->shards[item->app].away_ms[item->request.partition]) return true;
    if (sim->now_ms < sim->nodes[item->target].store_cut_ms) return true;
    return !sim->calm && sim_chance(&sim->network, sim->faults.store_refuse);
}

void sim_store_submit(struct sim *sim, uint32_t target, const struct pawl_store_request *request)
{
    struct node *node = &sim->nodes[target];
    const struct sim_faults *faults = &sim->faults;
    bool calm = sim->calm;
    struct item *item = sim_item_new(ITEM_STORE_APPLY, target, node->life);
    item->app = sim_node_app(target);
    pawl_store_request_copy(&item->arena, request, &item->request);

    int64_t apply_ms = sim->now_ms + sim_draw_ms(&sim->network, faults->store_ms_max);
    if (apply_ms < node->apply_ms) apply_ms = node->apply_ms;
    node->apply_ms = apply_ms;

    if (is_refused(sim, item)) {
        item->kind = ITEM_STORE_REPLY;
        item->reply = (struct pawl_store_reply){ .token = request->token,
                                                 .op = request->op,
                                                 .partition = request->partition,
                                                 .err = PAWL_E_UNAVAILABLE };
        sim_item_at(sim, item, apply_ms);
        return;
    }
    if (!calm && sim_chance(&sim->network, twice_chance(faults, request->op))) {
        struct item *twice = sim_item_new(ITEM_STORE_APPLY, target, 0);
        pawl_store_request_copy(&twice->arena, request, &twice->request);
        twice->app = item->app;
        twice->silent = true;
        sim_item_at(sim, twice, apply_ms + sim_draw_ms(&sim->network, twice_ms_max(request->op)));
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

/* Replica -----------------------------------------------------------------------------------------
 */

static bool op_writes(enum pawl_store_op op)
{
    return op != PAWL_STORE_LOAD && op != PAWL_STORE_QUERY && op != PAWL_STORE_INSPECT;
}

static void shard_log(struct sim *sim, struct item *item)
{
    struct shard *shard = &sim->shards[item->app];
    item->shard_generation = shard->generation;
    if (sim->faults.replica_ms_max == 0) return;
    if (op_writes(item->request.op)) {
        if (shard->log_count == shard->log_capacity) {
            shard->log_capacity = shard->log_capacity * 2 + 64;
            shard->log = pawl_mem_resize(shard->log, shard->log_capacity * sizeof *shard->log);
        }
        struct log_entry *entry = &shard->log[shard->log_count];
        int64_t before_ms = shard->log_count ? entry[-1].replicated_ms : 0;
        entry->arena = PAWL_NEW(struct pawl_arena);
        pawl_arena_init(entry->arena);
        pawl_store_request_copy(entry->arena, &item->request, &entry->request);
        entry->number = ++shard->log_last;
        entry->replicated_ms = sim->now_ms + sim_draw_ms(&sim->network, sim->faults.replica_ms_max);
        if (entry->replicated_ms < before_ms) entry->replicated_ms = before_ms;
        shard->log_count++;
    }
    item->log_number = shard->log_last;
}

/* When the replica has all that the answer rests on. A read does not wait. */
static int64_t shard_durable_ms(const struct sim *sim, const struct item *item)
{
    const struct shard *shard = &sim->shards[item->app];
    if (!op_writes(item->request.op) || shard->log_count == 0) return 0;
    if (PAWL_MUTANT(ANSWER_BEFORE_REPLICA)) return 0;
    return shard->log[shard->log_count - 1].replicated_ms;
}

bool sim_store_is_lost(const struct sim *sim, const struct item *item)
{
    const struct shard *shard = &sim->shards[item->app];
    if (PAWL_MUTANT(ANSWER_BEFORE_REPLICA) || !op_writes(item->request.op)) return false;
    for (uint32_t i = item->shard_generation; i < shard->generation; i++) {
        const struct cut *cut = &shard->cuts[i];
        bool is_of_it = cut->partitions >> item->request.partition & 1u;
        if (is_of_it && item->log_number > cut->kept) return true;
    }
    return false;
}

void sim_store_cut(struct sim *sim, uint32_t target, int64_t for_ms)
{
    struct node *node = &sim->nodes[target];
    if (!node->life) return;
    sim->coverage->store_cuts++;
    node->store_cut_ms = sim->now_ms + for_ms;
    sim_item_at(sim, sim_item_new(ITEM_STORE_BACK, target, node->life), node->store_cut_ms);
}

bool sim_store_is_unheard(const struct sim *sim, const struct item *item)
{
    const struct node *node = &sim->nodes[item->target];
    bool is_cut = sim->now_ms < node->store_cut_ms || sim->now_ms < node->store_deaf_ms;
    return is_cut && item->reply.err != PAWL_E_UNAVAILABLE; /* that one nobody had to say */
}

static void entry_free(struct log_entry *entry)
{
    pawl_arena_deinit(entry->arena);
    pawl_mem_free(entry->arena);
}

/* Returns how many were lost. */
static uint32_t log_cut(struct shard *shard, const struct cut *cut)
{
    uint32_t kept = 0;
    uint32_t count = shard->log_count;
    for (uint32_t i = 0; i < count; i++) {
        struct log_entry *entry = &shard->log[i];
        bool is_of_it = cut->partitions >> entry->request.partition & 1u;
        if (is_of_it && entry->number > cut->kept)
            entry_free(entry);
        else
            shard->log[kept++] = *entry;
    }
    shard->log_count = kept;
    return count - kept;
}

/* The last entry that the replica has. */
static uint64_t log_replicated(const struct sim *sim, const struct shard *shard)
{
    uint32_t kept = shard->log_count;
    while (kept > 0 && shard->log[kept - 1].replicated_ms > sim->now_ms) kept--;
    return kept ? shard->log[kept - 1].number : 0;
}

static void shard_replay(struct sim *sim, uint32_t app)
{
    struct shard *shard = &sim->shards[app];
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    for (uint32_t i = 0; i < shard->log_count; i++) {
        struct pawl_store_reply reply;
        pawl_mem_store_apply(shard->mem, &shard->log[i].request, &arena, &reply);
        sim_check_owner(sim->check, app, &shard->log[i].request, &reply);
        pawl_arena_reset(&arena);
    }
    pawl_arena_deinit(&arena);
}

void sim_store_fail_over(struct sim *sim, uint32_t app, uint32_t partitions)
{
    struct shard *shard = &sim->shards[app];
    if (sim->faults.replica_ms_max == 0) return;
    struct cut cut = { partitions, log_replicated(sim, shard) };
    sim->coverage->failovers++;
    sim->coverage->lost_writes += log_cut(shard, &cut);
    if (shard->cuts_count == shard->cuts_capacity) {
        shard->cuts_capacity = shard->cuts_capacity * 2 + 16;
        shard->cuts = pawl_mem_resize(shard->cuts, shard->cuts_capacity * sizeof *shard->cuts);
    }
    shard->cuts[shard->cuts_count++] = cut;
    shard->generation++;
    int64_t back_ms = sim->now_ms + sim_draw_ms(&sim->world, 2000);
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        if (partitions >> i & 1u) shard->away_ms[i] = back_ms;
    pawl_mem_store_free(shard->mem);
    shard->mem = pawl_mem_store_new();
    sim_check_failed_over(sim->check, app, partitions, shard->mem);
    shard_replay(sim, app);
    for (uint32_t i = 0; i < SIM_NODES; i++)
        if (sim->nodes[i].life && sim_node_app(i) == app)
            sim_item_at(sim, sim_item_new(ITEM_STORE_BACK, i, sim->nodes[i].life), back_ms);
}

void sim_store_init(struct sim *sim, uint32_t app)
{
    sim->shards[app].mem = pawl_mem_store_new();
}

void sim_store_deinit(struct sim *sim, uint32_t app)
{
    struct shard *shard = &sim->shards[app];
    for (uint32_t i = 0; i < shard->log_count; i++) entry_free(&shard->log[i]);
    pawl_mem_free(shard->log);
    pawl_mem_free(shard->cuts);
    pawl_mem_store_free(shard->mem);
}

void sim_store_apply(struct sim *sim, struct item *item)
{
    if (item->request.op == PAWL_STORE_PURGE)
        sim_reader_check_purge(sim, item->app, &item->request);
    sim_check_applying(sim->check, item->app, &item->request);
    bool is_known = sim_detached_is_there(sim, item->app, &item->request);
    pawl_mem_store_apply(sim->shards[item->app].mem, &item->request, &item->arena, &item->reply);
    sim_check_applied(sim->check, item->app, &item->request, &item->reply);
    sim_schedule_on_applied(sim, item->app, &item->request, &item->reply);
    sim_detached_on_applied(sim, &item->request, &item->reply, is_known);
    if (item->request.op == PAWL_STORE_COMMIT) {
        if (item->reply.err == PAWL_OK) sim->coverage->commits++;
        if (item->reply.err == PAWL_OK && item->request.commit.carry_count)
            sim->coverage->continued++;
        if (item->reply.err == PAWL_E_CONFLICT) sim->coverage->conflicts++;
    }
    if (item->reply.err == PAWL_E_FENCED) sim->coverage->fenced++;
    if (item->reply.err == PAWL_E_DUPLICATE) sim->coverage->duplicates++;
    if (item->request.op == PAWL_STORE_CREATE && item->request.create.parent.size
        && item->reply.err == PAWL_OK) {
        struct pawl_parent parent;
        pawl_err err = pawl_parent_decode(item->request.create.parent, &parent);
        PAWL_ASSERT(err == PAWL_OK);
        sim->coverage->children++;
        if (parent.app.size) sim->coverage->cross_app++;
    }
    shard_log(sim, item);
    if (item->silent) {
        sim_item_free(item);
        return;
    }
    struct node *node = &sim->nodes[item->target];
    item->kind = ITEM_STORE_REPLY;
    int64_t durable_ms = shard_durable_ms(sim, item);
    if (item->lost) {
        item->reply = (struct pawl_store_reply){ .token = item->request.token,
                                                 .op = item->request.op,
                                                 .partition = item->request.partition,
                                                 .err = PAWL_E_UNKNOWN };
    }
    int64_t at_ms = sim->now_ms + sim_draw_ms(&sim->network, sim->faults.store_ms_max);
    if (at_ms < durable_ms) at_ms = durable_ms;
    if (at_ms < node->reply_ms) at_ms = node->reply_ms;
    node->reply_ms = at_ms;
    sim_item_at(sim, item, at_ms);
}
