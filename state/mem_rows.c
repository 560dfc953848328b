#include "state/mem_rows.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "state/keys.h"

/* Owned bytes ------------------------------------------------------------------ */

struct pawl_bytes pawl_mem_bytes_copy(struct pawl_bytes bytes)
{
    if (pawl_bytes_is_absent(bytes)) return bytes;
    void *data = pawl_mem_alloc(bytes.size);
    if (bytes.size) memcpy(data, bytes.data, bytes.size);
    return pawl_bytes_make(data, bytes.size);
}

void pawl_mem_bytes_free(struct pawl_bytes *owned)
{
    pawl_mem_free((void *)(uintptr_t)owned->data);
    *owned = PAWL_BYTES_ABSENT;
}

void pawl_mem_bytes_set(struct pawl_bytes *owned, struct pawl_bytes bytes)
{
    struct pawl_bytes copy = pawl_mem_bytes_copy(bytes);
    pawl_mem_bytes_free(owned);
    *owned = copy;
}

/* Orders ----------------------------------------------------------------------- */

#define ITEM(node, type, member) PAWL_CONTAINER_OF(node, const struct type, member)

static int compare_int64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int instance_by_id(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    return pawl_bytes_compare(ITEM(a, pawl_mem_instance, by_id)->id,
                              ITEM(b, pawl_mem_instance, by_id)->id);
}

static int pending_by_op(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    struct pawl_op x = ITEM(a, pawl_mem_pending, node)->row.op;
    struct pawl_op y = ITEM(b, pawl_mem_pending, node)->row.op;
    if (x.kind != y.kind) return x.kind < y.kind ? -1 : 1;
    return compare_int64(x.id, y.id);
}

static int seen_by_id(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    return pawl_bytes_compare(ITEM(a, pawl_mem_seen, by_id)->request_id,
                              ITEM(b, pawl_mem_seen, by_id)->request_id);
}

static int seen_by_time(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    const struct pawl_mem_seen *x = ITEM(a, pawl_mem_seen, by_time);
    const struct pawl_mem_seen *y = ITEM(b, pawl_mem_seen, by_time);
    int order = compare_int64(x->seen_ms, y->seen_ms);
    return order ? order : pawl_bytes_compare(x->request_id, y->request_id);
}

static int message_by_id(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    return memcmp(ITEM(a, pawl_mem_message, node)->row.id.bytes,
                  ITEM(b, pawl_mem_message, node)->row.id.bytes, sizeof(struct pawl_id));
}

static int reminder_by_due(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    const struct pawl_mem_reminder *x = ITEM(a, pawl_mem_reminder, by_due);
    const struct pawl_mem_reminder *y = ITEM(b, pawl_mem_reminder, by_due);
    int order = compare_int64(x->row.due_ms, y->row.due_ms);
    return order ? order : pawl_bytes_compare(x->member, y->member);
}

static int reminder_by_member(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    return pawl_bytes_compare(ITEM(a, pawl_mem_reminder, by_member)->member,
                              ITEM(b, pawl_mem_reminder, by_member)->member);
}

static int tomb_by_member(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    return pawl_bytes_compare(ITEM(a, pawl_mem_tomb, by_member)->member,
                              ITEM(b, pawl_mem_tomb, by_member)->member);
}

static int tomb_by_time(const struct pawl_tree_node *a, const struct pawl_tree_node *b)
{
    const struct pawl_mem_tomb *x = ITEM(a, pawl_mem_tomb, by_time);
    const struct pawl_mem_tomb *y = ITEM(b, pawl_mem_tomb, by_time);
    int order = compare_int64(x->until_ms, y->until_ms);
    return order ? order : pawl_bytes_compare(x->member, y->member);
}

/* Found nodes are ours to change, whatever the tree's interface says about probes. */
#define FOUND(found, type, member) \
    ((found) ? PAWL_CONTAINER_OF((found), struct type, member) : (struct type *)NULL)

/* Partitions ------------------------------------------------------------------- */

