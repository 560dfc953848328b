#include "sidecar/http_url.h"

#include "base/bytes.h"

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The bytes up to the first `mark`, which is skipped; all that is left without one. */
static struct pawl_bytes url_cut(struct pawl_bytes *rest, char mark, bool *ret_found)
{
    const uint8_t *found = rest->size ? memchr(rest->data, mark, rest->size) : NULL;
    size_t size = found ? (size_t)(found - rest->data) : rest->size;
    struct pawl_bytes part = pawl_bytes_make(rest->data, size);
    size_t skip = found ? size + 1 : size;
    *rest = pawl_bytes_make(rest->data + skip, rest->size - skip);
    *ret_found = found != NULL;
    return part;
}

static bool url_decode(struct pawl_arena *arena, struct pawl_bytes raw, bool is_query,
                       struct pawl_bytes *ret_text)
{
    uint8_t *text = pawl_arena_alloc(arena, raw.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t c = raw.data[i];
        if (c == '%') {
            if (raw.size - i < 3) return false;
            int high = hex_value(raw.data[i + 1]);
            int low = hex_value(raw.data[i + 2]);
            if (high < 0 || low < 0) return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        text[size++] = c;
    }
    *ret_text = pawl_bytes_make(text, size);
    return true;
}

static pawl_err url_bad(struct pawl_arena *arena, struct pawl_bytes *ret_message,
                        struct pawl_bytes raw)
{
    *ret_message = pawl_arena_printf(arena,
                                     "the URL has a broken escape in \"%.*s\": write '%%' as %%25, "
                                     "and every escape as %% and two hex digits",
                                     PAWL_BYTES_FMT(raw));
    return PAWL_E_INVALID;
}

static pawl_err url_parse_path(struct pawl_bytes path, struct pawl_arena *arena,
                               struct pawl_http_url *url, struct pawl_bytes *ret_message)
{
    if (path.size == 0 || path.data[0] != '/') {
        *ret_message = PAWL_BYTES_LITERAL("the URL path must begin with '/'");
        return PAWL_E_INVALID;
    }
    path = pawl_bytes_make(path.data + 1, path.size - 1);
    for (bool more = true; more;) {
        struct pawl_bytes raw = url_cut(&path, '/', &more);
        if (url->segments_count == PAWL_HTTP_SEGMENTS_MAX) {
            url->segments_more = true;
            return PAWL_OK;
        }
        if (!url_decode(arena, raw, false, &url->segments[url->segments_count])) {
            return url_bad(arena, ret_message, raw);
        }
        url->segments_count++;
    }
    return PAWL_OK;
}

static pawl_err url_parse_query(struct pawl_bytes query, struct pawl_arena *arena,
                                struct pawl_http_url *url, struct pawl_bytes *ret_message)
{
    for (bool more = query.size > 0; more;) {
        struct pawl_bytes value = url_cut(&query, '&', &more);
        if (value.size == 0) continue;
        if (url->params_count == PAWL_HTTP_PARAMS_MAX) {
            *ret_message = pawl_arena_printf(arena, "the URL has more than %u query parameters",
                                             PAWL_HTTP_PARAMS_MAX);
            return PAWL_E_INVALID;
        }
        struct pawl_bytes whole = value;
        bool has_value;
        struct pawl_bytes name = url_cut(&value, '=', &has_value);
        struct pawl_http_param param;
        if (!url_decode(arena, name, true, &param.name)
            || !url_decode(arena, value, true, &param.value)) {
            return url_bad(arena, ret_message, whole);
        }
        url->params[url->params_count++] = param;
    }
    return PAWL_OK;
}

pawl_err pawl_http_url_parse(struct pawl_bytes target, struct pawl_arena *arena,
                             struct pawl_http_url *ret_url, struct pawl_bytes *ret_message)
{
    *ret_url = (struct pawl_http_url){ .segments_count = 0 };
    struct pawl_bytes query = target;
    bool has_query;
    struct pawl_bytes path = url_cut(&query, '?', &has_query);

    pawl_err err = url_parse_path(path, arena, ret_url, ret_message);
    if (err != PAWL_OK) return err;
    return url_parse_query(query, arena, ret_url, ret_message);
}

struct pawl_bytes pawl_http_url_param(const struct pawl_http_url *url, const char *name)
{
    for (uint32_t i = 0; i < url->params_count; i++) {
        if (pawl_bytes_is_str(url->params[i].name, name)) return url->params[i].value;
    }
    return PAWL_BYTES_ABSENT;
}
