#include "placement/membership.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/fsm.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "placement/names.h"

/* Silence, heartbeats and graces are looked at together this often; a silent member is
 * gone after PAWL_PLACEMENT_SILENCE_MS and this at the latest. */
#define SWEEP_MS 100

/* The service itself stood still when a sweep is this late: nobody could be heard. */
#define STALL_MS 500

enum conn_state { AWAITING_HELLO = 1, READY, CLOSING };

static const struct pawl_fsm_state conn_states[] = {
    [AWAITING_HELLO] = { "awaiting hello", PAWL_FSM_BIT(READY) | PAWL_FSM_BIT(CLOSING) },
    [READY] = { "ready", PAWL_FSM_BIT(CLOSING) },
    [CLOSING] = { "closing", 0 },
};

struct namespace_;
struct member;

struct conn {
    uint64_t id;
    uint8_t state;
    int64_t opened_ms;
    int64_t heard_ms;
    int64_t spoke_ms;
    struct member *member; /* READY: whose connection it is */
};

struct member {
    struct pawl_arena kept;
    struct pawl_member self; /* texts in `kept` */
    struct pawl_id process;
    struct namespace_ *home;
    struct conn *conn; /* NULL: lost */
    int64_t gone_ms;   /* lost: removed then */
};

struct namespace_ {
    struct pawl_bytes name;  /* own memory */
    struct pawl_map members; /* host -> member */
    uint64_t version;        /* of the last list, or heard of; grows only */
    struct pawl_arena kept;  /* of `published` */
    struct pawl_members published;
    bool is_dirty; /* the last list is not true any more */
    int64_t published_ms;
};

struct pawl_membership {
    struct pawl_bytes token;
    struct pawl_arena kept;
    uint64_t seed;
    int64_t now_ms;

    bool leads;
    bool settled;
    uint32_t epoch;
    int64_t lead_ms;
    int64_t newest_ms; /* when the last new member came */
    struct pawl_buf leader;

    struct pawl_map conns;      /* id -> conn */
    struct pawl_map namespaces; /* name -> namespace_ */
    uint64_t version_floor;     /* of namespaces that were dropped because they were empty */
    int64_t sweep_ms;           /* next; 0: nothing to look at */

    struct pawl_arena step;
    struct pawl_buf out;
    uint32_t effects_count;
    uint32_t effects_capacity;
    struct pawl_membership_effect *effects;
    struct pawl_membership_status counts;
};

/* Life ------------------------------------------------------------------------------ */

struct pawl_membership *pawl_membership_new(const struct pawl_membership_config *config)
{
    struct pawl_membership *membership = PAWL_NEW(struct pawl_membership);
    pawl_arena_init(&membership->kept);
    pawl_arena_init(&membership->step);
    membership->token = pawl_arena_copy(&membership->kept, config->token);
    membership->seed = config->seed;
    pawl_map_init(&membership->conns, config->seed);
    pawl_map_init(&membership->namespaces, config->seed);
    pawl_buf_init(&membership->leader, PAWL_ADDRESS_SIZE_MAX);
    pawl_buf_init(&membership->out, PAWL_PLACEMENT_FRAME_SIZE_MAX);
    return membership;
}

static void member_free(struct member *member)
{
    (void)pawl_map_remove(&member->home->members, member->self.host);
    if (member->conn) member->conn->member = NULL;
    pawl_arena_deinit(&member->kept);
    pawl_mem_free(member);
}

static void namespace_free(struct pawl_membership *membership, struct namespace_ *home)
{
    uint32_t cursor = 0;
    for (struct member *member; (member = pawl_map_next(&home->members, &cursor)) != NULL;) {
        member_free(member);
    }
    if (home->version > membership->version_floor) membership->version_floor = home->version;
    (void)pawl_map_remove(&membership->namespaces, home->name);
    pawl_map_deinit(&home->members);
    pawl_arena_deinit(&home->kept);
    pawl_mem_free((void *)(uintptr_t)home->name.data);
    pawl_mem_free(home);
}

static void namespaces_clear(struct pawl_membership *membership)
{
    uint32_t cursor = 0;
    for (struct namespace_ *home;
         (home = pawl_map_next(&membership->namespaces, &cursor)) != NULL;) {
        namespace_free(membership, home);
    }
}

static void conn_free(struct pawl_membership *membership, struct conn *conn)
{
    PAWL_ASSERT(!conn->member);
    (void)pawl_map_remove(&membership->conns, pawl_bytes_make(&conn->id, sizeof conn->id));
    pawl_mem_free(conn);
}

