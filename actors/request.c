#include "actors/request.h"

#include "actors/call.h"
#include "actors/directory.h"
#include "actors/envelope.h"
#include "actors/request_again.h"
#include "actors/request_import.h"
#include "actors/request_list.h"
#include "actors/request_rewind.h"
#include "actors/request_start.h"
#include "actors/waiter.h"
#include "actors/watch.h"
#include "actors/workflow.h"
#include "base/hash.h"

#define CLIENT_ATTEMPTS_MAX 3u

struct pawl_call *pawl_request_call(struct pawl_node *node, uint64_t token, enum pawl_store_op op,
                                    struct pawl_bytes instance, pawl_call_on_reply *on_reply)
{
    struct pawl_call *call =
        pawl_call_new(node, op, pawl_node_partition(node, instance)->index, on_reply);
    call->request_token = token;
    call->attempts_max = CLIENT_ATTEMPTS_MAX;
    call->instance = pawl_arena_copy(&call->arena, instance);
    return call;
}

void pawl_request_answer_store_err(struct pawl_node *node, uint64_t token,
                                   struct pawl_bytes instance, const struct pawl_store_reply *reply)
{
    switch (reply->err) {
    case PAWL_E_NOT_FOUND:
        pawl_node_answer_err(node, token, reply->err,
                             "unable to find workflow with the provided instance ID: %.*s",
                             PAWL_BYTES_FMT(instance));
        return;
    case PAWL_E_TERMINAL:
        pawl_node_answer_err(node, token, reply->err, "workflow instance '%.*s' has already ended",
                             PAWL_BYTES_FMT(instance));
        return;
    case PAWL_E_NOT_TERMINAL:
        pawl_node_answer_err(node, token, reply->err,
                             "workflow instance '%.*s' has not ended yet: terminate it first, or "
                             "purge with force",
                             PAWL_BYTES_FMT(instance));
        return;
    case PAWL_E_BUSY:
        pawl_node_answer_err(node, token, reply->err,
                             "too many events wait for workflow instance '%.*s'; try again later",
                             PAWL_BYTES_FMT(instance));
        return;
    default:
        pawl_node_answer_err(node, token, reply->err, "%s%s%.*s", pawl_err_text(reply->err),
                             reply->message.size ? ": " : "", PAWL_BYTES_FMT(reply->message));
    }
}

/* Get and wait ----------------------------------------------------------------------------------
 */

void pawl_request_fill_state(struct pawl_bytes instance, const struct pawl_metadata *metadata,
                             struct pawl_bytes custom_status, struct pawl_instance_state *ret_state)
{
    struct pawl_parent parent;
    *ret_state = (struct pawl_instance_state){ .instance = instance,
                                               .name = metadata->name,
                                               .version = metadata->version,
                                               .status = metadata->status,
                                               .gen = metadata->gen,
                                               .history_count = metadata->history_count,
                                               .created_ms = metadata->created_ms,
                                               .start_at_ms = metadata->start_at_ms,
                                               .started_ms = metadata->started_ms,
                                               .updated_ms = metadata->updated_ms,
                                               .completed_ms = metadata->completed_ms,
                                               .tags = metadata->tags,
                                               .custom_status = custom_status };
    if (pawl_parent_decode(metadata->parent, &parent) == PAWL_OK) {
        ret_state->parent_instance = parent.instance;
        ret_state->parent_app = parent.app;
    }
}

/* Of what is pending, the first thing that nobody can do at present. */
static struct pawl_bytes request_waiting_for(struct pawl_node *node,
                                             const struct pawl_snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->pending_count; i++) {
        const struct pawl_pending *pending = &snapshot->pending[i];
        struct pawl_history_event event;
        if (pending->state != PAWL_PENDING_OPEN || pending->op.kind == 't') continue;
        if (pawl_history_event_decode(pending->event, &event) != PAWL_OK) continue;
        bool is_activity = pending->op.kind == 'a';
        struct pawl_route route =
            is_activity ? pawl_directory_runner(node, event.target_app, event.name, NULL)
                        : pawl_directory_owner(node, event.target_app, event.instance);
        if (route.kind != PAWL_ROUTE_NOWHERE) continue;
        struct pawl_arena *arena = &node->effects->arena;
        struct pawl_bytes why = pawl_directory_why_nowhere(node, arena, event.target_app);
        return pawl_arena_printf(arena, "%s '%.*s': %.*s",
                                 is_activity ? "activity" : "child workflow",
                                 PAWL_BYTES_FMT(event.name), PAWL_BYTES_FMT(why));
    }
    return PAWL_BYTES_ABSENT;
}

