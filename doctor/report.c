#include "doctor/report.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

struct pawl_doctor_report *pawl_doctor_report_new(const struct pawl_doctor_subject *subject,
                                                  uint32_t partitions)
{
    struct pawl_doctor_report *report = PAWL_NEW(struct pawl_doctor_report);
    report->subject = *subject;
    pawl_arena_init(&report->arena);
    report->partitions_count = partitions;
    report->partitions = PAWL_ARENA_ARRAY(&report->arena, struct pawl_doctor_partition, partitions);
    return report;
}

void pawl_doctor_report_free(struct pawl_doctor_report *report)
{
    if (!report) return;
    pawl_arena_deinit(&report->arena);
    pawl_mem_free(report);
}

/* Gather ------------------------------------------------------------------------------------ */

void pawl_doctor_add_partition(struct pawl_doctor_report *report, uint32_t partition,
                               const struct pawl_stored_partition *stored)
{
    PAWL_ASSERT(partition < report->partitions_count);
    report->partitions[partition] = (struct pawl_doctor_partition){
        .is_seen = true,
        .epoch = stored->epoch,
        .since_ms = stored->since_ms,
        .first_due_ms = stored->first_due_ms,
        .owner = pawl_arena_copy(&report->arena, stored->owner),
    };
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        report->counts[i] += stored->has_tally ? stored->tally[i] : stored->counts[i];
    report->instances += stored->instances;
    report->reminders += stored->reminders;
    report->messages += stored->messages;
    report->quarantined += stored->quarantined;
}

void pawl_doctor_add_finding(struct pawl_doctor_report *report, const struct pawl_finding *finding)
{
    report->findings_count++;
    if (report->findings_kept == PAWL_DOCTOR_FINDINGS_MAX) return;
    struct pawl_finding *kept = &report->findings[report->findings_kept++];
    *kept = *finding;
    kept->instance = pawl_arena_copy(&report->arena, finding->instance);
    kept->subject = pawl_arena_copy(&report->arena, finding->subject);
    kept->text = pawl_arena_copy(&report->arena, finding->text);
}

static bool is_near_limit(const struct pawl_metadata *metadata)
{
    return metadata->history_count > PAWL_HISTORY_EVENTS_MAX / 10 * 8
           || metadata->history_size > PAWL_HISTORY_SIZE_MAX / 10 * 8;
}

static void keep(struct pawl_doctor_report *report, struct pawl_doctor_waiting *list,
                 uint32_t *kept, const struct pawl_doctor_waiting *waiting)
{
    if (*kept == PAWL_DOCTOR_WAITING_MAX) return;
    struct pawl_doctor_waiting *added = &list[(*kept)++];
    *added = *waiting;
    added->instance = pawl_arena_copy(&report->arena, waiting->instance);
    added->workflow = pawl_arena_copy(&report->arena, waiting->workflow);
    added->reasons = PAWL_ARENA_ARRAY(&report->arena, struct pawl_bytes, waiting->reasons_count);
    for (uint32_t i = 0; i < waiting->reasons_count; i++)
        added->reasons[i] = pawl_arena_copy(&report->arena, waiting->reasons[i]);
}

/* An instance with thousands of open steps tells the first few. */
#define REASONS_MAX 20u

static struct pawl_bytes more_reasons(struct pawl_arena *arena, uint32_t count)
{
    return pawl_arena_printf(arena, "and for %" PRIu32 " other steps", count);
}

void pawl_doctor_add_instance(struct pawl_doctor_report *report, uint32_t partition,
                              struct pawl_bytes id, const struct pawl_stored_instance *stored,
                              uint32_t waits_count, const struct pawl_wait *waits)
{
    if (waits_count == 0) return;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_bytes reasons[REASONS_MAX + 1];
    struct pawl_doctor_waiting waiting = { .instance = id,
                                           .workflow = stored->metadata.name,
                                           .partition = partition,
                                           .status = stored->metadata.status,
                                           .reasons = reasons };
    for (uint32_t i = 0; i < waits_count; i++) {
        bool is_stuck = false;
        struct pawl_bytes reason =
            pawl_doctor_reason(&report->subject, &arena, stored, &waits[i], &is_stuck);
        waiting.is_stuck = waiting.is_stuck || is_stuck;
        if (i < REASONS_MAX) reasons[waiting.reasons_count++] = reason;
    }
    if (waits_count > REASONS_MAX)
        reasons[waiting.reasons_count++] = more_reasons(&arena, waits_count - REASONS_MAX);

    report->waits[waits[0].kind]++;
    if (waiting.is_stuck) {
        report->stuck_count++;
        keep(report, report->stuck, &report->stuck_kept, &waiting);
    } else {
        report->waiting_count++;
        keep(report, report->waiting, &report->waiting_kept, &waiting);
    }
    if (is_near_limit(&stored->metadata)) {
        reasons[0] = pawl_arena_printf(&arena,
                                       "its history has %" PRIu32 " of %u events and %" PRIu64
                                       " of %u bytes; at the "
                                       "limit it fails: let the workflow continue as new",
                                       stored->metadata.history_count, PAWL_HISTORY_EVENTS_MAX,
                                       stored->metadata.history_size, PAWL_HISTORY_SIZE_MAX);
        waiting.reasons_count = 1;
        report->long_count++;
        keep(report, report->near_limit, &report->long_kept, &waiting);
    }
    pawl_arena_deinit(&arena);
}

