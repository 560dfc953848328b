/* The functions of pawl/client.h.
 *
 * A call is a struct on its caller's stack, on a list that the client's thread works off;
 * the caller sleeps until the thread says that it is done or its time is up. */
#include "pawl/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/list.h"
#include "sdk/io/ask.h"
#include "sdk/io/link.h"
#include "sdk/io/result.h"
#include "sdk/io/settings.h"
#include "sdk/io/thread.h"
#include "sdk/tags.h"

/* On top of a wait's own time, for the answer to arrive. */
#define WAIT_GRACE_MS 5000

struct call {
    struct pawl_list link;
    struct pawl_request request; /* views into the caller's memory */
    uint64_t token;
    int64_t deadline_ms;
    bool sent;      /* over the present connection */
    bool sent_ever; /* it may have happened */
    bool done;
    pawl_err err;
    bool reached;
    bool wants_result;
    struct pawl_result *result;
    struct pawl_cancel *cancel; /* NULL: nobody ends it */
    pthread_cond_t changed;
};

struct pawl_client {
    struct pawl_allocator allocator;
    struct pawl_settings settings;
    int64_t timeout_ms;
    char target_app[PAWL_APP_ID_SIZE_MAX + 1]; /* "": the sidecar's own */
    struct pawl_hello hello;
    struct pawl_link *link;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* guards what follows and all calls on the list */
    struct pawl_list calls;
    uint64_t tokens;
    uint32_t cancels; /* pawl_cancel_init less _deinit */
    bool ending;
    char why_down[256]; /* why there is no connection; "": not known yet */
};

/* The client's thread -------------------------------------------------------------------- */

/* Under the lock, as all of these. */
static void call_finish(struct call *call, pawl_err err, struct pawl_result *result)
{
    pawl_list_remove(&call->link);
    call->done = true;
    call->err = err;
    call->result = result;
    pthread_cond_signal(&call->changed);
}

static struct pawl_result *make_message(const struct pawl_client *client, const struct call *call,
                                        const char *message)
{
    if (!call->wants_result) return NULL;
    return pawl_result_from_message(&client->allocator, &call->request, pawl_bytes_str(message));
}

/* After a lost answer: may the call be made once more? The others would be answered
 * TERMINAL or NOT_FOUND if the first had happened. */
static bool is_repeatable(const struct call *call)
{
    switch (call->request.op) {
    case PAWL_REQUEST_TERMINATE:
    case PAWL_REQUEST_PURGE:
    case PAWL_REQUEST_RERUN:
    case PAWL_REQUEST_SUSPEND:
    case PAWL_REQUEST_RESUME: return false;
    default: return true; /* reads, and what has a request id */
    }
}

static void on_up(void *context)
{
    struct pawl_client *client = context;
    pthread_mutex_lock(&client->lock);
    client->why_down[0] = 0;
    pthread_mutex_unlock(&client->lock);
}

static struct call *next_of(struct pawl_client *client, struct pawl_list *link)
{
    return link == &client->calls ? NULL : PAWL_CONTAINER_OF(link, struct call, link);
}

static void on_down(void *context, bool was_up, pawl_err refused, const char *why)
{
    struct pawl_client *client = context;
    (void)was_up;
    bool for_ever = refused != PAWL_OK && pawl_err_class(refused) == PAWL_ERR_CLASS_NEVER;
    pthread_mutex_lock(&client->lock);
    (void)snprintf(client->why_down, sizeof client->why_down, "%s", why);
    struct pawl_list *following;
    for (struct pawl_list *link = client->calls.next; link != &client->calls; link = following) {
        following = link->next;
        struct call *call = next_of(client, link);
        if (for_ever) {
            call_finish(call, refused, make_message(client, call, why));
        } else if (call->sent && !is_repeatable(call)) {
            call_finish(call, PAWL_E_UNKNOWN,
                        make_message(client, call, "the connection was lost before the answer"));
        } else {
            call->sent = false;
        }
    }
    pthread_mutex_unlock(&client->lock);
}

