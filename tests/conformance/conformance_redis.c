/* Redis answers as the reference does, and afterwards every key and every reminder is
 * accounted for by the instances that are there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_client.h"
#include "redis_server.h"
#include "suite.h"

#define TAG "{tests||conformance||%03u}||"

static int failures;

static void expect(bool cond, const char *what, const char *of)
{
    if (cond) return;
    fprintf(stderr, "redis: %s: %s\n", of, what);
    failures++;
}

static long long integer_of(redisReply *reply)
{
    long long value =
        reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : reply->integer;
    freeReplyObject(reply);
    return value;
}

static long long field_of(const struct redis_server *server, uint32_t partition,
                          const redisReply *id, const char *field)
{
    return integer_of(redis_server_command(server, NULL, "HGET " TAG "%s||metadata %s",
                                           (unsigned)partition, id->str, field));
}

/* Numbered rows of one instance; each must be there. */
static void rows_take(const struct redis_server *server, uint32_t partition, const redisReply *id,
                      const char *kind, long long from, long long to)
{
    for (long long n = from; n < to; n++) {
        char row[64];
        (void)snprintf(row, sizeof row, "%s-%06lld", kind, n);
        long long taken = integer_of(redis_server_command(server, NULL, "DEL " TAG "%s||%s",
                                                          (unsigned)partition, id->str, row));
        expect(taken == 1, row, "a row is missing");
    }
}

