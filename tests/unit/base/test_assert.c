#include "tests/unit/base/expect.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

/* Run `act` in a child; what it printed to stderr and how it ended. */
static int run_child(void (*act)(void), char *ret_text, size_t size)
{
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka's handler is not for the child */
        dup2(pipe_ends[1], STDERR_FILENO);
        act();
        _exit(0);
    }
    close(pipe_ends[1]);
    size_t used = 0;
    for (;;) {
        ssize_t got = read(pipe_ends[0], ret_text + used, size - 1 - used);
        if (got <= 0) break;
        used += (size_t)got;
    }
    ret_text[used] = '\0';
    close(pipe_ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void break_a_fact(void)
{
    int apples = 3;
    PAWL_ASSERT(apples == 4);
}

static void reach_the_unreachable(void)
{
    PAWL_UNREACHABLE("the switch has every state");
}

static void keep_the_facts(void)
{
    PAWL_ASSERT(1 + 1 == 2);
    PAWL_ASSERT(PAWL_IMPLIES(0, 0));
    PAWL_ASSERT(PAWL_IMPLIES(0, 1));
    PAWL_ASSERT(PAWL_IMPLIES(1, 1));
}

static void a_broken_assertion_names_the_fact_and_the_place_and_stops_the_process(void **state)
{
    (void)state;
    char text[1024];
    int status = run_child(break_a_fact, text, sizeof text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "apples == 4"));
    assert_non_null(strstr(text, "test_assert.c:"));
}

static void an_unreachable_place_says_why_it_is_one(void **state)
{
    (void)state;
    char text[1024];
    int status = run_child(reach_the_unreachable, text, sizeof text);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(text, "unreachable: the switch has every state"));
}

static void assertions_that_hold_do_nothing(void **state)
{
    (void)state;
    char text[1024];
    int status = run_child(keep_the_facts, text, sizeof text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(text, "");
    assert_false(PAWL_IMPLIES(1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_assertion_names_the_fact_and_the_place_and_stops_the_process),
        cmocka_unit_test(an_unreachable_place_says_why_it_is_one),
        cmocka_unit_test(assertions_that_hold_do_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
