#include "redis_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEYS_MAX     100u
#define WAIT_MS_MAX  120000 /* for servers that agree among themselves */
#define WAIT_MS_TEXT "120000"

/* When a server counts as gone. Sentinels do not look for half a minute after they stood still
 * themselves, and never promote a replica that lost its master ten times this long before they
 * noticed. */
#define PATIENT_MS       "60000"
#define SOON_MS          "2000"
#define SOON_SENTINEL_MS "6000"

static void check(bool cond, const char *what)
{
    if (cond) return;
    (void)fprintf(stderr, "redis_group: %s failed\n", what);
    abort();
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Asks again and again: the servers agree among themselves. */
static void wait_for(const struct redis_server *server, const char *command, const char *text)
{
    for (int64_t end_ms = now_ms() + WAIT_MS_MAX;;) {
        redisReply *reply = redis_server_command(server, NULL, command, NULL);
        bool is_there = reply->type == REDIS_REPLY_STRING && strstr(reply->str, text) != NULL;
        freeReplyObject(reply);
        if (is_there) return;
        check(now_ms() < end_ms, text);
        (void)usleep(20000);
    }
}

static void text_of(const struct redis_server *server, const char *command, char *out,
                    size_t out_size)
{
    redisReply *reply = redis_server_command(server, NULL, command, NULL);
    check(reply->type == REDIS_REPLY_STRING, command);
    (void)snprintf(out, out_size, "%s", reply->str);
    freeReplyObject(reply);
}

/* Cluster ---------------------------------------------------------------------- */

static void cluster_start_one(struct redis_group *group, uint32_t index,
                              enum redis_server_kind kind, const char *const *args)
{
    const char *all[REDIS_SERVER_ARGS_MAX] = { "--cluster-enabled",
                                               "yes",
                                               "--cluster-node-timeout",
                                               PATIENT_MS,
                                               "--cluster-replica-validity-factor",
                                               "0",
                                               "--repl-diskless-sync-delay",
                                               "0" };
    size_t count = 8;
    for (size_t i = 0; args && args[i]; i++) all[count++] = args[i];
    all[count] = NULL;
    redis_server_start_as(&group->servers[index], kind, all);
}

static void cluster_add_slots(const struct redis_group *group)
{
    for (uint32_t i = 0; i < REDIS_GROUP_SHARDS; i++)
        redis_server_do(&group->servers[i], "CLUSTER ADDSLOTSRANGE %u %u",
                        (unsigned)(i * 16384 / REDIS_GROUP_SHARDS),
                        (unsigned)((i + 1) * 16384 / REDIS_GROUP_SHARDS - 1));
    for (uint32_t i = 0; i < group->count; i++) /* or they would have to settle who is who */
        redis_server_do(&group->servers[i], "CLUSTER SET-CONFIG-EPOCH %u", (unsigned)i + 1);
}

static void cluster_meet(const struct redis_group *group)
{
    for (uint32_t i = 1; i < group->count; i++)
        redis_server_do(&group->servers[0], "CLUSTER MEET 127.0.0.1 %u %u",
                        (unsigned)group->servers[i].port, (unsigned)group->servers[i].bus_port);
    char text[40];
    (void)snprintf(text, sizeof text, "cluster_known_nodes:%u", (unsigned)group->count);
    for (uint32_t i = 0; i < group->count; i++) wait_for(&group->servers[i], "CLUSTER INFO", text);
}

/* How many nodes this one knows with such a flag. */
static uint32_t nodes_count(const struct redis_server *server, const char *flag)
{
    char nodes[4096];
    text_of(server, "CLUSTER NODES", nodes, sizeof nodes);
    uint32_t count = 0;
    for (const char *at = nodes; (at = strstr(at, flag)) != NULL; at++) count++;
    return count;
}

static void wait_for_replicas(const struct redis_server *server)
{
    for (int64_t end_ms = now_ms() + WAIT_MS_MAX;
         nodes_count(server, "slave") < REDIS_GROUP_SHARDS;) {
        check(now_ms() < end_ms, "knowing the replicas");
        (void)usleep(20000);
    }
}

static void cluster_replicate(const struct redis_group *group)
{
    for (uint32_t i = REDIS_GROUP_SHARDS; i < group->count; i++) {
        char id[64];
        text_of(&group->servers[i - REDIS_GROUP_SHARDS], "CLUSTER MYID", id, sizeof id);
        redis_server_do(&group->servers[i], "CLUSTER REPLICATE %s", id);
    }
    for (uint32_t i = REDIS_GROUP_SHARDS; i < group->count; i++)
        wait_for(&group->servers[i], "INFO replication", "master_link_status:up");
    for (uint32_t i = REDIS_GROUP_SHARDS; i < group->count; i++)
        redis_server_do(&group->servers[i - REDIS_GROUP_SHARDS], "WAIT 1 0");
    if (group->count == REDIS_GROUP_SHARDS) return;
    /* All must know the replicas as such, or they would not vote for them. */
    for (uint32_t i = 0; i < group->count; i++) wait_for_replicas(&group->servers[i]);
}

void redis_group_start_cluster(struct redis_group *group, enum redis_server_kind kind,
                               bool replicas, const char *const *args)
{
    memset(group, 0, sizeof *group);
    group->count = replicas ? 2 * REDIS_GROUP_SHARDS : REDIS_GROUP_SHARDS;
    for (uint32_t i = 0; i < group->count; i++) cluster_start_one(group, i, kind, args);
    cluster_add_slots(group);
    cluster_meet(group);
    cluster_replicate(group);
    for (uint32_t i = 0; i < group->count; i++)
        wait_for(&group->servers[i], "CLUSTER INFO", "cluster_state:ok");
    (void)snprintf(group->url, sizeof group->url, "redis%s+cluster://127.0.0.1:%u,127.0.0.1:%u",
                   kind == REDIS_SERVER_TLS ? "s" : "", (unsigned)group->servers[0].port,
                   (unsigned)group->servers[1].port);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* As one server sees it. */
static uint32_t slot_owner(const struct redis_group *group, uint32_t asked, uint16_t slot)
{
    redisReply *ranges = redis_server_command(&group->servers[asked], NULL, "CLUSTER SLOTS");
    uint32_t owner = group->count;
    for (size_t i = 0; i < ranges->elements; i++) {
        const redisReply *range = ranges->element[i];
        if (slot < range->element[0]->integer || slot > range->element[1]->integer) continue;
        long long port = range->element[2]->element[1]->integer;
        for (uint32_t k = 0; k < group->count; k++)
            if (group->servers[k].port == port) owner = k;
    }
    freeReplyObject(ranges);
    return owner;
}

uint32_t redis_group_slot_owner(const struct redis_group *group, uint16_t slot)
{
    for (int64_t end_ms = now_ms() + WAIT_MS_MAX;;) {
        uint32_t owner = group->count;
        bool is_agreed = true;
        for (uint32_t i = 0; i < group->count; i++) {
            if (group->servers[i].pid == 0) continue;
            uint32_t seen = slot_owner(group, i, slot);
            is_agreed =
                is_agreed && seen < group->count && (owner == group->count || owner == seen);
            owner = seen;
        }
        if (is_agreed) return owner;
        check(now_ms() < end_ms, "agreeing on a slot's owner");
        (void)usleep(20000);
    }
}

void redis_group_slot_begin(const struct redis_group *group, uint16_t slot, uint32_t from,
                            uint32_t to)
{
    char from_id[64], to_id[64];
    text_of(&group->servers[from], "CLUSTER MYID", from_id, sizeof from_id);
    text_of(&group->servers[to], "CLUSTER MYID", to_id, sizeof to_id);
    redis_server_do(&group->servers[to], "CLUSTER SETSLOT %u IMPORTING %s", slot, from_id);
    redis_server_do(&group->servers[from], "CLUSTER SETSLOT %u MIGRATING %s", slot, to_id);
}

/* Names of keys are any bytes. */
static void migrate(const struct redis_server *from, const struct redis_server *to,
                    const redisReply *keys)
{
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)to->port);
    const char *words[8 + KEYS_MAX] = {
        "MIGRATE", "127.0.0.1", port, "", "0", WAIT_MS_TEXT, "KEYS"
    };
    size_t sizes[8 + KEYS_MAX];
    size_t count = 7;
    for (size_t i = 0; i < count; i++) sizes[i] = strlen(words[i]);
    for (size_t i = 0; i < keys->elements; i++) {
        words[count] = keys->element[i]->str;
        sizes[count++] = keys->element[i]->len;
    }
    redisContext *context = redisConnectUnix(from->socket);
    check(context && !context->err, "connecting");
    redisReply *reply = redisCommandArgv(context, (int)count, words, sizes);
    check(reply && reply->type != REDIS_REPLY_ERROR, "MIGRATE");
    freeReplyObject(reply);
    redisFree(context);
}

