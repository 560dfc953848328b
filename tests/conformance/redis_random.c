#include "redis_random.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "state/keys.h"

#define PARTITIONS 4u

static uint32_t below(struct redis_random *random, uint32_t bound)
{
    return (uint32_t)pawl_rng_below(&random->rng, bound);
}

static bool chance(struct redis_random *random, uint32_t percent)
{
    return below(random, 100) < percent;
}

void redis_random_init(struct redis_random *random, uint64_t seed, struct pawl_mem *mem)
{
    *random = (struct redis_random){ .mem = mem, .now_ms = 1700000000000 };
    pawl_rng_init(&random->rng, seed);
}

void redis_random_learn(struct redis_random *random, const struct pawl_store_request *request,
                        const struct pawl_store_reply *reply)
{
    if (request->op != PAWL_STORE_ACQUIRE || reply->err) return;
    random->fences[request->partition] =
        (struct pawl_fence){ .epoch = reply->acquire.epoch, .nonce = request->acquire.nonce };
}

/* Few ids, so that things meet. */
static struct pawl_id some_id(struct redis_random *random)
{
    struct pawl_id id = { { 0 } };
    id.bytes[0] = (uint8_t)(1 + below(random, 200));
    id.bytes[15] = 0; /* a 0 byte inside every id */
    return id;
}

static struct pawl_bytes some_bytes(struct redis_random *random, struct pawl_arena *arena)
{
    uint32_t size = chance(random, 5) ? 0 : 1 + below(random, 40);
    uint8_t *data = pawl_arena_alloc(arena, size + 1);
    for (uint32_t i = 0; i < size; i++) data[i] = (uint8_t)pawl_rng_next(&random->rng);
    return pawl_bytes_make(data, size);
}

static struct pawl_bytes maybe_bytes(struct redis_random *random, struct pawl_arena *arena,
                                     uint32_t percent)
{
    return chance(random, percent) ? some_bytes(random, arena) : PAWL_BYTES_ABSENT;
}

const char *const redis_random_instances[REDIS_RANDOM_INSTANCES] = {
    "a", "b", "a|b", "order||7", "[x]", "\xc3\xa9"
};

static struct pawl_bytes some_instance(struct redis_random *random)
{
    return pawl_bytes_str(redis_random_instances[below(random, REDIS_RANDOM_INSTANCES)]);
}

static struct pawl_op some_op(struct redis_random *random)
{
    return (struct pawl_op){ .kind = "atc"[below(random, 3)], .id = below(random, 5) };
}

static struct pawl_fence some_fence(struct redis_random *random, uint32_t partition)
{
    struct pawl_fence fence = random->fences[partition];
    if (chance(random, 2)) fence.epoch++;
    if (chance(random, 2)) fence.nonce.bytes[3] ^= 1;
    return fence;
}

/* What the reference store holds; zero when there is no such instance. */
static struct pawl_snapshot look(struct redis_random *random, struct pawl_arena *arena,
                                 uint32_t partition, struct pawl_bytes instance)
{
    struct pawl_store_request request = { .op = PAWL_STORE_LOAD,
                                          .partition = partition,
                                          .load = { .want = PAWL_LOAD_PENDING | PAWL_LOAD_INBOX,
                                                    .instance = instance } };
    struct pawl_store_reply reply;
    pawl_mem_store_apply(random->mem, &request, arena, &reply);
    if (reply.err) return (struct pawl_snapshot){ .inbox_count = 0 };
    return reply.load.snapshot;
}

static void next_acquire(struct redis_random *random, struct pawl_acquire *acquire)
{
    acquire->table_version = chance(random, 5) ? 7 : 10 + below(random, 2);
    acquire->nonce = some_id(random);
    acquire->owner = PAWL_BYTES_LITERAL("host");
    acquire->now_ms = random->now_ms;
}