bool pawl_doctor_is_healthy(const struct pawl_doctor_report *report)
{
    return report->findings_count == 0 && report->stuck_count == 0;
}

/* Text -------------------------------------------------------------------------------------- */

static const char *wait_name(enum pawl_wait_kind kind)
{
    switch (kind) {
    case PAWL_WAIT_SUSPENDED: return "suspended";
    case PAWL_WAIT_STALLED: return "stalled";
    case PAWL_WAIT_START: return "start in the future";
    case PAWL_WAIT_TURN: return "for a worker to run the workflow";
    case PAWL_WAIT_ACTIVITY: return "for an activity";
    case PAWL_WAIT_RETRY: return "to try a failed step again";
    case PAWL_WAIT_TIMER: return "for a timer";
    case PAWL_WAIT_EVENT: return "for an external event";
    case PAWL_WAIT_CHILD: return "for a child workflow";
    }
    return "";
}

static const char *wait_key(enum pawl_wait_kind kind)
{
    static const char *const keys[] = { NULL,       "suspended", "stalled", "start", "turn",
                                        "activity", "retry",     "timer",   "event", "child" };
    return keys[kind];
}

static const char *status_name(enum pawl_status status)
{
    const char *name = pawl_status_name((int)status);
    return name ? name : "?";
}

static void text_instances(const struct pawl_doctor_report *report, struct pawl_buf *buf)
{
    pawl_buf_printf(buf, "Instances: %" PRIu64 "\n", report->instances);
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        if (report->counts[i])
            pawl_buf_printf(buf, "  %-18s %" PRId64 "\n", status_name((enum pawl_status)i),
                            report->counts[i]);
    if (report->messages)
        pawl_buf_printf(buf, "  messages on their way between instances: %" PRIu64 "\n",
                        report->messages);
}

static int64_t overdue_ms(const struct pawl_doctor_report *report,
                          const struct pawl_doctor_partition *partition)
{
    int64_t late_ms = report->subject.now_ms - partition->first_due_ms;
    return partition->first_due_ms && late_ms > 0 ? late_ms : 0;
}

static bool is_alike(const struct pawl_doctor_partition *a, const struct pawl_doctor_partition *b)
{
    return a->epoch == b->epoch && pawl_bytes_is_equal(a->owner, b->owner)
           && a->is_seen == b->is_seen;
}

/* "0,2-5,17" */
static void text_numbers(const struct pawl_doctor_report *report, uint32_t first,
                         struct pawl_buf *buf)
{
    const struct pawl_doctor_partition *all = report->partitions;
    const char *separator = "";
    for (uint32_t from = first; from < report->partitions_count; from++) {
        if (!is_alike(&all[first], &all[from])) continue;
        uint32_t to = from;
        while (to + 1 < report->partitions_count && is_alike(&all[first], &all[to + 1])) to++;
        pawl_buf_printf(buf, "%s%" PRIu32, separator, from);
        if (to > from) pawl_buf_printf(buf, "-%" PRIu32, to);
        separator = ",";
        from = to;
    }
}

