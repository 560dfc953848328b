/* Calls about many instances, and histories. */
#include "sidecar/taskhub_internal.h"

#define PAGE_MAX 100u /* instances of a page, when the client does not say */

/* A field of a message that is put together from encoded parts: protobuf allows it, as a
 * message is nothing but its fields in a row. */
static void out_add(struct pawl_taskhub_call *call, uint32_t number, struct pawl_bytes bytes)
{
    uint8_t head[16];
    size_t size = 0;
    head[size++] = (uint8_t)(number << 3 | 2);
    for (size_t left = bytes.size;; left >>= 7) {
        head[size++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
        if (left <= 0x7f) break;
    }
    pawl_buf_append(&call->out, head, size);
    pawl_buf_append_bytes(&call->out, bytes);
}

/* The gathered answer, ended by `rest`; NULL: nothing more. */
static void out_answer(struct pawl_taskhub_call *call, const ProtobufCMessage *rest)
{
    if (rest) pawl_buf_append_bytes(&call->out, pawl_protobuf_pack(&call->arena, rest));
    if (call->out.bad) {
        pawl_taskhub_finish(
            call, PAWL_GRPC_RESOURCE_EXHAUSTED,
            PAWL_BYTES_LITERAL("the answer is larger than a message may be (64 MiB): ask "
                               "for less at once"));
        return;
    }
    pawl_taskhub_answer_bytes(call, pawl_buf_view(&call->out));
}

static uint32_t page_size(int64_t wanted, uint32_t usual)
{
    if (wanted <= 0) return usual;
    return wanted < PAWL_QUERY_ITEMS_MAX ? (uint32_t)wanted : PAWL_QUERY_ITEMS_MAX;
}

/* A stalled instance is shown as a suspended one to those who do not know it. */
static uint32_t status_mask(const struct pawl_taskhub_call *call, size_t count,
                            const int32_t *statuses)
{
    uint32_t mask = pawl_durabletask_status_mask(count, statuses);
    if (!pawl_taskhub_is_dapr(call) && mask & 1u << PAWL_STATUS_SUSPENDED)
        mask |= 1u << PAWL_STATUS_STALLED;
    return mask;
}

/* Query ------------------------------------------------------------------------------------ */

struct query {
    struct pawl_bytes cursor; /* of the next page; absent: none */
    uint32_t count;
    uint32_t at; /* the instance whose payloads are asked for */
    struct pawl_bytes *instances;
};

static void query_answer(struct pawl_taskhub_call *call, struct pawl_bytes cursor)
{
    Pawl__QueryInstancesResponse rest = PAWL__QUERY_INSTANCES_RESPONSE__INIT;
    rest.continuation_token = pawl_durabletask_text(&call->with, cursor);
    out_answer(call, &rest.base);
}

static void query_add(struct pawl_taskhub_call *call, const struct pawl_instance_state *state)
{
    const Pawl__WorkflowState *message = pawl_durabletask_state(&call->with, state);
    out_add(call, 1, pawl_protobuf_pack(&call->arena, &message->base));
}

static void query_get(struct pawl_taskhub_call *call);

static void query_on_state(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err != PAWL_OK && answer->err != PAWL_E_NOT_FOUND) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    if (answer->err == PAWL_OK && answer->states_count > 0) query_add(call, &answer->states[0]);
    query_get(call);
}

static void query_get(struct pawl_taskhub_call *call)
{
    struct query *query = call->state;
    if (query->at == query->count || call->out.bad) {
        query_answer(call, query->cursor);
        return;
    }
    call->request = (struct pawl_request){ .op = PAWL_REQUEST_GET,
                                           .instance = query->instances[query->at++],
                                           .with_payloads = true };
    pawl_taskhub_ask(call, query_on_state);
}

