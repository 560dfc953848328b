/* Crash points: one program after the other without any fault, and then again and again, each time
 * with the death of a sidecar at the next place: before one of its effects leaves it, which is
 * after the one before, and after whatever answer has led to it. */
#include "tests/sim/plan.h"

#include <stdio.h>

#include "tests/sim/sim.h"

/* One root with its children, and a world in which only time passes. */
static struct sim_plan quiet_plan(uint64_t seed)
{
    return (struct sim_plan){
        .seed = seed,
        .clients = 1,
        .safety_ms = SIM_SAFETY_MS,
        .wide = 1,
        .faults = { .store_ms_max = 3, .link_ms_max = 2, .peer_ms_max = 3, .activity_ms_max = 50 }
    };
}

uint64_t sim_points_run(uint64_t seed, struct sim_coverage *coverage)
{
    struct sim_plan plan = quiet_plan(seed);
    struct sim_coverage whole = { 0 };
    (void)sim_run(&plan, false, &whole);
    for (uint64_t point = 1; point <= whole.effects; point++) {
        plan.faults.crash_at = (uint32_t)point;
        uint64_t died = coverage->crashes_amid;
        (void)sim_run(&plan, false, coverage);
        PAWL_ASSERT(coverage->crashes_amid == died + 1); /* until then it is the same run */
    }
    return whole.effects;
}
