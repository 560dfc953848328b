/* pawld: the sidecar. The only place that names the concrete adapters. */

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/flags.h"
#include "base/io/log.h"
#include "base/io/runtime.h"
#include "base/io/service.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "sidecar/config.h"
#include "sidecar/io/config_yaml.h"
#include "sidecar/io/grpc.h"
#include "sidecar/io/http.h"
#include "sidecar/io/zones.h"
#include "sidecar/loop.h"
#include "sidecar/taskhub.h"
#include "state/io/backends.h"

#define EXIT_USAGE    2 /* a wrong option */
#define OPTIONS_MAX   64u
#define HELP_SIZE_MAX (64u << 10)

enum { FLAG_CONFIG = 1000, FLAG_READY_FD, FLAG_HELP, FLAG_VERSION };

/* A gRPC port and what it serves. */
struct grpc_port {
    struct pawl_taskhub *hub; /* NULL: the port is off */
    struct pawl_grpc_listener *listener;
};

struct sidecar {
    struct pawl_arena arena; /* of the whole run: options and names */
    struct pawl_config config;
    const char *config_path;
    int ready_fd; /* -1: nobody wants to know */
    struct pawl_service run;
    struct pawl_zones *zones;
    struct pawl_loop *loop;
    struct pawl_http *http;
    struct grpc_port dapr;
    struct grpc_port durabletask;
};

/* Options ------------------------------------------------------------------------------ */

static int complain(const char *text)
{
    fprintf(stderr, "pawld: %s\nTry: pawld --help\n", text);
    return EXIT_USAGE;
}

static int show_help(void)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, HELP_SIZE_MAX);
    pawl_config_help(&buf);
    printf(
        "Usage: pawld --app-id ID [options]\n"
        "\n"
        "The Pawl sidecar: runs the workflows of one app, keeps every step in the store,\n"
        "and hands the app's functions out to the workers that connect to it.\n"
        "\n"
        "Options, each with its environment variable. A flag wins over the environment, the\n"
        "environment over the configuration file.\n"
        "%.*s"
        "  --config PATH  [PAWL_CONFIG]\n"
        "      a YAML file with any of the options above as keys, for example\n"
        "      \"http-port: 3500\"\n"
        "  --ready-fd N\n"
        "      when ready, write {\"http\":PORT,\"app\":\"ADDRESS\"} and a line end to this file\n"
        "      descriptor and close it; with --placement there is a \"peer\":\"ADDRESS\", too\n"
        "  --help, --version\n"
        "\n"
        "Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start or go on, 2 a wrong\n"
        "option, 3 stopped at once by a second signal.\n",
        PAWL_BYTES_FMT(pawl_buf_view(&buf)));
    pawl_buf_deinit(&buf);
    return EXIT_SUCCESS;
}

/* The long options: those of the table by index, then our own. */
static void flags_make(struct option flags[OPTIONS_MAX])
{
    PAWL_ASSERT(pawl_config_options_count + 5 <= OPTIONS_MAX);
    uint32_t n = 0;
    for (; n < pawl_config_options_count; n++) {
        flags[n] = (struct option){ pawl_config_options[n].name, required_argument, NULL, (int)n };
    }
    flags[n++] = (struct option){ "config", required_argument, NULL, FLAG_CONFIG };
    flags[n++] = (struct option){ "ready-fd", required_argument, NULL, FLAG_READY_FD };
    flags[n++] = (struct option){ "help", no_argument, NULL, FLAG_HELP };
    flags[n++] = (struct option){ "version", no_argument, NULL, FLAG_VERSION };
    flags[n] = (struct option){ NULL, 0, NULL, 0 };
}

/* Go over the arguments: first for what says where the other sources are, then, with
 * `apply`, for the options themselves. -1: go on; else the exit status. */
