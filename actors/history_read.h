/* History read: the whole history of an instance that has ended, page by page, as one
 * state of it. */
#ifndef PAWL_ACTORS_HISTORY_READ_H
#define PAWL_ACTORS_HISTORY_READ_H

#include "actors/job.h"

struct pawl_history_read;

/* Once. PAWL_OK: it is read, or it has not ended, and then there are no events. PAWL_E_BUSY: it
 * changes all the time. Else as the store says; the reply lives for this call only. */
typedef void pawl_history_read_on_done(struct pawl_node *node, struct pawl_history_read *read,
                                       pawl_err err, const struct pawl_store_reply *reply);

/* The first member of whoever wants to know. Texts are in the job's arena. */
struct pawl_history_read {
    struct pawl_job job;
    uint64_t token; /* of the management call that waits for it; 0: none does */
    struct pawl_bytes instance;
    pawl_history_read_on_done *on_done;
    uint32_t reads;
    struct pawl_metadata metadata;
    struct pawl_bytes input;
    uint32_t events_count;
    struct pawl_bytes *events; /* of the last generation */
};

/* token, instance and on_done are set. May be called again after it is done. */
void pawl_history_read_start(struct pawl_node *node, struct pawl_history_read *read);

#endif /* PAWL_ACTORS_HISTORY_READ_H */