void pawl_membership_free(struct pawl_membership *membership)
{
    if (!membership) return;
    namespaces_clear(membership);
    uint32_t cursor = 0;
    for (struct conn *conn; (conn = pawl_map_next(&membership->conns, &cursor)) != NULL;) {
        conn_free(membership, conn);
    }
    pawl_map_deinit(&membership->conns);
    pawl_map_deinit(&membership->namespaces);
    pawl_buf_deinit(&membership->leader);
    pawl_buf_deinit(&membership->out);
    pawl_arena_deinit(&membership->kept);
    pawl_arena_deinit(&membership->step);
    pawl_mem_free(membership->effects);
    pawl_mem_free(membership);
}

/* Effects --------------------------------------------------------------------------- */

static void effect_add(struct pawl_membership *membership, struct pawl_membership_effect effect)
{
    if (membership->effects_count == membership->effects_capacity) {
        membership->effects_capacity = 2 * membership->effects_capacity + 16;
        membership->effects = pawl_mem_resize(
            membership->effects, sizeof *membership->effects * membership->effects_capacity);
    }
    membership->effects[membership->effects_count++] = effect;
}

static struct pawl_bytes frame_encode(struct pawl_membership *membership,
                                      const struct pawl_placement_frame *frame)
{
    pawl_buf_clear(&membership->out);
    pawl_placement_frame_encode(&membership->out, frame);
    PAWL_ASSERT(membership->out.bad == PAWL_OK); /* the limits see to it */
    return pawl_arena_copy(&membership->step, pawl_buf_view(&membership->out));
}

static void conn_send(struct pawl_membership *membership, struct conn *conn,
                      struct pawl_bytes frame)
{
    conn->spoke_ms = membership->now_ms;
    effect_add(membership, (struct pawl_membership_effect){
                               .type = PAWL_MEMBERSHIP_SEND, .conn = conn->id, .frame = frame });
}

static void conn_tell(struct pawl_membership *membership, struct conn *conn,
                      const struct pawl_placement_frame *frame)
{
    conn_send(membership, conn, frame_encode(membership, frame));
}

static void conn_close(struct pawl_membership *membership, struct conn *conn)
{
    PAWL_ASSERT(!conn->member);
    pawl_fsm_move(conn_states, &conn->state, CLOSING);
    effect_add(membership,
               (struct pawl_membership_effect){ .type = PAWL_MEMBERSHIP_CLOSE, .conn = conn->id });
}

/* Members --------------------------------------------------------------------------- */

static void log_member(enum pawl_log_level level, const struct member *member, const char *what)
{
    pawl_log(level, "placement", "sidecar %.*s of app %.*s in namespace %.*s %s",
             PAWL_BYTES_FMT(member->self.host), PAWL_BYTES_FMT(member->self.app),
             PAWL_BYTES_FMT(member->home->name), what);
}

/* Its connection, if it has one, is nobody's any more. */
static void member_detach(struct member *member)
{
    if (member->conn) member->conn->member = NULL;
    member->conn = NULL;
}

static void member_remove(struct pawl_membership *membership, struct member *member)
{
    struct namespace_ *home = member->home;
    if (member->self.leaving) {
        membership->counts.left++;
        log_member(PAWL_LOG_INFO, member, "has left");
    } else {
        membership->counts.lost++;
        log_member(PAWL_LOG_WARN, member, "is lost");
    }
    member_free(member);
    home->is_dirty = true;
    if (home->members.count == 0) namespace_free(membership, home);
}

static struct member *member_new(struct namespace_ *home, struct pawl_bytes host)
{
    struct member *member = PAWL_NEW(struct member);
    pawl_arena_init(&member->kept);
    member->home = home;
    member->self.host = pawl_arena_copy(&member->kept, host);
    pawl_map_insert(&home->members, member->self.host, member);
    return member;
}

static bool member_is_equal(const struct pawl_member *a, const struct pawl_member *b)
{
    return pawl_bytes_is_equal(a->app, b->app) && pawl_bytes_is_equal(a->address, b->address)
           && a->partitions == b->partitions && a->leaving == b->leaving
           && a->runs_activities == b->runs_activities && a->runs_workflows == b->runs_workflows;
}

