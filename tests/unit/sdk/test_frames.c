/* Frames: golden bytes, every range at its edge, damage and lies refused. */
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
#include "golden.h"
#include "samples.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

static struct pawl_bytes encoded(const struct pawl_frame *frame)
{
    pawl_buf_clear(&buf);
    pawl_frame_encode(&buf, frame);
    assert_int_equal(buf.bad, PAWL_OK);
    return pawl_buf_view(&buf);
}

static struct pawl_frame decoded(struct pawl_bytes bytes)
{
    struct pawl_frame frame;
    assert_int_equal(pawl_frame_decode(bytes, &arena, &frame), PAWL_OK);
    return frame;
}

static struct pawl_frame passed(const struct pawl_frame *frame)
{
    return decoded(encoded(frame));
}

static void assert_passes(const struct pawl_frame *frame)
{
    (void)passed(frame);
}

static void assert_refused(const struct pawl_frame *frame)
{
    struct pawl_frame back;
    assert_int_equal(pawl_frame_decode(encoded(frame), &arena, &back), PAWL_E_PROTOCOL);
}

static struct pawl_frame sample(enum pawl_frame_type type)
{
    return pawl_sample_frame((int)type, &arena);
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

/* A field is at its edge when `max` bytes pass and one more does not. */
static void assert_size_edge(struct pawl_frame *frame, struct pawl_bytes *field, size_t max)
{
    struct pawl_bytes before = *field;
    struct pawl_bytes large = letters(max + 1);
    *field = pawl_bytes_make(large.data, max);
    assert_passes(frame);
    *field = large;
    assert_refused(frame);
    *field = before;
}

static void assert_name(struct pawl_frame *frame, struct pawl_bytes *field, size_t max)
{
    assert_size_edge(frame, field, max);
    struct pawl_bytes before = *field;
    *field = PAWL_BYTES_LITERAL("");
    assert_refused(frame);
    *field = PAWL_BYTES_LITERAL("a\nb");
    assert_refused(frame);
    *field = PAWL_BYTES_LITERAL("\xff");
    assert_refused(frame);
    *field = before;
}

static void assert_name_required(struct pawl_frame *frame, struct pawl_bytes *field, size_t max)
{
    assert_name(frame, field, max);
    struct pawl_bytes before = *field;
    *field = PAWL_BYTES_ABSENT;
    assert_refused(frame);
    *field = before;
}

static void assert_name_optional(struct pawl_frame *frame, struct pawl_bytes *field, size_t max)
{
    assert_name(frame, field, max);
    struct pawl_bytes before = *field;
    *field = PAWL_BYTES_ABSENT;
    assert_passes(frame);
    *field = before;
}

static void assert_id_required(struct pawl_frame *frame, struct pawl_id *field)
{
    struct pawl_id before = *field;
    *field = (struct pawl_id){ { 0 } };
    assert_refused(frame);
    *field = before;
}

/* A frame with what was appended to it since the first version. */
static struct pawl_frame sample_appended(enum pawl_frame_type type)
{
    struct pawl_frame frame = sample(type);
    static struct pawl_bytes patch = { (const uint8_t *)"fraud", 5 };
    if (type == PAWL_FRAME_HELLO) {
        frame.hello.minor = 1;
        frame.hello.match = PAWL_MATCH_CURRENT_OR_OLDER;
        frame.hello.match_version = PAWL_BYTES_LITERAL("2");
        frame.hello.mismatch_fails = true;
        frame.hello.workflows[0].latest = true;
    }
    if (type == PAWL_FRAME_TURN_DONE) {
        frame.turn_done.version = PAWL_BYTES_LITERAL("2");
        frame.turn_done.patches_count = 1;
        frame.turn_done.patches = &patch;
    }
    if (type == PAWL_FRAME_ACTIVITY) {
        frame.activity.takes_heartbeats = true;
        frame.activity.start_to_close_ms = 30000;
        frame.activity.heartbeat_ms = 3000;
        frame.activity.progress = PAWL_BYTES_LITERAL("7/9");
    }
    if (type == PAWL_FRAME_ANSWER) {
        for (int i = 0; i < PAWL_STATUS_COUNT; i++)
            frame.answer.answer.counts[i] = UINT64_C(1) << (i * 7);
        frame.answer.answer.batch = (struct pawl_batch){ 300, 299, 1 };
    }
    return frame;
}

/* Every type ------------------------------------------------------------------- */

static void frames_of_every_type_have_their_golden_bytes(void **state)
{
    (void)state;
    assert_int_equal(COUNT(golden_frames), PAWL_FRAME_TYPES_END - 1);
    for (size_t i = 0; i < COUNT(golden_frames); i++) {
        struct pawl_frame frame = sample((enum pawl_frame_type)golden_frames[i].number);
        assert_string_equal(hex(encoded(&frame)), golden_frames[i].hex);
    }
}

static void appended_fields_have_their_golden_bytes_and_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden_appended); i++) {
        struct pawl_frame frame = sample_appended((enum pawl_frame_type)golden_appended[i].number);
        assert_string_equal(hex(encoded(&frame)), golden_appended[i].hex);
        struct pawl_frame back = passed(&frame);
        assert_string_equal(hex(encoded(&back)), golden_appended[i].hex);
    }
}

