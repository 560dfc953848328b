/* Peer frames: golden bytes, every range at its edge, damage and lies refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/codec.h"
#include "base/limits.h"
#include "base/mem.h"
#include "peer_samples.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* As first released: a rolling upgrade has both sides of it. Only ever add lines. */
static const struct {
    int type;
    const char *hex;
} golden[] = {
    { PAWL_PEER_HELLO,
      "960101a470726f64a473686f70b073686f702d312d37372d633066666565a6736563726574" },
    { PAWL_PEER_WELCOME,
      "960201a470726f64a473686f70b073686f702d312d37372d633066666565a6736563726574" },
    { PAWL_PEER_REFUSED, "9303eeab77726f6e6720746f6b656e" },
    { PAWL_PEER_PING, "9104" },
    { PAWL_PEER_PONG, "9105" },
    { PAWL_PEER_CREDIT, "9206ce00011170" },
    { PAWL_PEER_CALL, "9307cd012ca56672616d65" },
    { PAWL_PEER_RETURN, "9408cd012cc2a56672616d65" },
    { PAWL_PEER_GONE, "9209cd012c" },
    { PAWL_PEER_MESSAGE, "930ab0101112131415161718191a1b1c1d1e1fa4626f6479" },
    { PAWL_PEER_MESSAGE_DONE, "940bb0101112131415161718191a1b1c1d1e1f00a56576656e74" },
    { PAWL_PEER_RUN, "980cb0505152535455565758595a5b5c5d5e5fa76f726465722d31b060616263646566676869"
                     "6a6b6c6d6e6f0207cf1122334455667788a56576656e74" },
    { PAWL_PEER_RUN_REFUSED, "930db0505152535455565758595a5b5c5d5e5fc3" },
    { PAWL_PEER_RESULT,
      "980eb0505152535455565758595a5b5c5d5e5fa76f726465722d31b060616263646566676869"
      "6a6b6c6d6e6f0207cf1122334455667788a56576656e74" },
    { PAWL_PEER_RESULT_DONE, "920fb0505152535455565758595a5b5c5d5e5f" },
    { PAWL_PEER_ASK, "921092b0202122232425262728292a2b2c2d2e2fb0303132333435363738393a3b3c3d3e3f" },
    { PAWL_PEER_ASKED,
      "931191b0202122232425262728292a2b2c2d2e2f92b0404142434445464748494a4b4c4d4e4f"
      "b0505152535455565758595a5b5c5d5e5f" },
    { PAWL_PEER_CANCEL, "9212b0505152535455565758595a5b5c5d5e5f" },
    { PAWL_PEER_ATTEMPT, "9313b0505152535455565758595a5b5c5d5e5f03" },
    { PAWL_PEER_PLACES_WANTED,
      "96140908b0101112131415161718191a1b1c1d1e1f039ac3a46d61696c050204c2c00700ceffffffff" },
    { PAWL_PEER_PLACES,
      "96150908b0101112131415161718191a1b1c1d1e1f039ac3a46d61696c050204c2c00700ceffffffff" },
    { PAWL_PEER_FIND,
      "92169ab0505152535455565758595a5b5c5d5e5fa76f726465722d31b060616263646566676869"
      "6a6b6c6d6e6f02cf1122334455667788b05152535455565758595a5b5c5d5e5f60a76f72646572"
      "2d31b0606162636465666768696a6b6c6d6e6f03cf1122334455667789" },
    { PAWL_PEER_FOUND,
      "931791b0202122232425262728292a2b2c2d2e2f92b0404142434445464748494a4b4c4d4e4f"
      "b0505152535455565758595a5b5c5d5e5f" },
    { PAWL_PEER_NEWS_WANTED, "9118" },
    { PAWL_PEER_NEWS, "9219927f05" },
};

static struct pawl_arena arena;
static struct pawl_buf buf; /* of the frame encoded last */

