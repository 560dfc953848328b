/* Calls about one instance. */
#include "base/tags.h"
#include "sidecar/taskhub_internal.h"

void pawl_taskhub_set_target(struct pawl_taskhub_call *call, const Pawl__TaskRouter *router)
{
    if (router && pawl_taskhub_is_dapr(call))
        pawl_taskhub_set_app(call, pawl_protobuf_bytes(router->target_app));
}

/* An instance's id as the answer. */
static void answer_instance(struct pawl_taskhub_call *call, struct pawl_bytes instance)
{
    Pawl__InstanceResponse response = PAWL__INSTANCE_RESPONSE__INIT;
    response.instance_id = pawl_durabletask_bytes(&call->with, instance);
    pawl_taskhub_answer(call, &response.base);
}

/* The payload of the request. False: it is no text, which is all that a worker could be told,
 * and the call is over. */
static bool set_payload(struct pawl_taskhub_call *call, const char *what, const Pawl__Text *text)
{
    call->request.payload = pawl_durabletask_text_bytes(text);
    if (pawl_utf8_is_valid(call->request.payload)) return true;
    pawl_taskhub_finish(call, PAWL_GRPC_INVALID_ARGUMENT,
                        pawl_arena_printf(&call->arena, "%s is not valid UTF-8", what));
    return false;
}

void pawl_taskhub_on_hello(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__Empty *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__empty__descriptor, &request);
    if (call) pawl_taskhub_answer_empty(call);
}

/* Task hubs are apps here, and the app is there. */
void pawl_taskhub_on_create_task_hub(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__CreateTaskHubRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__create_task_hub_request__descriptor, &request);
    if (!call) return;
    if (!request->recreate) {
        pawl_taskhub_answer_empty(call);
        return;
    }
    pawl_taskhub_finish(
        call, PAWL_GRPC_UNIMPLEMENTED,
        PAWL_BYTES_LITERAL("this sidecar does not empty a whole task hub (recreateIfExists); purge "
                           "its instances, or remove its store"));
}

/* Get and wait ----------------------------------------------------------------------------- */

static void answer_state(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    Pawl__GetInstanceResponse response = PAWL__GET_INSTANCE_RESPONSE__INIT;
    if (answer->err != PAWL_OK && answer->err != PAWL_E_NOT_FOUND) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    response.exists = answer->err == PAWL_OK && answer->states_count > 0;
    if (response.exists) response.state = pawl_durabletask_state(&call->with, &answer->states[0]);
    pawl_taskhub_answer(call, &response.base);
}

static struct pawl_taskhub_call *get_begin(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__GetInstanceRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__get_instance_request__descriptor, &request);
    if (!call) return NULL;
    pawl_taskhub_set_target(call, request->router);
    call->request.instance = pawl_protobuf_bytes(request->instance_id);
    call->request.with_payloads = request->with_payloads;
    return call;
}

void pawl_taskhub_on_get(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = get_begin(hub, from);
    if (!call) return;
    call->request.op = PAWL_REQUEST_GET;
    pawl_taskhub_ask(call, answer_state);
}

struct wait {
    pawl_taskhub_next *next;
};

/* The gRPC server keeps the deadline; a wait that is up earlier begins again. */
static void wait_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    const struct wait *wait = call->state;
    if (answer->err == PAWL_OK && !answer->reached)
        pawl_taskhub_ask(call, wait_next);
    else
        wait->next(call, answer);
}

void pawl_taskhub_wait(struct pawl_taskhub_call *call, enum pawl_wait_for wait_for,
                       pawl_taskhub_next *next)
{
    struct wait *wait = PAWL_ARENA_NEW(&call->arena, struct wait);
    wait->next = next;
    call->state = wait;
    call->request.op = PAWL_REQUEST_WAIT;
    call->request.wait_for = wait_for;
    call->request.timeout_ms = PAWL_WAIT_MS_MAX;
    pawl_taskhub_ask(call, wait_next);
}

/* Dapr's clients may wait for what somebody else is about to start; Microsoft's are told at
 * once that it is not there. */
void pawl_taskhub_on_wait_start(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = get_begin(hub, from);
    if (!call) return;
    call->request.may_be_absent = pawl_taskhub_is_dapr(call);
    pawl_taskhub_wait(call, PAWL_WAIT_STARTED, answer_state);
}

