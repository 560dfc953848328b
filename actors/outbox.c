#include "actors/outbox.h"

#include "actors/call.h"
#include "actors/envelope.h"
#include "actors/partition.h"
#include "actors/request_rewind.h"
#include "actors/turn.h"
#include "actors/workflow.h"
#include "base/cover.h"
#include "base/fsm.h"
#include "base/hash.h"
#include "base/mutant.h"

enum message_state { MESSAGE_LOCAL, MESSAGE_SENT, MESSAGE_WAITING, MESSAGE_STATES_COUNT };

#define ALLOW(state) PAWL_FSM_BIT(MESSAGE_##state)
static const struct pawl_fsm_state message_states[MESSAGE_STATES_COUNT] = {
    [MESSAGE_LOCAL] = { "local", ALLOW(SENT) | ALLOW(WAITING) },
    [MESSAGE_SENT] = { "sent", ALLOW(WAITING) | ALLOW(LOCAL) },
    [MESSAGE_WAITING] = { "waiting", ALLOW(LOCAL) | ALLOW(SENT) },
};
#undef ALLOW

/* How soon a message that nobody could take is tried again. */
#define MESSAGE_AGAIN_MS 500

/* How long a terminate looks for a child that is not there: longer than the lease of the
 * message that starts it, also where an earlier owner has taken that. */
#define TERMINATE_PATIENCE_MS 45000

/* A message on its way. */
struct pawl_message {
    struct pawl_id id;
    struct pawl_origin origin; /* told at the end: the own outbox, or the peer that sent it */
    uint8_t state;
    struct pawl_list link; /* SENT: on host.messages, in order of sent_ms; WAITING: on
                              node.messages_waiting */
    int64_t sent_ms;       /* SENT: last time */
    int64_t made_ms;
    struct pawl_bytes stored;      /* owned: the row */
    struct pawl_message_body body; /* decoded from it */
};

static struct pawl_bytes id_key(const struct pawl_id *id)
{
    return pawl_bytes_make(id->bytes, sizeof id->bytes);
}

static struct pawl_message *message_find(struct pawl_node *node, struct pawl_id id)
{
    return pawl_map_find(&node->messages, id_key(&id));
}

static void message_unlink(struct pawl_node *node, struct pawl_message *message)
{
    if (!pawl_list_is_linked(&message->link)) return;
    pawl_list_remove(&message->link);
    if (message->state == MESSAGE_WAITING) node->messages_waiting_count--;
}

static void message_free(struct pawl_node *node, struct pawl_message *message)
{
    message_unlink(node, message);
    (void)pawl_map_remove(&node->messages, id_key(&message->id));
    pawl_bytes_free(message->stored);
    pawl_mem_free(message);
}

static void message_release(struct pawl_node *node, struct pawl_id id)
{
    struct pawl_message *message = message_find(node, id);
    if (message) message_free(node, message);
}

/* Acknowledgements ---------------------------------------------------------------------------- */

static void outdone_on_reply(struct pawl_node *node, struct pawl_call *call,
                             const struct pawl_store_reply *reply)
{
    (void)node;
    (void)call;
    (void)reply; /* not removed: the row's reminder brings it back, and it is acknowledged again */
}

static void outdone_open(struct pawl_node *node, struct pawl_partition *partition)
{
    struct pawl_call *call =
        pawl_call_new(node, PAWL_STORE_OUTDONE, partition->index, outdone_on_reply);
    call->context = PAWL_ARENA_ARRAY(&call->arena, struct pawl_id, PAWL_OUTDONE_IDS_MAX);
    call->request.outdone.ids = call->context;
    partition->acks = call;
    pawl_list_push_tail(&node->acks, &partition->acks_link);
}

static void outdone_send(struct pawl_node *node, struct pawl_partition *partition)
{
    struct pawl_call *call = partition->acks;
    partition->acks = NULL;
    pawl_list_remove(&partition->acks_link);
    pawl_call_send(node, call);
}

static void outbox_ack(struct pawl_node *node, uint32_t partition, struct pawl_id id)
{
    struct pawl_partition *home = &node->partitions[partition];
    if (home->acks && home->acks->request.outdone.ids_count == PAWL_OUTDONE_IDS_MAX)
        outdone_send(node, home);
    if (!home->acks) outdone_open(node, home);
    struct pawl_outdone *outdone = &home->acks->request.outdone;
    struct pawl_id *ids = home->acks->context;
    ids[outdone->ids_count++] = id;
}

