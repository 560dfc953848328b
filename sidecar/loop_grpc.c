#include <string.h>

#include "base/limits.h"
#include "sidecar/loop_internal.h"

static void workers_step(void *context, struct pawl_node_event event)
{
    struct pawl_loop *loop = context;
    event.now_ms = pawl_loop_now_ms(loop);
    pawl_loop_step(loop, &event);
}

static int64_t workers_now_ms(void *context)
{
    return pawl_loop_now_ms(context);
}

void pawl_loop_grpc_init(struct pawl_loop *loop)
{
    const struct pawl_grpc_workers_config config = {
        .app = loop->config.node.app,
        .seed = loop->config.node.seed,
        .work_item_mib = loop->config.work_item_mib,
        .context = loop,
        .step = workers_step,
        .now_ms = workers_now_ms,
    };
    loop->grpc_workers = pawl_grpc_workers_new(&config);
    pawl_grpc_workers_hold(loop->grpc_workers, true);
}

struct pawl_grpc_workers *pawl_loop_grpc_workers(struct pawl_loop *loop)
{
    return loop->grpc_workers;
}

void pawl_loop_workers(struct pawl_loop *loop, struct pawl_api_info *info)
{
    uint32_t app_count = 0;
    uint32_t grpc_count = pawl_grpc_workers_count(loop->grpc_workers);
    const struct pawl_api_worker *app =
        pawl_app_stream_workers(loop->app, &loop->info_arena, &app_count);
    struct pawl_api_worker *all =
        PAWL_ARENA_ARRAY(&loop->info_arena, struct pawl_api_worker, app_count + grpc_count);
    if (app_count) memcpy(all, app, app_count * sizeof *all);
    pawl_grpc_workers_list(loop->grpc_workers, all + app_count);
    info->workers = all;
    info->workers_count = app_count + grpc_count;
}
