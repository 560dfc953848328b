/* Requests that mostly make sense, because they are made from what the reference
 * holds, and a few that are wrong in one place. Small spaces of ids, so that requests
 * meet each other. */
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/tags.h"
#include "state/copy.h"
#include "state/keys.h"
#include "state/mem_rows.h"
#include "suite.h"

#define MESSAGE_IDS   12u
#define SEEN_MS_SHORT 20000
#define SEEN_MS_LONG  200000 /* until after the end, often */

static const char *const instances[] = { "a",   "a|b", "a|b|c",        "x||y",
                                         "w|a", "{*}", "\xc3\xbc [?]", "long" };
#define INSTANCES_COUNT (sizeof instances / sizeof instances[0])

/* As long as an id may be; filled from `instances[7]` by its user. */
const char *suite_instance(uint32_t at)
{
    static char longest[PAWL_INSTANCE_ID_SIZE_MAX + 1];
    if (at >= INSTANCES_COUNT) return NULL;
    if (at != INSTANCES_COUNT - 1) return instances[at];
    memset(longest, 'l', sizeof longest - 1);
    return longest;
}

/* Dice --------------------------------------------------------------------------- */

static uint32_t below(struct suite_generator *generator, uint32_t bound)
{
    return (uint32_t)pawl_rng_below(&generator->rng, bound);
}

static bool percent(struct suite_generator *generator, uint32_t chance)
{
    return below(generator, 100) < chance;
}

static struct pawl_bytes some_instance(struct suite_generator *generator)
{
    return pawl_bytes_str(suite_instance(below(generator, INSTANCES_COUNT)));
}

/* Bytes of any value; a few are empty, a few need more than one page. */
static struct pawl_bytes some_bytes(struct suite_generator *generator)
{
    size_t size = percent(generator, 1) ? 5000 : below(generator, 40);
    uint8_t *data = pawl_arena_alloc(&generator->arena, size);
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)below(generator, 256);
    return pawl_bytes_make(data, size);
}

static struct pawl_bytes maybe_bytes(struct suite_generator *generator, uint32_t chance)
{
    return percent(generator, chance) ? some_bytes(generator) : PAWL_BYTES_ABSENT;
}

static struct pawl_bytes numbered(struct suite_generator *generator, const char *prefix,
                                  uint32_t count)
{
    return pawl_arena_printf(&generator->arena, "%s%u", prefix, below(generator, count));
}

static struct pawl_id some_message(struct suite_generator *generator)
{
    struct pawl_id id = { { 0xee } };
    id.bytes[15] = (uint8_t)below(generator, MESSAGE_IDS);
    return id;
}

static struct pawl_fence some_fence(struct suite_generator *generator,
                                    const struct suite_partition *partition)
{
    struct pawl_fence fence = partition->fence;
    if (percent(generator, 95)) return fence;
    if (percent(generator, 50)) return partition->old_fence;
    if (percent(generator, 50))
        fence.epoch += 1 + below(generator, 2);
    else
        fence.nonce = pawl_rng_id(&generator->rng);
    return fence;
}

/* What mem holds of an instance, or NULL. */
static const struct pawl_snapshot *peek(struct suite_generator *generator, uint32_t partition,
                                        struct pawl_bytes instance)
{
    pawl_arena_reset(&generator->peek);
    struct pawl_store_request request = { .op = PAWL_STORE_LOAD, .partition = partition };
    request.load.instance = instance;
    request.load.want =
        PAWL_LOAD_PENDING | PAWL_LOAD_INBOX | PAWL_LOAD_HISTORY | PAWL_LOAD_PAYLOADS;
    request.load.history_max = UINT32_MAX;
    request.load.history_size_max = UINT32_MAX;
    struct pawl_store_reply *reply = PAWL_ARENA_NEW(&generator->peek, struct pawl_store_reply);
    pawl_mem_store_apply(generator->mem, &request, &generator->peek, reply);
    return reply->err ? NULL : &reply->load.snapshot;
}

/* Operations ---------------------------------------------------------------------- */

static void make_acquire(struct suite_generator *generator, const struct suite_partition *partition,
                         struct pawl_acquire *acquire)
{
    acquire->nonce = percent(generator, 20) ? partition->fence.nonce : pawl_rng_id(&generator->rng);
    acquire->owner = numbered(generator, "host-", 3);
    acquire->now_ms = generator->now_ms;
    acquire->table_version = partition->table_version + below(generator, 2);
    if (acquire->table_version > 0 && percent(generator, 30)) acquire->table_version--;
}

