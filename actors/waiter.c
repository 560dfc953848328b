/* A waiter is registered before the state is read: whatever is committed after the
 * read finds it. Its answer is always read from the store, so it shows what is
 * durable; who wants the status alone is told it by the commit. The first read is left out while
 * the instance is active here: its owner knows that the time has not come yet, and will tell. */
#include "actors/waiter.h"

#include "actors/call.h"
#include "actors/request.h"
#include "actors/request_list.h"
#include "actors/watch.h"
#include "actors/workflow.h"
#include "base/cover.h"

/* All waiters of one instance. */
struct pawl_waiters {
    struct pawl_bytes instance; /* owned */
    struct pawl_list list;
};

struct pawl_waiter {
    struct pawl_list link;
    struct pawl_waiters *waiters;
    uint64_t token;
    enum pawl_wait_for wait_for;
    bool with_payloads;
    bool may_be_absent; /* until it has been there once */
    bool status_only;
    bool reading; /* a LOAD is in flight */
    bool again;   /* the status changed meanwhile: read once more */
    bool time_up;
    struct pawl_alarm alarm;
};

static struct pawl_bytes waiter_key(const struct pawl_waiter *waiter)
{
    return pawl_bytes_make(&waiter->token, sizeof waiter->token);
}

static void waiter_free(struct pawl_node *node, struct pawl_waiter *waiter)
{
    struct pawl_waiters *waiters = waiter->waiters;
    pawl_alarm_clear(node, &waiter->alarm);
    pawl_list_remove(&waiter->link);
    pawl_map_remove(&node->waiters_token, waiter_key(waiter));
    pawl_mem_free(waiter);
    if (!pawl_list_is_empty(&waiters->list)) return;
    pawl_map_remove(&node->waiters, waiters->instance);
    pawl_bytes_free(waiters->instance);
    pawl_mem_free(waiters);
}

static bool waiter_is_reached(const struct pawl_waiter *waiter, enum pawl_status status)
{
    if (waiter->wait_for == PAWL_WAIT_STARTED) return status != PAWL_STATUS_PENDING;
    return pawl_status_is_terminal(status);
}

static void waiter_read(struct pawl_node *node, struct pawl_waiter *waiter);

/* There is no such instance yet. */
static void waiter_on_absent(struct pawl_node *node, struct pawl_waiter *waiter)
{
    if (waiter->time_up) {
        pawl_node_answer(node, waiter->token,
                         PAWL_ARENA_NEW(&node->effects->arena, struct pawl_answer));
        waiter_free(node, waiter);
        return;
    }
    if (waiter->again) waiter_read(node, waiter);
}

static void waiter_on_loaded(struct pawl_node *node, struct pawl_call *call,
                             const struct pawl_store_reply *reply)
{
    struct pawl_waiter *waiter = pawl_map_find(
        &node->waiters_token, pawl_bytes_make(&call->request_token, sizeof call->request_token));
    if (!waiter) return; /* its asker has left */
    waiter->reading = false;
    if (reply->err == PAWL_E_NOT_FOUND && waiter->may_be_absent) {
        waiter_on_absent(node, waiter);
        return;
    }
    if (reply->err != PAWL_OK) {
        pawl_request_answer_store_err(node, waiter->token, call->instance, reply);
        waiter_free(node, waiter);
        return;
    }
    waiter->may_be_absent = false;
    bool is_reached = waiter_is_reached(waiter, reply->load.snapshot.metadata.status);
    if (is_reached || waiter->time_up) {
        pawl_request_answer_state(node, waiter->token, call->instance, &reply->load.snapshot,
                                  is_reached);
        waiter_free(node, waiter);
        return;
    }
    if (waiter->again) waiter_read(node, waiter);
}

static void waiter_read(struct pawl_node *node, struct pawl_waiter *waiter)
{
    if (waiter->reading) {
        waiter->again = true;
        return;
    }
    struct pawl_bytes instance = waiter->waiters->instance;
    struct pawl_call *call = pawl_call_new(
        node, PAWL_STORE_LOAD, pawl_node_partition(node, instance)->index, waiter_on_loaded);
    call->request_token = waiter->token;
    call->attempts_max = 3;
    call->instance = pawl_arena_copy(&call->arena, instance);
    call->request.load =
        (struct pawl_load){ .instance = call->instance,
                            .want = waiter->with_payloads ? PAWL_LOAD_PAYLOADS : 0 };
    waiter->reading = true;
    waiter->again = false;
    pawl_call_send(node, call);
}

static void waiter_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct pawl_waiter *waiter = PAWL_CONTAINER_OF(alarm, struct pawl_waiter, alarm);
    waiter->time_up = true;
    waiter_read(node, waiter);
}

