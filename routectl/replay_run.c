/* A replay: one history through one or two configurations at once.
 *
 * Records are read, passed on to the children, and what they say of routes is kept for as long as a table may be judged by it. Tables are
 * asked for at every whole step and at the whole second after each record that may change one at once. An answer is judged when it has come
 * from every child and the history has gone on by the window behind it; then both are forgotten. So memory is that of the window, the
 * page and what the children have not yet taken, which is capped by not reading on.
 *
 * What a replay sees does not depend on how fast anybody is: steps are judged in order, each by exactly the sightings of its own stretch.
 *
 * The replay begins cold. What comes before `since` is passed on but neither asked nor judged: it warms the statistics up. Where the
 * history has no records for longer than the window nobody was watching, and nothing is judged there. */
#include "routectl/replay_run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "routectl/figures.h"
#include "routectl/moment.h"
#include "shared/alloc.h"
#include "shared/json.h"

/* How far before `since` the daemon's history is read. */
#define WARM_UP (2 * USEC_PER_HOUR)
/* Of what a child has not taken yet. */
#define WAITING_MOST (512 * 1024)
#define STEPS_MOST   100000
/* Lines read before the children are looked at again. */
#define LINES_AT_ONCE 2000

/* --- asking ----------------------------------------------------------------------------------------------------------- */

static void send(struct replay_run *run, const char *data, size_t len)
{
    for (size_t i = 0; i < run->sides_len; i++)
        replay_child_send(&run->sides[i].child, data, len);
}

static void close_step(struct replay_run *run, usec_t until)
{
    struct replay_step *step = run->len > 0 ? &run->steps[run->head + run->len - 1] : NULL;
    if (step && step->until == 0)
        step->until = until > step->at ? until : step->at;
}

static void ask(struct replay_run *run, usec_t at)
{
    char number[32], line[80];
    if (at < run->setup->since)
        return;
    close_step(run, at);
    if (run->head + run->len == run->size && run->head > run->len) {
        memmove(run->steps, run->steps + run->head, run->len * sizeof *run->steps);
        run->head = 0;
    } else if (run->head + run->len == run->size) {
        run->size = run->size ? 2 * run->size : 256;
        run->steps = alloc_resize(run->steps, run->size, sizeof *run->steps);
    }
    run->steps[run->head + run->len++] = (struct replay_step){.at = at};
    int n = snprintf(line, sizeof line, "{\"t\":%s,\"kind\":\"table\"}\n", json_format_number(number, sizeof number, (double)at / 1e6));
    send(run, line, (size_t)n);
    run->tables++;
}

/* All tables that are due before the next record. */
static void ask_before(struct replay_run *run, usec_t t)
{
    usec_t every = run->setup->every;
    bool gap = t - run->last > SIGHTINGS_WINDOW + every;
    usec_t horizon = gap ? run->last + SIGHTINGS_WINDOW : t;
    for (usec_t next; (next = run->hard > 0 && run->hard < run->grid ? run->hard : run->grid) < horizon;) {
        ask(run, next);
        run->grid += next == run->grid ? every : 0;
        if (run->hard <= next)
            run->hard = 0;
    }
    if (!gap)
        return;
    close_step(run, horizon);
    run->grid = (t - 1) / every * every;
    run->hard = 0;
    if (run->grid >= run->setup->since)
        run->gaps += run->grid - (horizon > run->setup->since ? horizon : run->setup->since);
    ask(run, run->grid);
    run->grid += every;
}

/* --- records ---------------------------------------------------------------------------------------------------------- */

/* The same record at another time: of members that come twice the last one counts. */
static void send_moved(struct replay_run *run, const char *line, usec_t t)
{
    struct buf moved CLEANUP(buf_done) = BUF_INIT;
    char number[32];
    const char *end = strrchr(line, '}');
    buf_add(&moved, line, (size_t)(end - line));
    buf_printf(&moved, ",\"t\":%s}\n", json_format_number(number, sizeof number, (double)t / 1e6));
    send(run, moved.data, moved.len);
}

/* Its newline is where the NUL is. */
static void send_line(struct replay_run *run, char *line, size_t len)
{
    send(run, line, len);
    send(run, "\n", 1);
}

