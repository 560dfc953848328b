#include "doctor/story.h"

#include <inttypes.h>

#include "actors/envelope.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "state/keys.h"

/* Payloads are cut: the rest is a matter of `pawl workflow get`. */
#define PAYLOAD_SHOWN_MAX 120u
#define TEXT_SIZE_MAX     ((size_t)64 << 20)

struct pawl_doctor_story {
    struct pawl_doctor_subject subject;
    uint32_t partition;
    bool is_there;
    struct pawl_arena arena; /* of what is kept below */
    struct pawl_buf head;
    struct pawl_buf history;
    struct pawl_buf inbox;
    struct pawl_buf pending;
    struct pawl_buf waits;
    struct pawl_buf payloads;
};

static struct pawl_buf *const *bufs_of(struct pawl_doctor_story *story,
                                       struct pawl_buf *ret_bufs[6])
{
    ret_bufs[0] = &story->head;
    ret_bufs[1] = &story->history;
    ret_bufs[2] = &story->inbox;
    ret_bufs[3] = &story->pending;
    ret_bufs[4] = &story->waits;
    ret_bufs[5] = &story->payloads;
    return ret_bufs;
}

struct pawl_doctor_story *pawl_doctor_story_new(const struct pawl_doctor_subject *subject,
                                                uint32_t partition)
{
    struct pawl_doctor_story *story = PAWL_NEW(struct pawl_doctor_story);
    struct pawl_buf *bufs[6];
    story->subject = *subject;
    story->partition = partition;
    pawl_arena_init(&story->arena);
    bufs_of(story, bufs);
    for (int i = 0; i < 6; i++) pawl_buf_init(bufs[i], TEXT_SIZE_MAX);
    return story;
}

void pawl_doctor_story_free(struct pawl_doctor_story *story)
{
    struct pawl_buf *bufs[6];
    if (!story) return;
    bufs_of(story, bufs);
    for (int i = 0; i < 6; i++) pawl_buf_deinit(bufs[i]);
    pawl_arena_deinit(&story->arena);
    pawl_mem_free(story);
}

/* Bytes as one line of at most so many characters. */
static void put_payload(struct pawl_buf *buf, struct pawl_bytes payload)
{
    size_t shown = payload.size < PAYLOAD_SHOWN_MAX ? payload.size : PAYLOAD_SHOWN_MAX;
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = payload.data[i];
        if (c < ' ' || c == 0x7f)
            pawl_buf_printf(buf, "\\x%02x", c);
        else
            pawl_buf_append(buf, &c, 1);
    }
    if (shown < payload.size) pawl_buf_printf(buf, "... (%zu bytes)", payload.size);
}

static void put_time(struct pawl_doctor_story *story, struct pawl_buf *buf, const char *label,
                     int64_t ms)
{
    if (ms <= 0) return;
    pawl_buf_printf(buf, "  %-10s %.*s\n", label,
                    PAWL_BYTES_FMT(pawl_doctor_time(&story->arena, ms)));
}

static void put_head(struct pawl_doctor_story *story, const struct pawl_stored_instance *stored)
{
    const struct pawl_metadata *metadata = &stored->metadata;
    const char *status = pawl_status_name((int)metadata->status);
    struct pawl_buf *buf = &story->head;
    pawl_buf_printf(buf, "  workflow   %.*s", PAWL_BYTES_FMT(metadata->name));
    if (metadata->version.size)
        pawl_buf_printf(buf, " (version %.*s)", PAWL_BYTES_FMT(metadata->version));
    pawl_buf_printf(buf, "\n  status     %s\n", status ? status : "?");
    if (stored->custom_status.size) {
        pawl_buf_append_str(buf, "  it says    ");
        put_payload(buf, stored->custom_status);
        pawl_buf_append_str(buf, "\n");
    }
    put_time(story, buf, "created", metadata->created_ms);
    put_time(story, buf, "start set", metadata->start_at_ms);
    put_time(story, buf, "started", metadata->started_ms);
    put_time(story, buf, "last turn", metadata->updated_ms);
    put_time(story, buf, "ended", metadata->completed_ms);
    pawl_buf_printf(buf,
                    "  turns      %" PRIu32 ", generation %" PRIu32 "\n  history    %" PRIu32
                    " events of at most %u, %" PRIu64 " bytes of at most %u\n",
                    metadata->turn, metadata->gen, metadata->history_count, PAWL_HISTORY_EVENTS_MAX,
                    metadata->history_size, PAWL_HISTORY_SIZE_MAX);
    struct pawl_parent parent;
    if (!pawl_bytes_is_absent(metadata->parent)
        && pawl_parent_decode(metadata->parent, &parent) == PAWL_OK && parent.instance.size) {
        pawl_buf_printf(buf, "  parent     instance %.*s", PAWL_BYTES_FMT(parent.instance));
        if (parent.app.size) pawl_buf_printf(buf, " of app %.*s", PAWL_BYTES_FMT(parent.app));
        pawl_buf_append_str(buf, "\n");
    }
    if (stored->has_wake) put_time(story, buf, "woken at", stored->wake_ms);
}

