#include "actors/call.h"

#include "actors/watch.h"
#include "base/cover.h"
#include "base/mutant.h"

#define RETRY_MS_MIN 50
#define RETRY_MS_MAX 5000

#define CALLS_KEPT_MAX      128u
#define ARENA_KEPT_SIZE_MAX (64u << 10)

/* Slots ---------------------------------------------------------------------------- */

static uint32_t slot_take(struct pawl_node *node, struct pawl_call *call)
{
    if (node->slots_unused_count == 0) {
        uint32_t old = node->calls_capacity;
        uint32_t capacity = old ? old * 2 : 64;
        node->calls = pawl_mem_resize(node->calls, capacity * sizeof *node->calls);
        node->calls_generation =
            pawl_mem_resize(node->calls_generation, capacity * sizeof *node->calls_generation);
        node->slots_unused =
            pawl_mem_resize(node->slots_unused, capacity * sizeof *node->slots_unused);
        for (uint32_t slot = capacity; slot > old; slot--) {
            node->calls[slot - 1] = NULL;
            node->calls_generation[slot - 1] = 0;
            node->slots_unused[node->slots_unused_count++] = slot - 1;
        }
        node->calls_capacity = capacity;
    }
    uint32_t slot = node->slots_unused[--node->slots_unused_count];
    PAWL_ASSERT(node->calls[slot] == NULL);
    node->calls[slot] = call;
    node->calls_generation[slot]++;
    node->calls_in_flight++;
    return slot;
}

static struct pawl_call *slot_find(const struct pawl_node *node, uint64_t token)
{
    uint32_t slot = (uint32_t)token - 1;
    if (slot >= node->calls_capacity || !node->calls[slot]) return NULL;
    if (node->calls_generation[slot] != (uint32_t)(token >> 32)) return NULL;
    return node->calls[slot];
}

static void slot_give(struct pawl_node *node, uint64_t token)
{
    uint32_t slot = (uint32_t)token - 1;
    node->calls[slot] = NULL;
    node->slots_unused[node->slots_unused_count++] = slot;
    node->calls_in_flight--;
}

/* Calls ---------------------------------------------------------------------------- */

static void call_submit(struct pawl_node *node, struct pawl_call *call)
{
    struct pawl_effect *effect = pawl_effects_push(node->effects, PAWL_EFFECT_STORE);
    effect->store = &call->request;
    call->attempts++;
    node->metrics.store_ops_total[call->request.op]++;
}

static void call_on_retry(struct pawl_node *node, struct pawl_alarm *alarm)
{
    call_submit(node, PAWL_CONTAINER_OF(alarm, struct pawl_call, retry));
}

struct pawl_call *pawl_call_new(struct pawl_node *node, enum pawl_store_op op, uint32_t partition,
                                pawl_call_on_reply *on_reply)
{
    struct pawl_call *call;
    if (pawl_list_is_empty(&node->calls_unused)) {
        call = PAWL_NEW(struct pawl_call);
        pawl_arena_init(&call->arena);
    } else {
        struct pawl_list *link = node->calls_unused.prev;
        pawl_list_remove(link);
        node->calls_unused_count--;
        call = PAWL_CONTAINER_OF(link, struct pawl_call, link);
        struct pawl_arena arena = call->arena;
        *call = (struct pawl_call){ .arena = arena };
        pawl_arena_reset(&call->arena);
    }
    call->request.op = op;
    call->request.partition = partition;
    call->on_reply = on_reply;
    call->retry.fire = call_on_retry;
    return call;
}

static void call_finish(struct pawl_node *node, struct pawl_call *call)
{
    PAWL_ASSERT(!pawl_heap_node_is_linked(&call->retry.node));
    pawl_list_push_tail(&node->calls_finished, &call->link);
}

static void call_free(struct pawl_call *call)
{
    pawl_arena_deinit(&call->arena);
    pawl_mem_free(call);
}

void pawl_calls_recycle(struct pawl_node *node)
{
    while (!pawl_list_is_empty(&node->calls_finished)) {
        struct pawl_list *link = node->calls_finished.next;
        struct pawl_call *call = PAWL_CONTAINER_OF(link, struct pawl_call, link);
        pawl_list_remove(link);
        /* A few for the steady state; the rest of a burst goes back. */
        if (node->calls_unused_count >= CALLS_KEPT_MAX || call->arena.used > ARENA_KEPT_SIZE_MAX) {
            call_free(call);
            continue;
        }
        pawl_list_push_tail(&node->calls_unused, link);
        node->calls_unused_count++;
    }
}

