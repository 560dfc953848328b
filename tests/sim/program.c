/* Programs: random workflows, their interpreter over a history, and the reference that
 * knows their output without any engine. */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "tests/sim/sim.h"

#define STEPS_MAX      6u
#define FAN_MAX        5u
#define AGAIN_MAX      512u /* tries of what nobody knows, and the pauses before them */
#define FACTS_MAX      (STEPS_MAX * (FAN_MAX + 5) + 8 + AGAIN_MAX)
#define FACTS_PIECE    16u
#define DEPTH_MAX      2u
#define GENERATION_MAX 3u
#define EVENTS_MAX     4096u

enum step_kind { STEP_ACTIVITIES, STEP_TIMER, STEP_RACE, STEP_EVENT, STEP_CHILD, STEP_FORGOTTEN };

struct step {
    enum step_kind kind;
    uint32_t count; /* activities; or ms of a timer */
};

struct program {
    uint32_t steps_count;
    struct step steps[STEPS_MAX];
    bool continues; /* as new, at the end */
};

/* "seed depth generation consumed accumulator breaks client detaches waits tells" */
struct input {
    uint64_t seed;
    uint32_t depth;
    uint32_t generation;
    uint32_t consumed; /* external events so far */
    uint64_t accumulator;
    enum sim_breaks breaks;
    uint32_t client;   /* who mends it */
    uint32_t detaches; /* 1: it starts detached workflows, and leaves children behind */
    uint32_t waits;    /* 1: it does nothing for ever */
    uint32_t tells;    /* 1: its children tell it that they are there; see SIM_TELL */
};

static struct pawl_bytes input_format(struct pawl_arena *arena, const struct input *input)
{
    return pawl_arena_printf(
        arena, "%llu %u %u %u %llu %d %u %u %u %u", (unsigned long long)input->seed, input->depth,
        input->generation, input->consumed, (unsigned long long)input->accumulator,
        (int)input->breaks, input->client, input->detaches, input->waits, input->tells);
}

static struct input input_parse(struct pawl_bytes text)
{
    char copy[128] = { 0 };
    PAWL_ASSERT(text.size < sizeof copy);
    memcpy(copy, text.data, text.size);
    char *next = copy;
    struct input input;
    input.seed = strtoull(next, &next, 10);
    input.depth = (uint32_t)strtoul(next, &next, 10);
    input.generation = (uint32_t)strtoul(next, &next, 10);
    input.consumed = (uint32_t)strtoul(next, &next, 10);
    input.accumulator = strtoull(next, &next, 10);
    input.breaks = (enum sim_breaks)strtoul(next, &next, 10);
    input.client = (uint32_t)strtoul(next, &next, 10);
    input.detaches = (uint32_t)strtoul(next, &next, 10);
    input.waits = (uint32_t)strtoul(next, &next, 10);
    input.tells = (uint32_t)strtoul(next, &next, 10);
    return input;
}

static uint64_t mix(uint64_t accumulator, uint64_t value)
{
    return (accumulator ^ value) * UINT64_C(0x9E3779B97F4A7C15) + 1;
}

static struct program program_draw(const struct input *input)
{
    struct pawl_rng rng;
    struct program program = { .steps_count = 0 };
    pawl_rng_init(&rng, mix(mix(input->seed, input->depth), input->generation));
    program.steps_count = 1 + (uint32_t)pawl_rng_below(&rng, STEPS_MAX);
    for (uint32_t i = 0; i < program.steps_count; i++) {
        uint64_t kind = pawl_rng_below(&rng, 12);
        struct step *step = &program.steps[i];
        step->kind = kind < 5    ? STEP_ACTIVITIES
                     : kind < 7  ? STEP_TIMER
                     : kind < 8  ? STEP_RACE
                     : kind < 10 ? STEP_EVENT
                     : kind < 11 ? STEP_CHILD
                                 : STEP_FORGOTTEN;
        if (input->depth > 0 && step->kind == STEP_EVENT) step->kind = STEP_ACTIVITIES;
        if (input->depth >= DEPTH_MAX && step->kind == STEP_CHILD) step->kind = STEP_ACTIVITIES;
        step->count = step->kind == STEP_TIMER ? (uint32_t)pawl_rng_below(&rng, 20000)
                                               : 1 + (uint32_t)pawl_rng_below(&rng, FAN_MAX);
    }
    program.continues = input->generation + 1 < GENERATION_MAX && pawl_rng_below(&rng, 4) == 0;
    return program;
}

