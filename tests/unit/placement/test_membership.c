#include "placement/membership.h"

#include <stdio.h>
#include <stdlib.h>

#include "../base/expect.h"

#include "base/limits.h"

#define T0        INT64_C(1000000)
#define INBOX_MAX 4096u

/* A service and what it sent, in order. */
struct service {
    struct pawl_membership *membership;
    struct pawl_arena arena;
    int64_t now_ms;
    uint32_t sent_count;
    uint64_t sent_to[INBOX_MAX];
    struct pawl_placement_frame sent[INBOX_MAX];
    uint32_t closed_count;
    uint64_t closed[INBOX_MAX];
};

static void step(struct service *service, struct pawl_membership_event event)
{
    event.now_ms = service->now_ms;
    struct pawl_membership_effects effects = pawl_membership_step(service->membership, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_membership_effect *effect = &effects.items[i];
        assert_true(service->sent_count < INBOX_MAX && service->closed_count < INBOX_MAX);
        if (effect->type == PAWL_MEMBERSHIP_CLOSE) {
            service->closed[service->closed_count++] = effect->conn;
            continue;
        }
        service->sent_to[service->sent_count] = effect->conn;
        struct pawl_bytes frame = pawl_arena_copy(&service->arena, effect->frame);
        assert_int_equal(pawl_placement_frame_decode(frame, &service->arena,
                                                     &service->sent[service->sent_count++]),
                         PAWL_OK);
    }
}

/* Let time pass, waking the service when it asks. */
static void pass(struct service *service, int64_t ms)
{
    int64_t until_ms = service->now_ms + ms;
    for (;;) {
        int64_t wake_ms = pawl_membership_wake_at_ms(service->membership);
        if (wake_ms == 0 || wake_ms > until_ms) break;
        if (wake_ms > service->now_ms) service->now_ms = wake_ms;
        step(service, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_TICK });
    }
    service->now_ms = until_ms;
}

static void forget(struct service *service)
{
    service->sent_count = service->closed_count = 0;
}

static struct service *service_new(const char *token)
{
    struct service *service = calloc(1, sizeof *service);
    assert_non_null(service);
    const struct pawl_membership_config config = { .token = pawl_bytes_str(token), .seed = 1 };
    service->membership = pawl_membership_new(&config);
    service->now_ms = T0;
    pawl_arena_init(&service->arena);
    return service;
}

static void service_free(struct service *service)
{
    pawl_membership_free(service->membership);
    pawl_arena_deinit(&service->arena);
    free(service);
}

static void lead(struct service *service, uint32_t epoch)
{
    step(service, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_LEAD, .epoch = epoch });
}

/* A service that leads and has listened long enough. */
static struct service *service_settled(void)
{
    struct service *service = service_new(NULL);
    lead(service, 1);
    pass(service, PAWL_PLACEMENT_SETTLE_MS);
    return service;
}

static struct pawl_placement_hello hello_make(const char *app, const char *host)
{
    return (struct pawl_placement_hello){
        .protocol_version = PAWL_PLACEMENT_PROTOCOL_VERSION,
        .namespace_ = PAWL_BYTES_LITERAL("default"),
        .self = { .host = pawl_bytes_str(host),
                  .app = pawl_bytes_str(app),
                  .address = PAWL_BYTES_LITERAL("tcp://10.0.0.7:3502"),
                  .partitions = 128 },
        .process = { { (uint8_t)host[0], (uint8_t)host[1] } },
    };
}

static void send_bytes(struct service *service, uint64_t conn, struct pawl_bytes bytes)
{
    step(service, (struct pawl_membership_event){
                      .type = PAWL_MEMBERSHIP_FRAME, .conn = conn, .frame = bytes });
}

static void send_frame(struct service *service, uint64_t conn, struct pawl_placement_frame frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_PLACEMENT_FRAME_SIZE_MAX);
    pawl_placement_frame_encode(&buf, &frame);
    assert_int_equal(buf.bad, PAWL_OK);
    send_bytes(service, conn, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
}

static void open_conn(struct service *service, uint64_t conn)
{
    step(service, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_OPENED, .conn = conn });
}

