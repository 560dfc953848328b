/* What is known of a log's end is as old as the last look at it; a mark says that somebody
 * wrote since. So a subscriber who asks again and again reads only the partitions where there
 * is something, and a read that was on its way when the mark was set does not take it away. */
#include "actors/watch.h"

#include "actors/call.h"
#include "actors/news.h"
#include "actors/position.h"
#include "actors/request.h"
#include "actors/request_list.h"
#include "base/cover.h"
#include "base/mutant.h"
#include "sdk/change.h"
#include "sdk/schedule.h"

#define NEVER INT64_MIN

/* The end of one partition's log. */
struct tail {
    uint64_t last;       /* number of the newest entry */
    uint64_t marks;      /* how often something new was told of */
    uint64_t marks_read; /* … before `last` was asked for */
    int64_t read_ms;     /* when it was; NEVER */
};

struct pawl_tails {
    struct pawl_alarm alarm; /* the next look */
    uint32_t looked_at;      /* where it begins */
    struct tail *items;      /* by partition */
};

/* One partition as a watch reads it. */
struct part {
    bool is_known; /* `after` counts */
    bool is_reading;
    bool is_forced; /* read once more, whatever is known */
};

enum snapshot {
    SNAPSHOT_NONE,
    SNAPSHOT_WANTED,
    SNAPSHOT_LOADING,
    SNAPSHOT_TAKEN, /* `state` is it, or absent when the instance is not there */
};

struct watch {
    struct pawl_list link; /* on node.watches */
    uint64_t token;        /* a request that is tried again keeps it: see `number` */
    uint64_t number;       /* of this watch alone: what was read for an earlier one is not for it */
    struct pawl_arena arena;
    struct pawl_request request;
    uint32_t first; /* partitions: from here, so many */
    uint32_t count;
    struct part *parts;
    uint64_t *after;
    uint32_t calls; /* in flight */
    uint32_t events_count;
    struct pawl_bytes *events; /* request.limit of them */
    enum snapshot snapshot;
    bool is_there;
    struct pawl_id inc; /* of the snapshot */
    uint32_t turn;
    struct pawl_instance_state state;
    bool is_new; /* it had no position: answered as soon as it has one */
    bool has_gap;
    bool time_up;
    struct pawl_alarm alarm;
};

/* What a read needs to know when it returns. */
struct reading {
    uint64_t watch; /* its number */
    uint32_t part;
    uint64_t marks;
};

static bool watch_is_of_instance(const struct watch *watch)
{
    return !pawl_bytes_is_absent(watch->request.instance);
}

static struct tail *tail_of(struct pawl_node *node, uint32_t partition)
{
    return &node->tails->items[partition];
}

static bool tail_is_fresh(const struct pawl_node *node, const struct tail *tail)
{
    int64_t looks = 1 + node->config.partitions / PAWL_WATCH_LOOKS_MAX; /* until all had one */
    return tail->read_ms != NEVER && tail->marks == tail->marks_read
           && node->now_ms - tail->read_ms <= 2 * looks * (int64_t)PAWL_WATCH_LOOK_MS;
}

static void tail_take(struct pawl_node *node, struct tail *tail, uint64_t marks,
                      const struct pawl_store_reply *reply)
{
    if (tail->read_ms != NEVER && marks < tail->marks_read) return; /* an older one came late */
    tail->last = reply->changes.last;
    tail->marks_read = marks;
    tail->read_ms = node->now_ms;
}

static struct watch *watch_find(struct pawl_node *node, uint64_t token)
{
    for (struct pawl_list *link = node->watches.next; link != &node->watches; link = link->next) {
        struct watch *watch = PAWL_CONTAINER_OF(link, struct watch, link);
        if (watch->token == token) return watch;
    }
    return NULL;
}