/* A sidecar of between two versions may have appended some of them only. */
static void appended_fields_may_end_early(void **state)
{
    (void)state;
    struct pawl_frame frame = sample_appended(PAWL_FRAME_ACTIVITY), back;
    (void)encoded(&frame);
    buf.data[0]--; /* without its progress */
    struct pawl_bytes shorter = pawl_bytes_make(buf.data, buf.size - 4);
    assert_int_equal(pawl_frame_decode(shorter, &arena, &back), PAWL_OK);
    assert_true(back.activity.takes_heartbeats);
    assert_int_equal(back.activity.heartbeat_ms, 3000);
    assert_true(pawl_bytes_is_absent(back.activity.progress));
}

static void requests_of_every_op_have_their_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden_requests); i++) {
        struct pawl_frame frame = sample(PAWL_FRAME_REQUEST);
        frame.request.request = pawl_sample_request(golden_requests[i].number);
        assert_string_equal(hex(encoded(&frame)), golden_requests[i].hex);
    }
}

/* A decoder that lost or swapped a field could not give the golden bytes again. */
static void every_field_of_every_frame_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden_frames); i++) {
        struct pawl_frame frame = sample((enum pawl_frame_type)golden_frames[i].number);
        struct pawl_frame back = passed(&frame);
        struct pawl_buf again;
        pawl_buf_init(&again, 1u << 20);
        pawl_frame_encode(&again, &back);
        assert_string_equal(hex(pawl_buf_view(&again)), golden_frames[i].hex);
        pawl_buf_deinit(&again);
    }
    for (size_t i = 0; i < COUNT(golden_requests); i++) {
        struct pawl_frame frame = sample(PAWL_FRAME_REQUEST);
        frame.request.request = pawl_sample_request(golden_requests[i].number);
        struct pawl_frame back = passed(&frame);
        assert_int_equal(back.request.request.op, golden_requests[i].number);
        struct pawl_buf again;
        pawl_buf_init(&again, 1u << 20);
        pawl_frame_encode(&again, &back);
        assert_string_equal(hex(pawl_buf_view(&again)), golden_requests[i].hex);
        pawl_buf_deinit(&again);
    }
}

static void a_frame_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    for (int type = 1; type < PAWL_FRAME_TYPES_END; type++) {
        struct pawl_frame frame = sample((enum pawl_frame_type)type), back;
        struct pawl_bytes whole = encoded(&frame);
        for (size_t size = 0; size < whole.size; size++) {
            uint8_t *cut = pawl_mem_alloc(size); /* exact, so that ASan sees one too far */
            if (size) memcpy(cut, whole.data, size);
            assert_int_equal(pawl_frame_decode(pawl_bytes_make(cut, size), &arena, &back),
                             PAWL_E_PROTOCOL);
            pawl_mem_free(cut);
        }
    }
}

static void changed_bytes_never_break_the_reader(void **state)
{
    (void)state;
    struct pawl_arena scratch;
    pawl_arena_init(&scratch);
    uint32_t refused_count = 0;
    for (int type = 1; type < PAWL_FRAME_TYPES_END; type++) {
        struct pawl_frame frame = sample((enum pawl_frame_type)type), back;
        struct pawl_bytes whole = encoded(&frame);
        for (size_t i = 0; i < whole.size; i++) {
            uint8_t right = buf.data[i];
            for (int bit = 0; bit < 8; bit++) {
                buf.data[i] = (uint8_t)(right ^ (1 << bit));
                pawl_arena_reset(&scratch);
                if (pawl_frame_decode(whole, &scratch, &back) != PAWL_OK) refused_count++;
            }
            buf.data[i] = right;
        }
    }
    assert_true(refused_count > 100);
    pawl_arena_deinit(&scratch);
}

static void bytes_behind_a_frame_are_refused(void **state)
{
    (void)state;
    for (int type = 1; type < PAWL_FRAME_TYPES_END; type++) {
        struct pawl_frame frame = sample((enum pawl_frame_type)type), back;
        (void)encoded(&frame);
        pawl_write_nil(&buf);
        assert_int_equal(pawl_frame_decode(pawl_buf_view(&buf), &arena, &back), PAWL_E_PROTOCOL);
    }
}

