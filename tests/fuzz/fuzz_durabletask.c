/* Durabletask: what a worker answers becomes actions within every limit, or is refused
 * with a reason, and takes a bounded amount of memory. The first byte says what it is. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sidecar/durabletask.h"

static void check_done(const struct pawl_turn_done *done)
{
    PAWL_ASSERT(done->actions_count <= PAWL_FRAME_ACTIONS_MAX);
    PAWL_ASSERT(done->err == PAWL_OK || (done->actions_count == 0 && done->message.size > 0));
    for (uint32_t i = 0; i < done->actions_count; i++) {
        const struct pawl_action *action = &done->actions[i];
        bool is_end = action->kind == PAWL_ACTION_COMPLETE || action->kind == PAWL_ACTION_CONTINUE;
        PAWL_ASSERT(action->kind >= PAWL_ACTION_ACTIVITY && action->kind <= PAWL_ACTION_DETACHED);
        PAWL_ASSERT(PAWL_IMPLIES(action->kind == PAWL_ACTION_DETACHED, action->instance.size > 0));
        PAWL_ASSERT(is_end || action->id >= 0);
        PAWL_ASSERT(!pawl_bytes_is_absent(action->name) || is_end
                    || action->kind == PAWL_ACTION_TIMER);
        PAWL_ASSERT(action->payload.size <= PAWL_PAYLOAD_SIZE_MAX);
        PAWL_ASSERT(pawl_utf8_is_valid(action->failure.message));
    }
}

static void check_turn(struct pawl_durabletask *with, struct pawl_bytes bytes)
{
    Pawl__WorkflowResponse *response = NULL;
    if (pawl_protobuf_unpack(&pawl__workflow_response__descriptor, with->arena, bytes, &response)
        != PAWL_OK)
        return;
    struct pawl_turn_done done;
    with->trace = pawl_protobuf_bytes(response->span_or_version); /* as good as any */
    pawl_durabletask_turn_done(with, response, PAWL_BYTES_LITERAL("i"), &done);
    pawl_durabletask_read_span(with, response, &done);
    PAWL_ASSERT(done.extra.size <= PAWL_EXTRA_SIZE_MAX);
    check_done(&done);
}

/* The trace of a start is told to every worker, so it must be short text. */
static void check_start(struct pawl_durabletask *with, struct pawl_bytes bytes)
{
    Pawl__CreateInstanceRequest *request = NULL;
    Pawl__Extra *extra = NULL;
    if (pawl_protobuf_unpack(&pawl__create_instance_request__descriptor, with->arena, bytes,
                             &request)
        != PAWL_OK)
        return;
    struct pawl_bytes packed = pawl_durabletask_start_extra(with, request->trace);
    PAWL_ASSERT(packed.size <= PAWL_EXTRA_SIZE_MAX);
    if (packed.size == 0) return;
    pawl_err err = pawl_protobuf_unpack(&pawl__extra__descriptor, with->arena, packed, &extra);
    PAWL_ASSERT(err == PAWL_OK);
    PAWL_ASSERT(pawl_utf8_is_valid(pawl_protobuf_bytes(extra->trace->trace_parent)));
}

static void check_activity(struct pawl_durabletask *with, struct pawl_bytes bytes)
{
    Pawl__ActivityResponse *response = NULL;
    if (pawl_protobuf_unpack(&pawl__activity_response__descriptor, with->arena, bytes, &response)
        != PAWL_OK)
        return;
    struct pawl_activity_done done;
    pawl_durabletask_activity_done(with, response, &done);
    PAWL_ASSERT(done.payload.size <= PAWL_PAYLOAD_SIZE_MAX);
    PAWL_ASSERT(pawl_failure_pack(with->arena, &done.failure).size <= PAWL_PAYLOAD_SIZE_MAX);
}

/* Stored events and their extra fields are read by every client. */
static void check_event(struct pawl_durabletask *with, struct pawl_bytes bytes)
{
    struct pawl_durabletask_history history = { .for_clients = true };
    if (pawl_durabletask_add_event(with, &history, PAWL_BYTES_LITERAL("i"), bytes) != PAWL_OK)
        return;
    for (size_t i = 0; i < history.count; i++)
        (void)pawl_protobuf_pack(with->arena, &history.events[i]->base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_durabletask with = { .arena = &arena,
                                     .dialect =
                                         data[0] & 1 ? PAWL_DIALECT_DAPR : PAWL_DIALECT_MICROSOFT,
                                     .app = PAWL_BYTES_LITERAL("app") };
    struct pawl_bytes rest = pawl_bytes_make(data + 1, size - 1);
    if (data[0] < 0x40)
        check_turn(&with, rest);
    else if (data[0] < 0x80)
        check_activity(&with, rest);
    else if (data[0] < 0xf0)
        check_event(&with, rest);
    else
        check_start(&with, rest);
    PAWL_ASSERT(arena.used <= 64 * size + (1u << 20));
    pawl_arena_deinit(&arena);
    return 0;
}
