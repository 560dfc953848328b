#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench_app.h"

#define NS_PER_S 1000000000u

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int64_t bench_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void bench_sleep_ms(int64_t ms)
{
    struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

/* Processes ------------------------------------------------------------------------ */

bool bench_watch_add(struct bench_watch *watch, char *text)
{
    char *equals = strchr(text, '=');
    if (!equals || watch->count == BENCH_WATCHED_MAX) return false;
    *equals = 0;
    char *end;
    long pid = strtol(equals + 1, &end, 10);
    if (pid <= 0 || *end != 0) return false;
    watch->names[watch->count] = text;
    watch->pids[watch->count++] = pid;
    return true;
}

/* The whole of /proc/<pid>/<name> as text; "" when it is gone. */
static void proc_read(long pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    text[0] = 0;
    FILE *file = fopen(path, "r");
    if (!file) return;
    size_t got = fread(text, 1, size - 1, file);
    text[got] = 0;
    fclose(file);
}

/* User and system time: fields 14 and 15, counted from behind the name, which may hold
 * anything. */
static double process_cpu_s(long pid)
{
    char text[1024];
    proc_read(pid, "stat", text, sizeof text);
    char *at = strrchr(text, ')');
    if (!at) return 0;
    at += 2;
    for (int field = 3; field < 14; field++) {
        at = strchr(at, ' ');
        if (!at) return 0;
        at++;
    }
    uint64_t user = strtoull(at, &at, 10);
    uint64_t system = strtoull(at, &at, 10);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static long process_rss_peak_kb(long pid)
{
    char text[4096];
    proc_read(pid, "status", text, sizeof text);
    const char *at = strstr(text, "VmHWM:");
    return at ? strtol(at + strlen("VmHWM:"), NULL, 10) : 0;
}

struct bench_usage bench_usage_now(const struct bench_watch *watch)
{
    struct bench_usage usage = { .time_ns = bench_now_ns() };
    for (uint32_t i = 0; i < watch->count; i++) usage.cpu_s[i] = process_cpu_s(watch->pids[i]);
    struct rusage self;
    getrusage(RUSAGE_SELF, &self);
    usage.cpu_s[watch->count] = (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec)
                                + (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec) / 1e6;
    return usage;
}

void bench_usage_print(const struct bench_watch *watch, const struct bench_usage *from,
                       const struct bench_usage *to)
{
    printf(",\"seconds\":%.4f,\"cpu_s\":{", (double)(to->time_ns - from->time_ns) / NS_PER_S);
    for (uint32_t i = 0; i < watch->count; i++) {
        printf("\"%s\":%.3f,", watch->names[i], to->cpu_s[i] - from->cpu_s[i]);
    }
    printf("\"app\":%.3f},\"rss_peak_kb\":{", to->cpu_s[watch->count] - from->cpu_s[watch->count]);
    for (uint32_t i = 0; i < watch->count; i++) {
        printf("\"%s\":%ld,", watch->names[i], process_rss_peak_kb(watch->pids[i]));
    }
    printf("\"app\":%ld}", process_rss_peak_kb((long)getpid()));
}

/* Times ------------------------------------------------------------------------------ */

void bench_times_init(struct bench_times *times, uint32_t capacity)
{
    *times =
        (struct bench_times){ .us = calloc(capacity, sizeof *times->us), .capacity = capacity };
    if (!times->us) abort();
}

void bench_times_deinit(struct bench_times *times)
{
    free(times->us);
    *times = (struct bench_times){ .us = NULL };
}

void bench_times_add(struct bench_times *times, uint64_t ns)
{
    uint32_t index = times->count++;
    if (index < times->capacity) times->us[index] = (uint32_t)(ns / 1000);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

void bench_times_print(struct bench_times *times, const char *name)
{
    uint32_t count = times->count < times->capacity ? times->count : times->capacity;
    if (count == 0) return;
    qsort(times->us, count, sizeof *times->us, by_value);
    printf(",\"%s_p50_us\":%u,\"%s_p99_us\":%u", name, times->us[(count - 1) / 2], name,
           times->us[(uint64_t)(count - 1) * 99 / 100]);
}
