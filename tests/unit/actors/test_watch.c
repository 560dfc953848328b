/* Watch: subscribers hear of every change, once, in order, and know when they did not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */
#include <stdio.h>

#include "actors/position.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "tests/unit/actors/cluster.h"
#include "tests/unit/actors/fixture.h"

#define WORKER  7u
#define LONG_MS 30000

static struct fixture *new_fixture(uint32_t partitions)
{
    struct pawl_node_config config = { .partitions = partitions };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 1000, 100);
    return fixture;
}

static struct pawl_request watch_of(const char *instance, struct pawl_bytes position)
{
    return (struct pawl_request){ .op = PAWL_REQUEST_WATCH,
                                  .instance = pawl_bytes_str(instance),
                                  .cursor = position,
                                  .timeout_ms = LONG_MS };
}

/* Asks, and goes on from the last answer. */
static void ask(struct fixture *fixture, const char *instance)
{
    struct pawl_request watch = watch_of(instance, fixture->cursor);
    uint32_t before = fixture->answers_count;
    fixture_call(fixture, &watch);
    assert_int_equal(fixture->answers_count, before + 1);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
}

static void take_turn(struct fixture *fixture, const char *custom, bool ends)
{
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(frame);
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    end.status = PAWL_STATUS_COMPLETED;
    struct pawl_turn_done done = { .turn = frame->turn.turn,
                                   .instance = frame->turn.instance,
                                   .custom_status_set = custom != NULL,
                                   .custom_status = pawl_bytes_str(custom),
                                   .actions_count = ends ? 1 : 0,
                                   .actions = &end };
    struct pawl_node_event event = { .type = PAWL_NODE_TURN_DONE, .worker = WORKER };
    event.turn_done = &done;
    fixture_step(fixture, event);
}

static void raise_event(struct fixture *fixture, const char *instance)
{
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = pawl_bytes_str(instance),
                                  .name = PAWL_BYTES_LITERAL("go") };
    struct pawl_bytes position = fixture->cursor;
    fixture_call(fixture, &raise);
    fixture->cursor = position;
}

static void start(struct fixture *fixture, const char *instance)
{
    struct pawl_bytes position = fixture->cursor;
    fixture_start(fixture, instance);
    fixture->cursor = position;
}

static void purge(struct fixture *fixture, const char *instance)
{
    struct pawl_request request = { .op = PAWL_REQUEST_PURGE,
                                    .instance = pawl_bytes_str(instance),
                                    .force = true };
    struct pawl_bytes position = fixture->cursor;
    fixture_call(fixture, &request);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    fixture->cursor = position;
}

static void expect_change(const struct fixture *fixture, uint32_t at, const char *instance,
                          uint32_t what, enum pawl_status status)
{
    assert_true(at < fixture->changes_count);
    const struct pawl_lifecycle_event *change = &fixture->changes[at];
    assert_true(pawl_bytes_is_str(change->instance, instance));
    assert_int_equal(change->what, what);
    assert_int_equal(change->status, status);
}

