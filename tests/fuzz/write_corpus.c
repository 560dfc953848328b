/* Write the seeds of every fuzz target: real encodings and real texts.
 *
 *   write_corpus tests/fuzz/corpus
 *
 * Run it again when an encoding gets something new. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "actors/attempts.h"
#include "actors/envelope.h"
#include "actors/import.h"
#include "actors/position.h"
#include "actors/seed.h"
#include "base/bytes.h"
#include "peer_samples.h"
#include "placement/frames.h"
#include "samples.h"
#include "sdk/change.h"
#include "sdk/schedule.h"
#include "state/keys.h"

static const char *corpus;

static void fail(const char *path)
{
    (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(1);
}

static void write_seed(const char *target, const char *name, int number, struct pawl_bytes bytes)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", corpus, target);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) fail(path);
    (void)snprintf(path, sizeof path, "%s/%s/%s-%03d", corpus, target, name, number);
    FILE *file = fopen(path, "wb");
    if (!file) fail(path);
    if (bytes.size && fwrite(bytes.data, bytes.size, 1, file) != 1) fail(path);
    if (fclose(file) != 0) fail(path);
}

static void write_frame(struct pawl_arena *arena, const char *target, const char *name, int number,
                        const struct pawl_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, 1u << 20);
    pawl_frame_encode(&buf, frame);
    write_seed(target, name, number, pawl_arena_copy(arena, pawl_buf_view(&buf)));
    pawl_buf_deinit(&buf);
}

static void write_frames(struct pawl_arena *arena)
{
    for (int type = 1; type < PAWL_FRAME_TYPES_END; type++) {
        struct pawl_frame frame = pawl_sample_frame(type, arena);
        write_frame(arena, "frames", "frame", type, &frame);
    }
    struct pawl_action detached = { .kind = PAWL_ACTION_DETACHED,
                                    .name = PAWL_BYTES_LITERAL("Ship"),
                                    .instance = PAWL_BYTES_LITERAL("ship-1"),
                                    .start_at_ms = 5000,
                                    .tags = PAWL_BYTES_LITERAL("\x92\xa4team\xa6growth") };
    struct pawl_frame done = pawl_sample_frame(PAWL_FRAME_TURN_DONE, arena);
    done.turn_done.actions_count = 1;
    done.turn_done.actions = &detached;
    write_frame(arena, "frames", "detached", 1, &done);
    for (int op = PAWL_REQUEST_START; pawl_request_op_name(op) != NULL; op++) {
        struct pawl_frame frame = { .type = PAWL_FRAME_REQUEST };
        frame.request.request = pawl_sample_request(op);
        write_frame(arena, "frames", "request", op, &frame);
        write_frame(arena, "request", "request", op, &frame);
    }
}

static void write_peer_frames(struct pawl_arena *arena)
{
    for (int type = 1; type < PAWL_PEER_FRAME_TYPES_END; type++) {
        struct pawl_peer_frame frame = pawl_sample_peer_frame(type, arena);
        struct pawl_buf buf;
        pawl_buf_init(&buf, 1u << 20);
        pawl_peer_frame_encode(&buf, &frame);
        write_seed("peer_frames", "frame", type, pawl_arena_copy(arena, pawl_buf_view(&buf)));
        pawl_buf_deinit(&buf);
    }
}

static void write_begins(struct pawl_arena *arena)
{
    static const enum pawl_event_kind kinds[] = { PAWL_EVENT_WORKFLOW_STARTED,
                                                  PAWL_EVENT_TASK_SCHEDULED,
                                                  PAWL_EVENT_EVENT_RAISED };
    struct pawl_bytes events[3];
    for (int i = 0; i < 3; i++) {
        struct pawl_history_event event = pawl_sample_event(kinds[i]);
        events[i] = pawl_history_event_pack(arena, &event);
    }
    uint32_t reopened[] = { 1 };
    struct pawl_seed seed = { .past_count = 2,
                              .events_count = 3,
                              .events = events,
                              .reopened_count = 1,
                              .reopened = reopened,
                              .has_change = true,
                              .change_id = 4,
                              .change_input = true,
                              .input = PAWL_BYTES_LITERAL("{}"),
                              .child = PAWL_BYTES_LITERAL("child-1"),
                              .rerun_of = PAWL_BYTES_LITERAL("order-0") };
    struct pawl_inbox_body body = { .event = events[0], .seed = pawl_seed_pack(arena, &seed) };
    write_seed("seed", "seed", 1, body.seed);
    write_seed("seed", "body", 1, pawl_inbox_body_pack(arena, &body));
    body.seed = PAWL_BYTES_ABSENT;
    write_seed("seed", "body", 2, pawl_inbox_body_pack(arena, &body));
    seed.is_import = true;
    seed.status = PAWL_STATUS_SUSPENDED;
    seed.custom_status = PAWL_BYTES_LITERAL("half");
    write_seed("seed", "import", 1, pawl_seed_pack(arena, &seed));
}

static void write_attempts(struct pawl_arena *arena)
{
    struct pawl_attempts attempts = { .turn = 3 };
    write_seed("attempts", "attempts", 1, pawl_attempts_pack(arena, &attempts));
    attempts.ops_count = 2;
    attempts.ops[0].id = 0;
    attempts.ops[0].count = 2;
    attempts.ops[1].id = INT32_MAX;
    attempts.ops[1].count = 9;
    write_seed("attempts", "attempts", 2, pawl_attempts_pack(arena, &attempts));
    attempts.ops_count = PAWL_ATTEMPTS_OPS_MAX;
    for (uint32_t i = 0; i < PAWL_ATTEMPTS_OPS_MAX; i++) {
        attempts.ops[i].id = i;
        attempts.ops[i].count = i + 1;
    }
    write_seed("attempts", "attempts", 3, pawl_attempts_pack(arena, &attempts));
}

/* A whole run, as an export of it is packed. */
static void write_import(struct pawl_arena *arena)
{
    static const enum pawl_event_kind kinds[] = {
        PAWL_EVENT_WORKFLOW_STARTED, PAWL_EVENT_EXECUTION_STARTED, PAWL_EVENT_TASK_SCHEDULED,
        PAWL_EVENT_TASK_COMPLETED, PAWL_EVENT_EXECUTION_COMPLETED
    };
    struct pawl_bytes events[5];
    for (int i = 0; i < 5; i++) {
        struct pawl_history_event event = pawl_history_event_make(kinds[i], 1000 + i);
        event.name = PAWL_BYTES_LITERAL("Order");
        if (kinds[i] == PAWL_EVENT_TASK_SCHEDULED) event.id = 0;
        if (kinds[i] == PAWL_EVENT_TASK_COMPLETED) event.ref = 0;
        event.status = PAWL_STATUS_COMPLETED;
        events[i] = pawl_history_event_pack(arena, &event);
    }
    struct pawl_import import = { .source = PAWL_BYTES_LITERAL("i"),
                                  .source_gen = 1,
                                  .status = PAWL_STATUS_COMPLETED,
                                  .events_count = 5,
                                  .events = events };
    write_seed("seed", "packed", 1, pawl_import_pack(arena, &import));
    import.status = PAWL_STATUS_RUNNING;
    import.events_count = 3;
    write_seed("seed", "packed", 2, pawl_import_pack(arena, &import));
}

