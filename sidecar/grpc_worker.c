#include "sidecar/grpc_worker.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "sidecar/grpc_capabilities.h"
#include "sidecar/grpc_items.h"
#include "sidecar/grpc_names.h"
#include "sidecar/grpc_quota.h"

struct stream {
    uint64_t worker; /* key in workers->streams */
    struct pawl_grpc *grpc;
    uint64_t call;
    enum pawl_dialect dialect;
    bool is_leaving;
    struct pawl_grpc_capabilities can;
    struct pawl_grpc_held held;
    struct pawl_grpc_quota turns;
    struct pawl_grpc_quota tasks;
    struct pawl_list items;
    struct pawl_list backlog; /* messages that the stream has no room for yet */
    struct pawl_list unsettled_link;
    int64_t spoke_ms;
    struct pawl_arena kept; /* its name and what it registered */
    struct pawl_bytes name;
    struct pawl_hello hello;
};

/* A message that waits for the stream. */
struct waiting {
    struct pawl_list link;
    struct pawl_bytes bytes; /* behind the struct */
};

/* What could not be sent, and what the node is to be told. */
struct refused {
    struct pawl_list link;
    uint64_t worker;
    struct pawl_id id;
    bool is_activity;
    pawl_err err;
    struct pawl_bytes text;
    struct pawl_bytes instance; /* both behind the struct */
};

struct pawl_grpc_workers {
    struct pawl_grpc_workers_config config;
    struct pawl_map streams; /* by worker id */
    struct pawl_grpc_items items;
    uint64_t last_worker;
    struct pawl_list unsettled; /* streams that may be owed credit */
    struct pawl_list refusals;
    struct pawl_arena in;  /* of the answer at hand */
    struct pawl_arena out; /* of the item at hand */
    uint32_t past_count; /* of HISTORY frames, until their TURN: the node sends both in one step */
    uint32_t past_capacity;
    struct pawl_bytes *past; /* in `out` */
    int64_t wake_at_ms;
    bool is_held;
    bool is_stopping;
};

/* Life ------------------------------------------------------------------------------------- */

struct pawl_grpc_workers *pawl_grpc_workers_new(const struct pawl_grpc_workers_config *config)
{
    struct pawl_grpc_workers *workers = PAWL_NEW(struct pawl_grpc_workers);
    workers->config = *config;
    if (config->work_item_mib == 0) workers->config.work_item_mib = PAWL_GRPC_WORK_ITEM_MIB;
    workers->last_worker = PAWL_GRPC_WORKER_BIT;
    pawl_map_init(&workers->streams, 0);
    pawl_grpc_items_init(&workers->items, config->seed);
    pawl_list_init(&workers->unsettled);
    pawl_list_init(&workers->refusals);
    pawl_arena_init(&workers->in);
    pawl_arena_init(&workers->out);
    return workers;
}

static struct stream *stream_find(const struct pawl_grpc_workers *workers, uint64_t worker)
{
    return pawl_map_find(&workers->streams, pawl_bytes_make(&worker, sizeof worker));
}

static struct stream *stream_of_call(const struct pawl_grpc_workers *workers,
                                     const struct pawl_grpc *grpc, uint64_t call)
{
    uint32_t cursor = 0;
    for (struct stream *stream; (stream = pawl_map_next(&workers->streams, &cursor)) != NULL;)
        if (stream->grpc == grpc && stream->call == call) return stream;
    return NULL;
}

static void backlog_clear(struct stream *stream)
{
    while (!pawl_list_is_empty(&stream->backlog)) {
        struct waiting *waiting = PAWL_CONTAINER_OF(stream->backlog.next, struct waiting, link);
        pawl_list_remove(&waiting->link);
        pawl_mem_free(waiting);
    }
}

static void stream_free(struct pawl_grpc_workers *workers, struct stream *stream)
{
    pawl_map_remove(&workers->streams, pawl_bytes_make(&stream->worker, sizeof stream->worker));
    while (!pawl_list_is_empty(&stream->items))
        pawl_grpc_item_free(&workers->items, PAWL_CONTAINER_OF(stream->items.next,
                                                               struct pawl_grpc_item, of_stream));
    backlog_clear(stream);
    pawl_grpc_held_deinit(&stream->held);
    if (pawl_list_is_linked(&stream->unsettled_link)) pawl_list_remove(&stream->unsettled_link);
    pawl_arena_deinit(&stream->kept);
    pawl_mem_free(stream);
}

static void refusal_free(struct refused *refused)
{
    pawl_list_remove(&refused->link);
    pawl_mem_free(refused);
}

void pawl_grpc_workers_free(struct pawl_grpc_workers *workers)
{
    if (!workers) return;
    uint32_t cursor = 0;
    for (struct stream *stream; (stream = pawl_map_next(&workers->streams, &cursor)) != NULL;)
        stream_free(workers, stream);
    while (!pawl_list_is_empty(&workers->refusals))
        refusal_free(PAWL_CONTAINER_OF(workers->refusals.next, struct refused, link));
    pawl_map_deinit(&workers->streams);
    pawl_grpc_items_deinit(&workers->items);
    pawl_arena_deinit(&workers->in);
    pawl_arena_deinit(&workers->out);
    pawl_mem_free(workers);
}