static void on_answer(struct pawl_client *client, const struct pawl_answer_frame *frame)
{
    pthread_mutex_lock(&client->lock);
    for (struct pawl_list *link = client->calls.next; link != &client->calls; link = link->next) {
        struct call *call = next_of(client, link);
        if (call->token != frame->token) continue;
        struct pawl_result *result = NULL;
        pawl_err err = frame->answer.err;
        if (call->wants_result) {
            result = pawl_result_from_answer(&client->allocator, &call->request, &frame->answer);
            if (!result && err == PAWL_OK) err = PAWL_E_NOMEM;
        }
        call->reached = frame->answer.reached;
        call_finish(call, err, result);
        break; /* a caller that gave up is simply not found */
    }
    pthread_mutex_unlock(&client->lock);
}

static void on_frame(void *context, const struct pawl_frame *frame)
{
    if (frame->type == PAWL_FRAME_ANSWER) on_answer(context, &frame->answer);
}

static void call_send(struct pawl_client *client, struct call *call)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_REQUEST };
    frame.request = (struct pawl_request_frame){ .token = call->token, .request = call->request };
    /* What is left of a wait: this may be the second connection it is sent over. */
    int64_t left_ms = call->deadline_ms - WAIT_GRACE_MS - pawl_link_now_ms();
    int64_t *timeout_ms = &frame.request.request.timeout_ms;
    if (left_ms < *timeout_ms) *timeout_ms = left_ms > 0 ? left_ms : 0;
    pawl_err err = pawl_link_send(client->link, &frame);
    if (err != PAWL_OK) {
        call_finish(call, err, make_message(client, call, pawl_err_text(err)));
        return;
    }
    call->sent = true;
    call->sent_ever = true;
}

/* False: the client ends. */
static bool send_calls(struct pawl_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool ending = client->ending;
    struct pawl_list *following;
    for (struct pawl_list *link = client->calls.next; link != &client->calls; link = following) {
        following = link->next;
        struct call *call = next_of(client, link);
        if (ending) {
            call_finish(call, PAWL_E_CANCELLED,
                        make_message(client, call, "the client is being freed"));
        } else if (!call->sent && pawl_link_is_up(client->link)) {
            call_send(client, call);
        }
    }
    pthread_mutex_unlock(&client->lock);
    return !ending;
}

static void *client_main(void *argument)
{
    struct pawl_client *client = argument;
    for (;;) {
        int64_t timeout_ms = pawl_link_step(client->link);
        if (!send_calls(client)) return NULL;
        pawl_link_flush(client->link);
        pawl_link_wait(client->link, timeout_ms);
    }
}

/* Life -------------------------------------------------------------------------------------- */

static pawl_err start_thread(struct pawl_client *client)
{
    pawl_err err = pawl_thread_start(&client->thread, client_main, client);
    client->has_thread = err == PAWL_OK;
    return err;
}

static pawl_err set_target_app(struct pawl_client *client, const char *app)
{
    if (!app) return PAWL_OK;
    if (!pawl_app_id_is_valid(pawl_bytes_str(app))) return PAWL_E_INVALID;
    (void)snprintf(client->target_app, sizeof client->target_app, "%s", app);
    return PAWL_OK;
}

pawl_err pawl_client_new(const struct pawl_client_options *options, struct pawl_client **ret_client)
{
    static const struct pawl_client_options defaults;
    if (!options) options = &defaults;
    if (options->timeout_ms < 0) return PAWL_E_INVALID;
    struct pawl_allocator allocator = pawl_allocator_choose(options->allocator);
    struct pawl_client *client = allocator.alloc(allocator.context, sizeof *client);
    if (!client) return PAWL_E_NOMEM;

    *client = (struct pawl_client){ .allocator = allocator };
    client->timeout_ms = options->timeout_ms ? options->timeout_ms : 30000;
    pawl_list_init(&client->calls);
    pthread_mutex_init(&client->lock, NULL);
    pawl_err err = pawl_settings_init(&client->settings, &client->allocator, options->endpoint,
                                      options->app_id, options->token);
    if (err == PAWL_OK) err = set_target_app(client, options->target_app);
    if (err == PAWL_OK) {
        client->hello = (struct pawl_hello){ .protocol_version = PAWL_PROTOCOL_VERSION,
                                             .app_id = pawl_bytes_str(client->settings.app_id),
                                             .token = pawl_bytes_str(client->settings.token),
                                             .worker = pawl_bytes_str(client->settings.worker) };
        struct pawl_link_config config = { .allocator = &client->allocator,
                                           .endpoint = client->settings.endpoint,
                                           .hello = &client->hello,
                                           .context = client,
                                           .on_up = on_up,
                                           .on_frame = on_frame,
                                           .on_down = on_down };
        err = pawl_link_new(&config, &client->link);
    }
    if (err == PAWL_OK) err = start_thread(client);
    if (err != PAWL_OK) {
        pawl_client_free(client);
        return err;
    }
    *ret_client = client;
    return PAWL_OK;
}

