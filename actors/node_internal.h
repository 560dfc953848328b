/* The node's parts and what they share. Included by actors/ .c files only.
 *
 *   node         the events' way in; ownership of everything below
 *   partition    acquire, poll, fenced: one per partition
 *   call         a store operation in flight: kept until it is answered for good
 *   workflow     one active instance as a machine
 *   turn         actions of a worker -> the rows of one commit
 *   activity     one activity execution as a machine
 *   worker       connected workers, their credit, the lanes of waiting work
 *   limit        how many may be at workers at once
 *   places       … of those that the whole app shares: what this sidecar holds
 *   keeper       … and who hands them out
 *   presence     whether there are workers for workflows, as others are told
 *   outbox       messages to other instances, until acknowledged
 *   request      management calls
 *   directory    the other sidecars: who owns what, who runs what
 *   router       management calls on their way to the owner
 *   run          activities that another sidecar executes
 *   watch        subscribers to lifecycle events
 *   news         what wakes those of other sidecars
 *   schedule     instances that the engine runs itself
 */
#ifndef PAWL_ACTORS_NODE_INTERNAL_H
#define PAWL_ACTORS_NODE_INTERNAL_H

#include "actors/node.h"
#include "actors/op_ref.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"

/* At least as many as enum pawl_workflow_state has. */
#define PAWL_WORKFLOW_STATES_MAX 8u

struct pawl_activity;
struct pawl_call;
struct pawl_gate;
struct pawl_host;
struct pawl_limit;
struct pawl_tails;
struct pawl_news;
struct pawl_worker;
struct pawl_workflow;

/* Alarm: a deadline of some part. Embed it; fire runs on the first step at or after
 * the time. */
struct pawl_alarm {
    struct pawl_heap_node node;
    void (*fire)(struct pawl_node *node, struct pawl_alarm *alarm);
};

enum pawl_partition_state {
    PAWL_PARTITION_FREE,
    PAWL_PARTITION_ACQUIRING,
    PAWL_PARTITION_OWNED,
    PAWL_PARTITION_STATES_COUNT,
};

struct pawl_partition {
    uint32_t index;
    uint8_t state;
    bool polling;          /* a POLL is in flight */
    bool look_for_stalled; /* workers are new here, or to us: see actors/stalled.h */
    uint64_t stalled_seen; /* how many there were at the last look, less those that went */
    bool recovering;       /* every other poll returns what is leased in this span: */
    int64_t recover_from_ms;
    int64_t recover_until_ms;
    uint32_t recovery_skip; /* timers due at recover_from_ms that were passed over */
    bool was_recovery;      /* the last poll */
    bool is_drained;        /* what was there when it was acquired has been seen, all of it */
    int64_t polled_ms;
    int64_t confirmed_ms; /* still ours then, says the store */
    uint32_t poll_max;    /* reminders per poll */
    bool was_full;        /* the last poll: more are due */
    uint64_t table_version;
    struct pawl_fence fence;
    struct pawl_alarm alarm;    /* next poll, or next attempt to acquire */
    struct pawl_list pace_link; /* in line for a poll, see actors/pace.h */
    struct pawl_call *acks;     /* OUTDONE being filled in this step; NULL: none */
    struct pawl_list acks_link; /* on node.acks */
    uint64_t counts[PAWL_STATUS_COUNT];
};

/* See actors/pace.h. */
struct pawl_pace {
    uint32_t taken;                                /* places of instances at work */
    uint32_t resting;                              /* given back, and not free yet */
    uint32_t rest_over[PAWL_WAKE_REST_MS_MAX + 1]; /* how many, by the ms (modulo) it ends */
    int64_t rested_ms;                             /* those up to then are free again */
    int64_t released_ms;                           /* the last that was given back */
    int64_t window_ms;                             /* since then, and in the window before, … */
    uint32_t quickest_ms, quickest_before_ms;      /* … the shortest time a place was taken */
    struct pawl_list waiting;                      /* pawl_workflow.pace_link: the line */
    struct pawl_list polls_waiting; /* pawl_partition.pace_link: for what they hold */
    struct pawl_alarm alarm;        /* when there may be a place for them */
};

