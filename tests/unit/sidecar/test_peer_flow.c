/* Links between sidecars in use: heartbeats, credit, the end, and two real ends. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "peer_fake.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Heartbeats ------------------------------------------------------------------------------ */

static void a_quiet_link_is_kept_alive(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    for (int64_t ms = 100; ms <= 60000; ms += 100) {
        if (ms % 3000 == 0)
            outside_hear(outside, 1, (struct pawl_peer_frame){ .type = PAWL_PEER_PING },
                         START + ms);
        pawl_peer_stream_on_tick(outside->stream, START + ms);
    }
    assert_int_equal(outside->ended_count, 0);
    assert_true(outside->sent_count >= 20);
    for (uint32_t i = 0; i < outside->sent_count; i++) {
        assert_true(outside->sent[i].type == PAWL_PEER_PING
                    || outside->sent[i].type == PAWL_PEER_PONG);
    }
}

static void a_silent_peer_is_given_up(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    outside_node_sends(outside, "a", 1, START);
    for (int64_t ms = 100; ms < PAWL_PEER_SILENCE_MS; ms += 100) {
        pawl_peer_stream_on_tick(outside->stream, START + ms);
    }
    assert_int_equal(outside->ended_count, 0);
    pawl_peer_stream_on_tick(outside->stream, START + PAWL_PEER_SILENCE_MS);
    assert_ended(outside, 1);
    assert_down(outside, 0, "a");
    assert_int_equal(outside->warned_count, 1);
}

/* This process was stopped, not the others: what they said is not read yet. */
static void who_was_away_itself_gives_nobody_up(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    pawl_peer_stream_on_tick(outside->stream, START + 3600000);
    assert_int_equal(outside->ended_count, 0);
}

/* Credit ------------------------------------------------------------------------------------ */

static void without_credit_frames_wait_in_order(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "a"), START);
    outside_forget(outside);
    for (uint64_t token = 1; token <= 10; token++) outside_node_sends(outside, "a", token, START);
    assert_int_equal(outside->sent_count, 0);
    outside_credit(outside, 1, 1, START); /* one frame may overdraw it */
    assert_int_equal(outside->sent_count, 1);
    size_t frame_size = outside->sent_size[0];
    outside_credit(outside, 1, frame_size - 1, START); /* even: nothing more */
    assert_int_equal(outside->sent_count, 1);
    outside_credit(outside, 1, 9 * frame_size, START);
    assert_int_equal(outside->sent_count, 10);
    for (uint64_t i = 0; i < 10; i++) assert_int_equal(outside->sent[i].call.token, i + 1);
    assert_int_equal(outside_metrics(outside)->frames_dropped_total, 0);
}

static void what_is_taken_in_is_granted_again(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    uint8_t *body = calloc(1, PAWL_PEER_WINDOW / 8);
    assert_non_null(body);
    const struct pawl_peer_frame frame = {
        .type = PAWL_PEER_MESSAGE,
        .message = { .id = { { 1 } }, .body = pawl_bytes_make(body, PAWL_PEER_WINDOW / 8) },
    };
    uint64_t granted = 0;
    for (uint32_t i = 0; i < 64; i++) outside_hear(outside, 1, frame, START);
    for (uint32_t i = 0; i < outside->sent_count; i++) {
        assert_int_equal(outside->sent[i].type, PAWL_PEER_CREDIT);
        granted += outside->sent[i].credit;
    }
    free(body);
    assert_int_equal(outside->ended_count, 0);
    assert_true(outside->sent_count <= 32); /* not one for each frame */
    assert_true(granted > 63 * PAWL_PEER_WINDOW / 8 - PAWL_PEER_WINDOW / 4);
    assert_true(granted <= outside_metrics(outside)->bytes_received_total);
}

/* The largest frame may overdraw the window; then nothing may come before new credit. */
static void a_large_frame_is_granted_in_parts_of_the_window(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    size_t size = PAWL_FRAME_SIZE_MAX;
    uint8_t *body = calloc(1, size);
    assert_non_null(body);
    const struct pawl_peer_frame frame = {
        .type = PAWL_PEER_CALL, .call = { .token = 1, .frame = pawl_bytes_make(body, size) }
    };
    outside_hear(outside, 1, frame, START);
    outside_hear(outside, 1, frame, START);
    free(body);
    assert_int_equal(outside->ended_count, 0);
    assert_int_equal(outside->events_count, 2);
}

static void more_credit_than_the_window_ends_the_link(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    outside_credit(outside, 1, 1, START);
    assert_refused(outside, 1, PAWL_E_PROTOCOL, "window");
}

