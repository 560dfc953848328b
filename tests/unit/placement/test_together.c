/* Both sides together: several replicas with the real lease machine, several sidecars, links
 * that are late and break, processes that freeze and die. Seeded; every run repeats. */
#include "placement/follower.h"

#include <stdio.h>
#include <stdlib.h>

#include "../base/expect.h"

#include "base/limits.h"
#include "base/rng.h"
#include "placement/leader.h"
#include "placement/membership.h"
#include "state/lease.h"

#define REPLICAS    2u
#define SIDECARS    6u
#define LETTERS_MAX 4096u
#define LINKS_MAX   4096u
#define STORE_T0    (INT64_C(1900000000) * 1000)

/* A link of a sidecar to a replica; `id` is the link's at one end and the conn at the other. */
struct link {
    uint64_t id;
    uint32_t sidecar;
    uint64_t sidecar_link;
    uint32_t replica;
    bool is_open;    /* until one side or the network ends it */
    int64_t last_ms; /* letters of a direction arrive in order */
};

enum letter_kind { TO_SERVICE, TO_SIDECAR, OPENED, ENDED, TAKE, TAKEN };

struct letter {
    enum letter_kind kind;
    int64_t at_ms;
    uint64_t order;
    uint32_t who; /* link index, or the replica of a lease letter */
    struct pawl_bytes frame;
    struct pawl_lease_reply reply;
    uint64_t token;
};

struct sidecar {
    struct pawl_follower *follower;
    uint64_t version; /* of the newest list it has taken */
    uint32_t least;   /* members of the smallest list since the last look */
    bool is_up;
    int64_t frozen_until_ms;
    char host[16];
};

struct replica {
    struct pawl_membership *membership;
    struct pawl_leader leader;
    char address[32];
    int64_t frozen_until_ms;
};

struct world {
    struct pawl_rng rng;
    int64_t now_ms;
    uint64_t order;
    bool is_faulty;
    struct pawl_mem_lease lease;
    struct replica replicas[REPLICAS];
    struct sidecar sidecars[SIDECARS];
    uint32_t links_count;
    struct link links[LINKS_MAX];
    uint32_t letters_count;
    struct letter letters[LETTERS_MAX];
};

static bool chance(struct world *world, uint32_t one_in)
{
    return pawl_rng_below(&world->rng, one_in) == 0;
}

static void post(struct world *world, struct letter letter)
{
    assert_true(world->letters_count < LETTERS_MAX);
    int64_t late_ms = world->is_faulty && chance(world, 20) ? 400 : 5;
    letter.at_ms = world->now_ms + 1 + (int64_t)pawl_rng_below(&world->rng, (uint64_t)late_ms);
    letter.order = ++world->order;
    if (letter.kind != TAKE && letter.kind != TAKEN) { /* a stream keeps its order */
        struct link *link = &world->links[letter.who];
        if (letter.at_ms < link->last_ms) letter.at_ms = link->last_ms;
        link->last_ms = letter.at_ms;
    }
    if (letter.frame.size > 0) {
        uint8_t *copy = malloc(letter.frame.size);
        assert_non_null(copy);
        memcpy(copy, letter.frame.data, letter.frame.size);
        letter.frame = pawl_bytes_make(copy, letter.frame.size);
    }
    world->letters[world->letters_count++] = letter;
}

/* The service ------------------------------------------------------------------------ */

static uint32_t link_of(const struct world *world, uint64_t id)
{
    for (uint32_t i = world->links_count; i-- > 0;) {
        if (world->links[i].id == id) return i;
    }
    fail_msg("no such link");
    return 0;
}

static void link_break(struct world *world, uint32_t index)
{
    struct link *link = &world->links[index];
    if (!link->is_open) return;
    link->is_open = false;
    post(world, (struct letter){ .kind = ENDED, .who = index });
}

static void leader_step(struct world *world, uint32_t index, struct pawl_leader_event event);