/* One of each type; what a sidecar sends, of host h<number>. */
static struct pawl_placement_frame placement_frame(int type, struct pawl_arena *arena, int number)
{
    static struct pawl_member members[2];
    const struct pawl_member self = { .host = pawl_arena_printf(arena, "h%d", number),
                                      .app = PAWL_BYTES_LITERAL("orders"),
                                      .address = PAWL_BYTES_LITERAL("tcp://h:3502"),
                                      .partitions = 128,
                                      .runs_workflows = true };
    struct pawl_placement_frame frame = { .type = (enum pawl_placement_frame_type)type };
    members[0] = members[1] = self;
    members[1].app = PAWL_BYTES_LITERAL("shop");
    switch (frame.type) {
    case PAWL_PLACEMENT_HELLO:
        frame.hello = (struct pawl_placement_hello){ .protocol_version = 1,
                                                     .namespace_ = PAWL_BYTES_LITERAL("default"),
                                                     .self = self,
                                                     .process = { { (uint8_t)number } },
                                                     .version = 7 };
        break;
    case PAWL_PLACEMENT_UPDATE: frame.update.leaving = true; break;
    case PAWL_PLACEMENT_WELCOME:
        frame.welcome = (struct pawl_placement_welcome){ 1, PAWL_BYTES_LITERAL("default"), 500 };
        break;
    case PAWL_PLACEMENT_REFUSED:
        frame.refused =
            (struct pawl_placement_refused){ PAWL_E_EXISTS, PAWL_BYTES_LITERAL("a twin") };
        break;
    case PAWL_PLACEMENT_REDIRECT: frame.redirect = self.address; break;
    case PAWL_PLACEMENT_MEMBERS: frame.members = (struct pawl_members){ 9, 2, members }; break;
    default: break;
    }
    return frame;
}

static struct pawl_bytes placement_bytes(int type, struct pawl_arena *arena, int number)
{
    const struct pawl_placement_frame frame = placement_frame(type, arena, number);
    struct pawl_buf buf;
    pawl_buf_init(&buf, 1u << 20);
    pawl_placement_frame_encode(&buf, &frame);
    struct pawl_bytes bytes = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return bytes;
}

