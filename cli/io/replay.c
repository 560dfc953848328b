#include "cli/io/replay.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/io/clock.h"
#include "base/io/stream.h"
#include "base/limits.h"
#include "cli/io/child.h"
#include "cli/io/say.h"
#include "cli/replay_play.h"
#include "sdk/export_json.h"

#define TIMEOUT_MS 30000 /* for the app to connect, and for each of its answers */
#define STOP_MS    5000  /* then a stopped app is killed */

struct replay {
    const struct pawl_cli_options *options;
    struct pawl_arena arena; /* of the list of files */
    uint32_t files_count;
    uint32_t files_capacity;
    const char **files;

    struct pawl_hub *hub;
    char *folder; /* of the socket */
    const char *endpoint;
    int wake;    /* eventfd: the hub has something */
    int signals; /* signalfd */
    struct pawl_child app;
    pawl_conn_id worker; /* the connection that runs workflows; 0: none yet */
    uint32_t credit;
    int64_t timeout_ms;
    int64_t deadline_ms;

    uint32_t next_file;
    struct pawl_arena file_arena; /* of the present one */
    struct pawl_export history;
    struct pawl_play play;
    bool playing;
    uint32_t same_count;
    uint32_t different_count;
    uint32_t broken_count; /* files that could not be checked */
    bool stopping;
    bool failed; /* the app did not do its part */
};

/* Files ---------------------------------------------------------------------------------- */

static void files_add(struct replay *replay, const char *file)
{
    if (replay->files_count == replay->files_capacity) {
        uint32_t capacity = replay->files_capacity ? replay->files_capacity * 2 : 16;
        const char **grown = PAWL_ARENA_ARRAY(&replay->arena, const char *, capacity);
        for (uint32_t i = 0; i < replay->files_count; i++) grown[i] = replay->files[i];
        replay->files = grown;
        replay->files_capacity = capacity;
    }
    replay->files[replay->files_count++] = file;
}

static int is_json_name(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".json") == 0;
}

/* The .json files in it, by name; folders inside are left alone. */
static bool folder_add(struct replay *replay, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_json_name, alphasort);
    if (count < 0) {
        pawl_cli_say("cannot read the folder %s: %s", folder, strerror(errno));
        return false;
    }
    for (int i = 0; i < count; i++) {
        files_add(replay, (const char *)pawl_arena_printf(&replay->arena, "%s/%s", folder,
                                                          entries[i]->d_name)
                              .data);
        free(entries[i]);
    }
    free(entries);
    if (count == 0) pawl_cli_say("%s has no file whose name ends in .json", folder);
    return count > 0;
}

static bool files_collect(struct replay *replay)
{
    for (int i = 0; i < replay->options->files_count; i++) {
        const char *file = replay->options->files[i];
        struct stat found;
        if (stat(file, &found) != 0) {
            pawl_cli_say("cannot open %s: %s", file, strerror(errno));
            return false;
        }
        if (!S_ISDIR(found.st_mode))
            files_add(replay, file);
        else if (!folder_add(replay, file))
            return false;
        if (replay->files_count > PAWL_REPLAY_FILES_MAX) {
            pawl_cli_say("more than %u files: check them in several calls", PAWL_REPLAY_FILES_MAX);
            return false;
        }
    }
    return true;
}

/* The size is asked for first, so that a file that is none of ours costs nothing. */
static bool file_read(const char *file, struct pawl_buf *buf)
{
    uint8_t chunk[65536];
    size_t got;
    struct stat found;
    FILE *stream = fopen(file, "re");
    if (!stream) {
        pawl_cli_say("cannot open %s: %s", file, strerror(errno));
        return false;
    }
    if (fstat(fileno(stream), &found) == 0 && found.st_size > (off_t)PAWL_REPLAY_FILE_SIZE_MAX)
        buf->bad = PAWL_E_TOO_LARGE;
    while (buf->bad == PAWL_OK && (got = fread(chunk, 1, sizeof chunk, stream)) > 0)
        pawl_buf_append(buf, chunk, got);
    bool good = !ferror(stream) && buf->bad == PAWL_OK;
    if (ferror(stream))
        pawl_cli_say("cannot read %s: %s", file, strerror(errno));
    else if (!good)
        pawl_cli_say("%s is larger than %u MB", file, PAWL_REPLAY_FILE_SIZE_MAX >> 20);
    fclose(stream);
    return good;
}

static bool history_load(struct replay *replay, const char *file)
{
    struct pawl_buf buf;
    const char *why = NULL;
    pawl_buf_init(&buf, PAWL_REPLAY_FILE_SIZE_MAX);
    pawl_arena_reset(&replay->file_arena);
    bool good = file_read(file, &buf);
    if (good
        && !pawl_export_json_parse(pawl_buf_view(&buf), &replay->file_arena, &replay->history,
                                   &why)) {
        pawl_cli_say("%s: %s", file, why);
        good = false;
    }
    replay->history.file = file;
    pawl_buf_deinit(&buf);
    return good;
}