static void membership_step(struct world *world, uint32_t replica,
                            struct pawl_membership_event event)
{
    event.now_ms = world->now_ms;
    struct pawl_membership_effects effects =
        pawl_membership_step(world->replicas[replica].membership, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_membership_effect *effect = &effects.items[i];
        uint32_t index = link_of(world, effect->conn);
        if (effect->type == PAWL_MEMBERSHIP_CLOSE)
            link_break(world, index);
        else if (world->links[index].is_open)
            post(world,
                 (struct letter){ .kind = TO_SIDECAR, .who = index, .frame = effect->frame });
    }
}

static void leader_step(struct world *world, uint32_t index, struct pawl_leader_event event)
{
    event.now_ms = world->now_ms;
    struct pawl_leader_effects effects = pawl_leader_step(&world->replicas[index].leader, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_leader_effect *effect = &effects.items[i];
        if (effect->type == PAWL_LEADER_TAKE)
            post(world, (struct letter){ .kind = TAKE, .who = index, .token = effect->token });
        else if (effect->type == PAWL_LEADER_LEAD)
            membership_step(world, index,
                            (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_LEAD,
                                                            .epoch = effect->epoch });
        else if (effect->type == PAWL_LEADER_FOLLOW)
            membership_step(world, index,
                            (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_FOLLOW,
                                                            .leader = effect->address });
    }
}

/* As the server does it: first a look at the lease, whatever has happened. */
static void service_step(struct world *world, uint32_t replica, struct pawl_membership_event event)
{
    leader_step(world, replica, (struct pawl_leader_event){ .type = PAWL_LEADER_TICK });
    membership_step(world, replica, event);
}

/* Sidecars --------------------------------------------------------------------------- */

static void news(struct sidecar *sidecar)
{
    const struct pawl_members *members = pawl_follower_members(sidecar->follower);
    assert_true(members->version > sidecar->version);
    sidecar->version = members->version;
    if (members->count < sidecar->least) sidecar->least = members->count;
    bool is_in = false;
    for (uint32_t i = 0; i < members->count; i++)
        is_in |= pawl_bytes_is_str(members->items[i].host, sidecar->host);
    assert_true(is_in); /* whoever gets a list is in it */
}

static void dial(struct world *world, uint32_t index, const struct pawl_follower_effect *effect)
{
    assert_true(world->links_count < LINKS_MAX);
    uint32_t replica = 0;
    while (!pawl_bytes_is_str(effect->address, world->replicas[replica].address)) {
        replica++;
        assert_true(replica < REPLICAS);
    }
    world->links[world->links_count++] = (struct link){ .id = world->links_count + 1,
                                                        .sidecar = index,
                                                        .sidecar_link = effect->link,
                                                        .replica = replica,
                                                        .is_open = true };
    post(world, (struct letter){ .kind = OPENED, .who = world->links_count - 1 });
}

static uint32_t sidecar_link(const struct world *world, uint32_t sidecar, uint64_t link)
{
    for (uint32_t i = world->links_count; i-- > 0;) {
        if (world->links[i].sidecar == sidecar && world->links[i].sidecar_link == link) return i;
    }
    fail_msg("no such link");
    return 0;
}

static void sidecar_step(struct world *world, uint32_t index, struct pawl_follower_event event)
{
    struct sidecar *sidecar = &world->sidecars[index];
    event.now_ms = world->now_ms;
    struct pawl_follower_effects effects = pawl_follower_step(sidecar->follower, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_follower_effect *effect = &effects.items[i];
        if (effect->type == PAWL_FOLLOWER_NEWS) {
            news(sidecar);
            continue;
        }
        if (effect->type == PAWL_FOLLOWER_DIAL) {
            dial(world, index, effect);
            continue;
        }
        uint32_t at = sidecar_link(world, index, effect->link);
        if (effect->type == PAWL_FOLLOWER_CLOSE)
            link_break(world, at);
        else if (world->links[at].is_open)
            post(world, (struct letter){ .kind = TO_SERVICE, .who = at, .frame = effect->frame });
    }
}

