/* Links between sidecars: who may have one, which of two stays, how one is lost. */
#include "base/bytes.h"
#include "base/limits.h"
#include "peer_fake.h"

/* Making a link ------------------------------------------------------------------- */

static void a_link_is_dialled_when_there_is_something_to_send(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    assert_int_equal(outside->events_count, 1);
    assert_int_equal(outside->events[0].type, PAWL_NODE_MEMBERS);
    assert_int_equal(outside->dials_count, 0);

    outside_node_sends(outside, "c", 7, START);
    outside_node_sends(outside, "c", 8, START);
    assert_int_equal(outside->dials_count, 1); /* both wait for one link */
    assert_string_equal(outside->dialled[0], "tcp://10.0.0.c:3502");
    assert_int_equal(outside->sent_count, 0);
    assert_true(outside_metrics(outside)->bytes_queued > 0);

    uint64_t conn = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, conn, true, START + 1);
    assert_int_equal(outside->sent_count, 1);
    assert_int_equal(outside->sent[0].type, PAWL_PEER_HELLO);
    assert_int_equal(outside->sent[0].hello.protocol_version, PAWL_PEER_PROTOCOL_VERSION);
    assert_true(pawl_bytes_is_str(outside->sent[0].hello.namespace_, "prod"));
    assert_true(pawl_bytes_is_str(outside->sent[0].hello.app, "shop"));
    assert_true(pawl_bytes_is_str(outside->sent[0].hello.host, "b"));

    outside_hear(outside, conn, peer_greeting(PAWL_PEER_WELCOME, "c"), START + 2);
    assert_int_equal(outside->sent_count, 2);
    assert_int_equal(outside->sent[1].type, PAWL_PEER_CREDIT);
    assert_int_equal(outside->sent[1].credit, PAWL_PEER_WINDOW);

    outside_credit(outside, conn, PAWL_PEER_WINDOW, START + 3); /* now it may */
    assert_int_equal(outside->sent_count, 4);
    assert_int_equal(outside->sent[2].call.token, 7);
    assert_int_equal(outside->sent[3].call.token, 8);
    assert_int_equal(outside_metrics(outside)->bytes_queued, 0);
    assert_int_equal(outside_metrics(outside)->links_ready, 1);
    assert_int_equal(outside_metrics(outside)->frames_sent_total, 2);
}

static void a_member_is_welcome_and_heard(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "c"), START);
    assert_int_equal(outside->sent[0].type, PAWL_PEER_WELCOME);
    assert_true(pawl_bytes_is_str(outside->sent[0].hello.host, "b"));
    assert_int_equal(outside->sent[1].type, PAWL_PEER_CREDIT);

    outside_hear(outside, 1, peer_gone(5), START);
    assert_int_equal(outside->events_count, 2);
    assert_int_equal(outside->events[1].type, PAWL_NODE_PEER_FRAME);
    assert_true(pawl_bytes_is_str(outside->events[1].peer.host, "c"));
    assert_true(pawl_bytes_is_str(outside->events[1].peer.app, "bank"));
    assert_int_equal(outside_metrics(outside)->frames_received_total, 1);

    outside_credit(outside, 1, 1000, START);
    outside_node_sends(outside, "c", 6, START);
    assert_int_equal(outside->dials_count, 0); /* the link that is there serves both ways */
    assert_int_equal(outside->sent[2].call.token, 6);
}

static void a_hello_that_is_faster_than_the_list_waits_for_it(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "b", START);
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "c"), START);
    assert_int_equal(outside->sent_count, 0);
    outside_list(outside, "ab", START + 10);
    assert_int_equal(outside->sent_count, 0);
    outside_list(outside, "bc", START + 20);
    assert_int_equal(outside->sent[0].type, PAWL_PEER_WELCOME);
    assert_int_equal(outside->ended_count, 0);
    assert_int_equal(outside_metrics(outside)->links_ready, 1);
}

static void a_hello_whose_host_never_comes_is_refused(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "ab", START);
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "c"), START);
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_HANDSHAKE_MS - 1);
    assert_int_equal(outside->ended_count, 0);
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_HANDSHAKE_MS);
    assert_refused(outside, 1, PAWL_E_UNAVAILABLE, "not in the member list");
}

