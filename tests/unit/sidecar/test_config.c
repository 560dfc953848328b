#include "sidecar/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/io/runtime.h"
#include "base/limits.h"
#include "base/log.h"
#include "placement/names.h"
#include "sidecar/io/config_yaml.h"

struct fixture {
    struct pawl_arena arena;
    struct pawl_config config;
    const char *message;
    char folder[64];
    char path[128];
};

static const struct pawl_config_surroundings home = { .runtime_folder = "/run/user/7",
                                                      .work_folder = "/srv/shop",
                                                      .uid = 7 };

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    pawl_arena_init(&f->arena);
    pawl_config_init(&f->config, &f->arena);
    snprintf(f->folder, sizeof f->folder, "/tmp/pawl-config-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/pawld.yaml", f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    rmdir(f->folder);
    pawl_arena_deinit(&f->arena);
    free(f);
    return 0;
}

static pawl_err set(struct fixture *f, const char *name, enum pawl_config_source source,
                    const char *value)
{
    const struct pawl_config_option *option = pawl_config_find(name);
    assert_non_null(option);
    f->message = NULL;
    return pawl_config_set(&f->config, option, source, value, &f->message);
}

static void set_ok(struct fixture *f, const char *name, const char *value)
{
    assert_int_equal(set(f, name, PAWL_CONFIG_FLAG, value), PAWL_OK);
}

static void assert_says(const struct fixture *f, const char *text)
{
    assert_non_null(f->message);
    if (!strstr(f->message, text)) fail_msg("'%s' does not say '%s'", f->message, text);
}

static void load(struct fixture *f, const char *text)
{
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void an_app_id_is_all_that_must_be_given(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_says(f, "--app-id");
    assert_says(f, "PAWL_APP_ID");

    set_ok(f, "app-id", "shop");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_OK);
    assert_string_equal(f->config.namespace_, "default");
    assert_string_equal(f->config.store, "sqlite:///srv/shop/pawl-shop.db");
    assert_string_equal(pawl_config_synchronous(&f->config), "full");
    assert_string_equal(f->config.http_host, "127.0.0.1");
    assert_int_equal(f->config.http_port, 3500);
    assert_int_equal(f->config.partitions, PAWL_PARTITIONS_DEFAULT);
    assert_int_equal(f->config.instance_idle_ms, PAWL_INSTANCE_IDLE_MS);
    assert_int_equal(f->config.log_level + 1, PAWL_LOG_INFO);
    assert_int_equal(f->config.app_urls_count, 2);
    assert_string_equal(f->config.runtime_folder, "/run/user/7/pawl");
    assert_string_equal(f->config.app_urls[0], "ipc:///run/user/7/pawl/shop.sock");
    assert_string_equal(f->config.app_urls[1], "tcp://127.0.0.1:3501");
}

static void without_a_runtime_folder_the_socket_is_in_a_folder_of_the_user(void **state)
{
    struct fixture *f = *state;
    set_ok(f, "app-id", "shop");
    const struct pawl_config_surroundings bare = { .work_folder = "/", .uid = 1000 };
    assert_int_equal(pawl_config_finish(&f->config, &bare, &f->message), PAWL_OK);
    assert_string_equal(f->config.runtime_folder, "/tmp/pawl-1000");
    assert_string_equal(f->config.app_urls[0], "ipc:///tmp/pawl-1000/shop.sock");
    assert_string_equal(f->config.store, "sqlite:///pawl-shop.db");
}

static void every_bad_value_is_named_with_what_is_allowed(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *name;
        const char *value;
        const char *allowed;
    } cases[] = {
        { "http-port", "65536", "from 0 to 65535" },
        { "grpc-port", "65536", "or off" },
        { "durabletask-port", "on", "or off" },
        { "http-port", "", "whole number" },
        { "http-port", "-1", "whole number" },
        { "http-port", "80x", "whole number" },
        { "http-port", "99999999999999999999999999", "whole number" },
        { "partitions", "0", "from 1 to 4096" },
        { "partitions", "4097", "from 1 to 4096" },
        { "turns-max", "1000001", "from 0 to 1000000" },
        { "instance-idle", "5", "30s" },
        { "instance-idle", "99ms", "from 100ms" },
        { "instance-idle", "2h", "3600000ms" },
        { "log-level", "loud", "error warn info debug" },
        { "log-level", "inf", "error warn info debug" },
        { "log-format", "xml", "text json" },
        { "synchronous", "maybe", "full normal off" },
        { "store", "", "not empty" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64];
        snprintf(name, sizeof name, "--%s: \"%s\"", cases[i].name, cases[i].value);
        assert_int_equal(set(f, cases[i].name, PAWL_CONFIG_FLAG, cases[i].value), PAWL_E_INVALID);
        assert_says(f, name);
        assert_says(f, cases[i].allowed);
    }
    assert_int_equal(f->config.http_port, 3500); /* and nothing has changed */
    assert_int_equal(f->config.partitions, PAWL_PARTITIONS_DEFAULT);
}

