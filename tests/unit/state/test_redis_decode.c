/* What comes over the socket is never trusted to have the right shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/rng.h"
#include "state/io/redis_decode.h"
#include "state/io/redis_error.h"
#include "state/io/redis_value.h"
#include "state/keys.h"

#define INC  "00112233445566778899aabbccddeeff"
#define LAST "ffeeddccbbaa99887766554433221100"
#define METADATA                                                                           \
    "*19\r\n$32\r\n" INC "\r\n$1\r\n2\r\n$32\r\n" LAST "\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n9" \
    "\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n0\r\n$4\r\n1000\r\n$1\r\n0\r\n$4\r\n1001\r\n$4\r\n"   \
    "1002\r\n$-1\r\n$5\r\norder\r\n$-1\r\n$2\r\nr1\r\n$-1\r\n$-1\r\n"
#define LOADED                                                                             \
    "*9\r\n$2\r\nOK\r\n" METADATA "$0\r\n\r\n*3\r\n$2\r\nin\r\n$-1\r\n$-1\r\n*4\r\n$3\r\n" \
    "t:7\r\n$20\r\n1:00000000000000ff:1\r\n$3\r\na:3\r\n$20\r\n2:fedcba9876543210:0\r\n"   \
    "*2\r\n$2\r\ne1\r\n$2\r\ne0\r\n*1\r\n$18\r\n0123456789abcdefxy\r\n*2\r\n$2\r\ne0\r\n"  \
    "$2\r\ne1\r\n$3\r\nabc\r\n"
#define POLLED                                                                        \
    "*7\r\n$2\r\nOK\r\n*3\r\n$59\r\na|x|" INC "|2|a:3|fedcba9876543210"               \
    "\r\n$4\r\n5000\r\n$-1\r\n:1\r\n$4\r\n7000\r\n*2\r\n$1\r\n0\r\n$1\r\n4\r\n:2\r\n" \
    "$4\r\n6000\r\n"

static struct pawl_redis_reader *reader;

static int setup(void **state)
{
    (void)state;
    reader = pawl_redis_reader_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pawl_redis_reader_free(reader);
    return 0;
}

static const struct pawl_redis_value *value_of(const char *text, size_t size)
{
    const struct pawl_redis_value *value = NULL;
    assert_int_equal(pawl_redis_reader_feed(reader, text, size), PAWL_OK);
    assert_int_equal(pawl_redis_reader_next(reader, &value), PAWL_OK);
    return value;
}

static struct pawl_store_reply decoded(enum pawl_store_op op, const char *text)
{
    struct pawl_store_reply reply = { .op = op, .token = 9, .partition = 3 };
    const struct pawl_redis_value *value = value_of(text, strlen(text));
    assert_non_null(value);
    pawl_redis_decode(value, pawl_redis_reader_arena(reader), &reply);
    assert_int_equal(reply.token, 9);
    assert_int_equal(reply.partition, 3);
    return reply;
}

static void check_loaded(const struct pawl_store_reply *reply)
{
    const struct pawl_snapshot *snapshot = &reply->load.snapshot;
    assert_int_equal(reply->err, PAWL_OK);
    assert_int_equal(snapshot->metadata.inc.bytes[1], 0x11);
    assert_int_equal(snapshot->metadata.updated_ms, 1002);
    assert_int_equal(snapshot->metadata.completed_ms, 0);
    assert_true(pawl_bytes_is_str(snapshot->metadata.name, "order"));
    assert_true(pawl_bytes_is_absent(snapshot->metadata.version));
    assert_false(pawl_bytes_is_absent(snapshot->custom_status)); /* empty is not absent */
    assert_int_equal(snapshot->custom_status.size, 0);
    assert_int_equal(snapshot->pending_count, 2);
    assert_int_equal(snapshot->pending[0].op.kind, 'a'); /* sorted, the event stays with it */
    assert_true(snapshot->pending[0].nonce == UINT64_C(0xfedcba9876543210));
    assert_int_equal(snapshot->pending[0].state, PAWL_PENDING_DELIVERED);
    assert_true(pawl_bytes_is_str(snapshot->pending[0].event, "e0"));
    assert_int_equal(snapshot->inbox_count, 1);
    assert_int_equal(snapshot->inbox[0].index, 4);
    assert_int_equal(snapshot->inbox[0].delivery.bytes[15], 'f');
    assert_true(pawl_bytes_is_str(snapshot->inbox[0].body, "xy"));
    assert_int_equal(snapshot->history_count, 2);
    assert_true(pawl_bytes_is_str(snapshot->attempts, "abc"));
}

static void a_whole_load_is_decoded(void **state)
{
    (void)state;
    struct pawl_store_reply reply = decoded(PAWL_STORE_LOAD, LOADED);
    check_loaded(&reply);
}

static void a_reply_that_comes_byte_by_byte_is_the_same(void **state)
{
    (void)state;
    const char text[] = LOADED;
    const struct pawl_redis_value *value = NULL;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        assert_null(value);
        value = value_of(text + i, 1);
    }
    assert_non_null(value);
    struct pawl_store_reply reply = { .op = PAWL_STORE_LOAD };
    pawl_redis_decode(value, pawl_redis_reader_arena(reader), &reply);
    check_loaded(&reply);
}

