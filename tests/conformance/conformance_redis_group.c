/* Redis as a cluster, behind sentinels, and over TLS answers as the reference does:
 *
 *     conformance_redis_group cluster|reshard|sentinel|tls|d2 [--ops N] [--seed N]
 *
 * reshard: and while it does, another process moves slots, those in use among them, from
 * server to server and back. Not one operation may fail. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "redis_client.h"
#include "redis_group.h"
#include "state/io/redis_slots.h"
#include "suite.h"

static struct redis_group group;

static int run(const struct suite_options *given, const char *parameters)
{
    char url[1024];
    (void)snprintf(url, sizeof url, "%s%s", group.url, parameters);
    struct suite_options options = *given;
    options.url = url;
    return suite_run(&options);
}

static int run_cluster(const struct suite_options *options)
{
    redis_group_start_cluster(&group, REDIS_SERVER_PLAIN, false, NULL);
    return run(options, "");
}

/* Resharding ------------------------------------------------------------------- */

/* Behind the last one: that of the schema. */
static uint16_t slot_of_partition(uint32_t partition)
{
    char key[80];
    (void)snprintf(key, sizeof key, "{tests||conformance||%03u}", (unsigned)partition);
    if (partition == SUITE_PARTITIONS) (void)snprintf(key, sizeof key, "{tests||conformance}");
    return pawl_redis_slot((struct pawl_bytes){ (const uint8_t *)key, strlen(key) });
}

static void slot_pass_on(uint16_t slot, uint32_t from)
{
    uint32_t to = (from + 1) % group.count;
    redis_group_slot_settle(&group, slot, from);
    redis_group_slot_begin(&group, slot, from, to);
    while (redis_group_slot_move_keys(&group, slot, from, to, 10) > 0) continue;
    redis_group_slot_end(&group, slot, from, to);
}

static volatile sig_atomic_t is_over;

static void on_term(int signal_number)
{
    (void)signal_number;
    is_over = 1;
}

/* Every partition's slot in turn, and that of the schema. Ends with 0 after SIGTERM when
 * each has moved at least once. */
static void reshard(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGTERM, on_term);
    uint32_t owners[SUITE_PARTITIONS + 1];
    for (uint32_t i = 0; i <= SUITE_PARTITIONS; i++)
        owners[i] = redis_group_slot_owner(&group, slot_of_partition(i));
    uint32_t moved = 0;
    while (!is_over || moved <= SUITE_PARTITIONS) {
        uint32_t partition = moved % (SUITE_PARTITIONS + 1);
        slot_pass_on(slot_of_partition(partition), owners[partition]);
        owners[partition] = (owners[partition] + 1) % group.count;
        moved++;
    }
    printf("slots moved: %u\n", (unsigned)moved);
    (void)fflush(stdout);
    _exit(0);
}

static int run_reshard(const struct suite_options *options)
{
    redis_group_start_cluster(&group, REDIS_SERVER_PLAIN, false, NULL);
    pid_t pid = fork();
    if (pid == 0) reshard();
    int result = run(options, "");
    (void)kill(pid, SIGTERM);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return result || status != 0;
}

/* Others ----------------------------------------------------------------------- */

static int run_sentinel(const struct suite_options *options)
{
    redis_group_start_sentinel(&group, NULL);
    return run(options, "");
}

static const char *const durable[] = {
    "--appendonly", "yes", "--min-replicas-to-write", "1", "--min-replicas-max-lag", "120", NULL
};

static int run_d2(const struct suite_options *options)
{
    redis_group_start_cluster(&group, REDIS_SERVER_PLAIN, true, durable);
    return run(options, "?durability=d2");
}

static int run_tls(const struct suite_options *options)
{
    struct redis_certificates certificates;
    if (!redis_certificates_make(&certificates)) return 77;
    const char *const args[] = { "--tls-cert-file",
                                 certificates.cert,
                                 "--tls-key-file",
                                 certificates.key,
                                 "--tls-ca-cert-file",
                                 certificates.ca,
                                 NULL };
    redis_server_start_as(&group.servers[0], REDIS_SERVER_TLS, args);
    group.count = 1;
    (void)snprintf(group.url, sizeof group.url, "rediss://127.0.0.1:%u",
                   (unsigned)group.servers[0].port);
    char parameters[400];
    (void)snprintf(parameters, sizeof parameters, "?cafile=%s&certfile=%s&keyfile=%s",
                   certificates.ca, certificates.cert, certificates.key);
    int result = run(options, parameters);
    redis_certificates_remove(&certificates);
    return result;
}

static const struct {
    const char *name;
    int (*run)(const struct suite_options *options);
} kinds[] = { { "cluster", run_cluster },
              { "reshard", run_reshard },
              { "sentinel", run_sentinel },
              { "tls", run_tls },
              { "d2", run_d2 } };

int main(int argc, char **argv)
{
    struct suite_options options = { .open = redis_client_store_open, .ops = 20000 };
    suite_parse(&options, argc - 1, argv + 1);
    if (!redis_server_is_installed()) return 77;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (argc < 2 || strcmp(argv[1], kinds[i].name) != 0) continue;
        options.name = kinds[i].name;
        int result = kinds[i].run(&options);
        redis_group_stop(&group);
        return result;
    }
    (void)fprintf(stderr, "usage: %s cluster|reshard|sentinel|tls|d2 [--ops N] [--seed N]\n",
                  argv[0]);
    return 2;
}
