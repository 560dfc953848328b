#include "actors/request_list.h"

#include "actors/call.h"
#include "actors/envelope.h"
#include "actors/job.h"
#include "actors/request.h"
#include "actors/router.h"
#include "actors/workflow.h"
#include "base/codec.h"
#include "base/mutant.h"
#include "sdk/schedule.h"

#define LIST_LIMIT_DEFAULT 50u
#define LIST_SCAN_MAX      1000u
#define LIST_ROWS_MIN      3u /* asked of a partition at a time; few of them belong on a page */

/* List: every partition gives a few of its first matches; the first of all of them are
 * the page. Asked on, in rounds, are those which may have more that belong on it: a page
 * costs about its own length, however many partitions there are. ------------------------- */

struct list_row {
    int64_t key; /* what the order sorts by */
    struct pawl_bytes instance;
    struct pawl_instance_state state;
};

/* How far a partition has been read. */
struct list_part {
    struct list_row scanned;
    bool more;
};

struct list_job {
    struct pawl_job base;
    uint64_t token;
    struct pawl_query query; /* of the first round */
    bool is_phase;           /* of two: what has ended follows */
    bool with_schedules;
    uint32_t limit;
    struct list_part *parts;
    uint32_t outstanding;
    bool failed;
    uint32_t rows_count;
    uint32_t rows_capacity;
    struct list_row *rows; /* in order, at most limit + 1 */
    uint32_t causes_count; /* rows looked at for why they are stalled */
};

/* A schedule is an instance, too. It is a match for whoever asks for schedules. */
static bool list_is_schedule(struct pawl_bytes name)
{
    return pawl_bytes_is_str(name, PAWL_SCHEDULE_NAME);
}

static bool list_wants_schedules(const struct pawl_request *request)
{
    struct pawl_bytes prefix = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_PREFIX);
    bool has_prefix = request->prefix.size >= prefix.size
                      && memcmp(request->prefix.data, prefix.data, prefix.size) == 0;
    return has_prefix || list_is_schedule(request->name);
}

/* The statuses of instances that have ended, or of the others. */
static uint32_t list_mask(bool ended)
{
    uint32_t mask = 0;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        if (pawl_status_is_terminal((enum pawl_status)i) == ended) mask |= 1u << i;
    return mask;
}

static bool list_has_updated(const struct pawl_request *request)
{
    return request->updated_from_ms != 0 || request->updated_to_ms != 0;
}

static enum pawl_query_order list_order_of(const struct pawl_request *request)
{
    switch (request->order) {
    case PAWL_LIST_CREATED: return PAWL_QUERY_CREATED;
    case PAWL_LIST_COMPLETED: return PAWL_QUERY_COMPLETED;
    case PAWL_LIST_ID: return PAWL_QUERY_ID;
    case PAWL_LIST_DEFAULT: break;
    }
    if (request->completed_from_ms || request->completed_to_ms) return PAWL_QUERY_COMPLETED;
    bool has_facet = request->status_mask || request->name.size || request->tags.size;
    if (request->prefix.size && !has_facet && !list_has_updated(request)) return PAWL_QUERY_ID;
    return PAWL_QUERY_CREATED;
}

static struct pawl_query list_query(const struct pawl_request *request)
{
    return (struct pawl_query){ .order = list_order_of(request),
                                .status_mask = request->status_mask,
                                .name = request->name,
                                .prefix = request->prefix,
                                .tags = request->tags,
                                .created_from_ms = request->created_from_ms,
                                .created_to_ms = request->created_to_ms,
                                .completed_from_ms = request->completed_from_ms,
                                .completed_to_ms = request->completed_to_ms,
                                .updated_from_ms = request->updated_from_ms,
                                .updated_to_ms = request->updated_to_ms,
                                .scan_max = LIST_SCAN_MAX };
}

/* By updated time two indexes are asked: what has not ended is little, and what has ended
 * was updated last when it ended. */
static bool list_is_by_updated(const struct pawl_request *request)
{
    return list_has_updated(request) && request->order == PAWL_LIST_DEFAULT
           && list_order_of(request) == PAWL_QUERY_CREATED;
}