/* All but the host, which is its key. */
static void member_set(struct member *member, const struct pawl_member *self)
{
    if (member_is_equal(&member->self, self)) return;
    member->home->is_dirty = true;
    if (!pawl_bytes_is_equal(member->self.app, self->app))
        member->self.app = pawl_arena_copy(&member->kept, self->app);
    if (!pawl_bytes_is_equal(member->self.address, self->address))
        member->self.address = pawl_arena_copy(&member->kept, self->address);
    member->self.partitions = self->partitions;
    member->self.leaving = self->leaving;
    member->self.runs_activities = self->runs_activities;
    member->self.runs_workflows = self->runs_workflows;
}

/* Lists ----------------------------------------------------------------------------- */

static int member_compare(const void *a, const void *b)
{
    const struct pawl_member *left = a, *right = b;
    int order = pawl_bytes_compare(left->app, right->app);
    return order != 0 ? order : pawl_bytes_compare(left->host, right->host);
}

static uint64_t version_next(const struct pawl_membership *membership, uint64_t version)
{
    uint64_t of_epoch = (uint64_t)membership->epoch << 32;
    return (version > of_epoch ? version : of_epoch) + 1;
}

static void list_make(struct pawl_membership *membership, struct namespace_ *home)
{
    pawl_arena_reset(&home->kept);
    home->version = version_next(membership, home->version);
    uint32_t count = home->members.count;
    struct pawl_member *items = PAWL_ARENA_ARRAY(&home->kept, struct pawl_member, count);
    uint32_t cursor = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct member *member = pawl_map_next(&home->members, &cursor);
        items[i] = member->self;
        items[i].host = pawl_arena_copy(&home->kept, member->self.host);
        items[i].app = pawl_arena_copy(&home->kept, member->self.app);
        items[i].address = pawl_arena_copy(&home->kept, member->self.address);
    }
    qsort(items, count, sizeof *items, member_compare);
    home->published = (struct pawl_members){ home->version, count, items };
    home->is_dirty = false;
    home->published_ms = membership->now_ms;
    membership->counts.lists_published++;
}

static struct pawl_bytes list_encode(struct pawl_membership *membership,
                                     const struct namespace_ *home)
{
    const struct pawl_placement_frame frame = { .type = PAWL_PLACEMENT_MEMBERS,
                                                .members = home->published };
    return frame_encode(membership, &frame);
}

static void publish(struct pawl_membership *membership, struct namespace_ *home)
{
    list_make(membership, home);
    struct pawl_bytes frame = list_encode(membership, home);
    uint32_t cursor = 0;
    for (struct member *member; (member = pawl_map_next(&home->members, &cursor)) != NULL;) {
        if (member->conn) conn_send(membership, member->conn, frame);
    }
}

/* Each list goes to each member, so large ones go out less often: 1,000 members that come
 * and go would cost 100 MB for every list. */
static int64_t publish_at_ms(const struct namespace_ *home)
{
    if (home->published.version == 0) return 0;
    return home->published_ms + PAWL_PLACEMENT_PUBLISH_MS + home->members.count / 8;
}

static void publish_due(struct pawl_membership *membership)
{
    if (!membership->settled) return;
    uint32_t cursor = 0;
    for (struct namespace_ *home;
         (home = pawl_map_next(&membership->namespaces, &cursor)) != NULL;) {
        if (home->is_dirty && membership->now_ms >= publish_at_ms(home)) publish(membership, home);
    }
}

static int64_t settle_at_ms(const struct pawl_membership *membership)
{
    int64_t least_ms = membership->lead_ms + PAWL_PLACEMENT_SETTLE_MS;
    int64_t quiet_ms = membership->newest_ms + PAWL_PLACEMENT_SETTLE_QUIET_MS;
    int64_t most_ms = membership->lead_ms + PAWL_PLACEMENT_SETTLE_MS_MAX;
    int64_t at_ms = least_ms > quiet_ms ? least_ms : quiet_ms;
    return at_ms < most_ms ? at_ms : most_ms;
}

static void settle_due(struct pawl_membership *membership)
{
    if (!membership->leads || membership->settled) return;
    if (membership->now_ms < settle_at_ms(membership)) return;
    membership->settled = true;
    pawl_log(PAWL_LOG_INFO, "placement", "settled: member lists go out from now on");
}

/* HELLO ----------------------------------------------------------------------------- */

/* Takes the same time wherever the two differ; only the length shows. */
static bool token_is_equal(struct pawl_bytes a, struct pawl_bytes b)
{
    if (a.size != b.size) return false;
    uint8_t difference = 0;
    for (size_t i = 0; i < a.size; i++)
        difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}