/* NULL: its asker has left, or the instance is another sidecar's. */
static struct watch *watch_of(struct pawl_node *node, const struct reading *reading)
{
    for (struct pawl_list *link = node->watches.next; link != &node->watches; link = link->next) {
        struct watch *watch = PAWL_CONTAINER_OF(link, struct watch, link);
        if (watch->number == reading->watch) return watch;
    }
    return NULL;
}

/* What a call has with it. */
static void watch_remember(struct pawl_node *node, const struct watch *watch,
                           struct pawl_call *call, uint32_t at)
{
    struct reading *reading = PAWL_ARENA_NEW(&call->arena, struct reading);
    *reading = (struct reading){ .watch = watch->number,
                                 .part = at,
                                 .marks = tail_of(node, watch->first + at)->marks };
    call->context = reading;
}

static void watch_free(struct pawl_node *node, struct watch *watch)
{
    pawl_alarm_clear(node, &watch->alarm);
    pawl_list_remove(&watch->link);
    node->watches_count--;
    pawl_arena_deinit(&watch->arena);
    pawl_mem_free(watch);
}

/* Answer ------------------------------------------------------------------------------------ */

static struct pawl_instance_state *state_copy(struct pawl_arena *arena,
                                              const struct pawl_instance_state *state)
{
    struct pawl_instance_state *copy = PAWL_ARENA_NEW(arena, struct pawl_instance_state);
    *copy = *state;
    struct pawl_bytes *texts[] = { &copy->instance,  &copy->name,          &copy->version,
                                   &copy->tags,      &copy->custom_status, &copy->parent_instance,
                                   &copy->parent_app };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = pawl_arena_copy(arena, *texts[i]);
    return copy;
}

static void watch_answer(struct pawl_node *node, struct watch *watch)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_answer *answer = PAWL_ARENA_NEW(arena, struct pawl_answer);
    answer->instance = pawl_arena_copy(arena, watch->request.instance);
    answer->reached = !watch->has_gap;
    answer->cursor = pawl_position_format(arena, node->config.partitions, watch->first,
                                          watch->count, watch->after);
    if (watch->snapshot == SNAPSHOT_TAKEN && watch->is_there) {
        answer->states_count = 1;
        answer->states = state_copy(arena, &watch->state);
    }
    answer->events_count = watch->events_count;
    answer->events = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, watch->events_count);
    for (uint32_t i = 0; i < watch->events_count; i++)
        answer->events[i] = pawl_arena_copy(arena, watch->events[i]);
    uint64_t token = watch->token;
    watch_free(node, watch);
    pawl_node_answer(node, token, answer);
}

static void watch_fail(struct pawl_node *node, struct watch *watch,
                       const struct pawl_store_reply *reply)
{
    uint64_t token = watch->token;
    struct pawl_bytes instance = pawl_arena_copy(&node->effects->arena, watch->request.instance);
    watch_free(node, watch);
    pawl_request_answer_store_err(node, token, instance, reply);
}

/* Read -------------------------------------------------------------------------------------- */

static void watch_step(struct pawl_node *node, struct watch *watch);

static bool event_is_wanted(const struct watch *watch, const struct pawl_change *change)
{
    const struct pawl_request *request = &watch->request;
    if (watch_is_of_instance(watch) && !pawl_bytes_is_equal(request->instance, change->instance))
        return false;
    bool is_schedule = pawl_bytes_is_str(change->name, PAWL_SCHEDULE_NAME);
    if (is_schedule && !watch_is_of_instance(watch) && pawl_bytes_is_absent(request->name))
        return false; /* as lists leave them out */
    if (!pawl_bytes_is_absent(request->name) && !pawl_bytes_is_equal(request->name, change->name))
        return false;
    return request->status_mask == 0 || request->status_mask >> change->status & 1;
}

