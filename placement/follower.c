#include "placement/follower.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/fsm.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "placement/names.h"

enum follower_state { WAITING = 1, DIALING, GREETING, CONNECTED };

static const struct pawl_fsm_state follower_states[] = {
    [WAITING] = { "waiting", PAWL_FSM_BIT(DIALING) },
    [DIALING] = { "dialing", PAWL_FSM_BIT(GREETING) | PAWL_FSM_BIT(WAITING) },
    [GREETING] = { "greeting", PAWL_FSM_BIT(CONNECTED) | PAWL_FSM_BIT(WAITING) },
    [CONNECTED] = { "connected", PAWL_FSM_BIT(WAITING) },
};

/* Replicas that send one another's address in turn know nothing: after so many hops it is
 * a failed attempt like any other. */
#define REDIRECTS_MAX 3u

#define EFFECTS_MAX 8u

struct pawl_follower {
    struct pawl_follower_config config;
    struct pawl_arena kept; /* texts of the config */
    struct pawl_rng rng;
    uint8_t state;
    int64_t now_ms;

    uint64_t link; /* 0: none */
    uint64_t links_count;
    int64_t due_ms; /* WAITING: dial then; DIALING, GREETING: give up then */
    int64_t heard_ms;
    int64_t spoke_ms;
    uint32_t heartbeat_ms;

    uint32_t next_address; /* of the configured ones */
    uint32_t failures;     /* since the last WELCOME */
    uint32_t redirects;    /* in a row */
    bool again;            /* the same address once more, before the others */
    struct pawl_buf target;
    struct pawl_buf shunned; /* did not answer a moment ago: not asked until … */
    int64_t shunned_until_ms;

    struct pawl_placement_update said; /* what placement knows of us */
    struct pawl_placement_update now;  /* what it should know */

    struct pawl_arena lists[2]; /* the held list and room for the next one */
    uint32_t list;
    struct pawl_members members;

    int64_t since_ms;
    pawl_err err;
    struct pawl_buf message;
    uint64_t lists_taken;
    uint64_t lists_ignored;

    struct pawl_arena step; /* what the effects point to */
    struct pawl_buf out;
    uint32_t effects_count;
    struct pawl_follower_effect effects[EFFECTS_MAX];
};

/* Life ------------------------------------------------------------------------------ */

static void config_copy(struct pawl_follower *follower, const struct pawl_follower_config *from)
{
    struct pawl_arena *kept = &follower->kept;
    struct pawl_follower_config *config = &follower->config;
    *config = *from;
    config->namespace_ = pawl_arena_copy(kept, from->namespace_);
    config->token = pawl_arena_copy(kept, from->token);
    config->self.host = pawl_arena_copy(kept, from->self.host);
    config->self.app = pawl_arena_copy(kept, from->self.app);
    config->self.address = pawl_arena_copy(kept, from->self.address);
    struct pawl_bytes *addresses = PAWL_ARENA_ARRAY(kept, struct pawl_bytes, from->addresses_count);
    for (uint32_t i = 0; i < from->addresses_count; i++) {
        addresses[i] = pawl_arena_copy(kept, from->addresses[i]);
    }
    config->addresses = addresses;
}

struct pawl_follower *pawl_follower_new(const struct pawl_follower_config *config)
{
    PAWL_ASSERT(config->addresses_count > 0);
    PAWL_ASSERT(pawl_placement_app_is_valid(config->namespace_));
    PAWL_ASSERT(pawl_placement_app_is_valid(config->self.app));
    PAWL_ASSERT(pawl_placement_host_is_valid(config->self.host));
    PAWL_ASSERT(pawl_placement_address_is_valid(config->self.address));
    PAWL_ASSERT(!pawl_id_is_zero(config->process));

