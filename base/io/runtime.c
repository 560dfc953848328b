#include "base/io/runtime.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"

#define LINE_SIZE_MAX 1024
#define FD_MAX        1000000

static const char *say(struct pawl_arena *arena, const char *path, const char *what)
{
    return (const char *)pawl_arena_printf(arena, "%s: %s", path, what).data;
}

pawl_err pawl_runtime_folder_make(const char *path, struct pawl_arena *arena,
                                  const char **ret_message)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        *ret_message = say(arena, path, strerror(errno));
        return PAWL_E_DENIED;
    }
    struct stat info;
    if (lstat(path, &info) != 0) {
        *ret_message = say(arena, path, strerror(errno));
        return PAWL_E_DENIED;
    }
    if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 077) != 0) {
        *ret_message = say(arena, path,
                           "is not a folder of this user alone (mode 0700). Remove it, or choose "
                           "another place for the socket with --app-listen");
        return PAWL_E_DENIED;
    }
    return PAWL_OK;
}

pawl_err pawl_runtime_line_read(const char *path, struct pawl_arena *arena, const char **ret_line,
                                const char **ret_message)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        *ret_message = say(arena, path, strerror(errno));
        return PAWL_E_UNAVAILABLE;
    }
    char line[LINE_SIZE_MAX];
    size_t size = fread(line, 1, sizeof line - 1, file);
    int error = ferror(file) ? errno : 0; /* EISDIR, for one: a folder can be opened */
    fclose(file);
    if (error != 0) {
        *ret_message = say(arena, path, strerror(error));
        return PAWL_E_UNAVAILABLE;
    }
    line[size] = 0;
    line[strcspn(line, "\r\n")] = 0;
    *ret_line = (const char *)pawl_arena_printf(arena, "%s", line).data;
    explicit_bzero(line, sizeof line);
    return PAWL_OK;
}

pawl_err pawl_runtime_token_read(const char *path, bool (*is_valid)(const char *),
                                 struct pawl_arena *arena, const char **ret_token,
                                 const char **ret_message)
{
    const char *why = NULL;
    pawl_err err = pawl_runtime_line_read(path, arena, ret_token, &why);
    if (err != PAWL_OK) {
        *ret_message =
            (const char *)pawl_arena_printf(arena, "cannot read the token file %s", why).data;
        return err;
    }
    if (is_valid(*ret_token)) return PAWL_OK;
    *ret_message = (const char *)pawl_arena_printf(
                       arena,
                       "the first line of the token file %s is no token: it must be 1 to %u "
                       "printable ASCII characters without spaces",
                       path, PAWL_TOKEN_ASKED_SIZE_MAX)
                       .data;
    return PAWL_E_INVALID;
}

bool pawl_runtime_fd_parse(const char *text, int *ret_fd)
{
    char *end = NULL;
    errno = 0;
    long fd = strtol(text, &end, 10);
    if (errno != 0 || *text == 0 || *end != 0 || fd < 0 || fd > FD_MAX) return false;
    *ret_fd = (int)fd;
    return true;
}

void pawl_runtime_ready_tell(int *fd, struct pawl_bytes line, const char *part)
{
    if (*fd < 0) return;
    if (write(*fd, line.data, line.size) != (ssize_t)line.size)
        pawl_log(PAWL_LOG_WARN, part, "cannot write to --ready-fd: %s", strerror(errno));
    close(*fd);
    *fd = -1;
}

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_' || c == '.';
}

const char *pawl_runtime_host_id(struct pawl_arena *arena)
{
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == 0)
        snprintf(host, sizeof host, "host");
    for (char *c = host; *c; c++) {
        if (!is_host_char(*c)) *c = '-';
    }
    return (const char *)pawl_arena_printf(arena, "%s-%ld-%08" PRIx32, host, (long)getpid(),
                                           (uint32_t)pawl_runtime_seed())
        .data;
}

/* Link-local addresses mean nothing without the name of the interface. */
static bool address_is_useful(const struct ifaddrs *item, int family)
{
    if (!item->ifa_addr || item->ifa_addr->sa_family != family) return false;
    if (!(item->ifa_flags & IFF_UP) || (item->ifa_flags & IFF_LOOPBACK)) return false;
    if (family != AF_INET6) return true;
    const struct sockaddr_in6 *in6 = (const void *)item->ifa_addr;
    return !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
}

static const char *address_text(struct pawl_arena *arena, const struct ifaddrs *item)
{
    char text[INET6_ADDRSTRLEN] = "";
    bool is_v6 = item->ifa_addr->sa_family == AF_INET6;
    const void *address =
        is_v6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)item->ifa_addr)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)item->ifa_addr)->sin_addr;
    if (!inet_ntop(item->ifa_addr->sa_family, address, text, sizeof text)) return NULL;
    return (const char *)pawl_arena_printf(arena, is_v6 ? "[%s]" : "%s", text).data;
}

const char *pawl_runtime_address(struct pawl_arena *arena)
{
    static const int families[] = { AF_INET, AF_INET6 };
    struct ifaddrs *all = NULL;
    const char *found = NULL;
    if (getifaddrs(&all) != 0) return NULL;
    for (size_t i = 0; i < sizeof families / sizeof families[0] && !found; i++) {
        for (const struct ifaddrs *item = all; item && !found; item = item->ifa_next) {
            if (address_is_useful(item, families[i])) found = address_text(arena, item);
        }
    }
    freeifaddrs(all);
    return found;
}

struct pawl_id pawl_runtime_id(void)
{
    struct pawl_id id;
    ssize_t size = getrandom(id.bytes, sizeof id.bytes, 0);
    PAWL_ASSERT(size == (ssize_t)sizeof id.bytes); /* so few bytes always come whole */
    return id;
}

uint64_t pawl_runtime_seed(void)
{
    uint64_t seed = 0;
    ssize_t size = getrandom(&seed, sizeof seed, 0);
    PAWL_ASSERT(size == (ssize_t)sizeof seed); /* so few bytes always come whole */
    return seed;
}