static void peer_told(struct pawl_node *node, struct pawl_origin origin, pawl_err err,
                      struct pawl_bytes event)
{
    const struct pawl_host *host = pawl_directory_find_number(node, origin.host);
    if (!host) return; /* whoever sends it next asks again */
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_MESSAGE_DONE);
    frame->message_done = (struct pawl_peer_message_done){
        .id = origin.id, .err = err, .event = pawl_arena_copy(&node->effects->arena, event)
    };
    pawl_node_peer_send(node, host, frame);
}

static void result_told(struct pawl_node *node, struct pawl_origin origin)
{
    const struct pawl_host *host = pawl_directory_find_number(node, origin.host);
    if (!host) return;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_RESULT_DONE);
    frame->run_id = origin.id;
    pawl_node_peer_send(node, host, frame);
}

void pawl_origin_done(struct pawl_node *node, struct pawl_origin origin)
{
    if (pawl_id_is_zero(origin.id)) return;
    if (origin.is_run) {
        result_told(node, origin);
        return;
    }
    message_release(node, origin.id);
    if (origin.host)
        peer_told(node, origin, PAWL_OK, PAWL_BYTES_ABSENT);
    else
        outbox_ack(node, origin.partition, origin.id);
}

void pawl_origin_release(struct pawl_node *node, struct pawl_origin origin)
{
    if (pawl_id_is_zero(origin.id) || origin.is_run) return;
    message_release(node, origin.id);
    if (origin.host) peer_told(node, origin, PAWL_E_BUSY, PAWL_BYTES_ABSENT);
}

void pawl_outbox_flush(struct pawl_node *node)
{
    while (!pawl_list_is_empty(&node->acks))
        outdone_send(node, PAWL_CONTAINER_OF(node->acks.next, struct pawl_partition, acks_link));
}

/* Calls on behalf of a message ------------------------------------------------------------- */

static struct pawl_call *message_call(struct pawl_node *node, const struct pawl_message *message,
                                      enum pawl_store_op op, struct pawl_bytes instance,
                                      pawl_call_on_reply *on_reply)
{
    struct pawl_call *call =
        pawl_call_new(node, op, pawl_node_partition(node, instance)->index, on_reply);
    struct pawl_id *id = PAWL_ARENA_NEW(&call->arena, struct pawl_id);
    *id = message->id;
    call->context = id;
    call->instance = pawl_arena_copy(&call->arena, instance);
    return call;
}

static struct pawl_message *call_message(struct pawl_node *node, const struct pawl_call *call)
{
    return message_find(node, *(const struct pawl_id *)call->context);
}

static void message_done(struct pawl_node *node, const struct pawl_message *message)
{
    pawl_origin_done(node, message->origin);
}

/* Child: start ------------------------------------------------------------------------------- */

static struct pawl_op_ref parents_call(const struct pawl_parent *parent)
{
    return (struct pawl_op_ref){ .instance = parent->instance,
                                 .inc = parent->inc,
                                 .gen = parent->gen,
                                 .op = { 'c', parent->op_id },
                                 .nonce = parent->nonce };
}

static void parent_hears(struct pawl_node *node, const struct pawl_message *message,
                         struct pawl_bytes event)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_op_ref call = parents_call(&message->body.parent);
    struct pawl_op_ref ref = pawl_op_ref_copy(arena, &call);
    pawl_workflow_on_result(node, &ref, pawl_arena_copy(arena, event), message->origin);
}

/* The parent is the sender: here, or behind the peer. */
static void parent_told(struct pawl_node *node, struct pawl_message *message,
                        const struct pawl_history_event *event)
{
    struct pawl_bytes packed = pawl_history_event_pack(&node->effects->arena, event);
    if (message->origin.host == 0) {
        parent_hears(node, message, packed);
        return;
    }
    struct pawl_origin origin = message->origin;
    message_free(node, message);
    peer_told(node, origin, PAWL_OK, packed);
}

static void child_refused(struct pawl_node *node, struct pawl_message *message, bool may_retry,
                          const char *type, struct pawl_bytes text)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_CHILD_FAILED, node->now_ms);
    event.ref = (int32_t)message->body.parent.op_id;
    event.failure = (struct pawl_failure_view){
        .present = true, .non_retriable = !may_retry, .type = pawl_bytes_str(type), .message = text
    };
    parent_told(node, message, &event);
}