static void others_take(const struct redis_server *server, uint32_t partition, const redisReply *id)
{
    static const char *const names[] = { "metadata", "customStatus", "pending", "seen" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        freeReplyObject(redis_server_command(server, NULL, "DEL " TAG "%s||%s", (unsigned)partition,
                                             id->str, names[i]));
}

/* Returns how many reminders the instance says it has. */
static long long instance_take(const struct redis_server *server, uint32_t partition,
                               const redisReply *id)
{
    long long gen = field_of(server, partition, id, "gen");
    long long reminders =
        field_of(server, partition, id, "reminders") + field_of(server, partition, id, "wake");
    char history[40];
    (void)snprintf(history, sizeof history, "%lld||history", gen);
    rows_take(server, partition, id, history, 0, field_of(server, partition, id, "history_count"));
    rows_take(server, partition, id, "inbox", field_of(server, partition, id, "inbox_head"),
              field_of(server, partition, id, "inbox_tail"));
    others_take(server, partition, id);
    return reminders;
}

static long long outbox_reminders(const struct redis_server *server, uint32_t partition)
{
    redisReply *rows =
        redis_server_command(server, NULL, "ZRANGE " TAG "reminders 0 -1", (unsigned)partition);
    long long count = 0;
    for (size_t i = 0; i < rows->elements; i++) count += rows->element[i]->str[0] == 'o';
    freeReplyObject(rows);
    return count;
}

/* A set of the index, "…||created||<status>||<facet>": all its members have that status. */
static long long index_set_take(const struct redis_server *server, uint32_t partition,
                                const redisReply *key)
{
    const char *facet = strstr(strchr(key->str, '}') + 3, "||") + 2;
    int status = facet[0] - '0'; /* one digit */
    redisReply *ids = redis_server_command(server, NULL, "ZRANGE %s 0 -1", key->str);
    for (size_t i = 0; i < ids->elements; i++)
        expect(field_of(server, partition, ids->element[i], "status") == status, key->str,
               "has an instance of another status");
    long long count = strcmp(strstr(facet, "||"), "||all") == 0 ? (long long)ids->elements : 0;
    freeReplyObject(ids);
    redis_server_do(server, "DEL %s", key->str);
    return count;
}

static long long index_take(const struct redis_server *server, uint32_t partition, const char *what)
{
    redisReply *keys =
        redis_server_command(server, NULL, "KEYS " TAG "%s||*||*:*", (unsigned)partition, what);
    for (size_t i = 0; i < keys->elements; i++)
        (void)index_set_take(server, partition, keys->element[i]);
    freeReplyObject(keys);
    keys = redis_server_command(server, NULL, "KEYS " TAG "%s||?||all", (unsigned)partition, what);
    long long count = 0;
    for (size_t i = 0; i < keys->elements; i++)
        count += index_set_take(server, partition, keys->element[i]);
    freeReplyObject(keys);
    return count;
}

static void partition_take(const struct redis_server *server, uint32_t partition)
{
    long long indexed = index_take(server, partition, "created");
    (void)index_take(server, partition, "completed");
    expect(indexed
               == integer_of(redis_server_command(server, NULL, "ZCARD " TAG "instances",
                                                  (unsigned)partition)),
           "the index has other instances than there are", "created");
    redisReply *ids =
        redis_server_command(server, NULL, "ZRANGE " TAG "instances 0 -1", (unsigned)partition);
    long long reminders = outbox_reminders(server, partition);
    for (size_t i = 0; i < ids->elements; i++)
        reminders += instance_take(server, partition, ids->element[i]);
    freeReplyObject(ids);
    long long there = integer_of(
        redis_server_command(server, NULL, "ZCARD " TAG "reminders", (unsigned)partition));
    expect(there == reminders, "instances count other reminders than there are", "reminders");

    static const char *const names[] = { "owner",  "reminders", "instances", "ids",
                                         "outbox", "counts",    "tombs",     "changes" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        redis_server_do(server, "DEL " TAG "%s", (unsigned)partition, names[i]);
}

/* Take away all that is accounted for; nothing may be left. */
static void check_rows(const struct redis_server *server)
{
    for (uint32_t partition = 0; partition < SUITE_PARTITIONS; partition++)
        partition_take(server, partition);
    redis_server_do(server, "DEL {tests||conformance}||schema");
    redisReply *left = redis_server_command(server, NULL, "KEYS *");
    for (size_t i = 0; i < left->elements; i++)
        expect(false, "belongs to nothing", left->element[i]->str);
    freeReplyObject(left);
}

static int run_on(const struct redis_server *server, const struct suite_options *given,
                  uint64_t ops)
{
    char url[160];
    (void)snprintf(url, sizeof url, "redis+unix://%s", server->socket);
    struct suite_options options = *given;
    options.url = url;
    options.ops = ops;
    int result = suite_run(&options);
    if (result == 0) check_rows(server);
    return result;
}

static int run_plain(const struct suite_options *options)
{
    struct redis_server server;
    redis_server_start(&server, NULL);
    int result = run_on(&server, options, options->ops);
    redis_server_stop(&server);
    return result;
}

static void cluster_wait(const struct redis_server *server)
{
    for (bool is_ok = false; !is_ok;) {
        redisReply *info = redis_server_command(server, NULL, "CLUSTER INFO");
        is_ok = strstr(info->str, "cluster_state:ok") != NULL;
        freeReplyObject(info);
    }
}

#define CLUSTER_SHARE 10u

/* A cluster of one: it refuses every script that touches keys of two slots. */
static int run_in_cluster_mode(const struct suite_options *options)
{
    static const char *const args[] = { "--cluster-enabled", "yes", NULL };
    struct redis_server server;
    redis_server_start(&server, args);
    redis_server_do(&server, "CLUSTER ADDSLOTSRANGE 0 16383");
    cluster_wait(&server);
    uint64_t ops = options->ops / CLUSTER_SHARE;
    int result = run_on(&server, options, ops < 20000 ? 20000 : ops);
    redis_server_stop(&server);
    return result;
}

int main(int argc, char **argv)
{
    struct suite_options options = { .name = "redis",
                                     .open = redis_client_store_open,
                                     .ops = 200000 };
    suite_parse(&options, argc, argv);
    if (!redis_server_is_installed()) return 77;

    int result = run_plain(&options);
    if (result == 0) result = run_in_cluster_mode(&options);
    return result || failures ? 1 : 0;
}