    struct pawl_follower *follower = PAWL_NEW(struct pawl_follower);
    pawl_arena_init(&follower->kept);
    config_copy(follower, config);
    pawl_rng_init(&follower->rng, config->seed);
    follower->state = WAITING;
    pawl_buf_init(&follower->target, PAWL_ADDRESS_SIZE_MAX);
    pawl_buf_init(&follower->shunned, PAWL_ADDRESS_SIZE_MAX);
    pawl_buf_init(&follower->message, PAWL_MESSAGE_SIZE_MAX);
    pawl_buf_init(&follower->out, PAWL_PLACEMENT_FRAME_SIZE_MAX);
    pawl_arena_init(&follower->step);
    pawl_arena_init(&follower->lists[0]);
    pawl_arena_init(&follower->lists[1]);
    follower->now.runs_activities = config->self.runs_activities;
    follower->now.runs_workflows = config->self.runs_workflows;
    follower->now.leaving = config->self.leaving;
    /* Not everybody should ask the first replica first. */
    follower->next_address = (uint32_t)pawl_rng_below(&follower->rng, config->addresses_count);
    return follower;
}

void pawl_follower_free(struct pawl_follower *follower)
{
    if (!follower) return;
    pawl_arena_deinit(&follower->kept);
    pawl_buf_deinit(&follower->target);
    pawl_buf_deinit(&follower->shunned);
    pawl_buf_deinit(&follower->message);
    pawl_buf_deinit(&follower->out);
    pawl_arena_deinit(&follower->step);
    pawl_arena_deinit(&follower->lists[0]);
    pawl_arena_deinit(&follower->lists[1]);
    pawl_mem_free(follower);
}

/* Effects --------------------------------------------------------------------------- */

static struct pawl_follower_effect *effect_add(struct pawl_follower *follower,
                                               enum pawl_follower_effect_type type)
{
    PAWL_ASSERT(follower->effects_count < EFFECTS_MAX);
    struct pawl_follower_effect *effect = &follower->effects[follower->effects_count++];
    *effect = (struct pawl_follower_effect){ .type = type, .link = follower->link };
    return effect;
}

static void send(struct pawl_follower *follower, const struct pawl_placement_frame *frame)
{
    pawl_buf_clear(&follower->out);
    pawl_placement_frame_encode(&follower->out, frame);
    PAWL_ASSERT(follower->out.bad == PAWL_OK);
    effect_add(follower, PAWL_FOLLOWER_SEND)->frame =
        pawl_arena_copy(&follower->step, pawl_buf_view(&follower->out));
    follower->spoke_ms = follower->now_ms;
}

/* Which one is next ----------------------------------------------------------------- */

static void target_set(struct pawl_follower *follower, struct pawl_bytes address)
{
    pawl_buf_clear(&follower->target);
    pawl_buf_append_bytes(&follower->target, address);
    PAWL_ASSERT(follower->target.bad == PAWL_OK);
}

/* A dead machine answers nobody, and waiting for it takes long. Until the lease of a dead
 * leader has ended the others send us there all the same; going there each time, we would
 * come to the next leader when it has stopped listening for newcomers. */
static void target_shun(struct pawl_follower *follower)
{
    pawl_buf_clear(&follower->shunned);
    pawl_buf_append_bytes(&follower->shunned, pawl_buf_view(&follower->target));
    follower->shunned_until_ms = follower->now_ms + PAWL_PLACEMENT_SHUN_MS;
}

static bool is_shunned(const struct pawl_follower *follower, struct pawl_bytes address)
{
    return follower->now_ms < follower->shunned_until_ms
           && pawl_bytes_is_equal(pawl_buf_view(&follower->shunned), address);
}

static void target_next(struct pawl_follower *follower)
{
    uint32_t count = follower->config.addresses_count;
    const struct pawl_bytes *addresses = follower->config.addresses;
    if (count > 1 && is_shunned(follower, addresses[follower->next_address]))
        follower->next_address = (follower->next_address + 1) % count;
    target_set(follower, addresses[follower->next_address]);
    follower->next_address = (follower->next_address + 1) % count;
}

/* Between half of it and all of it. */
static int64_t jittered(struct pawl_follower *follower, uint32_t wait_ms)
{
    return wait_ms / 2 + (int64_t)pawl_rng_below(&follower->rng, wait_ms / 2 + 1);
}