void pawl_client_free(struct pawl_client *client)
{
    if (!client) return;
    PAWL_ASSERT(client->cancels == 0); /* pawl_watch_free comes before */
    if (client->has_thread) {
        pthread_mutex_lock(&client->lock);
        client->ending = true;
        pthread_mutex_unlock(&client->lock);
        pawl_link_wake(client->link);
        pthread_join(client->thread, NULL);
    }
    pawl_link_free(client->link);
    pthread_mutex_destroy(&client->lock);
    pawl_settings_deinit(&client->settings, &client->allocator);
    struct pawl_allocator allocator = client->allocator;
    allocator.free(allocator.context, client);
}

/* Calls ---------------------------------------------------------------------------------------- */

static struct timespec time_of(int64_t ms)
{
    return (struct timespec){ .tv_sec = (time_t)(ms / 1000),
                              .tv_nsec = (long)(ms % 1000) * 1000000 };
}

/* Under the lock: until then, or until `*done`, which comes with `changed`. */
static void sleep_until(struct pawl_client *client, pthread_cond_t *changed, const bool *done,
                        int64_t deadline_ms)
{
    struct timespec until = time_of(deadline_ms);
    int result = 0;
    while (!*done && result == 0) result = pthread_cond_timedwait(changed, &client->lock, &until);
    PAWL_ASSERT(result == 0 || result == ETIMEDOUT);
}

static void give_up_waiting(struct pawl_client *client, struct call *call)
{
    char message[512];
    if (call->sent_ever) {
        (void)snprintf(message, sizeof message, "the sidecar at %s did not answer in time",
                       client->settings.endpoint);
    } else {
        (void)snprintf(message, sizeof message, "no connection to the sidecar at %s%s%s",
                       client->settings.endpoint, client->why_down[0] ? ": " : "",
                       client->why_down);
    }
    call_finish(call, call->sent_ever ? PAWL_E_TIMEOUT : PAWL_E_UNAVAILABLE,
                make_message(client, call, message));
}

/* The local check, so that a bad argument is told even without a sidecar. */
static pawl_err check(const struct pawl_client *client, struct call *call)
{
    struct pawl_arena arena;
    struct pawl_bytes message = PAWL_BYTES_ABSENT;
    if (call->request.op == PAWL_REQUEST_IMPORT) return PAWL_OK; /* the sidecar reads the file */
    pawl_arena_init(&arena);
    pawl_err err = pawl_request_check(&call->request, &arena, &message);
    if (err != PAWL_OK && call->wants_result) {
        call->result = pawl_result_from_message(&client->allocator, &call->request, message);
    }
    pawl_arena_deinit(&arena);
    return err;
}

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void call_init(struct call *call, const struct pawl_request *request, bool wants_result,
                      int64_t timeout_ms)
{
    *call = (struct call){ .request = *request, .wants_result = wants_result };
    call->deadline_ms = pawl_link_now_ms() + timeout_ms;
    cond_init(&call->changed);
}

static pawl_err call_run(struct pawl_client *client, struct call *call)
{
    if (client->target_app[0]) call->request.app = pawl_bytes_str(client->target_app);
    pawl_err err = check(client, call);
    if (err == PAWL_OK) {
        pthread_mutex_lock(&client->lock);
        call->token = ++client->tokens;
        pawl_list_push_tail(&client->calls, &call->link);
        if (call->cancel && call->cancel->is_set) call_finish(call, PAWL_E_CANCELLED, NULL);
        pawl_link_wake(client->link);
        sleep_until(client, &call->changed, &call->done, call->deadline_ms);
        if (!call->done) give_up_waiting(client, call);
        err = call->err;
        pthread_mutex_unlock(&client->lock);
    }
    pthread_cond_destroy(&call->changed);
    return err;
}