/* fuzz_placement_service.c says what the bytes mean: 3 after the connection is "open". */
static void placement_step(struct pawl_buf *buf, int what, int conn, struct pawl_bytes frame)
{
    const uint8_t head[] = { (uint8_t)(what << 2 | conn), (uint8_t)(frame.size >> 8),
                             (uint8_t)frame.size };
    pawl_buf_append(buf, head, what == 0 ? 3 : 1);
    if (what == 0) pawl_buf_append_bytes(buf, frame);
}

static void write_placement(struct pawl_arena *arena)
{
    for (int type = 1; type < PAWL_PLACEMENT_TYPES_END; type++)
        write_seed("placement_frames", "frame", type, placement_bytes(type, arena, 1));
    /* Two join, time passes, and then something else: 2 to 7 as in enum what. */
    for (int what = 2; what <= 7; what++) {
        struct pawl_buf buf;
        pawl_buf_init(&buf, 1u << 20);
        for (int conn = 0; conn < 2; conn++) {
            placement_step(&buf, 1, conn, PAWL_BYTES_ABSENT);
            placement_step(&buf, 0, conn, placement_bytes(PAWL_PLACEMENT_HELLO, arena, conn + 1));
        }
        placement_step(&buf, 4, 0, PAWL_BYTES_ABSENT);
        placement_step(&buf, 0, 0, placement_bytes(PAWL_PLACEMENT_UPDATE, arena, 1));
        placement_step(&buf, what, 0, PAWL_BYTES_ABSENT);
        placement_step(&buf, 1, 2, PAWL_BYTES_ABSENT);
        placement_step(&buf, 0, 2, placement_bytes(PAWL_PLACEMENT_HELLO, arena, 1));
        placement_step(&buf, 3, 0, PAWL_BYTES_ABSENT);
        write_seed("placement_service", "story", what, pawl_arena_copy(arena, pawl_buf_view(&buf)));
        pawl_buf_deinit(&buf);
    }
}

static void write_events(struct pawl_arena *arena)
{
#define X(name, value, text)                                                           \
    do {                                                                               \
        struct pawl_history_event event = pawl_sample_event(value);                    \
        write_seed("history", "event", value, pawl_history_event_pack(arena, &event)); \
    } while (0);
    PAWL_EVENT_KIND_MAP(X)
#undef X
    struct pawl_failure_view failure = pawl_sample_failure();
    write_seed("history", "failure", 1, pawl_failure_pack(arena, &failure));
    struct pawl_parent parent = pawl_sample_event(PAWL_EVENT_EXECUTION_STARTED).parent;
    write_seed("history", "parent", 1, pawl_parent_pack(arena, &parent));
}

/* Calls in front of the bytes that they read, see fuzz_codec.c. */
static void write_codec(struct pawl_arena *arena)
{
    struct pawl_history_event event = pawl_sample_event(PAWL_EVENT_TASK_SCHEDULED);
    struct pawl_bytes bytes = pawl_history_event_pack(arena, &event);
    static const uint8_t calls[] = { 14,   0x40, 0x12, 0x32, 0x03, 0x41, 0x32, 0x03,
                                     0x32, 0x05, 0x32, 0x05, 0x32, 0x05, 0x07 };
    uint8_t *seed = pawl_arena_alloc(arena, sizeof calls + bytes.size);
    memcpy(seed, calls, sizeof calls);
    memcpy(seed + sizeof calls, bytes.data, bytes.size);
    write_seed("codec", "calls", 1, pawl_bytes_make(seed, sizeof calls + bytes.size));
    write_seed("codec", "skip", 1,
               PAWL_BYTES_LITERAL("\x01\x07\x93\x81\x01\xc0\xd9\x01x\xcb--------"));
    write_seed("codec", "bool", 1, PAWL_BYTES_LITERAL("\x02\x04\x04\xc2\xc3"));
    write_seed("codec", "id", 1,
               PAWL_BYTES_LITERAL("\x01\x06\xc4\x10"
                                  "0123456789abcdef"));
}

static void append_frame(struct pawl_buf *buf, struct pawl_arena *arena, int type)
{
    struct pawl_frame frame = pawl_sample_frame(type, arena);
    struct pawl_buf encoded;
    pawl_buf_init(&encoded, UINT16_MAX);
    pawl_frame_encode(&encoded, &frame);
    const uint8_t length[] = { (uint8_t)(encoded.size >> 8), (uint8_t)encoded.size };
    pawl_buf_append(buf, length, sizeof length);
    pawl_buf_append_bytes(buf, pawl_buf_view(&encoded));
    pawl_buf_deinit(&encoded);
}