static void event_take(struct watch *watch, uint32_t partition, const struct pawl_change *change)
{
    const struct pawl_lifecycle_event event = {
        .partition = partition,
        .number = change->number,
        .at_ms = change->at_ms,
        .what = change->what,
        .status = change->status,
        .gen = change->gen,
        .turn = change->turn,
        .inc = change->inc,
        .instance = change->instance,
        .name = change->name,
        .custom_status = change->custom_status,
    };
    watch->events[watch->events_count++] = pawl_lifecycle_event_pack(&watch->arena, &event);
}

/* The entries that the snapshot shows already: up to the last one of the same incarnation
 * that is not younger than it. */
static uint32_t shown_count(const struct watch *watch, const struct pawl_store_reply *reply)
{
    uint32_t count = 0;
    if (watch->snapshot != SNAPSHOT_TAKEN || !watch->is_there) return 0;
    for (uint32_t i = 0; i < reply->changes.count; i++) {
        const struct pawl_change *change = &reply->changes.items[i];
        /* A rewind is no turn. Nor is a purge, and behind it there is nothing to be shown. */
        bool is_same = change->turn == watch->turn && change->status == watch->state.status
                       && !(change->what & PAWL_CHANGE_PURGED);
        bool is_shown =
            pawl_id_is_equal(change->inc, watch->inc) && (change->turn < watch->turn || is_same);
        if (is_shown) count = i + 1;
    }
    return count;
}

static void part_take(struct watch *watch, uint32_t at, const struct pawl_store_reply *reply)
{
    uint32_t shown = shown_count(watch, reply);
    for (uint32_t i = 0; i < reply->changes.count; i++) {
        const struct pawl_change *change = &reply->changes.items[i];
        bool is_wanted = i >= shown && event_is_wanted(watch, change);
        if (is_wanted && watch->events_count == watch->request.limit) {
            if (PAWL_MUTANT(WATCH_SKIPS)) watch->after[at] = reply->changes.last;
            return;
        }
        if (is_wanted) event_take(watch, watch->first + at, change);
        watch->after[at] = change->number;
    }
}

/* What was to be read next is forgotten, or of another log. */
static void part_take_gap(struct watch *watch, uint32_t at, const struct pawl_store_reply *reply)
{
    watch->has_gap = true;
    bool is_other_log = watch->after[at] > reply->changes.last;
    watch->after[at] = is_other_log ? reply->changes.last : reply->changes.first - 1;
    if (!watch_is_of_instance(watch)) return;
    watch->after[at] = reply->changes.last;
    watch->snapshot = SNAPSHOT_WANTED;
}

static void part_on_read(struct watch *watch, uint32_t at, const struct pawl_store_reply *reply)
{
    struct part *part = &watch->parts[at];
    part->is_reading = false;
    part->is_forced = false;
    bool was_known = part->is_known;
    part->is_known = true;
    if (!was_known) {
        watch->after[at] = reply->changes.last;
        return;
    }
    uint64_t after = watch->after[at];
    if (after > reply->changes.last || after + 1 < reply->changes.first)
        part_take_gap(watch, at, reply);
    if (watch->snapshot != SNAPSHOT_WANTED) part_take(watch, at, reply);
}

static void watch_on_read(struct pawl_node *node, struct pawl_call *call,
                          const struct pawl_store_reply *reply)
{
    const struct reading *reading = call->context;
    if (reply->err == PAWL_OK)
        tail_take(node, tail_of(node, call->request.partition), reading->marks, reply);
    struct watch *watch = watch_of(node, reading);
    if (!watch) return;
    watch->calls--;
    if (reply->err != PAWL_OK) {
        watch_fail(node, watch, reply);
        return;
    }
    part_on_read(watch, reading->part, reply);
    watch_step(node, watch);
}

