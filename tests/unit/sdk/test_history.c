/* History: bytes that are for ever, absent against empty, damage never accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/codec.h"
#include "base/mem.h"
#include "golden.h"
#include "samples.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int setup(void **state)
{
    struct pawl_arena *arena = PAWL_NEW(struct pawl_arena);
    pawl_arena_init(arena);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    pawl_arena_deinit(*state);
    pawl_mem_free(*state);
    return 0;
}

static const char *hex(struct pawl_arena *arena, struct pawl_bytes bytes)
{
    char *text = pawl_arena_alloc(arena, 2 * bytes.size + 1);
    for (size_t i = 0; i < bytes.size; i++) (void)snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
    return text;
}

/* A copy in a heap block of exactly that size, so that ASan sees one byte too far. */
static struct pawl_bytes exact_copy(struct pawl_bytes bytes)
{
    uint8_t *copy = pawl_mem_alloc(bytes.size);
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    return pawl_bytes_make(copy, bytes.size);
}

static void exact_free(struct pawl_bytes bytes)
{
    pawl_mem_free((void *)(uintptr_t)bytes.data);
}

static void assert_bytes_equal(struct pawl_bytes a, struct pawl_bytes b)
{
    assert_true(pawl_bytes_is_equal(a, b));
}

static void assert_failure_equal(const struct pawl_failure_view *a,
                                 const struct pawl_failure_view *b)
{
    assert_int_equal(a->present, b->present);
    assert_int_equal(a->non_retriable, b->non_retriable);
    assert_bytes_equal(a->type, b->type);
    assert_bytes_equal(a->message, b->message);
    assert_bytes_equal(a->details, b->details);
    assert_bytes_equal(a->inner, b->inner);
}

static void assert_parent_equal(const struct pawl_parent *a, const struct pawl_parent *b)
{
    assert_bytes_equal(a->app, b->app);
    assert_bytes_equal(a->instance, b->instance);
    assert_true(pawl_id_is_equal(a->inc, b->inc));
    assert_int_equal(a->gen, b->gen);
    assert_int_equal(a->op_id, b->op_id);
    assert_true(a->nonce == b->nonce);
}

static void assert_event_equal(const struct pawl_history_event *a,
                               const struct pawl_history_event *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->ref, b->ref);
    assert_true(a->timestamp_ms == b->timestamp_ms);
    assert_true(a->fire_at_ms == b->fire_at_ms);
    assert_true(a->start_at_ms == b->start_at_ms);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->recursive, b->recursive);
    assert_bytes_equal(a->name, b->name);
    assert_bytes_equal(a->version, b->version);
    assert_bytes_equal(a->payload, b->payload);
    assert_bytes_equal(a->instance, b->instance);
    assert_bytes_equal(a->target_app, b->target_app);
    assert_true(pawl_id_is_equal(a->execution, b->execution));
    assert_true(pawl_id_is_equal(a->task_execution, b->task_execution));
    assert_parent_equal(&a->parent, &b->parent);
    assert_failure_equal(&a->failure, &b->failure);
}

static struct pawl_history_event decoded(struct pawl_bytes bytes)
{
    struct pawl_history_event event;
    assert_int_equal(pawl_history_event_decode(bytes, &event), PAWL_OK);
    return event;
}

/* Every field set at once, to its largest value where it has one. */
static struct pawl_history_event event_full(void)
{
    struct pawl_history_event event = pawl_sample_event(PAWL_EVENT_EXECUTION_STARTED);
    event.id = INT32_MAX;
    event.ref = INT32_MAX;
    event.timestamp_ms = INT64_MAX;
    event.fire_at_ms = INT64_MIN;
    event.start_at_ms = INT64_MIN;
    event.status = PAWL_STATUS_STALLED;
    event.recursive = true;
    event.instance = PAWL_BYTES_LITERAL("other");
    event.target_app = PAWL_BYTES_LITERAL("bank");
    event.task_execution = pawl_sample_id(0xf0);
    event.parent.gen = UINT32_MAX;
    event.parent.op_id = UINT32_MAX;
    event.parent.nonce = UINT64_MAX;
    event.failure = pawl_sample_failure();
    return event;
}

