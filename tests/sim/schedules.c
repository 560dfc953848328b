/* Schedules: a client makes one, pauses and resumes it, triggers it, and deletes it when all
 * is calm. What must hold: each time that came due and each trigger is counted once; as many
 * runs are stored as were counted as started; and, unless the schedule allows it, no run is
 * made while another one has not ended. */
#include "tests/sim/world.h"

#include <stdio.h>

#include "base/hash.h"
#include "sdk/schedule.h"

#define PATIENCE_MS 3000
#define TOKEN_BIT   (UINT64_C(1) << 40)

bool sim_schedule_owns(uint64_t token)
{
    return token >= TOKEN_BIT;
}

static void schedule_again(struct sim *sim, uint32_t index, int64_t in_ms)
{
    struct item *item = sim_item_new(ITEM_SCHEDULE, index, sim->schedules[index].attempt);
    sim_item_at(sim, item, sim->now_ms + in_ms);
}

void sim_schedules_init(struct sim *sim, const struct sim_plan *plan)
{
    pawl_rng_init(&sim->schedules_rng, plan->seed ^ UINT64_C(0x7363686564));
    sim->schedules_count = plan->schedules;
    for (uint32_t i = 0; i < sim->schedules_count; i++) {
        struct schedule *schedule = &sim->schedules[i];
        struct pawl_rng *rng = &sim->schedules_rng;
        schedule->app = pawl_rng_below(rng, 3) == 0;
        (void)snprintf(schedule->id, sizeof schedule->id, "%s-s%u", sim_app_name(schedule->app), i);
        schedule->seed = pawl_rng_next(rng) >> 8;
        schedule->every_ms = 2000 + (int64_t)pawl_rng_below(rng, 12000);
        schedule->overlap = (enum pawl_overlap_policy)pawl_rng_below(rng, 4);
        schedule->catch_up_ms = pawl_rng_below(rng, 2) ? 10000 : 0;
        schedule->steps_left = (uint32_t)pawl_rng_below(rng, 8);
        schedule->will_pause = pawl_rng_below(rng, 3) == 0;
        schedule->attempt = TOKEN_BIT + i;
        schedule_again(sim, i, sim_draw_ms(rng, SIM_SAFETY_MS / 3));
    }
}

/* Asking -------------------------------------------------------------------------------------- */

static void schedule_request(const struct schedule *schedule, struct pawl_arena *arena,
                             struct pawl_request *ret_request)
{
    struct pawl_request request = {
        .instance = pawl_schedule_instance(arena, pawl_bytes_str(schedule->id)),
        .request_id = pawl_arena_printf(arena, "%s-%u", schedule->id, schedule->requests),
        .op = PAWL_REQUEST_RAISE,
    };
    struct pawl_schedule_spec spec = { .workflow = PAWL_BYTES_LITERAL("Program"),
                                       .input = sim_program_again_input(arena, schedule->seed),
                                       .every_ms = schedule->every_ms,
                                       .overlap = schedule->overlap,
                                       .catch_up_ms = schedule->catch_up_ms };
    switch (schedule->state) {
    case SCHEDULE_CREATE:
        request.op = PAWL_REQUEST_START;
        request.reuse = PAWL_REUSE_REFUSE;
        request.name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME);
        request.payload = pawl_schedule_spec_pack(arena, &spec);
        break;
    case SCHEDULE_TRIGGER: request.name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_TRIGGER); break;
    case SCHEDULE_PAUSE:
    case SCHEDULE_CLOSE: request.name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_PAUSE); break;
    case SCHEDULE_RESUME: request.name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_RESUME); break;
    case SCHEDULE_LOOK: request.op = PAWL_REQUEST_GET; break;
    case SCHEDULE_DELETE:
        request.op = PAWL_REQUEST_PURGE;
        request.force = true;
        break;
    case SCHEDULE_DONE: PAWL_UNREACHABLE("there is nothing to ask");
    }
    *ret_request = request;
}

