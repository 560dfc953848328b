/* The reader: when everything has ended, lists and counts must tell what is stored. In every
 * eighth run the sidecars then begin anew with a short retention: what has ended goes, not
 * before its time, and what has not ended stays. */
#include "tests/sim/world.h"

#include <stdio.h>

#define TOKEN_BIT    (UINT64_C(1) << 42)
#define PATIENCE_MS  5000
#define LOOK_MS      100
#define ROWS_MAX     2048u
#define RETENTION_MS 15000
#define SWEPT_MS     120000

bool sim_reader_owns(uint64_t token)
{
    return token >= TOKEN_BIT;
}

void sim_reader_on_answer(struct sim *sim, uint64_t token, const struct pawl_answer *answer)
{
    struct reader *reader = &sim->reader;
    if (token != reader->token) return;
    reader->is_answered = true;
    reader->err = answer->err;
    reader->cursor = pawl_arena_copy(&reader->arena, answer->cursor);
    reader->ids_count = answer->states_count;
    reader->ids = PAWL_ARENA_ARRAY(&reader->arena, struct pawl_bytes, answer->states_count);
    for (uint32_t i = 0; i < answer->states_count; i++)
        reader->ids[i] = pawl_arena_copy(&reader->arena, answer->states[i].instance);
    memcpy(reader->counts, answer->counts, sizeof reader->counts);
}

/* Asks one sidecar after the other until one has answered. */
static void reader_ask(struct sim *sim, uint32_t app, const struct pawl_request *request)
{
    struct reader *reader = &sim->reader;
    uint32_t first = app == 0 ? 0 : SIM_NODES_OF_A;
    uint32_t nodes = app == 0 ? SIM_NODES_OF_A : SIM_NODES - SIM_NODES_OF_A;
    for (uint32_t turn = 0; turn < 20 * nodes; turn++) {
        uint32_t target = first + turn % nodes;
        if (sim->nodes[target].life && sim->nodes[target].paused_ms <= sim->now_ms) {
            struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
            reader->token = (reader->token | TOKEN_BIT) + 1;
            reader->is_answered = false;
            event.request.token = reader->token;
            event.request.request = request;
            sim_node_step(sim, target, event);
            for (int64_t ms = 0; ms < PATIENCE_MS && !reader->is_answered; ms += LOOK_MS)
                sim_until(sim, sim->now_ms + LOOK_MS, false);
            if (reader->is_answered && reader->err == PAWL_OK) return;
        }
        sim_until(sim, sim->now_ms + LOOK_MS, false);
    }
    PAWL_ASSERT(!"a reader is answered when all is calm");
}

/* The truth ------------------------------------------------------------------------------ */

struct truth {
    struct pawl_arena *arena;
    uint32_t count;
    struct pawl_bytes ids[ROWS_MAX];
    uint32_t seen[ROWS_MAX];
    uint64_t counts[PAWL_STATUS_COUNT];
};

static void truth_visit(void *context, uint32_t partition, struct pawl_bytes instance,
                        const struct pawl_snapshot *snapshot, uint32_t reminders_count,
                        const struct pawl_reminder *reminders)
{
    struct truth *truth = context;
    (void)partition;
    (void)reminders_count;
    (void)reminders;
    PAWL_ASSERT(truth->count < ROWS_MAX);
    truth->ids[truth->count++] = pawl_arena_copy(truth->arena, instance);
    truth->counts[snapshot->metadata.status]++;
}

static struct truth *truth_of(struct sim *sim, uint32_t app)
{
    struct truth *truth = PAWL_ARENA_NEW(&sim->reader.arena, struct truth);
    truth->arena = &sim->reader.arena;
    pawl_mem_store_visit(sim->shards[app].mem, 0, truth_visit, truth);
    return truth;
}

static void truth_see(struct truth *truth, struct pawl_bytes id)
{
    for (uint32_t i = 0; i < truth->count; i++)
        if (pawl_bytes_is_equal(truth->ids[i], id)) truth->seen[i]++;
}

/* Lists and counts ------------------------------------------------------------------------- */