uint32_t redis_group_slot_move_keys(const struct redis_group *group, uint16_t slot, uint32_t from,
                                    uint32_t to, uint32_t count)
{
    check(count <= KEYS_MAX, "moving so many keys");
    redisReply *keys = redis_server_command(&group->servers[from], NULL,
                                            "CLUSTER GETKEYSINSLOT %u %u", slot, (unsigned)count);
    uint32_t found = (uint32_t)keys->elements;
    if (found) migrate(&group->servers[from], &group->servers[to], keys);
    freeReplyObject(keys);
    return found;
}

/* The nodes and their configuration epochs, sorted: what all must agree on. */
static void epochs_of(const struct redis_server *server, char *out, size_t out_size)
{
    char nodes[4096];
    text_of(server, "CLUSTER NODES", nodes, sizeof nodes);
    char *lines[REDIS_GROUP_MAX];
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(nodes, "\n", &rest); line && count < REDIS_GROUP_MAX;
         line = strtok_r(NULL, "\n", &rest)) {
        char *field_rest = NULL;
        char *id = strtok_r(line, " ", &field_rest), *epoch = id;
        for (int field = 0; field < 6; field++) epoch = strtok_r(NULL, " ", &field_rest);
        check(epoch != NULL, "reading CLUSTER NODES");
        size_t size = strlen(id) + strlen(epoch) + 3;
        lines[count] = malloc(size);
        (void)snprintf(lines[count++], size, "%s %s", id, epoch);
    }
    qsort(lines, count, sizeof *lines, by_text);
    out[0] = 0;
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(out + strlen(out), out_size - strlen(out), "%s\n", lines[i]);
        free(lines[i]);
    }
}

