/* The app beside a node: holds instances between turns, runs programs and activities. */
#include <stdlib.h>

#include "tests/sim/world.h"

/* Apps -------------------------------------------------------------------------------------------
 */

static struct held *held_find(struct app *app, struct pawl_bytes instance)
{
    for (struct pawl_list *link = app->held.next; link != &app->held; link = link->next) {
        struct held *held = PAWL_CONTAINER_OF(link, struct held, link);
        if (pawl_bytes_is_equal(held->instance, instance)) return held;
    }
    return NULL;
}

static uint8_t *bytes_own(struct pawl_bytes bytes)
{
    uint8_t *copy = pawl_mem_alloc(bytes.size);
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static void held_clear(struct held *held)
{
    for (uint32_t i = 0; i < held->count; i++)
        pawl_mem_free((void *)(uintptr_t)held->events[i].data);
    held->count = 0;
}

static void held_free(struct held *held)
{
    held_clear(held);
    pawl_mem_free(held->events);
    pawl_mem_free((void *)(uintptr_t)held->instance.data);
    pawl_list_remove(&held->link);
    pawl_mem_free(held);
}

void sim_app_drop_all(struct app *app)
{
    while (!pawl_list_is_empty(&app->held))
        held_free(PAWL_CONTAINER_OF(app->held.next, struct held, link));
}

static void held_add(struct held *held, struct pawl_bytes event)
{
    if (held->count == held->capacity) {
        held->capacity = held->capacity ? held->capacity * 2 : 8;
        held->events = pawl_mem_resize(held->events, held->capacity * sizeof *held->events);
    }
    held->events[held->count++] = pawl_bytes_make(bytes_own(event), event.size);
}

static struct held *held_get(struct app *app, struct pawl_bytes instance)
{
    struct held *held = held_find(app, instance);
    if (held) return held;
    held = PAWL_NEW(struct held);
    held->instance = pawl_bytes_make(bytes_own(instance), instance.size);
    pawl_list_push_tail(&app->held, &held->link);
    return held;
}

void sim_app_send(struct sim *sim, uint32_t target, struct pawl_bytes frame)
{
    struct node *node = &sim->nodes[target];
    struct item *item = sim_item_new(ITEM_TO_NODE, target, node->app.life);
    item->frame = pawl_arena_copy(&item->arena, frame);
    int64_t at_ms = sim->now_ms + sim_draw_ms(&sim->network, sim->faults.link_ms_max);
    if (at_ms < node->app.to_node_ms) at_ms = node->app.to_node_ms;
    node->app.to_node_ms = at_ms;
    sim_item_at(sim, item, at_ms);
}

static void app_reply(struct sim *sim, uint32_t target, const struct pawl_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    sim_app_send(sim, target, pawl_buf_view(&buf));
    sim_hostile_on_sent(sim, target, frame, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
}

static void app_grant(struct sim *sim, uint32_t target, uint32_t turns, uint32_t activities)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_CREDIT };
    frame.credit = (struct pawl_credit){ turns, activities };
    app_reply(sim, target, &frame);
}

/* The events that the worker will find in the history after its turn: what its actions
 * become. It holds them so that the next turn needs only what is new. */
static void held_add_actions(struct held *held, const struct pawl_turn_done *done)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    for (uint32_t i = 0; i < done->actions_count; i++) {
        const struct pawl_action *action = &done->actions[i];
        struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TASK_SCHEDULED, 0);
        event.id = action->id;
        event.ref = action->ref;
        switch (action->kind) {
        case PAWL_ACTION_ACTIVITY: break;
        case PAWL_ACTION_TIMER: event.kind = PAWL_EVENT_TIMER_CREATED; break;
        case PAWL_ACTION_CHILD: event.kind = PAWL_EVENT_CHILD_CREATED; break;
        case PAWL_ACTION_SEND_EVENT: event.kind = PAWL_EVENT_EVENT_SENT; break;
        case PAWL_ACTION_DETACHED: event.kind = PAWL_EVENT_DETACHED_CREATED; break;
        case PAWL_ACTION_CANCEL_TIMER: event.kind = PAWL_EVENT_TIMER_CANCELLED; break;
        case PAWL_ACTION_CANCEL_ACTIVITY: event.kind = PAWL_EVENT_TASK_CANCELLED; break;
        default: continue;
        }
        held_add(held, pawl_history_event_pack(&arena, &event));
    }
    pawl_arena_deinit(&arena);
}

