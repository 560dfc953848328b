/* The functions of pawl/testing.h: who answers a call, and the way of a test's run. The
 * rules of the engine are in sdk/test_engine.h. */
#include "pawl/testing.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/timetext.h"
#include "base/version.h"
#include "sdk/io/activities.h"
#include "sdk/io/result.h"
#include "sdk/io/settings.h"
#include "sdk/io/stack.h"
#include "sdk/test_engine.h"

#define START_MS         INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define REPLAY_EVERY     4u
#define STACK_SIZE       65536u
#define SEED             UINT64_C(1)
#define MESSAGE_TEXT_MAX 4096u

struct definition {
    struct definition *next;
    struct pawl_bytes name;
    struct pawl_bytes version; /* absent: every version without its own */
    bool latest;               /* workflow: for new instances without a version */
    pawl_workflow_fn *workflow;
    pawl_activity_fn *activity;
    void *user;
};

struct mock {
    struct mock *next; /* added before */
    bool is_child;
    struct pawl_bytes name;
    uint32_t call;
    bool silent;
    struct pawl_test_outcome outcome;
};

struct call {
    struct call *next;
    struct pawl_test_call shown;
};

/* How often each name was called: a long test has many calls of few names. */
struct counter {
    struct counter *next;
    struct pawl_bytes name;
    uint32_t count;
};

/* An event for whoever waits for it. */
struct waiting_event {
    struct waiting_event *next;
    struct pawl_bytes id;
    struct pawl_bytes name;
    struct pawl_bytes payload;
};

struct planned {
    struct pawl_test *test;
    void (*run)(struct pawl_test *test, void *context);
    void *context;
};

struct view {
    struct view *next;
    struct pawl_result *result;
};

struct pawl_test {
    struct pawl_test_options options; /* defaults filled in */
    struct pawl_allocator allocator;
    struct pawl_arena arena; /* lives as long as the test */
    struct pawl_stack_pool *stacks;
    struct pawl_test_engine engine;
    struct definition *definitions;
    struct mock *mocks; /* the latest first */
    struct call *calls;
    struct call **calls_end;
    uint32_t calls_count;
    struct counter *counters;
    struct waiting_event *waiting;
    struct view *views;
    uint32_t started_count;
    bool running;
    int64_t taking_ms;          /* what the running activity says it takes */
    int64_t closes_ms;          /* its start_to_close_ms */
    struct pawl_bytes progress; /* what its heartbeats told last */
    char message[MESSAGE_TEXT_MAX];
};