/* See actors/limit.h. Two of a thing: for turns, and for activities. */
struct pawl_limits {
    uint32_t count;
    struct pawl_limit *items;
    struct pawl_gate *gate_for_all[2]; /* of what no rule names */
    struct pawl_map gates[2];          /* name -> struct pawl_gate */
    uint32_t turns_held;               /* wait at gates of names: others may pass them */
    struct pawl_limit_metrics *metrics;
    uint32_t global_count; /* of them: limits of the app */
};

/* See actors/places.h. */
struct pawl_places_state {
    struct pawl_id process;
    uint64_t keeper; /* number of the host that was asked */
    uint64_t number; /* of the last question */
    int64_t asked_ms;
    uint64_t asked_version; /* of the member list then */
    bool is_asking;         /* it is not answered yet */
    bool has_more;          /* since the last pump */
    int64_t until_ms;       /* what was answered holds until then */
    struct pawl_alarm alarm;
};

/* See actors/keeper.h. */
struct pawl_keeper {
    bool is_settled;
    int64_t acquired_ms;     /* partition 0 */
    uint64_t handed_version; /* somebody has handed over under this list … */
    uint64_t handed_epoch;   /* … who owned the partition in this epoch */
    uint64_t kept_epoch;     /* this one would, under the present list; 0: it would not */
    uint64_t given;          /* grows with each place that is given */
    struct pawl_list holders;
    struct pawl_list pools;
    struct pawl_alarm alarm; /* settled, or a lost one's lease is over */
};

/* See actors/retention.h. */
struct pawl_retention {
    struct pawl_alarm alarm; /* the next round */
    uint32_t partition;      /* … of which this one is looked at */
    int status;              /* … for what ended so */
    uint32_t purges;         /* in flight */
    bool more;               /* there is more of it */
};

/* See actors/directory.h. */
struct pawl_directory {
    uint64_t version; /* of the member list; 0: none yet */
    uint64_t next_number;
    struct pawl_host *self;  /* NULL: not in the list */
    struct pawl_map hosts;   /* name -> struct pawl_host */
    struct pawl_map numbers; /* number -> the same */
    struct pawl_map apps;    /* id -> struct pawl_app */
};

/* See actors/presence.h. */
struct pawl_presence {
    uint8_t state;
    uint32_t falls;          /* times that workers came and did not stay, lately */
    int64_t since_ms;        /* the state */
    int64_t present_ms;      /* PRESENT, MISSED: since when they are told */
    struct pawl_alarm alarm; /* the end of ARRIVED, MISSED */
};

struct pawl_node {
    char *app;
    char *host;
    struct pawl_node_config config;
    struct pawl_rng rng;
    int64_t now_ms;
    struct pawl_effects *effects; /* of the present step */
    struct pawl_node_metrics metrics;
    struct pawl_heap alarms;

    struct pawl_partition *partitions;
    uint32_t partitions_wanted; /* OWN minus DISOWN */
    uint32_t partitions_owned;
    bool table_version_adopted;  /* said once */
    uint64_t table_version_seen; /* the newest that an acquire was refused for */
    pawl_err acquire_err_logged; /* so that not every partition says the same */

    struct pawl_call **calls; /* by slot; token = generation << 32 | slot + 1 */
    uint32_t *calls_generation;
    uint32_t calls_capacity;
    uint32_t calls_in_flight;
    struct pawl_list calls_unused; /* call objects ready for reuse */
    uint32_t calls_unused_count;
    struct pawl_list calls_finished; /* in this step: effects may still point into them */
    uint32_t *slots_unused;          /* stack of slot numbers */
    uint32_t slots_unused_count;

    struct pawl_map workflows;                       /* instance id -> struct pawl_workflow */
    uint32_t workflows_in[PAWL_WORKFLOW_STATES_MAX]; /* by enum pawl_workflow_state */
    struct pawl_pace pace;
    uint32_t polls_expected; /* reminders that polls in flight will probably bring */
    size_t pasts_size;       /* histories kept for workers that keep none */

    struct pawl_map workers;       /* worker id -> struct pawl_worker */
    uint32_t workers_cursor;       /* whose turn it is to be given work */
    uint32_t turn_workers;         /* of them: registered a workflow; others are clients only */
    uint32_t task_workers;         /* registered an activity */
    uint32_t turn_workers_leaving; /* of turn_workers: they take no more */
    struct pawl_presence presence;
    uint32_t any_workers;            /* of both: serve every name */
    uint32_t filter_workers;         /* of both: others are to come for the other names */
    uint32_t workers_opened;         /* ever, of those with workflows */
    struct pawl_map turn_lanes;      /* workflow name -> struct pawl_lane */
    struct pawl_map task_lanes;      /* activity name -> struct pawl_lane */
    struct pawl_alarm orphans_alarm; /* somebody has waited long enough for code */
    struct pawl_limits limits;
    struct pawl_places_state places;
    struct pawl_keeper keeper;

