/* Child: a started process, and its output line by line with a name in front. */
#ifndef PAWL_CLI_IO_CHILD_H
#define PAWL_CLI_IO_CHILD_H

#include <sys/types.h>

#include "base/buf.h"

struct pawl_relay {
    int fd;     /* -1: ended */
    int out_fd; /* ours, where the lines go */
    const char *label;
    const char *color; /* an escape sequence; NULL: none */
    struct pawl_buf line;
};

struct pawl_child {
    pid_t pid;  /* 0: not started, or ended */
    int status; /* of waitpid, when it has ended */
    bool ended;
    struct pawl_relay out;
    struct pawl_relay err;
};

struct pawl_child_spec {
    char *const *argv;
    const char *const *env; /* "NAME=value", added to ours; ended by NULL */
    int keep_fd;            /* stays open in the child; -1: none */
    bool own_group;         /* Ctrl-C at the terminal does not reach it */
    const char *label;
    const char *out_color; /* NULL: none */
    int out_fd;            /* where its standard output goes */
    int err_fd;
};

/* 0, or errno of what did not work (ENOENT: no such program). */
int pawl_child_start(struct pawl_child *child, const struct pawl_child_spec *spec);
void pawl_child_deinit(struct pawl_child *child);

/* Nothing happens to one that has ended. */
void pawl_child_signal(const struct pawl_child *child, int signal_number);

/* True when it has just ended. */
bool pawl_child_reap(struct pawl_child *child);

/* A descriptor that tells of ends of children and of the signals that stop us, all of which
 * are blocked from here on. -1: not possible, see errno. Owned by the caller. */
int pawl_child_signals_open(void);

/* Pass on whole lines of what can be read without waiting. Some of it, when there is much:
 * the caller has others to serve. */
void pawl_relay_pump(struct pawl_relay *relay);

/* The child has ended: pass on all that it left in its pipe, and the last line without its end
 * as well. */
void pawl_relay_finish(struct pawl_relay *relay);

/* Exit code of an ended child as a shell gives it. */
int pawl_child_exit_code(const struct pawl_child *child);

#endif /* PAWL_CLI_IO_CHILD_H */
