/* Client against a sidecar that the test plays. The calls block, so each test makes them
 * on a thread of its own. */
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
#include "base/limits.h"
#include "fake_sidecar.h"
#include "pawl/pawl.h"

struct fixture {
    struct fake_sidecar fake;
    struct pawl_client *client;
    pthread_t thread;
    atomic_bool is_over; /* the call has returned */
    pawl_err (*call)(struct pawl_client *client, struct pawl_result **ret_result);
    pawl_err err;
    struct pawl_result *result;
};

static struct fixture *fixture;

static int setup(void **state)
{
    fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fake_open(&fixture->fake);
    struct pawl_client_options options = { .endpoint = fixture->fake.url, .app_id = "shop" };
    assert_int_equal(pawl_client_new(&options, &fixture->client), PAWL_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pawl_result_free(fixture->result);
    pawl_client_free(fixture->client);
    fake_close(&fixture->fake);
    free(fixture);
    return 0;
}

static void *call_main(void *argument)
{
    (void)argument;
    fixture->err = fixture->call(fixture->client, &fixture->result);
    atomic_store(&fixture->is_over, true);
    return NULL;
}

static void begin(pawl_err (*call)(struct pawl_client *client, struct pawl_result **ret_result))
{
    fixture->call = call;
    assert_int_equal(pthread_create(&fixture->thread, NULL, call_main, NULL), 0);
}

static pawl_err end(void)
{
    pthread_join(fixture->thread, NULL);
    return fixture->err;
}

static const struct pawl_request_frame *expect_request(enum pawl_request_op op)
{
    const struct pawl_request_frame *frame =
        &fake_expect(&fixture->fake, PAWL_FRAME_REQUEST)->request;
    assert_int_equal(frame->request.op, op);
    return frame;
}

static void send_answer(uint64_t token, struct pawl_answer answer)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ANSWER };
    frame.answer = (struct pawl_answer_frame){ .token = token, .answer = answer };
    fake_send(&fixture->fake, &frame);
    fake_serve(&fixture->fake, 0);
}

/* ------------------------------------------------------------------------------------- */

static pawl_err start_order(struct pawl_client *client, struct pawl_result **ret_result)
{
    struct pawl_start start = { .name = "order", .input = pawl_text("in") };
    return pawl_client_start(client, &start, ret_result);
}

static void start_chooses_an_id_and_a_request_id(void **state)
{
    (void)state;
    begin(start_order);
    const struct pawl_hello *hello = &fake_expect(&fixture->fake, PAWL_FRAME_HELLO)->hello;
    assert_int_equal(hello->workflows_count + hello->activities_count, 0);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_START);
    assert_true(pawl_bytes_is_str(frame->request.name, "order"));
    assert_true(pawl_bytes_is_str(frame->request.payload, "in"));
    assert_int_equal(frame->request.reuse, PAWL_REUSE_TERMINAL);
    assert_int_equal(frame->request.instance.size, 32);
    assert_int_equal(frame->request.request_id.size, 32);
    send_answer(frame->token, (struct pawl_answer){ .instance = frame->request.instance });
    assert_int_equal(end(), PAWL_OK);
    assert_true(pawl_bytes_is_str(frame->request.instance, pawl_result_id(fixture->result)));
    assert_int_equal(fixture->fake.turn_credit, 0); /* a client does no work */
}

static void a_start_whose_answer_was_lost_is_sent_again_as_the_same_request(void **state)
{
    (void)state;
    begin(start_order);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    struct pawl_request first = expect_request(PAWL_REQUEST_START)->request;
    fake_drop(&fixture->fake);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_START);
    assert_true(pawl_bytes_is_equal(first.request_id, frame->request.request_id));
    assert_true(pawl_bytes_is_equal(first.instance, frame->request.instance));
    send_answer(frame->token, (struct pawl_answer){ .instance = frame->request.instance });
    assert_int_equal(end(), PAWL_OK);
}

