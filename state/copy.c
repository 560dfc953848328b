#include "state/copy.h"

#include "base/bytes.h"

static void copy_in(struct pawl_arena *arena, struct pawl_bytes *bytes)
{
    *bytes = pawl_arena_copy(arena, *bytes);
}

/* A copy of an array of plain values. */
static void *array_copy(struct pawl_arena *arena, const void *items, size_t size, uint32_t count)
{
    void *copy = pawl_arena_alloc(arena, size * count);
    if (count) memcpy(copy, items, size * count);
    return copy;
}

static void create_copy(struct pawl_arena *arena, struct pawl_create *create)
{
    copy_in(arena, &create->instance);
    copy_in(arena, &create->request_id);
    copy_in(arena, &create->body);
    copy_in(arena, &create->name);
    copy_in(arena, &create->version);
    copy_in(arena, &create->input);
    copy_in(arena, &create->parent);
    copy_in(arena, &create->parent_key);
    copy_in(arena, &create->tags);
}

static struct pawl_reminder *reminders_copy(struct pawl_arena *arena,
                                            const struct pawl_reminder *reminders, uint32_t count)
{
    struct pawl_reminder *copy = array_copy(arena, reminders, sizeof *reminders, count);
    for (uint32_t i = 0; i < count; i++) copy_in(arena, &copy[i].instance);
    return copy;
}

static void commit_rows_copy(struct pawl_arena *arena, struct pawl_commit *commit)
{
    commit->events =
        array_copy(arena, commit->events, sizeof *commit->events, commit->events_count);
    for (uint32_t i = 0; i < commit->events_count; i++) copy_in(arena, &commit->events[i]);

    commit->messages =
        array_copy(arena, commit->messages, sizeof *commit->messages, commit->messages_count);
    for (uint32_t i = 0; i < commit->messages_count; i++) copy_in(arena, &commit->messages[i].body);

    commit->carry = array_copy(arena, commit->carry, sizeof *commit->carry, commit->carry_count);
    for (uint32_t i = 0; i < commit->carry_count; i++) copy_in(arena, &commit->carry[i].body);
}

static void commit_copy(struct pawl_arena *arena, struct pawl_commit *commit)
{
    copy_in(arena, &commit->instance);
    commit->consumed =
        array_copy(arena, commit->consumed, sizeof *commit->consumed, commit->consumed_count);
    commit_rows_copy(arena, commit);
    commit->pending_done = array_copy(arena, commit->pending_done, sizeof *commit->pending_done,
                                      commit->pending_done_count);
    commit->pending_added = array_copy(arena, commit->pending_added, sizeof *commit->pending_added,
                                       commit->pending_added_count);
    for (uint32_t i = 0; i < commit->pending_added_count; i++)
        commit->pending_added[i].event = PAWL_BYTES_ABSENT;
    commit->reminders_removed =
        reminders_copy(arena, commit->reminders_removed, commit->reminders_removed_count);
    commit->reminders_added =
        reminders_copy(arena, commit->reminders_added, commit->reminders_added_count);
    copy_in(arena, &commit->name);
    copy_in(arena, &commit->version);
    copy_in(arena, &commit->custom_status);
    copy_in(arena, &commit->payloads.input);
    copy_in(arena, &commit->payloads.output);
    copy_in(arena, &commit->payloads.failure);
    copy_in(arena, &commit->attempts);
}

static void deliver_copy(struct pawl_arena *arena, struct pawl_deliver *deliver)
{
    copy_in(arena, &deliver->instance);
    copy_in(arena, &deliver->request_id);
    copy_in(arena, &deliver->body);
}

static void query_copy(struct pawl_arena *arena, struct pawl_query *query)
{
    copy_in(arena, &query->name);
    copy_in(arena, &query->prefix);
    copy_in(arena, &query->tags);
    copy_in(arena, &query->before_instance);
}

void pawl_store_request_copy(struct pawl_arena *arena, const struct pawl_store_request *request,
                             struct pawl_store_request *ret_copy)
{
    struct pawl_store_request *copy = ret_copy;
    *copy = *request;
    switch (copy->op) {
    case PAWL_STORE_ACQUIRE: copy_in(arena, &copy->acquire.owner); return;
    case PAWL_STORE_CREATE: create_copy(arena, &copy->create); return;
    case PAWL_STORE_LOAD: copy_in(arena, &copy->load.instance); return;
    case PAWL_STORE_COMMIT: commit_copy(arena, &copy->commit); return;
    case PAWL_STORE_DELIVER: deliver_copy(arena, &copy->deliver); return;
    case PAWL_STORE_POLL:
    case PAWL_STORE_CHANGES: return;
    case PAWL_STORE_PURGE: copy_in(arena, &copy->purge.instance); return;
    case PAWL_STORE_OUTDONE:
        copy->outdone.ids = array_copy(arena, copy->outdone.ids, sizeof *copy->outdone.ids,
                                       copy->outdone.ids_count);
        return;
    case PAWL_STORE_QUERY: query_copy(arena, &copy->query); return;
    case PAWL_STORE_INSPECT:
        copy_in(arena, &copy->inspect.instance);
        copy_in(arena, &copy->inspect.cursor);
        return;
    case PAWL_STORE_OPS_END: return;
    }
}