/* Now and then so few and so short that some are forgotten while they are asked for. */
static struct pawl_tomb_limits some_tomb_limits(struct suite_generator *generator)
{
    struct pawl_tomb_limits limits = { .tomb_ms = PAWL_TOMB_MS, .tombs_max = PAWL_TOMBS_MAX };
    if (percent(generator, 30)) limits.tombs_max = below(generator, 6);
    if (percent(generator, 60)) limits.tomb_ms = below(generator, 10000);
    if (percent(generator, 10)) limits.tomb_ms = 0;
    return limits;
}

/* Mostly so few that the log is cut all the time. One number, since what is kept beyond it
 * is up to the backend. */
#define CHANGES_MAX 25u

static uint32_t some_changes_max(struct suite_generator *generator)
{
    return percent(generator, 5) ? 0 : CHANGES_MAX;
}

/* Few keys and values, so that many instances share them; some are awkward. */
static struct pawl_bytes some_tags(struct suite_generator *generator, uint32_t chance)
{
    static const char *const keys[] = { "team", "a|b", "%7C", "empty" };
    static const char *const values[] = { "x", "x=y", "||metadata", "" };
    struct pawl_tags tags = { .count = 0 };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!percent(generator, chance)) continue;
        const char *wrong = pawl_tags_add(&tags, pawl_bytes_str(keys[i]),
                                          pawl_bytes_str(values[below(generator, 4)]));
        PAWL_ASSERT(!wrong);
    }
    return pawl_tags_pack(&generator->arena, &tags);
}

static void make_create(struct suite_generator *generator, struct pawl_create *create)
{
    create->instance = some_instance(generator);
    create->request_id = numbered(generator, "request-", 4);
    create->inc = pawl_rng_id(&generator->rng);
    create->delivery = pawl_rng_id(&generator->rng);
    create->body = some_bytes(generator);
    create->name = numbered(generator, "name-", 2);
    create->version = maybe_bytes(generator, 50);
    create->input = maybe_bytes(generator, 70);
    create->created_ms = generator->now_ms / 4000 * 4000; /* equal times are common */
    if (percent(generator, 20)) create->start_at_ms = generator->now_ms + 5000;
    create->replace_terminal = percent(generator, 60);
    create->tombs = some_tomb_limits(generator);
    create->changes_max = some_changes_max(generator);
    create->tags = some_tags(generator, 40);
    create->keep_refusal = pawl_bytes_is_str(create->request_id, "request-0");
    if (!percent(generator, 40)) return;
    create->rebind_ended = create->inc.bytes[0] & 1;
    create->rebind_late = percent(generator, 30);
    create->parent_key = numbered(generator, "parent-", 2);
    create->parent = pawl_arena_printf(&generator->arena, "%.*s#%u",
                                       PAWL_BYTES_FMT(create->parent_key), below(generator, 1000));
}

static void make_load(struct suite_generator *generator, const struct suite_partition *partition,
                      struct pawl_load *load)
{
    load->fence = some_fence(generator, partition);
    load->want = below(generator, 32);
    load->instance = some_instance(generator);
    const struct pawl_snapshot *present = peek(generator, partition->index, load->instance);
    if (present && percent(generator, 60))
        load->gen = present->metadata.gen + (percent(generator, 20) ? 1 : 0);
    load->history_from = percent(generator, 50) ? 0 : below(generator, 12);
    load->history_max = percent(generator, 50) ? 512 : 1 + below(generator, 4);
    load->history_size_max =
        percent(generator, 50) ? PAWL_LOAD_HISTORY_SIZE_MAX : 1 + below(generator, 90);
}

static enum pawl_reminder_kind reminder_kind_of(char op_kind)
{
    return (enum pawl_reminder_kind)op_kind; /* both are 'a', 't' or 'c' */
}

static struct pawl_reminder reminder_of(const struct pawl_commit *commit, struct pawl_op op,
                                        uint64_t nonce, int64_t due_ms)
{
    return (struct pawl_reminder){ .kind = reminder_kind_of(op.kind),
                                   .due_ms = due_ms,
                                   .instance = commit->instance,
                                   .inc = commit->inc,
                                   .gen = commit->gen,
                                   .op = op,
                                   .nonce = nonce };
}

static void resolve_pending(struct suite_generator *generator, const struct pawl_snapshot *present,
                            struct pawl_commit *commit)
{
    uint32_t count = present->pending_count;
    commit->pending_done = PAWL_ARENA_ARRAY(&generator->arena, struct pawl_op, count);
    commit->reminders_removed = PAWL_ARENA_ARRAY(&generator->arena, struct pawl_reminder, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!percent(generator, 30)) continue;
        const struct pawl_pending *pending = &present->pending[i];
        commit->pending_done[commit->pending_done_count++] = pending->op;
        commit->reminders_removed[commit->reminders_removed_count++] =
            reminder_of(commit, pending->op, pending->nonce, 0);
    }
}