static void step(struct pawl_grpc_workers *workers, struct pawl_node_event event)
{
    workers->config.step(workers->config.context, event);
}

static int64_t now(const struct pawl_grpc_workers *workers)
{
    return workers->config.now_ms(workers->config.context);
}

int64_t pawl_grpc_workers_now_ms(const struct pawl_grpc_workers *workers)
{
    return now(workers);
}

static void wake_by(struct pawl_grpc_workers *workers, int64_t at_ms)
{
    if (workers->wake_at_ms == 0 || at_ms < workers->wake_at_ms) workers->wake_at_ms = at_ms;
}

int64_t pawl_grpc_workers_wake_at_ms(const struct pawl_grpc_workers *workers)
{
    return workers->wake_at_ms;
}

/* Streams ---------------------------------------------------------------------------------- */

static void stream_unsettle(struct pawl_grpc_workers *workers, struct stream *stream)
{
    if (!pawl_list_is_linked(&stream->unsettled_link))
        pawl_list_push_tail(&workers->unsettled, &stream->unsettled_link);
}

/* A worker that filters says what it has; any other may have everything. */
static void stream_register(struct stream *stream, const Pawl__WorkItemFilters *filters)
{
    struct pawl_hello *hello = &stream->hello;
    hello->worker = stream->name;
    hello->any_name = !filters || (filters->n_workflows == 0 && filters->n_activities == 0);
    if (hello->any_name) return;
    hello->filters = true;
    hello->workflows = pawl_grpc_names_copy(&stream->kept, filters->n_workflows, filters->workflows,
                                            &hello->workflows_count);
    hello->activities = pawl_grpc_names_copy(&stream->kept, filters->n_activities,
                                             filters->activities, &hello->activities_count);
}

/* Why this stream is not taken; NULL: it is. */
static const char *stream_refusal(struct pawl_grpc_workers *workers,
                                  const Pawl__WorkItemFilters *filters)
{
    if (workers->is_stopping) return "this sidecar is stopping; connect again in a moment";
    if (workers->is_held) return "the workflow store has not answered yet; connect again";
    if (!filters) return NULL;
    if (pawl_grpc_names_are_valid(filters->n_workflows, filters->workflows)
        && pawl_grpc_names_are_valid(filters->n_activities, filters->activities))
        return NULL;
    struct pawl_bytes text = pawl_arena_printf(
        &workers->out,
        "a work item filter has more than %u names and versions, or one that is not 1 to %u bytes "
        "of text without control characters",
        PAWL_HELLO_NAMES_MAX, PAWL_NAME_SIZE_MAX);
    return (const char *)text.data;
}

void pawl_grpc_workers_open(struct pawl_grpc_workers *workers, struct pawl_grpc *grpc,
                            const struct pawl_grpc_call *call, enum pawl_dialect dialect,
                            const Pawl__GetWorkItemsRequest *request)
{
    const char *refusal = stream_refusal(workers, request->filters);
    if (refusal) {
        bool is_later = workers->is_stopping || workers->is_held;
        pawl_grpc_finish(grpc, call->id,
                         is_later ? PAWL_GRPC_UNAVAILABLE : PAWL_GRPC_INVALID_ARGUMENT,
                         pawl_bytes_str(refusal));
        return;
    }
    struct stream *stream = PAWL_NEW(struct stream);
    stream->worker = ++workers->last_worker;
    stream->grpc = grpc;
    stream->call = call->id;
    stream->dialect = dialect;
    stream->turns.max = pawl_grpc_quota_max(request->max_workflows, call);
    stream->tasks.max = pawl_grpc_quota_max(request->max_activities, call);
    stream->spoke_ms = now(workers);
    stream->can = pawl_grpc_capabilities_of(dialect, request);
    stream->hello.holds_past = stream->can.holds_histories;
    pawl_grpc_held_init(&stream->held, workers->config.seed);
    pawl_list_init(&stream->items);
    pawl_list_init(&stream->backlog);
    pawl_arena_init(&stream->kept);
    stream->name = pawl_arena_copy(&stream->kept, pawl_bytes_str(call->peer));
    stream_register(stream, request->filters);
    pawl_map_insert(&workers->streams, pawl_bytes_make(&stream->worker, sizeof stream->worker),
                    stream);
    stream_unsettle(workers, stream);
    if (stream->can.wants_pings) wake_by(workers, stream->spoke_ms + PAWL_GRPC_HEALTH_PING_MS);
    pawl_log(PAWL_LOG_INFO, "grpc", "worker %.*s connected (%s protocol)",
             PAWL_BYTES_FMT(stream->name), dialect == PAWL_DIALECT_DAPR ? "Dapr" : "Durable Task");
    step(workers, (struct pawl_node_event){ .type = PAWL_NODE_WORKER_OPENED,
                                            .worker = stream->worker,
                                            .hello = &stream->hello });
}