static void close_conn(struct service *service, uint64_t conn)
{
    step(service, (struct pawl_membership_event){
                      .type = PAWL_MEMBERSHIP_CLOSED, .conn = conn, .why = "reset" });
}

static void greet(struct service *service, uint64_t conn, struct pawl_placement_hello hello)
{
    open_conn(service, conn);
    send_frame(service, conn,
               (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_HELLO, .hello = hello });
}

static void join(struct service *service, uint64_t conn, const char *app, const char *host)
{
    greet(service, conn, hello_make(app, host));
}

static void heartbeat(struct service *service, uint64_t conn)
{
    send_frame(service, conn, (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_HEARTBEAT });
}

static void update(struct service *service, uint64_t conn, struct pawl_placement_update update)
{
    send_frame(service, conn,
               (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_UPDATE, .update = update });
}

/* The last frame of a type that went to this connection, or NULL. */
static const struct pawl_placement_frame *last_sent(const struct service *service, uint64_t conn,
                                                    enum pawl_placement_frame_type type)
{
    for (uint32_t i = service->sent_count; i-- > 0;) {
        if (service->sent_to[i] == conn && service->sent[i].type == type) return &service->sent[i];
    }
    return NULL;
}

static uint32_t count_sent(const struct service *service, uint64_t conn,
                           enum pawl_placement_frame_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < service->sent_count; i++) {
        count += service->sent_to[i] == conn && service->sent[i].type == type;
    }
    return count;
}

static bool is_closed(const struct service *service, uint64_t conn)
{
    for (uint32_t i = 0; i < service->closed_count; i++) {
        if (service->closed[i] == conn) return true;
    }
    return false;
}

/* The list this connection got last: "app/host app/host …". */
static void expect_list(const struct service *service, uint64_t conn, const char *expected)
{
    const struct pawl_placement_frame *frame = last_sent(service, conn, PAWL_PLACEMENT_MEMBERS);
    assert_non_null(frame);
    char text[512] = "";
    size_t size = 0;
    for (uint32_t i = 0; i < frame->members.count; i++) {
        const struct pawl_member *member = &frame->members.items[i];
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%.*s/%.*s%s", i ? " " : "",
                                 PAWL_BYTES_FMT(member->app), PAWL_BYTES_FMT(member->host),
                                 member->leaving ? "-" : "");
    }
    assert_string_equal(text, expected);
}

static uint64_t version_sent(const struct service *service, uint64_t conn)
{
    const struct pawl_placement_frame *frame = last_sent(service, conn, PAWL_PLACEMENT_MEMBERS);
    assert_non_null(frame);
    return frame->members.version;
}

static void expect_refused(const struct service *service, uint64_t conn, pawl_err err,
                           const char *part)
{
    const struct pawl_placement_frame *frame = last_sent(service, conn, PAWL_PLACEMENT_REFUSED);
    assert_non_null(frame);
    assert_int_equal(frame->refused.err, err);
    char text[PAWL_MESSAGE_SIZE_MAX + 1];
    (void)snprintf(text, sizeof text, "%.*s", PAWL_BYTES_FMT(frame->refused.message));
    assert_non_null(strstr(text, part));
    assert_true(is_closed(service, conn));
}

/* Who is there ---------------------------------------------------------------------- */

static void test_everybody_gets_everybody_by_app_and_host(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h2");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    join(service, 2, "billing", "h9");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    join(service, 3, "orders", "h1");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    for (uint64_t conn = 1; conn <= 3; conn++) {
        assert_int_equal(count_sent(service, conn, PAWL_PLACEMENT_WELCOME), 1);
        expect_list(service, conn, "billing/h9 orders/h1 orders/h2");
        assert_true(version_sent(service, conn) == (UINT64_C(1) << 32) + 3);
    }
    service_free(service);
}

static void test_many_changes_at_once_are_one_list(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    forget(service);
    join(service, 2, "orders", "h2");
    join(service, 3, "orders", "h3");
    join(service, 4, "orders", "h4");
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 1);
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 2);
    expect_list(service, 4, "orders/h1 orders/h2 orders/h3 orders/h4");
    service_free(service);
}