static int flags_read(struct sidecar *sidecar, int argc, char **argv, bool apply)
{
    struct option flags[OPTIONS_MAX];
    flags_make(flags);
    optind = 0; /* glibc: start again from the beginning */
    opterr = !apply;
    const char *message = NULL;
    int index = 0;
    for (int flag; (flag = getopt_long(argc, argv, "", flags, &index)) != -1;) {
        const char *cut =
            flag == '?' ? NULL : pawl_flag_cut_short(argv, optind, optarg, flags[index].name);
        if (cut) {
            fprintf(stderr, "pawld: unknown option %s\nTry: pawld --help\n", cut);
            return EXIT_USAGE;
        }
        switch (flag) {
        case '?': fputs("Try: pawld --help\n", stderr); return EXIT_USAGE;
        case FLAG_HELP: return show_help();
        case FLAG_VERSION: puts("pawld " PAWL_VERSION); return EXIT_SUCCESS;
        case FLAG_CONFIG: sidecar->config_path = optarg; break;
        case FLAG_READY_FD:
            if (!pawl_runtime_fd_parse(optarg, &sidecar->ready_fd)) {
                return complain("--ready-fd: give the number of an open file descriptor");
            }
            break;
        default:
            if (apply
                && pawl_config_set(&sidecar->config, &pawl_config_options[flag], PAWL_CONFIG_FLAG,
                                   optarg, &message)
                       != PAWL_OK) {
                return complain(message);
            }
        }
    }
    if (optind == argc) return -1;
    fprintf(stderr, "pawld: unexpected argument \"%s\"\nTry: pawld --help\n", argv[optind]);
    return EXIT_USAGE;
}

static int environment_read(struct sidecar *sidecar)
{
    const char *message = NULL;
    for (uint32_t i = 0; i < pawl_config_options_count; i++) {
        const char *value = getenv(pawl_config_options[i].env);
        if (!value || *value == 0) continue;
        pawl_err err = pawl_config_set(&sidecar->config, &pawl_config_options[i],
                                       PAWL_CONFIG_ENVIRONMENT, value, &message);
        if (err != PAWL_OK) return complain(message);
    }
    return -1;
}

static int token_read(struct sidecar *sidecar)
{
    struct pawl_config *config = &sidecar->config;
    if (!config->token_file) return -1;
    const char *message = NULL;
    pawl_err err = pawl_runtime_token_read(config->token_file, pawl_config_token_is_valid,
                                           &sidecar->arena, &config->token, &message);
    if (err == PAWL_OK) return -1;
    fprintf(stderr, "pawld: %s\n", message);
    return EXIT_FAILURE;
}

static int options_finish(struct sidecar *sidecar)
{
    char folder[4096];
    if (!getcwd(folder, sizeof folder)) return complain("the current folder is gone");
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const struct pawl_config_surroundings surroundings = {
        .runtime_folder = runtime && *runtime == '/' ? runtime : NULL,
        .work_folder = folder,
        .uid = (uint32_t)geteuid(),
    };
    const char *message = NULL;
    if (pawl_config_finish(&sidecar->config, &surroundings, &message) != PAWL_OK) {
        return complain(message);
    }
    return token_read(sidecar);
}

/* -1: go on; else the exit status. */
static int options_read(struct sidecar *sidecar, int argc, char **argv)
{
    pawl_config_init(&sidecar->config, &sidecar->arena);
    sidecar->config_path = getenv("PAWL_CONFIG");
    sidecar->ready_fd = -1;

    int status = flags_read(sidecar, argc, argv, false);
    if (status >= 0) return status;
    const char *message = NULL;
    if (sidecar->config_path && *sidecar->config_path
        && pawl_config_yaml_load(&sidecar->config, sidecar->config_path, &message) != PAWL_OK) {
        return complain(message);
    }
    status = environment_read(sidecar);
    if (status < 0) status = flags_read(sidecar, argc, argv, true);
    if (status < 0) status = options_finish(sidecar);
    return status;
}

/* Events of the loop --------------------------------------------------------------------- */

static pawl_err open_store(void *context, uv_loop_t *uv,
                           const struct pawl_loop_store_events *events,
                           struct pawl_store **ret_store, const char **ret_message)
{
    const struct sidecar *sidecar = context;
    const struct pawl_store_config config = {
        .loop = uv,
        .url = sidecar->config.store,
        .app = sidecar->config.app_id,
        .namespace_ = sidecar->config.namespace_,
        .partitions = sidecar->config.partitions,
        .synchronous = pawl_config_synchronous(&sidecar->config),
        .on_reply = events->on_reply,
        .on_state = events->on_state,
        .on_clock = events->on_clock,
        .context = events->context,
    };
    return pawl_store_open(&config, ret_store, ret_message);
}