static int setup(void **state)
{
    (void)state;
    pawl_arena_init(&arena);
    pawl_buf_init(&buf, 64u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pawl_buf_deinit(&buf);
    pawl_arena_deinit(&arena);
    return 0;
}

static struct pawl_bytes encoded(const struct pawl_peer_frame *frame)
{
    pawl_buf_clear(&buf);
    pawl_peer_frame_encode(&buf, frame);
    assert_int_equal(buf.bad, PAWL_OK);
    return pawl_buf_view(&buf);
}

static struct pawl_peer_frame passed(const struct pawl_peer_frame *frame)
{
    struct pawl_peer_frame back;
    assert_int_equal(pawl_peer_frame_decode(encoded(frame), &arena, &back), PAWL_OK);
    return back;
}

static void assert_passes(const struct pawl_peer_frame *frame)
{
    (void)passed(frame);
}

static void assert_refused(const struct pawl_peer_frame *frame)
{
    struct pawl_peer_frame back;
    assert_int_equal(pawl_peer_frame_decode(encoded(frame), &arena, &back), PAWL_E_PROTOCOL);
}

static struct pawl_peer_frame sample(enum pawl_peer_frame_type type)
{
    return pawl_sample_peer_frame((int)type, &arena);
}

static struct pawl_bytes letters(size_t size)
{
    uint8_t *data = pawl_arena_alloc(&arena, size);
    memset(data, 'x', size);
    return pawl_bytes_make(data, size);
}

static const char *hex(struct pawl_bytes bytes)
{
    char *text = pawl_arena_alloc(&arena, 2 * bytes.size + 1);
    for (size_t i = 0; i < bytes.size; i++) (void)snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
    return text;
}

static void assert_size_edge(struct pawl_peer_frame *frame, struct pawl_bytes *field, size_t max)
{
    struct pawl_bytes before = *field;
    struct pawl_bytes large = letters(max + 1);
    *field = pawl_bytes_make(large.data, max);
    assert_passes(frame);
    *field = large;
    assert_refused(frame);
    *field = before;
}

static void assert_refused_as(struct pawl_peer_frame *frame, struct pawl_bytes *field,
                              struct pawl_bytes value)
{
    struct pawl_bytes before = *field;
    *field = value;
    assert_refused(frame);
    *field = before;
}

static void assert_name(struct pawl_peer_frame *frame, struct pawl_bytes *field, size_t max)
{
    assert_size_edge(frame, field, max);
    assert_refused_as(frame, field, PAWL_BYTES_ABSENT);
    assert_refused_as(frame, field, PAWL_BYTES_LITERAL(""));
    assert_refused_as(frame, field, PAWL_BYTES_LITERAL("a\nb"));
    assert_refused_as(frame, field, PAWL_BYTES_LITERAL("\xff"));
}

static void assert_inner(struct pawl_peer_frame *frame, struct pawl_bytes *field, bool optional)
{
    assert_refused_as(frame, field, PAWL_BYTES_LITERAL(""));
    struct pawl_bytes before = *field;
    *field = PAWL_BYTES_ABSENT;
    if (optional) {
        assert_passes(frame);
    } else {
        assert_refused(frame);
    }
    *field = before;
}

static void assert_id(struct pawl_peer_frame *frame, struct pawl_id *field)
{
    struct pawl_id before = *field;
    *field = (struct pawl_id){ { 0 } };
    assert_refused(frame);
    *field = before;
}

/* Every type ------------------------------------------------------------------- */

static void frames_of_every_type_have_their_golden_bytes(void **state)
{
    (void)state;
    assert_int_equal(COUNT(golden), PAWL_PEER_FRAME_TYPES_END - 1);
    for (size_t i = 0; i < COUNT(golden); i++) {
        struct pawl_peer_frame frame = pawl_sample_peer_frame(golden[i].type, &arena);
        assert_string_equal(hex(encoded(&frame)), golden[i].hex);
    }
}

/* A decoder that lost or swapped a field could not give the golden bytes again. */
static void every_field_of_every_frame_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        struct pawl_peer_frame frame = pawl_sample_peer_frame(golden[i].type, &arena);
        struct pawl_bytes first = pawl_arena_copy(&arena, encoded(&frame));
        struct pawl_peer_frame back;
        assert_int_equal(pawl_peer_frame_decode(first, &arena, &back), PAWL_OK);
        assert_string_equal(hex(encoded(&back)), golden[i].hex);
    }
}