static void a_connection_that_says_nothing_is_closed(void **state)
{
    struct outside *outside = *state;
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    assert_int_equal(pawl_peer_stream_wake_at_ms(outside->stream), START + PAWL_PEER_HANDSHAKE_MS);
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_HANDSHAKE_MS);
    assert_ended(outside, 1);
    pawl_peer_stream_on_close(outside->stream, 1, "closed", START + PAWL_PEER_HANDSHAKE_MS);
    assert_int_equal(pawl_peer_stream_count(outside->stream), 0);
}

/* Who is refused -------------------------------------------------------------------- */

static void refused_with(struct outside *outside, struct pawl_peer_frame hello, pawl_err err,
                         const char *says)
{
    static uint64_t conn = 10;
    outside_forget(outside);
    pawl_peer_stream_on_open(outside->stream, ++conn, false, START);
    outside_hear(outside, conn, hello, START);
    assert_refused(outside, conn, err, says);
    assert_int_equal(outside->events_count, 0);
    assert_true(outside->warned_count > 0);
    outside_hear(outside, conn, peer_gone(1), START); /* … and not heard any more */
    assert_int_equal(outside->events_count, 0);
}

static void a_wrong_hello_is_refused_with_the_reason(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    struct pawl_peer_frame hello = peer_greeting(PAWL_PEER_HELLO, "a");
    hello.hello.protocol_version = 77;
    refused_with(outside, hello, PAWL_E_VERSION, "version 1 and the other 77");

    hello = peer_greeting(PAWL_PEER_HELLO, "a");
    hello.hello.namespace_ = PAWL_BYTES_LITERAL("test");
    refused_with(outside, hello, PAWL_E_DENIED, "namespace 'prod' and of namespace 'test'");

    hello = peer_greeting(PAWL_PEER_HELLO, "a");
    hello.hello.app = PAWL_BYTES_LITERAL("bank");
    refused_with(outside, hello, PAWL_E_DENIED, "it joined as a sidecar of app 'shop'");

    refused_with(outside, peer_greeting(PAWL_PEER_HELLO, "b"), PAWL_E_DENIED, "--host-id");
    refused_with(outside, peer_greeting(PAWL_PEER_WELCOME, "a"), PAWL_E_PROTOCOL, "must be HELLO");
    refused_with(outside, peer_gone(1), PAWL_E_PROTOCOL, "must be HELLO");
    assert_int_equal(outside_metrics(outside)->refused_total, 6);
    assert_int_equal(outside_metrics(outside)->links_ready, 0);
}

static void a_token_is_asked_for_on_both_sides(void **state)
{
    (void)state;
    struct outside *outside = outside_new("s3cret");
    outside_list(outside, "abc", START);
    struct pawl_peer_frame hello = peer_greeting(PAWL_PEER_HELLO, "a");
    refused_with(outside, hello, PAWL_E_DENIED, "token");
    hello.hello.token = PAWL_BYTES_LITERAL("s3creT");
    refused_with(outside, hello, PAWL_E_DENIED, "token");
    hello.hello.token = PAWL_BYTES_LITERAL("s3cret");
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, hello, START);
    assert_int_equal(outside_metrics(outside)->links_ready, 1);

    outside_node_sends(outside, "c", 1, START);
    uint64_t conn = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, conn, true, START);
    outside_hear(outside, conn, peer_greeting(PAWL_PEER_WELCOME, "c"), START);
    assert_refused(outside, conn, PAWL_E_DENIED, "token");
    outside_free(outside);
}

static void another_host_at_the_address_is_refused(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_node_sends(outside, "c", 1, START);
    uint64_t conn = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, conn, true, START);
    outside_forget(outside);
    outside_hear(outside, conn, peer_greeting(PAWL_PEER_WELCOME, "a"), START);
    assert_refused(outside, conn, PAWL_E_DENIED, "--peer-advertise");
    assert_int_equal(outside->events_count, 1);
    assert_down(outside, 0, "c");
}

static void garbage_ends_one_link_and_disturbs_no_other(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    outside_accepted(outside, "c", 2, START);
    outside_node_sends(outside, "a", 1, START);
    outside_node_sends(outside, "c", 1, START);
    pawl_peer_stream_on_frame(outside->stream, 2, PAWL_BYTES_LITERAL("\xc1garbage"), START);
    assert_refused(outside, 2, PAWL_E_PROTOCOL, "malformed");
    assert_int_equal(outside->events_count, 1);
    assert_down(outside, 0, "c");
    assert_int_equal(outside->ended_count, 1);

    outside_hear(outside, 1, peer_gone(3), START);
    assert_int_equal(outside->events[1].type, PAWL_NODE_PEER_FRAME);

    /* It is not called again at once. */
    outside_node_sends(outside, "c", 2, START + 1);
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_REST_MS - 1);
    assert_int_equal(outside->dials_count, 0);
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_REST_MS);
    assert_int_equal(outside->dials_count, 1);
}

