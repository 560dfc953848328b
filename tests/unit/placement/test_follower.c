#include "placement/follower.h"

#include <stdio.h>
#include <stdlib.h>

#include "../base/expect.h"

#include "base/limits.h"

#define T0          INT64_C(1000000)
#define EFFECTS_MAX 256u

/* A follower and what it wanted, in order. */
struct sidecar {
    struct pawl_follower *follower;
    struct pawl_arena arena;
    int64_t now_ms;
    uint32_t count;
    struct pawl_follower_effect effects[EFFECTS_MAX];
    uint32_t news;
    uint64_t link; /* dialled last */
    struct pawl_bytes address;
};

static void step(struct sidecar *sidecar, struct pawl_follower_event event)
{
    event.now_ms = sidecar->now_ms;
    struct pawl_follower_effects effects = pawl_follower_step(sidecar->follower, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        assert_true(sidecar->count < EFFECTS_MAX);
        struct pawl_follower_effect *kept = &sidecar->effects[sidecar->count++];
        *kept = effects.items[i];
        kept->frame = pawl_arena_copy(&sidecar->arena, kept->frame);
        kept->address = pawl_arena_copy(&sidecar->arena, kept->address);
        if (kept->type == PAWL_FOLLOWER_NEWS) sidecar->news++;
        if (kept->type != PAWL_FOLLOWER_DIAL) continue;
        assert_true(kept->link > sidecar->link);
        sidecar->link = kept->link;
        sidecar->address = kept->address;
    }
}

static struct sidecar *sidecar_new(uint32_t addresses_count)
{
    const struct pawl_bytes addresses[] = { PAWL_BYTES_LITERAL("tcp://p0:1"),
                                            PAWL_BYTES_LITERAL("tcp://p1:1"),
                                            PAWL_BYTES_LITERAL("tcp://p2:1") };
    const struct pawl_follower_config config = {
        .namespace_ = PAWL_BYTES_LITERAL("default"),
        .token = PAWL_BYTES_LITERAL("secret"),
        .self = { .host = PAWL_BYTES_LITERAL("h1"),
                  .app = PAWL_BYTES_LITERAL("orders"),
                  .address = PAWL_BYTES_LITERAL("tcp://10.0.0.7:3502"),
                  .partitions = 128 },
        .process = { { 1 } },
        .seed = 1,
        .addresses_count = addresses_count,
        .addresses = addresses,
    };
    struct sidecar *sidecar = calloc(1, sizeof *sidecar);
    assert_non_null(sidecar);
    sidecar->follower = pawl_follower_new(&config);
    sidecar->now_ms = T0;
    pawl_arena_init(&sidecar->arena);
    return sidecar;
}

static void sidecar_free(struct sidecar *sidecar)
{
    pawl_follower_free(sidecar->follower);
    pawl_arena_deinit(&sidecar->arena);
    free(sidecar);
}

static void tick(struct sidecar *sidecar)
{
    step(sidecar, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_TICK });
}

/* Until it wants to be woken, and then wake it. Returns how long that was. */
static int64_t sleep_and_wake(struct sidecar *sidecar)
{
    int64_t from_ms = sidecar->now_ms;
    int64_t wake_ms = pawl_follower_wake_at_ms(sidecar->follower);
    assert_true(wake_ms > 0);
    if (wake_ms > from_ms) sidecar->now_ms = wake_ms;
    tick(sidecar);
    return sidecar->now_ms - from_ms;
}

static void opened(struct sidecar *sidecar)
{
    step(sidecar,
         (struct pawl_follower_event){ .type = PAWL_FOLLOWER_OPENED, .link = sidecar->link });
}

static void closed(struct sidecar *sidecar)
{
    step(sidecar, (struct pawl_follower_event){
                      .type = PAWL_FOLLOWER_CLOSED, .link = sidecar->link, .why = "refused" });
}

static void hears(struct sidecar *sidecar, struct pawl_placement_frame frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_PLACEMENT_FRAME_SIZE_MAX);
    pawl_placement_frame_encode(&buf, &frame);
    step(sidecar, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_FRAME,
                                                .link = sidecar->link,
                                                .frame = pawl_buf_view(&buf) });
    pawl_buf_deinit(&buf);
}