static void add_pending(struct suite_generator *generator, struct pawl_commit *commit)
{
    uint32_t count = commit->events_count ? below(generator, 4) : 0;
    commit->pending_added = PAWL_ARENA_ARRAY(&generator->arena, struct pawl_pending, count);
    commit->reminders_added = PAWL_ARENA_ARRAY(&generator->arena, struct pawl_reminder, count);
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_pending *pending = &commit->pending_added[commit->pending_added_count++];
        pending->op.kind = "atc"[below(generator, 3)];
        pending->op.id = below(generator, 6) + (percent(generator, 5) ? 4000000000u : 0);
        pending->nonce = pawl_rng_next(&generator->rng);
        pending->history_index = below(generator, commit->events_count);
        commit->reminders_added[commit->reminders_added_count++] = reminder_of(
            commit, pending->op, pending->nonce, commit->now_ms + below(generator, 60000));
    }
}

static void add_messages(struct suite_generator *generator, struct pawl_commit *commit)
{
    commit->messages_count = percent(generator, 20) ? 1 + below(generator, 2) : 0;
    commit->messages =
        PAWL_ARENA_ARRAY(&generator->arena, struct pawl_message_row, commit->messages_count);
    for (uint32_t i = 0; i < commit->messages_count; i++)
        commit->messages[i] = (struct pawl_message_row){ .id = some_message(generator),
                                                         .body = some_bytes(generator) };
}

static void add_events(struct suite_generator *generator, struct pawl_commit *commit)
{
    commit->events_count = below(generator, 5);
    commit->events = PAWL_ARENA_ARRAY(&generator->arena, struct pawl_bytes, commit->events_count);
    for (uint32_t i = 0; i < commit->events_count; i++) commit->events[i] = some_bytes(generator);
}

/* Of a past that is brought in. */
static void add_times(struct suite_generator *generator, struct pawl_commit *commit)
{
    int64_t *times[] = { &commit->started_ms, &commit->updated_ms, &commit->completed_ms };
    for (size_t i = 0; i < 3; i++)
        if (percent(generator, 80)) *times[i] = generator->now_ms - below(generator, 100000);
}

static void add_carry(struct suite_generator *generator, struct pawl_commit *commit)
{
    commit->carry_count = 1 + below(generator, 3);
    commit->carry = PAWL_ARENA_ARRAY(&generator->arena, struct pawl_inbox_row, commit->carry_count);
    for (uint32_t i = 0; i < commit->carry_count; i++)
        commit->carry[i] = (struct pawl_inbox_row){ .delivery = pawl_rng_id(&generator->rng),
                                                    .body = some_bytes(generator) };
    commit->name = numbered(generator, "name-", 2);
    commit->version = maybe_bytes(generator, 50);
}

static enum pawl_status some_status(struct suite_generator *generator)
{
    static const enum pawl_status ended[] = { PAWL_STATUS_COMPLETED, PAWL_STATUS_FAILED,
                                              PAWL_STATUS_CANCELED, PAWL_STATUS_TERMINATED };
    if (percent(generator, 12)) return ended[below(generator, 4)];
    if (percent(generator, 8)) return PAWL_STATUS_SUSPENDED;
    return percent(generator, 5) ? PAWL_STATUS_STALLED : PAWL_STATUS_RUNNING;
}

/* Consume some of the waiting rows, as the one who has read them would. */
static void consume(struct suite_generator *generator, const struct pawl_snapshot *present,
                    struct pawl_commit *commit)
{
    uint32_t rows = below(generator, present->inbox_count + 1);
    commit->inbox_consumed = present->metadata.inbox_head + rows;
    commit->consumed_count = rows;
    /* As the engine has it: nothing at all when there are none. */
    commit->consumed = rows ? PAWL_ARENA_ARRAY(&generator->arena, struct pawl_id, rows) : NULL;
    for (uint32_t i = 0; i < rows; i++) commit->consumed[i] = present->inbox[i].delivery;
}

static void spoil_consumed(struct suite_generator *generator, struct pawl_commit *commit)
{
    if (commit->consumed_count == 0) {
        commit->consumed_count = 1;
        commit->consumed = PAWL_ARENA_NEW(&generator->arena, struct pawl_id);
        return;
    }
    commit->consumed[below(generator, commit->consumed_count)] = pawl_rng_id(&generator->rng);
}

static void spoil_commit(struct suite_generator *generator, struct pawl_commit *commit)
{
    switch (below(generator, 6)) {
    case 0: commit->inc = pawl_rng_id(&generator->rng); return;
    case 1: commit->gen++; return;
    case 2: commit->last = pawl_rng_id(&generator->rng); return;
    case 3: commit->inbox_consumed += 1 + below(generator, 3); return;
    case 4: commit->inbox_consumed -= commit->inbox_consumed ? 1 : 0; return;
    case 5: spoil_consumed(generator, commit); return;
    }
}