/* The other replicas of a round are asked without waiting. */
static int64_t retry_wait_ms(struct pawl_follower *follower)
{
    uint32_t count = follower->config.addresses_count;
    if (follower->failures % count != 0) return 0;
    uint32_t round = follower->failures / count;
    uint32_t wait_ms = PAWL_PLACEMENT_RETRY_MS_MIN;
    while (--round > 0 && wait_ms < PAWL_PLACEMENT_RETRY_MS_MAX) wait_ms *= 2;
    if (wait_ms > PAWL_PLACEMENT_RETRY_MS_MAX) wait_ms = PAWL_PLACEMENT_RETRY_MS_MAX;
    return jittered(follower, wait_ms);
}

/* Losing a link --------------------------------------------------------------------- */

static void reason_set(struct pawl_follower *follower, pawl_err err, struct pawl_bytes message)
{
    follower->err = err;
    pawl_buf_clear(&follower->message);
    pawl_buf_append_bytes(&follower->message, message);
}

static void wait_until(struct pawl_follower *follower, int64_t due_ms)
{
    if (follower->state == CONNECTED) {
        follower->since_ms = follower->now_ms;
        pawl_log(PAWL_LOG_WARN, "placement",
                 "lost placement at %.*s (%.*s); working on with member list %" PRIu64
                 " and connecting again",
                 PAWL_BYTES_FMT(pawl_buf_view(&follower->target)),
                 PAWL_BYTES_FMT(pawl_buf_view(&follower->message)), follower->members.version);
    }
    pawl_fsm_move(follower_states, &follower->state, WAITING);
    follower->link = 0;
    follower->due_ms = due_ms;
}

/* This replica was of no use: on to the next one. */
static void attempt_failed(struct pawl_follower *follower, pawl_err err, struct pawl_bytes message)
{
    reason_set(follower, err, message);
    follower->failures++;
    follower->redirects = 0;
    follower->again = false;
    wait_until(follower, follower->now_ms + retry_wait_ms(follower));
}

static void link_close(struct pawl_follower *follower)
{
    effect_add(follower, PAWL_FOLLOWER_CLOSE);
}

/* A link that ended while all was well is most likely back at once, so it is tried again
 * before the others; a little later, since everybody else lost theirs too. */
static void on_closed(struct pawl_follower *follower, const char *why)
{
    struct pawl_bytes message = pawl_arena_printf(
        &follower->step, "%.*s: %s", PAWL_BYTES_FMT(pawl_buf_view(&follower->target)), why);
    if (follower->state != CONNECTED) {
        attempt_failed(follower, PAWL_E_UNAVAILABLE, message);
        return;
    }
    reason_set(follower, PAWL_E_UNAVAILABLE, message);
    follower->again = true;
    wait_until(follower, follower->now_ms + jittered(follower, PAWL_PLACEMENT_RETRY_MS_MIN));
}

/* Frames ---------------------------------------------------------------------------- */

static void on_welcome(struct pawl_follower *follower, const struct pawl_placement_welcome *welcome)
{
    pawl_fsm_move(follower_states, &follower->state, CONNECTED);
    follower->heartbeat_ms = welcome->heartbeat_ms;
    follower->failures = 0;
    follower->redirects = 0;
    follower->since_ms = follower->now_ms;
    reason_set(follower, PAWL_OK, PAWL_BYTES_LITERAL(""));
    pawl_log(PAWL_LOG_INFO, "placement", "connected to placement at %.*s",
             PAWL_BYTES_FMT(pawl_buf_view(&follower->target)));
}

static bool is_for_a_person(pawl_err err)
{
    return pawl_err_class(err) == PAWL_ERR_CLASS_NEVER && err != PAWL_E_EXISTS;
}

