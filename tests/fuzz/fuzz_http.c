/* The pure half of the HTTP front. The input: one byte for the method, the request
 * target, a line feed, the body. */
#include "fuzz.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "sidecar/http_request.h"

static enum pawl_http_method method_of(uint8_t byte)
{
    switch (byte) {
    case 'G': return PAWL_HTTP_GET;
    case 'H': return PAWL_HTTP_HEAD;
    case 'P': return PAWL_HTTP_POST;
    default: return PAWL_HTTP_OTHER;
    }
}

/* The route of lists is the one with two operations. */
static bool is_op_of(enum pawl_request_op op, enum pawl_http_route route)
{
    if (route == PAWL_HTTP_ROUTE_LIST && op == PAWL_REQUEST_COUNT) return true;
    return (int)op == pawl_http_route_op(route);
}

static void check_problem(const struct pawl_http_problem *problem)
{
    PAWL_ASSERT(problem->status >= 400 && problem->status < 600);
    PAWL_ASSERT(problem->code != NULL);
    PAWL_ASSERT(problem->message.size > 0);
}

static void check_route(struct pawl_arena *arena, const struct pawl_http_url *url,
                        const struct pawl_http_match *match, struct pawl_bytes body)
{
    struct pawl_http_problem problem = { .status = 0 };
    if (!pawl_http_request_check_params(match->route, url, arena, &problem)) {
        check_problem(&problem);
        return;
    }
    if (pawl_http_route_op(match->route) == 0) return;
    struct pawl_http_input input = { .match = match,
                                     .url = url,
                                     .body = body,
                                     .idempotency_key = PAWL_BYTES_ABSENT,
                                     .app = PAWL_BYTES_LITERAL("shop") };
    struct pawl_request request;
    if (!pawl_http_request_build(&input, arena, &request, &problem)) {
        check_problem(&problem);
        return;
    }
    PAWL_ASSERT(is_op_of(request.op, match->route));
    struct pawl_bytes message;
    pawl_err err = pawl_request_check(&request, arena, &message);
    PAWL_ASSERT(err == PAWL_OK || message.size > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    const uint8_t *line_feed = memchr(data + 1, '\n', size - 1);
    const uint8_t *end = line_feed ? line_feed : data + size;
    struct pawl_bytes target = pawl_bytes_make(data + 1, (size_t)(end - data) - 1);
    struct pawl_bytes body = PAWL_BYTES_ABSENT;
    if (line_feed) body = pawl_bytes_make(end + 1, (size_t)(data + size - end) - 1);

    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_http_url url;
    struct pawl_bytes message = PAWL_BYTES_ABSENT;
    if (pawl_http_url_parse(target, &arena, &url, &message) == PAWL_OK) {
        struct pawl_http_match match = pawl_http_route_find(&url, method_of(data[0]));
        if (match.miss == PAWL_HTTP_FOUND) check_route(&arena, &url, &match, body);
    } else {
        PAWL_ASSERT(message.size > 0);
    }
    pawl_arena_deinit(&arena);
    return 0;
}