static void what_is_said_once_is_not_said_twice(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "a"), START);
    assert_refused(outside, 1, PAWL_E_PROTOCOL, "once");
    outside_accepted(outside, "c", 2, START);
    outside_hear(outside, 2, peer_greeting(PAWL_PEER_WELCOME, "c"), START);
    assert_refused(outside, 2, PAWL_E_PROTOCOL, "once");
}

static void nothing_may_be_sent_before_welcome(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "b", START);
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "c"), START);
    outside_hear(outside, 1, peer_gone(1), START);
    assert_refused(outside, 1, PAWL_E_PROTOCOL, "before WELCOME");
}

/* Two links of one pair --------------------------------------------------------------- */

static void of_two_calls_that_of_the_smaller_host_stays(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_node_sends(outside, "c", 7, START); /* b < c: ours stays */
    uint64_t ours = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, ours, true, START);
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "c"), START);
    assert_refused(outside, 1, PAWL_E_CONFLICT, "smaller name");
    assert_int_equal(outside->warned_count, 0); /* nothing is wrong */
    outside_hear(outside, ours, peer_greeting(PAWL_PEER_WELCOME, "c"), START);
    outside_credit(outside, ours, 1000, START);
    assert_int_equal(outside->sent[outside->sent_count - 1].call.token, 7);

    outside_forget(outside);
    outside_node_sends(outside, "a", 8, START); /* a < b: theirs stays */
    ours = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, ours, true, START);
    pawl_peer_stream_on_open(outside->stream, 2, false, START);
    outside_hear(outside, 2, peer_greeting(PAWL_PEER_HELLO, "a"), START);
    assert_ended(outside, ours);
    assert_int_equal(outside->sent_to[outside->sent_count - 1], 2);
    outside_credit(outside, 2, 1000, START);
    assert_int_equal(outside->sent[outside->sent_count - 1].call.token, 8); /* nothing was lost */
    assert_int_equal(outside->events_count, 0);
    assert_int_equal(outside_metrics(outside)->links_ready, 2);

    pawl_peer_stream_on_close(outside->stream, ours, "closed", START); /* a late echo */
    assert_int_equal(outside->events_count, 0);
    assert_int_equal(outside_metrics(outside)->links_ready, 2);
}

/* The other side gave up the old link before we noticed anything. */
static void a_new_call_replaces_a_link_that_the_peer_has_given_up(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    outside_node_sends(outside, "a", 1, START);
    pawl_peer_stream_on_open(outside->stream, 2, false, START);
    outside_hear(outside, 2, peer_greeting(PAWL_PEER_HELLO, "a"), START);
    assert_ended(outside, 1);
    assert_int_equal(outside->events_count, 1);
    assert_down(outside, 0, "a");
    outside_credit(outside, 2, 1000, START);
    outside_node_sends(outside, "a", 2, START);
    assert_int_equal(outside->sent_to[outside->sent_count - 1], 2);
    assert_int_equal(outside_metrics(outside)->links_ready, 1);
    assert_int_equal(outside_metrics(outside)->links_lost_total, 1);
}

/* Our own link stays by its name, but it may be dead: speaking on it finds out. */
static void our_link_that_stays_is_tried(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    uint64_t ours = outside_dialled(outside, "c", START);
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "c"), START);
    assert_ended(outside, 1);
    assert_int_equal(outside->sent_to[outside->sent_count - 1], ours);
    assert_int_equal(outside->sent[outside->sent_count - 1].type, PAWL_PEER_PING);
    assert_int_equal(outside->events_count, 0);
}

/* The refusal may come before the other side's call: nothing is lost then. */
static void what_waits_goes_to_the_call_that_stays(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_node_sends(outside, "a", 7, START);
    uint64_t conn = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, conn, true, START);
    outside_hear(outside, conn,
                 (struct pawl_peer_frame){ .type = PAWL_PEER_REFUSED,
                                           .refused = { .err = PAWL_E_CONFLICT } },
                 START);
    assert_ended(outside, conn);
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "a"), START);
    outside_credit(outside, 1, 1000, START);
    assert_int_equal(outside->sent[outside->sent_count - 1].call.token, 7);
    assert_int_equal(outside->events_count, 1); /* MEMBERS */
}