static void events_of_every_kind_have_their_golden_bytes(void **state)
{
    struct pawl_arena *arena = *state;
    size_t kinds_count = 0;
#define X(name, value, text) kinds_count++;
    PAWL_EVENT_KIND_MAP(X)
#undef X
    assert_int_equal(COUNT(golden_events), kinds_count);
    for (size_t i = 0; i < COUNT(golden_events); i++) {
        struct pawl_history_event event = pawl_sample_event(golden_events[i].number);
        struct pawl_bytes bytes = pawl_history_event_pack(arena, &event);
        assert_string_equal(hex(arena, bytes), golden_events[i].hex);
    }
}

static void every_field_of_every_kind_comes_back(void **state)
{
    for (size_t i = 0; i < COUNT(golden_events); i++) {
        struct pawl_history_event event = pawl_sample_event(golden_events[i].number);
        struct pawl_history_event back = decoded(pawl_history_event_pack(*state, &event));
        assert_event_equal(&event, &back);
    }
    struct pawl_history_event full = event_full();
    struct pawl_history_event back = decoded(pawl_history_event_pack(*state, &full));
    assert_event_equal(&full, &back);
}

static void pack_and_encode_give_the_same_bytes(void **state)
{
    struct pawl_history_event event = event_full();
    struct pawl_buf buf;
    pawl_buf_init(&buf, 4096);
    pawl_history_event_encode(&buf, &event);
    assert_int_equal(buf.bad, PAWL_OK);
    assert_bytes_equal(pawl_buf_view(&buf), pawl_history_event_pack(*state, &event));
    pawl_buf_deinit(&buf);
}

static void an_event_too_large_for_the_buf_leaves_its_error_there(void **state)
{
    (void)state;
    struct pawl_history_event event = event_full();
    struct pawl_buf buf;
    pawl_buf_init(&buf, 64);
    pawl_history_event_encode(&buf, &event);
    assert_int_equal(buf.bad, PAWL_E_TOO_LARGE);
    pawl_buf_deinit(&buf);
}

static void an_absent_payload_differs_from_an_empty_one(void **state)
{
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TASK_COMPLETED, 1);
    event.ref = 0;
    struct pawl_history_event absent = decoded(pawl_history_event_pack(*state, &event));
    assert_true(pawl_bytes_is_absent(absent.payload));

    event.payload = PAWL_BYTES_LITERAL("");
    struct pawl_history_event empty = decoded(pawl_history_event_pack(*state, &event));
    assert_false(pawl_bytes_is_absent(empty.payload));
    assert_int_equal(empty.payload.size, 0);
}

static void an_event_without_fields_is_small(void **state)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_WORKFLOW_STARTED, PAWL_SAMPLE_TIME_MS);
    assert_int_equal(pawl_history_event_pack(*state, &event).size, 13);
}

static void a_payload_of_every_length_class_comes_back(void **state)
{
    static const size_t sizes[] = { 1, 31, 32, 255, 256, 65535, 65536, 4u << 20 };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint8_t *data = pawl_arena_alloc(*state, sizes[i]);
        data[sizes[i] - 1] = 7;
        struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, 1);
        event.payload = pawl_bytes_make(data, sizes[i]);
        struct pawl_history_event back = decoded(pawl_history_event_pack(*state, &event));
        assert_bytes_equal(back.payload, event.payload);
    }
}

static void an_event_cut_at_any_byte_is_corrupt(void **state)
{
    struct pawl_history_event event = event_full();
    struct pawl_bytes whole = pawl_history_event_pack(*state, &event);
    for (size_t size = 0; size < whole.size; size++) {
        struct pawl_bytes cut = exact_copy(pawl_bytes_make(whole.data, size));
        struct pawl_history_event back;
        assert_int_equal(pawl_history_event_decode(cut, &back), PAWL_E_CORRUPT);
        exact_free(cut);
    }
}

