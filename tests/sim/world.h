/* World: what the parts of the simulator share: the queue of things that happen, the
 * sidecars, the apps beside them, the clients. Included by tests/sim/ .c files only. */
#ifndef PAWL_TESTS_SIM_WORLD_H
#define PAWL_TESTS_SIM_WORLD_H

#include "base/heap.h"
#include "base/list.h"
#include "tests/sim/sim.h"

enum item_kind {
    ITEM_STORE_APPLY = 1,
    ITEM_STORE_REPLY,
    ITEM_TO_APP,
    ITEM_TO_NODE,
    ITEM_WAKE,
    ITEM_NODE_START,
    ITEM_APP_CONNECT,
    ITEM_ACTIVITY_END,
    ITEM_CLIENT,
    ITEM_FAULTS,
    ITEM_OWN,
};

/* Something that happens at a time. Owns its arena. */
struct item {
    struct pawl_heap_node node;
    enum item_kind kind;
    uint32_t target; /* node or client */
    uint64_t life;   /* of the target when it was sent: another one is not meant */
    uint32_t partition;
    uint64_t version;
    bool silent; /* apply, but nobody hears of it */
    bool lost;   /* STORE_REPLY: what arrives is UNKNOWN */
    struct pawl_arena arena;
    struct pawl_store_request request;
    struct pawl_store_reply reply;
    struct pawl_bytes frame;
    pawl_err err;
};

/* What an app's process remembers of an instance. */
struct held {
    struct pawl_list link;
    struct pawl_bytes instance; /* owned */
    struct pawl_id turn;
    uint32_t count;
    uint32_t capacity;
    struct pawl_bytes *events; /* owned each */
};

/* The app beside a node: one worker connection, one cache. */
struct app {
    uint64_t life; /* of the connection; 0: away */
    struct pawl_list held;
    struct pawl_arena past; /* HISTORY frames of the next turn */
    uint32_t past_count;
    struct pawl_bytes *past_events;
    int64_t to_node_ms; /* links keep order */
    int64_t to_app_ms;
};

struct node {
    uint64_t life; /* 0: dead */
    struct pawl_node *node;
    struct pawl_effects effects;
    int64_t wake_ms; /* of the last WAKE put in the queue */
    int64_t apply_ms;
    int64_t reply_ms;
    struct app app;
};

enum client_state {
    CLIENT_START,
    CLIENT_RAISE,
    CLIENT_SUSPEND,
    CLIENT_RESUME,
    CLIENT_TERMINATE,
    CLIENT_DONE
};

/* A client that starts one root and raises its events, each until it is answered. */
struct client {
    char instance[32];
    uint64_t seed;
    enum client_state state;
    uint32_t events_wanted;
    uint32_t events_raised;
    uint64_t attempt; /* token of the present one */
    bool will_suspend;
    bool will_terminate;
    bool started;
};

struct sim {
    uint64_t seed;
    bool verbose;
    bool calm; /* the liveness phase */
    int64_t now_ms;
    uint64_t trace;
    uint64_t lives;
    struct pawl_heap queue;
    struct pawl_rng world, network, workload;
    struct sim_faults faults;
    struct sim_coverage *coverage;
    struct pawl_mem *mem;
    struct sim_check *check;
    struct node nodes[SIM_NODES];
    uint32_t owner[SIM_PARTITIONS];
    uint64_t table_version;
    uint32_t clients_count;
    struct client clients[SIM_ROOTS_MAX];
};

bool sim_chance(struct pawl_rng *rng, uint32_t permille);
int64_t sim_draw_ms(struct pawl_rng *rng, uint32_t max_ms);
struct item *sim_item_new(enum item_kind kind, uint32_t target, uint64_t life);
void sim_item_free(struct item *item);
void sim_item_at(struct sim *sim, struct item *item, int64_t at_ms);

/* Step a living node and carry out its effects. */
void sim_node_step(struct sim *sim, uint32_t target, struct pawl_node_event event);

/* The app beside a node (app.c). */
void sim_app_connect(struct sim *sim, uint32_t target);
void sim_app_on_frame(struct sim *sim, struct item *item);
void sim_app_drop_all(struct app *app);
void sim_activity_end(struct sim *sim, struct item *item);
void sim_node_on_frame(struct sim *sim, struct item *item);

/* Clients (client.c). */
void sim_client_step(struct sim *sim, uint32_t index);
void sim_client_again(struct sim *sim, uint32_t index, int64_t in_ms);
void sim_client_on_answer(struct sim *sim, uint64_t token, pawl_err err);

#endif /* PAWL_TESTS_SIM_WORLD_H */