static void query_on_page(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    struct query *query = call->state;
    if (answer->err != PAWL_OK) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    if (!call->request.with_payloads) {
        for (uint32_t i = 0; i < answer->states_count; i++) query_add(call, &answer->states[i]);
        query_answer(call, answer->cursor);
        return;
    }
    query->cursor = pawl_arena_copy(&call->arena, answer->cursor);
    query->count = answer->states_count;
    query->instances = PAWL_ARENA_ARRAY(&call->arena, struct pawl_bytes, answer->states_count);
    for (uint32_t i = 0; i < answer->states_count; i++)
        query->instances[i] = pawl_arena_copy(&call->arena, answer->states[i].instance);
    query_get(call);
}

void pawl_taskhub_on_query(void *hub, const struct pawl_grpc_call *from)
{
    static const Pawl__InstanceQuery everything = PAWL__INSTANCE_QUERY__INIT;
    Pawl__QueryInstancesRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__query_instances_request__descriptor, &request);
    if (!call) return;
    const Pawl__InstanceQuery *query = request->query ? request->query : &everything;
    call->state = PAWL_ARENA_NEW(&call->arena, struct query);
    call->request = (struct pawl_request){
        .op = PAWL_REQUEST_LIST,
        .status_mask = status_mask(call, query->n_status, query->status),
        .created_from_ms = pawl_durabletask_timestamp_ms(query->created_from),
        .created_to_ms = pawl_durabletask_timestamp_ms(query->created_to),
        .limit = page_size(query->max_count, PAGE_MAX),
        .cursor = pawl_durabletask_text_name(query->continuation_token),
        .prefix = pawl_durabletask_text_name(query->instance_id_prefix),
        .with_payloads = query->with_payloads,
    };
    pawl_taskhub_ask(call, query_on_page);
}

/* Ids -------------------------------------------------------------------------------------- */

static void ids_on_page(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err != PAWL_OK) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    for (uint32_t i = 0; i < answer->states_count; i++)
        out_add(call, 1, answer->states[i].instance);
    Pawl__ListInstanceIdsResponse rest = PAWL__LIST_INSTANCE_IDS_RESPONSE__INIT;
    rest.last_instance_key = pawl_durabletask_text(&call->with, answer->cursor);
    out_answer(call, &rest.base);
}

void pawl_taskhub_on_list_ids(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__ListInstanceIdsRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__list_instance_ids_request__descriptor, &request);
    if (!call) return;
    call->request = (struct pawl_request){
        .op = PAWL_REQUEST_LIST,
        .status_mask = status_mask(call, request->n_status, request->status),
        .completed_from_ms = pawl_durabletask_timestamp_ms(request->completed_from),
        .completed_to_ms = pawl_durabletask_timestamp_ms(request->completed_to),
        .limit = page_size(request->page_size, PAGE_MAX),
        .cursor = pawl_durabletask_text_name(request->last_instance_key),
    };
    pawl_taskhub_ask(call, ids_on_page);
}

static void ids_dapr_on_page(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err != PAWL_OK) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    for (uint32_t i = 0; i < answer->states_count; i++)
        out_add(call, 1, answer->states[i].instance);
    if (answer->cursor.size) out_add(call, 2, answer->cursor);
    out_answer(call, NULL);
}

void pawl_taskhub_on_list_ids_dapr(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__DaprListInstanceIdsRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__dapr_list_instance_ids_request__descriptor, &request);
    if (!call) return;
    call->request = (struct pawl_request){
        .op = PAWL_REQUEST_LIST,
        .limit = page_size(request->page_size, PAWL_QUERY_ITEMS_MAX),
        .cursor = pawl_protobuf_bytes(request->continuation_token),
    };
    pawl_taskhub_ask(call, ids_dapr_on_page);
}

/* Purge ------------------------------------------------------------------------------------ */

struct purge {
    bool by_filter;
    bool is_single; /* by id: what goes wrong is told */
    bool force;
    bool recursive;
    bool more;        /* by filter: another page follows */
    int64_t until_ms; /* then whoever asks wants to hear how far it has come; 0: at the end */
    struct pawl_request filter;
    uint32_t count;
    uint32_t at;
    struct pawl_bytes *instances;
    uint32_t purged;
};