static pawl_err fail(struct pawl_test *test, pawl_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static pawl_err fail(struct pawl_test *test, pawl_err err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(test->message, sizeof test->message, format, arguments);
    va_end(arguments);
    return err;
}

const char *pawl_test_message(const struct pawl_test *test)
{
    return test->message;
}

/* A copy for as long as the test, with the 0 byte behind it that payloads have. */
static struct pawl_bytes keep(struct pawl_test *test, struct pawl_bytes bytes)
{
    if (pawl_bytes_is_absent(bytes)) return bytes;
    uint8_t *copy = pawl_arena_alloc(&test->arena, bytes.size + 1);
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    return pawl_bytes_make(copy, bytes.size);
}

static const char *keep_text(struct pawl_test *test, struct pawl_bytes bytes)
{
    return bytes.data ? (const char *)keep(test, bytes).data : "";
}

/* Calls ---------------------------------------------------------------------------------- */

static struct counter *find_counter(const struct pawl_test *test, struct pawl_bytes name)
{
    struct counter *counter = test->counters;
    while (counter && !pawl_bytes_is_equal(counter->name, name)) counter = counter->next;
    return counter;
}

static uint32_t count_call(struct pawl_test *test, struct pawl_bytes name)
{
    struct counter *counter = find_counter(test, name);
    if (!counter) {
        counter = PAWL_ARENA_NEW(&test->arena, struct counter);
        counter->name = keep(test, name);
        counter->next = test->counters;
        test->counters = counter;
    }
    return ++counter->count;
}

static struct pawl_test_call *record_call(struct pawl_test *test, bool is_child,
                                          struct pawl_bytes instance, struct pawl_bytes name,
                                          struct pawl_bytes input)
{
    struct call *call = PAWL_ARENA_NEW(&test->arena, struct call);
    call->shown = (struct pawl_test_call){ .name = keep_text(test, name),
                                           .instance_id = keep_text(test, instance),
                                           .number = count_call(test, name),
                                           .is_child = is_child,
                                           .at_ms = test->engine.now_ms,
                                           .input = keep(test, input) };
    *test->calls_end = call;
    test->calls_end = &call->next;
    test->calls_count++;
    return &call->shown;
}

static const struct mock *find_mock(const struct pawl_test *test, bool is_child,
                                    struct pawl_bytes name, uint32_t number)
{
    const struct mock *for_all = NULL;
    for (const struct mock *mock = test->mocks; mock; mock = mock->next) {
        if (mock->is_child != is_child || !pawl_bytes_is_equal(mock->name, name)) continue;
        if (mock->call == number) return mock;
        if (mock->call == 0 && !for_all) for_all = mock;
    }
    return for_all;
}

/* The function of exactly this version, else the one for every version. */
static const struct definition *find_definition(const struct pawl_test *test, bool is_workflow,
                                                struct pawl_bytes name, struct pawl_bytes version)
{
    const struct definition *for_all = NULL;
    for (const struct definition *each = test->definitions; each; each = each->next) {
        if ((each->workflow != NULL) != is_workflow) continue;
        if (!pawl_bytes_is_equal(each->name, name)) continue;
        if (pawl_bytes_is_equal(each->version, version)) return each;
        if (pawl_bytes_is_absent(each->version)) for_all = each;
    }
    return for_all;
}

/* For a new instance without a version, as a worker chooses. */
static const struct definition *find_latest(const struct pawl_test *test, struct pawl_bytes name)
{
    const struct definition *for_all = NULL, *greatest = NULL;
    for (const struct definition *each = test->definitions; each; each = each->next) {
        if (!each->workflow || !pawl_bytes_is_equal(each->name, name)) continue;
        if (each->latest) return each;
        if (pawl_bytes_is_absent(each->version)) for_all = each;
        if (!greatest || pawl_version_compare(each->version, greatest->version) > 0)
            greatest = each;
    }
    return for_all ? for_all : greatest;
}

static bool find_workflow(void *context, const struct pawl_code_wanted *wanted,
                          struct pawl_code *ret_code)
{
    const struct definition *found =
        wanted->is_new ? find_latest(context, wanted->name)
                       : find_definition(context, true, wanted->name, wanted->version);
    if (!found) return false;
    *ret_code = (struct pawl_code){ .run = found->workflow,
                                    .user = found->user,
                                    .version = found->version };
    return true;
}

/* pawl_activity_ctx.beat. Once it was silent for too long, later ones mean nothing. */
static pawl_err test_beat(struct pawl_activity_ctx *ctx, struct pawl_bytes progress)
{
    struct pawl_test *test = ctx->beat_context;
    int64_t limit_ms = ctx->heartbeat_ms, at_ms = test->taking_ms > 0 ? test->taking_ms : 0;
    bool is_silent = limit_ms && at_ms - ctx->beat_at_ms > limit_ms;
    bool is_late = test->closes_ms && at_ms > test->closes_ms;
    if (is_silent || is_late) {
        atomic_store(&ctx->cancelled, true);
        return PAWL_E_CANCELLED;
    }
    ctx->beat_at_ms = at_ms;
    if (!pawl_bytes_is_absent(progress)) test->progress = keep(test, progress);
    return PAWL_OK;
}

static void run_function(struct pawl_test *test, const struct definition *definition,
                         const struct pawl_activity_item *item,
                         struct pawl_test_outcome *ret_outcome)
{
    struct pawl_activity_ctx *ctx = pawl_activities_item_new(&test->allocator, item);
    PAWL_ASSERT(ctx != NULL); /* tests have memory */
    ctx->run = definition->activity;
    ctx->user = definition->user;
    ctx->beat = test_beat;
    ctx->beat_context = test;
    test->taking_ms = 0;
    test->closes_ms = item->start_to_close_ms;
    test->progress = item->progress;
    pawl_activities_item_run(ctx);
    struct pawl_failure_view failure = ctx->failure;
    struct pawl_failure_view kept = { .present = failure.present,
                                      .non_retriable = failure.non_retriable,
                                      .type = keep(test, failure.type),
                                      .message = keep(test, failure.message),
                                      .details = keep(test, failure.details) };
    *ret_outcome = (struct pawl_test_outcome){ .takes_ms = test->taking_ms,
                                               .failure = kept,
                                               .progress = test->progress };
    if (item->heartbeat_ms && item->heartbeat_ms < INT64_MAX - ctx->beat_at_ms)
        ret_outcome->silent_ms = ctx->beat_at_ms + item->heartbeat_ms;
    if (!failure.present) ret_outcome->output = keep(test, ctx->output);
    pawl_activities_item_free(ctx);
}

static void answer_activity(void *context, const struct pawl_activity_item *item,
                            struct pawl_test_outcome *ret_outcome)
{
    struct pawl_test *test = context;
    struct pawl_test_call *call =
        record_call(test, false, item->instance, item->name, item->payload);
    const struct mock *mock = find_mock(test, false, item->name, call->number);
    if (mock) {
        call->mocked = true;
        *ret_outcome = mock->outcome;
        ret_outcome->progress = item->progress;
        if (mock->silent) ret_outcome->silent_ms = item->heartbeat_ms;
        return;
    }
    const struct definition *definition = find_definition(test, false, item->name, item->version);
    if (definition) {
        run_function(test, definition, item, ret_outcome);
        return;
    }
    pawl_test_engine_note(&test->engine, PAWL_E_NOT_REGISTERED,
                          "instance '%.*s' called activity '%.*s', for which the test has "
                          "neither a function nor an answer: give it one with "
                          "pawl_test_add_activity or pawl_test_mock",
                          PAWL_BYTES_FMT(item->instance), PAWL_BYTES_FMT(item->name));
    *ret_outcome = (struct pawl_test_outcome){
        .failure = { .present = true,
                     .non_retriable = true,
                     .type = PAWL_BYTES_LITERAL("ActivityNotRegistered"),
                     .message = PAWL_BYTES_LITERAL("no activity of this name is registered") }
    };
}

static bool answer_child(void *context, struct pawl_bytes parent,
                         const struct pawl_history_event *created,
                         struct pawl_test_outcome *ret_outcome)
{
    struct pawl_test *test = context;
    struct pawl_test_call *call = record_call(test, true, parent, created->name, created->payload);
    const struct mock *mock = find_mock(test, true, created->name, call->number);
    if (!mock) return false;
    call->mocked = true;
    *ret_outcome = mock->outcome;
    return true;
}

/* Making one ------------------------------------------------------------------------------- */

static void *take_stack(void *stacks, bool *ret_guarded)
{
    return pawl_stack_take(stacks, ret_guarded);
}

static void give_stack(void *stacks, void *stack, bool guarded)
{
    pawl_stack_give(stacks, stack, guarded);
}

static void log_nothing(void *context, enum pawl_level level, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
}

/* An error's reason must not get lost: behind one the process may end. */
static void log_errors(void *context, enum pawl_level level, const char *text)
{
    (void)context;
    if (level == PAWL_LEVEL_ERROR) (void)fprintf(stderr, "pawl: error: %s\n", text);
}

static pawl_err make_replay(struct pawl_test *test, pawl_log_fn *log, struct pawl_replay **ret)
{
    return pawl_replay_new(
        &(struct pawl_replay_config){ .host = { .allocator = &test->allocator,
                                                .stack_size = pawl_stack_pool_size(test->stacks),
                                                .stacks = test->stacks,
                                                .stack_take = take_stack,
                                                .stack_give = give_stack,
                                                .log = log,
                                                .log_context = test->options.log_context },
                                      .cache_max = PAWL_TEST_HELD_MAX,
                                      .seed = test->options.seed,
                                      .find = find_workflow,
                                      .find_context = test },
        ret);
}

static bool fill_options(struct pawl_test_options *options)
{
    if (options->now_ms == 0) options->now_ms = START_MS;
    if (options->replay_every == 0) options->replay_every = REPLAY_EVERY;
    if (options->turns_max == 0) options->turns_max = PAWL_TEST_TURNS_MAX;
    if (options->seed == 0) options->seed = SEED;
    if (options->stack_size == 0) options->stack_size = STACK_SIZE;
    if (!options->log) options->log = log_errors;
    return options->now_ms > 0 && options->stack_size >= PAWL_STACK_SIZE_MIN
           && options->stack_size <= PAWL_STACK_SIZE_MAX;
}

pawl_err pawl_test_new(const struct pawl_test_options *options, struct pawl_test **ret_test)
{
    struct pawl_test_options filled = { .now_ms = 0 };
    if (options) filled = *options;
    *ret_test = NULL;
    if (!fill_options(&filled)) return PAWL_E_INVALID;
    struct pawl_test *test = PAWL_NEW(struct pawl_test);
    test->options = filled;
    test->allocator = pawl_allocator_choose((struct pawl_allocator){ NULL, NULL, NULL });
    test->calls_end = &test->calls;
    pawl_arena_init(&test->arena);
    pawl_test_engine_init(&test->engine, filled.now_ms, filled.seed);
    test->engine.replay_every = filled.replay_every;
    test->engine.calls = (struct pawl_test_calls){ test, answer_activity, answer_child };
    pawl_err err = pawl_stack_pool_new(filled.stack_size, &test->stacks);
    if (!err) err = make_replay(test, filled.log, &test->engine.replay);
    if (!err) err = make_replay(test, log_nothing, &test->engine.shadow);
    if (err) {
        pawl_test_free(test);
        return err;
    }
    *ret_test = test;
    return PAWL_OK;
}

void pawl_test_free(struct pawl_test *test)
{
    if (!test) return;
    PAWL_ASSERT(!test->running);
    pawl_test_engine_deinit(&test->engine);
    pawl_replay_free(test->engine.replay);
    pawl_replay_free(test->engine.shadow);
    pawl_stack_pool_free(test->stacks);
    for (struct view *view = test->views; view; view = view->next) pawl_result_free(view->result);
    pawl_arena_deinit(&test->arena);
    pawl_mem_free(test);
}

static pawl_err add_definition(struct pawl_test *test, struct definition definition,
                               const char *name, const char *version)
{
    definition.name = pawl_bytes_str(name);
    definition.version = pawl_bytes_str(version);
    if (test->running) return fail(test, PAWL_E_STATE, "functions are added before a run");
    if (!pawl_name_is_valid(definition.name, PAWL_NAME_SIZE_MAX)
        || (version && !pawl_name_is_valid(definition.version, PAWL_NAME_SIZE_MAX)))
        return fail(test, PAWL_E_INVALID,
                    "a name or version must have 1 to %u bytes of UTF-8 without control "
                    "characters",
                    PAWL_NAME_SIZE_MAX);
    if (!definition.workflow && !definition.activity)
        return fail(test, PAWL_E_INVALID, "'%s' has no function", name);
    const struct definition *same =
        find_definition(test, definition.workflow != NULL, definition.name, definition.version);
    if (same && pawl_bytes_is_equal(same->version, definition.version))
        return fail(test, PAWL_E_EXISTS, "'%s' has a function in this version already", name);
    struct definition *added = PAWL_ARENA_NEW(&test->arena, struct definition);
    *added = definition;
    added->name = keep(test, definition.name);
    added->version = keep(test, definition.version);
    added->next = test->definitions;
    test->definitions = added;
    return PAWL_OK;
}

pawl_err pawl_test_add_workflow(struct pawl_test *test, const struct pawl_workflow_def *def)
{
    return add_definition(
        test, (struct definition){ .workflow = def->run, .user = def->user, .latest = def->latest },
        def->name, def->version);
}

pawl_err pawl_test_add_activity(struct pawl_test *test, const struct pawl_activity_def *def)
{
    return add_definition(test, (struct definition){ .activity = def->run, .user = def->user },
                          def->name, def->version);
}

static struct pawl_failure_view keep_failure(struct pawl_test *test,
                                             const struct pawl_failure *failure)
{
    struct pawl_failure_view view = { .present = true,
                                      .non_retriable = failure->non_retriable,
                                      .type = keep(test, pawl_bytes_str(failure->type)),
                                      .message = keep(test, pawl_bytes_str(failure->message)),
                                      .details = keep(test, failure->details) };
    if (failure->cause) {
        struct pawl_failure_view inner = keep_failure(test, failure->cause);
        view.inner = pawl_failure_pack(&test->arena, &inner);
    }
    return view;
}

pawl_err pawl_test_mock(struct pawl_test *test, const struct pawl_test_mock *mock)
{
    bool is_child = mock->child != NULL;
    struct pawl_bytes name = pawl_bytes_str(is_child ? mock->child : mock->activity);
    if (is_child == (mock->activity != NULL))
        return fail(test, PAWL_E_INVALID, "a mock has either an activity or a child");
    if (!pawl_name_is_valid(name, PAWL_NAME_SIZE_MAX))
        return fail(test, PAWL_E_INVALID, "a mock's name must have 1 to %u bytes of UTF-8",
                    PAWL_NAME_SIZE_MAX);
    if (mock->output.size > PAWL_PAYLOAD_SIZE_MAX || mock->takes_ms < 0)
        return fail(test, PAWL_E_INVALID,
                    "the mock of '%.*s' has an output of more than %u bytes, or takes less than "
                    "no time",
                    PAWL_BYTES_FMT(name), PAWL_PAYLOAD_SIZE_MAX);
    struct mock *added = PAWL_ARENA_NEW(&test->arena, struct mock);
    *added = (struct mock){ .next = test->mocks,
                            .is_child = is_child,
                            .name = keep(test, name),
                            .call = mock->call,
                            .silent = mock->silent,
                            .outcome = { .takes_ms = mock->takes_ms,
                                         .output = keep(test, mock->output) } };
    if (mock->failure) added->outcome.failure = keep_failure(test, mock->failure);
    test->mocks = added;
    return PAWL_OK;
}

void pawl_test_take_time(struct pawl_test *test, int64_t ms)
{
    test->taking_ms = ms;
}

/* From outside ------------------------------------------------------------------------------- */

/* One request, with its arguments checked as a sidecar does. */
static pawl_err request(struct pawl_test *test, const struct pawl_request *request)
{
    struct pawl_arena arena;
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    pawl_arena_init(&arena);
    pawl_err err = pawl_request_check(request, &arena, &why);
    if (err) {
        (void)fail(test, err, "%.*s", PAWL_BYTES_FMT(why));
    } else {
        err = pawl_test_engine_request(&test->engine, request);
        if (err)
            (void)fail(test, err, "%s '%.*s': %s%s", pawl_request_op_name((int)request->op),
                       PAWL_BYTES_FMT(request->instance), pawl_err_text(err),
                       test->engine.inside ? " (a workflow function may not use its test)" : "");
    }
    pawl_arena_deinit(&arena);
    return err;
}

pawl_err pawl_test_start(struct pawl_test *test, const struct pawl_start *start)
{
    static const enum pawl_reuse reuse[] = { [PAWL_ID_REUSE_ENDED] = PAWL_REUSE_TERMINAL,
                                             [PAWL_ID_REUSE_NEVER] = PAWL_REUSE_REFUSE,
                                             [PAWL_ID_REUSE_RETURN] = PAWL_REUSE_RETURN,
                                             [PAWL_ID_REUSE_TERMINATE] = PAWL_REUSE_TERMINATE };
    struct pawl_bytes id = pawl_bytes_str(start->id);
    if (!start->id)
        id = pawl_arena_printf(&test->arena, "%s-%u", start->name ? start->name : "",
                               ++test->started_count);
    if ((unsigned int)start->reuse > PAWL_ID_REUSE_TERMINATE)
        return fail(test, PAWL_E_INVALID, "reuse is not one of enum pawl_id_reuse");
    return request(test, &(struct pawl_request){ .op = PAWL_REQUEST_START,
                                                 .instance = id,
                                                 .request_id = pawl_bytes_str(start->request_id),
                                                 .name = pawl_bytes_str(start->name),
                                                 .version = pawl_bytes_str(start->version),
                                                 .payload = start->input,
                                                 .start_at_ms = start->start_at_ms,
                                                 .reuse = reuse[start->reuse],
                                                 .event_name = pawl_bytes_str(start->event_name),
                                                 .event_data = start->event_payload });
}

pawl_err pawl_test_raise_event(struct pawl_test *test, const char *id, const char *name,
                               struct pawl_bytes payload)
{
    return request(test, &(struct pawl_request){ .op = PAWL_REQUEST_RAISE,
                                                 .instance = pawl_bytes_str(id),
                                                 .name = pawl_bytes_str(name),
                                                 .payload = payload });
}

pawl_err pawl_test_raise_when_waiting(struct pawl_test *test, const char *id, const char *name,
                                      struct pawl_bytes payload)
{
    struct pawl_arena arena;
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = pawl_bytes_str(id),
                                  .name = pawl_bytes_str(name),
                                  .payload = payload };
    pawl_arena_init(&arena);
    pawl_err err = pawl_request_check(&raise, &arena, &why);
    if (err) (void)fail(test, err, "%.*s", PAWL_BYTES_FMT(why));
    pawl_arena_deinit(&arena);
    if (err) return err;
    if (!pawl_test_engine_find(&test->engine, raise.instance))
        return fail(test, PAWL_E_NOT_FOUND, "raise-event '%s': %s", id,
                    pawl_err_text(PAWL_E_NOT_FOUND));
    struct waiting_event *event = PAWL_ARENA_NEW(&test->arena, struct waiting_event);
    event->id = keep(test, raise.instance);
    event->name = keep(test, raise.name);
    event->payload = keep(test, payload);
    struct waiting_event **end = &test->waiting;
    while (*end) end = &(*end)->next;
    *end = event;
    return PAWL_OK;
}