void pawl_taskhub_on_wait_completion(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = get_begin(hub, from);
    if (!call) return;
    call->request.may_be_absent = pawl_taskhub_is_dapr(call);
    pawl_taskhub_wait(call, PAWL_WAIT_COMPLETED, answer_state);
}

/* Start ------------------------------------------------------------------------------------ */

struct start {
    struct pawl_request request; /* of the START, while something else is asked */
    bool has_policy;
    bool returns_existing; /* with a policy: those of the statuses stay as they are */
    bool waits;
    uint32_t replaceable; /* with a policy: statuses, as bits */
};

static void started_answer(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    (void)answer; /* it was created; what became of it since is not this call's business */
    answer_instance(call, call->request.instance);
}

/* Dapr's clients may use the instance as started as soon as they have the answer. */
static void start_wait(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    struct pawl_bytes instance = pawl_arena_copy(&call->arena, answer->instance);
    call->request = (struct pawl_request){ .instance = instance, .status_only = true };
    pawl_taskhub_wait(call, PAWL_WAIT_STARTED, started_answer);
}

static void start_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer);

static void start_again(struct pawl_taskhub_call *call)
{
    struct start *start = call->state;
    start->has_policy = false; /* it has been followed */
    call->request = start->request;
    call->request.reuse = PAWL_REUSE_TERMINAL;
    pawl_taskhub_ask(call, start_next);
}

static void start_on_terminated(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err == PAWL_OK || answer->err == PAWL_E_TERMINAL || answer->err == PAWL_E_NOT_FOUND)
        start_again(call);
    else
        pawl_taskhub_fail(call, answer);
}

/* Clients in Go know this mistake by the first words only. */
static void start_refuse(struct pawl_taskhub_call *call, struct pawl_bytes why)
{
    pawl_taskhub_finish(call, PAWL_GRPC_ALREADY_EXISTS,
                        pawl_arena_printf(&call->arena,
                                          "orchestration instance already exists: "
                                          "%.*s",
                                          PAWL_BYTES_FMT(why)));
}

static void start_on_existing(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    const struct start *start = call->state;
    if (answer->err == PAWL_E_NOT_FOUND) {
        start_again(call);
        return;
    }
    if (answer->err != PAWL_OK || answer->states_count == 0) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    enum pawl_status status = answer->states[0].status;
    if (!(start->replaceable & 1u << status)) {
        start_refuse(call, pawl_arena_printf(&call->arena,
                                             "a workflow with ID '%.*s' already exists with status "
                                             "%s, which the reuse policy does not let go",
                                             PAWL_BYTES_FMT(start->request.instance),
                                             pawl_status_name((int)status)));
        return;
    }
    if (start->returns_existing) {
        answer_instance(call, start->request.instance);
        return;
    }
    if (pawl_status_is_terminal(status)) {
        start_again(call);
        return;
    }
    call->request = (struct pawl_request){ .op = PAWL_REQUEST_TERMINATE,
                                           .instance = start->request.instance,
                                           .recursive = true };
    pawl_taskhub_ask(call, start_on_terminated);
}

static void start_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    const struct start *start = call->state;
    if (answer->err == PAWL_E_EXISTS && start->has_policy) {
        call->request =
            (struct pawl_request){ .op = PAWL_REQUEST_GET, .instance = start->request.instance };
        pawl_taskhub_ask(call, start_on_existing);
        return;
    }
    if (answer->err == PAWL_E_EXISTS) {
        start_refuse(call, answer->message);
        return;
    }
    if (answer->err != PAWL_OK) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    if (start->waits)
        start_wait(call, answer);
    else
        answer_instance(call, answer->instance);
}

/* Microsoft's Go client says what is to be done about the statuses; for newer ones it is
 * always to replace. */
enum { REUSE_ACTION_FIELD = 2, REUSE_IGNORE = 1, REUSE_TERMINATE = 2 };

