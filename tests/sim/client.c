/* Clients: each starts one root and raises its events, every call until it is answered. */
#include "tests/sim/world.h"

#include <stdio.h>

#include "base/hash.h"

/* Clients
 * ------------------------------------------------------------------------------------------ */

#define CLIENT_PATIENCE_MS 3000

void sim_client_again(struct sim *sim, uint32_t index, int64_t in_ms)
{
    struct item *item = sim_item_new(ITEM_CLIENT, index, sim->clients[index].attempt);
    sim_item_at(sim, item, sim->now_ms + in_ms);
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

void sim_client_step(struct sim *sim, uint32_t index)
{
    struct client *client = &sim->clients[index];
    if (client->state == CLIENT_DONE) return;
    uint32_t target =
        sim->owner[pawl_hash_partition(pawl_bytes_str(client->instance), SIM_PARTITIONS)];
    client->attempt = (client->attempt / SIM_ROOTS_MAX + 1) * SIM_ROOTS_MAX + index;
    sim_client_again(sim, index, CLIENT_PATIENCE_MS);
    if (!sim->nodes[target].life) return;
    struct pawl_arena arena;
    struct pawl_request request;
    pawl_arena_init(&arena);
    client_request(sim, index, &arena, &request);
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = client->attempt;
    event.request.request = &request;
    sim_node_step(sim, target, event);
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

void sim_client_on_answer(struct sim *sim, uint64_t token, pawl_err err)
{
    uint32_t index = (uint32_t)(token % SIM_ROOTS_MAX);
    struct client *client = &sim->clients[index];
    if (client->attempt != token) return;
    if (!sim->calm && sim_chance(&sim->network, sim->faults.answer_lost)) return;
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
    sim_client_again(sim, index, sim_draw_ms(&sim->workload, is_settled ? 3000 : 500));
}
