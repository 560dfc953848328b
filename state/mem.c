#include "state/mem_rows.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "state/keys.h"

struct pawl_mem *pawl_mem_store_new(void)
{
    struct pawl_mem *mem = PAWL_NEW(struct pawl_mem);
    pawl_arena_init(&mem->scratch);
    return mem;
}

void pawl_mem_store_free(struct pawl_mem *mem)
{
    if (!mem) return;
    for (uint32_t i = 0; i < mem->partitions_end; i++)
        if (mem->partitions[i]) pawl_mem_partition_free(mem->partitions[i]);
    pawl_arena_deinit(&mem->scratch);
    pawl_mem_free(mem);
}

static void acquire(struct pawl_mem_partition *partition, const struct pawl_acquire *acquire,
                    struct pawl_store_reply *reply)
{
    bool is_resent = partition->epoch != 0 && pawl_id_is_equal(partition->nonce, acquire->nonce);
    bool is_old = partition->table_version > acquire->table_version && !PAWL_MUTANT(NO_TABLE_CHECK);
    if (!is_resent && is_old) {
        reply->err = PAWL_E_CONFLICT;
    } else if (!is_resent) {
        partition->epoch++;
        partition->nonce = acquire->nonce;
        partition->table_version = acquire->table_version;
        partition->since_ms = acquire->now_ms;
        pawl_mem_bytes_set(&partition->owner, acquire->owner);
    }
    reply->acquire.epoch = partition->epoch;
    reply->acquire.table_version = partition->table_version;
}

/* Create ----------------------------------------------------------------------- */

static void instance_add(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                         const struct pawl_create *create, uint32_t gen)
{
    struct pawl_metadata metadata = {
        .inc = create->inc,
        .gen = gen,
        .last = create->delivery,
        .status = PAWL_STATUS_PENDING,
        .created_ms = create->created_ms,
        .start_at_ms = create->start_at_ms,
        .updated_ms = create->created_ms,
        .name = create->name,
        .version = create->version,
        .request_id = create->request_id,
        .parent = create->parent,
        .tags = create->tags,
    };
    struct pawl_mem_instance *instance =
        pawl_mem_instance_add(partition, create->instance, &metadata);
    instance->parent_key = pawl_mem_bytes_copy(create->parent_key);
    instance->payloads.input = pawl_mem_bytes_copy(create->input);
    pawl_mem_inbox_append(instance, create->delivery, create->body);

    int64_t wake_ms =
        create->start_at_ms > create->created_ms ? create->start_at_ms : create->created_ms;
    struct pawl_reminder wake = pawl_mem_wake(instance, wake_ms);
    pawl_mem_reminder_put(mem, partition, instance, &wake);
}

static void remember_request(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                             enum pawl_tomb_kind kind, struct pawl_bytes instance,
                             struct pawl_bytes request_id, int64_t now_ms,
                             const struct pawl_tomb_limits *limits)
{
    if (limits->tomb_ms > 0 && !pawl_bytes_is_absent(request_id) && !PAWL_MUTANT(NO_TOMB))
        pawl_mem_tomb_add(partition, pawl_tomb_format(&mem->scratch, kind, instance, request_id),
                          now_ms, limits);
}

static void remember(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                     const struct pawl_mem_instance *instance, int64_t now_ms,
                     const struct pawl_tomb_limits *limits)
{
    remember_request(mem, partition, PAWL_TOMB_REMOVED, instance->id, instance->metadata.request_id,
                     now_ms, limits);
}

static void bury(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                 struct pawl_mem_instance *instance, int64_t now_ms,
                 const struct pawl_tomb_limits *limits)
{
    remember(mem, partition, instance, now_ms, limits);
    pawl_mem_instance_remove(partition, instance);
}

static bool is_remembered(struct pawl_mem *mem, const struct pawl_mem_partition *partition,
                          enum pawl_tomb_kind kind, const struct pawl_create *create)
{
    if (pawl_bytes_is_absent(create->request_id)) return false;
    struct pawl_bytes member =
        pawl_tomb_format(&mem->scratch, kind, create->instance, create->request_id);
    return pawl_mem_tomb_holds(partition, member, create->created_ms);
}

static bool is_child_of(const struct pawl_mem_instance *instance, const struct pawl_create *create)
{
    return instance && !pawl_bytes_is_absent(create->parent_key)
           && pawl_bytes_is_equal(create->parent_key, instance->parent_key);
}

