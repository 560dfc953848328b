/* Stored records as text: reminder members, operations, app ids. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "state/keys.h"

static void check_reminder(struct pawl_arena *arena, struct pawl_bytes member)
{
    struct pawl_reminder reminder, again;
    if (pawl_reminder_parse(member, &reminder) != PAWL_OK) return;
    PAWL_ASSERT(pawl_reminder_lease_ms(reminder.kind) > 0);
    struct pawl_bytes formatted = pawl_reminder_format(arena, &reminder);
    PAWL_ASSERT(pawl_reminder_parse(formatted, &again) == PAWL_OK);
    PAWL_ASSERT(pawl_bytes_is_equal(formatted, pawl_reminder_format(arena, &again)));
    PAWL_ASSERT(again.kind == reminder.kind);
    PAWL_ASSERT(pawl_bytes_is_equal(again.instance, reminder.instance));
    PAWL_ASSERT(again.nonce == reminder.nonce);
    PAWL_ASSERT(again.gen == reminder.gen);
}

static void check_op(struct pawl_arena *arena, struct pawl_bytes text)
{
    struct pawl_op op, again;
    if (pawl_op_parse(text, &op) != PAWL_OK) return;
    struct pawl_bytes formatted = pawl_op_format(arena, op);
    PAWL_ASSERT(pawl_op_parse(formatted, &again) == PAWL_OK);
    PAWL_ASSERT(again.kind == op.kind);
    PAWL_ASSERT(again.id == op.id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_bytes text = pawl_bytes_make(data, size);
    check_reminder(&arena, text);
    check_op(&arena, text);
    if (pawl_app_id_is_valid(text)) PAWL_ASSERT(pawl_name_is_valid(text, 64));
    pawl_arena_deinit(&arena);
    return 0;
}
