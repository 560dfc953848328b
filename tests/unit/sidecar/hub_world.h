/* A gRPC port with everything behind it in one thread: the HTTP/2 server, the durabletask
 * service, its workers, a real engine and the reference store. No sockets, no waiting. */
#ifndef PAWL_TESTS_HUB_WORLD_H
#define PAWL_TESTS_HUB_WORLD_H

#include "grpc_world.h"
#include "sidecar/taskhub.h"
#include "state/mem.h"

struct hub_call;
struct hub_todo;

struct hub_world {
    struct grpc_world wire;
    struct grpc_link *link; /* of the usual client */
    struct pawl_arena arena;
    struct pawl_taskhub *hub;
    struct pawl_grpc_workers *workers;
    struct pawl_api api;
    struct pawl_node *node;
    struct pawl_mem *mem;
    struct pawl_effects effects;
    struct hub_todo *todo;  /* replies of the store */
    struct hub_call *calls; /* asked, not answered */
    uint64_t last_token;
    bool store_away;       /* its requests are refused */
    int64_t store_slow_ms; /* each of its replies takes so long */
    enum pawl_dialect dialect;
};

void hub_world_init(struct hub_world *world, enum pawl_dialect dialect);
void hub_world_deinit(struct hub_world *world);

/* Everything that follows from what was done, until nothing moves. */
void hub_world_run(struct hub_world *world);
void hub_world_pass(struct hub_world *world, int64_t ms);

/* A call on the usual connection, and all that follows. `rpc` is a name of the service, or
 * a whole path. */
struct grpc_reply *hub_world_call(struct hub_world *world, const char *rpc,
                                  const ProtobufCMessage *message);

/* The message with that number of a reply; it must be there. */
void *hub_world_message(struct hub_world *world, const struct grpc_reply *reply, uint32_t index,
                        const ProtobufCMessageDescriptor *descriptor);

/* A stream of work, and its item with that number: NULL when it has not come. */
struct grpc_reply *hub_world_work(struct hub_world *world, int32_t turns, int32_t activities);
Pawl__WorkItem *hub_world_item(struct hub_world *world, const struct grpc_reply *stream,
                               uint32_t index);

ProtobufCBinaryData hub_text(const char *text);
bool hub_is(ProtobufCBinaryData data, const char *text);

/* The instance's status by GetInstance; -1: there is none. */
int hub_world_status(struct hub_world *world, const char *instance);

#endif /* PAWL_TESTS_HUB_WORLD_H */
