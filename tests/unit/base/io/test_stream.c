#include "base/io/stream.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/rng.h"

#define CONNS_MAX   128u
#define WAIT_S      120
#define SERVER_SIDE 7u

#ifdef __SANITIZE_THREAD__
/* NNG counts references with atomics, which the sanitizer cannot see in a library that
 * it has not compiled: the thread that frees last then seems to race. */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:pthread_mutex_destroy\n";
}
#endif

/* What one hub has reported, and how its handlers behave. */
struct side {
    struct pawl_hub *hub;
    struct world *world;
    pawl_conn_id opened[CONNS_MAX];
    uint32_t opened_count;
    uint32_t opened_endpoint;
    uint32_t closed_count;
    pawl_conn_id closed_id;
    pawl_err closed_err;
    char closed_why[128];
    uint32_t frames_count;
    size_t bytes;
    uint64_t digest; /* of all frames in order */
    bool echo;
    bool end_on_frame;
};

struct world {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    bool waiting;
    struct side server;
    struct side client;
    char folder[64];
    char url[128];
    const char *path; /* of the socket, inside url */
};

static void on_notify(void *context)
{
    struct world *world = ((struct side *)context)->world;
    pthread_mutex_lock(&world->lock);
    world->waiting = true;
    pthread_cond_signal(&world->arrived);
    pthread_mutex_unlock(&world->lock);
}

static void on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    struct side *side = context;
    assert_true(side->opened_count < CONNS_MAX);
    side->opened[side->opened_count++] = conn;
    side->opened_endpoint = endpoint;
}

static uint64_t digest_add(uint64_t digest, struct pawl_bytes frame)
{
    digest = (digest ^ frame.size) * 1099511628211u;
    for (size_t i = 0; i < frame.size; i++) digest = (digest ^ frame.data[i]) * 1099511628211u;
    return digest;
}

static void on_frame(void *context, pawl_conn_id conn, struct pawl_bytes frame)
{
    struct side *side = context;
    assert_non_null(frame.data);
    side->frames_count++;
    side->bytes += frame.size;
    side->digest = digest_add(side->digest, frame);
    if (side->echo) assert_int_equal(pawl_hub_send(side->hub, conn, frame), PAWL_OK);
    if (side->end_on_frame) pawl_hub_end(side->hub, conn, false);
}

static void on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    struct side *side = context;
    side->closed_count++;
    side->closed_id = conn;
    side->closed_err = err;
    snprintf(side->closed_why, sizeof side->closed_why, "%s", why);
    assert_true(strlen(why) > 0);
}

static void side_open(struct world *world, struct side *side, struct pawl_hub_config limits)
{
    limits.context = side;
    limits.notify = on_notify;
    limits.on_open = on_open;
    limits.on_frame = on_frame;
    limits.on_close = on_close;
    if (!limits.frame_size_max) limits.frame_size_max = 1u << 20;
    if (!limits.out_size_max) limits.out_size_max = 256u << 20;
    if (!limits.connections_max) limits.connections_max = CONNS_MAX;
    *side = (struct side){ .world = world };
    assert_int_equal(pawl_hub_open(&limits, &side->hub), PAWL_OK);
}

static void listen_ok(struct world *world)
{
    const char *why = NULL;
    assert_int_equal(pawl_hub_listen(world->server.hub, world->url, SERVER_SIDE, &why), PAWL_OK);
}

static struct world *world_new(struct pawl_hub_config limits)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->arrived, NULL);
    snprintf(world->folder, sizeof world->folder, "/tmp/pawl-stream-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->url, sizeof world->url, "ipc://%s/s.sock", world->folder);
    world->path = world->url + 6;
    side_open(world, &world->server, limits);
    side_open(world, &world->client, (struct pawl_hub_config){ 0 });
    return world;
}

static void world_free(struct world *world)
{
    pawl_hub_close(world->client.hub);
    pawl_hub_close(world->server.hub);
    unlink(world->path);
    rmdir(world->folder);
    pthread_cond_destroy(&world->arrived);
    pthread_mutex_destroy(&world->lock);
    free(world);
}