/* False: no status is left. */
static bool list_to_live(struct pawl_query *query)
{
    uint32_t live = list_mask(false);
    query->status_mask = query->status_mask ? query->status_mask & live : live;
    return query->status_mask != 0;
}

static void list_to_ended(struct pawl_query *query)
{
    query->order = PAWL_QUERY_COMPLETED;
    query->completed_from_ms = query->updated_from_ms;
    query->completed_to_ms = query->updated_to_ms;
    query->updated_from_ms = 0;
    query->updated_to_ms = 0;
}

static const char list_letters[PAWL_QUERY_ORDERS_END] = {
    [PAWL_QUERY_CREATED] = 'c', [PAWL_QUERY_COMPLETED] = 'e', [PAWL_QUERY_ID] = 'i'
};

/* The order's letter, the key, the id: "c1790000000000|order-17". Without an id: from the
 * beginning. */
static struct pawl_bytes list_cursor_pack(struct pawl_arena *arena, enum pawl_query_order order,
                                          int64_t key, struct pawl_bytes instance)
{
    return pawl_arena_printf(arena, "%c%lld|%.*s", list_letters[order], (long long)key,
                             PAWL_BYTES_FMT(instance));
}

/* The order is the one that the request has, or the second of two. */
static bool list_cursor_unpack(struct pawl_bytes cursor, bool by_updated, struct pawl_query *query)
{
    int64_t key = 0;
    size_t at = 1;
    while (at < cursor.size && at < 18 && cursor.data[at] >= '0' && cursor.data[at] <= '9')
        key = key * 10 + (cursor.data[at++] - '0');
    if (at < 2 || at >= cursor.size || cursor.data[at] != '|') return false;
    if (by_updated && cursor.data[0] == (uint8_t)list_letters[PAWL_QUERY_COMPLETED])
        list_to_ended(query);
    if (cursor.data[0] != (uint8_t)list_letters[query->order]) return false;
    query->before_ms = key;
    if (at + 1 < cursor.size)
        query->before_instance = pawl_bytes_make(cursor.data + at + 1, cursor.size - at - 1);
    return true;
}

/* By the key, then by id, both descending. */
static int list_order(const struct list_row *a, const struct list_row *b)
{
    if (a->key != b->key) return a->key > b->key ? -1 : 1;
    return pawl_bytes_compare(b->instance, a->instance);
}

static void list_insert(struct list_job *job, const struct list_row *row)
{
    uint32_t at = job->rows_count;
    while (at > 0 && list_order(row, &job->rows[at - 1]) < 0) at--;
    if (at == job->rows_capacity) return; /* behind a full page */
    uint32_t moved = job->rows_count - at;
    if (job->rows_count == job->rows_capacity)
        moved--;
    else
        job->rows_count++;
    memmove(&job->rows[at + 1], &job->rows[at], moved * sizeof *job->rows);
    job->rows[at] = *row;
}

static struct pawl_instance_state list_copy_state(struct pawl_arena *arena,
                                                  struct pawl_instance_state state)
{
    state.instance = pawl_arena_copy(arena, state.instance);
    state.name = pawl_arena_copy(arena, state.name);
    state.version = pawl_arena_copy(arena, state.version);
    state.custom_status = pawl_arena_copy(arena, state.custom_status);
    state.parent_instance = pawl_arena_copy(arena, state.parent_instance);
    state.parent_app = pawl_arena_copy(arena, state.parent_app);
    state.failure.type = pawl_arena_copy(arena, state.failure.type);
    state.failure.message = pawl_arena_copy(arena, state.failure.message);
    state.tags = pawl_arena_copy(arena, state.tags);
    return state;
}

static struct pawl_instance_state list_read_state(struct pawl_arena *arena,
                                                  const struct pawl_query_row *row)
{
    struct pawl_instance_state state;
    pawl_request_fill_state(row->instance, &row->metadata, row->custom_status, &state);
    return list_copy_state(arena, state);
}

