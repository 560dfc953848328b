/* Exported histories: the JSON of one becomes events, or a sentence says why not; and what
 * was taken can be played against an app that answers nonsense. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/io/history_file.h"
#include "cli/replay_play.h"

static void take(void *context, const struct pawl_frame *frame)
{
    struct pawl_frame *last = context;
    if (frame->type == PAWL_FRAME_TURN) *last = *frame;
}

/* Nothing was done in any turn. */
static void play_against_nothing(const struct pawl_cli_history *history, struct pawl_arena *arena)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    struct pawl_cli_history history;
    const char *why = NULL;
    pawl_arena_init(&arena);
    if (pawl_history_file_parse(pawl_bytes_make(data, size), &arena, &history, &why)) {
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
    pawl_arena_deinit(&arena);
    return 0;
}
