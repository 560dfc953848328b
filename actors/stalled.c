#include "actors/stalled.h"

#include "actors/call.h"
#include "actors/partition.h"
#include "actors/worker.h"
#include "actors/workflow.h"
#include "base/mutant.h"

#define LOOK_ROWS 100u
#define LOOK_SCAN 1000u

const char *pawl_stall_name(enum pawl_stall stall)
{
    switch (stall) {
    case PAWL_STALL_NONE:
    case PAWL_STALL_OTHER: break;
#define X(name, text, curable) \
    case PAWL_STALL_##name: return text;
        PAWL_STALL_MAP(X)
#undef X
    }
    PAWL_UNREACHABLE("a stall without a name");
}

enum pawl_stall pawl_stall_of_name(struct pawl_bytes name)
{
#define X(cause, text, curable) \
    if (pawl_bytes_is_str(name, text)) return PAWL_STALL_##cause;
    PAWL_STALL_MAP(X)
#undef X
    return PAWL_STALL_OTHER;
}

bool pawl_stall_is_curable(enum pawl_stall stall)
{
    switch (stall) {
    case PAWL_STALL_NONE:
    case PAWL_STALL_OTHER: return false;
#define X(name, text, curable) \
    case PAWL_STALL_##name: return curable;
        PAWL_STALL_MAP(X)
#undef X
    }
    return false;
}

/* In the store ----------------------------------------------------------------------------- */

static void partition_look(struct pawl_node *node, struct pawl_partition *partition,
                           int64_t before_ms, struct pawl_bytes before_instance);

/* They come into memory, and are tried when they are loaded. When there is no room for more
 * of them, the next poll begins anew: those that are here by then are passed over quickly. */
static void look_on_rows(struct pawl_node *node, struct pawl_call *call,
                         const struct pawl_store_reply *reply)
{
    struct pawl_partition *partition = &node->partitions[call->request.partition];
    if (!pawl_partition_is_owned(partition)) return;
    if (reply->err != PAWL_OK) {
        partition->look_for_stalled = true;
        return;
    }
    for (uint32_t i = 0; i < reply->query.rows_count; i++) {
        const struct pawl_query_row *row = &reply->query.rows[i];
        uint32_t backlog =
            node->workflows_in[PAWL_WORKFLOW_LOADING] + node->workflows_in[PAWL_WORKFLOW_QUEUED];
        if (backlog >= PAWL_BACKLOG_MAX) {
            partition->look_for_stalled = true;
            return;
        }
        pawl_workflow_try_stalled(node, row->instance);
    }
    if (reply->query.more)
        partition_look(node, partition, reply->query.scanned_ms, reply->query.scanned_instance);
}

static void partition_look(struct pawl_node *node, struct pawl_partition *partition,
                           int64_t before_ms, struct pawl_bytes before_instance)
{
    struct pawl_call *call = pawl_call_new(node, PAWL_STORE_QUERY, partition->index, look_on_rows);
    call->attempts_max = 1;
    call->request.query = (struct pawl_query){
        .status_mask = 1u << PAWL_STATUS_STALLED,
        .before_ms = before_ms,
        .before_instance = pawl_arena_copy(&call->arena, before_instance),
        .limit = LOOK_ROWS,
        .scan_max = LOOK_SCAN,
    };
    pawl_call_send(node, call);
}

/* One more than before may be one that a worker has come for since: its commit was on its
 * way when that worker came, and its answer was lost. */
void pawl_stalled_on_polled(struct pawl_node *node, struct pawl_partition *partition)
{
    uint64_t count = partition->counts[PAWL_STATUS_STALLED];
    if (count > partition->stalled_seen) partition->look_for_stalled = true;
    if (count < partition->stalled_seen) partition->stalled_seen = count;
    if (!partition->look_for_stalled || node->turn_workers == 0) return;
    if (PAWL_MUTANT(STALLED_STAYS)) return;
    partition->look_for_stalled = false;
    partition->stalled_seen = count;
    if (count > 0) partition_look(node, partition, 0, PAWL_BYTES_ABSENT);
}

/* In memory --------------------------------------------------------------------------------- */

void pawl_stalled_on_worker(struct pawl_node *node)
{
    node->workers_opened++;
    if (PAWL_MUTANT(STALLED_STAYS)) return;
    for (uint32_t i = 0; i < node->config.partitions; i++)
        node->partitions[i].look_for_stalled = true;
    uint32_t cursor = 0;
    for (struct pawl_workflow *workflow;
         (workflow = pawl_map_next(&node->workflows, &cursor)) != NULL;)
        if (workflow->metadata.status == PAWL_STATUS_STALLED)
            pawl_workflow_try_stalled(node, workflow->id);
}