static void take_record(struct replay_run *run, char *line, size_t len, struct replay_record *record)
{
    usec_t every = run->setup->every, told = record->t;
    if (!run->begun) {
        run->begun = true;
        run->first = run->last = record->t;
        run->grid = (record->t + every - 1) / every * every;
    }
    if (record->t < run->last) { /* the wall clock was set back */
        record->t = run->last;
        run->moved++;
    }
    ask_before(run, record->t);
    run->last = record->t;
    run->records++;
    if (record->sighting && record->t > run->setup->since) {
        int route = sightings_route(run->sightings, record->platform, record->model);
        if (route >= 0)
            sightings_tell(run->sightings, route, record->t, record->ok, record->ttft, record->wasted);
        run->sighted++;
    }
    if (record->hard)
        run->hard = run->hard > 0 ? run->hard : (record->t / USEC_PER_SEC + 1) * USEC_PER_SEC;
    if (!record->passed_on)
        return;
    if (told != record->t)
        send_moved(run, line, record->t);
    else
        send_line(run, line, len);
}

static void end_input(struct replay_run *run)
{
    run->ended = true;
    if (run->begun && run->grid <= run->last) /* the last record stands on a step */
        ask(run, run->grid);
    close_step(run, run->last);
    for (size_t i = 0; i < run->sides_len; i++)
        replay_child_finish(&run->sides[i].child);
}

static enum exit_code take_line(struct replay_run *run, char *line, size_t len)
{
    struct replay_record record;
    struct err err = {""};
    if (strspn(line, " \t\r") >= len)
        return EXIT_OK;
    if (replay_record_read(line, len, &record, &err) < 0) {
        complain("%s: line %llu: %s", run->source.name, (unsigned long long)run->source.line, err.text);
        return EXIT_REFUSED;
    }
    if (run->setup->until > 0 && record.t >= run->setup->until) /* as the daemon has it */
        return EXIT_OK;
    take_record(run, line, len, &record);
    return EXIT_OK;
}

/* There is room for more: nobody is far behind. */
static bool has_room(const struct replay_run *run)
{
    for (size_t i = 0; i < run->sides_len; i++)
        if (replay_child_waiting(&run->sides[i].child) > WAITING_MOST)
            return false;
    return run->len < STEPS_MOST;
}

static enum exit_code feed(struct replay_run *run)
{
    enum exit_code code = EXIT_OK;
    for (int i = 0; i < LINES_AT_ONCE && code == EXIT_OK && !run->ended && has_room(run); i++) {
        char *line;
        size_t len;
        code = replay_source_next(&run->source, &line, &len);
        if (code == EXIT_OK && line)
            code = take_line(run, line, len);
        else if (code == EXIT_OK)
            end_input(run);
    }
    return code;
}

/* --- judging ---------------------------------------------------------------------------------------------------------- */

static bool can_judge(const struct replay_run *run, const struct replay_step *step)
{
    if (step->until == 0 || (!run->ended && run->last <= step->until + SIGHTINGS_WINDOW))
        return false;
    for (size_t i = 0; i < run->sides_len; i++)
        if (!replay_side_next(&run->sides[i]))
            return false;
    return true;
}

static enum exit_code judge(struct replay_run *run)
{
    while (run->len > 0 && can_judge(run, &run->steps[run->head])) {
        struct replay_step step = run->steps[run->head];
        sightings_look(run->sightings, step.at, step.until);
        for (size_t i = 0; i < run->sides_len; i++) {
            if (replay_side_next(&run->sides[i])->t != step.at) {
                complain("probed replay answered for another time than it was asked for: is %s of another version?", run->setup->program);
                return EXIT_REFUSED;
            }
            replay_side_judge(&run->sides[i], step.until);
        }
        run->judged_from = run->judged_until == 0 ? step.at : run->judged_from;
        run->judged_until = step.until;
        run->head++;
        run->len--;
    }
    return EXIT_OK;
}

