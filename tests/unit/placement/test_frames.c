#include "placement/frames.h"

#include "../base/expect.h"

#include "base/codec.h"
#include "base/limits.h"
#include "placement/names.h"

struct fixture {
    struct pawl_arena arena;
    struct pawl_buf buf;
};

static int setup(void **state)
{
    static struct fixture fixture;
    pawl_arena_init(&fixture.arena);
    pawl_buf_init(&fixture.buf, PAWL_PLACEMENT_FRAME_SIZE_MAX);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    pawl_arena_deinit(&fixture->arena);
    pawl_buf_deinit(&fixture->buf);
    return 0;
}

static struct pawl_placement_frame there_and_back(struct fixture *fixture,
                                                  const struct pawl_placement_frame *frame)
{
    struct pawl_placement_frame again;
    pawl_buf_clear(&fixture->buf);
    pawl_placement_frame_encode(&fixture->buf, frame);
    assert_int_equal(fixture->buf.bad, PAWL_OK);
    struct pawl_bytes bytes = pawl_arena_copy(&fixture->arena, pawl_buf_view(&fixture->buf));
    assert_int_equal(pawl_placement_frame_decode(bytes, &fixture->arena, &again), PAWL_OK);
    assert_int_equal(again.type, frame->type);
    return again;
}

static struct pawl_member member_make(const char *app, const char *host)
{
    return (struct pawl_member){ .host = pawl_bytes_str(host),
                                 .app = pawl_bytes_str(app),
                                 .address = PAWL_BYTES_LITERAL("tcp://10.0.0.7:3502"),
                                 .partitions = 128,
                                 .leaving = true,
                                 .runs_activities = true,
                                 .runs_workflows = true };
}

static void expect_member(const struct pawl_member *actual, const struct pawl_member *expected)
{
    EXPECT_BYTES(actual->host, expected->host);
    EXPECT_BYTES(actual->app, expected->app);
    EXPECT_BYTES(actual->address, expected->address);
    assert_int_equal(actual->partitions, expected->partitions);
    assert_int_equal(actual->leaving, expected->leaving);
    assert_int_equal(actual->runs_activities, expected->runs_activities);
    assert_int_equal(actual->runs_workflows, expected->runs_workflows);
}

static struct pawl_placement_frame hello_make(void)
{
    return (struct pawl_placement_frame){
        .type = PAWL_PLACEMENT_HELLO,
        .hello = { .protocol_version = PAWL_PLACEMENT_PROTOCOL_VERSION,
                   .namespace_ = PAWL_BYTES_LITERAL("default"),
                   .token = PAWL_BYTES_LITERAL("secret"),
                   .self = member_make("orders", "h1"),
                   .process = { { 1 } },
                   .version = UINT64_C(7) << 32 },
    };
}

static void test_every_frame_reads_back(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_placement_frame frame = hello_make(), again = there_and_back(fixture, &frame);
    EXPECT_BYTES(again.hello.namespace_, frame.hello.namespace_);
    EXPECT_BYTES(again.hello.token, frame.hello.token);
    expect_member(&again.hello.self, &frame.hello.self);
    assert_true(pawl_id_is_equal(again.hello.process, frame.hello.process));
    assert_true(again.hello.version == frame.hello.version);

    frame = (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_UPDATE,
                                           .update = { true, false, 9, true } };
    again = there_and_back(fixture, &frame);
    assert_true(again.update.runs_activities && again.update.runs_workflows);
    assert_false(again.update.leaving);
    assert_int_equal(again.update.version, 9);

    frame = (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_HEARTBEAT };
    (void)there_and_back(fixture, &frame);

    frame = (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_WELCOME,
                                           .welcome = { 1, PAWL_BYTES_LITERAL("default"), 500 } };
    again = there_and_back(fixture, &frame);
    assert_int_equal(again.welcome.heartbeat_ms, 500);

    frame =
        (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_REFUSED,
                                       .refused = { PAWL_E_EXISTS, PAWL_BYTES_LITERAL("a twin") } };
    again = there_and_back(fixture, &frame);
    assert_int_equal(again.refused.err, PAWL_E_EXISTS);
    EXPECT_BYTES(again.refused.message, frame.refused.message);

    frame = (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_REDIRECT };
    assert_true(pawl_bytes_is_absent(there_and_back(fixture, &frame).redirect));
    frame.redirect = PAWL_BYTES_LITERAL("tcp://[::1]:50005");
    EXPECT_BYTES(there_and_back(fixture, &frame).redirect, frame.redirect);

    struct pawl_member items[] = { member_make("a", "h2"), member_make("b", "h1"),
                                   member_make("b", "h3") };
    frame =
        (struct pawl_placement_frame){ .type = PAWL_PLACEMENT_MEMBERS, .members = { 5, 3, items } };
    again = there_and_back(fixture, &frame);
    assert_int_equal(again.members.version, 5);
    assert_int_equal(again.members.count, 3);
    for (uint32_t i = 0; i < 3; i++) expect_member(&again.members.items[i], &items[i]);
}

