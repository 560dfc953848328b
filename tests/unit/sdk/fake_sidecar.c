#include "fake_sidecar.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h> /* needs the standard ones above */

#include "base/bytes.h"
#include "base/limits.h"

static void on_notify(void *context)
{
    struct fake_sidecar *fake = context;
    uint64_t one = 1;
    ssize_t size = write(fake->wake_fd, &one, sizeof one);
    (void)size; /* full means that a wake is waiting */
}

static void on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    struct fake_sidecar *fake = context;
    (void)endpoint;
    fake->conn = conn;
    fake->opened_count++;
}

static void on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    struct fake_sidecar *fake = context;
    (void)err;
    (void)why;
    if (conn == fake->conn) fake->conn = 0;
    fake->closed_count++;
}

static void refuse(struct fake_sidecar *fake)
{
    struct pawl_frame refused = { .type = PAWL_FRAME_REFUSED };
    refused.refused =
        (struct pawl_refused){ .err = PAWL_E_DENIED, .message = PAWL_BYTES_LITERAL("bad token") };
    fake_send(fake, &refused);
}

static void welcome(struct fake_sidecar *fake)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_WELCOME };
    frame.welcome = (struct pawl_welcome){ .protocol_version = PAWL_PROTOCOL_VERSION,
                                           .app_id = PAWL_BYTES_LITERAL("app"),
                                           .sidecar = PAWL_BYTES_LITERAL("fake"),
                                           .payload_size_max = PAWL_PAYLOAD_SIZE_MAX };
    fake_send(fake, &frame);
}

static void on_frame(void *context, pawl_conn_id conn, struct pawl_bytes bytes)
{
    struct fake_sidecar *fake = context;
    (void)conn;
    struct pawl_frame frame;
    struct pawl_bytes copy = pawl_arena_copy(&fake->arena, bytes);
    assert_int_equal(pawl_frame_decode(copy, &fake->arena, &frame), PAWL_OK);
    switch (frame.type) {
    case PAWL_FRAME_PING: {
        struct pawl_frame pong = { .type = PAWL_FRAME_PONG };
        fake_send(fake, &pong);
        return;
    }
    case PAWL_FRAME_PONG: fake->pongs_count++; return;
    case PAWL_FRAME_CREDIT:
        fake->turn_credit += frame.credit.turns;
        fake->activity_credit += frame.credit.activities;
        return;
    case PAWL_FRAME_HELLO:
        fake->turn_credit = 0;
        fake->activity_credit = 0;
        if (fake->refuse_hello)
            refuse(fake);
        else if (fake->answer_hello)
            welcome(fake);
        break;
    default: break;
    }
    assert_true(fake->frames_count < FAKE_FRAMES_MAX);
    fake->frames[fake->frames_count++] = frame;
}

void fake_open(struct fake_sidecar *fake)
{
    memset(fake, 0, sizeof *fake);
    pawl_arena_init(&fake->arena);
    fake->answer_hello = true;
    fake->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(fake->wake_fd >= 0);
    struct pawl_hub_config config = { .frame_size_max = PAWL_FRAME_SIZE_MAX,
                                      .out_size_max = PAWL_STREAM_OUT_SIZE_MAX,
                                      .connections_max = 8,
                                      .context = fake,
                                      .notify = on_notify,
                                      .on_open = on_open,
                                      .on_frame = on_frame,
                                      .on_close = on_close };
    assert_int_equal(pawl_hub_open(&config, &fake->hub), PAWL_OK);
    const char *why = NULL;
    assert_int_equal(pawl_hub_listen(fake->hub, "tcp://127.0.0.1:0", 1, &why), PAWL_OK);
    (void)snprintf(fake->url, sizeof fake->url, "tcp://127.0.0.1:%u",
                   (unsigned int)pawl_hub_port(fake->hub, 1));
}

void fake_close(struct fake_sidecar *fake)
{
    pawl_hub_close(fake->hub);
    close(fake->wake_fd);
    pawl_arena_deinit(&fake->arena);
}

void fake_serve(struct fake_sidecar *fake, int timeout_ms)
{
    struct pollfd poll_fd = { .fd = fake->wake_fd, .events = POLLIN };
    pawl_hub_flush(fake->hub);
    (void)poll(&poll_fd, 1, timeout_ms);
    uint64_t value;
    ssize_t size = read(fake->wake_fd, &value, sizeof value);
    (void)size;
    pawl_hub_drain(fake->hub);
    pawl_hub_flush(fake->hub);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void fake_until(struct fake_sidecar *fake, const uint32_t *value, uint32_t wanted)
{
    int64_t end_ms = now_ms() + 120000;
    while (*value < wanted) {
        assert_true(now_ms() < end_ms);
        fake_serve(fake, 100);
    }
}

const struct pawl_frame *fake_expect(struct fake_sidecar *fake, enum pawl_frame_type type)
{
    fake_until(fake, &fake->frames_count, fake->frames_first + 1);
    const struct pawl_frame *frame = &fake->frames[fake->frames_first++];
    assert_int_equal(frame->type, type);
    return frame;
}

void fake_send(struct fake_sidecar *fake, const struct pawl_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    assert_int_equal(buf.bad, PAWL_OK);
    assert_int_equal(pawl_hub_send(fake->hub, fake->conn, pawl_buf_view(&buf)), PAWL_OK);
    pawl_buf_deinit(&buf);
    pawl_hub_flush(fake->hub);
}

void fake_drop(struct fake_sidecar *fake)
{
    uint32_t closed = fake->closed_count;
    pawl_hub_end(fake->hub, fake->conn, false);
    fake_until(fake, &fake->closed_count, closed + 1);
}

void fake_expect_nothing(struct fake_sidecar *fake)
{
    fake_serve(fake, 0);
    assert_int_equal(fake->frames_count, fake->frames_first);
}