static void run_planned(void *context)
{
    const struct planned *planned = context;
    planned->run(planned->test, planned->context);
}

pawl_err pawl_test_at(struct pawl_test *test, int64_t at_ms,
                      void (*run)(struct pawl_test *test, void *context), void *context)
{
    if (!run) return fail(test, PAWL_E_INVALID, "pawl_test_at has no function to call");
    struct planned *planned = PAWL_ARENA_NEW(&test->arena, struct planned);
    *planned = (struct planned){ test, run, context };
    pawl_test_engine_plan(&test->engine, at_ms, run_planned, planned);
    return PAWL_OK;
}

static pawl_err control(struct pawl_test *test, enum pawl_request_op op, const char *id,
                        struct pawl_bytes payload, bool recursive)
{
    return request(test, &(struct pawl_request){ .op = op,
                                                 .instance = pawl_bytes_str(id),
                                                 .payload = payload,
                                                 .recursive = recursive });
}

pawl_err pawl_test_suspend(struct pawl_test *test, const char *id, const char *reason)
{
    return control(test, PAWL_REQUEST_SUSPEND, id, pawl_bytes_str(reason), false);
}

pawl_err pawl_test_resume(struct pawl_test *test, const char *id, const char *reason)
{
    return control(test, PAWL_REQUEST_RESUME, id, pawl_bytes_str(reason), false);
}

