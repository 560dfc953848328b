#include "tests/unit/actors/fixture.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"

static void keep_frame(struct fixture *fixture, uint64_t worker, const struct pawl_frame *frame)
{
    PAWL_ASSERT(fixture->sent_count < FIXTURE_SENT_MAX);
    struct pawl_buf buf;
    pawl_buf_init(&buf, UINT32_MAX);
    pawl_frame_encode(&buf, frame);
    struct pawl_bytes bytes = pawl_arena_copy(&fixture->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    struct pawl_frame *copy = PAWL_ARENA_NEW(&fixture->arena, struct pawl_frame);
    pawl_err err = pawl_frame_decode(bytes, &fixture->arena, copy);
    PAWL_ASSERT(err == PAWL_OK);
    fixture->sent_to[fixture->sent_count] = worker;
    fixture->sent[fixture->sent_count++] = copy;
}

static void keep_answer(struct fixture *fixture, uint64_t token, const struct pawl_answer *answer)
{
    PAWL_ASSERT(fixture->answers_count < FIXTURE_ANSWERS_MAX);
    uint32_t at = fixture->answers_count++;
    fixture->answer_tokens[at] = token;
    fixture->answer_errs[at] = answer->err;
    memcpy(fixture->answer_counts, answer->counts, sizeof answer->counts);
    fixture->answer_batch = answer->batch;
    fixture->answer_texts[at] = pawl_arena_copy(&fixture->arena, answer->message);
    fixture->listed_count = answer->states_count;
    fixture->listed = PAWL_ARENA_ARRAY(&fixture->arena, struct pawl_bytes, answer->states_count);
    for (uint32_t i = 0; i < answer->states_count; i++)
        fixture->listed[i] = pawl_arena_copy(&fixture->arena, answer->states[i].instance);
    fixture->cursor = pawl_arena_copy(&fixture->arena, answer->cursor);
    fixture->answer_reached = answer->reached;
    fixture->changes_count = 0;
    for (uint32_t i = 0; i < answer->events_count; i++) {
        struct pawl_lifecycle_event change;
        struct pawl_bytes bytes = pawl_arena_copy(&fixture->arena, answer->events[i]);
        if (pawl_lifecycle_event_unpack(bytes, &change) == PAWL_OK) {
            fixture->changes[fixture->changes_count++] = change;
            continue;
        }
        struct pawl_history_event event;
        pawl_err err = pawl_history_event_decode(answer->events[i], &event);
        PAWL_ASSERT(err == PAWL_OK && fixture->history_kinds_count < FIXTURE_ANSWERS_MAX);
        fixture->history_kinds[fixture->history_kinds_count++] = event.kind;
    }
    if (answer->states_count) {
        fixture->answer_custom_status =
            pawl_arena_copy(&fixture->arena, answer->states[0].custom_status);
        fixture->answer_status = answer->states[0].status;
        fixture->answer_failure = answer->states[0].failure;
        fixture->answer_failure.type =
            pawl_arena_copy(&fixture->arena, answer->states[0].failure.type);
        fixture->answer_failure.message =
            pawl_arena_copy(&fixture->arena, answer->states[0].failure.message);
    }
}

/* A reply that the node has not heard yet. */
struct todo {
    struct todo *next;
    struct pawl_arena arena;
    struct pawl_store_reply reply;
};

static void ask_store(struct fixture *fixture, const struct pawl_store_request *request)
{
    struct todo *todo = PAWL_NEW(struct todo);
    pawl_arena_init(&todo->arena);
    todo->reply = (struct pawl_store_reply){ .token = request->token,
                                             .op = request->op,
                                             .partition = request->partition,
                                             .err = PAWL_E_UNAVAILABLE };
    bool is_refused = fixture->refuse_count && request->op == fixture->refuse;
    if (is_refused) fixture->refuse_count--;
    if (!fixture->store_away && !is_refused)
        pawl_mem_store_apply(fixture->mem, request, &todo->arena, &todo->reply);
    if (request->op == fixture->reply_lost) {
        fixture->reply_lost = 0;
        todo->reply.err = PAWL_E_UNKNOWN;
    }
    if (request->op == fixture->reply_late) {
        PAWL_ASSERT(!fixture->late);
        fixture->reply_late = 0;
        fixture->late = todo;
        return;
    }
    struct todo **last = &fixture->todo;
    while (*last) last = &(*last)->next;
    *last = todo;
}

static void step_once(struct fixture *fixture, struct pawl_node_event event)
{
    event.now_ms = fixture->now_ms;
    pawl_node_step(fixture->node, &event, &fixture->effects);
    fixture->wake_at_ms = fixture->effects.wake_at_ms;
    for (uint32_t i = 0; i < fixture->effects.count; i++) {
        const struct pawl_effect *effect = &fixture->effects.items[i];
        switch (effect->type) {
        case PAWL_EFFECT_STORE: ask_store(fixture, effect->store); break;
        case PAWL_EFFECT_SEND: keep_frame(fixture, effect->send.worker, effect->send.frame); break;
        case PAWL_EFFECT_ANSWER:
            keep_answer(fixture, effect->answer.token, effect->answer.answer);
            break;
        case PAWL_EFFECT_PEER_SEND: break;
        case PAWL_EFFECT_LOG: break;
        }
    }
}

void fixture_step(struct fixture *fixture, struct pawl_node_event event)
{
    step_once(fixture, event);
    for (struct todo *todo; (todo = fixture->todo) != NULL;) {
        fixture->todo = todo->next;
        step_once(fixture, (struct pawl_node_event){ .type = PAWL_NODE_STORE_REPLY,
                                                     .store_reply = &todo->reply });
        pawl_arena_deinit(&todo->arena);
        pawl_mem_free(todo);
    }
}

void fixture_reply_late(struct fixture *fixture)
{
    struct todo *late = fixture->late;
    PAWL_ASSERT(late);
    fixture->late = NULL;
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_STORE_REPLY,
                                                    .store_reply = &late->reply });
    pawl_arena_deinit(&late->arena);
    pawl_mem_free(late);
}