static uint64_t child_seed(const struct input *input, uint32_t step)
{
    return mix(mix(input->seed, 77), (uint64_t)input->generation * 100 + step);
}

/* About every sixth activity or child is another app's. */
static bool is_elsewhere(const struct input *input, uint32_t step, uint32_t index)
{
    return mix(mix(input->seed, 99 + input->generation), (uint64_t)step * 64 + index) % 6 == 0;
}

static struct pawl_bytes other_app(struct pawl_bytes instance)
{
    return pawl_bytes_str(sim_app_name(1 - sim_app_of(instance)));
}

static struct pawl_bytes activity_input(struct pawl_arena *arena, const struct input *input,
                                        uint32_t step, uint32_t index)
{
    return pawl_arena_printf(arena, "%llu/%u/%u/%u/%u", (unsigned long long)input->seed,
                             input->depth, input->generation, step, index);
}

static uint64_t text_value(struct pawl_bytes text)
{
    return pawl_hash_stable(text.size ? text : PAWL_BYTES_LITERAL("-"));
}

bool sim_activity_result(struct pawl_bytes input, struct pawl_arena *arena,
                         struct pawl_bytes *ret_output)
{
    uint64_t value = text_value(input);
    *ret_output = pawl_arena_printf(arena, "%llu", (unsigned long long)value);
    return value % 7 == 0;
}

static uint64_t activity_value(struct pawl_arena *arena, struct pawl_bytes input)
{
    struct pawl_bytes output;
    bool failed = sim_activity_result(input, arena, &output);
    return failed ? 13 : text_value(output);
}

/* Reference ------------------------------------------------------------------------------ */

static uint64_t reference(struct pawl_arena *arena, struct input input, uint32_t *events)
{
    for (;;) {
        struct program program = program_draw(&input);
        for (uint32_t i = 0; i < program.steps_count; i++) {
            const struct step *step = &program.steps[i];
            switch (step->kind) {
            case STEP_ACTIVITIES:
                for (uint32_t k = 0; k < step->count; k++)
                    input.accumulator =
                        mix(input.accumulator,
                            activity_value(arena, activity_input(arena, &input, i, k)));
                break;
            case STEP_EVENT: input.accumulator = mix(input.accumulator, input.consumed++); break;
            case STEP_CHILD: {
                uint32_t none = 0;
                struct input child = { .seed = child_seed(&input, i), .depth = input.depth + 1 };
                uint64_t value = reference(arena, child, &none);
                input.accumulator =
                    mix(input.accumulator,
                        text_value(pawl_arena_printf(arena, "%llu", (unsigned long long)value)));
                break;
            }
            case STEP_TIMER:
            case STEP_RACE:
            case STEP_FORGOTTEN: input.accumulator = mix(input.accumulator, step->kind); break;
            }
        }
        *events = input.consumed;
        if (!program.continues) return input.accumulator;
        input.generation++;
    }
}

struct pawl_bytes sim_program_input(struct pawl_arena *arena, uint64_t seed)
{
    struct input input = { .seed = seed };
    return input_format(arena, &input);
}

struct pawl_bytes sim_program_broken_input(struct pawl_arena *arena, uint64_t seed,
                                           enum sim_breaks breaks, uint32_t client, bool detaches,
                                           bool tells)
{
    struct input input = {
        .seed = seed, .breaks = breaks, .client = client, .detaches = detaches, .tells = tells
    };
    return input_format(arena, &input);
}

struct pawl_bytes sim_program_expected(struct pawl_arena *arena, uint64_t seed,
                                       uint32_t *ret_events)
{
    struct input input = { .seed = seed };
    uint64_t value = reference(arena, input, ret_events);
    return pawl_arena_printf(arena, "%llu", (unsigned long long)value);
}

