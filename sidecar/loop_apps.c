#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "sidecar/loop_internal.h"

/* Any thread. */
static void on_hub_notify(void *context)
{
    struct pawl_loop *loop = context;
    uv_async_send(&loop->hub_async);
}

void pawl_loop_apps_on_async(uv_async_t *async)
{
    struct pawl_loop *loop = async->data;
    if (loop->hub && loop->is_begun) pawl_hub_drain(loop->hub);
}

static void on_hub_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    struct pawl_loop *loop = context;
    (void)endpoint; /* all of them are for apps */
    pawl_app_stream_on_open(loop->app, conn, pawl_hub_peer_pid(loop->hub, conn),
                            pawl_loop_now_ms(loop));
}

static void on_hub_frame(void *context, pawl_conn_id conn, struct pawl_bytes frame)
{
    struct pawl_loop *loop = context;
    pawl_app_stream_on_frame(loop->app, conn, frame, pawl_loop_now_ms(loop));
}

static void on_hub_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    struct pawl_loop *loop = context;
    (void)err; /* `why` says it in words */
    pawl_app_stream_on_close(loop->app, conn, why, pawl_loop_now_ms(loop));
}

static pawl_err app_send(void *context, uint64_t conn, struct pawl_bytes frame)
{
    struct pawl_loop *loop = context;
    return pawl_hub_send(loop->hub, conn, frame);
}

static void app_end(void *context, uint64_t conn, bool linger)
{
    struct pawl_loop *loop = context;
    pawl_hub_end(loop->hub, conn, linger);
}

static void app_step(void *context, const struct pawl_node_event *event)
{
    pawl_loop_step(context, event);
}

void pawl_loop_apps_init(struct pawl_loop *loop)
{
    const struct pawl_app_stream_config config = {
        .app = loop->config.node.app,
        .name = loop->config.node.host,
        .token = loop->config.token,
        .frame_size_max = PAWL_FRAME_SIZE_MAX,
        .api = &loop->api,
        .outside = { loop, app_send, app_end, app_step },
    };
    loop->app = pawl_app_stream_new(&config);
}

pawl_err pawl_loop_apps_open(struct pawl_loop *loop)
{
    const struct pawl_hub_config config = {
        .frame_size_max = PAWL_FRAME_SIZE_MAX,
        .out_size_max = PAWL_STREAM_OUT_SIZE_MAX,
        .connections_max = PAWL_STREAM_CONNECTIONS_MAX,
        .context = loop,
        .notify = on_hub_notify,
        .on_open = on_hub_open,
        .on_frame = on_hub_frame,
        .on_close = on_hub_close,
    };
    return pawl_hub_open(&config, &loop->hub);
}

static void endpoint_note(struct pawl_loop *loop)
{
    const char *url = loop->config.app_urls[0];
    uint16_t port = pawl_hub_port(loop->hub, 0);
    if (port == 0) {
        snprintf(loop->app_endpoint, sizeof loop->app_endpoint, "%s", url);
        return;
    }
    int host_size = (int)(strrchr(url, ':') - url);
    snprintf(loop->app_endpoint, sizeof loop->app_endpoint, "%.*s:%u", host_size, url, port);
}

pawl_err pawl_loop_apps_listen(struct pawl_loop *loop, struct pawl_arena *arena,
                               const char **ret_message)
{
    for (uint32_t i = 0; i < loop->config.app_urls_count; i++) {
        const char *why = NULL;
        pawl_err err = pawl_hub_listen(loop->hub, loop->config.app_urls[i], i, &why);
        if (err == PAWL_OK) continue;
        *ret_message = (const char *)pawl_arena_printf(
                           arena,
                           "cannot listen for apps at %s: %s. Choose another address with "
                           "--app-listen, or stop the process that has it",
                           loop->config.app_urls[i], why)
                           .data;
        return err;
    }
    endpoint_note(loop);
    return PAWL_OK;
}

const char *pawl_loop_app_endpoint(const struct pawl_loop *loop)
{
    return loop->app_endpoint;
}
