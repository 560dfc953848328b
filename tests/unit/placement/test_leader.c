/* The leader's machine against the model of the lease (state/mem_lease.c): replicas whose
 * messages are late or lost, which freeze, and a clock of the store's own. */
#include "placement/leader.h"

#include "../base/expect.h"

#include "base/limits.h"
#include "base/rng.h"
#include "state/lease.h"

#define T0       INT64_C(1000000)
#define STORE_T0 (INT64_C(1900000000) * 1000)

static struct pawl_leader_effects tick(struct pawl_leader *leader, int64_t now_ms)
{
    const struct pawl_leader_event event = { .type = PAWL_LEADER_TICK, .now_ms = now_ms };
    return pawl_leader_step(leader, &event);
}

static struct pawl_leader_effects answer(struct pawl_leader *leader, int64_t now_ms, uint64_t token,
                                         pawl_err err, uint32_t epoch)
{
    const struct pawl_leader_event event = { .type = PAWL_LEADER_ANSWER,
                                             .now_ms = now_ms,
                                             .token = token,
                                             .err = err,
                                             .epoch = epoch,
                                             .address = PAWL_BYTES_LITERAL("tcp://other:1"),
                                             .remaining_ms = 2000 };
    return pawl_leader_step(leader, &event);
}

static const struct pawl_leader_effect *find(const struct pawl_leader_effects *effects,
                                             enum pawl_leader_effect_type type)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->items[i].type == type) return &effects->items[i];
    }
    return NULL;
}

/* One that leads with epoch 7 since T0. */
static struct pawl_leader leader_leading(void)
{
    struct pawl_leader leader;
    pawl_leader_init(&leader, 1);
    struct pawl_leader_effects effects = tick(&leader, T0);
    assert_non_null(find(&effects, PAWL_LEADER_TAKE));
    effects = answer(&leader, T0 + 10, effects.items[0].token, PAWL_OK, 7);
    assert_int_equal(find(&effects, PAWL_LEADER_LEAD)->epoch, 7);
    assert_true(pawl_leader_leads(&leader));
    return leader;
}

static void test_it_renews_and_keeps_leading(void **state)
{
    (void)state;
    struct pawl_leader leader = leader_leading();
    int64_t now_ms = T0 + 10;
    for (int i = 0; i < 20; i++) {
        int64_t wake_ms = pawl_leader_wake_at_ms(&leader);
        assert_true(wake_ms > now_ms && wake_ms <= now_ms + PAWL_LEADER_LEASE_MS / 4);
        now_ms = wake_ms;
        struct pawl_leader_effects effects = tick(&leader, now_ms);
        assert_int_equal(effects.count, 1);
        assert_int_equal(effects.items[0].type, PAWL_LEADER_TAKE);
        effects = answer(&leader, now_ms + 20, effects.items[0].token, PAWL_OK, 7);
        assert_int_equal(effects.count, 0);
    }
    assert_true(pawl_leader_leads(&leader));
}

static void test_it_steps_down_before_the_lease_ends_when_the_store_is_silent(void **state)
{
    (void)state;
    struct pawl_leader leader = leader_leading();
    int64_t now_ms = T0;
    uint32_t questions = 0;
    while (pawl_leader_leads(&leader)) {
        now_ms = pawl_leader_wake_at_ms(&leader);
        struct pawl_leader_effects effects = tick(&leader, now_ms);
        if (find(&effects, PAWL_LEADER_TAKE)) questions++;
        if (pawl_leader_leads(&leader)) continue;
        assert_true(pawl_bytes_is_absent(find(&effects, PAWL_LEADER_FOLLOW)->address));
    }
    assert_int_equal(now_ms, T0 + PAWL_LEADER_LEASE_MS - PAWL_LEADER_MARGIN_MS);
    assert_true(questions >= 2);
}

static void test_a_frozen_one_steps_down_with_the_first_event(void **state)
{
    (void)state;
    struct pawl_leader leader = leader_leading();
    int64_t ask_ms = pawl_leader_wake_at_ms(&leader);
    struct pawl_leader_effects effects = tick(&leader, ask_ms);
    uint64_t token = effects.items[0].token;
    effects = answer(&leader, ask_ms + 60000, token, PAWL_OK, 7);
    assert_non_null(find(&effects, PAWL_LEADER_FOLLOW));
    assert_null(find(&effects, PAWL_LEADER_LEAD)); /* that lease is long over */
    assert_false(pawl_leader_leads(&leader));
}