static pawl_err hello_check_peer(struct pawl_membership *membership,
                                 const struct pawl_placement_hello *hello,
                                 struct pawl_bytes *ret_text)
{
    if (hello->protocol_version != PAWL_PLACEMENT_PROTOCOL_VERSION) {
        *ret_text = pawl_arena_printf(
            &membership->step,
            "this placement service speaks protocol version %u and the sidecar speaks %" PRIu32
            "; use pawld and pawl-placement of the same release",
            PAWL_PLACEMENT_PROTOCOL_VERSION, hello->protocol_version);
        return PAWL_E_VERSION;
    }
    if (pawl_bytes_is_absent(membership->token)) return PAWL_OK;
    if (token_is_equal(membership->token, hello->token)) return PAWL_OK;
    *ret_text = pawl_arena_printf(&membership->step,
                                  "%s; pawld and pawl-placement must be given the same token",
                                  pawl_bytes_is_absent(hello->token)
                                      ? "this placement service asks for a token and none was sent"
                                      : "the token is not the one of this placement service");
    return PAWL_E_DENIED;
}

/* Malformed texts are not repeated: they may hold anything. */
static const char *hello_text_problem(const struct pawl_placement_hello *hello)
{
    if (!pawl_placement_app_is_valid(hello->namespace_))
        return "the namespace must be 1 to 64 letters, digits, '-', '_' or '.'";
    if (!pawl_placement_app_is_valid(hello->self.app))
        return "the app id must be 1 to 64 letters, digits, '-', '_' or '.'";
    if (!pawl_placement_host_is_valid(hello->self.host))
        return "the host id must be 1 to 128 letters, digits, '-', '_' or '.'";
    if (!pawl_placement_address_is_valid(hello->self.address))
        return "the address for peers must read tcp://host:port, with at most 256 characters";
    if (hello->self.partitions < 1 || hello->self.partitions > PAWL_PARTITIONS_MAX)
        return "the number of partitions must be 1 to 4096";
    return NULL;
}

_Static_assert(PAWL_APP_ID_SIZE_MAX == 64 && PAWL_HOST_SIZE_MAX == 128
                   && PAWL_ADDRESS_SIZE_MAX == 256 && PAWL_PARTITIONS_MAX == 4096,
               "the texts above name the limits");

/* Another member of the app that has another number of partitions. */
static const struct member *partitions_conflict(const struct namespace_ *home,
                                                const struct pawl_member *self)
{
    uint32_t cursor = 0;
    for (const struct member *member; (member = pawl_map_next(&home->members, &cursor)) != NULL;) {
        if (pawl_bytes_is_equal(member->self.host, self->host)) continue;
        if (!pawl_bytes_is_equal(member->self.app, self->app)) continue;
        if (member->self.partitions != self->partitions) return member;
    }
    return NULL;
}

static pawl_err hello_check_place(struct pawl_membership *membership, const struct namespace_ *home,
                                  const struct pawl_placement_hello *hello,
                                  struct pawl_bytes *ret_text)
{
    struct pawl_arena *arena = &membership->step;
    const struct pawl_member *self = &hello->self;
    if (!home) {
        if (membership->namespaces.count < PAWL_PLACEMENT_NAMESPACES_MAX) return PAWL_OK;
        *ret_text =
            pawl_arena_printf(arena, "there are %u namespaces already, and no room for more",
                              PAWL_PLACEMENT_NAMESPACES_MAX);
        return PAWL_E_LIMIT;
    }
    const struct member *twin = pawl_map_find(&home->members, self->host);
    if (twin && twin->conn && !pawl_id_is_equal(twin->process, hello->process)) {
        *ret_text = pawl_arena_printf(
            arena,
            "another sidecar with host id '%.*s' is connected (app '%.*s', reached at %.*s); "
            "each sidecar needs a host id of its own",
            PAWL_BYTES_FMT(self->host), PAWL_BYTES_FMT(twin->self.app),
            PAWL_BYTES_FMT(twin->self.address));
        return PAWL_E_EXISTS;
    }
    const struct member *other = partitions_conflict(home, self);
    if (other) {
        *ret_text = pawl_arena_printf(
            arena,
            "this sidecar has %" PRIu32 " partitions for app '%.*s' and sidecar '%.*s' has %" PRIu32
            "; all sidecars of an app need the same number, the one it was created with",
            self->partitions, PAWL_BYTES_FMT(self->app), PAWL_BYTES_FMT(other->self.host),
            other->self.partitions);
        return PAWL_E_INVALID;
    }
    if (!twin && home->members.count >= PAWL_PLACEMENT_MEMBERS_MAX) {
        *ret_text = pawl_arena_printf(
            arena, "namespace '%.*s' has %u sidecars already, and no room for more",
            PAWL_BYTES_FMT(home->name), PAWL_PLACEMENT_MEMBERS_MAX);
        return PAWL_E_LIMIT;
    }
    return PAWL_OK;
}

