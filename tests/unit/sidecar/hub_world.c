#include "hub_world.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/mem.h"

/* The engine --------------------------------------------------------------------------- */

struct hub_todo {
    struct hub_todo *next;
    struct pawl_arena arena;
    struct pawl_store_reply reply;
};

struct hub_call {
    struct hub_call *next;
    uint64_t token;
    bool is_asked;
    struct pawl_request request;
    pawl_api_on_answer *on_answer;
    void *context;
};

static void ask_store(struct hub_world *world, const struct pawl_store_request *request)
{
    struct hub_todo *todo = PAWL_NEW(struct hub_todo);
    pawl_arena_init(&todo->arena);
    todo->reply = (struct pawl_store_reply){ .token = request->token,
                                             .op = request->op,
                                             .partition = request->partition,
                                             .err = PAWL_E_UNAVAILABLE };
    if (!world->store_away) pawl_mem_store_apply(world->mem, request, &todo->arena, &todo->reply);
    struct hub_todo **last = &world->todo;
    while (*last) last = &(*last)->next;
    *last = todo;
}

static struct hub_call *call_take(struct hub_world *world, uint64_t token)
{
    for (struct hub_call **link = &world->calls; *link; link = &(*link)->next) {
        struct hub_call *call = *link;
        if (call->token != token) continue;
        *link = call->next;
        return call;
    }
    return NULL;
}

static void answer(struct hub_world *world, uint64_t token, const struct pawl_answer *answer)
{
    struct hub_call *call = call_take(world, token);
    if (!call) return;
    call->on_answer(call->context, answer);
    pawl_mem_free(call);
}

static void step(struct hub_world *world, struct pawl_node_event event)
{
    event.now_ms = world->wire.now_ms;
    pawl_node_step(world->node, &event, &world->effects);
    for (uint32_t i = 0; i < world->effects.count; i++) {
        const struct pawl_effect *effect = &world->effects.items[i];
        switch (effect->type) {
        case PAWL_EFFECT_STORE: ask_store(world, effect->store); break;
        case PAWL_EFFECT_SEND:
            pawl_grpc_workers_send(world->workers, effect->send.worker, effect->send.frame,
                                   event.now_ms);
            break;
        case PAWL_EFFECT_ANSWER: answer(world, effect->answer.token, effect->answer.answer); break;
        case PAWL_EFFECT_PEER_SEND:
        case PAWL_EFFECT_LOG: break;
        }
    }
}

static void on_step(void *context, struct pawl_node_event event)
{
    step(context, event);
}

static int64_t on_now(void *context)
{
    const struct hub_world *world = context;
    return world->wire.now_ms;
}

static uint64_t on_call(struct pawl_api *api, const struct pawl_request *request,
                        pawl_api_on_answer *on_answer, void *context)
{
    struct hub_world *world = PAWL_CONTAINER_OF(api, struct hub_world, api);
    struct hub_call *call = PAWL_NEW(struct hub_call);
    call->token = ++world->last_token;
    call->request = *request;
    call->on_answer = on_answer;
    call->context = context;
    struct hub_call **last = &world->calls;
    while (*last) last = &(*last)->next;
    *last = call;
    return call->token;
}

static void on_cancel(struct pawl_api *api, uint64_t token)
{
    struct hub_world *world = PAWL_CONTAINER_OF(api, struct hub_world, api);
    struct hub_call *call = call_take(world, token);
    PAWL_ASSERT(call != NULL);
    pawl_mem_free(call); /* its answer will find nobody */
}

static struct pawl_api_info on_info(struct pawl_api *api)
{
    struct hub_world *world = PAWL_CONTAINER_OF(api, struct hub_world, api);
    return (struct pawl_api_info){ .app = "shop",
                                   .version = "1.2.3",
                                   .workers_count = pawl_grpc_workers_count(world->workers) };
}

/* True: there was something. */
static bool calls_run(struct hub_world *world)
{
    for (struct hub_call *call = world->calls; call; call = call->next) {
        if (call->is_asked) continue;
        call->is_asked = true;
        struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
        event.request.token = call->token;
        event.request.request = &call->request;
        step(world, event); /* may have ended the call */
        return true;
    }
    return false;
}

static bool store_run(struct hub_world *world)
{
    struct hub_todo *todo = world->todo;
    if (!todo) return false;
    world->todo = todo->next;
    world->wire.now_ms += world->store_slow_ms;
    step(world,
         (struct pawl_node_event){ .type = PAWL_NODE_STORE_REPLY, .store_reply = &todo->reply });
    pawl_arena_deinit(&todo->arena);
    pawl_mem_free(todo);
    return true;
}

/* The world ------------------------------------------------------------------------------ */

static const struct pawl_api_ops api_ops = { on_call, on_cancel, on_info };

