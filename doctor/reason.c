/* Why an instance waits, as a sentence for somebody who has never seen the project. */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/timetext.h"
#include "doctor/report.h"

struct pawl_bytes pawl_doctor_time(struct pawl_arena *arena, int64_t ms)
{
    char text[PAWL_TIMETEXT_SIZE];
    if (ms <= 0) return PAWL_BYTES_LITERAL("an unknown time");
    pawl_timetext_format(ms, text);
    return pawl_arena_printf(arena, "%.10s %.8s UTC", text, text + 11);
}

struct pawl_bytes pawl_doctor_span(struct pawl_arena *arena, int64_t ms)
{
    int64_t seconds = ms < 0 ? 0 : ms / 1000;
    if (seconds < 120) return pawl_arena_printf(arena, "%" PRId64 " s", seconds);
    if (seconds < 7200) return pawl_arena_printf(arena, "%" PRId64 " min", seconds / 60);
    if (seconds < 172800) return pawl_arena_printf(arena, "%" PRId64 " h", seconds / 3600);
    return pawl_arena_printf(arena, "%" PRId64 " d", seconds / 86400);
}

struct pawl_bytes pawl_doctor_url(struct pawl_arena *arena, const char *url)
{
    const char *host = strstr(url, "://");
    const char *at = host ? strrchr(host, '@') : NULL;
    if (!at) return pawl_arena_printf(arena, "%s", url);
    return pawl_arena_printf(arena, "%.*s%s", (int)(host + 3 - url), url, at + 1);
}

static bool is_named(struct pawl_bytes name, uint32_t count, const char *const *names)
{
    for (uint32_t i = 0; i < count; i++)
        if (pawl_bytes_is_str(name, names[i])) return true;
    return count == PAWL_DOCTOR_NAMES_MAX; /* there are more than we know */
}

struct pawl_bytes pawl_doctor_limit_name(struct pawl_arena *arena,
                                         const struct pawl_doctor_limit *limit)
{
    const char *whose = limit->is_of_app ? "the app's" : "this sidecar's";
    if (!limit->name)
        return pawl_arena_printf(arena, "%s limit of %" PRIu32 " for all %s", whose, limit->max,
                                 limit->is_activity ? "activities" : "turns");
    return pawl_arena_printf(arena, "%s limit of %" PRIu32 " for %s \"%s\"", whose, limit->max,
                             limit->is_activity ? "activity" : "turns of workflow", limit->name);
}

static bool holds_up(const struct pawl_doctor_limit *limit, bool is_activity,
                     struct pawl_bytes name)
{
    return limit->is_activity == is_activity && limit->waiting > 0
           && limit->running >= limit->places
           && (!limit->name || pawl_bytes_is_str(name, limit->name));
}

/* Which concurrency limit holds it up, perhaps; "" for none. */
static struct pawl_bytes which_limit(const struct pawl_doctor_subject *subject,
                                     struct pawl_arena *arena, bool is_activity,
                                     struct pawl_bytes name)
{
    for (uint32_t i = 0; i < subject->sidecars_count; i++) {
        const struct pawl_doctor_sidecar *sidecar = &subject->sidecars[i];
        for (uint32_t k = 0; k < sidecar->limits_count; k++) {
            const struct pawl_doctor_limit *limit = &sidecar->limits[k];
            if (!holds_up(limit, is_activity, name)) continue;
            return pawl_arena_printf(
                arena, ": %.*s is full at %s, where %" PRIu32 " run and %" PRIu32 " wait",
                PAWL_BYTES_FMT(pawl_doctor_limit_name(arena, limit)), sidecar->url, limit->running,
                limit->waiting);
        }
    }
    return PAWL_BYTES_LITERAL("");
}

/* What the sidecars' answers say about who could do it; "" for nothing. */
static struct pawl_bytes who_could(const struct pawl_doctor_subject *subject,
                                   struct pawl_arena *arena, bool is_activity,
                                   struct pawl_bytes name)
{
    uint32_t workers = 0, silent = 0;
    bool is_known = false;
    for (uint32_t i = 0; i < subject->sidecars_count; i++) {
        const struct pawl_doctor_sidecar *sidecar = &subject->sidecars[i];
        workers += sidecar->workers;
        silent += sidecar->error != NULL;
        is_known = is_known
                   || (is_activity ? is_named(name, sidecar->activities_count, sidecar->activities)
                                   : is_named(name, sidecar->workflows_count, sidecar->workflows));
    }
    if (subject->sidecars_count == 0) return PAWL_BYTES_LITERAL("");
    if (silent == subject->sidecars_count)
        return pawl_arena_printf(arena, ": the sidecar at %s does not answer (%s)",
                                 subject->sidecars[0].url, subject->sidecars[0].error);
    if (workers == 0)
        return pawl_arena_printf(
            arena, ": no worker of app \"%s\" is connected to its sidecar; start the app",
            subject->app);
    if (is_known) return PAWL_BYTES_LITERAL("");
    return pawl_arena_printf(arena, ": no connected worker has registered the %s \"%.*s\"",
                             is_activity ? "activity" : "workflow", PAWL_BYTES_FMT(name));
}