static void on_refused(struct pawl_follower *follower, const struct pawl_placement_refused *refused)
{
    struct pawl_bytes message = refused->message;
    if (pawl_bytes_is_absent(message)) message = pawl_bytes_str(pawl_err_text(refused->err));
    /* Once: it is tried again and again, and may go on for days. */
    if (!pawl_bytes_is_equal(message, pawl_buf_view(&follower->message))) {
        pawl_log(PAWL_LOG_WARN, "placement", "placement at %.*s refused this sidecar: %.*s",
                 PAWL_BYTES_FMT(pawl_buf_view(&follower->target)), PAWL_BYTES_FMT(message));
    }
    link_close(follower);
    attempt_failed(follower, refused->err, message);
    if (is_for_a_person(refused->err)) {
        follower->due_ms = follower->now_ms + jittered(follower, PAWL_PLACEMENT_REFUSED_RETRY_MS);
    }
}

static void on_redirect(struct pawl_follower *follower, struct pawl_bytes leader)
{
    link_close(follower);
    if (pawl_bytes_is_absent(leader)) {
        attempt_failed(follower, PAWL_E_UNAVAILABLE,
                       PAWL_BYTES_LITERAL("no placement replica leads at this moment"));
        return;
    }
    if (is_shunned(follower, leader)) {
        attempt_failed(follower, PAWL_E_UNAVAILABLE,
                       pawl_arena_printf(&follower->step,
                                         "%.*s is to lead the placement replicas and does not "
                                         "answer",
                                         PAWL_BYTES_FMT(leader)));
        return;
    }
    if (++follower->redirects > REDIRECTS_MAX) {
        attempt_failed(follower, PAWL_E_UNAVAILABLE,
                       PAWL_BYTES_LITERAL("the placement replicas send one another's address; "
                                          "check their --advertise addresses"));
        return;
    }
    reason_set(follower, PAWL_E_UNAVAILABLE, PAWL_BYTES_LITERAL("another replica leads"));
    target_set(follower, leader);
    follower->again = true;
    wait_until(follower, follower->now_ms);
}

static void members_take(struct pawl_follower *follower, const struct pawl_members *members)
{
    follower->list = 1 - follower->list;
    struct pawl_arena *arena = &follower->lists[follower->list];
    pawl_arena_reset(arena);
    struct pawl_member *items = PAWL_ARENA_ARRAY(arena, struct pawl_member, members->count);
    for (uint32_t i = 0; i < members->count; i++) {
        items[i] = members->items[i];
        items[i].host = pawl_arena_copy(arena, items[i].host);
        items[i].app = pawl_arena_copy(arena, items[i].app);
        items[i].address = pawl_arena_copy(arena, items[i].address);
    }
    follower->members = (struct pawl_members){ members->version, members->count, items };
    follower->lists_taken++;
    effect_add(follower, PAWL_FOLLOWER_NEWS);
}

static void on_members(struct pawl_follower *follower, const struct pawl_members *members)
{
    if (members->version > follower->members.version) {
        members_take(follower, members);
        return;
    }
    if (members->version == follower->members.version) return;
    follower->lists_ignored++;
    pawl_log(PAWL_LOG_WARN, "placement",
             "ignored member list %" PRIu64 " of %.*s: it is older than %" PRIu64
             ", which this sidecar works with",
             members->version, PAWL_BYTES_FMT(pawl_buf_view(&follower->target)),
             follower->members.version);
}

/* False: placement may not say this now. */
static bool frame_take(struct pawl_follower *follower, const struct pawl_placement_frame *frame)
{
    bool is_connected = follower->state == CONNECTED;
    switch (frame->type) {
    case PAWL_PLACEMENT_WELCOME:
        if (is_connected) return false;
        if (!pawl_bytes_is_equal(frame->welcome.namespace_, follower->config.namespace_))
            return false;
        on_welcome(follower, &frame->welcome);
        return true;
    case PAWL_PLACEMENT_REFUSED: on_refused(follower, &frame->refused); return true;
    case PAWL_PLACEMENT_REDIRECT: on_redirect(follower, frame->redirect); return true;
    case PAWL_PLACEMENT_MEMBERS:
        if (!is_connected) return false;
        on_members(follower, &frame->members);
        return true;
    case PAWL_PLACEMENT_HEARTBEAT: return true;
    case PAWL_PLACEMENT_HELLO:
    case PAWL_PLACEMENT_UPDATE:
    case PAWL_PLACEMENT_TYPES_END: return false;
    }
    return false;
}