static void test_an_answer_to_an_old_question_is_not_taken(void **state)
{
    (void)state;
    struct pawl_leader leader;
    pawl_leader_init(&leader, 1);
    struct pawl_leader_effects effects = tick(&leader, T0);
    uint64_t old = effects.items[0].token;
    effects = tick(&leader, T0 + PAWL_LEADER_TIMEOUT_MS);
    assert_non_null(find(&effects, PAWL_LEADER_TAKE));
    effects = answer(&leader, T0 + PAWL_LEADER_TIMEOUT_MS + 1, old, PAWL_OK, 7);
    assert_int_equal(effects.count, 0);
    assert_false(pawl_leader_leads(&leader));
}

static void test_a_lease_taken_anew_is_a_new_term(void **state)
{
    (void)state;
    struct pawl_leader leader = leader_leading();
    struct pawl_leader_effects effects = tick(&leader, T0 + 800);
    effects = answer(&leader, T0 + 810, effects.items[0].token, PAWL_OK, 9);
    assert_int_equal(effects.count, 2);
    assert_int_equal(effects.items[0].type, PAWL_LEADER_FOLLOW);
    assert_int_equal(effects.items[1].type, PAWL_LEADER_LEAD);
    assert_int_equal(effects.items[1].epoch, 9);
}

static void test_it_says_who_leads_instead_and_asks_on(void **state)
{
    (void)state;
    struct pawl_leader leader;
    pawl_leader_init(&leader, 1);
    struct pawl_leader_effects effects = tick(&leader, T0);
    effects = answer(&leader, T0 + 10, effects.items[0].token, PAWL_E_CONFLICT, 8);
    EXPECT_BYTES(find(&effects, PAWL_LEADER_FOLLOW)->address, PAWL_BYTES_LITERAL("tcp://other:1"));
    int64_t wake_ms = pawl_leader_wake_at_ms(&leader);
    assert_in_range(wake_ms - T0 - 10, PAWL_LEADER_ASK_MS, 2 * PAWL_LEADER_ASK_MS);
    effects = tick(&leader, wake_ms);
    effects = answer(&leader, wake_ms + 10, effects.items[0].token, PAWL_E_CONFLICT, 8);
    assert_int_equal(effects.count, 0); /* no news */

    leader = leader_leading();
    effects = tick(&leader, T0 + 800);
    effects = answer(&leader, T0 + 810, effects.items[0].token, PAWL_E_CONFLICT, 8);
    EXPECT_BYTES(find(&effects, PAWL_LEADER_FOLLOW)->address, PAWL_BYTES_LITERAL("tcp://other:1"));
    assert_false(pawl_leader_leads(&leader));
}

static void test_a_store_that_is_away_is_asked_again(void **state)
{
    (void)state;
    struct pawl_leader leader;
    pawl_leader_init(&leader, 1);
    struct pawl_leader_effects effects = tick(&leader, T0);
    effects = answer(&leader, T0 + 10, effects.items[0].token, PAWL_E_UNAVAILABLE, 0);
    assert_int_equal(effects.count, 0);
    int64_t wake_ms = pawl_leader_wake_at_ms(&leader);
    assert_in_range(wake_ms, T0 + 11, T0 + 10 + PAWL_LEADER_ASK_MS);
    effects = tick(&leader, wake_ms);
    assert_non_null(find(&effects, PAWL_LEADER_TAKE));
}

static void test_stopping_gives_the_lease_back(void **state)
{
    (void)state;
    struct pawl_leader leader = leader_leading();
    const struct pawl_leader_event stop = { .type = PAWL_LEADER_STOP, .now_ms = T0 + 100 };
    struct pawl_leader_effects effects = pawl_leader_step(&leader, &stop);
    assert_non_null(find(&effects, PAWL_LEADER_RELEASE));
    assert_non_null(find(&effects, PAWL_LEADER_FOLLOW));
    assert_true(pawl_leader_wake_at_ms(&leader) == 0);
    effects = tick(&leader, T0 + 9000);
    assert_int_equal(effects.count, 0);
}