static void child_on_result_loaded(struct pawl_node *node, struct pawl_call *call,
                                   const struct pawl_store_reply *reply)
{
    struct pawl_message *message = call_message(node, call);
    if (!message) return;
    const struct pawl_snapshot *snapshot = &reply->load.snapshot;
    if (reply->err != PAWL_OK || !pawl_status_is_terminal(snapshot->metadata.status)) {
        message_done(node, message); /* it runs, or is gone: it told, or will tell, by itself */
        return;
    }
    struct pawl_failure_view failure = { .present = false };
    if (snapshot->payloads.failure.size
        && pawl_failure_decode(snapshot->payloads.failure, &failure) != PAWL_OK)
        failure = (struct pawl_failure_view){ .present = true };
    if (snapshot->metadata.status == PAWL_STATUS_TERMINATED)
        failure = (struct pawl_failure_view){
            .present = true,
            .type = PAWL_BYTES_LITERAL("WorkflowTerminated"),
            .message = PAWL_BYTES_LITERAL("the child workflow was terminated"),
        };
    struct pawl_history_event event = pawl_history_event_make(
        failure.present ? PAWL_EVENT_CHILD_FAILED : PAWL_EVENT_CHILD_COMPLETED, node->now_ms);
    event.ref = (int32_t)message->body.parent.op_id;
    event.payload = failure.present ? PAWL_BYTES_ABSENT : snapshot->payloads.output;
    event.failure = failure;
    parent_told(node, message, &event);
}

/* The child ended before the parent's question came again: its result is told again. */
static void child_tell_again(struct pawl_node *node, struct pawl_message *message)
{
    struct pawl_call *call = message_call(node, message, PAWL_STORE_LOAD, message->body.instance,
                                          child_on_result_loaded);
    call->request.load =
        (struct pawl_load){ .want = PAWL_LOAD_PAYLOADS, .instance = call->instance };
    pawl_call_send(node, call);
}

static void child_on_rewound(struct pawl_node *node, struct pawl_id id, pawl_err err)
{
    struct pawl_message *message = message_find(node, id);
    if (!message) return;
    switch (err) {
    case PAWL_OK:
        PAWL_COVER(CHILD_REWOUND);
        message_done(node, message);
        return;
    case PAWL_E_DUPLICATE: /* it may have ended since */
    case PAWL_E_STATE:
    case PAWL_E_TOO_LARGE: /* its failure stands */
    case PAWL_E_CORRUPT: child_tell_again(node, message); return;
    default: pawl_origin_release(node, message->origin);
    }
}

static void child_is_there(struct pawl_node *node, struct pawl_message *message,
                           enum pawl_status status)
{
    if (status == PAWL_STATUS_FAILED && message->body.rewind)
        pawl_rewind_child(node, message->body.instance, message->id, child_on_rewound);
    else if (pawl_status_is_terminal(status))
        child_tell_again(node, message);
    else
        message_done(node, message);
}

static void child_on_created(struct pawl_node *node, struct pawl_call *call,
                             const struct pawl_store_reply *reply)
{
    struct pawl_message *message = call_message(node, call);
    if (!message) return;
    switch (reply->err) {
    case PAWL_OK:
        node->metrics.started_total++;
        pawl_workflow_on_created(node, call->instance, &reply->create.metadata,
                                 call->request.create.delivery, call->request.create.body);
        message_done(node, message);
        return;
    case PAWL_E_DUPLICATE:
        if (!pawl_status_is_terminal(reply->create.metadata.status))
            pawl_workflow_on_rebound(node, call->instance, reply->create.metadata.parent);
        child_is_there(node, message, reply->create.metadata.status);
        return;
    case PAWL_E_EXISTS:
        child_refused(node, message, true, "WorkflowInstanceAlreadyExists",
                      pawl_arena_printf(&node->effects->arena,
                                        "a workflow instance with id '%.*s' already exists",
                                        PAWL_BYTES_FMT(call->instance)));
        return;
    case PAWL_E_TERMINAL: /* unless the parent has its result, it would wait for ever */
        child_refused(node, message, false, "WorkflowInstancePurged",
                      pawl_arena_printf(&node->effects->arena,
                                        "the child workflow '%.*s' was started, and purged or "
                                        "replaced since",
                                        PAWL_BYTES_FMT(call->instance)));
        return;
    default: pawl_origin_release(node, message->origin);
    }
}