struct pawl_bytes sim_program_expected_of(struct pawl_arena *arena, struct pawl_bytes input)
{
    uint32_t events;
    uint64_t value = reference(arena, input_parse(input), &events);
    return pawl_arena_printf(arena, "%llu", (unsigned long long)value);
}

bool sim_program_is_alone(uint64_t seed)
{
    struct input input = { .seed = seed };
    for (;; input.generation++) {
        struct program program = program_draw(&input);
        for (uint32_t i = 0; i < program.steps_count; i++)
            if (program.steps[i].kind == STEP_CHILD) return false;
        if (!program.continues) return true;
    }
}

struct pawl_bytes sim_program_again_input(struct pawl_arena *arena, uint64_t seed)
{
    struct input input = { .seed = seed, .depth = DEPTH_MAX };
    return input_format(arena, &input);
}

struct pawl_bytes sim_program_again_expected(struct pawl_arena *arena, uint64_t seed)
{
    struct input input = { .seed = seed, .depth = DEPTH_MAX };
    uint32_t events;
    return pawl_arena_printf(arena, "%llu", (unsigned long long)reference(arena, input, &events));
}

/* Interpreter ------------------------------------------------------------------------------ */

struct fact {
    uint8_t scheduled; /* enum pawl_event_kind of the schedule, 0: not yet */
    bool resolved;
    bool failed;
    bool unknown; /* failed, because nobody knew its name */
    bool cancelled;
    bool told;         /* the child's event has come */
    uint32_t position; /* of the resolution */
    struct pawl_bytes output;
};

struct run {
    struct pawl_arena *arena;
    struct input input;
    int64_t now_ms;
    struct pawl_bytes instance;
    uint32_t gen;
    struct fact *facts[FACTS_MAX / FACTS_PIECE + 1]; /* in pieces: most runs need one */
    uint32_t raised_count;
    struct pawl_bytes *raised; /* encoded events */
    uint32_t *raised_values;
    uint32_t raised_used;
    int32_t next_id;
    struct pawl_turn_done *done;
    uint32_t actions_room;
};

static struct fact *fact_of(struct run *run, int32_t id)
{
    PAWL_ASSERT(id >= 0 && (uint32_t)id < FACTS_MAX);
    struct fact **piece = &run->facts[(uint32_t)id / FACTS_PIECE];
    if (!*piece) *piece = PAWL_ARENA_ARRAY(run->arena, struct fact, FACTS_PIECE);
    return *piece + (uint32_t)id % FACTS_PIECE;
}

static uint32_t raised_value(struct pawl_bytes payload)
{
    char copy[16] = { 0 };
    PAWL_ASSERT(payload.size < sizeof copy);
    memcpy(copy, payload.data, payload.size);
    return (uint32_t)strtoul(copy, NULL, 10);
}

/* A child, whose id ends in that of its operation, tells once that it is there. At a former owner,
 * whose commit will be refused, that may come before what has started it. */
static void run_read_tell(struct run *run, const struct pawl_history_event *event)
{
    if (!run->input.tells) return; /* an earlier instance had this id, and the child */
    struct fact *child = fact_of(run, (int32_t)raised_value(event->payload));
    PAWL_ASSERT(child->scheduled == 0 || child->scheduled == PAWL_EVENT_CHILD_CREATED);
    PAWL_ASSERT(!child->told); /* an event is delivered once */
    child->told = true;
}