static void a_poll_is_decoded(void **state)
{
    (void)state;
    struct pawl_store_reply reply = decoded(PAWL_STORE_POLL, POLLED);
    assert_int_equal(reply.err, PAWL_OK);
    assert_int_equal(reply.poll.items_count, 1);
    assert_int_equal(reply.poll.items[0].reminder.due_ms, 5000);
    assert_int_equal(reply.poll.items[0].reminder.gen, 2);
    assert_int_equal(reply.poll.skipped, 1);
    assert_int_equal(reply.poll.skipped_until_ms, 6000);
    assert_int_equal(reply.poll.unreadable, 2);
    assert_int_equal(reply.poll.next_due_ms, 7000);
    assert_int_equal(reply.poll.counts[0], 4);
}

static void a_refusal_has_no_parts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        pawl_err err;
    } cases[] = { { "*1\r\n$6\r\nFENCED\r\n", PAWL_E_FENCED },
                  { "*1\r\n$8\r\nCONFLICT\r\n", PAWL_E_CONFLICT },
                  { "*1\r\n$9\r\nNOT_FOUND\r\n", PAWL_E_NOT_FOUND },
                  { "*1\r\n$9\r\nTOO_LARGE\r\n", PAWL_E_TOO_LARGE } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(decoded(PAWL_STORE_COMMIT, cases[i].text).err, cases[i].err);
}

static void a_wrong_shape_is_corrupt_for_every_operation(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        ":1\r\n",
        "$-1\r\n",
        "+OK\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*1\r\n:5\r\n",
        "*1\r\n$5\r\nWHAT?\r\n",
        "*1\r\n*1\r\n$2\r\nOK\r\n",
        "*1\r\n$7\r\nUNKNOWN\r\n", /* a pawl_err, but no answer of a script */
    };
    for (int op = 1; op < PAWL_STORE_OPS_END; op++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            struct pawl_store_reply reply = decoded((enum pawl_store_op)op, shapes[i]);
            assert_int_equal(reply.err, PAWL_E_CORRUPT);
            assert_false(pawl_bytes_is_absent(reply.message));
        }
}

static void an_ok_without_its_parts_is_corrupt_where_parts_are_due(void **state)
{
    (void)state;
    for (int op = 1; op < PAWL_STORE_OPS_END; op++) {
        bool has_parts = op != PAWL_STORE_PURGE && op != PAWL_STORE_OUTDONE;
        struct pawl_store_reply reply = decoded((enum pawl_store_op)op, "*1\r\n$2\r\nOK\r\n");
        assert_int_equal(reply.err, has_parts ? PAWL_E_CORRUPT : PAWL_OK);
    }
}

static void numbers_out_of_range_are_corrupt(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "*3\r\n$2\r\nOK\r\n$1\r\n1\r\n$10\r\n4294967296\r\n",
        "*3\r\n$2\r\nOK\r\n:-1\r\n:1\r\n",
        "*3\r\n$2\r\nOK\r\n$1\r\nx\r\n:1\r\n",
        "*3\r\n$2\r\nOK\r\n$0\r\n\r\n:1\r\n",
        "*3\r\n$2\r\nOK\r\n$21\r\n184467440737095516160\r\n:1\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        assert_int_equal(decoded(PAWL_STORE_COMMIT, replies[i]).err, PAWL_E_CORRUPT);
}

static void a_corrupt_row_names_its_key(void **state)
{
    (void)state;
    struct pawl_store_reply reply =
        decoded(PAWL_STORE_LOAD, "*2\r\n$7\r\nCORRUPT\r\n$3\r\nkey\r\n");
    assert_int_equal(reply.err, PAWL_E_CORRUPT);
    assert_true(pawl_bytes_is_str(reply.message, "Redis key key is missing or damaged"));
}

/* One byte changed, anywhere: some error or some reply, never a crash, and never a
 * reply with pointers to nothing. */
static void replies_with_random_damage_are_survived(void **state)
{
    (void)state;
    static const char *const texts[] = { LOADED, POLLED, "*3\r\n$2\r\nOK\r\n:4\r\n$1\r\n5\r\n" };
    struct pawl_rng rng;
    pawl_rng_init(&rng, 7);
    size_t corrupt = 0;
    for (int round = 0; round < 30000; round++) {
        char text[1024];
        const char *from = texts[pawl_rng_below(&rng, 3)];
        size_t size = strlen(from);
        memcpy(text, from, size);
        for (uint64_t n = 1 + pawl_rng_below(&rng, 3); n > 0; n--)
            text[pawl_rng_below(&rng, size)] = (char)pawl_rng_next(&rng);
        struct pawl_redis_reader *own = pawl_redis_reader_new();
        const struct pawl_redis_value *value = NULL;
        pawl_err err = pawl_redis_reader_feed(own, text, size);
        if (!err) err = pawl_redis_reader_next(own, &value);
        if (!err && value) {
            struct pawl_store_reply reply = { .op = (enum pawl_store_op)(
                                                  1 + pawl_rng_below(&rng, 9)) };
            pawl_redis_decode(value, pawl_redis_reader_arena(own), &reply);
            corrupt += reply.err == PAWL_E_CORRUPT;
        }
        pawl_redis_reader_free(own);
    }
    assert_true(corrupt > 1000);
}