static void list_answer(struct pawl_node *node, struct list_job *job)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_answer *answer = PAWL_ARENA_NEW(arena, struct pawl_answer);
    uint32_t count = job->rows_count < job->limit ? job->rows_count : job->limit;
    answer->states_count = count;
    answer->states = PAWL_ARENA_ARRAY(arena, struct pawl_instance_state, count);
    for (uint32_t i = 0; i < count; i++)
        answer->states[i] = list_copy_state(arena, job->rows[i].state);
    if (job->rows_count > job->limit)
        answer->cursor = list_cursor_pack(arena, job->query.order, job->rows[count - 1].key,
                                          answer->states[count - 1].instance);
    else if (job->is_phase)
        answer->cursor = list_cursor_pack(arena, PAWL_QUERY_COMPLETED, 0, PAWL_BYTES_LITERAL(""));
    pawl_node_answer(node, job->token, answer);
}

static void list_answer_err(struct pawl_node *node, uint64_t token, const struct pawl_call *call,
                            const struct pawl_store_reply *reply)
{
    if (reply->err == PAWL_E_BUSY)
        pawl_node_answer_err(
            node, token, PAWL_E_BUSY,
            "the index of instances is still being built, because the stored state "
            "is of an older version; lists by created time work meanwhile, try "
            "again in a minute");
    else
        pawl_request_answer_store_err(node, token, call->instance, reply);
}

static void list_on_rows(struct pawl_node *node, struct pawl_call *call,
                         const struct pawl_store_reply *reply);

static void list_ask(struct pawl_node *node, struct list_job *job, uint32_t partition)
{
    const struct list_part *part = &job->parts[partition];
    struct pawl_call *call = pawl_call_new(node, PAWL_STORE_QUERY, partition, list_on_rows);
    call->attempts_max = 2;
    call->context = job;
    call->request.query = job->query;
    if (part->more) {
        call->request.query.before_ms = part->scanned.key;
        call->request.query.before_instance = part->scanned.instance;
    }
    job->outstanding++;
    pawl_call_send(node, call);
}

/* Whether the partition may have a row that comes before the last of the page. */
static bool list_is_wanted(const struct list_job *job, const struct list_part *part)
{
    if (!part->more || PAWL_MUTANT(LIST_FIRST_ROWS)) return false;
    if (job->rows_count < job->rows_capacity) return true;
    return list_order(&part->scanned, &job->rows[job->rows_count - 1]) < 0;
}

static int64_t list_key(enum pawl_query_order order, const struct pawl_instance_state *state)
{
    switch (order) {
    case PAWL_QUERY_CREATED: return state->created_ms;
    case PAWL_QUERY_COMPLETED: return state->completed_ms;
    case PAWL_QUERY_ID:
    case PAWL_QUERY_ORDERS_END: break;
    }
    return 0;
}

static void list_take_rows(struct list_job *job, struct list_part *part,
                           const struct pawl_store_reply *reply)
{
    for (uint32_t i = 0; i < reply->query.rows_count; i++) {
        if (!job->with_schedules && list_is_schedule(reply->query.rows[i].metadata.name)) continue;
        struct list_row row = { .state = list_read_state(&job->base.arena, &reply->query.rows[i]) };
        row.instance = row.state.instance;
        row.key = list_key(job->query.order, &row.state);
        list_insert(job, &row);
    }
    part->more = reply->query.more;
    if (!part->more) return;
    part->scanned.key = reply->query.scanned_ms;
    part->scanned.instance = pawl_arena_copy(&job->base.arena, reply->query.scanned_instance);
}

static void list_end(struct pawl_node *node, struct list_job *job)
{
    if (!job->failed) list_answer(node, job);
    pawl_job_close(&job->base);
}

/* Why those are stalled that are: a row has it not. One after the other, for the rest of what
 * is read with it may be large. ------------------------------------------------------- */

static void list_ask_causes(struct pawl_node *node, struct list_job *job);

static void list_on_cause(struct pawl_node *node, struct pawl_call *call,
                          const struct pawl_store_reply *reply)
{
    struct list_job *job = call->context;
    struct pawl_instance_state *state = &job->rows[job->causes_count++].state;
    struct pawl_failure_view failure = { .present = false };
    /* It may have ended or gone meanwhile: then the row is as it was, without a cause. */
    bool is_stalled =
        reply->err == PAWL_OK && reply->load.snapshot.metadata.status == PAWL_STATUS_STALLED;
    if (is_stalled
        && pawl_failure_decode(reply->load.snapshot.payloads.failure, &failure) == PAWL_OK)
        state->failure =
            (struct pawl_failure_view){ .present = failure.present,
                                        .type = pawl_arena_copy(&job->base.arena, failure.type),
                                        .message =
                                            pawl_arena_copy(&job->base.arena, failure.message) };
    list_ask_causes(node, job);
}