/* … and when that call does not come, it is our turn again. */
static void a_call_that_stays_but_does_not_come_is_replaced(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_node_sends(outside, "a", 7, START);
    uint64_t conn = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, conn, true, START);
    outside_hear(outside, conn,
                 (struct pawl_peer_frame){ .type = PAWL_PEER_REFUSED,
                                           .refused = { .err = PAWL_E_CONFLICT } },
                 START);
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_RETRY_MS_MIN);
    assert_int_equal(outside->dials_count, 2);
    assert_int_equal(outside_metrics(outside)->frames_dropped_total, 0);
}

/* Losing a link ------------------------------------------------------------------------- */

static void a_dial_that_fails_is_told_once_and_tried_again_later(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_node_sends(outside, "c", 1, START);
    outside_forget(outside);
    pawl_peer_stream_on_close(outside->stream, outside->next_conn, "refused", START);
    assert_int_equal(outside->events_count, 1);
    assert_down(outside, 0, "c");
    assert_int_equal(outside->warned_count, 1);
    assert_int_equal(outside_metrics(outside)->bytes_queued, 0);
    assert_int_equal(outside_metrics(outside)->frames_dropped_total, 1);
    assert_int_equal(outside_metrics(outside)->dials_failed_total, 1);

    pawl_peer_stream_on_tick(outside->stream, START + 60000);
    assert_int_equal(outside->dials_count, 0); /* nothing to say: nobody is called */
    assert_int_equal(outside->events_count, 1);

    int64_t now_ms = START + 60000;
    for (int64_t wait_ms = 2 * PAWL_PEER_RETRY_MS_MIN; wait_ms < PAWL_PEER_RETRY_MS_MAX;
         wait_ms *= 2) {
        outside_node_sends(outside, "c", 2, now_ms);
        assert_int_equal(outside->dials_count, 1);
        outside_forget(outside);
        pawl_peer_stream_on_close(outside->stream, outside->next_conn, "refused", now_ms);
        assert_int_equal(outside->events_count, 1);
        assert_int_equal(outside->warned_count, 0);  /* said before */
        outside_node_sends(outside, "c", 3, now_ms); /* waits … */
        pawl_peer_stream_on_tick(outside->stream, now_ms + wait_ms - 1);
        assert_int_equal(outside->dials_count, 0);
        pawl_peer_stream_on_tick(outside->stream, now_ms + wait_ms); /* … until here */
        assert_int_equal(outside->dials_count, 1);
        outside_forget(outside);
        pawl_peer_stream_on_close(outside->stream, outside->next_conn, "refused", now_ms);
        outside_forget(outside);
        now_ms += 60000;
        wait_ms *= 2;
    }
}

static void a_dial_without_an_answer_fails(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_node_sends(outside, "c", 1, START);
    outside_node_sends(outside, "a", 1, START);
    uint64_t greeted = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, greeted, true, START + 10); /* it says nothing */
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_HANDSHAKE_MS);
    assert_int_equal(outside->ended_count, 2);
    assert_down(outside, 1, "a");
    assert_down(outside, 2, "c");
}

static void a_link_that_ends_is_told_once_and_dialled_again_at_once(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    uint64_t conn = outside_dialled(outside, "c", START);
    int64_t now_ms = START + PAWL_PEER_RETRY_MS_MAX;
    pawl_peer_stream_on_close(outside->stream, conn, "the peer closed", now_ms);
    assert_int_equal(outside->events_count, 1);
    assert_down(outside, 0, "c");
    assert_int_equal(outside_metrics(outside)->links_lost_total, 1);
    assert_int_equal(outside_metrics(outside)->links_ready, 0);
    outside_node_sends(outside, "c", 2, now_ms);
    assert_int_equal(outside->dials_count, 1);
}

