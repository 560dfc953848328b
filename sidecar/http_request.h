/* Http request: from a matched route, its query, headers and body to the engine's
 * request; or to a problem that says what to change. */
#ifndef PAWL_SIDECAR_HTTP_REQUEST_H
#define PAWL_SIDECAR_HTTP_REQUEST_H

#include "sidecar/http_route.h"

/* Why a call is refused: status, Dapr's errorCode and a sentence. */
struct pawl_http_problem {
    int status;
    const char *code;
    struct pawl_bytes message;
};

struct pawl_http_input {
    const struct pawl_http_match *match; /* FOUND, and its route has an operation */
    const struct pawl_http_url *url;
    struct pawl_bytes body;            /* empty counts as absent */
    struct pawl_bytes idempotency_key; /* absent: none */
    struct pawl_bytes last_event_id;   /* of a stream that was read before; absent: none */
    struct pawl_bytes app;             /* this sidecar's */
};

/* Views of *ret_request point into the input and the arena. False: *ret_problem. */
PAWL_MUST_USE bool pawl_http_request_build(const struct pawl_http_input *input,
                                           struct pawl_arena *arena,
                                           struct pawl_request *ret_request,
                                           struct pawl_http_problem *ret_problem);

/* False and a problem when the query has a parameter that the route does not take, or
 * one twice: a misspelt "recursive" must not purge more than was meant. */
PAWL_MUST_USE bool pawl_http_request_check_params(enum pawl_http_route route,
                                                  const struct pawl_http_url *url,
                                                  struct pawl_arena *arena,
                                                  struct pawl_http_problem *ret_problem);

#endif /* PAWL_SIDECAR_HTTP_REQUEST_H */
