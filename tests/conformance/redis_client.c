#include "redis_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

/* Printing --------------------------------------------------------------------- */

static void print_bytes(struct pawl_buf *buf, const char *name, struct pawl_bytes bytes)
{
    pawl_buf_printf(buf, " %s=", name);
    if (pawl_bytes_is_absent(bytes)) {
        pawl_buf_append_str(buf, "(absent)");
        return;
    }
    pawl_buf_append_str(buf, "'");
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.data[i];
        bool plain = c >= 32 && c < 127 && c != '\\';
        if (plain)
            pawl_buf_append(buf, &c, 1);
        else
            pawl_buf_printf(buf, "\\%02x", c);
    }
    pawl_buf_append_str(buf, "'");
}

static void print_id(struct pawl_buf *buf, const char *name, struct pawl_id id)
{
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, text);
    pawl_buf_printf(buf, " %s=%s", name, text);
}

static void print_metadata(struct pawl_buf *buf, const struct pawl_metadata *m)
{
    print_id(buf, "inc", m->inc);
    print_id(buf, "last", m->last);
    pawl_buf_printf(buf,
                    " gen=%u turn=%u history=%u/%" PRIu64 " inbox=%u-%u status=%d created=%" PRId64
                    " start=%" PRId64 " started=%" PRId64 " updated=%" PRId64 " completed=%" PRId64,
                    m->gen, m->turn, m->history_count, m->history_size, m->inbox_head,
                    m->inbox_tail, (int)m->status, m->created_ms, m->start_at_ms, m->started_ms,
                    m->updated_ms, m->completed_ms);
    print_bytes(buf, "name", m->name);
    print_bytes(buf, "version", m->version);
    print_bytes(buf, "request", m->request_id);
    print_bytes(buf, "parent", m->parent);
}

static void print_snapshot(struct pawl_buf *buf, const struct pawl_snapshot *s)
{
    print_metadata(buf, &s->metadata);
    print_bytes(buf, "custom", s->custom_status);
    print_bytes(buf, "input", s->payloads.input);
    print_bytes(buf, "output", s->payloads.output);
    print_bytes(buf, "failure", s->payloads.failure);
    for (uint32_t i = 0; i < s->pending_count; i++) {
        const struct pawl_pending *p = &s->pending[i];
        pawl_buf_printf(buf, "\n pending %c:%u %016" PRIx64 " %d @%u", p->op.kind, p->op.id,
                        p->nonce, (int)p->state, p->history_index);
        print_bytes(buf, "event", p->event);
    }
    for (uint32_t i = 0; i < s->inbox_count; i++) {
        pawl_buf_printf(buf, "\n inbox %u", s->inbox[i].index);
        print_id(buf, "delivery", s->inbox[i].delivery);
        print_bytes(buf, "body", s->inbox[i].body);
    }
    pawl_buf_printf(buf, "\n history from %u:", s->history_from);
    for (uint32_t i = 0; i < s->history_count; i++) print_bytes(buf, "event", s->history[i]);
}

static void print_poll(struct pawl_buf *buf, const struct pawl_store_reply *reply)
{
    pawl_buf_printf(buf, " skipped=%u next=%" PRId64 " counts", reply->poll.skipped,
                    reply->poll.next_due_ms);
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        pawl_buf_printf(buf, " %" PRIu64, reply->poll.counts[i]);
    for (uint32_t i = 0; i < reply->poll.items_count; i++) {
        const struct pawl_poll_item *item = &reply->poll.items[i];
        const struct pawl_reminder *r = &item->reminder;
        pawl_buf_printf(buf, "\n %c due=%" PRId64 " gen=%u op=%d:%u %016" PRIx64, (char)r->kind,
                        r->due_ms, r->gen, r->op.kind, r->op.id, r->nonce);
        print_id(buf, "inc", r->inc);
        print_id(buf, "message", r->message);
        print_bytes(buf, "instance", r->instance);
        print_bytes(buf, "body", item->body);
    }
}

static void print_query(struct pawl_buf *buf, const struct pawl_store_reply *reply)
{
    for (uint32_t i = 0; i < reply->query.rows_count; i++) {
        const struct pawl_query_row *row = &reply->query.rows[i];
        print_bytes(buf, "\n instance", row->instance);
        print_metadata(buf, &row->metadata);
        print_bytes(buf, "custom", row->custom_status);
    }
    if (!reply->query.more) return;
    pawl_buf_printf(buf, "\n more behind %" PRId64, reply->query.scanned_created_ms);
    print_bytes(buf, "instance", reply->query.scanned_instance);
}

