#include "actors/router.h"

#include "actors/partition.h"
#include "actors/request.h"
#include "base/cover.h"
#include "base/fsm.h"
#include "base/mutant.h"

/* Tokens of the loop count up from 1 and never get there. */
#define ASK_BIT (UINT64_C(1) << 63)

/* asker.from of the engine's own asks. */
#define FROM_ENGINE UINT64_MAX

enum ask_state { ASK_PARKED, ASK_HERE, ASK_SENT, ASK_STATES_COUNT };

#define ALLOW(state) PAWL_FSM_BIT(ASK_##state)
static const struct pawl_fsm_state ask_states[ASK_STATES_COUNT] = {
    [ASK_PARKED] = { "parked", ALLOW(HERE) | ALLOW(SENT) },
    [ASK_HERE] = { "here", ALLOW(PARKED) },
    [ASK_SENT] = { "sent", ALLOW(PARKED) },
};
#undef ALLOW

/* Who asked: part of the ask, and the key by which he finds it again. */
struct asker {
    uint64_t from; /* number of the peer; 0: a client of this sidecar; FROM_ENGINE */
    uint64_t token;
};

/* A management call on its way. */
struct pawl_ask {
    uint64_t token; /* ours */
    struct asker asker;
    struct pawl_list link;  /* SENT: on host.asks; PARKED: on node.asks_parked */
    struct pawl_host *host; /* SENT */
    uint8_t state;
    bool unsure; /* an earlier attempt may have happened */
    int64_t asked_ms;
    int64_t deadline_ms; /* of looking for an owner */
    struct pawl_alarm alarm;
    pawl_router_on_answered *on_answer; /* FROM_ENGINE */
    void *context;
    struct pawl_arena arena; /* the request's texts */
    struct pawl_request request;
};

bool pawl_router_owns(uint64_t token)
{
    return (token & ASK_BIT) != 0;
}

static struct pawl_bytes ask_token_key(const struct pawl_ask *ask)
{
    return pawl_bytes_make(&ask->token, sizeof ask->token);
}

static struct pawl_bytes asker_key(const struct asker *asker)
{
    return pawl_bytes_make(asker, sizeof *asker);
}

static struct pawl_ask *ask_find(struct pawl_node *node, uint64_t token)
{
    return pawl_map_find(&node->asks, pawl_bytes_make(&token, sizeof token));
}

static void ask_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm);

