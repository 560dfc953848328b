/* Recorded: what a history says that the code did, beside what the code does now.
 *
 * The engine writes each action of a turn as one event. Here the way back: from an event
 * to the action that it recorded, whether two actions are the same, the words for a
 * person, and the turns that a history consists of. Used while the past is replayed
 * (sdk/determinism.h), and by whoever runs a recorded history against code: `pawl replay`
 * and the testing kit.
 */
#ifndef PAWL_SDK_RECORDED_H
#define PAWL_SDK_RECORDED_H

#include "sdk/frames.h"

/* True for events that record what the code did and that a replay compares. */
bool pawl_recorded_is_call(enum pawl_event_kind kind);

/* The action that this event recorded; views stay those of the event. Only for calls and
 * for EXECUTION_COMPLETED and CONTINUE_AS_NEW, which record the end. */
struct pawl_action pawl_recorded_action(const struct pawl_history_event *event);

/* The event that records this action. Not for CONTINUE, which leaves no history. */
struct pawl_history_event pawl_recorded_event(const struct pawl_action *action, int64_t now_ms);

/* A replay takes one for the other: same kind, id and name; for children and sent events
 * the same instance; for an end the same status. */
bool pawl_recorded_is_same(const struct pawl_action *recorded, const struct pawl_action *made);

/* What else is different, in a few words; NULL: nothing. A running instance does not mind:
 * it keeps what was recorded. */
const char *pawl_recorded_difference(const struct pawl_action *recorded,
                                     const struct pawl_action *made);

/* Long enough for every description; names in it are cut. */
#define PAWL_RECORDED_TEXT_SIZE 400u

/* In the words of an app's author, e.g. "a call of activity 'charge' (action 1)". */
void pawl_recorded_describe(const struct pawl_action *action,
                            char ret_text[PAWL_RECORDED_TEXT_SIZE]);

/* One turn in a history: WORKFLOW_STARTED and what came in, then what the code did. */
struct pawl_recorded_turn {
    uint32_t first;   /* its WORKFLOW_STARTED */
    uint32_t records; /* the first event that records an action */
    uint32_t end;     /* behind its last one */
    int64_t now_ms;
    bool by_engine; /* it ended the instance without asking the code, or against its answer */
};

/* The first turn at or behind event `from`; false: there is none. Events that cannot be
 * read count as inputs. */
bool pawl_recorded_next_turn(const struct pawl_bytes *events, uint32_t events_count, uint32_t from,
                             struct pawl_recorded_turn *ret_turn);

/* A place where the code does something else than the history says. */
struct pawl_divergence {
    uint32_t index; /* of the event; the number of events: behind the last */
    bool breaks;    /* a running instance would be stalled */
    char recorded[PAWL_RECORDED_TEXT_SIZE]; /* "" : the history has nothing there */
    char made[PAWL_RECORDED_TEXT_SIZE];     /* "" : the code does nothing and waits */
    const char *difference; /* what differs when both are the same call; else NULL */
};

/* Called for each divergence, in order. */
typedef void pawl_divergence_fn(void *context, const struct pawl_divergence *divergence);

/* Hold the actions of a turn against its records. Ends behind the first divergence that
 * breaks; false then. */
bool pawl_recorded_compare(const struct pawl_bytes *events, const struct pawl_recorded_turn *turn,
                           uint32_t actions_count, const struct pawl_action *actions,
                           pawl_divergence_fn *report, void *context);

#endif /* PAWL_SDK_RECORDED_H */
