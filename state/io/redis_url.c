#include "state/io/redis_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* A stretch of the URL. */
struct span {
    const char *from;
    const char *end;
};

static size_t span_size(struct span span)
{
    return (size_t)(span.end - span.from);
}

static bool span_is(struct span span, const char *text)
{
    return span_size(span) == strlen(text) && memcmp(span.from, text, span_size(span)) == 0;
}

static const char *span_find(struct span span, char c)
{
    return span_size(span) ? memchr(span.from, c, span_size(span)) : NULL;
}

/* What is before the first `c`; *rest is what is behind it, empty without one. */
static struct span span_cut(struct span *rest, char c)
{
    struct span head = *rest;
    const char *at = span_find(*rest, c);
    if (at) head.end = at;
    rest->from = at ? at + 1 : rest->end;
    return head;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Decode into `out`; false: a broken %XX, a 0 byte, or no room. */
static bool span_decode(struct span span, char *out, size_t out_size)
{
    size_t size = 0;
    while (span.from < span.end) {
        char c = *span.from++;
        if (c == '%') {
            if (span_size(span) < 2) return false;
            int high = hex_digit(span.from[0]);
            int low = hex_digit(span.from[1]);
            if (high < 0 || low < 0) return false;
            c = (char)(high << 4 | low);
            span.from += 2;
        }
        if (c == 0 || size + 1 >= out_size) return false;
        out[size++] = c;
    }
    out[size] = 0;
    return true;
}

static bool span_number(struct span span, uint32_t max, uint32_t *ret_number)
{
    if (span.from == span.end || span_size(span) > 9) return false;
    uint32_t number = 0;
    for (; span.from < span.end; span.from++) {
        if (*span.from < '0' || *span.from > '9') return false;
        number = number * 10 + (uint32_t)(*span.from - '0');
    }
    if (number > max) return false;
    *ret_number = number;
    return true;
}

/* Addresses -------------------------------------------------------------------- */

static void address_text(struct pawl_redis_address *address)
{
    bool is_v6 = strchr(address->host, ':') != NULL;
    (void)snprintf(address->text, sizeof address->text, is_v6 ? "[%s]:%s" : "%s:%s", address->host,
                   address->port);
}

bool pawl_redis_address_set(struct pawl_redis_address *address, struct pawl_bytes host,
                            struct pawl_bytes port)
{
    if (host.size == 0 || host.size >= sizeof address->host) return false;
    if (memchr(host.data, 0, host.size)) return false;
    struct span digits = { (const char *)port.data, (const char *)port.data + port.size };
    uint32_t number = 0;
    if (port.size == 0 || !span_number(digits, 65535, &number) || number == 0) return false;
    *address = (struct pawl_redis_address){ .port = "" };
    memcpy(address->host, host.data, host.size);
    (void)snprintf(address->port, sizeof address->port, "%u", (unsigned)(number & 0xffff));
    address_text(address);
    return true;
}

bool pawl_redis_address_is_equal(const struct pawl_redis_address *a,
                                 const struct pawl_redis_address *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

/* host[:port], [v6]:port */
static const char *address_parse(struct span span, uint32_t port,
                                 struct pawl_redis_address *address)
{
    struct span host = span;
    struct span rest;
    if (span.from < span.end && *span.from == '[') {
        host.from++;
        host.end = span_find(host, ']');
        if (!host.end) return "the IPv6 address in the Redis URL has no closing bracket";
        rest = (struct span){ host.end + 1, span.end };
    } else {
        const char *colon = span_find(span, ':');
        if (colon) host.end = colon;
        rest = (struct span){ host.end, span.end };
    }
    if (host.from == host.end) return "the Redis URL names no host (redis://host:port)";
    if (!span_decode(host, address->host, sizeof address->host))
        return "the host in the Redis URL is too long or holds a broken %XX";
    struct span digits = { rest.from + 1, rest.end };
    bool has_port = rest.from < rest.end;
    if (has_port && (*rest.from != ':' || !span_number(digits, 65535, &port) || port == 0))
        return "the port in the Redis URL is not a number from 1 to 65535";
    (void)snprintf(address->port, sizeof address->port, "%u", (unsigned)(port & 0xffff));
    address_text(address);
    return NULL;
}

#define PORT_DEFAULT          6379u
#define PORT_SENTINEL_DEFAULT 26379u

static const char *addresses_parse(struct span span, struct pawl_redis_url *url)
{
    uint32_t port = url->topology == PAWL_REDIS_SENTINEL ? PORT_SENTINEL_DEFAULT : PORT_DEFAULT;
    if (url->topology == PAWL_REDIS_SINGLE && span_find(span, ','))
        return "a redis:// URL names one server; several are for redis+sentinel:// and "
               "redis+cluster://";
    for (bool more = true; more;) {
        if (url->seeds_count == PAWL_REDIS_SEEDS_MAX)
            return "the Redis URL names more than 16 servers; a few are enough to find the others";
        more = span_find(span, ',') != NULL;
        const char *why =
            address_parse(span_cut(&span, ','), port, &url->seeds[url->seeds_count++]);
        if (why) return why;
    }
    return NULL;
}

/* Parameters ------------------------------------------------------------------- */

static const char *parameter_login(struct span name, struct span value, struct pawl_redis_url *url)
{
    if (span_is(name, "user")) {
        if (!span_decode(value, url->user, sizeof url->user))
            return "the parameter user in the Redis URL is too long or holds a broken %XX";
        return NULL;
    }
    if (!span_decode(value, url->password, sizeof url->password))
        return "the parameter password in the Redis URL is too long or holds a broken %XX";
    url->has_password = url->password[0] != 0;
    return NULL;
}

static const char *parameter_sentinel(struct span name, struct span value,
                                      struct pawl_redis_url *url)
{
    if (url->topology != PAWL_REDIS_SENTINEL)
        return "sentinel_user and sentinel_password are for redis+sentinel:// URLs only";
    bool is_user = span_is(name, "sentinel_user");
    char *out = is_user ? url->sentinel_user : url->sentinel_password;
    size_t out_size = is_user ? sizeof url->sentinel_user : sizeof url->sentinel_password;
    if (!span_decode(value, out, out_size))
        return "sentinel_user or sentinel_password in the Redis URL is too long or holds a broken "
               "%XX";
    return NULL;
}

static const char *parameter_verify(struct span value, struct pawl_redis_url *url)
{
    if (span_is(value, "full"))
        url->verify = PAWL_REDIS_VERIFY_FULL;
    else if (span_is(value, "ca"))
        url->verify = PAWL_REDIS_VERIFY_CA;
    else if (span_is(value, "none"))
        url->verify = PAWL_REDIS_VERIFY_NONE;
    else
        return "the parameter verify in the Redis URL is full, ca or none";
    return NULL;
}

/* NULL: not a parameter of TLS that is a text. */
static char *tls_text(struct span name, struct pawl_redis_url *url, size_t *ret_size)
{
    *ret_size = sizeof url->cafile;
    if (span_is(name, "cafile")) return url->cafile;
    if (span_is(name, "certfile")) return url->certfile;
    if (span_is(name, "keyfile")) return url->keyfile;
    *ret_size = sizeof url->servername;
    if (span_is(name, "servername")) return url->servername;
    return NULL;
}

static const char *parameter_tls(struct span name, struct span value, struct pawl_redis_url *url)
{
    if (!url->is_tls)
        return "cafile, certfile, keyfile, servername and verify are for TLS: the URL must begin "
               "with rediss";
    if (span_is(name, "verify")) return parameter_verify(value, url);
    size_t size = 0;
    char *out = tls_text(name, url, &size);
    if (!span_decode(value, out, size) || out[0] == 0)
        return "cafile, certfile, keyfile or servername in the Redis URL is empty, too long or "
               "holds a broken %XX";
    return NULL;
}

static const char *parameter_durability(struct span name, struct span value,
                                        struct pawl_redis_url *url)
{
    if (span_is(name, "replicas")) {
        if (!span_number(value, 16, &url->replicas) || url->replicas == 0)
            return "the parameter replicas in the Redis URL is not a number from 1 to 16";
        return NULL;
    }
    if (span_is(name, "wait_ms")) {
        if (!span_number(value, PAWL_STORE_WAIT_MS_MAX, &url->wait_ms) || url->wait_ms == 0)
            return "the parameter wait_ms in the Redis URL is not a number from 1 to 4000";
        return NULL;
    }
    if (span_is(value, "d0"))
        url->durability = PAWL_REDIS_D0;
    else if (span_is(value, "d1"))
        url->durability = PAWL_REDIS_D1;
    else if (span_is(value, "d2"))
        url->durability = PAWL_REDIS_D2;
    else
        return "the parameter durability in the Redis URL is d0, d1 or d2";
    return NULL;
}

static const char *parameter_parse(struct span name, struct span value, struct pawl_redis_url *url)
{
    bool is_unix = url->seeds[0].port[0] == 0;
    if (span_is(name, "durability") || span_is(name, "replicas") || span_is(name, "wait_ms"))
        return parameter_durability(name, value, url);
    size_t size;
    if (span_is(name, "verify") || tls_text(name, url, &size))
        return parameter_tls(name, value, url);
    if (span_is(name, "sentinel_user") || span_is(name, "sentinel_password"))
        return parameter_sentinel(name, value, url);
    if (is_unix && (span_is(name, "user") || span_is(name, "password")))
        return parameter_login(name, value, url);
    if (is_unix && span_is(name, "db")) {
        if (!span_number(value, PAWL_REDIS_DB_MAX, &url->db))
            return "the parameter db in the Redis URL is not a number";
        return NULL;
    }
    return is_unix ? "a redis+unix:// URL knows the parameters db, user, password, durability, "
                     "replicas and wait_ms only"
                   : "a Redis URL knows the parameters durability, replicas, wait_ms, cafile, "
                     "certfile, keyfile, servername, verify, sentinel_user and sentinel_password "
                     "only (redis://user:password@host:port/db?name=value)";
}

static const char *parameters_parse(struct span query, struct pawl_redis_url *url)
{
    bool has_replicas_or_wait = false;
    while (query.from < query.end) {
        struct span value = span_cut(&query, '&');
        struct span name = span_cut(&value, '=');
        const char *why = parameter_parse(name, value, url);
        if (why) return why;
        has_replicas_or_wait |= span_is(name, "replicas") || span_is(name, "wait_ms");
    }
    if (has_replicas_or_wait && url->durability != PAWL_REDIS_D2)
        return "replicas and wait_ms in the Redis URL need durability=d2";
    if (url->user[0] && !url->has_password)
        return "the Redis URL has a user name without a password";
    if (url->sentinel_user[0] && !url->sentinel_password[0])
        return "the Redis URL has sentinel_user without sentinel_password";
    if (!url->certfile[0] != !url->keyfile[0])
        return "certfile and keyfile in the Redis URL need each other";
    return NULL;
}

/* The parts of a URL ----------------------------------------------------------- */

/* user[:password] */
static const char *login_parse(struct span span, struct pawl_redis_url *url)
{
    bool has_colon = span_find(span, ':') != NULL;
    struct span password = span;
    struct span user = span_cut(&password, ':');
    if (!span_decode(user, url->user, sizeof url->user))
        return "the user name in the Redis URL is too long or holds a broken %XX";
    if (!has_colon) return "the Redis URL has a user name without a password (user:password@host)";
    if (!span_decode(password, url->password, sizeof url->password))
        return "the password in the Redis URL is too long or holds a broken %XX";
    url->has_password = url->password[0] != 0;
    if (!url->has_password && url->user[0])
        return "the Redis URL has a user name and an empty password";
    return NULL;
}

/* What is behind the first slash: db, or service/db, or nothing. */
static const char *path_parse(struct span path, struct pawl_redis_url *url)
{
    if (url->topology == PAWL_REDIS_SENTINEL) {
        struct span service = span_cut(&path, '/');
        if (!span_decode(service, url->service, sizeof url->service))
            return "the service in the Redis URL is too long or holds a broken %XX";
        if (url->service[0] == 0)
            return "the Redis URL names no service (redis+sentinel://host:26379/mymaster)";
    }
    if (path.from == path.end) return NULL;
    if (!span_number(path, PAWL_REDIS_DB_MAX, &url->db))
        return "the database in the Redis URL is not a number (redis://host:port/0)";
    if (url->topology == PAWL_REDIS_CLUSTER && url->db != 0)
        return "a Redis Cluster has no databases but 0 (redis+cluster://host:port)";
    return NULL;
}

static void url_text(struct pawl_redis_url *url)
{
    const char *first = url->seeds[0].text;
    const char *more = url->seeds_count > 1 ? ",…" : "";
    char text[sizeof url->text] = "";
    switch (url->topology) {
    case PAWL_REDIS_SINGLE: (void)snprintf(text, sizeof text, "%s", first); break;
    case PAWL_REDIS_SENTINEL:
        (void)snprintf(text, sizeof text, "%.60s (sentinels %.200s%s)", url->service, first, more);
        break;
    case PAWL_REDIS_CLUSTER:
        (void)snprintf(text, sizeof text, "cluster %.200s%s", first, more);
        break;
    }
    memcpy(url->text, text, sizeof text);
}

static const char *tcp_parse(struct span rest, struct pawl_redis_url *url)
{
    struct span query = rest;
    struct span path = span_cut(&query, '?');
    struct span addresses = span_cut(&path, '/');
    const char *at =
        span_size(addresses) ? memrchr(addresses.from, '@', span_size(addresses)) : NULL;
    if (at) {
        const char *why = login_parse((struct span){ addresses.from, at }, url);
        if (why) return why;
        addresses.from = at + 1;
    }
    const char *why = addresses_parse(addresses, url);
    if (!why) why = path_parse(path, url);
    if (!why) why = parameters_parse(query, url);
    return why;
}

/* What fits a socket address. */
#define UNIX_PATH_SIZE_MAX 104u

static const char *unix_parse(struct span rest, struct pawl_redis_url *url)
{
    struct span query = rest;
    struct span path = span_cut(&query, '?');
    if (path.from == path.end || *path.from != '/')
        return "a redis+unix:// URL needs an absolute path (redis+unix:///run/x.sock)";
    struct pawl_redis_address *address = &url->seeds[url->seeds_count++];
    if (!span_decode(path, address->host, UNIX_PATH_SIZE_MAX))
        return "the socket path in the Redis URL is longer than 103 bytes or holds a broken %XX";
    memcpy(address->text, address->host, UNIX_PATH_SIZE_MAX);
    return parameters_parse(query, url);
}

static const struct {
    const char *text;
    enum pawl_redis_topology topology;
    bool is_unix;
    bool is_tls;
} schemes[] = {
    { "redis://", PAWL_REDIS_SINGLE, false, false },
    { "rediss://", PAWL_REDIS_SINGLE, false, true },
    { "redis+unix://", PAWL_REDIS_SINGLE, true, false },
    { "redis+sentinel://", PAWL_REDIS_SENTINEL, false, false },
    { "rediss+sentinel://", PAWL_REDIS_SENTINEL, false, true },
    { "redis+cluster://", PAWL_REDIS_CLUSTER, false, false },
    { "rediss+cluster://", PAWL_REDIS_CLUSTER, false, true },
};

static const char *url_parse(const char *text, struct pawl_redis_url *url)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t size = strlen(schemes[i].text);
        if (strncmp(text, schemes[i].text, size) != 0) continue;
        url->topology = schemes[i].topology;
        url->is_tls = schemes[i].is_tls;
        struct span rest = { text + size, text + strlen(text) };
        return schemes[i].is_unix ? unix_parse(rest, url) : tcp_parse(rest, url);
    }
    return "not a Redis URL; known are redis://host:port/db, redis+unix:///path, "
           "redis+sentinel://host:port/service, redis+cluster://host:port and the same over TLS "
           "with rediss";
}

pawl_err pawl_redis_url_parse(const char *text, struct pawl_redis_url *ret_url,
                              const char **ret_message)
{
    struct pawl_redis_url url = { .verify = PAWL_REDIS_VERIFY_FULL,
                                  .replicas = 1,
                                  .wait_ms = PAWL_STORE_WAIT_MS_DEFAULT };
    const char *why = url_parse(text, &url);
    if (why) {
        *ret_message = why;
    } else {
        url_text(&url);
        *ret_url = url;
    }
    explicit_bzero(&url, sizeof url);
    return why ? PAWL_E_INVALID : PAWL_OK;
}
