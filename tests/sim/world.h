/* World: what the parts of the simulator share: the queue of things that happen, the
 * sidecars, the apps beside them, the clients. Included by tests/sim/ .c files only.
 *
 *   world.c       the queue, a run from its seed to its verdict
 *   stores.c      requests to the stores and their replies
 *   nodes.c       sidecars: steps, effects, crashes, pauses
 *   app.c         the app beside each sidecar
 *   peers.c       links between sidecars
 *   placements.c  placement replicas, their lease, links between them and sidecars
 *   faults.c      what goes wrong, drawn from the seed
 *   client.c      clients;  program.c  what workflows do;  check.c  what must hold
 *   schedules.c   clients with schedules
 *   limits.c      concurrency limits
 *   runs.c        activities that run twice
 *   starts.c      children that an earlier start gets back
 *   watchers.c    subscribers to lifecycle events
 *   hostile.c     apps that answer for others
 */
#ifndef PAWL_TESTS_SIM_WORLD_H
#define PAWL_TESTS_SIM_WORLD_H

#include "base/heap.h"
#include "base/list.h"
#include "placement/follower.h"
#include "placement/leader.h"
#include "placement/membership.h"
#include "sdk/schedule.h"
#include "state/lease.h"
#include "tests/sim/sim.h"

enum item_kind {
    ITEM_STORE_APPLY = 1,
    ITEM_STORE_REPLY,
    ITEM_TO_APP,
    ITEM_TO_NODE,
    ITEM_WAKE,
    ITEM_STORE_BACK,
    ITEM_NODE_START,
    ITEM_NODE_STOP,
    ITEM_NODE_CRASH,
    ITEM_APP_CONNECT,
    ITEM_APP_RENEW,
    ITEM_ACTIVITY_END,
    ITEM_CLIENT,
    ITEM_SCHEDULE,
    ITEM_OPERATOR,
    ITEM_WATCHER,
    ITEM_FAULTS,
    ITEM_PEER_FRAME,
    ITEM_PEER_DOWN,
    ITEM_FOLLOWER_WAKE,
    ITEM_TO_FOLLOWER,
    ITEM_FOLLOWER_CLOSED,
    ITEM_PLACEMENT_START,
    ITEM_PLACEMENT_WAKE,
    ITEM_LEASE_APPLY,
    ITEM_LEASE_REPLY,
    ITEM_PLACEMENT_OPEN,
    ITEM_TO_PLACEMENT,
    ITEM_PLACEMENT_CLOSED,
};

/* Something that happens at a time. Owns its arena. */
struct item {
    struct pawl_heap_node node;
    enum item_kind kind;
    uint32_t target;     /* node, placement replica or client */
    uint64_t life;       /* of the target when it was sent: another one is not meant */
    int64_t deferred_ms; /* its target stood still until then */
    uint32_t app;        /* STORE_APPLY: whose store */
    uint32_t from;       /* PEER_*: node */
    uint64_t
        link; /* PEER_FRAME: generation of the link; placement: number of the link; WAKE: its own */
    uint32_t shard_generation; /* STORE_REPLY: when it was applied */
    uint64_t log_number;       /* … it rests on this entry of the log, and those before it */
    bool silent;               /* apply, but nobody hears of it */
    bool lost;                 /* STORE_REPLY: what arrives is UNKNOWN */
    struct pawl_arena arena;
    struct pawl_store_request request;
    struct pawl_store_reply reply;
    struct pawl_bytes frame;
    struct pawl_bytes host;         /* PEER_*: the sender's name */
    struct pawl_leader_event lease; /* LEASE_REPLY */
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
    uint64_t life;     /* of the connection; 0: away */
    int64_t away_ms;   /* it does not come back before */
    uint32_t versions; /* of the program that it has: bit 1 and bit 2 */
    struct pawl_list held;
    struct pawl_arena past; /* HISTORY frames of the next turn */
    uint32_t past_count;
    struct pawl_bytes *past_events;
    int64_t to_node_ms; /* links keep order */
    int64_t to_app_ms;
};