/* A client that is sent more than it takes ends its stream, and says nothing to us. */
static void stream_suspect_size(const struct stream *stream)
{
    for (const struct pawl_list *link = stream->items.next; link != &stream->items;
         link = link->next) {
        const struct pawl_grpc_item *item =
            PAWL_CONTAINER_OF(link, struct pawl_grpc_item, of_stream);
        if (item->size <= (size_t)PAWL_GRPC_WORK_ITEM_MIB << 20) continue;
        pawl_log(PAWL_LOG_WARN, "grpc",
                 "worker %.*s left with %zu bytes for instance %.*s in its hands: if the receive "
                 "limit of its gRPC client is lower, raise it, or lower --work-item-size",
                 PAWL_BYTES_FMT(stream->name), item->size, PAWL_BYTES_FMT(item->instance));
    }
}

static void stream_close(struct pawl_grpc_workers *workers, struct stream *stream, const char *why)
{
    uint64_t worker = stream->worker;
    stream_suspect_size(stream);
    pawl_log(PAWL_LOG_INFO, "grpc", "worker %.*s is gone: %s", PAWL_BYTES_FMT(stream->name), why);
    stream_free(workers, stream);
    step(workers, (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CLOSED, .worker = worker });
}

bool pawl_grpc_workers_on_cancel(struct pawl_grpc_workers *workers, const struct pawl_grpc *grpc,
                                 uint64_t call, const char *why)
{
    struct stream *stream = stream_of_call(workers, grpc, call);
    if (!stream) return false;
    stream_close(workers, stream, why);
    return true;
}

/* Sending ---------------------------------------------------------------------------------- */

static void backlog_push(struct stream *stream, struct pawl_bytes message)
{
    struct waiting *waiting = pawl_mem_alloc(sizeof *waiting + message.size);
    if (message.size) memcpy(waiting + 1, message.data, message.size);
    waiting->bytes = pawl_bytes_make(waiting + 1, message.size);
    pawl_list_push_tail(&stream->backlog, &waiting->link);
}

/* PAWL_OK also for one that waits. A stream that is over is closed by its on_cancel. */
static pawl_err stream_send(struct stream *stream, struct pawl_bytes message, int64_t now_ms)
{
    stream->spoke_ms = now_ms;
    if (pawl_list_is_empty(&stream->backlog)) {
        pawl_err err = pawl_grpc_send(stream->grpc, stream->call, message);
        if (err != PAWL_E_BUSY) return err == PAWL_E_CANCELLED ? PAWL_OK : err;
    }
    backlog_push(stream, message);
    return PAWL_OK;
}

bool pawl_grpc_workers_on_writable(struct pawl_grpc_workers *workers, const struct pawl_grpc *grpc,
                                   uint64_t call)
{
    struct stream *stream = stream_of_call(workers, grpc, call);
    if (!stream) return false;
    while (!pawl_list_is_empty(&stream->backlog)) {
        struct waiting *waiting = PAWL_CONTAINER_OF(stream->backlog.next, struct waiting, link);
        if (pawl_grpc_send(stream->grpc, stream->call, waiting->bytes) == PAWL_E_BUSY) return true;
        pawl_list_remove(&waiting->link);
        pawl_mem_free(waiting);
    }
    stream_unsettle(workers, stream);
    return true;
}

static struct pawl_durabletask writing(struct pawl_grpc_workers *workers,
                                       const struct stream *stream)
{
    return (struct pawl_durabletask){ .arena = &workers->out,
                                      .dialect = stream->dialect,
                                      .app = pawl_bytes_str(workers->config.app) };
}

static void refuse(struct pawl_grpc_workers *workers, uint64_t worker, struct pawl_id id,
                   bool is_activity, struct pawl_bytes instance, pawl_err err, const char *text)
{
    struct pawl_bytes why = pawl_bytes_str(text);
    struct refused *refused = pawl_mem_alloc(sizeof *refused + instance.size + why.size);
    uint8_t *room = (uint8_t *)(refused + 1);
    memcpy(room, instance.data, instance.size);
    memcpy(room + instance.size, why.data, why.size);
    refused->worker = worker;
    refused->id = id;
    refused->is_activity = is_activity;
    refused->err = err;
    refused->instance = pawl_bytes_make(room, instance.size);
    refused->text = pawl_bytes_make(room + instance.size, why.size);
    pawl_list_push_tail(&workers->refusals, &refused->link);
}

/* Microsoft's workers that can fetch a long past from the store. */
static struct pawl_bytes item_pack(struct pawl_grpc_workers *workers, bool may_stream,
                                   Pawl__WorkItem *item)
{
    struct pawl_bytes message = pawl_protobuf_pack(&workers->out, &item->base);
    if (!may_stream || message.size <= PAWL_GRPC_HISTORY_PART_SIZE) return message;
    item->workflow->requires_history_streaming = true;
    item->workflow->n_past_events = 0;
    return pawl_protobuf_pack(&workers->out, &item->base);
}

