#include "placement/config.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "placement/names.h"

enum option {
    OPTION_LISTEN,
    OPTION_ADVERTISE,
    OPTION_STORE,
    OPTION_LEASE,
    OPTION_TOKEN_FILE,
    OPTION_HTTP_HOST,
    OPTION_HTTP_PORT,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTIONS_END
};

const struct pawl_placement_option pawl_placement_options[] = {
    [OPTION_LISTEN] = { "listen", "PAWL_PLACEMENT_LISTEN", "URL",
                        "where sidecars connect: tcp://host:port; several separated by commas. "
                        "Default: tcp://0.0.0.0:50005" },
    [OPTION_ADVERTISE] = { "advertise", "PAWL_PLACEMENT_ADVERTISE", "URL",
                           "where sidecars reach this replica, told to them by the others: "
                           "tcp://host:port. Default: this host's name and the port of --listen" },
    [OPTION_STORE] = { "store", "PAWL_PLACEMENT_STORE", "URL",
                       "for more than one replica: the Redis in which they agree on who leads "
                       "(redis://…). Without it this is the only replica" },
    [OPTION_LEASE] = { "lease", "PAWL_PLACEMENT_LEASE", "NAME",
                       "replicas with the same name in the same store are one service. "
                       "Default: default" },
    [OPTION_TOKEN_FILE] = { "token-file", "PAWL_PLACEMENT_TOKEN_FILE", "PATH",
                            "a file whose first line is the token that sidecars must send, and "
                            "that the HTTP tables ask for. Default: none is asked for" },
    [OPTION_HTTP_HOST] = { "http-host", "PAWL_PLACEMENT_HTTP_HOST", "ADDRESS",
                           "numeric address for health, metrics and tables over HTTP. "
                           "Default: 127.0.0.1" },
    [OPTION_HTTP_PORT] = { "http-port", "PAWL_PLACEMENT_HTTP_PORT", "PORT",
                           "its port, 0 for any free one. Default: 50006" },
    [OPTION_LOG_LEVEL] = { "log-level", "PAWL_PLACEMENT_LOG_LEVEL", "error|warn|info|debug",
                           "Default: info" },
    [OPTION_LOG_FORMAT] = { "log-format", "PAWL_PLACEMENT_LOG_FORMAT", "text|json",
                            "Default: text" },
};

const uint32_t pawl_placement_options_count = OPTIONS_END;

void pawl_placement_config_init(struct pawl_placement_config *config, struct pawl_arena *arena)
{
    *config = (struct pawl_placement_config){
        .arena = arena,
        .lease = "default",
        .http_host = "127.0.0.1",
        .http_port = 50006,
        .log_level = 2,
    };
}

static pawl_err refuse(struct pawl_placement_config *config, const char *name, const char *value,
                       const char *allowed, const char **ret_message)
{
    *ret_message = (const char *)pawl_arena_printf(config->arena, "--%s: \"%s\" is not %s", name,
                                                   value, allowed)
                       .data;
    return PAWL_E_INVALID;
}

static const char *copy(struct pawl_placement_config *config, struct pawl_bytes text)
{
    return (const char *)pawl_arena_printf(config->arena, "%.*s", PAWL_BYTES_FMT(text)).data;
}

/* As an address, but port 0 means any free one. */
static bool is_listen(struct pawl_bytes text)
{
    bool any_port =
        text.size > 2 && text.data[text.size - 1] == '0' && text.data[text.size - 2] == ':';
    if (!any_port) return pawl_placement_address_is_valid(text);
    uint8_t with_port[PAWL_ADDRESS_SIZE_MAX];
    if (text.size > sizeof with_port) return false;
    memcpy(with_port, text.data, text.size);
    with_port[text.size - 1] = '1';
    return pawl_placement_address_is_valid(pawl_bytes_make(with_port, text.size));
}

static pawl_err listens_set(struct pawl_placement_config *config, const char *value,
                            const char **ret_message)
{
    config->listens_count = 0;
    for (const char *from = value; from;) {
        const char *comma = strchr(from, ',');
        struct pawl_bytes url =
            pawl_bytes_make(from, comma ? (size_t)(comma - from) : strlen(from));
        from = comma ? comma + 1 : NULL;
        if (!is_listen(url) || config->listens_count == PAWL_PLACEMENT_CONFIG_LISTENS_MAX)
            return refuse(config, "listen", value,
                          "a list of at most 8 addresses such as tcp://0.0.0.0:50005", ret_message);
        config->listens[config->listens_count++] = copy(config, url);
    }
    return PAWL_OK;
}

