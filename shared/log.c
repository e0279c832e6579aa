/* Log lines: from a program's words to the sink that the program chose.
 *
 * One process-wide sink and level, set by main before any thread starts. The default sink writes "<N>message NAME=value ..." to stderr,
 * the form in which systemd reads a priority from a service's output; a line is one write(2), so that two processes on one pipe do
 * not mix, and nothing in it can start a second line. A line that cannot be written is lost: logging never blocks the program on
 * purpose, never fails and never calls itself. */
#include "shared/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/buf.h"
#include "shared/text.h"

#define MESSAGE_MAX    2048
#define LINE_MAX_BYTES (64 * 1024)
#define VALUE_MAX      1024

static log_sink_fn sink_fn;
static void *sink_arg;
static log_sink_fn tap_fn;
static void *tap_arg;
static enum log_level most_verbose_level = LOG_LEVEL_INFO;

/* A value with spaces is quoted, so that the fields of a line can be told apart. */
static void add_value(struct buf *line, const char *value)
{
    CLEANUP(buf_done) struct buf safe = BUF_INIT;
    text_escape_terminal(&safe, value, strlen(value), VALUE_MAX);
    const char *s = buf_str(&safe);
    if (*s && !strpbrk(s, " \"")) {
        buf_add_str(line, s);
        return;
    }
    buf_add_char(line, '"');
    for (; *s; s++) {
        if (*s == '"')
            buf_add_char(line, '\\');
        buf_add_char(line, *s);
    }
    buf_add_char(line, '"');
}

static void write_stderr(const struct log_entry *entry)
{
    CLEANUP(buf_done) struct buf line = BUF_CAP(LINE_MAX_BYTES);
    buf_printf(&line, "<%d>", (int)entry->level);
    text_escape_terminal(&line, entry->message, strlen(entry->message), MESSAGE_MAX);
    for (size_t i = 0; i < entry->fields_len; i++) {
        if (!entry->fields[i].name || !entry->fields[i].value)
            continue;
        /* A field goes in whole or not at all. */
        CLEANUP(buf_done) struct buf field = BUF_INIT;
        buf_printf(&field, " %s=", entry->fields[i].name);
        add_value(&field, entry->fields[i].value);
        buf_add(&line, buf_str(&field), field.len);
    }
    /* The newline must get in even if the last fields did not. */
    line.full = false;
    line.cap = LINE_MAX_BYTES + 1;
    buf_add_char(&line, '\n');

    const char *data = buf_str(&line);
    size_t left = line.len;
    while (left > 0) {
        ssize_t n = write(STDERR_FILENO, data, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        data += n;
        left -= (size_t)n;
    }
}

static void emit(enum log_level level, const char *message_id, const struct log_field *fields, size_t fields_len, const char *fmt,
                 va_list ap) ATTR_PRINTF(5, 0);
static void emit(enum log_level level, const char *message_id, const struct log_field *fields, size_t fields_len, const char *fmt,
                 va_list ap)
{
    int saved = errno;
    char raw[MESSAGE_MAX], message[MESSAGE_MAX];
    if (vsnprintf(raw, sizeof(raw), fmt, ap) < 0)
        snprintf(raw, sizeof(raw), "%s", fmt);
    text_copy(message, sizeof(message), raw, strlen(raw));
    struct log_entry entry = {
        .level = level,
        .message_id = message_id,
        .message = message,
        .fields = fields,
        .fields_len = !fields                       ? 0
                      : fields_len > LOG_FIELDS_MAX ? LOG_FIELDS_MAX
                                                    : fields_len,
    };
    if (tap_fn && message_id && level <= LOG_LEVEL_INFO)
        tap_fn(tap_arg, &entry);
    if (log_wanted(level) && sink_fn)
        sink_fn(sink_arg, &entry);
    else if (log_wanted(level))
        write_stderr(&entry);
    errno = saved;
}

void log_set_sink(log_sink_fn sink, void *arg)
{
    sink_fn = sink;
    sink_arg = arg;
}

void log_set_tap(log_sink_fn tap, void *arg)
{
    tap_fn = tap;
    tap_arg = arg;
}

void log_set_level(enum log_level most_verbose)
{
    most_verbose_level = most_verbose;
}

bool log_wanted(enum log_level level)
{
    return level <= most_verbose_level;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    if (!log_wanted(level))
        return;
    va_list ap;
    va_start(ap, fmt);
    emit(level, NULL, NULL, 0, fmt, ap);
    va_end(ap);
}

void log_event(enum log_level level, const char *message_id, const struct log_field *fields, size_t fields_len, const char *fmt, ...)
{
    if (!log_wanted(level) && !tap_fn)
        return;
    va_list ap;
    va_start(ap, fmt);
    emit(level, message_id, fields, fields_len, fmt, ap);
    va_end(ap);
}
