/* Worker against a sidecar that the test plays: what is said on the stream, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include <pthread.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "fake_sidecar.h"
#include "pawl/pawl.h"

struct fixture {
    struct fake_sidecar fake;
    struct pawl_worker *worker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int running; /* activities that are inside `held` */
    int beats;   /* that `reporting` has made */
    bool released;
    atomic_bool no_memory; /* the worker's allocator has nothing left */
};

static struct fixture *fixture;

static void quiet(void *context, enum pawl_level level, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
}

static void *alloc(void *context, size_t size)
{
    struct fixture *owner = context;
    return atomic_load(&owner->no_memory) ? NULL : malloc(size);
}

static void release(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static pawl_err echo(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    assert_string_equal(pawl_activity_name(ctx), "echo");
    return pawl_activity_return(ctx, input);
}

static pawl_err fails(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    struct pawl_failure failure = {
        .type = "Broken", .message = "no use", .details = pawl_text("more"), .non_retriable = true
    };
    return pawl_activity_fail_with(ctx, &failure);
}

static pawl_err returns_an_error(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    (void)ctx;
    (void)input;
    return PAWL_E_BUSY;
}

/* Stays inside until the test lets it go. */
static pawl_err held(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    pthread_mutex_lock(&fixture->lock);
    fixture->running++;
    while (!fixture->released) pthread_cond_wait(&fixture->changed, &fixture->lock);
    pthread_mutex_unlock(&fixture->lock);
    return pawl_activity_return(ctx, input);
}

/* Reports its progress until it is told to stop; fails then, with one more to tell. */
static pawl_err reporting(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char before[32], text[32];
    (void)input;
    (void)snprintf(before, sizeof before, "after '%.*s'",
                   PAWL_BYTES_FMT(pawl_activity_last_progress(ctx)));
    bool released = false;
    while (!released) {
        pthread_mutex_lock(&fixture->lock);
        released = fixture->released;
        (void)snprintf(text, sizeof text, "%d", ++fixture->beats);
        pthread_mutex_unlock(&fixture->lock);
        pawl_err err = pawl_activity_heartbeat(ctx, pawl_text(text));
        if (err == PAWL_E_CANCELLED && pawl_activity_is_cancelled(ctx))
            return pawl_activity_fail(ctx, "Stopped", "%s", before);
        if (err != PAWL_OK) return err;
    }
    assert_int_equal(pawl_activity_heartbeat(ctx, pawl_text("the last")), PAWL_OK);
    return pawl_activity_fail(ctx, "Tired", "%s", before);
}

/* The stream only moves while somebody serves it. */
static void wait_for_running(int count)
{
    int running = 0;
    while (running < count) {
        fake_serve(&fixture->fake, 10);
        pthread_mutex_lock(&fixture->lock);
        running = fixture->running;
        pthread_mutex_unlock(&fixture->lock);
    }
}

static void release_held(void)
{
    pthread_mutex_lock(&fixture->lock);
    fixture->released = true;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static pawl_err calls_echo(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_bytes output;
    pawl_err err = pawl_call_activity(ctx, "echo", input, NULL, &output);
    return err ? err : pawl_return(ctx, output);
}

static pawl_err says_which(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    return pawl_return(ctx, pawl_text(pawl_workflow_user(ctx)));
}

static void add_activity(const char *name, pawl_activity_fn *run)
{
    struct pawl_activity_def def = { .name = name, .run = run };
    assert_int_equal(pawl_worker_add_activity(fixture->worker, &def), PAWL_OK);
}

static int setup(void **state)
{
    fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    fake_open(&fixture->fake);
    struct pawl_worker_options options = { .endpoint = fixture->fake.url,
                                           .app_id = "shop",
                                           .token = "secret",
                                           .turns_max = 10,
                                           .activities_max = 8,
                                           .activity_threads = 2,
                                           .allocator = { fixture, alloc, release },
                                           .log = quiet };
    assert_int_equal(pawl_worker_new(&options, &fixture->worker), PAWL_OK);
    static char first_version[] = "the first version";
    struct pawl_workflow_def def = {
        .name = "wf", .version = "v1", .run = says_which, .user = first_version
    };
    assert_int_equal(pawl_worker_add_workflow(fixture->worker, &def), PAWL_OK);
    assert_int_equal(pawl_worker_add_workflow(fixture->worker, &def), PAWL_E_EXISTS);
    def = (struct pawl_workflow_def){ .name = "wf", .run = calls_echo };
    assert_int_equal(pawl_worker_add_workflow(fixture->worker, &def), PAWL_OK);
    def.name = "";
    assert_int_equal(pawl_worker_add_workflow(fixture->worker, &def), PAWL_E_INVALID);
    add_activity("echo", echo);
    add_activity("fails", fails);
    add_activity("busy", returns_an_error);
    add_activity("held", held);
    add_activity("reporting", reporting);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    release_held();
    pawl_worker_free(fixture->worker);
    fake_close(&fixture->fake);
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->lock);
    free(fixture);
    return 0;
}

static const struct pawl_hello *start(void)
{
    assert_int_equal(pawl_worker_start(fixture->worker), PAWL_OK);
    return &fake_expect(&fixture->fake, PAWL_FRAME_HELLO)->hello;
}

static struct pawl_id make_id(const char *text)
{
    return pawl_hash_id(pawl_bytes_str(text), PAWL_BYTES_LITERAL(""));
}

static void send_activity(const char *name, const char *token)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ACTIVITY };
    frame.activity = (struct pawl_activity_item){ .token = make_id(token),
                                                  .instance = PAWL_BYTES_LITERAL("i-1"),
                                                  .task_execution = make_id("execution"),
                                                  .attempt = 1,
                                                  .name = pawl_bytes_str(name),
                                                  .payload = PAWL_BYTES_LITERAL("in") };
    fake_send(&fixture->fake, &frame);
}