static struct pawl_waiters *waiters_of(struct pawl_node *node, struct pawl_bytes instance)
{
    struct pawl_waiters *waiters = pawl_map_find(&node->waiters, instance);
    if (waiters) return waiters;
    waiters = PAWL_NEW(struct pawl_waiters);
    waiters->instance = pawl_bytes_dup(instance);
    pawl_list_init(&waiters->list);
    pawl_map_insert(&node->waiters, waiters->instance, waiters);
    return waiters;
}

void pawl_waiter_on_wait(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    struct pawl_waiter *waiter = PAWL_NEW(struct pawl_waiter);
    waiter->waiters = waiters_of(node, request->instance);
    waiter->token = token;
    waiter->wait_for = request->wait_for;
    waiter->with_payloads = request->with_payloads;
    waiter->may_be_absent = request->may_be_absent;
    waiter->status_only = request->status_only;
    waiter->alarm.fire = waiter_on_alarm;
    pawl_list_push_tail(&waiter->waiters->list, &waiter->link);
    pawl_map_insert(&node->waiters_token, waiter_key(waiter), waiter);
    pawl_alarm_set(node, &waiter->alarm, node->now_ms + request->timeout_ms);
    const struct pawl_workflow *active = pawl_workflow_find(node, request->instance);
    bool is_known = active && active->state != PAWL_WORKFLOW_LOADING
                    && !waiter_is_reached(waiter, active->metadata.status);
    if (!is_known) waiter_read(node, waiter);
}

void pawl_request_on_gone(struct pawl_node *node, uint64_t token)
{
    struct pawl_waiter *waiter =
        pawl_map_find(&node->waiters_token, pawl_bytes_make(&token, sizeof token));
    if (waiter)
        waiter_free(node, waiter);
    else
        (void)pawl_watch_on_gone(node, token);
}

static void waiter_answer_status(struct pawl_node *node, struct pawl_waiter *waiter,
                                 enum pawl_status status)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_answer *answer = PAWL_ARENA_NEW(arena, struct pawl_answer);
    struct pawl_instance_state *state = PAWL_ARENA_NEW(arena, struct pawl_instance_state);
    state->instance = pawl_arena_copy(arena, waiter->waiters->instance);
    state->status = status;
    answer->instance = state->instance;
    answer->states_count = 1;
    answer->states = state;
    answer->reached = true;
    pawl_node_answer(node, waiter->token, answer);
    waiter_free(node, waiter);
}

void pawl_request_on_status(struct pawl_node *node, struct pawl_bytes instance,
                            enum pawl_status status)
{
    struct pawl_waiters *waiters = pawl_map_find(&node->waiters, instance);
    if (!waiters) return;
    struct pawl_list *link = waiters->list.next;
    bool is_last = pawl_list_is_empty(&waiters->list);
    while (!is_last) {
        struct pawl_waiter *waiter = PAWL_CONTAINER_OF(link, struct pawl_waiter, link);
        link = link->next;
        is_last = link == &waiters->list; /* with the last one the list goes, too */
        if (!waiter_is_reached(waiter, status)) continue;
        if (waiter->status_only)
            waiter_answer_status(node, waiter, status);
        else
            waiter_read(node, waiter);
    }
}

void pawl_request_on_forgotten(struct pawl_node *node, struct pawl_bytes instance)
{
    struct pawl_waiters *waiters = pawl_map_find(&node->waiters, instance);
    if (!waiters) return;
    for (struct pawl_list *link = waiters->list.next; link != &waiters->list; link = link->next)
        waiter_read(node, PAWL_CONTAINER_OF(link, struct pawl_waiter, link));
}

void pawl_request_on_purged(struct pawl_node *node, struct pawl_bytes instance)
{
    struct pawl_waiters *waiters = pawl_map_find(&node->waiters, instance);
    if (!waiters) return;
    for (struct pawl_list *link = waiters->list.next; link != &waiters->list; link = link->next)
        PAWL_CONTAINER_OF(link, struct pawl_waiter, link)->may_be_absent = false;
    pawl_request_on_forgotten(node, instance);
}

void pawl_waiters_on_partition_lost(struct pawl_node *node, const struct pawl_partition *partition)
{
    uint32_t cursor = 0;
    for (struct pawl_waiter *waiter;
         (waiter = pawl_map_next(&node->waiters_token, &cursor)) != NULL;) {
        if (pawl_node_partition(node, waiter->waiters->instance) != partition) continue;
        uint64_t token = waiter->token;
        PAWL_COVER(WAITER_MOVED);
        waiter_free(node, waiter);
        pawl_node_answer_err(node, token, PAWL_E_FENCED, "%s", pawl_err_text(PAWL_E_FENCED));
    }
}

void pawl_requests_deinit(struct pawl_node *node)
{
    uint32_t cursor = 0;
    for (struct pawl_waiter *waiter;
         (waiter = pawl_map_next(&node->waiters_token, &cursor)) != NULL;)
        waiter_free(node, waiter);
    pawl_map_deinit(&node->waiters);
    pawl_map_deinit(&node->waiters_token);
}