void pawl_request_answer_state(struct pawl_node *node, uint64_t token, struct pawl_bytes instance,
                               const struct pawl_snapshot *snapshot, bool reached)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_answer *answer = PAWL_ARENA_NEW(arena, struct pawl_answer);
    struct pawl_instance_state *state = PAWL_ARENA_NEW(arena, struct pawl_instance_state);
    pawl_request_fill_state(instance, &snapshot->metadata, snapshot->custom_status, state);
    if (node->config.placed) state->waiting_for = request_waiting_for(node, snapshot);
    state->input = snapshot->payloads.input;
    state->output = snapshot->payloads.output;
    if (snapshot->payloads.failure.size
        && pawl_failure_decode(snapshot->payloads.failure, &state->failure) != PAWL_OK)
        state->failure = (struct pawl_failure_view){ .present = true };
    answer->instance = instance;
    answer->states_count = 1;
    answer->states = state;
    answer->reached = reached;
    pawl_node_answer(node, token, answer);
}

static void get_on_loaded(struct pawl_node *node, struct pawl_call *call,
                          const struct pawl_store_reply *reply)
{
    if (reply->err != PAWL_OK) {
        pawl_request_answer_store_err(node, call->request_token, call->instance, reply);
        return;
    }
    pawl_request_answer_state(node, call->request_token, call->instance, &reply->load.snapshot,
                              false);
}

static void request_get(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    struct pawl_call *call =
        pawl_request_call(node, token, PAWL_STORE_LOAD, request->instance, get_on_loaded);
    call->request.load =
        (struct pawl_load){ .instance = call->instance,
                            .want = request->with_payloads ? PAWL_LOAD_PAYLOADS : 0 };
    /* With others there may be something to say about what is pending. */
    if (node->config.placed && request->with_payloads) call->request.load.want |= PAWL_LOAD_PENDING;
    pawl_call_send(node, call);
}

/* Raise ------------------------------------------------------------------------------------------
 */

static void answer_ok(struct pawl_node *node, uint64_t token)
{
    pawl_node_answer_err(node, token, PAWL_OK, "%s", "");
}

static void raise_on_delivered(struct pawl_node *node, struct pawl_call *call,
                               const struct pawl_store_reply *reply)
{
    if (reply->err != PAWL_OK && reply->err != PAWL_E_DUPLICATE) {
        pawl_request_answer_store_err(node, call->request_token, call->instance, reply);
        return;
    }
    answer_ok(node, call->request_token);
    if (reply->err != PAWL_OK) return;
    node->metrics.events_total++;
    pawl_workflow_on_delivered(node, call->instance, reply->deliver.index,
                               call->request.deliver.delivery, call->request.deliver.body);
}

static void request_raise(struct pawl_node *node, uint64_t token,
                          const struct pawl_request *request)
{
    struct pawl_call *call =
        pawl_request_call(node, token, PAWL_STORE_DELIVER, request->instance, raise_on_delivered);
    struct pawl_arena *arena = &call->arena;
    struct pawl_history_event raised =
        pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, node->now_ms);
    raised.name = request->name;
    raised.payload = request->payload;
    struct pawl_inbox_body body = { .event = pawl_history_event_pack(arena, &raised) };
    call->request.deliver =
        pawl_deliver_make(arena, call->instance, &body, pawl_rng_id(&node->rng), node->now_ms);
    call->request.deliver.request_id = pawl_request_id_of(node, arena, request);
    pawl_call_send(node, call);
}

/* History and rerun -------------------------------------------------------------------------------
 */

/* The events raised that wait in the inbox, behind those of the history. */
static void history_add_waiting(struct pawl_node *node, const struct pawl_snapshot *snapshot,
                                struct pawl_answer *answer)
{
    struct pawl_bytes *events =
        PAWL_ARENA_ARRAY(&node->effects->arena, struct pawl_bytes,
                         (size_t)snapshot->history_count + snapshot->inbox_count);
    for (uint32_t i = 0; i < snapshot->history_count; i++) events[i] = snapshot->history[i];
    for (uint32_t i = 0; i < snapshot->inbox_count; i++) {
        struct pawl_inbox_body body;
        if (pawl_inbox_body_unpack(snapshot->inbox[i].body, &body) != PAWL_OK) continue;
        if (pawl_history_event_kind(body.event) == PAWL_EVENT_EVENT_RAISED)
            events[answer->events_count++] = body.event;
    }
    answer->events = events;
}

static void history_on_loaded(struct pawl_node *node, struct pawl_call *call,
                              const struct pawl_store_reply *reply)
{
    if (reply->err != PAWL_OK) {
        pawl_request_answer_store_err(node, call->request_token, call->instance, reply);
        return;
    }
    struct pawl_answer *answer = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_answer);
    answer->instance = call->instance;
    answer->states_count = 1;
    answer->states = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_instance_state);
    pawl_request_fill_state(call->instance, &reply->load.snapshot.metadata,
                            reply->load.snapshot.custom_status, answer->states);
    answer->states[0].inc = reply->load.snapshot.metadata.inc;
    answer->events_total = reply->load.snapshot.metadata.history_count;
    answer->events_count = reply->load.snapshot.history_count;
    answer->events = reply->load.snapshot.history;
    uint64_t next = (uint64_t)call->request.load.history_from + answer->events_count;
    if (reply->load.snapshot.inbox_count > 0 && next >= answer->events_total)
        history_add_waiting(node, &reply->load.snapshot, answer);
    pawl_node_answer(node, call->request_token, answer);
}