static void test_namespaces_do_not_see_each_other(void **state)
{
    (void)state;
    struct service *service = service_settled();
    struct pawl_placement_hello other = hello_make("orders", "h1");
    other.namespace_ = PAWL_BYTES_LITERAL("test");
    other.self.partitions = 64; /* nobody else's business either */
    join(service, 1, "orders", "h1");
    greet(service, 2, other);
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    expect_list(service, 1, "orders/h1");
    expect_list(service, 2, "orders/h1");
    forget(service);
    join(service, 3, "orders", "h3");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    assert_int_equal(count_sent(service, 2, PAWL_PLACEMENT_MEMBERS), 0);
    service_free(service);
}

static void test_an_update_is_published(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    join(service, 2, "orders", "h2");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    uint64_t version = version_sent(service, 1);
    update(service, 2, (struct pawl_placement_update){ .runs_activities = true });
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    const struct pawl_placement_frame *frame = last_sent(service, 1, PAWL_PLACEMENT_MEMBERS);
    assert_true(frame->members.items[1].runs_activities);
    assert_true(frame->members.version > version);

    const struct pawl_placement_update both = { .runs_activities = true, .runs_workflows = true };
    update(service, 2, both);
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    frame = last_sent(service, 1, PAWL_PLACEMENT_MEMBERS);
    assert_true(frame->members.items[1].runs_workflows);
    assert_false(frame->members.items[0].runs_workflows);

    forget(service);
    update(service, 2, both);
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 0);
    service_free(service);
}

/* Who is gone ----------------------------------------------------------------------- */

static void test_a_link_that_comes_back_moves_nothing(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    join(service, 2, "orders", "h2");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    uint64_t version = version_sent(service, 2);
    forget(service);
    close_conn(service, 2);
    pass(service, PAWL_PLACEMENT_GRACE_MS - 1);
    heartbeat(service, 1);
    join(service, 3, "orders", "h2");
    pass(service, 1000);
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 0);
    expect_list(service, 3, "orders/h1 orders/h2"); /* it may have missed one */
    assert_true(version_sent(service, 3) == version);
    service_free(service);
}

static void test_a_closed_link_that_stays_away_is_lost(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    join(service, 2, "orders", "h2");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    close_conn(service, 2);
    pass(service, PAWL_PLACEMENT_GRACE_MS + 200);
    expect_list(service, 1, "orders/h1");
    struct pawl_membership_status status =
        pawl_membership_status(service->membership, &service->arena);
    assert_int_equal(status.lost, 1);
    assert_int_equal(status.left, 0);
    assert_int_equal(status.joined, 2);
    service_free(service);
}

static void test_a_silent_one_is_lost_within_three_seconds(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    join(service, 2, "orders", "h2");
    for (int i = 0; i < 30; i++) {
        pass(service, 100);
        heartbeat(service, 1);
        if (i == 23) assert_false(is_closed(service, 2)); /* after 2.4 s */
    }
    assert_true(is_closed(service, 2));
    expect_list(service, 1, "orders/h1");
    assert_true(count_sent(service, 2, PAWL_PLACEMENT_HEARTBEAT) >= 3);
    close_conn(service, 2);
    service_free(service);
}

static void test_time_that_the_service_slept_is_nobodys_silence(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    join(service, 2, "orders", "h2");
    pass(service, 200);
    close_conn(service, 2);
    service->now_ms += 20000; /* frozen: no tick came */
    step(service, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_TICK });
    pass(service, 200);
    expect_list(service, 1, "orders/h1 orders/h2");
    pass(service, PAWL_PLACEMENT_GRACE_MS);
    expect_list(service, 1, "orders/h1"); /* from now on it counts again */
    pass(service, PAWL_PLACEMENT_SILENCE_MS);
    assert_true(is_closed(service, 1));
    close_conn(service, 1);
    service_free(service);
}

static void test_one_that_leaves_goes_without_grace(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    join(service, 2, "orders", "h2");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    update(service, 2, (struct pawl_placement_update){ .leaving = true });
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    expect_list(service, 1, "orders/h1 orders/h2-");
    expect_list(service, 2, "orders/h1 orders/h2-");
    close_conn(service, 2);
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    expect_list(service, 1, "orders/h1");
    struct pawl_membership_status status =
        pawl_membership_status(service->membership, &service->arena);
    assert_int_equal(status.left, 1);
    assert_int_equal(status.lost, 0);
    service_free(service);
}

