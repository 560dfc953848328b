#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "state/io/redis_url.h"

static struct pawl_redis_url parsed(const char *text)
{
    struct pawl_redis_url url;
    const char *message = "";
    pawl_err err = pawl_redis_url_parse(text, &url, &message);
    if (err) print_message("%s: %s\n", text, message);
    assert_int_equal(err, PAWL_OK);
    return url;
}

static void check_refused(const char *text, const char *part)
{
    struct pawl_redis_url url;
    const char *message = "";
    assert_int_equal(pawl_redis_url_parse(text, &url, &message), PAWL_E_INVALID);
    if (!strstr(message, part)) print_message("%s: %s\n", text, message);
    assert_non_null(strstr(message, part));
}

static void a_host_alone_means_port_6379_database_0_and_no_login(void **state)
{
    (void)state;
    struct pawl_redis_url url = parsed("redis://example.org");
    assert_string_equal(url.seeds[0].host, "example.org");
    assert_string_equal(url.seeds[0].port, "6379");
    assert_int_equal(url.db, 0);
    assert_false(url.has_password);
    assert_string_not_equal(url.seeds[0].port, "");
    assert_string_equal(url.text, "example.org:6379");
    assert_string_equal(parsed("redis://example.org/").seeds[0].host, "example.org");
}

static void every_part_of_a_tcp_url_is_taken(void **state)
{
    (void)state;
    struct pawl_redis_url url = parsed("redis://me:pa%3Ass%40w@10.0.0.1:7000/12");
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "pa:ss@w");
    assert_string_equal(url.seeds[0].host, "10.0.0.1");
    assert_string_equal(url.seeds[0].port, "7000");
    assert_int_equal(url.db, 12);
    assert_string_equal(url.text, "10.0.0.1:7000");
    url = parsed("redis://:secret@h");
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "secret");
}

static void an_ipv6_host_stands_in_brackets(void **state)
{
    (void)state;
    struct pawl_redis_url url = parsed("redis://u:p@[fe80::1]:7001/1");
    assert_string_equal(url.seeds[0].host, "fe80::1");
    assert_string_equal(url.seeds[0].port, "7001");
    assert_string_equal(url.text, "[fe80::1]:7001");
    check_refused("redis://[fe80::1", "closing bracket");
}

static void a_unix_url_has_a_path_and_parameters(void **state)
{
    (void)state;
    struct pawl_redis_url url =
        parsed("redis+unix:///run/my%20redis.sock?db=3&user=u%26&password=a%3Db");
    assert_string_equal(url.seeds[0].port, "");
    assert_string_equal(url.seeds[0].host, "/run/my redis.sock");
    assert_int_equal(url.db, 3);
    assert_string_equal(url.user, "u&");
    assert_string_equal(url.password, "a=b");
    assert_string_equal(url.text, "/run/my redis.sock");
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    check_refused("http://h", "not a Redis URL");
    check_refused("redis://", "names no host");
    check_refused("redis://u:p@:1", "names no host");
    check_refused("redis://h:0", "port");
    check_refused("redis://h:65536", "port");
    check_refused("redis://h:x", "port");
    check_refused("redis://h/x", "database");
    check_refused("redis://h/99999", "database");
    check_refused("redis://h?db=1", "knows the parameters");
    check_refused("redis://user@h", "without a password");
    check_refused("redis://user:@h", "empty password");
    check_refused("redis://a%zz:b@h", "user name");
    check_refused("redis://a:b%0@h", "password");
    check_refused("redis://a:b%00@h", "password");
    check_refused("redis+unix://relative", "absolute path");
    check_refused("redis+unix:///x?timeout=1", "knows the parameters db, user");
    check_refused("redis+unix:///x?user=me", "without a password");
}

static void a_socket_path_that_does_not_fit_an_address_is_refused(void **state)
{
    (void)state;
    char text[256] = "redis+unix:///";
    memset(text + strlen(text), 'x', 103);
    check_refused(text, "longer than 103 bytes");
}

static void a_refusal_never_repeats_the_password(void **state)
{
    (void)state;
    static const char *const urls[] = { "redis://u:hunter2@", "redis://u:hunter2@h:port",
                                        "redis+unix:///x?password=hunter2&nonsense=1",
                                        "redys://u:hunter2@h" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct pawl_redis_url url;
        const char *message = "";
        assert_int_equal(pawl_redis_url_parse(urls[i], &url, &message), PAWL_E_INVALID);
        assert_null(strstr(message, "hunter2"));
    }
}

static void random_text_is_parsed_or_refused_within_its_bounds(void **state)
{
    (void)state;
    static const char letters[] = "redis+unix:///@%[]?&=:0aF/";
    struct pawl_rng rng;
    pawl_rng_init(&rng, 1);
    for (int round = 0; round < 50000; round++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s",
                       pawl_rng_below(&rng, 2) ? "redis://" : "redis+unix:///");
        size_t size = strlen(text);
        size_t end = size + pawl_rng_below(&rng, 40);
        while (size < end) text[size++] = letters[pawl_rng_below(&rng, sizeof letters - 1)];
        text[size] = 0;
        struct pawl_redis_url url;
        const char *message = NULL;
        if (pawl_redis_url_parse(text, &url, &message))
            assert_non_null(message);
        else
            assert_true(url.seeds[0].port[0] ? url.seeds[0].host[0] != 0
                                             : url.seeds[0].host[0] == '/');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_alone_means_port_6379_database_0_and_no_login),
        cmocka_unit_test(every_part_of_a_tcp_url_is_taken),
        cmocka_unit_test(an_ipv6_host_stands_in_brackets),
        cmocka_unit_test(a_unix_url_has_a_path_and_parameters),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_socket_path_that_does_not_fit_an_address_is_refused),
        cmocka_unit_test(a_refusal_never_repeats_the_password),
        cmocka_unit_test(random_text_is_parsed_or_refused_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
