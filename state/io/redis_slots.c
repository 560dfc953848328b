#include "state/io/redis_slots.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

/* CRC-16/XMODEM, as the cluster specification demands. Bit by bit: it is asked once per
 * partition. */
static uint16_t crc16(const uint8_t *data, size_t size)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < size; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (int bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
    }
    return (uint16_t)crc;
}

uint16_t pawl_redis_slot(struct pawl_bytes key)
{
    const uint8_t *open = key.size ? memchr(key.data, '{', key.size) : NULL;
    if (open) {
        const uint8_t *tag = open + 1;
        const uint8_t *close = memchr(tag, '}', (size_t)(key.data + key.size - tag));
        if (close && close > tag) key = pawl_bytes_make(tag, (size_t)(close - tag));
    }
    return (uint16_t)(crc16(key.data, key.size) % PAWL_REDIS_SLOTS);
}

/* CLUSTER SLOTS ---------------------------------------------------------------- */

/* Host and port as a cluster tells them. "" and nil: the host that was asked; "?": a
 * server that does not know its own yet. */
static bool address_take(const struct pawl_redis_value *node, const char *host,
                         struct pawl_redis_address *ret_address)
{
    if (node->kind != PAWL_REDIS_ARRAY || node->count < 2) return false;
    if (node->items[1].kind != PAWL_REDIS_INTEGER) return false;
    struct pawl_bytes name = pawl_bytes_str(host);
    if (node->items[0].kind == PAWL_REDIS_STRING && node->items[0].text.size)
        name = node->items[0].text;
    char port[24];
    (void)snprintf(port, sizeof port, "%lld", (long long)node->items[1].integer);
    return pawl_redis_address_set(ret_address, name, pawl_bytes_str(port));
}

/* Its index; PAWL_REDIS_SLOT_NOBODY when it has no address or there are too many. */
static uint16_t node_add(struct pawl_redis_slots *slots, const struct pawl_redis_value *node,
                         const char *host)
{
    struct pawl_redis_address address;
    if (!address_take(node, host, &address)) return PAWL_REDIS_SLOT_NOBODY;
    for (uint32_t i = 0; i < slots->nodes_count; i++)
        if (pawl_redis_address_is_equal(&slots->nodes[i], &address)) return (uint16_t)i;
    if (slots->nodes_count == PAWL_REDIS_NODES_MAX) return PAWL_REDIS_SLOT_NOBODY;
    slots->nodes[slots->nodes_count] = address;
    return (uint16_t)slots->nodes_count++;
}

/* from, to, master, replica, … */
static bool range_take(struct pawl_redis_slots *slots, const struct pawl_redis_value *range,
                       const char *host)
{
    if (range->kind != PAWL_REDIS_ARRAY || range->count < 3) return false;
    if (range->items[0].kind != PAWL_REDIS_INTEGER) return false;
    if (range->items[1].kind != PAWL_REDIS_INTEGER) return false;
    int64_t from = range->items[0].integer, to = range->items[1].integer;
    if (from < 0 || from > to || to >= (int64_t)PAWL_REDIS_SLOTS) return false;
    uint16_t master = node_add(slots, &range->items[2], host);
    for (int64_t slot = from; slot <= to; slot++) slots->masters[slot] = master;
    for (uint32_t i = 3; i < range->count; i++) (void)node_add(slots, &range->items[i], host);
    return true;
}

pawl_err pawl_redis_slots_parse(const struct pawl_redis_value *value, const char *host,
                                struct pawl_redis_slots *slots)
{
    slots->nodes_count = 0;
    for (uint32_t i = 0; i < PAWL_REDIS_SLOTS; i++) slots->masters[i] = PAWL_REDIS_SLOT_NOBODY;
    if (value->kind != PAWL_REDIS_ARRAY) return PAWL_E_PROTOCOL;
    for (uint32_t i = 0; i < value->count; i++)
        if (!range_take(slots, &value->items[i], host)) return PAWL_E_PROTOCOL;
    return PAWL_OK;
}

/* MOVED ------------------------------------------------------------------------ */

static const uint8_t *find_last(struct pawl_bytes text, char c)
{
    return text.size ? memrchr(text.data, c, text.size) : NULL;
}

pawl_err pawl_redis_moved_parse(struct pawl_bytes text, const char *host,
                                struct pawl_redis_address *ret_address)
{
    const uint8_t *space = find_last(text, ' ');
    if (!space) return PAWL_E_PROTOCOL;
    struct pawl_bytes address =
        pawl_bytes_make(space + 1, (size_t)(text.data + text.size - space - 1));
    const uint8_t *colon = find_last(address, ':'); /* the last: an IPv6 host has more */
    if (!colon) return PAWL_E_PROTOCOL;
    struct pawl_bytes name = pawl_bytes_make(address.data, (size_t)(colon - address.data));
    struct pawl_bytes port =
        pawl_bytes_make(colon + 1, (size_t)(address.data + address.size - colon - 1));
    if (name.size == 0) name = pawl_bytes_str(host);
    return pawl_redis_address_set(ret_address, name, port) ? PAWL_OK : PAWL_E_PROTOCOL;
}
