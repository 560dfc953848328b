#include "tests/unit/base/expect.h"

#include "base/rng.h"

static void a_seed_gives_the_published_numbers_of_the_generator(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        uint64_t numbers[4];
    } known[] = {
        { 0,
          { UINT64_C(0x99ec5f36cb75f2b4), UINT64_C(0xbf6e1f784956452a),
            UINT64_C(0x1a5f849d4933e6e0), UINT64_C(0x6aa594f1262d2d2c) } },
        { 42,
          { UINT64_C(0x15780b2e0c2ec716), UINT64_C(0x6104d9866d113a7e),
            UINT64_C(0xae17533239e499a1), UINT64_C(0xecb8ad4703b360a1) } },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct pawl_rng rng;
        pawl_rng_init(&rng, known[i].seed);
        for (int j = 0; j < 4; j++) assert_true(pawl_rng_next(&rng) == known[i].numbers[j]);
    }
}

static void an_id_is_the_same_on_every_machine(void **state)
{
    (void)state;
    struct pawl_rng rng;
    pawl_rng_init(&rng, 7);
    char text[PAWL_ID_TEXT_SIZE];
    struct pawl_id id = pawl_rng_id(&rng);
    pawl_id_format(id, text);
    assert_string_equal(text, "5a76f94ef7fa58b3d22c484f963d5c47");
    assert_false(pawl_id_is_equal(id, pawl_rng_id(&rng)));
}

static void numbers_below_a_bound_reach_all_of_it_and_nothing_else(void **state)
{
    (void)state;
    struct pawl_rng rng;
    pawl_rng_init(&rng, 3);
    for (uint64_t bound = 1; bound < 40; bound++) {
        uint64_t seen = 0;
        for (int i = 0; i < 2000; i++) {
            uint64_t number = pawl_rng_below(&rng, bound);
            assert_true(number < bound);
            seen |= UINT64_C(1) << number;
        }
        assert_true(seen == (UINT64_C(1) << bound) - 1);
    }
    /* 2^64 is no multiple of this bound: without fairness the lowest third of the
     * results would come half of the time. */
    uint64_t bound = UINT64_C(3) << 62;
    int low = 0;
    for (int i = 0; i < 3000; i++) {
        uint64_t number = pawl_rng_below(&rng, bound);
        assert_true(number < bound);
        low += number < bound / 3;
    }
    assert_in_range(low, 900, 1100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_published_numbers_of_the_generator),
        cmocka_unit_test(an_id_is_the_same_on_every_machine),
        cmocka_unit_test(numbers_below_a_bound_reach_all_of_it_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
