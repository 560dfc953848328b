/* A hostile app: it says again what it said before, and answers for turns and activities that
 * were given to others. Nothing of that may count: what it forges would be in a result, which is
 * compared with the reference. */
#include "tests/sim/world.h"

#define FORGED "666"

static void remember(struct hostile *hostile, uint32_t target, const struct pawl_turn_done *done,
                     struct pawl_bytes frame)
{
    struct remembered *oldest = &hostile->turns[hostile->next++ % SIM_REMEMBERED_MAX];
    pawl_buf_clear(&oldest->frame);
    pawl_buf_append(&oldest->frame, frame.data, frame.size);
    oldest->from = target;
    oldest->turn = done->turn;
    oldest->instance_size = done->instance.size;
    PAWL_ASSERT(done->instance.size <= sizeof oldest->instance);
    memcpy(oldest->instance, done->instance.data, done->instance.size);
}

static void send(struct sim *sim, uint32_t target, const struct pawl_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    sim_app_send(sim, target, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
}

static void forge_turn(struct sim *sim, uint32_t target, const struct remembered *turn)
{
    struct pawl_action end = { .kind = PAWL_ACTION_COMPLETE,
                               .id = -1,
                               .ref = -1,
                               .status = PAWL_STATUS_COMPLETED,
                               .payload = PAWL_BYTES_LITERAL(FORGED) };
    struct pawl_frame frame = { .type = PAWL_FRAME_TURN_DONE };
    frame.turn_done =
        (struct pawl_turn_done){ .turn = turn->turn,
                                 .instance = pawl_bytes_make((const uint8_t *)turn->instance,
                                                             turn->instance_size),
                                 .actions_count = 1,
                                 .actions = &end };
    send(sim, target, &frame);
}

/* What somebody else runs; nobody does: false. */
static bool forge_activity(struct sim *sim, uint32_t target)
{
    const struct node *other = &sim->nodes[pawl_rng_below(&sim->wide_rng, SIM_NODES)];
    if (other == &sim->nodes[target] || other->running_count == 0) return false;
    struct pawl_frame frame = { .type = PAWL_FRAME_ACTIVITY_DONE };
    frame.activity_done.token =
        other->running[pawl_rng_below(&sim->wide_rng, other->running_count)].token;
    frame.activity_done.payload = PAWL_BYTES_LITERAL(FORGED);
    send(sim, target, &frame);
    return true;
}

void sim_hostile_on_sent(struct sim *sim, uint32_t target, const struct pawl_frame *frame,
                         struct pawl_bytes bytes)
{
    struct hostile *hostile = &sim->hostile;
    if (sim->calm || !sim->faults.app_hostile) return;
    if (frame->type == PAWL_FRAME_TURN_DONE) remember(hostile, target, &frame->turn_done, bytes);
    if (!sim_chance(&sim->wide_rng, sim->faults.app_hostile)) return;
    sim->coverage->forged++;
    if (forge_activity(sim, target)) return;
    const struct remembered *turn =
        &hostile->turns[pawl_rng_below(&sim->wide_rng, SIM_REMEMBERED_MAX)];
    if (turn->instance_size == 0) return;
    if (turn->from == target)
        sim_app_send(sim, target, pawl_buf_view(&turn->frame));
    else
        forge_turn(sim, target, turn);
}

void sim_hostile_init(struct hostile *hostile)
{
    for (uint32_t i = 0; i < SIM_REMEMBERED_MAX; i++)
        pawl_buf_init(&hostile->turns[i].frame, PAWL_FRAME_SIZE_MAX);
}

void sim_hostile_deinit(struct hostile *hostile)
{
    for (uint32_t i = 0; i < SIM_REMEMBERED_MAX; i++) pawl_buf_deinit(&hostile->turns[i].frame);
}
