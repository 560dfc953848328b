/* The management call that brings in what was exported, and the turn by which the engine takes
 * it without anybody's code. */
#ifndef PAWL_ACTORS_REQUEST_IMPORT_H
#define PAWL_ACTORS_REQUEST_IMPORT_H

#include "actors/node_internal.h"

struct pawl_turn_draft;
struct pawl_workflow;

/* IMPORT. The history is checked (actors/import.h) and is the seed of the new instance: one
 * CREATE, so there is nothing in between. What has ended is PENDING until its owner has
 * committed it, a moment later. */
void pawl_request_import(struct pawl_node *node, uint64_t token,
                         const struct pawl_request *request);

/* True: it begins with what has ended, or was suspended, and has not taken that yet. */
bool pawl_import_is_due(const struct pawl_workflow *workflow);

/* … then this commits it, before anything else is done with the instance. */
void pawl_import_take(struct pawl_node *node, struct pawl_workflow *workflow);

/* The event of a control that suspends or resumes. One that waits suspended, as it was exported,
 * has its past not in its history yet: what is done to it leaves no event before that. */
void pawl_import_note_control(const struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                              enum pawl_event_kind kind, struct pawl_bytes reason);

#endif /* PAWL_ACTORS_REQUEST_IMPORT_H */