static void list_ask_causes(struct pawl_node *node, struct list_job *job)
{
    uint32_t count = job->rows_count < job->limit ? job->rows_count : job->limit;
    while (job->causes_count < count
           && job->rows[job->causes_count].state.status != PAWL_STATUS_STALLED)
        job->causes_count++;
    if (job->failed || job->causes_count >= count) {
        list_end(node, job);
        return;
    }
    struct pawl_bytes instance = job->rows[job->causes_count].instance;
    struct pawl_call *call = pawl_call_new(
        node, PAWL_STORE_LOAD, pawl_node_partition(node, instance)->index, list_on_cause);
    call->attempts_max = 2;
    call->context = job;
    call->instance = pawl_arena_copy(&call->arena, instance);
    call->request.load =
        (struct pawl_load){ .want = PAWL_LOAD_PAYLOADS, .instance = call->instance };
    pawl_call_send(node, call);
}

static void list_on_rows(struct pawl_node *node, struct pawl_call *call,
                         const struct pawl_store_reply *reply)
{
    struct list_job *job = call->context;
    job->outstanding--;
    if (reply->err != PAWL_OK) {
        if (!job->failed) list_answer_err(node, job->token, call, reply);
        job->failed = true;
    } else if (!job->failed) {
        list_take_rows(job, &job->parts[call->request.partition], reply);
    }
    if (job->outstanding > 0) return;
    for (uint32_t i = 0; !job->failed && i < node->config.partitions; i++)
        if (list_is_wanted(job, &job->parts[i])) list_ask(node, job, i);
    if (job->outstanding > 0) return;
    list_ask_causes(node, job);
}

void pawl_request_list(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    uint32_t limit = request->limit ? request->limit : LIST_LIMIT_DEFAULT;
    struct pawl_query query = list_query(request);
    bool by_updated = list_is_by_updated(request);
    if (request->cursor.size && !list_cursor_unpack(request->cursor, by_updated, &query)) {
        pawl_node_answer_err(node, token, PAWL_E_INVALID,
                             "cursor: not one that an earlier list with the same filter and order "
                             "has returned");
        return;
    }
    bool is_phase = by_updated && query.order == PAWL_QUERY_CREATED;
    if (is_phase && !list_to_live(&query)) {
        list_to_ended(&query);
        is_phase = false;
    }
    uint32_t partitions = node->config.partitions;
    query.limit = 2 * (limit + 1) / partitions;
    if (query.limit < LIST_ROWS_MIN) query.limit = LIST_ROWS_MIN;
    if (query.limit > limit + 1) query.limit = limit + 1;
    struct list_job *job = PAWL_NEW(struct list_job);
    pawl_job_open(node, &job->base);
    job->token = token;
    job->limit = limit;
    job->is_phase = is_phase;
    job->with_schedules = list_wants_schedules(request);
    job->query = query;
    job->query.name = pawl_arena_copy(&job->base.arena, query.name);
    job->query.prefix = pawl_arena_copy(&job->base.arena, query.prefix);
    job->query.tags = pawl_arena_copy(&job->base.arena, query.tags);
    job->query.before_instance = pawl_arena_copy(&job->base.arena, query.before_instance);
    job->parts = PAWL_ARENA_ARRAY(&job->base.arena, struct list_part, partitions);
    job->rows_capacity = limit + 1;
    job->rows = PAWL_ARENA_ARRAY(&job->base.arena, struct list_row, limit + 1);
    for (uint32_t i = 0; i < partitions; i++) list_ask(node, job, i);
}

/* Count: every partition counts its own, a stretch at a time. Indexes count schedules with the
 * rest, so those are counted once more, and taken off. --------------------------------------- */