static void what_waits_for_a_peer_that_does_not_read_is_bounded(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    pawl_peer_stream_on_open(outside->stream, 1, false, START);
    outside_hear(outside, 1, peer_greeting(PAWL_PEER_HELLO, "a"), START);
    size_t size = 1u << 20;
    uint32_t count = 2 * PAWL_PEER_QUEUE_SIZE_MAX / (uint32_t)size;
    for (uint32_t i = 0; i < count; i++) outside_node_sends_bytes(outside, "a", size, START);
    assert_true(outside_metrics(outside)->bytes_queued <= PAWL_PEER_QUEUE_SIZE_MAX);
    assert_true(outside_metrics(outside)->bytes_queued > PAWL_PEER_QUEUE_SIZE_MAX - 2 * size);
    assert_true(outside_metrics(outside)->frames_dropped_total >= count / 2);
    assert_int_equal(outside->ended_count, 0);  /* it lives, and may read one day */
    assert_int_equal(outside->warned_count, 1); /* once is enough to know */

    outside_forget(outside);
    for (uint32_t ms = 1000; ms <= 60000; ms += 1000) { /* it goes on pinging */
        outside_hear(outside, 1, (struct pawl_peer_frame){ .type = PAWL_PEER_PONG }, START + ms);
        pawl_peer_stream_on_tick(outside->stream, START + ms);
    }
    assert_int_equal(outside->ended_count, 0);

    outside_accepted(outside, "c", 2, START + 60000); /* … and disturbs no other */
    outside_node_sends(outside, "c", 1, START + 60000);
    assert_int_equal(outside->sent_to[outside->sent_count - 1], 2);
}

/* The end ------------------------------------------------------------------------------------- */

static void the_end_closes_everything_after_what_was_sent(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    uint64_t conn = outside_dialled(outside, "c", START);
    outside_node_sends(outside, "a", 1, START);
    pawl_peer_stream_end_all(outside->stream, START);
    assert_ended(outside, 1);
    assert_ended(outside, conn);
    assert_true(outside->lingered[0] && outside->lingered[1]);
    assert_int_equal(outside->events_count, 0);
    assert_int_equal(pawl_peer_stream_count(outside->stream), 2);
    pawl_peer_stream_on_close(outside->stream, 1, "closed", START);
    pawl_peer_stream_on_close(outside->stream, conn, "closed", START);
    assert_int_equal(pawl_peer_stream_count(outside->stream), 0);
    assert_int_equal(outside->events_count, 0);

    outside_node_sends(outside, "a", 2, START);
    pawl_peer_stream_on_open(outside->stream, 3, false, START);
    assert_ended(outside, 3);
    assert_int_equal(outside->dials_count, 0);
}

static void peers_are_shown_with_the_state_of_their_link(void **state)
{
    struct outside *outside = *state;
    outside_list(outside, "abc", START);
    outside_accepted(outside, "a", 1, START);
    outside_node_sends(outside, "c", 1, START);
    uint32_t count = 0;
    const struct pawl_api_peer *peers =
        pawl_peer_stream_peers(outside->stream, &outside->arena, &count);
    assert_int_equal(count, 2);
    assert_true(pawl_bytes_is_str(peers[0].host, "a"));
    assert_string_equal(peers[0].state, "ready");
    assert_true(pawl_bytes_is_str(peers[1].app, "bank"));
    assert_true(pawl_bytes_is_str(peers[1].address, "tcp://10.0.0.c:3502"));
    assert_string_equal(peers[1].state, "connecting");
    assert_true(peers[1].queued > 0);
}

/* Two streams that talk to each other ------------------------------------------------------------
 *
 * Both dial at the same moment, and the frames of both connections come in every order
 * that a random generator finds: one link remains, and everything arrives. */

struct end {
    struct pawl_peer_stream *stream;
    struct two *two;
    uint32_t number; /* 0 or 1 */
    uint32_t heard_count;
};

struct pipe {
    bool closed;
    bool told[2];      /* … of the closing */
    uint32_t count[2]; /* frames on the way to end 0, 1 */
    struct pawl_bytes frames[2][64];
};

struct two {
    struct pawl_arena arena;
    struct end ends[2];
    struct pipe pipes[2];
    uint32_t pipes_count;
    uint64_t random;
};

static uint32_t chance(struct two *two, uint32_t below)
{
    two->random = two->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(two->random >> 33) % below;
}

static uint64_t conn_of(uint32_t pipe, uint32_t end)
{
    return 10 + 2 * (uint64_t)pipe + end;
}

static struct pipe *pipe_of(struct two *two, uint64_t conn)
{
    return &two->pipes[(conn - 10) / 2];
}