void sim_schedule_step(struct sim *sim, uint32_t index)
{
    struct schedule *schedule = &sim->schedules[index];
    if (schedule->state == SCHEDULE_DONE) return;
    uint32_t nodes = schedule->app == 0 ? SIM_NODES_OF_A : SIM_NODES - SIM_NODES_OF_A;
    uint32_t target = (schedule->app == 0 ? 0 : SIM_NODES_OF_A)
                      + (uint32_t)pawl_rng_below(&sim->schedules_rng, nodes);
    schedule->attempt += SIM_SCHEDULES_MAX;
    schedule_again(sim, index, PATIENCE_MS);
    if (!sim->nodes[target].life || sim->nodes[target].paused_ms > sim->now_ms) return;
    struct pawl_arena arena;
    struct pawl_request request;
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    pawl_arena_init(&arena);
    schedule_request(schedule, &arena, &request);
    pawl_err err = pawl_request_check(&request, &arena, &why);
    PAWL_ASSERT(err == PAWL_OK);
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = schedule->attempt;
    event.request.request = &request;
    sim_node_step(sim, target, event);
    pawl_arena_deinit(&arena);
}

/* Answers ------------------------------------------------------------------------------------- */

static void schedule_next(struct sim *sim, struct schedule *schedule)
{
    schedule->requests++;
    if (schedule->state == SCHEDULE_DELETE) {
        schedule->state = SCHEDULE_DONE;
        return;
    }
    if (schedule->state == SCHEDULE_CLOSE) {
        schedule->state = SCHEDULE_LOOK;
        return;
    }
    if (schedule->state == SCHEDULE_TRIGGER) schedule->triggers++;
    if (schedule->state == SCHEDULE_PAUSE) {
        schedule->was_paused = true;
        schedule->state = SCHEDULE_RESUME;
        return;
    }
    if (schedule->steps_left == 0) {
        schedule->state = SCHEDULE_CLOSE;
        return;
    }
    schedule->steps_left--;
    bool will_pause = schedule->will_pause && pawl_rng_below(&sim->schedules_rng, 2) == 0;
    schedule->state = will_pause ? SCHEDULE_PAUSE : SCHEDULE_TRIGGER;
}

static bool state_is_idle(const struct pawl_schedule_state *state)
{
    return state->paused && state->starting.time_ms == 0 && state->buffered.time_ms == 0
           && state->triggered_count == 0;
}

/* Paused and idle: the books must balance. */
static void schedule_check_counts(struct sim *sim, struct schedule *schedule,
                                  const struct pawl_schedule_state *state, int64_t created_ms)
{
    int64_t times =
        state->last_ms / schedule->every_ms - created_ms / schedule->every_ms + schedule->triggers;
    int64_t counted = (int64_t)(state->started + state->skipped + state->missed + state->failed);
    bool is_balanced = counted == times || (schedule->was_paused && counted < times);
    if (!is_balanced)
        fprintf(stderr,
                "schedule %s: %lld counted, %lld came due: %lld started, %lld skipped, %lld "
                "missed, %lld failed, %u triggered\n",
                schedule->id, (long long)counted, (long long)times, (long long)state->started,
                (long long)state->skipped, (long long)state->missed, (long long)state->failed,
                schedule->triggers);
    PAWL_ASSERT(state->failed == 0);
    PAWL_ASSERT(is_balanced);
    schedule->started = state->started;
    sim->coverage->runs += state->started;
    sim->coverage->runs_skipped += state->skipped;
}

static bool schedule_on_state(struct sim *sim, struct schedule *schedule,
                              const struct pawl_answer *answer)
{
    struct pawl_schedule_state state;
    PAWL_ASSERT(answer->states_count == 1);
    /* Whoever owns it may be away since it was created: it has not begun. */
    if (answer->states[0].status == PAWL_STATUS_PENDING) return false;
    pawl_err err = pawl_schedule_state_unpack(answer->states[0].custom_status, &state);
    PAWL_ASSERT(err == PAWL_OK);
    if (!state_is_idle(&state)) return false;
    schedule_check_counts(sim, schedule, &state, answer->states[0].created_ms);
    schedule->state = SCHEDULE_DELETE;
    return true;
}

