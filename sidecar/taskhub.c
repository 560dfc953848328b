#include "sidecar/taskhub.h"

#include "base/log.h"
#include "sidecar/taskhub_internal.h"

/* A call ----------------------------------------------------------------------------------- */

static struct pawl_bytes call_key(const struct pawl_taskhub_call *call)
{
    return pawl_bytes_make(&call->id, sizeof call->id);
}

static struct pawl_taskhub_call *call_find(const struct pawl_taskhub *hub, uint64_t id)
{
    return pawl_map_find(&hub->calls, pawl_bytes_make(&id, sizeof id));
}

static void call_free(struct pawl_taskhub_call *call)
{
    (void)pawl_map_remove(&call->hub->calls, call_key(call));
    pawl_buf_deinit(&call->out);
    pawl_arena_deinit(&call->arena);
    pawl_mem_free(call);
}

struct pawl_taskhub_call *pawl_taskhub_begin(void *context, const struct pawl_grpc_call *from,
                                             const ProtobufCMessageDescriptor *descriptor,
                                             void *ret_message)
{
    struct pawl_taskhub *hub = context;
    const char *app = hub->config.api->ops->info(hub->config.api).app;
    struct pawl_taskhub_call *call = PAWL_NEW(struct pawl_taskhub_call);
    call->id = from->id;
    call->hub = hub;
    pawl_arena_init(&call->arena);
    pawl_buf_init(&call->out, PAWL_GRPC_MESSAGE_OUT_SIZE_MAX);
    call->with = (struct pawl_durabletask){ .arena = &call->arena,
                                            .dialect = hub->config.dialect,
                                            .app = pawl_bytes_str(app) };
    call->remaining_ms = from->deadline_ms ? from->deadline_ms - from->now_ms : 0;
    pawl_map_insert(&hub->calls, call_key(call), call);

    /* Clients that name a task hub (Microsoft's scheduler packages) mean an app. */
    if (hub->config.dialect == PAWL_DIALECT_MICROSOFT)
        pawl_taskhub_set_app(call, pawl_grpc_metadata_find(from->metadata, "taskhub"));
    pawl_err err = pawl_protobuf_unpack(descriptor, &call->arena, from->message, ret_message);
    if (err == PAWL_OK) return call;
    pawl_taskhub_finish(
        call, PAWL_GRPC_INVALID_ARGUMENT,
        err == PAWL_E_TOO_LARGE
            ? PAWL_BYTES_LITERAL("the request is nested too deeply or has too many fields")
            : PAWL_BYTES_LITERAL("the request is not a message of this method: check that "
                                 "the client speaks this port's protocol"));
    return NULL;
}

void pawl_taskhub_finish(struct pawl_taskhub_call *call, enum pawl_grpc_status status,
                         struct pawl_bytes text)
{
    pawl_grpc_finish(call->hub->grpc, call->id, status, text);
    call_free(call);
}

void pawl_taskhub_answer_bytes(struct pawl_taskhub_call *call, struct pawl_bytes message)
{
    pawl_grpc_answer(call->hub->grpc, call->id, message);
    call_free(call);
}

void pawl_taskhub_answer(struct pawl_taskhub_call *call, const ProtobufCMessage *message)
{
    pawl_taskhub_answer_bytes(call, pawl_protobuf_pack(&call->arena, message));
}

void pawl_taskhub_answer_empty(struct pawl_taskhub_call *call)
{
    pawl_taskhub_answer_bytes(call, PAWL_BYTES_LITERAL(""));
}

enum pawl_grpc_status pawl_taskhub_status_of(pawl_err err)
{
    switch (err) {
    case PAWL_OK: return PAWL_GRPC_OK;
    case PAWL_E_NOT_FOUND: return PAWL_GRPC_NOT_FOUND;
    case PAWL_E_EXISTS:
    case PAWL_E_DUPLICATE: return PAWL_GRPC_ALREADY_EXISTS;
    case PAWL_E_INVALID:
    case PAWL_E_TOO_LARGE: return PAWL_GRPC_INVALID_ARGUMENT;
    case PAWL_E_TERMINAL:
    case PAWL_E_NOT_TERMINAL:
    case PAWL_E_STATE: return PAWL_GRPC_FAILED_PRECONDITION;
    case PAWL_E_BUSY:
    case PAWL_E_LIMIT:
    case PAWL_E_NOMEM: return PAWL_GRPC_RESOURCE_EXHAUSTED;
    case PAWL_E_UNAVAILABLE:
    case PAWL_E_FENCED: return PAWL_GRPC_UNAVAILABLE;
    case PAWL_E_DENIED: return PAWL_GRPC_PERMISSION_DENIED;
    case PAWL_E_CANCELLED: return PAWL_GRPC_CANCELLED;
    case PAWL_E_CORRUPT: return PAWL_GRPC_DATA_LOSS;
    case PAWL_E_UNKNOWN:
    case PAWL_E_TIMEOUT: return PAWL_GRPC_UNKNOWN;
    default: return PAWL_GRPC_INTERNAL;
    }
}

