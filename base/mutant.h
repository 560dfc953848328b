/* Mutant: switches that reintroduce one known mistake each, so that the simulator
 * can prove that it would notice. Compiled in only for tests/sim (PAWL_MUTANTS);
 * everywhere else the condition is the constant false. */
#ifndef PAWL_BASE_MUTANT_H
#define PAWL_BASE_MUTANT_H

#define PAWL_MUTANT_MAP(X)                                                                  \
    X(SEND_BEFORE_COMMIT, "activities leave before the commit that records them")           \
    X(NO_DEDUPLICATION, "a result is taken although its operation is not pending")          \
    X(UNKNOWN_IS_OK, "a commit whose reply was lost is taken for applied")                  \
    X(UNKNOWN_IS_LOST, "a commit whose reply was lost is decided anew")                     \
    X(NO_FENCE, "the store accepts turns of a former owner")                                \
    X(NO_LAST_CHECK, "the store accepts a turn computed from an older state")               \
    X(NO_WAKE_ROW, "deliver writes the inbox row without a wake-up")                        \
    X(NO_ACTIVITY_LEASE, "a scheduled activity has no reminder row")                        \
    X(NO_TIMER_ROW, "a timer has no reminder row")                                          \
    X(NO_RESEND_AFTER_LOAD, "a loaded instance forgets its pending activities")             \
    X(ACK_BEFORE_DURABLE, "a message is acknowledged before its effect is stored")          \
    X(CACHE_ACKNOWLEDGES, "a message is acknowledged because a cache does not wait for it") \
    X(NO_REQUEST_DEDUPLICATION, "a repeated external event is appended again")              \
    X(CARRY_LOST, "continue as new drops the events that wait")                             \
    X(OLD_GENERATION_MATCHES, "results of an older generation count for the new one")       \
    X(CONSUME_UNREAD, "a turn removes inbox rows that it has not seen")                     \
    X(NO_OUTBOX_ROW, "messages to other instances are not stored")                          \
    X(TIMER_EARLY, "a timer fires before it is due")                                        \
    X(LOST_RUN_STAYS, "a peer that does not know a run is taken to be at it")

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
