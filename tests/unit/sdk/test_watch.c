/* A watch against a sidecar that the test plays: what it asks, and what it tells. */
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
#include "fake_sidecar.h"
#include "pawl/pawl.h"
#include "sdk/change.h"

#define TOLD_MAX 32u

struct told {
    enum pawl_watch_kind kind;
    char position[32];
    char key[32];
    char id[32];
    char text[64]; /* custom status, or message */
    uint32_t what;
    enum pawl_status status;
    pawl_err err;
};

struct fixture {
    struct fake_sidecar fake;
    struct pawl_client *client;
    struct pawl_watch_options options;
    struct pawl_watch *watch;
    pthread_t thread; /* begins or frees the watch */
    pawl_err err;
    struct pawl_result *result;
    struct told told[TOLD_MAX];
    _Atomic uint32_t told_count;
    uint32_t told_max; /* the callback says that it is enough */
};

static struct fixture *fixture;

static bool on_event(void *context, const struct pawl_watch_event *event)
{
    struct fixture *to = context;
    uint32_t at = atomic_load(&to->told_count);
    assert_true(at < TOLD_MAX);
    struct told *told = &to->told[at];
    *told = (struct told){
        .kind = event->kind, .what = event->what, .status = event->status, .err = event->err
    };
    const char *text =
        event->custom_status.size ? pawl_as_text(event->custom_status) : event->message;
    (void)snprintf(told->position, sizeof told->position, "%s", event->position);
    (void)snprintf(told->key, sizeof told->key, "%s", event->key);
    (void)snprintf(told->id, sizeof told->id, "%s", event->id);
    (void)snprintf(told->text, sizeof told->text, "%s", text);
    assert_true((event->kind == PAWL_WATCH_STATE) == (event->instance != NULL));
    atomic_store(&to->told_count, at + 1);
    return at + 1 < to->told_max;
}

static int setup(void **state)
{
    fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fake_open(&fixture->fake);
    struct pawl_client_options options = { .endpoint = fixture->fake.url, .app_id = "shop" };
    assert_int_equal(pawl_client_new(&options, &fixture->client), PAWL_OK);
    fixture->options = (struct pawl_watch_options){ .on_event = on_event, .context = fixture };
    fixture->told_max = TOLD_MAX;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pawl_watch_free(fixture->watch);
    pawl_result_free(fixture->result);
    pawl_client_free(fixture->client);
    fake_close(&fixture->fake);
    free(fixture);
    return 0;
}

static void *begin_main(void *argument)
{
    (void)argument;
    fixture->err =
        pawl_client_watch(fixture->client, &fixture->options, &fixture->watch, &fixture->result);
    return NULL;
}

static const struct pawl_request_frame *expect_watch(const char *position)
{
    const struct pawl_request_frame *frame =
        &fake_expect(&fixture->fake, PAWL_FRAME_REQUEST)->request;
    assert_int_equal(frame->request.op, PAWL_REQUEST_WATCH);
    if (position)
        assert_true(pawl_bytes_is_str(frame->request.cursor, position));
    else
        assert_true(pawl_bytes_is_absent(frame->request.cursor));
    return frame;
}

static void send_answer(uint64_t token, struct pawl_answer answer)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ANSWER };
    frame.answer = (struct pawl_answer_frame){ .token = token, .answer = answer };
    fake_send(&fixture->fake, &frame);
    fake_serve(&fixture->fake, 0);
}

static const struct pawl_request_frame *begin(void)
{
    const char *position = fixture->options.position;
    assert_int_equal(pthread_create(&fixture->thread, NULL, begin_main, NULL), 0);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_watch(position);
    assert_int_equal(frame->request.timeout_ms, 0); /* it begins at once */
    return frame;
}

static void begun(const struct pawl_request_frame *frame, struct pawl_answer answer, pawl_err err)
{
    send_answer(frame->token, answer);
    pthread_join(fixture->thread, NULL);
    assert_int_equal(fixture->err, err);
}

static struct pawl_answer answer_make(const char *cursor)
{
    return (struct pawl_answer){ .reached = true, .cursor = pawl_bytes_str(cursor) };
}