/* False: the policy contradicts itself, and the call is over. */
static bool start_read_policy(struct pawl_taskhub_call *call, struct start *start,
                              const Pawl__ReusePolicy *policy)
{
    if (!policy || pawl_taskhub_is_dapr(call)) return true;
    const uint32_t running =
        1u << PAWL_STATUS_RUNNING | 1u << PAWL_STATUS_PENDING | 1u << PAWL_STATUS_SUSPENDED;
    start->has_policy = true;
    start->replaceable =
        pawl_durabletask_status_mask(policy->n_replaceable_status, policy->replaceable_status);
    if (start->replaceable & 1u << PAWL_STATUS_SUSPENDED)
        start->replaceable |= 1u << PAWL_STATUS_STALLED;
    uint64_t action = pawl_protobuf_unknown_varint(&policy->base, REUSE_ACTION_FIELD);
    start->returns_existing = action == REUSE_IGNORE;
    if (action == REUSE_IGNORE || action == REUSE_TERMINATE) return true;
    if (!(start->replaceable & running) || start->replaceable & 1u << PAWL_STATUS_TERMINATED)
        return true;
    pawl_taskhub_finish(
        call, PAWL_GRPC_INVALID_ARGUMENT,
        PAWL_BYTES_LITERAL("Invalid reusable statuses: cannot exclude 'Terminated' while "
                           "also allowing reuse of running instances"));
    return false;
}

/* False: one of them is none, and the call is over. */
static bool start_read_tags(struct pawl_taskhub_call *call,
                            const Pawl__CreateInstanceRequest *request)
{
    struct pawl_tags tags = { .count = 0 };
    for (size_t i = 0; i < request->n_tags; i++) {
        const char *wrong = pawl_tags_add(&tags, pawl_protobuf_bytes(request->tags[i]->key),
                                          pawl_protobuf_bytes(request->tags[i]->value));
        if (!wrong) continue;
        pawl_taskhub_finish(call, PAWL_GRPC_INVALID_ARGUMENT, pawl_bytes_str(wrong));
        return false;
    }
    call->request.tags = pawl_tags_pack(&call->arena, &tags);
    return true;
}

void pawl_taskhub_on_start(void *hub, const struct pawl_grpc_call *from)
{
    enum { UNIQUE_FIELD = 10 };
    Pawl__CreateInstanceRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__create_instance_request__descriptor, &request);
    if (!call) return;
    pawl_taskhub_set_target(call, request->router);
    struct start *start = PAWL_ARENA_NEW(&call->arena, struct start);
    call->state = start;
    if (!start_read_policy(call, start, request->reuse_policy)) return;

    bool is_unique = pawl_taskhub_is_dapr(call)
                     && pawl_protobuf_unknown_varint(&request->base, UNIQUE_FIELD) != 0;
    call->request = (struct pawl_request){
        .op = PAWL_REQUEST_START,
        .reuse = is_unique || start->has_policy ? PAWL_REUSE_REFUSE : PAWL_REUSE_TERMINAL,
        .instance = pawl_protobuf_bytes(request->instance_id),
        .name = pawl_protobuf_bytes(request->name),
        .version = pawl_durabletask_text_name(request->version),
        .start_at_ms = pawl_durabletask_timestamp_ms(request->scheduled_start),
        .extra = pawl_durabletask_start_extra(&call->with, request->trace),
    };
    if (!set_payload(call, "the input", request->input)) return;
    if (!start_read_tags(call, request)) return;
    start->request = call->request;
    start->waits = pawl_taskhub_is_dapr(call) && call->request.start_at_ms == 0;
    pawl_taskhub_ask(call, start_next);
}

/* Events and controls ----------------------------------------------------------------------- */

static void answer_ok(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err == PAWL_OK)
        pawl_taskhub_answer_empty(call);
    else
        pawl_taskhub_fail(call, answer);
}

/* Too late is not wrong: the instance has ended. */
static void answer_ok_or_ended(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err == PAWL_E_TERMINAL)
        pawl_taskhub_answer_empty(call);
    else
        answer_ok(call, answer);
}

void pawl_taskhub_on_raise(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__RaiseEventRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__raise_event_request__descriptor, &request);
    if (!call) return;
    pawl_taskhub_set_target(call, request->router);
    call->request = (struct pawl_request){
        .op = PAWL_REQUEST_RAISE,
        .instance = pawl_protobuf_bytes(request->instance_id),
        .name = pawl_protobuf_bytes(request->name),
    };
    if (set_payload(call, "the event's data", request->input))
        pawl_taskhub_ask(call, answer_ok_or_ended);
}

void pawl_taskhub_on_terminate(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__TerminateRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__terminate_request__descriptor, &request);
    if (!call) return;
    pawl_taskhub_set_target(call, request->router);
    call->request = (struct pawl_request){
        .op = PAWL_REQUEST_TERMINATE,
        .instance = pawl_protobuf_bytes(request->instance_id),
        .recursive = request->recursive,
    };
    if (set_payload(call, "the output", request->output))
        pawl_taskhub_ask(call, answer_ok_or_ended);
}