/* What both kinds of start have in common; the texts of *started are copied. */
static void start_fill(struct pawl_node *node, struct pawl_call *call, struct pawl_id request_id,
                       struct pawl_bytes event, const struct pawl_history_event *started)
{
    struct pawl_arena *arena = &call->arena;
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(request_id, text);
    struct pawl_inbox_body body = { .event = event };
    call->request.create = (struct pawl_create){
        .instance = call->instance,
        .request_id = pawl_arena_copy(arena, pawl_bytes_str(text)),
        .inc = pawl_rng_id(&node->rng),
        .delivery = pawl_rng_id(&node->rng),
        .body = pawl_inbox_body_pack(arena, &body),
        .name = pawl_arena_copy(arena, started->name),
        .version = pawl_arena_copy(arena, started->version),
        .input = pawl_arena_copy(arena, started->payload),
        .tags = pawl_arena_copy(arena, started->tags),
        .start_at_ms = started->start_at_ms,
        .created_ms = node->now_ms,
        .replace_terminal = true,
        .keep_refusal = true, /* or a late copy of it would start what nobody waits for */
        .tombs = { PAWL_TOMB_MS, PAWL_TOMBS_MAX },
        .changes_max = PAWL_CHANGES_MAX,
    };
}

static void message_start_child(struct pawl_node *node, struct pawl_message *message)
{
    struct pawl_history_event started;
    if (pawl_history_event_decode(message->body.event, &started) != PAWL_OK
        || !pawl_name_is_valid(message->body.instance, PAWL_INSTANCE_ID_SIZE_MAX)) {
        child_refused(node, message, false, "InvalidInstanceId",
                      PAWL_BYTES_LITERAL("the child's instance id must be 1 to 256 bytes of UTF-8 "
                                         "without control characters"));
        return;
    }
    struct pawl_call *call =
        message_call(node, message, PAWL_STORE_CREATE, message->body.instance, child_on_created);
    start_fill(node, call, message->id, message->body.event, &started);
    call->request.create.parent = pawl_parent_pack(&call->arena, &message->body.parent);
    call->request.create.parent_key = pawl_parent_key(&call->arena, &message->body.parent);
    call->request.create.rebind_ended = message->body.rewind;
    call->request.create.rebind_late = message->body.asks;
    pawl_call_send(node, call);
}

/* Detached: start ---------------------------------------------------------------------------- */

static void detached_on_created(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply)
{
    const struct pawl_message *message = call_message(node, call);
    if (!message) return;
    switch (reply->err) {
    case PAWL_OK:
        node->metrics.started_total++;
        pawl_workflow_on_created(node, call->instance, &reply->create.metadata,
                                 call->request.create.delivery, call->request.create.body);
        break;
    case PAWL_E_EXISTS:
        PAWL_COVER(DETACHED_DROPPED);
        pawl_node_log(node, PAWL_LOG_WARN,
                      "detached workflow '%.*s' was not started: an active workflow has that id",
                      PAWL_BYTES_FMT(call->instance));
        break;
    case PAWL_E_DUPLICATE:
    case PAWL_E_TERMINAL: break; /* started before, and perhaps purged since */
    default: pawl_origin_release(node, message->origin); return;
    }
    message_done(node, message);
}

/* Nobody waits for it: what cannot be started is dropped, and the log says so. */
static void message_start_detached(struct pawl_node *node, struct pawl_message *message)
{
    struct pawl_history_event started;
    if (pawl_history_event_decode(message->body.event, &started) != PAWL_OK
        || !pawl_name_is_valid(message->body.instance, PAWL_INSTANCE_ID_SIZE_MAX)) {
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "the start of a detached workflow cannot be read; it is dropped");
        message_done(node, message);
        return;
    }
    struct pawl_id request_id = started.execution;
    if (PAWL_MUTANT(DETACHED_ANY_REQUEST)) request_id = pawl_rng_id(&node->rng);
    struct pawl_call *call =
        message_call(node, message, PAWL_STORE_CREATE, message->body.instance, detached_on_created);
    start_fill(node, call, request_id, message->body.event, &started);
    pawl_call_send(node, call);
}

/* Event, terminate --------------------------------------------------------------------------- */

