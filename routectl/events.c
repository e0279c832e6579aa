/* routectl events: what happened, from the daemon's memory, and with -f what happens from now on.
 *
 * Events have numbers that only grow and outlive the daemon, so that following is asking once a second for what has a larger one: a daemon
 * that is restarted meanwhile makes us wait, say so, and miss nothing. Should its history have been begun anew (the file was set aside),
 * the numbers begin anew too; that is noticed by the newest being smaller than what we have seen, and said. Following ends at --for,
 * --count or a signal, or when nobody reads any more. */
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "routectl/period.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "shared/text.h"

#define SINCE_DEFAULT USEC_PER_DAY
#define PAGE          1000
#define PAGES_MAX     100 /* of one look into the past */
#define TAIL          10  /* what -f begins with */

static const struct column columns[] = {
    {.key = "id"},
    {.key = "at"},
    {.key = "level"},
    {.key = "name"},
    {.key = "platform"},
    {.key = "model"},
    {.key = "policy"},
    {.key = "from"},
    {.key = "to"},
    {.key = "reason"},
    {.title = ""},
    {.title = ""},
    {.key = "text", .title = "", .wrap = true},
};

struct looking {
    const struct command *command;
    struct target of;
    usec_t since, until; /* until 0 = none */
    int64_t after;       /* the largest number seen; -1 = none */
    long shown;
    bool headless, lost; /* lost: we have said that the daemon does not answer */
    bool over;
};

static usec_t steady_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

/* --- showing ---------------------------------------------------------------------------------------------------------- */

static enum style level_style(const char *level)
{
    if (strcmp(level, "err") == 0 || strcmp(level, "error") == 0)
        return STYLE_BAD;
    if (strcmp(level, "warning") == 0)
        return STYLE_WARN;
    return STYLE_PLAIN;
}

static void write_event(struct writer *w, const cJSON *event)
{
    char when[40] = "-", kind[48];
    usec_t at = field_time(event, "at");
    time_t seconds = (time_t)(at / USEC_PER_SEC);
    struct tm tm;
    int64_t id;

    if (at > 0 && localtime_r(&seconds, &tm))
        when[strftime(when, sizeof when, "%m-%d %H:%M:%S", &tm)] = '\0';
    snprintf(kind, sizeof kind, "%-9.40s", field_words(event, "name"));
    writer_row(w, (struct cell[]){
                      json_int(event, "id", &id) ? cell_integer(id) : cell_unknown(),
                      at > 0 ? (struct cell){.kind = CELL_NUMBER, .number = (double)(at / 1000) / 1000} : cell_unknown(),
                      cell_string(json_string(event, "level")),
                      cell_string(json_string(event, "name")),
                      cell_string(json_string(event, "platform")),
                      cell_string(json_string(event, "model")),
                      cell_string(json_string(event, "policy")),
                      cell_string(json_string(event, "from")),
                      cell_string(json_string(event, "to")),
                      cell_string(json_string(event, "reason")),
                      cell_styled(cell_string(when), STYLE_DIM),
                      cell_string(kind),
                      cell_styled(cell_string(json_string(event, "text")), level_style(field_words(event, "level"))),
                  });
}

