#include "actors/request_start.h"

#include "actors/call.h"
#include "actors/request.h"
#include "actors/request_list.h"
#include "actors/schedule.h"
#include "actors/seed.h"
#include "actors/workflow.h"
#include "base/cover.h"
#include "base/hash.h"

/* Somebody else may take the id again and again. */
#define ROUNDS_MAX 4u

/* A start under way: context of its calls, in their arena. */
struct start {
    struct pawl_request request;
    uint32_t rounds; /* CREATEs so far */
};

static void start_create(struct pawl_node *node, uint64_t token, const struct start *start);

/* Ids ---------------------------------------------------------------------------------------- */

struct pawl_bytes pawl_request_new_instance(struct pawl_node *node, struct pawl_bytes request_id)
{
    struct pawl_id id = request_id.size ? pawl_hash_id(pawl_bytes_str(node->app), request_id)
                                        : pawl_rng_id(&node->rng);
    char hex[PAWL_ID_TEXT_SIZE];
    id.bytes[6] = (uint8_t)(0x40 | (id.bytes[6] & 0x0f)); /* UUID version 4 */
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    pawl_id_format(id, hex);
    return pawl_arena_printf(&node->effects->arena, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
                             hex + 12, hex + 16, hex + 20);
}

static struct pawl_bytes new_request_id(struct pawl_node *node, struct pawl_arena *arena)
{
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(pawl_rng_id(&node->rng), text);
    return pawl_arena_copy(arena, pawl_bytes_str(text));
}

void pawl_request_complete(struct pawl_node *node, struct pawl_request *request)
{
    bool is_start = request->op == PAWL_REQUEST_START;
    bool is_rerun = request->op == PAWL_REQUEST_RERUN;
    bool counts_once = is_start || is_rerun || request->op == PAWL_REQUEST_RAISE
                       || request->op == PAWL_REQUEST_RESTART || request->op == PAWL_REQUEST_REWIND
                       || request->op == PAWL_REQUEST_IMPORT;
    if (!counts_once) return;
    if (is_start && request->instance.size == 0)
        request->instance = pawl_request_new_instance(node, request->request_id);
    if (is_rerun && request->new_instance.size == 0)
        request->new_instance = pawl_request_new_instance(node, request->request_id);
    if (request->request_id.size == 0)
        request->request_id = new_request_id(node, &node->effects->arena);
}

struct pawl_bytes pawl_request_id_of(struct pawl_node *node, struct pawl_arena *arena,
                                     const struct pawl_request *request)
{
    if (request->request_id.size) return pawl_arena_copy(arena, request->request_id);
    return new_request_id(node, arena);
}

/* Answers ------------------------------------------------------------------------------------ */

void pawl_request_answer_instance(struct pawl_node *node, uint64_t token,
                                  struct pawl_bytes instance)
{
    struct pawl_answer *answer = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_answer);
    answer->instance = pawl_arena_copy(&node->effects->arena, instance);
    pawl_node_answer(node, token, answer);
}

void pawl_request_answer_create_err(struct pawl_node *node, uint64_t token,
                                    struct pawl_bytes instance,
                                    const struct pawl_store_reply *reply)
{
    enum pawl_status status = reply->create.metadata.status;
    switch (reply->err) {
    case PAWL_E_EXISTS:
        pawl_node_answer_err(node, token, PAWL_E_EXISTS,
                             "%s workflow with ID '%.*s' already exists (status %s)",
                             pawl_status_is_terminal(status) ? "a" : "an active",
                             PAWL_BYTES_FMT(instance), pawl_status_name((int)status));
        return;
    case PAWL_E_TERMINAL:
        pawl_node_answer_err(node, token, PAWL_E_TERMINAL,
                             "this request has started workflow '%.*s' before, and that instance "
                             "was purged or replaced since; to start it again, use another "
                             "request id",
                             PAWL_BYTES_FMT(instance));
        return;
    default: pawl_request_answer_store_err(node, token, instance, reply);
    }
}

/* The instance is there ---------------------------------------------------------------------- */