/* Conversations, see fuzz_app_stream.c. */
static void write_app_stream(struct pawl_arena *arena)
{
    static const int second[] = { PAWL_FRAME_CREDIT,
                                  PAWL_FRAME_TURN_DONE,
                                  PAWL_FRAME_NEED_HISTORY,
                                  PAWL_FRAME_ACTIVITY_DONE,
                                  PAWL_FRAME_REQUEST,
                                  PAWL_FRAME_PING,
                                  PAWL_FRAME_PONG,
                                  PAWL_FRAME_BYE,
                                  PAWL_FRAME_HELLO,
                                  PAWL_FRAME_TURN,
                                  PAWL_FRAME_ACTIVITY_HEARTBEAT };
    struct pawl_buf all;
    pawl_buf_init(&all, 1u << 20);
    append_frame(&all, arena, PAWL_FRAME_HELLO);
    for (size_t i = 0; i < sizeof second / sizeof second[0]; i++) {
        struct pawl_buf pair;
        pawl_buf_init(&pair, 1u << 20);
        append_frame(&pair, arena, PAWL_FRAME_HELLO);
        append_frame(&pair, arena, second[i]);
        pawl_buf_append(&pair, "\0\0\0\0", 4); /* 10 s pass */
        write_seed("app_stream", "pair", second[i], pawl_arena_copy(arena, pawl_buf_view(&pair)));
        pawl_buf_deinit(&pair);
        append_frame(&all, arena, second[i]);
    }
    write_seed("app_stream", "all", 1, pawl_arena_copy(arena, pawl_buf_view(&all)));
    pawl_buf_deinit(&all);
}

static void append_peer_frame(struct pawl_buf *buf, struct pawl_arena *arena, int type,
                              bool dialled)
{
    struct pawl_peer_frame frame = pawl_sample_peer_frame(type, arena);
    struct pawl_buf encoded;
    pawl_buf_init(&encoded, INT16_MAX);
    pawl_peer_frame_encode(&encoded, &frame);
    const uint8_t length[] = { (uint8_t)(encoded.size >> 8 | (dialled ? 0x80 : 0)),
                               (uint8_t)encoded.size };
    pawl_buf_append(buf, length, sizeof length);
    pawl_buf_append_bytes(buf, pawl_buf_view(&encoded));
    pawl_buf_deinit(&encoded);
}

/* Conversations on the accepted link and on the dialled one, see fuzz_peer_stream.c. */
static void write_peer_stream(struct pawl_arena *arena)
{
    for (int dialled = 0; dialled < 2; dialled++) {
        for (int type = 1; type < PAWL_PEER_FRAME_TYPES_END; type++) {
            struct pawl_buf buf;
            pawl_buf_init(&buf, 1u << 20);
            if (dialled) pawl_buf_append(&buf, "\x80\0", 2); /* the node sends: a dial */
            append_peer_frame(&buf, arena, dialled ? PAWL_PEER_WELCOME : PAWL_PEER_HELLO, dialled);
            append_peer_frame(&buf, arena, PAWL_PEER_CREDIT, dialled);
            append_peer_frame(&buf, arena, type, dialled);
            append_peer_frame(&buf, arena, PAWL_PEER_HELLO, false); /* may replace the link */
            pawl_buf_append(&buf, "\x80\0\0\0\0\0", 6);             /* the node sends, 2 s pass */
            write_seed("peer_stream", dialled ? "dialled" : "accepted", type,
                       pawl_arena_copy(arena, pawl_buf_view(&buf)));
            pawl_buf_deinit(&buf);
        }
    }
}

static void append_h2(struct pawl_buf *buf, uint8_t type, uint8_t flags, uint8_t stream,
                      struct pawl_bytes payload)
{
    const uint8_t head[] = { 0, 0, (uint8_t)payload.size, type, flags, 0, 0, 0, stream };
    pawl_buf_append(buf, head, sizeof head);
    pawl_buf_append_bytes(buf, payload);
}

/* POST to a host, the path in two letters, and the content-type of gRPC, as HPACK. */
#define GRPC_HEADERS(path)                          \
    "\x83\x86\x01\x01h\x04\x02" path "\x0f\x10\x10" \
    "application/grpc"

static void append_piece(struct pawl_buf *buf, struct pawl_buf *frames, bool greets)
{
    const uint8_t length[] = { (uint8_t)(frames->size >> 8 | (greets ? 0x80 : 0)),
                               (uint8_t)frames->size };
    pawl_buf_append(buf, length, sizeof length);
    pawl_buf_append_bytes(buf, pawl_buf_view(frames));
    pawl_buf_clear(frames);
}

/* Connections of HTTP/2, see fuzz_grpc.c. Types: 0 DATA, 1 HEADERS, 3 RST_STREAM,
 * 4 SETTINGS, 6 PING, 8 WINDOW_UPDATE. */