static void on_frame(struct pawl_follower *follower, struct pawl_bytes bytes)
{
    if (follower->state != GREETING && follower->state != CONNECTED) return;
    follower->heard_ms = follower->now_ms;
    struct pawl_placement_frame frame;
    pawl_err err = pawl_placement_frame_decode(bytes, &follower->step, &frame);
    if (err == PAWL_OK && frame_take(follower, &frame)) return;

    link_close(follower);
    attempt_failed(follower, PAWL_E_PROTOCOL,
                   pawl_arena_printf(&follower->step,
                                     "%.*s does not speak the protocol of placement: check the "
                                     "address and the releases of both",
                                     PAWL_BYTES_FMT(pawl_buf_view(&follower->target))));
}

static void on_opened(struct pawl_follower *follower)
{
    if (follower->state != DIALING) return;
    pawl_fsm_move(follower_states, &follower->state, GREETING);
    follower->due_ms = follower->now_ms + PAWL_PLACEMENT_ANSWER_MS;
    follower->heard_ms = follower->now_ms;

    struct pawl_placement_frame hello = {
        .type = PAWL_PLACEMENT_HELLO,
        .hello = { .protocol_version = PAWL_PLACEMENT_PROTOCOL_VERSION,
                   .namespace_ = follower->config.namespace_,
                   .token = follower->config.token,
                   .self = follower->config.self,
                   .process = follower->config.process,
                   .version = follower->now.version },
    };
    if (follower->members.version > hello.hello.version)
        hello.hello.version = follower->members.version;
    hello.hello.self.runs_activities = follower->now.runs_activities;
    hello.hello.self.runs_workflows = follower->now.runs_workflows;
    hello.hello.self.leaving = follower->now.leaving;
    follower->said = follower->now;
    send(follower, &hello);
}

/* Time ------------------------------------------------------------------------------ */

static void dial(struct pawl_follower *follower)
{
    if (!follower->again) target_next(follower);
    follower->again = false;
    pawl_fsm_move(follower_states, &follower->state, DIALING);
    follower->link = ++follower->links_count;
    follower->due_ms = follower->now_ms + PAWL_PLACEMENT_ANSWER_MS;
    effect_add(follower, PAWL_FOLLOWER_DIAL)->address =
        pawl_arena_copy(&follower->step, pawl_buf_view(&follower->target));
}

static void connected_on_tick(struct pawl_follower *follower)
{
    if (follower->now_ms >= follower->heard_ms + PAWL_PLACEMENT_SILENCE_MS) {
        link_close(follower);
        target_shun(follower);
        attempt_failed(follower, PAWL_E_TIMEOUT,
                       pawl_arena_printf(&follower->step, "%.*s was silent for %u ms",
                                         PAWL_BYTES_FMT(pawl_buf_view(&follower->target)),
                                         PAWL_PLACEMENT_SILENCE_MS));
        return;
    }
    if (follower->now_ms < follower->spoke_ms + follower->heartbeat_ms) return;
    const struct pawl_placement_frame heartbeat = { .type = PAWL_PLACEMENT_HEARTBEAT };
    send(follower, &heartbeat);
}

/* DIALING or GREETING, and nobody has answered. */
static void answer_overdue(struct pawl_follower *follower)
{
    link_close(follower);
    target_shun(follower);
    attempt_failed(follower, PAWL_E_TIMEOUT,
                   pawl_arena_printf(&follower->step, "%.*s has not answered for %u ms",
                                     PAWL_BYTES_FMT(pawl_buf_view(&follower->target)),
                                     PAWL_PLACEMENT_ANSWER_MS));
}

