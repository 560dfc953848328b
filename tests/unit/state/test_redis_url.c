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

static void sentinels_are_listed_and_their_service_is_the_path(void **state)
{
    (void)state;
    struct pawl_redis_url url =
        parsed("redis+sentinel://u:p@s1,s2:5000,[::1]:5001/my%20master/4?sentinel_user=w"
               "&sentinel_password=x%26");
    assert_int_equal(url.topology, PAWL_REDIS_SENTINEL);
    assert_int_equal(url.seeds_count, 3);
    assert_string_equal(url.seeds[0].text, "s1:26379");
    assert_string_equal(url.seeds[1].text, "s2:5000");
    assert_string_equal(url.seeds[2].text, "[::1]:5001");
    assert_string_equal(url.service, "my master");
    assert_int_equal(url.db, 4);
    assert_string_equal(url.user, "u");
    assert_string_equal(url.password, "p");
    assert_string_equal(url.sentinel_user, "w");
    assert_string_equal(url.sentinel_password, "x&");
    assert_string_equal(url.text, "my master (sentinels s1:26379,…)");
    check_refused("redis+sentinel://h", "names no service");
    check_refused("redis+sentinel://h/", "names no service");
    check_refused("redis+sentinel://h/m/x", "database");
    check_refused("redis+sentinel://h,/m", "names no host");
    check_refused("redis+sentinel://h/m?sentinel_user=w", "without sentinel_password");
}

static void a_cluster_has_nodes_and_no_databases(void **state)
{
    (void)state;
    struct pawl_redis_url url = parsed("redis+cluster://:p@a,b:7001");
    assert_int_equal(url.topology, PAWL_REDIS_CLUSTER);
    assert_int_equal(url.seeds_count, 2);
    assert_string_equal(url.seeds[0].text, "a:6379");
    assert_string_equal(url.seeds[1].text, "b:7001");
    assert_string_equal(url.text, "cluster a:6379,…");
    assert_int_equal(parsed("redis+cluster://a/0").seeds_count, 1);
    check_refused("redis+cluster://a/1", "no databases");
    check_refused("redis+cluster://a?sentinel_password=x", "redis+sentinel:// URLs only");
    check_refused("redis://a,b", "names one server");
}

static void more_servers_than_needed_are_refused(void **state)
{
    (void)state;
    char text[256] = "redis+cluster://h";
    for (uint32_t i = 1; i < PAWL_REDIS_SEEDS_MAX; i++) memcpy(text + strlen(text), ",h", 3);
    assert_int_equal(parsed(text).seeds_count, PAWL_REDIS_SEEDS_MAX);
    memcpy(text + strlen(text), ",h", 3);
    check_refused(text, "more than 16 servers");
}

static void tls_is_asked_for_by_the_scheme_and_checks_everything(void **state)
{
    (void)state;
    struct pawl_redis_url url = parsed("rediss://h");
    assert_true(url.is_tls);
    assert_int_equal(url.verify, PAWL_REDIS_VERIFY_FULL);
    assert_false(parsed("redis://h").is_tls);
    url =
        parsed("rediss+cluster://h?cafile=/a%20b.pem&certfile=c&keyfile=k&servername=n&verify=ca");
    assert_true(url.is_tls);
    assert_int_equal(url.topology, PAWL_REDIS_CLUSTER);
    assert_string_equal(url.cafile, "/a b.pem");
    assert_string_equal(url.certfile, "c");
    assert_string_equal(url.keyfile, "k");
    assert_string_equal(url.servername, "n");
    assert_int_equal(url.verify, PAWL_REDIS_VERIFY_CA);
    assert_int_equal(parsed("rediss+sentinel://h/m?verify=none").verify, PAWL_REDIS_VERIFY_NONE);
    check_refused("redis://h?cafile=x", "must begin with rediss");
    check_refused("redis+unix:///x?verify=ca", "must begin with rediss");
    check_refused("rediss://h?verify=maybe", "full, ca or none");
    check_refused("rediss://h?cafile=", "is empty");
    check_refused("rediss://h?certfile=c", "need each other");
    check_refused("rediss://h?keyfile=c", "need each other");
}