static struct pawl_bytes change_make(uint64_t number, enum pawl_status status, const char *custom)
{
    struct pawl_lifecycle_event event = {
        .partition = 7,
        .number = number,
        .at_ms = 1700000000123,
        .what = PAWL_CHANGE_STATUS | (custom ? PAWL_CHANGE_CUSTOM_STATUS : 0),
        .status = status,
        .gen = 1,
        .instance = PAWL_BYTES_LITERAL("i-1"),
        .name = PAWL_BYTES_LITERAL("order"),
        .custom_status = pawl_bytes_str(custom),
    };
    return pawl_lifecycle_event_pack(&fixture->fake.arena, &event);
}

static const struct told *expect_told(uint32_t at, enum pawl_watch_kind kind, const char *position)
{
    for (int i = 0; atomic_load(&fixture->told_count) <= at; i++) {
        assert_true(i < 24000); /* two minutes */
        fake_serve(&fixture->fake, 5);
    }
    assert_int_equal(fixture->told[at].kind, kind);
    assert_string_equal(fixture->told[at].position, position);
    return &fixture->told[at];
}

/* ------------------------------------------------------------------------------------- */

static void it_asks_for_what_the_options_say_and_goes_on_behind_each_answer(void **state)
{
    (void)state;
    fixture->options.name = "order";
    fixture->options.status_mask = 1u << PAWL_STATUS_COMPLETED;
    const struct pawl_request_frame *frame = begin();
    assert_true(pawl_bytes_is_str(frame->request.name, "order"));
    assert_int_equal(frame->request.status_mask, 1u << PAWL_STATUS_COMPLETED);
    assert_true(pawl_bytes_is_absent(frame->request.instance));
    begun(frame, answer_make("p1"), PAWL_OK);
    assert_null(fixture->result);

    frame = expect_watch("p1");
    assert_true(frame->request.timeout_ms > 10000); /* it waits for something */
    struct pawl_bytes changes[] = { change_make(3, PAWL_STATUS_RUNNING, "half"),
                                    change_make(4, PAWL_STATUS_COMPLETED, NULL) };
    struct pawl_answer answer = answer_make("p2");
    answer.events_count = 2;
    answer.events = changes;
    send_answer(frame->token, answer);
    const struct told *told = expect_told(0, PAWL_WATCH_CHANGE, "p1"); /* inside the bundle */
    assert_string_equal(told->key, "7:3");
    assert_string_equal(told->id, "i-1");
    assert_string_equal(told->text, "half");
    assert_int_equal(told->what, PAWL_CHANGE_STATUS | PAWL_CHANGE_CUSTOM_STATUS);
    told = expect_told(1, PAWL_WATCH_CHANGE, "p2");
    assert_int_equal(told->status, PAWL_STATUS_COMPLETED);

    frame = expect_watch("p2");
    send_answer(frame->token, answer_make("p3"));
    (void)expect_told(2, PAWL_WATCH_IDLE, "p3");
    (void)expect_watch("p3");
}

