/* Replay play: one recorded history against the code of an app.
 *
 * Plays the sidecar's side of the app stream for one instance: gives the app the turns of
 * the history one after the other and holds what it does against what was recorded. When
 * all came out the same, the whole is given once more in one piece: what an app remembers
 * from turn to turn must not be needed. Pure: frames in, frames out.
 */
#ifndef PAWL_CLI_REPLAY_PLAY_H
#define PAWL_CLI_REPLAY_PLAY_H

#include "sdk/export.h"
#include "sdk/recorded.h"

enum pawl_play_state {
    PAWL_PLAY_WAITING, /* for the answer to the turn that was given last */
    PAWL_PLAY_SAME,
    PAWL_PLAY_DIFFERENT,
    PAWL_PLAY_FAILED, /* the app's answer makes no sense */
};

/* Places that a running instance does not mind; only the first ones are kept. */
#define PAWL_PLAY_NOTES_MAX 20u

struct pawl_play {
    const struct pawl_export *history;
    struct pawl_arena *arena;
    enum pawl_play_state state;
    uint32_t turns_count; /* that came out the same */
    uint32_t notes_count;
    struct pawl_divergence notes[PAWL_PLAY_NOTES_MAX];
    struct pawl_divergence broken; /* DIFFERENT, when `message` is absent */
    struct pawl_bytes message;     /* DIFFERENT, FAILED: for a person */

    struct pawl_recorded_turn turn;
    struct pawl_id id;   /* of the turn that was given last */
    struct pawl_id base; /* zero: the app holds nothing */
    uint64_t turns_given;
    bool again; /* the whole, once more */
};

/* Append frames, each encoded on its own: the caller sends them. */
typedef void pawl_play_send_fn(void *context, const struct pawl_frame *frame);

/* Begin; the first turn is sent. A history in which no code has run is SAME at once. */
void pawl_play_start(struct pawl_play *play, const struct pawl_export *history,
                     struct pawl_arena *arena, pawl_play_send_fn *send, void *context);

/* A TURN_DONE or NEED_HISTORY from the app. */
void pawl_play_on_frame(struct pawl_play *play, const struct pawl_frame *frame,
                        pawl_play_send_fn *send, void *context);

/* What came of it, for a person, as lines. `strict`: notes count. */
bool pawl_play_is_good(const struct pawl_play *play, bool strict);
void pawl_play_report(const struct pawl_play *play, bool strict, struct pawl_buf *buf);

#endif /* PAWL_CLI_REPLAY_PLAY_H */
