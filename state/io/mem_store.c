/* The reference store behind the port: state that lives as long as the process.
 * Requests are applied when their replies are due, in a later turn of the loop. */
#include "base/bytes.h"
#include "base/mem.h"
#include "state/copy.h"
#include "state/io/backends.h"
#include "state/mem.h"

#include "base/list.h"

struct job {
    struct pawl_list link;
    struct pawl_arena arena;
    struct pawl_store_request request;
};

struct mem_store {
    struct pawl_store store; /* first: the port hands this pointer back */
    struct pawl_store_config config;
    struct pawl_mem *mem;
    uv_async_t wakeup;
    struct pawl_list jobs; /* oldest first */
    bool told_ready;
    bool draining;
};

static struct mem_store *self_of(struct pawl_store *store)
{
    return PAWL_CONTAINER_OF(store, struct mem_store, store);
}

static void mem_submit(struct pawl_store *store, const struct pawl_store_request *request)
{
    struct mem_store *self = self_of(store);
    struct job *job = PAWL_NEW(struct job);
    pawl_arena_init(&job->arena);
    pawl_store_request_copy(&job->arena, request, &job->request);
    pawl_list_push_tail(&self->jobs, &job->link);
}

static void mem_flush(struct pawl_store *store)
{
    struct mem_store *self = self_of(store);
    if (!pawl_list_is_empty(&self->jobs)) uv_async_send(&self->wakeup);
}

static struct job *job_take(struct pawl_list *jobs)
{
    struct job *job = PAWL_CONTAINER_OF(jobs->next, struct job, link);
    pawl_list_remove(&job->link);
    return job;
}

static void job_free(struct job *job)
{
    pawl_arena_deinit(&job->arena);
    pawl_mem_free(job);
}

static void job_run(struct mem_store *self, struct job *job)
{
    struct pawl_store_reply reply;
    pawl_mem_store_apply(self->mem, &job->request, &job->arena, &reply);
    self->config.on_reply(self->config.context, &reply);
    job_free(job);
}

static void on_wakeup(uv_async_t *wakeup)
{
    struct mem_store *self = wakeup->data;
    self->draining = true;
    if (!self->told_ready && self->config.on_state)
        self->config.on_state(self->config.context, true, "state is kept in memory only");
    self->told_ready = true;

    /* What the callbacks submit waits for its own flush. */
    struct pawl_list *last = self->jobs.prev;
    bool more = !pawl_list_is_empty(&self->jobs);
    while (more) {
        struct job *job = job_take(&self->jobs);
        more = &job->link != last;
        job_run(self, job);
    }
    self->draining = false;
}

static void job_refuse(struct mem_store *self, struct job *job)
{
    struct pawl_store_reply reply = {
        .token = job->request.token,
        .op = job->request.op,
        .partition = job->request.partition,
        .err = PAWL_E_UNAVAILABLE,
        .message = PAWL_BYTES_LITERAL("the store was closed before the request was applied"),
    };
    self->config.on_reply(self->config.context, &reply);
    job_free(job);
}

static void on_closed(uv_handle_t *handle)
{
    struct mem_store *self = handle->data;
    pawl_mem_store_free(self->mem);
    pawl_mem_free(self);
}

static void mem_close(struct pawl_store *store)
{
    struct mem_store *self = self_of(store);
    PAWL_ASSERT(!self->draining);
    while (!pawl_list_is_empty(&self->jobs)) job_refuse(self, job_take(&self->jobs));
    uv_close((uv_handle_t *)&self->wakeup, on_closed);
}

static const struct pawl_store_ops mem_ops = { mem_submit, mem_flush, mem_close };

pawl_err pawl_store_mem_open(const struct pawl_store_config *config, struct pawl_store **ret_store,
                             const char **ret_message)
{
    struct mem_store *self = PAWL_NEW(struct mem_store);
    self->store.ops = &mem_ops;
    self->config = *config;
    self->store.partitions = config->partitions;
    pawl_list_init(&self->jobs);
    if (uv_async_init(config->loop, &self->wakeup, on_wakeup) != 0) {
        pawl_mem_free(self);
        *ret_message = "the event loop cannot take another handle (too many open files?)";
        return PAWL_E_UNAVAILABLE;
    }
    self->wakeup.data = self;
    self->mem = pawl_mem_store_new();
    uv_async_send(&self->wakeup); /* for on_state */
    *ret_store = &self->store;
    *ret_message = "";
    return PAWL_OK;
}
