#include <inttypes.h>

#include "base/io/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "sidecar/loop_internal.h"

/* BOOTTIME, because timers of workflows go on while a laptop sleeps; and because nobody can
 * set it, it never goes back, whatever happens to the wall clock. */
static int64_t steady_now_ms(void)
{
    return pawl_clock_ms(CLOCK_BOOTTIME);
}

int64_t pawl_loop_now_ms(const struct pawl_loop *loop)
{
    return pawl_slew_now_ms(&loop->clock, steady_now_ms());
}

void pawl_loop_clock_init(struct pawl_loop *loop)
{
    loop->started_ms = pawl_clock_ms(CLOCK_REALTIME);
    pawl_slew_init(&loop->clock, loop->started_ms, steady_now_ms());
}

/* Written with a point, and no sign: the sentence says which way. */
struct distance {
    int64_t s;
    int64_t ms;
    bool is_ahead;
};

static struct distance distance_of(int64_t ms)
{
    int64_t size_ms = ms < 0 ? -ms : ms;
    return (struct distance){ .s = size_ms / 1000, .ms = size_ms % 1000, .is_ahead = ms > 0 };
}

static void machine_report(const struct pawl_loop *loop, int64_t store_ahead_ms)
{
    struct distance off = distance_of(store_ahead_ms);
    pawl_log(PAWL_LOG_WARN, "store",
             "the clock of this machine is %" PRId64 ".%03" PRId64
             " s %s that of %s. Workflows go by the store's, at all sidecars; the log goes by "
             "this machine's. Set the clock that is wrong (timedatectl, chronyc tracking)",
             off.s, off.ms, off.is_ahead ? "behind" : "ahead of", loop->config.store_url);
}

static void jump_report(const struct pawl_loop *loop, int64_t jump_ms)
{
    struct distance jump = distance_of(jump_ms);
    pawl_log(PAWL_LOG_WARN, "store",
             "the clock of %s has jumped by %" PRId64 ".%03" PRId64
             " s %s (it was set, or another server is the master now). This sidecar follows "
             "by %d ms a second, so no timer fires early or is lost; one started now takes the new "
             "time at once. Keep the clocks of all the store's servers right",
             loop->config.store_url, jump.s, jump.ms, jump.is_ahead ? "ahead" : "back",
             1000 / PAWL_CLOCK_SLEW_DIVISOR);
}

void pawl_loop_clock_on_reading(void *context, const struct pawl_clock_reading *reading)
{
    struct pawl_loop *loop = context;
    if (loop->state == LOOP_CLOSED) return;
    bool is_first = !loop->clock_was_read;
    loop->clock_was_read = true;
    int64_t off_ms = pawl_slew_read(&loop->clock, reading, steady_now_ms());
    loop->armed_ms = -1; /* the timer goes by another clock now */
    if (off_ms <= PAWL_CLOCK_JUMP_MS && off_ms >= -PAWL_CLOCK_JUMP_MS) return;
    if (is_first)
        machine_report(loop, off_ms);
    else
        jump_report(loop, off_ms);
}

uint64_t pawl_loop_clock_wait_ms(const struct pawl_loop *loop, int64_t wake_ms)
{
    return (uint64_t)pawl_slew_wait_ms(&loop->clock, wake_ms, steady_now_ms());
}

void pawl_loop_clock_info(const struct pawl_loop *loop, struct pawl_api_info *info)
{
    int64_t steady_ms = steady_now_ms();
    info->clock_skew_ms = pawl_slew_now_ms(&loop->clock, steady_ms) - pawl_clock_ms(CLOCK_REALTIME);
    info->clock_left_ms = pawl_slew_left_ms(&loop->clock, steady_ms);
}