static void write_events(struct looking *look, struct writer *w, const cJSON *events)
{
    const cJSON *event;
    if (look->headless)
        writer_headless(w);
    look->headless = true;
    writer_table(w, "events", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(event, events)
    {
        write_event(w, event);
    }
    writer_table_end(w);
}

/* --- asking ----------------------------------------------------------------------------------------------------------- */

static void make_target(const struct looking *look, int64_t after, long limit, struct buf *target)
{
    char text[32];
    buf_add_str(target, "/v1/events");
    if (look->since > 0)
        fetch_query(target, "since", json_format_number(text, sizeof text, (double)(look->since / 1000) / 1000));
    if (look->until > 0)
        fetch_query(target, "until", json_format_number(text, sizeof text, (double)(look->until / 1000) / 1000));
    fetch_query(target, "platform", look->of.platform[0] ? look->of.platform : NULL);
    fetch_query(target, "model", look->of.model[0] ? look->of.model : NULL);
    fetch_query(target, "policy", look->command->policy);
    fetch_query(target, "name", look->command->kind);
    snprintf(text, sizeof text, "%lld", (long long)after);
    fetch_query(target, "after", after >= 0 ? text : NULL);
    snprintf(text, sizeof text, "%ld", limit);
    fetch_query(target, "limit", text);
}

/* after -1 = the newest. The HTTP status, or -errno with err said; nothing is complained about here. */
static int ask(const struct looking *look, int64_t after, long limit, struct fetched *ret, struct err *err)
{
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    struct client_answer answer CLEANUP(client_answer_done) = {0};

    make_target(look, after, limit, &target);
    int error = client_request(look->command->socket, "GET", buf_str(&target), NULL, look->command->timeout, &answer, err);
    if (error < 0)
        return error;
    ret->status = answer.status;
    ret->json = json_parse(buf_str(&answer.body), answer.body.len, err);
    return answer.status == 200 && !ret->json ? -EPROTO : answer.status;
}

static enum exit_code complain_of(const struct looking *look, int status, const struct fetched *answer, const struct err *err)
{
    if (status < 0) {
        fetch_unreachable(look->command, status, err->text);
        return EXIT_UNREACHABLE;
    }
    fetch_complain(look->command, answer);
    return EXIT_REFUSED;
}

static void learn(struct looking *look, const cJSON *answer)
{
    int64_t next;
    if (json_int(answer, "next", &next) && next > look->after)
        look->after = next;
}

/* --- the past --------------------------------------------------------------------------------------------------------- */

/* All events since `since`, a page at a time, into `all`. */
static enum exit_code gather(struct looking *look, cJSON *all)
{
    look->after = 0;
    for (int page = 0; page < PAGES_MAX; page++) {
        struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
        struct err err = {""};
        int status = ask(look, look->after, PAGE, &answer, &err);
        if (status != 200)
            return complain_of(look, status, &answer, &err);
        cJSON *events = cJSON_GetObjectItemCaseSensitive(answer.json, "events"), *event;
        int len = cJSON_GetArraySize(events);
        int64_t before = look->after;
        while ((event = cJSON_DetachItemFromArray(events, 0)))
            cJSON_AddItemToArray(all, event);
        learn(look, answer.json);
        if (len < PAGE || look->after <= before)
            break;
    }
    return EXIT_OK;
}

static void keep_newest(cJSON *all, long count)
{
    /* From the front each is cheap: the list is linked. */
    for (int extra = cJSON_GetArraySize(all) - (int)count; extra > 0; extra--)
        cJSON_DeleteItemFromArray(all, 0);
}

static enum exit_code look_back(struct looking *look, struct writer *w)
{
    cJSON *answer CLEANUP(json_deletep) = json_new_object();
    cJSON *all = json_add_array(answer, "events");
    const struct command *command = look->command;
    char span[PERIOD_SHOWN_MAX], zone[PERIOD_SHOWN_MAX];
    struct period period = {look->since, look->until > 0 ? look->until : fetch_now()};

    enum exit_code code = gather(look, all);
    if (code != EXIT_OK)
        return code;
    if (command->count > 0 && command->count < INT32_MAX)
        keep_newest(all, command->count);
    json_add_int(answer, "next", look->after);
    writer_document(w, answer);
    writer_note(w, STYLE_DIM, "%s %s", period_shown(span, &period), period_zone(zone, period.until));
    if (cJSON_GetArraySize(all) > 0 || writer_form(w) == WRITER_TSV)
        write_events(look, w, all);
    else
        writer_note(w, STYLE_PLAIN, "Nothing happened in that time%s. Look farther back with --since 7d",
                    command->kind || look->of.platform[0] || command->policy ? ", as far as you asked for" : "");
    return EXIT_OK;
}

/* --- following -------------------------------------------------------------------------------------------------------- */

static void show_new(struct looking *look, const cJSON *events)
{
    const struct command *command = look->command;
    struct writer *w CLEANUP(writer_freep) =
        writer_new(&(struct writer_setup){.form = command->form, .colour = command->colour, .columns = command->columns});
    cJSON *some CLEANUP(json_deletep) = cJSON_CreateArray();
    const cJSON *event;
    int error = 0;

    cJSON_ArrayForEach(event, events)
    {
        if (command->count > 0 && look->shown == command->count)
            break;
        look->shown++;
        cJSON_AddItemToArray(some, cJSON_Duplicate(event, true));
    }
    if (command->form == WRITER_JSON) { /* one a line, so that each can be read when it comes */
        cJSON_ArrayForEach(event, some)
        {
            writer_document(w, event);
            error = error < 0 ? error : writer_flush(w, STDOUT_FILENO);
        }
    } else if (cJSON_GetArraySize(some) > 0 || (command->form == WRITER_TSV && !look->headless)) {
        write_events(look, w, some);
        error = writer_flush(w, STDOUT_FILENO);
    }
    look->over = look->over || error < 0 || (command->count > 0 && look->shown >= command->count);
}

/* After the daemon was away: has its history begun anew? Then so do we. */
static bool begun_anew(struct looking *look)
{
    struct command command = *look->command;
    struct looking any = {.command = &command};
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct err err = {""};
    int64_t newest = -1;

    command.kind = command.policy = NULL;
    if (ask(&any, -1, 1, &answer, &err) != 200 || !json_int(answer.json, "next", &newest) || newest >= look->after)
        return false;
    complain("the daemon's history was begun anew: what happened in between may be missing");
    look->after = 0;
    return true;
}

/* One look for what is new. Not answered is said once; only a refusal ends the following. */
static enum exit_code look_on(struct looking *look)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct err err = {""};
    int status = ask(look, look->after, PAGE, &answer, &err);

    if (status == 200) {
        if (look->lost) {
            complain("connected again");
            look->lost = false;
            if (begun_anew(look))
                return EXIT_OK;
        }
        learn(look, answer.json);
        show_new(look, json_at(answer.json, "events"));
        return EXIT_OK;
    }
    if (status >= 400 && status < 500 && status != 429) {
        look->over = true;
        return complain_of(look, status, &answer, &err);
    }
    if (!look->lost)
        complain("not connected any more: %s; trying again", status < 0 ? err.text : "the daemon is busy");
    look->lost = true;
    return EXIT_UNREACHABLE;
}

