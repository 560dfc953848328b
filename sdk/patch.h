/* Patch: what a workflow's code is told when it asks whether a change applies to it.
 *
 * The first question for a name decides it for the whole generation. Asked in a turn that
 * runs for the first time, the answer is yes, and the turn's WORKFLOW_STARTED records the
 * name. Asked while the past is replayed, it is what was recorded there: an instance that
 * passed the place before the change was made finds nothing and goes the old way.
 *
 * As with calls, what was recorded must be asked for again, in the same turn and order.
 */
#ifndef PAWL_SDK_PATCH_H
#define PAWL_SDK_PATCH_H

#include "sdk/instance.h"

struct pawl_patch {
    struct pawl_patch *next;
    struct pawl_bytes name;
    bool met;     /* the code has asked for it */
    bool applies; /* … and was told so */
};

/* A turn begins; `patches` is the field of its WORKFLOW_STARTED: absent, unless the turn
 * has been run before. */
void pawl_patch_turn_begins(struct pawl_workflow_ctx *ctx, struct pawl_bytes patches);

/* All that the turn recorded must have been asked for by now. */
void pawl_patch_turn_ends(struct pawl_workflow_ctx *ctx);

#endif /* PAWL_SDK_PATCH_H */