static void conn_refuse(struct pawl_membership *membership, struct conn *conn, pawl_err err,
                        struct pawl_bytes text)
{
    membership->counts.refused++;
    pawl_log(PAWL_LOG_WARN, "placement", "refused a sidecar: %.*s", PAWL_BYTES_FMT(text));
    const struct pawl_placement_frame frame = { .type = PAWL_PLACEMENT_REFUSED,
                                                .refused = { err, text } };
    conn_tell(membership, conn, &frame);
    conn_close(membership, conn);
}

static void conn_redirect(struct pawl_membership *membership, struct conn *conn)
{
    membership->counts.redirected++;
    struct pawl_placement_frame frame = { .type = PAWL_PLACEMENT_REDIRECT };
    if (membership->leader.size > 0) frame.redirect = pawl_buf_view(&membership->leader);
    conn_tell(membership, conn, &frame);
    conn_close(membership, conn);
}

static struct namespace_ *namespace_new(struct pawl_membership *membership, struct pawl_bytes name)
{
    struct namespace_ *home = PAWL_NEW(struct namespace_);
    uint8_t *copy = pawl_mem_alloc(name.size);
    memcpy(copy, name.data, name.size);
    home->name = pawl_bytes_make(copy, name.size);
    home->version = membership->version_floor;
    pawl_map_init(&home->members, membership->seed);
    pawl_arena_init(&home->kept);
    pawl_map_insert(&membership->namespaces, home->name, home);
    return home;
}

/* The next list will be above every version that anybody holds. */
static void version_heard(struct namespace_ *home, uint64_t version)
{
    if (version <= home->version) return;
    home->version = version;
    home->is_dirty = true;
}

static void member_connect(struct pawl_membership *membership, struct member *member,
                           struct conn *conn, const struct pawl_placement_hello *hello)
{
    struct conn *former = member->conn;
    member_detach(member);
    if (former) conn_close(membership, former); /* the same process, whose link broke */
    member->process = hello->process;
    member->conn = conn;
    conn->member = member;
    pawl_fsm_move(conn_states, &conn->state, READY);
    member_set(member, &hello->self);
}

static void hello_welcome(struct pawl_membership *membership, struct conn *conn,
                          const struct namespace_ *home)
{
    const struct pawl_placement_frame welcome = {
        .type = PAWL_PLACEMENT_WELCOME,
        .welcome = { .protocol_version = PAWL_PLACEMENT_PROTOCOL_VERSION,
                     .namespace_ = home->name,
                     .heartbeat_ms = PAWL_PLACEMENT_HEARTBEAT_MS },
    };
    conn_tell(membership, conn, &welcome);
    /* Otherwise the list that follows soon has it, and what it says of itself. */
    if (membership->settled && !home->is_dirty)
        conn_send(membership, conn, list_encode(membership, home));
}

static void hello_accept(struct pawl_membership *membership, struct conn *conn,
                         struct namespace_ *home, const struct pawl_placement_hello *hello)
{
    if (!home) home = namespace_new(membership, hello->namespace_);
    struct member *member = pawl_map_find(&home->members, hello->self.host);
    bool is_new = !member;
    if (is_new) {
        member = member_new(home, hello->self.host);
        home->is_dirty = true;
        membership->newest_ms = membership->now_ms;
        membership->counts.joined++;
    }
    member_connect(membership, member, conn, hello);
    version_heard(home, hello->version);
    log_member(is_new ? PAWL_LOG_INFO : PAWL_LOG_DEBUG, member, is_new ? "has joined" : "is back");
    hello_welcome(membership, conn, home);
}