static void purge_answer(struct pawl_taskhub_call *call, bool is_complete)
{
    const struct purge *purge = call->state;
    Pawl__PurgeResponse response = PAWL__PURGE_RESPONSE__INIT;
    Pawl__Flag complete = PAWL__FLAG__INIT;
    complete.value = is_complete;
    response.deleted_count = (int32_t)purge->purged;
    response.is_complete = &complete;
    pawl_taskhub_answer(call, &response.base);
}

static void purge_go_on(struct pawl_taskhub_call *call);

static void purge_on_page(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    struct purge *purge = call->state;
    if (answer->err != PAWL_OK) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    purge->at = 0;
    purge->count = answer->states_count;
    purge->instances = PAWL_ARENA_ARRAY(&call->arena, struct pawl_bytes, answer->states_count);
    for (uint32_t i = 0; i < answer->states_count; i++)
        purge->instances[i] = pawl_arena_copy(&call->arena, answer->states[i].instance);
    purge->more = !pawl_bytes_is_absent(answer->cursor);
    purge->filter.cursor = pawl_arena_copy(&call->arena, answer->cursor);
    purge_go_on(call);
}

/* Purging nothing is no mistake for Microsoft's clients, who read the count; Dapr's are
 * told. Of many, those that have not ended simply stay. */
static void purge_on_purged(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    struct purge *purge = call->state;
    bool is_told = purge->is_single && pawl_taskhub_is_dapr(call);
    bool stays = answer->err == PAWL_E_NOT_FOUND || answer->err == PAWL_E_NOT_TERMINAL;
    if (answer->err != PAWL_OK && (is_told || !stays)) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    if (answer->err == PAWL_OK) purge->purged++;
    purge_go_on(call);
}

static void purge_go_on(struct pawl_taskhub_call *call)
{
    struct purge *purge = call->state;
    bool is_up = purge->until_ms && pawl_taskhub_now_ms(call->hub) >= purge->until_ms;
    if (is_up && (purge->at < purge->count || purge->more)) {
        purge_answer(call, false);
        return;
    }
    if (purge->at < purge->count) {
        call->request = (struct pawl_request){ .op = PAWL_REQUEST_PURGE,
                                               .instance = purge->instances[purge->at++],
                                               .force = purge->force,
                                               .recursive = purge->recursive };
        pawl_taskhub_ask(call, purge_on_purged);
        return;
    }
    if (!purge->more) {
        purge_answer(call, true);
        return;
    }
    call->request = purge->filter;
    pawl_taskhub_ask(call, purge_on_page);
}

static void purge_set_filter(struct pawl_taskhub_call *call, const Pawl__PurgeFilter *filter)
{
    static const uint32_t ended = 1u << PAWL_STATUS_COMPLETED | 1u << PAWL_STATUS_FAILED
                                  | 1u << PAWL_STATUS_CANCELED | 1u << PAWL_STATUS_TERMINATED;
    struct purge *purge = call->state;
    uint32_t mask = status_mask(call, filter->n_status, filter->status);
    int64_t timeout_ms = pawl_durabletask_timestamp_ms(filter->timeout);
    purge->by_filter = true;
    purge->more = true;
    if (timeout_ms > 0) purge->until_ms = pawl_taskhub_now_ms(call->hub) + timeout_ms;
    purge->filter = (struct pawl_request){
        .op = PAWL_REQUEST_LIST,
        .status_mask = mask ? mask : ended,
        .created_from_ms = pawl_durabletask_timestamp_ms(filter->created_from),
        .created_to_ms = pawl_durabletask_timestamp_ms(filter->created_to),
        .limit = PAWL_QUERY_ITEMS_MAX,
    };
}

static void purge_set_instances(struct pawl_taskhub_call *call, uint32_t count,
                                ProtobufCBinaryData *ids)
{
    struct purge *purge = call->state;
    purge->count = count;
    purge->instances = PAWL_ARENA_ARRAY(&call->arena, struct pawl_bytes, count);
    for (uint32_t i = 0; i < count; i++) purge->instances[i] = pawl_protobuf_bytes(ids[i]);
}

