/* `pawl run` with a stand-in for the sidecar: who starts, stops and dies when. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/cli/program.h"

static char folder[] = "/tmp/pawl-test-run-XXXXXX";

/* A shell script as sidecar: says that it is ready as its environment tells it, and then
 * lives until it is told to stop. */
static const char sidecar[] =
    "#!/bin/sh\n"
    "for a in \"$@\"; do case $a in --ready-fd=*) fd=${a#--ready-fd=};; esac; done\n"
    "echo \"args: $*\"; echo \"token: $PAWL_TOKEN\"\n"
    "trap 'kill $!; echo sidecar stops; exit 0' TERM\n"
    "[ -n \"$FAIL\" ] && { echo 'no store' >&2; exit 9; }\n"
    "eval \"echo '${READY:-{\\\"http\\\":7,\\\"app\\\":\\\"ipc:///x\\\"}}' >&$fd\"\n"
    "eval \"exec $fd>&-\"\n"
    "[ -n \"$DIE\" ] && { read x <\"$DIE\"; exit 3; }\n"
    "[ -n \"$EXEC\" ] && exec sleep 100\n"
    "while :; do sleep 100 & wait $!; done\n";

static int group_setup(void **state)
{
    (void)state;
    char path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pawld", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(sidecar, file);
    fclose(file);
    chmod(path, 0700);
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    setenv("DIR", folder, 1);
    unsetenv("PAWL_TOKEN");
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/pawld", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/pipe", folder);
    unlink(path);
    return rmdir(folder);
}

#define RUN "exec \"$PAWL\" run --app-id orders --pawld \"$DIR/pawld\" "

static void the_exit_code_is_the_apps(void **state)
{
    (void)state;
    struct program program;
    assert_int_equal(program_run(&program, RUN "-- sh -c 'echo hello; exit 42'"), 42);
    assert_non_null(strstr(program.text, "orders | hello\n"));
    assert_non_null(strstr(program.text, "pawld | sidecar stops\n"));
    assert_int_equal(program_run(&program, RUN "-- sh -c 'kill -9 $$'"), 128 + 9);
    assert_int_equal(program_run(&program, RUN "-- true"), 0);
}

static void the_app_is_told_where_its_sidecar_is(void **state)
{
    (void)state;
    struct program program;
    program_run(&program, RUN "--token t0p --http-port 0 -- sh -c 'echo "
                              "$PAWL_APP_ID,$PAWL_APP_ENDPOINT,$PAWL_HTTP_ENDPOINT,$PAWL_TOKEN'");
    assert_non_null(strstr(program.text, "orders | orders,ipc:///x,http://127.0.0.1:7,t0p\n"));
    assert_non_null(strstr(program.text, "--app-id=orders"));
    assert_non_null(strstr(program.text, "--http-port=0"));
    assert_non_null(strstr(program.text, "--app-listen=ipc:///tmp/pawl-run-"));
    assert_non_null(strstr(program.text, "token: t0p"));
    assert_null(strstr(program.text, "--token"));
}

static void a_sidecar_that_cannot_start_ends_it_all_with_code_5(void **state)
{
    (void)state;
    struct program program;
    assert_int_equal(program_run(&program, "FAIL=1 " RUN "-- sh -c 'echo app ran'"), 5);
    assert_non_null(strstr(program.text, "pawld | no store\n"));
    assert_non_null(strstr(program.text, "the sidecar could not start (exit code 9)"));
    assert_null(strstr(program.text, "app ran"));
    assert_int_equal(program_run(&program, "READY=nonsense " RUN "-- sh -c 'echo app ran'"), 5);
    assert_non_null(strstr(program.text, "the same version"));
    assert_null(strstr(program.text, "app ran"));
    assert_int_equal(
        program_run(&program, "exec \"$PAWL\" run --app-id a --pawld /nowhere/pawld -- true"), 5);
    assert_non_null(strstr(program.text, "--pawld"));
}

static void an_app_that_cannot_start_is_127_and_the_sidecar_stops(void **state)
{
    (void)state;
    struct program program;
    assert_int_equal(program_run(&program, RUN "-- /nowhere/app"), 127);
    assert_non_null(strstr(program.text, "cannot start \"/nowhere/app\""));
    assert_non_null(strstr(program.text, "sidecar stops"));
}

