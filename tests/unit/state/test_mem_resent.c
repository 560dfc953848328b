/* Every request may be sent again after a lost reply: the second time it gets the
 * documented answer and changes nothing. Poll is the exception that moves leases, and
 * a second poll at the same time finds nothing due any more. */
#include "world.h"

#include "suite.h"

static struct pawl_mem *mem;
static struct suite_generator generator;
static struct pawl_arena arena;
static uint64_t answered[PAWL_STORE_OPS_END]; /* second time, after OK */

/* What the same request gets when the first answer was `first`. */
static pawl_err expected_again(enum pawl_store_op op, pawl_err first)
{
    if (first != PAWL_OK) return first;
    switch (op) {
    case PAWL_STORE_CREATE: return PAWL_E_DUPLICATE;
    case PAWL_STORE_DELIVER: return PAWL_E_DUPLICATE;
    case PAWL_STORE_PURGE: return PAWL_E_NOT_FOUND;
    default: return PAWL_OK;
    }
}

static struct pawl_bytes dump_after(const struct pawl_store_request *request,
                                    struct pawl_store_reply *ret_reply)
{
    pawl_mem_store_apply(mem, request, &arena, ret_reply);
    return pawl_mem_store_dump(mem, &arena);
}

/* The last row that a poll may have looked at is leased by now. */
static bool poll_takes_all(const struct pawl_poll *poll)
{
    return poll->skip == 0 && poll->max == PAWL_POLL_ITEMS_MAX && poll->until_ms == poll->now_ms;
}

static void send_twice(const struct pawl_store_request *request)
{
    struct pawl_store_reply first, second;
    struct pawl_bytes once = dump_after(request, &first);
    suite_learn(&generator, request, &first);
    struct pawl_bytes twice = dump_after(request, &second);

    assert_int_equal(second.err, expected_again(request->op, first.err));
    if (request->op == PAWL_STORE_POLL && !poll_takes_all(&request->poll)) return;
    assert_true(pawl_bytes_is_equal(once, twice));
    if (first.err != PAWL_OK) return;
    answered[request->op]++;
    if (request->op == PAWL_STORE_POLL) {
        assert_int_equal(second.poll.items_count, 0);
        return;
    }
    if (request->op == PAWL_STORE_CREATE || request->op == PAWL_STORE_DELIVER
        || request->op == PAWL_STORE_PURGE)
        return;
    struct pawl_bytes a = suite_reply_text(&arena, &first), b = suite_reply_text(&arena, &second);
    assert_true(pawl_bytes_is_equal(a, b));
}

static void a_request_sent_again_changes_nothing(void **state)
{
    (void)state;
    mem = pawl_mem_store_new();
    pawl_arena_init(&arena);
    suite_generator_init(&generator, 4, mem);
    suite_generator_use(&generator, 0, 1);
    for (int i = 0; i < 2000; i++) {
        pawl_arena_reset(&arena);
        struct pawl_store_request request = suite_generate(&generator);
        send_twice(&request);
    }
    for (int op = 1; op < PAWL_STORE_OPS_END; op++) assert_true(answered[op] > 0);
    suite_generator_deinit(&generator);
    pawl_arena_deinit(&arena);
    pawl_mem_store_free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_request_sent_again_changes_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