/* One that has ended answers for one attempt of its parent. */
static bool may_rebind(const struct pawl_mem_instance *instance, const struct pawl_create *create)
{
    return is_child_of(instance, create)
           && (!pawl_store_status_is_terminal(instance->metadata.status) || create->rebind_ended
               || pawl_bytes_is_equal(create->parent, instance->metadata.parent));
}

static void rebind(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                   struct pawl_mem_instance *instance, const struct pawl_create *create)
{
    struct pawl_metadata *metadata = &instance->metadata;
    pawl_mem_bytes_set(&metadata->parent, create->parent);
    if (pawl_bytes_is_equal(create->request_id, metadata->request_id)) return;
    remember(mem, partition, instance, create->created_ms, &create->tombs);
    pawl_mem_bytes_set(&metadata->request_id, create->request_id);
}

static pawl_err create_decide(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                              struct pawl_mem_instance *instance, const struct pawl_create *create)
{
    bool is_child = may_rebind(instance, create);
    bool is_own = instance && pawl_bytes_is_equal(create->request_id, instance->metadata.request_id)
                  && !PAWL_MUTANT(CREATE_FORGETS);
    if (!is_own && create->keep_refusal && is_remembered(mem, partition, PAWL_TOMB_REFUSED, create))
        return PAWL_E_EXISTS;
    bool is_late = !is_own && is_remembered(mem, partition, PAWL_TOMB_REMOVED, create);
    if (is_child && (create->rebind_late || PAWL_MUTANT(LATE_START_REBINDS))) is_late = false;
    if (is_late) return is_child_of(instance, create) ? PAWL_E_DUPLICATE : PAWL_E_TERMINAL;
    if (is_child) rebind(mem, partition, instance, create);
    if (is_child || is_own) return PAWL_E_DUPLICATE;
    if (!instance) return PAWL_OK;
    bool is_ended = pawl_store_status_is_terminal(instance->metadata.status);
    return is_ended && create->replace_terminal ? PAWL_OK : PAWL_E_EXISTS;
}

static void create(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                   const struct pawl_create *create, struct pawl_arena *arena,
                   struct pawl_store_reply *reply)
{
    struct pawl_mem_instance *instance = pawl_mem_instance_find(partition, create->instance);
    reply->err = create_decide(mem, partition, instance, create);
    if (reply->err == PAWL_E_TERMINAL) return;

    if (reply->err == PAWL_E_EXISTS && create->keep_refusal)
        remember_request(mem, partition, PAWL_TOMB_REFUSED, create->instance, create->request_id,
                         create->created_ms, &create->tombs);
    if (reply->err == PAWL_OK) {
        uint32_t gen = instance ? instance->metadata.gen + 1 : 1;
        if (instance) bury(mem, partition, instance, create->created_ms, &create->tombs);
        instance_add(mem, partition, create, gen);
        instance = pawl_mem_instance_find(partition, create->instance);
        pawl_mem_change_add(partition, create->changes_max, PAWL_CHANGE_CREATED, instance,
                            create->created_ms);
    }
    if (instance) pawl_mem_metadata_copy(arena, &instance->metadata, &reply->create.metadata);
}

/* Deliver ---------------------------------------------------------------------- */

static bool has_ended(const struct pawl_mem_instance *instance)
{
    return pawl_store_status_is_terminal(instance->metadata.status)
           && !PAWL_MUTANT(DELIVER_TO_ENDED);
}

static pawl_err deliver_check_result(const struct pawl_mem_instance *instance,
                                     const struct pawl_deliver *deliver)
{
    if (has_ended(instance)) return PAWL_E_TERMINAL;
    if (!pawl_id_is_equal(instance->metadata.inc, deliver->inc)) return PAWL_E_CONFLICT;
    if (instance->metadata.gen != deliver->gen) return PAWL_E_CONFLICT;
    const struct pawl_mem_pending *pending = pawl_mem_pending_find(instance, deliver->op);
    if (!pending || pending->row.nonce != deliver->nonce) return PAWL_E_CONFLICT;
    if (pending->row.state == PAWL_PENDING_DELIVERED) return PAWL_E_DUPLICATE;
    return PAWL_OK;
}

