/* Several partitions are walked at the same time, one request of each in flight. Each is
 * walked a second time when there was a finding, and only what is found both times is
 * told: sidecars may be at work meanwhile. */
#include "doctor/io/doctor.h"
#include "base/io/clock.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "doctor/story.h"
#include "state/audit_walk.h"
#include "state/io/backends.h"

#define LANES_COUNT    16u
#define STRAYS_TOKEN   1000u
#define PAYLOADS_TOKEN 1001u
#define READY_MS       5000u
#define RETRY_MS       250u
#define RETRIES_MAX    60u
#define SERVERS_MAX    64u

/* Kept of one walk, to compare it with the second. */
#define LANE_FINDINGS_MAX 4096u

struct findings {
    struct pawl_arena arena;
    uint32_t count;
    uint64_t dropped;                 /* beyond the room: counted only */
    uint64_t keys[LANE_FINDINGS_MAX]; /* of the subjects, to compare quickly */
    struct pawl_finding rows[LANE_FINDINGS_MAX];
};

struct doctor;

struct lane {
    struct doctor *doctor;
    uint32_t index;
    bool is_busy;
    bool is_second; /* look */
    struct pawl_audit_walk walk;
    struct pawl_instance_audit *instance;
    struct findings *first;
    struct findings *second;
    struct pawl_store_request request; /* in flight */
    uint32_t retries;
    bool must_retry;
};

struct doctor {
    uv_loop_t loop;
    uv_timer_t timer; /* no store so far; later: try again */
    uv_prepare_t prepare;
    struct pawl_store *store;
    struct pawl_doctor_subject subject;
    struct pawl_slew clock; /* as the sidecars' */
    struct pawl_doctor_report *report;
    struct pawl_doctor_story *story; /* NULL: everything is looked at */
    bool is_ready;
    bool must_flush;
    bool is_over;
    bool failed;
    char why[512];
    uint32_t partition_next;
    uint32_t lanes_busy;
    struct lane lanes[LANES_COUNT];
    /* Rows without an instance: once per server. */
    bool strays_begun;
    uint32_t strays_partition;
    struct pawl_arena strays_arena;
    struct pawl_bytes strays_cursor;
    uint32_t servers_count;
    uint64_t servers[SERVERS_MAX];
};

static void fail(struct doctor *doctor, const char *why)
{
    if (doctor->failed) return;
    doctor->failed = true;
    doctor->is_over = true;
    (void)snprintf(doctor->why, sizeof doctor->why, "%s", why);
}

/* Findings of one walk -------------------------------------------------------------------- */

static uint64_t finding_key(const struct pawl_finding *finding)
{
    bool has_instance = !pawl_bytes_is_absent(finding->instance);
    uint64_t key = has_instance ? pawl_hash_stable(finding->instance) : 0;
    return key * 31 + pawl_hash_stable(finding->subject);
}

static void finding_keep(void *context, const struct pawl_finding *finding)
{
    struct lane *lane = context;
    struct findings *findings = lane->is_second ? lane->second : lane->first;
    if (findings->count == LANE_FINDINGS_MAX) {
        findings->dropped++;
        return;
    }
    findings->keys[findings->count] = finding_key(finding);
    struct pawl_finding *kept = &findings->rows[findings->count++];
    *kept = *finding;
    kept->instance = pawl_arena_copy(&findings->arena, finding->instance);
    kept->subject = pawl_arena_copy(&findings->arena, finding->subject);
    kept->text = pawl_arena_copy(&findings->arena, finding->text);
}

static bool finding_is_same(const struct pawl_finding *a, const struct pawl_finding *b)
{
    return a->rule == b->rule && pawl_bytes_is_equal(a->instance, b->instance)
           && pawl_bytes_is_equal(a->subject, b->subject);
}

/* A page may come twice: a finding that was told is not told again. */
static bool findings_have(const struct findings *findings, uint32_t count,
                          const struct findings *others, uint32_t at)
{
    for (uint32_t i = 0; i < count; i++)
        if (findings->keys[i] == others->keys[at]
            && finding_is_same(&findings->rows[i], &others->rows[at]))
            return true;
    return false;
}