void pawl_call_drop(struct pawl_node *node, struct pawl_call *call)
{
    PAWL_ASSERT(!call->sent);
    call_finish(node, call);
}

void pawl_call_send(struct pawl_node *node, struct pawl_call *call)
{
    PAWL_ASSERT(!call->sent);
    uint32_t slot = slot_take(node, call);
    call->request.token = (uint64_t)node->calls_generation[slot] << 32 | (slot + 1);
    call->sent = true;
    call->sent_ms = node->now_ms;
    call_submit(node, call);
}

static int64_t call_retry_ms(struct pawl_node *node, const struct pawl_call *call)
{
    uint32_t doublings = call->attempts < 8 ? call->attempts : 8;
    int64_t delay_ms = (int64_t)RETRY_MS_MIN << doublings;
    if (delay_ms > RETRY_MS_MAX) delay_ms = RETRY_MS_MAX;
    return delay_ms / 2 + (int64_t)pawl_rng_below(&node->rng, (uint64_t)delay_ms / 2 + 1);
}

/* Definitely not applied, or perhaps applied: both are answered by the identical
 * request, which the store recognises. */
static bool call_is_final(const struct pawl_call *call, pawl_err err)
{
    if (PAWL_MUTANT(UNKNOWN_IS_OK) || PAWL_MUTANT(UNKNOWN_IS_LOST))
        return err != PAWL_E_UNAVAILABLE;
    if (err != PAWL_E_UNAVAILABLE && err != PAWL_E_UNKNOWN && err != PAWL_E_TIMEOUT) return true;
    return call->attempts_max != 0 && call->attempts >= call->attempts_max;
}

void pawl_call_on_store_reply(struct pawl_node *node, const struct pawl_store_reply *reply)
{
    struct pawl_call *call = slot_find(node, reply->token);
    if (!call) return; /* a second reply to something already answered */
    PAWL_ASSERT(call->request.op == reply->op);

    if (reply->op == PAWL_STORE_COMMIT && reply->err == PAWL_E_UNKNOWN)
        node->metrics.commits_unknown_total++;
    if (!call_is_final(call, reply->err)) {
        if (reply->err != PAWL_E_UNAVAILABLE) call->unsure = true;
        pawl_alarm_set(node, &call->retry, node->now_ms + call_retry_ms(node, call));
        return;
    }
    slot_give(node, reply->token);
    bool is_rewind =
        reply->op == PAWL_STORE_DELIVER && !pawl_id_is_zero(call->request.deliver.rewind);
    bool is_news = reply->op == PAWL_STORE_CREATE || reply->op == PAWL_STORE_PURGE || is_rewind;
    uint32_t partition = call->request.partition;
    call->on_reply(node, call, reply);
    call_finish(node, call);
    if (is_news) pawl_watch_on_changed(node, partition);
}

void pawl_calls_on_store_back(struct pawl_node *node)
{
    for (uint32_t slot = 0; slot < node->calls_capacity; slot++) {
        struct pawl_call *call = node->calls[slot];
        if (!call || !pawl_heap_node_is_linked(&call->retry.node)) continue;
        PAWL_COVER(CALL_SENT_EARLY);
        pawl_alarm_set(node, &call->retry, node->now_ms);
    }
}

void pawl_calls_deinit(struct pawl_node *node)
{
    for (uint32_t slot = 0; slot < node->calls_capacity; slot++) {
        struct pawl_call *call = node->calls[slot];
        if (!call) continue;
        pawl_alarm_clear(node, &call->retry);
        call_free(call);
    }
    pawl_calls_recycle(node);
    while (!pawl_list_is_empty(&node->calls_unused)) {
        struct pawl_list *link = node->calls_unused.next;
        pawl_list_remove(link);
        call_free(PAWL_CONTAINER_OF(link, struct pawl_call, link));
    }
    pawl_mem_free(node->calls);
    pawl_mem_free(node->calls_generation);
    pawl_mem_free(node->slots_unused);
}