static void the_whole_life_of_an_instance_is_told_in_order(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(4);
    ask(fixture, "i"); /* it is not there yet */
    assert_int_equal(fixture->listed_count, 0);
    assert_int_equal(fixture->changes_count, 0);
    start(fixture, "i");
    take_turn(fixture, "half", false);
    raise_event(fixture, "i");
    take_turn(fixture, NULL, true);
    purge(fixture, "i");
    ask(fixture, "i");
    assert_true(fixture->answer_reached);
    assert_int_equal(fixture->changes_count, 4);
    expect_change(fixture, 0, "i", PAWL_CHANGE_CREATED, PAWL_STATUS_PENDING);
    expect_change(fixture, 1, "i", PAWL_CHANGE_STATUS | PAWL_CHANGE_CUSTOM_STATUS,
                  PAWL_STATUS_RUNNING);
    assert_true(pawl_bytes_is_str(fixture->changes[1].custom_status, "half"));
    expect_change(fixture, 2, "i", PAWL_CHANGE_STATUS, PAWL_STATUS_COMPLETED);
    expect_change(fixture, 3, "i", PAWL_CHANGE_PURGED, PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

static void whoever_waits_is_answered_with_the_commit(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(4);
    start(fixture, "i");
    ask(fixture, "i");
    assert_int_equal(fixture->answer_status, PAWL_STATUS_PENDING); /* its state comes first */
    struct pawl_request watch = watch_of("i", fixture->cursor);
    uint32_t before = fixture->answers_count;
    fixture_call(fixture, &watch);
    start(fixture, "other"); /* in the same partition or not: not asked for */
    before++;
    assert_int_equal(fixture->answers_count, before);
    take_turn(fixture, NULL, false);
    assert_int_equal(fixture->answers_count, before + 1);
    assert_int_equal(fixture->changes_count, 1);
    expect_change(fixture, 0, "i", PAWL_CHANGE_STATUS, PAWL_STATUS_RUNNING);
    fixture_free(fixture);
}

static void a_custom_status_is_told_when_it_changes_and_left_out_when_large(void **state)
{
    (void)state;
    static char large[PAWL_CHANGE_CUSTOM_SIZE_MAX + 2];
    memset(large, 'x', sizeof large - 1);
    struct fixture *fixture = new_fixture(1);
    start(fixture, "i");
    take_turn(fixture, "half", false);
    ask(fixture, "i");
    const char *const customs[] = { "half", "done", large };
    for (size_t i = 0; i < 3; i++) {
        raise_event(fixture, "i");
        take_turn(fixture, customs[i], false);
    }
    ask(fixture, "i");
    assert_int_equal(fixture->changes_count, 2);
    expect_change(fixture, 0, "i", PAWL_CHANGE_CUSTOM_STATUS, PAWL_STATUS_RUNNING);
    assert_true(pawl_bytes_is_str(fixture->changes[0].custom_status, "done"));
    expect_change(fixture, 1, "i", PAWL_CHANGE_CUSTOM_STATUS | PAWL_CHANGE_CUSTOM_OMITTED,
                  PAWL_STATUS_RUNNING);
    assert_true(pawl_bytes_is_absent(fixture->changes[1].custom_status));
    fixture_free(fixture);
}

static void a_stream_of_the_app_has_all_partitions_and_goes_on_anywhere(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(8);
    char id[16];
    ask(fixture, NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "i%d", i);
        start(fixture, id);
    }
    fixture_restart(fixture); /* another sidecar knows nothing of the subscriber */
    fixture_connect(fixture, WORKER, 1000, 100);
    uint32_t seen = 0;
    while (seen < 20) {
        struct pawl_request watch = watch_of(NULL, fixture->cursor);
        watch.limit = 3;
        fixture_call(fixture, &watch);
        assert_true(fixture->changes_count > 0 && fixture->changes_count <= 3);
        seen += fixture->changes_count;
    }
    assert_int_equal(seen, 20);
    fixture_free(fixture);
}

static void only_what_was_asked_for_is_told(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(2);
    ask(fixture, NULL);
    struct pawl_bytes position = fixture->cursor;
    start(fixture, "i");
    take_turn(fixture, NULL, true);
    struct pawl_request watch = watch_of(NULL, position);
    watch.status_mask = 1u << PAWL_STATUS_COMPLETED;
    fixture_call(fixture, &watch);
    assert_int_equal(fixture->changes_count, 1);
    expect_change(fixture, 0, "i", PAWL_CHANGE_STATUS, PAWL_STATUS_COMPLETED);
    watch.status_mask = 0;
    watch.name = PAWL_BYTES_LITERAL("Other");
    watch.timeout_ms = 0;
    fixture_call(fixture, &watch);
    assert_int_equal(fixture->changes_count, 0);
    watch.name = PAWL_BYTES_LITERAL("W");
    fixture_call(fixture, &watch);
    assert_int_equal(fixture->changes_count, 2);
    fixture_free(fixture);
}

static void write_past_the_node(struct fixture *fixture, const char *instance, uint32_t kept)
{
    struct pawl_store_reply reply;
    struct pawl_store_request request = { .op = PAWL_STORE_CREATE };
    request.create = (struct pawl_create){ .instance = pawl_bytes_str(instance),
                                           .inc = { { 1 } },
                                           .name = PAWL_BYTES_LITERAL("W"),
                                           .created_ms = fixture->now_ms,
                                           .changes_max = kept };
    pawl_mem_store_apply(fixture->mem, &request, &fixture->arena, &reply);
    assert_int_equal(reply.err, PAWL_OK);
}

static void who_comes_too_late_is_told_and_shown_the_present_state(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(1);
    ask(fixture, "i");
    start(fixture, "i");
    take_turn(fixture, NULL, false);
    write_past_the_node(fixture, "other", 1); /* all but this entry is forgotten */
    ask(fixture, "i");
    assert_false(fixture->answer_reached);
    assert_int_equal(fixture->listed_count, 1);
    assert_int_equal(fixture->answer_status, PAWL_STATUS_RUNNING);
    assert_int_equal(fixture->changes_count, 0); /* the state shows it */
    raise_event(fixture, "i");
    take_turn(fixture, NULL, true);
    ask(fixture, "i");
    assert_true(fixture->answer_reached);
    assert_int_equal(fixture->changes_count, 1);
    fixture_free(fixture);
}

static void a_gap_of_the_app_is_told_with_what_is_left(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(1);
    ask(fixture, NULL);
    start(fixture, "i");
    write_past_the_node(fixture, "other", 1);
    ask(fixture, NULL);
    assert_false(fixture->answer_reached);
    assert_int_equal(fixture->changes_count, 1);
    expect_change(fixture, 0, "other", PAWL_CHANGE_CREATED, PAWL_STATUS_PENDING);
    /* Of another log: an older backup was put back. */
    uint64_t later = 1000;
    fixture->cursor = pawl_position_format(&fixture->arena, 1, 0, 1, &later);
    ask(fixture, NULL);
    assert_false(fixture->answer_reached);
    assert_int_equal(fixture->changes_count, 0);
    fixture_free(fixture);
}

static void what_another_has_written_is_found_within_a_second(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(1);
    ask(fixture, NULL);
    struct pawl_request watch = watch_of(NULL, fixture->cursor);
    uint32_t before = fixture->answers_count;
    fixture_call(fixture, &watch);
    write_past_the_node(fixture, "other", 10);
    fixture_pass(fixture, PAWL_WATCH_LOOK_MS + 10);
    assert_int_equal(fixture->answers_count, before + 1);
    assert_int_equal(fixture->changes_count, 1);
    fixture_free(fixture);
}

static void nothing_is_an_answer_too_when_the_time_is_up(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(4);
    ask(fixture, NULL);
    struct pawl_request watch = watch_of(NULL, fixture->cursor);
    uint32_t before = fixture->answers_count;
    fixture_call(fixture, &watch);
    fixture_pass(fixture, LONG_MS - 10);
    assert_int_equal(fixture->answers_count, before);
    fixture_pass(fixture, 20);
    assert_int_equal(fixture->answers_count, before + 1);
    assert_true(fixture->answer_reached);
    assert_true(fixture->cursor.size > 0);
    fixture_free(fixture);
}

static void a_position_of_another_stream_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "x",
                                         "a4-",
                                         "i4-0-",
                                         "a4-1.2",
                                         "a4-1.2.3.4.5",
                                         "a5-....",
                                         "a4-..!.",
                                         "a4-...zzzzzzzzzzzzzzzzzzzz" };
    struct fixture *fixture = new_fixture(4);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pawl_request watch = watch_of(NULL, pawl_bytes_str(wrong[i]));
        fixture_call(fixture, &watch);
        assert_int_equal(fixture_last_err(fixture), PAWL_E_INVALID);
    }
    struct pawl_request watch = watch_of(NULL, PAWL_BYTES_LITERAL("a4-..."));
    watch.timeout_ms = 0;
    fixture_call(fixture, &watch);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    fixture_free(fixture);
}

