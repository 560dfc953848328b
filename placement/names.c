#include "placement/names.h"

#include "base/bytes.h"
#include "base/limits.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(uint8_t c)
{
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter || is_digit(c) || c == '-' || c == '_' || c == '.';
}

static bool is_words(struct pawl_bytes text, size_t size_max)
{
    if (text.size < 1 || text.size > size_max) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_word(text.data[i])) return false;
    }
    return true;
}

bool pawl_placement_app_is_valid(struct pawl_bytes text)
{
    return is_words(text, PAWL_APP_ID_SIZE_MAX);
}

bool pawl_placement_host_is_valid(struct pawl_bytes text)
{
    return is_words(text, PAWL_HOST_SIZE_MAX);
}

static bool is_port(struct pawl_bytes text)
{
    if (text.size < 1 || text.size > 5) return false;
    uint32_t port = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.data[i])) return false;
        port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

/* What stands in the brackets of [::1]. */
static bool is_ipv6(struct pawl_bytes text)
{
    if (text.size < 2) return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool is_hex = is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!is_hex && c != ':' && c != '.') return false;
    }
    return true;
}

static bool is_host(struct pawl_bytes text)
{
    if (text.size < 1) return false;
    if (text.data[0] != '[') return is_words(text, PAWL_ADDRESS_SIZE_MAX);
    if (text.data[text.size - 1] != ']') return false;
    return is_ipv6(pawl_bytes_make(text.data + 1, text.size < 2 ? 0 : text.size - 2));
}

bool pawl_placement_address_is_valid(struct pawl_bytes text)
{
    const struct pawl_bytes scheme = PAWL_BYTES_LITERAL("tcp://");
    if (text.size > PAWL_ADDRESS_SIZE_MAX || !pawl_bytes_starts_with(text, scheme)) return false;
    size_t colon = text.size;
    while (colon > scheme.size && text.data[colon - 1] != ':') colon--;
    if (colon <= scheme.size + 1) return false;
    struct pawl_bytes host = pawl_bytes_make(text.data + scheme.size, colon - 1 - scheme.size);
    return is_host(host) && is_port(pawl_bytes_make(text.data + colon, text.size - colon));
}