static struct pawl_taskhub_call *suspend_begin(void *hub, const struct pawl_grpc_call *from,
                                               enum pawl_request_op op)
{
    Pawl__SuspendRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__suspend_request__descriptor, &request);
    if (!call) return NULL;
    pawl_taskhub_set_target(call, request->router);
    call->request =
        (struct pawl_request){ .op = op, .instance = pawl_protobuf_bytes(request->instance_id) };
    return set_payload(call, "the reason", request->reason) ? call : NULL;
}

void pawl_taskhub_on_suspend(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = suspend_begin(hub, from, PAWL_REQUEST_SUSPEND);
    if (call) pawl_taskhub_ask(call, answer_ok);
}

/* An instance that is not suspended runs already. */
static void answer_resumed(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err == PAWL_E_STATE)
        pawl_taskhub_answer_empty(call);
    else
        answer_ok(call, answer);
}

void pawl_taskhub_on_resume(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = suspend_begin(hub, from, PAWL_REQUEST_RESUME);
    if (call) pawl_taskhub_ask(call, answer_resumed);
}

/* Again ------------------------------------------------------------------------------------ */

static void answer_started(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    if (answer->err == PAWL_OK)
        answer_instance(call, answer->instance);
    else
        pawl_taskhub_fail(call, answer);
}

/* Under a new id also what has not ended. */
static void restart_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    struct pawl_arena *arena = &call->arena;
    if (answer->err != PAWL_OK || answer->states_count == 0) {
        pawl_taskhub_fail(call, answer);
        return;
    }
    const struct pawl_instance_state *old = &answer->states[0];
    call->request = (struct pawl_request){
        .op = PAWL_REQUEST_START,
        .reuse = PAWL_REUSE_REFUSE,
        .name = pawl_arena_copy(arena, old->name),
        .version = pawl_arena_copy(arena, old->version),
        .tags = pawl_arena_copy(arena, old->tags),
        .payload = pawl_arena_copy(arena, old->input),
    };
    pawl_taskhub_ask(call, answer_started);
}

void pawl_taskhub_on_restart(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__RestartRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__restart_request__descriptor, &request);
    if (!call) return;
    call->request = (struct pawl_request){
        .op = request->with_new_id ? PAWL_REQUEST_GET : PAWL_REQUEST_RESTART,
        .instance = pawl_protobuf_bytes(request->instance_id),
        .with_payloads = request->with_new_id,
    };
    pawl_taskhub_ask(call, request->with_new_id ? restart_next : answer_started);
}

void pawl_taskhub_on_rewind(void *hub, const struct pawl_grpc_call *from)
{
    struct pawl_taskhub_call *call = suspend_begin(hub, from, PAWL_REQUEST_REWIND);
    if (call) pawl_taskhub_ask(call, answer_ok);
}

static void answer_rerun(struct pawl_taskhub_call *call, const struct pawl_answer *answer)
{
    struct pawl_answer refused = *answer;
    if (answer->err == PAWL_OK) {
        start_wait(call, answer);
        return;
    }
    if (refused.err == PAWL_E_NOT_TERMINAL) refused.err = PAWL_E_INVALID; /* as Dapr has it */
    pawl_taskhub_fail(call, &refused);
}

void pawl_taskhub_on_rerun(void *hub, const struct pawl_grpc_call *from)
{
    Pawl__RerunRequest *request = NULL;
    struct pawl_taskhub_call *call =
        pawl_taskhub_begin(hub, from, &pawl__rerun_request__descriptor, &request);
    if (!call) return;
    pawl_taskhub_set_target(call, request->router);
    call->request = (struct pawl_request){
        .op = PAWL_REQUEST_RERUN,
        .instance = pawl_protobuf_bytes(request->instance_id),
        .new_instance = pawl_protobuf_bytes(request->new_instance_id),
        .has_event = true,
        .event_id = request->event_id,
        .overwrite = request->overwrite_input,
        .new_child = pawl_protobuf_bytes(request->new_child_instance_id),
    };
    if (request->overwrite_input && !set_payload(call, "the input", request->input)) return;
    pawl_taskhub_ask(call, answer_rerun);
}