static const struct pawl_activity_done *expect_done(const char *token)
{
    const struct pawl_activity_done *done =
        &fake_expect(&fixture->fake, PAWL_FRAME_ACTIVITY_DONE)->activity_done;
    assert_true(pawl_id_is_equal(done->token, make_id(token)));
    return done;
}

static struct pawl_bytes pack(enum pawl_event_kind kind, int32_t ref, const char *payload)
{
    struct pawl_history_event event = pawl_history_event_make(kind, 1000);
    event.ref = ref;
    event.payload = pawl_bytes_str(payload);
    if (kind == PAWL_EVENT_EXECUTION_STARTED) event.name = PAWL_BYTES_LITERAL("wf");
    return pawl_history_event_pack(&fixture->fake.arena, &event);
}

static const char *turn_version; /* of the turns that are sent; NULL: none */

static void send_turn(const char *name, const char *turn, const char *base,
                      struct pawl_bytes *events, uint32_t count)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_TURN };
    frame.turn = (struct pawl_turn){ .turn = make_id(turn),
                                     .inc = make_id("inc"),
                                     .gen = 1,
                                     .instance = PAWL_BYTES_LITERAL("i-1"),
                                     .name = pawl_bytes_str(name),
                                     .version = pawl_bytes_str(turn_version),
                                     .events_count = count,
                                     .events = events };
    if (base) frame.turn.base = make_id(base);
    fake_send(&fixture->fake, &frame);
}

static void send_first_turn(const char *name, const char *turn)
{
    struct pawl_bytes events[] = { pack(PAWL_EVENT_WORKFLOW_STARTED, -1, NULL),
                                   pack(PAWL_EVENT_EXECUTION_STARTED, -1, "hello") };
    send_turn(name, turn, NULL, events, 2);
}

static void send_second_turn(const char *turn, const char *base)
{
    struct pawl_bytes events[] = { pack(PAWL_EVENT_WORKFLOW_STARTED, -1, NULL),
                                   pack(PAWL_EVENT_TASK_COMPLETED, 0, "bye") };
    send_turn("wf", turn, base, events, 2);
}

static void send_limited(const char *name, const char *token, int64_t heartbeat_ms)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ACTIVITY };
    frame.activity = (struct pawl_activity_item){ .token = make_id(token),
                                                  .instance = PAWL_BYTES_LITERAL("i-1"),
                                                  .task_execution = make_id("execution"),
                                                  .attempt = 1,
                                                  .name = pawl_bytes_str(name),
                                                  .takes_heartbeats = true,
                                                  .heartbeat_ms = heartbeat_ms,
                                                  .progress = PAWL_BYTES_LITERAL("4/9") };
    fake_send(&fixture->fake, &frame);
}

