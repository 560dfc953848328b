/* A client for tests of the Redis backend: a loop, a store, and replies kept as the text
 * that the suite makes of them. */
#ifndef PAWL_TESTS_CONFORMANCE_REDIS_CLIENT_H
#define PAWL_TESTS_CONFORMANCE_REDIS_CLIENT_H

#include "state/io/redis.h"

#define REDIS_CLIENT_REPLIES_MAX 8192u

struct redis_client_reply {
    uint64_t token;
    pawl_err err;
    uint32_t partition;
    char *text;
    char *message;
};

struct redis_client {
    uv_loop_t loop;
    struct pawl_store *store;
    bool ready;
    uint32_t state_changes;
    char why[512];
    uint32_t clocks_count; /* readings of the server's clock */
    struct pawl_clock_reading clock;
    uint32_t replies_count; /* since the last redis_client_forget */
    struct redis_client_reply replies[REDIS_CLIENT_REPLIES_MAX];
};

/* Longer than any busy machine lets anybody wait: what takes so long will never come. */
#define REDIS_CLIENT_PATIENCE_MS 120000u

/* As the product's, but a server or this process may stand still for many seconds, and no
 * request fails for that. */
extern const struct pawl_redis_options redis_client_patient;

/* As pawl_store_redis_open, with that patience. */
pawl_err redis_client_store_open(const struct pawl_store_config *config,
                                 struct pawl_store **ret_store, const char **ret_message);

/* Namespace "test", app "app". `options` NULL: redis_client_patient. `partitions` 0:
 * read only. Does not wait. */
void redis_client_open(struct redis_client *client, const char *url, uint32_t partitions,
                       const struct pawl_redis_options *options);

/* Run the loop until on_state said so; fails the test after
 * twice REDIS_CLIENT_PATIENCE_MS. */
void redis_client_wait_ready(struct redis_client *client, bool ready);

/* Run the loop until `count` replies are there in all. */
void redis_client_wait_replies(struct redis_client *client, uint32_t count);

void redis_client_submit(struct redis_client *client, const struct pawl_store_request *request);
void redis_client_flush(struct redis_client *client);

/* Submit, flush, wait: the reply is the last one kept. */
const struct redis_client_reply *redis_client_call(struct redis_client *client,
                                                   const struct pawl_store_request *request);

void redis_client_forget(struct redis_client *client);

/* Closes the store and checks that the loop lets go of everything. */
void redis_client_close(struct redis_client *client);

#endif /* PAWL_TESTS_CONFORMANCE_REDIS_CLIENT_H */
