/* Escape sequences of every terminal since the VT100, and nothing else: home, clear to the end of the line, clear below, hide and show the
 * cursor.
 *
 * A frame is drawn over the old one line by line and never cleared first, so that nothing flickers; autowrap is off meanwhile, so that a
 * line that is too long after all is cut and does not push the others down. */
#include "routectl/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shared/buf.h"

static void put(int fd, const struct buf *out)
{
    for (size_t done = 0; done < out->len;) {
        ssize_t n = write(fd, out->data + done, out->len - done);
        if (n < 0 && errno != EINTR)
            return; /* the terminal is gone: SIGHUP ends us */
        done += n > 0 ? (size_t)n : 0;
    }
}

void screen_measure(struct screen *screen)
{
    struct winsize size;
    bool known = ioctl(screen->fd, TIOCGWINSZ, &size) == 0;
    screen->rows = known && size.ws_row > 0 ? size.ws_row : 24;
    screen->columns = known && size.ws_col > 0 ? size.ws_col : 80;
}

void screen_enter(struct screen *screen)
{
    struct buf out CLEANUP(buf_done) = BUF_INIT;
    if (screen->entered)
        return;
    for (size_t i = 0; i < screen->rows; i++)
        buf_add_char(&out, '\n');
    buf_add_str(&out, "\033[?25l\033[H\033[J");
    put(screen->fd, &out);
    screen->entered = true;
    screen->lines = 0;
}

void screen_draw(struct screen *screen, const char *text)
{
    struct buf out CLEANUP(buf_done) = BUF_INIT;
    size_t line = 0;

    buf_add_str(&out, "\033[?7l\033[H");
    for (const char *s = text; *s && line < screen->rows; line++) {
        const char *end = strchrnul(s, '\n');
        if (line > 0)
            buf_add_str(&out, "\r\n");
        /* Cleared first: after a line that fills the window the cursor stands on its last character. */
        buf_add_str(&out, "\033[K");
        buf_add(&out, s, (size_t)(end - s));
        buf_add_str(&out, "\033[0m");
        s = *end ? end + 1 : end;
    }
    buf_add_str(&out, line < screen->rows ? "\r\n\033[J\033[?7h" : "\033[?7h");
    put(screen->fd, &out);
    screen->lines = line;
}

void screen_leave(struct screen *screen)
{
    struct buf out CLEANUP(buf_done) = BUF_INIT;
    if (!screen->entered)
        return;
    buf_printf(&out, "\033[%zu;1H\r\n\033[?25h\033[0m", screen->lines > 0 ? screen->lines : 1);
    put(screen->fd, &out);
    screen->entered = false;
}
