#include "grpc_echo.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"

static void note(struct echo *echo, const struct pawl_grpc_call *call)
{
    PAWL_ASSERT(call->id != 0);
    PAWL_ASSERT(call->message.data != NULL);
    PAWL_ASSERT(echo->calls_count < ECHO_RECORDS_MAX);
    echo->calls[echo->calls_count++] = call->id;
    echo->conn = call->conn;
    echo->deadline_ms = call->deadline_ms;
}

static void on_echo(void *context, const struct pawl_grpc_call *call)
{
    struct echo *echo = context;
    note(echo, call);
    pawl_grpc_answer(*echo->grpc, call->id, call->message);
}

static void on_later(void *context, const struct pawl_grpc_call *call)
{
    note(context, call);
}

static void on_fail(void *context, const struct pawl_grpc_call *call)
{
    struct echo *echo = context;
    note(echo, call);
    pawl_grpc_finish(*echo->grpc, call->id, PAWL_GRPC_NOT_FOUND, call->message);
}

static void on_who(void *context, const struct pawl_grpc_call *call)
{
    struct echo *echo = context;
    note(echo, call);
    struct pawl_bytes who = pawl_grpc_metadata_find(call->metadata, "who");
    if (pawl_bytes_is_absent(who)) who = PAWL_BYTES_LITERAL("nobody");
    pawl_grpc_answer(*echo->grpc, call->id, who);
}

static void count_on(struct echo *echo, uint64_t call)
{
    uint8_t *message = pawl_mem_alloc(echo->count_size);
    pawl_err err = PAWL_OK;
    while (err == PAWL_OK && echo->count_left > 0) {
        memset(message, (int)(echo->count_left & 0xff), echo->count_size);
        err = pawl_grpc_send(*echo->grpc, call, pawl_bytes_make(message, echo->count_size));
        if (err == PAWL_OK) echo->count_left--;
    }
    pawl_mem_free(message);
    if (err == PAWL_OK) pawl_grpc_finish(*echo->grpc, call, PAWL_GRPC_OK, PAWL_BYTES_ABSENT);
}

static void on_count(void *context, const struct pawl_grpc_call *call)
{
    struct echo *echo = context;
    char text[16];
    note(echo, call);
    snprintf(text, sizeof text, "%.*s", PAWL_BYTES_FMT(call->message));
    echo->count_left = (uint32_t)strtoul(text, NULL, 10);
    count_on(echo, call->id);
}

static void on_cancel(void *context, uint64_t call, const char *why, int64_t now_ms)
{
    struct echo *echo = context;
    PAWL_ASSERT(now_ms > 0);
    PAWL_ASSERT(echo->cancelled_count < ECHO_RECORDS_MAX);
    for (uint32_t i = 0; i < echo->cancelled_count; i++) PAWL_ASSERT(echo->cancelled[i] != call);
    echo->cancelled[echo->cancelled_count++] = call;
    snprintf(echo->why, sizeof echo->why, "%s", why);
    /* The call is over: nothing can be done with it any more. */
    PAWL_ASSERT(pawl_grpc_send(*echo->grpc, call, PAWL_BYTES_LITERAL("x")) == PAWL_E_CANCELLED);
    pawl_grpc_finish(*echo->grpc, call, PAWL_GRPC_OK, PAWL_BYTES_ABSENT);
}

static void on_writable(void *context, uint64_t call, int64_t now_ms)
{
    struct echo *echo = context;
    PAWL_ASSERT(now_ms > 0);
    echo->writable_count++;
    echo->writable = call;
    if (echo->count_left > 0) count_on(echo, call);
}

static const struct pawl_grpc_method methods[] = {
    { ECHO_PATH, PAWL_GRPC_UNARY, on_echo },
    { LATER_PATH, PAWL_GRPC_UNARY, on_later },
    { FAIL_PATH, PAWL_GRPC_UNARY, on_fail },
    { WHO_PATH, PAWL_GRPC_UNARY, on_who },
    { STREAM_PATH, PAWL_GRPC_SERVER_STREAM, on_later },
    { COUNT_PATH, PAWL_GRPC_SERVER_STREAM, on_count },
};

uint64_t echo_last(const struct echo *echo)
{
    PAWL_ASSERT(echo->calls_count > 0);
    return echo->calls[echo->calls_count - 1];
}

struct pawl_grpc_service echo_service(struct echo *echo, struct pawl_grpc **grpc)
{
    *echo = (struct echo){ .grpc = grpc, .count_size = 100 };
    return (struct pawl_grpc_service){
        .what = "echoes for tests (test.Echo)",
        .methods = methods,
        .methods_count = sizeof methods / sizeof methods[0],
        .context = echo,
        .on_cancel = on_cancel,
        .on_writable = on_writable,
    };
}
