#include "actors/request_again.h"

#include "actors/again.h"
#include "actors/call.h"
#include "actors/envelope.h"
#include "actors/history_read.h"
#include "actors/request_list.h"
#include "actors/request_start.h"
#include "actors/workflow.h"

/* One of these calls, from the first page to the answer. */
struct again_job {
    struct pawl_history_read read;
    struct pawl_request request;
};

#define REFUSE(node, job, err, ...)                                          \
    do {                                                                     \
        pawl_node_answer_err((node), (job)->read.token, (err), __VA_ARGS__); \
        pawl_job_close(&(job)->read.job);                                    \
    } while (0)

/* Create ------------------------------------------------------------------------------------- */

static void job_on_created(struct pawl_node *node, struct pawl_call *call,
                           const struct pawl_store_reply *reply)
{
    struct again_job *job = call->context;
    if (reply->err == PAWL_OK || reply->err == PAWL_E_DUPLICATE)
        pawl_request_answer_instance(node, job->read.token, call->instance);
    else
        pawl_request_answer_create_err(node, job->read.token, call->instance, reply);
    pawl_job_close(&job->read.job);
    if (reply->err != PAWL_OK) return;
    node->metrics.started_total++;
    pawl_workflow_on_created(node, call->instance, &reply->create.metadata,
                             call->request.create.delivery, call->request.create.body);
}

/* The row that begins the instance; absent: too large. */
static struct pawl_bytes job_body(struct pawl_arena *arena, const struct pawl_seed *seed)
{
    struct pawl_inbox_body body = { .seed = pawl_seed_pack(arena, seed) };
    for (uint32_t i = 0; i < seed->events_count && pawl_bytes_is_absent(body.event); i++) {
        struct pawl_history_event event;
        if (pawl_history_event_decode(seed->events[i], &event) == PAWL_OK
            && event.kind == PAWL_EVENT_EXECUTION_STARTED)
            body.event = seed->events[i];
    }
    if (pawl_bytes_is_absent(body.seed) || pawl_bytes_is_absent(body.event))
        return PAWL_BYTES_ABSENT;
    return pawl_inbox_body_pack(arena, &body);
}

static void job_create(struct pawl_node *node, struct again_job *job, struct pawl_bytes instance,
                       const struct pawl_seed *seed)
{
    struct pawl_call *call =
        pawl_request_call(node, job->read.token, PAWL_STORE_CREATE, instance, job_on_created);
    struct pawl_arena *arena = &call->arena;
    struct pawl_bytes body = job_body(arena, seed);
    if (pawl_bytes_is_absent(body)) {
        pawl_call_drop(node, call);
        REFUSE(node, job, PAWL_E_TOO_LARGE,
               "the history of workflow '%.*s' up to there is larger than another run can begin "
               "with (%u MiB): start a new one, or run it anew from an earlier event",
               PAWL_BYTES_FMT(job->request.instance), PAWL_SEED_SIZE_MAX >> 20);
        return;
    }
    call->context = job;
    call->request.create = (struct pawl_create){
        .instance = call->instance,
        .request_id = pawl_request_id_of(node, arena, &job->request),
        .inc = pawl_rng_id(&node->rng),
        .delivery = pawl_rng_id(&node->rng),
        .body = body,
        .name = pawl_arena_copy(arena, job->read.metadata.name),
        .version = pawl_arena_copy(arena, job->read.metadata.version),
        .tags = pawl_arena_copy(arena, job->read.metadata.tags),
        .input = pawl_arena_copy(arena, job->read.input),
        .created_ms = node->now_ms,
        .tombs = { PAWL_TOMB_MS, PAWL_TOMBS_MAX },
        .changes_max = PAWL_CHANGES_MAX,
    };
    pawl_call_send(node, call);
}

/* What is run again -------------------------------------------------------------------------- */

static void job_rerun(struct pawl_node *node, struct again_job *job)
{
    const struct pawl_request *request = &job->request;
    struct pawl_bytes instance = request->new_instance;
    if (instance.size == 0) instance = pawl_request_new_instance(node, request->request_id);
    struct pawl_again again = { .arena = &job->read.job.arena,
                                .source = request->instance,
                                .source_gen = job->read.metadata.gen,
                                .instance = instance,
                                .gen = 1,
                                .execution = pawl_rng_id(&node->rng),
                                .now_ms = node->now_ms,
                                .events_count = job->read.events_count,
                                .events = job->read.events };
    struct pawl_again_change change = { .event_id = request->event_id,
                                        .change_input = request->overwrite,
                                        .input = request->payload,
                                        .child = request->new_child };
    struct pawl_seed seed;
    struct pawl_bytes why;
    pawl_err err = pawl_again_from_event(&again, &change, &seed, &why);
    if (err == PAWL_OK)
        job_create(node, job, instance, &seed);
    else
        REFUSE(node, job, err, "%.*s", PAWL_BYTES_FMT(why));
}

/* NULL: the run can be run again; else why not. */
static const char *job_refusal(const struct again_job *job, pawl_err *ret_err)
{
    *ret_err = PAWL_E_NOT_TERMINAL;
    if (!pawl_status_is_terminal(job->read.metadata.status))
        return "is not in a terminal state, so it cannot be run again";
    *ret_err = PAWL_E_INVALID;
    if (!pawl_bytes_is_absent(job->read.metadata.parent))
        return "cannot rerun from child-workflows: run its parent anew";
    if (pawl_bytes_is_equal(job->request.instance, job->request.new_instance))
        return "must be another instance than the new one: give the new one another id";
    return NULL;
}

/* Entry -------------------------------------------------------------------------------------- */

static void job_on_read(struct pawl_node *node, struct pawl_history_read *read, pawl_err err,
                        const struct pawl_store_reply *reply)
{
    struct again_job *job = PAWL_CONTAINER_OF(read, struct again_job, read);
    if (err == PAWL_E_NOT_FOUND) {
        REFUSE(node, job, err, "workflow instance does not exist with ID '%.*s'",
               PAWL_BYTES_FMT(read->instance));
        return;
    }
    if (err == PAWL_E_BUSY) {
        REFUSE(node, job, err, "workflow '%.*s' changes while it is read; try again",
               PAWL_BYTES_FMT(read->instance));
        return;
    }
    if (err != PAWL_OK) {
        pawl_request_answer_store_err(node, read->token, read->instance, reply);
        pawl_job_close(&read->job);
        return;
    }
    const char *refused = job_refusal(job, &err);
    if (refused)
        REFUSE(node, job, err, "'%.*s' %s", PAWL_BYTES_FMT(read->instance), refused);
    else
        job_rerun(node, job);
}

void pawl_request_rerun_from(struct pawl_node *node, uint64_t token,
                             const struct pawl_request *request)
{
    struct again_job *job = PAWL_NEW(struct again_job);
    pawl_job_open(node, &job->read.job);
    job->request = *request;
    struct pawl_bytes *texts[] = { &job->request.instance, &job->request.new_instance,
                                   &job->request.request_id, &job->request.payload,
                                   &job->request.new_child };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = pawl_arena_copy(&job->read.job.arena, *texts[i]);
    job->read.token = token;
    job->read.instance = job->request.instance;
    job->read.on_done = job_on_read;
    pawl_history_read_start(node, &job->read);
}
