#include "peer_fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"

static uint64_t outside_dial(void *context, const char *url)
{
    struct outside *outside = context;
    assert_true(outside->dials_count < RECORDS_MAX);
    char *text = outside->dialled[outside->dials_count++];
    snprintf(text, sizeof outside->dialled[0], "%s", url);
    return ++outside->next_conn;
}

static pawl_err outside_send(void *context, uint64_t conn, struct pawl_bytes bytes)
{
    struct outside *outside = context;
    assert_true(outside->sent_count < RECORDS_MAX);
    outside->sent_to[outside->sent_count] = conn;
    outside->sent_size[outside->sent_count] = bytes.size;
    struct pawl_peer_frame *frame = &outside->sent[outside->sent_count++];
    struct pawl_bytes kept = pawl_arena_copy(&outside->arena, bytes);
    assert_int_equal(pawl_peer_frame_decode(kept, &outside->arena, frame), PAWL_OK);
    return PAWL_OK;
}

static void outside_end(void *context, uint64_t conn, bool linger)
{
    struct outside *outside = context;
    assert_true(outside->ended_count < RECORDS_MAX);
    outside->lingered[outside->ended_count] = linger;
    outside->ended[outside->ended_count++] = conn;
}

struct pawl_peer_frame peer_gone(uint64_t token)
{
    return (struct pawl_peer_frame){ .type = PAWL_PEER_GONE, .call = { .token = token } };
}

static void outside_step(void *context, const struct pawl_node_event *event)
{
    struct outside *outside = context;
    assert_true(outside->events_count < RECORDS_MAX);
    struct pawl_node_event *kept = &outside->events[outside->events_count++];
    *kept = *event;
    if (event->type != PAWL_NODE_MEMBERS) {
        kept->peer.host = pawl_arena_copy(&outside->arena, event->peer.host);
        kept->peer.app = pawl_arena_copy(&outside->arena, event->peer.app);
    }
    if (event->type == PAWL_NODE_PEER_FRAME || pawl_bytes_is_absent(outside->reply_to)) return;
    struct pawl_peer_frame frame = peer_gone(99);
    pawl_peer_stream_send(outside->stream, outside->reply_to, &frame, event->now_ms);
}

static void log_sink(void *context, enum pawl_log_level level, const char *part, const char *text)
{
    struct outside *outside = context;
    assert_string_equal(part, "peers");
    assert_null(strstr(text, "s3cret"));
    if (level <= PAWL_LOG_WARN) outside->warned_count++;
}

struct outside *outside_new(const char *token)
{
    struct outside *outside = calloc(1, sizeof *outside);
    assert_non_null(outside);
    outside->next_conn = 1000; /* accepted ones of the tests are below it */
    pawl_arena_init(&outside->arena);
    pawl_log_set(PAWL_LOG_DEBUG, log_sink, outside);
    outside->stream = pawl_peer_stream_new(&(struct pawl_peer_stream_config){
        .namespace_ = "prod",
        .app = "shop",
        .host = "b",
        .token = token,
        .frame_size_max = PAWL_PEER_FRAME_SIZE_MAX,
        .outside = { outside, outside_dial, outside_send, outside_end, outside_step } });
    return outside;
}

void outside_free(struct outside *outside)
{
    pawl_peer_stream_free(outside->stream);
    pawl_arena_deinit(&outside->arena);
    pawl_log_set(PAWL_LOG_ERROR, NULL, NULL);
    free(outside);
}

int outside_setup(void **state)
{
    *state = outside_new(NULL);
    return 0;
}

int outside_teardown(void **state)
{
    outside_free(*state);
    return 0;
}

void outside_list(struct outside *outside, const char *hosts, int64_t now_ms)
{
    struct pawl_member items[8];
    char address[8][32];
    struct pawl_members members = { .version = ++outside->version, .items = items };
    for (; *hosts; hosts++) {
        snprintf(address[members.count], sizeof address[0], "tcp://10.0.0.%c:3502", *hosts);
        items[members.count] = (struct pawl_member){
            .host = pawl_bytes_make(hosts, 1),
            .app = pawl_bytes_str(*hosts == 'c' ? "bank" : "shop"),
            .address = pawl_bytes_str(address[members.count]),
            .partitions = 8,
        };
        members.count++;
    }
    pawl_peer_stream_on_members(outside->stream, &members, now_ms);
}