static pawl_err purge_one(struct pawl_client *client, struct pawl_result **ret_result)
{
    return pawl_client_purge(client, "i-1", true, false, ret_result);
}

static void a_purge_whose_answer_was_lost_is_unknown(void **state)
{
    (void)state;
    begin(purge_one);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    assert_true(expect_request(PAWL_REQUEST_PURGE)->request.recursive);
    fake_drop(&fixture->fake);
    assert_int_equal(end(), PAWL_E_UNKNOWN);
    assert_non_null(strstr(pawl_result_message(fixture->result), "connection was lost"));
}

static pawl_err wait_for_end(struct pawl_client *client, struct pawl_result **ret_result)
{
    return pawl_client_wait(client, "i-1", PAWL_FOR_COMPLETION, 50000, ret_result);
}

static struct pawl_instance_state make_state(void)
{
    return (struct pawl_instance_state){
        .instance = PAWL_BYTES_LITERAL("i-1"),
        .name = PAWL_BYTES_LITERAL("order"),
        .status = PAWL_STATUS_FAILED,
        .gen = 2,
        .history_count = 9,
        .created_ms = 1000,
        .custom_status = PAWL_BYTES_LITERAL("half"),
        .output = PAWL_BYTES_LITERAL(""),
        .failure = { .present = true,
                     .type = PAWL_BYTES_LITERAL("Bad"),
                     .message = PAWL_BYTES_LITERAL("very bad") },
    };
}

static void wait_returns_the_state_with_all_its_parts(void **state)
{
    (void)state;
    begin(wait_for_end);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_WAIT);
    assert_int_equal(frame->request.wait_for, PAWL_WAIT_COMPLETED);
    assert_true(frame->request.timeout_ms > 5000); /* what is left of it */
    assert_true(frame->request.timeout_ms <= 50000);
    assert_true(frame->request.with_payloads);
    struct pawl_instance_state one = make_state();
    send_answer(frame->token,
                (struct pawl_answer){ .reached = true, .states_count = 1, .states = &one });
    assert_int_equal(end(), PAWL_OK);
    const struct pawl_instance *instance = pawl_result_instance(fixture->result);
    assert_non_null(instance);
    assert_string_equal(instance->id, "i-1");
    assert_string_equal(instance->version, "");
    assert_int_equal(instance->status, PAWL_STATUS_FAILED);
    assert_true(pawl_status_has_ended(instance->status));
    assert_int_equal(instance->generation, 2);
    assert_string_equal(pawl_as_text(instance->custom_status), "half");
    assert_true(instance->input.data == NULL);
    assert_true(instance->output.data != NULL);
    assert_string_equal(instance->failure->type, "Bad");
    assert_null(instance->failure->cause);
}

static void a_wait_for_nobody_is_not_found(void **state)
{
    (void)state;
    begin(wait_for_end);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_WAIT);
    send_answer(frame->token, (struct pawl_answer){ .err = PAWL_E_NOT_FOUND,
                                                    .message = PAWL_BYTES_LITERAL("no 'i-1'") });
    assert_int_equal(end(), PAWL_E_NOT_FOUND);
    assert_string_equal(pawl_result_message(fixture->result), "no 'i-1'");
    assert_string_equal(pawl_result_id(fixture->result), "i-1");
}

static void a_wait_goes_on_until_its_own_time_is_up(void **state)
{
    (void)state;
    begin(wait_for_end);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    struct pawl_instance_state one = make_state();
    one.status = PAWL_STATUS_RUNNING;
    /* Unreached, as after the sidecar's longest wait: asked again. */
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_WAIT);
    send_answer(frame->token, (struct pawl_answer){ .states_count = 1, .states = &one });
    frame = expect_request(PAWL_REQUEST_WAIT);
    send_answer(frame->token,
                (struct pawl_answer){ .reached = true, .states_count = 1, .states = &one });
    assert_int_equal(end(), PAWL_OK);
}

