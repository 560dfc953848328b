/* `pawl workflow …` as a script sees it: output and exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "tests/unit/cli/program.h"
#include "tests/unit/sidecar/http_fake.h"

static int setup(void **state)
{
    struct http_fake *fake = http_fake_open("s3cret");
    char address[64];
    snprintf(address, sizeof address, "http://127.0.0.1:%u", fake->port);
    setenv("PAWL_HTTP_ENDPOINT", address, 1);
    setenv("PAWL_TOKEN", "s3cret", 1);
    *state = fake;
    return 0;
}

static int teardown(void **state)
{
    http_fake_close(*state);
    return 0;
}

static void check(struct http_fake *fake, const char *line, int code, const char *output,
                  const char *request)
{
    struct program program;
    char shell[4096];
    snprintf(shell, sizeof shell, "\"$PAWL\" workflow %s", line);
    program_run(&program, shell);
    if (program.code != code || (output && !strstr(program.text, output))) {
        fail_msg("pawl workflow %s: code %d, wanted %d and \"%s\":\n%s", line, program.code, code,
                 output ? output : "", program.text);
    }
    if (!request) return;
    char last[8192];
    http_fake_last(fake, last, sizeof last);
    assert_string_equal(last, request);
}

static void every_command_does_what_it_says(void **state)
{
    struct http_fake *fake = *state;
    check(fake, "start Order -i 'a b/c' -d '{\"x\":1}' -k key", 0, "order-1\n",
          "start instance=a b/c name=Order request_id=key payload={\"x\":1}");
    check(fake, "get a", 0, "Status           RUNNING\n", "get instance=a payloads=1");
    check(fake, "list --status RUNNING --limit 5", 0, "order-1   Order     RUNNING",
          "list mask=1 limit=5");
    check(fake, "list", 0, "INSTANCE", "list limit=50");
    check(fake, "raise-event a paid -d yes", 0, "event paid sent to a",
          "raise-event instance=a name=paid payload=yes");
    check(fake, "suspend a -r lunch", 0, "a is suspended", "suspend instance=a payload=lunch");
    check(fake, "resume a", 0, "a goes on", "resume instance=a");
    check(fake, "terminate a -d out", 0, "a is terminated",
          "terminate instance=a payload=out recursive=1");
    check(fake, "purge a --force", 0, "a is purged", "purge instance=a recursive=1 force=1");
    check(fake, "rerun a --new-instance-id b", 0, "order-1", "rerun instance=a new=b");
    check(fake, "restart a", 0, "order-1", "restart instance=a");
    check(fake, "rewind a -r mended -k key", 0, "a goes on",
          "rewind instance=a request_id=key payload=mended");
    check(fake, "history a --from 5 --limit 2", 0, "TaskScheduled",
          "history instance=a limit=2 from=5");
    check(fake, "get a --app bank", 0, "Waits for        activity 'charge': nobody is there\n",
          "get app=bank instance=a payloads=1");
    check(fake, "list --app bank", 0, "INSTANCE", "list app=bank limit=50");
    check(fake, "get a -o json", 0, "\"dapr.workflow.outputBase64\": \"/wAB\"", NULL);
    check(fake, "start Order -o json", 0, "\"instanceID\": \"order-1\"", NULL);
}

static void the_payload_comes_from_a_file_or_from_standard_input(void **state)
{
    struct http_fake *fake = *state;
    check(fake, "start W -d - <<'X'\nin\nX\n", 0, NULL, "start name=W payload=in\n");
    check(fake, "start W --data-file - </dev/null", 0, NULL, "start name=W");
    char file[] = "/tmp/pawl-test-XXXXXX";
    char line[128];
    int fd = mkstemp(file);
    assert_int_equal(write(fd, "from file", 9), 9);
    close(fd);
    snprintf(line, sizeof line, "raise-event a e --data-file %s", file);
    check(fake, line, 0, NULL, "raise-event instance=a name=e payload=from file");
    unlink(file);
    check(fake, line, 2, "cannot open", NULL);
    check(fake, "start W --data-file /dev/zero", 2, "is larger than", NULL);
}

static void exit_codes_tell_scripts_what_happened(void **state)
{
    struct http_fake *fake = *state;
    http_fake_set_error(fake, PAWL_E_NOT_FOUND, "there is no workflow instance \"a\"");
    check(fake, "get a", 3, "pawl: there is no workflow instance \"a\"\n", NULL);
    http_fake_set_error(fake, PAWL_E_EXISTS, "the id \"a\" is in use");
    check(fake, "start W -i a", 4, "Choose another --instance-id", NULL);
    http_fake_set_error(fake, PAWL_E_NOT_TERMINAL, "\"a\" is RUNNING");
    check(fake, "purge a", 4, "--force", NULL);
    http_fake_set_error(fake, PAWL_E_UNAVAILABLE, "the store does not answer");
    check(fake, "get a", 1, "Try again", NULL);
    http_fake_set_error(fake, PAWL_OK, NULL);
    check(fake, "get a --token wrong", 1, "PAWL_TOKEN", NULL);
    check(fake, "get a --nope", 2, "unknown option", NULL);
    check(fake, "get a --address 127.0.0.1:1", 5, "pawl run", NULL);
    check(fake, "get a --address not://x", 5, "cannot reach", NULL);
}

static struct pawl_instance_state other;

static void set_status(struct http_fake *fake, enum pawl_status status, bool reached)
{
    pthread_mutex_lock(&fake->lock);
    other = (struct pawl_instance_state){ .instance = PAWL_BYTES_LITERAL("order-1"),
                                          .name = PAWL_BYTES_LITERAL("Order"),
                                          .status = status };
    fake->answer.states = &other;
    fake->answer.reached = reached;
    pthread_mutex_unlock(&fake->lock);
}

static void waiting_ends_with_the_outcome_of_the_workflow(void **state)
{
    struct http_fake *fake = *state;
    set_status(fake, PAWL_STATUS_COMPLETED, true);
    check(fake, "wait a", 0, "COMPLETED", "wait instance=a wait_for=2 timeout=30000 payloads=1");
    check(fake, "start Order --wait", 0, "COMPLETED",
          "wait instance=order-1 wait_for=2 timeout=30000 payloads=1");
    set_status(fake, PAWL_STATUS_FAILED, true);
    check(fake, "start Order --wait --timeout 10s", 1, "FAILED", NULL);
    check(fake, "wait a --for started", 0, "FAILED", NULL);
    set_status(fake, PAWL_STATUS_RUNNING, false);
    check(fake, "wait a --timeout 0s", 1, "the time is up and a is still RUNNING",
          "wait instance=a wait_for=2 payloads=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_command_does_what_it_says, setup, teardown),
        cmocka_unit_test_setup_teardown(the_payload_comes_from_a_file_or_from_standard_input, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(exit_codes_tell_scripts_what_happened, setup, teardown),
        cmocka_unit_test_setup_teardown(waiting_ends_with_the_outcome_of_the_workflow, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