static void a_bad_value_is_named_as_the_user_wrote_it(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set(f, "http-port", PAWL_CONFIG_ENVIRONMENT, "x"), PAWL_E_INVALID);
    assert_says(f, "PAWL_HTTP_PORT: \"x\"");
    assert_int_equal(set(f, "http-port", PAWL_CONFIG_FILE, "x"), PAWL_E_INVALID);
    assert_says(f, "http-port in the configuration file: \"x\"");
}

static void good_values_are_taken_up_to_their_bounds(void **state)
{
    struct fixture *f = *state;
    set_ok(f, "http-port", "0");
    assert_int_equal(f->config.http_port, 0);
    set_ok(f, "http-port", "65535");
    assert_int_equal(f->config.http_port, 65535);
    set_ok(f, "partitions", "4096");
    assert_int_equal(f->config.partitions, PAWL_PARTITIONS_MAX);
    set_ok(f, "instance-idle", "1m30s");
    assert_int_equal(f->config.instance_idle_ms, 90000);
    set_ok(f, "synchronous", "off");
    assert_string_equal(pawl_config_synchronous(&f->config), "off");
    set_ok(f, "log-level", "debug");
    assert_int_equal(f->config.log_level + 1, PAWL_LOG_DEBUG);
    set_ok(f, "log-format", "json");
    assert_int_equal(f->config.log_format, PAWL_LOG_FORMAT_JSON);
}

static void app_ids_and_namespaces_are_checked(void **state)
{
    struct fixture *f = *state;
    set_ok(f, "app-id", "a b");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_says(f, "app id: \"a b\"");
    assert_says(f, "letters");
    set_ok(f, "app-id", "shop");
    set_ok(f, "namespace", "{x}");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_says(f, "namespace: \"{x}\"");
}

static void addresses_add_up_within_a_source_and_a_stronger_source_replaces_them(void **state)
{
    struct fixture *f = *state;
    set_ok(f, "app-id", "shop");
    assert_int_equal(set(f, "app-listen", PAWL_CONFIG_FILE, "tcp://127.0.0.1:1"), PAWL_OK);
    assert_int_equal(set(f, "app-listen", PAWL_CONFIG_FLAG, "ipc:///a,tcp://127.0.0.1:0"), PAWL_OK);
    assert_int_equal(set(f, "app-listen", PAWL_CONFIG_FLAG, "ipc:///b"), PAWL_OK);
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_OK);
    assert_int_equal(f->config.app_urls_count, 3);
    assert_string_equal(f->config.app_urls[0], "ipc:///a");
    assert_string_equal(f->config.app_urls[1], "tcp://127.0.0.1:0");
    assert_string_equal(f->config.app_urls[2], "ipc:///b");
    assert_null(f->config.runtime_folder); /* nothing of ours to make */
}

static void what_is_no_address_is_refused(void **state)
{
    const char *bad[] = { "http://x:1",  "ipc://x",   "ipc:///",           "tcp://h",
                          "tcp://h:",    "tcp://:1",  "tcp://h:65536",     "tcp://h:1x",
                          "ipc:///a,,b", "ipc:///a,", "tcp://h:1;ipc:///a" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture *f = *state;
        pawl_config_init(&f->config, &f->arena);
        set_ok(f, "app-id", "shop");
        set_ok(f, "app-listen", bad[i]);
        assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
        assert_says(f, "--app-listen");
        assert_says(f, "tcp://host:port");
    }
}

static void more_addresses_than_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    set_ok(f, "app-id", "shop");
    for (uint32_t i = 0; i <= PAWL_CONFIG_URLS_MAX; i++) set_ok(f, "app-listen", "ipc:///a");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_says(f, "at most 8");
}

