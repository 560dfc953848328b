/* The check of management calls: it says yes only to what the engine may see, and no
 * with a text that a person can read. The input is a REQUEST frame. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/frames.h"

static void check_accepted(const struct pawl_request *request)
{
    PAWL_ASSERT(pawl_request_op_name((int)request->op) != NULL);
    bool is_of_many = request->op == PAWL_REQUEST_LIST || request->op == PAWL_REQUEST_COUNT
                      || request->op == PAWL_REQUEST_BATCH;
    bool has_instance = request->op != PAWL_REQUEST_WATCH || request->instance.size > 0;
    if (!is_of_many && has_instance && request->op != PAWL_REQUEST_START)
        PAWL_ASSERT(pawl_name_is_valid(request->instance, PAWL_INSTANCE_ID_SIZE_MAX));
    if (request->op == PAWL_REQUEST_START || request->op == PAWL_REQUEST_RAISE)
        PAWL_ASSERT(pawl_name_is_valid(request->name, PAWL_NAME_SIZE_MAX));
    if (request->op == PAWL_REQUEST_WAIT)
        PAWL_ASSERT(request->timeout_ms >= 0 && request->timeout_ms <= PAWL_WAIT_MS_MAX);
    if (request->op == PAWL_REQUEST_LIST) PAWL_ASSERT(request->limit <= PAWL_QUERY_ITEMS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_frame frame;
    struct pawl_bytes message = PAWL_BYTES_ABSENT;
    pawl_err err = pawl_frame_decode(pawl_bytes_make(data, size), &arena, &frame);
    if (err == PAWL_OK && frame.type == PAWL_FRAME_REQUEST) {
        err = pawl_request_check(&frame.request.request, &arena, &message);
        if (err == PAWL_OK) {
            check_accepted(&frame.request.request);
        } else {
            PAWL_ASSERT(err == PAWL_E_INVALID || err == PAWL_E_TOO_LARGE);
            PAWL_ASSERT(message.size > 0);
            PAWL_ASSERT(pawl_name_is_valid(message, PAWL_MESSAGE_SIZE_MAX));
        }
    }
    pawl_arena_deinit(&arena);
    return 0;
}
