/* Messages for people on standard error, one line each: what the daemon or a relay said may be in them, so that they are escaped. */
#include "routectl/verb.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "shared/text.h"

void complain(const char *fmt, ...)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    struct buf line CLEANUP(buf_done) = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    buf_add_str(&line, "routectl: ");
    text_escape_terminal(&line, buf_str(&text), text.len, 4096);
    buf_add_char(&line, '\n');
    /* If standard error is gone there is nobody to tell. */
    ssize_t ignored = write(STDERR_FILENO, line.data, line.len);
    (void)ignored;
}
