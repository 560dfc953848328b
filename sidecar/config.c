#include "sidecar/config_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/timetext.h"
#include "placement/names.h"
#include "state/keys.h"

#define IN_FLIGHT_MAX          1000000
#define ATTEMPTS_MAX           1000
#define IDLE_MS_MIN            100
#define IDLE_MS_MAX            3600000
#define RETENTION_MS_MAX       (INT64_C(10) * 366 * 86400 * 1000) /* ten years */
#define PLACEMENT_PORT_DEFAULT 50005u
#define PEER_PORT_DEFAULT      3502u
#define FIELD(name)            offsetof(struct pawl_config, name)

const struct pawl_config_option pawl_config_options[] = {
    { .name = "app-id",
      .env = "PAWL_APP_ID",
      .argument = "ID",
      .help = "the app that this sidecar serves (required)",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(app_id) },
    { .name = "namespace",
      .env = "PAWL_NAMESPACE",
      .argument = "NAME",
      .help = "keeps apps of different teams or stages apart (default: default)",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(namespace_) },
    { .name = "store",
      .env = "PAWL_STORE",
      .argument = "URL",
      .help = "where state is kept: sqlite:///path/to/file.db (/./ begins in the current "
              "folder), redis://host:6379, redis+unix:///path?db=1, "
              "redis+sentinel://host,host/service, redis+cluster://host,host, over TLS with "
              "rediss instead of redis, or mem:// (default: sqlite:///./pawl-<app id>.db)",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(store) },
    { .name = "synchronous",
      .env = "PAWL_SYNCHRONOUS",
      .argument = "MODE",
      .help = "how hard SQLite holds on to a commit: full survives a power cut, normal may "
              "lose the last ones then, off may corrupt the file (default: full)",
      .kind = PAWL_CONFIG_CHOICE,
      .offset = FIELD(synchronous),
      .choices = "full|normal|off" },
    { .name = "partitions",
      .env = "PAWL_PARTITIONS",
      .argument = "N",
      .help = "buckets that instances are spread over; fixed once there is state (default: 128)",
      .kind = PAWL_CONFIG_NUMBER,
      .offset = FIELD(partitions),
      .min = 1,
      .max = PAWL_PARTITIONS_MAX },
    { .name = "app-listen",
      .env = "PAWL_APP_LISTEN",
      .argument = "URL",
      .help = "where the app connects: ipc:///path/to/socket or tcp://host:port; several with "
              "commas or by repeating (default: ipc://$XDG_RUNTIME_DIR/pawl/<app id>.sock, "
              "without that variable ipc:///tmp/pawl-<uid>/<app id>.sock, and "
              "tcp://127.0.0.1:3501)",
      .kind = PAWL_CONFIG_LIST,
      .offset = FIELD(app_listen),
      .choices = "ipc:///path/to/socket or tcp://host:port" },
    { .name = "placement",
      .env = "PAWL_PLACEMENT",
      .argument = "ADDRESS",
      .help = "share the app with other sidecars: where the replicas of pawl-placement are, as "
              "host:port; several with commas or by repeating; port 50005 if none is given "
              "(default: none, this sidecar runs the app alone)",
      .kind = PAWL_CONFIG_LIST,
      .offset = FIELD(placement),
      .choices = "host:port" },
    { .name = "peer-listen",
      .env = "PAWL_PEER_LISTEN",
      .argument = "ADDRESS",
      .help = "where the other sidecars connect, as host:port; only with --placement (default: "
              "0.0.0.0:3502)",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(peer_listen) },
    { .name = "peer-advertise",
      .env = "PAWL_PEER_ADVERTISE",
      .argument = "ADDRESS",
      .help = "the address that the other sidecars are told, as host or host:port (default: that "
              "of --peer-listen; for 0.0.0.0 the first address of this machine, and 127.0.0.1 "
              "when --placement is there, too)",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(peer_advertise) },
    { .name = "host-id",
      .env = "PAWL_HOST_ID",
      .argument = "NAME",
      .help = "name of this process among all sidecars of the namespace; no two may have the "
              "same (default: <host name>-<process id>-<random>)",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(host_id) },
    { .name = "http-host",
      .env = "PAWL_HTTP_HOST",
      .argument = "ADDRESS",
      .help = "address of the HTTP API (default: 127.0.0.1)",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(http_host) },
    { .name = "http-port",
      .env = "PAWL_HTTP_PORT",
      .argument = "PORT",
      .help = "port of the HTTP API; 0 takes any free one (default: 3500)",
      .kind = PAWL_CONFIG_NUMBER,
      .offset = FIELD(http_port),
      .min = 0,
      .max = UINT16_MAX },
    { .name = "grpc-port",
      .env = "PAWL_GRPC_PORT",
      .argument = "PORT",
      .help = "port for Dapr's workflow SDKs, which expect 50001 (DAPR_GRPC_PORT); 0 takes any "
              "free one (default: off)",
      .kind = PAWL_CONFIG_PORT,
      .offset = FIELD(grpc_port) },
    { .name = "durabletask-port",
      .env = "PAWL_DURABLETASK_PORT",
      .argument = "PORT",
      .help = "port for Microsoft's Durable Task SDKs, which expect 4001, or 8080 in connection "
              "strings; 0 takes any free one (default: off)",
      .kind = PAWL_CONFIG_PORT,
      .offset = FIELD(durabletask_port) },
    { .name = "grpc-host",
      .env = "PAWL_GRPC_HOST",
      .argument = "ADDRESS",
      .help = "address of both gRPC ports (default: 127.0.0.1)",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(grpc_host) },
    { .name = "grpc-tls-cert",
      .env = "PAWL_GRPC_TLS_CERT",
      .argument = "PATH",
      .help = "certificate chain (PEM) for TLS on both gRPC ports; needs --grpc-tls-key",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(grpc_tls_cert) },
    { .name = "grpc-tls-key",
      .env = "PAWL_GRPC_TLS_KEY",
      .argument = "PATH",
      .help = "the private key (PEM) that belongs to --grpc-tls-cert",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(grpc_tls_key) },
    { .name = "work-item-size",
      .env = "PAWL_WORK_ITEM_SIZE",
      .argument = "MIB",
      .help = "the largest turn or activity that gRPC workers are sent, in MiB; what is larger "
              "stalls. More than 4 needs workers whose own receive limit is raised (default: 4)",
      .kind = PAWL_CONFIG_NUMBER,
      .offset = FIELD(work_item_mib),
      .min = PAWL_GRPC_WORK_ITEM_MIB,
      .max = PAWL_GRPC_WORK_ITEM_MIB_MAX },
    { .name = "token",
      .env = "PAWL_TOKEN",
      .argument = "TEXT",
      .help = "ask this of workers and of HTTP clients; better given by --token-file, since "
              "others can see the arguments of a process",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(token) },
    { .name = "token-file",
      .env = "PAWL_TOKEN_FILE",
      .argument = "PATH",
      .help = "read the token from this file",
      .kind = PAWL_CONFIG_TEXT,
      .offset = FIELD(token_file) },
    { .name = "turns-max",
      .env = "PAWL_TURNS_MAX",
      .argument = "N",
      .help = "workflow turns at workers at the same time; 0: as many as they take (default: 0)",
      .kind = PAWL_CONFIG_NUMBER,
      .offset = FIELD(turns_max),
      .min = 0,
      .max = IN_FLIGHT_MAX },
    { .name = "activities-max",
      .env = "PAWL_ACTIVITIES_MAX",
      .argument = "N",
      .help = "activities at workers at the same time; 0: as many as they take (default: 0)",
      .kind = PAWL_CONFIG_NUMBER,
      .offset = FIELD(activities_max),
      .min = 0,
      .max = IN_FLIGHT_MAX },
    { .name = "turn-limits",
      .env = "PAWL_TURN_LIMITS",
      .argument = "NAME=N",
      .help = "turns of the workflow of this name at workers at the same time, e.g. order=20; "
              "several with commas or by repeating (default: no limit)",
      .kind = PAWL_CONFIG_LIMITS,
      .offset = FIELD(turn_limits) },
    { .name = "activity-limits",
      .env = "PAWL_ACTIVITY_LIMITS",
      .argument = "NAME=N",
      .help = "activities of this name at workers at the same time, e.g. send-mail=5; several "
              "with commas or by repeating (default: no limit)",
      .kind = PAWL_CONFIG_LIMITS,
      .offset = FIELD(activity_limits) },
    { .name = "global-turns-max",
      .env = "PAWL_GLOBAL_TURNS_MAX",
      .argument = "N",
      .help = "workflow turns at the workers of all sidecars of the app together; 0: as many as "
              "they take. Give all sidecars the same (default: 0)",
      .kind = PAWL_CONFIG_NUMBER,
      .offset = FIELD(global_turns_max),
      .min = 0,
      .max = IN_FLIGHT_MAX },
    { .name = "global-activities-max",
      .env = "PAWL_GLOBAL_ACTIVITIES_MAX",
      .argument = "N",
      .help = "activities at the workers of all sidecars of the app together; 0: as many as they "
              "take. Give all sidecars the same (default: 0)",
      .kind = PAWL_CONFIG_NUMBER,
      .offset = FIELD(global_activities_max),
      .min = 0,
      .max = IN_FLIGHT_MAX },
    { .name = "global-turn-limits",
      .env = "PAWL_GLOBAL_TURN_LIMITS",
      .argument = "NAME=N",
      .help = "as --turn-limits, of all sidecars of the app together",
      .kind = PAWL_CONFIG_LIMITS,
      .offset = FIELD(global_turn_limits) },
    { .name = "global-activity-limits",
      .env = "PAWL_GLOBAL_ACTIVITY_LIMITS",
      .argument = "NAME=N",
      .help = "as --activity-limits, of all sidecars of the app together",
      .kind = PAWL_CONFIG_LIMITS,
      .offset = FIELD(global_activity_limits) },
    { .name = "turn-attempts",
      .env = "PAWL_TURN_ATTEMPTS",
      .argument = "N",
      .help = "how often a workflow's turn may lose its worker in a row before the instance is "
              "stalled (default: 10)",
      .kind = PAWL_CONFIG_NUMBER,
      .offset = FIELD(turn_attempts),
      .min = 1,
      .max = ATTEMPTS_MAX },
    { .name = "activity-attempts",
      .env = "PAWL_ACTIVITY_ATTEMPTS",
      .argument = "N",
      .help = "how often one activity may lose its worker before its instance is stalled "
              "(default: 10)",
      .kind = PAWL_CONFIG_NUMBER,
      .offset = FIELD(activity_attempts),
      .min = 1,
      .max = ATTEMPTS_MAX },
    { .name = "instance-idle",
      .env = "PAWL_INSTANCE_IDLE",
      .argument = "TIME",
      .help = "an instance with nothing to do leaves memory after this time (default: 5s)",
      .kind = PAWL_CONFIG_DURATION,
      .offset = FIELD(instance_idle_ms),
      .min = IDLE_MS_MIN,
      .max = IDLE_MS_MAX },
    { .name = "retention",
      .env = "PAWL_RETENTION",
      .argument = "TIME",
      .help = "an instance that has ended is purged after this time, e.g. 720h (default: never)",
      .kind = PAWL_CONFIG_DURATION,
      .offset = FIELD(retention_ms),
      .min = 0,
      .max = RETENTION_MS_MAX },
    { .name = "retention-completed",
      .env = "PAWL_RETENTION_COMPLETED",
      .argument = "TIME",
      .help = "the same for those that completed (default: as --retention)",
      .kind = PAWL_CONFIG_DURATION,
      .offset = FIELD(retention_completed_ms),
      .min = 0,
      .max = RETENTION_MS_MAX },
    { .name = "retention-failed",
      .env = "PAWL_RETENTION_FAILED",
      .argument = "TIME",
      .help = "the same for those that failed (default: as --retention)",
      .kind = PAWL_CONFIG_DURATION,
      .offset = FIELD(retention_failed_ms),
      .min = 0,
      .max = RETENTION_MS_MAX },
    { .name = "retention-terminated",
      .env = "PAWL_RETENTION_TERMINATED",
      .argument = "TIME",
      .help = "the same for those that were terminated (default: as --retention)",
      .kind = PAWL_CONFIG_DURATION,
      .offset = FIELD(retention_terminated_ms),
      .min = 0,
      .max = RETENTION_MS_MAX },
    { .name = "log-level",
      .env = "PAWL_LOG_LEVEL",
      .argument = "LEVEL",
      .help = "error, warn, info or debug (default: info)",
      .kind = PAWL_CONFIG_CHOICE,
      .offset = FIELD(log_level),
      .choices = "error|warn|info|debug" },
    { .name = "log-format",
      .env = "PAWL_LOG_FORMAT",
      .argument = "FORMAT",
      .help = "text or json, one line per event on standard error (default: text)",
      .kind = PAWL_CONFIG_CHOICE,
      .offset = FIELD(log_format),
      .choices = "text|json" },
};