/* Code: each app has the program in version 1, in version 2 or in both, which all do the
 * same. A generation keeps the version that it began with, and, for half of the instances,
 * the patch that its first turn applied. ---------------------------------------------- */

#define CODE_WHOLE (1u << 1 | 1u << 2)

static const struct pawl_bytes code_versions[3] = { { NULL, 0 },
                                                    { (const uint8_t *)"1", 1 },
                                                    { (const uint8_t *)"2", 1 } };

static bool code_is_patched(struct pawl_bytes instance)
{
    return instance.data[instance.size - 1] % 2 == 0;
}

static uint32_t code_latest(const struct app *app)
{
    return app->versions & 1u << 2 ? 2 : 1;
}

/* The first turn of a generation chooses; what it chose must come back with its history. */
static void code_check(const struct app *app, const struct pawl_turn *turn, const struct held *held,
                       struct pawl_turn_done *done)
{
    static struct pawl_bytes patch = { (const uint8_t *)"patch", 5 };
    struct pawl_history_event first = { .kind = 0 };
    uint32_t index = 0;
    for (; first.kind != PAWL_EVENT_WORKFLOW_STARTED; index++) {
        PAWL_ASSERT(index < held->count);
        pawl_err err = pawl_history_event_decode(held->events[index], &first);
        PAWL_ASSERT(err == PAWL_OK);
    }
    if (index > held->count - (turn->events_count - turn->past_count)) {
        done->version = code_versions[code_latest(app)];
        done->patches = &patch;
        done->patches_count = code_is_patched(turn->instance) ? 1 : 0;
        return;
    }
    struct pawl_bytes name = PAWL_BYTES_ABSENT;
    size_t cursor = 0;
    bool is_patched = pawl_patches_next(first.patches, &cursor, &name);
    PAWL_ASSERT(is_patched == code_is_patched(turn->instance));
    PAWL_ASSERT(!is_patched || pawl_bytes_is_equal(name, patch));
    bool is_here = false;
    for (uint32_t i = 1; i <= 2; i++)
        if (app->versions & 1u << i)
            is_here |= pawl_bytes_is_equal(first.version, code_versions[i]);
    PAWL_ASSERT(is_here); /* nobody is given code that he has not */
}

/* A mistake in the app: it is another program than the history says. The next life of the
 * app has the right one again, perhaps. */
static bool code_is_wrong(struct sim *sim, const struct app *app)
{
    return !sim->calm && app->versions == 1u << 1 && sim_chance(&sim->network, 100);
}

static void app_on_turn(struct sim *sim, uint32_t target, const struct pawl_turn *turn,
                        struct pawl_arena *arena)
{
    struct app *app = &sim->nodes[target].app;
    struct held *held = held_get(app, turn->instance);
    bool is_delta = !pawl_id_is_zero(turn->base);
    if (is_delta) {
        bool holds = held->count > 0 && pawl_id_is_equal(held->turn, turn->base);
        if (!holds || (!sim->calm && sim_chance(&sim->network, sim->faults.cache_drop))) {
            struct pawl_frame need = { .type = PAWL_FRAME_NEED_HISTORY };
            need.need_history =
                (struct pawl_need_history){ .turn = turn->turn, .instance = turn->instance };
            held_free(held);
            sim->coverage->need_history++;
            app_reply(sim, target, &need);
            app_grant(sim, target, 1, 0);
            return;
        }
    } else {
        held_clear(held);
        for (uint32_t i = 0; i < app->past_count; i++) held_add(held, app->past_events[i]);
    }
    pawl_arena_reset(&app->past);
    app->past_count = 0;
    for (uint32_t i = 0; i < turn->events_count; i++) held_add(held, turn->events[i]);

    struct pawl_frame done = { .type = PAWL_FRAME_TURN_DONE };
    if (code_is_wrong(sim, app)) {
        held_free(held);
        done.turn_done = (struct pawl_turn_done){ .turn = turn->turn,
                                                  .instance = turn->instance,
                                                  .err = PAWL_E_NONDETERMINISM,
                                                  .message = PAWL_BYTES_LITERAL("wrong code") };
        app_reply(sim, target, &done);
        app_grant(sim, target, 1, 0);
        return;
    }
    sim_program_run(turn, held->count, held->events, arena, &done.turn_done);
    for (uint32_t i = 0; i < done.turn_done.actions_count; i++)
        if (done.turn_done.actions[i].kind == PAWL_ACTION_SEND_EVENT) sim->coverage->tells++;
    if (!is_delta) code_check(app, turn, held, &done.turn_done);
    done.turn_done.cached = true;
    held->turn = turn->turn;
    app_reply(sim, target, &done);
    held_add_actions(held, &done.turn_done);
    app_grant(sim, target, 1, 0);
}

