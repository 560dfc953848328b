#include "actors/request_rewind.h"

#include "actors/again.h"
#include "actors/call.h"
#include "actors/envelope.h"
#include "actors/history_read.h"
#include "actors/request_list.h"
#include "actors/request_start.h"
#include "actors/workflow.h"

/* It may be rewound, and fail again, while it is read. */
#define ROUNDS_MAX 4u

#define CHILD_REASON "its parent was rewound"

struct rewind_job {
    struct pawl_history_read read;
    struct pawl_bytes request_id;
    struct pawl_bytes reason;
    struct pawl_id message;       /* of the parent; zero: a client asks */
    pawl_rewind_on_done *on_done; /* then */
    uint32_t rounds;
    bool has_failed; /* the last time it was looked at */
};

/* Answers ------------------------------------------------------------------------------------ */

/* `reply` is NULL when it is not the store that says so. */
static void job_end(struct pawl_node *node, struct rewind_job *job, pawl_err err,
                    const struct pawl_store_reply *reply)
{
    struct pawl_bytes instance = job->read.instance;
    uint64_t token = job->read.token;
    if (job->on_done) {
        job->on_done(node, job->message, err);
    } else if (err == PAWL_OK || err == PAWL_E_DUPLICATE) {
        pawl_request_answer_instance(node, token, instance);
    } else if (err == PAWL_E_STATE) {
        pawl_node_answer_err(node, token, err,
                             "workflow instance '%.*s' is %s: only one that has FAILED can be "
                             "rewound",
                             PAWL_BYTES_FMT(instance),
                             pawl_status_name((int)job->read.metadata.status));
    } else if (err == PAWL_E_TOO_LARGE) {
        pawl_node_answer_err(node, token, err,
                             "the history of workflow '%.*s' is larger than one that can be "
                             "rewound (%u MiB): restart it, or run it anew from an early event",
                             PAWL_BYTES_FMT(instance), PAWL_SEED_SIZE_MAX >> 20);
    } else if (reply) {
        pawl_request_answer_store_err(node, token, instance, reply);
    } else {
        pawl_node_answer_err(node, token, err, "workflow '%.*s' cannot be rewound: %s",
                             PAWL_BYTES_FMT(instance), pawl_err_text(err));
    }
    pawl_job_close(&job->read.job);
}

/* Deliver ------------------------------------------------------------------------------------ */

static void job_on_delivered(struct pawl_node *node, struct pawl_call *call,
                             const struct pawl_store_reply *reply)
{
    struct rewind_job *job = call->context;
    pawl_err err = reply->err;
    if (err == PAWL_E_CONFLICT && !job->has_failed) err = PAWL_E_STATE;
    if (err == PAWL_E_CONFLICT && ++job->rounds < ROUNDS_MAX) {
        pawl_history_read_start(node, &job->read);
        return;
    }
    if (err == PAWL_E_CONFLICT) err = PAWL_E_BUSY;
    struct pawl_bytes instance = pawl_arena_copy(&node->effects->arena, call->instance);
    bool is_new = err == PAWL_OK;
    job_end(node, job, err, reply);
    if (is_new)
        pawl_workflow_on_delivered(node, instance, reply->deliver.index,
                                   call->request.deliver.delivery, call->request.deliver.body);
}

/* One that has not failed, or not any more, is asked as well: perhaps this very request has
 * rewound it, and its answer was lost. No commit has the id that is asked for then. */
static void job_deliver(struct pawl_node *node, struct rewind_job *job,
                        const struct pawl_inbox_body *body)
{
    struct pawl_call *call = pawl_request_call(node, job->read.token, PAWL_STORE_DELIVER,
                                               job->read.instance, job_on_delivered);
    call->context = job;
    call->request.deliver = pawl_deliver_make(&call->arena, call->instance, body,
                                              pawl_rng_id(&node->rng), node->now_ms);
    call->request.deliver.request_id = pawl_arena_copy(&call->arena, job->request_id);
    call->request.deliver.changes_max = PAWL_CHANGES_MAX;
    call->request.deliver.rewind =
        job->has_failed ? job->read.metadata.last : pawl_rng_id(&node->rng);
    pawl_call_send(node, call);
}

static struct pawl_bytes job_rewound_event(struct pawl_node *node, struct rewind_job *job)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_REWOUND, node->now_ms);
    event.payload = job->reason;
    return pawl_history_event_pack(&job->read.job.arena, &event);
}

static void job_rewind(struct pawl_node *node, struct rewind_job *job)
{
    struct pawl_arena *arena = &job->read.job.arena;
    struct pawl_again again = { .arena = arena,
                                .source = job->read.instance,
                                .source_gen = job->read.metadata.gen,
                                .instance = job->read.instance,
                                .gen = job->read.metadata.gen,
                                .now_ms = node->now_ms,
                                .events_count = job->read.events_count,
                                .events = job->read.events };
    struct pawl_inbox_body body = { .event = job_rewound_event(node, job) };
    struct pawl_seed seed;
    struct pawl_bytes why;
    pawl_err err = pawl_again_rewind(&again, body.event, &seed, &why);
    if (err == PAWL_OK) {
        body.seed = pawl_seed_pack(arena, &seed);
        if (pawl_bytes_is_absent(body.seed)) err = PAWL_E_TOO_LARGE;
    }
    if (err == PAWL_OK)
        job_deliver(node, job, &body);
    else
        job_end(node, job, err, NULL);
}

/* Entry -------------------------------------------------------------------------------------- */

static void job_on_read(struct pawl_node *node, struct pawl_history_read *read, pawl_err err,
                        const struct pawl_store_reply *reply)
{
    struct rewind_job *job = PAWL_CONTAINER_OF(read, struct rewind_job, read);
    if (err != PAWL_OK) {
        job_end(node, job, err, err == reply->err ? reply : NULL);
        return;
    }
    job->has_failed = read->metadata.status == PAWL_STATUS_FAILED;
    struct pawl_inbox_body nothing = { .event = job_rewound_event(node, job) };
    if (job->has_failed)
        job_rewind(node, job);
    else
        job_deliver(node, job, &nothing);
}

static struct rewind_job *job_new(struct pawl_node *node, struct pawl_bytes instance)
{
    struct rewind_job *job = PAWL_NEW(struct rewind_job);
    pawl_job_open(node, &job->read.job);
    job->read.instance = pawl_arena_copy(&job->read.job.arena, instance);
    job->read.on_done = job_on_read;
    return job;
}

void pawl_request_rewind(struct pawl_node *node, uint64_t token, const struct pawl_request *request)
{
    struct rewind_job *job = job_new(node, request->instance);
    struct pawl_arena *arena = &job->read.job.arena;
    job->read.token = token;
    job->request_id = pawl_request_id_of(node, arena, request);
    job->reason = pawl_arena_copy(arena, request->payload);
    pawl_history_read_start(node, &job->read);
}

void pawl_rewind_child(struct pawl_node *node, struct pawl_bytes instance, struct pawl_id message,
                       pawl_rewind_on_done *on_done)
{
    struct rewind_job *job = job_new(node, instance);
    char request_id[PAWL_ID_TEXT_SIZE];
    pawl_id_format(message, request_id);
    job->request_id = pawl_arena_copy(&job->read.job.arena, pawl_bytes_str(request_id));
    job->reason = PAWL_BYTES_LITERAL(CHILD_REASON);
    job->message = message;
    job->on_done = on_done;
    pawl_history_read_start(node, &job->read);
}