const uint32_t pawl_config_options_count = sizeof pawl_config_options / sizeof *pawl_config_options;

void pawl_config_init(struct pawl_config *config, struct pawl_arena *arena)
{
    *config = (struct pawl_config){
        .arena = arena,
        .namespace_ = "default",
        .partitions = PAWL_PARTITIONS_DEFAULT,
        .retention_ms = -1,
        .retention_completed_ms = -1,
        .retention_failed_ms = -1,
        .retention_terminated_ms = -1,
        .http_host = "127.0.0.1",
        .http_port = 3500,
        .grpc_host = "127.0.0.1",
        .work_item_mib = PAWL_GRPC_WORK_ITEM_MIB,
        .grpc_port = PAWL_CONFIG_PORT_OFF,
        .durabletask_port = PAWL_CONFIG_PORT_OFF,
        .turn_attempts = PAWL_TURN_ATTEMPTS_MAX,
        .activity_attempts = PAWL_ACTIVITY_ATTEMPTS_MAX,
        .instance_idle_ms = PAWL_INSTANCE_IDLE_MS,
        .log_level = PAWL_LOG_INFO - 1,
        .peer_listen = "0.0.0.0:3502",
    };
}

const struct pawl_config_option *pawl_config_find(const char *name)
{
    for (uint32_t i = 0; i < pawl_config_options_count; i++) {
        if (strcmp(pawl_config_options[i].name, name) == 0) return &pawl_config_options[i];
    }
    return NULL;
}

