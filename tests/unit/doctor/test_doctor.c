/* The doctor at a store that fails: a stand-in that answers what was flushed, and nothing
 * else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include "base/assert.h"
#include "base/bytes.h"
#include "doctor/io/doctor.h"
#include "state/io/backends.h"

#define TOKENS_MAX 64u

static struct {
    struct pawl_store store;
    struct pawl_store_config config;
    uv_timer_t timer;
    bool is_ready;
    uint32_t submitted;
    uint32_t flushed; /* of those: they are answered */
    uint64_t tokens[TOKENS_MAX];
    uint32_t rounds;
} fake;

static void answer(uint64_t token)
{
    /* At first the connection breaks; then somebody has changed the schema. */
    const struct pawl_store_reply reply = {
        .token = token,
        .err = fake.rounds == 1 ? PAWL_E_UNAVAILABLE : PAWL_E_VERSION,
        .message = PAWL_BYTES_LITERAL("other"),
    };
    fake.config.on_reply(fake.config.context, &reply);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    if (!fake.is_ready) {
        fake.is_ready = true;
        fake.config.on_state(fake.config.context, true, "");
        return;
    }
    uint32_t count = fake.flushed;
    fake.flushed = 0;
    fake.submitted = 0;
    fake.rounds++;
    for (uint32_t i = 0; i < count; i++) answer(fake.tokens[i]);
}

static void fake_submit(struct pawl_store *store, const struct pawl_store_request *request)
{
    (void)store;
    assert_true(fake.submitted < TOKENS_MAX);
    fake.tokens[fake.submitted++] = request->token;
}

static void fake_flush(struct pawl_store *store)
{
    (void)store;
    fake.flushed = fake.submitted;
    (void)uv_timer_start(&fake.timer, on_timer, 0, 0);
}

static void fake_close(struct pawl_store *store)
{
    (void)store;
    uv_close((uv_handle_t *)&fake.timer, NULL);
}

pawl_err pawl_store_open(const struct pawl_store_config *config, struct pawl_store **ret_store,
                         const char **ret_message)
{
    static const struct pawl_store_ops ops = { .submit = fake_submit,
                                               .flush = fake_flush,
                                               .close = fake_close };
    (void)ret_message;
    fake.config = *config;
    fake.store = (struct pawl_store){ .ops = &ops, .partitions = 4 };
    int status = uv_timer_init(config->loop, &fake.timer);
    PAWL_ASSERT(status == 0);
    (void)uv_timer_start(&fake.timer, on_timer, 0, 0);
    *ret_store = &fake.store;
    return PAWL_OK;
}

/* Nothing wakes the loop but the answers: what is not flushed is waited for for ever. */
static void what_a_broken_connection_lost_is_asked_again(void **state)
{
    (void)state;
    const struct pawl_doctor_subject subject = { .store = "redis://h",
                                                 .app = "shop",
                                                 .namespace_ = "default" };
    struct pawl_buf text;
    pawl_buf_init(&text, 4096);
    assert_int_equal(pawl_doctor_run(&subject, false, &text), PAWL_DOCTOR_UNREACHABLE);
    pawl_buf_append(&text, "", 1);
    assert_int_equal(text.bad, PAWL_OK);
    if (!strstr((const char *)text.data, "the store does not answer any more: VERSION: other"))
        fail_msg("%s", (const char *)text.data);
    assert_int_equal(fake.rounds, 2);
    pawl_buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_broken_connection_lost_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
