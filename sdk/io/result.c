#include "sdk/io/result.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/tags.h"
#include "sdk/change.h"
#include "sdk/export_write.h"
#include "sdk/instance.h"
#include "sdk/schedule.h"

static const char *text(struct pawl_result *result, struct pawl_bytes bytes, bool *complete)
{
    const char *copy = pawl_pool_text(&result->pool, bytes);
    if (!copy) *complete = false;
    return copy;
}

static struct pawl_bytes payload(struct pawl_result *result, struct pawl_bytes bytes,
                                 bool *complete)
{
    struct pawl_bytes copy = PAWL_BYTES_ABSENT;
    if (!pawl_pool_copy(&result->pool, bytes, &copy)) *complete = false;
    return copy;
}

static const struct pawl_failure *failure(struct pawl_result *result,
                                          const struct pawl_failure_view *view, bool *complete)
{
    if (!view->present) return NULL;
    const struct pawl_failure *copy = pawl_failure_from_view(&result->pool, view);
    if (!copy) *complete = false;
    return copy;
}

static struct pawl_result *result_new(const struct pawl_allocator *allocator)
{
    struct pawl_result *result = allocator->alloc(allocator->context, sizeof *result);
    if (!result) return NULL;
    *result = (struct pawl_result){ .allocator = *allocator, .message = "", .id = "" };
    pawl_pool_init(&result->pool, &result->allocator);
    return result;
}

void pawl_result_free(struct pawl_result *result)
{
    if (!result) return;
    struct pawl_allocator allocator = result->allocator;
    pawl_pool_deinit(&result->pool);
    allocator.free(allocator.context, result);
}

static size_t copy_tags(struct pawl_result *result, struct pawl_bytes bytes,
                        const struct pawl_instance_tag **ret_tags, bool *complete)
{
    struct pawl_tags tags;
    if (pawl_tags_unpack(bytes, &tags) != PAWL_OK || tags.count == 0) return 0;
    struct pawl_instance_tag *copy = pawl_pool_alloc(&result->pool, sizeof *copy * tags.count);
    if (!copy) {
        *complete = false;
        return 0;
    }
    for (uint32_t i = 0; i < tags.count; i++)
        copy[i] = (struct pawl_instance_tag){ text(result, tags.items[i].key, complete),
                                              text(result, tags.items[i].value, complete) };
    *ret_tags = copy;
    return tags.count;
}

static void copy_instances(struct pawl_result *result, const struct pawl_answer *answer,
                           bool *complete)
{
    result->instances =
        pawl_pool_alloc(&result->pool, sizeof *result->instances * answer->states_count);
    if (!result->instances) {
        *complete = false;
        return;
    }
    for (uint32_t i = 0; i < answer->states_count; i++) {
        const struct pawl_instance_state *state = &answer->states[i];
        result->instances[i] = (struct pawl_instance){
            .id = text(result, state->instance, complete),
            .name = text(result, state->name, complete),
            .version = text(result, state->version, complete),
            .parent_id = text(result, state->parent_instance, complete),
            .status = state->status,
            .generation = state->gen,
            .history_count = state->history_count,
            .created_ms = state->created_ms,
            .started_ms = state->started_ms,
            .updated_ms = state->updated_ms,
            .completed_ms = state->completed_ms,
            .custom_status = payload(result, state->custom_status, complete),
            .input = payload(result, state->input, complete),
            .output = payload(result, state->output, complete),
            .failure = failure(result, &state->failure, complete),
        };
        result->instances[i].tags_count =
            copy_tags(result, state->tags, &result->instances[i].tags, complete);
    }
    result->instances_count = answer->states_count;
}

