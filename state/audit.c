#include "state/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/timetext.h"
#include "state/keys.h"

#define ERROR   PAWL_AUDIT_ERROR
#define WARNING PAWL_AUDIT_WARNING

const char *pawl_audit_rule_name(enum pawl_audit_rule rule)
{
    static const char *const names[] = {
#define X(name, text) #name,
        PAWL_AUDIT_RULE_MAP(X)
#undef X
    };
    PAWL_ASSERT(rule < PAWL_AUDIT_RULES_COUNT);
    return names[rule];
}

const char *pawl_audit_rule_text(enum pawl_audit_rule rule)
{
    static const char *const texts[] = {
#define X(name, text) text,
        PAWL_AUDIT_RULE_MAP(X)
#undef X
    };
    PAWL_ASSERT(rule < PAWL_AUDIT_RULES_COUNT);
    return texts[rule];
}

#define TEXT_SIZE_MAX 600u

void pawl_audit_find(const struct pawl_audit *audit, enum pawl_audit_rule rule,
                     enum pawl_audit_severity severity, struct pawl_bytes instance,
                     struct pawl_bytes subject, const char *format, ...)
{
    char text[TEXT_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is started right above */
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    PAWL_ASSERT(size >= 0);
    const struct pawl_finding finding = {
        .rule = rule,
        .severity = severity,
        .partition = audit->partition,
        .instance = instance,
        .subject = subject,
        .text = pawl_bytes_str(text),
    };
    audit->report(audit->context, &finding);
}

/* Partition -------------------------------------------------------------------- */

void pawl_audit_partition(const struct pawl_audit *audit,
                          const struct pawl_stored_partition *stored)
{
    if (!pawl_bytes_is_absent(stored->unreadable)) {
        pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, PAWL_BYTES_ABSENT, stored->unreadable,
                        "it cannot be read %.*s", PAWL_BYTES_FMT(stored->unreadable));
        return;
    }
    int64_t sum = 0;
    for (int status = 0; status < PAWL_STATUS_COUNT; status++) {
        sum += stored->counts[status];
        if (!stored->has_tally || stored->counts[status] == stored->tally[status]) continue;
        struct pawl_bytes subject = pawl_arena_printf(audit->arena, "status %d", status);
        pawl_audit_find(audit, PAWL_AUDIT_COUNTS, WARNING, PAWL_BYTES_ABSENT, subject,
                        "its counter of status %d says %" PRId64 ", there are %" PRId64
                        " such instances",
                        status, stored->counts[status], stored->tally[status]);
    }
    if (!stored->has_tally && sum != (int64_t)stored->instances)
        pawl_audit_find(
            audit, PAWL_AUDIT_COUNTS, WARNING, PAWL_BYTES_ABSENT, PAWL_BYTES_LITERAL("sum"),
            "its counters say %" PRId64 " instances, there are %" PRIu64, sum, stored->instances);
}

/* Instance --------------------------------------------------------------------- */

static bool index_is_sound(const struct pawl_audit *audit, struct pawl_bytes id,
                           const struct pawl_stored_instance *stored)
{
    struct pawl_bytes subject = PAWL_BYTES_LITERAL("index");
    if (!stored->is_there) {
        if (stored->is_indexed)
            pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, id, PAWL_BYTES_LITERAL("metadata"),
                            "its metadata row is missing, while the index of instances lists it");
        return false;
    }
    if (!pawl_bytes_is_absent(stored->unreadable)) {
        pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, id, PAWL_BYTES_LITERAL("metadata"),
                        "its metadata cannot be read: %.*s", PAWL_BYTES_FMT(stored->unreadable));
        return false;
    }
    if (!stored->is_indexed)
        pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, id, subject,
                        "the index of instances does not list it, so lists of workflows leave "
                        "it out");
    else if (stored->indexed_ms != stored->metadata.created_ms)
        pawl_audit_find(audit, PAWL_AUDIT_STRUCT, WARNING, id, subject,
                        "the index of instances has it at %" PRId64 " ms, it was created at "
                        "%" PRId64 " ms",
                        stored->indexed_ms, stored->metadata.created_ms);
    return true;
}

static void check_ended(const struct pawl_audit *audit, struct pawl_bytes id,
                        const struct pawl_stored_instance *stored)
{
    const struct pawl_metadata *metadata = &stored->metadata;
    uint32_t waiting = metadata->inbox_tail - metadata->inbox_head;
    if (waiting)
        pawl_audit_find(audit, PAWL_AUDIT_TERMINAL, WARNING, id, PAWL_BYTES_LITERAL("inbox"),
                        "it has ended, and %" PRIu32 " messages are still in its inbox", waiting);
    if (stored->pending_count)
        pawl_audit_find(audit, PAWL_AUDIT_TERMINAL, WARNING, id, PAWL_BYTES_LITERAL("pending"),
                        "it has ended, and %" PRIu32 " operations are still pending",
                        stored->pending_count);
    if (stored->has_wake)
        pawl_audit_find(audit, PAWL_AUDIT_TERMINAL, WARNING, id, PAWL_BYTES_LITERAL("wake"),
                        "it has ended, and a reminder still wakes it");
}