static void part_read(struct pawl_node *node, struct watch *watch, uint32_t at)
{
    uint32_t partition = watch->first + at;
    struct part *part = &watch->parts[at];
    struct pawl_call *call = pawl_call_new(node, PAWL_STORE_CHANGES, partition, watch_on_read);
    watch_remember(node, watch, call, at);
    call->request_token = watch->token;
    call->attempts_max = 3;
    call->request.changes = (struct pawl_changes){
        .after = part->is_known ? watch->after[at] : UINT64_MAX,
        .max = PAWL_CHANGES_ITEMS_MAX,
        .keep = PAWL_CHANGES_MAX,
    };
    part->is_reading = true;
    watch->calls++;
    pawl_call_send(node, call);
}

static bool part_needs_read(struct pawl_node *node, const struct watch *watch, uint32_t at)
{
    const struct part *part = &watch->parts[at];
    const struct tail *tail = tail_of(node, watch->first + at);
    if (part->is_reading) return false;
    return !part->is_known || part->is_forced || !tail_is_fresh(node, tail)
           || tail->last != watch->after[at];
}

/* Snapshot ---------------------------------------------------------------------------------- */

static void watch_on_loaded(struct pawl_node *node, struct pawl_call *call,
                            const struct pawl_store_reply *reply)
{
    struct watch *watch = watch_of(node, call->context);
    if (!watch) return;
    watch->calls--;
    if (reply->err != PAWL_OK && reply->err != PAWL_E_NOT_FOUND) {
        watch_fail(node, watch, reply);
        return;
    }
    watch->snapshot = SNAPSHOT_TAKEN;
    watch->is_there = reply->err == PAWL_OK;
    watch->parts[0].is_forced = true; /* what happened since the position was taken */
    if (watch->is_there) {
        struct pawl_instance_state state;
        const struct pawl_snapshot *snapshot = &reply->load.snapshot;
        pawl_request_fill_state(watch->request.instance, &snapshot->metadata,
                                snapshot->custom_status, &state);
        watch->state = *state_copy(&watch->arena, &state);
        watch->inc = snapshot->metadata.inc;
        watch->turn = snapshot->metadata.turn;
    }
    watch_step(node, watch);
}

static void watch_load(struct pawl_node *node, struct watch *watch)
{
    struct pawl_call *call = pawl_request_call(node, watch->token, PAWL_STORE_LOAD,
                                               watch->request.instance, watch_on_loaded);
    watch_remember(node, watch, call, 0);
    call->request.load = (struct pawl_load){ .instance = call->instance };
    watch->snapshot = SNAPSHOT_LOADING;
    watch->events_count = 0; /* the snapshot shows them */
    watch->calls++;
    pawl_call_send(node, call);
}

/* Life -------------------------------------------------------------------------------------- */

static void watch_read_all(struct pawl_node *node, struct watch *watch)
{
    for (uint32_t at = 0; at < watch->count && watch->calls < PAWL_WATCH_READS_MAX; at++) {
        if (watch->events_count == watch->request.limit) return;
        if (part_needs_read(node, watch, at)) part_read(node, watch, at);
    }
}

/* Go on as far as it goes. It may be gone afterwards. */
static void watch_step(struct pawl_node *node, struct watch *watch)
{
    if (watch->snapshot == SNAPSHOT_WANTED && watch->parts[0].is_known && watch->calls == 0) {
        watch_load(node, watch);
        return;
    }
    if (watch->snapshot != SNAPSHOT_LOADING) watch_read_all(node, watch);
    if (watch->calls > 0) return;
    bool is_due = watch->events_count > 0 || watch->has_gap || watch->is_new || watch->time_up;
    if (is_due) watch_answer(node, watch);
}

static void watch_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct watch *watch = PAWL_CONTAINER_OF(alarm, struct watch, alarm);
    watch->time_up = true;
    watch_step(node, watch);
}

static void watch_on_look(struct pawl_node *node, struct pawl_alarm *alarm);

void pawl_watches_init(struct pawl_node *node)
{
    uint32_t partitions = node->config.partitions;
    pawl_list_init(&node->watches);
    node->tails = PAWL_NEW(struct pawl_tails);
    node->tails->alarm.fire = watch_on_look;
    node->tails->items = pawl_mem_alloc(partitions * sizeof *node->tails->items);
    for (uint32_t i = 0; i < partitions; i++)
        node->tails->items[i] = (struct tail){ .read_ms = NEVER };
}