static void on_hello(struct pawl_membership *membership, struct conn *conn,
                     const struct pawl_placement_hello *hello)
{
    struct pawl_bytes text = PAWL_BYTES_ABSENT;
    pawl_err err = hello_check_peer(membership, hello, &text);
    if (err == PAWL_OK) {
        const char *problem = hello_text_problem(hello);
        if (problem) err = PAWL_E_INVALID;
        text = pawl_bytes_str(problem);
    }
    if (err != PAWL_OK) {
        conn_refuse(membership, conn, err, text);
        return;
    }
    if (!membership->leads) {
        conn_redirect(membership, conn);
        return;
    }
    struct namespace_ *home = pawl_map_find(&membership->namespaces, hello->namespace_);
    err = hello_check_place(membership, home, hello, &text);
    if (err != PAWL_OK) {
        conn_refuse(membership, conn, err, text);
        return;
    }
    hello_accept(membership, conn, home, hello);
}

/* Frames ---------------------------------------------------------------------------- */

static struct conn *conn_find(const struct pawl_membership *membership, uint64_t id)
{
    return pawl_map_find(&membership->conns, pawl_bytes_make(&id, sizeof id));
}

/* A READY connection is refused: it is no member any more. */
static void conn_expel(struct pawl_membership *membership, struct conn *conn,
                       struct pawl_bytes text)
{
    struct member *member = conn->member;
    if (member) {
        member_detach(member);
        member_remove(membership, member);
    }
    conn_refuse(membership, conn, PAWL_E_PROTOCOL, text);
}

static void on_update(struct conn *conn, const struct pawl_placement_update *update)
{
    struct pawl_member self = conn->member->self;
    self.runs_activities = update->runs_activities;
    self.runs_workflows = update->runs_workflows;
    self.leaving = update->leaving;
    member_set(conn->member, &self);
    version_heard(conn->member->home, update->version);
}

static void on_frame(struct pawl_membership *membership, struct conn *conn, struct pawl_bytes bytes)
{
    conn->heard_ms = membership->now_ms;
    struct pawl_placement_frame frame;
    if (pawl_placement_frame_decode(bytes, &membership->step, &frame) != PAWL_OK) {
        conn_expel(membership, conn,
                   pawl_arena_printf(&membership->step,
                                     "a frame of %zu bytes is malformed or of an unknown type",
                                     bytes.size));
        return;
    }
    bool is_ready = conn->state == READY;
    switch (frame.type) {
    case PAWL_PLACEMENT_HELLO:
        if (is_ready) break;
        on_hello(membership, conn, &frame.hello);
        return;
    case PAWL_PLACEMENT_UPDATE:
        if (!is_ready) break;
        on_update(conn, &frame.update);
        return;
    case PAWL_PLACEMENT_HEARTBEAT:
        if (!is_ready) break;
        return;
    case PAWL_PLACEMENT_WELCOME:
    case PAWL_PLACEMENT_REFUSED:
    case PAWL_PLACEMENT_REDIRECT:
    case PAWL_PLACEMENT_MEMBERS:
    case PAWL_PLACEMENT_TYPES_END: break;
    }
    conn_expel(membership, conn,
               is_ready ? pawl_arena_printf(
                   &membership->step, "frame type %d is not for a sidecar to send %s",
                   (int)frame.type, frame.type == PAWL_PLACEMENT_HELLO ? "twice" : "at all")
                        : PAWL_BYTES_LITERAL("the first frame must be HELLO"));
}

/* Transport ------------------------------------------------------------------------- */

static void on_opened(struct pawl_membership *membership, uint64_t id)
{
    PAWL_ASSERT(id != 0 && !conn_find(membership, id));
    struct conn *conn = PAWL_NEW(struct conn);
    conn->id = id;
    conn->state = AWAITING_HELLO;
    conn->opened_ms = conn->heard_ms = conn->spoke_ms = membership->now_ms;
    pawl_map_insert(&membership->conns, pawl_bytes_make(&conn->id, sizeof conn->id), conn);
}

static void on_closed(struct pawl_membership *membership, struct conn *conn, const char *why)
{
    struct member *member = conn->member;
    if (member) {
        pawl_log(PAWL_LOG_DEBUG, "placement", "the connection of sidecar %.*s has ended: %s",
                 PAWL_BYTES_FMT(member->self.host), why);
        member_detach(member);
        member->gone_ms = membership->now_ms + PAWL_PLACEMENT_GRACE_MS;
        if (member->self.leaving) member_remove(membership, member);
    }
    conn_free(membership, conn);
}

/* Time ------------------------------------------------------------------------------ */

