/* Clients: each starts one root and raises its events, every call until it is answered. */
#include "tests/sim/world.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/tags.h"

/* Clients
 * ------------------------------------------------------------------------------------------ */

#define CLIENT_PATIENCE_MS 3000
#define CLIENT_WAIT_MS     25000

void sim_client_again(struct sim *sim, uint32_t index, int64_t in_ms)
{
    struct item *item = sim_item_new(ITEM_CLIENT, index, sim->clients[index].attempt);
    sim_item_at(sim, item, sim->now_ms + in_ms);
}

static struct pawl_bytes first_request_id(struct pawl_arena *arena, uint32_t index)
{
    return pawl_arena_printf(arena, "start-%u", index);
}

/* Of the same app, which the first letter tells, and with the same code, which the last one
 * tells. */
static struct pawl_bytes rerun_instance(struct pawl_arena *arena, const struct client *client)
{
    return pawl_arena_printf(arena, "%cr%u.%s", client->instance[0], client->rerun_from,
                             client->instance);
}

/* Both instances of a client have its tag, and nobody else's has. */
static struct pawl_bytes client_tags(struct pawl_arena *arena, uint32_t index)
{
    struct pawl_tags tags = { .count = 0 };
    const char *wrong =
        pawl_tags_add(&tags, PAWL_BYTES_LITERAL("client"), pawl_arena_printf(arena, "%u", index));
    PAWL_ASSERT(!wrong);
    return pawl_tags_pack(arena, &tags);
}

/* Every other client terminates by its tag. */
static bool client_is_by_tag(const struct client *client, uint32_t index)
{
    return client->state == CLIENT_TERMINATE && index % 2 == 1;
}

static void client_add_event(const struct client *client, struct pawl_arena *arena,
                             struct pawl_request *request)
{
    request->event_name = PAWL_BYTES_LITERAL("event");
    request->event_data = pawl_arena_printf(arena, "%u", client->events_raised);
}

static void client_request(struct sim *sim, uint32_t index, struct pawl_arena *arena,
                           struct pawl_request *ret_request)
{
    struct client *client = &sim->clients[index];
    struct pawl_request request = { .instance = pawl_bytes_str(client->instance),
                                    .reuse = PAWL_REUSE_TERMINAL };
    switch (client->state) {
    case CLIENT_REPLACE: request.reuse = PAWL_REUSE_TERMINATE; /* fall through */
    case CLIENT_AGAIN:
        client->asked_again = true;
        request.op = PAWL_REQUEST_START;
        request.name = PAWL_BYTES_LITERAL("Program");
        request.payload = sim_program_again_input(arena, client->seed);
        request.request_id = pawl_arena_printf(arena, "again-%u", index);
        request.tags = client_tags(arena, index);
        break;
    case CLIENT_RERUN:
        request.op = PAWL_REQUEST_RERUN;
        request.new_instance = rerun_instance(arena, client);
        request.request_id = pawl_arena_printf(arena, "rerun-%u-%u", index, client->rerun_from);
        request.has_event = true;
        request.event_id = client->rerun_from;
        break;
    case CLIENT_PURGE:
        client->asked_purge = true;
        request.op = PAWL_REQUEST_PURGE;
        request.recursive = client->recursively;
        break;
    case CLIENT_START:
    case CLIENT_LATE:
        request.op = PAWL_REQUEST_START;
        request.name = PAWL_BYTES_LITERAL("Program");
        request.payload = sim_program_broken_input(arena, client->seed, client->breaks, index,
                                                   sim_detaches(sim), sim->is_wide);
        request.request_id = first_request_id(arena, index);
        request.tags = client_tags(arena, index);
        if (client->signals && client->events_wanted > 0) client_add_event(client, arena, &request);
        break;
    case CLIENT_RAISE:
        request.request_id = pawl_arena_printf(arena, "raise-%u-%u", index, client->events_raised);
        if (client->signals) {
            request.op = PAWL_REQUEST_START; /* it is there: it gets the event */
            request.reuse = PAWL_REUSE_RETURN;
            request.name = PAWL_BYTES_LITERAL("Program");
            client_add_event(client, arena, &request);
            break;
        }
        request.op = PAWL_REQUEST_RAISE;
        request.name = PAWL_BYTES_LITERAL("event");
        request.payload = pawl_arena_printf(arena, "%u", client->events_raised);
        break;
    case CLIENT_REWIND:
        client->mended = true;
        request.op = PAWL_REQUEST_REWIND;
        request.request_id = pawl_arena_printf(arena, "rewind-%u", index);
        break;
    case CLIENT_REWIND_IN_VAIN:
        request.op = PAWL_REQUEST_REWIND;
        request.request_id = pawl_arena_printf(arena, "rewind-in-vain-%u", index);
        break;
    case CLIENT_SUSPEND: request.op = PAWL_REQUEST_SUSPEND; break;
    case CLIENT_RESUME: request.op = PAWL_REQUEST_RESUME; break;
    case CLIENT_TERMINATE:
        request.op = PAWL_REQUEST_TERMINATE;
        request.recursive = true;
        if (!client_is_by_tag(client, index)) break;
        request.op = PAWL_REQUEST_BATCH;
        request.batch_op = PAWL_REQUEST_TERMINATE;
        request.tags = client_tags(arena, index);
        request.instance = PAWL_BYTES_ABSENT;
        break;
    case CLIENT_EXPORT: request.op = PAWL_REQUEST_HISTORY; break;
    case CLIENT_IMPORT: sim_import_request(client, arena, index, &request); break;
    case CLIENT_IMPORT_WAIT:
    case CLIENT_RERUN_WAIT:
        request.instance = client->state == CLIENT_RERUN_WAIT ? rerun_instance(arena, client)
                                                              : sim_import_instance(arena, client);
        /* fall through */
    case CLIENT_WAIT:
        request.op = PAWL_REQUEST_WAIT;
        request.wait_for = PAWL_WAIT_COMPLETED;
        request.timeout_ms = 20000;
        request.with_payloads = true;
        request.may_be_absent = index % 2 == 0;
        break;
    case CLIENT_DONE: PAWL_UNREACHABLE("a client that is done asks nothing");
    }
    if (client->through_other_app)
        request.app = pawl_bytes_str(sim_app_name(sim_app_of(pawl_bytes_str(client->instance))));
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
    sim->has_begun = true;
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = client->attempt;
    event.request.request = &request;
    client->asked = target;
    client->asked_life = sim->nodes[target].life;
    sim_node_step(sim, target, event);
    pawl_arena_deinit(&arena);
}