/* All open activities of an instance share its wake-up; the others have one each. */
static bool is_reminded(const struct pawl_stored_instance *stored,
                        const struct pawl_stored_pending *pending)
{
    if (pending->row.state != PAWL_PENDING_OPEN) return true;
    return pending->row.op.kind == 'a' ? stored->has_wake : pending->has_reminder;
}

static const char *op_kind_text(char kind)
{
    switch (kind) {
    case 'a': return "activity";
    case 't': return "timer";
    default: return "child workflow";
    }
}

static void check_pending(const struct pawl_audit *audit, struct pawl_bytes id,
                          const struct pawl_stored_instance *stored)
{
    for (uint32_t i = 0; i < stored->pending_count; i++) {
        const struct pawl_stored_pending *pending = &stored->pending[i];
        if (pending->is_unreadable)
            pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, id, pending->name,
                            "its pending operation \"%.*s\" cannot be read",
                            PAWL_BYTES_FMT(pending->name));
        else if (!is_reminded(stored, pending))
            pawl_audit_find(audit, PAWL_AUDIT_WAKE, ERROR, id, pending->name,
                            "it waits for %s %.*s, and the reminder that would bring this back "
                            "is missing",
                            op_kind_text(pending->row.op.kind), PAWL_BYTES_FMT(pending->name));
        else if (pending->row.history_index >= stored->metadata.history_count)
            pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, id, pending->name,
                            "pending operation %.*s was scheduled by history event %" PRIu32
                            ", but there are only %" PRIu32 " events",
                            PAWL_BYTES_FMT(pending->name), pending->row.history_index,
                            stored->metadata.history_count);
    }
}

void pawl_audit_instance(const struct pawl_audit *audit, struct pawl_bytes id,
                         const struct pawl_stored_instance *stored)
{
    if (!index_is_sound(audit, id, stored)) return;
    const struct pawl_metadata *metadata = &stored->metadata;
    if (stored->strays)
        pawl_audit_find(
            audit, PAWL_AUDIT_STRUCT, WARNING, id, PAWL_BYTES_LITERAL("strays"),
            "%" PRIu32 " rows of its history or inbox lie outside of what its "
            "metadata tells (history 0 to %" PRIu32 ", inbox %" PRIu32 " to %" PRIu32 ")",
            stored->strays, metadata->history_count, metadata->inbox_head, metadata->inbox_tail);
    if (pawl_store_status_is_terminal(metadata->status)) {
        check_ended(audit, id, stored);
        return;
    }
    uint32_t waiting = metadata->inbox_tail - metadata->inbox_head;
    if (waiting && !stored->has_wake)
        pawl_audit_find(audit, PAWL_AUDIT_WAKE, ERROR, id, PAWL_BYTES_LITERAL("wake"),
                        "%" PRIu32 " messages wait in its inbox, and the reminder that would "
                        "wake it is missing",
                        waiting);
    check_pending(audit, id, stored);
}

void pawl_audit_rows(const struct pawl_audit *audit, struct pawl_bytes id,
                     const struct pawl_stored_instance *stored)
{
    for (uint32_t i = 0; i < stored->history_count; i++) {
        if (!pawl_bytes_is_absent(stored->history[i])) continue;
        struct pawl_bytes subject =
            pawl_arena_printf(audit->arena, "history-%06" PRIu32, stored->history_from + i);
        pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, id, subject,
                        "row %.*s of its history is missing", PAWL_BYTES_FMT(subject));
    }
    for (uint32_t i = 0; i < stored->inbox_count; i++) {
        const struct pawl_stored_inbox *inbox = &stored->inbox[i];
        if (!inbox->is_missing && !inbox->is_unreadable) continue;
        struct pawl_bytes subject =
            pawl_arena_printf(audit->arena, "inbox-%06" PRIu32, inbox->row.index);
        pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, id, subject, "row %.*s of its inbox %s",
                        PAWL_BYTES_FMT(subject),
                        inbox->is_missing ? "is missing" : "cannot be read");
    }
}

void pawl_audit_size(const struct pawl_audit *audit, struct pawl_bytes id,
                     const struct pawl_metadata *metadata, uint64_t size)
{
    if (metadata->history_size == size) return;
    pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, id, PAWL_BYTES_LITERAL("history size"),
                    "its history has %" PRIu64 " bytes, its metadata says %" PRIu64, size,
                    metadata->history_size);
}

