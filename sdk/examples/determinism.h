/* Determinism: two workflows that do the same, one of them in a way that a replay cannot follow. */
#ifndef PAWL_EXAMPLE_DETERMINISM_H
#define PAWL_EXAMPLE_DETERMINISM_H

#include <pawl/workflow.h>

/* Right: what could come out differently is asked of the SDK, or is an activity. */
pawl_err raffle(struct pawl_workflow_ctx *ctx, struct pawl_bytes input);

/* Wrong: it counts in a global. */
pawl_err raffle_wrong(struct pawl_workflow_ctx *ctx, struct pawl_bytes input);

#endif /* PAWL_EXAMPLE_DETERMINISM_H */