static const char *too_large_text(struct pawl_grpc_workers *workers, size_t size)
{
    struct pawl_bytes text = pawl_arena_printf(
        &workers->out,
        "its worker would have to be sent %zu bytes, and --work-item-size allows %u MiB: continue "
        "as new more often or pass smaller payloads; or raise the receive limit of the workers' "
        "gRPC client first, and then --work-item-size of the sidecar (%u at most)",
        size, (unsigned)workers->config.work_item_mib, PAWL_GRPC_WORK_ITEM_MIB_MAX);
    return (const char *)text.data;
}

/* Send an item and remember it as *ret_item. NULL, or the text and *ret_err say why not. */
static const char *item_send(struct pawl_grpc_workers *workers, struct stream *stream,
                             bool may_stream, Pawl__WorkItem *item, struct pawl_id id,
                             struct pawl_bytes instance, int32_t task, int64_t now_ms,
                             pawl_err *ret_err, struct pawl_grpc_item **ret_item)
{
    char *token = pawl_arena_alloc(&workers->out, PAWL_ID_TEXT_SIZE);
    pawl_id_format(id, token);
    item->completion_token.data = (uint8_t *)token;
    item->completion_token.len = PAWL_ID_TEXT_SIZE - 1;
    struct pawl_bytes message = item_pack(workers, may_stream, item);
    *ret_err = PAWL_E_LIMIT;
    if (message.size > (size_t)workers->config.work_item_mib << 20)
        return too_large_text(workers, message.size);
    if (stream_send(stream, message, now_ms) != PAWL_OK)
        return "what a worker must be sent is larger than a gRPC message may be";
    *ret_item = pawl_grpc_item_new(&workers->items, stream->worker, id, instance, task);
    (*ret_item)->size = message.size;
    pawl_list_push_tail(&stream->items, &(*ret_item)->of_stream);
    *ret_err = PAWL_OK;
    return NULL;
}

static void out_reset(struct pawl_grpc_workers *workers)
{
    workers->past_count = workers->past_capacity = 0;
    workers->past = NULL;
    pawl_arena_reset(&workers->out);
}

static void on_history(struct pawl_grpc_workers *workers, const struct pawl_history_chunk *chunk)
{
    uint32_t wanted = workers->past_count + chunk->events_count;
    if (wanted > workers->past_capacity) {
        uint32_t capacity =
            wanted > 2 * workers->past_capacity ? wanted : 2 * workers->past_capacity;
        struct pawl_bytes *grown = PAWL_ARENA_ARRAY(&workers->out, struct pawl_bytes, capacity);
        if (workers->past_count) memcpy(grown, workers->past, workers->past_count * sizeof *grown);
        workers->past = grown;
        workers->past_capacity = capacity;
    }
    memcpy(workers->past + workers->past_count, chunk->events,
           chunk->events_count * sizeof *chunk->events);
    workers->past_count = wanted;
}

static pawl_err events_add(struct pawl_durabletask *with, struct pawl_durabletask_history *history,
                           struct pawl_bytes instance, uint32_t count,
                           const struct pawl_bytes *events)
{
    pawl_err err = PAWL_OK;
    for (uint32_t i = 0; i < count && err == PAWL_OK; i++)
        err = pawl_durabletask_add_event(with, history, instance, events[i]);
    return err;
}

/* The past that the worker does not hold yet. *past: what it holds; then all of it. */
static pawl_err past_add(struct pawl_grpc_workers *workers, struct pawl_durabletask *with,
                         struct pawl_durabletask_history *history, const struct pawl_turn *turn,
                         struct pawl_grpc_past *past)
{
    uint32_t held = past->events;
    history->is_suspended = past->is_suspended;
    history->execution = past->execution;
    PAWL_ASSERT(held <= workers->past_count);
    pawl_err err =
        events_add(with, history, turn->instance, workers->past_count - held, workers->past + held);
    if (err == PAWL_OK)
        err = events_add(with, history, turn->instance, turn->past_count, turn->events);
    *past = (struct pawl_grpc_past){ .inc = turn->inc,
                                     .gen = turn->gen,
                                     .events = workers->past_count + turn->past_count,
                                     .messages = past->messages + (uint32_t)history->count,
                                     .is_suspended = history->is_suspended,
                                     .execution = history->execution };
    return err;
}

/* What the worker holds of the past that is at hand. */
static struct pawl_grpc_past past_held(const struct pawl_grpc_workers *workers,
                                       const struct stream *stream, const struct pawl_turn *turn)
{
    const struct pawl_grpc_past *held =
        pawl_grpc_held_find(&stream->held, turn->instance, turn->inc, turn->gen);
    /* A history never gets shorter; if one did, the worker would be sent the whole. */
    return held && held->events <= workers->past_count ? *held : (struct pawl_grpc_past){ 0 };
}