static void make_commit(struct suite_generator *generator, const struct suite_partition *partition,
                        struct pawl_commit *commit)
{
    commit->fence = some_fence(generator, partition);
    commit->instance = some_instance(generator);
    commit->id = pawl_rng_id(&generator->rng);
    commit->now_ms = generator->now_ms;
    commit->history_max = percent(generator, 90) ? 40 : 6;
    commit->custom_status_set = percent(generator, 20);
    commit->custom_status = maybe_bytes(generator, 70);
    if (percent(generator, 10)) /* too large for the change log */
        commit->custom_status =
            pawl_arena_printf(&generator->arena, "%0*u", (int)PAWL_CHANGE_CUSTOM_SIZE_MAX + 1, 7u);
    commit->payloads =
        (struct pawl_payloads){ maybe_bytes(generator, 20), maybe_bytes(generator, 20),
                                maybe_bytes(generator, 20) };
    commit->attempts = maybe_bytes(generator, 20);
    if (percent(generator, 10)) commit->attempts = PAWL_BYTES_LITERAL("");
    commit->wake_keep = percent(generator, 40);
    commit->changes_max = some_changes_max(generator);
    if (percent(generator, 15)) commit->wake_at_ms = generator->now_ms + below(generator, 30000);

    const struct pawl_snapshot *present = peek(generator, partition->index, commit->instance);
    if (!present) return;
    if (percent(generator, 25)) /* no change */
        commit->custom_status = pawl_arena_copy(&generator->arena, present->custom_status);
    commit->inc = present->metadata.inc;
    commit->gen = present->metadata.gen;
    commit->last = present->metadata.last;
    consume(generator, present, commit);
    resolve_pending(generator, present, commit);
    add_messages(generator, commit);
    if (percent(generator, 10)) {
        add_carry(generator, commit);
        commit->status = PAWL_STATUS_RUNNING;
    } else {
        add_events(generator, commit);
        add_pending(generator, commit);
        commit->status = some_status(generator);
    }
    if (percent(generator, 8)) add_times(generator, commit);
    if (percent(generator, 12)) spoil_commit(generator, commit);
}

static void make_result(struct suite_generator *generator, const struct pawl_snapshot *present,
                        struct pawl_deliver *deliver)
{
    deliver->op = (struct pawl_op){ "atc"[below(generator, 3)], below(generator, 6) };
    if (!present) return;
    deliver->inc = present->metadata.inc;
    deliver->gen = present->metadata.gen;
    if (present->pending_count && percent(generator, 90)) {
        const struct pawl_pending *pending =
            &present->pending[below(generator, present->pending_count)];
        deliver->op = pending->op;
        deliver->nonce = pending->nonce;
    }
    if (percent(generator, 3)) deliver->inc = pawl_rng_id(&generator->rng);
    if (percent(generator, 3)) deliver->gen++;
    if (percent(generator, 3)) deliver->nonce++;
}

/* Often one that the instance has seen, perhaps before it ended. */
static struct pawl_bytes some_request_id(struct suite_generator *generator, uint32_t partition,
                                         struct pawl_bytes id)
{
    const struct pawl_mem_partition *rows = generator->mem->partitions[partition];
    const struct pawl_mem_instance *instance = rows ? pawl_mem_instance_find(rows, id) : NULL;
    const struct pawl_tree_node *newest = instance ? pawl_tree_last(&instance->seen_by_time) : NULL;
    if (!newest || percent(generator, 70)) return numbered(generator, "event-", 10);
    struct pawl_bytes seen = PAWL_CONTAINER_OF(newest, struct pawl_mem_seen, by_time)->request_id;
    return pawl_arena_copy(&generator->arena, seen);
}

static void make_deliver(struct suite_generator *generator, const struct suite_partition *partition,
                         struct pawl_deliver *deliver)
{
    deliver->instance = some_instance(generator);
    deliver->delivery = pawl_rng_id(&generator->rng);
    deliver->body = some_bytes(generator);
    deliver->now_ms = generator->now_ms;
    deliver->inbox_max = percent(generator, 80) ? 8 : 2;
    deliver->seen_max = percent(generator, 80) ? 7 : 2;
    deliver->changes_max = some_changes_max(generator);
    deliver->seen_ms_max = percent(generator, 40) ? SEEN_MS_SHORT : SEEN_MS_LONG;
    const struct pawl_snapshot *present = peek(generator, partition->index, deliver->instance);
    if (percent(generator, 50))
        make_result(generator, present, deliver);
    else
        deliver->request_id = some_request_id(generator, partition->index, deliver->instance);
    /* Often of one that has failed, and sometimes of what cannot be rewound. */
    bool has_failed = present && present->metadata.status == PAWL_STATUS_FAILED;
    if (deliver->op.kind || !present || !percent(generator, has_failed ? 60 : 5)) return;
    deliver->rewind = percent(generator, 90) ? present->metadata.last : deliver->delivery;
}

