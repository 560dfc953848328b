#include "tests/sim/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Every number of a plan but its seed. */
struct knob {
    const char *name;
    size_t offset;
    uint32_t min;
};

static const struct knob knobs[] = { { "clients", offsetof(struct sim_plan, clients), 1 },
                                     { "schedules", offsetof(struct sim_plan, schedules), 0 },
                                     { "safety_ms", offsetof(struct sim_plan, safety_ms), 1000 },
                                     { "wide", offsetof(struct sim_plan, wide), 0 },
#define X(name) { #name, offsetof(struct sim_plan, faults.name), 0 },
                                     SIM_FAULT_MAP(X)
#undef X
};

#define KNOBS_COUNT (sizeof knobs / sizeof knobs[0])

static uint32_t *knob_of(struct sim_plan *plan, const struct knob *knob)
{
    return (uint32_t *)(void *)((char *)plan + knob->offset);
}

static bool line_read(const char *line, struct sim_plan *plan)
{
    if (line[0] == '#' || line[0] == '\n') return true;
    const char *space = strchr(line, ' ');
    if (!space) return false;
    char *end;
    uint64_t value = strtoull(space, &end, 10);
    if (end == space || *end != '\n') return false;
    struct pawl_bytes name = pawl_bytes_make((const uint8_t *)line, (size_t)(space - line));
    if (pawl_bytes_is_str(name, "seed")) {
        plan->seed = value;
        return true;
    }
    for (size_t i = 0; i < KNOBS_COUNT; i++) {
        if (!pawl_bytes_is_str(name, knobs[i].name)) continue;
        *knob_of(plan, &knobs[i]) = (uint32_t)value;
        return true;
    }
    return false;
}

bool sim_plan_read(const char *path, struct sim_plan *ret_plan)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return false;
    }
    char line[256];
    bool is_good = true;
    *ret_plan = (struct sim_plan){ .clients = 1, .safety_ms = SIM_SAFETY_MS };
    while (is_good && fgets(line, sizeof line, file)) {
        is_good = line_read(line, ret_plan);
        if (!is_good) fprintf(stderr, "%s: not a line of a plan: %s", path, line);
    }
    (void)fclose(file);
    if (ret_plan->schedules > SIM_SCHEDULES_MAX) {
        fprintf(stderr, "%s: schedules must be 0 to %u\n", path, SIM_SCHEDULES_MAX);
        is_good = false;
    }
    if (ret_plan->clients == 0 || ret_plan->clients > SIM_ROOTS_MAX) {
        fprintf(stderr, "%s: clients must be 1 to %u\n", path, SIM_ROOTS_MAX);
        is_good = false;
    }
    return is_good;
}

bool sim_plan_write(const char *path, const struct sim_plan *plan)
{
    struct sim_plan copy = *plan;
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        return false;
    }
    fprintf(file, "# repeat with: sim --plan FILE\nseed %" PRIu64 "\n", plan->seed);
    for (size_t i = 0; i < KNOBS_COUNT; i++)
        fprintf(file, "%s %" PRIu32 "\n", knobs[i].name, *knob_of(&copy, &knobs[i]));
    return fclose(file) == 0;
}

static bool knob_try(struct sim_plan *plan, const struct knob *knob, uint32_t value,
                     sim_plan_fails *fails)
{
    struct sim_plan smaller = *plan;
    uint32_t *number = knob_of(&smaller, knob);
    if (value < knob->min) value = knob->min;
    if (value >= *number) return false;
    *number = value;
    if (!fails(&smaller)) return false;
    *plan = smaller;
    return true;
}

/* What can be left out is left out first; then the rest is halved as often as it goes. */
void sim_plan_shrink(struct sim_plan *plan, sim_plan_fails *fails)
{
    bool again = true;
    while (again) {
        again = false;
        for (size_t i = 0; i < KNOBS_COUNT; i++) {
            if (knob_try(plan, &knobs[i], 0, fails)) again = true;
            while (knob_try(plan, &knobs[i], *knob_of(plan, &knobs[i]) / 2, fails)) again = true;
        }
    }
}
