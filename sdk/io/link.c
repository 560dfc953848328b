#include "sdk/io/link.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/fsm.h"
#include "base/io/clock.h"
#include "base/io/stream.h"
#include "base/limits.h"

/*   DOWN --time--> DIALING --open--> GREETING --WELCOME--> UP
 *     ^               |                 |                  |
 *     +---------------+-----------------+------------------+ closed
 */
enum link_state {
    LINK_DOWN,     /* next_dial_ms says when to try again */
    LINK_DIALING,  /* conn is the attempt */
    LINK_GREETING, /* HELLO is on its way */
    LINK_UP,
};

static const struct pawl_fsm_state link_states[] = {
    [LINK_DOWN] = { "down", PAWL_FSM_BIT(LINK_DIALING) },
    [LINK_DIALING] = { "dialing", PAWL_FSM_BIT(LINK_GREETING) | PAWL_FSM_BIT(LINK_DOWN) },
    [LINK_GREETING] = { "greeting", PAWL_FSM_BIT(LINK_UP) | PAWL_FSM_BIT(LINK_DOWN) },
    [LINK_UP] = { "up", PAWL_FSM_BIT(LINK_DOWN) },
};

struct pawl_link {
    struct pawl_link_config config;
    char *endpoint;
    struct pawl_hub *hub;
    int wake_fd;
    atomic_bool signalled; /* wake_fd has been written since the last wait */
    uint8_t state;
    bool for_good;
    pawl_err refused; /* this connection's REFUSED */
    char refused_why[256];
    pawl_conn_id conn;
    uint64_t epoch;
    int64_t next_dial_ms;
    int64_t backoff_ms;
    int64_t heard_ms;
    int64_t pinged_ms;
    struct pawl_arena arena; /* of the frame being read */
    struct pawl_buf out;     /* of the frame being written */
};

int64_t pawl_link_now_ms(void)
{
    return pawl_clock_ms(CLOCK_MONOTONIC);
}

/* Sending ------------------------------------------------------------------------- */

static pawl_err send_frame(struct pawl_link *link, const struct pawl_frame *frame)
{
    pawl_buf_clear(&link->out);
    pawl_frame_encode(&link->out, frame);
    if (link->out.bad != PAWL_OK) return link->out.bad;
    return pawl_hub_send(link->hub, link->conn, pawl_buf_view(&link->out));
}

pawl_err pawl_link_send(struct pawl_link *link, const struct pawl_frame *frame)
{
    return link->state == LINK_UP ? send_frame(link, frame) : PAWL_OK;
}

pawl_err pawl_link_send_bytes(struct pawl_link *link, struct pawl_bytes frame)
{
    return link->state == LINK_UP ? pawl_hub_send(link->hub, link->conn, frame) : PAWL_OK;
}

void pawl_link_flush(struct pawl_link *link)
{
    pawl_hub_flush(link->hub);
}

static void send_empty(struct pawl_link *link, enum pawl_frame_type type)
{
    struct pawl_frame frame = { .type = type };
    /* Without memory for ten bytes the silence ends the connection soon enough. */
    if (send_frame(link, &frame) != PAWL_OK) pawl_hub_end(link->hub, link->conn, false);
}

/* What the hub reports ----------------------------------------------------------------- */

static void on_notify(void *context)
{
    pawl_link_wake(context);
}

static void on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    struct pawl_link *link = context;
    (void)endpoint;
    PAWL_ASSERT(conn == link->conn);
    pawl_fsm_move(link_states, &link->state, LINK_GREETING);
    link->heard_ms = pawl_link_now_ms();
    struct pawl_frame frame = { .type = PAWL_FRAME_HELLO, .hello = *link->config.hello };
    if (send_frame(link, &frame) != PAWL_OK) pawl_hub_end(link->hub, conn, false);
}

