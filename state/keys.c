#include "state/keys.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

/* Operations ------------------------------------------------------------------- */

/* Decimal without sign or leading zero, so that a value has one spelling only. */
static bool uint32_parse(struct pawl_bytes text, uint32_t *ret_value)
{
    if (text.size == 0 || text.size > 10) return false;
    if (text.size > 1 && text.data[0] == '0') return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (value > UINT32_MAX) return false;
    *ret_value = (uint32_t)value;
    return true;
}

pawl_err pawl_op_parse(struct pawl_bytes text, struct pawl_op *ret_op)
{
    if (text.size < 3 || text.data[1] != ':') return PAWL_E_CORRUPT;
    char kind = (char)text.data[0];
    if (kind != 'a' && kind != 't' && kind != 'c') return PAWL_E_CORRUPT;
    uint32_t id;
    if (!uint32_parse(pawl_bytes_make(text.data + 2, text.size - 2), &id)) return PAWL_E_CORRUPT;
    *ret_op = (struct pawl_op){ .kind = kind, .id = id };
    return PAWL_OK;
}

/* Reminders -------------------------------------------------------------------- */

/* By hand instead of printf: every commit formats a few of these, and an instance id
 * is bytes, not a C string. */
struct writer {
    uint8_t *next;
};

static void put_bytes(struct writer *writer, const void *data, size_t size)
{
    if (size) memcpy(writer->next, data, size);
    writer->next += size;
}

static void put_char(struct writer *writer, char c)
{
    *writer->next++ = (uint8_t)c;
}

static void put_decimal(struct writer *writer, uint32_t value)
{
    char digits[10];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count) put_char(writer, digits[--count]);
}

static void put_id(struct writer *writer, struct pawl_id id)
{
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, text);
    put_bytes(writer, text, PAWL_ID_TEXT_SIZE - 1);
}

static void put_nonce(struct writer *writer, uint64_t nonce)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put_char(writer, "0123456789abcdef"[nonce >> shift & 15]);
}

static void put_op_and_nonce(struct writer *writer, const struct pawl_reminder *reminder)
{
    if (reminder->op.kind == 0) {
        put_bytes(writer, "-|-", 3);
        return;
    }
    put_char(writer, reminder->op.kind);
    put_char(writer, ':');
    put_decimal(writer, reminder->op.id);
    put_char(writer, '|');
    put_nonce(writer, reminder->nonce);
}

struct pawl_bytes pawl_op_format(struct pawl_arena *arena, struct pawl_op op)
{
    uint8_t *start = pawl_arena_alloc(arena, 12);
    struct writer writer = { start };
    put_char(&writer, op.kind);
    put_char(&writer, ':');
    put_decimal(&writer, op.id);
    return pawl_bytes_make(start, (size_t)(writer.next - start));
}

/* Kind, five separators, inc, gen, op and nonce at their longest. */
#define MEMBER_FIXED_SIZE_MAX (1u + 5u + 32u + 10u + 12u + 16u)

struct pawl_bytes pawl_reminder_format(struct pawl_arena *arena,
                                       const struct pawl_reminder *reminder)
{
    uint8_t *start = pawl_arena_alloc(arena, MEMBER_FIXED_SIZE_MAX + reminder->instance.size);
    struct writer writer = { start };
    put_char(&writer, (char)reminder->kind);
    put_char(&writer, '|');
    if (reminder->kind == PAWL_REMINDER_OUTBOX) {
        put_id(&writer, reminder->message);
    } else {
        put_bytes(&writer, reminder->instance.data, reminder->instance.size);
        put_char(&writer, '|');
        put_id(&writer, reminder->inc);
        put_char(&writer, '|');
        put_decimal(&writer, reminder->gen);
        put_char(&writer, '|');
        put_op_and_nonce(&writer, reminder);
    }
    return pawl_bytes_make(start, (size_t)(writer.next - start));
}

struct pawl_bytes pawl_tomb_format(struct pawl_arena *arena, enum pawl_tomb_kind kind,
                                   struct pawl_bytes instance, struct pawl_bytes request_id)
{
    PAWL_ASSERT(instance.size <= UINT32_MAX);
    uint8_t *start = pawl_arena_alloc(arena, 12 + instance.size + request_id.size);
    struct writer writer = { start };
    if (kind == PAWL_TOMB_REFUSED) put_char(&writer, '!');
    put_decimal(&writer, (uint32_t)instance.size);
    put_char(&writer, '|');
    put_bytes(&writer, instance.data, instance.size);
    put_bytes(&writer, request_id.data, request_id.size);
    return pawl_bytes_make(start, (size_t)(writer.next - start));
}

/* Cut the last field off `rest`; false when there is no '|' left. */
static bool field_take_last(struct pawl_bytes *rest, struct pawl_bytes *ret_field)
{
    for (size_t i = rest->size; i > 0; i--) {
        if (rest->data[i - 1] != '|') continue;
        *ret_field = pawl_bytes_make(rest->data + i, rest->size - i);
        rest->size = i - 1;
        return true;
    }
    return false;
}

static bool nonce_parse(struct pawl_bytes text, uint64_t *ret_nonce)
{
    if (text.size != 16) return false;
    uint64_t nonce = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        uint8_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint8_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint8_t)(c - 'a' + 10);
        else
            return false;
        nonce = nonce << 4 | digit;
    }
    *ret_nonce = nonce;
    return true;
}

