/* Config: what the placement service can be told. One table of options; each has a flag
 * (--http-port) and an environment variable (PAWL_PLACEMENT_HTTP_PORT); a flag wins. Pure:
 * main.c reads arguments and environment and hands the texts in here. */
#ifndef PAWL_PLACEMENT_CONFIG_H
#define PAWL_PLACEMENT_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "pawl/err.h"

#define PAWL_PLACEMENT_CONFIG_LISTENS_MAX 8u

struct pawl_placement_config {
    struct pawl_arena *arena; /* all texts below live in it */
    uint32_t listens_count;
    const char *listens[PAWL_PLACEMENT_CONFIG_LISTENS_MAX];
    const char *advertise; /* NULL: from listens[0] */
    const char *store;     /* NULL: the only replica */
    const char *lease;     /* name of the lease in the store */
    const char *token;
    const char *token_file;
    const char *http_host;
    uint32_t http_port;
    uint32_t log_level; /* enum pawl_log_level - 1 */
    bool log_json;
};

struct pawl_placement_option {
    const char *name;     /* flag without -- */
    const char *env;      /* environment variable */
    const char *argument; /* as shown by --help */
    const char *help;
};

extern const struct pawl_placement_option pawl_placement_options[];
extern const uint32_t pawl_placement_options_count;

/* Everything at its default. */
void pawl_placement_config_init(struct pawl_placement_config *config, struct pawl_arena *arena);

/* Set one option by its index in the table; the value is copied. PAWL_E_INVALID:
 * *ret_message names the option, the value and what is allowed. */
PAWL_MUST_USE pawl_err pawl_placement_config_set(struct pawl_placement_config *config,
                                                 uint32_t option, const char *value,
                                                 const char **ret_message);

/* After all sources: the defaults that depend on others, and whether it fits together. */
PAWL_MUST_USE pawl_err pawl_placement_config_finish(struct pawl_placement_config *config,
                                                    const char **ret_message);

/* 1 to 256 printable ASCII characters without spaces. */
bool pawl_placement_token_is_valid(const char *token);

/* The text of --help. */
void pawl_placement_config_help(struct pawl_buf *buf);

#endif /* PAWL_PLACEMENT_CONFIG_H */