/* Those with the same owner and epoch as partition `first` share a line, wherever they are. */
static void text_alike(const struct pawl_doctor_report *report, uint32_t first,
                       struct pawl_arena *arena, struct pawl_buf *buf)
{
    const struct pawl_doctor_partition *partition = &report->partitions[first];
    uint32_t count = 0;
    int64_t late_ms = 0;
    for (uint32_t i = first; i < report->partitions_count; i++) {
        if (!is_alike(partition, &report->partitions[i])) continue;
        int64_t its_ms = overdue_ms(report, &report->partitions[i]);
        if (its_ms > late_ms) late_ms = its_ms;
        count++;
    }
    if (partition->epoch)
        pawl_buf_printf(buf, "  %3" PRIu32 "  last owner %.*s, epoch %" PRIu64 ", since %.*s; ",
                        count, PAWL_BYTES_FMT(partition->owner), partition->epoch,
                        PAWL_BYTES_FMT(pawl_doctor_time(arena, partition->since_ms)));
    else
        pawl_buf_printf(buf, "  %3" PRIu32 "  never owned; ", count);
    if (late_ms >= 1000)
        pawl_buf_printf(buf, "oldest overdue reminder: %.*s: ",
                        PAWL_BYTES_FMT(pawl_doctor_span(arena, late_ms)));
    else
        pawl_buf_append_str(buf, "nothing overdue: ");
    text_numbers(report, first, buf);
    pawl_buf_append_str(buf, "\n");
}

static void text_partitions(const struct pawl_doctor_report *report, struct pawl_arena *arena,
                            struct pawl_buf *buf)
{
    pawl_buf_printf(buf, "\nPartitions: %" PRIu32 "\n", report->partitions_count);
    for (uint32_t i = 0; i < report->partitions_count; i++) {
        bool is_told = false;
        for (uint32_t k = 0; k < i && !is_told; k++)
            is_told = is_alike(&report->partitions[i], &report->partitions[k]);
        if (!is_told) text_alike(report, i, arena, buf);
    }
}

static void text_limits(const struct pawl_doctor_sidecar *sidecar, struct pawl_arena *arena,
                        struct pawl_buf *buf)
{
    for (uint32_t i = 0; i < sidecar->limits_count; i++) {
        const struct pawl_doctor_limit *limit = &sidecar->limits[i];
        pawl_buf_printf(buf, "  %.*s: ", PAWL_BYTES_FMT(pawl_doctor_limit_name(arena, limit)));
        if (limit->is_of_app) pawl_buf_printf(buf, "%" PRIu32 " places here, ", limit->places);
        pawl_buf_printf(buf, "%" PRIu32 " running, %" PRIu32 " waiting\n", limit->running,
                        limit->waiting);
    }
}

static void text_sidecars(const struct pawl_doctor_report *report, struct pawl_arena *arena,
                          struct pawl_buf *buf)
{
    for (uint32_t i = 0; i < report->subject.sidecars_count; i++) {
        const struct pawl_doctor_sidecar *sidecar = &report->subject.sidecars[i];
        if (sidecar->error)
            pawl_buf_printf(buf, "\nSidecar %s: does not answer: %s\n", sidecar->url,
                            sidecar->error);
        else
            pawl_buf_printf(buf, "\nSidecar %s: %" PRIu32 " worker%s connected\n", sidecar->url,
                            sidecar->workers, sidecar->workers == 1 ? "" : "s");
        text_limits(sidecar, arena, buf);
    }
}

static void text_placement(const struct pawl_doctor_report *report, struct pawl_buf *buf)
{
    const struct pawl_doctor_placement *placement = report->subject.placement;
    if (!placement || !placement->url) return;
    if (placement->error) {
        pawl_buf_printf(buf, "\nPlacement %s: does not answer: %s\n", placement->url,
                        placement->error);
        return;
    }
    pawl_buf_printf(buf, "\nPlacement %s: sidecars that are there\n", placement->url);
    for (uint32_t i = 0; i < placement->apps_count; i++)
        pawl_buf_printf(buf, "  app %-20s %" PRIu32 ", with workers for activities %" PRIu32 "\n",
                        placement->apps[i].name, placement->apps[i].sidecars,
                        placement->apps[i].with_activities);
    if (placement->apps_count == 0) pawl_buf_append_str(buf, "  none\n");
}