pawl_err pawl_test_terminate(struct pawl_test *test, const char *id, struct pawl_bytes output,
                             bool recursive)
{
    return control(test, PAWL_REQUEST_TERMINATE, id, output, recursive);
}

/* Running ------------------------------------------------------------------------------------- */

int64_t pawl_test_now_ms(const struct pawl_test *test)
{
    return test->engine.now_ms;
}

/* As the SDK compares names of events. */
static bool is_same_event(struct pawl_bytes lower, struct pawl_bytes name)
{
    if (lower.size != name.size) return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (lower.data[i] != (c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c)) return false;
    }
    return true;
}

static bool is_awaited(struct pawl_test *test, const struct waiting_event *event)
{
    const struct pawl_test_instance *instance = pawl_test_engine_find(&test->engine, event->id);
    if (!instance || instance->status != PAWL_STATUS_RUNNING) return false;
    struct pawl_bytes name;
    for (uint32_t n = 0; (name = pawl_replay_awaited_event(test->engine.replay, event->id, n)).data;
         n++)
        if (is_same_event(name, event->name)) return true;
    return false;
}

/* False: nobody waits for any of them. */
static bool raise_awaited(struct pawl_test *test)
{
    for (struct waiting_event **link = &test->waiting; *link; link = &(*link)->next) {
        const struct waiting_event *event = *link;
        if (!is_awaited(test, event)) continue;
        *link = event->next;
        pawl_err err = request(test, &(struct pawl_request){ .op = PAWL_REQUEST_RAISE,
                                                             .instance = event->id,
                                                             .name = event->name,
                                                             .payload = event->payload });
        PAWL_ASSERT(err == PAWL_OK); /* it runs, and has nothing else to do */
        return true;
    }
    return false;
}