static void test_a_reconnect_before_the_old_link_is_known_dead_takes_its_place(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    join(service, 2, "orders", "h1"); /* the same process */
    assert_true(is_closed(service, 1));
    close_conn(service, 1);
    pass(service, PAWL_PLACEMENT_GRACE_MS + 200);
    expect_list(service, 2, "orders/h1");
    assert_int_equal(service->closed_count, 1);
    service_free(service);
}

static void test_the_last_one_of_a_namespace_may_go_and_come_back(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    uint64_t version = version_sent(service, 1);
    close_conn(service, 1);
    pass(service, PAWL_PLACEMENT_GRACE_MS + 200);
    assert_true(pawl_membership_wake_at_ms(service->membership) == 0);
    join(service, 2, "orders", "h2");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    expect_list(service, 2, "orders/h2");
    assert_true(version_sent(service, 2) > version);
    service_free(service);
}

/* Leaders --------------------------------------------------------------------------- */

static void test_a_new_leader_listens_before_its_first_list(void **state)
{
    (void)state;
    struct service *service = service_new(NULL);
    lead(service, 5);
    join(service, 1, "orders", "h1");
    pass(service, PAWL_PLACEMENT_SETTLE_MS - 300);
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_WELCOME), 1);
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 0);
    heartbeat(service, 1);
    join(service, 2, "orders", "h2"); /* somebody still comes: it listens on */
    pass(service, PAWL_PLACEMENT_SETTLE_QUIET_MS - 1);
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 0);
    pass(service, 1);
    expect_list(service, 1, "orders/h1 orders/h2");
    expect_list(service, 2, "orders/h1 orders/h2");
    assert_true(version_sent(service, 1) == (UINT64_C(5) << 32) + 1);
    service_free(service);
}

static void test_a_new_leader_does_not_listen_for_ever(void **state)
{
    (void)state;
    struct service *service = service_new(NULL);
    lead(service, 5);
    uint64_t conn = 0;
    for (int64_t ms = 0; ms < PAWL_PLACEMENT_SETTLE_MS_MAX; ms += 200) {
        char host[16];
        (void)snprintf(host, sizeof host, "%03d", (int)(ms / 100));
        join(service, ++conn, "orders", host);
        if (ms < PAWL_PLACEMENT_SETTLE_MS_MAX - 200)
            assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 0);
        for (uint64_t other = 1; other <= conn; other++) heartbeat(service, other);
        pass(service, 200);
    }
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 1);
    service_free(service);
}

static void test_a_list_is_above_what_anybody_has_heard_of(void **state)
{
    (void)state;
    struct service *service = service_settled();
    struct pawl_placement_hello hello = hello_make("orders", "h1");
    hello.version = UINT64_C(9) << 32; /* of a leader whose epoch the store has forgotten */
    greet(service, 1, hello);
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    assert_true(version_sent(service, 1) == (UINT64_C(9) << 32) + 1);
    update(service, 1, (struct pawl_placement_update){ .version = UINT64_C(11) << 32 });
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    assert_true(version_sent(service, 1) == (UINT64_C(11) << 32) + 1);

    /* An older one changes nothing. */
    forget(service);
    update(service, 1, (struct pawl_placement_update){ .version = 3 });
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 0);
    service_free(service);
}

static void test_a_replica_that_does_not_lead_sends_sidecars_on(void **state)
{
    (void)state;
    struct service *service = service_new(NULL);
    join(service, 1, "orders", "h1");
    assert_true(pawl_bytes_is_absent(last_sent(service, 1, PAWL_PLACEMENT_REDIRECT)->redirect));
    assert_true(is_closed(service, 1));
    struct pawl_bytes leader = PAWL_BYTES_LITERAL("tcp://p2:50005");
    step(service,
         (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_FOLLOW, .leader = leader });
    join(service, 2, "orders", "h1");
    EXPECT_BYTES(last_sent(service, 2, PAWL_PLACEMENT_REDIRECT)->redirect, leader);
    assert_true(is_closed(service, 2));
    service_free(service);
}

