#include "actors/retention.h"

#include "actors/call.h"
#include "actors/partition.h"
#include "actors/request.h"
#include "base/mutant.h"

/* A sweep goes round in a tenth of the shortest time that is kept. */
#define ROUND_PART 10

static int64_t retention_round_ms(const struct pawl_node *node)
{
    int64_t shortest_ms = INT64_MAX;
    for (int status = 0; status < PAWL_STATUS_COUNT; status++) {
        int64_t kept_ms = node->config.retention_ms[status];
        if (kept_ms > 0 && kept_ms < shortest_ms) shortest_ms = kept_ms;
    }
    if (shortest_ms == INT64_MAX) return 0;
    int64_t round_ms = shortest_ms / ROUND_PART;
    if (round_ms < PAWL_RETENTION_ROUND_MS_MIN) return PAWL_RETENTION_ROUND_MS_MIN;
    return round_ms < PAWL_RETENTION_ROUND_MS_MAX ? round_ms : PAWL_RETENTION_ROUND_MS_MAX;
}

static void retention_next(struct pawl_node *node);

static void retention_purged(struct pawl_node *node)
{
    struct pawl_retention *retention = &node->retention;
    PAWL_ASSERT(retention->purges > 0);
    if (--retention->purges > 0) return;
    if (!retention->more) retention->status++;
    retention_next(node);
}

static void retention_on_purged(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply)
{
    if (reply->err == PAWL_OK) {
        node->metrics.purged_total++;
        pawl_request_on_purged(node, call->instance);
    } else {
        node->retention.more = false; /* not again and again; the next round tries */
    }
    retention_purged(node);
}

static void retention_purge(struct pawl_node *node, uint32_t partition,
                            const struct pawl_query_row *row)
{
    struct pawl_call *call = pawl_call_new(node, PAWL_STORE_PURGE, partition, retention_on_purged);
    call->attempts_max = 1;
    call->instance = pawl_arena_copy(&call->arena, row->instance);
    call->request.purge = (struct pawl_purge){ .instance = call->instance,
                                               .inc = row->metadata.inc,
                                               .now_ms = node->now_ms,
                                               .tombs = { PAWL_TOMB_MS, PAWL_TOMBS_MAX },
                                               .changes_max = PAWL_CHANGES_MAX };
    pawl_call_send(node, call);
}

static void retention_on_found(struct pawl_node *node, struct pawl_call *call,
                               const struct pawl_store_reply *reply)
{
    struct pawl_retention *retention = &node->retention;
    uint32_t partition = call->request.partition;
    bool is_ours = pawl_partition_is_owned(&node->partitions[partition]);
    uint32_t count = reply->err == PAWL_OK && is_ours ? reply->query.rows_count : 0;
    retention->more = count > 0 && reply->query.more;
    retention->purges = count;
    for (uint32_t i = 0; i < count; i++) retention_purge(node, partition, &reply->query.rows[i]);
    if (count > 0) return;
    retention->status++;
    retention_next(node);
}

static void retention_find(struct pawl_node *node, uint32_t partition, int status)
{
    struct pawl_call *call = pawl_call_new(node, PAWL_STORE_QUERY, partition, retention_on_found);
    call->attempts_max = 1;
    int64_t kept_ms = PAWL_MUTANT(RETENTION_EARLY) ? 0 : node->config.retention_ms[status];
    call->request.query = (struct pawl_query){
        .order = PAWL_QUERY_COMPLETED,
        .status_mask = 1u << status,
        .completed_to_ms = node->now_ms - kept_ms + 1,
        .limit = PAWL_RETENTION_PURGES_MAX,
        .scan_max = PAWL_RETENTION_PURGES_MAX,
    };
    pawl_call_send(node, call);
}

/* The next status of a partition that has any of it; at the end of the round, rest. */
static void retention_next(struct pawl_node *node)
{
    struct pawl_retention *retention = &node->retention;
    for (; retention->partition < node->config.partitions; retention->partition++) {
        const struct pawl_partition *partition = &node->partitions[retention->partition];
        for (; retention->status < PAWL_STATUS_COUNT; retention->status++) {
            int status = retention->status;
            if (node->config.retention_ms[status] == 0 || partition->counts[status] == 0) continue;
            if (!pawl_partition_is_owned(partition)) continue;
            retention_find(node, retention->partition, status);
            return;
        }
        retention->status = 0;
    }
    pawl_alarm_set(node, &retention->alarm, node->now_ms + retention_round_ms(node));
}

static void retention_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    (void)alarm;
    node->retention.partition = 0;
    node->retention.status = 0;
    retention_next(node);
}

void pawl_retention_init(struct pawl_node *node)
{
    node->retention.alarm.fire = retention_on_alarm;
    /* The node has not been told the time yet: due at its first step. */
    if (retention_round_ms(node) > 0) pawl_alarm_set(node, &node->retention.alarm, 0);
}

void pawl_retention_deinit(struct pawl_node *node)
{
    pawl_alarm_clear(node, &node->retention.alarm);
}
