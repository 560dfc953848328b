#include "actors/workflow_state.h"

#include "actors/schedule.h"
#include "actors/seed.h"

static void metadata_free(struct pawl_metadata *metadata)
{
    pawl_bytes_free(metadata->name);
    pawl_bytes_free(metadata->version);
    pawl_bytes_free(metadata->request_id);
    pawl_bytes_free(metadata->parent);
    pawl_bytes_free(metadata->tags);
}

struct pawl_workflow *pawl_workflow_state_new(struct pawl_node *node, struct pawl_bytes id)
{
    struct pawl_workflow *workflow = PAWL_NEW(struct pawl_workflow);
    workflow->id = pawl_bytes_dup(id);
    workflow->partition = pawl_node_partition(node, id);
    workflow->active_ms = node->now_ms;
    pawl_list_init(&workflow->inputs);
    pawl_list_init(&workflow->controls);
    return workflow;
}

void pawl_workflow_state_free(struct pawl_workflow *workflow)
{
    PAWL_ASSERT(!pawl_heap_node_is_linked(&workflow->alarm.node));
    PAWL_ASSERT(!pawl_list_is_linked(&workflow->lane_link));
    while (workflow->inputs_count)
        pawl_workflow_remove_input(workflow, pawl_workflow_first_input(workflow));
    while (!pawl_list_is_empty(&workflow->controls)) {
        struct pawl_control *control =
            PAWL_CONTAINER_OF(workflow->controls.next, struct pawl_control, link);
        pawl_list_remove(&control->link);
        pawl_bytes_free(control->payload);
        pawl_mem_free(control);
    }
    pawl_workflow_clear_ops(workflow);
    pawl_schedule_detach(workflow);
    pawl_mem_free(workflow->ops);
    PAWL_ASSERT(workflow->past == NULL);
    metadata_free(&workflow->metadata);
    pawl_bytes_free(workflow->code_version);
    pawl_bytes_free(workflow->stall_text);
    pawl_bytes_free(workflow->id);
    pawl_mem_free(workflow);
}

pawl_err pawl_workflow_set_metadata(struct pawl_workflow *workflow,
                                    const struct pawl_metadata *metadata)
{
    struct pawl_metadata owned = *metadata;
    struct pawl_parent parent;
    owned.name = pawl_bytes_dup(metadata->name);
    owned.version = pawl_bytes_dup(metadata->version);
    owned.request_id = PAWL_BYTES_ABSENT; /* the store's business only */
    owned.parent = pawl_bytes_dup(metadata->parent);
    owned.tags = pawl_bytes_dup(metadata->tags);
    pawl_err err = pawl_parent_decode(owned.parent, &parent);
    if (err != PAWL_OK) {
        metadata_free(&owned);
        return PAWL_E_CORRUPT;
    }
    metadata_free(&workflow->metadata);
    workflow->metadata = owned;
    workflow->parent = parent;
    return PAWL_OK;
}

void pawl_workflow_set_parent(struct pawl_workflow *workflow, struct pawl_bytes packed)
{
    struct pawl_parent parent;
    struct pawl_bytes owned = pawl_bytes_dup(packed);
    pawl_err err = pawl_parent_decode(owned, &parent);
    PAWL_ASSERT(err == PAWL_OK); /* encoded by this engine */
    pawl_bytes_free(workflow->metadata.parent);
    workflow->metadata.parent = owned;
    workflow->parent = parent;
}

void pawl_workflow_set_code_version(struct pawl_workflow *workflow, struct pawl_bytes version)
{
    struct pawl_bytes kept = pawl_bytes_dup(version);
    pawl_bytes_free(workflow->code_version);
    workflow->code_version = kept;
}

/* Operations: sorted by id, which only grows, so adding is appending. A resolved one
 * stays as a hole until half of the table is holes. ------------------------------------ */

static uint32_t ops_search(const struct pawl_workflow *workflow, uint32_t id)
{
    uint32_t low = 0, high = workflow->ops_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (workflow->ops[middle].op.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct pawl_pending_op *pawl_workflow_op_find(const struct pawl_workflow *workflow,
                                              struct pawl_op op)
{
    uint32_t at = ops_search(workflow, op.id);
    if (at == workflow->ops_count) return NULL;
    struct pawl_pending_op *found = &workflow->ops[at];
    if (found->op.id != op.id || found->op.kind != op.kind || !op.kind) return NULL;
    return found;
}

struct pawl_op_ref pawl_workflow_op_ref(const struct pawl_workflow *workflow, uint32_t gen,
                                        struct pawl_op op, uint64_t nonce)
{
    return (struct pawl_op_ref){ .instance = workflow->id,
                                 .inc = workflow->metadata.inc,
                                 .gen = gen,
                                 .op = op,
                                 .nonce = nonce };
}

bool pawl_workflow_op_is_known(const struct pawl_workflow *workflow, uint32_t id)
{
    uint32_t at = ops_search(workflow, id);
    return at < workflow->ops_count && workflow->ops[at].op.id == id
           && workflow->ops[at].op.kind != 0 && !workflow->ops[at].taken;
}

static void ops_compact(struct pawl_workflow *workflow)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < workflow->ops_count; i++)
        if (workflow->ops[i].op.kind) workflow->ops[kept++] = workflow->ops[i];
    workflow->ops_count = kept;
    workflow->ops_resolved = 0;
}