static void a_sidecar_that_dies_takes_the_app_with_it(void **state)
{
    (void)state;
    struct program program;
    /* The app itself lets the sidecar die, so the order is certain. */
    program_run(&program, "DIE=\"$DIR/pipe\" " RUN
                          "-- sh -c 'trap \"kill \\$!; echo app stops; exit 0\" TERM; echo "
                          "x >\"$DIR/pipe\"; while :; do sleep 100 & wait $!; done'");
    assert_int_equal(program.code, 5);
    assert_non_null(strstr(program.text, "the sidecar has ended (exit code 3)"));
    assert_non_null(strstr(program.text, "orders | app stops"));
}

static void a_request_to_stop_goes_to_the_app_first_and_then_to_the_sidecar(void **state)
{
    (void)state;
    struct program program;
    program_start(&program,
                  RUN "-- sh -c 'trap \"kill \\$!; echo app stops; exit 6\" TERM; echo up; while "
                      ":; do sleep 100 & wait $!; done'");
    program_await(&program, "orders | up");
    kill(program.pid, SIGTERM);
    program_finish(&program);
    assert_int_equal(program.code, 6);
    const char *app = strstr(program.text, "app stops");
    const char *stops = strstr(program.text, "sidecar stops");
    assert_non_null(app);
    assert_non_null(stops);
    assert_true(app < stops);
}

static void a_second_request_does_not_wait_any_longer(void **state)
{
    (void)state;
    struct program program;
    program_start(&program, RUN "-- sh -c 'trap \"\" INT TERM; echo up; exec sleep 100'");
    program_await(&program, "orders | up");
    kill(program.pid, SIGTERM);
    kill(program.pid, SIGINT);
    program_finish(&program);
    assert_int_equal(program.code, 128 + 9);
}

static void an_app_that_never_pauses_does_not_make_it_deaf(void **state)
{
    (void)state;
    struct program program;
    program_start(&program, RUN "-- sh -c 'echo up >&2; exec yes' >/dev/null");
    program_await(&program, "orders | up");
    kill(program.pid, SIGTERM);
    program_finish(&program);
    assert_int_equal(program.code, 128 + SIGTERM);
}

static void what_an_app_said_last_is_shown_although_its_child_goes_on(void **state)
{
    (void)state;
    struct program program;
    /* That one dies when nobody reads its pipe any more. */
    program_run(&program, RUN "-- sh -c 'yes >&2 & echo last; exit 3' 2>/dev/null");
    assert_int_equal(program.code, 3);
    assert_non_null(strstr(program.text, "orders | last\n"));
}

static void if_pawl_is_killed_app_and_sidecar_die_with_it(void **state)
{
    (void)state;
    struct program program;
    /* Both hold the pipe that we read: its end proves that they are gone. (Killed, pawl
     * could not remove a socket folder: so it makes none.) */
    program_start(&program, "exec 9>&1; EXEC=1 " RUN
                            "--app-listen ipc:///x -- sh -c 'echo up; exec sleep 100'");
    program_await(&program, "orders | up");
    kill(program.pid, SIGKILL);
    program_finish(&program);
    assert_int_equal(program.code, 128 + 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_code_is_the_apps),
        cmocka_unit_test(the_app_is_told_where_its_sidecar_is),
        cmocka_unit_test(a_sidecar_that_cannot_start_ends_it_all_with_code_5),
        cmocka_unit_test(an_app_that_cannot_start_is_127_and_the_sidecar_stops),
        cmocka_unit_test(a_sidecar_that_dies_takes_the_app_with_it),
        cmocka_unit_test(a_request_to_stop_goes_to_the_app_first_and_then_to_the_sidecar),
        cmocka_unit_test(a_second_request_does_not_wait_any_longer),
        cmocka_unit_test(an_app_that_never_pauses_does_not_make_it_deaf),
        cmocka_unit_test(what_an_app_said_last_is_shown_although_its_child_goes_on),
        cmocka_unit_test(if_pawl_is_killed_app_and_sidecar_die_with_it),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
