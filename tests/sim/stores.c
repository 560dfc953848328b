/* Stores: one per app. What is sent may be refused, lost, late or executed twice. */
#include "state/copy.h"
#include "tests/sim/world.h"

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
        twice->app = item->app;
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

void sim_store_apply(struct sim *sim, struct item *item)
{
    sim_check_applying(sim->check, item->app, &item->request);
    pawl_mem_store_apply(sim->mems[item->app], &item->request, &item->arena, &item->reply);
    sim_check_applied(sim->check, item->app, &item->request, &item->reply);
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
