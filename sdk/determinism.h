/* Determinism: is what the code does now what the history says it did?
 *
 * While the past is replayed, every action that the code makes must be the next one
 * that the history recorded: same kind, id and name, for children and sent events the
 * same instance. If not, the instance gives up with a message for the app's author.
 */
#ifndef PAWL_SDK_DETERMINISM_H
#define PAWL_SDK_DETERMINISM_H

#include "sdk/instance.h"

/* Compare an event that records a call (sdk/recorded.h) with the first action that is not
 * matched yet. The code must have run over everything before the event. */
void pawl_determinism_match(struct pawl_workflow_ctx *ctx, const struct pawl_history_event *event);

/* The past is over: every action must have been matched. */
void pawl_determinism_finish(struct pawl_workflow_ctx *ctx);

#endif /* PAWL_SDK_DETERMINISM_H */
