#include "state/io/redis_error.h"

#include <stdio.h>

#include "base/bytes.h"

#define SHOWN_SIZE_MAX 200u

static const char *const refusals[] = {
    "OOM",       "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN", "LOADING",
    "BUSY",      "NOSCRIPT", "NOPERM",  "NOAUTH",     "WRONGPASS",  "CLUSTERDOWN",
    "CROSSSLOT", "MOVED",    "ASK",     "TRYAGAIN",   "DENIED",
};

bool pawl_redis_error_is(struct pawl_bytes text, const char *code)
{
    struct pawl_bytes word = pawl_bytes_str(code);
    if (!pawl_bytes_starts_with(text, word)) return false;
    return text.size == word.size || text.data[word.size] == ' ';
}

bool pawl_redis_error_is_noscript(struct pawl_bytes text)
{
    return pawl_redis_error_is(text, "NOSCRIPT");
}

/* Errors without a code of their own that say the connection was never let in. */
static bool error_is_refused_client(struct pawl_bytes text)
{
    return pawl_bytes_starts_with(text, PAWL_BYTES_LITERAL("ERR max number of clients"));
}

pawl_err pawl_redis_error_class(struct pawl_bytes text)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (pawl_redis_error_is(text, refusals[i])) return PAWL_E_UNAVAILABLE;
    if (error_is_refused_client(text)) return PAWL_E_UNAVAILABLE;
    if (pawl_redis_error_is(text, "WRONGTYPE")) return PAWL_E_CORRUPT;
    return PAWL_E_UNKNOWN;
}

static const char *error_advice(struct pawl_bytes text)
{
    if (pawl_redis_error_is(text, "NOAUTH")) return "a password is needed";
    if (pawl_redis_error_is(text, "WRONGPASS")) return "user name or password is wrong";
    if (pawl_redis_error_is(text, "LOADING")) return "still loading its data";
    if (pawl_redis_error_is(text, "READONLY")) return "a read-only replica";
    if (pawl_redis_error_is(text, "MASTERDOWN")) return "a replica without its master";
    /* `#!lua` came with 7.0; before, a script that fails in the middle stays half done. */
    if (pawl_bytes_starts_with(text, PAWL_BYTES_LITERAL("ERR Error compiling script")))
        return "too old: Redis 7.0 or newer is needed";
    /* Redis 7.0 has no code for a refusal inside a script. */
    if (pawl_redis_error_is(text, "NOPERM")
        || pawl_bytes_starts_with(text, PAWL_BYTES_LITERAL("ERR The user executing the script")))
        return "this user may not do what Pawl needs";
    return "refused";
}

void pawl_redis_error_explain(struct pawl_bytes text, bool is_login,
                              char ret_text[PAWL_REDIS_ERROR_TEXT_SIZE])
{
    int size = (int)(text.size < SHOWN_SIZE_MAX ? text.size : SHOWN_SIZE_MAX);
    if (is_login && !pawl_redis_error_is(text, "WRONGPASS"))
        (void)snprintf(ret_text, PAWL_REDIS_ERROR_TEXT_SIZE, "the login was refused");
    else
        (void)snprintf(ret_text, PAWL_REDIS_ERROR_TEXT_SIZE, "%s (%.*s)", error_advice(text), size,
                       (const char *)text.data);
}