static void make_poll(struct suite_generator *generator, const struct suite_partition *partition,
                      struct pawl_poll *poll)
{
    poll->fence = some_fence(generator, partition);
    poll->now_ms = generator->now_ms;
    poll->until_ms = generator->now_ms;
    if (percent(generator, 30)) poll->until_ms += below(generator, PAWL_LEASE_MS_MAX);
    if (percent(generator, 30)) poll->from_ms = generator->now_ms - 5000 + below(generator, 10000);
    if (percent(generator, 25)) poll->skip = below(generator, 5);
    poll->max = percent(generator, 50) ? PAWL_POLL_ITEMS_MAX : 1 + below(generator, 6);
}

static void make_purge(struct suite_generator *generator, const struct suite_partition *partition,
                       struct pawl_purge *purge)
{
    purge->instance = some_instance(generator);
    purge->force = percent(generator, 20);
    purge->now_ms = generator->now_ms;
    purge->tombs = some_tomb_limits(generator);
    purge->changes_max = some_changes_max(generator);
    const struct pawl_snapshot *present = peek(generator, partition->index, purge->instance);
    if (present && percent(generator, 60)) purge->inc = present->metadata.inc;
    if (percent(generator, 15)) purge->inc = pawl_rng_id(&generator->rng);
}

static void make_outdone(struct suite_generator *generator, struct pawl_outdone *outdone)
{
    outdone->ids_count = 1 + below(generator, 3);
    struct pawl_id *ids = PAWL_ARENA_ARRAY(&generator->arena, struct pawl_id, outdone->ids_count);
    for (uint32_t i = 0; i < outdone->ids_count; i++) ids[i] = some_message(generator);
    outdone->ids = ids;
}

static void some_time(struct suite_generator *generator, uint32_t chance, int64_t *ret_ms)
{
    if (percent(generator, chance)) *ret_ms = generator->now_ms - below(generator, 40000);
}

static void make_query(struct suite_generator *generator, const struct suite_partition *partition,
                       struct pawl_query *query)
{
    static const char *const prefixes[] = { "a", "a|", "", "w" };
    if (percent(generator, 40)) query->status_mask = below(generator, 1 << PAWL_STATUS_COUNT);
    if (percent(generator, 30)) query->name = numbered(generator, "name-", 3);
    if (percent(generator, 30)) query->prefix = pawl_bytes_str(prefixes[below(generator, 4)]);
    if (percent(generator, 30)) query->tags = some_tags(generator, 25);
    query->order = (enum pawl_query_order)below(generator, PAWL_QUERY_ORDERS_END);
    query->count_only = percent(generator, 25);
    some_time(generator, 25, &query->created_from_ms);
    some_time(generator, 25, &query->created_to_ms);
    some_time(generator, 10, &query->completed_from_ms);
    some_time(generator, 10, &query->completed_to_ms);
    some_time(generator, 10, &query->updated_from_ms);
    some_time(generator, 10, &query->updated_to_ms);
    query->limit = percent(generator, 50) ? 100 : 1 + below(generator, 4);
    query->scan_max = percent(generator, 50) ? 100 : 1 + below(generator, 5);
    if (!percent(generator, 35)) return;
    query->before_instance = some_instance(generator);
    const struct pawl_snapshot *present = peek(generator, partition->index, query->before_instance);
    query->before_ms = generator->now_ms;
    if (!present) return;
    bool is_completed = query->order == PAWL_QUERY_COMPLETED;
    query->before_ms = is_completed ? present->metadata.completed_ms : present->metadata.created_ms;
}

/* Lists come in the backend's order, so pages of them differ: see suite.c. */
static void make_inspect(struct suite_generator *generator, struct pawl_inspect *inspect)
{
    inspect->what = percent(generator, 20) ? PAWL_INSPECT_PARTITION : PAWL_INSPECT_INSTANCE;
    inspect->instance = some_instance(generator);
    if (percent(generator, 40)) inspect->history_from = below(generator, 12);
    if (percent(generator, 20)) inspect->inbox_from = below(generator, 12);
    if (percent(generator, 10)) inspect->history_from = UINT32_MAX;
    inspect->limit = percent(generator, 50) ? 1000 : 1 + below(generator, 5);
    inspect->size_max = percent(generator, 50) ? 1000000 : 1 + below(generator, 60);
}

/* From behind an entry that is there, was there, or never was. */
static void make_changes(struct suite_generator *generator, const struct suite_partition *partition,
                         struct pawl_changes *changes)
{
    const struct pawl_mem_partition *rows = generator->mem->partitions[partition->index];
    uint64_t last = rows ? rows->changes_last : 0;
    uint64_t back = below(generator, 2 * CHANGES_MAX);
    changes->after = last > back ? last - back : 0;
    if (percent(generator, 5)) changes->after = last + below(generator, 2);
    if (percent(generator, 5)) changes->after = UINT64_MAX;
    changes->max = percent(generator, 50) ? 100 : below(generator, 5);
    changes->keep = CHANGES_MAX;
}