/* Three replicas and one store, over unreliable links --------------------------------- */

#define REPLICAS    3u
#define LETTERS_MAX 64u

struct letter {
    uint32_t replica;
    bool is_answer;
    int64_t at_ms;
    struct pawl_lease_request request;
    struct pawl_lease_reply reply;
};

struct world {
    struct pawl_rng rng;
    struct pawl_mem_lease lease;
    struct pawl_leader leaders[REPLICAS];
    uint32_t epochs[REPLICAS];
    int64_t frozen_until_ms[REPLICAS];
    uint32_t letters_count;
    struct letter letters[LETTERS_MAX];
    uint32_t epoch_last;
    uint32_t terms;
};

static void post(struct world *world, struct letter letter, int64_t now_ms)
{
    if (pawl_rng_below(&world->rng, 10) == 0 || world->letters_count == LETTERS_MAX) return;
    int64_t late_ms = pawl_rng_below(&world->rng, 10) == 0 ? 3000 : 40;
    letter.at_ms = now_ms + 1 + (int64_t)pawl_rng_below(&world->rng, (uint64_t)late_ms);
    world->letters[world->letters_count++] = letter;
}

static struct pawl_bytes holder_of(uint32_t replica)
{
    static const uint8_t names[] = "abc";
    return pawl_bytes_make(names + replica, 1);
}

static void carry_out(struct world *world, uint32_t replica, struct pawl_leader_effects effects,
                      int64_t now_ms)
{
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_leader_effect *effect = &effects.items[i];
        if (effect->type == PAWL_LEADER_TAKE) {
            post(world,
                 (struct letter){ .replica = replica,
                                  .request = { .op = PAWL_LEASE_TAKE,
                                               .token = effect->token,
                                               .holder = holder_of(replica),
                                               .address = holder_of(replica),
                                               .ttl_ms = PAWL_LEADER_LEASE_MS } },
                 now_ms);
        } else if (effect->type == PAWL_LEADER_LEAD) {
            /* Epochs grow; the same one only for whom the store never took it from. */
            bool is_own = effect->epoch == world->epochs[replica];
            assert_true(effect->epoch > world->epoch_last
                        || (is_own && effect->epoch == world->epoch_last));
            world->epoch_last = world->epochs[replica] = effect->epoch;
            world->terms++;
        }
    }
}

static void deliver(struct world *world, struct letter letter, int64_t now_ms)
{
    if (!letter.is_answer) {
        letter.is_answer = true;
        pawl_mem_lease_apply(&world->lease, &letter.request, STORE_T0 + now_ms, &letter.reply);
        letter.reply.address = PAWL_BYTES_ABSENT; /* would point into the lease */
        post(world, letter, now_ms);
        return;
    }
    const struct pawl_leader_event event = { .type = PAWL_LEADER_ANSWER,
                                             .now_ms = now_ms,
                                             .token = letter.reply.token,
                                             .err = letter.reply.err,
                                             .epoch = letter.reply.epoch,
                                             .remaining_ms = letter.reply.remaining_ms };
    carry_out(world, letter.replica, pawl_leader_step(&world->leaders[letter.replica], &event),
              now_ms);
}

static void world_step(struct world *world, int64_t now_ms)
{
    for (uint32_t i = 0; i < world->letters_count;) {
        struct letter letter = world->letters[i];
        bool waits = letter.at_ms > now_ms
                     || (letter.is_answer && now_ms < world->frozen_until_ms[letter.replica]);
        if (waits) {
            i++;
            continue;
        }
        world->letters[i] = world->letters[--world->letters_count];
        deliver(world, letter, now_ms);
    }
    uint32_t leaders = 0;
    for (uint32_t r = 0; r < REPLICAS; r++) {
        if (pawl_rng_below(&world->rng, 20000) == 0)
            world->frozen_until_ms[r] = now_ms + (int64_t)pawl_rng_below(&world->rng, 9000);
        if (now_ms < world->frozen_until_ms[r]) continue; /* says nothing, so leads nobody */
        if (now_ms >= pawl_leader_wake_at_ms(&world->leaders[r]))
            carry_out(world, r, tick(&world->leaders[r], now_ms), now_ms);
        leaders += pawl_leader_leads(&world->leaders[r]);
    }
    assert_true(leaders <= 1);
}