struct pawl_mem_partition *pawl_mem_partition_new(void)
{
    struct pawl_mem_partition *partition = PAWL_NEW(struct pawl_mem_partition);
    pawl_tree_init(&partition->instances, instance_by_id);
    pawl_tree_init(&partition->due, reminder_by_due);
    pawl_tree_init(&partition->members, reminder_by_member);
    pawl_tree_init(&partition->quarantine, reminder_by_member);
    pawl_tree_init(&partition->outbox, message_by_id);
    pawl_tree_init(&partition->tombs, tomb_by_member);
    pawl_tree_init(&partition->forgetting, tomb_by_time);
    pawl_list_init(&partition->changes);
    return partition;
}

static void quarantined_free(struct pawl_mem_partition *partition,
                             struct pawl_mem_reminder *reminder)
{
    pawl_tree_remove(&partition->quarantine, &reminder->by_member);
    pawl_mem_bytes_free(&reminder->member);
    pawl_mem_free(reminder);
}

static void tomb_free(struct pawl_mem_partition *partition, struct pawl_mem_tomb *tomb)
{
    pawl_tree_remove(&partition->tombs, &tomb->by_member);
    pawl_tree_remove(&partition->forgetting, &tomb->by_time);
    pawl_mem_bytes_free(&tomb->member);
    pawl_mem_free(tomb);
}

void pawl_mem_partition_free(struct pawl_mem_partition *partition)
{
    struct pawl_tree_node *node;
    while ((node = partition->instances.root) != NULL)
        pawl_mem_instance_remove(partition, FOUND(node, pawl_mem_instance, by_id));
    while ((node = partition->members.root) != NULL)
        pawl_mem_reminder_free(partition, FOUND(node, pawl_mem_reminder, by_member));
    while ((node = partition->quarantine.root) != NULL)
        quarantined_free(partition, FOUND(node, pawl_mem_reminder, by_member));
    while ((node = partition->outbox.root) != NULL)
        pawl_mem_message_remove(partition, FOUND(node, pawl_mem_message, node)->row.id);
    while ((node = partition->tombs.root) != NULL)
        tomb_free(partition, FOUND(node, pawl_mem_tomb, by_member));
    pawl_mem_changes_clear(partition);
    pawl_mem_bytes_free(&partition->owner);
    pawl_mem_free(partition);
}

bool pawl_mem_fence_holds(const struct pawl_mem_partition *partition,
                          const struct pawl_fence *fence)
{
    if (PAWL_MUTANT(NO_FENCE)) return true;
    return partition->epoch != 0 && partition->epoch == fence->epoch
           && pawl_id_is_equal(partition->nonce, fence->nonce);
}

/* Instances -------------------------------------------------------------------- */

struct pawl_mem_instance *pawl_mem_instance_find(const struct pawl_mem_partition *partition,
                                                 struct pawl_bytes id)
{
    struct pawl_mem_instance probe = { .id = id };
    return FOUND(pawl_tree_find(&partition->instances, &probe.by_id), pawl_mem_instance, by_id);
}

struct pawl_mem_instance *pawl_mem_instance_add(struct pawl_mem_partition *partition,
                                                struct pawl_bytes id,
                                                const struct pawl_metadata *metadata)
{
    struct pawl_mem_instance *instance = PAWL_NEW(struct pawl_mem_instance);
    instance->id = pawl_mem_bytes_copy(id);
    instance->metadata = *metadata;
    instance->metadata.name = pawl_mem_bytes_copy(metadata->name);
    instance->metadata.version = pawl_mem_bytes_copy(metadata->version);
    instance->metadata.request_id = pawl_mem_bytes_copy(metadata->request_id);
    instance->metadata.parent = pawl_mem_bytes_copy(metadata->parent);
    instance->metadata.tags = pawl_mem_bytes_copy(metadata->tags);
    pawl_tree_init(&instance->pending, pending_by_op);
    pawl_tree_init(&instance->seen_by_id, seen_by_id);
    pawl_tree_init(&instance->seen_by_time, seen_by_time);
    pawl_list_init(&instance->reminders);

    pawl_tree_insert(&partition->instances, &instance->by_id);
    partition->counts[metadata->status]++;
    return instance;
}