static void an_event_with_bytes_behind_it_is_corrupt(void **state)
{
    struct pawl_history_event event = event_full();
    struct pawl_buf buf;
    pawl_buf_init(&buf, 4096);
    pawl_history_event_encode(&buf, &event);
    pawl_write_nil(&buf);
    struct pawl_history_event back;
    assert_int_equal(pawl_history_event_decode(pawl_buf_view(&buf), &back), PAWL_E_CORRUPT);
    pawl_buf_deinit(&buf);
    (void)state;
}

static void changed_bytes_never_break_the_reader(void **state)
{
    struct pawl_history_event event = event_full();
    struct pawl_bytes whole = exact_copy(pawl_history_event_pack(*state, &event));
    uint8_t *data = (uint8_t *)(uintptr_t)whole.data;
    uint32_t refused_count = 0;
    for (size_t i = 0; i < whole.size; i++) {
        uint8_t right = data[i];
        for (int wrong = 0; wrong < 256; wrong++) {
            data[i] = (uint8_t)wrong;
            struct pawl_history_event back;
            if (pawl_history_event_decode(whole, &back) != PAWL_OK) refused_count++;
        }
        data[i] = right;
    }
    assert_true(refused_count > whole.size);
    exact_free(whole);
}

static void fields_of_a_later_version_are_skipped(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 4096);
    pawl_write_array(&buf, 5);
    pawl_write_uint(&buf, 1);
    pawl_write_uint(&buf, PAWL_EVENT_EVENT_RAISED);
    pawl_write_int(&buf, 99);
    pawl_write_map(&buf, 3);
    pawl_write_uint(&buf, 63);
    pawl_write_array(&buf, 1);
    pawl_write_str(&buf, "later");
    pawl_write_uint(&buf, 3);
    pawl_write_str(&buf, "approved");
    pawl_write_uint(&buf, UINT32_MAX);
    pawl_write_nil(&buf);
    pawl_write_map(&buf, 0); /* the appended element */

    struct pawl_history_event event = decoded(pawl_buf_view(&buf));
    assert_true(pawl_bytes_is_str(event.name, "approved"));
    assert_true(event.timestamp_ms == 99);
    assert_int_equal(event.id, -1);
    assert_int_equal(event.ref, -1);
    pawl_buf_deinit(&buf);
}

/* [format, kind, 1, {field: value}] */
static pawl_err decode_made(uint64_t format, uint64_t kind, uint64_t field, int64_t value)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, 256);
    pawl_write_array(&buf, 4);
    pawl_write_uint(&buf, format);
    pawl_write_uint(&buf, kind);
    pawl_write_int(&buf, 1);
    pawl_write_map(&buf, 1);
    pawl_write_uint(&buf, field);
    pawl_write_int(&buf, value);
    struct pawl_history_event event;
    pawl_err err = pawl_history_event_decode(pawl_buf_view(&buf), &event);
    pawl_buf_deinit(&buf);
    return err;
}

static void values_out_of_range_are_corrupt(void **state)
{
    (void)state;
    enum { ID = 1, REF = 2, STATUS = 10, KIND = PAWL_EVENT_TASK_SCHEDULED };
    assert_int_equal(decode_made(1, KIND, ID, INT32_MAX), PAWL_OK);
    assert_int_equal(decode_made(1, KIND, ID, (int64_t)INT32_MAX + 1), PAWL_E_CORRUPT);
    assert_int_equal(decode_made(1, KIND, ID, -1), PAWL_E_CORRUPT);
    assert_int_equal(decode_made(1, KIND, REF, (int64_t)INT32_MAX + 1), PAWL_E_CORRUPT);
    assert_int_equal(decode_made(1, KIND, STATUS, PAWL_STATUS_COUNT - 1), PAWL_OK);
    assert_int_equal(decode_made(1, KIND, STATUS, PAWL_STATUS_COUNT), PAWL_E_CORRUPT);
    assert_int_equal(decode_made(2, KIND, ID, 1), PAWL_E_CORRUPT);
    assert_int_equal(decode_made(0, KIND, ID, 1), PAWL_E_CORRUPT);
}