/* Generate ------------------------------------------------------------------------ */

static enum pawl_store_op some_op(struct suite_generator *generator)
{
    static const struct {
        enum pawl_store_op op;
        uint32_t weight;
    } weights[] = {
        { PAWL_STORE_COMMIT, 32 }, { PAWL_STORE_DELIVER, 22 }, { PAWL_STORE_CREATE, 12 },
        { PAWL_STORE_LOAD, 8 },    { PAWL_STORE_POLL, 8 },     { PAWL_STORE_QUERY, 5 },
        { PAWL_STORE_OUTDONE, 3 }, { PAWL_STORE_PURGE, 4 },    { PAWL_STORE_ACQUIRE, 2 },
        { PAWL_STORE_INSPECT, 2 }, { PAWL_STORE_CHANGES, 2 },
    };
    uint32_t at = below(generator, 100);
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        if (at < weights[i].weight) return weights[i].op;
        at -= weights[i].weight;
    }
    PAWL_UNREACHABLE("the weights add up to 100");
}

static void make(struct suite_generator *generator, struct pawl_store_request *request,
                 const struct suite_partition *partition)
{
    switch (request->op) {
    case PAWL_STORE_ACQUIRE: make_acquire(generator, partition, &request->acquire); return;
    case PAWL_STORE_CREATE: make_create(generator, &request->create); return;
    case PAWL_STORE_LOAD: make_load(generator, partition, &request->load); return;
    case PAWL_STORE_COMMIT: make_commit(generator, partition, &request->commit); return;
    case PAWL_STORE_DELIVER: make_deliver(generator, partition, &request->deliver); return;
    case PAWL_STORE_POLL: make_poll(generator, partition, &request->poll); return;
    case PAWL_STORE_PURGE: make_purge(generator, partition, &request->purge); return;
    case PAWL_STORE_OUTDONE: make_outdone(generator, &request->outdone); return;
    case PAWL_STORE_QUERY: make_query(generator, partition, &request->query); return;
    case PAWL_STORE_INSPECT: make_inspect(generator, &request->inspect); return;
    case PAWL_STORE_CHANGES: make_changes(generator, partition, &request->changes); return;
    case PAWL_STORE_OPS_END: return;
    }
}

void suite_generator_init(struct suite_generator *generator, uint64_t seed, struct pawl_mem *mem)
{
    *generator = (struct suite_generator){ .mem = mem, .now_ms = 1000000 };
    pawl_rng_init(&generator->rng, seed);
    pawl_arena_init(&generator->arena);
    pawl_arena_init(&generator->peek);
    pawl_arena_init(&generator->previous_arena);
    for (int i = 0; i < 2; i++) pawl_arena_init(&generator->late_arenas[i]);
}

void suite_generator_deinit(struct suite_generator *generator)
{
    pawl_arena_deinit(&generator->arena);
    pawl_arena_deinit(&generator->peek);
    pawl_arena_deinit(&generator->previous_arena);
    for (int i = 0; i < 2; i++) pawl_arena_deinit(&generator->late_arenas[i]);
}

void suite_generator_use(struct suite_generator *generator, uint32_t first, uint32_t second)
{
    generator->partitions[0] = (struct suite_partition){ .index = first };
    generator->partitions[1] = (struct suite_partition){ .index = second };
    generator->previous.op = 0;
    for (int i = 0; i < 2; i++) generator->late[i].op = 0;
}

static void remember(struct suite_generator *generator, const struct pawl_store_request *request)
{
    pawl_arena_reset(&generator->previous_arena);
    pawl_store_request_copy(&generator->previous_arena, request, &generator->previous);
}

/* Another call of the child that is kept: what is kept comes late from now on. */
static struct pawl_store_request call_again(struct suite_generator *generator)
{
    struct pawl_store_request request = generator->late[1];
    struct pawl_create *create = &request.create;
    create->request_id = numbered(generator, "again-", 1000);
    create->parent = pawl_arena_printf(&generator->arena, "%.*s#%u",
                                       PAWL_BYTES_FMT(create->parent_key), below(generator, 1000));
    create->inc = pawl_rng_id(&generator->rng);
    create->delivery = pawl_rng_id(&generator->rng);
    create->tombs =
        (struct pawl_tomb_limits){ .tomb_ms = PAWL_TOMB_MS, .tombs_max = PAWL_TOMBS_MAX };
    return request;
}

