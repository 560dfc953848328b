#include "actors/outbox.h"

#include "actors/call.h"
#include "actors/envelope.h"
#include "actors/workflow.h"
#include "base/hash.h"
#include "base/mutant.h"

/* A message on its way. */
struct pawl_message {
    struct pawl_id id;
    uint32_t partition;            /* the sender's */
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

static void message_free(struct pawl_node *node, struct pawl_message *message)
{
    pawl_map_remove(&node->messages, id_key(&message->id));
    pawl_bytes_free(message->stored);
    pawl_mem_free(message);
}

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

void pawl_outbox_ack(struct pawl_node *node, uint32_t partition, struct pawl_id id)
{
    if (pawl_id_is_zero(id)) return;
    pawl_outbox_release(node, id);
    struct pawl_partition *home = &node->partitions[partition];
    if (home->acks && home->acks->request.outdone.ids_count == PAWL_OUTDONE_IDS_MAX)
        outdone_send(node, home);
    if (!home->acks) outdone_open(node, home);
    struct pawl_outdone *outdone = &home->acks->request.outdone;
    struct pawl_id *ids = home->acks->context;
    ids[outdone->ids_count++] = id;
}

void pawl_outbox_flush(struct pawl_node *node)
{
    while (!pawl_list_is_empty(&node->acks))
        outdone_send(node, PAWL_CONTAINER_OF(node->acks.next, struct pawl_partition, acks_link));
}

void pawl_outbox_release(struct pawl_node *node, struct pawl_id id)
{
    if (pawl_id_is_zero(id)) return;
    struct pawl_message *message = message_find(node, id);
    if (message) message_free(node, message);
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
    pawl_outbox_ack(node, message->partition, message->id);
}

/* Child: start ------------------------------------------------------------------------------- */

static void parent_told(struct pawl_node *node, struct pawl_message *message,
                        const struct pawl_history_event *event)
{
    const struct pawl_parent *parent = &message->body.parent;
    struct pawl_arena *arena = &node->effects->arena;
    pawl_workflow_on_result(node, pawl_arena_copy(arena, parent->instance), parent->inc,
                            parent->gen, (struct pawl_op){ 'c', parent->op_id }, parent->nonce,
                            pawl_history_event_pack(arena, event), message->id, message->partition);
}

static void child_refused(struct pawl_node *node, struct pawl_message *message, const char *type,
                          struct pawl_bytes text)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_CHILD_FAILED, node->now_ms);
    event.ref = (int32_t)message->body.parent.op_id;
    event.failure = (struct pawl_failure_view){
        .present = true, .non_retriable = true, .type = pawl_bytes_str(type), .message = text
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
        if (pawl_status_is_terminal(reply->create.metadata.status))
            child_tell_again(node, message);
        else
            message_done(node, message);
        return;
    case PAWL_E_EXISTS:
        child_refused(node, message, "WorkflowInstanceAlreadyExists",
                      pawl_arena_printf(&node->effects->arena,
                                        "a workflow instance with id '%.*s' already exists",
                                        PAWL_BYTES_FMT(call->instance)));
        return;
    default: pawl_outbox_release(node, message->id);
    }
}

static void message_start_child(struct pawl_node *node, struct pawl_message *message)
{
    struct pawl_history_event started;
    if (pawl_history_event_decode(message->body.event, &started) != PAWL_OK
        || !pawl_name_is_valid(message->body.instance, PAWL_INSTANCE_ID_SIZE_MAX)) {
        child_refused(node, message, "InvalidInstanceId",
                      PAWL_BYTES_LITERAL("the child's instance id must be 1 to 256 bytes of UTF-8 "
                                         "without control characters"));
        return;
    }
    struct pawl_call *call =
        message_call(node, message, PAWL_STORE_CREATE, message->body.instance, child_on_created);
    struct pawl_arena *arena = &call->arena;
    char request_id[PAWL_ID_TEXT_SIZE];
    pawl_id_format(message->id, request_id);
    struct pawl_inbox_body body = { .event = message->body.event };
    call->request.create = (struct pawl_create){
        .instance = call->instance,
        .request_id = pawl_arena_copy(arena, pawl_bytes_str(request_id)),
        .inc = pawl_rng_id(&node->rng),
        .delivery = pawl_rng_id(&node->rng),
        .body = pawl_inbox_body_pack(arena, &body),
        .name = pawl_arena_copy(arena, started.name),
        .version = pawl_arena_copy(arena, started.version),
        .input = pawl_arena_copy(arena, started.payload),
        .parent = pawl_parent_pack(arena, &message->body.parent),
        .parent_key = pawl_parent_key(arena, &message->body.parent),
        .created_ms = node->now_ms,
        .replace_terminal = true,
    };
    pawl_call_send(node, call);
}

/* Event, terminate --------------------------------------------------------------------------- */

static void input_on_delivered(struct pawl_node *node, struct pawl_call *call,
                               const struct pawl_store_reply *reply)
{
    struct pawl_message *message = call_message(node, call);
    if (reply->err == PAWL_E_BUSY || reply->err == PAWL_E_CORRUPT) {
        if (message) pawl_outbox_release(node, message->id);
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

/* An id may have been given to somebody else's instance meanwhile: only the own child
 * is terminated. */
static void terminate_on_loaded(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply)
{
    struct pawl_message *message = call_message(node, call);
    if (!message) return;
    struct pawl_parent parent = { .op_id = 0 };
    bool is_child = reply->err == PAWL_OK
                    && pawl_parent_decode(reply->load.snapshot.metadata.parent, &parent) == PAWL_OK
                    && parent.nonce == message->body.parent.nonce
                    && pawl_bytes_is_equal(parent.instance, message->body.parent.instance);
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

static void message_child_done(struct pawl_node *node, struct pawl_message *message)
{
    struct pawl_arena *arena = &node->effects->arena;
    const struct pawl_parent *parent = &message->body.parent;
    pawl_workflow_on_result(node, pawl_arena_copy(arena, parent->instance), parent->inc,
                            parent->gen, (struct pawl_op){ 'c', parent->op_id }, parent->nonce,
                            pawl_arena_copy(arena, message->body.event), message->id,
                            message->partition);
}

/* Pump --------------------------------------------------------------------------------------- */

void pawl_outbox_pump(struct pawl_node *node, uint32_t partition, struct pawl_id id,
                      struct pawl_bytes body)
{
    if (message_find(node, id)) return;
    struct pawl_message *message = PAWL_NEW(struct pawl_message);
    message->id = id;
    message->partition = partition;
    message->stored = pawl_bytes_dup(body);
    pawl_map_insert(&node->messages, id_key(&message->id), message);
    if (pawl_message_body_unpack(message->stored, &message->body) != PAWL_OK) {
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "a message in the outbox of partition %u cannot be read; it stays there",
                      partition);
        pawl_outbox_release(node, id);
        return;
    }
    switch (message->body.kind) {
    case PAWL_MESSAGE_START_CHILD: message_start_child(node, message); return;
    case PAWL_MESSAGE_CHILD_DONE: message_child_done(node, message); return;
    case PAWL_MESSAGE_EVENT: message_deliver_input(node, message); return;
    case PAWL_MESSAGE_TERMINATE: message_terminate(node, message); return;
    }
}

void pawl_outbox_deinit(struct pawl_node *node)
{
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