static void welcomed(struct sidecar *sidecar)
{
    hears(sidecar,
          (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_WELCOME,
                                         .welcome = { 1, PAWL_BYTES_LITERAL("default"), 500 } });
}

static struct sidecar *sidecar_connected(uint32_t addresses_count)
{
    struct sidecar *sidecar = sidecar_new(addresses_count);
    tick(sidecar);
    opened(sidecar);
    welcomed(sidecar);
    assert_true(pawl_follower_status(sidecar->follower).connected);
    return sidecar;
}

static void redirected(struct sidecar *sidecar, const char *address)
{
    hears(sidecar, (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_REDIRECT,
                                                  .redirect = pawl_bytes_str(address) });
}

static void listed(struct sidecar *sidecar, uint64_t version, bool leaving)
{
    struct pawl_member member = { .host = PAWL_BYTES_LITERAL("h1"),
                                  .app = PAWL_BYTES_LITERAL("orders"),
                                  .address = PAWL_BYTES_LITERAL("tcp://10.0.0.7:3502"),
                                  .partitions = 128,
                                  .leaving = leaving };
    hears(sidecar, (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_MEMBERS,
                                                  .members = { version, 1, &member } });
}

/* The last frame it sent. */
static struct pawl_placement_frame last_frame(struct sidecar *sidecar)
{
    struct pawl_placement_frame frame = { 0 };
    for (uint32_t i = sidecar->count; i-- > 0;) {
        if (sidecar->effects[i].type != PAWL_FOLLOWER_SEND) continue;
        assert_int_equal(
            pawl_placement_frame_decode(sidecar->effects[i].frame, &sidecar->arena, &frame),
            PAWL_OK);
        return frame;
    }
    fail_msg("nothing was sent");
    return frame;
}

static void expect_message(const struct sidecar *sidecar, pawl_err err, const char *part)
{
    struct pawl_follower_status status = pawl_follower_status(sidecar->follower);
    char text[PAWL_MESSAGE_SIZE_MAX + 1];
    (void)snprintf(text, sizeof text, "%.*s", PAWL_BYTES_FMT(status.message));
    assert_int_equal(status.err, err);
    assert_non_null(strstr(text, part));
    assert_false(status.connected);
}

/* Connecting ------------------------------------------------------------------------ */

static void test_it_says_hello_and_takes_the_list(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_new(1);
    tick(sidecar);
    EXPECT_BYTES(sidecar->address, PAWL_BYTES_LITERAL("tcp://p0:1"));
    opened(sidecar);
    struct pawl_placement_frame hello = last_frame(sidecar);
    assert_int_equal(hello.type, PAWL_PLACEMENT_HELLO);
    EXPECT_BYTES(hello.hello.self.host, PAWL_BYTES_LITERAL("h1"));
    EXPECT_BYTES(hello.hello.token, PAWL_BYTES_LITERAL("secret"));
    assert_int_equal(hello.hello.version, 0);
    welcomed(sidecar);
    assert_int_equal(pawl_follower_members(sidecar->follower)->version, 0);
    listed(sidecar, 7, false);
    assert_int_equal(sidecar->news, 1);
    const struct pawl_members *members = pawl_follower_members(sidecar->follower);
    assert_int_equal(members->version, 7);
    EXPECT_BYTES(members->items[0].app, PAWL_BYTES_LITERAL("orders"));
    struct pawl_follower_status status = pawl_follower_status(sidecar->follower);
    assert_true(status.connected && status.err == PAWL_OK && status.message.size == 0);
    assert_string_equal(status.state, "connected");
    sidecar_free(sidecar);
}

static void test_it_tries_all_replicas_at_once_and_then_waits_ever_longer(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_new(3);
    tick(sidecar);
    unsigned seen = 0;
    int64_t wait_ms = 0;
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 3; i++) {
            seen |= 1u << (sidecar->address.data[7] - '0');
            uint64_t link = sidecar->link;
            closed(sidecar);
            if (i < 2) assert_true(sidecar->link == link + 1); /* the next one, without waiting */
        }
        assert_int_equal(seen, 7);
        expect_message(sidecar, PAWL_E_UNAVAILABLE, ":1: refused");
        assert_string_equal(pawl_follower_status(sidecar->follower).state, "waiting");
        wait_ms = sleep_and_wake(sidecar);
        int64_t most_ms =
            round < 3 ? PAWL_PLACEMENT_RETRY_MS_MIN << round : PAWL_PLACEMENT_RETRY_MS_MAX;
        assert_in_range(wait_ms, most_ms / 2, most_ms);
    }
    assert_true(wait_ms < PAWL_PLACEMENT_SETTLE_MS); /* a new leader listens longer */
    sidecar_free(sidecar);
}