static void input_on_delivered(struct pawl_node *node, struct pawl_call *call,
                               const struct pawl_store_reply *reply)
{
    struct pawl_message *message = call_message(node, call);
    if (reply->err == PAWL_E_BUSY || reply->err == PAWL_E_CORRUPT) {
        if (message) pawl_origin_release(node, message->origin);
        return;
    }
    if (message) message_done(node, message);
    if (reply->err == PAWL_OK)
        pawl_workflow_on_delivered(node, call->instance, reply->deliver.index,
                                   call->request.deliver.delivery, call->request.deliver.body);
}

static void message_deliver_input(struct pawl_node *node, struct pawl_message *message)
{
    struct pawl_call *call =
        message_call(node, message, PAWL_STORE_DELIVER, message->body.instance, input_on_delivered);
    char request_id[PAWL_ID_TEXT_SIZE];
    pawl_id_format(message->id, request_id);
    struct pawl_inbox_body body = { .event = message->body.event };
    call->request.deliver = pawl_deliver_make(&call->arena, call->instance, &body,
                                              pawl_rng_id(&node->rng), node->now_ms);
    call->request.deliver.request_id = pawl_arena_copy(&call->arena, pawl_bytes_str(request_id));
    pawl_call_send(node, call);
}

static void message_wait(struct pawl_node *node, struct pawl_message *message);

/* The message that starts the child may be behind: after a crash the two are read in any
 * order. In the time that it takes to read both, what was not there is looked for again. */
static void terminate_again(struct pawl_node *node, struct pawl_message *message)
{
    if (node->now_ms >= message->made_ms + TERMINATE_PATIENCE_MS) {
        message_done(node, message);
        return;
    }
    message_wait(node, message);
}

static void terminate_finds_nobody(struct pawl_node *node, struct pawl_message *message)
{
    struct pawl_origin origin = message->origin;
    if (origin.host == 0) {
        terminate_again(node, message);
        return;
    }
    message_free(node, message);
    peer_told(node, origin, PAWL_E_NOT_FOUND, PAWL_BYTES_ABSENT);
}

/* An id may have been given to somebody else's instance meanwhile: only the own child
 * is terminated. */
static void terminate_on_loaded(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply)
{
    struct pawl_message *message = call_message(node, call);
    if (!message) return;
    if (reply->err == PAWL_E_NOT_FOUND) {
        terminate_finds_nobody(node, message);
        return;
    }
    struct pawl_parent parent = { .op_id = 0 };
    bool is_child = reply->err == PAWL_OK
                    && pawl_parent_decode(reply->load.snapshot.metadata.parent, &parent) == PAWL_OK
                    && pawl_parent_may_end(&message->body.parent, &parent);
    if (is_child)
        message_deliver_input(node, message);
    else
        message_done(node, message);
}

static void message_terminate(struct pawl_node *node, struct pawl_message *message)
{
    struct pawl_call *call =
        message_call(node, message, PAWL_STORE_LOAD, message->body.instance, terminate_on_loaded);
    call->request.load = (struct pawl_load){ .instance = call->instance };
    pawl_call_send(node, call);
}

/* Whose result it is, the receiving instance's owner knows, or else its store. */
static void message_child_done(struct pawl_node *node, struct pawl_message *message)
{
    parent_hears(node, message, message->body.event);
}

static void message_carry_out(struct pawl_node *node, struct pawl_message *message)
{
    switch (message->body.kind) {
    case PAWL_MESSAGE_START_CHILD: message_start_child(node, message); return;
    case PAWL_MESSAGE_CHILD_DONE: message_child_done(node, message); return;
    case PAWL_MESSAGE_EVENT: message_deliver_input(node, message); return;
    case PAWL_MESSAGE_TERMINATE: message_terminate(node, message); return;
    case PAWL_MESSAGE_START_DETACHED: message_start_detached(node, message); return;
    }
}

/* Routing ------------------------------------------------------------------------------------ */

static struct pawl_bytes message_receiver(const struct pawl_message *message)
{
    return message->body.kind == PAWL_MESSAGE_CHILD_DONE ? message->body.parent.instance
                                                         : message->body.instance;
}