static void client_first_is_gone(struct sim *sim, struct client *client)
{
    struct pawl_arena arena;
    uint32_t index = (uint32_t)(client - sim->clients);
    pawl_arena_init(&arena);
    client->first_is_gone = true;
    sim_check_removed(sim->check, pawl_bytes_str(client->instance),
                      first_request_id(&arena, index));
    pawl_arena_deinit(&arena);
}

static enum client_state client_after_end(const struct client *client)
{
    if (client->will_purge) return CLIENT_PURGE;
    return client->will_again ? CLIENT_AGAIN : CLIENT_DONE;
}

static void client_next(struct sim *sim, struct client *client)
{
    switch (client->state) {
    case CLIENT_START:
        client->started = true;
        sim_check_acknowledged(sim->check, pawl_bytes_str(client->instance), 0);
        client->state = client->will_suspend ? CLIENT_SUSPEND : CLIENT_RAISE;
        if (client->signals && client->events_wanted > 0) {
            client->events_raised++;
            sim->coverage->signals++;
        }
        break;
    case CLIENT_SUSPEND:
        client->state = CLIENT_RESUME;
        sim->coverage->suspended++;
        break;
    case CLIENT_RESUME: client->state = CLIENT_RAISE; break;
    case CLIENT_RAISE:
        client->events_raised++;
        sim->coverage->events++;
        if (client->signals) sim->coverage->signals++;
        break;
    case CLIENT_TERMINATE:
        client->state = CLIENT_DONE;
        sim->coverage->terminated++;
        break;
    case CLIENT_REWIND:
        client->rewound = true;
        client->state = CLIENT_WAIT;
        sim->coverage->rewound++;
        return;
    case CLIENT_REWIND_IN_VAIN: client->breaks = SIM_BREAKS_NOT; /* fall through */
    case CLIENT_WAIT:
        if (client->breaks != SIM_BREAKS_NOT) {
            client->state = client->has_failed ? CLIENT_REWIND : CLIENT_REWIND_IN_VAIN;
            return;
        }
        client->state = client->will_rerun    ? CLIENT_RERUN
                        : client->will_import ? CLIENT_EXPORT
                                              : client_after_end(client);
        sim->coverage->waited++;
        return;
    case CLIENT_EXPORT:
        client->state = client->exported.size ? CLIENT_IMPORT : client_after_end(client);
        return;
    case CLIENT_IMPORT: client->state = CLIENT_IMPORT_WAIT; return;
    case CLIENT_IMPORT_WAIT:
        client->imported = true;
        client->state = client_after_end(client);
        sim->coverage->imported++;
        return;
    case CLIENT_RERUN: client->state = CLIENT_RERUN_WAIT; return;
    case CLIENT_RERUN_WAIT:
        client->state = client_after_end(client);
        sim->coverage->rerun++;
        return;
    case CLIENT_PURGE:
        client_first_is_gone(sim, client);
        client->state = client->will_again ? CLIENT_AGAIN : CLIENT_LATE;
        sim->coverage->purged++;
        return;
    case CLIENT_AGAIN:
        client_first_is_gone(sim, client);
        client->state = CLIENT_LATE;
        sim->coverage->again++;
        return;
    case CLIENT_REPLACE:
        client_first_is_gone(sim, client);
        client->state = CLIENT_LATE;
        sim->coverage->replaced++;
        return;
    case CLIENT_LATE:
        client->state = CLIENT_DONE;
        sim->coverage->refused++;
        return;
    case CLIENT_DONE: return;
    }
    if (client->state == CLIENT_RAISE && client->will_terminate
        && client->events_raised * 2 >= client->events_wanted)
        client->state = client->will_replace ? CLIENT_REPLACE : CLIENT_TERMINATE;
    if (client->state == CLIENT_RAISE && client->events_raised == client->events_wanted)
        client->state = CLIENT_DONE;
    if (client->state == CLIENT_DONE && client->will_wait) client->state = CLIENT_WAIT;
}