static void test_a_leader_that_steps_down_forgets_and_sends_everybody_on(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    forget(service);
    struct pawl_bytes leader = PAWL_BYTES_LITERAL("tcp://p2:50005");
    step(service,
         (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_FOLLOW, .leader = leader });
    EXPECT_BYTES(last_sent(service, 1, PAWL_PLACEMENT_REDIRECT)->redirect, leader);
    assert_true(is_closed(service, 1));
    heartbeat(service, 1); /* was on its way */
    close_conn(service, 1);
    assert_int_equal(count_sent(service, 1, PAWL_PLACEMENT_MEMBERS), 0);
    struct pawl_membership_status status =
        pawl_membership_status(service->membership, &service->arena);
    assert_int_equal(status.namespaces_count, 0);
    assert_int_equal(status.connections, 0);
    assert_false(status.leads);
    service_free(service);
}

/* Bad input ------------------------------------------------------------------------- */

static void expect_hello_refused(struct pawl_placement_hello hello, pawl_err err, const char *part)
{
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    uint64_t version = version_sent(service, 1);
    greet(service, 2, hello);
    expect_refused(service, 2, err, part);
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    assert_true(version_sent(service, 1) == version); /* nobody else is disturbed */
    assert_false(is_closed(service, 1));
    service_free(service);
}

static void test_what_is_wrong_with_a_sidecar_is_said(void **state)
{
    (void)state;
    struct pawl_placement_hello hello = hello_make("orders", "h2");
    hello.protocol_version = 2;
    expect_hello_refused(hello, PAWL_E_VERSION, "of the same release");
    hello = hello_make("orders", "h2");
    hello.self.partitions = 64;
    expect_hello_refused(hello, PAWL_E_INVALID, "sidecar 'h1' has 128");
    hello.self.partitions = 0;
    expect_hello_refused(hello, PAWL_E_INVALID, "1 to 4096");
    hello.self.partitions = PAWL_PARTITIONS_MAX + 1;
    expect_hello_refused(hello, PAWL_E_INVALID, "1 to 4096");
    hello = hello_make("orders", "h1");
    hello.process.bytes[0] = 99;
    expect_hello_refused(hello, PAWL_E_EXISTS, "another sidecar with host id 'h1'");
    expect_hello_refused(hello_make("or/ders", "h2"), PAWL_E_INVALID, "app id");
    expect_hello_refused(hello_make("orders", "h2\n"), PAWL_E_INVALID, "host id");
    hello = hello_make("orders", "h2");
    hello.namespace_ = PAWL_BYTES_LITERAL("");
    expect_hello_refused(hello, PAWL_E_INVALID, "namespace");
    hello = hello_make("orders", "h2");
    hello.self.address = PAWL_BYTES_LITERAL("10.0.0.7:3502");
    expect_hello_refused(hello, PAWL_E_INVALID, "tcp://host:port");
}

static void test_a_restarted_host_takes_its_name_back_when_the_old_one_is_gone(void **state)
{
    (void)state;
    struct service *service = service_settled();
    join(service, 1, "orders", "h1");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    close_conn(service, 1);
    struct pawl_placement_hello hello = hello_make("billing", "h1");
    hello.process.bytes[0] = 99;
    hello.self.partitions = 16;
    greet(service, 2, hello);
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    expect_list(service, 2, "billing/h1");
    service_free(service);
}

static void test_the_token_must_be_the_same(void **state)
{
    (void)state;
    struct service *service = service_new("secret");
    lead(service, 1);
    struct pawl_placement_hello hello = hello_make("orders", "h1");
    greet(service, 1, hello);
    expect_refused(service, 1, PAWL_E_DENIED, "none was sent");
    hello.token = PAWL_BYTES_LITERAL("secreT");
    greet(service, 2, hello);
    expect_refused(service, 2, PAWL_E_DENIED, "is not the one");
    hello.token = PAWL_BYTES_LITERAL("secret");
    greet(service, 3, hello);
    assert_non_null(last_sent(service, 3, PAWL_PLACEMENT_WELCOME));
    service_free(service);
}

