/* Schedule: an instance that the engine runs itself, without a worker (sdk/schedule.h says
 * what it is to others).
 *
 *   inputs, or a time that comes --> decide (schedule_plan.h) --> COMMIT of the new state
 *      ^                                                              |
 *      |  the answer                                                  v
 *      +---------------- a call through the router: start, terminate, look, await
 *
 * The state is the custom status, and the wake-up row is set to the next time, both by the
 * same commit. A run is first committed as `starting` and only then started, under an id and
 * a request id that follow from the schedule and the time: whoever finds it there after
 * a crash or a move starts it again, and that is recognised. So it happens once, and what a
 * former owner decides without knowing better is refused with its commit.
 *
 * Part of the workflow machine (workflow.h): everything else of such an instance is as
 * with any other. It has no history but what people did to it as an instance.
 */
#ifndef PAWL_ACTORS_SCHEDULE_H
#define PAWL_ACTORS_SCHEDULE_H

#include "actors/schedule_plan.h"
#include "actors/workflow.h"

struct pawl_scheduler;

/* The instance was loaded or created: take its state. CORRUPT: it cannot be read. Nothing
 * happens to an instance that is no schedule. */
PAWL_MUST_USE pawl_err pawl_schedule_attach(struct pawl_workflow *workflow,
                                            struct pawl_bytes custom_status);
void pawl_schedule_detach(struct pawl_workflow *workflow);

/* The instance is READY and not suspended: do what there is to do. */
void pawl_schedule_advance(struct pawl_node *node, struct pawl_workflow *workflow);

/* A commit of any kind is known good. */
void pawl_schedule_on_committed(struct pawl_workflow *workflow, const struct pawl_turn_draft *turn);

/* Check what of a new schedule needs the zones of this sidecar. INVALID with a text. */
PAWL_MUST_USE pawl_err pawl_schedule_check_zone(const struct pawl_node *node,
                                                const struct pawl_request *request,
                                                struct pawl_arena *arena,
                                                struct pawl_bytes *ret_message);

void pawl_schedules_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_SCHEDULE_H */
