/* To be preloaded into a program: its wall clock is ahead of the machine's by as many seconds as
 * the file CLOCK_AHEAD_FILE says, an int64_t that may change while the program runs. Steady clocks
 * stay as they are. (libfaketime does not start with jemalloc, which Debian's Redis has.) */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* An allocator may ask for the time before anything is set up, so this takes no memory. */
static const volatile int64_t *file_map(void)
{
    const char *path = getenv("CLOCK_AHEAD_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort(); /* a clock that is silently right would prove nothing */
    (void)close(fd);
    return mapped;
}

static time_t ahead_s(void)
{
    static _Atomic(const volatile int64_t *) file;
    const volatile int64_t *mapped = atomic_load(&file);
    if (!mapped) atomic_store(&file, mapped = file_map());
    return (time_t)*mapped;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    long rc = syscall(SYS_clock_gettime, clock, ret_time);
    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret_time->tv_sec += ahead_s();
    return (int)rc;
}

int gettimeofday(struct timeval *restrict ret_time, void *restrict zone)
{
    long rc = syscall(SYS_gettimeofday, ret_time, zone);
    if (rc == 0) ret_time->tv_sec += ahead_s();
    return (int)rc;
}

time_t time(time_t *ret_time)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret_time) *ret_time = now.tv_sec;
    return now.tv_sec;
}