/* Errors ---------------------------------------------------------------------------- */

#define TEXT(bytes) ((const char *)(bytes).data)

static const char *copy_str(struct pawl_arena *arena, const char *text)
{
    return TEXT(pawl_arena_printf(arena, "%s", text));
}

/* How the user named the option. */
static const char *option_text(struct pawl_arena *arena, const struct pawl_config_option *option,
                               enum pawl_config_source source)
{
    switch (source) {
    case PAWL_CONFIG_FILE:
        return TEXT(pawl_arena_printf(arena, "%s in the configuration file", option->name));
    case PAWL_CONFIG_ENVIRONMENT: return option->env;
    case PAWL_CONFIG_FLAG:
    case PAWL_CONFIG_DEFAULT: break;
    }
    return TEXT(pawl_arena_printf(arena, "--%s", option->name));
}

static const char *allowed_text(struct pawl_arena *arena, const struct pawl_config_option *option)
{
    switch (option->kind) {
    case PAWL_CONFIG_NUMBER:
        return TEXT(pawl_arena_printf(arena, "a whole number from %" PRId64 " to %" PRId64,
                                      option->min, option->max));
    case PAWL_CONFIG_PORT: return "a port from 1 to 65535, 0 for any free one, or off";
    case PAWL_CONFIG_DURATION:
        return TEXT(pawl_arena_printf(
            arena, "a time such as 500ms, 30s or 1m30s, from %" PRId64 "ms to %" PRId64 "ms",
            option->min, option->max));
    case PAWL_CONFIG_CHOICE: {
        struct pawl_bytes text = pawl_arena_printf(arena, "one of %s", option->choices);
        char *at = (char *)(uintptr_t)text.data; /* our own copy */
        for (char *c = at; (c = strchr(c, '|')) != NULL;) *c = ' ';
        return at;
    }
    case PAWL_CONFIG_LIST:
        return TEXT(pawl_arena_printf(arena, "addresses like %s", option->choices));
    case PAWL_CONFIG_LIMITS:
        return TEXT(pawl_arena_printf(arena,
                                      "name=number, the name with 1 to %u bytes and the number "
                                      "from 1 to %u; what is not listed has no limit",
                                      PAWL_NAME_SIZE_MAX, PAWL_LIMIT_PLACES_MAX));
    case PAWL_CONFIG_TEXT: break;
    }
    return "a text that is not empty";
}