static void test_a_replica_that_does_not_answer_is_left(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_new(2);
    tick(sidecar);
    struct pawl_bytes first = sidecar->address;
    assert_int_equal(sleep_and_wake(sidecar), PAWL_PLACEMENT_ANSWER_MS); /* to the dial */
    assert_false(pawl_bytes_is_equal(sidecar->address, first));
    uint64_t link = sidecar->link;
    opened(sidecar);
    assert_int_equal(sleep_and_wake(sidecar), PAWL_PLACEMENT_ANSWER_MS); /* to HELLO */
    expect_message(sidecar, PAWL_E_TIMEOUT, "has not answered");
    bool is_closed = false;
    for (uint32_t i = 0; i < sidecar->count; i++)
        is_closed |=
            sidecar->effects[i].type == PAWL_FOLLOWER_CLOSE && sidecar->effects[i].link == link;
    assert_true(is_closed);
    sidecar_free(sidecar);
}

static void test_it_follows_to_the_leader(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_new(1);
    tick(sidecar);
    opened(sidecar);
    redirected(sidecar, "tcp://leader:7");
    EXPECT_BYTES(sidecar->address, PAWL_BYTES_LITERAL("tcp://leader:7"));
    opened(sidecar);
    welcomed(sidecar);
    assert_true(pawl_follower_status(sidecar->follower).connected);

    /* A link that breaks is tried again first, and the configured ones then. */
    closed(sidecar);
    (void)sleep_and_wake(sidecar);
    EXPECT_BYTES(sidecar->address, PAWL_BYTES_LITERAL("tcp://leader:7"));
    closed(sidecar);
    (void)sleep_and_wake(sidecar);
    EXPECT_BYTES(sidecar->address, PAWL_BYTES_LITERAL("tcp://p0:1"));
    sidecar_free(sidecar);
}

/* The others send us to a dead leader until its lease has ended. Waiting for it each time
 * would take longer than the next leader listens for newcomers. */
static void test_a_leader_that_does_not_answer_is_not_asked_again_at_once(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_new(2);
    tick(sidecar);
    struct pawl_bytes dead = sidecar->address;
    char dead_text[32];
    (void)snprintf(dead_text, sizeof dead_text, "%.*s", PAWL_BYTES_FMT(dead));
    assert_int_equal(sleep_and_wake(sidecar), PAWL_PLACEMENT_ANSWER_MS);
    int64_t until_ms = sidecar->now_ms + PAWL_PLACEMENT_SHUN_MS;
    uint32_t attempts = 0;
    while (!pawl_bytes_is_equal(sidecar->address, dead)) {
        attempts++;
        opened(sidecar);
        redirected(sidecar, dead_text);
        bool is_waiting = strcmp(pawl_follower_status(sidecar->follower).state, "waiting") == 0;
        if (is_waiting) assert_true(sleep_and_wake(sidecar) <= PAWL_PLACEMENT_RETRY_MS_MAX);
    }
    assert_true(attempts >= 3);
    assert_true(sidecar->now_ms >= until_ms);
    sidecar_free(sidecar);
}

static void test_replicas_that_point_at_each_other_do_not_make_it_spin(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_new(1);
    tick(sidecar);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(pawl_follower_status(sidecar->follower).state, "dialing");
        opened(sidecar);
        redirected(sidecar, i % 2 ? "tcp://p0:1" : "tcp://p9:1");
    }
    expect_message(sidecar, PAWL_E_UNAVAILABLE, "send one another's address");
    assert_true(sleep_and_wake(sidecar) >= PAWL_PLACEMENT_RETRY_MS_MIN / 2);
    EXPECT_BYTES(sidecar->address, PAWL_BYTES_LITERAL("tcp://p0:1"));
    sidecar_free(sidecar);
}

