/* routectl watch [MODEL]: the ranked table as it changes.
 *
 * On a terminal it is redrawn in place, at each change and once a second for the ages; elsewhere each new table is printed once (one line
 * of JSON, or rows of TSV). When the daemon goes away the last table stays with a note that says so, and the stream is taken up again when
 * it is back. One thread reads the stream (stream.h); this one waits for news, signals and the clock. SIGINT and SIGTERM are the ordinary
 * end. */
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "routectl/ranked.h"
#include "routectl/screen.h"
#include "routectl/stream.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "shared/alloc.h"

struct watching {
    const struct command *command;
    struct screen screen; /* on a terminal and in text only */
    bool live;
    struct stream_news news; /* as last taken; its table is not kept here */
    struct table *table;     /* the newest; NULL = none yet */
    cJSON *json;
    struct moves *moves;
    long shown; /* tables printed or drawn for the first time */
    bool was_connected, complained;
    bool headless; /* TSV: the header has been printed */
    bool over;
    enum exit_code code;
};

static usec_t steady_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

/* --- one table as text ------------------------------------------------------------------------------------------------ */

static bool is_stale(const struct watching *watch, usec_t now)
{
    return watch->news.lease > 0 && now > watch->news.lease;
}

/* True if there is bad news in it. */
static bool add_head(struct buf *ret, const struct watching *watch, usec_t now)
{
    char span[32];
    bool bad = ranked_head(ret, watch->table, now);

    if (is_stale(watch, now))
        buf_printf(ret, "  STALE for %s: nobody renews it", figure_span(span, sizeof span, now - watch->news.lease));
    else if (watch->news.lease > 0)
        buf_printf(ret, ", good for %s", figure_span(span, sizeof span, watch->news.lease - now));
    return bad || is_stale(watch, now);
}

/* The most routes a model that the window has room for; 0 = all. */
static size_t fitting(const struct table *table, size_t rows)
{
    size_t most = 0;
    if (ranked_lines(table, 0) <= rows)
        return 0;
    for (size_t m = 1; ranked_lines(table, m) <= rows && m < 256; m++)
        most = m;
    return most > 0 ? most : 1;
}

static void write_table(struct watching *watch, struct writer *w, usec_t now)
{
    struct buf head CLEANUP(buf_done) = BUF_INIT;
    bool text = writer_form(w) == WRITER_TEXT;
    struct ranked_view view = {.table = watch->table, .now = now, .moves = text ? watch->moves : NULL, .generation = !text};

    if (text) {
        bool bad = add_head(&head, watch, now);
        writer_note(w, bad ? STYLE_BAD : STYLE_DIM, "%s", buf_str(&head));
    }
    if (watch->live)
        view.most = fitting(watch->table, watch->screen.rows > 3 ? watch->screen.rows - 2 : 1);
    ranked_write(&view, w);
}

static void draw(struct watching *watch)
{
    struct writer *w =
        writer_new(&(struct writer_setup){.form = WRITER_TEXT, .colour = watch->command->colour, .columns = watch->screen.columns});
    usec_t now = fetch_now();
    char span[32];

    if (!watch->news.connected && watch->was_connected)
        writer_note(
            w, STYLE_BAD, "NOT CONNECTED: %s; next attempt in %s", watch->news.why,
            figure_span(span, sizeof span,
                        watch->news.retry_at > now ? (watch->news.retry_at - now) / USEC_PER_SEC * USEC_PER_SEC + USEC_PER_SEC : 0));
    if (watch->table)
        write_table(watch, w, now);
    else
        writer_note(w, STYLE_DIM, "waiting for the first table ...");
    char *text CLEANUP(alloc_freep) = writer_take(w);
    writer_free(w);
    screen_enter(&watch->screen);
    screen_draw(&watch->screen, text);
}

/* Without a terminal: one table, whole. */
static void print(struct watching *watch)
{
    struct writer *w = writer_new(
        &(struct writer_setup){.form = watch->command->form, .colour = watch->command->colour, .columns = watch->command->columns});

    writer_document(w, watch->json);
    if (watch->headless)
        writer_headless(w);
    write_table(watch, w, fetch_now());
    if (watch->command->form == WRITER_TEXT)
        writer_line(w, "");
    watch->headless = true;
    int error = writer_flush(w, STDOUT_FILENO);
    writer_free(w);
    if (error < 0) {
        complain("cannot write: %s", strerror(-error));
        watch->code = EXIT_REFUSED;
        watch->over = true;
    }
}

/* --- news ------------------------------------------------------------------------------------------------------------- */