#define SIM_RUNNING_MAX 16u /* twice what an app takes */
#define SIM_LIMITS_MAX  5u

/* An activity at a worker. */
struct running {
    struct pawl_id token;
    bool is_lost; /* its sidecar was, meanwhile */
    uint64_t key; /* hash of the engine's */
    int64_t since_ms;
    bool is_disturbed; /* see runs.c */
};

#define SIM_LATE_MS   30000               /* a copy of a start comes so much later, at most */
#define SIM_COPIES_MS (SIM_LATE_MS + 100) /* after the last fault: all have come */
#define SIM_DOUBTS    1024                /* bytes */

struct limits {
    struct pawl_rng rng;
    uint32_t count;
    struct pawl_limit_rule rules[SIM_LIMITS_MAX];
};

/* Another sidecar, as its last member list has it. */
struct acquaintance {
    uint64_t life; /* 0: it is not in the list */
    int64_t since_ms;
};

/* A sidecar. */
struct node {
    uint64_t life; /* 0: dead */
    char host[32];
    struct pawl_node *node;
    struct pawl_effects effects;
    struct pawl_follower *follower;
    bool runs_activities; /* as the follower was told */
    bool runs_workflows;
    bool leaving;
    int64_t stop_by_ms; /* leaving: no longer than this */
    uint64_t version;   /* of the last list it got */
    int64_t skew_ms;    /* of its clock, when it started … */
    int64_t started_ms;
    int64_t drift_permille; /* … and what comes to it since */
    bool is_dying;          /* it has died between two effects: nothing follows */
    int64_t paused_ms;      /* stands still until then */
    int64_t store_cut_ms;   /* does not reach its store until then */
    int64_t store_deaf_ms;  /* … or does not hear it */
    int64_t placement_cut_ms;
    int64_t wake_ms; /* of the last WAKE put in the queue */
    uint64_t wakes;  /* … and its number */
    int64_t follower_wake_ms;
    int64_t apply_ms;
    int64_t reply_ms;
    int64_t cut_ms;          /* it cannot reach everybody until then */
    uint64_t listed_version; /* of the newest member list that somebody has … */
    bool is_unlisted;        /* … in which it is not */
    uint32_t running_count;
    struct running running[SIM_RUNNING_MAX];
    int64_t disturbed_ms; /* see runs.c; its links stay cut when it starts anew */
    struct acquaintance knows[SIM_NODES];
    struct app app;
};

/* The stream between two sidecars, one per pair. */
struct peer_link {
    uint64_t generation; /* +1 with each break: older frames are lost */
    int64_t cut_ms;      /* cannot be made until then */
    int64_t arrive_ms[2];
};

/* An app's store, and what its replica has of it. The replica is not kept: when it takes
 * over, the requests that had reached it by then are applied anew. */
struct shard {
    struct pawl_mem *mem;
    uint32_t generation; /* +1 with each failover */
    uint32_t log_count;
    uint32_t log_capacity;
    struct log_entry {
        struct pawl_arena *arena;
        struct pawl_store_request request;
        uint64_t number;
        int64_t replicated_ms;
    } * log;
    uint64_t log_last;   /* number of the newest entry there ever was */
    uint32_t cuts_count; /* one for each generation that ended */
    uint32_t cuts_capacity;
    struct cut {
        uint32_t partitions; /* bits: those that lost … */
        uint64_t kept;       /* … what is behind this entry */
    } * cuts;
    int64_t away_ms[SIM_PARTITIONS]; /* refuses everything until then */
};

/* A placement replica. */
struct placement {
    uint64_t life; /* 0: dead */
    struct pawl_membership *membership;
    struct pawl_leader leader;
    int64_t paused_ms;
    int64_t wake_ms;
    int64_t leader_wake_ms;
};