static void next_create(struct redis_random *random, struct pawl_arena *arena,
                        struct pawl_create *create)
{
    static const char *const requests[] = { "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8" };
    create->instance = some_instance(random);
    create->request_id = pawl_bytes_str(requests[below(random, 8)]);
    create->inc = pawl_rng_id(&random->rng);
    create->delivery = pawl_rng_id(&random->rng);
    create->body = some_bytes(random, arena);
    create->name = pawl_bytes_str(chance(random, 50) ? "order" : "");
    create->version = maybe_bytes(random, arena, 50);
    create->input = maybe_bytes(random, arena, 80);
    if (chance(random, 30)) {
        create->parent = some_bytes(random, arena);
        create->parent_key = pawl_bytes_str(chance(random, 50) ? "p|c:1" : "p|c:2");
    }
    create->created_ms = random->now_ms - random->now_ms % 20000; /* several at the same time */
    create->start_at_ms = chance(random, 20) ? random->now_ms + below(random, 30000) : 0;
    create->replace_terminal = chance(random, 50);
}

static void next_load(struct redis_random *random, uint32_t partition, struct pawl_load *load)
{
    load->fence = some_fence(random, partition);
    load->want = below(random, 32);
    load->instance = some_instance(random);
    load->gen = chance(random, 70) ? 0 : below(random, 4);
    load->history_from = below(random, 6);
    load->history_max = 1 + below(random, 200);
    load->history_size_max = below(random, 2000);
}

static struct pawl_reminder some_reminder(struct redis_random *random,
                                          const struct pawl_commit *commit)
{
    struct pawl_reminder reminder = { .instance = commit->instance,
                                      .inc = commit->inc,
                                      .gen = commit->gen,
                                      .due_ms = random->now_ms + below(random, 60000),
                                      .op = some_op(random),
                                      .nonce = below(random, 3) };
    reminder.kind = (enum pawl_reminder_kind)reminder.op.kind;
    return reminder;
}

static void commit_lists(struct redis_random *random, struct pawl_arena *arena,
                         struct pawl_commit *commit)
{
    commit->events_count = below(random, 5);
    commit->events = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, 5);
    for (uint32_t i = 0; i < commit->events_count; i++)
        commit->events[i] = some_bytes(random, arena);
    commit->pending_added_count = commit->events_count ? below(random, 3) : 0;
    commit->pending_added = PAWL_ARENA_ARRAY(arena, struct pawl_pending, 3);
    for (uint32_t i = 0; i < commit->pending_added_count; i++)
        commit->pending_added[i] =
            (struct pawl_pending){ .op = some_op(random),
                                   .nonce = chance(random, 80) ? below(random, 3)
                                                               : UINT64_MAX - below(random, 3),
                                   .history_index = below(random, commit->events_count) };
}

static void commit_shared_lists(struct redis_random *random, struct pawl_arena *arena,
                                struct pawl_commit *commit)
{
    commit->pending_done_count = below(random, 3);
    commit->pending_done = PAWL_ARENA_ARRAY(arena, struct pawl_op, 3);
    for (uint32_t i = 0; i < commit->pending_done_count; i++)
        commit->pending_done[i] = some_op(random);
    commit->reminders_added_count = below(random, 3);
    commit->reminders_added = PAWL_ARENA_ARRAY(arena, struct pawl_reminder, 3);
    for (uint32_t i = 0; i < commit->reminders_added_count; i++)
        commit->reminders_added[i] = some_reminder(random, commit);
    commit->reminders_removed_count = below(random, 4);
    commit->reminders_removed = PAWL_ARENA_ARRAY(arena, struct pawl_reminder, 4);
    for (uint32_t i = 0; i < commit->reminders_removed_count; i++)
        commit->reminders_removed[i] = some_reminder(random, commit);
    commit->messages_count = chance(random, 20) ? below(random, 3) : 0;
    commit->messages = PAWL_ARENA_ARRAY(arena, struct pawl_message_row, 3);
    for (uint32_t i = 0; i < commit->messages_count; i++)
        commit->messages[i] =
            (struct pawl_message_row){ .id = some_id(random), .body = some_bytes(random, arena) };
}