static void write_grpc(struct pawl_arena *arena)
{
    for (int i = 1; i <= 6; i++) {
        struct pawl_buf frames;
        struct pawl_buf buf;
        pawl_buf_init(&frames, INT16_MAX);
        pawl_buf_init(&buf, UINT16_MAX);
        append_h2(&frames, 1, 4, 1,
                  i % 2 ? PAWL_BYTES_LITERAL(GRPC_HEADERS("/e"))
                        : PAWL_BYTES_LITERAL(GRPC_HEADERS("/s") "\0\x0cgrpc-timeout\x02"
                                                                "9S"));
        append_h2(&frames, 0, 1, 1, PAWL_BYTES_LITERAL("\0\0\0\0\4text"));
        append_piece(&buf, &frames, true);
        append_h2(&frames, 6, 0, 0, PAWL_BYTES_LITERAL("12345678"));
        if (i > 2) append_h2(&frames, 8, 0, 0, PAWL_BYTES_LITERAL("\0\0\1\0"));
        if (i > 3) append_h2(&frames, 3, 0, 1, PAWL_BYTES_LITERAL("\0\0\0\x8"));
        if (i > 4) append_h2(&frames, 4, 0, 0, PAWL_BYTES_LITERAL("\0\4\0\0\0\1"));
        append_piece(&buf, &frames, false);
        pawl_buf_append(&buf, "\0\0\0\0", 4); /* 14 s pass */
        write_seed("grpc", "call", i, pawl_arena_copy(arena, pawl_buf_view(&buf)));
        pawl_buf_deinit(&frames);
        pawl_buf_deinit(&buf);
    }
    write_seed("grpc", "http1", 1, PAWL_BYTES_LITERAL("\0\x12GET / HTTP/1.1\r\n\r\n"));
    write_seed("grpc", "tls", 1, PAWL_BYTES_LITERAL("\0\5\x16\3\1\2\0"));
}

static void write_texts(const char *target, const char *name, const char *const *texts)
{
    for (int i = 0; texts[i]; i++) write_seed(target, name, i + 1, pawl_bytes_str(texts[i]));
}

static void write_records(struct pawl_arena *arena)
{
    static const enum pawl_reminder_kind kinds[] = { PAWL_REMINDER_WAKE, PAWL_REMINDER_ACTIVITY,
                                                     PAWL_REMINDER_TIMER, PAWL_REMINDER_CHILD,
                                                     PAWL_REMINDER_OUTBOX };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct pawl_reminder reminder = { .kind = kinds[i] };
        if (kinds[i] == PAWL_REMINDER_OUTBOX) {
            reminder.message = pawl_sample_id(0x10);
        } else {
            reminder.instance = PAWL_BYTES_LITERAL("order|1");
            reminder.inc = pawl_sample_id(0x20);
        }
        if (kinds[i] != PAWL_REMINDER_OUTBOX && kinds[i] != PAWL_REMINDER_WAKE) {
            reminder.gen = 2;
            reminder.op = (struct pawl_op){ .kind = (char)kinds[i], .id = 7 };
            reminder.nonce = 255;
        }
        write_seed("records", "reminder", (int)i + 1, pawl_reminder_format(arena, &reminder));
    }
    static const char *const texts[] = { "a:0", "t:4294967295", "c:17", "my-app_1.x", NULL };
    write_texts("records", "text", texts);
}

/* As fuzz_cron.c reads it: sizes, a time, a line, a zone. */
static void write_crons(struct pawl_arena *arena)
{
    static const char *const lines[] = { "30 2 * * *",      "*/15 9-17 * * MON-FRI",
                                         "0 0 13,29 2 FRI", "5 * * * * *",
                                         "@weekly",         "61 * * * *" };
    static const char *const tails[] = { "CET-1CEST,M3.5.0,M10.5.0/3",
                                         "<-02>2<-01>,M3.5.0/-1,J300/0", "UTC0" };
    int number = 0;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        for (size_t k = 0; k < sizeof tails / sizeof tails[0]; k++) {
            uint8_t header[54] = { 'T', 'Z', 'i', 'f', '2' };
            header[39] = 1;
            header[43] = 4;
            size_t line = strlen(lines[i]), tail = strlen(tails[k]);
            size_t size = 9 + line + 2 * sizeof header + tail + 2;
            uint8_t *seed = pawl_arena_alloc(arena, size), *next = seed + 9;
            seed[0] = (uint8_t)line;
            seed[5] = 0x69; /* in 2026 */
            next = (uint8_t *)memcpy(next, lines[i], line) + line;
            next = (uint8_t *)memcpy(next, header, sizeof header) + sizeof header;
            next = (uint8_t *)memcpy(next, header, sizeof header) + sizeof header;
            *next++ = '\n';
            next = (uint8_t *)memcpy(next, tails[k], tail) + tail;
            *next = '\n';
            write_seed("cron", "line", ++number, pawl_bytes_make(seed, size));
        }
    }
}

