/* Replay: turns in, actions out, and the cache of suspended instances between.
 *
 * A TURN with a base goes on with the instance as the last turn left it; one without
 * begins from nothing and runs over the whole history (HISTORY frames, then its own
 * events). Both give the same actions. What is not held any more is answered with
 * NEED_HISTORY. All workflow code runs inside these calls, on the calling thread.
 */
#ifndef PAWL_SDK_REPLAY_H
#define PAWL_SDK_REPLAY_H

#include "sdk/instance.h"

struct pawl_replay;

struct pawl_code_wanted {
    struct pawl_bytes name;
    struct pawl_bytes version; /* absent: none was asked for */
    bool is_new;               /* with an absent version: it may be chosen now */
};

struct pawl_code {
    pawl_workflow_fn *run;
    void *user;
    struct pawl_bytes version; /* of what was chosen; absent: nothing was, or it has none */
};

struct pawl_replay_config {
    struct pawl_instance_host host; /* copied; the allocator must outlive the replay */
    uint32_t cache_max;             /* suspended instances kept; 0: none */
    uint64_t seed;                  /* of the cache's hash table */
    /* False: there is no function for it. */
    bool (*find)(void *context, const struct pawl_code_wanted *wanted, struct pawl_code *ret_code);
    void *find_context;
};

/* PAWL_E_NOMEM. */
PAWL_MUST_USE pawl_err pawl_replay_new(const struct pawl_replay_config *config,
                                       struct pawl_replay **ret_replay);
void pawl_replay_free(struct pawl_replay *replay);

/* Forget all instances and half-received histories: the connection they belong to is gone. */
void pawl_replay_clear(struct pawl_replay *replay);

/* A part of the past of the TURN that follows; copied. */
void pawl_replay_on_history(struct pawl_replay *replay, const struct pawl_history_chunk *chunk);

/* Run the turn; the answer (TURN_DONE or NEED_HISTORY) is appended to `out`. An `out` that
 * is bad afterwards has no memory: the turn is lost and the instance is not held. */
void pawl_replay_on_turn(struct pawl_replay *replay, const struct pawl_turn *turn,
                         struct pawl_buf *out);

void pawl_replay_on_evict(struct pawl_replay *replay, struct pawl_bytes instance);

/* The name (in lower case) of the nth event, from 0, that the code of an instance waits
 * for; absent when there are no more, and when the instance is not held. */
struct pawl_bytes pawl_replay_awaited_event(struct pawl_replay *replay, struct pawl_bytes instance,
                                            uint32_t n);

/* Suspended instances held. */
uint32_t pawl_replay_held_count(const struct pawl_replay *replay);

#endif /* PAWL_SDK_REPLAY_H */