static void text_findings(const struct pawl_doctor_report *report, struct pawl_buf *buf)
{
    if (report->strays_error.size)
        pawl_buf_printf(buf, "\nRows without an instance were not looked for everywhere: %.*s\n",
                        PAWL_BYTES_FMT(report->strays_error));
    if (report->findings_count == 0) {
        pawl_buf_append_str(buf, "\nWhat is stored hangs together: no findings\n");
        return;
    }
    pawl_buf_printf(buf, "\nFindings: %" PRIu64 "\n", report->findings_count);
    bool is_explained[PAWL_AUDIT_RULES_COUNT] = { false };
    for (uint32_t i = 0; i < report->findings_kept; i++) {
        const struct pawl_finding *finding = &report->findings[i];
        pawl_buf_printf(
            buf, "  %-8s %-7s partition %03" PRIu32, pawl_audit_rule_name(finding->rule),
            finding->severity == PAWL_AUDIT_ERROR ? "error" : "warning", finding->partition);
        if (!pawl_bytes_is_absent(finding->instance))
            pawl_buf_printf(buf, ", instance %.*s", PAWL_BYTES_FMT(finding->instance));
        pawl_buf_printf(buf, ": %.*s\n", PAWL_BYTES_FMT(finding->text));
        is_explained[finding->rule] = true;
    }
    if (report->findings_count > report->findings_kept)
        pawl_buf_printf(buf, "  ... and %" PRIu64 " more\n",
                        report->findings_count - report->findings_kept);
    pawl_buf_append_str(buf, "\n  The rules that do not hold:\n");
    for (int rule = 0; rule < PAWL_AUDIT_RULES_COUNT; rule++)
        if (is_explained[rule])
            pawl_buf_printf(buf, "  %-8s %s\n", pawl_audit_rule_name((enum pawl_audit_rule)rule),
                            pawl_audit_rule_text((enum pawl_audit_rule)rule));
    pawl_buf_append_str(buf, "  What to do about each: docs/OPERATIONS.md\n");
}

static void text_waiting(const char *title, uint64_t count, uint32_t kept,
                         const struct pawl_doctor_waiting *list, struct pawl_buf *buf)
{
    if (count == 0) return;
    pawl_buf_printf(buf, "\n%s: %" PRIu64 "\n", title, count);
    for (uint32_t i = 0; i < kept; i++) {
        pawl_buf_printf(buf, "  %.*s (%.*s, %s)\n", PAWL_BYTES_FMT(list[i].instance),
                        PAWL_BYTES_FMT(list[i].workflow), status_name(list[i].status));
        for (uint32_t k = 0; k < list[i].reasons_count; k++)
            pawl_buf_printf(buf, "    %.*s\n", PAWL_BYTES_FMT(list[i].reasons[k]));
    }
    if (count > kept) pawl_buf_printf(buf, "  ... and %" PRIu64 " more\n", count - kept);
}

static void text_waits(const struct pawl_doctor_report *report, struct pawl_buf *buf)
{
    if (report->waiting_count + report->stuck_count == 0) return;
    pawl_buf_append_str(buf, "\nWhat unfinished instances wait for, each by its first reason\n");
    for (int kind = PAWL_WAIT_SUSPENDED; kind <= PAWL_WAIT_CHILD; kind++)
        if (report->waits[kind])
            pawl_buf_printf(buf, "  %-34s %" PRIu64 "\n", wait_name((enum pawl_wait_kind)kind),
                            report->waits[kind]);
}

void pawl_doctor_write_text(const struct pawl_doctor_report *report, struct pawl_buf *buf)
{
    const struct pawl_doctor_subject *subject = &report->subject;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    pawl_buf_printf(buf, "App \"%s\", namespace \"%s\", in %.*s at %.*s\n\n", subject->app,
                    subject->namespace_, PAWL_BYTES_FMT(pawl_doctor_url(&arena, subject->store)),
                    PAWL_BYTES_FMT(pawl_doctor_time(&arena, subject->now_ms)));
    text_instances(report, buf);
    text_partitions(report, &arena, buf);
    text_sidecars(report, &arena, buf);
    text_placement(report, buf);
    text_waits(report, buf);
    text_waiting("Waiting", report->waiting_count, report->waiting_kept, report->waiting, buf);
    text_waiting("Near the limit of their history", report->long_count, report->long_kept,
                 report->near_limit, buf);
    text_waiting("Stuck", report->stuck_count, report->stuck_kept, report->stuck, buf);
    text_findings(report, buf);
    pawl_arena_deinit(&arena);
}

/* JSON -------------------------------------------------------------------------------------- */

static void json_pair(struct pawl_json *json, const char *key, struct pawl_bytes text)
{
    pawl_json_key(json, key);
    pawl_json_text(json, text);
}

static void json_number(struct pawl_json *json, const char *key, uint64_t number)
{
    pawl_json_key(json, key);
    pawl_json_uint(json, number);
}

static void json_partitions(const struct pawl_doctor_report *report, struct pawl_json *json)
{
    pawl_json_key(json, "partitions");
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < report->partitions_count; i++) {
        const struct pawl_doctor_partition *partition = &report->partitions[i];
        pawl_json_object_begin(json);
        json_number(json, "partition", i);
        json_number(json, "epoch", partition->epoch);
        if (partition->epoch) json_pair(json, "owner", partition->owner);
        json_number(json, "sinceMs", (uint64_t)partition->since_ms);
        json_number(json, "oldestOverdueMs", (uint64_t)overdue_ms(report, partition));
        pawl_json_object_end(json);
    }
    pawl_json_array_end(json);
}

