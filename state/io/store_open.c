/* Which backend a URL means. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "state/io/backends.h"
#include "state/keys.h"

#define MESSAGE_SIZE 512u

static _Thread_local char message_text[MESSAGE_SIZE];

static bool has_scheme(const char *url, const char *scheme)
{
    return strncmp(url, scheme, strlen(scheme)) == 0;
}

static bool is_redis(const char *url)
{
    /* Which of them are known is for the Redis backend to say. */
    static const char *const schemes[] = { "redis:", "rediss:", "redis+", "rediss+" };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (has_scheme(url, schemes[i])) return true;
    return false;
}

static pawl_err refuse(const char **ret_message, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static pawl_err refuse(const char **ret_message, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message_text, sizeof message_text, format, args);
    va_end(args);
    *ret_message = message_text;
    return PAWL_E_INVALID;
}

static pawl_err config_check(const struct pawl_store_config *config, const char **ret_message)
{
    if (!config->url || !config->url[0]) return refuse(ret_message, "no state store is configured");
    if (!pawl_app_id_is_valid(pawl_bytes_str(config->app)))
        return refuse(ret_message,
                      "app id \"%.100s\" is not valid: 1 to %u letters, digits, '-', '_', '.'",
                      config->app ? config->app : "", PAWL_APP_ID_SIZE_MAX);
    if (!pawl_app_id_is_valid(pawl_bytes_str(config->namespace_)))
        return refuse(ret_message,
                      "namespace \"%.100s\" is not valid: 1 to %u letters, digits, '-', '_', '.'",
                      config->namespace_ ? config->namespace_ : "", PAWL_APP_ID_SIZE_MAX);
    bool takes_any = config->read_only && config->partitions == 0;
    if ((config->partitions < 1 && !takes_any) || config->partitions > PAWL_PARTITIONS_MAX)
        return refuse(ret_message, "the number of partitions must be 1 to %u", PAWL_PARTITIONS_MAX);
    return PAWL_OK;
}

/* Only the scheme is shown: what follows may hold a password. */
static pawl_err refuse_scheme(const char *url, const char **ret_message)
{
    char scheme[32];
    size_t size = strcspn(url, ":/");
    snprintf(scheme, sizeof scheme, "%.*s", (int)(size < 24 ? size : 24), url);
    return refuse(ret_message,
                  "the state store URL begins with \"%.100s\"; known are sqlite:///path/to/file, "
                  "redis://host:6379, redis+unix:///path/to/socket, redis+sentinel://host/service, "
                  "redis+cluster://host and mem:// (nothing is kept)",
                  scheme);
}

pawl_err pawl_store_open(const struct pawl_store_config *config, struct pawl_store **ret_store,
                         const char **ret_message)
{
    pawl_err err = config_check(config, ret_message);
    if (err) return err;

    if (has_scheme(config->url, "mem://"))
        return pawl_store_mem_open(config, ret_store, ret_message);
    if (has_scheme(config->url, "sqlite://"))
        return pawl_store_sqlite_open(config, ret_store, ret_message);
    if (is_redis(config->url)) return pawl_store_redis_open(config, ret_store, ret_message);
    return refuse_scheme(config->url, ret_message);
}