static void test_without_a_leader_it_asks_again(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_new(1);
    tick(sidecar);
    opened(sidecar);
    redirected(sidecar, NULL);
    expect_message(sidecar, PAWL_E_UNAVAILABLE, "no placement replica leads");
    assert_in_range(sleep_and_wake(sidecar), PAWL_PLACEMENT_RETRY_MS_MIN / 2,
                    PAWL_PLACEMENT_RETRY_MS_MIN);
    assert_string_equal(pawl_follower_status(sidecar->follower).state, "dialing");
    sidecar_free(sidecar);
}

static void refused(struct sidecar *sidecar, pawl_err err, const char *text)
{
    hears(sidecar, (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_REFUSED,
                                                  .refused = { err, pawl_bytes_str(text) } });
}

static void test_a_refusal_is_told_and_tried_again_in_a_while(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_new(1);
    tick(sidecar);
    opened(sidecar);
    refused(sidecar, PAWL_E_VERSION, "use the same release");
    expect_message(sidecar, PAWL_E_VERSION, "use the same release");
    assert_in_range(sleep_and_wake(sidecar), PAWL_PLACEMENT_REFUSED_RETRY_MS / 2,
                    PAWL_PLACEMENT_REFUSED_RETRY_MS);
    /* A twin may be gone in a moment: its silence has to be noticed first. */
    opened(sidecar);
    refused(sidecar, PAWL_E_EXISTS, "a twin");
    expect_message(sidecar, PAWL_E_EXISTS, "a twin");
    assert_true(sleep_and_wake(sidecar) <= PAWL_PLACEMENT_RETRY_MS_MAX);
    sidecar_free(sidecar);
}

/* Being connected ------------------------------------------------------------------- */

static void test_it_sends_heartbeats_and_notices_silence(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_connected(2);
    listed(sidecar, 3, false);
    struct pawl_bytes address = sidecar->address;
    int64_t silent_ms = 0;
    while (pawl_follower_status(sidecar->follower).connected) {
        int64_t slept_ms = sleep_and_wake(sidecar);
        assert_true(slept_ms <= 500);
        silent_ms += slept_ms;
        if (silent_ms < PAWL_PLACEMENT_SILENCE_MS)
            assert_int_equal(last_frame(sidecar).type, PAWL_PLACEMENT_HEARTBEAT);
    }
    assert_int_equal(silent_ms, PAWL_PLACEMENT_SILENCE_MS);
    expect_message(sidecar, PAWL_E_TIMEOUT, "silent");
    assert_false(pawl_bytes_is_equal(sidecar->address, address)); /* that one is not there */
    assert_int_equal(pawl_follower_members(sidecar->follower)->version, 3); /* kept */
    struct pawl_follower_status status = pawl_follower_status(sidecar->follower);
    assert_true(status.since_ms == T0 + silent_ms);
    sidecar_free(sidecar);
}

static void test_a_list_from_the_past_is_ignored(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_connected(1);
    listed(sidecar, 7, false);
    listed(sidecar, 6, true);
    assert_int_equal(pawl_follower_members(sidecar->follower)->version, 7);
    assert_false(pawl_follower_members(sidecar->follower)->items[0].leaving);
    listed(sidecar, 7, false); /* the same one again is nothing new */
    assert_int_equal(sidecar->news, 1);
    assert_int_equal(pawl_follower_status(sidecar->follower).lists_ignored, 1);

    /* After a reconnect it tells which one it holds. */
    closed(sidecar);
    (void)sleep_and_wake(sidecar);
    opened(sidecar);
    assert_int_equal(last_frame(sidecar).hello.version, 7);
    sidecar_free(sidecar);
}

