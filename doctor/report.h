/* Report: what `pawl doctor` found in a store, gathered partition by partition and then
 * told, as text for a person or as JSON. Pure. */
#ifndef PAWL_DOCTOR_REPORT_H
#define PAWL_DOCTOR_REPORT_H

#include "actors/audit.h"
#include "base/buf.h"
#include "base/limits.h"

/* What is kept of each list; the rest is counted. */
#define PAWL_DOCTOR_FINDINGS_MAX 1000u
#define PAWL_DOCTOR_WAITING_MAX  200u
#define PAWL_DOCTOR_NAMES_MAX    256u
#define PAWL_DOCTOR_SIDECARS_MAX 16u

/* A concurrency limit, as a sidecar has it. Texts are borrowed. */
struct pawl_doctor_limit {
    bool is_activity; /* of activities; else of turns */
    bool is_of_app;   /* of all sidecars together; else of this one */
    const char *name; /* of the activity or workflow; NULL: all */
    uint32_t max;
    uint32_t places; /* so many may run at this sidecar at present */
    uint32_t running;
    uint32_t waiting; /* for a place, or for a worker */
};

/* What a sidecar said about itself over HTTP. Texts are borrowed. */
struct pawl_doctor_sidecar {
    const char *url;
    const char *error; /* NULL: it answered */
    const char *app;
    uint32_t workers;
    uint32_t workflows_count;
    const char *workflows[PAWL_DOCTOR_NAMES_MAX];
    uint32_t activities_count;
    const char *activities[PAWL_DOCTOR_NAMES_MAX];
    uint32_t limits_count;
    struct pawl_doctor_limit limits[PAWL_PEER_PLACES_MAX];
};

/* What a placement service said about who is there. Texts are borrowed. */
struct pawl_doctor_app {
    const char *name;
    uint32_t sidecars;
    uint32_t with_activities; /* of them: a worker that runs activities is connected */
};

struct pawl_doctor_placement {
    const char *url;   /* NULL: nobody asked */
    const char *error; /* NULL: it answered */
    uint32_t apps_count;
    struct pawl_doctor_app apps[PAWL_DOCTOR_NAMES_MAX];
};

/* What was looked at. Texts are borrowed. */
struct pawl_doctor_subject {
    const char *store; /* URL; shown without password */
    const char *app;
    const char *namespace_;
    const char *instance; /* NULL: everything */
    int64_t now_ms;
    int64_t stuck_ms; /* what should happen at once may take so long */
    uint32_t sidecars_count;
    const struct pawl_doctor_sidecar *sidecars;    /* those that were asked */
    const struct pawl_doctor_placement *placement; /* may be NULL */
};

struct pawl_doctor_partition {
    bool is_seen;
    uint64_t epoch;
    int64_t since_ms;
    int64_t first_due_ms; /* 0: no reminder */
    struct pawl_bytes owner;
};

struct pawl_doctor_waiting {
    struct pawl_bytes instance;
    struct pawl_bytes workflow;
    uint32_t partition;
    enum pawl_status status;
    bool is_stuck;
    uint32_t reasons_count;
    struct pawl_bytes *reasons; /* sentences */
};

struct pawl_doctor_report {
    struct pawl_doctor_subject subject;
    struct pawl_arena arena;
    uint32_t partitions_count;
    struct pawl_doctor_partition *partitions;
    int64_t counts[PAWL_STATUS_COUNT];
    uint64_t instances;
    uint64_t reminders;
    uint64_t messages;
    uint64_t quarantined;
    struct pawl_bytes strays_error; /* why rows without an instance were not looked for */
    uint64_t findings_count;        /* found */
    uint32_t findings_kept;
    struct pawl_finding findings[PAWL_DOCTOR_FINDINGS_MAX];
    uint64_t waits[PAWL_WAIT_CHILD + 1]; /* instances by their first reason */
    uint64_t stuck_count;
    uint32_t stuck_kept;
    struct pawl_doctor_waiting stuck[PAWL_DOCTOR_WAITING_MAX];
    uint64_t waiting_count; /* not stuck */
    uint32_t waiting_kept;
    struct pawl_doctor_waiting waiting[PAWL_DOCTOR_WAITING_MAX];
    uint64_t long_count; /* histories near their limit */
    uint32_t long_kept;
    struct pawl_doctor_waiting near_limit[PAWL_DOCTOR_WAITING_MAX];
};

struct pawl_doctor_report *pawl_doctor_report_new(const struct pawl_doctor_subject *subject,
                                                  uint32_t partitions);
void pawl_doctor_report_free(struct pawl_doctor_report *report);

void pawl_doctor_add_partition(struct pawl_doctor_report *report, uint32_t partition,
                               const struct pawl_stored_partition *stored);
void pawl_doctor_add_finding(struct pawl_doctor_report *report, const struct pawl_finding *finding);

/* An instance that has not ended, with what it waits for. */
void pawl_doctor_add_instance(struct pawl_doctor_report *report, uint32_t partition,
                              struct pawl_bytes id, const struct pawl_stored_instance *stored,
                              uint32_t waits_count, const struct pawl_wait *waits);

/* No finding and nothing stuck. */
bool pawl_doctor_is_healthy(const struct pawl_doctor_report *report);

void pawl_doctor_write_text(const struct pawl_doctor_report *report, struct pawl_buf *buf);
void pawl_doctor_write_json(const struct pawl_doctor_report *report, struct pawl_buf *buf);

/* Pieces that the story of one instance uses, too ------------------------------------------ */

/* One sentence about one wait; *ret_stuck when it lasts longer than it should. */
struct pawl_bytes pawl_doctor_reason(const struct pawl_doctor_subject *subject,
                                     struct pawl_arena *arena,
                                     const struct pawl_stored_instance *stored,
                                     const struct pawl_wait *wait, bool *ret_stuck);

/* "2026-11-21 06:20:18 UTC" */
struct pawl_bytes pawl_doctor_time(struct pawl_arena *arena, int64_t ms);

/* "3 s", "2 min", "5 h", "12 d" */
struct pawl_bytes pawl_doctor_span(struct pawl_arena *arena, int64_t ms);

/* "the app's limit of 5 for activity \"send-mail\"" */
struct pawl_bytes pawl_doctor_limit_name(struct pawl_arena *arena,
                                         const struct pawl_doctor_limit *limit);

/* The URL without what stands before an '@'. */
struct pawl_bytes pawl_doctor_url(struct pawl_arena *arena, const char *url);

#endif /* PAWL_DOCTOR_REPORT_H */