static void conn_sweep(struct pawl_membership *membership, struct conn *conn)
{
    int64_t now_ms = membership->now_ms;
    if (conn->state == AWAITING_HELLO) {
        if (now_ms < conn->opened_ms + PAWL_HANDSHAKE_MS) return;
        pawl_log(PAWL_LOG_WARN, "placement", "a connection said no HELLO for %u ms: closed",
                 PAWL_HANDSHAKE_MS);
        conn_close(membership, conn);
        return;
    }
    if (conn->state != READY) return;
    if (now_ms >= conn->heard_ms + PAWL_PLACEMENT_SILENCE_MS) {
        struct member *member = conn->member;
        member_detach(member);
        member_remove(membership, member);
        conn_close(membership, conn);
        return;
    }
    if (now_ms < conn->spoke_ms + PAWL_PLACEMENT_HEARTBEAT_MS) return;
    const struct pawl_placement_frame heartbeat = { .type = PAWL_PLACEMENT_HEARTBEAT };
    conn_tell(membership, conn, &heartbeat);
}

static void namespace_sweep(struct pawl_membership *membership, struct namespace_ *home)
{
    uint32_t cursor = 0, left = home->members.count;
    for (struct member *member; left > 0; left--) {
        member = pawl_map_next(&home->members, &cursor);
        if (member->conn || membership->now_ms < member->gone_ms) continue;
        member_remove(membership, member); /* with the last one the namespace goes */
    }
}

static int64_t forgiven(const struct pawl_membership *membership, int64_t at_ms, int64_t stall_ms)
{
    at_ms += stall_ms;
    return at_ms < membership->now_ms ? at_ms : membership->now_ms;
}

/* That time counts for nobody: not as silence, not as absence. */
static void stall_forgive(struct pawl_membership *membership, int64_t stall_ms)
{
    uint32_t cursor = 0;
    for (struct conn *conn; (conn = pawl_map_next(&membership->conns, &cursor)) != NULL;) {
        conn->opened_ms = forgiven(membership, conn->opened_ms, stall_ms);
        conn->heard_ms = forgiven(membership, conn->heard_ms, stall_ms);
    }
    cursor = 0;
    for (struct namespace_ *home;
         (home = pawl_map_next(&membership->namespaces, &cursor)) != NULL;) {
        uint32_t at = 0;
        for (struct member *member; (member = pawl_map_next(&home->members, &at)) != NULL;) {
            member->gone_ms += stall_ms;
        }
    }
}

static void sweep_due(struct pawl_membership *membership)
{
    if (membership->sweep_ms != 0 && membership->now_ms >= membership->sweep_ms) {
        int64_t late_ms = membership->now_ms - membership->sweep_ms;
        if (late_ms >= STALL_MS) stall_forgive(membership, late_ms);
        membership->sweep_ms = 0;
        uint32_t cursor = 0;
        for (struct conn *conn; (conn = pawl_map_next(&membership->conns, &cursor)) != NULL;) {
            conn_sweep(membership, conn);
        }
        cursor = 0;
        for (struct namespace_ *home;
             (home = pawl_map_next(&membership->namespaces, &cursor)) != NULL;) {
            namespace_sweep(membership, home);
        }
    }
    bool is_needed = membership->conns.count > 0 || membership->namespaces.count > 0;
    if (membership->sweep_ms == 0 && is_needed)
        membership->sweep_ms = membership->now_ms + SWEEP_MS;
}

static int64_t earlier(int64_t a, int64_t b)
{
    if (a == 0) return b;
    return b == 0 || a < b ? a : b;
}

int64_t pawl_membership_wake_at_ms(const struct pawl_membership *membership)
{
    int64_t at_ms = membership->sweep_ms;
    if (membership->leads && !membership->settled) return earlier(at_ms, settle_at_ms(membership));
    uint32_t cursor = 0;
    for (const struct namespace_ *home;
         (home = pawl_map_next(&membership->namespaces, &cursor)) != NULL;) {
        if (home->is_dirty) at_ms = earlier(at_ms, publish_at_ms(home));
    }
    return at_ms;
}

/* Who leads ------------------------------------------------------------------------- */

static void on_lead(struct pawl_membership *membership, uint32_t epoch)
{
    PAWL_ASSERT(!membership->leads);
    PAWL_ASSERT(epoch > 0);
    membership->leads = true;
    membership->settled = false;
    membership->epoch = epoch;
    membership->lead_ms = membership->newest_ms = membership->now_ms;
    pawl_buf_clear(&membership->leader);
    pawl_log(PAWL_LOG_INFO, "placement", "this replica leads (epoch %" PRIu32 ")", epoch);
}