static void app_on_history(struct app *app, const struct pawl_history_chunk *chunk)
{
    struct pawl_bytes *grown =
        PAWL_ARENA_ARRAY(&app->past, struct pawl_bytes, app->past_count + chunk->events_count);
    if (app->past_count) memcpy(grown, app->past_events, app->past_count * sizeof *grown);
    app->past_events = grown;
    for (uint32_t i = 0; i < chunk->events_count; i++)
        app->past_events[app->past_count++] = pawl_arena_copy(&app->past, chunk->events[i]);
}

/* It begins, and says how far the attempt before had come. */
static void app_beat(struct sim *sim, uint32_t target, const struct pawl_activity_item *activity)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ACTIVITY_HEARTBEAT };
    frame.activity_beat.token = activity->token;
    frame.activity_beat.progress =
        activity->progress.size ? activity->progress : PAWL_BYTES_LITERAL("begun");
    app_reply(sim, target, &frame);
}

/* "break/<client>" */
static bool activity_breaks(const struct sim *sim, struct pawl_bytes input)
{
    char text[32] = { 0 };
    PAWL_ASSERT(input.size < sizeof text);
    memcpy(text, input.data, input.size);
    return !sim->clients[strtoul(text + strlen("break/"), NULL, 10)].mended;
}

static void app_on_activity(struct sim *sim, uint32_t target, struct item *item,
                            const struct pawl_activity_item *activity)
{
    PAWL_ASSERT(activity->takes_heartbeats);
    if (activity->start_to_close_ms || activity->heartbeat_ms) app_beat(sim, target, activity);
    struct item *end = sim_item_new(ITEM_ACTIVITY_END, target, item->life);
    struct pawl_frame done = { .type = PAWL_FRAME_ACTIVITY_DONE };
    done.activity_done.token = activity->token;
    bool failed = sim_activity_result(activity->payload, &end->arena, &done.activity_done.payload);
    if (pawl_bytes_starts_with(activity->payload, PAWL_BYTES_LITERAL("break/")))
        failed = activity_breaks(sim, activity->payload);
    if (failed) {
        done.activity_done.payload = PAWL_BYTES_ABSENT;
        done.activity_done.failure =
            (struct pawl_failure_view){ .present = true, .type = PAWL_BYTES_LITERAL("Unlucky") };
    }
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, &done);
    end->frame = pawl_arena_copy(&end->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    sim_item_at(sim, end, sim->now_ms + sim_draw_ms(&sim->network, sim->faults.activity_ms_max));
}

void sim_app_on_frame(struct sim *sim, struct item *item)
{
    struct node *node = &sim->nodes[item->target];
    if (!node->app.life || node->app.life != item->life) return;
    struct pawl_frame frame;
    pawl_err err = pawl_frame_decode(item->frame, &item->arena, &frame);
    PAWL_ASSERT(err == PAWL_OK);
    switch (frame.type) {
    case PAWL_FRAME_TURN: app_on_turn(sim, item->target, &frame.turn, &item->arena); break;
    case PAWL_FRAME_HISTORY: app_on_history(&node->app, &frame.history); break;
    case PAWL_FRAME_ACTIVITY: app_on_activity(sim, item->target, item, &frame.activity); break;
    case PAWL_FRAME_EVICT: {
        struct held *held = held_find(&node->app, frame.evict.instance);
        if (held) held_free(held);
        break;
    }
    case PAWL_FRAME_ACTIVITY_CANCEL: break; /* it goes on, and what it says is ignored */
    default: PAWL_UNREACHABLE("the engine sends no other frame to a worker");
    }
}

