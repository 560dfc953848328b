/* sim: run seeds, repeat one, or prove that planted mistakes are caught.
 *
 *   sim --seeds N [--from S]   N seeds, each checked; the first of every hundred twice
 *   sim --seed S               one seed, with the engine's log
 *   sim --file F               the seeds that the lines of F begin with; "narrow S" is S as
 *                              it is without what only wide worlds have (tests/sim/sim.h)
 *   sim --points N             each crash point of N programs (points.c)
 *   sim --shrink S [--out F]   make a failing seed smaller; the plan goes to F
 *   sim --plan F               run a plan
 *   sim --plan F --seeds N     N seeds with the plan's faults
 *
 * The build with the planted mistakes in it (sim_mutants) has besides:
 *   sim --mutant NAME --seeds N [--file F]
 *                              exits 0 only if the mistake was caught
 *   sim --mutant NAME --shrink S [--out F]
 *   sim --mutants              names them
 *   sim --marks --seeds N      exits 0 only if every mark of base/cover.h was hit
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cover.h"
#include "base/mutant.h"
#include "tests/sim/plan.h"

static volatile uint64_t current_seed;

static void on_abort(int signum)
{
    char text[96];
    int size = snprintf(text, sizeof text, "FAILED: repeat with --seed %llu\n",
                        (unsigned long long)current_seed);
    (void)!write(STDERR_FILENO, text, (size_t)size);
    _exit(signum == SIGABRT ? 1 : 2);
}

/* With --plan and --seeds: every seed has the plan's faults. */
static const struct sim_plan *profile;

static uint64_t run_seed(uint64_t seed, bool verbose, struct sim_coverage *coverage)
{
    struct sim_plan plan = profile ? *profile : sim_plan_draw(seed);
    plan.seed = seed;
    current_seed = seed;
    return sim_run(&plan, verbose, coverage);
}

static void coverage_print(const struct sim_coverage *coverage, uint64_t seeds)
{
    printf("PASSED %llu seeds", (unsigned long long)seeds);
#define X(name, text) printf(", %llu " text, (unsigned long long)coverage->name);
    SIM_COVERAGE_MAP(X)
#undef X
    printf("; peer frames by type:");
    for (int i = PAWL_PEER_CALL; i < PAWL_PEER_FRAME_TYPES_END; i++)
        printf(" %llu", (unsigned long long)coverage->peer_frames[i]);
    printf("\n");
}

/* A run that exercised nothing proves nothing. */
static bool coverage_is_enough(const struct sim_coverage *coverage)
{
    bool is_enough = true;
#define X(name, text) is_enough = is_enough && coverage->name > 0;
    SIM_COVERAGE_MAP(X)
#undef X
    for (int i = PAWL_PEER_CALL; i < PAWL_PEER_FRAME_TYPES_END; i++)
        is_enough = is_enough && coverage->peer_frames[i] > 0;
    return is_enough;
}

static int run_seeds(uint64_t from, uint64_t count)
{
    struct sim_coverage coverage = { 0 };
    for (uint64_t seed = from; seed < from + count; seed++) {
        uint64_t trace = run_seed(seed, false, &coverage);
        if ((seed - from) % 100) continue;
        struct sim_coverage again = { 0 };
        PAWL_ASSERT(run_seed(seed, false, &again) == trace); /* the same seed is the same run */
    }
    coverage_print(&coverage, count);
    if (count >= 200 && !coverage_is_enough(&coverage)) {
        fprintf(stderr, "FAILED: some kind of event never happened in %llu seeds\n",
                (unsigned long long)count);
        return 1;
    }
    return 0;
}

#define NARROW "narrow "

/* The seeds of old bugs. */
static int run_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return 2;
    }
    struct sim_coverage coverage = { 0 };
    char line[256];
    uint64_t count = 0;
    while (fgets(line, sizeof line, file)) {
        bool is_narrow = strncmp(line, NARROW, strlen(NARROW)) == 0;
        char *end, *number = line + (is_narrow ? strlen(NARROW) : 0);
        uint64_t seed = strtoull(number, &end, 10);
        if (end == number) continue; /* a comment */
        struct sim_plan plan = is_narrow ? sim_plan_draw_narrow(seed) : sim_plan_draw(seed);
        current_seed = seed;
        (void)sim_run(&plan, false, &coverage);
        count++;
    }
    (void)fclose(file);
    coverage_print(&coverage, count);
    return count ? 0 : 1;
}

/* Plans --------------------------------------------------------------------------------------- */

static int run_plan(const char *path)
{
    struct sim_plan plan;
    struct sim_coverage coverage = { 0 };
    if (!sim_plan_read(path, &plan)) return 2;
    current_seed = plan.seed;
    (void)sim_run(&plan, true, &coverage);
    coverage_print(&coverage, 1);
    return 0;
}

static int run_points(uint64_t programs)
{
    struct sim_coverage coverage = { 0 };
    uint64_t points = 0;
    for (current_seed = 1; current_seed <= programs; current_seed++)
        points += sim_points_run(current_seed, &coverage);
    coverage_print(&coverage, points);
    printf("%llu crash points of %llu programs\n", (unsigned long long)points,
           (unsigned long long)programs);
    return points ? 0 : 1;
}