static void sidecar_start(struct world *world, uint32_t index)
{
    struct sidecar *sidecar = &world->sidecars[index];
    *sidecar = (struct sidecar){ .is_up = true, .least = UINT32_MAX };
    (void)snprintf(sidecar->host, sizeof sidecar->host, "h%u-%u", index,
                   (unsigned)pawl_rng_below(&world->rng, 1000000));
    struct pawl_bytes addresses[REPLICAS];
    for (uint32_t i = 0; i < REPLICAS; i++)
        addresses[i] = pawl_bytes_str(world->replicas[i].address);
    const struct pawl_follower_config config = {
        .namespace_ = PAWL_BYTES_LITERAL("default"),
        .self = { .host = pawl_bytes_str(sidecar->host),
                  .app = PAWL_BYTES_LITERAL("orders"),
                  .address = PAWL_BYTES_LITERAL("tcp://h:3502"),
                  .partitions = 128 },
        .process = pawl_rng_id(&world->rng),
        .seed = pawl_rng_next(&world->rng),
        .addresses_count = REPLICAS,
        .addresses = addresses,
    };
    sidecar->follower = pawl_follower_new(&config);
}

/* kill -9: its links end, and nobody is there to hear of it. */
static void sidecar_kill(struct world *world, uint32_t index)
{
    world->sidecars[index].is_up = false;
    for (uint32_t i = 0; i < world->links_count; i++) {
        if (world->links[i].sidecar == index) link_break(world, i);
    }
    for (uint32_t i = 0; i < world->links_count; i++) {
        if (world->links[i].sidecar == index) world->links[i].sidecar = SIDECARS;
    }
    pawl_follower_free(world->sidecars[index].follower);
    world->sidecars[index].follower = NULL;
}

/* Letters ---------------------------------------------------------------------------- */

static struct pawl_lease_request take_of(const struct world *world, const struct letter *letter)
{
    struct pawl_bytes address = pawl_bytes_str(world->replicas[letter->who].address);
    return (struct pawl_lease_request){ .op = PAWL_LEASE_TAKE,
                                        .token = letter->token,
                                        .holder = address,
                                        .address = address,
                                        .ttl_ms = PAWL_LEADER_LEASE_MS };
}

static void deliver_lease(struct world *world, struct letter *letter)
{
    if (letter->kind == TAKE) {
        const struct pawl_lease_request request = take_of(world, letter);
        struct letter answer = { .kind = TAKEN, .who = letter->who };
        pawl_mem_lease_apply(&world->lease, &request, STORE_T0 + world->now_ms, &answer.reply);
        answer.frame = answer.reply.address; /* copied by post */
        post(world, answer);
        return;
    }
    leader_step(world, letter->who,
                (struct pawl_leader_event){ .type = PAWL_LEADER_ANSWER,
                                            .token = letter->reply.token,
                                            .err = letter->reply.err,
                                            .epoch = letter->reply.epoch,
                                            .address = letter->frame,
                                            .remaining_ms = letter->reply.remaining_ms });
}

static void deliver(struct world *world, struct letter *letter)
{
    if (letter->kind == TAKE || letter->kind == TAKEN) {
        deliver_lease(world, letter);
        return;
    }
    const struct link link = world->links[letter->who];
    bool is_up = link.sidecar < SIDECARS;
    switch (letter->kind) {
    case OPENED:
        service_step(
            world, link.replica,
            (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_OPENED, .conn = link.id });
        if (is_up)
            sidecar_step(world, link.sidecar,
                         (struct pawl_follower_event){ .type = PAWL_FOLLOWER_OPENED,
                                                       .link = link.sidecar_link });
        return;
    case TO_SERVICE:
        service_step(world, link.replica,
                     (struct pawl_membership_event){
                         .type = PAWL_MEMBERSHIP_FRAME, .conn = link.id, .frame = letter->frame });
        return;
    case TO_SIDECAR:
        if (is_up)
            sidecar_step(world, link.sidecar,
                         (struct pawl_follower_event){ .type = PAWL_FOLLOWER_FRAME,
                                                       .link = link.sidecar_link,
                                                       .frame = letter->frame });
        return;
    case ENDED:
        service_step(world, link.replica,
                     (struct pawl_membership_event){
                         .type = PAWL_MEMBERSHIP_CLOSED, .conn = link.id, .why = "closed" });
        if (is_up)
            sidecar_step(world, link.sidecar,
                         (struct pawl_follower_event){ .type = PAWL_FOLLOWER_CLOSED,
                                                       .link = link.sidecar_link,
                                                       .why = "closed" });
        return;
    case TAKE:
    case TAKEN: return;
    }
}