static void instance_free(struct pawl_mem_instance *instance)
{
    pawl_mem_bytes_free(&instance->id);
    pawl_mem_bytes_free(&instance->metadata.name);
    pawl_mem_bytes_free(&instance->metadata.version);
    pawl_mem_bytes_free(&instance->metadata.request_id);
    pawl_mem_bytes_free(&instance->metadata.parent);
    pawl_mem_bytes_free(&instance->metadata.tags);
    pawl_mem_bytes_free(&instance->parent_key);
    pawl_mem_bytes_free(&instance->custom_status);
    pawl_mem_bytes_free(&instance->payloads.input);
    pawl_mem_bytes_free(&instance->payloads.output);
    pawl_mem_bytes_free(&instance->payloads.failure);
    pawl_mem_bytes_free(&instance->attempts);
    pawl_mem_free(instance->history);
    pawl_mem_free(instance->inbox);
    pawl_mem_free(instance);
}

void pawl_mem_instance_remove(struct pawl_mem_partition *partition,
                              struct pawl_mem_instance *instance)
{
    pawl_tree_remove(&partition->instances, &instance->by_id);
    partition->counts[instance->metadata.status]--;

    while (!pawl_list_is_empty(&instance->reminders))
        pawl_mem_reminder_free(partition, PAWL_CONTAINER_OF(instance->reminders.next,
                                                            struct pawl_mem_reminder, of_instance));
    pawl_mem_history_clear(instance);
    pawl_mem_inbox_consume(instance, instance->metadata.inbox_tail);
    pawl_mem_pending_clear(instance);
    pawl_mem_seen_clear(instance);
    instance_free(instance);
}

void pawl_mem_instance_set_status(struct pawl_mem_partition *partition,
                                  struct pawl_mem_instance *instance, enum pawl_status status)
{
    partition->counts[instance->metadata.status]--;
    partition->counts[status]++;
    instance->metadata.status = status;
}

/* History ---------------------------------------------------------------------- */

static uint32_t capacity_grow(uint32_t capacity, uint32_t needed)
{
    uint32_t grown = capacity ? capacity : 8;
    while (grown < needed) grown *= 2;
    return grown;
}

void pawl_mem_history_append(struct pawl_mem_instance *instance, struct pawl_bytes event)
{
    uint32_t count = instance->metadata.history_count;
    if (count == instance->history_capacity) {
        instance->history_capacity = capacity_grow(instance->history_capacity, count + 1);
        instance->history = pawl_mem_resize(instance->history,
                                            instance->history_capacity * sizeof *instance->history);
    }
    instance->history[count] = pawl_mem_bytes_copy(event);
    instance->metadata.history_count++;
    instance->metadata.history_size += event.size;
}

void pawl_mem_history_clear(struct pawl_mem_instance *instance)
{
    for (uint32_t i = 0; i < instance->metadata.history_count; i++)
        pawl_mem_bytes_free(&instance->history[i]);
    instance->metadata.history_count = 0;
    instance->metadata.history_size = 0;
}

/* Inbox ------------------------------------------------------------------------ */

static uint32_t inbox_count(const struct pawl_mem_instance *instance)
{
    return instance->metadata.inbox_tail - instance->metadata.inbox_head;
}

static void inbox_make_room(struct pawl_mem_instance *instance)
{
    uint32_t count = inbox_count(instance);
    if (instance->inbox_first + count < instance->inbox_capacity) return;
    if (instance->inbox_first > count) {
        memmove(instance->inbox, instance->inbox + instance->inbox_first,
                count * sizeof *instance->inbox);
        instance->inbox_first = 0;
        return;
    }
    instance->inbox_capacity =
        capacity_grow(instance->inbox_capacity, instance->inbox_first + count + 1);
    instance->inbox =
        pawl_mem_resize(instance->inbox, instance->inbox_capacity * sizeof *instance->inbox);
}

