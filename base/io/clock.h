/* Clock: the time of the operating system. Only adapters ask for it; all else is told. */
#ifndef PAWL_BASE_IO_CLOCK_H
#define PAWL_BASE_IO_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/assert.h"

/* In ms: since 1970 (CLOCK_REALTIME), or since any time (CLOCK_MONOTONIC, which stands while
 * the machine sleeps; CLOCK_BOOTTIME, which does not). */
static inline int64_t pawl_clock_ms(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) PAWL_UNREACHABLE("these clocks exist on Linux");
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif /* PAWL_BASE_IO_CLOCK_H */