struct count_job {
    struct pawl_job base;
    uint64_t token;
    uint32_t outstanding;
    bool failed;
    bool is_less; /* without schedules: what is asked by name is those */
    uint64_t counts[PAWL_STATUS_COUNT];
    uint64_t schedules[PAWL_STATUS_COUNT];
};

static void count_ask(struct pawl_node *node, struct count_job *job, uint32_t partition,
                      const struct pawl_query *query);

static void count_take(struct pawl_node *node, struct count_job *job, const struct pawl_call *call,
                       const struct pawl_store_reply *reply)
{
    bool is_taken_off = job->is_less && call->request.query.name.size > 0;
    uint64_t *counts = is_taken_off ? job->schedules : job->counts;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++) counts[i] += reply->query.counts[i];
    if (!reply->query.more) return;
    struct pawl_query next = call->request.query;
    next.before_ms = reply->query.scanned_ms;
    next.before_instance = reply->query.scanned_instance;
    count_ask(node, job, call->request.partition, &next);
}

static void count_on_counted(struct pawl_node *node, struct pawl_call *call,
                             const struct pawl_store_reply *reply)
{
    struct count_job *job = call->context;
    job->outstanding--;
    if (reply->err == PAWL_OK && !job->failed) {
        count_take(node, job, call, reply);
    } else if (!job->failed) {
        job->failed = true;
        list_answer_err(node, job->token, call, reply);
    }
    if (job->outstanding > 0) return;
    if (!job->failed) {
        struct pawl_answer *answer = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_answer);
        /* One may have come in between. */
        for (int i = 0; i < PAWL_STATUS_COUNT; i++)
            answer->counts[i] =
                job->counts[i] > job->schedules[i] ? job->counts[i] - job->schedules[i] : 0;
        pawl_node_answer(node, job->token, answer);
    }
    pawl_job_close(&job->base);
}

static void count_ask(struct pawl_node *node, struct count_job *job, uint32_t partition,
                      const struct pawl_query *query)
{
    struct pawl_call *call = pawl_call_new(node, PAWL_STORE_QUERY, partition, count_on_counted);
    call->attempts_max = 2;
    call->context = job;
    call->request.query = *query;
    call->request.query.before_instance = pawl_arena_copy(&call->arena, query->before_instance);
    job->outstanding++;
    pawl_call_send(node, call);
}

static void count_ask_all(struct pawl_node *node, struct count_job *job,
                          const struct pawl_query *query)
{
    struct pawl_query schedules = *query;
    schedules.name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME);
    for (uint32_t i = PAWL_MUTANT(COUNT_SKIPS_ONE) ? 1 : 0; i < node->config.partitions; i++) {
        count_ask(node, job, i, query);
        if (job->is_less) count_ask(node, job, i, &schedules);
    }
}

void pawl_request_count(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    struct count_job *job = PAWL_NEW(struct count_job);
    pawl_job_open(node, &job->base);
    job->token = token;
    struct pawl_query query = list_query(request);
    query.count_only = true;
    query.name = pawl_arena_copy(&job->base.arena, query.name);
    query.prefix = pawl_arena_copy(&job->base.arena, query.prefix);
    query.tags = pawl_arena_copy(&job->base.arena, query.tags);
    struct pawl_query ended = query;
    bool is_both = list_is_by_updated(request);
    bool has_live = !is_both || list_to_live(&query);
    if (is_both) list_to_ended(&ended);
    job->is_less = query.name.size == 0 && !list_wants_schedules(request);
    if (has_live) count_ask_all(node, job, &query);
    if (is_both) count_ask_all(node, job, &ended);
}

/* Purge ------------------------------------------------------------------------------------- */

struct purge_item {
    struct purge_item *next;   /* deeper in the stack */
    struct purge_item *parent; /* whose child it is; NULL: the instance asked for */
    struct pawl_bytes app;     /* absent: the own */
    struct pawl_bytes instance;
    struct pawl_id inc;
    uint32_t history_from;
    bool expanded; /* its incarnation is known; its children are on the stack above, or gone */
};

struct purge_job {
    struct pawl_job base;
    uint64_t token;
    bool force;
    bool recursive;
    struct purge_item *stack; /* top first; the instance asked for is the deepest */
    bool only_child;          /* of `parent`; else there is nothing to do */
    struct pawl_parent parent;
};

