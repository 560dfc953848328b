/* What comes from a Redis server: bytes on the wire, then the answer of a script. The
 * first byte of the input is the operation asked (a digit), 'u' for a store URL, 's' for
 * the map of a cluster, 'm' for an error that names a server, 't' for the time. */
#include "fuzz.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "state/io/redis_decode.h"
#include "state/io/redis_hello.h"
#include "state/io/redis_slots.h"
#include "state/io/redis_url.h"

#define URL_SIZE_MAX 2048u

static void check_url(const uint8_t *data, size_t size)
{
    char text[URL_SIZE_MAX + 1] = { 0 };
    memcpy(text, data, size < URL_SIZE_MAX ? size : URL_SIZE_MAX);
    struct pawl_redis_url url;
    const char *message = NULL;
    pawl_err err = pawl_redis_url_parse(text, &url, &message);
    if (err != PAWL_OK) {
        PAWL_ASSERT(err == PAWL_E_INVALID);
        PAWL_ASSERT(message != NULL);
        return;
    }
    PAWL_ASSERT(url.seeds_count > 0);
    PAWL_ASSERT(url.seeds_count <= PAWL_REDIS_SEEDS_MAX);
    for (uint32_t i = 0; i < url.seeds_count; i++) {
        PAWL_ASSERT(memchr(url.seeds[i].host, 0, sizeof url.seeds[i].host) != NULL);
        PAWL_ASSERT(url.seeds[i].host[0] != 0);
    }
    PAWL_ASSERT(memchr(url.service, 0, sizeof url.service) != NULL);
    PAWL_ASSERT(memchr(url.text, 0, sizeof url.text) != NULL);
    PAWL_ASSERT(memchr(url.password, 0, sizeof url.password) != NULL);
}

static void check_slots(const uint8_t *data, size_t size)
{
    struct pawl_redis_reader *reader = pawl_redis_reader_new();
    struct pawl_redis_slots *slots = PAWL_NEW(struct pawl_redis_slots);
    const struct pawl_redis_value *value = NULL;
    if (pawl_redis_reader_feed(reader, data, size) == PAWL_OK
        && pawl_redis_reader_next(reader, &value) == PAWL_OK && value
        && pawl_redis_slots_parse(value, "host", slots) == PAWL_OK)
        for (uint32_t i = 0; i < PAWL_REDIS_SLOTS; i++)
            PAWL_ASSERT(slots->masters[i] == PAWL_REDIS_SLOT_NOBODY
                        || slots->masters[i] < slots->nodes_count);
    pawl_mem_free(slots);
    pawl_redis_reader_free(reader);
}

/* What is taken for a time is one of this age. */
static void check_time(const uint8_t *data, size_t size)
{
    struct pawl_redis_reader *reader = pawl_redis_reader_new();
    const struct pawl_redis_value *value = NULL;
    int64_t unix_ms = 0;
    if (pawl_redis_reader_feed(reader, data, size) == PAWL_OK
        && pawl_redis_reader_next(reader, &value) == PAWL_OK && value
        && pawl_redis_time_parse(value, &unix_ms)) {
        PAWL_ASSERT(unix_ms >= INT64_C(1577836800000));
        PAWL_ASSERT(unix_ms < INT64_C(253402300800000));
    }
    pawl_redis_reader_free(reader);
}

static void check_moved(const uint8_t *data, size_t size)
{
    struct pawl_redis_address address;
    if (pawl_redis_moved_parse(pawl_bytes_make(data, size), "host", &address)) return;
    PAWL_ASSERT(address.host[0] != 0);
    PAWL_ASSERT(memchr(address.host, 0, sizeof address.host) != NULL);
    PAWL_ASSERT(memchr(address.text, 0, sizeof address.text) != NULL);
}

static void check_reply(const struct pawl_store_reply *reply)
{
    if (reply->err == PAWL_E_CORRUPT) {
        PAWL_ASSERT(reply->message.size > 0);
        return;
    }
    if (reply->err != PAWL_OK) return;
    if (reply->op == PAWL_STORE_LOAD) {
        const struct pawl_snapshot *snapshot = &reply->load.snapshot;
        PAWL_ASSERT((int)snapshot->metadata.status < PAWL_STATUS_COUNT);
        for (uint32_t i = 0; i < snapshot->history_count; i++)
            PAWL_ASSERT(!pawl_bytes_is_absent(snapshot->history[i]));
        for (uint32_t i = 1; i < snapshot->pending_count; i++)
            PAWL_ASSERT(snapshot->pending[i - 1].op.kind <= snapshot->pending[i].op.kind);
    }
    if (reply->op == PAWL_STORE_QUERY)
        for (uint32_t i = 0; i < reply->query.rows_count; i++)
            PAWL_ASSERT(!pawl_bytes_is_absent(reply->query.rows[i].instance));
}

static void check_wire(enum pawl_store_op op, const uint8_t *data, size_t size)
{
    struct pawl_redis_reader *reader = pawl_redis_reader_new();
    const struct pawl_redis_value *value = NULL;
    if (pawl_redis_reader_feed(reader, data, size) == PAWL_OK) {
        while (pawl_redis_reader_next(reader, &value) == PAWL_OK && value) {
            struct pawl_store_reply reply = { .op = op };
            pawl_redis_decode(value, pawl_redis_reader_arena(reader), &reply);
            PAWL_ASSERT(reply.op == op);
            check_reply(&reply);
        }
    }
    pawl_redis_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    if (data[0] == 'u')
        check_url(data + 1, size - 1);
    else if (data[0] == 's')
        check_slots(data + 1, size - 1);
    else if (data[0] == 'm')
        check_moved(data + 1, size - 1);
    else if (data[0] == 't')
        check_time(data + 1, size - 1);
    else if (data[0] > '0' && data[0] < '0' + PAWL_STORE_OPS_END)
        check_wire((enum pawl_store_op)(data[0] - '0'), data + 1, size - 1);
    return 0;
}
