#include "base/io/stop_signal.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/io/log.h"
#include "base/limits.h"

static void on_signal(uv_signal_t *handle, int number)
{
    struct pawl_stop_signal *signals = handle->data;
    uint64_t now = uv_now(handle->loop) + 1; /* a clock may begin at 0 */
    if (signals->first_ms == 0) {
        signals->first_ms = now;
        pawl_log(PAWL_LOG_INFO, signals->part, "%s: stopping", strsignal(number));
        signals->on_stop(signals->context);
    } else if (now - signals->first_ms > PAWL_STOP_SAME_MS) {
        pawl_log(PAWL_LOG_WARN, signals->part, "second signal: stopping at once");
        _exit(PAWL_EXIT_STOPPED_AT_ONCE);
    }
}

void pawl_stop_signal_open(struct pawl_stop_signal *signals, uv_loop_t *loop, const char *part,
                           void (*on_stop)(void *context), void *context)
{
    static const int numbers[2] = { SIGTERM, SIGINT };
    *signals = (struct pawl_stop_signal){
        .part = part, .on_stop = on_stop, .context = context, .open = true
    };
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &signals->handles[i]);
        signals->handles[i].data = signals;
        uv_signal_start(&signals->handles[i], on_signal, numbers[i]);
    }
}

void pawl_stop_signal_close(struct pawl_stop_signal *signals)
{
    if (!signals->open) return;
    signals->open = false;
    for (int i = 0; i < 2; i++) uv_close((uv_handle_t *)&signals->handles[i], NULL);
}