static void a_frame_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    for (int type = 1; type < PAWL_PEER_FRAME_TYPES_END; type++) {
        struct pawl_peer_frame frame = pawl_sample_peer_frame(type, &arena), back;
        struct pawl_bytes whole = encoded(&frame);
        for (size_t size = 0; size < whole.size; size++) {
            uint8_t *cut = pawl_mem_alloc(size); /* exact, so that ASan sees one too far */
            if (size) memcpy(cut, whole.data, size);
            assert_int_equal(pawl_peer_frame_decode(pawl_bytes_make(cut, size), &arena, &back),
                             PAWL_E_PROTOCOL);
            pawl_mem_free(cut);
        }
    }
}

/* A later minor version may append fields; bytes after the frame are a mistake. */
static void appended_fields_are_passed_over(void **state)
{
    (void)state;
    for (int type = 1; type < PAWL_PEER_FRAME_TYPES_END; type++) {
        struct pawl_peer_frame frame = pawl_sample_peer_frame(type, &arena), back;
        (void)encoded(&frame);
        buf.data[0]++; /* one element more */
        pawl_write_str(&buf, "new");
        assert_int_equal(pawl_peer_frame_decode(pawl_buf_view(&buf), &arena, &back), PAWL_OK);
        pawl_write_nil(&buf);
        assert_int_equal(pawl_peer_frame_decode(pawl_buf_view(&buf), &arena, &back),
                         PAWL_E_PROTOCOL);
    }
}

static void an_unknown_type_is_refused(void **state)
{
    (void)state;
    static const uint32_t types[] = { 0, PAWL_PEER_FRAME_TYPES_END, 255, UINT32_MAX };
    for (size_t i = 0; i < COUNT(types); i++) {
        struct pawl_peer_frame back;
        pawl_buf_clear(&buf);
        pawl_write_array(&buf, 1);
        pawl_write_uint(&buf, types[i]);
        assert_int_equal(pawl_peer_frame_decode(pawl_buf_view(&buf), &arena, &back),
                         PAWL_E_PROTOCOL);
    }
}

/* Ranges ----------------------------------------------------------------------- */

static void hello_and_welcome_have_their_ranges(void **state)
{
    (void)state;
    for (int type = PAWL_PEER_HELLO; type <= PAWL_PEER_WELCOME; type++) {
        struct pawl_peer_frame frame = pawl_sample_peer_frame(type, &arena);
        assert_name(&frame, &frame.hello.namespace_, PAWL_APP_ID_SIZE_MAX);
        assert_name(&frame, &frame.hello.app, PAWL_APP_ID_SIZE_MAX);
        assert_refused_as(&frame, &frame.hello.app, PAWL_BYTES_LITERAL("a b"));
        assert_name(&frame, &frame.hello.host, PAWL_HOST_SIZE_MAX);
        assert_size_edge(&frame, &frame.hello.token, PAWL_TOKEN_SIZE_MAX);
        frame.hello.token = PAWL_BYTES_ABSENT;
        assert_passes(&frame);
    }
}

/* So that the other side can be told which versions do not go together. */
static void of_another_version_only_the_version_is_read(void **state)
{
    (void)state;
    for (int type = PAWL_PEER_HELLO; type <= PAWL_PEER_WELCOME; type++) {
        struct pawl_peer_frame back;
        pawl_buf_clear(&buf);
        pawl_write_array(&buf, 3);
        pawl_write_uint(&buf, (uint64_t)type);
        pawl_write_uint(&buf, 77);
        pawl_write_array(&buf, 2); /* a thing of the future, not even whole */
        assert_int_equal(pawl_peer_frame_decode(pawl_buf_view(&buf), &arena, &back), PAWL_OK);
        assert_int_equal(back.type, type);
        assert_int_equal(back.hello.protocol_version, 77);
        assert_true(pawl_bytes_is_absent(back.hello.host));
    }
}