static void send_cancel(const char *token)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ACTIVITY_CANCEL };
    frame.activity_cancel = make_id(token);
    fake_send(&fixture->fake, &frame);
}

static const struct pawl_activity_beat *expect_beat(const char *token)
{
    const struct pawl_activity_beat *beat =
        &fake_expect(&fixture->fake, PAWL_FRAME_ACTIVITY_HEARTBEAT)->activity_beat;
    assert_true(pawl_id_is_equal(beat->token, make_id(token)));
    return beat;
}

static const struct pawl_frame *next_frame(void)
{
    while (fixture->fake.frames_first == fixture->fake.frames_count) fake_serve(&fixture->fake, 10);
    return &fixture->fake.frames[fixture->fake.frames_first++];
}

static void wait_for_beats(int count)
{
    int beats = 0;
    while (beats < count) {
        fake_serve(&fixture->fake, 1);
        pthread_mutex_lock(&fixture->lock);
        beats = fixture->beats;
        pthread_mutex_unlock(&fixture->lock);
    }
}

/* ------------------------------------------------------------------------------------- */

static void an_activity_with_a_limit_says_when_a_thread_takes_it_up(void **state)
{
    (void)state;
    (void)start();
    send_limited("held", "a1", 60000);
    send_limited("held", "a2", 60000);
    send_limited("held", "a3", 60000); /* waits for one of two threads */
    wait_for_running(2);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_ACTIVITY_HEARTBEAT);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_ACTIVITY_HEARTBEAT);
    fake_expect_nothing(&fixture->fake);
    release_held();
    uint32_t beats_count = 0;
    for (uint32_t done_count = 0; done_count < 3;) {
        if (next_frame()->type == PAWL_FRAME_ACTIVITY_DONE)
            done_count++;
        else
            beats_count++;
    }
    assert_true(beats_count <= 1); /* its end may come first */
}

static void heartbeats_are_sent_at_a_bounded_rate_and_the_newest_before_a_failure(void **state)
{
    (void)state;
    (void)start();
    send_limited("reporting", "a1", 60000);
    wait_for_beats(1000);
    release_held();
    uint32_t count = 0;
    const struct pawl_frame *frame;
    struct pawl_bytes last = PAWL_BYTES_ABSENT;
    while ((frame = next_frame())->type == PAWL_FRAME_ACTIVITY_HEARTBEAT) {
        count++;
        last = frame->activity_beat.progress;
    }
    /* The end, few before it, and the beginning unless the end has overtaken it. */
    assert_true(count >= 1 && count < 100);
    assert_true(pawl_bytes_is_str(last, "the last"));
    assert_int_equal(frame->type, PAWL_FRAME_ACTIVITY_DONE);
    assert_true(pawl_bytes_is_str(frame->activity_done.failure.message, "after '4/9'"));
}

static void heartbeats_go_on_while_the_function_makes_them(void **state)
{
    (void)state;
    (void)start();
    send_limited("reporting", "a1", 40);
    struct pawl_bytes before = PAWL_BYTES_ABSENT;
    for (int i = 0; i < 5; i++) {
        struct pawl_bytes progress = expect_beat("a1")->progress;
        assert_true(i == 0 || !pawl_bytes_is_equal(progress, before));
        before = progress;
    }
    release_held();
    while (next_frame()->type != PAWL_FRAME_ACTIVITY_DONE) {
    }
}

static void a_cancelled_activity_hears_of_it(void **state)
{
    (void)state;
    (void)start();
    send_limited("reporting", "a1", 400);
    (void)expect_beat("a1");
    send_cancel("nobody's");
    send_cancel("a1");
    const struct pawl_frame *frame;
    while ((frame = next_frame())->type == PAWL_FRAME_ACTIVITY_HEARTBEAT) {
    }
    assert_true(pawl_bytes_is_str(frame->activity_done.failure.type, "Stopped"));
}