/* What a client is shown of an ended instance is what it must end with. */
static void client_check_end(const struct sim *sim, struct client *client,
                             const struct pawl_answer *answer)
{
    PAWL_ASSERT(answer->states_count == 1);
    const struct pawl_instance_state *state = &answer->states[0];
    PAWL_ASSERT(pawl_status_is_terminal(state->status));
    client->has_failed = state->status == PAWL_STATUS_FAILED;
    if (client->has_failed) {
        /* Whatever fails after that was mended before: a result of an earlier call counted. */
        PAWL_ASSERT(client->breaks != SIM_BREAKS_NOT && !client->rewound);
        return;
    }
    if (state->status == PAWL_STATUS_TERMINATED) {
        PAWL_ASSERT(client->will_terminate);
        return;
    }
    struct pawl_arena arena;
    uint32_t events;
    pawl_arena_init(&arena);
    PAWL_ASSERT(
        pawl_bytes_is_equal(state->output, sim_program_expected(&arena, client->seed, &events)));
    PAWL_ASSERT(!sim->is_wide || pawl_bytes_is_equal(state->custom_status, state->output));
    pawl_arena_deinit(&arena);
}

/* True: it may go on. */
static bool client_end_on_answer(struct client *client, pawl_err err)
{
    switch (client->state) {
    case CLIENT_PURGE:
        if (err != PAWL_E_NOT_FOUND) return err == PAWL_OK;
        /* By an attempt that was given up. It is not known to last: a read may have shown what
         * the store then lost. */
        client->state = CLIENT_DONE;
        return true;
    case CLIENT_REPLACE:
    case CLIENT_AGAIN:
        /* An attempt that was given up has done it, and one to purge has come late. */
        PAWL_ASSERT(err != PAWL_E_TERMINAL || client->asked_purge);
        return err == PAWL_OK || err == PAWL_E_TERMINAL;
    case CLIENT_LATE:
        PAWL_ASSERT(err != PAWL_OK); /* it started something that was purged or replaced */
        PAWL_ASSERT(err != PAWL_E_EXISTS);
        return err == PAWL_E_TERMINAL;
    default: PAWL_UNREACHABLE("the workflow has not ended");
    }
}