static void write_schedules(struct pawl_arena *arena)
{
    struct pawl_schedule_spec spec = { .workflow = PAWL_BYTES_LITERAL("Report"),
                                       .input = PAWL_BYTES_LITERAL("in"),
                                       .cron = PAWL_BYTES_LITERAL("0 9 * * *"),
                                       .timezone = PAWL_BYTES_LITERAL("Europe/Berlin"),
                                       .catch_up_ms = 60000 };
    struct pawl_schedule_state state = { .spec = spec,
                                         .reason = PAWL_BYTES_LITERAL("why"),
                                         .last_ms = 1,
                                         .next_ms = 2,
                                         .starting = { 3, 4 },
                                         .triggered_count = 1,
                                         .triggered = { { 5, 6 } },
                                         .recent_count = 1,
                                         .recent = {
                                             { { 7, 8 }, 9, 2, PAWL_BYTES_LITERAL("no") } } };
    write_seed("schedule", "spec", 1, pawl_schedule_spec_pack(arena, &spec));
    spec.cron = spec.timezone = PAWL_BYTES_ABSENT;
    spec.every_ms = 60000;
    spec.offset_ms = 1000;
    write_seed("schedule", "spec", 2, pawl_schedule_spec_pack(arena, &spec));
    write_seed("schedule", "state", 1, pawl_schedule_state_pack(arena, &state));
}

static const char *const small_texts[] = { "2026-08-21T10:00:00.123Z",
                                           "2026-02-28T23:59:59+14:00",
                                           "1h30m",
                                           "250ms",
                                           "0123456789abcdef0123456789ABCDEF",
                                           "Z\xc3\xbcrich \xf0\x9f\x90\xbe",
                                           "aGVsbG8gd29ybGQ=",
                                           "_-8",
                                           "tab\tand \"quotes\"",
                                           NULL };

static const char *const http_calls[] = {
    "P/v1.0/workflows/pawl/Order/start?instanceID=order-1&reuse=terminal\n{\"n\":1}",
    "P/v1.0/workflows/dapr/Order/start?startTime=2026-08-21T10:00:00Z&version=2\n",
    "G/v1.0/workflows/pawl/order%2F1?payloads=true",
    "P/v1.0/workflows/pawl/order-1/raiseEvent/approved\ntrue",
    "P/v1.0/workflows/pawl/order-1/pause?reason=by+hand",
    "P/v1.0/workflows/pawl/order-1/resume",
    "P/v1.0/schedules/daily/create?workflow=Report&cron=0+9+*+*+1-5&timezone=Europe/Berlin\nin",
    "P/v1.0/schedules/poll/create?workflow=Poll&every=15m&offset=1m&overlap=buffer&catchUp=1d",
    "P/v1.0/schedules/daily/pause?reason=stock",
    "G/v1.0/schedules?prefix=d&limit=3",
    "P/v1.0/workflows/pawl/order-1/terminate?recursive=true",
    "P/v1.0/workflows/pawl/order-1/purge?force=true",
    "G/v1.0/workflows/pawl?status=RUNNING,FAILED&limit=10&prefix=order-&cursor=abc",
    "G/v1.0/workflows/pawl/order-1/history?from=0&limit=512",
    "G/v1.0/workflows/pawl/order-1/wait?for=completed&timeout=30s",
    "P/v1.0/workflows/pawl/order-1/rerun?newInstanceID=order-2",
    "G/v1.0/healthz",
    "G/v1.0/metadata",
    "G/metrics",
    "G/v1.0/workflows/pawl?count=true&name=Order&tag=team=blue&createdFrom=2026-08-21T10:00:00Z",
    "G/v1.0/workflows/pawl?order=completed&completedTo=2026-08-21T10:00:00Z&updatedFrom=2026-08-"
    "21T10:00:00Z",
    "P/v1.0/workflows/pawl?operation=raise-event&event=go&status=RUNNING\n1",
    "P/v1.0/workflows/pawl?operation=purge&all=true&force=true&recursive=false",
    "P/v1.0/workflows/pawl/order-1/restart?newInstanceID=order-2",
    "P/v1.0/workflows/pawl/order-1/rewind?reason=again",
    "P/v1.0/workflows/pawl/order-1/rerun?eventID=3&overwriteInput=true&newChildInstanceID=c\n7",
    "P/v1.0/workflows/pawl/Order/start?reuse=terminate&event=go&eventData=1&tag=a=b&tag=c=d",
    "P/v1.0/workflows/pawl/Order/start?appID=bank&instanceID=o",
    "G/v1.0/workflows/pawl/order-1/events?from=abc",
    "G/v1.0/events?name=Order&status=COMPLETED",
    "G/v1.0/schedules/daily",
    "P/v1.0/schedules/daily/resume",
    "P/v1.0/schedules/daily/trigger",
    "P/v1.0/schedules/daily/delete",
    "P/v1.0/workflows/pawl/order-1/import\n{\"instanceID\":\"i\",\"workflowName\":\"W\"}",
    NULL
};

