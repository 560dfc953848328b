#include "base/bytes.h"

#include "base/limits.h"

void pawl_id_format(struct pawl_id id, char ret_text[PAWL_ID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        ret_text[2 * i] = digits[id.bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[id.bytes[i] & 15];
    }
    ret_text[2 * sizeof id.bytes] = '\0';
}

/* 0..15, or 16 for what is no digit. */
static unsigned hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') return digit - (unsigned)'0';
    if (digit >= 'a' && digit <= 'f') return digit - (unsigned)'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - (unsigned)'A' + 10;
    return 16;
}

bool pawl_id_parse(struct pawl_bytes text, struct pawl_id *ret_id)
{
    struct pawl_id id;
    if (text.size != 2 * sizeof id.bytes) return false;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        unsigned high = hex_value(text.data[2 * i]);
        unsigned low = hex_value(text.data[2 * i + 1]);
        if (high > 15 || low > 15) return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_id = id;
    return true;
}

bool pawl_bytes_is_equal_secret(struct pawl_bytes a, struct pawl_bytes b)
{
    if (!a.data || !b.data) return a.data == b.data;
    if (a.size != b.size) return false;
    uint8_t difference = 0;
    for (size_t i = 0; i < a.size; i++)
        difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}

/* The bytes of the well-formed character at the start of `text` (not empty), or
 * 0. The second byte's range depends on the first: that is what shuts out
 * overlong forms, surrogates and values past U+10FFFF. */
static size_t utf8_char_size(struct pawl_bytes text)
{
    uint8_t first = text.data[0];
    if (first < 0x80) return 1;

    size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || text.size < size) return 0;

    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (text.data[1] < low || text.data[1] > high) return 0;
    for (size_t i = 2; i < size; i++) {
        if ((text.data[i] & 0xc0) != 0x80) return 0;
    }
    return size;
}

/* Most text is ASCII, and is looked at eight bytes at a time. */
static size_t ascii_words_size(struct pawl_bytes text)
{
    size_t size = 0;
    for (uint64_t word; text.size - size >= sizeof word; size += sizeof word) {
        memcpy(&word, text.data + size, sizeof word);
        if (word & UINT64_C(0x8080808080808080)) break;
    }
    return size;
}

bool pawl_utf8_is_valid(struct pawl_bytes text)
{
    size_t ascii = ascii_words_size(text);
    if (ascii == text.size) return true;
    text = pawl_bytes_make(text.data + ascii, text.size - ascii);
    while (text.size > 0) {
        size_t size = utf8_char_size(text);
        if (size == 0) return false;
        text.data += size;
        text.size -= size;
    }
    return true;
}

/* U+0000..U+001F, U+007F, U+0080..U+009F (two bytes: c2 80..c2 9f). */
static bool is_control(struct pawl_bytes text)
{
    uint8_t first = text.data[0];
    return first < 0x20 || first == 0x7f || (first == 0xc2 && text.data[1] < 0xa0);
}

bool pawl_name_is_valid(struct pawl_bytes text, size_t size_max)
{
    if (text.size == 0 || text.size > size_max) return false;
    while (text.size > 0) {
        size_t size = utf8_char_size(text);
        if (size == 0 || is_control(text)) return false;
        text.data += size;
        text.size -= size;
    }
    return true;
}

bool pawl_app_id_is_valid(struct pawl_bytes id)
{
    if (id.size < 1 || id.size > PAWL_APP_ID_SIZE_MAX) return false;
    for (size_t i = 0; i < id.size; i++) {
        uint8_t c = id.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '-' && c != '_' && c != '.') return false;
    }
    return true;
}