static void appended_fields_are_ignored(void **state)
{
    (void)state;
    for (int type = 1; type < PAWL_FRAME_TYPES_END; type++) {
        struct pawl_frame frame = sample_appended((enum pawl_frame_type)type), back;
        (void)encoded(&frame);
        assert_true((buf.data[0] & 0xf0) == 0x90 && buf.data[0] < 0x9e);
        buf.data[0] = (uint8_t)(buf.data[0] + 2);
        pawl_write_str(&buf, "later");
        pawl_write_map(&buf, 0);
        assert_int_equal(pawl_frame_decode(pawl_buf_view(&buf), &arena, &back), PAWL_OK);
        assert_int_equal(back.type, type);
    }
}

static void a_missing_field_is_refused(void **state)
{
    (void)state;
    for (int type = 1; type < PAWL_FRAME_TYPES_END; type++) {
        struct pawl_frame frame = sample((enum pawl_frame_type)type), back;
        (void)encoded(&frame);
        uint32_t count = buf.data[0] & 0x0fu;
        for (uint32_t fewer = 0; fewer < count; fewer++) {
            /* The same bytes with the elements from `fewer` on left away. */
            struct pawl_reader reader;
            pawl_reader_init(&reader, pawl_buf_view(&buf));
            (void)pawl_read_array(&reader, 16);
            for (uint32_t i = 0; i < fewer; i++) pawl_read_skip(&reader);
            size_t size = (size_t)(reader.next - buf.data);
            uint8_t *cut = pawl_arena_alloc(&arena, size);
            memcpy(cut, buf.data, size);
            cut[0] = (uint8_t)(0x90 | fewer);
            assert_int_equal(pawl_frame_decode(pawl_bytes_make(cut, size), &arena, &back),
                             PAWL_E_PROTOCOL);
        }
    }
}

static pawl_err decode_raw(const uint8_t *data, size_t size)
{
    struct pawl_frame frame;
    return pawl_frame_decode(pawl_bytes_make(data, size), &arena, &frame);
}

static void unknown_types_are_refused(void **state)
{
    (void)state;
    static const uint8_t zero[] = { 0x91, 0 }, next[] = { 0x91, PAWL_FRAME_TYPES_END },
                         none[] = { 0x90 }, text[] = { 0x91, 0xa1, 'x' }, map[] = { 0x81, 1, 1 };
    assert_int_equal(decode_raw(zero, sizeof zero), PAWL_E_PROTOCOL);
    assert_int_equal(decode_raw(next, sizeof next), PAWL_E_PROTOCOL);
    assert_int_equal(decode_raw(none, sizeof none), PAWL_E_PROTOCOL);
    assert_int_equal(decode_raw(text, sizeof text), PAWL_E_PROTOCOL);
    assert_int_equal(decode_raw(map, sizeof map), PAWL_E_PROTOCOL);
    assert_int_equal(decode_raw(NULL, 0), PAWL_E_PROTOCOL);
}

/* Hostile counts ---------------------------------------------------------------- */

/* A HISTORY frame of `count` events of one byte. */
static pawl_err decode_history_of(uint32_t count)
{
    pawl_buf_clear(&buf);
    pawl_write_array(&buf, 3);
    pawl_write_uint(&buf, PAWL_FRAME_HISTORY);
    pawl_write_id(&buf, pawl_sample_id(1));
    pawl_write_array(&buf, count);
    for (uint32_t i = 0; i < count; i++) pawl_write_str(&buf, "x");
    struct pawl_frame frame;
    return pawl_frame_decode(pawl_buf_view(&buf), &arena, &frame);
}

static void counts_end_at_their_limits(void **state)
{
    (void)state;
    assert_int_equal(decode_history_of(PAWL_HISTORY_EVENTS_MAX), PAWL_OK);
    assert_int_equal(decode_history_of(PAWL_HISTORY_EVENTS_MAX + 1), PAWL_E_PROTOCOL);

    struct pawl_frame frame = sample(PAWL_FRAME_HELLO);
    uint32_t names_max = PAWL_HELLO_NAMES_MAX;
    struct pawl_registration *names =
        PAWL_ARENA_ARRAY(&arena, struct pawl_registration, names_max + 1);
    for (uint32_t i = 0; i <= names_max; i++) names[i].name = letters(1);
    frame.hello.workflows = names;
    frame.hello.workflows_count = names_max;
    frame.hello.activities = names;
    frame.hello.activities_count = names_max;
    assert_passes(&frame);
    frame.hello.workflows_count = names_max + 1;
    assert_refused(&frame);
    frame.hello.workflows_count = 0;
    frame.hello.activities_count = names_max + 1;
    assert_refused(&frame);
}

static void a_turn_may_end_with_twice_the_actions_that_are_allowed(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_TURN_DONE);
    struct pawl_action *actions =
        PAWL_ARENA_ARRAY(&arena, struct pawl_action, PAWL_FRAME_ACTIONS_MAX + 1);
    for (uint32_t i = 0; i <= PAWL_FRAME_ACTIONS_MAX; i++)
        actions[i] = (struct pawl_action){ .kind = PAWL_ACTION_CANCEL_TIMER, .ref = 1 };
    frame.turn_done.actions = actions;
    frame.turn_done.actions_count = PAWL_FRAME_ACTIONS_MAX;
    assert_passes(&frame);
    frame.turn_done.actions_count = PAWL_FRAME_ACTIONS_MAX + 1;
    assert_refused(&frame);
}

