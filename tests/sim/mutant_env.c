/* A unit test with a planted mistake, the one that the environment names (PAWL_MUTANT). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"

__attribute__((constructor)) static void mutant_choose(void)
{
    static const char *const names[PAWL_MUTANT_COUNT] = {
#define X(name, text) [PAWL_MUTANT_##name] = #name,
        PAWL_MUTANT_MAP(X)
#undef X
    };
    const char *wanted = getenv("PAWL_MUTANT");
    if (!wanted) return;
    for (int i = 1; i < PAWL_MUTANT_COUNT; i++)
        if (strcmp(names[i], wanted) == 0) pawl_mutant_active = (enum pawl_mutant)i;
    if (pawl_mutant_active) return;
    fprintf(stderr, "PAWL_MUTANT: no mutant is named %s; sim_mutants --mutants lists them\n",
            wanted);
    exit(0); /* the test that wants a failure must not take this for one */
}