static void take_table(struct watching *watch, const char *text)
{
    struct err err = {""};
    cJSON *json = json_parse(text, strlen(text), &err);
    struct table *table = json ? table_from_json(json, &err) : NULL;

    if (!table) {
        cJSON_Delete(json);
        complain("a table that cannot be read was left out: %s", err.text);
        return;
    }
    cJSON_Delete(watch->json);
    table_unref(watch->table);
    watch->json = json;
    watch->table = table;
    moves_learn(watch->moves, table, fetch_now());
    watch->shown++;
    if (!watch->live)
        print(watch);
    if (watch->command->count > 0 && watch->shown >= watch->command->count)
        watch->over = true;
}

static void take_news(struct watching *watch, struct stream *stream)
{
    stream_take(stream, &watch->news);
    char *table CLEANUP(alloc_freep) = watch->news.table;
    watch->news.table = NULL;

    if (!watch->news.connected && !watch->live && !watch->complained) {
        complain("not connected any more: %s; trying again", watch->news.why);
        watch->complained = true;
    }
    if (watch->news.connected && watch->complained) {
        complain("connected again");
        watch->complained = false;
    }
    watch->was_connected = watch->was_connected || watch->news.connected || watch->news.error != 0;
    if (table)
        take_table(watch, table);
    if (watch->live)
        draw(watch);
}

static void take_signal(struct watching *watch, int signals)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    switch (info.ssi_signo) {
    case SIGWINCH:
        screen_measure(&watch->screen);
        break;
    case SIGTSTP: /* the shell gets a sane terminal; SIGSTOP is not ours to catch */
        if (watch->live)
            screen_leave(&watch->screen);
        raise(SIGSTOP);
        screen_measure(&watch->screen);
        break;
    case SIGCONT:
        break;
    default:
        watch->over = true;
        return;
    }
    if (watch->live)
        draw(watch);
}

static int open_signals(void)
{
    sigset_t set;
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        sigaddset(&set, wanted[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Until it is over, or nobody reads what we print any more. */
static void loop(struct watching *watch, struct stream *stream, int signals)
{
    usec_t end = watch->command->lasting > 0 ? steady_now() + watch->command->lasting : USEC_INFINITY;

    while (!watch->over) {
        struct pollfd fds[] = {
            {.fd = stream_fd(stream), .events = POLLIN},
            {.fd = signals, .events = POLLIN},
            {.fd = STDOUT_FILENO, .events = 0}, /* POLLERR when a pipe's reader is gone */
        };
        usec_t left = end == USEC_INFINITY ? USEC_PER_SEC : end - steady_now();
        if (left <= 0)
            break;
        int n = poll(fds, ARRAY_LEN(fds), left < USEC_PER_SEC ? (int)(left / 1000) + 1 : 1000);
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0 && (fds[2].revents & (POLLERR | POLLNVAL)))
            break;
        if (n > 0 && (fds[1].revents & POLLIN))
            take_signal(watch, signals);
        if (n > 0 && (fds[0].revents & POLLIN))
            take_news(watch, stream);
        else if (n == 0 && watch->live)
            draw(watch); /* ages */
    }
}

/* A first plain question, so that an unknown model or no daemon is told as every other verb tells it. */
static enum exit_code ask_first(const struct command *command, struct watching *watch, struct buf *target)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;

    buf_add_str(target, "/v1/routes");
    fetch_query(target, "policy", command->policy);
    fetch_query(target, "model", command->args_len > 0 ? command->args[0] : NULL);
    enum exit_code code = fetch(command, buf_str(target), &answer);
    watch->news.lease = answer.valid_until;
    buf_clear(target);
    buf_add_str(target, "/v1/watch");
    fetch_query(target, "policy", command->policy);
    fetch_query(target, "model", command->args_len > 0 ? command->args[0] : NULL);
    return code;
}

enum exit_code verb_watch(const struct command *command, struct writer *w)
{
    struct watching watch = {.command = command, .screen.fd = STDOUT_FILENO, .live = command->terminal && command->form == WRITER_TEXT};
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    struct err err = {""};

    (void)w; /* it prints as it goes, with a writer for each table */
    enum exit_code code = ask_first(command, &watch, &target);
    if (code != EXIT_OK)
        return code;
    int signals = open_signals();
    struct stream *stream = stream_open(command->socket, buf_str(&target), watch.news.lease, &err);
    if (!stream || signals < 0) {
        complain("%s", stream ? "cannot watch for signals" : err.text);
        stream_close(stream);
        return EXIT_REFUSED;
    }
    watch.moves = moves_new();
    watch.code = EXIT_OK;
    screen_measure(&watch.screen);
    loop(&watch, stream, signals);
    stream_close(stream);
    close(signals);
    if (watch.live)
        screen_leave(&watch.screen);
    if (watch.code == EXIT_OK && !watch.news.connected)
        watch.code = EXIT_UNREACHABLE;
    else if (watch.code == EXIT_OK && is_stale(&watch, fetch_now()))
        watch.code = EXIT_STALE;
    moves_free(watch.moves);
    table_unref(watch.table);
    cJSON_Delete(watch.json);
    return watch.code;
}
