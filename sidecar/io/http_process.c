#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sidecar/io/http_internal.h"

/* statm: total and resident pages are its first two numbers. */
static int64_t resident_bytes(void)
{
    char text[128];
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return -1;
    bool good = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    if (!good) return -1;
    char *second = strchr(text, ' ');
    if (!second) return -1;
    char *end;
    long long pages = strtoll(second, &end, 10);
    return end != second ? (int64_t)pages * sysconf(_SC_PAGESIZE) : -1;
}

static int64_t open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) return -1;
    int64_t count = -3; /* "." and ".." and the one that reads */
    while (readdir(dir)) count++;
    closedir(dir);
    return count;
}

void pawl_process_stats_read(struct pawl_process_stats *ret_stats)
{
    struct rusage usage;
    struct rlimit limit;
    *ret_stats = (struct pawl_process_stats){
        .cpu_seconds = -1, .resident_bytes = resident_bytes(), .open_fds = open_fds(), .max_fds = -1
    };
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        ret_stats->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                                 + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        ret_stats->max_fds = (int64_t)limit.rlim_cur;
    }
}
