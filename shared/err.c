/* The words of a failure.
 *
 * A struct err lives on the stack of whoever will show it; library code below fills it in and passes a number up. The sentence often
 * quotes what came from outside (a key in a file, a relay's words), so it is made harmless here, once: control characters become visible
 * escapes and a cut never leaves half a character. Nothing here allocates more than a sentence, logs, or fails. */
#include "shared/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shared/buf.h"
#include "shared/text.h"

/* The longest text that is looked at; what goes beyond would be cut anyway. */
#define RAW_MAX 1024

static void put(struct err *err, const char *raw)
{
    CLEANUP(buf_done) struct buf safe = BUF_INIT;
    text_escape_terminal(&safe, raw, strlen(raw), RAW_MAX);
    text_copy(err->text, sizeof(err->text), buf_str(&safe), safe.len);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    /* The arguments may point into err->text itself, so it is written last. */
    char raw[RAW_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    put(err, n < 0 ? fmt : raw);
    return code;
}

void err_prefix(struct err *err, const char *fmt, ...)
{
    if (!err)
        return;
    char raw[RAW_MAX + ERR_TEXT_MAX + 2];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(raw, RAW_MAX, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    size_t len = strlen(raw);
    snprintf(raw + len, sizeof(raw) - len, ": %s", err->text);
    put(err, raw);
}