/* Other releases read them: fields are appended, never changed. */
static void test_the_bytes_of_a_hello_never_change(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_placement_frame frame = hello_make();
    pawl_placement_frame_encode(&fixture->buf, &frame);
    static const uint8_t expected[] =
        "\x9d\x01\x01\xa7"
        "default\xa6secret\xa2h1\xa6orders\xb3tcp://10.0.0.7:3502\xcc\x80\xc3\xc3\xb0"
        "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xcf\0\0\0\x07\0\0\0\0\xc3";
    EXPECT_BYTES(pawl_buf_view(&fixture->buf), pawl_bytes_make(expected, sizeof expected - 1));
}

static pawl_err decode_members(struct fixture *fixture, uint64_t version, uint32_t count,
                               struct pawl_member *items)
{
    const struct pawl_placement_frame frame = { .type = PAWL_PLACEMENT_MEMBERS,
                                                .members = { version, count, items } };
    struct pawl_placement_frame again;
    pawl_buf_clear(&fixture->buf);
    pawl_placement_frame_encode(&fixture->buf, &frame);
    return pawl_placement_frame_decode(pawl_buf_view(&fixture->buf), &fixture->arena, &again);
}

static void test_a_list_that_contradicts_itself_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_member items[] = { member_make("a", "h1"), member_make("a", "h2") };
    assert_int_equal(decode_members(fixture, 1, 2, items), PAWL_OK);
    assert_int_equal(decode_members(fixture, 0, 2, items), PAWL_E_PROTOCOL);
    assert_int_equal(decode_members(fixture, UINT64_MAX, 2, items), PAWL_E_PROTOCOL);
    items[1].partitions = 64;
    assert_int_equal(decode_members(fixture, 1, 2, items), PAWL_E_PROTOCOL);
    items[1].partitions = 0;
    items[1].app = PAWL_BYTES_LITERAL("b");
    assert_int_equal(decode_members(fixture, 1, 2, items), PAWL_E_PROTOCOL);
    items[1] = items[0];
    assert_int_equal(decode_members(fixture, 1, 2, items), PAWL_E_PROTOCOL);
    items[1].host = PAWL_BYTES_LITERAL("h0");
    assert_int_equal(decode_members(fixture, 1, 2, items), PAWL_E_PROTOCOL);
    items[1].host = PAWL_BYTES_LITERAL("h 2");
    assert_int_equal(decode_members(fixture, 1, 2, items), PAWL_E_PROTOCOL);
}

static void test_a_list_over_the_limit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    uint32_t count = PAWL_PLACEMENT_MEMBERS_MAX + 1;
    struct pawl_member *items = PAWL_ARENA_ARRAY(&fixture->arena, struct pawl_member, count);
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_bytes host = pawl_arena_printf(&fixture->arena, "host-%0100u", i);
        struct pawl_bytes address =
            pawl_arena_printf(&fixture->arena, "tcp://%0200u.example:65535", i);
        items[i] = member_make("orders", "x");
        items[i].host = host;
        items[i].address = address;
    }
    assert_int_equal(decode_members(fixture, 1, count - 1, items), PAWL_OK);
    assert_int_equal(decode_members(fixture, 1, count, items), PAWL_E_PROTOCOL);
}