static struct pawl_bytes bytes_keep(struct pawl_bytes bytes)
{
    if (bytes.size == 0) return PAWL_BYTES_ABSENT;
    uint8_t *kept = pawl_mem_alloc(bytes.size);
    memcpy(kept, bytes.data, bytes.size);
    return pawl_bytes_make(kept, bytes.size);
}

/* Its beginning is among what is stored, or comes with the first turn. */
static struct pawl_bytes turn_trace(const struct pawl_grpc_workers *workers,
                                    struct pawl_durabletask *with, const struct pawl_turn *turn)
{
    if (workers->past_count > 0)
        return pawl_durabletask_trace(with, workers->past_count, workers->past);
    return pawl_durabletask_trace(with, turn->events_count, turn->events);
}

static const char *turn_send(struct pawl_grpc_workers *workers, struct stream *stream,
                             const struct pawl_turn *turn, int64_t now_ms, pawl_err *ret_err)
{
    struct pawl_durabletask with = writing(workers, stream);
    struct pawl_durabletask_history history = { .for_clients = stream->can.holds_histories };
    uint32_t new_count = turn->events_count - turn->past_count;
    Pawl__CachedHistory cached = PAWL__CACHED_HISTORY__INIT;
    struct pawl_grpc_past past = past_held(workers, stream, turn);
    cached.event_count = (int32_t)past.messages;
    pawl_err err = past_add(workers, &with, &history, turn, &past);
    size_t past_count = history.count;
    if (err == PAWL_OK)
        err =
            events_add(&with, &history, turn->instance, new_count, turn->events + turn->past_count);
    *ret_err = PAWL_E_INVALID;
    if (err != PAWL_OK) return "a stored event of this instance cannot be read";
    if (with.is_not_text)
        return "an input, a result or an event of this instance is not UTF-8 text, which is all "
               "that a durabletask app can be given";
    Pawl__WorkflowRequest request = PAWL__WORKFLOW_REQUEST__INIT;
    request.instance_id = pawl_durabletask_bytes(&with, turn->instance);
    request.execution_id =
        pawl_durabletask_text(&with, pawl_durabletask_execution_text(&with, history.execution));
    request.past_events = history.events;
    request.n_past_events = past_count;
    request.new_events = history.events + past_count;
    request.n_new_events = history.count - past_count;
    if (cached.event_count > 0) request.cached_history = &cached;
    request.span.data = (uint8_t *)(uintptr_t)history.span.data;
    request.span.len = history.span.size;
    Pawl__WorkItem item = PAWL__WORK_ITEM__INIT;
    item.request_case = PAWL__WORK_ITEM__REQUEST_WORKFLOW;
    item.workflow = &request;
    struct pawl_grpc_item *sent = NULL;
    /* A past that comes with its turn is not stored yet. */
    bool may_stream = stream->can.streams_histories && turn->past_count == 0;
    const char *why = item_send(workers, stream, may_stream, &item, turn->turn, turn->instance,
                                PAWL_NO_TASK, now_ms, ret_err, &sent);
    if (sent) {
        sent->past = past;
        sent->patches =
            bytes_keep(pawl_durabletask_patches(&workers->out, workers->past_count, workers->past));
        sent->trace = bytes_keep(turn_trace(workers, &with, turn));
        sent->has_span = history.span.size > 0;
    }
    return why;
}

static void on_turn(struct pawl_grpc_workers *workers, struct stream *stream,
                    const struct pawl_turn *turn, int64_t now_ms)
{
    pawl_err err;
    pawl_grpc_quota_use(&stream->turns);
    const char *why = turn_send(workers, stream, turn, now_ms, &err);
    if (why) {
        stream->turns.held--;
        refuse(workers, stream->worker, turn->turn, false, turn->instance, err, why);
    }
    out_reset(workers); /* the text may be in there */
}

static const char *activity_send(struct pawl_grpc_workers *workers, struct stream *stream,
                                 const struct pawl_activity_item *activity, int64_t now_ms)
{
    pawl_err err;
    struct pawl_grpc_item *sent;
    struct pawl_durabletask with = writing(workers, stream);
    Pawl__WorkItem item = PAWL__WORK_ITEM__INIT;
    item.request_case = PAWL__WORK_ITEM__REQUEST_ACTIVITY;
    item.activity = pawl_durabletask_activity(&with, activity);
    if (with.is_not_text)
        return "the input is not UTF-8 text, which is all that a durabletask app can be given";
    return item_send(workers, stream, false, &item, activity->token, activity->instance,
                     activity->id, now_ms, &err, &sent);
}

static void on_activity(struct pawl_grpc_workers *workers, struct stream *stream,
                        const struct pawl_activity_item *activity, int64_t now_ms)
{
    pawl_grpc_quota_use(&stream->tasks);
    const char *why = activity_send(workers, stream, activity, now_ms);
    if (why) {
        stream->tasks.held--;
        refuse(workers, stream->worker, activity->token, true, activity->instance, PAWL_E_INVALID,
               why);
    }
    out_reset(workers);
}