/* Cancelling ------------------------------------------------------------------------------- */

void pawl_cancel_init(struct pawl_client *client, struct pawl_cancel *cancel)
{
    cancel->is_set = false;
    cond_init(&cancel->changed);
    pthread_mutex_lock(&client->lock);
    client->cancels++;
    pthread_mutex_unlock(&client->lock);
}

void pawl_cancel_deinit(struct pawl_client *client, struct pawl_cancel *cancel)
{
    pthread_cond_destroy(&cancel->changed);
    pthread_mutex_lock(&client->lock);
    client->cancels--;
    pthread_mutex_unlock(&client->lock);
}

void pawl_client_cancel(struct pawl_client *client, struct pawl_cancel *cancel)
{
    pthread_mutex_lock(&client->lock);
    cancel->is_set = true;
    pthread_cond_signal(&cancel->changed);
    struct pawl_list *following;
    for (struct pawl_list *link = client->calls.next; link != &client->calls; link = following) {
        following = link->next;
        struct call *call = next_of(client, link);
        if (call->cancel == cancel) call_finish(call, PAWL_E_CANCELLED, NULL);
    }
    pthread_mutex_unlock(&client->lock);
}

bool pawl_client_is_cancelled(struct pawl_client *client, const struct pawl_cancel *cancel)
{
    pthread_mutex_lock(&client->lock);
    bool is_set = cancel->is_set;
    pthread_mutex_unlock(&client->lock);
    return is_set;
}

bool pawl_client_rest(struct pawl_client *client, struct pawl_cancel *cancel, int64_t ms)
{
    pthread_mutex_lock(&client->lock);
    sleep_until(client, &cancel->changed, &cancel->is_set, pawl_link_now_ms() + ms);
    bool is_set = cancel->is_set;
    pthread_mutex_unlock(&client->lock);
    return !is_set;
}

pawl_err pawl_client_ask_until(struct pawl_client *client, const struct pawl_request *request,
                               struct pawl_cancel *cancel, struct pawl_result **ret_result)
{
    int64_t wait_ms = request->timeout_ms;
    struct call call;
    call_init(&call, request, true, wait_ms > 0 ? wait_ms + WAIT_GRACE_MS : client->timeout_ms);
    call.cancel = cancel;
    pawl_err err = call_run(client, &call);
    *ret_result = call.result;
    return err;
}

const struct pawl_allocator *pawl_client_allocator(const struct pawl_client *client)
{
    return &client->allocator;
}

/* Requests --------------------------------------------------------------------------------- */

pawl_err pawl_client_ask(struct pawl_client *client, const struct pawl_request *request,
                         struct pawl_result **ret_result)
{
    struct call call;
    call_init(&call, request, ret_result != NULL, client->timeout_ms);
    pawl_err err = call_run(client, &call);
    if (ret_result) *ret_result = call.result;
    return err;
}

void pawl_client_random_text(char text[PAWL_ID_TEXT_SIZE])
{
    struct pawl_id id;
    ssize_t size = getrandom(&id, sizeof id, 0); /* never short for so few bytes */
    PAWL_ASSERT(size == (ssize_t)sizeof id);
    pawl_id_format(id, text);
}

pawl_err pawl_client_refuse(struct pawl_client *client, const char *why,
                            struct pawl_result **ret_result)
{
    struct pawl_request request = { .op = PAWL_REQUEST_LIST };
    if (ret_result)
        *ret_result = pawl_result_from_message(&client->allocator, &request, pawl_bytes_str(why));
    return PAWL_E_INVALID;
}

