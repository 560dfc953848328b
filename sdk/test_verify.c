#include "sdk/test_verify.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/recorded.h"

#define RULES                                                                                \
    "A workflow function must do the same whenever it is run over the same history: it may " \
    "not look at the clock, at random numbers, the environment or variables that change; "   \
    "use pawl_now_ms, pawl_uuid and activities."

/* Running code ------------------------------------------------------------ */

static void answer_decode(struct pawl_arena *arena, struct pawl_buf *out,
                          struct pawl_frame *ret_frame)
{
    PAWL_ASSERT(out->bad == PAWL_OK); /* tests have memory */
    pawl_err err = pawl_frame_decode(pawl_arena_copy(arena, pawl_buf_view(out)), arena, ret_frame);
    PAWL_ASSERT(err == PAWL_OK); /* the library's own encoding */
    pawl_buf_deinit(out);
}

/* One TURN over `past_count` events and then `fresh`, from `base` or from nothing. */
void pawl_test_ask_code(struct pawl_test_engine *engine, struct pawl_replay *replay,
                        const struct pawl_test_instance *instance, struct pawl_id id,
                        const struct pawl_id *base, uint32_t past_count, uint32_t fresh_count,
                        const struct pawl_bytes *fresh, struct pawl_arena *arena,
                        struct pawl_frame *ret_frame)
{
    struct pawl_turn turn = { .turn = id,
                              .inc = instance->inc,
                              .gen = instance->gen,
                              .instance = instance->id,
                              .name = instance->name,
                              .version = instance->version };
    uint32_t given = base ? 0 : past_count;
    if (base) turn.base = *base;
    turn.past_count = given;
    turn.events_count = given + fresh_count;
    turn.events = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, turn.events_count);
    for (uint32_t i = 0; i < given; i++) turn.events[i] = instance->events[i];
    for (uint32_t i = 0; i < fresh_count; i++) turn.events[given + i] = fresh[i];

    struct pawl_buf out;
    pawl_buf_init(&out, PAWL_FRAME_SIZE_MAX);
    engine->inside = true;
    pawl_replay_on_turn(replay, &turn, &out);
    engine->inside = false;
    answer_decode(arena, &out, ret_frame);
    if (ret_frame->type != PAWL_FRAME_NEED_HISTORY) return;
    PAWL_ASSERT(base != NULL);
    pawl_test_ask_code(engine, replay, instance, id, NULL, past_count, fresh_count, fresh, arena,
                       ret_frame);
}

/* Verifying on the shadow ------------------------------------------------------------ */

struct finding {
    struct pawl_test_engine *engine;
    struct pawl_test_instance *instance;
};

static void report_unsound(void *context, const struct pawl_divergence *divergence)
{
    const struct finding *finding = context;
    struct pawl_test_instance *instance = finding->instance;
    if (instance->unsound) return;
    instance->unsound = true;
    if (divergence->difference) {
        pawl_test_engine_note(
            finding->engine, PAWL_E_NONDETERMINISM,
            "Workflow '%.*s' is not deterministic (instance '%.*s'). It was run a second time "
            "over the same history, and history event #%u came out differently: %s, %s. %s",
            PAWL_BYTES_FMT(instance->name), PAWL_BYTES_FMT(instance->id), divergence->index,
            divergence->recorded, divergence->difference, RULES);
        return;
    }
    pawl_test_engine_note(
        finding->engine, PAWL_E_NONDETERMINISM,
        "Workflow '%.*s' is not deterministic (instance '%.*s'). It was run a second time over "
        "the same history. The first time it did %s (history event #%u); the second time it did "
        "%s. %s",
        PAWL_BYTES_FMT(instance->name), PAWL_BYTES_FMT(instance->id),
        divergence->recorded[0] ? divergence->recorded : "nothing and waited", divergence->index,
        divergence->made[0] ? divergence->made : "nothing and waited", RULES);
}

static void verify_turn(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                        const struct pawl_bytes *events, const struct pawl_recorded_turn *turn,
                        struct pawl_arena *arena)
{
    struct pawl_frame frame;
    struct pawl_id id = pawl_rng_id(&engine->rng);
    const struct pawl_id *base =
        pawl_id_is_zero(instance->shadow_base) ? NULL : &instance->shadow_base;
    pawl_test_ask_code(engine, engine->shadow, instance, id, base, turn->first,
                       turn->records - turn->first, events + turn->first, arena, &frame);
    instance->shadow_base = id;
    struct finding finding = { engine, instance };
    if (frame.turn_done.err != PAWL_OK) {
        instance->unsound = true;
        pawl_test_engine_note(engine, frame.turn_done.err, "Instance '%.*s': %.*s",
                              PAWL_BYTES_FMT(instance->id),
                              PAWL_BYTES_FMT(frame.turn_done.message));
        return;
    }
    pawl_recorded_compare(events, turn, frame.turn_done.actions_count, frame.turn_done.actions,
                          report_unsound, &finding);
}

/* Over what has come since the last time. */
static void verify_events(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                          const struct pawl_bytes *events, uint32_t events_count)
{
    struct pawl_arena arena;
    struct pawl_recorded_turn turn;
    pawl_arena_init(&arena);
    while (!instance->unsound
           && pawl_recorded_next_turn(events, events_count, instance->verified_count, &turn)) {
        pawl_arena_reset(&arena);
        if (turn.by_engine) break;
        verify_turn(engine, instance, events, &turn, &arena);
        instance->verified_count = turn.end;
    }
    pawl_arena_deinit(&arena);
}

void pawl_test_verify_instance(struct pawl_test_engine *engine, struct pawl_test_instance *instance)
{
    verify_events(engine, instance, instance->events, instance->events_count);
}

void pawl_test_engine_verify(struct pawl_test_engine *engine)
{
    uint32_t cursor = 0;
    for (struct pawl_test_instance *instance;
         (instance = pawl_map_next(&engine->instances, &cursor)) != NULL;)
        pawl_test_verify_instance(engine, instance);
}

void pawl_test_verify_reset(struct pawl_test_engine *engine, struct pawl_test_instance *instance)
{
    pawl_replay_on_evict(engine->shadow, instance->id);
    instance->shadow_base = (struct pawl_id){ { 0 } };
    instance->verified_count = 0;
}

void pawl_test_verify_generation(struct pawl_test_engine *engine,
                                 struct pawl_test_instance *instance, struct pawl_test_draft *draft)
{
    struct pawl_history_event end =
        pawl_history_event_make(PAWL_EVENT_CONTINUE_AS_NEW, engine->now_ms);
    end.payload = draft->continued->payload;
    end.version = draft->continued->version;
    uint32_t count = instance->events_count + draft->events_count + 1;
    struct pawl_bytes *events = PAWL_ARENA_ARRAY(&draft->arena, struct pawl_bytes, count);
    for (uint32_t i = 0; i < instance->events_count; i++) events[i] = instance->events[i];
    for (uint32_t i = 0; i < draft->events_count; i++)
        events[instance->events_count + i] = draft->events[i];
    events[count - 1] = pawl_history_event_pack(&draft->arena, &end);
    struct pawl_bytes *kept = instance->events;
    instance->events = events; /* for a replay from nothing */
    verify_events(engine, instance, events, count);
    instance->events = kept;
    pawl_test_verify_reset(engine, instance);
}
