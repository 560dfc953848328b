#include "cli/replay_play.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"

/* Giving turns --------------------------------------------------------------------------- */

static void send_past(const struct pawl_play *play, pawl_play_send_fn *send, void *context)
{
    const struct pawl_export *history = play->history;
    uint32_t from = 0;
    size_t size = 0;
    for (uint32_t i = 0; i < play->turn.first; i++) {
        size += history->events[i].size;
        if (size < PAWL_HISTORY_CHUNK_SIZE && i + 1 < play->turn.first) continue;
        struct pawl_frame frame = { .type = PAWL_FRAME_HISTORY };
        frame.history = (struct pawl_history_chunk){ .turn = play->id,
                                                     .events_count = i + 1 - from,
                                                     .events = history->events + from };
        send(context, &frame);
        from = i + 1;
        size = 0;
    }
}

/* The events that the turn is to take in. Its beginning says that it has been run before,
 * so that the code is told about patches what it was told then: nothing, if nothing is
 * recorded. */
static struct pawl_bytes *fresh_events(const struct pawl_play *play, uint32_t count)
{
    struct pawl_bytes *fresh = PAWL_ARENA_ARRAY(play->arena, struct pawl_bytes, count);
    struct pawl_history_event started;
    memcpy(fresh, play->history->events + play->turn.first, count * sizeof *fresh);
    pawl_err err = pawl_history_event_decode(fresh[0], &started);
    PAWL_ASSERT(err == PAWL_OK && started.kind == PAWL_EVENT_WORKFLOW_STARTED);
    if (!pawl_bytes_is_absent(started.patches)) return fresh;
    started.patches = PAWL_BYTES_LITERAL("");
    fresh[0] = pawl_history_event_pack(play->arena, &started);
    return fresh;
}

static void give(struct pawl_play *play, bool whole, pawl_play_send_fn *send, void *context)
{
    const struct pawl_export *history = play->history;
    uint64_t number = ++play->turns_given;
    play->id = pawl_hash_id(history->instance, pawl_bytes_make(&number, sizeof number));
    if (whole) {
        play->base = (struct pawl_id){ { 0 } };
        send_past(play, send, context);
    }
    struct pawl_frame frame = { .type = PAWL_FRAME_TURN };
    uint32_t fresh_count = play->turn.records - play->turn.first;
    frame.turn = (struct pawl_turn){ .turn = play->id,
                                     .base = play->base,
                                     .inc = history->inc,
                                     .gen = history->gen,
                                     .instance = history->instance,
                                     .name = history->name,
                                     .version = history->version,
                                     .events_count = fresh_count,
                                     .events = fresh_events(play, fresh_count) };
    send(context, &frame);
}

/* The last turn that ran code is given a second time, from nothing. */
static void next(struct pawl_play *play, uint32_t from, pawl_play_send_fn *send, void *context)
{
    struct pawl_recorded_turn turn;
    bool more =
        !play->again
        && pawl_recorded_next_turn(play->history->events, play->history->events_count, from, &turn)
        && !turn.by_engine;
    if (more) {
        play->turn = turn;
        give(play, pawl_id_is_zero(play->base), send, context);
        return;
    }
    if (play->turns_count > 0 && !play->again) {
        play->again = true;
        give(play, true, send, context);
        return;
    }
    struct pawl_frame evict = { .type = PAWL_FRAME_EVICT };
    evict.evict.instance = play->history->instance;
    send(context, &evict);
    play->state = PAWL_PLAY_SAME;
}

void pawl_play_start(struct pawl_play *play, const struct pawl_export *history,
                     struct pawl_arena *arena, pawl_play_send_fn *send, void *context)
{
    *play = (struct pawl_play){ .history = history, .arena = arena };
    next(play, 0, send, context);
}

/* Taking answers ------------------------------------------------------------------------- */

static void end(struct pawl_play *play, enum pawl_play_state state, struct pawl_bytes message)
{
    play->state = state;
    play->message = message;
}

static void on_divergence(void *context, const struct pawl_divergence *divergence)
{
    struct pawl_play *play = context;
    if (divergence->breaks)
        play->broken = *divergence;
    else if (!play->again && play->notes_count < PAWL_PLAY_NOTES_MAX)
        play->notes[play->notes_count++] = *divergence;
}

