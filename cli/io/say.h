/* Say: a line of the tool itself on standard error, for the person who called it. */
#ifndef PAWL_CLI_IO_SAY_H
#define PAWL_CLI_IO_SAY_H

/* "pawl: ", the text, and the line's end. */
void pawl_cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* PAWL_CLI_IO_SAY_H */