pawl_err pawl_config_refuse(struct pawl_config *config, const struct pawl_config_option *option,
                            enum pawl_config_source source, const char *value,
                            const char **ret_message)
{
    *ret_message = TEXT(pawl_arena_printf(config->arena, "%s: \"%s\" is not allowed; give %s",
                                          option_text(config->arena, option, source), value,
                                          allowed_text(config->arena, option)));
    return PAWL_E_INVALID;
}

/* Values ------------------------------------------------------------------------------ */

static void *field(struct pawl_config *config, const struct pawl_config_option *option)
{
    return (char *)config + option->offset;
}

bool pawl_config_number_parse(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    int64_t value = 0;
    if (*text == 0) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        value = value * 10 + (*text - '0');
        if (value > max) return false;
    }
    *ret_value = value;
    return value >= min;
}

static bool choice_parse(const char *choices, const char *text, uint32_t *ret_index)
{
    size_t size = strlen(text);
    uint32_t index = 0;
    for (const char *choice = choices; choice; index++) {
        const char *end = strchr(choice, '|');
        size_t choice_size = end ? (size_t)(end - choice) : strlen(choice);
        if (choice_size == size && memcmp(choice, text, size) == 0) {
            *ret_index = index;
            return true;
        }
        choice = end ? end + 1 : NULL;
    }
    return false;
}