static void a_lost_connection_is_made_again_and_the_same_is_asked(void **state)
{
    (void)state;
    begun(begin(), answer_make("p1"), PAWL_OK);
    for (int i = 0; i < 3; i++) {
        (void)expect_watch("p1");
        fake_drop(&fixture->fake);
        (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    }
    struct pawl_bytes change = change_make(1, PAWL_STATUS_PENDING, NULL);
    struct pawl_answer answer = answer_make("p2");
    answer.events_count = 1;
    answer.events = &change;
    send_answer(expect_watch("p1")->token, answer);
    (void)expect_told(0, PAWL_WATCH_CHANGE, "p2");
}

static void of_one_instance_its_state_comes_first_and_again_behind_a_gap(void **state)
{
    (void)state;
    fixture->options.id = "i-1";
    begun(begin(), answer_make("p1"), PAWL_OK);
    const struct told *told = expect_told(0, PAWL_WATCH_ABSENT, "p1");
    assert_string_equal(told->id, "i-1");

    struct pawl_instance_state now = { .instance = PAWL_BYTES_LITERAL("i-1"),
                                       .name = PAWL_BYTES_LITERAL("order"),
                                       .status = PAWL_STATUS_SUSPENDED };
    struct pawl_answer answer = answer_make("p2");
    answer.reached = false;
    answer.states_count = 1;
    answer.states = &now;
    send_answer(expect_watch("p1")->token, answer);
    (void)expect_told(1, PAWL_WATCH_GAP, "p1");
    told = expect_told(2, PAWL_WATCH_STATE, "p2");
    assert_int_equal(told->status, PAWL_STATUS_SUSPENDED);
}

static void an_error_that_passes_is_waited_for_and_one_that_stays_is_told(void **state)
{
    (void)state;
    begun(begin(), answer_make("p1"), PAWL_OK);
    send_answer(expect_watch("p1")->token, (struct pawl_answer){ .err = PAWL_E_UNAVAILABLE });
    struct pawl_answer denied = { .err = PAWL_E_INVALID,
                                  .message = PAWL_BYTES_LITERAL("no such position") };
    send_answer(expect_watch("p1")->token, denied);
    const struct told *told = expect_told(0, PAWL_WATCH_END, "p1");
    assert_int_equal(told->err, PAWL_E_INVALID);
    assert_string_equal(told->text, "no such position");
    fake_expect_nothing(&fixture->fake);
}

static void what_cannot_begin_is_an_error_with_a_message(void **state)
{
    (void)state;
    fixture->options.position = "nonsense";
    struct pawl_answer answer = { .err = PAWL_E_INVALID,
                                  .message = PAWL_BYTES_LITERAL("no such position") };
    begun(begin(), answer, PAWL_E_INVALID);
    assert_null(fixture->watch);
    assert_string_equal(pawl_result_message(fixture->result), "no such position");
    pawl_result_free(fixture->result);
    struct pawl_watch_options without = { .on_event = NULL };
    assert_int_equal(
        pawl_client_watch(fixture->client, &without, &fixture->watch, &fixture->result),
        PAWL_E_INVALID);
    assert_string_equal(pawl_result_message(fixture->result), "on_event is missing");
    assert_int_equal(pawl_client_watch(fixture->client, &without, &fixture->watch, NULL),
                     PAWL_E_INVALID);
}

static void a_callback_that_has_enough_ends_it(void **state)
{
    (void)state;
    fixture->told_max = 1;
    begun(begin(), answer_make("p1"), PAWL_OK);
    struct pawl_bytes changes[] = { change_make(1, PAWL_STATUS_RUNNING, NULL),
                                    change_make(2, PAWL_STATUS_FAILED, NULL) };
    struct pawl_answer answer = answer_make("p2");
    answer.events_count = 2;
    answer.events = changes;
    send_answer(expect_watch("p1")->token, answer);
    (void)expect_told(0, PAWL_WATCH_CHANGE, "p1");
    pawl_watch_free(fixture->watch);
    fixture->watch = NULL;
    assert_int_equal(atomic_load(&fixture->told_count), 1);
    fake_expect_nothing(&fixture->fake);
}

static void free_does_not_wait_for_the_sidecar(void **state)
{
    (void)state;
    begun(begin(), answer_make("p1"), PAWL_OK);
    (void)expect_watch("p1"); /* never answered */
    pawl_watch_free(fixture->watch);
    fixture->watch = NULL;
    fixture->options.position = "p0";
    assert_int_equal(pthread_create(&fixture->thread, NULL, begin_main, NULL), 0);
    const struct pawl_request_frame *frame = expect_watch("p0");
    begun(frame, (struct pawl_answer){ .cursor = PAWL_BYTES_LITERAL("p1"), .reached = true },
          PAWL_OK);
    send_answer(expect_watch("p1")->token, (struct pawl_answer){ .err = PAWL_E_BUSY });
    pawl_watch_free(fixture->watch); /* it rests before it asks again */
    fixture->watch = NULL;
    assert_int_equal(atomic_load(&fixture->told_count), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(it_asks_for_what_the_options_say_and_goes_on_behind_each_answer),
        TEST(a_lost_connection_is_made_again_and_the_same_is_asked),
        TEST(of_one_instance_its_state_comes_first_and_again_behind_a_gap),
        TEST(an_error_that_passes_is_waited_for_and_one_that_stays_is_told),
        TEST(what_cannot_begin_is_an_error_with_a_message),
        TEST(a_callback_that_has_enough_ends_it),
        TEST(free_does_not_wait_for_the_sidecar),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