/* Reminders and messages ------------------------------------------------------- */

static const char *target_text(enum pawl_reminder_target target)
{
    switch (target) {
    case PAWL_TARGET_THERE:
    case PAWL_TARGET_DELIVERED: return NULL; /* the engine is about to take the result up */
    case PAWL_TARGET_NO_INSTANCE: return "is not there";
    case PAWL_TARGET_OTHER_INC: return "was started anew since";
    case PAWL_TARGET_ENDED: return "has ended";
    case PAWL_TARGET_OTHER_GEN: return "has continued as new since";
    case PAWL_TARGET_NO_OP: return "does not wait for this any more";
    case PAWL_TARGET_NO_MESSAGE: return "is gone";
    }
    return NULL;
}

/* Its bytes, with what is no plain letter as \xNN. */
static struct pawl_bytes member_text(struct pawl_arena *arena, struct pawl_bytes member)
{
    static const char digits[] = "0123456789abcdef";
    size_t shown = member.size < 100 ? member.size : 100;
    char *text = pawl_arena_alloc(arena, 4 * shown + 4);
    size_t used = 0;
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = member.data[i];
        if (c >= ' ' && c < 0x7f && c != '\\') {
            text[used++] = (char)c;
            continue;
        }
        const char escaped[] = { '\\', 'x', digits[c >> 4], digits[c & 15] };
        memcpy(text + used, escaped, sizeof escaped);
        used += sizeof escaped;
    }
    if (shown < member.size) used += (size_t)snprintf(text + used, 4, "...");
    return pawl_bytes_make(text, used);
}

static struct pawl_bytes time_text(struct pawl_arena *arena, int64_t ms)
{
    char text[PAWL_TIMETEXT_SIZE];
    pawl_timetext_format(ms, text);
    return pawl_arena_printf(arena, "%s", text);
}

void pawl_audit_reminder(const struct pawl_audit *audit, const struct pawl_stored_reminder *stored)
{
    struct pawl_bytes member = member_text(audit->arena, stored->member);
    if (stored->is_unreadable) {
        pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, PAWL_BYTES_ABSENT, stored->member,
                        "reminder \"%.*s\" cannot be read; when it is due it will be moved aside",
                        PAWL_BYTES_FMT(member));
        return;
    }
    const char *why = target_text(stored->target);
    if (!why || stored->row.due_ms + PAWL_AUDIT_OVERDUE_MS > audit->now_ms) return;
    bool is_message = stored->row.kind == PAWL_REMINDER_OUTBOX;
    pawl_audit_find(
        audit, PAWL_AUDIT_STRUCT, WARNING, is_message ? PAWL_BYTES_ABSENT : stored->row.instance,
        stored->member, "reminder \"%.*s\", due since %.*s, leads nowhere: its %s %s",
        PAWL_BYTES_FMT(member), PAWL_BYTES_FMT(time_text(audit->arena, stored->row.due_ms)),
        is_message ? "message" : "instance", why);
}

void pawl_audit_quarantined(const struct pawl_audit *audit,
                            const struct pawl_stored_reminder *stored)
{
    struct pawl_bytes member = member_text(audit->arena, stored->member);
    pawl_audit_find(audit, PAWL_AUDIT_STRUCT, WARNING, PAWL_BYTES_ABSENT, stored->member,
                    "reminder \"%.*s\" could not be read and was moved aside; if somebody misses "
                    "it, that shows as WAKE",
                    PAWL_BYTES_FMT(member));
}

void pawl_audit_message(const struct pawl_audit *audit, const struct pawl_stored_message *stored)
{
    char id[PAWL_ID_TEXT_SIZE];
    pawl_id_format(stored->row.id, id);
    struct pawl_bytes subject = pawl_arena_printf(audit->arena, "outbox %s", id);
    if (stored->is_unreadable)
        pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, PAWL_BYTES_ABSENT, subject,
                        "a message of the outbox has an id that is none");
    else if (!stored->has_reminder)
        pawl_audit_find(audit, PAWL_AUDIT_WAKE, ERROR, PAWL_BYTES_ABSENT, subject,
                        "message %s of the outbox has no reminder, so nobody delivers it after a "
                        "crash",
                        id);
}

void pawl_audit_stray(const struct pawl_audit *audit, struct pawl_bytes name)
{
    pawl_audit_find(audit, PAWL_AUDIT_STRUCT, WARNING, PAWL_BYTES_ABSENT, name,
                    "a row belongs to no instance that is listed: %.*s", PAWL_BYTES_FMT(name));
}