static struct start *start_copy(struct pawl_arena *arena, const struct start *start)
{
    struct start *copy = PAWL_ARENA_NEW(arena, struct start);
    *copy = *start;
    struct pawl_bytes *texts[] = { &copy->request.instance,   &copy->request.request_id,
                                   &copy->request.name,       &copy->request.version,
                                   &copy->request.payload,    &copy->request.event_name,
                                   &copy->request.event_data, &copy->request.tags,
                                   &copy->request.extra };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = pawl_arena_copy(arena, *texts[i]);
    return copy;
}

static bool start_has_event(const struct start *start)
{
    return !pawl_bytes_is_absent(start->request.event_name);
}

static struct pawl_bytes start_event_raised(struct pawl_node *node, struct pawl_arena *arena,
                                            const struct pawl_request *request)
{
    struct pawl_history_event raised =
        pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, node->now_ms);
    raised.name = request->event_name;
    raised.payload = request->event_data;
    return pawl_history_event_pack(arena, &raised);
}

static void start_on_delivered(struct pawl_node *node, struct pawl_call *call,
                               const struct pawl_store_reply *reply)
{
    const struct start *start = call->context;
    if (reply->err == PAWL_E_TERMINAL && start->request.reuse == PAWL_REUSE_RETURN) {
        pawl_node_answer_err(node, call->request_token, PAWL_E_EXISTS,
                             "a workflow with ID '%.*s' already exists, and has ended: it takes "
                             "no event any more",
                             PAWL_BYTES_FMT(call->instance));
        return;
    }
    bool has_ended = reply->err == PAWL_E_TERMINAL || reply->err == PAWL_E_NOT_FOUND;
    if (has_ended && start->rounds < ROUNDS_MAX) {
        start_create(node, call->request_token, start);
        return;
    }
    if (reply->err != PAWL_OK && reply->err != PAWL_E_DUPLICATE) {
        pawl_request_answer_store_err(node, call->request_token, call->instance, reply);
        return;
    }
    pawl_request_answer_instance(node, call->request_token, call->instance);
    if (reply->err != PAWL_OK) return;
    node->metrics.events_total++;
    pawl_workflow_on_delivered(node, call->instance, reply->deliver.index,
                               call->request.deliver.delivery, call->request.deliver.body);
}

static void start_deliver(struct pawl_node *node, uint64_t token, const struct start *start)
{
    PAWL_COVER(START_DELIVERS);
    struct pawl_call *call = pawl_request_call(node, token, PAWL_STORE_DELIVER,
                                               start->request.instance, start_on_delivered);
    struct pawl_arena *arena = &call->arena;
    struct start *kept = start_copy(arena, start);
    struct pawl_inbox_body body = { .event = start_event_raised(node, arena, &kept->request) };
    call->context = kept;
    call->request.deliver =
        pawl_deliver_make(arena, call->instance, &body, pawl_rng_id(&node->rng), node->now_ms);
    call->request.deliver.request_id = pawl_request_id_of(node, arena, &kept->request);
    pawl_call_send(node, call);
}

static struct pawl_call *start_make_call(struct pawl_node *node, uint64_t token,
                                         const struct start *start);

/* It is ended first; the unsent CREATE waits for that. */
static void start_terminate(struct pawl_node *node, uint64_t token, const struct start *start,
                            struct pawl_id inc)
{
    PAWL_COVER(START_TERMINATES);
    pawl_workflow_end_then(node, start->request.instance, inc, token,
                           start_make_call(node, token, start));
}

/* True: what is to be done with the one that is there is under way. */
static bool start_use_existing(struct pawl_node *node, uint64_t token, const struct start *start,
                               const struct pawl_metadata *existing)
{
    if (start->rounds >= ROUNDS_MAX) return false;
    if (start->request.reuse == PAWL_REUSE_TERMINATE) {
        if (pawl_status_is_terminal(existing->status)) return false;
        start_terminate(node, token, start, existing->inc);
        return true;
    }
    if (!start_has_event(start) || start->request.reuse == PAWL_REUSE_REFUSE) return false;
    start_deliver(node, token, start);
    return true;
}

/* Create ------------------------------------------------------------------------------------- */