static void limits_are_names_with_numbers(void **state)
{
    struct fixture *f = *state;
    set_ok(f, "app-id", "shop");
    set_ok(f, "activity-limits", "send-mail=5,a=b=1000000");
    set_ok(f, "activity-limits", "charge=1");
    set_ok(f, "turn-limits", "send-mail=7");
    set_ok(f, "global-activity-limits", "send-mail=8"); /* besides the one of the sidecar */
    set_ok(f, "global-turn-limits", "order=9");
    set_ok(f, "global-turns-max", "10");
    set_ok(f, "global-activities-max", "11");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_OK);
    assert_int_equal(f->config.limits_count, 8);
    const struct {
        bool is_global;
        bool is_task;
        const char *name;
        uint32_t max;
    } wanted[] = {
        { false, false, "send-mail", 7 }, { false, true, "send-mail", 5 },
        { false, true, "a=b", 1000000 },  { false, true, "charge", 1 },
        { true, false, "order", 9 },      { true, true, "send-mail", 8 },
        { true, false, NULL, 10 },        { true, true, NULL, 11 },
    };
    for (uint32_t i = 0; i < 8; i++) {
        const struct pawl_config_limit *limit = &f->config.limits[i];
        assert_int_equal(limit->is_global, wanted[i].is_global);
        assert_int_equal(limit->is_task, wanted[i].is_task);
        assert_int_equal(limit->max, wanted[i].max);
        assert_int_equal(pawl_bytes_is_absent(limit->name), wanted[i].name == NULL);
        if (wanted[i].name) assert_true(pawl_bytes_is_str(limit->name, wanted[i].name));
    }
}

static void what_is_no_limit_is_refused(void **state)
{
    struct fixture *f = *state;
    char long_name[PAWL_NAME_SIZE_MAX + 4];
    memset(long_name, 'n', sizeof long_name);
    memcpy(long_name + PAWL_NAME_SIZE_MAX + 1, "=1", 3);
    const char *const bad[] = { "send-mail", "send-mail=", "send-mail=0", "send-mail=-1", "=5",
                                "a=1000001", "a=1,",       "a=five",      long_name };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pawl_config_init(&f->config, &f->arena);
        set_ok(f, "app-id", "shop");
        set_ok(f, "activity-limits", bad[i]);
        assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
        assert_says(f, "--activity-limits");
        assert_says(f, "from 1 to 1000000");
    }
    pawl_config_init(&f->config, &f->arena);
    set_ok(f, "app-id", "shop");
    set_ok(f, "turn-limits", "a=1,b=2,a=3");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_says(f, "\"a\" is given twice, with 1 and with 3");
}

static void more_limits_than_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    set_ok(f, "app-id", "shop");
    for (uint32_t i = 0; i <= PAWL_LIMITS_MAX; i++) {
        char text[16];
        snprintf(text, sizeof text, "n%u=1", i);
        set_ok(f, i % 2 ? "turn-limits" : "activity-limits", text);
    }
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_says(f, "at most 64 concurrency limits");
}

static void grpc_ports_are_off_unless_asked_for(void **state)
{
    struct fixture *f = *state;
    set_ok(f, "app-id", "orders");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_OK);
    assert_int_equal(f->config.grpc_port, PAWL_CONFIG_PORT_OFF);
    assert_int_equal(f->config.durabletask_port, PAWL_CONFIG_PORT_OFF);
    set_ok(f, "grpc-port", "50001");
    set_ok(f, "durabletask-port", "0");
    assert_int_equal(f->config.grpc_port, 50001);
    assert_int_equal(f->config.durabletask_port, 0);
    set_ok(f, "grpc-port", "off");
    assert_int_equal(f->config.grpc_port, PAWL_CONFIG_PORT_OFF);
    set_ok(f, "grpc-tls-cert", "/etc/cert.pem");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_says(f, "--grpc-tls-key");
    set_ok(f, "grpc-tls-key", "/etc/key.pem");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_OK);
}

static void tokens_are_checked_and_never_shown(void **state)
{
    struct fixture *f = *state;
    set_ok(f, "app-id", "shop");
    set_ok(f, "token", "with space");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_null(strstr(f->message, "with space"));
    set_ok(f, "token", "good-one");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_OK);
    set_ok(f, "token-file", "/x");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_says(f, "one of them");

    char token[258];
    memset(token, 'x', 257);
    token[257] = 0;
    assert_false(pawl_config_token_is_valid(token));
    token[256] = 0;
    assert_true(pawl_config_token_is_valid(token));
    assert_false(pawl_config_token_is_valid(""));
}