static struct pawl_message *message_new(struct pawl_node *node, struct pawl_origin origin,
                                        struct pawl_bytes body)
{
    struct pawl_message *message = PAWL_NEW(struct pawl_message);
    message->id = origin.id;
    message->origin = origin;
    message->made_ms = node->now_ms;
    message->stored = pawl_bytes_dup(body);
    pawl_map_insert(&node->messages, id_key(&message->id), message);
    return message;
}

static void message_frame_send(struct pawl_node *node, const struct pawl_message *message,
                               const struct pawl_host *host)
{
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_MESSAGE);
    frame->message.id = message->id;
    frame->message.body = pawl_arena_copy(&node->effects->arena, message->stored);
    pawl_node_peer_send(node, host, frame);
}

static void outbox_arm(struct pawl_node *node)
{
    if (!pawl_heap_node_is_linked(&node->messages_alarm.node))
        pawl_alarm_set(node, &node->messages_alarm, node->now_ms + MESSAGE_AGAIN_MS);
}

static void message_send(struct pawl_node *node, struct pawl_message *message,
                         struct pawl_host *host)
{
    message_unlink(node, message);
    pawl_fsm_move(message_states, &message->state, MESSAGE_SENT);
    pawl_list_push_tail(&host->messages, &message->link);
    message->sent_ms = node->now_ms;
    message_frame_send(node, message, host);
    outbox_arm(node);
}

/* Who carried it out may have lost its partition meanwhile: the new owner has it then. Kept here
 * it would wait for ever, and be taken for what is being carried out when that one sends it. */
static bool message_is_mine(const struct pawl_node *node, const struct pawl_message *message)
{
    return pawl_partition_is_owned(&node->partitions[message->origin.partition])
           || PAWL_MUTANT(MESSAGE_KEPT_LOST);
}

static void message_wait(struct pawl_node *node, struct pawl_message *message)
{
    bool is_full = node->messages_waiting_count >= PAWL_MESSAGES_WAITING_MAX;
    if (is_full || !message_is_mine(node, message)) {
        message_free(node, message); /* its row's reminder brings it back */
        return;
    }
    message_unlink(node, message);
    if (message->state != MESSAGE_WAITING)
        pawl_fsm_move(message_states, &message->state, MESSAGE_WAITING);
    pawl_list_push_tail(&node->messages_waiting, &message->link);
    node->messages_waiting_count++;
    outbox_arm(node);
}

static void message_run_here(struct pawl_node *node, struct pawl_message *message)
{
    message_unlink(node, message);
    if (message->state != MESSAGE_LOCAL)
        pawl_fsm_move(message_states, &message->state, MESSAGE_LOCAL);
    message_carry_out(node, message);
}

/* A child whose app is away for too long is not started at all. */
static bool message_is_overdue(const struct pawl_node *node, const struct pawl_message *message)
{
    return message->body.start_by_ms && message->body.start_by_ms <= node->now_ms;
}

static void message_too_late(struct pawl_node *node, struct pawl_message *message)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_bytes why = pawl_directory_why_nowhere(node, arena, message->body.app);
    message_unlink(node, message);
    pawl_fsm_move(message_states, &message->state, MESSAGE_LOCAL);
    child_refused(node, message, false, "ScheduleToStartTimeout",
                  pawl_arena_printf(arena, "not started in time: %.*s", PAWL_BYTES_FMT(why)));
}

/* A terminate must not overtake the start of the same child, which then would live on; nor when
 * a new owner has read the one, and not yet the other. */
static bool message_must_queue(struct pawl_node *node, const struct pawl_message *message)
{
    if (message->body.kind != PAWL_MESSAGE_TERMINATE) return false;
    bool may_come = !node->partitions[message->origin.partition].is_drained;
    if (may_come && !PAWL_MUTANT(TERMINATE_HASTY)) return true;
    struct pawl_op_ref call = parents_call(&message->body.parent);
    return message_find(node, pawl_turn_child_message_id(&call)) != NULL;
}

static void message_route(struct pawl_node *node, struct pawl_message *message)
{
    if (message_must_queue(node, message)) {
        PAWL_COVER(MESSAGE_BEHIND_START);
        message_wait(node, message);
        return;
    }
    struct pawl_route route =
        pawl_directory_owner(node, message->body.app, message_receiver(message));
    bool is_own = pawl_directory_is_own_app(node, message->body.app);
    if (route.kind == PAWL_ROUTE_HERE) {
        message_run_here(node, message);
        return;
    }
    /* The store takes it for an owner of the same app that cannot be reached. */
    if (route.kind == PAWL_ROUTE_PEER && is_own && route.host->silent) {
        PAWL_COVER(MESSAGE_PAST_SILENT);
        message_run_here(node, message);
        return;
    }
    if (route.kind == PAWL_ROUTE_PEER) {
        message_send(node, message, route.host);
        return;
    }
    if (message->state != MESSAGE_WAITING) message_wait(node, message);
}