static bool set_number(struct pawl_config *config, const struct pawl_config_option *option,
                       const char *value)
{
    int64_t number = 0;
    if (!pawl_config_number_parse(value, option->min, option->max, &number)) return false;
    *(uint32_t *)field(config, option) = (uint32_t)number;
    return true;
}

static bool set_port(struct pawl_config *config, const struct pawl_config_option *option,
                     const char *value)
{
    int64_t port = PAWL_CONFIG_PORT_OFF;
    if (strcmp(value, "off") != 0 && !pawl_config_number_parse(value, 0, UINT16_MAX, &port))
        return false;
    *(uint32_t *)field(config, option) = (uint32_t)port;
    return true;
}

static bool set_duration(struct pawl_config *config, const struct pawl_config_option *option,
                         const char *value)
{
    int64_t ms = 0;
    if (!pawl_timetext_parse_duration(pawl_bytes_str(value), &ms)) return false;
    if (ms < option->min || ms > option->max) return false;
    *(int64_t *)field(config, option) = ms;
    return true;
}

static bool set_text(struct pawl_config *config, const struct pawl_config_option *option,
                     const char *value)
{
    if (*value == 0) return false;
    *(const char **)field(config, option) = copy_str(config->arena, value);
    return true;
}

/* A stronger source replaces the list, the same one adds to it. */
static bool set_list(struct pawl_config *config, const struct pawl_config_option *option,
                     const char *value, enum pawl_config_source source)
{
    if (*value == 0) return false;
    struct pawl_config_list *list = field(config, option);
    bool adds = list->text && list->source == source;
    list->text = adds ? TEXT(pawl_arena_printf(config->arena, "%s,%s", list->text, value))
                      : copy_str(config->arena, value);
    list->source = source;
    return true;
}

pawl_err pawl_config_set(struct pawl_config *config, const struct pawl_config_option *option,
                         enum pawl_config_source source, const char *value,
                         const char **ret_message)
{
    bool good = false;
    switch (option->kind) {
    case PAWL_CONFIG_TEXT: good = set_text(config, option, value); break;
    case PAWL_CONFIG_NUMBER: good = set_number(config, option, value); break;
    case PAWL_CONFIG_PORT: good = set_port(config, option, value); break;
    case PAWL_CONFIG_DURATION: good = set_duration(config, option, value); break;
    case PAWL_CONFIG_CHOICE:
        good = choice_parse(option->choices, value, field(config, option));
        break;
    case PAWL_CONFIG_LIST:
    case PAWL_CONFIG_LIMITS: good = set_list(config, option, value, source); break;
    }
    return good ? PAWL_OK : pawl_config_refuse(config, option, source, value, ret_message);
}

const char *pawl_config_synchronous(const struct pawl_config *config)
{
    static const char *const names[] = { "full", "normal", "off" };
    PAWL_ASSERT(config->synchronous < sizeof names / sizeof *names);
    return names[config->synchronous];
}

bool pawl_config_token_is_valid(const char *token)
{
    size_t size = strlen(token);
    if (size == 0 || size > PAWL_TOKEN_ASKED_SIZE_MAX) return false;
    for (const char *c = token; *c; c++) {
        if (*c <= ' ' || *c > '~') return false;
    }
    return true;
}

/* The whole ---------------------------------------------------------------------------- */

static pawl_err check_id(struct pawl_config *config, const char *name, const char *value,
                         const char **ret_message)
{
    if (pawl_app_id_is_valid(pawl_bytes_str(value))) return PAWL_OK;
    *ret_message = TEXT(pawl_arena_printf(
        config->arena, "%s: \"%s\" is not allowed; give 1 to %u letters, digits, '-', '_' or '.'",
        name, value, PAWL_APP_ID_SIZE_MAX));
    return PAWL_E_INVALID;
}

