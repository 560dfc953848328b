/* A gRPC server and its clients in one thread, without sockets and with a clock that is
 * turned by hand. */
#ifndef PAWL_TESTS_GRPC_WORLD_H
#define PAWL_TESTS_GRPC_WORLD_H

#include "grpc_client.h"
#include "sidecar/grpc.h"

#define GRPC_WORLD_START INT64_C(1700000000000)

/* One connection as the world sees it. */
struct grpc_link {
    struct grpc_world *world;
    struct grpc_client client;
    struct pawl_grpc_conn *conn; /* NULL: refused, or closed */
    struct pawl_buf to_client;
    struct pawl_buf to_server;
    uint32_t writes_count; /* sends of the server */
    bool is_stuck;         /* the transport takes what it is given and asks for a pause */
    bool is_raw;           /* nobody reads to_client but the test */
    bool is_ended;         /* the server asked for the end */
};

struct grpc_world {
    struct pawl_grpc *grpc;
    int64_t now_ms;
    bool is_awake;
    uint32_t links_count;
    struct grpc_link **links;
};

void grpc_world_init(struct grpc_world *world, const struct pawl_grpc_service *service,
                     const char *token);
void grpc_world_deinit(struct grpc_world *world);

/* A connection. `window`: as grpc_client_init. */
struct grpc_link *grpc_world_connect(struct grpc_world *world, uint32_t window);

/* Carry bytes both ways until nothing moves. */
void grpc_world_run(struct grpc_world *world);

/* Let time pass, with ticks when the server asked for them. */
void grpc_world_pass(struct grpc_world *world, int64_t ms);

/* Bytes that no client made. */
void grpc_link_feed(struct grpc_link *link, struct pawl_bytes bytes);

/* The client is gone without a word. */
void grpc_link_cut(struct grpc_link *link);

#endif /* PAWL_TESTS_GRPC_WORLD_H */