static void test_there_is_never_more_than_one_leader_and_always_one_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world world = { .letters_count = 0 };
        pawl_rng_init(&world.rng, seed);
        for (uint32_t r = 0; r < REPLICAS; r++) pawl_leader_init(&world.leaders[r], seed * 10 + r);
        uint32_t ms_without = 0;
        for (int64_t now_ms = T0; now_ms < T0 + 60000; now_ms++) {
            world_step(&world, now_ms);
            bool any = false;
            for (uint32_t r = 0; r < REPLICAS; r++) any |= pawl_leader_leads(&world.leaders[r]);
            ms_without = any ? 0 : ms_without + 1;
            assert_true(ms_without < 15000);
        }
        assert_true(world.terms >= 1);
    }
}

static void test_the_epoch_is_the_time_or_one_more(void **state)
{
    (void)state;
    struct pawl_mem_lease lease = { .epoch = 0 };
    struct pawl_lease_reply reply;
    struct pawl_lease_request request = {
        .op = PAWL_LEASE_TAKE, .holder = holder_of(0), .address = holder_of(0), .ttl_ms = 100
    };
    int64_t now_ms = (PAWL_LEASE_EPOCH_ZERO_S + 5000) * 1000;
    pawl_mem_lease_apply(&lease, &request, now_ms, &reply);
    assert_int_equal(reply.epoch, 5000);
    pawl_mem_lease_apply(&lease, &request, now_ms + 99, &reply); /* renewed */
    assert_int_equal(reply.epoch, 5000);
    request.holder = holder_of(1);
    pawl_mem_lease_apply(&lease, &request, now_ms + 198, &reply);
    assert_int_equal(reply.err, PAWL_E_CONFLICT);
    assert_int_equal(reply.remaining_ms, 1);
    EXPECT_BYTES(reply.holder, holder_of(0));
    pawl_mem_lease_apply(&lease, &request, now_ms + 199, &reply);
    assert_int_equal(reply.err, PAWL_OK);
    assert_int_equal(reply.epoch, 5001);

    /* A clock that is set back keeps nobody in place for longer than asked for. */
    request.holder = holder_of(2);
    pawl_mem_lease_apply(&lease, &request, now_ms - 3600000, &reply);
    assert_int_equal(reply.err, PAWL_E_CONFLICT);
    pawl_mem_lease_apply(&lease, &request, now_ms - 3600000 + 100, &reply);
    assert_int_equal(reply.epoch, 5002);

    request.op = PAWL_LEASE_RELEASE;
    pawl_mem_lease_apply(&lease, &request, now_ms, &reply);
    assert_int_equal(reply.err, PAWL_OK);
    request.holder = holder_of(0);
    pawl_mem_lease_apply(&lease, &request, now_ms, &reply);
    assert_int_equal(reply.err, PAWL_E_CONFLICT); /* not its own */
    request.op = PAWL_LEASE_TAKE;
    pawl_mem_lease_apply(&lease, &request, now_ms, &reply);
    assert_int_equal(reply.epoch, 5003);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_renews_and_keeps_leading),
        cmocka_unit_test(test_it_steps_down_before_the_lease_ends_when_the_store_is_silent),
        cmocka_unit_test(test_a_frozen_one_steps_down_with_the_first_event),
        cmocka_unit_test(test_an_answer_to_an_old_question_is_not_taken),
        cmocka_unit_test(test_a_lease_taken_anew_is_a_new_term),
        cmocka_unit_test(test_it_says_who_leads_instead_and_asks_on),
        cmocka_unit_test(test_a_store_that_is_away_is_asked_again),
        cmocka_unit_test(test_stopping_gives_the_lease_back),
        cmocka_unit_test(test_there_is_never_more_than_one_leader_and_always_one_again),
        cmocka_unit_test(test_the_epoch_is_the_time_or_one_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