void outside_hear(struct outside *outside, uint64_t conn, struct pawl_peer_frame frame,
                  int64_t now_ms)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_PEER_FRAME_SIZE_MAX);
    pawl_peer_frame_encode(&buf, &frame);
    assert_int_equal(buf.bad, PAWL_OK);
    pawl_peer_stream_on_frame(outside->stream, conn, pawl_buf_view(&buf), now_ms);
    pawl_buf_deinit(&buf);
}

struct pawl_peer_frame peer_greeting(enum pawl_peer_frame_type type, const char *host)
{
    return (struct pawl_peer_frame){ .type = type,
                                     .hello = { .protocol_version = PAWL_PEER_PROTOCOL_VERSION,
                                                .namespace_ = PAWL_BYTES_LITERAL("prod"),
                                                .app = pawl_bytes_str(
                                                    strcmp(host, "c") == 0 ? "bank" : "shop"),
                                                .host = pawl_bytes_str(host) } };
}

void outside_credit(struct outside *outside, uint64_t conn, uint64_t bytes, int64_t now_ms)
{
    outside_hear(outside, conn,
                 (struct pawl_peer_frame){ .type = PAWL_PEER_CREDIT, .credit = bytes }, now_ms);
}

void outside_node_sends(struct outside *outside, const char *host, uint64_t token, int64_t now_ms)
{
    struct pawl_peer_frame frame = peer_gone(token);
    pawl_peer_stream_send(outside->stream, pawl_bytes_str(host), &frame, now_ms);
}

void outside_node_sends_bytes(struct outside *outside, const char *host, size_t size,
                              int64_t now_ms)
{
    uint8_t *body = calloc(1, size);
    assert_non_null(body);
    struct pawl_peer_frame frame = { .type = PAWL_PEER_MESSAGE,
                                     .message = { .id = { { 1 } },
                                                  .body = pawl_bytes_make(body, size) } };
    pawl_peer_stream_send(outside->stream, pawl_bytes_str(host), &frame, now_ms);
    free(body);
}

void outside_forget(struct outside *outside)
{
    outside->dials_count = outside->sent_count = outside->ended_count = 0;
    outside->events_count = outside->warned_count = 0;
}

void outside_accepted(struct outside *outside, const char *host, uint64_t conn, int64_t now_ms)
{
    pawl_peer_stream_on_open(outside->stream, conn, false, now_ms);
    outside_hear(outside, conn, peer_greeting(PAWL_PEER_HELLO, host), now_ms);
    outside_credit(outside, conn, PAWL_PEER_WINDOW, now_ms);
    outside_forget(outside);
}

uint64_t outside_dialled(struct outside *outside, const char *host, int64_t now_ms)
{
    outside_node_sends(outside, host, 1, now_ms);
    uint64_t conn = outside->next_conn;
    pawl_peer_stream_on_open(outside->stream, conn, true, now_ms);
    outside_hear(outside, conn, peer_greeting(PAWL_PEER_WELCOME, host), now_ms);
    outside_credit(outside, conn, PAWL_PEER_WINDOW, now_ms);
    outside_forget(outside);
    return conn;
}

const struct pawl_peer_metrics *outside_metrics(const struct outside *outside)
{
    return pawl_peer_stream_metrics(outside->stream);
}

void assert_ended(const struct outside *outside, uint64_t conn)
{
    for (uint32_t i = 0; i < outside->ended_count; i++) {
        if (outside->ended[i] == conn) return;
    }
    fail_msg("connection %llu is not ended", (unsigned long long)conn);
}

void assert_refused(const struct outside *outside, uint64_t conn, pawl_err err, const char *says)
{
    assert_true(outside->sent_count > 0);
    const struct pawl_peer_frame *last = &outside->sent[outside->sent_count - 1];
    assert_int_equal(outside->sent_to[outside->sent_count - 1], conn);
    assert_int_equal(last->type, PAWL_PEER_REFUSED);
    assert_int_equal(last->refused.err, err);
    char text[PAWL_MESSAGE_SIZE_MAX + 1] = { 0 };
    memcpy(text, last->refused.message.data, last->refused.message.size);
    if (!strstr(text, says)) fail_msg("\"%s\" does not say \"%s\"", text, says);
    assert_ended(outside, conn);
    assert_true(outside->lingered[outside->ended_count - 1]);
}

void assert_down(const struct outside *outside, uint32_t at, const char *host)
{
    assert_true(at < outside->events_count);
    assert_int_equal(outside->events[at].type, PAWL_NODE_PEER_DOWN);
    assert_true(pawl_bytes_is_str(outside->events[at].peer.host, host));
}