static void a_cancelled_activity_that_has_not_begun_never_does(void **state)
{
    (void)state;
    (void)start();
    send_activity("held", "a1");
    send_activity("held", "a2");
    wait_for_running(2);
    send_activity("held", "a3");
    send_cancel("a3");
    assert_true(pawl_bytes_is_str(expect_done("a3")->failure.type, "CANCELLED"));
    fake_until(&fixture->fake, &fixture->fake.activity_credit, 9); /* its place is free */
    release_held();
    (void)fake_expect(&fixture->fake, PAWL_FRAME_ACTIVITY_DONE);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_ACTIVITY_DONE);
    assert_int_equal(fixture->running, 2);
}

/* What it did is another's by now: it must not go on for hours. */
static void an_activity_of_a_lost_connection_is_cancelled(void **state)
{
    (void)state;
    (void)start();
    send_limited("reporting", "a1", 400);
    (void)expect_beat("a1");
    fake_drop(&fixture->fake);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    fake_until(&fixture->fake, &fixture->fake.activity_credit, 8); /* it has come back */
}

/* Of an older sidecar: it would take a heartbeat for a mistake. */
static void no_heartbeat_goes_to_a_sidecar_that_does_not_know_them(void **state)
{
    (void)state;
    (void)start();
    send_activity("reporting", "a1");
    wait_for_beats(100);
    release_held();
    assert_true(pawl_bytes_is_str(expect_done("a1")->failure.type, "Tired"));
}

static void hello_names_the_app_and_all_functions(void **state)
{
    (void)state;
    const struct pawl_hello *hello = start();
    assert_int_equal(hello->protocol_version, PAWL_PROTOCOL_VERSION);
    assert_true(pawl_bytes_is_str(hello->app_id, "shop"));
    assert_true(pawl_bytes_is_str(hello->token, "secret"));
    assert_int_equal(hello->workflows_count, 2);
    assert_true(pawl_bytes_is_str(hello->workflows[0].version, "v1"));
    assert_true(pawl_bytes_is_absent(hello->workflows[1].version));
    assert_int_equal(hello->activities_count, 5);
    assert_int_equal(hello->minor, PAWL_PROTOCOL_MINOR);
    struct pawl_workflow_def late = { .name = "late", .run = calls_echo };
    assert_int_equal(pawl_worker_add_workflow(fixture->worker, &late), PAWL_E_STATE);
}

static void credit_is_granted_at_first_and_again_for_each_item(void **state)
{
    (void)state;
    (void)start();
    fake_until(&fixture->fake, &fixture->fake.turn_credit, 10);
    fake_until(&fixture->fake, &fixture->fake.activity_credit, 8);
    assert_int_equal(fixture->fake.turn_credit, 10);
    assert_int_equal(fixture->fake.activity_credit, 8);
    assert_true(pawl_worker_is_connected(fixture->worker));
    send_first_turn("wf", "t1");
    send_activity("echo", "a1");
    send_activity("unknown", "a2");
    fake_until(&fixture->fake, &fixture->fake.turn_credit, 11);
    fake_until(&fixture->fake, &fixture->fake.activity_credit, 10);
}

static void a_turn_is_run_and_the_next_goes_on_from_it(void **state)
{
    (void)state;
    (void)start();
    send_first_turn("wf", "t1");
    const struct pawl_turn_done *done =
        &fake_expect(&fixture->fake, PAWL_FRAME_TURN_DONE)->turn_done;
    assert_int_equal(done->err, PAWL_OK);
    assert_true(done->cached);
    assert_int_equal(done->actions_count, 1);
    assert_true(pawl_bytes_is_str(done->actions[0].payload, "hello"));
    send_second_turn("t2", "t1");
    done = &fake_expect(&fixture->fake, PAWL_FRAME_TURN_DONE)->turn_done;
    assert_int_equal(done->actions[0].kind, PAWL_ACTION_COMPLETE);
    assert_true(pawl_bytes_is_str(done->actions[0].payload, "bye"));
}

static void an_instance_that_is_not_held_needs_its_history(void **state)
{
    (void)state;
    (void)start();
    send_second_turn("t2", "t1");
    const struct pawl_need_history *need =
        &fake_expect(&fixture->fake, PAWL_FRAME_NEED_HISTORY)->need_history;
    assert_true(pawl_id_is_equal(need->turn, make_id("t2")));

    send_first_turn("wf", "t3");
    (void)fake_expect(&fixture->fake, PAWL_FRAME_TURN_DONE);
    struct pawl_frame evict = { .type = PAWL_FRAME_EVICT };
    evict.evict.instance = PAWL_BYTES_LITERAL("i-1");
    fake_send(&fixture->fake, &evict);
    send_second_turn("t4", "t3");
    (void)fake_expect(&fixture->fake, PAWL_FRAME_NEED_HISTORY);
}