static void show_progress(struct replay_run *run, bool last)
{
    struct timespec now;
    char time[40], records[32], line[160];
    if (!run->setup->progress)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    usec_t at = (usec_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
    if (!last && at - run->shown < USEC_PER_SEC / 10)
        return;
    run->shown = at;
    int n = last ? snprintf(line, sizeof line, "\r\033[K")
                 : snprintf(line, sizeof line, "\r\033[Kreplaying %s, %s records",
                            moment_format(time, sizeof time, run->judged_until > 0 ? run->judged_until : run->last),
                            figure_thousands(records, sizeof records, (int64_t)run->records));
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)n);
    (void)ignored;
}

/* --- the loop --------------------------------------------------------------------------------------------------------- */

static enum exit_code work(struct replay_run *run)
{
    struct pollfd fds[REPLAY_SIDES * REPLAY_CHILD_FDS];
    for (size_t i = 0; i < run->sides_len; i++)
        replay_child_poll(&run->sides[i].child, fds + i * REPLAY_CHILD_FDS);
    /* With room for more, reading on is better than waiting. */
    if (poll(fds, run->sides_len * REPLAY_CHILD_FDS, !run->ended && has_room(run) ? 0 : -1) < 0 && errno != EINTR) {
        complain("cannot wait for probed replay: %s", strerror(errno));
        return EXIT_REFUSED;
    }
    for (size_t i = 0; i < run->sides_len; i++) {
        struct replay_side *side = &run->sides[i];
        if (replay_child_work(&side->child, fds + i * REPLAY_CHILD_FDS, replay_side_take, side) < 0) {
            complain("%s: %s", run->setup->program, side->err.text[0] ? side->err.text : "an answer that does not end");
            return EXIT_REFUSED;
        }
    }
    return EXIT_OK;
}

/* Some child has said all it will ever say, and that was not all that was wanted. */
static enum exit_code check_children(struct replay_run *run)
{
    for (size_t i = 0; i < run->sides_len; i++) {
        struct replay_side *side = &run->sides[i];
        if (!replay_child_ended(&side->child))
            continue;
        bool good = replay_child_collect(&side->child);
        if (good && run->ended && (run->len == 0 || replay_side_next(side)))
            continue;
        complain("the history could not be replayed under %s", side->config); /* its own words stand above */
        return EXIT_REFUSED;
    }
    return EXIT_OK;
}

static bool all_ended(const struct replay_run *run)
{
    for (size_t i = 0; i < run->sides_len; i++)
        if (!replay_child_ended(&run->sides[i].child))
            return false;
    return true;
}

static enum exit_code start(struct replay_run *run)
{
    const struct replay_setup *setup = run->setup;
    struct err err = {""};
    for (size_t i = 0; i < REPLAY_SIDES; i++) {
        if (!setup->configs[i])
            continue;
        int e = replay_side_start(&run->sides[run->sides_len++], setup->program, setup->configs[i], setup->command->policy, run->sightings,
                                  &err);
        if (e < 0) {
            complain("%s", err.text);
            return EXIT_REFUSED;
        }
    }
    return replay_source_open(&run->source, setup->command, setup->file, setup->since > WARM_UP ? setup->since - WARM_UP : 0, setup->until);
}

enum exit_code replay_run(struct replay_run *run, const struct replay_setup *setup)
{
    *run = (struct replay_run){.setup = setup, .source.fd = -1, .sightings = sightings_new()};
    signal(SIGPIPE, SIG_IGN);
    enum exit_code code = start(run);
    while (code == EXIT_OK) {
        code = feed(run);
        if (code == EXIT_OK)
            code = work(run);
        if (code == EXIT_OK)
            code = judge(run);
        show_progress(run, code != EXIT_OK);
        if (code == EXIT_OK)
            code = check_children(run);
        if (code == EXIT_OK && run->ended && all_ended(run) && run->len == 0)
            break;
    }
    show_progress(run, true);
    return code;
}

void replay_run_done(struct replay_run *run)
{
    for (size_t i = 0; i < run->sides_len; i++)
        replay_side_done(&run->sides[i]);
    replay_source_close(&run->source);
    run->sightings = sightings_free(run->sightings);
    free(run->steps);
    run->steps = NULL;
}