/* Flush, and handle whatever arrives next. */
static void turn(struct world *world)
{
    pawl_hub_flush(world->server.hub);
    pawl_hub_flush(world->client.hub);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&world->lock);
    int rc = 0;
    while (!world->waiting && rc == 0) {
        rc = pthread_cond_timedwait(&world->arrived, &world->lock, &until);
    }
    bool waiting = world->waiting;
    world->waiting = false;
    pthread_mutex_unlock(&world->lock);
    assert_true(waiting);
    pawl_hub_drain(world->server.hub);
    pawl_hub_drain(world->client.hub);
}

#define WAIT_FOR(world, condition) \
    while (!(condition)) turn(world)

static pawl_conn_id connect_one(struct world *world)
{
    uint32_t before = world->client.opened_count;
    uint32_t served = world->server.opened_count;
    pawl_conn_id conn = pawl_hub_dial(world->client.hub, world->url, 1);
    WAIT_FOR(world, world->client.opened_count > before && world->server.opened_count > served);
    return conn;
}

/* A peer that is no hub: it does exactly what the test says. */
static int raw_connect(const struct world *world)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, world->path, strlen(world->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) return -1;
    return fd;
}

/* Echo ------------------------------------------------------------------------------ */

static void echo_random_frames(struct world *world)
{
    world->server.echo = true;
    pawl_conn_id conn = connect_one(world);
    struct pawl_rng rng;
    pawl_rng_init(&rng, 42);
    uint8_t *data = malloc(1u << 20);
    uint64_t digest = 0;
    uint32_t frames = 400;
    for (uint32_t i = 0; i < frames; i++) {
        size_t size = (size_t)pawl_rng_below(&rng, i % 20 == 0 ? 1u << 20 : 3000);
        for (size_t k = 0; k < size; k++) data[k] = (uint8_t)(k * 31 + i);
        struct pawl_bytes frame = pawl_bytes_make(data, size);
        digest = digest_add(digest, frame);
        assert_int_equal(pawl_hub_send(world->client.hub, conn, frame), PAWL_OK);
        if (i % 7 == 0) pawl_hub_flush(world->client.hub);
    }
    free(data);
    WAIT_FOR(world, world->client.frames_count == frames);
    assert_int_equal(world->client.digest, digest);
    assert_int_equal(world->server.opened_endpoint, SERVER_SIDE);
    assert_int_equal(pawl_hub_out_size(world->client.hub, conn), 0);
}

static void frames_of_any_size_come_back_in_order_over_ipc(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    listen_ok(world);
    echo_random_frames(world);
    assert_int_equal(pawl_hub_port(world->server.hub, SERVER_SIDE), 0);
    assert_int_equal(pawl_hub_peer_pid(world->client.hub, world->client.opened[0]), getpid());
    world_free(world);
}

static void frames_of_any_size_come_back_in_order_over_tcp(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    const char *why = NULL;
    assert_int_equal(pawl_hub_listen(world->server.hub, "tcp://127.0.0.1:0", SERVER_SIDE, &why),
                     PAWL_OK);
    uint16_t port = pawl_hub_port(world->server.hub, SERVER_SIDE);
    assert_int_not_equal(port, 0);
    snprintf(world->url, sizeof world->url, "tcp://127.0.0.1:%u", port);
    echo_random_frames(world);
    assert_int_equal(pawl_hub_peer_pid(world->client.hub, world->client.opened[0]), 0);
    world_free(world);
}

static void many_clients_are_served_at_once(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    listen_ok(world);
    world->server.echo = true;
    for (uint32_t i = 0; i < 60; i++) (void)pawl_hub_dial(world->client.hub, world->url, i);
    WAIT_FOR(world, world->client.opened_count == 60);
    for (uint32_t i = 0; i < 60; i++) {
        for (uint32_t k = 0; k < 10; k++) {
            assert_int_equal(pawl_hub_send(world->client.hub, world->client.opened[i],
                                           PAWL_BYTES_LITERAL("hello")),
                             PAWL_OK);
        }
    }
    WAIT_FOR(world, world->client.frames_count == 600);
    for (uint32_t i = 0; i < 60; i += 2) {
        pawl_hub_end(world->client.hub, world->client.opened[i], false);
    }
    WAIT_FOR(world, world->client.closed_count == 30 && world->server.closed_count == 30);
    world_free(world);
}