/* Playing ---------------------------------------------------------------------------------- */

static void send_to(struct replay *replay, pawl_conn_id conn, const struct pawl_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    if (buf.bad != PAWL_OK || pawl_hub_send(replay->hub, conn, pawl_buf_view(&buf)) != PAWL_OK) {
        pawl_cli_say("%s: a turn of this history is larger than a frame may be",
                     replay->history.file ? replay->history.file : "");
        replay->failed = true;
    }
    pawl_buf_deinit(&buf);
}

static void send_to_worker(void *context, const struct pawl_frame *frame)
{
    struct replay *replay = context;
    if (frame->type == PAWL_FRAME_TURN && replay->credit > 0) replay->credit--;
    send_to(replay, replay->worker, frame);
}

static void app_stop(struct replay *replay)
{
    if (replay->stopping) return;
    replay->stopping = true;
    replay->deadline_ms = pawl_clock_ms(CLOCK_MONOTONIC) + STOP_MS;
    pawl_child_signal(&replay->app, SIGTERM);
}

static void play_report(struct replay *replay)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, 1u << 20);
    bool strict = replay->options->strict;
    if (replay->play.state == PAWL_PLAY_FAILED) {
        pawl_cli_say("%s: %.*s", replay->history.file, PAWL_BYTES_FMT(replay->play.message));
        replay->broken_count++;
    } else {
        pawl_play_report(&replay->play, strict, &buf);
        (void)fwrite(buf.data, 1, buf.size, stdout);
        (void)fflush(stdout);
        if (pawl_play_is_good(&replay->play, strict))
            replay->same_count++;
        else
            replay->different_count++;
    }
    pawl_buf_deinit(&buf);
}

/* Go on with the next file as soon as the app takes a turn. */
static void play_next(struct replay *replay)
{
    while (!replay->stopping && !replay->playing && replay->worker && replay->credit > 0) {
        if (replay->next_file == replay->files_count) {
            app_stop(replay);
            return;
        }
        replay->deadline_ms = pawl_clock_ms(CLOCK_MONOTONIC) + replay->timeout_ms;
        if (!history_load(replay, replay->files[replay->next_file++])) {
            replay->broken_count++;
            continue;
        }
        pawl_play_start(&replay->play, &replay->history, &replay->file_arena, send_to_worker,
                        replay);
        replay->playing = replay->play.state == PAWL_PLAY_WAITING;
        if (!replay->playing) play_report(replay);
    }
}

static void play_on_frame(struct replay *replay, const struct pawl_frame *frame)
{
    if (!replay->playing) return;
    replay->deadline_ms = pawl_clock_ms(CLOCK_MONOTONIC) + replay->timeout_ms;
    pawl_play_on_frame(&replay->play, frame, send_to_worker, replay);
    if (replay->play.state == PAWL_PLAY_WAITING) return;
    replay->playing = false;
    play_report(replay);
    play_next(replay);
}

/* The app's side ------------------------------------------------------------------------------ */

static void refuse(struct replay *replay, pawl_conn_id conn, pawl_err err, const char *message)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_REFUSED };
    frame.refused = (struct pawl_refused){ .err = err, .message = pawl_bytes_str(message) };
    pawl_cli_say("the app was refused: %s", message);
    send_to(replay, conn, &frame);
    pawl_hub_end(replay->hub, conn, true);
    replay->failed = true;
}

static void on_hello(struct replay *replay, pawl_conn_id conn, const struct pawl_hello *hello)
{
    if (hello->protocol_version != PAWL_PROTOCOL_VERSION) {
        refuse(replay, conn, PAWL_E_VERSION, "it speaks another version of the app stream");
        return;
    }
    struct pawl_frame frame = { .type = PAWL_FRAME_WELCOME };
    frame.welcome = (struct pawl_welcome){ .protocol_version = PAWL_PROTOCOL_VERSION,
                                           .app_id = hello->app_id,
                                           .sidecar = PAWL_BYTES_LITERAL("pawl replay"),
                                           .payload_size_max = PAWL_PAYLOAD_SIZE_MAX };
    send_to(replay, conn, &frame);
    if (hello->workflows_count > 0 && !replay->worker) replay->worker = conn;
}