static void put_event(struct pawl_doctor_story *story, struct pawl_buf *buf, const char *row,
                      uint32_t index, struct pawl_bytes bytes)
{
    struct pawl_history_event event;
    if (pawl_bytes_is_absent(bytes)) {
        pawl_buf_printf(buf, "  %s-%06" PRIu32 "  MISSING\n", row, index);
        return;
    }
    if (pawl_history_event_decode(bytes, &event) != PAWL_OK) {
        pawl_buf_printf(buf, "  %s-%06" PRIu32 "  cannot be read (%zu bytes)\n", row, index,
                        bytes.size);
        return;
    }
    pawl_buf_printf(buf, "  %s-%06" PRIu32 "  %.*s  %s", row, index,
                    PAWL_BYTES_FMT(pawl_doctor_time(&story->arena, event.timestamp_ms)),
                    pawl_event_kind_name((int)event.kind));
    if (event.id >= 0) pawl_buf_printf(buf, " #%" PRId32, event.id);
    if (event.ref >= 0) pawl_buf_printf(buf, " of #%" PRId32, event.ref);
    if (event.name.size) pawl_buf_printf(buf, " %.*s", PAWL_BYTES_FMT(event.name));
    if (event.instance.size) pawl_buf_printf(buf, " instance %.*s", PAWL_BYTES_FMT(event.instance));
    if (event.target_app.size)
        pawl_buf_printf(buf, " at app %.*s", PAWL_BYTES_FMT(event.target_app));
    if (event.fire_at_ms)
        pawl_buf_printf(buf, " at %.*s",
                        PAWL_BYTES_FMT(pawl_doctor_time(&story->arena, event.fire_at_ms)));
    if (event.failure.present)
        pawl_buf_printf(buf, " failed: %.*s: %.*s", PAWL_BYTES_FMT(event.failure.type),
                        PAWL_BYTES_FMT(event.failure.message));
    if (event.payload.size) {
        pawl_buf_append_str(buf, "  ");
        put_payload(buf, event.payload);
    }
    pawl_buf_append_str(buf, "\n");
}

static void put_inbox(struct pawl_doctor_story *story, const struct pawl_stored_inbox *inbox)
{
    struct pawl_inbox_body body = { .event = PAWL_BYTES_LITERAL("") };
    if (inbox->is_missing)
        body.event = PAWL_BYTES_ABSENT;
    else if (!inbox->is_unreadable && pawl_inbox_body_unpack(inbox->row.body, &body) != PAWL_OK)
        body.event = PAWL_BYTES_LITERAL("");
    put_event(story, &story->inbox, "inbox", inbox->row.index, body.event);
}

static void put_pending(struct pawl_doctor_story *story, const struct pawl_stored_pending *pending)
{
    pawl_buf_printf(&story->pending, "  %.*s  ", PAWL_BYTES_FMT(pending->name));
    if (pending->is_unreadable) {
        pawl_buf_append_str(&story->pending, "cannot be read\n");
        return;
    }
    bool is_open = pending->row.state == PAWL_PENDING_OPEN;
    pawl_buf_printf(&story->pending, "%s, scheduled by history-%06" PRIu32 "%s\n",
                    is_open ? "open" : "its result waits in the inbox", pending->row.history_index,
                    pending->has_reminder ? ", has a reminder" : "");
}