void hub_world_init(struct hub_world *world, enum pawl_dialect dialect)
{
    *world = (struct hub_world){ .api = { &api_ops }, .dialect = dialect };
    pawl_arena_init(&world->arena);
    pawl_effects_init(&world->effects);
    const struct pawl_node_config node = { .app = "shop", .host = "h", .partitions = 1, .seed = 7 };
    world->node = pawl_node_new(&node);
    world->mem = pawl_mem_store_new();
    const struct pawl_grpc_workers_config workers = {
        .app = "shop", .seed = 1, .context = world, .step = on_step, .now_ms = on_now
    };
    world->workers = pawl_grpc_workers_new(&workers);
    const struct pawl_taskhub_config hub = { dialect, &world->api, world->workers };
    world->hub = pawl_taskhub_new(&hub);
    struct pawl_grpc_service service = pawl_taskhub_service(world->hub);
    grpc_world_init(&world->wire, &service, NULL);
    pawl_taskhub_attach(world->hub, world->wire.grpc);
    world->link = grpc_world_connect(&world->wire, 1 << 20);
    step(world, (struct pawl_node_event){ .type = PAWL_NODE_OWN, .own = { 0, 1 } });
    hub_world_run(world);
    PAWL_ASSERT(pawl_node_is_ready(world->node));
}

void hub_world_deinit(struct hub_world *world)
{
    grpc_world_deinit(&world->wire);
    pawl_taskhub_free(world->hub);
    pawl_grpc_workers_free(world->workers);
    while (store_run(world)) {
    }
    PAWL_ASSERT(world->calls == NULL);
    pawl_node_free(world->node);
    pawl_mem_store_free(world->mem);
    pawl_effects_deinit(&world->effects);
    pawl_arena_deinit(&world->arena);
}

void hub_world_run(struct hub_world *world)
{
    bool moved = true;
    while (moved) {
        pawl_grpc_workers_settle(world->workers);
        moved = calls_run(world) || store_run(world);
        if (moved) continue;
        moved = world->wire.is_awake;
        grpc_world_run(&world->wire);
        moved = moved || world->todo || world->wire.is_awake;
        for (const struct hub_call *call = world->calls; call; call = call->next)
            moved = moved || !call->is_asked;
    }
}

void hub_world_pass(struct hub_world *world, int64_t ms)
{
    int64_t until_ms = world->wire.now_ms + ms;
    for (;;) {
        int64_t next_ms = until_ms;
        int64_t wakes[] = { world->effects.wake_at_ms,
                            pawl_grpc_workers_wake_at_ms(world->workers) };
        for (size_t i = 0; i < 2; i++)
            if (wakes[i] && wakes[i] < next_ms) next_ms = wakes[i];
        int64_t by_ms = next_ms > world->wire.now_ms ? next_ms - world->wire.now_ms : 0;
        grpc_world_pass(&world->wire, by_ms);
        pawl_grpc_workers_on_tick(world->workers, world->wire.now_ms);
        step(world, (struct pawl_node_event){ .type = PAWL_NODE_TICK });
        hub_world_run(world);
        if (world->wire.now_ms >= until_ms) return;
    }
}

/* The client ------------------------------------------------------------------------------ */

static const char *path_of(struct hub_world *world, const char *rpc)
{
    if (rpc[0] == '/') return rpc;
    return (const char *)pawl_arena_printf(&world->arena, "/TaskHubSidecarService/%s", rpc).data;
}

struct grpc_reply *hub_world_call(struct hub_world *world, const char *rpc,
                                  const ProtobufCMessage *message)
{
    struct pawl_bytes bytes =
        message ? pawl_protobuf_pack(&world->arena, message) : PAWL_BYTES_LITERAL("");
    struct grpc_reply *reply =
        grpc_client_call(&world->link->client, path_of(world, rpc), bytes, NULL);
    grpc_world_run(&world->wire);
    hub_world_run(world);
    return reply;
}

void *hub_world_message(struct hub_world *world, const struct grpc_reply *reply, uint32_t index,
                        const ProtobufCMessageDescriptor *descriptor)
{
    struct pawl_bytes bytes = grpc_reply_message(reply, index);
    if (!bytes.data) fprintf(stderr, "no message; status %d: %s\n", reply->status, reply->message);
    PAWL_ASSERT(bytes.data != NULL);
    void *message = NULL;
    pawl_err err = pawl_protobuf_unpack(descriptor, &world->arena, bytes, &message);
    PAWL_ASSERT(err == PAWL_OK);
    return message;
}

struct grpc_reply *hub_world_work(struct hub_world *world, int32_t turns, int32_t activities)
{
    Pawl__GetWorkItemsRequest request = PAWL__GET_WORK_ITEMS_REQUEST__INIT;
    request.max_workflows = turns;
    request.max_activities = activities;
    return hub_world_call(world, "GetWorkItems", &request.base);
}

Pawl__WorkItem *hub_world_item(struct hub_world *world, const struct grpc_reply *stream,
                               uint32_t index)
{
    if (grpc_reply_messages_count(stream) <= index) return NULL;
    return hub_world_message(world, stream, index, &pawl__work_item__descriptor);
}

ProtobufCBinaryData hub_text(const char *text)
{
    return (ProtobufCBinaryData){ strlen(text), (uint8_t *)(uintptr_t)text };
}

bool hub_is(ProtobufCBinaryData data, const char *text)
{
    return data.len == strlen(text) && memcmp(data.data, text, data.len) == 0;
}

int hub_world_status(struct hub_world *world, const char *instance)
{
    Pawl__GetInstanceRequest request = PAWL__GET_INSTANCE_REQUEST__INIT;
    request.instance_id = hub_text(instance);
    const struct grpc_reply *reply = hub_world_call(world, "GetInstance", &request.base);
    const Pawl__GetInstanceResponse *response =
        hub_world_message(world, reply, 0, &pawl__get_instance_response__descriptor);
    return response->exists ? response->state->status : -1;
}