static void passwords_in_store_urls_are_hidden(void **state)
{
    struct fixture *f = *state;
    const char *pairs[][2] = {
        { "redis://user:geheim@host:6379/0", "redis://user:***@host:6379/0" },
        { "redis://:geheim@host", "redis://:***@host" },
        { "redis://:p@ss@host", "redis://:***@host" },
        { "redis://host:6379", "redis://host:6379" },
        { "redis://user@host:6379", "redis://user@host:6379" },
        { "sqlite:///a:b", "sqlite:///a:b" },
        { "redis+unix:///s?db=1&user=u&password=geheim",
          "redis+unix:///s?db=1&user=u&password=***" },
        { "redis+sentinel://u:geheim@a,b/m?sentinel_password=geheim&durability=d2",
          "redis+sentinel://u:***@a,b/m?sentinel_password=***&durability=d2" },
        { "redis+sentinel://a/m?sentinel_password=ge@heim&password=geheim",
          "redis+sentinel://a/m?sentinel_password=***&password=***" },
        { "rediss://host?cafile=/a@b", "rediss://host?cafile=/a@b" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_string_equal(pawl_config_url_redact(&f->arena, pairs[i][0]), pairs[i][1]);
    }
}

static void help_names_every_option_and_its_variable(void **state)
{
    struct fixture *f = *state;
    (void)f;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 64u << 10);
    pawl_config_help(&buf);
    pawl_buf_append(&buf, "", 1);
    assert_int_equal(buf.bad, PAWL_OK);
    for (uint32_t i = 0; i < pawl_config_options_count; i++) {
        assert_non_null(strstr((const char *)buf.data, pawl_config_options[i].name));
        assert_non_null(strstr((const char *)buf.data, pawl_config_options[i].env));
    }
    pawl_buf_deinit(&buf);
}

/* The file ------------------------------------------------------------------------------ */

static void a_file_may_set_any_option_and_others_win_over_it(void **state)
{
    struct fixture *f = *state;
    load(f, "# shop\napp-id: shop\nhttp-port: 8080\ninstance-idle: 10s\nlog-format: json\n"
            "app-listen: tcp://127.0.0.1:0\n");
    assert_int_equal(pawl_config_yaml_load(&f->config, f->path, &f->message), PAWL_OK);
    assert_string_equal(f->config.app_id, "shop");
    assert_int_equal(f->config.http_port, 8080);
    assert_int_equal(f->config.instance_idle_ms, 10000);
    assert_int_equal(f->config.log_format, PAWL_LOG_FORMAT_JSON);
    set_ok(f, "http-port", "9090");
    assert_int_equal(f->config.http_port, 9090);
}

static void an_empty_file_says_nothing(void **state)
{
    struct fixture *f = *state;
    load(f, "");
    assert_int_equal(pawl_config_yaml_load(&f->config, f->path, &f->message), PAWL_OK);
}

static void mistakes_in_the_file_are_told_with_their_place(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *text;
        const char *says;
        const char *place;
    } cases[] = {
        { "app-id: shop\nhttp-prt: 1\n", "unknown key: http-prt", "line: 2" },
        { "app-id: shop\nhttp-port: abc\n", "not a whole number: 'abc'", "line: 2, column: 12" },
        { "app-id: shop\nnamespace: [a]\n", "single value", "line: 2, column: 12" },
        { "http-port:\n  x: 1\n", "single value", "line: 2" },
        { "app-id: shop\napp-id: shoe\n", "given twice: app-id", "line: " },
        { "- a\n", "key: value", "" },
        { "app-id: [\n", "app-id", "line: " },
        { "http-port: 70000\n", "from 0 to 65535", "http-port in the configuration file" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        load(f, cases[i].text);
        f->message = NULL;
        assert_int_equal(pawl_config_yaml_load(&f->config, f->path, &f->message), PAWL_E_INVALID);
        assert_says(f, cases[i].says);
        assert_says(f, cases[i].place);
        assert_null(strchr(f->message, '\n'));
    }
}

static void a_file_that_is_not_there_is_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(pawl_config_yaml_load(&f->config, "/nowhere/x.yaml", &f->message),
                     PAWL_E_UNAVAILABLE);
    assert_says(f, "/nowhere/x.yaml");
}

/* The system ------------------------------------------------------------------------------ */

