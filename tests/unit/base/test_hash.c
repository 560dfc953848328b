#include "tests/unit/base/expect.h"

#include <string.h>

#include "base/hash.h"

/* The values below are stored in databases and agreed on between machines. They
 * come from an independent implementation and must never change. */

static void partitions_of_known_instances_never_change(void **state)
{
    (void)state;
    char longest[256];
    memset(longest, 'x', sizeof longest);
    const struct {
        struct pawl_bytes instance;
        uint64_t hash;
        uint32_t of_7, of_128, of_4096;
    } known[] = {
        { PAWL_BYTES_LITERAL(""), UINT64_C(0x40bdefd94169e6ca), 3, 74, 1738 },
        { PAWL_BYTES_LITERAL("a"), UINT64_C(0x7f8773936e5ec327), 2, 39, 807 },
        { PAWL_BYTES_LITERAL("order-1"), UINT64_C(0x0a2fadbc0ba0ee56), 6, 86, 3670 },
        { PAWL_BYTES_LITERAL("gr\xc3\xb6\xc3\x9f"
                             "e"),
          UINT64_C(0x4c9790fac8d2a86c), 0, 108, 2156 },
        { pawl_bytes_make(longest, 256), UINT64_C(0xad3829e00d2b2c0b), 3, 11, 3083 },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(pawl_hash_stable(known[i].instance) == known[i].hash);
        assert_int_equal(pawl_hash_partition(known[i].instance, 1), 0);
        assert_int_equal(pawl_hash_partition(known[i].instance, 7), known[i].of_7);
        assert_int_equal(pawl_hash_partition(known[i].instance, 128), known[i].of_128);
        assert_int_equal(pawl_hash_partition(known[i].instance, 4096), known[i].of_4096);
    }
}

static void expect_id(struct pawl_bytes a, struct pawl_bytes b, const char *expected)
{
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(pawl_hash_id(a, b), text);
    assert_string_equal(text, expected);
}

static void derived_ids_never_change_and_their_parts_cannot_be_shifted(void **state)
{
    (void)state;
    expect_id(PAWL_BYTES_LITERAL("ab"), PAWL_BYTES_LITERAL("c"),
              "4826ed043ab3cdec576d8541fa5d5a80");
    expect_id(PAWL_BYTES_LITERAL("a"), PAWL_BYTES_LITERAL("bc"),
              "f14abc19c330e936bb9c8506d69bac9b");
    expect_id(PAWL_BYTES_LITERAL(""), PAWL_BYTES_LITERAL(""), "463be1d58a72e9618ea59884367c4358");
    expect_id(PAWL_BYTES_ABSENT, PAWL_BYTES_ABSENT, "463be1d58a72e9618ea59884367c4358");
}

static void the_keyed_hash_is_siphash_2_4(void **state)
{
    (void)state;
    uint8_t key[16];
    uint8_t text[15];
    for (uint8_t i = 0; i < 16; i++) key[i] = i;
    for (uint8_t i = 0; i < 15; i++) text[i] = i;
    /* The example of the SipHash paper. */
    uint64_t hash = pawl_hash_keyed(key, pawl_bytes_make(text, sizeof text));
    assert_true(hash == UINT64_C(0xa129ca6149be45e5));
    key[0] ^= 1;
    assert_true(pawl_hash_keyed(key, pawl_bytes_make(text, sizeof text)) != hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_of_known_instances_never_change),
        cmocka_unit_test(derived_ids_never_change_and_their_parts_cannot_be_shifted),
        cmocka_unit_test(the_keyed_hash_is_siphash_2_4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
