/* SIGTERM and SIGINT of a server. The first asks it to stop in order; a later one ends the
 * process at once, with PAWL_EXIT_STOPPED_AT_ONCE, for whoever does not want to wait.
 *
 * Who sends a signal to a process and to its group sends it twice, within microseconds:
 * timeout(1) does, and so do some supervisors. Whatever comes within PAWL_STOP_SAME_MS of
 * the first is the same wish.
 */
#ifndef PAWL_BASE_IO_STOP_SIGNAL_H
#define PAWL_BASE_IO_STOP_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define PAWL_EXIT_STOPPED_AT_ONCE 3

struct pawl_stop_signal {
    uv_signal_t handles[2];
    const char *part; /* of the log */
    void (*on_stop)(void *context);
    void *context;
    uint64_t first_ms; /* 0: none yet; of the loop's clock */
    bool open;
};

/* `part` and `signals` must live until the handles are closed. */
void pawl_stop_signal_open(struct pawl_stop_signal *signals, uv_loop_t *loop, const char *part,
                           void (*on_stop)(void *context), void *context);

/* Does nothing when it is not open (all zero). The loop must run once more to close the handles. */
void pawl_stop_signal_close(struct pawl_stop_signal *signals);

#endif /* PAWL_BASE_IO_STOP_SIGNAL_H */