static void a_frame_that_dribbles_in_is_put_together(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    listen_ok(world);
    int fd = raw_connect(world);
    assert_true(fd >= 0);
    const uint8_t bytes[] = { 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0, 0, 0, 1, 'd' };
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(write(fd, bytes + i, 1), 1);
        if (i == 5) WAIT_FOR(world, world->server.opened_count == 1);
    }
    WAIT_FOR(world, world->server.frames_count == 3);
    assert_int_equal(world->server.bytes, 4);
    close(fd);
    WAIT_FOR(world, world->server.closed_count == 1);
    world_free(world);
}

/* Limits ---------------------------------------------------------------------------- */

static void an_oversize_length_ends_the_connection_before_its_bytes_come(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ .frame_size_max = 1000 });
    listen_ok(world);
    const uint8_t prefixes[2][4] = { { 0, 0, 3, 0xe9 }, { 0xff, 0xff, 0xff, 0xff } };
    for (uint32_t i = 0; i < 2; i++) {
        int fd = raw_connect(world);
        assert_int_equal(write(fd, prefixes[i], 4), 4);
        WAIT_FOR(world, world->server.closed_count == i + 1);
        assert_int_equal(world->server.closed_err, PAWL_E_TOO_LARGE);
        uint8_t byte;
        assert_true(read(fd, &byte, 1) <= 0);
        close(fd);
    }
    assert_int_equal(world->server.frames_count, 0);
    world_free(world);
}

static void a_frame_of_exactly_the_limit_passes_and_one_more_byte_is_refused(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ .frame_size_max = 1u << 20 });
    listen_ok(world);
    pawl_conn_id conn = connect_one(world);
    uint8_t *data = calloc(1, (1u << 20) + 1);
    assert_int_equal(pawl_hub_send(world->client.hub, conn, pawl_bytes_make(data, (1u << 20) + 1)),
                     PAWL_E_TOO_LARGE);
    assert_int_equal(pawl_hub_send(world->client.hub, conn, pawl_bytes_make(data, 1u << 20)),
                     PAWL_OK);
    free(data);
    WAIT_FOR(world, world->server.frames_count == 1);
    assert_int_equal(world->server.bytes, 1u << 20);
    world_free(world);
}

static void a_peer_that_does_not_read_is_cut_off(void **state)
{
    (void)state;
    struct world *world =
        world_new((struct pawl_hub_config){ .frame_size_max = 1u << 20, .out_size_max = 4u << 20 });
    listen_ok(world);
    int fd = raw_connect(world);
    WAIT_FOR(world, world->server.opened_count == 1);
    uint8_t *data = calloc(1, 1u << 20);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(pawl_hub_send(world->server.hub, world->server.opened[0],
                                       pawl_bytes_make(data, 1u << 18)),
                         PAWL_OK);
        pawl_hub_flush(world->server.hub);
        assert_true(pawl_hub_out_size(world->server.hub, world->server.opened[0]) <= 4u << 20);
    }
    free(data);
    WAIT_FOR(world, world->server.closed_count == 1);
    assert_int_equal(world->server.closed_err, PAWL_E_BUSY);
    close(fd);
    world_free(world);
}

static void connections_over_the_limit_are_closed_at_once_and_a_free_place_is_reused(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ .connections_max = 2 });
    listen_ok(world);
    (void)connect_one(world);
    (void)connect_one(world);
    pawl_conn_id third = pawl_hub_dial(world->client.hub, world->url, 1);
    WAIT_FOR(world, world->client.closed_count == 1);
    assert_int_equal(world->client.closed_id, third);
    assert_int_equal(world->server.opened_count, 2);

    pawl_hub_end(world->server.hub, world->server.opened[0], false);
    WAIT_FOR(world, world->server.closed_count == 1);
    (void)connect_one(world);
    assert_int_equal(world->server.opened_count, 3);
    world_free(world);
}

/* Ends ------------------------------------------------------------------------------ */

static void a_killed_peer_is_noticed_and_was_known_by_its_pid(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    listen_ok(world);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) { /* only system calls from here on */
        if (raw_connect(world) < 0) _exit(1);
        for (;;) pause();
    }
    WAIT_FOR(world, world->server.opened_count == 1);
    assert_int_equal(pawl_hub_peer_pid(world->server.hub, world->server.opened[0]), child);
    kill(child, SIGKILL);
    WAIT_FOR(world, world->server.closed_count == 1);
    assert_int_equal(world->server.closed_err, PAWL_E_UNAVAILABLE);
    assert_int_equal(waitpid(child, NULL, 0), child);
    world_free(world);
}

