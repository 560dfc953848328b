#include "redis_client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "suite.h"

/* The client ------------------------------------------------------------------- */

static void on_reply(void *context, const struct pawl_store_reply *reply)
{
    struct redis_client *client = context;
    PAWL_ASSERT(client->replies_count < REDIS_CLIENT_REPLIES_MAX);
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_bytes text = suite_reply_text(&arena, reply);
    client->replies[client->replies_count++] = (struct redis_client_reply){
        .token = reply->token,
        .err = reply->err,
        .partition = reply->partition,
        .text = strndup((const char *)text.data, text.size),
        .message = strndup(reply->message.size ? (const char *)reply->message.data : "",
                           reply->message.size),
    };
    pawl_arena_deinit(&arena);
}

static void on_state(void *context, bool ready, const char *why)
{
    struct redis_client *client = context;
    client->ready = ready;
    client->state_changes++;
    (void)snprintf(client->why, sizeof client->why, "%s", why ? why : "");
}

static void on_clock(void *context, const struct pawl_clock_reading *reading)
{
    struct redis_client *client = context;
    client->clocks_count++;
    client->clock = *reading;
}

const struct pawl_redis_options redis_client_patient = { .timeout_ms = REDIS_CLIENT_PATIENCE_MS,
                                                         .waiting_max = PAWL_STORE_WAITING_MAX,
                                                         .held_ms = REDIS_CLIENT_PATIENCE_MS,
                                                         .wait_ms = REDIS_CLIENT_PATIENCE_MS / 2 };

pawl_err redis_client_store_open(const struct pawl_store_config *config,
                                 struct pawl_store **ret_store, const char **ret_message)
{
    return pawl_redis_store_open(config, &redis_client_patient, ret_store, ret_message);
}

void redis_client_open(struct redis_client *client, const char *url, uint32_t partitions,
                       const struct pawl_redis_options *options)
{
    memset(client, 0, sizeof *client);
    (void)signal(SIGPIPE, SIG_IGN); /* as in every program of ours: a write to a lost server */
    PAWL_ASSERT(uv_loop_init(&client->loop) == 0);
    struct pawl_store_config config = {
        .loop = &client->loop,
        .url = url,
        .app = "app",
        .namespace_ = "test",
        .partitions = partitions,
        .read_only = partitions == 0,
        .on_reply = on_reply,
        .on_state = on_state,
        .on_clock = on_clock,
        .context = client,
    };
    const char *message = NULL;
    pawl_err err = pawl_redis_store_open(&config, options ? options : &redis_client_patient,
                                         &client->store, &message);
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
    (void)uv_timer_start(&timer, on_late, 2 * REDIS_CLIENT_PATIENCE_MS, 0);
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