/* Those that are frozen get their letters later. */
static bool is_asleep(const struct world *world, const struct letter *letter)
{
    if (letter->kind == TAKE) return false;
    if (letter->kind == TAKEN) return world->now_ms < world->replicas[letter->who].frozen_until_ms;
    const struct link *link = &world->links[letter->who];
    bool replica = world->now_ms < world->replicas[link->replica].frozen_until_ms;
    bool sidecar =
        link->sidecar < SIDECARS && world->now_ms < world->sidecars[link->sidecar].frozen_until_ms;
    return letter->kind == TO_SERVICE   ? replica
           : letter->kind == TO_SIDECAR ? sidecar
                                        : replica || sidecar;
}

/* The next letter that is due, in order. */
static bool deliver_one(struct world *world)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < world->letters_count; i++) {
        const struct letter *letter = &world->letters[i];
        if (letter->at_ms > world->now_ms || is_asleep(world, letter)) continue;
        if (best == UINT32_MAX || letter->order < world->letters[best].order) best = i;
    }
    if (best == UINT32_MAX) return false;
    struct letter letter = world->letters[best];
    world->letters[best] = world->letters[--world->letters_count];
    deliver(world, &letter);
    if (letter.frame.size > 0) free((void *)(uintptr_t)letter.frame.data);
    return true;
}

/* Time ------------------------------------------------------------------------------- */

static void faults(struct world *world)
{
    if (!world->is_faulty) return;
    if (chance(world, 3000) && world->links_count > 0)
        link_break(world, (uint32_t)pawl_rng_below(&world->rng, world->links_count));
    uint32_t sidecar = (uint32_t)pawl_rng_below(&world->rng, SIDECARS);
    if (chance(world, 8000)) {
        if (world->sidecars[sidecar].is_up)
            sidecar_kill(world, sidecar);
        else
            sidecar_start(world, sidecar);
    }
    if (chance(world, 8000))
        world->sidecars[sidecar].frozen_until_ms =
            world->now_ms + (int64_t)pawl_rng_below(&world->rng, 6000);
    uint32_t replica = (uint32_t)pawl_rng_below(&world->rng, REPLICAS);
    if (chance(world, 15000))
        world->replicas[replica].frozen_until_ms =
            world->now_ms + (int64_t)pawl_rng_below(&world->rng, 8000);
}

static void tick(struct world *world)
{
    for (uint32_t i = 0; i < REPLICAS; i++) {
        struct replica *replica = &world->replicas[i];
        if (world->now_ms < replica->frozen_until_ms) continue;
        if (world->now_ms >= pawl_leader_wake_at_ms(&replica->leader))
            leader_step(world, i, (struct pawl_leader_event){ .type = PAWL_LEADER_TICK });
        int64_t wake_ms = pawl_membership_wake_at_ms(replica->membership);
        if (wake_ms != 0 && world->now_ms >= wake_ms)
            service_step(world, i, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_TICK });
    }
    for (uint32_t i = 0; i < SIDECARS; i++) {
        struct sidecar *sidecar = &world->sidecars[i];
        if (!sidecar->is_up || world->now_ms < sidecar->frozen_until_ms) continue;
        if (world->now_ms >= pawl_follower_wake_at_ms(sidecar->follower))
            sidecar_step(world, i, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_TICK });
    }
}