static pawl_err check_names(struct pawl_config *config, const char **ret_message)
{
    if (!config->app_id) {
        *ret_message = "no app id: say which app this sidecar serves with --app-id ID, or set "
                       "PAWL_APP_ID";
        return PAWL_E_INVALID;
    }
    pawl_err err = check_id(config, "app id", config->app_id, ret_message);
    if (err != PAWL_OK) return err;
    return check_id(config, "namespace", config->namespace_, ret_message);
}

static pawl_err check_token(struct pawl_config *config, const char **ret_message)
{
    if (config->token && config->token_file) {
        *ret_message = "both a token and a token file are given; give one of them";
        return PAWL_E_INVALID;
    }
    if (config->token && !pawl_config_token_is_valid(config->token)) {
        *ret_message = TEXT(pawl_arena_printf(
            config->arena,
            "the token is not allowed; give 1 to %u printable ASCII characters without spaces",
            PAWL_TOKEN_ASKED_SIZE_MAX));
        return PAWL_E_INVALID;
    }
    return PAWL_OK;
}

static bool listen_url_is_valid(const char *url)
{
    if (strncmp(url, "ipc:///", 7) == 0) return url[7] != 0;
    if (strncmp(url, "tcp://", 6) != 0) return false;
    const char *port = strrchr(url + 6, ':');
    int64_t number = 0;
    return port && port > url + 6 && pawl_config_number_parse(port + 1, 0, UINT16_MAX, &number);
}

static pawl_err too_many(struct pawl_config *config, const char *flag, uint32_t max,
                         const char **ret_message)
{
    *ret_message =
        TEXT(pawl_arena_printf(config->arena, "--%s: at most %u addresses are allowed", flag, max));
    return PAWL_E_INVALID;
}

static pawl_err split_listen(struct pawl_config *config, const char **ret_message)
{
    char *rest = (char *)(uintptr_t)copy_str(config->arena, config->app_listen.text);
    for (char *url; (url = strsep(&rest, ",")) != NULL;) {
        if (!listen_url_is_valid(url)) {
            return pawl_config_refuse(config, pawl_config_find("app-listen"),
                                      config->app_listen.source, url, ret_message);
        }
        if (config->app_urls_count == PAWL_CONFIG_URLS_MAX) {
            return too_many(config, "app-listen", PAWL_CONFIG_URLS_MAX, ret_message);
        }
        config->app_urls[config->app_urls_count++] = url;
    }
    return PAWL_OK;
}

static void default_listen(struct pawl_config *config,
                           const struct pawl_config_surroundings *surroundings)
{
    struct pawl_bytes folder =
        surroundings->runtime_folder
            ? pawl_arena_printf(config->arena, "%s/pawl", surroundings->runtime_folder)
            : pawl_arena_printf(config->arena, "/tmp/pawl-%" PRIu32, surroundings->uid);
    config->runtime_folder = TEXT(folder);
    config->app_urls[0] = TEXT(pawl_arena_printf(config->arena, "ipc://%s/%s.sock",
                                                 config->runtime_folder, config->app_id));
    config->app_urls[1] = "tcp://127.0.0.1:3501";
    config->app_urls_count = 2;
}

/* The store wants full paths; people want files here. */
static void resolve_store(struct pawl_config *config, const char *work_folder)
{
    static const char here[] = "sqlite:///./";
    if (!config->store) {
        config->store =
            TEXT(pawl_arena_printf(config->arena, "%spawl-%s.db", here, config->app_id));
    }
    if (strncmp(config->store, here, sizeof here - 1) != 0) return;
    config->store = TEXT(pawl_arena_printf(config->arena, "sqlite://%s/%s",
                                           strcmp(work_folder, "/") == 0 ? "" : work_folder,
                                           config->store + sizeof here - 1));
}

/* Several sidecars ----------------------------------------------------------------------- */

static const char *without_scheme(const char *address)
{
    return strncmp(address, "tcp://", 6) == 0 ? address + 6 : address;
}

/* The colon before the port; NULL: there is none. In [::1] none of them is. */
static const char *port_colon(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon && !strchr(colon, ']') ? colon : NULL;
}

/* host, host:port or tcp://host:port as a URL. */
static const char *url_make(struct pawl_arena *arena, const char *address, uint32_t port_default)
{
    const char *host = without_scheme(address);
    if (port_colon(host)) return TEXT(pawl_arena_printf(arena, "tcp://%s", host));
    return TEXT(pawl_arena_printf(arena, "tcp://%s:%" PRIu32, host, port_default));
}

