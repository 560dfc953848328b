/* pawl-placement: says which sidecar hosts which actor. The only place of this layer that
 * names the concrete store of the lease. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/flags.h"
#include "base/io/log.h"
#include "base/io/runtime.h"
#include "base/io/service.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/rng.h"
#include "placement/config.h"
#include "placement/io/server.h"
#include "state/io/redis_lease.h"

#define EXIT_USAGE    2 /* a wrong option */
#define OPTIONS_MAX   32u
#define HELP_SIZE_MAX (64u << 10)

enum { FLAG_READY_FD = 1000, FLAG_HELP, FLAG_VERSION };

struct service {
    struct pawl_arena arena;
    struct pawl_placement_config config;
    int ready_fd; /* -1: nobody wants to know */
    struct pawl_service run;
    struct pawl_placement_server *server;
    struct pawl_lease *lease; /* NULL: the only replica */
    char holder[PAWL_ID_TEXT_SIZE];
};

/* Options --------------------------------------------------------------------------- */

static int complain(const char *text)
{
    fprintf(stderr, "pawl-placement: %s\nTry: pawl-placement --help\n", text);
    return EXIT_USAGE;
}

static int show_help(void)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, HELP_SIZE_MAX);
    pawl_placement_config_help(&buf);
    printf("Usage: pawl-placement [options]\n"
           "\n"
           "The Pawl placement service: tells the sidecars of each namespace of one another, so\n"
           "that they can share out the workflows of their apps. Sidecars keep working with what\n"
           "they know while it is away. For no gap at all run two or three replicas with one\n"
           "--store; one of them leads.\n"
           "\n"
           "Options, each with its environment variable. A flag wins over the environment.\n"
           "%.*s"
           "  --ready-fd N\n"
           "      when ready, write {\"placement\":PORT,\"http\":PORT,\"address\":\"URL\"} and a "
           "line\n"
           "      end to this file descriptor and close it\n"
           "  --help, --version\n"
           "\n"
           "Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start, 2 a wrong option,\n"
           "3 stopped at once by a second signal.\n",
           PAWL_BYTES_FMT(pawl_buf_view(&buf)));
    pawl_buf_deinit(&buf);
    return EXIT_SUCCESS;
}

static void flags_make(struct option flags[OPTIONS_MAX])
{
    PAWL_ASSERT(pawl_placement_options_count + 4 <= OPTIONS_MAX);
    uint32_t n = 0;
    for (; n < pawl_placement_options_count; n++) {
        flags[n] =
            (struct option){ pawl_placement_options[n].name, required_argument, NULL, (int)n };
    }
    flags[n++] = (struct option){ "ready-fd", required_argument, NULL, FLAG_READY_FD };
    flags[n++] = (struct option){ "help", no_argument, NULL, FLAG_HELP };
    flags[n++] = (struct option){ "version", no_argument, NULL, FLAG_VERSION };
    flags[n] = (struct option){ NULL, 0, NULL, 0 };
}

/* -1: go on; else the exit status. */
static int environment_read(struct service *service)
{
    const char *message = NULL;
    for (uint32_t i = 0; i < pawl_placement_options_count; i++) {
        const char *value = getenv(pawl_placement_options[i].env);
        if (!value || *value == 0) continue;
        if (pawl_placement_config_set(&service->config, i, value, &message) != PAWL_OK)
            return complain(message);
    }
    return -1;
}

static int flags_read(struct service *service, int argc, char **argv)
{
    struct option flags[OPTIONS_MAX];
    flags_make(flags);
    const char *message = NULL;
    int index = 0;
    for (int flag; (flag = getopt_long(argc, argv, "", flags, &index)) != -1;) {
        const char *cut =
            flag == '?' ? NULL : pawl_flag_cut_short(argv, optind, optarg, flags[index].name);
        if (cut) {
            fprintf(stderr, "pawl-placement: unknown option %s\nTry: pawl-placement --help\n", cut);
            return EXIT_USAGE;
        }
        switch (flag) {
        case '?': fputs("Try: pawl-placement --help\n", stderr); return EXIT_USAGE;
        case FLAG_HELP: return show_help();
        case FLAG_VERSION: puts("pawl-placement " PAWL_VERSION); return EXIT_SUCCESS;
        case FLAG_READY_FD:
            if (!pawl_runtime_fd_parse(optarg, &service->ready_fd))
                return complain("--ready-fd: give the number of an open file descriptor");
            break;
        default:
            if (pawl_placement_config_set(&service->config, (uint32_t)flag, optarg, &message)
                != PAWL_OK)
                return complain(message);
        }
    }
    if (optind == argc) return -1;
    fprintf(stderr, "pawl-placement: unexpected argument \"%s\"\nTry: pawl-placement --help\n",
            argv[optind]);
    return EXIT_USAGE;
}

static int token_read(struct service *service)
{
    struct pawl_placement_config *config = &service->config;
    if (!config->token_file) return -1;
    const char *message = NULL;
    pawl_err err = pawl_runtime_token_read(config->token_file, pawl_placement_token_is_valid,
                                           &service->arena, &config->token, &message);
    if (err == PAWL_OK) return -1;
    fprintf(stderr, "pawl-placement: %s\n", message);
    return EXIT_FAILURE;
}

static int options_read(struct service *service, int argc, char **argv)
{
    pawl_placement_config_init(&service->config, &service->arena);
    int status = environment_read(service);
    if (status < 0) status = flags_read(service, argc, argv);
    if (status >= 0) return status;
    const char *message = NULL;
    if (pawl_placement_config_finish(&service->config, &message) != PAWL_OK)
        return complain(message);
    return token_read(service);
}

/* Lease ----------------------------------------------------------------------------- */

