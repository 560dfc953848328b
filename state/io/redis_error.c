#include "state/io/redis_error.h"

#include "base/bytes.h"

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
