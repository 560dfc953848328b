#include "world.h"

#include "base/mem.h"

int world_setup(void **state)
{
    struct world *world = PAWL_NEW(struct world);
    world->mem = pawl_mem_store_new();
    pawl_arena_init(&world->arena);
    struct pawl_store_request acquire = world_acquire(world, 1);
    world->fence.epoch = world_apply(world, &acquire).acquire.epoch;
    world->fence.nonce = acquire.acquire.nonce;
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    pawl_mem_store_free(world->mem);
    pawl_arena_deinit(&world->arena);
    pawl_mem_free(world);
    return 0;
}

struct pawl_id world_id(struct world *world)
{
    struct pawl_id id = { { 0x77, ++world->next_id } };
    return id;
}

struct pawl_store_reply world_apply(struct world *world, const struct pawl_store_request *request)
{
    struct pawl_store_reply reply;
    pawl_mem_store_apply(world->mem, request, &world->arena, &reply);
    return reply;
}

struct pawl_bytes world_dump(struct world *world)
{
    return pawl_mem_store_dump(world->mem, &world->arena);
}

static struct pawl_store_request request_new(enum pawl_store_op op)
{
    return (struct pawl_store_request){ .token = 9, .op = op, .partition = WORLD_PARTITION };
}

const struct pawl_snapshot *world_load(struct world *world, const char *instance)
{
    struct pawl_store_request request = request_new(PAWL_STORE_LOAD);
    request.load.instance = pawl_bytes_str(instance);
    request.load.want =
        PAWL_LOAD_PENDING | PAWL_LOAD_INBOX | PAWL_LOAD_HISTORY | PAWL_LOAD_PAYLOADS;
    request.load.history_max = 1000;
    request.load.history_size_max = 1000000;
    struct pawl_store_reply *reply = PAWL_ARENA_NEW(&world->arena, struct pawl_store_reply);
    *reply = world_apply(world, &request);
    return reply->err ? NULL : &reply->load.snapshot;
}

struct pawl_store_request world_acquire(struct world *world, uint64_t table_version)
{
    struct pawl_store_request request = request_new(PAWL_STORE_ACQUIRE);
    request.acquire.nonce = world_id(world);
    request.acquire.table_version = table_version;
    request.acquire.owner = PAWL_BYTES_LITERAL("host");
    request.acquire.now_ms = WORLD_NOW_MS;
    return request;
}

struct pawl_store_request world_create(struct world *world, const char *instance)
{
    struct pawl_store_request request = request_new(PAWL_STORE_CREATE);
    request.create.instance = pawl_bytes_str(instance);
    request.create.request_id = PAWL_BYTES_LITERAL("start-1");
    request.create.inc = world_id(world);
    request.create.delivery = world_id(world);
    request.create.body = PAWL_BYTES_LITERAL("started");
    request.create.name = PAWL_BYTES_LITERAL("order");
    request.create.input = PAWL_BYTES_LITERAL("in");
    request.create.created_ms = WORLD_NOW_MS;
    return request;
}

struct pawl_store_request world_commit(struct world *world, const char *instance)
{
    struct pawl_store_request request = request_new(PAWL_STORE_COMMIT);
    const struct pawl_snapshot *present = world_load(world, instance);
    assert_non_null(present);
    request.commit.fence = world->fence;
    request.commit.instance = pawl_bytes_str(instance);
    request.commit.inc = present->metadata.inc;
    request.commit.gen = present->metadata.gen;
    request.commit.last = present->metadata.last;
    request.commit.id = world_id(world);
    request.commit.now_ms = WORLD_NOW_MS + 100;
    request.commit.inbox_consumed = present->metadata.inbox_tail;
    request.commit.consumed_count = present->inbox_count;
    request.commit.consumed = PAWL_ARENA_ARRAY(&world->arena, struct pawl_id, present->inbox_count);
    for (uint32_t i = 0; i < present->inbox_count; i++)
        request.commit.consumed[i] = present->inbox[i].delivery;
    request.commit.history_max = 100;
    request.commit.status = PAWL_STATUS_RUNNING;
    return request;
}