void redis_reply_print(struct pawl_buf *buf, const struct pawl_store_reply *reply)
{
    pawl_buf_printf(buf, "%s %u %s", pawl_store_op_name((int)reply->op), reply->partition,
                    pawl_err_name(reply->err));
    bool has_metadata =
        reply->err == PAWL_OK || reply->err == PAWL_E_DUPLICATE || reply->err == PAWL_E_EXISTS;
    if (reply->op == PAWL_STORE_CREATE && has_metadata)
        print_metadata(buf, &reply->create.metadata);
    if (reply->op == PAWL_STORE_ACQUIRE && (reply->err == PAWL_OK || reply->err == PAWL_E_CONFLICT))
        pawl_buf_printf(buf, " epoch=%" PRIu64 " table=%" PRIu64, reply->acquire.epoch,
                        reply->acquire.table_version);
    if (reply->err) return;
    switch (reply->op) {
    case PAWL_STORE_LOAD: print_snapshot(buf, &reply->load.snapshot); return;
    case PAWL_STORE_COMMIT:
        pawl_buf_printf(buf, " inbox=%u-%u", reply->commit.inbox_head, reply->commit.inbox_tail);
        return;
    case PAWL_STORE_DELIVER: pawl_buf_printf(buf, " index=%u", reply->deliver.index); return;
    case PAWL_STORE_POLL: print_poll(buf, reply); return;
    case PAWL_STORE_QUERY: print_query(buf, reply); return;
    case PAWL_STORE_ACQUIRE:
    case PAWL_STORE_CREATE:
    case PAWL_STORE_PURGE:
    case PAWL_STORE_OUTDONE:
    case PAWL_STORE_OPS_END: return;
    }
}

/* The client ------------------------------------------------------------------- */

static void on_reply(void *context, const struct pawl_store_reply *reply)
{
    struct redis_client *client = context;
    PAWL_ASSERT(client->replies_count < REDIS_CLIENT_REPLIES_MAX);
    struct pawl_buf buf;
    pawl_buf_init(&buf, 1u << 28);
    redis_reply_print(&buf, reply);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    client->replies[client->replies_count++] = (struct redis_client_reply){
        .token = reply->token,
        .err = reply->err,
        .partition = reply->partition,
        .text = strndup((const char *)buf.data, buf.size),
        .message = strndup(reply->message.size ? (const char *)reply->message.data : "",
                           reply->message.size),
    };
    pawl_buf_deinit(&buf);
}

static void on_state(void *context, bool ready, const char *why)
{
    struct redis_client *client = context;
    client->ready = ready;
    client->state_changes++;
    (void)snprintf(client->why, sizeof client->why, "%s", why);
}

void redis_client_open(struct redis_client *client, const char *url, uint32_t partitions,
                       const struct pawl_redis_options *options)
{
    static const struct pawl_redis_options usual = { .timeout_ms = PAWL_STORE_TIMEOUT_MS,
                                                     .waiting_max = PAWL_STORE_WAITING_MAX };
    memset(client, 0, sizeof *client);
    PAWL_ASSERT(uv_loop_init(&client->loop) == 0);
    struct pawl_store_config config = {
        .loop = &client->loop,
        .url = url,
        .app = "app",
        .namespace_ = "test",
        .partitions = partitions,
        .on_reply = on_reply,
        .on_state = on_state,
        .context = client,
    };
    const char *message = NULL;
    pawl_err err =
        pawl_redis_store_open(&config, options ? options : &usual, &client->store, &message);
    if (err) (void)fprintf(stderr, "open: %s\n", message);
    PAWL_ASSERT(err == PAWL_OK);
    PAWL_ASSERT(client->state_changes == 0);
}

static void on_late(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void run_until(struct redis_client *client, bool (*done)(const struct redis_client *, int),
                      int wanted)
{
    bool late = false;
    uv_timer_t timer;
    (void)uv_timer_init(&client->loop, &timer);
    timer.data = &late;
    (void)uv_timer_start(&timer, on_late, 20000, 0);
    while (!done(client, wanted) && !late) (void)uv_run(&client->loop, UV_RUN_ONCE);
    if (late)
        (void)fprintf(stderr, "late: wanted %d, replies %u, ready %d, %s\n", wanted,
                      client->replies_count, (int)client->ready, client->why);
    PAWL_ASSERT(!late);
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&client->loop, UV_RUN_NOWAIT);
}

static bool is_ready(const struct redis_client *client, int wanted)
{
    return client->state_changes > 0 && client->ready == (wanted != 0);
}

void redis_client_wait_ready(struct redis_client *client, bool ready)
{
    run_until(client, is_ready, ready);
}

static bool has_replies(const struct redis_client *client, int wanted)
{
    return client->replies_count >= (uint32_t)wanted;
}

void redis_client_wait_replies(struct redis_client *client, uint32_t count)
{
    run_until(client, has_replies, (int)count);
}

void redis_client_submit(struct redis_client *client, const struct pawl_store_request *request)
{
    uint32_t before = client->replies_count;
    client->store->ops->submit(client->store, request);
    PAWL_ASSERT(client->replies_count == before);
}

void redis_client_flush(struct redis_client *client)
{
    client->store->ops->flush(client->store);
}

const struct redis_client_reply *redis_client_call(struct redis_client *client,
                                                   const struct pawl_store_request *request)
{
    if (client->replies_count == REDIS_CLIENT_REPLIES_MAX) redis_client_forget(client);
    uint32_t wanted = client->replies_count + 1;
    redis_client_submit(client, request);
    redis_client_flush(client);
    redis_client_wait_replies(client, wanted);
    return &client->replies[wanted - 1];
}

void redis_client_forget(struct redis_client *client)
{
    for (uint32_t i = 0; i < client->replies_count; i++) {
        free(client->replies[i].text);
        free(client->replies[i].message);
    }
    client->replies_count = 0;
}

void redis_client_close(struct redis_client *client)
{
    client->store->ops->close(client->store);
    (void)uv_run(&client->loop, UV_RUN_DEFAULT);
    PAWL_ASSERT(uv_loop_close(&client->loop) == 0);
    redis_client_forget(client);
}