static void lease_submit(struct service *service, enum pawl_lease_op op, uint64_t token,
                         struct pawl_bytes address)
{
    const struct pawl_lease_request request = { .op = op,
                                                .token = token,
                                                .holder = pawl_bytes_str(service->holder),
                                                .address = address,
                                                .ttl_ms = PAWL_LEADER_LEASE_MS };
    service->lease->ops->submit(service->lease, &request);
}

static void lease_take(void *context, uint64_t token, struct pawl_bytes address)
{
    lease_submit(context, PAWL_LEASE_TAKE, token, address);
}

static void lease_release(void *context, uint64_t token, struct pawl_bytes address)
{
    lease_submit(context, PAWL_LEASE_RELEASE, token, address);
}

static void on_lease_reply(void *context, const struct pawl_lease_reply *reply)
{
    struct service *service = context;
    const struct pawl_placement_lease_answer answer = {
        .token = reply->token,
        .err = reply->err,
        .epoch = reply->epoch,
        .address = reply->address,
        .remaining_ms = reply->remaining_ms,
        .message = reply->message,
    };
    if (service->server) pawl_placement_server_on_lease(service->server, &answer);
}

static pawl_err lease_open(struct service *service, const char **ret_message)
{
    if (!service->config.store) return PAWL_OK;
    struct pawl_rng rng;
    pawl_rng_init(&rng, pawl_runtime_seed());
    pawl_id_format(pawl_rng_id(&rng), service->holder);
    const struct pawl_redis_lease_config config = {
        .loop = &service->run.uv,
        .url = service->config.store,
        .name = service->config.lease,
        .on_reply = on_lease_reply,
        .context = service,
    };
    return pawl_redis_lease_open(&config, &service->lease, ret_message);
}

/* Events of the loop ---------------------------------------------------------------- */

static void on_close(void *context)
{
    struct service *service = context;
    pawl_placement_server_close(service->server);
    service->server = NULL;
    if (service->lease) service->lease->ops->close(service->lease);
    service->lease = NULL;
}

static void on_stopped(void *context)
{
    struct service *service = context;
    pawl_service_close(&service->run);
}

static void on_stop(void *context)
{
    struct service *service = context;
    pawl_placement_server_stop(service->server);
}

static void ready_line(const struct service *service, struct pawl_buf *buf)
{
    struct pawl_json json;
    pawl_json_init(&json, buf);
    pawl_json_object_begin(&json);
    pawl_json_key(&json, "placement");
    pawl_json_uint(&json, pawl_placement_server_port(service->server));
    pawl_json_key(&json, "http");
    pawl_json_uint(&json, pawl_placement_server_http_port(service->server));
    pawl_json_key(&json, "address");
    pawl_json_str(&json, pawl_placement_server_address(service->server));
    pawl_json_object_end(&json);
    pawl_buf_append_str(buf, "\n");
}

static void on_open(void *context)
{
    struct service *service = context;
    pawl_log(PAWL_LOG_INFO, "placement", "ready: sidecars reach it at %s, HTTP at http://%s:%u",
             pawl_placement_server_address(service->server), service->config.http_host,
             pawl_placement_server_http_port(service->server));
    if (service->ready_fd < 0) return;
    struct pawl_buf line;
    pawl_buf_init(&line, PAWL_READY_LINE_SIZE_MAX);
    ready_line(service, &line);
    pawl_runtime_ready_tell(&service->ready_fd, pawl_buf_view(&line), "placement");
    pawl_buf_deinit(&line);
}

/* Start ----------------------------------------------------------------------------- */

static pawl_err server_open(struct service *service, const char **ret_message)
{
    const struct pawl_placement_config *config = &service->config;
    struct pawl_placement_server_config server = {
        .uv = &service->run.uv,
        .listens_count = config->listens_count,
        .advertise = config->advertise,
        .token = config->token,
        .http_host = config->http_host,
        .http_port = (uint16_t)config->http_port,
        .version = PAWL_VERSION,
        .seed = pawl_runtime_seed(),
        .context = service,
        .lease_take = service->lease ? lease_take : NULL,
        .lease_release = service->lease ? lease_release : NULL,
        .epoch = (uint32_t)(time(NULL) - PAWL_LEASE_EPOCH_ZERO_S),
        .on_stopped = on_stopped,
    };
    _Static_assert(PAWL_PLACEMENT_CONFIG_LISTENS_MAX <= PAWL_PLACEMENT_LISTENS_MAX, "they fit");
    for (uint32_t i = 0; i < config->listens_count; i++) server.listens[i] = config->listens[i];
    return pawl_placement_server_open(&server, &service->arena, &service->server, ret_message);
}

static pawl_err service_open(void *context, const char **ret_message)
{
    struct service *service = context;
    pawl_log(PAWL_LOG_INFO, "placement", "pawl-placement %s, %s", PAWL_VERSION,
             service->config.store ? "one of several replicas" : "the only replica");
    pawl_err err = lease_open(service, ret_message);
    return err == PAWL_OK ? server_open(service, ret_message) : err;
}

int main(int argc, char **argv)
{
    pawl_service_prepare();
    struct service service = { .ready_fd = -1,
                               .run = { .part = "placement",
                                        .open = service_open,
                                        .on_open = on_open,
                                        .stop = on_stop,
                                        .close = on_close,
                                        .context = &service } };
    pawl_arena_init(&service.arena);
    int status = options_read(&service, argc, argv);
    if (status < 0) {
        pawl_log_open((enum pawl_log_level)(service.config.log_level + 1), service.config.log_json);
        status = pawl_service_run(&service.run);
    }
    pawl_arena_deinit(&service.arena);
    return status;
}