static void ask_copy_request(struct pawl_ask *ask, const struct pawl_request *request)
{
    ask->request = *request;
    struct pawl_bytes *texts[] = {
        &ask->request.app,        &ask->request.instance,   &ask->request.new_instance,
        &ask->request.request_id, &ask->request.name,       &ask->request.version,
        &ask->request.payload,    &ask->request.prefix,     &ask->request.cursor,
        &ask->request.parent,     &ask->request.event_name, &ask->request.event_data,
        &ask->request.new_child,  &ask->request.tags,       &ask->request.extra
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = pawl_arena_copy(&ask->arena, *texts[i]);
}

static struct pawl_ask *ask_new(struct pawl_node *node, struct asker asker,
                                const struct pawl_request *request)
{
    struct pawl_ask *ask = PAWL_NEW(struct pawl_ask);
    ask->token = ASK_BIT | ++node->asks_last;
    ask->asker = asker;
    ask->asked_ms = node->now_ms;
    /* Whoever waits for an instance may have to follow it for as long. */
    bool is_long = pawl_request_op_is_wait(request->op) && request->timeout_ms > PAWL_ROUTE_MS_MAX;
    bool is_many = request->op == PAWL_REQUEST_COUNT || request->op == PAWL_REQUEST_BATCH;
    ask->deadline_ms = node->now_ms + (is_long ? request->timeout_ms : PAWL_ROUTE_MS_MAX);
    if (is_many) ask->deadline_ms = node->now_ms + PAWL_BATCH_MS_MAX;
    ask->alarm.fire = ask_on_alarm;
    pawl_arena_init(&ask->arena);
    ask_copy_request(ask, request);
    pawl_list_push_tail(&node->asks_parked, &ask->link);
    pawl_map_insert(&node->asks, ask_token_key(ask), ask);
    pawl_map_insert(&node->asks_asker, asker_key(&ask->asker), ask);
    return ask;
}

static void ask_free(struct pawl_node *node, struct pawl_ask *ask)
{
    if (pawl_list_is_linked(&ask->link)) pawl_list_remove(&ask->link);
    pawl_alarm_clear(node, &ask->alarm);
    (void)pawl_map_remove(&node->asks, ask_token_key(ask));
    (void)pawl_map_remove(&node->asks_asker, asker_key(&ask->asker));
    pawl_arena_deinit(&ask->arena);
    pawl_mem_free(ask);
}

static void ask_move(struct pawl_ask *ask, enum ask_state state)
{
    if (pawl_list_is_linked(&ask->link)) pawl_list_remove(&ask->link);
    ask->host = NULL;
    pawl_fsm_move(ask_states, &ask->state, (uint8_t)state);
}

static bool op_is_control(enum pawl_request_op op)
{
    return op == PAWL_REQUEST_SUSPEND || op == PAWL_REQUEST_RESUME || op == PAWL_REQUEST_TERMINATE;
}

/* Answers ------------------------------------------------------------------------------------ */

static struct pawl_bytes router_pack(struct pawl_node *node, const struct pawl_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    struct pawl_bytes packed = buf.bad == PAWL_OK
                                   ? pawl_arena_copy(&node->effects->arena, pawl_buf_view(&buf))
                                   : PAWL_BYTES_ABSENT;
    pawl_buf_deinit(&buf);
    return packed;
}

static void ask_return(struct pawl_node *node, const struct asker *asker,
                       const struct pawl_answer *answer)
{
    const struct pawl_host *host = pawl_directory_find_number(node, asker->from);
    if (!host) return;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_RETURN);
    frame->call.token = asker->token;
    frame->call.moved = answer->err == PAWL_E_FENCED;
    struct pawl_frame inner = { .type = PAWL_FRAME_ANSWER,
                                .answer = { .token = asker->token, .answer = *answer } };
    if (!frame->call.moved) frame->call.frame = router_pack(node, &inner);
    pawl_node_peer_send(node, host, frame);
}

/* What a repetition finds done was done by the attempt before. */
static bool ask_was_done_before(const struct pawl_ask *ask, pawl_err err)
{
    if (!ask->unsure) return false;
    switch (ask->request.op) {
    case PAWL_REQUEST_TERMINATE: return err == PAWL_E_TERMINAL;
    case PAWL_REQUEST_RESUME: return err == PAWL_E_STATE;
    case PAWL_REQUEST_PURGE: return err == PAWL_E_NOT_FOUND;
    default: return false;
    }
}

static void ask_answer(struct pawl_node *node, struct pawl_ask *ask,
                       const struct pawl_answer *answer)
{
    /* It must live as long as the step's effects. */
    struct pawl_answer *kept = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_answer);
    if (!ask_was_done_before(ask, answer->err))
        *kept = *answer;
    else
        PAWL_COVER(ASK_DONE_BEFORE);
    struct asker asker = ask->asker;
    pawl_router_on_answered *on_answer = ask->on_answer;
    void *context = ask->context;
    ask_free(node, ask);
    if (on_answer)
        on_answer(node, context, kept);
    else if (asker.from)
        ask_return(node, &asker, kept);
    else
        pawl_node_answer(node, asker.token, kept);
}

static void ask_give_up(struct pawl_node *node, struct pawl_ask *ask)
{
    struct pawl_arena *arena = &node->effects->arena;
    bool is_own = pawl_directory_is_own_app(node, ask->request.app);
    PAWL_COVER(ASK_GAVE_UP);
    struct pawl_answer answer = {
        .err = ask->unsure ? PAWL_E_UNKNOWN : PAWL_E_UNAVAILABLE,
        .message = is_own
                       ? pawl_arena_printf(arena,
                                           "the sidecar that owns workflow instance '%.*s' could "
                                           "not be reached within %u ms; try again",
                                           PAWL_BYTES_FMT(ask->request.instance), PAWL_ROUTE_MS_MAX)
                       : pawl_directory_why_nowhere(node, arena, ask->request.app),
    };
    ask_answer(node, ask, &answer);
}

/* Routing ------------------------------------------------------------------------------------ */