static void too_many_are_refused_until_one_has_gone(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(1);
    ask(fixture, NULL);
    struct pawl_request watch = watch_of(NULL, fixture->cursor);
    uint64_t token = 0;
    for (uint32_t i = 0; i < PAWL_WATCHES_MAX; i++) token = fixture_call(fixture, &watch);
    uint32_t before = fixture->answers_count;
    fixture_call(fixture, &watch);
    assert_int_equal(fixture->answers_count, before + 1);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_BUSY);
    struct pawl_node_event gone = { .type = PAWL_NODE_REQUEST_GONE };
    gone.request.token = token;
    fixture_step(fixture, gone);
    fixture_call(fixture, &watch);
    assert_int_equal(fixture->answers_count, before + 1); /* it waits */
    fixture_free(fixture);
}

static void a_store_that_is_away_is_said(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture(1);
    ask(fixture, NULL);
    struct pawl_request watch = watch_of(NULL, fixture->cursor);
    uint32_t before = fixture->answers_count;
    fixture->store_away = true;
    fixture_pass(fixture, 10000); /* nothing is known any more */
    fixture_call(fixture, &watch);
    fixture_pass(fixture, 10000);
    assert_int_equal(fixture->answers_count, before + 1);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_UNAVAILABLE);
    fixture_free(fixture);
}

/* Of the app, at the first sidecar; it waits for what the second one commits. */
static uint64_t watch_at_x1(struct cluster *cluster)
{
    struct pawl_request watch = watch_of(NULL, PAWL_BYTES_ABSENT);
    uint64_t token = cluster_ask(cluster, X1, &watch);
    watch.cursor = cluster_answer(cluster, token)->cursor;
    assert_true(watch.cursor.size > 0);
    token = cluster_ask(cluster, X1, &watch);
    assert_null(cluster_answer(cluster, token));
    return token;
}

