/* Node: a whole sidecar's engine as one machine. Events in, effects out.
 *
 * The node hosts workflow and activity actors for the partitions it owns, knows the
 * connected workers, and answers management calls. It owns no socket, clock, thread
 * or file. sidecar/loop.c carries its effects out; tests/sim does the same in a model
 * of the world.
 */
#ifndef PAWL_ACTORS_NODE_H
#define PAWL_ACTORS_NODE_H

#include "actors/effect.h"
#include "actors/event.h"
#include "base/zone.h"

struct pawl_node;

/* How many may be at workers at once. */
struct pawl_limit_rule {
    bool is_task;           /* of activities; else of turns of workflows */
    bool is_global;         /* at all sidecars of the app together; else at this one */
    struct pawl_bytes name; /* of the workflow or activity; absent: all */
    uint32_t max;           /* at least 1 */
};

struct pawl_node_config {
    const char *app;                   /* app id of this sidecar */
    const char *host;                  /* name of this sidecar, as in the member list */
    const char *namespace_;            /* shown in errors */
    uint32_t partitions;               /* 1..PAWL_PARTITIONS_MAX, as stored */
    bool placed;                       /* MEMBERS say what to own and where others are; else
                                          OWN does, and there are no others */
    uint64_t seed;                     /* of all random ids: from the OS in production */
    uint32_t turns_in_flight_max;      /* 0: no limit besides credit */
    uint32_t activities_in_flight_max; /* 0: no limit besides credit */
    uint32_t limits_count;             /* up to PAWL_LIMITS_MAX further ones, no two for the
                                          same; read by pawl_node_new only */
    const struct pawl_limit_rule *limits;
    int64_t instance_idle_ms;                /* 0: PAWL_INSTANCE_IDLE_MS */
    uint32_t instances_max;                  /* 0: PAWL_INSTANCES_MAX */
    uint32_t wakes_max;                      /* 0: PAWL_WAKES_MAX */
    uint32_t activities_kept_max;            /* 0: PAWL_ACTIVITIES_KEPT_MAX */
    int64_t retention_ms[PAWL_STATUS_COUNT]; /* what ended so is purged then; 0: kept */
    uint32_t turn_attempts_max;              /* 0: PAWL_TURN_ATTEMPTS_MAX */
    uint32_t activity_attempts_max;          /* 0: PAWL_ACTIVITY_ATTEMPTS_MAX */
    /* The time zone of this name, for schedules; NULL: it is not there. It must live as
     * long as the node. NULL instead of the function: only UTC is there. */
    const struct pawl_zone *(*zone_find)(void *context, struct pawl_bytes name);
    void *zone_context;
};

struct pawl_node *pawl_node_new(const struct pawl_node_config *config);
void pawl_node_free(struct pawl_node *node);

/* Take one event and say what must follow. `effects` is reset first. */
void pawl_node_step(struct pawl_node *node, const struct pawl_node_event *event,
                    struct pawl_effects *effects);

/* Buckets in seconds as Prometheus has them; the last is +Inf. */
#define PAWL_HISTOGRAM_BUCKETS 14u
extern const double pawl_histogram_bounds[PAWL_HISTOGRAM_BUCKETS - 1];

struct pawl_histogram {
    uint64_t buckets[PAWL_HISTOGRAM_BUCKETS]; /* not cumulative */
    uint64_t count;
    double sum_seconds;
};

/* One limit, at this sidecar. */
struct pawl_limit_metrics {
    struct pawl_limit_rule rule;
    uint32_t running;
    uint32_t waiting; /* for a place, or for a worker */
    uint32_t places;  /* so many may run here; of a global one: at present */
};

/* Counters only grow; gauges are as of now. */
struct pawl_node_metrics {
    uint64_t turns_total;         /* committed turns that ran workflow code */
    uint64_t turns_retried_total; /* dispatched again: worker lost, stale, history asked */
    uint64_t steps_total;         /* operations resolved: activities, timers, children */
    uint64_t activities_total;    /* activity executions that ended */
    uint64_t activities_failed_total;
    uint64_t activities_lost_total;      /* dispatched to a worker that went away */
    uint64_t activities_timed_out_total; /* of the failed: past a limit of the attempt */
    uint64_t activities_cancelled_total; /* called off while a worker had them */
    uint64_t commits_total;
    uint64_t commits_conflict_total;
    uint64_t commits_unknown_total;
    uint64_t fenced_total;
    uint64_t reminders_unreadable_total; /* moved aside by a poll */
    uint64_t started_total;              /* instances created here */
    uint64_t ended_total[PAWL_STATUS_COUNT];
    uint64_t events_total; /* external events accepted */
    uint64_t purged_total; /* ended instances whose time was up */
    uint64_t requests_total;
    uint64_t requests_failed_total;
    uint64_t store_ops_total[PAWL_STORE_OPS_END];
    struct pawl_histogram turn_seconds;     /* dispatch to TURN_DONE */
    struct pawl_histogram commit_seconds;   /* STORE effect to reply */
    struct pawl_histogram activity_seconds; /* dispatch to ACTIVITY_DONE */
    struct pawl_histogram workflow_seconds; /* creation to terminal commit */
    uint64_t instances[PAWL_STATUS_COUNT];  /* gauge, by status, of owned partitions */
    uint64_t active_instances;              /* gauge: actors in memory */
    uint64_t turns_queued;                  /* gauge: ready, waiting for a worker's credit */
    uint64_t turns_running;
    uint64_t activities_queued;
    uint64_t activities_running;
    uint64_t activities_sent; /* for own instances: others run them, or are asked or looked for */
    uint64_t messages;        /* between instances, of and for others: not done yet */
    uint64_t requests_waiting;
    uint64_t workers;
    uint64_t partitions_owned;
    uint32_t limits_count;
    const struct pawl_limit_metrics *limits;
};

/* Valid until the next step. */
const struct pawl_node_metrics *pawl_node_metrics(const struct pawl_node *node);

/* True when every partition that is to be owned is acquired: the sidecar is ready. */
bool pawl_node_is_ready(const struct pawl_node *node);

/* The newest version of a member list that the store has seen, as far as this sidecar
 * knows: what placement sends must be above it. 0: unknown. */
uint64_t pawl_node_table_version(const struct pawl_node *node);

/* True when a worker that registered activities is connected: placement is to know. */
bool pawl_node_runs_activities(const struct pawl_node *node);

/* True when this sidecar should own workflows rather than others without workers: one that
 * registered workflows is here, or was some seconds ago (actors/presence.h). The same. */
bool pawl_node_runs_workflows(const struct pawl_node *node);

/* True when nothing is running, committing or in flight: a clean moment to stop. */
bool pawl_node_is_quiet(const struct pawl_node *node);

#endif /* PAWL_ACTORS_NODE_H */
