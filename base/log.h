/* Log: leveled events to a sink. Nothing is formatted below the level.
 *
 * One line, for a person: what happened, to what, and what it means for them.
 * Payload bytes, tokens and passwords are never logged. Libraries return errors;
 * only the sidecar, the placement service and the CLI log, once, at the top.
 */
#ifndef PAWL_BASE_LOG_H
#define PAWL_BASE_LOG_H

enum pawl_log_level {
    PAWL_LOG_ERROR = 1,
    PAWL_LOG_WARN,
    PAWL_LOG_INFO,
    PAWL_LOG_DEBUG,
};

typedef void pawl_log_sink(void *context, enum pawl_log_level level, const char *part,
                           const char *text);

/* Set once before any thread starts. The default sink drops everything. */
void pawl_log_set(enum pawl_log_level level, pawl_log_sink *sink, void *context);

/* `part` is a word such as "store" or "app". */
void pawl_log(enum pawl_log_level level, const char *part, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "error", "warn", "info", "debug". */
const char *pawl_log_level_name(enum pawl_log_level level);

#endif /* PAWL_BASE_LOG_H */
