/* TLS to a real Redis: what is accepted, and what the error says when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "redis_client.h"
#include "redis_group.h"

#define PARTITIONS 4u

static struct redis_certificates certificates;
static struct redis_server server;
static struct redis_client client;

/* For a server that never answers the greeting. */
static const struct pawl_redis_options hasty = { .timeout_ms = 1500,
                                                 .waiting_max = 1000,
                                                 .held_ms = 4000 };

static void start(const char *cert, const char *clients)
{
    const char *const args[] = { "--tls-cert-file",
                                 cert,
                                 "--tls-key-file",
                                 certificates.key,
                                 "--tls-ca-cert-file",
                                 certificates.ca,
                                 "--tls-auth-clients",
                                 clients,
                                 NULL };
    redis_server_start_as(&server, REDIS_SERVER_TLS, args);
}

static void open_with(const struct pawl_redis_options *options, const char *scheme,
                      const char *host, const char *parameters)
{
    char url[700];
    (void)snprintf(url, sizeof url, "%s://%s:%u?%s", scheme, host, (unsigned)server.port,
                   parameters);
    redis_client_open(&client, url, PARTITIONS, options);
}

static void open_url(const char *scheme, const char *host, const char *parameters)
{
    open_with(NULL, scheme, host, parameters);
}

static void finish(void)
{
    redis_client_close(&client);
    redis_server_stop(&server);
}

static const char *with_ca(const char *ca, const char *more)
{
    static char parameters[500];
    (void)snprintf(parameters, sizeof parameters, "cafile=%s%s", ca, more);
    return parameters;
}

static void check_works(void)
{
    redis_client_wait_ready(&client, true);
    struct pawl_store_request request = { .op = PAWL_STORE_ACQUIRE,
                                          .acquire = { .nonce = { { 1 } } } };
    assert_int_equal(redis_client_call(&client, &request)->err, PAWL_OK);
}

static void check_refused(const char *part)
{
    redis_client_wait_ready(&client, false);
    if (!strstr(client.why, part)) print_message("%s\n", client.why);
    assert_non_null(strstr(client.why, part));
}

static void a_server_with_a_good_certificate_is_accepted_by_name_and_by_address(void **state)
{
    (void)state;
    start(certificates.cert, "no");
    open_url("rediss", "127.0.0.1", with_ca(certificates.ca, ""));
    check_works();
    redis_client_close(&client);
    open_url("rediss", "localhost", with_ca(certificates.ca, ""));
    check_works();
    finish();
}

static void a_request_larger_than_any_buffer_arrives_whole(void **state)
{
    (void)state;
    start(certificates.cert, "no");
    open_url("rediss", "127.0.0.1", with_ca(certificates.ca, ""));
    check_works();
    static uint8_t large[PAWL_TURN_SIZE_MAX];
    memset(large, 'x', sizeof large);
    struct pawl_store_request create = { .op = PAWL_STORE_CREATE,
                                         .create = { .instance = PAWL_BYTES_LITERAL("i"),
                                                     .body = PAWL_BYTES_LITERAL("b"),
                                                     .name = PAWL_BYTES_LITERAL("n"),
                                                     .inc = { { 1 } },
                                                     .delivery = { { 2 } },
                                                     .input = { large, sizeof large } } };
    assert_int_equal(redis_client_call(&client, &create)->err, PAWL_OK);
    struct pawl_store_request load = { .op = PAWL_STORE_LOAD,
                                       .load = { .instance = PAWL_BYTES_LITERAL("i"),
                                                 .want = PAWL_LOAD_PAYLOADS } };
    assert_true(strlen(redis_client_call(&client, &load)->text) > sizeof large);
    finish();
}

static void a_certificate_for_another_host_is_refused_unless_that_name_is_given(void **state)
{
    (void)state;
    start(certificates.other, "no");
    open_url("rediss", "127.0.0.1", with_ca(certificates.ca, ""));
    check_refused("certificate is not for 127.0.0.1");
    assert_non_null(strstr(client.why, "servername"));
    redis_client_close(&client);
    open_url("rediss", "localhost", with_ca(certificates.ca, ""));
    check_refused("certificate is not for localhost");
    redis_client_close(&client);
    open_url("rediss", "127.0.0.1", with_ca(certificates.ca, "&servername=redis.example.org"));
    check_works();
    redis_client_close(&client);
    open_url("rediss", "127.0.0.1", with_ca(certificates.ca, "&verify=ca"));
    check_works();
    finish();
}

static void an_expired_certificate_is_refused(void **state)
{
    (void)state;
    start(certificates.expired, "no");
    open_url("rediss", "127.0.0.1", with_ca(certificates.ca, ""));
    check_refused("is not valid today");
    assert_non_null(strstr(client.why, "expired"));
    finish();
}

