/* What bench_app measures with: clocks, counters of work done, and the CPU time and
 * memory of this process and of others. */
#ifndef PAWL_TESTS_BENCH_APP_H
#define PAWL_TESTS_BENCH_APP_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_WATCHED_MAX 4u

struct bench_usage {
    uint64_t time_ns;
    double cpu_s[BENCH_WATCHED_MAX + 1]; /* the watched processes, then this one */
};

/* Other processes, given as name=pid. */
struct bench_watch {
    const char *names[BENCH_WATCHED_MAX];
    long pids[BENCH_WATCHED_MAX];
    uint32_t count;
};

uint64_t bench_now_ns(void);
int64_t bench_wall_ms(void);
void bench_sleep_ms(int64_t ms);

/* `text` (name=pid) is kept. False: not such a text, or too many. */
bool bench_watch_add(struct bench_watch *watch, char *text);

struct bench_usage bench_usage_now(const struct bench_watch *watch);

/* ,"seconds":S,"cpu_s":{…},"rss_peak_kb":{…} on stdout: what passed between the two. */
void bench_usage_print(const struct bench_watch *watch, const struct bench_usage *from,
                       const struct bench_usage *to);

/* A growing list of times, filled from several threads. */
struct bench_times {
    uint32_t *us;
    uint32_t capacity;
    _Atomic uint32_t count; /* may run past the capacity */
};

void bench_times_init(struct bench_times *times, uint32_t capacity);
void bench_times_deinit(struct bench_times *times);
void bench_times_add(struct bench_times *times, uint64_t ns);

/* ,"<name>_p50_us":N,"<name>_p99_us":N on stdout. Sorts. */
void bench_times_print(struct bench_times *times, const char *name);

#endif /* PAWL_TESTS_BENCH_APP_H */
