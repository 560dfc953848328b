#include "actors/position.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "base/limits.h"

static void number_write(struct pawl_buf *buf, uint64_t number)
{
    char text[16];
    size_t at = sizeof text;
    while (number != 0) {
        text[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36];
        number /= 36;
    }
    pawl_buf_append(buf, text + at, sizeof text - at);
}

struct pawl_bytes pawl_position_format(struct pawl_arena *arena, uint32_t partitions,
                                       uint32_t first, uint32_t count, const uint64_t *numbers)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_POSITION_SIZE_MAX);
    pawl_buf_append_str(&buf, count == partitions ? "a" : "i");
    number_write(&buf, partitions);
    pawl_buf_append_str(&buf, "-");
    if (count != partitions) {
        number_write(&buf, first);
        pawl_buf_append_str(&buf, "-");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) pawl_buf_append_str(&buf, ".");
        number_write(&buf, numbers[i]);
    }
    struct pawl_bytes text = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return text;
}

/* Up to the next character that is no digit. */
static bool number_read(struct pawl_bytes *text, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (; text->size > 0; text->data++, text->size--) {
        uint8_t c = text->data[0];
        uint64_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'z')
            digit = (uint64_t)(c - 'a') + 10;
        else
            break;
        if (number > (UINT64_MAX - digit) / 36) return false;
        number = number * 36 + digit;
    }
    *ret_number = number;
    return true;
}

static bool char_read(struct pawl_bytes *text, char c)
{
    if (text->size == 0 || text->data[0] != (uint8_t)c) return false;
    text->data++;
    text->size--;
    return true;
}

static bool expect_number(struct pawl_bytes *text, uint64_t wanted)
{
    uint64_t number;
    return number_read(text, &number) && number == wanted && char_read(text, '-');
}

bool pawl_position_parse(struct pawl_bytes text, uint32_t partitions, uint32_t first,
                         uint32_t count, uint64_t *ret_numbers)
{
    bool is_all = count == partitions;
    if (!char_read(&text, is_all ? 'a' : 'i') || !expect_number(&text, partitions)) return false;
    if (!is_all && !expect_number(&text, first)) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && !char_read(&text, '.')) return false;
        if (!number_read(&text, &ret_numbers[i])) return false;
    }
    return text.size == 0;
}
