#include "sdk/io/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/limits.h"

static void *default_alloc(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void default_free(void *context, void *memory)
{
    (void)context;
    free(memory);
}

struct pawl_allocator pawl_allocator_choose(struct pawl_allocator given)
{
    if (given.alloc && given.free) return given;
    return (struct pawl_allocator){ NULL, default_alloc, default_free };
}

/* NULL for NULL; *ret_err only on failure. */
static char *copy(const struct pawl_allocator *allocator, const char *text, pawl_err *ret_err)
{
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *memory = allocator->alloc(allocator->context, size);
    if (memory) {
        memcpy(memory, text, size);
    } else {
        *ret_err = PAWL_E_NOMEM;
    }
    return memory;
}

static const char *choose(const char *given, const char *variable, const char *otherwise)
{
    if (given) return given;
    const char *value = getenv(variable);
    return value && value[0] ? value : otherwise;
}

pawl_err pawl_settings_init(struct pawl_settings *settings, const struct pawl_allocator *allocator,
                            const char *endpoint, const char *app_id, const char *token)
{
    endpoint = choose(endpoint, "PAWL_APP_ENDPOINT", "tcp://127.0.0.1:3501");
    app_id = choose(app_id, "PAWL_APP_ID", "app");
    token = choose(token, "PAWL_TOKEN", NULL);
    if (!pawl_name_is_valid(pawl_bytes_str(app_id), PAWL_NAME_SIZE_MAX)) return PAWL_E_INVALID;

    char host[128];
    if (gethostname(host, sizeof host) != 0) host[0] = 0;
    host[sizeof host - 1] = 0;
    char worker[160];
    (void)snprintf(worker, sizeof worker, "%s:%ld", host, (long)getpid());

    pawl_err err = PAWL_OK;
    *settings = (struct pawl_settings){ .endpoint = copy(allocator, endpoint, &err),
                                        .app_id = copy(allocator, app_id, &err),
                                        .token = copy(allocator, token, &err),
                                        .worker = copy(allocator, worker, &err) };
    if (err != PAWL_OK) pawl_settings_deinit(settings, allocator);
    return err;
}

void pawl_settings_deinit(struct pawl_settings *settings, const struct pawl_allocator *allocator)
{
    allocator->free(allocator->context, settings->endpoint);
    allocator->free(allocator->context, settings->app_id);
    allocator->free(allocator->context, settings->token);
    allocator->free(allocator->context, settings->worker);
    *settings = (struct pawl_settings){ .endpoint = NULL };
}
