/* Imports: a client exports what has ended, and brings it in under another id. It must be there
 * as it was, whatever happens meanwhile. */
#include "tests/sim/world.h"

#include "actors/import.h"
#include "base/hash.h"

void sim_client_draw_import(struct client *client, uint64_t seed, uint32_t index)
{
    struct pawl_rng rng;
    pawl_buf_init(&client->exported, PAWL_SEED_SIZE_MAX);
    pawl_rng_init(&rng, seed * SIM_ROOTS_MAX + index + UINT64_C(0x696d706f7274));
    client->will_import = client->will_wait && !client->will_rerun
                          && client->breaks == SIM_BREAKS_NOT && pawl_rng_below(&rng, 2) == 0;
}

/* As with a rerun: of the same app, and with the same code. */
struct pawl_bytes sim_import_instance(struct pawl_arena *arena, const struct client *client)
{
    return pawl_arena_printf(arena, "%ci.%s", client->instance[0], client->instance);
}

bool sim_import_keep(struct client *client, const struct pawl_answer *answer)
{
    PAWL_ASSERT(answer->states_count == 1);
    const struct pawl_instance_state *state = &answer->states[0];
    if (!pawl_status_is_terminal(state->status)) return false;
    if (answer->events_count != answer->events_total) return true; /* of several pages: none */
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_import import = { .source = pawl_bytes_str(client->instance),
                                  .source_gen = state->gen,
                                  .status = state->status,
                                  .created_ms = state->created_ms,
                                  .started_ms = state->started_ms,
                                  .updated_ms = state->updated_ms,
                                  .completed_ms = state->completed_ms,
                                  .custom_status = state->custom_status,
                                  .events_count = answer->events_count,
                                  .events = answer->events };
    struct pawl_bytes packed = pawl_import_pack(&arena, &import);
    pawl_buf_clear(&client->exported);
    pawl_buf_append(&client->exported, packed.data, packed.size);
    pawl_arena_deinit(&arena);
    return true;
}

void sim_import_request(const struct client *client, struct pawl_arena *arena, uint32_t index,
                        struct pawl_request *request)
{
    request->op = PAWL_REQUEST_IMPORT;
    request->instance = sim_import_instance(arena, client);
    request->name = PAWL_BYTES_LITERAL("Program");
    request->payload = pawl_buf_view(&client->exported);
    request->request_id = pawl_arena_printf(arena, "import-%u", index);
}

/* Nothing runs any more: what is stored is what was exported. */
void sim_import_check_stored(const struct sim *sim, const struct client *client)
{
    struct pawl_arena arena;
    struct pawl_import import;
    struct pawl_store_reply reply;
    if (!client->imported) return;
    pawl_arena_init(&arena);
    struct pawl_bytes instance = sim_import_instance(&arena, client);
    struct pawl_store_request request = { .op = PAWL_STORE_LOAD,
                                          .partition =
                                              pawl_hash_partition(instance, SIM_PARTITIONS) };
    request.load = (struct pawl_load){ .instance = instance,
                                       .want = PAWL_LOAD_HISTORY | PAWL_LOAD_INBOX,
                                       .history_max = UINT32_MAX,
                                       .history_size_max = UINT32_MAX };
    pawl_mem_store_apply(sim->shards[sim_app_of(instance)].mem, &request, &arena, &reply);
    PAWL_ASSERT(reply.err == PAWL_OK);
    const struct pawl_metadata *metadata = &reply.load.snapshot.metadata;
    pawl_err err = pawl_import_unpack(&arena, pawl_buf_view(&client->exported), &import);
    PAWL_ASSERT(err == PAWL_OK);
    PAWL_ASSERT(metadata->status == import.status);
    PAWL_ASSERT(metadata->created_ms <= import.created_ms); /* a clock may be behind another */
    PAWL_ASSERT(metadata->started_ms == import.started_ms);
    PAWL_ASSERT(metadata->completed_ms == import.completed_ms);
    PAWL_ASSERT(metadata->turn == 1); /* taken once */
    PAWL_ASSERT(reply.load.snapshot.inbox_count == 0);
    PAWL_ASSERT(pawl_bytes_is_equal(reply.load.snapshot.custom_status, import.custom_status));
    PAWL_ASSERT(reply.load.snapshot.history_count == import.events_count);
    for (uint32_t i = 0; i < import.events_count; i++)
        PAWL_ASSERT(pawl_history_event_kind(reply.load.snapshot.history[i])
                    == pawl_history_event_kind(import.events[i]));
    pawl_arena_deinit(&arena);
}