static void findings_tell(struct lane *lane)
{
    const struct findings *first = lane->first, *second = lane->second;
    struct pawl_doctor_report *report = lane->doctor->report;
    for (uint32_t i = 0; i < second->count; i++)
        if (findings_have(first, first->count, second, i) && !findings_have(second, i, second, i))
            pawl_doctor_add_finding(report, &second->rows[i]);
    if (first->dropped) report->findings_count += second->dropped;
}

static struct findings *findings_new(void)
{
    struct findings *findings = PAWL_NEW(struct findings);
    pawl_arena_init(&findings->arena);
    return findings;
}

static void findings_clear(struct findings *findings)
{
    findings->count = 0;
    findings->dropped = 0;
    pawl_arena_reset(&findings->arena);
}

static void findings_free(struct findings *findings)
{
    pawl_arena_deinit(&findings->arena);
    pawl_mem_free(findings);
}

/* Walks ------------------------------------------------------------------------------------ */

static void on_partition(void *context, const struct pawl_stored_partition *stored)
{
    struct lane *lane = context;
    if (!lane->is_second)
        pawl_doctor_add_partition(lane->doctor->report, lane->walk.audit.partition, stored);
}

static void on_instance(void *context, struct pawl_bytes id,
                        const struct pawl_stored_instance *stored, bool is_first, bool is_last)
{
    struct lane *lane = context;
    struct doctor *doctor = lane->doctor;
    pawl_instance_audit_page(lane->instance, &lane->walk.audit, id, stored, is_first, is_last);
    if (lane->is_second) return;
    if (doctor->story) pawl_doctor_story_page(doctor->story, stored, is_first);
    if (!is_last) return;
    const struct pawl_wait *waits;
    uint32_t count = pawl_instance_audit_waits(lane->instance, doctor->subject.now_ms, &waits);
    pawl_doctor_add_instance(doctor->report, lane->walk.audit.partition, id, stored, count, waits);
    if (doctor->story) pawl_doctor_story_waits(doctor->story, stored, count, waits);
}

static void on_message(void *context, const struct pawl_stored_message *stored)
{
    struct lane *lane = context;
    pawl_message_audit(&lane->walk.audit, stored);
}

static void submit(struct doctor *doctor, const struct pawl_store_request *request)
{
    doctor->store->ops->submit(doctor->store, request);
    doctor->must_flush = true;
}

static void lane_walk(struct lane *lane, uint32_t partition)
{
    const struct pawl_doctor_subject *subject = &lane->doctor->subject;
    pawl_audit_walk_init(&lane->walk, partition, subject->now_ms, finding_keep, lane,
                         subject->instance ? pawl_bytes_str(subject->instance) : PAWL_BYTES_ABSENT);
    lane->walk.visitor = (struct pawl_audit_visitor){ .context = lane,
                                                      .on_partition = on_partition,
                                                      .on_instance = on_instance,
                                                      .on_message = on_message };
}

/* The next request of the walk; false: it is through. */
static bool lane_ask(struct lane *lane)
{
    if (!pawl_audit_walk_next(&lane->walk, &lane->request)) return false;
    lane->request.token = lane->index;
    lane->retries = 0;
    submit(lane->doctor, &lane->request);
    return true;
}

static void strays_ask(struct doctor *doctor);
static void payloads_ask(struct doctor *doctor);

static void all_walked(struct doctor *doctor)
{
    if (doctor->story)
        payloads_ask(doctor);
    else
        strays_ask(doctor);
}

static void lane_begin(struct lane *lane)
{
    struct doctor *doctor = lane->doctor;
    lane->is_busy = doctor->partition_next < doctor->store->partitions;
    if (!lane->is_busy) {
        if (doctor->lanes_busy == 0) all_walked(doctor);
        return;
    }
    uint32_t partition = doctor->partition_next;
    doctor->partition_next = doctor->story ? doctor->store->partitions : partition + 1;
    doctor->lanes_busy++;
    lane->is_second = false;
    findings_clear(lane->first);
    lane_walk(lane, partition);
    bool has_request = lane_ask(lane);
    PAWL_ASSERT(has_request);
}