void sim_client_on_answer(struct sim *sim, uint64_t token, const struct pawl_answer *answer)
{
    pawl_err err = answer->err;
    uint32_t index = (uint32_t)(token % SIM_ROOTS_MAX);
    struct client *client = &sim->clients[index];
    if (client->attempt != token) return;
    client->asked_life = 0;
    if (!sim->calm && sim_chance(&sim->network, sim->faults.answer_lost)) return;
    if (client_is_by_tag(client, index) && err == PAWL_OK) {
        PAWL_ASSERT(answer->batch.matched <= 1);
        if (answer->batch.matched == 0) err = PAWL_E_TERMINAL; /* what is started has ended */
        if (answer->batch.failed) err = PAWL_E_UNAVAILABLE;
        sim->coverage->batches++;
    }
    bool is_settled = err == PAWL_OK;
    /* An attempt whose answer was lost may have done it. */
    if (client->state == CLIENT_RESUME && err == PAWL_E_STATE) is_settled = true;
    /* A store may lose what a read has shown, so it may run again from before it failed. */
    if (client->state == CLIENT_REWIND && err == PAWL_E_STATE) {
        client->state = CLIENT_WAIT;
        err = PAWL_E_UNAVAILABLE;
    }
    if (client->state == CLIENT_REWIND_IN_VAIN) {
        PAWL_ASSERT(err != PAWL_OK); /* it has not failed */
        is_settled = err == PAWL_E_STATE;
    }
    if (client->state == CLIENT_EXPORT && is_settled) is_settled = sim_import_keep(client, answer);
    bool is_waiting = client->state == CLIENT_WAIT || client->state == CLIENT_RERUN_WAIT
                      || client->state == CLIENT_IMPORT_WAIT;
    if (is_waiting && is_settled) {
        PAWL_ASSERT(answer->states_count == 1 || !client->started);
        is_settled = answer->reached;
        if (is_settled) client_check_end(sim, client, answer);
        /* An earlier attempt to suspend, given up, may have come late. */
        bool is_asleep = !is_settled && answer->states_count == 1
                         && answer->states[0].status == PAWL_STATUS_SUSPENDED;
        if (is_asleep && client->will_suspend) client->state = CLIENT_RESUME;
    }
    bool is_after_end = client->state == CLIENT_PURGE || client->state == CLIENT_AGAIN
                        || client->state == CLIENT_REPLACE || client->state == CLIENT_LATE;
    bool is_no_call = err == PAWL_E_NOT_FOUND || (err == PAWL_E_INVALID && sim_detaches(sim));
    if (client->state == CLIENT_RERUN && is_no_call && client->rerun_from > 0) {
        client->rerun_from = 0; /* it made no such call; it always made a first one */
        err = PAWL_E_UNAVAILABLE;
    }
    /* A start that raises an event on what has ended says that it is there. */
    if (client->signals && client->state == CLIENT_RAISE && err == PAWL_E_EXISTS)
        err = PAWL_E_TERMINAL;
    if (is_after_end) {
        is_settled = client_end_on_answer(client, err);
    } else if (client->state != CLIENT_START && err == PAWL_E_TERMINAL) {
        /* A workflow that waits for an event has not ended; and when it has ended by the last
         * one, from an attempt whose answer was lost, that one is known again. */
        PAWL_ASSERT(client->state != CLIENT_RAISE);
        is_settled = true;
        client->state = CLIENT_TERMINATE;
    }
    if (!is_after_end) {
        PAWL_ASSERT(err != PAWL_E_NOT_FOUND || !client->started); /* acknowledged means there */
        PAWL_ASSERT(err != PAWL_E_EXISTS);
    }
    PAWL_ASSERT(err != PAWL_E_INVALID);
    client->attempt = (client->attempt / SIM_ROOTS_MAX + 1) * SIM_ROOTS_MAX + index;
    if (is_settled) client_next(sim, client);
    sim_client_again(sim, index, sim_draw_ms(&sim->workload, is_settled ? 3000 : 500));
}

/* The end -------------------------------------------------------------------------------- */

void sim_client_draw_end(struct client *client, uint64_t seed, uint32_t index)
{
    struct pawl_rng rng;
    pawl_rng_init(&rng, seed * SIM_ROOTS_MAX + index + UINT64_C(0x656e64));
    client->will_replace =
        client->will_terminate && !client->will_suspend && client->events_wanted == 0;
    if (!client->will_wait || client->will_replace || pawl_rng_below(&rng, 2) == 0) return;
    /* An attempt at anything else that was given up must not meet the second one. */
    bool is_simple = !client->will_suspend && !client->will_terminate && client->events_wanted == 0;
    client->will_purge = pawl_rng_below(&rng, 3) != 0;
    client->recursively = pawl_rng_below(&rng, 2) == 0;
    client->will_again = is_simple && pawl_rng_below(&rng, 3) != 0;
}

