/* Directory: which sidecars there are, and where an instance or an activity belongs.
 *
 * It is computed from the member list that placement sends. It is a hint: whoever acts
 * on an old list is stopped by the store's fences, or told that things have moved.
 */
#ifndef PAWL_ACTORS_DIRECTORY_H
#define PAWL_ACTORS_DIRECTORY_H

#include "actors/node_internal.h"

struct pawl_app;

/* Another sidecar, or this one. */
struct pawl_host {
    uint64_t number;        /* never used twice: names it where a pointer could dangle */
    uint8_t number_key[8];  /* the same, for the map */
    struct pawl_bytes name; /* owned */
    struct pawl_app *app;
    uint64_t hash; /* of its name, for the ring */
    bool is_self;
    bool leaving;
    bool runs_activities;
    bool runs_workflows;
    uint32_t owner_rank;        /* pawl_member_owner_rank */
    bool silent;                /* its link broke, and nothing was heard from it since */
    bool listed;                /* while a new list is taken */
    struct pawl_list runs;      /* activities sent to it: pawl_run.link */
    struct pawl_list asks;      /* calls sent to it: pawl_ask.link */
    struct pawl_list messages;  /* messages sent to it: pawl_message.link */
    int64_t news_until_ms;      /* it wants to hear of changes (news.h) */
    struct pawl_alarm ask_runs; /* when to ask for the runs */
    bool is_refusing;           /* it had no worker for an activity a moment ago … */
    struct pawl_alarm refused;  /* … until then, or until the next list */
};

/* The sidecars of one app. */
struct pawl_app {
    struct pawl_bytes id; /* owned */
    uint32_t partitions;
    uint32_t hosts_count;
    struct pawl_host **hosts;
    uint32_t owning_count; /* those of the highest rank: they own partitions */
    struct pawl_host **owning;
    uint32_t *owners;       /* by partition: of owning; NULL: not computed yet */
    uint32_t runners_count; /* those with a worker for activities, not leaving */
    struct pawl_host **runners;
    bool runners_own; /* … each of them some partitions, too */
    uint64_t *runner_hashes;
};

enum pawl_route_kind {
    PAWL_ROUTE_HERE,
    PAWL_ROUTE_PEER,
    PAWL_ROUTE_NOWHERE, /* nobody is known, at present */
};

struct pawl_route {
    enum pawl_route_kind kind;
    struct pawl_host *host; /* PEER */
};

void pawl_directory_init(struct pawl_node *node);
void pawl_directory_deinit(struct pawl_node *node);

/* Take a newer list; what no longer fits is moved: partitions, runs, calls, messages. */
void pawl_directory_on_members(struct pawl_node *node, const struct pawl_members *members);

/* Another sidecar of this app, that stays, has a worker for workflows. */
bool pawl_directory_others_run_workflows(const struct pawl_node *node);

/* A worker for activities has come to this sidecar, or the last has gone. */
void pawl_directory_on_own_workers(struct pawl_node *node);

/* True when activities may stay at this sidecar: it runs those of its app, and whoever else does
 * has instances that bring it some. */
bool pawl_directory_may_keep(const struct pawl_node *node);

bool pawl_directory_is_own_app(const struct pawl_node *node, struct pawl_bytes app);

/* The sidecars of this app, this one among them, as long as the list lasts. How many. */
uint32_t pawl_directory_own_hosts(const struct pawl_node *node, struct pawl_host ***ret_hosts);

/* Who owns the instance. An absent app is the own one; of that, what nobody is known to
 * own is HERE, where the store decides. */
struct pawl_route pawl_directory_owner(struct pawl_node *node, struct pawl_bytes app,
                                       struct pawl_bytes instance);

/* Who hands out the places of the app's global limits: the owner of partition 0. NULL:
 * nobody is known. */
struct pawl_host *pawl_directory_keeper(struct pawl_node *node);

/* Any sidecar of another app, for what is no single instance's. */
struct pawl_route pawl_directory_any(struct pawl_node *node, struct pawl_bytes app);

/* Hosts by their numbers. */
struct pawl_hosts {
    uint32_t count;
    uint64_t *numbers;
};

/* Who runs the activity with this key; somebody else than `tried` (NULL: nobody was). */
struct pawl_route pawl_directory_runner(struct pawl_node *node, struct pawl_bytes app,
                                        struct pawl_bytes key, const struct pawl_hosts *tried);

/* Whether the app, an absent one is the own, has other sidecars than this; and whether this is
 * one of them. */
bool pawl_directory_has_peers(const struct pawl_node *node, struct pawl_bytes app);
bool pawl_directory_is_peer_of(const struct pawl_node *node, const struct pawl_host *host,
                               struct pawl_bytes app);

/* NULL: not in the list (any more). */
struct pawl_host *pawl_directory_find(struct pawl_node *node, struct pawl_bytes name);
struct pawl_host *pawl_directory_find_number(struct pawl_node *node, uint64_t number);

/* It had no worker for an activity: others are asked for a moment. Not for longer, for the
 * refusal may have come late, and the list may say already that it has one again. */
void pawl_directory_on_refused(struct pawl_node *node, struct pawl_host *host);

/* Its link broke, or it does not answer. */
void pawl_directory_set_silent(struct pawl_node *node, struct pawl_host *host);

/* Why nothing can be sent to the app, for a person. */
struct pawl_bytes pawl_directory_why_nowhere(struct pawl_node *node, struct pawl_arena *arena,
                                             struct pawl_bytes app);

/* Content to a peer; the frame must live in the effects' arena. */
void pawl_node_peer_send(struct pawl_node *node, const struct pawl_host *host,
                         const struct pawl_peer_frame *frame);

/* A frame of this type in the effects' arena, to be filled and sent. */
struct pawl_peer_frame *pawl_node_peer_frame(struct pawl_node *node,
                                             enum pawl_peer_frame_type type);

/* From a peer. */
void pawl_directory_on_frame(struct pawl_node *node, struct pawl_bytes host,
                             const struct pawl_peer_frame *frame);
void pawl_directory_on_down(struct pawl_node *node, struct pawl_bytes host);

#endif /* PAWL_ACTORS_DIRECTORY_H */