uint32_t pawl_mem_inbox_append(struct pawl_mem_instance *instance, struct pawl_id delivery,
                               struct pawl_bytes body)
{
    inbox_make_room(instance);
    uint32_t index = instance->metadata.inbox_tail;
    instance->inbox[instance->inbox_first + inbox_count(instance)] = (struct pawl_inbox_row){
        .index = index, .delivery = delivery, .body = pawl_mem_bytes_copy(body)
    };
    instance->metadata.inbox_tail++;
    return index;
}

struct pawl_inbox_row *pawl_mem_inbox_at(const struct pawl_mem_instance *instance, uint32_t index)
{
    PAWL_ASSERT(index >= instance->metadata.inbox_head);
    PAWL_ASSERT(index < instance->metadata.inbox_tail);
    return &instance->inbox[instance->inbox_first + (index - instance->metadata.inbox_head)];
}

void pawl_mem_inbox_consume(struct pawl_mem_instance *instance, uint32_t head)
{
    PAWL_ASSERT(head <= instance->metadata.inbox_tail);
    while (instance->metadata.inbox_head < head) {
        pawl_mem_bytes_free(&instance->inbox[instance->inbox_first].body);
        instance->inbox_first++;
        instance->metadata.inbox_head++;
    }
    if (inbox_count(instance) == 0) instance->inbox_first = 0;
}

/* Pending operations ----------------------------------------------------------- */

struct pawl_mem_pending *pawl_mem_pending_find(const struct pawl_mem_instance *instance,
                                               struct pawl_op op)
{
    struct pawl_mem_pending probe = { .row = { .op = op } };
    return FOUND(pawl_tree_find(&instance->pending, &probe.node), pawl_mem_pending, node);
}

void pawl_mem_pending_put(struct pawl_mem_instance *instance, const struct pawl_pending *pending)
{
    struct pawl_mem_pending *found = pawl_mem_pending_find(instance, pending->op);
    if (!found) {
        found = PAWL_NEW(struct pawl_mem_pending);
        found->row.op = pending->op;
        pawl_tree_insert(&instance->pending, &found->node);
    }
    found->row = *pending;
    found->row.event = PAWL_BYTES_ABSENT;
}

static void pending_free(struct pawl_mem_instance *instance, struct pawl_mem_pending *pending)
{
    pawl_tree_remove(&instance->pending, &pending->node);
    pawl_mem_free(pending);
}

void pawl_mem_pending_remove(struct pawl_mem_instance *instance, struct pawl_op op)
{
    struct pawl_mem_pending *found = pawl_mem_pending_find(instance, op);
    if (found) pending_free(instance, found);
}

void pawl_mem_pending_clear(struct pawl_mem_instance *instance)
{
    struct pawl_tree_node *node;
    while ((node = instance->pending.root) != NULL)
        pending_free(instance, FOUND(node, pawl_mem_pending, node));
}

/* Seen request ids ------------------------------------------------------------- */

const struct pawl_mem_seen *pawl_mem_seen_find(const struct pawl_mem_instance *instance,
                                               struct pawl_bytes request_id)
{
    struct pawl_mem_seen probe = { .request_id = request_id };
    return FOUND(pawl_tree_find(&instance->seen_by_id, &probe.by_id), pawl_mem_seen, by_id);
}

static void seen_free(struct pawl_mem_instance *instance, struct pawl_mem_seen *seen)
{
    pawl_tree_remove(&instance->seen_by_id, &seen->by_id);
    pawl_tree_remove(&instance->seen_by_time, &seen->by_time);
    pawl_mem_bytes_free(&seen->request_id);
    pawl_mem_free(seen);
}

static struct pawl_mem_seen *seen_oldest(const struct pawl_mem_instance *instance)
{
    return FOUND(pawl_tree_first(&instance->seen_by_time), pawl_mem_seen, by_time);
}

uint32_t pawl_mem_seen_count_since(const struct pawl_mem_instance *instance, int64_t since_ms)
{
    uint32_t count = instance->seen_by_time.count;
    const struct pawl_tree_node *node = pawl_tree_first(&instance->seen_by_time);
    while (node && ITEM(node, pawl_mem_seen, by_time)->seen_ms < since_ms) {
        count--;
        node = pawl_tree_next(node);
    }
    return count;
}

