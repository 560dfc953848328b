/* Http reply: what the engine answered, as status and JSON. */
#ifndef PAWL_SIDECAR_HTTP_REPLY_H
#define PAWL_SIDECAR_HTTP_REPLY_H

#include "base/buf.h"
#include "base/json.h"
#include "sidecar/http_request.h"

struct pawl_http_reply {
    int status;
    const char *type;       /* Content-Type; NULL: no body */
    const char *allow;      /* 405 only */
    uint32_t retry_after_s; /* 0: no such header */
    struct pawl_buf body;
};

void pawl_http_reply_init(struct pawl_http_reply *reply);
void pawl_http_reply_deinit(struct pawl_http_reply *reply);

/* {"errorCode":…,"message":…}, replacing what was there. */
void pawl_http_reply_problem(struct pawl_http_reply *reply, int status, const char *code,
                             struct pawl_bytes message);

/* The answer to a request that `route` made. A body over PAWL_HTTP_REPLY_SIZE_MAX
 * becomes a 500 that says what to do. */
void pawl_http_reply_answer(struct pawl_http_reply *reply, enum pawl_http_route route,
                            const struct pawl_request *request, const struct pawl_answer *answer);

/* One instance, as GET shows it. */
void pawl_http_state_write(struct pawl_json *json, const struct pawl_instance_state *state);

/* 409 for EXISTS … ; 500 for what no client can help. */
int pawl_http_status_of(pawl_err err);

#endif /* PAWL_SIDECAR_HTTP_REPLY_H */
