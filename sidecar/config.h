/* Config: what a sidecar can be told, and from where.
 *
 * One table of options; each has a flag (--http-port), an environment variable
 * (PAWL_HTTP_PORT) and a key in the YAML file (http-port). A flag wins over the
 * environment, the environment over the file, the file over the default: so set the
 * sources in the order of enum pawl_config_source.
 *
 * Pure: main.c reads arguments, environment and files and hands the texts in here.
 */
#ifndef PAWL_SIDECAR_CONFIG_H
#define PAWL_SIDECAR_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "pawl/err.h"
#include "pawl/types.h"

enum pawl_config_source {
    PAWL_CONFIG_DEFAULT = 1,
    PAWL_CONFIG_FILE,
    PAWL_CONFIG_ENVIRONMENT,
    PAWL_CONFIG_FLAG,
};

enum pawl_log_format { PAWL_LOG_FORMAT_TEXT = 0, PAWL_LOG_FORMAT_JSON };

#define PAWL_CONFIG_URLS_MAX 8u
#define PAWL_CONFIG_PORT_OFF UINT32_MAX

/* Addresses, or limits, as given: with commas. */
struct pawl_config_list {
    const char *text; /* NULL: none */
    enum pawl_config_source source;
};

/* One concurrency limit. */
struct pawl_config_limit {
    bool is_task;           /* of activities; else of turns */
    bool is_global;         /* of the app; else of this sidecar */
    struct pawl_bytes name; /* absent: of all */
    uint32_t max;
};

struct pawl_config {
    struct pawl_arena *arena; /* all texts below live in it */
    const char *app_id;
    const char *namespace_;
    const char *store;
    uint32_t synchronous; /* see pawl_config_synchronous */
    uint32_t partitions;
    struct pawl_config_list app_listen;         /* none: the default */
    const char *app_urls[PAWL_CONFIG_URLS_MAX]; /* set by finish */
    uint32_t app_urls_count;
    const char *runtime_folder; /* of the default socket, to be made 0700; else NULL */
    const char *http_host;
    uint32_t http_port;
    const char *grpc_host;
    uint32_t grpc_port;        /* of Dapr's protocol; PAWL_CONFIG_PORT_OFF: none */
    uint32_t durabletask_port; /* of Microsoft's; the same */
    const char *grpc_tls_cert; /* NULL: no TLS on both */
    const char *grpc_tls_key;
    uint32_t work_item_mib;
    const char *token;
    const char *token_file;
    uint32_t turns_max;
    uint32_t activities_max;
    struct pawl_config_list turn_limits; /* of the sidecar, by name */
    struct pawl_config_list activity_limits;
    uint32_t global_turns_max; /* of the app; 0: none */
    uint32_t global_activities_max;
    struct pawl_config_list global_turn_limits; /* of the app, by name */
    struct pawl_config_list global_activity_limits;
    uint32_t turn_attempts;
    uint32_t activity_attempts;
    int64_t instance_idle_ms;
    int64_t retention_ms; /* of what ended in any other way; -1: kept */
    int64_t retention_completed_ms;
    int64_t retention_failed_ms;
    int64_t retention_terminated_ms;
    uint32_t log_level; /* enum pawl_log_level - 1 */
    uint32_t log_format;
    struct pawl_config_limit *limits; /* set by finish: those by name, or of the app */
    uint32_t limits_count;
    const char *host_id; /* NULL: one is made up */
    struct pawl_config_list placement;
    struct pawl_bytes placement_urls[PAWL_PLACEMENT_ADDRESSES_MAX]; /* set by finish */
    uint32_t placement_urls_count;                                  /* 0: without placement */
    const char *peer_listen;                                        /* made a URL by finish */
    const char *peer_advertise;
    const char *peer_advertise_host; /* set by finish, as in a URL; NULL: found out at start */
    uint16_t peer_advertise_port;    /* the same; 0: the one listened at */
};

enum pawl_config_kind {
    PAWL_CONFIG_TEXT = 1,
    PAWL_CONFIG_NUMBER,
    PAWL_CONFIG_PORT, /* or "off" */
    PAWL_CONFIG_DURATION,
    PAWL_CONFIG_CHOICE,
    PAWL_CONFIG_LIST,   /* of addresses, separated by commas; repeated flags add up */
    PAWL_CONFIG_LIMITS, /* the same of name=number */
};

struct pawl_config_option {
    const char *name;     /* flag without --, and key in the file */
    const char *env;      /* environment variable */
    const char *argument; /* as shown by --help */
    const char *help;
    enum pawl_config_kind kind;
    size_t offset; /* of the field in struct pawl_config */
    int64_t min;
    int64_t max;
    const char *choices; /* CHOICE: "a|b|c"; LIST: what an address looks like */
};

extern const struct pawl_config_option pawl_config_options[];
extern const uint32_t pawl_config_options_count;

/* Set everything to its default. */
void pawl_config_init(struct pawl_config *config, struct pawl_arena *arena);

/* PAWL_E_INVALID: *ret_message names the option, the value and what is allowed. */
PAWL_MUST_USE pawl_err pawl_config_set(struct pawl_config *config,
                                       const struct pawl_config_option *option,
                                       enum pawl_config_source source, const char *value,
                                       const char **ret_message);

/* NULL: no such option. */
const struct pawl_config_option *pawl_config_find(const char *name);

/* What options may depend on besides each other. */
struct pawl_config_surroundings {
    const char *runtime_folder; /* $XDG_RUNTIME_DIR; NULL: /tmp/pawl-<uid> is used */
    const char *work_folder;    /* where sqlite:///./x is */
    uint32_t uid;
};

/* Check the whole and fill in what depends on other options. */
PAWL_MUST_USE pawl_err pawl_config_finish(struct pawl_config *config,
                                          const struct pawl_config_surroundings *surroundings,
                                          const char **ret_message);

/* How long an instance is kept that ended with this status; 0: for ever. */
int64_t pawl_config_retention_ms(const struct pawl_config *config, enum pawl_status status);

/* "full", "normal", "off". */
const char *pawl_config_synchronous(const struct pawl_config *config);

/* True when nobody but this machine can reach what listens at this URL, or when all of
 * them are such. */
bool pawl_config_is_loopback(const char *url);
bool pawl_config_placement_is_loopback(const struct pawl_config *config);

/* The host in tcp://host:port, as it stands there; NULL: it stands for every address of
 * the machine (0.0.0.0, [::]). */
const char *pawl_config_url_host(struct pawl_arena *arena, const char *url);

/* What --help shows of the options. */
void pawl_config_help(struct pawl_buf *buf);

/* The URL with its password replaced by ***. */
const char *pawl_config_url_redact(struct pawl_arena *arena, const char *url);

/* True for what may be a token: 1 to 256 printable ASCII characters, no space. */
bool pawl_config_token_is_valid(const char *token);

#endif /* PAWL_SIDECAR_CONFIG_H */