static void purge_next(struct pawl_node *node, struct purge_job *job);

static void purge_free(struct purge_job *job)
{
    pawl_job_close(&job->base);
}

static void purge_on_purged(struct pawl_node *node, struct pawl_call *call,
                            const struct pawl_store_reply *reply)
{
    struct purge_job *job = call->context;
    struct purge_item *item = job->stack;
    bool is_root = item->parent == NULL;
    bool is_there_no_more = reply->err == PAWL_E_NOT_FOUND || reply->err == PAWL_E_CONFLICT;
    /* An attempt before this one, whose answer was lost, may have done it. */
    bool was_before = call->unsure && is_there_no_more;
    bool is_gone = reply->err == PAWL_OK || was_before || (!is_root && is_there_no_more);
    if (!is_gone) {
        pawl_request_answer_store_err(node, job->token, call->instance, reply);
        purge_free(job);
        return;
    }
    struct pawl_workflow *active = pawl_workflow_find(node, call->instance);
    if (active && reply->err != PAWL_E_CONFLICT)
        pawl_workflow_forget(node, active, PAWL_E_NOT_FOUND);
    pawl_request_on_purged(node, call->instance);
    job->stack = item->next;
    purge_next(node, job);
}

static void purge_push(struct purge_job *job, struct purge_item *parent, struct pawl_bytes app,
                       struct pawl_bytes instance)
{
    struct purge_item *item = PAWL_ARENA_NEW(&job->base.arena, struct purge_item);
    item->app = pawl_arena_copy(&job->base.arena, app);
    item->instance = pawl_arena_copy(&job->base.arena, instance);
    item->parent = parent;
    item->next = job->stack;
    job->stack = item;
}

static bool purge_is_child_of(const struct pawl_metadata *metadata, struct pawl_bytes app,
                              struct pawl_bytes instance, struct pawl_id inc)
{
    struct pawl_parent stored;
    return pawl_parent_decode(metadata->parent, &stored) == PAWL_OK
           && pawl_bytes_is_equal(stored.app, app) && pawl_bytes_is_equal(stored.instance, instance)
           && pawl_id_is_equal(stored.inc, inc);
}

/* An id may belong to somebody else by now. */
static bool purge_is_meant(const struct purge_job *job, const struct purge_item *item,
                           const struct pawl_metadata *metadata)
{
    if (item->parent)
        return purge_is_child_of(metadata, PAWL_BYTES_ABSENT, item->parent->instance,
                                 item->parent->inc);
    return !job->only_child
           || purge_is_child_of(metadata, job->parent.app, job->parent.instance, job->parent.inc);
}

static void purge_on_elsewhere(struct pawl_node *node, void *context,
                               const struct pawl_answer *answer)
{
    struct purge_job *job = context;
    if (answer->err != PAWL_OK && answer->err != PAWL_E_NOT_FOUND) {
        struct pawl_bytes instance = job->stack->instance, app = job->stack->app;
        pawl_node_answer_err(node, job->token, answer->err,
                             "child workflow '%.*s' of app '%.*s': %.*s", PAWL_BYTES_FMT(instance),
                             PAWL_BYTES_FMT(app), PAWL_BYTES_FMT(answer->message));
        purge_free(job);
        return;
    }
    job->stack = job->stack->next;
    purge_next(node, job);
}

/* A child of another app, and all below it, is its app's to purge. */
static void purge_elsewhere(struct pawl_node *node, struct purge_job *job,
                            const struct purge_item *item)
{
    PAWL_ASSERT(item->parent != NULL); /* the root is this app's */
    struct pawl_parent parent = { .app = pawl_bytes_str(node->app),
                                  .instance = item->parent->instance,
                                  .inc = item->parent->inc };
    struct pawl_request request = { .op = PAWL_REQUEST_PURGE,
                                    .app = item->app,
                                    .instance = item->instance,
                                    .force = job->force,
                                    .recursive = true,
                                    .parent = pawl_parent_pack(&node->effects->arena, &parent) };
    pawl_router_ask(node, &request, purge_on_elsewhere, job);
}

