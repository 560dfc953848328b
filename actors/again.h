/* Again: how a run that has ended becomes the beginning of another one. Pure.
 *
 * The history of a run is a row of turns: each begins with WORKFLOW_STARTED, then what the
 * workflow was told, then what it did. A new run begins before one of these turns: the
 * turns before it are its past, what that turn was told is news, and what it did is done
 * anew by the code. Calls of the past that have no result by then are made again. A rewind does
 * the same to the run itself, and forgets how some of its calls ended.
 */
#ifndef PAWL_ACTORS_AGAIN_H
#define PAWL_ACTORS_AGAIN_H

#include "actors/seed.h"
#include "sdk/history.h"

/* The run that has ended, and the one that comes. */
struct pawl_again {
    struct pawl_arena *arena; /* of everything that is made */
    struct pawl_bytes source; /* instance id */
    uint32_t source_gen;
    struct pawl_bytes instance;
    uint32_t gen;
    struct pawl_id execution;  /* of the new run */
    struct pawl_parent parent; /* … too; absent instance: nobody's child */
    int64_t now_ms;
    uint32_t events_count; /* the history of the last generation */
    struct pawl_bytes *events;
};

/* A call by its kind and id; some SDKs use an id again for a second try. */
struct pawl_again_key {
    uint32_t kind; /* 'a', 't', 'c' */
    uint32_t id;
};

/* What is known of a call of a history. */
struct pawl_again_call {
    struct pawl_again_key key;
    uint32_t index; /* of the event that made it last */
    bool is_open;
};

/* What is to be different. */
struct pawl_again_change {
    uint32_t event_id; /* the call from which it runs anew */
    bool change_input;
    struct pawl_bytes input;
    struct pawl_bytes child; /* another instance id for that child; absent: no */
};

/* Run anew from a call: the history before the turn that made it is copied. On an error
 * *ret_message says why: NOT_FOUND (no such call), INVALID (the change does not fit it),
 * CORRUPT. */
PAWL_MUST_USE pawl_err pawl_again_from_event(const struct pawl_again *again,
                                             const struct pawl_again_change *change,
                                             struct pawl_seed *ret_seed,
                                             struct pawl_bytes *ret_message);

/* Go on where it failed, as the same run (instance and gen are the source's): without the
 * failures of calls that it was told since it last did anything, and with those calls made
 * again. A failure that the code has answered by doing something, such as a retry or a
 * compensation, stays: the history behind it would not fit any more. Without such a failure
 * its last turn is done anew. `rewound` is the event that tells of it. On an error as above. */
PAWL_MUST_USE pawl_err pawl_again_rewind(const struct pawl_again *again, struct pawl_bytes rewound,
                                         struct pawl_seed *ret_seed,
                                         struct pawl_bytes *ret_message);

/* Be what was exported: its whole history is past, what waited for it is news, and, if it goes
 * on, the calls without a result are made again. The events can be read. Children whose ids
 * were made of the source's are renamed as above. */
void pawl_again_import(const struct pawl_again *again, uint32_t waiting_count,
                       const struct pawl_bytes *waiting, bool goes_on, struct pawl_seed *ret_seed);

/* 'a', 't' or 'c' for an event that makes a call … and for one that is the end of a call;
 * 0: it does not. */
char pawl_again_made_kind(enum pawl_event_kind kind);
char pawl_again_ended_kind(enum pawl_event_kind kind);

#endif /* PAWL_ACTORS_AGAIN_H */