static pawl_err look_once(struct pawl_client *client, struct pawl_result **ret_result)
{
    return pawl_client_wait(client, "i-1", PAWL_FOR_START, 0, ret_result);
}

static void an_unreached_wait_is_a_timeout_with_the_present_state(void **state)
{
    (void)state;
    begin(look_once);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_WAIT);
    assert_int_equal(frame->request.wait_for, PAWL_WAIT_STARTED);
    struct pawl_instance_state one = make_state();
    one.status = PAWL_STATUS_PENDING;
    send_answer(frame->token, (struct pawl_answer){ .states_count = 1, .states = &one });
    assert_int_equal(end(), PAWL_E_TIMEOUT);
    assert_int_equal(pawl_result_instance(fixture->result)->status, PAWL_STATUS_PENDING);
}

static pawl_err read_history(struct pawl_client *client, struct pawl_result **ret_result)
{
    return pawl_client_history(client, "i-1", 5, 10, ret_result);
}

static void history_is_decoded_item_by_item(void **state)
{
    (void)state;
    begin(read_history);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_HISTORY);
    assert_int_equal(frame->request.from, 5);
    assert_int_equal(frame->request.limit, 10);
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TASK_SCHEDULED, 77);
    event.id = 3;
    event.name = PAWL_BYTES_LITERAL("charge");
    event.payload = PAWL_BYTES_LITERAL("12");
    struct pawl_bytes events[] = { pawl_history_event_pack(&fixture->fake.arena, &event) };
    send_answer(frame->token,
                (struct pawl_answer){ .events_total = 6, .events_count = 1, .events = events });
    assert_int_equal(end(), PAWL_OK);
    assert_int_equal(pawl_result_history_count(fixture->result), 1);
    assert_int_equal(pawl_result_history_total(fixture->result), 6);
    const struct pawl_history_item *item = pawl_result_history(fixture->result);
    assert_int_equal(item->index, 5);
    assert_string_equal(item->kind, "TaskScheduled");
    assert_string_equal(item->name, "charge");
    assert_string_equal(pawl_as_text(item->payload), "12");
    assert_int_equal(item->id, 3);
    assert_int_equal(item->answers, -1);
}

static const struct pawl_instance_tag team_tag = { "team", "blue" };

static pawl_err count_blue(struct pawl_client *client, struct pawl_result **ret_result)
{
    struct pawl_list_query query = { .name = "order", .tags_count = 1, .tags = &team_tag };
    query.order = PAWL_LIST_BY_COMPLETED;
    query.completed_to_ms = 7;
    return pawl_client_count(client, &query, ret_result);
}

static void a_count_takes_a_whole_query(void **state)
{
    (void)state;
    begin(count_blue);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_COUNT);
    assert_true(pawl_bytes_is_str(frame->request.name, "order"));
    assert_true(pawl_bytes_is_str(frame->request.tags, "\x92\xa4team\xa4"
                                                       "blue"));
    assert_int_equal(frame->request.order, PAWL_LIST_COMPLETED);
    assert_int_equal(frame->request.completed_to_ms, 7);
    struct pawl_answer answer = { .err = PAWL_OK };
    answer.counts[PAWL_STATUS_FAILED] = 3;
    answer.counts[PAWL_STATUS_COMPLETED] = UINT64_C(5000000000);
    send_answer(frame->token, answer);
    assert_int_equal(end(), PAWL_OK);
    assert_int_equal(pawl_result_count(fixture->result, PAWL_STATUS_FAILED), 3);
    assert_int_equal(pawl_result_count_all(fixture->result), UINT64_C(5000000003));
}

static pawl_err raise_to_blue(struct pawl_client *client, struct pawl_result **ret_result)
{
    struct pawl_batch_request batch = { .action = PAWL_BATCH_RAISE_EVENT,
                                        .event_name = "go",
                                        .payload = pawl_text("now") };
    batch.query.tags_count = 1;
    batch.query.tags = &team_tag;
    return pawl_client_batch(client, &batch, ret_result);
}

