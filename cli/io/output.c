#include "cli/io/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/io/say.h"

uint32_t pawl_cli_terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO)) return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

enum pawl_cli_exit pawl_cli_print(struct pawl_buf *buf, enum pawl_cli_exit code)
{
    bool good = buf->bad == PAWL_OK && fwrite(buf->data, 1, buf->size, stdout) == buf->size;
    pawl_buf_deinit(buf);
    if (fflush(stdout) == 0 && good) return code;
    pawl_cli_say("cannot write the output: %s", strerror(errno));
    return PAWL_CLI_FAILED;
}
