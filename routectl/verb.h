/* What a verb is given and what it gives back: the words of the command line, once parsed, and an exit code.
 *
 * A verb asks the daemon (fetch.h), describes what it found (writer.h) and returns; main.c flushes the writer. A verb never prints. */
#ifndef ROUTECTL_VERB_H
#define ROUTECTL_VERB_H

#include <stdbool.h>
#include <stddef.h>

#include "routectl/writer.h"
#include "shared/units.h"

/* X(ID, number, when) */
#define EXIT_TABLE(X)                                                                                                                      \
    X(OK, 0, "done")                                                                                                                       \
    X(REFUSED, 1, "the daemon refused, or something needs an operator")                                                                    \
    X(USAGE, 2, "the command line is wrong")                                                                                               \
    X(UNREACHABLE, 3, "the daemon cannot be reached")                                                                                      \
    X(NO_ROUTE, 4, "there is no usable route")                                                                                             \
    X(STALE, 5, "the table is stale: it was shown, but nobody renews it")

enum exit_code {
#define X(id, number, when) EXIT_##id = number,
    EXIT_TABLE(X)
#undef X
};

/* Which options a verb takes besides those that all take. */
enum option_set {
    TAKES_POLICY = 1 << 0,
    TAKES_OUTPUT = 1 << 1,
    TAKES_FOR = 1 << 2,
    TAKES_REASON = 1 << 3,
    TAKES_COUNT = 1 << 4,
    TAKES_SPAN = 1 << 5,   /* since, until */
    TAKES_REPLAY = 1 << 6, /* config, with, every, probed */
    TAKES_METRIC = 1 << 7,
    TAKES_EVENTS = 1 << 8, /* follow */
    TAKES_REPORT = 1 << 9, /* month, html */
    TAKES_CURRENCY = 1 << 10,
    TAKES_LONG = 1 << 11,
    TAKES_WORKLOAD = 1 << 12, /* requests, input, days; output is another */
    TAKES_KIND = 1 << 13,
};

struct command {
    const char *verb;
    char *const *args;
    size_t args_len;
    const char *socket;
    enum writer_form form;
    bool terminal; /* standard output is one */
    bool colour;
    size_t columns;     /* of that terminal; 0 = no window */
    usec_t timeout;     /* for one answer */
    const char *policy; /* NULL = the daemon's default */
    const char *output; /* of best, of forecast, or a file; NULL = not given */
    const char *reason; /* NULL = not given */
    usec_t lasting;     /* --for; 0 = not given */
    long count;         /* --count; 0 = not given */
    usec_t since;       /* --since; wall clock, 0 = not given */
    usec_t until;       /* --until; wall clock, 0 = not given */
    const char *config; /* of replay: the new configuration; NULL = not given */
    const char *with;   /* of replay: the old configuration; NULL = the daemon's */
    usec_t every;       /* of replay: between two tables; 0 = not given */
    const char *probed; /* of replay: the program; NULL = look for it */
    const char *metric; /* of history; NULL = not given */
    const char *kind;   /* of events, of a probe; NULL = not given */
    bool follow;        /* of events */
    const char *month;  /* of report; NULL = not given */
    bool html;          /* of report */
    const char *currency; /* that money is shown in; NULL = the daemon's reference */
    bool longer;          /* --long */
    const char *requests; /* of forecast, as are the next two, as typed; NULL = not given */
    const char *input;
    const char *days;
};

