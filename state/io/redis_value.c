#include "state/io/redis_value.h"

#include <hiredis/read.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"

/* More than any script returns in one list: pending is the longest, two per row. */
#define ITEMS_MAX (4u * PAWL_PENDING_OPS_MAX + 1024u)

/* hiredis gives back an empty buffer larger than this. */
#define IDLE_SIZE_MAX (1u << 20)

struct pawl_redis_reader {
    redisReader *resp;
    struct pawl_arena arena;
    bool finished; /* the tree in the arena was handed out */
    bool keep;     /* and is still needed */
};

/* The place of a value: a slot of its parent, or a new root. */
static struct pawl_redis_value *value_new(const redisReadTask *task)
{
    struct pawl_redis_reader *reader = task->privdata;
    if (!task->parent) return PAWL_ARENA_NEW(&reader->arena, struct pawl_redis_value);
    struct pawl_redis_value *parent = task->parent->obj;
    PAWL_ASSERT(task->idx >= 0 && (uint32_t)task->idx < parent->count);
    return &parent->items[task->idx];
}

static void *string_create(const redisReadTask *task, char *text, size_t size)
{
    struct pawl_redis_reader *reader = task->privdata;
    struct pawl_redis_value *value = value_new(task);
    value->kind = task->type == REDIS_REPLY_ERROR ? PAWL_REDIS_ERROR : PAWL_REDIS_STRING;
    value->text = pawl_arena_copy(&reader->arena, pawl_bytes_make(text, size));
    return value;
}

/* NULL makes hiredis give up with an error. */
static void *array_create(const redisReadTask *task, int count)
{
    struct pawl_redis_reader *reader = task->privdata;
    if (count < 0 || (uint32_t)count > ITEMS_MAX) return NULL;
    if (reader->arena.used > PAWL_STORE_REPLY_SIZE_MAX) return NULL;
    struct pawl_redis_value *value = value_new(task);
    value->kind = PAWL_REDIS_ARRAY;
    value->count = (uint32_t)count;
    value->items = PAWL_ARENA_ARRAY(&reader->arena, struct pawl_redis_value, count);
    return value;
}

static void *integer_create(const redisReadTask *task, long long integer)
{
    struct pawl_redis_value *value = value_new(task);
    value->kind = PAWL_REDIS_INTEGER;
    value->integer = integer;
    return value;
}

static void *nil_create(const redisReadTask *task)
{
    struct pawl_redis_value *value = value_new(task);
    value->kind = PAWL_REDIS_NIL;
    return value;
}

/* Everything belongs to the arena. */
static void object_free(void *object)
{
    (void)object;
}

static redisReplyObjectFunctions reader_functions = {
    .createString = string_create,
    .createArray = array_create,
    .createInteger = integer_create,
    .createNil = nil_create,
    .freeObject = object_free,
};

struct pawl_redis_reader *pawl_redis_reader_new(void)
{
    struct pawl_redis_reader *reader = PAWL_NEW(struct pawl_redis_reader);
    pawl_arena_init(&reader->arena);
    reader->resp = redisReaderCreateWithFunctions(&reader_functions);
    PAWL_ASSERT(reader->resp);
    reader->resp->privdata = reader;
    reader->resp->maxbuf = IDLE_SIZE_MAX;
    return reader;
}

void pawl_redis_reader_free(struct pawl_redis_reader *reader)
{
    if (!reader) return;
    redisReaderFree(reader->resp);
    pawl_arena_deinit(&reader->arena);
    pawl_mem_free(reader);
}

pawl_err pawl_redis_reader_feed(struct pawl_redis_reader *reader, const void *data, size_t size)
{
    if (reader->resp->len - reader->resp->pos + size > PAWL_STORE_REPLY_SIZE_MAX)
        return PAWL_E_PROTOCOL;
    if (redisReaderFeed(reader->resp, data, size) != REDIS_OK) return PAWL_E_PROTOCOL;
    return PAWL_OK;
}

pawl_err pawl_redis_reader_next(struct pawl_redis_reader *reader,
                                const struct pawl_redis_value **ret_value)
{
    if (reader->finished && !reader->keep) {
        pawl_arena_reset(&reader->arena);
        reader->finished = false;
    }
    void *tree = NULL;
    if (redisReaderGetReply(reader->resp, &tree) != REDIS_OK) return PAWL_E_PROTOCOL;
    reader->finished = reader->finished || tree != NULL;
    *ret_value = tree;
    return PAWL_OK;
}

void pawl_redis_reader_keep(struct pawl_redis_reader *reader, bool keep)
{
    reader->keep = keep;
}

struct pawl_arena *pawl_redis_reader_arena(struct pawl_redis_reader *reader)
{
    return &reader->arena;
}