static void start_on_created(struct pawl_node *node, struct pawl_call *call,
                             const struct pawl_store_reply *reply)
{
    const struct start *start = call->context;
    switch (reply->err) {
    case PAWL_OK:
        node->metrics.started_total++;
        if (start_has_event(start)) node->metrics.events_total++;
        pawl_request_answer_instance(node, call->request_token, call->instance);
        pawl_workflow_on_created(node, call->instance, &reply->create.metadata,
                                 call->request.create.delivery, call->request.create.body);
        return;
    case PAWL_E_DUPLICATE:
        pawl_request_answer_instance(node, call->request_token, call->instance);
        /* Its owner may have died before the answer, and had many: it is not to wait for them. */
        (void)pawl_workflow_activate(node, call->instance);
        return;
    case PAWL_E_EXISTS:
        if (start_use_existing(node, call->request_token, start, &reply->create.metadata)) return;
        if (start->request.reuse == PAWL_REUSE_RETURN && !start_has_event(start)) {
            pawl_request_answer_instance(node, call->request_token, call->instance);
            return;
        }
        break;
    default: break;
    }
    pawl_request_answer_create_err(node, call->request_token, call->instance, reply);
}

static struct pawl_bytes start_event(struct pawl_node *node, struct pawl_arena *arena,
                                     const struct pawl_request *request)
{
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, node->now_ms);
    started.name = request->name;
    started.version = request->version;
    started.payload = request->payload;
    started.start_at_ms = request->start_at_ms;
    started.tags = request->tags;
    started.extra = request->extra;
    started.execution = pawl_rng_id(&node->rng);
    return pawl_history_event_pack(arena, &started);
}

static struct pawl_bytes start_body(struct pawl_node *node, struct pawl_arena *arena,
                                    const struct start *start)
{
    struct pawl_inbox_body body = { .event = start_event(node, arena, &start->request) };
    if (start_has_event(start)) {
        struct pawl_bytes events[] = { body.event,
                                       start_event_raised(node, arena, &start->request) };
        struct pawl_seed seed = { .events_count = 2, .events = events };
        body.seed = pawl_seed_pack(arena, &seed);
    }
    return pawl_inbox_body_pack(arena, &body);
}

/* One that has ended may have had the event already: it is asked before it is replaced. */
static bool start_may_replace(const struct start *start)
{
    bool is_asked = !start_has_event(start) || start->rounds > 1;
    return start->request.reuse == PAWL_REUSE_TERMINATE
           || (start->request.reuse == PAWL_REUSE_TERMINAL && is_asked);
}

static struct pawl_call *start_make_call(struct pawl_node *node, uint64_t token,
                                         const struct start *start)
{
    struct pawl_call *call = pawl_request_call(node, token, PAWL_STORE_CREATE,
                                               start->request.instance, start_on_created);
    struct pawl_arena *arena = &call->arena;
    struct start *kept = start_copy(arena, start);
    const struct pawl_request *request = &kept->request;
    kept->rounds++;
    call->context = kept;
    call->request.create = (struct pawl_create){
        .instance = call->instance,
        .request_id = request->request_id,
        .inc = pawl_rng_id(&node->rng),
        .delivery = pawl_rng_id(&node->rng),
        .body = start_body(node, arena, kept),
        .name = request->name,
        .version = request->version,
        .input = request->payload,
        .tags = request->tags,
        .created_ms = node->now_ms,
        .start_at_ms = request->start_at_ms,
        .replace_terminal = start_may_replace(kept),
        .tombs = { PAWL_TOMB_MS, PAWL_TOMBS_MAX },
        .changes_max = PAWL_CHANGES_MAX,
    };
    return call;
}

static void start_create(struct pawl_node *node, uint64_t token, const struct start *start)
{
    pawl_call_send(node, start_make_call(node, token, start));
}

void pawl_request_start(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    struct start start = { .request = *request };
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    if (pawl_schedule_check_zone(node, request, &node->effects->arena, &why) != PAWL_OK) {
        pawl_node_answer_err(node, token, PAWL_E_INVALID, "%.*s", PAWL_BYTES_FMT(why));
        return;
    }
    if (start.request.instance.size == 0)
        start.request.instance = pawl_request_new_instance(node, request->request_id);
    start.request.request_id = pawl_request_id_of(node, &node->effects->arena, request);
    start_create(node, token, &start);
}
