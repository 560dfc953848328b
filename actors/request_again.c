#include "actors/request_again.h"

#include "actors/again.h"
#include "actors/call.h"
#include "actors/envelope.h"
#include "actors/job.h"
#include "actors/request_list.h"
#include "actors/request_start.h"
#include "actors/workflow.h"

/* The history may begin anew while it is read. */
#define READS_MAX 4u

/* One of these calls, from the first page to the answer. */
struct again_job {
    struct pawl_job job;
    uint64_t token;
    struct pawl_request request;
    uint32_t reads;
    struct pawl_metadata metadata; /* of the run that has ended */
    struct pawl_bytes input;
    uint32_t events_count;
    struct pawl_bytes *events;
};

#define REFUSE(node, job, err, ...)                                     \
    do {                                                                \
        pawl_node_answer_err((node), (job)->token, (err), __VA_ARGS__); \
        pawl_job_close(&(job)->job);                                    \
    } while (0)

/* Create ------------------------------------------------------------------------------------- */

static void job_on_created(struct pawl_node *node, struct pawl_call *call,
                           const struct pawl_store_reply *reply)
{
    struct again_job *job = call->context;
    if (reply->err == PAWL_OK || reply->err == PAWL_E_DUPLICATE)
        pawl_request_answer_instance(node, job->token, call->instance);
    else
        pawl_request_answer_create_err(node, job->token, call->instance, reply);
    pawl_job_close(&job->job);
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
        pawl_request_call(node, job->token, PAWL_STORE_CREATE, instance, job_on_created);
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
        .name = pawl_arena_copy(arena, job->metadata.name),
        .version = pawl_arena_copy(arena, job->metadata.version),
        .tags = pawl_arena_copy(arena, job->metadata.tags),
        .input = pawl_arena_copy(arena, job->input),
        .created_ms = node->now_ms,
        .tombs = { PAWL_TOMB_MS, PAWL_TOMBS_MAX },
    };
    pawl_call_send(node, call);
}

/* What is run again -------------------------------------------------------------------------- */

static void job_rerun(struct pawl_node *node, struct again_job *job)
{
    const struct pawl_request *request = &job->request;
    struct pawl_bytes instance = request->new_instance;
    if (instance.size == 0) instance = pawl_request_new_instance(node, request->request_id);
    struct pawl_again again = { .arena = &job->job.arena,
                                .source = request->instance,
                                .source_gen = job->metadata.gen,
                                .instance = instance,
                                .gen = 1,
                                .execution = pawl_rng_id(&node->rng),
                                .now_ms = node->now_ms,
                                .events_count = job->events_count,
                                .events = job->events };
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
    if (!pawl_status_is_terminal(job->metadata.status))
        return "is not in a terminal state, so it cannot be run again";
    *ret_err = PAWL_E_INVALID;
    if (!pawl_bytes_is_absent(job->metadata.parent))
        return "cannot rerun from child-workflows: run its parent anew";
    if (pawl_bytes_is_equal(job->request.instance, job->request.new_instance))
        return "must be another instance than the new one: give the new one another id";
    return NULL;
}

/* Read --------------------------------------------------------------------------------------- */

static void job_read(struct pawl_node *node, struct again_job *job);

static void job_take_page(struct again_job *job, const struct pawl_snapshot *snapshot)
{
    struct pawl_arena *arena = &job->job.arena;
    if (job->events_count == 0) {
        job->metadata = snapshot->metadata;
        job->metadata.name = pawl_arena_copy(arena, snapshot->metadata.name);
        job->metadata.version = pawl_arena_copy(arena, snapshot->metadata.version);
        job->metadata.parent = pawl_arena_copy(arena, snapshot->metadata.parent);
        job->metadata.tags = pawl_arena_copy(arena, snapshot->metadata.tags);
        job->input = pawl_arena_copy(arena, snapshot->payloads.input);
        job->events = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, snapshot->metadata.history_count);
    }
    for (uint32_t i = 0; i < snapshot->history_count; i++)
        job->events[job->events_count++] = pawl_arena_copy(arena, snapshot->history[i]);
}

static void job_on_loaded(struct pawl_node *node, struct pawl_call *call,
                          const struct pawl_store_reply *reply)
{
    struct again_job *job = call->context;
    const struct pawl_snapshot *snapshot = &reply->load.snapshot;
    pawl_err err = reply->err;
    if (err == PAWL_E_NOT_FOUND) {
        REFUSE(node, job, err, "workflow instance does not exist with ID '%.*s'",
               PAWL_BYTES_FMT(job->request.instance));
        return;
    }
    if (err != PAWL_OK) {
        pawl_request_answer_store_err(node, job->token, call->instance, reply);
        pawl_job_close(&job->job);
        return;
    }
    bool is_other =
        job->events_count > 0 && !pawl_id_is_equal(snapshot->metadata.last, job->metadata.last);
    if (is_other && ++job->reads < READS_MAX) {
        job->events_count = 0;
        job_read(node, job);
        return;
    }
    if (is_other) {
        REFUSE(node, job, PAWL_E_BUSY, "workflow '%.*s' changes while it is read; try again",
               PAWL_BYTES_FMT(job->request.instance));
        return;
    }
    job_take_page(job, snapshot);
    const char *refused = job_refusal(job, &err);
    if (refused) {
        REFUSE(node, job, err, "'%.*s' %s", PAWL_BYTES_FMT(job->request.instance), refused);
        return;
    }
    if (job->events_count < job->metadata.history_count && snapshot->history_count > 0)
        job_read(node, job);
    else
        job_rerun(node, job);
}

static void job_read(struct pawl_node *node, struct again_job *job)
{
    struct pawl_call *call =
        pawl_request_call(node, job->token, PAWL_STORE_LOAD, job->request.instance, job_on_loaded);
    call->context = job;
    call->request.load = (struct pawl_load){ .instance = call->instance,
                                             .want = PAWL_LOAD_HISTORY | PAWL_LOAD_PAYLOADS,
                                             .history_from = job->events_count,
                                             .history_max = PAWL_LOAD_HISTORY_MAX,
                                             .history_size_max = PAWL_LOAD_HISTORY_SIZE_MAX };
    pawl_call_send(node, call);
}

static void job_start(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    struct again_job *job = PAWL_NEW(struct again_job);
    pawl_job_open(node, &job->job);
    job->token = token;
    job->request = *request;
    struct pawl_bytes *texts[] = { &job->request.instance, &job->request.new_instance,
                                   &job->request.request_id, &job->request.payload,
                                   &job->request.new_child };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = pawl_arena_copy(&job->job.arena, *texts[i]);
    job_read(node, job);
}

void pawl_request_rerun_from(struct pawl_node *node, uint64_t token,
                             const struct pawl_request *request)
{
    job_start(node, token, request);
}
