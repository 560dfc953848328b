#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#define LINE_SIZE_MAX 1024

static struct {
    enum pawl_log_level level;
    pawl_log_sink *sink; /* NULL: everything is dropped */
    void *context;
} logger;

void pawl_log_set(enum pawl_log_level level, pawl_log_sink *sink, void *context)
{
    logger.level = level;
    logger.sink = sink;
    logger.context = context;
}

/* Names in a message come from users: none may begin a line of its own. */
static void flatten(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = ' ';
    }
}

void pawl_log(enum pawl_log_level level, const char *part, const char *format, ...)
{
    if (!logger.sink || level > logger.level) return;
    char text[LINE_SIZE_MAX];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0) return;
    flatten(text);
    logger.sink(logger.context, level, part, text);
}

const char *pawl_log_level_name(enum pawl_log_level level)
{
    switch (level) {
    case PAWL_LOG_ERROR: return "error";
    case PAWL_LOG_WARN: return "warn";
    case PAWL_LOG_INFO: return "info";
    case PAWL_LOG_DEBUG: return "debug";
    }
    return "?";
}