struct pawl_store_request suite_generate(struct suite_generator *generator)
{
    pawl_arena_reset(&generator->arena);
    generator->is_resent = generator->previous.op != 0 && percent(generator, 8);
    if (generator->is_resent) return generator->previous;
    const struct pawl_store_request *late = &generator->late[below(generator, 2)];
    if (late->op != 0 && percent(generator, 10)) return *late;
    if (generator->late[1].op != 0 && percent(generator, 2)) return call_again(generator);

    generator->now_ms += below(generator, 2000);
    if (percent(generator, 1)) generator->now_ms -= 3000; /* another machine's clock */
    const struct suite_partition *partition = &generator->partitions[below(generator, 2)];
    struct pawl_store_request request = { .op = some_op(generator), .partition = partition->index };
    if (partition->fence.epoch == 0) request.op = PAWL_STORE_ACQUIRE;
    make(generator, &request, partition);
    if (percent(generator, 70)) remember(generator, &request); /* else an older one stays */
    return request;
}

/* Learn --------------------------------------------------------------------------- */

static void mark(struct suite_generator *generator, enum suite_mark which, bool occurred)
{
    if (occurred) generator->marks[which]++;
}

static void learn_acquire(struct suite_generator *generator,
                          const struct pawl_store_request *request,
                          const struct pawl_store_reply *reply)
{
    struct suite_partition *partition =
        &generator->partitions[request->partition != generator->partitions[0].index];
    partition->table_version = reply->acquire.table_version;
    if (reply->err) return;
    if (partition->fence.epoch != reply->acquire.epoch) partition->old_fence = partition->fence;
    partition->fence = (struct pawl_fence){ reply->acquire.epoch, request->acquire.nonce };
}

/* A request that the instance was made by has its incarnation. */
static bool is_rebound(const struct pawl_create *create, const struct pawl_store_reply *reply)
{
    const struct pawl_metadata *metadata = &reply->create.metadata;
    return reply->err == PAWL_E_DUPLICATE && !pawl_bytes_is_absent(create->parent)
           && pawl_bytes_is_equal(create->parent, metadata->parent)
           && !pawl_id_is_equal(create->inc, metadata->inc);
}

/* Were it not late, it would be rebound. */
static bool is_late(const struct pawl_create *create, const struct pawl_store_reply *reply)
{
    const struct pawl_metadata *metadata = &reply->create.metadata;
    return reply->err == PAWL_E_DUPLICATE && !pawl_bytes_is_absent(create->parent)
           && pawl_bytes_starts_with(metadata->parent, create->parent_key)
           && !pawl_bytes_is_equal(metadata->parent, create->parent)
           && !pawl_store_status_is_terminal(metadata->status);
}

/* Of the request that is kept already, or of another one. */
static void keep_late(struct suite_generator *generator, uint32_t which,
                      const struct pawl_store_request *request)
{
    if (request->create.instance.data == generator->late[which].create.instance.data) return;
    pawl_arena_reset(&generator->late_arenas[which]);
    pawl_store_request_copy(&generator->late_arenas[which], request, &generator->late[which]);
}

static void learn_late(struct suite_generator *generator, const struct pawl_store_request *request,
                       const struct pawl_store_reply *reply)
{
    const struct pawl_create *create = &request->create;
    bool is_refused = reply->err == PAWL_E_EXISTS && create->keep_refusal;
    if (is_refused && create->replace_terminal && create->tombs.tomb_ms > 0)
        keep_late(generator, 0, request);
    bool is_child = reply->err == PAWL_OK && !pawl_bytes_is_absent(create->parent_key);
    if (is_child && !create->rebind_late && percent(generator, 25))
        keep_late(generator, 1, request);
}

static void learn_create(struct suite_generator *generator, const struct pawl_create *create,
                         const struct pawl_store_reply *reply)
{
    const struct pawl_metadata *metadata = &reply->create.metadata;
    mark(generator, SUITE_CREATE_REPLACE, reply->err == PAWL_OK && metadata->gen > 1);
    mark(generator, SUITE_CREATE_REBIND, is_rebound(create, reply));
    mark(generator, SUITE_CREATE_LATE, is_late(create, reply));
    bool is_free = metadata->gen == 0 || pawl_store_status_is_terminal(metadata->status);
    mark(generator, SUITE_CREATE_REFUSED_STILL,
         reply->err == PAWL_E_EXISTS && create->replace_terminal && is_free);
}

static void learn_commit(struct suite_generator *generator, const struct pawl_commit *commit,
                         const struct pawl_store_reply *reply)
{
    mark(generator, SUITE_COMMIT_RESENT, generator->is_resent);
    uint32_t rows = reply->commit.inbox_tail - reply->commit.inbox_head;
    mark(generator, SUITE_COMMIT_CARRY_BEFORE_ROWS,
         commit->carry_count > 0 && rows > commit->carry_count);
    mark(generator, SUITE_COMMIT_TERMINAL, pawl_store_status_is_terminal(commit->status));
    mark(generator, SUITE_COMMIT_WAKE_AT, commit->wake_at_ms != 0);
}