void pawl_taskhub_fail(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    struct pawl_bytes text = answer->message;
    if (text.size == 0) text = pawl_bytes_str(pawl_err_text(answer->err));
    pawl_taskhub_finish(call, pawl_taskhub_status_of(answer->err), text);
}

/* pawl_api_on_answer */
static void on_answer(void *context, const struct pawl_answer *answer)
{
    struct pawl_taskhub_call *call = context;
    call->asked = 0;
    call->next(call, answer);
}

void pawl_taskhub_ask(struct pawl_taskhub_call *call, pawl_taskhub_next *next)
{
    struct pawl_api *api = call->hub->config.api;
    struct pawl_answer refused = { .err = PAWL_OK };
    call->request.app = call->app;
    refused.err = pawl_request_check(&call->request, &call->arena, &refused.message);
    if (refused.err != PAWL_OK) {
        pawl_taskhub_fail(call, &refused);
        return;
    }
    call->next = next;
    call->asked = api->ops->call(api, &call->request, on_answer, call);
}

int64_t pawl_taskhub_now_ms(const struct pawl_taskhub *hub)
{
    return pawl_grpc_workers_now_ms(hub->config.workers);
}

void pawl_taskhub_set_app(struct pawl_taskhub_call *call, struct pawl_bytes app)
{
    bool is_other = app.size > 0 && !pawl_bytes_is_equal(app, call->with.app);
    call->app = is_other ? pawl_arena_copy(&call->arena, app) : PAWL_BYTES_ABSENT;
}

/* Work ------------------------------------------------------------------------------------- */

/* Why this worker is not served: it speaks the other dialect, and would misread what it is
 * sent. NULL: nothing says so; not all workers can be told apart. */
static const char *worker_is_foreign(const struct pawl_taskhub *hub,
                                     const struct pawl_grpc_call *from,
                                     const Pawl__GetWorkItemsRequest *request)
{
    struct pawl_bytes agent = pawl_grpc_metadata_find(from->metadata, "user-agent");
    bool is_microsofts = request->filters != NULL
                         || pawl_grpc_metadata_find(from->metadata, "taskhub").size > 0
                         || pawl_grpc_metadata_find(from->metadata, "x-user-agent").size > 0;
    bool is_daprs = request->n_dapr_capabilities > 0
                    || pawl_bytes_starts_with(agent, PAWL_BYTES_LITERAL("dapr-"));
    if (hub->config.dialect == PAWL_DIALECT_DAPR)
        return is_microsofts ? "this port speaks Dapr's dialect, and this worker is one of a "
                               "Durable Task SDK: dial the port of --durabletask-port instead"
                             : NULL;
    return is_daprs ? "this port speaks the Durable Task protocol as Microsoft's SDKs do, and this "
                      "worker is one of Dapr's: dial the port of --grpc-port instead"
                    : NULL;
}

static void on_get_work_items(void *context, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub *hub = context;
    Pawl__GetWorkItemsRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__get_work_items_request__descriptor, &request);
    if (!call) return;
    const char *foreign = worker_is_foreign(hub, from, request);
    if (foreign) {
        pawl_taskhub_finish(call, PAWL_GRPC_UNIMPLEMENTED, pawl_bytes_str(foreign));
        return;
    }
    if (!pawl_bytes_is_absent(call->app)) {
        pawl_taskhub_finish(
            call, PAWL_GRPC_NOT_FOUND,
            pawl_arena_printf(&call->arena,
                              "this sidecar gives out the work of app '%.*s', and the worker asks "
                              "for task hub '%.*s': use the app id as TaskHub in the connection "
                              "string, or dial the sidecar of that app",
                              PAWL_BYTES_FMT(call->with.app), PAWL_BYTES_FMT(call->app)));
        return;
    }
    pawl_grpc_workers_open(hub->config.workers, hub->grpc, from, hub->config.dialect, request);
    call_free(call); /* from here on it is a stream of the workers */
}

/* What became of a worker's answer. Dapr ignores a stale one; Microsoft's clients are told,
 * log it and go on. */