/* An instance's metadata as the Redis scripts answer it: 19 values. */
#define METADATA                                                                                  \
    "*19\r\n$32\r\n0102030405060708090a0b0c0d0e0f10\r\n:2\r\n"                                    \
    "$32\r\n1102030405060708090a0b0c0d0e0f10\r\n$1\r\n3\r\n:2\r\n:77\r\n:4\r\n:5\r\n:0\r\n"       \
    "$13\r\n1700000000123\r\n:0\r\n:1\r\n:2\r\n:0\r\n$5\r\nOrder\r\n$-1\r\n$2\r\nr1\r\n$-1\r\n$-" \
    "1\r\n"

/* The operation asked, then the answer; 'u' and a URL. */
static const char *const redis_answers[] = {
    "1*3\r\n$2\r\nOK\r\n:7\r\n:3\r\n",
    "1*3\r\n$8\r\nCONFLICT\r\n:7\r\n:9\r\n",
    "2*2\r\n$2\r\nOK\r\n" METADATA,
    "3*8\r\n$2\r\nOK\r\n" METADATA "$4\r\nhalf\r\n*3\r\n$2\r\n{}\r\n$-1\r\n$0\r\n\r\n"
    "*2\r\n$3\r\na:3\r\n$20\r\n1:00000000000000ff:1\r\n*1\r\n$1\r\ne\r\n"
    "*1\r\n$17\r\n0123456789abcdefB\r\n*2\r\n$1\r\nh\r\n$2\r\nhh\r\n",
    "3*1\r\n$9\r\nNOT_FOUND\r\n",
    "4*3\r\n$2\r\nOK\r\n:4\r\n:5\r\n",
    "4*1\r\n$6\r\nFENCED\r\n",
    "5*2\r\n$2\r\nOK\r\n:6\r\n",
    "6*6\r\n$2\r\nOK\r\n*3\r\n$46\r\nw|order|0102030405060708090a0b0c0d0e0f10|0|-|-\r\n"
    "$13\r\n1700000000123\r\n$-1\r\n:0\r\n$1\r\n0\r\n*2\r\n$1\r\n0\r\n$1\r\n9\r\n:1\r\n",
    "7*1\r\n$2\r\nOK\r\n",
    "7*2\r\n$7\r\nCORRUPT\r\n$3\r\nkey\r\n",
    "8*1\r\n$2\r\nOK\r\n",
    "9*5\r\n$2\r\nOK\r\n*1\r\n*3\r\n$5\r\norder\r\n" METADATA "$-1\r\n:1\r\n:5\r\n$5\r\norder\r\n",
    ":*4\r\n$2\r\nOK\r\n:2\r\n$1\r\n7\r\n*1\r\n$5\r\norder\r\n",
    ":*4\r\n$2\r\nOK\r\n:4\r\n$-1\r\n*3\r\n$1\r\n?\r\n$3\r\ninf\r\n:0\r\n",
    ":*4\r\n$2\r\nOK\r\n:5\r\n$-1\r\n*3\r\n$2\r\nab\r\n$1\r\nx\r\n$2\r\n12\r\n",
    ":*10\r\n$2\r\nOK\r\n:1\r\n*4\r\n$1\r\n3\r\n$1\r\nh\r\n$1\r\n0\r\n$1\r\n9\r\n*2\r\n$1\r\n0\r\n$"
    "2\r\n-1\r\n"
    "$-1\r\n:5\r\n:6\r\n:7\r\n:8\r\n$1\r\n9\r\n",
    ":*14\r\n$2\r\nOK\r\n:3\r\n$1\r\n5\r\n" METADATA "$-1\r\n$1\r\n5\r\n:0\r\n"
    "*2\r\n$3\r\na:0\r\n$20\r\n1:00000000000000ff:0\r\n*1\r\n:1\r\n:0\r\n*2\r\n$1\r\ne\r\n$-1\r\n"
    ":0\r\n*2\r\n$17\r\n0123456789abcdefB\r\n$-1\r\n:0\r\n",
    "3-ERR something\r\n",
    "3*2147483647\r\n",
    "uredis://user:pass%40word@[::1]:6380/3",
    "uredis+unix:///run/redis.sock?db=1&user=u&password=p",
    "urediss+sentinel://u:p@s1,[::1]:26380/main/2?sentinel_user=a&sentinel_password=b&cafile=/c",
    "urediss+cluster://h:1?certfile=a&keyfile=b&servername=n&verify=ca&durability=d2&replicas=2"
    "&wait_ms=9",
    "s*2\r\n*4\r\n:0\r\n:99\r\n*3\r\n$1\r\na\r\n:7000\r\n$1\r\ni\r\n*2\r\n$-1\r\n:7001\r\n"
    "*3\r\n:100\r\n:16383\r\n*2\r\n$0\r\n\r\n:7002\r\n",
    "mMOVED 3999 ::1:6381",
    "t*2\r\n$10\r\n1800000000\r\n$6\r\n123456\r\n",
    NULL
};