static void run_read(struct run *run, uint32_t position, struct pawl_bytes bytes)
{
    struct pawl_history_event event;
    pawl_err err = pawl_history_event_decode(bytes, &event);
    PAWL_ASSERT(err == PAWL_OK);
    switch (event.kind) {
    case PAWL_EVENT_WORKFLOW_STARTED: run->now_ms = event.timestamp_ms; break;
    case PAWL_EVENT_EXECUTION_STARTED: run->input = input_parse(event.payload); break;
    case PAWL_EVENT_TASK_SCHEDULED:
    case PAWL_EVENT_TIMER_CREATED:
    case PAWL_EVENT_DETACHED_CREATED:
    case PAWL_EVENT_EVENT_SENT:
    case PAWL_EVENT_CHILD_CREATED: fact_of(run, event.id)->scheduled = (uint8_t)event.kind; break;
    case PAWL_EVENT_TASK_CANCELLED:
    case PAWL_EVENT_TIMER_CANCELLED: fact_of(run, event.ref)->cancelled = true; break;
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_FAILED:
    case PAWL_EVENT_CHILD_COMPLETED:
    case PAWL_EVENT_CHILD_FAILED:
    case PAWL_EVENT_TIMER_FIRED: {
        struct fact *fact = fact_of(run, event.ref);
        PAWL_ASSERT(!fact->resolved);
        fact->resolved = true;
        fact->failed =
            event.kind == PAWL_EVENT_TASK_FAILED || event.kind == PAWL_EVENT_CHILD_FAILED;
        fact->unknown =
            event.failure.present && pawl_bytes_is_str(event.failure.type, "ActivityNotRegistered");
        fact->output = event.payload;
        fact->position = position;
        break;
    }
    case PAWL_EVENT_EVENT_RAISED:
        if (pawl_bytes_is_str(event.name, SIM_TELL)) {
            run_read_tell(run, &event);
            break;
        }
        PAWL_ASSERT(run->raised_count < EVENTS_MAX);
        run->raised[run->raised_count] = bytes;
        run->raised_values[run->raised_count++] = raised_value(event.payload);
        break;
    default: break;
    }
}

/* Where the actions so far are afterwards is another place. */
static void run_make_room(struct run *run)
{
    const struct pawl_action *before = run->done->actions;
    run->actions_room = run->actions_room * 2 + 4;
    run->done->actions = PAWL_ARENA_ARRAY(run->arena, struct pawl_action, run->actions_room);
    for (uint32_t i = 0; i < run->done->actions_count; i++) run->done->actions[i] = before[i];
}

static struct pawl_action *run_act(struct run *run, enum pawl_action_kind kind)
{
    struct pawl_turn_done *done = run->done;
    if (done->actions_count == run->actions_room) run_make_room(run);
    struct pawl_action *action = &done->actions[done->actions_count++];
    *action = (struct pawl_action){ .kind = kind, .id = -1, .ref = -1 };
    return action;
}

/* The schedule of the next id: recorded before, or an action now. */
static int32_t run_schedule(struct run *run, enum pawl_event_kind recorded_as,
                            enum pawl_action_kind kind, struct pawl_action **ret_action)
{
    int32_t id = run->next_id++;
    struct fact *fact = fact_of(run, id);
    *ret_action = NULL;
    if (fact->scheduled) {
        PAWL_ASSERT(fact->scheduled == recorded_as); /* the code is deterministic */
        return id;
    }
    struct pawl_action *action = run_act(run, kind);
    action->id = id;
    *ret_action = action;
    return id;
}

static int32_t run_activity(struct run *run, uint32_t step, uint32_t index)
{
    struct pawl_action *action;
    int32_t id = run_schedule(run, PAWL_EVENT_TASK_SCHEDULED, PAWL_ACTION_ACTIVITY, &action);
    if (action) {
        action->name = PAWL_BYTES_LITERAL("Work");
        action->payload = activity_input(run->arena, &run->input, step, index);
        if (is_elsewhere(&run->input, step, index)) action->target_app = other_app(run->instance);
    }
    return id;
}

static int32_t run_timer(struct run *run, uint32_t ms)
{
    struct pawl_action *action;
    int32_t id = run_schedule(run, PAWL_EVENT_TIMER_CREATED, PAWL_ACTION_TIMER, &action);
    if (action) action->fire_at_ms = run->now_ms + ms;
    return id;
}

/* What no worker of the time knew is tried again: a newer version will come. */
static bool run_activities(struct run *run, uint32_t step, uint32_t count)
{
    int32_t first = run->next_id;
    for (uint32_t k = 0; k < count; k++) (void)run_activity(run, step, k);
    for (uint32_t k = 0; k < count; k++) {
        const struct fact *fact = fact_of(run, first + (int32_t)k);
        while (fact->resolved && fact->unknown) {
            int32_t pause = run_timer(run, 1000);
            if (!fact_of(run, pause)->resolved) return false;
            fact = fact_of(run, run_activity(run, step, k));
        }
        if (!fact->resolved) return false;
        run->input.accumulator =
            mix(run->input.accumulator, fact->failed ? 13 : text_value(fact->output));
    }
    return true;
}