static pawl_err deliver_check_input(const struct pawl_mem_instance *instance,
                                    const struct pawl_deliver *deliver)
{
    int64_t since_ms = deliver->now_ms - deliver->seen_ms_max;
    const struct pawl_mem_seen *seen = pawl_mem_seen_find(instance, deliver->request_id);
    if (seen && seen->seen_ms >= since_ms && !PAWL_MUTANT(NO_REQUEST_DEDUPLICATION))
        return PAWL_E_DUPLICATE;
    if (!pawl_id_is_zero(deliver->rewind)) {
        const struct pawl_metadata *metadata = &instance->metadata;
        bool is_it = metadata->status == PAWL_STATUS_FAILED
                     && pawl_id_is_equal(metadata->last, deliver->rewind);
        if (!is_it && !PAWL_MUTANT(REWIND_ANYTHING)) return PAWL_E_CONFLICT;
    } else if (has_ended(instance)) {
        return PAWL_E_TERMINAL;
    }
    if (pawl_mem_seen_count_since(instance, since_ms) >= deliver->seen_max) return PAWL_E_BUSY;
    return PAWL_OK;
}

static pawl_err deliver_check(const struct pawl_mem_instance *instance,
                              const struct pawl_deliver *deliver)
{
    if (!instance) return PAWL_E_NOT_FOUND;
    pawl_err err = deliver->op.kind ? deliver_check_result(instance, deliver)
                                    : deliver_check_input(instance, deliver);
    if (err) return err;
    const struct pawl_metadata *metadata = &instance->metadata;
    bool is_full = metadata->inbox_tail - metadata->inbox_head >= deliver->inbox_max;
    return is_full ? PAWL_E_BUSY : PAWL_OK;
}

static void mark_delivered(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                           struct pawl_mem_instance *instance, const struct pawl_deliver *deliver)
{
    pawl_mem_pending_find(instance, deliver->op)->row.state = PAWL_PENDING_DELIVERED;
    if (deliver->op.kind != 't') return;
    struct pawl_reminder timer = { .kind = PAWL_REMINDER_TIMER,
                                   .instance = deliver->instance,
                                   .inc = deliver->inc,
                                   .gen = deliver->gen,
                                   .op = deliver->op,
                                   .nonce = deliver->nonce };
    pawl_mem_reminder_remove(mem, partition, &timer);
}

static void wake_by(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                    struct pawl_mem_instance *instance, int64_t due_ms)
{
    struct pawl_reminder wake = pawl_mem_wake(instance, due_ms);
    const struct pawl_mem_reminder *present =
        pawl_mem_reminder_find(partition, pawl_reminder_format(&mem->scratch, &wake));
    if (present && present->row.due_ms <= due_ms) return;
    pawl_mem_reminder_put(mem, partition, instance, &wake);
}

/* The history is in the row that comes. */
static void rewind_failed(struct pawl_mem_partition *partition, struct pawl_mem_instance *instance,
                          const struct pawl_deliver *deliver)
{
    struct pawl_metadata *metadata = &instance->metadata;
    pawl_mem_history_clear(instance);
    pawl_mem_bytes_free(&instance->payloads.output);
    pawl_mem_bytes_free(&instance->payloads.failure);
    pawl_mem_instance_set_status(partition, instance, PAWL_STATUS_RUNNING);
    metadata->completed_ms = 0;
    metadata->updated_ms = deliver->now_ms;
    metadata->last = deliver->delivery;
}

static void deliver(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                    const struct pawl_deliver *deliver, struct pawl_store_reply *reply)
{
    struct pawl_mem_instance *instance = pawl_mem_instance_find(partition, deliver->instance);
    reply->err = deliver_check(instance, deliver);
    if (reply->err) return;

    if (!pawl_id_is_zero(deliver->rewind)) {
        rewind_failed(partition, instance, deliver);
        pawl_mem_change_add(partition, deliver->changes_max, PAWL_CHANGE_STATUS, instance,
                            deliver->now_ms);
    }
    if (deliver->op.kind) {
        mark_delivered(mem, partition, instance, deliver);
    } else {
        pawl_mem_seen_drop_older(instance, deliver->now_ms - deliver->seen_ms_max);
        pawl_mem_seen_put(instance, deliver->request_id, deliver->now_ms);
    }
    reply->deliver.index = pawl_mem_inbox_append(instance, deliver->delivery, deliver->body);
    if (!PAWL_MUTANT(NO_WAKE_ROW)) wake_by(mem, partition, instance, deliver->now_ms);
}