static void an_unknown_workflow_is_refused_by_name(void **state)
{
    (void)state;
    (void)start();
    send_first_turn("nobody", "t1");
    const struct pawl_turn_done *done =
        &fake_expect(&fixture->fake, PAWL_FRAME_TURN_DONE)->turn_done;
    assert_int_equal(done->err, PAWL_E_NOT_REGISTERED);
    assert_non_null(memmem(done->message.data, done->message.size, "nobody", 6));
}

static void a_version_has_its_own_function_or_the_one_for_all(void **state)
{
    (void)state;
    (void)start();
    static const char *const versions[] = { "v1", "v2", NULL };
    for (size_t i = 0; i < 3; i++) {
        turn_version = versions[i];
        send_first_turn("wf", "t1");
        turn_version = NULL;
        const struct pawl_action *action =
            fake_expect(&fixture->fake, PAWL_FRAME_TURN_DONE)->turn_done.actions;
        bool own = i == 0;
        assert_int_equal(action->kind, own ? PAWL_ACTION_COMPLETE : PAWL_ACTION_ACTIVITY);
        assert_true(pawl_bytes_is_str(action->payload, own ? "the first version" : "hello"));
    }
}

static void a_ping_is_answered(void **state)
{
    (void)state;
    (void)start();
    struct pawl_frame ping = { .type = PAWL_FRAME_PING };
    fake_send(&fixture->fake, &ping);
    fake_until(&fixture->fake, &fixture->fake.pongs_count, 1);
}

static void activities_return_fail_and_refuse(void **state)
{
    (void)state;
    (void)start();
    send_activity("echo", "a1");
    const struct pawl_activity_done *done = expect_done("a1");
    assert_false(done->failure.present);
    assert_true(pawl_bytes_is_str(done->payload, "in"));

    send_activity("fails", "a2");
    done = expect_done("a2");
    assert_true(pawl_bytes_is_str(done->failure.type, "Broken"));
    assert_true(pawl_bytes_is_str(done->failure.message, "no use"));
    assert_true(pawl_bytes_is_str(done->failure.details, "more"));
    assert_true(done->failure.non_retriable);

    send_activity("busy", "a3");
    done = expect_done("a3");
    assert_true(pawl_bytes_is_str(done->failure.type, "BUSY"));
    assert_false(done->failure.non_retriable);

    send_activity("unknown", "a4");
    done = expect_done("a4");
    assert_true(pawl_bytes_is_str(done->failure.type, "NotRegistered"));
    assert_true(done->failure.non_retriable);
}

static void after_a_lost_connection_old_results_stay_at_home(void **state)
{
    (void)state;
    (void)start();
    send_activity("held", "old");
    wait_for_running(1);
    fake_drop(&fixture->fake);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    fake_until(&fixture->fake, &fixture->fake.activity_credit, 7);
    assert_int_equal(fixture->fake.activity_credit, 7); /* one place is still taken */
    release_held();
    fake_until(&fixture->fake, &fixture->fake.activity_credit, 8);
    send_activity("echo", "new");
    (void)expect_done("new");
    fake_expect_nothing(&fixture->fake);

    send_first_turn("wf", "t1");
    (void)fake_expect(&fixture->fake, PAWL_FRAME_TURN_DONE);
}

static void what_had_not_begun_is_dropped_with_its_connection(void **state)
{
    (void)state;
    (void)start();
    send_activity("held", "a1");
    send_activity("held", "a2");
    wait_for_running(2); /* both threads are taken */
    for (int i = 0; i < 4; i++) send_activity("held", "a3");
    send_first_turn("wf", "t1"); /* answered after all of them have arrived */
    (void)fake_expect(&fixture->fake, PAWL_FRAME_TURN_DONE);
    fake_drop(&fixture->fake);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    fake_until(&fixture->fake, &fixture->fake.activity_credit, 6);
    release_held();
    fake_until(&fixture->fake, &fixture->fake.activity_credit, 8);
    assert_int_equal(fixture->running, 2);
}