static void request_history(struct pawl_node *node, uint64_t token,
                            const struct pawl_request *request)
{
    struct pawl_call *call =
        pawl_request_call(node, token, PAWL_STORE_LOAD, request->instance, history_on_loaded);
    call->request.load =
        (struct pawl_load){ .instance = call->instance,
                            .want = request->with_payloads ? PAWL_LOAD_HISTORY | PAWL_LOAD_INBOX
                                                           : PAWL_LOAD_HISTORY,
                            .history_from = request->from,
                            .history_max = request->limit ? request->limit : PAWL_LOAD_HISTORY_MAX,
                            .history_size_max = PAWL_LOAD_HISTORY_SIZE_MAX };
    pawl_call_send(node, call);
}

static void rerun_on_loaded(struct pawl_node *node, struct pawl_call *call,
                            const struct pawl_store_reply *reply)
{
    const struct pawl_request *asked = call->context;
    if (reply->err != PAWL_OK) {
        pawl_request_answer_store_err(node, call->request_token, call->instance, reply);
        return;
    }
    const struct pawl_snapshot *source = &reply->load.snapshot;
    bool is_done = asked->op == PAWL_REQUEST_RESTART && asked->request_id.size > 0
                   && pawl_bytes_is_equal(asked->request_id, source->metadata.request_id);
    if (is_done) { /* by an attempt whose answer was lost */
        pawl_request_answer_instance(node, call->request_token, call->instance);
        return;
    }
    if (!pawl_status_is_terminal(source->metadata.status)) {
        pawl_node_answer_err(
            node, call->request_token, PAWL_E_NOT_TERMINAL,
            "workflow instance '%.*s' has not ended yet, so it cannot be run again: terminate "
            "it first",
            PAWL_BYTES_FMT(call->instance));
        return;
    }
    bool is_same = asked->op == PAWL_REQUEST_RESTART && asked->new_instance.size == 0;
    struct pawl_request start = { .op = PAWL_REQUEST_START,
                                  .reuse = is_same ? PAWL_REUSE_TERMINAL : PAWL_REUSE_REFUSE,
                                  .instance = is_same ? call->instance : asked->new_instance,
                                  .request_id = asked->request_id,
                                  .name = source->metadata.name,
                                  .version = source->metadata.version,
                                  .tags = source->metadata.tags,
                                  .payload = pawl_bytes_is_absent(asked->payload)
                                                 ? source->payloads.input
                                                 : asked->payload };
    pawl_request_start(node, call->request_token, &start);
}

static void request_rerun(struct pawl_node *node, uint64_t token,
                          const struct pawl_request *request)
{
    struct pawl_call *call =
        pawl_request_call(node, token, PAWL_STORE_LOAD, request->instance, rerun_on_loaded);
    struct pawl_request *kept = PAWL_ARENA_NEW(&call->arena, struct pawl_request);
    kept->op = request->op;
    kept->new_instance = pawl_arena_copy(&call->arena, request->new_instance);
    kept->request_id = pawl_arena_copy(&call->arena, request->request_id);
    kept->payload = pawl_arena_copy(&call->arena, request->payload);
    call->context = kept;
    call->request.load =
        (struct pawl_load){ .instance = call->instance, .want = PAWL_LOAD_PAYLOADS };
    pawl_call_send(node, call);
}

/* Entry
 * --------------------------------------------------------------------------------------------- */

void pawl_request_on_call(struct pawl_node *node, uint64_t token,
                          const struct pawl_request *request)
{
    node->metrics.requests_total++;
    switch (request->op) {
    case PAWL_REQUEST_START: pawl_request_start(node, token, request); return;
    case PAWL_REQUEST_GET: request_get(node, token, request); return;
    case PAWL_REQUEST_WATCH: pawl_watch_on_call(node, token, request); return;
    case PAWL_REQUEST_WAIT: pawl_waiter_on_wait(node, token, request); return;
    case PAWL_REQUEST_RAISE: request_raise(node, token, request); return;
    case PAWL_REQUEST_SUSPEND:
    case PAWL_REQUEST_RESUME:
    case PAWL_REQUEST_TERMINATE: pawl_workflow_on_control(node, request, token); return;
    case PAWL_REQUEST_PURGE: pawl_request_purge(node, token, request); return;
    case PAWL_REQUEST_LIST: pawl_request_list(node, token, request); return;
    case PAWL_REQUEST_COUNT: pawl_request_count(node, token, request); return;
    case PAWL_REQUEST_BATCH: pawl_request_batch(node, token, request); return;
    case PAWL_REQUEST_HISTORY: request_history(node, token, request); return;
    case PAWL_REQUEST_RERUN:
        if (request->has_event)
            pawl_request_rerun_from(node, token, request);
        else
            request_rerun(node, token, request);
        return;
    case PAWL_REQUEST_RESTART: request_rerun(node, token, request); return;
    case PAWL_REQUEST_REWIND: pawl_request_rewind(node, token, request); return;
    case PAWL_REQUEST_IMPORT: pawl_request_import(node, token, request); return;
    }
    PAWL_UNREACHABLE("pawl_request_check lets no other operation through");
}
