/* Activity: one execution of an activity as a machine, at the sidecar that runs it.
 *
 *            pump                 done
 *   QUEUED --------> RUNNING ------------> (gone; the result goes to the owner here)
 *      ^                |    ------------> DONE: the result is sent to the owner's
 *      +----------------+ worker lost      sidecar until that says it is durable
 *
 * An attempt that passes a limit (start to close, heartbeat) has failed, and one that is
 * called off is gone: its worker is told, and whatever it still says is of no token here.
 *
 * It holds no state in the store: the workflow keeps the operation pending, with a
 * lease reminder, until the result is committed. So an activity runs at least once.
 * Who asked for it, and where the owner is, may change while it runs: the key finds it.
 */
#ifndef PAWL_ACTORS_ACTIVITY_H
#define PAWL_ACTORS_ACTIVITY_H

#include "actors/directory.h"

enum pawl_activity_state {
    PAWL_ACTIVITY_QUEUED,
    PAWL_ACTIVITY_RUNNING,
    PAWL_ACTIVITY_DONE,
    PAWL_ACTIVITY_STATES_COUNT,
};

struct pawl_activity {
    struct pawl_bytes key;  /* behind the struct: see pawl_activity_key */
    struct pawl_op_ref ref; /* its instance is part of the key */
    uint8_t state;
    uint32_t attempts;
    struct pawl_bytes event;             /* behind the struct: its TASK_SCHEDULED */
    struct pawl_history_event scheduled; /* decoded from event */
    struct pawl_list link;               /* on a lane or on its worker */
    struct pawl_gate *gate;              /* of its name: it waits before it, or is through */
    uint64_t worker;
    struct pawl_id token;   /* of this dispatch; key of node.activities_token */
    int64_t rests_until_ms; /* QUEUED, on no lane: after several lost workers */
    int64_t dispatched_ms;
    int64_t begun_ms;           /* RUNNING: from here its limits count; 0: it waits at its worker */
    int64_t beat_ms;            /* RUNNING: its last heartbeat, or its beginning */
    struct pawl_bytes progress; /* owned: what it said last, in any attempt; may be absent */
    struct pawl_id run;         /* what the owner's sidecar calls it; zero: the owner is here */
    struct pawl_bytes app;      /* the owner's, owned; absent: the own */
    struct pawl_bytes result;   /* DONE: owned */
    uint32_t told;              /* DONE: how often it was sent */
    struct pawl_alarm alarm;    /* QUEUED: too late to begin, or no worker; RUNNING: a limit of
                                   the attempt; DONE: tell again */
};

/* inc, gen, nonce, then the instance. An id may be called again, by a rewind or by an SDK that
 * retries so: then it is another activity, and an earlier one may still be about. */
struct pawl_bytes pawl_activity_key(struct pawl_arena *arena, const struct pawl_op_ref *ref);
struct pawl_bytes pawl_activity_key_instance(struct pawl_bytes key);

bool pawl_activity_is_known(const struct pawl_node *node, struct pawl_bytes key);

/* Start an execution of a committed schedule here. No-op when it is known already. */
void pawl_activity_spawn(struct pawl_node *node, const struct pawl_op_ref *ref,
                         struct pawl_bytes event);

/* Forget an execution whose result nobody wants any more. The worker of a running one is
 * told; its result will be ignored. */
void pawl_activity_forget(struct pawl_node *node, struct pawl_bytes key);

void pawl_activity_dispatch(struct pawl_node *node, struct pawl_activity *activity,
                            struct pawl_worker *worker);
void pawl_activity_on_done(struct pawl_node *node, uint64_t worker,
                           const struct pawl_activity_done *done);
/* It has begun, or still runs; what it says of its progress is kept for the next attempt. */
void pawl_activity_on_heartbeat(struct pawl_node *node, uint64_t worker,
                                const struct pawl_activity_beat *beat);
/* Queued again; it does not count as an attempt. */
void pawl_activity_on_returned(struct pawl_node *node, uint64_t worker, struct pawl_id token);
void pawl_activity_on_worker_lost(struct pawl_node *node, struct pawl_activity *activity);
/* There are workers here, and none knows its name. With placement others are tried. */
void pawl_activity_on_not_registered(struct pawl_node *node, struct pawl_activity *activity);
/* For a person; absent: the own app. */
struct pawl_bytes pawl_activity_why_not_registered(struct pawl_node *node, struct pawl_bytes app,
                                                   struct pawl_bytes name);

/* From peers. */
void pawl_activity_on_run(struct pawl_node *node, struct pawl_host *host,
                          const struct pawl_peer_run *run);
void pawl_activity_on_result_done(struct pawl_node *node, struct pawl_id run);
void pawl_activity_on_ask(struct pawl_node *node, struct pawl_host *host,
                          const struct pawl_peer_runs *runs);
void pawl_activity_on_find(struct pawl_node *node, struct pawl_host *host,
                           const struct pawl_peer_finds *finds);
void pawl_activity_on_cancel(struct pawl_node *node, struct pawl_id run);

/* The last worker for them has gone: what waits for it is given to others after a while. */
void pawl_activities_on_workerless(struct pawl_node *node);

/* The owners may be others now: results that wait are told again at once. */
void pawl_activities_tell_again(struct pawl_node *node);

/* A sidecar cannot be reached: results for its app's instances go past it to the store, if
 * that is the own app's. For others there is nothing but to try again later. */
void pawl_activities_on_peer_down(struct pawl_node *node, const struct pawl_host *host);

void pawl_activities_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_ACTIVITY_H */