void pawl_workflow_add_op(struct pawl_workflow *workflow, const struct pawl_pending_op *op)
{
    if (workflow->ops_count == workflow->ops_capacity) {
        workflow->ops_capacity = workflow->ops_capacity ? workflow->ops_capacity * 2 : 2;
        workflow->ops =
            pawl_mem_resize(workflow->ops, workflow->ops_capacity * sizeof *workflow->ops);
    }
    uint32_t at = ops_search(workflow, op->op.id);
    if (at < workflow->ops_count && workflow->ops[at].op.id == op->op.id) {
        PAWL_ASSERT(workflow->ops[at].op.kind == 0);
        workflow->ops_resolved--;
    } else {
        memmove(&workflow->ops[at + 1], &workflow->ops[at],
                (workflow->ops_count - at) * sizeof *workflow->ops);
        workflow->ops_count++;
    }
    if (op->op.kind == 'a') workflow->activities_open++;
    workflow->ops[at] = *op;
    bool is_child = op->op.kind == 'c';
    workflow->ops[at].child = is_child ? pawl_bytes_dup(op->child) : PAWL_BYTES_ABSENT;
    workflow->ops[at].child_app = is_child ? pawl_bytes_dup(op->child_app) : PAWL_BYTES_ABSENT;
}

void pawl_workflow_add_pending(struct pawl_workflow *workflow, const struct pawl_pending *pending,
                               const struct pawl_history_event *event)
{
    struct pawl_pending_op op = { .op = pending->op,
                                  .nonce = pending->nonce,
                                  .delivered = pending->state == PAWL_PENDING_DELIVERED,
                                  .fire_at_ms = event->fire_at_ms,
                                  .child = event->instance,
                                  .child_app = event->target_app,
                                  .parent_close = event->parent_close };
    pawl_workflow_add_op(workflow, &op);
}

static void op_free(struct pawl_pending_op *op)
{
    pawl_bytes_free(op->child);
    pawl_bytes_free(op->child_app);
    op->child = PAWL_BYTES_ABSENT;
    op->child_app = PAWL_BYTES_ABSENT;
}

void pawl_workflow_resolve_op(struct pawl_workflow *workflow, struct pawl_op op)
{
    struct pawl_pending_op *found = pawl_workflow_op_find(workflow, op);
    PAWL_ASSERT(found != NULL);
    op_free(found);
    if (found->op.kind == 'a') workflow->activities_open--;
    found->op.kind = 0;
    workflow->ops_resolved++;
    if (workflow->ops_resolved * 2 > workflow->ops_count) ops_compact(workflow);
}

void pawl_workflow_clear_ops(struct pawl_workflow *workflow)
{
    for (uint32_t i = 0; i < workflow->ops_count; i++) op_free(&workflow->ops[i]);
    workflow->ops_count = 0;
    workflow->ops_resolved = 0;
    workflow->activities_open = 0;
}

int64_t pawl_workflow_next_timer_ms(const struct pawl_workflow *workflow)
{
    int64_t next_ms = INT64_MAX;
    for (uint32_t i = 0; i < workflow->ops_count; i++) {
        const struct pawl_pending_op *op = &workflow->ops[i];
        if (op->op.kind == 't' && !op->delivered && op->fire_at_ms < next_ms)
            next_ms = op->fire_at_ms;
    }
    return next_ms;
}

/* Inputs ------------------------------------------------------------------------------- */

/* The input and the bytes it shows are one allocation. */
static struct pawl_input *input_new(struct pawl_bytes event, struct pawl_bytes seed)
{
    struct pawl_input *input = pawl_mem_alloc(sizeof *input + event.size + seed.size);
    uint8_t *copy = (uint8_t *)(input + 1);
    if (event.size) memcpy(copy, event.data, event.size);
    input->event = pawl_bytes_make(copy, event.size);
    if (seed.size) input->seed = pawl_bytes_make(copy + event.size, seed.size);
    if (seed.size) memcpy(copy + event.size, seed.data, seed.size);
    return input;
}

static bool seed_is_readable(struct pawl_bytes bytes, bool *ret_is_settled)
{
    struct pawl_arena arena;
    struct pawl_seed seed;
    pawl_arena_init(&arena);
    bool is_readable = pawl_seed_unpack(&arena, bytes, &seed) == PAWL_OK;
    *ret_is_settled = is_readable && pawl_seed_is_settled(&seed);
    pawl_arena_deinit(&arena);
    return is_readable;
}