static void message_try(struct pawl_node *node, struct pawl_message *message)
{
    if (message_is_overdue(node, message))
        message_too_late(node, message);
    else
        message_route(node, message);
}

/* Those that wait now, each once, in order. */
void pawl_outbox_route_waiting(struct pawl_node *node)
{
    for (uint32_t left = node->messages_waiting_count;
         left > 0 && !pawl_list_is_empty(&node->messages_waiting); left--) {
        struct pawl_list *link = node->messages_waiting.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&node->messages_waiting, link);
        message_try(node, PAWL_CONTAINER_OF(link, struct pawl_message, link));
    }
}

/* What was on its way to the host may be lost. */
static void host_take_back(struct pawl_node *node, struct pawl_host *host)
{
    while (!pawl_list_is_empty(&host->messages))
        message_wait(node, PAWL_CONTAINER_OF(host->messages.next, struct pawl_message, link));
}

/* The frame or its answer was lost on a link that lives. A row's reminder is no help here:
 * not every message has a row (workflow_ask_child). */
static void host_send_again(struct pawl_node *node, struct pawl_host *host)
{
    while (!pawl_list_is_empty(&host->messages) && !PAWL_MUTANT(MESSAGE_SENT_ONCE)) {
        struct pawl_message *message =
            PAWL_CONTAINER_OF(host->messages.next, struct pawl_message, link);
        if (node->now_ms < message->sent_ms + PAWL_PEER_REPEAT_MS) return;
        pawl_list_remove(&message->link);
        pawl_list_push_tail(&host->messages, &message->link);
        message->sent_ms = node->now_ms;
        PAWL_COVER(MESSAGE_REPEATED);
        message_frame_send(node, message, host);
    }
}

static void outbox_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    (void)alarm;
    pawl_outbox_route_waiting(node);
    bool is_busy = !pawl_list_is_empty(&node->messages_waiting);
    uint32_t cursor = 0;
    for (struct pawl_host *host; (host = pawl_map_next(&node->directory.hosts, &cursor)) != NULL;) {
        host_send_again(node, host);
        is_busy = is_busy || !pawl_list_is_empty(&host->messages);
    }
    if (is_busy) outbox_arm(node);
}

/* Pump --------------------------------------------------------------------------------------- */

void pawl_outbox_pump(struct pawl_node *node, uint32_t partition, struct pawl_id id,
                      struct pawl_bytes body)
{
    if (message_find(node, id)) return;
    struct pawl_message *message =
        message_new(node, (struct pawl_origin){ .id = id, .partition = partition }, body);
    if (pawl_message_body_unpack(message->stored, &message->body) != PAWL_OK) {
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "a message in the outbox of partition %u cannot be read; it stays there",
                      partition);
        message_free(node, message);
        return;
    }
    message_route(node, message);
}

/* The parent in whose name a child is started or ended is one of the sender's. */
static bool message_is_honest(const struct pawl_node *node, const struct pawl_message *message,
                              struct pawl_bytes sender)
{
    const struct pawl_message_body *body = &message->body;
    if (body->kind != PAWL_MESSAGE_START_CHILD && body->kind != PAWL_MESSAGE_TERMINATE) return true;
    if (body->parent.app.size == 0) return pawl_directory_is_own_app(node, sender);
    return pawl_bytes_is_equal(body->parent.app, sender);
}