static bool has_ended(const struct pawl_test *test, struct pawl_bytes id)
{
    const struct pawl_test_instance *instance = pawl_test_engine_find(&test->engine, id);
    return instance && pawl_status_is_terminal(instance->status);
}

static pawl_err take_problem(struct pawl_test *test)
{
    pawl_err err = test->engine.problem;
    if (err) (void)fail(test, err, "%s", (const char *)test->engine.problem_text.data);
    test->engine.problem = PAWL_OK;
    return err;
}

/* Events for those who wait come when nothing else is left at this instant. */
static bool step(struct pawl_test *test, int64_t until_ms)
{
    if (pawl_test_engine_step(&test->engine, test->engine.now_ms) == PAWL_TEST_STEP_DONE)
        return true;
    if (raise_awaited(test)) return true;
    return pawl_test_engine_step(&test->engine, until_ms) == PAWL_TEST_STEP_DONE;
}

/* Up to that time, or until the instance `id` (absent: none) has ended. */
static pawl_err run_steps(struct pawl_test *test, int64_t until_ms, struct pawl_bytes id)
{
    uint64_t turns_end = test->engine.turns_total + test->options.turns_max;
    while (!has_ended(test, id) && !test->engine.problem && step(test, until_ms)) {
        if (test->engine.turns_total < turns_end) continue;
        return fail(test, PAWL_E_LIMIT,
                    "more than %u turns in one run: does a workflow go on without end? See "
                    "turns_max in struct pawl_test_options",
                    test->options.turns_max);
    }
    if (!test->engine.problem) pawl_test_engine_verify(&test->engine);
    return take_problem(test);
}