static void without_memory_all_work_goes_back_and_comes_again(void **state)
{
    (void)state;
    (void)start();
    atomic_store(&fixture->no_memory, true);
    send_first_turn("wf", "t1");
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    send_activity("echo", "a1");
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    atomic_store(&fixture->no_memory, false);
    send_activity("echo", "a2");
    (void)expect_done("a2");
    send_first_turn("wf", "t2");
    const struct pawl_turn_done *done =
        &fake_expect(&fixture->fake, PAWL_FRAME_TURN_DONE)->turn_done;
    assert_true(pawl_id_is_equal(done->turn, make_id("t2")));
    assert_int_equal(done->err, PAWL_OK);
}

static void stop_says_bye_and_finishes_what_is_under_way(void **state)
{
    (void)state;
    (void)start();
    send_activity("held", "a1");
    wait_for_running(1);
    pawl_worker_stop(fixture->worker);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_BYE);
    release_held();
    (void)expect_done("a1");
    assert_int_equal(pawl_worker_join(fixture->worker), PAWL_OK);
    assert_int_equal(pawl_worker_start(fixture->worker), PAWL_E_STATE);
}

static void a_refused_worker_ends_with_the_reason(void **state)
{
    (void)state;
    fixture->fake.answer_hello = false;
    (void)start();
    struct pawl_frame refused = { .type = PAWL_FRAME_REFUSED };
    refused.refused =
        (struct pawl_refused){ .err = PAWL_E_DENIED, .message = PAWL_BYTES_LITERAL("bad token") };
    fake_send(&fixture->fake, &refused);
    fake_until(&fixture->fake, &fixture->fake.closed_count, 1);
    assert_int_equal(pawl_worker_join(fixture->worker), PAWL_E_DENIED);
}

static void a_worker_that_never_connected_stops_at_once(void **state)
{
    (void)state;
    struct pawl_worker_options options = { .endpoint = "ipc:///nonexistent/pawl.sock",
                                           .log = quiet };
    struct pawl_worker *worker;
    assert_int_equal(pawl_worker_new(&options, &worker), PAWL_OK);
    pawl_worker_stop(worker);
    assert_int_equal(pawl_worker_run(worker), PAWL_OK);
    pawl_worker_free(worker);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    struct pawl_worker *worker = NULL;
    struct pawl_worker_options options = { .stack_size = 100 };
    assert_int_equal(pawl_worker_new(&options, &worker), PAWL_E_INVALID);
    options = (struct pawl_worker_options){ .app_id = "a\nb" };
    assert_int_equal(pawl_worker_new(&options, &worker), PAWL_E_INVALID);
    options = (struct pawl_worker_options){ .activity_threads = 100000 };
    assert_int_equal(pawl_worker_new(&options, &worker), PAWL_E_INVALID);
    assert_null(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(hello_names_the_app_and_all_functions),
        TEST(credit_is_granted_at_first_and_again_for_each_item),
        TEST(a_turn_is_run_and_the_next_goes_on_from_it),
        TEST(an_instance_that_is_not_held_needs_its_history),
        TEST(an_unknown_workflow_is_refused_by_name),
        TEST(a_version_has_its_own_function_or_the_one_for_all),
        TEST(a_ping_is_answered),
        TEST(activities_return_fail_and_refuse),
        TEST(after_a_lost_connection_old_results_stay_at_home),
        TEST(what_had_not_begun_is_dropped_with_its_connection),
        TEST(without_memory_all_work_goes_back_and_comes_again),
        TEST(an_activity_with_a_limit_says_when_a_thread_takes_it_up),
        TEST(heartbeats_are_sent_at_a_bounded_rate_and_the_newest_before_a_failure),
        TEST(heartbeats_go_on_while_the_function_makes_them),
        TEST(a_cancelled_activity_hears_of_it),
        TEST(a_cancelled_activity_that_has_not_begun_never_does),
        TEST(an_activity_of_a_lost_connection_is_cancelled),
        TEST(no_heartbeat_goes_to_a_sidecar_that_does_not_know_them),
        TEST(stop_says_bye_and_finishes_what_is_under_way),
        TEST(a_refused_worker_ends_with_the_reason),
        TEST(a_worker_that_never_connected_stops_at_once),
        TEST(options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