static void a_batch_tells_how_many_and_where_to_go_on(void **state)
{
    (void)state;
    begin(raise_to_blue);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_BATCH);
    assert_int_equal(frame->request.batch_op, PAWL_REQUEST_RAISE);
    assert_true(pawl_bytes_is_str(frame->request.event_name, "go"));
    assert_true(pawl_bytes_is_str(frame->request.event_data, "now"));
    assert_int_equal(frame->request.request_id.size, 32);
    send_answer(frame->token, (struct pawl_answer){ .batch = { 3, 2, 1 },
                                                    .cursor = PAWL_BYTES_LITERAL("c1|a"),
                                                    .message = PAWL_BYTES_LITERAL("gone") });
    assert_int_equal(end(), PAWL_OK);
    assert_int_equal(pawl_result_batch_matched(fixture->result), 3);
    assert_int_equal(pawl_result_batch_done(fixture->result), 2);
    assert_int_equal(pawl_result_batch_failed(fixture->result), 1);
    assert_string_equal(pawl_result_cursor(fixture->result), "c1|a");
    assert_string_equal(pawl_result_message(fixture->result), "gone");
}

static pawl_err export_order(struct pawl_client *client, struct pawl_result **ret_result)
{
    return pawl_client_export(client, "o-1", ret_result);
}

/* One event of a history of so many, in an answer to the next question. */
static void answer_events(uint32_t from, uint32_t total, struct pawl_bytes *events, uint32_t count)
{
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_HISTORY);
    assert_int_equal(frame->request.from, from);
    assert_true(frame->request.with_payloads);
    struct pawl_instance_state state = { .instance = PAWL_BYTES_LITERAL("o-1"),
                                         .name = PAWL_BYTES_LITERAL("order"),
                                         .status = PAWL_STATUS_RUNNING,
                                         .gen = 1 };
    send_answer(frame->token, (struct pawl_answer){ .states_count = 1,
                                                    .states = &state,
                                                    .events_total = total,
                                                    .events_count = count,
                                                    .events = events });
}

static void answer_page(uint32_t from, uint32_t total, const char *waiting)
{
    struct pawl_arena *arena = &fixture->fake.arena;
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_WORKFLOW_STARTED, 1000);
    struct pawl_history_event raised = pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, 2000);
    raised.name = pawl_bytes_str(waiting);
    struct pawl_bytes events[] = { pawl_history_event_pack(arena, &event),
                                   pawl_history_event_pack(arena, &raised) };
    answer_events(from, total, events, waiting ? 2 : 1);
}

static pawl_err start_with_a_wrong_reuse(struct pawl_client *client,
                                         struct pawl_result **ret_result)
{
    struct pawl_start start = { .name = "order", .reuse = (enum pawl_id_reuse)99 };
    return pawl_client_start(client, &start, ret_result);
}

static pawl_err schedule_with_a_wrong_overlap(struct pawl_client *client,
                                              struct pawl_result **ret_result)
{
    struct pawl_schedule schedule = { .id = "s", .overlap = (enum pawl_overlap)99 };
    return pawl_client_create_schedule(client, &schedule, NULL, ret_result);
}

static void what_is_none_of_an_enum_is_refused_with_a_result(void **state)
{
    (void)state;
    begin(start_with_a_wrong_reuse);
    assert_int_equal(end(), PAWL_E_INVALID);
    assert_string_equal(pawl_result_message(fixture->result), "reuse: none of enum pawl_id_reuse");
    pawl_result_free(fixture->result);
    begin(schedule_with_a_wrong_overlap);
    assert_int_equal(end(), PAWL_E_INVALID);
    assert_string_equal(pawl_result_message(fixture->result), "overlap: none of enum pawl_overlap");
}

