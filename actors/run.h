/* Run: an activity that another sidecar may execute, seen from the owner of its instance.
 *
 *   WAITING --somebody can run it--> SENT --RESULT--> (gone; the result goes in)
 *    |  ^  ^                          |  ^
 *    |  |  +--- refused, -------------+  |
 *    |  |       host gone or silent      |
 *    |  +--- nobody is at it --- ASKING -+
 *    |                             ^     somebody is
 *    +--- read from the store, ----+
 *         unknown at its host
 *
 * What was only read from the store may be under way, begun for an owner before. So all other
 * sidecars of its app are asked, many activities at a time, and whoever is at it goes on for
 * the new owner; it runs anew when all have said that they are not, or do not answer.
 *
 * A host whose workers do not know the activity's name (an older version of the app, while a
 * newer one is rolled out) gives it back, and it is tried elsewhere. It fails when nobody is
 * left who could know it.
 *
 * What an instance does one at a time stays where it is, as long as few run there.
 * Else which sidecar runs an activity follows from its key. The owner asks from time to
 * time for what it has sent: "still known" keeps it there, so a long activity runs once;
 * a lost one is noticed. The store holds nothing of this: the operation is pending, and
 * the instance's WAKE row brings it back if this sidecar dies.
 */
#ifndef PAWL_ACTORS_RUN_H
#define PAWL_ACTORS_RUN_H

#include "actors/directory.h"

/* Execute a committed schedule, here or elsewhere. No-op when that is under way. */
void pawl_run_spawn(struct pawl_node *node, const struct pawl_op_ref *ref, struct pawl_bytes event);

/* The same, for a schedule that was read from the store. */
void pawl_run_resume(struct pawl_node *node, const struct pawl_op_ref *ref,
                     struct pawl_bytes event);

/* The same, for one that no worker here knows the name of: others may have one. */
void pawl_run_spawn_elsewhere(struct pawl_node *node, const struct pawl_op_ref *ref,
                              struct pawl_bytes event);

/* Its result is here, wherever it ran: it is not begun any more. */
void pawl_run_done(struct pawl_node *node, const struct pawl_op_ref *ref);

/* Nobody wants its result any more. */
void pawl_run_forget(struct pawl_node *node, const struct pawl_op_ref *ref);

/* From peers. */
void pawl_run_on_result(struct pawl_node *node, struct pawl_host *host,
                        const struct pawl_peer_run *result);
void pawl_run_on_refused(struct pawl_node *node, struct pawl_host *host,
                         const struct pawl_peer_run_refused *refused);
void pawl_run_on_attempt(struct pawl_node *node, const struct pawl_host *host,
                         const struct pawl_peer_run_attempt *attempt);
void pawl_runs_on_asked(struct pawl_node *node, struct pawl_host *host,
                        const struct pawl_peer_runs *runs);
void pawl_runs_on_found(struct pawl_node *node, struct pawl_host *host,
                        const struct pawl_peer_runs *runs);
void pawl_runs_on_peer_down(struct pawl_node *node, struct pawl_host *host);
void pawl_runs_on_host_gone(struct pawl_node *node, struct pawl_host *host);
void pawl_runs_on_ask_alarm(struct pawl_node *node, struct pawl_alarm *alarm);

/* Somebody new may be able to run what waits. */
void pawl_runs_route_waiting(struct pawl_node *node);

/* The partition is another's now, and so are its runs. */
void pawl_runs_on_partition_lost(struct pawl_node *node, const struct pawl_partition *partition);

void pawl_runs_init(struct pawl_node *node);
void pawl_runs_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_RUN_H */