static void a_count_without_its_bytes_takes_no_memory(void **state)
{
    (void)state;
    /* [7, id, array of 2^32 - 1]; [9, …] and [15, …] go through the same read. */
    static const uint8_t bomb[] = { 0x93, 7,  0xb0, 1,  2,  3,  4,  5,    6,    7,    8,    9,
                                    10,   11, 12,   13, 14, 15, 16, 0xdd, 0xff, 0xff, 0xff, 0xff };
    struct pawl_arena scratch;
    pawl_arena_init(&scratch);
    struct pawl_frame frame;
    assert_int_equal(pawl_frame_decode(pawl_bytes_make(bomb, sizeof bomb), &scratch, &frame),
                     PAWL_E_PROTOCOL);
    assert_true(scratch.used < 4096);
    pawl_arena_deinit(&scratch);
}

/* Each frame's fields ----------------------------------------------------------- */

static void hello_names_are_checked(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_HELLO);
    struct pawl_hello *hello = &frame.hello;
    assert_name_required(&frame, &hello->app_id, PAWL_APP_ID_SIZE_MAX);
    hello->app_id = PAWL_BYTES_LITERAL("a b");
    assert_refused(&frame);
    hello->app_id = PAWL_BYTES_LITERAL("Az09-_.");
    assert_passes(&frame);
    assert_name_optional(&frame, &hello->worker, PAWL_NAME_SIZE_MAX);
    assert_size_edge(&frame, &hello->token, PAWL_TOKEN_SIZE_MAX);
    hello->token = PAWL_BYTES_ABSENT;
    assert_true(pawl_bytes_is_absent(passed(&frame).hello.token));
    assert_name_required(&frame, &hello->workflows[0].name, PAWL_NAME_SIZE_MAX);
    assert_name_optional(&frame, &hello->workflows[0].version, PAWL_NAME_SIZE_MAX);
    assert_name_required(&frame, &hello->activities[0].name, PAWL_NAME_SIZE_MAX);
}

static void a_hello_of_another_protocol_version_tells_just_that(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_HELLO);
    frame.hello.protocol_version = 2;
    frame.hello.app_id = PAWL_BYTES_LITERAL("no such id in version 1");
    struct pawl_frame back = passed(&frame);
    assert_int_equal(back.hello.protocol_version, 2);
    assert_true(pawl_bytes_is_absent(back.hello.app_id));
    assert_int_equal(back.hello.workflows_count, 0);
}

static void welcome_refused_and_credit_are_checked(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_WELCOME);
    assert_name_required(&frame, &frame.welcome.app_id, PAWL_APP_ID_SIZE_MAX);
    assert_name_optional(&frame, &frame.welcome.sidecar, PAWL_NAME_SIZE_MAX);
    frame.welcome.payload_size_max = PAWL_PAYLOAD_SIZE_MAX;
    assert_passes(&frame);
    frame.welcome.payload_size_max = PAWL_PAYLOAD_SIZE_MAX + 1;
    assert_refused(&frame);
    frame.welcome.payload_size_max = 0;
    assert_refused(&frame);

    frame = sample(PAWL_FRAME_REFUSED);
    frame.refused.err = PAWL_OK;
    assert_refused(&frame);
    frame.refused.err = (pawl_err)1;
    assert_refused(&frame);
    frame.refused.err = (pawl_err)-26;
    assert_refused(&frame);
    frame.refused.err = PAWL_E_SUPERSEDED;
    assert_passes(&frame);

    frame = sample(PAWL_FRAME_CREDIT);
    frame.credit = (struct pawl_credit){ PAWL_CREDIT_MAX, PAWL_CREDIT_MAX };
    assert_passes(&frame);
    frame.credit = (struct pawl_credit){ PAWL_CREDIT_MAX + 1, 0 };
    assert_refused(&frame);
    frame.credit = (struct pawl_credit){ 0, PAWL_CREDIT_MAX + 1 };
    assert_refused(&frame);
}

static void turns_are_checked(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_TURN);
    struct pawl_turn *turn = &frame.turn;
    assert_id_required(&frame, &turn->turn);
    assert_name_required(&frame, &turn->instance, PAWL_INSTANCE_ID_SIZE_MAX);
    assert_name_required(&frame, &turn->name, PAWL_NAME_SIZE_MAX);
    assert_name_optional(&frame, &turn->version, PAWL_NAME_SIZE_MAX);
    turn->base = (struct pawl_id){ { 0 } };
    turn->past_count = 2;
    assert_true(pawl_id_is_zero(passed(&frame).turn.base));
    turn->past_count = 3;
    assert_refused(&frame);
    turn->past_count = 0;
    turn->events[1] = PAWL_BYTES_LITERAL("");
    assert_refused(&frame);
    turn->events[1] = PAWL_BYTES_ABSENT;
    assert_refused(&frame);
    turn->events_count = 0;
    assert_passes(&frame);
}

