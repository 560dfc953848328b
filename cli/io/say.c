#include "cli/io/say.h"

#include <stdarg.h>
#include <stdio.h>

void pawl_cli_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("pawl: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}
