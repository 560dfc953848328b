/* Lifecycle events on their way to a subscriber: their bytes, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/codec.h"
#include "sdk/change.h"

static struct pawl_arena arena;

static int setup(void **state)
{
    (void)state;
    pawl_arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pawl_arena_deinit(&arena);
    return 0;
}

static struct pawl_lifecycle_event sample(void)
{
    struct pawl_lifecycle_event event = {
        .partition = 104,
        .number = 3,
        .at_ms = 1700000000123,
        .what = PAWL_CHANGE_STATUS | PAWL_CHANGE_CUSTOM_STATUS,
        .status = PAWL_STATUS_SUSPENDED,
        .gen = 2,
        .turn = 5,
        .instance = PAWL_BYTES_LITERAL("order-1"),
        .name = PAWL_BYTES_LITERAL("Order"),
        .custom_status = PAWL_BYTES_LITERAL("half"),
    };
    for (size_t i = 0; i < sizeof event.inc.bytes; i++) event.inc.bytes[i] = (uint8_t)(0x10 + i);
    return event;
}

static void every_field_comes_back(void **state)
{
    (void)state;
    struct pawl_lifecycle_event event = sample(), again;
    struct pawl_bytes packed = pawl_lifecycle_event_pack(&arena, &event);
    assert_int_equal(pawl_lifecycle_event_unpack(packed, &again), PAWL_OK);
    assert_int_equal(again.partition, 104);
    assert_int_equal(again.number, 3);
    assert_int_equal(again.at_ms, event.at_ms);
    assert_int_equal(again.what, event.what);
    assert_int_equal(again.status, PAWL_STATUS_SUSPENDED);
    assert_int_equal(again.gen, 2);
    assert_int_equal(again.turn, 5);
    assert_true(pawl_id_is_equal(again.inc, event.inc));
    assert_true(pawl_bytes_is_str(again.instance, "order-1"));
    assert_true(pawl_bytes_is_str(again.name, "Order"));
    assert_true(pawl_bytes_is_str(again.custom_status, "half"));
    event.custom_status = PAWL_BYTES_ABSENT;
    packed = pawl_lifecycle_event_pack(&arena, &event);
    assert_int_equal(pawl_lifecycle_event_unpack(packed, &again), PAWL_OK);
    assert_true(pawl_bytes_is_absent(again.custom_status));
}

/* Clients of other languages read these bytes: never change them. */
static void its_bytes_stay(void **state)
{
    (void)state;
    static const uint8_t golden[] = "\x9b\x68\x03\xcf\x00\x00\x01\x8b\xcf\xe5\x68\x7b\x06\x07\x02"
                                    "\x05\xb0\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c"
                                    "\x1d\x1e\x1f\xa7order-1\xa5Order\xa4half";
    struct pawl_lifecycle_event event = sample();
    struct pawl_bytes packed = pawl_lifecycle_event_pack(&arena, &event);
    assert_int_equal(packed.size, sizeof golden - 1);
    assert_memory_equal(packed.data, golden, packed.size);
}

static void what_is_cut_or_changed_is_refused_and_what_is_appended_is_skipped(void **state)
{
    (void)state;
    struct pawl_lifecycle_event event = sample(), again;
    struct pawl_bytes packed = pawl_lifecycle_event_pack(&arena, &event);
    for (size_t size = 0; size < packed.size; size++)
        assert_int_equal(pawl_lifecycle_event_unpack(pawl_bytes_make(packed.data, size), &again),
                         PAWL_E_PROTOCOL);
    uint8_t bytes[256];
    memcpy(bytes, packed.data, packed.size);
    bytes[0] = 0x9c; /* one field more, of a later version */
    bytes[packed.size] = 0xc3;
    assert_int_equal(pawl_lifecycle_event_unpack(pawl_bytes_make(bytes, packed.size + 1), &again),
                     PAWL_OK);
    assert_true(pawl_bytes_is_str(again.instance, "order-1"));
    bytes[0] = 0x9b;
    assert_int_equal(pawl_lifecycle_event_unpack(pawl_bytes_make(bytes, packed.size + 1), &again),
                     PAWL_E_PROTOCOL);
    bytes[13] = 0x09; /* a status that there is not */
    assert_int_equal(pawl_lifecycle_event_unpack(pawl_bytes_make(bytes, packed.size), &again),
                     PAWL_E_PROTOCOL);
    event.instance = PAWL_BYTES_LITERAL("");
    packed = pawl_lifecycle_event_pack(&arena, &event);
    assert_int_equal(pawl_lifecycle_event_unpack(packed, &again), PAWL_E_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(every_field_comes_back),
        TEST(its_bytes_stay),
        TEST(what_is_cut_or_changed_is_refused_and_what_is_appended_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