void pawl_grpc_workers_send(struct pawl_grpc_workers *workers, uint64_t worker,
                            const struct pawl_frame *frame, int64_t now_ms)
{
    struct stream *stream = stream_find(workers, worker);
    if (!stream) return;
    switch (frame->type) {
    case PAWL_FRAME_HISTORY: on_history(workers, &frame->history); return;
    case PAWL_FRAME_TURN: on_turn(workers, stream, &frame->turn, now_ms); break;
    case PAWL_FRAME_ACTIVITY: on_activity(workers, stream, &frame->activity, now_ms); break;
    default:
        return; /* EVICT: nothing is cached. ACTIVITY_CANCEL: these workers know no such thing */
    }
    stream_unsettle(workers, stream);
}

/* Settling --------------------------------------------------------------------------------- */

static void refusal_tell(struct pawl_grpc_workers *workers, const struct refused *refused)
{
    struct pawl_turn_done turn = { .turn = refused->id,
                                   .instance = refused->instance,
                                   .err = refused->err,
                                   .message = refused->text };
    struct pawl_activity_done activity = { .token = refused->id,
                                           .failure = {
                                               .present = true,
                                               .non_retriable = true,
                                               .type = PAWL_BYTES_LITERAL("CannotBeDispatched"),
                                               .message = refused->text,
                                           } };
    struct pawl_node_event event = { .worker = refused->worker };
    event.type = refused->is_activity ? PAWL_NODE_ACTIVITY_DONE : PAWL_NODE_TURN_DONE;
    if (refused->is_activity)
        event.activity_done = &activity;
    else
        event.turn_done = &turn;
    step(workers, event);
}

/* The larger items may be, the fewer are on the way: what waits for a stream is bounded. */
static uint32_t credit_max(const struct pawl_grpc_workers *workers)
{
    uint32_t count =
        PAWL_GRPC_WORK_CREDIT * PAWL_GRPC_WORK_ITEM_MIB / workers->config.work_item_mib;
    return count ? count : 1;
}

static void stream_settle(struct pawl_grpc_workers *workers, struct stream *stream)
{
    /* A stream that is behind gets nothing more, so what waits for it is bounded. */
    if (stream->is_leaving || !pawl_list_is_empty(&stream->backlog)) return;
    uint32_t usual = credit_max(workers);
    struct pawl_credit credit = { .turns = pawl_grpc_quota_grant(&stream->turns, usual),
                                  .activities = pawl_grpc_quota_grant(&stream->tasks, usual) };
    if (credit.turns == 0 && credit.activities == 0) return;
    step(workers, (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CREDIT,
                                            .worker = stream->worker,
                                            .credit = credit });
}

void pawl_grpc_workers_settle(struct pawl_grpc_workers *workers)
{
    while (!pawl_list_is_empty(&workers->refusals) || !pawl_list_is_empty(&workers->unsettled)) {
        if (!pawl_list_is_empty(&workers->refusals)) {
            struct refused *refused =
                PAWL_CONTAINER_OF(workers->refusals.next, struct refused, link);
            refusal_tell(workers, refused);
            refusal_free(refused);
            continue;
        }
        struct stream *stream =
            PAWL_CONTAINER_OF(workers->unsettled.next, struct stream, unsettled_link);
        pawl_list_remove(&stream->unsettled_link);
        stream_settle(workers, stream);
    }
}

/* Answers ---------------------------------------------------------------------------------- */

/* The worker has it no more, whatever the node makes of its answer. */
static void item_end(struct pawl_grpc_workers *workers, struct pawl_grpc_item *item)
{
    struct stream *stream = stream_find(workers, item->worker);
    PAWL_ASSERT(stream != NULL); /* its items go with it */
    struct pawl_grpc_quota *quota = item->task == PAWL_NO_TASK ? &stream->turns : &stream->tasks;
    quota->held--;
    stream_unsettle(workers, stream);
    pawl_grpc_item_free(&workers->items, item);
}

static pawl_err response_unpack(struct pawl_grpc_workers *workers, struct pawl_bytes bytes,
                                Pawl__WorkflowResponse **ret_response)
{
    return pawl_protobuf_unpack(&pawl__workflow_response__descriptor, &workers->in, bytes,
                                ret_response);
}

static struct pawl_durabletask reading(struct pawl_grpc_workers *workers, enum pawl_dialect dialect)
{
    return (struct pawl_durabletask){ .arena = &workers->in,
                                      .dialect = dialect,
                                      .app = pawl_bytes_str(workers->config.app) };
}

static bool response_ends(const Pawl__WorkflowResponse *response)
{
    for (size_t i = 0; i < response->n_actions; i++)
        if (response->actions[i]->kind_case == PAWL__ACTION__KIND_COMPLETE_WORKFLOW) return true;
    return false;
}

/* The worker has replayed the turn's past, and holds it unless the execution is over. */
static void turn_hold(struct pawl_grpc_workers *workers, const struct pawl_grpc_item *item,
                      const Pawl__WorkflowResponse *response)
{
    struct stream *stream = stream_find(workers, item->worker);
    if (!stream->can.holds_histories) return;
    if (response_ends(response) || response->requires_history || item->past.messages == 0)
        pawl_grpc_held_remove(&stream->held, item->instance);
    else
        pawl_grpc_held_set(&stream->held, item->instance, &item->past);
}