/* Whoever comes first; what lost is given up. Some of the activities may not take long,
 * nor be silent for long: the race does not mind how they end. */
static bool run_race(struct run *run, uint32_t step)
{
    uint32_t actions_count = run->done->actions_count;
    int32_t activity = run_activity(run, step, 0);
    if (run->done->actions_count > actions_count) {
        struct pawl_action *action = &run->done->actions[actions_count];
        action->start_to_close_ms = step % 2 ? 30 : 0;
        action->heartbeat_ms = step % 3 ? 20 : 0;
        action->start_within_ms = run->input.tells && step % 4 == 3 ? 25 : 0;
    }
    int32_t timer = run_timer(run, 50);
    const struct fact *work = fact_of(run, activity);
    const struct fact *time = fact_of(run, timer);
    if (!work->resolved && !time->resolved) return false;
    bool work_won = work->resolved && (!time->resolved || work->position < time->position);
    if (work_won && !time->resolved && !time->cancelled)
        run_act(run, PAWL_ACTION_CANCEL_TIMER)->ref = timer;
    if (!work_won && !work->resolved && !work->cancelled)
        run_act(run, PAWL_ACTION_CANCEL_ACTIVITY)->ref = activity;
    run->input.accumulator = mix(run->input.accumulator, STEP_RACE);
    return true;
}

static bool run_event(struct run *run)
{
    if (run->raised_used == run->raised_count) return false;
    uint32_t value = run->raised_values[run->raised_used++];
    PAWL_ASSERT(value == run->input.consumed); /* in order, none lost, none twice */
    run->input.consumed++;
    run->input.accumulator = mix(run->input.accumulator, value);
    return true;
}

static int32_t run_start_child(struct run *run, uint32_t step, const struct input *child)
{
    struct pawl_action *action;
    int32_t id = run_schedule(run, PAWL_EVENT_CHILD_CREATED, PAWL_ACTION_CHILD, &action);
    if (action) {
        action->name = PAWL_BYTES_LITERAL("Program");
        action->payload = input_format(run->arena, child);
        bool elsewhere = is_elsewhere(&run->input, step, 0);
        if (elsewhere) action->target_app = other_app(run->instance);
        uint32_t app = elsewhere ? 1 - sim_app_of(run->instance) : sim_app_of(run->instance);
        action->instance = pawl_arena_printf(run->arena, "%s%.*s.%u.%d", sim_app_name(app),
                                             PAWL_BYTES_FMT(run->instance), run->gen, id);
    }
    return id;
}

static bool run_child(struct run *run, uint32_t step)
{
    struct input child = { .seed = child_seed(&run->input, step),
                           .depth = run->input.depth + 1,
                           .detaches = run->input.detaches,
                           .tells = run->input.tells };
    const struct fact *fact = fact_of(run, run_start_child(run, step, &child));
    if (!fact->resolved) return false;
    if (run->input.tells && !fact->told && !fact->failed) return false;
    /* A child fails only when this instance was terminated and the turn runs at a former
     * owner that has not noticed: its commit will be refused. */
    run->input.accumulator =
        mix(run->input.accumulator, fact->failed ? 13 : text_value(fact->output));
    return true;
}

/* It waits for nobody, and nobody waits for it. Some share an id: those that find it in use are
 * not started. True: it was one of these. */