static void begin(struct fixture *fixture)
{
    fixture->node = pawl_node_new(&fixture->config);
    for (uint32_t i = 0; i < fixture->config.partitions; i++)
        fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_OWN, .own = { i, 1 } });
    PAWL_ASSERT(pawl_node_is_ready(fixture->node));
}

struct fixture *fixture_new(const struct pawl_node_config *config)
{
    struct fixture *fixture = PAWL_NEW(struct fixture);
    struct pawl_node_config full = *config;
    full.app = "test";
    full.host = "test-host";
    if (!full.partitions) full.partitions = 2;
    if (!full.seed) full.seed = 1;
    fixture->now_ms = 1000000;
    fixture->config = full;
    fixture->mem = pawl_mem_store_new();
    pawl_effects_init(&fixture->effects);
    pawl_arena_init(&fixture->arena);
    begin(fixture);
    return fixture;
}

void fixture_restart(struct fixture *fixture)
{
    pawl_node_free(fixture->node);
    fixture->config.seed++;
    begin(fixture);
}

void fixture_free(struct fixture *fixture)
{
    pawl_node_free(fixture->node);
    pawl_mem_store_free(fixture->mem);
    pawl_effects_deinit(&fixture->effects);
    pawl_arena_deinit(&fixture->arena);
    pawl_mem_free(fixture);
}

struct fixture *fixture_with_worker(uint64_t worker)
{
    struct pawl_node_config config = { .partitions = 1 };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, worker, 100, 100);
    return fixture;
}

void fixture_pass(struct fixture *fixture, int64_t ms)
{
    int64_t end_ms = fixture->now_ms + ms;
    while (fixture->wake_at_ms && fixture->wake_at_ms <= end_ms) {
        if (fixture->wake_at_ms > fixture->now_ms) fixture->now_ms = fixture->wake_at_ms;
        fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_TICK });
    }
    fixture->now_ms = end_ms;
}

void fixture_credit(struct fixture *fixture, uint64_t worker, uint32_t turns, uint32_t activities)
{
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CREDIT,
                                                    .worker = worker,
                                                    .credit = { turns, activities } });
}