static void copy_spec(struct pawl_result *result, const struct pawl_schedule_spec *spec,
                      struct pawl_schedule *ret_schedule, bool *complete)
{
    static const enum pawl_overlap overlaps[] = {
        [PAWL_OVERLAP_SKIP] = PAWL_OVERLAP_IS_SKIPPED,
        [PAWL_OVERLAP_ALLOW] = PAWL_OVERLAP_IS_ALLOWED,
        [PAWL_OVERLAP_BUFFER_ONE] = PAWL_OVERLAP_IS_BUFFERED,
        [PAWL_OVERLAP_TERMINATE] = PAWL_OVERLAP_TERMINATES,
    };
    *ret_schedule = (struct pawl_schedule){
        .id = ret_schedule->id,
        .workflow = text(result, spec->workflow, complete),
        .version = spec->version.size ? text(result, spec->version, complete) : NULL,
        .input = payload(result, spec->input, complete),
        .cron = spec->cron.size ? text(result, spec->cron, complete) : NULL,
        .timezone = spec->timezone.size ? text(result, spec->timezone, complete) : NULL,
        .every_ms = spec->every_ms,
        .offset_ms = spec->offset_ms,
        .overlap = overlaps[spec->overlap],
        .catch_up_ms = spec->catch_up_ms,
        .from_ms = spec->from_ms,
        .until_ms = spec->until_ms,
        .paused = spec->paused,
    };
}

static void copy_last_run(struct pawl_result *result, struct pawl_bytes id,
                          const struct pawl_schedule_state *state, struct pawl_schedule_info *info,
                          bool *complete)
{
    if (state->recent_count == 0) return;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    info->last_run =
        text(result, pawl_schedule_run_instance(&arena, id, state->recent[0].run), complete);
    info->last_run_ms = state->recent[0].run.time_ms;
    pawl_arena_deinit(&arena);
}

/* A schedule that was created this very moment has no state yet, only what it was given. */
static void copy_schedule(struct pawl_result *result, const struct pawl_instance_state *instance,
                          struct pawl_schedule_info *info, bool *complete)
{
    struct pawl_schedule_state state;
    struct pawl_schedule_spec spec;
    struct pawl_bytes id = pawl_schedule_id(instance->instance);
    *info = (struct pawl_schedule_info){ .reason = "", .last_run = "" };
    info->schedule.id = text(result, id, complete);
    info->schedule.workflow = "";
    if (pawl_schedule_state_unpack(instance->custom_status, &state) == PAWL_OK) {
        copy_spec(result, &state.spec, &info->schedule, complete);
        info->schedule.paused = state.paused;
        info->reason = text(result, state.reason, complete);
        info->next_ms = state.next_ms;
        info->started = state.started;
        info->skipped = state.skipped;
        info->missed = state.missed;
        info->failed = state.failed;
        copy_last_run(result, id, &state, info, complete);
    } else if (pawl_schedule_spec_unpack(instance->input, &spec) == PAWL_OK) {
        copy_spec(result, &spec, &info->schedule, complete);
    }
}

static void copy_schedules(struct pawl_result *result, const struct pawl_answer *answer,
                           bool *complete)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < answer->states_count; i++)
        if (pawl_bytes_is_str(answer->states[i].name, PAWL_SCHEDULE_NAME)) count++;
    if (count == 0) return;
    result->schedules = pawl_pool_alloc(&result->pool, sizeof *result->schedules * count);
    if (!result->schedules) {
        *complete = false;
        return;
    }
    for (uint32_t i = 0; i < answer->states_count; i++)
        if (pawl_bytes_is_str(answer->states[i].name, PAWL_SCHEDULE_NAME))
            copy_schedule(result, &answer->states[i], &result->schedules[result->schedules_count++],
                          complete);
}

static void copy_history(struct pawl_result *result, const struct pawl_request *request,
                         const struct pawl_answer *answer, bool *complete)
{
    result->history_total = answer->events_total;
    result->history =
        pawl_pool_alloc(&result->pool, sizeof *result->history * answer->events_count);
    if (!result->history) {
        *complete = false;
        return;
    }
    for (uint32_t i = 0; i < answer->events_count; i++) {
        struct pawl_history_event event;
        /* An event that a newer sidecar has and this library does not know. */
        bool known = pawl_history_event_decode(answer->events[i], &event) == PAWL_OK;
        if (!known) event = pawl_history_event_make(PAWL_EVENT_WORKFLOW_STARTED, 0);
        result->history[i] = (struct pawl_history_item){
            .index = request->from + i,
            .kind = known ? pawl_event_kind_name((int)event.kind) : "Unknown",
            .name = text(result, event.name, complete),
            .child_id = text(result, event.instance, complete),
            .id = event.id,
            .answers = event.ref,
            .timestamp_ms = event.timestamp_ms,
            .fire_at_ms = event.fire_at_ms,
            .payload = payload(result, event.payload, complete),
            .failure = failure(result, &event.failure, complete),
        };
    }
    result->history_count = answer->events_count;
}