void pawl_outbox_on_message(struct pawl_node *node, struct pawl_host *host,
                            const struct pawl_peer_message *sent)
{
    struct pawl_origin origin = { .id = sent->id, .host = host->number };
    struct pawl_message *message = message_find(node, sent->id);
    if (message) {
        /* It is being carried out; whoever asked last is told. */
        if (message->origin.host) message->origin.host = host->number;
        return;
    }
    message = message_new(node, origin, sent->body);
    if (pawl_message_body_unpack(message->stored, &message->body) != PAWL_OK) {
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "sidecar %.*s sent a message that cannot be read; refused",
                      PAWL_BYTES_FMT(host->name));
        message_free(node, message);
        peer_told(node, origin, PAWL_E_CORRUPT, PAWL_BYTES_ABSENT);
        return;
    }
    /* What it says of apps is seen from there. */
    struct pawl_bytes sender = host->app->id;
    bool is_mine =
        pawl_directory_is_own_app(node, message->body.app.size ? message->body.app : sender);
    message->body.app = PAWL_BYTES_ABSENT;
    if (!message_is_honest(node, message, sender)) {
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "sidecar %.*s of app %.*s sent a message in another app's name; refused",
                      PAWL_BYTES_FMT(host->name), PAWL_BYTES_FMT(sender));
        message_free(node, message);
        peer_told(node, origin, PAWL_E_DENIED, PAWL_BYTES_ABSENT);
        return;
    }
    struct pawl_route route =
        pawl_directory_owner(node, PAWL_BYTES_ABSENT, message_receiver(message));
    if (!is_mine || route.kind != PAWL_ROUTE_HERE) {
        PAWL_COVER(MESSAGE_MOVED);
        message_free(node, message);
        peer_told(node, origin, PAWL_MUTANT(MOVED_IS_DONE) ? PAWL_OK : PAWL_E_CONFLICT,
                  PAWL_BYTES_ABSENT);
        return;
    }
    if (PAWL_MUTANT(MESSAGE_DONE_EARLY)) peer_told(node, origin, PAWL_OK, PAWL_BYTES_ABSENT);
    message_run_here(node, message);
}

void pawl_outbox_on_message_done(struct pawl_node *node, struct pawl_host *host,
                                 const struct pawl_peer_message_done *done)
{
    struct pawl_message *message = message_find(node, done->id);
    if (!message || message->state != MESSAGE_SENT || message->origin.host) return;
    (void)host;
    if (done->err == PAWL_E_NOT_FOUND && message->body.kind == PAWL_MESSAGE_TERMINATE) {
        terminate_again(node, message);
        return;
    }
    if (done->err != PAWL_OK) {
        message_wait(node, message);
        return;
    }
    struct pawl_history_event event;
    bool is_told =
        done->event.size && pawl_history_event_decode(done->event, &event) == PAWL_OK
        && (event.kind == PAWL_EVENT_CHILD_COMPLETED || event.kind == PAWL_EVENT_CHILD_FAILED)
        && message->body.kind == PAWL_MESSAGE_START_CHILD
        && event.ref == (int32_t)message->body.parent.op_id;
    message_unlink(node, message);
    pawl_fsm_move(message_states, &message->state, MESSAGE_LOCAL);
    if (is_told) PAWL_COVER(MESSAGE_ANSWERED);
    if (is_told)
        parent_hears(node, message, done->event);
    else
        message_done(node, message);
}

void pawl_outbox_on_peer_down(struct pawl_node *node, struct pawl_host *host)
{
    host_take_back(node, host);
}

void pawl_outbox_on_host_gone(struct pawl_node *node, struct pawl_host *host)
{
    host_take_back(node, host);
}

void pawl_outbox_on_partition_lost(struct pawl_node *node, const struct pawl_partition *partition)
{
    uint32_t cursor = 0;
    for (struct pawl_message *message; (message = pawl_map_next(&node->messages, &cursor)) != NULL;)
        if (message->origin.host == 0 && message->origin.partition == partition->index
            && message->state != MESSAGE_LOCAL)
            message_free(node, message);
}

void pawl_outbox_init(struct pawl_node *node)
{
    pawl_list_init(&node->messages_waiting);
    node->messages_alarm.fire = outbox_on_alarm;
}

void pawl_outbox_deinit(struct pawl_node *node)
{
    pawl_alarm_clear(node, &node->messages_alarm);
    while (!pawl_list_is_empty(&node->acks)) {
        struct pawl_partition *partition =
            PAWL_CONTAINER_OF(node->acks.next, struct pawl_partition, acks_link);
        pawl_list_remove(&partition->acks_link);
        pawl_call_drop(node, partition->acks);
        partition->acks = NULL;
    }
    uint32_t cursor = 0;
    for (struct pawl_message *message; (message = pawl_map_next(&node->messages, &cursor)) != NULL;)
        message_free(node, message);
    pawl_map_deinit(&node->messages);
}
