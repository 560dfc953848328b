/* The workflow calls of dapr.proto.runtime.v1.Dapr: for clients that do not use the
 * durabletask protocol. Errors have the codes and texts that Dapr's clients know. */
#include "base/timetext.h"
#include "sidecar/proto/dapr_runtime.pb-c.h"
#include "sidecar/taskhub_internal.h"

static ProtobufCBinaryData text(struct pawl_taskhub_call *call, struct pawl_bytes bytes)
{
    return pawl_durabletask_bytes(&call->with, bytes);
}

/* Dapr answers INTERNAL to whatever is not NOT_FOUND or a mistake in the request. */
static void fail(struct pawl_taskhub_call *call, const struct pawl_answer *answer, const char *what)
{
    enum pawl_grpc_status status = pawl_taskhub_status_of(answer->err);
    bool is_clear = status == PAWL_GRPC_NOT_FOUND || status == PAWL_GRPC_INVALID_ARGUMENT
                    || status == PAWL_GRPC_UNAVAILABLE || status == PAWL_GRPC_RESOURCE_EXHAUSTED;
    struct pawl_bytes why = answer->message;
    if (why.size == 0) why = pawl_bytes_str(pawl_err_text(answer->err));
    pawl_taskhub_finish(call, is_clear ? status : PAWL_GRPC_INTERNAL,
                        pawl_arena_printf(&call->arena, "error %s workflow '%.*s': %.*s", what,
                                          PAWL_BYTES_FMT(call->request.instance),
                                          PAWL_BYTES_FMT(why)));
}

/* Start ------------------------------------------------------------------------------------ */

static void start_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    Pawl__Dapr__StartResponse response = PAWL__DAPR__START_RESPONSE__INIT;
    if (answer->err != PAWL_OK) {
        fail(call, answer, "starting");
        return;
    }
    response.instance_id = text(call, answer->instance);
    pawl_taskhub_answer(call, &response.base);
}

/* The option dapr.workflow.start_time. False: it is no time, and the call is over. */
static bool start_read_time(struct pawl_taskhub_call *call, const Pawl__Dapr__StartRequest *request)
{
    for (size_t i = 0; i < request->n_options; i++) {
        const Pawl__Dapr__Entry *option = request->options[i];
        struct pawl_bytes value = pawl_protobuf_bytes(option->value);
        if (!pawl_bytes_is_str(pawl_protobuf_bytes(option->key), "dapr.workflow.start_time"))
            continue;
        if (pawl_timetext_parse(value, &call->request.start_at_ms)) continue;
        pawl_taskhub_finish(call, PAWL_GRPC_INVALID_ARGUMENT,
                            pawl_arena_printf(&call->arena,
                                              "dapr.workflow.start_time is '%.*s': a time such as "
                                              "2030-01-31T12:00:00Z is expected",
                                              PAWL_BYTES_FMT(value)));
        return false;
    }
    return true;
}

static void on_start(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__Dapr__StartRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__dapr__start_request__descriptor, &request);
    if (!call) return;
    pawl_taskhub_set_app(call, pawl_protobuf_bytes(request->app_id));
    call->request = (struct pawl_request){ .op = PAWL_REQUEST_START,
                                           .reuse = PAWL_REUSE_TERMINAL,
                                           .instance = pawl_protobuf_bytes(request->instance_id),
                                           .name = pawl_protobuf_bytes(request->name),
                                           .payload = pawl_protobuf_bytes(request->input) };
    if (start_read_time(call, request)) pawl_taskhub_ask(call, start_next);
}

/* One instance ----------------------------------------------------------------------------- */

static struct pawl_taskhub_call *instance_begin(void *hub, const struct pawl_grpc_call *from,
                                                enum pawl_request_op op)
{
    Pawl__Dapr__InstanceRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__dapr__instance_request__descriptor, &request);
    if (!call) return NULL;
    pawl_taskhub_set_app(call, pawl_protobuf_bytes(request->app_id));
    call->request = (struct pawl_request){ .op = op,
                                           .instance = pawl_protobuf_bytes(request->instance_id),
                                           .recursive = true };
    return call;
}

static void add(struct pawl_taskhub_call *call, Pawl__Dapr__GetResponse *response, const char *key,
                struct pawl_bytes value)
{
    enum { PROPERTIES_MAX = 6 };
    if (pawl_bytes_is_absent(value)) return;
    if (!response->properties)
        response->properties = PAWL_ARENA_ARRAY(&call->arena, Pawl__Dapr__Entry *, PROPERTIES_MAX);
    PAWL_ASSERT(response->n_properties < PROPERTIES_MAX);
    Pawl__Dapr__Entry *entry = PAWL_ARENA_NEW(&call->arena, Pawl__Dapr__Entry);
    *entry = (Pawl__Dapr__Entry)PAWL__DAPR__ENTRY__INIT;
    entry->key = text(call, pawl_bytes_str(key));
    entry->value = text(call, value);
    response->properties[response->n_properties++] = entry;
}

static Pawl__Dapr__Time *time_of(struct pawl_taskhub_call *call, int64_t ms)
{
    Pawl__Dapr__Time *time = PAWL_ARENA_NEW(&call->arena, Pawl__Dapr__Time);
    *time = (Pawl__Dapr__Time)PAWL__DAPR__TIME__INIT;
    time->seconds = ms / 1000;
    time->nanos = (int32_t)(ms % 1000) * 1000000;
    return time;
}