static void commit_carry(struct redis_random *random, struct pawl_arena *arena,
                         struct pawl_commit *commit)
{
    commit->carry_count = 1 + below(random, 3);
    commit->carry = PAWL_ARENA_ARRAY(arena, struct pawl_inbox_row, commit->carry_count);
    for (uint32_t i = 0; i < commit->carry_count; i++)
        commit->carry[i] = (struct pawl_inbox_row){ .delivery = pawl_rng_id(&random->rng),
                                                    .body = some_bytes(random, arena) };
    commit->name = maybe_bytes(random, arena, 90);
    commit->version = maybe_bytes(random, arena, 50);
    commit->status = PAWL_STATUS_RUNNING;
}

static void commit_spoil(struct redis_random *random, struct pawl_commit *commit)
{
    switch (below(random, 7)) {
    case 0: commit->inc.bytes[2] ^= 1; return;
    case 1: commit->gen++; return;
    case 2: commit->last.bytes[2] ^= 1; return;
    case 3: commit->inbox_consumed += 1 + below(random, 2); return;
    case 4: commit->consumed_delivery.bytes[1] ^= 1; return;
    case 5: commit->history_max = 1; return;
    case 6: commit->id = commit->last; return; /* as if applied before */
    }
}

static void next_commit(struct redis_random *random, struct pawl_arena *arena, uint32_t partition,
                        struct pawl_commit *commit)
{
    static const enum pawl_status statuses[] = {
        PAWL_STATUS_RUNNING,   PAWL_STATUS_RUNNING, PAWL_STATUS_RUNNING, PAWL_STATUS_RUNNING,
        PAWL_STATUS_SUSPENDED, PAWL_STATUS_STALLED, PAWL_STATUS_FAILED,  PAWL_STATUS_COMPLETED,
    };
    commit->instance = some_instance(random);
    struct pawl_snapshot now = look(random, arena, partition, commit->instance);
    uint32_t consumed = now.inbox_count ? below(random, now.inbox_count + 1) : 0;
    commit->fence = some_fence(random, partition);
    commit->inc = now.metadata.inc;
    commit->gen = now.metadata.gen;
    commit->last = now.metadata.last;
    commit->id = pawl_rng_id(&random->rng);
    commit->now_ms = random->now_ms;
    commit->inbox_consumed = now.metadata.inbox_head + consumed;
    if (consumed) commit->consumed_delivery = now.inbox[consumed - 1].delivery;
    commit->history_max = 300;
    commit->status = statuses[below(random, 8)];
    commit->custom_status_set = chance(random, 20);
    commit->custom_status = maybe_bytes(random, arena, 80);
    commit->wake_at_ms = chance(random, 15) ? random->now_ms + below(random, 60000) : 0;
    commit->payloads.input = maybe_bytes(random, arena, 10);
    commit->payloads.output = maybe_bytes(random, arena, 10);
    commit->payloads.failure = maybe_bytes(random, arena, 10);
    commit_shared_lists(random, arena, commit);
    if (chance(random, 10))
        commit_carry(random, arena, commit);
    else
        commit_lists(random, arena, commit);
    if (chance(random, 15)) commit_spoil(random, commit);
}

static void next_deliver(struct redis_random *random, struct pawl_arena *arena, uint32_t partition,
                         struct pawl_deliver *deliver)
{
    static const char *const requests[] = { "e1", "e2", "e3", "e4", "e5", "e6" };
    deliver->instance = some_instance(random);
    deliver->delivery = pawl_rng_id(&random->rng);
    deliver->body = some_bytes(random, arena);
    deliver->now_ms = random->now_ms;
    deliver->inbox_max = 5 + below(random, 30);
    deliver->seen_max = 4;
    deliver->seen_ms_max = 20000;
    deliver->request_id = pawl_bytes_str(requests[below(random, 6)]);
    if (chance(random, 40)) return;

    struct pawl_snapshot now = look(random, arena, partition, deliver->instance);
    deliver->inc = now.metadata.inc;
    deliver->gen = now.metadata.gen;
    deliver->op = some_op(random);
    deliver->nonce = below(random, 3);
    if (now.pending_count && chance(random, 80)) {
        const struct pawl_pending *pending = &now.pending[below(random, now.pending_count)];
        deliver->op = pending->op;
        deliver->nonce = pending->nonce;
    }
    if (chance(random, 5)) deliver->gen++;
    if (chance(random, 5)) deliver->inc.bytes[0] ^= 1;
    if (chance(random, 5)) deliver->nonce ^= UINT64_C(1) << 63;
}