static void ask_park(struct pawl_node *node, struct pawl_ask *ask)
{
    if (ask->state != ASK_PARKED) {
        ask_move(ask, ASK_PARKED);
        pawl_list_push_tail(&node->asks_parked, &ask->link);
    }
    pawl_alarm_set(node, &ask->alarm, node->now_ms + PAWL_ROUTE_AGAIN_MS);
}

static void ask_send(struct pawl_node *node, struct pawl_ask *ask, struct pawl_host *host)
{
    if (ask->state != ASK_SENT) ask_move(ask, ASK_SENT);
    if (!pawl_list_is_linked(&ask->link)) pawl_list_push_tail(&host->asks, &ask->link);
    ask->host = host;
    struct pawl_frame inner = { .type = PAWL_FRAME_REQUEST,
                                .request = { .token = ask->token, .request = ask->request } };
    int64_t waited_ms = node->now_ms - ask->asked_ms;
    int64_t *timeout_ms = &inner.request.request.timeout_ms;
    *timeout_ms = *timeout_ms > waited_ms ? *timeout_ms - waited_ms : 0;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_CALL);
    frame->call.token = ask->token;
    frame->call.frame = router_pack(node, &inner);
    if (pawl_bytes_is_absent(frame->call.frame)) {
        struct pawl_answer answer = { .err = PAWL_E_TOO_LARGE,
                                      .message = PAWL_BYTES_LITERAL("the request is too large") };
        ask_answer(node, ask, &answer);
        return;
    }
    pawl_node_peer_send(node, host, frame);
    pawl_alarm_set(node, &ask->alarm, node->now_ms + PAWL_PEER_REPEAT_MS);
}

static void ask_run_here(struct pawl_node *node, struct pawl_ask *ask)
{
    ask_move(ask, ASK_HERE);
    pawl_alarm_clear(node, &ask->alarm);
    struct pawl_request request = ask->request;
    int64_t waited_ms = node->now_ms - ask->asked_ms;
    request.timeout_ms = request.timeout_ms > waited_ms ? request.timeout_ms - waited_ms : 0;
    pawl_request_on_call(node, ask->token, &request); /* it may be answered by this */
}

/* The store answers these to any sidecar of the app. */
static bool op_is_anywhere(enum pawl_request_op op)
{
    return op == PAWL_REQUEST_GET || op == PAWL_REQUEST_LIST || op == PAWL_REQUEST_COUNT
           || op == PAWL_REQUEST_BATCH || op == PAWL_REQUEST_HISTORY;
}

static struct pawl_route ask_find_route(struct pawl_node *node, const struct pawl_ask *ask)
{
    struct pawl_bytes app = ask->request.app;
    bool is_of_all =
        ask->request.op == PAWL_REQUEST_WATCH && pawl_bytes_is_absent(ask->request.instance);
    if (is_of_all || op_is_anywhere(ask->request.op)) return pawl_directory_any(node, app);
    bool makes_another = ask->request.new_instance.size > 0;
    struct pawl_bytes instance = makes_another ? ask->request.new_instance : ask->request.instance;
    return pawl_directory_owner(node, app, instance);
}

/* Only the owner can change the status, or hear of its change. */
static bool ask_needs_ownership(const struct pawl_ask *ask)
{
    bool may_terminate =
        ask->request.op == PAWL_REQUEST_START && ask->request.reuse == PAWL_REUSE_TERMINATE;
    return may_terminate || op_is_control(ask->request.op) || ask->request.op == PAWL_REQUEST_WAIT;
}

static bool ask_may_run_here(struct pawl_node *node, const struct pawl_ask *ask)
{
    return !ask_needs_ownership(ask)
           || pawl_partition_is_owned(pawl_node_partition(node, ask->request.instance));
}