static pawl_err split_placement(struct pawl_config *config, const char **ret_message)
{
    if (!config->placement.text) return PAWL_OK;
    char *rest = (char *)(uintptr_t)copy_str(config->arena, config->placement.text);
    for (char *address; (address = strsep(&rest, ",")) != NULL;) {
        struct pawl_bytes url =
            pawl_bytes_str(url_make(config->arena, address, PLACEMENT_PORT_DEFAULT));
        if (!pawl_placement_address_is_valid(url)) {
            return pawl_config_refuse(config, pawl_config_find("placement"),
                                      config->placement.source, address, ret_message);
        }
        if (config->placement_urls_count == PAWL_PLACEMENT_ADDRESSES_MAX) {
            return too_many(config, "placement", PAWL_PLACEMENT_ADDRESSES_MAX, ret_message);
        }
        config->placement_urls[config->placement_urls_count++] = url;
    }
    return PAWL_OK;
}

static pawl_err check_peer_listen(struct pawl_config *config, const char **ret_message)
{
    const char *url = url_make(config->arena, config->peer_listen, PEER_PORT_DEFAULT);
    if (!listen_url_is_valid(url)) {
        *ret_message = TEXT(pawl_arena_printf(
            config->arena, "the peer listen address \"%s\" is not allowed; give host:port",
            config->peer_listen));
        return PAWL_E_INVALID;
    }
    config->peer_listen = url;
    return PAWL_OK;
}

static pawl_err check_peer_advertise(struct pawl_config *config, const char **ret_message)
{
    if (!config->peer_advertise) return PAWL_OK;
    const char *host = without_scheme(config->peer_advertise);
    const char *colon = port_colon(host);
    const char *url = url_make(config->arena, host, PEER_PORT_DEFAULT);
    const char *known = pawl_config_url_host(config->arena, url);
    if (!known || !pawl_placement_address_is_valid(pawl_bytes_str(url))) {
        *ret_message = TEXT(pawl_arena_printf(
            config->arena,
            "the peer advertise address \"%s\" is not allowed; give the host, or host:port, by "
            "which other machines reach this one",
            config->peer_advertise));
        return PAWL_E_INVALID;
    }
    int64_t port = 0;
    bool is_number = !colon || pawl_config_number_parse(colon + 1, 1, UINT16_MAX, &port);
    PAWL_ASSERT(is_number); /* the address is valid */
    config->peer_advertise_host = known;
    config->peer_advertise_port = (uint16_t)port;
    return PAWL_OK;
}

static pawl_err check_host_id(struct pawl_config *config, const char **ret_message)
{
    if (!config->host_id || pawl_placement_host_is_valid(pawl_bytes_str(config->host_id)))
        return PAWL_OK;
    *ret_message = TEXT(pawl_arena_printf(
        config->arena,
        "the host id \"%s\" is not allowed; give 1 to %u letters, digits, '-', '_' or '.'",
        config->host_id, PAWL_HOST_SIZE_MAX));
    return PAWL_E_INVALID;
}

/* What one process has to itself cannot be shared. */
static pawl_err check_store_is_shared(struct pawl_config *config, const char **ret_message)
{
    if (config->placement_urls_count == 0) return PAWL_OK;
    bool is_alone =
        strncmp(config->store, "sqlite:", 7) == 0 || strncmp(config->store, "mem:", 4) == 0;
    if (!is_alone) return PAWL_OK;
    *ret_message =
        TEXT(pawl_arena_printf(config->arena,
                               "--placement shares the app among several sidecars, and the store "
                               "%s can have only one; give all of them the same Redis with "
                               "--store redis://host:6379, or leave --placement out",
                               config->store));
    return PAWL_E_INVALID;
}

static pawl_err finish_placement(struct pawl_config *config, const char **ret_message)
{
    pawl_err err = split_placement(config, ret_message);
    if (err == PAWL_OK) err = check_peer_listen(config, ret_message);
    if (err == PAWL_OK) err = check_peer_advertise(config, ret_message);
    if (err == PAWL_OK) err = check_host_id(config, ret_message);
    if (err == PAWL_OK) err = check_store_is_shared(config, ret_message);
    return err;
}

const char *pawl_config_url_host(struct pawl_arena *arena, const char *url)
{
    const char *host = without_scheme(url);
    const char *colon = port_colon(host);
    int size = (int)(colon ? colon - host : (ptrdiff_t)strlen(host));
    const char *text = TEXT(pawl_arena_printf(arena, "%.*s", size, host));
    bool is_any = strcmp(text, "0.0.0.0") == 0 || strcmp(text, "[::]") == 0
                  || strcmp(text, "*") == 0 || *text == 0;
    return is_any ? NULL : text;
}