/* A connection between a sidecar and a placement replica. */
struct placement_link {
    uint32_t node;
    uint64_t node_life;
    uint64_t number; /* the follower's */
    uint32_t placement;
    uint64_t placement_life;
    bool open; /* at both ends */
    int64_t arrive_ms[2];
};

enum client_state {
    CLIENT_START,
    CLIENT_RAISE,
    CLIENT_SUSPEND,
    CLIENT_RESUME,
    CLIENT_TERMINATE,
    CLIENT_WAIT,
    CLIENT_PURGE,
    CLIENT_AGAIN,          /* starts another one under the same id */
    CLIENT_REPLACE,        /* the same, and ends the one that is there if it must */
    CLIENT_RERUN,          /* runs it again from one of its calls */
    CLIENT_RERUN_WAIT,     /* … until that has ended, too */
    CLIENT_EXPORT,         /* what has ended */
    CLIENT_IMPORT,         /* … and brings it in under another id */
    CLIENT_IMPORT_WAIT,    /* … until that is what it was */
    CLIENT_REWIND,         /* what has failed */
    CLIENT_REWIND_IN_VAIN, /* … and then has not */
    CLIENT_LATE,           /* repeats its first start, long after */
    CLIENT_DONE
};

/* A client that starts one root and raises its events, each until it is answered, at
 * whichever sidecar. Some purge what has ended, or start again under its id, or both; some
 * raise their events with starts. */
struct client {
    char instance[32];
    uint64_t seed;
    enum client_state state;
    uint32_t events_wanted;
    uint32_t events_raised;
    uint64_t attempt; /* token of the present one */
    uint32_t asked;   /* … and the sidecar that was asked */
    uint64_t asked_life;
    bool will_suspend;
    bool will_terminate;
    bool will_wait;
    bool through_other_app; /* asks sidecars of the other app, naming its own */
    bool started;
    bool will_purge; /* … when it has ended, and been waited for */
    bool recursively;
    bool will_again;
    bool will_replace;   /* instead of terminating it */
    bool will_rerun;     /* what has ended, under another id */
    uint32_t rerun_from; /* event id */
    bool will_import;    /* what has ended, under another id, too */
    bool imported;
    struct pawl_buf exported; /* packed (actors/import.h) */
    enum sim_breaks breaks;
    bool has_failed;    /* when it was waited for last */
    bool mended;        /* what breaks */
    bool rewound;       /* it was told so */
    bool signals;       /* its starts raise events */
    bool asked_purge;   /* at least once */
    bool asked_again;   /* at least once */
    bool first_is_gone; /* it was told so */
};

enum schedule_state {
    SCHEDULE_CREATE,
    SCHEDULE_TRIGGER,
    SCHEDULE_PAUSE,
    SCHEDULE_RESUME,
    SCHEDULE_CLOSE, /* pauses it for good */
    SCHEDULE_LOOK,  /* until it is idle */
    SCHEDULE_DELETE,
    SCHEDULE_DONE
};

/* A client with a schedule. */
struct schedule {
    char id[16];
    uint32_t app;
    uint64_t seed; /* of its runs' program */
    int64_t every_ms;
    int64_t catch_up_ms;
    enum pawl_overlap_policy overlap;
    enum schedule_state state;
    uint64_t attempt;  /* token of the present one */
    uint32_t requests; /* settled ones: each has a request id of its own */
    uint32_t steps_left;
    uint32_t triggers; /* settled */
    bool will_pause;
    bool was_paused;
    uint64_t started; /* as it said at its end */
};

/* What the reader was answered last. */
struct reader {
    struct pawl_arena arena;
    uint64_t token;
    bool is_answered;
    pawl_err err;
    uint32_t ids_count;
    struct pawl_bytes *ids;
    struct pawl_bytes cursor;
    uint64_t counts[PAWL_STATUS_COUNT];
};

#define SIM_REMEMBERED_MAX 16u