/* What -f begins with: the last few, or all since --since, or nothing where new ones are counted. */
static enum exit_code look_first(struct looking *look)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct err err = {""};
    bool given = look->command->since > 0;
    char zone[PERIOD_SHOWN_MAX];

    int status = ask(look, given ? 0 : -1, given ? PAGE : TAIL, &answer, &err);
    if (status != 200)
        return complain_of(look, status, &answer, &err);
    look->after = 0;
    learn(look, answer.json);
    if (look->command->form == WRITER_TEXT && look->command->terminal)
        complain("events as they come, times are %s", period_zone(zone, fetch_now()));
    if (given || look->command->count == 0)
        show_new(look, json_at(answer.json, "events"));
    return EXIT_OK;
}

static int open_signals(void)
{
    sigset_t set;
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        sigaddset(&set, wanted[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Waits for the next look: false if it is over. */
static bool wait_second(int signals, usec_t end)
{
    usec_t left = end == USEC_INFINITY ? USEC_PER_SEC : end - steady_now();
    struct pollfd fds[] = {
        {.fd = signals, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = 0}, /* POLLERR when a pipe's reader is gone */
    };
    if (left <= 0)
        return false;
    int n = poll(fds, ARRAY_LEN(fds), left < USEC_PER_SEC ? (int)(left / 1000) + 1 : 1000);
    if (n < 0)
        return errno == EINTR;
    return n == 0;
}

static enum exit_code follow(struct looking *look)
{
    usec_t end = look->command->lasting > 0 ? steady_now() + look->command->lasting : USEC_INFINITY;
    enum exit_code code = look_first(look);
    if (code != EXIT_OK || look->over)
        return code;
    int signals = open_signals();
    if (signals < 0) {
        complain("cannot watch for signals: %s", strerror(errno));
        return EXIT_REFUSED;
    }
    signal(SIGPIPE, SIG_IGN);
    look->since = 0; /* the number says it all from here on */
    while (!look->over && wait_second(signals, end))
        code = look_on(look);
    close(signals);
    return code;
}

enum exit_code verb_events(const struct command *command, struct writer *w)
{
    struct looking look = {.command = command, .since = command->since, .until = command->until, .after = -1};

    if (command->args_len > 0 && !target_parse(&look.of, command->args[0], false))
        return EXIT_USAGE;
    if (command->follow && command->until > 0) {
        complain("--follow goes on from now; it takes no --until");
        return EXIT_USAGE;
    }
    if (command->lasting > 0 && !command->follow) {
        complain("--for says how long to follow; it goes with --follow");
        return EXIT_USAGE;
    }
    if (command->follow)
        return follow(&look);
    usec_t end = look.until > 0 ? look.until : fetch_now();
    if (look.since == 0)
        look.since = end > SINCE_DEFAULT ? end - SINCE_DEFAULT : 0;
    return look_back(&look, w);
}