void pawl_mem_seen_drop_older(struct pawl_mem_instance *instance, int64_t since_ms)
{
    struct pawl_mem_seen *oldest;
    while ((oldest = seen_oldest(instance)) != NULL && oldest->seen_ms < since_ms)
        seen_free(instance, oldest);
}

void pawl_mem_seen_put(struct pawl_mem_instance *instance, struct pawl_bytes request_id,
                       int64_t seen_ms)
{
    struct pawl_mem_seen *seen = PAWL_NEW(struct pawl_mem_seen);
    seen->request_id = pawl_mem_bytes_copy(request_id);
    seen->seen_ms = seen_ms;
    pawl_tree_insert(&instance->seen_by_id, &seen->by_id);
    pawl_tree_insert(&instance->seen_by_time, &seen->by_time);
}

void pawl_mem_seen_clear(struct pawl_mem_instance *instance)
{
    struct pawl_mem_seen *oldest;
    while ((oldest = seen_oldest(instance)) != NULL) seen_free(instance, oldest);
}

/* Reminders -------------------------------------------------------------------- */

struct pawl_reminder pawl_mem_wake(const struct pawl_mem_instance *instance, int64_t due_ms)
{
    return (struct pawl_reminder){ .kind = PAWL_REMINDER_WAKE,
                                   .due_ms = due_ms,
                                   .instance = instance->id,
                                   .inc = instance->metadata.inc };
}

struct pawl_mem_reminder *pawl_mem_reminder_find(const struct pawl_mem_partition *partition,
                                                 struct pawl_bytes member)
{
    struct pawl_mem_reminder probe = { .member = member };
    return FOUND(pawl_tree_find(&partition->members, &probe.by_member), pawl_mem_reminder,
                 by_member);
}

void pawl_mem_reminder_move(struct pawl_mem_partition *partition,
                            struct pawl_mem_reminder *reminder, int64_t due_ms)
{
    pawl_tree_remove(&partition->due, &reminder->by_due);
    reminder->row.due_ms = due_ms;
    pawl_tree_insert(&partition->due, &reminder->by_due);
}

void pawl_mem_reminder_put(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                           struct pawl_mem_instance *instance, const struct pawl_reminder *reminder)
{
    struct pawl_bytes member = pawl_reminder_format(&mem->scratch, reminder);
    struct pawl_mem_reminder *found = pawl_mem_reminder_find(partition, member);
    if (found) {
        pawl_mem_reminder_move(partition, found, reminder->due_ms);
        return;
    }
    struct pawl_mem_reminder *added = PAWL_NEW(struct pawl_mem_reminder);
    added->member = pawl_mem_bytes_copy(member);
    pawl_err err = pawl_reminder_parse(added->member, &added->row);
    PAWL_ASSERT(err == PAWL_OK);
    added->row.due_ms = reminder->due_ms;
    pawl_tree_insert(&partition->members, &added->by_member);
    pawl_tree_insert(&partition->due, &added->by_due);
    if (instance) pawl_list_push_tail(&instance->reminders, &added->of_instance);
}

void pawl_mem_reminder_free(struct pawl_mem_partition *partition,
                            struct pawl_mem_reminder *reminder)
{
    pawl_tree_remove(&partition->members, &reminder->by_member);
    pawl_tree_remove(&partition->due, &reminder->by_due);
    if (pawl_list_is_linked(&reminder->of_instance)) pawl_list_remove(&reminder->of_instance);
    pawl_mem_bytes_free(&reminder->member);
    pawl_mem_free(reminder);
}

void pawl_mem_reminder_plant(struct pawl_mem_partition *partition, struct pawl_bytes member,
                             int64_t due_ms)
{
    struct pawl_mem_reminder *found = pawl_mem_reminder_find(partition, member);
    if (found) {
        pawl_mem_reminder_move(partition, found, due_ms);
        return;
    }
    struct pawl_mem_reminder *added = PAWL_NEW(struct pawl_mem_reminder);
    added->member = pawl_mem_bytes_copy(member);
    added->is_unreadable = pawl_reminder_parse(added->member, &added->row) != PAWL_OK;
    added->row.due_ms = due_ms;
    pawl_tree_insert(&partition->members, &added->by_member);
    pawl_tree_insert(&partition->due, &added->by_due);
}