/* The walk is through: a second look, or the next partition. */
static void lane_end(struct lane *lane)
{
    uint32_t partition = lane->walk.audit.partition;
    pawl_audit_walk_deinit(&lane->walk);
    if (!lane->is_second && lane->first->count) {
        lane->is_second = true;
        findings_clear(lane->second);
        lane_walk(lane, partition);
        bool has_request = lane_ask(lane);
        PAWL_ASSERT(has_request);
        return;
    }
    if (lane->is_second) findings_tell(lane);
    lane->doctor->lanes_busy--;
    lane_begin(lane);
}

/* Rows without an instance ----------------------------------------------------------------- */

static void strays_ask(struct doctor *doctor)
{
    if (!doctor->strays_begun) pawl_arena_init(&doctor->strays_arena);
    doctor->strays_begun = true;
    if (doctor->strays_partition == doctor->store->partitions) {
        doctor->is_over = true;
        return;
    }
    const struct pawl_store_request request = {
        .token = STRAYS_TOKEN,
        .op = PAWL_STORE_INSPECT,
        .partition = doctor->strays_partition,
        .inspect = { .what = PAWL_INSPECT_STRAYS,
                     .cursor = doctor->strays_cursor,
                     .limit = PAWL_INSPECT_ROWS_MAX },
    };
    submit(doctor, &request);
}

static void stray_tell(void *context, const struct pawl_finding *finding)
{
    struct doctor *doctor = context;
    for (uint32_t i = 0; i < doctor->report->findings_kept; i++)
        if (finding_is_same(&doctor->report->findings[i], finding)) return;
    pawl_doctor_add_finding(doctor->report, finding);
}

/* Whether this server was looked through before; it counts as such from here on. */
static bool server_is_known(struct doctor *doctor, struct pawl_bytes server)
{
    uint64_t hash = pawl_hash_stable(server);
    for (uint32_t i = 0; i < doctor->servers_count; i++)
        if (doctor->servers[i] == hash) return true;
    if (doctor->servers_count < SERVERS_MAX) doctor->servers[doctor->servers_count++] = hash;
    return false;
}

static void strays_take(struct doctor *doctor, const struct pawl_store_reply *reply)
{
    bool is_first = pawl_bytes_is_absent(doctor->strays_cursor);
    struct pawl_bytes cursor = PAWL_BYTES_ABSENT;
    if (reply->err != PAWL_OK)
        doctor->report->strays_error = pawl_arena_copy(&doctor->report->arena, reply->message);
    if (reply->err == PAWL_OK) {
        const struct pawl_inspected *inspected = reply->inspect;
        bool is_known = is_first && server_is_known(doctor, inspected->server);
        if (!is_known) cursor = inspected->cursor;
        struct pawl_arena texts;
        pawl_arena_init(&texts);
        const struct pawl_audit audit = { .report = stray_tell,
                                          .context = doctor,
                                          .arena = &texts,
                                          .partition = doctor->strays_partition };
        for (uint32_t i = 0; i < inspected->count && !is_known; i++)
            pawl_audit_stray(&audit, inspected->names[i]);
        pawl_arena_deinit(&texts);
    }
    uint8_t kept[64];
    size_t size = cursor.size < sizeof kept ? cursor.size : sizeof kept;
    if (size) memcpy(kept, cursor.data, size);
    pawl_arena_reset(&doctor->strays_arena);
    doctor->strays_cursor =
        pawl_bytes_is_absent(cursor)
            ? PAWL_BYTES_ABSENT
            : pawl_arena_copy(&doctor->strays_arena, pawl_bytes_make(kept, size));
    if (pawl_bytes_is_absent(doctor->strays_cursor)) doctor->strays_partition++;
    strays_ask(doctor);
}

/* The story's payloads --------------------------------------------------------------------- */

static void payloads_ask(struct doctor *doctor)
{
    struct pawl_bytes id = pawl_bytes_str(doctor->subject.instance);
    const struct pawl_store_request request = {
        .token = PAYLOADS_TOKEN,
        .op = PAWL_STORE_LOAD,
        .partition = pawl_hash_partition(id, doctor->store->partitions),
        .load = { .instance = id, .want = PAWL_LOAD_PAYLOADS },
    };
    submit(doctor, &request);
}

