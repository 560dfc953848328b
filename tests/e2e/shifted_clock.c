/* Preloaded into a program, it sets the clock of the program's machine ahead or back, by
 * SHIFTED_CLOCK_S seconds: what date(1) shows, not what measures how much time has passed. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* In the C library's headers their arguments must not be NULL, but may be. */
int clock_gettime(clockid_t clock, struct timespec *ret_now);
int gettimeofday(struct timeval *ret_now, void *zone);
time_t time(time_t *ret_now);

static time_t shift_s(void)
{
    const char *text = getenv("SHIFTED_CLOCK_S");
    return text ? (time_t)strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, ret_now);
    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret_now->tv_sec += shift_s();
    return rc;
}

int gettimeofday(struct timeval *ret_now, void *zone)
{
    (void)zone;
    struct timespec now;
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    if (rc == 0) *ret_now = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    return rc;
}

time_t time(time_t *ret_now)
{
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret_now) *ret_now = now.tv_sec;
    return now.tv_sec;
}
