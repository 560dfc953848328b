#include "peer_samples.h"

#include "base/assert.h"
#include "base/bytes.h"

#define TEXT(text) PAWL_BYTES_LITERAL(text)

static struct pawl_id id_make(uint8_t first)
{
    struct pawl_id id;
    for (size_t i = 0; i < sizeof id.bytes; i++) id.bytes[i] = (uint8_t)(first + i);
    return id;
}

static struct pawl_id *ids_make(struct pawl_arena *arena, uint8_t first, uint32_t count)
{
    struct pawl_id *ids = PAWL_ARENA_ARRAY(arena, struct pawl_id, count);
    for (uint32_t i = 0; i < count; i++) ids[i] = id_make((uint8_t)(first + 16 * i));
    return ids;
}

static struct pawl_peer_hello sample_hello(void)
{
    return (struct pawl_peer_hello){ .protocol_version = 1,
                                     .namespace_ = TEXT("prod"),
                                     .app = TEXT("shop"),
                                     .host = TEXT("shop-1-77-c0ffee"),
                                     .token = TEXT("secret") };
}

static struct pawl_peer_run sample_run(void)
{
    return (struct pawl_peer_run){ .run = id_make(0x50),
                                   .instance = TEXT("order-1"),
                                   .inc = id_make(0x60),
                                   .gen = 2,
                                   .op_id = 7,
                                   .nonce = UINT64_C(0x1122334455667788),
                                   .event = TEXT("event") };
}

static struct pawl_peer_places sample_places(struct pawl_arena *arena)
{
    struct pawl_peer_places places = {
        .version = 9, .kept_epoch = 8, .process = id_make(0x10), .number = 3, .items_count = 2
    };
    places.items = PAWL_ARENA_ARRAY(arena, struct pawl_peer_places_item, 2);
    places.items[0] = (struct pawl_peer_places_item){
        .is_task = true, .name = TEXT("mail"), .max = 5, .held = 2, .wanted = 4
    };
    places.items[1] = (struct pawl_peer_places_item){ .max = 7, .wanted = UINT32_MAX };
    return places;
}

static struct pawl_peer_finds sample_finds(struct pawl_arena *arena)
{
    struct pawl_peer_finds finds = { .count = 2 };
    finds.items = PAWL_ARENA_ARRAY(arena, struct pawl_peer_find, 2);
    for (uint32_t i = 0; i < 2; i++)
        finds.items[i] = (struct pawl_peer_find){ .run = id_make((uint8_t)(0x50 + i)),
                                                  .instance = TEXT("order-1"),
                                                  .inc = id_make(0x60),
                                                  .gen = 2 + i,
                                                  .nonce = UINT64_C(0x1122334455667788) + i };
    return finds;
}

struct pawl_peer_frame pawl_sample_peer_frame(int type, struct pawl_arena *arena)
{
    struct pawl_peer_frame frame = { .type = (enum pawl_peer_frame_type)type };
    switch (frame.type) {
    case PAWL_PEER_HELLO:
    case PAWL_PEER_WELCOME: frame.hello = sample_hello(); break;
    case PAWL_PEER_REFUSED:
        frame.refused =
            (struct pawl_peer_refused){ .err = PAWL_E_DENIED, .message = TEXT("wrong token") };
        break;
    case PAWL_PEER_PING:
    case PAWL_PEER_PONG: break;
    case PAWL_PEER_CREDIT: frame.credit = 70000; break;
    case PAWL_PEER_CALL:
    case PAWL_PEER_RETURN:
        frame.call = (struct pawl_peer_call){ .token = 300, .frame = TEXT("frame") };
        break;
    case PAWL_PEER_GONE: frame.call.token = 300; break;
    case PAWL_PEER_MESSAGE:
        frame.message = (struct pawl_peer_message){ .id = id_make(0x10), .body = TEXT("body") };
        break;
    case PAWL_PEER_MESSAGE_DONE:
        frame.message_done =
            (struct pawl_peer_message_done){ .id = id_make(0x10), .event = TEXT("event") };
        break;
    case PAWL_PEER_RUN:
    case PAWL_PEER_RESULT: frame.run = sample_run(); break;
    case PAWL_PEER_RUN_REFUSED:
        frame.run_refused =
            (struct pawl_peer_run_refused){ .run = id_make(0x50), .unregistered = true };
        break;
    case PAWL_PEER_RESULT_DONE:
    case PAWL_PEER_CANCEL: frame.run_id = id_make(0x50); break;
    case PAWL_PEER_ATTEMPT:
        frame.run_attempt = (struct pawl_peer_run_attempt){ .run = id_make(0x50), .count = 3 };
        break;
    case PAWL_PEER_ASK:
        frame.runs = (struct pawl_peer_runs){ .known_count = 2, .known = ids_make(arena, 0x20, 2) };
        break;
    case PAWL_PEER_FIND: frame.finds = sample_finds(arena); break;
    case PAWL_PEER_FOUND:
    case PAWL_PEER_ASKED:
        frame.runs = (struct pawl_peer_runs){ .known_count = 1,
                                              .known = ids_make(arena, 0x20, 1),
                                              .unknown_count = 2,
                                              .unknown = ids_make(arena, 0x40, 2) };
        break;
    case PAWL_PEER_PLACES_WANTED:
    case PAWL_PEER_PLACES: frame.places = sample_places(arena); break;
    case PAWL_PEER_NEWS_WANTED: break;
    case PAWL_PEER_NEWS:
        frame.news = (struct pawl_peer_news){ .count = 2 };
        frame.news.partitions = PAWL_ARENA_ARRAY(arena, uint32_t, 2);
        frame.news.partitions[0] = 127;
        frame.news.partitions[1] = 5;
        break;
    case PAWL_PEER_FRAME_TYPES_END: PAWL_UNREACHABLE("no such frame");
    }
    return frame;
}