/* What placement says about the sidecars of an app; "" for nothing. */
static struct pawl_bytes who_is_there(const struct pawl_doctor_subject *subject,
                                      struct pawl_arena *arena, struct pawl_bytes app,
                                      bool for_activity)
{
    const struct pawl_doctor_placement *placement = subject->placement;
    if (!placement || !placement->url || placement->error) return PAWL_BYTES_LITERAL("");
    for (uint32_t i = 0; i < placement->apps_count; i++) {
        const struct pawl_doctor_app *known = &placement->apps[i];
        if (!pawl_bytes_is_str(app, known->name)) continue;
        if (!for_activity || known->with_activities) return PAWL_BYTES_LITERAL("");
        return pawl_arena_printf(
            arena, ": no worker that runs activities is connected to a sidecar of app \"%.*s\"",
            PAWL_BYTES_FMT(app));
    }
    if (placement->apps_count == PAWL_DOCTOR_NAMES_MAX) return PAWL_BYTES_LITERAL("");
    return pawl_arena_printf(arena, ": placement knows no sidecar of app \"%.*s\"; is one running?",
                             PAWL_BYTES_FMT(app));
}

/* Its reminder is overdue: whoever should poll the partition does not. */
static bool nobody_polls(const struct pawl_doctor_subject *subject,
                         const struct pawl_stored_instance *stored)
{
    return stored->has_wake && stored->wake_ms + subject->stuck_ms < subject->now_ms;
}

static struct pawl_bytes or_nobody_polls(const struct pawl_doctor_subject *subject,
                                         struct pawl_arena *arena,
                                         const struct pawl_stored_instance *stored,
                                         struct pawl_bytes why)
{
    if (!nobody_polls(subject, stored)) return why;
    return pawl_arena_printf(
        arena, ": no sidecar of app \"%s\" has taken it up since %.*s; is one running?",
        subject->app, PAWL_BYTES_FMT(pawl_doctor_time(arena, stored->wake_ms)));
}

static struct pawl_bytes activity_reason(const struct pawl_doctor_subject *subject,
                                         struct pawl_arena *arena,
                                         const struct pawl_stored_instance *stored,
                                         const struct pawl_wait *wait, bool *ret_stuck)
{
    bool is_foreign = wait->app.size > 0 && !pawl_bytes_is_str(wait->app, subject->app);
    struct pawl_bytes why = PAWL_BYTES_LITERAL("");
    if (!is_foreign) why = who_could(subject, arena, true, wait->name);
    if (why.size == 0)
        why = who_is_there(subject, arena, is_foreign ? wait->app : pawl_bytes_str(subject->app),
                           true);
    why = or_nobody_polls(subject, arena, stored, why);
    *ret_stuck = why.size > 0 && wait->since_ms + subject->stuck_ms < subject->now_ms;
    /* Whoever set a limit wants things to wait. */
    if (why.size == 0 && !is_foreign) why = which_limit(subject, arena, true, wait->name);
    struct pawl_bytes where = PAWL_BYTES_LITERAL("");
    if (is_foreign) where = pawl_arena_printf(arena, " at app \"%.*s\"", PAWL_BYTES_FMT(wait->app));
    struct pawl_bytes nth = PAWL_BYTES_LITERAL("");
    if (wait->count > 1) nth = pawl_arena_printf(arena, ", try %" PRIu32, wait->count);
    return pawl_arena_printf(
        arena,
        "activity \"%.*s\" (%c:%" PRIu32 "%.*s)%.*s is running or waits to run since %.*s%.*s",
        PAWL_BYTES_FMT(wait->name), wait->op.kind, wait->op.id, PAWL_BYTES_FMT(nth),
        PAWL_BYTES_FMT(where), PAWL_BYTES_FMT(pawl_doctor_time(arena, wait->since_ms)),
        PAWL_BYTES_FMT(why));
}

static struct pawl_bytes turn_reason(const struct pawl_doctor_subject *subject,
                                     struct pawl_arena *arena,
                                     const struct pawl_stored_instance *stored,
                                     const struct pawl_wait *wait, bool *ret_stuck)
{
    struct pawl_bytes why = who_could(subject, arena, false, stored->metadata.name);
    if (why.size == 0) why = who_is_there(subject, arena, pawl_bytes_str(subject->app), false);
    why = or_nobody_polls(subject, arena, stored, why);
    struct pawl_bytes limit = PAWL_BYTES_LITERAL("");
    if (why.size == 0) limit = which_limit(subject, arena, false, stored->metadata.name);
    *ret_stuck = limit.size == 0 && wait->since_ms + subject->stuck_ms < subject->now_ms;
    if (limit.size) why = limit;
    if (*ret_stuck && why.size == 0)
        why = pawl_arena_printf(arena,
                                ": perhaps no worker of app \"%s\" is connected, or its "
                                "workers are busy (name the sidecar with --http to know)",
                                subject->app);
    return pawl_arena_printf(arena,
                             "%" PRIu32 " message%s for the workflow to take up, the first since "
                             "%.*s%.*s",
                             wait->count, wait->count == 1 ? " waits" : "s wait",
                             PAWL_BYTES_FMT(pawl_doctor_time(arena, wait->since_ms)),
                             PAWL_BYTES_FMT(why));
}