/* The whole answer is told to the node. */
static void turn_end(struct pawl_grpc_workers *workers, enum pawl_dialect dialect,
                     struct pawl_grpc_item *item, const Pawl__WorkflowResponse *response)
{
    struct pawl_durabletask with = reading(workers, dialect);
    with.trace = pawl_arena_copy(&workers->in, item->trace);
    struct pawl_node_event event = { .type = PAWL_NODE_TURN_DONE, .worker = item->worker };
    struct pawl_bytes instance = pawl_arena_copy(&workers->in, item->instance);
    struct pawl_bytes patches = pawl_arena_copy(&workers->in, item->patches);
    bool has_span = item->has_span;
    struct pawl_id turn = item->id;
    struct pawl_turn_done done;
    turn_hold(workers, item, response);
    item_end(workers, item);
    if (response->requires_history) {
        event.type = PAWL_NODE_NEED_HISTORY;
        event.need_history = (struct pawl_need_history){ .turn = turn, .instance = instance };
        step(workers, event);
        return;
    }
    pawl_durabletask_turn_done(&with, response, instance, &done);
    pawl_durabletask_read_code(&with, response, patches, &done);
    if (!has_span) pawl_durabletask_read_span(&with, response, &done);
    done.turn = turn;
    event.turn_done = &done;
    step(workers, event);
}

/* NULL: it is not in a worker's hands, or not of this kind, or its worker speaks the other
 * dialect, and what it is told would be misread. */
static struct pawl_grpc_item *item_find(const struct pawl_grpc_workers *workers,
                                        enum pawl_dialect dialect, ProtobufCBinaryData token,
                                        ProtobufCBinaryData instance, int32_t task)
{
    struct pawl_grpc_item *item = pawl_grpc_item_find(&workers->items, pawl_protobuf_bytes(token),
                                                      pawl_protobuf_bytes(instance), task);
    if (!item || (item->task == PAWL_NO_TASK) != (task == PAWL_NO_TASK)) return NULL;
    return stream_find(workers, item->worker)->dialect == dialect ? item : NULL;
}

pawl_err pawl_grpc_workers_turn_done(struct pawl_grpc_workers *workers, enum pawl_dialect dialect,
                                     struct pawl_bytes bytes)
{
    Pawl__WorkflowResponse *response = NULL;
    pawl_arena_reset(&workers->in);
    pawl_err err = response_unpack(workers, bytes, &response);
    if (err != PAWL_OK) return err;
    struct pawl_grpc_item *item = item_find(workers, dialect, response->completion_token,
                                            response->instance_id, PAWL_NO_TASK);
    if (!item) return PAWL_E_NOT_FOUND;

    /* Parts are joined by putting their bytes in a row: lists grow, the last value of any
     * other field counts. That is how protobuf merges. */
    if (response->is_partial || item->parts.size > 0) {
        pawl_buf_append_bytes(&item->parts, bytes);
        if (item->parts.bad) return PAWL_E_TOO_LARGE;
        if (response->is_partial) return PAWL_OK;
        err = response_unpack(workers, pawl_buf_view(&item->parts), &response);
        if (err != PAWL_OK) return err;
    }
    turn_end(workers, dialect, item, response);
    return PAWL_OK;
}

pawl_err pawl_grpc_workers_activity_done(struct pawl_grpc_workers *workers,
                                         enum pawl_dialect dialect, struct pawl_bytes bytes)
{
    struct pawl_durabletask with = reading(workers, dialect);
    Pawl__ActivityResponse *response = NULL;
    pawl_arena_reset(&workers->in);
    pawl_err err =
        pawl_protobuf_unpack(&pawl__activity_response__descriptor, &workers->in, bytes, &response);
    if (err != PAWL_OK) return err;
    if (response->task_id < 0) return PAWL_E_NOT_FOUND;
    struct pawl_grpc_item *item = item_find(workers, dialect, response->completion_token,
                                            response->instance_id, response->task_id);
    if (!item) return PAWL_E_NOT_FOUND;

    struct pawl_activity_done done = { .token = item->id };
    struct pawl_node_event event = { .type = PAWL_NODE_ACTIVITY_DONE,
                                     .worker = item->worker,
                                     .activity_done = &done };
    pawl_durabletask_activity_done(&with, response, &done);
    item_end(workers, item);
    step(workers, event);
    return PAWL_OK;
}

pawl_err pawl_grpc_workers_abandon(struct pawl_grpc_workers *workers, struct pawl_bytes token)
{
    struct pawl_grpc_item *item =
        token.size ? pawl_grpc_item_find(&workers->items, token, PAWL_BYTES_ABSENT, 0) : NULL;
    if (!item) return PAWL_E_NOT_FOUND;
    if (item->return_at_ms == 0) item->return_at_ms = now(workers) + PAWL_GRPC_ABANDON_MS;
    wake_by(workers, item->return_at_ms);
    return PAWL_OK;
}