/* What hostile apps have heard of (hostile.c). */
struct hostile {
    uint32_t next;
    struct remembered {
        uint32_t from;
        struct pawl_id turn;
        char instance[64];
        size_t instance_size; /* 0: nothing yet */
        struct pawl_buf frame;
    } turns[SIM_REMEMBERED_MAX];
};

struct sim_watchers;

struct sim {
    uint64_t seed;
    bool verbose;
    bool calm; /* the liveness phase */
    bool is_wide;
    bool has_begun;   /* some client has asked for something */
    uint64_t effects; /* … since then */
    int64_t calm_ms;
    int64_t now_ms;
    uint64_t trace;
    uint64_t lives;
    struct pawl_heap queue;
    struct pawl_rng world, network, workload;
    struct pawl_rng apps_rng; /* which of them stay away */
    struct pawl_rng wide_rng; /* what only wide worlds have */
    struct sim_faults faults;
    struct sim_coverage *coverage;
    struct shard shards[SIM_APPS];
    struct sim_check *check;
    struct node nodes[SIM_NODES];
    struct peer_link peers[SIM_NODES][SIM_NODES]; /* [smaller][larger] */
    struct placement placements[SIM_PLACEMENTS];
    struct pawl_mem_lease lease;
    int64_t lease_away_ms; /* nobody gets it before */
    uint32_t placement_links_count;
    uint32_t placement_links_capacity;
    struct placement_link *placement_links; /* conn id = index + 1 */
    uint32_t clients_count;
    struct client clients[SIM_ROOTS_MAX];
    struct pawl_rng operator_rng;
    uint64_t operator_token;
    struct reader reader;
    int64_t retention_ms;  /* of sidecars that start; 0: none */
    uint32_t attempts_max; /* of a turn and of an activity; UINT32_MAX: any number */
    struct pawl_rng schedules_rng;
    struct limits limits;
    struct hostile hostile;
    uint32_t schedules_count;
    struct schedule schedules[SIM_SCHEDULES_MAX];
    struct sim_watchers *watchers; /* see watchers.c */
    uint8_t doubts[SIM_DOUBTS];    /* bits of activities, see runs.c; some share one */
};

bool sim_chance(struct pawl_rng *rng, uint32_t permille);
int64_t sim_draw_ms(struct pawl_rng *rng, uint32_t max_ms);
struct item *sim_item_new(enum item_kind kind, uint32_t target, uint64_t life);
void sim_item_free(struct item *item);
void sim_item_at(struct sim *sim, struct item *item, int64_t at_ms);

/* Stores (stores.c). `apply` keeps or frees the item. */
void sim_store_submit(struct sim *sim, uint32_t target, const struct pawl_store_request *request);
void sim_store_apply(struct sim *sim, struct item *item);

/* True: what the reply says was lost with the store's tail. */
bool sim_store_is_lost(const struct sim *sim, const struct item *item);
/* A sidecar does not reach its store for so long. */
void sim_store_cut(struct sim *sim, uint32_t target, int64_t for_ms);

/* True: the sidecar does not hear its store now. */
bool sim_store_is_unheard(const struct sim *sim, const struct item *item);

/* Of the partitions of these bits. */
void sim_store_fail_over(struct sim *sim, uint32_t app, uint32_t partitions);
void sim_store_init(struct sim *sim, uint32_t app);
void sim_store_deinit(struct sim *sim, uint32_t app);

/* The operator (operator.c). */
bool sim_operator_owns(uint64_t token);
void sim_operator_init(struct sim *sim, const struct sim_plan *plan);
void sim_operator_step(struct sim *sim);

/* The reader (reader.c). */
bool sim_reader_owns(uint64_t token);
void sim_reader_on_answer(struct sim *sim, uint64_t token, const struct pawl_answer *answer);
void sim_reader_check_purge(struct sim *sim, uint32_t app,
                            const struct pawl_store_request *request);
void sim_reader_check(struct sim *sim);