/* Field 4: Dapr's force, Microsoft's batch; 5: Dapr's router, a bool of Microsoft's. */
enum { PURGE_EITHER_FIELD = 4, PURGE_ROUTER_FIELD = 5 };

/* NULL: there is none. */
static Pawl__InstanceBatch *purge_batch(struct pawl_taskhub_call *call,
                                        const Pawl__PurgeRequest *request)
{
    uint32_t cursor = 0;
    Pawl__InstanceBatch *batch = NULL;
    struct pawl_bytes bytes =
        pawl_protobuf_unknown_bytes(&request->base, PURGE_EITHER_FIELD, &cursor);
    if (pawl_taskhub_is_dapr(call) || pawl_bytes_is_absent(bytes)) return NULL;
    if (pawl_protobuf_unpack(&pawl__instance_batch__descriptor, &call->arena, bytes, &batch)
        != PAWL_OK)
        return NULL;
    return batch;
}

static void purge_set_target(struct pawl_taskhub_call *call, const Pawl__PurgeRequest *request)
{
    uint32_t cursor = 0;
    Pawl__TaskRouter *router = NULL;
    struct pawl_bytes bytes =
        pawl_protobuf_unknown_bytes(&request->base, PURGE_ROUTER_FIELD, &cursor);
    if (!pawl_bytes_is_absent(bytes)
        && pawl_protobuf_unpack(&pawl__task_router__descriptor, &call->arena, bytes, &router)
               == PAWL_OK)
        pawl_taskhub_set_target(call, router);
}

void pawl_taskhub_on_purge(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__PurgeRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__purge_request__descriptor, &request);
    if (!call) return;
    struct purge *purge = PAWL_ARENA_NEW(&call->arena, struct purge);
    call->state = purge;
    purge->recursive = request->recursive;
    purge_set_target(call, request);
    purge->force = pawl_taskhub_is_dapr(call)
                   && pawl_protobuf_unknown_varint(&request->base, PURGE_EITHER_FIELD) != 0;
    const Pawl__InstanceBatch *batch = purge_batch(call, request);
    if (request->filter) {
        purge_set_filter(call, request->filter);
    } else if (batch) {
        purge_set_instances(call, (uint32_t)batch->n_instance_ids, batch->instance_ids);
    } else {
        purge->is_single = true;
        purge_set_instances(call, 1, &request->instance_id);
    }
    purge_go_on(call);
}

/* Terminate many --------------------------------------------------------------------------- */

struct skip {
    size_t count;
    size_t at;
    const ProtobufCBinaryData *instances;
    struct pawl_bytes reason;
};

static void skip_go_on(struct pawl_taskhub_call *call);

/* Those that are left alone are named in the answer. */
static void skip_on_terminated(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    bool is_left = answer->err == PAWL_E_NOT_FOUND || answer->err == PAWL_E_TERMINAL;
    if (answer->err != PAWL_OK && !is_left) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    if (is_left) out_add(call, 1, call->request.instance);
    skip_go_on(call);
}

static void skip_go_on(struct pawl_taskhub_call *call)
{
    struct skip *skip = call->state;
    if (skip->at == skip->count) {
        out_answer(call, NULL);
        return;
    }
    call->request = (struct pawl_request){
        .op = PAWL_REQUEST_TERMINATE,
        .instance = pawl_protobuf_bytes(skip->instances[skip->at++]),
        .payload = skip->reason,
    };
    pawl_taskhub_ask(call, skip_on_terminated);
}

/* Terminating never waits for a worker here, so there is nothing to skip. */
void pawl_taskhub_on_skip_graceful(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__SkipGracefulRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__skip_graceful_request__descriptor, &request);
    if (!call) return;
    struct skip *skip = PAWL_ARENA_NEW(&call->arena, struct skip);
    if (request->batch && request->batch->instance_ids) {
        skip->count = request->batch->n_instance_ids;
        skip->instances = request->batch->instance_ids;
    }
    skip->reason = pawl_durabletask_utf8(&call->with, pawl_durabletask_text_bytes(request->reason));
    call->state = skip;
    skip_go_on(call);
}