/* X(function, name, arguments, fewest, most, options, about). The man page must have each of them (tests/lint/routectl-documented). */
#define VERB_TABLE(X)                                                                                                                      \
    X(status, "status", "", 0, 0, 0, "how the daemon is: platforms, budget, overrides, loop")                                              \
    X(routes, "routes", "[MODEL]", 0, 1, TAKES_POLICY, "the ranked routes of one model or of all")                                         \
    X(best, "best", "MODEL", 1, 1, TAKES_POLICY | TAKES_OUTPUT, "the route to use now")                                                    \
    X(explain, "explain", "PLATFORM/MODEL", 1, 1, TAKES_POLICY, "why a route stands where it stands")                                      \
    X(watch, "watch", "[MODEL]", 0, 1, TAKES_POLICY | TAKES_FOR | TAKES_COUNT, "the ranked routes, live")                                  \
    X(top, "top", "[MODEL]", 0, 1, TAKES_POLICY, "the whole screen, live: look around, drain and pin")                                     \
    X(check, "check", "[MODEL]...", 0, 64, TAKES_POLICY, "is all well? one line each, for scripts and monitoring")                         \
    X(compare, "compare", "PLATFORM PLATFORM", 2, 2, TAKES_POLICY, "what switching from one platform to another changes")                  \
    X(override, "drain", "PLATFORM[/MODEL]", 1, 1, TAKES_FOR | TAKES_REASON, "take it out: no requests, probes go on")                     \
    X(override, "pin", "PLATFORM[/MODEL]", 1, 1, TAKES_FOR | TAKES_REASON, "put it first for as long as it works")                         \
    X(override, "enable", "PLATFORM[/MODEL]", 1, 1, TAKES_FOR | TAKES_REASON, "take a drain or a pin back")                                \
    X(probe, "probe", "PLATFORM[/MODEL]", 1, 1, TAKES_KIND, "probe it now, within the budget")                                                      \
    X(history, "history", "PLATFORM[/MODEL]...", 1, 12, TAKES_SPAN | TAKES_METRIC | TAKES_POLICY, "how it went: a picture")                \
    X(events, "events", "[PLATFORM[/MODEL]]", 0, 1, TAKES_SPAN | TAKES_POLICY | TAKES_EVENTS | TAKES_KIND | TAKES_FOR | TAKES_COUNT,       \
      "what happened")                                                                                                                     \
    X(report, "report", "[PLATFORM]...", 0, 12, TAKES_SPAN | TAKES_REPORT | TAKES_OUTPUT, "a month of the platforms, for people who decide")\
    X(platforms, "platforms", "", 0, 0, 0, "the platforms: keys, endpoints, feeds of prices, balances, tags")                              \
    X(prices, "prices", "[MODEL]", 0, 1, TAKES_CURRENCY | TAKES_LONG, "what it costs where, whence that is known, and what is charged")    \
    X(spend, "spend", "[PLATFORM]", 0, 1, TAKES_CURRENCY, "balances, how long they last, and what probing costs")                          \
    X(forecast, "forecast", "[MODEL]", 0, 1, TAKES_POLICY | TAKES_OUTPUT | TAKES_CURRENCY | TAKES_WORKLOAD, "the cost of a workload")      \
    X(capabilities, "capabilities", "[PLATFORM[/MODEL]|MODEL]", 0, 1, TAKES_LONG, "what the routes can do, tried out")                     \
    X(honesty, "honesty", "[PLATFORM[/MODEL]|MODEL]", 0, 1, TAKES_LONG, "signals that an answer was not what it should be")                \
    X(dump, "dump", "", 0, 0, TAKES_SPAN | TAKES_OUTPUT, "the recorded history, for probed replay and probed import")                      \
    X(replay, "replay", "[FILE]", 0, 1, TAKES_SPAN | TAKES_POLICY | TAKES_REPLAY, "what another configuration would have changed")         \
    X(reload, "reload", "", 0, 0, 0, "read the configuration again")                                                                       \
    X(help, "help", "[VERB]", 0, 1, 0, "this list, or one verb")                                                                           \
    X(version, "version", "", 0, 0, 0, "the version of routectl")

enum exit_code verb_status(const struct command *command, struct writer *w);
enum exit_code verb_routes(const struct command *command, struct writer *w);
enum exit_code verb_best(const struct command *command, struct writer *w);
enum exit_code verb_explain(const struct command *command, struct writer *w);
enum exit_code verb_watch(const struct command *command, struct writer *w);
enum exit_code verb_top(const struct command *command, struct writer *w);
enum exit_code verb_check(const struct command *command, struct writer *w);
enum exit_code verb_compare(const struct command *command, struct writer *w);
enum exit_code verb_override(const struct command *command, struct writer *w);
enum exit_code verb_probe(const struct command *command, struct writer *w);
enum exit_code verb_history(const struct command *command, struct writer *w);
enum exit_code verb_events(const struct command *command, struct writer *w);
enum exit_code verb_report(const struct command *command, struct writer *w);
enum exit_code verb_platforms(const struct command *command, struct writer *w);
enum exit_code verb_prices(const struct command *command, struct writer *w);
enum exit_code verb_spend(const struct command *command, struct writer *w);
enum exit_code verb_forecast(const struct command *command, struct writer *w);
enum exit_code verb_capabilities(const struct command *command, struct writer *w);
enum exit_code verb_honesty(const struct command *command, struct writer *w);
enum exit_code verb_dump(const struct command *command, struct writer *w);
enum exit_code verb_replay(const struct command *command, struct writer *w);
enum exit_code verb_reload(const struct command *command, struct writer *w);

/* "routectl: ..." on standard error, made safe for a terminal. The only way in which anything gets there. */
void complain(const char *fmt, ...) ATTR_PRINTF(1, 2);

/* PLATFORM[/MODEL], split at the first '/'; the model may hold more of them. */
struct target {
    char platform[64];
    char model[128]; /* "" = none given */
};
/* False, with a complaint, if it is no target or has no model where one is wanted. */
bool target_parse(struct target *ret, const char *text, bool model_wanted);

#endif
