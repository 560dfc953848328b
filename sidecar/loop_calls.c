#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sidecar/loop_internal.h"

void pawl_loop_calls_init(struct pawl_loop *loop)
{
    loop->api.ops = &pawl_loop_api_ops;
    pawl_map_init(&loop->calls, 0);
    pawl_list_init(&loop->queue);
}

static void call_free(struct pawl_loop *loop, struct call *call)
{
    if (pawl_list_is_linked(&call->link)) pawl_list_remove(&call->link);
    (void)pawl_map_remove(&loop->calls, pawl_bytes_make(&call->token, sizeof call->token));
    pawl_mem_free(call);
}

static void call_answer(struct pawl_loop *loop, struct call *call, const struct pawl_answer *answer)
{
    pawl_api_on_answer *on_answer = call->on_answer;
    void *context = call->context;
    bool wanted = call->state != CALL_GONE;
    call_free(loop, call);
    if (wanted) on_answer(context, answer);
}

void pawl_loop_calls_answer(struct pawl_loop *loop, uint64_t token,
                            const struct pawl_answer *answer)
{
    struct call *call = pawl_map_find(&loop->calls, pawl_bytes_make(&token, sizeof token));
    if (call) call_answer(loop, call, answer);
}

/* One that leaves serves its clients as well as any other. */
static bool is_serving(const struct pawl_loop *loop)
{
    return loop->state == LOOP_RUNNING || loop->state == LOOP_LEAVING;
}

static void call_run(struct pawl_loop *loop, struct call *call)
{
    struct pawl_node_event event = { .now_ms = pawl_loop_now_ms(loop) };
    switch (call->state) {
    case CALL_QUEUED:
        call->state = CALL_ASKED;
        event.type = PAWL_NODE_REQUEST;
        event.request.token = call->token;
        event.request.request = &call->request;
        pawl_loop_step(loop, &event); /* it may be answered and freed by this */
        return;
    case CALL_GONE:
        event.type = PAWL_NODE_REQUEST_GONE;
        event.request.token = call->token;
        call_free(loop, call);
        pawl_loop_step(loop, &event);
        return;
    case CALL_REFUSED: {
        const struct pawl_answer busy = {
            .err = PAWL_E_BUSY,
            .message = PAWL_BYTES_LITERAL("too many management calls are in flight on this "
                                          "sidecar; try again in a moment"),
        };
        const struct pawl_answer stopping = {
            .err = PAWL_E_UNAVAILABLE,
            .message = PAWL_BYTES_LITERAL("this sidecar is stopping; try again in a moment"),
        };
        const struct pawl_answer away = {
            .err = PAWL_E_UNAVAILABLE,
            .message = pawl_arena_printf(&loop->info_arena,
                                         "the workflow store cannot be reached: %s; try again in "
                                         "a moment",
                                         loop->store_why),
        };
        const struct pawl_answer *why = !is_serving(loop)    ? &stopping
                                        : !loop->store_ready ? &away
                                                             : &busy;
        call_answer(loop, call, why);
        return;
    }
    case CALL_ASKED: break;
    }
    PAWL_UNREACHABLE("a call that was asked is not queued");
}

void pawl_loop_calls_give_up(struct pawl_loop *loop)
{
    struct pawl_list asked;
    uint32_t cursor = 0;
    pawl_list_init(&asked);
    for (struct call *call; (call = pawl_map_next(&loop->calls, &cursor)) != NULL;)
        if (call->state == CALL_ASKED) pawl_list_push_tail(&asked, &call->link);
    const struct pawl_answer answer = {
        .err = PAWL_E_UNKNOWN,
        .message =
            pawl_arena_printf(&loop->info_arena,
                              "the workflow store cannot be reached: %s; the call may or may "
                              "not have happened: look, or repeat it with the same request id",
                              loop->store_why),
    };
    while (!pawl_list_is_empty(&asked)) {
        struct call *call = PAWL_CONTAINER_OF(asked.next, struct call, link);
        pawl_list_remove(&call->link);
        call->state = CALL_GONE; /* and the engine is told so */
        pawl_list_push_tail(&loop->queue, &call->link);
        call->on_answer(call->context, &answer);
    }
}

bool pawl_loop_calls_are_over(const struct pawl_loop *loop)
{
    uint32_t cursor = 0;
    for (const struct call *call; (call = pawl_map_next(&loop->calls, &cursor)) != NULL;)
        if (call->state == CALL_ASKED && !pawl_request_op_is_wait(call->request.op)) return false;
    return true;
}