static void reader_check_list(struct sim *sim, uint32_t app, struct truth *truth)
{
    struct pawl_request request = { .op = PAWL_REQUEST_LIST };
    request.limit = 1 + (uint32_t)pawl_rng_below(&sim->operator_rng, 6);
    uint32_t listed = 0;
    do {
        reader_ask(sim, app, &request);
        for (uint32_t i = 0; i < sim->reader.ids_count; i++) truth_see(truth, sim->reader.ids[i]);
        listed += sim->reader.ids_count;
        PAWL_ASSERT(listed <= truth->count);
        request.cursor = sim->reader.cursor;
    } while (request.cursor.size);
    for (uint32_t i = 0; i < truth->count; i++) {
        if (truth->seen[i] != 1)
            fprintf(stderr, "instance %.*s was listed %u times\n", PAWL_BYTES_FMT(truth->ids[i]),
                    truth->seen[i]);
        PAWL_ASSERT(truth->seen[i] == 1);
    }
    sim->coverage->listed += listed;
}

static void reader_check_counts(struct sim *sim, uint32_t app, const struct truth *truth)
{
    struct pawl_request request = { .op = PAWL_REQUEST_COUNT };
    reader_ask(sim, app, &request);
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        PAWL_ASSERT(sim->reader.counts[i] == truth->counts[i]);
}

/* Retention ---------------------------------------------------------------------------------- */

/* Clocks of who ended it and of who purges it may be off by so much each. */
void sim_reader_check_purge(struct sim *sim, uint32_t app, const struct pawl_store_request *request)
{
    struct pawl_arena arena;
    struct pawl_store_reply reply;
    struct pawl_store_request look = { .op = PAWL_STORE_LOAD, .partition = request->partition };
    look.load.instance = request->purge.instance;
    if (sim->retention_ms == 0) return;
    pawl_arena_init(&arena);
    pawl_mem_store_apply(sim->shards[app].mem, &look, &arena, &reply);
    const struct pawl_metadata *metadata = &reply.load.snapshot.metadata;
    if (reply.err == PAWL_OK && pawl_id_is_equal(metadata->inc, request->purge.inc)) {
        int64_t off_ms = 2 * sim_clock_off_ms(sim) + 2;
        PAWL_ASSERT(pawl_status_is_terminal(metadata->status));
        PAWL_ASSERT(sim->now_ms - metadata->completed_ms >= sim->retention_ms - off_ms);
        sim->coverage->swept++;
    }
    pawl_arena_deinit(&arena);
}

/* One that begins in an hour has not ended. What is swept may be started again by a late copy
 * of a start, or of an event that may start, that was refused as it was there (docs/STATE.md):
 * all copies come before. */
static void reader_sweep(struct sim *sim)
{
    int64_t copied_ms = sim->calm_ms + SIM_COPIES_MS;
    if (sim->faults.request_twice && sim->now_ms < copied_ms) sim_until(sim, copied_ms, false);
    for (uint32_t app = 0; app < SIM_APPS; app++) {
        struct pawl_request request = { .op = PAWL_REQUEST_START,
                                        .name = PAWL_BYTES_LITERAL("Program"),
                                        .request_id = PAWL_BYTES_LITERAL("later"),
                                        .reuse = PAWL_REUSE_RETURN,
                                        .start_at_ms = sim->now_ms + 3600000 };
        request.instance = pawl_arena_printf(&sim->reader.arena, "%s-later", sim_app_name(app));
        reader_ask(sim, app, &request);
    }
    sim->retention_ms = RETENTION_MS;
    sim->calm_ms = sim->now_ms; /* sidecars come and go once more */
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        if (sim->nodes[i].life) sim_node_crash(sim, i);
    }
    sim_until(sim, sim->now_ms + SWEPT_MS, false);
    for (uint32_t app = 0; app < SIM_APPS; app++) {
        const struct truth *truth = truth_of(sim, app);
        PAWL_ASSERT(truth->count == 1 && truth->counts[PAWL_STATUS_PENDING] == 1);
    }
}

void sim_reader_check(struct sim *sim)
{
    pawl_arena_init(&sim->reader.arena);
    for (uint32_t app = 0; app < SIM_APPS; app++) {
        struct truth *truth = truth_of(sim, app);
        reader_check_list(sim, app, truth);
        reader_check_counts(sim, app, truth);
    }
    if (sim->seed % 8 == 0) reader_sweep(sim);
    pawl_arena_deinit(&sim->reader.arena);
}
