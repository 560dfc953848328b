/* Exported histories: the JSON of one becomes events, or a sentence says why not; and what
 * was taken can be played against an app that answers nonsense. */
#include "fuzz.h"

#include "actors/import.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "cli/replay_play.h"
#include "sdk/export_json.h"
#include "sidecar/import_request.h"

static void take(void *context, const struct pawl_frame *frame)
{
    struct pawl_frame *last = context;
    if (frame->type == PAWL_FRAME_TURN) *last = *frame;
}

/* Nothing was done in any turn. */
static void play_against_nothing(const struct pawl_export *history, struct pawl_arena *arena)
{
    struct pawl_play play;
    struct pawl_frame given = { .type = 0 };
    pawl_play_start(&play, history, arena, take, &given);
    while (play.state == PAWL_PLAY_WAITING) {
        struct pawl_frame answer = { .type = PAWL_FRAME_TURN_DONE };
        answer.turn_done =
            (struct pawl_turn_done){ .turn = given.turn.turn, .instance = given.turn.instance };
        pawl_play_on_frame(&play, &answer, take, &given);
    }
    struct pawl_buf buf;
    pawl_buf_init(&buf, 1u << 20);
    pawl_play_report(&play, true, &buf);
    PAWL_ASSERT(buf.size > 0);
    pawl_buf_deinit(&buf);
}

/* What is taken is a sound beginning of an instance. */
static void import_it(struct pawl_bytes json, struct pawl_arena *arena)
{
    struct pawl_request request = { .op = PAWL_REQUEST_IMPORT };
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    struct pawl_import import;
    struct pawl_import_begin begin;
    struct pawl_seed again;
    if (pawl_import_request_fill(json, arena, &request, &why) != PAWL_OK) {
        PAWL_ASSERT(why.size > 0);
        return;
    }
    PAWL_ASSERT(pawl_import_unpack(arena, request.payload, &import) == PAWL_OK);
    struct pawl_import_target target = {
        .arena = arena, .instance = PAWL_BYTES_LITERAL("j"), .name = request.name, .now_ms = 1
    };
    if (pawl_import_begin_make(&target, &import, &begin, &why) != PAWL_OK) {
        PAWL_ASSERT(why.size > 0);
        return;
    }
    struct pawl_bytes packed = pawl_seed_pack(arena, &begin.seed);
    PAWL_ASSERT(pawl_seed_unpack(arena, packed, &again) == PAWL_OK);
    PAWL_ASSERT(again.is_import && begin.started.size > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    struct pawl_export history;
    const char *why = NULL;
    pawl_arena_init(&arena);
    if (pawl_export_json_parse(pawl_bytes_make(data, size), &arena, &history, &why)) {
        history.file = "file";
        for (uint32_t i = 0; i < history.events_count; i++) {
            struct pawl_history_event event;
            pawl_err err = pawl_history_event_decode(history.events[i], &event);
            PAWL_ASSERT(err == PAWL_OK);
        }
        play_against_nothing(&history, &arena);
    } else {
        PAWL_ASSERT(why != NULL && why[0] != 0);
    }
    import_it(pawl_bytes_make(data, size), &arena);
    pawl_arena_deinit(&arena);
    return 0;
}