static struct pawl_bytes page_events(struct pawl_result *result, uint32_t index,
                                     const struct pawl_bytes *events, uint32_t count,
                                     bool *complete)
{
    struct pawl_buf buf;
    struct pawl_json json;
    pawl_buf_init(&buf, PAWL_EXPORT_SIZE_MAX);
    pawl_json_init(&json, &buf);
    for (uint32_t i = 0; i < count; i++) pawl_export_write_event(&json, index + i, events[i]);
    if (buf.bad != PAWL_OK) *complete = false;
    struct pawl_bytes copy = payload(result, pawl_buf_view(&buf), complete);
    pawl_buf_deinit(&buf);
    return copy;
}

static struct pawl_bytes page_head(struct pawl_result *result, const struct pawl_request *request,
                                   const struct pawl_answer *answer, bool *complete)
{
    struct pawl_buf buf;
    struct pawl_json json;
    pawl_buf_init(&buf, PAWL_EXPORT_SIZE_MAX);
    pawl_json_init(&json, &buf);
    pawl_json_object_begin(&json);
    pawl_export_write_head(&json, request->instance, answer->states);
    if (buf.bad != PAWL_OK) *complete = false;
    struct pawl_bytes copy = payload(result, pawl_buf_view(&buf), complete);
    pawl_buf_deinit(&buf);
    return copy;
}

static void copy_page(struct pawl_result *result, const struct pawl_request *request,
                      const struct pawl_answer *answer, bool *complete)
{
    if (answer->states_count != 1) return; /* an error */
    struct pawl_export_page *page = &result->page;
    page->count = pawl_export_history_count(request, answer);
    page->total = answer->events_total;
    page->inc = answer->states[0].inc;
    page->gen = answer->states[0].gen;
    page->head = page_head(result, request, answer, complete);
    page->events = page_events(result, request->from, answer->events, page->count, complete);
    page->waiting = page_events(result, 0, answer->events + page->count,
                                answer->events_count - page->count, complete);
}

static const char *key_of(struct pawl_result *result, const struct pawl_lifecycle_event *event,
                          bool *complete)
{
    const char *key =
        pawl_pool_format(&result->pool, "%" PRIu32 ":%" PRIu64, event->partition, event->number);
    if (!key) *complete = false;
    return key;
}

static const char *id_text(struct pawl_result *result, struct pawl_id id, bool *complete)
{
    char formatted[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, formatted);
    return text(result, pawl_bytes_str(formatted), complete);
}

static void copy_changes(struct pawl_result *result, const struct pawl_answer *answer,
                         bool *complete)
{
    result->changes =
        pawl_pool_alloc(&result->pool, sizeof *result->changes * answer->events_count);
    if (!result->changes) {
        *complete = false;
        return;
    }
    for (uint32_t i = 0; i < answer->events_count; i++) {
        struct pawl_lifecycle_event event;
        /* One of a newer sidecar that this library cannot read. */
        if (pawl_lifecycle_event_unpack(answer->events[i], &event) != PAWL_OK) continue;
        result->changes[result->changes_count++] = (struct pawl_watch_event){
            .kind = PAWL_WATCH_CHANGE,
            .position = "",
            .key = key_of(result, &event, complete),
            .id = text(result, event.instance, complete),
            .name = text(result, event.name, complete),
            .time_ms = event.at_ms,
            .what = event.what,
            .status = event.status,
            .generation = event.gen,
            .incarnation = id_text(result, event.inc, complete),
            .custom_status = payload(result, event.custom_status, complete),
            .message = "",
        };
    }
}

