#include "base/io/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"

#define LINE_SIZE_MAX 1024

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
    fclose(file);
    line[size] = 0;
    line[strcspn(line, "\r\n")] = 0;
    *ret_line = (const char *)pawl_arena_printf(arena, "%s", line).data;
    explicit_bzero(line, sizeof line);
    return PAWL_OK;
}

const char *pawl_runtime_name(struct pawl_arena *arena)
{
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == 0)
        snprintf(host, sizeof host, "host");
    return (const char *)pawl_arena_printf(arena, "%s:%ld", host, (long)getpid()).data;
}

uint64_t pawl_runtime_seed(void)
{
    uint64_t seed = 0;
    ssize_t size = getrandom(&seed, sizeof seed, 0);
    PAWL_ASSERT(size == (ssize_t)sizeof seed); /* so few bytes always come whole */
    return seed;
}