/* Let happen what happens until then. */
void sim_until(struct sim *sim, int64_t end_ms, bool stop_when_finished);

/* Sidecars (nodes.c). */
uint32_t sim_node_app(uint32_t target);
void sim_node_start(struct sim *sim, uint32_t target);
void sim_node_crash(struct sim *sim, uint32_t target);

/* How far a sidecar's clock may be off. */
int64_t sim_clock_off_ms(const struct sim *sim);
void sim_node_leave(struct sim *sim, uint32_t target);
void sim_node_stop(struct sim *sim, uint32_t target); /* when it has left */

/* Step a living node and carry out its effects. */
void sim_node_step(struct sim *sim, uint32_t target, struct pawl_node_event event);

/* Nobody has anything left of what has ended; else why not. */
bool sim_nodes_are_idle(const struct sim *sim, struct pawl_arena *arena,
                        struct pawl_bytes *ret_why);
void sim_app_disconnect(struct sim *sim, uint32_t target, bool process_dies);
void sim_app_stay_away(struct sim *sim, uint32_t target);

/* What a sidecar and its app have sent each other, and has not arrived, takes so long. */
void sim_app_stall(struct sim *sim, uint32_t target, int64_t for_ms);

/* The app beside a node (app.c). */
void sim_app_connect(struct sim *sim, uint32_t target);
void sim_app_renew(struct sim *sim, const struct item *item);
void sim_app_on_frame(struct sim *sim, struct item *item);
void sim_app_drop_all(struct app *app);
void sim_app_send(struct sim *sim, uint32_t target, struct pawl_bytes frame);
void sim_activity_end(struct sim *sim, struct item *item);
void sim_node_on_frame(struct sim *sim, struct item *item);

/* Hostile apps (hostile.c): what they do when the app beside `target` has sent this. */
void sim_hostile_init(struct hostile *hostile);
void sim_hostile_deinit(struct hostile *hostile);
void sim_hostile_on_sent(struct sim *sim, uint32_t target, const struct pawl_frame *frame,
                         struct pawl_bytes bytes);

/* Between sidecars (peers.c). */
void sim_peer_send(struct sim *sim, uint32_t from, struct pawl_bytes host,
                   const struct pawl_peer_frame *frame);
void sim_peer_on_frame(struct sim *sim, struct item *item);
void sim_peer_on_down(struct sim *sim, struct item *item);
void sim_peer_cut(struct sim *sim, uint32_t a, uint32_t b, int64_t for_ms);

/* What `from` sends to `to`, and has not arrived, arrives after so long. */
void sim_peer_stall(struct sim *sim, uint32_t from, uint32_t to, int64_t for_ms);

/* Placement (placements.c). */
void sim_follower_step(struct sim *sim, uint32_t target, struct pawl_follower_event event);
void sim_follower_tell(struct sim *sim, uint32_t target);
void sim_follower_on_item(struct sim *sim, struct item *item);
void sim_placement_start(struct sim *sim, uint32_t target);
void sim_placement_crash(struct sim *sim, uint32_t target);
void sim_lease_apply(struct sim *sim, struct item *item);
void sim_lease_lose(struct sim *sim);
void sim_placement_on_item(struct sim *sim, struct item *item);
void sim_placement_cut(struct sim *sim, uint32_t node);

/* Faults (faults.c). */
void sim_faults_happen(struct sim *sim);

/* Clients (client.c). */
void sim_client_step(struct sim *sim, uint32_t index);
void sim_client_again(struct sim *sim, uint32_t index, int64_t in_ms);
/* What a client does after the end, apart from all other draws. */
void sim_client_draw_end(struct client *client, uint64_t seed, uint32_t index);
void sim_client_draw_breaks(struct client *client, uint64_t seed, uint32_t index);
void sim_client_draw_rerun(struct client *client, uint64_t seed, uint32_t index);
void sim_client_draw_signals(struct client *client, uint64_t seed, uint32_t index);