void sim_app_connect(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    if (!node->life) return;
    bool is_absent = sim->calm && (sim->faults.apps_absent & UINT32_C(1) << target);
    if (is_absent && node->paused_ms <= sim->now_ms) {
        sim->coverage->apps_absent++;
        sim_app_disconnect(sim, target, true);
        return;
    }
    if (node->app.away_ms > sim->now_ms) {
        sim_item_at(sim, sim_item_new(ITEM_APP_CONNECT, target, node->life), node->app.away_ms);
        return;
    }
    bool is_partial = node->app.versions != CODE_WHOLE;
    if (node->app.life && sim->calm && is_partial && node->paused_ms <= sim->now_ms)
        sim_app_disconnect(sim, target, false); /* and comes back with the whole code */
    if (node->app.life) return;
    if (node->paused_ms > sim->now_ms) {
        sim_item_at(sim, sim_item_new(ITEM_APP_CONNECT, target, node->life), node->paused_ms);
        return;
    }
    static const uint32_t some[] = { 1u << 1, 1u << 2, CODE_WHOLE, CODE_WHOLE };
    node->app.versions = sim->calm ? CODE_WHOLE : some[pawl_rng_below(&sim->world, 4)];
    bool is_old =
        !sim->calm && sim->faults.app_old && sim_chance(&sim->network, sim->faults.app_old);
    struct pawl_registration programs[2], work = { .name = PAWL_BYTES_LITERAL("Work") };
    if (is_old) work.name = PAWL_BYTES_LITERAL("Former");
    struct pawl_hello hello = { .workflows = programs,
                                .activities_count = 1,
                                .activities = &work,
                                .minor = PAWL_PROTOCOL_MINOR };
    for (uint32_t i = 1; i <= 2; i++) {
        if (!(node->app.versions & 1u << i)) continue;
        programs[hello.workflows_count++] =
            (struct pawl_registration){ .name = PAWL_BYTES_LITERAL("Program"),
                                        .version = code_versions[i],
                                        .latest = i == code_latest(&node->app) };
    }
    node->app.life = ++sim->lives;
    sim_node_step(sim, target,
                  (struct pawl_node_event){
                      .type = PAWL_NODE_WORKER_OPENED, .worker = node->app.life, .hello = &hello });
    app_grant(sim, target, 4, 8);
    if (is_old)
        sim_item_at(sim, sim_item_new(ITEM_APP_RENEW, target, node->app.life),
                    sim->now_ms + sim_draw_ms(&sim->network, 3000));
}

/* The present version of the app takes the place of an old one. */
void sim_app_renew(struct sim *sim, const struct item *item)
{
    const struct node *node = &sim->nodes[item->target];
    if (!node->life || node->app.life != item->life) return;
    if (node->paused_ms > sim->now_ms)
        sim_item_at(sim, sim_item_new(ITEM_APP_RENEW, item->target, item->life), node->paused_ms);
    else
        sim_app_disconnect(sim, item->target, true);
}

void sim_node_on_frame(struct sim *sim, struct item *item)
{
    struct node *node = &sim->nodes[item->target];
    if (!node->life || !node->app.life || node->app.life != item->life) return;
    struct pawl_frame frame;
    pawl_err err = pawl_frame_decode(item->frame, &item->arena, &frame);
    PAWL_ASSERT(err == PAWL_OK);
    struct pawl_node_event event = { .worker = item->life };
    switch (frame.type) {
    case PAWL_FRAME_CREDIT:
        event.type = PAWL_NODE_WORKER_CREDIT;
        event.credit = frame.credit;
        break;
    case PAWL_FRAME_TURN_DONE:
        event.type = PAWL_NODE_TURN_DONE;
        event.turn_done = &frame.turn_done;
        break;
    case PAWL_FRAME_NEED_HISTORY:
        event.type = PAWL_NODE_NEED_HISTORY;
        event.need_history = frame.need_history;
        break;
    case PAWL_FRAME_ACTIVITY_DONE:
        event.type = PAWL_NODE_ACTIVITY_DONE;
        event.activity_done = &frame.activity_done;
        sim_limits_on_done(sim, item->target, frame.activity_done.token);
        break;
    case PAWL_FRAME_ACTIVITY_HEARTBEAT:
        event.type = PAWL_NODE_ACTIVITY_HEARTBEAT;
        event.activity_beat = &frame.activity_beat;
        break;
    default: PAWL_UNREACHABLE("the model's app sends no other frame");
    }
    sim_node_step(sim, item->target, event);
}

void sim_activity_end(struct sim *sim, struct item *item)
{
    struct node *node = &sim->nodes[item->target];
    if (!node->app.life || node->app.life != item->life) return;
    struct item *frame = sim_item_new(ITEM_TO_NODE, item->target, item->life);
    frame->frame = pawl_arena_copy(&frame->arena, item->frame);
    sim_item_at(sim, frame, sim->now_ms + sim_draw_ms(&sim->network, sim->faults.link_ms_max));
    app_grant(sim, item->target, 0, 1);
}