static void work_answer(struct pawl_taskhub *hub, uint64_t call, pawl_err err)
{
    bool is_ignored = err == PAWL_E_NOT_FOUND && hub->config.dialect == PAWL_DIALECT_DAPR;
    if (err == PAWL_OK || is_ignored) {
        pawl_grpc_answer(hub->grpc, call, PAWL_BYTES_LITERAL(""));
        return;
    }
    if (err == PAWL_E_NOT_FOUND) {
        pawl_grpc_finish(hub->grpc, call, PAWL_GRPC_NOT_FOUND,
                         PAWL_BYTES_LITERAL("this work item is not in the worker's hands any more: "
                                            "it was given to another, or nobody waits for it"));
        return;
    }
    pawl_grpc_finish(hub->grpc, call, PAWL_GRPC_INVALID_ARGUMENT,
                     err == PAWL_E_TOO_LARGE
                         ? PAWL_BYTES_LITERAL("the answer is nested too deeply, has too many "
                                              "fields or is too large")
                         : PAWL_BYTES_LITERAL("the answer is not a message of this method"));
}

static void on_turn_done(void *context, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub *hub = context;
    work_answer(
        hub, from->id,
        pawl_grpc_workers_turn_done(hub->config.workers, hub->config.dialect, from->message));
}

static void on_activity_done(void *context, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub *hub = context;
    work_answer(
        hub, from->id,
        pawl_grpc_workers_activity_done(hub->config.workers, hub->config.dialect, from->message));
}

static void on_abandon(void *context, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub *hub = context;
    Pawl__AbandonRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__abandon_request__descriptor, &request);
    if (!call) return;
    struct pawl_bytes token = pawl_protobuf_bytes(request->completion_token);
    work_answer(hub, from->id, pawl_grpc_workers_abandon(hub->config.workers, token));
    call_free(call);
}

/* What is not there ------------------------------------------------------------------------ */

static void refuse(void *context, const struct pawl_grpc_call *from, const char *text)
{
    const struct pawl_taskhub *hub = context;
    pawl_grpc_finish(hub->grpc, from->id, PAWL_GRPC_UNIMPLEMENTED, pawl_bytes_str(text));
}

static void on_entity(void *hub, const struct pawl_grpc_call *from)
{
    refuse(hub, from,
           "this sidecar has no entities; keep the state in a workflow, or in a store of "
           "your own that activities use");
}

static void on_delete_task_hub(void *hub, const struct pawl_grpc_call *from)
{
    refuse(hub, from,
           "this sidecar does not delete a whole task hub; purge its instances, or remove "
           "its store");
}

/* The table -------------------------------------------------------------------------------- */

#define HUB(rpc) "/TaskHubSidecarService/" rpc
#define UNARY    PAWL_GRPC_UNARY
#define STREAM   PAWL_GRPC_SERVER_STREAM

static const struct pawl_grpc_method common_methods[] = {
    { HUB("Hello"), UNARY, pawl_taskhub_on_hello },
    { HUB("StartInstance"), UNARY, pawl_taskhub_on_start },
    { HUB("GetInstance"), UNARY, pawl_taskhub_on_get },
    { HUB("WaitForInstanceStart"), UNARY, pawl_taskhub_on_wait_start },
    { HUB("WaitForInstanceCompletion"), UNARY, pawl_taskhub_on_wait_completion },
    { HUB("RaiseEvent"), UNARY, pawl_taskhub_on_raise },
    { HUB("TerminateInstance"), UNARY, pawl_taskhub_on_terminate },
    { HUB("SuspendInstance"), UNARY, pawl_taskhub_on_suspend },
    { HUB("ResumeInstance"), UNARY, pawl_taskhub_on_resume },
    { HUB("PurgeInstances"), UNARY, pawl_taskhub_on_purge },
    { HUB("GetWorkItems"), STREAM, on_get_work_items },
    { HUB("CompleteActivityTask"), UNARY, on_activity_done },
    { HUB("CompleteOrchestratorTask"), UNARY, on_turn_done },
    { HUB("CreateTaskHub"), UNARY, pawl_taskhub_on_create_task_hub },
    { HUB("DeleteTaskHub"), UNARY, on_delete_task_hub },
};

static const struct pawl_grpc_method dapr_methods[] = {
    { HUB("CompleteWorkflowTask"), UNARY, on_turn_done },
    { HUB("RerunWorkflowFromEvent"), UNARY, pawl_taskhub_on_rerun },
    { HUB("ListInstanceIDs"), UNARY, pawl_taskhub_on_list_ids_dapr },
    { HUB("GetInstanceHistory"), UNARY, pawl_taskhub_on_history },
};