static void what_another_sidecar_commits_is_told_at_once(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    uint64_t token = watch_at_x1(cluster);
    int64_t before_ms = cluster->now_ms;
    assert_int_equal(cluster_start(cluster, X2, cluster_instance(cluster, X2, 0)), PAWL_OK);
    cluster_pass(cluster, 2 * PAWL_NEWS_TELL_MS);
    assert_non_null(cluster_answer(cluster, token));
    assert_int_equal(cluster_answer(cluster, token)->events_count, 1);
    assert_true(cluster->now_ms - before_ms < PAWL_WATCH_LOOK_MS / 2);
    cluster_free(cluster);
}

static void news_that_is_lost_makes_it_late_and_nothing_else(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    cluster->lose[PAWL_PEER_NEWS] = true;
    uint64_t token = watch_at_x1(cluster);
    assert_int_equal(cluster_start(cluster, X2, cluster_instance(cluster, X2, 0)), PAWL_OK);
    assert_int_equal(cluster->sent[PAWL_PEER_NEWS], 1);
    assert_null(cluster_answer(cluster, token));
    cluster_pass(cluster, PAWL_WATCH_LOOK_MS);
    assert_int_equal(cluster_answer(cluster, token)->events_count, 1);
    cluster_free(cluster);
}

static void news_goes_to_those_who_asked_lately_and_not_too_often(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    assert_int_equal(cluster_start(cluster, X2, cluster_instance(cluster, X2, 0)), PAWL_OK);
    assert_int_equal(cluster->sent[PAWL_PEER_NEWS], 0);
    (void)watch_at_x1(cluster);
    for (uint32_t i = 1; i <= 8; i++)
        assert_int_equal(cluster_start(cluster, X2, cluster_instance(cluster, X2, i)), PAWL_OK);
    assert_int_equal(cluster->sent[PAWL_PEER_NEWS], 1); /* the others wait */
    cluster_pass(cluster, PAWL_NEWS_TELL_MS);
    assert_int_equal(cluster->sent[PAWL_PEER_NEWS], 2);
    cluster_pass(cluster, LONG_MS + PAWL_NEWS_WANTED_MS); /* nobody watches any more */
    assert_int_equal(cluster_start(cluster, X2, cluster_instance(cluster, X2, 9)), PAWL_OK);
    cluster_pass(cluster, PAWL_NEWS_TELL_MS);
    assert_int_equal(cluster->sent[PAWL_PEER_NEWS], 2);
    cluster_free(cluster);
}

static void another_app_gets_no_news_and_strange_ones_are_passed_over(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    cluster_forge(cluster, Y1, X2, &(struct pawl_peer_frame){ .type = PAWL_PEER_NEWS_WANTED });
    assert_int_equal(cluster_start(cluster, X2, cluster_instance(cluster, X2, 0)), PAWL_OK);
    assert_int_equal(cluster->sent[PAWL_PEER_NEWS], 0);
    uint32_t partitions[] = { CLUSTER_PARTITIONS, PAWL_PARTITIONS_MAX - 1 };
    struct pawl_peer_frame strange = { .type = PAWL_PEER_NEWS };
    strange.news = (struct pawl_peer_news){ .count = 2, .partitions = partitions };
    cluster_forge(cluster, X2, X1, &strange);
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_life_of_an_instance_is_told_in_order),
        cmocka_unit_test(whoever_waits_is_answered_with_the_commit),
        cmocka_unit_test(a_custom_status_is_told_when_it_changes_and_left_out_when_large),
        cmocka_unit_test(a_stream_of_the_app_has_all_partitions_and_goes_on_anywhere),
        cmocka_unit_test(only_what_was_asked_for_is_told),
        cmocka_unit_test(who_comes_too_late_is_told_and_shown_the_present_state),
        cmocka_unit_test(a_gap_of_the_app_is_told_with_what_is_left),
        cmocka_unit_test(what_another_has_written_is_found_within_a_second),
        cmocka_unit_test(nothing_is_an_answer_too_when_the_time_is_up),
        cmocka_unit_test(a_position_of_another_stream_is_refused),
        cmocka_unit_test(too_many_are_refused_until_one_has_gone),
        cmocka_unit_test(a_store_that_is_away_is_said),
        cmocka_unit_test(what_another_sidecar_commits_is_told_at_once),
        cmocka_unit_test(news_that_is_lost_makes_it_late_and_nothing_else),
        cmocka_unit_test(news_goes_to_those_who_asked_lately_and_not_too_often),
        cmocka_unit_test(another_app_gets_no_news_and_strange_ones_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
