/* Mutant: switches that reintroduce one known mistake each, so that the simulator
 * can prove that it would notice. Compiled in only for tests/sim (PAWL_MUTANTS);
 * everywhere else the condition is the constant false. */
#ifndef PAWL_BASE_MUTANT_H
#define PAWL_BASE_MUTANT_H

#define PAWL_MUTANT_MAP(X)                                                                  \
    /* The engine */                                                                        \
    X(SEND_BEFORE_COMMIT, "activities leave before the commit that records them")           \
    X(NO_DEDUPLICATION, "a result is taken although its operation is not pending")          \
    X(UNKNOWN_IS_OK, "a commit whose reply was lost is taken for applied")                  \
    X(UNKNOWN_IS_LOST, "a commit whose reply was lost is decided anew")                     \
    X(NO_ACTIVITY_LEASE, "a scheduled activity has no reminder row")                        \
    X(NO_TIMER_ROW, "a timer has no reminder row")                                          \
    X(NO_RESEND_AFTER_LOAD, "a loaded instance forgets its pending activities")             \
    X(ACK_BEFORE_DURABLE, "a message is acknowledged before its effect is stored")          \
    X(CACHE_ACKNOWLEDGES, "a message is acknowledged because a cache does not wait for it") \
    X(CARRY_LOST, "continue as new drops the events that wait")                             \
    X(OLD_GENERATION_MATCHES, "results of an older generation count for the new one")       \
    X(NO_OUTBOX_ROW, "messages to other instances are not stored")                          \
    X(TIMER_EARLY, "a timer fires before it is due")                                        \
    X(SCHEDULE_ANY_REQUEST, "a run of a schedule is started under any request id")          \
    X(SCHEDULE_NO_WAKE, "a schedule has no wake-up row")                                    \
    X(DETACHED_ANY_REQUEST, "a detached workflow is started under any request id")          \
    X(CLOSE_IGNORED, "a child that is to end with its parent goes on")                      \
    X(CHILD_UNTOLD, "a child that ends tells its parent nothing")                           \
    X(FENCED_IGNORED, "a former owner goes on with what it held")                           \
    X(REMINDERS_STAY, "what a turn resolves keeps its reminder row")                        \
    X(PATCHES_LOST, "which patches a turn applied is not recorded")                         \
    X(LIMIT_IGNORED, "a place is taken although all are taken")                             \
    X(PLACES_FOR_EVER, "places of a global limit are used after their lease")               \
    X(PLACES_OF_BEFORE, "an answer counts although something was given back meanwhile")     \
    X(PLACES_TWICE, "places of a global limit are given out a second time")                 \
    X(KEEPER_HASTY, "a new keeper gives out places before it knows what is held")           \
    X(KEEPER_CREDULOUS, "a new keeper believes who was the keeper long ago")                \
    X(TERMINATE_HASTY, "a new owner ends children whose starts it may not have read yet")   \
    X(TURN_OF_ANYBODY, "an answer counts for a turn that it was not given for")             \
    X(STALLED_STAYS, "a stalled instance is not tried when a fitting worker connects")      \
    /* Many sidecars */                                                                     \
    X(WORKERLESS_OWN, "a sidecar without a worker owns as much as the others")              \
    X(REFUSED_FOR_EVER, "who refused an activity late is never given one again")            \
    X(LOST_RUN_STAYS, "a peer that does not know a run is taken to be at it")               \
    X(FIND_NOBODY, "a new owner does not ask who is at an activity")                        \
    X(NO_RUN_QUESTIONS, "an owner never asks for the runs it has sent")                     \
    X(RESULT_SENT_ONCE, "a result that was lost on its way is not sent again")              \
    X(MESSAGE_SENT_ONCE, "a message that was lost on its way is not sent again")            \
    X(MESSAGE_DONE_EARLY, "a peer's message is acknowledged on arrival")                    \
    X(MESSAGE_KEPT_LOST, "a message waits at a sidecar that has lost its outbox")           \
    X(ACTIVITY_KEPT_LOST, "a former owner looks for somebody to run an activity")           \
    X(MOVED_IS_DONE, "a message for an instance that moved away is acknowledged")           \
    X(MOVED_IS_OK, "a call for an instance that moved away is answered well")               \
    X(TARGET_APP_IGNORED, "a child of another app is started in the own one")               \
    X(PARENT_APP_IGNORED, "a child's result goes to its own app")                           \
    /* The store */                                                                         \
    X(NO_FENCE, "the store accepts turns of a former owner")                                \
    X(NO_LAST_CHECK, "the store accepts a turn computed from an older state")               \
    X(NO_TABLE_CHECK, "a partition goes to a sidecar with an older member list")            \
    X(NO_WAKE_ROW, "deliver writes the inbox row without a wake-up")                        \
    X(NO_REQUEST_DEDUPLICATION, "a repeated external event is appended again")              \
    X(CREATE_FORGETS, "a repeated start finds a stranger")                                  \
    X(LATE_START_REBINDS, "a start whose child is another call's binds it back")            \
    X(NO_TOMB, "the start of a purged instance is forgotten")                               \
    X(CONSUME_UNREAD, "a turn removes inbox rows that it has not seen")                     \
    X(CONSUME_NOTHING, "consumed inbox rows stay")                                          \
    X(PENDING_STAYS, "a resolved operation stays pending")                                  \
    X(PENDING_LOST, "a scheduled operation is not recorded as pending")                     \
    X(CONTINUE_KEEPS_PENDING, "operations outlive their generation")                        \
    X(HISTORY_SHORT, "the last event of a turn is not written")                             \
    X(OUTBOX_FORGOTTEN, "a message has no reminder row")                                    \
    X(WATCH_SKIPS, "a subscriber is not told what did not fit into one answer")             \
    X(CHANGE_UNTOLD, "a change of a status is missing in the change log")                   \
    X(POLL_FORGETS, "a reminder that was handed out is gone")                               \
    X(REWIND_ANYTHING, "an instance is rewound that has changed since it was read")         \
    X(DELIVER_TO_ENDED, "an ended instance takes events")                                   \
    X(END_FORGETS_SEEN, "an ended instance does not know the events it has taken")          \
    X(LIST_FIRST_ROWS, "a list takes what each partition gives at first")                   \
    X(COUNT_SKIPS_ONE, "a count leaves a partition out")                                    \
    X(RETENTION_EARLY, "what has ended is purged at once")                                  \
    X(ANSWER_BEFORE_REPLICA, "the store answers before a failover can no longer lose it")

enum pawl_mutant {
    PAWL_MUTANT_NONE,
#define X(name, text) PAWL_MUTANT_##name,
    PAWL_MUTANT_MAP(X)
#undef X
        PAWL_MUTANT_COUNT
};

#ifdef PAWL_MUTANTS
extern enum pawl_mutant pawl_mutant_active;
#define PAWL_MUTANT(name) (pawl_mutant_active == PAWL_MUTANT_##name)
#else
#define PAWL_MUTANT(name) (0)
#endif

#endif /* PAWL_BASE_MUTANT_H */
