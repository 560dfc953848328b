#include "tests/unit/base/expect.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fsm.h"

enum { CLOSED, OPEN, BROKEN };

static const struct pawl_fsm_state door[] = {
    [CLOSED] = { "closed", PAWL_FSM_BIT(OPEN) },
    [OPEN] = { "open", PAWL_FSM_BIT(CLOSED) | PAWL_FSM_BIT(BROKEN) },
    [BROKEN] = { "broken", 0 },
};

static void allowed_moves_are_made(void **state)
{
    (void)state;
    uint8_t now = CLOSED;
    pawl_fsm_move(door, &now, OPEN);
    assert_int_equal(now, OPEN);
    pawl_fsm_move(door, &now, CLOSED);
    pawl_fsm_move(door, &now, OPEN);
    pawl_fsm_move(door, &now, BROKEN);
    assert_int_equal(now, BROKEN);
}

static void every_other_move_stops_the_program(void **state)
{
    (void)state;
    static const uint8_t wrong[][2] = {
        { CLOSED, CLOSED }, { CLOSED, BROKEN }, { OPEN, OPEN },
        { BROKEN, CLOSED }, { BROKEN, OPEN },   { BROKEN, BROKEN }
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            close(STDERR_FILENO);
            uint8_t now = wrong[i][0];
            pawl_fsm_move(door, &now, wrong[i][1]);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowed_moves_are_made),
        cmocka_unit_test(every_other_move_stops_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