static bool plan_fails(const struct sim_plan *plan)
{
    pid_t child = fork();
    if (child == 0) {
        struct sim_coverage coverage = { 0 };
        if (!freopen("/dev/null", "w", stderr)) _exit(0);
        (void)sim_run(plan, false, &coverage);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int shrink(uint64_t seed, const char *path)
{
    struct sim_plan plan = sim_plan_draw(seed);
    if (!plan_fails(&plan)) {
        fprintf(stderr, "seed %llu does not fail\n", (unsigned long long)seed);
        return 2;
    }
    sim_plan_shrink(&plan, plan_fails);
    if (!sim_plan_write(path, &plan)) return 2;
    printf("repeat with --plan %s\n", path);
    return 0;
}

/* Mistakes and marks ----------------------------------------------------------------------------
 */

#ifdef PAWL_MUTANTS
static const char *const mutant_names[PAWL_MUTANT_COUNT] = {
#define X(name, text) [PAWL_MUTANT_##name] = #name,
    PAWL_MUTANT_MAP(X)
#undef X
};

static int find_mutant(const char *name)
{
    for (int i = 1; i < PAWL_MUTANT_COUNT; i++)
        if (strcmp(mutant_names[i], name) == 0) return i;
    fprintf(stderr, "no mutant named %s; --mutants lists them\n", name);
    return 0;
}

static int shrink_mutant(const char *name, uint64_t seed, const char *out)
{
    pawl_mutant_active = (enum pawl_mutant)find_mutant(name);
    return pawl_mutant_active ? shrink(seed, out) : 2;
}

/* In a child process, since a caught mistake ends in an abort. */
static int run_mutant(const char *name, const char *path, uint64_t from, uint64_t count)
{
    int mutant = find_mutant(name);
    if (!mutant) return 2;
    pid_t child = fork();
    if (child == 0) {
        pawl_mutant_active = (enum pawl_mutant)mutant;
        struct sim_coverage coverage = { 0 };
        if (path && run_file(path) != 0) _exit(2);
        for (uint64_t seed = from; seed < from + count; seed++)
            (void)run_seed(seed, false, &coverage);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    bool is_caught = !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    printf("%s %s\n", name, is_caught ? "caught" : "NOT CAUGHT");
    return is_caught ? 0 : 1;
}

static int run_marks(uint64_t from, uint64_t count)
{
    static const char *const texts[PAWL_COVER_COUNT] = {
#define X(name, text) [PAWL_COVER_##name] = #name ": " text,
        PAWL_COVER_MAP(X)
#undef X
    };
    struct sim_coverage coverage = { 0 };
    for (uint64_t seed = from; seed < from + count; seed++) (void)run_seed(seed, false, &coverage);
    int missed = 0;
    for (int i = 0; i < PAWL_COVER_COUNT; i++) {
        printf("%10lu  %s\n", pawl_cover_counts[i], texts[i]);
        if (pawl_cover_counts[i] == 0) missed++;
    }
    if (missed) fprintf(stderr, "FAILED: %d marks were never hit\n", missed);
    return missed ? 1 : 0;
}

static void list_mutants(void)
{
    for (int i = 1; i < PAWL_MUTANT_COUNT; i++) puts(mutant_names[i]);
}
#else
static int no_mutants(void)
{
    fputs("this build has no mutants and no marks; use sim_mutants\n", stderr);
    return 2;
}
#define run_mutant(name, path, from, count) no_mutants()
#define shrink_mutant(name, seed, out)      no_mutants()
#define run_marks(from, count)              no_mutants()
#define list_mutants()                      (void)no_mutants()
#endif

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seeds", required_argument, NULL, 'n' },  { "seed", required_argument, NULL, 's' },
        { "from", required_argument, NULL, 'f' },   { "file", required_argument, NULL, 'F' },
        { "mutant", required_argument, NULL, 'm' }, { "mutants", no_argument, NULL, 'l' },
        { "marks", no_argument, NULL, 'k' },        { "plan", required_argument, NULL, 'p' },
        { "points", required_argument, NULL, 'P' }, { "shrink", required_argument, NULL, 'x' },
        { "out", required_argument, NULL, 'o' },    { NULL, 0, NULL, 0 }
    };
    struct sim_plan faults;
    uint64_t count = 0, from = 1, one = 0, failing = 0, points = 0;
    const char *mutant = NULL, *path = NULL, *plan = NULL, *out = "sim.plan";
    bool list = false, marks = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'n': count = strtoull(optarg, NULL, 10); break;
        case 's': one = strtoull(optarg, NULL, 10); break;
        case 'f': from = strtoull(optarg, NULL, 10); break;
        case 'F': path = optarg; break;
        case 'm': mutant = optarg; break;
        case 'l': list = true; break;
        case 'k': marks = true; break;
        case 'p': plan = optarg; break;
        case 'P': points = strtoull(optarg, NULL, 10); break;
        case 'x': failing = strtoull(optarg, NULL, 10); break;
        case 'o': out = optarg; break;
        default: return 2;
        }
    }
    signal(SIGABRT, on_abort);
    if (list) {
        list_mutants();
        return 0;
    }
    if (plan && count) {
        if (!sim_plan_read(plan, &faults)) return 2;
        profile = &faults;
        plan = NULL;
    }
    if (count == 0) count = 200;
    if (mutant && failing) return shrink_mutant(mutant, failing, out);
    if (mutant) return run_mutant(mutant, path, from, count);
    if (marks) return run_marks(from, count);
    if (points) return run_points(points);
    if (failing) return shrink(failing, out);
    if (plan) return run_plan(plan);
    if (one) {
        struct sim_coverage coverage = { 0 };
        (void)run_seed(one, true, &coverage);
        coverage_print(&coverage, 1);
        return 0;
    }
    return path ? run_file(path) : run_seeds(from, count);
}