static void json_findings(const struct pawl_doctor_report *report, struct pawl_json *json)
{
    json_number(json, "findingsTotal", report->findings_count);
    pawl_json_key(json, "findings");
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < report->findings_kept; i++) {
        const struct pawl_finding *finding = &report->findings[i];
        pawl_json_object_begin(json);
        pawl_json_key(json, "rule");
        pawl_json_str(json, pawl_audit_rule_name(finding->rule));
        pawl_json_key(json, "severity");
        pawl_json_str(json, finding->severity == PAWL_AUDIT_ERROR ? "error" : "warning");
        json_number(json, "partition", finding->partition);
        if (!pawl_bytes_is_absent(finding->instance))
            json_pair(json, "instance", finding->instance);
        json_pair(json, "subject", finding->subject);
        json_pair(json, "text", finding->text);
        pawl_json_object_end(json);
    }
    pawl_json_array_end(json);
}

static void json_waiting(struct pawl_json *json, const char *total_key, uint64_t total,
                         const char *key, uint32_t kept, const struct pawl_doctor_waiting *list)
{
    json_number(json, total_key, total);
    pawl_json_key(json, key);
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < kept; i++) {
        pawl_json_object_begin(json);
        json_pair(json, "instance", list[i].instance);
        json_pair(json, "workflow", list[i].workflow);
        pawl_json_key(json, "status");
        pawl_json_str(json, status_name(list[i].status));
        json_number(json, "partition", list[i].partition);
        pawl_json_key(json, "reasons");
        pawl_json_array_begin(json);
        for (uint32_t k = 0; k < list[i].reasons_count; k++)
            pawl_json_text(json, list[i].reasons[k]);
        pawl_json_array_end(json);
        pawl_json_object_end(json);
    }
    pawl_json_array_end(json);
}

static void json_counts(const struct pawl_doctor_report *report, struct pawl_json *json)
{
    pawl_json_key(json, "instances");
    pawl_json_object_begin(json);
    for (int i = 0; i < PAWL_STATUS_COUNT; i++) {
        pawl_json_key(json, status_name((enum pawl_status)i));
        pawl_json_int(json, report->counts[i]);
    }
    pawl_json_object_end(json);
    pawl_json_key(json, "waits");
    pawl_json_object_begin(json);
    for (int kind = PAWL_WAIT_SUSPENDED; kind <= PAWL_WAIT_CHILD; kind++)
        json_number(json, wait_key((enum pawl_wait_kind)kind), report->waits[kind]);
    pawl_json_object_end(json);
}

void pawl_doctor_write_json(const struct pawl_doctor_report *report, struct pawl_buf *buf)
{
    const struct pawl_doctor_subject *subject = &report->subject;
    struct pawl_arena arena;
    struct pawl_json json;
    pawl_arena_init(&arena);
    pawl_json_init(&json, buf);
    pawl_json_object_begin(&json);
    pawl_json_key(&json, "app");
    pawl_json_str(&json, subject->app);
    pawl_json_key(&json, "namespace");
    pawl_json_str(&json, subject->namespace_);
    json_pair(&json, "store", pawl_doctor_url(&arena, subject->store));
    json_number(&json, "timeMs", (uint64_t)subject->now_ms);
    pawl_json_key(&json, "healthy");
    pawl_json_bool(&json, pawl_doctor_is_healthy(report));
    json_number(&json, "instancesTotal", report->instances);
    json_counts(report, &json);
    json_number(&json, "reminders", report->reminders);
    json_number(&json, "messages", report->messages);
    json_number(&json, "quarantined", report->quarantined);
    if (report->strays_error.size) json_pair(&json, "notLookedFor", report->strays_error);
    json_findings(report, &json);
    json_waiting(&json, "stuckTotal", report->stuck_count, "stuck", report->stuck_kept,
                 report->stuck);
    json_waiting(&json, "waitingTotal", report->waiting_count, "waiting", report->waiting_kept,
                 report->waiting);
    json_waiting(&json, "nearLimitTotal", report->long_count, "nearLimit", report->long_kept,
                 report->near_limit);
    json_partitions(report, &json);
    pawl_json_object_end(&json);
    pawl_buf_append_str(buf, "\n");
    pawl_arena_deinit(&arena);
}