static void an_export_is_of_one_moment(void **state)
{
    (void)state;
    begin(export_order);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    answer_page(0, 2, NULL);
    answer_page(1, 3, NULL); /* it has gone on: from the beginning */
    answer_page(0, 3, NULL);
    answer_page(1, 3, NULL);
    answer_page(2, 3, "late");
    assert_int_equal(end(), PAWL_OK);
    struct pawl_bytes json = pawl_result_json(fixture->result);
    const char *text = (const char *)json.data;
    assert_int_equal(strlen(text), json.size);
#define EVENT(index)                                                    \
    "{\"index\":" index ",\"kind\":\"WorkflowStarted\",\"eventId\":-1," \
    "\"timestamp\":\"1970-01-01T00:00:01.000000000Z\"}"
    assert_string_equal(text,
                        "{\"instanceID\":\"o-1\",\"workflowName\":\"order\","
                        "\"runtimeStatus\":\"RUNNING\",\"generation\":1,\"total\":3,"
                        "\"events\":[" EVENT("0") "," EVENT("1") "," EVENT(
                            "2") "],"
                                 "\"waiting\":[{\"index\":0,\"kind\":\"EventRaised\","
                                 "\"eventId\":-1,\"timestamp\":\"1970-01-01T00:00:02.000000000Z\","
                                 "\"name\":\"late\"}]}");
#undef EVENT
}

static void an_export_of_what_never_rests_is_given_up(void **state)
{
    (void)state;
    begin(export_order);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    for (uint32_t i = 0; i < PAWL_EXPORT_MOMENTS_MAX; i++) {
        answer_page(0, 2, NULL);
        answer_page(1, 3, NULL);
    }
    assert_int_equal(end(), PAWL_E_BUSY);
    assert_non_null(strstr(pawl_result_message(fixture->result), "suspend it"));
    assert_int_equal(pawl_result_json(fixture->result).size, 0);
}

static void an_export_says_that_the_sidecar_keeps_something_back(void **state)
{
    (void)state;
    begin(export_order);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    answer_page(0, 2, NULL);
    answer_events(1, 2, NULL, 0);
    assert_int_equal(end(), PAWL_E_CORRUPT);
    assert_non_null(strstr(pawl_result_message(fixture->result), "fewer events"));
}

static pawl_err import_order(struct pawl_client *client, struct pawl_result **ret_result)
{
    return pawl_client_import(client, pawl_text("{\"instanceID\":\"o\"}"), NULL, "key", ret_result);
}

static void an_import_goes_as_it_is_and_names_what_it_made(void **state)
{
    (void)state;
    assert_int_equal(pawl_client_import(fixture->client, pawl_none(), "o", NULL, &fixture->result),
                     PAWL_E_INVALID);
    pawl_result_free(fixture->result);
    begin(import_order);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_IMPORT);
    assert_true(pawl_bytes_is_absent(frame->request.instance)); /* the file says */
    assert_true(pawl_bytes_is_str(frame->request.payload, "{\"instanceID\":\"o\"}"));
    assert_true(pawl_bytes_is_str(frame->request.request_id, "key"));
    send_answer(frame->token, (struct pawl_answer){ .instance = PAWL_BYTES_LITERAL("o") });
    assert_int_equal(end(), PAWL_OK);
    assert_string_equal(pawl_result_id(fixture->result), "o");
}

static void a_bad_tag_and_a_batch_of_everything_are_told(void **state)
{
    (void)state;
    static const struct pawl_instance_tag bad = { "a=b", "c" };
    struct pawl_start start = { .name = "order", .tags_count = 1, .tags = &bad };
    assert_int_equal(pawl_client_start(fixture->client, &start, &fixture->result), PAWL_E_INVALID);
    assert_non_null(strstr(pawl_result_message(fixture->result), "contains '='"));
    pawl_result_free(fixture->result);
    struct pawl_batch_request batch = { .action = PAWL_BATCH_PURGE };
    assert_int_equal(pawl_client_batch(fixture->client, &batch, &fixture->result), PAWL_E_INVALID);
    assert_non_null(strstr(pawl_result_message(fixture->result), "matches every instance"));
}