static void refused_has_a_reason_and_a_readable_text(void **state)
{
    (void)state;
    struct pawl_peer_frame frame = sample(PAWL_PEER_REFUSED);
    frame.refused.err = PAWL_OK;
    assert_refused(&frame);
    frame.refused.err = (pawl_err)-99;
    assert_refused(&frame);
    frame.refused.err = PAWL_E_VERSION;
    frame.refused.message = letters(PAWL_MESSAGE_SIZE_MAX + 1);
    assert_int_equal(passed(&frame).refused.message.size, PAWL_MESSAGE_SIZE_MAX);
    frame.refused.message = PAWL_BYTES_LITERAL("bad \xff byte");
    assert_true(pawl_bytes_is_str(passed(&frame).refused.message, "bad ? byte"));
}

static void credit_is_at_most_the_window(void **state)
{
    (void)state;
    struct pawl_peer_frame frame = sample(PAWL_PEER_CREDIT);
    frame.credit = PAWL_PEER_WINDOW;
    assert_passes(&frame);
    frame.credit++;
    assert_refused(&frame);
}

static void a_call_holds_a_frame(void **state)
{
    (void)state;
    struct pawl_peer_frame frame = sample(PAWL_PEER_CALL);
    assert_inner(&frame, &frame.call.frame, false);
    frame.call.token = UINT64_MAX;
    assert_true(passed(&frame).call.token == UINT64_MAX);
}

/* An answer that is there and not there would leave the asker in doubt. */
static void a_return_holds_a_frame_or_is_moved(void **state)
{
    (void)state;
    struct pawl_peer_frame frame = sample(PAWL_PEER_RETURN);
    assert_inner(&frame, &frame.call.frame, false);
    frame.call.moved = true;
    assert_refused(&frame);
    frame.call.frame = PAWL_BYTES_ABSENT;
    assert_true(passed(&frame).call.moved);
}

static void messages_have_an_id_and_a_body(void **state)
{
    (void)state;
    struct pawl_peer_frame frame = sample(PAWL_PEER_MESSAGE);
    assert_id(&frame, &frame.message.id);
    assert_inner(&frame, &frame.message.body, false);

    frame = sample(PAWL_PEER_MESSAGE_DONE);
    assert_id(&frame, &frame.message_done.id);
    assert_inner(&frame, &frame.message_done.event, true);
    frame.message_done.err = PAWL_E_CONFLICT;
    assert_refused(&frame); /* an event that says how it went, and it did not go */
    frame.message_done.event = PAWL_BYTES_ABSENT;
    assert_passes(&frame);
    frame.message_done.err = (pawl_err)1;
    assert_refused(&frame);
}

static void runs_and_results_have_their_ranges(void **state)
{
    (void)state;
    static const enum pawl_peer_frame_type types[] = { PAWL_PEER_RUN, PAWL_PEER_RESULT };
    for (size_t i = 0; i < COUNT(types); i++) {
        struct pawl_peer_frame frame = sample(types[i]);
        assert_id(&frame, &frame.run.run);
        assert_id(&frame, &frame.run.inc);
        assert_name(&frame, &frame.run.instance, PAWL_INSTANCE_ID_SIZE_MAX);
        assert_inner(&frame, &frame.run.event, false);
        frame.run.op_id = INT32_MAX;
        assert_passes(&frame);
        frame.run.op_id++;
        assert_refused(&frame);
        frame.run.op_id = 0;
        frame.run.gen = 0;
        assert_refused(&frame);
    }
}