static void test_of_another_protocol_version_only_the_version_is_read(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_placement_frame frame;
    pawl_write_array(&fixture->buf, 3);
    pawl_write_uint(&fixture->buf, PAWL_PLACEMENT_HELLO);
    pawl_write_uint(&fixture->buf, 2);
    pawl_write_str(&fixture->buf, "something new");
    assert_int_equal(
        pawl_placement_frame_decode(pawl_buf_view(&fixture->buf), &fixture->arena, &frame),
        PAWL_OK);
    assert_int_equal(frame.hello.protocol_version, 2);
}

static void test_appended_fields_are_passed_over(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_placement_frame frame;
    pawl_write_array(&fixture->buf, 6);
    pawl_write_uint(&fixture->buf, PAWL_PLACEMENT_UPDATE);
    pawl_write_bool(&fixture->buf, true);
    pawl_write_bool(&fixture->buf, true);
    pawl_write_uint(&fixture->buf, 3);
    pawl_write_bool(&fixture->buf, true);
    pawl_write_str(&fixture->buf, "of a later release");
    assert_int_equal(
        pawl_placement_frame_decode(pawl_buf_view(&fixture->buf), &fixture->arena, &frame),
        PAWL_OK);
    assert_true(frame.update.leaving);
}

static void test_what_is_no_frame_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_placement_frame frame = hello_make();
    pawl_placement_frame_encode(&fixture->buf, &frame);
    struct pawl_bytes whole = pawl_buf_view(&fixture->buf);
    for (size_t size = 0; size < whole.size; size++) {
        struct pawl_bytes part = pawl_bytes_make(whole.data, size);
        assert_int_equal(pawl_placement_frame_decode(part, &fixture->arena, &frame),
                         PAWL_E_PROTOCOL);
    }
    const struct pawl_bytes others[] = {
        BYTES(0x91, 0x00),
        BYTES(0x91, 0x08),
        BYTES(0x90),
        BYTES(0x80),
        BYTES(0xc1),
        BYTES(0x91, 0x03, 0x00),                               /* something behind */
        BYTES(0x92, 0x06, 0xa3, 't', 'c', 'p'),                /* no address */
        BYTES(0x93, 0x05, 0x01, 0xc0),                         /* no error number */
        BYTES(0x94, 0x04, 0x01, 0xa1, 'n', 0xcd, 0x0f, 0xff),  /* a heartbeat too rare */
        BYTES(0x93, 0x07, 0x01, 0xdd, 0xff, 0xff, 0xff, 0xff), /* four billion members */
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(pawl_placement_frame_decode(others[i], &fixture->arena, &frame),
                         PAWL_E_PROTOCOL);
    }
}

static void test_names_and_addresses(void **state)
{
    (void)state;
    static const char *good[] = { "tcp://a:1", "tcp://10.1.2.3:65535", "tcp://[::1]:3502",
                                  "tcp://orders-0.orders.prod.svc:3502" };
    static const char *bad[] = {
        "",           "tcp://",        "tcp://a",     "tcp://a:",       "tcp://:1",
        "tcp://a:0",  "tcp://a:65536", "tcp://a:1x",  "ipc:///x:1",     "tcp://a b:1",
        "tcp://[]:1", "tcp://[::1:1",  "tcp://a/b:1", "tcp://::1:3502", "tcp://[g]:1",
        "tcp://[:1"
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(pawl_placement_address_is_valid(pawl_bytes_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(pawl_placement_address_is_valid(pawl_bytes_str(bad[i])));

    uint8_t longest[PAWL_HOST_SIZE_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_true(pawl_placement_host_is_valid(pawl_bytes_make(longest, PAWL_HOST_SIZE_MAX)));
    assert_false(pawl_placement_host_is_valid(pawl_bytes_make(longest, PAWL_HOST_SIZE_MAX + 1)));
    assert_true(pawl_placement_app_is_valid(pawl_bytes_make(longest, PAWL_APP_ID_SIZE_MAX)));
    assert_false(pawl_placement_app_is_valid(pawl_bytes_make(longest, PAWL_APP_ID_SIZE_MAX + 1)));
    assert_false(pawl_placement_app_is_valid(PAWL_BYTES_LITERAL("a/b")));
    assert_false(pawl_placement_app_is_valid(PAWL_BYTES_ABSENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_frame_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_bytes_of_a_hello_never_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_list_that_contradicts_itself_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_list_over_the_limit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_another_protocol_version_only_the_version_is_read,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_appended_fields_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_frame_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_and_addresses, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
