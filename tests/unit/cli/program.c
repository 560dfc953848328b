#include "tests/unit/cli/program.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

void program_start(struct program *program, const char *line)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    program->size = 0;
    program->text[0] = 0;
    program->pid = fork();
    assert_true(program->pid >= 0);
    if (program->pid == 0) {
        alarm(600); /* an exec keeps it: nothing of ours hangs for ever */
        setenv("PAWL", PAWL_PROGRAM, 1);
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(126);
    }
    close(fds[1]);
    program->out_fd = fds[0];
}

/* False at the end. */
static int program_read(struct program *program)
{
    size_t room = sizeof program->text - program->size - 1;
    assert_true(room > 0);
    ssize_t got;
    do {
        got = read(program->out_fd, program->text + program->size, room);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return 0;
    program->size += (size_t)got;
    program->text[program->size] = 0;
    return 1;
}

void program_await(struct program *program, const char *text)
{
    while (!strstr(program->text, text)) {
        if (!program_read(program)) fail_msg("no \"%s\" in:\n%s", text, program->text);
    }
}

void program_finish(struct program *program)
{
    while (program_read(program)) {
    }
    close(program->out_fd);
    int status;
    assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
    program->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int program_run(struct program *program, const char *line)
{
    program_start(program, line);
    program_finish(program);
    return program->code;
}
