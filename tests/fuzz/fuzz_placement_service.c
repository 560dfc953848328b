/* The placement service, fed by a few connections with any frames in any order, over
 * losses, sleeps and changes of the leader: versions grow, whoever gets a list is in it, and
 * nothing is sent on a connection that was closed.
 *
 * The input: steps of a byte that says what happens (low two bits: the connection), and for
 * a frame a length of two bytes and the frame. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "placement/membership.h"

#define CONNS 4u

enum what { FRAME = 0, OPEN, CLOSE, SHORT_TIME, LONG_TIME, LEAD, FOLLOW, SLEEP };

struct conn {
    uint64_t id; /* 0: not open */
    bool is_closing;
};

static struct {
    struct pawl_membership *membership;
    struct pawl_arena arena;
    int64_t now_ms;
    uint64_t ids;
    uint32_t epoch;
    bool leads;
    struct conn conns[CONNS];
} world;

static struct conn *conn_of(uint64_t id)
{
    for (uint32_t i = 0; i < CONNS; i++) {
        if (world.conns[i].id == id) return &world.conns[i];
    }
    PAWL_UNREACHABLE("an effect on a connection that does not exist");
}

static void step(struct pawl_membership_event event)
{
    event.now_ms = world.now_ms;
    struct pawl_membership_effects effects = pawl_membership_step(world.membership, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_membership_effect *effect = &effects.items[i];
        struct conn *conn = conn_of(effect->conn);
        PAWL_ASSERT(!conn->is_closing);
        if (effect->type == PAWL_MEMBERSHIP_CLOSE) {
            conn->is_closing = true;
            continue;
        }
        struct pawl_placement_frame frame;
        PAWL_ASSERT(pawl_placement_frame_decode(effect->frame, &world.arena, &frame) == PAWL_OK);
        if (frame.type != PAWL_PLACEMENT_MEMBERS) continue;
        PAWL_ASSERT(world.leads);
        PAWL_ASSERT(frame.members.count > 0);
    }
}

static void pass(int64_t ms)
{
    int64_t until_ms = world.now_ms + ms;
    for (int i = 0; i < 200; i++) {
        int64_t wake_ms = pawl_membership_wake_at_ms(world.membership);
        if (wake_ms == 0 || wake_ms > until_ms) break;
        if (wake_ms > world.now_ms) world.now_ms = wake_ms;
        step((struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_TICK });
    }
    world.now_ms = until_ms;
}

static void conn_open(struct conn *conn)
{
    if (conn->id != 0) return;
    *conn = (struct conn){ .id = ++world.ids };
    step((struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_OPENED, .conn = conn->id });
}

static void conn_close(struct conn *conn)
{
    if (conn->id == 0) return;
    conn->is_closing = true;
    step((struct pawl_membership_event){
        .type = PAWL_MEMBERSHIP_CLOSED, .conn = conn->id, .why = "closed" });
    conn->id = 0;
}

static void lead(bool leads)
{
    if (leads == world.leads) return;
    world.leads = leads;
    step(leads ? (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_LEAD,
                                                 .epoch = ++world.epoch }
               : (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_FOLLOW,
                                                 .leader = PAWL_BYTES_LITERAL("tcp://b:1") });
}

static void happen(enum what what, struct conn *conn)
{
    switch (what) {
    case FRAME: return;
    case OPEN: conn_open(conn); return;
    case CLOSE: conn_close(conn); return;
    case SHORT_TIME: pass(60); return;
    case LONG_TIME: pass(3000); return;
    case LEAD: lead(true); return;
    case FOLLOW: lead(false); return;
    case SLEEP: world.now_ms += 10000; return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pawl_membership_config config = { .token = PAWL_BYTES_ABSENT, .seed = 1 };
    world.membership = pawl_membership_new(&config);
    world.now_ms = 1000000;
    world.ids = 0;
    world.epoch = 0;
    world.leads = false;
    pawl_arena_init(&world.arena);
    for (uint32_t i = 0; i < CONNS; i++) world.conns[i] = (struct conn){ .id = 0 };
    lead(true);
    while (size > 0) {
        enum what what = (enum what)(data[0] >> 2 & 7);
        struct conn *conn = &world.conns[data[0] & 3];
        data++;
        size--;
        pawl_arena_reset(&world.arena);
        happen(what, conn);
        if (what != FRAME) continue;
        if (size < 2) break;
        size_t length = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        if (length > size) length = size;
        if (conn->id != 0)
            step((struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_FRAME,
                                                 .conn = conn->id,
                                                 .frame = pawl_bytes_make(data, length) });
        data += length;
        size -= length;
    }
    struct pawl_membership_status status = pawl_membership_status(world.membership, &world.arena);
    PAWL_ASSERT(status.connections <= CONNS);
    pawl_arena_deinit(&world.arena);
    pawl_membership_free(world.membership);
    return 0;
}