static void durability_is_d0_unless_it_is_said(void **state)
{
    (void)state;
    struct pawl_redis_url url = parsed("redis://h");
    assert_int_equal(url.durability, PAWL_REDIS_D0);
    assert_int_equal(parsed("redis://h?durability=d1").durability, PAWL_REDIS_D1);
    url = parsed("redis+unix:///x?durability=d2");
    assert_int_equal(url.durability, PAWL_REDIS_D2);
    assert_int_equal(url.replicas, 1);
    assert_int_equal(url.wait_ms, PAWL_STORE_WAIT_MS_DEFAULT);
    url = parsed("redis+cluster://h?replicas=2&wait_ms=50&durability=d2");
    assert_int_equal(url.replicas, 2);
    assert_int_equal(url.wait_ms, 50);
    check_refused("redis://h?durability=d3", "d0, d1 or d2");
    check_refused("redis://h?durability=d1&replicas=1", "need durability=d2");
    check_refused("redis://h?replicas=0", "1 to 16");
    check_refused("redis://h?wait_ms=4001&durability=d2", "1 to 4000");
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    check_refused("http://h", "not a Redis URL");
    check_refused("redis+ring://h", "not a Redis URL");
    check_refused("rediss+unix:///x", "not a Redis URL");
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
    static const char *const urls[] = { "redis://u:hunter2@",
                                        "redis://u:hunter2@h:port",
                                        "redis+cluster://u:hunter2@h?x=y",
                                        "redis+sentinel://h/m?sentinel_password=hunter2&db=1",
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
    static const char letters[] = "redis+unix:///@%[]?&=:0aF/,";
    static const char *const heads[] = { "redis://",          "redis+unix:///",
                                         "redis+cluster://",  "redis+sentinel://h/m",
                                         "rediss://h?verify", "redis://h?durability=d2&wait_ms=" };
    struct pawl_rng rng;
    pawl_rng_init(&rng, 1);
    for (int round = 0; round < 50000; round++) {
        char text[96];
        (void)snprintf(text, sizeof text, "%s",
                       heads[pawl_rng_below(&rng, sizeof heads / sizeof *heads)]);
        size_t size = strlen(text);
        size_t end = size + pawl_rng_below(&rng, 40);
        while (size < end) text[size++] = letters[pawl_rng_below(&rng, sizeof letters - 1)];
        text[size] = 0;
        struct pawl_redis_url url;
        const char *message = NULL;
        if (pawl_redis_url_parse(text, &url, &message)) {
            assert_non_null(message);
            continue;
        }
        assert_in_range(url.seeds_count, 1, PAWL_REDIS_SEEDS_MAX);
        for (uint32_t i = 0; i < url.seeds_count; i++)
            assert_true(url.seeds[i].port[0] ? url.seeds[i].host[0] != 0
                                             : url.seeds[i].host[0] == '/');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_alone_means_port_6379_database_0_and_no_login),
        cmocka_unit_test(every_part_of_a_tcp_url_is_taken),
        cmocka_unit_test(an_ipv6_host_stands_in_brackets),
        cmocka_unit_test(a_unix_url_has_a_path_and_parameters),
        cmocka_unit_test(sentinels_are_listed_and_their_service_is_the_path),
        cmocka_unit_test(a_cluster_has_nodes_and_no_databases),
        cmocka_unit_test(more_servers_than_needed_are_refused),
        cmocka_unit_test(tls_is_asked_for_by_the_scheme_and_checks_everything),
        cmocka_unit_test(durability_is_d0_unless_it_is_said),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_socket_path_that_does_not_fit_an_address_is_refused),
        cmocka_unit_test(a_refusal_never_repeats_the_password),
        cmocka_unit_test(random_text_is_parsed_or_refused_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