/* A timer of any sort; late when it should have fired. */
static struct pawl_bytes timer_reason(const struct pawl_doctor_subject *subject,
                                      struct pawl_arena *arena, const struct pawl_wait *wait,
                                      bool *ret_stuck)
{
    const char *what = "a timer fires at";
    bool has_note = wait->kind == PAWL_WAIT_RETRY && wait->text.size;
    if (wait->kind == PAWL_WAIT_RETRY) what = "a failed step is tried again at";
    if (wait->kind == PAWL_WAIT_EVENT) what = "an external event, with a time limit at";
    *ret_stuck = wait->until_ms + subject->stuck_ms < subject->now_ms;
    return pawl_arena_printf(
        arena, "%s %.*s%s%.*s%s%s", what, PAWL_BYTES_FMT(pawl_doctor_time(arena, wait->until_ms)),
        has_note ? " (" : "", PAWL_BYTES_FMT(has_note ? wait->text : PAWL_BYTES_ABSENT),
        has_note ? ")" : "", *ret_stuck ? ", which is over: is a sidecar running?" : "");
}

static struct pawl_bytes child_reason(const struct pawl_doctor_subject *subject,
                                      struct pawl_arena *arena, const struct pawl_wait *wait,
                                      bool *ret_stuck)
{
    struct pawl_bytes where = PAWL_BYTES_LITERAL(""), why = PAWL_BYTES_LITERAL("");
    if (wait->app.size && !pawl_bytes_is_str(wait->app, subject->app)) {
        where = pawl_arena_printf(arena, " at app \"%.*s\"", PAWL_BYTES_FMT(wait->app));
        why = who_is_there(subject, arena, wait->app, false);
    }
    *ret_stuck = why.size > 0 && wait->since_ms + subject->stuck_ms < subject->now_ms;
    return pawl_arena_printf(
        arena,
        "child workflow \"%.*s\", instance %.*s%.*s, started at %.*s, has not "
        "reported its end%.*s",
        PAWL_BYTES_FMT(wait->name), PAWL_BYTES_FMT(wait->instance), PAWL_BYTES_FMT(where),
        PAWL_BYTES_FMT(pawl_doctor_time(arena, wait->since_ms)), PAWL_BYTES_FMT(why));
}

struct pawl_bytes pawl_doctor_reason(const struct pawl_doctor_subject *subject,
                                     struct pawl_arena *arena,
                                     const struct pawl_stored_instance *stored,
                                     const struct pawl_wait *wait, bool *ret_stuck)
{
    *ret_stuck = false;
    switch (wait->kind) {
    case PAWL_WAIT_SUSPENDED:
        return pawl_arena_printf(arena, "suspended since %.*s%s%.*s%s; `resume` lets it go on",
                                 PAWL_BYTES_FMT(pawl_doctor_time(arena, wait->since_ms)),
                                 wait->text.size ? " (" : "", PAWL_BYTES_FMT(wait->text),
                                 wait->text.size ? ")" : "");
    case PAWL_WAIT_STALLED:
        *ret_stuck = true;
        return pawl_arena_printf(arena,
                                 "stalled since %.*s: %.*s: %.*s; mend that, then `resume` it",
                                 PAWL_BYTES_FMT(pawl_doctor_time(arena, wait->since_ms)),
                                 PAWL_BYTES_FMT(wait->name), PAWL_BYTES_FMT(wait->text));
    case PAWL_WAIT_START:
        return pawl_arena_printf(arena, "its start is set for %.*s",
                                 PAWL_BYTES_FMT(pawl_doctor_time(arena, wait->until_ms)));
    case PAWL_WAIT_TURN: return turn_reason(subject, arena, stored, wait, ret_stuck);
    case PAWL_WAIT_ACTIVITY: return activity_reason(subject, arena, stored, wait, ret_stuck);
    case PAWL_WAIT_CHILD: return child_reason(subject, arena, wait, ret_stuck);
    case PAWL_WAIT_EVENT:
        if (wait->until_ms == 0)
            return pawl_arena_printf(arena,
                                     "an external event, since %.*s (nothing else is open; which "
                                     "event, only its code knows)",
                                     PAWL_BYTES_FMT(pawl_doctor_time(arena, wait->since_ms)));
        return timer_reason(subject, arena, wait, ret_stuck);
    case PAWL_WAIT_RETRY:
    case PAWL_WAIT_TIMER: return timer_reason(subject, arena, wait, ret_stuck);
    }
    return PAWL_BYTES_LITERAL("");
}