static pawl_err run(struct pawl_test *test, int64_t until_ms, struct pawl_bytes id)
{
    static _Thread_local unsigned int depth; /* a test may run inside another's activity */
    if (test->running)
        return fail(test, PAWL_E_STATE, "a test is not run from one of its own functions");
    if (depth == 0) {
        pawl_err err = pawl_stack_watch(test->stacks);
        if (err) return fail(test, err, "%s", pawl_err_text(err));
    }
    depth++;
    test->running = true;
    pawl_err err = run_steps(test, until_ms, id);
    test->running = false;
    depth--;
    if (depth == 0) pawl_stack_unwatch();
    return err;
}

pawl_err pawl_test_run(struct pawl_test *test)
{
    return run(test, INT64_MAX, PAWL_BYTES_ABSENT);
}

pawl_err pawl_test_run_until(struct pawl_test *test, int64_t at_ms)
{
    pawl_err err = run(test, at_ms, PAWL_BYTES_ABSENT);
    if (!err && at_ms > test->engine.now_ms) test->engine.now_ms = at_ms;
    return err;
}

pawl_err pawl_test_run_for(struct pawl_test *test, int64_t ms)
{
    return pawl_test_run_until(test, test->engine.now_ms + ms);
}

static void describe_op(struct pawl_buf *buf, const struct pawl_test_op *op)
{
    char time[PAWL_TIMETEXT_SIZE];
    switch (op->kind) {
    case 'a': pawl_buf_printf(buf, "activity '%.*s'", PAWL_BYTES_FMT(op->name)); return;
    case 'c':
        pawl_buf_printf(buf, "child workflow '%.*s' (instance '%.*s')", PAWL_BYTES_FMT(op->name),
                        PAWL_BYTES_FMT(op->child));
        return;
    default:
        pawl_timetext_format(op->fire_at_ms, time);
        pawl_buf_printf(buf, "a timer at %s", time);
    }
}