static bool epochs_are_agreed(const struct redis_group *group)
{
    char first[1024], other[1024];
    epochs_of(&group->servers[0], first, sizeof first);
    for (uint32_t i = 1; i < REDIS_GROUP_SHARDS; i++) {
        epochs_of(&group->servers[i], other, sizeof other);
        if (strcmp(first, other) != 0) return false;
    }
    return true;
}

/* A server that takes a slot over makes its epoch the highest of those it knows. If it
 * does not know the newest yet, a heartbeat of the former owner takes the slot, and its
 * keys, away again: Redis' own trap, for whoever moves slots back and forth faster than
 * the news spreads. */
void redis_group_slot_settle(const struct redis_group *group, uint16_t slot, uint32_t owner)
{
    for (int64_t end_ms = now_ms() + WAIT_MS_MAX;;) {
        bool is_agreed = epochs_are_agreed(group);
        for (uint32_t i = 0; i < REDIS_GROUP_SHARDS; i++)
            is_agreed = is_agreed && slot_owner(group, i, slot) == owner;
        if (is_agreed) return;
        check(now_ms() < end_ms, "agreeing on a slot's owner");
        (void)usleep(5000);
    }
}

/* The new owner first, then whoever sends its clients there, then the others. */
void redis_group_slot_end(const struct redis_group *group, uint16_t slot, uint32_t from,
                          uint32_t to)
{
    char to_id[64];
    text_of(&group->servers[to], "CLUSTER MYID", to_id, sizeof to_id);
    redis_server_do(&group->servers[to], "CLUSTER SETSLOT %u NODE %s", slot, to_id);
    redis_server_do(&group->servers[from], "CLUSTER SETSLOT %u NODE %s", slot, to_id);
    for (uint32_t i = 0; i < REDIS_GROUP_SHARDS; i++)
        if (i != from && i != to)
            redis_server_do(&group->servers[i], "CLUSTER SETSLOT %u NODE %s", slot, to_id);
}

/* Sentinel --------------------------------------------------------------------- */

static void sentinel_start_servers(struct redis_group *group, const char *const *args)
{
    group->count = 1 + REDIS_GROUP_REPLICAS;
    for (uint32_t i = 0; i < group->count; i++) redis_server_start(&group->servers[i], args);
    redis_server_do(&group->servers[0], "CONFIG SET repl-diskless-sync-delay 0");
    for (uint32_t i = 1; i < group->count; i++)
        redis_server_do(&group->servers[i], "REPLICAOF 127.0.0.1 %u",
                        (unsigned)group->servers[0].port);
    for (uint32_t i = 1; i < group->count; i++)
        wait_for(&group->servers[i], "INFO replication", "master_link_status:up");
    redis_server_do(&group->servers[0], "WAIT %u 0", REDIS_GROUP_REPLICAS);
}