/* Small letters only, so that a member has one spelling. */
static bool lower_id_parse(struct pawl_bytes text, struct pawl_id *ret_id)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] >= 'A' && text.data[i] <= 'F') return false;
    return pawl_id_parse(text, ret_id);
}

static pawl_err op_and_nonce_parse(struct pawl_bytes op, struct pawl_bytes nonce,
                                   struct pawl_reminder *reminder)
{
    bool op_unused = pawl_bytes_is_str(op, "-");
    if (op_unused != pawl_bytes_is_str(nonce, "-")) return PAWL_E_CORRUPT;
    if (op_unused) return PAWL_OK;
    if (!nonce_parse(nonce, &reminder->nonce)) return PAWL_E_CORRUPT;
    return pawl_op_parse(op, &reminder->op);
}

/* From the end, because the instance id may hold '|' and is the only field that may. */
static pawl_err instance_member_parse(struct pawl_bytes rest, struct pawl_reminder *reminder)
{
    struct pawl_bytes nonce, op, gen, inc;
    if (!field_take_last(&rest, &nonce)) return PAWL_E_CORRUPT;
    if (!field_take_last(&rest, &op)) return PAWL_E_CORRUPT;
    if (!field_take_last(&rest, &gen)) return PAWL_E_CORRUPT;
    if (!field_take_last(&rest, &inc)) return PAWL_E_CORRUPT;
    if (rest.size == 0 || rest.size > PAWL_INSTANCE_ID_SIZE_MAX) return PAWL_E_CORRUPT;
    if (!uint32_parse(gen, &reminder->gen)) return PAWL_E_CORRUPT;
    if (!lower_id_parse(inc, &reminder->inc)) return PAWL_E_CORRUPT;
    reminder->instance = rest;
    return op_and_nonce_parse(op, nonce, reminder);
}

static bool kind_is_valid(uint8_t kind)
{
    return kind == PAWL_REMINDER_WAKE || kind == PAWL_REMINDER_ACTIVITY
           || kind == PAWL_REMINDER_TIMER || kind == PAWL_REMINDER_CHILD
           || kind == PAWL_REMINDER_OUTBOX;
}

pawl_err pawl_reminder_parse(struct pawl_bytes member, struct pawl_reminder *ret_reminder)
{
    if (member.size < 3 || member.data[1] != '|') return PAWL_E_CORRUPT;
    if (!kind_is_valid(member.data[0])) return PAWL_E_CORRUPT;

    struct pawl_reminder reminder = { .kind = (enum pawl_reminder_kind)member.data[0] };
    struct pawl_bytes rest = pawl_bytes_make(member.data + 2, member.size - 2);
    if (reminder.kind == PAWL_REMINDER_OUTBOX) {
        if (!lower_id_parse(rest, &reminder.message)) return PAWL_E_CORRUPT;
    } else {
        pawl_err err = instance_member_parse(rest, &reminder);
        if (err) return err;
    }
    *ret_reminder = reminder;
    return PAWL_OK;
}

enum pawl_reminder_target pawl_reminder_target(const struct pawl_reminder *reminder,
                                               const struct pawl_metadata *metadata,
                                               const struct pawl_pending *pending)
{
    if (!metadata) return PAWL_TARGET_NO_INSTANCE;
    if (!pawl_id_is_equal(metadata->inc, reminder->inc)) return PAWL_TARGET_OTHER_INC;
    if (pawl_store_status_is_terminal(metadata->status)) return PAWL_TARGET_ENDED;
    if (reminder->kind == PAWL_REMINDER_WAKE) return PAWL_TARGET_THERE;
    if (metadata->gen != reminder->gen) return PAWL_TARGET_OTHER_GEN;
    if (!pending || pending->nonce != reminder->nonce) return PAWL_TARGET_NO_OP;
    return pending->state == PAWL_PENDING_DELIVERED ? PAWL_TARGET_DELIVERED : PAWL_TARGET_THERE;
}

int64_t pawl_reminder_lease_ms(enum pawl_reminder_kind kind)
{
    switch (kind) {
    case PAWL_REMINDER_WAKE: return PAWL_LEASE_WAKE_MS;
    case PAWL_REMINDER_ACTIVITY: return PAWL_LEASE_ACTIVITY_MS;
    case PAWL_REMINDER_TIMER: return PAWL_LEASE_TIMER_MS;
    case PAWL_REMINDER_CHILD: return PAWL_LEASE_CHILD_MS;
    case PAWL_REMINDER_OUTBOX: return PAWL_LEASE_OUTBOX_MS;
    }
    PAWL_UNREACHABLE("every kind of reminder has a lease");
}

int64_t pawl_poll_leased_until_ms(const struct pawl_poll *poll, enum pawl_reminder_kind kind)
{
    int64_t leased_ms = poll->now_ms + pawl_reminder_lease_ms(kind);
    bool looks_ahead = poll->until_ms > poll->now_ms && kind != PAWL_REMINDER_TIMER;
    return looks_ahead && leased_ms <= poll->until_ms ? poll->until_ms + 1 : leased_ms;
}
