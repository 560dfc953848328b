/* Http url: the raw request target, split and decoded exactly once.
 *
 * The path is split at its literal slashes before any segment is decoded, so a slash
 * written as %2F belongs to the name it stands in. In the query '+' is a space, as
 * in forms.
 */
#ifndef PAWL_SIDECAR_HTTP_URL_H
#define PAWL_SIDECAR_HTTP_URL_H

#include "base/arena.h"
#include "base/limits.h"
#include "pawl/err.h"

struct pawl_http_param {
    struct pawl_bytes name;
    struct pawl_bytes value; /* empty when there was no '=' */
};

struct pawl_http_url {
    uint32_t segments_count;
    struct pawl_bytes segments[PAWL_HTTP_SEGMENTS_MAX]; /* never absent, may be empty */
    bool segments_more;                                 /* the path had more than that */
    uint32_t params_count;
    struct pawl_http_param params[PAWL_HTTP_PARAMS_MAX];
};

/* Decoded bytes live in the arena. PAWL_E_INVALID: *ret_message says what is wrong. */
PAWL_MUST_USE pawl_err pawl_http_url_parse(struct pawl_bytes target, struct pawl_arena *arena,
                                           struct pawl_http_url *ret_url,
                                           struct pawl_bytes *ret_message);

/* Absent when the query has no such parameter. */
struct pawl_bytes pawl_http_url_param(const struct pawl_http_url *url, const char *name);

#endif /* PAWL_SIDECAR_HTTP_URL_H */
