/* Client: one HTTP exchange with the sidecar (libcurl). */
#ifndef PAWL_CLI_IO_CLIENT_H
#define PAWL_CLI_IO_CLIENT_H

#include "base/buf.h"

struct pawl_client_request {
    const char *method; /* GET or POST */
    const char *url;
    const char *token; /* NULL: none */
    const char *key;   /* Idempotency-Key; NULL: none */
    struct pawl_bytes body;
    int64_t timeout_ms;
};

struct pawl_client_answer {
    long status; /* 0: there was none; `error` says why */
    struct pawl_buf body;
    char error[320];
};

/* Free the answer with pawl_buf_deinit of its body, whatever it says. */
void pawl_client_perform(const struct pawl_client_request *request,
                         struct pawl_client_answer *ret_answer);

#endif /* PAWL_CLI_IO_CLIENT_H */