static void on_refused(struct pawl_link *link, const struct pawl_refused *refused)
{
    link->refused = refused->err ? refused->err : PAWL_E_DENIED;
    size_t size = refused->message.size;
    if (size > sizeof link->refused_why - 1) size = sizeof link->refused_why - 1;
    if (size) memcpy(link->refused_why, refused->message.data, size);
    link->refused_why[size] = 0;
    pawl_hub_end(link->hub, link->conn, false);
}

static void on_welcome(struct pawl_link *link)
{
    if (link->state != LINK_GREETING) {
        pawl_hub_end(link->hub, link->conn, false);
        return;
    }
    pawl_fsm_move(link_states, &link->state, LINK_UP);
    link->backoff_ms = 0;
    link->epoch++;
    link->pinged_ms = link->heard_ms;
    link->config.on_up(link->config.context);
}

static void on_frame(void *context, pawl_conn_id conn, struct pawl_bytes bytes)
{
    struct pawl_link *link = context;
    if (conn != link->conn || link->state == LINK_DOWN) return;
    link->heard_ms = pawl_link_now_ms();
    pawl_arena_reset(&link->arena);
    struct pawl_frame frame;
    if (pawl_frame_decode(bytes, &link->arena, &frame) != PAWL_OK) {
        pawl_hub_end(link->hub, conn, false);
        return;
    }
    switch (frame.type) {
    case PAWL_FRAME_WELCOME: on_welcome(link); break;
    case PAWL_FRAME_REFUSED: on_refused(link, &frame.refused); break;
    case PAWL_FRAME_PING: send_empty(link, PAWL_FRAME_PONG); break;
    case PAWL_FRAME_PONG: break;
    default:
        if (link->state == LINK_UP) link->config.on_frame(link->config.context, &frame);
        break;
    }
}

static void grow_backoff(struct pawl_link *link)
{
    link->backoff_ms = link->backoff_ms ? link->backoff_ms * 2 : PAWL_RECONNECT_MS_MIN;
    if (link->backoff_ms > PAWL_RECONNECT_MS_MAX) link->backoff_ms = PAWL_RECONNECT_MS_MAX;
}

static void on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    struct pawl_link *link = context;
    if (conn != link->conn || link->state == LINK_DOWN) return;
    bool was_up = link->state == LINK_UP;
    pawl_fsm_move(link_states, &link->state, LINK_DOWN);
    link->conn = 0;
    grow_backoff(link);
    link->next_dial_ms = pawl_link_now_ms() + link->backoff_ms;
    if (link->refused != PAWL_OK) why = link->refused_why;
    link->config.on_down(link->config.context, was_up, link->refused,
                         why ? why : pawl_err_text(err));
}

/* Life ------------------------------------------------------------------------------------ */

static char *copy_text(const struct pawl_allocator *allocator, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = allocator->alloc(allocator->context, size);
    if (copy) memcpy(copy, text, size);
    return copy;
}

pawl_err pawl_link_new(const struct pawl_link_config *config, struct pawl_link **ret_link)
{
    const struct pawl_allocator *allocator = config->allocator;
    struct pawl_link *link = allocator->alloc(allocator->context, sizeof *link);
    if (!link) return PAWL_E_NOMEM;
    *link = (struct pawl_link){ .config = *config, .wake_fd = -1 };
    pawl_arena_init(&link->arena);
    pawl_buf_init(&link->out, PAWL_FRAME_SIZE_MAX);

    link->endpoint = copy_text(allocator, config->endpoint);
    link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pawl_err err = link->endpoint && link->wake_fd >= 0 ? PAWL_OK : PAWL_E_NOMEM;
    if (err == PAWL_OK) {
        struct pawl_hub_config hub = { .frame_size_max = PAWL_FRAME_SIZE_MAX,
                                       .out_size_max = PAWL_STREAM_OUT_SIZE_MAX,
                                       .connections_max = 1,
                                       .context = link,
                                       .notify = on_notify,
                                       .on_open = on_open,
                                       .on_frame = on_frame,
                                       .on_close = on_close };
        err = pawl_hub_open(&hub, &link->hub);
    }
    if (err != PAWL_OK) {
        pawl_link_free(link);
        return err;
    }
    *ret_link = link;
    return PAWL_OK;
}