static bool run_detached(struct run *run, uint32_t step)
{
    struct pawl_action *action;
    int32_t id = run_schedule(run, PAWL_EVENT_DETACHED_CREATED, PAWL_ACTION_DETACHED, &action);
    uint64_t seed = mix(child_seed(&run->input, step), 5);
    bool is_shared = seed % 4 == 0;
    if (!action) return is_shared;
    struct input input = { .seed = seed, .depth = DEPTH_MAX };
    uint32_t app = sim_app_of(run->instance);
    if (is_elsewhere(&run->input, step, FAN_MAX + 1)) app = 1 - app;
    if (app != sim_app_of(run->instance)) action->target_app = other_app(run->instance);
    action->name = PAWL_BYTES_LITERAL("Program");
    action->payload = input_format(run->arena, &input);
    action->start_at_ms = seed % 3 == 0 ? run->now_ms + 2000 : 0;
    if (is_shared)
        action->instance =
            pawl_arena_printf(run->arena, "%s%.*s.%u" SIM_DETACHED_SHARED, sim_app_name(app),
                              PAWL_BYTES_FMT(run->instance), run->gen);
    else
        action->instance =
            pawl_arena_printf(run->arena, "%s%.*s.%u.%d" SIM_DETACHED, sim_app_name(app),
                              PAWL_BYTES_FMT(run->instance), run->gen, id);
    return is_shared;
}

/* Nobody waits for it. It ends with this instance, and never by itself; or goes on. */
static void run_left_child(struct run *run, uint32_t step, bool ends_with_us)
{
    struct input child = { .seed = mix(child_seed(&run->input, step), 9),
                           .depth = DEPTH_MAX,
                           .waits = ends_with_us };
    uint32_t actions_count = run->done->actions_count;
    (void)run_start_child(run, step, &child);
    if (run->done->actions_count == actions_count) return;
    struct pawl_action *action = &run->done->actions[actions_count];
    action->parent_close = ends_with_us ? PAWL_PARENT_CLOSE_TERMINATE : PAWL_PARENT_CLOSE_ABANDON;
    action->instance = pawl_arena_printf(run->arena, "%.*s%s", PAWL_BYTES_FMT(action->instance),
                                         ends_with_us ? SIM_CHILD_CLOSED : SIM_CHILD_LEFT);
}

/* One that may not wait long for its beginning: whatever becomes of it, the answer comes. */
static bool run_hurried_child(struct run *run, uint32_t step)
{
    struct input child = { .seed = mix(child_seed(&run->input, step), 11), .depth = DEPTH_MAX };
    uint32_t actions_count = run->done->actions_count;
    int32_t id = run_start_child(run, step, &child);
    if (run->done->actions_count > actions_count)
        run->done->actions[actions_count].start_within_ms = 1 + (int64_t)(child.seed % 60);
    return fact_of(run, id)->resolved;
}

/* "<app><parent>.<generation of the parent>.<operation>" */
static struct pawl_bytes id_parent(struct pawl_bytes instance, struct pawl_bytes *ret_op)
{
    size_t size = instance.size;
    while (instance.data[size - 1] != '.') size--;
    *ret_op = pawl_bytes_make(instance.data + size, instance.size - size);
    size--;
    while (instance.data[size - 1] != '.') size--;
    return pawl_bytes_make(instance.data + 1, size - 2);
}

/* The first thing a child does, if its parent waits for it. */
static void run_tell(struct run *run)
{
    struct pawl_action *action;
    struct pawl_bytes op;
    (void)run_schedule(run, PAWL_EVENT_EVENT_SENT, PAWL_ACTION_SEND_EVENT, &action);
    if (!action) return;
    action->instance = id_parent(run->instance, &op);
    action->name = PAWL_BYTES_LITERAL(SIM_TELL);
    action->payload = op;
    if (sim_app_of(action->instance) != sim_app_of(run->instance))
        action->target_app = other_app(run->instance);
}

static bool run_step(struct run *run, uint32_t index, const struct step *step)
{
    switch (step->kind) {
    case STEP_ACTIVITIES: return run_activities(run, index, step->count);
    case STEP_TIMER: {
        int32_t id = run_timer(run, step->count);
        if (!fact_of(run, id)->resolved) return false;
        run->input.accumulator = mix(run->input.accumulator, STEP_TIMER);
        return true;
    }
    case STEP_RACE: return run_race(run, index);
    case STEP_EVENT: return run_event(run);
    case STEP_CHILD: return run_child(run, index);
    case STEP_FORGOTTEN:
        (void)run_activity(run, index, 0);
        if (run->input.detaches) {
            if (run_detached(run, index)) (void)run_detached(run, index);
            run_left_child(run, index, true);
            run_left_child(run, index, false);
        }
        if (run->input.tells && !run_hurried_child(run, index)) return false;
        run->input.accumulator = mix(run->input.accumulator, STEP_FORGOTTEN);
        return true;
    }
    return true;
}