struct pawl_result *pawl_result_from_answer(const struct pawl_allocator *allocator,
                                            const struct pawl_request *request,
                                            const struct pawl_answer *answer)
{
    struct pawl_result *result = result_new(allocator);
    if (!result) return NULL;

    bool complete = true;
    bool has_id = !pawl_bytes_is_absent(answer->instance);
    result->message = text(result, answer->message, &complete);
    result->id = text(result, has_id ? answer->instance : request->instance, &complete);
    if (!pawl_bytes_is_absent(answer->cursor)) {
        result->cursor = text(result, answer->cursor, &complete);
    }
    memcpy(result->counts, answer->counts, sizeof result->counts);
    result->batch = answer->batch;
    copy_instances(result, answer, &complete);
    copy_schedules(result, answer, &complete);
    result->reached = answer->reached;
    if (request->op == PAWL_REQUEST_WATCH)
        copy_changes(result, answer, &complete);
    else if (request->op == PAWL_REQUEST_HISTORY && request->with_payloads)
        copy_page(result, request, answer, &complete);
    else
        copy_history(result, request, answer, &complete);
    if (!complete) {
        pawl_result_free(result);
        return NULL;
    }
    return result;
}

struct pawl_result *pawl_result_from_message(const struct pawl_allocator *allocator,
                                             const struct pawl_request *request,
                                             struct pawl_bytes message)
{
    struct pawl_answer answer = { .message = message };
    return pawl_result_from_answer(allocator, request, &answer);
}

/* Questions --------------------------------------------------------------------------- */

const char *pawl_result_message(const struct pawl_result *result)
{
    return result ? result->message : "";
}

const char *pawl_result_id(const struct pawl_result *result)
{
    return result ? result->id : "";
}

const struct pawl_instance *pawl_result_instance(const struct pawl_result *result)
{
    return result && result->instances_count > 0 ? result->instances : NULL;
}

size_t pawl_result_instances_count(const struct pawl_result *result)
{
    return result ? result->instances_count : 0;
}

const struct pawl_instance *pawl_result_instances(const struct pawl_result *result)
{
    return result ? result->instances : NULL;
}

const char *pawl_result_cursor(const struct pawl_result *result)
{
    return result ? result->cursor : NULL;
}

size_t pawl_result_history_count(const struct pawl_result *result)
{
    return result ? result->history_count : 0;
}

const struct pawl_history_item *pawl_result_history(const struct pawl_result *result)
{
    return result ? result->history : NULL;
}

uint32_t pawl_result_history_total(const struct pawl_result *result)
{
    return result ? result->history_total : 0;
}

size_t pawl_result_schedules_count(const struct pawl_result *result)
{
    return result ? result->schedules_count : 0;
}

const struct pawl_schedule_info *pawl_result_schedules(const struct pawl_result *result)
{
    return result ? result->schedules : NULL;
}

const char *pawl_status_text(enum pawl_status status)
{
    const char *name = pawl_status_name((int)status);
    return name ? name : "UNKNOWN";
}

bool pawl_status_has_ended(enum pawl_status status)
{
    return pawl_status_name((int)status) && pawl_status_is_terminal(status);
}

uint64_t pawl_result_count(const struct pawl_result *result, enum pawl_status status)
{
    bool is_status = (unsigned int)status < PAWL_STATUS_COUNT;
    return result && is_status ? result->counts[status] : 0;
}

uint64_t pawl_result_count_all(const struct pawl_result *result)
{
    uint64_t all = 0;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        all += pawl_result_count(result, (enum pawl_status)i);
    return all;
}

uint32_t pawl_result_batch_matched(const struct pawl_result *result)
{
    return result ? result->batch.matched : 0;
}

uint32_t pawl_result_batch_done(const struct pawl_result *result)
{
    return result ? result->batch.done : 0;
}

uint32_t pawl_result_batch_failed(const struct pawl_result *result)
{
    return result ? result->batch.failed : 0;
}

struct pawl_bytes pawl_result_json(const struct pawl_result *result)
{
    return result ? result->json : PAWL_BYTES_ABSENT;
}