void pawl_loop_calls_run(struct pawl_loop *loop)
{
    while (!pawl_list_is_empty(&loop->queue)) {
        struct call *call = PAWL_CONTAINER_OF(loop->queue.next, struct call, link);
        pawl_list_remove(&call->link);
        call_run(loop, call);
    }
}

/* Move a text of the request behind the call; returns where the next one goes. */
static uint8_t *text_keep(struct pawl_bytes *text, uint8_t *to)
{
    if (!text->data) return to;
    if (text->size) memcpy(to, text->data, text->size);
    text->data = to;
    return to + text->size;
}

static struct call *call_new(const struct pawl_request *request)
{
    const struct pawl_request *r = request;
    size_t size = r->app.size + r->instance.size + r->new_instance.size + r->request_id.size
                  + r->name.size + r->version.size + r->payload.size + r->prefix.size
                  + r->cursor.size + r->parent.size + r->tags.size + r->event_name.size
                  + r->event_data.size + r->new_child.size;
    /* One byte more: an empty text at the end points somewhere of ours, too. */
    struct call *call = pawl_mem_alloc(sizeof *call + size + 1);
    call->request = *request;
    call->request.parent = PAWL_BYTES_ABSENT; /* not for clients */
    struct pawl_bytes *texts[] = { &call->request.instance,   &call->request.new_instance,
                                   &call->request.request_id, &call->request.name,
                                   &call->request.version,    &call->request.payload,
                                   &call->request.prefix,     &call->request.cursor,
                                   &call->request.app,        &call->request.parent,
                                   &call->request.tags,       &call->request.event_name,
                                   &call->request.event_data, &call->request.new_child };
    uint8_t *to = (uint8_t *)(call + 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) to = text_keep(texts[i], to);
    return call;
}

static uint64_t api_call(struct pawl_api *api, const struct pawl_request *request,
                         pawl_api_on_answer *on_answer, void *context)
{
    struct pawl_loop *loop = PAWL_CONTAINER_OF(api, struct pawl_loop, api);
    /* Without its store a sidecar can do nothing for a client, and says so at once. */
    bool refuse = !is_serving(loop) || !loop->store_ready || loop->calls.count >= PAWL_REQUESTS_MAX;
    struct call *call = refuse ? PAWL_NEW(struct call) : call_new(request);
    call->state = refuse ? CALL_REFUSED : CALL_QUEUED;
    call->token = ++loop->next_token;
    call->on_answer = on_answer;
    call->context = context;
    pawl_map_insert(&loop->calls, pawl_bytes_make(&call->token, sizeof call->token), call);
    pawl_list_push_tail(&loop->queue, &call->link);
    return call->token;
}

static void api_cancel(struct pawl_api *api, uint64_t token)
{
    struct pawl_loop *loop = PAWL_CONTAINER_OF(api, struct pawl_loop, api);
    struct call *call = pawl_map_find(&loop->calls, pawl_bytes_make(&token, sizeof token));
    if (!call || call->state == CALL_GONE) return;
    if (call->state != CALL_ASKED) { /* the node has never heard of it */
        call_free(loop, call);
        return;
    }
    call->state = CALL_GONE;
    pawl_list_push_tail(&loop->queue, &call->link);
}

static struct pawl_api_info api_info(struct pawl_api *api)
{
    struct pawl_loop *loop = PAWL_CONTAINER_OF(api, struct pawl_loop, api);
    struct pawl_api_info info = {
        .app = loop->config.node.app,
        .namespace_ = loop->config.namespace_,
        .host = loop->config.node.host,
        .version = loop->config.version,
        .store_url = loop->config.store_url,
        .app_endpoint = loop->app_endpoint,
        .started_ms = loop->started_ms,
        .not_ready = pawl_loop_not_ready(loop),
        .metrics = pawl_node_metrics(loop->node),
    };
    pawl_loop_clock_info(loop, &info);
    info.ready = info.not_ready == NULL;
    pawl_loop_peers_info(loop, &info);
    pawl_loop_workers(loop, &info);
    return info;
}

const struct pawl_api_ops pawl_loop_api_ops = {
    .call = api_call,
    .cancel = api_cancel,
    .info = api_info,
};

void pawl_loop_calls_deinit(struct pawl_loop *loop)
{
    uint32_t cursor = 0;
    for (struct call *call; (call = pawl_map_next(&loop->calls, &cursor)) != NULL;) {
        call_free(loop, call);
    }
    pawl_map_deinit(&loop->calls);
}