void pawl_link_free(struct pawl_link *link)
{
    if (!link) return;
    const struct pawl_allocator *allocator = link->config.allocator;
    pawl_hub_close(link->hub);
    if (link->wake_fd >= 0) close(link->wake_fd);
    pawl_buf_deinit(&link->out);
    pawl_arena_deinit(&link->arena);
    allocator->free(allocator->context, link->endpoint);
    allocator->free(allocator->context, link);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What time asks for; when it asks next. */
static int64_t step_clock(struct pawl_link *link, int64_t now_ms)
{
    switch (link->state) {
    case LINK_DOWN:
        if (link->for_good) return now_ms + PAWL_HEARTBEAT_MS;
        if (now_ms < link->next_dial_ms) return link->next_dial_ms;
        pawl_fsm_move(link_states, &link->state, LINK_DIALING);
        link->refused = PAWL_OK;
        link->heard_ms = now_ms;
        link->conn = pawl_hub_dial(link->hub, link->endpoint, 0);
        return now_ms + PAWL_SILENCE_MS;
    case LINK_UP:
        if (now_ms - link->pinged_ms >= PAWL_HEARTBEAT_MS) {
            link->pinged_ms = now_ms;
            send_empty(link, PAWL_FRAME_PING);
        }
        break;
    default: break;
    }
    int64_t silence_ms = link->heard_ms + PAWL_SILENCE_MS;
    if (now_ms >= silence_ms) {
        pawl_hub_end(link->hub, link->conn, false);
        return now_ms + PAWL_HEARTBEAT_MS;
    }
    return link->state == LINK_UP ? earlier(silence_ms, link->pinged_ms + PAWL_HEARTBEAT_MS)
                                  : silence_ms;
}

int64_t pawl_link_step(struct pawl_link *link)
{
    pawl_hub_drain(link->hub);
    int64_t now_ms = pawl_link_now_ms();
    int64_t next_ms = step_clock(link, now_ms);
    return next_ms > now_ms ? next_ms - now_ms : 0;
}

void pawl_link_wait(struct pawl_link *link, int64_t timeout_ms)
{
    struct pollfd poll_fd = { .fd = link->wake_fd, .events = POLLIN };
    int timeout = timeout_ms > 60000 ? 60000 : (int)(timeout_ms < 0 ? 0 : timeout_ms);
    int count = poll(&poll_fd, 1, timeout);
    PAWL_ASSERT(count >= 0 || errno == EINTR);
    uint64_t value;
    /* A wake between these two lines writes nothing, and need not: what it is about was
     * queued before it, and the caller looks at its queues after this function. */
    ssize_t size = read(link->wake_fd, &value, sizeof value);
    (void)size; /* nothing to read is fine */
    atomic_store(&link->signalled, false);
}

void pawl_link_wake(struct pawl_link *link)
{
    if (atomic_exchange(&link->signalled, true)) return;
    int saved = errno;
    uint64_t one = 1;
    ssize_t size = write(link->wake_fd, &one, sizeof one);
    (void)size; /* fails only when the counter is full, and then a wake is waiting */
    errno = saved;
}

bool pawl_link_is_up(const struct pawl_link *link)
{
    return link->state == LINK_UP;
}

bool pawl_link_is_over(const struct pawl_link *link)
{
    return link->state == LINK_DOWN && link->for_good;
}

uint64_t pawl_link_epoch(const struct pawl_link *link)
{
    return link->epoch;
}

void pawl_link_end(struct pawl_link *link, bool for_good)
{
    if (for_good) link->for_good = true;
    if (link->conn) pawl_hub_end(link->hub, link->conn, for_good);
}