static void a_runtime_folder_must_be_ours_and_closed_to_others(void **state)
{
    struct fixture *f = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/run", f->folder);
    assert_int_equal(pawl_runtime_folder_make(path, &f->arena, &f->message), PAWL_OK);
    assert_int_equal(pawl_runtime_folder_make(path, &f->arena, &f->message), PAWL_OK);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(pawl_runtime_folder_make(path, &f->arena, &f->message), PAWL_E_DENIED);
    assert_says(f, "--app-listen");
    assert_int_equal(rmdir(path), 0);

    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_equal(pawl_runtime_folder_make(path, &f->arena, &f->message), PAWL_E_DENIED);
    unlink(path);
    assert_int_equal(pawl_runtime_folder_make("/nowhere/x", &f->arena, &f->message), PAWL_E_DENIED);
}

static void a_token_is_the_first_line_of_its_file(void **state)
{
    struct fixture *f = *state;
    const char *line = NULL;
    load(f, "s3cret\r\nmore\n");
    assert_int_equal(pawl_runtime_line_read(f->path, &f->arena, &line, &f->message), PAWL_OK);
    assert_string_equal(line, "s3cret");
    assert_int_equal(pawl_runtime_line_read("/nowhere", &f->arena, &line, &f->message),
                     PAWL_E_UNAVAILABLE);
    assert_int_equal(pawl_runtime_line_read("/tmp", &f->arena, &line, &f->message),
                     PAWL_E_UNAVAILABLE);
    assert_string_equal(f->message, "/tmp: Is a directory");

    bool (*is_valid)(const char *) = pawl_config_token_is_valid;
    assert_int_equal(pawl_runtime_token_read(f->path, is_valid, &f->arena, &line, &f->message),
                     PAWL_OK);
    assert_string_equal(line, "s3cret");
    assert_int_equal(pawl_runtime_token_read("/tmp", is_valid, &f->arena, &line, &f->message),
                     PAWL_E_UNAVAILABLE);
    assert_string_equal(f->message, "cannot read the token file /tmp: Is a directory");
    load(f, "two words\n");
    assert_int_equal(pawl_runtime_token_read(f->path, is_valid, &f->arena, &line, &f->message),
                     PAWL_E_INVALID);
    assert_says(f, "is no token: it must be 1 to 256 printable ASCII characters");
}

/* Several sidecars --------------------------------------------------------------------- */

static void shared(struct fixture *f)
{
    set_ok(f, "app-id", "shop");
    set_ok(f, "store", "redis://store:6379");
}

static void without_placement_there_are_no_peers(void **state)
{
    struct fixture *f = *state;
    shared(f);
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_OK);
    assert_int_equal(f->config.placement_urls_count, 0);
    assert_string_equal(f->config.peer_listen, "tcp://0.0.0.0:3502");
    assert_null(f->config.peer_advertise_host);
    assert_null(f->config.host_id);
}

static void placement_addresses_are_taken_as_people_write_them(void **state)
{
    struct fixture *f = *state;
    shared(f);
    set_ok(f, "placement", "one");
    set_ok(f, "placement", "two:7000,tcp://10.0.0.3:7001,[::1],[fd00::1]:7002");
    set_ok(f, "peer-listen", "[::]:4000");
    set_ok(f, "host-id", "shop-1.example_x");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_OK);
    static const char *const urls[] = { "tcp://one:50005", "tcp://two:7000", "tcp://10.0.0.3:7001",
                                        "tcp://[::1]:50005", "tcp://[fd00::1]:7002" };
    assert_int_equal(f->config.placement_urls_count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_string_equal((const char *)f->config.placement_urls[i].data, urls[i]);
    }
    assert_string_equal(f->config.peer_listen, "tcp://[::]:4000");
    assert_null(pawl_config_url_host(&f->arena, f->config.peer_listen));
    assert_false(pawl_config_placement_is_loopback(&f->config));
}

static void advertise(struct fixture *f, const char *given, const char *host, uint16_t port)
{
    pawl_config_init(&f->config, &f->arena);
    shared(f);
    set_ok(f, "placement", "127.0.0.1:1,localhost:2");
    set_ok(f, "peer-advertise", given);
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_OK);
    assert_string_equal(f->config.peer_advertise_host, host);
    assert_int_equal(f->config.peer_advertise_port, port);
    assert_true(pawl_config_placement_is_loopback(&f->config));
}

static void what_is_advertised_is_a_host_with_or_without_a_port(void **state)
{
    struct fixture *f = *state;
    advertise(f, "shop-0.shop.svc", "shop-0.shop.svc", 0);
    advertise(f, "10.1.2.3:4000", "10.1.2.3", 4000);
    advertise(f, "tcp://10.1.2.3:4000", "10.1.2.3", 4000);
    advertise(f, "[fd00::7]", "[fd00::7]", 0);
    advertise(f, "[fd00::7]:9", "[fd00::7]", 9);
    assert_string_equal(pawl_config_url_host(&f->arena, "tcp://10.0.0.1:5"), "10.0.0.1");
}