static void on_follow(struct pawl_membership *membership, struct pawl_bytes leader)
{
    pawl_buf_clear(&membership->leader);
    pawl_buf_append_bytes(&membership->leader, leader);
    PAWL_ASSERT(membership->leader.bad == PAWL_OK);
    if (!membership->leads) return;

    pawl_log(PAWL_LOG_WARN, "placement", "this replica leads no longer");
    membership->leads = membership->settled = false;
    namespaces_clear(membership);
    uint32_t cursor = 0;
    for (struct conn *conn; (conn = pawl_map_next(&membership->conns, &cursor)) != NULL;) {
        if (conn->state == READY) conn_redirect(membership, conn);
    }
}

/* Step ------------------------------------------------------------------------------ */

struct pawl_membership_effects pawl_membership_step(struct pawl_membership *membership,
                                                    const struct pawl_membership_event *event)
{
    pawl_arena_reset(&membership->step);
    membership->effects_count = 0;
    membership->now_ms = event->now_ms;
    struct conn *conn = event->conn != 0 ? conn_find(membership, event->conn) : NULL;
    switch (event->type) {
    case PAWL_MEMBERSHIP_TICK: break;
    case PAWL_MEMBERSHIP_OPENED: on_opened(membership, event->conn); break;
    case PAWL_MEMBERSHIP_FRAME:
        if (conn && conn->state != CLOSING) on_frame(membership, conn, event->frame);
        break;
    case PAWL_MEMBERSHIP_CLOSED:
        if (conn) on_closed(membership, conn, event->why);
        break;
    case PAWL_MEMBERSHIP_LEAD: on_lead(membership, event->epoch); break;
    case PAWL_MEMBERSHIP_FOLLOW: on_follow(membership, event->leader); break;
    }
    sweep_due(membership);
    settle_due(membership);
    publish_due(membership);
    return (struct pawl_membership_effects){ membership->effects_count, membership->effects };
}

/* To look at ------------------------------------------------------------------------ */

static int namespace_compare(const void *a, const void *b)
{
    const struct pawl_membership_namespace *left = a, *right = b;
    return pawl_bytes_compare(left->name, right->name);
}

static struct pawl_members members_copy(struct pawl_arena *arena, const struct pawl_members *from)
{
    struct pawl_member *items = PAWL_ARENA_ARRAY(arena, struct pawl_member, from->count);
    for (uint32_t i = 0; i < from->count; i++) {
        items[i] = from->items[i];
        items[i].host = pawl_arena_copy(arena, items[i].host);
        items[i].app = pawl_arena_copy(arena, items[i].app);
        items[i].address = pawl_arena_copy(arena, items[i].address);
    }
    return (struct pawl_members){ from->version, from->count, items };
}

static uint32_t connected_count(const struct namespace_ *home)
{
    uint32_t count = 0, cursor = 0;
    for (const struct member *member; (member = pawl_map_next(&home->members, &cursor)) != NULL;) {
        if (member->conn) count++;
    }
    return count;
}

struct pawl_membership_status pawl_membership_status(const struct pawl_membership *membership,
                                                     struct pawl_arena *arena)
{
    struct pawl_membership_status status = membership->counts;
    status.leads = membership->leads;
    status.settled = membership->settled;
    status.epoch = membership->epoch;
    status.leader = membership->leader.size > 0
                        ? pawl_arena_copy(arena, pawl_buf_view(&membership->leader))
                        : PAWL_BYTES_ABSENT;
    status.connections = membership->conns.count;
    status.namespaces_count = membership->namespaces.count;
    status.namespaces =
        PAWL_ARENA_ARRAY(arena, struct pawl_membership_namespace, status.namespaces_count);
    uint32_t cursor = 0;
    for (uint32_t i = 0; i < status.namespaces_count; i++) {
        const struct namespace_ *home = pawl_map_next(&membership->namespaces, &cursor);
        status.namespaces[i] = (struct pawl_membership_namespace){
            .name = pawl_arena_copy(arena, home->name),
            .members = members_copy(arena, &home->published),
            .connected = connected_count(home),
        };
    }
    qsort(status.namespaces, status.namespaces_count, sizeof *status.namespaces, namespace_compare);
    return status;
}