static int32_t run_break(struct run *run)
{
    struct pawl_action *action;
    int32_t id = run_schedule(run, PAWL_EVENT_TASK_SCHEDULED, PAWL_ACTION_ACTIVITY, &action);
    if (action) action->name = PAWL_BYTES_LITERAL("Work");
    if (action) action->payload = pawl_arena_printf(run->arena, "break/%u", run->input.client);
    return id;
}

/* What breaks until its client has mended it: true, it did not; else it is not known yet, or the
 * workflow fails. */
static bool run_fragile(struct run *run)
{
    int32_t id;
    if (run->input.breaks == SIM_BREAKS_NOT) return true;
    if (run->input.breaks == SIM_BREAKS_IN_CHILD) {
        struct input child = { .seed = child_seed(&run->input, STEPS_MAX),
                               .depth = DEPTH_MAX,
                               .breaks = SIM_BREAKS,
                               .client = run->input.client };
        id = run_start_child(run, STEPS_MAX, &child);
    } else {
        id = run_break(run);
    }
    /* What no worker of the time knew is tried again, as in run_activities. */
    while (fact_of(run, id)->resolved && fact_of(run, id)->unknown) {
        int32_t pause = run_timer(run, 1000);
        if (!fact_of(run, pause)->resolved) return false;
        id = run_break(run);
    }
    const struct fact *fact = fact_of(run, id);
    if (fact->resolved && fact->failed) {
        struct pawl_action *end = run_act(run, PAWL_ACTION_COMPLETE);
        end->status = PAWL_STATUS_FAILED;
        end->failure = (struct pawl_failure_view){ .present = true,
                                                   .type = pawl_bytes_str(SIM_BROKEN),
                                                   .message = pawl_bytes_str("broken") };
    }
    return fact->resolved && !fact->failed;
}

/* The custom status: how far it is, and at last the output. */
static void run_show(struct run *run, struct pawl_bytes text)
{
    if (!run->input.tells) return;
    run->done->custom_status_set = true;
    run->done->custom_status = text;
}

static void run_end(struct run *run, const struct program *program)
{
    if (!program->continues) {
        struct pawl_action *action = run_act(run, PAWL_ACTION_COMPLETE);
        action->status = PAWL_STATUS_COMPLETED;
        action->payload =
            pawl_arena_printf(run->arena, "%llu", (unsigned long long)run->input.accumulator);
        run_show(run, action->payload);
        return;
    }
    struct pawl_action *action = run_act(run, PAWL_ACTION_CONTINUE);
    run->input.generation++;
    action->payload = input_format(run->arena, &run->input);
    action->carry_count = run->raised_count - run->raised_used;
    action->carry = run->raised + run->raised_used;
}

void sim_program_run(const struct pawl_turn *turn, uint32_t events_count,
                     const struct pawl_bytes *events, struct pawl_arena *arena,
                     struct pawl_turn_done *ret_done)
{
    struct run run = {
        .arena = arena, .instance = turn->instance, .gen = turn->gen, .done = ret_done
    };
    run.raised = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, events_count + 1);
    run.raised_values = PAWL_ARENA_ARRAY(arena, uint32_t, events_count + 1);
    *ret_done = (struct pawl_turn_done){ .turn = turn->turn, .instance = turn->instance };
    for (uint32_t i = 0; i < events_count; i++) run_read(&run, i, events[i]);

    struct program program = program_draw(&run.input);
    if (run.input.waits) return;
    run_show(&run, pawl_arena_printf(arena, "%u events", run.raised_count));
    if (run.input.tells && run.input.depth > 0 && run.input.generation == 0) run_tell(&run);
    for (uint32_t i = 0; i < program.steps_count; i++)
        if (!run_step(&run, i, &program.steps[i])) return;
    if (program.continues || run_fragile(&run)) run_end(&run, &program);
}
