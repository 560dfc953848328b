#include "state/io/redis_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define TCP_SCHEME  "redis://"
#define UNIX_SCHEME "redis+unix://"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Decode [from, end) into `out`; false: a broken %XX, a 0 byte, or no room. */
static bool part_decode(const char *from, const char *end, char *out, size_t out_size)
{
    size_t size = 0;
    while (from < end) {
        char c = *from++;
        if (c == '%') {
            if (end - from < 2) return false;
            int high = hex_digit(from[0]);
            int low = hex_digit(from[1]);
            if (high < 0 || low < 0) return false;
            c = (char)(high << 4 | low);
            from += 2;
        }
        if (c == 0 || size + 1 >= out_size) return false;
        out[size++] = c;
    }
    out[size] = 0;
    return true;
}

static bool number_parse(const char *from, const char *end, uint32_t max, uint32_t *ret_number)
{
    if (from == end || end - from > 9) return false;
    uint32_t number = 0;
    for (; from < end; from++) {
        if (*from < '0' || *from > '9') return false;
        number = number * 10 + (uint32_t)(*from - '0');
    }
    if (number > max) return false;
    *ret_number = number;
    return true;
}

#define DB_MAX 65535u

/* user[:password] */
static const char *login_parse(const char *from, const char *end, struct pawl_redis_url *url)
{
    const char *colon = memchr(from, ':', (size_t)(end - from));
    const char *user_end = colon ? colon : end;
    if (!part_decode(from, user_end, url->user, sizeof url->user))
        return "the user name in the Redis URL is too long or holds a broken %XX";
    if (!colon) return "the Redis URL has a user name without a password (user:password@host)";
    if (!part_decode(colon + 1, end, url->password, sizeof url->password))
        return "the password in the Redis URL is too long or holds a broken %XX";
    url->has_password = url->password[0] != 0;
    if (!url->has_password && url->user[0])
        return "the Redis URL has a user name and an empty password";
    return NULL;
}

/* host[:port], [v6]:port */
static const char *address_parse(const char *from, const char *end, struct pawl_redis_url *url)
{
    const char *host_end;
    const char *rest;
    if (from >= end) return "the Redis URL names no host (redis://host:port)";
    if (*from == '[') {
        from++;
        host_end = memchr(from, ']', (size_t)(end - from));
        if (!host_end) return "the IPv6 address in the Redis URL has no closing bracket";
        rest = host_end + 1;
    } else {
        host_end = memchr(from, ':', (size_t)(end - from));
        if (!host_end) host_end = end;
        rest = host_end;
    }
    if (from == host_end) return "the Redis URL names no host (redis://host:port)";
    if (!part_decode(from, host_end, url->host, sizeof url->host))
        return "the host in the Redis URL is too long or holds a broken %XX";

    uint32_t port = 6379;
    if (rest < end && (*rest != ':' || !number_parse(rest + 1, end, 65535, &port) || port == 0))
        return "the port in the Redis URL is not a number from 1 to 65535";
    (void)snprintf(url->port, sizeof url->port, "%u", (unsigned)port);
    return NULL;
}

static const char *tcp_parse(const char *from, struct pawl_redis_url *url)
{
    const char *end = from + strlen(from);
    if (memchr(from, '?', (size_t)(end - from)))
        return "a redis:// URL takes no ?parameters (redis://user:password@host:port/db)";

    const char *slash = memchr(from, '/', (size_t)(end - from));
    const char *address_end = slash ? slash : end;
    if (slash && slash + 1 < end && !number_parse(slash + 1, end, DB_MAX, &url->db))
        return "the database in the Redis URL is not a number (redis://host:port/0)";

    const char *at = memrchr(from, '@', (size_t)(address_end - from));
    if (at) {
        const char *why = login_parse(from, at, url);
        if (why) return why;
    }
    const char *why = address_parse(at ? at + 1 : from, address_end, url);
    if (why) return why;
    bool v6 = strchr(url->host, ':') != NULL;
    (void)snprintf(url->text, sizeof url->text, v6 ? "[%s]:%s" : "%s:%s", url->host, url->port);
    return NULL;
}

static const char *parameter_parse(const char *from, const char *end, struct pawl_redis_url *url)
{
    struct pawl_bytes all = pawl_bytes_make(from, (size_t)(end - from));
    if (pawl_bytes_starts_with(all, PAWL_BYTES_LITERAL("db="))) {
        if (!number_parse(from + 3, end, DB_MAX, &url->db))
            return "the parameter db in the Redis URL is not a number";
        return NULL;
    }
    if (pawl_bytes_starts_with(all, PAWL_BYTES_LITERAL("user="))) {
        if (!part_decode(from + 5, end, url->user, sizeof url->user))
            return "the parameter user in the Redis URL is too long or holds a broken %XX";
        return NULL;
    }
    if (pawl_bytes_starts_with(all, PAWL_BYTES_LITERAL("password="))) {
        if (!part_decode(from + 9, end, url->password, sizeof url->password))
            return "the parameter password in the Redis URL is too long or holds a broken %XX";
        url->has_password = url->password[0] != 0;
        return NULL;
    }
    return "a redis+unix:// URL knows the parameters db, user and password only";
}

static const char *unix_parse(const char *from, struct pawl_redis_url *url)
{
    url->is_unix = true;
    const char *end = from + strlen(from);
    const char *question = memchr(from, '?', (size_t)(end - from));
    const char *path_end = question ? question : end;
    if (*from != '/')
        return "a redis+unix:// URL needs an absolute path (redis+unix:///run/x.sock)";
    if (!part_decode(from, path_end, url->path, sizeof url->path))
        return "the socket path in the Redis URL is longer than 103 bytes or holds a broken %XX";
    (void)snprintf(url->text, sizeof url->text, "%s", url->path);

    while (question) {
        const char *part = question + 1;
        question = memchr(part, '&', (size_t)(end - part));
        const char *why = parameter_parse(part, question ? question : end, url);
        if (why) return why;
    }
    if (url->user[0] && !url->has_password)
        return "the Redis URL has a user name without a password";
    return NULL;
}

pawl_err pawl_redis_url_parse(const char *text, struct pawl_redis_url *ret_url,
                              const char **ret_message)
{
    struct pawl_redis_url url = { .db = 0 };
    const char *why;
    if (strncmp(text, TCP_SCHEME, strlen(TCP_SCHEME)) == 0)
        why = tcp_parse(text + strlen(TCP_SCHEME), &url);
    else if (strncmp(text, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0)
        why = unix_parse(text + strlen(UNIX_SCHEME), &url);
    else if (strncmp(text, "rediss://", 9) == 0 || strncmp(text, "redis+cluster://", 16) == 0
             || strncmp(text, "redis+sentinel://", 17) == 0)
        why = "Redis over TLS, Cluster and Sentinel are not supported; known are "
              "redis://host:port/db and redis+unix:///path";
    else
        why = "not a Redis URL (redis://host:port/db or redis+unix:///path)";
    if (why) {
        *ret_message = why;
        return PAWL_E_INVALID;
    }
    *ret_url = url;
    return PAWL_OK;
}