/* Time ------------------------------------------------------------------------------------- */

static void item_return(struct pawl_grpc_workers *workers, struct pawl_grpc_item *item)
{
    struct pawl_node_event event = { .worker = item->worker };
    pawl_arena_reset(&workers->in);
    if (item->task == PAWL_NO_TASK) {
        event.type = PAWL_NODE_TURN_RETURNED;
        event.need_history.turn = item->id;
        event.need_history.instance = pawl_arena_copy(&workers->in, item->instance);
    } else {
        event.type = PAWL_NODE_ACTIVITY_RETURNED;
        event.activity_returned = item->id;
    }
    item_end(workers, item);
    step(workers, event);
}

static void items_return(struct pawl_grpc_workers *workers, int64_t now_ms)
{
    uint32_t cursor = 0;
    for (struct pawl_grpc_item *item;
         (item = pawl_map_next(&workers->items.by_id, &cursor)) != NULL;) {
        if (item->return_at_ms == 0) continue;
        if (item->return_at_ms > now_ms) {
            wake_by(workers, item->return_at_ms);
            continue;
        }
        item_return(workers, item);
        cursor = 0; /* the step may have added items */
    }
}

static void stream_ping(struct pawl_grpc_workers *workers, struct stream *stream, int64_t now_ms)
{
    if (!stream->can.wants_pings) return;
    if (now_ms >= stream->spoke_ms + PAWL_GRPC_HEALTH_PING_MS) {
        Pawl__Empty nothing = PAWL__EMPTY__INIT;
        Pawl__WorkItem ping = PAWL__WORK_ITEM__INIT;
        bool is_dapr = stream->dialect == PAWL_DIALECT_DAPR;
        ping.request_case = is_dapr ? PAWL__WORK_ITEM__REQUEST_DAPR_HEALTH_PING
                                    : PAWL__WORK_ITEM__REQUEST_HEALTH_PING;
        ping.health_ping = &nothing; /* of either; they share a place */
        struct pawl_bytes message = pawl_protobuf_pack(&workers->out, &ping.base);
        if (pawl_list_is_empty(&stream->backlog)) (void)stream_send(stream, message, now_ms);
        stream->spoke_ms = now_ms;
        out_reset(workers);
    }
    wake_by(workers, stream->spoke_ms + PAWL_GRPC_HEALTH_PING_MS);
}

void pawl_grpc_workers_on_tick(struct pawl_grpc_workers *workers, int64_t now_ms)
{
    if (workers->wake_at_ms == 0 || now_ms < workers->wake_at_ms) return;
    workers->wake_at_ms = 0;
    uint32_t cursor = 0;
    for (struct stream *stream; (stream = pawl_map_next(&workers->streams, &cursor)) != NULL;)
        stream_ping(workers, stream, now_ms);
    items_return(workers, now_ms);
}

/* The end ---------------------------------------------------------------------------------- */

void pawl_grpc_workers_hold(struct pawl_grpc_workers *workers, bool is_held)
{
    workers->is_held = is_held;
}

void pawl_grpc_workers_stop(struct pawl_grpc_workers *workers)
{
    workers->is_stopping = true;
    uint32_t cursor = 0;
    for (struct stream *stream; (stream = pawl_map_next(&workers->streams, &cursor)) != NULL;) {
        if (stream->is_leaving) continue;
        stream->is_leaving = true;
        step(workers,
             (struct pawl_node_event){ .type = PAWL_NODE_WORKER_BYE, .worker = stream->worker });
    }
}

void pawl_grpc_workers_end_all(struct pawl_grpc_workers *workers)
{
    uint32_t cursor = 0;
    for (struct stream *stream; (stream = pawl_map_next(&workers->streams, &cursor)) != NULL;) {
        /* Dapr's JavaScript worker dials again after a good end only. */
        pawl_grpc_finish(stream->grpc, stream->call,
                         stream->dialect == PAWL_DIALECT_DAPR ? PAWL_GRPC_OK
                                                              : PAWL_GRPC_UNAVAILABLE,
                         PAWL_BYTES_LITERAL("this sidecar is stopping; connect again"));
        stream_close(workers, stream, "the sidecar is stopping");
    }
}

uint32_t pawl_grpc_workers_count(const struct pawl_grpc_workers *workers)
{
    return workers->streams.count;
}

void pawl_grpc_workers_list(const struct pawl_grpc_workers *workers, struct pawl_api_worker *out)
{
    uint32_t cursor = 0;
    for (const struct stream *stream; (stream = pawl_map_next(&workers->streams, &cursor)) != NULL;)
        *out++ = (struct pawl_api_worker){
            .name = stream->name,
            .workflows_count = stream->hello.workflows_count,
            .workflows = stream->hello.workflows,
            .activities_count = stream->hello.activities_count,
            .activities = stream->hello.activities,
            .in_flight = stream->turns.held + stream->tasks.held,
        };
}