static void test_frames_out_of_place_end_the_connection(void **state)
{
    (void)state;
    struct service *service = service_settled();
    open_conn(service, 1);
    heartbeat(service, 1);
    expect_refused(service, 1, PAWL_E_PROTOCOL, "must be HELLO");
    open_conn(service, 2);
    send_bytes(service, 2, PAWL_BYTES_LITERAL("GET / HTTP/1.1\r\n\r\n"));
    expect_refused(service, 2, PAWL_E_PROTOCOL, "18 bytes is malformed");
    join(service, 3, "orders", "h3");
    join(service, 4, "orders", "h4");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    send_frame(service, 3,
               (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_HELLO,
                                              .hello = hello_make("orders", "h3") });
    expect_refused(service, 3, PAWL_E_PROTOCOL, "twice");
    pass(service, PAWL_PLACEMENT_PUBLISH_MS);
    expect_list(service, 4, "orders/h4");
    close_conn(service, 3);
    service_free(service);
}

static void test_one_that_says_nothing_is_closed(void **state)
{
    (void)state;
    struct service *service = service_settled();
    open_conn(service, 1);
    pass(service, PAWL_HANDSHAKE_MS - 1);
    assert_false(is_closed(service, 1));
    pass(service, 200);
    assert_true(is_closed(service, 1));
    close_conn(service, 1);
    service_free(service);
}

static void test_a_namespace_that_is_full_refuses(void **state)
{
    (void)state;
    struct service *service = service_new(NULL);
    lead(service, 1);
    uint64_t conn = 0;
    for (uint32_t i = 0; i <= PAWL_PLACEMENT_MEMBERS_MAX; i++) {
        char host[16];
        (void)snprintf(host, sizeof host, "h%u", i);
        join(service, ++conn, "orders", host);
    }
    assert_false(is_closed(service, conn - 1));
    expect_refused(service, conn, PAWL_E_LIMIT, "1024 sidecars already");
    service_free(service);
}

static void test_there_is_a_limit_to_namespaces(void **state)
{
    (void)state;
    struct service *service = service_new(NULL);
    lead(service, 1);
    uint64_t conn = 0;
    for (uint32_t i = 0; i <= PAWL_PLACEMENT_NAMESPACES_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", i);
        struct pawl_placement_hello hello = hello_make("orders", "h1");
        hello.namespace_ = pawl_bytes_str(name);
        greet(service, ++conn, hello);
    }
    expect_refused(service, conn, PAWL_E_LIMIT, "256 namespaces already");
    service_free(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everybody_gets_everybody_by_app_and_host),
        cmocka_unit_test(test_many_changes_at_once_are_one_list),
        cmocka_unit_test(test_namespaces_do_not_see_each_other),
        cmocka_unit_test(test_an_update_is_published),
        cmocka_unit_test(test_a_link_that_comes_back_moves_nothing),
        cmocka_unit_test(test_a_closed_link_that_stays_away_is_lost),
        cmocka_unit_test(test_a_silent_one_is_lost_within_three_seconds),
        cmocka_unit_test(test_time_that_the_service_slept_is_nobodys_silence),
        cmocka_unit_test(test_one_that_leaves_goes_without_grace),
        cmocka_unit_test(test_a_reconnect_before_the_old_link_is_known_dead_takes_its_place),
        cmocka_unit_test(test_the_last_one_of_a_namespace_may_go_and_come_back),
        cmocka_unit_test(test_a_new_leader_listens_before_its_first_list),
        cmocka_unit_test(test_a_new_leader_does_not_listen_for_ever),
        cmocka_unit_test(test_a_list_is_above_what_anybody_has_heard_of),
        cmocka_unit_test(test_a_replica_that_does_not_lead_sends_sidecars_on),
        cmocka_unit_test(test_a_leader_that_steps_down_forgets_and_sends_everybody_on),
        cmocka_unit_test(test_what_is_wrong_with_a_sidecar_is_said),
        cmocka_unit_test(test_a_restarted_host_takes_its_name_back_when_the_old_one_is_gone),
        cmocka_unit_test(test_the_token_must_be_the_same),
        cmocka_unit_test(test_frames_out_of_place_end_the_connection),
        cmocka_unit_test(test_one_that_says_nothing_is_closed),
        cmocka_unit_test(test_a_namespace_that_is_full_refuses),
        cmocka_unit_test(test_there_is_a_limit_to_namespaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