void redis_group_start_sentinel(struct redis_group *group, const char *const *args)
{
    memset(group, 0, sizeof *group);
    sentinel_start_servers(group, args);
    (void)snprintf(group->lines[0], sizeof group->lines[0], "sentinel monitor pawl 127.0.0.1 %u 2",
                   (unsigned)group->servers[0].port);
    const char *lines[] = { group->lines[0], "sentinel down-after-milliseconds pawl " PATIENT_MS,
                            "sentinel failover-timeout pawl 3000", NULL };
    group->sentinels_count = REDIS_GROUP_SENTINELS;
    (void)snprintf(group->url, sizeof group->url, "redis+sentinel://");
    for (uint32_t i = 0; i < group->sentinels_count; i++) {
        redis_server_start_as(&group->sentinels[i], REDIS_SERVER_SENTINEL, lines);
        size_t used = strlen(group->url);
        (void)snprintf(group->url + used, sizeof group->url - used, "%s127.0.0.1:%u", i ? "," : "",
                       (unsigned)group->sentinels[i].port);
    }
    (void)snprintf(group->url + strlen(group->url), sizeof group->url - strlen(group->url),
                   "/pawl");
    for (uint32_t i = 0; i < group->sentinels_count; i++)
        wait_for(&group->sentinels[i], "INFO sentinel", "slaves=2,sentinels=3");
}

void redis_group_replace_soon(const struct redis_group *group)
{
    for (uint32_t i = 0; i < group->sentinels_count; i++)
        redis_server_do(&group->sentinels[i],
                        "SENTINEL SET pawl down-after-milliseconds " SOON_SENTINEL_MS);
    for (uint32_t i = 0; i < group->count && group->sentinels_count == 0; i++)
        redis_server_do(&group->servers[i], "CONFIG SET cluster-node-timeout " SOON_MS);
}

bool redis_group_is_master(const struct redis_group *group, uint32_t index)
{
    if (group->servers[index].pid == 0) return false;
    redisReply *reply = redis_server_command(&group->servers[index], NULL, "ROLE");
    bool is_master = reply->elements > 0 && strcmp(reply->element[0]->str, "master") == 0;
    freeReplyObject(reply);
    return is_master;
}

void redis_group_stop(struct redis_group *group)
{
    for (uint32_t i = 0; i < group->sentinels_count; i++) redis_server_stop(&group->sentinels[i]);
    for (uint32_t i = 0; i < group->count; i++) redis_server_stop(&group->servers[i]);
}

/* Certificates ----------------------------------------------------------------- */

static const char certificates_script[] =
    "set -e; cd '%s'; exec >log 2>&1\n"
    "openssl ecparam -genkey -name prime256v1 -noout -out ca.key\n"
    "openssl ecparam -genkey -name prime256v1 -noout -out key.pem\n"
    "openssl req -x509 -new -key ca.key -days 2 -subj '/CN=test authority' -out ca.pem\n"
    "openssl req -x509 -new -key key.pem -days 2 -subj '/CN=another authority' "
    "-out other-ca.pem\n"
    "openssl req -new -key key.pem -subj '/CN=redis' -out redis.csr\n"
    "sign() { printf 'subjectAltName=%%s' \"$1\" >ext; openssl x509 -req -in redis.csr -CA ca.pem "
    "-CAkey ca.key -CAcreateserial -extfile ext -days \"$2\" -out \"$3\"; }\n"
    "sign DNS:localhost,IP:127.0.0.1 2 cert.pem\n"
    "sign DNS:redis.example.org 2 other.pem\n"
    "sign DNS:localhost,IP:127.0.0.1 -1 expired.pem\n";

static void path_set(char path[static 96], const struct redis_certificates *certificates,
                     const char *name)
{
    (void)snprintf(path, 96, "%s/%s", certificates->folder, name);
}

bool redis_certificates_make(struct redis_certificates *certificates)
{
    if (system("command -v openssl >/dev/null") != 0) {
        (void)fprintf(stderr, "SKIPPED: openssl is not installed\n");
        return false;
    }
    (void)snprintf(certificates->folder, sizeof certificates->folder, "/tmp/pawl-tls-XXXXXX");
    check(mkdtemp(certificates->folder) != NULL, "mkdtemp");
    char script[sizeof certificates_script + 100];
    (void)snprintf(script, sizeof script, certificates_script, certificates->folder);
    check(system(script) == 0, "making certificates");
    path_set(certificates->ca, certificates, "ca.pem");
    path_set(certificates->cert, certificates, "cert.pem");
    path_set(certificates->key, certificates, "key.pem");
    path_set(certificates->other, certificates, "other.pem");
    path_set(certificates->expired, certificates, "expired.pem");
    path_set(certificates->other_ca, certificates, "other-ca.pem");
    return true;
}

void redis_certificates_remove(const struct redis_certificates *certificates)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", certificates->folder);
    check(system(command) == 0, "removing the certificates");
}