static const char *const configs[] = {
    "app-id=shop",
    "app-id=shop\nnamespace=prod\nstore=redis://u:p@host:6379/1\npartitions=256",
    "app-id=shop\nstore=sqlite:///tmp/a.db\nsynchronous=normal\nhttp-host=0.0.0.0\nhttp-port=0",
    "app-id=shop\napp-listen=tcp://127.0.0.1:0,ipc:///run/a.sock\napp-listen=tcp://[::1]:1",
    "app-id=shop\ntoken=secret\ninstance-idle=1m30s\nlog-level=debug\nlog-format=json",
    "app-id=shop\ntoken=a\ntoken-file=/b",
    "app-id=a b\nturns-max=1000001\nactivities-max=-1",
    "url=redis://user:pass@host:1/2\nurl=nonsense://@",
    "app-id=shop\nstore=redis://h:1\nplacement=one,[::1]:2\npeer-listen=[::]:0\nhost-id=a-1\n"
    "peer-advertise=[fd00::7]:9",
    NULL
};

static void write_changes(struct pawl_arena *arena)
{
    struct pawl_lifecycle_event event = { .partition = 104,
                                          .number = 70000,
                                          .at_ms = 1700000000123,
                                          .what = PAWL_CHANGE_CREATED,
                                          .status = PAWL_STATUS_PENDING,
                                          .gen = 1,
                                          .instance = PAWL_BYTES_LITERAL("order-1"),
                                          .name = PAWL_BYTES_LITERAL("Order") };
    write_seed("change", "event", 0, pawl_lifecycle_event_pack(arena, &event));
    event.what = PAWL_CHANGE_STATUS | PAWL_CHANGE_CUSTOM_STATUS;
    event.custom_status = PAWL_BYTES_LITERAL("half");
    write_seed("change", "event", 1, pawl_lifecycle_event_pack(arena, &event));
    event.what = PAWL_CHANGE_PURGED | PAWL_CHANGE_CUSTOM_OMITTED;
    event.number = UINT64_MAX;
    write_seed("change", "event", 2, pawl_lifecycle_event_pack(arena, &event));
}

/* The first byte is the target's: one less than there are partitions. */
static void write_positions(struct pawl_arena *arena)
{
    const uint64_t numbers[] = { 0, 35, 36, UINT64_MAX };
    struct pawl_bytes of_all = pawl_position_format(arena, 4, 0, 4, numbers);
    struct pawl_bytes of_one = pawl_position_format(arena, 4, 3, 1, &numbers[2]);
    write_seed("position", "all", 0, pawl_arena_printf(arena, "\3%.*s", PAWL_BYTES_FMT(of_all)));
    write_seed("position", "one", 0, pawl_arena_printf(arena, "\3%.*s", PAWL_BYTES_FMT(of_one)));
}

/* The first byte is the target's: the size of a piece. */
static const char *const event_streams[] = {
    "\5event: state\ndata: {\"instanceID\":\"a\"}\nid: i3k-2w-2\n\n: nothing new\nid: i3k-2w-3\n\n",
    "\1event:change\r\ndata:one\r\ndata: two\r\n\r\nretry: 3\n\nid\n\n",
    "?event: end\ndata: {\"errorCode\":\"ERR_SHUTTING_DOWN\"}\n\n", NULL
};

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s <corpus folder>\n", argv[0]);
        return 2;
    }
    corpus = argv[1];
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    write_frames(&arena);
    write_peer_frames(&arena);
    write_begins(&arena);
    write_import(&arena);
    write_attempts(&arena);
    write_placement(&arena);
    write_events(&arena);
    write_codec(&arena);
    write_records(&arena);
    write_app_stream(&arena);
    write_peer_stream(&arena);
    write_grpc(&arena);
    write_crons(&arena);
    write_schedules(&arena);
    write_changes(&arena);
    write_positions(&arena);
    write_texts("event_lines", "stream", event_streams);
    write_texts("text", "text", small_texts);
    write_texts("http", "call", http_calls);
    write_texts("redis", "answer", redis_answers);
    write_texts("config", "lines", configs);
    pawl_arena_deinit(&arena);
    return 0;
}
