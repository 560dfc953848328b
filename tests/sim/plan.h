/* Plan: a run as a text file, and how a failing one is made smaller. */
#ifndef PAWL_TESTS_SIM_PLAN_H
#define PAWL_TESTS_SIM_PLAN_H

#include "tests/sim/sim.h"

/* One "name value" per line. False: cannot be read, or a line is not understood; it says
 * so on stderr. */
bool sim_plan_read(const char *path, struct sim_plan *ret_plan);
bool sim_plan_write(const char *path, const struct sim_plan *plan);

/* True when a run of the plan fails (in a child process, since it ends in an abort). */
typedef bool sim_plan_fails(const struct sim_plan *plan);

/* Turn off and halve whatever is not needed for the failure. */
void sim_plan_shrink(struct sim_plan *plan, sim_plan_fails *fails);

/* Runs a program without faults, and then with the death of a sidecar at each of its effects
 * (points.c). Returns how many these are. */
uint64_t sim_points_run(uint64_t seed, struct sim_coverage *coverage);

#endif /* PAWL_TESTS_SIM_PLAN_H */