static void pass(struct world *world, int64_t ms)
{
    for (int64_t until_ms = world->now_ms + ms; world->now_ms < until_ms; world->now_ms++) {
        faults(world);
        while (deliver_one(world)) continue;
        tick(world);
    }
}

static struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    pawl_rng_init(&world->rng, seed);
    world->now_ms = 1000000;
    for (uint32_t i = 0; i < REPLICAS; i++) {
        struct replica *replica = &world->replicas[i];
        const struct pawl_membership_config config = { .token = PAWL_BYTES_ABSENT, .seed = seed };
        replica->membership = pawl_membership_new(&config);
        pawl_leader_init(&replica->leader, seed + i);
        (void)snprintf(replica->address, sizeof replica->address, "tcp://p%u:50005", i);
    }
    for (uint32_t i = 0; i < SIDECARS; i++) sidecar_start(world, i);
    return world;
}

static void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->letters_count; i++) {
        struct pawl_bytes frame = world->letters[i].frame;
        if (frame.size > 0) free((void *)(uintptr_t)frame.data);
    }
    for (uint32_t i = 0; i < REPLICAS; i++) pawl_membership_free(world->replicas[i].membership);
    for (uint32_t i = 0; i < SIDECARS; i++) pawl_follower_free(world->sidecars[i].follower);
    free(world);
}

/* Everybody who is up holds the same list, and it has just them. */
static void expect_agreement(struct world *world)
{
    uint32_t up = 0;
    uint64_t version = 0;
    for (uint32_t i = 0; i < SIDECARS; i++) up += world->sidecars[i].is_up;
    for (uint32_t i = 0; i < SIDECARS; i++) {
        if (!world->sidecars[i].is_up) continue;
        const struct pawl_members *members = pawl_follower_members(world->sidecars[i].follower);
        assert_int_equal(members->count, up);
        if (version == 0) version = members->version;
        assert_true(members->version == version);
        assert_true(pawl_follower_status(world->sidecars[i].follower).connected);
    }
}

static void test_everybody_agrees_when_faults_have_ended(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world *world = world_new(seed);
        world->is_faulty = true;
        pass(world, 40000);
        world->is_faulty = false;
        pass(world, 25000); /* frozen ones wake, leases end, leaders settle */
        expect_agreement(world);
        world_free(world);
    }
}

static void test_a_change_of_leaders_takes_nobody_out_of_the_list(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world *world = world_new(seed);
        pass(world, 12000);
        expect_agreement(world);
        for (int round = 0; round < 3; round++) {
            uint64_t version = world->sidecars[0].version;
            for (uint32_t i = 0; i < SIDECARS; i++) world->sidecars[i].least = UINT32_MAX;
            uint32_t leader = pawl_leader_leads(&world->replicas[0].leader) ? 0 : 1;
            assert_true(pawl_leader_leads(&world->replicas[leader].leader));
            world->replicas[leader].frozen_until_ms = world->now_ms + 9000;
            pass(world, 15000);
            expect_agreement(world);
            for (uint32_t i = 0; i < SIDECARS; i++) {
                assert_int_equal(world->sidecars[i].least, SIDECARS);
                assert_true(world->sidecars[i].version >> 32 > version >> 32);
            }
        }
        world_free(world);
    }
}

static void test_a_death_is_known_within_three_seconds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world *world = world_new(seed);
        pass(world, 12000);
        bool is_silent = seed % 2 == 0; /* a dead machine: no link ends */
        if (is_silent)
            world->sidecars[3].frozen_until_ms = INT64_MAX;
        else
            sidecar_kill(world, 3);
        pass(world, 3000);
        for (uint32_t i = 0; i < SIDECARS; i++) {
            if (i == 3) continue;
            assert_int_equal(pawl_follower_members(world->sidecars[i].follower)->count,
                             SIDECARS - 1);
        }
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everybody_agrees_when_faults_have_ended),
        cmocka_unit_test(test_a_change_of_leaders_takes_nobody_out_of_the_list),
        cmocka_unit_test(test_a_death_is_known_within_three_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
