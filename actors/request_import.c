#include "actors/request_import.h"

#include "actors/call.h"
#include "actors/envelope.h"
#include "actors/import.h"
#include "actors/request_list.h"
#include "actors/request_start.h"
#include "actors/turn.h"
#include "actors/workflow.h"
#include "actors/workflow_state.h"
#include "base/cover.h"

/* The call ----------------------------------------------------------------------------------- */

static void import_on_created(struct pawl_node *node, struct pawl_call *call,
                              const struct pawl_store_reply *reply)
{
    if (reply->err == PAWL_OK || reply->err == PAWL_E_DUPLICATE)
        pawl_request_answer_instance(node, call->request_token, call->instance);
    else
        pawl_request_answer_create_err(node, call->request_token, call->instance, reply);
    if (reply->err == PAWL_OK)
        pawl_workflow_on_created(node, call->instance, &reply->create.metadata,
                                 call->request.create.delivery, call->request.create.body);
}

static void import_create(struct pawl_node *node, uint64_t token,
                          const struct pawl_request *request, const struct pawl_import_begin *begin,
                          struct pawl_bytes seed)
{
    struct pawl_call *call =
        pawl_request_call(node, token, PAWL_STORE_CREATE, request->instance, import_on_created);
    struct pawl_arena *arena = &call->arena;
    struct pawl_inbox_body body = { .event = begin->started, .seed = seed };
    struct pawl_bytes parent = PAWL_BYTES_ABSENT;
    if (!pawl_bytes_is_absent(begin->parent.instance))
        parent = pawl_parent_pack(arena, &begin->parent);
    /* Without a key: nobody may take the instance for the child that it was. */
    call->request.create = (struct pawl_create){
        .instance = call->instance,
        .request_id = pawl_request_id_of(node, arena, request),
        .inc = pawl_rng_id(&node->rng),
        .delivery = pawl_rng_id(&node->rng),
        .body = pawl_inbox_body_pack(arena, &body),
        .name = pawl_arena_copy(arena, request->name),
        .version = pawl_arena_copy(arena, request->version),
        .tags = pawl_arena_copy(arena, request->tags),
        .input = pawl_arena_copy(arena, begin->input),
        .parent = parent,
        .created_ms = begin->created_ms,
        .tombs = { PAWL_TOMB_MS, PAWL_TOMBS_MAX },
        .changes_max = PAWL_CHANGES_MAX,
    };
    pawl_call_send(node, call);
}

void pawl_request_import(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_import import;
    struct pawl_import_begin begin;
    struct pawl_bytes why = PAWL_BYTES_LITERAL("what is to be imported cannot be read");
    struct pawl_import_target target = {
        .arena = arena, .instance = request->instance, .name = request->name, .now_ms = node->now_ms
    };
    struct pawl_bytes seed = PAWL_BYTES_ABSENT;
    pawl_err err = pawl_import_unpack(arena, request->payload, &import);
    if (err != PAWL_OK) err = PAWL_E_INVALID;
    if (err == PAWL_OK) err = pawl_import_begin_make(&target, &import, &begin, &why);
    if (err == PAWL_OK) seed = pawl_seed_pack(arena, &begin.seed);
    if (err == PAWL_OK && pawl_bytes_is_absent(seed)) {
        err = PAWL_E_TOO_LARGE;
        why =
            pawl_arena_printf(arena, "the history is larger than one that can be imported (%u MiB)",
                              PAWL_SEED_SIZE_MAX >> 20);
    }
    if (err == PAWL_OK)
        import_create(node, token, request, &begin, seed);
    else
        pawl_node_answer_err(node, token, err, "instance '%.*s' cannot be imported: %.*s",
                             PAWL_BYTES_FMT(request->instance), PAWL_BYTES_FMT(why));
}

/* Taking it ---------------------------------------------------------------------------------- */

static const struct pawl_input *import_input(const struct pawl_workflow *workflow)
{
    const struct pawl_input *first = pawl_workflow_first_input(workflow);
    return first && first->is_settled ? first : NULL;
}

bool pawl_import_is_due(const struct pawl_workflow *workflow)
{
    return workflow->metadata.turn == 0 && import_input(workflow) != NULL;
}

void pawl_import_note_control(const struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                              enum pawl_event_kind kind, struct pawl_bytes reason)
{
    if (import_input(workflow)) return;
    pawl_workflow_add_control_event(turn, kind, PAWL_BYTES_ABSENT, reason);
}

void pawl_import_take(struct pawl_node *node, struct pawl_workflow *workflow)
{
    PAWL_COVER(IMPORT_TAKEN);
    struct pawl_turn_draft *turn = pawl_workflow_new_turn(node, workflow);
    pawl_turn_take_import(workflow, turn);
    pawl_workflow_commit(node, workflow, turn);
}