/* The node learns from the loss and speaks in the same step. */
static void the_node_may_send_while_it_is_told(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    uint64_t conn = outside_dialled(outside, "c", START);
    outside->reply_to = PAWL_BYTES_LITERAL("c");
    pawl_peer_stream_on_close(outside->stream, conn, "the peer closed", START + 5000);
    assert_int_equal(outside->events_count, 1);
    assert_int_equal(outside->dials_count, 1);

    outside->reply_to = PAWL_BYTES_LITERAL("a");
    outside_forget(outside);
    outside_list(outside, "ab",
                 START + 5000); /* MEMBERS, then PEER_DOWN of c: it sends to a, twice */
    assert_int_equal(outside->events_count, 2);
    assert_down(outside, 1, "c");
    assert_string_equal(outside->dialled[0], "tcp://10.0.0.a:3502");
    assert_int_equal(outside->dials_count, 1);
}

static void a_link_that_nobody_used_ends_quietly(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    pawl_peer_stream_on_close(outside->stream, 1, "the peer closed", START);
    assert_int_equal(outside->events_count, 0);
}

static void a_host_that_leaves_the_list_loses_its_link(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    uint64_t conn = outside_dialled(outside, "c", START);
    outside_list(outside, "ab", START + 1);
    assert_ended(outside, conn);
    assert_int_equal(outside->events_count, 2);
    assert_int_equal(outside->events[0].type, PAWL_NODE_MEMBERS);
    assert_down(outside, 1, "c");
    pawl_peer_stream_on_close(outside->stream, conn, "closed", START + 2);
    assert_int_equal(outside->events_count, 2);

    outside_node_sends(outside, "c", 2, START + 3); /* nobody */
    assert_int_equal(outside->dials_count, 0);
    assert_int_equal(outside_metrics(outside)->frames_dropped_total, 1);
    uint32_t count = 0;
    (void)pawl_peer_stream_peers(outside->stream, &outside->arena, &count);
    assert_int_equal(count, 1);
}

static void an_old_list_is_ignored(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    uint64_t conn = outside_dialled(outside, "c", START);
    outside->version--;
    outside_list(outside, "b", START);
    assert_int_equal(outside->events_count, 0);
    assert_int_equal(outside->ended_count, 0);
    outside_node_sends(outside, "c", 2, START);
    assert_int_equal(outside->sent_to[0], conn);
}

static void a_refusal_by_the_other_side_is_logged_and_rested_upon(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_node_sends(outside, "c", 1, START);
    uint64_t conn = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, conn, true, START);
    outside_forget(outside);
    outside_hear(
        outside, conn,
        (struct pawl_peer_frame){
            .type = PAWL_PEER_REFUSED,
            .refused = { .err = PAWL_E_DENIED, .message = PAWL_BYTES_LITERAL("not you") } },
        START);
    assert_ended(outside, conn);
    assert_down(outside, 0, "c");
    assert_int_equal(outside->warned_count, 1);
    outside_node_sends(outside, "c", 2, START);
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_REST_MS - 1);
    assert_int_equal(outside->dials_count, 0);
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_REST_MS);
    assert_int_equal(outside->dials_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, outside_setup, outside_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_link_is_dialled_when_there_is_something_to_send),
        TEST(a_member_is_welcome_and_heard),
        TEST(a_hello_that_is_faster_than_the_list_waits_for_it),
        TEST(a_hello_whose_host_never_comes_is_refused),
        TEST(a_connection_that_says_nothing_is_closed),
        TEST(a_wrong_hello_is_refused_with_the_reason),
        TEST(a_token_is_asked_for_on_both_sides),
        TEST(another_host_at_the_address_is_refused),
        TEST(garbage_ends_one_link_and_disturbs_no_other),
        TEST(what_is_said_once_is_not_said_twice),
        TEST(nothing_may_be_sent_before_welcome),
        TEST(of_two_calls_that_of_the_smaller_host_stays),
        TEST(a_new_call_replaces_a_link_that_the_peer_has_given_up),
        TEST(our_link_that_stays_is_tried),
        TEST(what_waits_goes_to_the_call_that_stays),
        TEST(a_call_that_stays_but_does_not_come_is_replaced),
        TEST(a_dial_that_fails_is_told_once_and_tried_again_later),
        TEST(a_dial_without_an_answer_fails),
        TEST(a_link_that_ends_is_told_once_and_dialled_again_at_once),
        TEST(the_node_may_send_while_it_is_told),
        TEST(a_link_that_nobody_used_ends_quietly),
        TEST(a_host_that_leaves_the_list_loses_its_link),
        TEST(an_old_list_is_ignored),
        TEST(a_refusal_by_the_other_side_is_logged_and_rested_upon),
    };
    return cmocka_run_group_tests_name("sidecar/peer_stream", tests, NULL, NULL);
}
