#include "node_world.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "sdk/io/settings.h"
#include "sdk/io/stack.h"
#include "sdk/replay.h"
#include "state/mem.h"

#define WORKER 1u

/* Something that waits for its turn: a store's reply, a TURN for the worker, the end of an
 * activity, the result of a request. */
struct item {
    struct item *next;
    struct pawl_heap_node due;
    struct pawl_arena arena;
    struct pawl_store_reply reply;
    struct pawl_frame frame;
    struct pawl_activity_done done;
    struct pawl_result *result;
};

struct node_world {
    struct pawl_node *node;
    struct pawl_mem *mem;
    struct pawl_effects effects;
    struct pawl_allocator allocator;
    struct pawl_stack_pool *stacks;
    struct pawl_replay *replay;
    pawl_workflow_fn *run;
    node_world_activity_fn *activity_run;
    int64_t now_ms;
    int64_t wake_ms;
    struct item *replies;
    struct item *turns;
    struct pawl_heap activities;
    struct item *results;
    const struct pawl_request *asked;
    struct pawl_result *answered;
    pawl_err answered_err;
    uint64_t tokens;
};

static struct item *item_new(void)
{
    struct item *item = PAWL_NEW(struct item);
    pawl_arena_init(&item->arena);
    return item;
}

static void item_free(struct item *item)
{
    pawl_arena_deinit(&item->arena);
    pawl_result_free(item->result);
    pawl_mem_free(item);
}

static void push(struct item **list, struct item *item)
{
    while (*list) list = &(*list)->next;
    *list = item;
}

static struct item *pop(struct item **list)
{
    struct item *item = *list;
    if (item) *list = item->next;
    return item;
}

static void copy_frame(const struct pawl_frame *frame, struct item *item)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    struct pawl_bytes bytes = pawl_arena_copy(&item->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    pawl_err err = pawl_frame_decode(bytes, &item->arena, &item->frame);
    PAWL_ASSERT(err == PAWL_OK);
}

static void begin_activity(struct node_world *world, const struct pawl_activity_item *activity)
{
    struct item *item = item_new();
    int64_t takes_ms = 0;
    struct pawl_bytes input = pawl_arena_copy(&item->arena, activity->payload);
    world->activity_run(input, &item->arena, &takes_ms, &item->done);
    item->done.token = activity->token;
    pawl_heap_insert(&world->activities, &item->due, world->now_ms + takes_ms);
}

static void on_frame(struct node_world *world, const struct pawl_frame *frame)
{
    struct item *item;
    switch (frame->type) {
    case PAWL_FRAME_HISTORY: pawl_replay_on_history(world->replay, &frame->history); return;
    case PAWL_FRAME_EVICT: pawl_replay_on_evict(world->replay, frame->evict.instance); return;
    case PAWL_FRAME_ACTIVITY: begin_activity(world, &frame->activity); return;
    case PAWL_FRAME_TURN:
        item = item_new();
        copy_frame(frame, item);
        push(&world->turns, item);
        return;
    default: PAWL_UNREACHABLE("not a frame for a worker");
    }
}

static void on_answer(struct node_world *world, const struct pawl_answer *answer)
{
    world->answered_err = answer->err;
    world->answered = pawl_result_from_answer(&world->allocator, world->asked, answer);
    PAWL_ASSERT(world->answered != NULL);
}

static void ask_store(struct node_world *world, const struct pawl_store_request *request)
{
    struct item *item = item_new();
    item->reply = (struct pawl_store_reply){ .token = request->token,
                                             .op = request->op,
                                             .partition = request->partition };
    pawl_mem_store_apply(world->mem, request, &item->arena, &item->reply);
    push(&world->replies, item);
}

static void step_once(struct node_world *world, struct pawl_node_event event)
{
    event.now_ms = world->now_ms;
    pawl_node_step(world->node, &event, &world->effects);
    world->wake_ms = world->effects.wake_at_ms;
    for (uint32_t i = 0; i < world->effects.count; i++) {
        const struct pawl_effect *effect = &world->effects.items[i];
        switch (effect->type) {
        case PAWL_EFFECT_STORE: ask_store(world, effect->store); break;
        case PAWL_EFFECT_SEND: on_frame(world, effect->send.frame); break;
        case PAWL_EFFECT_ANSWER: on_answer(world, effect->answer.answer); break;
        default: break; /* log lines; there are no peers */
        }
    }
}

static void step(struct node_world *world, struct pawl_node_event event)
{
    step_once(world, event);
    for (struct item *item; (item = pop(&world->replies)) != NULL;) {
        step_once(world, (struct pawl_node_event){ .type = PAWL_NODE_STORE_REPLY,
                                                   .store_reply = &item->reply });
        item_free(item);
    }
}

static bool find(void *context, const struct pawl_code_wanted *wanted, struct pawl_code *ret_code)
{
    struct node_world *world = context;
    (void)wanted;
    *ret_code = (struct pawl_code){ .run = world->run };
    return true;
}

static void *take_stack(void *stacks, bool *ret_guarded)
{
    return pawl_stack_take(stacks, ret_guarded);
}

static void give_stack(void *stacks, void *stack, bool guarded)
{
    pawl_stack_give(stacks, stack, guarded);
}

static void log_nothing(void *context, enum pawl_level level, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
}

static void open_worker(struct node_world *world, const char *workflow, const char *activity)
{
    struct pawl_registration workflows = { .name = pawl_bytes_str(workflow) };
    struct pawl_registration activities = { .name = pawl_bytes_str(activity) };
    struct pawl_hello hello = { .workflows_count = 1,
                                .workflows = &workflows,
                                .activities_count = 1,
                                .activities = &activities };
    step(world, (struct pawl_node_event){
                    .type = PAWL_NODE_WORKER_OPENED, .worker = WORKER, .hello = &hello });
    step(world, (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CREDIT,
                                          .worker = WORKER,
                                          .credit = { 0, PAWL_CREDIT_MAX } });
}