pawl_err pawl_client_start(struct pawl_client *client, const struct pawl_start *start,
                           struct pawl_result **ret_result)
{
    static const enum pawl_reuse reuses[] = { [PAWL_ID_REUSE_ENDED] = PAWL_REUSE_TERMINAL,
                                              [PAWL_ID_REUSE_NEVER] = PAWL_REUSE_REFUSE,
                                              [PAWL_ID_REUSE_RETURN] = PAWL_REUSE_RETURN,
                                              [PAWL_ID_REUSE_TERMINATE] = PAWL_REUSE_TERMINATE };
    if ((unsigned int)start->reuse > PAWL_ID_REUSE_TERMINATE)
        return pawl_client_refuse(client, "reuse: none of enum pawl_id_reuse", ret_result);
    char id[PAWL_ID_TEXT_SIZE], request_id[PAWL_ID_TEXT_SIZE];
    pawl_client_random_text(id);
    pawl_client_random_text(request_id);
    struct pawl_request request = {
        .op = PAWL_REQUEST_START,
        .instance = pawl_bytes_str(start->id ? start->id : id),
        .request_id = pawl_bytes_str(start->request_id ? start->request_id : request_id),
        .name = pawl_bytes_str(start->name),
        .version = pawl_bytes_str(start->version),
        .payload = start->input,
        .start_at_ms = start->start_at_ms,
        .reuse = reuses[start->reuse],
        .event_name = pawl_bytes_str(start->event_name),
        .event_data = start->event_payload,
    };
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    const char *wrong =
        pawl_instance_tags_pack(&arena, start->tags_count, start->tags, &request.tags);
    pawl_err err = wrong ? pawl_client_refuse(client, wrong, ret_result)
                         : pawl_client_ask(client, &request, ret_result);
    pawl_arena_deinit(&arena);
    return err;
}

pawl_err pawl_client_get(struct pawl_client *client, const char *id,
                         struct pawl_result **ret_result)
{
    struct pawl_request request = { .op = PAWL_REQUEST_GET,
                                    .instance = pawl_bytes_str(id),
                                    .with_payloads = true };
    return pawl_client_ask(client, &request, ret_result);
}

/* One request is at most an hour; longer waits are several. */
pawl_err pawl_client_wait(struct pawl_client *client, const char *id, enum pawl_wait_until until,
                          int64_t timeout_ms, struct pawl_result **ret_result)
{
    if (timeout_ms < 0) timeout_ms = 0;
    if (timeout_ms > INT64_MAX / 4) timeout_ms = INT64_MAX / 4;
    int64_t end_ms = pawl_link_now_ms() + timeout_ms;
    for (;;) {
        int64_t left_ms = end_ms - pawl_link_now_ms();
        if (left_ms < 0) left_ms = 0;
        if (left_ms > PAWL_WAIT_MS_MAX) left_ms = PAWL_WAIT_MS_MAX;
        struct pawl_request request = {
            .op = PAWL_REQUEST_WAIT,
            .instance = pawl_bytes_str(id),
            .wait_for = until == PAWL_FOR_START ? PAWL_WAIT_STARTED : PAWL_WAIT_COMPLETED,
            .timeout_ms = left_ms,
            .with_payloads = true,
        };
        struct call call;
        call_init(&call, &request, ret_result != NULL, left_ms + WAIT_GRACE_MS);
        pawl_err err = call_run(client, &call);
        bool is_over = err != PAWL_OK || call.reached || pawl_link_now_ms() >= end_ms;
        if (is_over) {
            if (ret_result) *ret_result = call.result;
            return err == PAWL_OK && !call.reached ? PAWL_E_TIMEOUT : err;
        }
        pawl_result_free(call.result);
    }
}

pawl_err pawl_client_raise_event(struct pawl_client *client, const char *id, const char *name,
                                 struct pawl_bytes payload, const char *request_id,
                                 struct pawl_result **ret_result)
{
    char random[PAWL_ID_TEXT_SIZE];
    pawl_client_random_text(random);
    struct pawl_request request = { .op = PAWL_REQUEST_RAISE,
                                    .instance = pawl_bytes_str(id),
                                    .name = pawl_bytes_str(name),
                                    .payload = payload,
                                    .request_id =
                                        pawl_bytes_str(request_id ? request_id : random) };
    return pawl_client_ask(client, &request, ret_result);
}

pawl_err pawl_client_suspend(struct pawl_client *client, const char *id, const char *reason,
                             struct pawl_result **ret_result)
{
    struct pawl_request request = { .op = PAWL_REQUEST_SUSPEND,
                                    .instance = pawl_bytes_str(id),
                                    .payload = pawl_bytes_str(reason) };
    return pawl_client_ask(client, &request, ret_result);
}