/* What is exported and brought in again (imports.c). Keep: false: it has
 * not ended, for a store may lose what a read has shown. A long one is not kept. */
void sim_client_draw_import(struct client *client, uint64_t seed, uint32_t index);
bool sim_import_keep(struct client *client, const struct pawl_answer *answer);
void sim_import_request(const struct client *client, struct pawl_arena *arena, uint32_t index,
                        struct pawl_request *request);
struct pawl_bytes sim_import_instance(struct pawl_arena *arena, const struct client *client);
void sim_import_check_stored(const struct sim *sim, const struct client *client);

/* At the end of a run: what is stored of its root is what the client was told. */
void sim_client_check_stored(const struct sim *sim, uint32_t index);
void sim_client_on_answer(struct sim *sim, uint64_t token, const struct pawl_answer *answer);

/* Limits (limits.c). */
void sim_limits_init(struct sim *sim);
void sim_limits_on_activity(struct sim *sim, uint32_t target, struct pawl_id token);
void sim_limits_on_turn(const struct sim *sim, uint32_t target);
void sim_limits_on_done(struct sim *sim, uint32_t target, struct pawl_id token); /* or cancelled */
void sim_limits_clear(struct sim *sim, uint32_t target);
void sim_limits_on_members(struct sim *sim, uint32_t app, const struct pawl_members *members);
/* It stands still from now on: a new keeper cannot reach it. */
void sim_limits_on_pause(struct sim *sim, uint32_t target);
void sim_limits_on_cut(struct sim *sim, uint32_t target, int64_t for_ms);

/* Runs (runs.c). */
void sim_runs_on_activity(struct sim *sim, uint32_t target, struct running *running);
void sim_runs_on_members(struct sim *sim, uint32_t target, const struct pawl_members *members);
void sim_runs_on_run(struct sim *sim, uint32_t from, uint32_t to, const struct pawl_peer_run *run);
/* It stands still, or its links are not good, until then. */
void sim_runs_disturb(struct sim *sim, uint32_t target, int64_t until_ms);

/* Watchers (watchers.c). */
void sim_watchers_init(struct sim *sim, const struct sim_plan *plan); /* behind the clients */
void sim_watchers_deinit(struct sim *sim);
void sim_watcher_step(struct sim *sim, uint32_t index, uint64_t attempt);
bool sim_watchers_own(uint64_t token);
void sim_watcher_on_answer(struct sim *sim, uint64_t token, const struct pawl_answer *answer);

/* At the end of a run: they have heard of everything. */
void sim_watchers_check(struct sim *sim);

/* Schedules (schedules.c). */
void sim_schedules_init(struct sim *sim, const struct sim_plan *plan);
void sim_schedule_step(struct sim *sim, uint32_t index);
bool sim_schedule_owns(uint64_t token);
void sim_schedule_on_answer(struct sim *sim, uint64_t token, const struct pawl_answer *answer);

/* After each applied request. */
void sim_schedule_on_applied(struct sim *sim, uint32_t app,
                             const struct pawl_store_request *request,
                             const struct pawl_store_reply *reply);

/* At the end of a run: all its runs are stored, each once. */
void sim_schedule_check_stored(const struct sim *sim, uint32_t index);

/* Detached workflows (detached.c) ------------------------------------------------------------ */

/* Every third run has some, and children that nobody waits for. */
bool sim_detaches(const struct sim *sim);

/* Before and after each request: each is started once, belongs to nobody, and nobody purges it.
 * True of the first: the request is to start one that is there. */
bool sim_detached_is_there(const struct sim *sim, uint32_t app,
                           const struct pawl_store_request *request);
void sim_detached_on_applied(struct sim *sim, const struct pawl_store_request *request,
                             const struct pawl_store_reply *reply, bool was_there);

/* The end: all that histories tell of are there, and completed; children have ended as they
 * were to. */
void sim_detached_check_stored(struct sim *sim);

#endif /* PAWL_TESTS_SIM_WORLD_H */