static void a_bad_argument_is_told_without_asking_anybody(void **state)
{
    (void)state;
    struct pawl_start start = { .name = "" };
    assert_int_equal(pawl_client_start(fixture->client, &start, &fixture->result), PAWL_E_INVALID);
    assert_string_not_equal(pawl_result_message(fixture->result), "");
}

static pawl_err get_one(struct pawl_client *client, struct pawl_result **ret_result)
{
    return pawl_client_get(client, "i-1", ret_result);
}

static void a_refused_client_reports_the_reason(void **state)
{
    (void)state;
    fixture->fake.refuse_hello = true;
    begin(get_one);
    /* The call may come before or after the first refusal: each connection gets one. */
    while (!atomic_load(&fixture->is_over)) fake_serve(&fixture->fake, 10);
    assert_int_equal(end(), PAWL_E_DENIED);
    assert_string_equal(pawl_result_message(fixture->result), "bad token");
}

static void a_client_of_another_app_names_it_in_every_call(void **state)
{
    (void)state;
    pawl_client_free(fixture->client);
    fixture->client = NULL;
    struct pawl_client_options options = { .endpoint = fixture->fake.url,
                                           .app_id = "shop",
                                           .target_app = "other/shop" };
    struct pawl_client *client;
    assert_int_equal(pawl_client_new(&options, &client), PAWL_E_INVALID);
    options.target_app = "bank";
    assert_int_equal(pawl_client_new(&options, &fixture->client), PAWL_OK);
    begin(start_order);
    (void)fake_expect(&fixture->fake, PAWL_FRAME_HELLO);
    const struct pawl_request_frame *frame = expect_request(PAWL_REQUEST_START);
    assert_true(pawl_bytes_is_str(frame->request.app, "bank"));
    send_answer(frame->token, (struct pawl_answer){ .instance = frame->request.instance });
    assert_int_equal(end(), PAWL_OK);
}

static void without_a_sidecar_a_call_is_unavailable_and_says_where(void **state)
{
    (void)state;
    struct pawl_client_options options = { .endpoint = "ipc:///nonexistent/pawl.sock",
                                           .timeout_ms = 300 };
    struct pawl_client *client;
    assert_int_equal(pawl_client_new(&options, &client), PAWL_OK);
    assert_int_equal(pawl_client_get(client, "i-1", &fixture->result), PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(pawl_result_message(fixture->result), "ipc:///nonexistent/pawl.sock"));
    pawl_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(start_chooses_an_id_and_a_request_id),
        TEST(a_start_whose_answer_was_lost_is_sent_again_as_the_same_request),
        TEST(a_purge_whose_answer_was_lost_is_unknown),
        TEST(wait_returns_the_state_with_all_its_parts),
        TEST(a_wait_for_nobody_is_not_found),
        TEST(a_wait_goes_on_until_its_own_time_is_up),
        TEST(an_unreached_wait_is_a_timeout_with_the_present_state),
        TEST(history_is_decoded_item_by_item),
        TEST(a_count_takes_a_whole_query),
        TEST(a_batch_tells_how_many_and_where_to_go_on),
        TEST(what_is_none_of_an_enum_is_refused_with_a_result),
        TEST(an_export_is_of_one_moment),
        TEST(an_export_of_what_never_rests_is_given_up),
        TEST(an_export_says_that_the_sidecar_keeps_something_back),
        TEST(an_import_goes_as_it_is_and_names_what_it_made),
        TEST(a_bad_tag_and_a_batch_of_everything_are_told),
        TEST(a_bad_argument_is_told_without_asking_anybody),
        TEST(a_refused_client_reports_the_reason),
        TEST(a_client_of_another_app_names_it_in_every_call),
        TEST(without_a_sidecar_a_call_is_unavailable_and_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
