/* Cover: marks on the rare paths of the protocol, so that the simulator can prove that its
 * seeds go there. Counted only in the build that has the mutants (PAWL_MUTANTS);
 * everywhere else a mark is nothing. */
#ifndef PAWL_BASE_COVER_H
#define PAWL_BASE_COVER_H

#define PAWL_COVER_MAP(X)                                                             \
    X(ASK_MOVED, "a call found that its instance had moved")                          \
    X(ASK_DONE_BEFORE, "a repeated control found its work done")                      \
    X(ASK_GAVE_UP, "a call found no owner in time")                                   \
    X(ASK_WITHOUT_OWNER, "a call was done on the store because its owner was silent") \
    X(CALL_REPEATED, "a peer repeated a call that was being answered")                \
    X(CALL_GONE, "a peer's asker left")                                               \
    X(WAITER_MOVED, "somebody waited for an instance whose partition moved")          \
    X(RUN_REBOUND, "a new owner asked for an activity that was under way")            \
    X(RUN_DONE_ALREADY, "an owner asked for an activity that had ended")              \
    X(RUN_REFUSED, "an activity was refused for want of a worker")                    \
    X(RUN_TRIED_AGAIN, "who had refused an activity was given others after a while")  \
    X(RUN_UNREGISTERED, "an activity was unknown where it was sent")                  \
    X(RUN_UNKNOWN, "a peer did not know an activity it was asked about")              \
    X(RUN_STAYED, "an only activity was run where its instance is")                   \
    X(RUN_FOUND, "a new owner found out who was at an activity")                      \
    X(RUN_FIND_UNANSWERED, "a question who was at an activity was not answered")      \
    X(RUN_HOST_GONE, "a sidecar left with activities of ours")                        \
    X(RUN_GIVEN_BACK, "an activity waited in vain for a worker to come back")         \
    X(RUN_CANCELLED, "an activity at a peer was called off")                          \
    X(ACTIVITY_CALLED_OFF, "a running activity was called off")                       \
    X(ATTEMPT_STORED, "a commit stored counts of attempts and nothing else")          \
    X(POISON_STALLED, "an activity lost too many workers, and its instance stalled")  \
    X(POISON_REREAD, "a poison activity was told of that the cache did not know")     \
    X(RUN_ATTEMPT_TOLD, "a sidecar told an owner how often it tried an activity")     \
    X(ACTIVITY_TIMED_OUT, "an attempt of an activity passed a limit")                 \
    X(RESULT_REPEATED, "an activity result was sent again")                           \
    X(RESULT_TO_STORE, "an activity result went to the store past a silent owner")    \
    X(RESULT_OF_OWN, "the sidecar that ran an activity had become its owner")         \
    X(MESSAGE_REPEATED, "a message was sent again")                                   \
    X(MESSAGE_MOVED, "a message arrived where its receiver no longer was")            \
    X(MESSAGE_PAST_SILENT, "a message went to the store past a silent owner")         \
    X(MESSAGE_BEHIND_START, "a terminate waited for the start of the same child")     \
    X(MESSAGE_ANSWERED, "the start of a child was answered with its end")             \
    X(ACQUIRE_REFUSED, "a partition was refused for an old member list")              \
    X(ACQUIRE_NEWS, "a newer member list came while a partition was wanted")          \
    X(CALL_SENT_EARLY, "a request did not wait on, because the store was back")       \
    X(SCHEDULE_REFUSED, "a call of a schedule was refused for now")                   \
    X(INSTANCE_RELOADED, "an instance was read again")                                \
    X(CHILD_ASKED, "an owner asked for a child it had not heard of")                  \
    X(PACE_WAITED, "an instance that the clock woke waited for a place")              \
    X(START_TERMINATES, "a start ended the instance that had its id")                 \
    X(START_DELIVERS, "a start gave its event to the instance that had its id")       \
    X(CHILD_REWOUND, "a failed child was rewound with its parent")                    \
    X(DETACHED_DROPPED, "a detached workflow found its id in use")                    \
    X(STALLED_AGAIN, "a stalled instance was tried again in vain")                    \
    X(PLACES_OUTDATED, "an answer about places came too late")                        \
    X(KEEPER_HANDED_OVER, "a keeper of places took over from one that was there")     \
    X(KEEPER_WAITED, "a keeper of places waited for the leases of the one before")    \
    X(NEWS_TOLD, "a peer told of a change that somebody waited for")                  \
    X(IMPORT_TAKEN, "the engine took what was imported by a turn of its own")         \
    X(STALLED_CURED, "a stalled instance went on by itself")

enum pawl_cover {
#define X(name, text) PAWL_COVER_##name,
    PAWL_COVER_MAP(X)
#undef X
        PAWL_COVER_COUNT
};

#ifdef PAWL_MUTANTS
extern unsigned long pawl_cover_counts[PAWL_COVER_COUNT];
#define PAWL_COVER(name) (pawl_cover_counts[PAWL_COVER_##name]++)
#else
#define PAWL_COVER(name) ((void)0)
#endif

#endif /* PAWL_BASE_COVER_H */