struct pawl_store_request world_input(struct world *world, const char *instance,
                                      const char *request_id)
{
    struct pawl_store_request request = request_new(PAWL_STORE_DELIVER);
    request.deliver.instance = pawl_bytes_str(instance);
    request.deliver.request_id = pawl_bytes_str(request_id);
    request.deliver.delivery = world_id(world);
    request.deliver.body = PAWL_BYTES_LITERAL("raised");
    request.deliver.now_ms = WORLD_NOW_MS + 200;
    request.deliver.inbox_max = 10;
    request.deliver.seen_max = 10;
    request.deliver.seen_ms_max = 5000;
    return request;
}

struct pawl_store_request world_result(struct world *world, const char *instance, struct pawl_op op,
                                       uint64_t nonce)
{
    struct pawl_store_request request = world_input(world, instance, NULL);
    const struct pawl_snapshot *present = world_load(world, instance);
    assert_non_null(present);
    request.deliver.inc = present->metadata.inc;
    request.deliver.gen = present->metadata.gen;
    request.deliver.op = op;
    request.deliver.nonce = nonce;
    return request;
}

struct pawl_store_request world_poll(struct world *world, int64_t now_ms)
{
    struct pawl_store_request request = request_new(PAWL_STORE_POLL);
    request.poll.fence = world->fence;
    request.poll.now_ms = now_ms;
    request.poll.until_ms = now_ms;
    request.poll.max = 100;
    return request;
}

struct pawl_store_request world_purge(const char *instance)
{
    struct pawl_store_request request = request_new(PAWL_STORE_PURGE);
    request.purge.instance = pawl_bytes_str(instance);
    return request;
}

struct pawl_store_request world_query(void)
{
    struct pawl_store_request request = request_new(PAWL_STORE_QUERY);
    request.query.limit = 100;
    request.query.scan_max = 100;
    return request;
}

void world_schedule(struct world *world, const char *instance, struct pawl_op op, uint64_t nonce,
                    int64_t due_ms)
{
    struct pawl_store_request request = world_commit(world, instance);
    struct pawl_bytes event = PAWL_BYTES_LITERAL("scheduled");
    struct pawl_pending pending = { .op = op, .nonce = nonce };
    struct pawl_reminder reminder = { .kind = (enum pawl_reminder_kind)op.kind,
                                      .due_ms = due_ms,
                                      .instance = request.commit.instance,
                                      .inc = request.commit.inc,
                                      .gen = request.commit.gen,
                                      .op = op,
                                      .nonce = nonce };
    request.commit.events_count = 1;
    request.commit.events = &event;
    request.commit.pending_added_count = 1;
    request.commit.pending_added = &pending;
    request.commit.reminders_added_count = 1;
    request.commit.reminders_added = &reminder;
    assert_int_equal(world_apply(world, &request).err, PAWL_OK);
}

void world_end(struct world *world, const char *instance, enum pawl_status status)
{
    struct pawl_store_request request = world_commit(world, instance);
    request.commit.status = status;
    assert_int_equal(world_apply(world, &request).err, PAWL_OK);
}

struct due_search {
    enum pawl_reminder_kind kind;
    int64_t due_ms;
};

static void due_visit(void *context, uint32_t partition, struct pawl_bytes instance,
                      const struct pawl_snapshot *snapshot, uint32_t reminders_count,
                      const struct pawl_reminder *reminders)
{
    (void)partition, (void)instance, (void)snapshot;
    struct due_search *search = context;
    for (uint32_t i = 0; i < reminders_count; i++) {
        if (reminders[i].kind != search->kind) continue;
        assert_int_equal(search->due_ms, 0);
        search->due_ms = reminders[i].due_ms;
    }
}

int64_t world_due(struct world *world, enum pawl_reminder_kind kind)
{
    struct due_search search = { .kind = kind };
    pawl_mem_store_visit(world->mem, 0, due_visit, &search);
    return search.due_ms;
}