static void ready_port(struct pawl_json *json, const char *key, const struct grpc_port *port)
{
    if (!port->listener) return;
    pawl_json_key(json, key);
    pawl_json_uint(json, pawl_grpc_listener_port(port->listener));
}

static void ready_line(const struct sidecar *sidecar, struct pawl_buf *buf, uint16_t port,
                       const char *endpoint, const char *peer)
{
    struct pawl_json json;
    pawl_json_init(&json, buf);
    pawl_json_object_begin(&json);
    pawl_json_key(&json, "http");
    pawl_json_uint(&json, port);
    pawl_json_key(&json, "app");
    pawl_json_str(&json, endpoint);
    ready_port(&json, "grpc", &sidecar->dapr);
    ready_port(&json, "durabletask", &sidecar->durabletask);
    if (peer) {
        pawl_json_key(&json, "peer");
        pawl_json_str(&json, peer);
    }
    pawl_json_object_end(&json);
    pawl_buf_append_str(buf, "\n");
}

static void on_ready(void *context)
{
    struct sidecar *sidecar = context;
    uint16_t port = pawl_http_port(sidecar->http);
    const char *endpoint = pawl_loop_app_endpoint(sidecar->loop);
    const char *peer = pawl_loop_peer_endpoint(sidecar->loop);
    pawl_log(PAWL_LOG_INFO, "sidecar", "ready: app %s at %s, HTTP at http://%s:%u%s%s",
             sidecar->config.app_id, endpoint, sidecar->config.http_host, port,
             peer ? ", other sidecars at " : "", peer ? peer : "");
    if (sidecar->ready_fd < 0) return;

    struct pawl_buf line;
    pawl_buf_init(&line, PAWL_READY_LINE_SIZE_MAX);
    ready_line(sidecar, &line, port, endpoint, peer);
    pawl_runtime_ready_tell(&sidecar->ready_fd, pawl_buf_view(&line), "sidecar");
    pawl_buf_deinit(&line);
}

/* Ends the calls that still wait, so before the loop. */
static void grpc_close(struct sidecar *sidecar, struct grpc_port *port, const char *name)
{
    if (sidecar->http) pawl_http_show_grpc(sidecar->http, name, NULL);
    pawl_grpc_listener_close(port->listener);
    pawl_taskhub_free(port->hub);
    *port = (struct grpc_port){ .hub = NULL };
}

static void on_close(void *context)
{
    struct sidecar *sidecar = context;
    grpc_close(sidecar, &sidecar->dapr, "dapr");
    grpc_close(sidecar, &sidecar->durabletask, "durabletask");
    if (sidecar->http) pawl_http_close(sidecar->http);
    sidecar->http = NULL;
    pawl_loop_close(sidecar->loop);
    sidecar->loop = NULL;
}

static void on_stopped(void *context)
{
    struct sidecar *sidecar = context;
    pawl_service_close(&sidecar->run);
}

static void on_stop(void *context)
{
    struct sidecar *sidecar = context;
    pawl_loop_stop(sidecar->loop);
}

/* Start ------------------------------------------------------------------------------------ */

/* Where the other sidecars reach this one, when nobody says: as placement is near or far,
 * so are they. */
static const char *advertise_host(struct sidecar *sidecar)
{
    const struct pawl_config *config = &sidecar->config;
    if (config->peer_advertise_host) return config->peer_advertise_host;
    const char *listened = pawl_config_url_host(&sidecar->arena, config->peer_listen);
    if (listened) return listened;
    if (pawl_config_placement_is_loopback(config)) return "127.0.0.1";
    const char *own = pawl_runtime_address(&sidecar->arena);
    if (own) return own;
    pawl_log(PAWL_LOG_WARN, "sidecar",
             "no address of this machine was found; other sidecars are told 127.0.0.1, which "
             "reaches nothing from elsewhere: give --peer-advertise");
    return "127.0.0.1";
}