bool pawl_config_is_loopback(const char *url)
{
    const char *host = without_scheme(url);
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost:", 10) == 0
           || strncmp(host, "[::1]", 5) == 0;
}

bool pawl_config_placement_is_loopback(const struct pawl_config *config)
{
    for (uint32_t i = 0; i < config->placement_urls_count; i++) {
        if (!pawl_config_is_loopback((const char *)config->placement_urls[i].data)) return false;
    }
    return true;
}

static pawl_err check_grpc(const struct pawl_config *config, const char **ret_message)
{
    if (!config->grpc_tls_cert == !config->grpc_tls_key) return PAWL_OK;
    *ret_message = "--grpc-tls-cert and --grpc-tls-key belong together: give both, or neither";
    return PAWL_E_INVALID;
}

pawl_err pawl_config_finish(struct pawl_config *config,
                            const struct pawl_config_surroundings *surroundings,
                            const char **ret_message)
{
    pawl_err err = check_names(config, ret_message);
    if (err == PAWL_OK) err = check_token(config, ret_message);
    if (err == PAWL_OK) err = check_grpc(config, ret_message);
    if (err == PAWL_OK) err = pawl_config_finish_limits(config, ret_message);
    if (err == PAWL_OK && config->app_listen.text) err = split_listen(config, ret_message);
    if (err != PAWL_OK) return err;

    if (!config->app_listen.text) default_listen(config, surroundings);
    resolve_store(config, surroundings->work_folder);
    return finish_placement(config, ret_message);
}

/* Texts --------------------------------------------------------------------------------- */

#define HELP_INDENT 6u
#define HELP_WIDTH  84u

/* Break the text at spaces. */
static void help_wrap(struct pawl_buf *buf, const char *text)
{
    uint32_t column = HELP_WIDTH;
    while (*text) {
        size_t size = strcspn(text, " ");
        if (column + 1 + size > HELP_WIDTH) {
            pawl_buf_printf(buf, "\n%*s", (int)HELP_INDENT, "");
            column = HELP_INDENT;
        } else {
            pawl_buf_append_str(buf, " ");
            column++;
        }
        pawl_buf_append(buf, text, size);
        column += (uint32_t)size;
        text += size;
        while (*text == ' ') text++;
    }
    pawl_buf_append_str(buf, "\n");
}

void pawl_config_help(struct pawl_buf *buf)
{
    for (uint32_t i = 0; i < pawl_config_options_count; i++) {
        const struct pawl_config_option *option = &pawl_config_options[i];
        pawl_buf_printf(buf, "  --%s %s  [%s]", option->name, option->argument, option->env);
        help_wrap(buf, option->help);
    }
}

/* The login before the host, then parameters whose name ends in password. */
const char *pawl_config_url_redact(struct pawl_arena *arena, const char *url)
{
    const char *start = strstr(url, "://");
    if (!start) return copy_str(arena, url);
    start += 3;
    const char *query = strchr(start, '?');
    const char *rest = query ? query : start + strlen(start);
    const char *at = memrchr(start, '@', (size_t)(rest - start));
    if (at) rest = at;
    const char *colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
    const char *shown = colon ? colon + 1 : rest;
    struct pawl_bytes text =
        pawl_arena_printf(arena, "%.*s%s", (int)(shown - url), url, colon ? "***" : "");
    static const char secret[] = "password=";
    for (const char *found; (found = query ? strstr(query, secret) : NULL) != NULL;) {
        found += sizeof secret - 1;
        text = pawl_arena_printf(arena, "%.*s%.*s***", PAWL_BYTES_FMT(text), (int)(found - rest),
                                 rest);
        rest = found + strcspn(found, "&");
        query = rest;
    }
    return TEXT(pawl_arena_printf(arena, "%.*s%s", PAWL_BYTES_FMT(text), rest));
}

int64_t pawl_config_retention_ms(const struct pawl_config *config, enum pawl_status status)
{
    int64_t own_ms = -1;
    if (status == PAWL_STATUS_COMPLETED) own_ms = config->retention_completed_ms;
    if (status == PAWL_STATUS_FAILED) own_ms = config->retention_failed_ms;
    if (status == PAWL_STATUS_TERMINATED) own_ms = config->retention_terminated_ms;
    if (own_ms < 0) own_ms = config->retention_ms;
    return own_ms == 0 ? 1 : own_ms < 0 ? 0 : own_ms;
}