pawl_err pawl_client_resume(struct pawl_client *client, const char *id, const char *reason,
                            struct pawl_result **ret_result)
{
    struct pawl_request request = { .op = PAWL_REQUEST_RESUME,
                                    .instance = pawl_bytes_str(id),
                                    .payload = pawl_bytes_str(reason) };
    return pawl_client_ask(client, &request, ret_result);
}

pawl_err pawl_client_terminate(struct pawl_client *client, const char *id, struct pawl_bytes output,
                               bool recursive, struct pawl_result **ret_result)
{
    struct pawl_request request = { .op = PAWL_REQUEST_TERMINATE,
                                    .instance = pawl_bytes_str(id),
                                    .payload = output,
                                    .recursive = recursive };
    return pawl_client_ask(client, &request, ret_result);
}

pawl_err pawl_client_purge(struct pawl_client *client, const char *id, bool recursive, bool force,
                           struct pawl_result **ret_result)
{
    struct pawl_request request = { .op = PAWL_REQUEST_PURGE,
                                    .instance = pawl_bytes_str(id),
                                    .recursive = recursive,
                                    .force = force };
    return pawl_client_ask(client, &request, ret_result);
}

static pawl_err ask_filtered(struct pawl_client *client, struct pawl_request request,
                             const struct pawl_list_query *query, struct pawl_result **ret_result)
{
    static const struct pawl_list_query everything;
    if (!query) query = &everything;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    request.status_mask = query->status_mask;
    request.name = pawl_bytes_str(query->name);
    request.prefix = pawl_bytes_str(query->id_prefix);
    request.created_from_ms = query->created_from_ms;
    request.created_to_ms = query->created_to_ms;
    request.completed_from_ms = query->completed_from_ms;
    request.completed_to_ms = query->completed_to_ms;
    request.updated_from_ms = query->updated_from_ms;
    request.updated_to_ms = query->updated_to_ms;
    request.order = (enum pawl_list_order)query->order;
    request.limit = query->limit;
    request.cursor = pawl_bytes_str(query->cursor);
    const char *wrong =
        pawl_instance_tags_pack(&arena, query->tags_count, query->tags, &request.tags);
    pawl_err err = wrong ? pawl_client_refuse(client, wrong, ret_result)
                         : pawl_client_ask(client, &request, ret_result);
    pawl_arena_deinit(&arena);
    return err;
}

pawl_err pawl_client_list(struct pawl_client *client, const struct pawl_list_query *query,
                          struct pawl_result **ret_result)
{
    return ask_filtered(client, (struct pawl_request){ .op = PAWL_REQUEST_LIST }, query,
                        ret_result);
}

pawl_err pawl_client_count(struct pawl_client *client, const struct pawl_list_query *query,
                           struct pawl_result **ret_result)
{
    return ask_filtered(client, (struct pawl_request){ .op = PAWL_REQUEST_COUNT }, query,
                        ret_result);
}

pawl_err pawl_client_batch(struct pawl_client *client, const struct pawl_batch_request *batch,
                           struct pawl_result **ret_result)
{
    static const enum pawl_request_op ops[] = { [PAWL_BATCH_TERMINATE] = PAWL_REQUEST_TERMINATE,
                                                [PAWL_BATCH_SUSPEND] = PAWL_REQUEST_SUSPEND,
                                                [PAWL_BATCH_RESUME] = PAWL_REQUEST_RESUME,
                                                [PAWL_BATCH_PURGE] = PAWL_REQUEST_PURGE,
                                                [PAWL_BATCH_RAISE_EVENT] = PAWL_REQUEST_RAISE };
    if (batch->action < PAWL_BATCH_TERMINATE || batch->action > PAWL_BATCH_RAISE_EVENT)
        return pawl_client_refuse(client, "action: none of enum pawl_batch_action", ret_result);
    bool is_raise = batch->action == PAWL_BATCH_RAISE_EVENT;
    char random[PAWL_ID_TEXT_SIZE];
    pawl_client_random_text(random);
    struct pawl_request request = {
        .op = PAWL_REQUEST_BATCH,
        .batch_op = ops[batch->action],
        .all = batch->all,
        .recursive = batch->recursive,
        .force = batch->force,
        .request_id = pawl_bytes_str(batch->request_id ? batch->request_id : random),
        .event_name = pawl_bytes_str(batch->event_name),
        .event_data = is_raise ? batch->payload : PAWL_BYTES_ABSENT,
        .payload = is_raise ? PAWL_BYTES_ABSENT : batch->payload,
    };
    return ask_filtered(client, request, &batch->query, ret_result);
}