static const struct pawl_grpc_method microsoft_methods[] = {
    { HUB("QueryInstances"), UNARY, pawl_taskhub_on_query },
    { HUB("ListInstanceIds"), UNARY, pawl_taskhub_on_list_ids },
    { HUB("StreamInstanceHistory"), STREAM, pawl_taskhub_on_stream_history },
    { HUB("RestartInstance"), UNARY, pawl_taskhub_on_restart },
    { HUB("RewindInstance"), UNARY, pawl_taskhub_on_rewind },
    { HUB("AbandonTaskActivityWorkItem"), UNARY, on_abandon },
    { HUB("AbandonTaskOrchestratorWorkItem"), UNARY, on_abandon },
    { HUB("AbandonTaskEntityWorkItem"), UNARY, on_entity },
    { HUB("SkipGracefulOrchestrationTerminations"), UNARY, pawl_taskhub_on_skip_graceful },
    { HUB("CompleteEntityTask"), UNARY, on_entity },
    { HUB("SignalEntity"), UNARY, on_entity },
    { HUB("GetEntity"), UNARY, on_entity },
    { HUB("QueryEntities"), UNARY, on_entity },
    { HUB("CleanEntityStorage"), UNARY, on_entity },
};

#define COUNT(array) (uint32_t)(sizeof(array) / sizeof(array)[0])

static void methods_add(struct pawl_taskhub *hub, const struct pawl_grpc_method *methods,
                        uint32_t count)
{
    memcpy(hub->methods + hub->methods_count, methods, count * sizeof *methods);
    hub->methods_count += count;
}

struct pawl_taskhub *pawl_taskhub_new(const struct pawl_taskhub_config *config)
{
    struct pawl_taskhub *hub = PAWL_NEW(struct pawl_taskhub);
    hub->config = *config;
    pawl_map_init(&hub->calls, 0);
    hub->methods = pawl_mem_alloc((COUNT(common_methods) + COUNT(dapr_methods)
                                   + COUNT(microsoft_methods) + pawl_taskhub_dapr_methods_count)
                                  * sizeof *hub->methods);
    methods_add(hub, common_methods, COUNT(common_methods));
    if (config->dialect == PAWL_DIALECT_DAPR) {
        methods_add(hub, dapr_methods, COUNT(dapr_methods));
        methods_add(hub, pawl_taskhub_dapr_methods, pawl_taskhub_dapr_methods_count);
    } else {
        methods_add(hub, microsoft_methods, COUNT(microsoft_methods));
    }
    return hub;
}

void pawl_taskhub_free(struct pawl_taskhub *hub)
{
    if (!hub) return;
    PAWL_ASSERT(hub->calls.count == 0); /* the server has ended them */
    pawl_map_deinit(&hub->calls);
    pawl_mem_free(hub->methods);
    pawl_mem_free(hub);
}

void pawl_taskhub_attach(struct pawl_taskhub *hub, struct pawl_grpc *grpc)
{
    hub->grpc = grpc;
}

static void on_cancel(void *context, uint64_t id, const char *why, int64_t now_ms)
{
    struct pawl_taskhub *hub = context;
    struct pawl_taskhub_call *call = call_find(hub, id);
    (void)now_ms;
    if (!call) {
        (void)pawl_grpc_workers_on_cancel(hub->config.workers, hub->grpc, id, why);
        return;
    }
    if (call->asked) hub->config.api->ops->cancel(hub->config.api, call->asked);
    call_free(call);
}

static void on_writable(void *context, uint64_t id, int64_t now_ms)
{
    struct pawl_taskhub *hub = context;
    struct pawl_taskhub_call *call = call_find(hub, id);
    (void)now_ms;
    if (!call)
        (void)pawl_grpc_workers_on_writable(hub->config.workers, hub->grpc, id);
    else if (call->resume)
        call->resume(call);
}

struct pawl_grpc_service pawl_taskhub_service(struct pawl_taskhub *hub)
{
    bool is_dapr = hub->config.dialect == PAWL_DIALECT_DAPR;
    return (struct pawl_grpc_service){
        .what = is_dapr ? "the Dapr workflow protocol (Dapr SDKs)"
                        : "the Durable Task protocol (Microsoft's Durable Task SDKs)",
        .methods = hub->methods,
        .methods_count = hub->methods_count,
        .context = hub,
        .on_cancel = on_cancel,
        .on_writable = on_writable,
    };
}
