#include "base/slew.h"

#include "base/assert.h"
#include "base/limits.h"

void pawl_slew_init(struct pawl_slew *slew, int64_t unix_ms, int64_t steady_ms)
{
    int64_t offset_ms = unix_ms - steady_ms;
    *slew = (struct pawl_slew){ .offset_ms = offset_ms, .since_ms = steady_ms, .to_ms = offset_ms };
}

void pawl_slew_use(struct pawl_slew *slew)
{
    slew->is_in_use = true;
}

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    if (value < min) return min;
    return value > max ? max : value;
}

static int64_t offset_at(const struct pawl_slew *slew, int64_t steady_ms)
{
    PAWL_ASSERT(steady_ms >= slew->since_ms);
    int64_t most_ms = (steady_ms - slew->since_ms) / PAWL_CLOCK_SLEW_DIVISOR;
    return slew->offset_ms + clamp(slew->to_ms - slew->offset_ms, -most_ms, most_ms);
}

int64_t pawl_slew_read(struct pawl_slew *slew, const struct pawl_clock_reading *reading,
                       int64_t steady_ms)
{
    PAWL_ASSERT(reading->asked_ms <= reading->answered_ms);
    int64_t before_ms = slew->to_ms;
    slew->offset_ms = offset_at(slew, steady_ms);
    slew->since_ms = steady_ms;
    slew->to_ms = clamp(before_ms, reading->unix_ms - reading->answered_ms,
                        reading->unix_ms - reading->asked_ms);
    if (!slew->is_in_use) slew->offset_ms = slew->to_ms;
    return slew->to_ms - before_ms;
}

int64_t pawl_slew_now_ms(const struct pawl_slew *slew, int64_t steady_ms)
{
    return steady_ms + offset_at(slew, steady_ms);
}

int64_t pawl_slew_left_ms(const struct pawl_slew *slew, int64_t steady_ms)
{
    return slew->to_ms - offset_at(slew, steady_ms);
}

int64_t pawl_slew_wait_ms(const struct pawl_slew *slew, int64_t unix_ms, int64_t steady_ms)
{
    int64_t wait_ms = unix_ms - pawl_slew_now_ms(slew, steady_ms);
    if (wait_ms <= 0) return 0;
    if (pawl_slew_left_ms(slew, steady_ms) <= 0) return wait_ms;
    int64_t gain_ms = wait_ms / (PAWL_CLOCK_SLEW_DIVISOR + 1); /* while that time passes */
    return wait_ms - gain_ms;
}
