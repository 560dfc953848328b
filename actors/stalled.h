/* Stalled: instances that cannot go on as things are, why, and how they get going again.
 *
 * A stalled instance keeps everything, takes events and results, and can be terminated and
 * purged. What was for want of the right code is tried again by itself when a worker
 * connects that may have it: instances in memory at once, the others when the next poll of
 * their partition says that there are some. Such a try is an ordinary turn; when the code
 * is still not right, nothing is written. Every other cause waits for a person to resume.
 */
#ifndef PAWL_ACTORS_STALLED_H
#define PAWL_ACTORS_STALLED_H

#include "actors/node_internal.h"

/* Each with the name that is stored and shown, and whether a new worker may be the cure. */
#define PAWL_STALL_MAP(X)                                 \
    X(NONDETERMINISM, "NonDeterminism", true)             \
    X(NOT_REGISTERED, "WorkflowNotRegistered", true)      \
    X(VERSION_NOT_AVAILABLE, "VersionNotAvailable", true) \
    X(PAYLOAD_TOO_LARGE, "PayloadTooLarge", true)         \
    X(TURN_RETURNED, "TurnReturned", true)                \
    X(WORKER_LOST, "WorkerLost", false)

enum pawl_stall {
    PAWL_STALL_NONE,
    PAWL_STALL_OTHER, /* of a later or an older version of the engine: a person resumes it */
#define X(name, text, curable) PAWL_STALL_##name,
    PAWL_STALL_MAP(X)
#undef X
};

const char *pawl_stall_name(enum pawl_stall stall);
enum pawl_stall pawl_stall_of_name(struct pawl_bytes name);
bool pawl_stall_is_curable(enum pawl_stall stall);

/* A worker with workflows has connected. */
void pawl_stalled_on_worker(struct pawl_node *node);

/* The partition was polled, so its counts are known. */
void pawl_stalled_on_polled(struct pawl_node *node, struct pawl_partition *partition);

#endif /* PAWL_ACTORS_STALLED_H */