static void history_need_history_and_evict_are_checked(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_HISTORY);
    assert_id_required(&frame, &frame.history.turn);
    frame = sample(PAWL_FRAME_NEED_HISTORY);
    assert_id_required(&frame, &frame.need_history.turn);
    assert_name_required(&frame, &frame.need_history.instance, PAWL_INSTANCE_ID_SIZE_MAX);
    frame = sample(PAWL_FRAME_EVICT);
    assert_name_required(&frame, &frame.evict.instance, PAWL_INSTANCE_ID_SIZE_MAX);
}

static void turn_results_are_checked(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_TURN_DONE);
    struct pawl_turn_done *done = &frame.turn_done;
    assert_id_required(&frame, &done->turn);
    assert_name_required(&frame, &done->instance, PAWL_INSTANCE_ID_SIZE_MAX);
    assert_size_edge(&frame, &done->custom_status, PAWL_CUSTOM_STATUS_SIZE_MAX);
    done->custom_status_set = false;
    assert_refused(&frame);
    done->custom_status = PAWL_BYTES_ABSENT;
    assert_passes(&frame);

    done->err = PAWL_E_NONDETERMINISM;
    assert_refused(&frame); /* it has actions */
    done->actions_count = 0;
    assert_passes(&frame);
    done->err = PAWL_E_NOT_REGISTERED;
    assert_passes(&frame);
    done->err = PAWL_E_BUSY;
    assert_refused(&frame);
}

static void actions_are_checked(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_TURN_DONE);
    struct pawl_action *actions = frame.turn_done.actions;
    assert_name_required(&frame, &actions[0].name, PAWL_NAME_SIZE_MAX);
    assert_name_optional(&frame, &actions[0].version, PAWL_NAME_SIZE_MAX);
    assert_name_optional(&frame, &actions[0].target_app, PAWL_APP_ID_SIZE_MAX);
    assert_size_edge(&frame, &actions[0].payload, PAWL_PAYLOAD_SIZE_MAX);
    assert_name_optional(&frame, &actions[1].name, PAWL_NAME_SIZE_MAX);
    assert_name_required(&frame, &actions[3].name, PAWL_NAME_SIZE_MAX);
    assert_name_optional(&frame, &actions[3].instance, PAWL_INSTANCE_ID_SIZE_MAX);
    assert_name_required(&frame, &actions[4].name, PAWL_NAME_SIZE_MAX);
    assert_name_required(&frame, &actions[4].instance, PAWL_INSTANCE_ID_SIZE_MAX);

    actions[1].fire_at_ms = -1;
    assert_refused(&frame);
    actions[1].fire_at_ms = INT64_MAX;
    actions[0].id = -1;
    assert_refused(&frame);
    actions[0].id = INT32_MAX;
    actions[0].start_to_close_ms = -1;
    assert_refused(&frame);
    actions[0].start_to_close_ms = INT64_MAX;
    actions[0].heartbeat_ms = -1;
    assert_refused(&frame);
    actions[0].heartbeat_ms = INT64_MAX;
    assert_size_edge(&frame, &actions[0].progress, PAWL_PROGRESS_SIZE_MAX);
    actions[0].progress = PAWL_BYTES_LITERAL("7/9");
    assert_true(pawl_bytes_is_str(passed(&frame).turn_done.actions[0].progress, "7/9"));
    assert_true(passed(&frame).turn_done.actions[0].heartbeat_ms == INT64_MAX);
    assert_true(passed(&frame).turn_done.actions[0].start_to_close_ms == INT64_MAX);
    actions[2].ref = -1;
    assert_refused(&frame);
    actions[2].ref = INT32_MAX;
    assert_passes(&frame);
    actions[2].kind = PAWL_ACTION_CANCEL_ACTIVITY;
    assert_int_equal(passed(&frame).turn_done.actions[2].ref, INT32_MAX);
    actions[2].kind = (enum pawl_action_kind)10;
    assert_refused(&frame);
    actions[2].kind = (enum pawl_action_kind)0;
    assert_refused(&frame);
}