void pawl_watches_deinit(struct pawl_node *node)
{
    while (!pawl_list_is_empty(&node->watches))
        watch_free(node, PAWL_CONTAINER_OF(node->watches.next, struct watch, link));
    pawl_alarm_clear(node, &node->tails->alarm);
    pawl_mem_free(node->tails->items);
    pawl_mem_free(node->tails);
}

static struct watch *watch_new(struct pawl_node *node, uint64_t token,
                               const struct pawl_request *request)
{
    struct watch *watch = PAWL_NEW(struct watch);
    pawl_arena_init(&watch->arena);
    watch->token = token;
    watch->number = ++node->watch_numbers;
    watch->request = (struct pawl_request){
        .op = PAWL_REQUEST_WATCH,
        .instance = pawl_arena_copy(&watch->arena, request->instance),
        .name = pawl_arena_copy(&watch->arena, request->name),
        .status_mask = request->status_mask,
        .limit = request->limit ? request->limit : PAWL_CHANGES_ITEMS_MAX,
    };
    bool is_one = !pawl_bytes_is_absent(request->instance);
    watch->first = is_one ? pawl_node_partition(node, request->instance)->index : 0;
    watch->count = is_one ? 1 : node->config.partitions;
    watch->parts = PAWL_ARENA_ARRAY(&watch->arena, struct part, watch->count);
    watch->after = PAWL_ARENA_ARRAY(&watch->arena, uint64_t, watch->count);
    watch->events = PAWL_ARENA_ARRAY(&watch->arena, struct pawl_bytes, watch->request.limit);
    watch->alarm.fire = watch_on_alarm;
    watch->time_up = request->timeout_ms == 0;
    pawl_list_push_tail(&node->watches, &watch->link);
    node->watches_count++;
    return watch;
}

void pawl_watch_on_call(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    if (node->watches_count >= PAWL_WATCHES_MAX) {
        pawl_node_answer_err(node, token, PAWL_E_BUSY,
                             "%u subscriptions wait at this sidecar already; use another one, or "
                             "let fewer subscribers pass the events on",
                             PAWL_WATCHES_MAX);
        return;
    }
    struct watch *watch = watch_new(node, token, request);
    watch->is_new = pawl_bytes_is_absent(request->cursor);
    if (watch->is_new && watch_is_of_instance(watch)) watch->snapshot = SNAPSHOT_WANTED;
    bool is_read = watch->is_new
                   || pawl_position_parse(request->cursor, node->config.partitions, watch->first,
                                          watch->count, watch->after);
    if (!is_read) {
        watch_free(node, watch);
        pawl_node_answer_err(node, token, PAWL_E_INVALID,
                             "the position is none of this stream: begin without one, or use the "
                             "one that came with its last event");
        return;
    }
    for (uint32_t at = 0; at < watch->count; at++) watch->parts[at].is_known = !watch->is_new;
    pawl_alarm_set(node, &watch->alarm, node->now_ms + request->timeout_ms);
    if (!pawl_heap_node_is_linked(&node->tails->alarm.node))
        pawl_alarm_set(node, &node->tails->alarm, node->now_ms + PAWL_WATCH_LOOK_MS);
    if (!watch_is_of_instance(watch)) pawl_news_want(node);
    watch_step(node, watch);
}

bool pawl_watch_on_gone(struct pawl_node *node, uint64_t token)
{
    struct watch *watch = watch_find(node, token);
    if (watch) watch_free(node, watch);
    return watch != NULL;
}