    struct pawl_map activities;       /* activity key -> struct pawl_activity */
    struct pawl_map activities_token; /* dispatch token -> the running ones */
    struct pawl_map activities_run;   /* run id -> those that a peer has asked for */
    uint32_t activities_done;         /* of them: results that wait to be acknowledged */

    struct pawl_directory directory;
    struct pawl_map runs;          /* activity key -> struct pawl_run: executed elsewhere */
    struct pawl_map runs_id;       /* run id -> those that were sent, or are asked for */
    struct pawl_list runs_waiting; /* for somebody who can run them */
    struct pawl_list runs_to_ask;  /* whether somebody is at them, with the next FIND */
    struct pawl_list runs_asking;  /* … and were asked for */
    struct pawl_alarm find_alarm;  /* the next FIND */
    struct pawl_map asks;          /* token -> struct pawl_ask: calls being answered */
    struct pawl_map asks_asker;
    struct pawl_list asks_parked;
    struct pawl_retention retention;
    struct pawl_list jobs; /* management calls of several operations */
    uint64_t asks_last;

    struct pawl_list acks;    /* partitions with acknowledgements to send */
    struct pawl_map messages; /* message id -> struct pawl_message: being delivered */
    struct pawl_list messages_waiting;
    uint32_t messages_waiting_count;
    struct pawl_alarm messages_alarm;

    struct pawl_list schedule_asks; /* calls on behalf of schedules */

    struct pawl_list watches; /* subscribers that wait for news */
    uint32_t watches_count;
    uint64_t watch_numbers;   /* the last one given */
    struct pawl_tails *tails; /* see actors/watch.c */
    struct pawl_news *news;

    struct pawl_map waiters;       /* instance -> struct pawl_waiters */
    struct pawl_map waiters_token; /* request token -> struct pawl_waiter */
};

/* Effects ------------------------------------------------------------------------ */

struct pawl_effect *pawl_effects_push(struct pawl_effects *effects, enum pawl_effect_type type);

/* A frame to a worker; the frame must live in the effects' arena or until the next
 * step. */
void pawl_node_send(struct pawl_node *node, uint64_t worker, const struct pawl_frame *frame);

void pawl_node_log(struct pawl_node *node, enum pawl_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The answer is copied by reference: it must live until the next step. */
void pawl_node_answer(struct pawl_node *node, uint64_t token, const struct pawl_answer *answer);

/* An answer that is only an error and a text for a person. */
void pawl_node_answer_err(struct pawl_node *node, uint64_t token, pawl_err err, const char *format,
                          ...) __attribute__((format(printf, 4, 5)));

void pawl_alarm_set(struct pawl_node *node, struct pawl_alarm *alarm, int64_t due_ms);
void pawl_alarm_clear(struct pawl_node *node, struct pawl_alarm *alarm);

/* Limits come from anybody's code and may be huge, or from a peer and be anything. */
static inline int64_t pawl_limit_at_ms(int64_t from_ms, int64_t limit_ms)
{
    if (limit_ms <= 0) return from_ms;
    return from_ms > INT64_MAX - limit_ms ? INT64_MAX : from_ms + limit_ms;
}

/* Before attempt `attempts`, from the third on, of what may be killing its workers: others run
 * on them in between, and each time it waits longer. */
int64_t pawl_node_rest_ms(struct pawl_node *node, uint32_t attempts);

void pawl_histogram_add(struct pawl_histogram *histogram, int64_t ms);

struct pawl_partition *pawl_node_partition(struct pawl_node *node, struct pawl_bytes instance);

/* A heap copy of bytes, absent stays absent. Free `data` with pawl_mem_free. */
struct pawl_bytes pawl_bytes_dup(struct pawl_bytes bytes);
void pawl_bytes_free(struct pawl_bytes bytes);

#endif /* PAWL_ACTORS_NODE_INTERNAL_H */