void fixture_connect(struct fixture *fixture, uint64_t worker, uint32_t turns, uint32_t activities)
{
    struct pawl_registration workflow = { .name = PAWL_BYTES_LITERAL("W") };
    struct pawl_registration activity = { .name = PAWL_BYTES_LITERAL("A") };
    struct pawl_hello hello = { .workflows_count = 1,
                                .workflows = &workflow,
                                .activities_count = 1,
                                .activities = &activity,
                                .minor = PAWL_PROTOCOL_MINOR };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_WORKER_OPENED, .worker = worker, .hello = &hello });
    fixture_credit(fixture, worker, turns, activities);
}

void fixture_disconnect(struct fixture *fixture, uint64_t worker)
{
    fixture_step(fixture,
                 (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CLOSED, .worker = worker });
}

uint64_t fixture_call(struct fixture *fixture, const struct pawl_request *request)
{
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = ++fixture->last_token;
    event.request.request = request;
    fixture_step(fixture, event);
    return event.request.token;
}

uint64_t fixture_start(struct fixture *fixture, const char *instance)
{
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .reuse = PAWL_REUSE_TERMINAL,
                                    .instance = pawl_bytes_str(instance),
                                    .name = PAWL_BYTES_LITERAL("W") };
    return fixture_call(fixture, &request);
}

enum pawl_status fixture_status(struct fixture *fixture, const char *instance)
{
    struct pawl_request request = { .op = PAWL_REQUEST_GET,
                                    .instance = pawl_bytes_str(instance),
                                    .with_payloads = true };
    fixture_call(fixture, &request);
    PAWL_ASSERT(fixture_last_err(fixture) == PAWL_OK);
    return fixture->answer_status;
}

pawl_err fixture_last_err(const struct fixture *fixture)
{
    return fixture->answer_errs[fixture->answers_count - 1];
}

bool fixture_has_told(const struct fixture *fixture, const char *text)
{
    struct pawl_bytes told = fixture->answer_texts[fixture->answers_count - 1];
    return memmem(told.data, told.size, text, strlen(text)) != NULL;
}

const struct pawl_frame *fixture_next(struct fixture *fixture, enum pawl_frame_type type)
{
    while (fixture->sent_seen < fixture->sent_count) {
        const struct pawl_frame *frame = fixture->sent[fixture->sent_seen++];
        if (frame->type == type) return frame;
    }
    return NULL;
}

const struct pawl_turn *fixture_next_turn(struct fixture *fixture)
{
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_TURN);
    PAWL_ASSERT(frame);
    return &frame->turn;
}

void fixture_turn_done(struct fixture *fixture, uint64_t worker, const struct pawl_turn *turn,
                       uint32_t actions_count, struct pawl_action *actions)
{
    struct pawl_turn_done done = { .turn = turn->turn,
                                   .instance = turn->instance,
                                   .cached = true,
                                   .actions_count = actions_count,
                                   .actions = actions };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_TURN_DONE, .worker = worker, .turn_done = &done });
}

void fixture_activity_done(struct fixture *fixture, uint64_t worker,
                           const struct pawl_activity_item *item)
{
    struct pawl_activity_done done = { .token = item->token, .payload = item->payload };
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_ACTIVITY_DONE,
                                                    .worker = worker,
                                                    .activity_done = &done });
}

struct pawl_action fixture_action(enum pawl_action_kind kind, int32_t id)
{
    struct pawl_action action = { .kind = kind, .id = id, .ref = -1 };
    if (kind == PAWL_ACTION_ACTIVITY) action.name = PAWL_BYTES_LITERAL("A");
    if (kind == PAWL_ACTION_COMPLETE) action.status = PAWL_STATUS_COMPLETED;
    return action;
}

uint64_t fixture_operations(const struct fixture *fixture)
{
    uint64_t count = 0;
    for (int op = PAWL_STORE_CREATE; op < PAWL_STORE_OPS_END; op++)
        if (op != PAWL_STORE_POLL)
            count += pawl_mem_store_count(fixture->mem, (enum pawl_store_op)op);
    return count;
}