/* The store -------------------------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer)
{
    struct doctor *doctor = timer->data;
    for (uint32_t i = 0; i < LANES_COUNT; i++)
        if (doctor->lanes[i].must_retry) submit(doctor, &doctor->lanes[i].request);
    for (uint32_t i = 0; i < LANES_COUNT; i++) doctor->lanes[i].must_retry = false;
    (void)uv_timer_stop(timer);
}

/* A connection that breaks comes back by itself. */
static void lane_retry(struct lane *lane, const struct pawl_store_reply *reply)
{
    struct doctor *doctor = lane->doctor;
    if (++lane->retries > RETRIES_MAX || reply->err == PAWL_E_VERSION) {
        char why[400];
        (void)snprintf(why, sizeof why, "the store does not answer any more: %s: %.*s",
                       pawl_err_name(reply->err), PAWL_BYTES_FMT(reply->message));
        fail(doctor, why);
        return;
    }
    lane->must_retry = true;
    if (!uv_is_active((uv_handle_t *)&doctor->timer))
        (void)uv_timer_start(&doctor->timer, on_retry, RETRY_MS, 0);
}

static void on_reply(void *context, const struct pawl_store_reply *reply)
{
    struct doctor *doctor = context;
    if (doctor->is_over) return;
    if (reply->token == STRAYS_TOKEN) {
        strays_take(doctor, reply);
        return;
    }
    if (reply->token == PAYLOADS_TOKEN) {
        if (reply->err == PAWL_OK)
            pawl_doctor_story_payloads(doctor->story, &reply->load.snapshot.payloads);
        doctor->is_over = true;
        return;
    }
    struct lane *lane = &doctor->lanes[reply->token];
    if (reply->err != PAWL_OK && reply->err != PAWL_E_CORRUPT) {
        lane_retry(lane, reply);
        return;
    }
    lane->retries = 0;
    pawl_audit_walk_take(&lane->walk, reply);
    if (!lane_ask(lane)) lane_end(lane);
}

static void begin(struct doctor *doctor)
{
    struct pawl_doctor_subject *subject = &doctor->subject;
    subject->now_ms = pawl_slew_now_ms(&doctor->clock, pawl_clock_ms(CLOCK_BOOTTIME));
    doctor->report = pawl_doctor_report_new(subject, doctor->store->partitions);
    uint32_t lanes_count = LANES_COUNT;
    if (subject->instance) {
        struct pawl_bytes id = pawl_bytes_str(subject->instance);
        doctor->partition_next = pawl_hash_partition(id, doctor->store->partitions);
        doctor->story = pawl_doctor_story_new(subject, doctor->partition_next);
        lanes_count = 1;
    }
    for (uint32_t i = 0; i < lanes_count; i++) {
        struct lane *lane = &doctor->lanes[i];
        if (doctor->partition_next < doctor->store->partitions) lane_begin(lane);
    }
}

static void on_state(void *context, bool ready, const char *why)
{
    struct doctor *doctor = context;
    if (!ready) {
        (void)snprintf(doctor->why, sizeof doctor->why, "%s", why);
        return;
    }
    if (doctor->is_ready || doctor->is_over) return;
    doctor->is_ready = true;
    (void)uv_timer_stop(&doctor->timer);
    begin(doctor);
}

static void on_clock(void *context, const struct pawl_clock_reading *reading)
{
    struct doctor *doctor = context;
    (void)pawl_slew_read(&doctor->clock, reading, pawl_clock_ms(CLOCK_BOOTTIME));
}

static void on_late(uv_timer_t *timer)
{
    struct doctor *doctor = timer->data;
    doctor->failed = true; /* `why` says what the store said last */
    doctor->is_over = true;
    if (doctor->why[0] == 0)
        (void)snprintf(doctor->why, sizeof doctor->why, "the store does not answer");
}

/* Before the loop waits, whoever asked: a reply, or a timer. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct doctor *doctor = prepare->data;
    if (!doctor->must_flush) return;
    doctor->must_flush = false;
    doctor->store->ops->flush(doctor->store);
}

/* Run -------------------------------------------------------------------------------------- */