static void on_turn_done(struct pawl_play *play, const struct pawl_turn_done *done,
                         pawl_play_send_fn *send, void *context)
{
    if (done->err == PAWL_E_NOT_REGISTERED) {
        end(play, PAWL_PLAY_DIFFERENT,
            pawl_arena_printf(
                play->arena, "The app has no workflow '%.*s' for this history's version '%.*s'.",
                PAWL_BYTES_FMT(play->history->name), PAWL_BYTES_FMT(play->history->version)));
        return;
    }
    if (done->err != PAWL_OK) {
        end(play, PAWL_PLAY_DIFFERENT, pawl_arena_copy(play->arena, done->message));
        return;
    }
    if (!pawl_recorded_compare(play->history->events, &play->turn, done->actions_count,
                               done->actions, on_divergence, play)) {
        end(play, PAWL_PLAY_DIFFERENT, PAWL_BYTES_ABSENT);
        return;
    }
    play->base = done->cached ? play->id : (struct pawl_id){ { 0 } };
    if (!play->again) play->turns_count++;
    next(play, play->turn.end, send, context);
}

void pawl_play_on_frame(struct pawl_play *play, const struct pawl_frame *frame,
                        pawl_play_send_fn *send, void *context)
{
    PAWL_ASSERT(play->state == PAWL_PLAY_WAITING);
    bool is_done = frame->type == PAWL_FRAME_TURN_DONE;
    const struct pawl_id *turn = is_done ? &frame->turn_done.turn : &frame->need_history.turn;
    if (!pawl_id_is_equal(*turn, play->id)) {
        end(play, PAWL_PLAY_FAILED,
            PAWL_BYTES_LITERAL("the app answered a turn that it was not given"));
    } else if (is_done) {
        on_turn_done(play, &frame->turn_done, send, context);
    } else if (pawl_id_is_zero(play->base)) {
        end(play, PAWL_PLAY_FAILED,
            PAWL_BYTES_LITERAL("the app asks for the history that it was just given"));
    } else {
        give(play, true, send, context);
    }
}

/* Reporting ------------------------------------------------------------------------------- */

bool pawl_play_is_good(const struct pawl_play *play, bool strict)
{
    return play->state == PAWL_PLAY_SAME && !(strict && play->notes_count > 0);
}

static void report_broken(const struct pawl_play *play, struct pawl_buf *buf)
{
    const struct pawl_divergence *broken = &play->broken;
    if (play->again)
        pawl_buf_append_str(buf, "  Given the whole history at once, the code does something else "
                                 "than turn by turn:\n");
    if (!broken->recorded[0]) {
        pawl_buf_printf(buf, "  Behind event #%u the history has nothing more of this turn.\n",
                        broken->index - 1);
        pawl_buf_printf(buf, "  At this point the code now does %s.\n", broken->made);
        return;
    }
    pawl_buf_printf(buf, "  Event #%u recorded %s.\n", broken->index, broken->recorded);
    pawl_buf_printf(buf, "  At this point the code now does %s.\n",
                    broken->made[0] ? broken->made : "nothing and waits");
}

void pawl_play_report(const struct pawl_play *play, bool strict, struct pawl_buf *buf)
{
    const struct pawl_export *history = play->history;
    const char *verdict = pawl_play_is_good(play, strict) ? "same" : "DIFFERENT";
    pawl_buf_printf(buf, "%-9s  %s: %.*s '%.*s', %u events, %u turn%s the same\n", verdict,
                    history->file, PAWL_BYTES_FMT(history->name), PAWL_BYTES_FMT(history->instance),
                    history->events_count, play->turns_count, play->turns_count == 1 ? "" : "s");
    if (play->state != PAWL_PLAY_SAME && !pawl_bytes_is_absent(play->message))
        pawl_buf_printf(buf, "  %.*s\n", PAWL_BYTES_FMT(play->message));
    else if (play->state == PAWL_PLAY_DIFFERENT)
        report_broken(play, buf);
    for (uint32_t i = 0; i < play->notes_count; i++) {
        const struct pawl_divergence *note = &play->notes[i];
        pawl_buf_printf(buf, "  %s: event #%u, %s: %s.\n", strict ? "Different" : "Note",
                        note->index, note->recorded, note->difference);
    }
    if (play->notes_count > 0 && !strict)
        pawl_buf_append_str(buf, "  Instances that run keep what was recorded there. With --strict "
                                 "such a difference counts.\n");
}
