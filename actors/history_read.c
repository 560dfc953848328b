#include "actors/history_read.h"

#include "actors/call.h"
#include "sdk/history.h"

/* The history may begin anew while it is read. */
#define READS_MAX 4u

#define ATTEMPTS_MAX 3u

static void read_page(struct pawl_node *node, struct pawl_history_read *read);

static void take_page(struct pawl_history_read *read, const struct pawl_snapshot *snapshot)
{
    struct pawl_arena *arena = &read->job.arena;
    if (read->events_count == 0) {
        read->metadata = snapshot->metadata;
        read->metadata.name = pawl_arena_copy(arena, snapshot->metadata.name);
        read->metadata.version = pawl_arena_copy(arena, snapshot->metadata.version);
        read->metadata.request_id = pawl_arena_copy(arena, snapshot->metadata.request_id);
        read->metadata.parent = pawl_arena_copy(arena, snapshot->metadata.parent);
        read->metadata.tags = pawl_arena_copy(arena, snapshot->metadata.tags);
        read->input = pawl_arena_copy(arena, snapshot->payloads.input);
        read->events = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, snapshot->metadata.history_count);
    }
    for (uint32_t i = 0; i < snapshot->history_count; i++)
        read->events[read->events_count++] = pawl_arena_copy(arena, snapshot->history[i]);
}

static void on_loaded(struct pawl_node *node, struct pawl_call *call,
                      const struct pawl_store_reply *reply)
{
    struct pawl_history_read *read = call->context;
    const struct pawl_snapshot *snapshot = &reply->load.snapshot;
    if (reply->err != PAWL_OK) {
        read->on_done(node, read, reply->err, reply);
        return;
    }
    bool is_other =
        read->events_count > 0 && !pawl_id_is_equal(snapshot->metadata.last, read->metadata.last);
    if (is_other && ++read->reads < READS_MAX) {
        read->events_count = 0;
        read_page(node, read);
        return;
    }
    if (is_other) {
        read->on_done(node, read, PAWL_E_BUSY, reply);
        return;
    }
    take_page(read, snapshot);
    bool has_ended = pawl_status_is_terminal(read->metadata.status);
    bool has_more = read->events_count < read->metadata.history_count;
    if (has_ended && has_more && snapshot->history_count > 0)
        read_page(node, read);
    else
        read->on_done(node, read, PAWL_OK, reply);
}

static void read_page(struct pawl_node *node, struct pawl_history_read *read)
{
    struct pawl_call *call = pawl_call_new(
        node, PAWL_STORE_LOAD, pawl_node_partition(node, read->instance)->index, on_loaded);
    call->request_token = read->token;
    call->attempts_max = ATTEMPTS_MAX;
    call->instance = pawl_arena_copy(&call->arena, read->instance);
    call->context = read;
    call->request.load = (struct pawl_load){ .instance = call->instance,
                                             .want = PAWL_LOAD_HISTORY | PAWL_LOAD_PAYLOADS,
                                             .history_from = read->events_count,
                                             .history_max = PAWL_LOAD_HISTORY_MAX,
                                             .history_size_max = PAWL_LOAD_HISTORY_SIZE_MAX };
    pawl_call_send(node, call);
}

void pawl_history_read_start(struct pawl_node *node, struct pawl_history_read *read)
{
    read->reads = 0;
    read->events_count = 0;
    read_page(node, read);
}