/* "… waits for event 'approved' and child workflow 'ship' (instance 'x')" */
static void describe_waits(struct pawl_test *test, const struct pawl_test_instance *instance,
                           struct pawl_buf *buf)
{
    const char *between = " and waits for ";
    struct pawl_bytes name;
    for (uint32_t n = 0;
         (name = pawl_replay_awaited_event(test->engine.replay, instance->id, n)).data; n++) {
        pawl_buf_printf(buf, "%sevent '%.*s'", between, PAWL_BYTES_FMT(name));
        between = " and ";
    }
    for (uint32_t i = 0; i < instance->ops_count && i < 10; i++) {
        pawl_buf_append_str(buf, between);
        describe_op(buf, &instance->ops[i]);
        between = " and ";
    }
    if (instance->ops_count > 10) pawl_buf_printf(buf, " and %u more", instance->ops_count - 10);
}

pawl_err pawl_test_run_to_end(struct pawl_test *test, const char *id)
{
    struct pawl_bytes key = pawl_bytes_str(id);
    if (!id || !pawl_test_engine_find(&test->engine, key))
        return fail(test, PAWL_E_NOT_FOUND, "the test has no instance '%s'", id ? id : "");
    pawl_err err = run(test, INT64_MAX, key);
    if (err || has_ended(test, key)) return err;
    const struct pawl_test_instance *instance = pawl_test_engine_find(&test->engine, key);
    struct pawl_buf buf;
    pawl_buf_init(&buf, MESSAGE_TEXT_MAX);
    pawl_buf_printf(&buf, "nothing more can happen, but instance '%s' is %s", id,
                    pawl_status_text(instance->status));
    describe_waits(test, instance, &buf);
    (void)fail(test, PAWL_E_TIMEOUT, "%.*s", PAWL_BYTES_FMT(pawl_buf_view(&buf)));
    pawl_buf_deinit(&buf);
    return PAWL_E_TIMEOUT;
}

