/* Client: one HTTP exchange with the sidecar (libcurl). */
#ifndef PAWL_CLI_IO_CLIENT_H
#define PAWL_CLI_IO_CLIENT_H

#include "base/buf.h"

/* Of a body that is taken as it comes. False: enough, the connection is closed. */
typedef bool pawl_client_on_data(void *context, struct pawl_bytes data);

struct pawl_client_request {
    const char *method; /* GET or POST */
    const char *url;
    const char *token; /* NULL: none */
    const char *key;   /* Idempotency-Key; NULL: none */
    struct pawl_bytes body;
    int64_t timeout_ms;           /* 0: none */
    const char *event_stream;     /* NULL: none is asked for; else the position, or "". At most
                                     PAWL_POSITION_SIZE_MAX bytes */
    int64_t silence_ms;           /* of the stream: then it is given up */
    pawl_client_on_data *on_data; /* an answer of status 200 goes here; NULL: into the body */
    void *context;
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