/* Histories -------------------------------------------------------------------------------- */

/* Parts of a streamed history: a client takes 4 MiB. */
#define HISTORY_PART_SIZE (1u << 20)

struct history {
    struct pawl_durabletask_history events; /* of the page */
    uint32_t next;                          /* page begins there */
    uint32_t total;
    size_t sent; /* of the page's events */
};

static void history_ask(struct pawl_taskhub_call *call, pawl_taskhub_next *next)
{
    const struct history *history = call->state;
    call->request.from = history->next;
    pawl_taskhub_ask(call, next);
}

/* False: the call is over. */
static bool history_take(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    struct history *history = call->state;
    if (answer->err != PAWL_OK) {
        pawl_taskhub_fail(call, answer);
        return false;
    }
    history->events.count = 0;
    history->sent = 0;
    for (uint32_t i = 0; i < answer->events_count; i++) {
        struct pawl_bytes event = pawl_arena_copy(&call->arena, answer->events[i]);
        if (pawl_durabletask_add_event(&call->with, &history->events, call->request.instance, event)
            == PAWL_OK)
            continue;
        pawl_taskhub_finish(call, PAWL_GRPC_DATA_LOSS,
                            PAWL_BYTES_LITERAL("a stored event of this instance cannot be read"));
        return false;
    }
    history->next += answer->events_count;
    history->total = answer->events_count ? answer->events_total : history->next;
    return true;
}

static struct pawl_taskhub_call *history_begin(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__HistoryRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__history_request__descriptor, &request);
    if (!call) return NULL;
    struct history *history = PAWL_ARENA_NEW(&call->arena, struct history);
    history->events.for_clients = true;
    call->state = history;
    call->request = (struct pawl_request){ .op = PAWL_REQUEST_HISTORY,
                                           .instance = pawl_protobuf_bytes(request->instance_id) };
    return call;
}

static void history_on_page(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    const struct history *history = call->state;
    if (!history_take(call, answer)) return;
    for (size_t i = 0; i < history->events.count; i++)
        out_add(call, 1, pawl_protobuf_pack(&call->arena, &history->events.events[i]->base));
    if (history->next >= history->total || call->out.bad)
        out_answer(call, NULL);
    else
        history_ask(call, history_on_page);
}

void pawl_taskhub_on_history(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = history_begin(hub, from);
    if (call) history_ask(call, history_on_page);
}

static void stream_on_page(struct pawl_taskhub_call *call, const struct pawl_answer *answer);

/* One part more. False: the stream is full, or over. */
static bool stream_part(struct pawl_taskhub_call *call)
{
    struct history *history = call->state;
    size_t at = history->sent;
    pawl_buf_clear(&call->out);
    while (at < history->events.count && call->out.size < HISTORY_PART_SIZE)
        out_add(call, 1, pawl_protobuf_pack(&call->arena, &history->events.events[at++]->base));
    pawl_err err = call->out.bad
                       ? call->out.bad
                       : pawl_grpc_send(call->hub->grpc, call->id, pawl_buf_view(&call->out));
    if (err == PAWL_OK) history->sent = at;
    if (err == PAWL_E_TOO_LARGE)
        pawl_taskhub_finish(
            call, PAWL_GRPC_RESOURCE_EXHAUSTED,
            PAWL_BYTES_LITERAL("an event of this history is larger than a message may be"));
    return err == PAWL_OK;
}

static void stream_go_on(struct pawl_taskhub_call *call)
{
    const struct history *history = call->state;
    if (call->asked) return;
    while (history->sent < history->events.count)
        if (!stream_part(call)) return;
    if (history->next < history->total)
        history_ask(call, stream_on_page);
    else
        pawl_taskhub_finish(call, PAWL_GRPC_OK, PAWL_BYTES_ABSENT);
}

static void stream_on_page(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (history_take(call, answer)) stream_go_on(call);
}

void pawl_taskhub_on_stream_history(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = history_begin(hub, from);
    if (!call) return;
    call->resume = stream_go_on;
    history_ask(call, stream_on_page);
}
