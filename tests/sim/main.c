/* sim: run seeds, repeat one, or prove that planted mistakes are caught.
 *
 *   sim --seeds N [--from S]   N seeds, each checked; the first of every hundred twice
 *   sim --seed S               one seed, with the engine's log
 *   sim --file F               the seeds that the lines of F begin with
 *   sim --mutant NAME --seeds N [--file F]
 *                              exits 0 only if the mistake was caught (needs the mutant build)
 *   sim --mutants              names them
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mutant.h"
#include "tests/sim/sim.h"

static volatile uint64_t current_seed;

static void on_abort(int signum)
{
    char text[96];
    int size = snprintf(text, sizeof text, "FAILED: repeat with --seed %llu\n",
                        (unsigned long long)current_seed);
    (void)!write(STDERR_FILENO, text, (size_t)size);
    _exit(signum == SIGABRT ? 1 : 2);
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
        current_seed = seed;
        uint64_t trace = sim_run(seed, false, &coverage);
        if ((seed - from) % 100) continue;
        struct sim_coverage again = { 0 };
        PAWL_ASSERT(sim_run(seed, false, &again) == trace); /* the same seed is the same run */
    }
    coverage_print(&coverage, count);
    if (count >= 50 && !coverage_is_enough(&coverage)) {
        fprintf(stderr, "FAILED: some kind of event never happened in %llu seeds\n",
                (unsigned long long)count);
        return 1;
    }
    return 0;
}

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
        char *end;
        uint64_t seed = strtoull(line, &end, 10);
        if (end == line) continue; /* a comment */
        current_seed = seed;
        (void)sim_run(seed, false, &coverage);
        count++;
    }
    (void)fclose(file);
    coverage_print(&coverage, count);
    return count ? 0 : 1;
}

#ifdef PAWL_MUTANTS
static const char *const mutant_names[PAWL_MUTANT_COUNT] = {
#define X(name, text) [PAWL_MUTANT_##name] = #name,
    PAWL_MUTANT_MAP(X)
#undef X
};

/* Each batch runs in a child process, since a caught mistake ends in an abort. */
static int run_mutant(const char *name, const char *path, uint64_t from, uint64_t count)
{
    int mutant = 0;
    for (int i = 1; i < PAWL_MUTANT_COUNT; i++)
        if (strcmp(mutant_names[i], name) == 0) mutant = i;
    if (!mutant) {
        fprintf(stderr, "no mutant named %s; --mutants lists them\n", name);
        return 2;
    }
    pid_t child = fork();
    if (child == 0) {
        pawl_mutant_active = (enum pawl_mutant)mutant;
        struct sim_coverage coverage = { 0 };
        if (path && run_file(path) != 0) _exit(2);
        for (uint64_t seed = from; seed < from + count; seed++) {
            current_seed = seed;
            (void)sim_run(seed, false, &coverage);
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    bool is_caught = !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    printf("%s %s\n", name, is_caught ? "caught" : "NOT CAUGHT");
    return is_caught ? 0 : 1;
}
#endif

int main(int argc, char **argv)
{
    static const struct option options[] = { { "seeds", required_argument, NULL, 'n' },
                                             { "seed", required_argument, NULL, 's' },
                                             { "from", required_argument, NULL, 'f' },
                                             { "file", required_argument, NULL, 'F' },
                                             { "mutant", required_argument, NULL, 'm' },
                                             { "mutants", no_argument, NULL, 'l' },
                                             { NULL, 0, NULL, 0 } };
    uint64_t count = 200, from = 1, one = 0;
    const char *mutant = NULL, *path = NULL;
    bool list = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'n': count = strtoull(optarg, NULL, 10); break;
        case 's': one = strtoull(optarg, NULL, 10); break;
        case 'f': from = strtoull(optarg, NULL, 10); break;
        case 'F': path = optarg; break;
        case 'm': mutant = optarg; break;
        case 'l': list = true; break;
        default: return 2;
        }
    }
    signal(SIGABRT, on_abort);
#ifdef PAWL_MUTANTS
    if (list) {
        for (int i = 1; i < PAWL_MUTANT_COUNT; i++) puts(mutant_names[i]);
        return 0;
    }
    if (mutant) return run_mutant(mutant, path, from, count);
#else
    if (list || mutant) {
        fputs("this build has no mutants; use sim_mutants\n", stderr);
        return 2;
    }
#endif
    if (one) {
        struct sim_coverage coverage = { 0 };
        current_seed = one;
        sim_run(one, true, &coverage);
        coverage_print(&coverage, 1);
        return 0;
    }
    return path ? run_file(path) : run_seeds(from, count);
}