static uint64_t two_dial(void *context, const char *url)
{
    struct end *end = context;
    (void)url;
    assert_true(end->two->pipes_count < COUNT(end->two->pipes));
    return conn_of(end->two->pipes_count++, end->number);
}

static pawl_err two_send(void *context, uint64_t conn, struct pawl_bytes bytes)
{
    struct end *end = context;
    struct pipe *pipe = pipe_of(end->two, conn);
    uint32_t to = 1 - end->number;
    if (pipe->closed) return PAWL_OK;
    assert_true(pipe->count[to] < COUNT(pipe->frames[to]));
    pipe->frames[to][pipe->count[to]++] = pawl_arena_copy(&end->two->arena, bytes);
    return PAWL_OK;
}

static void two_end(void *context, uint64_t conn, bool linger)
{
    struct end *end = context;
    (void)linger;
    pipe_of(end->two, conn)->closed = true;
}

static void two_step(void *context, const struct pawl_node_event *event)
{
    struct end *end = context;
    if (event->type == PAWL_NODE_PEER_FRAME) end->heard_count++;
    assert_int_not_equal(event->type, PAWL_NODE_PEER_DOWN); /* no link is lost here */
}

/* One thing happens on a pipe, at one of its ends. False: there was nothing. */
static bool pipe_move(struct two *two, uint32_t index, uint32_t to)
{
    struct pipe *pipe = &two->pipes[index];
    struct pawl_peer_stream *stream = two->ends[to].stream;
    if (pipe->count[to] > 0) {
        struct pawl_bytes frame = pipe->frames[to][0];
        memmove(pipe->frames[to], pipe->frames[to] + 1, sizeof frame * --pipe->count[to]);
        pawl_peer_stream_on_frame(stream, conn_of(index, to), frame, START);
        return true;
    }
    if (!pipe->closed || pipe->told[to]) return false;
    pipe->told[to] = true;
    pawl_peer_stream_on_close(stream, conn_of(index, to), "closed", START);
    return true;
}

static void end_open(struct two *two, uint32_t number)
{
    static const char *const names[] = { "a", "b" };
    struct end *end = &two->ends[number];
    *end = (struct end){ .two = two, .number = number };
    end->stream = pawl_peer_stream_new(&(struct pawl_peer_stream_config){
        .namespace_ = "prod",
        .app = "shop",
        .host = names[number],
        .frame_size_max = PAWL_PEER_FRAME_SIZE_MAX,
        .outside = { end, two_dial, two_send, two_end, two_step } });
    struct outside lister = { .stream = end->stream };
    outside_list(&lister, "ab", START);
    outside_node_sends(&lister, names[1 - number], 1, START);
}

/* Either side may be told first, and frames may flow before the other pipe is made. */
static void pipe_make(struct two *two, uint32_t index)
{
    uint32_t first = chance(two, 2);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t end = first ^ i;
        pawl_peer_stream_on_open(two->ends[end].stream, conn_of(index, end), end == index, START);
    }
    for (uint32_t moves = chance(two, 6); moves > 0; moves--) {
        (void)pipe_move(two, chance(two, index + 1), chance(two, 2));
    }
}

static void both_call(uint64_t seed)
{
    struct two two = { .random = seed };
    pawl_arena_init(&two.arena);
    end_open(&two, 0);
    end_open(&two, 1);
    pipe_make(&two, 0);
    pipe_make(&two, 1);
    for (uint32_t idle = 0; idle < 100;) {
        idle = pipe_move(&two, chance(&two, 2), chance(&two, 2)) ? 0 : idle + 1;
    }
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(two.ends[i].heard_count, 1);
        assert_int_equal(pawl_peer_stream_metrics(two.ends[i].stream)->links_ready, 1);
        assert_int_equal(pawl_peer_stream_count(two.ends[i].stream), 1);
        pawl_peer_stream_free(two.ends[i].stream);
    }
    pawl_arena_deinit(&two.arena);
}

static void both_sides_may_call_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) both_call(seed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, outside_setup, outside_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_quiet_link_is_kept_alive),
        TEST(a_silent_peer_is_given_up),
        TEST(who_was_away_itself_gives_nobody_up),
        TEST(without_credit_frames_wait_in_order),
        TEST(what_is_taken_in_is_granted_again),
        TEST(a_large_frame_is_granted_in_parts_of_the_window),
        TEST(more_credit_than_the_window_ends_the_link),
        TEST(what_waits_for_a_peer_that_does_not_read_is_bounded),
        TEST(the_end_closes_everything_after_what_was_sent),
        TEST(peers_are_shown_with_the_state_of_their_link),
        cmocka_unit_test(both_sides_may_call_at_once),
    };
    return cmocka_run_group_tests_name("sidecar/peer_flow", tests, NULL, NULL);
}