static void an_end_is_the_last_action(void **state)
{
    (void)state;
    struct pawl_action complete = { .kind = PAWL_ACTION_COMPLETE,
                                    .status = PAWL_STATUS_COMPLETED,
                                    .payload = PAWL_BYTES_LITERAL("1") };
    struct pawl_action cancel = { .kind = PAWL_ACTION_CANCEL_TIMER };
    struct pawl_action actions[] = { cancel, complete };
    struct pawl_frame frame = sample(PAWL_FRAME_TURN_DONE);
    frame.turn_done.actions = actions;
    frame.turn_done.actions_count = 2;
    struct pawl_frame back = passed(&frame);
    assert_int_equal(back.turn_done.actions[1].status, PAWL_STATUS_COMPLETED);
    actions[1].status = PAWL_STATUS_FAILED;
    actions[1].failure = pawl_sample_failure();
    assert_true(passed(&frame).turn_done.actions[1].failure.present);
    actions[1].status = PAWL_STATUS_TERMINATED;
    assert_refused(&frame);
    actions[1].status = PAWL_STATUS_RUNNING;
    assert_refused(&frame);

    actions[0] = complete;
    actions[1] = cancel;
    assert_refused(&frame);
    actions[0] = (struct pawl_action){ .kind = PAWL_ACTION_CONTINUE };
    assert_refused(&frame);
}

static void carried_events_must_be_raised_events(void **state)
{
    (void)state;
    struct pawl_history_event event = pawl_sample_event(PAWL_EVENT_EVENT_RAISED);
    struct pawl_bytes carry = pawl_history_event_pack(&arena, &event);
    struct pawl_action action = { .kind = PAWL_ACTION_CONTINUE, .carry_count = 1, .carry = &carry };
    struct pawl_frame frame = sample(PAWL_FRAME_TURN_DONE);
    frame.turn_done.actions = &action;
    frame.turn_done.actions_count = 1;
    assert_passes(&frame);

    event.name = PAWL_BYTES_LITERAL("");
    carry = pawl_history_event_pack(&arena, &event);
    assert_refused(&frame);
    event = pawl_sample_event(PAWL_EVENT_EXECUTION_TERMINATED);
    carry = pawl_history_event_pack(&arena, &event);
    assert_refused(&frame);
    carry = PAWL_BYTES_LITERAL("junk");
    assert_refused(&frame);
}

static void activities_are_checked(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_ACTIVITY);
    struct pawl_activity_item *item = &frame.activity;
    assert_id_required(&frame, &item->token);
    assert_name_required(&frame, &item->instance, PAWL_INSTANCE_ID_SIZE_MAX);
    assert_name_required(&frame, &item->name, PAWL_NAME_SIZE_MAX);
    assert_name_optional(&frame, &item->version, PAWL_NAME_SIZE_MAX);
    assert_size_edge(&frame, &item->payload, PAWL_PAYLOAD_SIZE_MAX);
    item->payload = PAWL_BYTES_ABSENT;
    assert_true(pawl_bytes_is_absent(passed(&frame).activity.payload));
    item->payload = PAWL_BYTES_LITERAL("");
    assert_false(pawl_bytes_is_absent(passed(&frame).activity.payload));
    item->id = -1;
    assert_refused(&frame);

    frame = sample_appended(PAWL_FRAME_ACTIVITY);
    assert_size_edge(&frame, &item->progress, PAWL_PROGRESS_SIZE_MAX);
    item->start_to_close_ms = -1;
    assert_refused(&frame);
    item->start_to_close_ms = INT64_MAX;
    assert_passes(&frame);
    item->heartbeat_ms = -1;
    assert_refused(&frame);

    frame = sample(PAWL_FRAME_ACTIVITY_HEARTBEAT);
    assert_id_required(&frame, &frame.activity_beat.token);
    assert_size_edge(&frame, &frame.activity_beat.progress, PAWL_PROGRESS_SIZE_MAX);
    frame.activity_beat.progress = PAWL_BYTES_ABSENT;
    assert_true(pawl_bytes_is_absent(passed(&frame).activity_beat.progress));
    frame = sample(PAWL_FRAME_ACTIVITY_CANCEL);
    assert_id_required(&frame, &frame.activity_cancel);

    frame = sample(PAWL_FRAME_ACTIVITY_DONE);
    assert_id_required(&frame, &frame.activity_done.token);
    assert_size_edge(&frame, &frame.activity_done.payload, PAWL_PAYLOAD_SIZE_MAX);
    frame.activity_done.failure.present = false;
    assert_false(passed(&frame).activity_done.failure.present);
}

/* Texts for people ---------------------------------------------------------------- */

static void a_long_message_is_cut_at_a_character(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_REFUSED);
    static const uint8_t euro[] = { 0xe2, 0x82, 0xac };
    uint8_t *text = pawl_arena_alloc(&arena, PAWL_MESSAGE_SIZE_MAX + 2);
    memset(text, 'x', PAWL_MESSAGE_SIZE_MAX - 1);
    memcpy(text + PAWL_MESSAGE_SIZE_MAX - 1, euro, sizeof euro); /* ends 2 bytes too late */
    frame.refused.message = pawl_bytes_make(text, PAWL_MESSAGE_SIZE_MAX + 2);
    assert_int_equal(passed(&frame).refused.message.size, PAWL_MESSAGE_SIZE_MAX - 1);
    frame.refused.message = letters(PAWL_MESSAGE_SIZE_MAX);
    assert_int_equal(passed(&frame).refused.message.size, PAWL_MESSAGE_SIZE_MAX);
    frame.refused.message = letters(PAWL_MESSAGE_SIZE_MAX + 1);
    assert_int_equal(passed(&frame).refused.message.size, PAWL_MESSAGE_SIZE_MAX);
}