struct node_world *node_world_new(int64_t now_ms, uint64_t seed, const char *workflow,
                                  pawl_workflow_fn *run, const char *activity,
                                  node_world_activity_fn *activity_run)
{
    struct node_world *world = PAWL_NEW(struct node_world);
    world->now_ms = now_ms;
    world->run = run;
    world->activity_run = activity_run;
    world->allocator = pawl_allocator_choose((struct pawl_allocator){ NULL, NULL, NULL });
    pawl_heap_init(&world->activities);
    pawl_err err = pawl_stack_pool_new(65536, &world->stacks);
    PAWL_ASSERT(err == PAWL_OK);
    /* Nothing is held: so that the order of turns is that of the lane alone. */
    struct pawl_replay_config config = {
        .host = { .allocator = &world->allocator,
                  .stack_size = pawl_stack_pool_size(world->stacks),
                  .stacks = world->stacks,
                  .stack_take = take_stack,
                  .stack_give = give_stack,
                  .log = log_nothing },
        .find = find,
        .find_context = world,
    };
    err = pawl_replay_new(&config, &world->replay);
    PAWL_ASSERT(err == PAWL_OK);
    world->node = pawl_node_new(&(struct pawl_node_config){ .app = "test",
                                                            .host = "test-host",
                                                            .partitions = 2,
                                                            .seed = seed,
                                                            .instance_idle_ms = 1000000000 });
    world->mem = pawl_mem_store_new();
    pawl_effects_init(&world->effects);
    for (uint32_t i = 0; i < 2; i++)
        step(world, (struct pawl_node_event){ .type = PAWL_NODE_OWN, .own = { i, 1 } });
    PAWL_ASSERT(pawl_node_is_ready(world->node));
    open_worker(world, workflow, activity);
    return world;
}

void node_world_free(struct node_world *world)
{
    for (struct item *item; (item = pop(&world->turns)) != NULL;) item_free(item);
    for (struct item *item; (item = pop(&world->results)) != NULL;) item_free(item);
    for (struct pawl_heap_node *node; (node = pawl_heap_peek(&world->activities)) != NULL;) {
        pawl_heap_remove(&world->activities, node);
        item_free(PAWL_CONTAINER_OF(node, struct item, due));
    }
    pawl_heap_deinit(&world->activities);
    pawl_node_free(world->node);
    pawl_mem_store_free(world->mem);
    pawl_effects_deinit(&world->effects);
    pawl_replay_free(world->replay);
    pawl_stack_pool_free(world->stacks);
    pawl_mem_free(world);
}

/* Running -------------------------------------------------------------------------------- */

static void deliver_activities(struct node_world *world)
{
    for (struct pawl_heap_node *node;
         (node = pawl_heap_peek(&world->activities)) != NULL && node->due_ms <= world->now_ms;) {
        struct item *item = PAWL_CONTAINER_OF(node, struct item, due);
        pawl_heap_remove(&world->activities, node);
        step(world, (struct pawl_node_event){ .type = PAWL_NODE_ACTIVITY_DONE,
                                              .worker = WORKER,
                                              .activity_done = &item->done });
        item_free(item);
    }
}

static void run_turn(struct node_world *world, struct item *item)
{
    struct pawl_buf out;
    struct pawl_frame frame;
    pawl_buf_init(&out, PAWL_FRAME_SIZE_MAX);
    pawl_replay_on_turn(world->replay, &item->frame.turn, &out);
    pawl_err err = pawl_frame_decode(pawl_buf_view(&out), &item->arena, &frame);
    PAWL_ASSERT(err == PAWL_OK && frame.type == PAWL_FRAME_TURN_DONE);
    step(world, (struct pawl_node_event){
                    .type = PAWL_NODE_TURN_DONE, .worker = WORKER, .turn_done = &frame.turn_done });
    pawl_buf_deinit(&out);
    item_free(item);
}

/* Credit is given only when somebody waits for it, so that none is left over. */
static bool run_one_turn(struct node_world *world)
{
    if (pawl_node_metrics(world->node)->turns_queued == 0) return false;
    step(world, (struct pawl_node_event){
                    .type = PAWL_NODE_WORKER_CREDIT, .worker = WORKER, .credit = { 1, 0 } });
    struct item *item = pop(&world->turns);
    PAWL_ASSERT(item != NULL);
    run_turn(world, item);
    return true;
}

void node_world_run_until(struct node_world *world, int64_t until_ms)
{
    for (;;) {
        deliver_activities(world);
        if (world->wake_ms && world->wake_ms <= world->now_ms) {
            step(world, (struct pawl_node_event){ .type = PAWL_NODE_TICK });
            continue;
        }
        if (run_one_turn(world)) continue;
        const struct pawl_heap_node *activity = pawl_heap_peek(&world->activities);
        int64_t next_ms = world->wake_ms ? world->wake_ms : INT64_MAX;
        if (activity && activity->due_ms < next_ms) next_ms = activity->due_ms;
        if (next_ms > until_ms) break;
        world->now_ms = next_ms;
    }
    world->now_ms = until_ms;
}

const struct pawl_result *node_world_request(struct node_world *world,
                                             const struct pawl_request *request, pawl_err *ret_err)
{
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = ++world->tokens;
    event.request.request = request;
    world->asked = request;
    world->answered = NULL;
    step(world, event);
    PAWL_ASSERT(world->answered != NULL);
    struct item *item = item_new();
    item->result = world->answered;
    push(&world->results, item);
    if (ret_err) *ret_err = world->answered_err;
    return item->result;
}
