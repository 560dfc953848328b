/* Keys: a member is read back as it was written, whatever the instance is called, and
 * nothing else is taken for one. */
#include "world.h"

#include "base/bytes.h"
#include "base/rng.h"
#include "state/keys.h"

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

static const char *const hostile_ids[] = {
    "a",        "|", "a|b", "w|a|-|-", "||||||", "a|0|-|-", "t:1|00000000000000ff",
    "\xc3\xbc", "-", " ",   "{}"
};

static void assert_same(const struct pawl_reminder *a, const struct pawl_reminder *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(pawl_bytes_is_equal(a->instance, b->instance));
    assert_true(pawl_id_is_equal(a->inc, b->inc));
    assert_int_equal(a->gen, b->gen);
    assert_int_equal(a->op.kind, b->op.kind);
    assert_int_equal(a->op.id, b->op.id);
    assert_true(a->nonce == b->nonce);
    assert_true(pawl_id_is_equal(a->message, b->message));
}

static void assert_round_trip(const struct pawl_reminder *reminder)
{
    struct pawl_reminder parsed;
    struct pawl_bytes member = pawl_reminder_format(&arena, reminder);
    assert_int_equal(pawl_reminder_parse(member, &parsed), PAWL_OK);
    assert_same(&parsed, reminder);
}

static void every_reminder_is_read_back_as_it_was_written(void **state)
{
    (void)state;
    struct pawl_rng rng;
    pawl_rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof hostile_ids / sizeof hostile_ids[0]; i++) {
        struct pawl_reminder reminder = { .instance = pawl_bytes_str(hostile_ids[i]),
                                          .inc = pawl_rng_id(&rng) };
        reminder.kind = PAWL_REMINDER_WAKE;
        assert_round_trip(&reminder);
        for (int kind = 0; kind < 3; kind++) {
            reminder.kind = (enum pawl_reminder_kind) "atc"[kind];
            reminder.gen = (uint32_t)pawl_rng_next(&rng);
            reminder.op = (struct pawl_op){ "atc"[kind], (uint32_t)pawl_rng_next(&rng) };
            reminder.nonce = pawl_rng_next(&rng);
            assert_round_trip(&reminder);
        }
    }
    struct pawl_reminder extreme = { .kind = PAWL_REMINDER_TIMER,
                                     .instance = pawl_bytes_str("x"),
                                     .gen = UINT32_MAX,
                                     .op = { 't', UINT32_MAX },
                                     .nonce = UINT64_MAX };
    assert_round_trip(&extreme);
    struct pawl_reminder outbox = { .kind = PAWL_REMINDER_OUTBOX, .message = pawl_rng_id(&rng) };
    assert_round_trip(&outbox);
}

static void the_longest_instance_id_fits(void **state)
{
    (void)state;
    char id[PAWL_INSTANCE_ID_SIZE_MAX];
    memset(id, '|', sizeof id);
    struct pawl_reminder reminder = { .kind = PAWL_REMINDER_ACTIVITY,
                                      .instance = pawl_bytes_make(id, sizeof id),
                                      .op = { 'a', 1 } };
    assert_round_trip(&reminder);
}

static void members_have_the_documented_spelling(void **state)
{
    (void)state;
    struct pawl_reminder timer = { .kind = PAWL_REMINDER_TIMER,
                                   .instance = pawl_bytes_str("a|b"),
                                   .inc = { { 0x0f, 0xff } },
                                   .gen = 2,
                                   .op = { 't', 7 },
                                   .nonce = 255 };
    assert_true(pawl_bytes_is_str(pawl_reminder_format(&arena, &timer),
                                  "t|a|b|0fff0000000000000000000000000000|2|t:7|00000000000000ff"));
    struct pawl_reminder wake = { .kind = PAWL_REMINDER_WAKE, .instance = pawl_bytes_str("a") };
    assert_true(pawl_bytes_is_str(pawl_reminder_format(&arena, &wake),
                                  "w|a|00000000000000000000000000000000|0|-|-"));
    struct pawl_reminder outbox = { .kind = PAWL_REMINDER_OUTBOX, .message = { { 1 } } };
    assert_true(pawl_bytes_is_str(pawl_reminder_format(&arena, &outbox),
                                  "o|01000000000000000000000000000000"));
}

static void what_is_no_member_is_corrupt(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "w",
        "w|",
        "x|a|00000000000000000000000000000000|0|-|-",
        "o|01",
        "o|",
        "w|a|0|-|-",
        "w||00000000000000000000000000000000|0|-|-",           /* no instance */
        "w|a|0000000000000000000000000000000|0|-|-",           /* inc is short */
        "w|a|00000000000000000000000000000000|00|-|-",         /* two spellings of gen */
        "w|a|00000000000000000000000000000000|4294967296|-|-", /* gen too large */
        "t|a|00000000000000000000000000000000|1|t:1|-",        /* op without nonce */
        "t|a|00000000000000000000000000000000|1|-|00000000000000ff",
        "t|a|00000000000000000000000000000000|1|t:|00000000000000ff",
        "t|a|00000000000000000000000000000000|1|q:1|00000000000000ff",
        "t|a|00000000000000000000000000000000|1|t:1|00000000000000FF",
        "t|a|00000000000000000000000000000000|1|t:1|ff",
        "w|a|0000000000000000000000000000000A|0|-|-", /* two spellings of inc */
        "o|0000000000000000000000000000000A",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pawl_reminder parsed;
        assert_int_equal(pawl_reminder_parse(pawl_bytes_str(wrong[i]), &parsed), PAWL_E_CORRUPT);
    }
}