static void next_poll(struct redis_random *random, uint32_t partition, struct pawl_poll *poll)
{
    poll->fence = some_fence(random, partition);
    poll->now_ms = random->now_ms;
    poll->until_ms = random->now_ms + (chance(random, 50) ? 0 : below(random, 60000));
    poll->skip = chance(random, 70) ? 0 : below(random, 5);
    poll->max = 1 + below(random, 20);
}

static void next_purge(struct redis_random *random, struct pawl_arena *arena, uint32_t partition,
                       struct pawl_purge *purge)
{
    purge->instance = some_instance(random);
    purge->force = chance(random, 15);
    if (chance(random, 50))
        purge->inc = look(random, arena, partition, purge->instance).metadata.inc;
    if (chance(random, 10)) purge->inc.bytes[0] ^= 1;
}

static void next_outdone(struct redis_random *random, struct pawl_arena *arena,
                         struct pawl_outdone *outdone)
{
    outdone->ids_count = below(random, 20);
    struct pawl_id *ids = PAWL_ARENA_ARRAY(arena, struct pawl_id, 20);
    for (uint32_t i = 0; i < outdone->ids_count; i++) ids[i] = some_id(random);
    outdone->ids = ids;
}

static void next_query(struct redis_random *random, struct pawl_arena *arena, uint32_t partition,
                       struct pawl_query *query)
{
    query->status_mask = chance(random, 50) ? 0 : below(random, 512);
    if (chance(random, 20)) query->name = PAWL_BYTES_LITERAL("order");
    if (chance(random, 20)) query->prefix = PAWL_BYTES_LITERAL("a");
    if (chance(random, 20)) query->created_from_ms = random->now_ms - below(random, 200000);
    if (chance(random, 20)) query->created_to_ms = random->now_ms - below(random, 200000);
    if (chance(random, 30)) {
        query->before_created_ms = random->now_ms - below(random, 200000);
        query->before_instance = some_instance(random);
        /* Behind one that is there, as a caller goes on. */
        if (chance(random, 70))
            query->before_created_ms =
                look(random, arena, partition, query->before_instance).metadata.created_ms;
    }
    query->limit = 1 + below(random, 6);
    query->scan_max = 1 + below(random, 6);
}

void redis_random_next(struct redis_random *random, struct pawl_arena *arena,
                       struct pawl_store_request *ret_request)
{
    struct pawl_store_request request = { .partition = below(random, PARTITIONS) };
    uint32_t p = request.partition;
    if (chance(random, 40)) random->now_ms += below(random, 3000);
    uint32_t kind = below(random, 100);
    if (kind < 4) {
        request.op = PAWL_STORE_ACQUIRE;
        next_acquire(random, &request.acquire);
    } else if (kind < 15) {
        request.op = PAWL_STORE_CREATE;
        next_create(random, arena, &request.create);
    } else if (kind < 30) {
        request.op = PAWL_STORE_LOAD;
        next_load(random, p, &request.load);
    } else if (kind < 60) {
        request.op = PAWL_STORE_COMMIT;
        next_commit(random, arena, p, &request.commit);
    } else if (kind < 80) {
        request.op = PAWL_STORE_DELIVER;
        next_deliver(random, arena, p, &request.deliver);
    } else if (kind < 88) {
        request.op = PAWL_STORE_POLL;
        next_poll(random, p, &request.poll);
    } else if (kind < 92) {
        request.op = PAWL_STORE_PURGE;
        next_purge(random, arena, p, &request.purge);
    } else if (kind < 94) {
        request.op = PAWL_STORE_OUTDONE;
        next_outdone(random, arena, &request.outdone);
    } else {
        request.op = PAWL_STORE_QUERY;
        next_query(random, arena, p, &request.query);
    }
    *ret_request = request;
}