static struct doctor *doctor_new(const struct pawl_doctor_subject *subject)
{
    struct doctor *doctor = PAWL_NEW(struct doctor);
    doctor->subject = *subject;
    pawl_slew_init(&doctor->clock, pawl_clock_ms(CLOCK_REALTIME), pawl_clock_ms(CLOCK_BOOTTIME));
    int status = uv_loop_init(&doctor->loop);
    PAWL_ASSERT(status == 0);
    (void)uv_timer_init(&doctor->loop, &doctor->timer);
    (void)uv_prepare_init(&doctor->loop, &doctor->prepare);
    doctor->timer.data = doctor;
    doctor->prepare.data = doctor;
    for (uint32_t i = 0; i < LANES_COUNT; i++)
        doctor->lanes[i] = (struct lane){ .doctor = doctor,
                                          .index = i,
                                          .instance = pawl_instance_audit_new(),
                                          .first = findings_new(),
                                          .second = findings_new() };
    return doctor;
}

static void doctor_free(struct doctor *doctor)
{
    if (doctor->store) doctor->store->ops->close(doctor->store);
    uv_close((uv_handle_t *)&doctor->timer, NULL);
    uv_close((uv_handle_t *)&doctor->prepare, NULL);
    (void)uv_run(&doctor->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&doctor->loop);
    for (uint32_t i = 0; i < LANES_COUNT; i++) {
        struct lane *lane = &doctor->lanes[i];
        if (lane->is_busy) pawl_audit_walk_deinit(&lane->walk);
        pawl_instance_audit_free(lane->instance);
        findings_free(lane->first);
        findings_free(lane->second);
    }
    if (doctor->strays_begun) pawl_arena_deinit(&doctor->strays_arena);
    pawl_doctor_story_free(doctor->story);
    pawl_doctor_report_free(doctor->report);
    pawl_mem_free(doctor);
}

static pawl_err open_store(struct doctor *doctor, const char **ret_message)
{
    const struct pawl_store_config config = {
        .loop = &doctor->loop,
        .url = doctor->subject.store,
        .app = doctor->subject.app,
        .namespace_ = doctor->subject.namespace_,
        .read_only = true,
        .on_reply = on_reply,
        .on_state = on_state,
        .on_clock = on_clock,
        .context = doctor,
    };
    if (strncmp(config.url, "mem:", 4) == 0) {
        *ret_message =
            "mem:// is the memory of a sidecar: there is nothing to look at from outside";
        return PAWL_E_INVALID;
    }
    return pawl_store_open(&config, &doctor->store, ret_message);
}

static enum pawl_doctor_outcome tell(struct doctor *doctor, bool json, struct pawl_buf *text)
{
    if (doctor->failed) {
        pawl_buf_append_str(text, doctor->why);
        return PAWL_DOCTOR_UNREACHABLE;
    }
    if (doctor->story && !pawl_doctor_story_is_there(doctor->story)
        && doctor->report->findings_count == 0) {
        pawl_buf_printf(text, "app \"%s\" has no instance %s", doctor->subject.app,
                        doctor->subject.instance);
        return PAWL_DOCTOR_UNREACHABLE;
    }
    if (json)
        pawl_doctor_write_json(doctor->report, text);
    else if (doctor->story)
        pawl_doctor_story_write(doctor->story, doctor->report, text);
    else
        pawl_doctor_write_text(doctor->report, text);
    return pawl_doctor_is_healthy(doctor->report) ? PAWL_DOCTOR_HEALTHY : PAWL_DOCTOR_FINDINGS;
}

enum pawl_doctor_outcome pawl_doctor_run(const struct pawl_doctor_subject *subject, bool json,
                                         struct pawl_buf *ret_text)
{
    const char *message = "";
    struct doctor *doctor = doctor_new(subject);
    if (open_store(doctor, &message) != PAWL_OK) {
        fail(doctor, message);
    } else {
        (void)uv_timer_start(&doctor->timer, on_late, READY_MS, 0);
        (void)uv_prepare_start(&doctor->prepare, on_prepare);
        while (!doctor->is_over) (void)uv_run(&doctor->loop, UV_RUN_ONCE);
    }
    enum pawl_doctor_outcome outcome = tell(doctor, json, ret_text);
    doctor_free(doctor);
    return outcome;
}