static void what_names_a_run_is_not_zero(void **state)
{
    (void)state;
    static const enum pawl_peer_frame_type types[] = { PAWL_PEER_RESULT_DONE, PAWL_PEER_CANCEL };
    for (size_t i = 0; i < COUNT(types); i++) {
        struct pawl_peer_frame frame = sample(types[i]);
        assert_id(&frame, &frame.run_id);
    }
    struct pawl_peer_frame refused = sample(PAWL_PEER_RUN_REFUSED);
    assert_id(&refused, &refused.run_refused.run);
    struct pawl_peer_frame attempt = sample(PAWL_PEER_ATTEMPT);
    assert_id(&attempt, &attempt.run_attempt.run);
}

static struct pawl_id *many_ids(uint32_t count)
{
    struct pawl_id *ids = PAWL_ARENA_ARRAY(&arena, struct pawl_id, count);
    for (uint32_t i = 0; i < count; i++) memset(ids[i].bytes, 1 + (int)(i % 100), 16);
    return ids;
}

static void questions_for_runs_have_a_bound(void **state)
{
    (void)state;
    struct pawl_peer_frame frame = sample(PAWL_PEER_ASK);
    frame.runs.known = many_ids(PAWL_PEER_RUNS_MAX + 1);
    frame.runs.known_count = PAWL_PEER_RUNS_MAX;
    assert_passes(&frame);
    frame.runs.known_count++;
    assert_refused(&frame);
    frame.runs.known_count = 1;
    assert_id(&frame, &frame.runs.known[0]);

    frame = sample(PAWL_PEER_ASKED);
    frame.runs.known = frame.runs.unknown = many_ids(PAWL_PEER_RUNS_MAX);
    frame.runs.known_count = 24;
    frame.runs.unknown_count = PAWL_PEER_RUNS_MAX - 24;
    assert_passes(&frame);
    frame.runs.unknown_count++;
    assert_refused(&frame);
    frame.runs.known_count = frame.runs.unknown_count = 0;
    assert_passes(&frame);
}

static void questions_for_activities_have_a_bound_and_ranges(void **state)
{
    (void)state;
    struct pawl_peer_frame frame = sample(PAWL_PEER_FIND);
    struct pawl_peer_find *find = &frame.finds.items[1];
    assert_id(&frame, &find->run);
    assert_id(&frame, &find->inc);
    find->gen = 0;
    assert_refused(&frame);
    find->gen = 1;
    find->instance = PAWL_BYTES_ABSENT;
    assert_refused(&frame);

    struct pawl_peer_find first = frame.finds.items[0];
    frame.finds.count = PAWL_PEER_RUNS_MAX;
    frame.finds.items = PAWL_ARENA_ARRAY(&arena, struct pawl_peer_find, PAWL_PEER_RUNS_MAX + 1);
    for (uint32_t i = 0; i <= PAWL_PEER_RUNS_MAX; i++) frame.finds.items[i] = first;
    assert_passes(&frame);
    frame.finds.count++;
    assert_refused(&frame);
}

/* Five fields each: what is left over is a mistake. */
static void a_question_for_half_an_activity_is_refused(void **state)
{
    (void)state;
    struct pawl_peer_frame frame = sample(PAWL_PEER_FIND), back;
    frame.finds.count = 1;
    (void)encoded(&frame);
    buf.data[2] = 0x96; /* one element more */
    pawl_write_uint(&buf, 1);
    assert_int_equal(pawl_peer_frame_decode(pawl_buf_view(&buf), &arena, &back), PAWL_E_PROTOCOL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_of_every_type_have_their_golden_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_field_of_every_frame_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_cut_at_any_byte_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(appended_fields_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_type_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(hello_and_welcome_have_their_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(of_another_version_only_the_version_is_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(refused_has_a_reason_and_a_readable_text, setup, teardown),
        cmocka_unit_test_setup_teardown(credit_is_at_most_the_window, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_holds_a_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(a_return_holds_a_frame_or_is_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_have_an_id_and_a_body, setup, teardown),
        cmocka_unit_test_setup_teardown(runs_and_results_have_their_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(what_names_a_run_is_not_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(questions_for_runs_have_a_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(questions_for_activities_have_a_bound_and_ranges, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_question_for_half_an_activity_is_refused, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("actors/peer_frames", tests, NULL, NULL);
}