/* What was raised at an ended instance: known, or too old to be. */
static void learn_raise(struct suite_generator *generator, uint32_t partition,
                        const struct pawl_deliver *deliver, pawl_err err)
{
    const struct pawl_mem_instance *instance =
        pawl_mem_instance_find(generator->mem->partitions[partition], deliver->instance);
    if (!pawl_id_is_zero(deliver->rewind)) {
        mark(generator, SUITE_DELIVER_REWINDS, err == PAWL_OK);
        mark(generator, SUITE_DELIVER_REWINDS_NOT, err == PAWL_E_CONFLICT);
        return;
    }
    if (!instance || !pawl_store_status_is_terminal(instance->metadata.status)) return;
    mark(generator, SUITE_DELIVER_SEEN_BY_ENDED, err == PAWL_E_DUPLICATE);
    mark(generator, SUITE_DELIVER_FORGOTTEN_BY_ENDED,
         err == PAWL_E_TERMINAL && pawl_mem_seen_find(instance, deliver->request_id));
}

static void learn_load(struct suite_generator *generator, const struct pawl_load *load,
                       const struct pawl_store_reply *reply)
{
    const struct pawl_snapshot *snapshot = &reply->load.snapshot;
    bool is_history = (load->want & PAWL_LOAD_HISTORY) != 0;
    mark(generator, SUITE_LOAD_OTHER_GEN,
         is_history && load->gen != 0 && load->gen != snapshot->metadata.gen
             && snapshot->metadata.history_count > load->history_from);
    mark(generator, SUITE_LOAD_PART_OF_HISTORY,
         snapshot->history_count > 0
             && load->history_from + snapshot->history_count < snapshot->metadata.history_count);
}

static void learn_query(struct suite_generator *generator, const struct pawl_query *query,
                        const struct pawl_store_reply *reply)
{
    bool has_found = query->count_only;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        mark(generator, SUITE_QUERY_COUNT, has_found && reply->query.counts[i] > 0);
    has_found = reply->query.rows_count > 0;
    mark(generator, SUITE_QUERY_MORE, reply->query.more);
    mark(generator, SUITE_QUERY_TAGS, has_found && !pawl_bytes_is_absent(query->tags));
    mark(generator, SUITE_QUERY_COMPLETED, has_found && query->order == PAWL_QUERY_COMPLETED);
    mark(generator, SUITE_QUERY_BY_ID, has_found && query->order == PAWL_QUERY_ID);
}

static void learn_changes(struct suite_generator *generator, const struct pawl_changes *changes,
                          const struct pawl_store_reply *reply)
{
    mark(generator, SUITE_CHANGES_FORGOTTEN, changes->after + 1 < reply->changes.first);
    for (uint32_t i = 0; i < reply->changes.count; i++)
        mark(generator, SUITE_CHANGES_OMITTED,
             (reply->changes.items[i].what & PAWL_CHANGE_CUSTOM_OMITTED) != 0);
}

static void learn_poll(struct suite_generator *generator, const struct pawl_store_reply *reply)
{
    mark(generator, SUITE_POLL_FUTURE_TIMERS, reply->poll.skipped > 0);
    for (uint32_t i = 0; i < reply->poll.items_count; i++)
        mark(generator, SUITE_POLL_MESSAGE,
             reply->poll.items[i].reminder.kind == PAWL_REMINDER_OUTBOX);
}

void suite_learn(struct suite_generator *generator, const struct pawl_store_request *request,
                 const struct pawl_store_reply *reply)
{
    if (request->op == PAWL_STORE_ACQUIRE) learn_acquire(generator, request, reply);
    if (request->op == PAWL_STORE_CREATE) learn_create(generator, &request->create, reply);
    if (request->op == PAWL_STORE_CREATE) learn_late(generator, request, reply);
    if (request->op == PAWL_STORE_DELIVER && !request->deliver.op.kind)
        learn_raise(generator, request->partition, &request->deliver, reply->err);
    if (reply->err) return;
    switch (request->op) {
    case PAWL_STORE_COMMIT: learn_commit(generator, &request->commit, reply); return;
    case PAWL_STORE_LOAD: learn_load(generator, &request->load, reply); return;
    case PAWL_STORE_POLL: learn_poll(generator, reply); return;
    case PAWL_STORE_DELIVER:
        mark(generator, SUITE_DELIVER_TIMER, request->deliver.op.kind == 't');
        return;
    case PAWL_STORE_QUERY: learn_query(generator, &request->query, reply); return;
    case PAWL_STORE_CHANGES: learn_changes(generator, &request->changes, reply); return;
    default: return;
    }
}
