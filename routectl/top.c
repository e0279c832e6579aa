/* routectl top [MODEL]: the whole daemon on one screen, live, and the hand on its drains and pins.
 *
 * Three threads: this one owns the terminal, the signals, the clock and all of the state, and never waits for the daemon; two others ask it
 * (top_data.h). Each round takes what has come (keys, answers, signals, a new second), changes the state (top_keys.c, top_receive.c), and
 * lays out a screenful from it (top_layout.h). Painted is only what differs from the one before, at most ten times a second: a daemon at
 * which nothing happens costs nothing but the ages.
 *
 * When the daemon goes away the last data stay, dimmed, with their age; the connection is taken up again by itself. */
#include "routectl/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "routectl/fetch.h"
#include "routectl/top_layout.h"

#define FRAME_APART (USEC_PER_SEC / 10)

/* --- drawing ---------------------------------------------------------------------------------------------------------- */

/* The routes in sight are those whose history is wanted. */
static void want_history(struct top *top)
{
    struct top_wanted wanted[TOP_WANTED_MAX];
    const struct top_view *view = &top->view;
    size_t len = 0;

    for (size_t i = view->first; i < view->len && i < view->first + view->page && len < TOP_WANTED_MAX; i++)
        wanted[len++] = (struct top_wanted){.platform = view->list[i].row->facts->platform, .model = view->list[i].model};
    /* No further back than is shown, so that the steps are as fine as the picture. */
    double reach = top_view_spark_until(view) - top_view_spark_from(view);
    top_data_want(top->data, wanted, len, (usec_t)(reach * 1e6 + 0.5));
}

static void draw(struct top *top)
{
    struct top_frame *fresh = &top->frames[!top->shown], *before = &top->frames[top->shown];

    top->view.now = fetch_now();
    top->view.rows = top->terminal.rows;
    top->view.columns = top->terminal.columns;
    top_layout(&top->view, fresh);
    if (top->whole || !top_frame_same(fresh, before)) {
        top_draw_frame(&top->terminal, fresh, before, top->whole);
        top->shown = !top->shown;
        top->whole = false;
    }
    want_history(top);
    top->dirty = false;
    top->draw_at = top_data_steady() + FRAME_APART;
}

/* --- keys and signals ------------------------------------------------------------------------------------------------- */

static void take_keys(struct top *top)
{
    struct top_press press;
    struct top_wish wish = {0};

    top->view.now = fetch_now();
    while (!wish.over && top_draw_key(&press)) {
        wish = (struct top_wish){0};
        top_press_key(&top->view, &press, &wish);
        top_fulfil(top, &wish);
        top->dirty = true;
    }
    top->over = top->over || wish.over;
}

static void take_signal(struct top *top)
{
    struct signalfd_siginfo info;

    if (read(top->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    switch (info.ssi_signo) {
    case SIGWINCH:
        top_draw_resize(&top->terminal);
        break;
    case SIGTSTP:
        top_draw_suspend(&top->terminal);
        break;
    case SIGCONT: /* also after a SIGSTOP, of which nobody told us */
        top_draw_retake(&top->terminal);
        break;
    default:
        top->over = true;
        return;
    }
    top_explain_again(top);
    top->whole = top->dirty = true;
}

static int open_signals(void)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        sigaddset(&set, wanted[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* --- the loop --------------------------------------------------------------------------------------------------------- */

/* Until the next frame may be drawn, or the next second begins. */
static int wait_ms(const struct top *top)
{
    usec_t now = top_data_steady();
    if (top->dirty)
        return top->draw_at > now ? (int)((top->draw_at - now) / 1000) + 1 : 0;
    return (int)((USEC_PER_SEC - fetch_now() % USEC_PER_SEC) / 1000) + 1;
}

static void loop(struct top *top)
{
    usec_t second = 0;

    while (!top->over) {
        struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = top->signals, .events = POLLIN},
                               {.fd = top_data_fd(top->data), .events = POLLIN}};
        int n = poll(fds, ARRAY_LEN(fds), wait_ms(top));
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0 && (fds[1].revents & POLLIN))
            take_signal(top);
        if (n > 0 && (fds[2].revents & POLLIN))
            top_receive(top);
        if (n > 0 && (fds[0].revents & POLLIN))
            take_keys(top);
        if (n > 0 && (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))) /* nobody sits there any more */
            break;
        if (fetch_now() / USEC_PER_SEC != second) {
            second = fetch_now() / USEC_PER_SEC;
            top->dirty = true;
        }
        if (top->dirty && !top->over && top_data_steady() >= top->draw_at)
            draw(top);
    }
}

