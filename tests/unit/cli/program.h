/* Start `pawl` and see what it says. */
#ifndef PAWL_TESTS_UNIT_CLI_PROGRAM_H
#define PAWL_TESTS_UNIT_CLI_PROGRAM_H

#include <sys/types.h>

struct program {
    pid_t pid;
    int out_fd; /* standard output and errors, mixed */
    char text[65536];
    size_t size;
    int code; /* set by finish: exit code, or 128 + signal */
};

/* `line` is for a shell, so that quoting and redirections work; $PAWL is the program. */
void program_start(struct program *program, const char *line);

/* Read until `text` has been printed; fails at the end of the output. */
void program_await(struct program *program, const char *text);

/* Read the rest and wait for the end. */
void program_finish(struct program *program);

/* All three; returns the exit code. */
int program_run(struct program *program, const char *line);

#endif /* PAWL_TESTS_UNIT_CLI_PROGRAM_H */