static void an_unknown_authority_is_refused_unless_nothing_is_to_be_checked(void **state)
{
    (void)state;
    start(certificates.cert, "no");
    open_url("rediss", "127.0.0.1", "");
    check_refused("certificate is not trusted");
    assert_non_null(strstr(client.why, "cafile"));
    redis_client_close(&client);
    open_url("rediss", "127.0.0.1", with_ca(certificates.other_ca, ""));
    check_refused("certificate is not trusted");
    redis_client_close(&client);
    open_url("rediss", "127.0.0.1", "verify=none");
    check_works();
    finish();
}

static void a_server_that_wants_a_client_certificate_says_so(void **state)
{
    (void)state;
    start(certificates.cert, "yes");
    open_url("rediss", "127.0.0.1", with_ca(certificates.ca, ""));
    check_refused("certfile and keyfile");
    redis_client_close(&client);
    char more[300];
    (void)snprintf(more, sizeof more, "&certfile=%s&keyfile=%s", certificates.cert,
                   certificates.key);
    open_url("rediss", "127.0.0.1", with_ca(certificates.ca, more));
    check_works();
    finish();
}

static void files_that_cannot_be_used_are_named(void **state)
{
    (void)state;
    start(certificates.cert, "no");
    open_url("rediss", "127.0.0.1", "cafile=/no/such/file.pem");
    check_refused("cafile /no/such/file.pem cannot be used");
    redis_client_close(&client);
    char more[300];
    (void)snprintf(more, sizeof more, "&certfile=%s&keyfile=%s", certificates.cert,
                   certificates.ca);
    open_url("rediss", "127.0.0.1", with_ca(certificates.ca, more));
    check_refused("keyfile");
    finish();
}

static void tls_to_a_plain_server_is_named_as_such(void **state)
{
    (void)state;
    redis_server_start(&server, NULL);
    open_with(&hasty, "rediss", "127.0.0.1", "verify=none");
    redis_client_wait_ready(&client, false);
    /* Redis takes the greeting for a command that has no end, or for one it does not know. */
    bool is_named = strstr(client.why, "does not speak TLS") || strstr(client.why, "does it speak")
                    || strstr(client.why, "lost during the TLS handshake");
    if (!is_named) print_message("%s\n", client.why);
    assert_true(is_named);
    finish();
}

static void a_plain_greeting_to_a_tls_server_is_named_as_such(void **state)
{
    (void)state;
    start(certificates.cert, "no");
    open_url("redis", "127.0.0.1", "durability=d0");
    check_refused("the URL must begin with rediss");
    finish();
}

static void a_cluster_speaks_tls_too(void **state)
{
    (void)state;
    const char *const args[] = { "--tls-cert-file",
                                 certificates.cert,
                                 "--tls-key-file",
                                 certificates.key,
                                 "--tls-ca-cert-file",
                                 certificates.ca,
                                 "--tls-cluster",
                                 "yes",
                                 "--tls-auth-clients",
                                 "no",
                                 NULL };
    static struct redis_group group;
    redis_group_start_cluster(&group, REDIS_SERVER_TLS, false, args);
    char url[700];
    (void)snprintf(url, sizeof url, "%s?cafile=%s", group.url, certificates.ca);
    redis_client_open(&client, url, PARTITIONS, NULL);
    redis_client_wait_ready(&client, true);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        struct pawl_store_request request = { .op = PAWL_STORE_ACQUIRE,
                                              .partition = i,
                                              .acquire = { .nonce = { { 1 } } } };
        assert_int_equal(redis_client_call(&client, &request)->err, PAWL_OK);
    }
    redis_client_close(&client);
    redis_group_stop(&group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_with_a_good_certificate_is_accepted_by_name_and_by_address),
        cmocka_unit_test(a_request_larger_than_any_buffer_arrives_whole),
        cmocka_unit_test(a_certificate_for_another_host_is_refused_unless_that_name_is_given),
        cmocka_unit_test(an_expired_certificate_is_refused),
        cmocka_unit_test(an_unknown_authority_is_refused_unless_nothing_is_to_be_checked),
        cmocka_unit_test(a_server_that_wants_a_client_certificate_says_so),
        cmocka_unit_test(files_that_cannot_be_used_are_named),
        cmocka_unit_test(tls_to_a_plain_server_is_named_as_such),
        cmocka_unit_test(a_plain_greeting_to_a_tls_server_is_named_as_such),
        cmocka_unit_test(a_cluster_speaks_tls_too),
    };
    if (!redis_server_is_installed() || !redis_certificates_make(&certificates)) return 77;
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    redis_certificates_remove(&certificates);
    return result;
}