/* What is there now is meant: a repetition that comes late must not hit what was started
 * under the same id since. Then the history is walked for children; each is looked at before
 * its parent is removed. */
static void purge_on_loaded(struct pawl_node *node, struct pawl_call *call,
                            const struct pawl_store_reply *reply)
{
    struct purge_job *job = call->context;
    struct purge_item *item = job->stack;
    bool is_root = item->parent == NULL;
    if (reply->err == PAWL_E_CORRUPT && !job->recursive) {
        item->expanded = true; /* whichever is there: it helps nobody as it is */
        purge_next(node, job);
        return;
    }
    if (reply->err != PAWL_OK) {
        if (is_root || reply->err != PAWL_E_NOT_FOUND) {
            pawl_request_answer_store_err(node, job->token, call->instance, reply);
            purge_free(job);
            return;
        }
        job->stack = item->next;
        purge_next(node, job);
        return;
    }
    const struct pawl_snapshot *snapshot = &reply->load.snapshot;
    if (item->history_from == 0 && !purge_is_meant(job, item, &snapshot->metadata)) {
        job->stack = item->next;
        purge_next(node, job);
        return;
    }
    if (!job->force && !pawl_status_is_terminal(snapshot->metadata.status)) {
        struct pawl_store_reply refused = { .err = PAWL_E_NOT_TERMINAL };
        pawl_request_answer_store_err(node, job->token, call->instance, &refused);
        purge_free(job);
        return;
    }
    item->inc = snapshot->metadata.inc;
    item->history_from += snapshot->history_count;
    item->expanded = !job->recursive || item->history_from >= snapshot->metadata.history_count;
    for (uint32_t i = 0; i < snapshot->history_count; i++) {
        struct pawl_history_event event;
        if (pawl_history_event_decode(snapshot->history[i], &event) != PAWL_OK) continue;
        if (event.kind == PAWL_EVENT_CHILD_CREATED)
            purge_push(job, item, event.target_app, event.instance);
    }
    purge_next(node, job);
}

static void purge_next(struct pawl_node *node, struct purge_job *job)
{
    struct purge_item *item = job->stack;
    if (!item) {
        pawl_node_answer_err(node, job->token, PAWL_OK, "%s", "");
        purge_free(job);
        return;
    }
    if (!pawl_directory_is_own_app(node, item->app)) {
        purge_elsewhere(node, job, item);
        return;
    }
    uint32_t partition = pawl_node_partition(node, item->instance)->index;
    bool is_expanding = !item->expanded;
    struct pawl_call *call =
        pawl_call_new(node, is_expanding ? PAWL_STORE_LOAD : PAWL_STORE_PURGE, partition,
                      is_expanding ? purge_on_loaded : purge_on_purged);
    call->attempts_max = 3;
    call->context = job;
    call->instance = pawl_arena_copy(&call->arena, item->instance);
    if (is_expanding)
        call->request.load = (struct pawl_load){ .instance = call->instance,
                                                 .want = job->recursive ? PAWL_LOAD_HISTORY : 0,
                                                 .history_from = item->history_from,
                                                 .history_max = PAWL_LOAD_HISTORY_MAX,
                                                 .history_size_max = PAWL_LOAD_HISTORY_SIZE_MAX };
    else
        call->request.purge = (struct pawl_purge){ .instance = call->instance,
                                                   .inc = item->inc,
                                                   .force = job->force,
                                                   .now_ms = node->now_ms,
                                                   .tombs = { PAWL_TOMB_MS, PAWL_TOMBS_MAX },
                                                   .changes_max = PAWL_CHANGES_MAX };
    pawl_call_send(node, call);
}

void pawl_request_purge(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    struct purge_job *job = PAWL_NEW(struct purge_job);
    pawl_job_open(node, &job->base);
    job->token = token;
    job->force = request->force;
    job->recursive = request->recursive;
    job->only_child =
        request->parent.size
        && pawl_parent_decode(pawl_arena_copy(&job->base.arena, request->parent), &job->parent)
               == PAWL_OK;
    purge_push(job, NULL, PAWL_BYTES_ABSENT, request->instance);
    purge_next(node, job);
}