void sim_schedule_on_answer(struct sim *sim, uint64_t token, const struct pawl_answer *answer)
{
    uint32_t index = (uint32_t)((token - TOKEN_BIT) % SIM_SCHEDULES_MAX);
    struct schedule *schedule = &sim->schedules[index];
    if (schedule->attempt != token) return;
    if (!sim->calm && sim_chance(&sim->schedules_rng, sim->faults.answer_lost)) return;
    schedule->attempt += SIM_SCHEDULES_MAX;
    bool is_settled = answer->err == PAWL_OK;
    PAWL_ASSERT(answer->err != PAWL_E_INVALID && answer->err != PAWL_E_EXISTS);
    if (schedule->state == SCHEDULE_DELETE)
        is_settled = is_settled || answer->err == PAWL_E_NOT_FOUND;
    else
        PAWL_ASSERT(answer->err != PAWL_E_NOT_FOUND && answer->err != PAWL_E_TERMINAL);
    if (schedule->state == SCHEDULE_LOOK)
        (void)(is_settled && schedule_on_state(sim, schedule, answer));
    else if (is_settled)
        schedule_next(sim, schedule);
    /* The last pause comes when all is calm, so that many times come due. */
    bool is_early = schedule->state == SCHEDULE_CLOSE && !sim->calm;
    schedule_again(sim, index,
                   is_early ? SIM_SAFETY_MS / 2
                            : sim_draw_ms(&sim->schedules_rng, is_settled ? 6000 : 500));
}

/* Runs ---------------------------------------------------------------------------------------- */

struct runs {
    const struct schedule *schedule;
    struct pawl_bytes but; /* absent: all */
    uint64_t count;
    uint64_t unfinished;
};

static bool is_run_of(const struct schedule *schedule, struct pawl_bytes instance)
{
    size_t size = strlen(schedule->id);
    return instance.size > size && memcmp(instance.data, schedule->id, size) == 0
           && instance.data[size] == '-';
}

static void runs_visit(void *context, uint32_t partition, struct pawl_bytes instance,
                       const struct pawl_snapshot *snapshot, uint32_t reminders_count,
                       const struct pawl_reminder *reminders)
{
    struct runs *runs = context;
    (void)partition, (void)reminders_count, (void)reminders;
    if (!is_run_of(runs->schedule, instance) || pawl_bytes_is_equal(runs->but, instance)) return;
    runs->count++;
    if (!pawl_status_is_terminal(snapshot->metadata.status)) runs->unfinished++;
    if (snapshot->metadata.status != PAWL_STATUS_COMPLETED) return;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    PAWL_ASSERT(pawl_bytes_is_equal(snapshot->payloads.output,
                                    sim_program_again_expected(&arena, runs->schedule->seed)));
    pawl_arena_deinit(&arena);
}

void sim_schedule_on_applied(struct sim *sim, uint32_t app,
                             const struct pawl_store_request *request,
                             const struct pawl_store_reply *reply)
{
    if (request->op != PAWL_STORE_CREATE || reply->err != PAWL_OK) return;
    /* What a read has shown may be lost by a failover: then an ended run goes on. */
    if (sim->shards[app].generation > 0) return;
    for (uint32_t i = 0; i < sim->schedules_count; i++) {
        const struct schedule *schedule = &sim->schedules[i];
        if (!is_run_of(schedule, request->create.instance)) continue;
        if (schedule->overlap == PAWL_OVERLAP_ALLOW) continue;
        struct runs runs = { .schedule = schedule, .but = request->create.instance };
        pawl_mem_store_visit(sim->shards[app].mem, PAWL_LOAD_PAYLOADS, runs_visit, &runs);
        PAWL_ASSERT(runs.unfinished == 0); /* they never overlap */
    }
}

void sim_schedule_check_stored(const struct sim *sim, uint32_t index)
{
    const struct schedule *schedule = &sim->schedules[index];
    struct runs runs = { .schedule = schedule };
    PAWL_ASSERT(schedule->state == SCHEDULE_DONE);
    pawl_mem_store_visit(sim->shards[schedule->app].mem, PAWL_LOAD_PAYLOADS, runs_visit, &runs);
    if (runs.count != schedule->started)
        fprintf(stderr, "schedule %s: %llu runs are stored, %llu were started\n", schedule->id,
                (unsigned long long)runs.count, (unsigned long long)schedule->started);
    PAWL_ASSERT(runs.count == schedule->started); /* none lost, none doubled */
}
