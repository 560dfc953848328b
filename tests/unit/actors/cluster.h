/* Cluster: three nodes, two of app "x" and one of app "y", a reference store per app, and
 * links between them that keep order. Nothing is lost or late unless a test says so. Frames
 * between nodes go through their codec. */
#ifndef PAWL_TESTS_UNIT_ACTORS_CLUSTER_H
#define PAWL_TESTS_UNIT_ACTORS_CLUSTER_H

#include "actors/node.h"
#include "state/mem.h"

#define CLUSTER_HOSTS       3u
#define CLUSTER_PARTITIONS  4u /* of each app */
#define CLUSTER_FRAMES_MAX  4096u
#define CLUSTER_ANSWERS_MAX 256u

enum cluster_host { X1, X2, Y1 };

/* Numbers of connections. */
enum cluster_worker {
    TURNS = 7,  /* runs the workflow "W" */
    TASKS = 8,  /* runs the activity "A" */
    BUSY = 9,   /* has registered "A", and room for none */
    OLDER = 10, /* of an older version: has registered the activity "B" */
};

struct cluster_item;

struct cluster_answer {
    uint64_t token;
    pawl_err err;
    bool reached;
    struct pawl_bytes message;
    struct pawl_bytes cursor;
    uint32_t events_count;
    enum pawl_status status; /* of the first state */
    struct pawl_bytes output;
    struct pawl_bytes waiting_for;
};

struct cluster_node {
    struct pawl_node *node;
    struct pawl_effects effects;
    int64_t wake_at_ms;
    bool is_dead;          /* hears nothing, and is not in the next list */
    bool is_leaving;       /* in the next list */
    bool is_deaf;          /* does not get the next list */
    bool has_turns;        /* in the last list: a worker for workflows */
    uint32_t frames_count; /* to its worker, oldest first */
    uint32_t frames_seen;
    struct pawl_frame *frames[CLUSTER_FRAMES_MAX];
    uint32_t errors_logged;
};

struct cluster {
    struct cluster_node nodes[CLUSTER_HOSTS];
    struct pawl_mem *mems[2];
    struct pawl_arena arena; /* of all that is kept */
    int64_t now_ms;
    uint64_t version; /* of the last list */
    uint64_t last_token;
    struct cluster_item *first; /* on its way to a node */
    struct cluster_item *last;
    uint32_t answers_count;
    struct cluster_answer answers[CLUSTER_ANSWERS_MAX];
    uint32_t sent[PAWL_PEER_FRAME_TYPES_END]; /* peer frames by type, lost ones too */
    bool lose[PAWL_PEER_FRAME_TYPES_END];     /* … that do not arrive */
    struct pawl_purge last_purge;             /* asked of a store */
    pawl_err last_message_done;               /* what the last MESSAGE_DONE said */
    uint32_t answered;                        /* MESSAGE_DONE with an event */
    uint32_t unknown[PAWL_STORE_OPS_END];     /* so many requests are applied, and answered so */
};

/* Everybody has the list and owns what is its own; nobody has a worker. */
struct cluster *cluster_new(void);
struct cluster *cluster_new_limited(uint32_t count, const struct pawl_limit_rule *rules);
void cluster_free(struct cluster *cluster);

void cluster_step(struct cluster *cluster, enum cluster_host host, struct pawl_node_event event);
void cluster_pass(struct cluster *cluster, int64_t ms);

/* Tell everybody who lives who is there. */
void cluster_tell_members(struct cluster *cluster);

/* A list of this version reaches this host, and has nobody else in it. */
void cluster_tell_alone(struct cluster *cluster, enum cluster_host host, uint64_t version);

/* Its memory is gone and its links with it; the list still has it. */
void cluster_kill(struct cluster *cluster, enum cluster_host host);

/* It was only frozen: it goes on where it was when it seemed to be killed. */
void cluster_revive(struct cluster *cluster, enum cluster_host host);

/* Placement hears of it with the next list. */
void cluster_connect(struct cluster *cluster, enum cluster_host host, enum cluster_worker worker);
void cluster_disconnect(struct cluster *cluster, enum cluster_host host,
                        enum cluster_worker worker);

/* An id that this host owns, by the present list; `nth` of them. */
const char *cluster_instance(struct cluster *cluster, enum cluster_host host, uint32_t nth);

/* The answer, or NULL as long as there is none. */
const struct cluster_answer *cluster_answer(const struct cluster *cluster, uint64_t token);
uint64_t cluster_ask(struct cluster *cluster, enum cluster_host host,
                     const struct pawl_request *request);
pawl_err cluster_call(struct cluster *cluster, enum cluster_host host, enum pawl_request_op op,
                      const char *app, const char *instance);
pawl_err cluster_start(struct cluster *cluster, enum cluster_host host, const char *instance);

/* What a client sees; there must be one. */
struct cluster_answer cluster_get(struct cluster *cluster, enum cluster_host host, const char *app,
                                  const char *instance);

/* The next frame of this type to the host's worker, or NULL. */
const struct pawl_frame *cluster_next(struct cluster *cluster, enum cluster_host host,
                                      enum pawl_frame_type type);

/* Answer the next turn of the host's worker; there must be one. */
void cluster_turn(struct cluster *cluster, enum cluster_host host, uint32_t actions_count,
                  struct pawl_action *actions);
/* … with the end. */
void cluster_complete(struct cluster *cluster, enum cluster_host host, const char *output);

/* The failure in the next turn of the host's worker; there must be one. */
struct pawl_failure_view cluster_failure(struct cluster *cluster, enum cluster_host host);

/* End an activity at the host's worker. */
void cluster_activity_done(struct cluster *cluster, enum cluster_host host,
                           const struct pawl_activity_item *item);

/* A frame that no node has sent. */
void cluster_forge(struct cluster *cluster, enum cluster_host from, enum cluster_host to,
                   const struct pawl_peer_frame *frame);

struct pawl_action cluster_activity(int32_t id, const char *target_app, int64_t start_within_ms);
struct pawl_action cluster_child(int32_t id, const char *target_app, const char *instance);

#endif /* PAWL_TESTS_UNIT_ACTORS_CLUSTER_H */