/* Looking ----------------------------------------------------------------------------------------
 */

static const struct pawl_result *view_new(struct pawl_test *test, const struct pawl_answer *answer)
{
    struct pawl_request request = { .op = PAWL_REQUEST_GET };
    struct view *view = PAWL_ARENA_NEW(&test->arena, struct view);
    view->result = pawl_result_from_answer(&test->allocator, &request, answer);
    PAWL_ASSERT(view->result != NULL); /* tests have memory */
    view->next = test->views;
    test->views = view;
    return view->result;
}

const struct pawl_instance *pawl_test_instance(struct pawl_test *test, const char *id)
{
    const struct pawl_test_instance *instance =
        pawl_test_engine_find(&test->engine, pawl_bytes_str(id ? id : ""));
    if (!instance) return NULL;
    struct pawl_instance_state state = { .instance = instance->id,
                                         .name = instance->name,
                                         .version = instance->version,
                                         .status = instance->status,
                                         .gen = instance->gen,
                                         .history_count = instance->events_count,
                                         .created_ms = instance->created_ms,
                                         .started_ms = instance->started_ms,
                                         .updated_ms = instance->updated_ms,
                                         .completed_ms = instance->completed_ms,
                                         .custom_status = instance->custom_status,
                                         .input = instance->input,
                                         .output = instance->output,
                                         .parent_instance = instance->parent.instance };
    pawl_err err = pawl_failure_decode(instance->failure, &state.failure);
    PAWL_ASSERT(err == PAWL_OK); /* encoded by the test engine */
    return pawl_result_instance(
        view_new(test, &(struct pawl_answer){ .states_count = 1, .states = &state }));
}

const struct pawl_history_item *pawl_test_history(struct pawl_test *test, const char *id,
                                                  size_t *ret_count)
{
    const struct pawl_test_instance *instance =
        pawl_test_engine_find(&test->engine, pawl_bytes_str(id ? id : ""));
    *ret_count = 0;
    if (!instance) return NULL;
    const struct pawl_result *result =
        view_new(test, &(struct pawl_answer){ .events_count = instance->events_count,
                                              .events = instance->events,
                                              .events_total = instance->events_count });
    *ret_count = pawl_result_history_count(result);
    return pawl_result_history(result);
}

const char *pawl_test_history_text(struct pawl_test *test, const char *id)
{
    size_t count;
    const struct pawl_history_item *items = pawl_test_history(test, id, &count);
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_TEST_TEXT_SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct pawl_history_item *item = &items[i];
        char time[PAWL_TIMETEXT_SIZE];
        pawl_timetext_format(item->timestamp_ms, time);
        pawl_buf_printf(&buf, "#%-4u %.23s %s", item->index, time, item->kind);
        if (item->id >= 0) pawl_buf_printf(&buf, " id=%d", item->id);
        if (item->answers >= 0) pawl_buf_printf(&buf, " of=%d", item->answers);
        if (item->name[0]) pawl_buf_printf(&buf, " '%s'", item->name);
        if (item->child_id[0]) pawl_buf_printf(&buf, " instance='%s'", item->child_id);
        if (item->payload.data) pawl_buf_printf(&buf, " %s", pawl_as_text(item->payload));
        if (item->failure)
            pawl_buf_printf(&buf, " failed: %s: %s", item->failure->type, item->failure->message);
        pawl_buf_append_str(&buf, "\n");
    }
    const char *text = keep_text(test, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return text;
}

const struct pawl_test_call *pawl_test_calls(struct pawl_test *test, size_t *ret_count)
{
    struct pawl_test_call *all =
        PAWL_ARENA_ARRAY(&test->arena, struct pawl_test_call, test->calls_count);
    size_t count = 0;
    for (const struct call *call = test->calls; call; call = call->next) all[count++] = call->shown;
    *ret_count = count;
    return all;
}

const struct pawl_test_call *pawl_test_call(struct pawl_test *test, const char *name,
                                            uint32_t number)
{
    for (const struct call *call = test->calls; call; call = call->next)
        if (strcmp(call->shown.name, name) == 0 && call->shown.number == number)
            return &call->shown;
    return NULL;
}

uint32_t pawl_test_calls_count(struct pawl_test *test, const char *name)
{
    const struct counter *counter = find_counter(test, pawl_bytes_str(name));
    return counter ? counter->count : 0;
}
