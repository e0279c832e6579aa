/* Log lines with structured fields. Library code never calls this; daemon, parts' top functions and main do, once per event.
 *
 * The sink is set by the program: journald, stderr with "<N>" prefixes, or a test's collector. Levels are syslog's:
 * ERR = somebody must act; WARNING = we go on; NOTICE = state or rank change, reload; INFO = start, stop; DEBUG = each probe.
 * Text from outside is escaped by the sink's caller with text_escape_terminal (shared/text.h). */
#ifndef SHARED_LOG_H
#define SHARED_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/compiler.h"

enum log_level { LOG_LEVEL_ERR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_NOTICE = 5, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

#define LOG_FIELDS_MAX 16

struct log_field {
    const char *name;  /* "PROBED_PLATFORM" */
    const char *value; /* borrowed; NULL fields are left out */
};

struct log_entry {
    enum log_level level;
    const char *message_id; /* 32 hex digits, or NULL */
    const char *message;
    const struct log_field *fields;
    size_t fields_len;
};

typedef void (*log_sink_fn)(void *arg, const struct log_entry *entry);

void log_set_sink(log_sink_fn sink, void *arg); /* NULL = the default, stderr with "<N>" prefixes */
/* Told of every event (an entry with a message id) of level INFO and above as well, whatever the level that is set; NULL = nobody. It must not log. */
void log_set_tap(log_sink_fn tap, void *arg);
void log_set_level(enum log_level most_verbose); /* default INFO */
bool log_wanted(enum log_level level);

void log_write(enum log_level level, const char *fmt, ...) ATTR_PRINTF(2, 3);
void log_event(enum log_level level, const char *message_id, const struct log_field *fields, size_t fields_len, const char *fmt, ...)
    ATTR_PRINTF(5, 6);

#define log_err(...) log_write(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