static void random_bytes_never_read_outside(void **state)
{
    (void)state;
    struct pawl_rng rng;
    pawl_rng_init(&rng, 2);
    for (int i = 0; i < 20000; i++) {
        size_t size = pawl_rng_below(&rng, 60);
        uint8_t *bytes = pawl_arena_alloc(&arena, size + 1);
        for (size_t at = 0; at < size; at++)
            bytes[at] = (uint8_t) "wato|-:0f1"[pawl_rng_below(&rng, 10)];
        struct pawl_reminder parsed;
        struct pawl_bytes member = pawl_bytes_make(bytes, size);
        if (pawl_reminder_parse(member, &parsed) == PAWL_OK)
            assert_true(pawl_bytes_is_equal(pawl_reminder_format(&arena, &parsed), member));
        pawl_arena_reset(&arena);
    }
}

static void operations_have_one_spelling(void **state)
{
    (void)state;
    struct pawl_op op;
    assert_true(pawl_bytes_is_str(pawl_op_format(&arena, (struct pawl_op){ 'a', 3 }), "a:3"));
    assert_true(pawl_bytes_is_str(pawl_op_format(&arena, (struct pawl_op){ 'c', 0 }), "c:0"));
    assert_int_equal(pawl_op_parse(pawl_bytes_str("t:4294967295"), &op), PAWL_OK);
    assert_int_equal(op.kind, 't');
    assert_int_equal(op.id, UINT32_MAX);
    static const char *const wrong[] = { "",    "a",   "a:", "a:01", "a:-1", "b:1", "a:4294967296",
                                         "a 1", "a:1 " };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(pawl_op_parse(pawl_bytes_str(wrong[i]), &op), PAWL_E_CORRUPT);
}

static void app_ids_cannot_break_a_key(void **state)
{
    (void)state;
    assert_true(pawl_app_id_is_valid(pawl_bytes_str("Order-service_2.x")));
    static const char *const wrong[] = { "", "a b", "a|b", "{a}", "a/b", "\xc3\xbc", "a\n" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(pawl_app_id_is_valid(pawl_bytes_str(wrong[i])));
    assert_false(pawl_app_id_is_valid(PAWL_BYTES_ABSENT));
    char name[65];
    memset(name, 'a', sizeof name);
    assert_true(pawl_app_id_is_valid(pawl_bytes_make(name, 64)));
    assert_false(pawl_app_id_is_valid(pawl_bytes_make(name, 65)));
}

static void no_lease_is_longer_than_the_longest(void **state)
{
    (void)state;
    static const enum pawl_reminder_kind kinds[] = { PAWL_REMINDER_WAKE, PAWL_REMINDER_ACTIVITY,
                                                     PAWL_REMINDER_TIMER, PAWL_REMINDER_CHILD,
                                                     PAWL_REMINDER_OUTBOX };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_true(pawl_reminder_lease_ms(kinds[i]) > 0);
        assert_true(pawl_reminder_lease_ms(kinds[i]) <= (int64_t)PAWL_LEASE_MS_MAX);
    }
    assert_true(PAWL_LEASE_WAKE_MS < PAWL_RECOVER_MS && PAWL_LEASE_OUTBOX_MS < PAWL_RECOVER_MS);
}

static void tombs_of_different_instances_never_meet(void **state)
{
    (void)state;
    struct pawl_bytes tomb = pawl_tomb_format(&arena, PAWL_TOMB_REMOVED, PAWL_BYTES_LITERAL("a|b"),
                                              PAWL_BYTES_LITERAL("c"));
    assert_true(pawl_bytes_is_equal(tomb, PAWL_BYTES_LITERAL("3|a|bc")));
    tomb = pawl_tomb_format(&arena, PAWL_TOMB_REMOVED, PAWL_BYTES_LITERAL("a"),
                            PAWL_BYTES_LITERAL("|bc"));
    assert_true(pawl_bytes_is_equal(tomb, PAWL_BYTES_LITERAL("1|a|bc")));
    tomb = pawl_tomb_format(&arena, PAWL_TOMB_REFUSED, PAWL_BYTES_LITERAL("a"),
                            PAWL_BYTES_LITERAL("bc"));
    assert_true(pawl_bytes_is_str(tomb, "!1|abc"));
}

static void every_operation_has_a_name(void **state)
{
    (void)state;
    for (int op = 1; op < PAWL_STORE_OPS_END; op++) assert_non_null(pawl_store_op_name(op));
    assert_null(pawl_store_op_name(0));
    assert_null(pawl_store_op_name(PAWL_STORE_OPS_END));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_reminder_is_read_back_as_it_was_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_longest_instance_id_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(members_have_the_documented_spelling, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_member_is_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(random_bytes_never_read_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(operations_have_one_spelling, setup, teardown),
        cmocka_unit_test_setup_teardown(app_ids_cannot_break_a_key, setup, teardown),
        cmocka_unit_test_setup_teardown(no_lease_is_longer_than_the_longest, setup, teardown),
        cmocka_unit_test_setup_teardown(tombs_of_different_instances_never_meet, setup, teardown),
        cmocka_unit_test_setup_teardown(every_operation_has_a_name, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
