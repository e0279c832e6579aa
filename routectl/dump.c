/* routectl dump: the recorded history as NDJSON, in the format of `probed replay`.
 *
 * A page comes, is written, is forgotten: it goes straight to its file descriptor and not through the writer, which would hold it all. A
 * file is written beside its place and renamed when it is whole and on the disk, so that there is never half of one under that name; what
 * is no regular file (a pipe, a device) is written in place. A signal that ends us takes what is unfinished away. Who stops reading a pipe
 * has seen enough: that is no failure. */
#include "routectl/dump_pages.h"
#include "routectl/fetch.h"
#include "routectl/figures.h"
#include "routectl/moment.h"
#include "routectl/place.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/alloc.h"

#define SINCE_DEFAULT (7 * USEC_PER_DAY)

struct dumping {
    const struct command *command;
    int fd;
    const char *file; /* what the user called it; NULL = standard output */
    char *beside;     /* the name under which it is written; NULL = in place */
    bool over;        /* nobody reads any more */
    bool progress;
    uint64_t records, bytes;
};

/* Of the file that is not whole yet; for the handler. */
static const char *unfinished;

static void take_away(int signal)
{
    unlink(unfinished);
    raise(signal); /* as it would have ended us */
}

static void on_signals(void (*handler)(int))
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &action, NULL);
}

/* --- where it goes ---------------------------------------------------------------------------------------------------- */

static enum exit_code cannot_write(const struct dumping *d, int error)
{
    complain("cannot write %s: %s", d->file ? d->file : "the history", strerror(-error));
    return EXIT_REFUSED;
}

static enum exit_code open_file(struct dumping *d)
{
    d->fd = place_open(d->file, &d->beside);
    if (d->fd < 0)
        return cannot_write(d, d->fd);
    if (d->beside) {
        unfinished = d->beside;
        on_signals(take_away);
    }
    return EXIT_OK;
}

/* Puts it in its place, or away. */
static enum exit_code close_file(struct dumping *d, enum exit_code code)
{
    if (d->fd < 0 || !d->file)
        return code;
    int error = place_close(d->fd, d->file, d->beside, code == EXIT_OK);
    if (d->beside)
        on_signals(SIG_DFL);
    free(d->beside);
    return code == EXIT_OK && error < 0 ? cannot_write(d, error) : code;
}

static enum exit_code put(struct dumping *d, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(d->fd, data, len);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) { /* a terminal that someone else made non-blocking */
            struct pollfd p = {.fd = d->fd, .events = POLLOUT};
            poll(&p, 1, -1);
        } else if (n < 0 && errno == EPIPE && !d->beside) {
            d->over = true;
            return EXIT_OK;
        } else if (n < 0 && errno != EINTR) {
            return cannot_write(d, -errno);
        }
    }
    return EXIT_OK;
}

/* --- the pages -------------------------------------------------------------------------------------------------------- */

static void count(struct dumping *d, const struct buf *page)
{
    for (const char *at = page->data, *end = at + page->len; at && (at = memchr(at, '\n', (size_t)(end - at))); at++)
        d->records++;
    d->bytes += page->len;
}

static void show_progress(const struct dumping *d, bool last)
{
    char records[32], size[32], line[120];
    if (!d->progress)
        return;
    int n = snprintf(line, sizeof line, "\r\033[K%s records, %s%s", figure_thousands(records, sizeof records, (int64_t)d->records),
                     units_format_size(size, sizeof size, d->bytes), last ? "\n" : "");
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)n);
    (void)ignored;
}

static enum exit_code copy(struct dumping *d, struct dump_pages *pages)
{
    struct buf page CLEANUP(buf_done) = BUF_INIT;
    enum exit_code code = EXIT_OK;
    while (code == EXIT_OK && !pages->over && !d->over) {
        code = dump_pages_next(pages, &page);
        if (code == EXIT_OK && page.len > 0) {
            count(d, &page);
            code = put(d, page.data, page.len);
            show_progress(d, false);
        }
    }
    if (d->records > 0)
        show_progress(d, true);
    return code;
}

/* With a file standard output is free to say what became of it. */
static void report(const struct dumping *d, const struct dump_pages *pages, struct writer *w)
{
    char since[32], until[32], thousands[32], size[32];
    writer_fact(w, "file", "file", cell_string(d->file));
    writer_fact(w, "since", "since",
                cell_shown((struct cell){.kind = CELL_NUMBER, .number = (double)pages->since / 1e6}, "%s",
                           moment_format(since, sizeof since, pages->since)));
    writer_fact(w, "until", "until",
                cell_shown((struct cell){.kind = CELL_NUMBER, .number = (double)pages->until / 1e6}, "%s",
                           moment_format(until, sizeof until, pages->until)));
    writer_fact(w, "records", "records",
                cell_shown(cell_integer((int64_t)d->records), "%s", figure_thousands(thousands, sizeof thousands, (int64_t)d->records)));
    writer_fact(w, "bytes", "size", cell_shown(cell_integer((int64_t)d->bytes), "%s", units_format_size(size, sizeof size, d->bytes)));
}

enum exit_code verb_dump(const struct command *command, struct writer *w)
{
    usec_t now = fetch_now(), until = command->until > 0 ? command->until : now;
    struct dump_pages pages = {.command = command, .until = until, .since = command->since};
    struct dumping d = {.command = command, .fd = STDOUT_FILENO, .file = command->output};

    if (pages.since == 0)
        pages.since = until > SINCE_DEFAULT ? until - SINCE_DEFAULT : 0;
    if (!d.file && command->form == WRITER_TSV) {
        complain("the history is printed as JSON, one record a line; there is no --tsv of it");
        return EXIT_USAGE;
    }
    d.progress = isatty(STDERR_FILENO) == 1 && (d.file || !command->terminal);
    signal(SIGPIPE, SIG_IGN);
    enum exit_code code = d.file ? open_file(&d) : EXIT_OK;
    if (code == EXIT_OK)
        code = copy(&d, &pages);
    code = close_file(&d, code);
    if (code == EXIT_OK && d.file)
        report(&d, &pages, w);
    return code;
}