static void get_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    Pawl__Dapr__GetResponse response = PAWL__DAPR__GET_RESPONSE__INIT;
    if (answer->err != PAWL_OK || answer->states_count == 0) {
        fail(call, answer, "getting");
        return;
    }
    const struct pawl_instance_state *state = &answer->states[0];
    response.instance_id = text(call, state->instance);
    response.name = text(call, state->name);
    response.created = time_of(call, state->created_ms);
    response.updated = time_of(call, state->updated_ms);
    /* Dapr's own words for it: STALLED is none of them. */
    response.status = text(call, state->status == PAWL_STATUS_STALLED
                                     ? PAWL_BYTES_LITERAL("UNKNOWN")
                                     : pawl_bytes_str(pawl_status_name((int)state->status)));
    add(call, &response, "dapr.workflow.input", state->input);
    add(call, &response, "dapr.workflow.output", state->output);
    add(call, &response, "dapr.workflow.custom_status", state->custom_status);
    if (state->failure.present) {
        add(call, &response, "dapr.workflow.failure.error_type", state->failure.type);
        add(call, &response, "dapr.workflow.failure.error_message", state->failure.message);
        add(call, &response, "dapr.workflow.failure.stack_trace", state->failure.details);
    }
    pawl_taskhub_answer(call, &response.base);
}

static void on_get(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = instance_begin(hub, from, PAWL_REQUEST_GET);
    if (!call) return;
    call->request.with_payloads = true;
    pawl_taskhub_ask(call, get_next);
}

static void answer_done(struct pawl_taskhub_call *call, const struct pawl_answer *answer,
                        const char *what)
{
    if (answer->err == PAWL_OK)
        pawl_taskhub_answer_empty(call);
    else
        fail(call, answer, what);
}

static void terminate_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err == PAWL_E_TERMINAL)
        pawl_taskhub_answer_empty(call);
    else
        answer_done(call, answer, "terminating");
}

static void on_terminate(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = instance_begin(hub, from, PAWL_REQUEST_TERMINATE);
    if (call) pawl_taskhub_ask(call, terminate_next);
}

static void pause_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    answer_done(call, answer, "pausing");
}

static void on_pause(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = instance_begin(hub, from, PAWL_REQUEST_SUSPEND);
    if (call) pawl_taskhub_ask(call, pause_next);
}

static void resume_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err == PAWL_E_STATE)
        pawl_taskhub_answer_empty(call); /* it runs */
    else
        answer_done(call, answer, "resuming");
}

static void on_resume(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = instance_begin(hub, from, PAWL_REQUEST_RESUME);
    if (call) pawl_taskhub_ask(call, resume_next);
}

static void purge_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    answer_done(call, answer, "purging");
}

static void on_purge(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = instance_begin(hub, from, PAWL_REQUEST_PURGE);
    if (call) pawl_taskhub_ask(call, purge_next);
}

static void raise_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err == PAWL_E_TERMINAL)
        pawl_taskhub_answer_empty(call); /* nobody is there to take it */
    else
        answer_done(call, answer, "raising an event for");
}

static void on_raise(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__Dapr__RaiseRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__dapr__raise_request__descriptor, &request);
    if (!call) return;
    pawl_taskhub_set_app(call, pawl_protobuf_bytes(request->app_id));
    call->request = (struct pawl_request){ .op = PAWL_REQUEST_RAISE,
                                           .instance = pawl_protobuf_bytes(request->instance_id),
                                           .name = pawl_protobuf_bytes(request->event_name),
                                           .payload = pawl_protobuf_bytes(request->event_data) };
    pawl_taskhub_ask(call, raise_next);
}

/* Metadata --------------------------------------------------------------------------------- */

static void on_metadata(void *context, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub *hub = context;
    Pawl__Empty *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__empty__descriptor, &request);
    if (!call) return;
    struct pawl_api_info info = hub->config.api->ops->info(hub->config.api);
    Pawl__Dapr__MetadataResponse response = PAWL__DAPR__METADATA_RESPONSE__INIT;
    Pawl__Dapr__MetadataWorkflows workflows = PAWL__DAPR__METADATA_WORKFLOWS__INIT;
    Pawl__Dapr__Entry version = PAWL__DAPR__ENTRY__INIT, *extended[] = { &version };
    version.key = text(call, PAWL_BYTES_LITERAL("daprRuntimeVersion"));
    version.value = text(call, pawl_bytes_str(info.version));
    workflows.connected_workers = (int32_t)info.workers_count;
    response.app_id = text(call, call->with.app);
    response.runtime_version = text(call, pawl_bytes_str(info.version));
    response.extended = extended;
    response.n_extended = 1;
    response.workflows = &workflows;
    pawl_taskhub_answer(call, &response.base);
}

#define DAPR(rpc) "/dapr.proto.runtime.v1.Dapr/" rpc
#define BOTH(rpc, handler)                            \
    { DAPR(rpc "Alpha1"), PAWL_GRPC_UNARY, handler }, \
    {                                                 \
        DAPR(rpc "Beta1"), PAWL_GRPC_UNARY, handler   \
    }

const struct pawl_grpc_method pawl_taskhub_dapr_methods[] = {
    BOTH("StartWorkflow", on_start),         BOTH("GetWorkflow", on_get),
    BOTH("TerminateWorkflow", on_terminate), BOTH("PauseWorkflow", on_pause),
    BOTH("ResumeWorkflow", on_resume),       BOTH("PurgeWorkflow", on_purge),
    BOTH("RaiseEventWorkflow", on_raise),    { DAPR("GetMetadata"), PAWL_GRPC_UNARY, on_metadata },
};
const uint32_t pawl_taskhub_dapr_methods_count =
    sizeof pawl_taskhub_dapr_methods / sizeof *pawl_taskhub_dapr_methods;
