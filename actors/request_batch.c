/* Batch: one page of instances that match a filter, and an operation on each. Nothing is kept
 * of it: the client goes on with the cursor, also after it has been away. */
#include "actors/job.h"
#include "actors/request.h"
#include "actors/request_list.h"
#include "actors/request_start.h"
#include "actors/router.h"
#include "base/bytes.h"

struct batch_job {
    struct pawl_job base;
    uint64_t token;
    struct pawl_request request;
    uint32_t outstanding;
    struct pawl_batch result;
    struct pawl_bytes failure; /* of the first that failed */
    struct pawl_bytes cursor;
};

struct batch_item {
    struct batch_job *job;
    struct pawl_bytes instance;
};

static void batch_free(struct batch_job *job)
{
    pawl_job_close(&job->base);
}

static void batch_answer(struct pawl_node *node, struct batch_job *job)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_answer *answer = PAWL_ARENA_NEW(arena, struct pawl_answer);
    answer->batch = job->result;
    answer->cursor = pawl_arena_copy(arena, job->cursor);
    answer->message = pawl_arena_copy(arena, job->failure);
    pawl_node_answer(node, job->token, answer);
    batch_free(job);
}

static void batch_on_done(struct pawl_node *node, void *context, const struct pawl_answer *answer)
{
    const struct batch_item *item = context;
    struct batch_job *job = item->job;
    bool is_done = answer->err == PAWL_OK || answer->err == PAWL_E_DUPLICATE;
    if (is_done)
        job->result.done++;
    else
        job->result.failed++;
    if (!is_done && job->failure.size == 0) {
        struct pawl_bytes why =
            answer->message.size ? answer->message : pawl_bytes_str(pawl_err_text(answer->err));
        job->failure = pawl_arena_printf(&job->base.arena, "instance '%.*s': %.*s",
                                         PAWL_BYTES_FMT(item->instance), PAWL_BYTES_FMT(why));
    }
    if (--job->outstanding == 0) batch_answer(node, job);
}

/* What is asked for each; the name of an event travels as event_name, because `name` is the
 * filter's. */
static struct pawl_request batch_request(const struct batch_job *job, struct pawl_bytes instance)
{
    const struct pawl_request *request = &job->request;
    bool is_raise = request->batch_op == PAWL_REQUEST_RAISE;
    return (struct pawl_request){ .op = request->batch_op,
                                  .instance = instance,
                                  .request_id = request->request_id,
                                  .name = is_raise ? request->event_name : PAWL_BYTES_ABSENT,
                                  .payload = is_raise ? request->event_data : request->payload,
                                  .recursive = request->recursive,
                                  .force = request->force };
}

static void batch_on_page(struct pawl_node *node, void *context, const struct pawl_answer *answer)
{
    struct batch_job *job = context;
    if (answer->err != PAWL_OK) {
        pawl_node_answer_err(node, job->token, answer->err, "%.*s",
                             PAWL_BYTES_FMT(answer->message));
        batch_free(job);
        return;
    }
    uint32_t count = answer->states_count;
    job->cursor = pawl_arena_copy(&job->base.arena, answer->cursor);
    struct batch_item *items = PAWL_ARENA_ARRAY(&job->base.arena, struct batch_item, count);
    for (uint32_t i = 0; i < count; i++) {
        items[i].job = job;
        items[i].instance = pawl_arena_copy(&job->base.arena, answer->states[i].instance);
    }
    job->result.matched = count;
    job->outstanding = count + 1; /* one for this function: answers may come at once */
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_request request = batch_request(job, items[i].instance);
        pawl_router_ask(node, &request, batch_on_done, &items[i]);
    }
    if (--job->outstanding == 0) batch_answer(node, job);
}

void pawl_request_batch(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    struct batch_job *job = PAWL_NEW(struct batch_job);
    pawl_job_open(node, &job->base);
    job->token = token;
    job->request = *request;
    struct pawl_bytes *texts[] = { &job->request.name, &job->request.payload,
                                   &job->request.event_name, &job->request.event_data };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = pawl_arena_copy(&job->base.arena, *texts[i]);
    job->request.request_id = pawl_request_id_of(node, &job->base.arena, request);

    struct pawl_request page = *request;
    page.op = PAWL_REQUEST_LIST;
    page.app = PAWL_BYTES_ABSENT;
    if (page.limit == 0) page.limit = PAWL_BATCH_ITEMS_DEFAULT;
    if (page.status_mask == 0) page.status_mask = pawl_request_batch_mask(request);
    pawl_router_ask(node, &page, batch_on_page, job);
}
