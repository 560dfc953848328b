/* Clients: each starts one root and raises its events, every call until it is answered. */
#include "tests/sim/world.h"

#include <stdio.h>

/* Clients
 * ------------------------------------------------------------------------------------------ */

#define CLIENT_PATIENCE_MS 3000
#define CLIENT_WAIT_MS     25000

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
    case CLIENT_WAIT:
        request.op = PAWL_REQUEST_WAIT;
        request.wait_for = PAWL_WAIT_COMPLETED;
        request.timeout_ms = 20000;
        request.with_payloads = true;
        break;
    case CLIENT_DONE: PAWL_UNREACHABLE("a client that is done asks nothing");
    }
    if (client->through_other_app)
        request.app = pawl_bytes_str(sim_app_name(sim_app_of(request.instance)));
    *ret_request = request;
}

/* Patience is over: its connection closes, if the sidecar still lives. */
static void client_hang_up(struct sim *sim, struct client *client)
{
    uint64_t life = client->asked_life;
    uint32_t target = client->asked;
    client->asked_life = 0;
    if (!life || sim->nodes[target].life != life) return;
    if (sim->nodes[target].paused_ms > sim->now_ms) return;
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST_GONE };
    event.request.token = client->attempt;
    sim_node_step(sim, target, event);
}

void sim_client_step(struct sim *sim, uint32_t index)
{
    struct client *client = &sim->clients[index];
    if (client->state == CLIENT_DONE) return;
    uint32_t app = sim_app_of(pawl_bytes_str(client->instance));
    if (client->through_other_app) app = 1 - app;
    uint32_t nodes = app == 0 ? SIM_NODES_OF_A : SIM_NODES - SIM_NODES_OF_A;
    uint32_t target =
        (app == 0 ? 0 : SIM_NODES_OF_A) + (uint32_t)pawl_rng_below(&sim->workload, nodes);
    client_hang_up(sim, client);
    client->attempt = (client->attempt / SIM_ROOTS_MAX + 1) * SIM_ROOTS_MAX + index;
    sim_client_again(sim, index,
                     client->state == CLIENT_WAIT ? CLIENT_WAIT_MS : CLIENT_PATIENCE_MS);
    if (!sim->nodes[target].life || sim->nodes[target].paused_ms > sim->now_ms) return;
    struct pawl_arena arena;
    struct pawl_request request;
    pawl_arena_init(&arena);
    client_request(sim, index, &arena, &request);
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = client->attempt;
    event.request.request = &request;
    client->asked = target;
    client->asked_life = sim->nodes[target].life;
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
    case CLIENT_WAIT:
        client->state = CLIENT_DONE;
        sim->coverage->waited++;
        return;
    case CLIENT_DONE: break;
    }
    if (client->state == CLIENT_RAISE && client->will_terminate
        && client->events_raised * 2 >= client->events_wanted)
        client->state = CLIENT_TERMINATE;
    if (client->state == CLIENT_RAISE && client->events_raised == client->events_wanted)
        client->state = CLIENT_DONE;
    if (client->state == CLIENT_DONE && client->will_wait) client->state = CLIENT_WAIT;
}

/* What a client is shown of an ended instance is what it must end with. */
static void client_check_end(struct client *client, const struct pawl_answer *answer)
{
    PAWL_ASSERT(answer->states_count == 1);
    const struct pawl_instance_state *state = &answer->states[0];
    PAWL_ASSERT(pawl_status_is_terminal(state->status));
    if (state->status == PAWL_STATUS_TERMINATED) {
        PAWL_ASSERT(client->will_terminate);
        return;
    }
    struct pawl_arena arena;
    uint32_t events;
    pawl_arena_init(&arena);
    PAWL_ASSERT(
        pawl_bytes_is_equal(state->output, sim_program_expected(&arena, client->seed, &events)));
    pawl_arena_deinit(&arena);
}

void sim_client_on_answer(struct sim *sim, uint64_t token, const struct pawl_answer *answer)
{
    pawl_err err = answer->err;
    uint32_t index = (uint32_t)(token % SIM_ROOTS_MAX);
    struct client *client = &sim->clients[index];
    if (client->attempt != token) return;
    client->asked_life = 0;
    if (!sim->calm && sim_chance(&sim->network, sim->faults.answer_lost)) return;
    bool is_settled = err == PAWL_OK;
    /* An attempt whose answer was lost may have done it. */
    if (client->state == CLIENT_RESUME && err == PAWL_E_STATE) is_settled = true;
    if (client->state == CLIENT_WAIT && is_settled) {
        is_settled = answer->reached;
        if (is_settled) client_check_end(client, answer);
        /* An earlier attempt to suspend, given up, may have come late. */
        bool is_asleep = !is_settled && answer->states_count == 1
                         && answer->states[0].status == PAWL_STATUS_SUSPENDED;
        if (is_asleep && client->will_suspend) client->state = CLIENT_RESUME;
    }
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