static void texts_that_are_not_utf8_are_made_so(void **state)
{
    (void)state;
    struct pawl_failure_view cause = { .present = true,
                                       .message = PAWL_BYTES_LITERAL("in \xe9t\xe9") };
    struct pawl_frame frame = sample(PAWL_FRAME_ACTIVITY_DONE);
    frame.activity_done.failure =
        (struct pawl_failure_view){ .present = true,
                                    .type = PAWL_BYTES_LITERAL("T\xff"),
                                    .message = PAWL_BYTES_LITERAL("out \xe9"),
                                    .details = PAWL_BYTES_LITERAL("\xff raw"),
                                    .inner = pawl_failure_pack(&arena, &cause) };
    struct pawl_failure_view back = passed(&frame).activity_done.failure, inner;
    assert_true(pawl_bytes_is_str(back.type, "T?"));
    assert_true(pawl_bytes_is_str(back.message, "out ?"));
    assert_true(pawl_bytes_is_str(back.details, "\xff raw"));
    assert_int_equal(pawl_failure_decode(back.inner, &inner), PAWL_OK);
    assert_true(pawl_bytes_is_str(inner.message, "in ?t?"));
}

static uint32_t causes_count(struct pawl_failure_view failure)
{
    uint32_t count = 0;
    for (; !pawl_bytes_is_absent(failure.inner); count++)
        assert_int_equal(pawl_failure_decode(failure.inner, &failure), PAWL_OK);
    return count;
}

static void causes_deeper_than_16_are_dropped(void **state)
{
    (void)state;
    struct pawl_failure_view failure = { .present = true };
    for (int depth = 0; depth < 16; depth++)
        failure = (struct pawl_failure_view){ .present = true,
                                              .inner = pawl_failure_pack(&arena, &failure) };
    struct pawl_frame frame = sample(PAWL_FRAME_ACTIVITY_DONE);
    frame.activity_done.failure = failure;
    assert_int_equal(causes_count(passed(&frame).activity_done.failure), 16);
    frame.activity_done.failure.inner = pawl_failure_pack(&arena, &failure);
    assert_int_equal(causes_count(passed(&frame).activity_done.failure), 16);
}

static void a_cause_that_is_no_failure_is_dropped(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_ACTIVITY_DONE);
    frame.activity_done.failure.inner = PAWL_BYTES_LITERAL("junk");
    struct pawl_failure_view back = passed(&frame).activity_done.failure;
    assert_true(back.present);
    assert_true(pawl_bytes_is_absent(back.inner));
}

/* Management calls ----------------------------------------------------------------- */

static void a_request_that_the_check_can_explain_passes_the_frame(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_REQUEST);
    struct pawl_request *request = &frame.request.request;
    request->instance = letters(PAWL_INSTANCE_ID_SIZE_MAX + 1);
    request->start_at_ms = -1;
    request->op = (enum pawl_request_op)99;
    struct pawl_frame back = passed(&frame);
    assert_int_equal(back.request.request.instance.size, PAWL_INSTANCE_ID_SIZE_MAX + 1);
    assert_true(back.request.request.start_at_ms == -1);
    struct pawl_bytes message;
    assert_int_equal(pawl_request_check(&back.request.request, &arena, &message), PAWL_E_INVALID);

    request->op = (enum pawl_request_op)256;
    assert_refused(&frame);
    request->op = PAWL_REQUEST_START;
    request->reuse = (enum pawl_reuse)4;
    assert_refused(&frame);
    request->reuse = PAWL_REUSE_RETURN;
    request->wait_for = (enum pawl_wait_for)3;
    assert_refused(&frame);
}

static void what_only_some_requests_have_comes_through(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_REQUEST);
    frame.request.request.extra = PAWL_BYTES_LITERAL("for gRPC workers");
    frame.request.request.may_be_absent = frame.request.request.status_only = true;
    struct pawl_request back = passed(&frame).request.request;
    assert_true(pawl_bytes_is_str(back.extra, "for gRPC workers"));
    assert_true(back.may_be_absent && back.status_only);
    struct pawl_frame answer = sample(PAWL_FRAME_ANSWER);
    answer.answer.answer.states[0].start_at_ms = 17;
    assert_int_equal(passed(&answer).answer.answer.states[0].start_at_ms, 17);
}