/* What an app may ask a sidecar for there is not in a replay. */
static void on_request(struct replay *replay, pawl_conn_id conn,
                       const struct pawl_request_frame *request)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ANSWER };
    frame.answer.token = request->token;
    frame.answer.answer = (struct pawl_answer){
        .err = PAWL_E_DENIED,
        .message = PAWL_BYTES_LITERAL("this is pawl replay: it only runs recorded histories, "
                                      "there are no instances"),
    };
    send_to(replay, conn, &frame);
}

static void on_app_frame(struct replay *replay, pawl_conn_id conn, const struct pawl_frame *frame)
{
    switch (frame->type) {
    case PAWL_FRAME_HELLO: on_hello(replay, conn, &frame->hello); return;
    case PAWL_FRAME_PING:
        send_to(replay, conn, &(struct pawl_frame){ .type = PAWL_FRAME_PONG });
        return;
    case PAWL_FRAME_REQUEST: on_request(replay, conn, &frame->request); return;
    case PAWL_FRAME_CREDIT:
        if (conn == replay->worker) replay->credit += frame->credit.turns;
        play_next(replay);
        return;
    case PAWL_FRAME_TURN_DONE:
    case PAWL_FRAME_NEED_HISTORY:
        if (conn == replay->worker) play_on_frame(replay, frame);
        return;
    default: return; /* a PONG, a BYE */
    }
}

static void on_frame(void *context, pawl_conn_id conn, struct pawl_bytes bytes)
{
    struct replay *replay = context;
    struct pawl_arena arena;
    struct pawl_frame frame;
    pawl_arena_init(&arena);
    if (pawl_frame_decode(bytes, &arena, &frame) == PAWL_OK) {
        on_app_frame(replay, conn, &frame);
    } else {
        pawl_cli_say("the app sent something that is no frame");
        replay->failed = true;
    }
    pawl_arena_deinit(&arena);
}

static void on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    (void)context;
    (void)conn;
    (void)endpoint; /* HELLO comes next */
}

static void on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    struct replay *replay = context;
    (void)err;
    if (conn != replay->worker) return;
    replay->worker = 0;
    replay->credit = 0;
    if (replay->stopping) return;
    pawl_cli_say("the app ended its connection (%s)", why);
    replay->failed = true;
}

static void notify(void *context)
{
    const struct replay *replay = context;
    uint64_t one = 1;
    ssize_t written = write(replay->wake, &one, sizeof one);
    (void)written; /* full means that it is readable already */
}

/* Loop ---------------------------------------------------------------------------------------- */

static bool app_start(struct replay *replay)
{
    const char *app_id = replay->options->app_id ? replay->options->app_id : "app";
    const char *env[] = {
        (const char *)pawl_arena_printf(&replay->arena, "PAWL_APP_ID=%s", app_id).data,
        (const char *)pawl_arena_printf(&replay->arena, "PAWL_APP_ENDPOINT=%s", replay->endpoint)
            .data,
        NULL
    };
    struct pawl_child_spec spec = { .argv = replay->options->app,
                                    .env = env,
                                    .keep_fd = -1,
                                    .own_group = true,
                                    .label = app_id,
                                    .out_fd = STDERR_FILENO,
                                    .err_fd = STDERR_FILENO };
    int error = pawl_child_start(&replay->app, &spec);
    if (error == 0) return true;
    pawl_cli_say("cannot start \"%s\": %s", replay->options->app[0], strerror(error));
    return false;
}

static bool listen_start(struct replay *replay)
{
    const char *why = NULL;
    replay->folder = strdup("/tmp/pawl-replay-XXXXXX");
    if (!replay->folder || !mkdtemp(replay->folder)) {
        pawl_cli_say("cannot make a folder in /tmp for the app's socket: %s", strerror(errno));
        free(replay->folder);
        replay->folder = NULL;
        return false;
    }
    replay->endpoint =
        (const char *)pawl_arena_printf(&replay->arena, "ipc://%s/app.sock", replay->folder).data;
    struct pawl_hub_config config = { .frame_size_max = PAWL_FRAME_SIZE_MAX,
                                      .out_size_max = PAWL_HISTORY_SIZE_MAX * 4,
                                      .connections_max = 16,
                                      .context = replay,
                                      .notify = notify,
                                      .on_open = on_open,
                                      .on_frame = on_frame,
                                      .on_close = on_close };
    pawl_err err = pawl_hub_open(&config, &replay->hub);
    if (!err) err = pawl_hub_listen(replay->hub, replay->endpoint, 0, &why);
    if (err)
        pawl_cli_say("cannot listen at %s: %s", replay->endpoint, why ? why : pawl_err_text(err));
    return err == PAWL_OK;
}

static void on_app_end(struct replay *replay)
{
    if (replay->stopping) return;
    pawl_cli_say("the app ended with exit code %d before all histories were checked",
                 pawl_child_exit_code(&replay->app));
    replay->failed = true;
}

