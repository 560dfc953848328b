#include "base/io/service.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"

void pawl_service_prepare(void)
{
    /* Each of NNG's threads would get an arena of its own. */
    mallopt(M_ARENA_MAX, 2);
    signal(SIGPIPE, SIG_IGN); /* a lost connection is an error of the write */
}

void pawl_service_close(struct pawl_service *service)
{
    service->close(service->context);
    pawl_stop_signal_close(&service->signals);
}

static int service_run_loop(struct pawl_service *service)
{
    const char *message = "out of memory";
    pawl_err err = service->open(service->context, &message);
    if (err == PAWL_OK) {
        pawl_stop_signal_open(&service->signals, &service->uv, service->part, service->stop,
                              service->context);
        if (service->on_open) service->on_open(service->context);
    } else {
        pawl_log(PAWL_LOG_ERROR, service->part, "cannot start: %s", message);
        pawl_service_close(service);
    }
    uv_run(&service->uv, UV_RUN_DEFAULT);
    if (err != PAWL_OK) return EXIT_FAILURE;
    pawl_log(PAWL_LOG_INFO, service->part, "stopped");
    return EXIT_SUCCESS;
}

int pawl_service_run(struct pawl_service *service)
{
    int error = uv_loop_init(&service->uv);
    if (error != 0) {
        pawl_log(PAWL_LOG_ERROR, service->part, "cannot start: cannot make an event loop: %s",
                 uv_strerror(error));
        return EXIT_FAILURE;
    }
    int status = service_run_loop(service);
    error = uv_loop_close(&service->uv);
    PAWL_ASSERT(error == 0); /* every adapter has closed its handles */
    return status;
}