static void wrong_addresses_and_names_of_peers_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        const char *value;
        const char *says;
    } cases[] = {
        { "placement", "one:0", "host:port" },
        { "placement", "one:65536", "host:port" },
        { "placement", "one,,two", "host:port" },
        { "placement", "http://one:1", "host:port" },
        { "placement", "a b:1", "host:port" },
        { "peer-listen", "ipc:///tmp/x", "host:port" },
        { "peer-listen", "host:port", "host:port" },
        { "peer-advertise", "0.0.0.0:3502", "other machines" },
        { "peer-advertise", "one:0", "other machines" },
        { "peer-advertise", "a/b", "other machines" },
        { "host-id", "a:1", "letters, digits" },
        { "host-id", "a/b", "letters, digits" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pawl_config_init(&f->config, &f->arena);
        shared(f);
        set_ok(f, cases[i].name, cases[i].value);
        assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
        assert_says(f, cases[i].says);
        if (!strchr(cases[i].value, ',')) assert_says(f, cases[i].value);
    }
    pawl_config_init(&f->config, &f->arena);
    shared(f);
    for (int i = 0; i < 17; i++) set_ok(f, "placement", "one:1");
    assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
    assert_says(f, "at most 16");
}

static void placement_needs_a_store_that_can_be_shared(void **state)
{
    struct fixture *f = *state;
    static const char *const stores[] = { NULL, "sqlite:///x.db", "mem://" };
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        pawl_config_init(&f->config, &f->arena);
        set_ok(f, "app-id", "shop");
        set_ok(f, "placement", "one:1");
        if (stores[i]) set_ok(f, "store", stores[i]);
        assert_int_equal(pawl_config_finish(&f->config, &home, &f->message), PAWL_E_INVALID);
        assert_says(f, "redis://host:6379");
        assert_says(f, stores[i] ? stores[i] : "sqlite:///srv/shop/pawl-shop.db");
    }
}

static void a_made_up_host_id_is_one_and_new_each_time(void **state)
{
    struct fixture *f = *state;
    const char *first = pawl_runtime_host_id(&f->arena);
    assert_true(pawl_placement_host_is_valid(pawl_bytes_str(first)));
    assert_string_not_equal(first, pawl_runtime_host_id(&f->arena));
    const char *address = pawl_runtime_address(&f->arena); /* a machine may have none */
    if (address) {
        struct pawl_bytes url = pawl_arena_printf(&f->arena, "tcp://%s:1", address);
        assert_true(pawl_placement_address_is_valid(url));
        assert_false(pawl_config_is_loopback((const char *)url.data));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_app_id_is_all_that_must_be_given),
        TEST(without_a_runtime_folder_the_socket_is_in_a_folder_of_the_user),
        TEST(every_bad_value_is_named_with_what_is_allowed),
        TEST(a_bad_value_is_named_as_the_user_wrote_it),
        TEST(good_values_are_taken_up_to_their_bounds),
        TEST(app_ids_and_namespaces_are_checked),
        TEST(addresses_add_up_within_a_source_and_a_stronger_source_replaces_them),
        TEST(what_is_no_address_is_refused),
        TEST(more_addresses_than_fit_are_refused),
        TEST(limits_are_names_with_numbers),
        TEST(what_is_no_limit_is_refused),
        TEST(more_limits_than_fit_are_refused),
        TEST(grpc_ports_are_off_unless_asked_for),
        TEST(tokens_are_checked_and_never_shown),
        TEST(passwords_in_store_urls_are_hidden),
        TEST(help_names_every_option_and_its_variable),
        TEST(a_file_may_set_any_option_and_others_win_over_it),
        TEST(an_empty_file_says_nothing),
        TEST(mistakes_in_the_file_are_told_with_their_place),
        TEST(a_file_that_is_not_there_is_told),
        TEST(a_runtime_folder_must_be_ours_and_closed_to_others),
        TEST(a_token_is_the_first_line_of_its_file),
        TEST(without_placement_there_are_no_peers),
        TEST(placement_addresses_are_taken_as_people_write_them),
        TEST(what_is_advertised_is_a_host_with_or_without_a_port),
        TEST(wrong_addresses_and_names_of_peers_are_refused),
        TEST(placement_needs_a_store_that_can_be_shared),
        TEST(a_made_up_host_id_is_one_and_new_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