static void only_known_kinds_are_events(void **state)
{
    (void)state;
    for (int kind = 0; kind < 300; kind++) {
        pawl_err expected = pawl_event_kind_name(kind) ? PAWL_OK : PAWL_E_CORRUPT;
        assert_int_equal(decode_made(1, (uint64_t)kind, 1, 0), expected);
    }
    assert_int_equal(decode_made(1, (UINT64_C(1) << 32) + PAWL_EVENT_TIMER_FIRED, 1, 0),
                     PAWL_E_CORRUPT);
}

static void counts_larger_than_the_bytes_are_corrupt(void **state)
{
    (void)state;
    static const uint8_t map32[] = { 0x94, 1, 14, 1, 0xdf, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t array32[] = { 0xdd, 0xff, 0xff, 0xff, 0xff, 1, 14, 1, 0x80 };
    static const uint8_t str32[] = { 0x94, 1, 14, 1, 0x81, 5, 0xdb, 0xff, 0xff, 0xff, 0xff, 'x' };
    struct pawl_history_event event;
    assert_int_equal(pawl_history_event_decode(pawl_bytes_make(map32, sizeof map32), &event),
                     PAWL_E_CORRUPT);
    assert_int_equal(pawl_history_event_decode(pawl_bytes_make(array32, sizeof array32), &event),
                     PAWL_E_CORRUPT);
    assert_int_equal(pawl_history_event_decode(pawl_bytes_make(str32, sizeof str32), &event),
                     PAWL_E_CORRUPT);
    assert_int_equal(pawl_history_event_decode(PAWL_BYTES_ABSENT, &event), PAWL_E_CORRUPT);
}

static void failures_and_parents_stand_alone_too(void **state)
{
    struct pawl_failure_view failure = pawl_sample_failure(), failure_back;
    struct pawl_bytes bytes = pawl_failure_pack(*state, &failure);
    assert_int_equal(pawl_failure_decode(bytes, &failure_back), PAWL_OK);
    assert_failure_equal(&failure, &failure_back);
    bytes.size--;
    assert_int_equal(pawl_failure_decode(bytes, &failure_back), PAWL_E_CORRUPT);

    struct pawl_parent parent = event_full().parent, parent_back;
    bytes = pawl_parent_pack(*state, &parent);
    assert_int_equal(pawl_parent_decode(bytes, &parent_back), PAWL_OK);
    assert_parent_equal(&parent, &parent_back);
    bytes.size--;
    assert_int_equal(pawl_parent_decode(bytes, &parent_back), PAWL_E_CORRUPT);
}

static void a_failure_without_any_text_is_still_a_failure(void **state)
{
    struct pawl_failure_view bare = { .present = true }, none = { .present = false }, back;
    assert_int_equal(pawl_failure_decode(pawl_failure_pack(*state, &bare), &back), PAWL_OK);
    assert_true(back.present);
    assert_int_equal(pawl_failure_decode(pawl_failure_pack(*state, &none), &back), PAWL_OK);
    assert_false(back.present);
    back.present = true;
    assert_int_equal(pawl_failure_decode(PAWL_BYTES_ABSENT, &back), PAWL_OK);
    assert_false(back.present);
}

static void a_parent_of_too_few_elements_is_corrupt(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 64);
    pawl_write_array(&buf, 5);
    for (int i = 0; i < 5; i++) pawl_write_nil(&buf);
    struct pawl_parent parent;
    assert_int_equal(pawl_parent_decode(pawl_buf_view(&buf), &parent), PAWL_E_CORRUPT);
    pawl_buf_deinit(&buf);
}

static void statuses_have_names_that_parse_in_any_case(void **state)
{
    (void)state;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++) {
        enum pawl_status status = PAWL_STATUS_COUNT;
        assert_true(pawl_status_parse(pawl_bytes_str(pawl_status_name(i)), &status));
        assert_int_equal(status, i);
    }
    enum pawl_status status = PAWL_STATUS_COUNT;
    assert_true(pawl_status_parse(PAWL_BYTES_LITERAL("continued_As_new"), &status));
    assert_int_equal(status, PAWL_STATUS_CONTINUED_AS_NEW);
    assert_false(pawl_status_parse(PAWL_BYTES_LITERAL("RUNNIN"), &status));
    assert_false(pawl_status_parse(PAWL_BYTES_LITERAL("RUNNINGS"), &status));
    assert_false(pawl_status_parse(PAWL_BYTES_ABSENT, &status));
    assert_int_equal(status, PAWL_STATUS_CONTINUED_AS_NEW);
    assert_null(pawl_status_name(PAWL_STATUS_COUNT));
    assert_null(pawl_status_name(-1));
}