/* Only a program that waits for nobody ends by itself a second time. */
void sim_client_draw_rerun(struct client *client, uint64_t seed, uint32_t index)
{
    struct pawl_rng rng;
    pawl_rng_init(&rng, seed * SIM_ROOTS_MAX + index + UINT64_C(0x726572756e));
    client->rerun_from = (uint32_t)pawl_rng_below(&rng, 8);
    client->will_rerun = client->will_wait && !client->will_terminate && !client->will_suspend
                         && client->events_wanted == 0 && sim_program_is_alone(client->seed)
                         && pawl_rng_below(&rng, 2) == 0;
}

void sim_client_draw_breaks(struct client *client, uint64_t seed, uint32_t index)
{
    struct pawl_rng rng;
    pawl_rng_init(&rng, seed * SIM_ROOTS_MAX + index + UINT64_C(0x627265616b));
    bool may_break = client->will_wait && !client->will_terminate && !client->will_replace
                     && !client->will_rerun && !client->signals;
    if (may_break && (int)pawl_rng_below(&rng, 100) < SIM_BREAKS_PERCENT)
        client->breaks = pawl_rng_below(&rng, 2) == 0 ? SIM_BREAKS : SIM_BREAKS_IN_CHILD;
}

/* One that arrives late must not make an instance anew that has been purged. */
void sim_client_draw_signals(struct client *client, uint64_t seed, uint32_t index)
{
    struct pawl_rng rng;
    pawl_rng_init(&rng, seed * SIM_ROOTS_MAX + index + UINT64_C(0x7369676e));
    client->signals = pawl_rng_below(&rng, 4) == 0 && !client->will_purge && !client->will_again;
}

static void stored_is_first(const struct sim *sim, const struct client *client,
                            const struct pawl_snapshot *snapshot, struct pawl_arena *arena)
{
    uint32_t events = 0;
    PAWL_ASSERT(!client->first_is_gone); /* never again */
    if (client->will_terminate && snapshot->metadata.status == PAWL_STATUS_TERMINATED) return;
    PAWL_ASSERT(snapshot->metadata.status == PAWL_STATUS_COMPLETED);
    PAWL_ASSERT(pawl_bytes_is_equal(snapshot->payloads.output,
                                    sim_program_expected(arena, client->seed, &events)));
    PAWL_ASSERT(!sim->is_wide
                || pawl_bytes_is_equal(snapshot->custom_status, snapshot->payloads.output));
}

static void stored_is_second(const struct client *client, const struct pawl_snapshot *snapshot,
                             struct pawl_arena *arena)
{
    PAWL_ASSERT(client->asked_again);
    PAWL_ASSERT(snapshot->metadata.status == PAWL_STATUS_COMPLETED);
    PAWL_ASSERT(pawl_bytes_is_equal(snapshot->payloads.output,
                                    sim_program_again_expected(arena, client->seed)));
}

void sim_client_check_stored(const struct sim *sim, uint32_t index)
{
    const struct client *client = &sim->clients[index];
    struct pawl_arena arena;
    if (client->state != CLIENT_DONE)
        fprintf(stderr, "client %u of %s never got what it asked for: state %d, %u of %u events\n",
                index, client->instance, (int)client->state, client->events_raised,
                client->events_wanted);
    PAWL_ASSERT(client->state == CLIENT_DONE);
    pawl_arena_init(&arena);
    sim_import_check_stored(sim, client);
    struct pawl_bytes instance = pawl_bytes_str(client->instance);
    struct pawl_store_request request = { .op = PAWL_STORE_LOAD,
                                          .partition =
                                              pawl_hash_partition(instance, SIM_PARTITIONS) };
    struct pawl_store_reply reply;
    request.load = (struct pawl_load){ .instance = instance, .want = PAWL_LOAD_PAYLOADS };
    pawl_mem_store_apply(sim->shards[sim_app_of(instance)].mem, &request, &arena, &reply);
    const struct pawl_snapshot *snapshot = &reply.load.snapshot;
    if (reply.err != PAWL_OK)
        PAWL_ASSERT(reply.err == PAWL_E_NOT_FOUND && client->asked_purge);
    else if (pawl_bytes_is_equal(snapshot->metadata.request_id, first_request_id(&arena, index)))
        stored_is_first(sim, client, snapshot, &arena);
    else
        stored_is_second(client, snapshot, &arena);
    pawl_arena_deinit(&arena);
}