/* The index in "a|b|c", or -1. */
static int choice_find(const char *choices, const char *value)
{
    size_t size = strlen(value);
    int index = 0;
    for (const char *from = choices; from; index++) {
        const char *bar = strchr(from, '|');
        size_t length = bar ? (size_t)(bar - from) : strlen(from);
        if (length == size && strncmp(from, value, size) == 0) return index;
        from = bar ? bar + 1 : NULL;
    }
    return -1;
}

static bool port_parse(const char *value, uint32_t *ret_port)
{
    uint32_t port = 0;
    size_t digits = strlen(value);
    if (digits < 1 || digits > 5) return false;
    for (size_t i = 0; i < digits; i++) {
        if (value[i] < '0' || value[i] > '9') return false;
        port = port * 10 + (uint32_t)(value[i] - '0');
    }
    *ret_port = port;
    return port <= 65535;
}

pawl_err pawl_placement_config_set(struct pawl_placement_config *config, uint32_t option,
                                   const char *value, const char **ret_message)
{
    PAWL_ASSERT(option < OPTIONS_END);
    const struct pawl_placement_option *it = &pawl_placement_options[option];
    struct pawl_bytes text = pawl_bytes_str(value);
    const char *kept = copy(config, text);
    int choice = 0;
    switch ((enum option)option) {
    case OPTION_LISTEN: return listens_set(config, value, ret_message);
    case OPTION_ADVERTISE:
        if (!pawl_placement_address_is_valid(text))
            return refuse(config, it->name, value, "an address such as tcp://placement-0:50005",
                          ret_message);
        config->advertise = kept;
        return PAWL_OK;
    case OPTION_STORE: config->store = kept; return PAWL_OK;
    case OPTION_LEASE:
        if (!pawl_placement_app_is_valid(text))
            return refuse(config, it->name, value, "1 to 64 letters, digits, '-', '_' or '.'",
                          ret_message);
        config->lease = kept;
        return PAWL_OK;
    case OPTION_TOKEN_FILE: config->token_file = kept; return PAWL_OK;
    case OPTION_HTTP_HOST: config->http_host = kept; return PAWL_OK;
    case OPTION_HTTP_PORT:
        if (!port_parse(value, &config->http_port))
            return refuse(config, it->name, value, "a port (0 to 65535)", ret_message);
        return PAWL_OK;
    case OPTION_LOG_LEVEL:
    case OPTION_LOG_FORMAT:
        choice = choice_find(it->argument, value);
        if (choice < 0) return refuse(config, it->name, value, it->argument, ret_message);
        if (option == OPTION_LOG_LEVEL)
            config->log_level = (uint32_t)choice;
        else
            config->log_json = choice == 1;
        return PAWL_OK;
    case OPTIONS_END: break;
    }
    PAWL_UNREACHABLE("an option that is not in the table");
}

pawl_err pawl_placement_config_finish(struct pawl_placement_config *config,
                                      const char **ret_message)
{
    if (config->listens_count == 0)
        config->listens[config->listens_count++] = "tcp://0.0.0.0:50005";
    struct pawl_bytes store = pawl_bytes_str(config->store);
    if (pawl_bytes_is_absent(store) || pawl_bytes_starts_with(store, PAWL_BYTES_LITERAL("redis")))
        return PAWL_OK;
    *ret_message = "--store: replicas agree on who leads in a Redis (redis://…); a single replica "
                   "needs no store";
    return PAWL_E_INVALID;
}

bool pawl_placement_token_is_valid(const char *token)
{
    size_t size = strlen(token);
    if (size < 1 || size > PAWL_TOKEN_ASKED_SIZE_MAX) return false;
    for (size_t i = 0; i < size; i++) {
        if (token[i] <= ' ' || token[i] > '~') return false;
    }
    return true;
}

void pawl_placement_config_help(struct pawl_buf *buf)
{
    for (uint32_t i = 0; i < OPTIONS_END; i++) {
        const struct pawl_placement_option *option = &pawl_placement_options[i];
        pawl_buf_printf(buf, "  --%s %s  [%s]\n", option->name, option->argument, option->env);
        /* Lines of at most 80 characters. */
        size_t column = 0;
        for (const char *word = option->help; *word;) {
            size_t size = strcspn(word, " ");
            if (column == 0 || column + 1 + size > 80) {
                pawl_buf_append_str(buf, column ? "\n      " : "      ");
                column = 6;
            } else {
                pawl_buf_append_str(buf, " ");
                column++;
            }
            pawl_buf_append(buf, word, size);
            column += size;
            word += size;
            while (*word == ' ') word++;
        }
        pawl_buf_append_str(buf, "\n");
    }
}
