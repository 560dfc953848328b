/* Service: a server process from the making of its loop to its end. What is served is the
 * caller's; this is what all servers do alike. */
#ifndef PAWL_BASE_IO_SERVICE_H
#define PAWL_BASE_IO_SERVICE_H

#include <uv.h>

#include "base/io/stop_signal.h"
#include "pawl/err.h"

struct pawl_service {
    const char *part; /* of the log */
    /* Open everything, on `uv`. When it fails, `close` is called with what is open by then, and
     * *ret_message says why: without it, it was the memory. */
    pawl_err (*open)(void *context, const char **ret_message);
    void (*on_open)(void *context); /* all is open, and a signal stops it; may be NULL */
    void (*stop)(void *context);    /* end in order, then call pawl_service_close */
    void (*close)(void *context);   /* close every handle on `uv` that is open */
    void *context;
    uv_loop_t uv;
    struct pawl_stop_signal signals; /* zero before the run */
};

/* What must be so before a process makes its first thread. */
void pawl_service_prepare(void);

/* Runs until everything is closed. An exit status: EXIT_FAILURE when it could not start, and the
 * log says why. `service` must live until then. */
int pawl_service_run(struct pawl_service *service);

/* Nothing is served any more; the run ends when all handles are closed. */
void pawl_service_close(struct pawl_service *service);

#endif /* PAWL_BASE_IO_SERVICE_H */