/* Purge and outdone ------------------------------------------------------------ */

static void purge(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                  const struct pawl_purge *purge, struct pawl_store_reply *reply)
{
    struct pawl_mem_instance *instance = pawl_mem_instance_find(partition, purge->instance);
    if (!instance)
        reply->err = PAWL_E_NOT_FOUND;
    else if (!pawl_id_is_zero(purge->inc) && !pawl_id_is_equal(purge->inc, instance->metadata.inc))
        reply->err = PAWL_E_CONFLICT;
    else if (!purge->force && !pawl_store_status_is_terminal(instance->metadata.status))
        reply->err = PAWL_E_NOT_TERMINAL;
    if (reply->err) return;
    pawl_mem_change_add(partition, purge->changes_max, PAWL_CHANGE_PURGED, instance, purge->now_ms);
    bury(mem, partition, instance, purge->now_ms, &purge->tombs);
}

static void outdone(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                    const struct pawl_outdone *outdone)
{
    for (uint32_t i = 0; i < outdone->ids_count; i++) {
        struct pawl_reminder retry = { .kind = PAWL_REMINDER_OUTBOX, .message = outdone->ids[i] };
        pawl_mem_reminder_remove(mem, partition, &retry);
        pawl_mem_message_remove(partition, outdone->ids[i]);
    }
}

/* Dispatch --------------------------------------------------------------------- */

static struct pawl_mem_partition *partition_of(struct pawl_mem *mem, uint32_t index)
{
    PAWL_ASSERT(index < PAWL_PARTITIONS_MAX);
    if (!mem->partitions[index]) mem->partitions[index] = pawl_mem_partition_new();
    if (index >= mem->partitions_end) mem->partitions_end = index + 1;
    return mem->partitions[index];
}

void pawl_mem_store_apply(struct pawl_mem *mem, const struct pawl_store_request *request,
                          struct pawl_arena *arena, struct pawl_store_reply *ret_reply)
{
    struct pawl_mem_partition *partition = partition_of(mem, request->partition);
    *ret_reply = (struct pawl_store_reply){ .token = request->token,
                                            .op = request->op,
                                            .partition = request->partition };
    pawl_arena_reset(&mem->scratch);
    PAWL_ASSERT(request->op > 0);
    PAWL_ASSERT(request->op < PAWL_STORE_OPS_END);
    mem->counts[request->op]++;

    switch (request->op) {
    case PAWL_STORE_ACQUIRE: acquire(partition, &request->acquire, ret_reply); return;
    case PAWL_STORE_CREATE: create(mem, partition, &request->create, arena, ret_reply); return;
    case PAWL_STORE_LOAD: pawl_mem_load(partition, &request->load, arena, ret_reply); return;
    case PAWL_STORE_COMMIT: pawl_mem_commit(mem, partition, &request->commit, ret_reply); return;
    case PAWL_STORE_DELIVER: deliver(mem, partition, &request->deliver, ret_reply); return;
    case PAWL_STORE_POLL: pawl_mem_poll(partition, &request->poll, arena, ret_reply); return;
    case PAWL_STORE_PURGE: purge(mem, partition, &request->purge, ret_reply); return;
    case PAWL_STORE_OUTDONE: outdone(mem, partition, &request->outdone); return;
    case PAWL_STORE_QUERY: pawl_mem_query(partition, &request->query, arena, ret_reply); return;
    case PAWL_STORE_INSPECT:
        pawl_mem_inspect(partition, &request->inspect, arena, ret_reply);
        return;
    case PAWL_STORE_CHANGES:
        pawl_mem_changes(partition, &request->changes, arena, ret_reply);
        return;
    case PAWL_STORE_OPS_END: break;
    }
    PAWL_UNREACHABLE("every operation is handled");
}

void pawl_mem_store_plant_reminder(struct pawl_mem *mem, uint32_t partition,
                                   struct pawl_bytes member, int64_t due_ms)
{
    pawl_mem_reminder_plant(partition_of(mem, partition), member, due_ms);
}

uint64_t pawl_mem_store_count(const struct pawl_mem *mem, enum pawl_store_op op)
{
    return mem->counts[op];
}