static void read_signals(struct replay *replay)
{
    struct signalfd_siginfo info;
    while (read(replay->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            if (pawl_child_reap(&replay->app)) on_app_end(replay);
            continue;
        }
        replay->failed = true; /* asked to stop: what is left was not checked */
        app_stop(replay);
    }
}

static void on_deadline(struct replay *replay)
{
    if (replay->stopping) {
        pawl_child_signal(&replay->app, SIGKILL);
        replay->deadline_ms = INT64_MAX;
        return;
    }
    if (!replay->worker)
        pawl_cli_say(
            "no worker has connected within %lld s. The app must dial PAWL_APP_ENDPOINT and "
            "register workflows; see --app-timeout",
            (long long)replay->timeout_ms / 1000);
    else
        pawl_cli_say("%s: the app has not answered within %lld s",
                     replay->history.file ? replay->history.file : "",
                     (long long)replay->timeout_ms / 1000);
    replay->failed = true;
}

static void loop(struct replay *replay)
{
    struct pawl_relay *relays[] = { &replay->app.out, &replay->app.err };
    while (replay->app.pid > 0) {
        struct pollfd fds[] = { { .fd = relays[0]->fd, .events = POLLIN },
                                { .fd = relays[1]->fd, .events = POLLIN },
                                { .fd = replay->signals, .events = POLLIN },
                                { .fd = replay->wake, .events = POLLIN } };
        int64_t left_ms = replay->deadline_ms - pawl_clock_ms(CLOCK_MONOTONIC);
        if (replay->deadline_ms == INT64_MAX) left_ms = 60000;
        if (poll(fds, 4, left_ms > 0 ? (int)left_ms : 0) < 0 && errno != EINTR) break;
        for (int i = 0; i < 2; i++)
            if (fds[i].revents) pawl_relay_pump(relays[i]);
        if (fds[3].revents) {
            uint64_t count;
            ssize_t got = read(replay->wake, &count, sizeof count);
            (void)got; /* emptied; the drain below finds all there is */
            pawl_hub_drain(replay->hub);
            pawl_hub_flush(replay->hub);
        }
        if (fds[2].revents) read_signals(replay);
        if (replay->app.pid > 0 && pawl_clock_ms(CLOCK_MONOTONIC) >= replay->deadline_ms)
            on_deadline(replay);
        if (replay->failed) app_stop(replay);
    }
    for (int i = 0; i < 2; i++) pawl_relay_finish(relays[i]);
}

static bool signals_open(struct replay *replay)
{
    replay->signals = pawl_child_signals_open();
    replay->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (replay->signals >= 0 && replay->wake >= 0) return true;
    pawl_cli_say("cannot listen for signals: %s", strerror(errno));
    return false;
}

static void replay_deinit(struct replay *replay)
{
    pawl_child_deinit(&replay->app);
    pawl_hub_close(replay->hub);
    if (replay->folder) {
        unlink(replay->endpoint + strlen("ipc://"));
        rmdir(replay->folder);
        free(replay->folder);
    }
    if (replay->signals >= 0) close(replay->signals);
    if (replay->wake >= 0) close(replay->wake);
    pawl_arena_deinit(&replay->file_arena);
    pawl_arena_deinit(&replay->arena);
}

static int conclude(const struct replay *replay)
{
    uint32_t unchecked = replay->files_count - replay->same_count - replay->different_count;
    printf("%u of %u histories came out the same", replay->same_count, replay->files_count);
    if (replay->different_count) printf(", %u did not", replay->different_count);
    if (unchecked) printf(", %u could not be checked", unchecked);
    printf("\n");
    if (fflush(stdout) != 0) return PAWL_CLI_USAGE;
    if (replay->failed || unchecked) return PAWL_CLI_USAGE;
    return replay->different_count ? PAWL_CLI_FAILED : PAWL_CLI_OK;
}

int pawl_cli_replay(const struct pawl_cli_options *options)
{
    struct replay replay = { .options = options,
                             .timeout_ms =
                                 options->timeout_ms >= 0 ? options->timeout_ms : TIMEOUT_MS,
                             .wake = -1,
                             .signals = -1,
                             .app = { .out = { .fd = -1 }, .err = { .fd = -1 } } };
    pawl_arena_init(&replay.arena);
    pawl_arena_init(&replay.file_arena);
    int code = PAWL_CLI_USAGE;
    if (files_collect(&replay) && signals_open(&replay) && listen_start(&replay)
        && app_start(&replay)) {
        replay.deadline_ms = pawl_clock_ms(CLOCK_MONOTONIC) + replay.timeout_ms;
        loop(&replay);
        code = conclude(&replay);
    }
    replay_deinit(&replay);
    return code;
}