static void dialing_what_is_not_there_ends_in_on_close(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });

    pawl_conn_id conn = pawl_hub_dial(world->client.hub, world->url, 1);
    WAIT_FOR(world, world->client.closed_count == 1);
    assert_int_equal(world->client.closed_id, conn);
    assert_int_equal(world->client.closed_err, PAWL_E_UNAVAILABLE);

    /* A port that is taken by a socket which does not listen. */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(world->url, sizeof world->url, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    conn = pawl_hub_dial(world->client.hub, world->url, 1);
    WAIT_FOR(world, world->client.closed_count == 2);
    assert_int_equal(world->client.closed_id, conn);
    assert_int_equal(world->client.closed_err, PAWL_E_UNAVAILABLE);
    close(fd);

    conn = pawl_hub_dial(world->client.hub, "nonsense", 1);
    WAIT_FOR(world, world->client.closed_count == 3);
    assert_int_equal(world->client.closed_id, conn);
    assert_int_equal(world->client.opened_count, 0);
    world_free(world);
}

static void a_stale_id_does_nothing(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    listen_ok(world);
    pawl_conn_id conn = connect_one(world);
    pawl_hub_end(world->client.hub, conn, false);
    pawl_hub_end(world->client.hub, conn, false);
    WAIT_FOR(world, world->client.closed_count == 1 && world->server.closed_count == 1);
    assert_int_equal(world->client.closed_err, PAWL_E_CANCELLED);

    pawl_conn_id next = connect_one(world);
    assert_true(next != conn);
    pawl_conn_id stale[] = { conn, 0, UINT64_MAX };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            pawl_hub_send(world->client.hub, stale[i], PAWL_BYTES_LITERAL("for nobody")), PAWL_OK);
        pawl_hub_end(world->client.hub, stale[i], true);
        assert_int_equal(pawl_hub_out_size(world->client.hub, stale[i]), 0);
        assert_int_equal(pawl_hub_peer_pid(world->client.hub, stale[i]), 0);
    }
    assert_int_equal(pawl_hub_send(world->client.hub, next, PAWL_BYTES_LITERAL("x")), PAWL_OK);
    WAIT_FOR(world, world->server.frames_count == 1);
    assert_int_equal(world->server.bytes, 1);
    assert_int_equal(world->client.closed_count, 1);
    world_free(world);
}

static void a_handler_may_end_its_connection_and_sees_no_further_frame(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    listen_ok(world);
    world->server.end_on_frame = true;
    pawl_conn_id conn = connect_one(world);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pawl_hub_send(world->client.hub, conn, PAWL_BYTES_LITERAL("x")), PAWL_OK);
    }
    WAIT_FOR(world, world->server.closed_count == 1 && world->client.closed_count == 1);
    assert_int_equal(world->server.frames_count, 1);
    world_free(world);
}

static void lingering_delivers_what_was_queued(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ .linger_ms = WAIT_S * 1000 });
    listen_ok(world);
    (void)connect_one(world);
    pawl_conn_id conn = world->server.opened[0];
    uint8_t *data = calloc(1, 1u << 20);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(pawl_hub_send(world->server.hub, conn, pawl_bytes_make(data, 1u << 20)),
                         PAWL_OK);
    }
    free(data);
    pawl_hub_end(world->server.hub, conn, true);
    WAIT_FOR(world, world->server.closed_count == 1 && world->client.closed_count == 1);
    assert_int_equal(world->client.frames_count, 6);
    assert_int_equal(world->client.bytes, 6u << 20);
    assert_int_equal(world->server.closed_err, PAWL_E_CANCELLED);
    world_free(world);
}

static void lingering_for_a_peer_that_does_not_read_ends_anyway(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    listen_ok(world);
    int fd = raw_connect(world);
    WAIT_FOR(world, world->server.opened_count == 1);
    pawl_conn_id conn = world->server.opened[0];
    uint8_t *data = calloc(1, 1u << 20);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pawl_hub_send(world->server.hub, conn, pawl_bytes_make(data, 1u << 20)),
                         PAWL_OK);
    }
    free(data);
    pawl_hub_end(world->server.hub, conn, true);
    WAIT_FOR(world, world->server.closed_count == 1);
    assert_int_equal(world->server.closed_err, PAWL_E_CANCELLED);
    close(fd);
    world_free(world);
}

