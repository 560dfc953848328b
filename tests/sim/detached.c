/* Detached workflows: started once, by somebody who then forgets them. And children that end
 * with their parent, or do not. */
#include "tests/sim/world.h"

#include <stdio.h>

#include "base/hash.h"

bool sim_detaches(const struct sim *sim)
{
    return sim->seed % 3 == 0;
}

static bool ends_in(struct pawl_bytes instance, const char *mark)
{
    size_t size = strlen(mark);
    return instance.size > size && memcmp(instance.data + instance.size - size, mark, size) == 0;
}

static bool is_detached(struct pawl_bytes instance)
{
    return ends_in(instance, SIM_DETACHED) || ends_in(instance, SIM_DETACHED_SHARED);
}

static pawl_err load(const struct sim *sim, struct pawl_bytes instance, struct pawl_arena *arena,
                     struct pawl_store_reply *ret_reply)
{
    struct pawl_store_request request = { .op = PAWL_STORE_LOAD,
                                          .partition =
                                              pawl_hash_partition(instance, SIM_PARTITIONS) };
    request.load = (struct pawl_load){ .instance = instance, .want = PAWL_LOAD_PAYLOADS };
    pawl_mem_store_apply(sim->shards[sim_app_of(instance)].mem, &request, arena, ret_reply);
    return ret_reply->err;
}

bool sim_detached_is_there(const struct sim *sim, uint32_t app,
                           const struct pawl_store_request *request)
{
    struct pawl_arena arena;
    struct pawl_store_reply reply;
    if (request->op == PAWL_STORE_PURGE)
        PAWL_ASSERT(sim->retention_ms > 0 || !is_detached(request->purge.instance));
    if (request->op != PAWL_STORE_CREATE || !is_detached(request->create.instance)) return false;
    PAWL_ASSERT(sim_app_of(request->create.instance) == app);
    pawl_arena_init(&arena);
    bool is_there = load(sim, request->create.instance, &arena, &reply) == PAWL_OK;
    pawl_arena_deinit(&arena);
    return is_there;
}

void sim_detached_on_applied(struct sim *sim, const struct pawl_store_request *request,
                             const struct pawl_store_reply *reply, bool was_there)
{
    if (request->op != PAWL_STORE_CREATE || reply->err != PAWL_OK) return;
    if (!is_detached(request->create.instance)) return;
    sim->coverage->detached++;
    PAWL_ASSERT(request->create.parent.size == 0);
    PAWL_ASSERT(!was_there || ends_in(request->create.instance, SIM_DETACHED_SHARED));
}

static void check_ended(const struct sim *sim, struct pawl_bytes instance)
{
    struct pawl_arena arena;
    struct pawl_store_reply reply;
    pawl_arena_init(&arena);
    pawl_err err = load(sim, instance, &arena, &reply);
    PAWL_ASSERT(err == PAWL_OK); /* what a history tells of was started */
    const struct pawl_snapshot *snapshot = &reply.load.snapshot;
    PAWL_ASSERT(snapshot->metadata.status == PAWL_STATUS_COMPLETED); /* and left alone */
    PAWL_ASSERT(pawl_bytes_is_equal(snapshot->payloads.output,
                                    sim_program_expected_of(&arena, snapshot->payloads.input)));
    pawl_arena_deinit(&arena);
}

/* True: a client was to terminate the root that an instance comes from, or to replace it. */
static bool root_was_ended(const struct sim *sim, struct pawl_bytes instance)
{
    size_t digits = 0;
    unsigned int index = 0;
    while (instance.data[digits] > '9') digits++;
    for (; instance.data[digits] >= '0' && instance.data[digits] <= '9'; digits++)
        index = index * 10 + (instance.data[digits] - '0');
    PAWL_ASSERT(index < sim->clients_count);
    return sim->clients[index].will_terminate || sim->clients[index].will_replace;
}

/* One that is to end with its parent never ends by itself. */
static void check_left(struct sim *sim, struct pawl_bytes instance,
                       const struct pawl_snapshot *snapshot)
{
    enum pawl_status status = snapshot->metadata.status;
    if (ends_in(instance, SIM_CHILD_CLOSED)) {
        PAWL_ASSERT(status == PAWL_STATUS_TERMINATED);
        sim->coverage->closed++;
    }
    if (!ends_in(instance, SIM_CHILD_LEFT)) return;
    PAWL_ASSERT(status == PAWL_STATUS_COMPLETED || root_was_ended(sim, instance));
    if (status == PAWL_STATUS_COMPLETED) sim->coverage->left++;
}

static void stored_visit(void *context, uint32_t partition, struct pawl_bytes instance,
                         const struct pawl_snapshot *snapshot, uint32_t reminders_count,
                         const struct pawl_reminder *reminders)
{
    struct sim *sim = context;
    (void)partition, (void)reminders_count, (void)reminders;
    if (is_detached(instance)) check_ended(sim, instance);
    check_left(sim, instance, snapshot);
    for (uint32_t i = 0; i < snapshot->history_count; i++) {
        struct pawl_history_event event;
        pawl_err err = pawl_history_event_decode(snapshot->history[i], &event);
        PAWL_ASSERT(err == PAWL_OK);
        if (event.kind == PAWL_EVENT_DETACHED_CREATED) check_ended(sim, event.instance);
    }
}

void sim_detached_check_stored(struct sim *sim)
{
    for (uint32_t app = 0; app < SIM_APPS; app++)
        pawl_mem_store_visit(sim->shards[app].mem, PAWL_LOAD_HISTORY, stored_visit, sim);
}
