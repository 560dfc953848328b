/* Opening by URL: each scheme finds its backend, and what cannot be opened is refused
 * with words that help and without the password that the URL may hold. */
#include "world.h"

#include "state/io/backends.h"

static uv_loop_t loop;

static void on_reply(void *context, const struct pawl_store_reply *reply)
{
    (void)context, (void)reply;
}

static struct pawl_store_config config_of(const char *url)
{
    return (struct pawl_store_config){ .loop = &loop,
                                       .url = url,
                                       .app = "orders",
                                       .namespace_ = "default",
                                       .partitions = 8,
                                       .on_reply = on_reply };
}

static void assert_refused(const struct pawl_store_config *config, const char *words)
{
    struct pawl_store *store;
    const char *message = NULL;
    assert_int_equal(pawl_store_open(config, &store, &message), PAWL_E_INVALID);
    assert_non_null(strstr(message, words));
}

static void an_unknown_scheme_is_named_with_the_known_ones(void **state)
{
    (void)state;
    struct pawl_store_config config = config_of("postgres://user:secret@host/db");
    assert_refused(&config, "\"postgres\"");
    assert_refused(&config, "sqlite:///");
    assert_refused(&config, "redis://");
    const char *message = NULL;
    struct pawl_store *store;
    assert_int_equal(pawl_store_open(&config, &store, &message), PAWL_E_INVALID);
    assert_null(strstr(message, "secret"));
}

static void a_missing_url_is_refused(void **state)
{
    (void)state;
    struct pawl_store_config config = config_of(NULL);
    assert_refused(&config, "no state store");
    config = config_of("");
    assert_refused(&config, "no state store");
}

static void names_that_would_break_keys_are_refused(void **state)
{
    (void)state;
    struct pawl_store_config config = config_of("mem://");
    config.app = "or{ders}";
    assert_refused(&config, "app id \"or{ders}\"");
    config = config_of("mem://");
    config.namespace_ = "";
    assert_refused(&config, "namespace \"\"");
    config = config_of("mem://");
    config.partitions = 0;
    assert_refused(&config, "1 to 4096");
    config.partitions = 4097;
    assert_refused(&config, "1 to 4096");
}

static void a_scheme_reaches_its_backend(void **state)
{
    (void)state;
    struct pawl_store_config config = config_of("sqlite://no-path");
    assert_refused(&config, "three slashes");

    config = config_of("mem://");
    struct pawl_store *store;
    const char *message;
    uv_loop_init(&loop);
    assert_int_equal(pawl_store_open(&config, &store, &message), PAWL_OK);
    store->ops->close(store);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_scheme_is_named_with_the_known_ones),
        cmocka_unit_test(a_missing_url_is_refused),
        cmocka_unit_test(names_that_would_break_keys_are_refused),
        cmocka_unit_test(a_scheme_reaches_its_backend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