void pawl_doctor_story_page(struct pawl_doctor_story *story,
                            const struct pawl_stored_instance *stored, bool is_first)
{
    if (is_first) {
        struct pawl_buf *bufs[6];
        bufs_of(story, bufs);
        for (int i = 0; i < 5; i++) pawl_buf_clear(bufs[i]);
        story->is_there = true;
        put_head(story, stored);
        for (uint32_t i = 0; i < stored->pending_count; i++)
            put_pending(story, &stored->pending[i]);
    }
    for (uint32_t i = 0; i < stored->history_count; i++)
        put_event(story, &story->history, "history", stored->history_from + i, stored->history[i]);
    for (uint32_t i = 0; i < stored->inbox_count; i++) put_inbox(story, &stored->inbox[i]);
    pawl_arena_reset(&story->arena);
}

void pawl_doctor_story_waits(struct pawl_doctor_story *story,
                             const struct pawl_stored_instance *stored, uint32_t waits_count,
                             const struct pawl_wait *waits)
{
    for (uint32_t i = 0; i < waits_count; i++) {
        bool is_stuck;
        struct pawl_bytes reason =
            pawl_doctor_reason(&story->subject, &story->arena, stored, &waits[i], &is_stuck);
        pawl_buf_printf(&story->waits, "  %.*s\n", PAWL_BYTES_FMT(reason));
        pawl_arena_reset(&story->arena);
    }
}

void pawl_doctor_story_payloads(struct pawl_doctor_story *story,
                                const struct pawl_payloads *payloads)
{
    const struct {
        const char *label;
        struct pawl_bytes payload;
    } rows[] = { { "input", payloads->input }, { "output", payloads->output } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (pawl_bytes_is_absent(rows[i].payload)) continue;
        pawl_buf_printf(&story->payloads, "  %-10s ", rows[i].label);
        put_payload(&story->payloads, rows[i].payload);
        pawl_buf_append_str(&story->payloads, "\n");
    }
    struct pawl_failure_view failure = { .present = false };
    if (payloads->failure.size == 0 || pawl_failure_decode(payloads->failure, &failure) != PAWL_OK
        || !failure.present)
        return;
    pawl_buf_printf(&story->payloads, "  failure    %.*s: %.*s\n", PAWL_BYTES_FMT(failure.type),
                    PAWL_BYTES_FMT(failure.message));
}

bool pawl_doctor_story_is_there(const struct pawl_doctor_story *story)
{
    return story->is_there;
}

static void put_part(struct pawl_buf *buf, const char *title, const struct pawl_buf *part)
{
    if (part->size == 0) return;
    pawl_buf_printf(buf, "\n%s\n", title);
    pawl_buf_append(buf, part->data, part->size);
}

void pawl_doctor_story_write(const struct pawl_doctor_story *story,
                             const struct pawl_doctor_report *report, struct pawl_buf *buf)
{
    pawl_buf_printf(buf, "Instance %s of app \"%s\", namespace \"%s\", partition %03" PRIu32 "\n",
                    story->subject.instance, story->subject.app, story->subject.namespace_,
                    story->partition);
    pawl_buf_append(buf, story->head.data, story->head.size);
    pawl_buf_append(buf, story->payloads.data, story->payloads.size);
    put_part(buf, "What happened", &story->history);
    put_part(buf, "What waits in its inbox", &story->inbox);
    put_part(buf, "What is pending", &story->pending);
    put_part(buf, "What it waits for", &story->waits);
    if (report->findings_count == 0) {
        pawl_buf_append_str(buf, "\nIts rows hang together: no findings\n");
        return;
    }
    pawl_buf_append_str(buf, "\nFindings\n");
    for (uint32_t i = 0; i < report->findings_kept; i++)
        pawl_buf_printf(buf, "  %-8s %.*s\n", pawl_audit_rule_name(report->findings[i].rule),
                        PAWL_BYTES_FMT(report->findings[i].text));
}
