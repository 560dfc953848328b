/* Durabletask: the engine's values as messages of the durabletask protocol, and back.
 *
 * Pure: structs in, structs out. What a stream or a call does with them is not here
 * (sidecar/grpc_worker.h, sidecar/taskhub.h). The schema is sidecar/proto/durabletask.proto.
 */
#ifndef PAWL_SIDECAR_DURABLETASK_H
#define PAWL_SIDECAR_DURABLETASK_H

#include "sdk/frames.h"
#include "sidecar/proto/durabletask.pb-c.h"
#include "sidecar/protobuf.h"

/* The two families of clients. They use some field numbers differently. */
enum pawl_dialect { PAWL_DIALECT_DAPR = 1, PAWL_DIALECT_MICROSOFT };

/* What the functions below share. Everything they make lies in the arena, or points into
 * what they were given. */
struct pawl_durabletask {
    struct pawl_arena *arena;
    enum pawl_dialect dialect;
    struct pawl_bytes app; /* of this sidecar */
    /* Reading what a worker answered: the trace of its workflow (pawl_durabletask_trace), for
     * what it calls; absent: none. */
    struct pawl_bytes trace;
    /* Set when a payload is not UTF-8 and was written with '?' for the strange bytes: a
     * protobuf text must be UTF-8, or the client refuses the whole message. */
    bool is_not_text;
};

/* The same text when it is UTF-8, else one with '?' for the strange bytes, and is_not_text. */
struct pawl_bytes pawl_durabletask_utf8(struct pawl_durabletask *with, struct pawl_bytes text);

/* Texts: absent bytes are no Text at all, which differs from an empty one. */
Pawl__Text *pawl_durabletask_text(struct pawl_durabletask *with, struct pawl_bytes bytes);
struct pawl_bytes pawl_durabletask_text_bytes(const Pawl__Text *text);
/* The same, with an empty text as absent: names and versions. */
struct pawl_bytes pawl_durabletask_text_name(const Pawl__Text *text);
ProtobufCBinaryData pawl_durabletask_bytes(struct pawl_durabletask *with, struct pawl_bytes bytes);

/* Times: 0 is no Timestamp. The other way a fraction of a ms counts as a whole one, so
 * that nothing happens early; out of range is the nearest that can be stored. */
Pawl__Timestamp *pawl_durabletask_timestamp(struct pawl_durabletask *with, int64_t ms);
int64_t pawl_durabletask_timestamp_ms(const Pawl__Timestamp *timestamp);

/* NULL when there is none. */
Pawl__Failure *pawl_durabletask_failure(struct pawl_durabletask *with,
                                        const struct pawl_failure_view *failure);
/* Not present for NULL. */
struct pawl_failure_view pawl_durabletask_failure_view(struct pawl_durabletask *with,
                                                       const Pawl__Failure *failure);

/* An id as clients see it; absent for the unset one. */
struct pawl_bytes pawl_durabletask_uuid_text(struct pawl_durabletask *with, struct pawl_id id);

/* The id of an execution: a UUID, Microsoft's without dashes, for its workers make ids of
 * children from it that must be short. The zero id: absent. */
struct pawl_bytes pawl_durabletask_execution_text(struct pawl_durabletask *with,
                                                  struct pawl_id execution);
/* From a UUID; any other text gives an id of its own, always the same. Absent: unset. */
struct pawl_id pawl_durabletask_uuid(struct pawl_bytes text);

/* History -------------------------------------------------------------------------------- */

/* A list that grows, of one instance. Zeroed it is empty. */
struct pawl_durabletask_history {
    size_t count;
    size_t capacity;
    Pawl__HistoryEvent **events;
    bool for_clients;         /* tell what is not replayed, too; older workers do not know it */
    bool is_suspended;        /* by the events so far */
    struct pawl_id execution; /* of its EXECUTION_STARTED; unset before it */
    struct pawl_bytes span;   /* Microsoft: what its worker said of it; absent: nothing yet */
};

/* Append an encoded event. What the protocol has no word for is left out. PAWL_E_CORRUPT:
 * not an event. */
PAWL_MUST_USE pawl_err pawl_durabletask_add_event(struct pawl_durabletask *with,
                                                  struct pawl_durabletask_history *history,
                                                  struct pawl_bytes instance,
                                                  struct pawl_bytes event);

/* The trace context (packed) of the execution that these encoded events begin; absent: none. */
struct pawl_bytes pawl_durabletask_trace(struct pawl_durabletask *with, uint32_t count,
                                         const struct pawl_bytes *events);

/* Of a start, as its request's `extra`; absent: none, or none that could be passed on. */
struct pawl_bytes pawl_durabletask_start_extra(struct pawl_durabletask *with,
                                               const Pawl__TraceContext *trace);

/* Work ----------------------------------------------------------------------------------- */

Pawl__ActivityRequest *pawl_durabletask_activity(struct pawl_durabletask *with,
                                                 const struct pawl_activity_item *item);

/* What a worker answered, as the engine takes it; `turn` and `cached` are the caller's. An
 * answer that cannot be taken has err and message set, which ends or stalls the instance:
 *   PAWL_E_INVALID, PAWL_E_TOO_LARGE  something is wrong with it; it fails
 *   PAWL_E_VERSION                    the worker has not this version; it stalls */
void pawl_durabletask_turn_done(struct pawl_durabletask *with,
                                const Pawl__WorkflowResponse *response, struct pawl_bytes instance,
                                struct pawl_turn_done *ret_done);

/* What these events say that the code was told to apply, as one pawl_patches_pack. */
struct pawl_bytes pawl_durabletask_patches(struct pawl_arena *arena, uint32_t count,
                                           const struct pawl_bytes *events);

/* Which code a Dapr worker ran: its version, and of the patches that it met those that are
 * new. `recorded` (pawl_patches_pack) is what the history said, all of which it must have met
 * first, in order; else the answer becomes PAWL_E_NONDETERMINISM. Other dialects say nothing
 * of it. */
void pawl_durabletask_read_code(struct pawl_durabletask *with,
                                const Pawl__WorkflowResponse *response, struct pawl_bytes recorded,
                                struct pawl_turn_done *done);

/* What a Microsoft worker said of the workflow's span, to be told in each later turn: into
 * done->extra. */
void pawl_durabletask_read_span(struct pawl_durabletask *with,
                                const Pawl__WorkflowResponse *response,
                                struct pawl_turn_done *done);

/* A result; one that is too large is a failure that says so. */
void pawl_durabletask_activity_done(struct pawl_durabletask *with,
                                    const Pawl__ActivityResponse *response,
                                    struct pawl_activity_done *ret_done);

/* Instances ------------------------------------------------------------------------------ */

Pawl__WorkflowState *pawl_durabletask_state(struct pawl_durabletask *with,
                                            const struct pawl_instance_state *state);

/* Bits of pawl_request.status_mask; statuses that do not exist here are ignored. */
uint32_t pawl_durabletask_status_mask(size_t count, const int32_t *statuses);

#endif /* PAWL_SIDECAR_DURABLETASK_H */
