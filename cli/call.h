/* Call: a workflow command as an HTTP request to the sidecar (docs/HTTP.md). */
#ifndef PAWL_CLI_CALL_H
#define PAWL_CLI_CALL_H

#include "base/buf.h"
#include "cli/options.h"

/* What one command may need more than one request for. */
struct pawl_call_page {
    const char *cursor; /* list: NULL at the start */
    uint32_t from;      /* history */
    bool waiting;       /* HISTORY: the events that wait, too */
    uint32_t limit;     /* list, history: of this request; 0: the sidecar's choice */
    int64_t wait_ms;    /* wait: of this request */
};

struct pawl_call {
    const char *method;
    struct pawl_buf url; /* ended by a zero */
};

/* Free the url with pawl_buf_deinit. False: an argument is too long, and there is no url. */
PAWL_MUST_USE bool pawl_call_make(const struct pawl_cli_options *options,
                                  const struct pawl_call_page *page, struct pawl_call *ret_call);

#endif /* PAWL_CLI_CALL_H */