static void ask_route(struct pawl_node *node, struct pawl_ask *ask)
{
    PAWL_ASSERT(ask->state == ASK_PARKED);
    struct pawl_route route = ask_find_route(node, ask);
    if (route.kind == PAWL_ROUTE_PEER && !route.host->silent) {
        ask_send(node, ask, route.host);
        return;
    }
    /* The owner cannot be reached, perhaps is no more. What the store can do without it
     * is done here; the owner, or the next one, finds it there. */
    bool is_own = pawl_directory_is_own_app(node, ask->request.app);
    bool is_unreachable = route.kind == PAWL_ROUTE_PEER && is_own && !ask_needs_ownership(ask);
    if (is_unreachable) PAWL_COVER(ASK_WITHOUT_OWNER);
    if (is_unreachable || (route.kind == PAWL_ROUTE_HERE && ask_may_run_here(node, ask))) {
        ask_run_here(node, ask);
        return;
    }
    if (node->now_ms >= ask->deadline_ms) {
        ask_give_up(node, ask);
        return;
    }
    /* Trying is what finds out that a silent one is back. */
    if (route.kind == PAWL_ROUTE_PEER)
        ask_send(node, ask, route.host);
    else
        ask_park(node, ask);
}

static void ask_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct pawl_ask *ask = PAWL_CONTAINER_OF(alarm, struct pawl_ask, alarm);
    switch ((enum ask_state)ask->state) {
    case ASK_PARKED: ask_route(node, ask); return;
    case ASK_SENT: /* the link dropped it, or the answer, or it takes long */
        ask->unsure = true;
        ask_send(node, ask, ask->host);
        return;
    default: return;
    }
}

void pawl_router_route_parked(struct pawl_node *node)
{
    struct pawl_list parked;
    pawl_list_init(&parked);
    while (!pawl_list_is_empty(&node->asks_parked)) {
        struct pawl_list *link = node->asks_parked.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&parked, link);
    }
    while (!pawl_list_is_empty(&parked)) {
        struct pawl_list *link = parked.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&node->asks_parked, link);
        ask_route(node, PAWL_CONTAINER_OF(link, struct pawl_ask, link));
    }
}

/* Events ------------------------------------------------------------------------------------- */

void pawl_router_on_request(struct pawl_node *node, uint64_t token,
                            const struct pawl_request *request)
{
    if (!node->config.placed) {
        if (pawl_directory_is_own_app(node, request->app))
            pawl_request_on_call(node, token, request);
        else
            pawl_node_answer_err(node, token, PAWL_E_UNAVAILABLE,
                                 "app '%s' runs without placement and cannot reach app '%.*s'",
                                 node->app, PAWL_BYTES_FMT(request->app));
        return;
    }
    struct pawl_request complete = *request;
    pawl_request_complete(node, &complete);
    ask_route(node, ask_new(node, (struct asker){ 0, token }, &complete));
}

void pawl_router_ask(struct pawl_node *node, const struct pawl_request *request,
                     pawl_router_on_answered *on_answer, void *context)
{
    struct pawl_ask *ask =
        ask_new(node, (struct asker){ FROM_ENGINE, node->asks_last + 1 }, request);
    ask->on_answer = on_answer;
    ask->context = context;
    ask_route(node, ask);
}

void pawl_router_on_answer(struct pawl_node *node, uint64_t token, const struct pawl_answer *answer)
{
    struct pawl_ask *ask = ask_find(node, token);
    if (!ask || ask->state != ASK_HERE) return;
    bool is_moved = answer->err == PAWL_E_FENCED;
    bool is_unsure = answer->err == PAWL_E_UNKNOWN && op_is_control(ask->request.op);
    bool is_ours = ask->asker.from == 0 || ask->asker.from == FROM_ENGINE;
    if (is_ours && (is_moved || is_unsure) && node->now_ms < ask->deadline_ms) {
        if (is_unsure) ask->unsure = true;
        ask_park(node, ask);
        return;
    }
    ask_answer(node, ask, answer);
}

void pawl_router_on_gone(struct pawl_node *node, uint64_t from, uint64_t token)
{
    struct asker asker = { from, token };
    struct pawl_ask *ask = pawl_map_find(&node->asks_asker, asker_key(&asker));
    if (!ask) {
        if (from == 0) pawl_request_on_gone(node, token);
        return;
    }
    if (from && from != FROM_ENGINE) PAWL_COVER(CALL_GONE);
    if (ask->state == ASK_HERE) pawl_request_on_gone(node, ask->token);
    if (ask->state == ASK_SENT) {
        struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_GONE);
        frame->call.token = ask->token;
        pawl_node_peer_send(node, ask->host, frame);
    }
    ask_free(node, ask);
}