static void four_statuses_are_final(void **state)
{
    (void)state;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++) {
        bool is_final = i == PAWL_STATUS_COMPLETED || i == PAWL_STATUS_FAILED
                        || i == PAWL_STATUS_CANCELED || i == PAWL_STATUS_TERMINATED;
        assert_int_equal(pawl_status_is_terminal((enum pawl_status)i), is_final);
    }
}

static void extra_fields_pass_through_and_time_only_moves_forward(void **state)
{
    struct pawl_arena *arena = *state;
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TIMER_CREATED, 1000);
    struct pawl_history_event back;
    event.id = 3;
    event.extra = PAWL_BYTES_LITERAL("\x0a\x00\xff");
    struct pawl_bytes bytes = pawl_history_event_pack(arena, &event);
    struct pawl_bytes same = pawl_history_event_restamp(arena, bytes, 1000);
    assert_true(pawl_bytes_is_equal(bytes, same));
    assert_int_equal(
        pawl_history_event_decode(pawl_history_event_restamp(arena, bytes, 1001), &back), PAWL_OK);
    assert_int_equal(back.timestamp_ms, 1001);
    assert_int_equal(back.id, 3);
    assert_true(pawl_bytes_is_equal(back.extra, event.extra));
}

static void limits_and_progress_of_an_activity_come_back(void **state)
{
    struct pawl_arena *arena = *state;
    struct pawl_history_event event = pawl_sample_event(PAWL_EVENT_TASK_SCHEDULED), back;
    event.start_within_ms = INT64_MAX;
    event.start_to_close_ms = INT64_MAX - 1;
    event.heartbeat_ms = INT64_MAX - 2;
    event.progress = PAWL_BYTES_LITERAL("7/9");
    struct pawl_bytes bytes = pawl_history_event_pack(arena, &event);
    assert_int_equal(pawl_history_event_decode(bytes, &back), PAWL_OK);
    assert_true(back.start_within_ms == INT64_MAX);
    assert_true(back.start_to_close_ms == INT64_MAX - 1);
    assert_true(back.heartbeat_ms == INT64_MAX - 2);
    assert_true(pawl_bytes_is_str(back.progress, "7/9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_every_kind_have_their_golden_bytes),
        cmocka_unit_test(limits_and_progress_of_an_activity_come_back),
        cmocka_unit_test(extra_fields_pass_through_and_time_only_moves_forward),
        cmocka_unit_test(every_field_of_every_kind_comes_back),
        cmocka_unit_test(pack_and_encode_give_the_same_bytes),
        cmocka_unit_test(an_event_too_large_for_the_buf_leaves_its_error_there),
        cmocka_unit_test(an_absent_payload_differs_from_an_empty_one),
        cmocka_unit_test(an_event_without_fields_is_small),
        cmocka_unit_test(a_payload_of_every_length_class_comes_back),
        cmocka_unit_test(an_event_cut_at_any_byte_is_corrupt),
        cmocka_unit_test(an_event_with_bytes_behind_it_is_corrupt),
        cmocka_unit_test(changed_bytes_never_break_the_reader),
        cmocka_unit_test(fields_of_a_later_version_are_skipped),
        cmocka_unit_test(values_out_of_range_are_corrupt),
        cmocka_unit_test(only_known_kinds_are_events),
        cmocka_unit_test(counts_larger_than_the_bytes_are_corrupt),
        cmocka_unit_test(failures_and_parents_stand_alone_too),
        cmocka_unit_test(a_failure_without_any_text_is_still_a_failure),
        cmocka_unit_test(a_parent_of_too_few_elements_is_corrupt),
        cmocka_unit_test(statuses_have_names_that_parse_in_any_case),
        cmocka_unit_test(four_statuses_are_final),
    };
    return cmocka_run_group_tests_name("history", tests, setup, teardown);
}