static struct pawl_loop_placement placement_config(struct sidecar *sidecar)
{
    const struct pawl_config *config = &sidecar->config;
    return (struct pawl_loop_placement){ .addresses_count = config->placement_urls_count,
                                         .addresses = config->placement_urls,
                                         .process = pawl_runtime_id(),
                                         .listen = config->peer_listen,
                                         .advertise_host = advertise_host(sidecar),
                                         .advertise_port = config->peer_advertise_port };
}

static const struct pawl_limit_rule *node_limits(struct sidecar *sidecar)
{
    const struct pawl_config *config = &sidecar->config;
    struct pawl_limit_rule *rules =
        PAWL_ARENA_ARRAY(&sidecar->arena, struct pawl_limit_rule, config->limits_count);
    for (uint32_t i = 0; i < config->limits_count; i++) {
        const struct pawl_config_limit *limit = &config->limits[i];
        rules[i] = (struct pawl_limit_rule){ .is_task = limit->is_task,
                                             .is_global = limit->is_global,
                                             .name = limit->name,
                                             .max = limit->max };
    }
    return rules;
}

static pawl_err loop_open(struct sidecar *sidecar, const char **ret_message)
{
    struct pawl_config *config = &sidecar->config;
    struct pawl_loop_config loop = {
        .uv = &sidecar->run.uv,
        .node = { .app = config->app_id,
                  .host = config->host_id ? config->host_id : pawl_runtime_host_id(&sidecar->arena),
                  .partitions = config->partitions,
                  .seed = pawl_runtime_seed(),
                  .turns_in_flight_max = config->turns_max,
                  .activities_in_flight_max = config->activities_max,
                  .limits_count = config->limits_count,
                  .limits = node_limits(sidecar),
                  .turn_attempts_max = config->turn_attempts,
                  .activity_attempts_max = config->activity_attempts,
                  .instance_idle_ms = config->instance_idle_ms,
                  .zone_find = pawl_zones_find,
                  .zone_context = sidecar->zones },
        .namespace_ = config->namespace_,
        .version = PAWL_VERSION,
        .store_url = pawl_config_url_redact(&sidecar->arena, config->store),
        .token = config->token,
        .work_item_mib = config->work_item_mib,
        .app_urls = config->app_urls,
        .app_urls_count = config->app_urls_count,
        .placement = placement_config(sidecar),
        .context = sidecar,
        .store_open = open_store,
        .on_ready = on_ready,
        .on_stopped = on_stopped,
    };
    static const enum pawl_status ends[] = { PAWL_STATUS_COMPLETED, PAWL_STATUS_FAILED,
                                             PAWL_STATUS_CANCELED, PAWL_STATUS_TERMINATED };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        loop.node.retention_ms[ends[i]] = pawl_config_retention_ms(config, ends[i]);
    pawl_log(PAWL_LOG_INFO, "sidecar", "pawld %s for app %s in namespace %s, state in %s",
             PAWL_VERSION, config->app_id, config->namespace_, loop.store_url);
    if (loop.placement.addresses_count > 0 && !config->token
        && !pawl_config_is_loopback(config->peer_listen)) {
        pawl_log(PAWL_LOG_WARN, "sidecar",
                 "anybody who reaches %s may join as a sidecar: no token is asked for "
                 "(--token-file)",
                 config->peer_listen);
    }
    return pawl_loop_open(&loop, &sidecar->loop, &sidecar->arena, ret_message);
}

static pawl_err http_open(struct sidecar *sidecar, const char **ret_message)
{
    struct pawl_config *config = &sidecar->config;
    const struct pawl_http_config http = { .loop = &sidecar->run.uv,
                                           .api = pawl_loop_api(sidecar->loop),
                                           .host = config->http_host,
                                           .port = (uint16_t)config->http_port,
                                           .token = config->token };
    const char *why = NULL;
    pawl_err err = pawl_http_open(&http, &sidecar->http, &why);
    if (err == PAWL_OK) return PAWL_OK;
    *ret_message = (const char *)pawl_arena_printf(
                       &sidecar->arena,
                       "cannot serve HTTP at %s:%" PRIu32
                       ": %s (--http-host and --http-port say where; port 0 takes any free one)",
                       config->http_host, config->http_port, why)
                       .data;
    return err;
}