static void random_bytes_are_survived_by_the_reader(void **state)
{
    (void)state;
    static const char letters[] = "*$:+-0123456789\r\n\r\n\r\nOK";
    struct pawl_rng rng;
    pawl_rng_init(&rng, 8);
    size_t refused = 0, whole = 0;
    for (int round = 0; round < 30000; round++) {
        struct pawl_redis_reader *own = pawl_redis_reader_new();
        char text[64];
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = letters[pawl_rng_below(&rng, sizeof letters - 1)];
        pawl_err err = pawl_redis_reader_feed(own, text, sizeof text);
        for (const struct pawl_redis_value *value = NULL; !err;) {
            err = pawl_redis_reader_next(own, &value);
            if (err || !value) break;
            struct pawl_store_reply reply = { .op = PAWL_STORE_LOAD };
            pawl_redis_decode(value, pawl_redis_reader_arena(own), &reply);
            whole++;
        }
        refused += err != PAWL_OK;
        pawl_redis_reader_free(own);
    }
    assert_true(refused > 100);
    assert_true(whole > 100);
}

static void an_array_that_promises_too_much_is_refused_before_memory_is_taken(void **state)
{
    (void)state;
    const char text[] = "*2147483647\r\n";
    const struct pawl_redis_value *value = NULL;
    assert_int_equal(pawl_redis_reader_feed(reader, text, sizeof text - 1), PAWL_OK);
    assert_int_equal(pawl_redis_reader_next(reader, &value), PAWL_E_PROTOCOL);
}

static void errors_fall_into_the_class_that_says_whether_it_happened(void **state)
{
    (void)state;
    static const char *const definite[] = {
        "OOM command not allowed when used memory > 'maxmemory'.",
        "READONLY You can't write against a read only replica.",
        "MISCONF Redis is configured to save RDB snapshots",
        "NOREPLICAS Not enough good replicas to write.",
        "MASTERDOWN Link with MASTER is down",
        "LOADING Redis is loading the dataset in memory",
        "BUSY Redis is busy running a script.",
        "NOSCRIPT No matching script.",
        "CLUSTERDOWN The cluster is down",
        "NOPERM this user has no permissions",
        "NOAUTH Authentication required.",
        "WRONGPASS invalid username-password pair",
        "MOVED 3999 127.0.0.1:6381",
        "ASK 3999 127.0.0.1:6381",
        "ERR max number of clients reached",
    };
    for (size_t i = 0; i < sizeof definite / sizeof *definite; i++)
        assert_int_equal(pawl_redis_error_class(pawl_bytes_str(definite[i])), PAWL_E_UNAVAILABLE);
    static const char *const unsure[] = { "ERR unknown", "OOMX", "", "BUSYKEY exists", "oom" };
    for (size_t i = 0; i < sizeof unsure / sizeof *unsure; i++)
        assert_int_equal(pawl_redis_error_class(pawl_bytes_str(unsure[i])), PAWL_E_UNKNOWN);
    assert_int_equal(pawl_redis_error_class(pawl_bytes_str("WRONGTYPE Operation against a key")),
                     PAWL_E_CORRUPT);
}

static void check_explain(const char *text, bool is_login, const char *expected)
{
    char why[PAWL_REDIS_ERROR_TEXT_SIZE];
    pawl_redis_error_explain(pawl_bytes_str(text), is_login, why);
    assert_string_equal(why, expected);
}

static void the_words_of_a_refused_login_stay_untold(void **state)
{
    (void)state;
    check_explain("ERR AUTH secret: no such user", true, "the login was refused");
    check_explain("WRONGPASS invalid", true, "user name or password is wrong (WRONGPASS invalid)");
    check_explain("NOAUTH Authentication required.", false,
                  "a password is needed (NOAUTH Authentication required.)");
    check_explain("ERR DB index is out of range", false, "refused (ERR DB index is out of range)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_load_is_decoded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reply_that_comes_byte_by_byte_is_the_same, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_poll_is_decoded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_has_no_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_shape_is_corrupt_for_every_operation, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_ok_without_its_parts_is_corrupt_where_parts_are_due,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_out_of_range_are_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(a_corrupt_row_names_its_key, setup, teardown),
        cmocka_unit_test(replies_with_random_damage_are_survived),
        cmocka_unit_test(random_bytes_are_survived_by_the_reader),
        cmocka_unit_test_setup_teardown(
            an_array_that_promises_too_much_is_refused_before_memory_is_taken, setup, teardown),
        cmocka_unit_test(the_words_of_a_refused_login_stay_untold),
        cmocka_unit_test(errors_fall_into_the_class_that_says_whether_it_happened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