/* --- begin and end ---------------------------------------------------------------------------------------------------- */

static enum exit_code check_terminal(const struct command *command)
{
    if (command->form != WRITER_TEXT) {
        complain("top is for people at a terminal. For programs there is routectl watch %s",
                 command->form == WRITER_JSON ? "--json" : "--tsv");
        return EXIT_USAGE;
    }
    if (!command->terminal || isatty(STDIN_FILENO) != 1) {
        complain("top needs a terminal on standard input and output. Elsewhere there is routectl watch, or routectl routes");
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

/* A first plain question, so that an unknown model or no daemon is told as every other verb tells it. */
static enum exit_code ask_first(const struct command *command, usec_t *ret_lease)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct buf target CLEANUP(buf_done) = BUF_INIT;

    buf_add_str(&target, "/v1/routes");
    fetch_query(&target, "policy", command->policy);
    fetch_query(&target, "model", command->args_len > 0 ? command->args[0] : NULL);
    enum exit_code code = fetch(command, buf_str(&target), &answer);
    *ret_lease = answer.valid_until;
    return code;
}

static void begin(struct top *top, const struct command *command)
{
    struct top_view *view = &top->view;

    top_view_begin(view);
    top->command = command;
    top->events.after = -1;
    view->status = &top->status;
    view->events = &top->events;
    view->trails = &top->trails;
    view->now = fetch_now();
    if (command->policy)
        text_copy(view->policy, sizeof view->policy, command->policy, strlen(command->policy));
    if (command->args_len > 0)
        text_copy(view->model, sizeof view->model, command->args[0], strlen(command->args[0]));
    top->whole = top->dirty = true;
}

static void end(struct top *top)
{
    top_data_close(top->data);
    top_view_done(&top->view);
    if (top->held != top->table)
        table_unref(top->held);
    table_unref(top->table);
    top_status_done(&top->status);
    top_events_done(&top->events);
    top_trails_done(&top->trails);
    cJSON_Delete(top->explained);
    free(top->explain_target);
    for (size_t i = 0; i < ARRAY_LEN(top->frames); i++)
        top_frame_done(&top->frames[i]);
    if (top->signals >= 0)
        close(top->signals);
}

static enum exit_code verdict(const struct top *top)
{
    if (!top->view.link.connected && top->view.link.why[0]) /* else it was left before it had begun */
        return EXIT_UNREACHABLE;
    return top->view.link.lease > 0 && fetch_now() > top->view.link.lease ? EXIT_STALE : EXIT_OK;
}

enum exit_code verb_top(const struct command *command, struct writer *w)
{
    static struct top top; /* large, and one a program */
    struct err err = {""};
    usec_t lease = 0;

    (void)w; /* it draws and prints nothing */
    enum exit_code code = check_terminal(command);
    if (code == EXIT_OK)
        code = ask_first(command, &lease);
    if (code != EXIT_OK)
        return code;
    begin(&top, command);
    top.signals = open_signals();
    top.data = top_data_open(
        &(struct top_source){
            .socket = command->socket, .policy = top.view.policy, .model = top.view.model, .lease = lease, .timeout = command->timeout},
        &err);
    if (!top.data || top.signals < 0) {
        complain("%s", top.data ? "cannot watch for signals" : err.text);
        code = EXIT_REFUSED;
    } else if (top_draw_open(&top.terminal, command->colour, &err) < 0) {
        complain("%s", err.text);
        code = EXIT_USAGE;
    } else {
        top.view.ascii = top.terminal.ascii;
        loop(&top);
        top_draw_close(&top.terminal);
        code = verdict(&top);
    }
    end(&top);
    return code;
}