/* Peers -------------------------------------------------------------------------------------- */

static bool call_read(struct pawl_node *node, const struct pawl_peer_call *call,
                      enum pawl_frame_type type, struct pawl_frame *ret_frame)
{
    return pawl_frame_decode(call->frame, &node->effects->arena, ret_frame) == PAWL_OK
           && ret_frame->type == type;
}

void pawl_router_on_call(struct pawl_node *node, struct pawl_host *host,
                         const struct pawl_peer_call *call)
{
    struct asker asker = { host->number, call->token };
    if (pawl_map_find(&node->asks_asker, asker_key(&asker))) {
        PAWL_COVER(CALL_REPEATED);
        return;
    }
    struct pawl_frame frame;
    struct pawl_answer answer = { .err = PAWL_E_PROTOCOL,
                                  .message = PAWL_BYTES_LITERAL("not a request") };
    if (!call_read(node, call, PAWL_FRAME_REQUEST, &frame)) {
        ask_return(node, &asker, &answer);
        return;
    }
    struct pawl_request *request = &frame.request.request;
    answer.err = pawl_request_check(request, &node->effects->arena, &answer.message);
    if (answer.err == PAWL_OK && !pawl_directory_is_own_app(node, request->app))
        answer.err = PAWL_E_FENCED;
    if (answer.err != PAWL_OK) {
        ask_return(node, &asker, &answer);
        return;
    }
    request->app = PAWL_BYTES_ABSENT;
    struct pawl_ask *ask = ask_new(node, asker, request);
    bool is_mine = ask_find_route(node, ask).kind == PAWL_ROUTE_HERE && ask_may_run_here(node, ask);
    if (is_mine) {
        ask_run_here(node, ask);
        return;
    }
    answer.err = PAWL_E_FENCED;
    ask_answer(node, ask, &answer);
}

void pawl_router_on_return(struct pawl_node *node, struct pawl_host *host,
                           const struct pawl_peer_call *call)
{
    struct pawl_ask *ask = ask_find(node, call->token);
    if (!ask || ask->state != ASK_SENT || ask->host != host) return;
    if (call->moved && PAWL_MUTANT(MOVED_IS_OK)) {
        const struct pawl_answer done = { .err = PAWL_OK };
        ask_answer(node, ask, &done);
        return;
    }
    if (call->moved) {
        PAWL_COVER(ASK_MOVED);
        ask_park(node, ask);
        return;
    }
    struct pawl_frame frame;
    if (!call_read(node, call, PAWL_FRAME_ANSWER, &frame)) return; /* asked again soon */
    bool is_unsure = frame.answer.answer.err == PAWL_E_UNKNOWN && op_is_control(ask->request.op);
    if (is_unsure && node->now_ms < ask->deadline_ms) {
        ask->unsure = true;
        ask_park(node, ask);
        return;
    }
    ask_answer(node, ask, &frame.answer.answer);
}

static void router_park_sent(struct pawl_node *node, struct pawl_host *host)
{
    while (!pawl_list_is_empty(&host->asks)) {
        struct pawl_ask *ask = PAWL_CONTAINER_OF(host->asks.next, struct pawl_ask, link);
        ask->unsure = true;
        ask_park(node, ask);
    }
}

void pawl_router_on_peer_down(struct pawl_node *node, struct pawl_host *host)
{
    router_park_sent(node, host);
}

void pawl_router_on_host_gone(struct pawl_node *node, struct pawl_host *host)
{
    router_park_sent(node, host);
    uint32_t cursor = 0;
    for (struct pawl_ask *ask; (ask = pawl_map_next(&node->asks, &cursor)) != NULL;) {
        if (ask->asker.from != host->number) continue;
        if (ask->state == ASK_HERE) pawl_request_on_gone(node, ask->token);
        ask_free(node, ask);
    }
}

void pawl_router_deinit(struct pawl_node *node)
{
    uint32_t cursor = 0;
    for (struct pawl_ask *ask; (ask = pawl_map_next(&node->asks, &cursor)) != NULL;)
        ask_free(node, ask);
    pawl_map_deinit(&node->asks);
    pawl_map_deinit(&node->asks_asker);
}