void pawl_mem_reminder_quarantine(struct pawl_mem_partition *partition,
                                  struct pawl_mem_reminder *reminder)
{
    PAWL_ASSERT(!pawl_list_is_linked(&reminder->of_instance));
    pawl_tree_remove(&partition->members, &reminder->by_member);
    pawl_tree_remove(&partition->due, &reminder->by_due);
    const struct pawl_tree_node *earlier =
        pawl_tree_find(&partition->quarantine, &reminder->by_member);
    if (earlier) quarantined_free(partition, FOUND(earlier, pawl_mem_reminder, by_member));
    pawl_tree_insert(&partition->quarantine, &reminder->by_member);
}

void pawl_mem_reminder_remove(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                              const struct pawl_reminder *reminder)
{
    struct pawl_bytes member = pawl_reminder_format(&mem->scratch, reminder);
    struct pawl_mem_reminder *found = pawl_mem_reminder_find(partition, member);
    if (found) pawl_mem_reminder_free(partition, found);
}

/* Outbox ----------------------------------------------------------------------- */

struct pawl_mem_message *pawl_mem_message_find(const struct pawl_mem_partition *partition,
                                               struct pawl_id id)
{
    struct pawl_mem_message probe = { .row = { .id = id } };
    return FOUND(pawl_tree_find(&partition->outbox, &probe.node), pawl_mem_message, node);
}

void pawl_mem_message_put(struct pawl_mem_partition *partition,
                          const struct pawl_message_row *message)
{
    struct pawl_mem_message *found = pawl_mem_message_find(partition, message->id);
    if (!found) {
        found = PAWL_NEW(struct pawl_mem_message);
        found->row.id = message->id;
        pawl_tree_insert(&partition->outbox, &found->node);
    }
    pawl_mem_bytes_set(&found->row.body, message->body);
}

void pawl_mem_message_remove(struct pawl_mem_partition *partition, struct pawl_id id)
{
    struct pawl_mem_message *found = pawl_mem_message_find(partition, id);
    if (!found) return;
    pawl_tree_remove(&partition->outbox, &found->node);
    pawl_mem_bytes_free(&found->row.body);
    pawl_mem_free(found);
}

/* Tombs ------------------------------------------------------------------------ */

static struct pawl_mem_tomb *tomb_find(const struct pawl_mem_partition *partition,
                                       struct pawl_bytes member)
{
    struct pawl_mem_tomb probe = { .member = member };
    return FOUND(pawl_tree_find(&partition->tombs, &probe.by_member), pawl_mem_tomb, by_member);
}

static struct pawl_mem_tomb *tomb_oldest(const struct pawl_mem_partition *partition)
{
    return FOUND(pawl_tree_first(&partition->forgetting), pawl_mem_tomb, by_time);
}

bool pawl_mem_tomb_holds(const struct pawl_mem_partition *partition, struct pawl_bytes member,
                         int64_t now_ms)
{
    const struct pawl_mem_tomb *tomb = tomb_find(partition, member);
    return tomb && tomb->until_ms > now_ms;
}

void pawl_mem_tomb_add(struct pawl_mem_partition *partition, struct pawl_bytes member,
                       int64_t now_ms, const struct pawl_tomb_limits *limits)
{
    struct pawl_mem_tomb *oldest = tomb_find(partition, member);
    if (oldest) tomb_free(partition, oldest);
    while ((oldest = tomb_oldest(partition)) != NULL && oldest->until_ms <= now_ms)
        tomb_free(partition, oldest);

    struct pawl_mem_tomb *tomb = PAWL_NEW(struct pawl_mem_tomb);
    tomb->member = pawl_mem_bytes_copy(member);
    tomb->until_ms = now_ms + limits->tomb_ms;
    pawl_tree_insert(&partition->tombs, &tomb->by_member);
    pawl_tree_insert(&partition->forgetting, &tomb->by_time);
    while (partition->tombs.count > limits->tombs_max) tomb_free(partition, tomb_oldest(partition));
}