static void a_request_of_nothing_has_no_fields(void **state)
{
    (void)state;
    struct pawl_frame frame = { .type = PAWL_FRAME_REQUEST };
    frame.request.request.op = PAWL_REQUEST_LIST;
    assert_string_equal(hex(encoded(&frame)), "940e000980");
    struct pawl_frame back = passed(&frame);
    assert_true(pawl_bytes_is_absent(back.request.request.name));
}

static void answers_are_checked(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_ANSWER);
    struct pawl_answer *answer = &frame.answer.answer;
    struct pawl_instance_state *instance_state = &answer->states[0];
    assert_name_optional(&frame, &answer->instance, PAWL_INSTANCE_ID_SIZE_MAX);
    assert_size_edge(&frame, &answer->cursor, PAWL_POSITION_SIZE_MAX);
    assert_name_required(&frame, &instance_state->instance, PAWL_INSTANCE_ID_SIZE_MAX);
    assert_name_optional(&frame, &instance_state->name, PAWL_NAME_SIZE_MAX);
    assert_name_optional(&frame, &instance_state->version, PAWL_NAME_SIZE_MAX);
    assert_name_optional(&frame, &instance_state->parent_instance, PAWL_INSTANCE_ID_SIZE_MAX);
    assert_size_edge(&frame, &instance_state->custom_status, PAWL_CUSTOM_STATUS_SIZE_MAX);
    assert_size_edge(&frame, &instance_state->input, PAWL_PAYLOAD_SIZE_MAX);
    assert_size_edge(&frame, &instance_state->output, PAWL_PAYLOAD_SIZE_MAX);
    instance_state->status = PAWL_STATUS_COUNT;
    assert_refused(&frame);
    instance_state->status = PAWL_STATUS_STALLED;
    instance_state->created_ms = -1;
    assert_refused(&frame);
    instance_state->created_ms = 0;
    assert_passes(&frame);
    answer->err = (pawl_err)-1000;
    assert_refused(&frame);
}

static void an_answer_ends_at_its_counts(void **state)
{
    (void)state;
    struct pawl_frame frame = sample(PAWL_FRAME_ANSWER);
    struct pawl_answer *answer = &frame.answer.answer;
    struct pawl_instance_state *states =
        PAWL_ARENA_ARRAY(&arena, struct pawl_instance_state, PAWL_QUERY_ITEMS_MAX + 1);
    for (uint32_t i = 0; i <= PAWL_QUERY_ITEMS_MAX; i++) states[i].instance = letters(1);
    answer->states = states;
    answer->states_count = PAWL_QUERY_ITEMS_MAX;
    struct pawl_bytes *events =
        PAWL_ARENA_ARRAY(&arena, struct pawl_bytes, PAWL_LOAD_HISTORY_MAX + 1);
    for (uint32_t i = 0; i <= PAWL_LOAD_HISTORY_MAX; i++) events[i] = letters(1);
    answer->events = events;
    answer->events_count = PAWL_LOAD_HISTORY_MAX;
    assert_passes(&frame);
    answer->states_count = PAWL_QUERY_ITEMS_MAX + 1;
    assert_refused(&frame);
    answer->states_count = 0;
    answer->events_count = PAWL_LOAD_HISTORY_MAX + 1;
    assert_refused(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(frames_of_every_type_have_their_golden_bytes),
        TEST(requests_of_every_op_have_their_golden_bytes),
        TEST(appended_fields_have_their_golden_bytes_and_come_back),
        TEST(appended_fields_may_end_early),
        TEST(every_field_of_every_frame_comes_back),
        TEST(a_frame_cut_at_any_byte_is_refused),
        TEST(changed_bytes_never_break_the_reader),
        TEST(bytes_behind_a_frame_are_refused),
        TEST(appended_fields_are_ignored),
        TEST(a_missing_field_is_refused),
        TEST(unknown_types_are_refused),
        TEST(counts_end_at_their_limits),
        TEST(a_turn_may_end_with_twice_the_actions_that_are_allowed),
        TEST(a_count_without_its_bytes_takes_no_memory),
        TEST(hello_names_are_checked),
        TEST(a_hello_of_another_protocol_version_tells_just_that),
        TEST(welcome_refused_and_credit_are_checked),
        TEST(turns_are_checked),
        TEST(history_need_history_and_evict_are_checked),
        TEST(turn_results_are_checked),
        TEST(actions_are_checked),
        TEST(an_end_is_the_last_action),
        TEST(carried_events_must_be_raised_events),
        TEST(activities_are_checked),
        TEST(a_long_message_is_cut_at_a_character),
        TEST(texts_that_are_not_utf8_are_made_so),
        TEST(causes_deeper_than_16_are_dropped),
        TEST(a_cause_that_is_no_failure_is_dropped),
        TEST(a_request_that_the_check_can_explain_passes_the_frame),
        TEST(what_only_some_requests_have_comes_through),
        TEST(a_request_of_nothing_has_no_fields),
        TEST(answers_are_checked),
        TEST(an_answer_ends_at_its_counts),
#undef TEST
    };
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