/* After every event, so that nothing due waits for the next tick. */
static void advance(struct pawl_follower *follower)
{
    if (follower->state == CONNECTED) connected_on_tick(follower);
    bool is_due = follower->now_ms >= follower->due_ms;
    if (is_due && (follower->state == DIALING || follower->state == GREETING))
        answer_overdue(follower);
    if (follower->state == WAITING && follower->now_ms >= follower->due_ms) dial(follower);
}

static void tell_update(struct pawl_follower *follower)
{
    const struct pawl_placement_update *now = &follower->now, *said = &follower->said;
    if (follower->state != CONNECTED) return;
    if (now->runs_activities == said->runs_activities && now->runs_workflows == said->runs_workflows
        && now->leaving == said->leaving && now->version <= said->version)
        return;
    const struct pawl_placement_frame update = { .type = PAWL_PLACEMENT_UPDATE, .update = *now };
    send(follower, &update);
    follower->said = *now;
}

static void on_update(struct pawl_follower *follower, const struct pawl_follower_event *event)
{
    PAWL_ASSERT(PAWL_IMPLIES(follower->now.leaving, event->leaving));
    PAWL_ASSERT(event->version <= INT64_MAX);
    follower->now.runs_activities = event->runs_activities;
    follower->now.runs_workflows = event->runs_workflows;
    follower->now.leaving = event->leaving;
    if (event->version > follower->now.version) follower->now.version = event->version;
}

int64_t pawl_follower_wake_at_ms(const struct pawl_follower *follower)
{
    if (follower->state != CONNECTED) return follower->due_ms > 0 ? follower->due_ms : 1;
    int64_t silent_ms = follower->heard_ms + PAWL_PLACEMENT_SILENCE_MS;
    int64_t speak_ms = follower->spoke_ms + follower->heartbeat_ms;
    return silent_ms < speak_ms ? silent_ms : speak_ms;
}

/* Step ------------------------------------------------------------------------------ */

struct pawl_follower_effects pawl_follower_step(struct pawl_follower *follower,
                                                const struct pawl_follower_event *event)
{
    pawl_arena_reset(&follower->step);
    follower->effects_count = 0;
    follower->now_ms = event->now_ms;
    if (follower->since_ms == 0) follower->since_ms = event->now_ms;

    bool is_mine = follower->link != 0 && event->link == follower->link;
    switch (event->type) {
    case PAWL_FOLLOWER_TICK: break;
    case PAWL_FOLLOWER_OPENED:
        if (is_mine) on_opened(follower);
        break;
    case PAWL_FOLLOWER_FRAME:
        if (is_mine) on_frame(follower, event->frame);
        break;
    case PAWL_FOLLOWER_CLOSED:
        if (is_mine) on_closed(follower, event->why);
        break;
    case PAWL_FOLLOWER_UPDATE: on_update(follower, event); break;
    }
    tell_update(follower);
    advance(follower);
    return (struct pawl_follower_effects){ follower->effects_count, follower->effects };
}

/* To look at ------------------------------------------------------------------------ */

const struct pawl_members *pawl_follower_members(const struct pawl_follower *follower)
{
    return &follower->members;
}

bool pawl_follower_has_left(const struct pawl_follower *follower)
{
    const struct pawl_members *members = &follower->members;
    if (!follower->now.leaving || members->version == 0) return false;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct pawl_member *member = &members->items[i];
        if (pawl_bytes_is_equal(member->host, follower->config.self.host)) return member->leaving;
    }
    return true;
}

struct pawl_follower_status pawl_follower_status(const struct pawl_follower *follower)
{
    return (struct pawl_follower_status){
        .state = follower_states[follower->state].name,
        .connected = follower->state == CONNECTED,
        .since_ms = follower->since_ms,
        .address = follower->target.size > 0 ? pawl_buf_view(&follower->target) : PAWL_BYTES_ABSENT,
        .err = follower->err,
        .message = pawl_buf_view(&follower->message),
        .lists_taken = follower->lists_taken,
        .lists_ignored = follower->lists_ignored,
    };
}