/* `flag` is the option that says where. */
static pawl_err grpc_open(struct sidecar *sidecar, struct grpc_port *port,
                          enum pawl_dialect dialect, uint32_t number, const char *flag,
                          const char **ret_message)
{
    const struct pawl_config *config = &sidecar->config;
    if (number == PAWL_CONFIG_PORT_OFF) return PAWL_OK;
    const struct pawl_taskhub_config hub = { .dialect = dialect,
                                             .api = pawl_loop_api(sidecar->loop),
                                             .workers = pawl_loop_grpc_workers(sidecar->loop) };
    port->hub = pawl_taskhub_new(&hub);
    const struct pawl_grpc_listener_config listener = {
        .loop = &sidecar->run.uv,
        .host = config->grpc_host,
        .port = (uint16_t)number,
        .service = pawl_taskhub_service(port->hub),
        .token = config->token,
        .seed = pawl_runtime_seed(),
        .tls_certificate = config->grpc_tls_cert,
        .tls_key = config->grpc_tls_key,
    };
    const char *why = NULL;
    pawl_err err = pawl_grpc_listener_open(&listener, &sidecar->arena, &port->listener, &why);
    if (err != PAWL_OK) {
        *ret_message = (const char *)pawl_arena_printf(
                           &sidecar->arena,
                           "cannot serve gRPC at %s:%" PRIu32
                           ": %s (--grpc-host and --%s say where; 0 takes any free port, off none)",
                           config->grpc_host, number, why, flag)
                           .data;
        return err;
    }
    struct pawl_grpc *server = pawl_grpc_listener_server(port->listener);
    pawl_taskhub_attach(port->hub, server);
    pawl_http_show_grpc(sidecar->http, dialect == PAWL_DIALECT_DAPR ? "dapr" : "durabletask",
                        pawl_grpc_counters(server));
    pawl_log(PAWL_LOG_INFO, "sidecar", "%s at %s:%u%s", listener.service.what, config->grpc_host,
             pawl_grpc_listener_port(port->listener), config->grpc_tls_cert ? " with TLS" : "");
    return PAWL_OK;
}

static pawl_err grpc_ports_open(struct sidecar *sidecar, const char **ret_message)
{
    pawl_err err = grpc_open(sidecar, &sidecar->dapr, PAWL_DIALECT_DAPR, sidecar->config.grpc_port,
                             "grpc-port", ret_message);
    if (err != PAWL_OK) return err;
    return grpc_open(sidecar, &sidecar->durabletask, PAWL_DIALECT_MICROSOFT,
                     sidecar->config.durabletask_port, "durabletask-port", ret_message);
}

static pawl_err sidecar_open(void *context, const char **ret_message)
{
    struct sidecar *sidecar = context;
    const char *folder = sidecar->config.runtime_folder;
    pawl_err err =
        folder ? pawl_runtime_folder_make(folder, &sidecar->arena, ret_message) : PAWL_OK;
    if (err == PAWL_OK) err = loop_open(sidecar, ret_message);
    if (err == PAWL_OK) err = http_open(sidecar, ret_message);
    if (err == PAWL_OK) err = grpc_ports_open(sidecar, ret_message);
    return err;
}

int main(int argc, char **argv)
{
    pawl_service_prepare();
    struct sidecar sidecar = { .ready_fd = -1,
                               .run = { .part = "sidecar",
                                        .open = sidecar_open,
                                        .stop = on_stop,
                                        .close = on_close,
                                        .context = &sidecar } };
    pawl_arena_init(&sidecar.arena);
    sidecar.zones = pawl_zones_new(NULL);
    int status = options_read(&sidecar, argc, argv);
    if (status < 0) {
        pawl_log_open((enum pawl_log_level)(sidecar.config.log_level + 1),
                      sidecar.config.log_format == PAWL_LOG_FORMAT_JSON);
        status = pawl_service_run(&sidecar.run);
    }
    pawl_zones_free(sidecar.zones);
    pawl_arena_deinit(&sidecar.arena);
    return status;
}