void pawl_watches_on_partition_lost(struct pawl_node *node, const struct pawl_partition *partition)
{
    for (struct pawl_list *link = node->watches.next, *next; link != &node->watches; link = next) {
        struct watch *watch = PAWL_CONTAINER_OF(link, struct watch, link);
        next = link->next;
        if (!watch_is_of_instance(watch) || watch->first != partition->index) continue;
        uint64_t token = watch->token;
        watch_free(node, watch);
        pawl_node_answer_err(node, token, PAWL_E_FENCED, "%s", pawl_err_text(PAWL_E_FENCED));
    }
}

/* News -------------------------------------------------------------------------------------- */

static bool watch_covers(const struct watch *watch, uint32_t partition)
{
    return partition >= watch->first && partition - watch->first < watch->count;
}

static void watches_step(struct pawl_node *node, uint32_t partition)
{
    for (struct pawl_list *link = node->watches.next, *next; link != &node->watches; link = next) {
        struct watch *watch = PAWL_CONTAINER_OF(link, struct watch, link);
        next = link->next;
        if (watch_covers(watch, partition)) watch_step(node, watch);
    }
}

static bool is_watched(const struct pawl_node *node, uint32_t partition)
{
    for (struct pawl_list *link = node->watches.next; link != &node->watches; link = link->next)
        if (watch_covers(PAWL_CONTAINER_OF(link, struct watch, link), partition)) return true;
    return false;
}

static void tail_mark(struct pawl_node *node, uint32_t partition)
{
    tail_of(node, partition)->marks++;
    watches_step(node, partition);
}

void pawl_watch_on_changed(struct pawl_node *node, uint32_t partition)
{
    tail_mark(node, partition);
    pawl_news_tell(node, partition);
}

void pawl_watch_on_told(struct pawl_node *node, uint32_t partition)
{
    if (is_watched(node, partition)) PAWL_COVER(NEWS_TOLD);
    tail_mark(node, partition);
}

/* Only the number of the newest entry is asked for, once for all who watch. */
static void look_on_read(struct pawl_node *node, struct pawl_call *call,
                         const struct pawl_store_reply *reply)
{
    const struct reading *reading = call->context;
    struct tail *tail = tail_of(node, call->request.partition);
    if (reply->err != PAWL_OK) return;
    bool is_news = reply->changes.last != tail->last;
    tail_take(node, tail, reading->marks, reply);
    if (is_news) watches_step(node, call->request.partition);
}

static void look_at(struct pawl_node *node, uint32_t partition)
{
    struct pawl_call *call = pawl_call_new(node, PAWL_STORE_CHANGES, partition, look_on_read);
    struct reading *reading = PAWL_ARENA_NEW(&call->arena, struct reading);
    *reading = (struct reading){ .marks = tail_of(node, partition)->marks };
    call->context = reading;
    call->attempts_max = 1;
    call->request.changes = (struct pawl_changes){ .after = UINT64_MAX, .keep = PAWL_CHANGES_MAX };
    pawl_call_send(node, call);
}

static bool has_watch_of_all(const struct pawl_node *node)
{
    for (struct pawl_list *link = node->watches.next; link != &node->watches; link = link->next)
        if (!watch_is_of_instance(PAWL_CONTAINER_OF(link, struct watch, link))) return true;
    return false;
}

static void watch_on_look(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct pawl_tails *tails = PAWL_CONTAINER_OF(alarm, struct pawl_tails, alarm);
    uint32_t partitions = node->config.partitions, looks = 0;
    if (pawl_list_is_empty(&node->watches)) return; /* the next subscriber sets the alarm */
    if (has_watch_of_all(node)) pawl_news_want(node);
    for (uint32_t i = 0; i < partitions && looks < PAWL_WATCH_LOOKS_MAX; i++) {
        uint32_t partition = tails->looked_at;
        tails->looked_at = (partition + 1) % partitions;
        if (!is_watched(node, partition)) continue;
        look_at(node, partition);
        looks++;
    }
    pawl_alarm_set(node, alarm, node->now_ms + PAWL_WATCH_LOOK_MS);
}