pawl_err pawl_client_history(struct pawl_client *client, const char *id, uint32_t from,
                             uint32_t limit, struct pawl_result **ret_result)
{
    struct pawl_request request = {
        .op = PAWL_REQUEST_HISTORY, .instance = pawl_bytes_str(id), .from = from, .limit = limit
    };
    return pawl_client_ask(client, &request, ret_result);
}

pawl_err pawl_client_rerun(struct pawl_client *client, const char *id, const char *new_id,
                           struct pawl_bytes input, struct pawl_result **ret_result)
{
    char random[PAWL_ID_TEXT_SIZE];
    pawl_client_random_text(random);
    struct pawl_request request = { .op = PAWL_REQUEST_RERUN,
                                    .instance = pawl_bytes_str(id),
                                    .new_instance = pawl_bytes_str(new_id ? new_id : random),
                                    .payload = input };
    return pawl_client_ask(client, &request, ret_result);
}

pawl_err pawl_client_rerun_from(struct pawl_client *client, const char *id,
                                const struct pawl_rerun *rerun, struct pawl_result **ret_result)
{
    char random[PAWL_ID_TEXT_SIZE];
    pawl_client_random_text(random);
    struct pawl_request request = { .op = PAWL_REQUEST_RERUN,
                                    .instance = pawl_bytes_str(id),
                                    .new_instance =
                                        pawl_bytes_str(rerun->new_id ? rerun->new_id : random),
                                    .payload = rerun->input,
                                    .has_event = true,
                                    .event_id = rerun->event_id,
                                    .overwrite = rerun->overwrite_input,
                                    .new_child = pawl_bytes_str(rerun->new_child_id) };
    return pawl_client_ask(client, &request, ret_result);
}

pawl_err pawl_client_restart(struct pawl_client *client, const char *id, const char *new_id,
                             struct pawl_result **ret_result)
{
    char random[PAWL_ID_TEXT_SIZE];
    pawl_client_random_text(random);
    struct pawl_request request = { .op = PAWL_REQUEST_RESTART,
                                    .instance = pawl_bytes_str(id),
                                    .new_instance = pawl_bytes_str(new_id),
                                    .request_id = pawl_bytes_str(random) };
    return pawl_client_ask(client, &request, ret_result);
}

pawl_err pawl_client_rewind(struct pawl_client *client, const char *id, const char *reason,
                            struct pawl_result **ret_result)
{
    char random[PAWL_ID_TEXT_SIZE];
    pawl_client_random_text(random);
    struct pawl_request request = { .op = PAWL_REQUEST_REWIND,
                                    .instance = pawl_bytes_str(id),
                                    .payload = pawl_bytes_str(reason),
                                    .request_id = pawl_bytes_str(random) };
    return pawl_client_ask(client, &request, ret_result);
}

pawl_err pawl_client_import(struct pawl_client *client, struct pawl_bytes json, const char *new_id,
                            const char *request_id, struct pawl_result **ret_result)
{
    char random[PAWL_ID_TEXT_SIZE];
    if (json.size == 0)
        return pawl_client_refuse(client, "json is empty: nothing to import", ret_result);
    if (json.size > PAWL_IMPORT_SIZE_MAX) {
        char why[100];
        (void)snprintf(why, sizeof why, "json is larger than %u MiB, the most that can be imported",
                       PAWL_IMPORT_SIZE_MAX >> 20);
        (void)pawl_client_refuse(client, why, ret_result);
        return PAWL_E_TOO_LARGE;
    }
    pawl_client_random_text(random);
    struct pawl_request request = { .op = PAWL_REQUEST_IMPORT,
                                    .instance = pawl_bytes_str(new_id),
                                    .payload = json,
                                    .request_id =
                                        pawl_bytes_str(request_id ? request_id : random) };
    return pawl_client_ask(client, &request, ret_result);
}