static void test_it_tells_what_has_changed_and_nothing_else(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_connected(1);
    struct pawl_follower_event update = { .type = PAWL_FOLLOWER_UPDATE, .runs_activities = true };
    step(sidecar, update);
    struct pawl_placement_frame frame = last_frame(sidecar);
    assert_int_equal(frame.type, PAWL_PLACEMENT_UPDATE);
    assert_true(frame.update.runs_activities && !frame.update.leaving);
    uint32_t count = sidecar->count;
    step(sidecar, update);
    assert_int_equal(sidecar->count, count);
    update.runs_workflows = true;
    step(sidecar, update);
    assert_true(last_frame(sidecar).update.runs_workflows);
    update.version = 40; /* the store knows a newer table than placement */
    step(sidecar, update);
    assert_int_equal(last_frame(sidecar).update.version, 40);

    /* While it is away nothing is lost: the next HELLO says it. */
    closed(sidecar);
    update.leaving = true;
    step(sidecar, update);
    (void)sleep_and_wake(sidecar);
    opened(sidecar);
    frame = last_frame(sidecar);
    assert_int_equal(frame.type, PAWL_PLACEMENT_HELLO);
    assert_true(frame.hello.self.runs_activities && frame.hello.self.leaving);
    assert_true(frame.hello.self.runs_workflows);
    assert_int_equal(frame.hello.version, 40);
    count = sidecar->count;
    welcomed(sidecar);
    assert_int_equal(sidecar->count, count); /* not twice */
    sidecar_free(sidecar);
}

static void test_it_has_left_when_a_list_says_so(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_connected(1);
    listed(sidecar, 3, false);
    assert_false(pawl_follower_has_left(sidecar->follower));
    step(sidecar, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_UPDATE, .leaving = true });
    assert_false(pawl_follower_has_left(sidecar->follower));
    listed(sidecar, 4, true);
    assert_true(pawl_follower_has_left(sidecar->follower));
    sidecar_free(sidecar);
}

static void test_what_comes_too_late_is_ignored(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_connected(2);
    uint64_t old = sidecar->link;
    closed(sidecar);
    (void)sleep_and_wake(sidecar);
    assert_true(sidecar->link != old);
    uint32_t count = sidecar->count;
    step(sidecar, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_OPENED, .link = old });
    step(sidecar,
         (struct pawl_follower_event){ .type = PAWL_FOLLOWER_CLOSED, .link = old, .why = "late" });
    step(sidecar, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_FRAME,
                                                .link = old,
                                                .frame = PAWL_BYTES_LITERAL("garbage") });
    assert_int_equal(sidecar->count, count);
    sidecar_free(sidecar);
}

static void test_garbage_ends_the_link_and_not_the_list(void **state)
{
    (void)state;
    struct sidecar *sidecar = sidecar_connected(1);
    listed(sidecar, 3, false);
    step(sidecar, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_FRAME,
                                                .link = sidecar->link,
                                                .frame = PAWL_BYTES_LITERAL("HTTP/1.1 400") });
    expect_message(sidecar, PAWL_E_PROTOCOL, "does not speak the protocol of placement");
    assert_int_equal(pawl_follower_members(sidecar->follower)->version, 3);

    /* A list before WELCOME is no less wrong. */
    (void)sleep_and_wake(sidecar);
    opened(sidecar);
    listed(sidecar, 9, false);
    expect_message(sidecar, PAWL_E_PROTOCOL, "does not speak");
    assert_int_equal(pawl_follower_members(sidecar->follower)->version, 3);
    sidecar_free(sidecar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_hello_and_takes_the_list),
        cmocka_unit_test(test_it_tries_all_replicas_at_once_and_then_waits_ever_longer),
        cmocka_unit_test(test_a_replica_that_does_not_answer_is_left),
        cmocka_unit_test(test_it_follows_to_the_leader),
        cmocka_unit_test(test_a_leader_that_does_not_answer_is_not_asked_again_at_once),
        cmocka_unit_test(test_replicas_that_point_at_each_other_do_not_make_it_spin),
        cmocka_unit_test(test_without_a_leader_it_asks_again),
        cmocka_unit_test(test_a_refusal_is_told_and_tried_again_in_a_while),
        cmocka_unit_test(test_it_sends_heartbeats_and_notices_silence),
        cmocka_unit_test(test_a_list_from_the_past_is_ignored),
        cmocka_unit_test(test_it_tells_what_has_changed_and_nothing_else),
        cmocka_unit_test(test_it_has_left_when_a_list_says_so),
        cmocka_unit_test(test_what_comes_too_late_is_ignored),
        cmocka_unit_test(test_garbage_ends_the_link_and_not_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