static void closing_the_hub_with_operations_in_flight_leaks_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct world *world = world_new((struct pawl_hub_config){ 0 });
        listen_ok(world);
        pawl_conn_id conn = connect_one(world);
        uint8_t *data = calloc(1, 1u << 20);
        for (int k = 0; k < 4; k++) {
            struct pawl_bytes frame = pawl_bytes_make(data, 1u << 20);
            assert_int_equal(pawl_hub_send(world->client.hub, conn, frame), PAWL_OK);
            assert_int_equal(pawl_hub_send(world->server.hub, world->server.opened[0], frame),
                             PAWL_OK);
        }
        free(data);
        pawl_hub_flush(world->client.hub);
        if (i % 2) pawl_hub_end(world->server.hub, world->server.opened[0], true);
        for (uint32_t k = 0; k < 5; k++) (void)pawl_hub_dial(world->client.hub, world->url, 1);
        world_free(world); /* nothing of this was drained */
    }
}

/* Addresses -------------------------------------------------------------------------- */

static void a_stale_socket_file_is_replaced_and_a_live_one_is_refused(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, world->path, strlen(world->path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* the file stays: its owner has died */
    assert_int_equal(access(world->path, F_OK), 0);

    listen_ok(world);
    const char *why = NULL;
    assert_int_equal(pawl_hub_listen(world->client.hub, world->url, 2, &why), PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(why, "in use"));
    (void)connect_one(world); /* and the first one still works */
    world_free(world);
}

static void an_occupied_port_is_refused(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    const char *why = NULL;
    assert_int_equal(pawl_hub_listen(world->server.hub, "tcp://127.0.0.1:0", 1, &why), PAWL_OK);
    char url[64];
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", pawl_hub_port(world->server.hub, 1));
    assert_int_equal(pawl_hub_listen(world->client.hub, url, 1, &why), PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(why, "in use"));
    world_free(world);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    struct world *world = world_new((struct pawl_hub_config){ 0 });
    const char *urls[] = { "",           "ipc://",          "ipc:///",
                           "tcp://",     "tcp://host",      "tcp://127.0.0.1:",
                           "inproc://x", "tcp://::1:70000", "ws://127.0.0.1:1" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        const char *why = NULL;
        assert_int_equal(pawl_hub_listen(world->server.hub, urls[i], 1, &why), PAWL_E_INVALID);
        assert_non_null(why);
    }
    const char *reason = NULL;
    assert_int_equal(pawl_hub_listen(world->server.hub, "ipc:///nowhere/x.sock", 1, &reason),
                     PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(reason, "folder"));
    char long_path[300] = "ipc:///tmp/";
    memset(long_path + 11, 'x', 200);
    const char *why = NULL;
    assert_int_not_equal(pawl_hub_listen(world->server.hub, long_path, 1, &why), PAWL_OK);
    assert_non_null(why);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_any_size_come_back_in_order_over_ipc),
        cmocka_unit_test(frames_of_any_size_come_back_in_order_over_tcp),
        cmocka_unit_test(many_clients_are_served_at_once),
        cmocka_unit_test(a_frame_that_dribbles_in_is_put_together),
        cmocka_unit_test(an_oversize_length_ends_the_connection_before_its_bytes_come),
        cmocka_unit_test(a_frame_of_exactly_the_limit_passes_and_one_more_byte_is_refused),
        cmocka_unit_test(a_peer_that_does_not_read_is_cut_off),
        cmocka_unit_test(connections_over_the_limit_are_closed_at_once_and_a_free_place_is_reused),
        cmocka_unit_test(a_killed_peer_is_noticed_and_was_known_by_its_pid),
        cmocka_unit_test(dialing_what_is_not_there_ends_in_on_close),
        cmocka_unit_test(a_stale_id_does_nothing),
        cmocka_unit_test(a_handler_may_end_its_connection_and_sees_no_further_frame),
        cmocka_unit_test(lingering_delivers_what_was_queued),
        cmocka_unit_test(lingering_for_a_peer_that_does_not_read_ends_anyway),
        cmocka_unit_test(closing_the_hub_with_operations_in_flight_leaks_nothing),
        cmocka_unit_test(a_stale_socket_file_is_replaced_and_a_live_one_is_refused),
        cmocka_unit_test(an_occupied_port_is_refused),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