static pawl_err input_add(struct pawl_workflow *workflow, struct pawl_input *input)
{
    struct pawl_history_event event;
    pawl_err err = pawl_history_event_decode(input->event, &event);
    if (err != PAWL_OK) {
        pawl_mem_free(input);
        return PAWL_E_CORRUPT;
    }
    input->kind = event.kind;
    input->ref = event.ref;
    if (event.kind == PAWL_EVENT_EXECUTION_TERMINATED) workflow->terminates_count++;
    pawl_list_push_tail(&workflow->inputs, &input->link);
    workflow->inputs_count++;
    return PAWL_OK;
}

pawl_err pawl_workflow_add_row(struct pawl_workflow *workflow, uint32_t index,
                               struct pawl_id delivery, struct pawl_bytes body)
{
    struct pawl_inbox_body unpacked;
    if (pawl_inbox_body_unpack(body, &unpacked) != PAWL_OK) return PAWL_E_CORRUPT;
    bool is_settled = false;
    if (unpacked.seed.size && !seed_is_readable(unpacked.seed, &is_settled)) return PAWL_E_CORRUPT;
    struct pawl_input *input = input_new(unpacked.event, unpacked.seed);
    input->is_settled = is_settled;
    input->durable = true;
    input->index = index;
    input->delivery = delivery;
    input->gen = unpacked.gen;
    input->nonce = unpacked.nonce;
    return input_add(workflow, input);
}

pawl_err pawl_workflow_add_result(struct pawl_workflow *workflow, uint32_t gen, uint64_t nonce,
                                  struct pawl_bytes event, struct pawl_origin origin)
{
    struct pawl_input *input = input_new(event, PAWL_BYTES_ABSENT);
    input->gen = gen;
    input->nonce = nonce;
    input->origin = origin;
    return input_add(workflow, input);
}

void pawl_workflow_remove_input(struct pawl_workflow *workflow, struct pawl_input *input)
{
    PAWL_ASSERT(workflow->inputs_count > 0);
    pawl_list_remove(&input->link);
    workflow->inputs_count--;
    if (input->kind == PAWL_EVENT_EXECUTION_TERMINATED) workflow->terminates_count--;
    pawl_mem_free(input);
}

struct pawl_input *pawl_workflow_first_input(const struct pawl_workflow *workflow)
{
    if (pawl_list_is_empty(&workflow->inputs)) return NULL;
    return PAWL_CONTAINER_OF(workflow->inputs.next, struct pawl_input, link);
}

enum pawl_status pawl_workflow_resumed_status(const struct pawl_workflow *workflow)
{
    const struct pawl_input *first = pawl_workflow_first_input(workflow);
    bool is_new = first && first->kind == PAWL_EVENT_EXECUTION_STARTED
                  && workflow->metadata.gen != 0 && workflow->metadata.inbox_head == 0;
    return is_new ? PAWL_STATUS_PENDING : PAWL_STATUS_RUNNING;
}

struct pawl_input *pawl_workflow_find_terminate(const struct pawl_workflow *workflow)
{
    if (workflow->terminates_count == 0) return NULL;
    struct pawl_list *link = workflow->inputs.next;
    for (; link != &workflow->inputs; link = link->next) {
        struct pawl_input *input = PAWL_CONTAINER_OF(link, struct pawl_input, link);
        if (input->kind == PAWL_EVENT_EXECUTION_TERMINATED) return input;
    }
    return NULL;
}

/* Past --------------------------------------------------------------------------------- */

struct pawl_past *pawl_past_new(uint32_t count, size_t size)
{
    struct pawl_past *past = PAWL_NEW(struct pawl_past);
    past->capacity = count;
    past->sizes = pawl_mem_resize(NULL, count * sizeof *past->sizes);
    past->data_capacity = size;
    past->data = pawl_mem_resize(NULL, size);
    return past;
}

void pawl_past_add(struct pawl_past *past, struct pawl_bytes event)
{
    if (past->count == past->capacity) {
        past->capacity = past->capacity * 2 + 16;
        past->sizes = pawl_mem_resize(past->sizes, past->capacity * sizeof *past->sizes);
    }
    if (past->data_capacity - past->size < event.size) {
        past->data_capacity = past->data_capacity * 2 + event.size;
        past->data = pawl_mem_resize(past->data, past->data_capacity);
    }
    if (event.size) memcpy(past->data + past->size, event.data, event.size);
    past->size += event.size;
    past->sizes[past->count++] = (uint32_t)event.size;
}

void pawl_past_free(struct pawl_past *past)
{
    if (!past) return;
    pawl_mem_free(past->sizes);
    pawl_mem_free(past->data);
    pawl_mem_free(past);
}

void pawl_workflow_drop_past(struct pawl_node *node, struct pawl_workflow *workflow)
{
    if (!workflow->past) return;
    if (workflow->past->kept) node->pasts_size -= workflow->past->size;
    pawl_past_free(workflow->past);
    workflow->past = NULL;
}

void pawl_workflows_deinit(struct pawl_node *node)
{
    uint32_t cursor = 0;
    for (struct pawl_workflow *workflow;
         (workflow = pawl_map_next(&node->workflows, &cursor)) != NULL;)
        pawl_workflow_forget(node, workflow, PAWL_E_UNAVAILABLE);
    pawl_map_deinit(&node->workflows);
}
